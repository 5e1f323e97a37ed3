"""The jobs of the chaos runs: scripts, inputs from a seed, and what their output must be.

Results must not depend on who runs when: where rows are late, one task reads them all, with a watermark
behind each row, so that whether a row is late is a property of the input. Early results do depend on the
clock; of those the changelog must chain and the last word on each key must be right.
"""
import collections, json, os, subprocess, threading

FAR = "2031-01-01 00:00:00"  # a row that ends every window before it
DAY_MS = 86400000
# A filter that is always true and takes its time, so that a bounded input outlasts some faults.
SLOW = "CHAR_LENGTH(REPLACE(UPPER(LPAD(id, {work}, 'ab')), 'A', 'xy')) > 0"
EACH_ROW = "SET 'pipeline.auto-watermark-interval' = '0 ms';\n"
W3 = "w TIMESTAMP(3), dimension STRING, n BIGINT"
W4 = "w TIMESTAMP(3), dimension STRING, n BIGINT, m BIGINT"


def person(path, form, follow):
    more = ", 'source.monitor-interval' = '20 ms'" if follow else ""
    return f"""CREATE TABLE person (id STRING, dimension STRING, v BIGINT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '{path}', 'format' = '{form}'{more});
"""


def datagen(rows, rate):
    return f"""CREATE TABLE person (id BIGINT, dimension STRING, v BIGINT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'datagen', 'rows-per-second' = '{rate}', 'number-of-rows' = '{rows}', 'seed' = '7',
  'fields.id.max' = '20000', 'fields.id.min' = '0', 'fields.v.min' = '0', 'fields.v.max' = '100',
  'fields.dimension.pattern' = 'dim%02d', 'fields.dimension.max' = '19',
  'fields.eventTime.start' = '2024-01-01 00:00:00', 'fields.eventTime.rows-per-second' = '5',
  'fields.eventTime.jitter' = '4s');
"""


CUMULATE = """INSERT INTO {0} SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '{1}' MINUTE, INTERVAL '1' DAY))
WHERE {2} GROUP BY window_start, window_end, dimension;
"""
EARLY = """INSERT INTO {0} SELECT TUMBLE_ROWTIME(eventTime, INTERVAL '2' HOUR), dimension,
COUNT(DISTINCT id) AS uv FROM person GROUP BY TUMBLE(eventTime, INTERVAL '2' HOUR), dimension;
"""
HOP = """INSERT INTO {0} SELECT window_end, dimension, COUNT(*), COUNT(DISTINCT id)
FROM TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), INTERVAL '5' MINUTE, INTERVAL '15' MINUTE))
WHERE {1} GROUP BY window_start, window_end, dimension;
"""
TUMBLE = """INSERT INTO {0} SELECT window_end, dimension, SUM(v), AVG(v)
FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, dimension;
"""
PLAIN = "INSERT INTO {0} SELECT id, dimension, v FROM person WHERE v > 10;\n"
DAY = """INSERT INTO {0} SELECT * FROM (SELECT window_end, dimension AS id, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension) WHERE {1};
"""
EARLY_FIRE = ("SET 'table.exec.emit.early-fire.enabled' = 'true';\n"
              "SET 'table.exec.emit.early-fire.delay' = '20 ms';\n")
TRUE = "v > -1"


class Sink:
    """keys: of a changelog; rows only get more elsewhere."""

    def __init__(self, name, columns, form="csv", keys=None):
        self.name, self.columns, self.form, self.keys = name, columns, form, keys

    def sql(self, folder):
        return (f"CREATE TABLE {self.name} ({self.columns}) WITH ('connector' = 'filesystem',\n"
                f"  'path' = '{folder}/{self.name}', 'format' = '{self.form}', "
                "'sink.rolling-policy.file-size' = '8kb');\n")


class Scenario:
    """form: of the input file, None: datagen. follow: the file grows while the job runs, and the job ends
    when it is told to; else it ends by itself. late: share of rows that are hours late."""

    def __init__(self, name, body, sinks, form="json", follow=False, late=0.0, bad=False, rows=1.0,
                 work=0, setting=""):
        self.name, self.sinks, self.form, self.follow = name, sinks, form, follow
        self.late, self.bad, self.rows, self.setting = late, bad, rows, setting
        self.body = body.replace("{work}", str(work))
        self.lines, self.source = [], None

    def forced(self, tasks):
        """How many tasks: of late rows there is one reader, whatever stands behind it."""
        return "" if self.late or tasks == 1 else f"SET 'parallelism.default' = '{tasks}';\n"

    def sql(self, path, folder, tasks, follow):
        source = person(path, self.form, follow) if self.form else datagen(self.count, self.rate)
        return (EACH_ROW if self.late else "") + self.forced(tasks) + self.setting + source + \
            "".join(s.sql(folder) for s in self.sinks) + self.body


