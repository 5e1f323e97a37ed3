// postmortem.c: see postmortem.h. What a dead process has left in shared memory is read here once,
// before a replacement writes over it.
#include "stages/supervisor/postmortem.h"

#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/supervisor/symbols.h"

enum { NOTES_MAX = 8, FRAMES_IN_CAUSE = 12 };

static const char *const site_names[CONTROL_SITE_COUNT] = {
    [CONTROL_SITE_NONE] = "none", [CONTROL_SITE_SOURCE] = "source", [CONTROL_SITE_ROWS] = "rows",
    [CONTROL_SITE_WORK] = "work", [CONTROL_SITE_OUTPUT] = "output",
};

static bool is_crash_signal(int signal_number)
{
    static const int signals[] = {SIGSEGV, SIGBUS,  SIGABRT, SIGFPE,
                                  SIGILL,  SIGTRAP, SIGSYS,  SIGALRM};
    for (size_t i = 0; i < ARRAY_SIZE(signals); i++)
        if (signals[i] == signal_number)
            return true;
    return false;
}

bool postmortem_may_be_a_row(const struct postmortem *death)
{
    if (!death->has_taken_over || death->is_unknown)
        return false;
    if (death->hang != HANG_NONE)
        return death->hang == HANG_BUSY;
    if (death->signal == 0)
        return true;
    bool was_sent = death->has_crash && death->crash.sender != 0;
    return is_crash_signal(death->signal) && !was_sent;
}

static void append_frames(const struct errlog_crash *crash, uint32_t max, struct buf *out)
{
    for (uint32_t i = 0; i < crash->frame_count && i < max; i++) {
        buf_append_str(out, i ? " < " : " at ");
        // A return address may lie behind the call's function; the call itself does not.
        symbols_append(crash, crash->frames[i] - (i > 0), out);
    }
}

void postmortem_cause(const struct postmortem *death, struct buf *out)
{
    // A handler that hung was ended by its alarm; the signal that mattered is the first.
    int signal_number =
        death->signal == SIGALRM && death->has_crash ? (int)death->crash.signal : death->signal;
    if (death->hang != HANG_NONE)
        buf_printf(out, "a hang (it %s)", hang_name(death->hang));
    else if (death->is_unknown)
        buf_append_str(out, "an end that nobody saw");
    else if (signal_number)
        buf_printf(out, "signal %d (%s)", signal_number, strsignal(signal_number));
    else
        buf_printf(out, "exit with status %d", death->exit_status);
    if (death->has_crash)
        append_frames(&death->crash, FRAMES_IN_CAUSE, out);
}

static void count(struct control *control, int task, const struct postmortem *death)
{
    control_note_loss(control, task, CONTROL_LOSS_DEATHS);
    control_note_loss(control, task,
                      death->hang != HANG_NONE                        ? CONTROL_LOSS_HUNG
                      : death->signal == SIGKILL || death->is_unknown ? CONTROL_LOSS_KILLED
                                                                      : CONTROL_LOSS_CRASHED);
}

static void judge(struct control *control, int task, struct postmortem *death)
{
    struct control_verdict verdict;
    struct buf cause = {0};
    if (!postmortem_may_be_a_row(death))
        return;
    postmortem_cause(death, &cause);
    control_read_verdict(control, task, &verdict);
    uint64_t letters = verdict.letters;
    death->step = poison_judge(&verdict, &death->trial, buf_str(&cause));
    death->leads_on = poison_leads_on(death->step, &verdict);
    control_set_verdict(control, task, &verdict);
    if (death->step == POISON_GIVE_UP && verdict.letters > letters)
        control_note_loss(control, task, CONTROL_LOSS_ROWS);
    buf_fini(&cause);
}

void postmortem_examine(const struct postmortem_context *context, const struct slot *slot,
                        struct postmortem *out)
{
    if (out->is_new) // nobody has had the time to write the one before
        postmortem_write(context, slot, out);
    postmortem_settle(context, out, -1, "again");
    *out = (struct postmortem){.is_new = true,
                               .pid = slot->pid,
                               .signal = slot->signal,
                               .exit_status = slot->exit_status,
                               .hang = slot->hang};
    control_view(context->control, slot->index, &out->view);
    bool is_last = out->view.process.pid == slot->pid;
    // A spare may stand there already; who never took over leaves what was there before its start.
    out->has_taken_over = is_last || (int64_t)out->view.taken_ns > slot->started_ns;
    if (is_last)
        control_read_trial(context->control, slot->index, &out->trial);
    out->has_crash = context->errlog && errlog_read_crash(context->errlog, slot->index,
                                                          (uint32_t)slot->pid, &out->crash);
    out->is_unknown = slot->is_cause_unknown && !out->has_crash;
    if (slot->is_cause_unknown && out->has_crash)
        out->signal = (int)out->crash.signal; // nobody's child, but it could still say so
    count(context->control, slot->index, out);
    judge(context->control, slot->index, out);
    control_set_judged(context->control, slot->index, (uint32_t)slot->pid);
}

