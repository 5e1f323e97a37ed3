// doctor_cores.c: how fast the cores run, how deeply they sleep, and who else uses them.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tools/doctor_host.h"

enum { EXIT_SLOW_US = 20, IRQ_MANY = 2000 };

#define CPU "/sys/devices/system/cpu/"

// --- frequency ---

struct governors {
    char other[32]; // one that is not "performance"
    int count, slow;
};

static void take_governor(const char *path, const char *text, void *context)
{
    struct governors *g = context;
    (void)path;
    g->count++;
    if (strcmp(text, "performance") == 0)
        return;
    g->slow++;
    snprintf(g->other, sizeof g->other, "%s", text);
}

static void say_governor(const struct host *host)
{
    struct governors g = {.count = 0};
    char text[128];
    doctor_visit(host, CPU "cpu[0-9]*/cpufreq/scaling_governor", take_governor, &g);
    if (g.count == 0) {
        doctor_say(host->doctor, DOCTOR_OK, "frequency",
                   "no governor is to be seen here (a virtual machine, or fixed)", NULL);
    } else if (g.slow == 0) {
        snprintf(text, sizeof text, "governor performance on all %d cores", g.count);
        doctor_say(host->doctor, DOCTOR_OK, "frequency", text, NULL);
    } else {
        snprintf(text, sizeof text, "governor %s on %d of %d cores", g.other, g.slow, g.count);
        doctor_say(host->doctor, DOCTOR_WARN, "frequency", text,
                   "a core that has rested begins slowly: cpupower frequency-set -g performance");
    }
}

// Information: fast alone, or even together, is the operator's choice.
static void say_boost(const struct host *host)
{
    int64_t on = -1, off;
    if (!doctor_read_number(host, CPU "cpufreq/boost", &on) &&
        doctor_read_number(host, CPU "intel_pstate/no_turbo", &off))
        on = !off;
    if (on >= 0)
        doctor_say(host->doctor, DOCTOR_OK, "boost",
                   on ? "on: faster, and how much depends on how many cores work"
                      : "off: slower, and always the same",
                   NULL);
}

// --- sleep of cores ---

struct states {
    const struct host *host;
    char name[32]; // of the deepest that is allowed
    int64_t exit_us;
    int count;
};

static void take_state(const char *path, const char *text, void *context)
{
    struct states *s = context;
    char other[256];
    int64_t exit_us = strtoll(text, NULL, 10), disabled = 0;
    int len = (int)(strlen(path) - strlen("latency"));
    s->count++;
    snprintf(other, sizeof other, "%.*sdisable", len, path);
    doctor_read_number(s->host, other, &disabled);
    if (disabled || exit_us <= s->exit_us)
        return;
    s->exit_us = exit_us;
    snprintf(other, sizeof other, "%.*sname", len, path);
    doctor_read(s->host, other, s->name, sizeof s->name);
}

static void say_idle_states(const struct host *host)
{
    struct states s = {.host = host};
    char text[128];
    doctor_visit(host, CPU "cpu0/cpuidle/state[0-9]*/latency", take_state, &s);
    if (s.count == 0) {
        doctor_say(host->doctor, DOCTOR_OK, "idle states", "none are to be seen here", NULL);
        return;
    }
    snprintf(text, sizeof text, "the deepest is %s, %lld us to wake from",
             *s.name ? s.name : "POLL", (long long)s.exit_us);
    if (s.exit_us <= EXIT_SLOW_US)
        doctor_say(host->doctor, DOCTOR_OK, "idle states", text, NULL);
    else
        doctor_say(host->doctor, DOCTOR_WARN, "idle states", text,
                   "cpupower idle-set -D 20, or a process that holds /dev/cpu_dma_latency (tuned's "
                   "latency-performance); a task under placement.waiting: spin never sleeps");
}

// --- sharing ---

static void say_smt(const struct host *host)
{
    int64_t active = 0;
    if (!doctor_read_number(host, CPU "smt/active", &active))
        return;
    doctor_say(host->doctor, DOCTOR_OK, "SMT",
               active ? "on: two threads of a core share its speed; weir pin gives tasks cores of "
                        "their own"
                      : "off",
               NULL);
}

static void say_isolated(const struct host *host)
{
    char cores[256], text[512];
    doctor_read(host, CPU "isolated", cores, sizeof cores);
    if (!*cores) {
        doctor_say(host->doctor, DOCTOR_OK, "isolated cores", "none", NULL);
        return;
    }
    snprintf(text, sizeof text, "%s: nothing runs there that is not put there", cores);
    doctor_say(host->doctor, DOCTOR_OK, "isolated cores", text,
               "the kernel does not spread tasks over them: name them in placement.cores");
}

