// tasks.c: the processes of tasks. Started in op_start, watched through a pidfd in the loop's
// epoll, declared dead in tasks_on_end; hangs are looked for in between.
#include <errno.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/supervisor/hang.h"
#include "stages/supervisor/internal.h"
#include "stages/supervisor/roll.h"
#include "stages/supervisor/spawn.h"

enum {
    READY_LOOK_MS = 1,       // how often a replacement is looked at
    READY_LOOK_LATE_MS = 20, // when it takes longer than the next
    READY_LATE_MS = 200,
    LONG_LIFE_MS = 10000, // who lives so long is in no crash loop
};

// --- what the table makes happen ---

static void slot_close(struct slot *slot)
{
    if (slot->pidfd >= 0)
        close(slot->pidfd);
    slot->pidfd = -1;
}

struct spawn_request tasks_spawn_request(const struct supervisor *s, const struct slot *slot)
{
    const struct supervisor_options *options = s->options;
    const char *own = options->program ? options->program : "/proc/self/exe";
    return (struct spawn_request){
        .program = *slot->program ? slot->program : own,
        .job_folder = options->dir->path,
        .task_index = slot->index,
        .spare = -1,
        .cpu = s->pinning.cpus[slot->index],
        .allowed = &s->pinning.allowed,
        .mask = &s->task_mask,
        .kept_fds = options->kept_fds,
        .kept_count = options->kept_count,
    };
}

int tasks_start_cold(struct supervisor *s, struct slot *slot)
{
    struct spawn_request request = tasks_spawn_request(s, slot);
    int status = spawn_task(&request, &slot->pid, &slot->pidfd);
    if (status)
        return status;
    status = supervisor_watch(s, slot->pidfd, (uint32_t)slot->index);
    if (status) {
        syscall(SYS_pidfd_send_signal, slot->pidfd, SIGKILL, NULL, 0);
        waitpid(slot->pid, NULL, 0);
        slot_close(slot);
        return status;
    }
    control_note_cpu(s->control, slot->index, request.cpu);
    slot->is_adopted = slot->is_cause_unknown = false;
    slot->runs_other = roll_starts_other(s, slot);
    return 0;
}

void tasks_note_cpus(struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++)
        control_note_cpu(s->control, i, s->options->cpus ? s->options->cpus[i] : -1);
}

static int op_start(struct slot *slot, void *context)
{
    struct supervisor *s = context;
    struct control_view view;
    control_view(s->control, slot->index, &view);
    slot->progress_at_start = view.progress;
    slot->started_ns = supervisor_now_ns();
    slot->silent_at_ns = 0;
    slot->hang = HANG_NONE;
    slot->was_spare = false;
    slot->killed_ns = slot->dying_ns = slot->asleep_since_ns = 0;
    // Who was killed from outside wrote nothing astray; of any other death that is not known.
    bool is_trusted = slot->signal == SIGKILL && !slot->is_cause_unknown;
    control_ask_check(s->control, slot->index, !is_trusted && slot->died_ns);
    return spares_take(s, slot) ? 0 : tasks_start_cold(s, slot);
}

// Did the process do what there was to do? One that waited for others, or lived long, is in no
// crash loop, however little it has committed: there may have been nothing.
bool tasks_progressed(const struct supervisor *s, const struct slot *slot)
{
    struct control_view view;
    control_view(s->control, slot->index, &view);
    bool waited = view.process.pid == slot->pid &&
                  (view.state == CONTROL_WAITING_INPUT || view.state == CONTROL_WAITING_OUTPUT);
    return view.progress > slot->progress_at_start || waited ||
           supervisor_now_ns() - slot->started_ns > LONG_LIFE_MS * MS_NS;
}

static bool op_progressed(const struct slot *slot, void *context)
{
    return tasks_progressed(context, slot);
}

