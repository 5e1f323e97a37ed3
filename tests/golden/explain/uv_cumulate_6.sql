-- cores: 6
CREATE TABLE person (id STRING, dimension STRING, amount INT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND)
WITH ('connector' = 'filesystem', 'path' = '/in', 'format' = 'json');
SELECT window_end, dimension, COUNT(DISTINCT id) AS uv
FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE, INTERVAL '1' DAY))
GROUP BY window_start, window_end, dimension;
