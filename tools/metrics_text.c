// metrics_text.c: see metrics_text.h. What nobody can tell (a watermark before the first row) has
// no line.
#include "tools/metrics_text.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "tools/top_view.h"

// Seconds: 1, 2, 5 of each power of ten.
static const double buckets[] = {1e-6, 2e-6, 5e-6, 1e-5, 2e-5, 5e-5, 1e-4, 2e-4, 5e-4,
                                 1e-3, 2e-3, 5e-3, 1e-2, 2e-2, 5e-2, 0.1,  0.2,  0.5,
                                 1,    2,    5,    10,   20,   50,   100};

struct metric {
    struct metric_info info;
    // Of the job, of a task; NAN: there is no value.
    double (*of_job)(const struct watch_sample *sample);
    double (*of_task)(const struct watch_task *task);
    int counter; // of the control block, instead of of_task; -1: none
    double scale;
    int loss;    // likewise; -1: none
    int path;    // of a histogram; -1: none
    bool states; // a line for each state
};

#define TASK_LABELS "task, stage"

#define OF_JOB(name_, type_, function, help_)                                                      \
    {                                                                                              \
        .info = {name_, type_, "", help_}, .of_job = function, .counter = -1, .loss = -1,          \
        .path = -1                                                                                 \
    }
#define OF_TASK(name_, type_, function, help_)                                                     \
    {                                                                                              \
        .info = {name_, type_, TASK_LABELS, help_}, .of_task = function, .counter = -1,            \
        .loss = -1, .path = -1                                                                     \
    }
#define OF_COUNTER(name_, type_, counter_, scale_, help_)                                          \
    {                                                                                              \
        .info = {name_, type_, TASK_LABELS, help_}, .counter = counter_, .scale = scale_,          \
        .loss = -1, .path = -1                                                                     \
    }
#define OF_LOSS(name_, loss_, help_)                                                               \
    {                                                                                              \
        .info = {name_, METRIC_COUNTER, TASK_LABELS, help_}, .counter = -1, .loss = loss_,         \
        .path = -1                                                                                 \
    }
#define OF_PATH(name_, path_, help_)                                                               \
    {                                                                                              \
        .info = {name_, METRIC_HISTOGRAM, TASK_LABELS ", from", help_}, .counter = -1, .loss = -1, \
        .path = path_                                                                              \
    }

static double up(const struct watch_sample *s)
{
    return s != NULL;
}

static double supervised(const struct watch_sample *s)
{
    return s->is_supervised;
}

static double tasks(const struct watch_sample *s)
{
    return s->task_count;
}

static double tasks_alive(const struct watch_sample *s)
{
    return watch_living(s);
}

static double memory_held(const struct watch_sample *s)
{
    return (double)s->held_bytes;
}

static double memory_promised(const struct watch_sample *s)
{
    return (double)s->promised_bytes;
}

static double checkpoint_complete(const struct watch_sample *s)
{
    return (double)s->checkpoint.complete;
}

static double checkpoint_wanted(const struct watch_sample *s)
{
    return (double)s->checkpoint.wanted;
}

static double checkpoint_seconds(const struct watch_sample *s)
{
    return s->checkpoint.is_known ? (double)s->checkpoint.duration_ns / 1e9 : NAN;
}

static double checkpoint_bytes(const struct watch_sample *s)
{
    return s->checkpoint.is_known ? (double)s->checkpoint.bytes : NAN;
}

static double event_time(int64_t ms)
{
    return ms == INT64_MIN || ms == INT64_MAX ? NAN : (double)ms / 1000;
}

static double newest(const struct watch_sample *s)
{
    return event_time(s->newest_ms);
}

static double task_up(const struct watch_task *t)
{
    return t->process.is_alive;
}

static double watermark(const struct watch_task *t)
{
    return event_time(t->view.counters[CONTROL_WATERMARK_MS]);
}

static double watermark_lag(const struct watch_task *t)
{
    return event_time(t->lag_ms);
}

// As long as nobody can tell, or there is none.
static double outside(const struct watch_task *t, enum control_counter counter, double scale)
{
    const int64_t value = t->view.counters[counter];
    return value == INT64_MIN ? NAN : (double)value * scale;
}

static double behind(const struct watch_task *t)
{
    return outside(t, CONTROL_BEHIND_ROWS, 1);
}

static double kept(const struct watch_task *t)
{
    return outside(t, CONTROL_KEPT_BYTES, 1);
}

static double open_since(const struct watch_task *t)
{
    return outside(t, CONTROL_OPEN_SINCE_MS, 1e-3);
}

static double committed(const struct watch_task *t)
{
    return outside(t, CONTROL_COMMITTED, 1);
}

