// kernel_logic.c: three-valued logic and the functions that choose: AND, OR, NOT, IS ..., CASE,
// COALESCE, IN. They see NULLs and errors themselves: what is not chosen does not count, so FALSE
// AND error is FALSE, and a CASE discards the errors of branches that are not taken.
#include <stdlib.h>

#include "core/expr/internal.h"

EXPR_VECTORIZE

// AND when `decisive` is 0, OR when it is 1: that value decides whatever the other side is.
static void connect(struct kernel *k, int64_t decisive)
{
    const struct column *a = k->args[0], *b = k->args[1];
    const int64_t *x = a->i64, *y = b->i64;
    int64_t *restrict out = k->out->i64;
    if (a->all_present && b->all_present) {
        for (uint32_t i = 0; i < k->count; i++)
            out[i] = decisive ? x[i] | y[i] : x[i] & y[i];
        memset(k->out->state, VALUE_PRESENT, k->count);
        return;
    }
    for (uint32_t i = 0; i < k->count; i++) {
        uint8_t s = a->state[i], t = b->state[i];
        bool decided =
            (s == VALUE_PRESENT && x[i] == decisive) || (t == VALUE_PRESENT && y[i] == decisive);
        out[i] = decided ? decisive : !decisive;
        k->out->state[i] = decided ? VALUE_PRESENT : s > t ? s : t;
    }
}

static void and_kernel(struct kernel *k)
{
    connect(k, 0);
}

static void or_kernel(struct kernel *k)
{
    connect(k, 1);
}

static void not_kernel(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->i64[i] = k->args[0]->i64[i] == 0;
}

// IS tests: an error stays one, anything else becomes TRUE or FALSE.
#define IS_TEST(name, expression)                                                                  \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const uint8_t *states = k->args[0]->state;                                                 \
        const int64_t *values = k->args[0]->i64;                                                   \
        (void)values;                                                                              \
        for (uint32_t i = 0; i < k->count; i++) {                                                  \
            uint8_t s = states[i];                                                                 \
            k->out->i64[i] = (expression);                                                         \
            k->out->state[i] = s >= VALUE_ERROR ? s : VALUE_PRESENT;                               \
        }                                                                                          \
    }

IS_TEST(is_null, s == VALUE_NULL)
IS_TEST(is_not_null, s == VALUE_PRESENT)
IS_TEST(is_true, s == VALUE_PRESENT && values[i])
IS_TEST(is_not_true, s != VALUE_PRESENT || !values[i])
IS_TEST(is_false, s == VALUE_PRESENT && !values[i])
IS_TEST(is_not_false, s != VALUE_PRESENT || values[i])

// Take row i of `from`: value and state.
#define CHOOSE(suffix, member)                                                                     \
    static void case_##suffix(struct kernel *k)                                                    \
    {                                                                                              \
        const struct column *otherwise = k->args[k->arg_count - 1];                                \
        memcpy(k->out->member, otherwise->member, k->count * sizeof(*k->out->member));             \
        memcpy(k->out->state, otherwise->state, k->count);                                         \
        for (int w = k->arg_count - 3; w >= 0; w -= 2) {                                           \
            const struct column *when = k->args[w], *then = k->args[w + 1];                        \
            for (uint32_t i = 0; i < k->count; i++) {                                              \
                if (when->state[i] >= VALUE_ERROR) {                                               \
                    k->out->state[i] = when->state[i];                                             \
                } else if (when->state[i] == VALUE_PRESENT && when->i64[i]) {                      \
                    k->out->member[i] = then->member[i];                                           \
                    k->out->state[i] = then->state[i];                                             \
                }                                                                                  \
            }                                                                                      \
        }                                                                                          \
    }                                                                                              \
    static void coalesce_##suffix(struct kernel *k)                                                \
    {                                                                                              \
        memcpy(k->out->member, k->args[0]->member, k->count * sizeof(*k->out->member));            \
        memcpy(k->out->state, k->args[0]->state, k->count);                                        \
        for (int a = 1; a < k->arg_count; a++) {                                                   \
            for (uint32_t i = 0; i < k->count; i++) {                                              \
                if (k->out->state[i] != VALUE_NULL)                                                \
                    continue;                                                                      \
                k->out->member[i] = k->args[a]->member[i];                                         \
                k->out->state[i] = k->args[a]->state[i];                                           \
            }                                                                                      \
        }                                                                                          \
    }

CHOOSE(i64, i64)
CHOOSE(f64, f64)
CHOOSE(str, str)

const struct expr_function *expr_case_function(enum storage storage)
{
    static const struct expr_function functions[STORAGE_COUNT] = {
        {.name = "CASE", .flags = FUNCTION_LENIENT, .kernel = case_i64},
        {.name = "CASE", .flags = FUNCTION_LENIENT, .kernel = case_f64},
        {.name = "CASE", .flags = FUNCTION_LENIENT, .kernel = case_str},
    };
    return &functions[storage];
}

