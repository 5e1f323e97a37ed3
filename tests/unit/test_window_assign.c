// test_window_assign.c: rows into windows without GROUP BY: each window of a row once, whatever the
// batches, against windows found by trying every one; local time; rows without a time.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "stages/runtime/operator.h"

enum { SEEN_MAX = 200000 };

struct seen { // what came out: rows in order
    int64_t value, start, end, time;
    uint16_t origin;
    bool has_text;
};

struct catcher {
    struct operator base; // must be first
    struct seen rows[SEEN_MAX];
    uint32_t count;
    int64_t watermark;
};

static int catch_push(struct operator* op, struct batch *batch)
{
    struct catcher *c = (struct catcher *)op;
    assert_true(batch->count <= BATCH_ROWS && c->count + batch->count <= SEEN_MAX);
    for (uint32_t i = 0; i < batch->count; i++)
        c->rows[c->count++] = (struct seen){.value = batch->columns[0].i64[i],
                                            .start = batch->columns[2].i64[i],
                                            .end = batch->columns[3].i64[i],
                                            .time = batch->columns[4].i64[i],
                                            .origin = batch->origin ? batch->origin[i] : 0,
                                            .has_text = batch->columns[1].state[i] == 0};
    return 0;
}

static int catch_watermark(struct operator* op, int64_t watermark_ms)
{
    ((struct catcher *)op)->watermark = watermark_ms;
    return 0;
}

static const struct operator_class catcher_class = {.push = catch_push,
                                                    .watermark = catch_watermark};

static struct field in_fields[] = {{.name = "v", .type = {.kind = TYPE_BIGINT}},
                                   {.name = "s", .type = {.kind = TYPE_STRING}},
                                   {.name = "ts", .type = {.kind = TYPE_TIMESTAMP}}};
static struct field out_fields[] = {{.name = "v", .type = {.kind = TYPE_BIGINT}},
                                    {.name = "s", .type = {.kind = TYPE_STRING}},
                                    {.name = "window_start", .type = {.kind = TYPE_TIMESTAMP}},
                                    {.name = "window_end", .type = {.kind = TYPE_TIMESTAMP}},
                                    {.name = "window_time", .type = {.kind = TYPE_TIMESTAMP}}};
static const int passed[] = {0, 1};

struct bench {
    struct op op;
    struct catcher *catcher;
    struct operator* assign;
    struct batch batch;
    uint16_t origin[BATCH_ROWS];
};

static void bench_open(struct bench *b, struct op_window window)
{
    struct schema in = {.fields = in_fields, .field_count = 3};
    struct err err = {0};
    window.keys = passed;
    window.key_count = 2;
    window.time_column = 2;
    b->op = (struct op){.kind = OP_ASSIGN, .window = window};
    b->op.output = (struct schema){.fields = out_fields, .field_count = 5};
    b->catcher = calloc(1, sizeof(*b->catcher));
    CHECK(b->catcher);
    b->catcher->base.class = &catcher_class;
    struct op_context context = {.op = &b->op, .next = &b->catcher->base};
    assert_int_equal(window_assign_class.open(&context, &b->assign, &err), 0);
    batch_init(&b->batch, &in);
    b->batch.origin = b->origin;
}

static void bench_close(struct bench *b)
{
    batch_fini(&b->batch);
    window_assign_class.close(b->assign);
    free(b->catcher);
}

static void bench_row(struct bench *b, int64_t value, int64_t time)
{
    uint32_t i = b->batch.count++;
    b->batch.columns[0].i64[i] = value;
    b->batch.columns[1].str[i] = slice_of("text");
    b->batch.columns[1].state[i] = value % 3 == 0; // every third is NULL
    b->batch.columns[2].i64[i] = time;
    b->origin[i] = (uint16_t)(i + 7);
}

