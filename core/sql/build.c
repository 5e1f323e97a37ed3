// build.c: constructors of names and expressions.
#include "core/sql/build.h"

#include <strings.h>

#include "core/base/check.h"
#include "core/sql/parse.h"

enum { LIST_FIRST = 4 };

void *sql_grow(struct pool *pool, void *items, int count, int *capacity, size_t item_bytes)
{
    CHECK(count <= *capacity);
    if (count < *capacity)
        return items;
    *capacity = *capacity ? *capacity * 2 : LIST_FIRST;
    void *out = pool_alloc(pool, (size_t)*capacity * item_bytes);
    if (count)
        memcpy(out, items, (size_t)count * item_bytes);
    return out;
}

void sql_raise(struct sql_parser *parser, int *height, int child, struct source_pos pos)
{
    if (child + 1 > *height)
        *height = child + 1;
    if (*height > SQL_HEIGHT_MAX) {
        sql_fail(parser, pos, "this is more than %d operations deep", SQL_HEIGHT_MAX);
        sql_hint(parser, "use parentheses to make it broad, or IN instead of many ORs");
    }
}

struct sql_name sql_name_of(struct sql_parser *parser, struct sql_ident first)
{
    struct sql_name name = {.pos = first.pos};
    SQL_APPEND(parser, &name.parts, first);
    return name;
}

void sql_name_add(struct sql_parser *parser, struct sql_name *name, struct sql_ident part)
{
    SQL_APPEND(parser, &name->parts, part);
    name->pos = source_span(name->pos, part.pos);
}

struct sql_exprs sql_exprs_of(struct sql_parser *parser, struct sql_expr *a, struct sql_expr *b,
                              struct sql_expr *c)
{
    struct sql_exprs list = {0};
    SQL_APPEND(parser, &list, a);
    if (b)
        SQL_APPEND(parser, &list, b);
    if (c)
        SQL_APPEND(parser, &list, c);
    return list;
}

static bool is_implicit_row(const struct sql_expr *expr)
{
    return expr->kind == SQL_EXPR_CALL && expr->call->is_operator &&
           strcmp(expr->call->name, "ROW") == 0;
}

struct sql_exprs sql_exprs_join(struct sql_parser *parser, struct sql_exprs a, struct sql_expr *b)
{
    if (!is_implicit_row(b)) {
        SQL_APPEND(parser, &a, b);
        return a;
    }
    for (int i = 0; i < b->call->args.count; i++)
        SQL_APPEND(parser, &a, b->call->args.items[i]);
    return a;
}

struct sql_exprs sql_unrow(struct sql_parser *parser, struct sql_expr *expr)
{
    return is_implicit_row(expr) ? expr->call->args : sql_exprs_of(parser, expr, NULL, NULL);
}

struct sql_expr *sql_leaf(struct sql_parser *parser, enum sql_expr_kind kind, struct source_pos pos)
{
    struct sql_expr *expr = pool_zalloc(parser->pool, sizeof(*expr));
    expr->kind = kind;
    expr->height = 1;
    expr->pos = pos;
    return expr;
}

struct sql_expr *sql_column_ref(struct sql_parser *parser, struct sql_name name)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_NAME, name.pos);
    expr->name = name;
    return expr;
}

struct sql_expr *sql_string(struct sql_parser *parser, struct slice text, struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_STRING, pos);
    expr->str = pool_copy(parser->pool, text);
    return expr;
}

static void raise_exprs(struct sql_parser *parser, int *height, const struct sql_exprs *list,
                        struct source_pos pos)
{
    for (int i = 0; i < list->count; i++)
        sql_raise(parser, height, list->items[i]->height, pos);
}

static void raise_order(struct sql_parser *parser, int *height, const struct sql_order_items *list,
                        struct source_pos pos)
{
    for (int i = 0; i < list->count; i++)
        sql_raise(parser, height, list->items[i].expr->height, pos);
}

struct sql_call *sql_call_of(struct sql_parser *parser, struct sql_exprs args)
{
    struct sql_call *call = pool_zalloc(parser->pool, sizeof(*call));
    call->args = args;
    return call;
}

static struct sql_expr *call_expr(struct sql_parser *parser, struct sql_call *call,
                                  struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_CALL, pos);
    expr->call = call;
    raise_exprs(parser, &expr->height, &call->args, call->name_pos);
    return expr;
}

struct sql_expr *sql_special(struct sql_parser *parser, const char *name,
                             struct source_pos name_pos, struct sql_exprs args,
                             struct source_pos pos)
{
    struct sql_call *call = sql_call_of(parser, args);
    call->name = name;
    call->name_pos = name_pos;
    call->special = true;
    return call_expr(parser, call, pos);
}

struct sql_expr *sql_operator(struct sql_parser *parser, const char *name,
                              struct source_pos name_pos, struct sql_exprs args,
                              struct source_pos pos)
{
    struct sql_expr *expr = sql_special(parser, name, name_pos, args, pos);
    expr->call->is_operator = true;
    expr->call->special = false;
    return expr;
}

struct sql_expr *sql_negative(struct sql_parser *parser, struct source_pos sign_pos,
                              struct sql_expr *arg, struct source_pos pos)
{
    if (arg->kind == SQL_EXPR_DECIMAL && slice_equal(arg->str, slice_of("9223372036854775808"))) {
        struct sql_expr *lowest = sql_leaf(parser, SQL_EXPR_INTEGER, pos);
        lowest->i64 = INT64_MIN;
        lowest->str = slice_of("-9223372036854775808");
        return lowest;
    }
    return sql_operator(parser, "-", sign_pos, sql_exprs_of(parser, arg, NULL, NULL), pos);
}

