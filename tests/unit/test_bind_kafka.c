// Kafka tables in the binder: options, metadata columns, primary keys and changelogs: what is
// taken, and that each refusal says where, what, and how to mend it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "tests/unit/refusals.h"

#define SERVERS "'properties.bootstrap.servers' = 'b:9092'"
#define WITH    "WITH ('connector' = 'kafka', 'topic' = 't', " SERVERS ", "
#define IN      "CREATE TABLE i (a STRING, n BIGINT) " WITH "'format' = 'json');\n"
#define CHANGES                                                                                    \
    "CREATE TABLE c (id STRING, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts, "               \
    "PRIMARY KEY (id) NOT ENFORCED)\n" WITH "'format' = 'debezium-json');\n"
#define UPSERT   "WITH ('connector' = 'upsert-kafka', 'topic' = 't', " SERVERS ", "
#define SELECTED ";\nSELECT a FROM t"

static void test_bind_kafka_options(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"CREATE TABLE t (a STRING) WITH ('connector' = 'kafa')", "'kafa'",
         "there is no connector 'kafa'", "did you mean 'kafka'?"},
        {"CREATE TABLE t (a STRING) " WITH "'formt' = 'json')", "'formt'", "has no option 'formt'",
         "did you mean 'format'?"},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'avro')", "'format' = 'avro'",
         "'format' = 'avro' is not supported", NULL},
        {"CREATE TABLE t (a STRING) " WITH "'value.format' = 'jsn')", "'value.format' = 'jsn'",
         "'value.format' = 'jsn' is not supported", "did you mean 'json'?"},
        {"CREATE TABLE t (a STRING) " WITH "'key.fields' = 'a')", "WITH",
         "table 't' has no 'format' option", NULL},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'json', 'value.format' = 'json')",
         "'format' = 'json'", "the same option", NULL},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'json', 'json.ignore-parse-error' = 'true')",
         "'json.ignore-parse-error'", "unknown option", "did you mean 'json.ignore-parse-errors'?"},
        {"CREATE TABLE t (a STRING) " WITH
         "'format' = 'json', 'value.json.ignore-parse-errors' = 'true')",
         "'value.json.ignore-parse-errors'", "there is no 'value.format'", "begin with 'value.'"},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'json', 'key.raw.endianness' = 'x')",
         "'key.raw.endianness'", "there is no 'key.format'", NULL},
        {"CREATE TABLE t (a STRING) " WITH
         "'value.format' = 'json', 'json.ignore-parse-errors' = 'true')",
         "'json.ignore-parse-errors'", "there is no 'format'", NULL},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'json', 'scan.startup.mode' = 'earliest')",
         "'earliest'", "expected 'earliest-offset', 'latest-offset'", NULL},
        {"CREATE TABLE t (a STRING) " WITH
         "'format' = 'json', 'scan.startup.timestamp-millis' = '-1')",
         "'-1'", "a whole number from 0 on", NULL},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'json', 'sink.semantic' = 'exactly-once')",
         "'sink.semantic'", "not supported yet", "'sink.delivery-guarantee'"},
        {"CREATE TABLE t (a STRING) " WITH
         "'format' = 'json', 'sink.delivery-guarantee' = 'exactly_once')",
         "'exactly_once'", "expected 'none', 'at-least-once', 'exactly-once'",
         "did you mean 'exactly-once'?"},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'json', 'sink.partitioner' = 'com.x.Mine')",
         "'com.x.Mine'", "expected 'default', 'fixed', 'round-robin'", NULL},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'json', 'sink.buffer.max-bytes' = '0')",
         "'0'", "a size of at least one byte", NULL},
        {"CREATE TABLE t (a STRING) " WITH "'format' = 'json', 'sink.parallelism' = '2')",
         "'sink.parallelism'", "not supported yet", "parallelism.default"},
        {"CREATE TABLE t (a STRING) WITH ('connector' = 'filesystem', 'path' = '/x', 'format' = "
         "'raw')",
         "'format'", "'raw' is for messages", "csv"},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_bind_kafka_metadata(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"CREATE TABLE t (a STRING, o BIGINT METADATA) WITH ('connector' = 'datagen')",
         "o BIGINT METADATA", "connector 'datagen' offers none", "physical column"},
        {"CREATE TABLE t (a STRING, ofset BIGINT METADATA VIRTUAL) " WITH "'format' = 'json')",
         "ofset", "there is no metadata 'ofset'", "did you mean 'offset'?"},
        {"CREATE TABLE t (a STRING, s STRING METADATA FROM 'value.source.table') " WITH
         "'format' = 'debezium-json')",
         "s STRING", "metadata of the format", "a message offers topic, partition"},
        {"CREATE TABLE t (a STRING, `offset` TIMESTAMP(3) METADATA VIRTUAL) " WITH
         "'format' = 'json')",
         "TIMESTAMP(3)", "metadata 'offset' is BIGINT and cannot become TIMESTAMP",
         "declare it BIGINT"},
        {"CREATE TABLE t (a STRING, h MAP<STRING, BYTES> METADATA FROM 'headers') " WITH
         "'format' = 'json')",
         "MAP", "is not supported yet", NULL},
        {"CREATE TABLE t (a STRING, o BIGINT METADATA FROM 'offset' VIRTUAL, p BIGINT METADATA "
         "FROM 'offset' VIRTUAL) " WITH "'format' = 'json')",
         "p BIGINT", "metadata 'offset' is column 'o' already", NULL},
        {IN "CREATE TABLE o (a STRING, part INT METADATA FROM 'partition') " WITH
            "'format' = 'json');\nINSERT INTO o SELECT a, 1 FROM i",
         "o SELECT", "metadata 'partition' (column 'part') is only read", "VIRTUAL in line 2"},
        {IN "CREATE TABLE o (a STRING, part INT METADATA FROM 'partition' VIRTUAL) " WITH
            "'format' = 'json');\nINSERT INTO o SELECT a, 1 FROM i",
         "o SELECT", "the query has 2 columns, INSERT INTO needs 1", "the sink's columns are a"},
        {"CREATE TABLE t (a STRING, b AS UPPER(a), PRIMARY KEY (b) NOT ENFORCED) "
         "WITH ('connector' = 'print')",
         "b) NOT", "it is computed", "physical columns"},
        {"CREATE TABLE t (a STRING, PRIMARY KEY (a, a) NOT ENFORCED) "
         "WITH ('connector' = 'print')",
         "a) NOT", "names 'a' twice", NULL},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_bind_kafka_primary_keys_and_changes(void **state)
{
    (void)state;
    static const struct refusal cases[] = {
        {"CREATE TABLE t (a STRING PRIMARY KEY NOT ENFORCED) " WITH "'format' = 'json')",
         "PRIMARY KEY", "can't guarantee the semantic of primary key", "upsert-kafka"},
        {"CREATE TABLE t (a STRING) " UPSERT "'key.format' = 'raw', 'value.format' = 'json')",
         "t (a", "needs a primary key", "PRIMARY KEY (column, ...) NOT ENFORCED"},
        {"CREATE TABLE t (a STRING PRIMARY KEY NOT ENFORCED) " UPSERT "'value.format' = 'json')",
         "WITH", "has no 'key.format' option", "'raw'"},
        {"CREATE TABLE t (a STRING PRIMARY KEY NOT ENFORCED) " UPSERT "'key.format' = 'json')",
         "WITH", "has no 'value.format' option", NULL},
        {"CREATE TABLE t (a STRING PRIMARY KEY NOT ENFORCED) " UPSERT
         "'key.format' = 'json', 'value.format' = 'debezium-json')",
         "'value.format'", "by key and tombstone", NULL},
        {"CREATE TABLE t (a STRING) " WITH
         "'key.format' = 'debezium-json', 'key.fields' = 'a', 'value.format' = 'json')",
         "'key.format'", "a key is no change", NULL},
        {"CREATE TABLE t (a STRING PRIMARY KEY NOT ENFORCED) " UPSERT
         "'key.format' = 'json', 'value.format' = 'json')" SELECTED,
         "t (a", "upsert-kafka is a sink", "'connector' = 'kafka'"},
        {CHANGES "CREATE TABLE o (id STRING, n BIGINT) " WITH "'format' = 'json');\n"
                 "INSERT INTO o SELECT id, n FROM c WHERE n > 3",
         "o SELECT", "doesn't support consuming update and delete changes",
         "'connector' = 'upsert-kafka'"},
        {CHANGES "CREATE TABLE o (id STRING) WITH ('connector' = 'filesystem', 'path' = '/o', "
                 "'format' = 'csv');\nINSERT INTO o SELECT id FROM c",
         "o SELECT", "table 'c' is a changelog ('format' = 'debezium-json')", "print table"},
        {CHANGES "SELECT COUNT(*) FROM c GROUP BY TUMBLE(ts, INTERVAL '1' MINUTE)", "ts, INTERVAL",
         "a window doesn't support consuming update and delete changes: table 'c'",
         "as plain 'json'"},
        {CHANGES "SELECT COUNT(*) FROM TABLE(TUMBLE(TABLE c, DESCRIPTOR(ts), INTERVAL '1' "
                 "MINUTE)) GROUP BY window_start, window_end",
         "ts)", "a window doesn't support consuming update and delete changes", NULL},
        {IN "SET 'table.exec.emit.early-fire.enabled' = 'true';"
            "SET 'table.exec.emit.early-fire.delay' = '1 s';"
            "CREATE TABLE p (a STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) " WITH
            "'format' = 'json');\nCREATE TABLE o (a STRING, n BIGINT) " WITH "'format' = 'csv');\n"
            "INSERT INTO o SELECT a, COUNT(*) FROM p GROUP BY a, TUMBLE(ts, INTERVAL '1' MINUTE)",
         "o SELECT", "column 'EXPR$1' of the query changes after it was written", "upsert-kafka"},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
}

static void test_bind_kafka_watermarks(void **state)
{
    (void)state;
#define TIMED "CREATE TABLE t (a STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) " WITH
    static const struct refusal cases[] = {
        {TIMED "'format' = 'json', 'scan.watermark.alignment.group' = 'g')" SELECTED,
         "'scan.watermark.alignment.group'", "without 'scan.watermark.alignment.max-drift'",
         "give both"},
        {TIMED "'format' = 'json', 'scan.watermark.alignment.max-drift' = '1 s')" SELECTED,
         "'scan.watermark.alignment.max-drift'", "without 'scan.watermark.alignment.group'", NULL},
        {TIMED "'format' = 'json', 'scan.watermark.emit.on-event.gap' = '5')" SELECTED,
         "'scan.watermark.emit.on-event.gap'", "is not supported", "leave it at 1"},
        {TIMED "'format' = 'json', 'scan.watermark.idle-timeout' = 'soon')" SELECTED, "'soon'",
         "is not a duration", NULL},
    };
    check_refusals(cases, ARRAY_SIZE(cases));
}

static const struct op *find_op(const struct plan *plan, enum op_kind kind)
{
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++)
            if (plan->stages[s].ops[i]->kind == kind)
                return plan->stages[s].ops[i];
    return NULL;
}

