// stages.c: where a chain is cut, and how many tasks run each piece.
//
// An exchange exists only where it is needed: with one core a pipeline is one task. Each decision
// carries the sentence that explain prints for it.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/plan/logical.h"
#include "core/plan/spread.h"
#include "core/time/window.h"

enum { MAX_PARALLELISM = 1024 };

struct cutter {
    struct plan *plan;
    int stage_capacity, exchange_capacity;
    int next_op_id;
    struct spread_budget budget;  // of each pipeline
    struct spread_decision first; // for the first window of the pipeline that is being cut
    const char *reason;           // of the parallelism
};

// --- parallelism ---

static int read_parallelism(struct cutter *cut, const struct logical *logical, int cores,
                            struct err *err)
{
    struct pool *pool = &cut->plan->pool;
    const char *text = plan_setting(cut->plan, "parallelism.default", "auto");
    if (strcmp(text, "auto") != 0 && strcmp(text, "-1") != 0) {
        char *end = NULL;
        long value = strtol(text, &end, 10);
        if (end == text || *end || value < 1 || value > MAX_PARALLELISM)
            return err_set(
                err, -EINVAL,
                "parallelism.default = '%s': write a whole number from 1 to %d, or 'auto'", text,
                MAX_PARALLELISM);
        cut->budget = (struct spread_budget){.forced = true, .tasks = (int)value};
        cut->reason = pool_printf(pool, "parallelism.default is %ld", value);
        return 0;
    }
    int share = cores / logical->pipeline_count;
    cut->budget.tasks = share < 1 ? 1 : share; // one core: nothing needs an exchange
    cut->reason = logical->pipeline_count == 1
                      ? pool_printf(pool, "auto, %d core%s", cores, cores == 1 ? "" : "s")
                      : pool_printf(pool, "auto, %d cores shared by %d pipelines", cores,
                                    logical->pipeline_count);
    return 0;
}

// --- growing the plan ---

static struct stage *add_stage(struct cutter *cut, int parallelism, int input_exchange)
{
    struct plan *plan = cut->plan;
    CHECK(plan->stage_count < cut->stage_capacity);
    struct stage *stage = &plan->stages[plan->stage_count++];
    stage->parallelism = parallelism;
    stage->input_exchange = input_exchange;
    stage->output_exchange = -1;
    stage->first_task = plan->task_count;
    stage->reason = cut->reason;
    plan->task_count += parallelism;
    return stage;
}

static struct exchange *add_exchange(struct cutter *cut, struct stage *from)
{
    struct plan *plan = cut->plan;
    CHECK(plan->exchange_count < cut->exchange_capacity);
    struct exchange *exchange = &plan->exchanges[plan->exchange_count];
    exchange->from_stage = (int)(from - plan->stages);
    exchange->to_stage = plan->stage_count;
    from->output_exchange = plan->exchange_count++;
    return exchange;
}

static struct op *add_op(struct cutter *cut, struct stage *stage, const struct op *op)
{
    struct pool *pool = &cut->plan->pool;
    struct op **ops = pool_alloc(pool, sizeof(*ops) * (size_t)(stage->op_count + 1));
    for (int i = 0; i < stage->op_count; i++)
        ops[i] = stage->ops[i];
    struct op *copy = pool_alloc(pool, sizeof(*copy));
    *copy = *op;
    copy->id = cut->next_op_id++;
    ops[stage->op_count++] = copy;
    stage->ops = ops;
    return copy;
}

// --- watermarks that producers may leave out ---

int64_t plan_window_grid(const struct op_window *window, int64_t *offset_ms)
{
    const int64_t zone_grid = 15 * 60000; // every zone's offset since 1972 is a multiple of this
    int64_t step = window_gcd(window->size_ms, window->step_ms);
    *offset_ms = window->offset_ms;
    if (window->lateness_ms > 0)
        step = window_gcd(step, window->lateness_ms);
    return window->zone ? window_gcd(step, zone_grid) : step;
}

static bool names_watermark(const struct expr *expr)
{
    struct buf text = {0};
    expr_format(expr, NULL, &text);
    bool found = strstr(buf_str(&text), "CURRENT_WATERMARK") != NULL;
    buf_fini(&text);
    return found; // a string literal that says so costs speed, not an answer
}