// Does the window [start, end) exist, by the definition of its kind?
static bool is_window(const struct op_window *w, int64_t start, int64_t end)
{
    int64_t base = w->kind == WINDOW_HOP ? w->step_ms : w->size_ms;
    bool aligned = (start - w->offset_ms) % base == 0;
    if (w->kind == WINDOW_CUMULATE)
        return aligned && end > start && end - start <= w->size_ms &&
               (end - start) % w->step_ms == 0;
    return aligned && end - start == w->size_ms;
}

static uint32_t check_row(const struct op_window *w, const struct catcher *c, uint32_t at,
                          int64_t value, int64_t time)
{
    uint32_t found = 0, expected = 0;
    for (; at + found < c->count && c->rows[at + found].value == value; found++) {
        const struct seen *row = &c->rows[at + found];
        assert_true(is_window(w, row->start, row->end) && row->start <= time && time < row->end);
        assert_int_equal(row->time, row->end - 1);
        assert_int_equal(row->origin, value + 7);
        assert_int_equal(row->has_text, value % 3 != 0);
        if (found && w->kind == WINDOW_CUMULATE)
            assert_true(row->end > row[-1].end);
        else if (found)
            assert_true(row->start < row[-1].start);
    }
    for (int64_t start = time - w->size_ms + 1; start <= time; start++)
        for (int64_t end = time + 1; end <= time + w->size_ms; end++)
            expected += is_window(w, start, end);
    assert_int_equal(found, expected);
    return found;
}

static void test_window_assign_finds_every_window_once(void **state)
{
    (void)state;
    static const struct op_window shapes[] = {
        {.kind = WINDOW_TUMBLE, .size_ms = 10, .step_ms = 10},
        {.kind = WINDOW_TUMBLE, .size_ms = 10, .step_ms = 10, .offset_ms = -3},
        {.kind = WINDOW_HOP, .size_ms = 12, .step_ms = 4},
        {.kind = WINDOW_HOP, .size_ms = 12, .step_ms = 4, .offset_ms = 1},
        {.kind = WINDOW_CUMULATE, .size_ms = 12, .step_ms = 3},
        {.kind = WINDOW_CUMULATE, .size_ms = 12, .step_ms = 3, .offset_ms = 2},
    };
    for (size_t s = 0; s < ARRAY_SIZE(shapes); s++) {
        struct bench b = {0};
        int64_t times[BATCH_ROWS];
        uint32_t at = 0;
        bench_open(&b, shapes[s]);
        for (int i = 0; i < BATCH_ROWS; i++) { // more rows come out than a batch holds
            times[i] = (int64_t)(hash_u64((uint64_t)i + 99 * s) % 200) - 100;
            bench_row(&b, i, times[i]);
        }
        assert_int_equal(operator_push(b.assign, &b.batch), 0);
        for (int i = 0; i < BATCH_ROWS; i++)
            at += check_row(&shapes[s], b.catcher, at, i, times[i]);
        assert_int_equal(at, b.catcher->count);
        bench_close(&b);
    }
}

static void test_window_assign_local_time_and_no_time(void **state)
{
    (void)state;
    struct bench b = {0};
    const int64_t hour = 3600000, day = 24 * hour;
    bench_open(&b,
               (struct op_window){
                   .kind = WINDOW_TUMBLE, .size_ms = day, .step_ms = day, .zone = "Asia/Shanghai"});
    bench_row(&b, 1, 17 * hour); // 01:00 of the second day there
    bench_row(&b, 2, 0);
    b.batch.columns[2].state[1] = VALUE_NULL;
    assert_int_equal(operator_push(b.assign, &b.batch), 0);
    assert_int_equal(operator_watermark(b.assign, 42), 0);
    assert_int_equal(b.catcher->count, 1);
    assert_int_equal(b.catcher->rows[0].start, day);
    assert_int_equal(b.catcher->rows[0].end, 2 * day);
    assert_int_equal(b.catcher->rows[0].time, 2 * day - 8 * hour - 1); // an instant
    assert_int_equal(b.catcher->watermark, 42);
    bench_close(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_assign_finds_every_window_once),
        cmocka_unit_test(test_window_assign_local_time_and_no_time),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
