// test_window_operator.c: the window operator against a naive count, with aborts and deaths on the
// way.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/hash.h"
#include "stages/runtime/operator.h"

enum {
    ARENA_BYTES = 256 << 20,
    ROWS = 4000,
    DIMENSIONS = 5,
    DEVICES = 60,
    STEP = 1000,
    BOUND = 3000
};

// --- a `next` operator that keeps what it is given; an abort takes back what was not committed ---

struct capture {
    struct operator base;
    struct buf rows; // "start end dimension count distinct sum max\n"
    size_t committed;
    int64_t watermark;
};

static void print_row(const struct batch *batch, uint32_t row, struct buf *out)
{
    if (batch->has_kinds)
        buf_printf(out, "%s ", row_kind_name(batch_kind(batch, row)));
    for (int c = 0; c < batch->column_count; c++) {
        const struct column *column = &batch->columns[c];
        if (column->state[row])
            buf_append_str(out, "null");
        else if (column->kind == TYPE_STRING)
            buf_append(out, column->str[row].ptr, column->str[row].len);
        else
            buf_printf(out, "%lld", (long long)column->i64[row]);
        buf_append_char(out, c + 1 < batch->column_count ? ' ' : '\n');
    }
}

static uint32_t max_rows = BATCH_ROWS; // what a transaction may give

static int capture_push(struct operator* op, struct batch *batch)
{
    assert_true(batch->count <= max_rows);
    for (uint32_t i = 0; i < batch->count; i++)
        print_row(batch, i, &((struct capture *)op)->rows);
    return 0;
}

static int capture_watermark(struct operator* op, int64_t watermark_ms)
{
    ((struct capture *)op)->watermark = watermark_ms;
    return 0;
}

static const struct operator_class capture_class = {
    .name = "capture", .push = capture_push, .watermark = capture_watermark};

// --- a plan of one window operator, made by hand ---

struct fixture {
    struct field in[4], out[8];
    struct agg_call aggs[4];
    int keys[1];
    struct op before, op;
    struct op *ops[2];
    struct stage stage;
    struct plan plan;
    uint64_t late;
    void *memory;
    struct arena *arena;
    struct capture capture;
    struct operator* window;
    uint64_t seed;
    struct env env; // its clock is `now_ms`
    int64_t now_ms;
};

static const struct arena_options options = {.fingerprint = 5};

static void plan_by_hand(struct fixture *f, enum window_kind kind, int64_t size, int64_t step)
{
    f->in[0] = (struct field){"ts", type_of(TYPE_TIMESTAMP)};
    f->in[1] = (struct field){"dimension", type_of(TYPE_STRING)};
    f->in[2] = (struct field){"id", type_of(TYPE_STRING)};
    f->in[3] = (struct field){"n", type_of(TYPE_BIGINT)};
    f->before = (struct op){.kind = OP_CALC, .output = {f->in, 4}};
    const enum type_kind out[] = {TYPE_STRING, TYPE_TIMESTAMP, TYPE_TIMESTAMP, TYPE_TIMESTAMP,
                                  TYPE_BIGINT, TYPE_BIGINT,    TYPE_BIGINT,    TYPE_STRING};
    for (int i = 0; i < 8; i++)
        f->out[i] = (struct field){"c", type_of(out[i])};
    f->aggs[0] = (struct agg_call){.kind = AGG_COUNT_STAR, .arg = -1, .filter = -1};
    f->aggs[1] = (struct agg_call){.kind = AGG_COUNT_DISTINCT, .arg = 2, .filter = -1};
    f->aggs[2] = (struct agg_call){
        .kind = AGG_SUM, .arg = 3, .filter = -1, .arg_type = type_of(TYPE_BIGINT)};
    f->aggs[3] = (struct agg_call){
        .kind = AGG_MAX, .arg = 2, .filter = -1, .arg_type = type_of(TYPE_STRING)};
    f->keys[0] = 1;
    f->op = (struct op){.kind = OP_WINDOW, .id = 3, .output = {f->out, 8}};
    f->op.window = (struct op_window){.kind = kind,
                                      .size_ms = size,
                                      .step_ms = step,
                                      .key_count = 1,
                                      .keys = f->keys,
                                      .agg_count = 4,
                                      .aggs = f->aggs,
                                      .early_delay_ms = -1,
                                      .late_delay_ms = -1};
    f->ops[0] = &f->before;
    f->ops[1] = &f->op;
    f->stage = (struct stage){.ops = f->ops, .op_count = 2, .input_exchange = -1};
}

