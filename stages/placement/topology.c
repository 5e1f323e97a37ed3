// topology.c: from hwloc to plain arrays.
#include "stages/placement/topology.h"

#include <errno.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/placement/topology_internal.h"

enum { FILE_BYTES_MAX = 64 << 20, FREQUENCY_PERCENT = 85 };

// --- loading ---

static bool is_xml(const char *from)
{
    const char *dot = strrchr(from, '.');
    return strchr(from, '/') || (dot && strcmp(dot, ".xml") == 0) || access(from, F_OK) == 0;
}

static int check_file(const char *path, struct err *err)
{
    struct stat st;
    FILE *file = fopen(path, "re"); // hwloc says no more than "invalid"
    if (!file)
        return err_set(err, -errno, "%s: cannot be read: %s", path, strerror(errno));
    int rc = fstat(fileno(file), &st) < 0 ? -errno : 0;
    fclose(file);
    if (rc == 0 && (!S_ISREG(st.st_mode) || st.st_size > FILE_BYTES_MAX))
        rc = -EINVAL;
    return rc ? err_set(err, rc, "%s: is not a topology file", path) : 0;
}

static int set_source(hwloc_topology_t topology, const char *from, struct err *err)
{
    if (!from)
        return 0;
    if (!is_xml(from)) {
        char whole[1024]; // what is left out last is one thread a core
        snprintf(whole, sizeof whole, "%s pu:1", from);
        if (hwloc_topology_set_synthetic(topology, from) == 0 ||
            hwloc_topology_set_synthetic(topology, whole) == 0)
            return 0;
        return err_set(err, -EINVAL,
                       "'%s' is neither a topology file nor a description of one; write it as in "
                       "\"pack:2 numa:1 l3:4 core:8 pu:2\"",
                       from);
    }
    int rc = check_file(from, err);
    if (rc < 0)
        return rc;
    if (hwloc_topology_set_xml(topology, from) == 0)
        return 0;
    return err_set(err, -EINVAL,
                   "%s: this is not the XML of hwloc; `weir pin --record FILE` and `lstopo "
                   "FILE.xml` write it",
                   from);
}

// hwloc writes to stderr what it thinks of a damaged file; ours is the one word on it.
static int load_quietly(hwloc_topology_t topology)
{
    setenv("HWLOC_HIDE_ERRORS", "2", 0);
    return hwloc_topology_load(topology);
}

enum { PROBE_S = 5 }; // some damaged files make it loop

static int load_here(const char *from, hwloc_topology_t *out, struct err *err);

