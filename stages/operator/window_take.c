// window_take.c: a window's state out of a savepoint, dealt out to the tasks of this plan.
//
// Every task begins at the savepoint's watermark. A group goes to the task that its rows would
// reach, is made by the operator's own code, and partial rows are added up as a FINAL does it. A
// PARTIAL is given the distinct sets (all of them as sent) and the rows that wait; what was counted
// is its FINAL's. Of a changelog a group that has something to emit is armed in the end, for what a
// PARTIAL had counted and not sent yet has armed nothing elsewhere.
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>

#include "core/base/hash.h"
#include "core/row/row.h"
#include "core/snapshot/savepoint.h"
#include "stages/operator/window_state.h"
#include "stages/runtime/partition.h"

struct taking {
    struct window **windows; // one a task
    int count;
    struct batch group; // a partial row, or the keys of one
    struct batch row;   // as the window is given it; its columns are the first window's
    struct pool texts;  // of a set
    bool has_clock, has_watermark, is_set;
    int64_t watermark;
    uint64_t rows; // that may go to any task
};

static void taking_free(void *restoring)
{
    struct taking *t = restoring;
    for (int i = 0; i < t->count; i++)
        if (t->windows[i])
            t->windows[i]->base.class->close(&t->windows[i]->base);
    batch_fini(&t->group);
    pool_fini(&t->texts);
    free(t->windows);
    free(t);
}

static int taking_begin(const struct op_context *contexts, int count, void **out, struct err *err)
{
    int rc = 0;
    struct taking *t = calloc(1, sizeof *t);
    CHECK(t && count > 0);
    t->windows = calloc((size_t)count, sizeof(struct window *));
    CHECK(t->windows);
    batch_init(&t->group, &contexts[0].op->window.partial_schema);
    for (int i = 0; i < count && rc == 0; i++) {
        struct operator* op = NULL;
        rc = window_class.open(&contexts[i], &op, err);
        t->windows[i] = (struct window *)op;
        t->count = i + 1;
    }
    if (rc < 0) {
        taking_free(t);
        return rc;
    }
    t->row = t->windows[0]->replay;
    *out = t;
    return 0;
}

// --- clocks ---

static void take_watermark(struct taking *t, struct savepoint_record *record)
{
    bool has = savepoint_take_count(record) != 0;
    int64_t watermark = savepoint_take_int(record);
    if (!t->has_clock || (t->has_watermark && (!has || watermark < t->watermark))) {
        t->has_watermark = has;
        t->watermark = watermark;
    }
    t->has_clock = true;
}

// All clocks are read: every task stands at the least of them.
static void set_clocks(struct taking *t)
{
    for (int i = 0; i < t->count && !t->is_set && t->has_watermark; i++) {
        struct window *w = t->windows[i];
        struct arena *a = w->base.context.arena;
        arena_store8(a, w->root + offsetof(struct window_root, has_watermark), 1);
        arena_store8(a, w->root + offsetof(struct window_root, watermark), (uint64_t)t->watermark);
    }
    t->is_set = true;
}

// --- rows out of records ---

static void take_column(struct savepoint_record *record, struct column *column)
{
    struct savepoint_value value = savepoint_take(record);
    enum savepoint_tag want = column->kind == TYPE_STRING   ? SAVEPOINT_TEXT
                              : column->kind == TYPE_DOUBLE ? SAVEPOINT_DOUBLE
                                                            : SAVEPOINT_INT;
    column->state[0] = value.tag == SAVEPOINT_NULL ? VALUE_NULL : VALUE_PRESENT;
    record->is_bad |= value.tag != SAVEPOINT_NULL && value.tag != want;
    if (column->kind == TYPE_STRING)
        column->str[0] = value.text;
    else
        column->i64[0] = value.number; // a double's bits, too
}

static void take_columns(struct savepoint_record *record, struct batch *batch, int count)
{
    batch->count = 1;
    for (int c = 0; c < count; c++) {
        take_column(record, &batch->columns[c]);
        column_summarize(&batch->columns[c], 1);
    }
}

static bool is_present(const struct batch *batch, int column)
{
    return batch->columns[column].state[0] == VALUE_PRESENT;
}

