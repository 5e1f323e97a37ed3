-- Window functions in FROM: TUMBLE, HOP and CUMULATE, keys, offsets, late rows.
CREATE TABLE r (id STRING, k STRING, i INT, l BIGINT, d DOUBLE, b BOOLEAN, s STRING, dt DATE, ts TIMESTAMP(3),
  lt TIMESTAMP_LTZ(3), ms BIGINT, WATERMARK FOR ts AS ts - INTERVAL '2' MINUTE)
  WITH ('connector' = 'filesystem', 'path' = '${IN}/rows.json', 'format' = 'json');
-- case tumble
SELECT window_start, window_end, k, COUNT(*), COUNT(DISTINCT id) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end, k;
-- case tumble_no_key
SELECT window_start, window_end, COUNT(*) AS n, COUNT(id), COUNT(DISTINCT id), COUNT(DISTINCT k) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case tumble_names
SELECT window_start AS ws, COUNT(*) FROM TABLE(TUMBLE(DATA => TABLE r, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '90' MINUTE)) GROUP BY window_start, window_end;
-- case tumble_names_offset
SELECT window_start AS ws, COUNT(*) FROM TABLE(TUMBLE(DATA => TABLE r, TIMECOL => DESCRIPTOR(ts), SIZE => INTERVAL '90' MINUTE, `OFFSET` => INTERVAL '7' MINUTE)) GROUP BY window_start, window_end;
-- case tumble_offset
SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '10' MINUTE)) GROUP BY window_start, window_end;
-- case tumble_offset_negative
SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL -'10' MINUTE)) GROUP BY window_start, window_end;
-- case tumble_odd_size
SELECT window_start, window_end, window_time, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '7' MINUTE)) GROUP BY window_start, window_end, window_time;
-- case tumble_seven_days
SELECT window_start, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '7' DAY)) GROUP BY window_start, window_end;
-- case tumble_day_to_second
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '0 02:30:00' DAY TO SECOND)) GROUP BY window_start, window_end;
-- case tumble_hour_to_minute
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '02:30' HOUR TO MINUTE)) GROUP BY window_start, window_end;
-- case tumble_fraction
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '29:30.5' MINUTE TO SECOND)) GROUP BY window_start, window_end;
-- case tumble_filter
SELECT window_start, COUNT(*) FILTER (WHERE b), COUNT(*) FILTER (WHERE b IS NULL), SUM(i) FILTER (WHERE k = 'a' OR i > 5), COUNT(DISTINCT id) FILTER (WHERE NOT b) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case tumble_where
SELECT window_start, k, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) WHERE i > 0 AND k <> 'b' GROUP BY window_start, window_end, k;
-- case tumble_having
SELECT window_start, k, COUNT(*) AS n FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '2' HOUR)) GROUP BY window_start, window_end, k HAVING COUNT(*) > 3 AND MAX(i) IS NOT NULL;
-- case tumble_keys_many
SELECT k, b, window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY k, window_start, b, window_end;
-- case tumble_key_expression
SELECT window_start, UPPER(k), COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, UPPER(k);
-- case tumble_key_case
SELECT window_start, CASE WHEN i > 0 THEN 'pos' ELSE 'other' END AS sgn, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, CASE WHEN i > 0 THEN 'pos' ELSE 'other' END;
-- case tumble_key_types
SELECT window_start, i, l, d, dt, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end, i, l, d, dt;
-- case tumble_distinct_types
SELECT window_start, COUNT(DISTINCT i), COUNT(DISTINCT l), COUNT(DISTINCT d), COUNT(DISTINCT b), COUNT(DISTINCT s), COUNT(DISTINCT dt), COUNT(DISTINCT ts) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' DAY)) GROUP BY window_start, window_end;
-- case tumble_distinct_filters
SELECT window_start, COUNT(DISTINCT id) AS u, COUNT(DISTINCT id) FILTER (WHERE k = 'a') AS ua, COUNT(DISTINCT id) FILTER (WHERE k IS NULL) AS un, COUNT(*) AS n, SUM(l) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case tumble_expressions_over
SELECT DATE_FORMAT(window_start, 'yyyy-MM-dd HH:mm') AS w, COUNT(*) * 100 / (COUNT(id) + 1) AS pct, COALESCE(MAX(s), 'none') FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case hop
SELECT window_start, window_end, k, COUNT(*), COUNT(DISTINCT id) FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '30' MINUTE, INTERVAL '2' HOUR)) GROUP BY window_start, window_end, k;
-- case hop_no_key
SELECT window_end, COUNT(*), MAX(i), MIN(s) FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '5' MINUTE, INTERVAL '10' MINUTE)) GROUP BY window_start, window_end;
-- case hop_late
SELECT window_start, window_end, COUNT(*) FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '2' MINUTE, INTERVAL '4' MINUTE)) GROUP BY window_start, window_end;
-- case hop_names
SELECT window_start, COUNT(*) FROM TABLE(HOP(DATA => TABLE r, TIMECOL => DESCRIPTOR(ts), SLIDE => INTERVAL '1' HOUR, SIZE => INTERVAL '3' HOUR)) GROUP BY window_start, window_end;
-- case hop_offset
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '3' HOUR, INTERVAL '11' MINUTE)) GROUP BY window_start, window_end;
-- case hop_equal
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case hop_undivided
SELECT window_start, COUNT(*) FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '25' MINUTE, INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case cumulate
SELECT window_start, window_end, k, COUNT(*), COUNT(DISTINCT id) FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' DAY)) GROUP BY window_start, window_end, k;
-- case cumulate_no_key
SELECT window_end, COUNT(*), COUNT(DISTINCT id), SUM(l), AVG(d), MIN(s), MAX(dt) FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '10' MINUTE, INTERVAL '2' HOUR)) GROUP BY window_start, window_end;
-- case cumulate_late
SELECT window_start, window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '2' MINUTE, INTERVAL '6' MINUTE)) GROUP BY window_start, window_end;
-- case cumulate_offset
SELECT window_start, window_end, COUNT(*) FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '30' MINUTE, INTERVAL '2' HOUR, INTERVAL '20' MINUTE)) GROUP BY window_start, window_end;
-- case cumulate_equal
SELECT window_start, COUNT(*) FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR, INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case cumulate_undivided
SELECT window_start, COUNT(*) FROM TABLE(CUMULATE(TABLE r, DESCRIPTOR(ts), INTERVAL '25' MINUTE, INTERVAL '1' HOUR)) GROUP BY window_start, window_end;
-- case cumulate_names
SELECT window_start, window_end, SUM(i) FROM TABLE(CUMULATE(DATA => TABLE r, TIMECOL => DESCRIPTOR(ts), STEP => INTERVAL '1' HOUR, SIZE => INTERVAL '3' HOUR)) GROUP BY window_start, window_end;
-- case only_window_end_grouped
-- refused: must name both window_start and window_end
SELECT window_end, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '1' HOUR)) GROUP BY window_end;
-- case no_aggregate
SELECT window_start, window_end, k FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, k;
-- case window_time_selected
SELECT window_time, CAST(window_end AS DATE), COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end, window_time;
-- case distinct_select
SELECT DISTINCT window_start, window_end, k FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR));
-- case alias
SELECT w.window_start, w.k, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) AS w GROUP BY w.window_start, w.window_end, w.k;
-- case tvf_without_table
SELECT window_start, COUNT(*) FROM TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR) GROUP BY window_start, window_end;
-- case tvf_star
SELECT k, i, window_start, window_end, window_time FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) WHERE i = 7;
-- case hop_star
SELECT i, ts, window_start FROM TABLE(HOP(TABLE r, DESCRIPTOR(ts), INTERVAL '2' HOUR, INTERVAL '4' HOUR)) WHERE i = 7;
-- case tumble_group_minute_of_start
SELECT HOUR(window_start), COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
-- case early_with_tvf
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '0 s';
SELECT window_start, COUNT(*) FROM TABLE(TUMBLE(TABLE r, DESCRIPTOR(ts), INTERVAL '4' HOUR)) GROUP BY window_start, window_end;
