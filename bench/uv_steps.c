// uv_steps.c: where a row's time goes: the UV job's one task, run in this process, under a trace.
//
// usage: uv_steps JSON_FILE CSV_FILE
// The product's own code does all the work: the linker puts the functions __wrap_* below in front
// of the product's (bench/rules.mk has the list), each of which notes the time, calls the product's
// and notes the time again. A step's time is its own: what it calls and is traced too is taken off,
// so the steps add up to the whole. Time is the thread's CPU time, which other processes do not
// lengthen; what the clock itself costs is measured and taken off.
//
// Then, with polls of 1, 32 and 1,024 rows: what one commit costs (the median, by a clock that is
// cheap to read), the whole transaction, and how much the undo log held.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/state/bitmap.h"
#include "core/state/dict.h"
#include "core/state/table.h"
#include "stages/operator/window_state.h"
#include "stages/runtime/task_internal.h"

enum step {
    STEP_LOOP,
    STEP_SCAN,
    STEP_EXPRESSIONS,
    STEP_PANES,
    STEP_KEYS,
    STEP_GROUPS,
    STEP_DICTIONARY,
    STEP_BITMAP,
    STEP_ACCUMULATE,
    STEP_AHEAD,
    STEP_EMIT,
    STEP_SINK,
    STEP_COMMIT,
    STEP_COUNT
};

static const char *const step_names[] = {
    [STEP_LOOP] = "loop: batches cut at watermarks",
    [STEP_SCAN] = "scan: read the file, parse",
    [STEP_EXPRESSIONS] = "expressions, calc",
    [STEP_PANES] = "window: rows to panes",
    [STEP_KEYS] = "window: encode group keys",
    [STEP_GROUPS] = "window: look groups up",
    [STEP_DICTIONARY] = "window: dictionary",
    [STEP_BITMAP] = "window: bitmap",
    [STEP_ACCUMULATE] = "window: accumulate, the rest",
    [STEP_AHEAD] = "window: rows ahead of their minute",
    [STEP_EMIT] = "emit points; free the day's state",
    [STEP_SINK] = "sink: write points",
    [STEP_COMMIT] = "commit",
};

enum { COMMIT_NS_MAX = 1 << 16 };

struct trace {
    int64_t spent_ns[STEP_COUNT];
    uint64_t notes[STEP_COUNT];
    enum step now;
    int64_t since_ns;
    // What the run may take, and what it took.
    uint32_t max_rows; // a poll
    uint64_t end_rows; // of the source; then it is at its end
    uint64_t rows, polls;
    // Before the end of input.
    uint64_t commits, log_bytes;
    uint32_t commit_ns[COMMIT_NS_MAX]; // how many took so long
    int64_t cpu_start_ns, cpu_ns;      // of the thread
    uint64_t devices, peak_bytes;      // of the arena
    const struct operator_class *window, *calc, *sink;
};

static struct trace trace;

static clockid_t clock_id = CLOCK_THREAD_CPUTIME_ID; // of the notes
static double clock_ns;                              // what one look at it costs

