// doctor_limits.c: what this process may have: limits, control groups, memory that stays in memory
// and in its place.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/budget.h"
#include "tools/doctor_host.h"

enum { FILES_LEAST = 1024, FIRST_PERSON = 1000, PATH_BYTES = 512 };

// --- limits ---

// The soft limit of "/proc/self/limits"; UINT64_MAX: unlimited. false: no such line.
static bool limit_of(const struct host *host, const char *name, uint64_t *out)
{
    char text[DOCTOR_TEXT_BYTES], *end;
    doctor_read(host, "/proc/self/limits", text, sizeof text);
    const char *line = strstr(text, name);
    if (!line)
        return false;
    line += strlen(name);
    line += strspn(line, " ");
    *out = strncmp(line, "unlimited", 9) == 0 ? UINT64_MAX : strtoull(line, &end, 10);
    return true;
}

// The ring and the registered buffers of each task's engine.
static void say_memlock(const struct host *host)
{
    const uint64_t wanted = UINT64_C(4) << 20;
    uint64_t limit;
    char text[64], bytes[32];
    if (!limit_of(host, "Max locked memory", &limit))
        return;
    snprintf(text, sizeof text, "%s",
             limit == UINT64_MAX ? "no limit" : budget_format_bytes(limit, bytes));
    if (limit >= wanted)
        doctor_say(host->doctor, DOCTOR_OK, "locked memory", text, NULL);
    else
        doctor_say(host->doctor, DOCTOR_WARN, "locked memory", text,
                   "io_uring cannot register its buffers (2 MiB a task) and is a little slower: "
                   "raise `ulimit -l`, LimitMEMLOCK= in a systemd unit");
}

static void say_priority(const struct host *host)
{
    uint64_t limit;
    char text[128];
    if (!limit_of(host, "Max realtime priority", &limit))
        return;
    if (limit == 0)
        snprintf(text, sizeof text, "none but with CAP_SYS_NICE (`ulimit -r`, LimitRTPRIO=)");
    else
        snprintf(text, sizeof text, "up to %" PRIu64 " of 99", limit > 99 ? 99 : limit);
    doctor_say(host->doctor, DOCTOR_OK, "rt priority", text, NULL);
}

static void say_files(const struct host *host)
{
    uint64_t limit;
    char text[64];
    if (!limit_of(host, "Max open files", &limit))
        return;
    snprintf(text, sizeof text, "%" PRIu64, limit);
    if (limit >= FILES_LEAST)
        doctor_say(host->doctor, DOCTOR_OK, "open files", limit == UINT64_MAX ? "no limit" : text,
                   NULL);
    else
        doctor_say(host->doctor, DOCTOR_WARN, "open files", text,
                   "a task holds a file for each ring, and each output file: raise `ulimit -n`, "
                   "LimitNOFILE= in a systemd unit");
}

// Segments are shared mappings of files; by default the kernel leaves those out of a core dump.
static void say_core(const struct host *host)
{
    enum { MAPPED_SHARED = 1 << 3 };
    uint64_t limit;
    char pattern[PATH_BYTES], filter[64], text[PATH_BYTES + 64];
    if (!limit_of(host, "Max core file size", &limit))
        return;
    doctor_read(host, "/proc/sys/kernel/core_pattern", pattern, sizeof pattern);
    doctor_read(host, "/proc/self/coredump_filter", filter, sizeof filter);
    // A pipe gets the dump whatever the limit is.
    bool dumps = limit > 0 || pattern[0] == '|';
    bool with_state = strtoul(filter, NULL, 16) & MAPPED_SHARED;
    snprintf(text, sizeof text, "%s%s", dumps ? "to " : "none", dumps ? pattern : "");
    if (dumps && with_state)
        doctor_say(host->doctor, DOCTOR_WARN, "core dumps", text,
                   "a task that crashes is replaced when all of its state has been written there: "
                   "echo 0x33 >/proc/self/coredump_filter before weir run, or `ulimit -c 0`");
    else
        doctor_say(host->doctor, DOCTOR_OK, "core dumps", text, NULL);
}

// --- control groups ---

struct quota {
    char group[PATH_BYTES]; // the one with the least
    double cores;
    int64_t period_us, throttled;
    uint64_t memory; // the least memory.max; UINT64_MAX: none
};

// "nr_throttled 12" of cpu.stat; 0: not told.
static int64_t throttled(const char *stat)
{
    const char *at = strstr(stat, "nr_throttled ");
    return at ? strtoll(at + strlen("nr_throttled "), NULL, 10) : 0;
}