static struct plan *make_plan(const char *sql)
{
    struct plan *plan = NULL;
    struct err err = {0};
    struct plan_settings settings = {"job.sql", slice_of(sql), 1};
    if (plan_make(&settings, &plan, &err))
        fail_msg("%s", err.text);
    return plan;
}

static void test_bind_kafka_table_is_in_the_plan(void **state)
{
    (void)state;
    struct plan *plan = make_plan(
        "SET 'table.exec.source.idle-timeout' = '1 s';"
        "CREATE TABLE t (id STRING, ts TIMESTAMP(3) METADATA FROM 'timestamp', "
        "`offset` BIGINT METADATA VIRTUAL, up AS UPPER(id), WATERMARK FOR ts AS ts) " WITH
        "'format' = 'json', 'scan.watermark.idle-timeout' = '7 s', "
        "'scan.watermark.emit.strategy' = 'on-event', 'scan.watermark.alignment.group' = 'g', "
        "'scan.watermark.alignment.max-drift' = '3 s');"
        "SELECT up, `offset`, ts FROM t");
    const struct op *source = find_op(plan, OP_SOURCE);
    const struct plan_table *table = source->table;
    assert_int_equal(table->physical.field_count, 3);
    assert_null(plan_metadata_key(table, 0));
    assert_string_equal(plan_metadata_key(table, 1), "timestamp");
    assert_string_equal(plan_metadata_key(table, 2), "offset");
    assert_true(plan_is_written(table, 1) && !plan_is_written(table, 2));
    // The source gives what the connector has; the declared type is a cast behind it.
    assert_int_equal(table->physical.fields[1].type.kind, TYPE_TIMESTAMP_LTZ);
    const struct op_watermark *watermark = &find_op(plan, OP_WATERMARK)->watermark;
    assert_int_equal(watermark->interval_ms, 0);
    assert_int_equal(watermark->idle_timeout_ms, 7000);
    assert_string_equal(watermark->align_group, "g");
    assert_int_equal(watermark->align_drift_ms, 3000);
    assert_int_equal(watermark->align_update_ms, 1000);
    const struct op *sink = find_op(plan, OP_SINK);
    assert_int_equal(sink->output.fields[2].type.kind, TYPE_TIMESTAMP);
    plan_free(plan);
}

