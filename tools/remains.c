// remains.c: see remains.h.
#include "tools/remains.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/control.h"
#include "shm/sweep.h"
#include "stages/checkpoint/store.h"
#include "tools/job_memory.h"

enum { REPLACE_MS = 5000 };

static bool is_quiet(const struct remains_context *c)
{
    return c->arguments->quiet;
}

// --- what is said ---

void remains_complain(const struct remains_context *c, const char *why)
{
    if (!c->arguments->json) {
        fprintf(stderr, "weir: THE MEMORY OF %s CANNOT BE USED: %s\n", c->load->config->job, why);
        return;
    }
    struct buf line = {0};
    buf_append_str(&line, "{\"event\":\"memory-lost\",\"text\":");
    buf_append_json_string(&line, slice_of(why));
    fprintf(stderr, "%s}\n", buf_str(&line));
    buf_fini(&line);
}

static void say_cleared(const struct remains_context *c, int ended)
{
    if (is_quiet(c))
        return;
    if (c->arguments->json)
        fprintf(stderr, "{\"event\":\"cleared\",\"tasks_ended\":%d}\n", ended);
    else
        fprintf(
            stderr,
            "weir: an earlier run of %s was killed; ended %d task%s that it left and cleared its "
            "memory\n",
            c->load->config->job, ended, ended == 1 ? "" : "s");
}

static void say_goes_on(const struct remains_context *c, int living, bool is_ending)
{
    int count = c->load->plan->task_count;
    if (is_quiet(c))
        return;
    if (c->arguments->json) {
        fprintf(stderr, "{\"event\":\"resumed\",\"adopted\":%d,\"started\":%d,\"ending\":%s}\n",
                living, count - living, is_ending ? "true" : "false");
        return;
    }
    if (c->arguments->lock_fd && living == count)
        fprintf(stderr, "weir: the supervisor of %s is weir %s now; its %d task%s run%s on",
                c->load->config->job, WEIR_VERSION, count, count == 1 ? "" : "s",
                count == 1 ? "s" : "");
    else if (living == count)
        fprintf(stderr,
                "weir: an earlier run of %s was killed; its %d task%s run%s on under this one",
                c->load->config->job, count, count == 1 ? "" : "s", count == 1 ? "s" : "");
    else if (living == 0)
        fprintf(stderr, "weir: an earlier run of %s was killed; going on from memory",
                c->load->config->job);
    else
        fprintf(stderr,
                "weir: an earlier run of %s was killed; %d of its %d tasks run on under this one, "
                "the others go on from memory",
                c->load->config->job, living, count);
    fputs(is_ending ? ", to end what it was ending\n" : "\n", stderr);
}

// --- looking ---

int remains_clear(const struct remains_context *c, int *ended, struct err *err)
{
    int code = sweep_tasks(c->dir, ended, err);
    return code ? code : jobdir_clear(c->dir, err);
}

static int clear(const struct remains_context *c, struct err *err)
{
    int ended = 0;
    if (remains_clear(c, &ended, err))
        return COMMAND_UNAVAILABLE;
    say_cleared(c, ended);
    return COMMAND_OK;
}

// Every task had handled all its input; what is left to do is done from the disk.
static bool is_finished(const struct remains_context *c)
{
    struct store store;
    struct err ignored;
    return c->settings->interval_ms > 0 &&
           store_open(env_system(), c->settings->dir, c->load->config->job, &store, &ignored) ==
               0 &&
           store_is_finished(&store);
}

// A stop goes through the whole of a job, and what it leaves is on disk.
static bool is_ending(const struct remains_context *c)
{
    struct control *control;
    bool is = false;
    if (control_attach_reader(c->dir->fd, c->load->plan->fingerprint, &control, NULL))
        return true;
    for (int task = 0; task < c->load->plan->task_count; task++)
        for (int request = 0; request < CONTROL_REQUEST_COUNT; request++)
            is |= control_was_asked(control, task, (enum control_request)request);
    control_detach(control);
    return is;
}

// Is there a region that has lost nothing, and a checkpoint for the others to go back to?
static bool goes_on_in_part(const struct remains_context *c, const bool *lost)
{
    const struct plan *plan = c->load->plan;
    int *regions = job_regions(plan);
    bool *hurt = calloc((size_t)plan->task_count, sizeof *hurt); // a region's number is a task's
    bool any = false, all = true;
    CHECK(hurt);
    for (int task = 0; task < plan->task_count; task++) {
        hurt[regions[task]] |= lost[task];
        any |= lost[task];
    }
    for (int task = 0; task < plan->task_count; task++)
        all &= hurt[regions[task]];
    free(hurt);
    free(regions);
    return any && !all && c->settings->interval_ms > 0 && !is_ending(c);
}

