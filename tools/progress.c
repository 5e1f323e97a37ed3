// progress.c: the live line, the events and the summary of a running job.
//
// The live line is rewritten in place and wiped before anything else is written, so that a log of
// the terminal reads well. Rates are over the last second, in the summary over the whole run.
#include "tools/progress.h"
#include "tools/region.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "core/base/calendar.h"
#include "core/base/check.h"
#include "core/base/env.h"
#include "core/base/hash.h"
#include "shm/budget.h"

static const double NS_PER_SECOND = 1e9;

static bool prints_to_stdout(const struct plan *plan)
{
    for (int s = 0; s < plan->stage_count; s++) {
        const struct stage *stage = &plan->stages[s];
        const struct op *last = stage->ops[stage->op_count - 1];
        if (last->kind == OP_SINK && strcmp(last->table->connector, "print") == 0)
            return true;
    }
    return false;
}

enum progress_mode progress_choose_mode(const struct plan *plan, bool json, bool quiet)
{
    const char *terminal = getenv("TERM");
    if (json)
        return PROGRESS_JSON;
    if (quiet)
        return PROGRESS_QUIET;
    if (!isatty(STDERR_FILENO) || !terminal || strcmp(terminal, "dumb") == 0)
        return PROGRESS_EVENTS;
    return isatty(STDOUT_FILENO) && prints_to_stdout(plan) ? PROGRESS_EVENTS : PROGRESS_LIVE;
}

void progress_begin(struct progress *progress, int64_t now_ns)
{
    progress->started_ns = now_ns;
    progress->shown_ns = now_ns;
    progress->rows_shown = 0;
}

static void add_task(const struct stage *stage, const struct control_view *view,
                     struct progress_totals *out)
{
    int64_t watermark = view->counters[CONTROL_WATERMARK_MS];
    int64_t newest = view->counters[CONTROL_MAX_EVENT_MS];
    if (stage->input_exchange < 0) {
        out->rows_in += view->counters[CONTROL_ROWS_IN];
    }
    if (stage->output_exchange < 0)
        out->rows_out += view->counters[CONTROL_ROWS_OUT];
    // A row that becomes bad behind an exchange is no row of a source, but it is a bad one.
    out->bad_rows += view->counters[CONTROL_BAD_ROWS];
    out->late_rows += view->counters[CONTROL_LATE_ROWS];
    if (watermark < out->watermark_ms)
        out->watermark_ms = watermark;
    if (newest > out->newest_ms)
        out->newest_ms = newest;
    out->tasks_running += view->state != CONTROL_FINISHED && view->state != CONTROL_FAILED;
}

void progress_add_up(const struct plan *plan, const struct control *control,
                     struct progress_totals *out)
{
    struct control_view view;
    *out = (struct progress_totals){
        .watermark_ms = INT64_MAX, .newest_ms = INT64_MIN, .tasks = plan->task_count};
    CHECK(control_task_count(control) == plan->task_count);
    for (int task = 0; task < plan->task_count; task++) {
        int subtask;
        control_view(control, task, &view);
        add_task(plan_stage_of(plan, task, &subtask), &view, out);
    }
}

// "1234567" -> "1,234,567".
static void append_grouped(struct buf *out, int64_t number)
{
    char digits[32];
    int count = snprintf(digits, sizeof(digits), "%" PRId64, number);
    for (int i = 0; i < count; i++) {
        buf_append_char(out, digits[i]);
        int left = count - 1 - i;
        if (left && left % 3 == 0 && digits[i] != '-')
            buf_append_char(out, ',');
    }
}

static void append_time(struct buf *out, int64_t ms)
{
    char text[CALENDAR_TEXT_BYTES];
    if (ms == INT64_MIN)
        buf_append_str(out, "none yet");
    else if (ms == INT64_MAX)
        buf_append_str(out, "end of input");
    else
        buf_append(out, text, calendar_format_timestamp(ms, CALENDAR_SQL, false, text));
}

static bool is_time(int64_t ms)
{
    return ms != INT64_MIN && ms != INT64_MAX;
}

