// supervisor.c: the one wait point. Signals, ends of tasks and time arrive through one epoll and
// are turned into events of slots (slot.c has the table).
//
// What a crash of the supervisor leaves: tasks die with it (PR_SET_PDEATHSIG, see spawn.c); the
// segments stay for the next run to find.
#include "stages/supervisor/supervisor.h"

#include <errno.h>
#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <sys/syscall.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "stages/supervisor/hang.h"
#include "stages/supervisor/restart.h"
#include "stages/supervisor/slot.h"
#include "stages/supervisor/spawn.h"

#define MS_NS INT64_C(1000000)

enum {
    EVENTS_AT_ONCE = 64,
    STOP_TIMEOUT_MS = 10000,
    SAME_REQUEST_MS = 100,   // timeout(1) sends a signal to its child and then to the whole group
    READY_LOOK_MS = 1,       // how often a replacement is looked at
    READY_LOOK_LATE_MS = 20, // when it takes longer than the next
    READY_LATE_MS = 200,
    LONG_LIFE_MS = 10000, // who lives so long is in no crash loop
};

// What an epoll event is about: the index of a slot, or one of these.
enum { TAG_SIGNAL = 1 << 20, TAG_TIMER };

// The end of a job that makes checkpoints: its tasks have ended and wait for what is done with the
// output.
enum finale {
    FINALE_NONE,
    FINALE_CHECKPOINT, // stopped: the last checkpoint is under way
    FINALE_DONE,       // the tasks were told to finish, or not to
};

struct supervisor {
    const struct supervisor_options *options;
    struct control *control;
    struct slot *slots;
    struct slot_ops ops;
    struct restart_policy policy;
    struct supervisor_result *result;
    struct err *err;
    int epoll_fd, signal_fd, timer_fd;
    sigset_t old_mask, task_mask;
    bool ending;
    int64_t tick_at_ns, kill_at_ns;  // INT64_MAX: not set
    int64_t asked_ns;                // when the first signal asked for the end
    struct coordinator *coordinator; // NULL: no checkpoints
    enum finale finale;
    int64_t look_at_ns; // when to look at checkpoints and their end again
    int64_t hang_at_ns; // when to look for tasks that hang; INT64_MAX: never
};

static int64_t now_ns(void)
{
    return env_system()->monotonic_ns(env_system());
}

// --- what the table makes happen ---

static int watch(const struct supervisor *s, int fd, uint32_t tag)
{
    struct epoll_event event = {.events = EPOLLIN, .data.u32 = tag};
    return epoll_ctl(s->epoll_fd, EPOLL_CTL_ADD, fd, &event) < 0 ? -errno : 0;
}

static void slot_close(struct slot *slot)
{
    if (slot->pidfd >= 0)
        close(slot->pidfd);
    slot->pidfd = -1;
}

static int op_start(struct slot *slot, void *context)
{
    struct supervisor *s = context;
    const struct supervisor_options *options = s->options;
    struct control_view view;
    control_view(s->control, slot->index, &view);
    slot->progress_at_start = view.progress;
    slot->started_ns = now_ns();
    slot->silent_at_ns = 0;
    struct spawn_request request = {
        .program = options->program ? options->program : "/proc/self/exe",
        .job_folder = options->dir->path,
        .task_index = slot->index,
        .cpu = options->cpus ? options->cpus[slot->index] : -1,
        .mask = &s->task_mask,
    };
    int status = spawn_task(&request, &slot->pid, &slot->pidfd);
    if (status)
        return status;
    status = watch(s, slot->pidfd, (uint32_t)slot->index);
    if (status) {
        syscall(SYS_pidfd_send_signal, slot->pidfd, SIGKILL, NULL, 0);
        waitpid(slot->pid, NULL, 0);
        slot_close(slot);
        return status;
    }
    control_note_cpu(s->control, slot->index, request.cpu);
    return 0;
}

// Did the process do what there was to do? One that waited for others, or lived long, is in no
// crash loop, however little it has committed: there may have been nothing.
static bool op_progressed(const struct slot *slot, void *context)
{
    struct supervisor *s = context;
    struct control_view view;
    control_view(s->control, slot->index, &view);
    bool waited = view.process.pid == slot->pid &&
                  (view.state == CONTROL_WAITING_INPUT || view.state == CONTROL_WAITING_OUTPUT);
    return view.progress > slot->progress_at_start || waited ||
           now_ns() - slot->started_ns > LONG_LIFE_MS * MS_NS;
}

static struct restart_death death_of(const struct slot *slot, bool progressed)
{
    return (struct restart_death){progressed, slot->signal == SIGKILL, slot->quick_deaths};
}

