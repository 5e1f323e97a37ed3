// job_resume.c: see job_resume.h. What an earlier run has left is input: it may have been killed
// while it made the segments, files may be gone, cut or written over, and it may have been another
// program.
#include "stages/runtime/job_resume.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "shm/control.h"
#include "shm/errlog.h"
#include "shm/owner.h"
#include "shm/ring.h"
#include "stages/runtime/job_arena.h"
#include "stages/runtime/job_restore.h"
#include "stages/runtime/job_text.h"

enum { PREDECESSOR_MS = 5000, OWNER_MS = 2000 };

static int unusable(struct err *err)
{
    return err->text[0] ? -ENODATA : err_set(err, -ENODATA, "it is damaged");
}

// --- segments ---

static bool is_gone(pid_t thread)
{
    return kill(thread, 0) < 0 && errno == ESRCH;
}

// A dead task's arena must find its next owner. The kernel sees to that; where it could not, we do.
static int free_owner(void *owner, int task, struct err *err)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    for (int i = 0; i < OWNER_MS / 10; i++) {
        pid_t holder = owner_holder(owner);
        if (holder == 0 || (is_gone(holder) && owner_hand_on(owner, holder)))
            return 0;
        nanosleep(&pause, NULL);
    }
    return err_set(err, -EBUSY, "the memory of task %d is held by thread %d, which is none of it",
                   task, (int)owner_holder(owner));
}

static int check_arena(const struct jobdir *dir, const struct plan *plan, int task, bool lives,
                       struct err *err)
{
    struct job_arena arena;
    int rc = job_arena_map(dir, plan, task, &arena, err);
    if (rc == 0 && !lives)
        rc = free_owner(arena_owner(arena.base), task, err);
    job_arena_unmap(&arena);
    return rc;
}

static int check_ring(const struct jobdir *dir, const struct plan *plan, const char *name,
                      struct err *err)
{
    int fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return err_set(err, -errno, "cannot open %s/%s: %s", dir->path, name, strerror(errno));
    int rc = ring_check(fd, plan->fingerprint, err);
    close(fd);
    return rc < 0 ? err_prefix(err, rc, "%s", name) : 0;
}

static int check_rings(const struct jobdir *dir, const struct plan *plan, int e, struct err *err)
{
    char name[64];
    const struct exchange *exchange = &plan->exchanges[e];
    for (int from = 0; from < plan->stages[exchange->from_stage].parallelism; from++)
        for (int to = 0; to < plan->stages[exchange->to_stage].parallelism; to++) {
            if (!job_has_channel(plan, e, from, to))
                continue;
            job_ring_name(e, from, to, name);
            int rc = check_ring(dir, plan, name, err);
            if (rc < 0)
                return rc;
        }
    return 0;
}

static int check_errlog(const struct jobdir *dir, const struct plan *plan, struct err *err)
{
    struct errlog *errlog = NULL;
    int rc = errlog_attach(dir->fd, plan->fingerprint, -1, &errlog, err);
    errlog_detach(errlog);
    return rc;
}

static int check_segments(const struct jobdir *dir, const struct plan *plan,
                          const struct control *control, struct err *err)
{
    int rc = check_errlog(dir, plan, err);
    for (int e = 0; e < plan->exchange_count && rc == 0; e++)
        rc = check_rings(dir, plan, e, err);
    for (int task = 0; task < plan->task_count && rc == 0; task++) {
        struct control_view view;
        control_view(control, task, &view);
        rc = check_arena(dir, plan, task, process_alive(view.process), err);
    }
    return rc;
}

// --- the job ---

static int other_plan(const struct job *left, const struct job_options *options, struct err *err)
{
    err_set(
        err, -ESTALE,
        "the memory that an earlier run has left is of another plan; run with --fresh to begin "
        "anew, or with --allow-new-state to keep what of the newest checkpoint fits, or undo the "
        "change:");
    if (left->options.cores != options->cores)
        return err_append(err, -ESTALE,
                          "it was made for %d cores, this run has %d: set placement.cores to %d",
                          left->options.cores, options->cores, left->options.cores);
    char *sql = strndup(options->sql.ptr, options->sql.len);
    int rc = job_restore_difference(left->options.sql.ptr, sql ? sql : "", err);
    free(sql);
    return rc;
}

static int check_text(const struct jobdir *dir, const struct plan *plan,
                      const struct control *control, const struct job_options *options,
                      struct err *err)
{
    struct job left = {.dir = *dir};
    bool makes = options->checkpoint_dir && *options->checkpoint_dir;
    int rc = job_text_read(&left, err);
    if (rc < 0) {
        rc = unusable(err);
    } else if (control_fingerprint(control) != plan->fingerprint ||
               control_task_count(control) != plan->task_count) {
        rc = other_plan(&left, options, err);
    } else {
        if ((*left.options.checkpoint_dir != '\0') != makes)
            rc = err_set(err, -EINVAL,
                         "the memory that an earlier run has left is of a job %s checkpoints, and "
                         "checkpoint.interval says now that there are %s: put it back, or begin "
                         "anew with --fresh",
                         makes ? "without" : "with", makes ? "some" : "none");
    }
    buf_fini(&left.text);
    return rc;
}

int job_resume_check(const struct jobdir *dir, const struct plan *plan,
                     const struct job_options *options, struct err *err)
{
    struct control *control;
    err->text[0] = '\0';
    int rc = control_attach_reader(dir->fd, 0, &control, err);
    if (rc == -ENOENT || rc == -ENODATA)
        return err_set(err, -ENOENT, "it was never finished");
    if (rc < 0)
        return unusable(err);
    // Made, and filled from a checkpoint, before the first supervisor puts its name there.
    struct process_id predecessor = control_supervisor(control);
    if (predecessor.pid == 0)
        rc = err_set(err, -ENOENT, "it was never finished");
    else if (process_wait(predecessor, PREDECESSOR_MS) < 0)
        rc = err_set(err, -ENODATA, "its supervisor, pid %d, does not come to its end",
                     (int)predecessor.pid);
    if (rc == 0)
        rc = check_text(dir, plan, control, options, err);
    if (rc == 0 && check_segments(dir, plan, control, err) < 0)
        rc = unusable(err);
    control_detach(control);
    return rc;
}

int job_resume_text(const struct jobdir *dir, const struct plan *plan,
                    const struct job_options *options, bool *changed, struct err *err)
{
    struct job left = {.dir = *dir};
    *changed = false;
    int rc = job_text_read(&left, err);
    if (rc == 0) {
        struct job_options now = *options;
        // The arenas are as they are, and know how much of which file they have written.
        now.state_bytes = left.options.state_bytes;
        now.dead_letter_dir = left.options.dead_letter_dir;
        now.is_restored = left.options.is_restored;
        *changed = !job_text_is_same(&left.options, &now);
        if (*changed)
            rc = job_text_write(dir, plan->fingerprint, &now, err);
    }
    buf_fini(&left.text);
    return rc;
}
