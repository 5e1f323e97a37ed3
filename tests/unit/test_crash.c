// test_crash.c: what a signal handler leaves of a process, and which ends may be a row's doing.
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "stages/runtime/crash.h"
#include "stages/supervisor/postmortem.h"
#include "stages/supervisor/symbols.h"

static struct errlog_crash *record; // shared with the children

static int set_up(void **state)
{
    (void)state;
    record = mmap(NULL, sizeof *record, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return record == MAP_FAILED;
}

static int tear_down(void **state)
{
    (void)state;
    return munmap(record, sizeof *record);
}

__attribute__((noinline)) static int test_crash_fault_here(int *where)
{
    *where = 1;
    return *where + 1;
}

// Without end, until no stack is left. Twice, so that no compiler makes a loop of it.
__attribute__((noinline)) static size_t test_crash_deep(int depth)
{
    char room[4096];
    snprintf(room, sizeof room, "%d", depth);
    if (depth > 1 << 30) // never: the stack is smaller
        return 0;
    return strlen(room) + test_crash_deep(depth + 1) * test_crash_deep(depth + 2);
}

static void die(char how)
{
    // No NULL: a sanitizer would see that before the processor does.
    int *nowhere = mmap(NULL, 4096, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    crash_prepare();
    crash_install(record);
    switch (how) {
    case 's':
        _exit(test_crash_fault_here(nowhere));
    case 'a':
        abort();
    case 'd':
        _exit((int)test_crash_deep(0));
    case 't':
        raise(CRASH_TELL);
        _exit(record->pid == (uint32_t)getpid() ? 7 : 8);
    case 'u':
        crash_uninstall();
        raise(SIGSEGV);
        _exit(9);
    default:
        raise(SIGSTOP); // ready
        for (;;)
            pause();
    }
}

static int end_of(char how)
{
    int status;
    memset(record, 0, sizeof *record);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20); // a test that hangs is none
        die(how);
    }
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (record->pid)
        assert_int_equal(record->pid, pid);
    return status;
}

static bool has_frame(const char *name)
{
    struct buf text = {0};
    bool found = false;
    for (uint32_t i = 0; i < record->frame_count; i++) {
        buf_clear(&text);
        symbols_append(record, record->frames[i] - (i > 0), &text);
        found |= strstr(buf_str(&text), name) != NULL;
    }
    buf_fini(&text);
    return found;
}

static void test_crash_leaves_where_it_was(void **state)
{
    (void)state;
    int status = end_of('s');
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV); // as it would have ended without us
    assert_int_equal(record->signal, SIGSEGV);
    assert_int_not_equal(record->address, 0);
    assert_int_equal(record->sender, 0);
    assert_true(record->frame_count >= 2);
    assert_true(has_frame("test_crash_fault_here+"));
    assert_true(has_frame("die"));
    assert_false(has_frame("on_fatal+"));
}

static void test_crash_survives_a_stack_that_is_full(void **state)
{
    (void)state;
    int status = end_of('d');
    assert_true(WIFSIGNALED(status));
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(record->frame_count, ERRLOG_FRAMES);
    assert_true(has_frame("test_crash_deep+"));
}

static void test_crash_of_a_check_is_an_abort(void **state)
{
    (void)state;
    int status = end_of('a');
    assert_int_equal(WTERMSIG(status), SIGABRT);
    assert_int_equal(record->signal, SIGABRT);
    assert_int_equal(record->sender, 0);
    assert_true(has_frame("die"));
}

static void test_crash_tells_and_goes_on(void **state)
{
    (void)state;
    int status = end_of('t');
    assert_true(WIFEXITED(status));
    assert_int_equal(WEXITSTATUS(status), 7);
    assert_int_equal(record->signal, CRASH_TELL);
    status = end_of('u');
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(record->pid, 0);
}

// A signal that somebody sends is told from one of the process's own.
static void test_crash_knows_who_sent_it(void **state)
{
    (void)state;
    int status;
    memset(record, 0, sizeof *record);
    pid_t pid = fork();
    if (pid == 0) {
        alarm(20);
        die('w');
    }
    assert_int_equal(waitpid(pid, &status, WUNTRACED), pid);
    assert_true(WIFSTOPPED(status));
    kill(pid, SIGSEGV);
    kill(pid, SIGCONT);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(WTERMSIG(status), SIGSEGV);
    assert_int_equal(record->signal, SIGSEGV);
    assert_int_equal(record->sender, getpid());
}

static void test_crash_only_ends_of_its_own_may_be_a_rows(void **state)
{
    (void)state;
    static const struct {
        int signal;
        enum hang_kind hang;
        uint32_t sender;
        bool taken, may;
    } ends[] = {
        {SIGSEGV, HANG_NONE, 0, true, true},   {SIGABRT, HANG_NONE, 0, true, true},
        {SIGBUS, HANG_NONE, 0, true, true},    {SIGFPE, HANG_NONE, 0, true, true},
        {0, HANG_NONE, 0, true, true},         {SIGKILL, HANG_BUSY, 0, true, true},
        {SIGKILL, HANG_NONE, 0, true, false},  {SIGKILL, HANG_STOPPED, 0, true, false},
        {SIGTERM, HANG_NONE, 0, true, false},  {SIGSEGV, HANG_NONE, 12, true, false},
        {SIGSEGV, HANG_NONE, 0, false, false}, {SIGKILL, HANG_BUSY, 0, false, false},
    };
    for (size_t i = 0; i < sizeof ends / sizeof *ends; i++) {
        struct postmortem death = {.signal = ends[i].signal,
                                   .hang = ends[i].hang,
                                   .has_taken_over = ends[i].taken,
                                   .has_crash = true};
        death.crash.sender = ends[i].sender;
        assert_int_equal(postmortem_may_be_a_row(&death), ends[i].may);
    }
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_crash_leaves_where_it_was),
        TEST(test_crash_survives_a_stack_that_is_full),
        TEST(test_crash_of_a_check_is_an_abort),
        TEST(test_crash_tells_and_goes_on),
        TEST(test_crash_knows_who_sent_it),
        TEST(test_crash_only_ends_of_its_own_may_be_a_rows),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
