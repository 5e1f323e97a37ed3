-- GROUP BY TUMBLE and HOP with their auxiliary functions; early and late fires.
CREATE TABLE r (id STRING, k STRING, i INT, l BIGINT, d DOUBLE, b BOOLEAN, s STRING, dt DATE, ts TIMESTAMP(3),
  lt TIMESTAMP_LTZ(3), ms BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
-- case tumble
SELECT TUMBLE_START(ts, INTERVAL '1' HOUR), TUMBLE_END(ts, INTERVAL '1' HOUR), TUMBLE_ROWTIME(ts, INTERVAL '1' HOUR), k, COUNT(*), COUNT(DISTINCT id) FROM r GROUP BY TUMBLE(ts, INTERVAL '1' HOUR), k;
-- case uv
SELECT TUMBLE_ROWTIME(ts, interval '1' day) AS rowtime, k, COUNT(DISTINCT id) AS uv FROM r GROUP BY TUMBLE(ts, interval '1' day), k;
-- case tumble_lower_case
select tumble_start(ts, interval '2' hour) as w, count(*) as n from r group by tumble(ts, interval '2' hour);
-- case tumble_no_properties
SELECT COUNT(*), SUM(i) FROM r GROUP BY TUMBLE(ts, INTERVAL '1' HOUR);
-- case tumble_odd_size
SELECT TUMBLE_START(ts, INTERVAL '7' MINUTE), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '7' MINUTE);
-- case tumble_having
SELECT TUMBLE_START(ts, INTERVAL '1' HOUR) AS w, k FROM r GROUP BY k, TUMBLE(ts, INTERVAL '1' HOUR) HAVING COUNT(*) > 2 OR MAX(i) = 7;
-- case tumble_where
SELECT TUMBLE_END(ts, INTERVAL '1' HOUR), COUNT(*) FROM r WHERE i BETWEEN 1 AND 50 AND s IS NOT NULL GROUP BY TUMBLE(ts, INTERVAL '1' HOUR);
-- case hop
SELECT HOP_START(ts, INTERVAL '30' MINUTE, INTERVAL '2' HOUR), HOP_END(ts, INTERVAL '30' MINUTE, INTERVAL '2' HOUR), HOP_ROWTIME(ts, INTERVAL '30' MINUTE, INTERVAL '2' HOUR), k, COUNT(*), COUNT(DISTINCT id) FROM r GROUP BY HOP(ts, INTERVAL '30' MINUTE, INTERVAL '2' HOUR), k;
-- case hop_undivided
SELECT HOP_START(ts, INTERVAL '25' MINUTE, INTERVAL '1' HOUR), COUNT(*), SUM(i) FROM r GROUP BY HOP(ts, INTERVAL '25' MINUTE, INTERVAL '1' HOUR);
-- case hop_gap
SELECT HOP_START(ts, INTERVAL '3' HOUR, INTERVAL '1' HOUR), COUNT(*) FROM r GROUP BY HOP(ts, INTERVAL '3' HOUR, INTERVAL '1' HOUR);
-- case hop_equal
SELECT HOP_START(ts, INTERVAL '1' HOUR, INTERVAL '1' HOUR), COUNT(*) FROM r GROUP BY HOP(ts, INTERVAL '1' HOUR, INTERVAL '1' HOUR);
-- case hop_late
SELECT HOP_START(ts, INTERVAL '2' MINUTE, INTERVAL '5' MINUTE), COUNT(*) FROM r GROUP BY HOP(ts, INTERVAL '2' MINUTE, INTERVAL '5' MINUTE);
-- case auxiliary_in_expression
SELECT DATE_FORMAT(TUMBLE_START(ts, INTERVAL '1' HOUR), 'HH:mm') AS w, CONCAT('n=', CAST(COUNT(*) AS STRING)) FROM r GROUP BY TUMBLE(ts, INTERVAL '1' HOUR);
-- case filter
SELECT TUMBLE_START(ts, INTERVAL '4' HOUR), COUNT(*) FILTER (WHERE b), COUNT(DISTINCT id) FILTER (WHERE i > 0), MAX(s) FILTER (WHERE k = 'a'), AVG(i) FILTER (WHERE FALSE) FROM r GROUP BY TUMBLE(ts, INTERVAL '4' HOUR);
-- case tumble_month
SELECT TUMBLE_START(ts, INTERVAL '1' MONTH), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '1' MONTH);
-- case early_row
-- compare: exact
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 ms';
SELECT TUMBLE_START(ts, INTERVAL '4' HOUR), COUNT(*), COUNT(DISTINCT id), SUM(i), MAX(s) FROM r GROUP BY TUMBLE(ts, INTERVAL '4' HOUR);
-- case early_row_keyed
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 ms';
SELECT TUMBLE_ROWTIME(ts, INTERVAL '1' DAY), k, COUNT(DISTINCT id) AS uv FROM r GROUP BY TUMBLE(ts, INTERVAL '1' DAY), k;
-- case early_row_having
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 ms';
SELECT TUMBLE_START(ts, INTERVAL '4' HOUR), COUNT(DISTINCT id) AS uv, SUM(i) FROM r GROUP BY TUMBLE(ts, INTERVAL '4' HOUR) HAVING SUM(i) > 0;
-- case early_minute
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '60s';
SELECT TUMBLE_ROWTIME(ts, interval '1' day) AS rowtime, k, COUNT(DISTINCT id) AS uv FROM r GROUP BY TUMBLE(ts, interval '1' day), k;
-- case early_hop
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 ms';
SELECT HOP_START(ts, INTERVAL '2' HOUR, INTERVAL '4' HOUR), COUNT(*) FROM r GROUP BY HOP(ts, INTERVAL '2' HOUR, INTERVAL '4' HOUR);
-- case late_row
SET 'table.exec.emit.late-fire.enabled' = 'true';
SET 'table.exec.emit.late-fire.delay' = '0 ms';
SET 'table.exec.emit.allow-lateness' = '5 min';
SELECT TUMBLE_START(ts, INTERVAL '10' MINUTE), COUNT(*), SUM(i) FROM r GROUP BY TUMBLE(ts, INTERVAL '10' MINUTE);
-- case late_row_keyed
SET 'table.exec.emit.late-fire.enabled' = 'true';
SET 'table.exec.emit.late-fire.delay' = '0 ms';
SET 'table.exec.emit.allow-lateness' = '15 min';
SELECT TUMBLE_START(ts, INTERVAL '30' MINUTE), k, COUNT(DISTINCT id), MIN(s) FROM r GROUP BY TUMBLE(ts, INTERVAL '30' MINUTE), k;
-- case late_row_hop
SET 'table.exec.emit.late-fire.enabled' = 'true';
SET 'table.exec.emit.late-fire.delay' = '0 ms';
SET 'table.exec.emit.allow-lateness' = '15 min';
SELECT HOP_START(ts, INTERVAL '15' MINUTE, INTERVAL '30' MINUTE), COUNT(*) FROM r GROUP BY HOP(ts, INTERVAL '15' MINUTE, INTERVAL '30' MINUTE);
-- case early_and_late_row
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 ms';
SET 'table.exec.emit.late-fire.enabled' = 'true';
SET 'table.exec.emit.late-fire.delay' = '0 ms';
SET 'table.exec.emit.allow-lateness' = '15 min';
SELECT TUMBLE_START(ts, INTERVAL '30' MINUTE), COUNT(*), SUM(i) FROM r GROUP BY TUMBLE(ts, INTERVAL '30' MINUTE);
-- case lateness_without_late_fire
SET 'table.exec.emit.allow-lateness' = '15 min';
SELECT TUMBLE_START(ts, INTERVAL '10' MINUTE), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '10' MINUTE);
-- case late_without_lateness
SET 'table.exec.emit.late-fire.enabled' = 'true';
SET 'table.exec.emit.late-fire.delay' = '0 ms';
SELECT TUMBLE_START(ts, INTERVAL '10' MINUTE), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '10' MINUTE);
-- case late_shorter_than_delay
SET 'table.exec.emit.late-fire.enabled' = 'true';
SET 'table.exec.emit.late-fire.delay' = '10 min';
SET 'table.exec.emit.allow-lateness' = '5 min';
SELECT TUMBLE_START(ts, INTERVAL '10' MINUTE), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '10' MINUTE);
-- case early_with_lateness_only
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 ms';
SET 'table.exec.emit.allow-lateness' = '15 min';
SELECT TUMBLE_START(ts, INTERVAL '30' MINUTE), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '30' MINUTE);
-- case early_without_delay
SET 'table.exec.emit.early-fire.enabled' = 'true';
SELECT TUMBLE_START(ts, INTERVAL '8' HOUR), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '8' HOUR);
-- case wrong_auxiliary
SELECT TUMBLE_START(ts, INTERVAL '2' HOUR), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '4' HOUR);
