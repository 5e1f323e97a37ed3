// task_commit.c: the end of a transaction, one way or the other.
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "stages/runtime/task_internal.h"

static struct channel_state *channel_states(struct task *task, bool touch, uint64_t *bytes)
{
    uint64_t count = (uint64_t)task->reader.channel_count +
                     (task->writer ? (uint64_t)task->writer->channel_count : 0);
    uint64_t at = task->state_at + sizeof task->state;
    *bytes = count * sizeof(struct channel_state);
    if (touch && *bytes)
        return arena_touch(task->arena, at, *bytes);
    return (struct channel_state *)(task->arena->base + at);
}

void task_load_state(struct task *task)
{
    uint64_t bytes;
    const struct channel_state *states = channel_states(task, false, &bytes);
    memcpy(&task->state, arena_at(task->arena, task->state_at), sizeof task->state);
    task->reader.passed = task->state.barrier;
    for (int i = 0; i < task->reader.channel_count; i++) {
        task->reader.channels[i].state = states[i];
        task->reader.channels[i].committed = states[i].position;
    }
    states += task->reader.channel_count;
    for (int i = 0; task->writer && i < task->writer->channel_count; i++)
        task->writer->channels[i].committed = states[i].position;
}

static void store_state(struct task *task)
{
    uint64_t bytes;
    struct channel_state *states = channel_states(task, true, &bytes);
    memcpy(arena_touch(task->arena, task->state_at, sizeof task->state), &task->state,
           sizeof task->state);
    for (int i = 0; i < task->reader.channel_count; i++) {
        struct in_channel *channel = &task->reader.channels[i];
        channel->state.position = channel->ring.position;
        states[i] = channel->state;
    }
    states += task->reader.channel_count;
    for (int i = 0; task->writer && i < task->writer->channel_count; i++)
        states[i].position = task->writer->channels[i].ring.position;
}

// Of the channels with news, all of which are published. A neighbour with several is woken once:
// the first call finds it asleep.
static void wake_neighbours(struct task *task, bool always)
{
    waiter_fence();
    for (int i = 0; i < task->reader.channel_count; i++) {
        struct waiter *writer = control_waiter(task->control, task->reader.channels[i].task);
        if (task->reader.channels[i].is_news)
            task->wake_calls +=
                always ? waiter_wake(writer) : waiter_wake_behind_fence(writer, WAITER_ROOM);
    }
    for (int i = 0; task->writer && i < task->writer->channel_count; i++) {
        struct waiter *reader = control_waiter(task->control, task->writer->channels[i].task);
        if (task->writer->channels[i].is_news)
            task->wake_calls +=
                always ? waiter_wake(reader) : waiter_wake_behind_fence(reader, WAITER_INPUT);
    }
}

void task_publish_all(struct task *task, bool always_wake)
{
    bool moved = always_wake;
    for (int i = 0; i < task->reader.channel_count; i++) {
        struct in_channel *channel = &task->reader.channels[i];
        channel->is_news = always_wake || channel->committed != channel->ring.position;
        channel->committed = channel->ring.position;
        if (channel->is_news)
            ring_release(&channel->ring, channel->committed);
        moved |= channel->is_news;
    }
    for (int i = 0; task->writer && i < task->writer->channel_count; i++) {
        struct out_channel *channel = &task->writer->channels[i];
        channel->is_news = always_wake || channel->committed != channel->ring.position;
        channel->committed = channel->ring.position;
        if (channel->is_news)
            ring_publish(&channel->ring, channel->committed);
        moved |= channel->is_news;
    }
    if (moved)
        wake_neighbours(task, always_wake);
}

// Bytes of the channels (their positions only grow) and of what stands at the stage's end.
static void publish_bytes(struct task *task)
{
    uint64_t in = task->state.bytes_in, out = task->state.bytes_out;
    for (int i = 0; i < task->reader.channel_count; i++)
        in += task->reader.channels[i].committed;
    for (int i = 0; task->writer && i < task->writer->channel_count; i++)
        out += task->writer->channels[i].committed;
    control_set_counter(task->control, CONTROL_BYTES_IN, (int64_t)in);
    control_set_counter(task->control, CONTROL_BYTES_OUT, (int64_t)out);
}

// What the process began with few rows for, is done.
static void note_first_rows(struct task *task, int64_t now_ns)
{
    task->has_served = task->state.rows_in + task->state.rows_out != task->rows_before;
    if (!task->has_served)
        return;
    control_set_first(task->control, now_ns);
    if (task->max_rows == TASK_FIRST_ROWS)
        task->max_rows = BATCH_ROWS;
    task_put_off_dead(task);
}

static void publish_counters(struct task *task)
{
    struct control *control = task->control;
    int64_t watermark = task->head.source ? task->state.current_ms : task->state.emitted_ms;
    publish_bytes(task);
    control_set_counter(control, CONTROL_MAX_EVENT_MS, task->state.newest_ms);
    control_set_counter(control, CONTROL_ROWS_IN, (int64_t)task->state.rows_in);
    control_set_counter(control, CONTROL_ROWS_OUT, (int64_t)task->state.rows_out);
    control_set_counter(control, CONTROL_BAD_ROWS, (int64_t)task->state.bad_rows);
    control_set_counter(control, CONTROL_LATE_ROWS, (int64_t)task->state.late_rows);
    control_set_counter(control, CONTROL_COMMITS, (int64_t)task->commits);
    control_set_counter(control, CONTROL_ABORTS, (int64_t)task->aborts);
    control_set_counter(control, CONTROL_WAKE_CALLS, (int64_t)task->wake_calls);
    control_set_counter(control, CONTROL_SLEEPS, (int64_t)task->waiting.sleeps);
    control_set_counter(control, CONTROL_WATERMARK_MS, watermark);
    align_publish(task);
    task_publish_outside(task);
    control_set_counter(control, CONTROL_STATE_BYTES, (int64_t)arena_used_bytes(task->arena));
    int64_t now_ns = task->env->monotonic_ns(task->env);
    if (!task->has_served)
        note_first_rows(task, now_ns);
    if (task->latency.markers.count || task->latency.markers.lost)
        task_latency_committed(task, now_ns);
    control_progress(control, now_ns);
}