static int64_t op_delay(const struct slot *slot, bool progressed, int64_t now, void *context)
{
    struct supervisor *s = context;
    struct restart_death death = death_of(slot, progressed);
    return restart_delay_ns(&s->policy, &death, now);
}

static void op_ask_stop(struct slot *slot, void *context)
{
    struct supervisor *s = context;
    if (s->result->end == SUPERVISOR_END_FAILED)
        control_post(s->control, slot->index, CONTROL_CANCEL);
    control_post(s->control, slot->index, CONTROL_STOP);
}

static void op_kill(struct slot *slot, void *context)
{
    (void)context;
    CHECK(slot->pidfd >= 0);
    syscall(SYS_pidfd_send_signal, slot->pidfd, SIGKILL, NULL, 0);
}

static void report(const struct supervisor *s, const struct supervisor_event *event)
{
    if (s->options->on_event)
        s->options->on_event(event, s->options->context);
}

// Why a task is not started again, where it has no words of its own.
static void explain_death(const struct supervisor *s, const struct slot *slot, char *out,
                          size_t out_bytes)
{
    struct buf why = {0};
    struct restart_death death = death_of(slot, slot->quick_deaths == 0);
    if (slot->signal)
        buf_printf(&why, "was killed by signal %d (%s) ", slot->signal, strsignal(slot->signal));
    else
        buf_printf(&why, "ended with status %d ", slot->exit_status);
    restart_explain(&s->policy, &death, &why);
    snprintf(out, out_bytes, "task %d (%s) %s", slot->index,
             s->options->names ? s->options->names[slot->index] : "?", buf_str(&why));
    buf_fini(&why);
}

static void task_failed(struct supervisor *s, const struct slot *slot,
                        struct supervisor_event *event, struct control_view *view)
{
    control_view(s->control, slot->index, view);
    if (slot_classify(view, slot->pid, slot->signal, slot->exit_status) != SLOT_GAVE_UP)
        explain_death(s, slot, view->error, sizeof(view->error));
    event->text = view->error;
    event->exit_status = slot->exit_status;
    if (s->result->end == SUPERVISOR_END_FAILED)
        return; // the first reason counts, others follow from it
    s->result->end = SUPERVISOR_END_FAILED;
    s->result->exit_status = slot->exit_status;
    err_set(s->err, -ECANCELED, "%s",
            view->error[0] ? view->error : "a task failed without a reason");
}

static void op_report(const struct slot *slot, enum supervisor_event_kind kind, void *context)
{
    struct supervisor *s = context;
    struct control_view view;
    struct supervisor_event event = {.kind = kind, .task_index = slot->index, .pid = slot->pid};
    if (kind == SUPERVISOR_DIED) {
        event.signal = slot->signal;
        event.exit_status = slot->exit_status;
        event.delay_ms = (double)slot->delay_ns / MS_NS;
        s->result->restarts++;
        control_note_restart(s->control, slot->index);
        if (s->coordinator)
            coordinator_task_died(s->coordinator, slot->index, now_ns());
    } else if (kind == SUPERVISOR_RESTARTED) {
        event.gap_ms = (double)slot->gap_ns / MS_NS;
        if (event.gap_ms > s->result->worst_gap_ms)
            s->result->worst_gap_ms = event.gap_ms;
    } else if (kind == SUPERVISOR_FAILED) {
        task_failed(s, slot, &event, &view);
    }
    report(s, &event);
}

// --- events ---

static int handle_all(struct supervisor *s, enum slot_event event)
{
    int status = 0;
    for (int i = 0; i < s->options->task_count && !status; i++)
        status = slot_handle(&s->slots[i], event, now_ns(), &s->ops);
    return status;
}

// Nothing comes from it any more: its process is gone, or waits for the end of the job.
static bool is_quiet(const struct supervisor *s, int task)
{
    return s->slots[task].state == SLOT_DONE ||
           (s->coordinator && control_has_ended(s->control, task));
}

// Ask the lowest level that still runs to stop: its readers go on until it has ended, and so get
// what it has committed. A failed job has no such order: nobody waits for anybody.
static void stop_next_level(struct supervisor *s)
{
    const int *levels = s->result->end == SUPERVISOR_END_FAILED ? NULL : s->options->levels;
    int lowest = INT_MAX;
    for (int i = 0; levels && i < s->options->task_count; i++)
        if (!is_quiet(s, i) && levels[i] < lowest)
            lowest = levels[i];
    for (int i = 0; i < s->options->task_count; i++)
        if (!levels || levels[i] == lowest)
            slot_handle(&s->slots[i], SLOT_STOP, now_ns(), &s->ops);
}

