// top_view.c: see top_view.h.
#include "tools/top_view.h"

#include <inttypes.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/calendar.h"
#include "core/base/check.h"
#include "shm/budget.h"
#include "tools/human.h"

static const double PERCENTS[] = {50, 99, 99.9};

enum { PERCENT_COUNT = (int)ARRAY_SIZE(PERCENTS), CELL_BYTES = 64, NAME_LEAST = 12 };

static const struct {
    char key;
    const char *name;
} sorts[TOP_SORT_COUNT] = {
    [TOP_SORT_TASK] = {'t', "task"},       [TOP_SORT_CPU] = {'c', "CPU"},
    [TOP_SORT_ROWS_IN] = {'i', "rows in"}, [TOP_SORT_ROWS_OUT] = {'o', "rows out"},
    [TOP_SORT_BLOCKED] = {'b', "blocked"}, [TOP_SORT_LAG] = {'g', "lag"},
    [TOP_SORT_LATENCY] = {'l', "latency"},
};

char top_sort_key(enum top_sort sort)
{
    return sorts[sort].key;
}

const char *top_sort_name(enum top_sort sort)
{
    return sorts[sort].name;
}

static bool is_time(int64_t ms)
{
    return ms != INT64_MIN && ms != INT64_MAX;
}

static double lag_ns(const struct watch_task *task)
{
    return task->lag_ms == INT64_MIN ? NAN : (double)task->lag_ms * 1e6;
}

// --- lines ---

// One line, cut to the terminal's width, and its end.
static void put_line(struct buf *out, const struct top_look *look, const char *attribute,
                     struct buf *line)
{
    size_t bytes = line->len;
    if (look->columns > 0 && bytes > (size_t)look->columns)
        bytes = (size_t)look->columns;
    while (bytes && line->data[bytes - 1] == ' ')
        bytes--;
    while (bytes && bytes < line->len && ((unsigned char)line->data[bytes] & 0xc0) == 0x80)
        bytes--; // not within a character
    const bool is_plain = !look->colour || !*attribute;
    buf_append_str(out, is_plain ? "" : attribute);
    buf_append(out, line->data, bytes);
    buf_append_str(out, is_plain ? "\n" : "\033[m\n");
    buf_clear(line);
}

static const char BOLD[] = "\033[1m", TITLE[] = "\033[7m", RED[] = "\033[31m";

// --- the head of a job ---

// Of the tasks that read a source, or that end with a sink.
struct totals {
    double rows_in, rows_out; // a second
    int64_t all_in, all_out, bad, late;
    int64_t watermark_ms, lag_ms; // of the slowest sink
    uint64_t restarts;
};

static struct totals add_up(const struct watch_sample *before, const struct watch_sample *now)
{
    struct totals out = {.watermark_ms = INT64_MAX, .lag_ms = INT64_MIN};
    for (int i = 0; i < now->task_count; i++) {
        const struct watch_task *task = &now->tasks[i];
        const struct watch_rates rates = watch_rates(before, now, i);
        const int64_t *counters = task->view.counters;
        out.bad += counters[CONTROL_BAD_ROWS];
        out.late += counters[CONTROL_LATE_ROWS];
        out.restarts += task->view.restarts;
        if (task->is_source) {
            out.rows_in += rates.rows_in;
            out.all_in += counters[CONTROL_ROWS_IN];
        }
        if (!task->is_sink)
            continue;
        out.rows_out += rates.rows_out;
        out.all_out += counters[CONTROL_ROWS_OUT];
        if (counters[CONTROL_WATERMARK_MS] < out.watermark_ms)
            out.watermark_ms = counters[CONTROL_WATERMARK_MS];
        out.lag_ms = task->lag_ms > out.lag_ms ? task->lag_ms : out.lag_ms;
    }
    return out;
}

