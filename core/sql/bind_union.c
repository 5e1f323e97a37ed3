// bind_union.c: UNION ALL at the top of a statement: each branch becomes a pipeline of its own, and
// all of them write to the one sink. A plan has no operator with two inputs yet, so a UNION ALL
// that something else reads is refused.
#include <errno.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

static bool is_union_all(const struct sql_query *query)
{
    return query->kind == SQL_QUERY_SET && query->set->op == SQL_UNION && query->set->all &&
           query->order_by.count == 0 && !query->limit && !query->offset;
}

static int add_branch(struct binder *b, const struct sql_query *query, struct branches *out)
{
    struct relation *branch;
    out->items = bind_grow(b, out->items, out->count, &out->capacity, sizeof(*out->items));
    branch = &out->items[out->count++];
    *branch = (struct relation){0};
    int rc = bind_query(b, query, branch);
    return rc ? rc : bind_complete_window(b, branch);
}

static int collect(struct binder *b, const struct sql_query *query, struct branches *out)
{
    int entry_count = b->entry_count;
    if (!is_union_all(query))
        return add_branch(b, query, out);
    bind_ctes(b, query);
    int rc = collect(b, query->set->left, out);
    if (rc == 0)
        rc = collect(b, query->set->right, out);
    b->entry_count = entry_count;
    return rc;
}

// The type of column `c` over all branches, in `out`.
static int common_type(struct binder *b, const struct branches *branches, int c, struct type *out)
{
    *out = branches->items[0].rel->op.output.fields[c].type;
    for (int i = 1; i < branches->count; i++) {
        struct type other = branches->items[i].rel->op.output.fields[c].type;
        struct expr *args[] = {expr_bool(b->pool, true), expr_column(b->pool, 0, *out),
                               expr_column(b->pool, 1, other)};
        struct expr *either = NULL;
        int rc = expr_call(b->pool, "CASE", (struct expr_args){args, 3}, &either, NULL);
        if (rc)
            return rc;
        *out = either->type;
    }
    out->rowtime = false;
    return 0;
}

static int cast_branch(struct binder *b, struct relation *branch, const struct field *fields)
{
    struct rel *calc = rel_calc(b->pool, branch->rel, branch->visible_count);
    for (int c = 0; c < branch->visible_count; c++) {
        struct expr *value = expr_column(b->pool, c, branch->rel->op.output.fields[c].type);
        struct err cause = {0};
        if (value->type.kind != fields[c].type.kind &&
            expr_cast(b->pool, value, fields[c].type, &value, &cause))
            return -EINVAL;
        calc->op.calc.exprs[c] = value;
        calc->op.output.fields[c] = fields[c];
    }
    branch->rel = calc;
    return 0;
}

// All branches get the names of the first and the types that all agree on.
static int unify(struct binder *b, const struct sql_query *query, struct branches *branches)
{
    int columns = branches->items[0].visible_count;
    struct field *fields = pool_zalloc(b->pool, sizeof(*fields) * (size_t)(columns + 1));
    for (int i = 1; i < branches->count; i++)
        if (branches->items[i].visible_count != columns)
            return diag_error(b->err, b->source, query->set->pos,
                              "the queries of UNION ALL have %d and %d columns", columns,
                              branches->items[i].visible_count);
    for (int c = 0; c < columns; c++) {
        fields[c].name = branches->items[0].rel->op.output.fields[c].name;
        if (common_type(b, branches, c, &fields[c].type))
            return diag_error(b->err, b->source, query->set->pos,
                              "column %d of the queries of UNION ALL has types that do not go "
                              "together: CAST one",
                              c + 1);
    }
    int rc = 0;
    for (int i = 0; i < branches->count && rc == 0; i++)
        rc = cast_branch(b, &branches->items[i], fields);
    CHECK(rc == 0); // the common type is one that each can be cast to
    return rc;
}

int bind_branches(struct binder *b, const struct sql_query *query, struct branches *out)
{
    while (query->kind == SQL_QUERY_NESTED && query->ctes.count == 0 && !query->limit &&
           !query->offset && query->order_by.count == 0)
        query = query->nested;
    int rc = collect(b, query, out);
    return rc || out->count == 1 ? rc : unify(b, query, out);
}