const struct expr_function *expr_coalesce_function(enum storage storage)
{
    static const struct expr_function functions[STORAGE_COUNT] = {
        {.name = "COALESCE", .flags = FUNCTION_LENIENT, .kernel = coalesce_i64},
        {.name = "COALESCE", .flags = FUNCTION_LENIENT, .kernel = coalesce_f64},
        {.name = "COALESCE", .flags = FUNCTION_LENIENT, .kernel = coalesce_str},
    };
    return &functions[storage];
}

// --- IN over a list of literals: sorted once, searched by halving ---

struct in_set {
    int count;
    bool has_null;
    enum storage storage;
    struct column values; // only the arrays' heads are used
};

static int order_i64(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static int order_f64(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static int order_str(const void *a, const void *b)
{
    return slice_compare(*(const struct slice *)a, *(const struct slice *)b);
}

static const struct {
    size_t bytes;
    int (*order)(const void *a, const void *b);
} set_kinds[STORAGE_COUNT] = {
    [STORAGE_I64] = {sizeof(int64_t), order_i64},
    [STORAGE_F64] = {sizeof(double), order_f64},
    [STORAGE_STR] = {sizeof(struct slice), order_str},
};

static void *prepare_in(const struct expr *call)
{
    struct in_set *set = calloc(1, sizeof(*set));
    CHECK(set);
    set->storage = storage_of(call->args[0]->type.kind);
    size_t bytes = set_kinds[set->storage].bytes;
    set->values.i64 = calloc((size_t)call->arg_count, bytes);
    CHECK(set->values.i64);
    for (int i = 1; i < call->arg_count; i++) {
        const struct expr *e = call->args[i];
        CHECK(e->kind == EXPR_LITERAL);
        if (e->is_null)
            set->has_null = true;
        else if (set->storage == STORAGE_STR)
            set->values.str[set->count++] = e->str;
        else if (set->storage == STORAGE_F64)
            set->values.f64[set->count++] = e->f64;
        else
            set->values.i64[set->count++] = e->i64;
    }
    qsort(set->values.i64, (size_t)set->count, bytes, set_kinds[set->storage].order);
    return set;
}

static void release_in(void *prepared)
{
    struct in_set *set = prepared;
    free(set->values.i64);
    free(set);
}

// NULL when the value is, or when it is not in a list that has a NULL. (States of the list's
// columns do not count, hence lenient.)
static void in_kernel(struct kernel *k)
{
    const struct in_set *set = k->prepared;
    size_t bytes = set_kinds[set->storage].bytes;
    const char *values = (const char *)k->args[0]->i64;
    for (uint32_t i = 0; i < k->count; i++) {
        k->out->i64[i] = 0;
        k->out->state[i] = k->args[0]->state[i];
        if (k->out->state[i] != VALUE_PRESENT)
            continue;
        if (bsearch(values + i * bytes, set->values.i64, (size_t)set->count, bytes,
                    set_kinds[set->storage].order))
            k->out->i64[i] = 1;
        else if (set->has_null)
            k->out->state[i] = VALUE_NULL;
    }
}

const struct expr_function *expr_in_function(enum storage storage)
{
    static const struct expr_function function = {.name = "IN",
                                                  .result = 'b',
                                                  .flags = FUNCTION_LENIENT | FUNCTION_SET,
                                                  .kernel = in_kernel,
                                                  .prepare = prepare_in,
                                                  .release = release_in};
    (void)storage; // told from the arguments
    return &function;
}

#define TEST(name, args, kernel)                                                                   \
    {                                                                                              \
        name, args, 'b', FUNCTION_POSTFIX | FUNCTION_LENIENT | FUNCTION_NOT_NULL, kernel, NULL,    \
            NULL, NULL, NULL                                                                       \
    }
// A test that takes a value of any kind.
#define TEST_ANY(name, kernel)                                                                     \
    TEST(name, "b", kernel), TEST(name, "i", kernel), TEST(name, "l", kernel),                     \
        TEST(name, "d", kernel), TEST(name, "s", kernel), TEST(name, "D", kernel),                 \
        TEST(name, "I", kernel), TEST(name, "t", kernel), TEST(name, "z", kernel),                 \
        TEST(name, "y", kernel), TEST(name, "m", kernel)

const struct expr_function expr_logic_functions[] = {
    {"AND", "bb", 'b', FUNCTION_INFIX | FUNCTION_LENIENT, and_kernel, NULL, NULL, NULL, NULL},
    {"OR", "bb", 'b', FUNCTION_INFIX | FUNCTION_LENIENT, or_kernel, NULL, NULL, NULL, NULL},
    {"NOT", "b", 'b', 0, not_kernel, NULL, NULL, NULL, NULL},
    TEST_ANY("IS NULL", is_null),
    TEST_ANY("IS NOT NULL", is_not_null),
    TEST("IS UNKNOWN", "b", is_null),
    TEST("IS NOT UNKNOWN", "b", is_not_null),
    TEST("IS TRUE", "b", is_true),
    TEST("IS NOT TRUE", "b", is_not_true),
    TEST("IS FALSE", "b", is_false),
    TEST("IS NOT FALSE", "b", is_not_false),
    {0},
};