// COMMAND_OK, and whether it goes on; or it is cleared.
static int look_at_losses(const struct remains_context *c, bool *goes_on,
                          struct remains_losses *losses, struct err *err)
{
    *goes_on = goes_on_in_part(c, losses->tasks);
    if (*goes_on) {
        losses->why = *err;
        return COMMAND_OK;
    }
    remains_complain(c, err->text);
    return clear(c, err);
}

int remains_look(const struct remains_context *c, bool *goes_on, struct remains_losses *losses,
                 struct err *err)
{
    struct job_options options = job_memory_options(c->load);
    *goes_on = false;
    losses->tasks = calloc((size_t)c->load->plan->task_count, sizeof *losses->tasks);
    CHECK(losses->tasks);
    if (c->arguments->fresh || c->arguments->from || c->arguments->savepoint || is_finished(c))
        return clear(c, err);
    options.checkpoint_dir = c->settings->interval_ms > 0 ? c->settings->dir : "";
    switch (job_resume_check(c->dir, c->load->plan, &options, losses->tasks, err)) {
    case 0:
        *goes_on = true;
        return COMMAND_OK;
    case -ENOENT:
        return clear(c, err);
    case -ESTALE: // what fits of it goes on from the newest checkpoint
        if (c->arguments->allow_new_state && c->settings->interval_ms > 0)
            return clear(c, err);
        return COMMAND_CONFIG;
    case -EINVAL:
        return COMMAND_CONFIG;
    default:
        return look_at_losses(c, goes_on, losses, err);
    }
}

// --- taking over ---

static bool prints(const struct stage *stage)
{
    const struct op *last = stage->ops[stage->op_count - 1];
    return last->kind == OP_SINK && strcmp(last->table->connector, "print") == 0;
}

// Is descriptor `fd` of the process the same file as ours?
static bool has_our_file(pid_t pid, int fd)
{
    char path[64];
    struct stat own, other;
    snprintf(path, sizeof(path), "/proc/%d/fd/%d", (int)pid, fd);
    return fstat(fd, &own) == 0 && stat(path, &other) == 0 && own.st_dev == other.st_dev &&
           own.st_ino == other.st_ino;
}

// A task that prints does so where the run that started it was called. Who calls weir run now wants
// to see the lines here.
static int replace_printers(const struct remains_context *c, const struct control *control)
{
    const struct plan *plan = c->load->plan;
    for (int task = 0; task < plan->task_count; task++) {
        struct control_view view;
        int subtask;
        control_view(control, task, &view);
        if (!prints(plan_stage_of(plan, task, &subtask)) || !process_alive(view.process) ||
            (has_our_file(view.process.pid, STDOUT_FILENO) &&
             has_our_file(view.process.pid, STDERR_FILENO)))
            continue;
        int rc = process_kill(view.process, REPLACE_MS);
        if (rc < 0 && rc != -ESRCH)
            return rc;
    }
    return 0;
}

int remains_prepare(const struct remains_context *c, struct job_options *options, struct err *err)
{
    struct control *control;
    bool changed, is_ending = false;
    int living = 0;
    int rc = job_resume_text(c->dir, c->load->plan, options, &changed, err);
    if (rc == 0)
        rc = job_resume_latency(c->dir, c->load->plan, err);
    if (rc == 0 && changed)
        rc = sweep_tasks(c->dir, NULL, err);
    if (rc == 0)
        rc = control_attach_reader(c->dir->fd, c->load->plan->fingerprint, &control, err);
    if (rc < 0)
        return rc;
    rc = replace_printers(c, control);
    if (rc < 0)
        err_set(err, rc, "a task that prints cannot be ended: %s", strerror(-rc));
    for (int task = 0; task < c->load->plan->task_count; task++) {
        struct control_view view;
        control_view(control, task, &view);
        living += process_alive(view.process);
        is_ending |= control_was_asked(control, task, CONTROL_STOP) ||
                     control_was_asked(control, task, CONTROL_CANCEL) ||
                     control_was_asked(control, task, CONTROL_DRAIN);
    }
    control_detach(control);
    if (rc == 0)
        say_goes_on(c, living, is_ending);
    return rc;
}
