// recover_job.h: the job that `weir bench recovery` kills, seen from outside.
//
//   task 0            ring        task 1, the victim
//   datagen, paced  =========>    CUMULATE: COUNT(*), SUM, COUNT(DISTINCT id), all of the state;
//                                 file sink: a point for some hundred rows, about one a millisecond
//
// Row n carries n, an id out of `ids` and its place in event time, so what each point must say is
// known: a row that was lost or came twice, and a point that was, is in every point behind it.
#ifndef WEIR_TOOLS_BENCH_RECOVER_JOB_H
#define WEIR_TOOLS_BENCH_RECOVER_JOB_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "shm/control.h"

enum { JOB_SOURCE, JOB_VICTIM, JOB_TASKS };

struct job_settings {
    long state_mib; // of the victim, once every id has been seen
    long spares;
    long rate;               // rows a second; 0: as fast as it goes
    const char *memory_dir;  // NULL: /dev/shm, whatever this host has set up
    struct job_trace *trace; // where to note what must be cleaned up if we are killed; may be NULL
};

struct job_trace {
    char folder[64]; // "" : none
    pid_t weir;      // 0: none
};

struct job {
    struct job_settings settings;
    uint64_t ids, rows_per_point;
    char name[64], folder[64];
    pid_t weir; // its `weir run`
    struct control *control;
    bool is_refused; // by weir, which has said why: there is no room for it here
};

// Write the job and start it. false: refused.
bool job_start(struct job *job, const struct job_settings *settings);
// Another `weir run` for it, when the one before is dead and reaped.
void job_run(struct job *job);
// Wait until every id has been seen: the state has its size.
void job_fill(const struct job *job);

// Rows that the victim has committed.
uint64_t job_rows(const struct job *job);
void job_view(const struct job *job, int task, struct control_view *out);
// The spare of the task that is ready; 0: none.
pid_t job_spare(const struct job *job, int task);
// The part file that a reader of the sink would follow. An open descriptor.
int job_output(const struct job *job);

struct job_account {
    uint64_t points;
    int64_t rows_lost, rows_twice, points_lost, points_twice;
};

// What a run that was killed has left: its `weir run` ends by itself, wait for that; remove the
// folder.
void job_clean(struct job_trace *trace);

// Stop it, check all that it has written, remove it.
void job_stop(struct job *job, struct job_account *out);

#endif
