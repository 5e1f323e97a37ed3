// runner.h: a job that a benchmark runs: `weir run` as a child, and its tasks seen from outside
// through the control block.
//
// A job that is made here has a folder of its own for config, script, checkpoints and output, and a
// name of its own for its memory; both are gone afterwards, also after Ctrl-C.
#ifndef WEIR_TOOLS_BENCH_RUNNER_H
#define WEIR_TOOLS_BENCH_RUNNER_H

#include <limits.h>
#include <stdio.h>

#include "shm/control.h"
#include "tools/bench/bench.h"
#include "tools/bench/side.h"

enum { RUNNER_TASKS_MAX = 128 };

struct runner {
    char job[64];               // its name
    char folder[PATH_MAX - 64]; // "" : a person's own job
    char config[PATH_MAX];
    char memory_dir[PATH_MAX];
    struct side weir; // its `weir run`
    struct control *control;
    int job_fd;   // the folder of its memory; -1
    double cpu_s; // of all processes, once it has ended
};

// A folder for a job that is made here: in --folder, $TMPDIR or /tmp.
int runner_make(struct runner *runner, const struct bench_options *options, struct err *err);
// A person's own: its config says the job's name and where its memory is.
int runner_own(struct runner *runner, const char *config, struct err *err);

// A new file in the folder: "job.sql", "job.yaml".
FILE *runner_create(const struct runner *runner, const char *name, struct err *err);

// Start `weir run` and attach to its control block. -ENOTSUP: weir refused the job and has said
// why. -EINTR.
int runner_start(struct runner *runner, struct err *err);

// Start another one where the last is dead and reaped.
int runner_spawn(struct runner *runner, struct err *err);

// So long, or until the job has ended (then *ended), or Ctrl-C (-EINTR).
int runner_sleep(struct runner *runner, double seconds, bool *ended, struct err *err);

// End it as Ctrl-C would and wait; one that has ended is fine. -EIO: it failed, and has said why.
int runner_stop(struct runner *runner, struct err *err);

// Whatever is left of it: processes, folder. After any of the above.
void runner_remove(struct runner *runner);

// A counter of one task; 0 before there is any.
int64_t runner_counter(const struct runner *runner, int task, enum control_counter counter);

// Seconds that the task's process has been on a core, all of its threads; -1: it is gone.
double runner_task_cpu_s(const struct runner *runner, int task);

#endif
