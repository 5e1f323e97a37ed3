// quick_integer.h: integers of up to sixteen digits in a few nanoseconds. Private to core/format.
//
// The digits are read as words of eight bytes and added up in pairs, fours, eights (D. Lemire,
// "Quickly parsing eight digits", 2018). Whatever has another form is refused, as in quick_time.h.
#ifndef WEIR_CORE_FORMAT_QUICK_INTEGER_H
#define WEIR_CORE_FORMAT_QUICK_INTEGER_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/slice.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum {
    QUICK_INTEGER_DIGITS = 16, // at most
    QUICK_INTEGER_READS = 17,  // bytes from the text's begin that may be read, whatever its length
};

// The first `count` (1 to 8) of the eight bytes at p as a number; *bad becomes non-zero when one is
// no digit.
static inline uint64_t quick_eight(const char *p, unsigned count, uint64_t *bad)
{
    uint64_t digits;
    memcpy(&digits, p, 8);
    digits = (digits ^ UINT64_C(0x3030303030303030)) << (64 - 8 * count); // zeros in front
    *bad |= ((digits + UINT64_C(0x7676767676767676)) | digits) & UINT64_C(0x8080808080808080);
    digits = (digits * 10 + (digits >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    digits = (digits * 100 + (digits >> 16)) & UINT64_C(0x0000ffff0000ffff);
    return (digits * 10000 + (digits >> 32)) & UINT64_C(0x00000000ffffffff);
}

// The whole text as [-]digits, of which there are 1 to `most` (at most QUICK_INTEGER_DIGITS).
static inline bool quick_integer_parse(struct slice text, unsigned most, int64_t *out)
{
    bool negative = *text.ptr == '-';
    const char *p = text.ptr + negative;
    uint64_t bad = 0, len = text.len - negative, value;
    if (UNLIKELY(len - 1 >= most)) // also when there is none
        return false;
    if (len <= 8)
        value = quick_eight(p, (unsigned)len, &bad);
    else
        value =
            quick_eight(p, (unsigned)len - 8, &bad) * 100000000 + quick_eight(p + len - 8, 8, &bad);
    *out = negative ? -(int64_t)value : (int64_t)value;
    return bad == 0;
}

#if defined(__SSE2__)
// How many bytes the JSON integer at `p` has. 0: it is none, it has a fraction or an exponent, or
// it may be longer than is read here (QUICK_INTEGER_READS bytes).
static inline uint32_t quick_integer_bytes(const char *p)
{
    uint32_t sign = *p == '-';
    p += sign;
    __m128i digits =
        _mm_sub_epi8(_mm_loadu_si128((const __m128i *)(const void *)p), _mm_set1_epi8('0'));
    __m128i above = _mm_subs_epu8(digits, _mm_set1_epi8(9));
    unsigned is_digit = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(above, _mm_setzero_si128()));
    uint32_t count = (uint32_t)__builtin_ctz(~is_digit); // 16 when all are
    if (UNLIKELY(count - 1 >= QUICK_INTEGER_DIGITS - 1U))
        return 0;
    if (UNLIKELY(*p == '0' && count > 1) || UNLIKELY(p[count] == '.') ||
        UNLIKELY((p[count] | 0x20) == 'e'))
        return 0;
    return sign + count;
}
#endif

#endif
