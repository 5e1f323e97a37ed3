// window_acc.c: the aggregate functions: a column of arguments into many groups' accumulators.
//
//   COUNT           u64 count
//   COUNT DISTINCT  struct bitmap_head; of a PARTIAL, then u64 what of it was sent; of a FINAL as
//                   COUNT
//   SUM, AVG        u64 count of values, then i64 or f64 sum
//   MIN, MAX        u64 1 when there is a value, then the value; of a string: offset, then length
//
// Rows whose FILTER is not TRUE, and NULL arguments, are left out, as SQL says. A FINAL adds up the
// columns of partial rows in the same accumulators; the filters were applied before.
#include <errno.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/base/hash.h"
#include "stages/operator/window_state.h"

// One aggregate's work in one batch: the rows that count, and where their groups' accumulators are.
struct work {
    uint32_t count;
    uint16_t rows[BATCH_ROWS];
    uint64_t accs[BATCH_ROWS];
};

static uint32_t acc_bytes(const struct window *w, const struct agg_call *agg)
{
    switch (agg->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        return 8;
    case AGG_COUNT_DISTINCT:
        if (w->is_final)
            return 8;
        return sizeof(struct bitmap_head) + (w->is_partial ? 8 : 0);
    case AGG_SUM:
    case AGG_AVG:
        return 16;
    default:
        return 24;
    }
}

// The dictionary that serves this argument: calls over one column share it.
static int dict_of(struct window *w, int agg)
{
    const struct agg_call *aggs = w->plan->aggs;
    for (int i = 0; i < agg; i++)
        if (aggs[i].kind == AGG_COUNT_DISTINCT && aggs[i].arg == aggs[agg].arg)
            return w->slots[i].dict;
    return w->dict_count++;
}

int window_layout(struct window *w, struct err *err)
{
    const struct op_window *plan = w->plan;
    w->slots = calloc((size_t)plan->agg_count + 1, sizeof(*w->slots));
    CHECK(w->slots);
    w->value_bytes = 8; // the first word counts the group's rows
    for (int i = 0; i < plan->agg_count; i++) {
        bool distinct = plan->aggs[i].kind == AGG_COUNT_DISTINCT && !w->is_final;
        w->slots[i].offset = w->value_bytes;
        w->slots[i].dict = distinct ? dict_of(w, i) : -1;
        w->value_bytes += acc_bytes(w, &plan->aggs[i]);
    }
    if (plan->changelog) {
        w->emit_offset = w->value_bytes;
        w->value_bytes += w->is_partial ? 8 : 16 + 16 * (uint32_t)plan->agg_count;
    }
    if (w->dict_count > WINDOW_MAX_DICTS)
        return err_set(err, -ENOTSUP,
                       "COUNT(DISTINCT ...) over %d different columns in one query: at most %d; "
                       "split the query",
                       w->dict_count, WINDOW_MAX_DICTS);
    return 0;
}

// The columns of the input that the call reads; NULL: none.
static const struct column *argument(const struct window *w, int agg, const struct batch *batch)
{
    const struct agg_call *call = &w->plan->aggs[agg];
    int column = w->merges ? call->partial : call->arg;
    return column >= 0 ? &batch->columns[column] : NULL;
}

static const struct column *filter_of(const struct window *w, int agg, const struct batch *batch)
{
    int column = w->merges ? -1 : w->plan->aggs[agg].filter;
    return column >= 0 ? &batch->columns[column] : NULL;
}

static void select_rows(const struct window *w, int agg, const struct window_rows *from,
                        const uint64_t *values, struct work *work)
{
    const struct column *filter = filter_of(w, agg, from->batch);
    const struct column *arg = argument(w, agg, from->batch);
    uint32_t n = 0;
    for (uint32_t i = 0; i < from->count; i++) {
        uint16_t row = from->rows[i];
        work->rows[n] = row;
        work->accs[n] = values[i] + w->slots[agg].offset;
        n += (!filter || (filter->state[row] == VALUE_PRESENT && filter->i64[row])) &&
             (!arg || arg->state[row] == VALUE_PRESENT);
    }
    work->count = n;
}

