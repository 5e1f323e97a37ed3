// print_expr.c: expressions as text, with every operator in parentheses, so that the text shows how
// the parser understood it. It parses again to the same tree.
#include "core/base/check.h"
#include "core/sql/keyword.h"
#include "core/sql/print.h"

// --- calls and operators ---

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

// "= ANY" and its like, IN: the second argument stands in parentheses of its own.
static bool takes_list(const char *name)
{
    size_t len = strlen(name);
    return strcmp(name, "IN") == 0 || strcmp(name, "NOT IN") == 0 ||
           (len > 4 &&
            (strcmp(name + len - 4, " ANY") == 0 || strcmp(name + len - 4, " ALL") == 0));
}

static void print_list_operator(const struct sql_call *call, struct buf *out)
{
    struct sql_exprs list = {.items = call->args.items + 1, .count = call->args.count - 1};
    const struct sql_expr *first = list.items[0];
    bool quantified = strcmp(call->name, "IN") != 0 && strcmp(call->name, "NOT IN") != 0;
    CHECK(list.count > 0);
    sql_ast_print_expr(call->args.items[0], out);
    buf_printf(out, " %s ", call->name);
    if (list.count == 1 && first->kind == SQL_EXPR_SUBQUERY) {
        sql_ast_print_expr(first, out);
        return;
    }
    buf_append_char(out, '(');
    sql_print_exprs(quantified ? &first->call->args : &list, out);
    buf_append_char(out, ')');
}

// The word between the second and the third operand; NULL when the operator has none.
static const char *middle_word(const char *name)
{
    if (starts_with(name, "BETWEEN") || starts_with(name, "NOT BETWEEN"))
        return " AND ";
    if (strcmp(name, "LIKE") == 0 || strcmp(name, "NOT LIKE") == 0 ||
        strcmp(name, "SIMILAR TO") == 0 || strcmp(name, "NOT SIMILAR TO") == 0)
        return " ESCAPE ";
    return NULL;
}

// Operators that stand in front of a list or a query: ROW(...), ARRAY[...], EXISTS (...).
static bool print_constructor(const struct sql_call *call, struct buf *out)
{
    const char *name = call->name;
    bool collection =
        strcmp(name, "ARRAY") == 0 || strcmp(name, "MAP") == 0 || strcmp(name, "MULTISET") == 0;
    bool query = call->args.count == 1 && call->args.items[0]->kind == SQL_EXPR_SUBQUERY;
    if (strcmp(name, "ROW") == 0 || (collection && !query)) {
        buf_printf(out, "%s%c", name, collection ? '[' : '(');
        sql_print_exprs(&call->args, out);
        buf_append_char(out, collection ? ']' : ')');
        return true;
    }
    if (!collection && strcmp(name, "EXISTS") != 0)
        return false;
    buf_printf(out, "%s ", name);
    sql_print_exprs(&call->args, out);
    return true;
}

static void print_infix(const struct sql_call *call, struct buf *out)
{
    struct sql_expr **args = call->args.items;
    const char *middle = middle_word(call->name);
    buf_append_char(out, '(');
    if (takes_list(call->name)) {
        print_list_operator(call, out);
    } else if (call->args.count == 1 && starts_with(call->name, "IS ")) {
        sql_ast_print_expr(args[0], out);
        buf_printf(out, " %s", call->name);
    } else if (call->args.count == 1) {
        buf_printf(out, "%s ", call->name);
        sql_ast_print_expr(args[0], out);
    } else {
        sql_ast_print_expr(args[0], out);
        buf_printf(out, " %s ", call->name);
        sql_ast_print_expr(args[1], out);
        if (middle && call->args.count == 3) {
            buf_append_str(out, middle);
            sql_ast_print_expr(args[2], out);
        }
    }
    buf_append_char(out, ')');
}