static double cpu(const struct watch_task *t)
{
    return t->process.is_alive ? (double)t->process.cpu_ns / 1e9 : NAN;
}

static double resident(const struct watch_task *t)
{
    return t->process.is_alive ? (double)t->process.resident_bytes : NAN;
}

static double ring_ratio(double fill)
{
    return fill < 0 ? NAN : fill;
}

static double input_ring(const struct watch_task *t)
{
    return ring_ratio(t->input_fill);
}

static double output_ring(const struct watch_task *t)
{
    return ring_ratio(t->output_fill);
}

static double restarts(const struct watch_task *t)
{
    return (double)t->view.restarts;
}

static double spares(const struct watch_task *t)
{
    return t->spares;
}

static double spares_ready(const struct watch_task *t)
{
    return t->spares_ready;
}

static double snapshot_seconds(const struct watch_task *t)
{
    return t->snapshot.status == CONTROL_SNAPSHOT_DONE ? (double)t->snapshot.duration_ns / 1e9
                                                       : NAN;
}

static double align_seconds(const struct watch_task *t)
{
    return t->snapshot.status == CONTROL_SNAPSHOT_DONE ? (double)t->snapshot.align_ns / 1e9 : NAN;
}

static double snapshot_bytes(const struct watch_task *t)
{
    return t->snapshot.status == CONTROL_SNAPSHOT_DONE ? (double)t->snapshot.file_bytes : NAN;
}

static double made(const struct watch_task *t)
{
    return (double)t->markers_made;
}

static double lost(const struct watch_task *t)
{
    return (double)t->markers_lost;
}

