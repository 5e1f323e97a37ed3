#!/usr/bin/env python3
"""Run a weir job and kill its tasks at random moments.

usage: kill_driver.py --seed N --kills N [--rows N] [--mix NAME=WEIGHT,...] WEIR JOB.yaml

The job runs as `weir run --json JOB.yaml`; stdout is the job's. New processes of tasks are seen in
/proc/<supervisor>/task/*/children the moment they are forked, and what they are doing in the job's
control block. Each process of a task gets one fate, drawn from the seed:

  early    SIGKILL 0 to 12 ms after the fork: exec, attach, undo, opening of sources and sinks
  run      SIGKILL 0 to 4 ms after it began to run batches
  waiting  SIGKILL when its state says that it waits for input or for room in a ring
  both     SIGKILL to all tasks at the same instant, 0 to 4 ms after this one began to run
  slow     SIGSTOP, SIGCONT 0 to 20 ms later (not dead, only slow), then as "run"
  frozen   SIGSTOP, SIGKILL 0 to 5 ms later
  late     as "run", but not before all input was read (--rows): the end of the job

A task is killed at most 6 times in a row without progress: more of them is a crash loop, which the
supervisor answers with a delay. The last line of stdout is the account as JSON; the exit status is
that of weir, or 2 when the job ended before the kills were made.
"""
import argparse, collections, json, os, random, signal
import subprocess, sys, threading, time
from control import Control, RUNNING, STATES, WAITING_INPUT, WAITING_OUTPUT, memory

MIX = "early=20,run=48,waiting=10,both=6,slow=8,frozen=8"
QUICK_MAX = 6


class Victim:
    """One process of a task and what is to happen to it."""

    def __init__(self, pid, now):
        self.pid, self.born, self.at, self.task = pid, now, None, None
        self.fate, self.stopped, self.ran = None, None, None


