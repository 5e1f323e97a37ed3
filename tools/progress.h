// progress.h: what a person or a program sees while a job runs: one live line on a terminal, JSON
// lines, events, and the summary. All of it goes to stderr; stdout belongs to the results.
#ifndef WEIR_TOOLS_PROGRESS_H
#define WEIR_TOOLS_PROGRESS_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/plan/plan.h"
#include "shm/errlog.h"
#include "stages/supervisor/supervisor.h"

// The counters of all tasks, added up.
struct progress_totals {
    int64_t rows_in;  // of tasks that read a source
    int64_t rows_out; // of tasks that write a sink
    int64_t bad_rows, late_rows;
    int64_t watermark_ms; // the lowest of all tasks; INT64_MIN: none yet, INT64_MAX: end of input
    int64_t newest_ms;    // the newest event time read; INT64_MIN: none yet
    int tasks, tasks_running;
};

enum progress_mode { PROGRESS_QUIET, PROGRESS_EVENTS, PROGRESS_LIVE, PROGRESS_JSON };

struct progress {
    enum progress_mode mode;
    bool verbose; // say each complete checkpoint
    const struct plan *plan;
    const char *job;
    const char *dead_letter; // where bad rows are
    int64_t started_ns;
    int64_t shown_ns;   // when rows_shown was read
    int64_t rows_shown; // rows_in then
    double rows_per_second;
    int line_width;              // of the live line on the terminal now
    const struct errlog *errlog; // what tasks have to say; NULL: nobody looks
    struct buf told;             // hashes of what was shown of it
};

// Quiet and JSON as asked; else a live line when stderr is a terminal that can show one and results
// do not go to the same terminal.
enum progress_mode progress_choose_mode(const struct plan *plan, bool json, bool quiet);

void progress_begin(struct progress *progress, int64_t now_ns);
void progress_add_up(const struct plan *plan, const struct control *control,
                     struct progress_totals *out);

// Callbacks of the supervisor; `context` is the struct progress.
void progress_tick(const struct control *control, void *context);
void progress_event(const struct supervisor_event *event, void *context);

// Show what is new in the error log.
void progress_notes(struct progress *progress);

// The last words.
void progress_summary(struct progress *progress, const struct progress_totals *totals,
                      const struct supervisor_result *result, int64_t now_ns);

// One line each, without its newline; for tests too.
void progress_format_live(const struct progress *progress, const struct progress_totals *totals,
                          struct buf *out);
void progress_format_summary(const struct progress *progress, const struct progress_totals *totals,
                             const struct supervisor_result *result, double seconds,
                             struct buf *out);

#endif
