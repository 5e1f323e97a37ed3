// placement.h: where the tasks of a job and their memory are, for people.
#ifndef WEIR_TOOLS_PLACEMENT_H
#define WEIR_TOOLS_PLACEMENT_H

#include <sched.h>

#include "core/base/buf.h"
#include "core/plan/plan.h"
#include "shm/control.h"
#include "shm/jobdir.h"
#include "shm/place.h"
#include "tools/config.h"

// What the config says of cores.
struct placement {
    int *cpus;              // of each task; NULL: any
    cpu_set_t housekeeping; // empty: those that no task has, where there are any
};

// Cores that are there, and may be used so. -EINVAL with a text. placement_fini frees it, also
// after that.
int placement_read(const struct config *config, int task_count, struct placement *out,
                   struct err *err);
void placement_fini(struct placement *placement);

// The same for who only wants to know.
int placement_is_right(const struct config *config, int task_count, struct err *err);

// On a host of several nodes: can memory be asked for on the nodes of these cores (NULL: none are
// named)? Else why not, as a note. 0 or -errno; 0 on a host of one node.
int placement_check(const struct nodes *nodes, const int *cpus, int task_count, struct err *note);

// "core 2 (node 1); memory: 12.0 MiB on node 1, 64.0 KiB on node 0": the arena of the task and the
// rings that it reads, as the kernel has them at this moment. false: one node, nothing to say.
bool placement_describe(const struct jobdir *dir, const struct plan *plan,
                        const struct control_view *task, int task_index, struct buf *out);

#endif
