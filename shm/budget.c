// budget.c: what the file system, the host and the control groups can still give.
#include "shm/budget.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/statfs.h>
#include <unistd.h>

#include "core/base/number.h"
#include "shm/jobdir.h"

enum { TEXT_BYTES = 16384, PATH_BYTES = 1024, CGROUP_DEPTH_MAX = 64 };

#define NO_LIMIT (UINT64_MAX / 2) // cgroup v1 says "none" with a number near 2^63

static bool file_read(const char *path, char text[TEXT_BYTES])
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, text, TEXT_BYTES - 1);
    close(fd);
    text[len > 0 ? len : 0] = 0;
    return len > 0;
}

// The number that follows `key` and blanks at the start of a line. False: no such line.
static bool line_number(const char *text, const char *key, uint64_t *out)
{
    size_t len = strlen(key);
    for (const char *line = text; line; line = strchr(line, '\n'), line += line != NULL) {
        if (strncmp(line, key, len) != 0)
            continue;
        const char *p = line + len + strspn(line + len, " \t");
        int64_t value;
        if (number_parse_int64(slice_make(p, strspn(p, "0123456789")), &value) || value < 0)
            return false;
        *out = (uint64_t)value;
        return true;
    }
    return false;
}

static bool file_number(const char *folder, const char *name, uint64_t *out)
{
    char path[PATH_BYTES + 64], text[TEXT_BYTES];
    snprintf(path, sizeof(path), "%s/%s", folder, name);
    return file_read(path, text) && line_number(text, "", out);
}

