// realtime.h: may this user lock memory, and have a real-time priority? Asked before the start.
#ifndef WEIR_TOOLS_REALTIME_H
#define WEIR_TOOLS_REALTIME_H

#include <sched.h>

#include "stages/runtime/job.h"
#include "tools/config.h"

// placement.priority: fifo. A task then runs before everything ordinary on its core, so it must
// have that core for itself, and must leave it at times: each task has a core that no other has,
// nor housekeeping (empty: auto), and none spins. -EINVAL with a text. Nothing for `normal`.
int realtime_check_cores(const struct config *config, const int *cpus, int task_count,
                         const cpu_set_t *housekeeping, struct err *err);

// May this user have it, and does the kernel take the core away from a task that is always busy?
// -EPERM or -EINVAL with a text that says what to set.
int realtime_check_priority(const struct config *config, struct err *err);

// memory.lock. What tasks are to do, out of `auto`, `yes` and `no`; under `auto`, where it cannot
// be, `note` says why, else it is "". `yes` that cannot be: -EPERM with a text that says how to
// give it. The soft limit of this process, which tasks inherit, is raised as far as it may be.
int realtime_choose_lock(const struct config *config, const struct plan *plan,
                         const struct job_options *options, enum job_lock *out, struct err *note);

// Bytes that a task's process may come to lock, at most: its arena, its rings (twice, as they are
// mapped), and what it has for itself.
uint64_t realtime_lock_bytes(const struct plan *plan, const struct job_options *options);

#endif
