// ending.c: checkpoints as the supervisor's loop drives them, and the end of a job: a stop that
// goes level by level, and what is done with the output when all tasks have come to rest.
#include <limits.h>

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

// Stopped, and nothing moves any more: a last checkpoint, so that the next run goes on from here.
// Without it the output stays as it is: the next run repeats what came after the one before.
static void advance_finale(struct supervisor *s)
{
    if (s->finale == FINALE_DONE || s->result->end == SUPERVISOR_END_FAILED || !all_quiet(s))
        return;
    if (!s->ending) {
        finish_job(s);
    } else if (s->finale == FINALE_NONE) {
        coordinator_hold(s->coordinator, supervisor_now_ns());
        s->result->last_checkpoint = coordinator_complete(s->coordinator);
        coordinator_begin_last(s->coordinator, supervisor_now_ns());
        supervisor_allow(s, s->options->checkpoints->timeout_ms); // it gives up by itself
        s->finale = FINALE_CHECKPOINT;
    } else if (coordinator_is_idle(s->coordinator)) {
        s->result->is_cut = coordinator_complete(s->coordinator) > s->result->last_checkpoint;
        s->result->last_checkpoint = coordinator_complete(s->coordinator);
        post_all(s, s->result->is_cut ? CONTROL_FINISH : CONTROL_CANCEL);
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
