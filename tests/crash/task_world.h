// task_world.h: whole small jobs whose tasks are stopped after any instruction, and what comes of
// what they leave.
//
// A job lives in a folder, with everything that outlives its processes below it: segments, input,
// output, dead letters, checkpoints; every path in it is relative. So when a task stands behind its
// instruction k, a copy of the folder is the world as a kill there would leave it, and replacements
// of all tasks go on in the copy, while the task itself can be stepped on. One thing has to be done
// by hand: the task lives, so its owner mutex is handed on in the copy (owner_hand_on) as the
// kernel would have done.
#ifndef WEIR_TESTS_CRASH_TASK_WORLD_H
#define WEIR_TESTS_CRASH_TASK_WORLD_H

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "shm/control.h"
#include "shm/control_layout.h"
#include "shm/owner.h"
#include "stages/checkpoint/engine.h"
#include "stages/runtime/job.h"
#include "stages/runtime/job_arena.h"
#include "stages/runtime/job_restore.h"
#include "stages/runtime/task.h"
#include "stages/supervisor/coordinator.h"
#include "tests/unit/test_state_support.h"

enum { WORLD_TASKS_MAX = 8, WORLD_PATH_BYTES = 256, WORLD_LONG_BYTES = 1024, WORLD_WAIT_S = 60 };

// What a job is.
struct world_job {
    const char *name;
    const char *sql;
    const char *rows; // what the file rows.json holds
    int cores;
    bool checkpoints;
    bool prints; // to stdout, where a line may come twice (stages/sink/print.c)
    bool drains; // its input has no end: it is told so when nothing moves any more
};

// Where one copy of it lives: ROOT/live or ROOT/copy.
struct world_place {
    char folder[WORLD_PATH_BYTES];
    struct jobdir dir;
};

struct world {
    const struct world_job *job;
    char root[64];
    struct plan *plan;
    struct job_options options;
    struct world_place live, copy;
    struct buf want; // what an undisturbed run gives, its lines in order
};

#define WORLD_OK(w, call)                                                                          \
    do {                                                                                           \
        struct err err = {.text = ""};                                                             \
        if ((call) < 0)                                                                            \
            fail_msg("%s: %s: %s", (w)->job->name, #call, err.text);                               \
    } while (0)

// --- folders ---

static inline void world_remove(const char *path)
{
    char below[WORLD_LONG_BYTES];
    DIR *dir = opendir(path);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(below, sizeof below, "%.700s/%.255s", path, entry->d_name);
        if (unlink(below) < 0)
            world_remove(below);
    }
    if (dir)
        closedir(dir);
    rmdir(path);
}

static inline void world_copy_file(const char *from, const char *to, mode_t mode)
{
    static char bytes[1 << 16];
    int in = open(from, O_RDONLY | O_CLOEXEC);
    int out = open(to, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
    assert_true(in >= 0 && out >= 0);
    for (ssize_t n; (n = read(in, bytes, sizeof bytes)) != 0;)
        assert_int_equal(write(out, bytes, (size_t)n), n);
    close(in);
    close(out);
}

static inline void world_copy(const char *from, const char *to)
{
    char source[WORLD_LONG_BYTES], target[WORLD_LONG_BYTES];
    DIR *dir = opendir(from);
    assert_true(dir && mkdir(to, 0700) == 0);
    for (struct dirent *entry = readdir(dir); entry; entry = readdir(dir)) {
        struct stat st;
        if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0)
            continue;
        snprintf(source, sizeof source, "%.700s/%.255s", from, entry->d_name);
        snprintf(target, sizeof target, "%.700s/%.255s", to, entry->d_name);
        if (lstat(source, &st) < 0) // a snapshot's thread has taken it away
            continue;
        if (S_ISDIR(st.st_mode))
            world_copy(source, target);
        else
            world_copy_file(source, target, st.st_mode & 0777);
    }
    closedir(dir);
}

// --- a job ---

static inline void world_place_at(struct world *w, struct world_place *place, const char *name)
{
    snprintf(place->folder, sizeof place->folder, "%s/%s", w->root, name);
}

