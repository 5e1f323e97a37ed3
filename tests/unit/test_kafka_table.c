// What a Kafka table says, typed: lists, positions, the columns of key, value and metadata; and
// that every refusal begins with the option that it is about.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "stages/kafka/table.h"

#define SERVERS "'properties.bootstrap.servers'='b:9092'"
#define KAFKA   "'connector'='kafka'," SERVERS ","
#define COLUMNS "a STRING, b BIGINT, c DOUBLE"

struct tables {
    struct plan *plan;
    const struct plan_table *source, *sink;
};

static void make(const char *sql, struct tables *out)
{
    struct err err = {0};
    struct plan_settings settings = {"job.sql", slice_of(sql), 1};
    if (plan_make(&settings, &out->plan, &err))
        fail_msg("%s", err.text);
    const struct stage *stage = &out->plan->stages[0];
    out->source = stage->ops[0]->table;
    out->sink = stage->ops[stage->op_count - 1]->table;
}

// A source of these columns and options, read whole; printed.
static void make_source(const char *columns, const char *options, struct tables *out)
{
    char sql[4096];
    int len = snprintf(sql, sizeof sql, "CREATE TABLE t (%s) WITH (%s); SELECT * FROM t", columns,
                       options);
    assert_true(len < (int)sizeof sql);
    make(sql, out);
}

static void parse_source(const char *columns, const char *options, struct tables *tables,
                         struct kafka_table *out)
{
    struct err err = {0};
    make_source(columns, options, tables);
    if (kafka_table_parse(tables->source, "job", out, &err))
        fail_msg("%s: %s", options, err.text);
}

static void drop(struct tables *tables, struct kafka_table *table)
{
    kafka_table_fini(table);
    plan_free(tables->plan);
}

// --- sources ---

static void test_kafka_table_has_flinks_defaults(void **state)
{
    (void)state;
    struct tables tables;
    struct kafka_table t;
    parse_source(COLUMNS, KAFKA "'topic'='in','format'='json'", &tables, &t);
    assert_int_equal(t.topic_count, 1);
    assert_string_equal(t.topics[0], "in");
    assert_null(t.topic_pattern);
    assert_string_equal(t.servers, "b:9092");
    assert_string_equal(t.group_id, "weir-job-t");
    assert_int_equal(t.start.point, KAFKA_GROUP);
    assert_int_equal(t.bound.point, KAFKA_UNBOUNDED);
    assert_int_equal(t.reset, KAFKA_RESET_FAIL);
    assert_int_equal(t.lost, KAFKA_RESET_FAIL);
    assert_int_equal(t.discovery_ms, 300000);
    assert_false(t.key.is_present);
    assert_int_equal(t.value.schema.field_count, 3);
    assert_int_equal(t.value.needed_count, 3);
    assert_int_equal(t.guarantee, KAFKA_AT_LEAST_ONCE);
    assert_string_equal(t.transactional_id_prefix, "weir-job-t");
    assert_int_equal(t.partitioner, KAFKA_BY_KEY);
    assert_false(t.is_changelog || t.is_upsert || t.repeats_on_rollback);
    drop(&tables, &t);
}

static void test_kafka_table_reads_lists(void **state)
{
    (void)state;
    struct tables tables;
    struct kafka_table t;
    parse_source(COLUMNS,
                 KAFKA "'topic'='a; b ;c;','format'='json','properties.group.id'='g',"
                       "'properties.fetch.min.bytes'='1','properties.auto.offset.reset'='latest'",
                 &tables, &t);
    assert_int_equal(t.topic_count, 3);
    assert_string_equal(t.topics[1], "b");
    assert_string_equal(t.topics[2], "c");
    assert_string_equal(t.group_id, "g");
    assert_int_equal(t.property_count, 4);
    assert_string_equal(t.properties[2].key, "fetch.min.bytes");
    assert_string_equal(t.properties[2].value, "1");
    assert_string_equal(t.properties[2].option, "properties.fetch.min.bytes");
    assert_int_equal(t.reset, KAFKA_RESET_LATEST);
    drop(&tables, &t);
}