// The job shall end; what has not stopped by the timeout is killed.
static void begin_end(struct supervisor *s)
{
    if (s->ending)
        return;
    s->ending = true;
    int timeout = s->options->stop_timeout_ms ? s->options->stop_timeout_ms : STOP_TIMEOUT_MS;
    s->kill_at_ns = now_ns() + timeout * MS_NS;
    for (int i = 0; i < s->options->task_count; i++) // no time left to put anything off
        s->slots[i].start_at_ns = 0;
}

// --- checkpoints ---

enum { END_LOOK_MS = 5 };

static void on_checkpoint(const struct coordinator_event *event, void *context)
{
    const struct supervisor *s = context;
    const struct supervisor_event told = {
        .kind = event->kind == COORDINATOR_COMPLETE ? SUPERVISOR_CHECKPOINT
                                                    : SUPERVISOR_CHECKPOINT_FAILED,
        .task_index = -1,
        .text = event->text,
        .checkpoint = event,
    };
    report(s, &told);
}

static bool all_quiet(const struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++)
        if (!is_quiet(s, i))
            return false;
    return true;
}

static void post_all(struct supervisor *s, enum control_request request)
{
    s->finale = FINALE_DONE;
    for (int i = 0; i < s->options->task_count; i++)
        control_post(s->control, i, request);
}

// All input is handled. From the moment that this is on disk the output is final, whatever happens.
static void finish_job(struct supervisor *s)
{
    struct err err;
    coordinator_hold(s->coordinator, now_ns());
    if (store_set_finished(s->options->checkpoints->store, s->options->task_count, &err) < 0) {
        const struct coordinator_event event = {.kind = COORDINATOR_TROUBLE, .text = err.text};
        on_checkpoint(&event, s);
    }
    post_all(s, CONTROL_FINISH);
}

// Stopped, and nothing moves any more: a last checkpoint, so that the next run goes on from here.
// Without it the output stays as it is: the next run repeats what came after the one before.
static void advance_finale(struct supervisor *s)
{
    if (s->finale == FINALE_DONE || s->result->end == SUPERVISOR_END_FAILED || !all_quiet(s))
        return;
    if (!s->ending) {
        finish_job(s);
    } else if (s->finale == FINALE_NONE) {
        coordinator_hold(s->coordinator, now_ns());
        s->result->last_checkpoint = coordinator_complete(s->coordinator);
        coordinator_begin_last(s->coordinator, now_ns());
        s->finale = FINALE_CHECKPOINT;
    } else if (coordinator_is_idle(s->coordinator)) {
        bool done = coordinator_complete(s->coordinator) > s->result->last_checkpoint;
        s->result->last_checkpoint = coordinator_complete(s->coordinator);
        post_all(s, done ? CONTROL_FINISH : CONTROL_CANCEL);
    }
}

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void on_checkpoint_time(struct supervisor *s)
{
    int64_t now = now_ns(), again = INT64_MAX;
    if (!s->coordinator || s->look_at_ns > now)
        return;
    if (coordinator_tick(s->coordinator, now, &again, s->err) < 0)
        s->result->end = SUPERVISOR_END_FAILED;
    advance_finale(s);
    s->look_at_ns =
        s->finale == FINALE_DONE ? INT64_MAX : earlier(again, now + END_LOOK_MS * MS_NS);
}

static void on_signal(struct supervisor *s)
{
    struct signalfd_siginfo info;
    while (read(s->signal_fd, &info, sizeof(info)) == sizeof(info)) {
        if (info.ssi_signo == SIGUSR1) { // a checkpoint now
            if (s->coordinator && !s->ending) {
                coordinator_ask(s->coordinator, now_ns());
                s->look_at_ns = 0;
            }
            continue;
        }
        if (s->ending) { // asked twice: no more patience
            if (now_ns() - s->asked_ns > SAME_REQUEST_MS * MS_NS)
                s->kill_at_ns = 0;
            continue;
        }
        s->asked_ns = now_ns();
        s->result->end = SUPERVISOR_END_STOPPED;
        s->result->stop_signal = (int)info.ssi_signo;
        struct supervisor_event event = {
            .kind = SUPERVISOR_STOPPING, .task_index = -1, .signal = (int)info.ssi_signo};
        report(s, &event);
        begin_end(s);
    }
}

