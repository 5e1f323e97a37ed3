// test_dict.c: dictionaries: dense numbers, given once, for ever; memory; aborts.
#include "tests/unit/test_state_support.h"

#include <errno.h>

#include "core/state/dict_index.h"

enum { BYTES = 32 << 20, LOG_BYTES = 2 << 20, ROWS = 300 };

struct rows {
    char text[ROWS][48];
    struct slice keys[ROWS];
    uint64_t numbers[ROWS], ids[ROWS];
};

static void fill_rows(struct rows *rows, uint64_t *rng, uint64_t range)
{
    for (int i = 0; i < ROWS; i++) {
        rows->numbers[i] = test_random(rng, range);
        int len = snprintf(rows->text[i], 24, "d%09llu", (unsigned long long)rows->numbers[i]);
        rows->keys[i] = slice_make(rows->text[i], (size_t)len);
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
        assert_int_equal(dict_ids(a, head, ROWS, rows.keys, rows.ids), 0);
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
            assert_int_equal(dict_find(a, head, rows.keys[i]), *id - 1);
        }
    }
    assert_int_equal(dict_count(a, head), count);
    assert_int_equal(dict_index_check(a, head), count);
    assert_true(dict_find(a, head, slice_of("?")) == (uint64_t)DICT_NONE);
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
        assert_int_equal(dict_ids(a, head, 1, &key, &id), 0);
        assert_int_equal(id, i < 65536 ? 65536 + i : 4 * 65536 + i - 65536);
        arena_commit(a);
    }
    struct slice key = slice_of("x");
    assert_int_equal(dict_ids(a, head + sizeof(struct dict_head), 1, &key, &id), 0);
    assert_int_equal(id, 2 * 65536);
    test_arena_free(a);
}

// Bytes of the arena for each of the keys, all printed with this format, at sizes where segments
// are filled as little and as much as they can be.
static void check_size(const char *format, double most)
{
    enum { COUNT = 200000 };
    static struct rows rows;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct dict_head)), before = arena_used_bytes(a);
    double worst = 0, bytes = 0;
    for (uint64_t n = 0; n < COUNT; n += ROWS) {
        for (uint64_t i = 0; i < ROWS; i++) {
            int len =
                snprintf(rows.text[i], sizeof rows.text[i], format, (unsigned long long)n + i);
            rows.keys[i] = slice_make(rows.text[i], (size_t)len);
        }
        assert_int_equal(dict_ids(a, head, ROWS, rows.keys, rows.ids), 0);
        arena_commit(a);
        bytes = (double)(arena_used_bytes(a) - before) / (double)(n + ROWS);
        worst = n > COUNT / 3 && bytes > worst ? bytes : worst;
    }
    printf("%.1f bytes an id of '%s', %.1f at the worst\n", bytes, format, worst);
    assert_true(worst < most);
    uint32_t steps = 0;
    for (; !dict_drop_step(a, head, 8); steps++)
        arena_commit(a);
    arena_commit(a);
    assert_true(steps > 5);
    assert_int_equal(arena_used_bytes(a), before);
    assert_int_equal(dict_count(a, head), 0);
    test_arena_sound(a);
    test_arena_free(a);
}

static void test_dict_is_small(void **state)
{
    (void)state;
    check_size("d%07llu", 24);
    check_size("d%09llu", 40);
    check_size("a key of more than sixteen %09llu", 24 + 2 + 36);
}

static int64_t find(const struct arena *a, uint64_t head, struct slice key, uint64_t hash)
{
    struct dict_key wanted = dict_key_make(key);
    wanted.hash = hash;
    struct dict_place place;
    dict_index_find(a, head, &wanted, &place);
    return place.found ? (int64_t)place.number : -1;
}

static int insert(struct arena *a, uint64_t head, struct slice key, uint64_t hash, uint32_t number)
{
    struct dict_key wanted = dict_key_make(key);
    wanted.hash = hash;
    struct dict_place place;
    dict_index_find(a, head, &wanted, &place);
    place.found = false;
    return dict_index_insert(a, head, &wanted, &place, number);
}

// Two keys with one hash, so that only their bytes tell them apart; the index is dropped again.
static void check_apart(struct arena *a, uint64_t head, struct slice one, struct slice other)
{
    const uint64_t hash = 77;
    assert_int_equal(insert(a, head, one, hash, 5), 0);
    assert_int_equal(find(a, head, one, hash), 5);
    assert_int_equal(find(a, head, other, hash), -1);
    assert_int_equal(insert(a, head, other, hash, 6), 0);
    assert_int_equal(find(a, head, one, hash), 5);
    assert_int_equal(find(a, head, other, hash), 6);
    while (!dict_drop_step(a, head, 8))
        ;
    arena_commit(a);
}

// Keys that differ in one byte or in length are different keys, wherever the byte is and however
// long they are.
static void test_dict_tells_keys_apart(void **state)
{
    (void)state;
    enum { LEN_MAX = 40 };
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct dict_head));
    char text[LEN_MAX] = {0}, other[LEN_MAX] = {0};
    arena_commit(a);
    for (uint64_t len = 0; len < LEN_MAX; len++) {
        struct slice key = slice_make(text, len);
        check_apart(a, head, key, slice_make(other, len + 1));
        check_apart(a, head, slice_make(other, len + 1), key);
        for (uint64_t at = 0; at < len; at++) {
            other[at] = ' ';
            check_apart(a, head, key, slice_make(other, len));
            other[at] = 0;
        }
    }
    test_arena_sound(a);
    test_arena_free(a);
}

