// pin_live.c: `weir pin` and a running job: looking at its traffic, and moving its tasks.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "shm/budget.h"
#include "stages/placement/observe.h"
#include "stages/runtime/job.h"
#include "tools/pin.h"

// --- looking at it ---

struct search {
    const char *job;
    char path[JOBDIR_PATH_BYTES];
};

static int find_job(const struct jobdir_entry *entry, void *context)
{
    struct search *search = context;
    if (strcmp(entry->job, search->job) != 0 || entry->segment_count == 0)
        return 0;
    snprintf(search->path, sizeof search->path, "%s", entry->path);
    return 1;
}

static int refuse_observing(const struct pin *pin, struct err *err)
{
    err_prefix(err, -ESRCH, "job %s cannot be observed", pin->load.config->job);
    err_append(err, -ESRCH, "start it: weir run %s%s", pin->options->path,
               pin->options->apply
                   ? ""
                   : "; or leave --observe out: then the traffic is a model of the plan");
    return COMMAND_UNAVAILABLE;
}

// The folder of the job and all in it; -ESRCH: it does not run.
static int attach(const struct pin *pin, struct job *job, struct err *err)
{
    struct search search = {.job = pin->load.config->job};
    int rc = jobdir_list(pin->load.config->memory.dir, find_job, &search, err);
    if (rc == 0 && !search.path[0])
        return err_set(err, -ESRCH, "it does not run");
    return rc < 0 ? rc : job_attach(search.path, job, err);
}

int pin_observe(struct pin *pin, struct err *err)
{
    struct job job;
    if (attach(pin, &job, err))
        return refuse_observing(pin, err);
    pin->cores = job.options.cores;
    int status = pin_plan_for(pin, pin->cores, &pin->plan, err);
    if (status == COMMAND_OK && pin->plan->fingerprint != job.plan->fingerprint) {
        err_set(err, -ESTALE,
                "job %s runs with another script than %s: run it anew, or leave --observe out",
                pin->load.config->job, pin->load.config->sql);
        status = COMMAND_CONFIG;
    }
    if (status == COMMAND_OK && traffic_observe(&job, pin->options->observe_ms, &pin->traffic, err))
        status = refuse_observing(pin, err);
    job_detach(&job);
    return status;
}

// --- moving it ---

static double cores_used(const struct traffic *traffic)
{
    int64_t sum = 0;
    for (int t = 0; t < traffic->task_count; t++)
        sum += traffic->tasks[t].share;
    return (double)sum / TRAFFIC_WHOLE_CORE;
}

// What the job does now that its tasks are elsewhere, for as long as it was looked at before.
static int look_again(struct pin *pin, struct err *err)
{
    struct job job;
    int rc = attach(pin, &job, err);
    if (rc < 0)
        return rc;
    rc = traffic_observe(&job, pin->options->observe_ms, &pin->after, err);
    job_detach(&job);
    return rc;
}

int pin_move(struct pin *pin, struct err *err)
{
    const int count = pin->plan->task_count;
    int *cpus = calloc((size_t)count + 1, sizeof(int));
    pin->applied = calloc((size_t)count + 1, sizeof *pin->applied);
    CHECK(cpus && pin->applied);
    for (int t = 0; t < count; t++)
        cpus[t] = pin_core(pin, t);
    int rc = pin_apply(pin->load.config, cpus, count, pin->applied, err);
    free(cpus);
    if (rc < 0) {
        free(pin->applied);
        pin->applied = NULL;
        return rc == -EINTR || rc == -ECANCELED ? COMMAND_FAILED : COMMAND_UNAVAILABLE;
    }
    if (look_again(pin, err) == 0)
        return COMMAND_OK;
    err_prefix(err, -ESRCH, "the tasks were moved, but what that gained is not known");
    return COMMAND_FAILED;
}

static void put_gain(const struct traffic *before, const struct traffic *after, struct buf *out)
{
    buf_printf(out, "rows/s in:   %lld before, %lld after", (long long)before->rows_in_s,
               (long long)after->rows_in_s);
    if (before->rows_in_s > 0)
        buf_printf(out, " (%.2f times as many)",
                   (double)after->rows_in_s / (double)before->rows_in_s);
    buf_printf(out, "\ncores busy:  %.2f before, %.2f after\n", cores_used(before),
               cores_used(after));
    if (before->markers && after->markers)
        buf_printf(out,
                   "latency:     p50 %.1f us before, %.1f us after; p99.99 %.1f us before, %.1f us "
                   "after (%lld and %lld markers)\n",
                   (double)before->p50_ns / 1e3, (double)after->p50_ns / 1e3,
                   (double)before->p9999_ns / 1e3, (double)after->p9999_ns / 1e3,
                   (long long)before->markers, (long long)after->markers);
    buf_printf(out, "each looked at for %.1f s; what lies within some percent may be chance\n",
               after->seconds);
}

void pin_print_moved(const struct pin *pin, struct buf *out)
{
    uint64_t bytes = 0, left = 0;
    int moved = 0;
    char a[32], b[32];
    for (int t = 0; t < pin->plan->task_count; t++) {
        const struct pin_applied *task = &pin->applied[t];
        moved += task->cpu_before != task->cpu;
        bytes += task->bytes_moved;
        left += task->bytes_left;
    }
    buf_printf(out, "applied: %d of %d tasks have another core now; memory moved: %s", moved,
               pin->plan->task_count, budget_format_bytes(bytes, a));
    if (left)
        buf_printf(out, ", left where it was: %s", budget_format_bytes(left, b));
    buf_append_char(out, '\n');
    for (int t = 0; t < pin->plan->task_count; t++)
        if (pin->applied[t].why[0])
            buf_printf(out, "task %d: %s\n", t, pin->applied[t].why);
    if (pin->after.task_count)
        put_gain(&pin->traffic, &pin->after, out);
}