static int64_t fake_now(struct env *env)
{
    return *(int64_t *)env->context;
}

// Attach as a task does, also after a death.
static void attach(struct fixture *f)
{
    struct err err = {{0}};
    assert_int_equal(arena_open(f->memory, ARENA_BYTES, &options, &f->arena, &err), 0);
    struct op_context context = {.env = &f->env,
                                 .arena = f->arena,
                                 .plan = &f->plan,
                                 .op = &f->op,
                                 .stage = &f->stage,
                                 .ordered_input = false,
                                 .max_rows = &max_rows,
                                 .next = &f->capture.base,
                                 .late_rows = &f->late};
    assert_int_equal(window_class.open(&context, &f->window, &err), 0);
    f->capture.rows.len = f->capture.committed;
}

static void setup(struct fixture *f, enum window_kind kind, int64_t size, int64_t step)
{
    struct err err;
    *f = (struct fixture){.seed = (uint64_t)time(NULL)};
    print_message("seed %llu\n", (unsigned long long)f->seed);
    plan_by_hand(f, kind, size, step);
    f->env = (struct env){.context = &f->now_ms, .realtime_ms = fake_now};
    f->capture.base.class = &capture_class;
    f->memory = aligned_alloc(4096, ARENA_BYTES);
    assert_int_equal(arena_format(f->memory, ARENA_BYTES, &options, &err), 0);
    attach(f);
    arena_commit(f->arena);
}

static void teardown(struct fixture *f)
{
    struct err err = {{0}};
    assert_int_equal(arena_check(f->arena, &err), 0);
    window_class.close(f->window);
    arena_close(f->arena);
    free(f->memory);
    buf_fini(&f->capture.rows);
}

static void commit(struct fixture *f)
{
    arena_commit(f->arena);
    f->capture.committed = f->capture.rows.len;
}

// Is this the moment to die? Then the handle is dropped in mid-transaction and a successor
// attaches.
static bool dies(struct fixture *f, uint32_t one_in)
{
    f->seed = hash_u64(f->seed + 1);
    if (!one_in || f->seed % one_in)
        return false;
    window_class.close(f->window);
    arena_close(f->arena);
    attach(f);
    return true;
}

struct row {
    int64_t ts;
    char dimension[16], id[8];
    int64_t n;
};

static void fill(struct batch *batch, const struct row *rows, uint32_t count)
{
    batch->count = count;
    for (uint32_t i = 0; i < count; i++) {
        batch->columns[0].i64[i] = rows[i].ts;
        batch->columns[1].str[i] = slice_of(rows[i].dimension);
        batch->columns[1].state[i] = rows[i].dimension[0] ? VALUE_PRESENT : VALUE_NULL;
        batch->columns[2].str[i] = slice_of(rows[i].id);
        batch->columns[3].i64[i] = rows[i].n;
    }
    for (int c = 0; c < 4; c++)
        column_summarize(&batch->columns[c], count);
}

static void work_off(struct fixture *f, uint32_t one_in)
{
    for (bool more = true; more;) {
        assert_int_equal(f->window->class->work(f->window, &more), 0);
        if (dies(f, one_in))
            more = true;
        else
            commit(f);
    }
}