static struct restart_death death_of(const struct supervisor *s, const struct slot *slot,
                                     bool progressed)
{
    return (struct restart_death){progressed, slot->signal == SIGKILL || slot->is_cause_unknown,
                                  slot->quick_deaths, s->deaths[slot->index].leads_on,
                                  s->deaths[slot->index].step == POISON_GIVE_UP};
}

static int64_t op_delay(const struct slot *slot, bool progressed, int64_t now, void *context)
{
    struct supervisor *s = context;
    struct restart_death death = death_of(s, slot, progressed);
    return restart_delay_ns(supervisor_policy(s, slot->index), &death, now);
}

static void op_ask_stop(struct slot *slot, void *context)
{
    struct supervisor *s = context;
    if (s->result->end == SUPERVISOR_END_FAILED)
        control_post(s->control, slot->index, CONTROL_CANCEL);
    control_post(s->control, slot->index, CONTROL_STOP);
}

void tasks_kill(struct slot *slot)
{
    CHECK(slot->pidfd >= 0);
    slot->killed_ns = slot->killed_ns ? slot->killed_ns : supervisor_now_ns();
    syscall(SYS_pidfd_send_signal, slot->pidfd, SIGKILL, NULL, 0);
}

static void op_kill(struct slot *slot, void *context)
{
    if (spares_awaited(context, slot))
        spares_kill(context, slot);
    else
        tasks_kill(slot);
}

// Why a task is not started again, where it has no words of its own.
static void explain_death(const struct supervisor *s, const struct slot *slot, char *out,
                          size_t out_bytes)
{
    struct buf why = {0};
    struct restart_death death = death_of(s, slot, slot->quick_deaths == 0);
    if (slot->exit_status == SUPERVISOR_EXIT_MEMORY) {
        buf_append_str(&why, "cannot use its memory: a segment is lost or damaged");
        if (slot->is_used_up) {
            buf_append_str(&why, ", ");
            restart_explain(supervisor_policy(s, slot->index), &death, &why);
        }
        snprintf(out, out_bytes, "task %d %s", slot->index, buf_str(&why));
        buf_fini(&why);
        return;
    }
    if (slot->is_cause_unknown)
        buf_append_str(&why, "ended for an unknown reason ");
    else if (slot->signal)
        buf_printf(&why, "was killed by signal %d (%s) ", slot->signal, strsignal(slot->signal));
    else
        buf_printf(&why, "ended with status %d ", slot->exit_status);
    restart_explain(supervisor_policy(s, slot->index), &death, &why);
    snprintf(out, out_bytes, "task %d (%s) %s", slot->index,
             s->options->names ? s->options->names[slot->index] : "?", buf_str(&why));
    buf_fini(&why);
}

static void task_failed(struct supervisor *s, const struct slot *slot,
                        struct supervisor_event *event, struct control_view *view)
{
    control_view(s->control, slot->index, view);
    if (slot_classify(view, slot) != SLOT_GAVE_UP || view->process.pid != slot->pid ||
        slot->is_used_up)
        explain_death(s, slot, view->error, sizeof(view->error));
    event->text = view->error;
    event->exit_status = slot->exit_status;
    if (s->result->end == SUPERVISOR_END_FAILED)
        return; // the first reason counts, others follow from it
    s->result->end = SUPERVISOR_END_FAILED;
    s->result->exit_status =
        slot->is_used_up ? SUPERVISOR_EXIT_FAILURE : slot->exit_status; // not to be tried again
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
        event.is_cause_unknown = slot->is_cause_unknown;
        event.delay_ms = (double)slot->delay_ns / MS_NS;
        s->result->restarts++;
        control_note_restart(s->control, slot->index);
    } else if (kind == SUPERVISOR_RESTARTED || kind == SUPERVISOR_REPLACED) {
        event.gap_ms = (double)slot->gap_ns / MS_NS;
        event.went_on_ns = slot->died_ns + slot->gap_ns;
        // It has been checked. A spare that takes over from it reads this before we know of it.
        control_ask_check(s->control, slot->index, false);
        event.rung = slot->goes_back ? "region" : slot->was_spare ? "spare" : "task";
        event.text = kind == SUPERVISOR_REPLACED ? roll_program_name(s, slot) : NULL;
        postmortem_write(&s->mortuary, slot, &s->deaths[slot->index]);
        postmortem_settle(&s->mortuary, &s->deaths[slot->index], event.gap_ms, event.rung);
        if (event.gap_ms > s->result->worst_gap_ms)
            s->result->worst_gap_ms = event.gap_ms;
    } else if (kind == SUPERVISOR_FAILED) {
        task_failed(s, slot, &event, &view);
    }
    supervisor_report(s, &event);
}