static inline void world_write(const struct world_place *place, const char *name, const char *text)
{
    char path[2 * WORLD_PATH_BYTES];
    snprintf(path, sizeof path, "%s/%s", place->folder, name);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    assert_true(fputs(text, file) >= 0 && fclose(file) == 0);
}

// The job as its first start finds it.
static inline void world_begin(struct world *w)
{
    char memory[2 * WORLD_PATH_BYTES];
    world_remove(w->live.folder);
    assert_int_equal(mkdir(w->live.folder, 0700), 0);
    if (w->job->rows)
        world_write(&w->live, "rows.json", w->job->rows);
    snprintf(memory, sizeof memory, "%s/memory", w->live.folder);
    assert_int_equal(mkdir(memory, 0700), 0);
    WORLD_OK(w, jobdir_open(memory, "step", &w->live.dir, &err));
    w->options.is_restored = false;
    WORLD_OK(w, job_create(&w->live.dir, w->plan, &w->options, &err));
    if (w->job->checkpoints) {
        char path[2 * WORLD_PATH_BYTES];
        struct store store;
        snprintf(path, sizeof path, "%s/chk", w->live.folder);
        WORLD_OK(w, store_create(env_system(), path, "step", &store, &err));
    }
}

static inline void world_end(struct world *w)
{
    jobdir_close(&w->live.dir);
}

// A copy of the live world, as it is now.
static inline void world_fork(struct world *w)
{
    char path[2 * WORLD_PATH_BYTES];
    world_remove(w->copy.folder);
    world_copy(w->live.folder, w->copy.folder);
    snprintf(path, sizeof path, "%s/memory", w->copy.folder);
    WORLD_OK(w, jobdir_open(path, "step", &w->copy.dir, &err));
}

static inline void world_init(struct world *w, const struct world_job *job)
{
    enum { STATE_BYTES = 2 << 20, RING_BYTES = 64 << 10 };
    // A mutant dies and leaves it: who runs one says where (mutants.sh).
    const char *shm = getenv("WEIR_TEST_SHM");
    *w = (struct world){.job = job};
    snprintf(w->root, sizeof w->root, "%.40s/weir-step-XXXXXX", shm ? shm : "/dev/shm");
    assert_non_null(mkdtemp(w->root));
    world_place_at(w, &w->live, "live");
    world_place_at(w, &w->copy, "copy");
    w->options = (struct job_options){.job_name = "step",
                                      .sql_file = "step.sql",
                                      .sql = slice_of(job->sql),
                                      .cores = job->cores,
                                      .state_bytes = STATE_BYTES,
                                      .ring_bytes = RING_BYTES,
                                      .dead_letter_dir = "dead",
                                      .waiting = WAITER_BLOCK,
                                      .latency_interval_ms = 1, // markers among the rows
                                      .checkpoint_engine = ENGINE_PWRITE,
                                      .checkpoint_dir = job->checkpoints ? "chk" : ""};
    const struct plan_settings settings = {
        .file_name = "step.sql", .sql = w->options.sql, .cores = job->cores};
    WORLD_OK(w, plan_make(&settings, &w->plan, &err));
    assert_in_range(w->plan->task_count, 1, WORLD_TASKS_MAX);
}

static inline void world_fini(struct world *w)
{
    plan_free(w->plan);
    buf_fini(&w->want);
    world_remove(w->root);
}

// --- processes ---

// Which process of which task; `before` is called in it first.
struct world_process {
    const struct world_place *place;
    int task, spare;
    void (*before)(void);
};

static inline pid_t world_spawn(const struct world_process *process)
{
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid)
        return pid;
    if (process->before)
        process->before();
    int out = chdir(process->place->folder) < 0
                  ? -1
                  : open("printed", O_WRONLY | O_CREAT | O_APPEND, 0600);
    if (out < 0 || dup2(out, STDOUT_FILENO) < 0)
        _exit(127);
    close(out);
    if (!process->before)
        alarm(WORLD_WAIT_S); // a replacement that waits for ever is a failure
    _exit(task_main(process->place->dir.path, process->task, process->spare));
}

