// window_partial.c: what a PARTIAL sends: for a group, what it has counted since it was last sent.
//
// Counts, sums and extremes start again after they are sent. A distinct count must know its past,
// so the bitmap stays and the difference of cardinalities travels. Shards are disjoint, so FINAL
// adds. Sending and marking as sent are in one transaction: nothing is sent twice, nothing is lost.
#include <stddef.h>

#include "stages/operator/window_state.h"

static void clear_word(struct arena *a, uint64_t word)
{
    if (arena_word(a, word))
        arena_store8(a, word, 0);
}

static void send_distinct(struct window *w, uint64_t acc, struct column *out, uint32_t row)
{
    struct arena *a = w->base.context.arena;
    uint64_t sent = acc + sizeof(struct bitmap_head), now = bitmap_cardinality(a, acc);
    out->i64[row] = (int64_t)(now - arena_word(a, sent));
    out->state[row] = VALUE_PRESENT;
    if (arena_word(a, sent) != now)
        arena_store8(a, sent, now);
}

// The sum, or NULL when there was no value; of an average also its count.
static void send_sum(struct window *w, uint64_t acc, struct column *out, uint32_t row)
{
    struct arena *a = w->base.context.arena;
    uint64_t count = arena_word(a, acc);
    out->state[row] = count ? VALUE_PRESENT : VALUE_NULL;
    out->i64[row] = (int64_t)arena_word(a, acc + 8); // a double's bits, too
    clear_word(a, acc);
    clear_word(a, acc + 8);
}

static void send_extreme(struct window *w, uint64_t acc, struct column *out, uint32_t row)
{
    struct arena *a = w->base.context.arena;
    out->state[row] = arena_word(a, acc) ? VALUE_PRESENT : VALUE_NULL;
    if (out->kind != TYPE_STRING) {
        out->i64[row] = (int64_t)arena_word(a, acc + 8);
    } else {
        uint64_t bytes = arena_word(a, acc + 8), len = arena_word(a, acc + 16);
        out->str[row] = slice_make(bytes ? arena_at(a, bytes) : NULL, bytes ? len : 0);
        w->output_bytes += len;
        if (bytes)
            arena_free(a, bytes, len); // at the commit: what we give to `next` is still there
    }
    clear_word(a, acc);
    clear_word(a, acc + 8);
}

static void send_aggregate(struct window *w, int agg, uint64_t value, uint32_t row)
{
    struct arena *a = w->base.context.arena;
    const struct agg_call *call = &w->plan->aggs[agg];
    struct column *out = &w->output.columns[call->partial];
    uint64_t acc = value + w->slots[agg].offset;
    switch (call->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        out->i64[row] = (int64_t)arena_word(a, acc);
        out->state[row] = VALUE_PRESENT;
        clear_word(a, acc);
        return;
    case AGG_COUNT_DISTINCT:
        send_distinct(w, acc, out, row);
        return;
    case AGG_AVG:
        out[1].i64[row] = (int64_t)arena_word(a, acc);
        out[1].state[row] = VALUE_PRESENT;
        // fall through
    case AGG_SUM:
        send_sum(w, acc, out, row);
        return;
    default:
        send_extreme(w, acc, out, row);
    }
}

void window_send_group(struct window *w, uint64_t pane, uint64_t record)
{
    struct arena *a = w->base.context.arena;
    uint64_t value = table_value(a, record), rows = arena_word(a, value);
    if (!rows)
        return;
    uint32_t row = w->output.count++;
    const int64_t places[] = {pane_at(w, pane)->start, pane_at(w, pane)->next_end, (int64_t)rows};
    struct slice key = table_key(a, record);
    window_key(w, key, &w->output, row);
    w->output_bytes += key.len;
    for (int i = 0; i < 3; i++) {
        w->output.columns[w->plan->key_count + i].i64[row] = places[i];
        w->output.columns[w->plan->key_count + i].state[row] = VALUE_PRESENT;
    }
    for (int agg = 0; agg < w->plan->agg_count; agg++)
        send_aggregate(w, agg, value, row);
    uint64_t unsent = pane + offsetof(struct pane, unsent);
    CHECK(arena_word(a, unsent) >= rows);
    arena_store8_once(a, unsent, arena_word(a, unsent) - rows);
    arena_store8(a, value, 0);
}
