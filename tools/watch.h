// watch.h: a job as it is at one moment, read from its folder without anybody's help: what `weir
// top` and the metrics show. Its supervisor and its tasks may live or be gone; only the memory must
// be there.
#ifndef WEIR_TOOLS_WATCH_H
#define WEIR_TOOLS_WATCH_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/control.h"
#include "shm/jobdir.h"
#include "shm/latency.h"
#include "stages/runtime/job.h"

// What /proc says of a process.
struct watch_process {
    bool is_alive;
    int64_t cpu_ns; // user and system time so far
    int core;       // where it ran last
    uint64_t resident_bytes;
};

struct watch_path {
    bool is_there;
    struct latency_view view; // its histograms are the sample's
};

struct watch_task {
    struct control_view view;
    struct control_snapshot snapshot;
    struct watch_process process;
    bool is_source, is_sink; // both false where the plan is not known
    int spares, spares_ready;
    double input_fill; // of the fullest input ring, 0 .. 1; -1: it has none, or nobody can tell
    double output_fill;
    int64_t
        lag_ms; // newest event time of the job's sources minus its watermark; INT64_MIN: no such
    struct watch_path paths[LATENCY_PATH_COUNT];
    uint64_t markers_made, markers_lost;
};

struct watch_checkpoint {
    uint64_t wanted, complete; // numbers; 0: none yet
    bool is_known;             // below: of the complete one
    int64_t duration_ns;       // of its longest snapshot, alignment included
    uint64_t bytes;            // of all its files
};

struct watch_sample {
    char job[JOBDIR_JOB_BYTES];
    int64_t taken_ns; // monotonic
    int64_t taken_ms; // wall clock
    struct process_id supervisor;
    bool is_supervised;
    uint64_t held_bytes, promised_bytes; // memory
    int64_t newest_ms;                   // event time of the sources; INT64_MIN: none yet
    struct watch_checkpoint checkpoint;
    int task_count;
    struct watch_task *tasks;
};

// What changed from one sample to the next, a second. NAN: nobody can tell, because there was none
// before, or because another process runs the task by now.
struct watch_rates {
    double rows_in, rows_out, bytes_in, bytes_out;
    double cpu;     // cores, 0 .. the process's threads
    double blocked; // share of the time that it waited for room in its output, 0 .. 1
};

// A job that is looked at again and again.
struct watch {
    char path[JOBDIR_PATH_BYTES];
    uint64_t fingerprint;         // of `job`
    struct job job;               // plan NULL: not read yet, or not readable
    struct watch_checkpoint last; // the newest one of which more is known than its number
};

void watch_open(struct watch *watch, const char *path);
void watch_close(struct watch *watch);

// Look at it. -ENOENT: there is no such job (any more); other -errno with a text. *out is freed
// with watch_sample_free.
int watch_look(struct watch *watch, struct watch_sample **out, struct err *err);
void watch_sample_free(struct watch_sample *sample); // NULL is fine

// `before` may be NULL.
struct watch_rates watch_rates(const struct watch_sample *before, const struct watch_sample *now,
                               int task);

// Tasks that live.
int watch_living(const struct watch_sample *sample);

// "running", "unsupervised" (tasks live, the supervisor is gone), "left" (only the memory is
// there).
const char *watch_state(const struct watch_sample *sample);
// Of a task: the state that it has noted, or "dead" when it has noted one and no process is there.
const char *watch_task_state(const struct watch_task *task);

#endif
