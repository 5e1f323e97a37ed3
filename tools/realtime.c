// realtime.c: see realtime.h. Whether a priority may be had is found out by taking it for a moment.
#include "tools/realtime.h"

#include <errno.h>
#include <linux/capability.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "shm/budget.h"
#include "shm/ring.h"

// Heap, stack, program and libraries of a task.
#define OWN_BYTES (UINT64_C(64) << 20)

// --- priority ---

static int check_own_cores(const int *cpus, int task_count, struct err *err)
{
    if (!cpus)
        return err_set(err, -EINVAL,
                       "placement.priority is fifo, and placement.cores names no cores: a task "
                       "would keep others from whatever core it is on; write a list, as \"2-5\"");
    for (int i = 0; i < task_count; i++)
        for (int j = 0; j < i; j++)
            if (cpus[i] == cpus[j])
                return err_set(err, -EINVAL,
                               "placement.priority is fifo, but tasks %d and %d are both on core "
                               "%d, where one would keep the other from running; name as many "
                               "cores as there are tasks (%d)",
                               j, i, cpus[i], task_count);
    return 0;
}

// What bounds a task that always has something to do: the kernel takes its core away for a part of
// each period. -1: it does not.
static bool has_limit(void)
{
    long runtime_us = 0;
    FILE *file = fopen("/proc/sys/kernel/sched_rt_runtime_us", "re");
    bool is_known = file && fscanf(file, "%ld", &runtime_us) == 1;
    if (file)
        fclose(file);
    return !is_known || runtime_us >= 0;
}

static int try_priority(struct err *err)
{
    const struct sched_param first = {.sched_priority = 1}, none = {0};
    struct rlimit limit = {0};
    if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &first) == 0)
        return sched_setscheduler(0, SCHED_OTHER, &none) < 0 ? -errno : 0;
    int code = -errno;
    getrlimit(RLIMIT_RTPRIO, &limit);
    return err_set(err, code,
                   "placement.priority is fifo, but this user may not ask for that: %s, "
                   "RLIMIT_RTPRIO is %lld; in a unit: LimitRTPRIO=1, else a line \"USER - rtprio "
                   "1\" in /etc/security/limits.d/weir.conf and a new login",
                   strerror(-code), (long long)limit.rlim_cur);
}

// `auto` takes the cores that are left over; where none is it would take all.
static int check_housekeeping(const int *cpus, int task_count, const cpu_set_t *housekeeping,
                              struct err *err)
{
    cpu_set_t others;
    const bool is_given = CPU_COUNT(housekeeping) > 0;
    if (is_given)
        others = *housekeeping;
    else if (sched_getaffinity(0, sizeof others, &others) < 0)
        return 0;
    for (int i = 0; i < task_count; i++) {
        if (is_given && CPU_ISSET((unsigned)cpus[i], housekeeping))
            return err_set(err, -EINVAL,
                           "placement.priority is fifo, and core %d is both of task %d and in "
                           "placement.housekeeping, which would not run there; name another",
                           cpus[i], i);
        CPU_CLR((unsigned)cpus[i], &others);
    }
    return CPU_COUNT(&others) ? 0
                              : err_set(err, -EINVAL,
                                        "placement.priority is fifo, and every core has a task: "
                                        "the supervisor and the copiers need one; name fewer in "
                                        "placement.cores");
}

int realtime_check_cores(const struct config *config, const int *cpus, int task_count,
                         const cpu_set_t *housekeeping, struct err *err)
{
    if (config->placement.priority != CONFIG_PRIORITY_FIFO)
        return 0;
    if (config->placement.waiting == CONFIG_WAITING_SPIN)
        return err_set(err, -EINVAL,
                       "placement.priority is fifo and placement.waiting is spin: such a task "
                       "never leaves its core to the kernel's own threads; write waiting: "
                       "adaptive, or priority: normal on cores that are isolated");
    int rc = check_own_cores(cpus, task_count, err);
    return rc < 0 ? rc : check_housekeeping(cpus, task_count, housekeeping, err);
}

int realtime_check_priority(const struct config *config, struct err *err)
{
    if (config->placement.priority != CONFIG_PRIORITY_FIFO)
        return 0;
    if (!has_limit())
        return err_set(err, -EINVAL,
                       "placement.priority is fifo, and nothing bounds a task that is always "
                       "busy: kernel.sched_rt_runtime_us is -1; as root:  sysctl "
                       "kernel.sched_rt_runtime_us=950000");
    return try_priority(err);
}

// --- locked memory ---

uint64_t realtime_lock_bytes(const struct plan *plan, const struct job_options *options)
{
    uint64_t most = 0;
    for (int task = 0; task < plan->task_count; task++) {
        uint64_t rings = 0;
        int subtask;
        const struct stage *stage = plan_stage_of(plan, task, &subtask);
        for (int e = 0; e < plan->exchange_count; e++) {
            const struct stage *from = &plan->stages[plan->exchanges[e].from_stage];
            const struct stage *to = &plan->stages[plan->exchanges[e].to_stage];
            rings += from == stage ? (uint64_t)to->parallelism : 0;
            rings += to == stage ? (uint64_t)from->parallelism : 0;
        }
        most = rings > most ? rings : most;
    }
    uint64_t ring = options->ring_bytes ? options->ring_bytes : UINT64_C(1) << 20;
    return job_state_bytes(options) + most * (ring_file_bytes(ring) + ring) + OWN_BYTES;
}

static bool may_lock_all(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    memset(data, 0, sizeof data);
    return syscall(SYS_capget, &header, data) == 0 && (data[0].effective >> CAP_IPC_LOCK & 1) != 0;
}

// 0, or -EPERM with a text: the limit is lower than that.
static int check_limit(uint64_t bytes, struct err *why)
{
    char wanted[32], there[32];
    struct rlimit limit;
    if (getrlimit(RLIMIT_MEMLOCK, &limit) < 0)
        return err_set(why, -errno, "RLIMIT_MEMLOCK cannot be read: %s", strerror(errno));
    if (limit.rlim_cur < limit.rlim_max) { // what a user may do for itself
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_MEMLOCK, &limit);
    }
    if (limit.rlim_cur == RLIM_INFINITY || limit.rlim_cur >= bytes || may_lock_all())
        return 0;
    return err_set(why, -EPERM,
                   "a task may come to lock %s, and RLIMIT_MEMLOCK allows %s; in a unit: "
                   "LimitMEMLOCK=infinity, in a container: --ulimit memlock=-1, else a line "
                   "\"USER - memlock unlimited\" in /etc/security/limits.d/weir.conf and a new "
                   "login",
                   budget_format_bytes(bytes, wanted),
                   budget_format_bytes((uint64_t)limit.rlim_cur, there));
}

int realtime_choose_lock(const struct config *config, const struct plan *plan,
                         const struct job_options *options, enum job_lock *out, struct err *note)
{
    note->text[0] = '\0';
    *out = JOB_LOCK_NO;
    if (config->memory.lock == CONFIG_LOCK_NO)
        return 0;
    int rc = check_limit(realtime_lock_bytes(plan, options), note);
    if (rc == 0)
        *out = JOB_LOCK_YES;
    else if (config->memory.lock == CONFIG_LOCK_YES)
        return err_prefix(note, rc, "memory.lock is yes");
    else
        err_prefix(note, rc, "memory.lock is auto, and the memory is not locked");
    return 0;
}