const char *budget_format_bytes(uint64_t bytes, char out[32])
{
    static const char *const units[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    double value = (double)bytes;
    int unit = 0;
    for (; value >= 1024 && unit < 5; unit++)
        value /= 1024;
    snprintf(out, 32, unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

// Take a limit into account: `free_bytes` of `limit_bytes` are left, and the reserve must stay.
static void budget_narrow(struct budget *budget, const struct budget_request *request,
                          uint64_t free_bytes, uint64_t limit_bytes, const char *what)
{
    uint64_t reserve = request->reserve_bytes ? request->reserve_bytes
                                              : limit_bytes / 100 * request->reserve_percent;
    uint64_t kept = reserve + budget->promised_bytes;
    uint64_t available = free_bytes > kept ? free_bytes - kept : 0;
    if (budget->binding[0] && available >= budget->available_bytes)
        return;
    char text[32];
    budget->available_bytes = available;
    budget->limit_bytes = limit_bytes;
    budget->reserve_bytes = reserve;
    snprintf(budget->binding, sizeof(budget->binding), "%.140s (%s)", what,
             budget_format_bytes(limit_bytes, text));
}

// One control group's own limit; `v2` names its files.
static void cgroup_narrow(struct budget *budget, const struct budget_request *request,
                          const char *folder, bool v2)
{
    char path[PATH_BYTES + 64], text[TEXT_BYTES], what[PATH_BYTES + 32];
    uint64_t limit, usage, cache = 0;
    if (!file_number(folder, v2 ? "memory.max" : "memory.limit_in_bytes", &limit) ||
        limit >= NO_LIMIT ||
        !file_number(folder, v2 ? "memory.current" : "memory.usage_in_bytes", &usage))
        return;
    snprintf(path, sizeof(path), "%s/memory.stat", folder);
    if (file_read(path, text)) // page cache that is given back on demand
        line_number(text, v2 ? "inactive_file " : "total_inactive_file ", &cache);
    usage = usage > cache ? usage - cache : 0;
    snprintf(what, sizeof(what), "control group %s", folder);
    budget_narrow(budget, request, limit > usage ? limit - usage : 0, limit, what);
}

// A group and all above it: each may have a limit. In a container the path may not exist; the root
// of the mount is then its group.
static void cgroup_walk(struct budget *budget, const struct budget_request *request,
                        const char *root, const char *group, bool v2)
{
    char path[PATH_BYTES];
    size_t root_len = strlen(root);
    if (snprintf(path, sizeof(path), "%s%s", root, group) >= (int)sizeof(path))
        return;
    for (int i = 0; i < CGROUP_DEPTH_MAX; i++) {
        cgroup_narrow(budget, request, path, v2);
        char *slash = strrchr(path, '/');
        if (!slash || (size_t)(slash - path) < root_len)
            break;
        *slash = 0;
    }
}

// Lines of /proc/self/cgroup: "0::/path" (v2) and "4:memory:/path" (v1).
static void cgroups_narrow(struct budget *budget, const struct budget_request *request)
{
    char path[PATH_BYTES], text[TEXT_BYTES], root[PATH_BYTES];
    const char *base = request->cgroup_dir ? request->cgroup_dir : "/sys/fs/cgroup";
    snprintf(path, sizeof(path), "%s/self/cgroup", request->proc_dir ? request->proc_dir : "/proc");
    if (!file_read(path, text))
        return;
    char *line = text;
    while (line && *line) {
        char *end = strchr(line, '\n');
        if (end)
            *end++ = 0;
        char *controllers = strchr(line, ':');
        char *group = controllers ? strchr(controllers + 1, ':') : NULL;
        if (group) {
            *group++ = 0;
            controllers++;
            if (!*controllers) {
                cgroup_walk(budget, request, base, group, true);
            } else if (strcmp(controllers, "memory") == 0) {
                snprintf(root, sizeof(root), "%s/memory", base);
                cgroup_walk(budget, request, root, group, false);
            }
        }
        line = end;
    }
}

static int host_narrow(struct budget *budget, const struct budget_request *request, struct err *err)
{
    char path[PATH_BYTES], text[TEXT_BYTES];
    uint64_t total, available;
    snprintf(path, sizeof(path), "%s/meminfo", request->proc_dir ? request->proc_dir : "/proc");
    if (!file_read(path, text) || !line_number(text, "MemTotal:", &total) ||
        !line_number(text, "MemAvailable:", &available))
        return err_set(err, -EIO, "cannot read MemTotal and MemAvailable from %s", path);
    budget_narrow(budget, request, available * 1024, total * 1024, "memory of the host");
    return 0;
}

struct promise_context {
    const char *job; // not counted
    uint64_t bytes;
};

static int promise_add(const struct jobdir_entry *entry, void *context)
{
    struct promise_context *promise = context;
    if (!promise->job || strcmp(entry->job, promise->job) != 0)
        promise->bytes += entry->bytes_promised - entry->bytes_held;
    return 0;
}

int budget_measure(const struct budget_request *request, struct budget *out, struct err *err)
{
    struct statfs fs;
    *out = (struct budget){0};
    if (statfs(request->memory_dir, &fs) < 0)
        return err_set(
            err, -errno,
            "cannot look at memory.dir %s: %s; name a folder on a tmpfs, such as /dev/shm",
            request->memory_dir, strerror(errno));
    struct promise_context promise = {request->job, 0};
    int status = jobdir_list(request->memory_dir, promise_add, &promise, err);
    if (status)
        return status;
    out->promised_bytes = promise.bytes;
    bool tmpfs = (uint64_t)fs.f_type == TMPFS_MAGIC;
    if (fs.f_blocks) { // 0: a tmpfs without a limit of its own
        char what[PATH_BYTES];
        snprintf(what, sizeof(what), "%s%s", request->memory_dir, tmpfs ? ", a tmpfs" : "");
        // The reserve is for memory: a file system may be filled by the job it is for.
        struct budget_request plain = *request;
        plain.reserve_bytes = plain.reserve_percent = 0;
        budget_narrow(out, &plain, fs.f_bavail * (uint64_t)fs.f_bsize,
                      fs.f_blocks * (uint64_t)fs.f_bsize, what);
    }
    if (!tmpfs) // pages of a file on disk can be written back and dropped
        return 0;
    status = host_narrow(out, request, err);
    if (!status)
        cgroups_narrow(out, request);
    return status;
}

int budget_check(const struct budget_request *request, struct budget *out, struct err *err)
{
    struct budget budget;
    int status = budget_measure(request, &budget, err);
    if (status)
        return status;
    if (out)
        *out = budget;
    if (request->wanted_bytes <= budget.available_bytes)
        return 0;
    char wanted[32], available[32], reserve[32], promised[32];
    return err_set(err, -ENOSPC,
                   "the job asks for %s of memory, there is %s: the limit is %s, of which %s are "
                   "kept as memory.reserve and %s are promised to other jobs; set memory.state "
                   "lower, memory.dir to a larger file system, stop other jobs (weir top lists "
                   "them), or free what dead ones have left (weir clean)",
                   budget_format_bytes(request->wanted_bytes, wanted),
                   budget_format_bytes(budget.available_bytes, available), budget.binding,
                   budget_format_bytes(budget.reserve_bytes, reserve),
                   budget_format_bytes(budget.promised_bytes, promised));
}
