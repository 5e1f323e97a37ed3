// bind_expr.c: expressions: names to columns, literals to values, calls to functions with types.
#include <errno.h>

#include "core/base/check.h"
#include "core/base/number.h"
#include "core/sql/bind_internal.h"

int bind_expr_error(struct binder *b, struct source_pos pos, const struct err *cause)
{
    const char *line = cause->text;
    size_t len = strcspn(line, "\n");
    diag_error(b->err, b->source, pos, "%.*s", (int)len, line);
    return line[len] ? diag_hint(b->err, "%s", line + len + 1) : -EINVAL;
}

bool bind_same_expr(const struct expr *x, const struct expr *y)
{
    if (x->kind != y->kind || x->type.kind != y->type.kind || x->arg_count != y->arg_count)
        return false;
    if (x->kind == EXPR_COLUMN)
        return x->column == y->column;
    if (x->kind == EXPR_LITERAL) {
        if (x->is_null || y->is_null)
            return x->is_null == y->is_null;
        uint64_t x_bits, y_bits; // so that NaN equals itself, and 0.0 is not -0.0
        memcpy(&x_bits, &x->f64, sizeof(x_bits));
        memcpy(&y_bits, &y->f64, sizeof(y_bits));
        return x->i64 == y->i64 && x_bits == y_bits && slice_equal(x->str, y->str);
    }
    if (x->function != y->function)
        return false;
    for (int i = 0; i < x->arg_count; i++)
        if (!bind_same_expr(x->args[i], y->args[i]))
            return false;
    return true;
}

// --- names ---

static int unknown_column(struct binder *b, const struct relation *from,
                          const struct sql_name *name, const char *column)
{
    const struct schema *schema = &from->rel->op.output;
    const char **names = pool_alloc(b->pool, sizeof(char *) * (size_t)(from->visible_count + 1));
    struct buf list = {0};
    for (int i = 0; i < from->visible_count; i++) {
        names[i] = schema->fields[i].name;
        buf_printf(&list, "%s%s", i ? ", " : "", names[i]);
    }
    diag_error(b->err, b->source, name->pos, "there is no column '%s'", column);
    if (err_suggest(column, names, from->visible_count))
        diag_suggest(b->err, column, names, from->visible_count);
    else if (from->visible_count == 0)
        diag_hint(b->err, "a SELECT without FROM has no columns");
    else
        diag_hint(b->err, "the columns here are %s", buf_str(&list));
    buf_fini(&list);
    return -EINVAL;
}

int bind_column(struct binder *b, const struct relation *from, const struct sql_name *name,
                int *out)
{
    const struct sql_idents *parts = &name->parts;
    const char *column = parts->items[parts->count - 1].text;
    if (parts->count > 2)
        return diag_error(b->err, b->source, name->pos,
                          "fields of rows are not supported yet; a column is name or table.name");
    if (parts->count == 2 && (!from->alias || strcmp(from->alias, parts->items[0].text) != 0)) {
        diag_error(b->err, b->source, parts->items[0].pos, "there is no table '%s' in this query",
                   parts->items[0].text);
        return from->alias ? diag_hint(b->err, "the table here is '%s'", from->alias) : -EINVAL;
    }
    *out = -1;
    for (int i = 0; i < from->visible_count; i++) {
        if (strcmp(from->rel->op.output.fields[i].name, column) != 0)
            continue;
        if (*out >= 0)
            return diag_error(b->err, b->source, name->pos, "column '%s' is ambiguous", column);
        *out = i;
    }
    return *out >= 0 ? 0 : unknown_column(b, from, name, column);
}

