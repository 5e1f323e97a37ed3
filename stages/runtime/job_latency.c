// job_latency.c: the segment of a job's latencies (shm/latency.h), as its plan has the paths.
#include <stdlib.h>

#include "core/base/check.h"
#include "shm/latency.h"
#include "stages/runtime/job.h"
#include "stages/runtime/job_resume.h"

static const struct stage *in_front_of(const struct plan *plan, const struct stage *stage)
{
    return &plan->stages[plan->exchanges[stage->input_exchange].from_stage];
}

// A source's own path ends where it begins: how long its rows take until they are committed.
static struct latency_names names_of(const struct plan *plan, const struct stage *stage)
{
    struct latency_names names = {{NULL}};
    if (stage->input_exchange >= 0)
        names.from[LATENCY_LAST_HOP] = in_front_of(plan, stage)->name;
    while (stage->input_exchange >= 0)
        stage = in_front_of(plan, stage);
    names.from[LATENCY_FROM_SOURCE] = stage->name;
    return names;
}

int job_latency_create(const struct jobdir *dir, const struct plan *plan, struct err *err)
{
    struct latency_names *names = calloc((size_t)plan->task_count, sizeof *names);
    CHECK(names);
    for (int task = 0, subtask; task < plan->task_count; task++)
        names[task] = names_of(plan, plan_stage_of(plan, task, &subtask));
    int rc = latency_create(dir->fd, plan->fingerprint, names, plan->task_count, err);
    free(names);
    return rc;
}

int job_resume_latency(const struct jobdir *dir, const struct plan *plan, struct err *err)
{
    struct latency *latency = NULL;
    int rc = latency_attach(dir->fd, plan->fingerprint, -1, &latency, err);
    bool fits = rc == 0 && latency_task_count(latency) == plan->task_count;
    latency_detach(latency);
    if (fits)
        return 0;
    rc = jobdir_remove_name(dir, "latency", err);
    return rc < 0 ? rc : job_latency_create(dir, plan, err);
}