static int add_distinct(struct window *w, int agg, uint64_t pane, const struct column *arg,
                        const struct work *work)
{
    struct arena *a = w->base.context.arena;
    static _Thread_local uint64_t ids[BATCH_ROWS];
    static _Thread_local struct slice keys[BATCH_ROWS];
    uint64_t dict = pane + offsetof(struct pane, dicts) +
                    (uint64_t)w->slots[agg].dict * sizeof(struct dict_head);
    for (uint32_t i = 0; i < work->count; i++) {
        uint16_t row = work->rows[i];
        keys[i] = arg->kind == TYPE_STRING ? arg->str[row] : slice_make(&arg->i64[row], 8);
    }
    int status = dict_ids(a, dict, work->count, keys, ids);
    return status < 0 ? status : bitmap_add_batch(a, work->count, work->accs, ids, NULL);
}

// `counts`: how many rows each row stands for; NULL: one.
static void add_count(struct arena *a, const struct column *counts, const struct work *work)
{
    for (uint32_t i = 0; i < work->count; i++) {
        uint64_t rows = counts ? (uint64_t)counts->i64[work->rows[i]] : 1;
        arena_store8_once(a, work->accs[i], arena_word(a, work->accs[i]) + rows);
    }
}

static void add_sum(struct arena *a, const struct column *arg, const struct column *counts,
                    const struct work *work)
{
    for (uint32_t i = 0; i < work->count; i++) {
        uint64_t acc = work->accs[i];
        uint64_t rows = counts ? (uint64_t)counts->i64[work->rows[i]] : 1;
        arena_store8_once(a, acc, arena_word(a, acc) + rows);
        if (arg->kind == TYPE_DOUBLE) {
            double sum;
            memcpy(&sum, arena_at(a, acc + 8), 8);
            sum += arg->f64[work->rows[i]];
            memcpy(arena_touch8_once(a, acc + 8), &sum, 8);
        } else {
            uint64_t sum = arena_word(a, acc + 8) + (uint64_t)arg->i64[work->rows[i]];
            arena_store8_once(a, acc + 8, sum);
        }
    }
}

static int compare_value(const struct arena *a, uint64_t acc, const struct column *arg,
                         uint16_t row)
{
    if (arg->kind == TYPE_STRING) {
        uint64_t offset = arena_word(a, acc + 8);
        struct slice held =
            slice_make(offset ? arena_at(a, offset) : NULL, arena_word(a, acc + 16));
        return slice_compare(arg->str[row], held);
    }
    if (arg->kind == TYPE_DOUBLE) {
        double held;
        memcpy(&held, arena_at(a, acc + 8), 8);
        return arg->f64[row] < held ? -1 : arg->f64[row] > held;
    }
    int64_t held = (int64_t)arena_word(a, acc + 8);
    return arg->i64[row] < held ? -1 : arg->i64[row] > held;
}

static int store_value(struct arena *a, uint64_t acc, const struct column *arg, uint16_t row)
{
    if (arg->kind != TYPE_STRING) {
        arena_store8(a, acc + 8, (uint64_t)arg->i64[row]); // a double's bits, too
    } else {
        struct slice value = arg->str[row];
        uint64_t old = arena_word(a, acc + 8), offset = 0;
        if (old)
            arena_free(a, old, arena_word(a, acc + 16));
        int status = value.len ? arena_alloc(a, value.len, &offset) : 0;
        if (status < 0)
            return status;
        if (value.len)
            memcpy(arena_fresh(a, offset), value.ptr, value.len);
        arena_store8(a, acc + 8, offset);
        arena_store8(a, acc + 16, value.len);
    }
    arena_store8(a, acc, 1);
    return 0;
}

static int add_extreme(struct arena *a, bool max, const struct column *arg, const struct work *work)
{
    for (uint32_t i = 0; i < work->count; i++) {
        uint64_t acc = work->accs[i];
        if (arena_word(a, acc)) {
            int order = compare_value(a, acc, arg, work->rows[i]);
            if (max ? order <= 0 : order >= 0)
                continue;
        }
        int status = store_value(a, acc, arg, work->rows[i]);
        if (status < 0)
            return status;
    }
    return 0;
}

static int add_one(struct window *w, int agg, uint64_t pane, const struct batch *batch,
                   const struct work *work)
{
    struct arena *a = w->base.context.arena;
    const struct agg_call *call = &w->plan->aggs[agg];
    const struct column *arg = argument(w, agg, batch);
    switch (call->kind) {
    case AGG_COUNT_DISTINCT:
        if (!w->is_final)
            return w->merges ? 0 : add_distinct(w, agg, pane, arg, work);
        // A FINAL adds the counts of disjoint shards.
        // fall through
    case AGG_COUNT_STAR:
    case AGG_COUNT:
        add_count(a, w->merges ? arg : NULL, work);
        return 0;
    case AGG_SUM:
    case AGG_AVG: // of a partial row the count is beside the sum
        add_sum(a, arg, w->merges && call->kind == AGG_AVG ? arg + 1 : NULL, work);
        return 0;
    default:
        return add_extreme(a, call->kind == AGG_MAX, arg, work);
    }
}

