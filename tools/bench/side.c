// side.c: see side.h. The parent waits for SIGINT, SIGTERM and SIGCHLD by sigtimedwait, so none can
// come between a look and a sleep.
#include "tools/bench/side.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "tools/bench/bench.h"

static sigset_t before; // the mask that programs are started with

static sigset_t waited_for(void)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigaddset(&set, SIGCHLD);
    return set;
}

void side_prepare(void)
{
    const sigset_t set = waited_for();
    signal(SIGCHLD, SIG_DFL); // an ignored one would take the exit statuses away
    sigprocmask(SIG_BLOCK, &set, &before);
}

void *side_share(size_t bytes)
{
    void *memory =
        mmap(NULL, bytes, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS | MAP_POPULATE, -1, 0);
    CHECK(memory != MAP_FAILED);
    return memory;
}

void side_unshare(void *memory, size_t bytes)
{
    munmap(memory, bytes);
}

// In the child, before its work.
static void become_side(int core, pid_t parent, int last_signal)
{
    prctl(PR_SET_PDEATHSIG, last_signal);
    if (getppid() != parent)
        _exit(1);
    setpgid(0, 0); // Ctrl-C is the parent's to handle
    if (core >= 0) {
        cpu_set_t set;
        CPU_ZERO(&set);
        CPU_SET((unsigned)core, &set);
        if (sched_setaffinity(0, sizeof set, &set) < 0)
            _exit(1);
    }
    prctl(PR_SET_TIMERSLACK, 1);
}

static int begin(struct side *side, int core, int last_signal, struct err *err)
{
    pid_t parent = getpid();
    fflush(NULL);
    pid_t pid = fork();
    if (pid < 0)
        return err_set(err, -errno, "a process cannot be started: %s", strerror(errno));
    if (pid == 0)
        become_side(core, parent, last_signal);
    *side = (struct side){pid, core};
    return 0;
}

int side_start(struct side *side, int core, int (*work)(void *context), void *context,
               struct err *err)
{
    int rc = begin(side, core, SIGKILL, err);
    if (rc == 0 && side->pid == 0)
        _exit(work(context));
    return rc;
}

int side_exec(struct side *side, char *const *argv, struct err *err)
{
    int rc = begin(side, -1, SIGTERM, err);
    if (rc < 0 || side->pid)
        return rc;
    int fd = open("/dev/null", O_WRONLY);
    if (fd >= 0)
        dup2(fd, STDOUT_FILENO);
    prctl(PR_SET_TIMERSLACK, 0); // the default again
    sigprocmask(SIG_SETMASK, &before, NULL);
    execv(argv[0], argv);
    _exit(127);
}

void side_kill(struct side *side)
{
    if (side->pid <= 0)
        return;
    kill(side->pid, SIGKILL);
    while (waitpid(side->pid, NULL, 0) < 0 && errno == EINTR)
        ;
    side->pid = 0;
}

// Wait for a signal for so long. true: somebody wants us to end.
static bool is_interrupted(int64_t ns)
{
    const sigset_t set = waited_for();
    const struct timespec time = {ns / BENCH_SECOND_NS, ns % BENCH_SECOND_NS};
    int signal = sigtimedwait(&set, NULL, &time);
    return signal > 0 && signal != SIGCHLD;
}

static int end_all(struct side *sides, int count)
{
    for (int i = 0; i < count; i++)
        side_kill(&sides[i]);
    return 0;
}

// 1: all have ended.
static int reap(struct side *sides, int count, struct err *err)
{
    int left = 0, status;
    for (int i = 0; i < count; i++) {
        pid_t got = sides[i].pid > 0 ? waitpid(sides[i].pid, &status, WNOHANG) : 0;
        if (got == sides[i].pid && got > 0) {
            sides[i].pid = 0;
            if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
                return err_set(err, -EIO, "a process of the benchmark (core %d) %s %d",
                               sides[i].core, WIFEXITED(status) ? "failed with status" : "died of",
                               WIFEXITED(status) ? WEXITSTATUS(status) : WTERMSIG(status));
        }
        left += sides[i].pid > 0;
    }
    return left == 0;
}

int side_wait(struct side *sides, int count, struct err *err)
{
    for (;;) {
        int done = reap(sides, count, err);
        if (done == 1)
            return 0;
        if (done == 0 && is_interrupted(BENCH_SECOND_NS / 10))
            done = err_set(err, -EINTR, "interrupted");
        if (done < 0) {
            end_all(sides, count);
            return done;
        }
    }
}

int side_sleep(double seconds, struct err *err)
{
    int64_t until = bench_now_ns() + (int64_t)(seconds * 1e9);
    for (int64_t left; (left = until - bench_now_ns()) > 0;)
        if (is_interrupted(left))
            return err_set(err, -EINTR, "interrupted");
    return 0;
}
