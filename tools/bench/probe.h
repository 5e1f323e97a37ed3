// probe.h: what lies between two cores: a cache line bounced by two processes and nothing else.
//
// The same machine gives other figures at other times: two cores of a virtual machine are two
// threads of one core now and far apart the next minute, or one of them stands still. The probe
// names that regime before and after a benchmark; where it has changed the figures are marked.
#ifndef WEIR_TOOLS_BENCH_PROBE_H
#define WEIR_TOOLS_BENCH_PROBE_H

#include "tools/bench/bench.h"

enum { PROBE_TRIPS_MS = 100, PROBE_GROUP = 64 };

// Bounce for so long. -EINTR.
int probe_run(int core_a, int core_b, int ms, struct probe_result *out, struct err *err);

// The usual round trip: the median of groups of PROBE_GROUP trips, so that the look at the clock
// costs nearly nothing and a hole disturbs one group. What ring's is compared with.
int probe_groups(int core_a, int core_b, uint64_t trips, double *trip_ns, struct err *err);

// Are these two regimes? By name, or by more than half as much again.
bool probe_differs(const struct probe_result *before, const struct probe_result *after);

#endif