void progress_format_live(const struct progress *progress, const struct progress_totals *totals,
                          struct buf *out)
{
    buf_printf(out, "%s: ", progress->job);
    append_grouped(out, totals->rows_in);
    buf_append_str(out, " rows in, ");
    append_grouped(out, (int64_t)progress->rows_per_second);
    buf_append_str(out, " rows/s, watermark ");
    append_time(out, totals->watermark_ms);
    if (is_time(totals->watermark_ms) && is_time(totals->newest_ms))
        buf_printf(out, ", lag %.1fs", (double)(totals->newest_ms - totals->watermark_ms) / 1000);
    buf_printf(out, ", %d/%d tasks", totals->tasks_running, totals->tasks);
}

static void append_json_time(struct buf *out, const char *name, int64_t ms)
{
    if (is_time(ms))
        buf_printf(out, ",\"%s\":%" PRId64, name, ms);
    else
        buf_printf(out, ",\"%s\":null", name);
}

static void append_json_totals(struct buf *out, const struct progress_totals *totals)
{
    buf_printf(out,
               ",\"rows_in\":%" PRId64 ",\"rows_out\":%" PRId64 ",\"bad_rows\":%" PRId64
               ",\"late_rows\":%" PRId64,
               totals->rows_in, totals->rows_out, totals->bad_rows, totals->late_rows);
}

static void write_line(struct buf *line)
{
    buf_append_char(line, '\n');
    fwrite(line->data, 1, line->len, stderr);
    buf_fini(line);
}

static void wipe_live_line(struct progress *progress)
{
    if (progress->line_width)
        fputs("\r\033[K", stderr);
    progress->line_width = 0;
}

// Of the terminal on stderr; 0 when it does not say.
static int terminal_columns(void)
{
    struct winsize size;
    return ioctl(STDERR_FILENO, TIOCGWINSZ, &size) == 0 ? size.ws_col : 0;
}

static void show_live(struct progress *progress, const struct progress_totals *totals)
{
    struct buf line = {.data = NULL};
    progress_format_live(progress, totals, &line);
    int columns = terminal_columns();
    if (columns > 0 && line.len >= (size_t)columns) // a line that wraps could not be rewritten
        line.len = (size_t)columns - 1;
    fprintf(stderr, "\r%s\033[K", buf_str(&line));
    fflush(stderr);
    progress->line_width = (int)line.len;
    buf_fini(&line);
}

static void show_json(const struct progress *progress, const struct progress_totals *totals,
                      double seconds)
{
    struct buf line = {.data = NULL};
    buf_printf(&line, "{\"event\":\"progress\",\"seconds\":%.3f", seconds);
    append_json_totals(&line, totals);
    buf_printf(&line, ",\"rows_per_second\":%.0f", progress->rows_per_second);
    append_json_time(&line, "watermark_ms", totals->watermark_ms);
    append_json_time(&line, "newest_ms", totals->newest_ms);
    buf_printf(&line, ",\"tasks_running\":%d,\"tasks\":%d}", totals->tasks_running, totals->tasks);
    write_line(&line);
}

static bool was_told(struct progress *progress, const struct errlog_entry *entry)
{
    uint64_t hash = hash_bytes(entry->text, strlen(entry->text)) + (uint64_t)entry->task_index;
    for (size_t at = 0; at + sizeof(hash) <= progress->told.len; at += sizeof(hash))
        if (memcmp(progress->told.data + at, &hash, sizeof(hash)) == 0)
            return true;
    buf_append(&progress->told, (const char *)&hash, sizeof(hash));
    return false;
}

static void show_note(const struct errlog_entry *entry, void *context)
{
    struct progress *progress = context;
    struct buf line = {.data = NULL};
    if (was_told(progress, entry))
        return;
    if (progress->mode == PROGRESS_JSON) {
        buf_printf(&line, "{\"event\":\"note\",\"task\":%d,\"text\":", entry->task_index);
        buf_append_json_string(&line, slice_of(entry->text));
        buf_append_char(&line, '}');
    } else {
        buf_printf(&line, "weir: task %d: %s", entry->task_index, entry->text);
    }
    wipe_live_line(progress);
    write_line(&line);
}

