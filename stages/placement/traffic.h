// traffic.h: what the tasks of a plan send each other: a model of the plan, or as observed.
#ifndef WEIR_STAGES_PLACEMENT_TRAFFIC_H
#define WEIR_STAGES_PLACEMENT_TRAFFIC_H

#include <stdbool.h>
#include <stdint.h>

#include "core/plan/plan.h"

enum { TRAFFIC_WHOLE_CORE = 1000000 }; // share of a core that a task uses, in millionths

struct traffic_task {
    int64_t share;          // of a core, in millionths
    bool is_light;          // it only adds up partial results, or writes them
    int stage;              // of the plan
    int cpu;                // where it ran when it was observed; -1: not known
    int64_t source_bytes_s; // that it reads from outside; 0: it has no source
};

struct traffic_channel {
    int from, to; // tasks
    int exchange;
    int64_t bytes_s, frames_s;
};

struct traffic {
    int task_count, channel_count;
    struct traffic_task *tasks;
    struct traffic_channel *channels;
    bool is_observed;
    double seconds;    // observed: for so long
    int64_t rows_in_s; // into the sources
    // Observed: from the sources to the last tasks, by the markers that arrived meanwhile.
    int64_t markers, p50_ns, p9999_ns;
};

// What a plan would do at full speed. A row costs the source one part of work and a window behind
// an exchange two (measured on the UV job, see core/plan/spread.c), calculations behind it half a
// part; the busiest task is taken to fill its core at a part of 400 ns. Filters let every row
// pass, one row in a hundred becomes a result or a partial result, and a hash deals evenly. What
// the model gets wrong of a job, `weir pin --observe` sees.
void traffic_model(const struct plan *plan, struct traffic *out);

// Room for the plan's tasks and channels: names of both are filled in, and all rates are 0.
void traffic_init(const struct plan *plan, struct traffic *out);
void traffic_fini(struct traffic *traffic);

// The stages that a task of this stage sends to; -1: none.
int traffic_next_stage(const struct plan *plan, int stage);

#endif
