// index.h: where the bytes that matter are, for some kilobytes of rows at once. Private to
// core/format.
//
// One pass with AVX2 marks each byte that may end a string or a field, each byte that asks for a
// closer look (an escape, a quote in CSV, a byte at 0x80 and above), and lists the line ends. Then
// every row can be read without a loop over its bytes and without waiting for the row before: a
// value's end is the next mark, wherever it is. json_walk.c and csv_walk.c do that; processors
// without AVX2 read rows the way of json_shape.c and csv.c.
//
// The idea of bit marks is simdjson's (G. Langdale, D. Lemire, "Parsing gigabytes of JSON per
// second", 2019); here they say nothing about nesting, only where to look.
#ifndef WEIR_CORE_FORMAT_INDEX_H
#define WEIR_CORE_FORMAT_INDEX_H

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/format/scan.h"

enum {
    INDEX_BYTES = 8192, // at most; a longer row is not read by an index
    INDEX_WORDS = INDEX_BYTES / 64,
    INDEX_SLACK = 64,     // bytes behind the indexed ones that may be read
    INDEX_NONE = 1 << 20, // more than any place
};

#if defined(__x86_64__)
// What scan_mode_choose has looked for when it says SCAN_AVX2.
#define SCAN_AVX2_CODE __attribute__((target("avx2,bmi,bmi2,popcnt")))
#else
#define SCAN_AVX2_CODE
#endif

// Which bytes matter.
struct index_set {
    char stop;          // ends a string or field
    bool lines_stop;    // so does a line's end
    char odd, also_odd; // ask for a closer look, as does every byte at 0x80 and above
};

struct scan_index {
    const char *base;                // byte 0; NULL: nothing is indexed
    uint32_t bytes;                  // that are indexed, a multiple of 64
    uint32_t line_count;             // line ends in them
    uint32_t next_line;              // the reader's place in `lines`
    uint32_t row_bytes;              // of a usual row, to index no more than a call will read
    bool has_odd;                    // some bit of `odd` is set
    uint64_t stops[INDEX_WORDS + 2]; // bit i of word w: byte 64 * w + i; zeros behind the last word
    uint64_t odd[INDEX_WORDS + 2];
    uint16_t lines[INDEX_BYTES + 8]; // room for what is written and read too much
};

// Index up to `bytes` bytes (a multiple of 64, at most INDEX_BYTES; INDEX_SLACK more are there).
// The two ways give the same answer; the first needs a processor with AVX2.
void index_build_avx2(struct scan_index *index, const char *base, uint32_t bytes,
                      struct index_set set);
void index_build_scalar(struct scan_index *index, const char *base, uint32_t bytes,
                        struct index_set set);

// Have the rows at `p` indexed, for a call that takes `rows` more. `limit`: the end of the bytes.
// True: the next line end at or behind `p` is index->lines[index->next_line]. False: it is not in
// reach (too near the limit, or the row is too long).
bool index_reach(struct scan_index *index, const char *p, const char *limit, uint32_t rows,
                 struct index_set set);

// Forget what is indexed: the bytes may have changed.
static inline void index_drop(struct scan_index *index)
{
    index->base = NULL;
    index->line_count = 0;
    index->next_line = 0;
}

// The marks from byte `at` on, bit 0 first: those of the next 57 bytes at least.
static inline uint64_t index_window(const uint64_t *words, uint32_t at)
{
    uint64_t bits;
    memcpy(&bits, (const char *)words + (at >> 3), 8);
    return bits >> (at & 7);
}

// The first stop at or behind `at`, when the window there shows none; INDEX_NONE: there is none.
uint32_t index_far_stop(const struct scan_index *index, uint32_t at);

// The first stop at or behind `at` (at most `bytes`), or INDEX_NONE.
static inline uint32_t index_stop(const struct scan_index *index, uint32_t at)
{
    uint64_t bits = index_window(index->stops, at);
    if (LIKELY(bits != 0))
        return at + (uint32_t)__builtin_ctzll(bits);
    return index_far_stop(index, at);
}

// index_is_odd of what a window does not show.
bool index_is_odd_far(const struct scan_index *index, uint32_t from, uint32_t to);

// Is there an odd byte in [from, to)?
static inline bool index_is_odd(const struct scan_index *index, uint32_t from, uint32_t to)
{
    if (LIKELY(!index->has_odd))
        return false;
    if (to - from > 56)
        return index_is_odd_far(index, from, to);
    return (index_window(index->odd, from) & ((UINT64_C(1) << (to - from)) - 1)) != 0;
}

#endif
