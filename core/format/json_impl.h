// json_impl.h: what the parts of the JSON reader share. Private to core/format.
//
//   json.c        the loop over rows: which way each is read
//   json_walk.c   the fastest way, with AVX2: the expected shape over an index of the bytes
//   json_shape.c  how a shape is learned, and compared without an index
//   json_scan.c   the full scanner of one row: any order of fields, blanks, duplicates
//   json_value.c, json_value.h  values: strings with escapes, numbers, nested values
//
// All ways share the functions for values, but for plain strings and timestamps of the usual shape.
// Positions: a row ends at '\n' or at `limit`; a raw '\n' is nowhere legal inside a row, so it
// serves as the sentinel of every scan, and json_peek shows `limit` itself as one.
#ifndef WEIR_CORE_FORMAT_JSON_IMPL_H
#define WEIR_CORE_FORMAT_JSON_IMPL_H

#include "core/format/index.h"
#include "core/format/reader_impl.h"

enum {
    JSON_DEPTH = 1000,         // levels of objects and arrays in a row, the row's own included
    JSON_SHAPE_STEPS = 256,    // a row with more fields is always read the full way
    JSON_SHAPE_BYTES = 16384,  // of all keys with their punctuation, padded
    JSON_LITERAL_BYTES = 4096, // of one key
    JSON_SHAPES = 4,           // to remember
};

// One field of a row: what stands before its value, and where the value goes.
struct json_step {
    uint32_t offset;          // of the literal in json_shape.bytes, a multiple of 32
    uint32_t len;             // of the literal
    uint32_t mask;            // a bit for each of its first 32 bytes
    bool is_number;           // the value seen last is one: json_walk.c expects another
    struct reader_slot *slot; // NULL: not needed
};

// A row without its values.
struct json_shape {
    bool usable;
    uint64_t
        used; // when it was learned or fitted instead of the expected one, by json_reader.clock
    int step_count;
    struct json_step steps[JSON_SHAPE_STEPS + 1]; // the last: what follows the last value
    int missing_count;
    struct reader_slot **missing; // slots that the row did not have
    uint32_t byte_count;
    char bytes[JSON_SHAPE_BYTES] __attribute__((aligned(32)));
};

struct json_reader {
    struct json_shape *shape;    // the expected one
    struct json_shape *other;    // that the previous row had instead; NULL: it had the expected one
    struct json_shape *learning; // of the row that is read the full way
    uint64_t clock;
    struct json_shape shapes[JSON_SHAPES];
    struct scan_index index; // of the bytes of the current call
    uint32_t walk_rows;      // to try together (json_walk.c)
    uint64_t row_number;     // of the full scanner; compared with reader_slot.seen
    uint32_t table_mask;
    struct reader_slot **table; // open addressing by the name's hash; NULL: empty
};

static inline char json_peek(const char *p, const char *limit)
{
    return p < limit ? *p : '\n';
}

static inline const char *json_skip_blanks(const char *p, const char *limit)
{
    while (p < limit && (*p == ' ' || *p == '\t' || *p == '\r'))
        p++;
    return p;
}

// --- json_value.c: each returns what follows the value, or NULL with the reason noted ---

// Any value at `p` into the slot's row (NULL: only checked).
const char *json_value(struct reader *reader, const char *p, const char *limit,
                       struct reader_slot *slot, uint32_t row);

// The string whose opening quote is at `p`; *text is its content, decoded when it must be (into
// reader->spare when `lasting` is false, else into reader->scratch).
const char *json_text(struct reader *reader, const char *p, const char *limit, bool lasting,
                      struct slice *text);

// Check the number at `p`.
const char *json_number(struct reader *reader, const char *p, const char *limit);

// Check the object or array at `p`, which lies `depth` levels down.
const char *json_nested(struct reader *reader, const char *p, const char *limit);

// The string at `p` when the quick scan met a backslash at `at`.
const char *json_escaped(struct reader *reader, const char *p, const char *limit, bool lasting,
                         struct slice *text);

// --- json_scan.c ---

// Read the row at `p` the full way into the batch's `row`; returns the start of the next row. NULL:
// no row, with the reason noted. Learns the row's shape, which is expected of the next rows.
const char *json_row(struct reader *reader, const char *p, const char *limit, uint32_t row);

// The needed column of this name, or NULL.
struct reader_slot *json_find_slot(const struct json_reader *json, struct slice name);

// --- json_shape.c ---

void json_shape_begin(struct json_shape *shape);
// The next value begins at `value`; what stands before it began at `literal`.
void json_shape_add(struct json_shape *shape, const char *literal, const char *value,
                    struct reader_slot *slot);
// The row is read; its last value ended at `literal`, its line ends before `next`.
void json_shape_end(struct reader *reader, struct json_shape *shape, const char *literal,
                    const char *next);

// Do the bytes at `p` begin with the literal? Bytes behind it are compared as well, but masked out;
// near the limit the careful way is taken.
static inline bool json_literal_matches(const char *p, const char *limit, const char *literal,
                                        uint32_t len)
{
#if defined(__SSE2__)
    uint32_t at = 0;
    if (LIKELY(limit - p >= (int64_t)len + 16)) {
        for (; at + 16 < len; at += 16) {
            __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
            __m128i b = _mm_load_si128((const __m128i *)(const void *)(literal + at));
            if (_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) != 0xffff)
                return false;
        }
        __m128i a = _mm_loadu_si128((const __m128i *)(const void *)(p + at));
        __m128i b = _mm_load_si128((const __m128i *)(const void *)(literal + at));
        unsigned differ = (unsigned)_mm_movemask_epi8(_mm_cmpeq_epi8(a, b)) ^ 0xffffu;
        return (differ & (0xffffu >> (16 - (len - at)))) == 0;
    }
#endif
    return limit - p >= (int64_t)len && memcmp(p, literal, len) == 0;
}

// Read the row at `p` by the shape; NULL: it has another, or something is wrong with it.
const char *json_shape_row(struct reader *reader, const struct json_shape *shape, const char *p,
                           const char *limit, uint32_t row);

// --- json_walk.c ---

// Read rows at run->p by the expected shape and an index while both fit. Needs AVX2. True: the row
// at run->p does not fit, or no shape is expected. False: the batch is full, or the row is not in
// the reach of an index: any other way may read it.
bool json_walk(struct reader *reader, struct reader_run *run);

#endif