int window_accumulate(struct window *w, uint64_t pane, const struct window_rows *rows)
{
    struct arena *a = w->base.context.arena;
    static _Thread_local struct slice keys[BATCH_ROWS];
    static _Thread_local uint64_t hashes[BATCH_ROWS], values[BATCH_ROWS];
    static _Thread_local struct work work;
    window_encode_keys(w, rows, keys);
    for (uint32_t i = 0; i < rows->count; i++)
        hashes[i] = hash_slice(keys[i]);
    const struct key_batch batch = {rows->count, hashes, keys};
    int status = table_upsert_batch(a, pane + offsetof(struct pane, groups), &batch, values);
    if (status < 0)
        return status;
    for (uint32_t i = 0; i < rows->count; i++) {
        w->records[i] = values[i];
        values[i] = table_value(a, values[i]);
        arena_store8_once(a, values[i], arena_word(a, values[i]) + 1);
    }
    if (w->is_partial) {
        uint64_t unsent = pane + offsetof(struct pane, unsent);
        arena_store8_once(a, unsent, arena_word(a, unsent) + rows->count);
    }
    for (int agg = 0; agg < w->plan->agg_count; agg++) {
        select_rows(w, agg, rows, values, &work);
        status = add_one(w, agg, pane, rows->batch, &work);
        if (status < 0)
            return status;
    }
    return 0;
}

static int64_t wrap_integer(enum type_kind kind, int64_t value)
{
    return kind == TYPE_INT ? (int32_t)value : value; // as Java's int
}

static void sum_result(const struct agg_call *call, const uint64_t *acc, struct column *out,
                       uint32_t row)
{
    bool average = call->kind == AGG_AVG;
    double sum;
    memcpy(&sum, &acc[1], 8);
    if (call->arg_type.kind == TYPE_DOUBLE)
        out->f64[row] = average ? sum / (double)acc[0] : sum;
    else
        out->i64[row] =
            wrap_integer(out->kind, average ? (int64_t)acc[1] / (int64_t)acc[0] : (int64_t)acc[1]);
}

void window_result(const struct window *w, int agg, uint64_t value, struct column *out,
                   uint32_t row)
{
    const struct arena *a = w->base.context.arena;
    const struct agg_call *call = &w->plan->aggs[agg];
    const uint64_t *acc = arena_at(a, value + w->slots[agg].offset);
    out->state[row] = VALUE_PRESENT;
    if (call->kind <= AGG_COUNT_DISTINCT) {
        out->i64[row] = (int64_t)acc[0]; // a bitmap's first word is its cardinality
        return;
    }
    if (!acc[0])
        out->state[row] = VALUE_NULL;
    else if (call->kind == AGG_SUM || call->kind == AGG_AVG)
        sum_result(call, acc, out, row);
    else if (out->kind == TYPE_STRING)
        out->str[row] = slice_make(acc[1] ? arena_at(a, acc[1]) : NULL, acc[2]);
    else
        out->i64[row] = (int64_t)acc[1];
}

int window_drop_values(struct window *w, uint64_t value, uint32_t *budget)
{
    struct arena *a = w->base.context.arena;
    for (int i = 0; i < w->plan->agg_count; i++) {
        const struct agg_call *call = &w->plan->aggs[i];
        uint64_t acc = value + w->slots[i].offset;
        if (w->slots[i].dict >= 0) {
            if (!bitmap_drop_step(a, acc, *budget))
                return 0;
            *budget -= *budget > 1;
        } else if (call->kind >= AGG_MIN && call->arg_type.kind == TYPE_STRING &&
                   arena_word(a, acc + 8)) {
            arena_free(a, arena_word(a, acc + 8), arena_word(a, acc + 16));
            arena_store8(a, acc + 8, 0);
        }
        uint64_t last = value + w->emit_offset + 16 + (uint64_t)i * 16;
        if (w->emit_offset && !w->is_partial && call->type.kind == TYPE_STRING &&
            arena_word(a, last + 8)) {
            arena_free(a, arena_word(a, last + 8), arena_word(a, last) >> 8);
            arena_store8(a, last + 8, 0);
        }
    }
    return 1;
}
