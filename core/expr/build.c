// build.c: making expression trees, walking them, and the type that two types have in common.
#include <errno.h>
#include <limits.h>

#include "core/base/utf8.h"
#include "core/expr/internal.h"

static struct expr *new_expr(struct pool *pool, enum expr_kind kind, struct type type)
{
    struct expr *e = pool_zalloc(pool, sizeof(*e));
    e->kind = kind;
    e->type = type;
    return e;
}

static struct expr *new_literal(struct pool *pool, enum type_kind kind)
{
    struct type type = type_of(kind);
    type.not_null = true;
    return new_expr(pool, EXPR_LITERAL, type);
}

struct expr *expr_column(struct pool *pool, int column, struct type type)
{
    struct expr *e = new_expr(pool, EXPR_COLUMN, type);
    e->column = column;
    return e;
}

struct expr *expr_null(struct pool *pool)
{
    struct expr *e = new_expr(pool, EXPR_LITERAL, type_of(TYPE_NULL));
    e->is_null = true;
    return e;
}

struct expr *expr_bool(struct pool *pool, bool value)
{
    struct expr *e = new_literal(pool, TYPE_BOOLEAN);
    e->i64 = value;
    return e;
}

struct expr *expr_int(struct pool *pool, int64_t value)
{
    struct expr *e = new_literal(pool, value == (int32_t)value ? TYPE_INT : TYPE_BIGINT);
    e->i64 = value;
    return e;
}

struct expr *expr_double(struct pool *pool, double value)
{
    struct expr *e = new_literal(pool, TYPE_DOUBLE);
    e->f64 = value;
    return e;
}

struct expr *expr_string(struct pool *pool, struct slice value)
{
    struct expr *e = new_literal(pool, TYPE_STRING);
    e->str = pool_copy(pool, value);
    e->type.fixed_length = true; // 'abc' is a CHAR(3)
    e->type.length = (uint32_t)utf8_length(value.ptr, value.len);
    return e;
}

struct expr *expr_typed(struct pool *pool, struct type type, int64_t value)
{
    CHECK(storage_of(type.kind) == STORAGE_I64);
    struct expr *e = new_expr(pool, EXPR_LITERAL, type);
    e->type.not_null = true;
    e->i64 = value;
    return e;
}

struct expr *expr_new_call(struct pool *pool, const struct expr_function *function,
                           struct expr **args, int arg_count)
{
    CHECK(function && function->kernel);
    struct expr *e = new_expr(pool, EXPR_CALL, type_of(TYPE_NULL));
    e->function = function;
    e->args = pool_alloc(pool, ((size_t)arg_count + 1) * sizeof(*args));
    for (int i = 0; i < arg_count; i++)
        e->args[i] = args[i];
    e->arg_count = arg_count;
    return e;
}

void expr_columns(const struct expr *expr, bool *used)
{
    if (expr->kind == EXPR_COLUMN)
        used[expr->column] = true;
    for (int i = 0; i < expr->arg_count; i++)
        expr_columns(expr->args[i], used);
}

static bool same_type(const struct type *a, const struct type *b)
{
    return a->kind == b->kind && a->length == b->length && a->fixed_length == b->fixed_length &&
           a->precision == b->precision;
}

// Bits, so that NaN equals itself and 0.0 is not -0.0.
static uint64_t double_bits(double value)
{
    uint64_t bits;
    memcpy(&bits, &value, sizeof(bits));
    return bits;
}

static bool literal_equal(const struct expr *a, const struct expr *b)
{
    if (a->is_null || b->is_null)
        return a->is_null && b->is_null;
    return a->i64 == b->i64 && double_bits(a->f64) == double_bits(b->f64) &&
           slice_equal(a->str, b->str);
}

bool expr_equal(const struct expr *a, const struct expr *b)
{
    if (a == b)
        return true;
    if (a->kind != b->kind || !same_type(&a->type, &b->type))
        return false;
    if (a->kind == EXPR_COLUMN)
        return a->column == b->column;
    if (a->kind == EXPR_LITERAL)
        return literal_equal(a, b);
    if (a->function->kernel != b->function->kernel || a->function->flags != b->function->flags ||
        a->arg_count != b->arg_count)
        return false;
    for (int i = 0; i < a->arg_count; i++)
        if (!expr_equal(a->args[i], b->args[i]))
            return false;
    return true;
}

static bool is_unbounded(const struct type *type)
{
    return type->length == 0 && !type->fixed_length;
}

static struct type common_string(const struct type *a, const struct type *b)
{
    struct type type = type_of(TYPE_STRING);
    if (is_unbounded(a) || is_unbounded(b))
        return type;
    type.length = a->length > b->length ? a->length : b->length;
    type.fixed_length = a->fixed_length && b->fixed_length && a->length == b->length;
    return type;
}

// Of two different kinds, neither of them NULL; TYPE_NULL when they have nothing in common.
static struct type common_kind(const struct type *a, const struct type *b)
{
    if (type_is_numeric(a->kind) && type_is_numeric(b->kind))
        return type_of(a->kind > b->kind ? a->kind : b->kind); // INT < BIGINT < DOUBLE
    if (type_is_timestamp(a->kind) && type_is_timestamp(b->kind))
        return type_of(TYPE_TIMESTAMP_LTZ);
    if (a->kind == TYPE_DATE && type_is_timestamp(b->kind))
        return *b;
    if (b->kind == TYPE_DATE && type_is_timestamp(a->kind))
        return *a;
    return type_of(TYPE_NULL);
}

int expr_common_type(const struct type *a, const struct type *b, struct type *out)
{
    bool not_null = a->not_null && b->not_null;
    struct type type;

    if (a->kind == TYPE_NULL || b->kind == TYPE_NULL) {
        type = a->kind == TYPE_NULL ? *b : *a;
    } else if (a->kind != b->kind) {
        type = common_kind(a, b);
        if (type.kind == TYPE_NULL)
            return -EINVAL;
    } else {
        type = a->kind == TYPE_STRING ? common_string(a, b) : a->precision > b->precision ? *a : *b;
    }
    type.not_null = not_null;
    type.rowtime = false;
    *out = type;
    return 0;
}

int expr_node_count(struct expr *expr)
{
    if (expr->node_count)
        return expr->node_count;
    int count = 1;
    for (int i = 0; i < expr->arg_count; i++)
        if (__builtin_add_overflow(count, expr_node_count(expr->args[i]), &count))
            count = INT_MAX;
    expr->node_count = count;
    return count;
}
