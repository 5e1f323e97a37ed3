// supervisor.c: the one wait point. Signals, ends of tasks and time arrive through one epoll and
// are turned into events of slots (slot.c has the table).
//
// What a crash of the supervisor leaves: tasks that run on, and segments. The next supervisor
// adopts the tasks (tasks.c), and goes on with a stop that was under way (ending.c).
#include "stages/supervisor/supervisor.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "shm/bell.h"
#include "stages/supervisor/internal.h"
#include "stages/supervisor/journal.h"
#include "stages/supervisor/move.h"
#include "stages/supervisor/roll.h"

enum {
    EVENTS_AT_ONCE = 64,
    STOP_TIMEOUT_MS = 10000,
    SAME_REQUEST_MS = 100, // timeout(1) sends a signal to its child and then to the whole group
};

// What an epoll event is about: the index of a slot, or one of these.
enum { TAG_SIGNAL = 1 << 20, TAG_TIMER, TAG_BELL };

int64_t supervisor_now_ns(void)
{
    return env_system()->monotonic_ns(env_system());
}

int64_t supervisor_earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

int supervisor_watch(const struct supervisor *s, int fd, uint32_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

void supervisor_report(const struct supervisor *s, const struct supervisor_event *event)
{
    journal_event(s->options, event);
    if (s->options->on_event)
        s->options->on_event(event, s->options->context);
}

void supervisor_allow(struct supervisor *s, int64_t more_ms)
{
    int64_t now = supervisor_now_ns();
    int timeout = s->options->stop_timeout_ms ? s->options->stop_timeout_ms : STOP_TIMEOUT_MS;
    if (!s->ending || s->kill_at_ns < now) // asked twice: no more patience
        return;
    if (s->stop_timeout_ms) // who asked has said how long all of it may take
        return;
    s->kill_at_ns = now + (timeout + more_ms) * MS_NS;
}

// The job shall end; what has not stopped by the timeout is killed.
void supervisor_begin_end(struct supervisor *s)
{
    if (s->ending)
        return;
    s->ending = true;
    supervisor_allow(s, 0);
    if (s->stop_timeout_ms)
        s->kill_at_ns = supervisor_now_ns() + s->stop_timeout_ms * MS_NS;
    for (int i = 0; i < s->options->task_count; i++) // no time left to put anything off
        s->slots[i].start_at_ns = 0;
}

// --- events ---

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGUSR1) { // somebody asks for something; if not, for a checkpoint
            if (!asked_look(s) && s->coordinator && !s->ending) {
                coordinator_ask(s->coordinator, supervisor_now_ns());
                s->look_at_ns = 0;
            }
            continue;
        }
        if (s->ending && s->asked_ns) { // asked twice: no more patience
            if (supervisor_now_ns() - s->asked_ns > SAME_REQUEST_MS * MS_NS)
                s->kill_at_ns = 0;
            continue;
        }
        s->asked_ns = supervisor_now_ns();
        s->result->end = SUPERVISOR_END_STOPPED;
        s->result->stop_signal = (int)info.ssi_signo;
        struct supervisor_event event = {
            .kind = SUPERVISOR_STOPPING, .task_index = -1, .signal = (int)info.ssi_signo};
        supervisor_report(s, &event);
        supervisor_begin_end(s);
    }
}

// What is due by now.
static void on_time(struct supervisor *s)
{
    int64_t now = supervisor_now_ns();
    tasks_on_time(s, now);
    regions_on_time(s);
    asked_on_time(s, now);
    roll_on_time(s, now);
    move_on_time(s, now);
    if (s->kill_at_ns <= now) {
        s->kill_at_ns = INT64_MAX;
        tasks_handle_all(s, SLOT_KILL);
    }
    if (s->tick_at_ns <= now) {
        s->tick_at_ns = now + s->options->tick_ms * MS_NS;
        s->options->on_tick(s->control, s->options->context);
    }
}

// --- the wait ---

