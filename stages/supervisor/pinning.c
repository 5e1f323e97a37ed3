// pinning.c: see pinning.h. What fails here is a core or a process that is gone meanwhile; then the
// kernel decides, as it does for who was never pinned.
#include "stages/supervisor/pinning.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/supervisor/internal.h"

void pinning_open(struct supervisor *s)
{
    struct pinning *p = &s->pinning;
    p->cpus = calloc((size_t)s->options->task_count, sizeof *p->cpus);
    CHECK(p->cpus);
    for (int i = 0; i < s->options->task_count; i++)
        p->cpus[i] = s->options->cpus ? s->options->cpus[i] : -1;
    if (sched_getaffinity(0, sizeof p->allowed, &p->allowed) < 0)
        CPU_ZERO(&p->allowed);
    p->is_kept = s->options->adopts;
    if (s->options->adopts)
        pinning_take_over(s);
    pinning_settle(s);
}

void pinning_close(struct supervisor *s)
{
    struct pinning *p = &s->pinning;
    if (CPU_COUNT(&p->allowed) && !CPU_EQUAL(&p->allowed, &p->housekeeping))
        sched_setaffinity(0, sizeof p->allowed, &p->allowed);
    free(p->cpus);
    p->cpus = NULL;
}

bool pinning_may_use(const struct supervisor *s, int cpu)
{
    if (cpu == -1 ||
        (cpu >= 0 && cpu < CPU_SETSIZE && CPU_ISSET((unsigned)cpu, &s->pinning.allowed)))
        return true;
    return cpu >= 0 && s->options->may_use && s->options->may_use(cpu);
}

void pinning_take_over(struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++) {
        struct control_view view;
        control_view(s->control, i, &view);
        if (view.is_moved && pinning_may_use(s, view.cpu))
            s->pinning.cpus[i] = view.cpu;
    }
}

// Cores that no task is pinned to; all of them where there is none left over, or none is pinned.
static void find_free(const struct supervisor *s, cpu_set_t *out)
{
    const struct pinning *p = &s->pinning;
    *out = p->allowed;
    for (int i = 0; i < s->options->task_count; i++)
        if (p->cpus[i] >= 0)
            CPU_CLR((unsigned)p->cpus[i], out);
    if (CPU_COUNT(out) == 0)
        *out = p->allowed;
}

void pinning_settle(struct supervisor *s)
{
    struct pinning *p = &s->pinning;
    cpu_set_t now;
    if (s->options->housekeeping && CPU_COUNT(s->options->housekeeping))
        p->housekeeping = *s->options->housekeeping;
    else
        find_free(s, &p->housekeeping);
    bool is_there =
        sched_getaffinity(0, sizeof now, &now) == 0 && CPU_EQUAL(&now, &p->housekeeping);
    if (!is_there && CPU_COUNT(&p->housekeeping))
        sched_setaffinity(0, sizeof p->housekeeping, &p->housekeeping);
}

static void put_thread(pid_t tid, const cpu_set_t *where)
{
    cpu_set_t now;
    if (CPU_COUNT(where) && sched_getaffinity(tid, sizeof now, &now) == 0 &&
        !CPU_EQUAL(&now, where))
        sched_setaffinity(tid, sizeof *where, where);
}

// Beside the task, but not on its core, where there is another.
static void put_helpers(const struct supervisor *s, const struct slot *slot)
{
    char path[64];
    cpu_set_t others = s->pinning.housekeeping;
    int cpu = s->pinning.cpus[slot->index];
    snprintf(path, sizeof path, "/proc/%d/task", (int)slot->pid);
    DIR *threads = opendir(path);
    if (cpu >= 0 && CPU_COUNT(&others) > 1)
        CPU_CLR((unsigned)cpu, &others);
    for (struct dirent *e = threads ? readdir(threads) : NULL; e; e = readdir(threads)) {
        pid_t tid = (pid_t)strtol(e->d_name, NULL, 10);
        if (tid > 0 && tid != slot->pid)
            put_thread(tid, &others);
    }
    if (threads)
        closedir(threads);
}

void pinning_put(const struct supervisor *s, const struct slot *slot)
{
    int cpu = s->pinning.cpus[slot->index];
    cpu_set_t home = s->pinning.allowed;
    if (slot->pidfd < 0)
        return;
    if (cpu >= 0) {
        CPU_ZERO(&home);
        CPU_SET((unsigned)cpu, &home);
    }
    put_thread(slot->pid, &home);
    put_helpers(s, slot);
}

void pinning_put_spare(const struct supervisor *s, pid_t pid)
{
    put_thread(pid, &s->pinning.housekeeping);
}
