// blackhole.c: the connector that takes rows and keeps none. For benches, and for jobs that are run
// for their other outputs.
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/runtime/operator.h"

static int blackhole_open(const struct op_context *context, struct operator** out, struct err *err)
{
    (void)err;
    struct operator* op = calloc(1, sizeof *op);
    CHECK(op && !context->next);
    *op = (struct operator){.class = &blackhole_class, .context = *context};
    *out = op;
    return 0;
}

static int blackhole_push(struct operator* op, struct batch *batch)
{
    *op->context.rows_out += batch->count;
    return 0;
}

static int blackhole_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    (void)watermark_ms;
    return 0;
}

static void blackhole_describe(const struct operator* op, struct buf *out)
{
    buf_append_str(out, "\"sink\":{\"table\":");
    buf_append_json_string(out, slice_of(op->context.op->table->name));
    buf_printf(out, ",\"connector\":\"blackhole\",\"rows\":%llu}",
               (unsigned long long)*op->context.rows_out);
}

static void blackhole_reset(struct operator* op)
{
    (void)op;
}

static void blackhole_close(struct operator* op)
{
    free(op);
}

const struct operator_class blackhole_class = {
    .name = "blackhole",
    .open = blackhole_open,
    .push = blackhole_push,
    .watermark = blackhole_watermark,
    .describe = blackhole_describe,
    .reset = blackhole_reset,
    .close = blackhole_close,
};
