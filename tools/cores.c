// cores.c: a list of cores ("0-3,8"), dealt to tasks.
#include "tools/cores.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>

#include "core/base/check.h"

// Core number `index` of the list, which the config's reader has validated.
static int core_at(const char *list, int index)
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

int *cores_assign(const struct config_cores *cores, int task_count)
{
    if (!cores->list)
        return NULL;
    CHECK(cores->count > 0 && task_count > 0);
    int *cpus = malloc((size_t)task_count * sizeof(int));
    CHECK(cpus);
    for (int task = 0; task < task_count; task++)
        cpus[task] = core_at(cores->list, task % cores->count);
    return cpus;
}

int cores_check(const struct config_cores *cores, struct err *err)
{
    cpu_set_t allowed;
    if (!cores->list || sched_getaffinity(0, sizeof(allowed), &allowed) < 0)
        return 0;
    for (int i = 0; i < cores->count; i++) {
        int core = core_at(cores->list, i), last = CPU_SETSIZE - 1;
        if (core < CPU_SETSIZE && CPU_ISSET((unsigned)core, &allowed))
            continue;
        while (last > 0 && !CPU_ISSET((unsigned)last, &allowed))
            last--;
        return err_set(
            err, -EINVAL,
            "placement.cores is \"%s\", but core %d is not one that this process may use "
            "(%d of them, the last is %d); name others, or write how many",
            cores->list, core, CPU_COUNT(&allowed), last);
    }
    return 0;
}
