// spawn.h: start the process of one task. Private to stages/supervisor.
#ifndef WEIR_STAGES_SUPERVISOR_SPAWN_H
#define WEIR_STAGES_SUPERVISOR_SPAWN_H

#include <sched.h>
#include <signal.h>
#include <sys/types.h>

struct spawn_request {
    const char *program;    // path
    const char *job_folder; // argv: weir task <job_folder> <task_index>
    int task_index;
    int spare;                // >= 0: as this spare of the task
    int cpu;                  // pinned to it; -1: anywhere
    const cpu_set_t *allowed; // anywhere; NULL: where this process may run
    const sigset_t *mask;     // signals blocked in the task
    const int *kept_fds;      // inherited
    int kept_count;
};

// Start it; the process dies with its supervisor. *pidfd is the caller's to close. 0 or -errno,
// also that of a failed exec.
int spawn_task(const struct spawn_request *request, pid_t *pid, int *pidfd);

#endif
