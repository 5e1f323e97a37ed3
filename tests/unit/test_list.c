// test_list.c: lists against a plain queue, with aborts, long records, and drops from the front.
#include "tests/unit/test_state_support.h"

#include "core/state/list.h"

enum { BYTES = 16 << 20, LOG_BYTES = 1 << 20 };

// Record n: its length and bytes follow from n.
static struct slice record_of(uint64_t n)
{
    static char bytes[40000];
    uint64_t len = hash_u64(n) % 100;
    if (n % 97 == 0)
        len = 4000 + hash_u64(n) % 36000;
    memset(bytes, (int)(n % 251), len);
    return slice_make(bytes, len);
}

// Read from the cursor to the end: records from, from + 1 .. count - 1.
static void check_from(struct arena *a, uint64_t head, struct list_cursor cursor, uint64_t from,
                       uint64_t count)
{
    struct slice record;
    for (uint64_t n = from; n < count; n++) {
        assert_int_equal(list_next(a, head, &cursor, &record), 1);
        assert_true(slice_equal(record, record_of(n)));
    }
    assert_int_equal(list_next(a, head, &cursor, &record), 0);
}

static void test_list_follows_a_model(void **state)
{
    (void)state;
    uint64_t rng = test_seed(__func__), count = 0, read = 0;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct list_head));
    struct list_cursor cursor = {0, 0};
    arena_commit(a);
    for (int round = 0; round < 400; round++) {
        struct list_cursor place = cursor;
        uint64_t appended = 0, taken = 0;
        struct slice record;
        for (uint64_t i = test_random(&rng, 40); i; i--)
            assert_int_equal(list_append(a, head, record_of(count + appended++)), 0);
        for (uint64_t i = test_random(&rng, 40); i && read + taken < count + appended; i--) {
            assert_int_equal(list_next(a, head, &place, &record), 1);
            assert_true(slice_equal(record, record_of(read + taken++)));
        }
        list_truncate(a, head, &place, 3);
        if (test_random(&rng, 4) == 0) {
            arena_abort(a);
            continue;
        }
        arena_commit(a);
        cursor = place;
        count += appended;
        read += taken;
        assert_true(list_count(a, head) >= count - read);
        if (round % 20 == 0)
            check_from(a, head, cursor, read, count);
    }
    check_from(a, head, cursor, read, count);
    while (!list_drop_step(a, head, 2))
        arena_commit(a);
    arena_commit(a);
    assert_int_equal(list_count(a, head), 0);
    assert_true(arena_used_bytes(a) < 256);
    test_arena_sound(a);
    test_arena_free(a);
}

static void test_list_truncates_before_the_cursor_only(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct list_head));
    struct list_cursor start = {0, 0}, cursor = {0, 0};
    struct slice record;
    assert_int_equal(list_next(a, head, &cursor, &record), 0); // empty
    for (uint64_t n = 0; n < 1000; n++) {
        assert_int_equal(list_append(a, head, record_of(n)), 0);
        arena_commit(a);
    }
    assert_int_equal(list_truncate(a, head, &start, 1), 1);
    assert_int_equal(list_count(a, head), 1000);
    for (int i = 0; i < 900; i++)
        assert_int_equal(list_next(a, head, &cursor, &record), 1);
    assert_int_equal(list_truncate(a, head, &cursor, 1), 0); // one chunk a call
    while (!list_truncate(a, head, &cursor, 5))
        arena_commit(a);
    arena_commit(a);
    assert_true(list_count(a, head) >= 100 && list_count(a, head) < 1000);
    check_from(a, head, cursor, 900, 1000);
    for (int i = 0; i < 100; i++)
        assert_int_equal(list_next(a, head, &cursor, &record), 1);
    assert_int_equal(list_append(a, head, record_of(1000)), 0); // seen from the old end
    check_from(a, head, cursor, 1000, 1001);
    test_arena_free(a);
}

static void test_list_does_not_log_long_records(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct list_head));
    char *bytes = malloc(3 << 20);
    memset(bytes, 'z', 3 << 20);
    arena_commit(a);
    for (int i = 0; i < 3; i++)
        assert_int_equal(list_append(a, head, slice_make(bytes, 3 << 20)), 0);
    assert_true(arena_log(a).len < ARENA_OP_LOG_BYTES);
    assert_int_equal(list_count(a, head), 3);
    assert_true(list_append(a, head, slice_make(bytes, (size_t)600 << 20)) < 0);
    free(bytes);
    test_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_list_follows_a_model),
        cmocka_unit_test(test_list_truncates_before_the_cursor_only),
        cmocka_unit_test(test_list_does_not_log_long_records),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
