#!/usr/bin/env python3
"""Has the broker written each marker that its transaction coordinator says it has?

usage: markers.py DATA...    the data folders of all brokers; one line for each marker that is missing, exit 1 if there are any

Kafka 4.3 ends a transaction without its marker in a partition that has no leader at that moment (tests/kafka/README.md): the
rows stay open and share the fate of the next transaction of that producer. No producer can do anything about it, so
what such rows become is no fault of weir; but only these rows, and only what this file proves from the broker's own
files: __transaction_state says PrepareAbort (or PrepareCommit) of partitions, then that it is complete, and the log of a
partition has no such marker."""
import collections, glob, os, struct, sys

BATCH = struct.Struct(">qiibIhiqqqhii")
TRANSACTIONAL, CONTROL = 16, 32
PREPARED = {2: "COMMIT", 3: "ABORT"}
COMPLETE = {4: "COMMIT", 5: "ABORT"}
OFFSETS = "__consumer_offsets"

# A batch of rows: offsets first to last. A marker: kind is COMMIT or ABORT.
Batch = collections.namedtuple("Batch", "first last producer epoch kind")
# What the coordinator says of one partition: offset is that of the record in __transaction_state.
Claim = collections.namedtuple("Claim", "id producer epoch kind state offset")
# until: the marker (or None: not yet) that decided over the rows instead. is_plain: which rows they are is beyond doubt.
Lost = collections.namedtuple("Lost", "partition claim rows until is_plain")


def unsigned(data, at):
    value = shift = 0
    while True:
        byte = data[at]
        at += 1
        value |= (byte & 127) << shift
        shift += 7
        if byte < 128:
            return value, at


def signed(data, at):
    value, at = unsigned(data, at)
    return (value >> 1) ^ -(value & 1), at


def batches(path):
    """(header, records as bytes) of a segment; what is behind its end is zeros or half a batch."""
    with open(path, "rb") as f:
        data = f.read()
    at = 0
    while at + BATCH.size <= len(data):
        header = BATCH.unpack_from(data, at)
        length = header[1] + 12
        if header[1] <= 0 or header[3] != 2 or at + length > len(data):
            return
        yield header, data[at + BATCH.size:at + length]
        at += length


def records(count, data):
    """(number in the batch, key, value) of records that are not compressed."""
    at = 0
    for _ in range(count):
        length, at = signed(data, at)
        end = at + length
        _, at = signed(data, at + 1)
        number, at = signed(data, at)
        found = []
        for _ in range(2):
            size, at = signed(data, at)
            found.append(data[at:at + size] if size >= 0 else b"")
            at += max(size, 0)
        yield number, *found
        at = end


def segments(folders, partition):
    """Of the replica that has most; by offset."""
    found = [sorted(glob.glob(os.path.join(folder, partition, "*.log"))) for folder in folders]
    return max(found, key=lambda paths: sum(os.path.getsize(path) for path in paths))


def read_partition(folders, partition):
    """What transactional producers have put there."""
    found = []
    for path in segments(folders, partition):
        for header, data in batches(path):
            first, attributes, last, producer, epoch, count = (header[i] for i in (0, 5, 6, 9, 10, 12))
            if not attributes & TRANSACTIONAL:
                continue
            kind = "rows"
            if attributes & CONTROL:
                kind = "COMMIT" if struct.unpack(">hh", next(records(count, data))[1][:4])[1] == 1 else "ABORT"
            found.append(Batch(first, first + last, producer, epoch, kind))
    return found


def read_values(folders, partition):
    """The values of a topic without transactions and compression."""
    for path in segments(folders, partition):
        for header, data in batches(path):
            for _, _, value in records(header[12], data):
                yield value


def read_partitions(value, at, is_flexible):
    """topic-number of each partition of a transaction."""
    def length(at):
        if is_flexible:
            found, at = unsigned(value, at)
            return found - 1, at
        return struct.unpack_from(">i", value, at)[0], at + 4
    found = []
    topics, at = length(at)
    for _ in range(max(topics, 0)):
        if is_flexible:
            size, at = length(at)
        else:
            size, at = struct.unpack_from(">h", value, at)[0], at + 2
        topic = value[at:at + size].decode()
        count, at = length(at + size)
        found += [f"{topic}-{n}" for n in struct.unpack_from(f">{count}i", value, at)]
        at += 4 * count
        if is_flexible:
            at += 1  # no tags
    return found