// hwloc 2.9 ends by SIGSEGV on some damaged files (a mutation of a sound one finds it in a minute):
// a child reads the file first, and this process only what that survived.
static int probe(const char *path, struct err *err)
{
    int status = 0;
    pid_t child = fork();
    if (child < 0)
        return err_set(err, -errno, "%s: cannot be tried: %s", path, strerror(errno));
    if (child == 0) {
        const struct rlimit none = {0, 0};
        hwloc_topology_t topology;
        setrlimit(RLIMIT_CORE, &none);
        alarm(PROBE_S);
        _exit(load_here(path, &topology, NULL) < 0);
    }
    while (waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    if (!WIFSIGNALED(status))
        return 0; // what is wrong with it, if anything, is said by who reads it
    return err_set(err, -EINVAL, "%s: the topology is damaged: hwloc cannot read it (signal %d)",
                   path, WTERMSIG(status));
}

static int load(const char *from, hwloc_topology_t *out, struct err *err)
{
    int rc = from && is_xml(from) ? check_file(from, err) : 0;
    if (rc == 0 && from && is_xml(from))
        rc = probe(from, err);
    return rc < 0 ? rc : load_here(from, out, err);
}

static int load_here(const char *from, hwloc_topology_t *out, struct err *err)
{
    hwloc_topology_t topology;
    if (hwloc_topology_init(&topology) < 0)
        return err_set(err, -ENOMEM, "hwloc cannot be initialised: %s", strerror(errno));
    int rc = set_source(topology, from, err);
    if (rc < 0)
        goto err_after_init;
    hwloc_topology_set_flags(topology, HWLOC_TOPOLOGY_FLAG_INCLUDE_DISALLOWED);
    hwloc_topology_set_io_types_filter(topology, HWLOC_TYPE_FILTER_KEEP_IMPORTANT);
    if (load_quietly(topology) < 0) {
        rc = err_set(err, -EINVAL, "%s: the topology is damaged, or cannot be read",
                     from ? from : "this host");
        goto err_after_init;
    }
    *out = topology;
    return 0;
err_after_init:
    hwloc_topology_destroy(topology);
    return rc;
}

// --- units ---

// What the units of one kind of part are numbered by: parts in the order that they are met.
struct numbering {
    uint64_t last; // hwloc's number of the one met last
    int count;
};

static int number(struct numbering *numbering, hwloc_obj_t object)
{
    uint64_t own = object->gp_index + 1;
    if (numbering->last != own)
        numbering->count++;
    numbering->last = own;
    return numbering->count - 1;
}

static hwloc_obj_t ancestor(hwloc_topology_t topology, hwloc_obj_t pu, hwloc_obj_type_t type)
{
    return hwloc_get_ancestor_obj_by_type(topology, type, pu);
}

// The node that the kernel counts a unit to: the lowest of those near it that have memory.
static hwloc_obj_t node_of(hwloc_topology_t topology, hwloc_obj_t pu)
{
    hwloc_obj_t best = NULL, node = NULL;
    while ((node = hwloc_get_next_obj_by_type(topology, HWLOC_OBJ_NUMANODE, node))) {
        if (!hwloc_bitmap_isset(node->cpuset, pu->os_index))
            continue;
        bool has_more =
            best && !best->attr->numanode.local_memory && node->attr->numanode.local_memory;
        bool is_lower = best && node->os_index < best->os_index &&
                        (node->attr->numanode.local_memory || !best->attr->numanode.local_memory);
        if (!best || has_more || is_lower)
            best = node;
    }
    return best ? best : hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, 0);
}

static void read_unit(hwloc_topology_t topology, hwloc_obj_t pu, struct numbering parts[4],
                      struct machine_pu *out)
{
    hwloc_obj_t core = ancestor(topology, pu, HWLOC_OBJ_CORE);
    hwloc_obj_t l2 = ancestor(topology, pu, HWLOC_OBJ_L2CACHE);
    hwloc_obj_t l3 = ancestor(topology, pu, HWLOC_OBJ_L3CACHE);
    hwloc_obj_t package = ancestor(topology, pu, HWLOC_OBJ_PACKAGE), node = node_of(topology, pu);
    core = core ? core : pu;
    *out = (struct machine_pu){
        .os = (int)pu->os_index,
        .core = number(&parts[0], core),
        .l2 = number(&parts[1], l2 ? l2 : core),
        .l3 = number(&parts[2], l3 ? l3 : node), // none is shown: what a node's cores share
        .node = (int)node->logical_index,
        .package = number(&parts[3], package ? package : hwloc_get_root_obj(topology)),
    };
}

static int read_units(hwloc_topology_t topology, struct machine *machine, struct err *err)
{
    int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_PU);
    if (count < 1 || count > MACHINE_PUS_MAX)
        return err_set(err, -EINVAL, "the topology has %d cores, weir can place on 1 to %d", count,
                       MACHINE_PUS_MAX);
    struct numbering parts[4] = {{0}};
    machine->pus = calloc((size_t)count, sizeof *machine->pus);
    CHECK(machine->pus);
    machine->pu_count = count;
    for (int i = 0; i < count; i++) {
        hwloc_obj_t pu = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PU, (unsigned)i);
        if (pu->os_index >= MACHINE_PUS_MAX)
            return err_set(err, -EINVAL, "the topology has a core %u, weir counts up to %d",
                           pu->os_index, MACHINE_PUS_MAX - 1);
        read_unit(topology, pu, parts, &machine->pus[i]);
    }
    machine->core_count = parts[0].count;
    machine->l2_count = parts[1].count;
    machine->l3_count = parts[2].count;
    machine->package_count = parts[3].count;
    hwloc_obj_t l3 = hwloc_get_obj_by_type(topology, HWLOC_OBJ_L3CACHE, 0);
    machine->l3_bytes = l3 ? (int64_t)l3->attr->cache.size : 0;
    return 0;
}