// Lines become wide when keys of more than 8 bytes come, and short again when few of them are left
// among the others; each growing batch may be undone.
static void test_dict_follows_the_length_of_keys(void **state)
{
    (void)state;
    enum { COUNT = 120000, AT_ONCE = 50 };
    static const uint64_t widths[] = {5, 12, 8, 30, 3, 16, 9};
    static char text[COUNT][32];
    static struct slice keys[COUNT], listed[COUNT];
    static uint64_t ids[COUNT];
    uint64_t rng = test_seed(__func__);
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct dict_head));
    arena_commit(a);
    for (uint64_t i = 0; i < COUNT; i++) {
        // Most keys of a stretch are of one length.
        uint64_t stretch = test_random(&rng, 10) ? i * ARRAY_SIZE(widths) / COUNT
                                                 : test_random(&rng, ARRAY_SIZE(widths));
        int len = snprintf(text[i], 32, "%0*llx", (int)widths[stretch], (unsigned long long)i);
        keys[i] = slice_make(text[i], (size_t)len);
    }
    for (uint64_t i = 0; i < COUNT;) {
        bool undone = test_random(&rng, 40) == 0;
        struct test_image before = {NULL, 0};
        if (undone)
            before = test_image_take(a);
        assert_int_equal(dict_ids(a, head, AT_ONCE, keys + i, ids + i), 0);
        if (undone) {
            arena_abort(a);
            test_image_check(a, &before);
            test_image_free(&before);
            continue;
        }
        arena_commit(a);
        i += AT_ONCE;
    }
    assert_int_equal(dict_index_check(a, head), dict_count(a, head));
    dict_keys(a, head, listed);
    for (uint64_t i = 0; i < COUNT; i++) {
        assert_int_equal(dict_find(a, head, keys[i]), ids[i]);
        assert_true(slice_equal(listed[ids[i]], keys[i]));
    }
    test_arena_sound(a);
    test_arena_free(a);
}

// The odd number's inverse modulo 2^64 (Newton).
static uint64_t inverse(uint64_t odd)
{
    uint64_t x = odd;
    for (int i = 0; i < 6; i++)
        x *= 2 - odd * x;
    return x;
}

// The 8 bytes that have this hash: dict_hash backwards.
static uint64_t word_of_hash(uint64_t hash)
{
    uint64_t x = hash * inverse(UINT64_C(0xc4ceb9fe1a85ec53));
    x = (x ^ x >> 33) * inverse(UINT64_C(0xff51afd7ed558ccd));
    return (x ^ x >> 32) * inverse(UINT64_C(0x9e3779b97f4a7c15)) ^ 8;
}

// Keys made to collide in every bit that the index looks at end in an error, not in a loop.
static void test_dict_survives_equal_hashes(void **state)
{
    (void)state;
    struct arena *a = test_arena(256 << 20, 16 << 20);
    uint64_t head = test_root(a, 0, sizeof(struct dict_head)), count = 0, id;
    arena_commit(a);
    int status = 0;
    for (; count < 6000 && status == 0; count++) {
        uint64_t hash = UINT64_C(0x123456789ab) << 20 | count, word = word_of_hash(hash);
        struct slice key = slice_make(&word, sizeof word);
        assert_true(dict_key_make(key).hash == hash);
        status = dict_ids(a, head, 1, &key, &id);
        if (status == 0)
            arena_commit(a);
    }
    assert_int_equal(status, -EOVERFLOW);
    assert_true(count >= 3000);
    arena_abort(a);
    assert_int_equal(dict_index_check(a, head), count - 1);
    test_arena_sound(a);
    test_arena_free(a);
}

// A log that is nearly full refuses the growth of a segment, and nothing else.
static void test_dict_asks_for_fewer_rows_when_the_log_is_full(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, 64 << 10);
    uint64_t head = test_root(a, 0, sizeof(struct dict_head)), id, i = 0;
    int status = 0;
    arena_commit(a);
    for (; i < 5000 && status == 0; i++) { // all in one transaction
        struct slice key = slice_make(&i, sizeof i);
        status = dict_ids(a, head, 1, &key, &id);
    }
    assert_int_equal(status, -EAGAIN);
    arena_abort(a);
    assert_int_equal(dict_count(a, head), 0);
    for (uint64_t n = 0; n < 5000; n++) {
        struct slice key = slice_make(&n, sizeof n);
        assert_int_equal(dict_ids(a, head, 1, &key, &id), 0);
        arena_commit(a);
    }
    test_arena_free(a);
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
            assert_int_equal(dict_ids(a, head, 1, &key, &ids[i]), 0);
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
        cmocka_unit_test(test_dict_tells_keys_apart),
        cmocka_unit_test(test_dict_follows_the_length_of_keys),
        cmocka_unit_test(test_dict_survives_equal_hashes),
        cmocka_unit_test(test_dict_asks_for_fewer_rows_when_the_log_is_full),
        cmocka_unit_test(test_dict_takes_long_keys),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