static const char *cause_name(const struct postmortem *death)
{
    return death->hang != HANG_NONE   ? "hang"
           : death->is_unknown        ? "unknown"
           : death->signal == SIGKILL ? "kill"
           : death->signal == 0       ? "exit"
           : is_crash_signal(death->signal) && !(death->has_crash && death->crash.sender)
               ? "crash"
               : "signal";
}

static void append_position(const struct postmortem *death, struct buf *out)
{
    const struct control_trial *trial = &death->trial;
    if (!death->has_taken_over) {
        buf_append_str(out, ",\"position\":null");
        return;
    }
    buf_printf(out, ",\"position\":{\"doing\":\"%s\",\"rows_in\":%" PRId64 ",\"rows_out\":%" PRId64,
               site_names[trial->site], death->view.counters[CONTROL_ROWS_IN],
               death->view.counters[CONTROL_ROWS_OUT]);
    if (trial->is_single) {
        buf_append_str(out, ",\"source\":");
        buf_append_json_string(out, slice_of(trial->source));
        buf_printf(out, ",\"offset\":%" PRIu64, trial->offset);
    }
    buf_append_char(out, '}');
}

static void append_backtrace(const struct postmortem *death, struct buf *out)
{
    struct buf frame = {0};
    buf_append_str(out, ",\"backtrace\":[");
    for (uint32_t i = 0; death->has_crash && i < death->crash.frame_count; i++) {
        buf_clear(&frame);
        symbols_append(&death->crash, death->crash.frames[i] - (i > 0), &frame);
        buf_append_str(out, i ? "," : "");
        buf_append_json_string(out, buf_slice(&frame));
    }
    buf_append_char(out, ']');
    buf_fini(&frame);
}

// The task's newest notes, newest last.
struct notes {
    int task, count;
    struct errlog_entry newest[NOTES_MAX];
};

static void take_note(const struct errlog_entry *entry, void *context)
{
    struct notes *notes = context;
    if (entry->task_index != notes->task)
        return;
    int at = notes->count;
    while (at > 0 && notes->newest[at - 1].last_ms > entry->last_ms)
        at--;
    if (notes->count < NOTES_MAX) {
        memmove(notes->newest + at + 1, notes->newest + at,
                (size_t)(notes->count - at) * sizeof *notes->newest);
        notes->count++;
    } else if (at == 0) {
        return; // older than all that are kept
    } else {
        at--;
        memmove(notes->newest, notes->newest + 1, (size_t)at * sizeof *notes->newest);
    }
    notes->newest[at] = *entry;
}

static void append_notes(const struct errlog *errlog, int task, struct buf *out)
{
    struct notes notes = {.task = task};
    if (errlog)
        errlog_read(errlog, take_note, &notes);
    buf_append_str(out, ",\"log\":[");
    for (int i = 0; i < notes.count; i++) {
        buf_append_str(out, i ? "," : "");
        buf_append_json_string(out, slice_of(notes.newest[i].text));
    }
    buf_append_char(out, ']');
}

static const char *step_name(enum poison_step step)
{
    static const char *const names[] = {
        [POISON_NONE] = NULL,
        [POISON_FIRST] = NULL,
        [POISON_CAREFUL] = "row-by-row",
        [POISON_ROW] = "row-by-row",
        [POISON_GIVE_UP] = "row-given-up",
        [POISON_OTHER] = "no-row",
    };
    CHECK((size_t)step < ARRAY_SIZE(names));
    return names[step];
}

void postmortem_write(const struct postmortem_context *context, const struct slot *slot,
                      struct postmortem *death)
{
    if (!death->is_new)
        return;
    death->is_new = false;
    if (!context->events)
        return;
    struct buf record = events_begin("death");
    buf_printf(&record, ",\"task\":%d,\"name\":", slot->index);
    buf_append_json_string(&record, slice_of(death->view.name));
    buf_printf(&record, ",\"pid\":%d,\"cause\":\"%s\",\"signal\":%d,\"exit_status\":%d",
               (int)death->pid, cause_name(death), death->signal, death->exit_status);
    if (death->has_crash && death->crash.sender)
        buf_printf(&record, ",\"sender\":%" PRIu32, death->crash.sender);
    if (death->hang != HANG_NONE)
        buf_printf(&record, ",\"hang\":\"%s\"", hang_name(death->hang));
    append_position(death, &record);
    if (step_name(death->step))
        buf_printf(&record, ",\"poison\":\"%s\"", step_name(death->step));
    append_backtrace(death, &record);
    append_notes(context->errlog, slot->index, &record);
    buf_printf(&record, ",\"delay_ms\":%.1f", (double)slot->delay_ns / 1e6);
    death->ticket = events_append_open(context->events, &record);
}

void postmortem_settle(const struct postmortem_context *context, struct postmortem *death,
                       double gap_ms, const char *rung)
{
    events_settle(context->events, death->ticket, gap_ms, rung);
    death->ticket = 0;
}
