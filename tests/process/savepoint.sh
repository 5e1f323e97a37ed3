#!/bin/sh
# savepoint.sh: a job is killed and goes on from a savepoint at another parallelism, 1 -> 4 -> 3 ->
# 1: its output is that of an undisturbed run. What cannot be carried is refused by name, and what
# is damaged is noticed.
# shellcheck disable=SC2034,SC2154  # what it shares with savepoint_support.inc
set -eu
# shellcheck source=/dev/null
. "$(dirname "$0")/savepoint_support.inc"
rows=${ROWS:-5000000}
"${BUILD:?}/bench/uv_data" csv "$rows" 20000 20 3900 3 >"$dir/rows.csv"

files="CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND
) WITH ('connector' = 'filesystem', 'path' = '$dir/rows.csv', 'format' = 'csv',
  'csv.disable-quote-character' = 'true');"
numbers=$(numbers_table 120000 60000)
cumulate="TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))"
hop="TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), INTERVAL '5' MINUTE, INTERVAL '20' MINUTE))"

travel "distinct counts" "$files" "SELECT $(text window_end), dimension,
  $(text 'COUNT(DISTINCT id)'), $(text 'COUNT(*)'), MAX(id) $(rest 3)
  FROM $cumulate GROUP BY window_start, window_end, dimension"
travel "two phases" "$files" "SELECT $(text window_end), dimension, $(text 'COUNT(*)'),
  $(text 'SUM(CHAR_LENGTH(id))'), $(text 'AVG(CAST(SUBSTRING(id, 4) AS BIGINT))'), MIN(id), MAX(id),
  $(text "COUNT(*) FILTER (WHERE id > 'd0010000')")
  FROM $cumulate GROUP BY window_start, window_end, dimension"
travel "overlapping windows" "$files" "SELECT $(text window_end), dimension,
  $(text 'COUNT(DISTINCT id)'), $(text 'COUNT(DISTINCT dimension)'), $(text 'COUNT(id)') $(rest 3)
  FROM $hop GROUP BY window_start, window_end, dimension"
travel "numbers" "$numbers" "SELECT $(text window_end), $(text dimension), $(text 'SUM(n)'),
  $(text 'MIN(n)'), $(text 'COUNT(*)') $(rest 3)
  FROM TABLE(TUMBLE(TABLE person, DESCRIPTOR(t), INTERVAL '2' SECOND))
  GROUP BY window_start, window_end, dimension"

# --- refusals; the last job's savepoint is in sp-1 ---

cp -r "$dir/sp-1" "$dir/sp-9"
printf x | dd of="$dir/sp-9/STATE" bs=1 seek=200 conv=notrunc 2>/dev/null
refused "a damaged savepoint" 69 "STATE is damaged" run --from "$dir/sp-9" "$dir/job.yaml"
sed -i 's/MIN(n)/MAX(n)/' "$dir/job.sql"
refused "another script" 78 "made of another script" run --from "$dir/sp-1" "$dir/job.yaml"
sed -i 's/MAX(n)/MIN(n)/' "$dir/job.sql"
sed -i 's/^checkpoint:.*/checkpoint: {interval: none}/' "$dir/job.yaml"
refused "no checkpoints" 69 "must make checkpoints" run --from "$dir/sp-1" "$dir/job.yaml"
refused "no folder of a savepoint" 64 "the folder of a savepoint" run --from "$dir" "$dir/job.yaml"
refused "one argument" 64 "and a folder" savepoint "$dir/job.yaml"

fresh
job 2 "$numbers" "SELECT $(text n) $(rest 7) FROM person"
refused "before the first run" 69 "$dir/checkpoints" savepoint "$dir/job.yaml" "$dir/sp-2"
[ ! -e "$dir/sp-2" ] || bad "a refused savepoint leaves a folder"
finish
