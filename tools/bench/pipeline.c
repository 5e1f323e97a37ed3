// pipeline.c: `weir bench pipeline`: source -> keyed window -> sink, as a job of two tasks, under
// open-loop load with checkpoints each second; beside it the host's own jitter on the same cores.
//
// Rows are due at start + n / rate, and their event time is that moment. So a window's result is
// due at the window's end, when the row that closes it is; its latency is from there to the commit
// of the sink that has it (connector blackhole, 'latency.column').
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "tools/bench/jitter.h"
#include "tools/bench/markers.h"
#include "tools/bench/runner.h"

enum { SOURCE, WINDOW, TASKS, KEYS = 16, WINDOW_MS = 10 };

static const double full_speed_s = 1.5;

struct pipeline {
    struct bench *bench;
    struct runner runner;
    int64_t keys, window_ms, rate;
    enum waiter_policy waiting;
    struct histogram *mapped; // the sink's
};

// --- the job ---

static int write_config(const struct pipeline *p, struct err *err)
{
    const struct bench_options *o = &p->bench->options;
    FILE *yaml = runner_create(&p->runner, "job.yaml", err);
    if (!yaml)
        return -EIO;
    fprintf(yaml,
            "job: %s\nsql: job.sql\nmemory: {dir: %s, state: 32MiB, reserve: 5%%}\n"
            "placement: {cores: \"%d,%d\", waiting: %s}\n"
            "checkpoint: {interval: 1s, dir: %s/checkpoints}\n",
            p->runner.job, p->runner.memory_dir, o->cores[0], o->cores[1],
            bench_waiting_name((int)p->waiting), p->runner.folder);
    fclose(yaml);
    return 0;
}

// The idle timeout makes rows cross to the window's task, not partial results.
static int write_sql(const struct pipeline *p, struct err *err)
{
    FILE *sql = runner_create(&p->runner, "job.sql", err);
    if (!sql)
        return -EIO;
    fprintf(sql,
            "SET 'pipeline.auto-watermark-interval' = '0';\n"
            "SET 'table.exec.source.idle-timeout' = '1 h';\n"
            "CREATE TABLE src (k BIGINT, at TIMESTAMP(3),\n"
            "  WATERMARK FOR at AS at - INTERVAL '0.001' SECOND) WITH (\n"
            "  'connector' = 'datagen', 'rows-per-second' = '%lld', 'fields.at.kind' = 'due',\n"
            "  'fields.k.min' = '1', 'fields.k.max' = '%lld');\n",
            (long long)p->rate, (long long)p->keys);
    fprintf(
        sql,
        "CREATE TABLE results (k BIGINT, at TIMESTAMP(3), n BIGINT) WITH (\n"
        "  'connector' = 'blackhole', 'latency.column' = 'at', 'latency.file' = '%s/latency');\n"
        "INSERT INTO results SELECT k, window_end, COUNT(*)\n"
        "FROM TABLE(TUMBLE(TABLE src, DESCRIPTOR(at), INTERVAL '%lld.%03lld' SECOND))\n"
        "GROUP BY k, window_start, window_end;\n",
        p->runner.folder, (long long)p->window_ms / 1000, (long long)p->window_ms % 1000);
    fclose(sql);
    return 0;
}

static int map_latency(struct pipeline *p, struct err *err)
{
    char path[PATH_MAX + 32];
    const uint64_t bytes = histogram_bytes(3);
    snprintf(path, sizeof path, "%s/latency-%d", p->runner.folder, WINDOW);
    for (int i = 0; i < 1000; i++) { // the sink makes it when it opens
        struct stat st;
        int fd = open(path, O_RDONLY | O_CLOEXEC);
        bool is_there = fd >= 0 && fstat(fd, &st) == 0 && (uint64_t)st.st_size >= bytes;
        void *map = is_there ? mmap(NULL, bytes, PROT_READ, MAP_SHARED, fd, 0) : MAP_FAILED;
        if (fd >= 0)
            close(fd);
        if (map != MAP_FAILED && histogram_check(map, bytes, err) == 0) {
            p->mapped = map;
            return 0;
        }
        if (map != MAP_FAILED)
            munmap(map, bytes);
        int rc = side_sleep(0.01, err);
        if (rc < 0)
            return rc;
    }
    return err_set(err, -EIO, "the job's sink does not begin");
}

static int start(struct pipeline *p, struct err *err)
{
    p->mapped = NULL;
    int rc = runner_make(&p->runner, &p->bench->options, err);
    if (rc == 0)
        rc = write_config(p, err);
    if (rc == 0)
        rc = write_sql(p, err);
    if (rc == 0)
        rc = runner_start(&p->runner, err);
    if (rc == 0 && (!p->runner.control || control_task_count(p->runner.control) != TASKS))
        rc = err_set(err, -EIO, "the job has another plan than the benchmark counts on");
    return rc == 0 ? map_latency(p, err) : rc;
}

