#!/usr/bin/env python3
"""lint-style.py [-r ROOT] [-e EXCEPTIONS] [FILE...]: the house style as a test that ratchets.

Limits: a function 70 lines, a file 800, a line 100 columns, 5 parameters, complexity 15. Every file
opens with a comment; some calls and names are banned. An exception is a line of EXCEPTIONS,

    rule path[:function] number  reason

and may only shrink: the test fails when an exception is not needed any more, or when its number
could be lower. Without FILEs, all tracked .c and .h files are read.
"""
import argparse
import os
import re
import subprocess
import sys

LIMITS = {"function-lines": 70, "file-lines": 800, "line-columns": 100, "parameters": 5,
          "complexity": 15}
BANNED = {"strcpy": "snprintf or memcpy", "strcat": "buf_append", "sprintf": "snprintf",
          "vsprintf": "vsnprintf", "gets": "getline", "strtok": "a loop over slices",
          "atoi": "a parser that reports errors", "atol": "a parser that reports errors",
          "atof": "a parser that reports errors", "alloca": "a pool"}
NOT_A_FUNCTION = {"if", "for", "while", "switch", "return", "sizeof", "__attribute__", "defined"}
BRANCH = re.compile(r"\b(?:if|for|while|case)\b|&&|\|\||\?")
# Comments and literals in one pass, so that a quote in a comment opens no string.
LEXICAL = re.compile(r'//[^\n]*|/\*.*?\*/|"(?:\\.|[^"\\\n])*"|\'(?:\\.|[^\'\\\n])*\'', re.S)


def blank(match):
    """A comment becomes spaces, a literal an empty one; the lines stay where they are."""
    text = match.group()
    keep = text[0] if text[0] in "\"'" else ""
    return keep + keep + "\n" * text.count("\n") if keep else "\n" * text.count("\n") + " "


def strip_directives(code):
    """Directives go; of #if ... #else only the first branch stays, so that braces balance."""
    out, hidden, continued = [], [], False
    for line in code.split("\n"):
        if continued:
            continued = line.endswith("\\")
            out.append("")
            continue
        word = re.match(r"\s*#\s*(\w+)", line)
        if word:
            name = word.group(1)
            if name in ("if", "ifdef", "ifndef"):
                hidden.append(False)
            elif name in ("else", "elif") and hidden:
                hidden[-1] = True
            elif name == "endif" and hidden:
                hidden.pop()
            continued = line.endswith("\\")
            out.append("")
        else:
            out.append("" if any(hidden) else line)
    return "\n".join(out)


def head_of(statement):
    """The name and parameter count of a function whose body opens after `statement`, or None."""
    text = re.sub(r"__attribute__\s*\(\(.*?\)\)", "", statement, flags=re.S).rstrip()
    if not text.endswith(")"):
        return None
    depth, start = 0, len(text) - 1
    for start in range(len(text) - 1, -1, -1):
        depth += {")": 1, "(": -1}.get(text[start], 0)
        if depth == 0:
            break
    name = re.search(r"([A-Za-z_]\w*)\s*$", text[:start])
    before = text[:start]
    if not name or name.group(1) in NOT_A_FUNCTION or "=" in before:
        return None
    inside, depth, commas = text[start + 1:-1], 0, 0
    for c in inside:
        depth += {"(": 1, ")": -1}.get(c, 0)
        commas += c == "," and depth == 0
    return name.group(1), 0 if inside.strip() in ("", "void") else commas + 1


def functions_of(code):
    """(name, parameters, first line, last line, body) of each function definition."""
    depth, statement, begin, current = 0, [], 0, None
    line = 1
    for i, c in enumerate(code):
        if c == "\n":
            line += 1
        if c == "{":
            if depth == 0:
                head = head_of("".join(statement))
                name_line = line
                if head:
                    at = code.rfind(head[0], 0, i)
                    name_line = code.count("\n", 0, at) + 1
                current = (head, name_line)
                begin = i
            depth += 1
        elif c == "}":
            depth -= 1
            if depth == 0:
                if current and current[0]:
                    (name, count), first = current
                    yield name, count, first, line, code[begin:i]
                statement = []
                continue
        if depth == 0:
            statement = [] if c == ";" else statement + [c]


class Findings:
    """What was measured above a limit, and what is wrong without a number."""

    def __init__(self):
        self.over = {}   # (rule, place) -> (number, line)
        self.wrong = []  # sentences

    def measure(self, rule, place, number, line):
        if number > LIMITS[rule]:
            old = self.over.get((rule, place), (0, 0))
            self.over[rule, place] = max(old, (number, line))


