// test_syscall_kill.c: tasks of whole jobs killed at their system calls: before it is made, after
// it.
//
// What random kills seldom hit is hit here by count: the attach, each open, each wait for a ring,
// each write, cut and rename of a sink, the end of input. A run kills the task at its k-th stop
// (two a call), its replacement at a random one, and lets the third finish; the files must be those
// of an undisturbed run. k goes over the whole life in even steps. In the job of two tasks the
// other one runs on.
//
// usage: test_syscall_kill [ROUNDS | all]    rounds of each sweep, default all
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/ptrace.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "shm/control.h"
#include "stages/runtime/job.h"
#include "stages/runtime/task.h"
#include "tests/unit/test_state_support.h"
#include "tools/job_load.h"
#include "tools/job_memory.h"

enum { SKIP = 77, ROWS = 4000, SYSCALLS = 512, NEVER = -1, TIMEOUT_SECONDS = 240, TASKS_MAX = 8 };

static int rounds; // 0: all
static char folder[64];
static uint64_t rng;
static int task_count;          // of the job that ran last
static uint64_t hits[SYSCALLS]; // kills by the number of the call

// --- the job ---

// Rows for CUMULATE, out of order, one of them no JSON; the day's last hours have none.
static void write_input(void)
{
    char path[128];
    snprintf(path, sizeof path, "%s/rows.json", folder);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    for (int i = 0; i < ROWS; i++) {
        int second = i * 20 - i % 7 * 3 + 30;
        if (i % 997 == 500)
            fputs("{\"id\":\"broken\n", file);
        fprintf(file, "{\"id\":\"d%d\",\"dimension\":\"dim-%d\",\"eventTime\":\"2024-01-01 %02d:",
                i % 611, i % 5, second / 3600);
        fprintf(file, "%02d:%02d\"}\n", second / 60 % 60, second % 60);
    }
    assert_int_equal(fclose(file), 0);
}

static void write_job(int cores, char *config, size_t bytes)
{
    char path[128];
    snprintf(path, sizeof path, "%s/job.sql", folder);
    FILE *sql = fopen(path, "w");
    assert_non_null(sql);
    fprintf(
        sql,
        "CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3), WATERMARK FOR\n"
        "eventTime AS eventTime - INTERVAL '20' SECOND) WITH ('connector' = 'filesystem',\n"
        "'path' = '%s/rows.json', 'format' = 'json');\n"
        "CREATE TABLE points (e TIMESTAMP(3), dimension STRING, uv BIGINT) WITH (\n"
        "'connector' = 'filesystem', 'path' = '%s/out', 'format' = 'csv',\n"
        "'sink.rolling-policy.file-size' = '8kb');\n"
        "INSERT INTO points SELECT window_end, dimension, COUNT(DISTINCT id) FROM\n"
        "TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '30' MINUTE, INTERVAL '1' "
        "DAY))\nGROUP BY window_start, window_end, dimension;\n",
        folder, folder);
    assert_int_equal(fclose(sql), 0);
    snprintf(config, bytes, "%s/job.yaml", folder);
    FILE *yaml = fopen(config, "w");
    assert_non_null(yaml);
    fprintf(
        yaml,
        "job: syscalls\nsql: job.sql\nmemory: {dir: %s/memory, state: 4MiB, reserve: 0%%, ring: "
        "64KiB}\nplacement: {cores: %d}\nrecovery: {dead_letter: %s/dead}\n",
        folder, cores, folder);
    assert_int_equal(fclose(yaml), 0);
}

// --- processes ---

static pid_t spawn(const struct jobdir *dir, int task, bool traced)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        if (traced && ptrace(PTRACE_TRACEME, 0, NULL, NULL))
            _exit(SKIP);
        if (traced)
            raise(SIGSTOP);
        _exit(task_main(dir->path, task, -1));
    }
    return pid;
}

static void note_hit(pid_t pid)
{
    struct __ptrace_syscall_info info;
    static uint64_t last;
    if (ptrace(PTRACE_GET_SYSCALL_INFO, pid, sizeof info, &info) > 0 &&
        info.op == PTRACE_SYSCALL_INFO_ENTRY)
        last = info.entry.nr; // at the exit it is still this one
    hits[last < SYSCALLS ? last : 0]++;
}

