// print_query.c: queries as an outline: a line for each clause, what is inside it one step deeper;
// on one line when the query stands inside an expression.
#include "core/base/check.h"
#include "core/sql/print.h"

// --- FROM ---

static void print_alias(const struct sql_table_ref *table, struct buf *out)
{
    if (!table->alias.text)
        return;
    buf_append_str(out, " AS ");
    sql_print_ident(&table->alias, out);
    if (table->column_aliases.count) {
        buf_append_str(out, " (");
        sql_print_idents(&table->column_aliases, out);
        buf_append_char(out, ')');
    }
}

static void print_join(const struct sql_join *join, int indent, struct buf *out)
{
    static const char *const words[] = {
        [SQL_JOIN_INNER] = "INNER JOIN ", [SQL_JOIN_LEFT] = "LEFT JOIN ",
        [SQL_JOIN_RIGHT] = "RIGHT JOIN ", [SQL_JOIN_FULL] = "FULL JOIN ",
        [SQL_JOIN_CROSS] = "CROSS JOIN ", [SQL_JOIN_COMMA] = ", ",
    };
    sql_print_table(join->left, indent, out);
    sql_print_line(out, indent);
    buf_append_str(out, join->natural ? "NATURAL " : "");
    buf_append_str(out, words[join->kind]);
    bool nested = join->right->kind == SQL_FROM_JOIN && join->kind != SQL_JOIN_COMMA;
    buf_append_str(out, nested ? "(" : "");
    sql_print_table(join->right, sql_print_deeper(indent), out);
    buf_append_str(out, nested ? ")" : "");
    if (join->on) {
        buf_append_str(out, " ON ");
        sql_ast_print_expr(join->on, out);
    }
    if (join->using.count) {
        buf_append_str(out, " USING (");
        sql_print_idents(&join->using, out);
        buf_append_char(out, ')');
    }
}

static void print_named_table(const struct sql_table_ref *table, struct buf *out)
{
    sql_print_name(&table->name, out);
    if (table->options.count) {
        buf_append_str(out, " /*+ OPTIONS(");
        sql_print_options(&table->options, out);
        buf_append_str(out, ") */");
    }
    if (table->system_time) {
        buf_append_str(out, " FOR SYSTEM_TIME AS OF ");
        sql_ast_print_expr(table->system_time, out);
    }
}

static void print_nested_query(const struct sql_query *query, int indent, struct buf *out)
{
    int deeper = sql_print_deeper(indent);
    buf_append_char(out, '(');
    if (deeper >= 0)
        sql_print_line(out, deeper);
    sql_ast_print_query(query, deeper, out);
    buf_append_char(out, ')');
}

void sql_print_table(const struct sql_table_ref *table, int indent, struct buf *out)
{
    bool functional = table->kind == SQL_FROM_FUNCTION;
    buf_append_str(out, table->lateral ? "LATERAL " : "");
    switch (table->kind) {
    case SQL_FROM_TABLE:
        print_named_table(table, out);
        break;
    case SQL_FROM_QUERY:
        print_nested_query(table->query, indent, out);
        break;
    case SQL_FROM_FUNCTION:
    case SQL_FROM_UNNEST:
        buf_append_str(out, functional ? "TABLE(" : "UNNEST(");
        sql_ast_print_expr(functional ? table->function : table->unnest, out);
        buf_append_char(out, ')');
        buf_append_str(out, table->with_ordinality ? " WITH ORDINALITY" : "");
        break;
    case SQL_FROM_JOIN:
        print_join(table->join, indent, out);
        break;
    }
    print_alias(table, out);
}

// --- GROUP BY ---

static void print_groups(const struct sql_groups *groups, struct buf *out);

static void print_group(const struct sql_group *group, struct buf *out)
{
    static const char *const opens[] = {
        [SQL_GROUP_EXPR] = "",           [SQL_GROUP_EMPTY] = "(",
        [SQL_GROUP_LIST] = "(",          [SQL_GROUP_SETS] = "GROUPING SETS (",
        [SQL_GROUP_ROLLUP] = "ROLLUP (", [SQL_GROUP_CUBE] = "CUBE (",
    };
    buf_append_str(out, opens[group->kind]);
    sql_print_exprs(&group->exprs, out);
    print_groups(&group->sets, out);
    buf_append_str(out, group->kind == SQL_GROUP_EXPR ? "" : ")");
}

static void print_groups(const struct sql_groups *groups, struct buf *out)
{
    for (int i = 0; i < groups->count; i++) {
        buf_append_str(out, i ? ", " : "");
        print_group(groups->items[i], out);
    }
}

