// logical.c: making relations and copying expressions. A bound expression belongs to one relation
// only: whoever needs it elsewhere copies it, so that renumbering one never changes the other.
#include "core/plan/logical.h"

#include "core/base/check.h"

struct rel *rel_make(struct pool *pool, enum op_kind kind, struct rel *input, int field_count)
{
    struct rel *rel = pool_zalloc(pool, sizeof(*rel));
    rel->op.kind = kind;
    rel->input = input;
    rel->op.output.field_count = field_count;
    rel->op.output.fields =
        pool_zalloc(pool, sizeof(struct field) * (size_t)(field_count > 0 ? field_count : 1));
    return rel;
}

struct rel *rel_calc(struct pool *pool, struct rel *input, int field_count)
{
    struct rel *rel = rel_make(pool, OP_CALC, input, field_count);
    rel->op.calc.exprs =
        pool_zalloc(pool, sizeof(struct expr *) * (size_t)(field_count > 0 ? field_count : 1));
    return rel;
}

bool plan_is_upsert(const struct plan_table *table)
{
    return strcmp(table->connector, "upsert-kafka") == 0;
}

bool plan_is_changelog(const struct plan_table *table)
{
    bool is = false;
    for (int i = 0; strcmp(table->connector, "kafka") == 0 && i < table->option_count; i++) {
        const struct plan_option *option = &table->options[i];
        is |= strcmp(option->value, "debezium-json") == 0 &&
              (strcmp(option->key, "format") == 0 || strcmp(option->key, "value.format") == 0);
    }
    return is;
}

static struct expr *copy_node(struct pool *pool, const struct expr *expr)
{
    struct expr *copy = pool_alloc(pool, sizeof(*copy));
    *copy = *expr;
    if (expr->arg_count)
        copy->args = pool_alloc(pool, sizeof(struct expr *) * (size_t)expr->arg_count);
    return copy;
}

struct expr *rel_substitute(struct pool *pool, const struct expr *expr, struct expr *const *with)
{
    if (expr->kind == EXPR_COLUMN && with) {
        CHECK(with[expr->column]);
        return rel_substitute(pool, with[expr->column], NULL); // without `with`: a plain copy
    }
    struct expr *copy = copy_node(pool, expr);
    for (int i = 0; i < expr->arg_count; i++)
        copy->args[i] = rel_substitute(pool, expr->args[i], with);
    return copy;
}

struct expr *rel_renumber(struct pool *pool, const struct expr *expr, const int *map)
{
    struct expr *copy = copy_node(pool, expr);
    if (expr->kind == EXPR_COLUMN) {
        CHECK(map[expr->column] >= 0);
        copy->column = map[expr->column];
    }
    for (int i = 0; i < expr->arg_count; i++)
        copy->args[i] = rel_renumber(pool, expr->args[i], map);
    return copy;
}

// Columns of one call in the partial row: AVG travels as sum and count.
static int partial_columns(const struct agg_call *call)
{
    return call->kind == AGG_AVG ? 2 : 1;
}

static struct type partial_type(const struct agg_call *call)
{
    struct type type = type_of(TYPE_BIGINT);
    switch (call->kind) {
    case AGG_COUNT_STAR:
    case AGG_COUNT:
    case AGG_COUNT_DISTINCT:
        type.not_null = true;
        return type;
    case AGG_SUM:
    case AGG_AVG:
        return type_of(call->arg_type.kind == TYPE_DOUBLE ? TYPE_DOUBLE : TYPE_BIGINT);
    default:
        type = call->arg_type;
        type.not_null = false;
        type.rowtime = false;
        return type;
    }
}

void rel_window_partials(struct pool *pool, struct op_window *window, const struct schema *input)
{
    int count = window->key_count + 3;
    for (int a = 0; a < window->agg_count; a++)
        count += partial_columns(&window->aggs[a]);
    struct field *fields = pool_zalloc(pool, sizeof(*fields) * (size_t)count);
    int at = 0;
    for (; at < window->key_count; at++)
        fields[at] = input->fields[window->keys[at]];
    for (int time = 0; time < 2; time++, at++) {
        fields[at].name = time == 0 ? "pane_start" : "slice_end";
        fields[at].type = type_of(TYPE_TIMESTAMP);
        fields[at].type.not_null = true;
    }
    fields[at].name = "rows";
    fields[at].type = type_of(TYPE_BIGINT);
    fields[at++].type.not_null = true;
    struct agg_call *aggs =
        pool_alloc(pool, sizeof(*aggs) * (size_t)(window->agg_count ? window->agg_count : 1));
    for (int a = 0; a < window->agg_count; a++) {
        aggs[a] = window->aggs[a];
        aggs[a].partial = at;
        fields[at].name = pool_printf(pool, "agg%d", a);
        fields[at++].type = partial_type(&aggs[a]);
        if (partial_columns(&aggs[a]) == 2) {
            fields[at].name = pool_printf(pool, "agg%d_count", a);
            fields[at++].type = type_of(TYPE_BIGINT);
        }
    }
    CHECK(at == count);
    window->aggs = aggs;
    window->partial_schema = (struct schema){.fields = fields, .field_count = count};
}
