// csv_walk.c: CSV rows the fastest way: over an index of the bytes (index.h). Needs AVX2.
//
// A row ends at the next line end listed, a field at the next delimiter marked. So a row does not
// wait for the one before it, and fields that change their lengths cost no mispredicted branch.
// This way knows rows of plain fields only: the right number of them, without quotes and escapes.
// Every other row, and every bad one, is left to csv.c.
#include "core/format/csv_impl.h"
#include "core/format/walk.h"

#include "core/base/utf8.h"

#if defined(__x86_64__)

// Is this odd field plain all the same: UTF-8 without quotes and escapes?
static bool is_plain(const struct format_options *options, struct slice text)
{
    for (uint64_t i = 0; i < text.len; i++) {
        int c = (unsigned char)text.ptr[i];
        if (c == options->csv_quote || c == options->csv_escape)
            return false;
    }
    return utf8_valid(text.ptr, text.len);
}

// Leave rows that begin as no row does to csv.c: empty lines, comments, a byte order mark.
static void check_begins(struct walk *walk)
{
    bool comments = walk->reader->options.csv_allow_comments;
    // Otherwise such a line has too few fields, or an odd byte in front.
    if (walk->reader->field_count > 1 && !comments && !walk->index->has_odd)
        return;
    for (uint32_t i = 0; i < walk->count; i++) {
        char c = walk->index->base[walk->at[i]];
        if (c == '\n' || c == '\r' || c == '\xEF' || (c == '#' && comments))
            walk->count = i;
    }
}

// A field's text without the carriage return of its line's end.
static inline uint32_t text_bytes(const char *text, uint32_t len, bool is_last)
{
    return is_last && len && text[len - 1] == '\r' ? len - 1 : len;
}

// A field of row `i` by itself. False: the row does not fit.
SCAN_AVX2_CODE static bool field_alone(struct walk *walk, uint32_t i, struct reader_slot *slot,
                                       bool is_last)
{
    struct reader *reader = walk->reader;
    uint32_t at = walk->at[i], stop = index_stop(walk->index, at), row = walk->row + i;
    const char *p = walk->index->base + at;
    if (stop == INDEX_NONE || (stop == walk->ends[i]) != is_last)
        return false;
    struct slice text = slice_make(p, text_bytes(p, stop - at, is_last));
    if (index_is_odd(walk->index, at, stop) && !is_plain(&reader->options, text))
        return false;
    walk->at[i] = stop + 1;
    if (!slot)
        return true;
    if (slot->kind != TYPE_STRING || reader->options.csv_has_null_literal)
        return convert_quickly(reader, slot, row, text, TOKEN_CSV);
    slot->str[row] = text;
    return true;
}

// A field of the rows from `i` on, while they are plain. Returns the first that is not done.
SCAN_AVX2_CODE static inline __attribute__((always_inline)) uint32_t
field_together(struct walk *walk, uint32_t i, struct reader_slot *slot, bool is_last,
               enum walk_take take)
{
    const struct scan_index *index = walk->index;
    const char *base = index->base;
    const uint32_t count = walk->count;
    const bool has_odd = index->has_odd;
    for (; i < count; i++) {
        uint32_t at = walk->at[i];
        uint64_t stops = index_window(index->stops, at);
        uint32_t len = (uint32_t)_tzcnt_u64(stops), stop = at + len;
        if (UNLIKELY(stops == 0) || UNLIKELY((stop == walk->ends[i]) != is_last))
            break;
        if (UNLIKELY(has_odd) && (_bzhi_u64(index_window(index->odd, at), len) || len > 56))
            break;
        struct slice text = slice_make(base + at, text_bytes(base + at, len, is_last));
        if (UNLIKELY(!walk_take_text(slot, walk->row + i, take, text)))
            break;
        walk->at[i] = stop + 1;
    }
    return i;
}

SCAN_AVX2_CODE static uint32_t field_by_take(struct walk *walk, uint32_t i,
                                             struct reader_slot *slot, bool is_last)
{
    if (walk->reader->options.csv_has_null_literal && slot)
        return i;
    switch (walk_take_of(slot)) {
    case WALK_SKIP:
        return field_together(walk, i, slot, is_last, WALK_SKIP);
    case WALK_STRING:
        return is_last ? field_together(walk, i, slot, true, WALK_STRING)
                       : field_together(walk, i, slot, false, WALK_STRING);
    case WALK_TIME:
        return field_together(walk, i, slot, is_last, WALK_TIME);
    case WALK_INT:
        return field_together(walk, i, slot, is_last, WALK_INT);
    case WALK_BIGINT:
        return field_together(walk, i, slot, is_last, WALK_BIGINT);
    default:
        return i;
    }
}

static void walk_field(struct walk *walk, struct reader_slot *slot, bool is_last)
{
    uint32_t i = 0;
    if (slot)
        memset(slot->state + walk->row, VALUE_PRESENT, walk->count);
    for (;; i++) {
        i = field_by_take(walk, i, slot, is_last);
        if (i == walk->count)
            return;
        if (!field_alone(walk, i, slot, is_last)) {
            walk->count = i;
            return;
        }
    }
}

// Read rows whose line ends are in reach. False: the row at run->p is not for this way.
SCAN_AVX2_CODE static bool walk_rows(struct reader *reader, struct reader_run *run)
{
    struct csv_reader *csv = reader->csv;
    struct walk walk;
    csv->walk_rows = csv->walk_rows ? csv->walk_rows : WALK_ROWS_LEAST;
    uint32_t wanted = walk_begin(&walk, reader, run, &csv->index, csv->walk_rows);
    check_begins(&walk);
    for (int field = 0; field < reader->field_count && walk.count; field++)
        walk_field(&walk, csv->by_position[field], field == reader->field_count - 1);
    walk_accept(&walk, run, &csv->index);
    bool fits = walk.count == wanted;
    csv->walk_rows = walk_next_rows(csv->walk_rows, fits);
    return fits;
}

void csv_walk(struct reader *reader, struct reader_run *run)
{
    struct csv_reader *csv = reader->csv;
    bool fits = reader->field_count > 0;
    reader->quiet = true;
    while (fits && run->row < reader->max_rows && run->p < run->limit &&
           index_reach(&csv->index, run->p, run->limit, reader->max_rows - run->row, csv->marks))
        fits = walk_rows(reader, run);
    reader->quiet = false;
}

#else

void csv_walk(struct reader *reader, struct reader_run *run)
{
    (void)reader;
    (void)run;
}

#endif
