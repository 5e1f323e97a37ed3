#!/usr/bin/env python3
"""Run a weir job with spares and do to tasks and spares what happens to processes.

usage: spares_driver.py --seed N [--acts N] [--end KIND] WEIR JOB.yaml

Each time that a task has a spare that is ready, one of these, drawn from the seed:

  task     SIGKILL to the task: the spare takes over
  frozen   SIGSTOP, then SIGKILL to the task
  crash    SIGSEGV to the task: the spare asks the supervisor first
  spare    SIGKILL to the spare: another one comes
  both     SIGKILL to both: a cold start
  deaf     SIGSTOP to the spare, SIGKILL to the task: the supervisor ends the spare, a cold start
  twice    SIGKILL to the task, and to the spare a moment later, when it may be the task

--end: nothing (the job runs to its end), "stop" (SIGTERM, and a kill up to 30 ms around it), "late" (a kill
when a task says that it has ended). Whatever happens, the job ends by itself and no process of it is left.
The last line of stdout is the account as JSON; the exit status is that of weir; 3: it did not end.
"""
import argparse, collections, json, os, random, signal, subprocess, sys, threading, time

ACTS = ["task"] * 6 + ["frozen", "frozen", "crash", "spare", "both", "deaf", "twice", "twice"]
PATIENCE = 60
CRASHES_FREE = 3


class Job:
    def __init__(self, a):
        self.a, self.random = a, random.Random(a.seed)
        self.tasks, self.spares, self.ready = {}, {}, set()
        self.acts, self.promoted, self.cold, self.gaps = collections.Counter(), 0, 0, []
        self.done, self.arena_mib = 0, 0
        name = os.path.basename(a.yaml).split(".")[0]
        self.folder = f"/dev/shm/weir-{os.getuid()}/{name}"
        self.process = subprocess.Popen([a.weir, "run", "--json", a.yaml], stderr=subprocess.PIPE, text=True)
        self.timer = threading.Timer(PATIENCE, self.hangs)
        self.timer.start()

    def hangs(self):
        print(json.dumps({"hangs": True, "tasks": self.tasks, "spares": self.spares, "acts": self.acts}))
        sys.stdout.flush()
        self.process.kill()
        os._exit(3)

    def send(self, pid, sig):
        try:
            if pid:
                os.kill(pid, sig)
        except ProcessLookupError:
            pass

    def act(self, task):
        pid, spare = self.tasks.get(task), self.spares.get(task)
        what = self.random.choice(ACTS)
        if what == "crash" and self.acts[what] == CRASHES_FREE:
            what = "task"  # more of them are put off
        self.acts[what] += 1
        self.done += 1
        if what == "frozen":
            self.send(pid, signal.SIGSTOP)
        if what == "deaf":
            self.send(spare, signal.SIGSTOP)
        if what not in ("spare", "crash"):
            self.send(pid, signal.SIGKILL)
        if what == "crash":
            self.send(pid, signal.SIGSEGV)
        if what == "twice":
            time.sleep(self.random.random() * 0.003)
        if what in ("spare", "both", "twice"):
            self.send(spare, signal.SIGKILL)

    def end(self):
        if self.a.end == "stop":
            before = self.random.random() < 0.5
            if before:
                self.act(self.random.choice(list(self.tasks)))
                time.sleep(self.random.random() * 0.03)
            self.process.send_signal(signal.SIGTERM)
            if not before:
                time.sleep(self.random.random() * 0.03)
                self.act(self.random.choice(list(self.tasks)))

    def on(self, event):
        task, kind = event.get("task"), event.get("event")
        if kind in ("started", "restarted"):
            self.tasks[task] = event["pid"]
        if kind == "restarted":
            self.gaps.append(event["gap_ms"])
            if event["pid"] in self.ready:
                self.promoted += 1
            else:
                self.cold += 1
        if kind == "finished" and self.a.end == "late":
            for t in self.tasks:
                self.act(t)
        if kind == "spare-ready":
            try:  # memory that the arena has
                blocks = os.stat(f"{self.folder}/arena-{task}").st_blocks
                self.arena_mib = max(self.arena_mib, blocks * 512 >> 20)
            except OSError:
                pass  # the job has ended
            self.spares[task] = event["pid"]
            self.ready.add(event["pid"])
            if self.done < self.a.acts:
                time.sleep(self.random.random() * 0.02)
                self.act(task)
            elif self.a.end == "stop" and self.done == self.a.acts:
                self.end()

    def left(self):
        """processes of the job, by the folder that stands in their commands"""
        name = "/" + os.path.basename(self.a.yaml).split(".")[0] + "\0"
        found = []
        for pid in filter(str.isdigit, os.listdir("/proc")):
            try:
                with open(f"/proc/{pid}/cmdline") as f:
                    command = f.read()
            except OSError:
                continue
            if "\0task\0" in command and name in command:
                found.append(int(pid))
        return found

    def run(self):
        for line in self.process.stderr:
            try:
                event = json.loads(line)
            except ValueError:
                sys.stderr.write(line)
                continue
            if event.get("event") == "summary":
                self.summary = event
            self.on(event)
        status = self.process.wait()
        self.timer.cancel()
        gaps = sorted(self.gaps)
        print(json.dumps({"seed": self.a.seed, "status": status, "acts": self.acts, "promoted": self.promoted,
                          "cold": self.cold, "left": self.left(), "ready": len(self.ready), "arena_mib": self.arena_mib,
                          "gap_ms": {"p50": gaps[len(gaps) // 2] if gaps else None,
                                     "max": gaps[-1] if gaps else None}}))
        return status


def main():
    p = argparse.ArgumentParser()
    p.add_argument("--seed", type=int, required=True)
    p.add_argument("--acts", type=int, default=0)
    p.add_argument("--end", choices=["stop", "late"])
    p.add_argument("weir")
    p.add_argument("yaml")
    sys.exit(Job(p.parse_args()).run())


main()
