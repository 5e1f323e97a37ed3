// test_hang.c: what a silent process is doing, as /proc tells it: hangs, and what must not be taken
// for one; and whether a process can ever run code again.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <sys/ptrace.h>
#include <sys/wait.h>
#include <unistd.h>

#include "shm/process.h"
#include "stages/supervisor/hang.h"

enum { LOOKS = 5000, LOOK_MS = 2 };

static pid_t child(void (*does)(void))
{
    pid_t pid = fork();
    if (pid == 0) {
        does();
        _exit(0);
    }
    assert_true(pid > 0);
    return pid;
}

static void end(pid_t pid)
{
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
}

// It comes to that within ten seconds, however busy the machine is.
static void assert_comes_to(pid_t pid, enum hang_kind kind)
{
    for (int i = 0; i < LOOKS && hang_judge(pid) != kind; i++)
        poll(NULL, 0, LOOK_MS);
    assert_int_equal(hang_judge(pid), kind);
}

static void sleep_on(void)
{
    for (;;)
        pause();
}

static void turn(void)
{
    for (;;)
        __asm__ __volatile__("" ::: "memory");
}

static void test_hang_is_a_stopped_process(void **state)
{
    (void)state;
    pid_t pid = child(sleep_on);
    kill(pid, SIGSTOP);
    assert_comes_to(pid, HANG_STOPPED);
    kill(pid, SIGCONT);
    assert_comes_to(pid, HANG_NONE);
    end(pid);
}

static void test_hang_is_a_busy_loop(void **state)
{
    (void)state;
    pid_t pid = child(turn);
    assert_comes_to(pid, HANG_BUSY);
    end(pid);
}

// Who turns has been on a processor; who is stopped, or waits for one, has not.
static void test_hang_counts_what_a_process_has_run(void **state)
{
    const int64_t some_ns = INT64_C(50000000);
    (void)state;
    pid_t turns = child(turn), idles = child(sleep_on);
    for (int i = 0; i < LOOKS && hang_cpu_ns(turns) < some_ns; i++)
        poll(NULL, 0, LOOK_MS);
    assert_true(hang_cpu_ns(turns) >= some_ns);
    kill(turns, SIGSTOP);
    assert_comes_to(turns, HANG_STOPPED);
    int64_t ran_ns = hang_cpu_ns(turns);
    poll(NULL, 0, 50);
    assert_true(hang_cpu_ns(turns) == ran_ns);
    assert_true(hang_cpu_ns(idles) < some_ns);
    end(turns);
    end(idles);
    assert_true(hang_cpu_ns(turns) == 0);
}

static void write_to_nobody(void)
{
    char room[1 << 16] = {0};
    int ends[2];
    if (pipe(ends) == 0)
        for (;;)
            (void)!write(ends[1], room, sizeof room);
}

// A reader that is paused, an input that does not come: the process sleeps where signals reach it.
static void test_hang_is_no_wait_for_others(void **state)
{
    (void)state;
    pid_t waits = child(write_to_nobody), idles = child(sleep_on);
    assert_comes_to(waits, HANG_NONE);
    assert_comes_to(idles, HANG_NONE);
    end(waits);
    end(idles);
}

static void test_hang_is_no_debugger(void **state)
{
    int status;
    (void)state;
    pid_t pid = child(turn);
    assert_comes_to(pid, HANG_BUSY);
    assert_int_equal(ptrace(PTRACE_SEIZE, pid, NULL, NULL), 0);
    assert_int_equal(hang_judge(pid), HANG_NONE); // traced, and running
    assert_int_equal(ptrace(PTRACE_INTERRUPT, pid, NULL, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(hang_judge(pid), HANG_NONE); // traced, and stopped
    end(pid);
}

// The parent of a vfork sleeps in state D until its child ends; this one may be killed.
static void be_parent_of_vfork(void)
{
    pid_t pid = vfork();
    if (pid == 0)
        for (;;)
            pause();
}

static pid_t only_child_of(pid_t pid)
{
    char path[64], text[64] = "";
    snprintf(path, sizeof path, "/proc/%d/task/%d/children", (int)pid, (int)pid);
    FILE *file = fopen(path, "r");
    bool has = file && fgets(text, sizeof text, file);
    if (file)
        fclose(file);
    return has ? (pid_t)strtol(text, NULL, 10) : 0;
}

static void test_hang_tells_a_sleep_in_the_kernel_apart(void **state)
{
    char where[256];
    (void)state;
    pid_t pid = child(be_parent_of_vfork);
    assert_comes_to(pid, HANG_ASLEEP);
    hang_describe_sleep(pid, where,
                        sizeof where); // nothing where /proc says nothing, never garbage
    assert_true(where[0] == '\0' || strncmp(where, "in ", 3) == 0);
    assert_string_equal(hang_name(HANG_ASLEEP), "sleeps in the kernel");
    pid_t grandchild = only_child_of(pid);
    assert_true(grandchild > 0);
    kill(grandchild, SIGKILL);
    end(pid);
    assert_int_equal(hang_judge(pid), HANG_NONE); // gone
}

// --- can it run? ---

static struct process_id identity(pid_t pid)
{
    return (struct process_id){pid, process_start_time(pid)};
}

static void assert_comes_to_its_end(struct process_id process)
{
    for (int i = 0; i < LOOKS && process_can_run(process); i++)
        poll(NULL, 0, LOOK_MS);
    assert_false(process_can_run(process));
}

static void test_process_can_run_until_it_is_killed(void **state)
{
    (void)state;
    assert_true(process_can_run(process_self()));
    pid_t pid = child(sleep_on);
    struct process_id process = identity(pid), other = process;
    other.start_time++;
    assert_true(process_can_run(process));
    assert_false(process_can_run(other)); // the pid was another's
    assert_false(process_can_run((struct process_id){0}));
    kill(pid, SIGSTOP);
    assert_true(process_can_run(process)); // it may be continued
    kill(pid, SIGKILL);
    assert_comes_to_its_end(process); // a zombie cannot
    waitpid(pid, NULL, 0);
    assert_false(process_can_run(process));
}

static void *live_on(void *unused)
{
    (void)unused;
    sleep_on();
    return NULL;
}

static void leave_a_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, live_on, NULL) == 0)
        pthread_exit(NULL);
}

// The first thread is what counts: the process lives on, the task does not.
static void test_process_cannot_run_when_only_other_threads_are_left(void **state)
{
    (void)state;
    pid_t pid = child(leave_a_thread);
    struct process_id process = identity(pid);
    assert_comes_to_its_end(process);
    assert_int_equal(waitpid(pid, NULL, WNOHANG), 0); // it has not ended
    end(pid);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_hang_is_a_stopped_process),
        cmocka_unit_test(test_hang_is_a_busy_loop),
        cmocka_unit_test(test_hang_counts_what_a_process_has_run),
        cmocka_unit_test(test_hang_is_no_wait_for_others),
        cmocka_unit_test(test_hang_is_no_debugger),
        cmocka_unit_test(test_hang_tells_a_sleep_in_the_kernel_apart),
        cmocka_unit_test(test_process_can_run_until_it_is_killed),
        cmocka_unit_test(test_process_cannot_run_when_only_other_threads_are_left),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