static int refuse(const struct savepoint_record *record, struct err *err)
{
    return err_set(err, -EBADMSG,
                   "the savepoint has a record of kind %d that does not fit the "
                   "window of operator %d",
                   (int)record->kind, record->op);
}

// Could a window that is still open begin there, and count from this point?
static bool is_sound(const struct window *w, int64_t start_ms, int64_t point_ms)
{
    const struct op_window *plan = w->plan;
    const struct window_root *root = window_root(w);
    const int64_t far = INT64_MAX / 4;
    if (start_ms > far || start_ms < -far || point_ms <= start_ms ||
        point_ms > start_ms + plan->size_ms)
        return false;
    if (plan->kind == WINDOW_CUMULATE && (point_ms - start_ms) % plan->step_ms)
        return false;
    int64_t over = window_over(w, start_ms + plan->size_ms - 1) + plan->lateness_ms;
    return !root->has_watermark || over > root->watermark;
}

// The task that rows with these keys reach.
static struct window *task_of(const struct taking *t, const struct batch *batch, const int *columns,
                              int column_count)
{
    uint64_t hash;
    if (t->count == 1)
        return t->windows[0];
    partition_hash(batch, columns, column_count, &hash);
    return t->windows[partition_target(hash, (uint64_t)t->count)];
}

// The exchange that deals the rows out; NULL: they stay in the task that has read them.
static const struct exchange *exchange_of(const struct taking *t)
{
    const struct op_context *context = &t->windows[0]->base.context;
    const struct stage *stage = context->stage;
    return stage->ops[0] == context->op && stage->input_exchange >= 0
               ? &context->plan->exchanges[stage->input_exchange]
               : NULL;
}

static void commit_often(struct window *w)
{
    struct arena *a = w->base.context.arena;
    if (arena_log_room(a) < a->log_bytes / 2)
        arena_commit(a);
}

// --- records ---

// One row, partial or not: counted, or put where it waits.
static int add_row(struct window *w, const struct batch *batch, int64_t start_ms, int64_t point_ms)
{
    const uint16_t first = 0;
    const struct window_rows rows = {batch, &first, 1};
    uint64_t pane;
    int rc = window_pane(w, start_ms, &pane);
    if (rc == 0 && w->plan->kind == WINDOW_CUMULATE && point_ms > pane_at(w, pane)->next_end)
        return window_wait(w, pane, &rows, &point_ms);
    return rc < 0 ? rc : window_accumulate(w, pane, &rows);
}

static int take_group(struct taking *t, struct savepoint_record *record, struct err *err)
{
    const struct op_window *plan = t->windows[0]->plan;
    take_columns(record, &t->group, t->group.column_count);
    struct window *w = task_of(t, &t->group, t->windows[0]->final_keys, plan->key_count);
    int64_t start = t->group.columns[plan->key_count].i64[0];
    int64_t point = t->group.columns[plan->key_count + 1].i64[0];
    for (int i = 0; i < 3; i++)
        record->is_bad |= !is_present(&t->group, plan->key_count + i);
    if (record->is_bad || record->left || !is_sound(w, start, point))
        return refuse(record, err);
    window_merge(w, true);
    int rc = add_row(w, &t->group, start, point);
    window_merge(w, false);
    commit_often(w);
    return rc;
}

static int take_row(struct taking *t, struct savepoint_record *record, struct err *err)
{
    int64_t start = savepoint_take_int(record), point = savepoint_take_int(record);
    const struct exchange *exchange = exchange_of(t);
    take_columns(record, &t->row, t->row.column_count);
    struct window *w = t->windows[t->rows++ % (uint64_t)t->count];
    if (exchange)
        w = task_of(t, &t->row, exchange->hash_columns, exchange->hash_column_count);
    if (record->is_bad || record->left || !is_sound(w, start, point))
        return refuse(record, err);
    int rc = add_row(w, &t->row, start, point);
    commit_often(w);
    return rc;
}

// The group of t->group's keys in the pane that starts there.
static int find_group(struct taking *t, struct window *w, int64_t start_ms, uint64_t *pane,
                      uint64_t *record)
{
    const uint16_t first = 0;
    const struct window_rows rows = {&t->group, &first, 1};
    struct slice key;
    int rc = window_pane(w, start_ms, pane);
    if (rc < 0)
        return rc;
    window_merge(w, true);
    window_encode_keys(w, &rows, &key);
    window_merge(w, false);
    return table_upsert(w->base.context.arena, *pane + offsetof(struct pane, groups),
                        hash_slice(key), key, record);
}

