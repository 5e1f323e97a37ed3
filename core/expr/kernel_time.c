// kernel_time.c: EXTRACT and its kin, FLOOR and CEIL to a unit, TIMESTAMPADD and TIMESTAMPDIFF, and
// the clock. A TIMESTAMP_LTZ is seen in the session's time zone.
#include <errno.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/calendar.h"
#include "core/expr/internal.h"
#include "core/expr/zone.h"

static const struct {
    const char *name;
    int unit;       // enum calendar_unit, or beyond it: only EXTRACT knows those
    int64_t ms;     // as an interval of days, or 0
    int64_t months; // as an interval of months, or 0
} units[] = {
    {"MILLISECOND", CALENDAR_MILLISECOND, 1, 0},
    {"SECOND", CALENDAR_SECOND, CALENDAR_SECOND_MS, 0},
    {"MINUTE", CALENDAR_MINUTE, CALENDAR_MINUTE_MS, 0},
    {"HOUR", CALENDAR_HOUR, CALENDAR_HOUR_MS, 0},
    {"DAY", CALENDAR_DAY, CALENDAR_DAY_MS, 0},
    {"WEEK", CALENDAR_WEEK, 7 * CALENDAR_DAY_MS, 0},
    {"MONTH", CALENDAR_MONTH, 0, 1},
    {"QUARTER", CALENDAR_QUARTER, 0, 3},
    {"YEAR", CALENDAR_YEAR, 0, 12},
    {"DOW", 100, 0, 0},
    {"ISODOW", 101, 0, 0},
    {"DOY", 102, 0, 0},
    {"EPOCH", 103, 0, 0},
};

enum { UNIT_DOW = 100, UNIT_ISODOW, UNIT_DOY, UNIT_EPOCH };

// Index into units, or -1.
static int find_unit(const struct expr *e)
{
    if (!expr_is_string_literal(e))
        return -1;
    for (int i = 0; i < (int)ARRAY_SIZE(units); i++)
        if (strlen(units[i].name) == e->str.len &&
            strncasecmp(units[i].name, e->str.ptr, e->str.len) == 0)
            return i;
    return -1;
}

static int refuse_unit(struct err *err)
{
    return err_set(err, -EINVAL,
                   "unknown time unit; there are YEAR, QUARTER, MONTH, WEEK, DAY, HOUR, MINUTE, "
                   "SECOND and MILLISECOND");
}

static int check_first_unit(const struct expr *call, struct err *err)
{
    return find_unit(call->args[0]) < 0 ? refuse_unit(err) : 0;
}

static int check_second_unit(const struct expr *call, struct err *err)
{
    int index = find_unit(call->args[1]);
    return index < 0 || units[index].unit > CALENDAR_YEAR ? refuse_unit(err) : 0;
}

// The value of argument `arg` as a local timestamp.
static int64_t local_ms(const struct kernel *k, int arg, uint32_t i)
{
    int64_t value = k->args[arg]->i64[i];
    switch (k->args[arg]->kind) {
    case TYPE_DATE:
        return value * CALENDAR_DAY_MS;
    case TYPE_TIMESTAMP_LTZ:
        return zone_to_local(k->zone, value);
    default:
        return value;
    }
}

static int64_t extract_one(int unit, int64_t ms)
{
    int64_t days = calendar_floor_div(ms, CALENDAR_DAY_MS);
    struct calendar_fields f = calendar_from_ms(ms);
    switch (unit) {
    case CALENDAR_MILLISECOND:
        return f.millisecond;
    case CALENDAR_SECOND:
        return f.second;
    case CALENDAR_MINUTE:
        return f.minute;
    case CALENDAR_HOUR:
        return f.hour;
    case CALENDAR_DAY:
        return f.day;
    case CALENDAR_WEEK:
        return calendar_iso_week(days, NULL);
    case CALENDAR_MONTH:
        return f.month;
    case CALENDAR_QUARTER:
        return (f.month + 2) / 3;
    case CALENDAR_YEAR:
        return f.year;
    case UNIT_DOW:
        return calendar_weekday(days) + 1;
    case UNIT_ISODOW:
        return (calendar_weekday(days) + 6) % 7 + 1;
    case UNIT_DOY:
        return calendar_day_of_year(days);
    default:
        return calendar_floor_div(ms, 1000);
    }
}

static void extract(struct kernel *k)
{
    int unit = units[find_unit(k->call->args[0])].unit;
    bool instant = k->args[1]->kind == TYPE_TIMESTAMP_LTZ && unit == UNIT_EPOCH;
    for (uint32_t i = 0; i < k->count; i++)
        k->out->i64[i] = extract_one(unit, instant ? k->args[1]->i64[i] : local_ms(k, 1, i));
}

