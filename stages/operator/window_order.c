// window_order.c: the groups of a pane in an order that is the same in every run.
//
// With several input channels the order of arrival is chance, so groups come out in the order of
// their keys. The order is private memory: it is made anew after an abort, and from point to point
// of a CUMULATE only the groups that have come since are sorted and merged in, by the first bytes
// of their keys mostly, so a point costs no second look at all keys.
#include <stddef.h>
#include <stdlib.h>

#include "stages/operator/window_state.h"

static const struct window *sorting; // qsort has no context; a task has one thread

// What a group is compared by first: the first bytes of a string, the value of another column, so
// that people see the order that they expect. Encoded keys are as window_state.c says.
static uint64_t prefix_of(const struct window *w, struct slice key)
{
    uint64_t prefix = 0;
    if (w->plan->key_count == 0 || key.ptr[0] == 0)
        return 0; // NULL comes first
    if (w->output.columns[0].kind != TYPE_STRING) {
        memcpy(&prefix, key.ptr + 1, 8);
        return prefix ^ UINT64_C(1) << 63; // negative values before positive ones
    }
    uint32_t len;
    memcpy(&len, key.ptr + 1, 4);
    memcpy(&prefix, key.ptr + 5, len < 8 ? len : 8);
    return __builtin_bswap64(prefix);
}

static int compare_groups(const void *left, const void *right)
{
    const struct group_order *x = left, *y = right;
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix ? -1 : 1;
    const struct arena *a = sorting->base.context.arena;
    uint64_t groups = sorting->order_pane + offsetof(struct pane, groups);
    return slice_compare(table_key(a, table_at(a, groups, x->index)),
                         table_key(a, table_at(a, groups, y->index)));
}

// Groups [from, count) behind the sorted ones, sorted among themselves.
static void append_groups(struct window *w, uint64_t from, uint64_t count)
{
    const struct arena *a = w->base.context.arena;
    uint64_t groups = w->order_pane + offsetof(struct pane, groups);
    if (w->order_capacity < count) {
        w->order_capacity = count * 2;
        w->order = realloc(w->order, w->order_capacity * sizeof(*w->order));
        CHECK(w->order);
    }
    for (uint64_t i = from; i < count; i++) {
        struct slice key = table_key(a, table_at(a, groups, i));
        w->order[i] = (struct group_order){prefix_of(w, key), i};
    }
    if (count > from) // an empty array may not be given to qsort
        qsort(w->order + from, count - from, sizeof(*w->order), compare_groups);
}

// Merge [from, count) into [0, from), from the back.
static void merge_groups(struct window *w, uint64_t from, uint64_t count)
{
    uint64_t left = from, right = count - from;
    struct group_order *fresh = malloc((size_t)right * sizeof(*fresh));
    CHECK(fresh);
    memcpy(fresh, w->order + from, (size_t)right * sizeof(*fresh));
    for (uint64_t at = count; right > 0; at--) {
        if (left > 0 && compare_groups(&w->order[left - 1], &fresh[right - 1]) > 0)
            w->order[at - 1] = w->order[--left];
        else
            w->order[at - 1] = fresh[--right];
    }
    free(fresh);
}

void window_sort_groups(struct window *w, uint64_t pane)
{
    uint64_t count = table_count(w->base.context.arena, pane + offsetof(struct pane, groups));
    int64_t start_ms = pane_at(w, pane)->start;
    bool same = w->order_pane == pane && w->order_start == start_ms && w->order_count <= count;
    uint64_t from = same ? w->order_count : 0;
    if (same && from == count)
        return;
    sorting = w;
    w->order_pane = pane;
    w->order_start = start_ms;
    w->order_count = count;
    append_groups(w, from, count);
    if (from > 0)
        merge_groups(w, from, count);
}
