// stuck.c: see stuck.h.
//
// What a crash of the supervisor leaves: processes that the next one finds in the control block and
// looks at in the same way. Buried ones are nobody's any more: none of them can be a task again.
#include "stages/supervisor/stuck.h"

#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/supervisor/internal.h"

enum {
    LOOK_MS = 500,
    SILENT_MS = 1000,   // a task gives a sign ten times a second: who is silent is looked at
    PATIENCE_MS = 5000, // from SIGKILL until a process is said not to die
    WHERE_BYTES = 768,
};

// " (fdatasync of /cp/1.snapshot, in folio_wait_writeback)", or "".
static void append_where(pid_t pid, char *text, size_t bytes)
{
    char where[WHERE_BYTES - 8];
    size_t len = strlen(text);
    hang_describe_sleep(pid, where, sizeof where);
    if (*where)
        snprintf(text + len, bytes - len, " (%s)", where);
}

static void report(struct supervisor *s, const struct slot *slot, const char *text)
{
    const struct supervisor_event event = {
        .kind = SUPERVISOR_STUCK, .task_index = slot->index, .pid = slot->pid, .text = text};
    supervisor_report(s, &event);
}

// --- the buried ---

static bool has_ended(const struct buried *buried)
{
    siginfo_t info = {0};
    struct pollfd end = {.fd = buried->pidfd, .events = POLLIN};
    if (buried->is_adopted)
        return poll(&end, 1, 0) > 0;
    return waitid(P_PIDFD, (id_t)buried->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid != 0;
}

static void look_at_buried(struct stuck *stuck)
{
    int kept = 0;
    for (int i = 0; i < stuck->count; i++) {
        if (has_ended(&stuck->buried[i]))
            close(stuck->buried[i].pidfd);
        else
            stuck->buried[kept++] = stuck->buried[i];
    }
    stuck->count = kept;
}

// The slot's process is dead but for some thread of it: the slot has none any more.
static void bury(struct supervisor *s, struct slot *slot)
{
    char text[WHERE_BYTES + 128];
    struct stuck *stuck = &s->stuck;
    snprintf(text, sizeof text, "is dead, but a thread of its process does not end");
    append_where(slot->pid, text, sizeof text);
    report(s, slot, text);
    epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, slot->pidfd, NULL);
    stuck->buried[stuck->count++] = (struct buried){slot->pid, slot->pidfd, slot->is_adopted};
    slot->pidfd = -1;
    slot->exit_status = 0;
    slot->signal = 0;
    slot->is_cause_unknown = true;
    tasks_ended(s, slot);
}

// --- tasks ---

// Is its first thread on its way out, and has been for some time? A pid that is another's by now is
// no matter: then the pidfd says that the process has ended.
static bool is_dead_for_long(struct slot *slot, int64_t now)
{
    const struct process_id process = {slot->pid, process_start_time(slot->pid)};
    if (process_can_run(process)) {
        slot->dying_ns = 0;
        return false;
    }
    if (slot->dying_ns == 0)
        slot->dying_ns = now;
    return now - slot->dying_ns >= SILENT_MS * MS_NS;
}

// It was killed because the job ends, and does not. Nothing else can be done here.
static void give_up(struct supervisor *s, struct slot *slot)
{
    char text[WHERE_BYTES + 128];
    snprintf(text, sizeof text, "was killed and does not end");
    append_where(slot->pid, text, sizeof text);
    report(s, slot, text);
    slot->is_left = true;
    epoll_ctl(s->epoll_fd, EPOLL_CTL_DEL, slot->pidfd, NULL);
    s->stuck.end_by_ns = supervisor_now_ns() + SILENT_MS * MS_NS; // all were killed that long ago
    slot_handle(slot, SLOT_CRASHED, supervisor_now_ns(), &s->ops);
}

static void look_at(struct supervisor *s, struct slot *slot, int64_t now)
{
    if (slot->pidfd < 0 || slot->is_left || now - tasks_last_sign(s, slot) < SILENT_MS * MS_NS)
        return;
    if (is_dead_for_long(slot, now)) {
        if (slot->killed_ns == 0) // what keeps it, a library's thread, may go by that
            tasks_kill(slot);
        else if (now - slot->killed_ns > SILENT_MS * MS_NS && s->stuck.count < STUCK_BURIED_MAX)
            bury(s, slot);
    } else if (slot->state == SLOT_KILLED && slot->killed_ns &&
               now - slot->killed_ns > PATIENCE_MS * MS_NS) {
        give_up(s, slot);
    }
}

void stuck_on_time(struct supervisor *s, int64_t now)
{
    if (s->stuck.look_at_ns > now)
        return;
    s->stuck.look_at_ns = now + LOOK_MS * MS_NS;
    look_at_buried(&s->stuck);
    for (int i = 0; i < s->options->task_count; i++)
        look_at(s, &s->slots[i], now);
}

int64_t stuck_next_deadline(const struct supervisor *s)
{
    return s->stuck.look_at_ns;
}

void stuck_tell_asleep(struct supervisor *s, struct slot *slot, int64_t sign)
{
    char text[WHERE_BYTES + 256];
    if (slot->asleep_since_ns == sign)
        return;
    slot->asleep_since_ns = sign;
    snprintf(text, sizeof text, "%ssleeps in the kernel, where no signal reaches it",
             slot->killed_ns ? "was killed and " : "");
    append_where(slot->pid, text, sizeof text);
    report(s, slot, text);
}

// --- the end ---

bool stuck_wait_end(struct supervisor *s, pid_t pid, int pidfd, bool is_adopted)
{
    struct pollfd end = {.fd = pidfd, .events = POLLIN};
    int64_t now = supervisor_now_ns();
    if (s->stuck.end_by_ns == 0)
        s->stuck.end_by_ns = now + PATIENCE_MS * MS_NS;
    int64_t left_ms;
    int n;
    do {
        left_ms = (s->stuck.end_by_ns - supervisor_now_ns()) / MS_NS;
        n = poll(&end, 1, left_ms > 0 ? (int)left_ms : 0);
    } while (n < 0 && errno == EINTR);
    if (n > 0 && !is_adopted)
        waitpid(pid, NULL, 0);
    return n > 0;
}

int stuck_end(struct supervisor *s, int status)
{
    look_at_buried(&s->stuck);
    for (int i = 0; i < s->stuck.count; i++)
        close(s->stuck.buried[i].pidfd);
    s->stuck.count = 0;
    for (int i = 0; i < s->options->task_count; i++) {
        const struct slot *slot = &s->slots[i];
        char where[WHERE_BYTES] = "";
        if (!slot->is_left)
            continue;
        append_where(slot->pid, where, sizeof where);
        s->result->left_behind++;
        int (*say)(struct err *, int, const char *, ...) = status ? err_append : err_set;
        status = say(s->err, status ? status : -EBUSY,
                     "task %d, pid %d, was killed and does not end%s: nothing may take its place, "
                     "so the job's memory in %s stays; when the process is gone, run the job "
                     "again: it goes on from there",
                     i, (int)slot->pid, where, s->options->dir->path);
    }
    return status;
}
