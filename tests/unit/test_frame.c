// test_frame.c: frames from one task to another: what is written is read, in order, exactly once;
// what is no frame is refused.
#include <errno.h>
#include <sys/mman.h>

#include "core/row/row.h"
#include "stages/runtime/exchange.h"
#include "tests/unit/test_task_support.h"

enum { CAPACITY = 16384, CHANNELS = 2 };

static struct field fields[] = {
    {"n", {.kind = TYPE_BIGINT}},
    {"s", {.kind = TYPE_STRING}},
};
static const int hash_columns[] = {0};

struct pair {
    struct bench bench;
    struct exchange exchange;
    struct exchange_writer *writer;
    struct exchange_reader reader[CHANNELS]; // each reads one channel
    struct batch batch;
    int waits;
};

static int no_room(void *context, struct out_channel *channel, uint64_t bytes)
{
    (void)channel;
    (void)bytes;
    ((struct pair *)context)->waits++;
    return -ECANCELED;
}

static void pair_init(struct pair *p, enum exchange_kind kind, int64_t step_ms)
{
    bench_init(&p->bench, OP_SOURCE, fields, 2);
    p->exchange = (struct exchange){.kind = kind,
                                    .hash_columns = hash_columns,
                                    .hash_column_count = 1,
                                    .watermark_step_ms = step_ms};
    p->bench.plan.exchanges = &p->exchange;
    p->bench.stage.output_exchange = 0;
    p->waits = 0;
    p->writer = exchange_writer_create(&p->bench.context);
    p->writer->wait_room = no_room;
    p->writer->wait_context = p;
    p->writer->channel_count = CHANNELS;
    p->writer->channels = calloc(CHANNELS, sizeof *p->writer->channels);
    for (int i = 0; i < CHANNELS; i++) {
        struct exchange_reader *reader = &p->reader[i];
        int fd = memfd_create("ring", 0);
        assert_true(fd >= 0);
        *reader = (struct exchange_reader){.channel_count = 1};
        reader->channels = calloc(1, sizeof *reader->channels);
        reader->channels->state.watermark_ms = INT64_MIN;
        if (ring_create(fd, CAPACITY, 1, &p->bench.err) < 0 ||
            ring_attach_producer(fd, 1, 0, &p->writer->channels[i].ring, &p->bench.err) < 0 ||
            ring_attach_consumer(fd, 1, 0, &reader->channels->ring, &p->bench.err) < 0)
            fail_msg("%s", p->bench.err.text);
        close(fd);
        batch_init(&reader->batch, &p->bench.table.physical);
    }
    batch_init(&p->batch, &p->bench.table.physical);
}

static void pair_fini(struct pair *p)
{
    for (int i = 0; i < CHANNELS; i++) {
        ring_consumer_close(&p->reader[i].channels->ring);
        free(p->reader[i].channels);
        batch_fini(&p->reader[i].batch);
    }
    p->writer->base.class->close(&p->writer->base);
    batch_fini(&p->batch);
    bench_fini(&p->bench);
}

static int push(struct pair *p, int64_t from, uint32_t count, const char *text)
{
    for (uint32_t i = 0; i < count; i++) {
        p->batch.columns[0].i64[i] = from + i;
        p->batch.columns[1].str[i] = slice_of(text);
    }
    p->batch.count = count;
    return operator_push(&p->writer->base, &p->batch);
}

static void publish(struct pair *p)
{
    for (int i = 0; i < CHANNELS; i++) {
        struct out_channel *channel = &p->writer->channels[i];
        channel->committed = channel->ring.position;
        ring_publish(&channel->ring, channel->committed);
    }
}

// Take from one channel; the reader's transaction commits at once.
static uint32_t take(struct pair *p, int at, uint32_t rows, int64_t *watermark_ms, bool *ended)
{
    struct exchange_reader *reader = &p->reader[at];
    assert_int_equal(exchange_reader_take(reader, rows, watermark_ms, ended), 0);
    ring_release(&reader->channels->ring, reader->channels->ring.position);
    return reader->batch.count;
}