static inline void world_must_end_well(const struct world *w, const struct world_place *place,
                                       int task, int status)
{
    struct control *control;
    struct control_view view;
    struct err err;
    if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
        return;
    assert_int_equal(control_attach_reader(place->dir.fd, 0, &control, &err), 0);
    control_view(control, task, &view);
    fail_msg("%s: task %d ended with status %x: %s", w->job->name, task, (unsigned)status,
             view.error);
}

// The supervisor's part at the end of a job: when all tasks have come to rest, they finish.
static inline bool world_ask_finish(const struct world *w, struct control *control)
{
    for (int i = 0; i < w->plan->task_count; i++)
        if (!control_has_ended(control, i))
            return false;
    for (int i = 0; i < w->plan->task_count; i++)
        control_post(control, i, CONTROL_FINISH);
    return true;
}

// Nothing has moved for some rounds: all that there is has been read.
static inline void world_ask_drain(const struct world *w, struct control *control, uint64_t *moved)
{
    enum { ROUNDS = 200 };
    static int still;
    uint64_t now = 0;
    for (int i = 0; i < w->plan->task_count; i++) {
        struct control_view view;
        control_view(control, i, &view);
        now += view.progress + (view.ready_ns != 0);
    }
    still = now == *moved ? still + 1 : 0;
    *moved = now;
    for (int i = 0; still > ROUNDS && i < w->plan->task_count; i++)
        control_post(control, i, CONTROL_DRAIN);
}

static inline void world_pause(void)
{
    const struct timespec pause = {0, 200 * 1000};
    nanosleep(&pause, NULL);
}

// Every task is started, and must come to its end.
static inline void world_finish(const struct world *w, const struct world_place *place)
{
    pid_t pids[WORLD_TASKS_MAX];
    struct control *control;
    uint64_t moved = 0;
    bool asked = !w->job->checkpoints;
    const int count = w->plan->task_count;
    WORLD_OK(w, control_attach_supervisor(place->dir.fd, w->plan->fingerprint, &control, &err));
    for (int i = 0; i < count; i++)
        pids[i] = world_spawn(&(struct world_process){place, i, -1, NULL});
    for (int left = count; left > 0;) {
        for (int i = 0, status; i < count; i++)
            if (pids[i] && waitpid(pids[i], &status, asked && !w->job->drains ? 0 : WNOHANG) > 0) {
                world_must_end_well(w, place, i, status);
                pids[i] = 0;
                left--;
            }
        if (!asked)
            asked = world_ask_finish(w, control);
        if (w->job->drains && left)
            world_ask_drain(w, control, &moved);
        if (left && (!asked || w->job->drains))
            world_pause();
    }
    control_detach(control);
}

// What is final: the finished parts and the dead letters; sorted, because several tasks may have
// written them. Freed by the caller.
static inline void world_result(const struct world *w, const struct world_place *place,
                                struct buf *out)
{
    char command[4 * WORLD_PATH_BYTES], bytes[4096];
    snprintf(command, sizeof command,
             "cd %s && { cat out/part-* dead/* 2>/dev/null; cat printed; } | LC_ALL=C sort %s",
             place->folder, w->job->prints ? "-u" : "");
    FILE *pipe = popen(command, "r");
    assert_non_null(pipe);
    for (size_t n; (n = fread(bytes, 1, sizeof bytes, pipe)) > 0;)
        buf_append(out, bytes, n);
    pclose(pipe);
}

static inline void world_check(const struct world *w, const struct world_place *place,
                               const char *what)
{
    struct buf got = {0};
    world_result(w, place, &got);
    if (got.len != w->want.len || memcmp(got.data, w->want.data, got.len) != 0) {
        fprintf(stderr, "wanted:\n%.*s\ngot:\n%.*s\n", (int)w->want.len, w->want.data, (int)got.len,
                got.data);
        fail_msg("%s, %s: %zu bytes instead of %zu, or others", w->job->name, what, got.len,
                 w->want.len);
    }
    buf_fini(&got);
}

