// sweep.h: end every task that an earlier run has left.
#ifndef WEIR_SHM_SWEEP_H
#define WEIR_SHM_SWEEP_H

#include "core/base/err.h"
#include "shm/jobdir.h"

// SIGKILL each task of the job in this folder, and wait for their ends: those that the control
// block names (pid and start time), then those that /proc shows to have been started for this very
// folder (a task that had not come to register itself, or whose control block is lost). The caller
// holds the folder's lock. *ended (may be NULL) counts them. Afterwards no task of the job lives.
int sweep_tasks(const struct jobdir *dir, int *ended, struct err *err);

#endif
