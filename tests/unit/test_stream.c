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

static void test_stream_keeps_bytes_in_order(void **state)
{
    static uint8_t bytes[SNAPSHOT_PAYLOAD_MAX * 2];
    struct stream s = {0};
    uint64_t rng = test_seed(__func__), in = 0, out = 0;
    (void)state;
    for (int round = 0; round < 400; round++) {
        size_t len = test_random(&rng, round % 7 ? 5000 : sizeof bytes);
        for (size_t i = 0; i < len; i++)
            bytes[i] = byte_at(in + i);
        stream_append(&s, bytes, len);
        in += len;
        assert_int_equal(s.bytes, in - out);
        if (s.bytes >= SNAPSHOT_PAYLOAD_MAX && test_random(&rng, 2)) {
            assert_int_equal(stream_first(&s).len, SNAPSHOT_PAYLOAD_MAX);
            out = check_first(&s, out);
        }
        if (test_random(&rng, 8) == 0)
            stream_trim(&s);
    }
    while (s.bytes)
        out = check_first(&s, out);
    assert_int_equal(out, in);
    assert_int_equal(stream_first(&s).len, 0);
    stream_fini(&s);
}

static void test_stream_uses_memory_again(void **state)
{
    static const uint8_t bytes[SNAPSHOT_PAYLOAD_MAX] = {0};
    struct stream s = {0};
    (void)state;
    stream_append(&s, bytes, sizeof bytes);
    const char *place = stream_first(&s).ptr;
    stream_drop_first(&s);
    stream_append(&s, bytes, 1);
    assert_ptr_equal(stream_first(&s).ptr, place);
    stream_fini(&s);
    assert_null(s.first);
    assert_null(s.spare);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_stream_keeps_bytes_in_order),
        cmocka_unit_test(test_stream_uses_memory_again),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
