-- Further corners: filters on windows, windows over unions and windows, precision, far times, watermarks.
CREATE TABLE r (id STRING, k STRING, i INT, l BIGINT, d DOUBLE, b BOOLEAN, s STRING, dt DATE, ts TIMESTAMP(3),
  lt TIMESTAMP_LTZ(3), ms BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
CREATE TABLE calm (id STRING, k STRING, i INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' HOUR)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
CREATE TABLE far (k STRING, i INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/far.json', 'format' = 'json');
-- case where_window_start
SELECT window_start, k, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) WHERE window_start >= TIMESTAMP '2013-05-17 00:00:00' GROUP BY window_start, window_end, k;
-- case where_window_end_and_row
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) WHERE window_end < TIMESTAMP '2013-05-17 06:00:00' AND i > 0 GROUP BY window_start, window_end;
-- case having_window_start
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end HAVING window_start < TIMESTAMP '2013-05-17 00:00:00';
-- case derived_passes_windows
SELECT window_start, window_end, COUNT(*) FROM (SELECT k, window_start, window_end FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) WHERE k = 'a') GROUP BY window_start, window_end;
-- case derived_renames_windows
SELECT ws, we, COUNT(*) FROM (SELECT k, window_start AS ws, window_end AS we FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR))) GROUP BY ws, we;
-- case view_of_tvf
CREATE VIEW v AS SELECT * FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR));
SELECT window_start, window_end, MAX(i) FROM v GROUP BY window_start, window_end;
-- case key_is_window_expression
SELECT DATE_FORMAT(window_start, 'HH'), COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, DATE_FORMAT(window_start, 'HH');
-- case aggregate_of_window_column
-- refused: cannot be used in an aggregate before its GROUP BY
SELECT window_start, MAX(window_end), COUNT(DISTINCT window_start) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case where_after_derived
SELECT * FROM (SELECT window_start, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k) WHERE n > 3 AND k IS NOT NULL;
-- case count_distinct_two_args
SELECT window_start, COUNT(DISTINCT id, k) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case count_two_args
SELECT window_start, COUNT(id, k) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case union_into_window
-- refused: UNION ALL inside a query is not supported yet
CREATE VIEW v AS SELECT id, ts FROM calm WHERE k = 'a' UNION ALL SELECT id, ts FROM calm WHERE k = 'b';
SELECT window_start, COUNT(*), COUNT(DISTINCT id) FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case union_of_windows
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE calm, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end UNION ALL SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE calm, DESCRIPTOR(ts), INTERVAL '8' HOUR)) GROUP BY window_start, window_end;
-- case union_distinct
-- refused: UNION is not supported yet
SELECT k FROM r UNION SELECT s FROM r;
-- case values_alone
SELECT a + 1, b FROM (VALUES (1, 'x'), (2, 'y')) AS t (a, b);
-- case select_one
SELECT 1 + 1 AS two, 'x' || 'y';
-- case distinct_with_window
SELECT DISTINCT window_start, window_end, k FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) WHERE i > 0;
-- case hop_over_tumble_legacy
SELECT HOP_START(rt, INTERVAL '1' HOUR, INTERVAL '2' HOUR), SUM(n) FROM (SELECT TUMBLE_ROWTIME(ts, INTERVAL '20' MINUTE) AS rt, COUNT(*) AS n FROM r GROUP BY TUMBLE(ts, INTERVAL '20' MINUTE)) GROUP BY HOP(rt, INTERVAL '1' HOUR, INTERVAL '2' HOUR);
-- case tvf_over_legacy
CREATE VIEW v AS SELECT TUMBLE_ROWTIME(ts, INTERVAL '20' MINUTE) AS rt, k, COUNT(DISTINCT id) AS u FROM r GROUP BY TUMBLE(ts, INTERVAL '20' MINUTE), k;
SELECT window_start, window_end, k, MAX(u) FROM TABLE(CUMULATE(TABLE v, DESCRIPTOR(rt), INTERVAL '1' HOUR, INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case legacy_over_tvf
CREATE VIEW v AS SELECT window_time AS rt, k, COUNT(*) AS n FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '20' MINUTE)) GROUP BY window_start, window_end, window_time, k;
SELECT TUMBLE_END(rt, INTERVAL '2' HOUR), k, SUM(n) FROM v GROUP BY TUMBLE(rt, INTERVAL '2' HOUR), k;
-- case three_levels
CREATE VIEW a AS SELECT window_time AS t1, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' MINUTE)) GROUP BY window_start, window_end, window_time;
CREATE VIEW b AS SELECT window_time AS t2, SUM(n) AS n FROM TABLE(TUMBLE(TABLE a, DESCRIPTOR(t1), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
SELECT window_start, SUM(n), COUNT(*) FROM TABLE(TUMBLE(TABLE b, DESCRIPTOR(t2), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case precision_zero
CREATE TABLE t (ts TIMESTAMP(0), i INT, WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT TUMBLE_START(ts, INTERVAL '4' HOUR), COUNT(*), MAX(ts) FROM t GROUP BY TUMBLE(ts, INTERVAL '4' HOUR);
-- case far_day
SELECT window_start, window_end, window_time, k, COUNT(*), MIN(ts) FROM TABLE(TUMBLE(TABLE far, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time, k;
-- case far_odd
SELECT TUMBLE_START(ts, INTERVAL '7' DAY), SUM(i) FROM far GROUP BY TUMBLE(ts, INTERVAL '7' DAY);
-- case far_hop
SELECT window_start, window_end, SUM(i) FROM TABLE(HOP(TABLE far, DESCRIPTOR(ts), INTERVAL '1' DAY, INTERVAL '2' DAY)) GROUP BY window_start, window_end;
-- case far_functions
SELECT EXTRACT(YEAR FROM ts), DAYOFWEEK(ts), FLOOR(ts TO MONTH), CAST(ts AS STRING), DATE_FORMAT(ts, 'yyyy-MM-dd HH:mm:ss.SSS'), CAST(ts AS DATE) FROM far WHERE i > 4;
-- case watermark_ahead
CREATE TABLE t (ts TIMESTAMP(3), i INT, WATERMARK FOR ts AS ts + INTERVAL '5' MINUTE) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
-- case watermark_constant
CREATE TABLE t (ts TIMESTAMP(3), i INT, WATERMARK FOR ts AS TIMESTAMP '2013-05-17 02:00:00') WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case watermark_exactly_end
CREATE TABLE t (i INT, ms BIGINT, ts AS TO_TIMESTAMP(FROM_UNIXTIME(ms / 1000 / 60 * 60)), WATERMARK FOR ts AS ts - INTERVAL '0.001' SECOND) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '3' MINUTE)) GROUP BY window_start, window_end;
-- case interval_variants
SELECT TUMBLE_START(ts, INTERVAL '1 12' DAY TO HOUR), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '1 12' DAY TO HOUR);
-- case early_cumulate_like
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
SELECT TUMBLE_END(ts, INTERVAL '12' HOUR), k, MIN(d), MAX(dt), AVG(l), COUNT(b) FROM r WHERE k IN ('a', 'b') GROUP BY TUMBLE(ts, INTERVAL '12' HOUR), k;
-- case early_nulls
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
SELECT TUMBLE_END(ts, INTERVAL '12' HOUR), SUM(i) FILTER (WHERE k = 'a'), MAX(s) FILTER (WHERE b), COUNT(DISTINCT id) FILTER (WHERE k = 'b') FROM r GROUP BY TUMBLE(ts, INTERVAL '12' HOUR);
-- case early_projection_equal
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
SELECT TUMBLE_END(ts, INTERVAL '12' HOUR), COUNT(*) / 10 FROM r GROUP BY TUMBLE(ts, INTERVAL '12' HOUR);
-- case early_where_on_result
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
SELECT w, n FROM (SELECT TUMBLE_END(ts, INTERVAL '12' HOUR) AS w, COUNT(*) AS n, MAX(i) AS m FROM r GROUP BY TUMBLE(ts, INTERVAL '12' HOUR)) WHERE MOD(n, 10) = 0;
-- case early_no_group
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
SELECT k, i FROM r WHERE i = 7;
