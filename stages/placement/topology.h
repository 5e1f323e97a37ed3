// topology.h: reading a machine: this host, a recorded file or a synthetic description.
//
// hwloc does the reading and nothing of it is seen outside. What hwloc does not know of a host
// (isolated cores, frequency governors, interrupts) is read from /sys and /proc, and kept in a
// recorded file as infos of the machine, so that a placement can be made anywhere.
#ifndef WEIR_STAGES_PLACEMENT_TOPOLOGY_H
#define WEIR_STAGES_PLACEMENT_TOPOLOGY_H

#include "core/base/err.h"
#include "stages/placement/machine.h"

// `from` NULL: this host. A path of an XML file (`weir pin --record`, lstopo), or a description as
// lstopo takes it: "pack:2 numa:1 l3:4 core:8 pu:2". *out is freed with machine_free. -EINVAL:
// it is damaged, or describes no machine; -ENOENT and the like: the file cannot be read.
int topology_read(const char *from, struct machine **out, struct err *err);

// Write this host to an XML file (which hwloc's own tools read too); it replaces one that is there.
int topology_record(const char *path, struct err *err);

// The node of the device that the file is on, of this host; -1: not known. `device` (32 bytes) is
// its name, or empty.
int topology_device_of(const struct machine *machine, const char *path, char *device);

#endif
