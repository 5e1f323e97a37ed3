#!/bin/sh
# idle.sh: a job with nothing to do uses no processor, whatever its source and its number of tasks; one with much to
# do never sleeps under `spin`. The bounds here are four times what is promised, and it prints the true figures: a
# machine may be slow. [SECONDS_EACH=3] idle.sh
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
driver=$(dirname "$0")/idle_driver.py
dir=$(mktemp -d)
memory=/dev/shm/weir-$(id -u)
trap 'rm -rf "$dir" "$memory/idle-file-$$" "$memory/idle-slow-$$" "$memory/idle-bare-$$" "$memory/idle-many-$$" "$memory/busy-$$" "$memory/lone-$$"' EXIT
status=0

# job NAME CONFIG SOURCE [SET]: counts in windows of a second.
job() {
    cat >"$dir/$1.sql" <<SQL
${4:-}
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH ($3);
CREATE TABLE result (k BIGINT, w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO result SELECT k, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
    printf 'job: %s\nsql: %s.sql\n%s\n' "$1" "$1" "$2" >"$dir/$1.yaml"
}

rest='memory: {state: 16MiB, reserve: 0%}
recovery: {spares: 1}
checkpoint: {interval: 1h}'
slow="'connector' = 'datagen', 'rows-per-second' = '1'"
echo '{"k": 1, "at": "2024-01-01 00:00:00"}' >"$dir/rows.json"
job "idle-slow-$$" "$rest" "$slow"
job "idle-file-$$" "$rest" "'connector' = 'filesystem', 'format' = 'json', 'path' = '$dir/rows.json',
  'source.monitor-interval' = '1s'"
job "idle-bare-$$" 'memory: {state: 16MiB, reserve: 0%}
recovery: {spares: 1}
checkpoint: {interval: none}
placement: {waiting: block}' "$slow"
job "idle-many-$$" "$rest" "$slow" "SET 'parallelism.default' = '8';"
python3 "$driver" "$WEIR" "${SECONDS_EACH:-3}" 2 25 "$dir/idle-slow-$$.yaml" "$dir/idle-file-$$.yaml" \
    "$dir/idle-bare-$$.yaml" "$dir/idle-many-$$.yaml" || status=1

# Where each task has a core; elsewhere one that never sleeps gives its turn away, which is no sleep either.
fast="'connector' = 'datagen', 'rows-per-second' = '0', 'fields.k.min' = '0', 'fields.k.max' = '99'"
job "busy-$$" 'memory: {state: 16MiB, reserve: 0%}
checkpoint: {interval: none}
placement: {cores: 2, waiting: spin}' "$fast"
python3 "$driver" --busy "$WEIR" spin "$dir/busy-$$.yaml" || status=1

# One task alone has nobody to wait for.
job "lone-$$" 'memory: {state: 16MiB, reserve: 0%}
checkpoint: {interval: none}
placement: {cores: 1}' "$fast"
python3 "$driver" --busy "$WEIR" adaptive "$dir/lone-$$.yaml" | grep 'slept \[0\], woke \[0\]' || {
    echo "FAIL a task that is alone slept"
    status=1
}
exit $status