// --- SELECT ---

static void print_items(const struct sql_select *select, int indent, struct buf *out)
{
    buf_append_str(out, select->distinct ? "SELECT DISTINCT" : "SELECT");
    for (int i = 0; i < select->items.count; i++) {
        const struct sql_select_item *item = &select->items.items[i];
        buf_append_str(out, i ? "," : "");
        sql_print_line(out, sql_print_deeper(indent));
        sql_ast_print_expr(item->expr, out);
        if (item->alias.text) {
            buf_append_str(out, " AS ");
            sql_print_ident(&item->alias, out);
        }
    }
}

static void print_condition(const char *word, const struct sql_expr *expr, int indent,
                            struct buf *out)
{
    if (!expr)
        return;
    sql_print_line(out, indent);
    buf_append_str(out, word);
    sql_ast_print_expr(expr, out);
}

static void print_windows(const struct sql_windows *windows, int indent, struct buf *out)
{
    for (int i = 0; i < windows->count; i++) {
        if (i)
            buf_append_char(out, ',');
        sql_print_line(out, indent);
        buf_append_str(out, i ? "" : "WINDOW ");
        sql_print_ident(&windows->items[i]->name, out);
        buf_append_str(out, " AS ");
        sql_print_window(windows->items[i], out);
    }
}

static void print_select(const struct sql_select *select, int indent, struct buf *out)
{
    print_items(select, indent, out);
    if (select->from) {
        sql_print_line(out, indent);
        buf_append_str(out, "FROM ");
        sql_print_table(select->from, sql_print_deeper(indent), out);
    }
    print_condition("WHERE ", select->where, indent, out);
    if (select->group_by.count) {
        sql_print_line(out, indent);
        buf_append_str(out, "GROUP BY ");
        print_groups(&select->group_by, out);
    }
    print_condition("HAVING ", select->having, indent, out);
    print_windows(&select->windows, indent, out);
}

static void print_rows(const struct sql_exprs *rows, int indent, struct buf *out)
{
    buf_append_str(out, "VALUES");
    for (int i = 0; i < rows->count; i++) {
        buf_append_str(out, i ? "," : "");
        sql_print_line(out, sql_print_deeper(indent));
        sql_ast_print_expr(rows->items[i], out);
    }
}

// --- the whole ---

static void print_ctes(const struct sql_ctes *ctes, int indent, struct buf *out)
{
    for (int i = 0; i < ctes->count; i++) {
        const struct sql_cte *cte = &ctes->items[i];
        buf_append_str(out, i ? ", " : "WITH ");
        sql_print_ident(&cte->name, out);
        if (cte->columns.count) {
            buf_append_str(out, " (");
            sql_print_idents(&cte->columns, out);
            buf_append_char(out, ')');
        }
        buf_append_str(out, " AS ");
        print_nested_query(cte->query, indent, out);
        sql_print_line(out, indent);
    }
}

static void print_set(const struct sql_set_query *set, int indent, struct buf *out)
{
    static const char *const words[] = {
        [SQL_UNION] = "UNION", [SQL_INTERSECT] = "INTERSECT", [SQL_EXCEPT] = "EXCEPT"};
    print_nested_query(set->left, indent, out);
    sql_print_line(out, indent);
    buf_printf(out, "%s%s", words[set->op], set->all ? " ALL " : " ");
    print_nested_query(set->right, indent, out);
}

static void print_tail(const struct sql_query *query, int indent, struct buf *out)
{
    if (query->order_by.count) {
        sql_print_line(out, indent);
        buf_append_str(out, "ORDER BY ");
        sql_print_order(&query->order_by, out);
    }
    print_condition("LIMIT ", query->limit, indent, out);
    print_condition("OFFSET ", query->offset, indent, out);
}

void sql_ast_print_query(const struct sql_query *query, int indent, struct buf *out)
{
    print_ctes(&query->ctes, indent, out);
    switch (query->kind) {
    case SQL_QUERY_SELECT:
        print_select(query->select, indent, out);
        break;
    case SQL_QUERY_SET:
        print_set(query->set, indent, out);
        break;
    case SQL_QUERY_VALUES:
        print_rows(&query->rows, indent, out);
        break;
    case SQL_QUERY_TABLE:
        buf_append_str(out, "TABLE ");
        sql_print_name(&query->table, out);
        break;
    case SQL_QUERY_NESTED:
        print_nested_query(query->nested, indent, out);
        break;
    }
    print_tail(query, indent, out);
}
