// metrics.c: see metrics.h. The process is this program again (`weir metrics-server`), so it has
// none of the supervisor's memory or descriptors but the listening socket and a pipe on which it
// says that it serves, or why not.
#include "tools/metrics.h"

#include <errno.h>
#include <fcntl.h>
#include <netdb.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"

enum { BACKLOG = 64, READY_MS = 10000, BIND_TRIES = 40, BIND_PAUSE_MS = 50 };

static const int64_t PAUSE_FIRST_NS = INT64_C(1000000000), PAUSE_MOST_NS = INT64_C(60000000000);

// --- the address ---

// "host:port"; the host may be "[::1]", or "*" for all addresses of this host.
static int resolve(const char *listen, struct addrinfo **out, struct err *err)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    char host[256];
    const char *colon = strrchr(listen, ':');
    CHECK(colon); // the config has seen to it
    size_t bytes = (size_t)(colon - listen);
    const bool is_bracketed = bytes > 2 && listen[0] == '[' && colon[-1] == ']';
    if (bytes >= sizeof host)
        return err_set(err, -EINVAL, "metrics.listen: the host of %s is too long", listen);
    snprintf(host, sizeof host, "%.*s", (int)(is_bracketed ? bytes - 2 : bytes),
             is_bracketed ? listen + 1 : listen);
    int code = getaddrinfo(strcmp(host, "*") == 0 ? NULL : host, colon + 1, &hints, out);
    if (code == 0)
        return 0;
    return err_set(err, -EINVAL,
                   "metrics.listen: %s is no address: %s; name an address of this host, as in "
                   "127.0.0.1:9090, or *:9090 for all of them",
                   listen, code == EAI_SYSTEM ? strerror(errno) : gai_strerror(code));
}

int metrics_check(const char *listen, struct err *err)
{
    struct addrinfo *found;
    int rc = listen ? resolve(listen, &found, err) : 0;
    if (rc == 0 && listen)
        freeaddrinfo(found);
    return rc;
}

static int bind_one(const struct addrinfo *address)
{
    const int yes = 1;
    int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -errno;
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(fd, address->ai_addr, address->ai_addrlen) == 0 && listen(fd, BACKLOG) == 0)
        return fd;
    int code = -errno;
    close(fd);
    return code;
}

static int explain(const char *listen, int code, struct err *err)
{
    if (code == -EADDRINUSE)
        return err_set(err, code,
                       "metrics.listen: %s is in use by another process; choose another port, or "
                       "end that process (ss -ltnp shows it)",
                       listen);
    if (code == -EADDRNOTAVAIL)
        return err_set(err, -EINVAL, "metrics.listen: %s is not an address of this host", listen);
    return err_set(err, code, "metrics.listen: cannot listen on %s: %s", listen, strerror(-code));
}

static void pause_ms(int ms)
{
    const struct timespec pause = {.tv_nsec = ms * 1000000L};
    nanosleep(&pause, NULL);
}

// The process of a supervisor that was killed may still be on its way out.
static int bind_address(const char *listen, struct err *err)
{
    struct addrinfo *found;
    int fd = resolve(listen, &found, err);
    if (fd < 0)
        return fd;
    fd = bind_one(found);
    for (int i = 0; fd == -EADDRINUSE && i < BIND_TRIES; i++) {
        pause_ms(BIND_PAUSE_MS);
        fd = bind_one(found);
    }
    freeaddrinfo(found);
    return fd < 0 ? explain(listen, fd, err) : fd;
}

// --- the process ---

// In the child. Only calls that are safe after fork.
static void become(const struct metrics *m, int ready_fd, pid_t parent)
{
    char listen_text[16], ready_text[16], parent_text[16];
    sigset_t none;
    snprintf(listen_text, sizeof listen_text, "%d", m->fd);
    snprintf(ready_text, sizeof ready_text, "%d", ready_fd);
    snprintf(parent_text, sizeof parent_text, "%d", (int)parent);
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    fcntl(m->fd, F_SETFD, 0);
    fcntl(ready_fd, F_SETFD, 0);
    const char *const words[] = {"weir",      "metrics-server", listen_text, ready_text,
                                 parent_text, m->path,          m->job,      NULL};
    execv("/proc/self/exe", (char *const *)words);
    _exit(127);
}

// What it says on the pipe: one byte '+', or why not. End of file: it is gone.
static int await_ready(int fd, struct err *err)
{
    char text[ERR_TEXT_BYTES / 2];
    struct pollfd poll_fd = {.fd = fd, .events = POLLIN};
    int n;
    do {
        n = poll(&poll_fd, 1, READY_MS);
    } while (n < 0 && errno == EINTR);
    ssize_t len = n > 0 ? read(fd, text, sizeof text - 1) : -1;
    if (len > 0 && text[0] == '+')
        return 0;
    if (len <= 0)
        return err_set(err, -EPIPE, "metrics.listen: the process that serves them does not start");
    text[len] = '\0';
    return err_set(err, -EPIPE, "metrics.listen: %s", text);
}

static void end_process(struct metrics *m)
{
    if (m->pid <= 0)
        return;
    kill(m->pid, SIGKILL);
    waitpid(m->pid, NULL, 0);
    m->pid = 0;
}

// waits: until it serves.
static int start(struct metrics *m, bool waits, struct err *err)
{
    int pipe_fds[2];
    if (pipe2(pipe_fds, O_CLOEXEC) < 0)
        return err_set(err, -errno, "metrics.listen: no pipe: %s", strerror(errno));
    const pid_t parent = getpid();
    const pid_t child = fork();
    if (child == 0)
        become(m, pipe_fds[1], parent);
    int rc =
        child < 0 ? err_set(err, -errno, "metrics.listen: no process: %s", strerror(errno)) : 0;
    close(pipe_fds[1]);
    m->pid = child > 0 ? child : 0;
    if (rc == 0 && waits)
        rc = await_ready(pipe_fds[0], err);
    close(pipe_fds[0]);
    if (rc < 0)
        end_process(m);
    return rc;
}

int metrics_open(struct metrics *m, struct err *err)
{
    m->fd = -1;
    m->pid = 0;
    m->pause_ns = PAUSE_FIRST_NS;
    if (!m->listen)
        return 0;
    m->fd = bind_address(m->listen, err);
    int rc = m->fd < 0 ? m->fd : start(m, true, err);
    if (rc < 0)
        metrics_close(m);
    return rc;
}

void metrics_tick(struct metrics *m, int64_t now_ns)
{
    if (m->fd < 0 || !m->listen)
        return;
    if (m->pid > 0) {
        if (waitpid(m->pid, NULL, WNOHANG) == 0)
            return;
        m->pid = 0;
        m->again_ns = now_ns + m->pause_ns;
        m->pause_ns = m->pause_ns * 2 < PAUSE_MOST_NS ? m->pause_ns * 2 : PAUSE_MOST_NS;
    }
    if (now_ns >= m->again_ns) {
        start(m, false, NULL);
        m->again_ns = now_ns + m->pause_ns; // where it could not be started
    }
}

void metrics_close(struct metrics *m)
{
    end_process(m);
    if (m->listen && m->fd >= 0)
        close(m->fd);
    m->fd = -1;
}
