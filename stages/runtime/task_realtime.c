// task_realtime.c: memory that is locked, and a turn before ordinary processes, where the job's
// config asks for it. Whether this user may have them `weir run` has found out before the start;
// what fails all the same goes to the error log, and the task goes on without.
#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <unistd.h>

#include "stages/runtime/task_internal.h"

static void note_failure(struct task *task, const char *what, int code)
{
    char text[160];
    snprintf(text, sizeof text, "%s: %s; it goes on without", what, strerror(code));
    task_note(task, text);
}

// What is mapped by now: arena, rings, program, heap, stack. A page is locked when it is used, so
// no memory is had that would not be had anyway. What is mapped later is locked too where there is
// no limit; under one the kernel would refuse the mapping itself.
void task_lock_memory(struct task *task)
{
    struct rlimit limit;
    if (task->job.options.lock == JOB_LOCK_NO)
        return;
    bool is_limited = getrlimit(RLIMIT_MEMLOCK, &limit) < 0 || limit.rlim_cur != RLIM_INFINITY;
    int later = is_limited ? 0 : MCL_FUTURE;
    if (mlockall(MCL_CURRENT | MCL_ONFAULT | later) < 0)
        note_failure(task, "its memory cannot be locked", errno);
}

// The lowest of the real-time priorities: before every ordinary process, behind what the kernel
// itself has at such. Threads and processes that come of this one are ordinary again.
void task_take_priority(struct task *task)
{
    const struct sched_param first = {.sched_priority = 1};
    if (task->job.options.is_fifo &&
        sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) < 0)
        note_failure(task, "real-time priority cannot be had", errno);
}
