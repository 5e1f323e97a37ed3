// test_calendar.c: the calendar against the C library and against itself; text against tables.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/calendar.h"

static void test_calendar_agrees_with_gmtime(void **state)
{
    (void)state;
    unsigned seed = 20130101;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        int64_t seconds = (int64_t)rand_r(&seed) * 100 - 60000000000 + rand_r(&seed) % 100;
        time_t t = (time_t)seconds;
        struct tm tm;
        gmtime_r(&t, &tm);
        struct calendar_fields f = calendar_from_ms(seconds * 1000 + 7);
        assert_int_equal(f.year, tm.tm_year + 1900);
        assert_int_equal(f.month, tm.tm_mon + 1);
        assert_int_equal(f.day, tm.tm_mday);
        assert_int_equal(f.hour, tm.tm_hour);
        assert_int_equal(f.minute, tm.tm_min);
        assert_int_equal(f.second, tm.tm_sec);
        assert_int_equal(f.millisecond, 7);
        assert_int_equal(calendar_to_ms(&f), seconds * 1000 + 7);
        int64_t days = calendar_floor_div(seconds, 86400);
        assert_int_equal(calendar_weekday(days), tm.tm_wday);
        assert_int_equal(calendar_day_of_year(days), tm.tm_yday + 1);
        char week[16];
        assert_true(strftime(week, sizeof(week), "%V", &tm) > 0);
        assert_int_equal(calendar_iso_week(days, NULL), strtol(week, NULL, 10));
    }
}

static void test_calendar_every_day_of_text_round_trips(void **state)
{
    (void)state;
    char text[CALENDAR_TEXT_BYTES];
    for (int64_t day = CALENDAR_FIRST_DAY; day <= CALENDAR_LAST_DAY; day++) {
        size_t len = calendar_format_date(day, text);
        int64_t back = INT64_MIN;
        if (len != 10 || !calendar_parse_date(slice_make(text, len), &back) || back != day)
            fail_msg("day %ld: %.*s", (long)day, (int)len, text);
    }
}

static void test_calendar_refuses_days_that_are_not(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "2013-02-29", "1900-02-29", "2013-00-10", "2013-13-10",  "2013-04-31",
        "0000-01-01", "2013-1-01",  "2013/01/01", "20130-1-01",  "2013-01-00",
        "201a-01-01", "2013-01-0:", "",           "2013-01-011", "\xb2\xb0\xb1\xb3-01-01",
    };
    int64_t days = 42;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        if (calendar_parse_date(slice_of(bad[i]), &days))
            fail_msg("accepted %s", bad[i]);
    }
    assert_int_equal(days, 42);
    assert_true(calendar_parse_date(slice_of("2000-02-29"), &days));
    assert_int_equal(days, 11016);
}

struct timestamp_case {
    const char *text;
    enum calendar_style style;
    bool zulu;
    bool good;
    int64_t ms;
};