// --- kinds of cores ---

// A number that hwloc has of a kind; 0: it has none.
static long kind_number(const struct hwloc_info_s *infos, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0)
            return strtol(infos[i].value, NULL, 10);
    return 0;
}

static const char *kind_text(const struct hwloc_info_s *infos, unsigned count, const char *name)
{
    for (unsigned i = 0; i < count; i++)
        if (strcmp(infos[i].name, name) == 0)
            return infos[i].value;
    return "";
}

// hwloc ranks kinds also where some cores of a kind clock a little higher: only what is an E-core
// by name, or clearly slower, is one here.
static bool is_efficient(const struct hwloc_info_s *infos, unsigned count,
                         const struct hwloc_info_s *best, unsigned best_count)
{
    static const char *const numbers[] = {"LinuxCapacity", "FrequencyMaxMHz", "FrequencyBaseMHz"};
    const char *type = kind_text(infos, count, "CoreType");
    if (*type)
        return strcmp(type, "IntelAtom") == 0;
    for (size_t i = 0; i < ARRAY_SIZE(numbers); i++) {
        long own = kind_number(infos, count, numbers[i]);
        long most = kind_number(best, best_count, numbers[i]);
        if (own > 0 && most > 0)
            return own * 100 < most * FREQUENCY_PERCENT;
    }
    return true; // ranked below, and nothing says why
}

static void read_kinds(hwloc_topology_t topology, struct machine *machine)
{
    int kinds = hwloc_cpukinds_get_nr(topology, 0);
    hwloc_bitmap_t set = hwloc_bitmap_alloc();
    CHECK(set);
    struct hwloc_info_s *best = NULL, *infos = NULL;
    unsigned best_count = 0, count = 0;
    int rank = -1;
    if (kinds > 1)
        hwloc_cpukinds_get_info(topology, (unsigned)kinds - 1, set, &rank, &best_count, &best, 0);
    for (int k = 0; k < kinds - 1 && rank > 0; k++) {
        hwloc_cpukinds_get_info(topology, (unsigned)k, set, &rank, &count, &infos, 0);
        bool efficient = is_efficient(infos, count, best, best_count);
        for (int i = 0; i < machine->pu_count; i++)
            if (efficient && hwloc_bitmap_isset(set, (unsigned)machine->pus[i].os))
                machine->pus[i].is_efficient = true;
    }
    hwloc_bitmap_free(set);
}

// --- nodes ---

static void read_distances(hwloc_topology_t topology, struct machine *machine)
{
    struct hwloc_distances_s *found = NULL;
    unsigned count = 1;
    int n = machine->node_count;
    for (int i = 0; i < n; i++)
        machine->distances[i * n + i] = MACHINE_DISTANCE_LOCAL;
    if (hwloc_distances_get_by_type(topology, HWLOC_OBJ_NUMANODE, &count, &found,
                                    HWLOC_DISTANCES_KIND_MEANS_LATENCY, 0) < 0 ||
        count < 1)
        return;
    for (unsigned a = 0; a < found->nbobjs; a++)
        for (unsigned b = 0; b < found->nbobjs; b++) {
            unsigned from = found->objs[a]->logical_index, to = found->objs[b]->logical_index;
            uint64_t value = found->values[a * found->nbobjs + b];
            machine->distances[(int)from * n + (int)to] = value < 100000 ? (int)value : 100000;
        }
    hwloc_distances_release(topology, found);
}

