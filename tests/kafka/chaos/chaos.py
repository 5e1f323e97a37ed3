#!/usr/bin/env python3
"""Exactly once from topic to topic, under faults of weir, of the network and of the broker.

usage: chaos.py [options] WEIR

  --faults N           so many in all; rounds are run until then (500)
  --seed N             what is drawn; without it the time
  --round N            only this round of the seed
  --round-seconds S    of faults in one round (100)
  --drain-seconds S    of faults while the job comes to its end (4)
  --rate N             rows a second (1000)
  --combined           the broker is its own controller: it then loses markers, which must be told apart
  --break WHAT         at-least-once, the sink: this must be seen
  --keep FOLDER        where a failed round is kept (default: beside others under /tmp)
  --verbose            each fault as it happens

A round: a fresh broker on a disk of its own behind a proxy, a job of two pipelines (rows passed on, UV over CUMULATE),
a producer, a reader; faults in three lanes at once; then calm, all rows must arrive; then the job is drained, under
faults, and everything is read again and compared with what Python says. Exit 0: right. 1: wrong, and why, with a folder
of everything. Markers that the broker itself has lost are told and counted (markers.py): then its coordinator's word is
what the output is compared with. 77: there can be no broker here.
"""
import argparse, collections, os, shutil, signal, subprocess, sys, tempfile, threading, time

import markers
from round import Round
from verify import Wrong


class World:
    def __init__(self, a):
        self.a, self.can_mount, self.interrupted = a, False, False
        self.folder = tempfile.mkdtemp(prefix="weir-kafka-chaos-")
        self.kinds, self.lock = collections.Counter(), threading.Lock()
        self.lost_markers = self.judged = self.unjudged = 0
        self.has_disk = self.can_have_disk()

    def can_have_disk(self):
        path = tempfile.mkdtemp(dir=self.folder)
        done = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "weir-kafka", path], capture_output=True,
                              check=False)
        if done.returncode == 0:
            subprocess.run(["umount", path], check=False)
        os.rmdir(path)
        return done.returncode == 0

    def count_fault(self, kind):
        with self.lock:
            self.kinds[kind] += 1

    def total(self):
        with self.lock:
            return sum(self.kinds.values())

    def wants_more(self, round_):
        return round_.draining or self.total() < self.a.faults


def parse():
    parser = argparse.ArgumentParser(usage=__doc__)
    parser.add_argument("weir")
    parser.add_argument("--faults", type=int, default=500)
    parser.add_argument("--seed", type=int, default=int(time.time()))
    parser.add_argument("--round", type=int)
    parser.add_argument("--round-seconds", type=float, default=100)
    parser.add_argument("--drain-seconds", type=float, default=4)
    parser.add_argument("--rate", type=int, default=1000)
    parser.add_argument("--combined", action="store_true")
    parser.add_argument("--break", dest="break_it", choices=["at-least-once"])
    parser.add_argument("--keep", default=tempfile.gettempdir())
    parser.add_argument("--verbose", action="store_true")
    a = parser.parse_args()
    a.weir, a.patience = os.path.realpath(a.weir), 60
    return a


def keep(world, round_):
    """Everything that it takes to look at what went wrong, in a folder that stays."""
    kept = os.path.join(world.a.keep, f"weir-kafka-chaos-{world.a.seed}-{round_.number}")
    if world.a.break_it:
        round_.close(keep=False)
        return "not kept: it was broken on purpose"
    round_.close(keep=True)
    shutil.rmtree(kept, ignore_errors=True)
    shutil.copytree(round_.folder, kept, ignore=shutil.ignore_patterns("kafka"))
    return f"kept: {kept}\nagain: make chaos-kafka SEED={world.a.seed} ROUND={round_.number}"


def tell_lost(world, round_):
    """A fault of the broker, which is not weir's and is not passed over."""
    kept = keep(world, round_)
    world.lost_markers += len(round_.lost)
    verdict = "by what its coordinator says all is right" if round_.is_judged else \
        "which rows they were for is not known: THIS ROUND SAYS NOTHING"
    print(f"THE BROKER LOST {len(round_.lost)} MARKERS in round {round_.number}; {verdict}")
    for one in round_.lost:
        print("    " + markers.describe(one))
    print(kept, flush=True)


def run_round(world, number):
    began, before = time.monotonic(), world.total()
    round_ = Round(world, number)
    try:
        rows, passed, answers = round_.run()
    except Wrong as wrong:
        if not round_.input_is_right():
            wrong = Wrong(f"the harness: rows are in the input topic twice; the output says: {wrong}")
        round_.log(f"WRONG: {wrong}")
        for one in round_.find_lost():
            print(f"besides, THE BROKER LOST A MARKER: {markers.describe(one)}")
        print(f"WRONG in round {number}: {wrong}\n{keep(world, round_)}", flush=True)
        return None
    except BaseException:
        round_.close(keep=False)
        raise
    world.judged += round_.is_judged
    world.unjudged += not round_.is_judged
    if round_.lost:
        tell_lost(world, round_)
    else:
        round_.close(keep=False)
    shutil.rmtree(round_.folder, ignore_errors=True)
    print(f"round {number}: {world.total() - before} faults, {rows} rows in, {passed} out, {answers} answers, "
          f"{round_.tasks} tasks a stage, a checkpoint each {round_.interval} ms, starts refused {round_.refused}, "
          f"{time.monotonic() - began:.0f} s", flush=True)
    return rows, passed, answers


def main():
    a = parse()
    world = World(a)
    signal.signal(signal.SIGTERM, lambda *_: setattr(world, "interrupted", True))
    signal.signal(signal.SIGINT, lambda *_: setattr(world, "interrupted", True))
    print(f"SEED={a.seed}", flush=True)
    began, sums, wrong, number = time.monotonic(), [0, 0, 0], False, a.round or 0
    while not wrong and world.total() < a.faults:
        found = run_round(world, number)
        wrong = found is None
        sums = sums if wrong else [x + y for x, y in zip(sums, found)]
        number += 1
        if a.round is not None:
            break
    shutil.rmtree(world.folder, ignore_errors=True)
    for kind, count in sorted(world.kinds.items(), key=lambda one: -one[1]):
        print(f"{count:6} {kind}")
    print(f"{world.total():6} faults in {time.monotonic() - began:.0f} s; {sums[0]} rows in, {sums[1]} out, "
          f"{sums[2]} answers: {'WRONG' if wrong else 'each exactly once'}", flush=True)
    if world.lost_markers:
        print(f"{world.lost_markers:6} markers lost by the broker, {world.unjudged} of {world.judged + world.unjudged} rounds "
              "not judged", flush=True)
    if a.break_it:
        print("the fault on purpose was " + ("seen" if wrong else "NOT SEEN"))
        return 0 if wrong else 1
    return 1 if wrong or not world.judged else 0


if __name__ == "__main__":
    sys.exit(main())
