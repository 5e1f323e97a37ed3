// test_sweep.c: what an earlier run has left is ended, and nobody else. The tasks are this very
// program: `x task FOLDER INDEX` waits to be killed.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/control.h"
#include "shm/process.h"
#include "shm/sweep.h"

static char memory[64];
static struct jobdir dir;
static struct err err;

static int make_folder(void **state)
{
    (void)state;
    snprintf(memory, sizeof memory, "/dev/shm/weir-test-XXXXXX");
    return mkdtemp(memory) && jobdir_open(memory, "swept", &dir, &err) == 0 ? 0 : -1;
}

static int remove_folder(void **state)
{
    char parent[128];
    (void)state;
    int status = jobdir_remove(&dir, &err);
    snprintf(parent, sizeof parent, "%s/weir-%u", memory, (unsigned)getuid());
    return status || rmdir(parent) || rmdir(memory);
}

// It has become what its command line says when this returns.
static pid_t start(const char *folder, const char *index, const char *more)
{
    int ready[2];
    char c;
    assert_int_equal(pipe2(ready, O_CLOEXEC), 0);
    pid_t pid = fork();
    if (pid == 0) {
        execl("/proc/self/exe", "x", "task", folder, index, more, NULL);
        _exit(1);
    }
    close(ready[1]);
    assert_int_equal(read(ready[0], &c, 1), 0); // exec has closed it
    close(ready[0]);
    return pid;
}

static bool was_killed(pid_t pid)
{
    int status;
    return waitpid(pid, &status, WNOHANG) == pid && WIFSIGNALED(status) &&
           WTERMSIG(status) == SIGKILL;
}

static void end(pid_t pid)
{
    assert_int_equal(kill(pid, SIGKILL), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

static void test_sweep_ends_the_tasks_of_this_folder_only(void **state)
{
    char other[JOBDIR_PATH_BYTES + 8];
    int ended;
    (void)state;
    snprintf(other, sizeof other, "%s-too", dir.path);
    pid_t ours = start(dir.path, "0", NULL), second = start(dir.path, "17", NULL);
    pid_t of_another = start(other, "0", NULL), no_index = start(dir.path, "list", NULL);
    pid_t longer = start(dir.path, "0", "and more");
    assert_int_equal(sweep_tasks(&dir, &ended, &err), 0);
    assert_int_equal(ended, 2);
    assert_true(was_killed(ours) && was_killed(second));
    end(of_another);
    end(no_index);
    end(longer);
    assert_int_equal(sweep_tasks(&dir, &ended, &err), 0);
    assert_int_equal(ended, 0);
}

static void test_sweep_needs_no_control_block(void **state)
{
    static const char *const names[] = {"a"};
    int ended;
    (void)state;
    assert_int_equal(control_create(dir.fd, 99, names, 1, &err), 0);
    int fd = openat(dir.fd, "control", O_RDWR | O_CLOEXEC);
    assert_int_equal(pwrite(fd, "damage", 6, 8), 6);
    close(fd);
    pid_t ours = start(dir.path, "0", NULL);
    assert_int_equal(sweep_tasks(&dir, &ended, &err), 0);
    assert_int_equal(ended, 1);
    assert_true(was_killed(ours));
}

static void test_process_wait_waits_for_this_very_process(void **state)
{
    (void)state;
    pid_t pid = start(dir.path, "0", NULL);
    struct process_id id = {pid, process_start_time(pid)}, another = {pid, id.start_time + 1};
    assert_int_equal(process_wait(another, 1000), 0); // long gone
    assert_int_equal(process_wait(id, 20), -ETIMEDOUT);
    kill(pid, SIGKILL);
    assert_int_equal(process_wait(id, 10000), 0);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    assert_int_equal(process_wait(id, 10000), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, make_folder, remove_folder)

int main(int argc, char **argv)
{
    if (argc > 3 && strcmp(argv[1], "task") == 0)
        for (;;)
            pause();
    const struct CMUnitTest tests[] = {
        TEST(test_sweep_ends_the_tasks_of_this_folder_only),
        TEST(test_sweep_needs_no_control_block),
        TEST(test_process_wait_waits_for_this_very_process),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