// Rows in pieces, each followed by a watermark; whatever dies is done again.
static void feed(struct fixture *f, const struct row *rows, uint32_t count, uint32_t one_in)
{
    struct batch batch;
    batch_init(&batch, &f->before.output);
    for (uint32_t at = 0; at < count; at += 16) {
        int64_t highest = INT64_MIN;
        for (uint32_t i = 0; i < at + 16 && i < count; i++)
            highest = rows[i].ts > highest ? rows[i].ts : highest;
        uint64_t late;
        do {
            late = f->late;
            fill(&batch, rows + at, count - at < 16 ? count - at : 16);
            assert_int_equal(operator_push(f->window, &batch), 0);
            assert_int_equal(operator_watermark(f->window, highest - BOUND), 0);
            if (!dies(f, one_in))
                break;
            f->late = late;
        } while (true);
        commit(f);
        work_off(f, one_in);
    }
    assert_int_equal(operator_watermark(f->window, INT64_MAX), 0);
    commit(f);
    work_off(f, one_in);
    assert_int_equal(f->capture.watermark, INT64_MAX);
    batch_fini(&batch);
}

static void make_rows(struct row *rows, uint64_t seed, int64_t disorder)
{
    for (uint32_t i = 0; i < ROWS; i++) {
        seed = hash_u64(seed + i + 1);
        rows[i].ts = (int64_t)i * 20 - (int64_t)(seed % (uint64_t)disorder);
        rows[i].n = (int64_t)(seed >> 20) % 100 - 50;
        snprintf(rows[i].dimension, 8, seed >> 40 & 7 ? "d%d" : "", (int)(seed >> 43) % DIMENSIONS);
        snprintf(rows[i].id, 8, "x%d", (int)((seed >> 50) % DEVICES));
    }
}

// --- the naive answer: every point of every window, over all rows again ---

struct want {
    uint64_t rows, distinct;
    int64_t sum;
    char seen[DEVICES];
    int max;
};

static void add_want(struct want *want, const struct row *row)
{
    char number[8];
    int id = (int)strtol(row->id + 1, NULL, 10);
    want->rows++;
    want->sum += row->n;
    want->distinct += !want->seen[id];
    want->seen[id] = 1;
    snprintf(number, sizeof(number), "x%d", want->max);
    if (want->rows == 1 || strcmp(row->id, number) > 0)
        want->max = id;
}

// rows[i] counts in [start, start + size) up to `end` when its window was open at its time: with
// the watermark after each 16 rows, window_end - 1 > that of the piece before. A late row of
// CUMULATE counts from the next point.
static void naive_point(const struct fixture *f, const struct row *rows, int64_t start, int64_t end,
                        struct buf *out)
{
    const struct op_window *plan = &f->op.window;
    bool cumulate = plan->kind == WINDOW_CUMULATE;
    for (int d = -1; d < DIMENSIONS; d++) {
        struct want want = {0};
        int64_t watermark = INT64_MIN, highest = INT64_MIN;
        char name[8] = "";
        if (d >= 0)
            snprintf(name, sizeof(name), "d%d", d);
        for (uint32_t i = 0; i < ROWS; i++) {
            if (i % 16 == 0 && i)
                watermark = highest - BOUND;
            highest = rows[i].ts > highest ? rows[i].ts : highest;
            bool inside =
                rows[i].ts >= start && rows[i].ts < (cumulate ? end : start + plan->size_ms);
            if (inside && end - 1 > watermark && strcmp(rows[i].dimension, name) == 0)
                add_want(&want, &rows[i]);
        }
        if (want.rows)
            buf_printf(out, "%s %lld %lld %lld %llu %llu %lld x%d\n", d < 0 ? "null" : name,
                       (long long)start, (long long)end, (long long)end - 1,
                       (unsigned long long)want.rows, (unsigned long long)want.distinct,
                       (long long)want.sum, want.max);
    }
}

static void naive(const struct fixture *f, const struct row *rows, struct buf *out)
{
    const struct op_window *plan = &f->op.window;
    int64_t stride = plan->kind == WINDOW_HOP ? plan->step_ms : plan->size_ms;
    for (int64_t start = -10 * stride - 200000 / stride * stride; start < 200000; start += stride) {
        int64_t end = start + (plan->kind == WINDOW_CUMULATE ? plan->step_ms : plan->size_ms);
        for (; end <= start + plan->size_ms; end += plan->step_ms)
            naive_point(f, rows, start, end, out);
    }
}

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// The buffer's lines in order, so that two outputs can be compared as sets.
static void sort_lines(struct buf *buf)
{
    char *lines[20000];
    size_t count = 0;
    struct buf sorted = {0};
    char *next = (char *)(uintptr_t)buf_str(buf);
    for (char *line; (line = strsep(&next, "\n")) && *line;)
        lines[count++] = line;
    qsort(lines, count, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < count; i++)
        buf_printf(&sorted, "%s\n", lines[i]);
    buf_fini(buf);
    *buf = sorted;
}

