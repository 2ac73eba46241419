-- Impressions and clicks in, Freshet's events out: an impression that was clicked within the window
-- becomes one click event; one that was not becomes one impression event. docs/backends.md, "Flink", says
-- what happens to late, duplicate, unmatched and broken messages.
--
-- This is a template: deploy/stack/join.py, or sed, fills in ${bootstrap}, ${impressions}, ${clicks},
-- ${events}, ${rejected}, ${name} and ${checkpoints}. Nothing in it reads a clock, so a replay of the
-- topics gives the same rows under the same event ids.

SET 'pipeline.name' = '${name}';
SET 'table.local-time-zone' = 'UTC';
-- Rows become visible at a checkpoint: this is how long a click takes to reach the event log.
SET 'execution.checkpointing.interval' = '5 s';
SET 'execution.checkpointing.mode' = 'EXACTLY_ONCE';
SET 'execution.checkpointing.dir' = '${checkpoints}';
SET 'execution.checkpointing.externalized-checkpoint-retention' = 'RETAIN_ON_CANCELLATION';
-- On disk, so that a busy hour of ids needs no more heap.
SET 'state.backend.type' = 'rocksdb';
-- Forever: the job recovers when Kafka or a task manager comes back; until then its metrics show
-- the restarts.
SET 'restart-strategy.type' = 'exponential-delay';
SET 'restart-strategy.exponential-delay.initial-backoff' = '1 s';
SET 'restart-strategy.exponential-delay.max-backoff' = '30 s';
-- How long an id is kept to recognise its duplicate. The join itself drops state by event time, so all
-- state is bounded.
SET 'table.exec.state.ttl' = '1 h';

-- Both topics unparsed, one text per message: a format that parses would end the job at the first broken
-- line, or drop it silently. `ts` is `at`, as epoch seconds or ISO 8601 (UTC without a zone), and 1970 if
-- it is neither. A rejected message does not move the watermark: one clock that is a year ahead would
-- close all windows.
CREATE TEMPORARY TABLE messages (
  line STRING,
  topic STRING METADATA VIRTUAL,
  `partition` INT METADATA VIRTUAL,
  `offset` BIGINT METADATA VIRTUAL,
  received TIMESTAMP_LTZ(3) METADATA FROM 'timestamp' VIRTUAL,
  arrival AS PROCTIME(),
  ts AS COALESCE(
    TO_TIMESTAMP_LTZ(CAST(TRY_CAST(JSON_VALUE(line, '$.at') AS DECIMAL(16, 3)) * 1000 AS BIGINT), 3),
    TO_TIMESTAMP_LTZ(
      REPLACE(REGEXP_EXTRACT(JSON_VALUE(line, '$.at'), '^(\d{4}-\d\d-\d\d([T ]\d\d:\d\d:\d\d(\.\d{1,9})?)?)(Z|[+-]\d\d:\d\d)?$', 1), ' ', 'T'),
      'yyyy-MM-dd[''T''HH:mm:ss][.SSSSSSSSS][.SSSSSSSS][.SSSSSSS][.SSSSSS][.SSSSS][.SSSS][.SSS][.SS][.S]',
      'GMT' || COALESCE(REGEXP_EXTRACT(JSON_VALUE(line, '$.at'), ':\d\d(\.\d+)?([+-]\d\d:\d\d)$', 2), '')
    ),
    TO_TIMESTAMP_LTZ(0, 3)
  ),
  WATERMARK FOR ts AS IF(ts > received + INTERVAL '5' MINUTE, TO_TIMESTAMP_LTZ(0, 3), LEAST(ts, received)) - INTERVAL '10' SECOND
) WITH (
  'connector' = 'kafka',
  'topic' = '${impressions};${clicks}',
  'properties.bootstrap.servers' = '${bootstrap}',
  'properties.group.id' = '${name}',
  'properties.isolation.level' = 'read_committed',
  'scan.startup.mode' = 'earliest-offset',  -- at the first start; later ones resume from their checkpoint
  'scan.watermark.idle-timeout' = '10 s',   -- a quiet partition or topic delays the others at most this long
  'format' = 'raw'
);

CREATE TEMPORARY TABLE events (
  event_id STRING,
  user_id STRING,
  item_id STRING,
  type STRING,
  `at` STRING,
  recommendation_id STRING
) WITH (
  'connector' = 'kafka',
  'topic' = '${events}',
  'properties.bootstrap.servers' = '${bootstrap}',
  'key.format' = 'raw',
  'key.fields' = 'user_id',
  'value.format' = 'json',
  'value.json.encode.ignore-null-fields' = 'true',
  'sink.delivery-guarantee' = 'exactly-once',
  'sink.transactional-id-prefix' = '${name}',
  'sink.transaction-naming-strategy' = 'POOLING',  -- reuses its ids; by default each checkpoint leaves a new one in the broker
  'properties.transaction.timeout.ms' = '600000'   -- below the broker's transaction.max.timeout.ms, 15 minutes by default
);

