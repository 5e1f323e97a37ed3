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
#include "stages/runtime/crash.h"
#include "stages/runtime/task.h"
#include "stages/runtime/task_internal.h"

static int claim_arena(void *context, uint64_t from, uint64_t to)
{
    struct task *task = context;
    int rc = segment_claim(&task->segment, SEGMENT_PAGE_BYTES + from, to - from, NULL);
    task->claim_failed |= rc < 0;
    return rc;
}

// What the task's memory is made of cannot be used: the job must go back to a checkpoint. Where the
// host merely has no room or no descriptor, another try may succeed.
static int memory_lost(struct task *task, int rc)
{
    task->memory_is_lost = rc != -ENOSPC && rc != -ENOMEM && rc != -EMFILE && rc != -ENFILE;
    return rc;
}

static int map_arena(struct task *task)
{
    char name[64];
    const uint64_t fingerprint = task->job.plan->fingerprint;
    job_arena_name(task->index, name);
    const struct segment_spec spec = {task->job.dir.fd, name, "arena", ARENA_VERSION, fingerprint};
    int rc = segment_open(&spec, true, &task->segment, &task->err);
    if (rc < 0)
        return rc;
    task->arena_bytes = task->segment.bytes - SEGMENT_PAGE_BYTES;
    const struct segment_range range = {SEGMENT_PAGE_BYTES, task->arena_bytes, true, false};
    return segment_map(&task->segment, &range, &task->arena_base, &task->err);
}

static int open_state(struct task *task, const struct op_context *context)
{
    int inputs = task->reader.channel_count, outputs = task->out_channel_count;
    uint64_t bytes =
        sizeof task->state + (uint64_t)(inputs + outputs) * sizeof(struct channel_state);
    int rc = arena_root(task->arena, TASK_ROOT, bytes, &task->state_at);
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
    task->rows_before = state->rows_in + state->rows_out;
    rc = task_find_letters(task, is_first);
    if (rc < 0)
        return rc;
    rc = task_channels_begin(task, channels, context);
    return rc < 0 ? memory_lost(task, rc) : 0;
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
    rc = task_begin_letters(task);
    if (rc < 0)
        return rc;
    arena_commit(task->arena);
    if (task->head.source)
        head_reset(task);
    return 0;
}

// Everything that does not depend on what the task holds, and changes nothing that is shared: also
// for a process that waits for its turn.
static int prepare(struct task *task, const char *job_dir)
{
    task->env = env_system();
    op_outside_init(&task->outside);
    task->segment.fd = -1;
    task->max_rows = TASK_FIRST_ROWS;
    int rc = job_attach(job_dir, &task->job, &task->err);
    if (rc < 0)
        return memory_lost(task, rc);
    const struct plan *plan = task->job.plan;
    if (task->index < 0 || task->index >= plan->task_count)
        return err_set(&task->err, -EINVAL, "the job has no task %d", task->index);
    rc = control_attach_task(task->job.dir.fd, plan->fingerprint, task->index, &task->control,
                             &task->err);
    if (rc < 0)
        return rc;
    crash_prepare();
    task_waiting_open(task);
    task->stage = plan_stage_of(plan, task->index, &task->subtask);
    rc = errlog_attach(task->job.dir.fd, plan->fingerprint, task->index, &task->errlog, &task->err);
    if (rc == 0)
        rc = map_arena(task);
    task_latency_open(task);
    if (rc == 0)
        rc = task_channels_map(task);
    if (rc == 0)
        task_lock_memory(task);
    return rc;
}

struct op_context task_op_context(struct task *task)
{
    return (struct op_context){
        .env = task->env,
        .arena = task->arena,
        .plan = task->job.plan,
        .stage = task->stage,
        .op = task->stage->ops[0],
        .subtask = task->subtask,
        .job_name = task->job.options.job_name,
        .bad_row_context = task,
        .bad_row = task_bad_row,
        .fail_job = task_fail,
        .note = task_note,
        .max_rows = &task->max_rows,
        .input_trial = &task->trial.input,
        .output_trial = &task->trial.output,
        .late_rows = &task->state.late_rows,
        .rows_out = &task->state.rows_out,
        .bytes_in = &task->state.bytes_in,
        .bytes_out = &task->state.bytes_out,
        .outside = &task->outside,
        .checkpoints = *task->job.options.checkpoint_dir != '\0',
        .checkpoint_interval_ms = task->job.options.checkpoint_interval_ms,
        .is_restored = task->job.options.is_restored || control_is_restored(task->control),
        .wake = task_wake,
        .wake_context = task,
        .warm = task->warm,
    };
}

