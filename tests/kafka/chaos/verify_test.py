#!/usr/bin/env python3
"""Would verify.py see a wrong output? Each case is a right one with one thing changed."""
import sys

import verify

ROWS = {n: (f"k{n % 3}", f"u{n % 7}") for n in range(25000) if n % 5}


def records():
    """A right output: one partition a topic."""
    found = [{"topic": "passed", "partition": 0, "offset": n, "key": key,
              "value": verify.json.dumps({"n": n, "k": key, "v": visitor})}
             for n, (key, visitor) in ROWS.items() if verify.passes(n)]
    for (end, key), count in verify.cumulate(ROWS).items():
        found.append({"topic": "uv", "partition": 0, "offset": len(found), "key": key,
                      "value": verify.json.dumps({"e": end, "k": key, "uv": count})})
    return found


def letter(partition, offset, value):
    return {"topic": "dead", "partition": 0, "offset": 0, "key": "k", "value": value,
            "headers": [["weir.reason", "why"], ["weir.topic", "in"], ["weir.partition", str(partition)],
                        ["weir.offset", str(offset)]]}


def judge(found, bad):
    """What verify says; None: it is right."""
    output = verify.Output(ROWS, set(bad.values()))
    try:
        for record in found:
            output.take(record)
        output.must_be_whole()
        output.must_have_letters(bad)
    except verify.Wrong as wrong:
        return str(wrong)
    return None


def changed(index, **values):
    found = RIGHT[:]
    found[index] = {**found[index], **values}
    return found


def expect(what, found, said, bad=None):
    got = judge(found, BAD if bad is None else bad)
    is_right = got is None if said is None else got is not None and said in got
    print(f"{'ok  ' if is_right else 'FAIL'} {what}: {got}")
    return is_right


BAD = {(1, 7): "no row 1", (2, 7): "no row 2"}
LETTERS = [letter(*at, value) for at, value in BAD.items()]
RIGHT = records() + LETTERS
LAST = len(RIGHT) - 1 - len(LETTERS)  # an answer

results = [
    expect("what is right", RIGHT, None),
    expect("a row twice", RIGHT + RIGHT[5:6], "comes twice"),
    expect("a row missing", RIGHT[:5] + RIGHT[6:], "are missing"),
    expect("a row that the filter drops", RIGHT + [{**RIGHT[5], "value": '{"n": 13, "k": "k1", "v": "u6"}'}], "no such row"),
    expect("another visitor", changed(5, value='{"n": 8, "k": "k2", "v": "u9"}'), "no such row"),
    expect("another key of the message", changed(5, key="x"), "has key"),
    expect("two rows of a key in the wrong order", RIGHT[2::-1] + RIGHT[3:], "is behind"),
    expect("a key in two partitions", changed(7, partition=1), "is behind"),
    expect("an answer twice", RIGHT + [RIGHT[LAST]], "comes twice"),
    expect("an answer missing", RIGHT[:LAST] + RIGHT[LAST + 1:], "answers are wrong"),
    expect("an answer that is one too many", changed(LAST, value=RIGHT[LAST]["value"].replace('"uv": ', '"uv": 1')),
           "answers are wrong"),
    expect("a letter twice", RIGHT + LETTERS[:1], "comes twice"),
    expect("a letter missing", RIGHT[:-1], "are missing"),
    expect("a letter of nothing", RIGHT + [letter(1, 8, "x")], "no such message"),
]
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if all(results) else 1)
