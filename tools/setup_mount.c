// setup_mount.c: the steps of `weir setup-host`: folder, mount, line in /etc/fstab, and back.
//
// What is there is looked at first, so that each step can be left out, and a second call finishes
// what a first one could not. A mount that turns out to have no huge pages is taken away again.
#include <dirent.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shm/budget.h"
#include "shm/huge.h"
#include "tools/command.h"
#include "tools/fstab.h"
#include "tools/memory_dir.h"
#include "tools/setup_host.h"

// Each user makes a folder of its own there (0700), and cannot remove another's.
#define OPTIONS "mode=1777,huge=within_size,size="

static const unsigned long flags = MS_NOSUID | MS_NODEV | MS_NOEXEC;
static const char size_default[] = "50%";

// --- the mount ---

static bool is_empty_folder(const char *path)
{
    DIR *dir = opendir(path);
    int names = 0;
    while (dir && readdir(dir))
        names++;
    if (dir)
        closedir(dir);
    return dir && names <= 2; // "." and ".."
}

static int make_folder(struct setup *setup, struct err *err)
{
    struct stat st;
    if (stat(setup->path, &st) == 0) {
        if (!S_ISDIR(st.st_mode))
            return err_set(err, -ENOTDIR, "%s is no folder; name another --path", setup->path);
        return is_empty_folder(setup->path)
                   ? 0
                   : err_set(err, -ENOTEMPTY,
                             "%s is not empty, and a mount would hide what is in it; name another "
                             "--path",
                             setup->path);
    }
    if (errno != ENOENT)
        return err_set(err, -errno, "%s: %s", setup->path, strerror(errno));
    setup_say(setup, "make the folder %s", setup->path);
    if (!setup->dry_run && mkdir(setup->path, 0755) < 0)
        return err_set(err, -errno, "cannot make the folder %s: %s", setup->path, strerror(errno));
    return 0;
}

static int do_mount(const struct setup *setup, const char *size, unsigned long more,
                    struct err *err)
{
    char options[128];
    snprintf(options, sizeof options, OPTIONS "%s", size);
    if (mount(MEMORY_DIR_SOURCE, setup->path, "tmpfs", flags | more, options) < 0)
        return err_set(err, -errno, "cannot mount a tmpfs on %s with %s: %s", setup->path, options,
                       errno == EINVAL && more ? "more than that is in use there"
                                               : strerror(errno));
    return 0;
}

static int mount_new(struct setup *setup, const char *size, struct err *err)
{
    int rc = make_folder(setup, err);
    if (rc < 0)
        return rc;
    setup_say(setup, "mount a tmpfs on %s with " OPTIONS "%s", setup->path, size);
    if (setup->dry_run)
        return 0;
    rc = do_mount(setup, size, 0, err);
    if (rc < 0)
        return rc;
    if (huge_look(setup->path).page_bytes == 0) {
        umount2(setup->path, 0);
        return err_set(err, -EOPNOTSUPP,
                       "the kernel gives a tmpfs with huge=within_size no huge pages; the mount is "
                       "taken away again");
    }
    return 0;
}

// Mounted: perhaps with another size, or by somebody without huge pages.
static int mount_again(struct setup *setup, const char *size, struct err *err)
{
    struct statfs fs;
    char bytes[32];
    bool is_huge = huge_look(setup->path).page_bytes != 0;
    if (is_huge && !*setup->size) {
        if (!setup->json && statfs(setup->path, &fs) == 0)
            printf("%s is mounted already, with huge pages, %s\n", setup->path,
                   budget_format_bytes((uint64_t)fs.f_blocks * (uint64_t)fs.f_bsize, bytes));
        return 0;
    }
    setup_say(setup, "mount the tmpfs on %s anew, as it is, with " OPTIONS "%s", setup->path, size);
    return setup->dry_run ? 0 : do_mount(setup, size, MS_REMOUNT, err);
}

// --- the next boot ---

// Write `line` in the place of ours (NULL: none).
static int set_line(struct setup *setup, const char *line, struct err *err)
{
    struct buf text = {.data = NULL};
    bool changed = false;
    int rc = fstab_plan(FSTAB_PATH, line, &text, &changed, err);
    if (rc == 0 && changed) {
        if (line)
            setup_say(setup, "write into %s, for the next boot: %s", FSTAB_PATH, line);
        else
            setup_say(setup, "take weir's line out of %s", FSTAB_PATH);
        if (!setup->dry_run)
            rc = fstab_write(FSTAB_PATH, buf_slice(&text), err);
    } else if (rc == 0 && line && !setup->json) {
        printf("%s has its line already\n", FSTAB_PATH);
    }
    buf_fini(&text);
    return rc;
}

