// Window arithmetic: against definitions computed the slow way, with negative times and offsets.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/time/window.h"

enum { MINUTE = 60000, DAY = 86400000 };

static void test_window_floor_mod_is_never_negative(void **state)
{
    (void)state;
    assert_int_equal(window_floor_mod(7, 5), 2);
    assert_int_equal(window_floor_mod(-1, 5), 4);
    assert_int_equal(window_floor_mod(-5, 5), 0);
    assert_int_equal(window_floor_div(-1, 5), -1);
    assert_int_equal(window_floor_div(-5, 5), -1);
    assert_int_equal(window_floor_div(9, 5), 1);
}

static void test_window_start_aligns_to_the_offset(void **state)
{
    (void)state;
    assert_int_equal(window_start(0, 0, DAY), 0);
    assert_int_equal(window_start(-1, 0, DAY), -DAY);
    assert_int_equal(window_start(DAY - 1, 0, DAY), 0);
    assert_int_equal(window_start(5, 10, 100), -90);
    assert_int_equal(window_start(10, 10, 100), 10);
    assert_int_equal(window_start(0, -30, 100), -30);
    assert_int_equal(window_start(70, -30, 100), 70);
}

static void test_window_cumulate_slices_cover_the_day(void **state)
{
    (void)state;
    assert_int_equal(window_cumulate_slice_end(0, 0, MINUTE), MINUTE);
    assert_int_equal(window_cumulate_slice_end(MINUTE - 1, 0, MINUTE), MINUTE);
    assert_int_equal(window_cumulate_slice_end(MINUTE, 0, MINUTE), 2 * MINUTE);
    assert_int_equal(window_cumulate_count(0, 0, MINUTE, DAY), 1440);
    assert_int_equal(window_cumulate_count(DAY - 1, 0, MINUTE, DAY), 1);
    assert_int_equal(window_cumulate_count(-1, 0, MINUTE, DAY), 1);
}

static void test_window_completes_at_its_max_timestamp(void **state)
{
    (void)state;
    assert_false(window_is_complete(100, 98));
    assert_true(window_is_complete(100, 99));
    assert_true(window_is_complete(-100, -101));
}

static void test_window_grid_moves_exactly_when_a_window_completes(void **state)
{
    (void)state;
    assert_int_equal(window_grid_index(98, 0, 100), 0);
    assert_int_equal(window_grid_index(99, 0, 100), 1);
    assert_int_equal(window_grid_index(-2, 0, 100), -1);
    assert_int_equal(window_grid_index(108, 10, 100), 0);
    assert_int_equal(window_grid_index(109, 10, 100), 1);
    assert_true(window_grid_index(INT64_MAX, 0, 100) == INT64_MAX);
    assert_true(window_grid_index(INT64_MIN, 0, 100) == INT64_MIN);
}

static void test_window_gcd_of_slide_and_size(void **state)
{
    (void)state;
    assert_int_equal(window_gcd(60, 45), 15);
    assert_int_equal(window_gcd(0, 7), 7);
    assert_int_equal(window_gcd(7, 0), 7);
}

// Count the hopping windows of ts by trying every start near it.
static int64_t slow_hop_count(int64_t ts, int64_t offset, int64_t slide, int64_t size)
{
    int64_t found = 0;
    for (int64_t start = ts - 3 * size - 3 * slide; start <= ts; start++)
        found += window_floor_mod(start - offset, slide) == 0 && ts < start + size;
    return found;
}

static int64_t slow_cumulate_count(int64_t ts, int64_t offset, int64_t step, int64_t size)
{
    int64_t found = 0, start = window_start(ts, offset, size);
    for (int64_t end = start + step; end <= start + size; end += step)
        found += ts < end;
    return found;
}

static void test_window_counts_agree_with_enumeration(void **state)
{
    (void)state;
    unsigned seed = 20240607;
    printf("seed %u\n", seed);
    for (int round = 0; round < 3000; round++) {
        int64_t slide = 1 + rand_r(&seed) % 20, size = 1 + rand_r(&seed) % 60;
        int64_t offset = rand_r(&seed) % 41 - 20, ts = rand_r(&seed) % 401 - 200;
        assert_int_equal(window_hop_count(ts, offset, slide, size),
                         slow_hop_count(ts, offset, slide, size));
        assert_true(window_hop_last_start(ts, offset, slide) <= ts);
        int64_t steps = 1 + rand_r(&seed) % 6;
        assert_int_equal(window_cumulate_count(ts, offset, slide, slide * steps),
                         slow_cumulate_count(ts, offset, slide, slide * steps));
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_window_floor_mod_is_never_negative),
        cmocka_unit_test(test_window_start_aligns_to_the_offset),
        cmocka_unit_test(test_window_cumulate_slices_cover_the_day),
        cmocka_unit_test(test_window_completes_at_its_max_timestamp),
        cmocka_unit_test(test_window_grid_moves_exactly_when_a_window_completes),
        cmocka_unit_test(test_window_gcd_of_slide_and_size),
        cmocka_unit_test(test_window_counts_agree_with_enumeration),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