static void on_task_end(struct supervisor *s, struct slot *slot)
{
    siginfo_t info = {0};
    if (slot->pidfd < 0 || waitid(P_PIDFD, (id_t)slot->pidfd, &info, WEXITED | WNOHANG) < 0 ||
        info.si_pid == 0)
        return;
    slot_close(slot); // also takes it out of the epoll
    slot->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    slot->exit_status = info.si_code == CLD_EXITED ? info.si_status : 0;
    struct control_view view;
    control_view(s->control, slot->index, &view);
    enum slot_event event = slot_classify(&view, slot->pid, slot->signal, slot->exit_status);
    slot_handle(slot, event, now_ns(), &s->ops);
}

// Does the process of this slot run batches? The page may still be the dead one's: look at the pid.
static bool slot_ready(const struct supervisor *s, const struct slot *slot)
{
    struct control_view view;
    control_view(s->control, slot->index, &view);
    return view.process.pid == slot->pid &&
           (view.state > CONTROL_STARTING || view.progress > slot->progress_at_start);
}

// --- tasks that hang ---

enum { HANG_LOOKS = 4 }; // in the time after which a task is taken to hang

// Its last sign of life; a process that has not come so far yet gave one when it was started.
static int64_t last_sign(const struct supervisor *s, const struct slot *slot)
{
    struct control_view view;
    control_view(s->control, slot->index, &view);
    bool is_own = view.process.pid == slot->pid && (int64_t)view.heartbeat_ns > slot->started_ns;
    return is_own ? (int64_t)view.heartbeat_ns : slot->started_ns;
}

// Twice in a row, without a sign between: one look may fall on a moment.
static void look_at_hang(struct supervisor *s, struct slot *slot, int64_t now)
{
    int64_t sign = last_sign(s, slot), was_silent_at = slot->silent_at_ns;
    slot->silent_at_ns = 0;
    if (now - sign < s->options->hang_after_ms * MS_NS)
        return;
    enum hang_kind kind = hang_judge(slot->pid);
    if (kind == HANG_NONE)
        return;
    slot->silent_at_ns = sign;
    if (was_silent_at != sign)
        return;
    struct supervisor_event event = {.kind = SUPERVISOR_HUNG,
                                     .task_index = slot->index,
                                     .pid = slot->pid,
                                     .text = hang_name(kind)};
    report(s, &event);
    op_kill(slot, s);
    slot->silent_at_ns = 0;
}

static void look_at_hangs(struct supervisor *s, int64_t now)
{
    if (s->hang_at_ns > now)
        return;
    s->hang_at_ns = now + s->options->hang_after_ms * MS_NS / HANG_LOOKS;
    for (int i = 0; i < s->options->task_count; i++)
        if (s->slots[i].state == SLOT_UP || s->slots[i].state == SLOT_HURT)
            look_at_hang(s, &s->slots[i], now);
}

// What is due by now. A restart comes at once: start_at_ns of a first death is in the past.
static void on_time(struct supervisor *s)
{
    int64_t now = now_ns();
    for (int i = 0; i < s->options->task_count; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->state == SLOT_DOWN && slot->start_at_ns <= now)
            slot_handle(slot, SLOT_START, now, &s->ops);
        else if (slot->state == SLOT_HURT && slot_ready(s, slot))
            slot_handle(slot, SLOT_READY, now, &s->ops);
    }
    look_at_hangs(s, now);
    if (s->kill_at_ns <= now) {
        s->kill_at_ns = INT64_MAX;
        handle_all(s, SLOT_KILL);
    }
    if (s->tick_at_ns <= now) {
        s->tick_at_ns = now + s->options->tick_ms * MS_NS;
        s->options->on_tick(s->control, s->options->context);
    }
}

// --- the wait ---

