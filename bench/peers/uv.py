#!/usr/bin/env python3
"""uv.py: the UV job in weir, Flink and DuckDB: the same SQL text, file and cores, in turns.

For each format and number of cores, ROUNDS times each engine after the other. Every engine reads the whole file and its
first quarter: the time between the two, over the rows between, is the marginal rate, which holds no start of a process
and no compiler. The points of all are sorted and compared; a difference fails the run, a time never does.

  weir    whole processes from `weir run` to its end; a checkpoint each second
  flink   one JVM a round: the quarter once to warm it up (not counted), the quarter, the file; a checkpoint each second
  duckdb  the query alone, without the start of Python; `day` has one count a dimension, `points` those of CUMULATE
"""
import argparse
import glob
import hashlib
import os
import shutil
import statistics
import subprocess
import sys
import threading
import time

SQL = """\
CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = '{form}');
CREATE TABLE points (window_end TIMESTAMP(3), dimension STRING, uv BIGINT
) WITH ('connector' = 'filesystem', 'path' = '{out}', 'format' = 'csv');
INSERT INTO points SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE,
  INTERVAL '1' DAY)) GROUP BY window_start, window_end, dimension;
"""
HERE = os.path.dirname(os.path.abspath(__file__))


class Run:
    """What one pass cost: seconds, CPU seconds, peak MiB."""

    def __init__(self, seconds, cpu, peak):
        self.seconds, self.cpu, self.peak = seconds, cpu, peak


def tree(root):
    """The process and its descendants."""
    found, todo = [], [root]
    while todo:
        pid = todo.pop()
        found.append(pid)
        for path in glob.glob(f"/proc/{pid}/task/*/children"):
            try:
                with open(path, encoding="ascii") as children:
                    todo += [int(child) for child in children.read().split()]
            except OSError:
                pass
    return found


def proportional_kib(pids):
    """Memory of all of them, what they share counted once."""
    total = 0
    for pid in pids:
        try:
            with open(f"/proc/{pid}/smaps_rollup", encoding="ascii") as rollup:
                total += sum(int(line.split()[1]) for line in rollup if line.startswith("Pss:"))
        except OSError:
            pass
    return total


def run(argv, cores, log, sample=False):
    """Run argv on `cores`; (Run, stdout). Peak: of the process, or sampled over its tree 20 times a second."""
    with open(log, "wb") as err:
        start = time.monotonic()
        child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=err, text=True,
                                 preexec_fn=lambda: os.sched_setaffinity(0, cores))
        peak = [0]

        def watch():
            while child.returncode is None:
                peak[0] = max(peak[0], proportional_kib(tree(child.pid)))
                time.sleep(0.05)

        if sample:
            threading.Thread(target=watch, daemon=True).start()
        text = child.stdout.read()
        _, status, usage = os.wait4(child.pid, 0)
        child.returncode = os.waitstatus_to_exitcode(status)
        seconds = time.monotonic() - start
    if child.returncode != 0:
        with open(log, encoding="utf-8", errors="replace") as err:
            sys.exit(f"uv: {' '.join(argv)} failed with {child.returncode}:\n{err.read()[-3000:]}")
    kib = peak[0] if sample else usage.ru_maxrss
    return Run(seconds, usage.ru_utime + usage.ru_stime, kib / 1024), text


def answer(out):
    """Number of points of a file or folder and a checksum over them, in any order."""
    lines = []
    for path in [out] if os.path.isfile(out) else glob.glob(out + "/**/*", recursive=True):
        if os.path.isfile(path) and not os.path.basename(path).startswith("."):
            with open(path, "rb") as part:
                lines += part.read().replace(b'"', b"").splitlines()
    return len(lines), hashlib.sha256(b"\n".join(sorted(lines))).hexdigest()[:16]


def last_of_each_dimension(out):
    """{dimension: uv} at the day's end."""
    counts = {}
    for path in glob.glob(out + "/**/*", recursive=True):
        if os.path.isfile(path) and not os.path.basename(path).startswith("."):
            with open(path, encoding="utf-8") as part:
                for line in part:
                    end, dimension, uv = line.replace('"', "").rstrip("\n").split(",")
                    counts[dimension] = max(counts.get(dimension, ("", 0)), (end, int(uv)))
    return {dimension: uv for dimension, (_, uv) in counts.items()}