static void print_operator(const struct sql_call *call, struct buf *out)
{
    if (print_constructor(call, out))
        return;
    if (strcmp(call->name, "ITEM") == 0) {
        sql_ast_print_expr(call->args.items[0], out);
        buf_append_char(out, '[');
        sql_ast_print_expr(call->args.items[1], out);
        buf_append_char(out, ']');
        return;
    }
    print_infix(call, out);
}

// A unit of time or a mode of TRIM: a string in the tree, a bare word in the text.
static void print_bare(const struct sql_expr *word, struct buf *out)
{
    CHECK(word->kind == SQL_EXPR_STRING);
    buf_append(out, word->str.ptr, word->str.len);
}

static bool is_any(const char *name, const char *a, const char *b)
{
    return strcmp(name, a) == 0 || strcmp(name, b) == 0;
}

// The arguments of a call whose syntax has keywords inside.
static void print_special_args(const struct sql_call *call, struct buf *out)
{
    struct sql_exprs list = call->args;
    const char *joint = ", ", *name = call->name;
    bool trim = strcmp(name, "TRIM") == 0;
    if (is_any(name, "EXTRACT", "TRIM") || is_any(name, "TIMESTAMPADD", "TIMESTAMPDIFF")) {
        print_bare(list.items[0], out);
        buf_append_str(out, trim ? " " : strcmp(name, "EXTRACT") == 0 ? " FROM " : ", ");
        list.items++;
        list.count--;
    }
    if (trim)
        joint = " FROM ";
    else if (strcmp(name, "POSITION") == 0)
        joint = " IN ";
    else if (is_any(name, "FLOOR", "CEIL") && list.count == 2) {
        sql_ast_print_expr(list.items[0], out);
        buf_append_str(out, " TO ");
        print_bare(list.items[1], out);
        return;
    }
    for (int i = 0; i < list.count; i++) {
        buf_append_str(out, i ? joint : "");
        sql_ast_print_expr(list.items[i], out);
    }
}

// Is the name, although some keyword is spelled the same, a plain one in front of a parenthesis?
static bool is_function_word(const char *name)
{
    const struct sql_keyword *keyword = sql_keyword_find(slice_of(name));
    return keyword && keyword->when != SQL_KEYWORD_ALWAYS &&
           keyword->when != SQL_KEYWORD_BEFORE_PAREN && keyword->when != SQL_KEYWORD_BEFORE_BRACKET;
}

static void print_call_name(const struct sql_call *call, struct buf *out)
{
    struct sql_ident ident = {.text = call->name};
    if (call->qualified || call->special || call->no_parens || is_function_word(call->name))
        buf_append_str(out, call->name);
    else
        sql_print_ident(&ident, out);
}

static void print_call_tail(const struct sql_call *call, struct buf *out)
{
    if (call->within_group.count) {
        buf_append_str(out, " WITHIN GROUP (ORDER BY ");
        sql_print_order(&call->within_group, out);
        buf_append_char(out, ')');
    }
    if (call->filter) {
        buf_append_str(out, " FILTER (WHERE ");
        sql_ast_print_expr(call->filter, out);
        buf_append_char(out, ')');
    }
    if (call->over) {
        buf_append_str(out, " OVER ");
        sql_print_window(call->over, out);
    }
}

static void print_call(const struct sql_call *call, struct buf *out)
{
    if (call->is_operator) {
        print_operator(call, out);
        return;
    }
    print_call_name(call, out);
    if (call->no_parens)
        return;
    buf_append_str(out, call->distinct ? "(DISTINCT " : "(");
    buf_append_str(out, call->star ? "*" : "");
    if (call->special)
        print_special_args(call, out);
    else
        sql_print_exprs(&call->args, out);
    buf_append_char(out, ')');
    print_call_tail(call, out);
}

