// test_pin_write.c: settings put into the text of a config, the diff, and the file replaced or not.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/config.h"
#include "tools/file.h"
#include "tools/pin.h"

static const struct pin_settings settings = {
    {{"cores", "4"}, {"tasks", "\"3,1,2,2\""}, {"housekeeping", "\"0\""}}, 3};

// Edited, the text must be `expected`.
static void edits(const char *text, const char *expected)
{
    struct buf out = {.data = NULL};
    struct err err = {.text = ""};
    if (pin_yaml_edit("x.yaml", slice_of(text), &settings, &out, &err))
        fail_msg("%s\nof:\n%s", err.text, text);
    assert_string_equal(buf_str(&out), expected);
    // Once more changes nothing.
    struct buf again = {.data = NULL};
    assert_int_equal(pin_yaml_edit("x.yaml", buf_slice(&out), &settings, &again, &err), 0);
    assert_string_equal(buf_str(&again), expected);
    buf_fini(&again);
    buf_fini(&out);
}

static void test_pin_write_adds_a_section(void **state)
{
    (void)state;
    const char *line = "placement: {cores: 4, tasks: \"3,1,2,2\", housekeeping: \"0\"}";
    char expected[512];
    snprintf(expected, sizeof expected, "job: a # mine\nsql: b.sql\n%s\n# the end\n", line);
    edits("job: a # mine\nsql: b.sql\n# the end\n", expected);
    snprintf(expected, sizeof expected, "job: a\nsql: b.sql\n%s\n", line);
    edits("job: a\nsql: b.sql", expected);
    snprintf(expected, sizeof expected, "job: a\r\nsql: 'b.sql'\r\n%s\r\n", line);
    edits("job: a\r\nsql: 'b.sql'\r\n", expected);
    snprintf(expected, sizeof expected,
             "---\njob: a\nsql: b\nmemory:\n  state: 64MiB # much\n%s\n...\n", line);
    edits("---\njob: a\nsql: b\nmemory:\n  state: 64MiB # much\n...\n", expected);
    snprintf(expected, sizeof expected, "{job: a, sql: b, %s}\n", line);
    edits("{job: a, sql: b}\n", expected);
    snprintf(expected, sizeof expected, "  job: a\n  sql: b\n  %s\n", line);
    edits("  job: a\n  sql: b\n", expected);
}

static void test_pin_write_keeps_what_a_person_wrote(void **state)
{
    (void)state;
    edits(
        "# head\njob: a\n\nplacement: # where\n    # how much\n    waiting: spin   # hot\n"
        "    cores: auto  # all\n\nsql: b # last\n",
        "# head\njob: a\n\nplacement: # where\n    # how much\n    waiting: spin   # hot\n"
        "    cores: 4  # all\n    tasks: \"3,1,2,2\"\n    housekeeping: \"0\"\n\nsql: b # last\n");
    edits("job: a\nplacement: {waiting: spin, tasks: '9,9,9'} # c\nsql: b\n",
          "job: a\nplacement: {waiting: spin, tasks: \"3,1,2,2\", cores: 4, housekeeping: \"0\"} # "
          "c\n"
          "sql: b\n");
    edits(
        "job: a\nsql: b\nplacement: {\n  cores: \"0-3\",\n  }\n",
        "job: a\nsql: b\nplacement: {\n  cores: 4,\n  tasks: \"3,1,2,2\", housekeeping: \"0\"}\n");
    edits("job: a\nsql: b\nplacement:\n  housekeeping: auto\n  tasks: auto\n  cores: 2",
          "job: a\nsql: b\nplacement:\n  housekeeping: \"0\"\n  tasks: \"3,1,2,2\"\n  cores: 4");
    edits("job: placement\nsql: b\nmemory: {dir: placement}\nplacement: {}\n",
          "job: placement\nsql: b\nmemory: {dir: placement}\nplacement: {cores: 4, tasks: "
          "\"3,1,2,2\", housekeeping: \"0\"}\n");
}

