// calculation.c: compiled filter and expressions of one OP_CALC.
//
// Result columns are borrowed: from the input batch (a bare column) or from the compiled program.
// Two result columns never share slots, because an operator further on may compact them in place;
// the second use of one column is copied.
#include "stages/runtime/calculation.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/expr/expr.h"

struct calculation {
    const struct op *op;
    struct expr_program *filter; // NULL: keep all
    struct expr_program **programs;
    int count;              // programs, and columns of the result
    struct column *columns; // headers of the result
    struct column *copies;  // own slots, made when a column is used twice
    struct pool scratch;
    struct expr_context context;
    uint8_t fate[BATCH_ROWS];
    uint16_t keep[BATCH_ROWS];
    bool filter_failed; // the last run had errors in its filter
    uint8_t filter_state[BATCH_ROWS];
    char reason[256];
};

struct calculation *calculation_create(const struct op *op, const struct schema *input,
                                       const char *time_zone)
{
    CHECK(op->kind == OP_CALC && input);
    struct calculation *c = calloc(1, sizeof *c);
    CHECK(c);
    c->op = op;
    c->count = op->output.field_count;
    c->context.time_zone = time_zone;
    c->context.scratch = &c->scratch;
    size_t slots = (size_t)c->count + 1;
    c->programs = calloc(slots, sizeof(struct expr_program *));
    c->columns = calloc(slots, sizeof *c->columns);
    c->copies = calloc(slots, sizeof *c->copies);
    CHECK(c->programs && c->columns && c->copies);
    if (op->calc.filter)
        c->filter = expr_compile(op->calc.filter, input);
    for (int i = 0; i < c->count; i++)
        c->programs[i] = expr_compile(op->calc.exprs[i], input);
    return c;
}

void calculation_free(struct calculation *c)
{
    if (!c)
        return;
    for (int i = 0; i < c->count; i++) {
        expr_program_free(c->programs[i]);
        if (c->copies[i].state)
            column_fini(&c->copies[i]);
    }
    if (c->filter)
        expr_program_free(c->filter);
    pool_fini(&c->scratch);
    free(c->programs);
    free(c->columns);
    free(c->copies);
    free(c);
}

static void begin(struct calculation *c, int64_t now_ms, int64_t watermark_ms)
{
    pool_reset(&c->scratch);
    c->context.now_ms = now_ms;
    c->context.watermark_ms = watermark_ms;
    c->filter_failed = false;
}

// Evaluate the filter into fates; returns how many rows are not kept.
static uint32_t run_filter(struct calculation *c, const struct batch *batch)
{
    const struct column *result;
    uint32_t dropped = 0;
    expr_eval(c->filter, batch, &c->context, &result);
    for (uint32_t i = 0; i < batch->count; i++) {
        uint8_t state = result->state[i];
        bool keep = state == VALUE_PRESENT && result->i64[i] != 0;
        c->fate[i] = keep ? ROW_KEEP : state >= VALUE_ERROR ? ROW_BAD : ROW_FILTERED;
        c->filter_state[i] = state;
        c->filter_failed |= state >= VALUE_ERROR;
        dropped += !keep;
    }
    return dropped;
}

static void copy_column(struct calculation *c, int at, uint32_t rows)
{
    struct column *from = &c->columns[at], *to = &c->copies[at];
    if (!to->state)
        column_init(to, from->kind);
    memcpy(to->i64, from->i64, rows * column_slot_bytes(from->kind));
    memcpy(to->state, from->state, rows);
    to->all_present = from->all_present;
    c->columns[at] = *to;
}

// Compute every result column; mark rows with an error as bad. Returns how many became bad.
static uint32_t run_exprs(struct calculation *c, const struct batch *batch)
{
    uint32_t bad = 0;
    for (int i = 0; i < c->count; i++) {
        const struct column *result;
        expr_eval(c->programs[i], batch, &c->context, &result);
        c->columns[i] = *result;
        for (int before = 0; before < i; before++) {
            if (c->columns[before].i64 == result->i64) {
                copy_column(c, i, batch->count);
                break;
            }
        }
        if (result->all_present)
            continue;
        for (uint32_t row = 0; row < batch->count; row++) {
            if (result->state[row] < VALUE_ERROR || c->fate[row] != ROW_KEEP)
                continue;
            c->fate[row] = ROW_BAD;
            bad++;
        }
    }
    return bad;
}

static void fill_result(struct calculation *c, const struct batch *batch, bool clean,
                        struct calculation_result *out)
{
    out->batch = *batch;
    out->batch.column_count = c->count;
    out->batch.columns = c->columns;
    out->clean = clean;
    out->fate = c->fate;
}

void calculation_run(struct calculation *c, const struct batch *batch, int64_t now_ms,
                     int64_t watermark_ms, struct calculation_result *out)
{
    begin(c, now_ms, watermark_ms);
    memset(c->fate, ROW_KEEP, batch->count);
    uint32_t dropped = c->filter ? run_filter(c, batch) : 0;
    dropped += run_exprs(c, batch);
    fill_result(c, batch, dropped == 0, out);
}

void calculation_filter(struct calculation *c, struct batch *batch, int64_t now_ms,
                        int64_t watermark_ms, struct calculation_result *out)
{
    begin(c, now_ms, watermark_ms);
    if (c->filter && run_filter(c, batch)) {
        // Rows whose filter failed stay, as bad ones, so that the caller can report them.
        uint32_t kept = 0;
        for (uint32_t i = 0; i < batch->count; i++)
            if (c->fate[i] != ROW_FILTERED)
                c->keep[kept++] = (uint16_t)i;
        batch_compact(batch, c->keep, kept);
        for (uint32_t i = 0; i < kept; i++) {
            c->fate[i] = c->fate[c->keep[i]];
            c->filter_state[i] = c->filter_state[c->keep[i]];
        }
    } else {
        memset(c->fate, ROW_KEEP, batch->count);
    }
    if (batch->count == 0) {
        fill_result(c, batch, true, out);
        return;
    }
    uint32_t bad = run_exprs(c, batch);
    fill_result(c, batch, bad == 0 && !c->filter_failed, out);
}

const char *calculation_reason(struct calculation *c, uint32_t row)
{
    if (c->filter_failed && c->filter_state[row] >= VALUE_ERROR) {
        snprintf(c->reason, sizeof c->reason, "the filter cannot be computed: %s",
                 expr_error_text((enum expr_error)(c->filter_state[row] - VALUE_ERROR)));
        return c->reason;
    }
    for (int i = 0; i < c->count; i++) {
        uint8_t state = c->columns[i].state[row];
        if (state < VALUE_ERROR)
            continue;
        snprintf(c->reason, sizeof c->reason, "column %s cannot be computed: %s",
                 c->op->output.fields[i].name,
                 expr_error_text((enum expr_error)(state - VALUE_ERROR)));
        return c->reason;
    }
    return "it cannot be computed";
}
