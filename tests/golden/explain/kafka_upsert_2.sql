-- cores: 2
SET 'parallelism.default' = '2';
CREATE TABLE orders (
  id STRING, state STRING, amount DOUBLE, part BIGINT METADATA FROM 'partition' VIRTUAL,
  ts TIMESTAMP(3) METADATA FROM 'timestamp', PRIMARY KEY (id) NOT ENFORCED,
  WATERMARK FOR ts AS ts - INTERVAL '5' SECOND
) WITH ('connector' = 'kafka', 'topic' = 'orders', 'properties.bootstrap.servers' = 'b:9092',
  'format' = 'debezium-json', 'scan.watermark.idle-timeout' = '30 s',
  'scan.watermark.alignment.group' = 'g', 'scan.watermark.alignment.max-drift' = '1 min');
CREATE TABLE large (
  id STRING, amount DOUBLE, seen_at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp',
  PRIMARY KEY (id) NOT ENFORCED
) WITH ('connector' = 'upsert-kafka', 'topic' = 'large', 'properties.bootstrap.servers' = 'b:9092',
  'key.format' = 'raw', 'value.format' = 'json', 'sink.delivery-guarantee' = 'exactly-once');
INSERT INTO large SELECT id, amount * 2, ts FROM orders WHERE amount > 100 AND part < 7;
