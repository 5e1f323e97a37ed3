// hang.c: see hang.h. /proc/<pid>/status says it all: "State:\tT (stopped)", "TracerPid:\t0"; where
// in the kernel a thread sleeps say "wchan" and "syscall" beside it.
#include "stages/supervisor/hang.h"

#include <dirent.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/runtime/crash.h"

const char *hang_name(enum hang_kind kind)
{
    static const char *const names[] = {[HANG_NONE] = "does not hang",
                                        [HANG_STOPPED] = "is stopped",
                                        [HANG_BUSY] = "runs without end in one batch",
                                        [HANG_ASLEEP] = "sleeps in the kernel"};
    return names[kind];
}

// What follows `name` in the text; NULL: it is not there.
static const char *field(const char *text, const char *name)
{
    const char *at = strstr(text, name);
    return at ? at + strlen(name) : NULL;
}

// A small file of /proc; false: it is not there, or not for us. NUL-terminated, without the last
// newline.
static bool read_file(const char *path, char *out, size_t bytes)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, out, bytes - 1);
    if (fd >= 0)
        close(fd);
    if (len > 0 && out[len - 1] == '\n')
        len--;
    out[len > 0 ? len : 0] = '\0';
    return len > 0;
}

enum hang_kind hang_judge(pid_t pid)
{
    char path[64], text[4096];
    snprintf(path, sizeof path, "/proc/%d/status", (int)pid);
    if (!read_file(path, text, sizeof text))
        return HANG_NONE;
    const char *state = field(text, "\nState:\t"), *tracer = field(text, "\nTracerPid:\t");
    if (!state || (tracer && strtol(tracer, NULL, 10) != 0))
        return HANG_NONE;
    return *state == 'T'   ? HANG_STOPPED
           : *state == 'R' ? HANG_BUSY
           : *state == 'D' ? HANG_ASLEEP
                           : HANG_NONE;
}

int64_t hang_cpu_ns(pid_t pid)
{
    enum { FIELDS = 11 }; // from the state, field 3, to utime, field 14
    static const int64_t SECOND_NS = 1000000000;
    char path[64], text[1024];
    unsigned long user = 0, kernel = 0;
    snprintf(path, sizeof path, "/proc/%d/task/%d/stat", (int)pid, (int)pid);
    const char *at = read_file(path, text, sizeof text) ? strrchr(text, ')') : NULL;
    at = at && at[1] == ' ' ? at + 2 : NULL;
    for (int i = 0; at && i < FIELDS; i++) {
        at = strchr(at, ' ');
        at = at ? at + 1 : NULL;
    }
    if (!at || sscanf(at, "%lu %lu", &user, &kernel) != 2)
        return 0;
    return (int64_t)(user + kernel) * (SECOND_NS / sysconf(_SC_CLK_TCK));
}

// --- where a thread sleeps ---

// Calls on a descriptor that reach a disk: what a thread of ours can sleep in for long.
static const char *call_name(long number)
{
    static const struct {
        long number;
        const char *name;
    } calls[] = {
        {SYS_read, "read"},           {SYS_pread64, "pread64"},     {SYS_write, "write"},
        {SYS_pwrite64, "pwrite64"},   {SYS_fsync, "fsync"},         {SYS_fdatasync, "fdatasync"},
        {SYS_ftruncate, "ftruncate"}, {SYS_fallocate, "fallocate"}, {SYS_close, "close"}};
    for (size_t i = 0; i < ARRAY_SIZE(calls); i++)
        if (calls[i].number == number)
            return calls[i].name;
    return NULL;
}

// "pwrite64 of /out/part-0-3", from the number of the call and its first argument.
static void describe_call(pid_t pid, const char *thread, char *out, size_t bytes)
{
    char path[96], text[256], file[512];
    char *end;
    *out = '\0';
    snprintf(path, sizeof path, "/proc/%d/task/%.16s/syscall", (int)pid, thread);
    if (!read_file(path, text, sizeof text))
        return;
    long number = strtol(text, &end, 10), fd = strtol(end, NULL, 16);
    const char *name = end == text ? NULL : call_name(number);
    if (!name)
        return;
    snprintf(path, sizeof path, "/proc/%d/fd/%ld", (int)pid, fd);
    ssize_t len = readlink(path, file, sizeof file - 1);
    file[len > 0 ? len : 0] = '\0';
    snprintf(out, bytes, len > 0 ? "%s of %s" : "%s", name, file);
}

static bool thread_sleeps(pid_t pid, const char *thread)
{
    char path[96], text[1024];
    snprintf(path, sizeof path, "/proc/%d/task/%.16s/stat", (int)pid, thread);
    const char *command_end = read_file(path, text, sizeof text) ? strrchr(text, ')') : NULL;
    return command_end && strncmp(command_end, ") D", 3) == 0;
}

void hang_describe_sleep(pid_t pid, char *out, size_t out_bytes)
{
    char path[96], where[128], call[640];
    *out = '\0';
    snprintf(path, sizeof path, "/proc/%d/task", (int)pid);
    DIR *threads = opendir(path);
    const struct dirent *thread;
    while (threads && (thread = readdir(threads)) && !*out) {
        if (thread->d_name[0] == '.' || !thread_sleeps(pid, thread->d_name))
            continue;
        snprintf(path, sizeof path, "/proc/%d/task/%.16s/wchan", (int)pid, thread->d_name);
        bool has_where = read_file(path, where, sizeof where) && strcmp(where, "0") != 0;
        describe_call(pid, thread->d_name, call, sizeof call);
        snprintf(out, out_bytes, "%s%s%s%s", call, *call && has_where ? ", " : "",
                 has_where ? "in " : "", has_where ? where : "");
    }
    if (threads)
        closedir(threads);
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
