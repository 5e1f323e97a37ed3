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
// This phase makes whole results (WINDOW_SINGLE), each once, when the watermark passes. The partial
// and final phases and early and late firing are refused at open, in words.
#include "stages/operator/window_state.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/row/row.h"
#include "core/time/window.h"

enum { WORK_ROWS = 1024, DROP_BUDGET = 64 };

// What is being done to the pane at the head of `due`; the order is that of the enum.
enum fire_phase { FIRE_EMIT, FIRE_REPLAY, FIRE_DROP_VALUES, FIRE_DROP_PANE };

#define ROOT_FIELD(w, field) ((w)->root + offsetof(struct window_root, field))

static void set_root(struct window *w, uint64_t field, uint64_t value)
{
    arena_store8_once(w->base.context.arena, field, value);
}

// --- rows in ---

// Changelog: a delay arms a timer; without one each row fires.
static int after_rows(struct window *w, uint64_t pane, uint32_t count)
{
    const struct op_window *plan = w->plan;
    if ((pane_at(w, pane)->fired ? plan->late_delay_ms : plan->early_delay_ms) != 0)
        return window_arm(w, pane, w->records, count);
    CHECK(count == 1); // window_push gives rows one by one then
    window_begin_output(w);
    int status = window_emit_change(w, pane_at(w, pane), w->records[0]);
    return status < 0 ? status : window_push_output(w);
}

static int add_to_pane(struct window *w, int64_t start_ms, const struct window_rows *rows)
{
    static _Thread_local uint16_t now[BATCH_ROWS], ahead[BATCH_ROWS];
    static _Thread_local int64_t slice_ends[BATCH_ROWS];
    const struct op_window *plan = w->plan;
    uint64_t pane;
    int status = window_pane(w, start_ms, &pane);
    if (status < 0)
        return status;
    if (plan->kind != WINDOW_CUMULATE) {
        status = window_accumulate(w, pane, rows);
        return status < 0 || !w->emit_offset ? status : after_rows(w, pane, rows->count);
    }
    const int64_t *times = rows->batch->columns[plan->time_column].i64;
    int64_t next_end = pane_at(w, pane)->next_end;
    uint32_t now_count = 0, ahead_count = 0;
    for (uint32_t i = 0; i < rows->count; i++) {
        int64_t time = times[rows->rows[i]];
        if (time < next_end) {
            now[now_count++] = rows->rows[i];
        } else {
            slice_ends[ahead_count] = time - (time - start_ms) % plan->step_ms + plan->step_ms;
            ahead[ahead_count++] = rows->rows[i];
        }
    }
    struct window_rows counted = {rows->batch, now, now_count};
    struct window_rows waiting = {rows->batch, ahead, ahead_count};
    if (now_count)
        status = window_accumulate(w, pane, &counted);
    return status < 0 ? status : window_wait(w, pane, &waiting, slice_ends);
}

// Rows by pane: all rows of the first row's window, then all of the next one's that is left ...
static int add_by_start(struct window *w, const struct batch *batch, int64_t *starts,
                        uint16_t *rows, uint32_t count)
{
    static _Thread_local uint16_t taken[BATCH_ROWS];
    while (count) {
        int64_t start = starts[rows[0]];
        uint32_t taken_count = 0, left = 0;
        for (uint32_t i = 0; i < count; i++) {
            if (starts[rows[i]] == start)
                taken[taken_count++] = rows[i];
            else
                rows[left++] = rows[i];
        }
        count = left;
        struct window_rows same = {batch, taken, taken_count};
        int status = add_to_pane(w, start, &same);
        if (status < 0)
            return status;
    }
    return 0;
}

