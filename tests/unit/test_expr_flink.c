// test_expr_flink.c: functions as a script writes them, against what Flink 2.3 answered: value and
// type. The pairs are in flink_functions.txt, which says how to read it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/expr/internal.h"
#include "core/plan/plan.h"

#define PAIRS "tests/unit/flink_functions.txt"

static const char table[] = "CREATE TABLE v (x INT) WITH ('connector' = 'datagen');\n";

// The value of a constant expression as CAST AS STRING shows it.
static void value_text(struct expr *e, struct pool *pool, struct buf *out)
{
    struct batch batch = {.count = 1};
    struct expr_context context = {
        .now_ms = 1357035630123, .watermark_ms = INT64_MIN, .time_zone = "UTC", .scratch = pool};
    const struct column *column;
    struct expr *text = e;
    struct err err = {0};
    if (e->type.kind != TYPE_STRING && expr_cast(pool, e, type_of(TYPE_STRING), &text, &err))
        fail_msg("%s", err.text);
    struct expr_program *program = expr_compile(text, NULL);
    expr_eval(program, &batch, &context, &column);
    if (column->state[0] >= VALUE_ERROR)
        buf_append_str(out, "error");
    else if (column->state[0] == VALUE_NULL)
        buf_append_str(out, "null");
    else
        buf_append(out, column->str[0].ptr, column->str[0].len);
    expr_program_free(program);
}

// "value<TAB>TYPE" of the expression; "refused" or "error" when it has no value.
static void answer(const char *expression, struct buf *out)
{
    char sql[4096 + sizeof(table) + 32];
    struct err err = {0};
    struct plan *plan = NULL;
    struct pool pool = {0};
    snprintf(sql, sizeof(sql), "%sSELECT %s FROM v", table, expression);
    struct plan_settings settings = {"job.sql", slice_of(sql), 1};
    if (plan_make(&settings, &plan, &err)) {
        buf_append_str(out, "refused");
        return;
    }
    for (int i = 0; i < plan->stages[0].op_count; i++) {
        const struct op *op = plan->stages[0].ops[i];
        if (op->kind != OP_CALC)
            continue;
        value_text(op->calc.exprs[0], &pool, out);
        buf_append_char(out, '\t');
        struct type type = op->calc.exprs[0]->type;
        type.not_null = false; // folding knows more than Flink's planner
        type_format(&type, out);
    }
    plan_free(plan);
    pool_fini(&pool);
}

