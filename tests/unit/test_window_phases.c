// test_window_phases.c: PARTIAL tasks and a FINAL behind them against one SINGLE and the naive
// answer: every kind of window, every aggregate, NULLs, filters, late rows, deaths on the way.
//
// The tasks are nodes of one process. A PARTIAL's output is a queue of encoded rows and watermarks,
// as in a ring: what was not committed is cut off by a death.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include "core/base/hash.h"
#include "core/plan/logical.h"
#include "core/row/row.h"
#include "stages/runtime/operator.h"

enum {
    ARENA_BYTES = 64 << 20,
    ROWS = 3000,
    PIECE = 24, // rows between two watermarks
    DIMENSIONS = 4,
    DEVICES = 50,
    STEP = 1000,
    BOUND = 2000,
    SHARDS = 3,
    AGGS = 13,
    COLUMNS = 7
};

static const struct arena_options options = {.fingerprint = 7};

struct row {
    int64_t ts;
    int dimension, id; // -1: NULL
    bool has_n, has_d;
    int64_t n;
    double d;
    int flag; // -1: NULL
};

struct node {
    struct operator base; // its output: must be first
    void *memory;
    struct arena *arena;
    struct operator* window;
    struct buf out;
    size_t committed;
    uint64_t late, late_committed;
    uint64_t given, given_committed; // PARTIAL: pieces taken
    int64_t watermark;
};

struct fixture {
    struct pool pool;
    struct field in[COLUMNS], out[4 + AGGS];
    struct agg_call aggs[AGGS];
    struct op before, single, partial, final;
    struct op *single_ops[2], *partial_ops[2], *final_ops[1];
    struct stage stages[3];
    struct exchange exchanges[1];
    struct plan plan;
    struct node alone, shards[SHARDS], merge;
    size_t taken[SHARDS], taken_committed[SHARDS];
    int64_t heard[SHARDS], heard_committed[SHARDS];
    struct row rows[ROWS];
    uint64_t seed;
    uint32_t one_in; // a death in so many transactions; 0: none
    struct env env;
    int64_t now_ms;
};

static uint64_t chance(struct fixture *f, uint64_t below)
{
    f->seed = hash_u64(f->seed + 1);
    return f->seed % below;
}

// --- outputs ---

static void print_value(const struct column *column, uint32_t row, struct buf *out)
{
    if (column->state[row])
        buf_append_str(out, "null");
    else if (column->kind == TYPE_STRING)
        buf_append(out, column->str[row].ptr, column->str[row].len);
    else if (column->kind == TYPE_DOUBLE)
        buf_printf(out, "%.17g", column->f64[row]);
    else
        buf_printf(out, "%lld", (long long)column->i64[row]);
}

static int text_push(struct operator* op, struct batch *batch)
{
    struct node *node = (struct node *)op;
    for (uint32_t i = 0; i < batch->count; i++) {
        enum row_kind kind = batch_kind(batch, i);
        buf_append_char(&node->out, kind == ROW_INSERT || kind == ROW_UPDATE_AFTER ? '+' : '-');
        for (int c = 0; c < batch->column_count; c++) {
            buf_append_char(&node->out, ' ');
            print_value(&batch->columns[c], i, &node->out);
        }
        buf_append_char(&node->out, '\n');
    }
    return 0;
}

static int text_watermark(struct operator* op, int64_t watermark_ms)
{
    ((struct node *)op)->watermark = watermark_ms;
    return 0;
}

static int queue_push(struct operator* op, struct batch *batch)
{
    struct node *node = (struct node *)op;
    uint32_t sizes[BATCH_ROWS];
    row_sizes(batch, sizes);
    for (uint32_t i = 0; i < batch->count; i++) {
        row_encode(batch, i, buf_reserve(&node->out, sizes[i]));
        node->out.len += sizes[i];
    }
    return 0;
}

// A watermark in the queue: a word that is no row's, then itself.
static int queue_watermark(struct operator* op, int64_t watermark_ms)
{
    const int64_t words[2] = {0, watermark_ms};
    buf_append(&((struct node *)op)->out, words, sizeof(words));
    return 0;
}

static const struct operator_class text_class = {
    .name = "text", .push = text_push, .watermark = text_watermark};
static const struct operator_class queue_class = {
    .name = "queue", .push = queue_push, .watermark = queue_watermark};

// --- the plan ---

