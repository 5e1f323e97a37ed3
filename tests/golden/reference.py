#!/usr/bin/env python3
"""An independent answer for window aggregates: Flink's rules, written from the rules and not from weir.

usage: reference.py tumble|hop|cumulate SIZE_MS STEP_MS --bound MS [--interval MS] < rows.jsonl
Each line has id, dimension, eventTime (yyyy-MM-dd HH:mm:ss.SSS). Prints window_start, window_end (ms),
dimension, COUNT(*), COUNT(DISTINCT id) as CSV, sorted by window end, start and dimension; the number of
late rows goes to stderr.
"""
import argparse
import json
import sys
from calendar import timegm
from collections import defaultdict

INFINITY = 1 << 62


def millis(text):
    """Milliseconds of 'yyyy-MM-dd HH:mm:ss[.SSS]'."""
    fields = [int(text[a:b]) for a, b in ((0, 4), (5, 7), (8, 10), (11, 13), (14, 16), (17, 19))]
    fraction = (text[20:] + "000")[:3] if len(text) > 19 else "0"
    return timegm((*fields, 0, 0, 0)) * 1000 + int(fraction)


def windows_of(kind, t, size, step):
    """All (start, end) that hold time t."""
    if kind == "tumble":
        start = t - t % size
        return [(start, start + size)]
    if kind == "hop":
        last = t - t % step
        return [(s, s + size) for s in range(last, t - size, -step)]
    start = t - t % size
    first_end = t - t % step + step
    return [(start, e) for e in range(first_end, start + size + 1, step)]


class Windows:
    """Rows by window and dimension; a window that fired is closed for good."""

    def __init__(self, args):
        self.args, self.late, self.watermark = args, 0, -INFINITY
        self.sums = defaultdict(lambda: defaultdict(lambda: [0, set()]))
        self.slices = defaultdict(lambda: defaultdict(lambda: [0, set()]))
        self.out = []

    def add(self, t, row):
        """A row feeds the windows that have not fired; it is late when there is none."""
        if self.args.kind == "cumulate":
            self.add_slice(t, row)
            return
        open_windows = [w for w in windows_of(self.args.kind, t, self.args.size, self.args.step)
                        if w[1] - 1 > self.watermark]
        self.late += not open_windows
        for w in open_windows:
            entry = self.sums[w][row["dimension"]]
            entry[0] += 1
            entry[1].add(row["id"])

    def add_slice(self, t, row):
        """CUMULATE: windows share their slices; the first unfired point is the row's earliest."""
        start = t - t % self.args.size
        if start + self.args.size - 1 <= self.watermark:
            self.late += 1
            return
        entry = self.slices[(start, t - t % self.args.step)][row["dimension"]]
        entry[0] += 1
        entry[1].add(row["id"])

    def fire_cumulate(self, watermark):
        """Every point after a dimension's first, up to the day's end or the watermark."""
        a = self.args
        for start in sorted({s for s, _ in self.slices} | {s for s, _ in self.sums}):
            held = self.sums[(start, "held")]
            begin = max(self.watermark + 1, start)
            for e in range(begin - (begin - start) % a.step + a.step, start + a.size + 1, a.step):
                if e - 1 > watermark:
                    break
                for key in [k for k in self.slices if k[0] == start and k[1] < e]:
                    for d, (n, ids) in self.slices.pop(key).items():
                        held[d][0] += n
                        held[d][1] |= ids
                self.out += [(e, start, d, n, len(ids)) for d, (n, ids) in held.items() if n]
            if start + a.size - 1 <= watermark:
                del self.sums[(start, "held")]

    def advance(self, watermark):
        """Fire what is due, in the order of window ends."""
        if self.args.kind == "cumulate":
            self.fire_cumulate(watermark)
        else:
            for w in sorted(k for k in self.sums if k[1] - 1 <= watermark):
                self.out += [(w[1], w[0], d, n, len(s)) for d, (n, s) in self.sums.pop(w).items()]
        self.watermark = watermark


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("kind", choices=("tumble", "hop", "cumulate"))
    parser.add_argument("size", type=int)
    parser.add_argument("step", type=int)
    parser.add_argument("--bound", type=int, required=True)
    parser.add_argument("--interval", type=int, default=200)
    args = parser.parse_args()
    windows = Windows(args)
    highest, emitted = -INFINITY, -INFINITY
    for line in sys.stdin:
        row = json.loads(line)
        t = millis(row["eventTime"])
        windows.add(t, row)
        highest = max(highest, t - args.bound)
        if highest - emitted > args.interval:
            emitted = highest
            windows.advance(emitted)
    windows.advance(INFINITY)
    for end, start, dimension, rows, distinct in sorted(windows.out):
        print(f"{start},{end},{dimension},{rows},{distinct}")
    print(f"late {windows.late}", file=sys.stderr)


if __name__ == "__main__":
    main()