static void check_against_naive(enum window_kind kind, int64_t size, int64_t step, int64_t disorder,
                                uint32_t one_in)
{
    static struct row rows[ROWS];
    struct fixture f;
    struct buf want = {0};
    setup(&f, kind, size, step);
    make_rows(rows, f.seed, disorder);
    feed(&f, rows, ROWS, one_in);
    naive(&f, rows, &want);
    sort_lines(&want);
    sort_lines(&f.capture.rows);
    assert_true(want.len > 1000);
    assert_string_equal(buf_str(&f.capture.rows), buf_str(&want));
    buf_fini(&want);
    // Everything of the closed windows was given back: one small table and a heap are left.
    assert_true(arena_used_bytes(f.arena) < 1 << 20);
    teardown(&f);
}

static void test_window_tumble_counts_as_the_naive_answer(void **state)
{
    (void)state;
    check_against_naive(WINDOW_TUMBLE, 5 * STEP, 5 * STEP, 2000, 0);
}

static void test_window_hop_counts_as_the_naive_answer(void **state)
{
    (void)state;
    check_against_naive(WINDOW_HOP, 4 * STEP, STEP, 2000, 0);
}

// Flink's GROUP BY HOP takes any slide: one that does not divide the size, one that leaves gaps.
static void test_window_hop_takes_any_slide(void **state)
{
    (void)state;
    check_against_naive(WINDOW_HOP, 5 * STEP, 2 * STEP, 12000, 0);
    check_against_naive(WINDOW_HOP, 2 * STEP, 5 * STEP, 12000, 0);
}

static void test_window_cumulate_counts_as_the_naive_answer(void **state)
{
    (void)state;
    check_against_naive(WINDOW_CUMULATE, 20 * STEP, STEP, 2000, 0);
}

// A channel that holds few rows: the points go out in pieces that fit.
static void test_window_emits_no_more_than_it_may(void **state)
{
    (void)state;
    max_rows = 2;
    check_against_naive(WINDOW_CUMULATE, 20 * STEP, STEP, 2000, 3);
    check_against_naive(WINDOW_HOP, 4 * STEP, STEP, 2000, 0);
    max_rows = BATCH_ROWS;
}

static void test_window_late_rows_feed_windows_that_are_open(void **state)
{
    (void)state;
    check_against_naive(WINDOW_TUMBLE, 5 * STEP, 5 * STEP, 12000, 0);
    check_against_naive(WINDOW_HOP, 4 * STEP, STEP, 12000, 0);
}

static void test_window_survives_deaths_in_any_step(void **state)
{
    (void)state;
    check_against_naive(WINDOW_TUMBLE, 5 * STEP, 5 * STEP, 2000, 3);
    check_against_naive(WINDOW_HOP, 4 * STEP, STEP, 12000, 3);
    check_against_naive(WINDOW_CUMULATE, 20 * STEP, STEP, 2000, 3);
}

// --- changelogs ---

static void one_row(struct fixture *f, int64_t ts, const char *dimension, const char *id)
{
    struct row row = {.ts = ts, .n = 1};
    struct batch batch;
    snprintf(row.dimension, sizeof(row.dimension), "%s", dimension);
    snprintf(row.id, sizeof(row.id), "%s", id);
    batch_init(&batch, &f->before.output);
    fill(&batch, &row, 1);
    assert_int_equal(operator_push(f->window, &batch), 0);
    arena_commit(f->arena);
    batch_fini(&batch);
}

static int64_t at_time(struct fixture *f, int64_t now_ms)
{
    int64_t next;
    f->now_ms = now_ms;
    assert_int_equal(f->window->class->processing_time(f->window, now_ms, &next), 0);
    arena_commit(f->arena);
    return next;
}

static void at_watermark(struct fixture *f, int64_t watermark_ms)
{
    assert_int_equal(operator_watermark(f->window, watermark_ms), 0);
    commit(f);
    work_off(f, 0);
}

