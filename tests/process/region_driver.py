#!/usr/bin/env python3
"""A job of two unrelated INSERTs is two regions. The memory of the first one is lost in every way that there
is, while the job runs: it goes back to its last checkpoint, and the other one does not notice.

usage: region_driver.py [--seed N] [--only NAME,...] [--ways WAY,...] [--keep] WEIR

  ways      each way of WAYS in turn: damage a segment of the region, then kill one of its tasks. What is
            said names it; the tasks of the other region keep their pids and go on meanwhile
  begin     before the first checkpoint: the region reads its input from the begin
  older     the newest checkpoint is damaged: the region goes back to the one before, and the next is full
  killed    everything is killed, and a segment of the region is lost: the other goes on from memory
  between   the supervisor is killed while the region goes back
  whole     what is no region's is lost: the job goes back as a whole
  doctor    weir doctor --arena on a job that runs, is stopped, was killed, is damaged

After each the output of both regions is that of an undisturbed run, each row once."""
import argparse, collections, glob, json, os, random, re, shutil, signal, struct, subprocess, sys, tempfile, time
import everything

PAGE = 4096
REGION, OTHERS = range(0, 5), range(5, 10)
SCRIPT = """SET 'parallelism.default' = '2';
SET 'execution.checkpointing.interval' = '{interval}';
CREATE TABLE a (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ({source});
CREATE TABLE b (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ({source});
CREATE TABLE oa (t TIMESTAMP(3), k BIGINT, n BIGINT, d BIGINT, lo BIGINT) WITH ({sink}, 'path' = '{dir}/oa');
CREATE TABLE ob (t TIMESTAMP(3), k BIGINT, n BIGINT, d BIGINT, lo BIGINT) WITH ({sink}, 'path' = '{dir}/ob');
INSERT INTO oa {query};
INSERT INTO ob {query};
"""
SOURCE = """'connector' = 'datagen', 'rows-per-second' = '{rate}', 'fields.i.kind' = 'sequence', 'fields.i.start' = '0',
  'fields.i.end' = '{rows}', 'fields.t.start' = '2024-01-01 00:00:00', 'fields.t.rows-per-second' = '1000'"""
SINK = "'connector' = 'filesystem', 'format' = 'csv', 'sink.rolling-policy.file-size' = '4kb'"
QUERY = """SELECT window_start, i % 7, COUNT(*), COUNT(DISTINCT i), MIN(600 / (i % 60))
  FROM TABLE(TUMBLE(TABLE {table}, DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, i % 7"""


class Wrong(Exception):
    pass


class Void(Exception):
    """It was no test of anything: the job had come to its end too early. Once more, with more rows."""


def until(what, why, seconds=60):
    limit = time.monotonic() + seconds
    while not (found := what()):
        if time.monotonic() > limit:
            raise Wrong(f"not in {seconds} s: {why}")
        time.sleep(0.003)
    return found


# --- ways to lose memory: a function of the segment's path, and what must be said ---

def replace(path, make):
    os.unlink(path)
    make(path)


def put(path, at, data):
    with open(path, "r+b") as f:
        f.seek(at)
        f.write(data)


def spoil_free_list(path):
    """Where a crash by signal makes the replacement look; the task itself never comes there."""
    with open(path, "rb") as f:
        f.seek(PAGE + 80)
        meta = struct.unpack("<Q", f.read(8))[0]
    put(path, PAGE + meta + 16 + 18 * 8, struct.pack("<Q", 0x77777770))