// HOP puts a row into each window that holds it, the newest first: the slide need not divide the
// size, and a slide longer than the size leaves gaps. TUMBLE and CUMULATE put it into one.
static int push_rows(struct window *w, const struct batch *batch)
{
    const struct op_window *plan = w->plan;
    const struct window_root *root = window_root(w);
    static _Thread_local int64_t starts[BATCH_ROWS];
    static _Thread_local uint16_t rows[BATCH_ROWS];
    const struct column *time = &batch->columns[plan->time_column];
    int64_t stride = plan->kind == WINDOW_HOP ? plan->step_ms : plan->size_ms;
    int64_t windows = (plan->size_ms + stride - 1) / stride;
    for (int64_t nth = 0; nth < windows; nth++) {
        uint32_t count = 0;
        for (uint32_t i = 0; i < batch->count; i++) {
            starts[i] = window_start(time->i64[i], plan->offset_ms, stride) - nth * stride;
            bool holds = time->i64[i] - starts[i] < plan->size_ms;
            bool late = root->has_watermark &&
                        starts[i] + plan->size_ms - 1 + plan->lateness_ms <= root->watermark;
            bool has_time = time->state[i] == VALUE_PRESENT;
            if (nth == 0 && holds && (late || !has_time)) // the newest has gone: none takes it
                ++*w->base.context.late_rows;
            rows[count] = (uint16_t)i;
            count += has_time && holds && !late;
        }
        int status = add_by_start(w, batch, starts, rows, count);
        if (status < 0)
            return status;
    }
    return 0;
}

static int window_push(struct operator* op, struct batch *batch)
{
    struct window *w = (struct window *)op;
    if (!w->emit_offset || (w->plan->early_delay_ms != 0 && w->plan->late_delay_ms != 0))
        return push_rows(w, batch);
    int status = 0;
    for (uint32_t i = 0; i < batch->count && status == 0; i++) {
        struct batch one = batch_view(batch, i, i + 1, w->one_row);
        status = push_rows(w, &one);
    }
    return status;
}

// --- points out ---

static const struct window *sorting; // qsort has no context; a task has one thread

static int compare_groups(const void *left, const void *right)
{
    const struct arena *a = sorting->base.context.arena;
    uint64_t groups = sorting->order_pane + offsetof(struct pane, groups);
    struct slice x = table_key(a, table_at(a, groups, *(const uint64_t *)left));
    struct slice y = table_key(a, table_at(a, groups, *(const uint64_t *)right));
    return slice_compare(x, y);
}

// With several input channels the order of arrival is chance: emit in the order of the keys
// instead.
static void sort_groups(struct window *w, uint64_t pane)
{
    uint64_t count = table_count(w->base.context.arena, pane + offsetof(struct pane, groups));
    if (w->order_pane == pane && w->order_end == pane_at(w, pane)->next_end &&
        w->order_count == count)
        return;
    if (w->order_capacity < count) {
        w->order_capacity = count * 2;
        w->order = realloc(w->order, w->order_capacity * sizeof(*w->order));
        CHECK(w->order);
    }
    for (uint64_t i = 0; i < count; i++)
        w->order[i] = i;
    w->order_pane = pane;
    w->order_end = pane_at(w, pane)->next_end;
    w->order_count = count;
    if (count == 0)
        return; // no group, no array: qsort may not be given a null pointer
    sorting = w;
    qsort(w->order, count, sizeof(*w->order), compare_groups);
}

void window_emit_group(struct window *w, const struct pane *pane, uint64_t record)
{
    struct batch *out = &w->output;
    uint32_t row = out->count++;
    int keys = w->plan->key_count;
    window_key(w, table_key(w->base.context.arena, record), out, row);
    const int64_t times[] = {pane->start, pane->next_end, pane->next_end - 1};
    for (int i = 0; i < 3; i++) {
        out->columns[keys + i].i64[row] = times[i];
        out->columns[keys + i].state[row] = VALUE_PRESENT;
    }
    uint64_t value = table_value(w->base.context.arena, record);
    for (int agg = 0; agg < w->plan->agg_count; agg++)
        window_result(w, agg, value, &out->columns[keys + 3 + agg], row);
}

void window_begin_output(struct window *w)
{
    w->output.count = 0;
    w->output.has_kinds = false;
    pool_reset(&w->scratch);
}

int window_push_output(struct window *w)
{
    for (int c = 0; c < w->output.column_count; c++)
        column_summarize(&w->output.columns[c], w->output.count);
    return operator_push(w->base.context.next, &w->output);
}