def check_words(path, code, findings):
    """Banned calls, names and keywords."""
    for number, line in enumerate(code.split("\n"), 1):
        where = f"{path}:{number}"
        for call in re.findall(r"\b(\w+)\s*\(", line):
            if call in BANNED:
                findings.wrong.append(f"{where}: {call} is banned; use {BANNED[call]}")
        if re.search(r"\bvolatile\b", line) and "asm" not in line:
            findings.wrong.append(f"{where}: no volatile; say the order in shm/atomic.h")
        if re.search(r"\b(?:struct|union|enum)\s+\w+_t\b", line) or \
                re.search(r"^\s*typedef\b.*\b\w+_t\s*;", line):
            findings.wrong.append(f"{where}: names that end in _t belong to POSIX")
        if re.search(r"#\s*include\s*<stdatomic.h>", line) and path != "shm/atomic.h":
            findings.wrong.append(f"{where}: only shm/atomic.h includes <stdatomic.h>")


def check_file(path, text, findings):
    lines = text.split("\n")
    if lines[-1] == "":
        lines.pop()
    else:
        findings.wrong.append(f"{path}: no newline at the end")
    findings.measure("file-lines", path, len(lines), len(lines))
    for number, line in enumerate(lines, 1):
        findings.measure("line-columns", path, len(line.expandtabs(8)), number)
        if line != line.rstrip():
            findings.wrong.append(f"{path}:{number}: blanks at the end of the line")
    if not re.match(r"//|/\*", text):
        findings.wrong.append(f"{path}:1: a file opens with a comment: purpose and invariants")
    code = LEXICAL.sub(blank, text)
    check_words(path, code, findings)
    for name, count, first, last, body in functions_of(strip_directives(code)):
        place = f"{path}:{name}"
        findings.measure("function-lines", place, last - first + 1, first)
        findings.measure("parameters", place, count, first)
        findings.measure("complexity", place, 1 + len(BRANCH.findall(body)), first)


def check_modes(findings):
    """A test script is started by its name, so it must be executable."""
    out = subprocess.run(["git", "ls-files", "-co", "--exclude-standard", "tests/*.sh"], check=True,
                         text=True, capture_output=True).stdout.split()
    for path in out:
        if os.path.exists(path) and not os.access(path, os.X_OK):
            findings.wrong.append(f"{path}: not executable: chmod +x")


def read_exceptions(path):
    """(rule, place) -> number, and the order they stand in."""
    found = {}
    if not os.path.exists(path):
        return found
    with open(path, encoding="utf-8") as lines:
        for number, line in enumerate(lines, 1):
            words = line.split("#")[0].split(None, 3)
            if not words:
                continue
            if len(words) < 4 or words[0] not in LIMITS or not words[2].isdigit():
                sys.exit(f"{path}:{number}: write: rule path[:function] number reason")
            found[words[0], words[1]] = int(words[2])
    return found


def verdict(findings, exceptions):
    """All sentences of complaint."""
    out = list(findings.wrong)
    for (rule, place), (number, line) in sorted(findings.over.items()):
        allowed = exceptions.get((rule, place), LIMITS[rule])
        path = place.split(":")[0]
        if number > allowed:
            out.append(f"{path}:{line}: {rule} {place} is {number}, allowed {allowed}")
        elif number < allowed:
            out.append(f"exception '{rule} {place}' says {allowed}, but {number} is enough now")
    for key in sorted(exceptions):
        if key not in findings.over:
            out.append(f"exception '{key[0]} {key[1]}' is not needed any more: delete it")
    return out


def main():
    parser = argparse.ArgumentParser(description=__doc__,
                                     formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("-r", "--root", default=".")
    parser.add_argument("-e", "--exceptions", default="tests/lint/exceptions.txt")
    parser.add_argument("files", nargs="*")
    options = parser.parse_args()
    os.chdir(options.root)
    files = options.files or subprocess.run(
        ["git", "ls-files", "-co", "--exclude-standard", "*.c", "*.h"], check=True, text=True,
        capture_output=True).stdout.split()
    findings = Findings()
    for path in files:
        if os.path.exists(path):
            with open(path, encoding="utf-8") as source:
                check_file(path, source.read(), findings)
    if not options.files:
        check_modes(findings)
    complaints = verdict(findings, read_exceptions(options.exceptions))
    for complaint in complaints:
        print(complaint)
    print(f"style: {len(files)} files, {len(complaints)} complaints")
    return 1 if complaints else 0


if __name__ == "__main__":
    sys.exit(main())
