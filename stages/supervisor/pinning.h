// pinning.h: which core each task has, and where everything else runs. Private to
// stages/supervisor.
//
// The first thread of a task has the task's core. This process, the other threads of tasks (the
// copier, those of libraries) and spares that wait have the housekeeping cores, which are this
// process's own affinity: a task looks there.
#ifndef WEIR_STAGES_SUPERVISOR_PINNING_H
#define WEIR_STAGES_SUPERVISOR_PINNING_H

#include <sched.h>
#include <stdbool.h>

#include "stages/supervisor/slot.h"

struct supervisor;

struct pinning {
    int *cpus;              // of each task; -1: anywhere
    cpu_set_t allowed;      // where this process could run when it began
    cpu_set_t housekeeping; // now
    bool is_kept;           // adopted processes, or those of a move, may not be where they should
};

// The options' cores, before any process is started; and give this process its affinity back.
void pinning_open(struct supervisor *s);
void pinning_close(struct supervisor *s);

// Of an earlier supervisor: a core that a move has given counts more than the options'.
void pinning_take_over(struct supervisor *s);

// May a task be put there? -1 is anywhere.
bool pinning_may_use(const struct supervisor *s, int cpu);

// The cores have changed: find those of housekeeping, and go there.
void pinning_settle(struct supervisor *s);

// Put the process of the slot, each of its threads, where they belong. One that is gone needs it no
// more.
void pinning_put(const struct supervisor *s, const struct slot *slot);
void pinning_put_spare(const struct supervisor *s, pid_t pid);

#endif