WAYS = {
    "deleted": ("arena", os.unlink, "cannot open segment arena-{n}: No such file or directory"),
    "cut": ("arena", lambda p: os.truncate(p, 8 * PAGE), "segment arena-{n} is damaged: 32768 bytes long"),
    "emptied": ("arena", lambda p: os.truncate(p, 0), "segment arena-{n} is empty: it was cut"),
    "shorter than its header": ("arena", lambda p: os.truncate(p, 100), "segment arena-{n} is 100 bytes long"),
    "written over": ("arena", lambda p: put(p, 0, b"no segment"), "segment arena-{n} is not a segment of weir"),
    "header damaged": ("arena", lambda p: put(p, 70, b"?"), "header checksum is wrong"),
    "of another version": ("arena", lambda p: put(p, 8, b"\x09"), "has format version 9, this weir reads 1"),
    "its state damaged": ("arena", lambda p: put(p, PAGE + 40, b"\xff" * 16), "the arena's header is damaged"),
    "its free list damaged": ("arena", spoil_free_list, "the arena is damaged: "),
    "its owner's mutex damaged": ("arena", lambda p: put(p, PAGE + 144 + 40, b"\xff" * 8),
                                  "a segment is lost or damaged"),
    "open to others": ("arena", lambda p: os.chmod(p, 0o666), "segment arena-{n} has permissions 0666"),
    "a folder": ("arena", lambda p: replace(p, os.mkdir), "segment arena-{n}: it is a folder, not a file"),
    "a link": ("arena", lambda p: replace(p, lambda q: os.symlink("job", q)), "it is a symbolic link"),
    "a pipe": ("arena", lambda p: replace(p, os.mkfifo), "is something else, not a file"),
    "a ring deleted": ("ring", os.unlink, "ring-{n}: No such file or directory"),
    "a ring cut": ("ring", lambda p: os.truncate(p, 3 * PAGE), "ring-{n}: ring segment is damaged: it claims"),
    "a ring written over": ("ring", lambda p: put(p, 0, b"no ring!"), "ring-{n}: this is no ring segment"),
}
if os.geteuid() == 0:
    WAYS["another user's"] = ("arena", lambda p: os.chown(p, 65534, 65534), "belongs to user 65534")
else:
    WAYS["not to be read"] = ("arena", lambda p: os.chmod(p, 0), "its permissions forbid it")


