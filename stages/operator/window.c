// window.c: the window operator: rows into panes, points out when the watermark passes.
//
// Panes are due by their next point. Firing is long work: it is cut into steps of about WORK_ROWS,
// each a transaction of its own, and its place (phase and cursor) is in the root, so a successor
// goes on where the dead stopped. While `firing` is set no input comes.
//
// CUMULATE: rows of the slice that fires next, and late ones of slices that have fired, are counted
// at once; rows ahead of it wait in a list a slice and are counted when their slice is next. So a
// point counts nothing too early, and a row that waits costs its bytes, not a second set of
// accumulators.
//
// A SINGLE or FINAL puts results out at a point, a PARTIAL the groups that have counted something
// since they were last sent; all else is the same in the three phases.
#include "stages/operator/window_state.h"

#include <stddef.h>
#include <stdlib.h>

#include "core/row/row.h"

enum { WORK_ROWS = 1024, DROP_BUDGET = 64 };

#define ROOT_FIELD(w, field) ((w)->root + offsetof(struct window_root, field))

static void set_root(struct window *w, uint64_t field, uint64_t value)
{
    arena_store8_once(w->base.context.arena, field, value);
}

static int window_push(struct operator* op, struct batch *batch)
{
    struct window *w = (struct window *)op;
    if (!w->emit_offset || (w->early_ms != 0 && w->late_ms != 0))
        return window_push_rows(w, batch);
    int status = 0;
    for (uint32_t i = 0; i < batch->count && status == 0; i++) {
        struct batch one = batch_view(batch, i, i + 1, w->one_row);
        status = window_push_rows(w, &one);
    }
    return status;
}

// --- points out ---

void window_emit_group(struct window *w, const struct pane *pane, uint64_t record)
{
    struct batch *out = &w->output;
    uint32_t row = out->count++;
    int keys = w->plan->key_count;
    struct slice key = table_key(w->base.context.arena, record);
    window_key(w, key, out, row);
    w->output_bytes += key.len;
    int64_t last = pane->next_end - 1;
    const int64_t times[] = {pane->start, pane->next_end,
                             w->zone ? zone_from_local(w->zone, last) : last};
    for (int i = 0; i < 3; i++) {
        out->columns[keys + i].i64[row] = times[i];
        out->columns[keys + i].state[row] = VALUE_PRESENT;
    }
    uint64_t value = table_value(w->base.context.arena, record);
    for (int agg = 0; agg < w->plan->agg_count; agg++) {
        struct column *column = &out->columns[keys + 3 + agg];
        window_result(w, agg, value, column, row);
        if (column->kind == TYPE_STRING && column->state[row] == VALUE_PRESENT)
            w->output_bytes += column->str[row].len;
    }
}

void window_begin_output(struct window *w)
{
    w->output.count = 0;
    w->output_bytes = 0;
    w->output.has_kinds = false;
    pool_reset(&w->scratch);
}

int window_push_output(struct window *w)
{
    for (int c = 0; c < w->output.column_count; c++)
        column_summarize(&w->output.columns[c], w->output.count);
    return operator_push(w->base.context.next, &w->output);
}

static int emit_group(struct window *w, uint64_t pane, uint64_t record)
{
    if (w->emit_offset)
        window_disarm(w, record);
    if (w->is_partial)
        window_send_group(w, pane, record);
    else if (w->emit_offset)
        return window_emit_change(w, pane_at(w, pane), record);
    else
        window_emit_group(w, pane_at(w, pane), record);
    return 0;
}

// Rows or groups of one step of work. In a transaction of its own one always fits.
static uint32_t work_limit(const struct window *w, uint32_t most)
{
    uint32_t room = window_row_room(w);
    room = room ? room : 1;
    return room < most ? room : most;
}

static int emit_step(struct window *w, uint64_t pane, bool *done)
{
    struct arena *a = w->base.context.arena;
    uint64_t groups = pane + offsetof(struct pane, groups);
    uint64_t cursor = window_root(w)->cursor, count = table_count(a, groups);
    uint32_t limit = work_limit(w, WORK_ROWS / 2);
    uint64_t stop = cursor + limit < count ? cursor + limit : count;
    bool ordered = w->base.context.ordered_input || w->is_partial; // nobody sees a PARTIAL's order
    if (w->is_partial && !pane_at(w, pane)->unsent)
        cursor = stop = count;
    if (!ordered)
        window_sort_groups(w, pane);
    window_begin_output(w);
    for (; cursor < stop && !window_output_is_full(w); cursor++) {
        uint64_t record = table_at(a, groups, ordered ? cursor : w->order[cursor].index);
        int status = emit_group(w, pane, record);
        if (status < 0)
            return status;
    }
    *done = cursor == count;
    set_root(w, ROOT_FIELD(w, cursor), *done ? 0 : cursor);
    return window_push_output(w);
}

