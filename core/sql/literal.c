// literal.c: numbers, dates, times and intervals: from their text to a value, with the range
// checked.
//
// Times have milliseconds; a finer fraction is refused rather than rounded. An interval's declared
// precision (DAY(3)) is read and ignored: the value decides.
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/check.h"
#include "core/sql/build.h"
#include "core/sql/sql.tab.h"

enum { MILLIS_DIGITS = 3, DAY_MS = 86400000 };

// --- numbers ---

// The digits as int64; false when they do not fit.
static bool parse_int64(struct slice digits, int64_t *out)
{
    int64_t value = 0;
    for (uint64_t i = 0; i < digits.len; i++) {
        CHECK(digits.ptr[i] >= '0' && digits.ptr[i] <= '9');
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, digits.ptr[i] - '0', &value))
            return false;
    }
    *out = value;
    return true;
}

int sql_small_int(struct sql_parser *parser, struct slice text, struct source_pos pos)
{
    int64_t value;
    if (!parse_int64(text, &value) || value > INT_MAX) {
        sql_fail(parser, pos, "this number is too large here");
        return 1;
    }
    return (int)value;
}

struct sql_expr *sql_number(struct sql_parser *parser, int token, struct slice text,
                            struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_DECIMAL, pos);
    expr->str = pool_copy(parser->pool, text);
    if (token == TOK_INTEGER && parse_int64(text, &expr->i64)) {
        expr->kind = SQL_EXPR_INTEGER;
    } else if (token == TOK_DOUBLE) {
        expr->kind = SQL_EXPR_DOUBLE;
        expr->f64 = strtod(expr->str.ptr, NULL); // pool_copy ends it with a NUL
        if (expr->f64 > 1.7976931348623157e308)
            sql_fail(parser, pos, "this number is beyond the range of DOUBLE");
    } else {
        expr->i64 = 0;
    }
    return expr;
}

// --- reading the text of a time ---

struct cursor {
    const char *at, *end;
};

// Up to `max_digits` digits; false without any.
static bool take_digits(struct cursor *c, int max_digits, int64_t *out)
{
    int digits = 0;
    *out = 0;
    while (c->at < c->end && *c->at >= '0' && *c->at <= '9' && digits < max_digits) {
        *out = *out * 10 + (*c->at++ - '0');
        digits++;
    }
    return digits > 0;
}

static bool take_char(struct cursor *c, char wanted)
{
    if (c->at == c->end || *c->at != wanted)
        return false;
    c->at++;
    return true;
}

// An optional .fraction as milliseconds, at most 9 digits; *digits are those written. -EINVAL: none
// behind the dot; -ERANGE: finer than a millisecond.
static int take_fraction(struct cursor *c, int64_t *ms, int *digits)
{
    *ms = 0;
    *digits = 0;
    if (!take_char(c, '.'))
        return 0;
    bool finer = false;
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, (*digits)++) {
        if (*digits < MILLIS_DIGITS)
            *ms = *ms * 10 + (*c->at - '0');
        else
            finer |= *c->at != '0';
    }
    if (*digits == 0 || *digits > 9)
        return -EINVAL;
    for (int i = *digits; i < MILLIS_DIGITS; i++)
        *ms *= 10;
    return finer ? -ERANGE : 0;
}

// Days since 1970-01-01 of a date of the proleptic Gregorian calendar, counted in years that begin
// in March, so that the leap day is the last of its year.
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    int64_t y = month <= 2 ? year - 1 : year;
    int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return y * 365 + y / 4 - y / 100 + y / 400 + day_of_year - 719468;
}

