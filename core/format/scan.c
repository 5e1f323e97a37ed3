// scan.c: the scalar and the AVX2 ways of scan.h, and the choice between them.
#include "core/format/scan.h"

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static enum scan_mode best_mode(void)
{
#if defined(__x86_64__)
    // Every processor with AVX2 has the others too; SCAN_AVX2_CODE (index.h) uses all of them.
    bool all = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("bmi") &&
               __builtin_cpu_supports("bmi2") && __builtin_cpu_supports("popcnt");
    return all ? SCAN_AVX2 : SCAN_SSE2;
#elif defined(__SSE2__)
    return SCAN_SSE2;
#else
    return SCAN_SCALAR;
#endif
}

enum scan_mode scan_mode_choose(enum scan_mode most)
{
    enum scan_mode best = best_mode();
    return best < most ? best : most;
}

const char *scan_bytes(const char *p, const char *limit, struct scan_set set, unsigned *high)
{
    for (; p < limit; p++) {
        if (*p == set.a || *p == set.b || *p == set.c)
            break;
        *high |= (unsigned char)*p & 0x80u;
    }
    return p;
}

#if defined(__x86_64__)
// Stops at a byte of the set, or when fewer than 32 bytes are left (*found says which).
__attribute__((target("avx2"))) static const char *
scan_avx2(const char *p, const char *limit, struct scan_set set, unsigned *high, bool *found)
{
    __m256i a = _mm256_set1_epi8(set.a);
    __m256i b = _mm256_set1_epi8(set.b);
    __m256i c = _mm256_set1_epi8(set.c);
    for (; limit - p >= 32; p += 32) {
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)p);
        __m256i hit = _mm256_or_si256(_mm256_cmpeq_epi8(bytes, a), _mm256_cmpeq_epi8(bytes, b));
        unsigned stops =
            (unsigned)_mm256_movemask_epi8(_mm256_or_si256(hit, _mm256_cmpeq_epi8(bytes, c)));
        unsigned above = (unsigned)_mm256_movemask_epi8(bytes);
        if (stops) {
            int at = __builtin_ctz(stops);
            *high |= above & ((1u << at) - 1);
            *found = true;
            return p + at;
        }
        *high |= above;
    }
    *found = false;
    return p;
}
#endif

const char *scan_long(const char *p, const char *limit, struct scan_set set, enum scan_mode mode,
                      unsigned *high)
{
    CHECK_DEBUG(mode != SCAN_SCALAR);
#if defined(__x86_64__)
    if (mode == SCAN_AVX2) {
        bool found;
        p = scan_avx2(p, limit, set, high, &found);
        if (found)
            return p;
    }
#else
    (void)mode;
#endif
#if defined(__SSE2__)
    for (; limit - p >= 16; p += 16) {
        unsigned above, hit = scan_step(p, set, &above);
        if (hit) {
            int at = __builtin_ctz(hit);
            *high |= above & ((1u << at) - 1);
            return p + at;
        }
        *high |= above;
    }
#endif
    return scan_bytes(p, limit, set, high);
}
