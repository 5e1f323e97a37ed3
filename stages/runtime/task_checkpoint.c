// task_checkpoint.c: a task's side of checkpoints: pass the barrier on, have a snapshot written
// while going on, say how it went.
//
// A barrier is passed on in one transaction with everything that stands before it; the snapshot is
// of the arena right behind that commit. Nothing that goes wrong with a snapshot stops the task:
// the checkpoint is lost, the supervisor is told why, the next one is tried. A task that dies while
// writing leaves a file that nobody needs; the supervisor sees its death and gives the checkpoint
// up.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "shm/bell.h"
#include "stages/runtime/task_internal.h"

static int64_t now_ns(struct task *task)
{
    return task->env->monotonic_ns(task->env);
}

// --- the report ---

// What the operators say of themselves, one JSON object. What does not fit into the report stays in
// `positions`, and goes through a file.
static void describe(struct task *task, struct control_snapshot *report)
{
    struct buf *text = &task->checkpoint.positions;
    buf_clear(text);
    buf_append_char(text, '{');
    if (task->head.source && task->head.source->class->describe)
        task->head.source->class->describe(task->head.source, text);
    for (int i = 0; i < task->chain.count; i++) {
        const struct operator* op = task->chain.ops[i];
        if (!op->class->describe)
            continue;
        if (text->len > 1)
            buf_append_char(text, ',');
        op->class->describe(op, text);
    }
    buf_append_char(text, '}');
    if (text->len < sizeof report->text) {
        snprintf(report->text, sizeof report->text, "%s", buf_str(text));
        buf_clear(text);
    }
}

static void report(struct task *task, enum control_snapshot_status status, const char *text)
{
    struct task_checkpoint *c = &task->checkpoint;
    c->report.status = status;
    if (text)
        snprintf(c->report.text, sizeof c->report.text, "%s", text);
    if (c->begun_ns)
        c->report.duration_ns = now_ns(task) - c->begun_ns;
    control_report_snapshot(task->control, &c->report);
    if (status != CONTROL_SNAPSHOT_RUNNING)
        bell_ring(task->job.dir.fd);
}

// --- the snapshot ---

static void abandon_snapshot(struct task_checkpoint *c)
{
    if (c->copier)
        copier_abandon(c->copier);
    c->is_copying = false;
}

// Output that the snapshot counts on must be on disk with it: its bytes and its names, those of
// files that were made and of parts that were finished.
static int outputs(const struct task *task, int fds[COPIER_SYNC_MAX])
{
    int count = 0;
    for (int i = 0; i < task->chain.count; i++) {
        const struct operator* op = task->chain.ops[i];
        CHECK(count + OP_OUTPUTS_MAX + 2 <= COPIER_SYNC_MAX); // sinks come last, and alone
        int folder = op->class->folder_fd ? op->class->folder_fd(op) : -1;
        if (op->class->output_fds)
            count += op->class->output_fds(op, fds + count);
        if (folder >= 0)
            fds[count++] = folder;
    }
    if (task->letters.is_open)
        fds[count++] = task->letters.file.fd;
    return count;
}

static int begin_snapshot(struct task *task, uint64_t checkpoint, struct err *err)
{
    struct task_checkpoint *c = &task->checkpoint;
    char name[STORE_PATH_BYTES], path[STORE_PATH_BYTES];
    int fds[COPIER_SYNC_MAX];
    uint8_t since;
    const uint32_t attempt = (uint32_t)control_attempt(task->control);
    uint64_t base = arena_snapshot_base(task->arena, &since);
    if (control_checkpoint_is_full(task->control, checkpoint))
        base = 0;
    const struct snapshot_spec spec = {
        .id = {task->job.plan->fingerprint, checkpoint, (uint32_t)task->index, attempt},
        .base = base,
        .since_epoch = since,
    };
    c->report.base = base;
    store_snapshot_name(checkpoint, task->index, attempt, name);
    store_path(&c->store, name, path);
    const struct copier_job job = {
        .path = path,
        .spec = &spec,
        .sync_fds = fds,
        .sync_count = outputs(task, fds),
        .store = &c->store,
        .positions = buf_slice(&c->positions),
    };
    int rc = 0;
    if (!c->copier)
        rc = copier_create(task->env, (enum engine_kind)task->job.options.checkpoint_engine,
                           control_supervisor(task->control).pid, &c->copier, err);
    if (rc == 0)
        copier_wakes(c->copier, task->waiting.waiter);
    if (rc == 0)
        rc = copier_begin(c->copier, task->arena, &job, err);
    c->is_copying = rc == 0;
    return rc;
}