static void add_agg(struct fixture *f, int at, struct agg_call call)
{
    call.arg_type = call.arg >= 0 ? f->in[call.arg].type : type_of(TYPE_BIGINT);
    call.type = type_of(TYPE_BIGINT);
    if (call.kind >= AGG_SUM)
        call.type = call.arg_type;
    f->aggs[at] = call;
    f->out[4 + at] = (struct field){"agg", call.type};
}

static void plan_by_hand(struct fixture *f, const struct op_window *window)
{
    const enum type_kind in[COLUMNS] = {TYPE_TIMESTAMP, TYPE_STRING,  TYPE_STRING, TYPE_BIGINT,
                                        TYPE_DOUBLE,    TYPE_BOOLEAN, TYPE_INT};
    const enum type_kind out[4] = {TYPE_STRING, TYPE_TIMESTAMP, TYPE_TIMESTAMP, TYPE_TIMESTAMP};
    static const int keys[] = {1};
    const struct agg_call aggs[AGGS] = {
        {AGG_COUNT_STAR, .arg = -1, .filter = -1},
        {AGG_COUNT, .arg = 3, .filter = -1},
        {AGG_COUNT_DISTINCT, .arg = 2, .filter = -1},
        {AGG_COUNT_DISTINCT, .arg = 2, .filter = 5},
        {AGG_SUM, .arg = 3, .filter = -1},
        {AGG_SUM, .arg = 4, .filter = 5},
        {AGG_AVG, .arg = 3, .filter = 5},
        {AGG_AVG, .arg = 4, .filter = -1},
        {AGG_MIN, .arg = 2, .filter = -1},
        {AGG_MAX, .arg = 2, .filter = 5},
        {AGG_MIN, .arg = 3, .filter = -1},
        {AGG_MAX, .arg = 4, .filter = -1},
        {AGG_SUM, .arg = 6, .filter = -1},
    };
    for (int i = 0; i < COLUMNS; i++)
        f->in[i] = (struct field){"in", type_of(in[i])};
    for (int i = 0; i < 4; i++)
        f->out[i] = (struct field){"time", type_of(out[i])};
    for (int i = 0; i < AGGS; i++)
        add_agg(f, i, aggs[i]);
    f->before = (struct op){.kind = OP_CALC, .output = {f->in, COLUMNS}};
    f->single = (struct op){.kind = OP_WINDOW, .id = 3, .output = {f->out, 4 + AGGS}};
    f->single.window = *window;
    f->single.window.key_count = 1;
    f->single.window.keys = keys;
    f->single.window.agg_count = AGGS;
    f->single.window.aggs = f->aggs;
    rel_window_partials(&f->pool, &f->single.window, &f->before.output);
    f->partial = f->final = f->single;
    f->partial.window.phase = WINDOW_PARTIAL;
    f->partial.output = f->partial.window.partial_schema;
    f->final.window.phase = WINDOW_FINAL;
    f->single_ops[0] = f->partial_ops[0] = &f->before;
    f->single_ops[1] = &f->single;
    f->partial_ops[1] = &f->partial;
    f->final_ops[0] = &f->final;
    f->stages[0] = (struct stage){.ops = f->single_ops, .op_count = 2, .input_exchange = -1};
    f->stages[1] = (struct stage){.ops = f->partial_ops, .op_count = 2, .input_exchange = -1};
    f->stages[2] = (struct stage){.ops = f->final_ops, .op_count = 1, .input_exchange = 0};
    f->exchanges[0] = (struct exchange){.from_stage = 1, .to_stage = 2};
    f->plan = (struct plan){
        .stages = f->stages, .stage_count = 3, .exchanges = f->exchanges, .exchange_count = 1};
}

// --- nodes ---

static void attach(struct fixture *f, struct node *node, const struct stage *stage)
{
    struct err err = {{0}};
    assert_int_equal(arena_open(node->memory, ARENA_BYTES, &options, &node->arena, &err), 0);
    const struct op_context context = {.env = &f->env,
                                       .arena = node->arena,
                                       .plan = &f->plan,
                                       .op = stage->ops[stage->op_count - 1],
                                       .stage = stage,
                                       .next = &node->base,
                                       .late_rows = &node->late};
    assert_int_equal(window_class.open(&context, &node->window, &err), 0);
    node->out.len = node->committed;
    node->late = node->late_committed;
    node->given = node->given_committed;
}

