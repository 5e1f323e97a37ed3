// build_query.c: constructors of queries and of what stands in their clauses.
#include "core/base/check.h"
#include "core/sql/build.h"

struct sql_query *sql_query_of(struct sql_parser *parser, enum sql_query_kind kind,
                               struct source_pos pos)
{
    struct sql_query *query = pool_zalloc(parser->pool, sizeof(*query));
    query->kind = kind;
    query->height = 1;
    query->pos = pos;
    return query;
}

static void raise_groups(struct sql_parser *parser, int *height, const struct sql_groups *groups)
{
    for (int i = 0; i < groups->count; i++)
        sql_raise(parser, height, groups->items[i]->height, groups->items[i]->pos);
}

struct sql_query *sql_select_query(struct sql_parser *parser, struct sql_select *select,
                                   struct source_pos pos)
{
    struct sql_query *query = sql_query_of(parser, SQL_QUERY_SELECT, pos);
    query->select = select;
    int *height = &query->height;
    for (int i = 0; i < select->items.count; i++)
        sql_raise(parser, height, select->items.items[i].expr->height,
                  select->items.items[i].expr->pos);
    if (select->from)
        sql_raise(parser, height, select->from->height, select->from->pos);
    if (select->where)
        sql_raise(parser, height, select->where->height, select->where->pos);
    if (select->having)
        sql_raise(parser, height, select->having->height, select->having->pos);
    raise_groups(parser, height, &select->group_by);
    for (int i = 0; i < select->windows.count; i++)
        sql_raise(parser, height, select->windows.items[i]->height, select->windows.items[i]->pos);
    return query;
}

struct sql_query *sql_values_query(struct sql_parser *parser, struct sql_exprs rows,
                                   struct source_pos pos)
{
    struct sql_query *query = sql_query_of(parser, SQL_QUERY_VALUES, pos);
    query->rows = rows;
    for (int i = 0; i < rows.count; i++)
        sql_raise(parser, &query->height, rows.items[i]->height, rows.items[i]->pos);
    return query;
}

struct sql_query *sql_set_query(struct sql_parser *parser, struct sql_set_query set,
                                struct source_pos pos)
{
    struct sql_query *query = sql_query_of(parser, SQL_QUERY_SET, pos);
    query->set = memcpy(pool_alloc(parser->pool, sizeof(set)), &set, sizeof(set));
    sql_raise(parser, &query->height, set.left->height, set.pos);
    sql_raise(parser, &query->height, set.right->height, set.pos);
    return query;
}

static bool has_tail(const struct sql_query *query)
{
    return query->ctes.count || query->order_by.count || query->limit || query->offset;
}

static void put_tail(struct sql_parser *parser, struct sql_query *query,
                     const struct sql_query_tail *tail)
{
    query->order_by = tail->order_by;
    query->order_pos = tail->order_pos;
    query->offset = tail->offset;
    query->limit = tail->limit;
    query->limit_pos = tail->limit_pos;
    for (int i = 0; i < tail->order_by.count; i++)
        sql_raise(parser, &query->height, tail->order_by.items[i].expr->height, tail->order_pos);
}

struct sql_query *sql_query_with(struct sql_parser *parser, struct sql_query *query,
                                 struct sql_ctes ctes, const struct sql_query_tail *tail,
                                 struct source_pos pos)
{
    if (has_tail(query)) {
        struct sql_query *outer = sql_query_of(parser, SQL_QUERY_NESTED, pos);
        outer->nested = query;
        sql_raise(parser, &outer->height, query->height, pos);
        query = outer;
    }
    query->pos = pos;
    query->ctes = ctes;
    for (int i = 0; i < ctes.count; i++)
        sql_raise(parser, &query->height, ctes.items[i].query->height, ctes.items[i].name.pos);
    if (tail)
        put_tail(parser, query, tail);
    return query;
}

struct sql_table_ref *sql_from(struct sql_parser *parser, enum sql_from_kind kind,
                               struct source_pos pos)
{
    struct sql_table_ref *table = pool_zalloc(parser->pool, sizeof(*table));
    table->kind = kind;
    table->height = 1;
    table->pos = pos;
    return table;
}

