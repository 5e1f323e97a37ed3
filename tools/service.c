// service.c: see service.h. The protocol is stable and a few lines, and sd_notify(3) says to write
// them; docs/decisions/0008-sd-notify.md says why not libsystemd.
//
// A message that the manager has no room for is dropped, never waited for: the loop must not hang
// on it. What matters is told again: READY until it was taken, a sign of life with the next tick.
// Only what ends the run waits, a moment.
#include "tools/service.h"

#include <errno.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/buf.h"
#include "shm/process.h"

enum {
    SIGNS = 4, // of life, in the time after which the manager takes the run for dead
    TICK_MIN_MS = 10,
    STATUS_MS = 2000,
    EXTEND_MS = 1000,   // how often more time is asked for, ...
    EXTEND_BY_S = 15,   // ... and how much each time
    LAST_WORDS_MS = 500 // how long the manager may take to listen
};

#define MS_NS INT64_C(1000000)

// --- telling ---

// true: it was taken, or nobody listens. `flags` is MSG_DONTWAIT or 0.
static bool send_text(const struct service *s, const struct buf *text, int flags)
{
    if (s->fd < 0)
        return true;
    const struct sockaddr *to = (const struct sockaddr *)&s->address;
    ssize_t len;
    do {
        len = sendto(s->fd, text->data, text->len, flags | MSG_NOSIGNAL, to, s->address_bytes);
    } while (len < 0 && errno == EINTR);
    return len == (ssize_t)text->len;
}

// A line break would begin the next assignment.
static void append_status(struct buf *out, const char *text)
{
    buf_append_str(out, "STATUS=");
    for (const char *at = text; *at; at++)
        buf_append_char(out, (unsigned char)*at < ' ' ? ' ' : *at);
    buf_append_char(out, '\n');
}

// --- begin and end ---

// "/run/systemd/notify", or "@name" in the abstract namespace.
static int read_address(const char *path, struct service *out, struct err *err)
{
    size_t len = strlen(path);
    if ((path[0] != '/' && path[0] != '@') || len < 2 || len >= sizeof out->address.sun_path)
        return err_set(err, -EINVAL,
                       "NOTIFY_SOCKET is '%.120s', which is no Unix socket: nobody is told that "
                       "the job is ready",
                       path);
    out->address = (struct sockaddr_un){.sun_family = AF_UNIX};
    memcpy(out->address.sun_path, path, len);
    // An abstract name has no end mark, a path has one.
    out->address_bytes = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
    if (path[0] == '@')
        out->address.sun_path[0] = '\0';
    else
        out->address_bytes++;
    return 0;
}

// Microseconds, as a positive number; 0: not asked for, or not of us.
static int64_t read_watchdog(const char *period, const char *pid)
{
    char *end;
    if (!period || (pid && strtol(pid, NULL, 10) != getpid()))
        return 0;
    errno = 0;
    long long us = strtoll(period, &end, 10);
    return errno || end == period || *end || us <= 0 || us > INT64_MAX / 1000 ? 0 : us * 1000;
}

void service_keep(void)
{
    unsetenv("NOTIFY_SOCKET");
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
}

