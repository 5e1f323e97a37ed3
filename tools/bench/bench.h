// bench.h: what the benchmarks of `weir bench` share: options, cores, the report, Ctrl-C.
//
// Each benchmark is one file with a `struct bench_kind`. It fills the report run by run; printing,
// saving and comparing is bench.c's. What is measured runs in processes of its own (side.h), so
// that the process that a person started only waits.
#ifndef WEIR_TOOLS_BENCH_BENCH_H
#define WEIR_TOOLS_BENCH_BENCH_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "shm/waiter.h"
#include "tools/bench/report.h"

enum { BENCH_CORES_MAX = 64, BENCH_WAITINGS = 3 };

#define BENCH_SECOND_NS INT64_C(1000000000)

struct bench_options {
    int cores[BENCH_CORES_MAX]; // which ones; as the kernel numbers them
    int core_count;
    bool has_cores; // they were named
    int64_t rate;   // a second; 0: half of what is measured first
    int runs;       // 0: the benchmark's own
    double seconds; // of one run; 0: the benchmark's own
    double warmup;  // seconds before each run that are not counted; -1: the benchmark's own
    int waiting;    // enum waiter_policy; -1: all, or the benchmark's own
    int64_t keys;   // pipeline
    int64_t window_ms;
    int64_t state_mib; // checkpoint, recovery
    int64_t kills, spares;
    const char *what;       // recovery: task, supervisor, everything
    const char *folder;     // for files on disk; NULL: one in $TMPDIR or /tmp
    const char *memory_dir; // of jobs that are made here; NULL: as a job without memory.dir
    const char *job;        // the config of a person's own job
    const char *save, *against, *html, *hgrm, *hlog;
    bool json, quiet;
};

struct bench {
    struct bench_options options;
    struct report report;
};

struct bench_kind {
    const char *name, *summary;
    const char *about;          // of --help: what it does and its options
    int least_cores;            // that it cannot do without
    int runs;                   // without --runs
    double seconds;             // without --seconds
    double warmup;              // without --warmup
    const char *const *accepts; // options besides those that all have; ends with NULL
    bool takes_job, is_probed;
    // All runs. -EINTR: Ctrl-C; what was measured until then is reported. -ENOTSUP: this host
    // cannot do it (status 69). Other -errno: failed. With a text.
    int (*run)(struct bench *bench, struct err *err);
};

extern const struct bench_kind bench_ring, bench_hop, bench_pipeline, bench_job, bench_checkpoint,
    bench_recovery, bench_jitter;

// One run after the other, as many as --runs says, until one of them fails.
int bench_each_run(struct bench *bench, int (*run_once)(struct bench *bench, struct err *err),
                   struct err *err);

// Say on stderr what comes next, on a terminal and without --quiet.
void bench_say(const struct bench *bench, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

int64_t bench_now_ns(void); // monotonic

// "spin", "adaptive", "block".
const char *bench_waiting_name(int waiting);

// options.c: read the words behind `weir bench KIND`. false: done, with *exit_status.
bool bench_parse(const struct bench_kind *kind, int argc, char **argv, struct bench_options *out,
                 int *exit_status);

// machine.c: facts of the host into the report; what cores this process may use; CPU time that a
// hypervisor gave to others so far, in seconds, -1: not told.
void machine_describe(struct report *report, const struct bench_options *options);
int machine_cores(int cores[BENCH_CORES_MAX]);
double machine_steal_s(void);
// How the kernel says that two cores are joined: "SMT siblings", "one L3", ...
const char *machine_relation(int a, int b);

#endif
