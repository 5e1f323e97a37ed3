// json_walk.c: JSON lines the fastest way: the expected shape (json_shape.c) over an index of the
// bytes (index.h). Needs AVX2.
//
// A row's begin and end come from the list of line ends, a string's end is the next quote marked,
// and the bytes before a value are compared 32 at a time. So a row does not wait for the one before
// it, and strings that change their lengths cost no mispredicted branch. A string with an odd byte
// (a backslash, a byte at 0x80 and above) and every value that is no string go through the
// functions that the other ways use. What does not fit is left to the full scanner.
#include "core/format/json_value.h"
#include "core/format/walk.h"

#if defined(__x86_64__)

static const struct index_set json_set = {
    .stop = '"', .lines_stop = false, .odd = '\\', .also_odd = '\\'};

// Read the string at `p` into the slot's row. Returns what follows it, or NULL.
SCAN_AVX2_CODE static const char *read_string(const struct walk *walk, const char *p,
                                              struct reader_slot *slot, uint32_t row)
{
    struct slice text;
    p = json_string_inline(walk->reader, p, walk->limit, slot != NULL, &text);
    if (!p || !slot)
        return p;
    slot->state[row] = VALUE_PRESENT;
    if (slot->kind == TYPE_STRING)
        slot->str[row] = text;
    else if (!convert_quickly(walk->reader, slot, row, text, TOKEN_JSON_STRING))
        return NULL;
    return p;
}

// The step of row `i` by itself, whatever its value is. False: the row does not fit.
SCAN_AVX2_CODE static bool step_alone(struct walk *walk, uint32_t i, const char *literal,
                                      struct json_step *step)
{
    const char *base = walk->index->base, *p = base + walk->at[i];
    if (!json_literal_matches(p, walk->limit, literal, step->len))
        return false;
    p += step->len;
    uint32_t row = walk->row + i;
    step->is_number = *p == '-' || (unsigned char)(*p - '0') <= 9;
    if (*p == '"')
        p = read_string(walk, p, step->slot, row);
    else
        p = json_value_inline(walk->reader, p, walk->limit, step->slot, row);
    if (!p || p > base + walk->ends[i])
        return false;
    walk->at[i] = (uint32_t)(p - base);
    return true;
}

// The step of the rows from `i` on, while their values are plain strings. Returns the first that is
// not done. `literal` has fewer than 32 bytes and a quote behind them.
SCAN_AVX2_CODE static inline __attribute__((always_inline)) uint32_t
strings_together(struct walk *walk, uint32_t i, const char *literal, const struct json_step *step,
                 enum walk_take take)
{
    const __m256i expected = _mm256_load_si256((const __m256i *)(const void *)literal);
    const struct scan_index *index = walk->index;
    const char *base = index->base;
    const uint32_t skip = step->len + 1, mask = step->mask << 1 | 1, count = walk->count;
    const bool has_odd = index->has_odd;
    struct reader_slot *slot = step->slot;
    for (; i < count; i++) {
        uint32_t at = walk->at[i];
        __m256i key = _mm256_loadu_si256((const __m256i *)(const void *)(base + at));
        uint32_t same = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(key, expected));
        at += skip;
        uint64_t quotes = index_window(index->stops, at);
        if (UNLIKELY((~same & mask) != 0) || UNLIKELY(quotes == 0))
            break;
        uint32_t len = (uint32_t)_tzcnt_u64(quotes);
        if (UNLIKELY(has_odd) && (_bzhi_u64(index_window(index->odd, at), len) || len > 56))
            break;
        if (UNLIKELY(!walk_take_text(slot, walk->row + i, take, slice_make(base + at, len))))
            break;
        walk->at[i] = at + len + 1;
    }
    return i;
}

// The step of the rows from `i` on, while their values are integers for the column (or for nobody).
// Returns the first that is not done.
SCAN_AVX2_CODE static inline __attribute__((always_inline)) uint32_t
integers_together(struct walk *walk, uint32_t i, const char *literal, const struct json_step *step,
                  enum walk_take take)
{
    const __m256i expected = _mm256_load_si256((const __m256i *)(const void *)literal);
    const char *base = walk->index->base;
    const uint32_t len = step->len, mask = step->mask, count = walk->count;
    struct reader_slot *slot = step->slot;
    for (; i < count; i++) {
        const char *p = base + walk->at[i];
        __m256i key = _mm256_loadu_si256((const __m256i *)(const void *)p);
        uint32_t same = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(key, expected));
        if (UNLIKELY((~same & mask) != 0) || UNLIKELY(p + len >= base + walk->ends[i]))
            break;
        uint32_t bytes = quick_integer_bytes(p + len);
        if (UNLIKELY(bytes == 0) ||
            UNLIKELY(!walk_take_text(slot, walk->row + i, take, slice_make(p + len, bytes))))
            break;
        walk->at[i] += len + bytes;
    }
    return i;
}

