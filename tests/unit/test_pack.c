// test_pack.c: packed rows come back as they were, in parts and at any cut; damage is refused.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/hash.h"
#include "core/row/pack.h"
#include "core/row/row.h"

enum { TEXT_BYTES = 64, COLUMNS = 4 };

static const struct field fields[COLUMNS] = {
    {"n", {.kind = TYPE_BIGINT}},
    {"s", {.kind = TYPE_STRING}},
    {"d", {.kind = TYPE_DOUBLE}},
    {"t", {.kind = TYPE_STRING}},
};

struct world {
    struct batch in, out;
    uint64_t seed;
    char text[TEXT_BYTES];
    uint16_t rows[BATCH_ROWS];
    uint32_t bounds[BATCH_ROWS];
    char *bytes; // of `size`, malloc'ed to the byte, so that asan sees a read behind them
    uint64_t size;
};

static uint64_t chance(struct world *w, uint64_t below)
{
    w->seed = hash_u64(w->seed + 1);
    return w->seed % below;
}

static void setup(struct world *w, uint64_t seed)
{
    *w = (struct world){.seed = seed};
    print_message("seed %llu\n", (unsigned long long)seed);
    const struct schema schema = {(struct field *)(uintptr_t)fields, COLUMNS};
    batch_init(&w->in, &schema);
    batch_init(&w->out, &schema);
    for (int i = 0; i < TEXT_BYTES; i++)
        w->text[i] = (char)('!' + i);
}

static void teardown(struct world *w)
{
    batch_fini(&w->in);
    batch_fini(&w->out);
    free(w->bytes);
}

static void fill(struct world *w, uint32_t count)
{
    bool nulls = chance(w, 2);
    w->in.count = count;
    w->in.has_kinds = chance(w, 2);
    for (uint32_t i = 0; i < count; i++) {
        w->in.kinds[i] = (uint8_t)chance(w, 4);
        for (int c = 0; c < COLUMNS; c++) {
            struct column *column = &w->in.columns[c];
            column->state[i] = nulls && chance(w, 3) == 0 ? VALUE_NULL : VALUE_PRESENT;
            if (column->kind == TYPE_STRING)
                column->str[i] = slice_make(w->text, chance(w, c == 1 ? 20 : TEXT_BYTES));
            else
                column->i64[i] = (int64_t)chance(w, UINT64_MAX);
        }
    }
    for (int c = 0; c < COLUMNS; c++)
        column_summarize(&w->in.columns[c], count);
}

// Pack a random half of the batch. Returns how many rows.
static uint32_t pack(struct world *w)
{
    uint32_t count = 0;
    uint64_t bound = pack_base_bytes(COLUMNS);
    pack_row_bounds(&w->in, w->bounds);
    for (uint32_t i = 0; i < w->in.count; i++) {
        if (chance(w, 2) == 0 && i > 0)
            continue;
        w->rows[count++] = (uint16_t)i;
        bound += w->bounds[i];
    }
    char *space = malloc(bound + 8);
    assert_non_null(space);
    w->size = pack_rows(&w->in, w->rows, count, space);
    assert_true(w->size <= bound && w->size % 8 == 0);
    free(w->bytes);
    w->bytes = malloc(w->size);
    assert_non_null(w->bytes);
    memcpy(w->bytes, space, w->size);
    free(space);
    return count;
}

static void expect_row(const struct world *w, uint32_t got, uint32_t want)
{
    assert_int_equal(batch_kind(&w->out, got), batch_kind(&w->in, want));
    for (int c = 0; c < COLUMNS; c++) {
        const struct column *in = &w->in.columns[c], *out = &w->out.columns[c];
        assert_int_equal(out->state[got], in->state[want]);
        if (in->state[want] != VALUE_PRESENT)
            continue;
        if (in->kind == TYPE_STRING)
            assert_true(slice_equal(out->str[got], in->str[want]));
        else
            assert_int_equal(out->i64[got], in->i64[want]);
    }
}

