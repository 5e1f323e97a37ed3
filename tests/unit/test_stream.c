// test_stream.c: bytes come out of the queue of undo entries as they went in.
#include "tests/unit/test_state_support.h"

#include "core/snapshot/format.h"
#include "core/snapshot/stream.h"

// Byte `at` of everything that is ever appended.
static uint8_t byte_at(uint64_t at)
{
    return (uint8_t)(at * 131 + (at >> 13));
}

static uint64_t check_first(struct stream *s, uint64_t at)
{
    struct slice piece = stream_first(s);
    for (size_t i = 0; i < piece.len; i++)
        if ((uint8_t)piece.ptr[i] != byte_at(at + i))
            fail_msg("byte %llu is wrong", (unsigned long long)(at + i));
    stream_drop_first(s);
    return at + piece.len;
}

static void append(struct stream *s, uint64_t at, size_t len)
{
    static uint8_t bytes[SNAPSHOT_PAYLOAD_MAX * 2];
    for (size_t i = 0; i < len; i++)
        bytes[i] = byte_at(at + i);
    stream_append(s, bytes, len);
}

static void test_stream_keeps_bytes_in_order(void **state)
{
    struct stream s;
    uint64_t rng = test_seed(__func__), in = 0, out = 0;
    (void)state;
    stream_init(&s);
    for (int round = 0; round < 400; round++) {
        size_t len = test_random(&rng, round % 7 ? 5000 : 2 * SNAPSHOT_PAYLOAD_MAX);
        append(&s, in, len);
        in += len;
        struct stream_news news = stream_give(&s);
        assert_false(news.is_end_wanted);
        assert_true(news.waiting <= in - out && in - out < news.waiting + SNAPSHOT_PAYLOAD_MAX);
        if (news.waiting && test_random(&rng, 2)) {
            assert_int_equal(stream_first(&s).len, SNAPSHOT_PAYLOAD_MAX);
            out = check_first(&s, out);
        }
    }
    assert_false(stream_is_empty_for_good(&s));
    assert_true(stream_end(&s));
    while (!stream_is_empty_for_good(&s))
        out = check_first(&s, out);
    assert_int_equal(out, in);
    assert_int_equal(stream_first(&s).len, 0);
    stream_fini(&s);
}

static void test_stream_ends_when_both_want_it(void **state)
{
    struct stream s;
    (void)state;
    stream_init(&s);
    append(&s, 0, 10);
    assert_int_equal(stream_first(&s).len, 0); // not full, not handed over
    stream_want_end(&s);
    assert_false(stream_is_empty_for_good(&s));
    assert_true(stream_give(&s).is_end_wanted);
    assert_true(stream_end(&s));
    assert_false(stream_is_empty_for_good(&s));
    assert_int_equal(check_first(&s, 0), 10);
    assert_true(stream_is_empty_for_good(&s));
    stream_wait_end(&s, INT64_C(3600) * 1000 * 1000 * 1000); // has ended: does not sleep
    stream_fini(&s);
}

// A taker that was put off its core while it holds the mutex: nobody waits for it, nothing is lost.
static void test_stream_appender_never_waits(void **state)
{
    struct stream s;
    (void)state;
    stream_init(&s);
    assert_int_equal(pthread_mutex_lock(&s.mutex), 0);
    append(&s, 0, SNAPSHOT_PAYLOAD_MAX + 100);
    assert_int_equal(stream_give(&s).waiting, 0); // no news
    assert_false(stream_end(&s));
    assert_int_equal(pthread_mutex_unlock(&s.mutex), 0);
    assert_int_equal(stream_give(&s).waiting, SNAPSHOT_PAYLOAD_MAX);
    assert_true(stream_end(&s));
    assert_int_equal(check_first(&s, check_first(&s, 0)), SNAPSHOT_PAYLOAD_MAX + 100);
    stream_fini(&s);
}

static void test_stream_uses_memory_again(void **state)
{
    struct stream s;
    (void)state;
    stream_init(&s);
    append(&s, 0, SNAPSHOT_PAYLOAD_MAX);
    stream_give(&s);
    const char *place = stream_first(&s).ptr;
    stream_drop_first(&s);
    append(&s, 0, SNAPSHOT_PAYLOAD_MAX);
    stream_give(&s);
    assert_ptr_equal(stream_first(&s).ptr, place);
    append(&s, 0, 5);
    stream_want_end(&s);
    stream_stop(&s);
    assert_true(stream_is_stopped(&s));
    stream_reset(&s); // with what waits in it
    assert_false(stream_is_stopped(&s));
    assert_int_equal(stream_first(&s).len, 0);
    assert_int_equal(s.spare_count, 2);
    struct stream_news news = stream_give(&s);
    assert_true(news.waiting == 0 && !news.is_end_wanted);
    stream_fini(&s);
}

// One piece after the other, none of which waits: an easy snapshot.
static void flow(struct stream *s, int pieces)
{
    for (int i = 0; i < pieces; i++) {
        append(s, 0, SNAPSHOT_PAYLOAD_MAX);
        stream_give(s);
        stream_drop_first(s);
    }
}

// What waited in a hard snapshot is kept for the next, which may be as hard. Behind an easy one
// many pieces become few again, and the one who takes pays for it.
static void test_stream_gives_memory_back(void **state)
{
    enum { PIECES = 300 };
    struct stream s;
    (void)state;
    stream_init(&s);
    for (int i = 0; i < PIECES; i++)
        append(&s, 0, SNAPSHOT_PAYLOAD_MAX);
    stream_give(&s);
    for (int i = 0; i < PIECES; i++)
        stream_drop_first(&s);
    assert_int_equal(s.spare_count, PIECES); // amid the hard one, too
    stream_reset(&s);
    flow(&s, PIECES);
    assert_int_equal(s.spare_count, PIECES);
    stream_reset(&s);
    flow(&s, PIECES);
    uint32_t most = s.spare_count;
    assert_true(most > 0 && most < PIECES / 2);
    stream_fini(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_keeps_bytes_in_order),
        cmocka_unit_test(test_stream_ends_when_both_want_it),
        cmocka_unit_test(test_stream_appender_never_waits),
        cmocka_unit_test(test_stream_uses_memory_again),
        cmocka_unit_test(test_stream_gives_memory_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
