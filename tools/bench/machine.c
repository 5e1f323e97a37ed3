// machine.c: facts of the host that a figure means nothing without, from /proc and /sys.
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/utsname.h>
#include <unistd.h>

#include "tools/bench/bench.h"

// The first line of a file, without its end. false: there is none.
static bool first_line(const char *path, char *out, size_t bytes)
{
    FILE *file = fopen(path, "re");
    bool is_read = file && fgets(out, (int)bytes, file);
    if (file)
        fclose(file);
    if (is_read)
        out[strcspn(out, "\n")] = '\0';
    return is_read && *out;
}

// "model name : AMD EPYC" of the first processor.
static void cpu_name(char *out, size_t bytes, bool *is_virtual)
{
    char line[4096];
    FILE *file = fopen("/proc/cpuinfo", "re");
    snprintf(out, bytes, "unknown");
    *is_virtual = false;
    while (file && fgets(line, sizeof line, file) && *line != '\n') {
        const char *value = strchr(line, ':');
        line[strcspn(line, "\n")] = '\0';
        if (value && strncmp(line, "model name", 10) == 0)
            snprintf(out, bytes, "%s", value + 2);
        *is_virtual |= strncmp(line, "flags", 5) == 0 && strstr(line, " hypervisor") != NULL;
    }
    if (file)
        fclose(file);
}

int machine_cores(int cores[BENCH_CORES_MAX])
{
    cpu_set_t set;
    int count = 0;
    if (sched_getaffinity(0, sizeof set, &set) < 0)
        return 0;
    for (int i = 0; i < CPU_SETSIZE && count < BENCH_CORES_MAX; i++)
        if (CPU_ISSET((unsigned)i, &set))
            cores[count++] = i;
    return count;
}

double machine_steal_s(void)
{
    char line[512];
    double fields[8];
    if (!first_line("/proc/stat", line, sizeof line) ||
        sscanf(line, "cpu %lf %lf %lf %lf %lf %lf %lf %lf", &fields[0], &fields[1], &fields[2],
               &fields[3], &fields[4], &fields[5], &fields[6], &fields[7]) != 8)
        return -1;
    return fields[7] / (double)sysconf(_SC_CLK_TCK);
}

static bool of_core(int core, const char *name, char *out, size_t bytes)
{
    char path[160];
    snprintf(path, sizeof path, "/sys/devices/system/cpu/cpu%d/%s", core, name);
    return first_line(path, out, bytes);
}

const char *machine_relation(int a, int b)
{
    static const struct {
        const char *file, *name;
    } levels[] = {{"topology/core_cpus_list", "SMT siblings"},
                  {"topology/thread_siblings_list", "SMT siblings"},
                  {"cache/index3/shared_cpu_list", "one L3"},
                  {"topology/package_cpus_list", "one package, two L3"}};
    char of_a[512], of_b[512];
    if (a == b)
        return "one core";
    for (size_t i = 0; i < sizeof levels / sizeof levels[0]; i++)
        if (of_core(a, levels[i].file, of_a, sizeof of_a) &&
            of_core(b, levels[i].file, of_b, sizeof of_b) && strcmp(of_a, of_b) == 0)
            return levels[i].name;
    return "two packages";
}

static void describe_memory(struct report *report)
{
    char line[256], text[320], pages[128];
    if (!first_line("/proc/meminfo", line, sizeof line))
        return;
    double gib = strtod(line + strcspn(line, "0123456789"), NULL) / 1048576;
    if (!first_line("/sys/kernel/mm/transparent_hugepage/shmem_enabled", pages, sizeof pages))
        snprintf(pages, sizeof pages, "unknown");
    snprintf(text, sizeof text, "%.1f GiB; huge pages in shared memory: %s", gib, pages);
    report_fact(report, "memory", text);
}

static void describe_cores(struct report *report, const struct bench_options *options)
{
    char text[512];
    size_t used = 0;
    for (int i = 0; i < options->core_count && used < sizeof text - 16; i++)
        used += (size_t)snprintf(text + used, sizeof text - used, "%s%d", i ? "," : "",
                                 options->cores[i]);
    if (options->core_count >= 2)
        snprintf(text + used, sizeof text - used, " (the kernel says: %s)",
                 machine_relation(options->cores[0], options->cores[1]));
    report_fact(report, "cores", text);
}

void machine_describe(struct report *report, const struct bench_options *options)
{
    char name[256], text[512], word[128];
    bool is_virtual;
    struct utsname kernel;
    cpu_name(name, sizeof name, &is_virtual);
    snprintf(text, sizeof text, "%s, %ld cores%s", name, sysconf(_SC_NPROCESSORS_ONLN),
             is_virtual ? ", a virtual machine" : "");
    report_fact(report, "cpu", text);
    if (uname(&kernel) == 0) {
        snprintf(text, sizeof text, "%s %s %s", kernel.sysname, kernel.release, kernel.machine);
        report_fact(report, "kernel", text);
    }
    describe_memory(report);
    describe_cores(report, options);
    if (!of_core(options->cores[0], "cpufreq/scaling_governor", word, sizeof word))
        snprintf(word, sizeof word, "not told");
    snprintf(text, sizeof text, "%s", word);
    report_fact(report, "governor", text);
    if (first_line("/sys/devices/system/clocksource/clocksource0/current_clocksource", word,
                   sizeof word))
        report_fact(report, "clock", word);
    if (first_line("/sys/devices/system/cpu/isolated", word, sizeof word))
        report_fact(report, "isolated", word);
    if (first_line("/proc/loadavg", word, sizeof word)) {
        word[strcspn(word, " ")] = '\0';
        snprintf(text, sizeof text, "%s before", word);
        report_fact(report, "load", text);
    }
}
