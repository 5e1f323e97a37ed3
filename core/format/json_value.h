// json_value.h: the common forms of JSON values, inlined into the fast way. Private to core/format.
//
// Included by json_value.c and json_shape.c only; everything rare is a call into json_value.c.
#ifndef WEIR_CORE_FORMAT_JSON_VALUE_H
#define WEIR_CORE_FORMAT_JSON_VALUE_H

#include <string.h>

#include "core/base/calendar.h"
#include "core/base/utf8.h"
#include "core/format/json_impl.h"

// The rare cases: see json_value.c.
const char *json_string_problem(struct reader *reader, bool closed);
const char *json_word(struct reader *reader, const char *p, const char *limit,
                      struct reader_slot *slot, uint32_t row);
const char *json_nested_value(struct reader *reader, const char *p, const char *limit,
                              struct reader_slot *slot, uint32_t row);

static inline const char *json_string_inline(struct reader *reader, const char *p,
                                             const char *limit, bool lasting, struct slice *text)
{
    unsigned high = 0;
    const char *stop =
        scan_until(p + 1, limit, (struct scan_set){'"', '\\', '\n'}, reader->scan, &high);
    if (UNLIKELY(json_peek(stop, limit) != '"')) {
        if (json_peek(stop, limit) == '\\')
            return json_escaped(reader, p, limit, lasting, text);
        return json_string_problem(reader, false);
    }
    *text = slice_make(p + 1, (size_t)(stop - p - 1));
    if (UNLIKELY(high) && !utf8_valid(text->ptr, text->len))
        return json_string_problem(reader, true);
    return stop + 1;
}

static inline const char *json_string_value(struct reader *reader, const char *p, const char *limit,
                                            struct reader_slot *slot, uint32_t row)
{
    struct slice text;
    p = json_string_inline(reader, p, limit, slot != NULL, &text);
    if (!p || !slot)
        return p;
    if (slot->kind == TYPE_STRING) {
        slot_set_string(slot, row, text);
        return p;
    }
    return convert_text(reader, slot, row, text, TOKEN_JSON_STRING) ? p : NULL;
}

// An integer of up to seven digits, read as one word. Returns what follows it, or NULL: it has
// another form, or stands too near the limit.
static inline const char *json_short_integer(const char *p, const char *limit, int64_t *out)
{
    bool negative = *p == '-';
    uint64_t word;
    p += negative;
    if (limit - p < 8)
        return NULL;
    memcpy(&word, p, 8);
    uint64_t digits = word ^ UINT64_C(0x3030303030303030);
    // The high bit of each byte that is no digit.
    uint64_t others =
        ((digits + UINT64_C(0x7676767676767676)) | digits) & UINT64_C(0x8080808080808080);
    if (others == 0)
        return NULL;
    unsigned count = (unsigned)__builtin_ctzll(others) / 8;
    char next = p[count];
    if (count == 0 || next == '.' || (next | 0x20) == 'e' || (*p == '0' && count > 1))
        return NULL;
    // Right-align the digits behind leading zeros, then add neighbours: bytes, pairs, fours.
    digits <<= 64 - 8 * count;
    digits = (digits * 10 + (digits >> 8)) & UINT64_C(0x00ff00ff00ff00ff);
    digits = (digits * 100 + (digits >> 16)) & UINT64_C(0x0000ffff0000ffff);
    digits = (digits * 10000 + (digits >> 32)) & UINT64_C(0x00000000ffffffff);
    *out = negative ? -(int64_t)digits : (int64_t)digits;
    return p + count;
}

static inline const char *json_number_value(struct reader *reader, const char *p, const char *limit,
                                            struct reader_slot *slot, uint32_t row)
{
    int64_t value;
    const char *end = NULL;
    bool integer = slot && (slot->kind == TYPE_BIGINT || slot->kind == TYPE_INT);
    if (integer && !reader->options.no_simd)
        end = json_short_integer(p, limit, &value);
    if (LIKELY(end != NULL)) {
        slot_set_i64(slot, row, value);
        return end;
    }
    end = json_number(reader, p, limit);
    if (!end || !slot)
        return end;
    bool ok = convert_text(reader, slot, row, slice_make(p, (size_t)(end - p)), TOKEN_JSON_NUMBER);
    return ok ? end : NULL;
}

// json_value, inlined.
static inline const char *json_value_inline(struct reader *reader, const char *p, const char *limit,
                                            struct reader_slot *slot, uint32_t row)
{
    char c = json_peek(p, limit);
    if (LIKELY(c == '"'))
        return json_string_value(reader, p, limit, slot, row);
    if (c == '-' || (unsigned char)(c - '0') <= 9)
        return json_number_value(reader, p, limit, slot, row);
    if (c == '{' || c == '[')
        return json_nested_value(reader, p, limit, slot, row);
    return json_word(reader, p, limit, slot, row);
}

#endif
