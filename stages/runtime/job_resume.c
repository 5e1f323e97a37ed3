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

#include "core/base/check.h"
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

// Is the holder the task, or a spare that has the memory and waits for a supervisor's word?
static bool is_registered(const struct control *control, int task, pid_t holder)
{
    struct control_view view;
    struct control_spare spare;
    control_view(control, task, &view);
    bool is = view.process.pid == holder && process_alive(view.process);
    for (int i = 0; i < CONTROL_SPARES_MAX && !is; i++) {
        control_view_spare(control, task, i, &spare);
        is = spare.process.pid == holder && process_alive(spare.process);
    }
    return is;
}

// A process of this job? A dead one has no command, another one that has its pid by now no such.
static bool is_of_job(pid_t pid, const struct jobdir *dir)
{
    char path[64], command[JOBDIR_PATH_BYTES + 64];
    snprintf(path, sizeof path, "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, command, sizeof command);
    if (fd >= 0)
        close(fd);
    return len > 0 && memmem(command, (size_t)len, dir->path, strlen(dir->path) + 1);
}

// A dead task's arena must find its next owner. The kernel sees to that; where it could not, we do.
static int free_owner(const struct jobdir *dir, const struct control *control, int task,
                      void *owner, struct err *err)
{
    const struct timespec pause = {0, 10 * 1000 * 1000};
    pid_t holder = owner_holder(owner);
    for (int i = 0; i < OWNER_MS / 10; i++) {
        if (holder == 0 || is_registered(control, task, holder) ||
            (is_gone(holder) && owner_hand_on(owner, holder)))
            return 0;
        nanosleep(&pause, NULL);
        holder = owner_holder(owner);
    }
    if (holder == 0 || (!is_of_job(holder, dir) && owner_hand_on(owner, holder)))
        return 0;
    return err_set(err, -EBUSY, "the memory of task %d is held by process %d, which is not known",
                   task, (int)holder);
}

// `control` NULL: who holds it does not matter.
static int check_arena(const struct jobdir *dir, const struct plan *plan,
                       const struct control *control, int task, struct err *err)
{
    struct job_arena arena;
    int rc = job_arena_map(dir, plan, task, &arena, err);
    if (rc == 0 && control)
        rc = free_owner(dir, control, task, arena_owner(arena.base), err);
    job_arena_unmap(&arena);
    return rc;
}

static int check_ring(const struct jobdir *dir, const struct plan *plan, const char *name,
                      struct err *err)
{
    int fd = job_ring_open(dir, name, err);
    if (fd < 0)
        return fd;
    int rc = ring_check(fd, plan->fingerprint, err);
    close(fd);
    return rc < 0 ? err_prefix(err, rc, "%s", name) : 0;
}

static int check_errlog(const struct jobdir *dir, const struct plan *plan, struct err *err)
{
    struct errlog *errlog = NULL;
    int rc = errlog_attach(dir->fd, plan->fingerprint, -1, &errlog, err);
    errlog_detach(errlog);
    return rc;
}

// What was found; the text is of the first fault.
struct losses {
    bool *lost; // of each task: its memory cannot be used
    bool any;
    bool runs; // the job does: its dead are its supervisor's business
    struct err *err;
};

static void note_loss(struct losses *losses, int task, const struct err *why)
{
    losses->lost[task] = true;
    if (!losses->any)
        err_set(losses->err, -ENODATA, "%s", why->text);
    losses->any = true;
}

// A ring that cannot be used is lost for both of its tasks.
static void check_rings(const struct jobdir *dir, const struct plan *plan, int e,
                        struct losses *losses)
{
    char name[64];
    const struct exchange *exchange = &plan->exchanges[e];
    const struct stage *writers = &plan->stages[exchange->from_stage];
    const struct stage *readers = &plan->stages[exchange->to_stage];
    for (int from = 0; from < writers->parallelism; from++)
        for (int to = 0; to < readers->parallelism; to++) {
            struct err why = {.text = ""};
            if (!job_has_channel(plan, e, from, to))
                continue;
            job_ring_name(e, from, to, name);
            if (check_ring(dir, plan, name, &why) == 0)
                continue;
            note_loss(losses, writers->first_task + from, &why);
            note_loss(losses, readers->first_task + to, &why);
        }
}

static int check_segments(const struct jobdir *dir, const struct plan *plan,
                          const struct control *control, struct losses *losses)
{
    int rc = check_errlog(dir, plan, losses->err);
    for (int e = 0; e < plan->exchange_count && rc == 0; e++)
        check_rings(dir, plan, e, losses);
    for (int task = 0; task < plan->task_count && rc == 0; task++) {
        struct err why = {.text = ""};
        if (check_arena(dir, plan, losses->runs ? NULL : control, task, &why) < 0)
            note_loss(losses, task, &why);
    }
    return losses->any ? -ENODATA : rc;
}

int job_check_shared(const struct jobdir *dir, const struct plan *plan, struct err *err)
{
    struct control *control;
    struct job left = {.dir = *dir};
    int rc = control_attach_reader(dir->fd, plan->fingerprint, &control, err);
    if (rc < 0)
        return rc;
    control_detach(control);
    rc = job_text_read(&left, err);
    buf_fini(&left.text);
    return rc < 0 ? rc : check_errlog(dir, plan, err);
}

int job_check_memory(const struct jobdir *dir, const struct plan *plan, int task, struct err *err)
{
    bool *lost = calloc((size_t)plan->task_count, sizeof *lost);
    struct err of_others;
    struct losses losses = {.lost = lost, .err = &of_others};
    int rc = check_arena(dir, plan, NULL, task, err);
    CHECK(lost);
    for (int e = 0; e < plan->exchange_count && rc == 0; e++) {
        check_rings(dir, plan, e, &losses);
        if (lost[task])
            rc = err_set(err, -ENODATA, "%s", of_others.text);
    }
    free(lost);
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
                     const struct job_options *options, bool *lost, struct err *err)
{
    struct control *control;
    struct losses losses = {.lost = lost, .err = err};
    memset(lost, 0, (size_t)plan->task_count * sizeof *lost);
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
    else if (predecessor.pid != getpid() && // else it was another program that this process ran
             process_wait(predecessor, PREDECESSOR_MS) < 0)
        rc = err_set(err, -ENODATA, "its supervisor, pid %d, does not come to its end",
                     (int)predecessor.pid);
    if (rc == 0)
        rc = check_text(dir, plan, control, options, err);
    if (rc == 0 && check_segments(dir, plan, control, &losses) < 0)
        rc = unusable(err);
    control_detach(control);
    return rc;
}

// The job runs the script and the cores of before: then it is this program that means something
// else by them.
static int explain_plan(const struct jobdir *dir, const struct job_options *options,
                        struct err *err)
{
    struct job left = {.dir = *dir};
    int rc = job_text_read(&left, err);
    if (rc == 0 && left.options.cores != options->cores)
        rc = err_set(err, -ESTALE, "the job runs on %d cores, and would be started with %d now",
                     left.options.cores, options->cores);
    else if (rc == 0 && (left.options.sql.len != options->sql.len ||
                         memcmp(left.options.sql.ptr, options->sql.ptr, options->sql.len) != 0))
        rc = err_set(
            err, -ESTALE,
            "the script has changed since the job was started: undo the change, or stop the "
            "job and run it again");
    else if (rc == 0)
        rc = err_set(err, -EPROTO, "it makes another plan of the same script");
    buf_fini(&left.text);
    return rc;
}

static int check_running(const struct jobdir *dir, const struct plan *plan,
                         const struct control *control, struct err *err)
{
    struct losses losses = {
        .lost = calloc((size_t)plan->task_count, sizeof(bool)), .runs = true, .err = err};
    CHECK(losses.lost);
    int rc = check_segments(dir, plan, control, &losses);
    free(losses.lost);
    return rc;
}

int job_resume_fits(const struct jobdir *dir, const struct plan *plan,
                    const struct job_options *options, struct err *err)
{
    struct control *control;
    int rc = control_attach_reader(dir->fd, 0, &control, err);
    if (rc < 0)
        return rc;
    if (control_fingerprint(control) != plan->fingerprint ||
        control_task_count(control) != plan->task_count)
        rc = explain_plan(dir, options, err);
    else
        rc = check_text(dir, plan, control, options, err);
    if (rc == 0)
        rc = check_running(dir, plan, control, err);
    control_detach(control);
    return rc;
}

int job_resume_text(const struct jobdir *dir, const struct plan *plan, struct job_options *options,
                    bool *changed, struct err *err)
{
    struct job left = {.dir = *dir};
    *changed = false;
    int rc = job_text_read(&left, err);
    if (rc == 0) {
        struct job_options now = *options;
        // The arenas are as they are, and know how much of which file they have written.
        now.state_bytes = options->state_bytes = left.options.state_bytes;
        now.dead_letter_dir = left.options.dead_letter_dir;
        now.is_restored = left.options.is_restored;
        *changed = !job_text_is_same(&left.options, &now);
        if (*changed)
            rc = job_text_write(dir, plan->fingerprint, &now, err);
    }
    buf_fini(&left.text);
    return rc;
}
