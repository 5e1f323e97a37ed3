// kernel_text.c: more functions of text: OVERLAY, TRANSLATE, INITCAP, codes (BASE64, HEX, BIN, CHR)
// and what a text consists of (IS_ALPHA, IS_DIGIT, IS_DECIMAL). Corners are Flink's.
#include <ctype.h>

#include "core/base/number.h"
#include "core/base/utf8.h"
#include "core/expr/regex.h"
#include "core/expr/text_kernel.h"

static size_t step_of(struct slice s, size_t at)
{
    size_t step = utf8_sequence_bytes(s.ptr + at, s.len - at);
    return step ? step : 1;
}

// Byte offset of character `chars`, or the length.
static size_t offset_of(struct slice s, int64_t chars)
{
    size_t at = 0;
    while (chars-- > 0 && at < s.len)
        at += step_of(s, at);
    return at;
}

// OVERLAY(text PLACING what FROM start FOR length): what it covers of the text goes; a length below
// 1 covers the rest, and a start outside the text covers nothing.
static struct slice overlay(struct kernel *k, struct slice s, struct slice what, int64_t start,
                            int64_t length)
{
    int64_t chars = (int64_t)utf8_length(s.ptr, s.len);
    if (start <= 0 || start > chars)
        return s;
    bool has_rest = length > 0 && length <= chars - start;
    size_t front = offset_of(s, start - 1),
           back = has_rest ? offset_of(s, start - 1 + length) : s.len;
    char *out = scratch_bytes(k, s.len + what.len + 1), *p = out;
    p = mempcpy(p, s.ptr, front);
    p = mempcpy(p, what.ptr ? what.ptr : "", what.len);
    p = mempcpy(p, s.ptr + back, s.len - back);
    return slice_make(out, (size_t)(p - out));
}

// The place of the character at p in `set`, in characters; -1: it is not there.
static int64_t place_in(struct slice set, const char *p, size_t bytes)
{
    int64_t place = 0;
    for (size_t at = 0; at < set.len; place++) {
        size_t step = step_of(set, at);
        if (step == bytes && memcmp(set.ptr + at, p, bytes) == 0)
            return place;
        at += step;
    }
    return -1;
}

// Characters of `from` become those of `to` in the same places; those beyond its end go.
static struct slice translate(struct kernel *k, struct slice s, struct slice from, struct slice to)
{
    char *out = scratch_bytes(k, 4 * s.len + 1), *p = out;
    for (size_t at = 0; at < s.len;) {
        size_t step = step_of(s, at);
        int64_t place = place_in(from, s.ptr + at, step);
        size_t begin = place < 0 ? 0 : offset_of(to, place);
        if (place < 0)
            p = mempcpy(p, s.ptr + at, step);
        else if (begin < to.len)
            p = mempcpy(p, to.ptr + begin, step_of(to, begin));
        at += step;
    }
    return slice_make(out, (size_t)(p - out));
}

// NULL for `from` or `to` counts as an empty text.
static void translate_kernel(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        struct slice sets[2] = {{0}};
        uint8_t state = k->args[0]->state[i];
        for (int a = 1; a < 3; a++) {
            uint8_t other = k->args[a]->state[i];
            if (other == VALUE_PRESENT)
                sets[a - 1] = k->args[a]->str[i];
            else if (other >= VALUE_ERROR)
                state = other;
        }
        k->out->state[i] = state;
        k->out->str[i] =
            state == VALUE_PRESENT ? translate(k, STR(0), sets[0], sets[1]) : slice_make("", 0);
    }
}

// Words are runs of ASCII letters and digits, as in Calcite.
static struct slice initcap(struct kernel *k, struct slice s)
{
    char *out = scratch_bytes(k, s.len + 1);
    bool starts = true;
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        bool in_word = c < 0x80 && isalnum(c);
        out[i] = (char)(!in_word ? c : starts ? toupper(c) : tolower(c));
        starts = !in_word;
    }
    return slice_make(out, s.len);
}

// The character of a code modulo 256 in Latin-1; nothing for negative ones.
static struct slice chr(struct kernel *k, int64_t code)
{
    char *out = scratch_bytes(k, 4);
    return code < 0 ? slice_make("", 0) : slice_make(out, utf8_encode((uint32_t)(code & 255), out));
}

