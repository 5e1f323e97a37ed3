// convert.c: what a text in a file becomes in a column, as Flink's json and csv formats do it
// (asked of Flink 2.3; docs/formats.md lists the answers and where weir is stricter).
#include "core/format/reader_impl.h"

#include <errno.h>
#include <math.h>
#include <strings.h>

#include "core/base/calendar.h"
#include "core/base/number.h"

// As Java's trim: everything up to the blank.
static struct slice trimmed(struct slice text)
{
    while (text.len && (unsigned char)text.ptr[0] <= ' ') {
        text.ptr++;
        text.len--;
    }
    while (text.len && (unsigned char)text.ptr[text.len - 1] <= ' ')
        text.len--;
    return text;
}

static bool fits(enum type_kind kind, int64_t value)
{
    return kind == TYPE_BIGINT || (value >= INT32_MIN && value <= INT32_MAX);
}

// A JSON number with a fraction or an exponent in an integer column: its whole part, as Flink's
// parser gives it. 2^63 itself becomes the largest BIGINT there.
static bool whole_part(struct slice text, int64_t *out)
{
    double value;
    if (number_parse_double(text, &value) || !(fabs(value) <= 0x1p63))
        return false;
    *out = value >= 0x1p63 ? INT64_MAX : (int64_t)value;
    return true;
}

static bool has_fraction(struct slice text)
{
    for (uint64_t i = 0; i < text.len; i++)
        if (text.ptr[i] == '.' || (text.ptr[i] | 0x20) == 'e')
            return true;
    return false;
}

static bool parse_integer(enum type_kind kind, struct slice text, enum convert_token token,
                          int64_t *out)
{
    if (token == TOKEN_JSON_NUMBER && has_fraction(text)) {
        double value;
        // The range is that of the number, not of its whole part: 2147483647.5 is no INT.
        if (kind == TYPE_INT &&
            (number_parse_double(text, &value) || !(value >= INT32_MIN && value <= INT32_MAX)))
            return false;
        return whole_part(text, out);
    }
    int64_t value;
    if (number_parse_int64(trimmed(text), &value) || !fits(kind, value))
        return false;
    *out = value;
    return true;
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

// CSV dates are java.sql.Date's: month and day may have one digit.
static bool parse_csv_date(struct slice text, int64_t *days)
{
    char full[10];
    if (calendar_parse_date(text, days))
        return true;
    if (text.len < 8 || text.len > 10 || text.ptr[4] != '-')
        return false;
    memcpy(full, text.ptr, 5);
    size_t at = 5;
    for (size_t out = 5; out < 10; out += 3) {
        size_t digits = at + 1 < text.len && is_digit(text.ptr[at + 1]) ? 2 : 1;
        if (at + digits > text.len)
            return false;
        full[out] = digits == 2 ? text.ptr[at] : '0';
        full[out + 1] = text.ptr[at + digits - 1];
        at += digits;
        if (out == 5) {
            if (at >= text.len || text.ptr[at++] != '-')
                return false;
            full[7] = '-';
        }
    }
    return at == text.len && calendar_parse_date(slice_make(full, sizeof(full)), days);
}

// CSV times are ISO's: the seconds may be missing.
static bool parse_csv_time(struct slice text, int64_t *ms)
{
    char full[8];
    if (text.len != 5)
        return calendar_parse_time(text, ms);
    memcpy(full, text.ptr, 5);
    memcpy(full + 5, ":00", 3);
    return calendar_parse_time(slice_make(full, sizeof(full)), ms);
}

static bool parse_timestamp(const struct reader *reader, enum type_kind kind, struct slice text,
                            int64_t *ms)
{
    bool iso = reader->options.kind != FORMAT_CSV &&
               reader->options.json_timestamp == FORMAT_TIMESTAMP_ISO;
    if (reader->options.kind == FORMAT_CSV)
        text = trimmed(text);
    return calendar_parse_timestamp(text, iso ? CALENDAR_ISO : CALENDAR_SQL,
                                    kind == TYPE_TIMESTAMP_LTZ, ms);
}

// Boolean.parseBoolean: everything but "true" is false.
static int64_t parse_boolean(struct slice text)
{
    text = trimmed(text);
    return text.len == 4 && strncasecmp(text.ptr, "true", 4) == 0;
}

// Every kind but STRING and DOUBLE, as its 8 bytes.
static bool parse_i64(const struct reader *reader, enum type_kind kind, struct slice text,
                      enum convert_token token, int64_t *out)
{
    bool csv = token == TOKEN_CSV;
    switch (kind) {
    case TYPE_BOOLEAN:
        *out = parse_boolean(text);
        return true;
    case TYPE_INT:
    case TYPE_BIGINT:
        return parse_integer(kind, text, token, out);
    case TYPE_DATE:
        return csv ? parse_csv_date(text, out) : calendar_parse_date(text, out);
    case TYPE_TIME:
        return csv ? parse_csv_time(text, out) : calendar_parse_time(text, out);
    case TYPE_TIMESTAMP:
    case TYPE_TIMESTAMP_LTZ:
        return parse_timestamp(reader, kind, text, out);
    default:
        CHECK(!"a kind that reader_create refuses");
        return false;
    }
}

static bool not_of_type(struct reader *reader, struct reader_slot *slot, uint32_t row,
                        struct slice text)
{
    char shown[READER_SHOWN_BYTES];
    if (reader->options.ignore_parse_errors) {
        slot_set_null(slot, row);
        return true;
    }
    if (reader->quiet)
        return false;
    return reader_fail(reader, "column \"%.40s\": \"%s\" is no %s", slot->name.ptr,
                       reader_shown(text, shown), type_kind_name(slot->kind));
}

static bool is_null_text(const struct reader *reader, const struct reader_slot *slot,
                         struct slice text)
{
    if (reader->options.csv_has_null_literal &&
        slice_equal(text, slice_of(reader->options.csv_null_literal)))
        return true;
    return slot->kind != TYPE_STRING && trimmed(text).len == 0;
}

bool convert_text(struct reader *reader, struct reader_slot *slot, uint32_t row, struct slice text,
                  enum convert_token token)
{
    if (token == TOKEN_CSV && is_null_text(reader, slot, text)) {
        slot_set_null(slot, row);
        return true;
    }
    if (slot->kind == TYPE_STRING) {
        slot_set_string(slot, row, text);
        return true;
    }
    // true and false are no numbers, and nothing but a STRING takes an object or array.
    if (token == TOKEN_JSON_NESTED || (token == TOKEN_JSON_BOOL && slot->kind != TYPE_BOOLEAN))
        return not_of_type(reader, slot, row, text);
    if (slot->kind == TYPE_DOUBLE) {
        if (number_parse_double(trimmed(text), &slot->f64[row]))
            return not_of_type(reader, slot, row, text);
        slot->state[row] = VALUE_PRESENT;
        return true;
    }
    int64_t value;
    if (!parse_i64(reader, slot->kind, text, token, &value))
        return not_of_type(reader, slot, row, text);
    slot_set_i64(slot, row, value);
    return true;
}
