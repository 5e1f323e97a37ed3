#!/bin/sh
# takeover.sh: what the figures of bench/recovery rest on: a spare has made ready what it needs, says when it went on,
# and is called a task; the benchmark's own job comes out right under each of its kinds of kill.
set -eu
for program in "${WEIR:?}" "${BUILD:?}/bench/recovery"; do
    [ -x "$program" ] || { echo "$program is not built"; exit 77; }
done
passed=0 failed=0
dir=$(mktemp -d)
memory=/dev/shm/weir-$(id -u)
trap 'rm -rf "$dir" "$memory/takeover-$$"' EXIT

# check WHAT COMMAND...
check() {
    what=$1
    shift
    if "$@" >"$dir/out" 2>&1; then
        passed=$((passed + 1))
    else
        failed=$((failed + 1))
        echo "FAIL $what: status $?"
        cat "$dir/out"
    fi
}

cat >"$dir/job.sql" <<SQL
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ('connector' = 'datagen',
  'rows-per-second' = '50000', 'fields.k.min' = '0', 'fields.k.max' = '500', 'fields.at.start' = '2024-01-01');
CREATE TABLE result (k BIGINT, w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'filesystem', 'path' = '$dir/out-files',
  'format' = 'csv');
INSERT INTO result SELECT k, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
cat >"$dir/job.yaml" <<YAML
job: takeover-$$
sql: job.sql
memory: {state: 16MiB, reserve: 0%}
recovery: {spares: 1}
checkpoint: {interval: none}
placement: {cores: 2}
YAML
for task in 0 2; do
    check "spares of task $task" python3 "$(dirname "$0")/takeover.py" 5 "$WEIR" "$dir/job.yaml" $task
    grep -h faults "$dir/out" || :
done

bench() {
    what=$1
    shift
    check "bench/recovery, $what" "$BUILD/bench/recovery" --state 4 --rate 100000 --calm 1 --after 1 "$@"
}
bench "a spare" --kills 5
bench "cold" --kills 5 --spares 0
bench "the supervisor" --supervisor 2
bench "everything" --everything 2

echo "$passed passed, $failed failed"
[ "$failed" = 0 ]