static void start(struct fixture *f, struct node *node, const struct stage *stage,
                  const struct operator_class *output)
{
    struct err err = {{0}};
    *node = (struct node){.base.class = output, .watermark = INT64_MIN};
    node->memory = aligned_alloc(4096, ARENA_BYTES);
    assert_int_equal(arena_format(node->memory, ARENA_BYTES, &options, &err), 0);
    attach(f, node, stage);
    arena_commit(node->arena);
}

static void stop(struct node *node)
{
    struct err err = {{0}};
    assert_int_equal(arena_check(node->arena, &err), 0);
    // All windows are closed: a table and a heap of nothing are left.
    assert_true(arena_used_bytes(node->arena) < 1 << 20);
    window_class.close(node->window);
    arena_close(node->arena);
    free(node->memory);
    buf_fini(&node->out);
}

// The end of a transaction: true when it is a commit, false when the task died before it.
static bool survives(struct fixture *f, struct node *node, const struct stage *stage)
{
    if (f->one_in && chance(f, f->one_in) == 0) {
        window_class.close(node->window);
        arena_close(node->arena);
        attach(f, node, stage);
        return false;
    }
    arena_commit(node->arena);
    node->committed = node->out.len;
    node->late_committed = node->late;
    node->given_committed = node->given;
    return true;
}

static void work_off(struct fixture *f, struct node *node, const struct stage *stage)
{
    for (bool more = true; more;) {
        assert_int_equal(node->window->class->work(node->window, &more), 0);
        more |= !survives(f, node, stage);
    }
}

static void tick(struct fixture *f, struct node *node, const struct stage *stage)
{
    int64_t next;
    do
        assert_int_equal(node->window->class->processing_time(node->window, f->now_ms, &next), 0);
    while (!survives(f, node, stage));
}

// --- rows ---

static void make_rows(struct fixture *f, int64_t disorder)
{
    for (int i = 0; i < ROWS; i++) {
        struct row *row = &f->rows[i];
        row->ts = (int64_t)i * 10 - (int64_t)chance(f, (uint64_t)disorder);
        row->dimension = (int)chance(f, DIMENSIONS + 1) - 1;
        row->id = (int)chance(f, DEVICES + 1) - 1;
        row->has_n = chance(f, 4) != 0;
        row->n = (int64_t)chance(f, 2000) - 1000;
        row->has_d = chance(f, 4) != 0;
        row->d = (double)((int64_t)chance(f, 4000) - 2000) / 4; // sums of quarters are exact
        row->flag = (int)chance(f, 3) - 1;
    }
}

// By the distinct key: a shard sees all rows of an id.
static int shard_of(const struct fixture *f, int row)
{
    return (int)(hash_u64((uint64_t)f->rows[row].id) % SHARDS);
}

// Rows [from, to) that belong to `shard` (-1: all).
static void fill(const struct fixture *f, struct batch *batch, int from, int to, int shard)
{
    static char text[PIECE][2][16];
    uint32_t at = 0;
    for (int i = from; i < to; i++) {
        const struct row *row = &f->rows[i];
        if (shard >= 0 && shard_of(f, i) != shard)
            continue;
        snprintf(text[at][0], 16, "d%d", row->dimension);
        snprintf(text[at][1], 16, "x%d", row->id);
        struct column *c = batch->columns;
        const bool present[COLUMNS] = {true,       row->dimension >= 0, row->id >= 0, row->has_n,
                                       row->has_d, row->flag >= 0,      row->has_n};
        for (int k = 0; k < COLUMNS; k++)
            c[k].state[at] = present[k] ? VALUE_PRESENT : VALUE_NULL;
        c[0].i64[at] = row->ts;
        c[1].str[at] = slice_of(text[at][0]);
        c[2].str[at] = slice_of(text[at][1]);
        c[3].i64[at] = row->n;
        c[4].f64[at] = row->d;
        c[5].i64[at] = row->flag;
        c[6].i64[at++] = row->n * 4000000; // an INT sum that wraps
    }
    batch->count = at;
    for (int k = 0; k < COLUMNS; k++)
        column_summarize(&batch->columns[k], at);
}

// The watermark behind piece `piece`.
static int64_t watermark_after(const struct fixture *f, uint64_t piece)
{
    int64_t highest = INT64_MIN;
    if ((piece + 1) * PIECE >= ROWS)
        return INT64_MAX;
    for (uint64_t i = 0; i < (piece + 1) * PIECE; i++)
        highest = f->rows[i].ts > highest ? f->rows[i].ts : highest;
    return highest - BOUND;
}