static void put_state(const struct watch_sample *now, const struct totals *totals,
                      const struct top_look *look, struct buf *out)
{
    char held[32], promised[32];
    struct buf line = {0};
    const int living = watch_living(now);
    buf_printf(&line, "%s: ", now->job);
    if (now->is_supervised)
        buf_printf(&line, "running, supervisor %d", (int)now->supervisor.pid);
    else if (living)
        buf_printf(&line, "its supervisor, pid %d, is gone; the next weir run goes on with it",
                   (int)now->supervisor.pid);
    else
        buf_append_str(&line, "nothing of it lives; its memory was left for the next weir run");
    buf_printf(&line, "; %d of %d tasks live, %" PRIu64 " restart%s; memory %s of %s", living,
               now->task_count, totals->restarts, totals->restarts == 1 ? "" : "s",
               budget_format_bytes(now->held_bytes, held),
               budget_format_bytes(now->promised_bytes, promised));
    put_line(out, look, now->is_supervised ? BOLD : RED, &line);
    buf_fini(&line);
}

static void append_watermark(struct buf *line, const struct totals *totals)
{
    char text[CALENDAR_TEXT_BYTES], lag[HUMAN_BYTES];
    buf_append_str(line, "; watermark ");
    if (totals->watermark_ms == INT64_MIN)
        buf_append_str(line, "none yet");
    else if (totals->watermark_ms == INT64_MAX)
        buf_append_str(line, "end of input");
    else
        buf_append(line, text,
                   calendar_format_timestamp(totals->watermark_ms, CALENDAR_SQL, false, text));
    if (is_time(totals->lag_ms))
        buf_printf(line, ", lag %s", human_ns((double)totals->lag_ms * 1e6, lag));
}

static void put_rows(const struct totals *totals, const struct top_look *look, struct buf *out)
{
    char in[HUMAN_BYTES], all_in[HUMAN_BYTES], rate_out[HUMAN_BYTES], all_out[HUMAN_BYTES];
    struct buf line = {0};
    buf_printf(&line, "rows in %s/s of %s, out %s/s of %s", human_count(totals->rows_in, in),
               human_count((double)totals->all_in, all_in), human_count(totals->rows_out, rate_out),
               human_count((double)totals->all_out, all_out));
    append_watermark(&line, totals);
    if (totals->bad || totals->late)
        buf_printf(&line, "; %" PRId64 " bad, %" PRId64 " late", totals->bad, totals->late);
    put_line(out, look, "", &line);
    buf_fini(&line);
}

static void put_checkpoint(const struct watch_checkpoint *checkpoint, const struct top_look *look,
                           struct buf *out)
{
    char bytes[32], took[HUMAN_BYTES];
    struct buf line = {0};
    if (checkpoint->complete)
        buf_printf(&line, "checkpoint %" PRIu64 " is complete", checkpoint->complete);
    else
        buf_append_str(&line, "no checkpoint yet");
    if (checkpoint->is_known)
        buf_printf(&line, ": %s, %s", human_ns((double)checkpoint->duration_ns, took),
                   budget_format_bytes(checkpoint->bytes, bytes));
    if (checkpoint->wanted > checkpoint->complete)
        buf_printf(&line, "; %" PRIu64 " is asked for", checkpoint->wanted);
    put_line(out, look, "", &line);
    buf_fini(&line);
}

static void add_known(int64_t *sum, int64_t value)
{
    if (value != INT64_MIN)
        *sum = *sum == INT64_MIN ? value : *sum + value;
}

static void keep_least(int64_t *least, int64_t value)
{
    if (value != INT64_MIN && (*least == INT64_MIN || value < *least))
        *least = value;
}

// What sources and sinks know of brokers; no line where there are none.
static void put_outside(const struct watch_sample *now, const struct top_look *look,
                        struct buf *out)
{
    char text[32];
    struct buf line = {0};
    int64_t behind = INT64_MIN, kept = INT64_MIN, since_ms = INT64_MIN, committed = INT64_MIN;
    for (int i = 0; i < now->task_count; i++) {
        const int64_t *counters = now->tasks[i].view.counters;
        add_known(&behind, counters[CONTROL_BEHIND_ROWS]);
        add_known(&kept, counters[CONTROL_KEPT_BYTES]);
        keep_least(&since_ms, counters[CONTROL_OPEN_SINCE_MS]);
        keep_least(&committed, counters[CONTROL_COMMITTED]);
    }
    if (behind != INT64_MIN)
        buf_printf(&line, "; %s messages to read", human_count((double)behind, text));
    if (kept != INT64_MIN)
        buf_printf(&line, "; %s kept for the broker", budget_format_bytes((uint64_t)kept, text));
    if (since_ms != INT64_MIN)
        buf_printf(&line, "; transaction open for %s",
                   human_ns((double)(now->taken_ms - since_ms) * 1e6, text));
    if (committed != INT64_MIN)
        buf_printf(&line, "; committed up to checkpoint %" PRId64, committed);
    if (line.len) {
        memmove(line.data, line.data + 2, line.len -= 2);
        put_line(out, look, "", &line);
    }
    buf_fini(&line);
}

