// optimize.c: rewrites of a chain that never change its answer.
//
// Watermarks are computed over all rows of a source, so a filter is never moved below a watermark
// assigner: it would hold event time back.
#include "core/base/check.h"
#include "core/plan/logical.h"

// --- constants ---

static bool is_true(const struct expr *expr)
{
    return expr->kind == EXPR_LITERAL && !expr->is_null && expr->type.kind == TYPE_BOOLEAN &&
           expr->i64 == 1;
}

static void fold_calc(struct pool *pool, struct rel *rel)
{
    struct op_calc *calc = &rel->op.calc;
    for (int i = 0; i < rel->op.output.field_count; i++)
        calc->exprs[i] = expr_fold(pool, calc->exprs[i]);
    if (calc->filter)
        calc->filter = expr_fold(pool, calc->filter);
    if (calc->filter && is_true(calc->filter))
        calc->filter = NULL;
}

static void fold_chain(struct pool *pool, struct rel *rel)
{
    for (; rel; rel = rel->input) {
        if (rel->op.kind == OP_CALC)
            fold_calc(pool, rel);
        else if (rel->op.kind == OP_WATERMARK)
            rel->op.watermark.expr = expr_fold(pool, rel->op.watermark.expr);
    }
}

// --- merging projections ---

static void count_uses(const struct expr *expr, int *uses)
{
    if (expr->kind == EXPR_COLUMN)
        uses[expr->column]++;
    for (int i = 0; i < expr->arg_count; i++)
        count_uses(expr->args[i], uses);
}

// Merging must not make a computed column be computed twice.
static bool can_merge(struct pool *pool, const struct rel *outer, const struct rel *inner)
{
    int fields = inner->op.output.field_count;
    int *uses = pool_zalloc(pool, sizeof(int) * (size_t)(fields + 1));
    for (int i = 0; i < outer->op.output.field_count; i++)
        count_uses(outer->op.calc.exprs[i], uses);
    if (outer->op.calc.filter)
        count_uses(outer->op.calc.filter, uses);
    for (int i = 0; i < fields; i++)
        if (uses[i] > 1 && inner->op.calc.exprs[i]->kind == EXPR_CALL)
            return false;
    return true;
}

static struct expr *conjunction(struct pool *pool, struct expr *a, struct expr *b)
{
    if (!a || !b)
        return a ? a : b;
    struct expr *args[] = {a, b}, *both = NULL;
    int rc = expr_call(pool, "AND", (struct expr_args){args, 2}, &both, NULL);
    CHECK(rc == 0); // both are BOOLEAN: they were filters
    return both;
}

static void merge_calcs(struct pool *pool, struct rel *outer)
{
    while (outer->input && outer->input->op.kind == OP_CALC &&
           can_merge(pool, outer, outer->input)) {
        struct rel *inner = outer->input;
        struct op_calc *calc = &outer->op.calc;
        for (int i = 0; i < outer->op.output.field_count; i++)
            calc->exprs[i] = rel_substitute(pool, calc->exprs[i], inner->op.calc.exprs);
        if (calc->filter)
            calc->filter = rel_substitute(pool, calc->filter, inner->op.calc.exprs);
        calc->filter = conjunction(pool, inner->op.calc.filter, calc->filter);
        outer->input = inner->input;
        fold_calc(pool, outer);
    }
}

static void merge_chain(struct pool *pool, struct rel *rel)
{
    for (; rel; rel = rel->input)
        if (rel->op.kind == OP_CALC)
            merge_calcs(pool, rel);
}

// --- reading only what is needed ---

static bool *flags(struct pool *pool, int count)
{
    return pool_zalloc(pool, sizeof(bool) * (size_t)(count + 1));
}

// Keep the fields of `rel` that are needed; map[old] = new index, -1 for the dropped.
static int *drop_fields(struct pool *pool, struct rel *rel, const bool *needed)
{
    struct schema *schema = &rel->op.output;
    int *map = pool_alloc(pool, sizeof(int) * (size_t)(schema->field_count + 1));
    struct field *kept = pool_alloc(pool, sizeof(*kept) * (size_t)(schema->field_count + 1));
    int count = 0;
    for (int i = 0; i < schema->field_count; i++) {
        map[i] = needed[i] ? count : -1;
        if (needed[i])
            kept[count++] = schema->fields[i];
    }
    schema->fields = kept;
    schema->field_count = count;
    return map;
}

static int *prune(struct pool *pool, struct rel *rel, bool *needed);

static int *prune_source(struct pool *pool, struct rel *rel, bool *needed)
{
    bool any = false;
    for (int i = 0; i < rel->op.output.field_count; i++)
        any |= needed[i];
    if (!any) // rows are counted by their columns
        needed[0] = true;
    struct plan_table *table = pool_alloc(pool, sizeof(*table));
    *table = *rel->op.table;
    table->needed = needed;
    rel->op.table = table;
    return drop_fields(pool, rel, needed);
}