static void round_to_unit(struct kernel *k, int64_t (*rounding)(int64_t, enum calendar_unit))
{
    enum calendar_unit unit = (enum calendar_unit)units[find_unit(k->call->args[1])].unit;
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t local = local_ms(k, 0, i), ms = rounding(local, unit);
        if (k->out->kind == TYPE_DATE)
            ms = calendar_floor_div(ms, CALENDAR_DAY_MS);
        else if (k->out->kind == TYPE_TIMESTAMP_LTZ) // an hour that comes twice is two hours
            ms = unit <= CALENDAR_HOUR ? k->args[0]->i64[i] + (ms - local)
                                       : zone_from_local(k->zone, ms);
        k->out->i64[i] = ms;
    }
}

static void floor_kernel(struct kernel *k)
{
    round_to_unit(k, calendar_floor);
}

static void ceil_kernel(struct kernel *k)
{
    round_to_unit(k, calendar_ceil);
}

// Whole months from day b to day a.
static int64_t months_of_days(int64_t a, int64_t b)
{
    if (a < b)
        return -months_of_days(b, a);
    struct calendar_fields x = calendar_from_days(a), y = calendar_from_days(b);
    int64_t months = (x.year - y.year) * 12 + x.month - y.month;
    return months - (calendar_add_months(b, months) > a);
}

// Whole months from b to a. The time of day takes one off whichever way round they are: Flink's
// rule, not a symmetric one.
static int64_t months_between(int64_t a, int64_t b)
{
    int64_t day_a = calendar_floor_div(a, CALENDAR_DAY_MS);
    int64_t day_b = calendar_floor_div(b, CALENDAR_DAY_MS);
    int64_t months = months_of_days(day_a, day_b);
    bool same_day = calendar_add_months(day_b, months) == day_a;
    return months - (same_day && calendar_floor_mod(a, CALENDAR_DAY_MS) <
                                     calendar_floor_mod(b, CALENDAR_DAY_MS));
}

// TIMESTAMPDIFF(unit, from, to) is an INT, and wraps as Flink's.
static void difference(struct kernel *k)
{
    int unit = find_unit(k->call->args[0]);
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t from = k->args[1]->i64[i], to = k->args[2]->i64[i];
        int64_t result = 0;
        if (k->out->state[i] == VALUE_PRESENT)
            result = units[unit].ms ? (to - from) / units[unit].ms
                                    : months_between(to, from) / units[unit].months;
        k->out->i64[i] = (int32_t)(uint32_t)(uint64_t)result;
    }
}

static int check_difference(const struct expr *call, struct err *err)
{
    int index = find_unit(call->args[0]);
    return index < 0 || units[index].unit > CALENDAR_YEAR ? refuse_unit(err) : 0;
}

// --- the clock ---

static void fill(struct kernel *k, int64_t value)
{
    for (uint32_t i = 0; i < k->count; i++)
        k->out->i64[i] = value;
}

static void now_instant(struct kernel *k)
{
    fill(k, k->context->now_ms);
}

static void now_local(struct kernel *k)
{
    fill(k, zone_to_local(k->zone, k->context->now_ms));
}

static void time_of_day(struct kernel *k)
{
    fill(k, calendar_floor_mod(zone_to_local(k->zone, k->context->now_ms), CALENDAR_DAY_MS) /
                CALENDAR_SECOND_MS * CALENDAR_SECOND_MS); // TIME(0)
}

static void today(struct kernel *k)
{
    fill(k, calendar_floor_div(zone_to_local(k->zone, k->context->now_ms), CALENDAR_DAY_MS));
}

static void unix_now(struct kernel *k)
{
    fill(k, calendar_floor_div(k->context->now_ms, 1000));
}

static void current_watermark(struct kernel *k)
{
    fill(k, k->context->watermark_ms);
    if (k->context->watermark_ms == INT64_MIN)
        memset(k->out->state, VALUE_NULL, k->count);
    else
        memset(k->out->state, VALUE_PRESENT, k->count);
}

static int check_rowtime(const struct expr *call, struct err *err)
{
    if (call->args[0]->type.rowtime)
        return 0;
    return err_set(err, -EINVAL, "CURRENT_WATERMARK takes a column that has a WATERMARK");
}

// --- text ---

static void parse_timestamps(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        k->out->i64[i] = 0;
        if (k->out->state[i] == VALUE_PRESENT &&
            !calendar_cast_timestamp(k->args[0]->str[i], &k->out->i64[i]))
            k->out->state[i] = VALUE_NULL;
    }
}