static void test_bind_kafka_changelog_goes_where_changes_may(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        CHANGES "SELECT id, n + 1 FROM c WHERE n > 3",
        CHANGES "CREATE TABLE o (id STRING, n BIGINT) " WITH "'format' = 'debezium-json');"
                "INSERT INTO o SELECT id, n FROM c WHERE n > 3",
        CHANGES "CREATE TABLE o (id STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) " UPSERT
                "'key.format' = 'json', 'value.format' = 'json');"
                "INSERT INTO o SELECT id, n FROM c",
        IN "CREATE TABLE o (id STRING, n BIGINT, PRIMARY KEY (id) NOT ENFORCED) " WITH
           "'value.format' = 'debezium-json', 'value.debezium-json.ignore-parse-errors' = 'true');"
           "INSERT INTO o SELECT a, n FROM i",
        IN "CREATE TABLE o (a STRING, topic STRING METADATA, `timestamp` TIMESTAMP(3) METADATA, "
           "headers STRING METADATA) " WITH "'format' = 'csv', 'sink.transaction-naming-strategy' "
           "= 'pooling', 'sink.delivery-guarantee' = 'exactly-once');"
           "INSERT INTO o SELECT a, 't', TIMESTAMP '2024-01-01 00:00:00', '{}' FROM i",
    };
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++)
        plan_free(make_plan(scripts[i]));
}

