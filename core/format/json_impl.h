// json_impl.h: what the parts of the JSON reader share. Private to core/format.
//
//   json.c        the loop over rows, and the fast way: the previous row's shape
//   json_shape.c  how a shape is learned and compared
//   json_scan.c   the full scanner of one row: any order of fields, blanks, duplicates
//   json_value.c, json_value.h  values: strings with escapes, numbers, nested values
//
// Both ways use the same functions for values, so they can differ only in how they find the keys.
// Positions: a row ends at '\n' or at `limit`; a raw '\n' is nowhere legal inside a row, so it
// serves as the sentinel of every scan, and json_peek shows `limit` itself as one.
#ifndef WEIR_CORE_FORMAT_JSON_IMPL_H
#define WEIR_CORE_FORMAT_JSON_IMPL_H

#include "core/format/reader_impl.h"

enum {
    JSON_DEPTH = 1000,         // levels of objects and arrays in a row, the row's own included
    JSON_SHAPE_STEPS = 256,    // a row with more fields is always read the full way
    JSON_SHAPE_BYTES = 16384,  // of all keys with their punctuation, padded
    JSON_LITERAL_BYTES = 4096, // of one key
};

// One field of the previous row: what stands before its value, and where the value goes.
struct json_step {
    uint32_t offset;          // of the literal in json_shape.bytes, a multiple of 16
    uint32_t len;             // of the literal
    struct reader_slot *slot; // NULL: not needed
};

// The previous row without its values.
struct json_shape {
    bool usable;
    int step_count;
    struct json_step steps[JSON_SHAPE_STEPS + 1]; // the last: what follows the last value
    int missing_count;
    struct reader_slot **missing; // slots that the row did not have
    uint32_t byte_count;
    char bytes[JSON_SHAPE_BYTES] __attribute__((aligned(16)));
};

struct json_reader {
    struct json_shape shape;
    uint64_t row_number; // of the full scanner; compared with reader_slot.seen
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
// no row, with the reason noted. Learns the row's shape.
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

// Read the row at `p` by the shape; NULL: it has another, or something is wrong with it.
const char *json_shape_row(struct reader *reader, const char *p, const char *limit, uint32_t row);

#endif
