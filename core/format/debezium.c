// debezium.c: one change as Debezium writes it, {"before": row, "after": row, "op": "c"}, and the
// rows that it is: +I for c (created) and r (read by a snapshot), -U and +U for u, -D for d.
//
// The envelope is scanned first, every value in it checked; then the rows inside are read as any
// JSON row is.
#include <errno.h>

#include "core/format/json_impl.h"

enum { BEFORE, AFTER, OP, ENVELOPE_MEMBERS };

static const char *fail(struct reader *reader, const char *reason)
{
    reader_fail(reader, "%s", reason);
    return NULL;
}

// `"key" :` at p, the key in reader->spare or in place. Returns where the value begins.
static const char *read_key(struct reader *reader, const char *p, const char *limit,
                            struct slice *key)
{
    if (json_peek(p, limit) != '"')
        return fail(reader, "a key in quotes is missing in the change");
    p = json_text(reader, p, limit, false, key);
    p = p ? json_skip_blanks(p, limit) : NULL;
    if (!p)
        return NULL;
    if (json_peek(p, limit) != ':')
        return fail(reader, "a key of the change is not followed by ':'");
    return json_skip_blanks(p + 1, limit);
}

// The members of an object that are looked for.
struct members {
    const char *const *names;
    int count;
    struct slice *values; // one a name: its value's text
};

// One member at p.
static const char *read_member(struct reader *reader, const char *p, const char *limit,
                               const struct members *members)
{
    struct slice key = {0};
    const char *value = read_key(reader, p, limit, &key);
    if (!value)
        return NULL;
    struct slice *wanted = NULL;
    for (int i = 0; i < members->count; i++)
        if (slice_equal(key, slice_of(members->names[i])))
            wanted = &members->values[i];
    p = json_value(reader, value, limit, NULL, 0);
    if (p && wanted)
        *wanted = slice_make(value, (size_t)(p - value));
    return p;
}

// Of the object that is the whole text; one that is not there stays as it is.
static bool read_members(struct reader *reader, struct slice text, const struct members *members)
{
    const char *limit = text.ptr + text.len, *p = json_skip_blanks(text.ptr, limit);
    if (json_peek(p, limit) != '{')
        return reader_fail(reader, "the change is no JSON object: it does not begin with '{'");
    p = json_skip_blanks(p + 1, limit);
    while (json_peek(p, limit) != '}') {
        p = read_member(reader, p, limit, members);
        if (!p)
            return false;
        p = json_skip_blanks(p, limit);
        char c = json_peek(p, limit);
        if (c == ',')
            p = json_skip_blanks(p + 1, limit);
        if ((c != ',' && c != '}') || (c == ',' && json_peek(p, limit) == '}'))
            return reader_fail(reader, "a member of the change is followed by neither ',' nor '}'");
    }
    return json_skip_blanks(p + 1, limit) == limit ||
           reader_fail(reader, "text follows the change in its payload");
}

static bool is_missing(struct slice value)
{
    return !value.ptr || slice_equal(value, slice_of("null"));
}

// The row of one side into the batch's `row`.
static bool read_side(struct reader *reader, const struct slice *members, int side, uint32_t row)
{
    static const char *const names[] = {"before", "after"};
    struct slice text = members[side];
    if (is_missing(text) && side == BEFORE)
        return reader_fail(reader,
                           "the change has no \"before\": the table's database must log whole "
                           "rows (PostgreSQL: REPLICA IDENTITY FULL)");
    if (is_missing(text))
        return reader_fail(reader, "the change has no \"%s\"", names[side]);
    if (*text.ptr != '{')
        return reader_fail(reader, "\"%s\" of the change is no object", names[side]);
    return json_row(reader, text.ptr, text.ptr + text.len, row) != NULL;
}

static int read_update(struct reader *reader, const struct slice *members, uint32_t row,
                       uint8_t *kinds)
{
    if (!read_side(reader, members, BEFORE, row) || !read_side(reader, members, AFTER, row + 1))
        return -EBADMSG;
    kinds[row] = ROW_UPDATE_BEFORE;
    kinds[row + 1] = ROW_UPDATE_AFTER;
    return 2;
}

static int read_change(struct reader *reader, const struct slice *members, uint32_t row,
                       uint8_t *kinds)
{
    struct slice op = {0};
    const char *at = members[OP].ptr;
    if (!at || *at != '"' || !json_text(reader, at, at + members[OP].len, false, &op)) {
        reader_fail(reader, "the change has no \"op\" that is a string");
        return -EBADMSG;
    }
    char kind = op.len == 1 ? *op.ptr : 0;
    if (kind == 'u')
        return read_update(reader, members, row, kinds);
    if (kind != 'c' && kind != 'r' && kind != 'd') {
        char shown[READER_SHOWN_BYTES];
        reader_fail(reader, "unknown \"op\" \"%s\": c, r, u and d are known",
                    reader_shown(op, shown));
        return -EBADMSG;
    }
    kinds[row] = kind == 'd' ? ROW_DELETE : ROW_INSERT;
    return read_side(reader, members, kind == 'd' ? BEFORE : AFTER, row) ? 1 : -EBADMSG;
}

int debezium_payload(struct reader *reader, struct slice payload, uint32_t row, uint8_t *kinds)
{
    static const char *const envelope[] = {"payload"};
    static const char *const names[ENVELOPE_MEMBERS] = {"before", "after", "op"};
    struct slice members[ENVELOPE_MEMBERS] = {{0}}, change = json_one_line(reader, payload);
    if (reader->options.debezium_schema_include) {
        struct slice inner = {0};
        if (!read_members(reader, change, &(struct members){envelope, 1, &inner}))
            return -EBADMSG;
        if (is_missing(inner)) {
            reader_fail(reader, "there is no \"payload\" beside a \"schema\": is "
                                "'debezium-json.schema-include' wanted?");
            return -EBADMSG;
        }
        change = inner;
    }
    if (!read_members(reader, change, &(struct members){names, ENVELOPE_MEMBERS, members}))
        return -EBADMSG;
    return read_change(reader, members, row, kinds);
}
