// job.c: `weir bench job JOB.yaml`: a person's own job, run and looked at from outside.
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "tools/bench/markers.h"
#include "tools/bench/runner.h"

enum { LOOKS_A_SECOND = 20 };

struct job_task {
    char name[CONTROL_NAME_BYTES];
    int64_t rows_in, rows_out;
    double cpu_s;
};

// What was last seen of a run: tasks are gone when it has ended.
struct seen {
    struct job_task tasks[RUNNER_TASKS_MAX];
    int task_count;
    int64_t source_rows; // read by tasks that have a source in front
    uint64_t restarts;
};

static void look(const struct runner *runner, struct seen *seen)
{
    if (!runner->control)
        return;
    seen->task_count = control_task_count(runner->control);
    if (seen->task_count > RUNNER_TASKS_MAX)
        seen->task_count = RUNNER_TASKS_MAX;
    seen->source_rows = 0;
    seen->restarts = 0;
    for (int t = 0; t < seen->task_count; t++) {
        struct control_view view;
        struct job_task *task = &seen->tasks[t];
        control_view(runner->control, t, &view);
        memcpy(task->name, view.name, sizeof task->name);
        task->rows_in = view.counters[CONTROL_ROWS_IN];
        task->rows_out = view.counters[CONTROL_ROWS_OUT];
        double cpu_s = runner_task_cpu_s(runner, t);
        task->cpu_s = cpu_s > task->cpu_s ? cpu_s : task->cpu_s;
        seen->restarts += view.restarts;
        if (strncmp(task->name, "source", strlen("source")) == 0)
            seen->source_rows += task->rows_in;
    }
}

// Until the job ends, or for --seconds.
static int watch(struct bench *bench, struct runner *runner, struct seen *seen, struct err *err)
{
    const double limit = bench->options.seconds;
    const int64_t until = bench_now_ns() + (int64_t)(limit * 1e9);
    bool ended = false;
    int rc = 0;
    while (rc == 0 && !ended && bench_now_ns() < until) {
        rc = runner_sleep(runner, 1.0 / LOOKS_A_SECOND, &ended, err);
        look(runner, seen);
    }
    if (rc == 0 && !ended) {
        report_note(&bench->report,
                    "the job was stopped after %.3g s (--seconds); it goes on from its last "
                    "checkpoint when it runs again",
                    limit);
        markers_report(bench, runner, limit);
        rc = runner_stop(runner, err);
    } else if (rc == 0) {
        markers_report(bench, runner, limit);
    }
    return rc;
}

static void report_run(struct bench *bench, const struct runner *runner, const struct seen *seen,
                       double seconds)
{
    struct report *report = &bench->report;
    char name[REPORT_NAME_BYTES];
    report_figure(report, "seconds", "s", seconds);
    if (seen->task_count == 0) {
        report_note(report, "the job had ended before its tasks could be looked at: give it more "
                            "to do");
        return;
    }
    report_rate(report, "rows read", "M/s", (double)seen->source_rows / seconds / 1e6);
    report_figure(report, "CPU of all processes", "s", runner->cpu_s);
    if (seen->source_rows && runner->cpu_s > 0)
        report_rate(report, "rows read a second of CPU", "M/s",
                    (double)seen->source_rows / runner->cpu_s / 1e6);
    report_figure(report, "restarts", "", (double)seen->restarts);
    for (int t = 0; t < seen->task_count; t++) {
        const struct job_task *task = &seen->tasks[t];
        snprintf(name, sizeof name, "task %d, %.60s: rows in", t, task->name);
        report_figure(report, name, "", (double)task->rows_in);
        snprintf(name, sizeof name, "task %d, %.60s: CPU", t, task->name);
        report_figure(report, name, "s", task->cpu_s);
    }
}

static int run_once(struct bench *bench, struct err *err)
{
    struct runner runner;
    struct seen *seen = calloc(1, sizeof *seen);
    CHECK(seen);
    int rc = runner_own(&runner, bench->options.job, err);
    int64_t began = bench_now_ns();
    if (rc == 0) {
        rc = runner_start(&runner, err);
        look(&runner, seen);
        if (rc == 0)
            rc = watch(bench, &runner, seen, err);
        double seconds = (double)(bench_now_ns() - began) / 1e9;
        runner_remove(&runner);
        if (rc == 0)
            report_run(bench, &runner, seen, seconds);
    }
    free(seen);
    return rc;
}

static int run(struct bench *bench, struct err *err)
{
    report_note(&bench->report, "what the job prints was not shown");
    return bench_each_run(bench, run_once, err);
}

const struct bench_kind bench_job = {
    .name = "job",
    .summary = "a job of your own: rows and CPU of its tasks, latency from its markers",
    .about =
        "Runs the job as `weir run` does, to its end or for --seconds, and looks at its tasks "
        "from\n"
        "outside: nothing in the job knows of it. Its output goes where it always goes; what it\n"
        "prints is not shown. Its cores are those of its config. Each of --runs begins as `weir\n"
        "run` would.\n\n"
        "example:\n\n  weir bench job uv.yaml --runs 3 --save uv.json\n",
    .least_cores = 1,
    .runs = 1,
    .seconds = 60,
    .warmup = 0,
    .takes_job = true,
    .is_probed = true,
    .run = run,
};
