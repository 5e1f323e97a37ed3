// restart.h: is a dead task started again, and when? Private to stages/supervisor.
//
// Flink's four strategies with Flink's defaults; a failure counts for the whole job. One thing
// differs: under exponential-delay a task that was doing its work is replaced at once, because a
// replacement goes on where it stopped and costs milliseconds, not a rollback of the job. Only what
// looks like a fault of the task's own makes the delay grow.
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
    enum supervisor_restart strategy;
    int failures;    // that count, so far
    int64_t last_ns; // when the last of them was
};

struct restart_death {
    bool progressed;   // the process committed something, or there was nothing to do
    bool from_outside; // SIGKILL: an operator, or the kernel out of memory
    int quick_deaths;  // in a row without progress, this one included
    bool leads_on;     // a step on the way to a dead letter (poison.h)
};

// Note the death; how long to put the restart off, or RESTART_NEVER: the job is to end.
int64_t restart_delay_ns(struct restart_policy *policy, const struct restart_death *death,
                         int64_t now_ns);

// After RESTART_NEVER: why not, as the end of a sentence that says how the task died.
void restart_explain(const struct restart_policy *policy, const struct restart_death *death,
                     struct buf *out);

// exponential-delay: 1 s, then half as much more each time, at most 1 min; nth counts from 1.
int64_t restart_backoff_ns(int nth);

// A task with so many quick deaths behind it that is killed from outside: is it replaced at once?
// Then the kernel may do it without asking.
bool restart_is_at_once(const struct restart_policy *policy, int quick_deaths);

#endif