// "  to final window -> sink: out    117us 10.2ms ..."; from where only when that is a question.
static void put_path(const struct top_path *path, bool says_from, int name_width,
                     const struct top_look *look, struct buf *out)
{
    char name[2 * CONTROL_NAME_BYTES + 16], cell[HUMAN_BYTES];
    int64_t values[PERCENT_COUNT];
    struct buf line = {0};
    const uint64_t total = histogram_total(path->recent);
    snprintf(name, sizeof name, "to %s%s%s", path->to, says_from ? " from " : "",
             says_from ? path->from : "");
    buf_printf(&line, "  %-*.*s", name_width, name_width, name);
    histogram_percentiles(path->recent, PERCENTS, PERCENT_COUNT, values);
    for (int i = 0; i < PERCENT_COUNT; i++)
        buf_printf(&line, " %7s", human_ns(total ? (double)values[i] : NAN, cell));
    buf_printf(&line, " %7s", human_ns(total ? (double)histogram_max(path->recent) : NAN, cell));
    buf_printf(&line, " %7s", human_count((double)total, cell));
    put_line(out, look, "", &line);
    buf_fini(&line);
}

static void put_latency(const struct watch_sample *now, const struct top_look *look,
                        struct buf *out)
{
    enum { CELLS = 5 * 8 + 2, WIDE = 72 };
    struct top_path *paths;
    struct buf line = {0};
    const int count = top_paths(now, LATENCY_FROM_SOURCE, &paths);
    bool says_from = false;
    int width = look->columns > 0 ? look->columns - CELLS : WIDE;
    width = width < NAME_LEAST ? NAME_LEAST : width > WIDE ? WIDE : width;
    buf_printf(&line, "%-*.*s %7s %7s %7s %7s %7s", width + 2, width + 2,
               "latency from the source, of the last 10 to 20 s", "p50", "p99", "p99.9", "max",
               "markers");
    for (int i = 1; i < count; i++)
        says_from |= strcmp(paths[i].from, paths[0].from) != 0;
    if (count)
        put_line(out, look, BOLD, &line);
    for (int i = 0; i < count; i++)
        put_path(&paths[i], says_from, width, look, out);
    buf_fini(&line);
    top_paths_free(paths, count);
}

// --- the table of tasks ---

struct row {
    int index;
    const struct watch_task *task;
    struct watch_rates rates;
    int64_t values[PERCENT_COUNT]; // of the latency; -1: none
    int64_t max;
    double key;
};

// What a column shows of a row.
enum cell {
    CELL_TASK,
    CELL_STATE,
    CELL_PID,
    CELL_CORE,
    CELL_CPU,
    CELL_ROWS_IN,
    CELL_ROWS_OUT,
    CELL_BYTES_IN,
    CELL_BYTES_OUT,
    CELL_RING,
    CELL_BLOCKED,
    CELL_LAG,
    CELL_P50,
    CELL_P99,
    CELL_P999,
    CELL_MAX,
    CELL_CHECKPOINT,
    CELL_RESTARTS,
    CELL_SPARES,
    CELL_NAME,
    CELL_COUNT,
};

