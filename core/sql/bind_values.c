// bind_values.c: rows from nothing: VALUES, and SELECT without FROM.
//
// They need no source of their own: a datagen table counts the rows, and a CASE over its number
// gives each its values.
#include <errno.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

enum { VALUES_MAX = 1000 }; // rows times columns: each is a column of a batch while it is evaluated

int bind_numbers(struct binder *b, int count, struct relation *out)
{
    struct plan_table *table = pool_zalloc(b->pool, sizeof(*table));
    struct rel *rel = rel_make(b->pool, OP_SOURCE, NULL, 1);
    struct plan_option *options = pool_alloc(b->pool, 3 * sizeof(*options));
    struct type type = type_of(TYPE_BIGINT);
    type.not_null = true;
    rel->op.output.fields[0] = (struct field){"row", type};
    options[0] = (struct plan_option){"fields.row.kind", "sequence"};
    options[1] = (struct plan_option){"fields.row.start", "0"};
    options[2] = (struct plan_option){"fields.row.end", pool_printf(b->pool, "%d", count - 1)};
    table->name = "VALUES";
    table->connector = "datagen";
    table->options = options;
    table->option_count = 3;
    table->option_places = pool_zalloc(b->pool, 3 * sizeof(char *));
    table->physical = rel->op.output;
    rel->op.table = table;
    *out = (struct relation){.rel = rel}; // no column of it has a name in the query
    return 0;
}

static bool is_row(const struct sql_expr *e)
{
    return e->kind == SQL_EXPR_CALL && e->call->is_operator && strcmp(e->call->name, "ROW") == 0;
}

static int column_count(const struct sql_expr *row)
{
    return is_row(row) ? row->call->args.count : 1;
}

static const struct sql_expr *value_at(const struct sql_expr *row, int column)
{
    return is_row(row) ? row->call->args.items[column] : row;
}

// CASE row WHEN 0 THEN ... WHEN 1 THEN ... ELSE the last one's END
static int bind_column_values(struct binder *b, const struct sql_exprs *rows, int column,
                              struct expr **out)
{
    struct bind_scope scope = {.clause = "VALUES"};
    int args = 2 * rows->count - 1;
    struct expr **parts = pool_alloc(b->pool, sizeof(*parts) * (size_t)args);
    struct type type = type_of(TYPE_BIGINT);
    struct err cause = {0};
    type.not_null = true;
    for (int i = 0; i < rows->count; i++) {
        bool last = i == rows->count - 1;
        struct expr *equal[] = {expr_column(b->pool, 0, type), expr_int(b->pool, i)};
        int rc = bind_expr(b, &scope, value_at(rows->items[i], column), &parts[2 * i + !last]);
        if (rc == 0 && !last)
            rc = expr_call(b->pool, "=", (struct expr_args){equal, 2}, &parts[2 * i], &cause);
        if (rc)
            return rc;
    }
    *out = parts[0];
    if (rows->count > 1 && expr_call(b->pool, "CASE", (struct expr_args){parts, args}, out, &cause))
        return bind_expr_error(b, value_at(rows->items[1], column)->pos, &cause);
    return 0;
}

// What is wrong with the rows is said where the first wrong one stands.
static int check_rows(struct binder *b, const struct sql_exprs *rows)
{
    int columns = column_count(rows->items[0]);
    for (int i = 1; i < rows->count; i++)
        if (column_count(rows->items[i]) != columns)
            return diag_error(b->err, b->source, rows->items[i]->pos,
                              "this row has %d values, the first has %d",
                              column_count(rows->items[i]), columns);
    if (columns == 0)
        return diag_error(b->err, b->source, rows->items[0]->pos, "a row needs a value");
    if ((int64_t)rows->count * columns <= VALUES_MAX)
        return 0;
    diag_error(b->err, b->source, rows->items[VALUES_MAX / columns]->pos,
               "VALUES takes at most %d values here", VALUES_MAX);
    return diag_hint(b->err, "put them into a file, and read that");
}

int bind_values(struct binder *b, const struct sql_query *query, struct relation *out)
{
    const struct sql_exprs *rows = &query->rows;
    struct relation numbers = {0};
    int rc = check_rows(b, rows);
    if (rc == 0)
        rc = bind_numbers(b, rows->count, &numbers);
    if (rc)
        return rc;
    int columns = column_count(rows->items[0]);
    struct rel *calc = rel_calc(b->pool, numbers.rel, columns);
    for (int c = 0; c < columns && rc == 0; c++) {
        struct expr *value = NULL;
        rc = bind_column_values(b, rows, c, &value);
        if (rc)
            return rc;
        calc->op.calc.exprs[c] = value;
        calc->op.output.fields[c] = (struct field){pool_printf(b->pool, "EXPR$%d", c), value->type};
    }
    out->rel = calc;
    out->visible_count = columns;
    return 0;
}
