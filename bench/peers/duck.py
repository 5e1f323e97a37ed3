#!/usr/bin/env python3
"""duck.py: the UV job's answers by DuckDB, over a whole file at once.

usage: duck.py day|points json|csv FILE THREADS OUT.csv
day: COUNT(DISTINCT id) of each dimension, once, for the day. points: what CUMULATE gives, a point for each dimension
and minute from its first row to the day's end: each (dimension, id) counts from its first minute on.
Prints `done MODE WALL_SECONDS CPU_SECONDS` of the query alone, the file that it writes included.
"""
import resource
import sys
import time

import duckdb

DAY = "SELECT dimension, COUNT(DISTINCT id) AS uv FROM person GROUP BY dimension"
POINTS = """
WITH first AS (SELECT dimension, id, min(eventTime) AS t FROM person GROUP BY dimension, id),
     fresh AS (SELECT dimension, date_trunc('minute', t) + INTERVAL 1 MINUTE AS window_end, count(*) AS n
               FROM first GROUP BY ALL),
     day AS (SELECT min(date_trunc('day', window_end - INTERVAL 1 MINUTE)) AS d FROM fresh),
     begin AS (SELECT dimension, min(window_end) AS b FROM fresh GROUP BY dimension),
     grid AS (SELECT dimension, unnest(generate_series(b, d + INTERVAL 1 DAY, INTERVAL 1 MINUTE)) AS window_end
              FROM begin, day)
SELECT strftime(window_end, '%Y-%m-%d %H:%M:%S') AS window_end, dimension,
       CAST(sum(coalesce(n, 0)) OVER (PARTITION BY dimension ORDER BY window_end) AS BIGINT) AS uv
FROM grid LEFT JOIN fresh USING (dimension, window_end)
"""
READ = {
    "json": "read_json('{}', format = 'newline_delimited', columns = "
            "{{id: 'VARCHAR', dimension: 'VARCHAR', eventTime: 'TIMESTAMP'}})",
    "csv": "read_csv('{}', header = false, delim = ',', columns = "
           "{{'id': 'VARCHAR', 'dimension': 'VARCHAR', 'eventTime': 'TIMESTAMP'}})",
}


def cpu_seconds():
    usage = resource.getrusage(resource.RUSAGE_SELF)
    return usage.ru_utime + usage.ru_stime


def main():
    mode, form, path, threads, out = sys.argv[1:]
    db = duckdb.connect(config={"threads": int(threads), "preserve_insertion_order": False})
    db.execute("CREATE VIEW person AS SELECT * FROM " + READ[form].format(path))
    start, cpu = time.monotonic(), cpu_seconds()
    db.execute(f"COPY ({DAY if mode == 'day' else POINTS}) TO '{out}' (HEADER false)")
    print(f"done {mode} {time.monotonic() - start:.3f} {cpu_seconds() - cpu:.3f}")


main()
