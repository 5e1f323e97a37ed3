#!/usr/bin/env python3
"""demo-show.py flights OUT | points FOLDER | proof CALM KILLED | early NAME FOLDER: the demo's tables.

OUT is what the print connector wrote; a FOLDER holds the part files of a job, its log beside it.
"""
import csv
import glob
import hashlib
import json
import sys

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
        return [json.loads(line) for line in lines if line.startswith("{")]


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


def proof(calm, killed):
    """Two runs side by side, and whether their rows are equal."""
    digests = []
    print(f"\n{'':15}{'rows in':>12}{'rows out':>11}{'rows/s':>12}{'kills':>7}{'away at most':>14}"
          "   sha256 of the result")
    for title, name in ("left alone", calm), ("kill -9", killed):
        events = events_of(name)
        last = events[-1]
        digests.append(hashlib.sha256(repr(rows_of(name)).encode()).hexdigest())
        away = f"{last['worst_gap_ms']:.1f} ms" if last["restarts"] else "-"
        print(f"  {title:13}{last['rows_in']:>12,}{last['rows_out']:>11,}"
              f"{last['rows_per_second']:>12,}{last['restarts']:>7}{away:>14}   {digests[-1][:16]}")
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
    away = f", away for at most {last['worst_gap_ms']:.1f} ms" if last["restarts"] else ""
    print(f"{updates:,} corrections; {last['restarts']} kills{away}; the day's totals of "
          f"{len(counts)} dimensions are", "CUMULATE's." if counts == want else "NOT CUMULATE'S.")
    return 0 if counts == want else 1


if __name__ == "__main__":
    sys.exit({"flights": flights, "points": points, "proof": proof,
              "early": early}[sys.argv[1]](*sys.argv[2:]) or 0)