struct slot_ops tasks_ops(struct supervisor *s)
{
    return (struct slot_ops){.context = s,
                             .start = op_start,
                             .progressed = op_progressed,
                             .delay_ns = op_delay,
                             .ask_stop = op_ask_stop,
                             .kill = op_kill,
                             .report = op_report};
}

// --- events ---

int tasks_handle_all(struct supervisor *s, enum slot_event event)
{
    int status = 0;
    for (int i = 0; i < s->options->task_count && !status; i++)
        status = slot_handle(&s->slots[i], event, supervisor_now_ns(), &s->ops);
    return status;
}

// Take note of how it ended. false: it has not.
static bool take_end(struct slot *slot)
{
    siginfo_t info = {0};
    if (slot->pidfd < 0)
        return false;
    if (slot->is_adopted) { // its parent is gone, so nobody learns how it ended
        struct pollfd end = {.fd = slot->pidfd, .events = POLLIN};
        if (poll(&end, 1, 0) <= 0)
            return false;
        slot->signal = slot->exit_status = 0;
        slot->is_cause_unknown = true;
        return true;
    }
    if (waitid(P_PIDFD, (id_t)slot->pidfd, &info, WEXITED | WNOHANG) < 0 || info.si_pid == 0)
        return false;
    slot->signal = info.si_code == CLD_EXITED ? 0 : info.si_status;
    slot->exit_status = info.si_code == CLD_EXITED ? info.si_status : 0;
    return true;
}

void tasks_on_end(struct supervisor *s, struct slot *slot)
{
    if (!take_end(slot))
        return;
    slot_close(slot); // also takes it out of the epoll
    tasks_ended(s, slot);
}

void tasks_ended(struct supervisor *s, struct slot *slot)
{
    struct control_view view;
    control_view(s->control, slot->index, &view);
    enum slot_event event = roll_judge(s, slot, slot_classify(&view, slot));
    if (event == SLOT_CRASHED && slot->state != SLOT_LOST)
        postmortem_examine(&s->mortuary, slot, &s->deaths[slot->index]);
    // Whatever comes next, also while it stops: what it has not reported it never will.
    if ((event == SLOT_CRASHED || event == SLOT_REPLACED) && s->coordinator)
        coordinator_task_died(s->coordinator, slot->index, supervisor_now_ns());
    bool is_lost = event == SLOT_GAVE_UP && slot->exit_status == SUPERVISOR_EXIT_MEMORY;
    if (is_lost && regions_lose(s, slot, &view))
        return;
    if (event == SLOT_REPLACED)
        control_set_judged(s->control, slot->index, (uint32_t)slot->pid);
    slot_handle(slot, event, supervisor_now_ns(), &s->ops);
}

bool supervisor_is_parent(int pidfd)
{
    siginfo_t info = {0};
    return waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED | WNOHANG | WNOWAIT) == 0;
}

// This process may have been the supervisor before, with another program: then its tasks are its
// children, and one that has died meanwhile says how.
static void take_end_of_child(struct slot *slot)
{
    int status;
    if (slot->pid <= 0 || waitpid(slot->pid, &status, WNOHANG) != slot->pid)
        return;
    slot->signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    slot->exit_status = WIFEXITED(status) ? WEXITSTATUS(status) : 0;
    slot->is_cause_unknown = false;
}