static int bind_name(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                     struct expr **out)
{
    if (!scope->from)
        return diag_error(b->err, b->source, e->pos, "a constant is expected here");
    int column = -1;
    int rc = bind_column(b, scope->from, &e->name, &column);
    if (rc)
        return rc;
    const struct field *field = &scope->from->rel->op.output.fields[column];
    if (scope->grouping) {
        diag_error(b->err, b->source, e->pos,
                   "column '%s' is neither a group key nor inside an aggregate", field->name);
        return diag_hint(b->err, "add it to GROUP BY, or aggregate it: MAX(%s)", field->name);
    }
    bool is_role = scope->from->roles && scope->from->roles[column] != ROLE_NONE;
    if (is_role && !scope->roles_allowed && scope->assigns) {
        rc = bind_assign(b, scope->from->window);
        if (rc)
            return rc;
    } else if (is_role && !scope->roles_allowed) {
        diag_error(b->err, b->source, e->pos,
                   "'%s' of a window function cannot be used in %s before its GROUP BY",
                   field->name, scope->clause);
        return diag_hint(b->err, "GROUP BY window_start, window_end first; use it in the SELECT "
                                 "list, in HAVING, or in a query around that one");
    }
    *out = expr_column(b->pool, column, field->type);
    return 0;
}

// --- literals ---

static int bind_decimal(struct binder *b, const struct sql_expr *e, struct expr **out)
{
    double value = 0;
    if (!memchr(e->str.ptr, '.', e->str.len)) {
        diag_error(b->err, b->source, e->pos, "%.*s does not fit BIGINT", (int)e->str.len,
                   e->str.ptr);
        return diag_hint(b->err, "write it as a DOUBLE: %.*sE0", (int)e->str.len, e->str.ptr);
    }
    if (number_parse_double(e->str, &value))
        return diag_error(b->err, b->source, e->pos, "not a number");
    *out = expr_double(b->pool, value); // there is no DECIMAL
    return 0;
}

static struct expr *typed_literal(struct binder *b, const struct sql_expr *e, enum type_kind kind)
{
    struct type type = type_of(kind);
    type.not_null = true;
    if (kind == TYPE_TIMESTAMP)
        type.precision = (uint8_t)(e->precision > 3 ? 3 : e->precision);
    return expr_typed(b->pool, type, e->i64);
}

// Literals only; 1: it is none.
static int bind_literal(struct binder *b, const struct sql_expr *e, struct expr **out)
{
    switch (e->kind) {
    case SQL_EXPR_NULL:
        *out = expr_null(b->pool);
        return 0;
    case SQL_EXPR_BOOLEAN:
        *out = expr_bool(b->pool, e->i64 != 0);
        return 0;
    case SQL_EXPR_INTEGER:
        *out = expr_int(b->pool, e->i64);
        return 0;
    case SQL_EXPR_DOUBLE:
        *out = expr_double(b->pool, e->f64);
        return 0;
    case SQL_EXPR_STRING:
        *out = expr_string(b->pool, e->str);
        return 0;
    case SQL_EXPR_DECIMAL:
        return bind_decimal(b, e, out);
    case SQL_EXPR_DATE:
        *out = typed_literal(b, e, TYPE_DATE);
        return 0;
    case SQL_EXPR_TIME:
        *out = typed_literal(b, e, TYPE_TIME);
        return 0;
    case SQL_EXPR_TIMESTAMP:
        *out = typed_literal(b, e, TYPE_TIMESTAMP);
        return 0;
    case SQL_EXPR_INTERVAL_DAY:
        *out = typed_literal(b, e, TYPE_INTERVAL_DAY);
        return 0;
    case SQL_EXPR_INTERVAL_MONTH:
        *out = typed_literal(b, e, TYPE_INTERVAL_MONTH);
        return 0;
    default:
        return 1;
    }
}

// --- calls ---

struct call_args {
    struct expr **items;
    int count;
};

static int call_function(struct binder *b, struct source_pos pos, const char *name,
                         struct call_args args, struct expr **out)
{
    struct err cause = {0};
    if (expr_call(b->pool, name, (struct expr_args){args.items, args.count}, out, &cause))
        return bind_expr_error(b, pos, &cause);
    return 0;
}

