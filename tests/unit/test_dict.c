// test_dict.c: dictionaries: dense numbers, given once, for ever; memory; aborts.
#include "tests/unit/test_state_support.h"

#include "core/state/dict.h"

enum { BYTES = 32 << 20, LOG_BYTES = 2 << 20, ROWS = 300 };

struct rows {
    char text[ROWS][24];
    struct slice keys[ROWS];
    uint64_t hashes[ROWS], numbers[ROWS], ids[ROWS];
};

static void fill_rows(struct rows *rows, uint64_t *rng, uint64_t range)
{
    for (int i = 0; i < ROWS; i++) {
        rows->numbers[i] = test_random(rng, range);
        int len = snprintf(rows->text[i], 24, "d%09llu", (unsigned long long)rows->numbers[i]);
        rows->keys[i] = slice_make(rows->text[i], (size_t)len);
        rows->hashes[i] = hash_slice(rows->keys[i]);
    }
}

static void test_dict_numbers_are_dense_and_stay(void **state)
{
    (void)state;
    enum { RANGE = 20000 };
    static uint64_t known[RANGE]; // id + 1
    static struct rows rows;
    uint64_t rng = test_seed(__func__), count = 0;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct dict_head));
    arena_commit(a);
    for (int round = 0; round < 400; round++) {
        fill_rows(&rows, &rng, RANGE);
        assert_int_equal(
            dict_ids(a, head, &(struct key_batch){ROWS, rows.hashes, rows.keys}, rows.ids), 0);
        if (test_random(&rng, 4) == 0) {
            arena_abort(a);
            assert_int_equal(dict_count(a, head), count);
            continue;
        }
        arena_commit(a);
        for (int i = 0; i < ROWS; i++) {
            uint64_t *id = &known[rows.numbers[i]];
            if (!*id)
                *id = ++count; // the next number, in the order of the rows
            assert_int_equal(rows.ids[i] + 1, *id);
            assert_int_equal(dict_find(a, head, rows.hashes[i], rows.keys[i]), *id - 1);
        }
    }
    assert_int_equal(dict_count(a, head), count);
    assert_int_equal(index_check(a, head), count);
    assert_true(dict_find(a, head, hash_slice(slice_of("?")), slice_of("?")) ==
                (uint64_t)DICT_NONE);
    test_arena_sound(a);
    test_arena_free(a);
}

// Two tasks of three: their blocks of 65,536 numbers never meet.
static void test_dict_blocks_follow_base_and_stride(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, 2 * sizeof(struct dict_head)), id;
    dict_init(a, head, 1, 3);
    dict_init(a, head + sizeof(struct dict_head), 2, 3);
    for (uint64_t i = 0; i < 70000; i++) {
        struct slice key = slice_make(&i, sizeof i);
        uint64_t hash = hash_slice(key);
        assert_int_equal(dict_ids(a, head, &(struct key_batch){1, &hash, &key}, &id), 0);
        assert_int_equal(id, i < 65536 ? 65536 + i : 4 * 65536 + i - 65536);
        arena_commit(a);
    }
    struct slice key = slice_of("x");
    uint64_t hash = hash_slice(key);
    assert_int_equal(
        dict_ids(a, head + sizeof(struct dict_head), &(struct key_batch){1, &hash, &key}, &id), 0);
    assert_int_equal(id, 2 * 65536);
    test_arena_free(a);
}

static void test_dict_is_small(void **state)
{
    (void)state;
    enum { COUNT = 300000 };
    static struct rows rows;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct dict_head)), before = arena_used_bytes(a);
    for (uint64_t n = 0; n < COUNT; n += ROWS) {
        for (uint64_t i = 0; i < ROWS; i++) {
            int len = snprintf(rows.text[i], 24, "d%09llu", (unsigned long long)(n + i));
            rows.keys[i] = slice_make(rows.text[i], (size_t)len);
            rows.hashes[i] = hash_slice(rows.keys[i]);
        }
        assert_int_equal(
            dict_ids(a, head, &(struct key_batch){ROWS, rows.hashes, rows.keys}, rows.ids), 0);
        arena_commit(a);
    }
    uint64_t bytes = arena_used_bytes(a) - before;
    printf("%.1f bytes an id of 10 characters\n", (double)bytes / COUNT);
    assert_true(bytes / COUNT < 34); // 16 for the record, 8 over the load
    uint32_t steps = 0;
    for (; !dict_drop_step(a, head, 8); steps++)
        arena_commit(a);
    arena_commit(a);
    assert_true(steps > 10);
    assert_int_equal(arena_used_bytes(a), before);
    assert_int_equal(dict_count(a, head), 0);
    test_arena_sound(a);
    test_arena_free(a);
}

// Keys that differ in one byte are two keys, wherever the byte is and however long they are.
static void test_record_is_looks_at_every_byte(void **state)
{
    (void)state;
    uint8_t bytes[64 + RECORD_HEAD_BYTES], other[64];
    for (uint64_t len = 0; len <= 40; len++) {
        memset(other, 'k', sizeof other);
        record_write(bytes, 7, slice_make(other, len));
        assert_true(record_is(bytes, slice_make(other, len)));
        assert_false(record_is(bytes, slice_make(other, len + 1)));
        for (uint64_t at = 0; at < len; at++) {
            other[at] ^= 0x20;
            assert_false(record_is(bytes, slice_make(other, len)));
            other[at] ^= 0x20;
        }
    }
}

static void test_dict_takes_long_keys(void **state)
{
    (void)state;
    static const uint64_t lens[] = {3, 100, 4090, 5000, 10, 65535, 70000, 2 << 20, 20};
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct dict_head)), ids[9];
    char *text = malloc(2 << 20);
    memset(text, 'y', 2 << 20);
    for (int round = 0; round < 2; round++)
        for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
            struct slice key = slice_make(text, lens[i]);
            uint64_t hash = hash_slice(key);
            assert_int_equal(dict_ids(a, head, &(struct key_batch){1, &hash, &key}, &ids[i]), 0);
            assert_int_equal(ids[i], i);
            assert_true(arena_log(a).len < ARENA_OP_LOG_BYTES);
            arena_commit(a);
        }
    free(text);
    while (!dict_drop_step(a, head, 1))
        arena_commit(a);
    arena_commit(a);
    test_arena_sound(a);
    test_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_dict_numbers_are_dense_and_stay),
        cmocka_unit_test(test_dict_blocks_follow_base_and_stride),
        cmocka_unit_test(test_dict_is_small),
        cmocka_unit_test(test_record_is_looks_at_every_byte),
        cmocka_unit_test(test_dict_takes_long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
