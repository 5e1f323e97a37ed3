#!/usr/bin/env python3
"""Every ordered access names its partner, which names it back.

Usage: lint-atomics.py [--root DIR] [FILE...]    without files: every tracked .c and .h file

An ordered access is a call of atomic_acquire_*, atomic_release_*, atomic_exchange_* or
atomic_full_fence. Beside it (the same function, at most NEAR lines away) stands a comment
    R1: pairs with A1 in <function>[, <function>...]; publishes <data>
and each function named there has a comment with label A1 that names label R1 and the function the
access is in. A relaxed access (atomic_read_*, atomic_write_*) says why that is enough: its function
holds a comment with the word "relaxed". Only shm/atomic.h knows <stdatomic.h> and the compiler's
atomics; core/, which may not include it, has relaxed builtins only. Nothing is volatile but asm.
Tests and benchmarks are held to the last rule alone: their words are no protocol of the product.
"""
import argparse
import pathlib
import re
import subprocess
import sys

NEAR = 4
DOOR = "shm/atomic.h"
ORDERED = re.compile(r"\batomic_(acquire|release|exchange)_u(32|64)\(|\batomic_full_fence\(")
RELAXED = re.compile(r"\batomic_(read|write)_u(32|64)\(")
LABEL = re.compile(r"\b([A-Z]+\d+): pairs with ([A-Z]+\d+) in (\w+(?:, \w+)*);")
FORBIDDEN = re.compile(r"<stdatomic\.h>|\b__atomic_\w+|\b__sync_\w+|\b_Atomic\b|\bvolatile\b")
ALLOWED = re.compile(r"\b(asm|__asm__)\s+(volatile|__volatile__)\b")
HEAD = re.compile(r"^[A-Za-z_].*?\b(\w+)\(")


def split_comments(text):
    """Two texts of the same shape: code without comments and strings, comments without code."""
    code, notes = [], []
    pattern = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)
    end = 0
    for match in pattern.finditer(text):
        before, token = text[end:match.start()], match.group()
        blank = re.sub(r"[^\n]", " ", token)
        is_note = token[0] == "/"
        code += [before, blank]
        notes += [re.sub(r"[^\n]", " ", before), token if is_note else blank]
        end = match.end()
    code.append(text[end:])
    notes.append(re.sub(r"[^\n]", " ", text[end:]))
    return "".join(code).split("\n"), "".join(notes).split("\n")


def functions_of(code):
    """[(name, first line, last line)] of the functions defined, by the layout clang-format gives."""
    found = []
    for i, line in enumerate(code):
        if line.rstrip() != "{":
            continue
        start = i - 1
        while start > 0 and not HEAD.match(code[start]):
            start -= 1
        match = HEAD.match(code[start])
        last = next((j for j in range(i, len(code)) if code[j].startswith("}")), len(code) - 1)
        if match:
            found.append((match.group(1), start, last))
    return found


class Access:
    def __init__(self, path, function, line):
        self.path, self.function, self.line = path, function, line


def labels_in(notes, first, last):
    """{line of the label: (own, partner, [functions])}; a label may run over several lines."""
    joined, starts, found = "", [], {}
    for number in range(first, last + 1):
        starts.append((len(joined), number))
        joined += re.sub(r"^\s*(//|\*)?\s*", "", notes[number]).strip() + " "
    for match in LABEL.finditer(joined):
        line = max(number for at, number in starts if at <= match.start())
        found[line] = (match[1], match[2], match[3].split(", "))
    return found


def scan(path, text, labels, complaints):
    code, notes = split_comments(text)
    for i, line in enumerate(code):
        if path.startswith("core/") and "__ATOMIC_RELAXED" in line:
            continue
        if path != DOOR and FORBIDDEN.search(ALLOWED.sub("", line)):
            complaints.append(f"{path}:{i + 1}: only {DOOR} may do this: {line.strip()}")
    if path == DOOR or path.startswith(("tests/", "bench/")):
        return 0
    seen = 0
    for name, first, last in functions_of(code):
        own = labels_in(notes, first, last)
        for line, (label, partner, functions) in own.items():
            labels.setdefault((name, label), []).append((partner, functions, path, line))
        for i in range(first, last + 1):
            if ORDERED.search(code[i]):
                seen += 1
                if not any(abs(i - line) <= NEAR for line in own):
                    complaints.append(f"{path}:{i + 1}: ordered access without a label in {name}")
        relaxed = [i for i in range(first, last + 1) if RELAXED.search(code[i])]
        if relaxed and not any("elaxed" in note for note in notes[first:last + 1]):
            complaints.append(
                f"{path}:{relaxed[0] + 1}: {name} does not say why relaxed is enough")
    return seen


def check_partners(labels, complaints):
    for (name, label), entries in labels.items():
        for partner, functions, path, line in entries:
            for function in functions:
                others = labels.get((function, partner))
                where = f"{path}:{line + 1}: {label} pairs with {partner} in {function}, "
                if not others:
                    complaints.append(where + "where there is no such label")
                elif not any(o[0] == label and name in o[1] for o in others):
                    complaints.append(where + f"which does not name {label} in {name} back")


def main():
    parser = argparse.ArgumentParser()
    parser.add_argument("--root", default=".")
    parser.add_argument("files", nargs="*")
    args = parser.parse_args()
    root = pathlib.Path(args.root)
    files = args.files or subprocess.run(
        ["git", "-C", str(root), "ls-files", "*.c", "*.h"],
        check=True, capture_output=True, text=True).stdout.split()
    labels, complaints, seen = {}, [], 0
    for path in files:
        if (root / path).exists():
            seen += scan(path, (root / path).read_text(), labels, complaints)
    check_partners(labels, complaints)
    for complaint in sorted(complaints):
        print(complaint)
    print(f"atomics: {seen} ordered accesses, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
