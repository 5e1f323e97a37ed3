// test_kafka_source.c: the Kafka source before a mock cluster: every message once, where it begins
// and ends, what becomes of messages that are none.
#include "tests/unit/test_kafka_source_support.h"

static struct field id_field[] = {{.name = "id", .type = {.kind = TYPE_BIGINT}}};
static struct field two_fields[] = {{.name = "id", .type = {.kind = TYPE_BIGINT}},
                                    {.name = "s", .type = {.kind = TYPE_STRING}}};

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

static void put_ids(const char *topic, int partitions, int from, int to)
{
    for (int i = from; i < to; i++) {
        char value[64];
        snprintf(value, sizeof value, "{\"id\":%d,\"s\":\"row %d\"}", i, i);
        cluster_put(&cluster, &(struct put){topic, i % partitions, NULL, value, 1000 + i});
    }
    cluster_flush(&cluster);
}

static void use(struct reading *r, const char *topic, const char *bound)
{
    bench_option(&r->bench, "topic", topic);
    bench_option(&r->bench, "format", "json");
    bench_option(&r->bench, "scan.startup.mode", "earliest-offset");
    if (bound)
        bench_option(&r->bench, "scan.bounded.mode", bound);
}

// Each id of [from, to) once, in the order of its partition.
static void expect_ids(const struct reading *r, int from, int to)
{
    int *seen = calloc((size_t)to + 1, sizeof *seen);
    assert_non_null(seen);
    for (uint32_t i = 0; i < r->committed; i++) {
        assert_in_range(r->taken[i].id, from, to - 1);
        assert_int_equal(seen[r->taken[i].id]++, 0);
        for (uint32_t j = i; j-- > 0;)
            if (strcmp(r->taken[j].source, r->taken[i].source) == 0) {
                assert_true(r->taken[j].offset < r->taken[i].offset);
                break;
            }
    }
    for (int i = from; i < to; i++)
        if (seen[i] != 1)
            fail_msg("row %d came %d times (of %u)", i, seen[i], r->committed);
    free(seen);
}

static void test_source_reads_all(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "all", 3);
    put_ids("all", 3, 0, 5000);
    reading_init(&r, &cluster, two_fields, 2);
    use(&r, "all", "latest-offset");
    reading_open(&r);
    reading_run(&r, 0, 30000);
    assert_true(r.has_ended);
    assert_false(r.has_failed);
    expect_ids(&r, 0, 5000);
    char text[32];
    snprintf(text, sizeof text, "row %lld", (long long)r.taken[0].id);
    assert_string_equal(r.taken[0].text, text);
    reading_fini(&r);
}

