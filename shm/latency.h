// latency.h: how long rows take from a source to a task, in shared memory: recorded by the task,
// readable by anyone without its help, also after it has died (latency_layout.h).
//
// Of each task there are two paths: from the source, and from the task in front (the last hop).
// Each is kept whole, from the job's first row on, and of the last one or two intervals of 10 s.
#ifndef WEIR_SHM_LATENCY_H
#define WEIR_SHM_LATENCY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/err.h"
#include "core/base/histogram.h"

enum { LATENCY_NAME_BYTES = 64, LATENCY_TOTAL_DIGITS = 2, LATENCY_RECENT_DIGITS = 1 };

#define LATENCY_RECENT_NS INT64_C(10000000000) // one interval

enum latency_path { LATENCY_FROM_SOURCE, LATENCY_LAST_HOP, LATENCY_PATH_COUNT };

// Where the paths of a task begin; NULL: there is no such path.
struct latency_names {
    const char *from[LATENCY_PATH_COUNT];
};

struct latency; // a private handle

uint64_t latency_segment_bytes(int task_count);

// Make segment "latency"; names cut at 63 bytes.
int latency_create(int dir_fd, uint64_t job_fingerprint, const struct latency_names *names,
                   int task_count, struct err *err);

// As task `task_index`, which goes on with what its predecessors have recorded; -1: a reader
// (fingerprint 0: of any job).
int latency_attach(int dir_fd, uint64_t job_fingerprint, int task_index, struct latency **out,
                   struct err *err);
void latency_detach(struct latency *latency); // NULL is fine

// --- the task ---

// This process is the task now. What its predecessor has left that is damaged begins anew: figures
// are no reason to refuse a start.
void latency_begin(struct latency *latency);

// Where the recent interval must begin anew this costs a microsecond, else some nanoseconds.
// now_ns: monotonic, of this moment. A negative latency is recorded as 0.
void latency_record(struct latency *latency, enum latency_path path, int64_t latency_ns,
                    int64_t now_ns);
void latency_add_made(struct latency *latency, uint64_t count);
void latency_add_lost(struct latency *latency, uint64_t count);

// --- readers ---

struct latency_view {
    char from[LATENCY_NAME_BYTES];
    uint64_t sum_ns;          // of all that was recorded
    struct histogram *total;  // of LATENCY_TOTAL_DIGITS; the view's
    struct histogram *recent; // of LATENCY_RECENT_DIGITS: this interval and the last
};

void latency_view_init(struct latency_view *view);
void latency_view_fini(struct latency_view *view);

int latency_task_count(const struct latency *latency);

// Fill an initialised view. false: the task has no such path, or what is there is damaged. now_ns:
// what is recent.
bool latency_read(const struct latency *latency, int task_index, enum latency_path path,
                  int64_t now_ns, struct latency_view *view);

uint64_t latency_made(const struct latency *latency, int task_index);
uint64_t latency_lost(const struct latency *latency, int task_index);

#endif