void sql_alias_set(struct sql_table_ref *table, struct sql_alias alias)
{
    CHECK(!table->alias.text);
    table->alias = alias.name;
    table->column_aliases = alias.columns;
}

struct sql_table_ref *sql_from_query(struct sql_parser *parser, struct sql_query *query,
                                     struct sql_alias alias, struct source_pos pos)
{
    struct sql_table_ref *table = sql_from(parser, SQL_FROM_QUERY, pos);
    table->query = query;
    sql_alias_set(table, alias);
    sql_raise(parser, &table->height, query->height, pos);
    return table;
}

struct sql_table_ref *sql_from_function(struct sql_parser *parser, struct sql_expr *call,
                                        struct sql_alias alias, struct source_pos pos)
{
    CHECK(call->kind == SQL_EXPR_CALL);
    struct sql_table_ref *table = sql_from(parser, SQL_FROM_FUNCTION, pos);
    table->function = call;
    sql_alias_set(table, alias);
    sql_raise(parser, &table->height, call->height, pos);
    return table;
}

struct sql_table_ref *sql_from_unnest(struct sql_parser *parser, struct sql_expr *arg,
                                      struct sql_alias alias, struct source_pos pos)
{
    struct sql_table_ref *table = sql_from(parser, SQL_FROM_UNNEST, pos);
    table->unnest = arg;
    sql_alias_set(table, alias);
    sql_raise(parser, &table->height, arg->height, pos);
    return table;
}

struct sql_table_ref *sql_join(struct sql_parser *parser, struct sql_join join,
                               struct source_pos pos)
{
    struct sql_table_ref *table = sql_from(parser, SQL_FROM_JOIN, pos);
    table->join = memcpy(pool_alloc(parser->pool, sizeof(join)), &join, sizeof(join));
    sql_raise(parser, &table->height, join.left->height, join.pos);
    sql_raise(parser, &table->height, join.right->height, join.pos);
    if (join.on)
        sql_raise(parser, &table->height, join.on->height, join.on->pos);
    return table;
}

struct sql_group *sql_group_of(struct sql_parser *parser, enum sql_group_kind kind,
                               struct sql_expr *expr, struct source_pos pos)
{
    struct sql_group *group = pool_zalloc(parser->pool, sizeof(*group));
    group->kind = kind;
    group->height = 1;
    group->pos = pos;
    if (expr) {
        SQL_APPEND(parser, &group->exprs, expr);
        sql_raise(parser, &group->height, expr->height, pos);
    }
    return group;
}

struct sql_group *sql_group_sets(struct sql_parser *parser, enum sql_group_kind kind,
                                 struct sql_groups sets, struct source_pos pos)
{
    struct sql_group *group = sql_group_of(parser, kind, NULL, pos);
    group->sets = sets;
    raise_groups(parser, &group->height, &sets);
    for (int i = 0; i < sets.count; i++) {
        struct sql_group *set = sets.items[i];
        if (set->kind != SQL_GROUP_EXPR)
            continue;
        struct sql_exprs list = sql_unrow(parser, set->exprs.items[0]);
        set->kind = list.items[0] == set->exprs.items[0] ? SQL_GROUP_EXPR : SQL_GROUP_LIST;
        set->exprs = list;
    }
    return group;
}

struct sql_window *sql_window_of(struct sql_parser *parser, struct sql_window window,
                                 struct source_pos pos)
{
    struct sql_window *out =
        memcpy(pool_alloc(parser->pool, sizeof(window)), &window, sizeof(window));
    out->pos = pos;
    out->height = 1;
    for (int i = 0; i < out->partition_by.count; i++)
        sql_raise(parser, &out->height, out->partition_by.items[i]->height, pos);
    for (int i = 0; i < out->order_by.count; i++)
        sql_raise(parser, &out->height, out->order_by.items[i].expr->height, pos);
    if (out->start.offset)
        sql_raise(parser, &out->height, out->start.offset->height, pos);
    if (out->end.offset)
        sql_raise(parser, &out->height, out->end.offset->height, pos);
    return out;
}
