#!/bin/sh
# metrics.sh: the metrics endpoint: what it serves is Prometheus' text format, counters grow, a dead server is
# replaced, a dead supervisor takes it along; an address that cannot be had is an error before the start.
set -eu
# shellcheck disable=SC2034 # watched.inc reads it
name=metrics
# shellcheck source=/dev/null
. "$(dirname "$0")/watched.inc"
weir=${weir:?} job=${job:?}
cat >metrics.sql <<'SQL'
SET 'metrics.latency.interval' = '2 ms';
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH (
  'connector' = 'datagen', 'rows-per-second' = '20000', 'fields.k.min' = '0',
  'fields.k.max' = '500', 'fields.at.start' = '2024-01-01');
CREATE TABLE result (k BIGINT, w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO result SELECT k, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
config metrics.sql >metrics.yaml
end_job
python3 "${driver:?}" "$weir" "$job"
