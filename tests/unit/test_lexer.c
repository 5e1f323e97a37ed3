// test_lexer.c: characters to tokens: names, strings, numbers, comments, which words are keywords
// where, and what is refused with its place.
#include <ctype.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/sql/keyword.h"
#include "core/sql/parse.h"

struct fixture {
    struct pool pool;
    struct err err;
    struct sql_script *script;
};

static int parse(struct fixture *f, const char *text, size_t len)
{
    *f = (struct fixture){0};
    return sql_parse(&f->pool, "f", slice_make(text, len), &f->script, &f->err);
}

// The first item of the only SELECT.
static struct sql_expr *first_item(struct fixture *f, const char *text)
{
    if (parse(f, text, strlen(text)))
        fail_msg("%s", f->err.text);
    return f->script->statements.items[0]->query->select->items.items[0].expr;
}

static void test_lexer_strings_and_names(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *value;
    } cases[] = {
        {"SELECT ''", ""},
        {"SELECT 'it''s'", "it's"},
        {"SELECT 'two\nlines'", "two\nlines"},
        {"SELECT N'é'", "é"},
        {"SELECT U&'\\00e9\\+01F600\\\\'", "é😀\\"},
        {"SELECT '-- no comment /* '", "-- no comment /* "},
        {"SELECT x'4142'", "AB"},
    };
    struct fixture f;
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct sql_expr *e = first_item(&f, cases[i].sql);
        assert_true(slice_equal(e->str, slice_of(cases[i].value)));
        pool_fini(&f.pool);
    }
    struct sql_expr *name = first_item(&f, "SELECT `a``b`.`SELECT`");
    assert_string_equal(name->name.parts.items[0].text, "a`b");
    assert_string_equal(name->name.parts.items[1].text, "SELECT");
    assert_true(name->name.parts.items[1].quoted);
    pool_fini(&f.pool);
}

static void test_lexer_numbers(void **state)
{
    (void)state;
    static const struct {
        const char *sql;
        enum sql_expr_kind kind;
        int64_t i64;
        double f64;
    } cases[] = {
        {"SELECT 0", SQL_EXPR_INTEGER, 0, 0},
        {"SELECT 9223372036854775807", SQL_EXPR_INTEGER, INT64_MAX, 0},
        {"SELECT -9223372036854775808", SQL_EXPR_INTEGER, INT64_MIN, 0},
        {"SELECT 9223372036854775808", SQL_EXPR_DECIMAL, 0, 0},
        {"SELECT .5", SQL_EXPR_DECIMAL, 0, 0},
        {"SELECT 5.", SQL_EXPR_DECIMAL, 0, 0},
        {"SELECT 1.5e-3", SQL_EXPR_DOUBLE, 0, 0.0015},
        {"SELECT .5E+2", SQL_EXPR_DOUBLE, 0, 50},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        struct sql_expr *e = first_item(&f, cases[i].sql);
        assert_int_equal(e->kind, cases[i].kind);
        if (e->kind == SQL_EXPR_INTEGER)
            assert_int_equal(e->i64, cases[i].i64);
        if (e->kind == SQL_EXPR_DOUBLE)
            assert_true(e->f64 == cases[i].f64);
        pool_fini(&f.pool);
    }
}

static void test_lexer_positions_count_characters(void **state)
{
    (void)state;
    struct fixture f;
    struct sql_expr *e = first_item(&f, "/* é\n */ SELECT -- ü\n\t 'hé' || naïve");
    assert_int_equal(e->pos.line, 3);
    assert_int_equal(e->pos.column, 3);
    const struct sql_expr *name = e->call->args.items[1];
    assert_int_equal(name->pos.column, 11);
    assert_int_equal(name->pos.length, 6); // bytes
    pool_fini(&f.pool);
}

static void test_lexer_words_are_keywords_only_where_they_must(void **state)
{
    (void)state;
    static const char *const accepted[] = {
        "SELECT date, time, timestamp, first, last, key, zone, year, day FROM t",
        "SELECT DATE '2024-01-01', date FROM date",
        "SELECT right(a, 1), LEFT(a, 2) FROM t LEFT JOIN u ON TRUE",
        "SELECT floor, FLOOR(x), ceil, position, trim FROM t",
        "SELECT if(a, b, c), filter, map, any, comment, watermark FROM t",
        "SELECT count(*) FILTER (WHERE a) AS filter FROM t",
        "CREATE TABLE t (`order` INT, comment STRING COMMENT 'x', key INT) WITH ('a' = 'b')",
    };
    static const char *const refused[] = {"SELECT select", "SELECT a FROM from", "SELECT order"};
    struct fixture f;
    for (size_t i = 0; i < ARRAY_SIZE(accepted); i++) {
        if (parse(&f, accepted[i], strlen(accepted[i])))
            fail_msg("%s", f.err.text);
        pool_fini(&f.pool);
    }
    for (size_t i = 0; i < ARRAY_SIZE(refused); i++) {
        assert_true(parse(&f, refused[i], strlen(refused[i])) < 0);
        assert_non_null(strstr(f.err.text, "unexpected"));
        pool_fini(&f.pool);
    }
}

