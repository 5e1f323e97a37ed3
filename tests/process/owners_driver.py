#!/usr/bin/env python3
"""Never two writers: whatever is done to a job's tasks, spares, supervisor and owner mutexes, whoever takes
a task over does so when the one before can write no more (owner_watch.c looks), and the output is right.

usage: owners_driver.py --seed N --acts N [--spares N] [--only ACT,...] [--plant] WATCH.so WEIR

One of these at a time, drawn from the seed; then the task must make progress again, within PATIENCE s:

  task      SIGKILL to the task
  frozen    SIGSTOP, SIGKILL
  both      SIGKILL to the task and to its spares within microseconds, in either order
  twice     SIGKILL to the task, and to whoever is the task next, the moment that it is seen to be
  warming   SIGKILL to the task while a spare of it makes itself ready
  held      SIGKILL to the task while the supervisor is stopped; it is continued when a spare has taken over
  orphan    the supervisor dies, then a task, whose spare takes over; then comes the next supervisor
  crashed   the supervisor dies, then a task crashes: its spare asks a supervisor that is not there
  window    the supervisor dies while another one is being started, and a third
  zero, died, other    something writes over the owner word: 0; "the owner has died"; a thread that lives
  list      the list by which the kernel finds the mutex is damaged, then SIGKILL

--plant: a violation is planted, and must be seen (owner_watch.c). The last line is the account as JSON.
"""
import argparse, collections, ctypes, glob, hashlib, json, mmap, os, random, shutil, signal, struct, subprocess
import sys, tempfile, time
import everything

PAGE, OWNER_AT = 4096, 4096 + 144
PATIENCE = 30
OWNER_DIED = 0x40000000
FINISHED = 5
GET_ROBUST_LIST = 274
ACTS = {"task": 10, "frozen": 6, "both": 10, "twice": 14, "warming": 8, "held": 6, "orphan": 5, "crashed": 2,
        "window": 3, "zero": 2, "died": 2, "other": 2, "list": 3}
CRASHES = ("crashed", "zero", "died", "other")
CRASHES_MAX = 2  # of a run: more of them are put off, and a spare waits for the supervisor's word
SCRIPT = """SET 'execution.checkpointing.interval' = '150 ms';
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH (
  'connector' = 'datagen', 'rows-per-second' = '{rate}', 'number-of-rows' = '{rows}', 'fields.k.min' = '0',
  'fields.k.max' = '500', 'fields.at.start' = '2024-01-01', 'fields.at.rows-per-second' = '1000');
CREATE TABLE result (k BIGINT, w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out',
  'format' = 'csv', 'sink.rolling-policy.file-size' = '64kb');
INSERT INTO result SELECT k, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
"""


class Wrong(Exception):
    pass


def until(what, seconds=PATIENCE):
    limit = time.monotonic() + seconds
    while not what():
        if time.monotonic() > limit:
            return False
        time.sleep(0.0005)
    return True


def send(pid, number):
    try:
        if pid:
            os.kill(pid, number)
    except ProcessLookupError:
        pass


def lives(pid):
    try:
        with open(f"/proc/{pid}/stat") as f:
            return f.read().rsplit(")", 1)[1].split()[0] not in "ZX"
    except OSError:
        return False


def children(parent):
    """Of a process, those that are not reaped yet among them."""
    pids = set()
    for path in glob.glob("/proc/[0-9]*/stat"):
        try:
            with open(path) as f:
                if int(f.read().rsplit(")", 1)[1].split()[1]) == parent:
                    pids.add(int(path.split("/")[2]))
        except OSError:
            pass
    return pids