// The arena is ours: become the task.
static int take_over(struct task *task)
{
    const struct arena_options options = {
        .fingerprint = task->job.plan->fingerprint, .claim = claim_arena, .claim_context = task};
    crash_install(errlog_crash_slot(task->errlog));
    int rc = arena_open(task->arena_base, task->arena_bytes, &options, &task->arena, &task->err);
    if (rc == 0 && control_must_check(task->control))
        rc = arena_check(task->arena, &task->err);
    if (rc < 0)
        return memory_lost(task, rc);
    struct op_context context = task_op_context(task);
    task_latency_begin(task);
    rc = read_policy(task);
    if (rc == 0)
        rc = open_state(task, &context);
    trial_open(task);
    if (rc == 0)
        rc = checkpoint_open(task);
    if (rc < 0)
        return rc;
    context.ordered_input = task->reader.channel_count <= 1;
    rc = open_chain(task, &context);
    if (rc < 0)
        return rc;
    task_publish_all(task, true);
    if (!task->is_unsettled)
        task_take_priority(task);
    control_set_ready(task->control, task->env->monotonic_ns(task->env));
    return 0;
}

int task_open(struct task *task, const char *job_dir)
{
    int rc = prepare(task, job_dir);
    if (rc == 0)
        rc = task_wait_turn(task);
    return rc < 0 ? memory_lost(task, rc) : take_over(task);
}

void task_close(struct task *task)
{
    checkpoint_close(task);
    bool writer_in_chain = task->chain.count > 0;
    chain_close(&task->chain);
    if (task->writer && !writer_in_chain)
        task->writer->base.class->close(&task->writer->base);
    head_close(&task->head);
    task_cool(task);
    task_channels_close(task);
    task_letters_close(task);
    if (task->arena)
        arena_close(task->arena);
    if (task->owns)
        owner_release(arena_owner(task->arena_base));
    if (task->arena_base)
        segment_unmap(task->arena_base, task->arena_bytes);
    segment_close(&task->segment);
    crash_uninstall();
    errlog_detach(task->errlog);
    task_latency_close(task);
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

// Say why the task cannot go on. Returns the exit status.
static int give_up(struct task *task, int rc, bool ran)
{
    enum { EXIT_FAILURE_OF_JOB = 1, EXIT_MEMORY = 76, EXIT_CONFIG = 78 }; // see supervisor.h
    if (rc == -ENOSPC && task->stage)
        describe_full(task);
    else if (!task->err.text[0])
        err_set(&task->err, rc, "%s", strerror(-rc));
    if (task->owns)
        control_fail(task->control, task->err.text);
    else
        dprintf(STDERR_FILENO, "weir: task %d: %s\n", task->index, task->err.text);
    return ran ? EXIT_FAILURE_OF_JOB : task->memory_is_lost ? EXIT_MEMORY : EXIT_CONFIG;
}

int task_main(const char *job_dir, int task_index, int spare)
{
    struct task *task = calloc(1, sizeof *task);
    CHECK(task);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGXFSZ, SIG_IGN); // a limit of file sizes is an error of the write (ulimit -f)
    signal(SIGINT, SIG_IGN);  // a terminal's Ctrl-C is the supervisor's to handle
    task->index = task_index;
    task->spare = spare;
    int rc = task_open(task, job_dir), status = 0;
    bool ran = rc == 0;
    if (rc == 0)
        rc = task_loop(task);
    if (!ran && rc == -ECANCELED) {
        status = 0; // a spare that was never needed
    } else if (rc < 0) {
        status = give_up(task, rc, ran);
    } else if (task->control) {
        control_set_state(task->control, task->is_orphaned ? CONTROL_ORPHANED : CONTROL_FINISHED);
    }
    task_close(task);
    free(task);
    return status;
}
