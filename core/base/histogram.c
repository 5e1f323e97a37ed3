// histogram.c: see histogram.h. Everything but recording is off the data path and goes over all
// counters.
#include "core/base/histogram.h"

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

// Counters of one power of two, as a power of two: the first one with 2 * 10^digits in both halves.
static uint32_t half_bits_of(int digits)
{
    CHECK(digits >= 1 && digits <= 3);
    static const uint32_t bits[] = {0, 4, 7, 10};
    return bits[digits];
}

static uint32_t counter_count_of(int digits)
{
    uint32_t half_bits = half_bits_of(digits);
    // Whole powers of two, as HdrHistogram has them.
    uint32_t last = histogram_index(half_bits, (uint64_t)HISTOGRAM_HIGHEST);
    return ((last >> half_bits) + 1) << half_bits;
}

uint64_t histogram_bytes(int digits)
{
    return sizeof(struct histogram) + 8 * (uint64_t)counter_count_of(digits);
}

void histogram_init(struct histogram *histogram, int digits)
{
    memset(histogram, 0, histogram_bytes(digits));
    histogram->magic = HISTOGRAM_MAGIC;
    histogram->digits = (uint32_t)digits;
    histogram->counter_count = counter_count_of(digits);
    histogram->half_bits = half_bits_of(digits);
    histogram->smallest = UINT64_MAX;
}

struct histogram *histogram_new(int digits)
{
    struct histogram *histogram = malloc(histogram_bytes(digits));
    CHECK(histogram);
    histogram_init(histogram, digits);
    return histogram;
}

int histogram_check(const struct histogram *histogram, uint64_t bytes, struct err *err)
{
    if (bytes < sizeof(*histogram))
        return err_set(err, -EPROTO, "a histogram does not fit into %llu bytes",
                       (unsigned long long)bytes);
    if (histogram->magic != HISTOGRAM_MAGIC || histogram->digits < 1 || histogram->digits > 3)
        return err_set(err, -EPROTO, "no histogram: magic %08x, %u digits", histogram->magic,
                       histogram->digits);
    int digits = (int)histogram->digits;
    if (histogram->counter_count != counter_count_of(digits) ||
        histogram->half_bits != half_bits_of(digits) || bytes < histogram_bytes(digits))
        return err_set(err, -EPROTO,
                       "a histogram of %d digits has %u counters of %u bits in %llu bytes, not %u "
                       "of %u in %llu",
                       digits, histogram->counter_count, histogram->half_bits,
                       (unsigned long long)bytes, counter_count_of(digits), half_bits_of(digits),
                       (unsigned long long)histogram_bytes(digits));
    return 0;
}

void histogram_clear(struct histogram *histogram)
{
    // Relaxed, one word after the other: a reader at this moment sees some of the old values.
    for (uint32_t i = 0; i < histogram->counter_count; i++)
        __atomic_store_n(&histogram->counters[i], 0, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->over, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->largest, 0, __ATOMIC_RELAXED);
    __atomic_store_n(&histogram->smallest, UINT64_MAX, __ATOMIC_RELAXED);
}

uint64_t histogram_value(uint32_t half_bits, uint32_t index)
{
    uint32_t half = index >> half_bits;
    if (half <= 1)
        return index;
    uint64_t within = (index & ((1u << half_bits) - 1)) | (1u << half_bits);
    return within << (half - 1);
}

// The largest value counted with `value`.
static uint64_t highest_beside(uint32_t half_bits, uint32_t index)
{
    return histogram_value(half_bits, index + 1) - 1;
}

// Smallest and largest are words of their own: what a copy or a difference has of them is made to
// fit the counters, which decide.
static void fit_ends(struct histogram *histogram)
{
    uint32_t first = 0, last = histogram->counter_count;
    while (first < last && !histogram->counters[first])
        first++;
    if (first == last) {
        histogram->smallest = UINT64_MAX;
        histogram->largest = 0;
        return;
    }
    while (!histogram->counters[last - 1])
        last--;
    uint32_t bits = histogram->half_bits;
    uint64_t low = histogram_value(bits, first), high = highest_beside(bits, last - 1);
    if (histogram->smallest < low || histogram->smallest > highest_beside(bits, first))
        histogram->smallest = low;
    if (histogram->largest > high || histogram->largest < histogram_value(bits, last - 1))
        histogram->largest = high;
}