// The next piece of rows, and the watermark behind it, into a SINGLE or a PARTIAL.
static void give_piece(struct fixture *f, struct node *node, const struct stage *stage, int shard)
{
    struct batch batch;
    batch_init(&batch, &f->before.output);
    do {
        int from = (int)node->given * PIECE, to = from + PIECE < ROWS ? from + PIECE : ROWS;
        fill(f, &batch, from, to, shard);
        assert_int_equal(operator_push(node->window, &batch), 0);
        int64_t watermark = watermark_after(f, node->given++);
        assert_int_equal(operator_watermark(node->window, watermark), 0);
    } while (!survives(f, node, stage));
    work_off(f, node, stage);
    batch_fini(&batch);
}

// --- the FINAL's input ---

static int64_t smallest(const int64_t *heard)
{
    int64_t least = INT64_MAX;
    for (int s = 0; s < SHARDS; s++)
        least = heard[s] < least ? heard[s] : least;
    return least;
}

// Up to `count` items of one shard's queue in a transaction.
static void deliver_once(struct fixture *f, int shard, uint64_t count, struct batch *batch)
{
    const struct buf *queue = &f->shards[shard].out;
    size_t *at = &f->taken[shard];
    batch->count = 0;
    while (count-- && *at < f->shards[shard].committed) {
        uint32_t bytes;
        memcpy(&bytes, queue->data + *at, 4);
        if (bytes == 0 && batch->count)
            break; // rows first
        if (bytes == 0) {
            memcpy(&f->heard[shard], queue->data + *at + 8, 8);
            *at += 16;
            break;
        }
        assert_int_equal(row_decode(queue->data + *at, queue->len - *at, batch), 0);
        *at += bytes;
    }
    row_decode_done(batch);
    assert_int_equal(operator_push(f->merge.window, batch), 0);
    if (smallest(f->heard) > smallest(f->heard_committed))
        assert_int_equal(operator_watermark(f->merge.window, smallest(f->heard)), 0);
}

static void deliver(struct fixture *f, int shard)
{
    struct batch batch;
    batch_init(&batch, &f->partial.output);
    for (;;) {
        deliver_once(f, shard, 1 + chance(f, 40), &batch);
        if (survives(f, &f->merge, &f->stages[2]))
            break;
        f->taken[shard] = f->taken_committed[shard];
        f->heard[shard] = f->heard_committed[shard];
    }
    f->taken_committed[shard] = f->taken[shard];
    f->heard_committed[shard] = f->heard[shard];
    work_off(f, &f->merge, &f->stages[2]);
    batch_fini(&batch);
}

// --- the naive answer ---

struct want {
    int64_t rows, n_count, n_sum, n_min, flag_n_count, flag_n_sum, int_sum;
    int64_t distinct, flag_distinct;
    double d_sum, d_max, flag_d_sum;
    int64_t d_count, flag_d_count;
    bool seen[DEVICES], flag_seen[DEVICES];
};

static void add_want(struct want *w, const struct row *row)
{
    bool flag = row->flag == 1;
    w->rows++;
    if (row->has_n) {
        w->n_min = !w->n_count || row->n < w->n_min ? row->n : w->n_min;
        w->n_count++;
        w->n_sum += row->n;
        w->int_sum += row->n * 4000000;
        w->flag_n_count += flag;
        w->flag_n_sum += flag ? row->n : 0;
    }
    if (row->has_d) {
        w->d_max = !w->d_count || row->d > w->d_max ? row->d : w->d_max;
        w->d_count++;
        w->d_sum += row->d;
        w->flag_d_count += flag;
        w->flag_d_sum += flag ? row->d : 0;
    }
    if (row->id < 0)
        return;
    w->distinct += !w->seen[row->id];
    w->seen[row->id] = true;
    w->flag_distinct += flag && !w->flag_seen[row->id];
    w->flag_seen[row->id] |= flag;
}

static void print_integer(struct buf *out, bool present, int64_t value)
{
    if (present)
        buf_printf(out, " %lld", (long long)value);
    else
        buf_append_str(out, " null");
}

static void print_double(struct buf *out, bool present, double value)
{
    if (present)
        buf_printf(out, " %.17g", value);
    else
        buf_append_str(out, " null");
}

// The smallest or greatest id as text.
static void print_extreme_id(struct buf *out, const bool *seen, bool greatest)
{
    char best[16] = "", text[16];
    for (int i = 0; i < DEVICES; i++) {
        snprintf(text, sizeof(text), "x%d", i);
        if (seen[i] && (!best[0] || (strcmp(text, best) > 0) == greatest))
            memcpy(best, text, sizeof(best));
    }
    buf_printf(out, " %s", best[0] ? best : "null");
}

