// test_check.c: a failed check says what and where, and aborts; release builds too.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"

// Run `body` in a child; what it wrote on stderr, and how it ended.
static int run_child(void (*body)(void), char *text, size_t bytes)
{
    int ends[2], status;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        signal(SIGABRT, SIG_DFL); // cmocka has a handler of its own
        dup2(ends[1], STDERR_FILENO);
        body();
        _exit(0);
    }
    close(ends[1]);
    size_t used = 0;
    ssize_t n;
    while (used < bytes - 1 && (n = read(ends[0], text + used, bytes - 1 - used)) > 0)
        used += (size_t)n;
    text[used] = 0;
    close(ends[0]);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    return status;
}

static void check_false(void)
{
    int answer = 41;
    CHECK(answer == 42);
}

static void check_true(void)
{
    int evaluated = 0;
    CHECK(++evaluated == 1); // once, whatever the build
    CHECK(evaluated == 1);
}

static void test_check_failed_says_what_and_where(void **state)
{
    (void)state;
    char text[512];
    int status = run_child(check_false, text, sizeof(text));
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_non_null(strstr(text, "answer == 42"));
    assert_non_null(strstr(text, "test_check.c:"));
}

static void test_check_that_holds_is_silent(void **state)
{
    (void)state;
    char text[512];
    int status = run_child(check_true, text, sizeof(text));
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 0);
    assert_string_equal(text, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_check_failed_says_what_and_where),
        cmocka_unit_test(test_check_that_holds_is_silent),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
