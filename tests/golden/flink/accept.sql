-- What a user of Flink writes within weir's scope: spellings, literals, functions, DDL.
CREATE TABLE r (id STRING, k STRING, i INT, l BIGINT, d DOUBLE, b BOOLEAN, s STRING, dt DATE, ts TIMESTAMP(3),
  lt TIMESTAMP_LTZ(3), ms BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
-- case units_plural
SELECT window_start, window_end, SUM(i) AS total FROM TABLE(
   TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' MINUTES))
  GROUP BY window_start, window_end;
-- case units_plural_hop
SELECT window_start, window_end, SUM(i) FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '30' MINUTES, INTERVAL '2' HOURS)) GROUP BY window_start, window_end;
-- case units_plural_cumulate
SELECT window_start, window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '2' HOURS, INTERVAL '1' DAYS)) GROUP BY window_start, window_end;
-- case units_seconds
SELECT TUMBLE_START(ts, INTERVAL '90' SECONDS), COUNT(*) FROM r GROUP BY TUMBLE(ts, INTERVAL '90' SECONDS);
-- case lower_tvf
select window_start, window_end, count(distinct id) as uv from table(tumble(table r, descriptor(ts), interval '1' day)) group by window_start, window_end;
-- case docs_cascade
CREATE VIEW window1 AS
SELECT window_start AS window_5mintumble_start, window_end as window_5mintumble_end, window_time AS rowtime, SUM(i) as partial_price
  FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '5' MINUTES))
  GROUP BY k, window_start, window_end, window_time;
SELECT window_start, window_end, SUM(partial_price) AS total_price
  FROM TABLE(TUMBLE(TABLE window1, DESCRIPTOR(rowtime), INTERVAL '10' MINUTES))
  GROUP BY window_start, window_end;
-- case docs_group_window
SELECT
  k,
  TUMBLE_START(ts, INTERVAL '1' DAY) AS wStart,
  SUM(i) FROM r
GROUP BY
  TUMBLE(ts, INTERVAL '1' DAY),
  k;
-- case distinct_case
SELECT window_start, COUNT(DISTINCT CASE WHEN b THEN id END) AS active, COUNT(DISTINCT CASE WHEN NOT b THEN id ELSE NULL END) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case distinct_two
SELECT window_start, COUNT(DISTINCT id), COUNT(DISTINCT s), COUNT(DISTINCT DATE_FORMAT(ts, 'HH')) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case window_expressions
SELECT CAST(window_start AS STRING), DATE_FORMAT(window_end, 'yyyy-MM-dd'), window_start + INTERVAL '1' HOUR, EXTRACT(HOUR FROM window_end), TIMESTAMPDIFF(MINUTE, window_start, window_end), UNIX_TIMESTAMP(CAST(window_start AS STRING)) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case ratio
SELECT window_start, CAST(COUNT(DISTINCT id) AS DOUBLE) / COUNT(*) AS r, ROUND(CAST(SUM(i) AS DOUBLE) / 7, 2) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case case_over_aggregate
SELECT window_start, CASE WHEN COUNT(*) > 50 THEN 'busy' WHEN COUNT(*) > 20 THEN 'fair' ELSE 'calm' END FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case having_arithmetic
SELECT window_start, k, SUM(i) * 2 FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end, k HAVING SUM(i) * 2 > 10 AND COUNT(DISTINCT id) BETWEEN 2 AND 9;
-- case having_between_not
SELECT window_start, k FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end, k HAVING NOT COUNT(*) IN (1, 2, 3) AND MAX(s) LIKE 'p%';
-- case coalesce_key
SELECT window_start, COALESCE(k, 'none') AS k, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, COALESCE(k, 'none');
-- case key_date
SELECT window_start, CAST(ts AS DATE), HOUR(ts) / 12, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, CAST(ts AS DATE), HOUR(ts) / 12;
-- case key_mod
SELECT MOD(i, 3), COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end, MOD(i, 3);
-- case key_constant
SELECT window_start, 'all' AS dimension, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end, 'all';
-- case constant_column
SELECT 'all' AS dimension, 1 AS uno, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case legacy_key_expression
SELECT UPPER(k), TUMBLE_END(ts, INTERVAL '4' HOUR), COUNT(*) FROM r GROUP BY UPPER(k), TUMBLE(ts, INTERVAL '4' HOUR);
-- case legacy_only_window
SELECT TUMBLE_START(ts, INTERVAL '4' HOUR) FROM r GROUP BY TUMBLE(ts, INTERVAL '4' HOUR);
-- case legacy_qualified
SELECT TUMBLE_START(x.ts, INTERVAL '4' HOUR), COUNT(x.id) FROM r AS x GROUP BY TUMBLE(x.ts, INTERVAL '4' HOUR);
-- case quoted_everything
SELECT `window_start`, `k`, COUNT(*) AS `count` FROM TABLE(TUMBLE(TABLE `r`, DESCRIPTOR(`ts`), INTERVAL '4' HOUR)) GROUP BY `window_start`, `window_end`, `k`;
-- case full_names
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE default_catalog.default_database.r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case comments
SELECT /* the start */ window_start, -- and the count
 COUNT(*) /* of
 rows */ FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case as_table_columns
