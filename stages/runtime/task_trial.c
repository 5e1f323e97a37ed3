// task_trial.c: the task's side of rows that kill. Before anything that rows could make it die of,
// it notes in the control block what that is; what the supervisor concluded from earlier deaths
// (stages/supervisor/poison.h) says whether to go row by row, and which row to put aside.
//
// The notes survive the death because they are no part of the transaction. Committed counts go with
// them, so the same batch has the same note however often it is tried.
#include <stdio.h>

#include "core/base/hash.h"
#include "core/format/writer.h"
#include "stages/runtime/task_internal.h"

static const struct task_state *committed(const struct task *task)
{
    return arena_at(task->arena, task->state_at);
}

static struct control_trial trial_of(const struct task *task, enum control_site site)
{
    uint64_t channels = (uint64_t)task->reader.channel_count;
    return (struct control_trial){
        .site = site,
        .rows_in = committed(task)->rows_in,
        .rows_out = committed(task)->rows_out,
        .span = BATCH_ROWS * (channels ? channels : 1),
    };
}

// A row alone, at `site`. true: it is the one to put aside.
static bool begin_row(struct task *task, enum control_site site, const struct row_place *place)
{
    struct control_trial trial = trial_of(task, site);
    uint64_t id = hash_u64(hash_bytes(place->source, strlen(place->source)) ^ place->position);
    trial.is_single = true;
    trial.row = (id ^ hash_slice(place->text)) | 1;
    trial.offset = place->position;
    snprintf(trial.source, sizeof trial.source, "%s", place->source);
    control_note_trial(task->control, &trial);
    return trial.row == task->trial.verdict.give_up_row;
}

static bool begin_input(void *context, const char *source, uint64_t position, struct slice text)
{
    struct task *task = context;
    const struct row_place place = {source, position, text, NULL};
    return begin_row(task, task->trial.site, &place);
}

static bool begin_output(void *context, const char *source, uint64_t position, struct slice text)
{
    const struct row_place place = {source, position, text, NULL};
    return begin_row(context, CONTROL_SITE_OUTPUT, &place);
}

void trial_open(struct task *task)
{
    struct task_trial *trial = &task->trial;
    control_read_verdict(task->control, task->index, &trial->verdict);
    trial->input = (struct row_trial){.context = task,
                                      .begin = begin_input,
                                      .reason = trial->verdict.reason,
                                      .is_blind = trial->verdict.is_blind != 0};
    trial->output = trial->input;
    trial->output.begin = begin_output;
}

void trial_note(struct task *task, enum control_site site)
{
    const struct control_trial trial = trial_of(task, site);
    bool is_work = site == CONTROL_SITE_WORK;
    task->trial.site = site;
    task->trial.output.is_on = is_work && trial.rows_out < task->trial.verdict.careful_out;
    if (task->trial.output.is_on)
        task->max_rows = 1;
    control_note_trial(task->control, &trial);
}

void trial_begin_input(struct task *task)
{
    task->trial.output.is_on = false; // what input rows cause is theirs
    task->trial.input.is_on = committed(task)->rows_in < task->trial.verdict.careful_in;
    if (task->trial.input.is_on)
        task->max_rows = 1;
}

// What a ring's row is told by: the channel, where its frame begins, its place in that.
bool trial_of_channel_row(struct task *task)
{
    const struct exchange_reader *reader = &task->reader;
    char name[64], left[16];
    if (!task->trial.input.is_on || reader->batch.count != 1)
        return false;
    snprintf(name, sizeof name, "channel %d", reader->first_channel);
    snprintf(left, sizeof left, "%u", reader->first_left);
    return begin_input(task, name, reader->first_position, slice_of(left));
}

bool trial_of_source_row(struct task *task)
{
    if (!task->trial.input.is_on || task->head.batch.count != 1)
        return false;
    task->trial.site = CONTROL_SITE_ROWS;
    const struct row_place place = task_place_of(task, NULL, 0, slice_of(""));
    return begin_input(task, place.source, place.position, slice_of(""));
}

void trial_put_aside(struct task *task)
{
    const struct plan *plan = task->job.plan;
    const struct stage *from =
        &plan->stages[plan->exchanges[task->stage->input_exchange].from_stage];
    struct buf text = {0};
    if (!task->trial.input.is_blind)
        writer_print_row(&task->reader.batch, 0, &from->ops[from->op_count - 1]->output, &text);
    if (text.len && text.data[text.len - 1] == '\n')
        text.len--;
    task_bad_row(task, task->stage->name, committed(task)->rows_in, task->trial.input.reason,
                 text.len ? buf_slice(&text) : slice_of(""));
    buf_fini(&text);
}
