#!/usr/bin/env python3
"""Would markers.py see that a marker is missing? Each case is the files of a broker: what its coordinator says, and the log
of one partition."""
import os, struct, sys, tempfile

import markers


def varint(value):
    value = (value << 1) ^ (value >> 63)
    found = b""
    while value > 127:
        found += bytes([value & 127 | 128])
        value >>= 7
    return found + bytes([value])


def record(key, value):
    body = b"\0" + varint(0) + varint(0) + varint(len(key)) + key + varint(len(value)) + value + varint(0)
    return varint(len(body)) + body


def batch(offset, count, producer, epoch, attributes, data):
    return markers.BATCH.pack(offset, markers.BATCH.size - 12 + len(data), 0, 2, 0, attributes, count - 1, 0, 0, producer,
                              epoch, 0, count) + data


def claim(offset, status, epoch, is_flexible=True):
    """A record of __transaction_state: producer 7, partition t-0."""
    topics = b"\x02\x02t\x02\0\0\0\0\0" if is_flexible else b"\0\0\0\1\0\1t\0\0\0\1\0\0\0\0"
    value = struct.pack(">hqhib", 1 if is_flexible else 0, 7, epoch, 5000, status) + topics + bytes(17)
    return batch(offset, 1, -1, -1, 0, record(b"\0\0\0\1x", value))


def partition(words):
    """r1: a row of epoch 1; C1, A1: markers."""
    found = b""
    for offset, word in enumerate(words.split()):
        epoch = int(word[1:])
        if word[0] == "r":
            found += batch(offset, 1, 7, epoch, 16, record(b"", b"row"))
        else:
            found += batch(offset, 1, 7, epoch, 48, record(struct.pack(">hh", 0, "AC".index(word[0])), bytes(6)))
    return found


STATUS = {"pC": 2, "pA": 3, "C": 4, "A": 5}


def expect(what, said, there, want, committed, is_doubtful=False, tail=b"", is_flexible=True):
    """said: pC1 C1 pA2 A2 ...: prepared, complete; want: (kind, offsets of its rows) of what is missing."""
    with tempfile.TemporaryDirectory() as folder:
        state = b"".join(claim(i, STATUS[word[:-1]], int(word[-1]), is_flexible) for i, word in enumerate(said.split()))
        for name, data in (("__transaction_state-0", state), ("t-0", partition(there) + tail)):
            os.mkdir(f"{folder}/{name}")
            with open(f"{folder}/{name}/{0:020}.log", "wb") as f:
                f.write(data)
        lost = markers.find_lost([folder])
        fates = markers.Fates([folder], lost, ["t-0"])
        got = [(one.claim.kind, [row.first for row in one.rows]) for one in lost]
    is_right = (got, fates.committed["t-0"], fates.is_doubtful) == (want, committed, is_doubtful)
    print(f"{'ok  ' if is_right else 'FAIL'} {what}: {got}, committed {fates.committed['t-0']}, doubtful {fates.is_doubtful}")
    return is_right


results = [
    expect("all is there", "pC1 C1 pA2 A2", "r1 C1 r1 A2", [], {0}),
    expect("in the older format", "pC1 C1 pA2 A2", "r1 C1 r1 A2", [], {0}, is_flexible=False),
    expect("an abort is missing", "pA2 A2 pC3 C3", "r1 r1 r3 C3", [("ABORT", [0, 1])], {2}),
    expect("an abort is missing, in the older format", "pA2 A2 pC3 C3", "r1 r3 C3", [("ABORT", [0])], {1}, is_flexible=False),
    expect("a commit is missing, what came next is aborted", "pC1 C1 pA3 A3", "r1 r2 A3", [("COMMIT", [0])], {0}),
    expect("which rows is not known", "pC1 C1 pA1 A1", "r1 r1 A1", [("COMMIT", [0, 1])], {0, 1}, is_doubtful=True),
    expect("it makes no difference which of two", "pC1 C1 pC1 C1", "r1 r1 C1", [("COMMIT", [])], {0, 1}),
    expect("the last is missing", "pC1 C1 pC1 C1", "r1 C1 r1", [("COMMIT", [2])], {0, 2}),
    expect("an abort of nothing", "pC1 C1 pA2 A2", "r1 C1", [("ABORT", [])], {0}),
    expect("written twice", "pC1 C1 pC1 C1", "r1 C1 C1 r1 C1", [], {0, 3}),
    expect("not yet complete", "pC1 C1 pA2", "r1 C1 r1", [], {0}),
    expect("complete said later than the marker", "pC1 C1 pA2", "r1 C1 r1 A2", [], {0}),
    expect("half a batch at the end", "pC1 C1", "r1 C1", [], {0}, tail=partition("r2")[:-3]),
]
print(f"{sum(results)} passed, {len(results) - sum(results)} failed")
sys.exit(0 if all(results) else 1)