bool plan_calc_reads_watermark(const struct op *op)
{
    if (op->kind != OP_CALC)
        return false;
    for (int i = 0; i < op->output.field_count; i++)
        if (names_watermark(op->calc.exprs[i]))
            return true;
    return op->calc.filter && names_watermark(op->calc.filter);
}

// `rest` is the chain from the consumer's first operator on. All windows behind an exchange share
// its watermarks, so the grid is the common one; with differing offsets, or when an expression asks
// for the watermark, every one travels.
static void thin_watermarks(struct exchange *exchange, struct op *const *rest, int count)
{
    int64_t step = 0, offset = 0;
    for (int i = 0; i < count; i++) {
        int64_t window_offset = offset;
        if (plan_calc_reads_watermark(rest[i]))
            return; // the steps of an exchange begin as 0
        if (rest[i]->kind != OP_WINDOW)
            continue;
        int64_t window_step = plan_window_grid(&rest[i]->window, &window_offset);
        if (step && window_offset != offset)
            return;
        offset = window_offset;
        step = window_gcd(step, window_step);
    }
    exchange->watermark_step_ms = step;
    exchange->watermark_offset_ms = offset;
}

// --- exchanges ---

static const int *number_list(struct pool *pool, const int *from, int count)
{
    int *list = pool_alloc(pool, sizeof(int) * (size_t)(count + 1));
    for (int i = 0; i < count; i++)
        list[i] = from ? from[i] : i;
    return list;
}

static void hash_on(struct pool *pool, struct exchange *exchange, const int *columns, int count)
{
    exchange->kind = EXCHANGE_HASH;
    exchange->hash_columns = number_list(pool, columns, count);
    exchange->hash_column_count = count;
}

// --- cutting one chain ---

struct chain {
    struct op **ops;
    int count;
};

static struct chain flatten(struct pool *pool, const struct rel *sink)
{
    struct chain chain = {0};
    for (const struct rel *rel = sink; rel; rel = rel->input)
        chain.count++;
    chain.ops = pool_alloc(pool, sizeof(*chain.ops) * (size_t)chain.count);
    int at = chain.count;
    for (const struct rel *rel = sink; rel; rel = rel->input) {
        struct op *copy = pool_alloc(pool, sizeof(*copy));
        *copy = rel->op;
        chain.ops[--at] = copy;
    }
    CHECK(chain.ops[0]->kind == OP_SOURCE);
    return chain;
}

static struct op *add_window(struct cutter *cut, struct stage *stage, const struct op *window,
                             enum window_phase phase)
{
    struct op *op = add_op(cut, stage, window);
    op->window.phase = phase;
    if (phase == WINDOW_PARTIAL)
        op->output = op->window.partial_schema;
    return op;
}

// Partial results go to WINDOW_FINAL in a new stage of `parallelism`.
static struct stage *add_final(struct cutter *cut, struct stage *stage, const struct chain *rest,
                               int parallelism, const char *reason)
{
    const struct op_window *window = &rest->ops[0]->window;
    struct exchange *exchange = add_exchange(cut, stage);
    hash_on(&cut->plan->pool, exchange, NULL, window->key_count); // keys lead the partial row
    thin_watermarks(exchange, rest->ops, rest->count);
    exchange->reason = reason;
    struct stage *final = add_stage(cut, parallelism, stage->output_exchange);
    add_window(cut, final, rest->ops[0], WINDOW_FINAL);
    return final;
}

static struct stage *cut_two_phase(struct cutter *cut, struct stage *stage,
                                   const struct chain *rest, const char *reason)
{
    int final_tasks = rest->ops[0]->window.key_count ? cut->first.aggregators : 1;
    add_window(cut, stage, rest->ops[0], WINDOW_PARTIAL);
    return add_final(cut, stage, rest, final_tasks, reason);
}

static struct stage *cut_distinct(struct cutter *cut, struct stage *stage, const struct chain *rest,
                                  const struct spread_decision *decision)
{
    struct exchange *exchange = add_exchange(cut, stage);
    hash_on(&cut->plan->pool, exchange, &decision->column, 1);
    thin_watermarks(exchange, rest->ops, rest->count);
    exchange->reason = decision->reason;
    struct stage *shards = add_stage(cut, cut->first.aggregators, stage->output_exchange);
    add_window(cut, shards, rest->ops[0], WINDOW_PARTIAL);
    struct stage *merge = add_final(cut, shards, rest, 1, "adds the counts of the shards");
    merge->reason = "the merge stage handles one row for each group, window and shard";
    return merge;
}