void progress_notes(struct progress *progress)
{
    if (progress->errlog && progress->mode != PROGRESS_QUIET)
        errlog_read(progress->errlog, show_note, progress);
}

void progress_tick(const struct control *control, void *context)
{
    struct progress *progress = context;
    struct progress_totals totals;
    progress_notes(progress);
    if (progress->mode != PROGRESS_LIVE && progress->mode != PROGRESS_JSON)
        return;
    int64_t now_ns = env_system()->monotonic_ns(env_system());
    double elapsed = (double)(now_ns - progress->shown_ns) / NS_PER_SECOND;
    progress_add_up(progress->plan, control, &totals);
    if (elapsed >= 1) {
        progress->rows_per_second = (double)(totals.rows_in - progress->rows_shown) / elapsed;
        progress->rows_shown = totals.rows_in;
        progress->shown_ns = now_ns;
    }
    if (progress->mode == PROGRESS_LIVE)
        show_live(progress, &totals);
    else if (elapsed >= 1)
        show_json(progress, &totals, (double)(now_ns - progress->started_ns) / NS_PER_SECOND);
}

static bool is_increment(const struct manifest *manifest)
{
    for (int t = 0; t < manifest->task_count; t++)
        if (manifest->tasks[t].file_count > 1)
            return true;
    return false;
}

static void format_checkpoint_json(const struct coordinator_event *checkpoint, struct buf *out)
{
    const struct manifest *manifest = checkpoint->manifest;
    buf_printf(out, ",\"checkpoint\":%" PRIu64 ",\"duration_ms\":%" PRId64 ",\"bytes\":%" PRIu64,
               checkpoint->checkpoint, checkpoint->duration_ms, checkpoint->file_bytes);
    if (!manifest)
        return;
    buf_printf(out, ",\"kind\":\"%s\",\"tasks\":[", is_increment(manifest) ? "increment" : "full");
    for (int t = 0; t < manifest->task_count; t++)
        buf_printf(out,
                   "%s{\"align_ms\":%" PRId64 ",\"duration_ms\":%" PRId64 ",\"bytes\":%" PRIu64 "}",
                   t ? "," : "", manifest->tasks[t].align_ms, manifest->tasks[t].duration_ms,
                   manifest->tasks[t].file_bytes);
    buf_append_char(out, ']');
}

// "weir: checkpoint 7: 34 ms, 49.2 KiB, increment; task 0: aligned 0 ms, wrote 3 ms; ..."
static void format_checkpoint(const struct coordinator_event *checkpoint, struct buf *out)
{
    const struct manifest *manifest = checkpoint->manifest;
    char bytes[32];
    buf_printf(out, "weir: checkpoint %" PRIu64 ": %" PRId64 " ms, %s, %s", checkpoint->checkpoint,
               checkpoint->duration_ms, budget_format_bytes(checkpoint->file_bytes, bytes),
               is_increment(manifest) ? "increment" : "full");
    for (int t = 0; t < manifest->task_count; t++)
        buf_printf(out, "; task %d: aligned %" PRId64 " ms, wrote %" PRId64 " ms", t,
                   manifest->tasks[t].align_ms, manifest->tasks[t].duration_ms);
}

static void format_event_json(const struct supervisor_event *event, struct buf *out)
{
    buf_printf(out, "{\"event\":\"%s\",\"task\":%d,\"pid\":%d", supervisor_event_name(event->kind),
               event->task_index, (int)event->pid);
    if (event->kind == SUPERVISOR_DIED && event->is_cause_unknown)
        buf_printf(out, ",\"signal\":null,\"exit_status\":null,\"delay_ms\":%.1f", event->delay_ms);
    else if (event->kind == SUPERVISOR_DIED)
        buf_printf(out, ",\"signal\":%d,\"exit_status\":%d,\"delay_ms\":%.1f", event->signal,
                   event->exit_status, event->delay_ms);
    if (event->kind == SUPERVISOR_RESTARTED || event->kind == SUPERVISOR_REPLACED)
        buf_printf(out, ",\"gap_ms\":%.3f,\"went_on_ns\":%" PRId64 ",\"rung\":\"%s\"",
                   event->gap_ms, event->went_on_ns, event->rung);
    if (event->checkpoint)
        format_checkpoint_json(event->checkpoint, out);
    if (event->spare)
        buf_printf(out, ",\"mapped_bytes\":%" PRIu64 ",\"page_table_bytes\":%" PRIu64,
                   event->spare->mapped_bytes, event->spare->page_table_bytes);
    if (event->region)
        region_append_json(event, out);
    if (event->text) {
        buf_append_str(out, ",\"text\":");
        buf_append_json_string(out, slice_of(event->text));
    }
    buf_append_char(out, '}');
}

