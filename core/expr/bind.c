// bind.c: forms that are more than a list of overloads: comparisons, IN, BETWEEN, CASE and its kin.
#include <errno.h>
#include <limits.h>

#include "core/expr/internal.h"

static int finish(struct pool *pool, const struct expr_function *f, struct expr *call,
                  struct expr **out, struct err *err)
{
    *out = call;
    return expr_finish_call(pool, f, call, err);
}

static int no_common_type(const struct expr *a, const struct expr *b, struct err *err)
{
    struct expr *both[2] = {(struct expr *)a, (struct expr *)b};
    struct buf text = {0};
    expr_format_types(both, 2, &text);
    int code = err_set(err, -EINVAL, "these types have nothing in common: %s; CAST one of them",
                       buf_str(&text));
    buf_fini(&text);
    return code;
}

// Convert to `type`, literals at once.
static int convert(struct pool *pool, struct expr *arg, struct type type, struct expr **out,
                   struct err *err)
{
    *out = arg;
    if (arg->type.kind == type.kind)
        return 0;
    type.not_null = false;
    int code = expr_cast(pool, arg, type, out, err);
    if (code == 0)
        *out = expr_fold(pool, *out);
    return code;
}

// Bring both sides of a comparison to one kind. Text beside another kind is read as that kind.
static int unify(struct pool *pool, struct expr **a, struct expr **b, struct err *err)
{
    struct type type;
    if ((*a)->type.kind == TYPE_STRING && (*b)->type.kind != TYPE_STRING &&
        (*b)->type.kind != TYPE_NULL)
        type = (*b)->type;
    else if ((*b)->type.kind == TYPE_STRING && (*a)->type.kind != TYPE_STRING &&
             (*a)->type.kind != TYPE_NULL)
        type = (*a)->type;
    else if (expr_common_type(&(*a)->type, &(*b)->type, &type))
        return no_common_type(*a, *b, err);
    if (type.kind == TYPE_NULL)
        type = type_of(TYPE_BOOLEAN);
    int code = convert(pool, *a, type, a, err);
    return code ? code : convert(pool, *b, type, b, err);
}

static int compare(struct pool *pool, enum comparison comparison, struct expr **args,
                   struct expr **out, struct err *err)
{
    // A literal on the left changes sides: kernels keep a literal on the right in a register.
    static const enum comparison mirrored[] = {
        COMPARE_EQUAL,         COMPARE_NOT_EQUAL, COMPARE_GREATER,
        COMPARE_GREATER_EQUAL, COMPARE_LESS,      COMPARE_LESS_EQUAL,
    };
    struct expr *sides[2] = {args[0], args[1]};
    if (sides[0]->kind == EXPR_LITERAL && sides[1]->kind != EXPR_LITERAL) {
        sides[0] = args[1];
        sides[1] = args[0];
        comparison = mirrored[comparison];
    }
    int code = unify(pool, &sides[0], &sides[1], err);
    if (code)
        return code;
    const struct expr_function *f =
        expr_compare_function(comparison, storage_of(sides[0]->type.kind));
    return finish(pool, f, expr_new_call(pool, f, sides, 2), out, err);
}

#define COMPARISON_BINDER(name, comparison)                                                        \
    static int name(struct pool *pool, struct expr **args, int arg_count, struct expr **out,       \
                    struct err *err)                                                               \
    {                                                                                              \
        (void)arg_count;                                                                           \
        return compare(pool, comparison, args, out, err);                                          \
    }

COMPARISON_BINDER(bind_equal, COMPARE_EQUAL)
COMPARISON_BINDER(bind_not_equal, COMPARE_NOT_EQUAL)
COMPARISON_BINDER(bind_less, COMPARE_LESS)
COMPARISON_BINDER(bind_less_equal, COMPARE_LESS_EQUAL)
COMPARISON_BINDER(bind_greater, COMPARE_GREATER)
COMPARISON_BINDER(bind_greater_equal, COMPARE_GREATER_EQUAL)

static int distinct(struct pool *pool, bool negated, struct expr **args, struct expr **out,
                    struct err *err)
{
    struct expr *sides[2] = {args[0], args[1]};
    int code = unify(pool, &sides[0], &sides[1], err);
    if (code)
        return code;
    const struct expr_function *f =
        expr_distinct_function(negated, storage_of(sides[0]->type.kind));
    return finish(pool, f, expr_new_call(pool, f, sides, 2), out, err);
}

