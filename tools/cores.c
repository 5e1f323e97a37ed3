// cores.c: lists of cores ("0-3,8"), dealt to tasks or one for each.
#include "tools/cores.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

int cores_at(const char *list, int index)
{
    for (const char *p = list;; p++) {
        char *end;
        long first = strtol(p, &end, 10);
        long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        if (index <= last - first)
            return (int)first + index;
        index -= (int)(last - first + 1);
        CHECK(*end == ',');
        p = end;
    }
}

int *cores_assign(const struct config *config, int task_count)
{
    const struct config_cores *cores = &config->placement.cores;
    const struct config_tasks *tasks = &config->placement.tasks;
    const char *list = tasks->list ? tasks->list : cores->list;
    int count = tasks->list ? tasks->count : cores->count;
    if (!list)
        return NULL;
    CHECK(count > 0 && task_count > 0);
    int *cpus = malloc((size_t)task_count * sizeof(int));
    CHECK(cpus);
    for (int task = 0; task < task_count; task++)
        cpus[task] = cores_at(list, task % count);
    return cpus;
}

static bool is_isolated(int core)
{
    char text[4096];
    FILE *file = fopen("/sys/devices/system/cpu/isolated", "re");
    bool found = false;
    char *p = file ? fgets(text, sizeof text, file) : NULL;
    while (p && *p >= '0' && *p <= '9') {
        long first = strtol(p, &p, 10);
        long last = *p == '-' ? strtol(p + 1, &p, 10) : first;
        found |= core >= first && core <= last;
        p += *p == ',';
    }
    if (file)
        fclose(file);
    return found;
}

bool cores_may_use(int core)
{
    cpu_set_t own, one;
    if (core >= CPU_SETSIZE || sched_getaffinity(0, sizeof own, &own) < 0)
        return false;
    if (CPU_ISSET((unsigned)core, &own))
        return true;
    if (!is_isolated(core))
        return false;
    CPU_ZERO(&one);
    CPU_SET((unsigned)core, &one);
    bool may = sched_setaffinity(0, sizeof one, &one) == 0; // the control group decides
    if (may)
        sched_setaffinity(0, sizeof own, &own);
    return may;
}

// How many cores there are to choose from, and the last of them.
static int usable(int *last)
{
    cpu_set_t own;
    *last = 0;
    if (sched_getaffinity(0, sizeof own, &own) < 0)
        return 1;
    for (int core = 0; core < CPU_SETSIZE; core++)
        if (CPU_ISSET((unsigned)core, &own))
            *last = core;
    return CPU_COUNT(&own);
}

int cores_check(const char *key, const struct config_cores *cores, struct err *err)
{
    for (int i = 0; cores->list && i < cores->count; i++) {
        int core = cores_at(cores->list, i), last, count = usable(&last);
        if (!cores_may_use(core))
            return err_set(err, -EINVAL,
                           "%s is \"%s\", but core %d is not one that this process may use "
                           "(%d of them, the last is %d); name others, or write how many",
                           key, cores->list, core, count, last);
    }
    return 0;
}

static bool is_in(const struct config_cores *cores, int core)
{
    for (int i = 0; i < cores->count; i++)
        if (cores_at(cores->list, i) == core)
            return true;
    return false;
}

int cores_check_tasks(const struct config *config, int task_count, struct err *err)
{
    const struct config_tasks *tasks = &config->placement.tasks;
    const struct config_cores *cores = &config->placement.cores;
    if (!tasks->list)
        return 0;
    if (tasks->count != task_count)
        return err_set(err, -EINVAL,
                       "%s:%d:%d: placement.tasks names a core for each of %d tasks, but the plan "
                       "has %d; `weir pin --write` writes it anew, `auto` leaves it to the kernel",
                       config->file_name, tasks->line, tasks->column, tasks->count, task_count);
    for (int i = 0; i < tasks->count; i++) {
        int core = cores_at(tasks->list, i), last, count = usable(&last);
        if (cores->list && !is_in(cores, core))
            return err_set(err, -EINVAL,
                           "%s:%d:%d: placement.tasks puts task %d on core %d, which is not in "
                           "placement.cores, \"%s\"",
                           config->file_name, tasks->line, tasks->column, i, core, cores->list);
        if (!cores_may_use(core))
            return err_set(err, -EINVAL,
                           "%s:%d:%d: placement.tasks puts task %d on core %d, which this process "
                           "may not use (%d cores, the last is %d); `weir pin` proposes others",
                           config->file_name, tasks->line, tasks->column, i, core, count, last);
    }
    return 0;
}

static void add_list(const struct config_cores *cores, cpu_set_t *out)
{
    for (int i = 0; i < cores->count; i++)
        CPU_SET((unsigned)cores_at(cores->list, i), out);
}

// The last `count` of the free ones.
static void take_last(int count, const cpu_set_t *unused, cpu_set_t *out)
{
    for (int core = CPU_SETSIZE - 1; core >= 0 && count > 0; core--)
        if (CPU_ISSET((unsigned)core, unused)) {
            CPU_SET((unsigned)core, out);
            count--;
        }
}

int cores_housekeeping(const struct config_cores *housekeeping, const int *cpus, int task_count,
                       cpu_set_t *out, struct err *err)
{
    cpu_set_t unused;
    CPU_ZERO(out);
    if (!housekeeping->list && housekeeping->count == CONFIG_AUTO)
        return 0;
    int rc = cores_check("placement.housekeeping", housekeeping, err);
    if (rc < 0)
        return rc;
    if (housekeeping->list) {
        add_list(housekeeping, out);
        return 0;
    }
    if (sched_getaffinity(0, sizeof(unused), &unused) < 0)
        return err_set(err, -errno, "cannot ask which cores there are: %s", strerror(errno));
    int all = CPU_COUNT(&unused);
    for (int task = 0; cpus && task < task_count; task++)
        CPU_CLR((unsigned)cpus[task], &unused);
    if (CPU_COUNT(&unused) < housekeeping->count)
        return err_set(err, -EINVAL,
                       "placement.housekeeping is %d, but of the %d cores that this process may "
                       "use %d have no task; name fewer in placement.cores, or write which ones "
                       "housekeeping may share",
                       housekeeping->count, all, CPU_COUNT(&unused));
    take_last(housekeeping->count, &unused, out);
    return 0;
}