static uint64_t hash_with(const char *columns)
{
    char sql[512];
    snprintf(sql, sizeof sql,
             "CREATE TABLE t (a STRING, %s) " WITH "'format' = 'json'); SELECT a, m FROM t",
             columns);
    struct plan *plan = make_plan(sql);
    uint64_t hash = plan->fingerprint;
    plan_free(plan);
    return hash;
}

static void test_bind_kafka_metadata_is_in_the_fingerprint(void **state)
{
    (void)state;
    uint64_t physical = hash_with("m BIGINT");
    uint64_t offset = hash_with("m BIGINT METADATA FROM 'offset'");
    uint64_t is_virtual = hash_with("m BIGINT METADATA FROM 'offset' VIRTUAL");
    assert_true(physical != offset && offset != is_virtual && physical != is_virtual);
    assert_true(hash_with("m INT METADATA FROM 'partition'") !=
                hash_with("m INT METADATA FROM 'leader-epoch'"));
}

// --- where rows for a sink with a primary key go ---

#define PARALLEL "SET 'parallelism.default' = '2';"
#define TIMED_IN                                                                                   \
    "CREATE TABLE p (a STRING, b STRING, ts TIMESTAMP(3), WATERMARK FOR ts AS ts) " WITH           \
    "'format' = 'json');"
