// process.h: a process that cannot be mistaken for another: pids are reused, so a pid counts only
// together with the time its process started.
#ifndef WEIR_SHM_PROCESS_H
#define WEIR_SHM_PROCESS_H

#include <sched.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"

struct process_id {
    pid_t pid;           // 0: none
    uint64_t start_time; // clock ticks after boot, field 22 of /proc/<pid>/stat; 0: unknown
};

// The calling process.
struct process_id process_self(void);

// Start time of a pid; 0 when there is no such process.
uint64_t process_start_time(pid_t pid);

// Does this very process live? A zombie does not: it runs no more code.
bool process_alive(struct process_id id);

// Can the first thread of this very process ever run code of its own again? Not when it is gone, or
// on its way out (the kernel has begun to end it), whatever other threads the process has.
bool process_can_run(struct process_id id);

// A pidfd of this very process, or -ESRCH when it is gone (or the pid is another's by now), or
// another -errno.
int process_open(struct process_id id);

// Wait for the end of this very process (it need not be our child). 0, also when it was gone
// already; -ETIMEDOUT, or another -errno.
int process_wait(struct process_id id, int timeout_ms);

// SIGKILL this very process and wait until it has ended (it need not be our child). 0, -ESRCH when
// it was gone already, -ETIMEDOUT, or another -errno.
int process_kill(struct process_id id, int timeout_ms);

// The cores for threads beside the calling one: where `host` may run (the supervisor, which has the
// cores of housekeeping; 0: the parent), but not where the calling thread is pinned.
void process_cores_beside(pid_t host, cpu_set_t *out);

#endif
