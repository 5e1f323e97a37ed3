// test_env.c: the real clock and disk answer as the interface says, errors as -errno.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/env.h"

static char folder[] = "/tmp/weir-test-env-XXXXXX";

static int make_folder(void **state)
{
    (void)state;
    return mkdtemp(folder) ? 0 : -1;
}

static int remove_folder(void **state)
{
    (void)state;
    return rmdir(folder); // fails when a test left a file
}

static const char *path_of(const char *name)
{
    static _Thread_local char paths[2][128];
    static int turn;
    turn = !turn;
    snprintf(paths[turn], sizeof(paths[turn]), "%s/%s", folder, name);
    return paths[turn];
}

static void test_env_clocks_are_in_their_units(void **state)
{
    (void)state;
    struct env *env = env_system();
    assert_in_range(env->realtime_ms(env) / 1000 - (int64_t)time(NULL) + 1, 0, 2);
    assert_in_range(env->realtime_ns(env) / 1000000000 - (int64_t)time(NULL) + 1, 0, 2);
    int64_t before = env->monotonic_ns(env);
    usleep(20000);
    int64_t passed = env->monotonic_ns(env) - before;
    assert_true(passed >= 20000000);
    assert_true(passed < 20000000000);
}

static void test_env_files_are_written_renamed_and_read(void **state)
{
    (void)state;
    struct env *env = env_system();
    char bytes[8] = {0};
    int fd = env->open(env, path_of("a"), O_RDWR | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_true(fcntl(fd, F_GETFD) & FD_CLOEXEC);
    assert_int_equal(env->pwrite(env, fd, "weir", 4, 2), 4);
    assert_int_equal(env->write(env, fd, "xy", 2), 2); // at the descriptor's own place: the start
    assert_int_equal(env->ftruncate(env, fd, 5), 0);
    assert_int_equal(env->fdatasync(env, fd), 0);
    assert_int_equal(env->rename(env, path_of("a"), path_of("b")), 0);
    assert_int_equal(env->pread(env, fd, bytes, sizeof(bytes), 0), 5);
    assert_string_equal(bytes, "xywei");
    assert_int_equal(env->pread(env, fd, bytes, sizeof(bytes), 5), 0);
    assert_int_equal(env->close(env, fd), 0);
    assert_int_equal(env->unlink(env, path_of("b")), 0);
}

static void test_env_failures_are_negative_errnos(void **state)
{
    (void)state;
    struct env *env = env_system();
    char byte = 0;
    errno = 0;
    assert_int_equal(env->open(env, path_of("absent"), O_RDONLY, 0), -ENOENT);
    assert_int_equal(env->rename(env, path_of("absent"), path_of("b")), -ENOENT);
    assert_int_equal(env->unlink(env, path_of("absent")), -ENOENT);
    assert_int_equal(env->close(env, -1), -EBADF);
    assert_int_equal(env->pread(env, -1, &byte, 1, 0), -EBADF);
    assert_int_equal(env->pwrite(env, -1, &byte, 1, 0), -EBADF);
    assert_int_equal(env->write(env, -1, &byte, 1), -EBADF);
    assert_int_equal(env->ftruncate(env, -1, 0), -EBADF);
    assert_int_equal(env->fdatasync(env, -1), -EBADF);
}

// A disk that takes a byte at a time, is interrupted in between, and fails at the end of its room.
static int calls_left;

static ssize_t take_little(struct env *env, int fd, const void *bytes, size_t len, off_t offset)
{
    if (calls_left-- == 0)
        return -ENOSPC;
    if (calls_left % 2)
        return -EINTR;
    return env_system()->pwrite(env, fd, bytes, len < 1 ? len : 1, offset);
}

static void test_env_pwrite_all_goes_on_until_all_is_written(void **state)
{
    (void)state;
    struct env env = *env_system();
    char text[8] = "";
    int fd = env.open(&env, path_of("all"), O_RDWR | O_CREAT, 0600);
    assert_true(fd >= 0);
    env.pwrite = take_little;
    calls_left = 100;
    assert_int_equal(env_pwrite_all(&env, fd, slice_of("abcde"), 2), 0);
    assert_int_equal(env.pread(&env, fd, text, sizeof(text), 0), 7);
    assert_memory_equal(text, "\0\0abcde", 7);
    calls_left = 6;
    assert_int_equal(env_pwrite_all(&env, fd, slice_of("abcde"), 0), -ENOSPC);
    assert_int_equal(env.close(&env, fd), 0);
    assert_int_equal(env.unlink(&env, path_of("all")), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_env_clocks_are_in_their_units),
        cmocka_unit_test(test_env_files_are_written_renamed_and_read),
        cmocka_unit_test(test_env_failures_are_negative_errnos),
        cmocka_unit_test(test_env_pwrite_all_goes_on_until_all_is_written),
    };
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}
