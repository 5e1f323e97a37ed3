-- TIMESTAMP_LTZ: windows in table.local-time-zone, days on which clocks change, times before 1970.
-- Not here: window functions whose points are not on whole UTC hours (Kolkata; half hours of the hour
-- that comes twice). There Flink fires a window before the rows that it buffers reach it, and loses
-- them. Nor rows before 1970 that are late: Flink's watermarks begin at 1970. The model in
-- tests/golden/reference answers these.
CREATE TABLE r (id STRING, k STRING, i INT, ts TIMESTAMP(3), lt TIMESTAMP_LTZ(3),
  WATERMARK FOR lt AS lt - INTERVAL '5' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
CREATE TABLE spring (id STRING, k STRING, i INT, ts TIMESTAMP(3), lt TIMESTAMP_LTZ(3),
  WATERMARK FOR lt AS lt - INTERVAL '5' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/paris_spring.json', 'format' = 'json');
CREATE TABLE autumn (id STRING, k STRING, i INT, ts TIMESTAMP(3), lt TIMESTAMP_LTZ(3),
  WATERMARK FOR lt AS lt - INTERVAL '5' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/paris_autumn.json', 'format' = 'json');
CREATE TABLE past (id STRING, k STRING, i INT, ts TIMESTAMP(3), lt TIMESTAMP_LTZ(3),
  WATERMARK FOR ts AS ts - INTERVAL '1' HOUR)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/old.json', 'format' = 'json');
CREATE TABLE pastz (id STRING, k STRING, i INT, ts TIMESTAMP(3), lt TIMESTAMP_LTZ(3),
  WATERMARK FOR lt AS lt - INTERVAL '1' HOUR)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/old.json', 'format' = 'json');
-- case tumble_day_utc
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_day_shanghai
SET 'table.local-time-zone' = 'Asia/Shanghai';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_day_plus530
SET 'table.local-time-zone' = 'GMT+05:30';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_day_gmt
SET 'table.local-time-zone' = 'GMT-08:00';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_day_kolkata
SET 'table.local-time-zone' = 'Asia/Kolkata';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case legacy_day_shanghai
SET 'table.local-time-zone' = 'Asia/Shanghai';
SELECT TUMBLE_START(lt, INTERVAL '1' DAY), TUMBLE_END(lt, INTERVAL '1' DAY), TUMBLE_ROWTIME(lt, INTERVAL '1' DAY), k, COUNT(*) FROM r GROUP BY TUMBLE(lt, INTERVAL '1' DAY), k;
-- case legacy_hour_kolkata
SET 'table.local-time-zone' = 'Asia/Kolkata';
SELECT TUMBLE_START(lt, INTERVAL '1' HOUR), TUMBLE_END(lt, INTERVAL '1' HOUR), TUMBLE_ROWTIME(lt, INTERVAL '1' HOUR), k, COUNT(*) FROM r GROUP BY TUMBLE(lt, INTERVAL '1' HOUR), k;
-- case hop_shanghai
SET 'table.local-time-zone' = 'Asia/Shanghai';
SELECT window_start, window_end, window_time, COUNT(*) FROM TABLE(HOP(TABLE r, DESCRIPTOR(lt), INTERVAL '1' HOUR, INTERVAL '4' HOUR)) GROUP BY window_start, window_end, window_time;
-- case cumulate_shanghai
SET 'table.local-time-zone' = 'Asia/Shanghai';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(lt), INTERVAL '2' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_day_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE spring, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_hour_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE spring, DESCRIPTOR(lt), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
-- case tumble_halfhour_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE spring, DESCRIPTOR(lt), INTERVAL '30' MINUTE)) GROUP BY window_start, window_end, window_time;
-- case tumble_three_hours_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE spring, DESCRIPTOR(lt), INTERVAL '3' HOUR)) GROUP BY window_start, window_end, window_time;
-- case tumble_offset_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE spring, DESCRIPTOR(lt), INTERVAL '1' DAY, INTERVAL '2' HOUR)) GROUP BY window_start, window_end, window_time;
-- case legacy_day_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT TUMBLE_START(lt, INTERVAL '1' DAY), TUMBLE_END(lt, INTERVAL '1' DAY), TUMBLE_ROWTIME(lt, INTERVAL '1' DAY), k, COUNT(*) FROM spring GROUP BY TUMBLE(lt, INTERVAL '1' DAY), k;
-- case legacy_hour_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT TUMBLE_START(lt, INTERVAL '1' HOUR), TUMBLE_END(lt, INTERVAL '1' HOUR), TUMBLE_ROWTIME(lt, INTERVAL '1' HOUR), k, COUNT(*) FROM spring GROUP BY TUMBLE(lt, INTERVAL '1' HOUR), k;
-- case hop_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(HOP(TABLE spring, DESCRIPTOR(lt), INTERVAL '1' HOUR, INTERVAL '2' HOUR)) GROUP BY window_start, window_end, window_time;
-- case cumulate_paris_spring
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(CUMULATE(TABLE spring, DESCRIPTOR(lt), INTERVAL '1' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_day_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE autumn, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_hour_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE autumn, DESCRIPTOR(lt), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
-- case tumble_three_hours_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE autumn, DESCRIPTOR(lt), INTERVAL '3' HOUR)) GROUP BY window_start, window_end, window_time;
-- case tumble_offset_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE autumn, DESCRIPTOR(lt), INTERVAL '1' DAY, INTERVAL '2' HOUR)) GROUP BY window_start, window_end, window_time;
-- case legacy_day_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT TUMBLE_START(lt, INTERVAL '1' DAY), TUMBLE_END(lt, INTERVAL '1' DAY), TUMBLE_ROWTIME(lt, INTERVAL '1' DAY), k, COUNT(*) FROM autumn GROUP BY TUMBLE(lt, INTERVAL '1' DAY), k;
-- case legacy_hour_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT TUMBLE_START(lt, INTERVAL '1' HOUR), TUMBLE_END(lt, INTERVAL '1' HOUR), TUMBLE_ROWTIME(lt, INTERVAL '1' HOUR), k, COUNT(*) FROM autumn GROUP BY TUMBLE(lt, INTERVAL '1' HOUR), k;
-- case hop_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(HOP(TABLE autumn, DESCRIPTOR(lt), INTERVAL '1' HOUR, INTERVAL '2' HOUR)) GROUP BY window_start, window_end, window_time;
-- case cumulate_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(CUMULATE(TABLE autumn, DESCRIPTOR(lt), INTERVAL '1' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case tumble_hour_lord_howe
SET 'table.local-time-zone' = 'Australia/Lord_Howe';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE autumn, DESCRIPTOR(lt), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
-- case tumble_day_new_york
SET 'table.local-time-zone' = 'America/New_York';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE spring, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case legacy_hop_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT HOP_START(lt, INTERVAL '1' HOUR, INTERVAL '3' HOUR), HOP_END(lt, INTERVAL '1' HOUR, INTERVAL '3' HOUR), HOP_ROWTIME(lt, INTERVAL '1' HOUR, INTERVAL '3' HOUR), COUNT(*) FROM autumn GROUP BY HOP(lt, INTERVAL '1' HOUR, INTERVAL '3' HOUR);
-- case early_paris_autumn
SET 'table.local-time-zone' = 'Europe/Paris';
-- compare: exact
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
SELECT TUMBLE_START(lt, INTERVAL '1' DAY), COUNT(*), SUM(i) FROM autumn GROUP BY TUMBLE(lt, INTERVAL '1' DAY);
-- case window_over_window_paris
SET 'table.local-time-zone' = 'Europe/Paris';
CREATE VIEW w AS SELECT window_time AS wt, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE autumn, DESCRIPTOR(lt), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time, k;
SELECT window_start, window_end, SUM(n) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(wt), INTERVAL '1' DAY)) GROUP BY window_start, window_end;
-- case old_hour
SELECT window_start, window_end, k, COUNT(*), MIN(ts) FROM TABLE(TUMBLE(TABLE past, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, k;
-- case old_odd
SELECT TUMBLE_START(ts, INTERVAL '7' MINUTE), COUNT(*) FROM past GROUP BY TUMBLE(ts, INTERVAL '7' MINUTE);
-- case old_day
SELECT TUMBLE_START(ts, INTERVAL '1' DAY), TUMBLE_ROWTIME(ts, INTERVAL '1' DAY), COUNT(*) FROM past GROUP BY TUMBLE(ts, INTERVAL '1' DAY);
-- case old_hop
SELECT window_start, window_end, COUNT(*) FROM TABLE(HOP(TABLE past, DESCRIPTOR(ts), INTERVAL '20' MINUTE, INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case old_cumulate
SELECT window_start, window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE past, DESCRIPTOR(ts), INTERVAL '20' MINUTE, INTERVAL '3' HOUR)) GROUP BY window_start, window_end;
-- case old_shanghai
SET 'table.local-time-zone' = 'Asia/Shanghai';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE pastz, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
-- case old_projection
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT lt, CAST(lt AS STRING), CAST(lt AS TIMESTAMP(3)), DATE_FORMAT(lt, 'yyyy-MM-dd HH:mm:ss'), CAST(ts AS TIMESTAMP_LTZ(3)) FROM pastz WHERE i = 7;
-- case times_paris
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT HOUR(lt), CAST(lt AS DATE), FLOOR(lt TO HOUR), lt + INTERVAL '1' DAY, DATE_FORMAT(lt, 'HH:mm'), TIMESTAMPDIFF(HOUR, lt, CAST(ts AS TIMESTAMP_LTZ(3))) FROM autumn WHERE i > 0;
-- case to_timestamp_ltz_text
SET 'table.local-time-zone' = 'Europe/Paris';
SELECT TO_TIMESTAMP_LTZ(1364691600000, 3), CAST(TIMESTAMP '2013-03-31 02:30:00' AS TIMESTAMP_LTZ(3)), CAST(TIMESTAMP '2013-10-27 02:30:00' AS TIMESTAMP_LTZ(3)) FROM r WHERE i = 40;
-- case unknown_zone
SET 'table.local-time-zone' = 'Europe/Pariss';
SELECT window_start, window_end, window_time, COUNT(*), COUNT(DISTINCT id), MIN(lt), MAX(lt) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(lt), INTERVAL '1' DAY)) GROUP BY window_start, window_end, window_time;
