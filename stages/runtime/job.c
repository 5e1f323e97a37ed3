// job.c: sizing and making a job's segments; reading its text back in a task.
#include "stages/runtime/job.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/state/arena.h"
#include "shm/control.h"
#include "shm/errlog.h"
#include "shm/latency.h"
#include "shm/owner.h"
#include "shm/ring.h"
#include "shm/segment.h"
#include "stages/runtime/chain.h"
#include "stages/runtime/job_place.h"
#include "stages/runtime/job_text.h"
#include "stages/runtime/operator.h"

#define STATE_DEFAULT_BYTES (UINT64_C(64) << 20)
#define RING_DEFAULT_BYTES  (UINT64_C(1) << 20)

void job_arena_name(int task, char out[64])
{
    snprintf(out, 64, "arena-%d", task);
}

void job_ring_name(int exchange, int from, int to, char out[64])
{
    snprintf(out, 64, "ring-%d-%d-%d", exchange, from, to);
}

bool job_has_channel(const struct plan *plan, int exchange, int from, int to)
{
    const struct exchange *e = &plan->exchanges[exchange];
    if (from >= plan->stages[e->from_stage].parallelism ||
        to >= plan->stages[e->to_stage].parallelism)
        return false;
    return e->kind != EXCHANGE_FORWARD || from == to;
}

void job_task_name(const struct plan *plan, int task, char *out)
{
    int subtask;
    const struct stage *stage = plan_stage_of(plan, task, &subtask);
    if (stage->parallelism == 1)
        snprintf(out, JOB_NAME_BYTES, "%s", stage->name);
    else
        snprintf(out, JOB_NAME_BYTES, "%.45s [%d/%d]", stage->name, subtask + 1,
                 stage->parallelism);
}

uint64_t job_state_bytes(const struct job_options *options)
{
    uint64_t bytes = options->state_bytes ? options->state_bytes : STATE_DEFAULT_BYTES;
    return (bytes + 4095) & ~UINT64_C(4095);
}

static uint64_t ring_bytes(const struct job_options *options)
{
    return options->ring_bytes ? options->ring_bytes : RING_DEFAULT_BYTES;
}

static uint64_t channel_count(const struct plan *plan)
{
    uint64_t count = 0;
    for (int e = 0; e < plan->exchange_count; e++)
        for (int from = 0; from < plan->stages[plan->exchanges[e].from_stage].parallelism; from++)
            for (int to = 0; to < plan->stages[plan->exchanges[e].to_stage].parallelism; to++)
                count += job_has_channel(plan, e, from, to);
    return count;
}

uint64_t job_memory_bytes(const struct plan *plan, const struct job_options *options,
                          const struct huge *huge)
{
    enum { TEXT_ROOM = 65536 };
    uint64_t tasks = (uint64_t)plan->task_count;
    return huge_file_bytes(huge, control_segment_bytes(plan->task_count)) +
           huge_file_bytes(huge, errlog_segment_bytes(plan->task_count)) +
           huge_file_bytes(huge, latency_segment_bytes(plan->task_count)) +
           tasks * huge_file_bytes(huge, job_state_bytes(options) + SEGMENT_PAGE_BYTES) +
           channel_count(plan) * huge_file_bytes(huge, ring_file_bytes(ring_bytes(options))) +
           huge_file_bytes(huge, options->sql.len + TEXT_ROOM);
}

static int claim_arena(void *context, uint64_t from, uint64_t to)
{
    return segment_claim(context, SEGMENT_PAGE_BYTES + from, to - from, NULL);
}

static int create_arena(const struct jobdir *dir, const struct plan *plan, int task,
                        const struct job_options *job, struct err *err)
{
    char name[64];
    const uint64_t bytes = job_state_bytes(job);
    const struct place place = job_place_of(job, task);
    void *base;
    struct segment segment = {.fd = -1};
    const struct arena_options options = {
        .fingerprint = plan->fingerprint, .claim = claim_arena, .claim_context = &segment};
    job_arena_name(task, name);
    const struct segment_spec spec = {dir->fd, name, "arena", ARENA_VERSION, plan->fingerprint};
    const struct segment_range range = {SEGMENT_PAGE_BYTES, bytes, true, false};
    int rc = segment_create_at(&spec, SEGMENT_PAGE_BYTES + bytes, &place, &segment, err);
    if (rc < 0)
        return rc;
    rc = segment_map(&segment, &range, &base, err);
    if (rc < 0)
        goto err_after_create;
    rc = arena_format(base, bytes, &options, err);
    if (rc == 0)
        rc = owner_init(arena_owner(base));
    segment_unmap(base, bytes);
err_after_create:
    segment_close(&segment);
    return rc;
}

// The rings of some tasks, one after the other.
struct rings {
    const struct jobdir *dir;
    const struct plan *plan;
    const bool *tasks;                 // that write to them; NULL: all
    const struct job_options *options; // NULL: they are not made
    int (*visit)(const struct rings *rings, const char *name, int reader, struct err *err);
};

