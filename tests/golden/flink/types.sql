-- Aggregates by type: overflow, truncation, NULLs, order of strings.
CREATE TABLE r (id STRING, k STRING, i INT, l BIGINT, d DOUBLE, b BOOLEAN, s STRING, dt DATE, ts TIMESTAMP(3),
  lt TIMESTAMP_LTZ(3), ms BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
-- case sum_int
SELECT window_start, SUM(i), AVG(MOD(i, 1000)), MIN(i), MAX(i), COUNT(i) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case sum_int_keyed
SELECT window_start, k, SUM(i), AVG(MOD(i, 1000)), MIN(i), MAX(i), COUNT(i) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case sum_bigint
SELECT window_start, k, SUM(l), AVG(l), MIN(l), MAX(l), COUNT(l) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case sum_double
SELECT window_start, k, SUM(d), AVG(d), MIN(d), MAX(d), COUNT(d) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case string
SELECT window_start, k, MIN(s), MAX(s), COUNT(s), COUNT(DISTINCT s) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case date
SELECT window_start, k, MIN(dt), MAX(dt), COUNT(dt), COUNT(DISTINCT dt) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case timestamp
SELECT window_start, k, MIN(ts), MAX(ts), COUNT(ts), MIN(lt), MAX(lt), COUNT(DISTINCT lt) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case boolean
SELECT window_start, k, MIN(b), MAX(b), COUNT(b), COUNT(DISTINCT b) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case time_type
SELECT window_start, k, MIN(CAST(ts AS TIME)), MAX(CAST(ts AS TIME)) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case small_average
SELECT window_start, AVG(MOD(i, 10)), AVG(CAST(MOD(i, 10) AS BIGINT)), AVG(CAST(MOD(i, 10) AS DOUBLE)), SUM(MOD(i, 10)) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case all_null
SELECT window_start, SUM(i), AVG(d), MIN(s), MAX(dt), COUNT(i), COUNT(*), COUNT(DISTINCT i) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) WHERE i IS NULL AND d IS NULL GROUP BY window_start, window_end;
-- case null_literals
SELECT window_start, SUM(CAST(NULL AS INT)), COUNT(CAST(NULL AS STRING)), MAX(CAST(NULL AS DATE)), COUNT(DISTINCT CAST(NULL AS BIGINT)) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case expressions
SELECT window_start, SUM(i + 1), SUM(l * 2), MAX(UPPER(s)), MIN(CHAR_LENGTH(s)), COUNT(DISTINCT CONCAT(id, k)), SUM(CASE WHEN b THEN 1 ELSE 0 END) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case arithmetic_over
SELECT window_start, SUM(d) / COUNT(d), MAX(i) - MIN(i), -COUNT(*), COUNT(*) / 7, COUNT(*) % 7, 1.0E0 * COUNT(*) / 7 FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case literals
SELECT window_start, COUNT(1), SUM(1), MAX('x'), MIN(2.5E0), SUM(0) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case count_if
SELECT window_start, SUM(IF(i > 0, 1, 0)), COUNT(CASE WHEN i > 0 THEN 1 END), COUNT(NULLIF(k, 'a')) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case distinct_min_max
SELECT window_start, MIN(DISTINCT i), MAX(DISTINCT s) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case distinct_sum
-- refused: SUM(DISTINCT ...) is not supported yet
SELECT window_start, SUM(DISTINCT i), AVG(DISTINCT i) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case twice
SELECT window_start, COUNT(*), COUNT(*), SUM(i), SUM(i) + COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case key_null_only
SELECT window_start, k, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) WHERE k IS NULL GROUP BY window_start, window_end, k;
-- case key_empty_string
SELECT window_start, s, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, s;
-- case key_boolean
SELECT window_start, b, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, b;
-- case negative_zero
SELECT window_start, d * 0, COUNT(*), COUNT(DISTINCT d * 0), MIN(d * 0), MAX(d * 0) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, d * 0;
-- case nan
SELECT window_start, COUNT(DISTINCT d * 1e300), SUM(d * 1e300), MAX(d * 1e300), MIN(d * 1e300) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case nan_key
SELECT d * 1e300 - d * 1e300, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, d * 1e300 - d * 1e300;
-- case sum_null_group
SELECT window_start, id, SUM(l), MIN(d) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, id HAVING SUM(l) IS NULL OR SUM(l) < 0;
-- case filter_null
SELECT window_start, COUNT(*) FILTER (WHERE b), COUNT(*) FILTER (WHERE NOT b), COUNT(*) FILTER (WHERE b IS NOT TRUE), SUM(l) FILTER (WHERE k IN ('a', 'c')) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case var
-- refused: the aggregate STDDEV_POP is not supported yet
SELECT window_start, STDDEV_POP(i) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case avg_int_overflow
SELECT window_start, AVG(i) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case avg_bigint_overflow
SELECT window_start, AVG(l), SUM(l) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
