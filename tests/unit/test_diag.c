// test_diag.c: where a message points: tabs, characters of several bytes, long and broken lines.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/sql/diag.h"

// The run of `what` in `text`, counted as the scanner counts.
static struct source_pos find(const char *text, const char *what)
{
    const char *at = strstr(text, what);
    struct source_pos pos = {.line = 1, .column = 1, .length = (uint32_t)strlen(what)};
    CHECK(at);
    pos.offset = (uint32_t)(at - text);
    for (const char *p = text; p < at; p++) {
        pos.column += ((unsigned char)*p & 0xc0) != 0x80;
        if (*p == '\n') {
            pos.line++;
            pos.column = 1;
        }
    }
    return pos;
}

static const char *message(const char *text, struct source_pos pos)
{
    static struct err err;
    struct source_text source = {"f.sql", slice_of(text)};
    assert_int_equal(diag_error(&err, &source, pos, "bad %s", "thing"), -EINVAL);
    return err.text;
}

static void test_diag_caret_stands_under_the_text(void **state)
{
    (void)state;
    static const struct {
        const char *text, *what, *shown;
    } cases[] = {
        {"SELECT x FROM t", "FROM",
         "f.sql:1:10: error: bad thing\n  SELECT x FROM t\n"
         "           ^~~~"},
        {"a\n\tSELECT\tx y\nz", "x", "f.sql:2:9: error: bad thing\n  \tSELECT\tx y\n  \t      \t^"},
        {"'hé€😀' x", "x", "f.sql:1:8: error: bad thing\n  'hé€😀' x\n         ^"},
        {"'é' 'ü€' z", "'ü€'", "f.sql:1:5: error: bad thing\n  'é' 'ü€' z\n      ^~~~"},
        {"one two\nthree four", "two\nthree", // a run over two lines: its part on the first
         "f.sql:1:5: error: bad thing\n  one two\n      ^~~"},
        {"a\r\nb c\r\nd", "c", "f.sql:2:3: error: bad thing\n  b c\n    ^"},
        {"a \x01\x1b[31m b", "b", "f.sql:1:10: error: bad thing\n  a ??[31m b\n           ^"},
        {"\xff\xfe x", "x", "f.sql:1:4: error: bad thing\n  ?? x\n     ^"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct source_pos pos = find(cases[i].text, cases[i].what);
        assert_string_equal(message(cases[i].text, pos), cases[i].shown);
    }
}

static void test_diag_points_behind_the_last_character(void **state)
{
    (void)state;
    const char *text = "SELECT é";
    struct source_pos end = {.line = 1, .column = 9, .offset = (uint32_t)strlen(text)};
    assert_string_equal(message(text, end), "f.sql:1:9: error: bad thing\n  SELECT é\n          ^");
    struct source_pos empty = {.line = 1, .column = 1};
    assert_string_equal(message("", empty), "f.sql:1:1: error: bad thing\n  \n  ^");
    assert_string_equal(message("x", (struct source_pos){0}), "f.sql: error: bad thing");
}

// A line of 3,000 characters: a piece around the caret, no half characters, the caret under it.
static void test_diag_cuts_long_lines(void **state)
{
    (void)state;
    char text[8000] = "";
    size_t len = 0;
    for (int i = 0; i < 1500; i++)
        len += (size_t)snprintf(text + len, sizeof(text) - len, "%s", "é ");
    text[len / 2 / 3 * 3] = 'X'; // where an é begins: its second byte is broken now
    struct source_pos pos = find(text, "X");
    const char *shown = strchr(message(text, pos), '\n') + 1;
    const char *caret = strchr(shown, '\n') + 1;
    assert_true(caret - shown < 200 && strlen(caret) < 200);
    size_t column = strcspn(caret, "^"), at = 0;
    for (size_t c = 0; c < column; at++)
        c += ((unsigned char)shown[at + 1] & 0xc0) != 0x80;
    assert_int_equal(shown[at], 'X');
}

static void test_diag_spans_and_slices(void **state)
{
    (void)state;
    const char *text = "one two three";
    struct source_text source = {"f.sql", slice_of(text)};
    struct source_pos both = source_span(find(text, "one"), find(text, "three"));
    assert_true(slice_equal(source_slice(&source, both), slice_of(text)));
    struct source_pos none = {0}, two = find(text, "two");
    assert_int_equal(source_span(none, two).offset, 4);
    assert_int_equal(source_span(two, none).length, 3);
    assert_int_equal(source_span(two, find(text, "one")).length, 3); // never backwards
}

static void test_diag_hints_and_suggestions(void **state)
{
    (void)state;
    static const char *const names[] = {"connector", "format", "path"};
    struct err err = {0};
    err_set(&err, -EINVAL, "x");
    diag_hint(&err, "write %d", 7);
    diag_suggest(&err, "formt", names, 3);
    diag_suggest(&err, "zzzzzz", names, 3); // nothing is close: nothing is said
    assert_string_equal(err.text, "x\nhint: write 7\nhint: did you mean 'format'?");
    assert_int_equal(diag_hint(NULL, "nobody listens"), -EINVAL);
    assert_int_equal(diag_suggest(NULL, "formt", names, 3), -EINVAL);
    struct source_text source = {"f.sql", slice_of("x")};
    assert_int_equal(diag_error(NULL, &source, find("x", "x"), "nobody"), -EINVAL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_diag_caret_stands_under_the_text),
        cmocka_unit_test(test_diag_points_behind_the_last_character),
        cmocka_unit_test(test_diag_cuts_long_lines),
        cmocka_unit_test(test_diag_spans_and_slices),
        cmocka_unit_test(test_diag_hints_and_suggestions),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