static void test_calendar_parses_timestamps(void **state)
{
    (void)state;
    static const struct timestamp_case cases[] = {
        {"1970-01-01 00:00:00", CALENDAR_SQL, false, true, 0},
        {"2013-01-01 10:20:30", CALENDAR_SQL, false, true, 1357035630000},
        {"2013-01-01 10:20:30.5", CALENDAR_SQL, false, true, 1357035630500},
        {"2013-01-01 10:20:30.123", CALENDAR_SQL, false, true, 1357035630123},
        {"2013-01-01 10:20:30.123999999", CALENDAR_SQL, false, true, 1357035630123},
        {"2013-01-01T10:20:30", CALENDAR_ISO, false, true, 1357035630000},
        {"2013-01-01T10:20", CALENDAR_ISO, false, true, 1357035600000},
        {"2013-01-01T10:20:30.120Z", CALENDAR_ISO, true, true, 1357035630120},
        {"2013-01-01 10:20:30Z", CALENDAR_SQL, true, true, 1357035630000},
        {"1902-01-01 00:00:00", CALENDAR_SQL, false, true, -2145916800000},
        {"2999-12-31 23:59:59.999", CALENDAR_SQL, false, true, 32503679999999},
        {"0001-01-01 00:00:00", CALENDAR_SQL, false, true, -62135596800000},
        {"9999-12-31 23:59:59", CALENDAR_SQL, false, true, 253402300799000},
        {"2013-01-01 10:20:30", CALENDAR_ISO, false, false, 0},
        {"2013-01-01T10:20:30", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 10:20", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 10:20:30Z", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 10:20:30", CALENDAR_SQL, true, false, 0},
        {"2013-01-01 24:00:00", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 10:60:00", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 10:20:60", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 10:20:30,5", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 10:20:30.1234567890", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 10:20:30.12x", CALENDAR_SQL, false, false, 0},
        {"2013-01-01 1:20:300", CALENDAR_SQL, false, false, 0},
        {"Z", CALENDAR_SQL, true, false, 0},
        {"", CALENDAR_SQL, true, false, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const struct timestamp_case *c = &cases[i];
        int64_t ms = -1;
        bool good = calendar_parse_timestamp(slice_of(c->text), c->style, c->zulu, &ms);
        if (good != c->good || ms != (good ? c->ms : -1))
            fail_msg("%s: %d %ld", c->text, good, (long)ms);
    }
}

// Whatever one byte of a good text becomes, the parser either refuses it or reads a text that is
// formatted back to the very same bytes.
static void test_calendar_every_damaged_byte_is_noticed(void **state)
{
    (void)state;
    const char good[] = "2013-10-21 13:14:15";
    for (size_t at = 0; at < 19; at++) {
        for (int byte = 0; byte < 256; byte++) {
            char text[19], back[CALENDAR_TEXT_BYTES];
            int64_t ms;
            memcpy(text, good, 19);
            text[at] = (char)byte;
            if (!calendar_parse_timestamp(slice_make(text, 19), CALENDAR_SQL, false, &ms))
                continue;
            assert_int_equal(calendar_format_timestamp(ms, CALENDAR_SQL, false, back), 19);
            assert_memory_equal(text, back, 19);
        }
    }
}

static void expect_text(const char *wanted, const char *text, size_t len)
{
    if (len != strlen(wanted) || memcmp(wanted, text, len) != 0)
        fail_msg("%.*s instead of %s", (int)len, text, wanted);
}

static void test_calendar_formats(void **state)
{
    (void)state;
    char out[CALENDAR_TEXT_BYTES];
    const int64_t t = 1357035630000;
    expect_text("2013-01-01 10:20:30", out, calendar_format_timestamp(t, CALENDAR_SQL, false, out));
    expect_text("2013-01-01 10:20:30.12", out,
                calendar_format_timestamp(t + 120, CALENDAR_SQL, false, out));
    expect_text("2013-01-01T10:20:30.001Z", out,
                calendar_format_timestamp(t + 1, CALENDAR_ISO, true, out));
    expect_text("2013-01-01T10:20:30.120", out,
                calendar_format_timestamp(t + 120, CALENDAR_JAVA, false, out));
    expect_text("2013-01-01T10:20", out,
                calendar_format_timestamp(t - 30000, CALENDAR_JAVA, false, out));
    expect_text("2013-01-01T10:20:00Z", out,
                calendar_format_timestamp(t - 30000, CALENDAR_JAVA, true, out));
    const int64_t later = (CALENDAR_LAST_DAY + 1) * CALENDAR_DAY_MS;
    expect_text("+10000-01-01T00:00", out,
                calendar_format_timestamp(later, CALENDAR_JAVA, false, out));
    expect_text("2013-01-01 10:20:30.000", out, calendar_format_timestamp_fixed(t, 3, out));
    expect_text("2013-01-01 10:20:30", out, calendar_format_timestamp_fixed(t + 9, 0, out));
    expect_text("10:20:30.00", out, calendar_format_time(t, 2, out));
    expect_text("1969-12-31 23:59:59.999", out, calendar_format_timestamp_fixed(-1, 3, out));
    expect_text("10000-01-01", out, calendar_format_date(CALENDAR_LAST_DAY + 1, out));
}

static void test_calendar_cast_is_lenient(void **state)
{
    (void)state;
    int64_t value;
    assert_true(calendar_cast_date(slice_of("2013-1-2"), &value));
    assert_int_equal(value, calendar_days(2013, 1, 2));
    assert_true(calendar_cast_date(slice_of("2013"), &value));
    assert_int_equal(value, calendar_days(2013, 1, 1));
    assert_true(calendar_cast_date(slice_of("2013-03 x"), &value));
    assert_int_equal(value, calendar_days(2013, 3, 1));
    assert_false(calendar_cast_date(slice_of("2013-02-30"), &value));
    assert_false(calendar_cast_date(slice_of("2013-02-"), &value));
    assert_false(calendar_cast_date(slice_of(""), &value));
    assert_true(calendar_cast_timestamp(slice_of("2013-1-2 3:4:5.25"), &value));
    assert_int_equal(value, calendar_days(2013, 1, 2) * CALENDAR_DAY_MS + 11045250);
    assert_true(calendar_cast_timestamp(slice_of("2013-01-02"), &value));
    assert_int_equal(value, calendar_days(2013, 1, 2) * CALENDAR_DAY_MS);
    assert_false(calendar_cast_timestamp(slice_of("2013-01-02 25:00:00"), &value));
    assert_false(calendar_cast_timestamp(slice_of("2013-01-02T05:00:00"), &value));
    assert_false(calendar_cast_timestamp(slice_of("13-01-02"), &value));
}

static void test_calendar_months_clamp(void **state)
{
    (void)state;
    assert_int_equal(calendar_add_months(calendar_days(2013, 1, 31), 1),
                     calendar_days(2013, 2, 28));
    assert_int_equal(calendar_add_months(calendar_days(2012, 1, 31), 1),
                     calendar_days(2012, 2, 29));
    assert_int_equal(calendar_add_months(calendar_days(2013, 1, 31), -2),
                     calendar_days(2012, 11, 30));
    assert_int_equal(calendar_add_months(calendar_days(2012, 2, 29), 12),
                     calendar_days(2013, 2, 28));
    assert_int_equal(calendar_add_months(calendar_days(2013, 12, 15), 1),
                     calendar_days(2014, 1, 15));
}

static void test_calendar_floor_and_ceil_enclose(void **state)
{
    (void)state;
    unsigned seed = 7;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 2000; i++) {
        int64_t ms = (int64_t)rand_r(&seed) * 2000 - 2000000000000 + rand_r(&seed) % 2000;
        for (int unit = CALENDAR_MILLISECOND; unit <= CALENDAR_YEAR; unit++) {
            int64_t low = calendar_floor(ms, (enum calendar_unit)unit);
            int64_t high = calendar_ceil(ms, (enum calendar_unit)unit);
            assert_true(low <= ms && ms <= high);
            assert_int_equal(calendar_floor(low, (enum calendar_unit)unit), low);
            assert_int_equal(calendar_ceil(high, (enum calendar_unit)unit), high);
            assert_true(low == high || calendar_floor(high - 1, (enum calendar_unit)unit) == low);
        }
    }
    int64_t t = calendar_days(2013, 5, 16) * CALENDAR_DAY_MS + 1; // a Thursday
    assert_int_equal(calendar_floor(t, CALENDAR_WEEK),
                     calendar_days(2013, 5, 12) * CALENDAR_DAY_MS);
    assert_int_equal(calendar_floor(t, CALENDAR_QUARTER),
                     calendar_days(2013, 4, 1) * CALENDAR_DAY_MS);
    assert_int_equal(calendar_ceil(t, CALENDAR_YEAR), calendar_days(2014, 1, 1) * CALENDAR_DAY_MS);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_calendar_agrees_with_gmtime),
        cmocka_unit_test(test_calendar_every_day_of_text_round_trips),
        cmocka_unit_test(test_calendar_refuses_days_that_are_not),
        cmocka_unit_test(test_calendar_parses_timestamps),
        cmocka_unit_test(test_calendar_every_damaged_byte_is_noticed),
        cmocka_unit_test(test_calendar_formats),
        cmocka_unit_test(test_calendar_cast_is_lenient),
        cmocka_unit_test(test_calendar_months_clamp),
        cmocka_unit_test(test_calendar_floor_and_ceil_enclose),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