static void start_report(struct task *task, uint64_t checkpoint)
{
    struct task_checkpoint *c = &task->checkpoint;
    c->report = (struct control_snapshot){
        .checkpoint = checkpoint,
        .align_ns = c->align_ns ? now_ns(task) - c->align_ns : 0,
        .rows_in = task->state.rows_in,
        .rows_out = task->state.rows_out,
        .watermark_ms = task->head.source ? task->state.current_ms : task->state.emitted_ms,
    };
    c->align_ns = 0;
    c->begun_ns = now_ns(task);
    describe(task, &c->report);
}

// --- news ---

// Later increments build on it, and output that waited for it becomes final.
static int note_complete(struct task *task)
{
    uint64_t checkpoint = control_complete_checkpoint(task->control);
    if (checkpoint <= task->checkpoint.completed)
        return 0;
    task->checkpoint.completed = checkpoint;
    if (checkpoint == task->state.barrier)
        arena_set_snapshot_base(task->arena, checkpoint, (uint8_t)task->state.barrier_epoch);
    int rc = chain_complete(&task->chain, checkpoint);
    if (rc == 0 && task->head.source && task->head.source->class->complete)
        task->head.source->class->complete(task->head.source, checkpoint);
    return rc == 0 && arena_log_used(task->arena) ? task_commit(task) : rc;
}

int checkpoint_pass(struct task *task, uint64_t checkpoint)
{
    struct task_checkpoint *c = &task->checkpoint;
    struct err err = {.text = ""};
    abandon_snapshot(c);          // of a checkpoint that was given up
    int rc = note_complete(task); // what this one builds on was announced before it was asked for
    if (rc == 0)
        rc = chain_barrier(&task->chain, checkpoint);
    if (rc == 0 && task->writer && !c->lingers)
        rc = exchange_writer_barrier(task->writer, checkpoint);
    if (rc < 0)
        return rc;
    task->state.barrier = checkpoint;
    task->state.barrier_epoch = arena_epoch_behind(task->arena);
    rc = task_commit(task);
    if (rc < 0)
        return rc;
    task->reader.passed = checkpoint;
    if (task->head.source && task->head.source->class->barrier)
        task->head.source->class->barrier(task->head.source, checkpoint);
    start_report(task, checkpoint);
    rc = begin_snapshot(task, checkpoint, &err);
    CHECK(arena_next_epoch(task->arena) == task->state.barrier_epoch);
    report(task, rc < 0 ? CONTROL_SNAPSHOT_FAILED : CONTROL_SNAPSHOT_RUNNING,
           rc < 0 ? err.text : NULL);
    return 0;
}

// Bytes of the output may be gone from under us, and the kernel tells it once: no later checkpoint
// may count on them. The job ends; the next run goes back to the last one that could.
static int look_at_output(struct task *task)
{
    struct err why;
    if (!copier_has_lost_output(task->checkpoint.copier, &why))
        return 0;
    return err_set(&task->err, -EIO,
                   "%s; what was written since the last complete checkpoint may be lost: mend the "
                   "disk and run again, the job goes on from there",
                   why.text);
}

static void look_at_copier(struct task *task)
{
    struct task_checkpoint *c = &task->checkpoint;
    struct snapshot_stats stats;
    struct err err;
    enum copier_status status = copier_poll(c->copier, &stats, &err);
    if (status == COPIER_RUNNING)
        return;
    CHECK(status != COPIER_IDLE);
    c->is_copying = false;
    c->report.file_bytes = stats.file_bytes;
    c->report.blocks = stats.blocks;
    c->report.undo_bytes = stats.undo_bytes;
    if (copier_has_lost_output(c->copier, &err)) // perhaps by one before it: this counts on it too
        status = COPIER_FAILED;
    if (status == COPIER_DONE)
        report(task, CONTROL_SNAPSHOT_DONE, NULL);
    else
        report(task, CONTROL_SNAPSHOT_FAILED, err.text);
}

int checkpoint_poll(struct task *task)
{
    struct task_checkpoint *c = &task->checkpoint;
    if (!c->is_on)
        return 0;
    int rc = note_complete(task);
    if (c->is_copying)
        look_at_copier(task);
    return rc == 0 && c->copier ? look_at_output(task) : rc;
}

bool checkpoint_is_busy(struct task *task, int64_t *sleep_ns)
{
    struct task_checkpoint *c = &task->checkpoint;
    enum { LOOK_NS = 2 * 1000 * 1000 }; // the copier wakes the task when it has news
    if (c->is_copying)
        look_at_copier(task);
    if (c->is_copying)
        *sleep_ns = LOOK_NS;
    return c->is_copying;
}

int checkpoint_from_source(struct task *task)
{
    if (!task->checkpoint.is_on)
        return 0;
    uint64_t wanted = control_wanted_checkpoint(task->control);
    return wanted > task->state.barrier ? checkpoint_pass(task, wanted) : 0;
}

void checkpoint_note_alignment(struct task *task)
{
    struct task_checkpoint *c = &task->checkpoint;
    if (!c->align_ns && exchange_reader_aligns(&task->reader))
        c->align_ns = now_ns(task);
}

