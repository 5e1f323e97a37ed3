// cores.c: a list of cores ("0-3,8"), dealt to tasks.
#include "tools/cores.h"

#include <errno.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>

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

int cores_check(const char *key, const struct config_cores *cores, struct err *err)
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
        return err_set(err, -EINVAL,
                       "%s is \"%s\", but core %d is not one that this process may use "
                       "(%d of them, the last is %d); name others, or write how many",
                       key, cores->list, core, CPU_COUNT(&allowed), last);
    }
    return 0;
}

static void add_list(const struct config_cores *cores, cpu_set_t *out)
{
    for (int i = 0; i < cores->count; i++)
        CPU_SET((unsigned)core_at(cores->list, i), out);
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
