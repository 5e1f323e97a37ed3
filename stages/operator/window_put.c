// window_put.c: what a task of a window keeps, into a savepoint.
//
// The form is that of a SINGLE, whatever the phase: for a group the columns of a partial row with
// all that was counted for the point that fires next, the values of its distinct sets, and rows
// that wait for a later point. What a PARTIAL has counted and not sent yet is one more partial row
// of the group; a FINAL has no sets, its shards put theirs. Of a changelog: what was last emitted
// of the group, and when it fires next.
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/row/row.h"
#include "core/snapshot/savepoint.h"
#include "stages/operator/window_state.h"

struct put {
    struct window *w;
    struct savepoint_writer *out;
    int id;
    struct batch group;                   // one partial row
    struct slice *keys[WINDOW_MAX_DICTS]; // of the pane that is being put, by number
    struct err *err;
};

static void put_column(struct savepoint_writer *out, const struct column *column, uint32_t row)
{
    if (column->state[row] != VALUE_PRESENT)
        savepoint_put_null(out);
    else if (column->kind == TYPE_STRING)
        savepoint_put_text(out, column->str[row]);
    else if (column->kind == TYPE_DOUBLE)
        savepoint_put_double(out, column->f64[row]);
    else
        savepoint_put_int(out, column->i64[row]);
}

static void put_row(const struct put *p, const struct batch *batch, uint32_t row)
{
    for (int c = 0; c < batch->column_count; c++)
        put_column(p->out, &batch->columns[c], row);
}

// --- groups ---

static void set_number(struct column *column, int64_t value)
{
    column->i64[0] = value;
    column->state[0] = VALUE_PRESENT;
}

// The accumulator as the columns of a partial row; as window_send_group, but nothing is cleared.
static void fill_aggregate(const struct put *p, int agg, uint64_t value)
{
    const struct arena *a = p->w->base.context.arena;
    const struct agg_call *call = &p->w->plan->aggs[agg];
    struct column *out = &p->group.columns[call->partial];
    const uint64_t *acc = arena_at(a, value + p->w->slots[agg].offset);
    switch (call->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        set_number(out, (int64_t)acc[0]);
        return;
    case AGG_COUNT_DISTINCT:
        set_number(out, 0); // the sets say it
        return;
    case AGG_AVG:
        set_number(&out[1], (int64_t)acc[0]);
        break;
    default:
        break;
    }
    out->state[0] = acc[0] ? VALUE_PRESENT : VALUE_NULL;
    if (out->kind == TYPE_STRING)
        out->str[0] = slice_make(acc[1] ? arena_at(a, acc[1]) : NULL, acc[1] ? acc[2] : 0);
    else
        out->i64[0] = (int64_t)acc[1]; // a double's bits, too
}

static void put_group(const struct put *p, const struct pane *pane, uint64_t record)
{
    const struct window *w = p->w;
    const int keys = w->plan->key_count;
    uint64_t value = table_value(w->base.context.arena, record);
    uint64_t rows = arena_word(w->base.context.arena, value);
    if (w->is_partial && !rows)
        return; // all of it was sent
    window_key(w, table_key(w->base.context.arena, record), (struct batch *)&p->group, 0);
    set_number(&p->group.columns[keys], pane->start);
    set_number(&p->group.columns[keys + 1], pane->next_end);
    set_number(&p->group.columns[keys + 2], (int64_t)rows);
    for (int agg = 0; agg < w->plan->agg_count; agg++)
        fill_aggregate(p, agg, value);
    savepoint_begin(p->out, p->id, SAVEPOINT_GROUP);
    put_row(p, &p->group, 0);
    savepoint_end(p->out);
}

// --- changelog ---