int task_commit(struct task *task)
{
    enum { SETTLED_COMMITS = 8 };
    if (task->must_fail)
        return -ECANCELED;
    int rc = chain_before_commit(&task->chain);
    if (rc == 0)
        rc = task_letters_before_commit(task);
    if (task->must_fail)
        return -ECANCELED;
    if (rc < 0)
        return rc;
    if (task->latency.markers.count)
        task_latency_send(task);
    store_state(task);
    task_check_owner(task);
    arena_commit(task->arena);
    task_letters_committed(task);
    task_publish_all(task, false);
    chain_after_commit(&task->chain);
    if (arena_log_used(task->arena))
        arena_commit(task->arena);
    if (++task->commits == SETTLED_COMMITS)
        task_settle(task);
    publish_counters(task);
    return 0;
}

void task_abort(struct task *task)
{
    arena_abort(task->arena);
    task_load_state(task);
    for (int i = 0; i < task->reader.channel_count; i++)
        ring_consumer_rewind(&task->reader.channels[i].ring, task->reader.channels[i].committed);
    chain_reset(&task->chain); // rewinds the output rings too
    if (task->head.source)
        head_reset(task);
    task_letters_reset(task);
    task_latency_aborted(task);
    task->aborts++;
}

bool task_must_stop(const struct task *task)
{
    return control_requested(task->control, CONTROL_STOP);
}

bool task_is_orphaned(struct task *task)
{
    static const int64_t MS_NS = 1000000, LOOK_MAX_NS = INT64_C(1000000000);
    const int64_t after_ns = task->job.options.orphan_after_ms * MS_NS;
    int64_t now_ns = task->env->monotonic_ns(task->env);
    if (after_ns == 0 || now_ns < task->orphan_look_ns || task->is_orphaned)
        return task->is_orphaned;
    // A look costs some 20 us: a few of them in that time are enough, and not before the first
    // rows.
    bool is_first = task->orphan_look_ns == 0;
    task->orphan_look_ns = now_ns + (after_ns / 8 < LOOK_MAX_NS ? after_ns / 8 : LOOK_MAX_NS);
    if (is_first)
        return false;
    if (process_alive(control_supervisor(task->control)))
        task->orphan_since_ns = 0;
    else if (task->orphan_since_ns == 0)
        task->orphan_since_ns = now_ns;
    else
        task->is_orphaned = now_ns - task->orphan_since_ns >= after_ns;
    return task->is_orphaned;
}

bool task_is_called_off(struct task *task)
{
    return control_requested(task->control, CONTROL_CANCEL) || task_is_orphaned(task);
}

bool task_is_cancelled(struct task *task)
{
    static const int64_t PATIENCE_NS = INT64_C(2500000000); // of the supervisor's 10 s, each level
    if (task_is_called_off(task))
        return true;
    if (!task_must_stop(task))
        return false;
    int64_t now_ns = task->env->monotonic_ns(task->env);
    if (!task->stop_seen_ns)
        task->stop_seen_ns = now_ns;
    return now_ns - task->stop_seen_ns > PATIENCE_NS;
}

void task_fail(void *context, const char *reason)
{
    struct task *task = context;
    if (!task->must_fail)
        err_set(&task->err, -EBADMSG, "%s", reason);
    task->must_fail = true;
}

void task_note(void *context, const char *text)
{
    struct task *task = context;
    errlog_note(task->errlog, task->env->realtime_ms(task->env), text);
}

// Rows of the source are named by where they stand; rows behind an exchange by their stage.
struct row_place task_place_of(const struct task *task, const char *source, uint64_t position,
                               struct slice row)
{
    struct row_place place = {source, position, row, task->letters.message};
    const struct source *head = task->head.source;
    if (source)
        return place;
    place.source = task->stage->name;
    if (!head || position == BAD_ROW_NOWHERE || !head->class->place)
        return place;
    head->class->place(head, (uint32_t)position, &place);
    if (!place.text.len)
        place.text = row;
    return place;
}

void task_bad_row(void *context, const char *source, uint64_t position, const char *reason,
                  struct slice row)
{
    struct task *task = context;
    task->state.bad_rows++;
    if (task->policy == BAD_ROWS_SKIP || task->must_fail)
        return;
    struct row_place place = task_place_of(task, source, position, row);
    if (task->policy == BAD_ROWS_FAIL) {
        char where[32] = "";
        if (place.position != BAD_ROW_NOWHERE)
            snprintf(where, sizeof where, ", offset %llu", (unsigned long long)place.position);
        err_set(&task->err, -EBADMSG,
                "%s%s: %s\nthe policy for bad rows is 'fail'; 'bad-rows' = 'dead-letter' puts them "
                "aside, 'skip' counts them\n  %.*s",
                place.source, where, reason, place.text.len > 200 ? 200 : (int)place.text.len,
                place.text.ptr);
        task->must_fail = true;
        return;
    }
    const struct dead_letter letter = {place.source, place.position, reason,
                                       place.text,   place.message,  task->index};
    if (task_put_letter(task, &letter) < 0)
        task->must_fail = true;
}
