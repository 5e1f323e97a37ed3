// hang.c: see hang.h. /proc/<pid>/status says it all: "State:\tT (stopped)", "TracerPid:\t0".
#include "stages/supervisor/hang.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

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
