// nodes.h: the NUMA nodes of the host: to which a core belongs, where memory shall be had from,
// where it is, and moving it.
//
// All of it goes through a table of calls, so that a test can be a machine that nobody has here.
#ifndef WEIR_SHM_NODES_H
#define WEIR_SHM_NODES_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

enum { NODES_MAX = 64, NODES_NONE = -1 };

// Pages of one process, as move_pages(2) takes them.
struct nodes_pages {
    pid_t pid;         // 0: this process
    uint64_t count;    // of pages
    void **addresses;  // of each
    const int *wanted; // the node of each; NULL: nothing is moved, only looked up
    int *found;        // where each is then; or -errno: -ENOENT: not mapped there, -EACCES: others
                       // map it too
};

struct nodes {
    int count;         // nodes that have memory; 1: the rest is not called, there is nothing to say
    bool moves_shared; // also pages that other processes map (CAP_SYS_NICE)
    // The node of a core; -errno.
    int (*of_cpu)(int cpu, void *context);
    // From now on pages of the mapped file are had from `node` while it has some, else from
    // another; NODES_NONE: as if nobody had asked. Nothing is touched or moved. 0 or -errno.
    int (*prefer)(void *at, uint64_t bytes, int node, void *context);
    int (*pages)(const struct nodes_pages *pages, void *context);
    // What the process alone has in memory on a node goes to another one. 0 or -errno.
    int (*follow)(pid_t pid, int from, int to, void *context);
    void *context;
};

// This host's. Where the kernel knows of no nodes, or forbids to ask, count is 1.
const struct nodes *nodes_system(void);

// The node of a core, NODES_NONE where there is but one, or none is known for it.
int nodes_of_cpu(const struct nodes *nodes, int cpu);

#endif
