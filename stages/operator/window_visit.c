// window_visit.c: what a window operator keeps, for people: in the report of a checkpoint, and
// group by group for tools.
//
// A group as JSON: the window, the point that fires next, the key, and what was accumulated. Of a
// PARTIAL these are the differences since the group was last sent; the FINAL has the rest.
#include <inttypes.h>
#include <math.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/base/calendar.h"
#include "core/format/writer.h"
#include "stages/operator/window_state.h"

// What the report says without walking through thousands of windows in the middle of a batch.
enum { PANES_COUNTED = 64 };

static const char *phase_name(const struct window *w)
{
    return w->is_partial ? "partial" : w->is_final ? "final" : "single";
}

static void append_time(struct buf *out, const char *name, int64_t ms)
{
    char text[CALENDAR_TEXT_BYTES];
    size_t len = calendar_format_timestamp(ms, CALENDAR_SQL, false, text);
    buf_printf(out, ",\"%s\":\"%.*s\"", name, (int)len, text);
}

void window_describe(const struct operator* op, struct buf *out)
{
    const struct window *w = (const struct window *)op;
    const struct arena *a = op->context.arena;
    const uint64_t panes = w->root + offsetof(struct window_root, panes);
    uint64_t live = table_live(a, panes), groups = 0;
    buf_printf(out, "\"window %d\":{\"phase\":\"%s\",\"windows\":%" PRIu64, op->context.op->id,
               phase_name(w), live);
    if (live <= PANES_COUNTED) {
        uint64_t count = table_count(a, panes);
        for (uint64_t i = window_root(w)->first_live; i < count; i++) {
            uint64_t record = table_at(a, panes, i);
            if (record)
                groups += table_live(a, arena_word(a, table_value(a, record)) +
                                            offsetof(struct pane, groups));
        }
        buf_printf(out, ",\"groups\":%" PRIu64, groups);
    }
    buf_printf(out, ",\"arena_bytes\":%" PRIu64 "}", arena_used_bytes(a));
}

// --- values ---

static void append_value(const struct column *column, const struct type *type, struct buf *out)
{
    struct buf text = {0};
    bool is_plain = type->kind == TYPE_BOOLEAN || type_is_numeric(type->kind);
    if (column->state[0] != VALUE_PRESENT) {
        buf_append_str(out, "null");
        return;
    }
    if (type->kind == TYPE_DOUBLE && !isfinite(column->f64[0]))
        is_plain = false;
    writer_print_value(column, 0, type, &text);
    if (is_plain)
        buf_append(out, text.data, text.len);
    else
        buf_append_json_string(out, buf_slice(&text));
    buf_fini(&text);
}

static void append_sum(const struct agg_call *call, const uint64_t *acc, struct buf *out)
{
    struct type type = type_of(call->arg_type.kind == TYPE_DOUBLE ? TYPE_DOUBLE : TYPE_BIGINT);
    int64_t bits = (int64_t)acc[1];
    uint8_t state = acc[0] || call->kind == AGG_AVG ? VALUE_PRESENT : VALUE_NULL;
    struct column column = {.kind = type.kind, .i64 = &bits, .state = &state};
    buf_printf(out, "{\"sum\":");
    append_value(&column, &type, out);
    buf_printf(out, ",\"count\":%" PRIu64 "}", acc[0]);
}

// --- a group ---

struct visit {
    const struct window *w;
    const struct state_visitor *visitor;
    struct batch row; // keys, and a result of each aggregate
    struct schema schema;
    struct buf json;
    struct state_bitmap *bitmaps;
    int bitmap_count;
};

// The operator whose output has the aggregates' names: of a PARTIAL, the FINAL that reads it.
static const struct op *naming_op(const struct window *w)
{
    const struct op_context *context = &w->base.context;
    if (!w->is_partial || context->stage->output_exchange < 0)
        return context->op;
    const struct exchange *e = &context->plan->exchanges[context->stage->output_exchange];
    const struct op *reader = context->plan->stages[e->to_stage].ops[0];
    bool is_final = reader->kind == OP_WINDOW && reader->window.phase == WINDOW_FINAL;
    return is_final ? reader : context->op;
}

static const char *agg_name(const struct window *w, int agg)
{
    const struct schema *schema = &naming_op(w)->output;
    int column = w->plan->key_count + 3 + agg;
    return column < schema->field_count ? schema->fields[column].name : "aggregate";
}

static void append_accumulator(struct visit *v, int agg, uint64_t value)
{
    const struct window *w = v->w;
    const struct agg_call *call = &w->plan->aggs[agg];
    uint64_t at = value + w->slots[agg].offset;
    const uint64_t *acc = arena_at(w->base.context.arena, at);
    struct column *column = &v->row.columns[w->plan->key_count + agg];
    switch (call->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        buf_printf(&v->json, "{\"count\":%" PRIu64 "}", acc[0]);
        return;
    case AGG_COUNT_DISTINCT:
        buf_printf(&v->json, "{\"distinct\":%" PRIu64 "}", acc[0]);
        if (w->slots[agg].dict >= 0)
            v->bitmaps[v->bitmap_count++] = (struct state_bitmap){agg_name(w, agg), at};
        return;
    case AGG_SUM:
    case AGG_AVG:
        append_sum(call, acc, &v->json);
        return;
    default:
        window_result(w, agg, value, column, 0);
        buf_append_str(&v->json, "{\"value\":");
        append_value(column, &call->type, &v->json);
        buf_append_char(&v->json, '}');
    }
}

