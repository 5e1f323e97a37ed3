// test_histogram.c: the recorder against a sorted array, at every edge of its steps, and read while
// another thread records.
#include <errno.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/histogram.h"

static uint64_t seed;

static uint64_t random_next(void) // xorshift64*
{
    seed ^= seed >> 12;
    seed ^= seed << 25;
    seed ^= seed >> 27;
    return seed * UINT64_C(2685821657736338717);
}

// Any order of magnitude is as likely as another.
static int64_t random_value(void)
{
    return (int64_t)(random_next() % (UINT64_C(1) << (1 + random_next() % 41)));
}

static int ascending(const void *a, const void *b)
{
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return x < y ? -1 : x > y;
}

static void test_histogram_counts_each_value_where_it_belongs(void **state)
{
    (void)state;
    for (int digits = 1; digits <= 3; digits++) {
        struct histogram *h = histogram_new(digits);
        uint64_t step_max = digits == 1 ? 10 : digits == 2 ? 100 : 1000;
        uint64_t expected = 0;
        for (uint32_t i = 0; i < h->counter_count; i++) {
            uint64_t low = histogram_value(h->half_bits, i);
            uint64_t next = histogram_value(h->half_bits, i + 1);
            assert_true(low == expected); // no hole and no overlap
            expected = next;
            assert_int_equal(histogram_index(h->half_bits, low), i);
            assert_int_equal(histogram_index(h->half_bits, next - 1), i);
            // As many digits as were promised: a step is at most 1 in 10^digits.
            assert_true((next - low - 1) * step_max <= low);
        }
        assert_true(expected > (uint64_t)HISTOGRAM_HIGHEST);
        free(h);
    }
}

static void expect_near(int digits, int64_t got, int64_t wanted, const char *what)
{
    double tolerance = digits == 1 ? 0.1 : digits == 2 ? 0.01 : 0.001;
    if (got < wanted || (double)(got - wanted) > tolerance * (double)wanted)
        fail_msg("%s: %lld instead of %lld, %d digits", what, (long long)got, (long long)wanted,
                 digits);
}

static void test_histogram_has_the_percentiles_of_a_sorted_array(void **state)
{
    (void)state;
    enum { COUNT = 20000 };
    static int64_t values[COUNT];
    static const double percents[] = {0, 1, 25, 50, 90, 99, 99.9, 99.99, 100};
    for (int round = 0; round < 12; round++) {
        int digits = 1 + round % 3, count = round < 3 ? 1 + round * 7 : COUNT;
        struct histogram *h = histogram_new(digits);
        double sum = 0;
        for (int i = 0; i < count; i++) {
            values[i] = random_value();
            sum += (double)values[i];
            histogram_record(h, values[i]);
        }
        qsort(values, (size_t)count, sizeof(*values), ascending);
        assert_int_equal(histogram_total(h), count);
        assert_int_equal(histogram_min(h), values[0]);
        assert_int_equal(histogram_max(h), values[count - 1]);
        int64_t got[9];
        histogram_percentiles(h, percents, 9, got);
        for (int i = 0; i < 9; i++) {
            double wanted = percents[i] / 100 * count;
            int rank = (int)wanted + (wanted > (int)wanted);
            expect_near(digits, got[i], values[rank > 0 ? rank - 1 : 0], "percentile");
            assert_int_equal(got[i], histogram_percentile(h, percents[i]));
        }
        double mean = histogram_mean(h), tolerance = digits == 1 ? 0.06 : 0.006;
        if (mean < sum / count * (1 - tolerance) - 1 || mean > sum / count * (1 + tolerance) + 1)
            fail_msg("mean %f instead of %f", mean, sum / count);
        free(h);
    }
}

static void test_histogram_takes_what_is_out_of_range(void **state)
{
    (void)state;
    struct histogram *h = histogram_new(3);
    assert_int_equal(histogram_percentile(h, 50), 0);
    assert_int_equal(histogram_min(h), 0);
    assert_int_equal(histogram_max(h), 0);
    assert_true(histogram_mean(h) == 0 && histogram_deviation(h) == 0);
    histogram_record(h, -5);
    histogram_record(h, INT64_MAX);
    histogram_record_times(h, 7, 3);
    assert_int_equal(histogram_total(h), 5);
    assert_int_equal(histogram_min(h), 0);
    assert_int_equal(histogram_max(h), HISTOGRAM_HIGHEST);
    assert_int_equal(h->over, 1);
    assert_int_equal(histogram_percentile(h, 60), 7);
    histogram_clear(h);
    assert_int_equal(histogram_total(h), 0);
    assert_int_equal(histogram_max(h), 0);
    free(h);
}

