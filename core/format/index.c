// index.c: the pass that marks bytes: AVX2, and its scalar twin, which tests compare it with.
#include "core/format/index.h"

#include <assert.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

static_assert(__BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__, "index_window shifts whole bytes away");

static void begin(struct scan_index *index, const char *base, uint32_t bytes)
{
    CHECK_DEBUG(bytes % 64 == 0 && bytes <= INDEX_BYTES);
    index->base = base;
    index->bytes = bytes;
    index->line_count = 0;
    index->next_line = 0;
    memset(index->stops + bytes / 64, 0, 16);
    memset(index->odd + bytes / 64, 0, 16);
}

void index_build_scalar(struct scan_index *index, const char *base, uint32_t bytes,
                        struct index_set set)
{
    begin(index, base, bytes);
    memset(index->stops, 0, bytes / 8);
    memset(index->odd, 0, bytes / 8);
    index->has_odd = false;
    for (uint32_t i = 0; i < bytes; i++) {
        char c = base[i];
        uint64_t bit = UINT64_C(1) << (i % 64);
        if (c == set.stop || (c == '\n' && set.lines_stop))
            index->stops[i / 64] |= bit;
        if (c == '\n')
            index->lines[index->line_count++] = (uint16_t)i;
        if (c == set.odd || c == set.also_odd || (unsigned char)c >= 0x80) {
            index->odd[i / 64] |= bit;
            index->has_odd = true;
        }
    }
}

#if defined(__x86_64__)

// The high bits of the 64 bytes of a and b.
SCAN_AVX2_CODE static inline uint64_t bits_of(__m256i a, __m256i b)
{
    return (uint32_t)_mm256_movemask_epi8(a) | (uint64_t)(uint32_t)_mm256_movemask_epi8(b) << 32;
}

// Add the places of the bits. Rows are rarely so short that more than two end in 64 bytes.
SCAN_AVX2_CODE static inline uint32_t list_bits(uint64_t bits, uint32_t at, uint16_t *out)
{
    uint32_t count = (uint32_t)_mm_popcnt_u64(bits);
    for (int i = 0; i < 2; i++) {
        out[i] = (uint16_t)(at + _tzcnt_u64(bits));
        bits = _blsr_u64(bits);
    }
    for (uint32_t i = 2; UNLIKELY(i < count); i++) {
        out[i] = (uint16_t)(at + _tzcnt_u64(bits));
        bits = _blsr_u64(bits);
    }
    return count;
}

// Inlined with a set that is known or not: what is twice in it then costs nothing.
SCAN_AVX2_CODE static inline __attribute__((always_inline)) void
build(struct scan_index *index, const char *base, uint32_t bytes, struct index_set set)
{
    const __m256i line = _mm256_set1_epi8('\n'), stop = _mm256_set1_epi8(set.stop);
    const __m256i odd = _mm256_set1_epi8(set.odd), also_odd = _mm256_set1_epi8(set.also_odd);
    const uint64_t lines_stop = set.lines_stop ? ~UINT64_C(0) : 0;
    uint64_t any = 0;
    uint32_t count = 0;
    begin(index, base, bytes);
    for (uint32_t at = 0; at < bytes; at += 64) {
        __m256i a = _mm256_loadu_si256((const __m256i *)(const void *)(base + at));
        __m256i b = _mm256_loadu_si256((const __m256i *)(const void *)(base + at + 32));
        uint64_t lines = bits_of(_mm256_cmpeq_epi8(a, line), _mm256_cmpeq_epi8(b, line));
        uint64_t stops = bits_of(_mm256_cmpeq_epi8(a, stop), _mm256_cmpeq_epi8(b, stop));
        // A byte's own high bit counts as a hit.
        __m256i odd_a = _mm256_or_si256(_mm256_cmpeq_epi8(a, odd), _mm256_cmpeq_epi8(a, also_odd));
        __m256i odd_b = _mm256_or_si256(_mm256_cmpeq_epi8(b, odd), _mm256_cmpeq_epi8(b, also_odd));
        uint64_t odds = bits_of(_mm256_or_si256(odd_a, a), _mm256_or_si256(odd_b, b));
        index->stops[at / 64] = stops | (lines & lines_stop);
        index->odd[at / 64] = odds;
        any |= odds;
        count += list_bits(lines, at, index->lines + count);
    }
    index->line_count = count;
    index->has_odd = any != 0;
}

SCAN_AVX2_CODE void index_build_avx2(struct scan_index *index, const char *base, uint32_t bytes,
                                     struct index_set set)
{
    if (!set.lines_stop && set.odd == set.also_odd)
        build(index, base, bytes, (struct index_set){set.stop, false, set.odd, set.odd});
    else
        build(index, base, bytes, set);
}

#else

void index_build_avx2(struct scan_index *index, const char *base, uint32_t bytes,
                      struct index_set set)
{
    index_build_scalar(index, base, bytes, set);
}

#endif

uint32_t index_far_stop(const struct scan_index *index, uint32_t at)
{
    uint32_t word = at / 64, words = index->bytes / 64;
    uint64_t bits = index->stops[word] & (~UINT64_C(0) << (at % 64));
    while (!bits && word < words)
        bits = index->stops[++word];
    return bits ? word * 64 + (uint32_t)__builtin_ctzll(bits) : INDEX_NONE;
}

bool index_is_odd_far(const struct scan_index *index, uint32_t from, uint32_t to)
{
    for (uint32_t word = from / 64; from < to; word++, from = word * 64) {
        uint64_t bits = index->odd[word] >> (from % 64);
        if (bits)
            return from + (uint32_t)__builtin_ctzll(bits) < to;
    }
    return false;
}

// Index `want` bytes at p, or what is there of them. False: no line ends in them.
static bool build_at(struct scan_index *index, const char *p, uint64_t want, const char *limit,
                     struct index_set set)
{
    uint64_t there = limit - p > INDEX_SLACK ? (uint64_t)(limit - p) - INDEX_SLACK : 0;
    uint64_t bytes = want < there ? (want + 63) / 64 * 64 : there;
    bytes = (bytes < there ? bytes : there) / 64 * 64;
    bytes = bytes < INDEX_BYTES ? bytes : INDEX_BYTES;
    index_drop(index);
    if (bytes == 0)
        return false;
    index_build_avx2(index, p, (uint32_t)bytes, set);
    return index->line_count > 0;
}

bool index_reach(struct scan_index *index, const char *p, const char *limit, uint32_t rows,
                 struct index_set set)
{
    while (index->next_line < index->line_count && index->base + index->lines[index->next_line] < p)
        index->next_line++;
    if (index->next_line < index->line_count)
        return true;
    if (index->line_count) {
        uint32_t bytes = (uint32_t)(index->lines[index->line_count - 1]) + 1;
        index->row_bytes = bytes / index->line_count;
    }
    // The rows that the call may still take, and an eighth more.
    uint64_t want = (uint64_t)rows * (index->row_bytes + index->row_bytes / 8 + 1) + 64;
    return build_at(index, p, want, limit, set) || build_at(index, p, INDEX_BYTES, limit, set);
}