// No row may be lost on the way: all are in time, none is bad.
static int finish(struct pipeline *p, struct err *err)
{
    int64_t bad = 0;
    for (int t = 0; t < TASKS; t++)
        bad += runner_counter(&p->runner, t, CONTROL_LATE_ROWS) +
               runner_counter(&p->runner, t, CONTROL_BAD_ROWS);
    int rc = runner_stop(&p->runner, err);
    if (rc == 0 && bad)
        rc = err_set(err, -EIO, "the answer is WRONG: %lld rows were late or bad", (long long)bad);
    return rc;
}

static void clean(struct pipeline *p)
{
    if (p->mapped)
        munmap(p->mapped, histogram_bytes(3));
    p->mapped = NULL;
    runner_remove(&p->runner);
}

static int pause_for(struct pipeline *p, double seconds, struct err *err)
{
    bool ended;
    int rc = runner_sleep(&p->runner, seconds, &ended, err);
    return rc == 0 && ended ? err_set(err, -EIO, "the job ended by itself") : rc;
}

// --- how fast it goes ---

static int full_speed(struct pipeline *p, double *rate, struct err *err)
{
    p->rate = 0;
    int rc = start(p, err);
    if (rc == 0)
        rc = pause_for(p, 0.5, err);
    int64_t before = runner_counter(&p->runner, WINDOW, CONTROL_ROWS_IN), began = bench_now_ns();
    if (rc == 0)
        rc = pause_for(p, full_speed_s, err);
    int64_t rows = runner_counter(&p->runner, WINDOW, CONTROL_ROWS_IN) - before;
    *rate = (double)rows * 1e9 / (double)(bench_now_ns() - began);
    if (rc == 0)
        rc = finish(p, err);
    clean(p);
    return rc < 0 || *rate >= 1 ? rc : err_set(err, -EIO, "the job does not go on");
}

// --- a run ---

struct marks { // of the moment that measuring begins
    struct histogram *seen;
    int64_t ns, rows;
    double cpu_s[TASKS];
    uint64_t checkpoints;
};

static void note(const struct pipeline *p, struct marks *m)
{
    histogram_copy(m->seen, p->mapped);
    m->ns = bench_now_ns();
    m->rows = runner_counter(&p->runner, WINDOW, CONTROL_ROWS_IN);
    m->checkpoints = control_complete_checkpoint(p->runner.control);
    for (int t = 0; t < TASKS; t++)
        m->cpu_s[t] = runner_task_cpu_s(&p->runner, t);
}

static void report_run(struct pipeline *p, const struct marks *from, struct marks *to)
{
    struct report *report = &p->bench->report;
    double seconds = (double)(to->ns - from->ns) / 1e9;
    double rate = (double)(to->rows - from->rows) / seconds;
    histogram_subtract(to->seen, from->seen);
    report_series(report, "window result", to->seen, from->ns, seconds);
    report_rate(report, "rows", "M/s", rate / 1e6);
    report_rate(report, "checkpoints complete", "", (double)(to->checkpoints - from->checkpoints));
    if (from->cpu_s[SOURCE] >= 0 && to->cpu_s[WINDOW] >= 0) {
        report_figure(report, "CPU of the source", "%",
                      100 * (to->cpu_s[SOURCE] - from->cpu_s[SOURCE]) / seconds);
        report_figure(report, "CPU of window and sink", "%",
                      100 * (to->cpu_s[WINDOW] - from->cpu_s[WINDOW]) / seconds);
    }
    if (rate < 0.98 * (double)p->rate || histogram_percentile(to->seen, 50) > 1000000)
        report_note(report,
                    "the load was not carried in every run: %.0f of %lld rows/s, half of the "
                    "results later than %.0f us; the cores are shared, or --rate is too high",
                    rate, (long long)p->rate, (double)histogram_percentile(to->seen, 50) / 1e3);
}

static int load(struct pipeline *p, struct err *err)
{
    const struct bench_options *o = &p->bench->options;
    struct marks from = {.seen = histogram_new(3)}, to = {.seen = histogram_new(3)};
    int rc = start(p, err);
    if (rc == 0)
        rc = pause_for(p, o->warmup, err);
    if (rc == 0) {
        note(p, &from);
        rc = pause_for(p, o->seconds, err);
    }
    if (rc == 0) {
        note(p, &to);
        markers_report(p->bench, &p->runner, o->seconds);
        report_run(p, &from, &to);
        rc = finish(p, err);
    }
    clean(p);
    free(from.seen);
    free(to.seen);
    return rc;
}