static bool ends(struct slice s, struct slice with, bool front)
{
    if (with.len > s.len)
        return false;
    return with.len == 0 ||
           memcmp(front ? s.ptr : s.ptr + s.len - with.len, with.ptr, with.len) == 0;
}

// --- codes ---

static const char base64_digits[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

static struct slice to_base64(struct kernel *k, struct slice s)
{
    char *out = scratch_bytes(k, s.len / 3 * 4 + 4), *p = out;
    for (size_t i = 0; i < s.len; i += 3) {
        uint32_t bits = 0;
        size_t bytes = s.len - i < 3 ? s.len - i : 3;
        for (size_t j = 0; j < 3; j++)
            bits = bits << 8 | (j < bytes ? (uint8_t)s.ptr[i + j] : 0);
        for (size_t j = 0; j < 4; j++)
            *p++ = j <= bytes ? base64_digits[bits >> (18 - 6 * j) & 63] : '=';
    }
    return slice_make(out, (size_t)(p - out));
}

// Padding may be missing; another character, or a digit too many, is an error, as in Java.
static struct slice from_base64(struct kernel *k, uint32_t i)
{
    struct slice s = STR(0);
    char *out = scratch_bytes(k, s.len + 1), *p = out;
    uint32_t bits = 0;
    size_t digits = 0, pads = 0;
    for (; digits < s.len && s.ptr[digits] != '='; digits++) {
        const char *at = s.ptr[digits] ? strchr(base64_digits, s.ptr[digits]) : NULL;
        if (!at)
            return text_error(k, i, EXPR_ERROR_ARGUMENT);
        bits = bits << 6 | (uint32_t)(at - base64_digits);
        if (digits % 4 != 0)
            *p++ = (char)(bits >> (6 - 2 * (digits % 4)));
    }
    while (digits + pads < s.len && s.ptr[digits + pads] == '=')
        pads++;
    bool fits =
        digits % 4 != 1 && digits + pads == s.len && (pads == 0 || (digits + pads) % 4 == 0);
    if (!fits || !utf8_valid(out, (size_t)(p - out)))
        return text_error(k, i, EXPR_ERROR_ARGUMENT);
    return slice_make(out, (size_t)(p - out));
}

// An unsigned number in base 2^bits, without leading zeros.
static struct slice in_base(struct kernel *k, uint64_t value, unsigned bits)
{
    char *end = scratch_bytes(k, 64) + 64, *p = end;
    do {
        *--p = "0123456789ABCDEF"[value & ((1U << bits) - 1)];
        value >>= bits;
    } while (value);
    return slice_make(p, (size_t)(end - p));
}

static struct slice hex_text(struct kernel *k, struct slice s)
{
    char *out = scratch_bytes(k, 2 * s.len + 1);
    for (size_t i = 0; i < s.len; i++) {
        out[2 * i] = "0123456789ABCDEF"[(uint8_t)s.ptr[i] >> 4];
        out[2 * i + 1] = "0123456789ABCDEF"[(uint8_t)s.ptr[i] & 15];
    }
    return slice_make(out, 2 * s.len);
}

// --- what a text consists of ---

static void *prepare_letters(const struct expr *call)
{
    (void)call;
    return regex_compile(slice_of("\\p{L}+"), true, NULL);
}

static void *prepare_digits(const struct expr *call)
{
    (void)call;
    return regex_compile(slice_of("\\p{Nd}+"), true, NULL);
}

static void release_class(void *prepared)
{
    regex_free(prepared);
}

// NULL is no letter: these are never NULL.
static void consists_of(struct kernel *k)
{
    struct regex *regex = *(struct regex *const *)&k->prepared;
    for (uint32_t i = 0; i < k->count; i++) {
        uint8_t state = k->args[0]->state[i];
        k->out->state[i] = state >= VALUE_ERROR ? state : VALUE_PRESENT;
        k->out->i64[i] = state == VALUE_PRESENT && regex_match(regex, STR(0), 0) == 1;
    }
}

// What Java's Double.parseDouble takes (but no hexadecimal): blanks around it, a d or f behind it.
static bool is_decimal(struct slice s)
{
    double value;
    while (s.len && (unsigned char)s.ptr[0] <= ' ')
        s = slice_make(s.ptr + 1, s.len - 1);
    while (s.len && (unsigned char)s.ptr[s.len - 1] <= ' ')
        s.len--;
    if (s.len > 1 && strchr("dDfF", s.ptr[s.len - 1]) &&
        (isdigit((unsigned char)s.ptr[s.len - 2]) || s.ptr[s.len - 2] == '.'))
        s.len--;
    return number_parse_double(s, &value) == 0;
}

static void decimal(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        uint8_t state = k->args[0]->state[i];
        k->out->state[i] = state >= VALUE_ERROR ? state : VALUE_PRESENT;
        k->out->i64[i] = state == VALUE_PRESENT && is_decimal(STR(0));
    }
}