static void print_want(const struct want *w, struct buf *out)
{
    print_integer(out, true, w->rows);
    print_integer(out, true, w->n_count);
    print_integer(out, true, w->distinct);
    print_integer(out, true, w->flag_distinct);
    print_integer(out, w->n_count, w->n_sum);
    print_double(out, w->flag_d_count, w->flag_d_sum);
    print_integer(out, w->flag_n_count, w->flag_n_count ? w->flag_n_sum / w->flag_n_count : 0);
    print_double(out, w->d_count, w->d_sum / (double)w->d_count);
    print_extreme_id(out, w->seen, false);
    print_extreme_id(out, w->flag_seen, true);
    print_integer(out, w->n_count, w->n_min);
    print_double(out, w->d_count, w->d_max);
    print_integer(out, w->n_count, (int32_t)w->int_sum);
    buf_append_char(out, '\n');
}

// One point of one window, for each dimension that has a row in it.
static void naive_point(const struct fixture *f, int64_t start, int64_t end, struct buf *out)
{
    const struct op_window *plan = &f->single.window;
    int64_t open_until =
        plan->kind == WINDOW_CUMULATE ? end - 1 : start + plan->size_ms - 1 + plan->lateness_ms;
    for (int d = -1; d < DIMENSIONS; d++) {
        struct want want = {0};
        int64_t watermark = INT64_MIN;
        for (int i = 0; i < ROWS; i++) {
            const struct row *row = &f->rows[i];
            if (i && i % PIECE == 0)
                watermark = watermark_after(f, (uint64_t)i / PIECE - 1);
            if (row->dimension == d && row->ts >= start && row->ts < end && open_until > watermark)
                add_want(&want, row);
        }
        if (!want.rows)
            continue;
        if (d < 0)
            buf_append_str(out, "+ null");
        else
            buf_printf(out, "+ d%d", d);
        buf_printf(out, " %lld %lld %lld", (long long)start, (long long)end, (long long)end - 1);
        print_want(&want, out);
    }
}

static void naive(const struct fixture *f, struct buf *out)
{
    const struct op_window *plan = &f->single.window;
    int64_t stride = plan->kind == WINDOW_HOP ? plan->step_ms : plan->size_ms;
    for (int64_t start = -(30000 + 2 * plan->size_ms) / stride * stride; start < ROWS * 10;
         start += stride)
        for (int64_t end = start + (plan->kind == WINDOW_CUMULATE ? plan->step_ms : plan->size_ms);
             end <= start + plan->size_ms; end += plan->step_ms)
            naive_point(f, start, end, out);
}

// --- comparing ---

