// kernel_compare.c: = <> < <= > >=, IS DISTINCT FROM, GREATEST and LEAST, for each way of storing a
// value. Comparing a column with a literal keeps the literal in a register. Strings are ordered by
// their bytes, which for UTF-8 is the order of code points.
#include "core/expr/internal.h"

EXPR_VECTORIZE

#define COMPARE_NUMBERS(name, type, member, op)                                                    \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const type *a = k->args[0]->member, *b = k->args[1]->member;                               \
        int64_t *restrict out = k->out->i64;                                                       \
        if (k->constant[1]) {                                                                      \
            const type c = b[0];                                                                   \
            for (uint32_t i = 0; i < k->count; i++)                                                \
                out[i] = a[i] op c;                                                                \
        } else {                                                                                   \
            for (uint32_t i = 0; i < k->count; i++)                                                \
                out[i] = a[i] op b[i];                                                             \
        }                                                                                          \
    }

COMPARE_NUMBERS(equal_i64, int64_t, i64, ==)
COMPARE_NUMBERS(not_equal_i64, int64_t, i64, !=)
COMPARE_NUMBERS(less_i64, int64_t, i64, <)
COMPARE_NUMBERS(less_equal_i64, int64_t, i64, <=)
COMPARE_NUMBERS(greater_i64, int64_t, i64, >)
COMPARE_NUMBERS(greater_equal_i64, int64_t, i64, >=)
COMPARE_NUMBERS(equal_f64, double, f64, ==)
COMPARE_NUMBERS(not_equal_f64, double, f64, !=)
COMPARE_NUMBERS(less_f64, double, f64, <)
COMPARE_NUMBERS(less_equal_f64, double, f64, <=)
COMPARE_NUMBERS(greater_f64, double, f64, >)
COMPARE_NUMBERS(greater_equal_f64, double, f64, >=)

#define COMPARE_STRINGS(name, test)                                                                \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const struct slice *x = k->args[0]->str, *y = k->args[1]->str;                             \
        for (uint32_t i = 0; i < k->count; i++) {                                                  \
            struct slice a = x[i], b = y[i];                                                       \
            k->out->i64[i] = k->out->state[i] == VALUE_PRESENT && (test);                          \
        }                                                                                          \
    }

COMPARE_STRINGS(equal_str, slice_equal(a, b))
COMPARE_STRINGS(not_equal_str, !slice_equal(a, b))
COMPARE_STRINGS(less_str, slice_compare(a, b) < 0)
COMPARE_STRINGS(less_equal_str, slice_compare(a, b) <= 0)
COMPARE_STRINGS(greater_str, slice_compare(a, b) > 0)
COMPARE_STRINGS(greater_equal_str, slice_compare(a, b) >= 0)

#define COMPARISON(symbol, function)                                                               \
    {                                                                                              \
        symbol, NULL, 'b', FUNCTION_INFIX, function, NULL, NULL, NULL, NULL                        \
    }

static const struct expr_function comparisons[COMPARE_COUNT][STORAGE_COUNT] = {
    [COMPARE_EQUAL] = {COMPARISON("=", equal_i64), COMPARISON("=", equal_f64),
                       COMPARISON("=", equal_str)},
    [COMPARE_NOT_EQUAL] = {COMPARISON("<>", not_equal_i64), COMPARISON("<>", not_equal_f64),
                           COMPARISON("<>", not_equal_str)},
    [COMPARE_LESS] = {COMPARISON("<", less_i64), COMPARISON("<", less_f64),
                      COMPARISON("<", less_str)},
    [COMPARE_LESS_EQUAL] = {COMPARISON("<=", less_equal_i64), COMPARISON("<=", less_equal_f64),
                            COMPARISON("<=", less_equal_str)},
    [COMPARE_GREATER] = {COMPARISON(">", greater_i64), COMPARISON(">", greater_f64),
                         COMPARISON(">", greater_str)},
    [COMPARE_GREATER_EQUAL] = {COMPARISON(">=", greater_equal_i64),
                               COMPARISON(">=", greater_equal_f64),
                               COMPARISON(">=", greater_equal_str)},
};

const struct expr_function *expr_compare_function(enum comparison comparison, enum storage storage)
{
    return &comparisons[comparison][storage];
}

static bool same_value(const struct column *a, const struct column *b, uint32_t i)
{
    if (storage_of(a->kind) == STORAGE_STR)
        return slice_equal(a->str[i], b->str[i]);
    return storage_of(a->kind) == STORAGE_F64 ? a->f64[i] == b->f64[i] : a->i64[i] == b->i64[i];
}

static void distinct_rows(struct kernel *k, bool negated)
{
    const struct column *a = k->args[0], *b = k->args[1];
    for (uint32_t i = 0; i < k->count; i++) {
        uint8_t s = a->state[i], t = b->state[i];
        bool distinct = s != t;
        if (s == VALUE_PRESENT && t == VALUE_PRESENT)
            distinct = !same_value(a, b, i);
        uint8_t worst = s > t ? s : t;
        k->out->state[i] = worst >= VALUE_ERROR ? worst : VALUE_PRESENT;
        k->out->i64[i] = distinct != negated;
    }
}

static void is_distinct(struct kernel *k)
{
    distinct_rows(k, false);
}

static void is_not_distinct(struct kernel *k)
{
    distinct_rows(k, true);
}

const struct expr_function *expr_distinct_function(bool negated, enum storage storage)
{
    static const struct expr_function functions[] = {
        {"IS DISTINCT FROM", NULL, 'b', FUNCTION_INFIX | FUNCTION_LENIENT | FUNCTION_NOT_NULL,
         is_distinct, NULL, NULL, NULL, NULL},
        {"IS NOT DISTINCT FROM", NULL, 'b', FUNCTION_INFIX | FUNCTION_LENIENT | FUNCTION_NOT_NULL,
         is_not_distinct, NULL, NULL, NULL, NULL},
    };
    (void)storage; // told from the columns
    return &functions[negated];
}

#define EXTREME(name, type, member, better)                                                        \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        type *out = k->out->member;                                                                \
        memcpy(out, k->args[0]->member, k->count * sizeof(type));                                  \
        for (int arg = 1; arg < k->arg_count; arg++) {                                             \
            const type *in = k->args[arg]->member;                                                 \
            for (uint32_t i = 0; i < k->count; i++) {                                              \
                type a = in[i], b = out[i];                                                        \
                if (k->out->state[i] == VALUE_PRESENT && (better))                                 \
                    out[i] = a;                                                                    \
            }                                                                                      \
        }                                                                                          \
    }

EXTREME(greatest_i64, int64_t, i64, a > b)
EXTREME(greatest_f64, double, f64, a > b)
EXTREME(greatest_str, struct slice, str, slice_compare(a, b) > 0)
EXTREME(least_i64, int64_t, i64, a < b)
EXTREME(least_f64, double, f64, a < b)
EXTREME(least_str, struct slice, str, slice_compare(a, b) < 0)

const struct expr_function *expr_extreme_function(bool greatest, enum storage storage)
{
    static const struct expr_function functions[2][STORAGE_COUNT] = {
        {{.name = "LEAST", .kernel = least_i64},
         {.name = "LEAST", .kernel = least_f64},
         {.name = "LEAST", .kernel = least_str}},
        {{.name = "GREATEST", .kernel = greatest_i64},
         {.name = "GREATEST", .kernel = greatest_f64},
         {.name = "GREATEST", .kernel = greatest_str}},
    };
    return &functions[greatest][storage];
}