// What has come out since the last look.
static void expect(struct fixture *f, const char *rows)
{
    assert_string_equal(buf_str(&f->capture.rows), rows);
    f->capture.rows.len = f->capture.committed = 0;
}

// Groups that come between two points are merged into the order of those that were there.
static void test_window_groups_come_in_the_order_of_their_keys(void **state)
{
    (void)state;
    struct fixture f;
    setup(&f, WINDOW_CUMULATE, 10000, 1000);
    one_row(&f, 1, "m", "x1");
    one_row(&f, 2, "longlong2", "x1"); // the same first bytes
    one_row(&f, 3, "longlong1", "x1");
    at_watermark(&f, 999);
    expect(&f, "longlong1 0 1000 999 1 1 1 x1\nlonglong2 0 1000 999 1 1 1 x1\n"
               "m 0 1000 999 1 1 1 x1\n");
    one_row(&f, 1000, "z", "x1");
    one_row(&f, 1001, "", "x1");
    one_row(&f, 1002, "longlong0", "x1");
    one_row(&f, 1003, "a", "x1");
    at_watermark(&f, 1999);
    expect(&f, "null 0 2000 1999 1 1 1 x1\na 0 2000 1999 1 1 1 x1\n"
               "longlong0 0 2000 1999 1 1 1 x1\nlonglong1 0 2000 1999 1 1 1 x1\n"
               "longlong2 0 2000 1999 1 1 1 x1\nm 0 2000 1999 1 1 1 x1\n"
               "z 0 2000 1999 1 1 1 x1\n");
    teardown(&f);
}

static void setup_changelog(struct fixture *f, int64_t early, int64_t late, int64_t lateness)
{
    setup(f, WINDOW_TUMBLE, 10000, 10000);
    window_class.close(f->window);
    f->op.window.changelog = true;
    f->op.window.early_delay_ms = early;
    f->op.window.late_delay_ms = late;
    f->op.window.lateness_ms = lateness;
    f->aggs[3].type = type_of(TYPE_STRING);
    arena_close(f->arena);
    attach(f);
    arena_commit(f->arena);
}

static void test_window_early_fire_follows_the_first_element(void **state)
{
    (void)state;
    struct fixture f;
    setup_changelog(&f, 1000, -1, 0);
    f.now_ms = 50;
    one_row(&f, 1, "a", "x1");
    assert_int_equal(at_time(&f, 1049), 1050);
    expect(&f, "");
    assert_int_equal(at_time(&f, 1050), 2050);
    expect(&f, "+I a 0 10000 9999 1 1 1 x1\n");
    one_row(&f, 2, "a", "x2");
    one_row(&f, 2, "b", "x9"); // its own timer: 2050
    assert_int_equal(at_time(&f, 2050), 3050);
    expect(&f, "-U a 0 10000 9999 1 1 1 x1\n+U a 0 10000 9999 2 2 2 x2\n"
               "+I b 0 10000 9999 1 1 1 x9\n");
    assert_int_equal(at_time(&f, 3050), 4050); // armed again without rows; equal: nothing
    expect(&f, "");
    one_row(&f, 3, "b", "x9");
    at_watermark(&f, 9999); // on time: only what changed
    expect(&f, "-U b 0 10000 9999 1 1 1 x9\n+U b 0 10000 9999 2 1 2 x9\n");
    assert_int_equal(at_time(&f, 5000), INT64_MAX);
    expect(&f, "");
    teardown(&f);
}

static void test_window_without_delay_fires_for_each_row(void **state)
{
    (void)state;
    struct fixture f;
    setup_changelog(&f, 0, -1, 0);
    one_row(&f, 1, "a", "x1");
    one_row(&f, 1, "a", "x1");
    expect(&f, "+I a 0 10000 9999 1 1 1 x1\n-U a 0 10000 9999 1 1 1 x1\n"
               "+U a 0 10000 9999 2 1 2 x1\n");
    at_watermark(&f, INT64_MAX);
    expect(&f, "");
    teardown(&f);
}