struct set {
    int agg;
    int64_t start;
    uint32_t count;
    struct slice values[SAVEPOINT_SET_VALUES];
    struct window *tasks[SAVEPOINT_SET_VALUES];
};

// The values of the set that are this task's.
static int add_set(struct taking *t, struct window *w, const struct set *set)
{
    static _Thread_local uint64_t ids[SAVEPOINT_SET_VALUES], heads[SAVEPOINT_SET_VALUES];
    static _Thread_local struct slice values[SAVEPOINT_SET_VALUES];
    struct arena *a = w->base.context.arena;
    uint32_t count = 0;
    uint64_t pane, record = 0;
    for (uint32_t i = 0; i < set->count; i++) {
        values[count] = set->values[i];
        count += set->tasks[i] == w;
    }
    int rc = count ? find_group(t, w, set->start, &pane, &record) : 0;
    if (rc < 0 || !count)
        return rc;
    uint64_t acc = table_value(a, record) + w->slots[set->agg].offset;
    if (w->is_final) {
        arena_store8(a, acc, arena_word(a, acc) + count);
        return 0;
    }
    rc = dict_ids(a,
                  pane + offsetof(struct pane, dicts) +
                      (uint64_t)w->slots[set->agg].dict * sizeof(struct dict_head),
                  count, values, ids);
    for (uint32_t i = 0; i < count; i++)
        heads[i] = acc;
    if (rc == 0)
        rc = bitmap_add_batch(a, count, heads, ids, NULL);
    if (rc == 0 && w->is_partial) // its FINAL has it
        arena_store8(a, acc + sizeof(struct bitmap_head), bitmap_cardinality(a, acc));
    return rc;
}

// A value of the set as the dictionary has it, and the task that counts it.
static void take_set_value(struct taking *t, struct savepoint_record *record, struct set *set)
{
    const struct agg_call *call = &t->windows[0]->plan->aggs[set->agg];
    int64_t bits = 0;
    struct slice text;
    uint8_t state;
    const int first = 0;
    struct column column = {.kind = call->arg_type.kind, .state = &state};
    if (column.kind == TYPE_STRING)
        column.str = &text;
    else
        column.i64 = &bits;
    take_column(record, &column);
    record->is_bad |= state != VALUE_PRESENT;
    if (record->is_bad)
        return;
    const struct batch one = {.count = 1, .column_count = 1, .columns = &column};
    uint32_t i = set->count++;
    set->values[i] =
        column.kind == TYPE_STRING ? text : pool_copy(&t->texts, slice_make(&bits, sizeof bits));
    set->tasks[i] = t->windows[0]->is_partial ? task_of(t, &one, &first, 1) : NULL;
}

static int take_set(struct taking *t, struct savepoint_record *record, struct err *err)
{
    static _Thread_local struct set set;
    const struct op_window *plan = t->windows[0]->plan;
    set.start = savepoint_take_int(record);
    uint64_t agg = savepoint_take_count(record);
    if (record->is_bad || agg >= (uint64_t)plan->agg_count ||
        plan->aggs[agg].kind != AGG_COUNT_DISTINCT)
        return refuse(record, err);
    set.agg = (int)agg;
    set.count = 0;
    take_columns(record, &t->group, plan->key_count);
    struct window *w = task_of(t, &t->group, t->windows[0]->final_keys, plan->key_count);
    pool_reset(&t->texts);
    while (record->left && set.count < SAVEPOINT_SET_VALUES && !record->is_bad)
        take_set_value(t, record, &set);
    if (record->is_bad || record->left || !is_sound(w, set.start, set.start + plan->size_ms))
        return refuse(record, err);
    for (uint32_t i = 0; i < set.count && !t->windows[0]->is_partial; i++)
        set.tasks[i] = w;
    int rc = 0;
    for (int i = 0; i < t->count && rc == 0; i++) {
        rc = add_set(t, t->windows[i], &set);
        commit_often(t->windows[i]);
    }
    return rc;
}