class Control:
    """The job's control block (shm/control_layout.h); gone at the job's end."""

    def __init__(self, job):
        self.path, self.map = everything.memory(job) + "/control", None

    def refresh(self):
        try:
            with open(self.path, "rb") as f:
                self.map = mmap.mmap(f.fileno(), 0, prot=mmap.PROT_READ)
        except (OSError, ValueError):
            return False
        return True

    def tasks(self):
        return range(struct.unpack_from("<I", self.map, PAGE)[0] if self.map else 0)

    def task(self, t):
        """pid, state, progress"""
        return struct.unpack_from("<II", self.map, (2 + t) * PAGE) + struct.unpack_from("<Q", self.map, (2 + t) * PAGE + 24)

    def may_take_over(self, t):
        """the word `pass` is CONTROL_PASS_FREE"""
        return struct.unpack_from("<I", self.map, (2 + len(self.tasks()) + t) * PAGE + 20)[0] == 2**32 - 1

    def spares(self, t):
        """[(pid, state)] of those that live: 1 makes itself ready, 2 is"""
        at = (2 + 3 * len(self.tasks()) + t) * PAGE
        lines = [struct.unpack_from("<II", self.map, at + 64 * k) for k in range(4)]
        return [(pid, state) for pid, state in lines if pid and state and lives(pid)]