static void format_death(const struct supervisor_event *event, const char *name, struct buf *out)
{
    buf_printf(out, "weir: task %d (%s, pid %d) ", event->task_index, name, (int)event->pid);
    if (event->is_cause_unknown)
        buf_append_str(out, "has ended, nobody knows of what");
    else if (event->signal)
        buf_printf(out, "was killed by signal %d (%s)", event->signal, strsignal(event->signal));
    else
        buf_printf(out, "ended with status %d", event->exit_status);
    if (event->delay_ms > 0)
        buf_printf(out, "; restarting in %.0f ms", event->delay_ms);
    else
        buf_append_str(out, "; restarting");
}

static void format_spare(const struct supervisor_event *event, struct buf *out)
{
    char mapped[32], tables[32];
    budget_format_bytes(event->spare->mapped_bytes, mapped);
    budget_format_bytes(event->spare->page_table_bytes, tables);
    buf_printf(out, "weir: task %d has a spare, pid %d: %s mapped, page tables of %s",
               event->task_index, (int)event->pid, mapped, tables);
}

static void format_replace(const struct supervisor_event *event, const char *name, struct buf *out)
{
    if (event->kind == SUPERVISOR_REPLACING)
        buf_printf(out, "weir: putting %s in", event->text);
    else if (event->kind == SUPERVISOR_REPLACED)
        buf_printf(out, "weir: task %d (%s) goes on after %.1f ms, as pid %d, with %s",
                   event->task_index, name, event->gap_ms, (int)event->pid, event->text);
    else if (event->kind == SUPERVISOR_REPLACE_DEATH)
        buf_printf(out, "weir: task %d (%s): the new program fails: %s", event->task_index, name,
                   event->text);
    else if (event->kind == SUPERVISOR_REPLACE_FAILED)
        buf_printf(out, "weir: NOT REPLACED: %s", event->text);
    else
        buf_printf(out, "weir: %s", event->text);
}

static void format_stopping(const struct supervisor_event *event, struct buf *out)
{
    if (event->signal)
        buf_printf(out, "weir: stopping on signal %d (%s)", event->signal,
                   strsignal(event->signal));
    else
        buf_printf(out, "weir: stopping (%s)", event->text);
}

// What a person wants to know; a start or an end as planned is not news.
static bool format_event_text(const struct supervisor_event *event, const char *name,
                              struct buf *out)
{
    if (event->kind >= SUPERVISOR_REPLACING && event->kind <= SUPERVISOR_SETTLING) {
        format_replace(event, name, out);
        return true;
    }
    switch (event->kind) {
    case SUPERVISOR_DIED:
        format_death(event, name, out);
        return true;
    case SUPERVISOR_RESTARTED:
        buf_printf(out, "weir: task %d (%s) goes on after %.1f ms, as pid %d", event->task_index,
                   name, event->gap_ms, (int)event->pid);
        return true;
    case SUPERVISOR_STOPPING:
        format_stopping(event, out);
        return true;
    case SUPERVISOR_DRAINING:
        buf_append_str(out, "weir: draining: sources end as if their input had");
        return true;
    case SUPERVISOR_HUNG:
        buf_printf(out, "weir: task %d (%s, pid %d) hangs: it %s; it is replaced",
                   event->task_index, name, (int)event->pid, event->text);
        return true;
    case SUPERVISOR_STUCK:
        buf_printf(out, "weir: task %d (%s, pid %d) %s", event->task_index, name, (int)event->pid,
                   event->text);
        return true;
    case SUPERVISOR_KILLED:
        buf_printf(out, "weir: task %d (%s) did not stop in time and was killed", event->task_index,
                   name);
        return true;
    case SUPERVISOR_CHECKPOINT_FAILED:
        buf_printf(out, "weir: checkpoint %llu was given up: %s",
                   (unsigned long long)event->checkpoint->checkpoint, event->text);
        return true;
    default: // as planned, or told elsewhere; the text of FAILED is the error that the run ends
             // with
        return false;
    }
}