// Let the traced task come to its k-th stop, and kill it there. How many stops it came to: fewer
// than k when it ended before.
static int64_t kill_at(pid_t pid, int64_t k)
{
    int status;
    int64_t stops = 0;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP) {
        printf("ptrace is not allowed here\n");
        exit(SKIP);
    }
    assert_true(WIFSTOPPED(status));
    assert_int_equal(
        ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL | PTRACE_O_TRACESYSGOOD), 0);
    for (;;) {
        assert_int_equal(ptrace(PTRACE_SYSCALL, pid, NULL, NULL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (WIFEXITED(status)) {
            assert_int_equal(WEXITSTATUS(status), 0);
            return stops;
        }
        assert_true(WIFSTOPPED(status));
        assert_int_equal(WSTOPSIG(status), SIGTRAP | 0x80);
        if (++stops != k)
            continue;
        note_hit(pid);
        assert_int_equal(kill(pid, SIGKILL), 0);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        return stops;
    }
}

static void wait_well(pid_t pid, int task, const struct jobdir *dir)
{
    int status;
    struct control *control;
    struct control_view view;
    struct err err;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    assert_int_equal(control_attach_reader(dir->fd, 0, &control, &err), 0);
    control_view(control, task, &view);
    fail_msg("task %d ended with status %x: %s", task, (unsigned)status, view.error);
}

// One run: the victim killed at stop k and its replacement at stop `again` (NEVER: not). Returns
// the stops that the first came to.
static int64_t run_once(const char *config, int victim, int64_t k, int64_t again)
{
    char command[256];
    struct job_load load = {.config = NULL};
    struct job_memory memory;
    struct jobdir dir;
    struct err err = {0};
    pid_t pids[TASKS_MAX] = {0};
    snprintf(command, sizeof command, "rm -rf %s/out %s/dead", folder, folder);
    assert_int_equal(system(command), 0);
    if (job_load(config, &load, &err) || job_memory_plan(&load, &memory, &err) ||
        jobdir_open(load.config->memory.dir, "syscalls", &dir, &err) ||
        job_create(&dir, load.plan, &memory.options, &err))
        fail_msg("%s", err.text);
    const int count = task_count = load.plan->task_count;
    assert_in_range(count, victim + 1, TASKS_MAX);
    for (int i = 0; i < count; i++)
        pids[i] = spawn(&dir, i, i == victim);
    int64_t stops = kill_at(pids[victim], k);
    pids[victim] = stops == k ? spawn(&dir, victim, again != NEVER) : 0;
    if (pids[victim] && again != NEVER)
        pids[victim] = kill_at(pids[victim], again) == again ? spawn(&dir, victim, false) : 0;
    for (int i = 0; i < count; i++)
        if (pids[i])
            wait_well(pids[i], i, &dir);
    job_load_fini(&load);
    if (jobdir_remove(&dir, &err))
        fail_msg("%s", err.text);
    return stops;
}

// The parts in their order, then the dead letters. Freed by the caller.
static void read_result(struct buf *out)
{
    char command[512], bytes[4096];
    snprintf(command, sizeof command,
             "ls -A %s/out | grep -c '^[.]'; cd %s/out; cat $(ls part-* | sort -t- -k3,3n); cat "
             "%s/dead/*",
             folder, folder, folder);
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, pipe)) > 0;)
        buf_append(out, bytes, n);
    pclose(pipe);
}

static void check_result(const struct buf *want, int64_t k, int64_t again)
{
    struct buf got = {0};
    read_result(&got);
    if (got.len != want->len || memcmp(got.data, want->data, got.len) != 0)
        fail_msg(
            "killed at stop %lld, its replacement at %lld: %zu bytes instead of %zu, or others",
            (long long)k, (long long)again, got.len, want->len);
    buf_fini(&got);
}

// Returns the number of tasks of the job.
static int sweep(int cores, int victim)
{
    char config[128];
    struct buf want = {0};
    write_job(cores, config, sizeof config);
    const int64_t total = run_once(config, victim, NEVER, NEVER);
    read_result(&want);
    assert_true(want.len > 1000 && want.data[0] == '0'); // no unfinished part
    const int64_t count = rounds ? rounds : total;
    for (int64_t i = 0; i < count; i++) {
        int64_t k = 1 + i * total / count;
        k += rounds ? (int64_t)test_random(&rng, (uint64_t)(total / count) + 1) : 0;
        int64_t again = 1 + (int64_t)test_random(&rng, (uint64_t)total + 1);
        run_once(config, victim, k, i % 2 ? again : NEVER);
        check_result(&want, k, i % 2 ? again : NEVER);
    }
    printf("%d cores, task %d: %lld stops in its life, %lld runs\n", cores, victim,
           (long long)total, (long long)count);
    buf_fini(&want);
    return task_count;
}

static void test_syscall_kill_one_task(void **state)
{
    (void)state;
    memset(hits, 0, sizeof hits);
    assert_int_equal(sweep(1, 0), 1);
    // The sweep did reach what it is for.
    assert_true(hits[SYS_pwrite64] > 0);
    assert_true(hits[SYS_openat] > 0);
    assert_true(hits[SYS_mmap] > 0);
    assert_true(hits[SYS_rename] + hits[SYS_fdatasync] > 0);
}

static void test_syscall_kill_each_of_several(void **state)
{
    (void)state;
    memset(hits, 0, sizeof hits);
    int count = sweep(2, 0);
    assert_true(count > 1);
    for (int victim = 1; victim < count; victim++)
        sweep(2, victim);
    assert_true(hits[SYS_pwrite64] > 0);
    assert_true(hits[SYS_futex] > 0);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_syscall_kill_one_task),
        cmocka_unit_test(test_syscall_kill_each_of_several),
    };
    if (argc > 1)
        rounds = strcmp(argv[1], "all") == 0 ? 0 : (int)strtol(argv[1], NULL, 10);
    rng = test_seed("test_syscall_kill");
    alarm(rounds ? TIMEOUT_SECONDS : 0);
    snprintf(folder, sizeof folder, "/dev/shm/weir-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    char path[128];
    snprintf(path, sizeof path, "%s/memory", folder);
    assert_int_equal(mkdir(path, 0700), 0);
    write_input();
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", folder);
    return system(command) || failed;
}
