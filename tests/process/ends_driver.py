#!/usr/bin/env python3
"""The ends of many short jobs, amid kills: whatever hits tasks, spares and supervisors while a job finishes or
is stopped, the run closes by itself soon after the last kill, leaves no process and no memory, and the output
is right.

usage: ends_driver.py [--seed N] [--rounds N | --seconds N] [--keep] WEIR

A round draws cores, spares, checkpoints or none, and how the job ends:

  finish      by itself; from some moment on SIGKILLs fall on tasks and spares, a few each, some of them when
              a task has said that it has handled its input, or is finished
  stop        SIGTERM, and such kills around it; with checkpoints the next run finishes the job
  supervisor  as finish, but the supervisor is killed too, up to three times, and started again
  last        as stop, with checkpoints, but one task is killed while the last of them is under way: that is
              seen and given up, not waited for
  stopped     as stop, but the supervisor is killed after the SIGTERM, and started again
"""
import argparse, collections, glob, json, os, random, shutil, signal, struct, subprocess, sys, tempfile, time
import everything

PAGE = 4096
BOUND, SLOW = 20, 4  # seconds from the last kill to the end of the run
FINISHED, ENDED_AT = 5, 40
SCRIPT = """CREATE TABLE n (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen',
  'rows-per-second' = '{rate}', 'fields.i.kind' = 'sequence', 'fields.i.start' = '0', 'fields.i.end' = '{last}',
  'fields.t.start' = '2024-01-01 00:00:00', 'fields.t.rows-per-second' = '1000');
CREATE TABLE points (t TIMESTAMP(3), n BIGINT, lo BIGINT) WITH ('connector' = 'filesystem',
  'path' = 'out', 'format' = 'csv', 'sink.rolling-policy.file-size' = '2kb');
INSERT INTO points SELECT window_start, COUNT(*), MIN(i)
FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end;
"""


class Wrong(Exception):
    pass


