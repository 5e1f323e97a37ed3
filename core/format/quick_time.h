// quick_time.h: timestamps of the usual shapes in a few nanoseconds. Private to core/format.
//
// "yyyy-MM-dd HH:mm:ss" and the same with ".SSS". Rows near each other mostly have the same date,
// so a column remembers the last one: its text, and the day's begin. The time of day is checked and
// added up without a branch: sixteen bytes become digits, pairs of digits, milliseconds. Any other
// text, and any other date, is refused: the careful way (core/base/calendar.h) has the last word.
#ifndef WEIR_CORE_FORMAT_QUICK_TIME_H
#define WEIR_CORE_FORMAT_QUICK_TIME_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/calendar.h"
#include "core/format/index.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { QUICK_TIME_DATE_BYTES = 11 }; // the separator between date and time included

// The last date of a column.
struct quick_date {
    uint64_t head, tail; // bytes 0 to 7 and 3 to 10 of the text
    int64_t day_ms;      // the day's first millisecond
};

// None yet: bytes 3 to 7 cannot be both.
#define QUICK_DATE_NONE ((struct quick_date){.head = 0, .tail = UINT64_MAX})

// `text` was read as `ms`: remember its date. It has at least QUICK_TIME_DATE_BYTES bytes.
static inline void quick_date_learn(struct quick_date *date, const char *text, int64_t ms)
{
    memcpy(&date->head, text, 8);
    memcpy(&date->tail, text + 3, 8);
    date->day_ms = ms - calendar_floor_mod(ms, CALENDAR_DAY_MS);
}

#if defined(__x86_64__)
// Read a text of `len` bytes, without the Z of UTC. False: refused.
SCAN_AVX2_CODE static inline bool quick_time_parse(const struct quick_date *date, const char *text,
                                                   uint64_t len, int64_t *ms)
{
    uint64_t head, tail;
    __m128i clock; // "HH:mm:ss.SSS" and four zeros
    if (len == 23) {
        clock = _mm_loadu_si128((const __m128i *)(const void *)(text + 7));
        clock = _mm_srli_si128(clock, 4);
    } else if (len == 19) {
        clock = _mm_loadu_si128((const __m128i *)(const void *)(text + 3));
        clock = _mm_srli_si128(clock, 8);
        clock = _mm_or_si128(clock, _mm_setr_epi32(0, 0, 0x3030302e, 0)); // ".000"
    } else {
        return false;
    }
    memcpy(&head, text, 8);
    memcpy(&tail, text + 3, 8);
    if (UNLIKELY(((head ^ date->head) | (tail ^ date->tail)) != 0))
        return false;
    const __m128i shape =
        _mm_setr_epi8('0', '0', ':', '0', '0', ':', '0', '0', '.', '0', '0', '0', 0, 0, 0, 0);
    const __m128i largest = _mm_setr_epi8(2, 9, 0, 5, 9, 0, 5, 9, 0, 9, 9, 9, 0, 0, 0, 0);
    const __m128i gather = _mm_setr_epi8(0, 1, 3, 4, 6, 7, 9, 10, 11, -1, -1, -1, -1, -1, -1, -1);
    const __m128i weights = _mm_setr_epi8(10, 1, 10, 1, 10, 1, 100, 10, 1, 0, 0, 0, 0, 0, 0, 0);
    const __m128i units = _mm_setr_epi16(3600, 60, 1000, 1, 1, 0, 0, 0);
    __m128i digits = _mm_sub_epi8(clock, shape);
    __m128i above = _mm_subs_epu8(digits, largest);
    __m128i parts = _mm_maddubs_epi16(_mm_shuffle_epi8(digits, gather), weights);
    __m128i sums = _mm_madd_epi16(parts, units); // seconds of hours and minutes; ms; ms
    uint64_t low = (uint64_t)_mm_cvtsi128_si64(sums);
    int64_t day = (int64_t)(low & UINT32_MAX) * 1000 + (int64_t)(low >> 32);
    day += _mm_extract_epi32(sums, 2);
    *ms = date->day_ms + day;
    return _mm_testz_si128(above, above) && day < CALENDAR_DAY_MS;
}
#endif

#endif
