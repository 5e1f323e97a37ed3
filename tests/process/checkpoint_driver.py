#!/usr/bin/env python3
"""Jobs with checkpoints, whose tasks are killed one by one, whose processes are killed all together,
whose memory is gone, which are stopped and started again: no row is lost, none comes twice.

usage: checkpoint_driver.py [--seed N] [--rounds N | --seconds N] [--only NAME,...] [--keep] WEIR BUILD

A round draws a scenario (below), a number of tasks, an engine, an interval. A *life* is one `weir run`;
meanwhile random tasks get SIGKILL. It ends by itself or by an end drawn from ENDS. What a reader of the
output folder sees is looked at after each life: always a part of the right rows, at the end all of them.
The last line counts rounds: "N passed, N failed".
"""
import argparse, collections, glob, json, os, random, shutil, signal, subprocess, sys, tempfile, time
import everything

LIVES_MAX = 6
# plug: a reboot. kill: everything dies, the memory stays. orphan: the supervisor alone dies.
ENDS = {"plug": 25, "kill": 15, "orphan": 15, "int": 15, "twice": 10, "term": 10, "damage": 10}
FAR = "2031-01-01 00:00:00"  # a row that ends every window before it


def person(path, more=""):
    return f"""CREATE TABLE person (id STRING, dimension STRING, v BIGINT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = 'json'{more});
"""


def sink(name, columns, folder, form="csv", size="16kb"):
    return f"""CREATE TABLE {name} ({columns}) WITH ('connector' = 'filesystem', 'path' = '{folder}',
  'format' = '{form}', 'sink.rolling-policy.file-size' = '{size}');
"""


CUMULATE = """INSERT INTO {0} SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '5' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
"""
TUMBLE = """INSERT INTO {0} SELECT window_end, dimension, SUM(v), AVG(v)
FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, dimension;
"""
HOP = """INSERT INTO {0} SELECT window_end, dimension, COUNT(*), MAX(v)
FROM TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), INTERVAL '2' MINUTE, INTERVAL '10' MINUTE))
GROUP BY window_start, window_end, dimension;
"""
EARLY = """INSERT INTO {0} SELECT TUMBLE_START(eventTime, INTERVAL '6' HOUR), dimension,
COUNT(DISTINCT id) AS uv FROM person GROUP BY TUMBLE(eventTime, INTERVAL '6' HOUR), dimension;
"""
PLAIN = "INSERT INTO {0} SELECT id, dimension, v FROM person WHERE v > 10;\n"
DATAGEN = """CREATE TABLE person (id BIGINT, dimension STRING, v BIGINT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'datagen', 'rows-per-second' = '0', 'number-of-rows' = '400000', 'seed' = '7',
  'fields.id.max' = '20000', 'fields.id.min' = '0', 'fields.v.min' = '0', 'fields.v.max' = '100',
  'fields.dimension.pattern' = 'dim%02d', 'fields.dimension.max' = '19',
  'fields.eventTime.start' = '2024-01-01 00:00:00', 'fields.eventTime.rows-per-second' = '5',
  'fields.eventTime.jitter' = '4s');
"""
W3 = "w TIMESTAMP(3), dimension STRING, n BIGINT"
W4 = "w TIMESTAMP(3), dimension STRING, n BIGINT, m BIGINT"


class Scenario:
    """A job's script, and what its output must be."""

    def __init__(self, name, body, sinks, follow=False, bad=False, change=False, setting=""):
        self.name, self.body, self.sinks = name, body, sinks
        self.follow, self.bad, self.change, self.setting = follow, bad, change, setting
        self.want, self.bad_want = None, None

    def sql(self, world, tasks, folder):
        more = ", 'source.monitor-interval' = '1 s'" if self.follow else ""
        source = DATAGEN if self.name == "datagen" else person(world.source(self), more)
        text = f"SET 'parallelism.default' = '{tasks}';\n" + self.setting + source
        for name, columns, form in self.sinks:
            text += sink(name, columns, f"{folder}/{name}", form)
        return text + self.body


def scenarios():
    early = ("SET 'table.exec.emit.early-fire.enabled' = 'true';\n"
             "SET 'table.exec.emit.early-fire.delay' = '30 ms';\n")
    many = ("EXECUTE STATEMENT SET BEGIN\n" + CUMULATE.format("a") + TUMBLE.format("b") +
            PLAIN.format("c") + "END;\n")
    three = [("a", W3, "csv"), ("b", W4, "csv"), ("c", "id STRING, d STRING, v BIGINT", "json")]
    one = [("a", W3, "csv")]
    return [
        Scenario("cumulate", CUMULATE.format("a"), one, bad=True),
        # The input ends in the morning: the rest of the day's points come at its end, 172,800 of them.
        Scenario("end", CUMULATE.format("a").replace("'5' MINUTE", "'10' SECOND"), one),
        Scenario("tumble", TUMBLE.format("a"), [("a", W4, "csv")]),
        Scenario("hop", HOP.format("a"), [("a", W4, "csv")]),
        Scenario("early", EARLY.format("a"), [("a", W3, "debezium-json")], change=True, setting=early),
        Scenario("many", many, three),
        Scenario("follow", many, three, follow=True, bad=True),
        Scenario("files", PLAIN.format("c"), three[2:], follow=True, bad=True),
        Scenario("datagen", CUMULATE.format("a"), one),
    ]