static void test_frame_rows_arrive_once_by_their_hash(void **state)
{
    (void)state;
    struct pair p;
    int64_t watermark_ms, sum = 0;
    bool ended;
    uint32_t rows = 0, count;
    pair_init(&p, EXCHANGE_HASH, 0);
    assert_int_equal(push(&p, 0, 200, "some text"), 0);
    assert_int_equal(take(&p, 0, 1024, &watermark_ms, &ended), 0); // not published yet
    publish(&p);
    for (int at = 0; at < CHANNELS; at++) {
        uint32_t before = rows;
        while ((count = take(&p, at, 7, &watermark_ms, &ended)) >
               0) { // in the middle of frames too
            rows += count;
            for (uint32_t i = 0; i < count; i++) {
                sum += p.reader[at].batch.columns[0].i64[i];
                assert_int_equal(p.reader[at].batch.columns[1].str[i].len, 9);
            }
        }
        assert_true(rows - before > 50);
    }
    assert_int_equal(rows, 200);
    assert_int_equal(sum, 200 * 199 / 2);
    assert_int_equal(p.bench.rows_out, 200);
    pair_fini(&p);
}

static void test_frame_watermark_comes_after_its_rows(void **state)
{
    (void)state;
    struct pair p;
    int64_t watermark_ms;
    bool ended;
    pair_init(&p, EXCHANGE_REBALANCE, 1000);
    struct operator* op = & p.writer->base;
    assert_int_equal(push(&p, 0, 3, "x"), 0);
    assert_int_equal(operator_watermark(op, 5000), 0);
    assert_int_equal(operator_watermark(op, 5500), 0); // matters to nobody: the step is 1 s
    assert_int_equal(operator_watermark(op, INT64_MAX), 0);
    assert_int_equal(exchange_writer_control(p.writer, FRAME_END), 0);
    publish(&p);
    assert_int_equal(take(&p, 0, 1024, &watermark_ms, &ended), 3);
    assert_int_equal(watermark_ms, INT64_MIN);
    assert_int_equal(take(&p, 0, 1024, &watermark_ms, &ended), 0);
    assert_int_equal(watermark_ms, 5000);
    assert_int_equal(take(&p, 0, 1024, &watermark_ms, &ended), 0);
    assert_int_equal(watermark_ms, INT64_MAX);
    assert_false(ended);
    take(&p, 0, 1024, &watermark_ms, &ended);
    assert_true(ended);
    pair_fini(&p);
}

// A watermark, or with INT64_MIN an idle mark, into one channel.
static void say(struct pair *p, int at, int64_t watermark_ms)
{
    struct out_channel *all = p->writer->channels;
    p->writer->channels = &all[at];
    p->writer->channel_count = 1;
    if (watermark_ms == INT64_MIN)
        assert_int_equal(exchange_writer_control(p->writer, FRAME_IDLE), 0);
    else
        assert_int_equal(operator_watermark(&p->writer->base, watermark_ms), 0);
    p->writer->channels = all;
    p->writer->channel_count = CHANNELS;
    publish(p);
}

// What a reader of both channels hears next.
static int64_t hear(struct exchange_reader *both)
{
    int64_t watermark_ms;
    bool ended;
    assert_int_equal(exchange_reader_take(both, 1024, &watermark_ms, &ended), 0);
    return watermark_ms;
}

static void test_frame_idle_channels_hold_nothing_back(void **state)
{
    (void)state;
    struct pair p;
    struct in_channel channels[CHANNELS];
    pair_init(&p, EXCHANGE_REBALANCE, 0);
    for (int i = 0; i < CHANNELS; i++)
        channels[i] = p.reader[i].channels[0];
    struct exchange_reader both = {.channels = channels, .channel_count = CHANNELS};
    both.batch = p.reader[0].batch;
    say(&p, 0, 5000);
    assert_int_equal(hear(&both), INT64_MIN); // nothing is known of the other
    say(&p, 1, 3000);
    assert_int_equal(hear(&both), 3000);
    say(&p, 1, INT64_MIN);
    assert_int_equal(hear(&both), 5000);
    say(&p, 1, 9000);
    say(&p, 0, INT64_MIN);
    assert_int_equal(hear(&both), 9000);
    say(&p, 1, INT64_MIN);
    assert_int_equal(hear(&both), INT64_MIN); // all are idle: the largest stays
    say(&p, 0, 6000);
    assert_int_equal(hear(&both), INT64_MIN); // alive again, but behind
    pair_fini(&p);
}

