// job_place.h: which memory of a job belongs with which task: an arena with its task, a ring with
// the task that reads it.
#ifndef WEIR_STAGES_RUNTIME_JOB_PLACE_H
#define WEIR_STAGES_RUNTIME_JOB_PLACE_H

#include "shm/place.h"
#include "stages/runtime/job.h"

// All of them, *count; the caller frees them with free().
struct place_segment *job_segments(const struct plan *plan, int *count);

// Where what belongs with this task is wanted: on the node of its core.
struct place job_place_of(const struct job_options *options, int task);

// The task that reads channel `to` of an exchange.
int job_reader_of(const struct plan *plan, int exchange, int to);

#endif