static struct stage *cut_raw(struct cutter *cut, struct stage *stage, const struct chain *rest,
                             const struct spread_decision *decision)
{
    const struct op_window *window = &rest->ops[0]->window;
    struct exchange *exchange = add_exchange(cut, stage);
    int parallelism = decision->spread == SPREAD_KEYS ? cut->first.aggregators : 1;
    if (decision->spread == SPREAD_FORWARD)
        exchange->kind = EXCHANGE_FORWARD;
    else
        hash_on(&cut->plan->pool, exchange, window->keys, window->key_count);
    thin_watermarks(exchange, rest->ops, rest->count);
    exchange->reason = decision->reason;
    struct stage *next = add_stage(cut, parallelism, stage->output_exchange);
    add_window(cut, next, rest->ops[0], WINDOW_SINGLE);
    return next;
}

// Add the window rest->ops[0] behind `stage`; returns the stage that its results come out of.
static struct stage *cut_window(struct cutter *cut, struct stage *stage, const struct chain *rest,
                                bool first)
{
    const struct op *op = rest->ops[0];
    if (cut->first.spread == SPREAD_ONE_TASK || (!first && stage->parallelism == 1)) {
        add_window(cut, stage, op, WINDOW_SINGLE);
        return stage;
    }
    struct spread_decision decision =
        first ? cut->first
              : spread_by_keys(&op->window, "a second window groups the results of the first");
    switch (decision.spread) {
    case SPREAD_DISTINCT:
        return cut_distinct(cut, stage, rest, &decision);
    case SPREAD_TWO_PHASE:
        return cut_two_phase(cut, stage, rest, decision.reason);
    default:
        return cut_raw(cut, stage, rest, &decision);
    }
}

static void name_stages(struct plan *plan, int from)
{
    static const char *const names[] = {
        [OP_SOURCE] = "source", [OP_CALC] = "calc", [OP_WATERMARK] = "watermark",
        [OP_WINDOW] = "window", [OP_SINK] = "sink", [OP_ASSIGN] = "window function"};
    static const char *const phases[] = {[WINDOW_SINGLE] = "window",
                                         [WINDOW_PARTIAL] = "partial window",
                                         [WINDOW_FINAL] = "final window"};
    for (int s = from; s < plan->stage_count; s++) {
        struct buf text = {0};
        for (int i = 0; i < plan->stages[s].op_count; i++) {
            const struct op *op = plan->stages[s].ops[i];
            const char *name = op->kind == OP_WINDOW ? phases[op->window.phase] : names[op->kind];
            buf_printf(&text, "%s%s", i ? " -> " : "", name);
            if (op->kind == OP_SOURCE || op->kind == OP_SINK)
                buf_printf(&text, ": %s", op->table->name);
        }
        plan->stages[s].name = pool_strdup(&plan->pool, buf_str(&text));
        buf_fini(&text);
    }
}

// What the pipeline's first window, which may not be there, asks for.
static int decide_pipeline(struct cutter *cut, const struct chain *chain)
{
    int first = -1, windows = 0;
    struct spread_input input = {.source = chain->ops[0]->table,
                                 .may_be_idle = spread_source_follows(chain->ops[0]->table)};
    for (int i = 0; i < chain->count; i++) {
        const struct op *op = chain->ops[i];
        input.may_be_idle |= op->kind == OP_WATERMARK && op->watermark.idle_timeout_ms > 0;
        if (op->kind == OP_WINDOW && windows++ == 0)
            first = i;
    }
    int tasks = cut->budget.forced ? cut->budget.tasks : 1;
    cut->first = (struct spread_decision){SPREAD_ONE_TASK, -1, tasks, tasks, NULL};
    if (windows == 0)
        return 0;
    input.schema = &chain->ops[first - 1]->output;
    cut->first = spread_window(&cut->plan->pool, &cut->budget, &input, &chain->ops[first]->window);
    return windows;
}

// --- sinks by key ---

// Which column of the rows that come out of the stage's last window, or into the stage, is `column`
// of its last operator? -1: none, it is computed.
static int origin_of(const struct stage *stage, int column)
{
    for (int i = stage->op_count - 1; i >= 0 && stage->ops[i]->kind != OP_WINDOW && column >= 0;
         i--) {
        const struct op *op = stage->ops[i];
        if (op->kind != OP_CALC)
            return -1;
        const struct expr *expr = op->calc.exprs[column];
        column = expr->kind == EXPR_COLUMN ? expr->column : -1;
    }
    return column;
}

