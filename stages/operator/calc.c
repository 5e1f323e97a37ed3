// calc.c: filter rows, then compute the output columns. Its only state is the watermark that has
// come, and that only where an expression asks for it.
//
// A row whose used value cannot be computed goes to the dead letters; the rows around it go on.
#include <errno.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/format/writer.h"
#include "core/snapshot/savepoint.h"
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

// --- savepoints: of a calc that asks for CURRENT_WATERMARK ---

struct restoring {
    const struct op_context *contexts; // one a task
    int count;
    bool has_any, is_known;
    int64_t watermark_ms;
};

static int calc_put(const struct op_context *context, struct savepoint_writer *out, int id,
                    bool clocks, struct err *err)
{
    (void)err;
    // Computed columns of a source have no root: they ask the source's clock.
    const struct arena_root_slot *slot = &context->arena->meta->roots[context->op->id];
    uint64_t word = slot->offset ? arena_word(context->arena, slot->offset) : 0;
    if (!clocks)
        return 0;
    savepoint_begin(out, id, SAVEPOINT_WATERMARK);
    savepoint_put_int(out, word != 0);
    savepoint_put_int(out, (int64_t)watermark_word((int64_t)word));
    savepoint_end(out);
    return 0;
}

static int restoring_begin(const struct op_context *contexts, int count, void **out,
                           struct err *err)
{
    (void)err;
    struct restoring *r = calloc(1, sizeof *r);
    CHECK(r && count > 0);
    *r = (struct restoring){.contexts = contexts, .count = count};
    *out = r;
    return 0;
}

// The least of all tasks, as their readers will see it; none when one of them has none.
static int restoring_take(void *restoring, struct savepoint_record *record, struct err *err)
{
    struct restoring *r = restoring;
    bool has = savepoint_take_count(record) != 0;
    int64_t watermark_ms = savepoint_take_int(record);
    if (record->kind != SAVEPOINT_WATERMARK || record->is_bad || record->left)
        return err_set(err, -EBADMSG,
                       "the savepoint has a record of kind %d that does not fit operator %d, which "
                       "asks for CURRENT_WATERMARK",
                       (int)record->kind, record->op);
    if (!r->has_any || (r->is_known && (!has || watermark_ms < r->watermark_ms))) {
        r->is_known = has;
        r->watermark_ms = watermark_ms;
    }
    r->has_any = true;
    return 0;
}

static int restoring_end(void *restoring, struct err *err)
{
    const struct restoring *r = restoring;
    for (int i = 0; i < r->count && r->is_known; i++) {
        struct arena *arena = r->contexts[i].arena;
        uint64_t at;
        int rc = arena_root(arena, (uint32_t)r->contexts[i].op->id, 8, &at);
        if (rc < 0)
            return err_set(err, rc, "no room in the task's memory; set memory.state higher");
        arena_store8(arena, at, watermark_word(r->watermark_ms));
        arena_commit(arena);
    }
    return 0;
}

static const struct savepoint_class calc_savepoint = {
    .put = calc_put,
    .begin = restoring_begin,
    .take = restoring_take,
    .end = restoring_end,
    .free = free,
};

const struct operator_class calc_class = {
    .name = "calc",
    .open = calc_open,
    .push = calc_push,
    .watermark = calc_watermark,
    .reset = calc_reset,
    .close = calc_close,
    .savepoint = &calc_savepoint,
};
