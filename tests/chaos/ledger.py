"""The account of all faults: by kind how many, how each recovered, and what it cost."""
import collections, math, threading

HOWS = ("spare", "cold", "adopted", "memory", "checkpoint", "none", "again")


class Kind:
    def __init__(self):
        self.hows, self.gaps = collections.Counter(), []
        self.lost = self.doubled = 0


class Ledger:
    def __init__(self):
        self.lock, self.kinds = threading.Lock(), {}
        self.rounds = 0

    def add(self, records):
        with self.lock:
            for kind, how, gap in records:
                entry = self.kinds.setdefault(kind, Kind())
                entry.hows[how] += 1
                if gap is not None:
                    entry.gaps.append(gap)

    def charge(self, records, lost, doubled):
        """A round went wrong: nobody knows which of its faults it was, so all of them are suspects."""
        with self.lock:
            for kind in {r[0] for r in records}:
                self.kinds[kind].lost += lost
                self.kinds[kind].doubled += doubled

    def total(self):
        with self.lock:
            return sum(sum(k.hows.values()) for k in self.kinds.values())

    def table(self):
        """In Markdown, as docs/recovery.md shows it."""
        lines = ["| fault | count | " + " | ".join(HOWS) + " | gap ms p50 | p99 | max | rows lost | doubled |",
                 "| --- |" + " ---: |" * (len(HOWS) + 6)]
        with self.lock:
            rows = sorted(self.kinds.items(), key=lambda item: -sum(item[1].hows.values()))
            everything = Kind()
            for name, kind in rows:
                lines.append(line(name, kind))
                everything.hows.update(kind.hows)
                everything.gaps += kind.gaps
                everything.lost, everything.doubled = max(everything.lost, kind.lost), max(everything.doubled,
                                                                                          kind.doubled)
            lines.append(line("**all**", everything))
        return "\n".join(lines)


def line(name, kind):
    gaps = sorted(kind.gaps)
    cells = [name, sum(kind.hows.values())] + [kind.hows[how] or "" for how in HOWS]
    cells += [percentile(gaps, p) for p in (0.5, 0.99, 1)] + [kind.lost, kind.doubled]
    return "| " + " | ".join(str(c) for c in cells) + " |"


def percentile(sorted_, share):
    """The smallest value that is at least as large as this share of all."""
    if not sorted_:
        return ""
    return f"{sorted_[max(0, math.ceil(len(sorted_) * share) - 1)]:.1f}"
