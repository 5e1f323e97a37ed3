// top_view.h: what `weir top` shows of samples, as text or as JSON. Pure functions of their
// arguments: a terminal is another file's (screen.h).
#ifndef WEIR_TOOLS_TOP_VIEW_H
#define WEIR_TOOLS_TOP_VIEW_H

#include "core/base/buf.h"
#include "tools/watch.h"

enum top_sort {
    TOP_SORT_TASK,
    TOP_SORT_CPU,
    TOP_SORT_ROWS_IN,
    TOP_SORT_ROWS_OUT,
    TOP_SORT_BLOCKED,
    TOP_SORT_LAG,
    TOP_SORT_LATENCY, // p99 from the source
    TOP_SORT_COUNT,
};

struct top_look {
    int columns; // of the terminal; 0: as wide as need be
    int lines;   // 0: as many as need be
    enum top_sort sort;
    bool reverse; // the sort
    int first;    // task in that order that is shown first
    bool colour;  // bold titles, red what is dead
};

// A job whole: its state, its checkpoints, the latency of each path, a line a task. `before` may be
// NULL: then there are no rates.
void top_view_job(const struct watch_sample *before, const struct watch_sample *now,
                  const struct top_look *look, struct buf *out);

// A line a job.
struct top_pair {
    struct watch_sample *before, *now; // `before` may be NULL
};
void top_view_jobs(const struct top_pair *jobs, int count, const struct top_look *look,
                   struct buf *out);

// One JSON object, without a newline. docs/command.md says what is in it.
void top_json_job(const struct watch_sample *before, const struct watch_sample *now,
                  struct buf *out);

// The letter that chooses a sort, and what it is called; NULL: no such sort.
char top_sort_key(enum top_sort sort);
const char *top_sort_name(enum top_sort sort);

// The latency of rows from the source to all tasks of one stage.
struct top_path {
    const char *from; // of the sample
    char to[CONTROL_NAME_BYTES];
    bool is_sink;
    struct histogram *recent, *total; // the path's
    uint64_t sum_ns;
};

// *out has top_paths of them, in the order of the stages; freed with top_paths_free. Tasks of one
// stage are those whose names differ in "[1/4]" only.
int top_paths(const struct watch_sample *sample, enum latency_path path, struct top_path **out);
void top_paths_free(struct top_path *paths, int count);

// A task's name without "[1/4]".
void top_stage_name(const char *task_name, char out[CONTROL_NAME_BYTES]);

#endif
