#!/usr/bin/env python3
"""Materialise a changelog of debezium-json lines; exit 1 where a retraction does not chain.

usage: changelog.py KEY,... < part-files > rows, sorted

A "d" must take back exactly what its key holds, a "c" must find its key without a row.
"""
import json
import sys


class Changelog:
    """What a reader of all changes holds after each of them."""

    def __init__(self, keys):
        self.keys, self.table, self.changes = keys, {}, 0

    def take(self, line):
        """None, or why the change does not chain."""
        change = json.loads(line)
        row = change["before"] or change["after"]
        key = tuple(row[k] for k in self.keys)
        held = self.table.get(key)
        self.changes += 1
        if change["op"] == "d" and key in self.table and held == change["before"]:
            del self.table[key]
        elif change["op"] == "c" and key not in self.table:
            self.table[key] = change["after"]
        else:
            return f"{line.strip()} does not chain: the key holds {held}"
        return None

    def rows(self):
        return sorted(json.dumps(row, sort_keys=True) for row in self.table.values())


def main():
    log = Changelog(sys.argv[1].split(","))
    for number, line in enumerate(sys.stdin, 1):
        wrong = log.take(line)
        if wrong:
            print(f"line {number}: {wrong}", file=sys.stderr)
            return 1
    for row in log.rows():
        print(row)
    print(f"{log.changes} changes, {len(log.table)} rows", file=sys.stderr)
    return 0


if __name__ == "__main__":
    sys.exit(main())
