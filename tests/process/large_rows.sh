#!/bin/sh
# large_rows.sh: results that are large beside a small channel go through it in pieces, and arrive whole.
set -eu
[ -x "${WEIR:?}" ] || { echo "the command is not built"; exit 77; }
dir=$(mktemp -d)
trap 'rm -rf "$dir"' EXIT
cat >"$dir/job.sql" <<SQL
CREATE TABLE n (s STRING, d STRING, t TIMESTAMP(3), WATERMARK FOR t AS t - INTERVAL '1' SECOND) WITH (
  'connector' = 'datagen', 'rows-per-second' = '0', 'number-of-rows' = '20000', 'seed' = '3',
  'fields.s.length' = '3000', 'fields.d.pattern' = 'g%04d', 'fields.d.max' = '599',
  'fields.t.start' = '2024-01-01 00:00:00', 'fields.t.rows-per-second' = '10000');
CREATE TABLE points (t TIMESTAMP(3), d STRING, s STRING, n BIGINT) WITH ('connector' = 'filesystem',
  'path' = '$dir/out', 'format' = 'csv');
INSERT INTO points SELECT window_start, d, MAX(s), COUNT(*)
FROM TABLE(TUMBLE(TABLE n, DESCRIPTOR(t), INTERVAL '1' SECOND)) GROUP BY window_start, window_end, d;
SQL
for cores in 1 2; do
    rm -rf "$dir/out"
    printf 'job: large-%s\nsql: job.sql\nmemory: {state: 64MiB, reserve: 0%%, ring: 64KiB}\n' $$ >"$dir/job.yaml"
    printf 'placement: {cores: %s}\n' $cores >>"$dir/job.yaml"
    timeout 60 "$WEIR" run --quiet "$dir/job.yaml"
    cat "$dir"/out/part-* | sort >"$dir/cores-$cores"
done
cmp "$dir/cores-1" "$dir/cores-2"
# Two seconds of 600 groups (all but surely all of them), and every row counted.
awk -F, '{ n += $NF; if (length($3) < 3000) exit 1 } END { exit !(NR == 1200 && n == 20000) }' "$dir/cores-2"
echo "2 passed, 0 failed"
