// jitter.h: the host's own jitter, also beside other benchmarks (pipeline).
#ifndef WEIR_TOOLS_BENCH_JITTER_H
#define WEIR_TOOLS_BENCH_JITTER_H

#include "tools/bench/bench.h"

// Of one core, in memory that its process shares. Grows with each call of jitter_measure.
struct jitter_core {
    char *room;
    struct histogram *holes; // how long the spinner was away, each time
    struct histogram *due;   // how late rows would have been
    struct histogram *timer; // how late a sleeper woke
    int64_t spun_ns, lost_ns;
};

struct jitter_plan {
    const int *cores;
    int core_count;
    double seconds, warmup_s;
    int64_t due_each_ns;
    bool sleeps; // the timer instead of the spinner
};

struct jitter_core *jitter_cores(int count);
void jitter_free(struct jitter_core *cores, int count);

// On all of the cores at once. -EINTR.
int jitter_measure(struct jitter_core *cores, const struct jitter_plan *plan, struct err *err);

#endif
