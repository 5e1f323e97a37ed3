// markers.h: what the latency markers of a running job say, as series of a report.
#ifndef WEIR_TOOLS_BENCH_MARKERS_H
#define WEIR_TOOLS_BENCH_MARKERS_H

#include "tools/bench/runner.h"

// Each path of the job that has been recorded so far, from the job's first row on.
void markers_report(struct bench *bench, const struct runner *runner, double seconds);

#endif