int service_open(struct service *out, struct err *err)
{
    const struct timeval patience = {.tv_usec = LAST_WORDS_MS * 1000};
    const char *path = getenv("NOTIFY_SOCKET");
    *out = (struct service){.fd = -1};
    int status = path ? read_address(path, out, err) : 0;
    if (path && !status) {
        out->watchdog_ns = read_watchdog(getenv("WATCHDOG_USEC"), getenv("WATCHDOG_PID"));
        out->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
        if (out->fd < 0)
            status =
                err_set(err, -errno, "cannot make a socket for NOTIFY_SOCKET: %s", strerror(errno));
        else
            setsockopt(out->fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    }
    service_keep();
    return status;
}

void service_close(struct service *service)
{
    if (service->fd >= 0)
        close(service->fd);
    service->fd = -1;
}

void service_hand_on(const struct service *service)
{
    char path[sizeof service->address.sun_path + 1] = "", number[32];
    if (service->fd < 0)
        return;
    size_t len = service->address_bytes - offsetof(struct sockaddr_un, sun_path);
    memcpy(path, service->address.sun_path, len);
    if (path[0] == '\0')
        path[0] = '@';
    setenv("NOTIFY_SOCKET", path, 1);
    if (service->watchdog_ns == 0)
        return;
    snprintf(number, sizeof number, "%lld", (long long)(service->watchdog_ns / 1000));
    setenv("WATCHDOG_USEC", number, 1);
    snprintf(number, sizeof number, "%d", (int)getpid());
    setenv("WATCHDOG_PID", number, 1);
}

int service_tick_ms(const struct service *service, int wanted_ms)
{
    int64_t ms = service->watchdog_ns / SIGNS / MS_NS;
    if (service->watchdog_ns == 0 || ms > wanted_ms)
        return wanted_ms;
    return ms < TICK_MIN_MS ? TICK_MIN_MS : (int)ms;
}

// --- while it runs ---

// A state that a dead process has left says nothing, but for that of one that has done its work.
static bool task_runs(const struct control_view *view)
{
    if (view->state == CONTROL_FINISHED)
        return true;
    return (view->state == CONTROL_RUNNING || view->state == CONTROL_WAITING_INPUT ||
            view->state == CONTROL_WAITING_OUTPUT) &&
           process_alive(view->process);
}

static bool all_run(const struct control *control)
{
    struct control_view view;
    for (int task = 0; task < control_task_count(control); task++) {
        control_view(control, task, &view);
        if (!task_runs(&view))
            return false;
    }
    return true;
}

static void append_progress(struct service *s, const struct progress *progress,
                            const struct control *control, int64_t now_ns, struct buf *out)
{
    struct progress_totals totals;
    struct buf line = {.data = NULL};
    struct progress shown = {.job = progress->job};
    progress_add_up(progress->plan, control, &totals);
    if (s->status_ns && totals.rows_in >= s->rows_in)
        shown.rows_per_second =
            (double)(totals.rows_in - s->rows_in) * 1e9 / (double)(now_ns - s->status_ns);
    progress_format_live(&shown, &totals, &line);
    if (s->checkpoint)
        buf_printf(&line, ", checkpoint %llu", (unsigned long long)s->checkpoint);
    append_status(out, buf_str(&line));
    buf_fini(&line);
    s->rows_in = totals.rows_in;
    s->status_ns = now_ns;
}

void service_tick(struct service *service, const struct progress *progress,
                  const struct control *control, int64_t now_ns)
{
    struct buf text = {.data = NULL};
    if (service->fd < 0)
        return;
    bool is_new = !service->is_ready && all_run(control);
    // A little early, so that ticks which come a little late are no trouble.
    bool is_due = service->watchdog_ns > 0 &&
                  now_ns - service->alive_ns >= service->watchdog_ns / SIGNS * 3 / 4;
    if (is_new)
        buf_append_str(&text, "READY=1\n");
    if (is_due)
        buf_append_str(&text, "WATCHDOG=1\n");
    if (service->is_stopping && now_ns - service->extended_ns >= EXTEND_MS * MS_NS) {
        buf_printf(&text, "EXTEND_TIMEOUT_USEC=%d\n", EXTEND_BY_S * 1000000);
        service->extended_ns = now_ns;
    } else if (!service->is_stopping &&
               (is_new || now_ns - service->status_ns >= STATUS_MS * MS_NS)) {
        append_progress(service, progress, control, now_ns, &text);
    }
    if (text.len && send_text(service, &text, MSG_DONTWAIT)) {
        service->is_ready |= is_new;
        service->alive_ns = is_due ? now_ns : service->alive_ns;
    }
    buf_fini(&text);
}

void service_event(struct service *service, const struct supervisor_event *event)
{
    struct buf text = {.data = NULL};
    char status[128] = "";
    if (event->kind == SUPERVISOR_CHECKPOINT) {
        service->checkpoint = event->checkpoint->checkpoint;
        if (service->is_stopping)
            snprintf(status, sizeof status, "stopping; its last checkpoint, %llu, is complete",
                     (unsigned long long)service->checkpoint);
    } else if (event->kind == SUPERVISOR_STOPPING) {
        if (event->signal)
            snprintf(status, sizeof status, "stopping on signal %d (%s)", event->signal,
                     strsignal(event->signal));
        else
            snprintf(status, sizeof status, "stopping (%s)", event->text);
        if (!service->is_stopping)
            buf_printf(&text, "STOPPING=1\nEXTEND_TIMEOUT_USEC=%d\n", EXTEND_BY_S * 1000000);
    }
    if (*status) {
        append_status(&text, status);
        send_text(service, &text, service->is_stopping ? MSG_DONTWAIT : 0);
        service->is_stopping |= event->kind == SUPERVISOR_STOPPING;
    }
    buf_fini(&text);
}

// --- before and after ---

void service_starting(struct service *service, const char *status, int seconds)
{
    struct buf text = {.data = NULL};
    if (!service->is_ready)
        buf_printf(&text, "EXTEND_TIMEOUT_USEC=%lld\n", seconds * 1000000LL);
    append_status(&text, status);
    send_text(service, &text, MSG_DONTWAIT);
    buf_fini(&text);
}

void service_extend(struct service *service, const char *status, int seconds)
{
    struct buf text = {.data = NULL};
    buf_printf(&text, "EXTEND_TIMEOUT_USEC=%lld\n", seconds * 1000000LL);
    append_status(&text, status);
    send_text(service, &text, 0);
    buf_fini(&text);
}

void service_ending(struct service *service, const char *why)
{
    struct buf text = {.data = NULL};
    if (!why && !service->is_ready)
        buf_append_str(&text, "READY=1\n");
    if (!service->is_stopping)
        buf_append_str(&text, "STOPPING=1\n");
    if (why)
        append_status(&text, why);
    if (text.len && send_text(service, &text, 0)) {
        service->is_ready |= !why;
        service->is_stopping = true;
    }
    buf_fini(&text);
}
