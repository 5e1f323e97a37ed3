#!/bin/sh
# savepoint_windows.sh: as savepoint.sh, of what emits by the clock and takes back: group windows with
# early and late firing, and rows that are late; and of CURRENT_WATERMARK.
# shellcheck disable=SC2034,SC2154  # what it shares with savepoint_support.inc
set -eu
# shellcheck source=/dev/null
. "$(dirname "$0")/savepoint_support.inc"
rows=${ROWS:-120000}

# About two seconds of input, whatever the machine: each leg is to end in the middle of it.
numbers="CREATE TABLE person (n BIGINT, id STRING, dimension STRING, t TIMESTAMP(3), WATERMARK FOR t AS t
) WITH ('connector' = 'datagen', 'number-of-rows' = '$rows', 'rows-per-second' = '60000',
  'seed' = '5', 'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '$rows',
  'fields.id.pattern' = 'd%05d', 'fields.id.max' = '20000',
  'fields.dimension.pattern' = 'dim%02d', 'fields.dimension.max' = '19',
  'fields.t.start' = '2024-01-01 00:00:00', 'fields.t.rows-per-second' = '50', JITTER);"
in_order=$(echo "$numbers" | sed "s/, JITTER//")
disordered=$(echo "$numbers" | sed "s/JITTER/'fields.t.jitter' = '20s'/")
early="SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '40 ms';"
late="SET 'table.exec.emit.allow-lateness' = '1 min'; SET 'table.exec.emit.late-fire.enabled' = 'true';"

result=table format=debezium-json keys=at,dimension

settings=$early columns='at TIMESTAMP(3), dimension STRING, uv BIGINT, total BIGINT, latest STRING'
travel "early fire, distinct counts" "$in_order" "SELECT TUMBLE_ROWTIME(t, INTERVAL '5' MINUTE), dimension,
  COUNT(DISTINCT id), SUM(n), MAX(id) FROM person GROUP BY TUMBLE(t, INTERVAL '5' MINUTE), dimension"

columns='at TIMESTAMP(3), dimension STRING, total BIGINT, low STRING, mean DOUBLE, some BIGINT'
settings="$early $late SET 'table.exec.emit.late-fire.delay' = '30 ms';"
travel "late rows, two phases" "$disordered" "SELECT HOP_START(t, INTERVAL '3' MINUTE, INTERVAL '9' MINUTE),
  dimension, SUM(n), MIN(NULLIF(id, 'd00000')), AVG(CAST(n AS DOUBLE)), SUM(NULLIF(n, n / 3 * 3))
  FROM person GROUP BY HOP(t, INTERVAL '3' MINUTE, INTERVAL '9' MINUTE), dimension"

columns='at TIMESTAMP(3), dimension STRING, uv BIGINT'
settings="SET 'table.exec.emit.early-fire.enabled' = 'true'; SET 'table.exec.emit.early-fire.delay' = '0 ms';
$late SET 'table.exec.emit.late-fire.delay' = '0 ms';"
travel "each row fires" "$disordered" "SELECT TUMBLE_START(t, INTERVAL '6' MINUTE), dimension,
  COUNT(DISTINCT id) FROM person WHERE n < 60000 GROUP BY TUMBLE(t, INTERVAL '6' MINUTE), dimension"

# Only the first row has no watermark, also behind a restore.
# Between two checkpoints each source has given rows, so all of them have a watermark by then.
settings='' result=rows format=csv columns='n BIGINT, has STRING' settled=2
travel "CURRENT_WATERMARK" "$in_order" "SELECT n,
  CASE WHEN CURRENT_WATERMARK(t) IS NULL THEN 'no' ELSE 'yes' END FROM person WHERE MOD(n, 7) < 6"
[ "$(grep -c no "$dir/want")" = 1 ] || bad "$(grep -c no "$dir/want") rows before the first watermark"
finish
