// test_fstab.c: one line of a file that is not ours: put in, replaced, taken out, all else kept.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/fstab.h"

#define OURS "weir /mnt/weir tmpfs size=50% 0 0"

static char folder[64], path[96];

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/fstab", folder);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder); // fails when something was left beside it
}

static void put(const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

// `text` with `line` in it is `wanted`.
static void assert_plan(const char *text, const char *line, const char *wanted)
{
    struct buf out = {.data = NULL};
    struct err err = {.text = ""};
    bool changed;
    put(text);
    assert_int_equal(fstab_plan(path, line, &out, &changed, &err), 0);
    assert_string_equal(buf_str(&out), wanted);
    assert_int_equal(changed, strcmp(text, wanted) != 0);
    buf_fini(&out);
}

static void test_fstab_plan(void **state)
{
    (void)state;
    static const char host[] = "# a comment\n\n/dev/sda1 / ext4 defaults 0 1\n";
    static const char set[] = "# a comment\n\n/dev/sda1 / ext4 defaults 0 1\n" OURS "\n";
    assert_plan("", OURS, OURS "\n");
    assert_plan("", NULL, "");
    assert_plan(host, OURS, set);
    assert_plan(set, OURS, set);
    assert_plan(set, NULL, host);
    assert_plan(host, NULL, host);
    assert_plan("no end", OURS, "no end\n" OURS "\n");
    assert_plan("no end", NULL, "no end");
    assert_plan("\tweir  /old\ttmpfs rw 0 0\na b c\n" OURS, OURS, "a b c\n" OURS "\n");
    // None of these is ours.
    assert_plan("#weir /a tmpfs rw 0 0\n", NULL, "#weir /a tmpfs rw 0 0\n");
    assert_plan("weirs /a tmpfs rw 0 0\n", NULL, "weirs /a tmpfs rw 0 0\n");
    assert_plan("weir /a ext4 rw 0 0\n", NULL, "weir /a ext4 rw 0 0\n");
    assert_plan("weir\n", NULL, "weir\n");
}

static void test_fstab_that_is_not_there_is_empty(void **state)
{
    (void)state;
    struct buf out = {.data = NULL};
    struct err err = {.text = ""};
    bool changed = true;
    assert_false(fstab_find(path, &out));
    assert_int_equal(fstab_plan(path, NULL, &out, &changed, &err), 0);
    assert_false(changed);
    assert_int_equal(fstab_plan(path, OURS, &out, &changed, &err), 0);
    assert_true(changed);
    assert_int_equal(fstab_write(path, buf_slice(&out), &err), 0);
    out.len = 0;
    assert_true(fstab_find(path, &out));
    assert_string_equal(buf_str(&out), OURS);
    buf_fini(&out);
}

static void test_fstab_keeps_its_mode(void **state)
{
    (void)state;
    struct stat before, after;
    struct err err = {.text = ""};
    put("x\n");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(stat(path, &before), 0);
    assert_int_equal(fstab_write(path, slice_of("y\n"), &err), 0);
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(after.st_mode, before.st_mode);
    assert_int_equal(after.st_size, 2);
    assert_true(after.st_ino != before.st_ino); // as of one moment
}

static void test_fstab_that_cannot_be_written(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    assert_int_equal(fstab_write("/nowhere/fstab", slice_of("y\n"), &err), -ENOENT);
    assert_non_null(strstr(err.text, "/nowhere/fstab"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_fstab_plan, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fstab_that_is_not_there_is_empty, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fstab_keeps_its_mode, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_fstab_that_cannot_be_written, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
