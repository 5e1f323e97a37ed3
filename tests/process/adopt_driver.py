#!/usr/bin/env python3
"""The supervisor of a job is killed, alone or with tasks, and `weir run` is called again: tasks that live
are adopted as they are, others go on from memory, and every row comes once.

usage: adopt_driver.py [--seed N] [--rounds N | --seconds N] [--only END,...] [--keep] WEIR

A round draws cores, checkpoints or none, an interval. A *life* is one `weir run --json`; meanwhile random
tasks get SIGKILL in some rounds. It ends by itself or by an end drawn from ENDS:

  orphan    the supervisor dies. Its tasks keep their pids and go on while there is none; the next run
            adopts exactly them
  some      the supervisor and some of the tasks die, in either order
  all       everything dies: the next run starts every task from memory and reads no checkpoint
  wait      the supervisor dies, the tasks give it up after orphan_after and stop
  two       the supervisor dies, two are started at once: one is told that the other runs
  reuse     everything dies, and a pid in the control block is another process's by now: it lives on
  stop      the supervisor dies while it stops the job (with checkpoints)
  delete, cut, damage     everything dies, and a segment is gone, shorter, or written over: said loudly,
            and the job goes back to its last checkpoint (with checkpoints)
  lose      the same to a segment of a job that runs, then a task dies (with checkpoints)

After each life the output is a part of the right rows, at the end all of them, each once; nothing is left
in memory, no task lives.
"""
import argparse, collections, glob, json, os, random, shutil, signal, struct, subprocess, sys, tempfile, time
import control, everything
from control import FINISHED, ORPHANED, PAGE

PLAIN = {"orphan": 25, "some": 20, "all": 20, "wait": 6, "two": 8, "reuse": 6}
DURABLE = {"stop": 8, "delete": 6, "cut": 6, "damage": 6, "lose": 4}
SCRIPT = """CREATE TABLE n (i BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = 'datagen',
  'rows-per-second' = '{rate}', 'fields.i.kind' = 'sequence', 'fields.i.start' = '0', 'fields.i.end' = '{rows}',
  'fields.t.start' = '2024-01-01 00:00:00', 'fields.t.rows-per-second' = '1000');
CREATE TABLE points (t TIMESTAMP(3), k BIGINT, n BIGINT, d BIGINT, lo BIGINT, hi BIGINT) WITH (
  'connector' = 'filesystem', 'path' = '{out}', 'format' = 'csv', 'sink.rolling-policy.file-size' = '4kb');
INSERT INTO points SELECT window_start, i % 7, COUNT(*), COUNT(DISTINCT i), MIN(i), MAX(i)
FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, i % 7;
"""


class Wrong(Exception):
    pass


class Void(Exception):
    """The round was no test of anything: the job had ended too early."""


class World:
    def __init__(self, a):
        self.a, self.random = a, random.Random(a.seed)
        self.dir, self.job = tempfile.mkdtemp(prefix="adopt-"), f"adopt-driver-{os.getpid()}"
        self.memory = everything.memory(self.job)
        self.ends = collections.Counter()
        self.adopted = self.resumed = 0
        self.configure(1, 0, rate=0)
        subprocess.run([a.weir, "run", "--quiet", self.dir + "/job.yaml"], check=True)
        self.want = self.visible()
        if sum(self.want.values()) < 100:
            sys.exit("the undisturbed run gives next to nothing")

    def configure(self, cores, interval, rate):
        for name in ("out", "checkpoints"):
            shutil.rmtree(f"{self.dir}/{name}", ignore_errors=True)
        with open(self.dir + "/job.sql", "w") as f:
            if interval:
                f.write(f"SET 'execution.checkpointing.interval' = '{interval} ms';\n")
            f.write(SCRIPT.format(rate=rate, rows=self.a.rows, out=self.dir + "/out"))
        with open(self.dir + "/job.yaml", "w") as f:
            f.write(f"job: {self.job}\nsql: job.sql\nmemory: {{state: 16MiB, ring: 64KiB, reserve: 0%}}\n"
                    f"checkpoint: {{interval: {'1s' if interval else 'none'}, dir: checkpoints}}\n"
                    f"placement: {{cores: {cores}}}\nrecovery: {{orphan_after: 400ms}}\n")

    def visible(self):
        rows = collections.Counter()
        for path in glob.glob(self.dir + "/out/part-*"):
            with open(path) as f:
                rows.update(f.read().splitlines())
        return rows

    def pages(self):
        """Of each task: pid, state, progress; [] when there is no control block."""
        try:
            block = control.Control(self.memory)
        except (OSError, ValueError):
            return []
        pages = [(t.pid, t.state, t.progress) for t in block.tasks()]
        block.close()
        return pages


