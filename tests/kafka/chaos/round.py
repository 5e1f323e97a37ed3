"""One job from its start to the comparison, with faults in three lanes meanwhile."""
import json, os, random, shutil, socket, subprocess, sys, threading, time

HERE = os.path.dirname(os.path.realpath(__file__))
for folder in ("../../chaos", "../../process", ".."):
    sys.path.append(os.path.join(HERE, folder))  # behind our own: names there are the same

import everything, faults, markers, verify
from cluster import FAST_START
from job import Job, Over
from verify import Wrong

KEYS, VISITORS = 8, 400  # keys of each input partition
IN, OUT = 4, 3           # partitions
BAD = 50                 # behind one row in so many comes a message that is none
KAFKA = os.path.join(HERE, "..")
FINISH_S = 120           # until all has arrived when nothing disturbs any more


def sql(r):
    sink = f"""'properties.bootstrap.servers' = '{r.servers}', 'sink.delivery-guarantee' = '{r.guarantee}',
  'properties.transaction.timeout.ms' = '{int(faults.TIMEOUT_S * 1000)}', 'key.format' = 'raw', 'key.fields' = 'k',
  'value.format' = 'json'"""
    source = f"""(n BIGINT, k STRING, v STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
WITH ('connector' = 'kafka', 'topic' = 'in', 'properties.bootstrap.servers' = '{r.servers}',
  'scan.startup.mode' = 'earliest-offset', 'format' = 'json', 'bad-rows' = '%s')"""
    return f"""SET 'parallelism.default' = '{r.tasks}';
SET 'dead-letter.table' = 'dead';
CREATE TABLE rows_in {source % 'dead-letter'};
CREATE TABLE rows_uv {source % 'skip'};
CREATE TABLE dead (message STRING) WITH ('connector' = 'kafka', 'topic' = 'dead', 'format' = 'raw',
  'properties.bootstrap.servers' = '{r.servers}', 'sink.delivery-guarantee' = '{r.guarantee}',
  'properties.transaction.timeout.ms' = '{int(faults.TIMEOUT_S * 1000)}');
CREATE TABLE passed (n BIGINT, k STRING, v STRING) WITH ('connector' = 'kafka', 'topic' = 'passed',
  'sink.transactional-id-prefix' = 'pass', {sink});
CREATE TABLE uv (e TIMESTAMP(3), k STRING, uv BIGINT) WITH ('connector' = 'kafka', 'topic' = 'uv',
  'sink.transactional-id-prefix' = 'uv', {sink});
EXECUTE STATEMENT SET BEGIN
INSERT INTO passed SELECT n, k, v FROM rows_in WHERE MOD(n, 10) <> 3;
INSERT INTO uv SELECT window_end, k, COUNT(DISTINCT v) FROM TABLE(CUMULATE(TABLE rows_uv, DESCRIPTOR(ts),
  INTERVAL '1' SECOND, INTERVAL '10' SECOND)) GROUP BY window_start, window_end, k;
END;
"""


class Producer(threading.Thread):
    """Numbered rows at an even pace, by Java's idempotent producer, directly at the broker. One request at a time: a broker
    that was killed remembers only the last batch of a producer, and would take those before it once more."""

    def __init__(self, round_, rate):
        super().__init__(daemon=True)
        self.r, self.rate, self.count, self.is_over, self.wrong = round_, rate, 0, False, None
        self.random = random.Random(f"{round_.seed} rows")
        self.process = subprocess.Popen([round_.tool.program, round_.tool.folder, "produce", "in",
                                         "delivery.timeout.ms=600000", "max.block.ms=600000",
                                         "max.in.flight.requests.per.connection=1"],
                                        stdin=subprocess.PIPE, text=True, stderr=round_.log_file)

    def line(self, n):
        partition = n % IN
        key, visitor = f"p{partition}-{self.random.randrange(KEYS)}", f"u{self.random.randrange(VISITORS)}"
        self.r.rows[n] = key, visitor
        value = json.dumps({"n": n, "k": key, "v": visitor, "ts": verify.stamp(verify.BASE_MS + n)})
        line = json.dumps({"partition": partition, "key": key, "value": value}) + "\n"
        if n % BAD == BAD - 1:
            self.r.bad.add(f"no row {n}")
            line += json.dumps({"partition": partition, "key": key, "value": f"no row {n}"}) + "\n"
        return line

    def run(self):
        began = time.monotonic()
        try:
            while not self.is_over:
                due = int((time.monotonic() - began) * self.rate)
                self.process.stdin.write("".join(self.line(n) for n in range(self.count, due)))
                self.process.stdin.flush()
                self.count = max(self.count, due)
                time.sleep(0.02)
        except OSError as error:
            self.wrong = error

    def end(self):
        """All that was made is in the topic."""
        self.is_over = True
        self.join()
        self.process.stdin.close()
        if self.process.wait(300) != 0 or self.wrong:
            raise Wrong(f"the producer of the harness has failed: {self.wrong or self.process.returncode}")