static void test_pack_rows_come_back_in_parts(void **state)
{
    (void)state;
    static struct world w;
    setup(&w, (uint64_t)time(NULL));
    for (int round = 0; round < 200; round++) {
        fill(&w, 1 + (uint32_t)chance(&w, BATCH_ROWS));
        uint32_t count = pack(&w), at = 0;
        w.out.count = 0;
        w.out.has_kinds = false;
        while (at < count) {
            struct pack_part part = {count, at, 1 + (uint32_t)chance(&w, count - at)};
            assert_int_equal(pack_read(w.bytes, w.size, &part, &w.out), 0);
            at += part.count;
        }
        row_decode_done(&w.out);
        assert_int_equal(w.out.count, count);
        for (uint32_t i = 0; i < count; i++)
            expect_row(&w, i, w.rows[i]);
        for (int c = 0; c < COLUMNS && w.in.columns[c].all_present; c++)
            assert_true(w.out.columns[c].all_present);
    }
    teardown(&w);
}

// Rows of two frames in one batch, one of them with kinds.
static void test_pack_appends_to_a_batch(void **state)
{
    (void)state;
    static struct world w;
    setup(&w, 1);
    fill(&w, 10);
    w.in.has_kinds = false;
    uint32_t first = pack(&w);
    struct pack_part part = {first, 0, first};
    assert_int_equal(pack_read(w.bytes, w.size, &part, &w.out), 0);
    w.in.has_kinds = true;
    memset(w.in.kinds, ROW_DELETE, 10);
    uint32_t second = pack(&w);
    part = (struct pack_part){second, 0, second};
    assert_int_equal(pack_read(w.bytes, w.size, &part, &w.out), 0);
    assert_int_equal(w.out.count, first + second);
    assert_int_equal(batch_kind(&w.out, 0), ROW_INSERT);
    assert_int_equal(batch_kind(&w.out, first), ROW_DELETE);
    teardown(&w);
}

static void test_pack_cut_bytes_are_refused(void **state)
{
    (void)state;
    static struct world w;
    setup(&w, (uint64_t)time(NULL));
    for (int round = 0; round < 40; round++) {
        fill(&w, 1 + (uint32_t)chance(&w, 30));
        uint32_t count = pack(&w);
        const struct pack_part part = {count, 0, count};
        for (uint64_t size = 0; size < w.size; size += 8) {
            char *cut = malloc(size + 1);
            assert_non_null(cut);
            memcpy(cut, w.bytes, size);
            w.out.count = 0;
            assert_int_equal(pack_read(cut, size, &part, &w.out), -EBADMSG);
            assert_int_equal(w.out.count, 0);
            free(cut);
        }
    }
    teardown(&w);
}

// A flipped bit gives other rows or a refusal, and nothing outside the bytes is read (asan).
static void test_pack_damaged_bytes_are_refused_or_other_rows(void **state)
{
    (void)state;
    static struct world w;
    setup(&w, (uint64_t)time(NULL));
    int refused = 0;
    for (int round = 0; round < 2000; round++) {
        fill(&w, 1 + (uint32_t)chance(&w, 30));
        uint32_t count = pack(&w);
        const struct pack_part part = {count, 0, count};
        w.bytes[chance(&w, w.size)] ^= (char)(1 << chance(&w, 8));
        w.out.count = 0;
        int rc = pack_read(w.bytes, w.size, &part, &w.out);
        assert_true(rc == 0 || rc == -EBADMSG);
        refused += rc < 0;
        for (uint32_t i = 0; rc == 0 && i < count; i++) {
            struct slice text = w.out.columns[1].str[i];
            assert_true(text.ptr >= w.bytes && text.ptr + text.len <= w.bytes + w.size);
        }
    }
    assert_true(refused > 20);
    teardown(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pack_rows_come_back_in_parts),
        cmocka_unit_test(test_pack_appends_to_a_batch),
        cmocka_unit_test(test_pack_cut_bytes_are_refused),
        cmocka_unit_test(test_pack_damaged_bytes_are_refused_or_other_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
