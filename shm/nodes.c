// nodes.c: see nodes.h. The calls of libnuma, of which only these are used: it has no state of
// ours.
#include "shm/nodes.h"

#include <errno.h>
#include <linux/capability.h>
#include <numa.h>
#include <numaif.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { WORD_BITS = 8 * sizeof(unsigned long), MASK_WORDS = NODES_MAX / WORD_BITS };

static int system_of_cpu(int cpu, void *context)
{
    (void)context;
    int node = numa_node_of_cpu(cpu);
    return node < 0 ? -EINVAL : node;
}

static void mask_of(int node, unsigned long mask[MASK_WORDS])
{
    memset(mask, 0, MASK_WORDS * sizeof *mask);
    mask[node / (int)WORD_BITS] = 1UL << (node % (int)WORD_BITS);
}

// Preferred, not bound: where the node is full the job has its memory from another one.
static int system_prefer(void *at, uint64_t bytes, int node, void *context)
{
    (void)context;
    unsigned long mask[MASK_WORDS];
    if (node == NODES_NONE)
        return mbind(at, bytes, MPOL_DEFAULT, NULL, 0, 0) < 0 ? -errno : 0;
    if (node < 0 || node >= NODES_MAX)
        return -EINVAL;
    mask_of(node, mask);
    // The kernel takes one bit less than it is told.
    return mbind(at, bytes, MPOL_PREFERRED, mask, NODES_MAX + 1, 0) < 0 ? -errno : 0;
}

static bool can_move_shared(void)
{
    struct __user_cap_header_struct header = {.version = _LINUX_CAPABILITY_VERSION_3};
    struct __user_cap_data_struct data[_LINUX_CAPABILITY_U32S_3];
    memset(data, 0, sizeof data);
    if (syscall(SYS_capget, &header, data) < 0)
        return false;
    return (data[CAP_SYS_NICE / 32].effective >> CAP_SYS_NICE % 32 & 1) != 0;
}

static int system_pages(const struct nodes_pages *pages, void *context)
{
    (void)context;
    int flags = can_move_shared() ? MPOL_MF_MOVE_ALL : MPOL_MF_MOVE;
    long rc = move_pages((int)pages->pid, pages->count, pages->addresses, pages->wanted,
                         pages->found, flags);
    return rc < 0 ? -errno : 0; // above 0: that many stayed where they were
}

static int system_follow(pid_t pid, int from, int to, void *context)
{
    (void)context;
    unsigned long old[MASK_WORDS], new[MASK_WORDS];
    if (from < 0 || to < 0 || from >= NODES_MAX || to >= NODES_MAX)
        return -EINVAL;
    mask_of(from, old);
    mask_of(to, new);
    return migrate_pages((int)pid, NODES_MAX + 1, old, new) < 0 ? -errno : 0;
}

static int count_nodes(void)
{
    int count = 0;
    if (numa_available() < 0)
        return 1;
    for (int node = 0; node <= numa_max_node() && node < NODES_MAX; node++)
        count += numa_node_size64(node, NULL) > 0;
    return count > 0 ? count : 1;
}

const struct nodes *nodes_system(void)
{
    static struct nodes nodes = {.of_cpu = system_of_cpu,
                                 .prefer = system_prefer,
                                 .pages = system_pages,
                                 .follow = system_follow};
    if (nodes.count == 0) {
        nodes.moves_shared = can_move_shared();
        nodes.count = count_nodes();
    }
    return &nodes;
}

int nodes_of_cpu(const struct nodes *nodes, int cpu)
{
    if (!nodes || nodes->count <= 1 || cpu < 0)
        return NODES_NONE;
    int node = nodes->of_cpu(cpu, nodes->context);
    return node >= 0 && node < NODES_MAX ? node : NODES_NONE;
}