// a BETWEEN SYMMETRIC x AND y: between them in either order.
static int bind_symmetric(struct binder *b, struct source_pos pos, bool negated,
                          struct call_args args, struct expr **out)
{
    struct expr *swapped[3] = {args.items[0], args.items[2], args.items[1]}, *either[2];
    int rc = call_function(b, pos, "BETWEEN", args, &either[0]);
    if (rc == 0)
        rc = call_function(b, pos, "BETWEEN", (struct call_args){swapped, 3}, &either[1]);
    if (rc == 0)
        rc = call_function(b, pos, "OR", (struct call_args){either, 2}, out);
    if (rc == 0 && negated) {
        either[0] = *out;
        rc = call_function(b, pos, "NOT", (struct call_args){either, 1}, out);
    }
    return rc;
}

static int check_call(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e)
{
    const struct sql_call *call = e->call;
    if (call->over) {
        diag_error(b->err, b->source, call->over->pos, "OVER windows are not supported yet");
        return diag_hint(b->err, "GROUP BY a window: TUMBLE, HOP or CUMULATE");
    }
    if (bind_is_aggregate(e)) {
        diag_error(b->err, b->source, e->pos, "the aggregate %s cannot stand in %s", call->name,
                   scope->clause);
        return diag_hint(b->err, scope->grouping ? "aggregates cannot be nested"
                                                 : "aggregates need GROUP BY with a window; a "
                                                   "condition on them goes to HAVING");
    }
    if (bind_is_group_window(e)) {
        diag_error(b->err, b->source, e->pos, "%s belongs into GROUP BY", call->name);
        return diag_hint(b->err, "in the SELECT list write TUMBLE_START, TUMBLE_END or "
                                 "TUMBLE_ROWTIME (HOP_ likewise)");
    }
    int rc = bind_refuse_call(b, e);
    if (rc)
        return rc;
    if (call->star || call->distinct || call->filter || call->within_group.count)
        return diag_error(b->err, b->source, e->pos, "%s is no aggregate function that there is",
                          call->name);
    return 0;
}

static int bind_call(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                     struct expr **out)
{
    const struct sql_call *call = e->call;
    int rc = check_call(b, scope, e);
    if (rc)
        return rc;
    struct call_args args = {.count = call->args.count};
    args.items = pool_alloc(b->pool, sizeof(struct expr *) * (size_t)(args.count + 1));
    for (int i = 0; i < args.count && rc == 0; i++)
        rc = bind_expr(b, scope, call->args.items[i], &args.items[i]);
    if (rc)
        return rc;
    struct source_pos pos = call->name_pos.line ? call->name_pos : e->pos;
    if (strstr(call->name, "BETWEEN SYMMETRIC"))
        return bind_symmetric(b, pos, strncmp(call->name, "NOT ", 4) == 0, args, out);
    return call_function(b, pos, call->name, args, out);
}

static int bind_case(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                     struct expr **out)
{
    const struct sql_case *case_ = e->case_;
    struct call_args args = {.count = case_->when.count * 2 + 1};
    args.items = pool_alloc(b->pool, sizeof(struct expr *) * (size_t)args.count);
    struct expr *equal[2] = {NULL, NULL}; // the operand, bound once; the value behind WHEN
    if (case_->operand) {
        int rc = bind_expr(b, scope, case_->operand, &equal[0]);
        if (rc)
            return rc;
    }
    for (int i = 0; i < case_->when.count; i++) {
        struct expr **when = &args.items[2 * i];
        int rc = bind_expr(b, scope, case_->when.items[i], when);
        if (rc == 0 && equal[0]) {
            equal[1] = *when;
            rc = call_function(b, case_->when.items[i]->pos, "=", (struct call_args){equal, 2},
                               when);
        }
        if (rc == 0)
            rc = bind_expr(b, scope, case_->then.items[i], &args.items[2 * i + 1]);
        if (rc)
            return rc;
    }
    struct expr **otherwise = &args.items[args.count - 1];
    *otherwise = expr_null(b->pool);
    int rc = case_->otherwise ? bind_expr(b, scope, case_->otherwise, otherwise) : 0;
    return rc ? rc : call_function(b, e->pos, "CASE", args, out);
}