// Where a terminal is narrow the columns with the highest number go first.
static const struct top_column {
    const char *title;
    int width;
    int drop; // 0: never
} columns[CELL_COUNT] = {
    [CELL_TASK] = {"TASK", 4, 0},         [CELL_STATE] = {"STATE", -14, 0},
    [CELL_PID] = {"PID", 7, 7},           [CELL_CORE] = {"CORE", 4, 6},
    [CELL_CPU] = {"CPU%", 5, 1},          [CELL_ROWS_IN] = {"IN/s", 6, 0},
    [CELL_ROWS_OUT] = {"OUT/s", 6, 0},    [CELL_BYTES_IN] = {"B IN/s", 6, 11},
    [CELL_BYTES_OUT] = {"BOUT/s", 6, 11}, [CELL_RING] = {"RING%", 5, 4},
    [CELL_BLOCKED] = {"BLOCK%", 6, 2},    [CELL_LAG] = {"LAG", 7, 5},
    [CELL_P50] = {"P50", 7, 3},           [CELL_P99] = {"P99", 7, 2},
    [CELL_P999] = {"P99.9", 7, 9},        [CELL_MAX] = {"MAX", 7, 8},
    [CELL_CHECKPOINT] = {"CKPT", 7, 12},  [CELL_RESTARTS] = {"RST", 4, 10},
    [CELL_SPARES] = {"SPR", 4, 13},       [CELL_NAME] = {"NAME", -NAME_LEAST, 0},
};

static int width_of(enum cell cell)
{
    return abs(columns[cell].width);
}

// Which columns fit, and how wide the name may be.
static int choose(const struct top_look *look, bool shown[CELL_COUNT])
{
    enum { DROPS = 13 };
    for (int least = DROPS + 1;; least--) { // what is dropped from this number on
        int width = -1;
        for (int i = 0; i < CELL_COUNT; i++) {
            shown[i] = columns[i].drop == 0 || columns[i].drop < least;
            width += shown[i] ? width_of((enum cell)i) + 1 : 0;
        }
        if (look->columns <= 0)
            return CONTROL_NAME_BYTES;
        if (width <= look->columns || least == 1)
            return NAME_LEAST + (look->columns > width ? look->columns - width : 0);
    }
}

static const char *ratio(double share, char out[HUMAN_BYTES])
{
    return human_percent(share < 0 ? NAN : share, out);
}

// Where it may run: the core that it is pinned to; with a tilde the one where it ran last.
static const char *core_of(const struct watch_task *task, char out[HUMAN_BYTES])
{
    if (task->view.cpu >= 0)
        snprintf(out, HUMAN_BYTES, "%d", task->view.cpu);
    else if (task->process.is_alive && task->process.core >= 0)
        snprintf(out, HUMAN_BYTES, "~%d", task->process.core);
    else
        snprintf(out, HUMAN_BYTES, "-");
    return out;
}

static const char *number(uint64_t value, char out[HUMAN_BYTES])
{
    snprintf(out, HUMAN_BYTES, "%" PRIu64, value);
    return out;
}

// How long the last snapshot took; "..." while one is written.
static const char *snapshot_of(const struct watch_task *task, char out[HUMAN_BYTES])
{
    if (task->snapshot.status == CONTROL_SNAPSHOT_DONE)
        return human_ns((double)task->snapshot.duration_ns, out);
    snprintf(out, HUMAN_BYTES, "%s",
             task->snapshot.status == CONTROL_SNAPSHOT_RUNNING  ? "..."
             : task->snapshot.status == CONTROL_SNAPSHOT_FAILED ? "failed"
                                                                : "-");
    return out;
}

static const char *rate_cell(const struct row *row, enum cell cell, char out[HUMAN_BYTES])
{
    switch (cell) {
    case CELL_CPU:
        return human_percent(row->rates.cpu, out);
    case CELL_ROWS_IN:
        return human_count(row->rates.rows_in, out);
    case CELL_ROWS_OUT:
        return human_count(row->rates.rows_out, out);
    case CELL_BYTES_IN:
        return human_count(row->rates.bytes_in, out);
    case CELL_BYTES_OUT:
        return human_count(row->rates.bytes_out, out);
    case CELL_BLOCKED:
        return human_percent(row->rates.blocked, out);
    case CELL_P50:
    case CELL_P99:
    case CELL_P999:
        return human_ns((double)row->values[cell - CELL_P50], out);
    default:
        return human_ns((double)row->max, out);
    }
}