// Where a node without memory has it from.
static void find_memory(struct machine *machine)
{
    for (int i = 0; i < machine->node_count; i++) {
        machine->nodes[i].memory = i;
        if (machine->nodes[i].bytes > 0)
            continue;
        int best = -1;
        for (int k = 0; k < machine->node_count; k++)
            if (machine->nodes[k].bytes > 0 &&
                (best < 0 || machine_distance(machine, i, k) < machine_distance(machine, i, best)))
                best = k;
        machine->nodes[i].memory = best < 0 ? i : best;
    }
}

static int read_nodes(hwloc_topology_t topology, struct machine *machine, struct err *err)
{
    int count = hwloc_get_nbobjs_by_type(topology, HWLOC_OBJ_NUMANODE);
    if (count < 1 || count > MACHINE_NODES_MAX)
        return err_set(err, -EINVAL, "the topology has %d NUMA nodes, weir knows up to %d", count,
                       MACHINE_NODES_MAX);
    machine->node_count = count;
    machine->nodes = calloc((size_t)count, sizeof *machine->nodes);
    machine->distances = calloc((size_t)count * (size_t)count, sizeof(int));
    CHECK(machine->nodes && machine->distances);
    for (int i = 0; i < count; i++) {
        hwloc_obj_t node = hwloc_get_obj_by_type(topology, HWLOC_OBJ_NUMANODE, (unsigned)i);
        machine->nodes[i] = (struct machine_node){
            .os = (int)node->os_index, .bytes = (int64_t)node->attr->numanode.local_memory};
    }
    read_distances(topology, machine);
    find_memory(machine);
    return 0;
}

// --- devices ---

static void read_devices(hwloc_topology_t topology, struct machine *machine)
{
    int count = 0;
    hwloc_obj_t device = NULL;
    while ((device = hwloc_get_next_osdev(topology, device)))
        count++;
    machine->devices = calloc((size_t)count + 1, sizeof *machine->devices);
    CHECK(machine->devices);
    while ((device = hwloc_get_next_osdev(topology, device))) {
        hwloc_obj_t near = hwloc_get_non_io_ancestor_obj(topology, device);
        int unit =
            near && near->cpuset ? machine_find(machine, hwloc_bitmap_first(near->cpuset)) : -1;
        // Beside all nodes it is near none.
        bool is_local = unit >= 0 && hwloc_bitmap_weight(near->nodeset) == 1;
        if (!device->name || !is_local)
            continue;
        struct machine_device *out = &machine->devices[machine->device_count++];
        snprintf(out->name, sizeof out->name, "%s", device->name);
        out->node = machine->pus[unit].node;
    }
}

// The disk that a partition is on: its folder in /sys holds that of the partition.
static void find_disk(const char *path, char *name)
{
    struct stat st;
    char link[64], where[4096];
    *name = '\0';
    if (stat(path, &st) < 0)
        return;
    dev_t device = st.st_dev;
    snprintf(link, sizeof link, "/sys/dev/block/%u:%u", major(device), minor(device));
    ssize_t bytes = readlink(link, where, sizeof where - 1);
    if (bytes <= 0)
        return;
    where[bytes] = '\0';
    const char *begin = strstr(where, "/block/");
    if (begin)
        snprintf(name, 32, "%.*s", (int)strcspn(begin + 7, "/"), begin + 7);
}

int topology_device_of(const struct machine *machine, const char *path, char *device)
{
    *device = '\0';
    if (!machine->is_this_host)
        return -1;
    find_disk(path, device);
    for (int i = 0; i < machine->device_count; i++)
        if (strcmp(machine->devices[i].name, device) == 0)
            return machine->devices[i].node;
    return -1;
}

// --- what may be used ---