static int64_t next_deadline(const struct supervisor *s)
{
    int64_t next = supervisor_earlier(s->tick_at_ns, s->kill_at_ns);
    next = supervisor_earlier(supervisor_earlier(next, s->look_at_ns), s->drain_until_ns);
    const int64_t now = supervisor_now_ns();
    next = supervisor_earlier(next, roll_next_deadline(s, now));
    next = supervisor_earlier(next, move_next_deadline(s, now));
    return supervisor_earlier(next, tasks_next_deadline(s));
}

static void arm_timer(const struct supervisor *s)
{
    int64_t next = next_deadline(s);
    struct itimerspec when = {0};
    if (next != INT64_MAX) {
        next = next > 0 ? next : 1; // zero would switch the timer off
        when.it_value.tv_sec = next / (1000 * MS_NS);
        when.it_value.tv_nsec = next % (1000 * MS_NS);
    }
    timerfd_settime(s->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static bool all_done(const struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++)
        if (s->slots[i].state != SLOT_DONE)
            return false;
    return true;
}

static void on_event(struct supervisor *s, uint32_t tag)
{
    uint64_t ticks;
    if (tag == TAG_TIMER)
        (void)!read(s->timer_fd, &ticks, sizeof(ticks));
    else if (tag == TAG_SIGNAL)
        on_signal(s);
    else if (tag == TAG_BELL)
        bell_hear(s->bell_fd);
    else if (tag & SPARE_TAG)
        spares_on_end(s, tag);
    else if (tag & REGION_TAG)
        regions_on_end(s, tag);
    else
        tasks_on_end(s, &s->slots[tag]);
    if (tag != TAG_TIMER)
        ending_look(s);
}

static int wait_loop(struct supervisor *s)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    while (!all_done(s) && s->result->end != SUPERVISOR_END_REPLACED) {
        arm_timer(s);
        int n = epoll_wait(s->epoll_fd, events, EVENTS_AT_ONCE, -1);
        if (n < 0 && errno != EINTR)
            return err_set(s->err, -errno, "cannot wait for tasks: %s", strerror(errno));
        for (int i = 0; i < n; i++)
            on_event(s, events[i].data.u32);
        on_time(s);
        ending_on_time(s);
        if (s->result->end == SUPERVISOR_END_FAILED)
            supervisor_begin_end(s);
        if (s->ending)
            ending_stop_next_level(s);
    }
    return 0;
}

// --- begin and end ---

static int open_fds(struct supervisor *s)
{
    sigset_t taken;
    sigemptyset(&taken);
    sigaddset(&taken, SIGINT);
    sigaddset(&taken, SIGTERM);
    sigaddset(&taken, SIGUSR1);
    struct sigaction hangup;
    if (sigaction(SIGHUP, NULL, &hangup) == 0 && hangup.sa_handler != SIG_IGN) // not under nohup
        sigaddset(&taken, SIGHUP);
    sigprocmask(SIG_BLOCK, &taken, &s->old_mask);
    // Ctrl-C and a service manager's SIGTERM reach the whole process group; tasks leave them to us.
    s->task_mask = s->old_mask;
    sigaddset(&s->task_mask, SIGINT);
    sigaddset(&s->task_mask, SIGTERM);
    sigaddset(&s->task_mask, SIGHUP);
    s->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    s->signal_fd = signalfd(-1, &taken, SFD_CLOEXEC | SFD_NONBLOCK);
    s->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (s->epoll_fd < 0 || s->signal_fd < 0 || s->timer_fd < 0)
        return -errno;
    s->bell_fd = bell_open(s->options->dir->fd); // without it we look more often
    int status = supervisor_watch(s, s->signal_fd, TAG_SIGNAL);
    if (!status && s->bell_fd >= 0)
        status = supervisor_watch(s, s->bell_fd, TAG_BELL);
    return status ? status : supervisor_watch(s, s->timer_fd, TAG_TIMER);
}

static void close_fds(struct supervisor *s)
{
    int fds[] = {s->epoll_fd, s->signal_fd, s->timer_fd, s->bell_fd};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    // Asked, or asked again, when it was done: the caller is about to clean up.
    if (s->result->end != SUPERVISOR_END_FAILED) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
    }
    if (s->result->end != SUPERVISOR_END_REPLACED) // else the next one waits for them
        sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
}

