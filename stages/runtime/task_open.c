// task_open.c: a task takes over: attach, own, undo, publish, build the chain.
//
// The order matters. Nothing of the arena is touched before the owner mutex is ours; arena_open
// then undoes what a predecessor left unfinished; the rings get the arena's committed positions
// before anything new is read or written; and everyone is woken, because the predecessor may have
// died between its commit and its wake calls.
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "shm/budget.h"
#include "shm/owner.h"
#include "stages/runtime/schema.h"
#include "stages/runtime/task.h"
#include "stages/runtime/task_internal.h"

static int claim_arena(void *context, uint64_t from, uint64_t to)
{
    struct task *task = context;
    int rc = segment_claim(&task->segment, SEGMENT_PAGE_BYTES + from, to - from, NULL);
    task->claim_failed |= rc < 0;
    return rc;
}

static int open_arena(struct task *task)
{
    char name[64];
    const uint64_t fingerprint = task->job.plan->fingerprint;
    job_arena_name(task->index, name);
    const struct segment_spec spec = {task->job.dir.fd, name, "arena", ARENA_VERSION, fingerprint};
    const struct arena_options options = {
        .fingerprint = fingerprint, .claim = claim_arena, .claim_context = task};
    int rc = segment_open(&spec, true, &task->segment, &task->err);
    if (rc < 0)
        return rc;
    task->arena_bytes = task->segment.bytes - SEGMENT_PAGE_BYTES;
    const struct segment_range range = {SEGMENT_PAGE_BYTES, task->arena_bytes, true, false};
    rc = segment_map(&task->segment, &range, &task->arena_base, &task->err);
    if (rc < 0)
        return rc;
    rc = owner_acquire(arena_owner(task->arena_base), -1);
    if (rc < 0)
        return err_set(&task->err, rc, "cannot own the memory of task %d: %s", task->index,
                       strerror(-rc));
    task->owns = true;
    return arena_open(task->arena_base, task->arena_bytes, &options, &task->arena, &task->err);
}

static int open_ring_file(struct task *task, int exchange, int from, int to)
{
    char name[64];
    job_ring_name(exchange, from, to, name);
    int fd = openat(task->job.dir.fd, name, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return err_set(&task->err, -errno, "cannot open %s/%s: %s", task->job.dir.path, name,
                       strerror(errno));
    return fd;
}

static int open_inputs(struct task *task, const struct channel_state *states)
{
    const struct plan *plan = task->job.plan;
    const int exchange = task->stage->input_exchange;
    const struct stage *from = &plan->stages[plan->exchanges[exchange].from_stage];
    for (int i = 0, at = 0; i < from->parallelism; i++) {
        if (!job_has_channel(plan, exchange, i, task->subtask))
            continue;
        struct in_channel *channel = &task->reader.channels[at];
        channel->state = states[at];
        channel->task = from->first_task + i;
        int fd = open_ring_file(task, exchange, i, task->subtask);
        if (fd < 0)
            return fd;
        int rc = ring_attach_consumer(fd, plan->fingerprint, states[at].position, &channel->ring,
                                      &task->err);
        close(fd);
        if (rc < 0)
            return rc;
        channel->committed = states[at++].position;
    }
    batch_init(&task->reader.batch, &from->ops[from->op_count - 1]->output);
    return 0;
}

static int open_outputs(struct task *task, const struct channel_state *states)
{
    const struct plan *plan = task->job.plan;
    const int exchange = task->stage->output_exchange;
    const struct stage *to = &plan->stages[plan->exchanges[exchange].to_stage];
    for (int i = 0, at = 0; i < to->parallelism; i++) {
        if (!job_has_channel(plan, exchange, task->subtask, i))
            continue;
        struct out_channel *channel = &task->writer->channels[at];
        channel->task = to->first_task + i;
        int fd = open_ring_file(task, exchange, task->subtask, i);
        if (fd < 0)
            return fd;
        int rc = ring_attach_producer(fd, plan->fingerprint, states[at].position, &channel->ring,
                                      &task->err);
        close(fd);
        if (rc < 0)
            return rc;
        channel->committed = states[at++].position;
    }
    return 0;
}

static int count_channels(const struct task *task, int exchange, bool inputs)
{
    const struct plan *plan = task->job.plan;
    int count = 0;
    if (exchange < 0)
        return 0;
    const struct exchange *e = &plan->exchanges[exchange];
    int others = plan->stages[inputs ? e->from_stage : e->to_stage].parallelism;
    for (int i = 0; i < others; i++)
        count += inputs ? job_has_channel(plan, exchange, i, task->subtask)
                        : job_has_channel(plan, exchange, task->subtask, i);
    return count;
}

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
    enum { SLICE_NS = 50 * 1000 * 1000 };
    struct task *task = context;
    struct room room = {channel, task, bytes};
    if (task_is_cancelled(task)) // merely stopped: the reader goes on until we have ended
        return -ECANCELED;
    control_set_state(task->control, CONTROL_WAITING_OUTPUT);
    waiter_wait(task->waiter, task->job.options.waiting, has_room, &room, SLICE_NS);
    control_set_state(task->control, CONTROL_RUNNING);
    control_heartbeat(task->control, task->env->monotonic_ns(task->env));
    return 0;
}

