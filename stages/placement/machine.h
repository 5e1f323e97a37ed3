// machine.h: a machine as the solver sees it: plain arrays, whoever filled them.
//
// Processing units stand in the order of the machine's tree, so that those that share something
// stand together. What they share is said by numbers counted from 0 in that order; `os` is the
// number that the kernel, taskset and the config use, and what people read as "core".
#ifndef WEIR_STAGES_PLACEMENT_MACHINE_H
#define WEIR_STAGES_PLACEMENT_MACHINE_H

#include <stdbool.h>
#include <stdint.h>

enum { MACHINE_PUS_MAX = 4096, MACHINE_NODES_MAX = 256, MACHINE_NAME_BYTES = 128 };

enum { MACHINE_DISTANCE_LOCAL = 10 }; // of a node to itself, as ACPI's SLIT counts

struct machine_pu {
    int os;
    int core, l2, l3, node, package; // equal numbers: shared
    bool is_efficient;               // an E-core: slower, meant for work that may wait
    bool is_allowed;                 // by control group and affinity
    bool is_isolated, is_nohz_full;
    int irqs;            // interrupts whose affinity names it
    int64_t irqs_per_s;  // that came, on average since boot
    bool is_performance; // frequency governor: performance
    bool has_governor;   // there is one at all
};

struct machine_node {
    int os;
    int64_t bytes; // of memory; 0: it has none
    int memory;    // node that its cores get memory from: itself, or the nearest that has any
};

struct machine_device {
    char name[32]; // as the kernel has it: nvme0n1, eth0
    int node;
};

struct machine {
    char name[MACHINE_NAME_BYTES]; // for people
    bool is_this_host;
    int pu_count, core_count, l2_count, l3_count, node_count, package_count, device_count;
    int64_t l3_bytes; // of the first L3; 0: not known, or there is none
    struct machine_pu *pus;
    struct machine_node *nodes;
    int *distances; // node_count x node_count
    struct machine_device *devices;
};

// NULL is fine.
void machine_free(struct machine *machine);

static inline int machine_distance(const struct machine *machine, int from, int to)
{
    return machine->distances[from * machine->node_count + to];
}

// The index of the unit that the kernel calls `os`; -1: there is none.
int machine_find(const struct machine *machine, int os);

// How many units this process may use, and the cores that they are on.
int machine_usable(const struct machine *machine, int *cores);

#endif
