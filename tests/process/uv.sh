#!/bin/sh
# uv.sh: the UV job through the weir command, as one and as two tasks, equals the independent reference.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
reference=$(cd "$(dirname "$0")/../golden" && pwd)/reference.py
"${BUILD:?}/bench/uv_data" json 30000 5000 20 4000 3 >"$dir/rows.json"
python3 "$reference" cumulate 86400000 60000 --bound 4000 <"$dir/rows.json" 2>/dev/null |
    python3 -c '
import sys, datetime
for line in sys.stdin:
    _, end, dimension, _, uv = line.strip().split(",")
    t = datetime.datetime.fromtimestamp(int(end) / 1000, datetime.timezone.utc)
    print(f"\"{t:%Y-%m-%d %H:%M:%S}\",{dimension},{uv}")' | sort >"$dir/want"
[ "$(wc -l <"$dir/want")" -gt 20000 ]
for tasks in 1 auto; do
    rm -rf "$dir/out"
    [ $tasks = auto ] || echo "SET 'parallelism.default' = '$tasks';" >"$dir/uv.sql"
    [ $tasks != auto ] || : >"$dir/uv.sql"
    cat >>"$dir/uv.sql" <<SQL
CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '$dir/rows.json', 'format' = 'json');
CREATE TABLE points (window_end TIMESTAMP(3), dimension STRING, uv BIGINT
) WITH ('connector' = 'filesystem', 'path' = '$dir/out', 'format' = 'csv');
INSERT INTO points SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
SQL
    printf 'job: uv-process-test-%s\nsql: uv.sql\n' $$ >"$dir/uv.yaml"
    timeout 120 "$WEIR" run "$dir/uv.yaml"
    sort "$dir"/out/part-* | cmp - "$dir/want"
done
echo "2 passed, 0 failed"
