// calendar.h: dates and times as numbers: the proleptic Gregorian calendar, parsed and printed.
//
// A date is days since 1970-01-01, a timestamp milliseconds since then; neither knows a time zone
// (core/expr/zone.h does). Arithmetic works for any year; text is limited to years 0001..9999.
#ifndef WEIR_CORE_BASE_CALENDAR_H
#define WEIR_CORE_BASE_CALENDAR_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/slice.h"

#define CALENDAR_SECOND_MS INT64_C(1000)
#define CALENDAR_MINUTE_MS (60 * CALENDAR_SECOND_MS)
#define CALENDAR_HOUR_MS   (60 * CALENDAR_MINUTE_MS)
#define CALENDAR_DAY_MS    (24 * CALENDAR_HOUR_MS)

// 0001-01-01 and 9999-12-31 as days: what text can say.
#define CALENDAR_FIRST_DAY (-INT64_C(719162))
#define CALENDAR_LAST_DAY  INT64_C(2932896)

enum calendar_unit {
    CALENDAR_MILLISECOND,
    CALENDAR_SECOND,
    CALENDAR_MINUTE,
    CALENDAR_HOUR,
    CALENDAR_DAY,
    CALENDAR_WEEK, // begins on Sunday, as Flink's FLOOR(... TO WEEK)
    CALENDAR_MONTH,
    CALENDAR_QUARTER,
    CALENDAR_YEAR,
};

struct calendar_fields {
    int64_t year;    // astronomical: 0 is 1 BC
    int month;       // 1..12
    int day;         // 1..31
    int hour;        // 0..23
    int minute;      // 0..59
    int second;      // 0..59
    int millisecond; // 0..999
};

// How a timestamp is written.
enum calendar_style {
    CALENDAR_SQL,  // yyyy-MM-dd HH:mm:ss[.fraction]: Flink's json/csv `SQL`
    CALENDAR_ISO,  // yyyy-MM-ddTHH:mm[:ss[.fraction]]: Flink's json/csv `ISO-8601`
    CALENDAR_JAVA, // LocalDateTime.toString, what Flink's print connector shows: ISO, the seconds
                   // left out when they are zero, the fraction of three digits or none
};

// Quotient and remainder that round down, for times before 1970.
static inline int64_t calendar_floor_div(int64_t a, int64_t b)
{
    int64_t quotient = a / b;
    return quotient - (a % b != 0 && (a < 0) != (b < 0));
}

static inline int64_t calendar_floor_mod(int64_t a, int64_t b)
{
    int64_t rest = a % b;
    return rest != 0 && (rest < 0) != (b < 0) ? rest + b : rest;
}

// --- numbers <-> fields ---

bool calendar_is_leap(int64_t year);
int calendar_days_in_month(int64_t year, int month);

// Is there such a day? Any year; month and day are checked.
bool calendar_date_valid(int64_t year, int month, int day);

// Days since 1970-01-01 of a valid date.
int64_t calendar_days(int64_t year, int month, int day);

// The date of a day number; the time fields become zero.
struct calendar_fields calendar_from_days(int64_t days);

struct calendar_fields calendar_from_ms(int64_t ms);
int64_t calendar_to_ms(const struct calendar_fields *fields);

// 0 = Sunday .. 6 = Saturday.
int calendar_weekday(int64_t days);

// 1..366, and the ISO-8601 week 1..53 with the year that owns it.
int calendar_day_of_year(int64_t days);
int calendar_iso_week(int64_t days, int64_t *week_year);

// --- arithmetic ---

// The day `months` later, clamped to the end of its month: Jan 31 + 1 month = Feb 28.
int64_t calendar_add_months(int64_t days, int64_t months);

// The first millisecond of the unit that `ms` lies in; and the first one at or after `ms`.
int64_t calendar_floor(int64_t ms, enum calendar_unit unit);
int64_t calendar_ceil(int64_t ms, enum calendar_unit unit);

// --- text, the strict forms of files (true: parsed, false: not such a text, *out unchanged) ---

// yyyy-MM-dd.
bool calendar_parse_date(struct slice text, int64_t *days);

// HH:mm:ss[.fraction], as milliseconds of the day.
bool calendar_parse_time(struct slice text, int64_t *ms);

// A timestamp in the style (CALENDAR_JAVA reads as CALENDAR_ISO). `zulu`: it must end in Z (the
// form of TIMESTAMP_LTZ); otherwise it must not. Digits of the fraction after the third are
// dropped. The shapes of 19 and 23 bytes take a few nanoseconds.
bool calendar_parse_timestamp(struct slice text, enum calendar_style style, bool zulu, int64_t *ms);

// Text written to `out` without a NUL; the length is returned. Day numbers outside the years
// 0001..9999 are written with as many digits (and a minus) as they need.
enum { CALENDAR_TEXT_BYTES = 48 };

size_t calendar_format_date(int64_t days, char *out);
size_t calendar_format_time(int64_t ms, int precision, char *out); // HH:mm:ss[.fraction digits]

// A timestamp in the style; the fraction without trailing zeros, and left out when it is zero (as
// Flink's json and csv sinks write it). `zulu` appends Z.
size_t calendar_format_timestamp(int64_t ms, enum calendar_style style, bool zulu, char *out);

// "yyyy-MM-dd HH:mm:ss" with exactly `precision` (0..3) digits of fraction: CAST(ts AS STRING).
size_t calendar_format_timestamp_fixed(int64_t ms, int precision, char *out);

// --- text, the lenient forms of SQL casts ---

// CAST('2020-1-2' AS DATE): parts of any width, month and day may be missing, what follows a blank
// after the date is ignored.
bool calendar_cast_date(struct slice text, int64_t *days);

// CAST('2020-1-2 3:4:5.678' AS TIMESTAMP): parts of one or two digits, the time may be missing.
bool calendar_cast_timestamp(struct slice text, int64_t *ms);

#endif
