-- cores: 4
CREATE TABLE person (id STRING, dimension STRING, amount INT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND)
WITH ('connector' = 'filesystem', 'path' = '/in', 'format' = 'json');
CREATE TABLE totals (d STRING, ends TIMESTAMP(3), n BIGINT, mean DOUBLE)
WITH ('connector' = 'filesystem', 'path' = '/out', 'format' = 'csv');
CREATE TEMPORARY VIEW spenders AS SELECT UPPER(dimension) AS d, amount, eventTime FROM person WHERE amount > 1 + 2;
INSERT INTO totals
SELECT d, window_end, COUNT(*) FILTER (WHERE amount > 10), AVG(amount)
FROM TABLE(HOP(TABLE spenders, DESCRIPTOR(eventTime), INTERVAL '10' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, d HAVING COUNT(*) > 2;