static int run(struct supervisor *s)
{
    int status = open_fds(s);
    if (status) {
        err_set(s->err, status, "cannot set the supervisor up: %s", strerror(-status));
    } else {
        control_begin_supervisor(s->control);
        tasks_note_cpus(s);
        status = ending_begin_checkpoints(s);
        if (!status) {
            status = s->options->adopts ? tasks_adopt(s) : tasks_handle_all(s, SLOT_START);
            if (status)
                err_set(s->err, status, "cannot start a task: %s", strerror(-status));
        }
        journal_start(s->options, s->result->adopted);
        if (!status && s->options->adopts)
            ending_take_over(s);
        if (!status && s->options->adopts)
            regions_take_over(s);
        if (!status) {
            asked_begin(s);
            status = wait_loop(s);
        }
    }
    regions_close(s);
    bool goes_on = !status && s->result->end == SUPERVISOR_END_REPLACED;
    coordinator_free(s->coordinator);
    if (goes_on)
        tasks_let_go(s);
    else
        tasks_kill_rest(s);
    spares_close(s, goes_on);
    roll_free(s);
    move_free(s);
    status = stuck_end(s, status);
    close_fds(s);
    return status;
}

// What there is one of for each task.
static void make_tables(struct supervisor *s)
{
    const size_t count = (size_t)s->options->task_count;
    s->slots = calloc(count, sizeof(*s->slots));
    s->deaths = calloc(count, sizeof(*s->deaths));
    s->policies = calloc(count, sizeof(*s->policies));
    CHECK(s->slots && s->deaths && s->policies);
    for (size_t i = 0; i < count; i++) {
        s->slots[i] = (struct slot){.index = (int)i, .pidfd = -1};
        restart_init(&s->policies[i], &s->options->restart);
    }
    s->mortuary = (struct postmortem_context){s->control, s->options->errlog, s->options->events};
}

static void free_tables(struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++) {
        postmortem_write(&s->mortuary, &s->slots[i], &s->deaths[i]); // who was not replaced
        restart_fini(&s->policies[i]);
    }
    free(s->policies);
    free(s->deaths);
    free(s->slots);
}

int supervisor_run(const struct supervisor_options *options, struct supervisor_result *out,
                   struct err *err)
{
    CHECK(options->task_count > 0 && options->task_count <= CONTROL_TASKS_MAX);
    *out = (struct supervisor_result){.end = SUPERVISOR_END_FINISHED, .program_fd = -1};
    struct supervisor s = {.options = options,
                           .result = out,
                           .err = err,
                           .epoll_fd = -1,
                           .signal_fd = -1,
                           .timer_fd = -1,
                           .bell_fd = -1,
                           .tick_at_ns = INT64_MAX,
                           .kill_at_ns = INT64_MAX,
                           .look_at_ns = INT64_MAX,
                           .drain_until_ns = INT64_MAX,
                           .settle_until_ns = INT64_MAX,
                           .hang_at_ns = options->hang_after_ms > 0 ? 0 : INT64_MAX};
    s.ops = tasks_ops(&s);
    int status =
        control_attach_supervisor(options->dir->fd, options->job_fingerprint, &s.control, err);
    if (status)
        return status;
    if (control_task_count(s.control) != options->task_count) {
        status = err_set(err, -EINVAL, "the control block has %d tasks, the plan %d",
                         control_task_count(s.control), options->task_count);
        goto err_after_attach;
    }
    make_tables(&s);
    pinning_open(&s);
    if (options->tick_ms > 0 && options->on_tick)
        s.tick_at_ns = supervisor_now_ns() + options->tick_ms * MS_NS;
    spares_open(&s);
    regions_open(&s);
    status = run(&s);
    if (!status && out->end == SUPERVISOR_END_FAILED)
        status = -ECANCELED;
    pinning_close(&s);
    free_tables(&s);
    journal_end(options, out, status ? err->text : NULL);
err_after_attach:
    control_detach(s.control);
    return status;
}
