// datagen.c: the datagen connector: rows out of (seed, row number).
//
// The position is the number of this subtask's rows so far; subtask s of p makes the rows s, s + p,
// s + 2p ... . Only that number is in the arena. After a restore from a savepoint at another
// parallelism the rows are those of several progressions (datagen_parts.h), which are there too.
#include <errno.h>
#include <inttypes.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/snapshot/savepoint.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/schema.h"
#include "stages/source/datagen_field.h"
#include "stages/source/datagen_parts.h"

struct datagen_options {
    int64_t rows_per_second; // of all subtasks together; 0: as fast as it goes
    int64_t number_of_rows;  // of all subtasks together
    int64_t seed;
};

struct datagen {
    struct source base; // must be first
    struct datagen_options options;
    struct pool pool;             // options
    struct pool scratch;          // text of the batch
    struct datagen_field *fields; // the needed ones
    int field_count;
    uint64_t state_offset; // of one word: rows of this subtask that are committed
    uint64_t next;         // private: the next row to make
    uint64_t polled_from;  // first row of the last poll
    uint64_t table_rows;   // of all subtasks
    uint64_t own_rows;     // how many rows this subtask makes in all
    struct parts *parts;   // private; NULL: one progression
    uint64_t parts_at;     // in the arena: struct datagen_part, part_count of them
    int part_count;
    int64_t started_ns;   // when rate limiting began, monotonic
    uint64_t started_at;  // and at which row
    bool has_due;         // a column says when its row was due: rows come at that moment
    int64_t due_start_ns; // wall clock; row 0 of the table
    double due_each_ns;   // 0: as fast as it goes, due when it is made
};

// What the arena holds of a table with such a column; without one, only the rows.
struct due_root {
    uint64_t rows, due_start_ns;
};

// Several progressions: what is left of them now, and where the last poll began.
struct parts {
    struct datagen_part *now, *polled; // one allocation
    uint64_t numbers[BATCH_ROWS];      // of the rows of the last poll
};

struct parts_root { // in the arena, made by a restore
    uint64_t block, count;
};

// The arena keeps the parts behind the operator's own root.
static uint32_t parts_root_index(const struct op_context *context)
{
    return (uint32_t)context->op->id + 128;
}

static int option_count(const struct plan_table *table, const char *key, int64_t *value,
                        struct err *err)
{
    const char *text = table_option(table, key, NULL);
    char *end;
    if (!text)
        return 0;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno || end == text || *end || number < 0)
        return err_set(err, -EINVAL,
                       "table %s: option '%s' = '%s' is not a whole number of 0 or more",
                       table->name, key, text);
    *value = number;
    return 0;
}

// Is "fields.NAME.option" about a column that there is, and an option that there is?
static int check_field_key(const struct plan_table *table, const char *key, struct err *err)
{
    static const char *const known[] = {
        "kind",      "min",      "max",    "start", "end",     "length",         "var-len",
        "null-rate", "max-past", "jitter", "zipf",  "pattern", "rows-per-second"};
    const char *name = key + strlen("fields.");
    const char *dot = strrchr(name, '.');
    if (!dot)
        return err_set(err, -EINVAL, "table %s: option '%s' has no part after the column's name",
                       table->name, key);
    bool has_column = false;
    for (int i = 0; i < table->physical.field_count; i++) {
        const char *field = table->physical.fields[i].name;
        has_column |= strlen(field) == (size_t)(dot - name) &&
                      strncmp(field, name, (size_t)(dot - name)) == 0;
    }
    if (!has_column)
        return err_set(err, -EINVAL, "table %s: option '%s' names no column of the table",
                       table->name, key);
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(known[i], dot + 1) == 0)
            return 0;
    const char *meant = err_suggest(dot + 1, known, ARRAY_SIZE(known));
    return err_set(err, -EINVAL, "table %s: datagen has no option '%s'%s%s%s", table->name, key,
                   meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
}