def until(what, seconds=20):
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            return False
        time.sleep(0.002)
    return True


class Round:
    def __init__(self, world):
        self.w, self.r, self.notes, self.said = world, world.random, [], []
        self.cores = self.r.choice([1, 2])
        self.durable = self.r.random() < 0.7 or bool(set(world.a.only.split(",")) & set(DURABLE))
        self.interval = self.r.choice([10, 40, 150]) if self.durable else 0
        self.calm = self.r.random() < 0.5
        self.expect = None  # what the next life must say
        self.innocents = []
        everything.reboot(world.job)
        world.configure(self.cores, self.interval, world.a.rate)

    def __str__(self):
        return f"{self.cores} cores, interval {self.interval}: {' '.join(self.notes)}"

    def start(self, *options):
        self.err = open(self.w.dir + "/err", "w")
        return subprocess.Popen([self.w.a.weir, "run", "--json", *options, self.w.dir + "/job.yaml"],
                                stderr=self.err, stdout=subprocess.DEVNULL)

    def events(self):
        found = []
        with open(self.w.dir + "/err", errors="replace") as f:
            for line in f.read().split("\n")[:-1]:
                found.append(json.loads(line) if line.startswith("{") else {"event": "text", "text": line})
        return found

    def event(self, name):
        return next((e for e in self.events() if e["event"] == name), None)

    def runs(self):
        """It runs batches: so far that what follows hits a job."""
        return self.p.poll() is not None or (len(self.w.pages()) > 0 and all(p[2] > 0 for p in self.w.pages()))

    def ends_soon(self):
        until(lambda: self.p.poll() is not None, 2)
        summary = self.event("summary")
        return summary is not None and summary["seconds"] < 0.2

    def check_beginning(self):
        if not self.expect:
            return
        kind, pids = self.expect
        self.expect = None
        want = "memory-lost" if kind == "lost" else "resumed"
        if not until(lambda: self.event(want) or self.p.poll() is not None):
            raise Wrong(f"no event {want}")
        event = self.event(want)
        if not event and any("had handled all its input" in e.get("text", "") for e in self.events()):
            return  # what was left to do was done from the disk
        if not event and "stop" in self.notes[:-1] and any("going on from checkpoint" in e.get("text", "")
                                                           for e in self.events()):
            return  # the stop before had come to its end when everything died: its memory was to go
        if not event:
            raise Wrong(f"ended without {want}: {self.events()[-3:]}")
        if kind == "lost":
            return
        self.w.resumed += 1
        told = self.event("text")
        if told and "going on from checkpoint" in told["text"]:
            raise Wrong("a checkpoint was read")
        if kind == "none" and event["adopted"]:
            raise Wrong(f"adopted {event['adopted']} tasks, all were dead")
        if pids:
            until(lambda: len([e for e in self.events() if e["event"] == "adopted"]) >= len(pids)
                  or self.p.poll() is not None, 5)
            adopted = {e["pid"] for e in self.events() if e["event"] == "adopted"}
            self.w.adopted += len(adopted)
            if adopted < pids and self.ends_soon():
                return  # so near its end, tasks ended by themselves before they could be adopted
            if adopted != pids:
                raise Wrong(f"adopted {adopted}, not {pids}")

    def life(self, last):
        self.p = self.start()
        self.check_beginning()
        limit = time.monotonic() + (1e9 if last else self.r.random() * self.w.a.life)
        until(self.runs)
        begin = time.monotonic()
        while self.p.poll() is None and time.monotonic() < limit:
            if time.monotonic() - begin > self.w.a.patience:
                raise Wrong("no end: it hangs")
            if not self.calm and not last and self.r.random() < 0.05:
                self.kill_some()
            time.sleep(0.005)
        done = self.p.poll() is not None
        if not done:
            weights = dict(PLAIN, **DURABLE) if self.durable else PLAIN
            weights = {k: v for k, v in weights.items() if not self.w.a.only or k in self.w.a.only.split(",")}
            end = self.r.choices(list(weights), list(weights.values()))[0]
            self.notes.append(end)
            self.w.ends[end] += 1
            done = bool(getattr(self, end)())
        if done:
            self.notes.append("end")
            if self.p.returncode:
                raise Wrong(f"status {self.p.returncode}: {self.events()[-2:]}")
        return done

    def kill_some(self):
        for pid in everything.tasks(self.w.job):
            if self.r.random() < 0.5:
                everything.kill(pid)

    def kill_supervisor(self):
        """True: it had come to its end before."""
        self.p.kill()
        self.p.wait()
        return self.p.returncode == 0

    def living(self):
        """Pids that are registered and live."""
        tasks = everything.tasks(self.w.job)
        return {p[0] for p in self.w.pages() if p[0] in tasks}

    # --- ends ---

    def orphan(self):
        if self.kill_supervisor():
            return True
        before, pids = self.w.pages(), self.living()
        calm = self.calm or self.r.random() < 0.7

        def moved():
            now = self.w.pages()
            return not now or any(n[1] >= FINISHED or n[2] > b[2] for n, b in zip(now, before))
        if pids and len(pids) == len(before) and not until(moved, 5):
            raise Wrong("the tasks stand still without a supervisor")
        if {p[0] for p in self.w.pages()} != {p[0] for p in before}:
            raise Wrong("other pids than before")
        if calm and pids and len(pids) == len(before) and not any(p[1] >= FINISHED for p in self.w.pages()):
            self.expect = ("adopt", pids)
        return False

    def some(self):
        early = self.r.random() < 0.5
        if early:
            self.kill_some()
        if self.kill_supervisor():
            return True
        if not early:
            self.kill_some()
        return False

    def all(self):
        if self.kill_supervisor():
            return True
        everything.everything_dies(self.w.job)
        if self.w.pages():
            self.expect = ("none", None)
        return False

    def wait(self):
        if self.kill_supervisor():
            return True
        if not until(lambda: not everything.tasks(self.w.job), 20):
            raise Wrong("the tasks do not give their supervisor up")
        pages = self.w.pages()
        if pages and all(p[1] != ORPHANED for p in pages) and not all(p[1] == FINISHED for p in pages):
            raise Wrong(f"states {[p[1] for p in pages]}")
        if pages:
            self.expect = ("none", None)
        return False

    def two(self):
        if self.kill_supervisor():
            return True
        first = self.start()
        with open(self.w.dir + "/err2", "w") as err:
            second = subprocess.Popen([self.w.a.weir, "run", "--json", self.w.dir + "/job.yaml"], stderr=err,
                                      stdout=subprocess.DEVNULL)
        until(lambda: first.poll() is not None or second.poll() is not None, 60)
        if first.poll() == 69:
            first, second = second, first
            os.replace(self.w.dir + "/err", self.w.dir + "/err3")
            os.replace(self.w.dir + "/err2", self.w.dir + "/err")
            os.replace(self.w.dir + "/err3", self.w.dir + "/err2")
        self.p = first
        if second.poll() is None or second.returncode == 0:
            both = first.poll() is None
            for p in (first, second):
                p.kill()
                p.wait()
            if both:
                raise Wrong("two run at once")
            raise Void  # the first one had ended when the second one began, anew
        with open(self.w.dir + "/err2") as f:
            if second.returncode == 69 and "is already running" not in f.read():
                raise Wrong("the second one is refused for another reason")
        if first.poll() is not None:
            return True
        return self.kill_supervisor()

    def reuse(self):
        if self.all():
            return True
        if not self.expect:
            return False
        other = subprocess.Popen(["sleep", "1000"], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
        self.innocents.append(other)
        with open(self.w.memory + "/control", "r+b") as f:
            task = self.r.randrange(len(self.w.pages()))
            f.seek((2 + task) * PAGE)
            f.write(struct.pack("<I", other.pid))
        return False

    def stop(self):
        self.p.send_signal(signal.SIGTERM)
        time.sleep(self.r.random() * 0.03)
        return self.kill_supervisor()  # a stop that had come to its end is one, too: go on

    def segment(self):
        # Figures and a bell are made anew: nothing is lost with them.
        names = [n for n in sorted(os.listdir(self.w.memory)) if n not in ("lock", "job.new", "latency", "bell")]
        return self.w.memory + "/" + self.r.choice(names)

    def spoil(self, how):
        """False: it is not to be seen."""
        path = self.segment()
        self.notes.append(os.path.basename(path))
        size = os.path.getsize(path)
        if how == "delete":
            os.unlink(path)
        elif how == "cut":
            os.truncate(path, self.r.choice([0, 100, PAGE, size // 2 & ~(PAGE - 1), size - 1]))
        else:
            at = PAGE if "arena" in path and self.r.random() < 0.5 else self.r.randrange(0, 24)
            with open(path, "r+b") as f:
                f.seek(at)
                f.write(bytes(self.r.randrange(1, 256) for _ in range(16)))
        # Without its control block, or with an empty one, memory is none: nothing is lost.
        is_control = path.endswith("control")
        return not is_control or how == "damage"

    def spoiled(self, how):
        if self.all():
            return True
        if self.expect:
            self.expect = ("lost", None) if self.spoil(how) else None
        return False

    def delete(self):
        return self.spoiled("delete")

    def cut(self):
        return self.spoiled("cut")

    def damage(self):
        return self.spoiled("damage")

    def lose(self):
        """While it runs; the replacement finds it, or the next run does."""
        try:
            os.unlink(self.segment())
        except FileNotFoundError:
            pass
        self.kill_some()
        until(lambda: self.event("memory-lost") or self.p.poll() is not None, 0.5)
        return self.kill_supervisor()

    # --- the whole ---

    def check(self, whole):
        seen, want = self.w.visible(), self.w.want
        if seen - want:
            raise Wrong(f"{sum((seen - want).values())} rows too many, first {sorted(seen - want)[:2]}")
        if whole and seen != want:
            raise Wrong(f"{sum((want - seen).values())} rows lost, first {sorted(want - seen)[:2]}")
        if any(p.poll() is not None for p in self.innocents):
            raise Wrong("a process that is none of ours was killed")

    def run(self):
        for number in range(self.w.a.lives):
            done = self.life(number == self.w.a.lives - 1)
            if done and self.p.returncode == 0 and self.w.visible() == self.w.want:
                break
            self.check(False)
            # Killed behind the end, with nothing left: another run would begin anew.
            if not os.path.exists(self.w.memory + "/control") and self.w.visible() == self.w.want:
                everything.everything_dies(self.w.job)
                return
        self.check(True)
        if everything.tasks(self.w.job) or os.path.exists(self.w.memory):
            raise Wrong("tasks or memory are left")

    def end(self):
        everything.reboot(self.w.job, getattr(self, "p", None))
        for other in self.innocents:
            other.kill()
            other.wait()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--rounds", type=int, default=8)
    p.add_argument("--seconds", type=float, default=0, help="go on until they are over")
    p.add_argument("--rows", type=int, default=120000)
    p.add_argument("--rate", type=int, default=150000)
    p.add_argument("--life", type=float, default=0.5)
    p.add_argument("--lives", type=int, default=6)
    p.add_argument("--patience", type=float, default=60)
    p.add_argument("--only", default="")
    p.add_argument("--keep", action="store_true", help="the folder of the first failure stays; stop there")
    p.add_argument("weir")
    a = p.parse_args()
    print(f"SEED={a.seed}", flush=True)
    world = World(a)
    passed = failed = void = 0
    begin = time.monotonic()
    while time.monotonic() - begin < a.seconds or (not a.seconds and passed + failed + void < a.rounds):
        one = Round(world)
        try:
            one.run()
            passed += 1
            if os.environ.get("V"):
                print("ok  ", one, flush=True)
        except Void:
            void += 1
        except Wrong as wrong:
            failed += 1
            print(f"FAIL {one}\n     {wrong}", flush=True)
            with open(world.dir + "/err", errors="replace") as f:
                print("".join("     " + line for line in f.readlines()[-12:]), end="", flush=True)
            if a.keep:
                print(f"left in {world.dir}", flush=True)
                break
        finally:
            one.end()
    if not (failed and a.keep):
        shutil.rmtree(world.dir)
    print(f"{world.resumed} runs went on from memory, {world.adopted} tasks adopted, "
          f"{round(time.monotonic() - begin)} s; " + ", ".join(f"{k} {v}" for k, v in world.ends.items()))
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
