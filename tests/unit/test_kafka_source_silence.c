// test_kafka_source_silence.c: a partition that cannot be read is not idle, one that has nothing
// is. With the head's own code for splits (split.h) in the place of the head.
#include "stages/runtime/split.h"
#include "tests/unit/test_kafka_source_support.h"

enum { TIMEOUT_MS = 600 };

static struct cluster cluster;
static struct field fields[] = {{.name = "id", .type = {.kind = TYPE_BIGINT}}};

struct watch {
    struct reading r;
    struct op watermark;
    struct op *ops[2];
    struct splits splits;
};

static int setup(void **state)
{
    (void)state;
    cluster_open(&cluster, 2);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    cluster_close(&cluster);
    return 0;
}

static void put(const char *topic, int partition, int count)
{
    for (int i = 0; i < count; i++)
        cluster_put(&cluster, &(struct put){topic, partition, NULL, "{\"id\":1}", 0});
    cluster_flush(&cluster);
}

// Partition p is broker p + 1's.
static void watch_open(struct watch *w, const char *topic)
{
    cluster_topic(&cluster, topic, 2);
    rd_kafka_mock_partition_set_leader(cluster.mock, topic, 0, 1);
    rd_kafka_mock_partition_set_leader(cluster.mock, topic, 1, 2);
    put(topic, 0, 10);
    put(topic, 1, 10);
    reading_init(&w->r, &cluster, fields, 1);
    bench_option(&w->r.bench, "format", "json");
    bench_option(&w->r.bench, "scan.startup.mode", "earliest-offset");
    bench_option(&w->r.bench, "topic", topic);
    w->watermark = (struct op){.kind = OP_WATERMARK, .watermark.idle_timeout_ms = TIMEOUT_MS};
    w->ops[0] = &w->r.bench.op;
    w->ops[1] = &w->watermark;
    w->r.bench.stage.ops = w->ops;
    w->r.bench.stage.op_count = 2;
    splits_init(&w->splits);
    reading_open(&w->r);
}

static void watch_close(struct watch *w)
{
    splits_fini(&w->splits);
    reading_fini(&w->r);
}

// A poll, and what the head does then.
static void watch_step(struct watch *w)
{
    const uint32_t rows = w->r.committed;
    assert_true(reading_step(&w->r));
    const int64_t wall_ms = now_ms();
    const struct splits_now now = {wall_ms, wall_ms};
    for (uint32_t i = 0; w->r.committed > rows && i < w->r.source->run_count; i++)
        w->r.source->splits[w->r.source->runs[i].split].is_idle = false;
    splits_polled(&w->splits, w->r.source, w->r.committed > rows, wall_ms);
    splits_look(&w->splits, w->r.source, &now, TIMEOUT_MS);
}

// The split of partition p: they were found in any order.
static const struct source_split *split_of(struct watch *w, int32_t partition)
{
    struct buf out = {0};
    assert_int_equal(w->r.source->split_count, 2);
    buf_append_str(&out, "");
    kafka_source_class.describe(w->r.source, &out);
    buf_append_char(&out, 0);
    const char *first = strstr(out.data, "\"partition\":");
    assert_non_null(first);
    const bool is_first = first[strlen("\"partition\":")] == '0' + partition;
    buf_fini(&out);
    return &w->r.source->splits[is_first ? 0 : 1];
}

static void until_idle(struct watch *w, int32_t partition)
{
    const int64_t until_ms = now_ms() + 20000;
    while (w->r.committed < 20 || !split_of(w, partition)->is_idle) {
        watch_step(w);
        assert_true(now_ms() < until_ms);
    }
}

static void never_idle(struct watch *w, int32_t partition, int64_t for_ms)
{
    const int64_t until_ms = now_ms() + for_ms;
    while (now_ms() < until_ms) {
        watch_step(w);
        assert_false(split_of(w, partition)->is_idle);
    }
}

// A row makes partition 1 count again, however long it was silent.
static void wake_up(struct watch *w, const char *topic)
{
    const uint32_t rows = w->r.committed;
    put(topic, 1, 1);
    while (w->r.committed == rows || split_of(w, 1)->is_idle)
        watch_step(w);
    for (int i = 0; i < 30; i++) // until that is committed too
        watch_step(w);
}

static void test_silence_down(void **state)
{
    struct watch w;
    (void)state;
    watch_open(&w, "down");
    until_idle(&w, 0);
    until_idle(&w, 1);
    wake_up(&w, "down");
    rd_kafka_mock_broker_set_down(cluster.mock, 2);
    never_idle(&w, 1, 4 * TIMEOUT_MS);
    rd_kafka_mock_broker_set_up(cluster.mock, 2);
    const int64_t back_ms = now_ms();
    until_idle(&w, 1);
    assert_true(now_ms() - back_ms >= TIMEOUT_MS - TIMEOUT_MS / 4); // nearly a whole one
    watch_close(&w);
}

static void test_silence_hangs(void **state)
{
    struct watch w;
    (void)state;
    watch_open(&w, "hangs");
    until_idle(&w, 1);
    wake_up(&w, "hangs");
    rd_kafka_mock_broker_set_rtt(cluster.mock, 2, 6 * TIMEOUT_MS);
    never_idle(&w, 1, 4 * TIMEOUT_MS);
    rd_kafka_mock_broker_set_rtt(cluster.mock, 2, 0);
    until_idle(&w, 1);
    watch_close(&w);
}

// A task that begins, and hears nothing at first.
static void test_silence_at_start(void **state)
{
    struct watch w;
    (void)state;
    watch_open(&w, "start");
    until_idle(&w, 1);
    wake_up(&w, "start");
    rd_kafka_mock_broker_set_down(cluster.mock, 2);
    reading_die(&w.r);
    never_idle(&w, 1, 3 * TIMEOUT_MS);
    rd_kafka_mock_broker_set_up(cluster.mock, 2);
    until_idle(&w, 1);
    watch_close(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_silence_down),
        cmocka_unit_test(test_silence_hangs),
        cmocka_unit_test(test_silence_at_start),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
