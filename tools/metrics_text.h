// metrics_text.h: a job in Prometheus' text format (version 0.0.4), and the table of what there is.
#ifndef WEIR_TOOLS_METRICS_TEXT_H
#define WEIR_TOOLS_METRICS_TEXT_H

#include "core/base/buf.h"
#include "tools/watch.h"

#define METRICS_CONTENT_TYPE "text/plain; version=0.0.4; charset=utf-8"

enum metric_type { METRIC_GAUGE, METRIC_COUNTER, METRIC_HISTOGRAM };

// One row of the table; docs/metrics.md has the same rows, and a test holds them together.
struct metric_info {
    const char *name;
    enum metric_type type;
    const char *labels; // besides `job`: "", "task, stage", ...
    const char *help;
};

int metric_count(void);
struct metric_info metric_info_at(int index);
const char *metric_type_name(enum metric_type type);

// The upper bounds of the buckets of latencies, ascending, in seconds; +Inf follows them.
int metric_bucket_count(void);
double metric_bucket_at(int index);

// All metrics of a sample. NULL: the job is not there; then there is weir_up alone.
void metrics_append(const char *job, const struct watch_sample *sample, struct buf *out);

#endif
