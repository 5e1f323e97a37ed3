"""Is the output right? Looked at while a job runs, and at its end.

A reader of the folder sees finished parts only. So a part that is finished never changes and never goes
away, holds whole rows, and no row is in them that the undisturbed run does not have, or more often than
there. At the end all of its rows are there and nothing is left unfinished.
"""
import collections, json, os, re

from changelog import Changelog
from scenarios import is_far

PART = re.compile(r"part-(\d+)-(\d+)$")


class Wrong(Exception):
    """The product did what it must not. lost, doubled: rows, where that is what is wrong."""

    def __init__(self, text, lost=0, doubled=0):
        super().__init__(text)
        self.lost, self.doubled = lost, doubled


def parts_of(folder):
    """(task, number, name) of the finished parts, in order."""
    names = os.listdir(folder) if os.path.isdir(folder) else []
    found = [(PART.match(name), name) for name in names]
    return sorted((int(m.group(1)), int(m.group(2)), name) for m, name in found if m)


def lines_of(path):
    with open(path) as f:
        text = f.read()
    if text and not text.endswith("\n"):
        raise Wrong(f"{path} ends in half a row")
    return text.splitlines()


class Output:
    """The folder of one sink, and the rows that shall be in it."""

    def __init__(self, folder, sink, want):
        self.folder, self.sink, self.want = folder, sink, want
        self.known = {}  # name -> what stat says of it
        self.seen = collections.Counter()
        self.logs, self.next, self.waiting = {}, collections.Counter(), {}

    def look(self):
        """Finished parts: those that were known are as they were, the others are right."""
        parts = parts_of(self.folder)
        names = {name for _, _, name in parts}
        for name, before in self.known.items():
            if name not in names:
                raise Wrong(f"{self.folder}/{name} was finished and is gone")
            if self.identity(name) != before:
                raise Wrong(f"{self.folder}/{name} was finished and has changed")
        for task, number, name in parts:
            if name not in self.known:
                self.known[name] = self.identity(name)
                self.take(task, number, lines_of(f"{self.folder}/{name}"))

    def identity(self, name):
        s = os.stat(f"{self.folder}/{name}")
        return s.st_ino, s.st_size, s.st_mtime_ns

    def take(self, task, number, lines):
        lines = [line for line in lines if not is_far(line)]
        if self.sink.keys:
            self.waiting[task, number] = lines
            self.chain(task)
            return
        for line in lines:
            self.seen[line] += 1
            if self.seen[line] > self.want[line]:
                raise Wrong(f"{self.folder}: {line} is there {self.seen[line]} times, not "
                            f"{self.want[line]} (part-{task}-{number})", doubled=1)

    def chain(self, task):
        """Of each task the changes in their order, as far as there is no gap between its parts."""
        log = self.logs.setdefault(task, Changelog(self.sink.keys))
        while (lines := self.waiting.pop((task, self.next[task]), None)) is not None:
            for line in lines:
                wrong = log.take(line)
                if wrong:
                    raise Wrong(f"{self.folder}, part-{task}-{self.next[task]}: {wrong}", doubled=1)
            self.next[task] += 1

    def rows(self):
        if not self.sink.keys:
            return self.seen
        return collections.Counter(row for log in self.logs.values() for row in log.rows())

    def is_whole(self):
        """Are all rows there? Raises where others are."""
        self.look()
        return self.rows() == self.want

    def check_end(self):
        if not self.is_whole():
            lost, more = self.want - self.rows(), self.rows() - self.want
            raise Wrong(f"{self.folder}: {sum(lost.values())} rows lost, {sum(more.values())} too many; "
                        f"lost: {sorted(lost)[:2]}, too many: {sorted(more)[:2]}",
                        sum(lost.values()), sum(more.values()))
        if self.waiting:
            raise Wrong(f"{self.folder}: between the parts of a task some are missing: {list(self.waiting)}")
        left = [n for n in os.listdir(self.folder) if n.startswith(".part") and not n.endswith(".beyond")]
        if left:
            raise Wrong(f"{self.folder}: unfinished parts are left: {left}")


def read_all(folder, sink):
    """The rows of an undisturbed run: a multiset."""
    rows = collections.Counter()
    log = Changelog(sink.keys) if sink.keys else None
    for _, _, name in parts_of(folder):
        for line in lines_of(f"{folder}/{name}"):
            if is_far(line):
                continue
            if log and log.take(line):
                raise Wrong(f"{folder}/{name}: the undisturbed changelog does not chain")
            if not log:
                rows[line] += 1
    return collections.Counter(log.rows()) if log else rows


def compare_dead(want, got):
    if want != got:
        lost, more = want - got, got - want
        raise Wrong(f"dead letters: {sum(lost.values())} lost, {sum(more.values())} too many: "
                    f"{json.dumps(list(lost)[:1] + list(more)[:2])}", sum(lost.values()), sum(more.values()))
