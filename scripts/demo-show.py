#!/usr/bin/env python3
"""demo-show.py flights|cumulate|summary|compare FILE...: small tables and a sparkline of the demo."""
import json
import sys

BARS = "▁▂▃▄▅▆▇█"


def changes(path):
    """(kind, values) of each line that the print connector wrote."""
    with open(path, encoding="utf-8") as lines:
        for line in lines:
            if line[2:3] == "[" and line.rstrip().endswith("]"):
                yield line[:2], line.rstrip()[3:-1].split(", ")


def sparkline(values):
    top = max(values, default=0) or 1
    return "".join(BARS[min(len(BARS) - 1, value * len(BARS) // (top + 1))] for value in values)


def flights(path):
    """Distinct aircraft by the hour on one summer day, an airport a column."""
    day, table = "2013-07-12", {}
    for _, (end, origin, count) in changes(path):
        if end.startswith(day):
            table.setdefault(end[11:16], {})[origin] = count
    airports = sorted({name for row in table.values() for name in row})
    print(f"distinct aircraft that had left on {day}, by the hour")
    print("  until  " + "".join(f"{name:>6}" for name in airports))
    for hour in sorted(table)[5::3]:
        print(f"  {hour}  " + "".join(f"{table[hour].get(name, '-'):>6}" for name in airports))


def day_end(path):
    """dimension -> last count."""
    return {values[1]: int(values[2]) for kind, values in changes(path) if kind in ("+I", "+U")}


def cumulate(path):
    last, points = day_end(path), {}
    top = sorted(last, key=lambda name: -last[name])[:5]
    for _, (end, name, count) in changes(path):
        if name in top and end[14:16] == "00":
            points.setdefault(name, []).append(int(count))
    print("unique visitors of the day, the five largest of", len(last), "dimensions")
    for name in top:
        print(f"  {name}  {last[name]:>9,}  {sparkline(points[name])}")


def compare(early, cumulated):
    left, right = day_end(early), day_end(cumulated)
    corrections = sum(1 for kind, _ in changes(early) if kind == "+U")
    print(f"{corrections} corrections on the way; the day's totals are",
          "the same as CUMULATE's" if left == right else "NOT the same as CUMULATE's")
    return 0 if left == right else 1


def summary(path):
    with open(path, encoding="utf-8") as lines:
        events = [json.loads(line) for line in lines if line.startswith("{")]
    last = events[-1]
    gaps = [event["gap_ms"] for event in events if event["event"] == "restarted"]
    print(f"{last['rows_in']:,} rows in, {last['rows_out']:,} rows out, "
          f"{last['seconds']:.1f} s, {last['rows_per_second']:,} rows/s; "
          f"{last['restarts']} restarts" + "".join(f", back after {gap:.1f} ms" for gap in gaps))


if __name__ == "__main__":
    sys.exit({"flights": flights, "cumulate": cumulate, "compare": compare,
              "summary": summary}[sys.argv[1]](*sys.argv[2:]) or 0)
