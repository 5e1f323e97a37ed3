#!/usr/bin/env python3
"""checkpoint_reader.py: read checkpoints as docs/checkpoint-format.md says, and by nothing else.

  checkpoint_reader.py check DIR           every complete checkpoint is sound
  checkpoint_reader.py restore DIR N T OUT task T's arena at checkpoint N, as a file

Exit status 1 and a line on stderr: something is not as the page says.
"""
import json
import os
import re
import struct
import sys

PAGE = 4096
HEAD, BLOCKS, UNDO, FOOT = 1, 2, 3, 4


class Damaged(Exception):
    pass


def make_table():
    table = []
    for value in range(256):
        for _ in range(8):
            value = value >> 1 ^ (0x82F63B78 if value & 1 else 0)
        table.append(value)
    return table


TABLE = make_table()


def crc32c(*parts):
    crc = 0xFFFFFFFF
    table = TABLE
    for part in parts:
        for byte in part:
            crc = table[(crc ^ byte) & 0xFF] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def expect(condition, what):
    if not condition:
        raise Damaged(what)


def read_manifest(folder, number):
    with open(f"{folder}/chk-{number}/MANIFEST", "rb") as file:
        data = file.read()
    tail = re.search(rb',\n  "crc32c": "([0-9a-f]{8})"\n}\n\Z', data)
    expect(tail, "the manifest does not end with its checksum")
    expect(int(tail.group(1), 16) == crc32c(data[:tail.start()]), "the manifest's checksum")
    manifest = json.loads(data)
    expect(manifest["weir_checkpoint"] == 1 and manifest["checkpoint"] == number, "the manifest's numbers")
    for task in manifest["tasks"]:
        chain = [file["checkpoint"] for file in task["files"]]
        expect(chain == sorted(set(chain)) and chain[-1] == number, "a chain's numbers")
        for file in task["files"]:
            expect(re.fullmatch(r"[\w-][\w.-]*/[\w-][\w.-]*", file["path"], re.ASCII), "a path")
    return manifest


