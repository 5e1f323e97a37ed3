// spawn.c: fork and exec, not posix_spawn: between the two the child binds its life to ours and
// takes its core, which posix_spawn cannot say. Every descriptor is close-on-exec, so nothing else
// is passed.
#include "stages/supervisor/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"

// In the child: exec, or tell the parent why not. Only calls that are safe after fork.
_Noreturn static void child_exec(const struct spawn_request *request, pid_t parent, int report_fd)
{
    char index[16], spare[16];
    snprintf(index, sizeof(index), "%d", request->task_index);
    snprintf(spare, sizeof(spare), "%d", request->spare);
    // "weir spare" in front: who looks for `weir task` finds the tasks. Its name when it is one.
    char *const argv[] = {request->spare < 0 ? "weir" : "weir spare",
                          "task",
                          (char *)request->job_folder,
                          index,
                          request->spare < 0 ? NULL : "--spare",
                          spare,
                          NULL};
    prctl(PR_SET_PDEATHSIG, SIGKILL);
    if (getppid() != parent) // it died before the line above
        _exit(127);
    if (request->allowed && CPU_COUNT(request->allowed))
        sched_setaffinity(0, sizeof(*request->allowed), request->allowed);
    if (request->cpu >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((unsigned)request->cpu, &set);
        sched_setaffinity(0, sizeof(set), &set); // a core that is gone: run anywhere
    }
    for (int i = 0; i < request->kept_count; i++)
        fcntl(request->kept_fds[i], F_SETFD, 0);
    sigprocmask(SIG_SETMASK, request->mask, NULL);
    execv(request->program, argv);
    int code = errno;
    if (write(report_fd, &code, sizeof(code)) != sizeof(code))
        _exit(126);
    _exit(127);
}

int spawn_task(const struct spawn_request *request, pid_t *pid, int *pidfd)
{
    CHECK(request->cpu < CPU_SETSIZE);
    int report[2], code = 0;
    if (pipe2(report, O_CLOEXEC) < 0)
        return -errno;
    pid_t parent = getpid();
    pid_t child = fork();
    if (child == 0)
        child_exec(request, parent, report[1]);
    int status = child < 0 ? -errno : 0;
    close(report[1]);
    ssize_t len = 0;
    do { // end of file: exec has closed the pipe
        if (!status)
            len = read(report[0], &code, sizeof(code));
    } while (len < 0 && errno == EINTR);
    close(report[0]);
    if (!status && len == sizeof(code))
        status = -code;
    // Our child is not reaped yet, so the pid is still its own.
    int fd = child < 0 ? -1 : (int)syscall(SYS_pidfd_open, child, 0);
    if (!status && fd < 0)
        status = -errno;
    if (!status) {
        *pid = child;
        *pidfd = fd;
        return 0;
    }
    if (child > 0) {
        kill(child, SIGKILL);
        waitpid(child, NULL, 0);
    }
    if (fd >= 0)
        close(fd);
    return status;
}
