// task_head.c: the front of a source's chain: poll, compute columns, cut the batch at watermarks.
//
// Until the watermark nothing is removed from a batch, so a row's index is its index in the poll
// and "the first n rows are consumed" is a position. A piece is the run of rows that precede the
// next watermark that matters downstream; a watermark matters when it passes a multiple of the step
// of a window behind it, so pieces stay large however often Flink would send one.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/format/writer.h"
#include "stages/runtime/schema.h"
#include "stages/runtime/task_internal.h"

static int64_t gcd(int64_t a, int64_t b)
{
    a = a < 0 ? -a : a;
    b = b < 0 ? -b : b;
    while (b) {
        int64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

// The coarsest step that all of what follows agrees with.
static void find_step(struct head *head, const struct stage *stage, const struct plan *plan)
{
    bool any = false;
    head->step_ms = 0;
    for (int i = head->first_op; i < stage->op_count; i++) {
        if (plan_calc_reads_watermark(stage->ops[i])) {
            head->step_ms = 1;
            return;
        }
        if (stage->ops[i]->kind != OP_WINDOW)
            continue;
        int64_t offset_ms, step_ms = plan_window_grid(&stage->ops[i]->window, &offset_ms);
        if (!any)
            head->offset_ms = offset_ms;
        any = true;
        head->step_ms = gcd(head->step_ms, step_ms);
        head->step_ms = gcd(head->step_ms, offset_ms - head->offset_ms);
    }
    if (stage->output_exchange < 0)
        return;
    const struct exchange *exchange = &plan->exchanges[stage->output_exchange];
    if (exchange->watermark_step_ms <= 0) {
        head->step_ms = 1;
        return;
    }
    if (!any)
        head->offset_ms = exchange->watermark_offset_ms;
    head->step_ms = gcd(head->step_ms, exchange->watermark_step_ms);
    head->step_ms = gcd(head->step_ms, exchange->watermark_offset_ms - head->offset_ms);
}

static int64_t next_matter(const struct head *head, int64_t watermark_ms)
{
    if (head->step_ms == 0)
        return INT64_MAX;
    if (watermark_ms == INT64_MIN)
        return INT64_MIN;
    __int128 at = (__int128)watermark_ms + 1 - head->offset_ms, step = head->step_ms;
    __int128 bucket = at >= 0 ? at / step : -((-at + step - 1) / step);
    __int128 next = (bucket + 1) * step + head->offset_ms - 1;
    return next > INT64_MAX ? INT64_MAX : (int64_t)next;
}

int head_open(struct task *task, const struct op_context *context)
{
    struct head *head = &task->head;
    const struct stage *stage = task->stage;
    struct op_context own = *context;
    own.op = stage->ops[0];
    const struct source_class *class = chain_source_class(own.op->table);
    if (!class)
        return err_set(&task->err, -EINVAL, "table %s: connector '%s' cannot be read from",
                       own.op->table->name, own.op->table->connector);
    own.warm = context->warm; // the first operator's
    int rc = class->open(&own, &head->source, &task->err);
    if (rc < 0)
        return rc;
    batch_init(&head->batch, &own.op->output);
    int at = 1;
    bool computes = at + 1 < stage->op_count && stage->ops[at]->kind == OP_CALC &&
                    stage->ops[at + 1]->kind == OP_WATERMARK;
    if (computes)
        head->computed =
            calculation_create(stage->ops[at++], &own.op->output,
                               plan_setting(context->plan, "table.local-time-zone", "UTC"));
    if (at < stage->op_count && stage->ops[at]->kind == OP_WATERMARK) {
        head->watermark = &stage->ops[at]->watermark;
        head->watermark_expr = expr_compile(head->watermark->expr,
                                            schema_of_input(context->plan, stage, stage->ops[at]));
        at++;
    }
    head->first_op = at;
    int columns = at > 1 ? stage->ops[at - 1]->output.field_count : head->batch.column_count;
    head->view_columns = calloc((size_t)columns + 1, sizeof *head->view_columns);
    CHECK(head->view_columns);
    find_step(head, stage, context->plan);
    splits_init(&head->splits);
    align_open(task);
    return 0;
}

void head_close(struct head *head)
{
    if (head->source)
        head->source->class->close(head->source);
    calculation_free(head->computed);
    if (head->watermark_expr)
        expr_program_free(head->watermark_expr);
    batch_fini(&head->batch);
    pool_fini(&head->scratch);
    splits_fini(&head->splits);
    align_close(head);
    free(head->view_columns);
    *head = (struct head){0};
}

static bool has_splits(const struct head *head)
{
    return head->watermark && head->source->splits;
}

void head_reset(struct task *task)
{
    struct head *head = &task->head;
    head->source->class->reset(head->source);
    head->has_raised = head->watermark && head->watermark->interval_ms <= 0 &&
                       task->state.current_ms > task->state.flink_ms;
    if (has_splits(head)) {
        splits_refresh(&head->splits, head->source);
        head->splits.look_ms = 0;
    }
    head->next_matter_ms = next_matter(head, task->state.emitted_ms);
}

// The latest event time so far: how far the watermark is behind it is the lag that people see.
static void note_newest(struct task *task, const struct column *rowtime, uint32_t count)
{
    int64_t newest = task->state.newest_ms;
    for (uint32_t i = 0; i < count; i++)
        if (rowtime->i64[i] > newest && task->head.fate[i] == ROW_KEEP)
            newest = rowtime->i64[i];
    task->state.newest_ms = newest;
}

// Compute columns, mark rows that have no event time. Leaves the watermark column in *watermarks.
static void compute(struct task *task, const struct column **watermarks)
{
    struct head *head = &task->head;
    int64_t now_ms = task->env->realtime_ms(task->env);
    uint32_t count = head->batch.count;
    *watermarks = NULL;
    for (uint32_t i = 0; i < count; i++)
        head->origin[i] = (uint16_t)i;
    head->batch.origin = head->origin;
    head->rows = (struct calculation_result){.batch = head->batch, .clean = true};
    memset(head->fate, ROW_KEEP, count);
    if (head->computed) {
        calculation_run(head->computed, &head->batch, now_ms, task->state.current_ms, &head->rows);
        memcpy(head->fate, head->rows.fate, count);
    }
    if (!head->watermark)
        return;
    const struct column *rowtime = &head->rows.batch.columns[head->watermark->rowtime_column];
    for (uint32_t i = 0; !rowtime->all_present && i < count; i++)
        if (rowtime->state[i] != VALUE_PRESENT && head->fate[i] == ROW_KEEP)
            head->fate[i] = ROW_BAD;
    note_newest(task, rowtime, count);
    pool_reset(&head->scratch);
    struct expr_context context = {now_ms, task->state.current_ms,
                                   plan_setting(task->job.plan, "table.local-time-zone", "UTC"),
                                   &head->scratch};
    expr_eval(head->watermark_expr, &head->rows.batch, &context, watermarks);
}

static void report_bad(struct task *task, uint32_t row)
{
    struct head *head = &task->head;
    struct buf text = {0};
    const char *reason = "the event time is NULL";
    const struct op *op = task->stage->ops[0];
    if (head->computed && head->rows.fate[row] == ROW_BAD)
        reason = calculation_reason(head->computed, row);
    writer_print_row(&head->batch, row, &op->output, &text);
    if (text.len && text.data[text.len - 1] == '\n')
        text.len--;
    task_bad_row(task, NULL, row, reason, buf_slice(&text));
    buf_fini(&text);
}

// A row whose place is known, with the message that it is of.
static void put_bad_row(struct task *task, const struct row_place *place, const char *reason)
{
    task->letters.message = place->message;
    task_bad_row(task, place->source, place->position, reason, place->text);
    task->letters.message = NULL;
}

// Bad rows of the source that lie before row `to` and not before row `from`.
static void report_source(struct task *task, uint32_t from, uint32_t to)
{
    const struct source *source = task->head.source;
    bool is_last = to == task->head.batch.count;
    for (int i = 0; i < source->bad_row_count; i++) {
        const struct bad_row *bad = &source->bad_rows[i];
        if (bad->rows_before >= from && (bad->rows_before < to || is_last))
            put_bad_row(task,
                        &(struct row_place){bad->source, bad->position, bad->row, bad->message},
                        bad->reason);
    }
}

// Rows [from, to) go down the chain, in the open transaction.
static int push_piece(struct task *task, uint32_t from, uint32_t to)
{
    struct head *head = &task->head;
    struct batch view = batch_view(&head->rows.batch, from, to, head->view_columns);
    uint32_t kept = 0;
    if (!task->trial.input.is_on) // else the row has been noted
        trial_note(task, CONTROL_SITE_ROWS);
    report_source(task, from, to);
    for (uint32_t i = from; i < to; i++) {
        if (head->fate[i] == ROW_KEEP)
            head->keep[kept++] = (uint16_t)(i - from);
        else if (head->fate[i] == ROW_BAD)
            report_bad(task, i);
    }
    task->state.rows_in += to - from;
    if (task->give_up_row && kept) {
        task->give_up_row = false;
        task_bad_row(
            task, NULL, from + head->keep[0],
            "what it causes does not fit into a transaction; memory.state would have to be higher",
            slice_of(""));
        return 0;
    }
    if (kept < view.count)
        batch_compact(&view, head->keep, kept);
    return operator_push(chain_first(&task->chain), &view);
}

// Commit with the source behind row `to`.
static int commit_at(struct task *task, uint32_t to)
{
    struct source *source = task->head.source;
    int rc = source->class->advance(source, to);
    return rc < 0 ? rc : task_commit(task);
}

// The rows before `to` are in the chain; now the watermark that follows them.
static int pass_watermark(struct task *task, uint32_t to)
{
    bool more;
    task->state.emitted_ms = task->state.current_ms;
    task->head.next_matter_ms = next_matter(&task->head, task->state.current_ms);
    int rc = task_watermark(task, task->state.current_ms, &more);
    if (rc < 0 || !more)
        return rc;
    rc = commit_at(task, to);
    return rc < 0 ? rc : task_drain_work(task);
}

// The one row that was polled is one that kills: it goes nowhere but to the dead letters.
static int put_aside(struct task *task)
{
    struct row_place place = task_place_of(task, NULL, 0, slice_of(""));
    if (task->trial.input.is_blind)
        place.text = slice_of("");
    report_source(task, 0, 1);
    task->state.rows_in++;
    put_bad_row(task, &place, task->trial.input.reason);
    return commit_at(task, 1);
}

// What row i says of the watermark; INT64_MIN: nothing.
static int64_t watermark_behind(struct head *head, const struct column *watermarks, uint32_t i)
{
    bool counts = head->fate[i] == ROW_KEEP && watermarks->state[i] == VALUE_PRESENT;
    int64_t own = counts ? watermarks->i64[i] : INT64_MIN;
    return head->source->splits ? splits_row(&head->splits, head->source, own) : own;
}

static int process(struct task *task)
{
    struct head *head = &task->head;
    const struct column *watermarks;
    uint32_t from = 0, count = head->batch.count;
    int rc = 0;
    if (trial_of_source_row(task))
        return put_aside(task);
    compute(task, &watermarks);
    for (uint32_t i = 0; watermarks && i < count; i++) {
        int64_t now = watermark_behind(head, watermarks, i), last = task->state.flink_ms;
        if (now <= task->state.current_ms)
            continue;
        task->state.current_ms = now;
        if (last != INT64_MIN && now - last <= head->watermark->interval_ms)
            continue;
        task->state.flink_ms = now;
        if (now < head->next_matter_ms)
            continue;
        rc = push_piece(task, from, i + 1);
        if (rc == 0)
            rc = pass_watermark(task, i + 1);
        if (rc < 0)
            return rc;
        from = i + 1;
    }
    if (from < count || count == 0)
        rc = push_piece(task, from, count);
    return rc < 0 ? rc : commit_at(task, count);
}

// Flink's timer: every interval, whatever the rows have raised since.
static int periodic(struct task *task, int64_t now_ms)
{
    struct head *head = &task->head;
    bool more;
    if (!head->watermark || head->watermark->interval_ms <= 0 || now_ms < task->next_periodic_ms)
        return 0;
    task->next_periodic_ms = now_ms + head->watermark->interval_ms;
    if (task->state.current_ms <= task->state.flink_ms)
        return 0;
    task->state.flink_ms = task->state.current_ms;
    if (task->state.current_ms < head->next_matter_ms)
        return 0;
    task->state.emitted_ms = task->state.current_ms;
    head->next_matter_ms = next_matter(head, task->state.current_ms);
    head->is_idle = false; // to a reader a watermark is a sign of life
    int rc = task_watermark(task, task->state.current_ms, &more);
    if (rc == 0)
        rc = task_commit(task);
    return rc < 0 ? rc : task_drain_work(task);
}

// Splits that have been silent for too long, or are done, do not hold the watermark back any more.
// Before the rows of the poll are handled. true: there is something to commit.
static bool look_at_splits(struct task *task, bool has_rows, int64_t now_ms)
{
    struct head *head = &task->head;
    if (!has_splits(head))
        return false;
    const int64_t active_ns = task->env->monotonic_ns(task->env) - task->blocked_ns;
    const struct splits_now now = {now_ms, active_ns / 1000000};
    splits_polled(&head->splits, head->source, has_rows, now_ms);
    bool changed = splits_look(&head->splits, head->source, &now, head->watermark->idle_timeout_ms);
    int64_t combined_ms = splits_combined(&head->splits, head->source);
    if (combined_ms <= task->state.current_ms)
        return changed;
    task->state.current_ms = combined_ms;
    head->has_raised = true;
    return true;
}

// A watermark that no row has brought goes before the rows of the poll.
static int pass_raised(struct task *task)
{
    struct head *head = &task->head;
    if (!head->has_raised)
        return 0;
    head->has_raised = false;
    task->state.flink_ms = task->state.current_ms;
    if (task->state.current_ms < head->next_matter_ms)
        return 0;
    head->is_idle = false; // to a reader a watermark is a sign of life
    int rc = pass_watermark(task, 0);
    trial_begin_input(task); // what comes next is the input's again
    return rc;
}

// Is there no reason to wait for this source? How many subtasks share a folder or a topic is our
// choice, so one that has read all of its files, or has no partition, must not hold back the
// others: it needs no timeout.
static bool is_silent(struct task *task, int64_t now_ms)
{
    struct head *head = &task->head;
    const struct source *source = head->source;
    int64_t timeout_ms = head->watermark ? head->watermark->idle_timeout_ms : 0;
    if (has_splits(head))
        return !splits_any(&head->splits) && (source->split_count > 0 || source->has_caught_up);
    if (head->last_rows_ms == 0)
        head->last_rows_ms = now_ms;
    bool caught_up = task->stage->parallelism > 1 && source->has_caught_up;
    return caught_up || (timeout_ms > 0 && now_ms - head->last_rows_ms >= timeout_ms);
}

// The source has nothing: tell the readers not to wait for us when that has been so for long.
static int note_idle(struct task *task, int64_t now_ms)
{
    struct head *head = &task->head;
    if (align_holds(task) || !is_silent(task, now_ms) || head->is_idle)
        return 0;
    int rc = task->writer ? exchange_writer_control(task->writer, FRAME_IDLE) : 0;
    if (rc == 0 && task->writer)
        rc = task_commit(task);
    head->is_idle = rc == 0;
    return rc;
}

static int idle_step(struct task *task, bool changed, int64_t now_ms)
{
    int rc = pass_raised(task);
    if (rc == 0 && changed)
        rc = commit_at(task, 0);
    return rc < 0 ? rc : note_idle(task, now_ms);
}

// When somebody may be found to be silent; INT64_MAX: nobody will, or it matters to no one.
static int64_t silent_until(const struct task *task)
{
    const struct head *head = &task->head;
    const int64_t timeout_ms = head->watermark->idle_timeout_ms;
    if (timeout_ms == 0 || align_holds(task))
        return INT64_MAX;
    if (has_splits(head))
        return head->splits.is_watched ? head->splits.look_ms : INT64_MAX;
    bool is_awaited = !head->is_idle && (task->writer || head->align.count);
    return is_awaited ? head->last_rows_ms + timeout_ms : INT64_MAX;
}

// The source has nothing before its own time; what else is due by then?
static struct head_idle idle_until(const struct task *task, const struct source_poll *found)
{
    const struct head *head = &task->head;
    const struct op_watermark *watermark = head->watermark;
    struct head_idle idle = {true, found->retry_ms ? found->retry_ms : INT64_MAX, found->retry_ns};
    if (found->retry_ns)
        idle.until_ms = INT64_MAX;
    if (!watermark)
        return idle;
    if (watermark->interval_ms > 0 && task->state.current_ms > task->state.flink_ms &&
        task->next_periodic_ms < idle.until_ms)
        idle.until_ms = task->next_periodic_ms;
    int64_t silent_ms = silent_until(task), aligned_ms = align_until(task);
    idle.until_ms = silent_ms < idle.until_ms ? silent_ms : idle.until_ms;
    idle.until_ms = aligned_ms < idle.until_ms ? aligned_ms : idle.until_ms;
    return idle;
}

static int poll_source(struct task *task, struct source_poll *found)
{
    struct source *source = task->head.source;
    if (!align_holds(task))
        return source->class->poll(source, &task->head.batch, task->max_rows, found, &task->err);
    task->head.last_rows_ms = 0; // who is held back is not silent
    *found = (struct source_poll){.status = SOURCE_IDLE, .retry_ms = task->head.align.look_ms};
    return 0;
}

int head_step(struct task *task, struct head_idle *idle, bool *ended)
{
    struct source_poll found = {.status = SOURCE_IDLE};
    const int64_t now_ms = task->env->realtime_ms(task->env);
    *idle = (struct head_idle){.is_idle = false};
    int rc = checkpoint_from_source(task);
    if (rc == 0)
        rc = periodic(task, now_ms);
    if (rc < 0)
        return rc;
    *ended = control_requested(task->control, CONTROL_DRAIN);
    if (*ended)
        return 0;
    align_look(task, now_ms);
    task_publish_outside(task);
    trial_begin_input(task);
    trial_note(task, CONTROL_SITE_SOURCE);
    const int64_t now_ns = task->latency.interval_ns ? task->env->monotonic_ns(task->env) : 0;
    rc = poll_source(task, &found);
    if (rc < 0)
        return rc;
    const bool has_rows = found.status == SOURCE_ROWS;
    const bool changed = look_at_splits(task, has_rows, now_ms);
    if (has_rows) {
        task->head.is_idle = false;
        task->head.last_rows_ms = 0; // counted from the first poll without rows
        task_latency_rows(task, now_ns);
        // Where all that was polled is bad, a commit would be that of the poll: not before process.
        rc = task->head.batch.count ? pass_raised(task) : 0;
        return rc < 0 ? rc : process(task);
    }
    *ended = found.status == SOURCE_END;
    rc = *ended ? 0 : idle_step(task, changed, now_ms);
    if (rc < 0)
        return rc;
    if (!*ended)
        task_latency_idle(task, now_ns);
    *idle = idle_until(task, &found);
    return arena_log_used(task->arena) || task->latency.markers.count ? task_commit(task) : 0;
}
