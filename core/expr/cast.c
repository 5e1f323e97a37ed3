// cast.c: CAST and TRY_CAST between all kinds, as Flink's code does them: DOUBLE to an integer
// saturates and NaN is 0, BIGINT to INT keeps the low 32 bits, '12.7' to INT is 12. What text
// cannot mean is an error value.
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/calendar.h"
#include "core/base/number.h"
#include "core/base/utf8.h"
#include "core/expr/internal.h"
#include "core/expr/zone.h"

#define EACH_ROW(statement)                                                                        \
    do {                                                                                           \
        for (uint32_t i = 0; i < k->count; i++)                                                    \
            statement;                                                                             \
    } while (0)

#define NUMERIC_CAST(name, expression)                                                             \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        const struct column *in = k->args[0];                                                      \
        struct column *out = k->out;                                                               \
        EACH_ROW(expression);                                                                      \
    }

// Java's (long) and (int) of a double.
static int64_t saturate(double value, double low, double high, int64_t lowest, int64_t highest)
{
    if (isnan(value))
        return 0;
    return value <= low ? lowest : value >= high ? highest : (int64_t)value;
}

NUMERIC_CAST(same_slots, out->i64[i] = in->i64[i])
NUMERIC_CAST(to_i32, out->i64[i] = (int32_t)(uint32_t)(uint64_t)in->i64[i])
NUMERIC_CAST(i64_to_f64, out->f64[i] = (double)in->i64[i])
NUMERIC_CAST(f64_to_i32,
             out->i64[i] = saturate(in->f64[i], -2147483648.0, 2147483647.0, INT32_MIN, INT32_MAX))
NUMERIC_CAST(f64_to_i64, out->i64[i] = saturate(in->f64[i], -9223372036854775808.0,
                                                9223372036854775808.0, INT64_MIN, INT64_MAX))
NUMERIC_CAST(i64_to_boolean, out->i64[i] = in->i64[i] != 0)
NUMERIC_CAST(f64_to_boolean, out->i64[i] = in->f64[i] != 0)
NUMERIC_CAST(date_to_timestamp, out->i64[i] = in->i64[i] * CALENDAR_DAY_MS)
NUMERIC_CAST(timestamp_to_date, out->i64[i] = calendar_floor_div(in->i64[i], CALENDAR_DAY_MS))
NUMERIC_CAST(timestamp_to_time,
             out->i64[i] = calendar_floor(calendar_floor_mod(in->i64[i], CALENDAR_DAY_MS),
                                          CALENDAR_SECOND))
NUMERIC_CAST(to_local, out->i64[i] = zone_to_local(k->zone, in->i64[i]))
NUMERIC_CAST(from_local, out->i64[i] = zone_from_local(k->zone, in->i64[i]))
NUMERIC_CAST(date_to_ltz, out->i64[i] = zone_from_local(k->zone, in->i64[i] * CALENDAR_DAY_MS))
NUMERIC_CAST(ltz_to_date,
             out->i64[i] = calendar_floor_div(zone_to_local(k->zone, in->i64[i]), CALENDAR_DAY_MS))

static void cut_precision(struct kernel *k)
{
    static const int64_t steps[] = {1000, 100, 10, 1};
    int64_t step = steps[k->call->type.precision > 3 ? 3 : k->call->type.precision];
    const struct column *in = k->args[0];
    EACH_ROW(k->out->i64[i] = in->i64[i] - calendar_floor_mod(in->i64[i], step));
}

// --- from text ---

static struct slice trim(struct slice s)
{
    while (s.len && s.ptr[0] == ' ') {
        s.ptr++;
        s.len--;
    }
    while (s.len && s.ptr[s.len - 1] == ' ')
        s.len--;
    return s;
}

// An integer, or one with decimals, which are dropped.
static bool read_integer(struct slice s, int64_t *out)
{
    s = trim(s);
    const char *point = s.len ? memchr(s.ptr, '.', s.len) : NULL;
    if (point) {
        for (const char *p = point + 1; p < s.ptr + s.len; p++)
            if ((unsigned char)(*p - '0') > 9)
                return false;
        s.len = (uint64_t)(point - s.ptr);
    }
    return number_parse_int64(s, out) == 0;
}

static bool read_int(struct slice s, const struct type *to, int64_t *out)
{
    (void)to;
    return read_integer(s, out) && *out == (int32_t)*out;
}

static bool read_bigint(struct slice s, const struct type *to, int64_t *out)
{
    (void)to;
    return read_integer(s, out);
}