static int *prune_calc(struct pool *pool, struct rel *rel, const bool *needed)
{
    struct op_calc *calc = &rel->op.calc;
    int old_count = rel->op.output.field_count;
    int *map = drop_fields(pool, rel, needed);
    for (int i = 0; i < old_count; i++)
        if (map[i] >= 0)
            calc->exprs[map[i]] = calc->exprs[i]; // map[i] <= i
    bool *below = flags(pool, rel->input->op.output.field_count);
    for (int i = 0; i < rel->op.output.field_count; i++)
        expr_columns(calc->exprs[i], below);
    if (calc->filter)
        expr_columns(calc->filter, below);
    const int *input_map = prune(pool, rel->input, below);
    for (int i = 0; i < rel->op.output.field_count; i++)
        calc->exprs[i] = rel_renumber(pool, calc->exprs[i], input_map);
    if (calc->filter)
        calc->filter = rel_renumber(pool, calc->filter, input_map);
    return map;
}

static int *prune_watermark(struct pool *pool, struct rel *rel, bool *needed)
{
    struct op_watermark *watermark = &rel->op.watermark;
    needed[watermark->rowtime_column] = true;
    expr_columns(watermark->expr, needed);
    int *map = prune(pool, rel->input, needed);
    drop_fields(pool, rel, needed);
    watermark->rowtime_column = map[watermark->rowtime_column];
    watermark->expr = rel_renumber(pool, watermark->expr, map);
    return map;
}

// A window's output stays as the binder made it: every key and call in it is used.
static int *prune_window(struct pool *pool, struct rel *rel)
{
    bool *below = flags(pool, rel->input->op.output.field_count);
    for (int i = 0; i < rel->input->op.output.field_count; i++)
        below[i] = true; // its input projection holds exactly what it reads
    prune(pool, rel->input, below);
    int count = rel->op.output.field_count;
    int *map = pool_alloc(pool, sizeof(int) * (size_t)(count + 1));
    for (int i = 0; i < count; i++)
        map[i] = i;
    return map;
}

// What goes past the assigner is dropped when nobody needs it; its three times stay.
static int *prune_assign(struct pool *pool, struct rel *rel, bool *needed)
{
    struct op_window *window = &rel->op.window;
    bool *below = flags(pool, rel->input->op.output.field_count);
    int *kept = pool_alloc(pool, sizeof(int) * (size_t)(window->key_count + 1)), count = 0;
    for (int i = 0; i < window->key_count; i++) {
        below[window->keys[i]] |= needed[i];
        if (needed[i])
            kept[count++] = window->keys[i];
    }
    below[window->time_column] = true;
    for (int i = 0; i < 3; i++)
        needed[window->key_count + i] = true;
    int *map = drop_fields(pool, rel, needed);
    const int *input_map = prune(pool, rel->input, below);
    for (int i = 0; i < count; i++)
        kept[i] = input_map[kept[i]];
    window->keys = kept;
    window->key_count = count;
    window->time_column = input_map[window->time_column];
    return map;
}

// Drop the fields of `rel` that nobody above needs. Returns map[old field] = new field or -1. Adds
// to `needed` what the relation needs of itself; a source keeps the array.
static int *prune(struct pool *pool, struct rel *rel, bool *needed)
{
    switch (rel->op.kind) {
    case OP_SOURCE:
        return prune_source(pool, rel, needed);
    case OP_CALC:
        return prune_calc(pool, rel, needed);
    case OP_WATERMARK:
        return prune_watermark(pool, rel, needed);
    case OP_ASSIGN:
        return prune_assign(pool, rel, needed);
    default:
        CHECK(rel->op.kind == OP_WINDOW);
        return prune_window(pool, rel);
    }
}

// --- projections that do nothing ---

static bool is_identity(const struct rel *rel)
{
    const struct schema *in = &rel->input->op.output;
    if (rel->op.calc.filter || in->field_count != rel->op.output.field_count)
        return false;
    for (int i = 0; i < in->field_count; i++) {
        const struct expr *expr = rel->op.calc.exprs[i];
        if (expr->kind != EXPR_COLUMN || expr->column != i ||
            in->fields[i].type.kind != rel->op.output.fields[i].type.kind)
            return false;
    }
    return true;
}

static void drop_identities(struct rel *rel)
{
    for (; rel; rel = rel->input)
        while (rel->input && rel->input->op.kind == OP_CALC && is_identity(rel->input))
            rel->input = rel->input->input;
}

void rel_optimize(struct pool *pool, struct rel *sink)
{
    CHECK(sink->op.kind == OP_SINK);
    fold_chain(pool, sink);
    merge_chain(pool, sink);
    bool *needed = flags(pool, sink->input->op.output.field_count);
    for (int i = 0; i < sink->input->op.output.field_count; i++)
        needed[i] = true;
    prune(pool, sink->input, needed);
    drop_identities(sink);
}