static void read_allowed(hwloc_topology_t topology, struct machine *machine)
{
    hwloc_const_bitmap_t group = hwloc_topology_get_allowed_cpuset(topology);
    cpu_set_t own;
    bool has_own = machine->is_this_host && sched_getaffinity(0, sizeof own, &own) == 0;
    bool is_restricted = false; // beyond the control group and isolated cores: by taskset, say
    for (int i = 0; i < machine->pu_count; i++) {
        struct machine_pu *pu = &machine->pus[i];
        pu->is_allowed = hwloc_bitmap_isset(group, (unsigned)pu->os);
        bool in_own = !has_own || (pu->os < CPU_SETSIZE && CPU_ISSET((unsigned)pu->os, &own));
        is_restricted |= pu->is_allowed && !in_own && !pu->is_isolated;
    }
    // Isolated cores are in nobody's affinity: that is how they are isolated. They may be asked
    // for.
    for (int i = 0; i < machine->pu_count && has_own; i++) {
        struct machine_pu *pu = &machine->pus[i];
        bool in_own = pu->os < CPU_SETSIZE && CPU_ISSET((unsigned)pu->os, &own);
        pu->is_allowed &= in_own || (pu->is_isolated && !is_restricted);
    }
}

static void take_extra(struct machine *machine, const struct topology_extra *extra)
{
    for (int i = 0; i < machine->pu_count; i++) {
        struct machine_pu *pu = &machine->pus[i];
        pu->is_isolated = extra->isolated[pu->os];
        pu->is_nohz_full = extra->nohz_full[pu->os];
        pu->has_governor = extra->has_governor[pu->os];
        pu->is_performance = extra->performance[pu->os];
        pu->irqs = extra->irqs[pu->os];
        pu->irqs_per_s = extra->irqs_per_s[pu->os];
    }
}

static void name_machine(hwloc_topology_t topology, const char *from, struct machine *machine)
{
    hwloc_obj_t package = hwloc_get_obj_by_type(topology, HWLOC_OBJ_PACKAGE, 0);
    const char *model = package ? hwloc_obj_get_info_by_name(package, "CPUModel") : NULL;
    const char *slash = from ? strrchr(from, '/') : NULL;
    snprintf(machine->name, sizeof machine->name, "%.60s%s%.60s%s",
             from ? (slash ? slash + 1 : from) : "this host", model ? " (" : "", model ? model : "",
             model ? ")" : "");
}

static int read_machine(hwloc_topology_t topology, struct machine *machine, struct err *err)
{
    int rc = read_units(topology, machine, err);
    if (rc == 0)
        rc = read_nodes(topology, machine, err);
    if (rc < 0)
        return rc;
    struct topology_extra *extra = calloc(1, sizeof *extra);
    CHECK(extra);
    if (machine->is_this_host)
        topology_read_extra(extra);
    else
        topology_get_extra(topology, extra);
    take_extra(machine, extra);
    free(extra);
    read_kinds(topology, machine);
    read_devices(topology, machine);
    read_allowed(topology, machine);
    return 0;
}

int topology_read(const char *from, struct machine **out, struct err *err)
{
    hwloc_topology_t topology;
    int rc = load(from, &topology, err);
    if (rc < 0)
        return rc;
    struct machine *machine = calloc(1, sizeof *machine);
    CHECK(machine);
    machine->is_this_host = hwloc_topology_is_thissystem(topology);
    name_machine(topology, from, machine);
    rc = read_machine(topology, machine, err);
    hwloc_topology_destroy(topology);
    if (rc < 0) {
        machine_free(machine);
        return err_prefix(err, rc, "%s", from ? from : "this host");
    }
    *out = machine;
    return 0;
}

int topology_record(const char *path, struct err *err)
{
    hwloc_topology_t topology;
    int rc = load(NULL, &topology, err);
    if (rc < 0)
        return rc;
    struct topology_extra *extra = calloc(1, sizeof *extra);
    CHECK(extra);
    topology_read_extra(extra);
    topology_put_extra(topology, extra);
    free(extra);
    if (hwloc_topology_export_xml(topology, path, 0) < 0)
        rc =
            err_set(err, errno ? -errno : -EIO, "%s: cannot be written: %s", path, strerror(errno));
    hwloc_topology_destroy(topology);
    return rc;
}
