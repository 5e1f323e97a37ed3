// build_statement.c: constructors of statements, and what can be checked without knowing any table.
#include "core/base/check.h"
#include "core/sql/build.h"
#include "core/sql/parse.h"

struct sql_statement *sql_statement_of(struct sql_parser *parser, enum sql_statement_kind kind,
                                       struct source_pos pos)
{
    struct sql_statement *statement = pool_zalloc(parser->pool, sizeof(*statement));
    statement->kind = kind;
    statement->pos = pos;
    return statement;
}

void sql_statement_add(struct sql_parser *parser, struct sql_statements *list,
                       struct sql_statement *statement)
{
    SQL_APPEND(parser, list, statement);
}

void sql_table_begin(struct sql_parser *parser)
{
    parser->table = pool_zalloc(parser->pool, sizeof(*parser->table));
}

void sql_table_column(struct sql_parser *parser, struct sql_column column, struct source_pos pos)
{
    struct sql_create_table *table = parser->table;
    CHECK(table);
    column.pos = pos;
    for (int i = 0; i < table->columns.count; i++)
        if (strcmp(table->columns.items[i].name.text, column.name.text) == 0)
            sql_fail(parser, column.name.pos, "the table has a column '%s' already",
                     column.name.text);
    if (table->columns.count == SQL_COLUMNS_MAX)
        sql_fail(parser, pos, "a table has at most %d columns", SQL_COLUMNS_MAX);
    if (column.is_virtual && column.kind != SQL_COLUMN_METADATA)
        sql_fail(parser, pos, "only a METADATA column can be VIRTUAL");
    if (column.kind == SQL_COLUMN_METADATA && column.expr)
        sql_fail(parser, pos, "a computed column cannot be METADATA as well");
    SQL_APPEND(parser, &table->columns, column);
}

void sql_table_watermark(struct sql_parser *parser, struct sql_watermark watermark)
{
    struct sql_create_table *table = parser->table;
    CHECK(table);
    if (table->watermark)
        sql_fail(parser, watermark.pos, "a table has at most one watermark");
    table->watermark = pool_alloc(parser->pool, sizeof(watermark));
    *table->watermark = watermark;
}

void sql_table_primary_key(struct sql_parser *parser, struct sql_primary_key key)
{
    struct sql_create_table *table = parser->table;
    CHECK(table);
    if (table->primary_key.columns.count)
        sql_fail(parser, key.pos, "a table has at most one primary key");
    table->primary_key = key;
}

struct sql_option sql_option_of(struct sql_parser *parser, struct slice key, struct sql_expr *value)
{
    struct sql_option option = {
        .key = sql_cstr(parser, key, value->pos), .value = "", .value_pos = value->pos};
    if (value->kind == SQL_EXPR_STRING) {
        option.value = sql_cstr(parser, value->str, value->pos);
        return option;
    }
    sql_fail(parser, value->pos, "the value of an option is a string");
    sql_hint(parser, "put it into single quotes");
    return option;
}

void sql_option_add(struct sql_parser *parser, struct sql_options *options,
                    struct sql_option option)
{
    if (options->count == SQL_OPTIONS_MAX)
        sql_fail(parser, option.key_pos, "more than %d options", SQL_OPTIONS_MAX);
    for (int i = 0; i < options->count; i++)
        if (strcmp(options->items[i].key, option.key) == 0)
            sql_fail(parser, option.key_pos, "the option '%s' is given twice", option.key);
    SQL_APPEND(parser, options, option);
}
