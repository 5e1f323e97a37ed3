#!/usr/bin/env python3
"""bench.py: weir between two topics of a broker, beside plain consumers, Kafka Streams and Flink; see README.md.

usage: bench.py --help. Parts: consume, peers, latency, gap. The broker of tests/kafka runs in a folder of its own and
on the same cores as everything else. Fails on a wrong answer, never on a time.
"""
import argparse
import os
import re
import shutil
import statistics
import subprocess
import sys
import time

from broker import Broker
from gaps import Gaps
from jobs import Answer, script

HERE = os.path.dirname(os.path.abspath(__file__))
PARTITIONS = 4


class Run:
    """What one process and its children cost."""

    def __init__(self, seconds, cpu, broker_cpu, text):
        self.seconds, self.cpu, self.broker_cpu, self.text = seconds, cpu, broker_cpu, text

    def field(self, name):
        """The number behind `name` in what it printed."""
        found = re.search(rf"\b{re.escape(name)} ([0-9.]+)", self.text)
        if not found:
            sys.exit(f"bench: there is no '{name}' in: {self.text}")
        return float(found[1])


def fail(text):
    sys.exit("bench: " + text)


class Bench:
    def __init__(self, args):
        self.args = args
        self.work = os.path.abspath(args.work)
        self.programs = os.path.join(args.build, "bench", "kafka")
        self.jars = os.path.join(self.work, "peers")
        self.answers = {}
        self.turn = 0
        self.broker = None

    # --- running ---

    def run(self, argv, log="run", env=None):
        """Run argv to its end; a failure ends the benchmark with its log."""
        path = os.path.join(self.work, log + ".log")
        before = self.broker.cpu_seconds()
        with open(path, "wb") as err:
            start = time.monotonic()
            child = subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=err, text=True, env=env)
            text = child.stdout.read()
            _, status, usage = os.wait4(child.pid, 0)
            seconds = time.monotonic() - start
        child.returncode = os.waitstatus_to_exitcode(status)
        if child.returncode:
            with open(path, encoding="utf-8", errors="replace") as err:
                fail(f"{' '.join(argv)} ended with {child.returncode}:\n{text[-2000:]}{err.read()[-4000:]}")
        return Run(seconds, usage.ru_utime + usage.ru_stime, self.broker.cpu_seconds() - before, text)

    def fill(self, topic, rows):
        """The topic, and the answers that it must give."""
        if topic in self.answers:
            return
        path = os.path.join(self.work, topic + ".answer")
        run = self.run([self.programs + "/fill", self.broker.address, topic, str(PARTITIONS), str(rows),
                        str(rows // 5), "100", "4000", "7", path, "compression.codec=" + self.args.codec])
        print(run.text.strip(), flush=True)
        self.answers[topic] = Answer(path)

    def new_topic(self, name):
        self.turn += 1
        name = f"{name}-{self.turn}"
        self.run([self.programs + "/topic", self.broker.address, str(PARTITIONS), name])
        return name

    def consume(self, topic, *settings):
        return self.run([self.programs + "/consume", self.broker.address, topic, *settings])

    def flow(self, argv, pattern, unit):
        """A consumer, by the time that it says itself: without its start and end."""
        run = self.run(argv)
        found = re.search(pattern, run.text)
        if not found:
            fail(f"{argv[0]} said no time: {run.text}")
        run.seconds = float(found[1]) * unit
        return run

    def weir(self, job, topic, guarantee, settings=""):
        """One run of weir; its output is checked."""
        out = self.new_topic(f"weir-{job}")
        base = os.path.join(self.work, "weir-" + job)
        with open(base + ".sql", "w", encoding="utf-8") as file:
            file.write(settings + script(job, self.broker.address, topic, out, guarantee, out))
        with open(base + ".yaml", "w", encoding="utf-8") as file:
            file.write(f"job: bench-kafka-{os.getpid()}\nsql: {base}.sql\n"
                       f"checkpoint: {{interval: {self.args.checkpoint}, dir: {base}.checkpoints}}\n")
        shutil.rmtree(base + ".checkpoints", ignore_errors=True)
        cost = self.run([self.args.weir, "run", "--fresh", base + ".yaml"], "weir-" + job)
        self.check("weir", job, topic, out)
        return cost

    def check(self, who, job, topic, out):
        """Ends the benchmark when the output is not what it must be."""
        if job == "copy":
            left, right = (self.consume(name).text.split("seconds")[0] for name in (topic, out))
            wrong = None if left == right else f"{right}in place of {left}"
        else:
            values = self.consume(out, "--print").text.splitlines()
            wrong = self.answers[topic].wrong(job, values)
        if wrong:
            fail(f"{who}, {job}: {wrong}")

    def rounds(self, runs):
        """{name: median by seconds of its runs}; they take turns."""
        seen = {name: [] for name in runs}
        for _ in range(self.args.rounds):
            for name, run in runs.items():
                seen[name].append(run())
        return {name: sorted(costs, key=lambda cost: cost.seconds)[len(costs) // 2]
                for name, costs in seen.items()}

    # --- parts ---

    def consume_part(self):
        """Reading alone, and weir doing something with it."""
        args = self.args
        rows = args.rows
        self.fill("events", rows)
        performance = [self.jars + "/rdkafka_performance", "-C", "-t", "events", "-b", self.broker.address, "-q",
                       "-o", "beginning", "-c", str(rows), "-X", "isolation.level=read_committed",
                       "-X", "check.crcs=false"]
        for partition in range(PARTITIONS):
            performance += ["-p", str(partition)]
        runs = {"rdkafka_performance": lambda: self.flow(performance, r"bytes\) consumed in ([0-9]+)ms", 1e-3),
                "consume.c": lambda: self.flow([self.programs + "/consume", self.broker.address, "events"],
                                               r"flow_seconds ([0-9.]+)", 1)}
        if shutil.which("kcat"):
            # What it does with a message is least with -f: nothing to format.
            runs["kcat"] = lambda: self.run(["kcat", "-C", "-q", "-e", "-t", "events", "-b", self.broker.address, "-o",
                                             "beginning", "-X", "isolation.level=read_committed", "-f", ""])
        for job in filter(None, args.jobs.split(",")):
            runs["weir " + job] = lambda job=job: self.weir(job, "events", "exactly-once")
        table = self.rounds(runs)
        stick = table["rdkafka_performance"]
        print(f"{'':22}{'seconds':>9}{'M rows/s':>10}{'to perf.':>9}{'rows / CPU us':>15}{'to perf.':>9}"
              f"{'broker CPU s':>14}")
        for name, cost in table.items():
            print(f"{name:22}{cost.seconds:9.2f}{rows / cost.seconds / 1e6:10.2f}{stick.seconds / cost.seconds:9.2f}"
                  f"{rows / cost.cpu / 1e6:15.2f}{stick.cpu / cost.cpu:9.2f}{cost.broker_cpu:14.2f}", flush=True)
        if "weir raw" in table and "weir json" in table:
            raw, json = table["weir raw"], table["weir json"]
            print(f"JSON to raw: {raw.seconds / json.seconds:.2f} by time, {raw.cpu / json.cpu:.2f} of CPU")

    def streams(self, job, topic, guarantee):
        """(seconds, CPU seconds) of Kafka Streams for the last three quarters of the rows."""
        out = self.new_topic(f"streams-{job}")
        state = os.path.join(self.work, "streams.state")
        shutil.rmtree(state, ignore_errors=True)
        run = self.run(["java", "-Xmx" + self.args.heap, "-cp", f"{self.jars}/classes:{self.jars}/streams/*",
                        "-Dorg.slf4j.simpleLogger.defaultLogLevel=error", "StreamsJob", job, self.broker.address,
                        topic, out, guarantee, str(self.answers[topic].total), str(os.cpu_count()), state], "streams")
        last = {}
        for line in self.run([self.programs + "/consume", self.broker.address, out, "--print-keys"]).text.splitlines():
            key, value = line.split("\t")
            last[key] = max(last.get(key, 0), int(value))
        answer = self.answers[topic]
        if last != (answer.rows if job == "count" else answer.devices):
            fail(f"Kafka Streams, {job}: the last counts are not the answer")
        return run.field("marginal_seconds"), run.field("marginal_cpu")

    def flink(self, job, guarantee):
        """The same of Flink: the quarter warms the JVM up and is not counted."""
        scripts = []
        for topic in ("peers-small", "peers"):
            out = self.new_topic(f"flink-{job}")
            scripts.append(os.path.join(self.work, f"flink-{topic}.sql"))
            with open(scripts[-1], "w", encoding="utf-8") as file:
                file.write(script(job, self.broker.address, topic, out, guarantee, out))
        checkpoints = os.path.join(self.work, "flink.checkpoints")
        shutil.rmtree(checkpoints, ignore_errors=True)
        with open(HERE + "/../peers/jvm.flags", encoding="ascii") as flags:
            argv = ["java", *flags.read().split(), "-Xmx" + self.args.heap, "-cp",
                    f"{self.jars}/classes:{self.jars}/flink/*"]
        run = self.run(argv + ["FlinkSql", f"parallelism.default={os.cpu_count()}",
                               "execution.checkpointing.interval=" + self.args.checkpoint,
                               f"execution.checkpointing.dir=file://{checkpoints}", "pipeline.object-reuse=true",
                               *scripts], "flink")
        done = [line.split() for line in run.text.splitlines() if line.startswith("done ")]
        if len(done) != 2:
            fail("Flink gave no figures: " + run.text[-3000:])
        self.check("Flink", job, "peers", out)
        return float(done[1][2]), float(done[1][3])

    def peers_part(self):
        """The same jobs in Kafka Streams, Flink and weir."""
        rows = self.args.peer_rows
        self.fill("peers-small", rows // 4)
        self.fill("peers", rows)
        print(f"{'job':7}{'guarantee':15}{'engine':16}{'K rows/s':>10}{'weir to it':>12}{'CPU us a row':>14}"
              f"{'weir to it':>12}")
        for job in ("count", "uv"):
            for guarantee, theirs in (("exactly-once", "exactly_once_v2"), ("at-least-once", "at_least_once")):
                lines = []
                if "weir" in self.args.peers:
                    cost = self.weir(job, "peers", guarantee)
                    lines.append(("weir", rows / cost.seconds, cost.cpu / rows))
                if "streams" in self.args.peers:
                    seconds, cpu = self.streams(job, "peers", theirs)
                    lines.append(("kafka streams", rows * 0.75 / seconds, cpu / (rows * 0.75)))
                if "flink" in self.args.peers:
                    seconds, cpu = self.flink(job, guarantee)
                    lines.append(("flink", rows / seconds, cpu / rows))
                for engine, rate, cpu in lines:
                    print(f"{job:7}{guarantee:15}{engine:16}{rate / 1e3:10,.0f}{lines[0][1] / rate:12.2f}"
                          f"{cpu * 1e6:14.3f}{cpu / lines[0][2]:12.2f}", flush=True)

    def latency_part(self):
        Gaps(self).latency()

    def gap_part(self):
        Gaps(self).gap()

    def main(self, parts):
        # As a server has it, not a quick start.
        with Broker(self.work + "/broker", "--heap=512m", "--jvm=-XX:+UseParallelGC") as self.broker:
            for part in parts:
                print(f"\n== {part}", flush=True)
                {"consume": self.consume_part, "peers": self.peers_part, "latency": self.latency_part,
                 "gap": self.gap_part}[part]()


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--build", required=True)
    parser.add_argument("--work", required=True, help="a folder for the broker's data, logs and the peers' jars")
    parser.add_argument("--rows", type=int, default=6000000)
    parser.add_argument("--peer-rows", type=int, default=2000000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--jobs", default="raw,json,uv,copy", help="of weir in the part consume")
    parser.add_argument("--codec", default="none", help="of the rows in the topics: none, lz4, zstd, snappy, gzip")
    parser.add_argument("--checkpoint", default="1s")
    parser.add_argument("--peers", default="weir,streams,flink")
    parser.add_argument("--heap", default="4g", help="of a JVM")
    parser.add_argument("--rate", type=int, default=50000, help="rows a second of latency and gap")
    parser.add_argument("--seconds", type=int, default=10, help="of each latency run, after 3 of warm-up")
    parser.add_argument("--kills", type=int, default=10)
    parser.add_argument("parts", nargs="+", choices=["consume", "peers", "latency", "gap"])
    args = parser.parse_args()
    Bench(args).main(args.parts)


main()
