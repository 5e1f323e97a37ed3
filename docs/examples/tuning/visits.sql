-- Unique visitors by page, a point a second, of generated rows that say when they were due.
CREATE TABLE visits (id BIGINT, page BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH (
  'connector' = 'datagen', 'rows-per-second' = '400000',
  'fields.id.min' = '0', 'fields.id.max' = '999999', 'fields.page.min' = '0', 'fields.page.max' = '99',
  'fields.at.kind' = 'due');
CREATE TABLE points (w TIMESTAMP(3), page BIGINT, visitors BIGINT) WITH (
  'connector' = 'blackhole');
INSERT INTO points
SELECT window_end, page, COUNT(DISTINCT id)
FROM TABLE(CUMULATE(TABLE visits, DESCRIPTOR(at), INTERVAL '1' SECOND, INTERVAL '1' HOUR))
GROUP BY window_start, window_end, page;
