"""Flink's rules for window aggregates, written from the rules and not from weir.

A query is a Query; sql() is its text, answer() what it gives: one row after the other, a watermark
behind each, every window that has not fired takes the row. Nothing is shared with the engine.
"""
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import datetime, timedelta, timezone
from zoneinfo import ZoneInfo

EPOCH = datetime(1970, 1, 1)
UTC_EPOCH = EPOCH.replace(tzinfo=timezone.utc)
MS = timedelta(milliseconds=1)
HOUR = 3600000


def iso(ms, suffix=""):
    """A time as Java prints it: seconds and milliseconds only where there are some."""
    t = EPOCH + ms * MS
    text = t.strftime("%Y-%m-%dT%H:%M")
    if t.second or t.microsecond:
        text += t.strftime(":%S")
    if t.microsecond:
        text += ".%03d" % (t.microsecond // 1000)
    return text + suffix


def text_of(value):
    if value is None:
        return "null"
    if isinstance(value, bool):
        return "true" if value else "false"
    return repr(value) if isinstance(value, float) else str(value)


def wrap(value, bits):
    """As Java's int or long."""
    return (value + (1 << bits - 1)) % (1 << bits) - (1 << bits - 1)


def truncated(total, count):
    return abs(total) // count * (1 if total >= 0 else -1)


class Clock:
    """A zone's local time, in milliseconds like UTC's."""

    def __init__(self, name):
        self.zone = ZoneInfo(name) if name else None
        self.cache = {}

    def local(self, ms):
        if not self.zone:
            return ms
        quarter = ms // 900000
        if quarter not in self.cache:
            there = (UTC_EPOCH + quarter * 900000 * MS).astimezone(self.zone)
            self.cache[quarter] = there.utcoffset() // MS
        return ms + self.cache[quarter]

    def instant(self, local_ms, fold=0):
        if not self.zone:
            return local_ms
        there = (EPOCH + local_ms * MS).replace(tzinfo=self.zone, fold=fold)
        return local_ms - there.utcoffset() // MS

    def over(self, local_ms):
        """When a window whose last millisecond this is can end: the later one of two instants;
        of a time that the clocks jump over, the jump (they jump by an hour, on the hour)."""
        if not self.zone:
            return local_ms
        early, late = self.instant(local_ms), self.instant(local_ms, 1)
        if self.local(early) != local_ms:
            return early - early % HOUR
        return max(early, late)


# --- aggregates: SQL, and what they are of a list of rows ---

def present(rows, name):
    return [r[name] for r in rows if r[name] is not None]


def total(name, bits):
    def run(rows):
        values = present(rows, name)
        return (wrap(sum(values), bits) if bits else float(sum(values))) if values else None
    return run


def average(name, bits):
    def run(rows):
        values = present(rows, name)
        if not values:
            return None
        if not bits:
            return sum(values) / len(values)
        return truncated(sum(values), len(values))
    return run


def extreme(name, choose):
    def run(rows):
        values = present(rows, name)
        if not values:
            return None
        return choose(values, key=lambda v: v.encode() if isinstance(v, str) else v)
    return run


def distinct(name):
    return lambda rows: len(set(present(rows, name)))


def filtered(run, test):
    return lambda rows: run([r for r in rows if test(r)])


def above(name, bound):
    return lambda r: r[name] is not None and r[name] > bound


AGGREGATES = {
    "COUNT(*)": len,
    "COUNT(id)": lambda rows: len(present(rows, "id")),
    "COUNT(DISTINCT id)": distinct("id"),
    "COUNT(DISTINCT i)": distinct("i"),
    "SUM(i)": total("i", 32),
    "SUM(l)": total("l", 64),
    "SUM(d)": total("d", 0),
    "AVG(i)": average("i", 32),
    "AVG(d)": average("d", 0),
    "MIN(i)": extreme("i", min),
    "MAX(l)": extreme("l", max),
    "MIN(d)": extreme("d", min),
    "MIN(s)": extreme("s", min),
    "MAX(s)": extreme("s", max),
    "MAX(dt)": extreme("dt", max),
    "COUNT(*) FILTER (WHERE b)": filtered(len, lambda r: r["b"]),
    "COUNT(DISTINCT id) FILTER (WHERE i > 0)": filtered(distinct("id"), above("i", 0)),
    "SUM(l) FILTER (WHERE k <> 'a')": filtered(
        total("l", 64), lambda r: r["k"] is not None and r["k"] != "a"),
    "MAX(s) FILTER (WHERE NOT b)": filtered(extreme("s", max), lambda r: r["b"] is False),
}

WHERE = {
    "i > 0": above("i", 0),
    "k IN ('a', 'b')": lambda r: r["k"] in ("a", "b"),
    "b IS NOT TRUE": lambda r: r["b"] is not True,
}


@dataclass
class Query:
    kind: str  # TUMBLE, HOP or CUMULATE
    size: int  # milliseconds, like the next two
    step: int
    aggregates: list
    keys: list = field(default_factory=list)
    offset: int = 0
    legacy: bool = False  # GROUP BY TUMBLE(...) instead of a window function
    zone: str = ""  # windows over lt, in this zone; else over ts
    where: str = ""
    lateness: int = 0  # legacy: late rows change what was emitted
    early: bool = False  # legacy: every row does
    delay: int = 0  # of early and late fires; 0: for each row
    bound: int = 0  # of the table's watermark
    table: str = "r"

    def time(self):
        return "lt" if self.zone else "ts"

    def settings(self):
        pairs = [("pipeline.auto-watermark-interval", "0 ms")]
        if self.zone:
            pairs.append(("table.local-time-zone", self.zone))
        if self.early:
            pairs += [("table.exec.emit.early-fire.enabled", "true"),
                      ("table.exec.emit.early-fire.delay", f"{self.delay} ms")]
        if self.lateness:
            pairs += [("table.exec.emit.late-fire.enabled", "true"),
                      ("table.exec.emit.late-fire.delay", f"{self.delay} ms"),
                      ("table.exec.emit.allow-lateness", f"{self.lateness} ms")]
        return "".join(f"SET '{k}' = '{v}';\n" for k, v in pairs)

    def sql(self):
        def interval(ms):
            return f"INTERVAL '{ms // 86400000} {ms // HOUR % 24:02}:{ms // 60000 % 60:02}:" \
                   f"{ms // 1000 % 60:02}' DAY TO SECOND"
        lengths = [] if self.kind == "TUMBLE" else [interval(self.step)]
        lengths.append(interval(self.size))
        where = f" WHERE {self.where}" if self.where else ""
        if self.legacy:
            window = ", ".join([self.time(), *lengths])
            columns = [f"{self.kind}_{what}({window})" for what in ("START", "END", "ROWTIME")]
            source, group = self.table, [f"{self.kind}({window})"]
        else:
            if self.offset:
                lengths.append(interval(self.offset))
            source = f"TABLE({self.kind}(TABLE {self.table}, DESCRIPTOR({self.time()}), " \
                     f"{', '.join(lengths)}))"
            columns = group = ["window_start", "window_end", "window_time"]
        return f"SELECT {', '.join(columns + self.keys + self.aggregates)} FROM {source}{where} " \
               f"GROUP BY {', '.join(group + self.keys)};\n"

    # --- the answer ---

    def starts(self, local):
        """Starts of the windows that hold the local time."""
        stride = self.step if self.kind == "HOP" else self.size
        start = local - (local - self.offset) % stride
        while start + self.size > local:
            yield start
            start -= stride

    def points(self, start):
        if self.kind == "CUMULATE":
            return range(start + self.step, start + self.size + 1, self.step)
        return (start + self.size,)

    def assign(self, rows):
        """Rows by (start, point, key), each from the first point on that it counts for; and how
        many rows came too late for all of their windows."""
        clock, watermark, late = Clock(self.zone), None, 0
        groups, over = defaultdict(list), {}
        test = WHERE[self.where] if self.where else lambda r: True

        def ended(point):
            if point not in over:
                over[point] = clock.over(point - 1) + self.lateness
            return watermark is not None and over[point] <= watermark

        for row in rows:
            if test(row):
                local, taken, held = clock.local(row["ms"]), False, False
                key = tuple(row[k] for k in self.keys)
                for start in self.starts(local):
                    held = True
                    for point in self.points(start):
                        if point > local and not ended(point):
                            groups[start, point, key].append(row)
                            taken = True
                            break
                late += held and not taken
            if watermark is None or row["ms"] - self.bound > watermark:
                watermark = row["ms"] - self.bound
        return groups, late

    def answer(self, rows):
        """(sorted lines as the print connector writes them, late rows)."""
        groups, late = self.assign(rows)
        clock, lines = Clock(self.zone), []
        for start, key in {(s, k) for s, _, k in groups}:
            held = []
            for point in self.points(start):
                held += groups.get((start, point, key), [])
                if not held:
                    continue
                end = iso(clock.instant(point - 1), "Z" if self.zone else "")
                values = [*key, *(AGGREGATES[a](held) for a in self.aggregates)]
                lines.append(f"+I[{iso(start)}, {iso(point)}, {end}, "
                             f"{', '.join(map(text_of, values))}]")
        return sorted(lines), late


def fold(lines):
    """What is left of a changelog: the rows that were inserted and not taken back."""
    left = defaultdict(int)
    for line in lines:
        left[line[2:]] += 1 if line.startswith("+") else -1
    taken = [f"taken back, but never given: {row}" for row, n in left.items() if n < 0]
    return taken + sorted("+I" + row for row, n in left.items() for _ in range(n))
