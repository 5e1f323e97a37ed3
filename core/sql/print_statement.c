// print_statement.c: statements and whole scripts as text.
#include "core/base/check.h"
#include "core/sql/print.h"

static void print_comment(const char *comment, struct buf *out)
{
    if (!comment)
        return;
    buf_append_str(out, " COMMENT ");
    sql_print_string(slice_of(comment), out);
}

static void print_column(const struct sql_column *column, struct buf *out)
{
    sql_print_ident(&column->name, out);
    buf_append_char(out, ' ');
    if (column->kind == SQL_COLUMN_COMPUTED) {
        buf_append_str(out, "AS ");
        sql_ast_print_expr(column->expr, out);
    } else {
        sql_ast_print_type(column->type, out);
    }
    if (column->kind == SQL_COLUMN_METADATA) {
        buf_append_str(out, " METADATA");
        if (column->metadata_key) {
            buf_append_str(out, " FROM ");
            sql_print_string(slice_of(column->metadata_key), out);
        }
        buf_append_str(out, column->is_virtual ? " VIRTUAL" : "");
    }
    print_comment(column->comment, out);
}

static void print_elements(const struct sql_create_table *table, struct buf *out)
{
    for (int i = 0; i < table->columns.count; i++) {
        buf_append_str(out, i ? ",\n  " : "\n  ");
        print_column(&table->columns.items[i], out);
    }
    if (table->watermark) {
        buf_append_str(out, ",\n  WATERMARK FOR ");
        sql_print_name(&table->watermark->column, out);
        buf_append_str(out, " AS ");
        sql_ast_print_expr(table->watermark->expr, out);
    }
    if (table->primary_key.columns.count) {
        const char *name = table->primary_key.constraint_name;
        struct sql_ident ident = {.text = name};
        buf_append_str(out, name ? ",\n  CONSTRAINT " : ",\n  ");
        if (name)
            sql_print_ident(&ident, out);
        buf_append_str(out, name ? " PRIMARY KEY (" : "PRIMARY KEY (");
        sql_print_idents(&table->primary_key.columns, out);
        buf_append_str(out, ") NOT ENFORCED");
    }
}

static void print_create_table(const struct sql_create_table *table, struct buf *out)
{
    buf_printf(out, "CREATE %sTABLE %s", table->temporary ? "TEMPORARY " : "",
               table->if_not_exists ? "IF NOT EXISTS " : "");
    sql_print_name(&table->name, out);
    if (table->columns.count) {
        buf_append_str(out, " (");
        print_elements(table, out);
        buf_append_str(out, "\n)");
    }
    print_comment(table->comment, out);
    if (table->partitioned_by.count) {
        buf_append_str(out, "\nPARTITIONED BY (");
        sql_print_idents(&table->partitioned_by, out);
        buf_append_char(out, ')');
    }
    if (table->options.count) {
        buf_append_str(out, "\nWITH (");
        sql_print_options(&table->options, out);
        buf_append_char(out, ')');
    }
}

static void print_create_view(const struct sql_create_view *view, struct buf *out)
{
    buf_printf(out, "CREATE %sVIEW %s", view->temporary ? "TEMPORARY " : "",
               view->if_not_exists ? "IF NOT EXISTS " : "");
    sql_print_name(&view->name, out);
    if (view->columns.count) {
        buf_append_str(out, " (");
        sql_print_idents(&view->columns, out);
        buf_append_char(out, ')');
    }
    print_comment(view->comment, out);
    buf_append_str(out, " AS\n");
    sql_ast_print_query(view->query, 0, out);
}

static void print_insert(const struct sql_insert *insert, struct buf *out)
{
    buf_append_str(out, insert->overwrite ? "INSERT OVERWRITE " : "INSERT INTO ");
    sql_print_name(&insert->table, out);
    if (insert->options.count) {
        buf_append_str(out, " /*+ OPTIONS(");
        sql_print_options(&insert->options, out);
        buf_append_str(out, ") */");
    }
    for (int i = 0; i < insert->partition.count; i++) {
        struct sql_ident key = {.text = insert->partition.items[i].key};
        buf_append_str(out, i ? ", " : " PARTITION (");
        sql_print_ident(&key, out);
        buf_append_str(out, " = ");
        sql_print_string(slice_of(insert->partition.items[i].value), out);
    }
    buf_append_str(out, insert->partition.count ? ")" : "");
    if (insert->columns.count) {
        buf_append_str(out, " (");
        sql_print_idents(&insert->columns, out);
        buf_append_char(out, ')');
    }
    buf_append_char(out, '\n');
    sql_ast_print_query(insert->query, 0, out);
}

static void print_set(const struct sql_option *option, bool reset, struct buf *out)
{
    buf_append_str(out, reset ? "RESET" : "SET");
    if (!option->key)
        return;
    buf_append_char(out, ' ');
    sql_print_string(slice_of(option->key), out);
    if (reset)
        return;
    buf_append_str(out, " = ");
    sql_print_string(slice_of(option->value), out);
}

static void print_drop(const struct sql_drop *drop, struct buf *out)
{
    buf_printf(out, "DROP %s%s %s", drop->temporary ? "TEMPORARY " : "",
               drop->view ? "VIEW" : "TABLE", drop->if_exists ? "IF EXISTS " : "");
    sql_print_name(&drop->name, out);
}

void sql_ast_print_statement(const struct sql_statement *statement, struct buf *out)
{
    switch (statement->kind) {
    case SQL_STATEMENT_CREATE_TABLE:
        print_create_table(statement->create_table, out);
        break;
    case SQL_STATEMENT_CREATE_VIEW:
        print_create_view(statement->create_view, out);
        break;
    case SQL_STATEMENT_DROP:
        print_drop(statement->drop, out);
        break;
    case SQL_STATEMENT_SET:
    case SQL_STATEMENT_RESET:
        print_set(statement->option, statement->kind == SQL_STATEMENT_RESET, out);
        break;
    case SQL_STATEMENT_INSERT:
        print_insert(statement->insert, out);
        break;
    case SQL_STATEMENT_SET_OF_INSERTS:
        buf_append_str(out, "EXECUTE STATEMENT SET BEGIN\n");
        for (int i = 0; i < statement->inserts.count; i++) {
            sql_ast_print_statement(statement->inserts.items[i], out);
            buf_append_str(out, ";\n");
        }
        buf_append_str(out, "END");
        break;
    case SQL_STATEMENT_QUERY:
        sql_ast_print_query(statement->query, 0, out);
        break;
    case SQL_STATEMENT_EXPLAIN:
        buf_append_str(out, "EXPLAIN ");
        sql_ast_print_statement(statement->explained, out);
        break;
    }
}

void sql_ast_print(const struct sql_script *script, struct buf *out)
{
    for (int i = 0; i < script->statements.count; i++) {
        sql_ast_print_statement(script->statements.items[i], out);
        buf_append_str(out, ";\n");
    }
}
