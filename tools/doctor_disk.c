// doctor_disk.c: can checkpoints be kept in the folder, past the page cache, and what does it cost
// to make something durable there?
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "core/base/env.h"
#include "shm/budget.h"
#include "tools/doctor.h"

enum { SYNCS = 5, SYNC_SLOW_MS = 50, PAGE = 4096 };

#define ROOM_LEAST (UINT64_C(1) << 30)

// The folder, or the nearest above it that is there.
static bool nearest(const char *dir, char out[PATH_MAX])
{
    char path[PATH_MAX];
    if (snprintf(path, sizeof path, "%s", dir) >= (int)sizeof path)
        return false;
    while (!realpath(path, out)) {
        char *slash = strrchr(path, '/');
        if (errno != ENOENT)
            return false;
        if (!slash)
            return realpath(".", out) != NULL;
        slash[slash == path] = '\0';
    }
    return true;
}

static void say_place(struct doctor *doctor, const char *dir)
{
    struct statfs fs;
    char text[PATH_MAX + 128], bytes[32];
    if (statfs(dir, &fs) < 0)
        return;
    uint64_t room = fs.f_bavail * (uint64_t)fs.f_bsize;
    snprintf(text, sizeof text, "%s: %s free", dir, budget_format_bytes(room, bytes));
    if (fs.f_type == TMPFS_MAGIC || fs.f_type == RAMFS_MAGIC)
        doctor_say(doctor, DOCTOR_WARN, "checkpoint.dir", text,
                   "it is in memory: no checkpoint there survives a reboot; set checkpoint.dir to "
                   "a folder on a disk");
    else if (room < ROOM_LEAST)
        doctor_say(doctor, DOCTOR_WARN, "checkpoint.dir", text,
                   "this is little: there must be room for checkpoint.retain + 1 times the state; "
                   "make room, or set checkpoint.dir to another disk");
    else
        doctor_say(doctor, DOCTOR_OK, "checkpoint.dir", text, NULL);
}

// Write one page with O_DIRECT. 0 or -errno.
static int try_direct(const char *path, const void *page)
{
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_DIRECT | O_CLOEXEC, 0600);
    if (fd < 0)
        return -errno;
    int rc = pwrite(fd, page, PAGE, 0) == PAGE ? 0 : -errno;
    close(fd);
    return rc;
}

static void say_direct(struct doctor *doctor, const char *path, const void *page)
{
    char text[128];
    int rc = try_direct(path, page);
    unlink(path);
    if (rc == 0) {
        doctor_say(doctor, DOCTOR_OK, "O_DIRECT", "snapshots go past the page cache", NULL);
        return;
    }
    snprintf(text, sizeof text, "not here: %s", strerror(-rc));
    doctor_say(doctor, DOCTOR_WARN, "O_DIRECT", text,
               "snapshots go through the page cache: they work, but push other data out of it; "
               "ext4 and xfs have O_DIRECT");
}

static int compare(const void *left, const void *right)
{
    const int64_t *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

// Write and sync a page a few times. 0 or -errno; *median_ns.
static int measure_sync(const char *path, const void *page, int64_t *median_ns)
{
    struct env *env = env_system();
    int64_t took[SYNCS];
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600), rc = 0;
    if (fd < 0)
        return -errno;
    for (int i = 0; i < SYNCS && rc == 0; i++) {
        int64_t begun = env->monotonic_ns(env);
        if (pwrite(fd, page, PAGE, (off_t)i * PAGE) != PAGE || fsync(fd) < 0)
            rc = errno ? -errno : -EIO;
        took[i] = env->monotonic_ns(env) - begun;
    }
    close(fd);
    if (rc < 0)
        return rc;
    qsort(took, SYNCS, sizeof *took, compare);
    *median_ns = took[SYNCS / 2];
    return 0;
}

static void say_sync(struct doctor *doctor, const char *path, const void *page)
{
    int64_t median_ns = 0;
    char text[128];
    int rc = measure_sync(path, page, &median_ns);
    unlink(path);
    if (rc < 0) {
        snprintf(text, sizeof text, "failed: %s", strerror(-rc));
        doctor_say(doctor, DOCTOR_BROKEN, "fsync", text, "look at the disk (dmesg)");
        return;
    }
    double ms = (double)median_ns / 1e6;
    snprintf(text, sizeof text, "%.2f ms (median of %d)", ms, SYNCS);
    if (ms > SYNC_SLOW_MS)
        doctor_say(doctor, DOCTOR_WARN, "fsync", text,
                   "a checkpoint waits for a few of these, the job does not; take a faster disk "
                   "if checkpoints shall be more frequent");
    else
        doctor_say(doctor, DOCTOR_OK, "fsync", text, NULL);
}

void doctor_disk(struct doctor *doctor, const char *dir)
{
    char real[PATH_MAX], path[PATH_MAX + 64], text[PATH_MAX + 128];
    if (!nearest(dir, real) || access(real, W_OK | X_OK) < 0) {
        snprintf(text, sizeof text, "%s cannot be written: %s", dir, strerror(errno));
        doctor_say(doctor, DOCTOR_BROKEN, "checkpoint.dir", text,
                   "set checkpoint.dir to a folder that you may write to, or checkpoint.interval "
                   "to none");
        return;
    }
    void *page = aligned_alloc(PAGE, PAGE);
    if (!page)
        return;
    memset(page, 0, PAGE);
    say_place(doctor, real);
    snprintf(path, sizeof path, "%s/.weir-doctor-%ld", real, (long)getpid());
    say_direct(doctor, path, page);
    say_sync(doctor, path, page);
    free(page);
}
