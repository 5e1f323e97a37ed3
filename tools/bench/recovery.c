// recovery.c: `weir bench recovery`: what is not done while something of a job is dead.
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "tools/bench/recovery_measure.h"
#include "tools/bench/side.h"
#include "tools/bench/bench.h"

enum { KILLS = 20, STATE_MIB = 16, SERIES = 9 };

// In memory that the side shares.
struct told {
    struct job_trace trace;
    bool is_done;
    double state_mib, rate, rows_after;
    struct job_account account;
    uint64_t room[]; // SERIES histograms
};

static const char *const names[SERIES] = {
    "gap: kill to first rows", "kill to memory owned", "owned to attached",
    "attached to first rows",  "neighbour silent",     "neighbour silent, no kills",
    "output silent",           "without a supervisor", "everything: start to last"};

struct measuring {
    struct recovery_measure recovery;
    struct told *told;
};

static size_t told_bytes(void)
{
    return sizeof(struct told) + SERIES * histogram_bytes(3);
}

static struct histogram *told_series(struct told *told, int index)
{
    return (struct histogram *)((char *)told->room + (size_t)index * histogram_bytes(3));
}

static void tell(struct told *told, int index, const struct samples *samples)
{
    for (long i = 0; i < samples->count; i++)
        histogram_record(told_series(told, index), (int64_t)(samples->values[i] * 1e6));
}

static int measure(void *context)
{
    struct measuring *m = context;
    struct recovery_measure *r = &m->recovery;
    struct told *told = m->told;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        dup2(fd, STDOUT_FILENO);
    setenv("WEIR", "/proc/self/exe", 1);
    recovery_measure(r);
    const struct samples *all[SERIES] = {&r->gap,
                                         &r->taken,
                                         &r->attach,
                                         &r->first,
                                         &r->seen.neighbour.laps,
                                         &r->calm.neighbour.laps,
                                         &r->seen.reader.laps,
                                         &r->without,
                                         &r->from_start};
    for (int i = 0; i < SERIES; i++)
        tell(told, i, all[i]);
    told->state_mib = r->state_mib;
    told->rate = (double)r->settings.job.rate;
    told->rows_after = r->after_to_before;
    told->account = r->account;
    told->is_done = true;
    return 0;
}

static void report_run(struct bench *bench, struct told *told, int64_t began)
{
    struct report *report = &bench->report;
    const double seconds = (double)(bench_now_ns() - began) / 1e9;
    for (int i = 0; i < SERIES; i++)
        report_series(report, names[i], told_series(told, i), began, seconds);
    report_figure(report, "state", "MiB", told->state_mib);
    report_rate(report, "load", "rows/s", told->rate);
    if (told->rows_after > 0)
        report_rate(report, "rows after a kill to before", "x", told->rows_after);
    report_figure(report, "rows lost", "", (double)told->account.rows_lost);
    report_figure(report, "rows twice", "", (double)told->account.rows_twice);
    report_figure(report, "points lost or twice", "",
                  (double)(told->account.points_lost + told->account.points_twice));
}

static struct recovery_settings settings_of(const struct bench_options *o, struct told *told)
{
    struct recovery_settings s = {.job = {.state_mib = o->state_mib ? o->state_mib : STATE_MIB,
                                          .spares = o->spares >= 0 ? o->spares : 1,
                                          .rate = o->rate,
                                          .memory_dir = o->memory_dir,
                                          .trace = &told->trace},
                                  .kills = o->kills ? o->kills : KILLS,
                                  .calm_s = o->seconds < 1 ? 1 : (long)o->seconds};
    if (o->what && strcmp(o->what, "supervisor") == 0)
        s.supervisor = s.kills;
    else if (o->what && strcmp(o->what, "everything") == 0)
        s.everything = s.kills;
    return s;
}

static int run_once(struct bench *bench, struct err *err)
{
    struct measuring m = {.told = side_share(told_bytes())};
    struct side side;
    for (int i = 0; i < SERIES; i++)
        histogram_init(told_series(m.told, i), 3);
    m.recovery.settings = settings_of(&bench->options, m.told);
    int64_t began = bench_now_ns();
    int rc = side_start(&side, -1, measure, &m, err);
    if (rc == 0)
        rc = side_wait(&side, 1, err);
    job_clean(&m.told->trace);
    if (rc == 0 && !m.told->is_done)
        rc = err_set(err, -ENOTSUP, "weir refuses the job here, see above");
    if (rc == 0)
        report_run(bench, m.told, began);
    side_unshare(m.told, told_bytes());
    return rc;
}

static int run(struct bench *bench, struct err *err)
{
    return bench_each_run(bench, run_once, err);
}

static const char *const accepts[] = {"--state", "--kills",      "--spares", "--rate",
                                      "--what",  "--memory-dir", NULL};

const struct bench_kind bench_recovery = {
    .name = "recovery",
    .summary = "what is not done while a task, the supervisor or everything is dead",
    .about =
        "A job of two tasks at half of its full speed; the one with the state is killed again and\n"
        "again while it has rows in hand. The gap is from the kill to the replacement's first\n"
        "committed rows, by the replacement's own clock; silences are the longest time without a\n"
        "sign of the neighbour, and of the output. Every row is known beforehand: one that is "
        "lost\n"
        "or comes twice fails the run. --seconds is of the undisturbed stretch.\n\n"
        "  --what task|supervisor|everything\n"
        "  --kills N        of a run (20)\n"
        "  --state MIB      of the task (16)\n"
        "  --spares N       0: cold (1)\n"
        "  --rate N         rows a second; without it half of what is measured first\n"
        "  --memory-dir DIR for the job's memory (/dev/shm)\n\n"
        "example:\n\n  weir bench recovery --state 1024 --kills 60\n",
    .least_cores = 2,
    .runs = 1,
    .seconds = 5,
    .warmup = 0,
    .accepts = accepts,
    .is_probed = true,
    .run = run,
};