static void test_expr_flink_answers_are_the_same(void **state)
{
    (void)state;
    char line[4096];
    int checked = 0, wrong = 0;
    FILE *file = fopen(PAIRS, "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        struct buf got = {0};
        line[strcspn(line, "\n")] = 0;
        char *expected = strchr(line, '\t');
        if (line[0] == '#' || !expected)
            continue;
        *expected++ = 0;
        answer(line, &got);
        bool fails = strcmp(expected, "error") == 0;
        bool failed = strncmp(buf_str(&got), "error", 5) == 0 || !strcmp(buf_str(&got), "refused");
        if (fails ? !failed : strcmp(buf_str(&got), expected) != 0) {
            wrong++;
            print_error("%s\t%s\nnot\t%s\n", line, buf_str(&got), expected);
        }
        checked++;
        buf_fini(&got);
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(checked > 150);
}

static struct expr *call2(struct pool *pool, const char *name, int first, int second)
{
    struct expr *args[2] = {expr_column(pool, first, type_of(TYPE_STRING)),
                            expr_column(pool, second, type_of(TYPE_STRING))};
    struct expr *out = NULL;
    assert_int_equal(expr_call(pool, name, (struct expr_args){args, 2}, &out, NULL), 0);
    return out;
}

// Patterns from a column: one that is none is FALSE or an error, the next row's is compiled anew,
// and one that would take for ever is an error.
static void test_expr_flink_patterns_may_change(void **state)
{
    (void)state;
    static const struct {
        const char *text, *pattern;
        int regexp, similar; // 1, 0, or -1: an error
    } rows[] = {
        {"abc", "b", 1, 0},
        {"abd", "b", 1, 0},
        {"abc", "(", 0, -1},
        {"abc", "", 0, 0},
        {"abc", "a%", 0, 1},
        {"abc", "[a-c]+", 1, 1},
        {"abc", "[", 0, -1},
        {"a]", "]", 1, -1},
        {"abc", "a\\wc", 1, 0},
        {"", "", 0, 1},
        {"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab", "(a|aa)+$", -1, 0},
    };
    struct pool pool = {0};
    struct field fields[2] = {{"t", type_of(TYPE_STRING)}, {"p", type_of(TYPE_STRING)}};
    struct schema schema = {.fields = fields, .field_count = 2};
    struct batch batch;
    struct expr_context context = {.time_zone = "UTC", .scratch = &pool};
    batch_init(&batch, &schema);
    batch.count = ARRAY_SIZE(rows);
    for (uint32_t i = 0; i < batch.count; i++) {
        batch.columns[0].str[i] = slice_of(rows[i].text);
        batch.columns[1].str[i] = slice_of(rows[i].pattern);
        batch.columns[0].state[i] = batch.columns[1].state[i] = VALUE_PRESENT;
    }
    for (int similar = 0; similar < 2; similar++) {
        const struct column *got;
        struct expr *e = call2(&pool, similar ? "SIMILAR TO" : "REGEXP", 0, 1);
        struct expr_program *program = expr_compile(e, &schema);
        expr_eval(program, &batch, &context, &got);
        for (uint32_t i = 0; i < batch.count; i++) {
            int value = got->state[i] == VALUE_PRESENT ? (int)got->i64[i] : -1;
            if (value != (similar ? rows[i].similar : rows[i].regexp))
                fail_msg("'%s' '%s': %d", rows[i].text, rows[i].pattern, value);
        }
        expr_program_free(program);
    }
    batch_fini(&batch);
    pool_fini(&pool);
}

// A sum of sixty terms needs three columns, not sixty; a value that is read late keeps its own.
static void test_expr_flink_scratch_columns_are_reused(void **state)
{
    (void)state;
    struct pool pool = {0};
    struct field field = {"x", type_of(TYPE_BIGINT)};
    struct schema schema = {.fields = &field, .field_count = 1};
    struct batch batch;
    struct expr_context context = {.time_zone = "UTC", .scratch = &pool};
    const struct column *got;
    struct expr *x = expr_column(&pool, 0, field.type), *sum = x, *first = NULL;
    batch_init(&batch, &schema);
    batch.count = 3;
    for (int i = 0; i < 3; i++)
        batch.columns[0].i64[i] = i + 1;
    for (int i = 0; i < 60; i++) {
        struct expr *times[] = {x, expr_int(&pool, i + 2)}, *product, *pair[2];
        assert_int_equal(expr_call(&pool, "*", (struct expr_args){times, 2}, &product, NULL), 0);
        first = first ? first : product;
        pair[0] = sum;
        pair[1] = product;
        assert_int_equal(expr_call(&pool, "+", (struct expr_args){pair, 2}, &sum, NULL), 0);
    }
    struct expr *ends[] = {sum, first}; // 2x is computed once, and read again at the end
    assert_int_equal(expr_call(&pool, "-", (struct expr_args){ends, 2}, &sum, NULL), 0);
    struct expr_program *program = expr_compile(sum, &schema);
    assert_true(expr_scratch_count(program) <= 4);
    expr_eval(program, &batch, &context, &got);
    for (int64_t i = 0; i < 3; i++) // 1 + (2 + ... + 61) - 2 times x
        assert_int_equal(got->i64[i], (i + 1) * (1 + 61 * 62 / 2 - 1 - 2));
    expr_program_free(program);
    batch_fini(&batch);
    pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expr_flink_answers_are_the_same),
        cmocka_unit_test(test_expr_flink_patterns_may_change),
        cmocka_unit_test(test_expr_flink_scratch_columns_are_reused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