// The slice that fires next: its waiting rows are counted now.
static int replay_step(struct window *w, uint64_t pane, bool partial, bool *done)
{
    static _Thread_local uint16_t rows[BATCH_ROWS];
    struct arena *a = w->base.context.arena;
    struct batch *batch = partial ? &w->merged : &w->replay;
    uint64_t ahead = pane + offsetof(struct pane, ahead);
    struct ahead_key place;
    struct slice key = window_ahead_key(&place, pane_at(w, pane)->next_end, partial), bytes;
    uint64_t record = table_find(a, ahead, hash_slice(key), key);
    *done = true;
    if (!record)
        return 0;
    if (!batch->columns)
        batch_init(batch, &w->plan->partial_schema);
    uint64_t list = table_value(a, record);
    struct list_cursor cursor = window_root(w)->ahead;
    const uint32_t limit = work_limit(w, BATCH_ROWS);
    batch->count = 0;
    while (batch->count < limit && list_next(a, list, &cursor, &bytes) == 1) {
        rows[batch->count] = (uint16_t)batch->count;
        CHECK(row_decode(bytes.ptr, bytes.len, batch) == 0); // our own bytes, checked arena
    }
    *done = batch->count < limit;
    row_decode_done(batch);
    struct window_rows replayed = {batch, rows, batch->count};
    window_merge(w, partial);
    int status = window_accumulate(w, pane, &replayed);
    window_merge(w, false);
    if (status < 0)
        return status;
    memcpy(arena_touch(a, ROOT_FIELD(w, ahead), sizeof(cursor)), &cursor, sizeof(cursor));
    return 0;
}

// Free the waiting list that was replayed. 1: done.
static int drop_ahead(struct window *w, uint64_t pane, bool partial)
{
    struct arena *a = w->base.context.arena;
    struct ahead_key place;
    struct slice key = window_ahead_key(&place, pane_at(w, pane)->next_end, partial);
    uint64_t ahead = pane + offsetof(struct pane, ahead);
    uint64_t record = table_find(a, ahead, hash_slice(key), key);
    if (!record)
        return 1;
    if (!list_drop_step(a, table_value(a, record), DROP_BUDGET))
        return 0;
    table_remove(a, ahead, hash_slice(key), key);
    memset(arena_touch(a, ROOT_FIELD(w, ahead), sizeof(struct list_cursor)), 0,
           sizeof(struct list_cursor));
    return 1;
}

static int drop_values_step(struct window *w, uint64_t pane, bool *done)
{
    struct arena *a = w->base.context.arena;
    uint64_t groups = pane + offsetof(struct pane, groups);
    uint64_t cursor = window_root(w)->cursor, count = table_count(a, groups);
    uint32_t budget = DROP_BUDGET;
    for (uint32_t n = 0; cursor < count && n < DROP_BUDGET && budget > 1; n++, cursor++)
        if (!window_drop_values(w, table_value(a, table_at(a, groups, cursor)), &budget))
            break;
    *done = cursor == count;
    set_root(w, ROOT_FIELD(w, cursor), *done ? 0 : cursor);
    return 0;
}

static int drop_pane_step(struct window *w, uint64_t pane, bool *done)
{
    struct arena *a = w->base.context.arena;
    *done = false;
    if (!table_drop_step(a, pane + offsetof(struct pane, groups), DROP_BUDGET))
        return 0;
    for (int d = 0; d < w->dict_count; d++)
        if (!dict_drop_step(
                a, pane + offsetof(struct pane, dicts) + (uint64_t)d * sizeof(struct dict_head),
                DROP_BUDGET))
            return 0;
    if (!table_drop_step(a, pane + offsetof(struct pane, ahead), DROP_BUDGET))
        return 0;
    if (!timers_drop_step(a, pane + offsetof(struct pane, timers), DROP_BUDGET))
        return 0;
    int64_t start = pane_at(w, pane)->start;
    struct slice key = slice_make(&start, sizeof(start));
    table_remove(a, ROOT_FIELD(w, panes), hash_slice(key), key);
    arena_free(a, pane, sizeof(struct pane));
    uint64_t live = window_root(w)->first_live, panes = table_count(a, ROOT_FIELD(w, panes));
    while (live < panes && !table_at(a, ROOT_FIELD(w, panes), live))
        live++;
    set_root(w, ROOT_FIELD(w, first_live), live);
    *done = true;
    return 0;
}