static void append_key(struct visit *v, uint64_t record)
{
    const struct window *w = v->w;
    window_key(w, table_key(w->base.context.arena, record), &v->row, 0);
    buf_append_str(&v->json, ",\"key\":{");
    for (int k = 0; k < w->plan->key_count; k++) {
        buf_append_str(&v->json, k ? "," : "");
        buf_append_json_string(&v->json, slice_of(v->schema.fields[k].name));
        buf_append_char(&v->json, ':');
        append_value(&v->row.columns[k], &v->schema.fields[k].type, &v->json);
    }
    buf_append_char(&v->json, '}');
}

static int visit_group(struct visit *v, const struct pane *pane, uint64_t record)
{
    const struct window *w = v->w;
    uint64_t value = table_value(w->base.context.arena, record);
    buf_clear(&v->json);
    v->bitmap_count = 0;
    buf_printf(&v->json, "{\"operator\":%d,\"phase\":\"%s\"", w->base.context.op->id,
               phase_name(w));
    append_time(&v->json, "window_start", pane->start);
    append_time(&v->json, "window_end", pane->end);
    if (pane->next_end != pane->end)
        append_time(&v->json, "next_point", pane->next_end);
    append_key(v, record);
    buf_printf(&v->json, ",\"rows\":%" PRIu64 ",\"accumulators\":{",
               arena_word(w->base.context.arena, value));
    for (int agg = 0; agg < w->plan->agg_count; agg++) {
        buf_append_str(&v->json, agg ? "," : "");
        buf_append_json_string(&v->json, slice_of(agg_name(w, agg)));
        buf_append_char(&v->json, ':');
        append_accumulator(v, agg, value);
    }
    buf_append_str(&v->json, "}}");
    const struct state_group group = {buf_slice(&v->json), v->bitmaps, v->bitmap_count};
    return v->visitor->group(v->visitor->context, &group);
}

static int visit_pane(struct visit *v, uint64_t offset)
{
    const struct arena *a = v->w->base.context.arena;
    const uint64_t groups = offset + offsetof(struct pane, groups);
    int rc = 0;
    uint64_t count = table_count(a, groups);
    for (uint64_t i = 0; i < count && rc == 0; i++) {
        uint64_t record = table_at(a, groups, i);
        rc = record ? visit_group(v, pane_at(v->w, offset), record) : 0;
    }
    return rc;
}

// Keys as the operator's output has them, then one column for each aggregate's result.
static void make_schema(struct visit *v)
{
    const struct op_window *plan = v->w->plan;
    const struct schema *output = &v->w->base.context.op->output;
    v->schema.field_count = plan->key_count + plan->agg_count;
    v->schema.fields = calloc((size_t)v->schema.field_count + 1, sizeof *v->schema.fields);
    v->bitmaps = calloc((size_t)plan->agg_count + 1, sizeof *v->bitmaps);
    CHECK(v->schema.fields && v->bitmaps);
    for (int k = 0; k < plan->key_count; k++)
        v->schema.fields[k] = output->fields[k];
    for (int i = 0; i < plan->agg_count; i++)
        v->schema.fields[plan->key_count + i] =
            (struct field){agg_name(v->w, i), plan->aggs[i].type};
    batch_init(&v->row, &v->schema);
}

// The pane that is being freed, a piece a transaction: what is left of it means nothing. 0: none.
static uint64_t pane_dropped(const struct window *w)
{
    const struct arena *a = w->base.context.arena;
    const uint64_t due = w->root + offsetof(struct window_root, due);
    if (!window_root(w)->firing || window_root(w)->phase < FIRE_DROP_VALUES ||
        !timers_count(a, due))
        return 0;
    return arena_word(a, vec_slot(a, due + offsetof(struct timers_head, heap), 1));
}

int window_visit(const struct operator* op, const struct state_visitor *visitor)
{
    const struct window *w = (const struct window *)op;
    const struct arena *a = op->context.arena;
    const uint64_t panes = w->root + offsetof(struct window_root, panes);
    struct visit v = {.w = w, .visitor = visitor};
    int rc = 0;
    const uint64_t dropped = pane_dropped(w);
    make_schema(&v);
    for (uint64_t i = window_root(w)->first_live; i < table_count(a, panes) && rc == 0; i++) {
        uint64_t record = table_at(a, panes, i);
        uint64_t pane = record ? arena_word(a, table_value(a, record)) : 0;
        if (pane && pane != dropped)
            rc = visit_pane(&v, pane);
    }
    batch_fini(&v.row);
    buf_fini(&v.json);
    free(v.schema.fields);
    free(v.bitmaps);
    return rc;
}