static int bind_distinct(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                         struct err *err)
{
    (void)arg_count;
    return distinct(pool, false, args, out, err);
}

static int bind_not_distinct(struct pool *pool, struct expr **args, int arg_count,
                             struct expr **out, struct err *err)
{
    (void)arg_count;
    return distinct(pool, true, args, out, err);
}

static int negate(struct pool *pool, int code, struct expr **out, struct err *err)
{
    return code ? code
                : expr_call(pool, "NOT", (struct expr_args){(struct expr *[]){*out}, 1}, out, err);
}

// value BETWEEN low AND high: two comparisons that share the value.
static int bind_between(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                        struct err *err)
{
    struct expr *both[2];
    (void)arg_count;
    int code = compare(pool, COMPARE_GREATER_EQUAL, args, &both[0], err);
    if (code == 0)
        code =
            compare(pool, COMPARE_LESS_EQUAL, (struct expr *[]){args[0], args[2]}, &both[1], err);
    return code ? code : expr_call(pool, "AND", (struct expr_args){both, 2}, out, err);
}

static int bind_not_between(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                            struct err *err)
{
    return negate(pool, bind_between(pool, args, arg_count, out, err), out, err);
}

// A chain of equalities: for lists that are not all literals.
static int in_by_or(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                    struct err *err)
{
    int code = compare(pool, COMPARE_EQUAL, args, out, err);
    for (int i = 2; i < arg_count && code == 0; i++) {
        struct expr *sides[2] = {*out, NULL};
        code = compare(pool, COMPARE_EQUAL, (struct expr *[]){args[0], args[i]}, &sides[1], err);
        if (code == 0)
            code = expr_call(pool, "OR", (struct expr_args){sides, 2}, out, err);
    }
    return code;
}

static int bind_in(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                   struct err *err)
{
    const struct expr_function *f = expr_in_function(storage_of(args[0]->type.kind));
    struct expr *call = expr_new_call(pool, f, args, arg_count);
    for (int i = 1; i < arg_count; i++) {
        struct expr *value = args[0], *item = args[i];
        int code = unify(pool, &value, &item, err);
        if (code)
            return code;
        // The list decides the kind (INT IN (1, 2.5)): the plain way compares pair by pair.
        if (value != args[0] || item->kind != EXPR_LITERAL || arg_count == 2)
            return in_by_or(pool, args, arg_count, out, err);
        call->args[i] = item;
    }
    return finish(pool, f, call, out, err);
}

static int bind_not_in(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                       struct err *err)
{
    return negate(pool, bind_in(pool, args, arg_count, out, err), out, err);
}

// The type of every `step`th argument from the last one backwards: of all, or of CASE's results.
static int common_of(struct expr **args, int arg_count, int step, struct type *type,
                     struct err *err)
{
    *type = args[arg_count - 1]->type;
    for (int i = step - 1; i < arg_count - 1; i += step) {
        if (expr_common_type(type, &args[i]->type, type))
            return no_common_type(args[i], args[arg_count - 1], err);
    }
    type->rowtime = false;
    if (type->kind == TYPE_NULL)
        type->kind = TYPE_STRING;
    return 0;
}

// CASE (when, then, when, then, ..., else).
static int bind_case(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                     struct err *err)
{
    struct type type;
    if (arg_count % 2 == 0)
        return err_set(err, -EINVAL, "CASE needs an ELSE");
    int code = common_of(args, arg_count, 2, &type, err);
    if (code)
        return code;
    const struct expr_function *f = expr_case_function(storage_of(type.kind));
    struct expr *call = expr_new_call(pool, f, args, arg_count);
    for (int i = 0; i < arg_count && code == 0; i++) {
        bool when = i % 2 == 0 && i < arg_count - 1;
        if (when)
            code = expr_coerce(pool, args[i], type_of(TYPE_BOOLEAN), &call->args[i], err);
        else
            code = convert(pool, args[i], type, &call->args[i], err);
    }
    call->type = type; // NOT NULL when every branch is: WHEN's NULL only means "not taken"
    *out = call;
    return code;
}

static int bind_if(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                   struct err *err)
{
    return bind_case(pool, args, arg_count, out, err);
}

