-- cores: 6
CREATE TABLE person (id STRING, dimension STRING, amount INT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND)
WITH ('connector' = 'filesystem', 'path' = '/in', 'format' = 'json');
SET 'table.exec.emit.early-fire.enabled' = 'true';
SET 'table.exec.emit.early-fire.delay' = '60s';
SELECT TUMBLE_ROWTIME(eventTime, interval '1' day) AS rowtime, dimension, COUNT(DISTINCT id) AS uv
FROM person GROUP BY TUMBLE(eventTime, interval '1' day), dimension;