static void test_frame_too_much_for_one_transaction(void **state)
{
    (void)state;
    struct pair p;
    int64_t watermark_ms;
    bool ended;
    pair_init(&p, EXCHANGE_REBALANCE, 0);
    assert_int_equal(push(&p, 0, 1024, "0123456789"), -EAGAIN); // 24 KiB, of our own making
    assert_int_equal(p.waits, 0);
    p.writer->base.class->reset(&p.writer->base);
    p.writer->next_channel = 0;
    assert_int_equal(push(&p, 0, 500, "0123456789"), 0);
    publish(&p);
    p.writer->next_channel = 0;
    assert_int_equal(push(&p, 500, 500, "0123456789"), -ECANCELED); // a reader could make room
    assert_int_equal(p.waits, 1);
    p.writer->base.class->reset(&p.writer->base);
    assert_int_equal(take(&p, 0, 1024, &watermark_ms, &ended), 500);
    p.writer->next_channel = 0;
    assert_int_equal(push(&p, 500, 500, "0123456789"), 0);
    publish(&p);
    assert_int_equal(take(&p, 0, 1024, &watermark_ms, &ended), 500);
    assert_int_equal(p.reader[0].batch.columns[0].i64[0], 500);
    pair_fini(&p);
}

static void test_frame_row_larger_than_a_ring_is_bad(void **state)
{
    (void)state;
    struct pair p;
    char *text = calloc(1, 2 * CAPACITY);
    memset(text, 'x', 2 * CAPACITY - 1);
    pair_init(&p, EXCHANGE_REBALANCE, 0);
    assert_int_equal(push(&p, 0, 1, text), 0);
    assert_int_equal(p.bench.bad_rows, 1);
    assert_int_equal(p.writer->channels[0].ring.position, 0);
    free(text);
    pair_fini(&p);
}

// Whatever bytes come, the reader answers; it reads nothing past them.
static void test_frame_damaged_bytes_are_refused(void **state)
{
    (void)state;
    unsigned seed = (unsigned)getpid();
    int refused = 0;
    print_message("seed %u\n", seed);
    for (int round = 0; round < 300; round++) {
        struct pair p;
        int64_t watermark_ms;
        bool ended;
        pair_init(&p, EXCHANGE_REBALANCE, 0);
        assert_int_equal(push(&p, 0, 5, "text"), 0);
        struct ring_producer *ring = &p.writer->channels[0].ring;
        ring->data[(uint64_t)rand_r(&seed) % ring->position] ^= (char)(1 << rand_r(&seed) % 8);
        publish(&p);
        int rc = 0;
        for (int i = 0; i < 8 && rc == 0; i++)
            rc = exchange_reader_take(&p.reader[0], 1024, &watermark_ms, &ended);
        refused += rc == -EBADMSG;
        pair_fini(&p);
    }
    assert_true(refused > 10);
}

static int put_marker(struct pair *p, int64_t made_ns, int *channel)
{
    const struct marker marker = {made_ns, made_ns + 5, 0, 1, 3};
    return exchange_writer_marker(p->writer, &marker, channel);
}

