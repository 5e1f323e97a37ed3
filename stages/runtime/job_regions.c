// job_regions.c: which tasks are connected by channels. What one of them loses may concern the
// others of its region, and nobody else.
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/runtime/job.h"

static int root_of(int *parents, int task)
{
    while (parents[task] != task)
        task = parents[task] = parents[parents[task]];
    return task;
}

static void join_exchange(const struct plan *plan, int exchange, int *parents)
{
    const struct stage *from = &plan->stages[plan->exchanges[exchange].from_stage];
    const struct stage *to = &plan->stages[plan->exchanges[exchange].to_stage];
    for (int i = 0; i < from->parallelism; i++)
        for (int j = 0; j < to->parallelism; j++)
            if (job_has_channel(plan, exchange, i, j))
                parents[root_of(parents, to->first_task + j)] =
                    root_of(parents, from->first_task + i);
}

int *job_regions(const struct plan *plan)
{
    size_t count = (size_t)plan->task_count;
    int *parents = calloc(count, sizeof *parents), *regions = calloc(count, sizeof *regions);
    CHECK(parents && regions);
    for (int task = 0; task < plan->task_count; task++)
        parents[task] = task;
    for (int e = 0; e < plan->exchange_count; e++)
        join_exchange(plan, e, parents);
    int *numbers = calloc(count, sizeof *numbers); // of a root; 0: none yet
    CHECK(numbers);
    for (int task = 0, next = 0; task < plan->task_count; task++) {
        int root = root_of(parents, task);
        if (!numbers[root])
            numbers[root] = ++next;
        regions[task] = numbers[root] - 1;
    }
    free(numbers);
    free(parents);
    return regions;
}
