#!/usr/bin/env python3
"""demo-kafka.py --weir PROGRAM --folder FOLDER: the demo of `make demo-kafka`; see demo-kafka.sh.

A loader (kcat) writes visits into a topic as they happen, weir counts unique visitors into another one, a reader (kcat,
read_committed) watches it. Meanwhile things are killed. At the end Kafka's own client (Java) reads both topics from their
begin, and the answer is computed from the visits alone, with sets of Python.
"""
import argparse
import collections
import datetime
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import threading
import time

PAGES, VISITORS, PARTITIONS = 12, 40000, 4
EPOCH = datetime.datetime(1970, 1, 1)
HERE = os.path.dirname(os.path.abspath(__file__))
sys.path.insert(0, os.path.join(HERE, "..", "bench", "kafka"))
from broker import Broker # pylint: disable=wrong-import-position


def say(text):
    print(f"\n== {text}", flush=True)


def kcat(address, *argv, **how):
    """kcat in the background; -E: it goes on when the broker is away for a while, and looks for it often."""
    return subprocess.Popen(["kcat", "-q", "-E", "-X", "reconnect.backoff.max.ms=500", "-b", address, *argv], text=True, stderr=subprocess.DEVNULL, **how)


class Loader(threading.Thread):
    """Visits into the topic, at a rate, until it is told to stop."""

    def __init__(self, address, rate):
        super().__init__(daemon=True)
        self.rate, self.sent, self.over = rate, 0, threading.Event()
        # Idempotent: in order within a partition, whatever happens to the broker.
        self.kcat = kcat(address, "-P", "-t", "visits", "-K", "|", "-X", "enable.idempotence=true",
                         "-X", "linger.ms=20", stdin=subprocess.PIPE)

    def run(self):
        draw = random.Random(7)
        while not self.over.is_set():
            start = time.monotonic()
            now = (datetime.datetime.utcnow()).isoformat(sep=" ", timespec="milliseconds")
            lines = []
            for _ in range(self.rate // 20):
                page = f"/p{int(PAGES * draw.random() ** 2)}"
                visitor = int(VISITORS * draw.random())
                lines.append(f'{page}|{{"visitor":"v{visitor}","page":"{page}","ts":"{now}"}}\n')
            self.kcat.stdin.write("".join(lines))
            self.kcat.stdin.flush()
            self.sent += len(lines)
            time.sleep(max(0, 0.05 - (time.monotonic() - start)))
        self.kcat.stdin.close()
        self.kcat.wait()


class Reader(threading.Thread):
    """An independent reader of the points: when each came (monotonic), and for which second."""

    def __init__(self, address):
        super().__init__(daemon=True)
        self.came = [] # (when, window_end)
        self.kcat = kcat(address, "-C", "-u", "-t", "uv", "-X", "isolation.level=read_committed",
                         stdout=subprocess.PIPE)

    def run(self):
        for line in self.kcat.stdout:
            self.came.append((time.monotonic(), json.loads(line)["window_end"]))

    def silences(self, since):
        """(begin, end) of each time without a point, longer than a batch takes."""
        times = sorted({round(when, 2) for when, _ in self.came if when > since})
        return [(a, b) for a, b in zip(times, times[1:]) if b - a > 0.2]


class Job:
    """`weir run`, its log, its processes."""

    def __init__(self, weir, folder, address):
        self.weir, self.folder = weir, folder
        self.config, self.log = folder + "/uv.yaml", folder + "/uv.log"
        example = os.path.join(HERE, "..", "docs", "examples", "kafka")
        shutil.copy(example + "/uv.yaml", self.config)
        with open(example + "/uv.sql", encoding="utf-8") as file:
            text = file.read().replace("localhost:9092", address)
        with open(folder + "/uv.sql", "w", encoding="utf-8") as file:
            file.write(text)
        for leftover in ("uv.checkpoints", "uv.dead"):
            shutil.rmtree(f"{folder}/{leftover}", ignore_errors=True)
        open(self.log, "w", encoding="utf-8").close()
        self.process = None

    def start(self, *options):
        before = len(self.events())
        with open(self.log, "ab") as log:
            self.process = subprocess.Popen([self.weir, "run", "--json", *options, self.config],
                                            stdout=subprocess.DEVNULL, stderr=log)
        self.wait(lambda: any(e["event"] in ("started", "resumed") for e in self.events()[before:]))

    def events(self):
        with open(self.log, encoding="utf-8") as lines:
            return [json.loads(line) for line in lines if line.startswith("{") and line.endswith("\n")]

    def wait(self, happened, seconds=30):
        deadline = time.monotonic() + seconds
        while not happened():
            if self.process.poll() is not None or time.monotonic() > deadline:
                with open(self.log, encoding="utf-8") as log:
                    sys.exit(f"demo: weir does not run as it should:\n{log.read()[-3000:]}")
            time.sleep(0.005)

    def tasks(self):
        """{task: pid}"""
        return {e["task"]: e["pid"] for e in self.events() if e["event"] in ("started", "restarted", "adopted")}

    def kill_task(self, task):
        """(pid, ms until another process of it had committed rows, how)"""
        old = self.tasks()[task]
        killed_ns = time.monotonic_ns()
        os.kill(old, signal.SIGKILL)
        self.wait(lambda: self.tasks()[task] != old)
        event = [e for e in self.events() if e["event"] == "restarted"][-1]
        how = "its spare" if event["rung"] == "spare" else "a new process"
        return old, (event["went_on_ns"] - killed_ns) / 1e6, how

    def kill_everything(self):
        """Supervisor, tasks, spares; how many processes."""
        victims = self.processes()
        for pid in victims:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()
        return len(victims)

    def processes(self):
        """The supervisor and what descends from it, the supervisor first: it must not replace anybody."""
        found, todo = [], [self.process.pid]
        while todo:
            pid = todo.pop()
            found.append(pid)
            try:
                for thread in os.listdir(f"/proc/{pid}/task"):
                    with open(f"/proc/{pid}/task/{thread}/children", encoding="ascii") as children:
                        todo += [int(child) for child in children.read().split()]
            except OSError:
                pass
        return found


class Demo:
    def __init__(self, args):
        self.args = args
        self.start = None
        self.table = [] # (second, what, what came of it, monotonic time)

    def note(self, what, after, since):
        second = since - self.start
        self.table.append((second, what, after, since))
        print(f"{second:6.1f} s  {what:42} {after}", flush=True)

    def sleep_until(self, share):
        """A share of the demo's time."""
        time.sleep(max(0, self.start + share * self.args.seconds - time.monotonic()))

    def run(self):
        args = self.args
        say("1. A real broker")
        with Broker(args.folder + "/broker") as broker:
            print(f"Kafka in one process ({broker.pid}) on {broker.address}, its data in {args.folder}/broker; topics visits "
                  f"({PARTITIONS} partitions) and uv")
            broker.tool("create", "visits", str(PARTITIONS), "--", "create", "uv", "2")
            job = Job(args.weir, args.folder, broker.address)
            loader, reader = Loader(broker.address, args.rate), Reader(broker.address)
            say(f"2. {args.rate:,} visits a second; unique visitors by page, a point a second, exactly once")
            print(f"{args.weir} run {job.config}   # docs/examples/kafka, with this broker's address\n")
            self.start = time.monotonic()
            loader.start()
            reader.start()
            job.start("--fresh")
            self.disturb(job, broker)
            self.sleep_until(1)
            loader.over.set()
            loader.join()
            stop = subprocess.run([args.weir, "stop", "--drain", job.config], capture_output=True, text=True, check=False)
            if stop.returncode:
                sys.exit("demo: weir stop --drain failed: " + stop.stdout + stop.stderr)
            job.process.wait()
            time.sleep(1)
            reader.kcat.terminate()
            self.what_happened(reader)
            say("3. The answer, by an independent reader, beside one that was computed without weir")
            return self.verify(broker)

    def disturb(self, job, broker):
        """Kill things on the way."""
        for share, which in ((0.15, min), (0.25, max)):
            self.sleep_until(share)
            task = which(job.tasks())
            at = time.monotonic()
            pid, ms, how = job.kill_task(task)
            self.note(f"kill -9 {pid} (task {task})", f"{how} went on after {ms:.2f} ms", at)
        self.sleep_until(0.4)
        at = time.monotonic()
        pid = broker.pid
        broker.kill()
        time.sleep(2)
        broker.start()
        self.note(f"kill -9 {pid} (the broker)", f"started again, back after {time.monotonic() - at:.1f} s", at)
        self.sleep_until(0.75)
        at = time.monotonic()
        count = job.kill_everything()
        job.start()
        self.note(f"kill -9 of everything weir, {count} processes",
                  f"weir run again: in memory all was there, {1000 * (time.monotonic() - at):.0f} ms", at)

    def what_happened(self, reader):
        """A line for each fault: the longest silence that ends behind it and before the next one."""
        waits = [0.0] * (len(self.table) + 1)
        for begin, end in reader.silences(self.start + 3):
            owner = sum(1 for fault in self.table if fault[3] < end)
            waits[owner] = max(waits[owner], end - begin)
        print(f"\n{'':9} {'':44} {'readers waited, at most':>24}")
        print(f"{'':9} {'undisturbed: a point a second':44} {waits[0]:22.2f} s")
        for fault, wait in zip(self.table, waits[1:]):
            print(f"{fault[0]:7.1f} s {fault[1]:44} {wait:22.2f} s")

    def verify(self, broker):
        """Both topics from their begin; 0 when the answer is right."""
        visits, points = read_all(broker, "visits"), read_all(broker, "uv")
        want = unique_visitors(visits)
        got, times = {}, collections.Counter()
        for row in points:
            key = row["window_end"].replace("T", " ")[:19], row["page"]
            got[key] = row["visitors"]
            times[key] += 1
        twice = sum(n - 1 for n in times.values())
        missing = len(want.keys() - got.keys())
        differ = sorted(key for key, n in got.items() if want.get(key) != n)
        wrong = len(differ)
        print(f"{len(visits):,} visits in the topic; {len(points):,} points by read_committed, {len(want):,} expected")
        print(f"missing {missing}, twice {twice}, wrong {wrong}")
        for key in differ[:12]:
            print(f"  {key[0]} {key[1]}: {got[key]}, not {want.get(key)}")
        show_top(want, got)
        right = not missing and not twice and not wrong and want
        print("\nEvery point is there once and right." if right else "\nTHE ANSWERS DIFFER.")
        return 0 if right else 1


def read_all(broker, topic):
    """Every row of the topic that is committed, by Kafka's own client in Java."""
    return [json.loads(line) for line in broker.tool("consume", topic, "as=values").splitlines()]


def unique_visitors(visits):
    """{(window_end, page): visitors}: of each minute so far, a point a second from the page's first visit on."""
    fresh = collections.defaultdict(lambda: collections.defaultdict(list)) # (minute, page) -> second -> visitors
    for visit in visits:
        fresh[visit["ts"][:16], visit["page"]][int(visit["ts"][17:19])].append(visit["visitor"])
    points = {}
    for (minute, page), seconds in fresh.items():
        begin = datetime.datetime.fromisoformat(minute)
        seen = set()
        for second in range(60):
            seen.update(seconds.get(second, ()))
            if seen:
                points[str(begin + datetime.timedelta(seconds=second + 1)), page] = len(seen)
    return points


def show_top(want, got):
    """The last whole minute of the largest pages, both answers."""
    ends = sorted({end for end, _ in want if end.endswith(":00")})
    if len(ends) < 2:
        return
    end = ends[-2] if len(ends) > 2 else ends[0]
    print(f"\nunique visitors of the minute until {end}\n{'page':>8}{'reader':>12}{'without weir':>15}")
    for page in sorted({page for _, page in want}, key=lambda page: -want.get((end, page), 0))[:4]:
        print(f"{page:>8}{got.get((end, page), 0):12,}{want.get((end, page), 0):15,}")


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--weir", required=True)
    parser.add_argument("--folder", required=True)
    parser.add_argument("--seconds", type=float, default=60)
    parser.add_argument("--rate", type=int, default=20000)
    args = parser.parse_args()
    sys.exit(Demo(args).run())


main()
