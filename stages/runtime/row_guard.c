// row_guard.c: stands behind a window. Usually it passes batches through; after what a window gave
// has killed the task (in the sink, most often) it hands the rows on one by one, each announced
// before, and puts aside the one that does it. Keeps no state.
//
// Rows that go through because of an input row are that row's: the task announces it itself.
#include <stdlib.h>

#include "core/base/check.h"
#include "core/format/writer.h"
#include "stages/runtime/operator.h"

struct row_guard {
    struct operator base; // must be first; context.op is the window's
    struct buf text;      // of a row
    struct column *columns;
};

static int row_guard_open(const struct op_context *context, struct operator** out, struct err *err)
{
    (void)err;
    CHECK(context->op->kind == OP_WINDOW && context->next);
    struct row_guard *guard = calloc(1, sizeof *guard);
    CHECK(guard);
    guard->base = (struct operator){.class = &row_guard_class, .context = *context};
    guard->columns = calloc((size_t)context->op->output.field_count + 1, sizeof *guard->columns);
    CHECK(guard->columns);
    *out = &guard->base;
    return 0;
}

static void row_guard_close(struct operator* op)
{
    struct row_guard *guard = (struct row_guard *)op;
    buf_fini(&guard->text);
    free(guard->columns);
    free(guard);
}

// Announce the row twice: before it is looked into, and then as what it is. true: put aside.
static bool is_given_up(struct row_guard *guard, const struct batch *row)
{
    const struct op_context *context = &guard->base.context;
    const struct row_trial *trial = context->output_trial;
    const char *name = context->stage->name;
    buf_clear(&guard->text);
    if (trial->begin(trial->context, name, *context->rows_out, slice_of("")))
        return true;
    writer_print_row(row, 0, &context->op->output, &guard->text);
    if (guard->text.len && guard->text.data[guard->text.len - 1] == '\n')
        guard->text.len--;
    return trial->begin(trial->context, name, *context->rows_out, buf_slice(&guard->text));
}

static int row_guard_push(struct operator* op, struct batch *batch)
{
    struct row_guard *guard = (struct row_guard *)op;
    const struct op_context *context = &op->context;
    const struct row_trial *trial = context->output_trial;
    int rc = 0;
    if (!trial || !trial->is_on)
        return operator_push(context->next, batch);
    for (uint32_t i = 0; i < batch->count && rc == 0; i++) {
        struct batch row = batch_view(batch, i, i + 1, guard->columns);
        if (!is_given_up(guard, &row))
            rc = operator_push(context->next, &row);
        else
            context->bad_row(context->bad_row_context, NULL, BAD_ROW_NOWHERE, trial->reason,
                             buf_slice(&guard->text));
    }
    return rc;
}

static int row_guard_watermark(struct operator* op, int64_t watermark_ms)
{
    return operator_watermark(op->context.next, watermark_ms);
}

static void row_guard_reset(struct operator* op)
{
    (void)op; // nothing is kept
}

const struct operator_class row_guard_class = {
    .name = "row-guard",
    .open = row_guard_open,
    .push = row_guard_push,
    .watermark = row_guard_watermark,
    .reset = row_guard_reset,
    .close = row_guard_close,
};