static int64_t next_deadline(const struct supervisor *s)
{
    int64_t now = now_ns(), next = earlier(s->tick_at_ns, s->kill_at_ns);
    next = earlier(earlier(next, s->look_at_ns), s->hang_at_ns);
    for (int i = 0; i < s->options->task_count; i++) {
        const struct slot *slot = &s->slots[i];
        if (slot->state == SLOT_DOWN)
            next = earlier(next, slot->start_at_ns);
        if (slot->state == SLOT_HURT)
            next = earlier(next, now + (now - slot->died_ns < READY_LATE_MS * MS_NS
                                            ? READY_LOOK_MS * MS_NS
                                            : READY_LOOK_LATE_MS * MS_NS));
    }
    return next;
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

static int wait_loop(struct supervisor *s)
{
    struct epoll_event events[EVENTS_AT_ONCE];
    while (!all_done(s)) {
        arm_timer(s);
        int n = epoll_wait(s->epoll_fd, events, EVENTS_AT_ONCE, -1);
        if (n < 0 && errno != EINTR)
            return err_set(s->err, -errno, "cannot wait for tasks: %s", strerror(errno));
        for (int i = 0; i < n; i++) {
            uint32_t tag = events[i].data.u32;
            uint64_t ticks;
            if (tag == TAG_SIGNAL)
                on_signal(s);
            else if (tag == TAG_TIMER)
                (void)!read(s->timer_fd, &ticks, sizeof(ticks));
            else
                on_task_end(s, &s->slots[tag]);
        }
        on_time(s);
        on_checkpoint_time(s);
        if (s->result->end == SUPERVISOR_END_FAILED)
            begin_end(s);
        if (s->ending)
            stop_next_level(s);
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
    int status = watch(s, s->signal_fd, TAG_SIGNAL);
    return status ? status : watch(s, s->timer_fd, TAG_TIMER);
}

static void close_fds(struct supervisor *s)
{
    int fds[] = {s->epoll_fd, s->signal_fd, s->timer_fd};
    for (size_t i = 0; i < ARRAY_SIZE(fds); i++)
        if (fds[i] >= 0)
            close(fds[i]);
    // Asked again while the stop was being done: it is done, and the caller is about to clean up.
    if (s->result->end == SUPERVISOR_END_STOPPED) {
        signal(SIGINT, SIG_IGN);
        signal(SIGTERM, SIG_IGN);
    }
    sigprocmask(SIG_SETMASK, &s->old_mask, NULL);
}

// No task may outlive the run, however it ends.
static void kill_rest(struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->pidfd < 0)
            continue;
        op_kill(slot, s);
        waitpid(slot->pid, NULL, 0);
        slot_close(slot);
    }
}

static int begin_checkpoints(struct supervisor *s)
{
    if (!s->options->checkpoints)
        return 0;
    struct coordinator_options options = *s->options->checkpoints;
    options.on_event = on_checkpoint;
    options.context = s;
    s->look_at_ns = 0;
    return coordinator_create(&options, s->control, now_ns(), &s->coordinator, s->err);
}

static int run(struct supervisor *s)
{
    int status = open_fds(s);
    if (status) {
        err_set(s->err, status, "cannot set the supervisor up: %s", strerror(-status));
    } else {
        control_begin_supervisor(s->control);
        status = begin_checkpoints(s);
        if (!status) {
            status = handle_all(s, SLOT_START);
            if (status)
                err_set(s->err, status, "cannot start a task: %s", strerror(-status));
        }
        if (!status)
            status = wait_loop(s);
    }
    coordinator_free(s->coordinator);
    kill_rest(s);
    close_fds(s);
    return status;
}

int supervisor_run(const struct supervisor_options *options, struct supervisor_result *out,
                   struct err *err)
{
    CHECK(options->task_count > 0 && options->task_count <= CONTROL_TASKS_MAX);
    *out = (struct supervisor_result){.end = SUPERVISOR_END_FINISHED};
    struct supervisor s = {.options = options,
                           .result = out,
                           .err = err,
                           .epoll_fd = -1,
                           .signal_fd = -1,
                           .timer_fd = -1,
                           .tick_at_ns = INT64_MAX,
                           .kill_at_ns = INT64_MAX,
                           .look_at_ns = INT64_MAX,
                           .hang_at_ns = options->hang_after_ms > 0 ? 0 : INT64_MAX};
    s.ops = (struct slot_ops){.context = &s,
                              .start = op_start,
                              .progressed = op_progressed,
                              .delay_ns = op_delay,
                              .ask_stop = op_ask_stop,
                              .kill = op_kill,
                              .report = op_report};
    s.policy.strategy = options->restart;
    int status =
        control_attach_supervisor(options->dir->fd, options->job_fingerprint, &s.control, err);
    if (status)
        return status;
    if (control_task_count(s.control) != options->task_count) {
        status = err_set(err, -EINVAL, "the control block has %d tasks, the plan %d",
                         control_task_count(s.control), options->task_count);
        goto err_after_attach;
    }
    s.slots = calloc((size_t)options->task_count, sizeof(*s.slots));
    CHECK(s.slots != NULL);
    for (int i = 0; i < options->task_count; i++)
        s.slots[i] = (struct slot){.index = i, .pidfd = -1};
    if (options->tick_ms > 0 && options->on_tick)
        s.tick_at_ns = now_ns() + options->tick_ms * MS_NS;
    status = run(&s);
    if (!status && out->end == SUPERVISOR_END_FAILED)
        status = -ECANCELED;
    free(s.slots);
err_after_attach:
    control_detach(s.control);
    return status;
}