static void test_kafka_table_reads_positions(void **state)
{
    (void)state;
    struct tables tables;
    struct kafka_table t;
    parse_source(COLUMNS,
                 KAFKA "'topic'='a','format'='json','scan.startup.mode'='specific-offsets',"
                       "'scan.startup.specific-offsets'='partition:3,offset:42; "
                       "partition:0, offset:7;','scan.bounded.mode'='timestamp',"
                       "'scan.bounded.timestamp-millis'='1700000000000'",
                 &tables, &t);
    assert_int_equal(t.start.point, KAFKA_OFFSETS);
    assert_int_equal(t.start.offset_count, 2);
    assert_int_equal(t.start.offsets[0].partition, 0);
    assert_int_equal(t.start.offsets[0].offset, 7);
    assert_int_equal(t.start.offsets[1].partition, 3);
    assert_int_equal(t.start.offsets[1].offset, 42);
    assert_int_equal(t.bound.point, KAFKA_TIMESTAMP);
    assert_int_equal(t.bound.timestamp_ms, 1700000000000);
    assert_int_equal(t.discovery_ms, 0); // what is found later is behind the bound
    drop(&tables, &t);
    parse_source(COLUMNS,
                 KAFKA "'topic-pattern'='a.*','format'='json','scan.startup.mode'='latest-offset',"
                       "'scan.topic-partition-discovery.interval'='10 s',"
                       "'scan.lost-offsets'='earliest'",
                 &tables, &t);
    assert_string_equal(t.topic_pattern, "a.*");
    assert_int_equal(t.topic_count, 0);
    assert_int_equal(t.start.point, KAFKA_LATEST);
    assert_int_equal(t.discovery_ms, 10000);
    assert_int_equal(t.lost, KAFKA_RESET_EARLIEST);
    drop(&tables, &t);
}

static void test_kafka_table_finds_columns_in_a_sources_batch(void **state)
{
    (void)state;
    struct tables tables;
    struct kafka_table t;
    struct err err = {0};
    make("CREATE TABLE t (k_id STRING, `offset` BIGINT METADATA VIRTUAL, a STRING, unread INT, "
         "k_n BIGINT, ts TIMESTAMP(3) METADATA FROM 'timestamp', b BIGINT) WITH (" KAFKA
         "'topic'='in','key.format'='json','key.fields'='k_n;k_id','key.fields-prefix'='k_',"
         "'value.format'='csv','value.fields-include'='EXCEPT_KEY');"
         "SELECT b, ts, k_id, k_n, a FROM t",
         &tables);
    assert_int_equal(kafka_table_parse(tables.source, "job", &t, &err), 0);
    // The batch: k_id, a, k_n, ts, b.
    assert_int_equal(t.key.schema.field_count, 2);
    assert_string_equal(t.key.schema.fields[0].name, "n");
    assert_string_equal(t.key.schema.fields[1].name, "id");
    assert_int_equal(t.key.columns[0], 4);
    assert_int_equal(t.key.needed_count, 2);
    assert_int_equal(t.key.source_columns[0], 2);
    assert_int_equal(t.key.source_columns[1], 0);
    assert_int_equal(t.value.schema.field_count, 3);
    assert_string_equal(t.value.schema.fields[1].name, "unread");
    assert_false(t.value.needed[1]);
    assert_int_equal(t.value.needed_count, 2);
    assert_int_equal(t.value.source_columns[0], 1);
    assert_int_equal(t.value.source_columns[1], 4);
    assert_int_equal(t.source_metadata[KAFKA_META_TIMESTAMP], 3);
    assert_int_equal(t.source_metadata[KAFKA_META_OFFSET], -1);
    drop(&tables, &t);
}

static void test_kafka_table_takes_a_key_column_from_the_value_that_has_it(void **state)
{
    (void)state;
    struct tables tables;
    struct kafka_table t;
    parse_source(COLUMNS, KAFKA "'topic'='in','format'='json','key.format'='raw','key.fields'='a'",
                 &tables, &t);
    assert_true(t.key.is_present);
    assert_int_equal(t.key.needed_count, 0);
    assert_int_equal(t.value.needed_count, 3);
    assert_int_equal(t.key.sink_columns[0], 0);
    drop(&tables, &t);
}

