// ending.c: checkpoints as the supervisor's loop drives them, and the end of a job: a stop that
// goes level by level, and what is done with the output when all tasks have come to rest.
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#include "stages/supervisor/internal.h"

// Nothing comes from it any more: its process is gone, or waits for the end of the job.
static bool is_quiet(const struct supervisor *s, int task)
{
    return s->slots[task].state == SLOT_DONE ||
           (s->coordinator && s->slots[task].state != SLOT_LOST &&
            control_has_ended(s->control, task));
}

// Ask the lowest level that still runs to stop: its readers go on until it has ended, and so get
// what it has committed. A failed job has no such order: nobody waits for anybody.
void ending_stop_next_level(struct supervisor *s)
{
    const int *levels = s->result->end == SUPERVISOR_END_FAILED ? NULL : s->options->levels;
    int lowest = INT_MAX;
    for (int i = 0; levels && i < s->options->task_count; i++)
        if (!is_quiet(s, i) && levels[i] < lowest)
            lowest = levels[i];
    for (int i = 0; i < s->options->task_count; i++)
        if (!levels || levels[i] == lowest)
            slot_handle(&s->slots[i], SLOT_STOP, supervisor_now_ns(), &s->ops);
}

// --- checkpoints ---

// A task rings when there is something to see; without a bell it is looked for.
enum { LOOK_MS = 1000, LOOK_UNDER_WAY_MS = 100, LOOK_DEAF_MS = 5 };

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
    supervisor_report(s, &told);
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
    supervisor_allow(s, 0);
    for (int i = 0; i < s->options->task_count; i++)
        control_post(s->control, i, request);
}

// All input is handled. From the moment that this is on disk the output is final, whatever happens.
static void finish_job(struct supervisor *s)
{
    struct err err;
    coordinator_hold(s->coordinator, supervisor_now_ns());
    if (store_set_finished(s->options->checkpoints->store, s->options->task_count, &err) < 0) {
        const struct coordinator_event event = {.kind = COORDINATOR_TROUBLE, .text = err.text};
        on_checkpoint(&event, s);
    }
    post_all(s, CONTROL_FINISH);
}

// --- the last checkpoint, and what is settled behind it ---
//
// A stop makes one, so that the next run goes on from there. So does every end of a job whose sinks
// keep rows until something outside has committed them: rows are committed outside only when a
// checkpoint holds them, and FINISHED forgets all checkpoints. So:
//
//   all quiet -> last checkpoint -> complete -> sinks commit outside -> all settled -> FINISHED
//
// Whoever dies or whatever memory is lost on this way: before "complete" the last checkpoint is
// made again; behind it the tasks go on from it, and settle what is not. A new supervisor begins
// with another last checkpoint, which is no less true.

enum { LAST_TRIES = 10, LAST_PAUSE_MS = 200, SETTLE_TELL_MS = 3000, SETTLE_MS = 10000 };

static void begin_last(struct supervisor *s)
{
    int64_t now = supervisor_now_ns();
    coordinator_hold(s->coordinator, now);
    if (s->finale == FINALE_NONE)
        s->result->last_checkpoint = coordinator_complete(s->coordinator);
    coordinator_begin_last(s->coordinator, now);
    supervisor_allow(s, s->options->checkpoints->timeout_ms); // it gives up by itself
    s->finale = FINALE_CHECKPOINT;
    s->last_again_ns = now + LAST_PAUSE_MS * MS_NS;
}

// A process that has left without waiting for the end had input unread; it reports no snapshot.
static bool somebody_has_left(const struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++)
        if (s->slots[i].state == SLOT_DONE)
            return true;
    return false;
}

// The last checkpoint has come to nothing. A job whose rows are committed outside tries again, but
// not for ever: the run ends, and the next one goes on from the checkpoint before.
static void last_has_failed(struct supervisor *s)
{
    if (s->options->settles && coordinator_failures(s->coordinator) < LAST_TRIES) {
        if (supervisor_now_ns() >= s->last_again_ns)
            begin_last(s);
        return;
    }
    if (s->ending) {
        post_all(s, CONTROL_CANCEL);
        return;
    }
    err_set(s->err, -ECANCELED,
            "all input is handled, but the last checkpoint could not be made, %d times in a row; "
            "what came after checkpoint %llu is not committed outside: mend what is wrong with %s "
            "and run the job again, it goes on from there",
            LAST_TRIES, (unsigned long long)coordinator_complete(s->coordinator),
            s->options->checkpoints->store->dir);
    s->result->end = SUPERVISOR_END_FAILED;
    s->result->exit_status = SUPERVISOR_EXIT_FAILURE;
}

static int count_unsettled(const struct supervisor *s)
{
    int count = 0;
    uint64_t last = coordinator_complete(s->coordinator);
    for (int i = 0; s->options->settles && i < s->options->task_count; i++)
        count += control_settled_checkpoint(s->control, i) < last;
    return count;
}

// Who stops a job does not wait for ever for what is outside: what is not committed there lies in
// the last checkpoint, and is by the run that goes on from it. Where who asked has said how long
// all of it may take, the tasks want some of that to end in.
static bool is_patience_over(struct supervisor *s)
{
    int64_t now = supervisor_now_ns();
    int64_t patience_ms = s->options->stop_timeout_ms ? s->options->stop_timeout_ms : SETTLE_MS;
    if (!s->ending)
        return false;
    if (s->settle_until_ns == INT64_MAX) {
        supervisor_allow(s, patience_ms);
        s->settle_until_ns = s->stop_timeout_ms && s->kill_at_ns != INT64_MAX
                                 ? s->kill_at_ns - s->stop_timeout_ms * MS_NS / 4
                                 : now + patience_ms * MS_NS;
    }
    return now >= s->settle_until_ns;
}