void checkpoint_forgo(struct task *task)
{
    uint64_t newest = exchange_reader_forgo(&task->reader);
    if (newest > task->state.barrier)
        task->state.barrier = newest; // never reported, so it cannot become complete
}

// --- the end ---

// A checkpoint that is complete, and of which nothing is left to do outside: say so. The supervisor
// waits for it before it calls the job finished.
static void tell_settled(struct task *task)
{
    struct task_checkpoint *c = &task->checkpoint;
    if (c->completed <= c->settled || !chain_is_settled(&task->chain))
        return;
    c->settled = c->completed;
    control_set_settled(task->control, c->settled);
    bell_ring(task->job.dir.fd);
}

static bool settle_ready(void *context)
{
    struct task *task = context;
    return task_is_cancelled(task) || task_has_outside_news(task);
}

// Without checkpoints nobody says when: the job ends when all is outside, or when it must.
static int settle_alone(struct task *task)
{
    enum { LOOK_NS = 100 * 1000 * 1000 }; // in case that a wake is lost
    int rc = 0;
    while (rc == 0 && !chain_is_settled(&task->chain) && !task_is_cancelled(task)) {
        struct task_waiting waiting = {.ready = settle_ready,
                                       .context = task,
                                       .until_ns = now_ns(task) + LOOK_NS,
                                       .state = CONTROL_WAITING_OUTPUT,
                                       .reason = WAITER_NEWS,
                                       .is_pause = true};
        task_wait_until(task, &waiting);
        rc = task_look_outside(task);
    }
    return rc;
}

static bool linger_ready(void *context)
{
    struct task *task = context;
    return task_is_called_off(task) || control_requested(task->control, CONTROL_FINISH) ||
           control_wanted_checkpoint(task->control) > task->state.barrier ||
           control_complete_checkpoint(task->control) > task->checkpoint.completed ||
           (task->checkpoint.is_copying && copier_has_news(task->checkpoint.copier)) ||
           task_has_outside_news(task);
}

static int prepare_finish(struct task *task)
{
    struct buf renames = {0};
    struct err err;
    int rc = chain_prepare_finish(&task->chain, &renames, &task->err);
    rc = rc == -ENOSPC ? -EIO : rc; // of a disk, not of the arena
    if (rc == 0)
        rc = task_commit(task);
    // Without it the supervisor does not call the job finished before the renames; that they are
    // done all the same is right unless somebody pulls the plug in these milliseconds.
    if (rc == 0 &&
        store_write_finish(&task->checkpoint.store, task->index, buf_slice(&renames), &err) < 0)
        task_note(task, err.text);
    buf_fini(&renames);
    return rc;
}

int checkpoint_linger(struct task *task)
{
    if (!task->checkpoint.is_on)
        return settle_alone(task);
    if (task_is_cancelled(task)) // perhaps with input unread: no checkpoint may count on this
        return -ECANCELED;
    task->checkpoint.lingers = true; // nobody reads from it any more, nobody writes to it
    int rc = prepare_finish(task);
    control_set_ended(task->control, rc == 0);
    bell_ring(task->job.dir.fd);
    while (rc == 0 && !control_requested(task->control, CONTROL_FINISH)) {
        struct task_waiting waiting = {.ready = linger_ready,
                                       .context = task,
                                       .until_ns = INT64_MAX,
                                       .state = CONTROL_WAITING_INPUT,
                                       .reason = WAITER_NEWS,
                                       .is_pause = true};
        int64_t busy_ns;
        if (task_is_called_off(task))
            return -ECANCELED;
        rc = checkpoint_from_source(task); // nothing comes in any more that could bring a barrier
        if (rc == 0)
            rc = checkpoint_poll(task);
        if (rc == 0)
            rc = task_look_outside(task);
        if (rc == 0)
            tell_settled(task);
        if (checkpoint_is_busy(task, &busy_ns))
            waiting.until_ns = now_ns(task) + busy_ns;
        if (rc == 0)
            task_wait_until(task, &waiting);
    }
    return rc == 0 ? note_complete(task) : rc; // of a stop, perhaps not heard of before the request
}

// --- open and close ---

int checkpoint_open(struct task *task)
{
    struct task_checkpoint *c = &task->checkpoint;
    const char *dir = task->job.options.checkpoint_dir;
    c->is_on = *dir != '\0';
    if (!c->is_on)
        return 0;
    int rc = store_open(task->env, dir, task->job.options.job_name, &c->store, &task->err);
    if (rc < 0)
        return rc;
    task->reader.passed = task->state.barrier;
    control_set_ended(task->control, false);
    return 0;
}

void checkpoint_close(struct task *task)
{
    struct task_checkpoint *c = &task->checkpoint;
    copier_destroy(c->copier);
    c->copier = NULL;
    c->is_copying = false;
    buf_fini(&c->positions);
}
