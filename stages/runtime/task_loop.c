// task_loop.c: transaction after transaction, until the end of input or a request to stop.
#include <errno.h>
#include <string.h>

#include "stages/runtime/task_internal.h"

enum { TIMER_CHECK_MS = 10 };

int task_watermark(struct task *task, int64_t watermark_ms, bool *more)
{
    trial_note(task, CONTROL_SITE_WORK);
    int rc = operator_watermark(chain_first(&task->chain), watermark_ms);
    return rc < 0 ? rc : chain_work(&task->chain, more);
}

int task_drain_work(struct task *task)
{
    for (;;) {
        bool more;
        trial_note(task, CONTROL_SITE_WORK);
        int rc = chain_work(&task->chain, &more);
        if (rc == 0)
            rc = task_commit(task);
        if (rc < 0 || !more)
            return rc;
        if (task_is_cancelled(task))
            return -ECANCELED;
    }
}

// One batch from the input channels.
static int reader_step(struct task *task, bool *ended)
{
    int64_t watermark_ms;
    bool more = false;
    uint64_t aligned = exchange_reader_aligned(&task->reader);
    if (aligned)
        return checkpoint_pass(task, aligned);
    if (!exchange_reader_ready(&task->reader)) {
        *ended = task->reader.channel_count > 0;
        for (int i = 0; i < task->reader.channel_count; i++)
            *ended &= task->reader.channels[i].state.has_ended != 0;
        if (!*ended)
            task_wait_input(task);
        return 0;
    }
    trial_begin_input(task);
    trial_note(task, CONTROL_SITE_ROWS);
    int rc = exchange_reader_take(&task->reader, task->max_rows, &watermark_ms, ended);
    if (rc < 0)
        return err_set(&task->err, rc, "an input channel holds bytes that are no frame");
    checkpoint_note_alignment(task);
    task->state.rows_in += task->reader.batch.count;
    if (task->give_up_row && task->reader.batch.count) {
        task->give_up_row = false;
        task_bad_row(
            task, NULL, BAD_ROW_NOWHERE,
            "what it causes does not fit into a transaction; memory.state would have to be higher",
            slice_of(""));
    } else if (trial_of_channel_row(task)) {
        trial_put_aside(task);
    } else {
        rc = operator_push(chain_first(&task->chain), &task->reader.batch);
    }
    if (rc == 0 && watermark_ms > task->state.emitted_ms && watermark_ms != INT64_MAX) {
        task->state.emitted_ms = watermark_ms;
        rc = task_watermark(task, watermark_ms, &more);
    }
    if (rc == 0)
        rc = task_commit(task);
    return rc == 0 && more ? task_drain_work(task) : rc;
}

// Transactions may arm timers that nobody tells us of: after some the chain is asked soon again.
int64_t task_timers_due(const struct task *task)
{
    int64_t soon_ms = task->timers_seen_ms + TIMER_CHECK_MS;
    bool is_stale = task->commits != task->timers_commits;
    return is_stale && soon_ms < task->next_timer_ms ? soon_ms : task->next_timer_ms;
}

static int fire_timers(struct task *task)
{
    int64_t now_ms = task->env->realtime_ms(task->env);
    if (now_ms < task_timers_due(task) && now_ms >= task->timers_seen_ms)
        return 0;
    trial_note(task, CONTROL_SITE_WORK);
    int rc = chain_processing_time(&task->chain, now_ms, &task->next_timer_ms);
    if (rc == 0 && arena_log_used(task->arena))
        rc = task_commit(task);
    task->timers_seen_ms = now_ms;
    task->timers_commits = task->commits;
    return rc;
}

// All input is handled: the last watermark, its work, the end marks.
static int end_input(struct task *task)
{
    bool more;
    int rc = 0;
    if (!task->state.end_started) {
        task->state.end_started = 1;
        task->state.emitted_ms = INT64_MAX;
        rc = task_watermark(task, INT64_MAX, &more);
        if (rc == 0)
            rc = task_commit(task);
    }
    if (rc == 0)
        rc = task_drain_work(task);
    if (rc == 0 && task->writer)
        rc = exchange_writer_control(task->writer, FRAME_END);
    if (rc < 0)
        return rc;
    task->state.has_ended = 1;
    return task_commit(task);
}