static void say_irqs(const struct host *host)
{
    char text[128];
    if (host->measured.irq_rate < 0)
        return;
    if (host->measured.irq_core < 0)
        snprintf(text, sizeof text, "of devices none while this looked");
    else
        snprintf(text, sizeof text, "of devices up to %.0f a second on one core, core %.0f",
                 host->measured.irq_rate, host->measured.irq_core);
    if (host->measured.irq_rate < IRQ_MANY)
        doctor_say(host->doctor, DOCTOR_OK, "interrupts", text, NULL);
    else
        doctor_say(host->doctor, DOCTOR_WARN, "interrupts", text,
                   "each takes some microseconds from the task there: leave that core out of "
                   "placement.cores, or move them (/proc/irq/N/smp_affinity_list; irqbalance moves "
                   "them back, unless IRQBALANCE_BANNED_CPULIST names the tasks' cores)");
}

static void say_preemption(const struct host *host)
{
    char text[512];
    doctor_read(host, "/proc/version", text, sizeof text);
    const char *model = strstr(text, "PREEMPT_RT")        ? "real-time"
                        : strstr(text, "PREEMPT_DYNAMIC") ? "dynamic (boot option preempt=)"
                        : strstr(text, "PREEMPT")         ? "full"
                                                          : "voluntary or none";
    doctor_say(host->doctor, DOCTOR_OK, "preemption", model, NULL);
}

static void count_mitigation(const char *path, const char *text, void *context)
{
    (void)path;
    *(int *)context += strncmp(text, "Mitigation", 10) == 0;
}

static void say_mitigations(const struct host *host)
{
    char text[128];
    int count = 0;
    if (!doctor_visit(host, CPU "vulnerabilities/*", count_mitigation, &count))
        return;
    snprintf(text, sizeof text, "%d in force: system calls cost more; a busy task makes few",
             count);
    doctor_say(host->doctor, DOCTOR_OK, "mitigations", text, NULL);
}

// --- the kernel's own ideas of where things go ---

static void say_numa(const struct host *host)
{
    char nodes[64], text[128];
    int64_t balances = 0, reclaims = 0;
    doctor_read(host, "/sys/devices/system/node/online", nodes, sizeof nodes);
    doctor_read_number(host, "/proc/sys/kernel/numa_balancing", &balances);
    doctor_read_number(host, "/proc/sys/vm/zone_reclaim_mode", &reclaims);
    if (!strpbrk(nodes, "-,")) {
        doctor_say(host->doctor, DOCTOR_OK, "NUMA", "one node", NULL);
        return;
    }
    snprintf(text, sizeof text, "nodes %s, numa_balancing %lld, zone_reclaim_mode %lld", nodes,
             (long long)balances, (long long)reclaims);
    if (balances)
        doctor_say(host->doctor, DOCTOR_WARN, "NUMA", text,
                   "the kernel takes pages away for a moment to see who uses them, and moves them: "
                   "sysctl kernel.numa_balancing=0 (weir lays memory on its task's node itself)");
    else if (reclaims)
        doctor_say(host->doctor, DOCTOR_WARN, "NUMA", text,
                   "memory of a full node is searched for what can go, in the task's own time: "
                   "sysctl vm.zone_reclaim_mode=0");
    else
        doctor_say(host->doctor, DOCTOR_OK, "NUMA", text, NULL);
}

static void say_real_time(const struct host *host)
{
    char text[160];
    int64_t runtime = -1, period = 1000000;
    if (!doctor_read_number(host, "/proc/sys/kernel/sched_rt_runtime_us", &runtime))
        return;
    doctor_read_number(host, "/proc/sys/kernel/sched_rt_period_us", &period);
    if (runtime < 0 || runtime >= period)
        snprintf(text, sizeof text, "a real-time process may take all of a core");
    else
        snprintf(text, sizeof text, "a real-time process gets %lld of %lld ms of a core",
                 (long long)(runtime / 1000), (long long)(period / 1000));
    doctor_say(host->doctor, DOCTOR_OK, "real-time", text, NULL);
}

void doctor_cores(const struct host *host)
{
    say_governor(host);
    say_boost(host);
    say_idle_states(host);
    say_smt(host);
    say_isolated(host);
    say_irqs(host);
    say_preemption(host);
    say_mitigations(host);
    say_numa(host);
    say_real_time(host);
}
