// doctor_memory.c: is the folder of the jobs' memory on tmpfs, how large is it, which pages has it?
#include <errno.h>
#include <limits.h>
#include <linux/magic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "shm/budget.h"
#include "shm/huge.h"
#include "tools/doctor.h"
#include "tools/memory_dir.h"
#include "tools/shmem_pages.h"

// The least that a job of one task asks for, about.
#define MEMORY_LEAST (UINT64_C(128) << 20)

static void say_size(struct doctor *doctor, const char *dir, const struct statfs *fs)
{
    char text[PATH_MAX + 128], size[32], available[32];
    uint64_t block = (uint64_t)fs->f_bsize, room = fs->f_bavail * block;
    bool is_tmpfs = fs->f_type == TMPFS_MAGIC;
    snprintf(text, sizeof text, "%s: %s%s, %s of it free", dir,
             budget_format_bytes(fs->f_blocks * block, size), is_tmpfs ? " of tmpfs" : "",
             budget_format_bytes(room, available));
    if (!is_tmpfs)
        doctor_say(doctor, DOCTOR_WARN, "memory.dir", text,
                   "it is not on tmpfs: every batch would go to a disk; set memory.dir to a folder "
                   "on tmpfs, such as /dev/shm");
    else if (room < MEMORY_LEAST)
        doctor_say(doctor, DOCTOR_WARN, "memory.dir", text,
                   "this is little (a container has 64 MiB by default: docker run --shm-size=4g); "
                   "`weir check JOB.yaml` says what a job needs, `mount -o remount,size=4g` gives "
                   "more");
    else
        doctor_say(doctor, DOCTOR_OK, "memory.dir", text, NULL);
}

static bool is_in(const char *dir, const char *mount)
{
    size_t len = strlen(mount);
    return strncmp(dir, mount, len) == 0 && (dir[len] == '/' || dir[len] == '\0');
}

static void say_pages(struct doctor *doctor, const char *dir)
{
    char chosen[32], mount[PATH_MAX], text[256], advice[2 * PATH_MAX + 256];
    shmem_pages_chosen(chosen);
    bool is_huge = huge_look(dir).page_bytes != 0, is_set_up = memory_dir_mount(mount);
    snprintf(text, sizeof text, "%s (shmem_enabled: %s)",
             is_huge ? "2 MiB pages" : "4 KiB pages only", *chosen ? chosen : "not there");
    if (is_huge) {
        doctor_say(doctor, DOCTOR_OK, "huge pages", text, NULL);
        return;
    }
    if (is_set_up && !is_in(dir, mount))
        snprintf(advice, sizeof advice,
                 "this host has them, at %s, but the memory is in %s: leave memory.dir out of the "
                 "config, and stop and run again a job that began there",
                 mount, dir);
    else if (!*chosen || strcmp(chosen, "deny") == 0)
        snprintf(advice, sizeof advice,
                 "a task with much state is replaced faster with 2 MiB pages, but this kernel %s",
                 *chosen ? "is told to deny them" : "has none for shared memory");
    else
        snprintf(advice, sizeof advice,
                 "a task with much state is replaced faster with 2 MiB pages: as root, once, "
                 "weir setup-host (--dry-run shows what it does)");
    doctor_say(doctor, DOCTOR_WARN, "huge pages", text, advice);
}

void doctor_memory(struct doctor *doctor, const char *dir)
{
    char real[PATH_MAX], text[PATH_MAX + 128];
    struct statfs fs;
    if (!realpath(dir, real) || statfs(real, &fs) < 0 || access(real, W_OK | X_OK) < 0) {
        snprintf(text, sizeof text, "%s cannot be used: %s", dir, strerror(errno));
        doctor_say(doctor, DOCTOR_BROKEN, "memory.dir", text,
                   "set memory.dir to a folder on tmpfs that you may write to");
        return;
    }
    say_size(doctor, real, &fs);
    say_pages(doctor, real);
}
