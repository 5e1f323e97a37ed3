// not_null.c: stands before a sink whose table has NOT NULL columns, and lets no NULL through.
//
// As Flink's ConstraintEnforcer: 'table.exec.sink.not-null-enforcer' = 'error' (the default) ends
// the job, 'drop' takes the row out. A dropped row is a bad row here: it is counted, and goes where
// bad rows go. Keeps no state.
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/check.h"
#include "core/format/writer.h"
#include "stages/runtime/operator.h"

struct not_null {
    struct operator base; // must be first; context.op is the sink's
    bool drops;
    struct buf text; // of a row
    char reason[256];
    uint16_t keep[BATCH_ROWS];
};

static int not_null_open(const struct op_context *context, struct operator** out, struct err *err)
{
    (void)err;
    CHECK(context->op->kind == OP_SINK && context->next);
    struct not_null *guard = calloc(1, sizeof *guard);
    CHECK(guard);
    guard->base = (struct operator){.class = &not_null_class, .context = *context};
    const char *mode = plan_setting(context->plan, "table.exec.sink.not-null-enforcer", "error");
    guard->drops = strcasecmp(mode, "drop") == 0;
    *out = &guard->base;
    return 0;
}

static void not_null_close(struct operator* op)
{
    buf_fini(&((struct not_null *)op)->text);
    free(op);
}

// The first NOT NULL column that is NULL in the row, or -1.
static int null_column(const struct schema *schema, const struct batch *batch, uint32_t row)
{
    for (int i = 0; i < schema->field_count; i++)
        if (schema->fields[i].type.not_null && batch->columns[i].state[row] == VALUE_NULL)
            return i;
    return -1;
}

static bool has_null(const struct schema *schema, const struct batch *batch)
{
    for (int i = 0; i < schema->field_count; i++)
        if (schema->fields[i].type.not_null && !batch->columns[i].all_present)
            return true;
    return false;
}

static void refuse_row(struct not_null *guard, const struct batch *batch, uint32_t row, int column)
{
    const struct op_context *context = &guard->base.context;
    const struct schema *schema = &context->op->output;
    buf_clear(&guard->text);
    writer_print_row(batch, row, schema, &guard->text);
    if (guard->text.len && guard->text.data[guard->text.len - 1] == '\n')
        guard->text.len--;
    if (guard->drops) {
        snprintf(guard->reason, sizeof guard->reason, "column '%.80s' of table '%.80s' is NOT NULL",
                 schema->fields[column].name, context->op->table->name);
        context->bad_row(context->bad_row_context, NULL,
                         batch->origin ? batch->origin[row] : BAD_ROW_NOWHERE, guard->reason,
                         buf_slice(&guard->text));
        return;
    }
    struct buf text = {0};
    buf_printf(&text,
               "column '%s' of table '%s' is NOT NULL, but a NULL would be written: %.300s\n"
               "give it a value, for example COALESCE(..., 0), or SET "
               "'table.exec.sink.not-null-enforcer' = 'drop' to put such rows aside",
               schema->fields[column].name, context->op->table->name, buf_str(&guard->text));
    op_fail(context, buf_str(&text));
    buf_fini(&text);
}

static int not_null_push(struct operator* op, struct batch *batch)
{
    struct not_null *guard = (struct not_null *)op;
    const struct schema *schema = &op->context.op->output;
    uint32_t kept = 0;
    if (!has_null(schema, batch))
        return operator_push(op->context.next, batch);
    for (uint32_t row = 0; row < batch->count; row++) {
        int column = null_column(schema, batch, row);
        if (column < 0)
            guard->keep[kept++] = (uint16_t)row;
        else
            refuse_row(guard, batch, row, column);
    }
    batch_compact(batch, guard->keep, kept);
    return operator_push(op->context.next, batch);
}

static int not_null_watermark(struct operator* op, int64_t watermark_ms)
{
    return operator_watermark(op->context.next, watermark_ms);
}

static void not_null_reset(struct operator* op)
{
    (void)op; // nothing is kept
}

const struct operator_class not_null_class = {
    .name = "not-null",
    .open = not_null_open,
    .push = not_null_push,
    .watermark = not_null_watermark,
    .reset = not_null_reset,
    .close = not_null_close,
};
