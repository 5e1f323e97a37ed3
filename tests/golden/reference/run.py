#!/usr/bin/env python3
"""weir against the model: random queries on generated rows, and the flights of 2013.

usage: run.py WEIR [--flights FILE.csv] [--seed N] [--queries N] [--cores N,N...]
The rows are out of order by far more than the watermark allows, so that rows are really late; how
many were is compared too. Prints its seed. The last line is "N passed, N failed".
"""
import argparse
import json
import random
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from model import AGGREGATES, HOUR, WHERE, Query, fold, iso

MINUTE, DAY = 60000, 24 * HOUR
COLUMNS = "id STRING, k STRING, i INT, l BIGINT, d DOUBLE, b BOOLEAN, s STRING, dt STRING, " \
          "ms BIGINT, ts TIMESTAMP(3), lt TIMESTAMP_LTZ(3)"
# Where the rows begin: an ordinary day, the days on which Paris changes its clocks, before 1970.
BEGINNINGS = {"plain": 1368648000000, "spring": 1364605200000, "autumn": 1382749200000,
              "past": -3 * DAY - 12345}
ZONES = ["Europe/Paris", "Asia/Kolkata", "Asia/Shanghai", "America/New_York"]


def generate(rng, beginning, count):
    """Two to three days of rows, 30 % of them up to 40 minutes too late."""
    rows, now = [], beginning
    for _ in range(count):
        now += int(rng.expovariate(count / (2.5 * DAY)))
        t = now - (rng.randrange(40 * MINUTE) if rng.random() < 0.3 else 0)

        def maybe(value):
            return None if rng.random() < 0.06 else value
        rows.append({"id": maybe(f"u{int(rng.paretovariate(0.6))}"),
                     "k": maybe(rng.choice("aaab c".replace(" ", ""))),
                     "i": maybe(rng.choice([1, -2, 7, 2147483647, -2147483648, 40, 3])),
                     "l": maybe(rng.choice([5, -6, 2 ** 63 - 1, -2 ** 63, 77])),
                     "d": maybe(rng.randrange(-400, 400) / 4), "b": maybe(rng.random() < 0.5),
                     "s": maybe(rng.choice(["pear", "fig", "", "Äpfel", "apple", "日本"])),
                     "dt": maybe("20%02d" % rng.randrange(30)), "ms": t})
    return rows


def write(path, rows):
    with open(path, "w", encoding="utf-8") as out:
        for row in rows:
            text = iso(row["ms"]).replace("T", " ")
            text += ":00" if len(text) == 16 else ""
            out.write(json.dumps({**row, "ts": text, "lt": text + "Z"}, ensure_ascii=False) + "\n")


