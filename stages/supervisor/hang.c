// hang.c: see hang.h. /proc/<pid>/status says it all: "State:\tT (stopped)", "TracerPid:\t0".
#include "stages/supervisor/hang.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "stages/runtime/crash.h"

const char *hang_name(enum hang_kind kind)
{
    return kind == HANG_STOPPED ? "is stopped" : "runs without end in one batch";
}

// What follows `name` in the text; NULL: it is not there.
static const char *field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? at + strlen(name) : NULL;
}

enum hang_kind hang_judge(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return HANG_NONE;
    text[len] = '\0';
    const char *state = field(text, "\nState:\t"), *tracer = field(text, "\nTracerPid:\t");
    if (!state || (tracer && strtol(tracer, NULL, 10) != 0))
        return HANG_NONE;
    return *state == 'T' ? HANG_STOPPED : *state == 'R' ? HANG_BUSY : HANG_NONE;
}

// The process writes the record when it is next given the processor. One that does not handle the
// signal yet ends by it, which is as good.
void hang_ask_where(int pidfd, const struct errlog *errlog, int task_index, pid_t pid)
{
    enum { LOOKS = 20 };
    const struct timespec pause = {.tv_nsec = 1000000};
    struct errlog_crash crash;
    if (!errlog || syscall(SYS_pidfd_send_signal, pidfd, CRASH_TELL, NULL, 0) < 0)
        return;
    for (int i = 0; i < LOOKS && !errlog_read_crash(errlog, task_index, (uint32_t)pid, &crash); i++)
        nanosleep(&pause, NULL);
    nanosleep(&pause, NULL); // the frames come after the first word of it
}
