// window_assign.c: a window function without GROUP BY: each row goes on once for each window that
// holds it, with window_start, window_end and window_time behind its columns. Keeps no state.
//
// As Flink's AlignedWindowTableFunctionOperator: no row is late here, a row without a time goes
// nowhere, HOP gives the latest window first and CUMULATE the shortest.
#include <stdlib.h>

#include "core/base/check.h"
#include "core/expr/zone.h"
#include "core/time/window.h"
#include "stages/runtime/operator.h"

struct assign {
    struct operator base; // must be first
    const struct op_window *plan;
    struct zone *zone; // whose local time cuts the windows; NULL: UTC
    struct batch out;
    uint32_t count; // rows of `out` that are named in the arrays below
    uint16_t from[BATCH_ROWS];
    int64_t start[BATCH_ROWS], end[BATCH_ROWS];
    uint16_t origin[BATCH_ROWS];
};

static int assign_open(const struct op_context *context, struct operator** out, struct err *err)
{
    (void)err;
    struct assign *assign = calloc(1, sizeof *assign);
    CHECK(assign);
    assign->base = (struct operator){.class = &window_assign_class, .context = *context};
    assign->plan = &context->op->window;
    if (assign->plan->zone)
        zone_reopen(&assign->zone, assign->plan->zone);
    batch_init(&assign->out, &context->op->output);
    *out = &assign->base;
    return 0;
}

static void assign_close(struct operator* op)
{
    struct assign *assign = (struct assign *)op;
    batch_fini(&assign->out);
    zone_close(assign->zone);
    free(assign);
}

static void copy_column(const struct assign *assign, const struct column *from, struct column *to)
{
    const uint16_t *rows = assign->from;
    CHECK(from->kind == to->kind);
    for (uint32_t i = 0; i < assign->count; i++)
        to->state[i] = from->state[rows[i]];
    if (to->kind == TYPE_STRING)
        for (uint32_t i = 0; i < assign->count; i++)
            to->str[i] = from->str[rows[i]];
    else // a DOUBLE's bits travel as well
        for (uint32_t i = 0; i < assign->count; i++)
            to->i64[i] = from->i64[rows[i]];
    column_summarize(to, assign->count);
}

static void write_times(struct assign *assign)
{
    struct column *times = &assign->out.columns[assign->plan->key_count];
    for (uint32_t i = 0; i < assign->count; i++) {
        int64_t last = assign->end[i] - 1;
        times[0].i64[i] = assign->start[i];
        times[1].i64[i] = assign->end[i];
        times[2].i64[i] = assign->zone ? zone_from_local(assign->zone, last) : last;
    }
    for (int t = 0; t < 3; t++) {
        memset(times[t].state, VALUE_PRESENT, assign->count);
        times[t].all_present = true;
    }
}

// Send on the rows that have been named.
static int flush(struct assign *assign, const struct batch *batch)
{
    struct batch *out = &assign->out;
    if (assign->count == 0)
        return 0;
    for (int c = 0; c < assign->plan->key_count; c++)
        copy_column(assign, &batch->columns[assign->plan->keys[c]], &out->columns[c]);
    write_times(assign);
    out->has_kinds = batch->has_kinds;
    for (uint32_t i = 0; i < assign->count; i++) {
        out->kinds[i] = batch->has_kinds ? batch->kinds[assign->from[i]] : ROW_INSERT;
        assign->origin[i] = batch->origin ? batch->origin[assign->from[i]] : 0;
    }
    out->origin = batch->origin ? assign->origin : NULL;
    out->count = assign->count;
    assign->count = 0;
    return operator_push(assign->base.context.next, out);
}

static int add(struct assign *assign, const struct batch *batch, uint32_t row, int64_t start_ms,
               int64_t end_ms)
{
    assign->from[assign->count] = (uint16_t)row;
    assign->start[assign->count] = start_ms;
    assign->end[assign->count++] = end_ms;
    return assign->count == BATCH_ROWS ? flush(assign, batch) : 0;
}

static int add_windows(struct assign *assign, const struct batch *batch, uint32_t row, int64_t time)
{
    const struct op_window *plan = assign->plan;
    int status = 0;
    if (plan->kind == WINDOW_CUMULATE) {
        int64_t start = window_start(time, plan->offset_ms, plan->size_ms);
        int64_t end = window_cumulate_slice_end(time, plan->offset_ms, plan->step_ms);
        for (; end <= start + plan->size_ms && status >= 0; end += plan->step_ms)
            status = add(assign, batch, row, start, end);
        return status;
    }
    int64_t start = window_start(time, plan->offset_ms, plan->step_ms); // TUMBLE: step is size
    for (; start > time - plan->size_ms && status >= 0; start -= plan->step_ms)
        status = add(assign, batch, row, start, start + plan->size_ms);
    return status;
}

static int assign_push(struct operator* op, struct batch *batch)
{
    struct assign *assign = (struct assign *)op;
    const struct column *time = &batch->columns[assign->plan->time_column];
    int status = 0;
    assign->count = 0; // what an aborted transaction may have left
    for (uint32_t i = 0; i < batch->count && status >= 0; i++) {
        int64_t at = time->i64[i];
        if (time->state[i] == VALUE_PRESENT)
            status =
                add_windows(assign, batch, i, assign->zone ? zone_to_local(assign->zone, at) : at);
    }
    return status < 0 ? status : flush(assign, batch);
}

static int assign_watermark(struct operator* op, int64_t watermark_ms)
{
    return operator_watermark(op->context.next, watermark_ms);
}

static void assign_reset(struct operator* op)
{
    ((struct assign *)op)->count = 0;
}

const struct operator_class window_assign_class = {
    .name = "window assign",
    .open = assign_open,
    .push = assign_push,
    .watermark = assign_watermark,
    .reset = assign_reset,
    .close = assign_close,
};