// Whoever takes the output cannot keep up: nothing is read, but a barrier that can pass does.
static int wait_for_room(struct task *task)
{
    uint64_t aligned = task->head.source ? 0 : exchange_reader_aligned(&task->reader);
    int rc = task->head.source ? checkpoint_from_source(task) : 0;
    if (aligned)
        return checkpoint_pass(task, aligned);
    if (rc == 0)
        task_wait_room_outside(task);
    return rc;
}

static int step(struct task *task, bool *ended)
{
    struct head_idle idle;
    int rc = fire_timers(task);
    if (rc < 0)
        return rc;
    if (task->state.end_started) {
        *ended = true;
        return 0;
    }
    // What the channels still hold when the job stops is taken all the same: without it there would
    // be no last checkpoint.
    if (!task_has_room_outside(task) && !task_must_stop(task))
        return wait_for_room(task);
    if (!task->head.source)
        return reader_step(task, ended);
    rc = head_step(task, &idle, ended);
    if (rc == 0 && !*ended && idle.is_idle)
        task_wait_source(task, &idle);
    return rc;
}

// After a transaction that did not fit: try with fewer rows; one row that does not fit is bad. When
// that did not help either, it is not the input.
static int take_less(struct task *task)
{
    enum { TRIES = 3 };
    if (task->max_rows == 1) {
        task->give_up_row = true;
        if (++task->stuck > TRIES)
            return err_set(&task->err, -EMSGSIZE,
                           "what one row or group gives does not fit into one transaction; set "
                           "memory.ring or memory.state higher");
    }
    task->max_rows = task->max_rows > 1 ? task->max_rows / 2 : 1;
    task->fits = 0;
    return 0;
}

// Not at once: where rows cause much, twice as many would not fit again.
static void take_more(struct task *task)
{
    enum { PATIENCE = 16 };
    task->stuck = 0;
    if (task->max_rows == BATCH_ROWS || ++task->fits < PATIENCE)
        return;
    task->fits = 0;
    task->max_rows = task->max_rows * 2 < BATCH_ROWS ? task->max_rows * 2 : BATCH_ROWS;
}

// A stop comes level by level: when it is asked of a reader, nobody writes to its channels any
// more, and what is in them was committed by somebody. All of it is read, also behind a barrier
// that the other channels will never deliver.
static bool must_end(struct task *task)
{
    if (task_is_cancelled(task))
        return true;
    if (!task_must_stop(task) || task->head.source)
        return task_must_stop(task);
    checkpoint_forgo(task);
    return !exchange_reader_ready(&task->reader);
}

// Nothing is to be read any more. The output becomes final, or stays as it is: then a later run
// goes on from here, or from a checkpoint.
static int end_task(struct task *task)
{
    if (task_is_orphaned(task))
        return 0;
    int rc = checkpoint_linger(task);
    if (rc == -ECANCELED)
        return 0;
    return rc < 0 ? rc : chain_finish(&task->chain, &task->err);
}

int task_loop(struct task *task)
{
    bool ended = false;
    control_set_state(task->control, CONTROL_RUNNING); // what a predecessor left may take long
    int rc = task_drain_work(task);
    while (!task->state.has_ended) {
        if (rc == 0 && must_end(task))
            break; // the sinks finish what was committed
        if (rc == 0)
            rc = task_look_outside(task);
        if (rc == 0)
            rc = checkpoint_poll(task);
        if (rc == 0)
            rc = ended ? end_input(task) : step(task, &ended);
        if (rc == 0) {
            take_more(task);
            continue;
        }
        task_abort(task);
        if (rc == -ECANCELED && task_is_cancelled(task))
            break;
        if (task->must_fail)
            return -EBADMSG;
        if (rc != -EAGAIN)
            return rc;
        ended = false;
        rc = take_less(task);
        if (rc < 0)
            return rc;
        rc = task_drain_work(task); // work comes before new input, also after an abort
    }
    return end_task(task);
}
