#!/bin/sh
# sql.sh: queries through the weir command, against what Flink answered (sql_cases.txt), as one task and as many.
set -eu
export LC_ALL=C
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cases=$(cd "$(dirname "$0")" && pwd)/sql_cases.txt
cat >"$dir/rows.json" <<'JSON'
{"id":"a","n":1,"ts":"2024-01-01 00:00:10"}
{"id":"b","n":2,"ts":"2024-01-01 00:03:59.999"}
{"id":null,"n":3,"ts":"2024-01-01 00:00:00"}
{"id":"a","n":4,"ts":"2023-12-31 23:59:59"}
{"id":"a","n":5,"ts":"2024-01-01 00:05:00"}
JSON
cat >"$dir/zone.json" <<'JSON'
{"id":"a","n":1,"ts":"2024-03-31T00:30:00Z"}
{"id":"b","n":2,"ts":"2024-03-31T01:30:00Z"}
{"id":"c","n":3,"ts":"2024-01-01T23:30:00Z"}
JSON
passed=0 failed=0 query=

# Run $query; its rows must be those in want. Batch rows come between watermarks in Flink's answer: interval 0.
check() {
    cat >"$dir/q.sql" <<SQL
SET 'pipeline.auto-watermark-interval' = '0 ms';
SET 'parallelism.default' = '$1';
SET 'table.local-time-zone' = 'Europe/Berlin';
CREATE TABLE t (id STRING, n INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)
WITH ('connector' = 'filesystem', 'path' = '$dir/rows.json', 'format' = 'json');
CREATE TABLE z (id STRING, n INT, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts)
WITH ('connector' = 'filesystem', 'path' = '$dir/zone.json', 'format' = 'json',
      'json.timestamp-format.standard' = 'ISO-8601');
$query
SQL
    printf 'job: sql-process-test-%s\nsql: q.sql\n' $$ >"$dir/q.yaml"
    timeout 60 "$WEIR" run "$dir/q.yaml" >"$dir/out" 2>"$dir/err" || cat "$dir/err"
    sed -i "s/^[0-9]*> //" "$dir/out" # a print of several tasks says which
    if sort "$dir/out" | cmp -s - "$dir/want"; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "$query ($1 tasks): want, got:"
        cat "$dir/want"
        sort "$dir/out"
    fi
}

: >"$dir/want"
while IFS= read -r line || [ -n "$line" ]; do
    case $line in
    '#'*) ;;
    +* | -*) printf '%s\n' "$line" >>"$dir/want" ;;
    '') if [ -n "$query" ]; then
            check 1
            check 2
        fi
        query= && : >"$dir/want" ;;
    *) query=$line ;;
    esac
done <"$cases"
echo "$passed passed, $failed failed"
[ "$failed" = 0 ] && [ "$passed" -ge 6 ]
