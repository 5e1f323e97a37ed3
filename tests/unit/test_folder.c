// test_folder.c: could a folder be made and written to? Nothing is changed by asking.
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

#include "core/base/env.h"
#include "stages/runtime/folder.h"

static char top[] = "/tmp/weir-folder-XXXXXX";

static void expect(const char *name, int code, const char *text)
{
    char path[256];
    struct err err = {.text = ""};
    snprintf(path, sizeof path, "%s/%s", top, name);
    assert_int_equal(folder_check(path, &err), code);
    if (text && !strstr(err.text, text))
        fail_msg("%s", err.text);
}

static void test_folder_check_looks_at_what_is_there(void **state)
{
    (void)state;
    expect("", 0, NULL);
    expect("a/b/c", 0, NULL);
    expect("a//b/../c/", 0, NULL);
    expect("file", -ENOTDIR, "is a file where a folder is needed");
    expect("file/x", -ENOTDIR, "Not a directory");
    expect("dangling", -ENOENT, "is a link to something that is not there");
    expect("dangling/x", -ENOENT, "is a link to something that is not there");
    expect("link/x", 0, NULL);
    struct stat st;
    char path[256];
    snprintf(path, sizeof path, "%s/a", top);
    assert_int_equal(stat(path, &st), -1);
}

static void test_folder_check_needs_rights(void **state)
{
    (void)state;
    char path[256];
    snprintf(path, sizeof path, "%s/locked", top);
    assert_int_equal(mkdir(path, 0500), 0);
    if (geteuid() == 0)
        skip(); // root may do anything; tests/process/bad_options.sh puts root off
    expect("locked/x", -EACCES, "cannot be written to");
}

static void test_folder_make_makes_all(void **state)
{
    (void)state;
    char path[256];
    struct stat st;
    struct err err;
    snprintf(path, sizeof path, "%s/made/of/many", top);
    assert_int_equal(folder_make(path, &err), 0);
    assert_int_equal(folder_make(path, &err), 0);
    assert_int_equal(stat(path, &st), 0);
    assert_true(S_ISDIR(st.st_mode));
    snprintf(path, sizeof path, "%s/file/x", top);
    assert_int_equal(folder_make(path, &err), -ENOTDIR);
    assert_non_null(strstr(err.text, "cannot make folder"));
}

static void test_folder_a_path_may_be_too_long(void **state)
{
    (void)state;
    char path[FOLDER_PATH_BYTES + 1];
    struct err err;
    memset(path, 'a', sizeof path - 1);
    path[sizeof path - 1] = '\0';
    assert_int_equal(folder_check(path, &err), -ENAMETOOLONG);
    assert_int_equal(folder_make(path, &err), -ENAMETOOLONG);
}

static int begin(void **state)
{
    (void)state;
    char command[256];
    if (!mkdtemp(top))
        return -1;
    snprintf(command, sizeof command,
             "cd %s && touch file && ln -s nowhere dangling && ln -s . link", top);
    return system(command);
}

static int end(void **state)
{
    (void)state;
    char command[64];
    snprintf(command, sizeof command, "rm -rf %s", top);
    return system(command);
}

static char synced[4096];

static int noting_sync_dir(struct env *env, const char *path)
{
    (void)env;
    size_t at = strlen(synced);
    snprintf(synced + at, sizeof synced - at, "%s ", path);
    return 0;
}

// A power failure must not take a new folder, and the parts in it, away.
static void test_folder_make_makes_names_durable(void **state)
{
    (void)state;
    char folder[] = "/tmp/weir-folder-XXXXXX", path[128], want[256], command[64];
    struct err err;
    struct env *env = env_system();
    int (*old)(struct env *, const char *) = env->sync_dir;
    assert_non_null(mkdtemp(folder));
    snprintf(path, sizeof path, "%s/a/b", folder);
    snprintf(want, sizeof want, "%s %s/a ", folder, folder);
    synced[0] = '\0';
    env->sync_dir = noting_sync_dir;
    assert_int_equal(folder_make(path, &err), 0);
    assert_string_equal(synced, want);
    assert_int_equal(folder_make(path, &err), 0); // there is nothing new
    env->sync_dir = old;
    assert_string_equal(synced, want);
    snprintf(command, sizeof command, "rm -rf %s", folder);
    assert_int_equal(system(command), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_folder_check_looks_at_what_is_there),
        cmocka_unit_test(test_folder_check_needs_rights),
        cmocka_unit_test(test_folder_make_makes_all),
        cmocka_unit_test(test_folder_make_makes_names_durable),
        cmocka_unit_test(test_folder_a_path_may_be_too_long),
    };
    return cmocka_run_group_tests(tests, begin, end);
}
