// json.c: JSON lines. The loop over the rows of a buffer: the fast way while it holds, the full way
// for the row where it does not.
#include "core/format/json_impl.h"

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
    json->shape.missing = calloc((size_t)reader->slot_count + 1, sizeof(struct reader_slot *));
    CHECK(json->table && json->shape.missing);
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
    free(json->shape.missing);
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
    if (!overlong && json_skip_blanks(p, end) == end) {
        run->p = next;
        return true;
    }
    if (!reader_has_room(run))
        return false;
    if (overlong) {
        reader_report_overlong(reader, run);
        return true;
    }
    const char *after = json_row(reader, p, run->limit, run->row);
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

// The row at run->p the fast way.
static inline bool read_fast(struct reader *reader, struct reader_run *run)
{
    const char *next = json_shape_row(reader, run->p, run->limit, run->row);
    if (UNLIKELY(!next) || (uint64_t)(next - run->p) > reader->max_row_bytes)
        return false;
    reader_accept(run, next);
    return true;
}

void json_read(struct reader *reader, struct reader_run *run)
{
    const struct json_shape *shape = &reader->json->shape;
    const char *end = run->limit;
    if (!run->final) {
        // Only rows with their line's end are complete: stop behind the last one.
        const char *last = memrchr(run->p, '\n', (size_t)(run->limit - run->p));
        run->limit = last ? last + 1 : run->p;
    }
    bool fast = !reader->options.no_fast_path;
    while (run->row < reader->max_rows && run->p < run->limit) {
        if (fast && shape->usable) {
            reader->quiet = true;
            bool done = read_fast(reader, run);
            reader->quiet = false;
            if (LIKELY(done))
                continue;
        }
        if (!read_carefully(reader, run))
            break;
    }
    bool cut_off = run->p == run->limit && run->limit < end;
    run->limit = end;
    if (cut_off && (uint64_t)(end - run->p) > reader->max_row_bytes && reader_has_room(run))
        reader_report_overlong(reader, run);
}
