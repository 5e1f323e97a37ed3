// top_json.c: a sample as JSON, for whoever reads by program. Times are integers with their unit in
// the name; null is "nobody can tell".
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include "core/base/check.h"
#include "tools/top_view.h"

static void put_name(struct buf *out, const char *name)
{
    const char last = out->len ? out->data[out->len - 1] : '{';
    buf_printf(out, "%s\"%s\":", last == '{' || last == '[' ? "" : ",", name);
}

static void put_text(struct buf *out, const char *name, const char *text)
{
    put_name(out, name);
    buf_append_json_string(out, slice_of(text));
}

static void put_integer(struct buf *out, const char *name, int64_t value)
{
    put_name(out, name);
    buf_printf(out, "%" PRId64, value);
}

static void put_real(struct buf *out, const char *name, double value, int digits)
{
    put_name(out, name);
    if (isnan(value))
        buf_append_str(out, "null");
    else
        buf_printf(out, "%.*f", digits, value);
}

static void put_bool(struct buf *out, const char *name, bool value)
{
    put_name(out, name);
    buf_append_str(out, value ? "true" : "false");
}

// Event times: none yet, and the end of input, are null.
static void put_time(struct buf *out, const char *name, int64_t ms)
{
    if (ms == INT64_MIN || ms == INT64_MAX) {
        put_name(out, name);
        buf_append_str(out, "null");
    } else {
        put_integer(out, name, ms);
    }
}

static void put_histogram(struct buf *out, const char *name, const struct histogram *histogram)
{
    static const double percents[] = {50, 99, 99.9, 99.99};
    static const char *const names[] = {"p50_ns", "p99_ns", "p99_9_ns", "p99_99_ns"};
    int64_t values[ARRAY_SIZE(percents)];
    const uint64_t total = histogram_total(histogram);
    put_name(out, name);
    buf_append_char(out, '{');
    put_integer(out, "markers", (int64_t)total);
    histogram_percentiles(histogram, percents, ARRAY_SIZE(percents), values);
    for (size_t i = 0; i < ARRAY_SIZE(percents) && total; i++)
        put_integer(out, names[i], values[i]);
    if (total) {
        put_integer(out, "min_ns", histogram_min(histogram));
        put_integer(out, "max_ns", histogram_max(histogram));
    }
    buf_append_char(out, '}');
}

static void put_latency(struct buf *out, const char *name, const struct watch_path *path)
{
    put_name(out, name);
    if (!path->is_there) {
        buf_append_str(out, "null");
        return;
    }
    buf_append_char(out, '{');
    put_text(out, "from", path->view.from);
    put_histogram(out, "recent", path->view.recent);
    put_histogram(out, "total", path->view.total);
    buf_append_char(out, '}');
}

