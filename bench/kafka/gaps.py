"""gaps.py: rows through a running job at a fixed rate: how long each takes, and what a killed task costs them.

latency.c sends and reads; the job passes rows from topic to topic in one task, so a kill stops all of it.
"""
import bisect
import json
import os
import shutil
import signal
import statistics
import subprocess
import sys
import time

from jobs import script

WARM = 3  # seconds that latency.c does not count


def events_of(log):
    with open(log, encoding="utf-8") as lines:
        return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]


class Job:
    """`weir run` in the background, passing rows from one topic to another."""

    def __init__(self, bench, guarantee, interval, spares):
        self.bench = bench
        self.source, self.sink = bench.new_topic("pass-in"), bench.new_topic("pass-out")
        base = os.path.join(bench.work, "pass")
        self.log = base + ".log"
        text = script("copy", bench.broker.address, self.source, self.sink, guarantee, self.sink)
        text = text.replace("'scan.bounded.mode' = 'latest-offset',\n", "")
        with open(base + ".sql", "w", encoding="utf-8") as file:
            file.write("SET 'parallelism.default' = '1';\n" + text)
        with open(base + ".yaml", "w", encoding="utf-8") as file:
            file.write(f"job: bench-kafka-pass-{os.getpid()}\nsql: {base}.sql\nrecovery: {{spares: {spares}}}\n"
                       f"checkpoint: {{interval: {interval}, dir: {base}.checkpoints}}\n")
        shutil.rmtree(base + ".checkpoints", ignore_errors=True)
        self.argv = [bench.args.weir, "run", "--fresh", "--json", base + ".yaml"]

    def __enter__(self):
        with open(self.log, "wb") as log:
            self.process = subprocess.Popen(self.argv, stdout=subprocess.DEVNULL, stderr=log)
        self.wait(lambda events: any(event["event"] == "started" for event in events), "did not start")
        return self

    def __exit__(self, *_):
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGINT)
            try:
                self.process.wait(30)
            except subprocess.TimeoutExpired:
                self.process.kill()
                self.process.wait()

    def wait(self, happened, otherwise, seconds=20):
        """Until the log has it."""
        deadline = time.monotonic() + seconds
        while not happened(events_of(self.log)):
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, encoding="utf-8") as log:
                    sys.exit(f"bench: weir {otherwise}:\n{log.read()[-4000:]}")
            time.sleep(0.002)

    def task(self):
        """The pid of task 0 as the log has it."""
        return [event["pid"] for event in events_of(self.log)
                if event["event"] in ("started", "restarted") and event.get("task") == 0][-1]

    def kill(self):
        """SIGKILL to the task; (when, the restarted event's rung)."""
        old = self.task()
        at = time.monotonic_ns()
        os.kill(old, signal.SIGKILL)
        self.wait(lambda events: self.task() != old, "did not replace its task")
        return at, [event for event in events_of(self.log) if event["event"] == "restarted"][-1].get("rung", "?")


class Gaps:
    def __init__(self, bench):
        self.bench, self.args = bench, bench.args
        self.trace = os.path.join(bench.work, "latency.trace")

    def program(self, job, seconds):
        return [self.bench.programs + "/latency", self.bench.broker.address, job.source, job.sink,
                str(self.args.rate), str(WARM), str(seconds), self.trace]

    def latency(self):
        """From a row's due time until a read_committed reader has it."""
        print(f"{self.args.rate:,} rows/s, {self.args.seconds} s each; ms from when a row was due\n"
              f"{'guarantee':15}{'checkpoint':>11}{'p50':>9}{'p99':>9}{'p99.9':>9}{'max':>9}{'lost':>7}{'twice':>7}")
        for guarantee, interval in (("exactly-once", "1s"), ("exactly-once", "200ms"), ("exactly-once", "100ms"),
                                    ("at-least-once", "1s"), ("none", "1s")):
            with Job(self.bench, guarantee, interval, 0) as job:
                run = self.bench.run(self.program(job, self.args.seconds), "latency")
            print(f"{guarantee:15}{interval:>11}" + "".join(f"{run.field(name):9.1f}" for name in
                                                              ("p50", "p99", "p99.9", "max"))
                  + f"{run.field('lost'):7.0f}{run.field('twice'):7.0f}", flush=True)
            if guarantee == "exactly-once" and run.field("twice"):
                sys.exit("bench: rows came twice in spite of exactly-once")

    def gap(self):
        """From a kill to the first row that was due after it."""
        print(f"{self.args.rate:,} rows/s, {self.args.kills} kills each; ms from the SIGKILL until the reader has the "
              f"first row that was due after it\n"
              f"{'guarantee':15}{'checkpoint':>11}{'replaced by':>18}{'kills':>7}{'p50':>9}{'max':>9}"
              f"{'undisturbed max':>17}{'lost':>7}{'twice':>7}")
        for guarantee, interval in (("at-least-once", "1s"), ("exactly-once", "100ms")):
            for spares in (0, 1):
                self.kills(guarantee, interval, spares)

    def kills(self, guarantee, interval, spares):
        pause, kills = 2.0, []
        seconds = self.args.kills * (pause + 0.5) + 2
        with Job(self.bench, guarantee, interval, spares) as job:
            with subprocess.Popen(self.program(job, seconds), stdout=subprocess.PIPE, text=True) as program:
                time.sleep(WARM + 2)
                calm = time.monotonic_ns()
                for _ in range(self.args.kills):
                    kills.append(job.kill())
                    time.sleep(pause)
                text, _ = program.communicate()
            if program.returncode:
                sys.exit(f"bench: latency.c: {text}")
        words = dict(zip(text.split()[::2], text.split()[1::2]))
        if guarantee == "exactly-once" and words["twice"] != "0":
            sys.exit("bench: rows came twice in spite of exactly-once: " + text)
        arrivals, dues = self.read_trace()
        gaps = [(arrivals[bisect.bisect_right(dues, at)] - at) / 1e6 for at, _ in kills
                if bisect.bisect_right(dues, at) < len(dues)]
        undisturbed = max((after - before) / 1e6 for before, after in zip(arrivals, arrivals[1:])
                          if after < calm and before > arrivals[0] + 1e9)
        rungs = "+".join(sorted({rung for _, rung in kills}))
        print(f"{guarantee:15}{interval:>11}{rungs:>18}{len(gaps):7}{statistics.median(gaps):9.1f}{max(gaps):9.1f}"
              f"{undisturbed:17.1f}{words['lost']:>7}{words['twice']:>7}", flush=True)

    def read_trace(self):
        """([arrival], [newest due then]), both ascending, monotonic ns."""
        with open(self.trace, encoding="ascii") as lines:
            pairs = [tuple(map(int, line.split())) for line in lines]
        return [pair[0] for pair in pairs], [pair[1] for pair in pairs]