#define KEYED(columns, key)                                                                        \
    "CREATE TABLE o (v INT METADATA FROM 'partition' VIRTUAL, " columns ", PRIMARY KEY (" key      \
    ") NOT ENFORCED) " UPSERT "'key.format' = 'json', "                                            \
    "'value.format' = 'json');"
#define BY_MINUTE " FROM TABLE(TUMBLE(TABLE p, DESCRIPTOR(ts), INTERVAL '1' MINUTE)) "

static const struct exchange *last_exchange(const struct plan *plan)
{
    const struct stage *last = &plan->stages[plan->stage_count - 1];
    return last->input_exchange < 0 ? NULL : &plan->exchanges[last->input_exchange];
}

static void test_bind_kafka_rows_go_by_primary_key(void **state)
{
    (void)state;
    // Not keyed at all, by another column than the primary key's, by a part of the group's keys.
    static const struct {
        const char *sql;
        int hash_column;
    } cases[] = {
        {PARALLEL IN KEYED("n BIGINT, a STRING", "a") "INSERT INTO o SELECT n, a FROM i", 1},
        {PARALLEL IN KEYED("n BIGINT, a STRING", "n") "INSERT INTO o SELECT n, a FROM i", 0},
        {PARALLEL TIMED_IN KEYED("n BIGINT, a STRING",
                                 "a") "INSERT INTO o SELECT COUNT(*), a" BY_MINUTE
                                      "GROUP BY a, b, window_start, window_end",
         1},
        {PARALLEL TIMED_IN KEYED("n BIGINT, a STRING",
                                 "a") "INSERT INTO o SELECT COUNT(*), UPPER(a)" BY_MINUTE
                                      "GROUP BY a, window_start, window_end",
         1},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct plan *plan = make_plan(cases[i].sql);
        const struct stage *last = &plan->stages[plan->stage_count - 1];
        const struct exchange *exchange = last_exchange(plan);
        assert_string_equal(last->name, "sink: o");
        assert_int_equal(last->parallelism, 2);
        assert_int_equal(exchange->kind, EXCHANGE_HASH);
        assert_int_equal(exchange->hash_column_count, 1);
        assert_int_equal(exchange->hash_columns[0], cases[i].hash_column);
        assert_non_null(strstr(exchange->reason, "primary key"));
        plan_free(plan);
    }
}

static void test_bind_kafka_rows_stay_where_they_are_by_key(void **state)
{
    (void)state;
    static const char *const scripts[] = {
        IN KEYED("n BIGINT, a STRING", "a") "INSERT INTO o SELECT n, a FROM i", // one task
        PARALLEL TIMED_IN KEYED("n BIGINT, a STRING, w TIMESTAMP(3)",
                                "a, w") "INSERT INTO o SELECT COUNT(*), a, window_start" BY_MINUTE
                                        "GROUP BY a, window_start, window_end",
        PARALLEL TIMED_IN KEYED("a STRING, n BIGINT",
                                "a") "INSERT INTO o SELECT a, COUNT(*)" BY_MINUTE
                                     "GROUP BY a, window_start, window_end",
        PARALLEL IN "CREATE TABLE o (a STRING) " WITH "'format' = 'json');"
                    "INSERT INTO o SELECT a FROM i", // no primary key
    };
    for (size_t i = 0; i < ARRAY_SIZE(scripts); i++) {
        struct plan *plan = make_plan(scripts[i]);
        const struct exchange *exchange = last_exchange(plan);
        assert_true(!exchange || !strstr(exchange->reason, "primary key"));
        plan_free(plan);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bind_kafka_options),
        cmocka_unit_test(test_bind_kafka_metadata),
        cmocka_unit_test(test_bind_kafka_primary_keys_and_changes),
        cmocka_unit_test(test_bind_kafka_watermarks),
        cmocka_unit_test(test_bind_kafka_table_is_in_the_plan),
        cmocka_unit_test(test_bind_kafka_changelog_goes_where_changes_may),
        cmocka_unit_test(test_bind_kafka_metadata_is_in_the_fingerprint),
        cmocka_unit_test(test_bind_kafka_rows_go_by_primary_key),
        cmocka_unit_test(test_bind_kafka_rows_stay_where_they_are_by_key),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