// A result needs both cores: where one of them is away it is late. So the shares of late rows of
// both add up, and percentile p of that is percentile (100 + p) / 2 of the two histograms as one.
static void report_jitter(struct pipeline *p, struct jitter_core *cores, int64_t began)
{
    struct report *report = &p->bench->report;
    struct histogram *both = histogram_new(3);
    const double due_s = (double)cores[0].spun_ns / 1e9;
    histogram_add(both, cores[0].due);
    histogram_add(both, cores[1].due);
    report_series(report, "host alone", both, began, due_s);
    for (int i = 0; i < REPORT_PERCENTS; i++) {
        char name[64];
        snprintf(name, sizeof name, "window result %s", report_percent_names[i]);
        const struct figure *f = report_find(report, name);
        double host = (double)histogram_percentile(both, (100 + report_percents[i]) / 2);
        snprintf(name, sizeof name, "%s, to the host's own", report_percent_names[i]);
        if (f && f->count && host > 0 && report_percents[i] > 99)
            report_figure(report, name, "x", f->values[f->count - 1] / host);
    }
    free(both);
}

static int run_once(struct pipeline *p, struct err *err)
{
    const struct bench_options *o = &p->bench->options;
    struct jitter_core *cores = jitter_cores(TASKS);
    const struct jitter_plan plan = {.cores = o->cores,
                                     .core_count = TASKS,
                                     .seconds = o->seconds / 2,
                                     .warmup_s = 0.01,
                                     .due_each_ns = 1000};
    int64_t began = bench_now_ns();
    int rc = jitter_measure(cores, &plan, err); // one half before, one behind
    if (rc == 0)
        rc = load(p, err);
    if (rc == 0)
        rc = jitter_measure(cores, &plan, err);
    if (rc == 0)
        report_jitter(p, cores, began);
    jitter_free(cores, TASKS);
    return rc;
}

static int run(struct bench *bench, struct err *err)
{
    const struct bench_options *o = &bench->options;
    struct pipeline p = {.bench = bench,
                         .keys = o->keys ? o->keys : KEYS,
                         .window_ms = o->window_ms ? o->window_ms : WINDOW_MS,
                         .waiting = o->waiting >= 0 ? (enum waiter_policy)o->waiting : WAITER_SPIN};
    char text[160];
    double full = 0;
    int rc = 0;
    if (!o->rate) {
        bench_say(bench, "at full speed");
        rc = full_speed(&p, &full, err);
    }
    if (rc == 0 && full > 0)
        report_rate(&bench->report, "rows at full speed", "M/s", full / 1e6);
    const int64_t rate = o->rate ? o->rate : (int64_t)(full / 2) + 1;
    snprintf(text, sizeof text, "%lld rows/s%s, %lld keys, windows of %lld ms, waiting: %s",
             (long long)rate, o->rate ? "" : " (half of full speed)", (long long)p.keys,
             (long long)p.window_ms, bench_waiting_name((int)p.waiting));
    report_fact(&bench->report, "load", text);
    for (int i = 0; i < o->runs && rc == 0; i++) {
        bench_say(bench, "run %d of %d: %s", i + 1, o->runs, text);
        p.rate = rate;
        rc = run_once(&p, err);
    }
    return rc;
}

static const char *const accepts[] = {"--rate",   "--waiting",    "--keys", "--window",
                                      "--folder", "--memory-dir", NULL};

const struct bench_kind bench_pipeline = {
    .name = "pipeline",
    .summary = "source, keyed window, sink: latency under open-loop load, with checkpoints",
    .about =
        "A job of two tasks on two cores: rows that are due at a fixed rate, a window over keys,\n"
        "results to a sink; a checkpoint each second. A result's latency is from the end of its\n"
        "window, when the row that closes it is due, to its commit at the sink. `host alone` is "
        "how\n"
        "late a task that costs nothing would be on the same cores, just before and after.\n\n"
        "  --rate N         rows a second; without it half of what is measured first\n"
        "  --waiting WHICH  spin (default), adaptive, block\n"
        "  --keys N         groups of a window (16)\n"
        "  --window MS      its length (10)\n"
        "  --folder DIR     for the job's files and checkpoints ($TMPDIR or /tmp)\n"
        "  --memory-dir DIR for the job's memory (as a job without memory.dir)\n\n"
        "example:\n\n  weir bench pipeline --rate 1000000 --runs 3 --html pipeline.html\n",
    .least_cores = 2,
    .runs = 3,
    .seconds = 5,
    .warmup = 1,
    .accepts = accepts,
    .is_probed = true,
    .run = run,
};
