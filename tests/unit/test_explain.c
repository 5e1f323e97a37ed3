// explain against golden files: tests/golden/explain/NAME.sql gives NAME.txt.
// The first line of a script is "-- cores: N". Run from the root of the tree;
// WEIR_UPDATE_GOLDEN=1 writes the files anew.
//
// The AST is left out (core/sql has tests of its own), and so is the
// fingerprint.
#include <glob.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/plan/plan.h"

static void read_file(const char *path, struct buf *out)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return;
    size_t got;
    do {
        got = fread(buf_reserve(out, 4096), 1, 4096, file);
        out->len += got;
    } while (got);
    fclose(file);
}

static void write_file(const char *path, const char *text, size_t len)
{
    FILE *file = fopen(path, "wb");
    assert_non_null(file);
    assert_int_equal(fwrite(text, 1, len, file), len);
    fclose(file);
}

static struct plan *make(struct slice sql, int cores)
{
    struct err err = {0};
    struct plan *plan = NULL;
    struct plan_settings settings = {"golden.sql", sql, cores};
    if (plan_make(&settings, &plan, &err))
        fail_msg("%s", err.text);
    return plan;
}

static void check_golden(const char *sql_path)
{
    struct buf sql = {0}, text = {0}, golden = {0};
    char path[512];
    int cores = 0;
    snprintf(path, sizeof(path), "%.*s.txt", (int)strlen(sql_path) - 4, sql_path);
    read_file(sql_path, &sql);
    assert_int_equal(sscanf(buf_str(&sql), "-- cores: %d", &cores), 1);
    struct plan *plan = make(buf_slice(&sql), cores);
    plan_explain(plan, false, &text);
    const char *from = strstr(buf_str(&text), "== Bound Logical Plan ==");
    const char *to = strstr(buf_str(&text), "\nfingerprint ");
    assert_true(from && to && from < to);
    if (getenv("WEIR_UPDATE_GOLDEN"))
        write_file(path, from, (size_t)(to - from));
    read_file(path, &golden);
    if (!slice_equal(buf_slice(&golden), slice_make(from, (size_t)(to - from))))
        fail_msg("%s differs; explain says:\n%.*s", path, (int)(to - from), from);
    plan_free(plan);
    buf_fini(&sql);
    buf_fini(&text);
    buf_fini(&golden);
}

static void test_explain_text_is_as_recorded(void **state)
{
    (void)state;
    glob_t found;
    assert_int_equal(glob("tests/golden/explain/*.sql", 0, NULL, &found), 0);
    assert_true(found.gl_pathc >= 5);
    for (size_t i = 0; i < found.gl_pathc; i++)
        check_golden(found.gl_pathv[i]);
    globfree(&found);
}

// Quotes, brackets and braces pair up outside strings: a cheap reader is enough
// for our own writer.
static bool json_balances(const char *text)
{
    int depth = 0;
    bool string = false;
    for (; *text; text++) {
        if (string && *text == '\\' && text[1])
            text++;
        else if (*text == '"')
            string = !string;
        else if (!string && (*text == '{' || *text == '['))
            depth++;
        else if (!string && (*text == '}' || *text == ']') && --depth < 0)
            return false;
    }
    return depth == 0 && !string;
}

static void test_explain_json_has_every_step(void **state)
{
    (void)state;
    static const char sql[] =
        "CREATE TABLE t (a INT, s STRING) WITH ('connector' = 'datagen');"
        "SET 'parallelism.default' = '2'; SELECT s || '\"x\"' AS quoted, a FROM "
        "t WHERE a > 1;";
    struct buf out = {0};
    struct plan *plan = make(slice_of(sql), 2);
    plan_explain(plan, true, &out);
    static const char *const keys[] = {"\"ast\":",
                                       "\"logical\":",
                                       "\"optimized\":",
                                       "\"stages\":",
                                       "\"exchanges\":",
                                       "\"settings\":{\"parallelism",
                                       "\"name\":\"quoted\"",
                                       "\"type\":\"INT\""};
    for (size_t i = 0; i < sizeof(keys) / sizeof(keys[0]); i++)
        if (!strstr(buf_str(&out), keys[i]))
            fail_msg("no %s in %s", keys[i], buf_str(&out));
    assert_true(json_balances(buf_str(&out)));
    buf_fini(&out);
    plan_free(plan);
}

static void test_explain_statement_marks_the_plan(void **state)
{
    (void)state;
    struct plan *plan = make(slice_of("CREATE TABLE t (a INT) WITH ('connector' = 'datagen');"
                                      "EXPLAIN SELECT a FROM t;"),
                             1);
    assert_true(plan->explain_only);
    plan_free(plan);
    plan = make(slice_of("CREATE TABLE t (a INT) WITH ('connector' = 'datagen'); "
                         "SELECT a FROM t;"),
                1);
    assert_false(plan->explain_only);
    plan_free(plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_explain_text_is_as_recorded),
        cmocka_unit_test(test_explain_json_has_every_step),
        cmocka_unit_test(test_explain_statement_marks_the_plan),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