static void print_bound(const struct sql_frame_bound *bound, struct buf *out)
{
    static const char *const texts[] = {
        [SQL_BOUND_UNBOUNDED_PRECEDING] = "UNBOUNDED PRECEDING",
        [SQL_BOUND_PRECEDING] = " PRECEDING",
        [SQL_BOUND_CURRENT_ROW] = "CURRENT ROW",
        [SQL_BOUND_FOLLOWING] = " FOLLOWING",
        [SQL_BOUND_UNBOUNDED_FOLLOWING] = "UNBOUNDED FOLLOWING",
    };
    if (bound->offset)
        sql_ast_print_expr(bound->offset, out);
    buf_append_str(out, texts[bound->kind]);
}

void sql_print_window(const struct sql_window *window, struct buf *out)
{
    const char *space = "";
    buf_append_char(out, '(');
    if (window->base.text) {
        sql_print_ident(&window->base, out);
        space = " ";
    }
    if (window->partition_by.count) {
        buf_printf(out, "%sPARTITION BY ", space);
        sql_print_exprs(&window->partition_by, out);
        space = " ";
    }
    if (window->order_by.count) {
        buf_printf(out, "%sORDER BY ", space);
        sql_print_order(&window->order_by, out);
        space = " ";
    }
    if (window->has_frame) {
        buf_printf(out, "%s%s BETWEEN ", space, window->rows ? "ROWS" : "RANGE");
        print_bound(&window->start, out);
        buf_append_str(out, " AND ");
        print_bound(&window->end, out);
    }
    buf_append_char(out, ')');
}

// --- other expressions ---

static void print_case(const struct sql_case *parts, struct buf *out)
{
    buf_append_str(out, "CASE");
    if (parts->operand) {
        buf_append_char(out, ' ');
        sql_ast_print_expr(parts->operand, out);
    }
    for (int i = 0; i < parts->when.count; i++) {
        buf_append_str(out, " WHEN ");
        sql_ast_print_expr(parts->when.items[i], out);
        buf_append_str(out, " THEN ");
        sql_ast_print_expr(parts->then.items[i], out);
    }
    if (parts->otherwise) {
        buf_append_str(out, " ELSE ");
        sql_ast_print_expr(parts->otherwise, out);
    }
    buf_append_str(out, " END");
}

static void print_binary(struct slice bytes, struct buf *out)
{
    buf_append_str(out, "x'");
    for (uint64_t i = 0; i < bytes.len; i++)
        buf_printf(out, "%02x", (unsigned char)bytes.ptr[i]);
    buf_append_char(out, '\'');
}

// In the largest unit that divides it.
static void print_interval(const struct sql_expr *expr, struct buf *out)
{
    static const struct {
        uint64_t ms;
        const char *name;
    } units[] = {{86400000, "DAY"}, {3600000, "HOUR"}, {60000, "MINUTE"}, {1000, "SECOND"}};
    uint64_t value = expr->i64 < 0 ? -(uint64_t)expr->i64 : (uint64_t)expr->i64;
    buf_append_str(out, expr->i64 < 0 ? "INTERVAL -'" : "INTERVAL '");
    if (expr->kind == SQL_EXPR_INTERVAL_MONTH) {
        buf_printf(out, "%lu' MONTH", (unsigned long)value);
        return;
    }
    size_t unit = 0;
    while (unit + 1 < ARRAY_SIZE(units) && (value % units[unit].ms || value == 0))
        unit++;
    buf_printf(out, "%lu", (unsigned long)(value / units[unit].ms));
    if (value % units[unit].ms)
        buf_printf(out, ".%03lu", (unsigned long)(value % units[unit].ms));
    buf_printf(out, "' %s", units[unit].name);
}