class World:
    """Input files, the reference results, one folder a round."""

    def __init__(self, arguments):
        self.a = arguments
        self.dir = tempfile.mkdtemp(prefix="checkpoint-")
        self.random = random.Random(arguments.seed)
        self.job = f"checkpoint-driver-{os.getpid()}"
        self.kills = self.lives = self.stops = 0
        rows = subprocess.run([arguments.build + "/bench/uv_data", "json", str(arguments.rows), "20000",
                               "20", "3000", "3"], stdout=subprocess.PIPE, check=True).stdout
        lines = []
        for number, line in enumerate(rows.decode().splitlines()):
            lines.append(line[:-1] + ',"v":%d}\n' % (number * 7919 % 1000))
        self.clean = lines
        self.dirty = []
        for number, line in enumerate(lines):
            self.dirty.append(line)
            if number % 997 == 0:
                self.dirty.append('{"id":"bad","v":"x%d"\n' % number)
        last = '{"id":"last","dimension":"far","eventTime":"%s","v":1}\n' % FAR
        # Windows need the rows in the order of time: one file. Without windows: three.
        self.parts = {"follow": [self.dirty + [last]], "files": [self.dirty[i::3] for i in range(3)]}
        self.write("clean.json", self.clean)
        self.write("end.json", lines[:2000])
        self.write("dirty.json", self.dirty)
        for name, parts in self.parts.items():
            os.mkdir(f"{self.dir}/{name}")
            for i, part in enumerate(parts):
                self.write(f"{name}/{i}.json", part)

    def write(self, name, lines):
        with open(f"{self.dir}/{name}", "w") as f:
            f.writelines(lines)

    def source(self, scenario):
        if scenario.follow:
            return self.dir + ("/input" if scenario.want is not None else "/" + scenario.name)
        if scenario.name == "end":
            return self.dir + "/end.json"
        return f"{self.dir}/{'dirty' if scenario.bad else 'clean'}.json"

    def configure(self, scenario, tasks, engine, interval, folder):
        os.makedirs(folder, exist_ok=True)
        with open(folder + "/job.sql", "w") as f:
            if interval:
                f.write(f"SET 'execution.checkpointing.interval' = '{interval} ms';\n")
            f.write(scenario.sql(self, tasks, folder + "/out"))
        with open(folder + "/job.yaml", "w") as f:
            f.write(f"job: {self.job}\nsql: job.sql\nmemory: {{state: 32MiB, reserve: 0%}}\n"
                    f"checkpoint: {{interval: {'100ms' if interval else 'none'}, dir: checkpoints,"
                    f" engine: {engine}}}\n"
                    f"recovery: {{dead_letter: {folder}/dead}}\n")
        return folder + "/job.yaml"

    def reference(self, scenario):
        """An undisturbed run as one task, without checkpoints."""
        follow, scenario.follow = scenario.follow, False
        folder = f"{self.dir}/reference-{scenario.name}"
        if follow:
            scenario.follow = True
            text = scenario.sql(self, 1, folder + "/out").replace(
                ", 'source.monitor-interval' = '1 s'", "")
        job = self.configure(scenario, 1, "auto", 0, folder)
        if follow:
            with open(folder + "/job.sql", "w") as f:
                f.write(text)
        subprocess.run([self.a.weir, "run", "--quiet", job], check=True)
        scenario.follow = follow
        scenario.bad_want = self.dead(folder)
        scenario.want = self.visible(scenario, folder)
        assert all(sum(c.values()) > 10 for c in scenario.want.values()), scenario.name
        print(f"{scenario.name}: " + ", ".join(f"{sum(c.values())} rows" for c in scenario.want.values())
              + f", {sum(scenario.bad_want.values())} bad", flush=True)

    def visible(self, scenario, folder):
        """What a reader sees: for each sink a multiset of rows; changes are added up."""
        seen = {}
        for name, _, _ in scenario.sinks:
            rows = collections.Counter()
            for path in glob.glob(f"{folder}/out/{name}/part-*"):
                with open(path) as f:
                    text = f.read()
                if text and not text.endswith("\n"):
                    raise Wrong(f"{path} ends in half a row")
                for line in text.splitlines():
                    if FAR[:4] in line or '"last"' in line:
                        continue
                    if not scenario.change:
                        rows[line] += 1
                        continue
                    change = json.loads(line)
                    row = change["after"] or change["before"]
                    rows[json.dumps(row, sort_keys=True)] += 1 if change["op"] == "c" else -1
            seen[name] = +rows
            if scenario.change and -rows:
                raise Wrong(f"{name}: taken back and never given: {list(-rows)[:3]}")
        return seen

    def dead(self, folder):
        rows = collections.Counter()
        for path in glob.glob(folder + "/dead/dead-*.jsonl"):
            with open(path) as f:
                for line in f:
                    rows[json.loads(line)["row"]] += 1
        return rows