static int parse_options(const struct plan_table *table, struct datagen_options *out,
                         struct err *err)
{
    static const char *const known[] = {"connector", "rows-per-second", "number-of-rows", "seed"};
    *out = (struct datagen_options){.rows_per_second = 10000, .number_of_rows = INT64_MAX};
    for (int i = 0; i < table->option_count; i++) {
        const char *key = table->options[i].key;
        bool is_known = strcmp(key, "scan.parallelism") == 0;
        if (strncmp(key, "fields.", strlen("fields.")) == 0) {
            int rc = check_field_key(table, key, err);
            if (rc < 0)
                return rc;
            continue;
        }
        for (size_t k = 0; k < ARRAY_SIZE(known); k++)
            is_known |= strcmp(known[k], key) == 0;
        if (is_known)
            continue;
        const char *meant = err_suggest(key, known, ARRAY_SIZE(known));
        return err_set(err, -EINVAL, "table %s: datagen has no option '%s'%s%s%s", table->name, key,
                       meant ? "; did you mean '" : "", meant ? meant : "", meant ? "'?" : "");
    }
    int rc = option_count(table, "rows-per-second", &out->rows_per_second, err);
    if (rc == 0)
        rc = option_count(table, "number-of-rows", &out->number_of_rows, err);
    if (rc == 0)
        rc = option_count(table, "seed", &out->seed, err);
    return rc;
}

static int datagen_check(const struct plan_table *table, struct err *err)
{
    struct datagen_options options;
    struct pool pool = {0};
    int rc = parse_options(table, &options, err);
    for (int i = 0; rc == 0 && i < table->physical.field_count; i++) {
        struct datagen_field field;
        rc = datagen_field_parse(table, i, &pool, &field, err);
    }
    pool_fini(&pool);
    return rc;
}

static int parse_fields(struct datagen *d, const struct plan_table *table, struct err *err)
{
    const struct schema *physical = &table->physical;
    int64_t rows = d->options.number_of_rows;
    d->fields = pool_zalloc(&d->pool, ((size_t)physical->field_count + 1) * sizeof *d->fields);
    for (int i = 0; i < physical->field_count; i++) {
        struct datagen_field *field = &d->fields[d->field_count];
        int rc = datagen_field_parse(table, i, &d->pool, field, err);
        if (rc < 0)
            return rc;
        datagen_field_seed(field, i, (uint64_t)d->options.seed);
        // A sequence ends the table also when nobody reads it.
        if (datagen_field_rows(field) < rows)
            rows = datagen_field_rows(field);
        if (table->needed && !table->needed[i])
            continue;
        d->has_due |= field->kind == DATAGEN_DUE;
        d->field_count++;
    }
    uint64_t subtasks = (uint64_t)d->base.context.stage->parallelism;
    uint64_t subtask = (uint64_t)d->base.context.subtask;
    d->table_rows = (uint64_t)rows;
    d->own_rows = (uint64_t)rows > subtask ? ((uint64_t)rows - subtask - 1) / subtasks + 1 : 0;
    return 0;
}

static void datagen_reset(struct source *source)
{
    struct datagen *d = (struct datagen *)source;
    d->next = arena_word(source->context.arena, d->state_offset);
    if (d->parts)
        memcpy(d->parts->now, arena_at(source->context.arena, d->parts_at),
               (size_t)d->part_count * sizeof *d->parts->now);
}

// What a restore has left in the arena, if anything.
static void open_parts(struct datagen *d)
{
    const struct arena *arena = d->base.context.arena;
    const struct arena_root_slot *slot = &arena->meta->roots[parts_root_index(&d->base.context)];
    if (!slot->offset)
        return;
    struct parts_root root;
    memcpy(&root, arena_at(arena, slot->offset), sizeof root);
    d->parts_at = root.block;
    d->part_count = (int)root.count;
    d->parts = calloc(1, sizeof *d->parts);
    CHECK(d->parts && root.count > 0);
    d->parts->now = calloc(2 * root.count, sizeof *d->parts->now);
    CHECK(d->parts->now);
    d->parts->polled = d->parts->now + root.count;
    const struct datagen_part *left = arena_at(arena, d->parts_at);
    d->own_rows = arena_word(arena, d->state_offset);
    for (int i = 0; i < d->part_count; i++)
        d->own_rows += left[i].count;
}

static void datagen_close(struct source *source)
{
    struct datagen *d = (struct datagen *)source;
    pool_fini(&d->pool);
    pool_fini(&d->scratch);
    if (d->parts)
        free(d->parts->now);
    free(d->parts);
    free(d);
}

// Rows that became due while nobody made them are late, also by a restart: the schedule is in the
// arena. It begins anew where the state is that of a checkpoint, and the rows with it.
static void open_due(struct datagen *d)
{
    const struct op_context *context = &d->base.context;
    const uint64_t at = d->state_offset + offsetof(struct due_root, due_start_ns);
    const int64_t rate = d->options.rows_per_second;
    d->due_each_ns = rate && !d->parts ? 1e9 / (double)rate : 0;
    d->due_start_ns = (int64_t)arena_word(context->arena, at);
    if (d->due_start_ns && !context->is_restored)
        return;
    uint64_t row = d->next * (uint64_t)context->stage->parallelism;
    d->due_start_ns =
        context->env->realtime_ns(context->env) - (int64_t)((double)row * d->due_each_ns);
    arena_store8(context->arena, at, (uint64_t)d->due_start_ns);
}