CREATE TEMPORARY TABLE rejected (
  topic STRING,
  `partition` INT,
  `offset` BIGINT,
  reason STRING,
  line STRING
) WITH (
  'connector' = 'kafka',
  'topic' = '${rejected}',
  'properties.bootstrap.servers' = '${bootstrap}',
  'format' = 'json',
  'sink.delivery-guarantee' = 'at-least-once'  -- topic, partition and offset identify a line that was written twice
);

CREATE TEMPORARY VIEW fields AS
SELECT
  topic = '${clicks}' AS is_click,
  JSON_VALUE(line, '$.impression_id') AS impression_id,
  JSON_VALUE(line, '$.click_id') AS click_id,
  JSON_VALUE(line, '$.user_id') AS user_id,
  JSON_VALUE(line, '$.item_id') AS item_id,
  JSON_VALUE(line, '$.recommendation_id') AS recommendation_id,
  ts, received, arrival, topic, `partition`, `offset`, line
FROM messages;

-- 480: the event id, which is built from it below, may have at most 512 characters.
CREATE TEMPORARY VIEW judged AS
SELECT
  *,
  CASE
    WHEN line IS NULL OR line IS NOT JSON OBJECT THEN 'expected a JSON object'
    WHEN COALESCE(CHAR_LENGTH(TRIM(user_id)), 0) NOT BETWEEN 1 AND 512 THEN 'user_id: expected a text of 1 to 512 characters'
    WHEN COALESCE(CHAR_LENGTH(TRIM(item_id)), 0) NOT BETWEEN 1 AND 512 THEN 'item_id: expected a text of 1 to 512 characters'
    WHEN is_click AND COALESCE(CHAR_LENGTH(TRIM(COALESCE(impression_id, click_id))), 0) NOT BETWEEN 1 AND 480
      THEN 'impression_id: expected a text of 1 to 480 characters, or instead of it a click_id'
    WHEN NOT is_click AND COALESCE(CHAR_LENGTH(TRIM(impression_id)), 0) NOT BETWEEN 1 AND 480
      THEN 'impression_id: expected a text of 1 to 480 characters'
    WHEN CHAR_LENGTH(TRIM(recommendation_id)) NOT BETWEEN 1 AND 512
      THEN 'recommendation_id: expected a text of 1 to 512 characters, or none'
    WHEN ts < TO_TIMESTAMP_LTZ(631152000, 0) THEN 'at: expected epoch seconds or ISO 8601, from 1990 on'
    WHEN ts > received + INTERVAL '5' MINUTE THEN 'at: after Kafka got the message; is the sender''s clock right?'
  END AS reason
FROM fields;

-- The first to arrive is kept, with its event time; late messages are not dropped.
CREATE TEMPORARY VIEW shown AS
SELECT * FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY impression_id ORDER BY arrival) AS nth FROM judged WHERE NOT is_click AND reason IS NULL
) WHERE nth = 1;

CREATE TEMPORARY VIEW clicked AS
SELECT * FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY impression_id ORDER BY arrival) AS nth
  FROM judged WHERE is_click AND reason IS NULL AND impression_id IS NOT NULL
) WHERE nth = 1;

CREATE TEMPORARY VIEW direct AS
SELECT * FROM (
  SELECT *, ROW_NUMBER() OVER (PARTITION BY click_id ORDER BY arrival) AS nth
  FROM judged WHERE is_click AND reason IS NULL AND impression_id IS NULL
) WHERE nth = 1;

EXECUTE STATEMENT SET BEGIN

INSERT INTO events
SELECT event_id, user_id, item_id, type, DATE_FORMAT(ts, 'yyyy-MM-dd''T''HH:mm:ss.SSS') || '+00:00', recommendation_id
FROM (
  SELECT
    CASE WHEN c.impression_id IS NULL THEN 'impression:' || i.impression_id ELSE 'click:' || c.impression_id END AS event_id,
    COALESCE(c.user_id, i.user_id) AS user_id,
    COALESCE(c.item_id, i.item_id) AS item_id,
    CASE WHEN c.impression_id IS NULL THEN 'impression' ELSE 'click' END AS type,
    COALESCE(c.ts, i.ts) AS ts,
    COALESCE(c.recommendation_id, i.recommendation_id) AS recommendation_id
  FROM shown AS i FULL OUTER JOIN clicked AS c
    ON c.impression_id = i.impression_id AND c.user_id = i.user_id AND c.item_id = i.item_id
    AND c.ts BETWEEN i.ts - INTERVAL '1' MINUTE AND i.ts + INTERVAL '10' MINUTE
  UNION ALL
  SELECT 'click:direct:' || click_id, user_id, item_id, 'click', CAST(ts AS TIMESTAMP_LTZ(3)), recommendation_id FROM direct
);

INSERT INTO rejected
SELECT topic, `partition`, `offset`, reason, SUBSTRING(line, 1, 10000) FROM judged WHERE reason IS NOT NULL;

END;
