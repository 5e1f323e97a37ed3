// cores.h: which task runs where, when the config names cores.
#ifndef WEIR_TOOLS_CORES_H
#define WEIR_TOOLS_CORES_H

#include "tools/config.h"

// The cpu of each of task_count tasks, dealt round the list in turn; NULL when the config names no
// list (the kernel decides). The caller frees it.
int *cores_assign(const struct config_cores *cores, int task_count);

// May this process run on every core of the list? -EINVAL with a text that names the first it may
// not.
int cores_check(const struct config_cores *cores, struct err *err);

#endif
