// test_bind_flink.c: Flink's SQL, statement by statement: each works or is refused by name, at the
// place where it stands. The statements are in flink_statements.txt, which says how to read it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/plan/plan.h"

#define STATEMENTS "tests/unit/flink_statements.txt"

static const char tables[] =
    "CREATE TABLE t (id STRING, k INT, n BIGINT, d DOUBLE, b BOOLEAN, day DATE, ts TIMESTAMP(3),"
    " WATERMARK FOR ts AS ts - INTERVAL '4' SECOND)"
    " WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');"
    "CREATE TABLE u (id STRING, k INT, n BIGINT, ts TIMESTAMP(3), WATERMARK FOR ts AS ts)"
    " WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');"
    "CREATE TABLE z (id STRING, ts TIMESTAMP_LTZ(3), WATERMARK FOR ts AS ts)"
    " WITH ('connector' = 'filesystem', 'path' = 'x', 'format' = 'json');"
    "CREATE TABLE s (w TIMESTAMP(3), n BIGINT) WITH ('connector' = 'print');\n";

// What the command says to the statement: "works", "declares" (nothing to compute, but no mistake)
// or "`what the caret is under`: message", the caret's text cut to 40 bytes.
static void answer(const char *statement, char *out, size_t room)
{
    char sql[16384];
    struct err err = {0};
    struct plan *plan = NULL;
    snprintf(sql, sizeof(sql), "%s%s", tables, statement);
    struct plan_settings settings = {"job.sql", slice_of(sql), 2};
    if (plan_make(&settings, &plan, &err) == 0) {
        plan_free(plan);
        snprintf(out, room, "works");
        return;
    }
    unsigned line = 0, column = 0;
    int message = 0;
    if (sscanf(err.text, "job.sql:%u:%u: error: %n", &line, &column, &message) != 2 || line != 2) {
        bool declares = strstr(err.text, "the script computes nothing") != NULL;
        snprintf(out, room, "%s", declares ? "declares" : err.text);
        return;
    }
    const char *text = err.text + message, *caret = strchr(text, '^');
    size_t marked = caret ? 1 + strspn(caret + 1, "~") : 0;
    int shown = marked > 40 ? 40 : (int)marked;
    snprintf(out, room, "`%.*s`: %.*s", shown, statement + column - 1, (int)strcspn(text, "\n"),
             text);
}

static void test_bind_flink_statements_work_or_are_refused_by_name(void **state)
{
    (void)state;
    char statement[4096], expected[4096], got[4096 + 64];
    int checked = 0, wrong = 0;
    FILE *file = fopen(STATEMENTS, "r");
    assert_non_null(file);
    while (fgets(statement, sizeof(statement), file)) {
        if (statement[0] == '#' || statement[0] == '\n')
            continue;
        assert_non_null(fgets(expected, sizeof(expected), file));
        assert_memory_equal(expected, "  ", 2);
        statement[strcspn(statement, "\n")] = 0;
        expected[strcspn(expected, "\n")] = 0;
        answer(statement, got, sizeof(got));
        checked++;
        if (strcmp(got, expected + 2) == 0)
            continue;
        wrong++;
        print_error("%s\n  %s\nnot\n%s\n", statement, got, expected);
    }
    fclose(file);
    assert_int_equal(wrong, 0);
    assert_true(checked > 200);
}

// A NULLIF uses its argument twice: forty of them, nested, would be 2^40 parts.
static void test_bind_flink_nested_repetition_is_refused(void **state)
{
    (void)state;
    static const char *const parts[][2] = {
        {"NULLIF(", ", 1)"},
        {"CASE ", " WHEN 1 THEN 2 WHEN 3 THEN 4 END"},
        {"CAST(", " BETWEEN 1 AND 2 AS INT)"},
    };
    for (size_t p = 0; p < 3; p++) {
        struct buf sql = {0};
        char got[4096];
        buf_append_str(&sql, "SELECT ");
        for (int i = 0; i < 40; i++)
            buf_append_str(&sql, parts[p][0]);
        buf_append_str(&sql, "k");
        for (int i = 0; i < 40; i++)
            buf_append_str(&sql, parts[p][1]);
        buf_append_str(&sql, " FROM t");
        answer(buf_str(&sql), got, sizeof(got));
        if (!strstr(got, "this expression is too large"))
            fail_msg("%s", got);
        buf_fini(&sql);
    }
}

static void test_bind_flink_values_are_bounded(void **state)
{
    (void)state;
    char got[4096];
    struct buf sql = {0};
    buf_append_str(&sql, "VALUES (0, 0)");
    for (int i = 1; i < 500; i++)
        buf_printf(&sql, ", (%d, 1)", i);
    answer(buf_str(&sql), got, sizeof(got));
    assert_string_equal(got, "works");
    buf_append_str(&sql, ", (7, 77)");
    answer(buf_str(&sql), got, sizeof(got));
    assert_string_equal(got, "`(7, 77)`: VALUES takes at most 1000 values here");
    buf_fini(&sql);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bind_flink_statements_work_or_are_refused_by_name),
        cmocka_unit_test(test_bind_flink_nested_repetition_is_refused),
        cmocka_unit_test(test_bind_flink_values_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
