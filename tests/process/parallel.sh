#!/bin/sh
# parallel.sh: jobs at parallelism 1, 2, 3, 4 and 8, from one file and from a folder, give the same
# results: the UV points, sums and averages, and what an early-firing changelog comes to.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
mkdir "$dir/folder"
"${BUILD:?}/bench/uv_data" json 60000 5000 20 4000 3 >"$dir/rows.json"
split -l 9000 "$dir/rows.json" "$dir/folder/rows-"
passed=0

# run NAME TASKS PATH SINK SELECT...: leaves the sink's rows, or stdout, in $dir/got.
run() {
    name=$1 tasks=$2 path=$3 columns=$4 connector=print settings=$6
    [ "$columns" = changelog ] || connector="filesystem', 'path' = '$dir/out', 'format' = 'csv"
    rm -rf "$dir/out"
    {
        printf "SET 'parallelism.default' = '%s';\n%s\n" "$tasks" "$settings"
        echo "CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),"
        echo "  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND"
        echo ") WITH ('connector' = 'filesystem', 'path' = '$path', 'format' = 'json');"
        [ "$columns" = changelog ] || echo "CREATE TABLE points ($columns) WITH ('connector' = '$connector');"
        [ "$columns" = changelog ] || echo "INSERT INTO points"
        echo "$5;"
    } >"$dir/job.sql"
    printf 'job: parallel-test-%s-%s\nsql: job.sql\nmemory: {state: 64MiB, reserve: 0%%}\n' \
        "$name" $$ >"$dir/job.yaml"
    timeout 120 "$WEIR" run "$dir/job.yaml" >"$dir/stdout" 2>"$dir/stderr" ||
        { cat "$dir/stderr"; exit 1; }
    if [ "$columns" = changelog ]; then
        python3 "$dir/materialise.py" <"$dir/stdout" >"$dir/got"
    else
        sort "$dir"/out/part-* >"$dir/got"
    fi
}

# What a changelog comes to; a retraction of a row that is not there is an error.
cat >"$dir/materialise.py" <<'PY'
import collections, sys
rows = collections.Counter()
for line in sys.stdin:
    line = line[line.index("> ") + 2 :] if line[0].isdigit() else line  # which of several sinks
    kind, row = line[:2], line[2:]
    rows[row] += 1 if kind in ("+I", "+U") else -1
    if rows[row] < 0:
        sys.exit("retracted, but never there: " + line)
sys.stdout.writelines(sorted(rows.elements()))
PY

# same NAME COLUMNS SELECT SETTINGS ROWS: every way of running it gives the same rows, at least ROWS.
same() {
    run "$1" 1 "$dir/rows.json" "$2" "$3" "$4"
    cp "$dir/got" "$dir/want"
    [ "$(wc -l <"$dir/want")" -ge "$5" ] || { echo "$1: too few rows"; exit 1; }
    for tasks in 2 3 4 8; do
        for path in "$dir/rows.json" "$dir/folder"; do
            run "$1" "$tasks" "$path" "$2" "$3" "$4"
            cmp "$dir/got" "$dir/want" || { echo "$1 with $tasks tasks from $path differs"; exit 1; }
            passed=$((passed + 1))
        done
    done
}

same uv "window_end TIMESTAMP(3), dimension STRING, uv BIGINT" \
    "SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
     FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
     GROUP BY window_start, window_end, dimension" "" 20000

same sums "window_end TIMESTAMP(3), dimension STRING, n BIGINT, s BIGINT, a BIGINT, low STRING, high STRING" \
    "SELECT window_end, dimension, COUNT(*), SUM(CAST(SUBSTRING(id FROM 2) AS BIGINT)),
       AVG(CAST(SUBSTRING(id FROM 2) AS BIGINT)), MIN(id), MAX(id) FILTER (WHERE id LIKE '%7')
     FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '10' MINUTE))
     GROUP BY window_start, window_end, dimension" "" 2500

same hops "window_end TIMESTAMP(3), n BIGINT, uv BIGINT" \
    "SELECT window_end, COUNT(*), COUNT(DISTINCT id)
     FROM TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), INTERVAL '10' MINUTE, INTERVAL '1' HOUR))
     GROUP BY window_start, window_end" "" 140

early="SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '15 ms';"
same early changelog \
    "SELECT TUMBLE_ROWTIME(eventTime, INTERVAL '1' DAY) AS rowtime, dimension, COUNT(DISTINCT id) AS uv
     FROM person GROUP BY TUMBLE(eventTime, INTERVAL '1' DAY), dimension" "$early" 20

same early-sums changelog \
    "SELECT TUMBLE_ROWTIME(eventTime, INTERVAL '1' HOUR) AS rowtime, dimension, COUNT(*) AS n, MAX(id) AS high
     FROM person GROUP BY TUMBLE(eventTime, INTERVAL '1' HOUR), dimension" "$early" 400

same each-row changelog \
    "SELECT TUMBLE_ROWTIME(eventTime, INTERVAL '1' HOUR) AS rowtime, dimension, COUNT(DISTINCT id) AS uv
     FROM person GROUP BY TUMBLE(eventTime, INTERVAL '1' HOUR), dimension" \
    "SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 ms';" 400

# A folder that is followed: tasks without a file must not hold the others back.
cat >"$dir/job.sql" <<SQL
SET 'parallelism.default' = '3';
CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '$dir/*.json', 'format' = 'json',
  'source.monitor-interval' = '100 ms');
SELECT window_end, AGGREGATE FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' HOUR))
GROUP BY window_start, window_end, dimension;
SQL
for aggregate in 'COUNT(DISTINCT id)' 'COUNT(*)'; do
    sed -i "s/AGGREGATE/$aggregate/; s/COUNT(DISTINCT id)/$aggregate/" "$dir/job.sql"
    printf 'job: parallel-test-follow-%s-%s\nsql: job.sql\nmemory: {state: 64MiB, reserve: 0%%}\n' \
        $$ $passed >"$dir/job.yaml"
    : >"$dir/stdout" # or the rows of the job before are counted
    "$WEIR" run "$dir/job.yaml" >"$dir/stdout" 2>"$dir/stderr" &
    tries=0
    while [ "$(wc -l <"$dir/stdout")" -lt 400 ] && [ $tries -lt 300 ]; do
        sleep 0.1
        tries=$((tries + 1))
    done
    kill -TERM $! || { cat "$dir/stderr"; exit 1; }
    wait $! || :
    [ "$(wc -l <"$dir/stdout")" -ge 400 ] || { echo "no results of a followed file"; cat "$dir/stderr"; exit 1; }
    passed=$((passed + 1))
done
echo "$passed passed, 0 failed"
