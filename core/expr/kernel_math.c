// kernel_math.c: mathematical functions, as java.lang.Math and Flink compute them.
#include <math.h>

#include "core/expr/internal.h"

EXPR_VECTORIZE

#define UNARY_F64(name, expression)                                                                \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const double *x = k->args[0]->f64;                                                         \
        double *restrict out = k->out->f64;                                                        \
        for (uint32_t i = 0; i < k->count; i++) {                                                  \
            double a = x[i];                                                                       \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }

#define UNARY_I64(name, expression)                                                                \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const int64_t *x = k->args[0]->i64;                                                        \
        int64_t *restrict out = k->out->i64;                                                       \
        for (uint32_t i = 0; i < k->count; i++) {                                                  \
            int64_t a = x[i];                                                                      \
            out[i] = expression;                                                                   \
        }                                                                                          \
    }

UNARY_F64(abs_f64, fabs(a))
UNARY_F64(ceil_f64, ceil(a))
UNARY_F64(floor_f64, floor(a))
UNARY_F64(sign_f64, (a > 0) - (a < 0))
UNARY_F64(sqrt_f64, sqrt(a))
UNARY_F64(exp_f64, exp(a))
UNARY_F64(ln_f64, log(a))
UNARY_F64(log10_f64, log10(a))
UNARY_F64(log2_f64, log2(a))
UNARY_F64(sin_f64, sin(a))
UNARY_F64(cos_f64, cos(a))
UNARY_F64(round_f64, round(a))
UNARY_F64(truncate_f64, trunc(a))
UNARY_F64(tan_f64, tan(a))
UNARY_F64(cot_f64, 1.0 / tan(a))
UNARY_F64(asin_f64, asin(a))
UNARY_F64(acos_f64, acos(a))
UNARY_F64(atan_f64, atan(a))
UNARY_F64(sinh_f64, sinh(a))
UNARY_F64(cosh_f64, cosh(a))
UNARY_F64(tanh_f64, tanh(a))
UNARY_F64(degrees_f64, a * 57.29577951308232)
UNARY_F64(radians_f64, a * 0.017453292519943295)
// Math.abs(Integer.MIN_VALUE) is itself.
UNARY_I64(abs_i32, (int32_t)(uint32_t)(a < 0 ? 0 - (uint64_t)a : (uint64_t)a))
UNARY_I64(abs_i64, (int64_t)(a < 0 ? 0 - (uint64_t)a : (uint64_t)a))
UNARY_I64(sign_i64, (a > 0) - (a < 0))
UNARY_I64(same_i64, a)

static void power_f64(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->f64[i] = pow(k->args[0]->f64[i], k->args[1]->f64[i]);
}

static void atan2_f64(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->f64[i] = atan2(k->args[0]->f64[i], k->args[1]->f64[i]);
}

static void fill(struct kernel *k, double value)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->f64[i] = value;
}

static void pi_f64(struct kernel *k)
{
    fill(k, M_PI);
}

static void e_f64(struct kernel *k)
{
    fill(k, M_E);
}

// LOG(base, x).
static void log_base_f64(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->f64[i] = log(k->args[1]->f64[i]) / log(k->args[0]->f64[i]);
}

// Half away from zero at `digits` decimals. Scaling makes an error of its own, so a result is taken
// in long double, whose 64 bits of mantissa keep 2.345 above the half that it was written as.
static double round_decimals(double value, int64_t digits)
{
    if (!isfinite(value) || digits > 300)
        return value;
    if (digits < -308)
        return 0;
    long double scale = powl(10.0L, (long double)(digits < 0 ? -digits : digits));
    long double scaled = digits < 0 ? value / scale : value * scale;
    if (fabsl(scaled) >= 9007199254740992.0L)
        return value;
    // The nearest double of the scaled value undoes the error of binary fractions.
    long double whole = roundl((long double)(double)scaled);
    return (double)(digits < 0 ? whole * scale : whole / scale);
}

static void round_f64_digits(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->f64[i] = round_decimals(k->args[0]->f64[i], k->args[1]->i64[i]);
}

// ROUND(12345, -2) = 12300; digits after the point change nothing.
static int64_t round_integer(int64_t value, int64_t digits)
{
    int64_t scale = 1;
    if (digits >= 0)
        return value;
    if (digits < -18)
        return 0;
    for (int64_t d = digits; d < 0; d++)
        scale *= 10;
    int64_t rest = value % scale;
    int64_t down = value - rest;
    if (rest >= scale - rest && rest > 0)
        return (int64_t)((uint64_t)down + (uint64_t)scale);
    if (-rest >= scale + rest && rest < 0)
        return (int64_t)((uint64_t)down - (uint64_t)scale);
    return down;
}

static void round_i64_digits(struct kernel *k)
{
    bool narrow = k->call->type.kind == TYPE_INT;
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t value = round_integer(k->args[0]->i64[i], k->args[1]->i64[i]);
        k->out->i64[i] = narrow ? (int32_t)(uint32_t)value : value;
    }
}

