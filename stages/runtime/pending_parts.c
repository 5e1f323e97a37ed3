// pending_parts.c: see pending_parts.h. Errors of a write-back that the kernel did meanwhile are
// told to who holds the file open, and only to them; so it is not opened anew to be made durable.
#include "stages/runtime/pending_parts.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>

int pending_parts_keep(struct pending_parts *pending, struct env *env, uint64_t part, int fd)
{
    if (!pending_parts_are_full(pending)) {
        pending->files[pending->count].part = part;
        pending->files[pending->count++].fd = fd;
        return 0;
    }
    int rc = env->fdatasync(env, fd);
    env->close(env, fd);
    return rc;
}

void pending_parts_drop(struct pending_parts *pending, struct env *env, uint64_t published)
{
    int kept = 0;
    for (int i = 0; i < pending->count; i++) {
        if (pending->files[i].part >= published)
            pending->files[kept++] = pending->files[i];
        else
            env->close(env, pending->files[i].fd);
    }
    pending->count = kept;
}

bool part_name_parse(const char *name, int *task, unsigned long long *part)
{
    int used = 0;
    return sscanf(name, "part-%d-%llu%n", task, part, &used) == 2 && used && name[used] == '\0';
}

// ".part-3-17.inprogress"
static bool hidden_name_parse(const char *name, int *task, unsigned long long *part)
{
    int used = 0;
    return sscanf(name, ".part-%d-%llu%n", task, part, &used) == 2 && used &&
           strcmp(name + used, ".inprogress") == 0;
}

int pending_parts_remove(struct env *env, const char *folder, int task, uint64_t above)
{
    DIR *dir = opendir(folder);
    int rc = dir ? 0 : -errno;
    for (struct dirent *entry = dir ? readdir(dir) : NULL; entry && rc == 0; entry = readdir(dir)) {
        char path[PATH_MAX];
        int of_task;
        unsigned long long part;
        if (!hidden_name_parse(entry->d_name, &of_task, &part) || of_task != task || part <= above)
            continue;
        snprintf(path, sizeof path, "%s/%.255s", folder, entry->d_name);
        rc = env->unlink(env, path);
    }
    if (dir)
        closedir(dir);
    return rc;
}
