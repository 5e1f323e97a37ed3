// window_emit.c: the changelog of group windows: what was last emitted of a group, and when to look
// again.
//
// Behind a group's accumulators lie `due` (processing time of its next early or late firing; 0:
// none is armed), `emitted` (0 or 1) and for each aggregate what was last emitted: state and value
// (of a string an own copy: offset, length in the state word). First firing +I; a changed result -U
// old, +U new; an equal one nothing. A pane's timers are a heap of (due, group index); an entry
// whose time is not the group's `due` any more is stale and is passed over.
#include <stddef.h>

#include "stages/operator/window_state.h"

enum { STATE_NULL = 1, STATE_PRESENT = 2, STATE_LENGTH_SHIFT = 8 };

bool window_output_is_full(const struct window *w)
{
    enum { OUTPUT_BYTES = 128 << 10 };
    const uint32_t *most = w->base.context.max_rows;
    uint32_t rows = w->output.count;
    if (most && rows && rows >= *most)
        return true;
    return rows + 2 > BATCH_ROWS || w->output_bytes > OUTPUT_BYTES;
}

static uint64_t due_at(const struct window *w, uint64_t value)
{
    return value + w->emit_offset;
}

static uint64_t emitted_at(const struct window *w, uint64_t value)
{
    return value + w->emit_offset + 8;
}

static uint64_t last_at(const struct window *w, uint64_t value, int agg)
{
    return value + w->emit_offset + 16 + (uint64_t)agg * 16;
}

static bool equals_last(const struct window *w, uint64_t value, int agg, uint32_t row)
{
    const struct arena *a = w->base.context.arena;
    const struct column *column = &w->output.columns[w->plan->key_count + 3 + agg];
    const uint64_t *last = arena_at(a, last_at(w, value, agg));
    if (column->state[row] != VALUE_PRESENT || last[0] == STATE_NULL)
        return (column->state[row] != VALUE_PRESENT) == (last[0] == STATE_NULL);
    if (column->kind != TYPE_STRING)
        return (uint64_t)column->i64[row] == last[1];
    struct slice held =
        slice_make(last[1] ? arena_at(a, last[1]) : NULL, last[0] >> STATE_LENGTH_SHIFT);
    return slice_equal(column->str[row], held);
}

// The last emitted values into the output's row, as the -U of a pair.
static void last_into_row(struct window *w, uint64_t value, uint32_t row)
{
    const struct arena *a = w->base.context.arena;
    for (int agg = 0; agg < w->plan->agg_count; agg++) {
        struct column *column = &w->output.columns[w->plan->key_count + 3 + agg];
        const uint64_t *last = arena_at(a, last_at(w, value, agg));
        column->state[row] = last[0] == STATE_NULL ? VALUE_NULL : VALUE_PRESENT;
        if (column->kind == TYPE_STRING)
            column->str[row] =
                pool_copy(&w->scratch, slice_make(last[1] ? arena_at(a, last[1]) : NULL,
                                                  last[0] >> STATE_LENGTH_SHIFT));
        else
            column->i64[row] = (int64_t)last[1];
    }
}

static int remember_string(struct arena *a, uint64_t *last, struct slice text)
{
    if (last[1])
        arena_free(a, last[1], last[0] >> STATE_LENGTH_SHIFT);
    last[1] = 0;
    if (!text.len)
        return 0;
    int status = arena_alloc(a, text.len, &last[1]);
    if (status < 0)
        return status;
    memcpy(arena_fresh(a, last[1]), text.ptr, text.len);
    return 0;
}

static int remember(struct window *w, uint64_t value, uint32_t row)
{
    struct arena *a = w->base.context.arena;
    for (int agg = 0; agg < w->plan->agg_count; agg++) {
        const struct column *column = &w->output.columns[w->plan->key_count + 3 + agg];
        uint64_t *last = arena_touch(a, last_at(w, value, agg), 16);
        bool present = column->state[row] == VALUE_PRESENT;
        if (column->kind == TYPE_STRING) {
            struct slice text = present ? column->str[row] : slice_make(NULL, 0);
            int status = remember_string(a, last, text);
            if (status < 0)
                return status;
            last[0] = text.len << STATE_LENGTH_SHIFT | (present ? STATE_PRESENT : STATE_NULL);
        } else {
            last[0] = present ? STATE_PRESENT : STATE_NULL;
            last[1] = present ? (uint64_t)column->i64[row] : 0;
        }
    }
    arena_store8(a, emitted_at(w, value), 1);
    return 0;
}

// Are the results in the output's row those that were emitted last?
static bool is_as_emitted(const struct window *w, uint64_t value, uint32_t row)
{
    bool equal = true;
    for (int agg = 0; agg < w->plan->agg_count && equal; agg++)
        equal = equals_last(w, value, agg, row);
    return equal;
}

bool window_has_change(struct window *w, uint64_t pane, uint64_t record)
{
    uint64_t value = table_value(w->base.context.arena, record);
    if (!arena_word(w->base.context.arena, emitted_at(w, value)))
        return true;
    window_begin_output(w);
    window_emit_group(w, pane_at(w, pane), record);
    return !is_as_emitted(w, value, 0);
}