class Snapshot:
    """One file, read and checked from HEAD to FOOT."""

    def __init__(self, path, job, checkpoint, task):
        self.bound = struct.pack("<QQQ", job, checkpoint, task)
        self.identity = (job, checkpoint, task)
        self.blocks = {}
        self.last_block = -1
        self.undo = b""
        with open(path, "rb") as file:
            self.data = file.read()
        at = index = 0
        while True:
            kind, at = self.frame(at, index)
            index += 1
            if kind == FOOT:
                break
        expect(at == len(self.data), "bytes behind the foot")

    def frame(self, at, index):
        page = self.data[at:at + PAGE]
        expect(len(page) == PAGE, "the file ends in a frame")
        magic, version, kind, job, checkpoint, task, _, number = struct.unpack_from("<8sIIQQIIQ", page)
        size, blocks, payload_crc, header_crc = struct.unpack_from("<IIII", page, 48)
        expect(magic == b"weirsnp1" and version == 1, "magic and version")
        expect(header_crc == crc32c(page[:60], bytes(4), page[64:]), f"the header of frame {index}")
        expect((job, checkpoint, task) == self.identity and number == index, f"frame {index} is another's")
        expect((kind == HEAD) == (index == 0), "one head, in front")
        expect(size <= 63 * PAGE and blocks <= 63, "counts")
        padded = (size + PAGE - 1) // PAGE * PAGE
        payload = self.data[at + PAGE:at + PAGE + padded]
        expect(len(payload) == padded, "the file ends in a payload")
        if kind == HEAD:
            self.base, self.layout, self.total, self.log, self.top, self.used = \
                struct.unpack_from("<6Q", page, 64)
            expect(size == 0 and self.base < self.identity[1] and self.top <= self.total, "the head")
        elif kind == BLOCKS:
            expect(size == blocks * PAGE, "blocks and bytes")
            self.take_blocks(page, payload, blocks)
        elif kind == UNDO:
            words = self.bound + struct.pack("<Q", index ^ 0xFFFFFFFFFFFFFFFF)
            expect(payload_crc == crc32c(words, payload), f"the undo entries of frame {index}")
            self.undo += payload[:size]
        else:
            expect(kind == FOOT and size == 0, "a kind of frame")
            counts = struct.unpack_from("<QQQ", page, 64)
            expect(counts == (index + 1, len(self.blocks), len(self.undo)), "the counts of the foot")
        return kind, at + PAGE + padded

    def take_blocks(self, page, payload, count):
        for i in range(count):
            number, crc, zero = struct.unpack_from("<QII", page, 64 + 16 * i)
            block = payload[i * PAGE:(i + 1) * PAGE]
            expect(zero == 0 and number < self.top // PAGE, f"block {number}")
            expect(number > self.last_block, f"block {number} is out of its place")
            self.last_block = number
            expect(crc == crc32c(self.bound, struct.pack("<Q", number), block), f"block {number}")
            self.blocks[number] = block

    def entries(self):
        """(offset, old bytes), the newest first."""
        end = len(self.undo)
        while end:
            expect(end >= 8, "the undo stream")
            trailer, = struct.unpack_from("<Q", self.undo, end - 8)
            offset, length = trailer >> 16, trailer & 0xFFFF
            begin = end - 8 - (length + 7) // 8 * 8
            expect(begin >= 0 and length, "an undo entry")
            yield offset, self.undo[begin:begin + length]
            end = begin

    def apply(self, arena):
        for number, block in self.blocks.items():
            arena[number * PAGE:(number + 1) * PAGE] = block
        for offset, old in self.entries():
            for i, byte in enumerate(old):
                if (offset + i) // PAGE in self.blocks:
                    arena[offset + i] = byte


def read_chain(folder, manifest, task):
    job, base, chain = int(manifest["fingerprint"], 16), 0, []
    for file in manifest["tasks"][task]["files"]:
        snapshot = Snapshot(f"{folder}/{file['path']}", job, file["checkpoint"], task)
        expect(snapshot.base == base, "the base of a file")
        base = file["checkpoint"]
        chain.append(snapshot)
    expect(len(chain[-1].blocks) == manifest["tasks"][task]["blocks"], "blocks in the manifest")
    expect(len(chain[-1].undo) == manifest["tasks"][task]["undo_bytes"], "undo bytes in the manifest")
    expect(len(chain[-1].data) == manifest["tasks"][task]["file_bytes"], "bytes in the manifest")
    return chain


def restore(folder, number, task, out):
    chain = read_chain(folder, read_manifest(folder, number), task)
    arena = bytearray(chain[0].total)
    for snapshot in chain:
        snapshot.apply(arena)
    with open(out, "wb") as file:
        file.write(arena)


def check(folder):
    with open(f"{folder}/JOB", encoding="utf-8") as file:
        job = file.read()
    expect(job.endswith("\n"), "JOB")
    count = 0
    for name in os.listdir(folder):
        match = re.fullmatch(r"chk-([1-9][0-9]*)", name)
        if not match or not os.path.exists(f"{folder}/{name}/MANIFEST"):
            continue
        manifest = read_manifest(folder, int(match.group(1)))
        expect(manifest["job"] + "\n" == job, "the job of a manifest")
        for task in range(len(manifest["tasks"])):
            read_chain(folder, manifest, task)
        count += 1
    print(f"{count} checkpoints are as the page says")


def main():
    assert crc32c(b"123456789") == 0xE3069283
    try:
        if sys.argv[1] == "check":
            check(sys.argv[2])
        else:
            restore(sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), sys.argv[5])
    except (Damaged, OSError, KeyError, ValueError) as error:
        sys.exit(f"{sys.argv[2]}: {error!r}")


if __name__ == "__main__":
    main()
