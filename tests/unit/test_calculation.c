// test_calculation.c: filter and expressions of a compiled query over a batch, and the fate of each
// row.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/runtime/calculation.h"

#define TABLE "CREATE TABLE t (n BIGINT, d BIGINT) WITH ('connector' = 'datagen');\n"

// A query's calculation, and a batch of its input: n = 0, 1, ..., d = n % 3.
struct scene {
    struct plan *plan;
    struct calculation *calculation;
    struct batch batch;
    struct calculation_result result;
};

static void scene_open(struct scene *s, const char *query, uint32_t rows)
{
    struct err err;
    char sql[512];
    snprintf(sql, sizeof(sql), "%s%s", TABLE, query);
    struct plan_settings settings = {"test.sql", slice_of(sql), 1};
    if (plan_make(&settings, &s->plan, &err))
        fail_msg("%s", err.text);
    const struct stage *stage = &s->plan->stages[0];
    int at = 0;
    while (at < stage->op_count && stage->ops[at]->kind != OP_CALC)
        at++;
    assert_true(at > 0 && at < stage->op_count);
    const struct schema *input = &stage->ops[at - 1]->output;
    s->calculation = calculation_create(stage->ops[at], input, "UTC");
    batch_init(&s->batch, input);
    s->batch.count = rows;
    for (uint32_t row = 0; row < rows; row++) {
        s->batch.columns[schema_find(input, "n")].i64[row] = row;
        if (schema_find(input, "d") >= 0)
            s->batch.columns[schema_find(input, "d")].i64[row] = row % 3;
    }
}

static void scene_close(struct scene *s)
{
    batch_fini(&s->batch);
    calculation_free(s->calculation);
    plan_free(s->plan);
}

static void run(struct scene *s)
{
    calculation_run(s->calculation, &s->batch, 0, INT64_MIN, &s->result);
}

static void filter(struct scene *s)
{
    calculation_filter(s->calculation, &s->batch, 0, INT64_MIN, &s->result);
}

static void test_calculation_filter_removes_rows_before_it_computes(void **state)
{
    (void)state;
    struct scene s;
    // Row 0 would divide by zero, but it is filtered out.
    scene_open(&s, "SELECT n * 2 AS twice, 60 / n AS share FROM t WHERE n > 0 AND d = 0;", 10);
    filter(&s);
    assert_true(s.result.clean);
    assert_int_equal(s.result.batch.count, 3); // 3, 6, 9
    for (uint32_t i = 0; i < 3; i++) {
        assert_int_equal(s.result.batch.columns[0].i64[i], 2 * (3 * i + 3));
        assert_int_equal(s.result.batch.columns[1].i64[i], 60 / (3 * i + 3));
    }
    scene_close(&s);
}

static void test_calculation_run_removes_nothing_and_says_each_fate(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, "SELECT 60 / d AS share FROM t WHERE n <> 4;", 6);
    run(&s);
    static const enum row_fate want[] = {ROW_BAD, ROW_KEEP,     ROW_KEEP,
                                         ROW_BAD, ROW_FILTERED, ROW_KEEP};
    assert_false(s.result.clean);
    assert_int_equal(s.result.batch.count, 6);
    for (uint32_t i = 0; i < 6; i++)
        assert_int_equal(s.result.fate[i], want[i]);
    assert_int_equal(s.result.batch.columns[0].i64[1], 60);
    assert_int_equal(s.result.batch.columns[0].i64[5], 30);
    assert_non_null(strstr(calculation_reason(s.calculation, 0), "zero"));
    assert_int_equal(s.batch.count, 6);
    scene_close(&s);
}

static void test_calculation_filter_that_fails_makes_a_bad_row(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, "SELECT n FROM t WHERE 6 / d > 3;", 3); // by 0, 1, 2: an error, kept, filtered
    filter(&s);
    assert_false(s.result.clean);
    assert_int_equal(s.batch.count, 2);
    assert_int_equal(s.result.fate[0], ROW_BAD);
    assert_int_equal(s.result.fate[1], ROW_KEEP);
    assert_int_equal(s.result.batch.columns[0].i64[1], 1);
    scene_close(&s);
}

static void test_calculation_filter_takes_null_for_not_true(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, "SELECT n FROM t WHERE d >= 0;", 4);
    struct column *d = &s.batch.columns[1];
    d->state[2] = VALUE_NULL;
    d->all_present = false;
    filter(&s);
    assert_true(s.result.clean);
    assert_int_equal(s.result.batch.count, 3);
    assert_int_equal(s.result.batch.columns[0].i64[2], 3);
    scene_close(&s);
}

static void test_calculation_keeps_the_kinds_of_rows(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, "SELECT n + 1 AS next FROM t WHERE d > 0;", 4);
    s.batch.has_kinds = true;
    s.batch.kinds[1] = ROW_UPDATE_BEFORE;
    s.batch.kinds[2] = ROW_DELETE;
    filter(&s);
    assert_int_equal(s.result.batch.count, 2);
    assert_int_equal(batch_kind(&s.result.batch, 0), ROW_UPDATE_BEFORE);
    assert_int_equal(batch_kind(&s.result.batch, 1), ROW_DELETE);
    scene_close(&s);
}

static void test_calculation_of_an_empty_batch(void **state)
{
    (void)state;
    struct scene s;
    scene_open(&s, "SELECT n + 1 AS next FROM t WHERE d > 0;", 0);
    filter(&s);
    assert_true(s.result.clean);
    assert_int_equal(s.result.batch.count, 0);
    scene_close(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calculation_filter_removes_rows_before_it_computes),
        cmocka_unit_test(test_calculation_run_removes_nothing_and_says_each_fate),
        cmocka_unit_test(test_calculation_filter_that_fails_makes_a_bad_row),
        cmocka_unit_test(test_calculation_filter_takes_null_for_not_true),
        cmocka_unit_test(test_calculation_keeps_the_kinds_of_rows),
        cmocka_unit_test(test_calculation_of_an_empty_batch),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
