// job_folders.c: see job_folders.h. A lock is a shared one on a byte of the folder that is the
// job's own, and nobody may hold another byte. So a job never waits for the locks of its own dead,
// and two jobs that claim at the same instant are both refused, never both let in.
#include "stages/runtime/job_folders.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "stages/runtime/folder.h"
#include "stages/runtime/schema.h"

static bool is_claimed(const struct job_folders *folders, int fd)
{
    struct stat own, other;
    for (int i = 0; i < folders->count; i++)
        if (fstat(fd, &own) == 0 && fstat(folders->fds[i], &other) == 0 &&
            own.st_dev == other.st_dev && own.st_ino == other.st_ino)
            return true;
    return false;
}

static bool is_locked(int fd, int64_t from, int64_t bytes)
{
    struct flock range = {.l_type = F_WRLCK, .l_whence = SEEK_SET, .l_start = from, .l_len = bytes};
    return fcntl(fd, F_OFD_GETLK, &range) == 0 && range.l_type != F_UNLCK;
}

// false: another job's lock is there. A file system without locks is taken as it is.
static bool lock(int fd, int64_t place)
{
    struct flock own = {.l_type = F_RDLCK, .l_whence = SEEK_SET, .l_start = place, .l_len = 1};
    if (fcntl(fd, F_OFD_SETLK, &own) < 0)
        return true;
    return !is_locked(fd, 0, place) && !is_locked(fd, place + 1, 0); // 0: to the end
}

static int claim(struct job_folders *folders, const char *path, struct err *err)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0)
        return err_set(err, -errno, "cannot open folder %s: %s", path, strerror(errno));
    if (is_claimed(folders, fd)) {
        close(fd);
        return 0;
    }
    if (!lock(fd, folders->place)) {
        close(fd);
        return err_set(err, -EBUSY,
                       "another running job writes to %s; give each job folders of its own", path);
    }
    folders->fds = realloc(folders->fds, (size_t)(folders->count + 1) * sizeof(int));
    CHECK(folders->fds);
    folders->fds[folders->count++] = fd;
    return 0;
}

static int claim_sink(struct job_folders *folders, const struct plan_table *table, struct err *err)
{
    const char *path = table_option(table, "path", "");
    if (strncmp(path, "file://", strlen("file://")) == 0)
        path += strlen("file://");
    int rc = folder_make(path, err);
    if (rc == 0)
        rc = claim(folders, path, err);
    return rc < 0
               ? err_prefix(err, rc, "%s: table %s", table->place ? table->place : "", table->name)
               : 0;
}

int job_folders_claim(const struct plan *plan, const struct job_options *options,
                      const char *job_path, struct job_folders *out, struct err *err)
{
    int rc = 0;
    *out =
        (struct job_folders){.place = (int64_t)(hash_bytes(job_path, strlen(job_path)) >> 2) + 1};
    for (int s = 0; s < plan->stage_count && rc == 0; s++) {
        const struct op *last = plan->stages[s].ops[plan->stages[s].op_count - 1];
        if (last->kind == OP_SINK && strcmp(last->table->connector, "filesystem") == 0)
            rc = claim_sink(out, last->table, err);
    }
    struct stat st;
    const char *dead = options->dead_letter_dir;
    if (rc == 0 && dead && job_uses_dead_letters(plan, options) && stat(dead, &st) == 0)
        rc = claim(out, dead, err);
    if (rc < 0)
        job_folders_release(out);
    return rc;
}

void job_folders_release(struct job_folders *folders)
{
    for (int i = 0; i < folders->count; i++)
        close(folders->fds[i]);
    free(folders->fds);
    *folders = (struct job_folders){.fds = NULL};
}
