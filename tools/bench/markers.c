// markers.c: see markers.h. The markers go with the rows (shm/latency.h); here they are only read.
#include "tools/bench/markers.h"

#include <stdlib.h>

#include "shm/latency.h"

// Two digits into a histogram of three: each counter's largest value.
static void widen(struct histogram *to, const struct histogram *from)
{
    for (uint32_t i = 0; i < from->counter_count; i++)
        if (from->counters[i])
            histogram_record_times(to, (int64_t)histogram_value(from->half_bits, i + 1) - 1,
                                   from->counters[i]);
}

void markers_report(struct bench *bench, const struct runner *runner, double seconds)
{
    struct latency *latency;
    struct latency_view view;
    struct err ignored;
    if (!runner->control || latency_attach(runner->job_fd, 0, -1, &latency, &ignored) < 0)
        return;
    latency_view_init(&view);
    for (int t = 0; t < latency_task_count(latency); t++) {
        struct control_view task;
        char name[REPORT_NAME_BYTES];
        if (!latency_read(latency, t, LATENCY_FROM_SOURCE, bench_now_ns(), &view))
            continue;
        struct histogram *wide = histogram_new(3);
        control_view(runner->control, t, &task);
        snprintf(name, sizeof name, "marker %.40s > %.40s", view.from, task.name);
        widen(wide, view.total);
        report_series(&bench->report, name, wide, bench_now_ns() - (int64_t)(seconds * 1e9),
                      seconds);
        free(wide);
    }
    latency_view_fini(&view);
    latency_detach(latency);
}