static bool read_boolean(struct slice s, const struct type *to, int64_t *out)
{
    static const char *const words[] = {"t", "true", "y", "yes", "1", "f", "false", "n", "no", "0"};
    (void)to;
    for (int i = 0; i < 10; i++) {
        if (strlen(words[i]) == s.len && strncasecmp(words[i], s.ptr, s.len) == 0) {
            *out = i < 5;
            return true;
        }
    }
    return false;
}

static bool read_date(struct slice s, const struct type *to, int64_t *out)
{
    (void)to;
    return calendar_cast_date(s, out);
}

static bool read_time(struct slice s, const struct type *to, int64_t *out)
{
    (void)to;
    if (!calendar_parse_time(trim(s), out))
        return false;
    *out = calendar_floor(*out, CALENDAR_SECOND);
    return true;
}

static bool read_timestamp(struct slice s, const struct type *to, int64_t *out)
{
    static const int64_t steps[] = {1000, 100, 10, 1};
    if (!calendar_cast_timestamp(s, out))
        return false;
    *out -= calendar_floor_mod(*out, steps[to->precision > 3 ? 3 : to->precision]);
    return true;
}

#define TEXT_CAST(name, read, finish)                                                              \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        for (uint32_t i = 0; i < k->count; i++) {                                                  \
            int64_t value = 0;                                                                     \
            if (k->out->state[i] == VALUE_PRESENT &&                                               \
                !read(k->args[0]->str[i], &k->call->type, &value))                                 \
                k->out->state[i] = error_state(EXPR_ERROR_CAST);                                   \
            k->out->i64[i] = finish;                                                               \
        }                                                                                          \
    }

TEXT_CAST(text_to_int, read_int, value)
TEXT_CAST(text_to_bigint, read_bigint, value)
TEXT_CAST(text_to_boolean, read_boolean, value)
TEXT_CAST(text_to_date, read_date, value)
TEXT_CAST(text_to_time, read_time, value)
TEXT_CAST(text_to_timestamp, read_timestamp, value)
TEXT_CAST(text_to_ltz, read_timestamp, zone_from_local(k->zone, value))

static void text_to_double(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        k->out->f64[i] = 0;
        if (k->out->state[i] != VALUE_PRESENT)
            continue;
        struct slice s = trim(k->args[0]->str[i]);
        if (s.len > 1 && memchr("dDfF", s.ptr[s.len - 1], 4)) // 1.5d, as Double.parseDouble
            s.len--;
        if (number_parse_double(s, &k->out->f64[i]))
            k->out->state[i] = error_state(EXPR_ERROR_CAST);
    }
}

// --- to text ---

// Cut to VARCHAR(n), pad to CHAR(n).
static struct slice fit_length(struct kernel *k, struct slice s, bool borrowed)
{
    const struct type *type = &k->call->type;
    size_t used = 0, chars = 0;
    if (type->length == 0)
        return borrowed ? s : scratch_copy(k, s.ptr, s.len);
    while (used < s.len && chars < type->length) {
        size_t step = utf8_sequence_bytes(s.ptr + used, s.len - used);
        used += step ? step : 1;
        chars++;
    }
    size_t padding = type->fixed_length ? type->length - chars : 0;
    if (padding == 0)
        return borrowed ? slice_make(s.ptr, used) : scratch_copy(k, s.ptr, used);
    char *out = scratch_bytes(k, used + padding);
    memcpy(out, s.ptr, used);
    memset(out + used, ' ', padding);
    return slice_make(out, used + padding);
}

static size_t write_interval_day(int64_t ms, char *out, size_t room)
{
    uint64_t rest = ms < 0 ? 0 - (uint64_t)ms : (uint64_t)ms;
    return (size_t)snprintf(out, room, "%c%lu %02lu:%02lu:%02lu.%03lu", ms < 0 ? '-' : '+',
                            rest / 86400000, rest / 3600000 % 24, rest / 60000 % 60,
                            rest / 1000 % 60, rest % 1000);
}

// One value as text at `out`, which has room for 64 bytes.
static size_t write_value(const struct kernel *k, uint32_t i, char *out)
{
    const struct column *in = k->args[0];
    const struct type *type = &k->call->args[0]->type;
    int64_t value = in->i64[i];
    switch (type->kind) {
    case TYPE_BOOLEAN:
        memcpy(out, value ? "TRUE" : "FALSE", value ? 4 : 5);
        return value ? 4 : 5;
    case TYPE_DOUBLE:
        return number_format_double(in->f64[i], out);
    case TYPE_DATE:
        return calendar_format_date(value, out);
    case TYPE_TIME:
        return calendar_format_time(value, 0, out);
    case TYPE_TIMESTAMP:
        return calendar_format_timestamp_fixed(value, type->precision, out);
    case TYPE_TIMESTAMP_LTZ:
        return calendar_format_timestamp_fixed(zone_to_local(k->zone, value), type->precision, out);
    case TYPE_INTERVAL_DAY:
        return write_interval_day(value, out, 64);
    case TYPE_INTERVAL_MONTH:
        return (size_t)snprintf(out, 64, "%c%ld-%02ld", value < 0 ? '-' : '+',
                                labs((long)value) / 12, labs((long)value) % 12);
    default:
        return number_format_int64(value, out);
    }
}

