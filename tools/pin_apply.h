// pin_apply.h: put the tasks of a running job on other cores, and their memory on the nodes of
// these, without a stop. Its supervisor does it (stages/supervisor/move.h).
#ifndef WEIR_TOOLS_PIN_APPLY_H
#define WEIR_TOOLS_PIN_APPLY_H

#include <stdint.h>

#include "core/base/err.h"
#include "tools/config.h"

enum { PIN_WHY_BYTES = 512 };

// What has become of a task. A node is -1 where the host has but one, or the task no core.
struct pin_applied {
    int cpu_before, cpu;
    int node_before, node;
    uint64_t bytes_moved;    // of its arena and of the rings that it reads
    uint64_t bytes_left;     // that stay where they were
    char why[PIN_WHY_BYTES]; // when there are such, or the memory could not be asked for; else ""
};

// Give task i of the job that runs under this config the core cpus[i], -1: any. `out` has
// task_count elements. 0 when it is done, and lasts until the job is run anew; -errno with a text:
// -ESRCH: the job does not run; -EINVAL: its tasks are not as many; a core is not there, or not one
// that the job may use: nothing was changed; -EBUSY: something else is being asked of it; -EINTR:
// its supervisor was killed meanwhile, the next one does it; -ECANCELED: the job has ended;
// -ETIMEDOUT: its supervisor does not answer.
int pin_apply(const struct config *config, const int *cpus, int task_count, struct pin_applied *out,
              struct err *err);

#endif
