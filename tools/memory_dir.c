// memory_dir.c: see memory_dir.h.
#include "tools/memory_dir.h"

#include <errno.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shm/jobdir.h"

// "\040" is a blank: the table of mounts writes blanks, tabs, line breaks and backslashes so.
static void unescape(char *text)
{
    char *to = text;
    for (const char *from = text; *from; to++) {
        bool is_octal = from[0] == '\\' && from[1] >= '0' && from[1] <= '3' && from[2] >= '0' &&
                        from[2] <= '7' && from[3] >= '0' && from[3] <= '7';
        int byte = (unsigned char)*from;
        if (is_octal)
            byte = (from[1] - '0') << 6 | (from[2] - '0') << 3 | (from[3] - '0');
        *to = (char)byte;
        from += is_octal ? 4 : 1;
    }
    *to = '\0';
}

// "63 43 0:39 / /mnt/weir rw,nosuid shared:1 - tmpfs weir rw,huge=within_size"
static bool is_ours(const char *line, char point[PATH_MAX])
{
    char type[16], source[16];
    struct statfs fs;
    const char *rest = strstr(line, " - ");
    _Static_assert(PATH_MAX >= 4096, "as the width below");
    if (!rest || sscanf(line, "%*d %*d %*s / %4095s", point) != 1 ||
        sscanf(rest, " - %15s %15s", type, source) != 2 || strcmp(type, "tmpfs") != 0 ||
        strcmp(source, MEMORY_DIR_SOURCE) != 0)
        return false;
    unescape(point);
    // Something else may be mounted over it.
    return statfs(point, &fs) == 0 && (unsigned long)fs.f_type == TMPFS_MAGIC;
}

bool memory_dir_mount(char out[PATH_MAX])
{
    char line[3 * PATH_MAX], point[PATH_MAX];
    bool found = false;
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file && !found && fgets(line, sizeof line, file))
        found = is_ours(line, point);
    if (file)
        fclose(file);
    if (found)
        snprintf(out, PATH_MAX, "%s", point);
    return found;
}

// --- where the job is ---

struct search {
    const char *job;
    bool is_there;
    pid_t holder;
};

static int look_at(const struct jobdir_entry *entry, void *context)
{
    struct search *search = context;
    if (strcmp(entry->job, search->job) == 0) {
        search->is_there = true;
        search->holder = entry->holder;
    }
    return 0;
}

static struct search look_in(const char *dir, const char *job)
{
    struct search search = {.job = job};
    struct err ignored;
    jobdir_list(dir, look_at, &search, &ignored);
    return search;
}

void memory_dir_find(const char *job, char out[PATH_MAX])
{
    char mount[PATH_MAX];
    snprintf(out, PATH_MAX, "%s", MEMORY_DIR_DEFAULT);
    if (!memory_dir_mount(mount) || access(mount, R_OK | W_OK | X_OK) < 0)
        return;
    struct search there = look_in(mount, job), here = look_in(MEMORY_DIR_DEFAULT, job);
    bool stays = here.holder ? !there.holder : here.is_there && !there.is_there;
    if (!stays)
        snprintf(out, PATH_MAX, "%s", mount);
}

int memory_dir_check(const char *job, const char *dir, struct err *err)
{
    char mount[PATH_MAX];
    if (!memory_dir_mount(mount))
        return 0;
    const char *other = strcmp(dir, mount) == 0 ? MEMORY_DIR_DEFAULT : mount;
    struct search search = look_in(other, job);
    return search.holder ? err_set(err, -EBUSY,
                                   "job '%s' is already running in %s, with pid %d; stop that run "
                                   "first, or give this job another name",
                                   job, other, (int)search.holder)
                         : 0;
}
