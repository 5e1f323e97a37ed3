// upsert.c: stands before a sink that replaces by primary key, and turns a changelog into what such
// a sink knows: rows that are there now, and -D of keys that are gone.
//
// A -U says what a row was before. When the +U with the same key follows it says nothing new and is
// dropped; otherwise (the key has changed, a filter has kept the +U away, a batch ends between the
// two) the key's row is gone, so it becomes a -D. Where the +U comes with the next batch that is a
// tombstone too many, and the key is there again right behind it. Keeps no state.
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/runtime/operator.h"

struct upsert {
    struct operator base; // must be first; context.op is the sink's
    int key_count;
    int *key; // columns of the sink's rows
    uint16_t keep[BATCH_ROWS];
};

static int upsert_open(const struct op_context *context, struct operator** out, struct err *err)
{
    (void)err;
    const struct plan_table *table = context->op->table;
    CHECK(context->op->kind == OP_SINK && context->next && table->primary_key_count > 0);
    struct upsert *upsert = calloc(1, sizeof *upsert);
    CHECK(upsert);
    upsert->base = (struct operator){.class = &upsert_class, .context = *context};
    upsert->key_count = table->primary_key_count;
    upsert->key = calloc((size_t)upsert->key_count, sizeof *upsert->key);
    CHECK(upsert->key);
    for (int i = 0; i < upsert->key_count; i++)
        upsert->key[i] = plan_written_place(table, table->primary_key[i]);
    *out = &upsert->base;
    return 0;
}

static void upsert_close(struct operator* op)
{
    free(((struct upsert *)op)->key);
    free(op);
}

static bool same_value(const struct column *column, uint32_t a, uint32_t b)
{
    if (column->state[a] != VALUE_PRESENT || column->state[b] != VALUE_PRESENT)
        return column->state[a] == column->state[b];
    if (column->kind == TYPE_STRING)
        return slice_equal(column->str[a], column->str[b]);
    return column->i64[a] == column->i64[b]; // a DOUBLE's bits: the same value says the same
}

static bool same_key(const struct upsert *upsert, const struct batch *batch, uint32_t a, uint32_t b)
{
    for (int i = 0; i < upsert->key_count; i++)
        if (!same_value(&batch->columns[upsert->key[i]], a, b))
            return false;
    return true;
}

static int upsert_push(struct operator* op, struct batch *batch)
{
    struct upsert *upsert = (struct upsert *)op;
    uint32_t kept = 0;
    for (uint32_t row = 0; batch->has_kinds && row < batch->count; row++) {
        if (batch->kinds[row] == ROW_UPDATE_BEFORE) {
            if (row + 1 < batch->count && batch->kinds[row + 1] == ROW_UPDATE_AFTER &&
                same_key(upsert, batch, row, row + 1))
                continue;
            batch->kinds[row] = ROW_DELETE;
        }
        upsert->keep[kept++] = (uint16_t)row;
    }
    if (batch->has_kinds && kept < batch->count)
        batch_compact(batch, upsert->keep, kept);
    return operator_push(op->context.next, batch);
}

static int upsert_watermark(struct operator* op, int64_t watermark_ms)
{
    return operator_watermark(op->context.next, watermark_ms);
}

static void upsert_reset(struct operator* op)
{
    (void)op; // nothing is kept
}

const struct operator_class upsert_class = {
    .name = "upsert",
    .open = upsert_open,
    .push = upsert_push,
    .watermark = upsert_watermark,
    .reset = upsert_reset,
    .close = upsert_close,
};