static const char *upper(struct sql_parser *parser, struct slice text)
{
    char *out = pool_strndup(parser->pool, text.ptr, text.len);
    for (char *c = out; *c; c++)
        if (*c >= 'a' && *c <= 'z')
            *c = (char)(*c - 'a' + 'A');
    return out;
}

struct sql_expr *sql_niladic(struct sql_parser *parser, struct slice name, struct source_pos pos)
{
    struct sql_expr *expr =
        sql_special(parser, upper(parser, name), pos, (struct sql_exprs){0}, pos);
    expr->call->no_parens = true;
    expr->call->special = false;
    return expr;
}

// TIMESTAMPADD(DAY, ...): the unit looks like a column and is none.
static void take_unit(struct sql_parser *parser, struct sql_call *call)
{
    if (strcmp(call->name, "TIMESTAMPADD") != 0 && strcmp(call->name, "TIMESTAMPDIFF") != 0)
        return;
    struct sql_expr *first = call->args.count ? call->args.items[0] : NULL;
    if (!first || first->kind != SQL_EXPR_NAME || first->name.parts.count != 1)
        return;
    struct sql_ident unit = first->name.parts.items[0];
    if (strncasecmp(unit.text, "SQL_TSI_", 8) == 0)
        unit.text += 8;
    call->args.items[0] = sql_unit(parser, unit);
    call->special = true;
}

static const char *qualified_name(struct sql_parser *parser, const struct sql_name *name)
{
    const char *out = name->parts.items[0].text;
    for (int i = 1; i < name->parts.count; i++)
        out = pool_printf(parser->pool, "%s.%s", out, name->parts.items[i].text);
    return out;
}

struct sql_expr *sql_function(struct sql_parser *parser, const struct sql_name *name,
                              struct sql_call *call, const struct sql_call_tail *tail,
                              struct source_pos pos)
{
    CHECK(name->parts.count > 0);
    call->qualified = name->parts.count > 1;
    if (call->qualified)
        call->name = qualified_name(parser, name);
    else
        call->name = upper(parser, slice_of(name->parts.items[0].text));
    call->name_pos = name->pos;
    call->filter = tail->filter;
    call->within_group = tail->within_group;
    call->over = tail->over;
    take_unit(parser, call);
    struct sql_expr *expr = call_expr(parser, call, pos);
    if (call->filter)
        sql_raise(parser, &expr->height, call->filter->height, pos);
    if (call->over)
        sql_raise(parser, &expr->height, call->over->height, pos);
    raise_order(parser, &expr->height, &call->within_group, pos);
    return expr;
}

struct sql_expr *sql_case(struct sql_parser *parser, struct sql_case *parts, struct source_pos pos)
{
    CHECK(parts->when.count == parts->then.count);
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_CASE, pos);
    expr->case_ = parts;
    if (parts->operand)
        sql_raise(parser, &expr->height, parts->operand->height, pos);
    if (parts->otherwise)
        sql_raise(parser, &expr->height, parts->otherwise->height, pos);
    raise_exprs(parser, &expr->height, &parts->when, pos);
    raise_exprs(parser, &expr->height, &parts->then, pos);
    return expr;
}

struct sql_expr *sql_cast(struct sql_parser *parser, struct sql_cast parts, struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_CAST, pos);
    expr->cast = memcpy(pool_alloc(parser->pool, sizeof(parts)), &parts, sizeof(parts));
    sql_raise(parser, &expr->height, parts.arg->height, pos);
    sql_raise(parser, &expr->height, parts.type->height, pos);
    return expr;
}

struct sql_expr *sql_field(struct sql_parser *parser, struct sql_expr *row, struct sql_ident field,
                           struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_FIELD, pos);
    expr->field = pool_zalloc(parser->pool, sizeof(*expr->field));
    expr->field->row = row;
    expr->field->field = field;
    sql_raise(parser, &expr->height, row->height, pos);
    return expr;
}

struct sql_expr *sql_subquery(struct sql_parser *parser, struct sql_query *query)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_SUBQUERY, query->pos);
    expr->query = query;
    sql_raise(parser, &expr->height, query->height, query->pos);
    return expr;
}

struct sql_expr *sql_named_arg(struct sql_parser *parser, struct sql_ident name,
                               struct sql_expr *value, struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_NAMED_ARG, pos);
    expr->named = pool_zalloc(parser->pool, sizeof(*expr->named));
    expr->named->name = name;
    expr->named->value = value;
    sql_raise(parser, &expr->height, value->height, pos);
    return expr;
}

struct sql_expr *sql_table_arg(struct sql_parser *parser, struct sql_table_arg arg,
                               struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_TABLE_ARG, pos);
    expr->table_arg = memcpy(pool_alloc(parser->pool, sizeof(arg)), &arg, sizeof(arg));
    sql_raise(parser, &expr->height, arg.table->height, pos);
    raise_exprs(parser, &expr->height, &arg.partition_by, pos);
    raise_order(parser, &expr->height, &arg.order_by, pos);
    return expr;
}

const char *sql_quantified(struct sql_parser *parser, const char *operator, const char * quantifier)
{
    return pool_printf(parser->pool, "%s %s", operator, quantifier);
}
