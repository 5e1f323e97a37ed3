// print.c: names, lists and types as text. What is printed parses again to the same tree: names
// that need backquotes get them.
#include "core/sql/print.h"

#include "core/base/check.h"
#include "core/sql/keyword.h"

void sql_print_line(struct buf *out, int indent)
{
    if (indent < 0) {
        buf_append_char(out, ' ');
        return;
    }
    if (out->len)
        buf_append_char(out, '\n');
    for (int i = 0; i < indent; i++)
        buf_append_str(out, "  ");
}

static void print_quoted(struct slice text, char quote, struct buf *out)
{
    buf_append_char(out, quote);
    for (uint64_t i = 0; i < text.len; i++) {
        if (text.ptr[i] == quote)
            buf_append_char(out, quote);
        buf_append_char(out, text.ptr[i]);
    }
    buf_append_char(out, quote);
}

void sql_print_string(struct slice text, struct buf *out)
{
    print_quoted(text, '\'', out);
}

// May the name stand without backquotes? Words that are keywords in some place get them everywhere.
static bool is_plain(struct slice text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool letter = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!letter && (i == 0 || !((c >= '0' && c <= '9') || c == '$')))
            return false;
    }
    return text.len > 0 && !sql_keyword_find(text);
}

void sql_print_ident(const struct sql_ident *ident, struct buf *out)
{
    struct slice text = slice_of(ident->text);
    if (is_plain(text))
        buf_append(out, text.ptr, text.len);
    else
        print_quoted(text, '`', out);
}

void sql_print_idents(const struct sql_idents *list, struct buf *out)
{
    for (int i = 0; i < list->count; i++) {
        buf_append_str(out, i ? ", " : "");
        sql_print_ident(&list->items[i], out);
    }
}

void sql_print_name(const struct sql_name *name, struct buf *out)
{
    for (int i = 0; i < name->parts.count; i++) {
        buf_append_str(out, i ? "." : "");
        sql_print_ident(&name->parts.items[i], out);
    }
}

void sql_print_exprs(const struct sql_exprs *list, struct buf *out)
{
    for (int i = 0; i < list->count; i++) {
        buf_append_str(out, i ? ", " : "");
        sql_ast_print_expr(list->items[i], out);
    }
}

void sql_print_order(const struct sql_order_items *list, struct buf *out)
{
    for (int i = 0; i < list->count; i++) {
        const struct sql_order_item *item = &list->items[i];
        buf_append_str(out, i ? ", " : "");
        sql_ast_print_expr(item->expr, out);
        buf_append_str(out, item->descending ? " DESC" : "");
        if (item->nulls_first >= 0)
            buf_append_str(out, item->nulls_first ? " NULLS FIRST" : " NULLS LAST");
    }
}

void sql_print_options(const struct sql_options *options, struct buf *out)
{
    for (int i = 0; i < options->count; i++) {
        buf_append_str(out, i ? ", " : "");
        sql_print_string(slice_of(options->items[i].key), out);
        buf_append_str(out, " = ");
        sql_print_string(slice_of(options->items[i].value), out);
    }
}

// --- types ---

static const char *const type_texts[SQL_TYPE_KIND_COUNT] = {
    [SQL_TYPE_BOOLEAN] = "BOOLEAN",
    [SQL_TYPE_TINYINT] = "TINYINT",
    [SQL_TYPE_SMALLINT] = "SMALLINT",
    [SQL_TYPE_INT] = "INT",
    [SQL_TYPE_BIGINT] = "BIGINT",
    [SQL_TYPE_FLOAT] = "FLOAT",
    [SQL_TYPE_DOUBLE] = "DOUBLE",
    [SQL_TYPE_DECIMAL] = "DECIMAL",
    [SQL_TYPE_CHAR] = "CHAR",
    [SQL_TYPE_VARCHAR] = "VARCHAR",
    [SQL_TYPE_STRING] = "STRING",
    [SQL_TYPE_BINARY] = "BINARY",
    [SQL_TYPE_VARBINARY] = "VARBINARY",
    [SQL_TYPE_BYTES] = "BYTES",
    [SQL_TYPE_DATE] = "DATE",
    [SQL_TYPE_TIME] = "TIME",
    [SQL_TYPE_TIMESTAMP] = "TIMESTAMP",
    [SQL_TYPE_TIMESTAMP_TZ] = "TIMESTAMP",
    [SQL_TYPE_TIMESTAMP_LTZ] = "TIMESTAMP_LTZ",
    [SQL_TYPE_INTERVAL_MONTH] = "INTERVAL YEAR TO MONTH",
    [SQL_TYPE_INTERVAL_DAY] = "INTERVAL DAY TO SECOND",
    [SQL_TYPE_ARRAY] = "ARRAY",
    [SQL_TYPE_MULTISET] = "MULTISET",
    [SQL_TYPE_MAP] = "MAP",
    [SQL_TYPE_ROW] = "ROW",
    [SQL_TYPE_RAW] = "RAW",
    [SQL_TYPE_NULL] = "NULL",
};

void sql_ast_print_type(const struct sql_type *type, struct buf *out)
{
    CHECK(type->kind < SQL_TYPE_KIND_COUNT);
    buf_append_str(out, type_texts[type->kind]);
    if (type->scale >= 0)
        buf_printf(out, "(%d, %d)", type->precision, type->scale);
    else if (type->precision >= 0)
        buf_printf(out, "(%d)", type->precision);
    if (type->kind == SQL_TYPE_TIMESTAMP_TZ)
        buf_append_str(out, " WITH TIME ZONE");
    for (int i = 0; i < type->children.count; i++) {
        const struct sql_type *child = type->children.items[i];
        buf_append_str(out, i ? ", " : "<");
        if (child->field_name.text) {
            sql_print_ident(&child->field_name, out);
            buf_append_char(out, ' ');
        }
        sql_ast_print_type(child, out);
    }
    buf_append_str(out, type->children.count ? ">" : "");
    buf_append_str(out, type->not_null ? " NOT NULL" : "");
}
