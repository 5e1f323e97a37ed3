#!/usr/bin/env python3
"""Jobs under faults of every kind, at random, several jobs at a time; their output must be exactly that of an
undisturbed run.

usage: chaos.py [--seconds N] [--seed N] [--jobs N] [--only SCENARIO,...] [--faults NAME,...] [--round N] WEIR

Prints the seed, then a table: faults by kind, how each recovered, what it cost. `--seed N --round R` repeats the
decisions of one round. At the first thing that is wrong everything ends; the job's folder, its event log, what
it said, its memory and the list of faults are kept, and their path is printed with the command to run again.

As root (or where user namespaces are allowed) everything happens in a mount namespace of its own, where disks
can be full; without, those faults are left out, which is said.
"""
import argparse, os, shutil, signal, subprocess, sys, tempfile, threading, time, traceback

# What the drivers of tests/process share.
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
import guardian
from faults import FAULTS
from job import Interrupted
from ledger import Ledger
from round import Round
from scenarios import References, scenarios
from verify import Wrong

INSIDE = "WEIR_CHAOS_INSIDE"


def enter_namespace():
    """Into a mount namespace of our own: this very program again, in it."""
    if os.environ.get(INSIDE):
        return
    options = ["-m", "--propagation", "private"] if os.getuid() == 0 else ["-r", "-m", "--propagation", "private"]
    if shutil.which("unshare") and subprocess.run(["unshare"] + options + ["true"], check=False,
                                                  stderr=subprocess.DEVNULL).returncode == 0:
        os.environ[INSIDE] = "1"
        os.execvp("unshare", ["unshare"] + options + [sys.executable] + sys.argv)


class World:
    """What all rounds share."""

    def __init__(self, arguments):
        self.a = arguments
        self.can_mount = bool(os.environ.get(INSIDE))
        self.folder = tempfile.mkdtemp(prefix="weir-chaos-")
        self.name = f"chaos-{os.getpid()}"
        self.guardian = guardian.start(self.folder, self.name)
        self.references = References(self.folder, arguments.weir, arguments.seed, arguments.rows, arguments.rate)
        self.ledger, self.interrupted = Ledger(), False
        self.faults = [f for f in FAULTS if not arguments.faults or f[0] in arguments.faults.split(",")]
        wanted = arguments.only.split(",") if arguments.only else None
        self.scenarios = [s for s in scenarios() if not wanted or s.name in wanted]
        self.lock, self.next_round, self.ends = threading.Lock(), 0, 0.0
        self.passed, self.failures = 0, []

    def take_round(self):
        """The number of a round that nobody has; None: no more."""
        with self.lock:
            number = self.next_round
            self.next_round += 1
        if self.interrupted or self.failures:
            return None
        if self.a.round is not None:
            return self.a.round if number == 0 else None
        # A round that cannot strike for some seconds is not worth its start.
        return number if time.monotonic() < self.ends - min(3, self.a.seconds / 4) or number < self.a.jobs else None

    def work(self):
        while (number := self.take_round()) is not None:
            self.one(Round(self, self.scenarios[(number + self.a.seed) % len(self.scenarios)], number))

    def one(self, round_):
        begin, wrong = time.monotonic(), None
        try:
            round_.run()
        except Interrupted:
            pass
        except Wrong as error:
            wrong = error
        except Exception:
            wrong = Wrong("the harness failed: " + traceback.format_exc())
        if wrong and not self.interrupted:
            self.failures.append((round_, wrong))
            self.ledger.charge(round_.records, wrong.lost, wrong.doubled)
        kept = bool(wrong) and not self.interrupted
        if kept:
            self.interrupted = True  # for the other rounds; what is wrong here is seen first
        round_.close(kept)
        if not wrong and not self.interrupted:
            self.passed += 1
        word = "FAIL" if kept else "end " if wrong or self.interrupted else "ok  "
        print(f"{word} {round_}: {len(round_.records)} faults, {time.monotonic() - begin:.1f} s", flush=True)

    def run(self):
        self.ends = time.monotonic() + self.a.seconds
        workers = [threading.Thread(target=self.work) for _ in range(self.a.jobs)]
        for worker in workers:
            worker.start()
        for worker in workers:
            worker.join()

    def interrupt(self, number, frame):
        self.interrupted = True

    def report(self, seconds):
        print(f"\n{self.ledger.table()}\n")
        total = self.ledger.total()
        print(f"{total} faults in {seconds:.0f} s, {total / max(seconds, 1):.1f} a second; seed {self.a.seed}")
        if not self.can_mount:
            print("no mount namespace here: no disk was full")
        for round_, wrong in self.failures:
            only = "".join(f" --{n} {getattr(self.a, n)}" for n in ("only", "faults") if getattr(self.a, n))
            print(f"\nFAIL {round_}\n     {wrong}\nits last faults:")
            print("".join(f"     {text}\n" for text in round_.log[-8:]), end="")
            print(f"kept: {round_.folder}\nagain: {sys.argv[0]} --seed {self.a.seed} --round {round_.number} "
                  f"--round-seconds {self.a.round_seconds} --rows {self.a.rows}{only} {self.a.weir}")
        print(f"{self.passed} passed, {len(self.failures)} failed", flush=True)


def parse():
    p = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    p.add_argument("--seconds", type=float, default=60, help="of faults; the jobs then end in peace")
    p.add_argument("--seed", type=int, default=int(time.time()))
    p.add_argument("--jobs", type=int, default=3, help="at a time")
    p.add_argument("--round-seconds", type=float, default=20)
    p.add_argument("--rows", type=int, default=40000, help="of the input of a scenario, more or less")
    p.add_argument("--rate", type=int, default=25000, help="rows a second of generated input")
    p.add_argument("--patience", type=float, default=90, help="seconds for what must happen")
    p.add_argument("--only", default="", help="scenarios: " + ", ".join(s.name for s in scenarios()))
    p.add_argument("--faults", default="", help="of these: " + ", ".join(f[0] for f in FAULTS))
    p.add_argument("--round", type=int, help="this one only")
    p.add_argument("weir")
    return p.parse_args()


def main():
    arguments = parse()
    enter_namespace()
    print(f"SEED={arguments.seed}", flush=True)
    world = World(arguments)
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, world.interrupt)
    begin = time.monotonic()
    try:
        world.run()
        world.report(time.monotonic() - begin)
    finally:
        if world.failures:
            open(f"{world.folder}/{guardian.KEPT}", "w").close()
        world.guardian.close()
    return 1 if world.failures or not world.passed else 0


if __name__ == "__main__":
    sys.exit(main())
