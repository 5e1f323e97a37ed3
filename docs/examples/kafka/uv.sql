-- Unique visitors of each page, a point a second, from one topic to another, exactly once.

-- What comes in: {"visitor": "v17", "page": "/a", "ts": "2026-11-29 16:00:00.123"}
CREATE TABLE visits (
  visitor STRING,
  page STRING,
  ts TIMESTAMP(3),
  -- Rows may come out of order by 2 s, within their partition; partitions need not be in step.
  WATERMARK FOR ts AS ts - INTERVAL '2' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = 'visits',
  'properties.bootstrap.servers' = 'localhost:9092',
  -- Offsets are committed to this group when a checkpoint is complete: for lag tools, nothing else reads them.
  'properties.group.id' = 'uv-visits',
  -- Where a run begins that has no state. 'group-offsets', 'latest-offset' and 'timestamp' are the others.
  'scan.startup.mode' = 'earliest-offset',
  -- A partition without rows stops holding event time back after so long. Time in which its broker is away does not
  -- count, but rows that come later than this may be behind the watermark.
  'scan.watermark.idle-timeout' = '5 s',
  'format' = 'json'
  -- With a cluster that asks for it; secrets never stand in the script:
  -- 'properties.security.protocol' = 'SASL_SSL',
  -- 'properties.sasl.mechanism' = 'SCRAM-SHA-512',
  -- 'properties.ssl.ca.location' = '/etc/ssl/kafka-ca.pem',
  -- 'properties.sasl.username' = 'uv',
  -- 'properties.sasl.password' = '${file:/run/secrets/kafka-password}'
);

-- What goes out: {"window_end": "2026-11-29 16:00:01", "page": "/a", "visitors": 12}, the page as key besides.
CREATE TABLE uv (
  window_end TIMESTAMP(3),
  page STRING,
  visitors BIGINT
) WITH (
  'connector' = 'kafka',
  'topic' = 'uv',
  'properties.bootstrap.servers' = 'localhost:9092',
  -- Readers must set isolation.level=read_committed; they see a point when the checkpoint behind it is complete.
  'sink.delivery-guarantee' = 'exactly-once',
  -- The transactional ids are uv-0, uv-1, ...: one job's own in the whole cluster.
  'sink.transactional-id-prefix' = 'uv',
  'key.format' = 'raw',
  'key.fields' = 'page',
  'value.format' = 'json'
);

-- The unique visitors of each minute so far, a point a second.
INSERT INTO uv
SELECT window_end, page, COUNT(DISTINCT visitor) AS visitors
FROM TABLE(CUMULATE(TABLE visits, DESCRIPTOR(ts), INTERVAL '1' SECOND, INTERVAL '1' MINUTE))
GROUP BY window_start, window_end, page;
