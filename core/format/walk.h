// walk.h: what the walks over an index share (json_walk.c, csv_walk.c). Private to core/format.
//
// A walk reads some rows together, a field at a time: the place in each row is kept in an array,
// and one loop takes the same field of all of them. No turn of that loop waits for the one before,
// and what is the same for all rows (the bytes to compare with, the column) stays in registers. The
// loops call nothing, so that it does: a value that asks for a call ends the loop, is read by
// itself, and the loop goes on behind it. A row that does not fit ends the walk before it, and the
// rows behind it are read again.
//
// Bounds: a place that a loop finds is that of a mark, so at most the index's `bytes`, and so much
// as INDEX_SLACK behind it may be read; of marks there are two words of zeros behind the last.
#ifndef WEIR_CORE_FORMAT_WALK_H
#define WEIR_CORE_FORMAT_WALK_H

#include "core/format/index.h"
#include "core/format/quick_integer.h"
#include "core/format/reader_impl.h"

enum {
    WALK_ROWS = 128, // at most
    WALK_ROWS_LEAST = 4,
};

// What becomes of a plain text in a column.
enum walk_take { WALK_SKIP, WALK_STRING, WALK_TIME, WALK_INT, WALK_BIGINT, WALK_OTHER };

struct walk {
    struct reader *reader;
    const struct scan_index *index;
    const char *limit;          // of the bytes
    const uint16_t *ends;       // of the rows' lines
    uint32_t row;               // the batch's, of the first row here
    uint32_t count;             // rows that fit so far
    uint32_t at[WALK_ROWS + 8]; // where each row is read next
};

static inline enum walk_take walk_take_of(const struct reader_slot *slot)
{
    switch (slot ? slot->kind : TYPE_NULL) {
    case TYPE_NULL:
        return WALK_SKIP;
    case TYPE_STRING:
        return WALK_STRING;
    case TYPE_TIMESTAMP:
        return WALK_TIME;
    case TYPE_INT:
        return WALK_INT;
    case TYPE_BIGINT:
        return WALK_BIGINT;
    default:
        return WALK_OTHER;
    }
}

#if defined(__x86_64__)

// Set the walk up for the next rows of `run`, at most `rows` (at least 1); their line ends are in
// reach. Returns how many rows it has; walk->count is less when one of them is too long.
SCAN_AVX2_CODE static inline uint32_t walk_begin(struct walk *walk, struct reader *reader,
                                                 const struct reader_run *run,
                                                 const struct scan_index *index, uint32_t rows)
{
    uint32_t lines = index->line_count - index->next_line, left = reader->max_rows - run->row;
    rows = rows < lines ? rows : lines;
    rows = rows < left ? rows : left;
    walk->reader = reader;
    walk->index = index;
    walk->limit = run->limit;
    walk->ends = index->lines + index->next_line;
    walk->row = run->row;
    walk->count = rows;
    walk->at[0] = (uint32_t)(run->p - index->base);
    for (uint32_t i = 1; i < rows; i += 8) { // eight at once; what is too much is not looked at
        __m128i ends = _mm_loadu_si128((const __m128i *)(const void *)(walk->ends + i - 1));
        __m256i at = _mm256_sub_epi32(_mm256_cvtepu16_epi32(ends), _mm256_set1_epi32(-1));
        _mm256_storeu_si256((__m256i *)(void *)(walk->at + i), at);
    }
    for (uint32_t i = 0; UNLIKELY(reader->max_row_bytes < INDEX_BYTES) && i < walk->count; i++)
        if (walk->ends[i] - walk->at[i] >= reader->max_row_bytes)
            walk->count = i;
    return rows;
}

// The walk's rows are read: they belong to the batch.
SCAN_AVX2_CODE static inline void walk_accept(const struct walk *walk, struct reader_run *run,
                                              struct scan_index *index)
{
    uint32_t *row_end = run->result->row_end + run->row;
    uint32_t base = (uint32_t)(index->base - run->base) + 1, i = 0;
    for (; i + 8 <= walk->count; i += 8) {
        __m128i ends = _mm_loadu_si128((const __m128i *)(const void *)(walk->ends + i));
        __m256i sum = _mm256_add_epi32(_mm256_cvtepu16_epi32(ends), _mm256_set1_epi32((int)base));
        _mm256_storeu_si256((__m256i *)(void *)(row_end + i), sum);
    }
    for (; i < walk->count; i++)
        row_end[i] = base + walk->ends[i];
    if (walk->count)
        run->p = run->base + row_end[walk->count - 1];
    run->row += walk->count;
    index->next_line += walk->count;
}

// How many rows to try together next time: a row that does not fit makes the work on those behind
// it vain.
static inline uint32_t walk_next_rows(uint32_t rows, bool fits)
{
    rows = fits ? rows * 2 : rows / 2;
    return rows < WALK_ROWS_LEAST ? WALK_ROWS_LEAST : rows > WALK_ROWS ? WALK_ROWS : rows;
}

// The plain text of row `i` into a column, without a call. False: it needs one.
SCAN_AVX2_CODE static inline __attribute__((always_inline)) bool
walk_take_text(struct reader_slot *slot, uint32_t row, enum walk_take take, struct slice text)
{
    if (take == WALK_STRING)
        slot->str[row] = text;
    if (take == WALK_TIME)
        return quick_time_parse(&slot->date, text.ptr, text.len, &slot->i64[row]);
    if (take == WALK_INT || take == WALK_BIGINT) // nine digits are always an INT
        return quick_integer_parse(text, take == WALK_INT ? 9 : QUICK_INTEGER_DIGITS,
                                   &slot->i64[row]);
    return take != WALK_OTHER;
}

#endif

#endif