class Driver:
    def __init__(self, arguments):
        self.a = arguments
        self.random = random.Random(arguments.seed)
        pairs = [p.split("=") for p in arguments.mix.split(",")]
        self.fates, self.weights = [p[0] for p in pairs], [int(p[1]) for p in pairs]
        self.kills = collections.Counter()
        self.by_task = collections.Counter()
        self.states = collections.Counter()
        self.stops = 0
        self.gaps, self.deaths, self.events = [], collections.Counter(), []
        self.victims, self.quick = {}, collections.Counter()
        self.control = None
        self.seen_progress = {}

    def read_events(self, stream):
        for line in stream:
            try:
                event = json.loads(line)
            except ValueError:
                sys.stderr.write(line)
                continue
            self.events.append(event)
            if event["event"] == "restarted":
                self.gaps.append(event["gap_ms"])
            elif event["event"] == "died":
                self.deaths[event["task"]] += 1
                if event["signal"] != signal.SIGKILL:
                    sys.stderr.write(f"died by itself: {line}")
            elif event["event"] == "failed":
                sys.stderr.write(line)

    def children(self):
        try:
            with open(f"/proc/{self.weir.pid}/task/{self.weir.pid}/children") as f:
                return [int(pid) for pid in f.read().split()]
        except OSError:
            return []

    def draw(self, victim, now):
        fate = self.random.choices(self.fates, self.weights)[0]
        # The supervisor must not see a crash loop.
        if fate == "early" and self.quick[victim.task] >= QUICK_MAX:
            fate = "run"
        victim.fate = fate
        if fate == "early":
            victim.at = now + self.random.random() * 0.012

    def input_is_read(self):
        return self.a.rows and sum(self.control.task(t).rows_in for t in self.a.sources) >= self.a.rows

    def signal(self, victim, number):
        page = self.control.task(victim.task)
        pid, state, progress = page.pid, page.state, page.progress
        try:
            os.kill(victim.pid, number)
        except ProcessLookupError:
            return False
        if number == signal.SIGKILL:
            self.states[STATES[state] if pid == victim.pid else "attaching"] += 1
            self.kills[victim.fate] += 1
            self.by_task[victim.task] += 1
            if progress > self.seen_progress.get(victim.task, 0):
                self.quick[victim.task] = 0
            else:
                self.quick[victim.task] += 1
            self.seen_progress[victim.task] = progress
            del self.victims[victim.pid]
            self.dead.add(victim.pid)
        return True

    def attend(self, victim, now):
        """Do what is due to one process."""
        if victim.task is None:
            victim.task = task_of(victim.pid)
            if victim.task is None:
                return
            self.draw(victim, now)
        page = self.control.task(victim.task)
        pid, state, progress = page.pid, page.state, page.progress
        if victim.fate == "early":
            if now >= victim.at:
                self.signal(victim, signal.SIGKILL)
            return
        if pid != victim.pid or state < RUNNING:
            return
        if victim.ran is None:
            # Without progress since the last kill, wait for some.
            if self.quick[victim.task] >= QUICK_MAX and progress <= self.seen_progress[victim.task]:
                return
            if victim.fate == "late" and not self.input_is_read():
                return
            victim.ran = now
            victim.at = now + self.random.random() * self.a.life / 1000
        if victim.fate == "waiting":
            if state in (WAITING_INPUT, WAITING_OUTPUT) or now > victim.ran + 0.02:
                self.signal(victim, signal.SIGKILL)
        elif now < victim.at:
            return
        elif victim.fate in ("run", "late"):
            self.signal(victim, signal.SIGKILL)
        elif victim.fate == "both":
            for other in [v for v in self.victims.values() if v.task is not None]:
                if self.quick[other.task] >= QUICK_MAX:
                    continue
                other.fate = "both"
                self.signal(other, signal.SIGKILL)
        elif victim.stopped is None:
            self.signal(victim, signal.SIGSTOP)
            victim.stopped = now
            self.stops += 1
            victim.at = now + self.random.random() * (0.02 if victim.fate == "slow" else 0.005)
        elif victim.fate == "frozen":
            self.signal(victim, signal.SIGKILL)
        else:
            self.signal(victim, signal.SIGCONT)
            victim.fate, victim.ran = "run", None

    def run(self):
        a = self.a
        self.dead = set()
        started = time.monotonic()
        out = open(a.stdout, "wb") if a.stdout else None
        self.weir = subprocess.Popen([a.weir, "run", "--json", a.job], stdout=out,
                                     stderr=subprocess.PIPE, text=True, errors="replace")
        reader = threading.Thread(target=self.read_events, args=(self.weir.stderr,))
        reader.start()
        limit = started + a.timeout
        while self.weir.poll() is None and sum(self.kills.values()) < a.kills:
            now = time.monotonic()
            if now > limit:
                break
            if self.control is None:
                self.attach_control()
            else:
                for pid in self.children():
                    if pid not in self.victims and pid not in self.dead:
                        self.victims[pid] = Victim(pid, now)
                for victim in list(self.victims.values()):
                    if victim.pid in self.victims:
                        self.attend(victim, now)
            time.sleep(0.0001)
        for victim in self.victims.values(): # nobody stays stopped
            if victim.stopped is not None:
                self.signal_quietly(victim.pid, signal.SIGCONT)
        killing_seconds = time.monotonic() - started
        try:
            self.weir.wait(max(1, limit - time.monotonic()))
        except subprocess.TimeoutExpired:
            print(f"no end after {a.timeout} s; the state:", file=sys.stderr)
            self.describe()
            self.weir.terminate()
            self.weir.wait()
            reader.join()
            return 3
        reader.join()
        return self.account(killing_seconds, time.monotonic() - started)

    @staticmethod
    def signal_quietly(pid, number):
        try:
            os.kill(pid, number)
        except ProcessLookupError:
            pass

    def describe(self):
        for task in range(self.control.count if self.control else 0):
            print(f"task {task}: {self.control.task(task)}", file=sys.stderr)

    def attach_control(self):
        with open(self.a.job) as f:
            name = [line.split(":")[1].strip() for line in f if line.startswith("job:")][0]
        try:
            if self.children(): # the block is whole before the first task is forked
                self.control = Control(memory(name, self.a.memory_dir))
        except (OSError, ValueError):
            self.control = None

    def account(self, killing_seconds, seconds):
        gaps = sorted(self.gaps)
        done = sum(self.kills.values())

        def percentile(p):
            return round(gaps[min(len(gaps) - 1, int(len(gaps) * p))], 2) if gaps else None
        print(json.dumps({
            "seed": self.a.seed, "status": self.weir.returncode, "kills": done,
            "fates": dict(self.kills), "states": dict(self.states), "by_task": {str(k): v for k, v in self.by_task.items()},
            "stops": self.stops, "deaths": sum(self.deaths.values()), "restarts": len(gaps),
            "gap_ms": {"p50": percentile(.5), "p99": percentile(.99), "max": percentile(1)},
            "killing_seconds": round(killing_seconds, 2), "seconds": round(seconds, 2)}))
        if self.weir.returncode:
            return self.weir.returncode
        return 0 if done >= self.a.kills else 2


def task_of(pid):
    """The index of the task that a process runs; None before its exec."""
    try:
        with open(f"/proc/{pid}/cmdline", "rb") as f:
            words = f.read().split(b"\0")
    except OSError:
        return None
    return int(words[3]) if len(words) > 3 and words[1] == b"task" else None


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--kills", type=int, required=True)
    p.add_argument("--life", type=float, default=4, help="ms that a task runs at most")
    p.add_argument("--rows", type=int, default=0, help="rows of the input, for the fate 'late'")
    p.add_argument("--sources", type=lambda s: [int(x) for x in s.split(",")], default=[0])
    p.add_argument("--stdout", help="file for what the job prints")
    p.add_argument("--mix", default=MIX)
    p.add_argument("--timeout", type=float, default=120)
    p.add_argument("--memory-dir", default="/dev/shm")
    p.add_argument("weir")
    p.add_argument("job")
    return Driver(p.parse_args()).run()


sys.exit(main())