// Do rows of one primary key all come out of one task of the stage? When it is fed by the hash of
// group keys (they lead what a window gives), and each of those is in the primary key.
static bool is_keyed(const struct cutter *cut, const struct stage *stage,
                     const struct plan_table *table)
{
    const struct op *window = NULL;
    for (int i = 0; i < stage->op_count; i++)
        window = stage->ops[i]->kind == OP_WINDOW ? stage->ops[i] : window;
    if (stage->input_exchange < 0 || !window ||
        cut->plan->exchanges[stage->input_exchange].kind != EXCHANGE_HASH)
        return false;
    for (int key = 0; key < window->window.key_count; key++) {
        bool found = false;
        for (int i = 0; i < table->primary_key_count; i++)
            found |= origin_of(stage, plan_written_place(table, table->primary_key[i])) == key;
        if (!found)
            return false;
    }
    return true;
}

static bool is_written_by_key(const struct plan_table *table)
{
    return table->primary_key_count > 0 &&
           (plan_is_upsert(table) || strcmp(table->connector, "kafka") == 0);
}

// Rows for a sink with a primary key go where the others of their key go.
static struct stage *cut_sink(struct cutter *cut, struct stage *stage, const struct chain *rest)
{
    struct pool *pool = &cut->plan->pool;
    const struct plan_table *table = rest->ops[0]->table;
    if (stage->parallelism == 1 || !is_written_by_key(table) || is_keyed(cut, stage, table))
        return stage;
    int *columns = pool_alloc(pool, sizeof(int) * (size_t)table->primary_key_count);
    for (int i = 0; i < table->primary_key_count; i++)
        columns[i] = plan_written_place(table, table->primary_key[i]);
    struct exchange *exchange = add_exchange(cut, stage);
    hash_on(pool, exchange, columns, table->primary_key_count);
    exchange->reason = "rows of one primary key go to one task, so that the last one made is the "
                       "last one written";
    return add_stage(cut, stage->parallelism, stage->output_exchange);
}

static void cut_pipeline(struct cutter *cut, const struct rel *sink)
{
    struct plan *plan = cut->plan;
    int first_stage = plan->stage_count, seen = 0;
    struct chain chain = flatten(&plan->pool, sink);
    int windows = decide_pipeline(cut, &chain);
    struct stage *stage = add_stage(cut, cut->first.sources, -1);
    const char *shared = spread_of_source(chain.ops[0]->table);
    if (windows == 0 && !cut->budget.forced)
        stage->reason = "auto: nothing is aggregated, so source and sink share one task";
    else if (stage->parallelism > 1 && shared)
        stage->reason = pool_printf(&plan->pool, "%s; %s", cut->reason, shared);
    for (int i = 0; i < chain.count; i++) {
        struct chain rest = {chain.ops + i, chain.count - i};
        if (chain.ops[i]->kind == OP_WINDOW) {
            stage = cut_window(cut, stage, &rest, seen++ == 0);
            continue;
        }
        if (chain.ops[i]->kind == OP_SINK)
            stage = cut_sink(cut, stage, &rest);
        add_op(cut, stage, chain.ops[i]);
    }
    name_stages(plan, first_stage);
}

int plan_cut(struct plan *plan, const struct logical *logical, int cores, struct err *err)
{
    struct cutter cut = {.plan = plan};
    int rc = read_parallelism(&cut, logical, cores < 1 ? 1 : cores, err);
    if (rc)
        return rc;
    int windows = 0;
    for (int p = 0; p < logical->pipeline_count; p++)
        for (const struct rel *rel = logical->pipelines[p]; rel; rel = rel->input)
            windows += rel->op.kind == OP_WINDOW;
    // A window adds two at most, a sink one.
    cut.exchange_capacity = logical->pipeline_count + 2 * windows;
    cut.stage_capacity = logical->pipeline_count + cut.exchange_capacity;
    plan->stages = pool_zalloc(&plan->pool, sizeof(struct stage) * (size_t)cut.stage_capacity);
    plan->exchanges =
        pool_zalloc(&plan->pool, sizeof(struct exchange) * (size_t)(cut.exchange_capacity + 1));
    for (int p = 0; p < logical->pipeline_count; p++)
        cut_pipeline(&cut, logical->pipelines[p]);
    return 0;
}