static void look_at_group(const struct host *host, const char *group, struct quota *q)
{
    char path[PATH_BYTES + 64], text[1024];
    long long quota, period;
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.max", group);
    if (doctor_read(host, path, text, sizeof text) &&
        sscanf(text, "%lld %lld", &quota, &period) == 2 && period > 0 &&
        (q->cores < 0 || (double)quota / (double)period < q->cores)) {
        q->cores = (double)quota / (double)period;
        q->period_us = period;
        snprintf(q->group, sizeof q->group, "%s", *group ? group : "/");
        snprintf(path, sizeof path, "/sys/fs/cgroup%s/cpu.stat", group);
        doctor_read(host, path, text, sizeof text);
        q->throttled = throttled(text);
    }
    snprintf(path, sizeof path, "/sys/fs/cgroup%s/memory.max", group);
    int64_t bytes;
    if (doctor_read_number(host, path, &bytes) && (uint64_t)bytes < q->memory)
        q->memory = (uint64_t)bytes;
}

// The group of this process and all above it; of version 1 the one file that matters.
static struct quota find_quota(const struct host *host)
{
    struct quota q = {.cores = -1, .memory = UINT64_MAX};
    char text[1024], group[PATH_BYTES] = "";
    int64_t quota, period;
    doctor_read(host, "/proc/self/cgroup", text, sizeof text);
    const char *own = strstr(text, "0::");
    if (own)
        snprintf(group, sizeof group, "%.*s", (int)strcspn(own + 3, "\n"), own + 3);
    for (;;) {
        look_at_group(host, strcmp(group, "/") == 0 ? "" : group, &q);
        char *slash = strrchr(group, '/');
        if (!slash)
            break;
        *slash = '\0';
    }
    if (q.cores < 0 && doctor_read_number(host, "/sys/fs/cgroup/cpu/cpu.cfs_quota_us", &quota) &&
        doctor_read_number(host, "/sys/fs/cgroup/cpu/cpu.cfs_period_us", &period) && quota > 0 &&
        period > 0) {
        q.cores = (double)quota / (double)period;
        q.period_us = period;
        snprintf(q.group, sizeof q.group, "/");
    }
    return q;
}

static void say_quota(const struct host *host)
{
    struct quota q = find_quota(host);
    char text[PATH_BYTES + 256], bytes[32];
    if (q.cores < 0) {
        doctor_say(host->doctor, DOCTOR_OK, "cpu quota", "none", NULL);
    } else {
        snprintf(text, sizeof text,
                 "%.2f cores in each %lld ms, of group %s; it has run out %lld times", q.cores,
                 (long long)(q.period_us / 1000), q.group, (long long)q.throttled);
        doctor_say(host->doctor, DOCTOR_WARN, "cpu quota", text,
                   "when it is used up every task stands still until the period is over: give the "
                   "container whole cores (cpuset, --cpuset-cpus) instead of a quota, and at least "
                   "as many as tasks under placement.waiting: spin");
    }
    if (q.memory == UINT64_MAX)
        return;
    snprintf(text, sizeof text, "%s at most, its tmpfs counted (weir check says what a job takes)",
             budget_format_bytes(q.memory, bytes));
    doctor_say(host->doctor, DOCTOR_OK, "cgroup memory", text, NULL);
}

// --- memory ---

static void say_swap(const struct host *host)
{
    char swaps[1024], text[128];
    int64_t swappiness = 60;
    doctor_read(host, "/proc/swaps", swaps, sizeof swaps);
    doctor_read_number(host, "/proc/sys/vm/swappiness", &swappiness);
    if (!strchr(swaps, '\n')) { // a head, and nothing below it
        doctor_say(host->doctor, DOCTOR_OK, "swap", "none", NULL);
        return;
    }
    snprintf(text, sizeof text, "there is some, swappiness %lld", (long long)swappiness);
    if (swappiness == 0)
        doctor_say(host->doctor, DOCTOR_OK, "swap", text, NULL);
    else
        doctor_say(host->doctor, DOCTOR_WARN, "swap", text,
                   "state and rings are in tmpfs, which can be swapped out: a batch then waits for "
                   "the disk; swapoff -a, or MemorySwapMax=0 in the unit, or sysctl "
                   "vm.swappiness=0");
}

static void say_overcommit(const struct host *host)
{
    int64_t mode = 0;
    if (doctor_read_number(host, "/proc/sys/vm/overcommit_memory", &mode) && mode == 2)
        doctor_say(host->doctor, DOCTOR_WARN, "overcommit", "strict (vm.overcommit_memory 2)",
                   "mappings count though they are never filled: a task or a spare may be refused "
                   "its memory; 0, the default, or a higher vm.overcommit_ratio");
    else
        doctor_say(host->doctor, DOCTOR_OK, "overcommit", mode ? "always" : "as usual", NULL);
}

static void say_thp(const struct host *host)
{
    char text[256], enabled[32], defrag[32];
    if (!doctor_read(host, "/sys/kernel/mm/transparent_hugepage/enabled", text, sizeof text))
        return;
    doctor_chosen(text, enabled, sizeof enabled);
    doctor_read(host, "/sys/kernel/mm/transparent_hugepage/defrag", text, sizeof text);
    doctor_chosen(text, defrag, sizeof defrag);
    snprintf(text, sizeof text, "%s, defrag %s", enabled, *defrag ? defrag : "not told");
    if (strcmp(enabled, "never") != 0 && strcmp(defrag, "always") == 0)
        doctor_say(host->doctor, DOCTOR_WARN, "THP", text,
                   "a page fault may wait while memory is put in order: echo madvise "
                   ">/sys/kernel/mm/transparent_hugepage/defrag");
    else
        doctor_say(host->doctor, DOCTOR_OK, "THP", text, NULL);
}

