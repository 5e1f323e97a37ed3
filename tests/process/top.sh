#!/bin/sh
# top.sh: `weir top` shows a job that runs, one whose supervisor is dead, one of which nothing lives; as text, as
# JSON, on a terminal.
set -eu
# shellcheck disable=SC2034 # watched.inc reads it
name=top
# shellcheck source=/dev/null
. "$(dirname "$0")/watched.inc"
weir=${weir:?} job=${job:?}
cat >top.sql <<'SQL'
CREATE TABLE src (k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at - INTERVAL '1' SECOND) WITH (
  'connector' = 'datagen', 'rows-per-second' = '20000', 'fields.k.min' = '0',
  'fields.k.max' = '500', 'fields.at.start' = '2024-01-01');
CREATE TABLE result (k BIGINT, w TIMESTAMP(3), c BIGINT) WITH ('connector' = 'blackhole');
INSERT INTO result SELECT k, window_start, COUNT(*)
FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND)) GROUP BY k, window_start, window_end;
SQL
config top.sql >top.yaml
end_job
python3 "${driver:?}" "$weir" "$job"
