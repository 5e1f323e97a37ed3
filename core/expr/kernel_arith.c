// kernel_arith.c: + - * / % on numbers, dates and intervals. Integers wrap as Java's do: INT is
// held in an int64 slot and cut to 32 bits after each operation.
#include <math.h>

#include "core/base/calendar.h"
#include "core/expr/internal.h"

EXPR_VECTORIZE

static int64_t wrap32(uint64_t value)
{
    return (int32_t)(uint32_t)value;
}

#define BINARY_I64(name, expression)                                                               \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const int64_t *x = k->args[0]->i64, *y = k->args[1]->i64;                                  \
        int64_t *restrict out = k->out->i64;                                                       \
        for (uint32_t i = 0; i < k->count; i++) {                                                  \
            uint64_t a = (uint64_t)x[i], b = (uint64_t)y[i];                                       \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }

BINARY_I64(add_i32, wrap32(a + b))
BINARY_I64(add_i64, (int64_t)(a + b))
BINARY_I64(subtract_i32, wrap32(a - b))
BINARY_I64(subtract_i64, (int64_t)(a - b))
BINARY_I64(multiply_i32, wrap32(a *b))
BINARY_I64(multiply_i64, (int64_t)(a *b))
// A DATE and an interval of days: what is less than a day does not count, as in Flink.
BINARY_I64(add_date_days, (int64_t)(a + (uint64_t)((int64_t)b / CALENDAR_DAY_MS)))
BINARY_I64(add_days_date, (int64_t)(b + (uint64_t)((int64_t)a / CALENDAR_DAY_MS)))
BINARY_I64(subtract_date_days, (int64_t)(a - (uint64_t)((int64_t)b / CALENDAR_DAY_MS)))

#define BINARY_F64(name, expression)                                                               \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const double *x = k->args[0]->f64, *y = k->args[1]->f64;                                   \
        double *restrict out = k->out->f64;                                                        \
        for (uint32_t i = 0; i < k->count; i++) {                                                  \
            double a = x[i], b = y[i];                                                             \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }

BINARY_F64(add_f64, a + b)
BINARY_F64(subtract_f64, a - b)
BINARY_F64(multiply_f64, a *b)
BINARY_F64(divide_f64, a / b)
BINARY_F64(modulo_f64, fmod(a, b))

// Division by zero is an error value; INT64_MIN / -1 wraps to itself.
#define DIVIDE_I64(name, minus_one, expression)                                                    \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const int64_t *x = k->args[0]->i64, *y = k->args[1]->i64;                                  \
        int64_t *out = k->out->i64;                                                                \
        uint8_t *state = k->out->state;                                                            \
        for (uint32_t i = 0; i < k->count; i++) {                                                  \
            int64_t a = x[i], b = y[i];                                                            \
            if (b == 0) {                                                                          \
                out[i] = 0;                                                                        \
                if (state[i] == VALUE_PRESENT)                                                     \
                    state[i] = error_state(EXPR_ERROR_DIVISION_BY_ZERO);                           \
            } else {                                                                               \
                out[i] = b == -1 ? minus_one : expression;                                         \
            }                                                                                      \
        }                                                                                          \
    }

DIVIDE_I64(divide_i32, wrap32(0 - (uint64_t)a), a / b)
DIVIDE_I64(divide_i64, (int64_t)(0 - (uint64_t)a), a / b)
DIVIDE_I64(modulo_i64, 0, a % b)

static void negate_i32(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->i64[i] = wrap32(0 - (uint64_t)k->args[0]->i64[i]);
}

static void negate_i64(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->i64[i] = (int64_t)(0 - (uint64_t)k->args[0]->i64[i]);
}

static void negate_f64(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->f64[i] = -k->args[0]->f64[i];
}

// --- months: the day is clamped to the end of its month ---

static bool months_in_range(int64_t days, int64_t months)
{
    return days > -4000000000 && days < 4000000000 && months > -4000000000 && months < 4000000000;
}

static int64_t shift_months(struct kernel *k, uint32_t row, int64_t days, int64_t months)
{
    if (k->out->state[row] != VALUE_PRESENT)
        return 0;
    if (months_in_range(days, months))
        return calendar_add_months(days, months);
    k->out->state[row] = error_state(EXPR_ERROR_OVERFLOW);
    return 0;
}

// One argument is the interval, the other the date or timestamp; `sign` is that of the interval.
static void shift_column(struct kernel *k, int time_arg, int sign)
{
    const int64_t *time = k->args[time_arg]->i64, *months = k->args[1 - time_arg]->i64;
    bool date = k->call->type.kind == TYPE_DATE;
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t days = date ? time[i] : calendar_floor_div(time[i], CALENDAR_DAY_MS);
        int64_t shifted = shift_months(k, i, days, sign * months[i]);
        k->out->i64[i] =
            date ? shifted
                 : shifted * CALENDAR_DAY_MS + calendar_floor_mod(time[i], CALENDAR_DAY_MS);
    }
}

