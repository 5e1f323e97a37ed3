// cores.h: which task runs where, when the config names cores; and what else has which.
#ifndef WEIR_TOOLS_CORES_H
#define WEIR_TOOLS_CORES_H

#include <sched.h>

#include "tools/config.h"

// The cpu of each of task_count tasks: as placement.tasks says, else dealt round the list of
// placement.cores in turn; NULL when the config has neither (the kernel decides). The caller frees
// it.
int *cores_assign(const struct config *config, int task_count);

// Is there a core in placement.tasks for each task of the plan, one that this process may use?
// -EINVAL with a text that names the place in the file.
int cores_check_tasks(const struct config *config, int task_count, struct err *err);

// Core number `index` of a list that the config's reader has accepted.
int cores_at(const char *list, int index);

// May this process run there? Isolated cores are in no affinity, but may be asked for.
bool cores_may_use(int core);

// May this process run on every core of the list of this key? -EINVAL with a text that names the
// first it may not.
int cores_check(const char *key, const struct config_cores *cores, struct err *err);

// The cores of placement.housekeeping: a list, or so many that no task has, from the last one down;
// `auto` leaves *out empty. `cpus` of task_count tasks as cores_assign gives them. -EINVAL
// with a text: a core that this process may not use, or fewer are free.
int cores_housekeeping(const struct config_cores *housekeeping, const int *cpus, int task_count,
                       cpu_set_t *out, struct err *err);

#endif
