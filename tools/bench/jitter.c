// jitter.c: `weir bench jitter`: what the host takes from who wants to run, with no weir in it.
//
// On each core a process spins on the clock, and another time sleeps until set times, on all cores
// at once. A spinner that misses some microseconds has been interrupted: by the kernel, by another
// process, or by the hypervisor, which no counter of this host shows (hiccups: Gil Tene's jHiccup;
// osnoise and cyclictest of the kernel's people).
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/check.h"
#include "tools/bench/jitter.h"
#include "tools/bench/side.h"

// A look at the clock is some ten nanoseconds; what is longer than this was no look.
#define HOLE_NS  INT64_C(2000)
#define TIMER_NS INT64_C(1000000)

struct jitter_side {
    int64_t begin_ns, end_ns; // recorded between these
    int64_t due_each_ns;
    struct jitter_core *core;
};

static struct histogram *part(struct jitter_core *core, int index)
{
    return (struct histogram *)(core->room + (size_t)index * histogram_bytes(3));
}

struct jitter_core *jitter_cores(int count)
{
    struct jitter_core *cores = side_share((size_t)count * sizeof *cores);
    for (int i = 0; i < count; i++) {
        cores[i].room = side_share(3 * histogram_bytes(3));
        for (int k = 0; k < 3; k++)
            histogram_init(part(&cores[i], k), 3);
        cores[i].holes = part(&cores[i], 0);
        cores[i].due = part(&cores[i], 1);
        cores[i].timer = part(&cores[i], 2);
    }
    return cores;
}

void jitter_free(struct jitter_core *cores, int count)
{
    for (int i = 0; i < count; i++)
        side_unshare(cores[i].room, 3 * histogram_bytes(3));
    side_unshare(cores, (size_t)count * sizeof *cores);
}

// Rows that were due in a hole are late by what was left of it: so an ideal task that has nothing
// to do would be as late as this.
static int spin(void *context)
{
    struct jitter_side *side = context;
    int64_t last = bench_now_ns(), due = side->begin_ns;
    while (last < side->begin_ns)
        last = bench_now_ns();
    while (last < side->end_ns) {
        int64_t now = bench_now_ns();
        if (now - last > HOLE_NS) {
            histogram_record(side->core->holes, now - last);
            side->core->lost_ns += now - last;
        }
        for (; due <= now; due += side->due_each_ns)
            histogram_record(side->core->due, now - due);
        last = now;
    }
    side->core->spun_ns += side->end_ns - side->begin_ns;
    return 0;
}

static int sleep_and_wake(void *context)
{
    struct jitter_side *side = context;
    for (int64_t due = side->begin_ns; due < side->end_ns; due += TIMER_NS) {
        const struct timespec at = {due / BENCH_SECOND_NS, due % BENCH_SECOND_NS};
        while (clock_nanosleep(CLOCK_MONOTONIC, TIMER_ABSTIME, &at, NULL) != 0)
            ;
        histogram_record(side->core->timer, bench_now_ns() - due);
    }
    return 0;
}

int jitter_measure(struct jitter_core *cores, const struct jitter_plan *plan, struct err *err)
{
    struct side sides[BENCH_CORES_MAX] = {{0}};
    int rc = 0, started = 0;
    int64_t begin = bench_now_ns() + (int64_t)(plan->warmup_s * 1e9) + 2000000;
    CHECK(plan->core_count <= BENCH_CORES_MAX && plan->due_each_ns > 0);
    for (; started < plan->core_count && rc == 0; started++) {
        struct jitter_side side = {.begin_ns = begin,
                                   .end_ns = begin + (int64_t)(plan->seconds * 1e9),
                                   .due_each_ns = plan->due_each_ns,
                                   .core = &cores[started]};
        rc = side_start(&sides[started], plan->cores[started], plan->sleeps ? sleep_and_wake : spin,
                        &side, err);
    }
    if (rc == 0)
        return side_wait(sides, started, err);
    for (int i = 0; i < started; i++)
        side_kill(&sides[i]);
    return rc;
}

// --- the benchmark ---

static void report_core(struct bench *bench, struct jitter_core *core, int number, int64_t began)
{
    struct report *report = &bench->report;
    char name[64];
    double seconds = (double)core->spun_ns / 1e9;
    snprintf(name, sizeof name, "core %d: time lost in holes", number);
    report_figure(report, name, "%", 100 * (double)core->lost_ns / (double)core->spun_ns);
    snprintf(name, sizeof name, "core %d: holes over 2 us", number);
    report_figure(report, name, "1/s", (double)histogram_total(core->holes) / seconds);
    snprintf(name, sizeof name, "core %d: longest hole", number);
    report_figure(report, name, "us", (double)histogram_max(core->holes) / 1e3);
    snprintf(name, sizeof name, "core %d due", number);
    report_series(report, name, core->due, began, seconds);
    snprintf(name, sizeof name, "core %d holes", number);
    report_series(report, name, core->holes, began, seconds);
    snprintf(name, sizeof name, "core %d timer", number);
    report_series(report, name, core->timer, began, seconds);
}

static int run_once(struct bench *bench, struct err *err)
{
    const struct bench_options *o = &bench->options;
    struct jitter_core *cores = jitter_cores(o->core_count);
    struct jitter_plan plan = {.cores = o->cores,
                               .core_count = o->core_count,
                               .seconds = o->seconds / 2,
                               .warmup_s = o->warmup,
                               .due_each_ns = o->rate ? BENCH_SECOND_NS / o->rate : 1000};
    plan.due_each_ns = plan.due_each_ns ? plan.due_each_ns : 1;
    int64_t began = bench_now_ns();
    int rc = jitter_measure(cores, &plan, err);
    plan.sleeps = true;
    if (rc == 0)
        rc = jitter_measure(cores, &plan, err);
    for (int i = 0; i < o->core_count && rc == 0; i++)
        report_core(bench, &cores[i], o->cores[i], began);
    jitter_free(cores, o->core_count);
    return rc;
}

static int run(struct bench *bench, struct err *err)
{
    return bench_each_run(bench, run_once, err);
}

static const char *const accepts[] = {"--rate", NULL};

const struct bench_kind bench_jitter = {
    .name = "jitter",
    .summary = "what the host takes from a process that only looks at the clock",
    .about =
        "A process on each core spins on the clock; what it misses for over 2 us is a hole. `due` "
        "is\n"
        "how late a task that costs nothing would be, with a row due each microsecond (--rate N:\n"
        "N a second): compare it with the latencies of `weir bench pipeline`. `timer` is how late\n"
        "a sleeper wakes, each millisecond. Half of --seconds goes to each. All cores at once, or\n"
        "--cores.\n\n"
        "example:\n\n  weir bench jitter --seconds 60 --runs 1 --html jitter.html\n",
    .least_cores = 1,
    .runs = 3,
    .seconds = 4,
    .warmup = 0.1,
    .accepts = accepts,
    .run = run,
};