static void test_lexer_keywords_are_sorted_and_found(void **state)
{
    (void)state;
    const struct sql_keyword *table;
    int count = sql_keyword_table(&table);
    assert_true(count > 100);
    for (int i = 0; i < count; i++) {
        char lower[64];
        size_t len = strlen(table[i].text);
        assert_true(i == 0 || strcmp(table[i - 1].text, table[i].text) < 0);
        for (size_t c = 0; c <= len; c++)
            lower[c] = (char)tolower((unsigned char)table[i].text[c]);
        assert_ptr_equal(sql_keyword_find(slice_make(lower, len)), &table[i]);
    }
    assert_null(sql_keyword_find(slice_of("NOTHING")));
    assert_null(sql_keyword_find(slice_of("a_word_longer_than_any_keyword_that_there_is")));
}

static void test_lexer_refuses_with_a_place(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *place, *says;
    } cases[] = {
        {"SELECT 'a", "f:1:8:", "no closing quote"},
        {"SELECT `a\nb", "f:1:8:", "no closing backquote"},
        {"SELECT ``", "f:1:8:", "a name is empty"},
        {"SELECT /* a", "f:1:8:", "no end"},
        {"SELECT \"a\"", "f:1:8:", "double quotes"},
        {"SELECT 1a", "f:1:8:", "neither a number nor a name"},
        {"SELECT a == b", "f:1:10:", "'='"},
        {"SELECT a && b", "f:1:10:", "AND"},
        {"SELECT !a", "f:1:8:", "NOT"},
        {"SELECT ?", "f:1:8:", "parameters"},
        {"SELECT a # b", "f:1:10:", "#"},
        {"SELECT x'4'", "f:1:8:", "pairs of hex"},
        {"SELECT U&'\\zz'", "f:1:8:", "write \\00e9"},
        {"SELECT \xe2\x80\x9c"
         "a",
         "f:1:8:", ""}, // a typographic quote
        {"SELECT '\xff'", "f:1:8:", "not UTF-8"},
        {"SELECT 1e999", "f:1:8:", "beyond the range"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        assert_true(parse(&f, cases[i].sql, strlen(cases[i].sql)) < 0);
        if (strncmp(f.err.text, cases[i].place, strlen(cases[i].place)) != 0 ||
            !strstr(f.err.text, cases[i].says))
            fail_msg("%s\n%s", cases[i].sql, f.err.text);
        pool_fini(&f.pool);
    }
}

static void test_lexer_takes_any_bytes(void **state)
{
    (void)state;
    unsigned seed = (unsigned)getpid();
    print_message("seed %u\n", seed);
    for (int round = 0; round < 3000; round++) {
        char text[40];
        size_t len = (size_t)rand_r(&seed) % sizeof(text);
        for (size_t i = 0; i < len; i++)
            text[i] = (char)(rand_r(&seed) % 4 ? "SELECT '`\"/*-+;.,()0aé\n"[rand_r(&seed) % 23]
                                               : rand_r(&seed));
        struct fixture f;
        if (parse(&f, text, len))
            assert_true(f.err.text[0] == 'f'); // a place, always
        pool_fini(&f.pool);
    }
}

static void test_lexer_set_takes_bare_values(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *key, *value;
    } cases[] = {
        {"SET 'a' = 'b c'", "a", "b c"},
        {"SET a.b-c = 60 s ; SELECT 1", "a.b-c", "60 s"},
        {"SET a = -1", "a", "-1"},
        {"SET a = 'x';", "a", "x"},
        {"set table.local-time-zone = Europe/Berlin -- why\n", "table.local-time-zone",
         "Europe/Berlin"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct fixture f;
        if (parse(&f, cases[i].sql, strlen(cases[i].sql)))
            fail_msg("%s", f.err.text);
        const struct sql_option *option = f.script->statements.items[0]->option;
        assert_string_equal(option->key, cases[i].key);
        assert_string_equal(option->value, cases[i].value);
        pool_fini(&f.pool);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_lexer_strings_and_names),
        cmocka_unit_test(test_lexer_numbers),
        cmocka_unit_test(test_lexer_positions_count_characters),
        cmocka_unit_test(test_lexer_words_are_keywords_only_where_they_must),
        cmocka_unit_test(test_lexer_keywords_are_sorted_and_found),
        cmocka_unit_test(test_lexer_refuses_with_a_place),
        cmocka_unit_test(test_lexer_takes_any_bytes),
        cmocka_unit_test(test_lexer_set_takes_bare_values),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
