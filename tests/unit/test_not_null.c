// test_not_null.c: no NULL comes past it into a NOT NULL column; the rows around it do.
#include <errno.h>

#include "tests/unit/test_task_support.h"

static struct field fields[] = {
    {"n", {.kind = TYPE_BIGINT, .not_null = true}},
    {"s", {.kind = TYPE_STRING}},
};

// What stands behind the guard: counts, and looks for NULLs.
static int64_t passed_rows, passed_sum;

static int count_push(struct operator* op, struct batch *batch)
{
    (void)op;
    for (uint32_t i = 0; i < batch->count; i++) {
        assert_int_equal(batch->columns[0].state[i], VALUE_PRESENT);
        passed_sum += batch->columns[0].i64[i];
    }
    passed_rows += batch->count;
    return 0;
}

static const struct operator_class count_class = {.name = "count", .push = count_push};

static char failure[512], reason[256];
static uint64_t positions[8];
static int position_count;

static void note_failure(void *context, const char *text)
{
    (void)context;
    snprintf(failure, sizeof failure, "%s", text);
}

static void note_bad_row(void *context, const char *source, uint64_t position, const char *text,
                         struct slice row)
{
    (void)context;
    assert_null(source);
    assert_true(row.len > 0);
    positions[position_count++] = position;
    snprintf(reason, sizeof reason, "%s", text);
}

// Rows 0 .. count-1; n is NULL in those of `nulls`, s in every second one.
static void push_rows(struct bench *b, struct operator* guard, unsigned nulls, bool has_origin)
{
    struct batch batch;
    uint16_t origin[BATCH_ROWS];
    batch_init(&batch, &b->op.output);
    for (uint32_t i = 0; i < 8; i++) {
        batch.columns[0].i64[i] = i;
        batch.columns[0].state[i] = nulls >> i & 1 ? VALUE_NULL : VALUE_PRESENT;
        batch.columns[1].str[i] = slice_of("x");
        batch.columns[1].state[i] = i % 2 ? VALUE_NULL : VALUE_PRESENT;
        origin[i] = (uint16_t)(100 + i);
    }
    batch.count = 8;
    batch.origin = has_origin ? origin : NULL;
    column_summarize(&batch.columns[0], 8);
    column_summarize(&batch.columns[1], 8);
    passed_rows = passed_sum = position_count = 0;
    failure[0] = reason[0] = '\0';
    assert_int_equal(operator_push(guard, &batch), 0);
    batch_fini(&batch);
}

static struct operator*
    open_guard(struct bench *b, struct operator* next, struct plan_option *setting)
{
    struct operator* guard;
    bench_init(b, OP_SINK, fields, 2);
    b->plan.settings = setting;
    b->plan.setting_count = setting ? 1 : 0;
    b->context.next = next;
    b->context.fail_job = note_failure;
    b->context.bad_row = note_bad_row;
    assert_int_equal(not_null_class.open(&b->context, &guard, &b->err), 0);
    return guard;
}

static void test_not_null_ends_the_job(void **state)
{
    (void)state;
    struct bench b;
    struct operator next = {.class = &count_class};
    struct operator* guard = open_guard(&b, &next, NULL);
    push_rows(&b, guard, 0, true);
    assert_int_equal(passed_rows, 8);
    assert_string_equal(failure, "");
    push_rows(&b, guard, 1 << 3, true);
    assert_non_null(strstr(failure, "column 'n' of table 't' is NOT NULL"));
    assert_non_null(strstr(failure, "+I[null, null]"));
    assert_int_equal(position_count, 0);
    not_null_class.close(guard);
    bench_fini(&b);
}

static void test_not_null_drops_and_tells(void **state)
{
    (void)state;
    struct bench b;
    struct plan_option drop = {"table.exec.sink.not-null-enforcer", "DROP"};
    struct operator next = {.class = &count_class};
    struct operator* guard = open_guard(&b, &next, &drop);
    push_rows(&b, guard, 1 << 0 | 1 << 7, true);
    assert_int_equal(passed_rows, 6);
    assert_int_equal(passed_sum, 1 + 2 + 3 + 4 + 5 + 6);
    assert_int_equal(position_count, 2);
    assert_int_equal(positions[0], 100);
    assert_int_equal(positions[1], 107);
    assert_string_equal(reason, "column 'n' of table 't' is NOT NULL");
    push_rows(&b, guard, 0xff, false);
    assert_int_equal(passed_rows, 0);
    assert_int_equal(position_count, 8);
    assert_true(positions[0] == BAD_ROW_NOWHERE);
    assert_string_equal(failure, "");
    not_null_class.close(guard);
    bench_fini(&b);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_not_null_ends_the_job),
        cmocka_unit_test(test_not_null_drops_and_tells),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
