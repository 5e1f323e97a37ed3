// topology_extra.c: what hwloc does not know of a host: isolated cores, governors, interrupts.
//
// What cannot be read is taken not to be there: a container often hides /proc/interrupts.
#include <ctype.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "stages/placement/topology_internal.h"

#define CPU_SYS "/sys/devices/system/cpu"

// --- lists of cores ---

// "0-3,8" into flags; stops at what is no list.
static void read_list(const char *text, bool *flags)
{
    while (isdigit((unsigned char)*text)) {
        char *end;
        long first = strtol(text, &end, 10);
        long last = *end == '-' ? strtol(end + 1, &end, 10) : first;
        for (long i = first; i <= last && i < MACHINE_PUS_MAX; i++)
            flags[i] = true;
        if (*end != ',')
            return;
        text = end + 1;
    }
}

static bool read_line(const char *path, char *text, int bytes)
{
    FILE *file = fopen(path, "re");
    bool is_read = file && fgets(text, bytes, file);
    if (file)
        fclose(file);
    if (is_read)
        text[strcspn(text, "\n")] = '\0';
    return is_read;
}

static void read_list_file(const char *path, bool *flags)
{
    char text[4096];
    if (read_line(path, text, sizeof text))
        read_list(text, flags);
}

static void read_governors(struct topology_extra *out)
{
    for (int i = 0; i < MACHINE_PUS_MAX; i++) {
        char path[128], text[64];
        snprintf(path, sizeof path, CPU_SYS "/cpu%d/cpufreq/scaling_governor", i);
        out->has_governor[i] = read_line(path, text, sizeof text);
        out->performance[i] = out->has_governor[i] && strcmp(text, "performance") == 0;
    }
}

// --- interrupts ---

// Those whose affinity, as the hardware took it, names a core.
static void read_affinities(struct topology_extra *out)
{
    DIR *folder = opendir("/proc/irq");
    struct dirent *entry;
    while (folder && (entry = readdir(folder))) {
        char path[320];
        bool cores[MACHINE_PUS_MAX] = {false};
        if (!isdigit((unsigned char)entry->d_name[0]))
            continue;
        snprintf(path, sizeof path, "/proc/irq/%s/effective_affinity_list", entry->d_name);
        read_list_file(path, cores);
        for (int i = 0; i < MACHINE_PUS_MAX; i++)
            out->irqs[i] += cores[i];
    }
    if (folder)
        closedir(folder);
}

// The cores that the columns of /proc/interrupts stand for; returns how many.
static int read_columns(const char *line, int *cores)
{
    int count = 0;
    for (const char *p = line; (p = strstr(p, "CPU")) && count < MACHINE_PUS_MAX; p += 3) {
        long core = strtol(p + 3, NULL, 10);
        cores[count++] = core >= 0 && core < MACHINE_PUS_MAX ? (int)core : 0;
    }
    return count;
}

// Numbered lines only: devices. Timers and calls between cores have names, and go where tasks are.
static void count_line(const char *line, const int *cores, int columns, struct topology_extra *out)
{
    char *p;
    strtol(line, &p, 10);
    if (p == line || *p != ':')
        return;
    p++;
    for (int c = 0; c < columns; c++) {
        char *end;
        long long number = strtoll(p, &end, 10);
        if (end == p)
            return;
        out->irqs_per_s[cores[c]] += number;
        p = end;
    }
}

static void read_interrupts(struct topology_extra *out)
{
    FILE *file = fopen("/proc/interrupts", "re");
    char *line = NULL, uptime[64];
    size_t room = 0;
    int *cores = calloc(MACHINE_PUS_MAX, sizeof(int)), columns = 0;
    if (cores && file && getline(&line, &room, file) > 0)
        columns = read_columns(line, cores);
    while (columns && getline(&line, &room, file) > 0)
        count_line(line, cores, columns, out);
    double seconds = read_line("/proc/uptime", uptime, sizeof uptime) ? strtod(uptime, NULL) : 1;
    for (int i = 0; i < MACHINE_PUS_MAX; i++)
        out->irqs_per_s[i] /= seconds < 1 ? 1 : (int64_t)seconds;
    free(cores);
    free(line);
    if (file)
        fclose(file);
}

