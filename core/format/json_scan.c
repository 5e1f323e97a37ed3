// json_scan.c: one row of JSON, read the full way: an object whose fields come in any order, with
// any blanks, some of them needed. A key that comes twice counts the last time.
#include "core/format/json_impl.h"

#include "core/base/hash.h"

static const char *fail(struct reader *reader, const char *reason)
{
    reader_fail(reader, "%s", reason);
    return NULL;
}

struct reader_slot *json_find_slot(const struct json_reader *json, struct slice name)
{
    for (uint64_t at = hash_slice(name);; at++) {
        struct reader_slot *slot = json->table[at & json->table_mask];
        if (!slot || slice_equal(slot->name, name))
            return slot;
    }
}

// The byte order mark is no part of the text; editors put it in front of a file.
static const char *skip_mark(const char *p, const char *limit)
{
    return limit - p >= 3 && memcmp(p, "\xEF\xBB\xBF", 3) == 0 ? p + 3 : p;
}

// `"key" :` at p; *slot is its column or NULL. Returns where the value begins.
static const char *read_key(struct reader *reader, const char *p, const char *limit,
                            struct reader_slot **slot)
{
    struct slice key;
    char c = json_peek(p, limit);
    if (c != '"')
        return fail(reader, c == '\n' ? "the row is cut off: its object is not closed"
                                      : "a key in quotes is missing");
    p = json_text(reader, p, limit, false, &key);
    if (!p)
        return NULL;
    *slot = json_find_slot(reader->json, key);
    p = json_skip_blanks(p, limit);
    if (json_peek(p, limit) != ':') {
        char shown[READER_SHOWN_BYTES];
        reader_fail(reader, "the key \"%s\" is not followed by ':'", reader_shown(key, shown));
        return NULL;
    }
    return json_skip_blanks(p + 1, limit);
}

// The fields of the object, `p` behind its '{'. Returns what follows its '}'. *last: end of the
// last value (or of what came before it).
static const char *read_fields(struct reader *reader, const char *p, const char *limit,
                               uint32_t row, const char **last)
{
    struct json_reader *json = reader->json;
    p = json_skip_blanks(p, limit);
    if (json_peek(p, limit) == '}')
        return p + 1;
    for (;;) {
        struct reader_slot *slot = NULL;
        p = read_key(reader, p, limit, &slot);
        if (!p)
            return NULL;
        json_shape_add(json->learning, *last, p, slot);
        p = json_value(reader, p, limit, slot, row);
        if (!p)
            return NULL;
        if (slot)
            slot->seen = json->row_number;
        *last = p;
        p = json_skip_blanks(p, limit);
        char c = json_peek(p, limit);
        if (c == '}')
            return p + 1;
        if (c != ',')
            return fail(reader, c == '\n' ? "the row is cut off: its object is not closed"
                                          : "a value is followed by neither ',' nor '}'");
        p = json_skip_blanks(p + 1, limit);
    }
}

static bool finish_fields(struct reader *reader, uint32_t row)
{
    for (int i = 0; i < reader->slot_count; i++) {
        struct reader_slot *slot = &reader->slots[i];
        if (slot->seen == reader->json->row_number)
            continue;
        if (reader->options.json_fail_on_missing_field)
            return reader_fail(reader, "the field \"%.60s\" is missing", slot->name.ptr);
        slot_set_null(slot, row);
    }
    return true;
}

// Where the next shape goes: in place of the one that was of use the longest time ago.
static struct json_shape *oldest_shape(struct json_reader *json)
{
    struct json_shape *oldest = NULL;
    for (int i = 0; i < JSON_SHAPES; i++) {
        struct json_shape *shape = &json->shapes[i];
        if (shape == json->shape && shape->usable)
            continue;
        if (!oldest || !shape->usable || (oldest->usable && shape->used < oldest->used))
            oldest = shape;
    }
    return oldest;
}

const char *json_row(struct reader *reader, const char *p, const char *limit, uint32_t row)
{
    const char *last = p;
    struct json_reader *json = reader->json;
    struct json_shape *shape = json->learning = oldest_shape(json);
    json->row_number++;
    json_shape_begin(shape);
    shape->usable = false; // until the row is read to its end
    p = json_skip_blanks(skip_mark(p, limit), limit);
    if (json_peek(p, limit) != '{')
        return fail(reader, "the row is no JSON object: it does not begin with '{'");
    shape->usable = true;
    p = read_fields(reader, p + 1, limit, row, &last);
    bool usable = shape->usable;
    shape->usable = false;
    if (!p || !finish_fields(reader, row))
        return NULL;
    p = json_skip_blanks(p, limit);
    if (json_peek(p, limit) != '\n')
        return fail(reader, "text follows the row's object on its line");
    p += p < limit;
    shape->usable = usable;
    json_shape_end(reader, shape, last, p);
    if (shape->usable) {
        shape->used = ++json->clock;
        json->shape = shape;
        json->other = NULL;
    }
    return p;
}