static int bind_cast(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                     struct expr **out)
{
    struct type type;
    struct expr *arg = NULL;
    int rc = bind_type(b, e->cast->type, &type);
    if (rc == 0)
        rc = bind_expr(b, scope, e->cast->arg, &arg);
    if (rc)
        return rc;
    struct err cause = {0};
    int code = e->cast->try_cast ? expr_try_cast(b->pool, arg, type, out, &cause)
                                 : expr_cast(b->pool, arg, type, out, &cause);
    if (code)
        return bind_expr_error(b, e->pos, &cause);
    return 0;
}

static int refuse_expr(struct binder *b, const struct sql_expr *e)
{
    switch (e->kind) {
    case SQL_EXPR_SUBQUERY:
        diag_error(b->err, b->source, e->pos, "a query inside an expression is not supported yet");
        return diag_hint(b->err, "queries may stand in FROM");
    case SQL_EXPR_STAR:
        return diag_error(b->err, b->source, e->pos, "* stands alone in a SELECT list");
    case SQL_EXPR_BINARY:
        return diag_error(b->err, b->source, e->pos, "binary values are not supported yet");
    case SQL_EXPR_FIELD:
        return diag_error(b->err, b->source, e->pos, "fields of rows are not supported yet");
    default:
        return diag_error(b->err, b->source, e->pos,
                          "this may stand only as an argument of a window function in FROM");
    }
}

static int bind_unknown(struct binder *b, const struct sql_expr *e, struct expr **out)
{
    struct err cause = {0};
    if (expr_cast(b->pool, expr_null(b->pool), type_of(TYPE_BOOLEAN), out, &cause))
        return bind_expr_error(b, e->pos, &cause);
    return 0;
}

static int bind_any(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                    struct expr **out)
{
    if (scope->grouping) {
        *out = NULL;
        int rc = bind_grouped(b, scope, e, out);
        if (rc || *out)
            return rc;
    }
    int rc = bind_literal(b, e, out);
    if (rc <= 0)
        return rc;
    switch (e->kind) {
    case SQL_EXPR_NAME:
        return bind_name(b, scope, e, out);
    case SQL_EXPR_UNKNOWN:
        return bind_unknown(b, e, out);
    case SQL_EXPR_CALL:
        return bind_call(b, scope, e, out);
    case SQL_EXPR_CASE:
        return bind_case(b, scope, e, out);
    case SQL_EXPR_CAST:
        return bind_cast(b, scope, e, out);
    default:
        return refuse_expr(b, e);
    }
}

// NULLIF, BETWEEN and CASE use an argument twice, so that some lines of text can nest to a tree too
// large for any machine: what is too large is refused while it is still being built.
int bind_expr(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
              struct expr **out)
{
    int rc = bind_any(b, scope, e, out);
    if (rc || expr_node_count(*out) <= BIND_NODES_MAX)
        return rc;
    diag_error(b->err, b->source, e->pos, "this expression is too large: more than %d parts",
               BIND_NODES_MAX);
    return diag_hint(b->err, "CASE, BETWEEN, NULLIF and their like count what they compare once "
                             "for each comparison");
}

int bind_condition(struct binder *b, const struct bind_scope *scope, const struct sql_expr *e,
                   struct expr **out)
{
    int rc = bind_expr(b, scope, e, out);
    if (rc)
        return rc;
    if ((*out)->type.kind == TYPE_NULL)
        return bind_unknown(b, e, out);
    if ((*out)->type.kind == TYPE_BOOLEAN)
        return 0;
    struct buf type = {0};
    type_format(&(*out)->type, &type);
    diag_error(b->err, b->source, e->pos, "%s needs a BOOLEAN, this is %s", scope->clause,
               buf_str(&type));
    buf_fini(&type);
    return -EINVAL;
}
