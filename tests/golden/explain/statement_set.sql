-- cores: 2
CREATE TABLE person (id STRING, dimension STRING, amount INT, eventTime TIMESTAMP(3),
  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND)
WITH ('connector' = 'filesystem', 'path' = '/in', 'format' = 'json');
CREATE TABLE a (x STRING, n BIGINT) WITH ('connector' = 'print');
CREATE TABLE b (y DOUBLE) WITH ('connector' = 'blackhole');
EXECUTE STATEMENT SET BEGIN
INSERT INTO a SELECT dimension, COUNT(*) FROM person GROUP BY TUMBLE(eventTime, INTERVAL '1' MINUTE), dimension;
INSERT INTO b SELECT amount FROM person WHERE id <> 'x';
END;