static const struct metric metrics[] = {
    OF_JOB("weir_up", METRIC_GAUGE, up, "1 when the job's memory is there and can be read"),
    OF_JOB("weir_supervised", METRIC_GAUGE, supervised, "1 when the job's supervisor lives"),
    OF_JOB("weir_tasks", METRIC_GAUGE, tasks, "tasks of the job"),
    OF_JOB("weir_tasks_alive", METRIC_GAUGE, tasks_alive, "tasks whose process lives"),
    OF_JOB("weir_memory_held_bytes", METRIC_GAUGE, memory_held,
           "shared memory that the job has claimed"),
    OF_JOB("weir_memory_promised_bytes", METRIC_GAUGE, memory_promised,
           "shared memory that the job may claim in all"),
    OF_JOB("weir_checkpoint_complete", METRIC_GAUGE, checkpoint_complete,
           "number of the newest complete checkpoint; 0: none yet"),
    OF_JOB("weir_checkpoint_wanted", METRIC_GAUGE, checkpoint_wanted,
           "number of the newest checkpoint that was asked for"),
    OF_JOB("weir_checkpoint_duration_seconds", METRIC_GAUGE, checkpoint_seconds,
           "what the slowest task took for the newest complete checkpoint"),
    OF_JOB("weir_checkpoint_bytes", METRIC_GAUGE, checkpoint_bytes,
           "bytes of the newest complete checkpoint's files"),
    OF_JOB("weir_event_time_newest_seconds", METRIC_GAUGE, newest,
           "latest event time that a source has read, seconds of the Unix epoch"),
    OF_TASK("weir_task_up", METRIC_GAUGE, task_up, "1 when the task's process lives"),
    {.info = {"weir_task_state", METRIC_GAUGE, TASK_LABELS ", state",
              "1 for the state that the task is in, 0 for the others"},
     .states = true,
     .counter = -1,
     .loss = -1,
     .path = -1},
    OF_COUNTER("weir_task_rows_in_total", METRIC_COUNTER, CONTROL_ROWS_IN, 1, "rows read"),
    OF_COUNTER("weir_task_rows_out_total", METRIC_COUNTER, CONTROL_ROWS_OUT, 1, "rows given"),
    OF_COUNTER("weir_task_bytes_in_total", METRIC_COUNTER, CONTROL_BYTES_IN, 1,
               "bytes read, from files and rings"),
    OF_COUNTER("weir_task_bytes_out_total", METRIC_COUNTER, CONTROL_BYTES_OUT, 1,
               "bytes written, to files and rings"),
    OF_COUNTER("weir_task_bad_rows_total", METRIC_COUNTER, CONTROL_BAD_ROWS, 1,
               "rows that could not be processed"),
    OF_COUNTER("weir_task_late_rows_total", METRIC_COUNTER, CONTROL_LATE_ROWS, 1,
               "rows dropped because they came behind the watermark"),
    OF_COUNTER("weir_task_commits_total", METRIC_COUNTER, CONTROL_COMMITS, 1,
               "transactions of the task's process"),
    OF_COUNTER("weir_task_aborts_total", METRIC_COUNTER, CONTROL_ABORTS, 1,
               "transactions that were taken back because they did not fit"),
    OF_COUNTER("weir_task_blocked_seconds_total", METRIC_COUNTER, CONTROL_BLOCKED_NS, 1e-9,
               "time that the task's process waited for room in its output: back-pressure"),
    OF_TASK("weir_task_cpu_seconds_total", METRIC_COUNTER, cpu,
            "user and system time of the task's process"),
    OF_TASK("weir_task_resident_bytes", METRIC_GAUGE, resident,
            "memory that the task's process has mapped in, what it shares included"),
    OF_COUNTER("weir_task_state_bytes", METRIC_GAUGE, CONTROL_STATE_BYTES, 1,
               "memory that the task's state uses"),
    OF_TASK("weir_task_input_ring_ratio", METRIC_GAUGE, input_ring,
            "how full the fullest input ring is, 0 to 1"),
    OF_TASK("weir_task_output_ring_ratio", METRIC_GAUGE, output_ring,
            "how full the fullest output ring is, 0 to 1"),
    OF_TASK("weir_task_watermark_seconds", METRIC_GAUGE, watermark,
            "the task's watermark, seconds of the Unix epoch"),
    OF_TASK("weir_task_watermark_lag_seconds", METRIC_GAUGE, watermark_lag,
            "how far the watermark is behind the sources' latest event time"),
    OF_TASK("weir_task_source_behind_rows", METRIC_GAUGE, behind,
            "messages that the source's partitions hold and it has not read"),
    OF_TASK("weir_task_sink_kept_bytes", METRIC_GAUGE, kept,
            "rows that the sink keeps until a broker has them for good"),
    OF_TASK("weir_task_sink_open_since_seconds", METRIC_GAUGE, open_since,
            "when the sink's open transaction was begun, seconds of the Unix epoch"),
    OF_TASK("weir_task_sink_committed_checkpoint", METRIC_GAUGE, committed,
            "the last checkpoint whose rows are committed at the broker"),
    OF_TASK("weir_task_restarts_total", METRIC_COUNTER, restarts,
            "processes that were started in the place of another"),
    OF_LOSS("weir_task_deaths_total", CONTROL_LOSS_DEATHS,
            "ends of the task's processes that were not planned"),
    OF_LOSS("weir_task_deaths_killed_total", CONTROL_LOSS_KILLED,
            "of them: by SIGKILL from outside"),
    OF_LOSS("weir_task_deaths_crashed_total", CONTROL_LOSS_CRASHED,
            "of them: by a signal of their own"),
    OF_LOSS("weir_task_deaths_hung_total", CONTROL_LOSS_HUNG, "of them: ended because they hung"),
    OF_LOSS("weir_task_rows_given_up_total", CONTROL_LOSS_ROWS,
            "rows that were put aside because they kill the task"),
    OF_TASK("weir_task_spares", METRIC_GAUGE, spares, "processes that wait to replace the task's"),
    OF_TASK("weir_task_spares_ready", METRIC_GAUGE, spares_ready,
            "of them: with everything mapped"),
    OF_TASK("weir_task_snapshot_duration_seconds", METRIC_GAUGE, snapshot_seconds,
            "what the task's last snapshot took"),
    OF_TASK("weir_task_align_duration_seconds", METRIC_GAUGE, align_seconds,
            "what its barriers waited for each other"),
    OF_TASK("weir_task_snapshot_bytes", METRIC_GAUGE, snapshot_bytes,
            "bytes of the task's last snapshot"),
    OF_TASK("weir_task_markers_made_total", METRIC_COUNTER, made,
            "latency markers that a source has made"),
    OF_TASK("weir_task_markers_lost_total", METRIC_COUNTER, lost,
            "latency markers that the task had no place for, or could not read"),
    OF_PATH("weir_latency_from_source_seconds", LATENCY_FROM_SOURCE,
            "from when a row was due at its source until what it caused here was committed"),
    OF_PATH("weir_latency_last_hop_seconds", LATENCY_LAST_HOP,
            "from when the task in front has written until it was committed here"),
};

int metric_count(void)
{
    return (int)ARRAY_SIZE(metrics);
}

struct metric_info metric_info_at(int index)
{
    CHECK(index >= 0 && index < metric_count());
    return metrics[index].info;
}

const char *metric_type_name(enum metric_type type)
{
    static const char *const names[] = {"gauge", "counter", "histogram"};
    CHECK((size_t)type < ARRAY_SIZE(names));
    return names[type];
}

int metric_bucket_count(void)
{
    return (int)ARRAY_SIZE(buckets);
}

double metric_bucket_at(int index)
{
    CHECK(index >= 0 && index < metric_bucket_count());
    return buckets[index];
}

