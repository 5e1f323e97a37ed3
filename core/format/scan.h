// scan.h: find the next byte that matters, many bytes at a time.
//
// Private to core/format. Three ways that give the same answer: scalar (the twin that tests compare
// with), SSE2 (every x86-64 has it, so it is inlined) and AVX2 (called for what is longer than two
// SSE2 steps, when the processor has it). No way reads a byte at or past `limit`.
#ifndef WEIR_CORE_FORMAT_SCAN_H
#define WEIR_CORE_FORMAT_SCAN_H

#include <stdbool.h>
#include <stddef.h>

#include "core/base/check.h"

#if defined(__SSE2__)
#include <emmintrin.h>
#endif

enum scan_mode { SCAN_SCALAR, SCAN_SSE2, SCAN_AVX2 };

// The bytes that stop a scan; give one twice when there are fewer.
struct scan_set {
    char a, b, c;
};

// What this processor can do, `most` at most.
enum scan_mode scan_mode_choose(enum scan_mode most);

// The careful way, for ends of buffers and for tests.
const char *scan_bytes(const char *p, const char *limit, struct scan_set set, unsigned *high);

// What scan_until does after two steps: AVX2 or SSE2 by `mode` as far as it goes, then scan_bytes.
const char *scan_long(const char *p, const char *limit, struct scan_set set, enum scan_mode mode,
                      unsigned *high);

#if defined(__SSE2__)
// One step: bits of the bytes of the set, and of those at 0x80 and above.
static inline unsigned scan_step(const char *p, struct scan_set set, unsigned *high)
{
    __m128i bytes = _mm_loadu_si128((const __m128i *)(const void *)p);
    __m128i hit = _mm_or_si128(_mm_cmpeq_epi8(bytes, _mm_set1_epi8(set.a)),
                               _mm_cmpeq_epi8(bytes, _mm_set1_epi8(set.b)));
    hit = _mm_or_si128(hit, _mm_cmpeq_epi8(bytes, _mm_set1_epi8(set.c)));
    *high = (unsigned)_mm_movemask_epi8(bytes);
    return (unsigned)_mm_movemask_epi8(hit);
}
#endif

// The first byte of the set in [p, limit), or limit. *high becomes non-zero when a byte at 0x80 or
// above was passed; it is never cleared.
static inline const char *scan_until(const char *p, const char *limit, struct scan_set set,
                                     enum scan_mode mode, unsigned *high)
{
#if defined(__SSE2__)
    if (LIKELY(mode != SCAN_SCALAR)) {
        for (int i = 0; i < 2 && limit - p >= 16; i++, p += 16) {
            unsigned above, hit = scan_step(p, set, &above);
            if (hit) {
                int at = __builtin_ctz(hit);
                *high |= above & ((1u << at) - 1);
                return p + at;
            }
            *high |= above;
        }
        if (limit - p >= 16)
            return scan_long(p, limit, set, mode, high);
    }
#else
    (void)mode;
#endif
    return scan_bytes(p, limit, set, high);
}

#endif
