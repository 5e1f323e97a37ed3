// test_zone.c: local times, and the instants of timers on days on which clocks change.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/expr/zone.h"

static const int64_t hour = 3600000;
static const int64_t spring = 1364691600000; // 2013-03-31 01:00 UTC: Paris goes from 2:00 to 3:00
static const int64_t autumn = 1382835600000; // 2013-10-27 01:00 UTC: Paris goes from 3:00 to 2:00

static struct zone *open_zone(const char *name)
{
    struct err err = {{0}};
    struct zone *zone = NULL;
    assert_int_equal(zone_open(name, &zone, &err), 0);
    return zone;
}

static void test_zone_timer_in_a_gap_goes_off_when_it_begins(void **state)
{
    (void)state;
    struct zone *paris = open_zone("Europe/Paris");
    int64_t two = spring + hour; // what a local clock would show; it shows three
    assert_int_equal(zone_timer(paris, two - 1), spring - 1);
    assert_int_equal(zone_timer(paris, two), spring);
    assert_int_equal(zone_timer(paris, two + hour - 1), spring);
    assert_int_equal(zone_timer(paris, two + hour), spring);
    assert_int_equal(zone_timer(paris, two + 2 * hour - 1), spring + hour - 1);
    zone_close(paris);
}

static void test_zone_timer_in_an_overlap_goes_off_at_the_later_instant(void **state)
{
    (void)state;
    struct zone *paris = open_zone("Europe/Paris");
    int64_t two = autumn + hour;
    assert_int_equal(zone_from_local(paris, two), autumn - hour);
    assert_int_equal(zone_timer(paris, two), autumn);
    assert_int_equal(zone_timer(paris, two + hour - 1), autumn + hour - 1);
    assert_int_equal(zone_timer(paris, two + hour), autumn + hour);
    assert_int_equal(zone_timer(paris, two - 1), autumn - hour - 1);
    zone_close(paris);
}

// A window that ends later is not over before one that ends earlier: where clocks change by an
// hour. (Flink's rule, which is ours, breaks this for Lord Howe's half hour; a row is then late
// later.)
static void test_zone_timers_keep_the_order_of_local_times(void **state)
{
    (void)state;
    static const char *const names[] = {"Europe/Paris", "America/New_York", "Asia/Kolkata"};
    for (int n = 0; n < 3; n++) {
        struct zone *zone = open_zone(names[n]);
        int64_t last = INT64_MIN;
        for (int64_t local = 1356998400000; local < 1388534400000; local += hour / 12) {
            int64_t at = zone_timer(zone, local);
            assert_true(at >= last);
            last = at;
        }
        zone_close(zone);
    }
}

static void test_zone_is_utc_by_any_name(void **state)
{
    (void)state;
    static const char *const names[] = {"UTC", "Z", "GMT+0", "+00:00", "+01:00", "Europe/Paris"};
    for (int n = 0; n < 6; n++) {
        struct zone *zone = open_zone(names[n]);
        assert_int_equal(zone_is_utc(zone), n < 4);
        zone_close(zone);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_zone_timer_in_a_gap_goes_off_when_it_begins),
        cmocka_unit_test(test_zone_timer_in_an_overlap_goes_off_at_the_later_instant),
        cmocka_unit_test(test_zone_timers_keep_the_order_of_local_times),
        cmocka_unit_test(test_zone_is_utc_by_any_name),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
