#!/usr/bin/env python3
"""Writes rows.json: two days of rows, out of order by up to 20 minutes, with NULLs; seeded."""
import json
import random
from datetime import datetime, timedelta, timezone

rng = random.Random(20131)
EPOCH = datetime(1970, 1, 1)


def maybe(value, share=0.08):
    return None if rng.random() < share else value


def row(when):
    text = when.strftime("%Y-%m-%d %H:%M:%S.") + "%03d" % (when.microsecond // 1000)
    return {
        "id": maybe("u%d" % rng.randrange(12)), "k": maybe(rng.choice("abc"), 0.1),
        "i": maybe(rng.choice([1, -2, 7, 2147483647, -2147483648, 40, 3])),
        "l": maybe(rng.choice([5, -6, 9223372036854775807, -9223372036854775808, 77])),
        "d": maybe(rng.choice([0.25, -2.5, 1e300, 3.25, 7.0, 0.0078125])),
        "b": maybe(rng.random() < 0.5), "s": maybe(rng.choice(["pear", "fig", "", "Äpfel", "apple"])),
        "dt": maybe("20%02d-0%d-1%d" % (rng.randrange(40), rng.randrange(1, 10), rng.randrange(10))),
        "ts": text, "lt": text + "Z",
        "ms": int((when - EPOCH) / timedelta(milliseconds=1)),
    }


def write(name, start, count, step_s, disorder_s):
    now = start
    with open(name, "w") as out:
        for _ in range(count):
            now += timedelta(seconds=rng.expovariate(1 / step_s))
            back = rng.uniform(0, disorder_s) if rng.random() < 0.3 else 0
            when = now - timedelta(seconds=back)
            when = when.replace(microsecond=when.microsecond // 1000 * 1000)
            out.write(json.dumps(row(when), ensure_ascii=False) + "\n")


write("rows.json", datetime(2013, 5, 16, 20), 160, 240, 1200)
write("old.json", datetime(1969, 12, 31, 20), 60, 480, 1200)
write("paris_spring.json", datetime(2013, 3, 30, 20), 70, 1200, 1800)
write("paris_autumn.json", datetime(2013, 10, 26, 20), 70, 1200, 1800)