static void test_window_late_rows_fire_until_lateness_is_over(void **state)
{
    (void)state;
    struct fixture f;
    setup_changelog(&f, -1, 0, 5000);
    one_row(&f, 1, "a", "x1");
    expect(&f, "");
    at_watermark(&f, 9999);
    expect(&f, "+I a 0 10000 9999 1 1 1 x1\n");
    one_row(&f, 2, "a", "x2"); // late, allowed
    expect(&f, "-U a 0 10000 9999 1 1 1 x1\n+U a 0 10000 9999 2 2 2 x2\n");
    at_watermark(&f, 14999);
    one_row(&f, 3, "a", "x3");
    expect(&f, "");
    assert_int_equal(f.late, 1);
    teardown(&f);
}

static void test_window_last_late_update_is_not_lost(void **state)
{
    (void)state;
    struct fixture f;
    setup_changelog(&f, -1, 2000, 5000);
    one_row(&f, 1, "a", "x1");
    at_watermark(&f, 9999);
    expect(&f, "+I a 0 10000 9999 1 1 1 x1\n");
    one_row(&f, 2, "a", "x1");
    one_row(&f, 2, "new", "x5"); // a late row of a new group waits for the late delay, too
    expect(&f, "");
    assert_int_equal(at_time(&f, 2000), 4000);
    expect(&f, "-U a 0 10000 9999 1 1 1 x1\n+U a 0 10000 9999 2 1 2 x1\n"
               "+I new 0 10000 9999 1 1 1 x5\n");
    one_row(&f, 3, "a", "x7");
    at_watermark(&f, 14999); // the end of lateness comes before the timer
    expect(&f, "-U a 0 10000 9999 2 1 2 x1\n+U a 0 10000 9999 3 2 3 x7\n");
    assert_true(arena_used_bytes(f.arena) < 1 << 20);
    teardown(&f);
}

// A day in windows that slide by a minute: each row is in 1,440 of them. What a full batch causes
// does not fit into the undo log; it is refused before the log is full, and fewer rows are taken.
static void test_window_refuses_more_than_a_transaction_holds(void **state)
{
    (void)state;
    struct fixture f;
    struct batch batch;
    static struct row rows[1024];
    setup(&f, WINDOW_HOP, 1440000, 1000);
    batch_init(&batch, &f.before.output);
    for (uint32_t i = 0; i < ARRAY_SIZE(rows); i++) {
        rows[i] = (struct row){.ts = (int64_t)i, .n = (int64_t)i, .dimension = "d1"};
        snprintf(rows[i].id, sizeof(rows[i].id), "x%d", (int)i);
    }
    fill(&batch, rows, ARRAY_SIZE(rows));
    uint64_t used = arena_used_bytes(f.arena);
    assert_int_equal(operator_push(f.window, &batch), -EAGAIN);
    arena_abort(f.arena);
    f.window->class->reset(f.window);
    assert_int_equal(arena_used_bytes(f.arena), used);
    fill(&batch, rows, 1);
    assert_int_equal(operator_push(f.window, &batch), 0);
    commit(&f);
    assert_true(arena_used_bytes(f.arena) > used);
    batch_fini(&batch);
    teardown(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_tumble_counts_as_the_naive_answer),
        cmocka_unit_test(test_window_hop_counts_as_the_naive_answer),
        cmocka_unit_test(test_window_hop_takes_any_slide),
        cmocka_unit_test(test_window_cumulate_counts_as_the_naive_answer),
        cmocka_unit_test(test_window_emits_no_more_than_it_may),
        cmocka_unit_test(test_window_late_rows_feed_windows_that_are_open),
        cmocka_unit_test(test_window_survives_deaths_in_any_step),
        cmocka_unit_test(test_window_groups_come_in_the_order_of_their_keys),
        cmocka_unit_test(test_window_early_fire_follows_the_first_element),
        cmocka_unit_test(test_window_without_delay_fires_for_each_row),
        cmocka_unit_test(test_window_late_rows_fire_until_lateness_is_over),
        cmocka_unit_test(test_window_last_late_update_is_not_lost),
        cmocka_unit_test(test_window_refuses_more_than_a_transaction_holds),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