static void value_to_text(struct kernel *k)
{
    char text[64];
    for (uint32_t i = 0; i < k->count; i++) {
        k->out->str[i] = slice_make("", 0);
        if (k->out->state[i] == VALUE_PRESENT)
            k->out->str[i] = fit_length(k, slice_make(text, write_value(k, i, text)), false);
    }
}

static void text_to_text(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        k->out->str[i] = slice_make("", 0);
        if (k->out->state[i] == VALUE_PRESENT)
            k->out->str[i] = fit_length(k, k->args[0]->str[i], true);
    }
}

#define CAST_FROM(from, to, flag, function)                                                        \
    [from][to] = {.name = "CAST", .flags = (flag), .kernel = function}
#define CASTS_TO_TEXT(from, flag) CAST_FROM(from, TYPE_STRING, flag, value_to_text)

static const struct expr_function casts[TYPE_KIND_COUNT][TYPE_KIND_COUNT] = {
    CAST_FROM(TYPE_BOOLEAN, TYPE_INT, 0, same_slots),
    CAST_FROM(TYPE_BOOLEAN, TYPE_BIGINT, 0, same_slots),
    CAST_FROM(TYPE_BOOLEAN, TYPE_DOUBLE, 0, i64_to_f64),
    CASTS_TO_TEXT(TYPE_BOOLEAN, 0),
    CAST_FROM(TYPE_INT, TYPE_BOOLEAN, 0, i64_to_boolean),
    CAST_FROM(TYPE_INT, TYPE_BIGINT, 0, same_slots),
    CAST_FROM(TYPE_INT, TYPE_DOUBLE, 0, i64_to_f64),
    CASTS_TO_TEXT(TYPE_INT, 0),
    CAST_FROM(TYPE_BIGINT, TYPE_BOOLEAN, 0, i64_to_boolean),
    CAST_FROM(TYPE_BIGINT, TYPE_INT, 0, to_i32),
    CAST_FROM(TYPE_BIGINT, TYPE_DOUBLE, 0, i64_to_f64),
    CASTS_TO_TEXT(TYPE_BIGINT, 0),
    CAST_FROM(TYPE_DOUBLE, TYPE_BOOLEAN, 0, f64_to_boolean),
    CAST_FROM(TYPE_DOUBLE, TYPE_INT, 0, f64_to_i32),
    CAST_FROM(TYPE_DOUBLE, TYPE_BIGINT, 0, f64_to_i64),
    CASTS_TO_TEXT(TYPE_DOUBLE, 0),
    CAST_FROM(TYPE_STRING, TYPE_BOOLEAN, FUNCTION_PARTIAL, text_to_boolean),
    CAST_FROM(TYPE_STRING, TYPE_INT, FUNCTION_PARTIAL, text_to_int),
    CAST_FROM(TYPE_STRING, TYPE_BIGINT, FUNCTION_PARTIAL, text_to_bigint),
    CAST_FROM(TYPE_STRING, TYPE_DOUBLE, FUNCTION_PARTIAL, text_to_double),
    CAST_FROM(TYPE_STRING, TYPE_STRING, 0, text_to_text),
    CAST_FROM(TYPE_STRING, TYPE_DATE, FUNCTION_PARTIAL, text_to_date),
    CAST_FROM(TYPE_STRING, TYPE_TIME, FUNCTION_PARTIAL, text_to_time),
    CAST_FROM(TYPE_STRING, TYPE_TIMESTAMP, FUNCTION_PARTIAL, text_to_timestamp),
    CAST_FROM(TYPE_STRING, TYPE_TIMESTAMP_LTZ, FUNCTION_PARTIAL | FUNCTION_ZONE, text_to_ltz),
    CAST_FROM(TYPE_DATE, TYPE_TIMESTAMP, 0, date_to_timestamp),
    CAST_FROM(TYPE_DATE, TYPE_TIMESTAMP_LTZ, FUNCTION_ZONE, date_to_ltz),
    CASTS_TO_TEXT(TYPE_DATE, 0),
    CASTS_TO_TEXT(TYPE_TIME, 0),
    CAST_FROM(TYPE_TIMESTAMP, TYPE_DATE, 0, timestamp_to_date),
    CAST_FROM(TYPE_TIMESTAMP, TYPE_TIME, 0, timestamp_to_time),
    CAST_FROM(TYPE_TIMESTAMP, TYPE_TIMESTAMP, 0, cut_precision),
    CAST_FROM(TYPE_TIMESTAMP, TYPE_TIMESTAMP_LTZ, FUNCTION_ZONE, from_local),
    CASTS_TO_TEXT(TYPE_TIMESTAMP, 0),
    CAST_FROM(TYPE_TIMESTAMP_LTZ, TYPE_DATE, FUNCTION_ZONE, ltz_to_date),
    CAST_FROM(TYPE_TIMESTAMP_LTZ, TYPE_TIMESTAMP, FUNCTION_ZONE, to_local),
    CAST_FROM(TYPE_TIMESTAMP_LTZ, TYPE_TIMESTAMP_LTZ, 0, cut_precision),
    CASTS_TO_TEXT(TYPE_TIMESTAMP_LTZ, FUNCTION_ZONE),
    CASTS_TO_TEXT(TYPE_INTERVAL_DAY, 0),
    CASTS_TO_TEXT(TYPE_INTERVAL_MONTH, 0),
};

