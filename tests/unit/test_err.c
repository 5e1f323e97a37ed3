// test_err.c: sentences, their bounds, and what is close enough to be meant.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <string.h>

#include "core/base/err.h"

// A text that no bound of the module lets through whole.
static char long_text[2 * ERR_TEXT_BYTES];

static int make_long_text(void **state)
{
    (void)state;
    memset(long_text, 'x', sizeof(long_text) - 1);
    return 0;
}

static void test_err_builds_a_sentence(void **state)
{
    (void)state;
    struct err err;
    assert_int_equal(err_set(&err, -EINVAL, "no column '%s'", "idd"), -EINVAL);
    assert_int_equal(err_prefix(&err, -EINVAL, "%s:%d:7", "a.sql", 3), -EINVAL);
    assert_int_equal(err_append(&err, -EINVAL, "hint: did you mean '%s'?", "id"), -EINVAL);
    assert_string_equal(err.text, "a.sql:3:7: no column 'idd'\nhint: did you mean 'id'?");
    assert_int_equal(err_set(&err, -EIO, "again"), -EIO);
    assert_string_equal(err.text, "again");
}

static void test_err_without_a_struct_gives_only_the_code(void **state)
{
    (void)state;
    assert_int_equal(err_set(NULL, -EIO, "x"), -EIO);
    assert_int_equal(err_prefix(NULL, -EPERM, "x"), -EPERM);
    assert_int_equal(err_append(NULL, -ENOENT, "x"), -ENOENT);
}

static void test_err_set_cuts_what_is_too_long(void **state)
{
    (void)state;
    struct err err;
    err_set(&err, -EINVAL, "%s", long_text);
    assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
}

static void test_err_prefix_keeps_the_context_and_loses_the_end(void **state)
{
    (void)state;
    struct err err;
    err_set(&err, -EINVAL, "begin %s", long_text);
    err_prefix(&err, -EINVAL, "a.sql");
    assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
    assert_memory_equal(err.text, "a.sql: begin xxx", 16);
    err_set(&err, -EINVAL, "end");
    err_prefix(&err, -EINVAL, "%s", long_text);
    assert_int_equal(strlen(err.text), ERR_TEXT_BYTES / 4 - 1 + strlen(": end"));
    assert_string_equal(strrchr(err.text, ':'), ": end");
}

static void test_err_append_stays_within_the_text(void **state)
{
    (void)state;
    struct err err;
    err_set(&err, -EINVAL, "begin");
    err_append(&err, -EINVAL, "%s", long_text);
    assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
    assert_memory_equal(err.text, "begin\nxxx", 9);
    err_append(&err, -EINVAL, "no room");
    assert_int_equal(strlen(err.text), ERR_TEXT_BYTES - 1);
    assert_null(strstr(err.text, "no room"));
}

static void test_err_suggests_only_what_is_close(void **state)
{
    (void)state;
    static const char *const names[] = {"connector", "path", "format", "pathway"};
    assert_string_equal(err_suggest("conector", names, 4), "connector");
    assert_string_equal(err_suggest("FORMAT", names, 4), "format");
    assert_string_equal(err_suggest("pathwa", names, 4), "pathway"); // the closest, not the first
    assert_string_equal(err_suggest("pat", names, 4), "path");
    assert_string_equal(err_suggest("paht", names, 4), "path"); // two letters swapped: one mistake
    assert_null(err_suggest("hapt", names, 4)); // three of four differ: more than a third
    assert_null(err_suggest("zzzz", names, 4));
    assert_null(err_suggest("conn", names, 4)); // five away: more than three
    assert_null(err_suggest("connector", names, 0));
}

static void test_err_suggest_passes_over_words_that_are_too_long(void **state)
{
    (void)state;
    char word[66], other[66];
    const char *const names[] = {other};
    memset(word, 'a', sizeof(word) - 1);
    word[65] = 0;
    memset(other, 'a', sizeof(other));
    other[64] = 0;
    assert_null(err_suggest(word, names, 1)); // 65 and 64: one away, but over the bound
    word[63] = 0;
    assert_string_equal(err_suggest(word, names, 1), other);
}

static void test_err_set_from_its_own_text(void **state)
{
    (void)state;
    struct err err = {.text = "the disk is full"};
    assert_int_equal(err_set(&err, -28, "%s", err.text), -28);
    assert_string_equal(err.text, "the disk is full");
    err_set(&err, -28, "no checkpoint: %s", err.text);
    assert_string_equal(err.text, "no checkpoint: the disk is full");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_err_builds_a_sentence),
        cmocka_unit_test(test_err_without_a_struct_gives_only_the_code),
        cmocka_unit_test(test_err_set_cuts_what_is_too_long),
        cmocka_unit_test(test_err_set_from_its_own_text),
        cmocka_unit_test(test_err_prefix_keeps_the_context_and_loses_the_end),
        cmocka_unit_test(test_err_append_stays_within_the_text),
        cmocka_unit_test(test_err_suggests_only_what_is_close),
        cmocka_unit_test(test_err_suggest_passes_over_words_that_are_too_long),
    };
    return cmocka_run_group_tests(tests, make_long_text, NULL);
}