static void parse_dates(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        k->out->i64[i] = 0;
        if (k->out->state[i] == VALUE_PRESENT &&
            !calendar_cast_date(k->args[0]->str[i], &k->out->i64[i]))
            k->out->state[i] = VALUE_NULL;
    }
}

static void unix_timestamp(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t ms;
        k->out->i64[i] = INT64_MIN; // what Flink answers for text that is no time
        if (k->out->state[i] == VALUE_PRESENT && calendar_cast_timestamp(k->args[0]->str[i], &ms))
            k->out->i64[i] = calendar_floor_div(zone_from_local(k->zone, ms), 1000);
    }
}

static void from_unixtime(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        int64_t seconds = k->args[0]->i64[i];
        k->out->str[i] = slice_make("", 0);
        if (k->out->state[i] != VALUE_PRESENT)
            continue;
        if (seconds > 253402300799 || seconds < -62135596800) {
            k->out->state[i] = error_state(EXPR_ERROR_ARGUMENT);
            continue;
        }
        char *out = scratch_bytes(k, CALENDAR_TEXT_BYTES);
        size_t len =
            calendar_format_timestamp_fixed(zone_to_local(k->zone, seconds * 1000), 0, out);
        k->out->str[i] = slice_make(out, len);
    }
}

// TO_TIMESTAMP_LTZ(number, precision): seconds for 0, milliseconds for 3.
static void epoch_to_ltz(struct kernel *k)
{
    bool seconds = k->arg_count == 2 && k->call->args[1]->i64 == 0;
    for (uint32_t i = 0; i < k->count; i++)
        if (__builtin_mul_overflow(k->args[0]->i64[i], seconds ? 1000 : 1, &k->out->i64[i]) &&
            k->out->state[i] == VALUE_PRESENT)
            k->out->state[i] = error_state(EXPR_ERROR_OVERFLOW);
}

static int check_precision(const struct expr *call, struct err *err)
{
    const struct expr *p = call->args[1];
    if (p->kind == EXPR_LITERAL && !p->is_null && (p->i64 == 0 || p->i64 == 3))
        return 0;
    return err_set(err, -EINVAL,
                   "the precision of TO_TIMESTAMP_LTZ is 0 (seconds) or 3 (milliseconds)");
}

#define PLAIN(name, args, result, flags, kernel)                                                   \
    {                                                                                              \
        name, args, result, flags, kernel, NULL, NULL, NULL, NULL                                  \
    }
#define CHECKED(name, args, result, flags, kernel, check)                                          \
    {                                                                                              \
        name, args, result, flags, kernel, NULL, check, NULL, NULL                                 \
    }
#define CLOCK      (FUNCTION_CONTEXT | FUNCTION_ZONE)
#define WATERMARK  (FUNCTION_CONTEXT | FUNCTION_LENIENT | FUNCTION_NULLABLE)
#define MAYBE_NULL (FUNCTION_PARTIAL | FUNCTION_NULLABLE)

const struct expr_function expr_time_functions[] = {
    CHECKED("EXTRACT", "st", 'l', 0, extract, check_first_unit),
    CHECKED("EXTRACT", "sD", 'l', 0, extract, check_first_unit),
    CHECKED("EXTRACT", "sz", 'l', FUNCTION_ZONE, extract, check_first_unit),
    CHECKED("FLOOR", "ts", 't', 0, floor_kernel, check_second_unit),
    CHECKED("FLOOR", "Ds", 'D', 0, floor_kernel, check_second_unit),
    CHECKED("FLOOR", "zs", 'z', FUNCTION_ZONE, floor_kernel, check_second_unit),
    CHECKED("CEIL", "ts", 't', 0, ceil_kernel, check_second_unit),
    CHECKED("CEIL", "Ds", 'D', 0, ceil_kernel, check_second_unit),
    CHECKED("CEIL", "zs", 'z', FUNCTION_ZONE, ceil_kernel, check_second_unit),
    CHECKED("TIMESTAMPDIFF", "stt", 'i', 0, difference, check_difference),
    CHECKED("TIMESTAMPDIFF", "szz", 'i', 0, difference, check_difference),
    PLAIN("CURRENT_TIMESTAMP", "", 'z', FUNCTION_CONTEXT, now_instant),
    PLAIN("NOW", "", 'z', FUNCTION_CONTEXT, now_instant),
    PLAIN("CURRENT_ROW_TIMESTAMP", "", 'z', FUNCTION_CONTEXT, now_instant),
    PLAIN("LOCALTIMESTAMP", "", 't', CLOCK, now_local),
    PLAIN("LOCALTIME", "", 'I', CLOCK, time_of_day),
    PLAIN("CURRENT_TIME", "", 'I', CLOCK, time_of_day),
    PLAIN("CURRENT_DATE", "", 'D', CLOCK, today),
    PLAIN("UNIX_TIMESTAMP", "", 'l', FUNCTION_CONTEXT, unix_now),
    PLAIN("UNIX_TIMESTAMP", "s", 'l', FUNCTION_ZONE, unix_timestamp),
    PLAIN("FROM_UNIXTIME", "l", 's', FUNCTION_ZONE | FUNCTION_PARTIAL, from_unixtime),
    PLAIN("TO_TIMESTAMP", "s", 't', MAYBE_NULL, parse_timestamps),
    PLAIN("TO_DATE", "s", 'D', MAYBE_NULL, parse_dates),
    PLAIN("TO_TIMESTAMP_LTZ", "l", 'z', FUNCTION_PARTIAL, epoch_to_ltz),
    CHECKED("TO_TIMESTAMP_LTZ", "li", 'z', FUNCTION_PARTIAL, epoch_to_ltz, check_precision),
    CHECKED("CURRENT_WATERMARK", "t", 't', WATERMARK, current_watermark, check_rowtime),
    CHECKED("CURRENT_WATERMARK", "z", 'z', WATERMARK, current_watermark, check_rowtime),
    {0},
};