static int take_emitted(struct taking *t, struct savepoint_record *record, struct err *err)
{
    const int64_t far = INT64_MAX / 4;
    const struct op_window *plan = t->windows[0]->plan;
    take_columns(record, &t->group, plan->key_count);
    struct window *w = task_of(t, &t->group, t->windows[0]->final_keys, plan->key_count);
    int64_t start = savepoint_take_int(record), due = savepoint_take_int(record);
    bool is_emitted = savepoint_take_count(record) != 0;
    for (int agg = 0; agg < plan->agg_count && is_emitted; agg++)
        take_column(record, &w->output.columns[plan->key_count + 3 + agg]);
    if (record->is_bad || record->left || due < 0 || due > far || !plan->changelog ||
        !is_sound(w, start, start + plan->size_ms))
        return refuse(record, err);
    uint64_t pane, group;
    int rc = find_group(t, w, start, &pane, &group);
    if (rc == 0 && is_emitted)
        rc = window_set_emitted(w, group);
    if (rc == 0 && due)
        rc = window_arm_at(w, pane, group, due);
    commit_often(w);
    return rc;
}

static int no_room(struct err *err)
{
    return err_set(err, -ENOSPC,
                   "the savepoint's state does not fit into the memory of the tasks; "
                   "set memory.state higher");
}

static int taking_take(void *restoring, struct savepoint_record *record, struct err *err)
{
    struct taking *t = restoring;
    int rc = 0;
    if (record->kind == SAVEPOINT_WATERMARK) {
        take_watermark(t, record);
        return record->is_bad || t->is_set ? refuse(record, err) : 0;
    }
    set_clocks(t);
    if (record->kind == SAVEPOINT_GROUP)
        rc = t->windows[0]->is_partial ? 0 : take_group(t, record, err);
    else if (record->kind == SAVEPOINT_ROW)
        rc = t->windows[0]->is_final ? 0 : take_row(t, record, err);
    else if (record->kind == SAVEPOINT_SET)
        rc = take_set(t, record, err);
    else if (record->kind == SAVEPOINT_EMITTED)
        rc = t->windows[0]->is_partial ? 0 : take_emitted(t, record, err);
    else
        return refuse(record, err);
    if (rc == -ENOSPC)
        return no_room(err);
    if (rc < 0 && !err->text[0])
        return err_set(err, rc, "the savepoint's window state: error %d", -rc);
    return rc;
}

// What was armed for later than the delay of now, or not at all though there is something to emit.
static int arm_group(struct window *w, uint64_t pane, uint64_t record, int64_t now_ms)
{
    const int64_t latest = now_ms + window_delay(w, pane), armed = window_armed(w, record);
    if (armed ? armed <= latest : !window_has_change(w, pane, record))
        return 0;
    return window_arm_at(w, pane, record, latest);
}

static int arm_pane(struct window *w, uint64_t pane, int64_t now_ms)
{
    const struct arena *a = w->base.context.arena;
    const uint64_t groups = pane + offsetof(struct pane, groups), count = table_count(a, groups);
    int rc = 0;
    for (uint64_t i = 0; i < count && rc == 0 && window_delay(w, pane) >= 0; i++) {
        uint64_t record = table_at(a, groups, i);
        rc = record ? arm_group(w, pane, record, now_ms) : 0;
        commit_often(w);
    }
    return rc;
}

static int arm_window(struct window *w)
{
    const struct arena *a = w->base.context.arena;
    const uint64_t panes = w->root + offsetof(struct window_root, panes);
    const int64_t now_ms = w->base.context.env->realtime_ms(w->base.context.env);
    int rc = 0;
    for (uint64_t i = 0; i < table_count(a, panes) && rc == 0; i++) {
        uint64_t record = table_at(a, panes, i);
        rc = record ? arm_pane(w, arena_word(a, table_value(a, record)), now_ms) : 0;
    }
    return rc;
}

static int taking_end(void *restoring, struct err *err)
{
    struct taking *t = restoring;
    int rc = 0;
    set_clocks(t);
    for (int i = 0; i < t->count && rc == 0; i++)
        if (t->windows[i]->emit_offset && !t->windows[i]->is_partial)
            rc = arm_window(t->windows[i]);
    return rc < 0 ? no_room(err) : 0;
}

const struct savepoint_class window_savepoint = {
    .put = window_put,
    .begin = taking_begin,
    .take = taking_take,
    .end = taking_end,
    .free = taking_free,
};