void histogram_copy(struct histogram *to, const struct histogram *from)
{
    CHECK(to->counter_count == from->counter_count);
    for (uint32_t i = 0; i < to->counter_count; i++)
        to->counters[i] = __atomic_load_n(&from->counters[i], __ATOMIC_RELAXED);
    to->over = __atomic_load_n(&from->over, __ATOMIC_RELAXED);
    to->smallest = __atomic_load_n(&from->smallest, __ATOMIC_RELAXED);
    to->largest = __atomic_load_n(&from->largest, __ATOMIC_RELAXED);
    fit_ends(to);
}

void histogram_add(struct histogram *to, const struct histogram *from)
{
    CHECK(to->counter_count == from->counter_count);
    for (uint32_t i = 0; i < to->counter_count; i++)
        to->counters[i] += from->counters[i];
    to->over += from->over;
    to->smallest = from->smallest < to->smallest ? from->smallest : to->smallest;
    to->largest = from->largest > to->largest ? from->largest : to->largest;
}

void histogram_subtract(struct histogram *to, const struct histogram *from)
{
    CHECK(to->counter_count == from->counter_count);
    for (uint32_t i = 0; i < to->counter_count; i++)
        to->counters[i] -=
            from->counters[i] < to->counters[i] ? from->counters[i] : to->counters[i];
    to->over -= from->over < to->over ? from->over : to->over;
    fit_ends(to);
}

uint64_t histogram_total(const struct histogram *histogram)
{
    uint64_t total = 0;
    for (uint32_t i = 0; i < histogram->counter_count; i++)
        total += histogram->counters[i];
    return total;
}

int64_t histogram_min(const struct histogram *histogram)
{
    return histogram->smallest == UINT64_MAX ? 0 : (int64_t)histogram->smallest;
}

int64_t histogram_max(const struct histogram *histogram)
{
    return (int64_t)histogram->largest;
}

// The middle of the values that a counter stands for.
static double middle(const struct histogram *histogram, uint32_t index)
{
    uint64_t low = histogram_value(histogram->half_bits, index);
    return (double)low + (double)(highest_beside(histogram->half_bits, index) - low) / 2;
}

double histogram_mean(const struct histogram *histogram)
{
    double sum = 0, total = 0;
    for (uint32_t i = 0; i < histogram->counter_count; i++) {
        if (!histogram->counters[i])
            continue;
        sum += (double)histogram->counters[i] * middle(histogram, i);
        total += (double)histogram->counters[i];
    }
    return total > 0 ? sum / total : 0;
}

double histogram_deviation(const struct histogram *histogram)
{
    double mean = histogram_mean(histogram), sum = 0, total = 0;
    for (uint32_t i = 0; i < histogram->counter_count; i++) {
        if (!histogram->counters[i])
            continue;
        double apart = middle(histogram, i) - mean;
        sum += (double)histogram->counters[i] * apart * apart;
        total += (double)histogram->counters[i];
    }
    return total > 0 ? sqrt(sum / total) : 0;
}

void histogram_percentiles(const struct histogram *histogram, const double *percents, int count,
                           int64_t *values)
{
    uint64_t total = histogram_total(histogram), seen = 0;
    int next = 0;
    for (uint32_t i = 0; i < histogram->counter_count && next < count; i++) {
        if (!histogram->counters[i])
            continue;
        seen += histogram->counters[i];
        for (; next < count; next++) {
            // At least one value; 100 % is all of them, whatever the rounding says.
            double wanted = ceil(percents[next] / 100 * (double)total);
            wanted = wanted < 1 ? 1 : wanted > (double)total ? (double)total : wanted;
            if (wanted > (double)seen)
                break;
            uint64_t value = highest_beside(histogram->half_bits, i);
            values[next] = (int64_t)(value < histogram->largest ? value : histogram->largest);
        }
    }
    for (; next < count; next++)
        values[next] = (int64_t)histogram->largest;
}

int64_t histogram_percentile(const struct histogram *histogram, double percent)
{
    int64_t value;
    histogram_percentiles(histogram, &percent, 1, &value);
    return value;
}