// A marker goes into one channel, behind the rows that were written before it, and is taken with
// those behind it: it cuts no batch.
static void test_frame_marker_travels_with_rows(void **state)
{
    (void)state;
    struct pair p;
    struct markers markers = {.count = 0};
    int64_t watermark_ms;
    bool ended;
    int channel = 0;
    pair_init(&p, EXCHANGE_REBALANCE, 0);
    p.reader[0].markers = &markers;
    for (int i = 0; i < 3; i++) {
        p.writer->next_channel = 0;
        assert_int_equal(push(&p, 10 * i, 10, "text"), 0);
        assert_int_equal(put_marker(&p, 100 + i, &channel), 0);
    }
    publish(&p);
    assert_int_equal(take(&p, 0, 15, &watermark_ms, &ended), 15);
    assert_int_equal(markers.count, 1); // behind the first ten rows
    assert_int_equal(take(&p, 0, 1024, &watermark_ms, &ended), 15);
    assert_int_equal(markers.count, 3);
    for (int i = 0; i < 3; i++) {
        assert_int_equal(markers.items[i].marker.made_ns, 100 + i);
        assert_int_equal(markers.items[i].marker.passed_ns, 105 + i);
        assert_int_equal(markers.items[i].marker.source, 3);
        assert_int_equal(markers.items[i].channel, -1);
    }
    assert_int_equal(take(&p, 1, 1024, &watermark_ms, &ended), 0);
    pair_fini(&p);
}

static void test_frame_markers_reach_every_channel(void **state)
{
    (void)state;
    struct pair p;
    int reached[CHANNELS] = {0};
    pair_init(&p, EXCHANGE_HASH, 0);
    for (int i = 0; i < 200; i++) {
        int channel = -1;
        assert_int_equal(put_marker(&p, i, &channel), 0);
        assert_in_range(channel, 0, CHANNELS - 1);
        reached[channel]++;
    }
    for (int i = 0; i < CHANNELS; i++)
        assert_in_range(reached[i], 50, 150);
    pair_fini(&p);
}

// More than a task has a place for: it handles those first; where it cannot pass them on either, it
// goes on without.
static void test_frame_markers_have_a_bound(void **state)
{
    (void)state;
    struct pair p;
    struct markers markers = {.count = 0};
    int64_t watermark_ms;
    bool ended;
    int channel = 0, sent = 0;
    pair_init(&p, EXCHANGE_REBALANCE, 0);
    p.reader[0].markers = &markers;
    while (put_marker(&p, sent, &channel) == 0)
        sent++;
    assert_int_equal(sent, CAPACITY / FRAME_LATENCY_BYTES); // no room: nobody waits for it
    assert_int_equal(p.waits, 0);
    publish(&p);
    take(&p, 0, 1024, &watermark_ms, &ended);
    assert_int_equal(markers.count, MARKERS_MAX);
    assert_int_equal(markers.lost, 0);
    assert_true(exchange_reader_ready(&p.reader[0]));
    markers.carried = MARKERS_MAX;
    take(&p, 0, 1024, &watermark_ms, &ended);
    assert_int_equal(markers.lost, sent - MARKERS_MAX);
    assert_false(exchange_reader_ready(&p.reader[0]));
    pair_fini(&p);
}

static void test_frame_markers_are_checked(void **state)
{
    (void)state;
    const struct marker good = {100, 200, 10, 3, 0};
    struct marker bad[] = {good, good, good, good, good, good};
    assert_true(marker_is_sane(&good, 200));
    bad[0].made_ns = 201;
    bad[1].passed_ns = 301;
    bad[2].count = 0;
    bad[3].count = MARKER_COUNT_MAX + 1;
    bad[4].step_ns = 101;
    bad[5].made_ns = -1;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++)
        assert_false(marker_is_sane(&bad[i], 300));
    bad[4].count = 1;
    assert_true(marker_is_sane(&bad[4], 300)); // alone it has no next
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_frame_rows_arrive_once_by_their_hash),
        cmocka_unit_test(test_frame_watermark_comes_after_its_rows),
        cmocka_unit_test(test_frame_idle_channels_hold_nothing_back),
        cmocka_unit_test(test_frame_too_much_for_one_transaction),
        cmocka_unit_test(test_frame_row_larger_than_a_ring_is_bad),
        cmocka_unit_test(test_frame_damaged_bytes_are_refused),
        cmocka_unit_test(test_frame_marker_travels_with_rows),
        cmocka_unit_test(test_frame_markers_reach_every_channel),
        cmocka_unit_test(test_frame_markers_have_a_bound),
        cmocka_unit_test(test_frame_markers_are_checked),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