// --- YEAR(x) ... are EXTRACT, TIMESTAMPADD is an addition ---

static int extract_as(struct pool *pool, const char *unit, struct expr **args, struct expr **out,
                      struct err *err)
{
    struct expr *both[2] = {expr_string(pool, slice_of(unit)), args[0]};
    return expr_call(pool, "EXTRACT", (struct expr_args){both, 2}, out, err);
}

#define EXTRACT_BINDER(name, unit)                                                                 \
    static int name(struct pool *pool, struct expr **args, int arg_count, struct expr **out,       \
                    struct err *err)                                                               \
    {                                                                                              \
        (void)arg_count;                                                                           \
        return extract_as(pool, unit, args, out, err);                                             \
    }

EXTRACT_BINDER(bind_year, "YEAR")
EXTRACT_BINDER(bind_quarter, "QUARTER")
EXTRACT_BINDER(bind_month, "MONTH")
EXTRACT_BINDER(bind_week, "WEEK")
EXTRACT_BINDER(bind_day, "DAY")
EXTRACT_BINDER(bind_hour, "HOUR")
EXTRACT_BINDER(bind_minute, "MINUTE")
EXTRACT_BINDER(bind_second, "SECOND")
EXTRACT_BINDER(bind_day_of_year, "DOY")
EXTRACT_BINDER(bind_day_of_week, "DOW")

static int bind_timestampadd(struct pool *pool, struct expr **args, int arg_count,
                             struct expr **out, struct err *err)
{
    (void)arg_count;
    int unit = find_unit(args[0]);
    if (unit < 0 || units[unit].unit > CALENDAR_YEAR)
        return refuse_unit(err);
    bool months = units[unit].months != 0;
    struct expr *one = expr_typed(pool, type_of(months ? TYPE_INTERVAL_MONTH : TYPE_INTERVAL_DAY),
                                  months ? units[unit].months : units[unit].ms);
    struct expr *sum[2] = {args[2], NULL};
    int code =
        expr_call(pool, "*", (struct expr_args){(struct expr *[]){args[1], one}, 2}, &sum[1], err);
    if (code == 0 && args[2]->type.kind == TYPE_DATE && units[unit].unit < CALENDAR_DAY)
        code = expr_cast(pool, args[2], type_of(TYPE_TIMESTAMP), &sum[0], err);
    return code ? code : expr_call(pool, "+", (struct expr_args){sum, 2}, out, err);
}

const struct binder expr_time_binders[] = {
    {"YEAR", 1, 1, "YEAR(time)", bind_year},
    {"QUARTER", 1, 1, "QUARTER(time)", bind_quarter},
    {"MONTH", 1, 1, "MONTH(time)", bind_month},
    {"WEEK", 1, 1, "WEEK(time)", bind_week},
    {"DAYOFMONTH", 1, 1, "DAYOFMONTH(time)", bind_day},
    {"HOUR", 1, 1, "HOUR(time)", bind_hour},
    {"MINUTE", 1, 1, "MINUTE(time)", bind_minute},
    {"SECOND", 1, 1, "SECOND(time)", bind_second},
    {"DAYOFYEAR", 1, 1, "DAYOFYEAR(time)", bind_day_of_year},
    {"DAYOFWEEK", 1, 1, "DAYOFWEEK(time)", bind_day_of_week},
    {"TIMESTAMPADD", 3, 3, "TIMESTAMPADD(unit, count, time)", bind_timestampadd},
    {0},
};
