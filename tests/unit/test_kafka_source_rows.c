// test_kafka_source_rows.c: what becomes of keys, metadata and changes that messages carry.
#include "tests/unit/test_kafka_source_support.h"

static struct cluster cluster;

static int setup(void **state)
{
    (void)state;
    cluster_open(&cluster, 1);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_close(&cluster);
    return 0;
}

static void read_all(struct reading *r, const char *topic)
{
    bench_option(&r->bench, "topic", topic);
    bench_option(&r->bench, "scan.startup.mode", "earliest-offset");
    bench_option(&r->bench, "scan.bounded.mode", "latest-offset");
    reading_open(r);
    reading_run(r, 0, 20000);
    assert_true(r->has_ended);
}

// Keys that are null give NULL, bad ones make a bad row of the message; values stay with their
// keys, whatever lies between.
static void test_rows_keys(void **state)
{
    static struct field fields[] = {{.name = "id", .type = {.kind = TYPE_BIGINT}},
                                    {.name = "k_name", .type = {.kind = TYPE_STRING}}};
    struct reading r;
    uint32_t bad = 0, rows = 0, nulls = 0;
    (void)state;
    cluster_topic(&cluster, "keys", 1);
    for (int i = 0; i < 3000; i++) {
        char key[64], value[64];
        const int odd = i % 50;
        snprintf(key, sizeof key, odd == 7 ? "no key %d" : "{\"name\":\"key %d\"}", i);
        snprintf(value, sizeof value, odd == 9 ? "no value %d" : "{\"id\":%d}", i);
        cluster_put(&cluster,
                    &(struct put){"keys", 0, odd == 5 ? NULL : key, odd == 11 ? NULL : value, 0});
        bad += odd == 7 || odd == 9;
        nulls += odd == 5;
        rows += odd != 7 && odd != 9 && odd != 11;
    }
    cluster_flush(&cluster);
    reading_init(&r, &cluster, fields, 2);
    bench_option(&r.bench, "key.format", "json");
    bench_option(&r.bench, "key.fields", "k_name");
    bench_option(&r.bench, "key.fields-prefix", "k_");
    bench_option(&r.bench, "value.format", "json");
    bench_option(&r.bench, "value.fields-include", "EXCEPT_KEY");
    r.abort_in = 6;
    read_all(&r, "keys");
    assert_int_equal(r.committed, rows);
    assert_int_equal(r.bad_committed, bad);
    for (uint32_t i = 0; i < r.committed; i++) {
        char want[40];
        snprintf(want, sizeof want, "key %lld", (long long)r.taken[i].id);
        assert_int_equal(r.taken[i].id, r.taken[i].offset);
        if (r.taken[i].is_null)
            nulls--;
        else
            assert_string_equal(r.taken[i].text, want);
    }
    assert_int_equal(nulls, 0);
    reading_fini(&r);
}

static void test_rows_metadata(void **state)
{
    static struct field fields[] = {{.name = "id", .type = {.kind = TYPE_BIGINT}},
                                    {.name = "topic", .type = {.kind = TYPE_STRING}},
                                    {.name = "partition", .type = {.kind = TYPE_INT}},
                                    {.name = "offset", .type = {.kind = TYPE_BIGINT}},
                                    {.name = "timestamp", .type = {.kind = TYPE_TIMESTAMP_LTZ}},
                                    {.name = "headers", .type = {.kind = TYPE_STRING}},
                                    {.name = "timestamp-type", .type = {.kind = TYPE_STRING}},
                                    {.name = "leader-epoch", .type = {.kind = TYPE_INT}}};
    const char *keys[8] = {NULL};
    struct reading r;
    (void)state;
    for (int i = 1; i < 8; i++)
        keys[i] = fields[i].name;
    cluster_topic(&cluster, "meta", 2);
    rd_kafka_producev(cluster.rk, RD_KAFKA_V_TOPIC("meta"), RD_KAFKA_V_PARTITION(1),
                      RD_KAFKA_V_VALUE((void *)(uintptr_t) "{\"id\":5}", 8),
                      RD_KAFKA_V_TIMESTAMP(1234567), RD_KAFKA_V_HEADER("trace", "a1", 2),
                      RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
    cluster_flush(&cluster);
    reading_init(&r, &cluster, fields, 8);
    r.bench.table.metadata_keys = keys;
    bench_option(&r.bench, "format", "json");
    read_all(&r, "meta");
    assert_int_equal(r.committed, 1);
    // The last poll gave no rows; the columns still hold the only one.
    const struct column *c = r.batch.columns;
    assert_int_equal(c[0].i64[0], 5);
    assert_int_equal(c[2].i64[0], 1);
    assert_int_equal(c[3].i64[0], 0);
    assert_int_equal(c[4].i64[0], 1234567);
    assert_string_equal(r.taken[0].text, "CreateTime");
    reading_fini(&r);
}

// A change is two rows of one message; transactions that end between them give each once.
static void test_rows_changes(void **state)
{
    static struct field fields[] = {{.name = "id", .type = {.kind = TYPE_BIGINT}}};
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "changes", 1);
    for (int i = 0; i < 1000; i++) {
        char value[128];
        snprintf(value, sizeof value, "{\"before\":{\"id\":%d},\"after\":{\"id\":%d},\"op\":\"u\"}",
                 2 * i, 2 * i + 1);
        cluster_put(&cluster, &(struct put){"changes", 0, NULL, value, 0});
    }
    cluster_flush(&cluster);
    reading_init(&r, &cluster, fields, 1);
    bench_option(&r.bench, "format", "debezium-json");
    r.abort_in = 3;
    r.die_in = 60;
    read_all(&r, "changes");
    assert_int_equal(r.committed, 2000);
    for (uint32_t i = 0; i < r.committed; i++)
        assert_int_equal(r.taken[i].id, i);
    reading_fini(&r);
}

// Any bytes are raw, also none; a null is NULL.
static void test_rows_raw(void **state)
{
    static struct field fields[] = {{.name = "s", .type = {.kind = TYPE_STRING}}};
    static const char *const values[] = {"one\ntwo", "", NULL, "three"};
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "raw", 1);
    for (int i = 0; i < 4; i++)
        cluster_put(&cluster, &(struct put){"raw", 0, NULL, values[i], 0});
    cluster_flush(&cluster);
    reading_init(&r, &cluster, fields, 1);
    bench_option(&r.bench, "format", "raw");
    read_all(&r, "raw");
    assert_int_equal(r.committed, 4);
    assert_string_equal(r.taken[0].text, "one\ntwo");
    assert_false(r.taken[1].is_null);
    assert_string_equal(r.taken[1].text, "");
    assert_true(r.taken[2].is_null);
    assert_string_equal(r.taken[3].text, "three");
    reading_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_rows_keys),
        cmocka_unit_test(test_rows_metadata),
        cmocka_unit_test(test_rows_changes),
        cmocka_unit_test(test_rows_raw),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
