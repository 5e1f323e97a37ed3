// placement.c: see placement.h.
#include "tools/placement.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "shm/budget.h"
#include "stages/runtime/job_place.h"
#include "tools/cores.h"
#include "tools/realtime.h"

int placement_read(const struct config *config, int task_count, struct placement *out,
                   struct err *err)
{
    *out = (struct placement){.cpus = NULL};
    int rc = cores_check("placement.cores", &config->placement.cores, err);
    if (rc < 0)
        return rc;
    rc = cores_check_tasks(config, task_count, err);
    if (rc < 0)
        return rc;
    out->cpus = cores_assign(config, task_count);
    rc = cores_housekeeping(&config->placement.housekeeping, out->cpus, task_count,
                            &out->housekeeping, err);
    if (rc < 0)
        return rc;
    return realtime_check_cores(config, out->cpus, task_count, &out->housekeeping, err);
}

void placement_fini(struct placement *placement)
{
    free(placement->cpus);
    placement->cpus = NULL;
}

int placement_is_right(const struct config *config, int task_count, struct err *err)
{
    struct placement placement;
    int rc = placement_read(config, task_count, &placement, err);
    placement_fini(&placement);
    return rc;
}

int placement_check(const struct nodes *nodes, const int *cpus, int task_count, struct err *note)
{
    enum { PROBE_BYTES = 4096 };
    int rc = 0;
    if (nodes->count <= 1 || !cpus)
        return 0;
    int fd = memfd_create("weir", MFD_CLOEXEC);
    if (fd < 0)
        return 0;
    for (int task = 0; task < task_count && rc == 0; task++) {
        const struct place place = {nodes, nodes_of_cpu(nodes, cpus[task])};
        if (place.node != NODES_NONE)
            rc = place_prefer(&place, fd, PROBE_BYTES, note);
    }
    close(fd);
    return rc;
}

static void add_up(const struct nodes *nodes, const struct jobdir *dir, const char *name,
                   struct place_found *found)
{
    int fd = openat(dir->fd, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return;
    place_look(nodes, fd, found);
    close(fd);
}

static void append_found(const struct place_found *found, struct buf *out)
{
    char bytes[32];
    const char *before = "; memory: ";
    for (int node = 0; node < NODES_MAX; node++) {
        if (found->bytes[node] == 0)
            continue;
        buf_printf(out, "%s%s on node %d", before, budget_format_bytes(found->bytes[node], bytes),
                   node);
        before = ", ";
    }
}

bool placement_describe(const struct jobdir *dir, const struct plan *plan,
                        const struct control_view *task, int task_index, struct buf *out)
{
    const struct nodes *nodes = nodes_system();
    struct place_found found = {{0}};
    int count, node = nodes_of_cpu(nodes, task->cpu);
    if (nodes->count <= 1)
        return false;
    if (task->cpu < 0)
        buf_append_str(out, "any core");
    else
        buf_printf(out, "core %d (node %d)", task->cpu, node);
    struct place_segment *segments = job_segments(plan, &count);
    for (int i = 0; i < count; i++)
        if (segments[i].task == task_index)
            add_up(nodes, dir, segments[i].name, &found);
    free(segments);
    append_found(&found, out);
    return true;
}