static const char *cell_of(const struct row *row, enum cell cell, char out[HUMAN_BYTES])
{
    const struct watch_task *task = row->task;
    switch (cell) {
    case CELL_TASK:
        return number((uint64_t)row->index, out);
    case CELL_STATE:
        return watch_task_state(task);
    case CELL_PID:
        return task->process.is_alive ? number((uint64_t)task->view.process.pid, out) : "-";
    case CELL_CORE:
        return core_of(task, out);
    case CELL_RING:
        return ratio(task->input_fill, out);
    case CELL_LAG:
        return human_ns(lag_ns(task), out);
    case CELL_CHECKPOINT:
        return snapshot_of(task, out);
    case CELL_RESTARTS:
        return number(task->view.restarts, out);
    case CELL_SPARES:
        return number((uint64_t)task->spares_ready, out);
    case CELL_NAME:
        return task->view.name;
    default:
        return rate_cell(row, cell, out);
    }
}

static void put_row(const struct row *row, const bool shown[CELL_COUNT], int name_width,
                    const struct top_look *look, struct buf *out)
{
    struct buf line = {0};
    for (int i = 0; i < CELL_COUNT; i++) {
        char text[HUMAN_BYTES];
        if (!shown[i])
            continue;
        const char *cell = row ? cell_of(row, (enum cell)i, text) : columns[i].title;
        if (i == CELL_NAME)
            buf_printf(&line, "%.*s", name_width, cell);
        else
            buf_printf(&line, "%*s ", columns[i].width, cell);
    }
    const bool is_dead = row && strcmp(watch_task_state(row->task), "dead") == 0;
    put_line(out, look, !row ? TITLE : is_dead ? RED : "", &line);
    buf_fini(&line);
}

static double key_of(const struct row *row, enum top_sort sort)
{
    switch (sort) {
    case TOP_SORT_CPU:
        return row->rates.cpu;
    case TOP_SORT_ROWS_IN:
        return row->rates.rows_in;
    case TOP_SORT_ROWS_OUT:
        return row->rates.rows_out;
    case TOP_SORT_BLOCKED:
        return row->rates.blocked;
    case TOP_SORT_LAG:
        return lag_ns(row->task);
    case TOP_SORT_LATENCY:
        return (double)row->values[1];
    default:
        return -(double)row->index; // the largest comes first
    }
}

static int compare(const void *a, const void *b)
{
    const struct row *x = a, *y = b;
    if (x->key != y->key)
        return x->key > y->key ? -1 : 1;
    return x->index - y->index;
}

static struct row *make_rows(const struct watch_sample *before, const struct watch_sample *now,
                             const struct top_look *look)
{
    struct row *rows = calloc((size_t)now->task_count, sizeof *rows);
    CHECK(rows);
    for (int i = 0; i < now->task_count; i++) {
        struct row *row = &rows[i];
        const struct watch_path *path = &now->tasks[i].paths[LATENCY_FROM_SOURCE];
        const struct histogram *recent = path->view.recent;
        *row = (struct row){.index = i, .task = &now->tasks[i], .max = -1};
        row->rates = watch_rates(before, now, i);
        for (int p = 0; p < PERCENT_COUNT; p++)
            row->values[p] = -1;
        if (path->is_there && histogram_total(recent)) {
            histogram_percentiles(recent, PERCENTS, PERCENT_COUNT, row->values);
            row->max = histogram_max(recent);
        }
        const double key = key_of(row, look->sort);
        row->key = isnan(key) ? -1e300 : look->reverse ? -key : key;
    }
    qsort(rows, (size_t)now->task_count, sizeof *rows, compare);
    return rows;
}

static int lines_in(const struct buf *out)
{
    int lines = 0;
    for (size_t i = 0; i < out->len; i++)
        lines += out->data[i] == '\n';
    return lines;
}

