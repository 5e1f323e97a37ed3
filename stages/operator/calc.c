// calc.c: filter rows, then compute the output columns. Its only state is the watermark that has
// come, and that only where an expression asks for it.
//
// A row whose used value cannot be computed goes to the dead letters; the rows around it go on.
#include <stdlib.h>

#include "core/base/check.h"
#include "core/format/writer.h"
#include "stages/runtime/calculation.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/schema.h"

struct calc {
    struct operator base; // must be first
    struct calculation *calculation;
    const struct schema *input;
    uint64_t watermark_at; // in the arena, see watermark_word; 0: nobody asks for CURRENT_WATERMARK
    struct buf text;       // of a bad row
    uint16_t keep[BATCH_ROWS];
};

// As it lies in the arena: an all-zero word is "none yet", INT64_MIN.
static uint64_t watermark_word(int64_t watermark_ms)
{
    return (uint64_t)watermark_ms ^ UINT64_C(1) << 63;
}

static int64_t current_watermark(const struct calc *calc)
{
    if (!calc->watermark_at)
        return INT64_MIN;
    return (int64_t)(arena_word(calc->base.context.arena, calc->watermark_at) ^ UINT64_C(1) << 63);
}

static int calc_open(const struct op_context *context, struct operator** out, struct err *err)
{
    uint64_t watermark_at = 0;
    if (plan_calc_reads_watermark(context->op)) {
        int rc = arena_root(context->arena, (uint32_t)context->op->id, 8, &watermark_at);
        if (rc < 0)
            return err_set(err, rc, "no room in the task's memory");
    }
    struct calc *calc = calloc(1, sizeof *calc);
    CHECK(calc);
    calc->watermark_at = watermark_at;
    calc->base = (struct operator){.class = &calc_class, .context = *context};
    calc->input = schema_of_input(context->plan, context->stage, context->op);
    calc->calculation = calculation_create(
        context->op, calc->input, plan_setting(context->plan, "table.local-time-zone", "UTC"));
    *out = &calc->base;
    return 0;
}

static void calc_close(struct operator* op)
{
    struct calc *calc = (struct calc *)op;
    calculation_free(calc->calculation);
    buf_fini(&calc->text);
    free(calc);
}

// Report the bad rows, remove them from the input and compute again: rare, so simple.
static void drop_bad_rows(struct calc *calc, struct batch *batch,
                          const struct calculation_result *result)
{
    const struct op_context *context = &calc->base.context;
    uint32_t kept = 0;
    for (uint32_t i = 0; i < batch->count; i++) {
        if (result->fate[i] != ROW_BAD) {
            calc->keep[kept++] = (uint16_t)i;
            continue;
        }
        buf_clear(&calc->text);
        writer_print_row(batch, i, calc->input, &calc->text);
        if (calc->text.len && calc->text.data[calc->text.len - 1] == '\n')
            calc->text.len--;
        context->bad_row(context->bad_row_context, NULL,
                         batch->origin ? batch->origin[i] : BAD_ROW_NOWHERE,
                         calculation_reason(calc->calculation, i), buf_slice(&calc->text));
    }
    batch_compact(batch, calc->keep, kept);
}

static int calc_push(struct operator* op, struct batch *batch)
{
    struct calc *calc = (struct calc *)op;
    struct calculation_result result;
    int64_t now_ms = op->context.env->realtime_ms(op->context.env);
    for (;;) {
        calculation_filter(calc->calculation, batch, now_ms, current_watermark(calc), &result);
        if (result.clean)
            break;
        drop_bad_rows(calc, batch, &result);
    }
    return operator_push(op->context.next, &result.batch);
}

static int calc_watermark(struct operator* op, int64_t watermark_ms)
{
    struct calc *calc = (struct calc *)op;
    if (calc->watermark_at)
        arena_store8_once(op->context.arena, calc->watermark_at, watermark_word(watermark_ms));
    return operator_watermark(op->context.next, watermark_ms);
}

static void calc_reset(struct operator* op)
{
    (void)op; // nothing of state is cached
}

const struct operator_class calc_class = {
    .name = "calc",
    .open = calc_open,
    .push = calc_push,
    .watermark = calc_watermark,
    .reset = calc_reset,
    .close = calc_close,
};