static int bind_coalesce(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                         struct err *err)
{
    struct type type;
    int code = common_of(args, arg_count, 1, &type, err);
    if (code)
        return code;
    const struct expr_function *f = expr_coalesce_function(storage_of(type.kind));
    struct expr *call = expr_new_call(pool, f, args, arg_count);
    type.not_null = false;
    for (int i = 0; i < arg_count && code == 0; i++) {
        type.not_null |= args[i]->type.not_null;
        code = convert(pool, args[i], type, &call->args[i], err);
    }
    call->type = type;
    *out = call;
    return code;
}

// NULLIF(a, b) is CASE WHEN a = b THEN NULL ELSE a END.
static int bind_nullif(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                       struct err *err)
{
    struct expr *parts[3] = {NULL, expr_null(pool), args[0]};
    (void)arg_count;
    int code = compare(pool, COMPARE_EQUAL, args, &parts[0], err);
    return code ? code : bind_case(pool, parts, 3, out, err);
}

static int bind_greatest(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                         struct err *err)
{
    struct type type;
    int code = common_of(args, arg_count, 1, &type, err);
    if (code)
        return code;
    const struct expr_function *f = expr_extreme_function(true, storage_of(type.kind));
    struct expr *call = expr_new_call(pool, f, args, arg_count);
    for (int i = 0; i < arg_count && code == 0; i++)
        code = convert(pool, args[i], type, &call->args[i], err);
    call->type = type;
    *out = call;
    return code;
}

// The same, by another function.
static int bind_least(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                      struct err *err)
{
    int code = bind_greatest(pool, args, arg_count, out, err);
    if (code == 0)
        (*out)->function = expr_extreme_function(false, storage_of((*out)->type.kind));
    return code;
}

static int bind_plus(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                     struct err *err)
{
    (void)pool, (void)arg_count;
    if (!type_is_numeric(args[0]->type.kind))
        return err_set(err, -EINVAL, "+ takes a number");
    *out = args[0];
    return 0;
}

static int bind_not_like(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                         struct err *err)
{
    return negate(pool, expr_call(pool, "LIKE", (struct expr_args){args, arg_count}, out, err), out,
                  err);
}

static int bind_not_similar(struct pool *pool, struct expr **args, int arg_count, struct expr **out,
                            struct err *err)
{
    return negate(pool,
                  expr_call(pool, "SIMILAR TO", (struct expr_args){args, arg_count}, out, err), out,
                  err);
}

const struct binder expr_binders[] = {
    {"=", 2, 2, "a = b", bind_equal},
    {"<>", 2, 2, "a <> b", bind_not_equal},
    {"!=", 2, 2, "a <> b", bind_not_equal},
    {"<", 2, 2, "a < b", bind_less},
    {"<=", 2, 2, "a <= b", bind_less_equal},
    {">", 2, 2, "a > b", bind_greater},
    {">=", 2, 2, "a >= b", bind_greater_equal},
    {"+", 1, 1, "+a", bind_plus},
    {"IS DISTINCT FROM", 2, 2, "a IS DISTINCT FROM b", bind_distinct},
    {"IS NOT DISTINCT FROM", 2, 2, "a IS NOT DISTINCT FROM b", bind_not_distinct},
    {"BETWEEN", 3, 3, "a BETWEEN low AND high", bind_between},
    {"NOT BETWEEN", 3, 3, "a NOT BETWEEN low AND high", bind_not_between},
    {"IN", 2, INT_MAX, "a IN (b, ...)", bind_in},
    {"NOT IN", 2, INT_MAX, "a NOT IN (b, ...)", bind_not_in},
    {"NOT LIKE", 2, 3, "a NOT LIKE pattern", bind_not_like},
    {"NOT SIMILAR TO", 2, 3, "a NOT SIMILAR TO pattern", bind_not_similar},
    {"CASE", 3, INT_MAX, "CASE WHEN condition THEN value ELSE value END", bind_case},
    {"IF", 3, 3, "IF(condition, value, value)", bind_if},
    {"COALESCE", 1, INT_MAX, "COALESCE(a, ...)", bind_coalesce},
    {"IFNULL", 2, 2, "IFNULL(a, b)", bind_coalesce},
    {"NULLIF", 2, 2, "NULLIF(a, b)", bind_nullif},
    {"GREATEST", 1, INT_MAX, "GREATEST(a, ...)", bind_greatest},
    {"LEAST", 1, INT_MAX, "LEAST(a, ...)", bind_least},
    {0},
};