// --- back to a checkpoint ---

// The tasks run until a checkpoint is complete; then they are killed.
static inline void world_checkpoint(const struct world *w, const struct world_place *place,
                                    const struct store *store, uint64_t *complete)
{
    pid_t pids[WORLD_TASKS_MAX];
    struct control *control;
    struct coordinator *coordinator;
    struct env *env = env_system();
    const struct coordinator_options options = {
        .store = store,
        .timeout_ms = WORLD_WAIT_S * 1000,
        .retain = 3,
        .job = {.job = "step",
                .fingerprint = w->plan->fingerprint,
                .state_bytes = w->options.state_bytes,
                .cores = w->options.cores,
                .version = "test",
                .command = "",
                .sql = w->job->sql},
    };
    WORLD_OK(w, control_attach_supervisor(place->dir.fd, w->plan->fingerprint, &control, &err));
    WORLD_OK(w, coordinator_create(&options, control, env->monotonic_ns(env), &coordinator, &err));
    for (int i = 0; i < w->plan->task_count; i++)
        pids[i] = world_spawn(&(struct world_process){place, i, -1, NULL});
    while (coordinator_complete(coordinator) == 0) {
        int64_t again_ns;
        WORLD_OK(w, coordinator_tick(coordinator, env->monotonic_ns(env), &again_ns, &err));
        for (int i = 0, status; i < w->plan->task_count; i++)
            if (waitpid(pids[i], &status, WNOHANG) > 0)
                fail_msg("%s: task %d ended with status %x before a checkpoint was complete",
                         w->job->name, i, (unsigned)status);
        world_pause();
    }
    *complete = coordinator_complete(coordinator);
    for (int i = 0; i < w->plan->task_count; i++) {
        kill(pids[i], SIGKILL);
        assert_int_equal(waitpid(pids[i], NULL, 0), pids[i]);
    }
    coordinator_free(coordinator);
    control_detach(control);
}

// The memory is lost: the job goes back to its newest checkpoint, as after a reboot.
static inline void world_go_back(struct world *w, struct world_place *place)
{
    char path[2 * WORLD_PATH_BYTES];
    struct store store;
    struct pool pool = {0};
    struct manifest manifest;
    uint64_t complete;
    snprintf(path, sizeof path, "%s/chk", place->folder);
    WORLD_OK(w, store_open(env_system(), path, "step", &store, &err));
    world_checkpoint(w, place, &store, &complete);
    WORLD_OK(w, store_read(&store, complete, &pool, &manifest, &err));
    WORLD_OK(w, jobdir_clear(&place->dir, &err));
    w->options.is_restored = true;
    WORLD_OK(w, job_create(&place->dir, w->plan, &w->options, &err));
    w->options.is_restored = false;
    WORLD_OK(w, job_restore(&place->dir, w->plan, &store, &manifest, &err));
    pool_fini(&pool);
}

// A copy in which process `dead`, which lives, is gone: the kernel would have handed the mutex on,
// and nobody of that pid and start time would be found.
static inline void world_bury(const struct world *w, const struct world_place *place, int task,
                              pid_t dead)
{
    enum { FIRST_TASK_PAGE = 2 }; // see control.c
    const off_t at = (off_t)(FIRST_TASK_PAGE + task) * CONTROL_PAGE_BYTES;
    struct control_task_page page;
    struct job_arena arena;
    int fd = openat(place->dir.fd, "control", O_RDWR | O_CLOEXEC);
    assert_true(fd >= 0);
    assert_int_equal(pread(fd, &page, sizeof page, at), sizeof page);
    if (page.pid == (uint32_t)dead) { // else it has not come so far
        page.start_time = 1;
        assert_int_equal(pwrite(fd, &page, sizeof page, at), sizeof page);
    }
    close(fd);
    WORLD_OK(w, job_arena_map(&place->dir, w->plan, task, &arena, &err));
    owner_hand_on(arena_owner(arena.base), dead);
    job_arena_unmap(&arena);
}

#endif
