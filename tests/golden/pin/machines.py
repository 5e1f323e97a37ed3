#!/usr/bin/env python3
"""machines.py FOLDER: topologies of machines that nobody here has, as hwloc's XML.

Each is written as `weir pin --record` or lstopo would have recorded it there: the structure, distances and kinds of
cores of real models (the comment beside each says which), without what placement does not look at.
"""
import os
import sys


def bitmap(bits):
    """hwloc's text of a bitmap: words of 32 bits, the highest first."""
    value = sum(1 << bit for bit in set(bits))
    words = []
    while value or not words:
        words.append(value & 0xffffffff)
        value >>= 32
    return ",".join(f"0x{word:08x}" for word in reversed(words))


class Machine:
    """Builds the tree; `shape` is a list of packages, each a list of nodes, each a list of L3s, each a list of L2s,
    each a list of cores, each a list of the numbers of its hardware threads."""

    def __init__(self, packages, **more):
        self.packages = packages
        self.memory = more.get("memory", {})        # node -> bytes; 16 GiB else
        self.extra_nodes = more.get("extra_nodes", {})  # package -> [(os number, bytes, subtype)]
        self.distances = more.get("distances")
        self.kinds = more.get("kinds", [])          # (threads, {info: value}) from the slowest on
        self.infos = more.get("infos", {})
        self.allowed = more.get("allowed")
        self.has_l3 = more.get("has_l3", True)
        self.devices = more.get("devices", {})      # package -> [(name, osdev_type)]
        self.serial = 1
        self.node_os = 0

    def object(self, what, cpus, nodes, inner="", **attributes):
        self.serial += 1
        text = "".join(f' {name}="{value}"' for name, value in attributes.items())
        cpuset, nodeset = bitmap(cpus), bitmap(nodes)
        return (f'<object type="{what}" cpuset="{cpuset}" complete_cpuset="{cpuset}" nodeset="{nodeset}" '
                f'complete_nodeset="{nodeset}" gp_index="{self.serial}"{text}>\n{inner}</object>\n')

    def core(self, threads, nodes, number):
        inner = "".join(self.object("PU", [cpu], nodes, os_index=cpu) for cpu in threads)
        return self.object("Core", threads, nodes, inner, os_index=number)

    def cache(self, level, size, cpus, nodes, inner):
        return self.object(f"L{level}Cache", cpus, nodes, inner, cache_size=size, depth=level, cache_linesize=64,
                           cache_associativity=0, cache_type=0)

    def l3(self, l2s, nodes):
        inner = ""
        for l2 in l2s:
            cores = "".join(self.core(threads, nodes, threads[0]) for threads in l2)
            inner += self.cache(2, 2 << 20, flat(l2), nodes, cores)
        return self.cache(3, 32 << 20, flat(l2s), nodes, inner) if self.has_l3 else inner

    def numa(self, number, cpus, size, subtype=None):
        more = {"subtype": subtype} if subtype else {}
        return self.object("NUMANode", cpus, [number], os_index=number, local_memory=size, **more)

    def io(self, package):
        text = ""
        for i, (name, kind) in enumerate(self.devices.get(package, [])):
            self.serial += 3
            bus = f"0000:{16 * package + i + 1:02x}"
            text += (f'<object type="Bridge" gp_index="{self.serial - 2}" bridge_type="0-1" depth="0" '
                     f'bridge_pci="{bus.split(":")[0]}:[{bus.split(":")[1]}-{bus.split(":")[1]}]">\n'
                     f'<object type="PCIDev" gp_index="{self.serial - 1}" pci_busid="{bus}:00.0" '
                     f'pci_type="0108 [144d:a808] [144d:a801] 00" pci_link_speed="3.9">\n'
                     f'<object type="OSDev" gp_index="{self.serial}" name="{name}" osdev_type="{kind}"/>\n'
                     '</object>\n</object>\n')
        return text

    def package(self, number, nodes):
        own = range(self.node_os, self.node_os + len(nodes))
        extra = self.extra_nodes.get(number, [])
        all_nodes = list(own) + [node for node, _, _ in extra]
        cpus, inner = flat(nodes), ""
        if len(nodes) == 1:
            inner = self.numa(own[0], cpus, self.memory.get(own[0], 16 << 30))
            inner += "".join(self.numa(node, cpus, size, subtype) for node, size, subtype in extra)
            inner += "".join(self.l3(l3, all_nodes) for l3 in nodes[0])
        else:
            for node, l3s in zip(own, nodes):
                part = self.numa(node, flat(l3s), self.memory.get(node, 16 << 30))
                part += "".join(self.l3(l3, [node]) for l3 in l3s)
                inner += self.object("Group", flat(l3s), [node], part, kind=0, subkind=0)
        inner += self.io(number)
        self.node_os += len(nodes)
        return self.object("Package", cpus, all_nodes, inner, os_index=number)

    def xml(self):
        cpus = flat(self.packages)
        inner = "".join(self.package(i, nodes) for i, nodes in enumerate(self.packages))
        nodes = list(range(self.node_os)) + [n for extra in self.extra_nodes.values() for n, _, _ in extra]
        infos = "".join(f'<info name="{name}" value="{value}"/>\n' for name, value in self.infos.items())
        cpuset, nodeset = bitmap(cpus), bitmap(nodes)
        allowed = bitmap(self.allowed) if self.allowed else cpuset
        text = ('<?xml version="1.0" encoding="UTF-8"?>\n<!DOCTYPE topology SYSTEM "hwloc2.dtd">\n'
                f'<topology version="2.0">\n<object type="Machine" os_index="0" cpuset="{cpuset}" '
                f'complete_cpuset="{cpuset}" allowed_cpuset="{allowed}" nodeset="{nodeset}" '
                f'complete_nodeset="{nodeset}" allowed_nodeset="{nodeset}" gp_index="1">\n{infos}{inner}</object>\n')
        if self.distances:
            count = len(self.distances)
            indexes = "".join(f"{i} " for i in range(count))
            values = "".join(f"{value} " for row in self.distances for value in row)
            text += (f'<distances2 type="NUMANode" nbobjs="{count}" kind="5" name="NUMALatency" indexing="os">\n'
                     f'<indexes length="{len(indexes)}">{indexes}</indexes>\n'
                     f'<u64values length="{len(values)}">{values}</u64values>\n</distances2>\n')
        for rank, (threads, infos) in enumerate(self.kinds):
            inner = "".join(f'<info name="{name}" value="{value}"/>\n' for name, value in infos.items())
            text += f'<cpukind cpuset="{bitmap(threads)}" forced_efficiency="{rank}">\n{inner}</cpukind>\n'
        return text + "</topology>\n"