static int open_state(struct task *task, const struct op_context *context)
{
    int inputs = count_channels(task, task->stage->input_exchange, true);
    int outputs = count_channels(task, task->stage->output_exchange, false);
    uint64_t bytes =
        sizeof task->state + (uint64_t)(inputs + outputs) * sizeof(struct channel_state);
    int rc = arena_root(task->arena, TASK_ROOT, bytes, &task->state_at);
    if (rc == 0)
        rc = arena_root(task->arena, DEAD_LETTER_ROOT, 8, &task->dead_letter_at);
    if (rc < 0)
        return err_set(&task->err, rc, "no room in the task's memory; set memory.state higher");
    struct task_state *state = arena_touch(task->arena, task->state_at, bytes);
    struct channel_state *channels = (struct channel_state *)(state + 1);
    bool is_first = !state->is_known;
    if (is_first) {
        *state = (struct task_state){.current_ms = INT64_MIN,
                                     .flink_ms = INT64_MIN,
                                     .emitted_ms = INT64_MIN,
                                     .newest_ms = INT64_MIN,
                                     .is_known = 1};
        for (int i = 0; i < inputs; i++)
            channels[i].watermark_ms = INT64_MIN;
    }
    task->state = *state;
    rc = task_find_dead_letter(task, is_first);
    if (rc < 0)
        return rc;
    task->reader.channel_count = inputs;
    task->reader.channels = calloc((size_t)inputs + 1, sizeof *task->reader.channels);
    CHECK(task->reader.channels);
    rc = inputs ? open_inputs(task, channels) : 0;
    if (rc < 0 || outputs == 0)
        return rc;
    task->writer = exchange_writer_create(context);
    task->writer->channel_count = outputs;
    task->writer->channels = calloc((size_t)outputs, sizeof *task->writer->channels);
    CHECK(task->writer->channels);
    task->writer->wait_room = wait_room;
    task->writer->wait_context = task;
    return open_outputs(task, channels + inputs);
}

static int read_policy(struct task *task)
{
    const char *text = job_bad_rows(task->job.plan, task->stage, &task->job.options);
    if (strcmp(text, "dead-letter") == 0)
        task->policy = BAD_ROWS_DEAD_LETTER;
    else if (strcmp(text, "skip") == 0)
        task->policy = BAD_ROWS_SKIP;
    else if (strcmp(text, "fail") == 0)
        task->policy = BAD_ROWS_FAIL;
    else
        return err_set(&task->err, -EINVAL,
                       "'bad-rows' = '%s' is not 'dead-letter', 'skip' or 'fail'", text);
    return 0;
}

static int open_chain(struct task *task, struct op_context *context)
{
    int first_op = 0, rc = 0;
    if (task->stage->input_exchange < 0) {
        rc = head_open(task, context);
        first_op = task->head.first_op;
    }
    if (rc < 0)
        return rc;
    rc = chain_open(&task->chain, context, first_op, task->writer ? &task->writer->base : NULL,
                    &task->err);
    if (rc < 0) {
        task->writer = NULL; // the chain has closed it
        return rc;
    }
    arena_commit(task->arena);
    if (task->head.source)
        head_reset(task);
    return 0;
}

