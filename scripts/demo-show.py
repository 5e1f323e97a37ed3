#!/usr/bin/env python3
"""demo-show.py flights OUT | points FOLDER | kill NAME TIMES PAUSE | proof CALM KILLED | early NAME FOLDER:
the demo's tables, and its kills.

OUT is what the print connector wrote; a FOLDER holds the part files of a job, its log beside it: NAME.log. NAME.gaps
is what `kill` has measured.
"""
import csv
import glob
import hashlib
import json
import os
import signal
import statistics
import sys
import time

BARS = "▁▂▃▄▅▆▇█"


def changes(path):
    """(kind, values) of each line that the print connector wrote."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line[2:3] == "[" and line.rstrip().endswith("]"):
                yield line[:2], line.rstrip()[3:-1].split(", ")


def rows_of(folder):
    """The rows in the part files, in order."""
    rows = []
    for path in glob.glob(f"{folder}/part-*"):
        with open(path, encoding="utf-8", newline="") as lines:
            rows += csv.reader(lines)
    return sorted(rows)


def events_of(name):
    with open(f"{name}.log", encoding="utf-8") as lines:
        # One that is being written has no end yet.
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]


def sparkline(values):
    top = max(values, default=0) or 1
    return "".join(BARS[min(len(BARS) - 1, value * len(BARS) // top)] for value in values)


def flights(path):
    """Distinct aircraft by the hour on one summer day, an airport a line."""
    day, table = "2013-07-12", {}
    for _, (end, origin, count) in changes(path):
        hour = int(end[11:13])
        if end.startswith(day) and hour: # midnight is the end of the day before
            table.setdefault(origin, [0] * 24)[hour:] = [int(count)] * (24 - hour)
    hours = range(6, 24, 3)
    print(f"aircraft that left on {day}, until" + "".join(f"{h:>6}:00" for h in hours)
          + "   new ones by the hour")
    for origin, seen in sorted(table.items()):
        new = [after - before for before, after in zip(seen[4:], seen[5:])]
        print(f"{origin:>38}" + "".join(f"{seen[h]:>9}" for h in hours) + "   " + sparkline(new))


def points(folder):
    """The five largest dimensions through the day."""
    table = {}
    for end, name, count in rows_of(folder):
        table.setdefault(name, {})[end] = int(count)
    last = {name: max(series.values()) for name, series in table.items()}
    print(f"\n{'':8}{'at 06:00':>11}{'12:00':>11}{'18:00':>11}{'day':>11}   hour by hour"
          f"   (the five largest of {len(last)} dimensions)")
    for name in sorted(last, key=lambda name: -last[name])[:5]:
        hourly = [n for end, n in sorted(table[name].items()) if end[14:19] == "00:00"]
        cells = "".join(f"{n:>11,}" for n in hourly[5:18:6] + hourly[-1:])
        print(f"  {name:6}{cells}   {sparkline(hourly)}")


def processes(events):
    """{task: the process that runs it}, as the log has it by now."""
    return {e["task"]: e["pid"] for e in events if e["event"] in ("started", "restarted")}


def wait_back(name, task, old):
    """The event that says that another process runs the task; None: the job has ended."""
    for _ in range(12000):
        events = events_of(name)
        for event in reversed(events):
            if event["event"] == "restarted" and event["task"] == task and event["pid"] != old:
                return event
            if event["event"] in ("summary", "finished") and event.get("task", task) == task:
                return None
            if event["event"] == "died" and event["task"] == task and event["pid"] == old:
                break
        time.sleep(0.005)
    return None


def kill(name, times, pause):
    """SIGKILL to the job's tasks in turn, and how long each was away: from the kill to the first rows
    that the process in its place has committed."""
    gaps = []
    for turn in range(int(times)):
        time.sleep(float(pause))
        events = events_of(name)
        running = processes(events)
        if not running or events[-1]["event"] == "summary":
            continue
        task = sorted(running)[turn % len(running)]
        killed_ns = time.monotonic_ns()
        try:
            os.kill(running[task], signal.SIGKILL)
        except ProcessLookupError:
            continue
        event = wait_back(name, task, running[task])
        if not event:
            print(f"kill -9 {running[task]:<7} task {task} had nothing left to do")
            continue
        gaps.append((event["went_on_ns"] - killed_ns) / 1e6)
        how = "its spare" if event["rung"] == "spare" else "a new process"
        print(f"kill -9 {running[task]:<7} task {task} is back after {gaps[-1]:7.2f} ms: "
              f"{how}, {event['pid']}", flush=True)
    with open(f"{name}.gaps", "w", encoding="utf-8") as out:
        json.dump(gaps, out)


def away(name):
    """Of the kills: in the middle, and at most."""
    try:
        with open(f"{name}.gaps", encoding="utf-8") as gaps:
            gaps = sorted(json.load(gaps))
    except OSError:
        gaps = []
    return f"{statistics.median(gaps):.2f}, {gaps[-1]:.2f}" if gaps else "-"


def proof(calm, killed):
    """Two runs side by side, and whether their rows are equal."""
    digests = []
    print(f"\n{'':15}{'rows in':>12}{'rows out':>11}{'rows/s':>12}{'kills':>7}{'away, p50 and max ms':>22}"
          "   sha256 of the result")
    for title, name in ("left alone", calm), ("kill -9", killed):
        events = events_of(name)
        last = events[-1]
        digests.append(hashlib.sha256(repr(rows_of(name)).encode()).hexdigest())
        print(f"  {title:13}{last['rows_in']:>12,}{last['rows_out']:>11,}"
              f"{last['rows_per_second']:>12,}{last['restarts']:>7}{away(name):>22}   {digests[-1][:16]}")
    same = digests[0] == digests[1]
    print("The answers are the same, row for row." if same else "THE ANSWERS DIFFER.")
    return 0 if same else 1


def early(name, folder):
    """One dimension's changelog, and whether the last word is CUMULATE's."""
    counts, updates, one = {}, 0, []
    for kind, (_, dimension, count) in changes(f"{name}.out"):
        if kind in ("+I", "+U"):
            counts[dimension] = int(count)
        updates += kind == "+U"
        if dimension == "dim00":
            one.append(f"{kind} {int(count):>9,}")
    print("\ndim00, as it was printed:")
    if len(one) > 9:
        one[6:-2] = ["..."]
    for change in one:
        print("  " + change + ("   taken back, because" if change.startswith("-U") else ""))
    want = {}
    for _, dimension, count in rows_of(folder):
        want[dimension] = max(want.get(dimension, 0), int(count))
    last = events_of(name)[-1]
    print(f"{updates:,} corrections; {last['restarts']} kills, away for {away(name)} ms (p50, max); "
          "the day's totals of "
          f"{len(counts)} dimensions are", "CUMULATE's." if counts == want else "NOT CUMULATE'S.")
    return 0 if counts == want else 1


if __name__ == "__main__":
    sys.exit({"flights": flights, "points": points, "kill": kill, "proof": proof,
              "early": early}[sys.argv[1]](*sys.argv[2:]) or 0)