class Round:
    def __init__(self, a, seed, job):
        self.a, self.job, self.r = a, job, random.Random(seed)
        self.kind = self.r.choice(["finish"] * 3 + ["stop"] * 2 + ["supervisor"] * 2 + ["last"] * 2 + ["stopped"])
        self.cores, self.spares = self.r.choice([1, 2, 2]), self.r.choice([0, 1, 1, 2])
        self.durable = self.r.random() < 0.5 or self.kind == "last"
        self.rows = 1000 * self.r.randrange(15, 90)
        self.rate = self.r.choice([0, 100000, 200000, 200000])
        self.kills, self.last_kill, self.memory = 0, 0, everything.memory(job)
        self.p, self.seen = None, []
        for name in ("out", "checkpoints"):
            shutil.rmtree(name, ignore_errors=True)
        everything.reboot(job)
        open("err", "w").close()
        with open("job.sql", "w") as f:
            f.write("SET 'execution.checkpointing.interval' = '30 ms';\n" if self.durable else "")
            f.write(SCRIPT.format(rate=self.rate, last=self.rows - 1))
        with open("job.yaml", "w") as f:
            f.write(f"job: {job}\nsql: job.sql\nmemory: {{state: 16MiB, ring: 64KiB, reserve: 0%}}\n"
                    f"checkpoint: {{interval: {'1s' if self.durable else 'none'}, dir: checkpoints}}\n"
                    f"recovery: {{spares: {self.spares}}}\nplacement: {{cores: {self.cores}}}\n")

    def __str__(self):
        return (f"{self.kind}, {self.cores} cores, {self.spares} spares, {'' if self.durable else 'no '}checkpoints, "
                f"{self.rows} rows, rate {self.rate}, {self.kills} kills")

    def start(self):
        with open("err", "a") as f:
            f.write(f"--- {self.job}\n")
            self.p = subprocess.Popen([self.a.weir, "run", "--json", "job.yaml"], stderr=f, stdout=subprocess.DEVNULL)

    @staticmethod
    def tell():
        with open("err", errors="replace") as f:
            print("".join("     " + line for line in f.readlines()[-40:] if '"checkpoint"' not in line), flush=True)

    def states(self):
        """Of each task: it runs 2.., has ended its input, is finished; its rows."""
        try:
            with open(self.memory + "/control", "rb") as f:
                data = f.read()
        except OSError:
            return []
        count = struct.unpack_from("<I", data, PAGE)[0] if len(data) > 2 * PAGE else 0
        found = []
        for t in range(count):
            state, = struct.unpack_from("<I", data, (2 + t) * PAGE + 4)
            ended, = struct.unpack_from("<I", data, (2 + t) * PAGE + ENDED_AT)
            rows, = struct.unpack_from("<q", data, (2 + t) * PAGE + 64)
            found.append((state, ended, rows))
        return found

    def describe(self):
        """What stands in the control block, when a run does not end."""
        try:
            with open(self.memory + "/control", "rb") as f:
                data = f.read()
        except OSError:
            return ["nothing"]
        count, = struct.unpack_from("<I", data, PAGE)
        lines = ["wanted, complete checkpoint %d, %d" % struct.unpack_from("<QQ", data, PAGE + 32)]
        for t in range(count):
            page, box = (2 + t) * PAGE, (2 + count + t) * PAGE
            pid, state = struct.unpack_from("<II", data, page)
            lines.append(f"task {t}: pid {pid}, state {state}, ended {struct.unpack_from('<I', data, page + ENDED_AT)[0]}, "
                         f"attempt {struct.unpack_from('<Q', data, page + 32)[0]}, stop, drain, cancel, finish "
                         f"{struct.unpack_from('<IIII', data, box)}, pass {struct.unpack_from('<I', data, box + 20)[0]}, "
                         f"spares {[struct.unpack_from('<II', data, (2 + 3 * count + t) * PAGE + 64 * k) for k in range(3)]}")
        return lines + [f"lives: {pid} {' '.join(words)}" for pid, words in everything.processes(self.job).items()]

    def wait_for_moment(self):
        """Some part of the input is read; or a task has ended its input; or is finished."""
        moment, part = self.r.choice(["rows", "rows", "ended", "finished"]), self.r.random()
        limit = time.monotonic() + 30
        while self.p.poll() is None and time.monotonic() < limit:
            states = self.states()
            if moment == "rows" and states and max(s[2] for s in states) >= part * self.rows:
                return
            if moment == "ended" and any(s[1] or s[0] == FINISHED for s in states):
                return
            if moment == "finished" and any(s[0] == FINISHED for s in states):
                return
            time.sleep(0.0003)

    def strike(self, most):
        """A few kills, some of them in the same instant, within some milliseconds."""
        for _ in range(self.r.randrange(1, most + 1)):
            victims = list(everything.processes(self.job))
            if victims:
                hit = self.r.sample(victims, self.r.choice([1, 1, 1, min(2, len(victims)), len(victims)]))
                for pid in hit:
                    everything.kill(pid)
                self.kills += len(hit)
                self.last_kill = time.monotonic()
            time.sleep(self.r.random() ** 3 * 0.03)

    def wait(self):
        """The end of the run, by itself."""
        begin = max(self.last_kill, time.monotonic())
        try:
            try:
                self.p.wait(SLOW)
            except subprocess.TimeoutExpired:
                self.seen = self.describe()
            status = self.p.wait(BOUND - SLOW)
        except subprocess.TimeoutExpired:
            raise Wrong(f"no end {BOUND} s after the last kill; states {self.states()}, processes "
                        f"{everything.processes(self.job)}") from None
        self.closing = max(getattr(self, "closing", 0), time.monotonic() - begin)
        if status and status != -signal.SIGKILL:
            raise Wrong(f"status {status}")

    def kill_supervisor(self):
        self.p.kill()
        self.p.wait()
        self.kills += 1
        if self.r.random() < 0.5:
            self.strike(2)
        # True: it had come to its end, or to where nothing is left to go on from.
        return self.p.returncode == 0 or not os.path.exists(self.memory + "/control") and self.is_complete()

    # --- kinds ---

    def finish(self):
        self.start()
        self.wait_for_moment()
        self.strike(4)
        self.wait()

    def stop(self):
        self.start()
        self.wait_for_moment()
        if self.r.random() < 0.5:
            self.strike(2)
        self.p.send_signal(signal.SIGTERM)
        self.strike(3)
        self.wait()

    def last(self):
        self.start()
        self.wait_for_moment()
        self.p.send_signal(signal.SIGTERM)
        wanted = 0
        while self.p.poll() is None and not wanted:
            wanted = self.last_checkpoint()
        living = list(everything.tasks(self.job))
        if wanted and living:
            everything.kill(self.r.choice(living))
            self.kills += 1
        self.last_kill = time.monotonic()
        self.wait()
        told = [e for e in self.events() if e["event"].startswith("checkpoint") and e["checkpoint"] == wanted]
        if wanted and not told:
            raise Wrong(f"nothing is said of checkpoint {wanted}, of which a task was killed")

    def last_checkpoint(self):
        """Its number, while it is under way; 0: it is not."""
        states = self.states()
        try:
            with open(self.memory + "/control", "rb") as f:
                wanted, complete = struct.unpack_from("<QQ", f.read(2 * PAGE), PAGE + 32)
        except (OSError, struct.error):
            return 0
        return wanted if wanted > complete and states and all(s[1] for s in states) else 0

    @staticmethod
    def events():
        with open("err", errors="replace") as f:
            return [json.loads(line) for line in f.read().split("\n") if line.startswith("{")]

    def supervisor(self):
        for _ in range(self.r.randrange(1, 4)):
            self.start()
            self.wait_for_moment()
            if self.r.random() < 0.5:
                self.strike(2)
            if self.kill_supervisor():
                return
        self.start()
        self.wait()

    def stopped(self):
        self.start()
        self.wait_for_moment()
        self.p.send_signal(signal.SIGTERM)
        time.sleep(self.r.random() ** 2 * 0.05)
        if self.kill_supervisor():
            self.kind = "stop"
            return
        self.start()
        self.wait()

    # --- judgement ---

    def windows(self):
        rows = []
        for path in glob.glob("out/part-*"):
            with open(path) as f:
                rows += [tuple(line.split(",")[1:3]) for line in f.read().splitlines()]
        return collections.Counter(rows)

    def all_windows(self):
        return collections.Counter(("1000", str(1000 * w)) for w in range(self.rows // 1000))

    def is_complete(self):
        return self.windows() == self.all_windows() and not glob.glob("out/.part*")

    def judge(self):
        if not self.p.returncode and everything.processes(self.job):
            raise Wrong(f"processes are left: {everything.processes(self.job)}")
        if not self.p.returncode and os.path.exists(self.memory):
            raise Wrong(f"memory is left: {os.listdir(self.memory)}")
        if glob.glob("out/.part*") and not self.durable and self.kind in ("finish", "stop"):
            raise Wrong(f"unfinished parts are left: {glob.glob('out/.part*')}")
        got = self.windows()
        want = self.all_windows()
        if self.kind == "stop" and not self.durable:  # a part, without a gap
            want = collections.Counter(("1000", str(1000 * w)) for w in range(len(got)))
        if got != want and not self.began_anew(got, want):
            raise Wrong(f"{sum((want - got).values())} windows missing, {sum((got - want).values())} too many")

    def began_anew(self, got, want):
        """Killed behind its end, before it had cleaned up: there is nothing to go on from, so the next run
        begins anew; or stopped, without checkpoints, and then run again. Said, as the docs do."""
        return self.kind in ("supervisor", "stopped") and not self.durable and not want - got

    def run(self):
        getattr(self, self.kind)()
        if self.kind in ("stop", "stopped", "last") and self.durable and self.windows_are_few():
            if not self.p.returncode and (everything.processes(self.job) or os.path.exists(self.memory)):
                raise Wrong("processes or memory are left after the stop")
            self.start()
            self.wait()
        self.judge()

    def windows_are_few(self):
        return sum(self.windows().values()) < self.rows // 1000 or os.path.exists("checkpoints")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--rounds", type=int, default=12)
    p.add_argument("--seconds", type=float, default=0)
    p.add_argument("--keep", action="store_true")
    p.add_argument("weir")
    a = p.parse_args()
    a.weir = os.path.abspath(a.weir)
    folder, job = tempfile.mkdtemp(prefix="weir-ends-"), f"ends-driver-{os.getpid()}"
    os.chdir(folder)
    print(f"SEED={a.seed}", flush=True)
    passed = failed = kills = 0
    longest, begin, kinds = 0, time.monotonic(), collections.Counter()
    while (time.monotonic() - begin < a.seconds) if a.seconds else (passed + failed < a.rounds):
        seed = a.seed + passed + failed
        one = Round(a, seed, job)
        try:
            one.run()
            passed += 1
        except Wrong as wrong:
            failed += 1
            print(f"FAIL --seed {seed} --rounds 1: {one}: {wrong}")
            one.tell()
        everything.reboot(job, one.p)
        if failed and a.keep:
            break
        kills += one.kills
        kinds[one.kind] += 1
        longest = max(longest, getattr(one, "closing", 0))
        if getattr(one, "closing", 0) > SLOW:
            print(f"slow: --seed {seed} --rounds 1: {one}: {one.closing:.1f} s", flush=True)
            one.tell()
            print("\n".join("     " + line for line in one.seen))
    os.chdir("/")
    if failed and a.keep:
        print(f"left in {folder}")
    else:
        shutil.rmtree(folder)
    print(f"{dict(kinds)}, {kills} kills, {time.monotonic() - begin:.0f} s; the longest end took {longest:.1f} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
