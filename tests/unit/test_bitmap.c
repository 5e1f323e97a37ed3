// test_bitmap.c: bitmaps against a plain array of flags, over all kinds of containers, with aborts.
#include "tests/unit/test_state_support.h"

#include "core/state/bitmap.h"

enum { BYTES = 16 << 20, LOG_BYTES = 4 << 20, RANGE = 6 * 65536, ROWS = 200 };

// Number i of the model: blocks far apart, the first dense, the last sparse.
static uint64_t number_of(uint64_t i)
{
    static const uint64_t blocks[] = {0, 1, 7, 1000, 1001, UINT64_C(0xffffffffffff)};
    return blocks[i >> 16] << 16 | (i & 0xffff);
}

static uint64_t random_index(uint64_t *rng)
{
    switch (test_random(rng, 4)) {
    case 0:
        return test_random(rng, 3000); // becomes a bitset
    case 1:
        return 65536 + test_random(rng, 450) * 140; // stays an array
    case 2:
        return 5 * 65536 + test_random(rng, 65536);
    default:
        return test_random(rng, RANGE);
    }
}

static void check_all(struct arena *a, uint64_t head, const uint8_t *flags)
{
    uint64_t count = 0, number = 0, i = 0;
    while (bitmap_next(a, head, &number)) {
        while (!flags[i])
            i++;
        assert_int_equal(number, number_of(i));
        count++;
        i++;
        if (++number == 0)
            break;
    }
    assert_int_equal(count, bitmap_cardinality(a, head));
    for (; i < RANGE; i++)
        assert_int_equal(flags[i], 0);
    for (i = 0; i < RANGE; i += 97)
        assert_int_equal(bitmap_contains(a, head, number_of(i)), flags[i]);
}

static void test_bitmap_follows_a_model(void **state)
{
    (void)state;
    static uint8_t flags[RANGE], saved[RANGE];
    uint64_t rng = test_seed(__func__);
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct bitmap_head));
    arena_commit(a);
    for (int round = 0; round < 250; round++) {
        memcpy(saved, flags, RANGE);
        for (int i = 0; i < 60; i++) {
            uint64_t index = random_index(&rng);
            assert_int_equal(bitmap_add(a, head, number_of(index)), !flags[index]);
            flags[index] = 1;
        }
        if (test_random(&rng, 4)) {
            arena_commit(a);
        } else {
            arena_abort(a);
            memcpy(flags, saved, RANGE);
        }
        if (round % 50 == 0)
            check_all(a, head, flags);
    }
    check_all(a, head, flags);
    assert_false(bitmap_contains(a, head, UINT64_C(55) << 16));
    assert_int_equal(bitmap_drop_step(a, head, 2), 0);
    arena_commit(a);
    while (!bitmap_drop_step(a, head, 2))
        arena_commit(a);
    arena_commit(a);
    memset(flags, 0, RANGE);
    check_all(a, head, flags);
    test_arena_sound(a);
    test_arena_free(a);
}

static void test_bitmap_batches_say_what_is_new(void **state)
{
    (void)state;
    enum { SETS = 5 };
    static uint8_t flags[SETS][4 << 16];
    uint64_t rng = test_seed(__func__), heads[ROWS], numbers[ROWS], sums[SETS] = {0};
    uint8_t added[ROWS];
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t root = test_root(a, 0, SETS * sizeof(struct bitmap_head));
    for (int round = 0; round < 200; round++) {
        uint64_t sets[ROWS];
        for (int i = 0; i < ROWS; i++) {
            sets[i] = test_random(&rng, SETS);
            heads[i] = root + sets[i] * sizeof(struct bitmap_head);
            numbers[i] = test_random(&rng, 4 << 16);
        }
        assert_int_equal(bitmap_add_batch(a, ROWS, heads, numbers, added), 0);
        arena_commit(a);
        for (int i = 0; i < ROWS; i++) {
            uint8_t *flag = &flags[sets[i]][numbers[i]];
            assert_int_equal(added[i], !*flag);
            sums[sets[i]] += !*flag;
            *flag = 1;
        }
    }
    for (uint64_t set = 0; set < SETS; set++)
        assert_int_equal(bitmap_cardinality(a, root + set * sizeof(struct bitmap_head)), sums[set]);
    test_arena_free(a);
}

