-- A source that counts 1, 2, 3 ..., one number a second; a running sum; a sink.
SET 'execution.checkpointing.interval' = '300ms';
SET 'execution.checkpointing.num-retained' = '100';

CREATE TABLE numbers (
  n BIGINT,
  at AS TO_TIMESTAMP_LTZ(n * 1000, 3),
  WATERMARK FOR at AS at
) WITH (
  'connector' = 'datagen', 'rows-per-second' = '1',
  'fields.n.kind' = 'sequence', 'fields.n.start' = '1', 'fields.n.end' = '1000000'
);

CREATE TABLE sums (up_to TIMESTAMP(3), total BIGINT)
WITH ('connector' = 'filesystem', 'path' = 'build/running-sum/sums', 'format' = 'csv');

-- The sum of a day so far, each second anew.
INSERT INTO sums
SELECT window_end, SUM(n) AS total
FROM TABLE(CUMULATE(TABLE numbers, DESCRIPTOR(at), INTERVAL '1' SECOND, INTERVAL '1' DAY))
GROUP BY window_start, window_end;
