"""What the output must be, computed from what is in the input topic, and the reader that looks at it all the time.

The reader is Kafka's Java client (`tool consume`, read_committed), which shares no line with librdkafka. Whatever it
sees is final: a row that comes twice, that was never put in, or that is behind a later one of its key is wrong the
moment it is seen; that none is missing is asked when all has come to rest."""
import collections, json, subprocess, threading

WINDOW_MS, STEP_MS = 10000, 1000
BASE_MS = 1704067200000  # 2024-01-01 00:00:00, the time of row 0


class Wrong(Exception):
    """The output, or what weir did, is not what it must be."""


def stamp(ms):
    """As weir writes a TIMESTAMP(3): no trailing zeros."""
    at = ms - BASE_MS
    text = f"2024-01-{1 + at // 86400000:02d} {at // 3600000 % 24:02d}:{at // 60000 % 60:02d}:{at // 1000 % 60:02d}"
    return f"{text}.{at % 1000:03d}".rstrip("0").rstrip(".") if at % 1000 else text


def passes(number):
    """The filter of the job that passes rows on."""
    return number % 10 != 3


def cumulate(rows):
    """{(end, key): distinct visitors} of CUMULATE over the rows {number: (key, visitor)}: each step of a window says
    how many so far, from the first step that has some."""
    steps = collections.defaultdict(lambda: [set() for _ in range(WINDOW_MS // STEP_MS)])
    for number, (key, visitor) in rows.items():
        start = number - number % WINDOW_MS
        steps[start, key][(number - start) // STEP_MS].add(visitor)
    found = {}
    for (start, key), sets in steps.items():
        so_far = set()
        for i, one in enumerate(sets):
            so_far |= one
            if so_far:
                found[stamp(BASE_MS + start + (i + 1) * STEP_MS), key] = len(so_far)
    return found


class Output:
    """The output topics, record by record. `rows`: {number: (key, visitor)} of what may come; `bad`: messages that
    are no rows."""

    def __init__(self, rows, bad):
        self.rows, self.bad, self.lock = rows, bad, threading.Lock()
        self.passed, self.answers, self.last, self.letters = set(), {}, {}, {}

    def note(self, record):
        """Only that it is there: for a round in which readers see what the broker has got wrong."""
        with self.lock:
            if record["topic"] == "passed":
                self.passed.add(json.loads(record["value"])["n"])
            elif record["topic"] == "dead":
                said = dict(record["headers"])
                self.letters[int(said["weir.partition"]), int(said["weir.offset"])] = record["value"]

    def take(self, record):
        if record["topic"] == "dead":
            self.take_letter(record)
            return
        value = json.loads(record["value"])
        if record["topic"] == "passed":
            self.take_row(record, value)
        elif record["topic"] == "uv":
            self.take_answer(record, value)

    def take_row(self, record, value):
        number, key = value["n"], value["k"]
        where = f"passed/{record['partition']} offset {record['offset']}"
        if number in self.passed:
            raise Wrong(f"row {number} comes twice, again at {where}")
        if self.rows.get(number) != (key, value["v"]) or not passes(number):
            raise Wrong(f"no such row was put in: {value} at {where}, but {self.rows.get(number)}")
        if record["key"] != key:
            raise Wrong(f"row {number} has key {record['key']}, not {key}, at {where}")
        last = self.last.get(key)
        if last and (last[0] != record["partition"] or last[1] > number):
            raise Wrong(f"row {number} of key {key} at {where} is behind row {last[1]} in partition {last[0]}")
        self.last[key] = record["partition"], number
        with self.lock:
            self.passed.add(number)

    def take_letter(self, record):
        said = dict(record["headers"])
        at = int(said["weir.partition"]), int(said["weir.offset"])
        where = f"dead/{record['partition']} offset {record['offset']}"
        if at in self.letters:
            raise Wrong(f"the letter for in/{at[0]} offset {at[1]} comes twice, again at {where}")
        if record["value"] not in self.bad or said["weir.topic"] != "in" or not said["weir.reason"]:
            raise Wrong(f"no such message was put in: {record} at {where}")
        with self.lock:
            self.letters[at] = record["value"]

    def take_answer(self, record, value):
        at = value["e"], value["k"]
        if at in self.answers:
            raise Wrong(f"the answer for {at} comes twice: {self.answers[at]}, then {value['uv']} at "
                        f"uv/{record['partition']} offset {record['offset']}")
        self.answers[at] = value["uv"]

    def missing(self):
        """How many rows have not come yet."""
        with self.lock:
            wanted = sum(1 for number in self.rows if passes(number))
            return max(wanted - len(self.passed), len(self.bad) - len(self.letters))

    def must_have_letters(self, bad):
        """bad: {(partition, offset): value} of the input topic."""
        if self.letters != bad:
            lost = sorted(set(bad) - set(self.letters))
            raise Wrong(f"{len(lost)} of {len(bad)} dead letters are missing, or others are there: {lost[:10]}")

    def must_be_whole(self):
        wanted = {number for number in self.rows if passes(number)}
        lost = sorted(wanted - self.passed)
        if lost:
            raise Wrong(f"{len(lost)} of {len(wanted)} rows are missing: {lost[:20]}")
        want = cumulate(self.rows)
        wrong = [(at, want.get(at), self.answers.get(at)) for at in sorted(set(want) | set(self.answers))
                 if want.get(at) != self.answers.get(at)]
        if wrong:
            raise Wrong(f"{len(wrong)} of {len(want)} answers are wrong (end and key, wanted, got): {wrong[:10]}")


def read_input(tool):
    """What the input topic has, the truth, whatever the producer thinks: rows {number: (key, visitor)}, and messages
    that are none {(partition, offset): value}."""
    rows, bad, count = {}, {}, 0
    for record in tool.consume(["in"]):
        count += 1
        if not record["value"].startswith("{"):
            bad[record["partition"], record["offset"]] = record["value"]
            continue
        value = json.loads(record["value"])
        rows[value["n"]] = value["k"], value["v"]
    if count != len(rows) + len(set(bad.values())):
        raise Wrong(f"the producer of the harness has put {count - len(rows) - len(bad)} rows in twice")
    return rows, bad


class Tool:
    """`tool` at the broker of a folder."""

    def __init__(self, program, folder):
        self.program, self.folder = program, folder

    def run(self, *words):
        return subprocess.run([self.program, self.folder, *words], check=True, capture_output=True, text=True).stdout

    def consume(self, topics, *words):
        """Records from the begin to the end as of now."""
        with subprocess.Popen([self.program, self.folder, "consume", *topics, "within=300", *words],
                              stdout=subprocess.PIPE, text=True) as process:
            for line in process.stdout:
                yield json.loads(line)
        if process.returncode:
            raise Wrong(f"the reader of {topics} ended with status {process.returncode}")


class Watcher(threading.Thread):
    """Reads the output topics as long as the round goes on. What it sees is wrong, unless `excuse()` says that the broker
    has lost a marker; then it only notes what comes, and the end of the round judges."""

    def __init__(self, tool, output, log, excuse):
        super().__init__(daemon=True)
        self.output, self.wrong, self.seen, self.is_over = output, None, 0, False
        self.excuse, self.is_excused = excuse, False
        self.process = subprocess.Popen([tool.program, tool.folder, "consume", "passed", "uv", "dead", "count=2000000000",
                                         "within=1000000", "metadata.max.age.ms=2000"],
                                        stdout=subprocess.PIPE, stderr=log, text=True)

    def run(self):
        try:
            for line in self.process.stdout:
                self.take(json.loads(line))
                self.seen += 1
        except (Wrong, ValueError, KeyError) as wrong:
            self.wrong = wrong if isinstance(wrong, Wrong) else Wrong(f"a record that is none: {wrong!r}")
        if not self.is_over and not self.wrong:
            self.wrong = Wrong(f"the reader has ended with status {self.process.wait()}")

    def take(self, record):
        try:
            if not self.is_excused:
                self.output.take(record)
                return
        except Wrong as wrong:
            if not self.excuse(wrong):
                raise
            self.is_excused = True
        self.output.note(record)

    def end(self):
        self.is_over = True
        self.process.kill()
        self.process.wait()
        self.join()