void topology_read_extra(struct topology_extra *out)
{
    memset(out, 0, sizeof *out);
    read_list_file(CPU_SYS "/isolated", out->isolated);
    read_list_file(CPU_SYS "/nohz_full", out->nohz_full);
    read_governors(out);
    read_affinities(out);
    read_interrupts(out);
}

// --- infos of a recorded file ---

static void put_flags(hwloc_obj_t root, const char *name, const bool *flags)
{
    struct buf text = {.data = NULL};
    for (int i = 0; i < MACHINE_PUS_MAX; i++)
        if (flags[i])
            buf_printf(&text, "%s%d", text.len ? "," : "", i);
    if (text.len)
        hwloc_obj_add_info(root, name, buf_str(&text));
    buf_fini(&text);
}

// "0:12,3:4": of core 0 twelve.
static void put_numbers(hwloc_obj_t root, const char *name, const int64_t *numbers)
{
    struct buf text = {.data = NULL};
    for (int i = 0; i < MACHINE_PUS_MAX; i++)
        if (numbers[i])
            buf_printf(&text, "%s%d:%lld", text.len ? "," : "", i, (long long)numbers[i]);
    if (text.len)
        hwloc_obj_add_info(root, name, buf_str(&text));
    buf_fini(&text);
}

void topology_put_extra(hwloc_topology_t topology, const struct topology_extra *extra)
{
    hwloc_obj_t root = hwloc_get_root_obj(topology);
    int64_t irqs[MACHINE_PUS_MAX];
    for (int i = 0; i < MACHINE_PUS_MAX; i++)
        irqs[i] = extra->irqs[i];
    put_flags(root, "WeirIsolated", extra->isolated);
    put_flags(root, "WeirNohzFull", extra->nohz_full);
    put_flags(root, "WeirGovernor", extra->has_governor);
    put_flags(root, "WeirPerformance", extra->performance);
    put_numbers(root, "WeirIrqs", irqs);
    put_numbers(root, "WeirIrqsPerSecond", extra->irqs_per_s);
}

static void get_flags(hwloc_obj_t root, const char *name, bool *flags)
{
    const char *text = hwloc_obj_get_info_by_name(root, name);
    if (text)
        read_list(text, flags);
}

static void get_numbers(hwloc_obj_t root, const char *name, int64_t *numbers)
{
    const char *text = hwloc_obj_get_info_by_name(root, name);
    while (text && isdigit((unsigned char)*text)) {
        char *end;
        long core = strtol(text, &end, 10);
        if (*end != ':')
            return;
        long long number = strtoll(end + 1, &end, 10);
        if (core < MACHINE_PUS_MAX && number > 0 && number < INT64_C(1000000000))
            numbers[core] = number;
        text = *end == ',' ? end + 1 : NULL;
    }
}

void topology_get_extra(hwloc_topology_t topology, struct topology_extra *out)
{
    hwloc_obj_t root = hwloc_get_root_obj(topology);
    int64_t irqs[MACHINE_PUS_MAX] = {0};
    memset(out, 0, sizeof *out);
    get_flags(root, "WeirIsolated", out->isolated);
    get_flags(root, "WeirNohzFull", out->nohz_full);
    get_flags(root, "WeirGovernor", out->has_governor);
    get_flags(root, "WeirPerformance", out->performance);
    get_numbers(root, "WeirIrqs", irqs);
    get_numbers(root, "WeirIrqsPerSecond", out->irqs_per_s);
    for (int i = 0; i < MACHINE_PUS_MAX; i++)
        out->irqs[i] = (int)irqs[i];
}
