#!/usr/bin/env python3
"""lint-includes.py [-r ROOT] [-I DIR]...: who includes whom, from `cc -MM`; an arrow that runs back fails.

    shm    -> core/base
    stages -> shm, core          (a source, operator or sink never includes a sibling)
    tools  -> stages, shm, core  (of stages: runtime and supervisor only)
    core   -> core

Nothing includes tests or bench. Folders do not include each other in a circle.
"""
import argparse
import os
import re
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor

ALLOWED = {  # folder -> prefixes that it may include
    "core": ("core/",),
    "shm": ("shm/", "core/base/"),
    "stages": ("stages/", "shm/", "core/"),
    "tools": ("tools/", "stages/", "shm/", "core/"),
}
SIBLINGS = ("stages/source/", "stages/operator/", "stages/sink/")


def tracked(patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], check=True,
                         text=True, capture_output=True).stdout.split()
    return [path for path in out if os.path.exists(path)]


def dependencies(path, include_folders):
    """Every file of the tree that compiling `path` reads, as the compiler says."""
    command = [os.environ.get("CC", "gcc"), "-std=gnu11", "-D_GNU_SOURCE", "-MM", "-x", "c"]
    command += ["-I" + folder for folder in include_folders] + [path]
    done = subprocess.run(command, text=True, capture_output=True, check=False)
    if done.returncode:
        return None, done.stderr
    names = done.stdout.replace("\\\n", " ").split(":", 1)[1].split()
    return [os.path.normpath(name) for name in names if os.path.normpath(name) != path], ""


def direct(path):
    with open(path, encoding="utf-8") as source:
        return re.findall(r'^\s*#\s*include\s+"([^"]+)"', source.read(), re.M)


def module_of(path):
    """The first word of a file name: window_emit.c and window.h are one module."""
    return re.split(r"[_.]", os.path.basename(path))[0]


def is_wrong(path, target):
    """Why `path` may not depend on `target`; None when it may."""
    top = path.split("/")[0]
    if top not in ALLOWED or target.startswith("build/"):
        return None
    if not target.startswith(ALLOWED[top]):
        return f"{top} may include only {', '.join(ALLOWED[top])}"
    for folder in SIBLINGS:
        if not target.startswith(folder):
            continue
        if top == "tools":
            return "tools see stages/runtime and stages/supervisor only"
        if path.startswith(SIBLINGS) and \
                not (path.startswith(folder) and module_of(path) == module_of(target)):
            return "a source, operator or sink never includes a sibling"
    return None


def find_circle(graph):
    """One circle of folders as a list, or None."""
    state = {}

    def visit(node, trail):
        state[node] = "open"
        for other in sorted(graph.get(node, ())):
            if state.get(other) == "open":
                return trail[trail.index(other):] + [other]
            if other not in state:
                found = visit(other, trail + [other])
                if found:
                    return found
        state[node] = "done"
        return None

    for node in sorted(graph):
        if node not in state:
            found = visit(node, [node])
            if found:
                return found
    return None


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-r", "--root", default=".")
    parser.add_argument("-I", dest="include_folders", action="append", default=["."])
    options = parser.parse_args()
    os.chdir(options.root)
    files = tracked(["core/*.[ch]", "shm/*.[ch]", "stages/*.[ch]", "tools/*.[ch]"])
    complaints, graph = [], {}
    with ThreadPoolExecutor(os.cpu_count() or 1) as pool:
        answers = pool.map(lambda path: dependencies(path, options.include_folders), files)
    for path, (targets, failure) in zip(files, answers):
        if targets is None:
            complaints.append(f"{path}: does not preprocess: {failure.strip()}")
            continue
        for target in targets:
            why = is_wrong(path, target)
            if why:
                complaints.append(f"{path}: depends on {target}: {why}")
        for name in direct(path):
            here, there = os.path.dirname(path), os.path.dirname(name)
            if there and here != there and os.path.exists(name):
                graph.setdefault(here, set()).add(there)
    circle = find_circle(graph)
    if circle:
        complaints.append("folders include each other in a circle: " + " -> ".join(circle))
    for complaint in complaints:
        print(complaint)
    print(f"includes: {len(files)} files, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
