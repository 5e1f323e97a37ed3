#!/usr/bin/env python3
"""Kill a task that has a spare, some times, and look at the spare that takes over.

usage: takeover.py KILLS WEIR JOB.yaml TASK

It must say when it went on (`went_on_ns`), be called as a task is, and have made ready before what it needs: a
takeover that faults its memory in takes several times as long. The job is stopped at the end. The last line of stdout
is the account as JSON; the exit status is 0 when all of that is so.
"""
import json, os, signal, subprocess, sys, threading, time

PATIENCE = 60
FAULTS_MAX = 12  # of the median takeover; 0 were seen, and 23 when the heap had not been made ready


def faults(pid):
    with open(f"/proc/{pid}/stat", encoding="utf-8") as f:
        return int(f.read().rsplit(")", 1)[1].split()[7])


def command(pid):
    with open(f"/proc/{pid}/cmdline", "rb") as f:
        return f.read().split(b"\0")[:2]


def has_name(pid):
    """Soon: it takes it when the first rows are through."""
    for _ in range(PATIENCE * 100):
        if command(pid) == [b"weir", b"task"]:
            return True
        time.sleep(0.01)
    return False


def main():
    kills, weir, job, task = int(sys.argv[1]), sys.argv[2], sys.argv[3], int(sys.argv[4])
    run = subprocess.Popen([weir, "run", "--json", job], stderr=subprocess.PIPE, text=True)
    timer = threading.Timer(PATIENCE, run.kill)
    timer.start()
    pid, spare, killed_ns, before = 0, 0, 0, 0
    seen, gaps, wrong = [], [], []
    for line in run.stderr:
        event = json.loads(line)
        kind = event["event"]
        if event.get("task") != task:
            continue
        if kind in ("started", "restarted"):
            pid = event["pid"]
        if kind == "restarted":
            gap = (event["went_on_ns"] - killed_ns) / 1e6
            gaps.append(gap)
            if not 0 < gap < PATIENCE * 1000:
                wrong.append(f"went on {gap} ms after the kill")
            if pid == spare:
                seen.append(faults(pid) - before)
                if not has_name(pid):
                    wrong.append(f"is called {command(pid)}")
            if len(gaps) == kills:
                run.send_signal(signal.SIGTERM)
        if kind == "spare-ready" and len(gaps) < kills:
            spare = event["pid"]
            if command(spare) != [b"weir spare", b"task"]:
                wrong.append(f"a spare is called {command(spare)}")
            before, killed_ns = faults(spare), time.monotonic_ns()
            os.kill(pid, signal.SIGKILL)
    status = run.wait()
    timer.cancel()
    seen.sort()
    print(json.dumps({"status": status, "kills": len(gaps), "faults": seen, "wrong": wrong}))
    if not seen or seen[len(seen) // 2] > FAULTS_MAX or wrong or len(gaps) < kills:
        status = status or 1
    return status


if __name__ == "__main__":
    sys.exit(main())
