// task_channels.c: a task's ends of rings: mapped by whoever is or may become the task, begun at
// the arena's committed positions by who is.
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "stages/runtime/schema.h"
#include "stages/runtime/task_internal.h"

// The text of a ring that cannot be mapped names it.
static int ring_refused(struct task *task, const char *name, int rc)
{
    return rc < 0 ? err_prefix(&task->err, rc, "%s", name) : 0;
}

static int map_inputs(struct task *task)
{
    char name[64];
    const struct plan *plan = task->job.plan;
    const int exchange = task->stage->input_exchange;
    const struct stage *from = &plan->stages[plan->exchanges[exchange].from_stage];
    for (int i = 0; i < from->parallelism; i++) {
        if (!job_has_channel(plan, exchange, i, task->subtask))
            continue;
        struct in_channel *channel = &task->reader.channels[task->reader.channel_count];
        channel->task = from->first_task + i;
        job_ring_name(exchange, i, task->subtask, name);
        int fd = job_ring_open(&task->job.dir, name, &task->err);
        if (fd < 0)
            return fd;
        int rc = ring_map_consumer(fd, plan->fingerprint, &channel->ring, &task->err);
        rc = ring_refused(task, name, rc);
        close(fd);
        if (rc < 0)
            return rc;
        task->reader.channel_count++;
    }
    batch_init(&task->reader.batch, &from->ops[from->op_count - 1]->output);
    return 0;
}

static int map_outputs(struct task *task)
{
    char name[64];
    const struct plan *plan = task->job.plan;
    const int exchange = task->stage->output_exchange;
    const struct stage *to = &plan->stages[plan->exchanges[exchange].to_stage];
    for (int i = 0; i < to->parallelism; i++) {
        if (!job_has_channel(plan, exchange, task->subtask, i))
            continue;
        struct out_channel *channel = &task->out_channels[task->out_channel_count];
        channel->task = to->first_task + i;
        job_ring_name(exchange, task->subtask, i, name);
        int fd = job_ring_open(&task->job.dir, name, &task->err);
        if (fd < 0)
            return fd;
        int rc = ring_map_producer(fd, plan->fingerprint, &channel->ring, &task->err);
        rc = ring_refused(task, name, rc);
        close(fd);
        if (rc < 0)
            return rc;
        task->out_channel_count++;
    }
    return 0;
}

static size_t others(const struct task *task, int exchange, bool inputs)
{
    const struct plan *plan = task->job.plan;
    if (exchange < 0)
        return 0;
    const struct exchange *e = &plan->exchanges[exchange];
    return (size_t)plan->stages[inputs ? e->from_stage : e->to_stage].parallelism;
}

int task_channels_map(struct task *task)
{
    size_t inputs = others(task, task->stage->input_exchange, true);
    size_t outputs = others(task, task->stage->output_exchange, false);
    task->reader.channels = calloc(inputs + 1, sizeof *task->reader.channels);
    task->out_channels = calloc(outputs + 1, sizeof *task->out_channels);
    CHECK(task->reader.channels && task->out_channels);
    int rc = inputs ? map_inputs(task) : 0;
    return rc == 0 && outputs ? map_outputs(task) : rc;
}

int task_channels_fault_in(const struct task *task, uint64_t *bytes)
{
    int rc = 0;
    for (int i = 0; i < task->reader.channel_count && rc == 0; i++) {
        const struct ring_consumer *ring = &task->reader.channels[i].ring;
        rc = ring_fault_in(ring->mapping, ring->capacity, bytes);
    }
    for (int i = 0; i < task->out_channel_count && rc == 0; i++) {
        const struct ring_producer *ring = &task->out_channels[i].ring;
        rc = ring_fault_in(ring->mapping, ring->capacity, bytes);
    }
    return rc;
}

// --- waiting for room ---

struct room {
    struct out_channel *channel;
    struct task *task;
    uint64_t bytes;
};

static bool has_room(void *context)
{
    struct room *room = context;
    return ring_reserve(&room->channel->ring, room->bytes) || task_is_cancelled(room->task);
}

static int wait_room(void *context, struct out_channel *channel, uint64_t bytes)
{
    struct task *task = context;
    struct room room = {channel, task, bytes};
    const struct task_waiting waiting = {.ready = has_room,
                                         .context = &room,
                                         .until_ns = INT64_MAX,
                                         .state = CONTROL_WAITING_OUTPUT,
                                         .reason = WAITER_ROOM};
    if (task_is_cancelled(task)) // merely stopped: the reader goes on until we have ended
        return -ECANCELED;
    const int64_t begun_ns = task->env->monotonic_ns(task->env);
    task_wait_until(task, &waiting);
    task->blocked_ns += task->env->monotonic_ns(task->env) - begun_ns;
    control_set_counter(task->control, CONTROL_BLOCKED_NS, task->blocked_ns);
    return 0;
}

// --- begin and end ---

int task_channels_begin(struct task *task, const struct channel_state *states,
                        const struct op_context *context)
{
    int rc = 0;
    for (int i = 0; i < task->reader.channel_count && rc == 0; i++) {
        struct in_channel *channel = &task->reader.channels[i];
        channel->state = states[i];
        channel->committed = states[i].position;
        rc = ring_begin_consumer(&channel->ring, channel->committed, &task->err);
    }
    states += task->reader.channel_count;
    for (int i = 0; i < task->out_channel_count && rc == 0; i++) {
        struct out_channel *channel = &task->out_channels[i];
        channel->committed = states[i].position;
        rc = ring_begin_producer(&channel->ring, channel->committed, &task->err);
    }
    if (rc < 0 || task->out_channel_count == 0)
        return rc;
    task->writer = exchange_writer_create(context);
    task->writer->channels = task->out_channels;
    task->writer->channel_count = task->out_channel_count;
    task->writer->wait_room = wait_room;
    task->writer->wait_context = task;
    task->out_channels = NULL;
    return 0;
}

void task_channels_close(struct task *task)
{
    for (int i = 0; i < task->reader.channel_count; i++)
        ring_consumer_close(&task->reader.channels[i].ring);
    for (int i = 0; task->out_channels && i < task->out_channel_count; i++)
        ring_producer_close(&task->out_channels[i].ring);
    free(task->reader.channels);
    free(task->out_channels);
    batch_fini(&task->reader.batch);
}
