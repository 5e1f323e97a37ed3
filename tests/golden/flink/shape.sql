-- Shapes of queries: projections, filters, views, derived tables, windows over windows, sets.
CREATE TABLE r (id STRING, k STRING, i INT, l BIGINT, d DOUBLE, b BOOLEAN, s STRING, dt DATE, ts TIMESTAMP(3),
  lt TIMESTAMP_LTZ(3), ms BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
-- case projection
SELECT id, i + 1, l - 1, d * 2, NOT b, UPPER(s), dt, ts, ms FROM r WHERE i > 0;
-- case projection_lt
SELECT id, lt, CAST(lt AS TIMESTAMP(3)), CAST(ts AS TIMESTAMP_LTZ(3)) FROM r WHERE k = 'a';
-- case star
SELECT * FROM r WHERE i = 7;
-- case table_star
SELECT x.*, x.i * 2 AS twice FROM r AS x WHERE x.k = 'b' AND x.b;
-- case in_list
SELECT id, k FROM r WHERE k IN ('a', 'b') AND id NOT IN ('u1', 'u2') AND i IN (1, 7, 40);
-- case like
SELECT s FROM r WHERE s LIKE '%p_l%' OR s LIKE 'f%' AND i > 0;
-- case between
SELECT i FROM r WHERE i NOT BETWEEN 0 AND 10 AND ts BETWEEN TIMESTAMP '2013-05-16 21:00:00' AND TIMESTAMP '2013-05-17 01:00:00';
-- case case_when
SELECT CASE k WHEN 'a' THEN 'A' WHEN 'b' THEN 'B' ELSE 'other' END, CASE WHEN i IS NULL THEN -1 WHEN i > 5 THEN 1 ELSE 0 END FROM r;
-- case three_valued
SELECT b AND i > 0, b OR i > 0, NOT b, b IS TRUE, b IS NOT FALSE, b IS UNKNOWN, k = id, k IS DISTINCT FROM id FROM r;
-- case coalesce
SELECT COALESCE(k, id, 'none'), IFNULL(i, 0), NULLIF(s, '') FROM r;
-- case cast
SELECT CAST(i AS STRING), CAST(i AS BIGINT), CAST(l AS DOUBLE), CAST(b AS STRING), CAST(ts AS DATE), CAST(dt AS TIMESTAMP(3)), CAST(ts AS STRING), CAST(d AS STRING), TRY_CAST(s AS INT) FROM r;
-- case cast_lt
SELECT CAST(lt AS STRING), CAST(lt AS DATE), CAST(d AS BIGINT) FROM r WHERE d < 100;
-- case strings
SELECT CHAR_LENGTH(s), LOWER(s), SUBSTRING(s, 2), SUBSTRING(s FROM 2 FOR 2), TRIM(s), s || '-' || id, REPLACE(s, 'p', 'P'), POSITION('p' IN s), LPAD(s, 7, '*') FROM r;
-- case times
SELECT EXTRACT(HOUR FROM ts), YEAR(dt), MONTH(dt), DAYOFWEEK(dt), FLOOR(ts TO HOUR), CEIL(ts TO DAY), ts + INTERVAL '1' DAY, TIMESTAMPDIFF(MINUTE, ts, TIMESTAMP '2013-05-17 00:00:00'), DATE_FORMAT(ts, 'yyyyMMdd-HH') FROM r;
-- case interval_arithmetic
SELECT ts - INTERVAL '90' SECOND, dt + INTERVAL '1' MONTH, ts + INTERVAL '1-2' YEAR TO MONTH, ts - INTERVAL '1 02:03:04.005' DAY TO SECOND FROM r;
-- case constants
SELECT 1, 'x', TRUE, DATE '2013-05-16', TIMESTAMP '2013-05-16 01:02:03.004', CAST(NULL AS INT), 1e3, -7 FROM r WHERE i = 40;
-- case constants_alias_quoted
SELECT i AS `order`, k AS `a b` FROM r WHERE `r`.`i` = 40;
-- case view
CREATE TEMPORARY VIEW v AS SELECT id, UPPER(k) AS k, i, ts FROM r WHERE i IS NOT NULL;
SELECT window_start, k, SUM(i), COUNT(DISTINCT id) FROM TABLE(TUMBLE(TABLE v, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case view_columns
CREATE VIEW v (who, what, t) AS SELECT id, k, ts FROM r;
SELECT TUMBLE_START(t, INTERVAL '4' HOUR), what, COUNT(DISTINCT who) FROM v GROUP BY TUMBLE(t, INTERVAL '4' HOUR), what;
-- case view_of_view
CREATE VIEW v1 AS SELECT * FROM r WHERE k = 'a';
CREATE VIEW v2 AS SELECT i * 2 AS i2, ts FROM v1 WHERE i < 100;
SELECT window_end, SUM(i2) FROM TABLE(TUMBLE(TABLE v2, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case view_of_windows
CREATE VIEW w AS SELECT window_start AS ws, window_end AS we, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
SELECT ws, k, n FROM w WHERE n > 5;
-- case derived
SELECT k2, n * 2 FROM (SELECT CONCAT(k, '!') AS k2, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k) WHERE n > 3;
-- case derived_legacy
SELECT TUMBLE_END(ts, INTERVAL '4' HOUR), kk, MAX(j) FROM (SELECT ts, COALESCE(k, '?') AS kk, i + 1 AS j FROM r WHERE b) AS x GROUP BY TUMBLE(ts, INTERVAL '4' HOUR), kk;
-- case with_query
WITH x AS (SELECT id, ts FROM r WHERE b), y AS (SELECT * FROM x WHERE id > 'u3') SELECT window_start, COUNT(DISTINCT id) FROM TABLE(TUMBLE(TABLE y, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case window_over_window_legacy
CREATE VIEW w AS SELECT TUMBLE_ROWTIME(ts, INTERVAL '30' MINUTE) AS rt, k, COUNT(*) AS n FROM r GROUP BY TUMBLE(ts, INTERVAL '30' MINUTE), k;
SELECT TUMBLE_START(rt, INTERVAL '2' HOUR), SUM(n), COUNT(DISTINCT k) FROM w GROUP BY TUMBLE(rt, INTERVAL '2' HOUR);
-- case window_over_window_tvf
CREATE VIEW w AS SELECT window_time AS wt, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '30' MINUTE)) GROUP BY window_start, window_end, window_time, k;
SELECT window_start, window_end, SUM(n), MAX(n) FROM TABLE(TUMBLE(TABLE w, DESCRIPTOR(wt), INTERVAL '2' HOUR)) GROUP BY window_start, window_end;
-- case window_over_window_names
CREATE VIEW w AS SELECT window_start AS s1, window_end AS e1, window_time AS wt, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '30' MINUTE)) GROUP BY window_start, window_end, window_time, k;
SELECT k, window_end, SUM(n) FROM TABLE(CUMULATE(TABLE w, DESCRIPTOR(wt), INTERVAL '1' HOUR, INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case same_window_again
-- refused: GROUP BY without a window is not supported yet
SELECT window_start, window_end, SUM(n) FROM (SELECT window_start, window_end, window_time, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '2' HOUR)) GROUP BY window_start, window_end, window_time, k) GROUP BY window_start, window_end;
-- case tvf_of_derived
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE((SELECT * FROM r), DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case statement_set
CREATE TABLE p1 (w TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print', 'print-identifier' = 'one');
CREATE TABLE p2 (k STRING, n BIGINT) WITH ('connector' = 'print', 'print-identifier' = 'two');
CREATE TABLE p3 (k STRING, i INT) WITH ('connector' = 'print');
EXECUTE STATEMENT SET
BEGIN
INSERT INTO p1 SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
INSERT INTO p2 SELECT k, COUNT(DISTINCT id) FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '2' HOUR, INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
INSERT INTO p3 SELECT k, i FROM r WHERE i = 7;
END;
-- case insert_columns
CREATE TABLE p (a STRING, b INT, c TIMESTAMP(3)) WITH ('connector' = 'print');
INSERT INTO p (c, a) SELECT ts, k FROM r WHERE i = 7;
-- case insert_casts
CREATE TABLE p (a BIGINT, b DOUBLE, c TIMESTAMP_LTZ(3), d STRING) WITH ('connector' = 'print');
INSERT INTO p SELECT i, l, ts, k FROM r WHERE i = 40;
-- case insert_pk
CREATE TABLE p (w TIMESTAMP(3), k STRING, n BIGINT, PRIMARY KEY (w, k) NOT ENFORCED) WITH ('connector' = 'print');
INSERT INTO p SELECT window_start, COALESCE(k, 'none'), COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case insert_full_name
CREATE TABLE p (n BIGINT) WITH ('connector' = 'print');
INSERT INTO default_catalog.default_database.p SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case insert_wrong_count
CREATE TABLE p (n BIGINT) WITH ('connector' = 'print');
INSERT INTO p SELECT k, i FROM r;
-- case insert_wrong_type
CREATE TABLE p (n BIGINT) WITH ('connector' = 'print');
INSERT INTO p SELECT k FROM r;
-- case insert_early_print
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
CREATE TABLE p (w TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print', 'print-identifier' = 'p');
INSERT INTO p SELECT TUMBLE_START(ts, INTERVAL '12' HOUR), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '12' HOUR);
-- case insert_early_csv
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
CREATE TABLE p (w TIMESTAMP(3), n BIGINT) WITH ('connector' = 'filesystem', 'path' = '/tmp/golden-nowhere', 'format' = 'csv');
INSERT INTO p SELECT TUMBLE_START(ts, INTERVAL '12' HOUR), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '12' HOUR);
-- case insert_values
CREATE TABLE p (n BIGINT, s STRING) WITH ('connector' = 'print');
INSERT INTO p VALUES (1, 'a'), (2, 'b');
-- case computed_columns
CREATE TABLE c (id STRING, ms BIGINT, ts STRING, i INT, t AS TO_TIMESTAMP(ts, 'yyyy-MM-dd HH:mm:ss.SSS'), twice AS i * 2, WATERMARK FOR t AS t - INTERVAL '2' MINUTE) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, COUNT(*), MAX(twice), COUNT(DISTINCT id) FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(t), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case computed_to_timestamp
CREATE TABLE c (ts STRING, i INT, t AS TO_TIMESTAMP(ts), WATERMARK FOR t AS t) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT TUMBLE_START(t, INTERVAL '10' MINUTE), COUNT(*) FROM c GROUP BY TUMBLE(t, INTERVAL '10' MINUTE);
-- case computed_ltz
CREATE TABLE c (ms BIGINT, i INT, t AS TO_TIMESTAMP_LTZ(ms, 3), WATERMARK FOR t AS t - INTERVAL '2' MINUTE) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT TUMBLE_START(t, INTERVAL '1' HOUR), TUMBLE_ROWTIME(t, INTERVAL '1' HOUR), COUNT(*) FROM c GROUP BY TUMBLE(t, INTERVAL '1' HOUR);
-- case computed_ltz_seconds
CREATE TABLE c (ms BIGINT, t AS TO_TIMESTAMP_LTZ(ms / 1000, 0), WATERMARK FOR t AS t - INTERVAL '2' MINUTE) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, window_end, window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(t), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, window_time;
-- case computed_from_unixtime
CREATE TABLE c (ms BIGINT, t AS TO_TIMESTAMP(FROM_UNIXTIME(ms / 1000)), WATERMARK FOR t AS t - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT TUMBLE_START(t, INTERVAL '1' HOUR), COUNT(*) FROM c GROUP BY TUMBLE(t, INTERVAL '1' HOUR);
-- case computed_type_cast
CREATE TABLE c (ts TIMESTAMP(3), i INT, day_ AS CAST(ts AS DATE), h AS HOUR(ts), WATERMARK FOR ts AS ts - INTERVAL '1' SECOND) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT day_, h, COUNT(*) FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, day_, h;
-- case watermark_expression
CREATE TABLE c (ts TIMESTAMP(3), i INT, WATERMARK FOR ts AS ts - INTERVAL '0.001' SECOND) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
-- case watermark_case
CREATE TABLE c (ts TIMESTAMP(3), i INT, WATERMARK FOR ts AS CASE WHEN i > 5 THEN ts ELSE ts - INTERVAL '1' HOUR END) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
-- case watermark_null
CREATE TABLE c (ts TIMESTAMP(3), i INT, WATERMARK FOR ts AS CASE WHEN i > 5 THEN ts END) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
-- case no_watermark
CREATE TABLE c (ts TIMESTAMP(3), i INT) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(ts), INTERVAL '5' MINUTE)) GROUP BY window_start, window_end;
-- case current_watermark
SELECT ts, CURRENT_WATERMARK(ts), CURRENT_WATERMARK(ts) >= ts FROM r;
-- case late_filter_by_watermark
SELECT COUNT(*), window_start FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' MINUTE)) WHERE i > 0 GROUP BY window_start, window_end;
-- case if_not_exists
CREATE TABLE IF NOT EXISTS r (x INT) WITH ('connector' = 'datagen');
CREATE TEMPORARY TABLE t2 (i INT NOT NULL COMMENT 'a number') COMMENT 'a table' WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
DROP TABLE IF EXISTS nothing;
SELECT k FROM r WHERE i = 40;
-- case quoted_table
CREATE TABLE `my table` (`a b` INT, `i` INT, `ts` TIMESTAMP(3), WATERMARK FOR `ts` AS `ts` - INTERVAL '1' SECOND) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT COUNT(`i`) AS `n` FROM TABLE(TUMBLE(TABLE `my table`, DESCRIPTOR(`ts`), INTERVAL '1' DAY)) GROUP BY window_start, window_end;
-- case union_all
SELECT k FROM r WHERE i = 7 UNION ALL SELECT s FROM r WHERE i = 40;
-- case nondeterministic_order
SELECT id FROM r WHERE ts > TIMESTAMP '2013-05-17 05:00:00' AND CHAR_LENGTH(id) = 3;
-- case unknown_column
SELECT nope FROM r;
-- case ambiguous_aggregate
SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case aggregate_in_where
SELECT window_start FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) WHERE COUNT(*) > 1 GROUP BY window_start, window_end;
-- case nested_aggregate
SELECT SUM(COUNT(*)) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case sum_string
SELECT SUM(s) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case zero_size
SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '0' HOUR)) GROUP BY window_start, window_end;
-- case group_by_alias
SELECT UPPER(k) AS u, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, u;
-- case group_by_ordinal
SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, 1;