static void tell_settling(struct supervisor *s, int unsettled)
{
    char text[192];
    if (s->settling_is_told || supervisor_now_ns() < s->settling_ns + SETTLE_TELL_MS * MS_NS)
        return;
    s->settling_is_told = true;
    snprintf(text, sizeof text,
             "all that is to be put out is in checkpoint %llu, and %d of %d tasks wait for what is "
             "outside to commit it",
             (unsigned long long)coordinator_complete(s->coordinator), unsettled,
             s->options->task_count);
    const struct supervisor_event event = {
        .kind = SUPERVISOR_SETTLING, .task_index = -1, .text = text};
    supervisor_report(s, &event);
}

static void advance_settling(struct supervisor *s)
{
    if (coordinator_complete(s->coordinator) < s->result->last_checkpoint) {
        s->finale = FINALE_NONE; // it is damaged: a region has gone back behind it
        s->result->is_cut = false;
        return;
    }
    int unsettled = count_unsettled(s);
    if (unsettled && !is_patience_over(s)) {
        tell_settling(s, unsettled);
        return;
    }
    s->result->unsettled = s->ending ? unsettled : 0;
    if (s->ending)
        post_all(s, CONTROL_FINISH);
    else
        finish_job(s);
}

// Nothing moves any more.
static void advance_finale(struct supervisor *s)
{
    if (s->finale == FINALE_DONE || s->result->end == SUPERVISOR_END_FAILED || !all_quiet(s))
        return;
    if (!s->ending && !s->options->settles) {
        finish_job(s);
    } else if (s->finale == FINALE_SETTLING) {
        advance_settling(s);
    } else if (s->ending && somebody_has_left(s)) {
        s->result->last_checkpoint = coordinator_complete(s->coordinator);
        post_all(s, CONTROL_CANCEL); // without it the output stays: the next run repeats the rest
    } else if (s->finale == FINALE_NONE) {
        begin_last(s);
    } else if (coordinator_is_idle(s->coordinator)) {
        if (coordinator_complete(s->coordinator) <= s->result->last_checkpoint) {
            last_has_failed(s);
            return;
        }
        s->result->is_cut = true;
        s->result->last_checkpoint = coordinator_complete(s->coordinator);
        s->finale = FINALE_SETTLING;
        s->settling_ns = supervisor_now_ns();
        advance_settling(s);
    }
}

void ending_look(struct supervisor *s)
{
    if (s->coordinator && s->finale != FINALE_DONE)
        s->look_at_ns = 0;
}

void ending_on_time(struct supervisor *s)
{
    int64_t look_ms = s->bell_fd >= 0 ? LOOK_MS : LOOK_DEAF_MS;
    int64_t now = supervisor_now_ns(), again = INT64_MAX;
    if (!s->coordinator || s->look_at_ns > now)
        return;
    if (coordinator_tick(s->coordinator, now, &again, s->err) < 0)
        s->result->end = SUPERVISOR_END_FAILED;
    advance_finale(s);
    if (s->bell_fd >= 0 && !coordinator_is_idle(s->coordinator))
        again = now + LOOK_UNDER_WAY_MS * MS_NS;
    else if (s->finale == FINALE_CHECKPOINT)
        again = supervisor_earlier(again, s->last_again_ns);
    else if (s->finale == FINALE_SETTLING)
        again = supervisor_earlier(again, s->settle_until_ns);
    s->look_at_ns =
        s->finale == FINALE_DONE ? INT64_MAX : supervisor_earlier(again, now + look_ms * MS_NS);
}

static bool was_asked(const struct supervisor *s, enum control_request request)
{
    for (int i = 0; i < s->options->task_count; i++)
        if (control_was_asked(s->control, i, request))
            return true;
    return false;
}

// What was posted to some tasks is posted to all now. A stop goes on level by level; a last
// checkpoint that was under way is made anew.
void ending_take_over(struct supervisor *s)
{
    bool stop = was_asked(s, CONTROL_STOP), cancel = was_asked(s, CONTROL_CANCEL);
    if (stop || cancel) {
        s->result->end = SUPERVISOR_END_STOPPED;
        s->result->ended_earlier = true;
        supervisor_begin_end(s);
    }
    if (!stop && !cancel && was_asked(s, CONTROL_DRAIN))
        asked_take_over_drain(s);
    if (cancel) {
        post_all(s, CONTROL_CANCEL);
    } else if (was_asked(s, CONTROL_FINISH)) {
        post_all(s, CONTROL_FINISH);
        s->result->is_cut = stop && s->coordinator;
        s->result->last_checkpoint = s->result->is_cut ? coordinator_complete(s->coordinator) : 0;
        s->result->unsettled = s->result->is_cut ? count_unsettled(s) : 0;
    }
}

int ending_begin_checkpoints(struct supervisor *s)
{
    if (!s->options->checkpoints)
        return 0;
    struct coordinator_options options = *s->options->checkpoints;
    options.on_event = on_checkpoint;
    options.context = s;
    s->look_at_ns = 0;
    return coordinator_create(&options, s->control, supervisor_now_ns(), &s->coordinator, s->err);
}
