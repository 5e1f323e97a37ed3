// top_paths.c: latencies of tasks put together by stage.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "tools/top_view.h"

void top_stage_name(const char *task_name, char out[CONTROL_NAME_BYTES])
{
    unsigned number, count;
    int used = 0;
    const char *mark = strrchr(task_name, '[');
    bool is_one = mark && mark > task_name && mark[-1] == ' ' &&
                  sscanf(mark, "[%u/%u]%n", &number, &count, &used) == 2 && used > 0 && !mark[used];
    const size_t bytes = is_one ? (size_t)(mark - 1 - task_name) : strlen(task_name);
    snprintf(out, CONTROL_NAME_BYTES, "%.*s", (int)bytes, task_name);
}

static struct top_path *find(struct top_path *paths, int *count, const char *from, const char *to)
{
    for (int i = 0; i < *count; i++)
        if (strcmp(paths[i].to, to) == 0 && strcmp(paths[i].from, from) == 0)
            return &paths[i];
    struct top_path *path = &paths[(*count)++];
    *path = (struct top_path){.from = from,
                              .recent = histogram_new(LATENCY_RECENT_DIGITS),
                              .total = histogram_new(LATENCY_TOTAL_DIGITS)};
    snprintf(path->to, sizeof path->to, "%s", to);
    return path;
}

int top_paths(const struct watch_sample *sample, enum latency_path which, struct top_path **out)
{
    int count = 0;
    struct top_path *paths = calloc((size_t)sample->task_count, sizeof *paths);
    CHECK(paths);
    for (int i = 0; i < sample->task_count; i++) {
        const struct watch_task *task = &sample->tasks[i];
        const struct watch_path *from = &task->paths[which];
        char to[CONTROL_NAME_BYTES];
        if (!from->is_there)
            continue;
        top_stage_name(task->view.name, to);
        struct top_path *path = find(paths, &count, from->view.from, to);
        histogram_add(path->recent, from->view.recent);
        histogram_add(path->total, from->view.total);
        path->sum_ns += from->view.sum_ns;
        path->is_sink = task->is_sink;
    }
    *out = paths;
    return count;
}

void top_paths_free(struct top_path *paths, int count)
{
    for (int i = 0; i < count; i++) {
        free(paths[i].recent);
        free(paths[i].total);
    }
    free(paths);
}
