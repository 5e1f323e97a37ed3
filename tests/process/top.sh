#!/bin/sh
# top.sh: `weir top` shows a job that runs, one whose supervisor is dead, one of which nothing lives; as text, as
# JSON, on a terminal.
set -eu
weir=${WEIR:-build/release/weir}
[ -x "$weir" ] || { echo "the command is not built"; exit 77; }
weir=$(realpath "$weir")
driver=$(realpath "$(dirname "$0")/top_driver.py")
dir=$(mktemp -d)
job=top-$$
memory=/dev/shm/weir-$(id -u)/$job
# shellcheck disable=SC2317  # called by the trap
end() {
    [ ! -e "$memory/lock" ] || kill -KILL "$(cat "$memory/lock")" 2>/dev/null || true
    "$weir" run --fresh --quiet "$dir/end.yaml" >/dev/null 2>&1 || true
    rm -rf "$dir" "$memory"
}
trap end EXIT
cd "$dir"
cat >top.sql <<'SQL'
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
printf "job: $job\nsql: top.sql\n$common" >top.yaml
# The same name: what the first one has left is ended and forgotten.
# shellcheck disable=SC2059
printf "job: $job\nsql: end.sql\n$common" >end.yaml
python3 "$driver" "$weir" "$job"