static bool needs_no_work(const struct type *from, const struct type *to)
{
    if (from->kind != to->kind)
        return false;
    if (from->kind == TYPE_STRING)
        return to->length == 0 || (!to->fixed_length && from->length && from->length <= to->length);
    return !type_is_timestamp(from->kind) || from->precision <= to->precision;
}

static int refuse_cast(const struct expr *arg, const struct type *to, struct err *err)
{
    struct buf text = {0};
    struct type from = arg->type;
    from.rowtime = from.not_null = false;
    type_format(&from, &text);
    buf_append_str(&text, " to ");
    type_format(to, &text);
    int code = err_set(err, -EINVAL, "there is no CAST from %s", buf_str(&text));
    if (type_is_timestamp(from.kind) && type_is_numeric(to->kind))
        err_append(err, code, "write UNIX_TIMESTAMP(CAST(... AS STRING))");
    else if (type_is_numeric(from.kind) && type_is_timestamp(to->kind))
        err_append(err, code, "write TO_TIMESTAMP_LTZ(..., 3)");
    buf_fini(&text);
    return code;
}

static struct expr *retyped_copy(struct pool *pool, const struct expr *arg, struct type to)
{
    struct expr *copy = pool_zalloc(pool, sizeof(*copy));
    *copy = *arg;
    copy->type = to;
    return copy;
}

// The cast's function, NULL when the value stays as it is.
static int find_cast(const struct expr *arg, const struct type *to,
                     const struct expr_function **out, struct err *err)
{
    const struct expr_function *f = &casts[arg->type.kind][to->kind];
    *out = NULL;
    if (arg->type.kind == TYPE_NULL || needs_no_work(&arg->type, to))
        return 0;
    if (f->kernel)
        *out = f;
    else if (arg->type.kind != to->kind)
        return refuse_cast(arg, to, err);
    return 0;
}

static struct expr *apply_cast(struct pool *pool, const struct expr_function *f, struct expr *arg,
                               struct type to)
{
    if (!f)
        return retyped_copy(pool, arg, to);
    struct expr *call = expr_new_call(pool, f, &arg, 1);
    call->type = to;
    return call;
}

int expr_cast(struct pool *pool, struct expr *arg, struct type to, struct expr **out,
              struct err *err)
{
    const struct expr_function *f;
    to.not_null = arg->type.not_null;
    to.rowtime = false;
    int code = find_cast(arg, &to, &f, err);
    if (code == 0)
        *out = apply_cast(pool, f, arg, to);
    return code;
}

int expr_try_cast(struct pool *pool, struct expr *arg, struct type to, struct expr **out,
                  struct err *err)
{
    const struct expr_function *f;
    to.not_null = false;
    to.rowtime = false;
    int code = find_cast(arg, &to, &f, err);
    if (code == 0 && f) {
        struct expr_function *lenient = pool_zalloc(pool, sizeof(*lenient));
        *lenient = *f;
        lenient->name = "TRY_CAST";
        lenient->flags |= FUNCTION_TRY | FUNCTION_NULLABLE | FUNCTION_PARTIAL;
        f = lenient;
    }
    if (code == 0)
        *out = apply_cast(pool, f, arg, to);
    return code;
}
