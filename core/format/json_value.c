// json_value.c: JSON values, by RFC 8259: strings with their escapes, numbers, true, false, null,
// nested values. Stricter than Flink in two points: text must be UTF-8, and an escaped surrogate
// must have its other half.
//
// The numbers' and strings' common forms (short integers, strings without escapes) are taken in a
// few instructions; json_value is inlined into json_shape_row by way of json_value.h.
#include "core/format/json_value.h"

#include "core/base/utf8.h"

static const struct scan_set string_stops = {'"', '\\', '\n'};

static const char *fail(struct reader *reader, const char *reason)
{
    reader_fail(reader, "%s", reason);
    return NULL;
}

// --- strings ---

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// The four digits at p as a number, or -1.
static int32_t hex_unit(const char *p, const char *limit)
{
    int32_t unit = 0;
    if (limit - p < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        int digit = hex_digit(p[i]);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

// The code point of \uXXXX or of a surrogate pair, p behind the 'u'. -1: none.
static int32_t unicode_escape(const char **p, const char *limit)
{
    int32_t high = hex_unit(*p, limit);
    if (high < 0)
        return -1;
    *p += 4;
    if (high < 0xD800 || high > 0xDFFF)
        return high;
    if (high > 0xDBFF || limit - *p < 6 || (*p)[0] != '\\' || (*p)[1] != 'u')
        return -1;
    int32_t low = hex_unit(*p + 2, limit);
    if (low < 0xDC00 || low > 0xDFFF)
        return -1;
    *p += 6;
    return 0x10000 + ((high - 0xD800) << 10) + (low - 0xDC00);
}

// Decode the escape whose backslash is at *p to *out. False with the reason noted.
static bool decode_escape(struct reader *reader, const char **p, const char *limit, char **out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char bytes[] = "\"\\/\b\f\n\r\t";
    char c = json_peek(*p + 1, limit);
    const char *at = c ? strchr(names, c) : NULL;
    *p += 2;
    if (at) {
        *(*out)++ = bytes[at - names];
        return true;
    }
    if (c != 'u')
        return reader_fail(reader, "a backslash in a string is followed by no known escape");
    int32_t code_point = unicode_escape(p, limit);
    if (code_point < 0)
        return reader_fail(reader, "\\u in a string is followed by no character: it needs four hex "
                                   "digits, and a surrogate its other half");
    *out += utf8_encode((uint32_t)code_point, *out);
    return true;
}

// The closing quote of the string that begins at p, escapes only skipped; NULL: there is none.
static const char *find_close(struct reader *reader, const char *p, const char *limit,
                              unsigned *high)
{
    for (p++;; p += 2) {
        p = scan_until(p, limit, string_stops, reader->scan, high);
        if (json_peek(p, limit) == '"')
            return p;
        if (json_peek(p, limit) == '\n' || json_peek(p + 1, limit) == '\n')
            return NULL;
        // An escaped byte may be a high one: then the escape is wrong and decoding says so.
    }
}

const char *json_escaped(struct reader *reader, const char *p, const char *limit, bool lasting,
                         struct slice *text)
{
    unsigned high = 0;
    const char *close = find_close(reader, p, limit, &high);
    if (!close)
        return fail(reader, "a string is not closed");
    size_t raw = (size_t)(close - p - 1);
    if (high && !utf8_valid(p + 1, raw))
        return fail(reader, "a string is not valid UTF-8");
    char *start;
    if (lasting) {
        start = pool_alloc(&reader->scratch, raw);
    } else {
        buf_clear(&reader->spare);
        start = buf_reserve(&reader->spare, raw);
    }
    char *out = start;
    for (p++; p < close;) {
        unsigned ignored = 0;
        const char *stop = scan_until(p, close, string_stops, reader->scan, &ignored);
        memcpy(out, p, (size_t)(stop - p));
        out += stop - p;
        p = stop;
        if (p < close && !decode_escape(reader, &p, close, &out))
            return NULL;
    }
    CHECK(out <= start + raw);
    *text = slice_make(start, (size_t)(out - start));
    return close + 1;
}

const char *json_text(struct reader *reader, const char *p, const char *limit, bool lasting,
                      struct slice *text)
{
    return json_string_inline(reader, p, limit, lasting, text);
}

const char *json_string_problem(struct reader *reader, bool closed)
{
    return fail(reader, closed ? "a string is not valid UTF-8" : "a string is not closed");
}

// --- numbers and words ---

static bool is_digit_at(const char *p, const char *limit)
{
    return (unsigned char)(json_peek(p, limit) - '0') <= 9;
}

static const char *skip_digits(const char *p, const char *limit)
{
    while (is_digit_at(p, limit))
        p++;
    return p;
}

const char *json_number(struct reader *reader, const char *p, const char *limit)
{
    if (*p == '-')
        p++;
    if (!is_digit_at(p, limit))
        return fail(reader, "a minus is followed by no digit");
    if (*p == '0' && is_digit_at(p + 1, limit))
        return fail(reader, "a number has a leading zero");
    p = skip_digits(p, limit);
    if (json_peek(p, limit) == '.') {
        if (!is_digit_at(++p, limit))
            return fail(reader, "a decimal point is followed by no digit");
        p = skip_digits(p, limit);
    }
    if ((json_peek(p, limit) | 0x20) == 'e') {
        p++;
        if (json_peek(p, limit) == '+' || json_peek(p, limit) == '-')
            p++;
        if (!is_digit_at(p, limit))
            return fail(reader, "an exponent has no digits");
        p = skip_digits(p, limit);
    }
    return p;
}

static const char *skip_word(const char *p, const char *limit, struct slice word)
{
    if ((uint64_t)(limit - p) < word.len || memcmp(p, word.ptr, word.len))
        return NULL;
    return p + word.len;
}

const char *json_word(struct reader *reader, const char *p, const char *limit,
                      struct reader_slot *slot, uint32_t row)
{
    char c = json_peek(p, limit);
    const char *word = c == 't' ? "true" : c == 'f' ? "false" : c == 'n' ? "null" : NULL;
    const char *end = word ? skip_word(p, limit, slice_of(word)) : NULL;
    if (!end)
        return fail(reader, c == '\n' ? "the row is cut off: a value is missing"
                                      : "a value is no string, number, object, array, true, false "
                                        "or null");
    if (!slot)
        return end;
    if (c == 'n') {
        slot_set_null(slot, row);
        return end;
    }
    bool ok = convert_text(reader, slot, row, slice_make(p, (size_t)(end - p)), TOKEN_JSON_BOOL);
    return ok ? end : NULL;
}

// --- nested values ---

struct nest {
    int depth;
    uint64_t objects[JSON_DEPTH / 64 + 1]; // bit i: level i is an object
};

static bool top_is_object(const struct nest *nest)
{
    int level = nest->depth - 1;
    return nest->objects[level / 64] >> (level % 64) & 1;
}

static bool push_level(struct reader *reader, struct nest *nest, bool object)
{
    // The row itself is the first level.
    if (nest->depth >= JSON_DEPTH - 1)
        return reader_fail(reader, "objects and arrays are nested more than %d deep", JSON_DEPTH);
    uint64_t bit = UINT64_C(1) << (nest->depth % 64);
    if (object)
        nest->objects[nest->depth / 64] |= bit;
    else
        nest->objects[nest->depth / 64] &= ~bit;
    nest->depth++;
    return true;
}

// A key and its colon inside a nested object.
static const char *skip_key(struct reader *reader, const char *p, const char *limit)
{
    struct slice ignored;
    if (json_peek(p, limit) != '"')
        return fail(reader, "a key in a nested object is missing");
    p = json_text(reader, p, limit, false, &ignored);
    if (!p)
        return NULL;
    p = json_skip_blanks(p, limit);
    if (json_peek(p, limit) != ':')
        return fail(reader, "a key in a nested object is not followed by ':'");
    return json_skip_blanks(p + 1, limit);
}

const char *json_nested(struct reader *reader, const char *p, const char *limit)
{
    struct nest nest = {0};
    bool first = true; // nothing yet in the innermost level
    if (!push_level(reader, &nest, *p++ == '{'))
        return NULL;
    while (nest.depth > 0) {
        p = json_skip_blanks(p, limit);
        char c = json_peek(p, limit);
        if (c == (top_is_object(&nest) ? '}' : ']')) {
            nest.depth--;
            first = false;
            p++;
            continue;
        }
        if (!first) {
            if (c != ',')
                return fail(reader, "a nested object or array lacks ',' or its end");
            p = json_skip_blanks(p + 1, limit);
        }
        if (top_is_object(&nest) && !(p = skip_key(reader, p, limit)))
            return NULL;
        c = json_peek(p, limit);
        first = c == '{' || c == '[';
        if (first) {
            if (!push_level(reader, &nest, c == '{'))
                return NULL;
            p++;
        } else if (!(p = json_value(reader, p, limit, NULL, 0))) {
            return NULL;
        }
    }
    return p;
}

// The text without the blanks between its tokens. Most texts have none and stay where they are.
static struct slice without_blanks(struct reader *reader, struct slice text)
{
    char *out = NULL;
    uint64_t kept = 0;
    bool in_string = false;
    for (uint64_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool blank = !in_string && (c == ' ' || c == '\t' || c == '\r');
        if (blank && !out) {
            out = pool_alloc(&reader->scratch, text.len);
            memcpy(out, text.ptr, i);
        }
        if (blank)
            continue;
        if (out)
            out[kept] = c;
        kept++;
        if (c == '"') {
            in_string = !in_string;
        } else if (c == '\\' && i + 1 < text.len) {
            // The escaped byte is copied with its backslash: it may be a quote.
            i++;
            if (out)
                out[kept] = text.ptr[i];
            kept++;
        }
    }
    return slice_make(out ? out : text.ptr, kept);
}

const char *json_nested_value(struct reader *reader, const char *p, const char *limit,
                              struct reader_slot *slot, uint32_t row)
{
    const char *end = json_nested(reader, p, limit);
    if (!end || !slot)
        return end;
    struct slice text = slice_make(p, (size_t)(end - p));
    if (slot->kind == TYPE_STRING)
        text = without_blanks(reader, text);
    return convert_text(reader, slot, row, text, TOKEN_JSON_NESTED) ? end : NULL;
}

const char *json_value(struct reader *reader, const char *p, const char *limit,
                       struct reader_slot *slot, uint32_t row)
{
    return json_value_inline(reader, p, limit, slot, row);
}
