// json.c: JSON lines. The loop over the rows of a buffer: the fast way while it holds, the full way
// for the row where it does not.
#include "core/format/json_impl.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/hash.h"

// --- making one ---

static void index_slot(struct json_reader *json, struct reader_slot *slot)
{
    uint64_t at = hash_slice(slot->name);
    while (json->table[at & json->table_mask])
        at++;
    json->table[at & json->table_mask] = slot;
}

int json_create(struct reader *reader, struct err *err)
{
    (void)err;
    struct json_reader *json = aligned_alloc(64, (sizeof(*json) + 63) / 64 * 64);
    CHECK(json);
    memset(json, 0, sizeof(*json));
    uint32_t size = 8;
    while (size < 4 * (uint32_t)reader->slot_count)
        size *= 2;
    json->table_mask = size - 1;
    json->table = calloc(size, sizeof(struct reader_slot *));
    CHECK(json->table);
    json->shape = json->shapes;
    for (int i = 0; i < JSON_SHAPES; i++) {
        size_t most = (size_t)reader->slot_count + 1;
        json->shapes[i].missing = calloc(most, sizeof(struct reader_slot *));
        CHECK(json->shapes[i].missing);
    }
    reader->json = json;
    for (int i = 0; i < reader->slot_count; i++)
        index_slot(json, &reader->slots[i]);
    return 0;
}

void json_free(struct reader *reader)
{
    struct json_reader *json = reader->json;
    if (!json)
        return;
    free(json->table);
    for (int i = 0; i < JSON_SHAPES; i++)
        free(json->shapes[i].missing);
    free(json);
}

// --- reading ---

// The row at run->p the careful way: blank, overlong, bad or read. False: the list of bad rows is
// full, nothing was done.
static bool read_carefully(struct reader *reader, struct reader_run *run)
{
    const char *p = run->p;
    const char *line_end = memchr(p, '\n', (size_t)(run->limit - p));
    const char *next = line_end ? line_end + 1 : run->limit;
    const char *end = line_end ? line_end : run->limit;
    // First of all: what is read in pieces is known to be too long before it is known to be blank.
    bool overlong = (uint64_t)(end - p) > reader->max_row_bytes;
    bool blank = !overlong && json_skip_blanks(p, end) == end;
    if (blank && !reader->payload_lines) {
        run->p = next;
        return true;
    }
    if (!reader_has_room(run))
        return false;
    if (blank)
        reader_fail(reader, "the payload is empty");
    if (overlong) {
        reader_report_overlong(reader, run);
        return true;
    }
    const char *after = blank ? NULL : json_row(reader, p, run->limit, run->row);
    if (after) {
        CHECK(after == next);
        reader_accept(run, next);
        return true;
    }
    if (end > p && end[-1] == '\r')
        end--;
    reader_report(reader, run, (uint64_t)(end - p), next);
    return true;
}

// The row at run->p by a shape.
static inline bool read_by(struct reader *reader, struct reader_run *run,
                           const struct json_shape *shape)
{
    if (!shape->usable)
        return false;
    reader->quiet = true;
    const char *next = json_shape_row(reader, shape, run->p, run->limit, run->row);
    reader->quiet = false;
    if (UNLIKELY(!next) || (uint64_t)(next - run->p) > reader->max_row_bytes)
        return false;
    reader_accept(run, next);
    return true;
}

// The row at run->p by one of the shapes that are not expected. One that fits twice in a row is
// expected from then on.
static bool read_by_others(struct reader *reader, struct reader_run *run)
{
    struct json_reader *json = reader->json;
    for (int i = 0; i < JSON_SHAPES; i++) {
        struct json_shape *shape = &json->shapes[i];
        if (shape == json->shape || !read_by(reader, run, shape))
            continue;
        if (json->other == shape)
            json->shape = shape;
        json->other = json->other == shape ? NULL : shape;
        shape->used = ++json->clock;
        return true;
    }
    return false;
}

// Read one row, or many. False: the list of bad rows is full.
static bool read_some(struct reader *reader, struct reader_run *run)
{
    if (reader->options.no_fast_path)
        return read_carefully(reader, run);
    bool walks = reader->scan == SCAN_AVX2, fits = !walks || !json_walk(reader, run);
    if (run->row == reader->max_rows || run->p == run->limit)
        return true;
    if (fits && read_by(reader, run, reader->json->shape)) {
        reader->json->other = NULL;
        return true;
    }
    return read_by_others(reader, run) || read_carefully(reader, run);
}

void json_read(struct reader *reader, struct reader_run *run)
{
    const char *end = run->limit;
    if (!run->final) {
        // Only rows with their line's end are complete: stop behind the last one.
        const char *last = memrchr(run->p, '\n', (size_t)(run->limit - run->p));
        run->limit = last ? last + 1 : run->p;
    }
    index_drop(&reader->json->index);
    while (run->row < reader->max_rows && run->p < run->limit)
        if (!read_some(reader, run))
            break;
    bool cut_off = run->p == run->limit && run->limit < end;
    run->limit = end;
    if (cut_off && (uint64_t)(end - run->p) > reader->max_row_bytes && reader_has_room(run))
        reader_report_overlong(reader, run);
}

// --- one payload ---

struct slice json_one_line(struct reader *reader, struct slice text)
{
    char *copy = NULL;
    bool in_string = false;
    if (!text.len || !memchr(text.ptr, '\n', text.len))
        return text;
    copy = pool_alloc(&reader->scratch, text.len);
    for (uint64_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        copy[i] = c == '\n' && !in_string ? ' ' : c;
        if (c == '"')
            in_string = !in_string;
        else if (c == '\\' && in_string && i + 1 < text.len) {
            i++;
            copy[i] = text.ptr[i]; // a quote behind a backslash ends nothing
        }
    }
    return slice_make(copy, text.len);
}

int json_payload(struct reader *reader, struct slice payload, uint32_t row)
{
    struct slice line = json_one_line(reader, payload);
    const char *limit = line.ptr + line.len;
    if (json_skip_blanks(line.ptr, limit) == limit) {
        reader_fail(reader, "the payload is empty");
        return -EBADMSG;
    }
    const char *after = json_row(reader, line.ptr, limit, row);
    CHECK(!after || after == limit);
    return after ? 1 : -EBADMSG;
}
