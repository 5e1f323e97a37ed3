"""jobs.py: the SQL that weir and Flink run beside each other in bench/kafka, and the answers.

Both get the same text. A job reads a topic that fill.c has filled, up to its end as of the start, and writes JSON to
another topic.
"""
import collections
import json

TABLE = """CREATE TABLE events (
  {columns}
) WITH ('connector' = 'kafka', 'topic' = '{source}', 'properties.bootstrap.servers' = '{brokers}',
  'properties.group.id' = '{group}', 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',
  {format});
CREATE TABLE answers (
  {result}
) WITH ('connector' = 'kafka', 'topic' = '{sink}', 'properties.bootstrap.servers' = '{brokers}',
  'properties.transaction.timeout.ms' = '60000', 'sink.delivery-guarantee' = '{guarantee}',
  {transactional}'format' = '{sink_format}');
INSERT INTO answers {query};
"""
JSON_COLUMNS = """id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND"""
RAW_COLUMNS = """payload STRING, ts TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
  WATERMARK FOR ts AS ts - INTERVAL '4' SECOND"""
KEY_COLUMNS = "dimension STRING, " + RAW_COLUMNS
KEY_FORMAT = """'key.format' = 'raw', 'key.fields' = 'dimension', 'value.format' = 'raw',
  'value.fields-include' = 'EXCEPT_KEY'"""
MINUTES = "TABLE(TUMBLE(TABLE events, DESCRIPTOR({time}), INTERVAL '1' MINUTE)) GROUP BY window_start, window_end"
# name: (columns, format, columns of the result, query)
JOBS = {
    # Rows a minute by the message's own timestamp; the payload is taken as it is.
    "raw": (RAW_COLUMNS, "'format' = 'raw'", "window_end TIMESTAMP(3), n BIGINT",
            "SELECT window_end, COUNT(payload) AS n FROM " + MINUTES.format(time="ts")),
    # The same from JSON: three fields, one of them the time.
    "json": (JSON_COLUMNS, "'format' = 'json'", "window_end TIMESTAMP(3), n BIGINT",
             "SELECT window_end, COUNT(id) AS n FROM " + MINUTES.format(time="eventTime")),
    # Rows a minute by the message's key.
    "count": (KEY_COLUMNS, KEY_FORMAT, "window_end TIMESTAMP(3), dimension STRING, n BIGINT",
              "SELECT window_end, dimension, COUNT(*) AS n FROM " + MINUTES.format(time="ts") + ", dimension"),
    # The flagship: the day's distinct ids so far, a point a minute.
    "uv": (JSON_COLUMNS, "'format' = 'json'", "window_end TIMESTAMP(3), dimension STRING, uv BIGINT",
           """SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE events, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension"""),
    # Every message once more: the heaviest load for a sink.
    "copy": ("payload STRING", "'format' = 'raw'", "payload STRING", "SELECT payload FROM events"),
}


def script(job, brokers, source, sink, guarantee, group):
    """The SQL of one run."""
    columns, form, result, query = JOBS[job]
    prefix = f"'sink.transactional-id-prefix' = '{group}',\n  " if guarantee == "exactly-once" else ""
    return TABLE.format(columns=columns, format=form, result=result, query=query, source=source, sink=sink,
                        brokers=brokers, guarantee=guarantee, group=group, transactional=prefix,
                        sink_format="raw" if job == "copy" else "json")


class Answer:
    """What fill.c says must come out."""

    def __init__(self, path):
        self.minutes, self.rows, self.devices, self.points = {}, {}, {}, {}
        with open(path, encoding="ascii") as lines:
            for line in lines:
                word, *rest = line.split()
                if word == "rows":
                    self.total = int(rest[0])
                elif word == "minute":
                    if rest[1] != "0":
                        self.minutes[int(rest[0])] = int(rest[1])
                elif word == "dimension":
                    self.rows[rest[0]], self.devices[rest[0]] = int(rest[1]), int(rest[2])
                else:
                    self.points[int(rest[0]), rest[1]] = int(rest[2])

    def wrong(self, job, values):
        """None, or what is wrong with the values of the output topic: each result once, each right."""
        if job == "copy":
            return None if len(values) == self.total else f"{len(values)} rows of {self.total}"
        seen = collections.Counter()
        got = {}
        for value in values:
            row = json.loads(value)
            key = minute_before(row["window_end"])
            if "dimension" in row:
                key = key, row["dimension"]
            got[key] = row.get("n", row.get("uv"))
            seen[key] += 1
        twice = [key for key, times in seen.items() if times > 1]
        if twice:
            return f"{len(twice)} results more than once, such as {twice[0]}"
        if job in ("raw", "json"):
            want = self.minutes
        elif job == "uv":
            want = self.points
        else: # a minute of a dimension is not in the answer; their sums are
            sums = collections.Counter(), collections.Counter()
            for (minute, dimension), n in got.items():
                sums[0][minute] += n
                sums[1][dimension] += n
            got, want = dict(sums[0]) | dict(sums[1]), self.minutes | self.rows
        if got == want:
            return None
        bad = [key for key in want.keys() | got.keys() if got.get(key) != want.get(key)]
        return f"{len(bad)} of {len(want)} results are wrong, such as {bad[0]}: " \
               f"{got.get(bad[0])}, not {want.get(bad[0])}"


def minute_before(end):
    """The minute of the day that ends at '2024-01-01 00:01:00' or '...T...'; midnight ends the last."""
    hour, minute = int(end[11:13]), int(end[14:16])
    return (hour * 60 + minute - 1) % 1440