// Cut behind `digits` decimals of the number as it is written (Double.toString), as Flink does
// through BigDecimal: 4.35 keeps its 5, though the double is a little less.
static double truncate_decimals(double value, int64_t digits)
{
    if (!isfinite(value) || digits > 300 || fabs(value) >= 9007199254740992.0)
        return value;
    if (digits < -308)
        return 0;
    double scale = pow(10.0, (double)(digits < 0 ? -digits : digits));
    double whole = trunc(digits < 0 ? value / scale : value * scale);
    // The next number away from zero is the right one when it is not beyond the value.
    double next = whole + (value < 0 ? -1 : 1);
    double cut = digits < 0 ? whole * scale : whole / scale;
    double beyond = digits < 0 ? next * scale : next / scale;
    return fabs(beyond) <= fabs(value) ? beyond : fabs(cut) > fabs(value) ? value : cut;
}

static void truncate_f64_digits(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->f64[i] = truncate_decimals(k->args[0]->f64[i], k->args[1]->i64[i]);
}

static void truncate_i64_digits(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t scale = 1, digits = k->args[1]->i64[i];
        for (int64_t d = digits; d < 0 && d >= -18; d++)
            scale *= 10;
        k->out->i64[i] = digits < -18 ? 0 : k->args[0]->i64[i] / scale * scale;
    }
}

#define PLAIN(name, args, result, function)                                                        \
    {                                                                                              \
        name, args, result, 0, function, NULL, NULL, NULL, NULL                                    \
    }

const struct expr_function expr_math_functions[] = {
    PLAIN("ABS", "i", 'i', abs_i32),
    PLAIN("ABS", "l", 'l', abs_i64),
    PLAIN("ABS", "d", 'd', abs_f64),
    PLAIN("CEIL", "i", 'i', same_i64),
    PLAIN("CEIL", "l", 'l', same_i64),
    PLAIN("CEIL", "d", 'd', ceil_f64),
    PLAIN("CEILING", "i", 'i', same_i64),
    PLAIN("CEILING", "l", 'l', same_i64),
    PLAIN("CEILING", "d", 'd', ceil_f64),
    PLAIN("FLOOR", "i", 'i', same_i64),
    PLAIN("FLOOR", "l", 'l', same_i64),
    PLAIN("FLOOR", "d", 'd', floor_f64),
    PLAIN("ROUND", "i", 'i', same_i64),
    PLAIN("ROUND", "l", 'l', same_i64),
    PLAIN("ROUND", "d", 'd', round_f64),
    PLAIN("ROUND", "ii", 'i', round_i64_digits),
    PLAIN("ROUND", "li", 'l', round_i64_digits),
    PLAIN("ROUND", "di", 'd', round_f64_digits),
    PLAIN("SIGN", "i", 'i', sign_i64),
    PLAIN("SIGN", "l", 'l', sign_i64),
    PLAIN("SIGN", "d", 'd', sign_f64),
    PLAIN("POWER", "dd", 'd', power_f64),
    PLAIN("SQRT", "d", 'd', sqrt_f64),
    PLAIN("EXP", "d", 'd', exp_f64),
    PLAIN("LN", "d", 'd', ln_f64),
    PLAIN("LOG10", "d", 'd', log10_f64),
    PLAIN("LOG2", "d", 'd', log2_f64),
    PLAIN("LOG", "d", 'd', ln_f64),
    PLAIN("LOG", "dd", 'd', log_base_f64),
    PLAIN("TRUNCATE", "i", 'i', same_i64),
    PLAIN("TRUNCATE", "l", 'l', same_i64),
    PLAIN("TRUNCATE", "d", 'd', truncate_f64),
    PLAIN("TRUNCATE", "ii", 'i', truncate_i64_digits),
    PLAIN("TRUNCATE", "li", 'l', truncate_i64_digits),
    PLAIN("TRUNCATE", "di", 'd', truncate_f64_digits),
    PLAIN("TAN", "d", 'd', tan_f64),
    PLAIN("COT", "d", 'd', cot_f64),
    PLAIN("ASIN", "d", 'd', asin_f64),
    PLAIN("ACOS", "d", 'd', acos_f64),
    PLAIN("ATAN", "d", 'd', atan_f64),
    PLAIN("ATAN2", "dd", 'd', atan2_f64),
    PLAIN("SINH", "d", 'd', sinh_f64),
    PLAIN("COSH", "d", 'd', cosh_f64),
    PLAIN("TANH", "d", 'd', tanh_f64),
    PLAIN("DEGREES", "d", 'd', degrees_f64),
    PLAIN("RADIANS", "d", 'd', radians_f64),
    PLAIN("PI", "", 'd', pi_f64),
    PLAIN("E", "", 'd', e_f64),
    PLAIN("SIN", "d", 'd', sin_f64),
    PLAIN("COS", "d", 'd', cos_f64),
    {0},
};