// A line that is there keeps its options, unless a size was asked for, or it is of another folder.
static int make_permanent(struct setup *setup, const char *size, struct err *err)
{
    struct buf old = {.data = NULL};
    char line[PATH_MAX + 128], point[PATH_MAX] = "";
    bool is_there = fstab_find(FSTAB_PATH, &old);
    if (is_there)
        sscanf(buf_str(&old), " %*s %4095s", point);
    if (is_there && !*setup->size && strcmp(point, setup->path) == 0)
        snprintf(line, sizeof line, "%s", buf_str(&old));
    else // nofail: a boot must not depend on it
        snprintf(line, sizeof line, "%s %s tmpfs rw,nosuid,nodev,noexec,nofail," OPTIONS "%s 0 0",
                 MEMORY_DIR_SOURCE, setup->path, size);
    buf_fini(&old);
    int rc = set_line(setup, line, err);
    return rc < 0
               ? err_append(err, rc,
                            "%s is mounted, but will not be after the next boot; this line would "
                            "do it:  %s",
                            setup->path, line)
               : 0;
}

int setup_mount(struct setup *setup, struct err *err)
{
    const char *size = *setup->size ? setup->size : size_default;
    int rc = *setup->mount ? mount_again(setup, size, err) : mount_new(setup, size, err);
    if (rc < 0)
        return COMMAND_UNAVAILABLE;
    if (make_permanent(setup, size, err) < 0)
        return COMMAND_FAILED;
    if (!setup->json && !setup->dry_run)
        printf("jobs without a memory.dir of their own go to %s from now on; those that run stay "
               "where they are\nto undo it:  weir setup-host --remove\n",
               setup->path);
    return COMMAND_OK;
}

// --- and back ---

// "uv of user 1000, uw of user 0": what a job has there, or has left there.
static void list_jobs(const char *path, struct buf *out)
{
    char folder[PATH_MAX + 300];
    DIR *users = opendir(path);
    for (struct dirent *user; users && (user = readdir(users));) {
        if (strncmp(user->d_name, "weir-", strlen("weir-")) != 0)
            continue;
        snprintf(folder, sizeof folder, "%s/%s", path, user->d_name);
        DIR *jobs = opendir(folder);
        for (struct dirent *job; jobs && (job = readdir(jobs));)
            if (job->d_name[0] != '.')
                buf_printf(out, "%s%s of user %s", out->len ? ", " : "", job->d_name,
                           user->d_name + strlen("weir-"));
        if (jobs)
            closedir(jobs);
    }
    if (users)
        closedir(users);
}

static int unmount(struct setup *setup, struct err *err)
{
    struct buf jobs = {.data = NULL};
    int rc = 0;
    list_jobs(setup->mount, &jobs);
    if (jobs.len)
        rc =
            err_set(err, -EBUSY,
                    "jobs have their memory in %s: %s; stop them first (what a killed run has left "
                    "there is lost with the folder of that job, which can be removed)",
                    setup->mount, buf_str(&jobs));
    buf_fini(&jobs);
    if (rc < 0)
        return rc;
    setup_say(setup, "unmount %s", setup->mount);
    if (setup->dry_run)
        return 0;
    if (umount2(setup->mount, 0) < 0)
        return err_set(err, -errno, "cannot unmount %s: %s", setup->mount,
                       errno == EBUSY ? "somebody uses it (fuser -m says who)" : strerror(errno));
    rmdir(setup->mount); // unless somebody has put something there
    return 0;
}

int setup_remove(struct setup *setup, struct err *err)
{
    struct buf line = {.data = NULL};
    bool has_line = fstab_find(FSTAB_PATH, &line);
    buf_fini(&line);
    if (!*setup->mount && !has_line) {
        if (!setup->json)
            puts("the host is not set up: there is nothing to remove");
        return COMMAND_OK;
    }
    if (*setup->mount && unmount(setup, err) < 0)
        return COMMAND_UNAVAILABLE;
    return set_line(setup, NULL, err) < 0 ? COMMAND_FAILED : COMMAND_OK;
}
