// test_segment_jobdir.c: the job's folder, its lock, and the promise of memory.
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/budget.h"
#include "shm/jobdir.h"

static char folder[64]; // stands in for memory.dir
static struct err err;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/dev/shm/weir-test-XXXXXX");
    return mkdtemp(folder) == NULL;
}

// Only what a test left under its own fresh folder is removed.
static int tear_down(void **state)
{
    (void)state;
    char command[128];
    snprintf(command, sizeof(command), "rm -rf -- '%s'", folder);
    return system(command);
}

static void put_file(const char *path, const char *text, off_t len)
{
    int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    if (len)
        assert_int_equal(ftruncate(fd, len), 0);
    close(fd);
}

static void put_in(const struct jobdir *dir, const char *name, off_t len)
{
    char path[JOBDIR_PATH_BYTES + 32];
    snprintf(path, sizeof(path), "%s/%s", dir->path, name);
    put_file(path, "x", len);
}

static void test_jobdir_name_valid_keeps_paths_out(void **state)
{
    (void)state;
    static const char *const bad[] = {"", ".", "..", ".x", "-x", "a/b", "a b", "\xc3\xa4", "a\n"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++) {
        struct jobdir dir;
        assert_false(jobdir_name_valid(bad[i]));
        assert_int_equal(jobdir_open(folder, bad[i], &dir, &err), -EINVAL);
    }
    char name[80];
    memset(name, 'a', sizeof(name));
    name[64] = 0;
    assert_true(jobdir_name_valid(name));
    name[64] = 'a';
    name[65] = 0;
    assert_false(jobdir_name_valid(name));
    assert_true(jobdir_name_valid("uv-2.x_Y"));
}

