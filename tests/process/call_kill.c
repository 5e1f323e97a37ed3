// call_kill.c: preloaded into every process of a job: counts calls that change what the disk keeps,
// and at the given one kills the job, before the call is made. See checkpoint_calls.py.
#include <dlfcn.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <unistd.h>

enum { COUNT, KILL_AT, PID }; // words of the shared file

static long *shared;
static int lock_fd = -1; // the shared file: whoever counts holds its lock; a kill lets go of it

static void map_shared(void)
{
    const char *path = getenv("CALL_KILL");
    int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *at = mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    lock_fd = fd;
    shared = at == MAP_FAILED ? NULL : at;
}

// The supervisor dies at once, whoever made the call never comes back from here, and neither does a
// task that makes another one; then the caller of all this kills the tasks.
static void count_call(void)
{
    if (!shared)
        map_shared();
    if (!shared)
        return;
    flock(lock_fd, LOCK_EX);
    long count = ++shared[COUNT];
    flock(lock_fd, LOCK_UN);
    if (!shared[KILL_AT] || count < shared[KILL_AT])
        return;
    kill((pid_t)shared[PID], SIGKILL);
    for (;;)
        pause();
}

static void *real(const char *name)
{
    return dlsym(RTLD_NEXT, name);
}

#define CALL_1(name, type)                                                                         \
    int name(type a)                                                                               \
    {                                                                                              \
        int (*call)(type);                                                                         \
        void *found = real(#name);                                                                 \
        memcpy(&call, &found, sizeof call);                                                        \
        count_call();                                                                              \
        return call(a);                                                                            \
    }
#define CALL_2(name, type_a, type_b)                                                               \
    int name(type_a a, type_b b)                                                                   \
    {                                                                                              \
        int (*call)(type_a, type_b);                                                               \
        void *found = real(#name);                                                                 \
        memcpy(&call, &found, sizeof call);                                                        \
        count_call();                                                                              \
        return call(a, b);                                                                         \
    }

CALL_2(rename, const char *, const char *)
CALL_2(mkdir, const char *, mode_t)
CALL_1(unlink, const char *)
CALL_1(rmdir, const char *)
CALL_1(fdatasync, int)
CALL_1(fsync, int)