// Take the pane off the head of `due`; with `again` it waits there for its next point.
static int leave_pane(struct window *w, uint64_t pane, bool again)
{
    struct arena *a = w->base.context.arena;
    int64_t time;
    uint64_t head;
    CHECK(timers_pop_due(a, ROOT_FIELD(w, due), INT64_MAX, &time, &head) == 1 && head == pane);
    set_root(w, ROOT_FIELD(w, phase), FIRE_EMIT);
    return again ? timers_add(a, ROOT_FIELD(w, due), window_due(w, pane_at(w, pane)), pane) : 0;
}

// The pane has fired its next point: go on to the point after it, or to its end.
static int next_point(struct window *w, uint64_t pane)
{
    struct arena *a = w->base.context.arena;
    const struct pane *p = pane_at(w, pane);
    if (w->plan->lateness_ms > 0 && !p->fired) { // on time; late rows may still come
        arena_store8(a, pane + offsetof(struct pane, fired), 1);
        return leave_pane(w, pane, true);
    }
    if (p->next_end >= p->end) {
        set_root(w, ROOT_FIELD(w, phase), FIRE_DROP_VALUES);
        return 0;
    }
    arena_store8(a, pane + offsetof(struct pane, next_end),
                 (uint64_t)(p->next_end + w->plan->step_ms));
    set_root(w, ROOT_FIELD(w, phase), FIRE_REPLAY);
    return 0;
}

// What waits for the slice is counted, then its list goes; then the same for partial rows.
enum replay_place { REPLAY_ROWS, REPLAY_DROP_ROWS, REPLAY_PARTIALS, REPLAY_DROP_PARTIALS };

static int replay(struct window *w, uint64_t pane, bool *done)
{
    bool partial = window_root(w)->cursor >= REPLAY_PARTIALS;
    *done = false;
    if (window_root(w)->cursor % 2 == 0) {
        int status = replay_step(w, pane, partial, done);
        if (status < 0 || !*done)
            return status;
        *done = false;
        set_root(w, ROOT_FIELD(w, cursor), window_root(w)->cursor + 1);
    }
    if (!drop_ahead(w, pane, partial))
        return 0;
    struct ahead_key place;
    struct slice key = window_ahead_key(&place, pane_at(w, pane)->next_end, true);
    *done = partial || !table_find(w->base.context.arena, pane + offsetof(struct pane, ahead),
                                   hash_slice(key), key);
    set_root(w, ROOT_FIELD(w, cursor), *done ? 0 : REPLAY_PARTIALS);
    return 0;
}

// One step of whatever the first pane in `due` needs.
static int fire_step(struct window *w, uint64_t pane)
{
    bool done = false;
    int status = 0;
    switch ((enum fire_phase)window_root(w)->phase) {
    case FIRE_EMIT:
        status = emit_step(w, pane, &done);
        return status < 0 || !done ? status : next_point(w, pane);
    case FIRE_REPLAY:
        status = replay(w, pane, &done);
        return status < 0 || !done ? status : leave_pane(w, pane, true);
    case FIRE_DROP_VALUES:
        status = drop_values_step(w, pane, &done);
        if (done)
            set_root(w, ROOT_FIELD(w, phase), FIRE_DROP_PANE);
        return status;
    default:
        status = drop_pane_step(w, pane, &done);
        return status < 0 || !done ? status : leave_pane(w, pane, false);
    }
}

// The pane at the head of `due` when it is due at `watermark`, or 0.
static uint64_t due_pane(struct window *w, int64_t watermark)
{
    struct arena *a = w->base.context.arena;
    if (timers_next(a, ROOT_FIELD(w, due)) > watermark || !timers_count(a, ROOT_FIELD(w, due)))
        return 0;
    int64_t time;
    uint64_t pane;
    // There is no look at a heap's payload: take it out and put it back, in one transaction.
    CHECK(timers_pop_due(a, ROOT_FIELD(w, due), watermark, &time, &pane) == 1);
    CHECK(timers_add(a, ROOT_FIELD(w, due), time, pane) == 0);
    return pane;
}

static int window_work(struct operator* op, bool *more)
{
    struct window *w = (struct window *)op;
    *more = false;
    if (!window_root(w)->firing)
        return 0;
    int64_t watermark = window_root(w)->watermark;
    bool is_alone = arena_log_used(op->context.arena) == 0;
    uint64_t pane = due_pane(w, watermark);
    if (pane) {
        *more = true;
        if (!is_alone && window_row_room(w) == 0)
            return 0; // in a transaction of its own, then
        return fire_step(w, pane);
    }
    set_root(w, ROOT_FIELD(w, firing), 0);
    return operator_watermark(op->context.next, watermark);
}