static int datagen_open(const struct op_context *context, struct source **out, struct err *err)
{
    const struct plan_table *table = context->op->table;
    struct datagen *d = calloc(1, sizeof *d);
    CHECK(d && context->op->kind == OP_SOURCE);
    d->base = (struct source){.class = &datagen_class, .context = *context};
    int rc = parse_options(table, &d->options, err);
    if (rc == 0)
        rc = parse_fields(d, table, err);
    if (rc == 0)
        rc = arena_root(context->arena, (uint32_t)context->op->id,
                        d->has_due ? sizeof(struct due_root) : 8, &d->state_offset);
    if (rc < 0) {
        datagen_close(&d->base);
        return rc;
    }
    open_parts(d);
    datagen_reset(&d->base);
    d->started_ns = context->env->monotonic_ns(context->env);
    d->started_at = d->next;
    if (d->has_due)
        open_due(d);
    *out = &d->base;
    return 0;
}

// How many rows the rate allows now; 0: none for *retry_ns. Each row has its own time, however
// late others were.
static uint32_t allowed(struct datagen *d, uint32_t wanted, int64_t *retry_ns)
{
    struct env *env = d->base.context.env;
    if (d->options.rows_per_second == 0)
        return wanted;
    double rate = (double)d->options.rows_per_second / d->base.context.stage->parallelism / 1e9;
    double made = (double)(d->next - d->started_at);
    int64_t since_ns = env->monotonic_ns(env) - d->started_ns;
    double due = (double)since_ns * rate + 1;
    if (due - made < 1) {
        *retry_ns = (int64_t)(made / rate) + 1 - since_ns;
        *retry_ns = *retry_ns > 0 ? *retry_ns : 1;
        return 0;
    }
    return due - made < wanted ? (uint32_t)(due - made) : wanted;
}

// The same to the nanosecond, for rows that say when they were due.
static uint32_t allowed_due(const struct datagen *d, uint32_t wanted, int64_t *retry_ns)
{
    const struct op_context *context = &d->base.context;
    const uint64_t subtasks = (uint64_t)context->stage->parallelism;
    const uint64_t row = d->next * subtasks + (uint64_t)context->subtask;
    int64_t now_ns = context->env->realtime_ns(context->env);
    double since = (double)(now_ns - d->due_start_ns) - (double)row * d->due_each_ns;
    if (since < 0) {
        *retry_ns = (int64_t)-since + 1;
        return 0;
    }
    double due = since / (d->due_each_ns * (double)subtasks) + 1;
    return due < wanted ? (uint32_t)due : wanted;
}

// The run's rows behind those that the batch has.
static void fill_run(struct datagen *d, struct batch *batch, uint32_t at,
                     const struct datagen_rows *run)
{
    for (int c = 0; c < d->field_count; c++) {
        struct column *whole = &batch->columns[c], column = *whole;
        column.state += at;
        if (column.kind == TYPE_STRING)
            column.str += at;
        else
            column.i64 += at;
        datagen_field_fill(&d->fields[c], run, &d->scratch, &column);
        whole->all_present = column.all_present && (at == 0 || whole->all_present);
    }
}

static void fill_from_parts(struct datagen *d, struct batch *batch, uint32_t rows, int64_t now_ms)
{
    memcpy(d->parts->polled, d->parts->now, (size_t)d->part_count * sizeof *d->parts->now);
    for (uint32_t at = 0; at < rows;) {
        struct datagen_part run = datagen_parts_take(d->parts->now, d->part_count, rows - at);
        CHECK(run.count > 0);
        const struct datagen_rows numbers = {run.first, run.step,         (uint32_t)run.count,
                                             now_ms,    now_ms * 1000000, 0};
        fill_run(d, batch, at, &numbers);
        for (uint64_t i = 0; i < run.count; i++)
            d->parts->numbers[at + i] = run.first + i * run.step;
        at += (uint32_t)run.count;
    }
}

