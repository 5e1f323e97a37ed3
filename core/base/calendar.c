// calendar.c: the proleptic Gregorian calendar in integers: numbers to fields and back, rounding to
// units. Text is calendar_text.c. The day count runs in eras of 400 years (146,097 days) that begin
// on March 1, so that the leap day is the last of its year (H. Hinnant, "chrono-compatible
// low-level date algorithms").
#include "core/base/calendar.h"

#include "core/base/check.h"

enum { ERA_DAYS = 146097, EPOCH_FROM_ERA = 719468 };

bool calendar_is_leap(int64_t year)
{
    return year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
}

int calendar_days_in_month(int64_t year, int month)
{
    static const uint8_t days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    CHECK_DEBUG(month >= 1 && month <= 12);
    return month == 2 && calendar_is_leap(year) ? 29 : days[month - 1];
}

bool calendar_date_valid(int64_t year, int month, int day)
{
    return month >= 1 && month <= 12 && day >= 1 && day <= calendar_days_in_month(year, month);
}

int64_t calendar_days(int64_t year, int month, int day)
{
    CHECK_DEBUG(month >= 1 && month <= 12);
    int64_t y = year - (month <= 2);
    int64_t era = calendar_floor_div(y, 400);
    int64_t year_of_era = y - era * 400;
    int64_t month_from_march = month > 2 ? month - 3 : month + 9;
    int64_t day_of_year = (153 * month_from_march + 2) / 5 + day - 1;
    int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - EPOCH_FROM_ERA;
}

struct calendar_fields calendar_from_days(int64_t days)
{
    int64_t shifted = days + EPOCH_FROM_ERA;
    int64_t era = calendar_floor_div(shifted, ERA_DAYS);
    uint32_t day_of_era = (uint32_t)(shifted - era * ERA_DAYS);
    uint32_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    uint32_t day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    uint32_t month_from_march = (5 * day_of_year + 2) / 153;
    int month = (int)(month_from_march < 10 ? month_from_march + 3 : month_from_march - 9);
    return (struct calendar_fields){
        .year = (int64_t)year_of_era + era * 400 + (month <= 2),
        .month = month,
        .day = (int)(day_of_year - (153 * month_from_march + 2) / 5 + 1),
    };
}

struct calendar_fields calendar_from_ms(int64_t ms)
{
    int64_t days = calendar_floor_div(ms, CALENDAR_DAY_MS);
    struct calendar_fields fields = calendar_from_days(days);
    uint32_t rest = (uint32_t)(ms - days * CALENDAR_DAY_MS);
    fields.millisecond = (int)(rest % 1000);
    rest /= 1000;
    fields.second = (int)(rest % 60);
    rest /= 60;
    fields.minute = (int)(rest % 60);
    fields.hour = (int)(rest / 60);
    return fields;
}

int64_t calendar_to_ms(const struct calendar_fields *fields)
{
    return calendar_days(fields->year, fields->month, fields->day) * CALENDAR_DAY_MS +
           fields->hour * CALENDAR_HOUR_MS + fields->minute * CALENDAR_MINUTE_MS +
           fields->second * CALENDAR_SECOND_MS + fields->millisecond;
}

int calendar_weekday(int64_t days)
{
    return (int)calendar_floor_mod(days + 4, 7); // 1970-01-01 was a Thursday
}

int calendar_day_of_year(int64_t days)
{
    return (int)(days - calendar_days(calendar_from_days(days).year, 1, 1)) + 1;
}

int calendar_iso_week(int64_t days, int64_t *week_year)
{
    // A week belongs to the year of its Thursday.
    int64_t thursday = days - calendar_floor_mod(days + 3, 7) + 3;
    int64_t year = calendar_from_days(thursday).year;
    if (week_year)
        *week_year = year;
    return (int)((thursday - calendar_days(year, 1, 1)) / 7) + 1;
}

int64_t calendar_add_months(int64_t days, int64_t months)
{
    struct calendar_fields date = calendar_from_days(days);
    int64_t total = date.year * 12 + (date.month - 1) + months;
    int64_t year = calendar_floor_div(total, 12);
    int month = (int)(total - year * 12) + 1;
    int last = calendar_days_in_month(year, month);
    return calendar_days(year, month, date.day < last ? date.day : last);
}

// The first day of the week, month, quarter or year that `days` lies in.
static int64_t floor_days(int64_t days, enum calendar_unit unit)
{
    if (unit == CALENDAR_WEEK)
        return days - calendar_weekday(days);
    struct calendar_fields date = calendar_from_days(days);
    int month = unit == CALENDAR_YEAR      ? 1
                : unit == CALENDAR_QUARTER ? (date.month - 1) / 3 * 3 + 1
                                           : date.month;
    return calendar_days(date.year, month, 1);
}

// Milliseconds of the units that are always equally long.
static const int64_t fixed_ms[] = {
    [CALENDAR_MILLISECOND] = 1,
    [CALENDAR_SECOND] = CALENDAR_SECOND_MS,
    [CALENDAR_MINUTE] = CALENDAR_MINUTE_MS,
    [CALENDAR_HOUR] = CALENDAR_HOUR_MS,
    [CALENDAR_DAY] = CALENDAR_DAY_MS,
    [CALENDAR_WEEK] = 7 * CALENDAR_DAY_MS,
};

int64_t calendar_floor(int64_t ms, enum calendar_unit unit)
{
    if (unit <= CALENDAR_DAY)
        return ms - calendar_floor_mod(ms, fixed_ms[unit]);
    return floor_days(calendar_floor_div(ms, CALENDAR_DAY_MS), unit) * CALENDAR_DAY_MS;
}

int64_t calendar_ceil(int64_t ms, enum calendar_unit unit)
{
    int64_t floor = calendar_floor(ms, unit);
    if (floor == ms)
        return ms;
    if (unit <= CALENDAR_WEEK)
        return floor + fixed_ms[unit];
    int months = unit == CALENDAR_MONTH ? 1 : unit == CALENDAR_QUARTER ? 3 : 12;
    return calendar_add_months(floor / CALENDAR_DAY_MS, months) * CALENDAR_DAY_MS;
}