static int window_watermark(struct operator* op, int64_t watermark_ms)
{
    struct window *w = (struct window *)op;
    const struct window_root *root = window_root(w);
    if (root->has_watermark && watermark_ms <= root->watermark)
        return 0;
    set_root(w, ROOT_FIELD(w, has_watermark), 1);
    set_root(w, ROOT_FIELD(w, watermark), (uint64_t)watermark_ms);
    if (timers_next(op->context.arena, ROOT_FIELD(w, due)) > watermark_ms ||
        !timers_count(op->context.arena, ROOT_FIELD(w, due)))
        return operator_watermark(op->context.next, watermark_ms);
    set_root(w, ROOT_FIELD(w, firing), 1); // work() does the rest
    return 0;
}

// --- life ---

static void window_reset(struct operator* op)
{
    struct window *w = (struct window *)op;
    w->order_pane = 0; // offsets of the aborted transaction mean nothing
}

static void window_close(struct operator* op)
{
    struct window *w = (struct window *)op;
    batch_fini(&w->output);
    batch_fini(&w->replay);
    batch_fini(&w->merged);
    buf_fini(&w->keys);
    pool_fini(&w->scratch);
    zone_close(w->zone);
    free(w->one_row);
    free(w->slots);
    free(w->final_keys);
    free(w->order);
    free(w);
}

// What the phase decides. A PARTIAL of an early or late firing window sends ten times in each
// delay, so a result is at most that much older than a SINGLE's would be.
static void set_phase(struct window *w)
{
    enum { SENDS = 10, SEND_MIN_MS = 10, SEND_MAX_MS = 1000 };
    const struct op_window *plan = w->plan;
    w->is_partial = plan->phase == WINDOW_PARTIAL;
    w->is_final = plan->phase == WINDOW_FINAL;
    int64_t *delays[] = {&w->early_ms, &w->late_ms};
    w->early_ms = plan->early_delay_ms;
    w->late_ms = plan->late_delay_ms;
    for (int i = 0; i < 2 && w->is_partial; i++) {
        int64_t ms = *delays[i] / SENDS;
        if (*delays[i] >= 0)
            *delays[i] = ms < SEND_MIN_MS ? SEND_MIN_MS : ms > SEND_MAX_MS ? SEND_MAX_MS : ms;
    }
    // A FINAL's columns begin with the keys. Its rows come from many tasks through few channels, so
    // their order says nothing.
    if (w->is_final)
        w->base.context.ordered_input = false;
    w->final_keys = calloc((size_t)plan->key_count + 1, sizeof(*w->final_keys));
    CHECK(w->final_keys);
    for (int k = 0; k < plan->key_count; k++)
        w->final_keys[k] = k;
    window_merge(w, false);
}

// What comes in: the output of the operator before, or of the stage before.
static const struct schema *input_of(const struct op_context *context)
{
    const struct stage *stage = context->stage;
    for (int i = 1; i < stage->op_count; i++)
        if (stage->ops[i] == context->op)
            return &stage->ops[i - 1]->output;
    CHECK(stage->input_exchange >= 0);
    const struct plan *plan = context->plan;
    const struct stage *before = &plan->stages[plan->exchanges[stage->input_exchange].from_stage];
    return &before->ops[before->op_count - 1]->output;
}

static int window_open(const struct op_context *context, struct operator** out, struct err *err)
{
    const struct op_window *plan = &context->op->window;
    struct window *w = calloc(1, sizeof(*w));
    CHECK(w);
    w->base = (struct operator){.class = &window_class, .context = *context};
    w->plan = plan;
    set_phase(w);
    batch_init(&w->output, &context->op->output);
    batch_init(&w->replay, input_of(context));
    w->one_row = calloc((size_t)w->replay.column_count + 1, sizeof(*w->one_row));
    CHECK(w->one_row);
    if (plan->zone)
        zone_reopen(&w->zone, plan->zone);
    int status = window_layout(w, err);
    if (status == 0)
        status = arena_root(context->arena, (uint32_t)context->op->id, sizeof(struct window_root),
                            &w->root);
    if (status < 0) {
        window_close(&w->base);
        return err_set(err, status, "the arena has no room for the window operator");
    }
    if (!table_count(context->arena, ROOT_FIELD(w, panes)))
        table_init(context->arena, ROOT_FIELD(w, panes), 8);
    *out = &w->base;
    return 0;
}

const struct operator_class window_class = {
    .name = "window",
    .open = window_open,
    .push = window_push,
    .watermark = window_watermark,
    .work = window_work,
    .processing_time = window_processing_time,
    .describe = window_describe,
    .visit = window_visit,
    .reset = window_reset,
    .close = window_close,
    .savepoint = &window_savepoint,
};