static int datagen_poll(struct source *source, struct batch *batch, uint32_t max_rows,
                        struct source_poll *out, struct err *err)
{
    (void)err;
    struct datagen *d = (struct datagen *)source;
    int64_t now_ms = source->context.env->realtime_ms(source->context.env);
    uint64_t subtasks = (uint64_t)source->context.stage->parallelism;
    source->bad_row_count = 0;
    batch->count = 0;
    batch->has_kinds = false;
    if (d->next >= d->own_rows) {
        out->status = SOURCE_END;
        return 0;
    }
    uint32_t rows = max_rows < BATCH_ROWS ? max_rows : BATCH_ROWS;
    if (rows > d->own_rows - d->next)
        rows = (uint32_t)(d->own_rows - d->next);
    if (d->has_due && d->due_each_ns > 0)
        rows = allowed_due(d, rows, &out->retry_ns);
    else
        rows = allowed(d, rows, &out->retry_ns);
    out->status = rows ? SOURCE_ROWS : SOURCE_IDLE;
    pool_reset(&d->scratch);
    CHECK(batch->column_count == d->field_count);
    const struct datagen_rows numbers = {
        .first = d->next * subtasks + (uint64_t)source->context.subtask,
        .step = subtasks,
        .count = rows,
        .now_ms = now_ms,
        .due_start_ns = d->due_each_ns > 0 || !d->has_due
                            ? d->due_start_ns
                            : source->context.env->realtime_ns(source->context.env),
        .due_each_ns = d->due_each_ns,
    };
    if (d->parts)
        fill_from_parts(d, batch, rows, now_ms);
    else
        fill_run(d, batch, 0, &numbers);
    batch->count = rows;
    d->polled_from = d->next;
    d->next += rows;
    return 0;
}

// May be called several times for one poll, with more rows each time.
static int datagen_advance(struct source *source, uint32_t rows)
{
    struct datagen *d = (struct datagen *)source;
    CHECK(d->polled_from + rows <= d->next);
    arena_store8(source->context.arena, d->state_offset, d->polled_from + rows);
    if (!d->parts)
        return 0;
    size_t bytes = (size_t)d->part_count * sizeof(struct datagen_part);
    struct datagen_part *left = arena_touch(source->context.arena, d->parts_at, bytes);
    memcpy(left, d->parts->polled, bytes);
    while (rows)
        rows -= (uint32_t)datagen_parts_take(left, d->part_count, rows).count;
    return 0;
}

static void datagen_place(const struct source *source, uint32_t row, struct row_place *out)
{
    const struct datagen *d = (const struct datagen *)source;
    uint64_t subtasks = (uint64_t)source->context.stage->parallelism;
    *out = (struct row_place){
        .source = source->context.op->table->name,
        .position = d->parts
                        ? d->parts->numbers[row]
                        : (d->polled_from + row) * subtasks + (uint64_t)source->context.subtask,
    };
}

// "offset" is the number, from 1 on, of the row that this subtask makes next; "next" has the values
// that its sequences give there.
static void datagen_describe(const struct source *source, struct buf *out)
{
    const struct datagen *d = (const struct datagen *)source;
    uint64_t rows = arena_word(source->context.arena, d->state_offset);
    uint64_t subtasks = (uint64_t)source->context.stage->parallelism;
    uint64_t row = rows * subtasks + (uint64_t)source->context.subtask;
    if (d->parts && rows < d->own_rows) {
        memcpy(d->parts->polled, arena_at(source->context.arena, d->parts_at),
               (size_t)d->part_count * sizeof *d->parts->polled);
        row = datagen_parts_take(d->parts->polled, d->part_count, 1).first;
    }
    const char *separator = "";
    buf_append_str(out, "\"source\":{\"table\":");
    buf_append_json_string(out, slice_of(source->context.op->table->name));
    buf_printf(out,
               ",\"connector\":\"datagen\",\"offset\":%" PRIu64 ",\"rows\":%" PRIu64
               ",\"has_ended\":%s,\"next\":{",
               row + 1, rows, rows >= d->own_rows ? "true" : "false");
    for (int i = 0; i < d->field_count && rows < d->own_rows; i++) {
        const struct datagen_field *field = &d->fields[i];
        if (field->kind != DATAGEN_SEQUENCE || !type_is_numeric(field->type))
            continue;
        buf_append_str(out, separator);
        buf_append_json_string(out, slice_of(field->name));
        buf_printf(out, ":%" PRId64, field->min + (int64_t)row);
        separator = ",";
    }
    buf_append_str(out, "}}");
}

// --- savepoints ---

static void put_part(struct savepoint_writer *out, int id, struct datagen_part part, bool is_rest)
{
    savepoint_begin(out, id, SAVEPOINT_NUMBERS);
    savepoint_put_int(out, (int64_t)part.first);
    savepoint_put_int(out, (int64_t)part.step);
    savepoint_put_int(out, (int64_t)part.count);
    savepoint_put_int(out, is_rest);
    savepoint_end(out);
}