def scenarios():
    three = [Sink("a", W3), Sink("b", W4), Sink("c", "id STRING, d STRING, v BIGINT", "json")]
    many = ("EXECUTE STATEMENT SET BEGIN\n" + CUMULATE.format("a", 5, TRUE) + TUMBLE.format("b") +
            PLAIN.format("c") + "END;\n")
    return [
        Scenario("cumulate", CUMULATE.format("a", 5, TRUE), [Sink("a", W3)], follow=True, late=0.02, bad=True),
        Scenario("early", EARLY.format("a"), [Sink("a", W3, "debezium-json", ("w", "dimension"))], form="csv",
                 follow=True, late=0.02, setting=EARLY_FIRE),
        Scenario("hop", HOP.format("a", SLOW), [Sink("a", W4)], rows=2, work=1500),
        Scenario("many", many, three, follow=True, bad=True),
        Scenario("late-hop", HOP.format("a", SLOW), [Sink("a", W4)], form="csv", late=0.05, rows=2, work=1500),
        Scenario("generated", TUMBLE.format("a"), [Sink("a", W4)], form=None, rows=6),
        Scenario("day", DAY.format("a", SLOW), [Sink("a", W3)], form="csv", late=0.02, rows=0.2, work=3000),
    ]


def timestamp(ms):
    return f"2024-01-{1 + ms // DAY_MS:02d} {ms // 3600000 % 24:02d}:{ms // 60000 % 60:02d}:" \
           f"{ms // 1000 % 60:02d}.{ms % 1000:03d}"


def row(random, number, count, late):
    """id, dimension, v, event time: evenly through a day, out of order by less than the watermark's delay."""
    back = random.randrange(3600000, 3 * 3600000) if random.random() < late else random.randrange(3900)
    at = max(0, number * DAY_MS // count - back)
    return (f"d{random.randrange(20000):05d}", f"dim{int(random.random() ** 3 * 20):02d}",
            number * 7919 % 1000, timestamp(at))


def json_line(values):
    return '{"id":"%s","dimension":"%s","v":%d,"eventTime":"%s"}\n' % values


def csv_line(values):
    return "%s,%s,%d,%s\n" % values


def make_lines(scenario, random, count):
    line_of = csv_line if scenario.form == "csv" else json_line
    lines = []
    for number in range(count):
        lines.append(line_of(row(random, number, count, scenario.late)))
        if scenario.bad and number % 997 == 0:
            lines.append('{"id":"bad","v":"x%d"\n' % number)
    if scenario.follow:
        lines.append(line_of(("last", "far", 1, FAR)))
    return lines


def is_far(line):
    return FAR[:4] in line or '"last"' in line


def config(job, folder, **options):
    """The text of a job's YAML. Everything of the job lies in `folder`."""
    o = dict(cores=1, spares="auto", interval=100, engine="auto", hang_after=300, orphan_after=30000,
             waiting="adaptive", ring="64KiB")
    o.update(options)
    # Crashes on purpose are told from the jobs' own by their number: no waiting between them.
    return (f"job: {job}\nsql: job.sql\n"
            f"memory: {{dir: /dev/shm, state: 24MiB, ring: {o['ring']}, reserve: 0%}}\n"
            f"placement: {{cores: {o['cores']}, waiting: {o['waiting']}}}\n"
            f"checkpoint: {{interval: {o['interval']}ms, dir: {folder}/checkpoints, engine: {o['engine']}}}\n"
            f"recovery: {{spares: {o['spares']}, hang_after: {o['hang_after']}ms,\n"
            f"  orphan_after: {o['orphan_after']}ms, dead_letter: {folder}/dead, events: {folder}/events,\n"
            "  restart_delay: 10ms, restart_max_delay: 40ms, restart_reset: 1s}\n")


class References:
    """Inputs and what undisturbed runs make of them, one a scenario: made when it is first asked for."""

    def __init__(self, folder, weir, seed, rows, rate):
        self.folder, self.weir, self.seed, self.rows, self.rate = folder, weir, seed, rows, rate
        self.lock, self.made = threading.Lock(), {}

    def of(self, scenario):
        with self.lock:
            if scenario.name not in self.made:
                self.made[scenario.name] = self.make(scenario)
            return self.made[scenario.name]

    def make(self, scenario):
        import random, verify
        folder = f"{self.folder}/reference-{scenario.name}"
        os.makedirs(folder)
        scenario.count, scenario.rate = max(2000, int(self.rows * scenario.rows)), 0
        if scenario.form:
            lines = make_lines(scenario, random.Random(f"{self.seed} {scenario.name}"), scenario.count)
            scenario.lines, scenario.source = lines, f"{folder}/rows.{scenario.form}"
            with open(scenario.source, "w") as f:
                f.writelines(lines)
        with open(folder + "/job.sql", "w") as f:
            f.write(scenario.sql(scenario.source, folder + "/out", 1, False))
        with open(folder + "/job.yaml", "w") as f:
            f.write(config(f"{os.path.basename(self.folder)}-reference", folder).replace("interval: 100ms",
                                                                                         "interval: none"))
        subprocess.run([self.weir, "run", "--quiet", folder + "/job.yaml"], check=True, timeout=300)
        scenario.rate = self.rate
        want = {s.name: verify.read_all(f"{folder}/out/{s.name}", s) for s in scenario.sinks}
        for name, rows in want.items():
            assert sum(rows.values()) > 100, f"{scenario.name}: an undisturbed run gives next to nothing for {name}"
        return want, dead_letters(folder + "/dead")


def dead_letters(folder):
    """A multiset of what was put aside, wherever its file lies."""
    rows = collections.Counter()
    for name in os.listdir(folder) if os.path.isdir(folder) else []:
        with open(f"{folder}/{name}", errors="replace") as f:
            for line in f:
                letter = json.loads(line)
                rows[(letter["reason"], letter["offset"], letter["row"])] += 1
    return rows
