// roll_check.c: see roll_check.h. The child writes into two memory files, so that it never waits
// for us; it is given some seconds. What it says is input.
#include "stages/supervisor/roll_check.h"

#include <errno.h>
#include <inttypes.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

enum { CHECK_MS = 5000, SAID_BYTES = 2048, EXIT_USAGE = 64 };

_Noreturn static void child(const struct roll_question *question, int out, int complaints)
{
    char path[64];
    char *const argv[] = {
        "weir", "task", "--check", (char *)question->folder, (char *)question->config, NULL};
    snprintf(path, sizeof path, "/proc/self/fd/%d", question->program_fd);
    sigprocmask(SIG_SETMASK, question->mask, NULL);
    if (question->allowed && CPU_COUNT(question->allowed))
        sched_setaffinity(0, sizeof(*question->allowed), question->allowed);
    if (dup2(out, STDOUT_FILENO) >= 0 && dup2(complaints, STDERR_FILENO) >= 0)
        execv(path, argv);
    dprintf(complaints, "it cannot be run: %s", strerror(errno));
    _exit(127);
}

// What was written, without the newline at its end and "weir: " at its begin.
static void read_said(int fd, char said[SAID_BYTES])
{
    static const char prefix[] = "weir: ";
    ssize_t len = pread(fd, said, SAID_BYTES - 1, 0);
    said[len > 0 ? len : 0] = '\0';
    while (len > 0 && said[len - 1] == '\n')
        said[--len] = '\0';
    if (strncmp(said, prefix, sizeof prefix - 1) == 0)
        memmove(said, said + sizeof prefix - 1, strlen(said) - sizeof prefix + 2);
}

// It names itself: "weir VERSION DEVICE INODE". A script that starts the program is another file.
static int read_name(const struct roll_question *question, const char *said,
                     char version[ROLL_VERSION_BYTES], struct err *err)
{
    struct stat st;
    uint64_t device, inode;
    if (sscanf(said, "weir %63s %" SCNu64 " %" SCNu64, version, &device, &inode) != 3)
        return err_set(err, -ENOEXEC, "it is no weir, or one that cannot take a running job over");
    if (fstat(question->program_fd, &st) < 0 || st.st_dev != device || st.st_ino != inode)
        return err_set(err, -ENOEXEC,
                       "it starts another program; name that one itself with --program");
    return 0;
}

static int judge(const struct roll_question *question, int status, const int fds[2],
                 char version[ROLL_VERSION_BYTES], struct err *err)
{
    char said[SAID_BYTES];
    if (WIFSIGNALED(status))
        return err_set(err, -ENOEXEC, "it was ended by signal %d (%s)", WTERMSIG(status),
                       strsignal(WTERMSIG(status)));
    read_said(fds[WEXITSTATUS(status) != 0], said);
    if (WEXITSTATUS(status) == 0)
        return read_name(question, said, version, err);
    if (WEXITSTATUS(status) == EXIT_USAGE || !*said)
        return err_set(err, -ENOEXEC,
                       "it is no weir, or one that cannot take a running job over (status %d)",
                       WEXITSTATUS(status));
    return err_set(err, -EPROTO, "%s", said);
}

static int ask(const struct roll_question *question, const int fds[2],
               char version[ROLL_VERSION_BYTES], struct err *err)
{
    int status = 0;
    pid_t pid = fork();
    if (pid == 0)
        child(question, fds[0], fds[1]);
    int pidfd = pid < 0 ? -1 : (int)syscall(SYS_pidfd_open, pid, 0);
    if (pidfd < 0) {
        int rc = -errno;
        if (pid > 0) {
            kill(pid, SIGKILL);
            waitpid(pid, NULL, 0);
        }
        return err_set(err, rc, "it cannot be run: %s", strerror(-rc));
    }
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    bool is_late = poll(&end, 1, CHECK_MS) == 0;
    if (is_late)
        kill(pid, SIGKILL); // not reaped yet: the pid is its own
    waitpid(pid, &status, 0);
    close(pidfd);
    if (is_late)
        return err_set(err, -ETIMEDOUT, "it gave no answer within %d s", CHECK_MS / 1000);
    return judge(question, status, fds, version, err);
}

int roll_check(const struct roll_question *question, char version[ROLL_VERSION_BYTES],
               struct err *err)
{
    int fds[2] = {memfd_create("said", MFD_CLOEXEC), memfd_create("complained", MFD_CLOEXEC)};
    int rc = fds[0] < 0 || fds[1] < 0
                 ? err_set(err, -errno, "it cannot be asked: %s", strerror(errno))
                 : ask(question, fds, version, err);
    for (int i = 0; i < 2; i++)
        if (fds[i] >= 0)
            close(fds[i]);
    return rc;
}
