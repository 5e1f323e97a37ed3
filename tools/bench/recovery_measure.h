// recovery_measure.h: how long is nothing done when something of a job is killed? Runs the job of
// recover_job.h at half of its full rate, kills, and reads what the job's processes have noted in
// the control block, from outside, so that nothing in the job knows of it.
//
//   --state MIB      state of the killed task (16)
//   --kills N        of that task (1000)
//   --spares N       0: cold (1)
//   --rate ROWS      a second; 0: half of what a run at full speed measures first (0)
//   --after N        more kills, 3 s apart: rows in the second after, to the second before (10)
//   --calm SECONDS   of the same job undisturbed, for comparison (10)
//   --every MS       at full speed, kill so often, ready or not: rows a second (0: off)
//   --supervisor N   kill `weir run` instead, and start another one (0)
//   --everything N   kill all of it, and start it again (0)
//   --memory-dir DIR  of the job (/dev/shm)
//   --row FILE       append the figures as a row of a Markdown table
//
// A kill waits until the task is at work, so rows are due from its first moment on. The times of
// the gap are the replacement's own; this program looks at them each 0.1 ms while a task is gone,
// each 0.5 ms else, as a reader of the output would. Nothing is subtracted from any time.
#ifndef WEIR_TOOLS_BENCH_RECOVERY_MEASURE_H
#define WEIR_TOOLS_BENCH_RECOVERY_MEASURE_H

#include "tools/bench/recover_job.h"
#include "tools/bench/recover_samples.h"

struct recovery_settings {
    struct job_settings job;
    long kills, after, calm_s, every_ms, supervisor, everything;
    const char *row_file;
};

// What is seen from outside, in one stretch of the run.
struct recovery_seen {
    struct silence neighbour, reader;
};

struct recovery_measure {
    struct recovery_settings settings;
    struct job job;
    struct job_account account;
    unsigned seed;
    double full_rate; // 0: not measured
    int output_fd;
    int64_t output_bytes;
    uint64_t neighbour_progress;
    struct recovery_seen seen, calm;
    struct samples gap, taken, attach, first, waited;
    struct samples without;               // a supervisor
    struct samples from_start, from_kill; // of everything
    double after_to_before;               // rows
    double state_mib;
};

// All of it, with `settings` set; prints what it finds. Ends the process where it fails (1), and
// where weir refuses the job (0, with settings.job.trace not touched by a stop).
void recovery_measure(struct recovery_measure *b);

// The same with the options above: bench/recovery.
int recovery_main(int argc, char **argv);

#endif
