// cores.h: which task runs where, when the config names cores.
#ifndef WEIR_TOOLS_CORES_H
#define WEIR_TOOLS_CORES_H

#include "tools/config.h"

// The cpu of each of task_count tasks, dealt round the list in turn; NULL when the config names no
// list (the kernel decides). The caller frees it.
int *cores_assign(const struct config_cores *cores, int task_count);

#endif
