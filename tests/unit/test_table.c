// test_table.c: tables (and the index and vec under them) against a plain model, with aborts.
#include "tests/unit/test_state_support.h"

#include <errno.h>

#include "core/state/table.h"

enum { BYTES = 32 << 20, LOG_BYTES = 1 << 20, KEYS = 3000 };

// What the table should hold: by key number.
struct model {
    uint64_t value[KEYS]; // 0: not there
    uint32_t index[KEYS];
    uint64_t count, live;
};

static void check_all(struct arena *a, uint64_t head, const struct model *model)
{
    assert_int_equal(table_count(a, head), model->count);
    assert_int_equal(table_live(a, head), model->live);
    assert_int_equal(index_check(a, head), model->live);
    for (uint64_t k = 0; k < KEYS; k++) {
        struct slice key = test_key(k);
        uint64_t record = table_find(a, head, hash_slice(key), key);
        assert_int_equal(record != 0, model->value[k] != 0);
        if (!record)
            continue;
        assert_int_equal(arena_word(a, table_value(a, record)), model->value[k]);
        assert_int_equal(table_index(a, record), model->index[k]);
        assert_int_equal(table_at(a, head, model->index[k]), record);
        assert_true(slice_equal(table_key(a, record), key));
    }
    uint64_t there = 0;
    for (uint64_t i = 0; i < table_count(a, head); i++)
        there += table_at(a, head, i) != 0;
    assert_int_equal(there, model->live);
}

static void random_operation(struct arena *a, uint64_t head, struct model *model, uint64_t *rng)
{
    uint64_t k = test_random(rng, KEYS), record;
    struct slice key = test_key(k);
    uint64_t hash = hash_slice(key);
    if (test_random(rng, 3) == 0) {
        assert_int_equal(table_remove(a, head, hash, key), model->value[k] != 0);
        model->live -= model->value[k] != 0;
        model->value[k] = 0;
        return;
    }
    uint64_t before = table_count(a, head);
    assert_int_equal(table_upsert(a, head, hash, key, &record), 0);
    bool inserted = table_count(a, head) > before;
    assert_int_equal(inserted, model->value[k] == 0);
    if (inserted) {
        assert_int_equal(arena_word(a, table_value(a, record)), 0);
        model->index[k] = (uint32_t)model->count++;
        model->live++;
    }
    model->value[k] += 1 + test_random(rng, 100);
    arena_store8(a, table_value(a, record), model->value[k]);
}

static void test_table_follows_a_model(void **state)
{
    (void)state;
    static struct model model, saved;
    uint64_t rng = test_seed(__func__);
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct table_head));
    memset(&model, 0, sizeof model);
    table_init(a, head, 24);
    arena_commit(a);
    for (int round = 0; round < 400; round++) {
        saved = model;
        for (uint64_t i = 1 + test_random(&rng, 60); i; i--)
            random_operation(a, head, &model, &rng);
        if (test_random(&rng, 4)) {
            arena_commit(a);
        } else {
            arena_abort(a);
            model = saved;
        }
        if (round % 40 == 0)
            check_all(a, head, &model);
    }
    check_all(a, head, &model);
    while (!table_drop_step(a, head, 100))
        arena_commit(a);
    arena_commit(a);
    memset(&model, 0, sizeof model);
    check_all(a, head, &model);
    assert_int_equal(((const struct table_head *)arena_at(a, head))->value_bytes, 24);
    test_arena_sound(a);
    test_arena_free(a);
}

static void test_table_batches_see_keys_twice(void **state)
{
    (void)state;
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct table_head));
    static char text[200][16];
    struct slice keys[200];
    uint64_t hashes[200], records[200];
    for (uint64_t i = 0; i < 200; i++) {
        keys[i] = slice_make(text[i], (size_t)snprintf(text[i], 16, "%u", (unsigned)i % 70));
        hashes[i] = hash_slice(keys[i]);
    }
    table_init(a, head, 8);
    assert_int_equal(table_upsert_batch(a, head, &(struct key_batch){200, hashes, keys}, records),
                     0);
    assert_int_equal(table_count(a, head), 70);
    for (int i = 0; i < 200; i++) {
        assert_int_equal(records[i], records[i % 70]);
        assert_int_equal(table_index(a, records[i]), i % 70);
    }
    test_arena_free(a);
}