static void put_tasks(const struct watch_sample *before, const struct watch_sample *now,
                      const struct top_look *look, struct buf *out)
{
    bool shown[CELL_COUNT];
    const int name_width = choose(look, shown);
    struct row *rows = make_rows(before, now, look);
    int first = look->first, room = now->task_count;
    put_row(NULL, shown, name_width, look, out);
    if (look->lines > 0) {
        room = look->lines - lines_in(out) - 1; // the last line is the screen's
        room = room < 1 ? 1 : room;
    }
    first = first > now->task_count - room ? now->task_count - room : first;
    first = first < 0 ? 0 : first;
    for (int i = first; i < now->task_count && i < first + room; i++)
        put_row(&rows[i], shown, name_width, look, out);
    free(rows);
}

void top_view_job(const struct watch_sample *before, const struct watch_sample *now,
                  const struct top_look *look, struct buf *out)
{
    const struct totals totals = add_up(before, now);
    put_state(now, &totals, look, out);
    put_rows(&totals, look, out);
    put_checkpoint(&now->checkpoint, look, out);
    put_outside(now, look, out);
    buf_append_char(out, '\n');
    put_latency(now, look, out);
    buf_append_char(out, '\n');
    put_tasks(before, now, look, out);
}

// --- the list of jobs ---

// Of the slowest path to a sink: p50, p99, the largest. -1: no markers.
static void worst_path(const struct watch_sample *now, int64_t out[3])
{
    static const double percents[] = {50, 99};
    struct top_path *paths;
    const int count = top_paths(now, LATENCY_FROM_SOURCE, &paths);
    out[0] = out[1] = out[2] = -1;
    for (int i = 0; i < count; i++) {
        int64_t values[2];
        if (!paths[i].is_sink || histogram_total(paths[i].recent) == 0)
            continue;
        histogram_percentiles(paths[i].recent, percents, 2, values);
        if (values[1] > out[1]) {
            out[0] = values[0];
            out[1] = values[1];
            out[2] = histogram_max(paths[i].recent);
        }
    }
    top_paths_free(paths, count);
}

static void put_job(const struct top_pair *job, const struct top_look *look, struct buf *out)
{
    const struct watch_sample *now = job->now;
    const struct totals totals = add_up(job->before, now);
    char text[8][HUMAN_BYTES], held[32], pid[HUMAN_BYTES], tasks[HUMAN_BYTES];
    int64_t latency[3];
    double cpu = 0;
    struct buf line = {0};
    for (int i = 0; i < now->task_count; i++) {
        const double one = watch_rates(job->before, now, i).cpu;
        cpu += isnan(one) && !now->tasks[i].process.is_alive ? 0 : one;
    }
    worst_path(now, latency);
    snprintf(tasks, sizeof tasks, "%d/%d", watch_living(now), now->task_count);
    snprintf(pid, sizeof pid, "%d", (int)now->supervisor.pid);
    buf_printf(&line, "%-20.64s %-12s %7s %7s %5s %6s %6s %7s %7s %7s %7s %4" PRIu64 " %10s",
               now->job, watch_state(now), now->is_supervised ? pid : "-", tasks,
               human_percent(cpu, text[0]), human_count(totals.rows_in, text[1]),
               human_count(totals.rows_out, text[2]),
               human_ns(is_time(totals.lag_ms) ? (double)totals.lag_ms * 1e6 : NAN, text[3]),
               human_ns((double)latency[0], text[4]), human_ns((double)latency[1], text[5]),
               human_ns((double)latency[2], text[6]), totals.restarts,
               budget_format_bytes(now->held_bytes, held));
    put_line(out, look, now->is_supervised ? "" : RED, &line);
    buf_fini(&line);
}

void top_view_jobs(const struct top_pair *jobs, int count, const struct top_look *look,
                   struct buf *out)
{
    struct buf line = {0};
    buf_printf(&line, "%-20s %-12s %7s %7s %5s %6s %6s %7s %7s %7s %7s %4s %10s", "JOB", "STATE",
               "PID", "TASKS", "CPU%", "IN/s", "OUT/s", "LAG", "P50", "P99", "MAX", "RST",
               "MEMORY");
    put_line(out, look, TITLE, &line);
    for (int i = 0; i < count; i++)
        put_job(&jobs[i], look, out);
    if (count == 0)
        buf_append_str(out, "no job of this user has memory on this host\n");
    buf_fini(&line);
}
