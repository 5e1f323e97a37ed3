// restart.h: is a dead task started again, and when? Private to stages/supervisor.
//
// Flink's four strategies with Flink's options and defaults; a failure counts for the region of the
// task, the tasks that channels connect. One thing differs: under exponential-delay a task that was
// doing its work is replaced at once, because a replacement goes on where it stopped and costs
// milliseconds, not a rollback of the job. Only what looks like a fault of the task's own makes the
// delay grow; a death on the way to a dead letter (poison.h) counts for nothing there.
#ifndef WEIR_STAGES_SUPERVISOR_RESTART_H
#define WEIR_STAGES_SUPERVISOR_RESTART_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/buf.h"
#include "stages/supervisor/supervisor.h"

enum {
    // Deaths in a row without any progress: so many are answered at once, later ones wait, ...
    RESTART_QUICK_FREE = 8,
    // ... and this one ends the job: whatever kills the task will kill it again.
    RESTART_QUICK_MAX = 12,
    // Crashes of tasks that had made progress: so many are answered at once, later ones wait.
    RESTART_CRASHES_FREE = 3,
};

#define RESTART_NEVER INT64_C(-1)

struct restart_policy {
    struct supervisor_restart_options options;
    int failures;      // that count, so far; failure-rate: all
    int64_t last_ns;   // when the last of them was
    int64_t *times_ns; // failure-rate: of the last attempts + 1
};

struct restart_death {
    bool progressed;   // the process committed something, or there was nothing to do
    bool from_outside; // SIGKILL: an operator, or the kernel out of memory
    int quick_deaths;  // in a row without progress, this one included
    bool leads_on;     // a step on the way to a dead letter (poison.h)
    bool is_solved;    // the last step: the row will be put aside
};

void restart_init(struct restart_policy *policy, const struct supervisor_restart_options *options);
void restart_fini(struct restart_policy *policy);

// Note the death; how long to put the restart off, or RESTART_NEVER: the job is to end.
int64_t restart_delay_ns(struct restart_policy *policy, const struct restart_death *death,
                         int64_t now_ns);

// The memory of the region is lost: it goes back to a checkpoint, which counts as one failure. But
// only once: `is_counted` says that the death which led to it has been noted already. How long to
// put the restart off, or RESTART_NEVER.
int64_t restart_after_loss_ns(struct restart_policy *policy, bool is_counted, int64_t now_ns);

// After RESTART_NEVER: why not, as the end of a sentence that says how the task died.
void restart_explain(const struct restart_policy *policy, const struct restart_death *death,
                     struct buf *out);

// exponential-delay: the first delay, then `multiplier` times as much each time, up to the largest;
// nth counts from 1. Without jitter.
int64_t restart_backoff_ns(const struct supervisor_restart_options *options, int nth);

// A task with so many quick deaths behind it that is killed from outside: is it replaced at once?
// Then the kernel may do it without asking.
bool restart_is_at_once(const struct restart_policy *policy, int quick_deaths);

#endif
