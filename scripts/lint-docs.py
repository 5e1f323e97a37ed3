#!/usr/bin/env python3
"""lint-docs.py [-r ROOT]: what the pages point at is there.

In each tracked Markdown file: a relative link leads to a file of the tree, and its #fragment to a heading of
that page; a path that is named and begins with a folder of the tree (core/base/err.h, tests/unit/test_*.c)
exists; `make TARGET` is a target of the Makefile. Each page under docs/ is linked from the README beside it.
Fenced blocks count for `make TARGET` alone: they show what a user writes.
"""
import argparse
import glob
import os
import re
import subprocess
import sys

LINK = re.compile(r"\[[^\]\[]*\]\(([^)\s]+)\)")
MAKE = re.compile(r"(?:^|`|&& )make ((?:[a-z-]+ )*[a-z-]+)(?=`|$|\s{2,}|\s*#)", re.M)
FENCE = re.compile(r"^```.*?^```", re.M | re.S)


def tracked(*patterns):
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", *patterns], check=True,
                         text=True, capture_output=True).stdout.split()
    return sorted(path for path in set(out) if os.path.exists(path))


def read(path):
    with open(path, encoding="utf-8") as source:
        return source.read()


def without_fences(text):
    """The text with fenced blocks emptied; the lines stay where they are."""
    return FENCE.sub(lambda match: "\n" * match.group().count("\n"), text)


def anchors_of(path):
    """The fragments that the page's headings can be reached by."""
    found = set()
    for heading in re.findall(r"^#+ +(.*)$", without_fences(read(path)), re.M):
        word = re.sub(r"[^\w\- ]", "", heading.strip().lower()).replace(" ", "-")
        found.add(word)
    return found


def check_link(page, target):
    """What is wrong with a link of this page, or None."""
    if re.match(r"[a-z]+:", target):
        return None
    name, _, fragment = target.partition("#")
    path = os.path.normpath(os.path.join(os.path.dirname(page), name)) if name else page
    if not os.path.exists(path):
        return f"the link {target} leads nowhere"
    if fragment and path.endswith(".md") and fragment not in anchors_of(path):
        return f"{path} has no heading for #{fragment}"
    return None


def braces(path):
    """a/{b,c}.h -> a/b.h, a/c.h."""
    match = re.search(r"\{([^{}]*)\}", path)
    if not match:
        return [path]
    return [whole for part in match.group(1).split(",")
            for whole in braces(path[:match.start()] + part + path[match.end():])]


def is_there(path):
    """Does a named path exist; a module may be named without its ending (stages/source/file_list)."""
    return bool(glob.glob(path) or glob.glob(path + ".[ch]"))


def check_page(page, folders, targets):
    """(line, sentence) of each complaint."""
    text = read(page)
    prose = without_fences(text)
    path = re.compile(r"(?<![\w/.<-])((?:%s)/[\w./*{},-]*[\w*}/])" % "|".join(folders))
    for number, line in enumerate(prose.split("\n"), 1):
        for target in LINK.findall(line):
            wrong = check_link(page, target)
            if wrong:
                yield number, wrong
        for name in path.findall(LINK.sub("", line)):
            for one in braces(name):
                if not is_there(one):
                    yield number, f"there is no {one}"
    for match in MAKE.finditer(text):
        for word in match.group(1).split():
            if word not in targets:
                yield text.count("\n", 0, match.start()) + 1, f"the Makefile has no target {word}"


def unlinked(pages):
    """Pages under docs/ that the README beside them does not link."""
    for page in pages:
        folder, name = os.path.split(page)
        index = os.path.join(folder, "README.md")
        if not folder.startswith("docs") or name == "README.md":
            continue
        if not os.path.exists(index) or name not in LINK.findall(read(index)):
            yield page, f"is not linked from {index}"


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-r", "--root", default=".")
    os.chdir(parser.parse_args().root)
    pages = tracked("*.md")
    # build/ and shared folders are not the tree's.
    folders = sorted({path.split("/")[0] for path in tracked() if "/" in path})
    targets = set()
    for name in tracked("Makefile", "*.mk"):  # the Makefile includes the others
        for line in re.findall(r"^\.PHONY: (.*)$", read(name), re.M):
            targets.update(line.split())
    complaints = [f"{page}:{line}: {what}" for page in pages
                  for line, what in check_page(page, map(re.escape, folders), targets)]
    complaints += [f"{page}: {what}" for page, what in unlinked(pages)]
    for complaint in complaints:
        print(complaint)
    print(f"docs: {len(pages)} pages, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
