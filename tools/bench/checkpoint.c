// checkpoint.c: `weir bench checkpoint`: are batches late because a snapshot is written?
#include <errno.h>
#include <ftw.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "tools/bench/checkpoint_measure.h"
#include "tools/bench/runner.h"

enum { STATE_MIB = 256 };

struct measuring {
    struct checkpoint_settings settings;
    struct checkpoint_told *told;
};

static int measure(void *context)
{
    struct measuring *m = context;
    int fd = open("/dev/null", O_WRONLY | O_CLOEXEC);
    if (fd >= 0)
        dup2(fd, STDOUT_FILENO);
    checkpoint_measure(&m->settings, m->told);
    return 0;
}

static void report_side(struct bench *bench, struct checkpoint_told *told, int side, int64_t began)
{
    const struct bench_options *o = &bench->options;
    char name[96];
    for (int r = 0; r < o->runs; r++) {
        double rate = told->rates[side][r];
        snprintf(name, sizeof name, "delay, checkpoints: %s", told->names[side]);
        report_series(&bench->report, name, checkpoint_delays(told, o->runs, side, r), began,
                      o->seconds);
        snprintf(name, sizeof name, "full speed, checkpoints: %s", told->names[side]);
        report_rate(&bench->report, name, "M rows/s", rate * CHECKPOINT_BATCH_ROWS / 1e6);
        if (side == 0)
            continue;
        snprintf(name, sizeof name, "full speed to none: %s", told->names[side]);
        report_rate(&bench->report, name, "x", rate / told->rates[0][r]);
    }
    if (side == 0)
        return;
    snprintf(name, sizeof name, "checkpoints complete: %s", told->names[side]);
    report_rate(&bench->report, name, "", (double)told->complete[side]);
    snprintf(name, sizeof name, "checkpoints given up: %s", told->names[side]);
    report_figure(&bench->report, name, "", (double)told->given_up[side]);
}

static void report_all(struct bench *bench, struct checkpoint_told *told, int64_t began)
{
    char text[160];
    snprintf(text, sizeof text,
             "%.0f records, %.0f MiB of state, all updated at random; a batch of %d rows each "
             "%.0f us",
             told->records, told->state_mib, CHECKPOINT_BATCH_ROWS, (double)told->period_ns / 1e3);
    report_fact(&bench->report, "load", text);
    report_note(&bench->report,
                "time is monotonic time less what the thread waited for a core: what others took "
                "from it is no checkpoint's doing");
    for (int s = 0; s < told->side_count; s++)
        report_side(bench, told, s, began);
}

static int run(struct bench *bench, struct err *err)
{
    const struct bench_options *o = &bench->options;
    struct runner folder;
    struct side side;
    if (o->runs > CHECKPOINT_ROUNDS_MAX)
        return err_set(err, -EINVAL, "--runs: at most %d of checkpoint", CHECKPOINT_ROUNDS_MAX);
    int rc = runner_make(&folder, o, err);
    if (rc < 0)
        return rc;
    const int64_t mib = o->state_mib ? o->state_mib : STATE_MIB;
    struct measuring m = {.settings = {.folder = folder.folder,
                                       .state_bytes = (uint64_t)mib << 20,
                                       .seconds = o->seconds,
                                       .rounds = o->runs},
                          .told = side_share(checkpoint_told_bytes(o->runs))};
    int64_t began = bench_now_ns();
    bench_say(bench, "%lld MiB of state; about %.0f s", (long long)mib,
              8 * o->seconds * o->runs + o->seconds);
    rc = side_start(&side, -1, measure, &m, err);
    if (rc == 0)
        rc = side_wait(&side, 1, err);
    if (rc == 0 && m.told->is_refused)
        rc = err_set(err, -ENOTSUP,
                     "there is not the memory or the disk for %lld MiB of state: it takes twice as "
                     "much memory and six times as much disk in %s, and a GiB of both; see --state "
                     "and --folder",
                     (long long)mib, folder.folder);
    if (rc == 0)
        report_all(bench, m.told, began);
    side_unshare(m.told, checkpoint_told_bytes(o->runs));
    runner_remove(&folder);
    return rc;
}

static const char *const accepts[] = {"--state", "--folder", NULL};

const struct bench_kind bench_checkpoint = {
    .name = "checkpoint",
    .summary = "how late batches are while a snapshot is written, and what it costs",
    .about =
        "A table in memory, all of it updated at random in batches of 1,024 rows that are due at\n"
        "half of the full speed; a full snapshot of it each half second. Sides take turns: none,\n"
        "plain (another thread writes as many bytes, and knows nothing of weir), io_uring, "
        "pwrite.\n"
        "Then the same at full speed. Files go to --folder: name one on the disk that checkpoints\n"
        "will be on. --seconds is of one turn of one side.\n\n"
        "  --state MIB      of state (256)\n"
        "  --folder DIR     $TMPDIR or /tmp\n\n"
        "example:\n\n  weir bench checkpoint --state 1024 --folder /var/lib/weir\n",
    .least_cores = 1,
    .runs = 3,
    .seconds = 2,
    .warmup = 0,
    .accepts = accepts,
    .is_probed = true,
    .run = run,
};