static void put_emitted(const struct put *p, const struct pane *pane, uint64_t record)
{
    struct window *w = p->w;
    const int keys = w->plan->key_count;
    const int64_t due = window_armed(w, record);
    const bool is_emitted = window_last_emitted(w, record);
    if (!is_emitted && !due)
        return;
    window_key(w, table_key(w->base.context.arena, record), &w->output, 0);
    savepoint_begin(p->out, p->id, SAVEPOINT_EMITTED);
    for (int k = 0; k < keys; k++)
        put_column(p->out, &w->output.columns[k], 0);
    savepoint_put_int(p->out, pane->start);
    savepoint_put_int(p->out, due);
    savepoint_put_int(p->out, is_emitted);
    for (int agg = 0; agg < w->plan->agg_count && is_emitted; agg++)
        put_column(p->out, &w->output.columns[keys + 3 + agg], 0);
    savepoint_end(p->out);
}

// --- distinct sets ---

static void put_distinct_value(const struct put *p, int agg, struct slice key)
{
    const enum type_kind kind = p->w->plan->aggs[agg].arg_type.kind;
    int64_t bits;
    double real;
    if (kind == TYPE_STRING) {
        savepoint_put_text(p->out, key);
        return;
    }
    CHECK(key.len == 8);
    memcpy(&bits, key.ptr, 8);
    memcpy(&real, key.ptr, 8);
    if (kind == TYPE_DOUBLE)
        savepoint_put_double(p->out, real);
    else
        savepoint_put_int(p->out, bits);
}

static void put_set(const struct put *p, const struct pane *pane, uint64_t record, int agg)
{
    const struct window *w = p->w;
    const struct arena *a = w->base.context.arena;
    uint64_t head = table_value(a, record) + w->slots[agg].offset, number = 0;
    const struct slice *keys = p->keys[w->slots[agg].dict];
    const uint64_t key_count =
        dict_count(a, (uint64_t)((const uint8_t *)&pane->dicts[w->slots[agg].dict] -
                                 (const uint8_t *)a->base));
    window_key(w, table_key(a, record), (struct batch *)&p->group, 0);
    for (int in_record = 0; bitmap_next(a, head, &number) == 1; number++) {
        CHECK(number < key_count);
        if (in_record == 0) {
            savepoint_begin(p->out, p->id, SAVEPOINT_SET);
            savepoint_put_int(p->out, pane->start);
            savepoint_put_int(p->out, agg);
            for (int k = 0; k < w->plan->key_count; k++)
                put_column(p->out, &p->group.columns[k], 0);
        }
        put_distinct_value(p, agg, keys[number]);
        if (++in_record == SAVEPOINT_SET_VALUES) {
            savepoint_end(p->out);
            in_record = 0;
        }
        uint64_t next = number + 1;
        if (in_record && bitmap_next(a, head, &next) == 0)
            savepoint_end(p->out);
    }
}

static void read_dicts(struct put *p, uint64_t pane)
{
    const struct arena *a = p->w->base.context.arena;
    for (int d = 0; d < p->w->dict_count; d++) {
        uint64_t head =
            pane + offsetof(struct pane, dicts) + (uint64_t)d * sizeof(struct dict_head);
        p->keys[d] = calloc(dict_count(a, head) + 1, sizeof *p->keys[d]);
        CHECK(p->keys[d]);
        dict_keys(a, head, p->keys[d]);
    }
}

static void forget_dicts(struct put *p)
{
    for (int d = 0; d < p->w->dict_count; d++) {
        free(p->keys[d]);
        p->keys[d] = NULL;
    }
}

// --- rows that wait ---

static void put_waiting_row(const struct put *p, const struct pane *pane, int64_t slice_end,
                            const struct batch *batch, bool partial)
{
    savepoint_begin(p->out, p->id, partial ? SAVEPOINT_GROUP : SAVEPOINT_ROW);
    if (!partial) {
        savepoint_put_int(p->out, pane->start);
        savepoint_put_int(p->out, slice_end);
    }
    put_row(p, batch, 0);
    savepoint_end(p->out);
}