SELECT a, c FROM (SELECT k, i, s FROM r) AS x (a, b, c) WHERE b = 7;
-- case nested_derived
SELECT w, n + 1 FROM (SELECT TUMBLE_START(ts, INTERVAL '4' HOUR) AS w, COUNT(*) AS n FROM (SELECT * FROM (SELECT id, ts FROM r WHERE b) WHERE id IS NOT NULL) GROUP BY TUMBLE(ts, INTERVAL '4' HOUR));
-- case bool_expressions
SELECT i > 5 AND b, i = 7 OR NOT b, (b), b = TRUE, b <> FALSE, NOT (i > 3 AND k = 'a') FROM r;
-- case comparisons
SELECT i <> 7, l >= 5, d < 3.5, s <= 'm', dt > DATE '2015-01-01', ts < TIMESTAMP '2013-05-17 00:00:00', lt > CAST('2013-05-16 21:00:00' AS TIMESTAMP_LTZ(3)) FROM r;
-- case arithmetic
SELECT i + l, i - 1, -i, +i, i * 2, l / 7, d / 3, MOD(i, 7), i % 7, ABS(i), (i + 1) * 2 FROM r WHERE ABS(i) < 100;
-- case numbers
SELECT ROUND(d, 1), FLOOR(d), CEIL(d), CEILING(d), SIGN(d), SQRT(ABS(d)), POWER(d, 2), ABS(d), TRUNCATE(d, 1) FROM r WHERE d < 100;
-- case number_literals
SELECT 1e2, 3.0e0, -5, 2147483647, 2147483648, CAST(1.5 AS DOUBLE), CAST('12' AS INT), CAST(12 AS STRING) FROM r WHERE i = 40;
-- case string_functions
SELECT CHAR_LENGTH(s), CHARACTER_LENGTH(s), LOWER(s), UPPER(s), CONCAT(s, '-', k), CONCAT_WS('/', s, k, id), SUBSTR(s, 1, 3), LEFT(s, 2), RIGHT(s, 2), REVERSE(s), REPEAT(k, 3), RPAD(k, 3, '.'), LTRIM(s), RTRIM(s), BTRIM(s), INSTR(s, 'p'), LOCATE('p', s), SPLIT_INDEX('a,b,c', ',', 1), ASCII(k) FROM r;
-- case regexp
SELECT REGEXP_REPLACE(s, 'p+', 'P'), REGEXP_EXTRACT(s, '(.)p', 1), s SIMILAR TO 'f.*' FROM r;
-- case initcap
SELECT INITCAP(s), MD5(s), CHR(65), OVERLAY(s PLACING 'xx' FROM 2) FROM r;
-- case trim_forms
SELECT TRIM(BOTH 'a' FROM s), TRIM(LEADING 'p' FROM s), TRIM(TRAILING 'r' FROM s), TRIM(' x ') FROM r;
-- case like_escape
SELECT s LIKE '%ea%', s NOT LIKE 'f_g', s LIKE 'f!%' ESCAPE '!', 'a_b' LIKE 'a!_b' ESCAPE '!' FROM r;
-- case time_functions
SELECT EXTRACT(YEAR FROM ts), EXTRACT(MINUTE FROM ts), EXTRACT(DAY FROM dt), QUARTER(dt), WEEK(dt), DAYOFYEAR(dt), DAYOFMONTH(dt), MINUTE(ts), SECOND(ts), FLOOR(ts TO MINUTE), CEIL(ts TO HOUR), FLOOR(dt TO MONTH), TIMESTAMPADD(DAY, 1, dt), TIMESTAMPDIFF(DAY, dt, CAST(ts AS DATE)) FROM r;
-- case unix_time
SELECT FROM_UNIXTIME(ms / 1000), FROM_UNIXTIME(ms / 1000, 'yyyy/MM/dd'), TO_TIMESTAMP('2013-05-16 01:02:03'), TO_TIMESTAMP('16/05/2013', 'dd/MM/yyyy'), TO_DATE('2013-05-16'), TO_TIMESTAMP_LTZ(ms, 3), UNIX_TIMESTAMP('2013-05-16 01:02:03') FROM r;
-- case time_literals
SELECT DATE '2013-05-16', TIME '12:34:56', TIMESTAMP '2013-05-16 12:34:56.789', INTERVAL '1' DAY + ts, ts + INTERVAL '1 02' DAY TO HOUR, ts + INTERVAL '10:20' MINUTE TO SECOND, dt - INTERVAL '3' YEAR FROM r WHERE i = 40;
-- case conditional
SELECT IF(b, 'y', 'n'), NULLIF(k, 'a'), COALESCE(s, k, ''), GREATEST(i, 5), LEAST(d, 1.0E0), CASE WHEN b IS NULL THEN '?' ELSE 'known' END FROM r;
-- case is_predicates
SELECT s IS NULL, s IS NOT NULL, b IS TRUE, b IS NOT TRUE, b IS FALSE, b IS NOT UNKNOWN, i IS DISTINCT FROM 7, i IS NOT DISTINCT FROM 7 FROM r;
-- case in_mixed
SELECT i FROM r WHERE i IN (1, 7) OR s IN ('fig', 'pear') AND dt IN (DATE '2015-04-11', DATE '2001-05-11') OR l NOT IN (5, 77);
-- case cast_types
SELECT CAST(i AS DOUBLE), CAST(d AS INT), CAST(b AS INT), CAST('true' AS BOOLEAN), CAST(s AS VARCHAR(2)), CAST(k AS CHAR(3)), CAST('2013-05-16' AS DATE), CAST('2013-05-16 01:02:03.5' AS TIMESTAMP(3)), CAST(ts AS TIME), CAST(dt AS STRING), CAST(lt AS TIMESTAMP(3)), CAST(i AS VARCHAR) FROM r WHERE d < 100;
-- case try_cast
SELECT TRY_CAST(s AS INT), TRY_CAST(id AS DOUBLE), TRY_CAST('7' AS BIGINT) FROM r;
-- case select_no_from_columns
SELECT COUNT(1) AS c FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case ddl_types
CREATE TABLE t (id VARCHAR, k VARCHAR(10), i INTEGER, l BIGINT NOT NULL, d DOUBLE PRECISION, b BOOLEAN, s CHAR(3), dt DATE, ts TIMESTAMP(3) NOT NULL, lt TIMESTAMP(3) WITH LOCAL TIME ZONE, ms BIGINT, WATERMARK FOR ts AS ts - INTERVAL '5' SECOND) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT id, k, i, d, b, dt, ts, lt FROM t WHERE i = 7;
-- case ddl_primary_key
CREATE TABLE t (id STRING NOT NULL, i INT, PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT i FROM t WHERE i = 40;
-- case ddl_constraint_name
CREATE TABLE t (id STRING NOT NULL, i INT, CONSTRAINT pk PRIMARY KEY (id) NOT ENFORCED) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT i FROM t WHERE i = 40;
-- case ddl_comments
CREATE TABLE t (
  i INT COMMENT 'it''s a number', -- note
  ts TIMESTAMP(3) COMMENT 'when',
  WATERMARK FOR ts AS ts
) COMMENT 'table' WITH (
  'connector' = 'filesystem', -- files
  'path' = '${IN}/rows.json',
  'format' = 'json'
);
SELECT TUMBLE_START(ts, INTERVAL '12' HOUR), COUNT(i) FROM t GROUP BY TUMBLE(ts, INTERVAL '12' HOUR);
-- case ddl_options_json
CREATE TABLE t (i INT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) WITH ('connector' = 'filesystem', 'path' = 'file://${IN}/rows.json', 'format' = 'json', 'json.ignore-parse-errors' = 'true', 'json.timestamp-format.standard' = 'SQL');
SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end;
-- case ddl_like
-- refused: CREATE TABLE ... LIKE is not supported yet
CREATE TABLE t LIKE r;
SELECT i FROM t WHERE i = 40;
-- case ddl_computed_chain
CREATE TABLE t (ms BIGINT, i INT, sec AS ms / 1000, ts AS TO_TIMESTAMP_LTZ(ms, 3), day_ AS DATE_FORMAT(TO_TIMESTAMP_LTZ(ms, 3), 'yyyy-MM-dd'), big AS i > 5, WATERMARK FOR ts AS ts - INTERVAL '10' SECOND) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT day_, big, COUNT(*), MAX(sec) FROM TABLE(TUMBLE(TABLE t, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, day_, big;
-- case ddl_computed_cast
CREATE TABLE t (ts STRING, i INT, rt AS CAST(ts AS TIMESTAMP(3)), WATERMARK FOR rt AS rt - INTERVAL '1' MINUTE) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT TUMBLE_START(rt, INTERVAL '4' HOUR), COUNT(*) FROM t GROUP BY TUMBLE(rt, INTERVAL '4' HOUR);
-- case hint
SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) /*+ NOTHING */ GROUP BY window_start, window_end;
-- case hint_options
SELECT id FROM r /*+ OPTIONS('json.ignore-parse-errors' = 'true') */ WHERE i = 40;
-- case insert_as_columns
CREATE TABLE o (w TIMESTAMP(3), k STRING, uv BIGINT) WITH ('connector' = 'print');
INSERT INTO o SELECT window_end AS w, k, COUNT(DISTINCT id) AS uv FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end, k;
-- case insert_with
CREATE TABLE o (k STRING, n BIGINT) WITH ('connector' = 'print');
INSERT INTO o WITH x AS (SELECT k, ts FROM r WHERE b) SELECT k, COUNT(*) FROM TABLE(TUMBLE(TABLE x, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case insert_null_column
CREATE TABLE o (k STRING, n BIGINT, note STRING) WITH ('connector' = 'print');
INSERT INTO o (n, k) SELECT COUNT(*), k FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case insert_cast_string
CREATE TABLE o (w STRING, n INT) WITH ('connector' = 'print');
INSERT INTO o SELECT DATE_FORMAT(window_start, 'yyyy-MM-dd HH:mm:ss'), CAST(COUNT(*) AS INT) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case insert_overwrite
CREATE TABLE o (n BIGINT) WITH ('connector' = 'print');
INSERT OVERWRITE o SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case order_by
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end ORDER BY window_start;
-- case limit
-- refused: LIMIT, FETCH and OFFSET are not supported yet
SELECT i FROM r WHERE i = 7 LIMIT 3;
-- case session_tvf
-- refused: SESSION windows are not supported yet
SELECT window_start, window_end, COUNT(*) FROM TABLE(SESSION(TABLE r PARTITION BY k, DESCRIPTOR(ts), INTERVAL '20' MINUTE)) GROUP BY window_start, window_end, k;
-- case session_legacy
-- refused: SESSION windows are not supported yet
SELECT SESSION_START(ts, INTERVAL '20' MINUTE), COUNT(*) FROM r GROUP BY SESSION(ts, INTERVAL '20' MINUTE);
-- case grouping_sets
-- refused: GROUPING SETS, ROLLUP and CUBE are not supported yet
SELECT window_start, k, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end, GROUPING SETS ((k), ());
-- case group_no_window
-- refused: GROUP BY without a window is not supported yet
SELECT k, COUNT(*) FROM r GROUP BY k;
-- case over
-- refused: OVER windows are not supported yet
SELECT k, COUNT(*) OVER (PARTITION BY k ORDER BY ts) FROM r;
-- case join
-- refused: joins are not supported yet
SELECT a.id FROM r a JOIN r b ON a.id = b.id;
-- case exists
-- refused: a query inside an expression is not supported yet
SELECT id FROM r WHERE EXISTS (SELECT 1 FROM r x WHERE x.i = 40);
-- case proctime
-- refused: the function PROCTIME is not supported yet
CREATE TABLE t (i INT, p AS PROCTIME()) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT i FROM t WHERE i = 40;
-- case first_value
-- refused: the aggregate FIRST_VALUE is not supported yet
SELECT window_start, FIRST_VALUE(i), LAST_VALUE(i), LISTAGG(k) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOURS)) GROUP BY window_start, window_end;
-- case types_beyond
CREATE TABLE t (i SMALLINT, l DECIMAL(20, 0), d FLOAT) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT * FROM t WHERE i = 7;
-- case row_type
-- refused: type ROW<a INT> is not supported yet
CREATE TABLE t (i INT, nested ROW<a INT>) WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
SELECT i, t.nested.a FROM t WHERE i = 40;