class Round:
    def __init__(self, world, number):
        self.w, self.number = world, number
        self.seed = f"{world.a.seed}.{number}"
        r = random.Random(self.seed)
        self.tasks, self.interval = r.choice([2, 2, 3]), r.choice([200, 300, 500, 1000])
        self.guarantee = "at-least-once" if world.a.break_it == "at-least-once" else "exactly-once"
        self.folder = os.path.join(world.folder, f"round-{number}")
        os.makedirs(self.folder)
        self.log_file = open(self.folder + "/log", "a", buffering=1)
        self.began, self.rows, self.bad, self.ledger, self.lock = time.monotonic(), {}, set(), [], threading.Lock()
        self.is_over, self.wrong, self.lane_threads, self.weir_lane = False, None, [], threading.Lock()
        self.fates = None
        self.kafka = self.folder + "/kafka"
        self.data = self.kafka + "/node-1/disk/data"
        self.has_disk = world.has_disk
        self.tool = verify.Tool(os.path.join(KAFKA, "tool"), self.kafka)
        self.job = Job(world, self.folder, f"kchaos-{os.getpid()}-{number}")
        self.refused, self.lost, self.is_judged = 0, [], True

    # --- telling ---

    def log(self, text):
        line = f"{time.monotonic() - self.began:8.3f} {threading.current_thread().name:7} {text}"
        self.log_file.write(line + "\n")
        if self.w.a.verbose:
            print(line, flush=True)

    def note(self, lane, kind):
        with self.lock:
            self.ledger.append((lane, kind))
        self.w.count_fault(kind)
        self.log(f"done: {kind}")

    def sleep(self, seconds):
        limit = time.monotonic() + seconds
        while time.monotonic() < limit:
            time.sleep(min(0.02, max(0.0, limit - time.monotonic())))
            self.look()

    def look(self):
        if self.w.interrupted:
            raise Wrong("interrupted")
        if self.watcher.wrong:
            raise self.watcher.wrong
        if self.wrong:
            raise self.wrong

    def wait(self, condition, what, seconds):
        limit = time.monotonic() + seconds
        while not condition():
            if time.monotonic() > limit:
                raise Wrong(f"waited {seconds:.0f} s in vain: {what}")
            time.sleep(0.02)
            self.look()

    # --- the broker ---

    def broker(self, *words, options=()):
        self.log("broker " + " ".join(words))
        done = subprocess.run([KAFKA + "/broker", words[0], *options, self.kafka, *words[1:]], capture_output=True,
                              text=True, check=False)
        if done.returncode == 77:
            print(done.stderr.strip(), flush=True)
            sys.exit(77)
        if done.returncode and words[0] not in ("fill", "drain", "pause", "resume"):
            self.log(f"broker {words[0]}: {done.stderr.strip()}")
            raise Wrong(f"broker {words[0]}: {done.stderr.strip()}")
        return done.stdout

    def broker_is_dead(self, wait=0):
        limit = time.monotonic() + wait
        while True:
            if "dead" in self.broker("status"):
                return True
            if time.monotonic() >= limit:
                return False
            time.sleep(0.2)

    def broker_is_at_fault(self, wrong):
        """Whether the broker has lost markers: then what a reader sees is not what its coordinator has said."""
        self.lost = self.find_lost()
        for one in self.lost:
            self.log(f"THE BROKER LOST A MARKER: {markers.describe(one)}")
        if self.lost and wrong:
            self.log(f"a reader says: {wrong}")
        return bool(self.lost)

    def find_lost(self):
        return markers.find_lost([self.data])

    def input_is_right(self):
        """Whether each row is in the input topic once; otherwise the output can say nothing of weir."""
        values = [value for n in range(IN) for value in markers.read_values([self.data], f"in-{n}")]
        return len(values) == len(set(values))

    def proxy(self, *words):
        """As `broker` does it, without starting a Python for each."""
        self.log("proxy " + " ".join(words))
        with open(self.kafka + "/proxy.control", encoding="utf-8") as f:
            port = int(f.read())
        with socket.create_connection(("127.0.0.1", port), 10) as connection:
            connection.sendall(" ".join(words).encode() + b"\n")
            answer = connection.makefile().readline().strip()
        if answer != "ok":
            raise Wrong(f"the proxy says {answer}")

    # --- weir ---

    def write_job(self):
        with open(self.kafka + "/bootstrap.proxy", encoding="utf-8") as f:
            self.servers = f.read().strip()
        with open(self.folder + "/job.sql", "w", encoding="utf-8") as f:
            f.write(sql(self))
        with open(self.folder + "/job.yaml", "w", encoding="utf-8") as f:
            f.write(f"job: {self.job.name}\nsql: job.sql\nmemory: {{state: 96MiB, reserve: 0%}}\n"
                    f"checkpoint: {{interval: {self.interval}ms, dir: checkpoints}}\n"
                    "recovery: {spares: 1, orphan_after: 30s}\n")

    def ended_well(self):
        """The run has ended with 0, or (killed at its very end) has nothing left to go on from."""
        return self.job.p.poll() == 0

    def kill_supervisor(self):
        self.log(f"SIGKILL of the supervisor {self.job.p.pid}")
        self.job.kill_supervisor()  # Over: it had come to its end

    def everything_dies(self, with_memory):
        self.log("SIGKILL of everything" + (", memory deleted" if with_memory else ""))
        self.job.everything_dies()
        if with_memory:
            shutil.rmtree(self.job.memory, ignore_errors=True)

    def is_finished(self):
        """The checkpoints are removed when a job has finished: who runs it again begins anew."""
        return not os.path.exists(self.folder + "/checkpoints/JOB")

    def run_again(self):
        if self.draining and self.is_finished():
            raise Over
        self.job.start()
        limit = time.monotonic() + FINISH_S
        while not self.job.is_up():
            if self.job.p.poll() is not None:
                self.start_was_refused()
            if time.monotonic() > limit:
                raise Wrong(f"the job is not up {FINISH_S} s after weir run")
            time.sleep(0.02)
            self.look()
        self.log(f"up again, supervisor {self.job.p.pid}")

    def start_was_refused(self):
        """A broker that is away may refuse a start; somebody (a service manager) starts the job again."""
        status = self.job.p.returncode
        if status == 0:
            raise Over
        said = " ".join(str(e.get("text", "")) for e in self.job.said())
        if not any(word in said for word in ("broker", "Broker", "bootstrap", "cluster", "imed out", "ransport")):
            raise Wrong(f"weir run ended with status {status}: {self.job.said()[-2:]}")
        self.refused += 1
        self.log(f"weir run was refused with status {status}: {said[-300:]}")
        self.sleep(0.5)
        self.job.start()

    def stop_job(self):
        self.log("weir stop")
        if self.draining and self.job.p.poll() == 0 and self.is_finished():
            raise Over
        done = subprocess.run([self.w.a.weir, "stop", "--json", self.folder + "/job.yaml"], capture_output=True,
                              text=True, timeout=FINISH_S, check=False)
        self.log(f"weir stop: {done.returncode} {done.stdout.strip()[-300:]} {done.stderr.strip()[-200:]}")
        status = self.job.p.wait(FINISH_S)
        if self.draining and status == 0 and self.is_finished():
            raise Over
        if status or done.returncode:
            raise Wrong(f"weir stop ended with {done.returncode}, weir run with {status}: {done.stderr[-300:]}")

    def run_went(self):
        """Nobody has ended the run: it must go on."""
        p = self.job.p
        if p.poll() is not None and not self.weir_lane.locked():
            time.sleep(0.2)
            if p is self.job.p and p.returncode != 0 and not self.weir_lane.locked():
                raise Wrong(f"weir run ended with status {p.returncode}: {self.job.said()[-3:]}")

    # --- lanes ---

    def lane(self, name):
        """Faults of one lane until the round is over. What it draws hangs on the seed alone."""
        table, rest = faults.LANES[name]
        drawn = random.Random(f"{self.seed} {name}")
        try:
            while not self.is_over and not self.wrong and self.w.wants_more(self):
                seconds = drawn.random() * rest
                fault, own = faults.draw(table, drawn), random.Random(drawn.random())
                self.sleep(seconds)
                if self.is_over:
                    break
                self.log(f"begin: {fault.__name__}")
                if name == "weir":
                    with self.weir_lane:
                        done = fault(self, own)
                else:
                    done = fault(self, own)
                if done:
                    self.note(name, done)
        except Over:
            self.log("the job has come to its end")
        except Wrong as wrong:
            self.wrong = self.wrong or wrong
        except Exception as error:  # of the harness: a round that cannot be judged is wrong
            self.wrong = self.wrong or Wrong(f"the harness: {error!r}")

    def disturb(self, seconds, lanes):
        self.is_over = False
        threads = [threading.Thread(target=self.lane, args=(name,), name=name) for name in lanes]
        for thread in threads:
            thread.start()
        limit = time.monotonic() + seconds
        try:
            while time.monotonic() < limit and any(t.is_alive() for t in threads):
                time.sleep(0.1)
                self.look()
                if not self.draining:
                    self.run_went()
        finally:
            self.is_over = True
            for thread in threads:
                thread.join()
        if self.wrong:
            raise self.wrong

    def heal(self):
        self.log("heal")
        self.broker("resume")
        self.proxy("heal")
        if self.broker_is_dead():
            self.broker("start")
        if not self.draining and self.job.p.poll() is not None:
            self.run_again()

    # --- the round ---

    def start(self):
        # The controller goes on, as in a cluster; and the broker says when it skips a marker (markers.py).
        options = ["--proxy", "--owner", str(os.getpid()), "-c", "transaction.max.timeout.ms=60000", "--jvm",
                   f"{FAST_START} -Dorg.slf4j.simpleLogger.log.kafka.coordinator.transaction."
                   "TransactionMarkerChannelManager=info"] + ([] if self.w.a.combined else ["--controller"])
        if self.has_disk:
            options += ["--disk", "512m", "-c", "log.segment.bytes=16777216"]
        self.broker("start", options=options)
        self.tool.run("create", "in", str(IN), "--", "create", "passed", str(OUT), "--", "create", "uv", str(OUT), "--",
                      "create", "dead", str(OUT))
        self.write_job()
        self.output = verify.Output(self.rows, self.bad)
        self.watcher = verify.Watcher(self.tool, self.output, self.log_file, self.broker_is_at_fault)
        self.watcher.start()
        self.producer = Producer(self, self.w.a.rate)
        self.producer.start()
        self.run_again()
        self.log(f"the job is up: {self.tasks} tasks a stage, a checkpoint each {self.interval} ms")

    def await_rows(self):
        try:
            self.wait(lambda: self.output.missing() <= 0 or self.run_went(),
                      "rows do not arrive, though nothing disturbs any more", FINISH_S)
        except Wrong as wrong:
            if not self.broker_is_at_fault(wrong):
                raise

    def ask_drain(self):
        """The end of the job, wherever it stands: also asked of a run that goes on from before it was asked."""
        if self.job.p.poll() is None:
            subprocess.Popen([self.w.a.weir, "stop", "--drain", "--json", self.folder + "/job.yaml"],
                             stdout=self.log_file, stderr=self.log_file)

    def drain(self):
        """All windows fire, the job ends: with faults on the way, then without."""
        self.draining = True
        self.ask_drain()
        self.disturb(self.w.a.drain_seconds, ["weir", "net"])
        self.heal()
        limit = time.monotonic() + FINISH_S
        asked = time.monotonic()
        while not self.ended_well():
            if self.job.p.poll() is not None:
                if self.is_finished():
                    break
                self.log(f"run again, after status {self.job.p.returncode}")
                self.run_to_end()
            if time.monotonic() > asked + 2:
                asked = time.monotonic()
                self.ask_drain()
            if time.monotonic() > limit:
                raise Wrong(f"the job has not ended {FINISH_S} s after it was drained")
            time.sleep(0.05)
            self.look()
        self.log("drained")

    def run_to_end(self):
        try:
            self.run_again()
        except Over:
            pass

    def judge(self):
        """All topics from their begin, by a reader that has seen none of it before."""
        self.watcher.end()
        if self.watcher.wrong:
            raise self.watcher.wrong
        rows, bad = verify.read_input(self.tool)
        if rows != self.rows or set(bad.values()) != self.bad:
            raise Wrong(f"the input topic has {len(rows)} rows, the harness has made {len(self.rows)}")
        output = verify.Output(rows, self.bad)
        self.broker_is_at_fault(None)
        try:
            for record in self.read_output():
                output.take(record)
            output.must_be_whole()
            output.must_have_letters(bad)
        except Wrong as wrong:
            if not self.fates or not self.fates.is_doubtful:
                raise
            self.is_judged = False
            self.log(f"NOT JUDGED: {wrong}")
            return len(rows), 0, 0
        self.log(f"right: {len(rows)} rows in, {len(output.passed)} out, {len(output.answers)} answers, "
                 f"{len(bad)} dead letters")
        return len(rows), len(output.passed), len(output.answers)

    def read_output(self):
        """What is committed: by a reader, and where the broker lost markers by the word of its coordinator."""
        self.fates = None
        if not self.lost:
            yield from self.tool.consume(["passed", "uv", "dead"])
            return
        partitions = [f"{topic}-{n}" for topic in ("passed", "uv", "dead") for n in range(OUT)]
        self.fates = markers.Fates([self.data], self.lost, partitions)
        for record in self.tool.consume(["passed", "uv", "dead"], "isolation.level=read_uncommitted"):
            if self.fates.is_committed(record):
                yield record

    def run(self):
        """(rows in, rows out, answers). Raises Wrong."""
        self.draining = False
        self.start()
        self.disturb(self.w.a.round_seconds, ["weir", "net", "broker"])
        self.heal()
        self.producer.end()
        self.await_rows()
        self.drain()
        return self.judge()

    def close(self, keep):
        self.is_over = True
        for process in (getattr(self, "watcher", None), getattr(self, "producer", None)):
            if process:
                process.is_over = True
                process.process.kill()
        if keep:
            with open(self.folder + "/state", "w", encoding="utf-8") as f:
                f.write(self.job.describe())
            memory = self.job.memory
            everything.everything_dies(self.job.name, self.job.p)
            if os.path.exists(memory):
                shutil.copytree(memory, self.folder + "/memory", dirs_exist_ok=True,
                                ignore=shutil.ignore_patterns("bell"))  # a pipe
        self.job.end()
        self.save_broker(keep)
        subprocess.run([KAFKA + "/broker", "remove", self.kafka], check=False, capture_output=True)

    def save_broker(self, keep):
        """Its log and its topics as they are."""
        if not keep or not os.path.exists(self.kafka):
            return
        subprocess.run([KAFKA + "/broker", "resume", self.kafka], check=False, capture_output=True)
        subprocess.run([KAFKA + "/broker", "stop", self.kafka], check=False, capture_output=True)
        for name in ("log", "disk"):
            path = f"{self.kafka}/node-1/{name}"
            if os.path.isdir(path):
                shutil.copytree(path, f"{self.folder}/broker-{name}", dirs_exist_ok=True,
                                ignore=lambda _, names: [n for n in names if n == "ballast"])
            elif os.path.exists(path):
                shutil.copy(path, f"{self.folder}/broker-{name}")