static int put_list(const struct put *p, const struct pane *pane, uint64_t record)
{
    struct window *w = p->w;
    const struct arena *a = w->base.context.arena;
    struct slice key = table_key(a, record), bytes;
    struct list_cursor cursor = {0};
    bool partial = w->is_final || key.len == 9;
    struct batch *batch = partial && !w->is_final ? &w->merged : &w->replay;
    int64_t slice_end;
    memcpy(&slice_end, key.ptr, 8);
    if (w->is_final && list_count(a, table_value(a, record)))
        for (int agg = 0; agg < w->plan->agg_count; agg++)
            if (w->plan->aggs[agg].kind == AGG_COUNT_DISTINCT)
                return err_set(p->err, -EBUSY,
                               "the shards of a distinct count stand at different points; make the "
                               "savepoint of another checkpoint");
    if (!batch->columns)
        batch_init(batch, &w->plan->partial_schema);
    while (list_next(a, table_value(a, record), &cursor, &bytes) == 1) {
        batch->count = 0;
        if (row_decode(bytes.ptr, bytes.len, batch) < 0)
            return err_set(p->err, -EBADMSG, "a row that waits in a window is damaged");
        row_decode_done(batch);
        put_waiting_row(p, pane, slice_end, batch, partial);
    }
    return 0;
}

static int put_ahead(const struct put *p, uint64_t pane)
{
    const struct arena *a = p->w->base.context.arena;
    uint64_t ahead = pane + offsetof(struct pane, ahead);
    int rc = 0;
    for (uint64_t i = 0; i < table_count(a, ahead) && rc == 0; i++) {
        uint64_t record = table_at(a, ahead, i);
        rc = record ? put_list(p, pane_at(p->w, pane), record) : 0;
    }
    return rc;
}

// --- the task ---

static int put_pane(struct put *p, uint64_t offset)
{
    const struct window *w = p->w;
    const struct arena *a = w->base.context.arena;
    const struct pane *pane = pane_at(w, offset);
    uint64_t groups = offset + offsetof(struct pane, groups);
    read_dicts(p, offset);
    for (uint64_t i = 0; i < table_count(a, groups); i++) {
        uint64_t record = table_at(a, groups, i);
        if (!record)
            continue;
        put_group(p, pane, record);
        if (w->emit_offset && !w->is_partial)
            put_emitted(p, pane, record);
        for (int agg = 0; agg < w->plan->agg_count; agg++)
            if (w->slots[agg].dict >= 0)
                put_set(p, pane, record, agg);
    }
    forget_dicts(p);
    return put_ahead(p, offset);
}

static int put_panes(struct put *p)
{
    const struct arena *a = p->w->base.context.arena;
    uint64_t panes = p->w->root + offsetof(struct window_root, panes);
    int rc = 0;
    for (uint64_t i = window_root(p->w)->first_live; i < table_count(a, panes) && rc == 0; i++) {
        uint64_t record = table_at(a, panes, i);
        rc = record ? put_pane(p, arena_word(a, table_value(a, record))) : 0;
    }
    return rc;
}

static void put_watermark(const struct put *p)
{
    const struct window_root *root = window_root(p->w);
    savepoint_begin(p->out, p->id, SAVEPOINT_WATERMARK);
    savepoint_put_int(p->out, root->has_watermark != 0);
    savepoint_put_int(p->out, root->watermark);
    savepoint_end(p->out);
}

int window_put(const struct op_context *context, struct savepoint_writer *out, int id, bool clocks,
               struct err *err)
{
    struct operator* op = NULL;
    struct put p = {.out = out, .id = id, .err = err};
    int rc = window_class.open(context, &op, err);
    if (rc < 0)
        return rc;
    p.w = (struct window *)op;
    batch_init(&p.group, &context->op->window.partial_schema);
    p.group.count = 1;
    if (window_root(p.w)->firing)
        rc = err_set(err, -EBUSY,
                     "a window is being fired; make the savepoint of another "
                     "checkpoint");
    else if (!clocks)
        rc = put_panes(&p);
    else if (!p.w->is_partial)
        put_watermark(&p); // a PARTIAL beside its source may be ahead; results are not
    batch_fini(&p.group);
    op->class->close(op);
    return rc;
}
