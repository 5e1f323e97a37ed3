// test_parser.c: tokens to the tree: what binds how tightly, that the printed tree parses to
// itself, syntax errors in words, and the bounds.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/sql/parse.h"

// The tree as text, or the message.
static bool print(const char *sql, struct buf *out)
{
    struct pool pool = {0};
    struct sql_script *script = NULL;
    struct err err = {0};
    bool parsed = sql_parse(&pool, "f", slice_of(sql), &script, &err) == 0;
    buf_clear(out);
    if (parsed)
        sql_ast_print(script, out);
    else
        buf_append_str(out, err.text);
    pool_fini(&pool);
    return parsed;
}

static void test_parser_precedence_is_calcites(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *tree;
    } cases[] = {
        {"a + b * c", "(a + (b * c))"},
        {"a - b - c", "((a - b) - c)"},
        {"- a * b", "((- a) * b)"},
        {"a || b || c", "((a || b) || c)"},
        {"NOT a = b AND c OR d", "(((NOT (a = b)) AND c) OR d)"},
        {"a OR b AND c", "(a OR (b AND c))"},
        {"a = b IS NULL", "((a = b) IS NULL)"},
        {"a + 1 BETWEEN 2 AND 3 AND b", "(((a + 1) BETWEEN 2 AND 3) AND b)"},
        {"a NOT IN (1, 2) AND NOT b", "((a NOT IN (1, 2)) AND (NOT b))"},
        {"a LIKE b || 'x' ESCAPE '!'", "(a LIKE (b || 'x') ESCAPE '!')"},
        {"a < b = c", "((a < b) = c)"},
        {"a IS NOT DISTINCT FROM b + 1", "(a IS NOT DISTINCT FROM (b + 1))"},
        {"CASE WHEN a THEN b ELSE c END + 1", "(CASE WHEN a THEN b ELSE c END + 1)"},
        {"a[1].b", "(a[1]).b"},
        {"INTERVAL '1' DAY + ts", "(INTERVAL '1' DAY + ts)"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        char sql[256], tree[256];
        struct buf out = {0};
        snprintf(sql, sizeof(sql), "SELECT %s", cases[i].sql);
        snprintf(tree, sizeof(tree), "SELECT\n  %s;\n", cases[i].tree);
        print(sql, &out);
        assert_string_equal(buf_str(&out), tree);
        buf_fini(&out);
    }
}

// Every statement that parses: its tree as text parses to the same text.
static void test_parser_printed_trees_parse_to_themselves(void **state)
{
    (void)state;
    char line[4096];
    int parsed = 0;
    FILE *file = fopen("tests/unit/flink_statements.txt", "r");
    assert_non_null(file);
    while (fgets(line, sizeof(line), file)) {
        struct buf first = {0}, second = {0};
        if (line[0] != ' ' && line[0] != '#' && print(line, &first)) {
            parsed++;
            if (!print(buf_str(&first), &second) || strcmp(buf_str(&first), buf_str(&second)) != 0)
                fail_msg("%s\n%s\n%s", line, buf_str(&first), buf_str(&second));
        }
        buf_fini(&first);
        buf_fini(&second);
    }
    fclose(file);
    assert_true(parsed > 100);
}

static void test_parser_says_what_it_found_and_expected(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *says;
    } cases[] = {
        {"SELECT a, FROM t", "f:1:11: error: unexpected 'FROM'; expected an expression"},
        {"SELECT a, FROM t", "hint: remove the ',' in front of it"},
        {"SELEC a", "hint: did you mean 'SELECT' instead of 'SELEC'?"},
        {"SELECT a FORM t", "did you mean 'FROM' instead of 'FORM'?"},
        {"SELECT a FROM t WERE b", "did you mean 'WHERE' instead of 'WERE'?"},
        {"SELECT a FROM t GROUP b", "expected BY"},
        {"CREATE TABLE t (a INT WITH ('a' = 'b')", "expected"},
        {"INSERT INTO t SELECT a\nSELECT b",
         "is a ';' missing at the end of the statement before?"},
        {"SELECT a AS unique", "reserved word; as a name it goes into backquotes: `unique`"},
        {"SELECT (a", "unexpected the end of the script; expected"},
        {"CREATE TABLE t (a INT) WITH (a = 'b')", "the name of an option is a string"},
        {"CREATE TABLE t (a INT) WITH ('a' = b)", "the value of an option is a string"},
        {"CREATE TABLE t (a INTT)", "there is no type 'INTT'"},
        {"SELECT EXTRACT(DAYY FROM t)", "'DAYY' is no unit of time"},
        {"CREATE TABLE t (a INT, a INT)", "the table has a column 'a' already"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct buf out = {0};
        assert_false(print(cases[i].sql, &out));
        if (!strstr(buf_str(&out), cases[i].says))
            fail_msg("%s", buf_str(&out));
        buf_fini(&out);
    }
}

static void repeat(struct buf *out, const char *text, int times)
{
    for (int i = 0; i < times; i++)
        buf_append_str(out, text);
}

// What is too deep is refused, whatever it is made of; what is long is not.
static void test_parser_bounds_depth_not_length(void **state)
{
    (void)state;
    static const struct {
        const char *open, *middle, *close;
    } nests[] = {
        {"(", "1", ")"},
        {"CASE WHEN a THEN ", "1", " END"},
        {"ABS(", "1", ")"},
        {"- ", "1", ""},
        {"NOT ", "a", ""},
        {"ARRAY[", "1", "]"},
        {"CAST(", "1", " AS INT)"},
        {"(SELECT ", "1", ")"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(nests); i++) {
        struct buf sql = {0}, out = {0};
        buf_append_str(&sql, "SELECT ");
        repeat(&sql, nests[i].open, 30000);
        buf_append_str(&sql, nests[i].middle);
        repeat(&sql, nests[i].close, 30000);
        assert_false(print(buf_str(&sql), &out));
        if (!strstr(buf_str(&out), "nested"))
            fail_msg("%s\n%.300s", nests[i].open, buf_str(&out));
        buf_fini(&sql);
        buf_fini(&out);
    }
    struct buf sql = {0}, out = {0};
    buf_append_str(&sql, "SELECT 1");
    repeat(&sql, ", 1", 20000);
    buf_append_str(&sql, " FROM t WHERE a IN (1");
    repeat(&sql, ", 1", 20000);
    buf_append_str(&sql, ")");
    repeat(&sql, "; SELECT 1", 2000);
    assert_true(print(buf_str(&sql), &out));
    buf_fini(&sql);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_parser_precedence_is_calcites),
        cmocka_unit_test(test_parser_printed_trees_parse_to_themselves),
        cmocka_unit_test(test_parser_says_what_it_found_and_expected),
        cmocka_unit_test(test_parser_bounds_depth_not_length),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