static void test_kafka_table_refuses_by_option(void **state)
{
    (void)state;
    static const struct {
        const char *options, *option, *says;
    } cases[] = {
        {KAFKA "'format'='json'", "the option 'topic' is missing", "topic-pattern"},
        {KAFKA "'format'='json','topic'='a','topic-pattern'='b'", "'topic-pattern'", "both"},
        {KAFKA "'format'='json','topic'='a;;b'", "'topic'", "no name of a topic"},
        {KAFKA "'format'='json','topic'='a b'", "'topic'", "'a b' is no name"},
        {KAFKA "'format'='json','topic'='a;b;a'", "'topic'", "'a' twice"},
        {KAFKA "'format'='json','topic-pattern'='a('", "'topic-pattern'", "a("},
        {"'connector'='kafka','topic'='a','format'='json'",
         "the option 'properties.bootstrap.servers'", "is missing"},
        {KAFKA "'topic'='a','format'='json','properties.group.id'=''", "'properties.group.id'",
         "empty"},
        {KAFKA "'topic'='a','format'='json','properties.auto.offset.reset'='first'",
         "'properties.auto.offset.reset'", "expected 'earliest'"},
        {KAFKA "'topic'='a','format'='json','scan.startup.mode'='timestamp'", "'scan.startup.mode'",
         "'scan.startup.timestamp-millis'"},
        {KAFKA "'topic'='a','format'='json','scan.bounded.mode'='specific-offsets'",
         "'scan.bounded.mode'", "'scan.bounded.specific-offsets'"},
        {KAFKA "'topic'='a;b','format'='json','scan.startup.mode'='specific-offsets',"
               "'scan.startup.specific-offsets'='partition:0,offset:1'",
         "'scan.startup.specific-offsets'", "one topic"},
        {KAFKA "'topic'='a','format'='json','scan.startup.mode'='specific-offsets',"
               "'scan.startup.specific-offsets'='partition:0,offset:1;partition:1'",
         "'scan.startup.specific-offsets'", "'partition:1' is not"},
        {KAFKA "'topic'='a','format'='json','scan.startup.mode'='specific-offsets',"
               "'scan.startup.specific-offsets'='partition:0,offset:1;partition:0,offset:2'",
         "'scan.startup.specific-offsets'", "partition 0 twice"},
        {KAFKA "'topic'='a','format'='json','key.fields'='a'", "'key.fields'", "'key.format'"},
        {KAFKA "'topic'='a','format'='json','key.format'='json'", "'key.format'", "'key.fields'"},
        {KAFKA "'topic'='a','format'='json','key.format'='json','key.fields'='a;x'", "'key.fields'",
         "'x' is no physical column"},
        {KAFKA "'topic'='a','format'='json','key.format'='json','key.fields'='a;a'", "'key.fields'",
         "'a' twice"},
        {KAFKA "'topic'='a','format'='json','key.format'='json','key.fields'='a',"
               "'key.fields-prefix'='k_'",
         "'key.fields-prefix'", "EXCEPT_KEY"},
        {KAFKA "'topic'='a','format'='json','key.format'='json','key.fields'='a',"
               "'key.fields-prefix'='k_','value.fields-include'='EXCEPT_KEY'",
         "'key.fields-prefix'", "'a' does not"},
        {KAFKA "'topic'='a','format'='raw'", "'format'", "here it has 3"},
        {KAFKA "'topic'='a','format'='json','key.format'='raw','key.fields'='a;b'", "'key.format'",
         "here it has 2"},
        {KAFKA "'topic'='a','format'='json','sink.partitioner'='round-robin','key.format'='raw',"
               "'key.fields'='a'",
         "'sink.partitioner'", "without 'key.fields'"},
        {KAFKA "'topic'='a','format'='json','sink.transactional-id-prefix'=''",
         "'sink.transactional-id-prefix'", "empty"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct tables tables;
        struct kafka_table t;
        struct err err = {0};
        make_source(COLUMNS, cases[i].options, &tables);
        if (kafka_table_parse(tables.source, "job", &t, &err) == 0)
            fail_msg("was not refused: %s", cases[i].options);
        if (strncmp(err.text, cases[i].option, strlen(cases[i].option)) != 0)
            fail_msg("does not begin with %s: %s", cases[i].option, err.text);
        if (!strstr(err.text, cases[i].says))
            fail_msg("does not say %s: %s", cases[i].says, err.text);
        drop(&tables, &t);
    }
}

// --- sinks ---

#define NUMBERS "CREATE TABLE n (a STRING, b BIGINT, ts TIMESTAMP(3)) WITH ('connector'='datagen');"

static void test_kafka_table_finds_columns_in_a_sinks_batch(void **state)
{
    (void)state;
    struct tables tables;
    struct kafka_table t;
    struct err err = {0};
    make(NUMBERS "CREATE TABLE o (p INT METADATA FROM 'partition' VIRTUAL, v BIGINT, "
                 "at TIMESTAMP_LTZ(3) METADATA FROM 'timestamp', id STRING, "
                 "PRIMARY KEY (id) NOT ENFORCED) WITH ('connector'='upsert-kafka'," SERVERS
                 ",'topic'='out','key.format'='raw','value.format'='json',"
                 "'value.fields-include'='EXCEPT_KEY','sink.delivery-guarantee'='exactly-once',"
                 "'sink.transactional-id-prefix'='mine','sink.buffer.max-bytes'='1 mb',"
                 "'sink.on-rollback'='repeat');"
                 "INSERT INTO o SELECT b, ts, a FROM n",
         &tables);
    assert_int_equal(kafka_table_parse(tables.sink, "job", &t, &err), 0);
    assert_int_equal(kafka_table_check_sink(&t, &err), 0);
    assert_true(t.is_upsert);
    assert_int_equal(t.key.schema.field_count, 1);
    assert_int_equal(t.key.columns[0], 3);
    assert_int_equal(t.key.sink_columns[0], 2); // v, at, id
    assert_int_equal(t.value.schema.field_count, 1);
    assert_int_equal(t.value.sink_columns[0], 0);
    assert_int_equal(t.sink_metadata[KAFKA_META_TIMESTAMP], 1);
    assert_int_equal(t.sink_metadata[KAFKA_META_PARTITION], -1);
    assert_int_equal(t.guarantee, KAFKA_EXACTLY_ONCE);
    assert_string_equal(t.transactional_id_prefix, "mine");
    assert_int_equal(t.buffer_max_bytes, 1 << 20);
    assert_true(t.repeats_on_rollback);
    drop(&tables, &t);
}

static void test_kafka_table_sinks_know_their_topic(void **state)
{
    (void)state;
    struct tables tables;
    struct kafka_table t;
    struct err err = {0};
    make(NUMBERS "CREATE TABLE o (a STRING) WITH (" KAFKA "'topic'='x;y','format'='json');"
                 "INSERT INTO o SELECT a FROM n",
         &tables);
    assert_int_equal(kafka_table_parse(tables.sink, "job", &t, &err), 0);
    assert_int_equal(kafka_table_check_sink(&t, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'topic' names no single topic"));
    drop(&tables, &t);
    make(NUMBERS "CREATE TABLE o (a STRING, topic STRING METADATA) WITH (" KAFKA
                 "'topic'='x;y','format'='json'); INSERT INTO o SELECT a, 'x' FROM n",
         &tables);
    assert_int_equal(kafka_table_parse(tables.sink, "job", &t, &err), 0);
    assert_int_equal(kafka_table_check_sink(&t, &err), 0);
    assert_int_equal(t.sink_metadata[KAFKA_META_TOPIC], 1);
    drop(&tables, &t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_kafka_table_has_flinks_defaults),
        cmocka_unit_test(test_kafka_table_reads_lists),
        cmocka_unit_test(test_kafka_table_reads_positions),
        cmocka_unit_test(test_kafka_table_finds_columns_in_a_sources_batch),
        cmocka_unit_test(test_kafka_table_takes_a_key_column_from_the_value_that_has_it),
        cmocka_unit_test(test_kafka_table_refuses_by_option),
        cmocka_unit_test(test_kafka_table_finds_columns_in_a_sinks_batch),
        cmocka_unit_test(test_kafka_table_sinks_know_their_topic),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
