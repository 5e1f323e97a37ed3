#!/usr/bin/env python3
"""Materialise a changelog of debezium-json lines; exit 1 where a retraction does not chain.

usage: changelog.py KEY,... < part-files > rows, sorted

A "d" must take back exactly what its key holds, a "c" must find its key without a row.
"""
import json
import sys


def main():
    keys = sys.argv[1].split(",")
    table, changes = {}, 0
    for number, line in enumerate(sys.stdin, 1):
        change = json.loads(line)
        row = change["before"] or change["after"]
        key = tuple(row[k] for k in keys)
        changes += 1
        if change["op"] == "d" and table.get(key) == change["before"]:
            del table[key]
        elif change["op"] == "c" and key not in table:
            table[key] = change["after"]
        else:
            print(f"line {number}: {line.strip()} does not chain: the key holds {table.get(key)}",
                  file=sys.stderr)
            return 1
    for row in sorted(json.dumps(row, sort_keys=True) for row in table.values()):
        print(row)
    print(f"{changes} changes, {len(table)} rows", file=sys.stderr)
    return 0


sys.exit(main())
