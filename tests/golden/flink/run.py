#!/usr/bin/env python3
"""Replays the cases of *.sql through weir and compares with what Flink said (*.out).

usage: run.py WEIR [--cores N,N...] [--only PREFIX] [--verbose] [TOPIC.sql...]
Lines are compared sorted, because the order of groups within a firing is nobody's promise; a case
with "-- compare: exact" has one group, so its order counts. Where Flink said ERROR, weir must
refuse. "-- refused: TEXT" is a recorded difference: weir may refuse with TEXT what Flink answers;
when it answers, the answer must be Flink's.
weir's own answers are never the golden ones. 1, 2 and 4 cores are 1, 2 and at least 4 tasks. A plan
with several sources in front of the task that judges what is late is left out: that is a race, in
Flink too. The last line is "N passed, N failed".
"""
import argparse
import re
import subprocess
import sys
import tempfile
from pathlib import Path

HERE = Path(__file__).resolve().parent


def cases_of(topic):
    """(name, script, wanted lines) of each case."""
    head, *parts = re.split(r"(?m)^-- case ", topic.read_text())
    wanted = {}
    for block in re.split(r"(?m)^-- case ", topic.with_suffix(".out").read_text())[1:]:
        name, _, lines = block.partition("\n")
        wanted[name.strip()] = lines.splitlines()
    for part in parts:
        name, _, script = part.partition("\n")
        yield name.strip(), (head + script).replace("${IN}", str(HERE / "in")), wanted[name.strip()]


def run_weir(weir, cores, folder, script):
    settings = "SET 'pipeline.auto-watermark-interval' = '0 ms';\n"
    (folder / "case.sql").write_text(settings + script)
    (folder / "case.yaml").write_text(
        f"job: golden-{folder.name}\nsql: case.sql\nmemory: {{state: 64MiB, reserve: 0%}}\n"
        f"placement: {{cores: {cores}}}\n")
    # Several tasks of a first stage that has no window of its own: the race.
    explained = subprocess.run([weir, "explain", folder / "case.yaml"], capture_output=True,
                               text=True, stdin=subprocess.DEVNULL, check=False)
    if re.search(r"(?m)^Stage 0: (?!.*window).*\n  tasks 0\.\.", explained.stdout):
        return None
    return subprocess.run([weir, "run", folder / "case.yaml"], capture_output=True, text=True,
                          timeout=60, stdin=subprocess.DEVNULL, check=False)


def difference(wanted, got):
    missing, extra = list(wanted), []
    for line in got:
        if line in missing:
            missing.remove(line)
        else:
            extra.append(line)
    lines = [f"    - {line}" for line in missing[:4]] + [f"    + {line}" for line in extra[:4]]
    return f"{len(missing)} lines missing, {len(extra)} too many (- Flink, + weir)\n" + "\n".join(
        lines)


def verdict(script, wanted, done):
    """None: as it should be; else what is wrong."""
    refused = re.search(r"(?m)^-- refused: (.*)$", script)
    if refused and done.returncode == 78:
        return None if refused[1] in done.stderr else f"refused in other words\n{done.stderr}"
    if wanted and wanted[0].startswith("ERROR"):
        if done.returncode == 78:
            return None
        return f"status {done.returncode}, but Flink refuses: {wanted[0]}"
    if done.returncode:
        return f"status {done.returncode}\n{done.stderr}"
    # As Flink's, the print connector of several tasks says which of them wrote a line.
    text = re.sub(r"(?m)^(\w+):[1-9]> ", r"\1> ", done.stdout)
    got = re.sub(r"(?m)^[1-9]> ", "", text).splitlines()
    if not re.search(r"(?m)^-- compare: exact$", script):
        got, wanted = sorted(got), sorted(wanted)
    return None if got == wanted else difference(wanted, got)


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("weir")
    parser.add_argument("--cores", default="1,2,4")
    parser.add_argument("--only", default="")
    parser.add_argument("--verbose", action="store_true")
    parser.add_argument("topics", nargs="*", type=Path, default=sorted(HERE.glob("*.sql")))
    args = parser.parse_args()
    counts = {"passed": 0, "failed": 0}
    with tempfile.TemporaryDirectory() as name:
        for topic in args.topics:
            for case, script, wanted in cases_of(topic):
                if not case.startswith(args.only):
                    continue
                for cores in args.cores.split(","):
                    done = run_weir(args.weir, cores, Path(name), script)
                    if not done:
                        continue
                    wrong = verdict(script, wanted, done)
                    counts["failed" if wrong else "passed"] += 1
                    if wrong or args.verbose:
                        print(f"{topic.name} {case}, {cores} cores: {wrong or 'ok'}")
    print(f"{counts['passed']} passed, {counts['failed']} failed")
    sys.exit(counts["failed"] > 0)


if __name__ == "__main__":
    main()
