// topology_internal.h: between the reader of topologies and the reader of /sys and /proc.
#ifndef WEIR_STAGES_PLACEMENT_TOPOLOGY_INTERNAL_H
#define WEIR_STAGES_PLACEMENT_TOPOLOGY_INTERNAL_H

#include <hwloc.h>

#include "stages/placement/machine.h"

// What hwloc does not know of a host, a number for each core, indexed as the kernel counts.
struct topology_extra {
    bool isolated[MACHINE_PUS_MAX], nohz_full[MACHINE_PUS_MAX];
    bool has_governor[MACHINE_PUS_MAX], performance[MACHINE_PUS_MAX];
    int irqs[MACHINE_PUS_MAX];
    int64_t irqs_per_s[MACHINE_PUS_MAX];
};

// Of this host, as far as it can be read.
void topology_read_extra(struct topology_extra *out);

// To and from infos of the machine (the root object) of a topology.
void topology_put_extra(hwloc_topology_t topology, const struct topology_extra *extra);
void topology_get_extra(hwloc_topology_t topology, struct topology_extra *out);

#endif