// Records stay where they are while the index grows through splits and a doubled directory.
static void test_table_grows_in_place(void **state)
{
    (void)state;
    enum { COUNT = 60000 };
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct table_head)), record, most = 0;
    static uint64_t records[COUNT];
    table_init(a, head, 8);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct slice key = slice_make(&i, sizeof i);
        assert_int_equal(table_upsert(a, head, hash_slice(key), key, &records[i]), 0);
        arena_store8(a, table_value(a, records[i]), ~i);
        uint64_t log = arena_log(a).len + a->log_reserve;
        most = log > most ? log : most;
        arena_commit(a);
    }
    assert_true(most <= ARENA_OP_LOG_BYTES);
    for (uint64_t i = 0; i < COUNT; i++) {
        struct slice key = slice_make(&i, sizeof i);
        record = table_find(a, head, hash_slice(key), key);
        assert_int_equal(record, records[i]);
        assert_int_equal(arena_word(a, table_value(a, record)), ~i);
        assert_int_equal(table_at(a, head, i), record);
    }
    assert_int_equal(index_check(a, head), COUNT);
    uint32_t steps = 0;
    for (; !table_drop_step(a, head, 500); steps++)
        arena_commit(a);
    arena_commit(a);
    assert_true(steps >= COUNT / 500);
    assert_true(arena_used_bytes(a) < 1024); // only the root is left
    test_arena_sound(a);
    test_arena_free(a);
}

static void test_table_takes_keys_of_any_length(void **state)
{
    (void)state;
    static const uint64_t lens[] = {0, 1, 7, 8, 65533, 65534, 65535, 65536, 300000};
    struct arena *a = test_arena(BYTES, LOG_BYTES);
    uint64_t head = test_root(a, 0, sizeof(struct table_head)), record;
    char *text = malloc(300000);
    memset(text, 'x', 300000);
    table_init(a, head, 16);
    for (size_t i = 0; i < ARRAY_SIZE(lens); i++) {
        struct slice key = slice_make(text, lens[i]);
        assert_int_equal(table_upsert(a, head, hash_slice(key), key, &record), 0);
        assert_int_equal(table_value(a, record) % 8, 0);
        memset(arena_touch(a, table_value(a, record), 16), 0xee, 16);
        assert_true(slice_equal(table_key(a, record), key));
        assert_int_equal(table_find(a, head, hash_slice(key), key), record);
        arena_commit(a);
    }
    free(text);
    test_arena_free(a);
}

static void test_table_reports_a_full_arena(void **state)
{
    (void)state;
    struct arena *a = test_arena(1 << 20, 64 << 10);
    uint64_t head = test_root(a, 0, sizeof(struct table_head)), record;
    table_init(a, head, 8);
    arena_commit(a);
    int status = 0;
    for (uint64_t i = 0; status == 0; i++) {
        struct slice key = slice_make(&i, sizeof i);
        status = table_upsert(a, head, hash_slice(key), key, &record);
        if (status == 0)
            arena_commit(a);
    }
    assert_int_equal(status, -ENOSPC);
    arena_abort(a);
    test_arena_sound(a);
    assert_int_equal(index_check(a, head), table_count(a, head));
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

// Keys made to collide in every bit that the index looks at end in an error, not in a loop.
static void test_index_survives_equal_hashes(void **state)
{
    (void)state;
    struct arena *a = test_arena(128 << 20, 16 << 20);
    uint64_t head = test_root(a, 0, sizeof(struct index_head)), record;
    int status = 0;
    uint64_t count = 0;
    for (; count < 4000 && status == 0; count++) {
        assert_int_equal(arena_alloc(a, 16, &record), 0);
        record_write(arena_fresh(a, record), 0, slice_of("same"));
        status = index_insert(a, head, hash_slice(slice_of("same")), record);
        if (status == 0)
            arena_commit(a);
    }
    assert_int_equal(status, -EOVERFLOW);
    assert_true(count >= 3000);
    arena_abort(a);
    test_arena_sound(a);
    test_arena_free(a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_table_follows_a_model),
        cmocka_unit_test(test_table_batches_see_keys_twice),
        cmocka_unit_test(test_table_grows_in_place),
        cmocka_unit_test(test_table_takes_keys_of_any_length),
        cmocka_unit_test(test_table_reports_a_full_arena),
        cmocka_unit_test(test_record_is_looks_at_every_byte),
        cmocka_unit_test(test_index_survives_equal_hashes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