static int compare_lines(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

// What the changelog comes to: each retraction takes away the row that it names, which must be
// there. Sorted.
static void materialise(struct buf *buf)
{
    static char *lines[60000];
    size_t count = 0;
    struct buf result = {0};
    char *next = (char *)(uintptr_t)buf_str(buf);
    for (char *line; (line = strsep(&next, "\n")) && *line;) {
        if (*line == '+') {
            lines[count++] = line;
            continue;
        }
        size_t at = count;
        while (at > 0 && strcmp(lines[at - 1] + 1, line + 1) != 0)
            at--;
        assert_true(at > 0);
        lines[at - 1] = lines[--count];
    }
    qsort(lines, count, sizeof(*lines), compare_lines);
    for (size_t i = 0; i < count; i++)
        buf_printf(&result, "%s\n", lines[i]);
    buf_fini(buf);
    *buf = result;
}

static int64_t fake_now(struct env *env)
{
    return *(int64_t *)env->context;
}

// A step of one of the tasks, whichever chance takes, until all are at the end.
static void run_sharded(struct fixture *f)
{
    uint64_t pieces = (ROWS + PIECE - 1) / PIECE;
    while (f->merge.watermark != INT64_MAX) {
        int shard = (int)chance(f, SHARDS);
        f->now_ms += (int64_t)chance(f, 15);
        if (chance(f, 3) == 0 && f->shards[shard].given < pieces)
            give_piece(f, &f->shards[shard], &f->stages[1], shard);
        else if (chance(f, 8) == 0)
            tick(f, &f->shards[shard], &f->stages[1]);
        else if (chance(f, 8) == 0)
            tick(f, &f->merge, &f->stages[2]);
        else if (f->taken[shard] < f->shards[shard].committed)
            deliver(f, shard);
    }
}

static void check(const struct op_window *window, int64_t disorder, uint32_t one_in)
{
    static struct fixture f;
    struct buf want = {0};
    f = (struct fixture){.seed = (uint64_t)time(NULL)};
    print_message("seed %llu\n", (unsigned long long)f.seed);
    f.env = (struct env){.context = &f.now_ms, .realtime_ms = fake_now};
    plan_by_hand(&f, window);
    make_rows(&f, disorder);
    start(&f, &f.alone, &f.stages[0], &text_class);
    start(&f, &f.merge, &f.stages[2], &text_class);
    for (int s = 0; s < SHARDS; s++) {
        start(&f, &f.shards[s], &f.stages[1], &queue_class);
        f.heard[s] = f.heard_committed[s] = INT64_MIN;
    }
    f.one_in = one_in;
    while (f.alone.watermark != INT64_MAX) {
        f.now_ms += 3;
        give_piece(&f, &f.alone, &f.stages[0], -1);
        tick(&f, &f.alone, &f.stages[0]);
    }
    run_sharded(&f);
    naive(&f, &want);
    materialise(&want);
    materialise(&f.alone.out);
    bool retracts = strstr(buf_str(&f.merge.out), "\n-") != NULL;
    assert_int_equal(retracts, window->early_delay_ms > 0 || window->late_delay_ms > 0);
    materialise(&f.merge.out);
    assert_true(want.len > 2000);
    assert_string_equal(buf_str(&f.alone.out), buf_str(&want));
    assert_string_equal(buf_str(&f.merge.out), buf_str(&want));
    uint64_t late = f.merge.late;
    for (int s = 0; s < SHARDS; s++) {
        late += f.shards[s].late;
        stop(&f.shards[s]);
    }
    assert_int_equal(late, f.alone.late);
    buf_fini(&want);
    stop(&f.alone);
    stop(&f.merge);
    pool_fini(&f.pool);
}

static const struct op_window tumble = {.kind = WINDOW_TUMBLE,
                                        .size_ms = 5 * STEP,
                                        .step_ms = 5 * STEP,
                                        .early_delay_ms = -1,
                                        .late_delay_ms = -1};
static const struct op_window hop = {.kind = WINDOW_HOP,
                                     .size_ms = 4 * STEP,
                                     .step_ms = STEP,
                                     .early_delay_ms = -1,
                                     .late_delay_ms = -1};
static const struct op_window cumulate = {.kind = WINDOW_CUMULATE,
                                          .size_ms = 20 * STEP,
                                          .step_ms = STEP,
                                          .early_delay_ms = -1,
                                          .late_delay_ms = -1};

static void test_window_phases_give_what_one_task_gives(void **state)
{
    (void)state;
    check(&tumble, 2000, 0);
    check(&hop, 2000, 0);
    struct op_window uneven = hop; // the slide does not divide the size
    uneven.size_ms = 3 * STEP + 500;
    check(&uneven, 2000, 0);
    uneven.size_ms = STEP - 300; // and leaves gaps
    check(&uneven, 2000, 0);
    check(&cumulate, 2000, 0);
}

static void test_window_phases_judge_late_rows_alike(void **state)
{
    (void)state;
    check(&tumble, 9000, 0);
    check(&hop, 9000, 0);
    check(&cumulate, 9000, 0);
}

static void test_window_phases_survive_deaths(void **state)
{
    (void)state;
    check(&tumble, 9000, 3);
    check(&hop, 9000, 3);
    check(&cumulate, 9000, 3);
}

// Early fires, and late ones with retractions, come to the same in the end.
static void test_window_phases_fire_early_and_late(void **state)
{
    (void)state;
    struct op_window window = tumble;
    window.changelog = true;
    check(&window, 9000, 4);
    window.early_delay_ms = 100;
    check(&window, 2000, 0);
    check(&window, 9000, 4);
    window.late_delay_ms = 50;
    window.lateness_ms = 3000;
    check(&window, 9000, 0);
    check(&window, 9000, 4);
    window = hop;
    window.changelog = true;
    window.early_delay_ms = 70;
    window.late_delay_ms = 30;
    window.lateness_ms = 2000;
    check(&window, 9000, 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_phases_give_what_one_task_gives),
        cmocka_unit_test(test_window_phases_judge_late_rows_alike),
        cmocka_unit_test(test_window_phases_survive_deaths),
        cmocka_unit_test(test_window_phases_fire_early_and_late),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