SCAN_AVX2_CODE static uint32_t integers_by_take(struct walk *walk, uint32_t i, const char *literal,
                                                const struct json_step *step)
{
    switch (walk_take_of(step->slot)) {
    case WALK_SKIP:
        return integers_together(walk, i, literal, step, WALK_SKIP);
    case WALK_INT:
        return integers_together(walk, i, literal, step, WALK_INT);
    case WALK_BIGINT:
        return integers_together(walk, i, literal, step, WALK_BIGINT);
    default:
        return i;
    }
}

SCAN_AVX2_CODE static uint32_t strings_by_take(struct walk *walk, uint32_t i, const char *literal,
                                               const struct json_step *step)
{
    switch (walk_take_of(step->slot)) {
    case WALK_SKIP:
        return strings_together(walk, i, literal, step, WALK_SKIP);
    case WALK_STRING:
        return strings_together(walk, i, literal, step, WALK_STRING);
    case WALK_TIME:
        return strings_together(walk, i, literal, step, WALK_TIME);
    default:
        return i;
    }
}

static void walk_step(struct walk *walk, const char *literal, struct json_step *step)
{
    uint32_t i = 0;
    if (step->slot)
        memset(step->slot->state + walk->row, VALUE_PRESENT, walk->count);
    for (;; i++) {
        if (step->len < 32)
            i = step->is_number ? integers_by_take(walk, i, literal, step)
                                : strings_by_take(walk, i, literal, step);
        if (i == walk->count)
            return;
        if (!step_alone(walk, i, literal, step)) {
            walk->count = i;
            return;
        }
    }
}

// What follows the last value of each row, its line's end included.
SCAN_AVX2_CODE static void walk_last(struct walk *walk, const char *literal,
                                     const struct json_step *step)
{
    const __m256i expected = _mm256_load_si256((const __m256i *)(const void *)literal);
    const char *base = walk->index->base;
    const uint32_t mask = step->mask, len = step->len, count = walk->count;
    uint32_t i = 0;
    for (; i < count; i++) {
        const char *p = base + walk->at[i];
        __m256i bytes = _mm256_loadu_si256((const __m256i *)(const void *)p);
        uint32_t same = (uint32_t)_mm256_movemask_epi8(_mm256_cmpeq_epi8(bytes, expected));
        if (UNLIKELY((~same & mask) != 0) || UNLIKELY(walk->at[i] + len != walk->ends[i] + 1U))
            break;
        if (UNLIKELY(len > 32) &&
            !json_literal_matches(p + 32, walk->limit, literal + 32, len - 32))
            break;
    }
    walk->count = i;
}

// Read rows whose line ends are in reach. False: the row at run->p does not fit.
SCAN_AVX2_CODE static bool walk_rows(struct reader *reader, struct reader_run *run)
{
    struct json_reader *json = reader->json;
    struct json_shape *shape = json->shape;
    const struct json_step *last = shape->steps + shape->step_count - 1;
    struct walk walk;
    json->walk_rows = json->walk_rows ? json->walk_rows : WALK_ROWS_LEAST;
    uint32_t wanted = walk_begin(&walk, reader, run, &json->index, json->walk_rows);
    for (struct json_step *step = shape->steps; step < last && walk.count; step++)
        walk_step(&walk, shape->bytes + step->offset, step);
    walk_last(&walk, shape->bytes + last->offset, last);
    for (int i = 0; i < shape->missing_count; i++)
        for (uint32_t row = 0; row < walk.count; row++)
            slot_set_null(shape->missing[i], walk.row + row);
    walk_accept(&walk, run, &json->index);
    if (walk.count)
        json->other = NULL;
    bool fits = walk.count == wanted;
    json->walk_rows = walk_next_rows(json->walk_rows, fits);
    return fits;
}

bool json_walk(struct reader *reader, struct reader_run *run)
{
    struct json_reader *json = reader->json;
    bool fits = json->shape->usable;
    reader->quiet = true;
    while (fits && run->row < reader->max_rows && run->p < run->limit &&
           index_reach(&json->index, run->p, run->limit, reader->max_rows - run->row, json_set))
        fits = walk_rows(reader, run);
    reader->quiet = false;
    return !fits;
}

#else

bool json_walk(struct reader *reader, struct reader_run *run)
{
    (void)reader;
    (void)run;
    return false;
}

#endif