int task_open(struct task *task, const char *job_dir, int task_index)
{
    task->index = task_index;
    task->env = env_system();
    task->segment.fd = -1;
    task->max_rows = BATCH_ROWS;
    int rc = job_attach(job_dir, &task->job, &task->err);
    if (rc < 0)
        return rc;
    const struct plan *plan = task->job.plan;
    // Where tasks share cores, one that spins takes the time from the one that it waits for.
    if (task->job.options.waiting == WAITER_ADAPTIVE && plan->task_count > task->job.options.cores)
        task->job.options.waiting = WAITER_BLOCK;
    if (task_index < 0 || task_index >= plan->task_count)
        return err_set(&task->err, -EINVAL, "the job has no task %d", task_index);
    rc = control_attach_task(task->job.dir.fd, plan->fingerprint, task_index, &task->control,
                             &task->err);
    if (rc < 0)
        return rc;
    task->waiter = control_waiter(task->control, task_index);
    task->stage = plan_stage_of(plan, task_index, &task->subtask);
    rc = open_arena(task);
    if (rc < 0)
        return rc;
    control_begin(task->control);
    rc = errlog_attach(task->job.dir.fd, plan->fingerprint, task_index, &task->errlog, &task->err);
    if (rc < 0)
        return rc;
    struct op_context context = {
        .env = task->env,
        .arena = task->arena,
        .plan = plan,
        .stage = task->stage,
        .op = task->stage->ops[0],
        .subtask = task->subtask,
        .job_name = task->job.options.job_name,
        .bad_row_context = task,
        .bad_row = task_bad_row,
        .fail_job = task_fail,
        .note = task_note,
        .max_rows = &task->max_rows,
        .late_rows = &task->state.late_rows,
        .rows_out = &task->state.rows_out,
        .bytes_in = &task->state.bytes_in,
        .bytes_out = &task->state.bytes_out,
        .checkpoints = *task->job.options.checkpoint_dir != '\0',
        .is_restored = task->job.options.is_restored,
    };
    rc = read_policy(task);
    if (rc == 0)
        rc = open_state(task, &context);
    if (rc == 0)
        rc = checkpoint_open(task);
    if (rc < 0)
        return rc;
    context.ordered_input = task->reader.channel_count <= 1;
    rc = open_chain(task, &context);
    if (rc == 0)
        task_publish_all(task, true);
    return rc;
}

void task_close(struct task *task)
{
    checkpoint_close(task);
    bool writer_in_chain = task->chain.count > 0;
    chain_close(&task->chain);
    if (task->writer && !writer_in_chain)
        task->writer->base.class->close(&task->writer->base);
    head_close(&task->head);
    for (int i = 0; i < task->reader.channel_count; i++)
        if (task->reader.channels[i].ring.mapping)
            ring_consumer_close(&task->reader.channels[i].ring);
    free(task->reader.channels);
    batch_fini(&task->reader.batch);
    if (task->dead_letter_open)
        txfile_close(&task->dead_letter);
    if (task->arena)
        arena_close(task->arena);
    if (task->owns)
        owner_release(arena_owner(task->arena_base));
    if (task->arena_base)
        segment_unmap(task->arena_base, task->arena_bytes);
    segment_close(&task->segment);
    errlog_detach(task->errlog);
    control_detach(task->control);
    if (task->job.plan)
        job_detach(&task->job);
}

// No room in the arena: is it the arena that is too small, or has somebody filled the folder?
static void describe_full(struct task *task)
{
    char used[32], whole[32];
    uint64_t used_bytes = task->arena ? arena_used_bytes(task->arena) : 0;
    budget_format_bytes(used_bytes, used);
    budget_format_bytes(task->arena_bytes, whole);
    if (task->claim_failed)
        err_set(
            &task->err, -ENOSPC,
            "task %d (%s): %s is full: something else has taken memory that was promised to this "
            "job (the task uses %s of %s); its input stays unread; free memory there, then run "
            "the job again",
            task->index, task->stage->name, task->job.dir.path, used, whole);
    else
        err_set(&task->err, -ENOSPC,
                "task %d (%s): its memory is full: %s of %s are used; its input stays unread; set "
                "memory.state higher",
                task->index, task->stage->name, used, whole);
}

int task_main(const char *job_dir, int task_index)
{
    enum { EXIT_CONFIG = 78 };
    struct task *task = calloc(1, sizeof *task);
    CHECK(task);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a limit of file sizes is an error of the write (ulimit -f)
    signal(SIGINT, SIG_IGN);  // a terminal's Ctrl-C is the supervisor's to handle
    int rc = task_open(task, job_dir, task_index), status = 0;
    bool ran = rc == 0;
    if (rc == 0)
        rc = task_loop(task);
    if (rc < 0) {
        if (rc == -ENOSPC && task->stage)
            describe_full(task);
        else if (!task->err.text[0])
            err_set(&task->err, rc, "%s", strerror(-rc));
        if (task->control)
            control_fail(task->control, task->err.text);
        else
            dprintf(STDERR_FILENO, "weir: task %d: %s\n", task_index, task->err.text);
        status = ran ? 1 : EXIT_CONFIG;
    } else if (task->control) {
        control_set_state(task->control, CONTROL_FINISHED);
    }
    task_close(task);
    free(task);
    return status;
}