static int64_t month_days(int64_t year, int64_t month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

// yyyy-MM-dd, as days. -EINVAL: not of that form; -EDOM: there is no such day.
static int take_date(struct cursor *c, int64_t *out)
{
    int64_t year, month, day;
    const char *begin = c->at;
    if (!take_digits(c, 4, &year) || c->at - begin != 4 || !take_char(c, '-') ||
        !take_digits(c, 2, &month) || !take_char(c, '-') || !take_digits(c, 2, &day))
        return -EINVAL;
    if (year < 1 || month < 1 || month > 12 || day < 1 || day > month_days(year, month))
        return -EDOM;
    *out = days_of(year, month, day);
    return 0;
}

// HH:mm:ss[.fraction], as milliseconds. Errors as above, and -ERANGE of take_fraction.
static int take_time(struct cursor *c, int64_t *out, int *digits)
{
    int64_t hour, minute, second, ms;
    if (!take_digits(c, 2, &hour) || !take_char(c, ':') || !take_digits(c, 2, &minute) ||
        !take_char(c, ':') || !take_digits(c, 2, &second))
        return -EINVAL;
    int status = take_fraction(c, &ms, digits);
    if (status)
        return status;
    if (hour > 23 || minute > 59 || second > 59)
        return -EDOM;
    *out = ((hour * 60 + minute) * 60 + second) * 1000 + ms;
    return 0;
}

static const struct {
    enum sql_expr_kind kind;
    const char *name, *form;
} time_forms[] = {
    {SQL_EXPR_DATE, "DATE", "2024-12-31"},
    {SQL_EXPR_TIME, "TIME", "23:59:59.999"},
    {SQL_EXPR_TIMESTAMP, "TIMESTAMP", "2024-12-31 23:59:59.999"},
};

static void fail_time(struct sql_parser *parser, enum sql_expr_kind kind, int status,
                      struct source_pos pos)
{
    size_t i = 0;
    while (time_forms[i].kind != kind)
        i++;
    CHECK(i < ARRAY_SIZE(time_forms));
    if (status == -ERANGE)
        sql_refuse(parser, pos, "a fraction finer than a millisecond", NULL);
    else if (status == -EDOM)
        sql_fail(parser, pos, "there is no such %s",
                 kind == SQL_EXPR_TIME ? "time" : "day or time");
    else
        sql_fail(parser, pos, "a %s literal is written as %s '%s'", time_forms[i].name,
                 time_forms[i].name, time_forms[i].form);
}

struct sql_expr *sql_time_literal(struct sql_parser *parser, enum sql_expr_kind kind,
                                  struct slice text, struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, kind, pos);
    struct cursor c = {text.ptr, text.ptr + text.len};
    int64_t days = 0, ms = 0;
    int status = kind == SQL_EXPR_TIME ? 0 : take_date(&c, &days);
    if (!status && kind == SQL_EXPR_TIMESTAMP && !take_char(&c, ' '))
        status = -EINVAL;
    if (!status && kind != SQL_EXPR_DATE)
        status = take_time(&c, &ms, &expr->precision);
    if (!status && c.at != c.end)
        status = -EINVAL;
    if (status)
        fail_time(parser, kind, status, pos);
    expr->i64 = kind == SQL_EXPR_DATE ? days : days * DAY_MS + ms;
    expr->str = pool_copy(parser->pool, text);
    return expr;
}

// --- units and intervals ---

struct unit {
    const char *name;
    int field;      // place among the fields of an interval; -1: only EXTRACT, FLOOR and so on
    int64_t factor; // months or milliseconds in one
};

enum { FIELD_YEAR, FIELD_MONTH, FIELD_DAY, FIELD_HOUR, FIELD_MINUTE, FIELD_SECOND, FIELD_COUNT };

static const struct unit units[] = {
    {"YEAR", FIELD_YEAR, 12},
    {"QUARTER", FIELD_MONTH, 3},
    {"MONTH", FIELD_MONTH, 1},
    {"WEEK", FIELD_DAY, 7LL * DAY_MS},
    {"DAY", FIELD_DAY, DAY_MS},
    {"HOUR", FIELD_HOUR, 3600000},
    {"MINUTE", FIELD_MINUTE, 60000},
    {"SECOND", FIELD_SECOND, 1000},
    {"MILLISECOND", -1, 1},
    {"MICROSECOND", -1, 0},
    {"NANOSECOND", -1, 0},
    {"DOY", -1, 0},
    {"DOW", -1, 0},
    {"ISODOW", -1, 0},
    {"ISOYEAR", -1, 0},
    {"EPOCH", -1, 0},
    {"DECADE", -1, 0},
    {"CENTURY", -1, 0},
    {"MILLENNIUM", -1, 0},
};

// The unit of this name, singular or plural, case ignored; an error and NULL when there is none.
static const struct unit *find_unit(struct sql_parser *parser, struct sql_ident name)
{
    const char *names[ARRAY_SIZE(units)];
    size_t len = strlen(name.text);
    for (size_t i = 0; i < ARRAY_SIZE(units); i++) {
        size_t unit_len = strlen(units[i].name);
        names[i] = units[i].name;
        if (strncasecmp(name.text, units[i].name, unit_len) == 0 &&
            (len == unit_len || (len == unit_len + 1 && (name.text[unit_len] | 0x20) == 's')))
            return &units[i];
    }
    if (!parser->failed) {
        sql_fail(parser, name.pos, "'%s' is no unit of time", name.text);
        diag_suggest(parser->err, name.text, names, (int)ARRAY_SIZE(units));
    }
    return NULL;
}

struct sql_expr *sql_unit(struct sql_parser *parser, struct sql_ident name)
{
    const struct unit *unit = find_unit(parser, name);
    return sql_string(parser, slice_of(unit ? unit->name : "DAY"), name.pos);
}

// One field of an interval, in months or milliseconds. What follows the leading field is bounded.
static int take_field(struct cursor *c, const struct unit *unit, bool leading, int64_t *out)
{
    static const int limits[FIELD_COUNT] = {0, 12, 0, 24, 60, 60};
    int64_t value, ms;
    int digits;
    if (!take_digits(c, 18, &value))
        return -EINVAL;
    if (!leading && value >= limits[unit->field])
        return -EDOM;
    if (__builtin_mul_overflow(value, unit->factor, out))
        return -EOVERFLOW;
    if (unit->field != FIELD_SECOND)
        return 0;
    int status = take_fraction(c, &ms, &digits);
    if (!status && __builtin_add_overflow(*out, ms, out))
        return -EOVERFLOW;
    return status;
}

