// print.h: pieces that the printers of expressions, queries and statements share. Private to
// core/sql.
#ifndef WEIR_CORE_SQL_PRINT_H
#define WEIR_CORE_SQL_PRINT_H

#include "core/sql/ast.h"

// Start a new line: `indent` steps of two blanks; nothing in front of the first line of all. With a
// negative indent everything stays on one line: a blank.
void sql_print_line(struct buf *out, int indent);

// How far the clauses of something at `indent` are indented.
static inline int sql_print_deeper(int indent)
{
    return indent < 0 ? indent : indent + 1;
}

void sql_print_string(struct slice text, struct buf *out); // in quotes
void sql_print_ident(const struct sql_ident *ident, struct buf *out);
void sql_print_idents(const struct sql_idents *list, struct buf *out); // a, b
void sql_print_name(const struct sql_name *name, struct buf *out);
void sql_print_exprs(const struct sql_exprs *list, struct buf *out);
void sql_print_order(const struct sql_order_items *list, struct buf *out);
void sql_print_options(const struct sql_options *options, struct buf *out); // 'k' = 'v', ...
void sql_print_window(const struct sql_window *window, struct buf *out);    // (PARTITION BY ...)
void sql_print_table(const struct sql_table_ref *table, int indent, struct buf *out);

#endif
