// test_kafka_source_faults.c: brokers that refuse, go away and come back, leaders that change,
// offsets that are gone; partitions that wait for others, and those that come later.
#include "tests/unit/test_kafka_source_support.h"

static struct cluster cluster;
static struct field fields[] = {{.name = "id", .type = {.kind = TYPE_BIGINT}}};

static int setup(void **state)
{
    (void)state;
    cluster_open(&cluster, 3);
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
        snprintf(value, sizeof value, "{\"id\":%d}", i);
        cluster_put(&cluster, &(struct put){topic, i % partitions, NULL, value, 0});
    }
    cluster_flush(&cluster);
}

static void use(struct reading *r, const char *topic)
{
    reading_init(r, &cluster, fields, 1);
    bench_option(&r->bench, "format", "json");
    bench_option(&r->bench, "scan.startup.mode", "earliest-offset");
    bench_option(&r->bench, strchr(topic, '*') ? "topic-pattern" : "topic", topic);
}

static void expect_ids(const struct reading *r, int from, int to)
{
    int *seen = calloc((size_t)to + 1, sizeof *seen);
    assert_non_null(seen);
    for (uint32_t i = 0; i < r->committed; i++) {
        assert_in_range(r->taken[i].id, from, to - 1);
        seen[r->taken[i].id]++;
    }
    for (int i = from; i < to; i++)
        if (seen[i] != 1)
            fail_msg("row %d came %d times (of %u)", i, seen[i], r->committed);
    free(seen);
}

// Errors that pass cost time, no row.
static void test_faults_fetch_errors(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "errors", 3);
    put_ids("errors", 3, 0, 3000);
    rd_kafka_mock_push_request_errors(
        cluster.mock, 1 /* Fetch */, 6, RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
        RD_KAFKA_RESP_ERR__TRANSPORT, RD_KAFKA_RESP_ERR_LEADER_NOT_AVAILABLE,
        RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR, RD_KAFKA_RESP_ERR__TRANSPORT,
        RD_KAFKA_RESP_ERR_UNKNOWN_LEADER_EPOCH);
    use(&r, "errors");
    reading_open(&r);
    reading_run(&r, 1000, 30000);
    rd_kafka_mock_push_request_errors(cluster.mock, 1, 2, RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
                                      RD_KAFKA_RESP_ERR__TRANSPORT);
    put_ids("errors", 3, 3000, 5000);
    reading_run(&r, 5000, 30000);
    assert_false(r.has_failed);
    expect_ids(&r, 0, 5000);
    reading_fini(&r);
}

// The question where partitions begin and end gets no answer of some leaders: librdkafka has no
// error for those then, and no offset either.
static void test_faults_no_answer(void **state)
{
    (void)state;
    cluster_topic(&cluster, "unanswered", 3);
    put_ids("unanswered", 3, 0, 300);
    for (int bounded = 0; bounded < 2; bounded++) {
        struct reading r;
        use(&r, "unanswered");
        if (bounded)
            bench_option(&r.bench, "scan.bounded.mode", "latest-offset");
        rd_kafka_mock_push_request_errors(cluster.mock, 2 /* ListOffsets */, 2,
                                          RD_KAFKA_RESP_ERR__TRANSPORT,
                                          RD_KAFKA_RESP_ERR__TRANSPORT);
        reading_open(&r);
        reading_run(&r, 300, 30000);
        assert_false(r.has_failed);
        expect_ids(&r, 0, 300);
        reading_fini(&r);
        rd_kafka_mock_clear_request_errors(cluster.mock, 2);
    }
}

static void test_faults_broker_away(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "away", 2);
    rd_kafka_mock_partition_set_leader(cluster.mock, "away", 0, 1);
    rd_kafka_mock_partition_set_leader(cluster.mock, "away", 1, 2);
    put_ids("away", 2, 0, 1000);
    use(&r, "away");
    reading_open(&r);
    reading_run(&r, 1000, 30000);
    rd_kafka_mock_broker_set_down(cluster.mock, 2);
    for (int i = 0; i < 300; i++)
        assert_true(reading_step(&r));
    rd_kafka_mock_partition_set_leader(cluster.mock, "away", 1, 3); // the leader has moved
    put_ids("away", 2, 1000, 2000);
    reading_run(&r, 2000, 30000);
    rd_kafka_mock_broker_set_up(cluster.mock, 2);
    assert_false(r.has_failed);
    expect_ids(&r, 0, 2000);
    reading_fini(&r);
}

// No broker when the task starts: it waits, and says so.
static void test_faults_nobody_there(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "silent", 1);
    put_ids("silent", 1, 0, 10);
    for (int i = 1; i <= 3; i++)
        rd_kafka_mock_broker_set_down(cluster.mock, i);
    use(&r, "silent");
    reading_open(&r);
    for (int i = 0; !r.notes[0] && i < 20000; i++)
        assert_true(reading_step(&r));
    assert_int_equal(r.committed, 0);
    assert_true(strlen(r.notes) > 0);
    for (int i = 1; i <= 3; i++)
        rd_kafka_mock_broker_set_up(cluster.mock, i);
    reading_run(&r, 10, 30000);
    assert_false(r.has_failed);
    reading_fini(&r);
}

static void test_faults_denied(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "secret", 1);
    put_ids("secret", 1, 0, 10);
    rd_kafka_mock_topic_set_error(cluster.mock, "secret",
                                  RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED);
    use(&r, "secret");
    reading_open(&r);
    reading_run(&r, 10, 30000);
    assert_true(r.has_failed);
    assert_non_null(strstr(r.failure, "secret"));
    reading_fini(&r);
}