class World:
    def __init__(self, a):
        self.a, self.random = a, random.Random(a.seed)
        self.dir, self.job = tempfile.mkdtemp(prefix="region-"), f"region-driver-{os.getpid()}"
        self.memory = everything.memory(self.job)
        self.p, self.err_path, self.restored, self.longest = None, self.dir + "/err", 0, 0.0
        self.rows, self.want = a.rows, {}

    def undisturbed(self):
        if self.rows not in self.want:
            self.configure("1 h", 0)
            subprocess.run([self.a.weir, "run", "--quiet", self.yaml], check=True)
            self.want[self.rows] = self.visible()
            if any(sum(rows.values()) < 100 for rows in self.want[self.rows]):
                raise Wrong("the undisturbed run gives next to nothing")

    # --- the job ---

    def configure(self, interval, rate=None, spares=0):
        rate = self.a.rate if rate is None else rate
        for name in ("oa", "ob", "chk", self.job + ".dead"):
            shutil.rmtree(f"{self.dir}/{name}", ignore_errors=True)
        self.yaml = self.dir + "/job.yaml"
        source = SOURCE.format(rate=rate, rows=self.rows)
        with open(self.dir + "/job.sql", "w") as f:
            text = SCRIPT.format(interval=interval, source=source, sink=SINK, dir=self.dir, query=QUERY)
            f.write(text.replace("{table}", "a", 1).replace("{table}", "b", 1))
        with open(self.yaml, "w") as f:
            f.write(f"job: {self.job}\nsql: job.sql\nmemory: {{state: 4MiB, ring: 64KiB, reserve: 0%}}\n"
                    f"checkpoint: {{interval: 1s, dir: chk, retain: 3}}\nplacement: {{cores: 2}}\n"
                    f"recovery: {{spares: {spares}, restart: fixed-delay, restart_attempts: 1000, "
                    f"restart_delay: 100ms}}\n")

    def visible(self):
        """Rows of both tables, and the dead letters: a row of 60 divides by zero."""
        found = []
        for name in ("oa", "ob"):
            rows = collections.Counter()
            for path in glob.glob(f"{self.dir}/{name}/part-*"):
                with open(path) as f:
                    rows.update(f.read().splitlines())
            found.append(rows)
        letters = collections.Counter()
        for path in glob.glob(f"{self.dir}/{self.job}.dead/dead-*.jsonl"):
            with open(path) as f:
                letters.update(f"{path[-8:]}: {line}" for line in f.read().splitlines())
        return found + [letters]

    def start(self, *options):
        with open(self.err_path, "w") as err:
            self.p = subprocess.Popen([self.a.weir, "run", "--json", *options, self.yaml], stderr=err,
                                      stdout=subprocess.DEVNULL)
        self.wait(self.all_run, "the job runs")

    def wait(self, what, why):
        """For something that the job does before it ends."""
        found = until(lambda: what() or (self.p.poll() is not None and "ended"), why)
        if found == "ended" and not (found := what()):
            if self.p.poll():
                raise Wrong(f"status {self.p.returncode}, not: {why}: {self.said()[-1200:]}")
            raise Void
        return found

    def finish(self):
        if self.p.wait(120):
            raise Wrong(f"status {self.p.returncode}: {self.said()[-600:]}")
        for name, got, want in zip(("oa", "ob", "letters"), self.visible(), self.want[self.rows]):
            if got != want:
                raise Wrong(f"{name}: {sum((want - got).values())} rows lost, {sum((got - want).values())} "
                            f"too many, first {sorted((want - got) + (got - want))[:3]}")
        if os.path.exists(self.memory) or everything.processes(self.job):
            raise Wrong("tasks or memory are left")

    def end(self):
        everything.reboot(self.job, self.p)

    # --- looking ---

    def said(self):
        with open(self.err_path, errors="replace") as f:
            return f.read()

    def events(self, *names):
        lines = (line for line in self.said().split("\n")[:-1] if line.startswith("{"))
        return [e for e in map(json.loads, lines) if not names or e["event"] in names]

    def pages(self):
        """Of each task: pid, state, progress, attempt, rows in."""
        try:
            with open(self.memory + "/control", "rb") as f:
                data = f.read()
        except OSError:
            return []
        found = []
        for at in range(2 * PAGE, 12 * PAGE, PAGE):
            if len(data) < at + 80:
                return []
            pid, state, _, _, progress, attempt = struct.unpack_from("<IIQQQQ", data, at)
            found.append((pid, state, progress, attempt, struct.unpack_from("<q", data, at + 64)[0]))
        return found

    def all_run(self, tasks=range(10)):
        pages, live = self.pages(), everything.tasks(self.job)
        return len(pages) == 10 and all(live.get(pages[t][0]) == t and pages[t][1] in (2, 3, 4) and pages[t][2]
                                        for t in tasks)

    def checkpoints(self):
        return sum(1 for _ in glob.glob(self.dir + "/chk/chk-*/MANIFEST"))

    def newest(self):
        return max((int(p.split("chk-")[-1].split("/")[0])
                    for p in glob.glob(self.dir + "/chk/chk-*/MANIFEST")), default=0)

    def checkpoint_now(self):
        """Asked for by signal; what is told of it."""
        before = len(self.events("checkpoint"))
        self.p.send_signal(signal.SIGUSR1)
        return self.wait(lambda: self.events("checkpoint")[before:], "a checkpoint is complete")[-1]

    def segment(self, kind):
        """A segment of the region, and the task that has it."""
        if kind == "arena":
            n = self.random.choice(REGION)
            return f"{self.memory}/arena-{n}", n, str(n)
        e, i, j = self.random.choice([(0, 0, 0), (0, 0, 1), (0, 1, 0), (0, 1, 1), (1, 0, 0), (1, 1, 0)])
        return f"{self.memory}/ring-{e}-{i}-{j}", (i if e == 0 else 2 + i), f"{e}-{i}-{j}"

    def kill(self, task, number=signal.SIGKILL):
        try:
            os.kill(self.pages()[task][0], number)
        except ProcessLookupError:
            pass  # it noticed by itself

    def check_others(self, lost, way):
        """Of the losses that are told, none is the whole job's."""
        if any("tasks" not in e for e in self.events("memory-lost")[lost:]):
            if self.events("finished"):  # it was at its end, which is made from the disk
                raise Void
            raise Wrong(f"{way}: the whole job went back, not the region: {self.said()[-1500:]}")

    def damage(self, way):
        kind, do, text = WAYS[way]
        path, task, n = self.segment(kind)
        do(path)
        self.kill(task, signal.SIGSEGV if way == "its free list damaged" else signal.SIGKILL)
        return task, text.format(n=n)

    # --- the loss of the region while the job runs ---

    def lose(self, way):
        lost = len(self.events("memory-lost"))
        before = self.pages()
        if not before:
            raise Void
        task, text = self.damage(way)
        samples = []

        def look():
            pages = self.pages()
            if pages:
                samples.append((time.monotonic(), sum(pages[t][2] for t in OTHERS)))
            self.check_others(lost, way)
            return len(self.events("region-restored")) > lost
        self.wait(look, f"{way}: the region goes on")
        after, said = self.pages(), self.events("memory-lost")
        if not after:
            raise Void
        if said[-1]["tasks"] != list(REGION) or text not in said[-1]["text"]:
            raise Wrong(f"{way}, task {task}: said {said[-1]}, not '{text}'")
        back = self.events("region-restored")[-1]
        if back["tasks"] != list(REGION):
            raise Wrong(f"{way}: {back}")
        for t in OTHERS:
            if after[t][0] != before[t][0] or after[t][3] != before[t][3]:
                raise Wrong(f"{way}: task {t} of the other region was replaced")
        has_input = after[5][4] + after[6][4] <= self.rows  # the rows 0 .. rows, of two sources
        if has_input and sum(after[t][2] for t in OTHERS) <= sum(before[t][2] for t in OTHERS):
            raise Wrong(f"{way}: the other region stood still")
        moved = [s for i, s in enumerate(samples) if i == 0 or s[1] > samples[i - 1][1]] + samples[-1:]
        self.longest = max([self.longest] + [b[0] - a[0] for a, b in zip(moved, moved[1:])])
        self.restored += 1
        self.wait(self.all_run, f"{way}: its tasks run again")
        return back

    # --- scenes ---

    def ways(self):
        left = self.a.ways.split(",") if self.a.ways else list(WAYS)
        self.random.shuffle(left)
        for _ in range(2 * len(left)):
            self.configure("60 ms", spares=self.random.choice([0, 0, 1]))
            try:
                self.start()
                while left:
                    had = self.newest()
                    self.wait(lambda: self.newest() > had, "a checkpoint is complete")
                    self.lose(left[-1])
                    left.pop()
            except Void:
                pass
            self.finish()
            if not left:
                return
        raise Void

    def begin(self):
        self.configure("1 h")
        self.start()
        back = self.lose("deleted")
        if back["checkpoint"]:
            raise Wrong(f"went back to {back}")
        self.finish()

    def older(self):
        self.configure("1 h")
        self.start()
        good, bad = self.checkpoint_now()["checkpoint"], self.checkpoint_now()["checkpoint"]
        for path in glob.glob(f"{self.dir}/chk/chk-{bad}/task-[0-4]-*.snap"):
            put(path, os.path.getsize(path) // 2, b"\xaa\x55" * 8)
        back = self.lose("deleted")
        if back["checkpoint"] != good:
            raise Wrong(f"went back to {back}, not to {good}")
        if f"CHECKPOINT {bad} CANNOT BE RESTORED" not in self.said():
            raise Wrong("it does not say that a checkpoint is damaged")
        told = self.checkpoint_now()
        if told["checkpoint"] <= bad or told["kind"] != "full":
            raise Wrong(f"the next checkpoint is {told}")
        back = self.lose("a ring cut")
        if back["checkpoint"] != told["checkpoint"]:
            raise Wrong(f"went back to {back}, not to {told}")
        self.finish()

    def killed(self):
        for way in ("deleted", "a ring cut", "its state damaged"):
            self.configure("60 ms")
            self.start()
            self.wait(lambda: self.newest() > 1, "a checkpoint is complete")
            everything.everything_dies(self.job, self.p)
            before = self.pages()
            kind, do, text = WAYS[way]
            path, task, n = self.segment(kind)
            do(path)
            self.start()
            self.wait(lambda: self.check_others(0, way) or self.events("region-restored"),
                      f"{way}: the region goes on")
            lost, after = self.events("memory-lost"), self.pages()
            if len(lost) != 1 or lost[0]["tasks"] != list(REGION) or text.format(n=n) not in lost[0]["text"]:
                raise Wrong(f"{way}: said {lost}")
            if len(self.events("started")):
                raise Wrong("the whole job went back")
            if any(after[t][4] < before[t][4] for t in OTHERS):
                raise Wrong(f"{way}: the other region did not go on from memory")
            self.finish()

    def between(self):
        self.configure("60 ms")
        self.start()
        for _ in range(3):
            had = self.newest()
            self.wait(lambda: self.newest() > had, "a checkpoint is complete")
            self.damage("deleted")
            time.sleep(0.09 + 0.06 * self.random.random())
            self.p.kill()
            if self.p.wait() == 0 or not os.path.exists(self.memory):
                raise Void
            self.start()
        self.finish()

    def whole(self):
        self.configure("60 ms")
        self.start()
        self.wait(lambda: self.newest() > 1, "a checkpoint is complete")
        os.unlink(self.memory + "/errlog")
        self.kill(0)
        self.wait(lambda: any("tasks" not in e for e in self.events("memory-lost")), "the whole job goes back")
        self.wait(lambda: len(self.events("started")) == 20, "all its tasks are started anew")
        self.finish()

    def doctor(self):
        def look(status, *options):
            done = subprocess.run([self.a.weir, "doctor", "--arena", *options, self.yaml], capture_output=True,
                                  text=True)
            if done.returncode != status:
                raise Wrong(f"doctor: status {done.returncode}, not {status}: {done.stdout}{done.stderr}")
            return done.stdout

        def findings(status):
            told = json.loads(look(status, "--json"))
            if told["usable"] != (status == 0):
                raise Wrong(f"doctor: {told}")
            return {f["what"]: f for f in told["findings"]}
        self.configure("60 ms")
        if "the job holds none" not in look(0):
            raise Wrong("doctor: of no memory")
        self.start()
        self.wait(lambda: self.newest() > 0, "a checkpoint is complete")
        os.kill(self.pages()[7][0], signal.SIGSTOP)
        until(lambda: re.search(r"\) [Tt] ", open(f"/proc/{self.pages()[7][0]}/stat").read()), "it is stopped")
        found = findings(0)
        os.kill(self.pages()[7][0], signal.SIGCONT)
        if "sound" not in found["task 7"]["finding"] or "runs, pid" not in found["task 6"]["finding"]:
            raise Wrong(f"doctor: {found}")
        if "kill -STOP" not in found["task 6"]["advice"]:
            raise Wrong(f"doctor: {found['task 6']}")
        everything.everything_dies(self.job, self.p)
        names = [n for n in sorted(os.listdir(self.memory)) if os.path.isfile(f"{self.memory}/{n}")]
        before = [open(f"{self.memory}/{n}", "rb").read() for n in names]
        if look(0).count(": sound; ") != 10:
            raise Wrong("doctor: not all are sound")
        if before != [open(f"{self.memory}/{n}", "rb").read() for n in names]:
            raise Wrong("doctor: it has changed something")
        spoil_free_list(self.memory + "/arena-3")
        os.truncate(self.memory + "/arena-6", 0)
        os.unlink(self.memory + "/ring-1-0-0")
        found = findings(69)
        for task, text in {3: "the arena is damaged", 6: "is empty", 2: "ring-1-0-0"}.items():
            f = found[f"task {task}"]
            if f["grade"] != "broken" or text not in f["finding"] or "checkpoint" not in f["advice"]:
                raise Wrong(f"doctor: {f}")
        if found["task 0"]["grade"] != "ok":
            raise Wrong(f"doctor: {found}")
        self.start()  # both regions have lost something: the whole job goes back
        if "memory-lost" not in self.said():
            raise Wrong("the next run does not say that memory is lost")
        self.finish()


SCENES = ["ways", "begin", "older", "killed", "between", "whole", "doctor"]


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--rows", type=int, default=40000)
    p.add_argument("--rate", type=int, default=30000)
    p.add_argument("--only", default="")
    p.add_argument("--ways", default="", help="these, not all")
    p.add_argument("--keep", action="store_true", help="the folder of a failure stays; stop there")
    p.add_argument("weir")
    a = p.parse_args()
    print(f"SEED={a.seed}", flush=True)
    world, passed, failed = World(a), 0, 0
    for scene in a.only.split(",") if a.only else SCENES:
        began = time.monotonic()
        try:
            for attempt in range(5):
                world.rows = a.rows << attempt
                try:
                    world.undisturbed()
                    getattr(world, scene)()
                    break
                except Void:
                    world.end()
            else:
                raise Wrong("the job ends too early, however many rows it has")
            passed += 1
            print(f"{scene}: {time.monotonic() - began:.1f} s", flush=True)
        except (Wrong, subprocess.SubprocessError) as e:
            failed += 1
            print(f"FAIL {scene}: {e}", flush=True)
            if a.keep:
                print(world.dir)
                sys.exit(1)
        finally:
            if not (a.keep and failed):
                world.end()
    shutil.rmtree(world.dir, ignore_errors=True)
    print(f"{world.restored} times a region went back; the other stood still for {world.longest * 1000:.0f} ms "
          f"at the longest")
    print(f"{passed} passed, {failed} failed")
    sys.exit(failed > 0)


main()
