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
    assert_string_equal(r.taken[0].text + 0, "row 0");
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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_source_reads_all),
        cmocka_unit_test(test_source_exactly_once),
    };
    (void)id_field;
    return cmocka_run_group_tests(tests, setup, teardown);
}