// --- offsets that are gone ---

static void begin_behind_the_end(struct reading *r, const char *topic, const char *lost)
{
    cluster_topic(&cluster, topic, 1);
    put_ids(topic, 1, 0, 20);
    reading_init(r, &cluster, fields, 1);
    bench_option(&r->bench, "format", "json");
    bench_option(&r->bench, "topic", topic);
    bench_option(&r->bench, "scan.startup.mode", "specific-offsets");
    bench_option(&r->bench, "scan.startup.specific-offsets", "partition:0,offset:500");
    if (lost)
        bench_option(&r->bench, "scan.lost-offsets", lost);
    reading_open(r);
}

static void test_faults_lost_fails(void **state)
{
    struct reading r;
    (void)state;
    begin_behind_the_end(&r, "lost", NULL);
    reading_run(&r, 1, 20000);
    assert_true(r.has_failed);
    assert_non_null(strstr(r.failure, "topic lost, partition 0: offset 500"));
    assert_non_null(strstr(r.failure, "0 to 20"));
    assert_non_null(strstr(r.failure, "scan.lost-offsets"));
    reading_fini(&r);
}

static void test_faults_lost_goes_on(void **state)
{
    struct reading r;
    (void)state;
    begin_behind_the_end(&r, "lost2", "latest");
    for (int i = 0; !strstr(r.notes, "reading goes on at 20") && i < 10000; i++)
        assert_true(reading_step(&r));
    put_ids("lost2", 1, 20, 50);
    reading_run(&r, 30, 20000);
    expect_ids(&r, 20, 50);
    reading_fini(&r);
}

// --- what comes later, who waits ---

static void test_faults_discovery(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "found-a", 2);
    put_ids("found-a", 2, 0, 100);
    use(&r, "found-.*");
    r.bench.options[r.bench.table.option_count - 2].value = "latest-offset"; // the mode
    bench_option(&r.bench, "scan.topic-partition-discovery.interval", "100 ms");
    reading_open(&r);
    for (int i = 0; r.source->split_count < 2 && i < 5000; i++)
        reading_step(&r);
    reading_step(&r);
    cluster_topic(&cluster, "found-b", 3);
    put_ids("found-b", 3, 100, 400);
    reading_run(&r, 300, 30000);
    expect_ids(&r, 100, 400); // a new one is read from its begin
    assert_int_equal(r.source->split_count, 5);
    reading_fini(&r);
}

// A split that is ahead gives nothing; what it had read ahead is not lost.
static void test_faults_alignment(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "ahead", 3);
    put_ids("ahead", 3, 0, 6000);
    use(&r, "ahead");
    r.abort_in = 5;
    reading_open(&r);
    for (int round = 0; r.committed < 6000; round++) {
        uint32_t count = r.source->split_count;
        uint32_t ahead = any(&r, 4), aborts = r.aborts;
        for (uint32_t i = 0; i < count; i++)
            r.source->splits[i].is_ahead = i == ahead;
        for (int i = 0; i < 10; i++) {
            assert_true(reading_step(&r));
            // After an abort what was given before comes again.
            for (uint32_t run = 0; i > 0 && aborts == r.aborts && run < r.source->run_count; run++)
                assert_int_not_equal(r.source->runs[run].split, ahead);
        }
        assert_true(round < 5000);
    }
    expect_ids(&r, 0, 6000);
    reading_fini(&r);
}

// The tasks of a stage read all partitions together, each its own.
static void test_faults_subtasks(void **state)
{
    uint32_t rows = 0;
    (void)state;
    cluster_topic(&cluster, "shared", 8);
    put_ids("shared", 8, 0, 800);
    for (int i = 0; i < 3; i++) {
        struct reading r;
        use(&r, "shared");
        bench_option(&r.bench, "scan.bounded.mode", "latest-offset");
        r.bench.stage.parallelism = 3;
        r.bench.context.subtask = i;
        reading_open(&r);
        reading_run(&r, 0, 20000);
        assert_true(r.has_ended);
        rows += r.committed;
        for (uint32_t t = 1; t < r.committed; t++)
            assert_true(r.taken[t].id % 8 != (r.taken[0].id + 1) % 8);
        reading_fini(&r);
    }
    assert_int_equal(rows, 800);
}

// A spare's consumer is taken over; one that nobody needs goes.
static void test_faults_warm(void **state)
{
    struct reading r;
    (void)state;
    cluster_topic(&cluster, "warm", 2);
    put_ids("warm", 2, 0, 100);
    use(&r, "warm");
    void *unused = kafka_source_class.warm(&r.bench.context);
    void *warm = kafka_source_class.warm(&r.bench.context);
    assert_true(unused && warm);
    kafka_source_class.cool(unused);
    r.bench.context.warm = &warm;
    reading_open(&r);
    assert_null(warm);
    reading_run(&r, 100, 20000);
    expect_ids(&r, 0, 100);
    reading_fini(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_faults_fetch_errors), cmocka_unit_test(test_faults_no_answer),
        cmocka_unit_test(test_faults_broker_away),  cmocka_unit_test(test_faults_nobody_there),
        cmocka_unit_test(test_faults_denied),       cmocka_unit_test(test_faults_lost_fails),
        cmocka_unit_test(test_faults_lost_goes_on), cmocka_unit_test(test_faults_discovery),
        cmocka_unit_test(test_faults_alignment),    cmocka_unit_test(test_faults_subtasks),
        cmocka_unit_test(test_faults_warm),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
