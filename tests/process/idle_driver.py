#!/usr/bin/env python3
"""Jobs with nothing to do cost nothing, and one with much to do never sleeps.

    idle_driver.py WEIR SECONDS CPU_PERCENT SWITCHES JOB.yaml..     idle, all at the same time
    idle_driver.py --busy WEIR POLICY JOB.yaml

Idle: each job is started and left alone until its tasks wait and its spares stand ready; then over SECONDS the
processor time of all its processes (supervisor, tasks, spares and their threads) is at most CPU_PERCENT of a core,
and they leave the processor at most SWITCHES times a second each. What the job does has nothing to do with how busy
the machine is: it is measured by what the processes use themselves. Busy: the job runs until it has read some rows;
then its tasks' counters say how often they slept and woke others; with POLICY spin: never."""
import os, pathlib, re, subprocess, sys, time

sys.path.insert(0, str(pathlib.Path(__file__).parent))
import control

PATIENCE_S = 60


def wait_for(what, ready):
    end = time.monotonic() + PATIENCE_S
    while not ready():
        if time.monotonic() > end:
            sys.exit(f"FAIL {what}: not within {PATIENCE_S} s")
        time.sleep(0.05)


def children(pid):
    try:
        return [int(p) for p in open(f"/proc/{pid}/task/{pid}/children").read().split()]
    except OSError:
        return []


def usage(pid):
    """Processor time in ns and voluntary switches, of all threads."""
    ns = switches = 0
    for thread in os.listdir(f"/proc/{pid}/task"):
        base = f"/proc/{pid}/task/{thread}/"
        ns += int(open(base + "schedstat").read().split()[0])
        switches += int(re.search(r"^voluntary_ctxt_switches:\s*(\d+)", open(base + "status").read(), re.M).group(1))
    return ns, switches


class Job:
    def __init__(self, weir, yaml):
        self.name = pathlib.Path(yaml).stem
        self.log = open(yaml + ".log", "w")
        self.process = subprocess.Popen([weir, "run", yaml], stdout=self.log, stderr=self.log)
        self.control = None

    def attached(self):
        if self.process.poll() is not None:
            sys.exit(f"FAIL {self.name}: ended with {self.process.returncode}: " + open(self.log.name).read())
        if not self.control:
            try:
                self.control = control.Control(control.memory(self.name))
            except (OSError, ValueError):
                return False
        return True

    def settled(self):
        return (self.attached() and all(t.state == control.WAITING_INPUT for t in self.control.tasks()) and
                all([s.state for s in self.control.spares(i)] == [control.SPARE_READY] for i in range(self.control.count)))

    def usage(self):
        pids = [self.process.pid] + children(self.process.pid)
        return {pid: usage(pid) for pid in pids}

    def __del__(self):  # whatever ends the test, no job runs on
        if self.process.poll() is None:
            self.process.terminate()
            self.process.wait(PATIENCE_S)

    def end(self):
        self.process.terminate()
        if self.process.wait(PATIENCE_S) != 0:
            sys.exit(f"FAIL {self.name}: ended with {self.process.returncode}: " + open(self.log.name).read())


def idle(weir, seconds, percent, switches, yamls):
    failed = 0
    jobs = [Job(weir, yaml) for yaml in yamls]
    for job in jobs:
        wait_for(f"{job.name} at rest", job.settled)
    time.sleep(1.5)  # what a start leaves to be done: a look at the supervisor, pages faulted in
    before, began = [job.usage() for job in jobs], time.monotonic()
    time.sleep(seconds)
    after, took = [job.usage() for job in jobs], time.monotonic() - began
    for job, a, b in zip(jobs, before, after):
        if a.keys() != b.keys():
            sys.exit(f"FAIL {job.name}: processes came or went: {a.keys() ^ b.keys()}")
        cpu = sum(b[p][0] - a[p][0] for p in a) / took / 1e7
        most = max((b[p][1] - a[p][1]) / took for p in a)
        ok = cpu <= percent and most <= switches
        failed += not ok
        print(f"{'ok' if ok else 'FAIL'} {job.name}: {len(a)} processes, {cpu:.3f} % of a core, "
              f"at most {most:.1f} switches/s in one")
    for job in jobs:
        job.end()
    return failed


def busy(weir, policy, yaml):
    job, rows = Job(weir, yaml), 200000
    wait_for(f"{rows} rows", lambda: job.attached() and max(t.rows_in for t in job.control.tasks()) > rows and
             min(job.control.counter(i, "commits") for i in range(job.control.count)) > 10)
    slept, woke, commits = ([job.control.counter(i, name) for i in range(job.control.count)]
                            for name in ("sleeps", "wake_calls", "commits"))
    job.end()
    ok = policy != "spin" or sum(slept) + sum(woke) == 0
    print(f"{'ok' if ok else 'FAIL'} {job.name}, {policy}: slept {slept}, woke {woke}, in {commits} transactions")
    return not ok


if sys.argv[1] == "--busy":
    sys.exit(busy(*sys.argv[2:5]))
sys.exit(idle(sys.argv[1], *map(float, sys.argv[2:5]), sys.argv[5:]))