static int emit_step(struct window *w, uint64_t pane, bool *done)
{
    struct arena *a = w->base.context.arena;
    uint64_t groups = pane + offsetof(struct pane, groups);
    uint64_t cursor = window_root(w)->cursor, count = table_count(a, groups);
    uint64_t stop = cursor + WORK_ROWS / 2 < count ? cursor + WORK_ROWS / 2 : count;
    if (!w->base.context.ordered_input)
        sort_groups(w, pane);
    window_begin_output(w);
    for (; cursor < stop; cursor++) {
        uint64_t index = w->base.context.ordered_input ? cursor : w->order[cursor];
        uint64_t record = table_at(a, groups, index);
        if (!w->emit_offset) {
            window_emit_group(w, pane_at(w, pane), record);
            continue;
        }
        window_disarm(w, record);
        int status = window_emit_change(w, pane_at(w, pane), record);
        if (status < 0)
            return status;
    }
    *done = cursor == count;
    set_root(w, ROOT_FIELD(w, cursor), *done ? 0 : cursor);
    return window_push_output(w);
}

// The slice that fires next: its waiting rows are counted now.
static int replay_step(struct window *w, uint64_t pane, bool *done)
{
    static _Thread_local uint16_t rows[BATCH_ROWS];
    struct arena *a = w->base.context.arena;
    int64_t end = pane_at(w, pane)->next_end;
    uint64_t ahead = pane + offsetof(struct pane, ahead);
    struct slice key = slice_make(&end, sizeof(end)), bytes;
    uint64_t record = table_find(a, ahead, hash_slice(key), key);
    *done = true;
    if (!record)
        return 0;
    uint64_t list = table_value(a, record);
    struct list_cursor cursor = window_root(w)->ahead;
    w->replay.count = 0;
    while (w->replay.count < BATCH_ROWS && list_next(a, list, &cursor, &bytes) == 1) {
        rows[w->replay.count] = (uint16_t)w->replay.count;
        CHECK(row_decode(bytes.ptr, bytes.len, &w->replay) == 0); // our own bytes, checked arena
    }
    *done = w->replay.count < BATCH_ROWS;
    row_decode_done(&w->replay);
    struct window_rows replayed = {&w->replay, rows, w->replay.count};
    int status = window_accumulate(w, pane, &replayed);
    if (status < 0)
        return status;
    memcpy(arena_touch(a, ROOT_FIELD(w, ahead), sizeof(cursor)), &cursor, sizeof(cursor));
    return 0;
}

// Free the waiting list that was replayed. 1: done.
static int drop_ahead(struct window *w, uint64_t pane, int64_t slice_end)
{
    struct arena *a = w->base.context.arena;
    struct slice key = slice_make(&slice_end, sizeof(slice_end));
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
        if (window_root(w)->cursor == 0) {
            status = replay_step(w, pane, &done);
            if (status < 0 || !done)
                return status;
            set_root(w, ROOT_FIELD(w, cursor), 1); // counted: now the list goes
        }
        if (!drop_ahead(w, pane, pane_at(w, pane)->next_end))
            return 0;
        set_root(w, ROOT_FIELD(w, cursor), 0);
        return leave_pane(w, pane, true);
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
    uint64_t pane = due_pane(w, watermark);
    if (pane) {
        *more = true;
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
    buf_fini(&w->keys);
    pool_fini(&w->scratch);
    free(w->one_row);
    free(w->slots);
    free(w->order);
    free(w);
}

static int refuse_what_is_not_built(const struct op_window *plan, struct err *err)
{
    if (plan->phase != WINDOW_SINGLE)
        return err_set(err, -ENOTSUP,
                       "two-phase window aggregation does not run yet: set 'parallelism.default' "
                       "to '1'");
    return 0;
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
    int status = refuse_what_is_not_built(plan, err);
    if (status < 0)
        return status;
    struct window *w = calloc(1, sizeof(*w));
    CHECK(w);
    w->base = (struct operator){.class = &window_class, .context = *context};
    w->plan = plan;
    batch_init(&w->output, &context->op->output);
    batch_init(&w->replay, input_of(context));
    w->one_row = calloc((size_t)w->replay.column_count + 1, sizeof(*w->one_row));
    CHECK(w->one_row);
    status = window_layout(w, err);
    if (!status)
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
    .reset = window_reset,
    .close = window_close,
};