static const struct unit *field_unit(int field)
{
    for (size_t i = 0; i < ARRAY_SIZE(units); i++)
        if (units[i].field == field && strcmp(units[i].name, "QUARTER") != 0 &&
            strcmp(units[i].name, "WEEK") != 0)
            return &units[i];
    check_failed("a unit for each field", __FILE__, __LINE__);
}

// The fields from `first` to `last`, with what stands between them.
static int take_interval(struct cursor *c, const struct unit *first, int last, int64_t *out)
{
    static const char separators[FIELD_COUNT] = {0, '-', 0, ' ', ':', ':'};
    int status = take_field(c, first, true, out);
    for (int field = first->field + 1; !status && field <= last; field++) {
        int64_t value = 0;
        status = take_char(c, separators[field]) ? take_field(c, field_unit(field), false, &value)
                                                 : -EINVAL;
        if (!status && __builtin_add_overflow(*out, value, out))
            status = -EOVERFLOW;
    }
    return !status && c->at != c->end ? -EINVAL : status;
}

static void fail_interval(struct sql_parser *parser, const struct sql_interval_parts *parts,
                          int status)
{
    const char *to = parts->to.text;
    if (status == -ERANGE)
        sql_refuse(parser, parts->text_pos, "a fraction finer than a millisecond", NULL);
    else if (status == -EOVERFLOW)
        sql_fail(parser, parts->text_pos, "this interval is too long");
    else
        sql_fail(parser, parts->text_pos, "this is no interval %s%s%s", parts->from.text,
                 to ? " TO " : "", to ? to : "");
    sql_hint(parser, "for example INTERVAL '1' DAY, INTERVAL '1-2' YEAR TO MONTH, "
                     "INTERVAL '1 10:00:00.123' DAY TO SECOND");
}

// Do the two units make an interval? An error when not.
static bool units_fit(struct sql_parser *parser, const struct unit *from, const struct unit *to,
                      const struct sql_interval_parts *parts)
{
    if (from->field < 0 || to->field < 0) {
        struct sql_ident wrong = from->field < 0 ? parts->from : parts->to;
        sql_fail(parser, wrong.pos, "an interval cannot be given in '%s'", wrong.text);
        sql_hint(parser, "use a fraction: INTERVAL '0.001' SECOND");
        return false;
    }
    bool months = from->field <= FIELD_MONTH;
    if (from != to && (to->field <= from->field || months != (to->field <= FIELD_MONTH))) {
        sql_fail(parser, parts->to.pos, "an interval cannot go from %s to %s", from->name,
                 to->name);
        return false;
    }
    return true;
}

struct sql_expr *sql_interval(struct sql_parser *parser, const struct sql_interval_parts *parts,
                              struct source_pos pos)
{
    struct sql_expr *expr = sql_leaf(parser, SQL_EXPR_INTERVAL_DAY, pos);
    const struct unit *from = find_unit(parser, parts->from);
    const struct unit *to = parts->to.text ? find_unit(parser, parts->to) : from;
    if (!from || !to || !units_fit(parser, from, to, parts))
        return expr;
    struct cursor c = {parts->text.ptr, parts->text.ptr + parts->text.len};
    bool negative = parts->negative;
    if (take_char(&c, '-'))
        negative = !negative;
    else
        take_char(&c, '+');
    int status = take_interval(&c, from, to->field, &expr->i64);
    if (!status && from->field <= FIELD_MONTH && expr->i64 > INT_MAX)
        status = -EOVERFLOW;
    if (status)
        fail_interval(parser, parts, status);
    if (from->field <= FIELD_MONTH)
        expr->kind = SQL_EXPR_INTERVAL_MONTH;
    expr->i64 = negative ? -expr->i64 : expr->i64;
    expr->str = pool_copy(parser->pool, parts->text);
    return expr;
}

struct sql_type *sql_interval_type(struct sql_parser *parser, struct sql_ident from,
                                   struct sql_ident to, struct source_pos pos)
{
    struct sql_interval_parts parts = {.from = from, .to = to};
    struct sql_type *type = pool_zalloc(parser->pool, sizeof(*type));
    *type = (struct sql_type){
        .kind = SQL_TYPE_INTERVAL_DAY, .precision = -1, .scale = -1, .pos = pos, .height = 1};
    const struct unit *first = find_unit(parser, from);
    const struct unit *last = to.text ? find_unit(parser, to) : first;
    if (first && last && units_fit(parser, first, last, &parts) && first->field <= FIELD_MONTH)
        type->kind = SQL_TYPE_INTERVAL_MONTH;
    return type;
}