static int create_ring(const struct rings *rings, const char *name, int reader, struct err *err)
{
    const struct jobdir *dir = rings->dir;
    const uint64_t bytes = ring_bytes(rings->options);
    const struct place place = job_place_of(rings->options, reader);
    int fd = openat(dir->fd, name, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    if (fd < 0)
        return err_set(err, -errno, "cannot make %s/%s: %s", dir->path, name, strerror(errno));
    place_prefer(&place, fd, ring_file_bytes(bytes), NULL); // a wish
    int rc = ring_create(fd, bytes, rings->plan->fingerprint, err);
    close(fd);
    return rc;
}

int job_ring_open(const struct jobdir *dir, const char *name, struct err *err)
{
    int fd = openat(dir->fd, name, O_RDWR | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return err_set(err, -errno, "cannot open %s/%s: %s", dir->path, name,
                       segment_explain(errno));
    int rc = segment_file_check(fd, name, err);
    if (rc < 0)
        close(fd);
    return rc < 0 ? rc : fd;
}

static int visit_rings(const struct rings *rings, struct err *err)
{
    char name[64];
    const struct plan *plan = rings->plan;
    for (int e = 0; e < plan->exchange_count; e++) {
        const struct stage *writers = &plan->stages[plan->exchanges[e].from_stage];
        const int readers = plan->stages[plan->exchanges[e].to_stage].parallelism;
        for (int i = 0; i < writers->parallelism * readers; i++) {
            int from = i / readers, to = i % readers;
            if (!job_has_channel(plan, e, from, to) ||
                (rings->tasks && !rings->tasks[writers->first_task + from]))
                continue;
            job_ring_name(e, from, to, name);
            int rc = rings->visit(rings, name, job_reader_of(plan, e, to), err);
            if (rc < 0)
                return rc;
        }
    }
    return 0;
}

static int remove_ring(const struct rings *rings, const char *name, int reader, struct err *err)
{
    (void)reader;
    return jobdir_remove_name(rings->dir, name, err);
}

int job_create_tasks(const struct jobdir *dir, const struct plan *plan,
                     const struct job_options *options, const bool *tasks, struct err *err)
{
    const struct rings rings = {dir, plan, tasks, options, create_ring};
    int rc = 0;
    for (int task = 0; task < plan->task_count && rc == 0; task++)
        if (!tasks || tasks[task])
            rc = create_arena(dir, plan, task, options, err);
    return rc < 0 ? rc : visit_rings(&rings, err);
}

int job_remove_tasks(const struct jobdir *dir, const struct plan *plan, const bool *tasks,
                     struct err *err)
{
    const struct rings rings = {dir, plan, tasks, NULL, remove_ring};
    char name[64];
    int rc = 0;
    for (int task = 0; task < plan->task_count && rc == 0; task++) {
        job_arena_name(task, name);
        if (!tasks || tasks[task])
            rc = jobdir_remove_name(dir, name, err);
    }
    return rc < 0 ? rc : visit_rings(&rings, err);
}

int job_create(const struct jobdir *dir, const struct plan *plan, const struct job_options *options,
               struct err *err)
{
    CHECK(plan->task_count > 0 && plan->task_count <= CONTROL_TASKS_MAX);
    int rc = job_text_write(dir, plan->fingerprint, options, err);
    if (rc == 0)
        rc = job_create_tasks(dir, plan, options, NULL, err);
    if (rc == 0)
        rc = errlog_create(dir->fd, plan->fingerprint, plan->task_count, err);
    if (rc == 0)
        rc = job_latency_create(dir, plan, err);
    if (rc < 0)
        return rc;
    char(*texts)[JOB_NAME_BYTES] = calloc((size_t)plan->task_count, sizeof *texts);
    const char **names = calloc((size_t)plan->task_count, sizeof(char *));
    CHECK(texts && names);
    for (int task = 0; task < plan->task_count; task++) {
        job_task_name(plan, task, texts[task]);
        names[task] = texts[task];
    }
    rc = control_create(dir->fd, plan->fingerprint, names, plan->task_count, err);
    free(names);
    free(texts);
    return rc;
}

int job_attach(const char *path, struct job *job, struct err *err)
{
    *job = (struct job){0};
    int rc = jobdir_attach(path, &job->dir, err);
    if (rc < 0)
        return rc;
    rc = job_text_read(job, err);
    if (rc < 0)
        goto err_after_attach;
    const struct plan_settings settings = {job->options.sql_file, job->options.sql,
                                           job->options.cores};
    rc = plan_make(&settings, &job->plan, err);
    if (rc == 0)
        return 0;
err_after_attach:
    buf_fini(&job->text);
    jobdir_close(&job->dir);
    return rc;
}

void job_detach(struct job *job)
{
    if (job->plan)
        plan_free(job->plan);
    buf_fini(&job->text);
    jobdir_close(&job->dir);
}