static void put_counters(struct buf *out, const struct control_view *view)
{
    static const struct {
        enum control_counter counter;
        const char *name;
    } counters[] = {
        {CONTROL_ROWS_IN, "rows_in"},         {CONTROL_ROWS_OUT, "rows_out"},
        {CONTROL_BYTES_IN, "bytes_in"},       {CONTROL_BYTES_OUT, "bytes_out"},
        {CONTROL_BAD_ROWS, "bad_rows"},       {CONTROL_LATE_ROWS, "late_rows"},
        {CONTROL_COMMITS, "commits"},         {CONTROL_ABORTS, "aborts"},
        {CONTROL_STATE_BYTES, "state_bytes"}, {CONTROL_BLOCKED_NS, "blocked_ns"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(counters); i++)
        put_integer(out, counters[i].name, view->counters[counters[i].counter]);
    put_time(out, "watermark_ms", view->counters[CONTROL_WATERMARK_MS]);
    put_time(out, "newest_ms", view->counters[CONTROL_MAX_EVENT_MS]);
    put_time(out, "behind_rows", view->counters[CONTROL_BEHIND_ROWS]);
    put_time(out, "kept_bytes", view->counters[CONTROL_KEPT_BYTES]);
    put_time(out, "open_since_ms", view->counters[CONTROL_OPEN_SINCE_MS]);
    put_time(out, "committed_checkpoint", view->counters[CONTROL_COMMITTED]);
}

static void put_rates(struct buf *out, const struct watch_rates *rates)
{
    put_real(out, "rows_in_per_second", rates->rows_in, 1);
    put_real(out, "rows_out_per_second", rates->rows_out, 1);
    put_real(out, "bytes_in_per_second", rates->bytes_in, 1);
    put_real(out, "bytes_out_per_second", rates->bytes_out, 1);
    put_real(out, "cpu_cores", rates->cpu, 3);
    put_real(out, "blocked_share", rates->blocked, 3);
}

static void put_snapshot(struct buf *out, const struct control_snapshot *snapshot)
{
    static const char *const names[] = {"none", "running", "done", "failed"};
    put_name(out, "snapshot");
    buf_append_char(out, '{');
    put_text(out, "status", names[snapshot->status]);
    if (snapshot->status != CONTROL_SNAPSHOT_NONE) {
        put_integer(out, "checkpoint", (int64_t)snapshot->checkpoint);
        put_integer(out, "align_ns", snapshot->align_ns);
        put_integer(out, "duration_ns", snapshot->duration_ns);
        put_integer(out, "bytes", (int64_t)snapshot->file_bytes);
    }
    buf_append_char(out, '}');
}

static void put_process(struct buf *out, const struct watch_task *task)
{
    put_integer(out, "pid", task->view.process.pid);
    put_bool(out, "alive", task->process.is_alive);
    put_name(out, "core");
    if (task->view.cpu >= 0)
        buf_printf(out, "%d", task->view.cpu);
    else
        buf_append_str(out, "null");
    put_name(out, "last_core");
    if (task->process.core >= 0)
        buf_printf(out, "%d", task->process.core);
    else
        buf_append_str(out, "null");
    put_integer(out, "attempt", (int64_t)task->view.attempt);
    put_integer(out, "restarts", (int64_t)task->view.restarts);
    put_integer(out, "spares", task->spares);
    put_integer(out, "spares_ready", task->spares_ready);
}

static void put_task(const struct watch_sample *before, const struct watch_sample *now, int index,
                     struct buf *out)
{
    const struct watch_task *task = &now->tasks[index];
    const struct watch_rates rates = watch_rates(before, now, index);
    buf_append_str(out, index ? ",{" : "{");
    put_integer(out, "task", index);
    put_text(out, "name", task->view.name);
    put_text(out, "state", watch_task_state(task));
    put_process(out, task);
    put_counters(out, &task->view);
    put_rates(out, &rates);
    put_time(out, "watermark_lag_ms", task->lag_ms);
    put_real(out, "input_ring_fill", task->input_fill < 0 ? NAN : task->input_fill, 3);
    put_real(out, "output_ring_fill", task->output_fill < 0 ? NAN : task->output_fill, 3);
    put_snapshot(out, &task->snapshot);
    put_latency(out, "latency_from_source", &task->paths[LATENCY_FROM_SOURCE]);
    put_latency(out, "latency_last_hop", &task->paths[LATENCY_LAST_HOP]);
    put_integer(out, "markers_made", (int64_t)task->markers_made);
    put_integer(out, "markers_lost", (int64_t)task->markers_lost);
    if (task->view.state == CONTROL_FAILED)
        put_text(out, "error", task->view.error);
    buf_append_char(out, '}');
}

static void put_checkpoint(struct buf *out, const struct watch_checkpoint *checkpoint)
{
    put_name(out, "checkpoint");
    buf_append_char(out, '{');
    put_integer(out, "wanted", (int64_t)checkpoint->wanted);
    put_integer(out, "complete", (int64_t)checkpoint->complete);
    if (checkpoint->is_known) {
        put_integer(out, "duration_ns", checkpoint->duration_ns);
        put_integer(out, "bytes", (int64_t)checkpoint->bytes);
    }
    buf_append_char(out, '}');
}

void top_json_job(const struct watch_sample *before, const struct watch_sample *now,
                  struct buf *out)
{
    buf_append_char(out, '{');
    put_text(out, "job", now->job);
    put_integer(out, "time_ms", now->taken_ms);
    put_text(out, "state", watch_state(now));
    put_integer(out, "supervisor", now->supervisor.pid);
    put_integer(out, "tasks_alive", watch_living(now));
    put_integer(out, "memory_held_bytes", (int64_t)now->held_bytes);
    put_integer(out, "memory_promised_bytes", (int64_t)now->promised_bytes);
    put_time(out, "newest_ms", now->newest_ms);
    put_checkpoint(out, &now->checkpoint);
    put_name(out, "tasks");
    buf_append_char(out, '[');
    for (int i = 0; i < now->task_count; i++)
        put_task(before, now, i, out);
    buf_append_str(out, "]}");
}