// A pid counts only with its start time: another process that has it by now is left alone.
static int adopt(struct supervisor *s, struct slot *slot)
{
    struct control_view view;
    control_view(s->control, slot->index, &view);
    slot->pidfd = process_alive(view.process) ? process_open(view.process) : -ESRCH;
    slot->pid = view.process.pid;
    slot->started_ns = supervisor_now_ns();
    slot->progress_at_start = view.progress;
    slot->is_adopted = slot->pidfd >= 0 && !supervisor_is_parent(slot->pidfd);
    slot->is_cause_unknown = slot->pidfd < 0 || slot->is_adopted;
    if (slot->pidfd < 0)
        take_end_of_child(slot);
    bool ended = view.state == CONTROL_FINISHED || view.state == CONTROL_FAILED;
    bool is_new = slot->pid && control_judged(s->control, slot->index) != (uint32_t)slot->pid;
    if (slot->pidfd < 0 && !ended && is_new) // it died while nobody looked
        postmortem_examine(&s->mortuary, slot, &s->deaths[slot->index]);
    int status = slot->pidfd >= 0 ? supervisor_watch(s, slot->pidfd, (uint32_t)slot->index) : 0;
    if (!status)
        status = spares_adopt(s, slot);
    return status ? status : slot_handle(slot, SLOT_ADOPT, slot->started_ns, &s->ops);
}

int tasks_adopt(struct supervisor *s)
{
    int status = 0;
    for (int i = 0; i < s->options->task_count && !status; i++) {
        status = adopt(s, &s->slots[i]);
        s->result->adopted += s->slots[i].pidfd >= 0;
    }
    s->result->started = s->options->task_count - s->result->adopted;
    return status;
}

// Does the process of this slot run batches, and since when? The page may still be the dead one's:
// look at the pid.
static bool slot_ready(const struct supervisor *s, const struct slot *slot, int64_t *since_ns)
{
    struct control_view view;
    control_view(s->control, slot->index, &view);
    if (view.ready_ns)
        *since_ns = (int64_t)(view.first_ns ? view.first_ns : view.ready_ns);
    return !spares_awaited(s, slot) && view.process.pid == slot->pid &&
           (view.state > CONTROL_STARTING || view.progress > slot->progress_at_start);
}

// --- tasks that hang ---

enum { HANG_LOOKS = 4 }; // in the time after which a task is taken to hang

int64_t tasks_last_sign(const struct supervisor *s, const struct slot *slot)
{
    struct control_view view;
    control_view(s->control, slot->index, &view);
    bool is_own = view.process.pid == slot->pid && (int64_t)view.heartbeat_ns > slot->started_ns;
    return is_own ? (int64_t)view.heartbeat_ns : slot->started_ns;
}

// Has it run, and not merely waited for a processor, since it has been silent? A part of the time
// is enough: others may want the processor too.
static bool has_run(const struct supervisor *s, const struct slot *slot)
{
    int64_t cpu = hang_cpu_ns(slot->pid);
    return cpu == 0 || cpu - slot->sign_cpu_ns >= s->options->hang_after_ms * MS_NS / HANG_LOOKS;
}

// The first look without a new sign: from here on it is counted what it runs.
static void note_sign(struct slot *slot, int64_t sign)
{
    if (slot->sign_ns != sign) {
        slot->sign_ns = sign;
        slot->sign_cpu_ns = -1;
    } else if (slot->sign_cpu_ns < 0) {
        slot->sign_cpu_ns = hang_cpu_ns(slot->pid);
    }
}