void progress_event(const struct supervisor_event *event, void *context)
{
    struct progress *progress = context;
    struct buf line = {.data = NULL};
    int subtask;
    bool of_task = event->task_index >= 0 && event->task_index < progress->plan->task_count;
    const char *name =
        of_task ? plan_stage_of(progress->plan, event->task_index, &subtask)->name : "job";
    bool news = true;
    if (progress->mode == PROGRESS_JSON)
        format_event_json(event, &line);
    else if (event->region)
        region_format_event(event, progress->job, &line);
    else if (event->kind == SUPERVISOR_CHECKPOINT && progress->verbose)
        format_checkpoint(event->checkpoint, &line);
    else if (event->kind == SUPERVISOR_SPARE_READY && progress->verbose)
        format_spare(event, &line);
    else
        news = progress->mode != PROGRESS_QUIET && format_event_text(event, name, &line);
    if (news) {
        wipe_live_line(progress);
        write_line(&line);
    } else {
        buf_fini(&line);
    }
}

static const char *end_name(enum supervisor_end end)
{
    return end == SUPERVISOR_END_FINISHED  ? "finished"
           : end == SUPERVISOR_END_STOPPED ? "stopped"
                                           : "failed";
}

void progress_format_summary(const struct progress *progress, const struct progress_totals *totals,
                             const struct supervisor_result *result, double seconds,
                             struct buf *out)
{
    double rate = seconds > 0 ? (double)totals->rows_in / seconds : 0;
    buf_printf(out, "weir: %s %s: ", progress->job, end_name(result->end));
    append_grouped(out, totals->rows_in);
    buf_append_str(out, " rows in, ");
    append_grouped(out, totals->rows_out);
    buf_append_str(out, " rows out, ");
    append_grouped(out, totals->bad_rows);
    buf_append_str(out, " bad");
    if (totals->bad_rows && progress->dead_letter)
        buf_printf(out, " (see %s)", progress->dead_letter);
    buf_append_str(out, ", ");
    append_grouped(out, totals->late_rows);
    buf_printf(out, " late, %" PRIu64 " restart%s, %.2f s, ", result->restarts,
               result->restarts == 1 ? "" : "s", seconds);
    append_grouped(out, (int64_t)rate);
    buf_append_str(out, " rows/s");
}

static void format_summary_json(const struct progress_totals *totals,
                                const struct supervisor_result *result, double seconds,
                                struct buf *out)
{
    buf_printf(out, "{\"event\":\"summary\",\"end\":\"%s\",\"seconds\":%.3f", end_name(result->end),
               seconds);
    append_json_totals(out, totals);
    buf_printf(out, ",\"restarts\":%" PRIu64 ",\"worst_gap_ms\":%.3f,\"rows_per_second\":%.0f}",
               result->restarts, result->worst_gap_ms,
               seconds > 0 ? (double)totals->rows_in / seconds : 0);
}

void progress_summary(struct progress *progress, const struct progress_totals *totals,
                      const struct supervisor_result *result, int64_t now_ns)
{
    struct buf line = {.data = NULL};
    double seconds = (double)(now_ns - progress->started_ns) / NS_PER_SECOND;
    wipe_live_line(progress);
    if (progress->mode == PROGRESS_QUIET)
        return;
    if (progress->mode == PROGRESS_JSON)
        format_summary_json(totals, result, seconds, &line);
    else
        progress_format_summary(progress, totals, result, seconds, &line);
    write_line(&line);
}
