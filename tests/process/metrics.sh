#!/bin/sh
# metrics.sh: the metrics endpoint: what it serves is Prometheus' text format, counters grow, a dead server is
# replaced, a dead supervisor takes it along; an address that cannot be had is an error before the start.
set -eu
weir=${WEIR:-build/release/weir}
[ -x "$weir" ] || { echo "the command is not built"; exit 77; }
weir=$(realpath "$weir")
driver=$(realpath "$(dirname "$0")/metrics_driver.py")
dir=$(mktemp -d)
job=metrics-$$
memory=/dev/shm/weir-$(id -u)/$job
# shellcheck disable=SC2317  # called by the trap
end() {
    [ ! -e "$memory/lock" ] || kill -KILL "$(cat "$memory/lock")" 2>/dev/null || true
    "$weir" run --fresh --quiet "$dir/end.yaml" >/dev/null 2>&1 || true
    rm -rf "$dir" "$memory"
}
trap end EXIT
cd "$dir"
cat >metrics.sql <<'SQL'
SET 'metrics.latency.interval' = '2 ms';
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH (
  'connector' = 'datagen', 'rows-per-second' = '20000', 'fields.k.min' = '0',
  'fields.k.max' = '500', 'fields.at.start' = '2024-01-01');
CREATE TABLE result (k BIGINT, w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO result SELECT k, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
printf 'CREATE TABLE t (n BIGINT) WITH (%s);\nCREATE TABLE o (n BIGINT) WITH (%s);\nINSERT INTO o SELECT n FROM t;\n' \
    "'connector' = 'datagen', 'number-of-rows' = '1'" "'connector' = 'blackhole'" >end.sql
common='memory: {state: 16MiB, reserve: 0%%}\nplacement: {cores: 2}\ncheckpoint: {interval: 200ms, dir: ./chk}\n'
# shellcheck disable=SC2059  # newlines
printf "job: $job\nsql: metrics.sql\n$common" >metrics.yaml
# The same name: what the first one has left is ended and forgotten.
# shellcheck disable=SC2059
printf "job: $job\nsql: end.sql\n$common" >end.yaml
python3 "$driver" "$weir" "$job"
