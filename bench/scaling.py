#!/usr/bin/env python3
"""scaling.py: the UV job on more cores than we have: rows/s by paper, and what stops it first.

usage: scaling.py [--set NAME=NUMBER]... [--machine 'NAME:CORES:GB/s:M LINES/s']... [--figure]

What is measured (MEASURED below; `--set` puts your own in) is the cost of a row on one core, of its way through an
exchange, and the memory that it moves. What is assumed is said in docs/scaling.md: costs a row stay as they are, work
spreads evenly, and a machine's memory gives what `--machine` says. A machine's columns: rows/s by its cores alone, by its
bandwidth (all bytes that pass the memory bus), by its random lines (state that is in no cache); the least counts.
"""
import argparse
import math

# Measured; the commands are in docs/scaling.md.
MEASURED = {
    "parse_ns": 26.0,          # read the file and parse a row
    "exchange_ns": 41.0,       # pack, ring, unpack, merge and waiting, both sides
    "window_ns": 143.0,        # keys, dictionary, bitmap, accumulate
    "merge_ns": 60.0,          # one partial result at the merging stage, both sides
    "file_bytes": 77.0,        # of a row as JSON: read from the page cache
    "exchange_bytes": 30.0,    # of a row in a ring: written once, read once
    "state_lines": 2.0,        # cache lines of state that a row fetches from memory: of the dictionary, of a bitmap
    "dirty_lines": 1.0,        # of them changed and written back
    "dimensions": 100.0,
    "minutes": 1440.0,         # points a day and dimension
    "rows_a_day": 1e9,
}
# name, cores, GB/s of all memory together, million random lines/s.
MACHINES = [
    ("this VM", 2, 17.0, 66.0),
    ("8 cores, 2 channels DDR5", 8, 60.0, 470.0),
    ("32 cores, 8 channels DDR4", 32, 160.0, 1250.0),
    ("64 cores, 8 channels DDR4", 64, 160.0, 1250.0),
    ("128 cores, 2 x 8 channels DDR4", 128, 320.0, 2500.0),
    ("128 cores, 12 channels DDR5", 128, 370.0, 2900.0),
]
LINE = 64


def split(cores, m):
    """(rows/s, sources, shards) of the best split; one task does it all on one core."""
    alone = 1e9 / (m["parse_ns"] + m["window_ns"])
    if cores == 1:
        return alone, 1, 1
    best = (0.0, 1, 1)
    for shards in range(1, cores):
        # Merging tasks are not pinned: their work is spread over all cores.
        partials = m["dimensions"] * m["minutes"] * shards / m["rows_a_day"]
        merging = partials * m["merge_ns"]
        sources = cores - shards
        rate = min(sources * 1e9 / (m["parse_ns"] + m["exchange_ns"] / 2),
                   shards * 1e9 / (m["window_ns"] + m["exchange_ns"] / 2))
        rate = min(rate, cores * 1e9 / (m["parse_ns"] + m["exchange_ns"] + m["window_ns"] + merging))
        best = max(best, (rate, sources, shards))
    return best


def bytes_a_row(m, in_cache):
    """What passes the memory bus: the file, the ring where it does not fit the caches, state out and back."""
    ring = 0 if in_cache else 3 * m["exchange_bytes"]  # ownership, write, read
    return m["file_bytes"] + ring + LINE * (m["state_lines"] + m["dirty_lines"])


def walls(machine, m):
    name, cores, gigabytes, lines = machine
    rate, sources, shards = split(cores, m)
    return {"name": name, "cores": cores, "by cores": rate, "sources": sources, "shards": shards,
            "by bandwidth": gigabytes * 1e9 / bytes_a_row(m, True),
            "bandwidth, rings too": gigabytes * 1e9 / bytes_a_row(m, False),
            "by lines": lines * 1e6 / m["state_lines"]}


def table(machines, m):
    print(f"{'machine':34} {'split':>9} {'by cores':>9} {'bandwidth':>10} {'rings too':>10} {'lines':>8} "
          f"{'M rows/s':>9} {'a core':>7}  stopped by")
    for machine in machines:
        w = walls(machine, m)
        limits = {"cores": w["by cores"], "bandwidth": w["by bandwidth"], "random lines": w["by lines"]}
        wall = min(limits, key=limits.get)
        rate = limits[wall]
        print(f"{w['name']:34} {w['sources']:4}+{w['shards']:<4} {w['by cores'] / 1e6:9.1f} "
              f"{w['by bandwidth'] / 1e6:10.1f} {w['bandwidth, rings too'] / 1e6:10.1f} {w['by lines'] / 1e6:8.1f} "
              f"{rate / 1e6:9.1f} {rate / 1e6 / w['cores']:7.2f}  {wall}")


def figure(machine, m):
    """Rows/s by cores, 1 to the machine's: * is the model, - its memory's wall."""
    name, cores, gigabytes, lines = machine
    wall = min(gigabytes * 1e9 / bytes_a_row(m, True), lines * 1e6 / m["state_lines"])
    points = sorted({1, 2, 4, 8, 12, 16, 24, 32, 48, 64, 80, 96, 112, 128} & set(range(1, cores + 1)) | {cores})
    top = max(split(cores, m)[0], wall)
    width = 56
    print(f"\n{name}: M rows/s; * the model, | the memory's wall, . what the cores alone would do")
    for count in points:
        rate = split(count, m)[0]
        line = [" "] * (width + 1)
        line[math.floor(rate / top * width)] = "."
        line[math.floor(wall / top * width)] = "|"
        line[math.floor(min(rate, wall) / top * width)] = "*"
        print(f"{count:4} {min(rate, wall) / 1e6:8.1f} {''.join(line)}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--set", action="append", default=[], metavar="NAME=NUMBER", help=", ".join(MEASURED))
    parser.add_argument("--machine", action="append", default=[], metavar="NAME:CORES:GB/s:M LINES/s")
    parser.add_argument("--figure", action="store_true", help="of the last machine")
    args = parser.parse_args()
    measured = dict(MEASURED)
    for text in args.set:
        name, _, number = text.partition("=")
        if name not in measured:
            parser.error(f"there is no {name}; there are {', '.join(measured)}")
        measured[name] = float(number)
    machines = []
    for text in args.machine:
        parts = text.rsplit(":", 3)
        if len(parts) != 4:
            parser.error(f"'{text}' is not NAME:CORES:GB/s:M LINES/s")
        machines.append((parts[0], int(parts[1]), float(parts[2]), float(parts[3])))
    table(machines or MACHINES, measured)
    if args.figure:
        figure((machines or MACHINES)[-1], measured)


main()
