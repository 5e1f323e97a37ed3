// watch.c: see watch.h. What is read may change or go away at any moment: the job's end removes its
// folder, a new run puts another job there.
#include "tools/watch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "shm/huge.h"
#include "shm/ring.h"

static const int64_t NS_PER_SECOND = INT64_C(1000000000);

// --- processes ---

// user and system time, and the core, are fields 14, 15 and 39 of /proc/PID/stat.
static void parse_stat(const char *text, struct watch_process *out)
{
    enum { FIRST = 3, USER = 14, SYSTEM = 15, RESIDENT = 24, CORE = 39 };
    const int64_t tick_ns = NS_PER_SECOND / sysconf(_SC_CLK_TCK);
    const char *p = strrchr(text, ')'); // the command before it may hold anything
    if (!p)
        return;
    for (int field = FIRST; field <= CORE && (p = strchr(p, ' ')); field++) {
        p++;
        if (field == USER || field == SYSTEM)
            out->cpu_ns += strtoll(p, NULL, 10) * tick_ns;
        if (field == RESIDENT)
            out->resident_bytes = strtoull(p, NULL, 10) * (uint64_t)sysconf(_SC_PAGESIZE);
        if (field == CORE)
            out->core = (int)strtol(p, NULL, 10);
    }
}

static struct watch_process look_at_process(struct process_id id)
{
    struct watch_process out = {.core = -1};
    char path[64], text[1024];
    out.is_alive = process_alive(id);
    if (!out.is_alive)
        return out;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)id.pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (len > 0) {
        text[len] = '\0';
        parse_stat(text, &out);
    }
    return out;
}

// --- rings ---