STRING_RESULT(overlay_kernel,
              overlay(k, STR(0), STR(1), INT(2), (int64_t)utf8_length(STR(1).ptr, STR(1).len)))
STRING_RESULT(overlay_for, overlay(k, STR(0), STR(1), INT(2), INT(3)))
STRING_RESULT(initcap_kernel, initcap(k, STR(0)))
STRING_RESULT(chr_kernel, chr(k, INT(0)))
STRING_RESULT(encode_base64, to_base64(k, STR(0)))
STRING_RESULT(decode_base64, from_base64(k, i))
STRING_RESULT(hex_number, in_base(k, (uint64_t)INT(0), 4))
STRING_RESULT(hex_string, hex_text(k, STR(0)))
STRING_RESULT(binary_digits, in_base(k, (uint64_t)INT(0), 1))
NUMBER_RESULT(starts_with, ends(STR(0), STR(1), true))
NUMBER_RESULT(ends_with, ends(STR(0), STR(1), false))

static void derive_same(struct expr *call)
{
    call->type.length = call->args[0]->type.length;
    call->type.fixed_length = call->args[0]->type.fixed_length;
}

static void derive_overlay(struct expr *call)
{
    uint32_t text = call->args[0]->type.length, what = call->args[1]->type.length;
    call->type.length = text && what ? text + what : 0;
}

#define PLAIN(name, args, result, flags, kernel, derive)                                           \
    {                                                                                              \
        name, args, result, flags, kernel, derive, NULL, NULL, NULL                                \
    }

const struct expr_function expr_text_functions[] = {
    PLAIN("OVERLAY", "ssi", 's', 0, overlay_kernel, derive_overlay),
    PLAIN("OVERLAY", "ssii", 's', 0, overlay_for, derive_overlay),
    PLAIN("TRANSLATE", "sss", 's', FUNCTION_LENIENT, translate_kernel, NULL),
    PLAIN("INITCAP", "s", 's', 0, initcap_kernel, derive_same),
    PLAIN("CHR", "l", 's', 0, chr_kernel, NULL),
    PLAIN("STARTSWITH", "ss", 'b', 0, starts_with, NULL),
    PLAIN("ENDSWITH", "ss", 'b', 0, ends_with, NULL),
    PLAIN("TO_BASE64", "s", 's', 0, encode_base64, NULL),
    PLAIN("FROM_BASE64", "s", 's', FUNCTION_PARTIAL, decode_base64, NULL),
    PLAIN("HEX", "l", 's', 0, hex_number, NULL),
    PLAIN("HEX", "s", 's', 0, hex_string, NULL),
    PLAIN("BIN", "l", 's', 0, binary_digits, NULL),
    {"IS_ALPHA", "s", 'b', FUNCTION_LENIENT | FUNCTION_NOT_NULL, consists_of, NULL, NULL,
     prepare_letters, release_class},
    {"IS_DIGIT", "s", 'b', FUNCTION_LENIENT | FUNCTION_NOT_NULL, consists_of, NULL, NULL,
     prepare_digits, release_class},
    PLAIN("IS_DECIMAL", "s", 'b', FUNCTION_LENIENT | FUNCTION_NOT_NULL, decimal, NULL),
    {0},
};
