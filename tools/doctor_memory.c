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
#include "tools/doctor.h"

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

// The options of the file system that the folder is on: of the longest mount point that holds it.
static void mount_options(const char *dir, char *out, size_t bytes)
{
    char line[4096], point[4096];
    size_t best = 0;
    out[0] = '\0';
    FILE *file = fopen("/proc/self/mountinfo", "re");
    while (file && fgets(line, sizeof line, file)) {
        const char *options = strstr(line, " - ");
        if (sscanf(line, "%*d %*d %*s %*s %4095s", point) != 1 || !options)
            continue;
        size_t len = strlen(point);
        bool holds = strncmp(dir, point, len) == 0 &&
                     (dir[len] == '/' || dir[len] == '\0' || strcmp(point, "/") == 0);
        if (!holds || len < best)
            continue;
        best = len;
        snprintf(out, bytes, "%s", options);
    }
    if (file)
        fclose(file);
}

// "always within_size [never]": what is chosen.
static void shmem_pages(char out[32])
{
    char line[256];
    out[0] = '\0';
    FILE *file = fopen("/sys/kernel/mm/transparent_hugepage/shmem_enabled", "re");
    if (!file)
        return;
    if (fgets(line, sizeof line, file)) {
        const char *from = strchr(line, '['), *to = from ? strchr(from, ']') : NULL;
        if (to)
            snprintf(out, 32, "%.*s", (int)(to - from - 1), from + 1);
    }
    fclose(file);
}

static void say_pages(struct doctor *doctor, const char *dir)
{
    char options[4096], chosen[32], text[256];
    mount_options(dir, options, sizeof options);
    shmem_pages(chosen);
    bool is_huge = strstr(options, "huge=always") || strstr(options, "huge=within_size");
    if (strcmp(chosen, "force") == 0)
        is_huge = true;
    if (strcmp(chosen, "deny") == 0)
        is_huge = false;
    snprintf(text, sizeof text, "%s (shmem_enabled: %s)",
             is_huge ? "2 MiB pages" : "4 KiB pages only", *chosen ? chosen : "not there");
    if (is_huge)
        doctor_say(doctor, DOCTOR_OK, "huge pages", text, NULL);
    else
        doctor_say(doctor, DOCTOR_WARN, "huge pages", text,
                   "a task with much state is replaced faster with 2 MiB pages: as root, once, "
                   "mount -t tmpfs -o huge=within_size,size=50% tmpfs /mnt/weir, then "
                   "memory.dir: /mnt/weir");
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