static int64_t clock_read(clockid_t id)
{
    struct timespec t;
    clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static int64_t now_ns(void)
{
    return clock_read(clock_id);
}

static void choose_clock(clockid_t id)
{
    enum { LOOKS = 200000 };
    clock_id = id;
    int64_t start = clock_read(CLOCK_THREAD_CPUTIME_ID);
    for (int i = 0; i < LOOKS; i++)
        now_ns();
    clock_ns = (double)(clock_read(CLOCK_THREAD_CPUTIME_ID) - start) / LOOKS;
}

// Time goes to `step` from now on; returns the step that it went to before.
static enum step enter(enum step step)
{
    int64_t now = now_ns();
    enum step before = trace.now;
    trace.spent_ns[before] += now - trace.since_ns;
    trace.notes[before]++;
    trace.since_ns = now;
    trace.now = step;
    return before;
}

static int leave(enum step before, int result)
{
    enter(before);
    return result;
}

// --- functions of the product that are traced where they are called ---

void __real_expr_eval(struct expr_program *program, const struct batch *batch,
                      const struct expr_context *context, const struct column **out);
void __wrap_expr_eval(struct expr_program *program, const struct batch *batch,
                      const struct expr_context *context, const struct column **out);
void __wrap_expr_eval(struct expr_program *program, const struct batch *batch,
                      const struct expr_context *context, const struct column **out)
{
    enum step before = enter(STEP_EXPRESSIONS);
    __real_expr_eval(program, batch, context, out);
    enter(before);
}

void __real_window_encode_keys(struct window *w, const struct window_rows *rows,
                               struct slice *keys);
void __wrap_window_encode_keys(struct window *w, const struct window_rows *rows,
                               struct slice *keys);
void __wrap_window_encode_keys(struct window *w, const struct window_rows *rows, struct slice *keys)
{
    enum step before = enter(STEP_KEYS);
    __real_window_encode_keys(w, rows, keys);
    enter(before);
}

int __real_table_upsert_batch(struct arena *a, uint64_t head, const struct key_batch *batch,
                              uint64_t *records);
int __wrap_table_upsert_batch(struct arena *a, uint64_t head, const struct key_batch *batch,
                              uint64_t *records);
int __wrap_table_upsert_batch(struct arena *a, uint64_t head, const struct key_batch *batch,
                              uint64_t *records)
{
    enum step before = enter(STEP_GROUPS);
    return leave(before, __real_table_upsert_batch(a, head, batch, records));
}

int __real_dict_ids(struct arena *a, uint64_t head, uint32_t count, const struct slice *keys,
                    uint64_t *ids);
int __wrap_dict_ids(struct arena *a, uint64_t head, uint32_t count, const struct slice *keys,
                    uint64_t *ids);
int __wrap_dict_ids(struct arena *a, uint64_t head, uint32_t count, const struct slice *keys,
                    uint64_t *ids)
{
    enum step before = enter(STEP_DICTIONARY);
    int status = __real_dict_ids(a, head, count, keys, ids);
    trace.devices = dict_count(a, head);
    return leave(before, status);
}

int __real_bitmap_add_batch(struct arena *a, uint32_t n, const uint64_t *heads,
                            const uint64_t *numbers, uint8_t *added);
int __wrap_bitmap_add_batch(struct arena *a, uint32_t n, const uint64_t *heads,
                            const uint64_t *numbers, uint8_t *added);
int __wrap_bitmap_add_batch(struct arena *a, uint32_t n, const uint64_t *heads,
                            const uint64_t *numbers, uint8_t *added)
{
    enum step before = enter(STEP_BITMAP);
    return leave(before, __real_bitmap_add_batch(a, n, heads, numbers, added));
}

int __real_window_accumulate(struct window *w, uint64_t pane, const struct window_rows *rows);
int __wrap_window_accumulate(struct window *w, uint64_t pane, const struct window_rows *rows);
int __wrap_window_accumulate(struct window *w, uint64_t pane, const struct window_rows *rows)
{
    enum step before = enter(STEP_ACCUMULATE);
    return leave(before, __real_window_accumulate(w, pane, rows));
}

int __real_window_wait(struct window *w, uint64_t pane, const struct window_rows *rows,
                       const int64_t *slice_ends);
int __wrap_window_wait(struct window *w, uint64_t pane, const struct window_rows *rows,
                       const int64_t *slice_ends);
int __wrap_window_wait(struct window *w, uint64_t pane, const struct window_rows *rows,
                       const int64_t *slice_ends)
{
    enum step before = enter(STEP_AHEAD);
    return leave(before, __real_window_wait(w, pane, rows, slice_ends));
}

int __real_task_commit(struct task *task);
int __wrap_task_commit(struct task *task);
int __wrap_task_commit(struct task *task)
{
    uint64_t used = arena_used_bytes(task->arena);
    if (used > trace.peak_bytes)
        trace.peak_bytes = used;
    uint64_t log_bytes = arena_log_used(task->arena);
    enum step before = enter(STEP_COMMIT);
    int64_t start = trace.since_ns;
    int status = __real_task_commit(task);
    enter(before);
    if (!task->state.end_started) {
        int64_t took = trace.since_ns - start;
        trace.commits++;
        trace.log_bytes += log_bytes;
        trace.commit_ns[took < COMMIT_NS_MAX ? took : COMMIT_NS_MAX - 1]++;
    } else if (!trace.cpu_ns) {
        trace.cpu_ns = clock_read(CLOCK_THREAD_CPUTIME_ID) - trace.cpu_start_ns;
    }
    return status;
}

// --- classes: copies whose calls note the time ---

static int traced_poll(struct source *source, struct batch *batch, uint32_t max_rows,
                       struct source_poll *out, struct err *err)
{
    if (trace.rows >= trace.end_rows) {
        out->status = SOURCE_END;
        return 0;
    }
    uint32_t wanted = max_rows < trace.max_rows ? max_rows : trace.max_rows;
    enum step before = enter(STEP_SCAN);
    int rc = file_source_class.poll(source, batch, wanted, out, err);
    enter(before);
    trace.polls++;
    trace.rows += batch->count;
    return rc;
}

static int traced_advance(struct source *source, uint32_t rows)
{
    enum step before = enter(STEP_SCAN);
    return leave(before, file_source_class.advance(source, rows));
}

static struct source_class traced_source;

static int traced_open(const struct op_context *context, struct source **out, struct err *err)
{
    int rc = file_source_class.open(context, out, err);
    if (rc == 0)
        (*out)->class = &traced_source;
    return rc;
}

const struct source_class *__wrap_chain_source_class(const struct plan_table *table);
const struct source_class *__wrap_chain_source_class(const struct plan_table *table)
{
    (void)table; // every job here reads files
    traced_source = file_source_class;
    traced_source.open = traced_open;
    traced_source.poll = traced_poll;
    traced_source.advance = traced_advance;
    return &traced_source;
}

static int traced_window_push(struct operator* op, struct batch *batch)
{
    enum step before = enter(STEP_PANES);
    return leave(before, trace.window->push(op, batch));
}

static int traced_window_work(struct operator* op, bool *more)
{
    enum step before = enter(STEP_EMIT);
    return leave(before, trace.window->work(op, more));
}

static int traced_calc_push(struct operator* op, struct batch *batch)
{
    enum step before = enter(STEP_EXPRESSIONS);
    return leave(before, trace.calc->push(op, batch));
}

static int traced_sink_push(struct operator* op, struct batch *batch)
{
    enum step before = enter(STEP_SINK);
    return leave(before, trace.sink->push(op, batch));
}

static int traced_sink_before_commit(struct operator* op)
{
    enum step before = enter(STEP_SINK);
    return leave(before, trace.sink->before_commit(op));
}

static void trace_operator(struct operator* op)
{
    static struct operator_class window, calc, sink;
    if (op->class ==
        &row_guard_class) // it stands in front of the operator that it bears the kind of
        return;
    switch (op->context.op->kind) {
    case OP_WINDOW:
        if (!op->class->work) // the guard behind the window: it only passes rows on
            return;
        trace.window = op->class;
        window = *op->class;
        window.push = traced_window_push;
        window.work = traced_window_work;
        op->class = &window;
        return;
    case OP_CALC:
        trace.calc = op->class;
        calc = *op->class;
        calc.push = traced_calc_push;
        op->class = &calc;
        return;
    case OP_SINK:
        trace.sink = op->class;
        sink = *op->class;
        sink.push = traced_sink_push;
        sink.before_commit = sink.before_commit ? traced_sink_before_commit : NULL;
        op->class = &sink;
        return;
    default:
        return;
    }
}

int __real_chain_open(struct chain *chain, const struct op_context *context, int first_op,
                      struct operator* last, struct err *err);
int __wrap_chain_open(struct chain *chain, const struct op_context *context, int first_op,
                      struct operator* last, struct err *err);
int __wrap_chain_open(struct chain *chain, const struct op_context *context, int first_op,
                      struct operator* last, struct err *err)
{
    int rc = __real_chain_open(chain, context, first_op, last, err);
    for (int i = 0; rc == 0 && i < chain->count; i++)
        trace_operator(chain->ops[i]);
    return rc;
}

// --- runs ---

static int run_task(const struct jobdir *dir, struct err *err)
{
    struct task *task = calloc(1, sizeof *task);
    CHECK(task);
    task->spare = -1;
    int rc = task_open(task, dir->path);
    trace.since_ns = now_ns();
    trace.cpu_start_ns = clock_read(CLOCK_THREAD_CPUTIME_ID);
    if (rc == 0)
        rc = task_loop(task);
    enter(STEP_LOOP);
    if (rc < 0)
        err_set(err, rc, "%s", task->err.text[0] ? task->err.text : strerror(-rc));
    task_close(task);
    free(task);
    return rc;
}

static int run_job(const struct plan *plan, const struct job_options *options, struct err *err)
{
    struct jobdir dir;
    struct err ignored;
    int rc = jobdir_open("/dev/shm", options->job_name, &dir, err);
    if (rc < 0)
        return rc;
    rc = job_create(&dir, plan, options, err);
    if (rc == 0)
        rc = run_task(&dir, err);
    jobdir_remove(&dir, &ignored);
    return rc;
}

// Run the UV job over the file until its end or `end_rows`, into `trace`. Ends the program when it
// cannot.
static void run_traced(const char *format, const char *file, uint32_t max_rows, uint64_t end_rows)
{
    char sql[8192], job[32], sink[64];
    struct err err = {.text = ""};
    struct plan *plan = NULL;
    snprintf(job, sizeof(job), "bench-steps-%d", (int)getpid());
    snprintf(sink, sizeof(sink), "/dev/shm/%s.points", job);
    snprintf(sql, sizeof(sql),
             "SET 'parallelism.default' = '1';\n"
             "CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),\n"
             "  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND\n"
             ") WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = '%s');\n"
             "CREATE TABLE points (window_end TIMESTAMP(3), dimension STRING, uv BIGINT\n"
             ") WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = 'csv');\n"
             "INSERT INTO points SELECT window_end, dimension, COUNT(DISTINCT id) AS uv\n"
             "FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE,\n"
             "  INTERVAL '1' DAY)) GROUP BY window_start, window_end, dimension;\n",
             file, format, sink);
    const struct plan_settings settings = {"uv_steps", slice_of(sql), 1};
    const struct job_options options = {
        .job_name = job,
        .sql_file = "uv_steps",
        .sql = settings.sql,
        .cores = 1,
        .state_bytes = (uint64_t)2 << 30,
        .waiting = WAITER_BLOCK,
    };
    memset(&trace, 0, sizeof trace);
    trace.max_rows = max_rows;
    trace.end_rows = end_rows;
    int rc = plan_make(&settings, &plan, &err);
    if (rc == 0)
        rc = run_job(plan, &options, &err);
    char command[128];
    snprintf(command, sizeof(command), "rm -rf '%s'", sink);
    if (system(command) != 0 && rc == 0) // NOLINT: a fixed name without spaces
        rc = err_set(&err, -1, "cannot remove %s", sink);
    if (rc < 0) {
        fprintf(stderr, "uv_steps: %s\n", err.text);
        exit(1);
    }
    plan_free(plan);
}

// What the step took, less the looks at the clock.
static double step_ns(const struct trace *t, int step)
{
    return (double)t->spent_ns[step] - (double)t->notes[step] * clock_ns;
}

static void print_steps(const struct trace *json, const struct trace *csv)
{
    double json_sum = 0, csv_sum = 0;
    printf("%-36s %8s %8s\n", "nanoseconds a row, by step", "json", "csv");
    for (int i = 1; i <= STEP_COUNT; i++) {
        int step = i % STEP_COUNT; // the loop last
        double one = step_ns(json, step) / (double)json->rows;
        double two = step_ns(csv, step) / (double)csv->rows;
        json_sum += one;
        csv_sum += two;
        printf("%-36s %8.1f %8.1f\n", step_names[step], one, two);
    }
    printf("%-36s %8.1f %8.1f\n", "sum", json_sum, csv_sum);
    printf("state at its largest: %.1f MiB for %" PRIu64 " devices: %.1f bytes a device (csv: "
           "%.1f)\n",
           (double)json->peak_bytes / 1048576, json->devices,
           (double)json->peak_bytes / (double)json->devices,
           (double)csv->peak_bytes / (double)csv->devices);
}

static double median_commit_ns(void)
{
    uint64_t seen = 0, ns = 0;
    while (ns < COMMIT_NS_MAX - 1 && (seen += trace.commit_ns[ns]) * 2 < trace.commits)
        ns++;
    return (double)ns - clock_ns;
}

static void print_commit(uint32_t batch)
{
    double notes = 0;
    for (int i = 0; i < STEP_COUNT; i++)
        notes += (double)trace.notes[i];
    printf("%4u rows a batch: commit %6.0f ns; all of the transaction %7.0f ns, %6.0f ns a row; "
           "undo log %6.0f bytes\n",
           batch, median_commit_ns(),
           ((double)trace.cpu_ns - notes * clock_ns) / (double)trace.commits,
           ((double)trace.cpu_ns - notes * clock_ns) / (double)trace.rows,
           (double)trace.log_bytes / (double)trace.commits);
}

int main(int argc, char **argv)
{
    if (argc != 3) {
        fprintf(stderr, "usage: uv_steps JSON_FILE CSV_FILE\n");
        return 64;
    }
    choose_clock(CLOCK_THREAD_CPUTIME_ID);
    run_traced("json", argv[1], BATCH_ROWS, UINT64_MAX);
    static struct trace json;
    json = trace;
    run_traced("csv", argv[2], BATCH_ROWS, UINT64_MAX);
    print_steps(&json, &trace);
    choose_clock(CLOCK_MONOTONIC);
    static const uint32_t batches[] = {1, 32, 1024};
    for (size_t i = 0; i < ARRAY_SIZE(batches); i++) {
        run_traced("csv", argv[2], batches[i],
                   batches[i] == 1024 ? UINT64_MAX : (uint64_t)batches[i] * 50000);
        print_commit(batches[i]);
    }
    return 0;
}