static void print_literal(const struct sql_expr *expr, struct buf *out)
{
    static const char *const prefixes[] = {
        [SQL_EXPR_DATE] = "DATE ", [SQL_EXPR_TIME] = "TIME ", [SQL_EXPR_TIMESTAMP] = "TIMESTAMP "};
    switch (expr->kind) {
    case SQL_EXPR_NULL:
        buf_append_str(out, "NULL");
        break;
    case SQL_EXPR_UNKNOWN:
        buf_append_str(out, "UNKNOWN");
        break;
    case SQL_EXPR_BOOLEAN:
        buf_append_str(out, expr->i64 ? "TRUE" : "FALSE");
        break;
    case SQL_EXPR_STRING:
        sql_print_string(expr->str, out);
        break;
    case SQL_EXPR_BINARY:
        print_binary(expr->str, out);
        break;
    case SQL_EXPR_DATE:
    case SQL_EXPR_TIME:
    case SQL_EXPR_TIMESTAMP:
        buf_append_str(out, prefixes[expr->kind]);
        sql_print_string(expr->str, out);
        break;
    default: // numbers
        buf_append(out, expr->str.ptr, expr->str.len);
        break;
    }
}

static void print_table_arg(const struct sql_table_arg *arg, struct buf *out)
{
    buf_append_str(out, "TABLE ");
    sql_print_table(arg->table, 0, out);
    if (arg->partition_by.count) {
        bool list = arg->partition_by.count > 1;
        buf_append_str(out, list ? " PARTITION BY (" : " PARTITION BY ");
        sql_print_exprs(&arg->partition_by, out);
        buf_append_str(out, list ? ")" : "");
    }
    if (arg->order_by.count) {
        buf_append_str(out, " ORDER BY ");
        sql_print_order(&arg->order_by, out);
    }
}

static void print_star(const struct sql_expr *expr, struct buf *out)
{
    sql_print_name(&expr->name, out);
    buf_append_str(out, expr->name.parts.count ? ".*" : "*");
}

static void print_named_arg(const struct sql_named_arg *arg, struct buf *out)
{
    sql_print_ident(&arg->name, out);
    buf_append_str(out, " => ");
    sql_ast_print_expr(arg->value, out);
}

static void print_cast(const struct sql_cast *cast, struct buf *out)
{
    buf_append_str(out, cast->try_cast ? "TRY_CAST(" : "CAST(");
    sql_ast_print_expr(cast->arg, out);
    buf_append_str(out, " AS ");
    sql_ast_print_type(cast->type, out);
    buf_append_char(out, ')');
}

static void print_field(const struct sql_field_access *field, struct buf *out)
{
    buf_append_char(out, '(');
    sql_ast_print_expr(field->row, out);
    buf_append_str(out, ").");
    sql_print_ident(&field->field, out);
}

static void print_subquery(const struct sql_query *query, struct buf *out)
{
    buf_append_char(out, '(');
    sql_ast_print_query(query, -1, out);
    buf_append_char(out, ')');
}

void sql_ast_print_expr(const struct sql_expr *expr, struct buf *out)
{
    switch (expr->kind) {
    case SQL_EXPR_NAME:
        sql_print_name(&expr->name, out);
        break;
    case SQL_EXPR_INTERVAL_DAY:
    case SQL_EXPR_INTERVAL_MONTH:
        print_interval(expr, out);
        break;
    case SQL_EXPR_CALL:
        print_call(expr->call, out);
        break;
    case SQL_EXPR_CASE:
        print_case(expr->case_, out);
        break;
    case SQL_EXPR_CAST:
        print_cast(expr->cast, out);
        break;
    case SQL_EXPR_FIELD:
        print_field(expr->field, out);
        break;
    case SQL_EXPR_SUBQUERY:
        print_subquery(expr->query, out);
        break;
    case SQL_EXPR_STAR:
        print_star(expr, out);
        break;
    case SQL_EXPR_DESCRIPTOR:
        buf_append_str(out, "DESCRIPTOR(");
        sql_print_idents(&expr->columns, out);
        buf_append_char(out, ')');
        break;
    case SQL_EXPR_TABLE_ARG:
        print_table_arg(expr->table_arg, out);
        break;
    case SQL_EXPR_NAMED_ARG:
        print_named_arg(expr->named, out);
        break;
    default:
        print_literal(expr, out);
        break;
    }
}