// Many containers, in an order that inserts at the front of the directory.
// Where the numbers of an array lie must not matter: even, crowded at an end, in two crowds.
static uint64_t spread_number(uint64_t *rng, int spread)
{
    switch (spread) {
    case 0:
        return test_random(rng, 65536);
    case 1:
        return test_random(rng, 600);
    case 2:
        return 65535 - test_random(rng, 600);
    default:
        return test_random(rng, 2) * 65000 + test_random(rng, 400);
    }
}

static void test_bitmap_arrays_of_any_spread(void **state)
{
    (void)state;
    uint64_t rng = test_seed(__func__);
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    for (int round = 0; round < 40; round++) {
        static uint8_t flags[65536];
        uint64_t head = test_root(a, (uint32_t)round, sizeof(struct bitmap_head));
        memset(flags, 0, sizeof flags);
        for (int i = 0; i < BITMAP_ARRAY_MAX; i++) {
            uint64_t number = spread_number(&rng, round % 4);
            assert_int_equal(bitmap_add(a, head, number), !flags[number]);
            flags[number] = 1;
        }
        uint64_t number = 0;
        for (uint64_t i = 0; i < 65536; i++) {
            assert_int_equal(bitmap_contains(a, head, i), flags[i]);
            if (!flags[i])
                continue;
            assert_int_equal(bitmap_next(a, head, &number), 1);
            assert_int_equal(number++, i);
        }
        arena_commit(a);
    }
    test_arena_free(a);
}

static void test_bitmap_directory_takes_any_order(void **state)
{
    (void)state;
    enum { COUNT = 2000 };
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct bitmap_head)), number = 0, most = 0;
    for (uint64_t i = COUNT; i > 0; i--) {
        assert_int_equal(bitmap_add(a, head, i * i << 16 | i), 1);
        uint64_t log = arena_log(a).len + a->log_reserve;
        most = log > most ? log : most;
        arena_commit(a);
    }
    assert_true(most < ARENA_OP_LOG_BYTES);
    for (uint64_t i = 1; i <= COUNT; i++, number++) {
        assert_int_equal(bitmap_next(a, head, &number), 1);
        assert_int_equal(number, i * i << 16 | i);
        assert_int_equal(bitmap_add(a, head, number), 0);
    }
    assert_int_equal(bitmap_next(a, head, &number), 0);
    test_arena_free(a);
}

// What one new number costs in the log.
static void test_bitmap_logs_only_what_moves(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct bitmap_head));
    for (uint64_t i = 0; i < 500; i++)
        assert_int_equal(bitmap_add(a, head, i * 2), 1);
    arena_commit(a);
    assert_int_equal(bitmap_add(a, head, 1001), 1); // at the end: one number, two counts
    assert_int_equal(arena_log(a).len, 3 * 16);
    arena_commit(a);
    assert_int_equal(bitmap_add(a, head, 801), 1); // 99 numbers move
    assert_true(arena_log(a).len < 3 * 16 + 210);
    for (uint64_t i = 0; i < 1100; i++)
        assert_true(bitmap_add(a, head, i * 2) >= 0);
    arena_commit(a);
    assert_int_equal(bitmap_add(a, head, 5001), 1); // a bitset: a word and the cardinality
    assert_int_equal(arena_log(a).len, 2 * 16);
    assert_int_equal(bitmap_add(a, head, 5003), 1); // the cardinality only once
    assert_int_equal(arena_log(a).len, 3 * 16);
    test_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bitmap_follows_a_model),
        cmocka_unit_test(test_bitmap_batches_say_what_is_new),
        cmocka_unit_test(test_bitmap_arrays_of_any_spread),
        cmocka_unit_test(test_bitmap_directory_takes_any_order),
        cmocka_unit_test(test_bitmap_logs_only_what_moves),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