// What cannot be edited safely is refused, and never becomes something else.
static void test_pin_write_refuses_or_is_right(void **state)
{
    (void)state;
    static const char *const odd[] = {
        "job: a\nsql: b\nplacement: {cores: 2, # why, this\n}\n",
        "job: a\nsql: \"b\\\n  c\"\n",
        "job: a\nsql: >-\n  b\nplacement: {\"cores\": 2}\n",
        "? job\n: a\n? sql\n: b\n",
        "job: &x a\nsql: b\nplacement: {cores: &y 2}\n",
        "job: a\nsql: b\nplacement:\n  cores: 2\n  # and\n# or\n",
        "job: a\nsql: |\n  b\n",
        "\xef\xbb\xbfjob: a\nsql: b\n",
    };
    int refused = 0;
    for (size_t i = 0; i < sizeof odd / sizeof *odd; i++) {
        struct buf out = {.data = NULL};
        struct err err = {.text = ""};
        struct config *config = NULL, *before = NULL;
        if (config_parse("x", slice_of(odd[i]), &before, &err))
            continue;
        if (pin_yaml_edit("x", slice_of(odd[i]), &settings, &out, &err)) {
            refused++;
            assert_non_null(strstr(err.text, "put the line `placement:` in it yourself"));
        } else {
            assert_int_equal(config_parse("x", buf_slice(&out), &config, &err), 0);
            assert_string_equal(config->job, before->job);
            assert_string_equal(config->sql, before->sql);
            assert_string_equal(config->placement.tasks.list, "3,1,2,2");
            assert_int_equal(config->placement.cores.count, 4);
            config_free(config);
        }
        config_free(before);
        buf_fini(&out);
    }
    print_message("%d of %d odd ones refused\n", refused, (int)(sizeof odd / sizeof *odd));
}

static void test_pin_write_diff(void **state)
{
    (void)state;
    struct buf out = {.data = NULL};
    pin_diff("x", slice_of("a\nb\nc\nd\ne\nf\n"), slice_of("a\nb\nc\nd\nX\nf\nY"), &out);
    assert_string_equal(buf_str(&out),
                        "--- x\n+++ x\n@@ -2,5 +2,6 @@\n b\n c\n d\n-e\n-f\n+X\n+f\n+Y\n"
                        "\\ No newline at end of file\n");
    buf_clear(&out);
    pin_diff("x", slice_of("a\n"), slice_of("a\n"), &out);
    assert_int_equal(out.len, 0);
    buf_fini(&out);
}

static void put_file(const char *path, const char *text)
{
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(text, file);
    fclose(file);
}

static void holds(const char *path, const char *text)
{
    struct buf found = {.data = NULL};
    struct err err;
    assert_int_equal(file_read_all(path, 1 << 20, &found, &err), 0);
    assert_string_equal(buf_str(&found), text);
    buf_fini(&found);
}

static void test_pin_write_replaces_in_one_step_or_not(void **state)
{
    (void)state;
    char folder[] = "/tmp/weir-test-pin-XXXXXX", path[64], link[64];
    struct err err = {.text = ""};
    struct stat st;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/x.yaml", folder);
    snprintf(link, sizeof link, "%s/link.yaml", folder);
    put_file(path, "old\n");
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(symlink("x.yaml", link), 0);
    // Through a link: the file changes, the link stays; so do the rights.
    assert_int_equal(pin_replace_file(link, slice_of("old\n"), slice_of("new\n"), &err), 0);
    holds(path, "new\n");
    assert_int_equal(lstat(link, &st), 0);
    assert_true(S_ISLNK(st.st_mode));
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 07777, 0640);
    // It holds something else than what was edited.
    assert_int_equal(pin_replace_file(path, slice_of("old\n"), slice_of("newer\n"), &err), -ESTALE);
    assert_non_null(strstr(err.text, "has changed since it was read; nothing was written"));
    holds(path, "new\n");
    assert_int_equal(pin_replace_file("/nowhere/x", slice_of(""), slice_of(""), &err), -ENOENT);
    // Nothing is left beside.
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(link), 0);
    assert_int_equal(rmdir(folder), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pin_write_adds_a_section),
        cmocka_unit_test(test_pin_write_keeps_what_a_person_wrote),
        cmocka_unit_test(test_pin_write_refuses_or_is_right),
        cmocka_unit_test(test_pin_write_diff),
        cmocka_unit_test(test_pin_write_replaces_in_one_step_or_not),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
