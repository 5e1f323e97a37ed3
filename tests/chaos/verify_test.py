#!/usr/bin/env python3
"""Would the chaos runs see it? Outputs with every fault that they must find, and a right one; schedules.

The last line counts: "N passed, N failed".
"""
import argparse, collections, os, shutil, sys, tempfile

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "process"))
import verify
from faults import FAULTS
from round import Round
from scenarios import Sink, scenarios

ROWS = ["2024-01-01 00:05:00,a,1", "2024-01-01 00:05:00,b,2", "2024-01-01 00:10:00,a,3"]
FAR_ROW = "2031-01-01 00:05:00,far,1"
CHANGES = ['{"before":null,"after":{"w":"1","n":1},"op":"c"}', '{"before":{"w":"1","n":1},"after":null,"op":"d"}',
           '{"before":null,"after":{"w":"1","n":2},"op":"c"}']


class Scene:
    """A folder of parts; `changes`: of a changelog."""

    def __init__(self, changes=False):
        self.folder = tempfile.mkdtemp(prefix="chaos-verify-")
        sink = Sink("a", "", "debezium-json", ("w",)) if changes else Sink("a", "")
        want = ['{"n": 2, "w": "1"}'] if changes else ROWS
        self.output = verify.Output(self.folder, sink, collections.Counter(want))

    def part(self, name, lines, end="\n"):
        with open(f"{self.folder}/{name}", "w") as f:
            f.write("\n".join(lines) + end)
        return self

    def judge(self):
        """What is said of it; None: it is right."""
        try:
            self.output.check_end()
        except verify.Wrong as wrong:
            return str(wrong)
        finally:
            shutil.rmtree(self.folder)
        return None


def two_looks(harm):
    """A part is finished and seen; then something is done to it."""
    scene = Scene().part("part-0-0", ROWS[:2])
    scene.output.look()
    harm(f"{scene.folder}/part-0-0")
    return scene.part("part-0-1", ROWS[2:])


def append(path):
    with open(path, "a") as f:
        f.write(ROWS[2] + "\n")


def cases():
    yield "right", Scene().part("part-0-0", ROWS[:2]).part("part-1-0", ROWS[2:] + [FAR_ROW]), None
    yield "lost", Scene().part("part-0-0", ROWS[:2]), "1 rows lost"
    yield "lost at all", Scene(), "3 rows lost"
    yield "doubled", Scene().part("part-0-0", ROWS).part("part-0-1", ROWS[:1]), "2 times, not 1"
    yield "another", Scene().part("part-0-0", ROWS[:2] + ["2024-01-01 00:10:00,a,4"]), "1 times, not 0"
    yield "half a row", Scene().part("part-0-0", ROWS, ""), "half a row"
    yield "unfinished", Scene().part("part-0-0", ROWS).part(".part-0-1.inprogress", []), "unfinished"
    yield "set aside", Scene().part("part-0-0", ROWS).part(".part-0-1.beyond", ROWS), None
    yield "seen and gone", two_looks(os.unlink), "is gone"
    yield "seen and longer", two_looks(append), "has changed"
    yield "a changelog", Scene(True).part("part-0-0", CHANGES[:2]).part("part-0-1", CHANGES[2:]), None
    yield "not taken back", Scene(True).part("part-0-0", CHANGES[:1] + CHANGES[2:]), "does not chain"
    yield "taken back twice", Scene(True).part("part-0-0", CHANGES[:2] + CHANGES[1:2]), "does not chain"
    yield "old at the end", Scene(True).part("part-0-0", CHANGES[:1]), "1 rows lost, 1 too many"
    yield "a part is missing", Scene(True).part("part-0-0", CHANGES).part("part-0-2", []), "some are missing"


def decisions(seed, number, count=200):
    """What the schedule of one round does, without a job."""
    arguments = argparse.Namespace(seed=seed, patience=1)
    world = argparse.Namespace(a=arguments, folder="", name="test", faults=FAULTS)
    one = Round(world, scenarios()[0], number)
    return [str(one)] + [(name, u, pause) for name, _, u, pause in (one.decide() for _ in range(count))]


def schedules():
    """A seed gives the same decisions again, another one others; nothing is forgotten in the long run."""
    yield "the same seed", decisions(1, 2) == decisions(1, 2)
    yield "another seed", decisions(1, 2) != decisions(2, 2)
    yield "another round", decisions(1, 2) != decisions(1, 3)
    yield "all faults", {d[0] for d in decisions(1, 2, 3000)[1:]} == {f[0] for f in FAULTS}


def main():
    failed = passed = 0
    for name, scene, want in cases():
        said = scene.judge()
        if (said is None) == (want is None) and (want or "") in (said or ""):
            passed += 1
        else:
            failed += 1
            print(f"FAIL {name}: {said}, wanted {want}")
    for name, is_right in schedules():
        passed += is_right
        failed += not is_right
        if not is_right:
            print(f"FAIL schedule: {name}")
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


sys.exit(main())
