// json_shape.c: speculation. Rows of one file nearly always have the same keys in the same order
// with the same punctuation, so the bytes between the values of an earlier row are compared with
// those of this one, 16 at a time, and no key is ever looked up. Some shapes are remembered: rows
// of several kinds, or with fields that are left out, take turns in many files.
//
// Only the keys are speculated on: a value may be of any kind in every row. Whatever does not fit
// makes json_shape_row give up, and the row is read again by the full scanner, which has the last
// word on errors and leaves the new shape behind.
#include "core/format/json_value.h"

static uint32_t padded(uint32_t len)
{
    return (len + 31) & ~UINT32_C(31);
}

void json_shape_begin(struct json_shape *shape)
{
    shape->usable = true;
    shape->step_count = 0;
    shape->byte_count = 0;
}

// Store the literal [from, to) for the step at step_count.
static void add_literal(struct json_shape *shape, const char *from, const char *to,
                        struct reader_slot *slot)
{
    uint64_t len = (uint64_t)(to - from);
    if (!shape->usable || shape->step_count > JSON_SHAPE_STEPS || len > JSON_LITERAL_BYTES ||
        shape->byte_count + len + 64 > JSON_SHAPE_BYTES) {
        shape->usable = false;
        return;
    }
    struct json_step *step = &shape->steps[shape->step_count++];
    *step = (struct json_step){.offset = shape->byte_count, .len = (uint32_t)len, .slot = slot};
    step->mask = len < 32 ? (UINT32_C(1) << len) - 1 : UINT32_MAX;
    memcpy(shape->bytes + step->offset, from, len);
    shape->bytes[step->offset + len] = '"'; // of a string; only json_walk.c looks at it
    shape->byte_count += padded((uint32_t)len + 1);
}

void json_shape_add(struct json_shape *shape, const char *literal, const char *value,
                    struct reader_slot *slot)
{
    add_literal(shape, literal, value, slot);
}

void json_shape_end(struct reader *reader, struct json_shape *shape, const char *literal,
                    const char *next)
{
    add_literal(shape, literal, next, NULL);
    // A last row without a line's end fits no other row.
    if (next == literal || next[-1] != '\n')
        shape->usable = false;
    shape->missing_count = 0;
    for (int i = 0; i < reader->slot_count; i++)
        if (reader->slots[i].seen != reader->json->row_number)
            shape->missing[shape->missing_count++] = &reader->slots[i];
}

const char *json_shape_row(struct reader *reader, const struct json_shape *shape, const char *p,
                           const char *limit, uint32_t row)
{
    const struct json_step *step = shape->steps;
    const struct json_step *last = step + shape->step_count - 1;
    CHECK_DEBUG(shape->step_count > 0);
    for (; step < last; step++) {
        if (UNLIKELY(!json_literal_matches(p, limit, shape->bytes + step->offset, step->len)))
            return NULL;
        p = json_value_inline(reader, p + step->len, limit, step->slot, row);
        if (UNLIKELY(!p))
            return NULL;
    }
    if (UNLIKELY(!json_literal_matches(p, limit, shape->bytes + last->offset, last->len)))
        return NULL;
    for (int i = 0; i < shape->missing_count; i++)
        slot_set_null(shape->missing[i], row);
    return p + last->len;
}