// -1: it cannot be told.
static double ring_fill(int dir_fd, uint64_t fingerprint, const char *name)
{
    struct ring_level level;
    int fd = openat(dir_fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    int rc = fd < 0 ? -errno : ring_look(fd, fingerprint, &level, NULL);
    if (fd >= 0)
        close(fd);
    if (rc < 0)
        return -1;
    const uint64_t filled = level.tail - level.head; // it may have moved on in between
    return filled < level.capacity ? (double)filled / (double)level.capacity : 1;
}

static void note_fill(double *fill, double other)
{
    *fill = other > *fill ? other : *fill;
}

static void look_at_exchange(const struct plan *plan, int dir_fd, int e, struct watch_sample *out)
{
    const struct stage *from = &plan->stages[plan->exchanges[e].from_stage];
    const struct stage *to = &plan->stages[plan->exchanges[e].to_stage];
    for (int i = 0; i < from->parallelism; i++)
        for (int j = 0; j < to->parallelism; j++) {
            char name[64];
            if (!job_has_channel(plan, e, i, j))
                continue;
            job_ring_name(e, i, j, name);
            const double fill = ring_fill(dir_fd, plan->fingerprint, name);
            note_fill(&out->tasks[from->first_task + i].output_fill, fill);
            note_fill(&out->tasks[to->first_task + j].input_fill, fill);
        }
}

static void look_at_plan(const struct plan *plan, int dir_fd, struct watch_sample *out)
{
    for (int e = 0; e < plan->exchange_count; e++)
        look_at_exchange(plan, dir_fd, e, out);
    for (int task = 0, subtask; task < out->task_count; task++) {
        const struct stage *stage = plan_stage_of(plan, task, &subtask);
        out->tasks[task].is_source = stage->input_exchange < 0;
        out->tasks[task].is_sink = stage->output_exchange < 0;
    }
}

// Who has nobody in front is a source; who ends with a sink nobody can tell without the plan.
static void guess_sources(struct watch_sample *out)
{
    for (int i = 0; i < out->task_count; i++)
        out->tasks[i].is_source = out->tasks[i].paths[LATENCY_FROM_SOURCE].is_there &&
                                  !out->tasks[i].paths[LATENCY_LAST_HOP].is_there;
}

// --- a job ---

static void look_at_memory(int dir_fd, struct watch_sample *out)
{
    int fd = openat(dir_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    DIR *dir = fd < 0 ? NULL : fdopendir(fd);
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry; entry = readdir(dir)) {
        struct stat st;
        if (fstatat(dir_fd, entry->d_name, &st, AT_SYMLINK_NOFOLLOW) < 0 || !S_ISREG(st.st_mode))
            continue;
        const struct huge huge = {.page_bytes = huge_page_bytes(&st)};
        const uint64_t held = (uint64_t)st.st_blocks * 512;
        const uint64_t size = huge_file_bytes(&huge, (uint64_t)st.st_size);
        out->held_bytes += held;
        out->promised_bytes += size > held ? size : held;
    }
    if (dir)
        closedir(dir);
}

static void look_at_spares(const struct control *control, int index, struct watch_task *out)
{
    for (int i = 0; i < CONTROL_SPARES_MAX; i++) {
        struct control_spare spare;
        control_view_spare(control, index, i, &spare);
        if (spare.state == CONTROL_SPARE_NONE || !process_alive(spare.process))
            continue;
        out->spares++;
        out->spares_ready += spare.state == CONTROL_SPARE_READY;
    }
}

static void look_at_latency(const struct latency *latency, int index, struct watch_sample *sample)
{
    struct watch_task *out = &sample->tasks[index];
    for (int path = 0; path < LATENCY_PATH_COUNT; path++)
        out->paths[path].is_there = latency_read(latency, index, (enum latency_path)path,
                                                 sample->taken_ns, &out->paths[path].view);
    out->markers_made = latency_made(latency, index);
    out->markers_lost = latency_lost(latency, index);
}

static bool is_time(int64_t ms)
{
    return ms != INT64_MIN && ms != INT64_MAX;
}

static void look_at_tasks(const struct control *control, const struct latency *latency,
                          struct watch_sample *out)
{
    for (int i = 0; i < out->task_count; i++) {
        struct watch_task *task = &out->tasks[i];
        for (int path = 0; path < LATENCY_PATH_COUNT; path++)
            latency_view_init(&task->paths[path].view);
        control_view(control, i, &task->view);
        control_read_snapshot(control, i, &task->snapshot);
        task->process = look_at_process(task->view.process);
        task->input_fill = task->output_fill = -1;
        look_at_spares(control, i, task);
        if (latency)
            look_at_latency(latency, i, out);
        const int64_t newest_ms = task->view.counters[CONTROL_MAX_EVENT_MS];
        out->newest_ms = newest_ms > out->newest_ms ? newest_ms : out->newest_ms;
    }
    for (int i = 0; i < out->task_count; i++) {
        const int64_t watermark_ms = out->tasks[i].view.counters[CONTROL_WATERMARK_MS];
        const bool is_known = is_time(watermark_ms) && is_time(out->newest_ms);
        int64_t lag_ms;
        if (!is_known || __builtin_sub_overflow(out->newest_ms, watermark_ms, &lag_ms))
            lag_ms = INT64_MIN;
        out->tasks[i].lag_ms = lag_ms;
    }
}

// All snapshots of the complete checkpoint are told by their tasks until the next one begins.
static void look_at_checkpoint(const struct control *control, struct watch *watch,
                               struct watch_sample *out)
{
    struct watch_checkpoint now = {.wanted = control_wanted_checkpoint(control),
                                   .complete = control_complete_checkpoint(control)};
    bool is_known = now.complete > 0;
    for (int i = 0; i < out->task_count && is_known; i++) {
        const struct control_snapshot *snapshot = &out->tasks[i].snapshot;
        const int64_t ns = snapshot->align_ns + snapshot->duration_ns;
        is_known =
            snapshot->status == CONTROL_SNAPSHOT_DONE && snapshot->checkpoint == now.complete;
        now.duration_ns = ns > now.duration_ns ? ns : now.duration_ns;
        now.bytes += snapshot->file_bytes;
    }
    if (is_known) {
        now.is_known = true;
        watch->last = now;
    } else if (watch->last.is_known && watch->last.complete == now.complete) {
        now.is_known = true;
        now.duration_ns = watch->last.duration_ns;
        now.bytes = watch->last.bytes;
    }
    out->checkpoint = now;
}

// The job's plan, made again when another job is there. Where it cannot be made (another program's)
// the rest is told all the same.
static const struct plan *plan_of(struct watch *watch, uint64_t fingerprint, int task_count)
{
    if (!watch->job.plan || watch->fingerprint != fingerprint) {
        if (watch->job.plan)
            job_detach(&watch->job);
        watch->job.plan = NULL;
        watch->fingerprint = fingerprint;
        if (job_attach(watch->path, &watch->job, NULL) < 0)
            watch->job.plan = NULL;
    }
    const struct plan *plan = watch->job.plan;
    return plan && plan->fingerprint == fingerprint && plan->task_count == task_count ? plan : NULL;
}

static struct watch_sample *look(struct watch *watch, const struct jobdir *dir,
                                 const struct control *control)
{
    struct watch_sample *out = calloc(1, sizeof *out);
    struct latency *latency = NULL;
    struct env *env = env_system();
    CHECK(out);
    out->task_count = control_task_count(control);
    out->tasks = calloc((size_t)out->task_count, sizeof *out->tasks);
    CHECK(out->tasks);
    snprintf(out->job, sizeof out->job, "%s", dir->job);
    out->newest_ms = INT64_MIN;
    out->supervisor = control_supervisor(control);
    out->is_supervised = process_alive(out->supervisor);
    latency_attach(dir->fd, control_fingerprint(control), -1, &latency, NULL);
    out->taken_ns = env->monotonic_ns(env);
    out->taken_ms = env->realtime_ms(env);
    look_at_tasks(control, latency, out);
    latency_detach(latency);
    look_at_checkpoint(control, watch, out);
    look_at_memory(dir->fd, out);
    const struct plan *plan = plan_of(watch, control_fingerprint(control), out->task_count);
    if (plan)
        look_at_plan(plan, dir->fd, out);
    else
        guess_sources(out);
    return out;
}

void watch_open(struct watch *watch, const char *path)
{
    *watch = (struct watch){.fingerprint = 0};
    snprintf(watch->path, sizeof watch->path, "%s", path);
}

void watch_close(struct watch *watch)
{
    if (watch->job.plan)
        job_detach(&watch->job);
    watch->job.plan = NULL;
}

int watch_look(struct watch *watch, struct watch_sample **out, struct err *err)
{
    struct jobdir dir;
    struct control *control;
    *out = NULL;
    if (access(watch->path, F_OK) < 0 && errno == ENOENT)
        return err_set(err, -ENOENT, "there is no job at %s", watch->path);
    int rc = jobdir_attach(watch->path, &dir, err);
    if (rc < 0)
        return rc;
    rc = control_attach_reader(dir.fd, 0, &control, err);
    if (rc == 0) {
        *out = look(watch, &dir, control);
        control_detach(control);
    }
    jobdir_close(&dir);
    // A run that begins, or one that has just ended.
    return rc == -ENODATA ? -ENOENT : rc;
}

void watch_sample_free(struct watch_sample *sample)
{
    if (!sample)
        return;
    for (int i = 0; i < sample->task_count; i++)
        for (int path = 0; path < LATENCY_PATH_COUNT; path++)
            latency_view_fini(&sample->tasks[i].paths[path].view);
    free(sample->tasks);
    free(sample);
}

// --- what follows from samples ---

static double per_second(int64_t before, int64_t now, double seconds)
{
    return now >= before ? (double)(now - before) / seconds : NAN;
}

struct watch_rates watch_rates(const struct watch_sample *before, const struct watch_sample *now,
                               int task)
{
    struct watch_rates out = {NAN, NAN, NAN, NAN, NAN, NAN};
    if (!before || before->task_count != now->task_count || now->taken_ns <= before->taken_ns)
        return out;
    const struct watch_task *a = &before->tasks[task], *b = &now->tasks[task];
    const int64_t *from = a->view.counters, *to = b->view.counters;
    const double seconds = (double)(now->taken_ns - before->taken_ns) / (double)NS_PER_SECOND;
    out.rows_in = per_second(from[CONTROL_ROWS_IN], to[CONTROL_ROWS_IN], seconds);
    out.rows_out = per_second(from[CONTROL_ROWS_OUT], to[CONTROL_ROWS_OUT], seconds);
    out.bytes_in = per_second(from[CONTROL_BYTES_IN], to[CONTROL_BYTES_IN], seconds);
    out.bytes_out = per_second(from[CONTROL_BYTES_OUT], to[CONTROL_BYTES_OUT], seconds);
    if (a->view.process.pid != b->view.process.pid ||
        a->view.process.start_time != b->view.process.start_time)
        return out;
    if (b->process.is_alive)
        out.cpu = per_second(a->process.cpu_ns, b->process.cpu_ns, seconds * (double)NS_PER_SECOND);
    out.blocked = per_second(from[CONTROL_BLOCKED_NS], to[CONTROL_BLOCKED_NS],
                             seconds * (double)NS_PER_SECOND);
    out.blocked = out.blocked > 1 ? 1 : out.blocked; // a wait is told when it has ended
    return out;
}

int watch_living(const struct watch_sample *sample)
{
    int living = 0;
    for (int i = 0; i < sample->task_count; i++)
        living += sample->tasks[i].process.is_alive;
    return living;
}

const char *watch_state(const struct watch_sample *sample)
{
    if (sample->is_supervised)
        return "running";
    return watch_living(sample) ? "unsupervised" : "left";
}

const char *watch_task_state(const struct watch_task *task)
{
    const enum control_state state = task->view.state;
    bool runs = state == CONTROL_STARTING || state == CONTROL_RUNNING ||
                state == CONTROL_WAITING_INPUT || state == CONTROL_WAITING_OUTPUT;
    return runs && !task->process.is_alive ? "dead" : control_state_name(state);
}
