// process.c: pids with their start times, from /proc.
#include "shm/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

enum { STAT_BYTES = 1024, FIELDS_BEFORE_FLAGS = 6, FIELDS_BEFORE_START = 19 }; // from field 3 on

#define FLAG_EXITING 0x4UL // PF_EXITING, in the ninth field of /proc/<pid>/stat

struct stat_fields {
    char state;
    uint64_t flags, start_time;
};

// From /proc/<pid>/stat, which tells of the first thread. The command in it may hold anything but
// ends at the last ')'. False: no such process.
static bool stat_read(pid_t pid, struct stat_fields *out)
{
    char path[64], text[STAT_BYTES];
    snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len = read(fd, text, sizeof(text) - 1);
    close(fd);
    if (len <= 0)
        return false;
    text[len] = 0;
    const char *p = strrchr(text, ')');
    if (!p || p[1] != ' ')
        return false;
    p += 2;
    out->state = *p;
    for (int i = 0; i < FIELDS_BEFORE_START; i++) {
        if (i == FIELDS_BEFORE_FLAGS)
            out->flags = strtoull(p, NULL, 10);
        p = strchr(p, ' ');
        if (!p)
            return false;
        p++;
    }
    out->start_time = strtoull(p, NULL, 10);
    return true;
}

struct process_id process_self(void)
{
    pid_t pid = getpid();
    return (struct process_id){.pid = pid, .start_time = process_start_time(pid)};
}

uint64_t process_start_time(pid_t pid)
{
    struct stat_fields fields;
    return pid > 0 && stat_read(pid, &fields) ? fields.start_time : 0;
}

bool process_alive(struct process_id id)
{
    struct stat_fields fields;
    if (id.pid <= 0 || !stat_read(id.pid, &fields))
        return false;
    return fields.start_time == id.start_time && fields.state != 'Z' && fields.state != 'X';
}

bool process_can_run(struct process_id id)
{
    struct stat_fields fields;
    if (id.pid <= 0 || !stat_read(id.pid, &fields) || fields.start_time != id.start_time)
        return false;
    return fields.state != 'Z' && fields.state != 'X' && !(fields.flags & FLAG_EXITING);
}

int process_open(struct process_id id)
{
    if (id.pid <= 0)
        return -ESRCH;
    int fd = (int)syscall(SYS_pidfd_open, id.pid, 0);
    if (fd < 0)
        return -errno;
    // The pidfd holds on to whoever has the pid now: only then is the comparison final.
    if (process_start_time(id.pid) != id.start_time) {
        close(fd);
        return -ESRCH;
    }
    return fd;
}

static int wait_end(int pidfd, int timeout_ms)
{
    struct pollfd poll_fd = {.fd = pidfd, .events = POLLIN};
    int n;
    do {
        n = poll(&poll_fd, 1, timeout_ms);
    } while (n < 0 && errno == EINTR);
    return n > 0 ? 0 : n == 0 ? -ETIMEDOUT : -errno;
}

int process_wait(struct process_id id, int timeout_ms)
{
    int fd = process_open(id);
    if (fd < 0)
        return fd == -ESRCH ? 0 : fd;
    int status = wait_end(fd, timeout_ms);
    close(fd);
    return status;
}

int process_kill(struct process_id id, int timeout_ms)
{
    if (!process_alive(id))
        return -ESRCH;
    int fd = process_open(id);
    if (fd < 0)
        return fd;
    int status = 0;
    if (syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) < 0)
        status = -errno;
    else
        status = wait_end(fd, timeout_ms);
    close(fd);
    return status;
}

void process_cores_beside(pid_t host, cpu_set_t *out)
{
    cpu_set_t own, both;
    CPU_ZERO(&own);
    CPU_ZERO(out);
    sched_getaffinity(0, sizeof own, &own);
    if (sched_getaffinity(host > 0 ? host : getppid(), sizeof *out, out) < 0)
        *out = own;
    CPU_AND(&both, out, &own);
    if (CPU_COUNT(&own) == 1 && CPU_COUNT(out) > 1)
        CPU_XOR(out, out, &both);
}