static void test_histogram_adds_and_takes_away(void **state)
{
    (void)state;
    struct histogram *a = histogram_new(2), *b = histogram_new(2), *sum = histogram_new(2);
    for (int i = 0; i < 1000; i++) {
        histogram_record(a, 100 + random_value() % 1000);
        histogram_record(b, 50000 + random_value() % 1000);
    }
    histogram_add(sum, a);
    histogram_add(sum, b);
    assert_int_equal(histogram_total(sum), 2000);
    assert_int_equal(histogram_min(sum), histogram_min(a));
    assert_int_equal(histogram_max(sum), histogram_max(b));
    expect_near(2, histogram_percentile(sum, 50), histogram_max(a), "p50 of the sum");
    histogram_subtract(sum, a); // what came since
    assert_memory_equal(sum->counters, b->counters, 8 * b->counter_count);
    assert_true(histogram_min(sum) >= 49900); // of the counters: a step below at most
    assert_int_equal(histogram_max(sum), histogram_max(b));
    histogram_subtract(sum, a); // nothing of it is there: nothing is taken
    assert_int_equal(histogram_total(sum), 1000);
    histogram_subtract(sum, b);
    assert_int_equal(histogram_total(sum), 0);
    assert_int_equal(histogram_min(sum), 0);
    assert_int_equal(histogram_max(sum), 0);
    free(a);
    free(b);
    free(sum);
}

static void test_histogram_refuses_what_is_none(void **state)
{
    (void)state;
    struct err err;
    for (int digits = 1; digits <= 3; digits++) {
        uint64_t bytes = histogram_bytes(digits);
        struct histogram *h = histogram_new(digits);
        assert_int_equal(histogram_check(h, bytes, &err), 0);
        assert_int_equal(histogram_check(h, bytes - 1, &err), -EPROTO);
        assert_int_equal(histogram_check(h, 10, &err), -EPROTO);
        for (int byte = 0; byte < 16; byte++) { // each byte of what it says about itself
            ((uint8_t *)h)[byte] ^= 0x40;
            assert_int_equal(histogram_check(h, bytes, &err), -EPROTO);
            ((uint8_t *)h)[byte] ^= 0x40;
        }
        assert_int_equal(histogram_check(h, bytes, &err), 0);
        free(h);
    }
}

static void *record_some(void *context)
{
    struct histogram *h = context;
    for (int i = 0; i < 200000; i++)
        histogram_record(h, 1000 + i % 5000);
    return NULL;
}

// Every copy made meanwhile is consistent, and none has less than the one before.
static void test_histogram_is_read_while_it_is_written(void **state)
{
    (void)state;
    struct histogram *h = histogram_new(3), *copy = histogram_new(3);
    pthread_t thread;
    assert_int_equal(pthread_create(&thread, NULL, record_some, h), 0);
    uint64_t last = 0;
    while (last < 200000) {
        histogram_copy(copy, h);
        uint64_t total = histogram_total(copy);
        assert_true(total >= last);
        last = total;
        if (!total)
            continue;
        assert_true(histogram_min(copy) >= 1000);
        assert_true(histogram_max(copy) < 6003);
        assert_true(histogram_percentile(copy, 50) <= histogram_max(copy));
    }
    pthread_join(thread, NULL);
    free(h);
    free(copy);
}

int main(void)
{
    const char *given = getenv("SEED");
    seed = given ? strtoull(given, NULL, 0) : (uint64_t)time(NULL);
    printf("SEED=%llu\n", (unsigned long long)seed);
    seed = seed * 2 + 1;
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_histogram_counts_each_value_where_it_belongs),
        cmocka_unit_test(test_histogram_has_the_percentiles_of_a_sorted_array),
        cmocka_unit_test(test_histogram_takes_what_is_out_of_range),
        cmocka_unit_test(test_histogram_adds_and_takes_away),
        cmocka_unit_test(test_histogram_refuses_what_is_none),
        cmocka_unit_test(test_histogram_is_read_while_it_is_written),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