def random_query(rng):
    kind = rng.choice(["TUMBLE", "HOP", "CUMULATE"])
    legacy = kind != "CUMULATE" and rng.random() < 0.4
    step = rng.choice([7 * MINUTE, 15 * MINUTE, 30 * MINUTE, HOUR, 2 * HOUR, 3 * HOUR])
    size = step * (1 if kind == "TUMBLE" else rng.choice([1, 2, 3, 8]))
    if legacy and kind == "HOP":
        size = rng.choice([size, size + 4 * MINUTE, step // 2])
    if kind == "TUMBLE" and rng.random() < 0.4:
        size = step = DAY
    query = Query(kind, size, step, rng.sample(list(AGGREGATES), rng.randrange(1, 6)),
                  keys=rng.choice([[], ["k"], ["k", "b"], ["s"], ["i", "k"]]), legacy=legacy,
                  bound=5 * MINUTE)
    if rng.random() < 0.4:
        query.zone = rng.choice(ZONES)
    if not legacy and rng.random() < 0.3:
        query.offset = rng.choice([MINUTE, step // 2])
    if rng.random() < 0.3:
        query.where = rng.choice(list(WHERE))
    if legacy and rng.random() < 0.5:
        query.lateness = rng.choice([0, 10 * MINUTE, HOUR])
        query.early, query.delay = rng.random() < 0.5, rng.choice([0, 0, 3, 20])
    return query


class Runner:
    def __init__(self, args, folder):
        self.args, self.folder, self.passed, self.failed = args, folder, 0, 0

    def weir(self, script, cores):
        (self.folder / "q.sql").write_text(script, encoding="utf-8")
        (self.folder / "q.yaml").write_text(
            f"job: reference-{self.folder.name}\nsql: q.sql\n"
            f"memory: {{state: 128MiB, reserve: 0%}}\nplacement: {{cores: {cores}}}\n")
        done = subprocess.run([self.args.weir, "run", self.folder / "q.yaml"], timeout=300,
                              capture_output=True, text=True, stdin=subprocess.DEVNULL, check=False)
        late = re.search(r"([\d,]+) late", done.stderr)
        lines = re.sub(r"(?m)^\d+> ", "", done.stdout).splitlines()
        return done, lines, int(late[1].replace(",", "")) if late else 0

    def has_several_sources(self):
        """Do several sources feed the task that judges what is late? That is a race, as in Flink."""
        done = subprocess.run([self.args.weir, "explain", self.folder / "q.yaml"], text=True,
                              capture_output=True, stdin=subprocess.DEVNULL, check=False)
        return re.search(r"(?m)^Stage 0: (?!.*window).*\n  tasks 0\.\.", done.stdout)

    def check(self, name, query, table, rows, cores_list):
        want, want_late = query.answer(rows)
        assert want, name
        for cores in cores_list:
            done, lines, late = self.weir(query.settings() + table + query.sql(), cores)
            wrong = None
            if query.bound < 45 * MINUTE and self.has_several_sources():
                continue
            if done.returncode:
                wrong = f"status {done.returncode}\n{done.stderr}"
            elif (fold(lines) if query.early or query.lateness else sorted(lines)) != want:
                left = fold(lines)
                wrong = f"{len(set(want) - set(left))} of {len(want)} lines missing, " \
                        f"{len(set(left) - set(want))} too many (- model, + weir)\n" + "\n".join(
                            [f"    - {x}" for x in sorted(set(want) - set(left))[:3]]
                            + [f"    + {x}" for x in sorted(set(left) - set(want))[:3]])
            elif late != want_late:
                wrong = f"{late} late rows instead of {want_late}"
            self.passed, self.failed = self.passed + (not wrong), self.failed + bool(wrong)
            if wrong:
                print(f"{name}, {cores} cores: {wrong}\n{query.settings()}{table}{query.sql()}")


def table_of(query, path):
    return f"CREATE TABLE r ({COLUMNS}, WATERMARK FOR {query.time()} AS {query.time()} - " \
           f"INTERVAL '{query.bound // MINUTE}' MINUTE) WITH ('connector' = 'filesystem', " \
           f"'format' = 'json', 'path' = '{path}');\n"


def generated(runner, args):
    rng = random.Random(args.seed)
    data = {}
    for name, beginning in BEGINNINGS.items():
        data[name] = generate(rng, beginning, 3000)
        write(runner.folder / f"{name}.json", data[name])
    for n in range(args.queries):
        name = rng.choice(list(BEGINNINGS))
        query = random_query(rng)
        runner.check(f"query {n} on {name}", query, table_of(query, runner.folder / f"{name}.json"),
                     data[name], args.cores.split(","))
    # Several sources read one large file, piece by piece in turn: which rows are late would be a race,
    # so none is.
    large, path = generate(rng, BEGINNINGS["autumn"], 20000), runner.folder / "large.json"
    write(path, large)
    for n in range(args.queries // 6):
        query = random_query(rng)
        query.bound = 45 * MINUTE
        table = f"SET 'parallelism.default' = '{rng.randrange(2, 5)}';\n" + table_of(query, path)
        runner.check(f"parallel query {n}", query, table, large, ["4"])


def flights(runner, args):
    """The real flights, in an order that a network might have left them in."""
    rng, rows = random.Random(args.seed), []
    with open(args.flights, encoding="utf-8") as lines:
        for line in lines:
            when, carrier, tail, origin, dest = line.rstrip("\n").split(",")
            rows.append({"when": when, "k": carrier, "id": tail, "s": origin, "dest": dest})
    import datetime  # the only place that reads a time
    epoch = datetime.datetime(1970, 1, 1)
    for row in rows:
        row["ms"] = int((datetime.datetime.fromisoformat(row["when"]) - epoch).total_seconds()) * 1000
    rows.sort(key=lambda r: r["ms"] + rng.randrange(90 * MINUTE) * (rng.random() < 0.1))
    with open(runner.folder / "flights.csv", "w", encoding="utf-8") as out:
        for row in rows:
            out.write(",".join((row["when"], row["k"], row["id"], row["s"], row["dest"])) + "\n")
    table = "CREATE TABLE r (ts TIMESTAMP(3), k STRING, id STRING, s STRING, dest STRING, " \
            "WATERMARK FOR ts AS ts - INTERVAL '5' MINUTE) WITH ('connector' = 'filesystem', " \
            f"'format' = 'csv', 'path' = '{runner.folder}/flights.csv');\n"
    aggregates = ["COUNT(*)", "COUNT(DISTINCT id)", "MAX(s)"]
    for kind, size, step, keys, legacy in (
            ("TUMBLE", DAY, DAY, ["s"], True), ("TUMBLE", HOUR, HOUR, ["k"], False),
            ("HOP", 6 * HOUR, 2 * HOUR, ["s"], False), ("CUMULATE", DAY, 3 * HOUR, ["s"], False),
            ("HOP", 5 * HOUR, 2 * HOUR, [], True)):
        query = Query(kind, size, step, aggregates, keys=keys, legacy=legacy, bound=5 * MINUTE)
        runner.check(f"flights {kind}", query, table, rows, args.cores.split(","))


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weir")
    parser.add_argument("--flights")
    parser.add_argument("--seed", type=int, default=random.randrange(10 ** 6))
    parser.add_argument("--queries", type=int, default=40)
    parser.add_argument("--cores", default="1,2,4")
    args = parser.parse_args()
    print(f"seed {args.seed}")
    with tempfile.TemporaryDirectory() as name:
        runner = Runner(args, Path(name))
        generated(runner, args)
        if args.flights:
            flights(runner, args)
    print(f"{runner.passed} passed, {runner.failed} failed")
    sys.exit(runner.failed > 0)


if __name__ == "__main__":
    main()
