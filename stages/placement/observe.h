// observe.h: what the tasks of a running job send each other, measured without their help.
#ifndef WEIR_STAGES_PLACEMENT_OBSERVE_H
#define WEIR_STAGES_PLACEMENT_OBSERVE_H

#include "stages/placement/traffic.h"
#include "stages/runtime/job.h"

// Look at the job's rings, counters and processes, twice with `ms` between: bytes from the rings'
// words, which only grow; time of the processes from /proc; frames are not counted by anybody, and
// taken to be one a channel for each commit of the producer, as it is where rows are dealt by hash.
// *out is freed with traffic_fini. -ESRCH: no task of the job runs, or it ended meanwhile; -EPROTO
// and others: its memory is damaged. Each with a text.
int traffic_observe(const struct job *job, int64_t ms, struct traffic *out, struct err *err);

#endif