def flat(tree):
    return [tree] if isinstance(tree, int) else [leaf for part in tree for leaf in flat(part)]


def even(packages, nodes, l3s, cores, threads=1):
    """Equal parts; threads are numbered as Linux does: all first threads, then all second ones."""
    total = packages * nodes * l3s * cores
    count = iter(range(total))
    return [[[[[[core + thread * total for thread in range(threads)]] for core in [next(count) for _ in range(cores)]]
              for _ in range(l3s)] for _ in range(nodes)] for _ in range(packages)]


def slit(count, far):
    """far(a, b) of two different nodes."""
    return [[10 if a == b else far(a, b) for b in range(count)] for a in range(count)]


def laptop():
    """Core i7-1270P-like: four P-cores with two threads, two clusters of four E-cores, one L3."""
    performance = [[[2 * i, 2 * i + 1]] for i in range(4)]
    efficient = [[[8 + 4 * i + k] for k in range(4)] for i in range(2)]
    return Machine([[[performance + efficient]]],
                   kinds=[(range(8, 16), {"CoreType": "IntelAtom", "FrequencyMaxMHz": 3500}),
                          (range(8), {"CoreType": "IntelCore", "FrequencyMaxMHz": 4800})],
                   infos={"WeirGovernor": "0-15", "WeirIrqsPerSecond": "0:240,8:900"})


def hops(a, b):
    """Eight sockets with three links each: neighbours at 21, the others at 31."""
    return 21 if a ^ b in (1, 2, 4) else 31


MACHINES = {
    # EPYC 7763 x 2, four nodes a socket (NPS4)
    "epyc-nps4": Machine(even(2, 4, 2, 8, 2), distances=slit(8, lambda a, b: 12 if a // 4 == b // 4 else 32)),
    # Xeon Platinum 8490H x 8, glueless
    "xeon-8s": Machine(even(8, 1, 1, 60, 2), distances=slit(8, hops)),
    # Ampere Altra Q80-30 x 2: no L3 that is shown, no SMT
    "ampere-2s": Machine(even(2, 1, 1, 80), has_l3=False, distances=slit(2, lambda a, b: 20)),
    "laptop-pe": laptop(),
    # a container with three cores of a Ryzen with two L3s
    "cgroup-3": Machine(even(1, 1, 2, 8, 2), allowed=[5, 6, 12]),
    # isolcpus=4-15 nohz_full=4-15, network interrupts on core 1
    "isolcpus": Machine(even(1, 1, 2, 8), infos={"WeirIsolated": "4-15", "WeirNohzFull": "4-15",
                                                "WeirIrqs": "1:24", "WeirIrqsPerSecond": "0:120,1:18000"}),
    # a socket whose DIMMs are missing
    "memoryless": Machine(even(2, 1, 1, 8, 2), memory={1: 0}, distances=slit(2, lambda a, b: 21)),
    # Xeon Max 9480 x 2, flat mode: HBM is a node of its own beside DRAM
    "hbm": Machine(even(2, 1, 1, 28, 2), extra_nodes={0: [(2, 64 << 30, "HBM")], 1: [(3, 64 << 30, "HBM")]},
                   distances=slit(4, lambda a, b: 13 if a % 2 == b % 2 else 21 if a + b < 5 else 23)),
    # EPYC 9654 with a CXL expander: a node without cores, far away
    "cxl": Machine(even(1, 1, 12, 8, 2), extra_nodes={0: [(1, 256 << 30, "CXL")]},
                   distances=slit(2, lambda a, b: 50)),
    # four sockets in a ring, not all as far from each other; disks at the last, network at the second
    "asymmetric": Machine(even(4, 1, 1, 6), distances=[[10, 16, 16, 22], [16, 10, 22, 16],
                                                       [16, 22, 10, 16], [22, 16, 16, 10]],
                          devices={1: [("eth0", 2)], 3: [("nvme0n1", 0)]}),
}


def main():
    for name, machine in MACHINES.items():
        with open(os.path.join(sys.argv[1], name + ".xml"), "w", encoding="utf-8") as out:
            out.write(machine.xml())


if __name__ == "__main__":
    main()
