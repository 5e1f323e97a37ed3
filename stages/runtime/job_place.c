// job_place.c: see job_place.h. A ring lies with its reader: what is written there is taken out of
// the writer's cache by the reader anyway, and whoever waits for rows is the one to be quick.
#include "stages/runtime/job_place.h"

#include <stdlib.h>

#include "core/base/check.h"

int job_reader_of(const struct plan *plan, int exchange, int to)
{
    return plan->stages[plan->exchanges[exchange].to_stage].first_task + to;
}

struct place job_place_of(const struct job_options *options, int task)
{
    int cpu = options->cpus ? options->cpus[task] : -1;
    return (struct place){options->nodes, nodes_of_cpu(options->nodes, cpu)};
}

// The rings of one exchange go to `out`, unless it is NULL; how many they are.
static int add_rings(const struct plan *plan, int exchange, struct place_segment *out)
{
    const int writers = plan->stages[plan->exchanges[exchange].from_stage].parallelism;
    const int readers = plan->stages[plan->exchanges[exchange].to_stage].parallelism;
    int count = 0;
    for (int i = 0; i < writers * readers; i++) {
        int from = i / readers, to = i % readers;
        if (!job_has_channel(plan, exchange, from, to))
            continue;
        if (out) {
            out[count].task = job_reader_of(plan, exchange, to);
            job_ring_name(exchange, from, to, out[count].name);
        }
        count++;
    }
    return count;
}

struct place_segment *job_segments(const struct plan *plan, int *count)
{
    int total = plan->task_count;
    for (int e = 0; e < plan->exchange_count; e++)
        total += add_rings(plan, e, NULL);
    struct place_segment *segments = calloc((size_t)total, sizeof *segments);
    CHECK(segments);
    for (int task = 0; task < plan->task_count; task++) {
        segments[task].task = task;
        job_arena_name(task, segments[task].name);
    }
    *count = plan->task_count;
    for (int e = 0; e < plan->exchange_count; e++)
        *count += add_rings(plan, e, segments + *count);
    return segments;
}
