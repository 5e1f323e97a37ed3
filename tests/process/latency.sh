#!/bin/sh
# latency.sh: latency markers reach every task, through each kind of exchange and past windows, whatever is killed;
# they lose no row, and no latency is negative. [SEED=n] latency.sh
set -eu
# shellcheck disable=SC2034 # watched.inc reads it
name=latency seed=${SEED:-$(date +%s)}
# shellcheck source=/dev/null
. "$(dirname "$0")/watched.inc"
weir=${weir:?} job=${job:?}
echo "SEED=$seed"

# job NAME PARALLELISM AGGREGATE ROWS SETTING
job() {
    cat >"$1.sql" <<SQL
SET 'parallelism.default' = '$2';
$5
CREATE TABLE src (k BIGINT, id BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH (
  'connector' = 'datagen', 'rows-per-second' = '100000', 'number-of-rows' = '$4', 'fields.k.min' = '0',
  'fields.k.max' = '500', 'fields.id.min' = '0', 'fields.id.max' = '5000', 'fields.at.start' = '2024-01-01');
CREATE TABLE result (k BIGINT, w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out',
  'format' = 'csv');
INSERT INTO result SELECT k, window_start, $3
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
    printf 'job: %s\nsql: %s.sql\nmemory: {state: 16MiB, reserve: 0%%}\nplacement: {cores: 4}\n%s\n' \
        "$job" "$1" 'checkpoint: {interval: 300ms, dir: ./chk}' >"$1.yaml"
}
job distinct 4 'COUNT(DISTINCT id)' 250000 '' # hash, 4 to 4, then 4 to 1
job phases 4 'COUNT(*)' 200000 "SET 'metrics.latency.interval' = '3 ms';"
job off 4 'COUNT(*)' 60000 "SET 'metrics.latency.interval' = '0';"
end_job
# A source that may be idle, on two cores: one task reads, the other aggregates, a forward exchange between them.
for i in 1 2 3 4 5 6 7 8; do
    seq -f "{\"id\":\"$i-%g\",\"at\":\"2024-01-01 00:00:0$i\"}" 5000
done >rows.json
cat >forward.sql <<SQL
SET 'table.exec.source.idle-timeout' = '1 s';
CREATE TABLE src (id STRING, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH (
  'connector' = 'filesystem', 'path' = 'rows.json', 'format' = 'json', 'source.monitor-interval' = '100ms');
CREATE TABLE result (w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv');
INSERT INTO result SELECT window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY id, window_start, window_end;
SQL
printf 'job: %s\nsql: forward.sql\nmemory: {state: 16MiB, reserve: 0%%}\nplacement: {cores: 2}\n%s\n' \
    "$job" 'checkpoint: {interval: none}' >forward.yaml
python3 "${driver:?}" "$weir" "$seed"
