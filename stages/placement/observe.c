// observe.c: see observe.h. It only reads; a task that is replaced meanwhile counts from its
// successor on.
#include "stages/placement/observe.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/control.h"
#include "shm/latency.h"
#include "shm/ring.h"

struct task_sample {
    struct process_id process;
    int64_t cpu_ns, bytes_in, rows_in, commits;
    int64_t at_ns;
    int cpu;
};

struct sample {
    struct task_sample *tasks;
    uint64_t *tails; // of each channel
    int64_t *at_ns;  // when they were read
    int running;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

// --- processes ---

// Field `wanted` (from 1, as proc(5) counts, behind the name) of the task's own thread.
static int64_t stat_field(const char *text, int wanted)
{
    const char *p = strrchr(text, ')');
    for (int field = 2; p && *p && field < wanted; field++) {
        p = strchr(p + 1, ' ');
    }
    return p && *p ? strtoll(p, NULL, 10) : 0;
}

static void read_process(struct task_sample *sample)
{
    char path[96], text[1024];
    int pid = (int)sample->process.pid;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", pid, pid);
    FILE *file = fopen(path, "re");
    size_t len = file ? fread(text, 1, sizeof text - 1, file) : 0;
    if (file)
        fclose(file);
    text[len] = '\0';
    int64_t ticks = stat_field(text, 14) + stat_field(text, 15);
    sample->cpu_ns = ticks * (1000000000 / sysconf(_SC_CLK_TCK));
    sample->cpu = len ? (int)stat_field(text, 39) : -1;
    // To the nanosecond, where the kernel counts so.
    snprintf(path, sizeof path, "/proc/%d/task/%d/schedstat", pid, pid);
    file = fopen(path, "re");
    long long ns;
    if (file && fscanf(file, "%lld", &ns) == 1 && ns > 0)
        sample->cpu_ns = ns;
    if (file)
        fclose(file);
}

static void sample_tasks(const struct control *control, struct sample *out)
{
    out->running = 0;
    for (int t = 0; t < control_task_count(control); t++) {
        struct control_view view;
        control_view(control, t, &view);
        out->tasks[t] = (struct task_sample){.process = view.process,
                                             .bytes_in = view.counters[CONTROL_BYTES_IN],
                                             .rows_in = view.counters[CONTROL_ROWS_IN],
                                             .commits = view.counters[CONTROL_COMMITS],
                                             .at_ns = now_ns(),
                                             .cpu = -1};
        if (!process_alive(view.process))
            continue;
        out->running++;
        read_process(&out->tasks[t]);
    }
}

// --- rings ---

static int sample_ring(const struct job *job, const struct traffic *traffic, int c,
                       struct sample *out, struct err *err)
{
    const struct traffic_channel *channel = &traffic->channels[c];
    const struct exchange *exchange = &job->plan->exchanges[channel->exchange];
    char name[64];
    struct ring_level level = {0};
    job_ring_name(channel->exchange,
                  channel->from - job->plan->stages[exchange->from_stage].first_task,
                  channel->to - job->plan->stages[exchange->to_stage].first_task, name);
    int fd = job_ring_open(&job->dir, name, err);
    if (fd < 0)
        return fd;
    int rc = ring_look(fd, job->plan->fingerprint, &level, err);
    out->tails[c] = level.tail;
    out->at_ns[c] = now_ns();
    close(fd);
    return rc < 0 ? err_prefix(err, rc, "%s", name) : 0;
}

static int take_sample(const struct job *job, const struct control *control,
                       const struct traffic *traffic, struct sample *out, struct err *err)
{
    int rc = 0;
    sample_tasks(control, out);
    if (out->running == 0)
        return err_set(err, -ESRCH, "no task of the job runs");
    for (int c = 0; c < traffic->channel_count && rc == 0; c++)
        rc = sample_ring(job, traffic, c, out, err);
    return rc == -ENOENT ? err_set(err, -ESRCH, "the job has ended while it was looked at") : rc;
}

// --- latency ---

// What the last tasks of the plan have recorded so far; empty where there are no markers.
static struct histogram *read_latency(const struct job *job)
{
    struct latency *latency = NULL;
    struct latency_view view;
    struct histogram *all = histogram_new(LATENCY_TOTAL_DIGITS);
    latency_view_init(&view);
    if (latency_attach(job->dir.fd, job->plan->fingerprint, -1, &latency, NULL) == 0)
        for (int t = 0; t < latency_task_count(latency) && t < job->plan->task_count; t++) {
            int subtask;
            if (plan_stage_of(job->plan, t, &subtask)->output_exchange < 0 &&
                latency_read(latency, t, LATENCY_FROM_SOURCE, now_ns(), &view))
                histogram_add(all, view.total);
        }
    latency_detach(latency);
    latency_view_fini(&view);
    return all;
}

static void compare_latency(struct histogram *before, struct histogram *after, struct traffic *out)
{
    histogram_subtract(after, before);
    out->markers = (int64_t)histogram_total(after);
    out->p50_ns = histogram_percentile(after, 50);
    out->p9999_ns = histogram_percentile(after, 99.99);
}

// --- rates ---

static int64_t rate(int64_t before, int64_t after, int64_t ns)
{
    double grown = after > before ? (double)(after - before) : 0;
    return ns > 0 ? (int64_t)(grown * 1e9 / (double)ns + 0.5) : 0;
}

static void compare_tasks(const struct job *job, const struct sample *before,
                          const struct sample *after, struct traffic *out)
{
    for (int t = 0; t < out->task_count; t++) {
        const struct task_sample *a = &before->tasks[t], *b = &after->tasks[t];
        struct traffic_task *task = &out->tasks[t];
        int64_t ns = b->at_ns - a->at_ns;
        bool is_same = a->process.pid == b->process.pid;
        int64_t share = is_same ? rate(a->cpu_ns, b->cpu_ns, ns) / 1000 : 0;
        task->share = share > TRAFFIC_WHOLE_CORE ? TRAFFIC_WHOLE_CORE : share;
        task->cpu = b->cpu;
        if (job->plan->stages[task->stage].input_exchange >= 0)
            continue;
        task->source_bytes_s = rate(a->bytes_in, b->bytes_in, ns);
        out->rows_in_s += rate(a->rows_in, b->rows_in, ns);
    }
}

static void compare(const struct job *job, const struct sample *before, const struct sample *after,
                    struct traffic *out)
{
    compare_tasks(job, before, after, out);
    for (int c = 0; c < out->channel_count; c++) {
        struct traffic_channel *channel = &out->channels[c];
        const struct task_sample *a = &before->tasks[channel->from];
        const struct task_sample *b = &after->tasks[channel->from];
        channel->bytes_s = rate((int64_t)before->tails[c], (int64_t)after->tails[c],
                                after->at_ns[c] - before->at_ns[c]);
        if (channel->bytes_s)
            channel->frames_s = rate(a->commits, b->commits, b->at_ns - a->at_ns);
    }
}

static void open_sample(const struct traffic *traffic, struct sample *out)
{
    out->tasks = calloc((size_t)traffic->task_count + 1, sizeof *out->tasks);
    out->tails = calloc((size_t)traffic->channel_count + 1, sizeof *out->tails);
    out->at_ns = calloc((size_t)traffic->channel_count + 1, sizeof *out->at_ns);
    CHECK(out->tasks && out->tails && out->at_ns);
}

static void close_sample(struct sample *sample)
{
    free(sample->tasks);
    free(sample->tails);
    free(sample->at_ns);
}

static int observe(const struct job *job, const struct control *control, int64_t ms,
                   struct traffic *out, struct err *err)
{
    struct sample before = {.running = 0}, after = {.running = 0};
    open_sample(out, &before);
    open_sample(out, &after);
    struct histogram *latency_before = read_latency(job), *latency_after = NULL;
    int rc = take_sample(job, control, out, &before, err);
    if (rc == 0) {
        const struct timespec pause = {ms / 1000, ms % 1000 * 1000000};
        nanosleep(&pause, NULL);
        rc = take_sample(job, control, out, &after, err);
    }
    if (rc == 0) {
        latency_after = read_latency(job);
        compare_latency(latency_before, latency_after, out);
        compare(job, &before, &after, out);
        out->is_observed = true;
        out->seconds = (double)(after.tasks[0].at_ns - before.tasks[0].at_ns) / 1e9;
    }
    free(latency_before);
    free(latency_after);
    close_sample(&before);
    close_sample(&after);
    return rc;
}

int traffic_observe(const struct job *job, int64_t ms, struct traffic *out, struct err *err)
{
    struct control *control;
    int rc = control_attach_reader(job->dir.fd, job->plan->fingerprint, &control, err);
    if (rc < 0)
        return rc;
    traffic_init(job->plan, out);
    if (control_task_count(control) == out->task_count)
        rc = observe(job, control, ms, out, err);
    else
        rc = err_set(err, -EPROTO, "the control block has %d tasks, the plan has %d",
                     control_task_count(control), out->task_count);
    control_detach(control);
    if (rc < 0)
        traffic_fini(out);
    return rc;
}