// --- lines ---

// name="value", with what the format wants escaped.
static void append_label(struct buf *out, const char *name, const char *value)
{
    const char last = out->data[out->len - 1];
    buf_printf(out, "%s%s=\"", last == '{' ? "" : ",", name);
    for (; *value; value++) {
        if (*value == '\n')
            buf_append_str(out, "\\n");
        else if (*value == '"' || *value == '\\')
            buf_printf(out, "\\%c", *value);
        else
            buf_append_char(out, *value);
    }
    buf_append_char(out, '"');
}

static void begin_line(struct buf *out, const char *name, const char *suffix, const char *job)
{
    buf_printf(out, "%s%s{", name, suffix);
    append_label(out, "job", job);
}

static void label_task(struct buf *out, const struct watch_sample *sample, int index)
{
    char number[16], stage[CONTROL_NAME_BYTES];
    snprintf(number, sizeof number, "%d", index);
    top_stage_name(sample->tasks[index].view.name, stage);
    append_label(out, "task", number);
    append_label(out, "stage", stage);
}

static void end_line(struct buf *out, double value)
{
    buf_printf(out, "} %.16g\n", value);
}

static void append_states(const struct metric *m, const struct watch_sample *sample, int index,
                          struct buf *out)
{
    const struct watch_task *task = &sample->tasks[index];
    const char *now = watch_task_state(task);
    for (int state = 0; state <= CONTROL_STATE_COUNT; state++) {
        const char *name =
            state == CONTROL_STATE_COUNT ? "dead" : control_state_name((enum control_state)state);
        begin_line(out, m->info.name, "", sample->job);
        label_task(out, sample, index);
        append_label(out, "state", name);
        end_line(out, strcmp(name, now) == 0);
    }
}

// Values up to each bound. A counter of the histogram that lies on both sides counts as above.
static void append_buckets(const struct metric *m, const struct watch_sample *sample, int index,
                           struct buf *out)
{
    const struct latency_view *view = &sample->tasks[index].paths[m->path].view;
    const struct histogram *h = view->total;
    uint64_t seen = 0;
    uint32_t at = 0;
    for (int b = 0; b <= metric_bucket_count(); b++) {
        const bool is_last = b == metric_bucket_count();
        const double bound_ns = is_last ? INFINITY : buckets[b] * 1e9 * (1 + 1e-12);
        char le[32] = "+Inf";
        for (; at < h->counter_count &&
               (is_last || (double)(histogram_value(h->half_bits, at + 1) - 1) <= bound_ns);
             at++)
            seen += h->counters[at];
        if (!is_last)
            snprintf(le, sizeof le, "%g", buckets[b]);
        begin_line(out, m->info.name, "_bucket", sample->job);
        label_task(out, sample, index);
        append_label(out, "from", view->from);
        append_label(out, "le", le);
        end_line(out, (double)seen);
    }
    begin_line(out, m->info.name, "_sum", sample->job);
    label_task(out, sample, index);
    append_label(out, "from", view->from);
    end_line(out, (double)view->sum_ns / 1e9);
    begin_line(out, m->info.name, "_count", sample->job);
    label_task(out, sample, index);
    append_label(out, "from", view->from);
    end_line(out, (double)seen);
}

static double value_of(const struct metric *m, const struct watch_task *task)
{
    if (m->counter >= 0)
        return (double)task->view.counters[m->counter] * m->scale;
    if (m->loss >= 0)
        return (double)task->view.losses[m->loss];
    return m->of_task(task);
}

static void append_task(const struct metric *m, const struct watch_sample *sample, int index,
                        struct buf *out)
{
    const struct watch_task *task = &sample->tasks[index];
    if (m->path >= 0) {
        if (task->paths[m->path].is_there)
            append_buckets(m, sample, index, out);
        return;
    }
    if (m->states) {
        append_states(m, sample, index, out);
        return;
    }
    const double value = value_of(m, task);
    if (isnan(value))
        return;
    begin_line(out, m->info.name, "", sample->job);
    label_task(out, sample, index);
    end_line(out, value);
}

void metrics_append(const char *job, const struct watch_sample *sample, struct buf *out)
{
    for (int i = 0; i < metric_count(); i++) {
        const struct metric *m = &metrics[i];
        if (!sample && m->of_job != up)
            continue;
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", m->info.name, m->info.help, m->info.name,
                   metric_type_name(m->info.type));
        if (!m->of_job) {
            for (int task = 0; task < sample->task_count; task++)
                append_task(m, sample, task, out);
            continue;
        }
        const double value = m->of_job(sample);
        if (isnan(value))
            continue;
        begin_line(out, m->info.name, "", job);
        end_line(out, value);
    }
}