class Wrong(Exception):
    pass


def compare(scenario, seen, whole):
    for name, want in scenario.want.items():
        more, less = seen[name] - want, want - seen[name]
        if not scenario.change and more:
            raise Wrong(f"{name}: {sum(more.values())} rows too many, first {sorted(more)[:2]}")
        if whole and (more or less):
            raise Wrong(f"{name}: {sum(less.values())} rows lost, {sum(more.values())} too many, "
                        f"first {sorted(less)[:2]} {sorted(more)[:2]}")


class Round:
    def __init__(self, world, scenario):
        self.w, self.s, self.r = world, scenario, world.random
        self.tasks, self.engine = self.r.choice([1, 2, 4]), self.r.choice(["io_uring", "pwrite"])
        self.interval = self.r.choice([5, 20, 50, 100])
        self.calm = self.r.random() < 0.2  # no kills of single tasks
        self.folder = f"{world.dir}/round"
        self.notes = []
        shutil.rmtree(self.folder, ignore_errors=True)
        shutil.rmtree(world.dir + "/input", ignore_errors=True)
        self.parts = world.parts.get(scenario.name, [])
        self.appended = [0] * len(self.parts)
        if scenario.follow:
            os.mkdir(world.dir + "/input")
            self.append(0.3)
        self.job = world.configure(scenario, self.tasks, self.engine, self.interval, self.folder)

    def __str__(self):
        return f"{self.s.name}, {self.tasks} tasks, {self.engine}, {self.interval} ms: {' '.join(self.notes)}"

    def append(self, share):
        """More rows for a followed folder."""
        for i, part in enumerate(self.parts):
            count = min(len(part), self.appended[i] + 1 + int(len(part) * share * self.r.random()))
            with open(f"{self.w.dir}/input/{i}.json", "a") as f:
                f.writelines(part[self.appended[i]:count])
            self.appended[i] = count

    def all_appended(self):
        return all(self.appended[i] == len(p) for i, p in enumerate(self.parts))

    def children(self):
        return list(everything.tasks(self.w.job))

    def manifests(self):
        found = glob.glob(self.folder + "/checkpoints/chk-*/MANIFEST")
        return sorted(found, key=lambda p: int(p.split("chk-")[1].split("/")[0]))

    def life(self, last):
        """One `weir run`; returns whether it came to its own end."""
        w = self.w
        w.lives += 1
        self.err = open(self.folder + "/err", "a+")
        self.err.write("--- a life\n")
        self.err.flush()
        self.p = subprocess.Popen([w.a.weir, "run", "--quiet", self.job], stderr=self.err)
        end = None if last else self.r.choices(list(ENDS), list(ENDS.values()))[0]
        begin = time.monotonic()
        limit = begin + (1e9 if end is None else self.r.choice([0.2, 0.6, 1.5]) * (0.2 + self.r.random()))
        next_kill = 0 if last and not self.s.follow else begin + self.r.random() * 0.2
        next_append = begin
        calm = self.calm or (last and self.all_appended())
        while self.p.poll() is None and time.monotonic() < limit:
            now = time.monotonic()
            if now - begin > w.a.patience:
                raise Wrong("no end: it hangs")
            if not calm and now >= next_kill:
                self.kill_some()
                next_kill = now + self.r.random() * self.r.choice([0.02, 0.1, 0.4])
            if self.s.follow and now >= next_append and not self.all_appended():
                self.append(0.2)
                next_append = now + 0.1
            if self.s.follow and last and self.all_appended() and now - begin > 1.5:
                end, limit = "int", 0
            time.sleep(0.003)
        done = self.p.poll() is not None
        if not done:
            self.end(end)
        self.notes.append("end" if done else end)
        self.err.close()
        if done and self.p.returncode:
            raise Wrong(f"status {self.p.returncode}")
        return done

    def kill_some(self):
        pids = self.children()
        if not pids:
            return
        victims = pids if self.r.random() < 0.1 else [self.r.choice(pids)]
        for pid in victims:
            self.w.kills += 1
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass

    def end(self, end):
        p, w = self.p, self.w
        if end in ("plug", "kill", "damage"):
            everything.everything_dies(w.job, p)
            if end != "kill":
                everything.reboot(w.job)
            if end == "damage":
                self.damage()
            return
        if end == "orphan":
            p.kill()
            p.wait()
            if self.r.random() < 0.3:
                self.kill_some()
            return
        w.stops += 1
        if self.r.random() < 0.5:
            self.kill_some()
        p.send_signal(signal.SIGTERM if end == "term" else signal.SIGINT)
        if end == "twice":
            time.sleep(self.r.random() * 0.1)
            p.send_signal(self.r.choice([signal.SIGINT, signal.SIGTERM]))
        elif self.r.random() < 0.5:
            time.sleep(self.r.random() * 0.05)
            self.kill_some()
        try:
            p.wait(25)
        except subprocess.TimeoutExpired:
            everything.everything_dies(w.job, p)
            raise Wrong(f"no end after {end}")
        # So early that the signal was not taken yet: it ends as any program does.
        if p.returncode and end != "twice" and p.returncode not in (-signal.SIGINT, -signal.SIGTERM):
            raise Wrong(f"status {p.returncode} after {end}")

    def damage(self):
        """The newest checkpoint is bad: one before it, newest but one, is there."""
        found = self.manifests()
        if len(found) < 2:
            return
        path = found[-1]
        if self.r.random() < 0.5:
            snaps = glob.glob(os.path.dirname(path) + "/*.snap")
            path = self.r.choice(snaps)
        size = os.path.getsize(path)
        with open(path, "r+b") as f:
            at = self.r.randrange(size)
            f.seek(at)
            byte = f.read(1)
            f.seek(at)
            f.write(bytes([byte[0] ^ 1 << self.r.randrange(8)]))

    def is_whole(self):
        try:
            compare(self.s, self.w.visible(self.s, self.folder), True)
        except Wrong:
            return False
        return True

    def is_over(self):
        """Killed behind the end of its input a run is complete. Where nothing is left to go on from,
        another one would begin anew."""
        left = os.path.exists(everything.memory(self.w.job) + "/control")
        return not self.s.follow and not left and self.is_whole()

    def run(self):
        for _ in range(LIVES_MAX):
            done = self.life(False)
            compare(self.s, self.w.visible(self.s, self.folder), False)
            if done or self.is_over():
                break
        else:
            done = False
        if not done and not self.is_over():
            self.life(True)
        while self.s.follow and not self.is_whole() and len(self.notes) < LIVES_MAX + 5:
            self.life(True)
        compare(self.s, self.w.visible(self.s, self.folder), True)
        if self.s.bad:
            dead = self.w.dead(self.folder)
            if dead != self.s.bad_want:
                raise Wrong(f"dead letters: {sum((self.s.bad_want - dead).values())} lost, "
                            f"{sum((dead - self.s.bad_want).values())} too many")


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--rounds", type=int, default=7)
    p.add_argument("--seconds", type=float, default=0, help="go on until they are over")
    p.add_argument("--rows", type=int, default=60000)
    p.add_argument("--only", default="")
    p.add_argument("--patience", type=float, default=90)
    p.add_argument("--keep", action="store_true", help="the folder of the first failure stays; stop there")
    p.add_argument("weir")
    p.add_argument("build")
    a = p.parse_args()
    print(f"SEED={a.seed}", flush=True)
    world = World(a)
    chosen = [s for s in scenarios() if not a.only or s.name in a.only.split(",")]
    for scenario in chosen:
        world.reference(scenario)
    passed = failed = 0
    begin = time.monotonic()
    number = 0
    while time.monotonic() - begin < a.seconds or (not a.seconds and number < a.rounds):
        one = Round(world, chosen[number % len(chosen)])
        number += 1
        everything.reboot(world.job)
        try:
            one.run()
            passed += 1
            if os.environ.get("V"):
                print("ok  ", one, flush=True)
        except Wrong as wrong:
            failed += 1
            everything.reboot(world.job, one.p)
            print(f"FAIL {one}\n     {wrong}", flush=True)
            with open(one.folder + "/err", errors="replace") as f:
                print("".join("     " + line for line in f.readlines()[-8:]), end="", flush=True)
            if a.keep:
                print(f"left in {world.dir}", flush=True)
                break
    if not (failed and a.keep):
        shutil.rmtree(world.dir)
    everything.reboot(world.job)
    print(f"{world.lives} lives, {world.kills} kills of tasks, {world.stops} stops, "
          f"{round(time.monotonic() - begin)} s")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