class Bench:
    def __init__(self, args):
        self.args = args
        self.folder = os.path.join(os.path.abspath(args.work), f"uv-{args.rows}")
        os.makedirs(self.folder, exist_ok=True)
        self.runs = {}
        self.sizes = {"whole": args.rows, "quarter": args.rows // 4}

    def data(self, form, size):
        """The file, made once; the quarter is its first rows."""
        path = os.path.join(self.folder, f"{size}.{form}")
        if not os.path.exists(path):
            if size == "whole":
                argv = [self.args.uv_data, form, str(self.args.rows), str(self.args.rows // 5), "100", "4000", "7"]
            else:
                argv = ["head", "-n", str(self.sizes["quarter"]), self.data(form, "whole")]
            with open(path + ".tmp", "wb") as out:
                subprocess.run(argv, stdout=out, check=True)
            os.rename(path + ".tmp", path)
        with open(path, "rb") as file: # every engine finds it in the page cache
            while file.read(1 << 24):
                pass
        return path

    def script(self, engine, form, size):
        """The SQL text in a file of its own; only the folder of the answer differs."""
        out = os.path.join(self.folder, f"{engine}.{size}.points")
        shutil.rmtree(out, ignore_errors=True)
        path = os.path.join(self.folder, f"{engine}-{size}-{form}.sql")
        with open(path, "w", encoding="utf-8") as file:
            file.write(SQL.format(path=self.data(form, size), form=form, out=out))
        return path, out

    def cores(self, count):
        """The last of ours: interrupts go to the first."""
        return sorted(os.sched_getaffinity(0))[-count:]

    def weir(self, form, count, size):
        path, out = self.script("weir", form, size)
        if count == 1:
            with open(path, encoding="utf-8") as file:
                text = file.read()
            with open(path, "w", encoding="utf-8") as file:
                file.write("SET 'parallelism.default' = '1';\n" + text)
        config = path[:-4] + ".yaml"
        with open(config, "w", encoding="utf-8") as file:
            file.write(f"job: bench-peers-{os.getpid()}\nsql: {os.path.basename(path)}\n"
                       f"checkpoint: {{interval: 1s, dir: {self.folder}/weir.checkpoints}}\n")
        shutil.rmtree(self.folder + "/weir.checkpoints", ignore_errors=True)
        cost, _ = run([self.args.weir, "run", config], self.cores(count), self.folder + "/weir.log", sample=True)
        return cost, out

    def flink(self, form, count):
        """(quarter, whole), both warm."""
        shutil.rmtree(self.folder + "/flink.checkpoints", ignore_errors=True)
        jars = os.path.abspath(self.args.jars)
        quarter, quarter_out = self.script("flink", form, "quarter")
        whole, out = self.script("flink", form, "whole")
        argv = ["java", "@" + HERE + "/jvm.flags", "-Xms" + self.args.heap, "-Xmx" + self.args.heap, "-cp",
                f"{jars}/../classes:{jars}/*", "FlinkSql", f"parallelism.default={count}",
                "execution.checkpointing.interval=1s",
                f"execution.checkpointing.dir=file://{self.folder}/flink.checkpoints",
                "pipeline.object-reuse=true", quarter, quarter, whole]
        cost, text = run(argv, self.cores(count), self.folder + "/flink.log")
        done = [line.split() for line in text.splitlines() if line.startswith("done ")]
        if len(done) != 3:
            sys.exit("uv: flink gave no figures:\n" + text[-3000:])
        shutil.rmtree(quarter_out, ignore_errors=True)
        return tuple(Run(float(d[2]), float(d[3]), cost.peak) for d in done[1:]) + (out,)

    def duckdb(self, mode, form, count, size):
        out = os.path.join(self.folder, f"duckdb.{mode}.{size}")
        cost, text = run([self.args.python, HERE + "/duck.py", mode, form, self.data(form, size), str(count), out],
                         self.cores(count), self.folder + "/duckdb.log")
        _, _, seconds, cpu = text.split()
        return Run(float(seconds), float(cpu), cost.peak), out

    def note(self, key, size, cost):
        self.runs.setdefault(key, {}).setdefault(size, []).append(cost)

    def round(self, form, count):
        """One turn of each; their answers."""
        answers = {}
        for size in "quarter", "whole":
            cost, out = self.weir(form, count, size)
            self.note((form, count, "weir"), size, cost)
        answers["weir"] = answer(out)
        day = last_of_each_dimension(out)
        if "duckdb" in self.args.peers:
            for mode in "day", "points":
                for size in "quarter", "whole":
                    cost, out = self.duckdb(mode, form, count, size)
                    self.note((form, count, "duckdb " + mode), size, cost)
                if mode == "points":
                    answers["duckdb points"] = answer(out)
                    continue
                with open(out, encoding="utf-8") as file:
                    if {d: int(n) for d, n in (line.strip().split(",") for line in file)} != day:
                        sys.exit("uv: the day's counts of duckdb differ from weir's")
        if "flink" in self.args.peers:
            quarter, whole, out = self.flink(form, count)
            self.note((form, count, "flink"), "quarter", quarter)
            self.note((form, count, "flink"), "whole", whole)
            answers["flink"] = answer(out)
        return answers

    def figures(self, form, count, engine):
        """Medians: rows/s a core whole and marginal, CPU us a row, peak MiB."""
        sizes = self.runs[form, count, engine]
        whole, quarter = ({name: statistics.median(getattr(cost, name) for cost in sizes[size])
                           for name in ("seconds", "cpu", "peak")} for size in ("whole", "quarter"))
        rows = self.args.rows
        between = max(whole["seconds"] - quarter["seconds"], 1e-9)
        return (rows / whole["seconds"] / count, (rows - self.sizes["quarter"]) / between / count,
                whole["cpu"] / rows * 1e6, whole["peak"])

    def table(self, form, count, answers):
        weir = self.figures(form, count, "weir")
        for key in self.runs:
            if key[:2] != (form, count):
                continue
            f = self.figures(*key)
            print(f"{form:6} {count:5} {key[2]:14} {f[0] / 1e3:12,.0f} {weir[0] / f[0]:8.2f} {f[1] / 1e3:12,.0f} "
                  f"{weir[1] / f[1]:8.2f} {f[2]:9.3f} {f[2] / weir[2]:8.2f} {f[3]:9,.0f}", flush=True)
        points, checksum = answers["weir"]
        print(f"{form:6} {count:5} the same answer of {', '.join(answers)}: {points} points, {checksum}", flush=True)


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--uv-data", required=True)
    parser.add_argument("--jars", required=True, help="Flink's, see fetch.sh; beside it the folder classes")
    parser.add_argument("--python", required=True, help="a Python that has duckdb")
    parser.add_argument("--work", required=True, help="a folder for data and answers")
    parser.add_argument("--rows", type=int, default=3000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--cores", default="1,2")
    parser.add_argument("--formats", default="json,csv")
    parser.add_argument("--peers", default="duckdb,flink")
    parser.add_argument("--heap", default="4g", help="of Flink's JVM")
    args = parser.parse_args()
    args.peers = args.peers.split(",")
    bench = Bench(args)
    print(f"{'format':6} {'cores':>5} {'engine':14} {'K rows/s':>12} {'weir to':>8} {'K rows/s':>12} {'weir to':>8} "
          f"{'CPU us':>9} {'to weir':>8} {'peak':>9}\n{'':6} {'':>5} {'':14} {'a core':>12} {'it':>8} "
          f"{'marginal':>12} {'it':>8} {'a row':>9} {'':>8} {'MiB':>9}", flush=True)
    for count in (int(text) for text in args.cores.split(",")):
        if count > len(os.sched_getaffinity(0)):
            print(f"{count} cores are not there; skipped")
            continue
        for form in args.formats.split(","):
            for _ in range(args.rounds):
                answers = bench.round(form, count)
                if len(set(answers.values())) != 1:
                    sys.exit(f"uv: {form}, {count} cores: the answers differ: {answers}")
            bench.table(form, count, answers)


main()