def read_claims(folders):
    """{partition: [Claim]}: markers that are written, says the coordinator."""
    claims, open_ = collections.defaultdict(list), {}
    states = {os.path.basename(path) for folder in folders for path in glob.glob(folder + "/__transaction_state-*")}
    for state in sorted(states):
        for path in segments(folders, state):
            for header, data in batches(path):
                for number, key, value in records(header[12], data) if not header[5] & CONTROL else ():
                    if not value or key[:2] != b"\0\0":
                        continue
                    name = key[4:].decode()
                    version, producer, epoch, _, status = struct.unpack_from(">hqhib", value)
                    if status in PREPARED:
                        claim = Claim(name, producer, epoch, PREPARED[status], state, header[0] + number)
                        open_[name] = claim, read_partitions(value, 17, version > 0)
                    elif status in COMPLETE and name in open_:
                        claim, partitions = open_.pop(name)
                        for partition in partitions:
                            claims[partition].append(claim)
    return claims


def lost_of(partition, claims, there):
    """Of one producer in one partition: its claims and its batches, in order."""
    lost, rows, waiting = [], [], list(claims)
    for batch in there:
        if batch.kind == "rows":
            rows.append(batch)
            continue
        at = next((i for i, c in enumerate(waiting) if (c.kind, c.epoch) == (batch.kind, batch.epoch)), None)
        if at is None:  # written twice, or the coordinator has not said so yet: it decides all the same
            rows = []
            continue
        for claim in waiting[:at]:
            its = [row for row in rows if row.epoch <= claim.epoch]
            lost.append(Lost(partition, claim, its, batch, claim.epoch < batch.epoch or claim.kind == batch.kind))
            rows = [row for row in rows if row not in its]
        waiting, rows = waiting[at + 1:], []
    for claim in waiting:
        lost.append(Lost(partition, claim, [row for row in rows if row.epoch <= claim.epoch], None, True))
    return lost


def find_lost(folders):
    """All that is missing. Reads the files of a broker that may be running."""
    lost = []
    for partition, claims in read_claims(folders).items():
        if not any(os.path.exists(os.path.join(folder, partition)) for folder in folders):
            continue  # deleted
        by_producer = collections.defaultdict(lambda: ([], []))
        for claim in claims:
            by_producer[claim.producer][0].append(claim)
        for batch in read_partition(folders, partition):
            by_producer[batch.producer][1].append(batch)
        for of_producer in by_producer.values():
            lost += lost_of(partition, *of_producer)
    return lost


def describe(lost):
    c, rows = lost.claim, sum(row.last - row.first + 1 for row in lost.rows)
    until = f"{lost.until.kind} at offset {lost.until.first}" if lost.until else "nothing yet"
    return (f"no {c.kind} in {lost.partition} of producer {c.producer} epoch {c.epoch} ({c.id}), which {c.state} has as complete "
            f"(prepared at offset {c.offset}): {rows} rows" +
            (f" from offset {lost.rows[0].first} to {lost.rows[-1].last}" if rows else "") + f", decided by {until}")


class Fates:
    """What became of each row by the word of the coordinator, whatever the markers say."""

    def __init__(self, folders, lost, partitions):
        self.committed = collections.defaultdict(set)
        self.is_doubtful = any(one.partition.startswith(OFFSETS) or not one.is_plain for one in lost)
        for partition in partitions:
            open_ = collections.defaultdict(list)
            of_lost = {row: one.claim.kind for one in lost if one.partition == partition for row in one.rows}
            for batch in read_partition(folders, partition):
                if batch.kind == "rows":
                    open_[batch.producer].append(batch)
                    continue
                for row in open_.pop(batch.producer, []):
                    self.decide(partition, row, of_lost.get(row, batch.kind))
            for row in sum(open_.values(), []):
                self.decide(partition, row, of_lost.get(row))

    def decide(self, partition, row, kind):
        if kind == "COMMIT":
            self.committed[partition].update(range(row.first, row.last + 1))

    def is_committed(self, record):
        return record["offset"] in self.committed[f"{record['topic']}-{record['partition']}"]


if __name__ == "__main__":
    missing = find_lost(sys.argv[1:])
    for one in missing:
        print(describe(one))
    sys.exit(1 if missing else 0)