// Twice in a row, without a sign between: one look may fall on a moment.
static void look_at_hang(struct supervisor *s, struct slot *slot, int64_t now)
{
    int64_t sign = tasks_last_sign(s, slot), was_silent_at = slot->silent_at_ns;
    slot->silent_at_ns = 0;
    note_sign(slot, sign);
    if (now - sign < s->options->hang_after_ms * MS_NS)
        return;
    enum hang_kind kind = hang_judge(slot->pid);
    if (kind == HANG_NONE || (kind == HANG_BUSY && (slot->sign_cpu_ns < 0 || !has_run(s, slot))))
        return;
    slot->silent_at_ns = sign;
    if (was_silent_at != sign)
        return;
    if (kind == HANG_ASLEEP || slot->killed_ns) { // no kill, or no other one, would help
        stuck_tell_asleep(s, slot, sign);
        return;
    }
    if (slot->state == SLOT_STOPPING) // it has its time to stop, and is killed after that
        return;
    struct supervisor_event event = {.kind = SUPERVISOR_HUNG,
                                     .task_index = slot->index,
                                     .pid = slot->pid,
                                     .text = hang_name(kind)};
    supervisor_report(s, &event);
    slot->hang = kind;
    if (kind == HANG_BUSY)
        hang_ask_where(slot->pidfd, s->mortuary.errlog, slot->index, slot->pid);
    control_set_pass(s->control, slot->index, CONTROL_PASS_CLOSED); // a verdict comes first
    op_kill(slot, s);
    slot->silent_at_ns = 0;
}

static void look_at_hangs(struct supervisor *s, int64_t now)
{
    if (s->hang_at_ns > now)
        return;
    s->hang_at_ns = now + s->options->hang_after_ms * MS_NS / HANG_LOOKS;
    for (int i = 0; i < s->options->task_count; i++) {
        struct slot *slot = &s->slots[i];
        bool runs = slot->state == SLOT_UP || slot->state == SLOT_HURT;
        if ((runs || slot->state == SLOT_STOPPING) && slot->pidfd >= 0 && !spares_awaited(s, slot))
            look_at_hang(s, slot, now);
    }
}

// A restart comes at once: start_at_ns of a first death is in the past.
void tasks_on_time(struct supervisor *s, int64_t now)
{
    spares_on_time(s, now);
    for (int i = 0; i < s->options->task_count; i++) {
        struct slot *slot = &s->slots[i];
        int64_t since = now;
        if (slot->state == SLOT_DOWN && slot->start_at_ns <= now)
            slot_handle(slot, SLOT_START, now, &s->ops);
        else if (slot->state == SLOT_HURT && slot_ready(s, slot, &since))
            slot_handle(slot, SLOT_READY, since > slot->died_ns ? since : slot->died_ns, &s->ops);
    }
    look_at_hangs(s, now);
    stuck_on_time(s, now);
    for (int i = 0; i < s->options->task_count; i++) // replacements come first
        postmortem_write(&s->mortuary, &s->slots[i], &s->deaths[i]);
}

int64_t tasks_next_deadline(const struct supervisor *s)
{
    int64_t now = supervisor_now_ns();
    int64_t next = supervisor_earlier(s->hang_at_ns, spares_next_deadline(s, now));
    next = supervisor_earlier(next, stuck_next_deadline(s));
    for (int i = 0; i < s->options->task_count; i++) {
        const struct slot *slot = &s->slots[i];
        if (slot->state == SLOT_DOWN)
            next = supervisor_earlier(next, slot->start_at_ns);
        if (slot->state == SLOT_HURT)
            next = supervisor_earlier(next, now + (now - slot->died_ns < READY_LATE_MS * MS_NS
                                                       ? READY_LOOK_MS * MS_NS
                                                       : READY_LOOK_LATE_MS * MS_NS));
    }
    return next;
}

void tasks_let_go(struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++)
        slot_close(&s->slots[i]);
}

// No task may outlive the run, however it ends.
void tasks_kill_rest(struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++) // before one of them becomes a task
        spares_kill(s, &s->slots[i]);
    for (int i = 0; i < s->options->task_count; i++) {
        struct slot *slot = &s->slots[i];
        if (slot->pidfd < 0)
            continue;
        op_kill(slot, s);
        const struct process_id process = {slot->pid, process_start_time(slot->pid)};
        slot->is_left = !stuck_wait_end(s, slot->pid, slot->pidfd, slot->is_adopted) &&
                        process_can_run(process);
        slot_close(slot);
    }
}