bool window_last_emitted(struct window *w, uint64_t record)
{
    uint64_t value = table_value(w->base.context.arena, record);
    window_begin_output(w);
    w->output.count = 1;
    if (!arena_word(w->base.context.arena, emitted_at(w, value)))
        return false;
    last_into_row(w, value, 0);
    return true;
}

int window_set_emitted(struct window *w, uint64_t record)
{
    return remember(w, table_value(w->base.context.arena, record), 0);
}

int window_emit_change(struct window *w, const struct pane *pane, uint64_t record)
{
    const struct arena *a = w->base.context.arena;
    uint64_t value = table_value(a, record);
    struct batch *out = &w->output;
    CHECK(out->count + 2 <= BATCH_ROWS);
    out->has_kinds = true;
    uint32_t row = out->count;
    window_emit_group(w, pane, record);
    if (!arena_word(a, emitted_at(w, value))) {
        out->kinds[row] = ROW_INSERT;
        return remember(w, value, row);
    }
    if (is_as_emitted(w, value, row)) {
        out->count = row;
        return 0;
    }
    window_emit_group(w, pane, record); // the new row second, the old values into the first
    last_into_row(w, value, row);
    out->kinds[row] = ROW_UPDATE_BEFORE;
    out->kinds[row + 1] = ROW_UPDATE_AFTER;
    return remember(w, value, row + 1);
}

int64_t window_delay(const struct window *w, uint64_t pane)
{
    return pane_at(w, pane)->fired ? w->late_ms : w->early_ms;
}

int64_t window_armed(const struct window *w, uint64_t record)
{
    const struct arena *a = w->base.context.arena;
    return (int64_t)arena_word(a, due_at(w, table_value(a, record)));
}

int window_arm_at(struct window *w, uint64_t pane, uint64_t record, int64_t due_ms)
{
    struct arena *a = w->base.context.arena;
    arena_store8(a, due_at(w, table_value(a, record)), (uint64_t)due_ms);
    return timers_add(a, pane + offsetof(struct pane, timers), due_ms, table_index(a, record));
}

int window_arm(struct window *w, uint64_t pane, const uint64_t *records, uint32_t count)
{
    int64_t delay = window_delay(w, pane);
    if (delay <= 0)
        return 0;
    int64_t due = w->base.context.env->realtime_ms(w->base.context.env) + delay;
    for (uint32_t i = 0; i < count; i++) {
        int status = window_armed(w, records[i]) ? 0 : window_arm_at(w, pane, records[i], due);
        if (status < 0)
            return status;
    }
    return 0;
}

void window_disarm(struct window *w, uint64_t record)
{
    struct arena *a = w->base.context.arena;
    uint64_t word = due_at(w, table_value(a, record));
    if (arena_word(a, word))
        arena_store8(a, word, 0);
}

// The group's time has come: send it (it is armed again by its next row), or fire it and arm it
// again, one delay on, also without new rows. INT64_MAX: its rows fire by themselves.
static int fire_group(struct window *w, uint64_t pane, uint64_t record, int64_t next_ms)
{
    if (w->is_partial) {
        window_disarm(w, record);
        window_send_group(w, pane, record);
        return 0;
    }
    int status = 0;
    if (next_ms == INT64_MAX)
        window_disarm(w, record);
    else
        status = window_arm_at(w, pane, record, next_ms);
    return status < 0 ? status : window_emit_change(w, pane_at(w, pane), record);
}

// Fire the pane's groups that are due.
static int fire_due(struct window *w, uint64_t pane, int64_t now_ms)
{
    struct arena *a = w->base.context.arena;
    uint64_t heap = pane + offsetof(struct pane, timers), index;
    int64_t delay = window_delay(w, pane), due;
    while (!window_output_is_full(w) && window_row_room(w) > 0 &&
           timers_pop_due(a, heap, now_ms, &due, &index) == 1) {
        uint64_t record = table_at(a, pane + offsetof(struct pane, groups), index);
        if (window_armed(w, record) != due || delay < 0)
            continue; // armed anew since, or disarmed by the on-time firing
        // Without a delay only a restore arms: what was counted on the way to this operator.
        int64_t next = delay ? due + ((now_ms - due) / delay + 1) * delay : INT64_MAX;
        int status = fire_group(w, pane, record, next);
        if (status < 0)
            return status;
    }
    return 0;
}

int window_processing_time(struct operator* op, int64_t now_ms, int64_t *next_ms)
{
    struct window *w = (struct window *)op;
    struct arena *a = op->context.arena;
    uint64_t panes = w->root + offsetof(struct window_root, panes);
    *next_ms = INT64_MAX;
    if (!w->emit_offset || window_root(w)->firing)
        return 0;
    window_begin_output(w);
    for (uint64_t i = window_root(w)->first_live; i < table_count(a, panes); i++) {
        uint64_t record = table_at(a, panes, i);
        if (!record)
            continue;
        uint64_t pane = arena_word(a, table_value(a, record));
        int status = fire_due(w, pane, now_ms);
        if (status < 0)
            return status;
        int64_t next = timers_next(a, pane + offsetof(struct pane, timers));
        *next_ms = next < *next_ms ? next : *next_ms;
    }
    return window_push_output(w);
}