class Job:
    def __init__(self, a):
        self.a, self.random, self.job = a, random.Random(a.seed), f"owners-driver-{os.getpid()}"
        self.control, self.acts, self.supervisor = Control(self.job), collections.Counter(), None
        self.innocent = subprocess.Popen(["sleep", "1000"])
        with open("watch", "wb") as f:
            f.write(b"\0" * 2 * PAGE)
        self.environment = {"LD_PRELOAD": a.watch, "OWNER_WATCH": os.path.abspath("watch")}
        if a.plant:
            self.environment["OWNER_WATCH_PLANT"] = "1"

    def configure(self, rate, spares):
        shutil.rmtree("out", ignore_errors=True)
        with open("job.sql", "w") as f:
            f.write(SCRIPT.format(rate=rate, rows=self.a.rows))
        with open("job.yaml", "w") as f:
            f.write(f"job: {self.job}\nsql: job.sql\nmemory: {{state: 96MiB, reserve: 0%}}\n"
                    f"recovery: {{spares: {spares}}}\nplacement: {{cores: 2}}\n")

    def start(self):
        self.err = open("err", "a")
        return subprocess.Popen([self.a.weir, "run", "--json", "job.yaml"], stderr=self.err,
                                stdout=subprocess.DEVNULL, env=dict(os.environ, **self.environment))

    def rows(self):
        lines = []
        for path in glob.glob("out/part-*"):
            with open(path) as f:
                lines += f.read().splitlines()
        return len(lines), hashlib.sha256("\n".join(sorted(lines)).encode()).hexdigest()

    def ended(self):
        return self.supervisor.poll() is not None or any(self.control.task(t)[1] == FINISHED for t in self.control.tasks())

    # --- acts ---

    def ready(self, t):
        return any(state == 2 for _, state in self.control.spares(t))

    def act_task(self, t, pid):
        send(pid, signal.SIGKILL)

    def act_frozen(self, t, pid):
        send(pid, signal.SIGSTOP)
        send(pid, signal.SIGKILL)

    def act_both(self, t, pid):
        pids = [pid] + [p for p, _ in self.control.spares(t)]
        self.random.shuffle(pids)
        for p in pids:
            send(p, signal.SIGKILL)

    def act_twice(self, t, pid):
        send(pid, signal.SIGKILL)
        until(lambda: self.control.task(t)[0] != pid or self.ended(), 2)
        if self.control.task(t)[0] != pid:
            send(self.control.task(t)[0], signal.SIGKILL)

    def act_warming(self, t, pid):
        for p, _ in self.control.spares(t):
            send(p, signal.SIGKILL)
        until(lambda: any(state == 1 for _, state in self.control.spares(t)) or self.ended(), 2)
        send(pid, signal.SIGKILL)

    def is_at_rest(self, t):
        """The supervisor sees to no death: each child of its is a task or a spare, and t's may take over unasked."""
        known = {self.control.task(i)[0] for i in self.control.tasks()}
        known |= {pid for i in self.control.tasks() for pid, _ in self.control.spares(i)}
        return children(self.supervisor.pid) <= known and self.control.may_take_over(t)

    def settle(self, t):
        def rests():  # twice: its books are kept a moment after the process is gone
            if not self.is_at_rest(t):
                return False
            time.sleep(0.05)
            return self.is_at_rest(t)

        if not until(lambda: rests() or self.ended()):
            raise Wrong(f"the supervisor does not let task {t}'s spares take over again")

    def act_held(self, t, pid):
        self.settle(t)
        send(self.supervisor.pid, signal.SIGSTOP)
        send(pid, signal.SIGKILL)
        took = until(lambda: self.control.task(t)[0] != pid, 5)
        send(self.supervisor.pid, signal.SIGCONT)
        if not took:
            raise Wrong("a spare that was ready does not take over while the supervisor is stopped")

    def restart(self):
        self.supervisor.kill()
        self.supervisor.wait()

    def next_one(self):
        with open("err") as f:
            told = f.tell() if f.seek(0, 2) else 0
        self.supervisor = self.start()
        self.told = told

    def act_orphan(self, t, pid):
        self.settle(t)
        self.restart()
        send(pid, signal.SIGKILL)
        took = until(lambda: self.control.task(t)[0] != pid, 5)
        self.next_one()
        if not took:
            raise Wrong("a spare that was ready does not take over while there is no supervisor")

    def act_crashed(self, t, pid):
        self.restart()
        send(pid, signal.SIGABRT)
        time.sleep(self.random.random() * 0.1)
        self.next_one()

    def act_window(self, t, pid):
        others = [self.start() for _ in range(2)]
        time.sleep(self.random.random() * 0.02)
        self.restart()
        everyone = others + [self.start()]
        until(lambda: sum(p.poll() is None for p in everyone) <= 1)
        living = [p for p in everyone if p.poll() is None]
        if len(living) > 1:
            for p in everyone:
                p.kill()
            raise Wrong(f"{len(living)} supervisors at once")
        if any(p.poll() not in (None, 69) for p in everyone):
            raise Wrong(f"statuses {[p.poll() for p in everyone]}, not 69 (already running)")
        self.supervisor = living[0] if living else None
        if not living:  # each came while the one before was not quite gone
            self.next_one()

    def word(self, t, value):
        path = f"{everything.memory(self.job)}/arena-{t}"
        try:
            with open(path, "r+b") as f:
                f.seek(OWNER_AT)
                f.write(struct.pack("<I", value))
        except FileNotFoundError:
            pass

    def act_zero(self, t, pid):
        self.word(t, 0)

    def act_died(self, t, pid):
        self.word(t, OWNER_DIED)

    def act_other(self, t, pid):
        self.word(t, self.innocent.pid)

    def act_list(self, t, pid):
        libc = ctypes.CDLL(None, use_errno=True)
        head, size = ctypes.c_void_p(), ctypes.c_size_t()
        if libc.syscall(GET_ROBUST_LIST, pid, ctypes.byref(head), ctypes.byref(size)) < 0:
            return
        send(pid, signal.SIGSTOP)
        try:
            with open(f"/proc/{pid}/mem", "r+b", 0) as f:
                f.seek(head.value)
                f.write(struct.pack("<Q", 16))
        except OSError:
            pass
        send(pid, signal.SIGKILL)

    # --- the whole ---

    def act(self):
        names = [n for n in ACTS if not self.a.only or n in self.a.only.split(",")]
        name = self.random.choices(names, [ACTS[n] for n in names])[0]
        if name in CRASHES and sum(self.acts[n] for n in CRASHES) >= CRASHES_MAX:
            name = "task"
        t = self.random.choice(list(self.control.tasks()))
        if not until(lambda: self.ready(t) or self.ended()):
            raise Wrong(f"task {t} has no spare")
        time.sleep(self.random.random() * 0.01)
        pid, _, progress = self.control.task(t)
        if self.ended():
            return False
        self.last = f"{name} of task {t}, pid {pid}"
        getattr(self, "act_" + name)(t, pid)
        self.acts[name] += 1
        went = lambda: (self.control.task(t)[0] != pid and self.control.task(t)[2] > progress + 1) or self.ended()
        if name != "window" and not until(went):
            raise Wrong(f"no progress after {self.last}: {[self.control.task(i) for i in self.control.tasks()]}")
        return True

    def watched(self):
        words = struct.unpack("<384Q", open("watch", "rb").read()[:384 * 8])
        names = ("taken", "looks", "seen_by_kernel", "seen_by_holder", "planted")
        return {name: sum(words[64 * i:64 * i + 64]) for i, name in enumerate(names)}

    def disturb(self):
        self.supervisor = self.start()
        if not until(lambda: self.control.refresh() and len(self.control.tasks()) and
                     all(self.control.task(t)[2] > 0 for t in self.control.tasks()) or self.supervisor.poll() is not None):
            raise Wrong("it does not begin")
        for _ in range(self.a.acts):
            if self.ended() or not self.act():
                break
        try:
            self.supervisor.wait(PATIENCE + self.a.rows / self.a.rate)
        except subprocess.TimeoutExpired:
            raise Wrong("it does not end by itself") from None
        if self.supervisor.returncode:
            raise Wrong(f"status {self.supervisor.returncode}")

    def check_plant(self):
        """Two have written: what became of the memory and the output says nothing."""
        watched = self.watched()
        if not (watched["planted"] and watched["seen_by_kernel"] and watched["seen_by_holder"]):
            raise Wrong(f"the planted violation was not seen: {watched}")

    def check(self, want):
        watched, got = self.watched(), self.rows()
        if got != want:
            raise Wrong(f"output {got}, not {want}")
        if everything.processes(self.job) or os.path.exists(everything.memory(self.job)):
            raise Wrong("processes or memory are left")
        with open("err", errors="replace") as f:
            if "memory-lost" in f.read():
                raise Wrong("memory was given up")
        if self.innocent.poll() is not None:
            raise Wrong("a process that is none of ours was killed")
        if watched["taken"] <= sum(self.acts.values()) or not watched["looks"]:
            raise Wrong(f"the watch saw next to nothing: {watched}")
        if watched["seen_by_kernel"] or watched["seen_by_holder"]:
            raise Wrong(f"TWO WRITERS: {watched}")

    def run(self):
        self.configure(0, 0)
        subprocess.run([self.a.weir, "run", "--quiet", "job.yaml"], check=True)
        want = self.rows()
        self.configure(self.a.rate, self.a.spares)
        if not self.a.plant:
            self.disturb()
            self.check(want)
            return
        try:
            self.disturb()
        except Wrong as wrong:
            print(f"  with a violation planted: {wrong}")
        self.check_plant()


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--acts", type=int, default=30)
    p.add_argument("--spares", type=int, default=1)
    p.add_argument("--rows", type=int, default=600000)
    p.add_argument("--rate", type=int, default=100000)
    p.add_argument("--only", default="")
    p.add_argument("--plant", action="store_true")
    p.add_argument("--keep", action="store_true")
    p.add_argument("watch")
    p.add_argument("weir")
    a = p.parse_args()
    a.watch, a.weir = os.path.abspath(a.watch), os.path.abspath(a.weir)
    folder = tempfile.mkdtemp(prefix="owners-")
    os.chdir(folder)
    job, wrong = Job(a), None
    try:
        job.run()
    except Wrong as e:
        wrong = e
        print(f"FAIL seed {a.seed}, {a.spares} spares, last {getattr(job, 'last', 'nothing')}: {wrong}")
        with open("err", errors="replace") as f:
            print("".join("     " + line for line in f.readlines()[-25:]), end="")
    finally:
        everything.reboot(job.job, job.supervisor)
        job.innocent.kill()
        job.innocent.wait()
    print(json.dumps({"seed": a.seed, "spares": a.spares, "acts": dict(job.acts), **job.watched()}))
    os.chdir("/")
    if not a.keep:
        shutil.rmtree(folder)
    return 1 if wrong else 0


sys.exit(main())
