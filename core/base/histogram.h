// histogram.h: how often which latency was seen: a recorder of fixed size for one writer.
//
// Values are nanoseconds (or anything else from 0 to an hour of them), kept to 1, 2 or 3
// significant digits: counters in steps that are exact while values are small and double with each
// power of two. It is the layout of HdrHistogram (Gil Tene, hdrhistogram.org; lowest discernible
// value 1), counter for counter, so that its files can be written without a conversion.
//
// It lies in one piece without pointers, so it may lie in shared memory. One process records;
// others read at any moment, without a lock. A counter is one word, written by one plain store: a
// writer that is killed leaves a histogram with or without its last value, never a damaged one, and
// its successor goes on with it. Nothing is kept twice: how many values there are is the sum of the
// counters, as a reader copied them. So a copy is always consistent in itself, though not of one
// instant: a value recorded while the copy was made may be in it or not.
//
//   offset  bytes          word                      writer
//   0       4              magic                     histogram_init
//   4       4              digits                    histogram_init
//   8       4              number of counters        histogram_init
//   12      4              log2 of counters a half   histogram_init
//   16      8              smallest value recorded   the recorder
//   24      8              largest value recorded    the recorder
//   32      8              values over the range     the recorder; they count as the largest value
//   40      24             reserved, 0
//   64      8 a counter    counters                  the recorder
#ifndef WEIR_CORE_BASE_HISTOGRAM_H
#define WEIR_CORE_BASE_HISTOGRAM_H

#include <stdint.h>

#include "core/base/err.h"

#define HISTOGRAM_MAGIC UINT32_C(0x31524448) // "HDR1"
// The largest value that is told from larger ones: an hour.
#define HISTOGRAM_HIGHEST INT64_C(3600000000000)

struct histogram {
    uint32_t magic;
    uint32_t digits;
    uint32_t counter_count;
    uint32_t half_bits; // counters of one power of two: 1 << half_bits
    uint64_t smallest;  // UINT64_MAX: nothing recorded yet
    uint64_t largest;
    uint64_t over;
    uint64_t reserved[3];
    uint64_t counters[];
};

_Static_assert(sizeof(struct histogram) == 64, "counters begin on a cache line");

// Bytes of a histogram with so many digits: 1: 5 KiB, 2: 36 KiB, 3: 264 KiB.
uint64_t histogram_bytes(int digits);

// Make histogram_bytes(digits) of memory, aligned to 8, an empty histogram.
void histogram_init(struct histogram *histogram, int digits);

// On the heap; out of memory aborts. free() ends it.
struct histogram *histogram_new(int digits);

// What another process left in `bytes` of memory is a histogram? -EPROTO with a text when it cannot
// be. Counters are numbers in any case and need no check.
int histogram_check(const struct histogram *histogram, uint64_t bytes, struct err *err);

// Forget all values. Only the recorder may.
void histogram_clear(struct histogram *histogram);

// --- the recorder ---

// Where a value is counted, and the smallest value that is counted there.
static inline uint32_t histogram_index(uint32_t half_bits, uint64_t value)
{
    uint64_t below = (UINT64_C(2) << half_bits) - 1; // values up to here have a counter each
    uint32_t shift = 63u - (uint32_t)__builtin_clzll(value | below) - half_bits;
    return (shift << half_bits) + (uint32_t)(value >> shift);
}
uint64_t histogram_value(uint32_t half_bits, uint32_t index);

// Count a value `times` times. Below 0 it counts as 0, over the range as the largest. No ordering
// is meant: the words are relaxed because each is true on its own.
static inline void histogram_record_times(struct histogram *histogram, int64_t value,
                                          uint64_t times)
{
    uint64_t v = value < 0 ? 0 : (uint64_t)value;
    if (__builtin_expect(v > (uint64_t)HISTOGRAM_HIGHEST, 0)) {
        v = (uint64_t)HISTOGRAM_HIGHEST;
        __atomic_store_n(&histogram->over, histogram->over + times, __ATOMIC_RELAXED);
    }
    if (v < histogram->smallest)
        __atomic_store_n(&histogram->smallest, v, __ATOMIC_RELAXED);
    if (v > histogram->largest)
        __atomic_store_n(&histogram->largest, v, __ATOMIC_RELAXED);
    uint64_t *counter = &histogram->counters[histogram_index(histogram->half_bits, v)];
    __atomic_store_n(counter, *counter + times, __ATOMIC_RELAXED);
}

static inline void histogram_record(struct histogram *histogram, int64_t value)
{
    histogram_record_times(histogram, value, 1);
}

// --- readers ---

// A copy of one that another process may be recording into, checked before (histogram_check). `to`
// has been initialised with the same digits.
void histogram_copy(struct histogram *to, const struct histogram *from);

// to += from, to -= from (what was recorded since `from` was copied from the same recorder; a
// counter does not fall below 0, and smallest and largest are then those of the counters). The same
// digits.
void histogram_add(struct histogram *to, const struct histogram *from);
void histogram_subtract(struct histogram *to, const struct histogram *from);

// Of a private histogram or a copy. Empty: all 0.
uint64_t histogram_total(const struct histogram *histogram);
int64_t histogram_min(const struct histogram *histogram);
int64_t histogram_max(const struct histogram *histogram);
double histogram_mean(const struct histogram *histogram);
double histogram_deviation(const struct histogram *histogram); // standard deviation
// The smallest value that at least `percent` (0 to 100) of the values are not over; as HdrHistogram
// says it: the largest value that is counted with it, but not over the largest recorded.
int64_t histogram_percentile(const struct histogram *histogram, double percent);
// Several at once, `percents` ascending: one pass.
void histogram_percentiles(const struct histogram *histogram, const double *percents, int count,
                           int64_t *values);

#endif