static void add_months(struct kernel *k)
{
    shift_column(k, 0, 1);
}

static void add_months_reversed(struct kernel *k)
{
    shift_column(k, 1, 1);
}

static void subtract_months(struct kernel *k)
{
    shift_column(k, 0, -1);
}

#define OPERATOR(symbol, args, result, flags, function)                                            \
    {                                                                                              \
        symbol, args, result, FUNCTION_INFIX | (flags), function, NULL, NULL, NULL, NULL           \
    }

const struct expr_function expr_arith_functions[] = {
    OPERATOR("+", "ii", 'i', 0, add_i32),
    OPERATOR("+", "ll", 'l', 0, add_i64),
    OPERATOR("+", "dd", 'd', 0, add_f64),
    OPERATOR("+", "Dy", 'D', 0, add_date_days),
    OPERATOR("+", "yD", 'D', 0, add_days_date),
    OPERATOR("+", "Dm", 'D', FUNCTION_PARTIAL, add_months),
    OPERATOR("+", "mD", 'D', FUNCTION_PARTIAL, add_months_reversed),
    OPERATOR("+", "ty", 't', 0, add_i64),
    OPERATOR("+", "yt", 't', 0, add_i64),
    OPERATOR("+", "zy", 'z', 0, add_i64),
    OPERATOR("+", "yz", 'z', 0, add_i64),
    OPERATOR("+", "tm", 't', FUNCTION_PARTIAL, add_months),
    OPERATOR("+", "mt", 't', FUNCTION_PARTIAL, add_months_reversed),
    OPERATOR("+", "zm", 'z', FUNCTION_PARTIAL, add_months),
    OPERATOR("+", "mz", 'z', FUNCTION_PARTIAL, add_months_reversed),
    OPERATOR("+", "yy", 'y', 0, add_i64),
    OPERATOR("+", "mm", 'm', 0, add_i64),
    OPERATOR("-", "ii", 'i', 0, subtract_i32),
    OPERATOR("-", "ll", 'l', 0, subtract_i64),
    OPERATOR("-", "dd", 'd', 0, subtract_f64),
    OPERATOR("-", "Dy", 'D', 0, subtract_date_days),
    OPERATOR("-", "Dm", 'D', FUNCTION_PARTIAL, subtract_months),
    OPERATOR("-", "ty", 't', 0, subtract_i64),
    OPERATOR("-", "zy", 'z', 0, subtract_i64),
    OPERATOR("-", "tm", 't', FUNCTION_PARTIAL, subtract_months),
    OPERATOR("-", "zm", 'z', FUNCTION_PARTIAL, subtract_months),
    OPERATOR("-", "yy", 'y', 0, subtract_i64),
    OPERATOR("-", "mm", 'm', 0, subtract_i64),
    OPERATOR("-", "i", 'i', 0, negate_i32),
    OPERATOR("-", "l", 'l', 0, negate_i64),
    OPERATOR("-", "d", 'd', 0, negate_f64),
    OPERATOR("-", "y", 'y', 0, negate_i64),
    OPERATOR("-", "m", 'm', 0, negate_i64),
    OPERATOR("*", "ii", 'i', 0, multiply_i32),
    OPERATOR("*", "ll", 'l', 0, multiply_i64),
    OPERATOR("*", "dd", 'd', 0, multiply_f64),
    OPERATOR("*", "ly", 'y', 0, multiply_i64),
    OPERATOR("*", "yl", 'y', 0, multiply_i64),
    OPERATOR("*", "lm", 'm', 0, multiply_i64),
    OPERATOR("*", "ml", 'm', 0, multiply_i64),
    OPERATOR("/", "ii", 'i', FUNCTION_PARTIAL, divide_i32),
    OPERATOR("/", "ll", 'l', FUNCTION_PARTIAL, divide_i64),
    OPERATOR("/", "dd", 'd', 0, divide_f64),
    OPERATOR("%", "ii", 'i', FUNCTION_PARTIAL, modulo_i64),
    OPERATOR("%", "li", 'i', FUNCTION_PARTIAL, modulo_i64), // Flink: the type of the divisor
    OPERATOR("%", "ll", 'l', FUNCTION_PARTIAL, modulo_i64),
    OPERATOR("%", "dd", 'd', 0, modulo_f64),
    OPERATOR("MOD", "ii", 'i', FUNCTION_PARTIAL, modulo_i64),
    OPERATOR("MOD", "li", 'i', FUNCTION_PARTIAL, modulo_i64),
    OPERATOR("MOD", "ll", 'l', FUNCTION_PARTIAL, modulo_i64),
    OPERATOR("MOD", "dd", 'd', 0, modulo_f64),
    {0},
};
