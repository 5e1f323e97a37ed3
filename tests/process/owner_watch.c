// owner_watch.c: preloaded into every process of a job: notices two writers.
//
// It believes nothing that weir writes: not the owner word, not a pid in the control block. It sees
// the calls by which a process takes a robust mutex (its command says of which task), and that it
// then asks for the time, which is the first thing that a task does. From there on it is the one,
// and is noted in a file of ours, OWNER_WATCH. Two witnesses:
//
//   the kernel      of the thread that was the one before /proc must say now that it is gone or on
//                   its way out (PF_EXITING): it runs no more code
//   the one before  a task asks for the time all the while, between batches and in them; each time
//                   it must still be the one that is noted
//
// OWNER_WATCH_PLANT=1 plants the violation, once a task: a process is told that the mutex is its
// own though the task lives, and that the one before is gone. Both witnesses must see that.
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "shm/atomic.h"

enum { TASKS = 64, KIND_ROBUST = 0x10 };

#define FLAG_EXITING 0x4UL

// What the file holds, 64-bit words; of each task. One that holds the mutex writes them.
struct watch {
    uint64_t taken[TASKS], looks[TASKS]; // counts
    uint64_t seen_by_kernel[TASKS], seen_by_holder[TASKS], planted[TASKS];
    uint64_t holder[TASKS]; // thread id and start time of who took it last
};

static struct watch *watch;
static int task = -1; // ours
static uint64_t self; // as in `holder`, once we hold it
static int is_to_be;  // it has the mutex, and is about to be the one
static int has_planted;

// Thread id above, low bits of its start time below: what has been a thread once is not another.
static uint64_t identity(pid_t thread, unsigned long *flags, char *state)
{
    char path[64], text[1024];
    unsigned long long start = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", (int)thread);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *at = strrchr(text, ')');
    if (!at || sscanf(at,
                      ") %c %*d %*d %*d %*d %*d %lu %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d "
                      "%*d %*d %llu",
                      state, flags, &start) != 3)
        return 0;
    return (uint64_t)thread << 32 | (start & 0xffffffff);
}

// `weir task FOLDER INDEX`: the fourth word of the command.
static void find_task(void)
{
    char text[4096];
    int fd = open("/proc/self/cmdline", O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? 0 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    text[len > 0 ? len : 0] = '\0';
    const char *word = text, *end = text + (len > 0 ? len : 0);
    for (int i = 0; i < 3 && word < end; i++) {
        if (i == 1 && strcmp(word, "task") != 0)
            return;
        word += strlen(word) + 1;
    }
    long index = word < end ? strtol(word, NULL, 10) : -1;
    task = index >= 0 && index < TASKS ? (int)index : -1;
}

__attribute__((constructor)) static void begin(void)
{
    const char *path = getenv("OWNER_WATCH");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    void *at =
        fd < 0 ? MAP_FAILED : mmap(NULL, sizeof *watch, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    if (fd >= 0)
        close(fd);
    watch = at == MAP_FAILED ? NULL : at;
    find_task();
}

static void begin_as_the_one(void)
{
    unsigned long flags;
    char state;
    is_to_be = has_planted = 0;
    self = identity((pid_t)syscall(SYS_gettid), &flags, &state);
    uint64_t before = atomic_acquire_u64(&watch->holder[task]);
    atomic_release_u64(&watch->holder[task], self);
    watch->taken[task]++;
    if (before == 0 || identity((pid_t)(before >> 32), &flags, &state) != before)
        return; // gone
    if (state != 'Z' && state != 'X' && !(flags & FLAG_EXITING))
        watch->seen_by_kernel[task]++;
}

// Once a task: a process that was not given the mutex shall believe that it was.
static int plant(void)
{
    has_planted = getenv("OWNER_WATCH_PLANT") && atomic_acquire_u64(&watch->holder[task]) &&
                  !watch->planted[task];
    watch->planted[task] |= (uint64_t)has_planted;
    return has_planted;
}

static void find(void *out, const char *name)
{
    void *found = dlsym(RTLD_NEXT, name);
    memcpy(out, &found, sizeof found);
}

int pthread_mutex_clocklock(pthread_mutex_t *mutex, clockid_t clock, const struct timespec *until)
{
    static int (*call)(pthread_mutex_t *, clockid_t, const struct timespec *);
    if (!call)
        find(&call, "pthread_mutex_clocklock");
    const int is_owner = watch && task >= 0 && (mutex->__data.__kind & KIND_ROBUST);
    int status = is_owner && plant() ? EOWNERDEAD : call(mutex, clock, until);
    is_to_be = is_owner && (status == 0 || status == EOWNERDEAD);
    return status;
}

int pthread_mutex_consistent(pthread_mutex_t *mutex)
{
    static int (*call)(pthread_mutex_t *);
    if (!call)
        find(&call, "pthread_mutex_consistent");
    return has_planted ? 0 : call(mutex);
}

// What /proc says of the one before, to a process that shall believe a lie.
int open(const char *path, int flags, ...)
{
    static int (*call)(const char *, int, ...);
    va_list more;
    if (!call)
        find(&call, "open");
    va_start(more, flags);
    mode_t mode = flags & (O_CREAT | O_TMPFILE) ? va_arg(more, mode_t) : 0;
    va_end(more);
    size_t len = strlen(path);
    if (has_planted && strncmp(path, "/proc/", 6) == 0 && strcmp(path + len - 5, "/stat") == 0) {
        errno = ENOENT;
        return -1;
    }
    return call(path, flags, mode);
}

int pthread_mutex_unlock(pthread_mutex_t *mutex)
{
    static int (*call)(pthread_mutex_t *);
    if (!call)
        find(&call, "pthread_mutex_unlock");
    is_to_be = 0;
    if (self && (mutex->__data.__kind & KIND_ROBUST)) {
        if (atomic_acquire_u64(&watch->holder[task]) == self)
            atomic_release_u64(&watch->holder[task], 0);
        self = 0;
    }
    return call(mutex);
}

int clock_gettime(clockid_t clock, struct timespec *out)
{
    static int (*call)(clockid_t, struct timespec *);
    if (!call)
        find(&call, "clock_gettime");
    if (is_to_be)
        begin_as_the_one();
    if (self && (pid_t)(self >> 32) == (pid_t)syscall(SYS_gettid)) {
        watch->looks[task]++;
        if (atomic_acquire_u64(&watch->holder[task]) != self)
            watch->seen_by_holder[task]++;
    }
    return call(clock, out);
}