static void test_jobdir_is_private_and_vanishes(void **state)
{
    (void)state;
    struct jobdir dir;
    struct stat st;
    assert_int_equal(jobdir_open(folder, "uv", &dir, &err), 0);
    assert_false(dir.stale);
    assert_int_equal(fstat(dir.fd, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0700);
    struct jobdir task;
    assert_int_equal(jobdir_attach(dir.path, &task, &err), 0);
    assert_string_equal(task.job, "uv");
    jobdir_close(&task);
    jobdir_close(&task); // twice is fine
    put_in(&dir, "arena", 0);
    char path[JOBDIR_PATH_BYTES];
    snprintf(path, sizeof(path), "%s", dir.path);
    assert_int_equal(jobdir_remove(&dir, &err), 0);
    assert_int_equal(stat(path, &st), -1);
    assert_int_equal(jobdir_attach(path, &task, &err), -ENOENT);
}

static void test_jobdir_refuses_what_others_could_enter(void **state)
{
    (void)state;
    struct jobdir dir;
    char path[128];
    snprintf(path, sizeof(path), "%s/weir-%u", folder, (unsigned)getuid());
    assert_int_equal(mkdir(path, 0700), 0);
    assert_int_equal(chmod(path, 0755), 0);
    assert_int_equal(jobdir_open(folder, "uv", &dir, &err), -EPERM);
    assert_true(strstr(err.text, "not private") != NULL);
    assert_int_equal(rmdir(path), 0);
    assert_int_equal(symlink("/tmp", path), 0);
    assert_int_not_equal(jobdir_open(folder, "uv", &dir, &err), 0);
    assert_int_equal(jobdir_open("/nowhere", "uv", &dir, &err), -ENOENT);
    assert_true(strstr(err.text, "memory.dir /nowhere") != NULL);
}

static void test_jobdir_second_run_is_refused_with_the_pid(void **state)
{
    (void)state;
    struct jobdir dir, other;
    int ready[2];
    char pid_text[32], byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        byte = jobdir_open(folder, "uv", &dir, &err) == 0;
        put_in(&dir, "arena", 8192);
        if (write(ready[1], &byte, 1) != 1)
            _exit(1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(byte, 1);
    assert_int_equal(jobdir_open(folder, "uv", &dir, &err), -EBUSY);
    snprintf(pid_text, sizeof(pid_text), "with pid %d;", (int)pid);
    assert_true(strstr(err.text, pid_text) != NULL);
    assert_int_equal(jobdir_open(folder, "uv2", &other, &err), 0); // another job may run
    assert_int_equal(jobdir_remove(&other, &err), 0);
    kill(pid, SIGKILL);
    waitpid(pid, NULL, 0);
    // The holder is dead: the lock is free, what it left is seen, and can be cleared.
    assert_int_equal(jobdir_open(folder, "uv", &dir, &err), 0);
    assert_true(dir.stale);
    assert_int_equal(jobdir_clear(&dir, &err), 0);
    assert_false(dir.stale);
    jobdir_close(&dir);
    assert_int_equal(jobdir_open(folder, "uv", &dir, &err), 0);
    assert_false(dir.stale);
    assert_int_equal(jobdir_remove(&dir, &err), 0);
    close(ready[0]);
    close(ready[1]);
}

struct seen {
    int jobs, segments;
    uint64_t held, promised;
    pid_t holder;
};

static int see(const struct jobdir_entry *entry, void *context)
{
    struct seen *seen = context;
    seen->jobs++;
    seen->segments += entry->segment_count;
    seen->held += entry->bytes_held;
    seen->promised += entry->bytes_promised;
    seen->holder = entry->holder;
    return 0;
}

// The process that holds the lock goes on with the same descriptor, as after an exec: no moment
// without a lock.
static void test_jobdir_keeps_its_lock(void **state)
{
    (void)state;
    struct jobdir first, second, other;
    assert_int_equal(jobdir_open(folder, "kept", &first, &err), 0);
    int lock_fd = dup(first.lock_fd); // what an exec leaves
    jobdir_close(&first);
    assert_int_equal(jobdir_reopen(folder, "kept", lock_fd, &second, &err), 0);
    assert_int_equal(second.lock_fd, lock_fd);
    assert_int_equal(fcntl(lock_fd, F_GETFD), FD_CLOEXEC);
    assert_int_equal(jobdir_open(folder, "kept", &other, &err), -EBUSY);
    int stranger = dup(STDERR_FILENO);
    assert_int_equal(jobdir_reopen(folder, "kept", stranger, &other, &err), -EBADF);
    close(stranger);
    assert_int_equal(jobdir_remove(&second, &err), 0);
}

// A supervisor dies while its child, not yet a task, holds the lock: the next run waits for that.
static void test_jobdir_waits_for_a_dead_runs_child(void **state)
{
    (void)state;
    struct jobdir dir;
    pid_t pid = fork();
    if (pid == 0) {
        if (jobdir_open(folder, "uv", &dir, &err))
            _exit(1);
        pid_t child = fork();
        if (child == 0) {
            usleep(200000);
            _exit(0);
        }
        _exit(child < 0);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_int_equal(status, 0);
    assert_int_equal(jobdir_open(folder, "uv", &dir, &err), 0);
    assert_int_equal(jobdir_remove(&dir, &err), 0);
}

// Lists the jobs until the parent ends it: every look takes the lock of a job for a moment.
static pid_t lister_start(void)
{
    pid_t pid = fork();
    while (pid == 0) {
        struct seen seen = {0};
        if (jobdir_list(folder, see, &seen, &err))
            _exit(1);
    }
    return pid;
}

static void test_jobdir_waits_for_who_lists_the_jobs(void **state)
{
    enum { JOBS = 3000 };
    (void)state;
    pid_t listers[] = {lister_start(), lister_start()};
    int opened = 0, status;
    for (int i = 0; i < JOBS; i++) {
        struct jobdir dir;
        int rc = jobdir_open(folder, "uv", &dir, &err);
        opened += rc == 0;
        if (rc == 0)
            jobdir_remove(&dir, &err);
    }
    for (int i = 0; i < 2; i++) {
        kill(listers[i], SIGKILL);
        assert_int_equal(waitpid(listers[i], &status, 0), listers[i]);
        assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    }
    assert_int_equal(opened, JOBS);
}

static void test_jobdir_list_counts_jobs_and_memory(void **state)
{
    (void)state;
    struct seen seen = {0};
    assert_int_equal(jobdir_list(folder, see, &seen, &err), 0);
    assert_int_equal(seen.jobs, 0);
    struct jobdir dir;
    assert_int_equal(jobdir_open(folder, "uv", &dir, &err), 0);
    put_in(&dir, "arena", 1 << 20);
    put_in(&dir, "ring", 4096);
    assert_int_equal(jobdir_list(folder, see, &seen, &err), 0);
    assert_int_equal(seen.jobs, 1);
    assert_int_equal(seen.segments, 2);
    assert_int_equal(seen.holder, getpid());
    assert_int_equal(seen.promised, (1 << 20) + 4096);
    assert_true(seen.held >= 8192 && seen.held < 1 << 20);
    jobdir_close(&dir);
    seen = (struct seen){0};
    assert_int_equal(jobdir_list(folder, see, &seen, &err), 0);
    assert_int_equal(seen.holder, 0);
}

// --- the promise of memory ---

static void put_under(const char *name, const char *text)
{
    char path[256];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    for (char *p = path + strlen(folder) + 1; (p = strchr(p, '/')); *p++ = '/') {
        *p = 0;
        mkdir(path, 0700);
    }
    put_file(path, text, 0);
}

static struct budget_request fake_request(void)
{
    static char proc[128], cgroup[128];
    snprintf(proc, sizeof(proc), "%s/proc", folder);
    snprintf(cgroup, sizeof(cgroup), "%s/cgroup", folder);
    put_under("proc/meminfo", "MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   800 kB\n");
    put_under("proc/self/cgroup", "");
    return (struct budget_request){
        .memory_dir = folder, .reserve_percent = 10, .proc_dir = proc, .cgroup_dir = cgroup};
}

static void test_budget_keeps_the_reserve_of_the_host(void **state)
{
    (void)state;
    struct budget_request request = fake_request();
    struct budget budget;
    request.wanted_bytes = 700 * 1024;
    assert_int_equal(budget_check(&request, &budget, &err), 0);
    assert_int_equal(budget.limit_bytes, 1000 * 1024);
    assert_int_equal(budget.available_bytes, 800 * 1024 - 1000 * 1024 / 100 * 10);
    request.wanted_bytes = 701 * 1024;
    assert_int_equal(budget_check(&request, &budget, &err), -ENOSPC);
    static const char *const words[] = {"asks for 701.0 KiB", "there is 700.0 KiB",
                                        "memory of the host", "memory.reserve", "memory.state"};
    for (size_t i = 0; i < 5; i++)
        if (!strstr(err.text, words[i]))
            fail_msg("'%s' does not say '%s'", err.text, words[i]);
    request.reserve_bytes = 500 * 1024;
    request.wanted_bytes = 300 * 1024;
    assert_int_equal(budget_check(&request, NULL, &err), 0);
    request.wanted_bytes++;
    assert_int_equal(budget_check(&request, NULL, &err), -ENOSPC);
}

static void test_budget_sees_control_groups_of_both_versions(void **state)
{
    (void)state;
    struct budget_request request = fake_request();
    struct budget budget;
    request.reserve_percent = 0;
    put_under("proc/self/cgroup", "0::/a/b\n");
    put_under("cgroup/a/b/memory.max", "max\n");
    put_under("cgroup/a/memory.max", "409600\n"); // the group above binds
    put_under("cgroup/a/memory.current", "204800\n");
    put_under("cgroup/a/memory.stat", "anon 5\ninactive_file 4800\n");
    assert_int_equal(budget_measure(&request, &budget, &err), 0);
    assert_int_equal(budget.available_bytes, 409600 - 200000);
    assert_true(strstr(budget.binding, "cgroup/a (400.0 KiB)") != NULL);
    put_under("proc/self/cgroup", "4:memory:/j\n0::/\n");
    put_under("cgroup/memory/j/memory.limit_in_bytes", "300000\n");
    put_under("cgroup/memory/j/memory.usage_in_bytes", "100000\n");
    put_under("cgroup/memory/memory.limit_in_bytes", "9223372036854771712\n");
    assert_int_equal(budget_measure(&request, &budget, &err), 0);
    assert_int_equal(budget.available_bytes, 200000);
    put_under("cgroup/memory/j/memory.usage_in_bytes", "400000\n"); // over its limit already
    assert_int_equal(budget_measure(&request, &budget, &err), 0);
    assert_int_equal(budget.available_bytes, 0);
}

static void test_budget_counts_promises_of_other_jobs(void **state)
{
    (void)state;
    struct budget_request request = fake_request();
    struct budget before, after, own;
    assert_int_equal(budget_measure(&request, &before, &err), 0);
    struct jobdir dir;
    assert_int_equal(jobdir_open(folder, "other", &dir, &err), 0);
    put_in(&dir, "arena", 104 * 1024); // one page of it is claimed
    assert_int_equal(budget_measure(&request, &after, &err), 0);
    assert_int_equal(after.promised_bytes, 100 * 1024);
    assert_int_equal(before.available_bytes - after.available_bytes, 100 * 1024);
    request.job = "other";
    assert_int_equal(budget_measure(&request, &own, &err), 0);
    assert_int_equal(own.available_bytes, before.available_bytes);
    jobdir_close(&dir);
}

static void test_budget_of_this_host_is_plausible(void **state)
{
    (void)state;
    struct budget_request request = {
        .memory_dir = folder, .wanted_bytes = UINT64_C(1) << 60, .reserve_percent = 10};
    struct budget budget;
    assert_int_equal(budget_check(&request, &budget, &err), -ENOSPC);
    assert_true(budget.available_bytes > 0 && budget.available_bytes < UINT64_C(1) << 60);
    request.memory_dir = "/nowhere";
    assert_int_equal(budget_check(&request, &budget, &err), -ENOENT);
}

// New segments take their places all at once; what a crash left of them before is gone.
static void test_jobdir_puts_new_segments_in_place(void **state)
{
    (void)state;
    struct jobdir dir, made;
    char path[JOBDIR_PATH_BYTES + 32];
    struct stat st;
    assert_int_equal(jobdir_open(folder, "uv", &dir, &err), 0);
    put_in(&dir, "arena-0", 1000);
    put_in(&dir, "arena-1", 1000);
    assert_int_equal(jobdir_begin_new(&dir, &made, &err), 0);
    put_in(&made, "arena-0", 2000);
    put_in(&made, "left", 0);
    jobdir_close(&made); // killed here
    assert_int_equal(jobdir_begin_new(&dir, &made, &err), 0);
    assert_int_equal(fstatat(made.fd, "left", &st, 0), -1);
    put_in(&made, "arena-0", 3000);
    put_in(&made, "ring-0-0-0", 0);
    assert_int_equal(jobdir_remove_name(&dir, "arena-0", &err), 0);
    assert_int_equal(jobdir_remove_name(&dir, "arena-0", &err), 0); // gone is gone
    assert_int_equal(jobdir_end_new(&dir, &made, &err), 0);
    jobdir_close(&made);
    assert_int_equal(fstatat(dir.fd, "arena-0", &st, 0), 0);
    assert_int_equal(st.st_size, 3000);
    assert_int_equal(fstatat(dir.fd, "arena-1", &st, 0), 0);
    assert_int_equal(st.st_size, 1000);
    assert_int_equal(fstatat(dir.fd, "ring-0-0-0", &st, 0), 0);
    assert_int_equal(fstatat(dir.fd, "new", &st, 0), -1);
    // The end of a job takes a begun one with it, and an empty folder where a segment was.
    assert_int_equal(jobdir_begin_new(&dir, &made, &err), 0);
    put_in(&made, "arena-0", 1000);
    jobdir_close(&made);
    assert_int_equal(unlinkat(dir.fd, "arena-1", 0), 0);
    assert_int_equal(mkdirat(dir.fd, "arena-1", 0700), 0);
    snprintf(path, sizeof(path), "%s/arena-1/mine", dir.path);
    put_file(path, "x", 0);
    assert_int_equal(jobdir_clear(&dir, &err), -ENOTEMPTY); // somebody's file is not ours to remove
    assert_non_null(strstr(err.text, "a folder in it that is not empty; move it away"));
    assert_int_equal(unlink(path), 0);
    assert_int_equal(jobdir_remove(&dir, &err), 0);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_jobdir_name_valid_keeps_paths_out),
        TEST(test_jobdir_is_private_and_vanishes),
        TEST(test_jobdir_refuses_what_others_could_enter),
        TEST(test_jobdir_second_run_is_refused_with_the_pid),
        TEST(test_jobdir_keeps_its_lock),
        TEST(test_jobdir_waits_for_a_dead_runs_child),
        TEST(test_jobdir_waits_for_who_lists_the_jobs),
        TEST(test_jobdir_list_counts_jobs_and_memory),
        TEST(test_budget_keeps_the_reserve_of_the_host),
        TEST(test_budget_sees_control_groups_of_both_versions),
        TEST(test_budget_counts_promises_of_other_jobs),
        TEST(test_budget_of_this_host_is_plausible),
        TEST(test_jobdir_puts_new_segments_in_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
