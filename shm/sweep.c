// sweep.c: see sweep.h. A process is a task of the job when its command line is `weir task FOLDER
// INDEX` with the job's own folder, and it is of this user. The pidfd is opened first and the
// signal goes there: a pid that is reused in between is nobody's harm.
#include "shm/sweep.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/control.h"
#include "shm/process.h"

enum { SWEEP_MS = 5000, COMMAND_BYTES = JOBDIR_PATH_BYTES + 256 };

// The words after the program's name: "task", the folder, an index, and nothing else.
static bool is_task_command(const char *text, size_t len, const char *folder)
{
    const char *const want[] = {"task", folder};
    const char *at = text, *end = text + len;
    CHECK(len > 0 && text[len] == '\0');
    for (size_t i = 0; i < ARRAY_SIZE(want); i++) {
        at += strlen(at) + 1;
        if (at >= end || strcmp(at, want[i]) != 0)
            return false;
    }
    at += strlen(at) + 1;
    if (at >= end || !isdigit((unsigned char)*at))
        return false;
    at += strlen(at) + 1;
    return at >= end || strcmp(at, "--spare") == 0; // also of one that is the task by now
}

static bool is_task_of(pid_t pid, const char *folder)
{
    char path[64], text[COMMAND_BYTES];
    struct stat st;
    snprintf(path, sizeof(path), "/proc/%d/cmdline", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t len =
        fstat(fd, &st) == 0 && st.st_uid == getuid() ? read(fd, text, sizeof(text) - 1) : 0;
    close(fd);
    if (len <= 0)
        return false;
    text[len] = '\0';
    return is_task_command(text, (size_t)len, folder);
}

// 1: it was one of them, and has ended; 0: it is another process, or none; -errno.
static int end_if_task(pid_t pid, const char *folder)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return 0;
    int status = 0;
    if (is_task_of(pid, folder) && syscall(SYS_pidfd_send_signal, fd, SIGKILL, NULL, 0) == 0) {
        struct pollfd end = {.fd = fd, .events = POLLIN};
        while ((status = poll(&end, 1, SWEEP_MS)) < 0 && errno == EINTR)
            ;
        status = status > 0 ? 1 : status == 0 ? -ETIMEDOUT : -errno;
    }
    close(fd);
    return status;
}

static int sweep_proc(const char *folder, int *ended, struct err *err)
{
    DIR *dir = opendir("/proc");
    if (!dir)
        return err_set(err, -errno, "cannot read /proc: %s", strerror(errno));
    int status = 0;
    for (struct dirent *entry = readdir(dir); entry && status >= 0; entry = readdir(dir)) {
        long pid = strtol(entry->d_name, NULL, 10); // names that are no pid give 0
        if (pid <= 0 || pid == getpid())
            continue;
        status = end_if_task((pid_t)pid, folder);
        if (status < 0)
            err_set(err, status, "a task of an earlier run, pid %ld, cannot be ended: %s", pid,
                    strerror(-status));
        *ended += status > 0;
    }
    closedir(dir);
    return status < 0 ? status : 0;
}

int sweep_tasks(const struct jobdir *dir, int *ended, struct err *err)
{
    struct err ignored;
    int by_control = 0, by_name = 0;
    CHECK(dir->lock_fd >= 0);
    int status = control_sweep(dir->fd, &by_control, &ignored);
    if (status == -EILSEQ)
        status = 0; // a damaged control block: all of them are found the other way
    else if (status)
        err_set(err, status, "%s", ignored.text);
    if (!status)
        status = sweep_proc(dir->path, &by_name, err);
    if (ended)
        *ended = by_control + by_name;
    return status;
}