// Also what is left of nothing: where the rest begins is said by all of them together.
static int datagen_put(const struct op_context *context, struct savepoint_writer *out, int id,
                       bool clocks, struct err *err)
{
    struct source *source;
    uint64_t subtasks = (uint64_t)context->stage->parallelism;
    if (clocks)
        return 0;
    int rc = datagen_open(context, &source, err);
    if (rc < 0)
        return rc;
    const struct datagen *d = (const struct datagen *)source;
    for (int i = 0; i < d->part_count; i++)
        put_part(out, id, d->parts->now[i], i + 1 == d->part_count);
    if (!d->parts)
        put_part(out, id,
                 (struct datagen_part){d->next * subtasks + (uint64_t)context->subtask, subtasks,
                                       d->own_rows - d->next},
                 true);
    datagen_close(source);
    return 0;
}

struct restoring {
    const struct op_context *contexts;
    int count;
    struct datagen_left *left;
    int left_count;
};

static int restoring_begin(const struct op_context *contexts, int count, void **out,
                           struct err *err)
{
    (void)err;
    struct restoring *r = calloc(1, sizeof *r);
    CHECK(r);
    *r = (struct restoring){.contexts = contexts, .count = count};
    *out = r;
    return 0;
}

static void restoring_free(void *restoring)
{
    free(((struct restoring *)restoring)->left);
    free(restoring);
}

static int restoring_take(void *restoring, struct savepoint_record *record, struct err *err)
{
    struct restoring *r = restoring;
    struct datagen_left left;
    left.part.first = savepoint_take_count(record);
    left.part.step = savepoint_take_count(record);
    left.part.count = savepoint_take_count(record);
    left.is_rest = savepoint_take_count(record) != 0;
    if (record->kind != SAVEPOINT_NUMBERS || record->is_bad || left.part.step == 0)
        return err_set(err, -EBADMSG, "the savepoint's position of table %s is none of datagen",
                       r->contexts[0].op->table->name);
    r->left = realloc(r->left, (size_t)(r->left_count + 1) * sizeof *r->left);
    CHECK(r->left);
    r->left[r->left_count++] = left;
    return 0;
}

// The subtask's parts into its arena.
static int restore_parts(const struct restoring *r, int subtask, struct err *err)
{
    const struct op_context *context = &r->contexts[subtask];
    struct arena *arena = context->arena;
    struct source *source;
    uint64_t root_at, block;
    int rc = datagen_open(context, &source, err);
    if (rc < 0)
        return rc;
    const uint64_t rows = ((const struct datagen *)source)->table_rows;
    datagen_close(source);
    const struct datagen_deal deal = {r->left, r->left_count, rows, r->count};
    struct datagen_part *parts = calloc((size_t)r->left_count + 1, sizeof *parts);
    CHECK(parts);
    int count = datagen_parts_deal(&deal, subtask, parts);
    size_t bytes = (size_t)count * sizeof *parts;
    rc = arena_root(arena, parts_root_index(context), sizeof(struct parts_root), &root_at);
    if (rc == 0)
        rc = arena_alloc(arena, bytes, &block);
    if (rc == 0) {
        memcpy(arena_fresh(arena, block), parts, bytes);
        const struct parts_root root = {block, (uint64_t)count};
        memcpy(arena_touch(arena, root_at, sizeof root), &root, sizeof root);
    }
    free(parts);
    return rc < 0 ? err_set(err, rc, "no room in the task's memory; set memory.state higher") : 0;
}

static int restoring_end(void *restoring, struct err *err)
{
    const struct restoring *r = restoring;
    int rc = 0;
    if (r->left_count == 0)
        return err_set(err, -EBADMSG, "the savepoint has no position of table %s",
                       r->contexts[0].op->table->name);
    for (int s = 0; s < r->count && rc == 0; s++)
        rc = restore_parts(r, s, err);
    return rc;
}

static const struct savepoint_class datagen_savepoint = {
    .put = datagen_put,
    .begin = restoring_begin,
    .take = restoring_take,
    .end = restoring_end,
    .free = restoring_free,
};

const struct source_class datagen_class = {
    .name = "datagen",
    .check = datagen_check,
    .open = datagen_open,
    .poll = datagen_poll,
    .advance = datagen_advance,
    .place = datagen_place,
    .reset = datagen_reset,
    .describe = datagen_describe,
    .close = datagen_close,
    .savepoint = &datagen_savepoint,
};