// --- what stays ---

static int64_t user_of(const struct host *host)
{
    char text[4096];
    doctor_read(host, "/proc/self/status", text, sizeof text);
    const char *at = strstr(text, "\nUid:");
    return at ? strtoll(at + strlen("\nUid:"), NULL, 10) : 0;
}

struct remove_ipc {
    bool is_off;
};

static void take_logind(const char *path, const char *text, void *context)
{
    struct remove_ipc *r = context;
    (void)path;
    for (const char *at = text; (at = strstr(at, "RemoveIPC=")); at++) {
        const char *value = at + strlen("RemoveIPC=");
        bool is_set = at == text || at[-1] == '\n'; // else it is commented out
        if (is_set)
            r->is_off = strncmp(value, "no", 2) == 0 || strncmp(value, "0", 1) == 0 ||
                        strncmp(value, "false", 5) == 0 || strncmp(value, "off", 3) == 0;
    }
}

static void count_file(const char *path, const char *text, void *context)
{
    (void)path;
    (void)text;
    ++*(int *)context;
}

// Has the user been told to stay (loginctl enable-linger)? Its name stands in /etc/passwd.
static bool lingers(const struct host *host, int64_t user)
{
    char passwd[DOCTOR_TEXT_BYTES], field[32], path[PATH_BYTES], *rest = NULL;
    int is_there = 0;
    doctor_read(host, "/etc/passwd", passwd, sizeof passwd);
    snprintf(field, sizeof field, ":%" PRId64 ":", user);
    for (char *line = strtok_r(passwd, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        const char *name_end = strchr(line, ':'), *id = name_end ? strchr(name_end + 1, ':') : NULL;
        if (!id || strncmp(id, field, strlen(field)) != 0)
            continue;
        snprintf(path, sizeof path, "/var/lib/systemd/linger/%.*s", (int)(name_end - line), line);
        doctor_visit(host, path, count_file, &is_there);
    }
    return is_there > 0;
}

static void say_remove_ipc(const struct host *host)
{
    struct remove_ipc r = {.is_off = false};
    int64_t user = user_of(host);
    int has_logind = 0;
    char text[128];
    doctor_visit(host, "/run/systemd/seats/*", count_file, &has_logind);
    doctor_visit(host, "/lib/systemd/systemd-logind", count_file, &has_logind);
    doctor_visit(host, "/etc/systemd/logind.conf", take_logind, &r);
    doctor_visit(host, "/etc/systemd/logind.conf.d/*.conf", take_logind, &r);
    if (user < FIRST_PERSON || !has_logind || r.is_off || lingers(host, user)) {
        doctor_say(host->doctor, DOCTOR_OK, "logout",
                   user < FIRST_PERSON ? "leaves the memory of a system user alone"
                                       : "leaves a user's memory alone",
                   NULL);
        return;
    }
    snprintf(text, sizeof text, "takes what user %lld has in /dev/shm with it (RemoveIPC)",
             (long long)user);
    doctor_say(
        host->doctor, DOCTOR_WARN, "logout", text,
        "a job that runs on, or could go on from memory, loses it: loginctl enable-linger, a "
        "system user for the unit, or RemoveIPC=no in /etc/systemd/logind.conf");
}

static void say_seccomp(const struct host *host)
{
    char text[4096];
    int64_t scope = 0, uring = 0;
    doctor_read(host, "/proc/self/status", text, sizeof text);
    bool filters = strstr(text, "\nSeccomp:\t2") != NULL;
    if (host->measured.has_io_uring == 0) {
        doctor_read_number(host, "/proc/sys/kernel/io_uring_disabled", &uring);
        doctor_say(
            host->doctor, DOCTOR_OK, "io_uring",
            uring     ? "forbidden by sysctl kernel.io_uring_disabled"
            : filters ? "forbidden by the container's seccomp filter"
                      : "does not work here",
            "snapshots are written with pwrite, which is as safe and uses more of a core; "
            "sysctl kernel.io_uring_disabled=0, or a seccomp profile that allows io_uring_*");
    }
    if (doctor_read_number(host, "/proc/sys/kernel/yama/ptrace_scope", &scope))
        doctor_say(host->doctor, DOCTOR_OK, "ptrace",
                   scope ? "of children only, or less: a debugger must be root; weir needs none"
                         : "allowed: a debugger can be attached to a task",
                   NULL);
}

void doctor_limits(const struct host *host)
{
    say_memlock(host);
    say_priority(host);
    say_files(host);
    say_core(host);
    say_quota(host);
    say_swap(host);
    say_overcommit(host);
    say_thp(host);
    say_remove_ipc(host);
    say_seccomp(host);
}