// Aborted transactions, and processes that die in the middle of one.
static void test_source_exactly_once(void **state)
{
    struct reading r;
    const char *given = getenv("SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)now_ms();
    (void)state;
    print_message("SEED=%llu\n", (unsigned long long)seed);
    cluster_topic(&cluster, "once", 4);
    put_ids("once", 4, 0, 8000);
    reading_init(&r, &cluster, two_fields, 2);
    use(&r, "once", "latest-offset");
    r.random = seed;
    r.abort_in = 4;
    r.die_in = 40;
    reading_open(&r);
    reading_run(&r, 0, 60000);
    assert_true(r.has_ended);
    expect_ids(&r, 0, 8000);
    reading_fini(&r);
}

// What is no message for JSON lies between: nothing of it is a row, each bad one is reported once.
static void test_source_odd_payloads(void **state)
{
    static const char *const odd[] = {NULL, "", "{\"id\":", "{\"id\":\n%d}", "{\"id\": %d}\n"};
    struct reading r;
    uint32_t rows = 0, bad = 0, tombstones = 0;
    (void)state;
    cluster_topic(&cluster, "odd", 2);
    for (int i = 0; i < 2000; i++) {
        const char *form = i % 7 == 3 ? odd[(i / 7) % 5] : "{\"id\":%d}";
        char value[64];
        if (form)
            snprintf(value, sizeof value, form, i);
        rows += i % 7 != 3 || (i / 7) % 5 >= 3;
        tombstones += !form;
        bad += i % 7 == 3 && ((i / 7) % 5 == 1 || (i / 7) % 5 == 2);
        cluster_put(&cluster, &(struct put){"odd", i % 2, NULL, form ? value : NULL, 0});
    }
    cluster_flush(&cluster);
    reading_init(&r, &cluster, id_field, 1);
    use(&r, "odd", "latest-offset");
    r.abort_in = 5;
    r.die_in = 60;
    reading_open(&r);
    reading_run(&r, 0, 30000);
    assert_int_equal(r.committed, rows);
    assert_int_equal(r.bad_committed, bad);
    for (uint32_t i = 1; i < r.bad_committed; i++)
        for (uint32_t j = 0; j < i; j++)
            assert_false(r.bad[i].offset == r.bad[j].offset &&
                         strcmp(r.bad[i].source, r.bad[j].source) == 0);
    char want[40];
    struct buf text = {0};
    snprintf(want, sizeof want, "\"tombstones\":%u,", tombstones);
    kafka_source_class.describe(r.source, &text);
    assert_non_null(strstr(buf_str(&text), want));
    buf_fini(&text);
    reading_fini(&r);
}

// --- where it begins ---

static uint32_t rows_from(const char *topic, const char *const *options, int count)
{
    struct reading r;
    reading_init(&r, &cluster, two_fields, 2);
    bench_option(&r.bench, "topic", topic);
    bench_option(&r.bench, "format", "json");
    for (int i = 0; i < count; i += 2)
        bench_option(&r.bench, options[i], options[i + 1]);
    reading_open(&r);
    reading_run(&r, 0, 20000);
    assert_true(r.has_ended);
    uint32_t rows = r.committed;
    reading_fini(&r);
    return rows;
}

static void test_source_begins(void **state)
{
    static const char *const none[] = {"scan.bounded.mode", "latest-offset", "scan.startup.mode",
                                       "latest-offset"};
    static const char *const offsets[] = {"scan.bounded.mode",
                                          "latest-offset",
                                          "scan.startup.mode",
                                          "specific-offsets",
                                          "scan.startup.specific-offsets",
                                          "partition:0,offset:40;partition:1,offset:45"};
    static const char *const group[] = {"scan.bounded.mode",
                                        "latest-offset",
                                        "scan.startup.mode",
                                        "group-offsets",
                                        "properties.group.id",
                                        "nobody",
                                        "properties.auto.offset.reset",
                                        "earliest"};
    (void)state;
    cluster_topic(&cluster, "begins", 2);
    put_ids("begins", 2, 0, 100);
    assert_int_equal(rows_from("begins", none, 4), 0);
    assert_int_equal(rows_from("begins", offsets, 6), 15);
    assert_int_equal(rows_from("begins", group, 8), 100);
}

static void test_source_ends(void **state)
{
    static const char *const offsets[] = {"scan.startup.mode",
                                          "earliest-offset",
                                          "scan.bounded.mode",
                                          "specific-offsets",
                                          "scan.bounded.specific-offsets",
                                          "partition:0,offset:7;partition:1,offset:0"};
    static const char *const latest[] = {"scan.startup.mode", "earliest-offset",
                                         "scan.bounded.mode", "latest-offset"};
    (void)state;
    cluster_topic(&cluster, "ends", 2);
    cluster_topic(&cluster, "nothing", 3);
    put_ids("ends", 2, 0, 100);
    assert_int_equal(rows_from("ends", offsets, 6), 7);
    assert_int_equal(rows_from("nothing", latest, 4), 0);
}

// Where 'latest' was is found out once: what comes later is read, also by a successor of a process
// that has died before its first row.
static void test_source_begins_once(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "later", 2);
    put_ids("later", 2, 0, 50);
    reading_init(&r, &cluster, two_fields, 2);
    bench_option(&r.bench, "topic", "later");
    bench_option(&r.bench, "format", "json");
    bench_option(&r.bench, "scan.startup.mode", "latest-offset");
    reading_open(&r);
    for (int i = 0; r.source->split_count < 2 && i < 5000; i++)
        assert_true(reading_step(&r));
    assert_int_equal(r.source->split_count, 2);
    reading_step(&r); // the positions are committed
    put_ids("later", 2, 50, 90);
    reading_die(&r);
    reading_run(&r, 40, 20000);
    expect_ids(&r, 50, 90);
    reading_fini(&r);
}

static void test_source_group_has_no_offset(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "nogroup", 1);
    reading_init(&r, &cluster, two_fields, 2);
    bench_option(&r.bench, "topic", "nogroup");
    bench_option(&r.bench, "format", "json");
    bench_option(&r.bench, "scan.startup.mode", "group-offsets");
    bench_option(&r.bench, "properties.group.id", "g");
    reading_open(&r);
    reading_run(&r, 0, 20000);
    assert_true(r.has_failed);
    assert_non_null(strstr(r.failure, "group g has no offset of topic nogroup, partition 0"));
    assert_non_null(strstr(r.failure, "properties.auto.offset.reset"));
    reading_fini(&r);
}

// What is committed is where group-offsets goes on.
static void test_source_tells_the_group(void **state)
{
    static const char *const group[] = {"scan.bounded.mode",   "latest-offset",
                                        "scan.startup.mode",   "group-offsets",
                                        "properties.group.id", "told"};
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "tells", 2);
    put_ids("tells", 2, 0, 60);
    reading_init(&r, &cluster, two_fields, 2);
    use(&r, "tells", NULL);
    bench_option(&r.bench, "properties.group.id", "told");
    r.bench.context.checkpoints = true;
    reading_open(&r);
    reading_run(&r, 60, 20000);
    kafka_source_class.barrier(r.source, 1);
    put_ids("tells", 2, 60, 80);
    reading_run(&r, 80, 20000);
    kafka_source_class.complete(r.source, 1);
    for (int i = 0; i < 500; i++)
        reading_step(&r);
    reading_fini(&r);
    assert_int_equal(rows_from("tells", group, 6), 20);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_reads_all),
        cmocka_unit_test(test_source_exactly_once),
        cmocka_unit_test(test_source_odd_payloads),
        cmocka_unit_test(test_source_begins),
        cmocka_unit_test(test_source_ends),
        cmocka_unit_test(test_source_begins_once),
        cmocka_unit_test(test_source_group_has_no_offset),
        cmocka_unit_test(test_source_tells_the_group),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
