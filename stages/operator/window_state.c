// window_state.c: panes, the encoding of group keys, rows that wait for their slice.
//
// An encoded key is, for each column: one byte (1: a value follows, 0: NULL), then 8 bytes, or for
// a string u32 length and the bytes.
#include "stages/operator/window_state.h"

#include <errno.h>
#include <stddef.h>

#include "core/base/hash.h"
#include "core/row/row.h"

// A few bytes, as most keys are, without a call.
static inline void copy_bytes(char *to, const char *from, uint32_t len)
{
    uint64_t first, last;
    uint32_t low, high;
    if (len >= 8 && len <= 16) {
        memcpy(&first, from, 8);
        memcpy(&last, from + len - 8, 8);
        memcpy(to, &first, 8);
        memcpy(to + len - 8, &last, 8);
    } else if (len >= 4 && len < 8) {
        memcpy(&low, from, 4);
        memcpy(&high, from + len - 4, 4);
        memcpy(to, &low, 4);
        memcpy(to + len - 4, &high, 4);
    } else if (len) {
        memcpy(to, from, len);
    }
}

static char *encode_value(const struct column *column, uint32_t row, char *out)
{
    bool present = column->state[row] == VALUE_PRESENT;
    *out++ = (char)present;
    if (!present)
        return out;
    if (column->kind != TYPE_STRING) {
        memcpy(out, &column->i64[row], 8);
        return out + 8;
    }
    uint32_t len = (uint32_t)column->str[row].len;
    memcpy(out, &len, 4);
    copy_bytes(out + 4, column->str[row].ptr, len);
    return out + 4 + len;
}

// Bytes of the rows' keys at most.
static uint64_t keys_bound(const struct window *w, const struct window_rows *rows)
{
    uint64_t bytes = (uint64_t)rows->count * (uint64_t)w->plan->key_count * 9;
    for (int k = 0; k < w->plan->key_count; k++) {
        const struct column *column = &rows->batch->columns[w->key_columns[k]];
        for (uint32_t i = 0; column->kind == TYPE_STRING && i < rows->count; i++)
            bytes +=
                column->state[rows->rows[i]] == VALUE_PRESENT ? column->str[rows->rows[i]].len : 0;
    }
    return bytes;
}

void window_encode_keys(struct window *w, const struct window_rows *rows, struct slice *keys)
{
    buf_clear(&w->keys);
    char *begin = buf_reserve(&w->keys, keys_bound(w, rows));
    for (uint32_t i = 0; i < rows->count; i++) {
        char *end = begin;
        for (int k = 0; k < w->plan->key_count; k++)
            end = encode_value(&rows->batch->columns[w->key_columns[k]], rows->rows[i], end);
        keys[i] = slice_make(begin, (size_t)(end - begin));
        begin = end;
    }
}

void window_key(const struct window *w, struct slice key, struct batch *out, uint32_t row)
{
    const char *p = key.ptr;
    for (int k = 0; k < w->plan->key_count; k++) {
        struct column *column = &out->columns[k];
        bool present = *p++;
        column->state[row] = present ? VALUE_PRESENT : VALUE_NULL;
        if (!present)
            continue;
        if (column->kind == TYPE_STRING) {
            uint32_t len;
            memcpy(&len, p, 4);
            column->str[row] = slice_make(p + 4, len); // the record stays until the pane is dropped
            p += 4 + len;
        } else {
            memcpy(&column->i64[row], p, 8);
            p += 8;
        }
    }
}

static int64_t first_point(const struct window *w, int64_t start_ms)
{
    const struct op_window *plan = w->plan;
    const struct window_root *root = window_root(w);
    if (plan->kind != WINDOW_CUMULATE)
        return start_ms + plan->size_ms;
    int64_t point = start_ms + plan->step_ms;
    if (!root->has_watermark)
        return point;
    const int64_t margin = w->zone ? 2 * 3600000 : 0; // local times may pass twice
    int64_t passed = window_local(w, root->watermark) - margin;
    if (passed > point)
        point += (passed - point) / plan->step_ms * plan->step_ms;
    while (window_over(w, point - 1) <= root->watermark)
        point += plan->step_ms;
    return point;
}

int64_t window_due(const struct window *w, const struct pane *pane)
{
    return pane->fired ? window_over(w, pane->end - 1) + w->plan->lateness_ms
                       : window_over(w, pane->next_end - 1);
}

static int make_pane(struct window *w, int64_t start_ms, uint64_t *pane)
{
    struct arena *a = w->base.context.arena;
    int status = arena_alloc(a, sizeof(struct pane), pane);
    if (status < 0)
        return status;
    struct pane *fresh = arena_fresh(a, *pane);
    fresh->start = start_ms;
    fresh->end = start_ms + w->plan->size_ms;
    fresh->next_end = first_point(w, start_ms);
    const struct window_root *root = window_root(w);
    fresh->fired = root->has_watermark &&
                   window_over(w, fresh->end - 1) <= root->watermark; // made by a late row
    table_init(a, *pane + offsetof(struct pane, groups), w->value_bytes);
    table_init(a, *pane + offsetof(struct pane, ahead), sizeof(struct list_head));
    for (int d = 0; d < w->dict_count; d++)
        dict_init(a, *pane + offsetof(struct pane, dicts) + (uint64_t)d * sizeof(struct dict_head),
                  0, 1);
    return timers_add(a, w->root + offsetof(struct window_root, due),
                      window_due(w, pane_at(w, *pane)), *pane);
}

int window_pane(struct window *w, int64_t start_ms, uint64_t *pane)
{
    struct arena *a = w->base.context.arena;
    struct slice key = slice_make(&start_ms, sizeof(start_ms));
    uint64_t record;
    int status = table_upsert(a, w->root + offsetof(struct window_root, panes), hash_slice(key),
                              key, &record);
    if (status < 0)
        return status;
    *pane = arena_word(a, table_value(a, record));
    if (*pane) // a new record's value is zero, and no pane lies there
        return 0;
    status = make_pane(w, start_ms, pane);
    if (status < 0)
        return status;
    arena_store8(a, table_value(a, record), *pane);
    return 0;
}

void window_merge(struct window *w, bool on)
{
    w->merges = on || w->is_final;
    w->key_columns = w->merges ? w->final_keys : w->plan->keys;
}

struct slice window_ahead_key(struct ahead_key *key, int64_t slice_end, bool partial)
{
    memcpy(key->bytes, &slice_end, 8);
    key->bytes[8] = 'p';
    return slice_make(key->bytes, partial ? 9 : 8);
}

int window_wait(struct window *w, uint64_t pane, const struct window_rows *rows,
                const int64_t *slice_ends)
{
    struct arena *a = w->base.context.arena;
    static _Thread_local uint32_t sizes[BATCH_ROWS];
    row_sizes(rows->batch, sizes);
    for (uint32_t i = 0; i < rows->count; i++) {
        struct ahead_key place;
        struct slice key = window_ahead_key(&place, slice_ends[i], w->merges && !w->is_final);
        uint64_t record;
        if (window_row_room(w) == 0)
            return -EAGAIN;
        int status =
            table_upsert(a, pane + offsetof(struct pane, ahead), hash_slice(key), key, &record);
        if (status < 0)
            return status;
        buf_clear(&w->keys);
        char *bytes = buf_reserve(&w->keys, sizes[rows->rows[i]]);
        uint32_t len = row_encode(rows->batch, rows->rows[i], bytes);
        status = list_append(a, table_value(a, record), slice_make(bytes, len));
        if (status < 0)
            return status;
    }
    return 0;
}
