// kernel_string.c: string functions. They count characters (code points), not bytes; results that
// are part of an argument share its bytes, others are made in the scratch pool and bounded.
#include <ctype.h>

#include "core/base/utf8.h"
#include "core/expr/internal.h"
#include "core/expr/text_kernel.h"

// Byte offset of character `chars`, or the length when there are fewer.
static size_t offset_of(struct slice s, int64_t chars)
{
    size_t at = 0;
    while (chars-- > 0 && at < s.len) {
        size_t step = utf8_sequence_bytes(s.ptr + at, s.len - at);
        at += step ? step : 1;
    }
    return at;
}

static int64_t length_of(struct slice s)
{
    return (int64_t)utf8_length(s.ptr, s.len);
}

static struct slice part(struct slice s, int64_t from, int64_t chars)
{
    size_t begin = offset_of(s, from);
    struct slice rest = slice_make(s.ptr + begin, s.len - begin);
    return slice_make(rest.ptr, offset_of(rest, chars));
}

// Positions count from 1, from the end when negative; 0 is 1.
static struct slice substring(struct slice s, int64_t position, int64_t chars)
{
    int64_t from = position > 0 ? position - 1 : position;
    if (from < 0) {
        from += length_of(s);
        if (from < 0)
            return slice_make("", 0);
    }
    return part(s, from, chars);
}

static struct slice substring_checked(struct kernel *k, uint32_t i)
{
    if (INT(2) >= 0)
        return substring(STR(0), INT(1), INT(2));
    k->out->state[i] = VALUE_NULL; // as Flink
    return slice_make("", 0);
}

static struct slice right_part(struct slice s, int64_t chars)
{
    int64_t length = length_of(s);
    return chars <= 0 ? slice_make("", 0) : part(s, chars < length ? length - chars : 0, length);
}

static struct slice change_case(struct kernel *k, struct slice s, int (*change)(int))
{
    char *out = scratch_bytes(k, s.len);
    for (uint64_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        out[i] = (char)(c < 0x80 ? change(c) : c);
    }
    // Latin-1 letters in two bytes: C3 80..9E and C3 A0..BE, without the multiplication sign.
    for (uint64_t i = 0; i + 1 < s.len; i++) {
        unsigned char c = (unsigned char)out[i + 1];
        if ((unsigned char)out[i] != 0xc3 || (c & 0x1f) == 0x17 || (c & 0x1f) == 0x1f)
            continue;
        if (change == toupper && c >= 0xa0)
            out[i + 1] = (char)(c - 0x20);
        else if (change == tolower && c >= 0x80 && c < 0xa0)
            out[i + 1] = (char)(c + 0x20);
    }
    return slice_make(out, s.len);
}

// Remove characters that are in `set` from the ends.
static struct slice trim(struct slice s, struct slice set, bool front, bool back)
{
    while (front && s.len) {
        size_t step = offset_of(s, 1);
        if (!set.len || !memmem(set.ptr, set.len, s.ptr, step))
            break;
        s = slice_make(s.ptr + step, s.len - step);
    }
    while (back && s.len) {
        size_t step = 1;
        while (step < s.len && ((unsigned char)s.ptr[s.len - step] & 0xc0) == 0x80)
            step++;
        if (!set.len || !memmem(set.ptr, set.len, s.ptr + s.len - step, step))
            break;
        s.len -= step;
    }
    return s;
}

static struct slice trim_mode(struct slice mode, struct slice set, struct slice s)
{
    return trim(s, set, !slice_equal(mode, slice_of("TRAILING")),
                !slice_equal(mode, slice_of("LEADING")));
}

// 1-based position in characters of `needle`, searched from character `from`; 0: not there.
static int64_t locate(struct slice needle, struct slice s, int64_t from)
{
    if (from < 1)
        return 0;
    size_t begin = offset_of(s, from - 1);
    if (needle.len == 0)
        return from <= length_of(s) + 1 ? from : 0;
    const char *hit = memmem(s.ptr + begin, s.len - begin, needle.ptr, needle.len);
    return hit ? (int64_t)utf8_length(s.ptr, (size_t)(hit - s.ptr)) + 1 : 0;
}

static struct slice too_long(struct kernel *k, uint32_t i)
{
    k->out->state[i] = error_state(EXPR_ERROR_OVERFLOW);
    return slice_make("", 0);
}

// Argument `from` and the following ones, joined; absent ones are left out.
static struct slice join(struct kernel *k, uint32_t i, int from, struct slice separator)
{
    uint64_t total = 0;
    for (int a = from; a < k->arg_count; a++)
        if (k->args[a]->state[i] == VALUE_PRESENT) // an absent slot's length means nothing
            total += STR(a).len + separator.len;
    if (total > EXPR_STRING_LIMIT)
        return too_long(k, i);
    char *out = scratch_bytes(k, total + 1), *p = out;
    bool first = true;
    for (int a = from; a < k->arg_count; a++) {
        if (k->args[a]->state[i] != VALUE_PRESENT)
            continue;
        if (!first && separator.len)
            p = mempcpy(p, separator.ptr, separator.len);
        first = false;
        if (STR(a).len)
            p = mempcpy(p, STR(a).ptr, STR(a).len);
    }
    return slice_make(out, (size_t)(p - out));
}

static struct slice repeat(struct kernel *k, uint32_t i)
{
    struct slice s = STR(0);
    int64_t times = INT(1);
    if (times <= 0 || s.len == 0)
        return slice_make("", 0);
    if ((uint64_t)times > EXPR_STRING_LIMIT / s.len)
        return too_long(k, i);
    char *out = scratch_bytes(k, s.len * (uint64_t)times);
    for (int64_t n = 0; n < times; n++)
        memcpy(out + s.len * (uint64_t)n, s.ptr, s.len);
    return slice_make(out, s.len * (uint64_t)times);
}

static struct slice replace(struct kernel *k, uint32_t i)
{
    struct slice s = STR(0), from = STR(1), to = STR(2);
    if (from.len == 0 || s.len < from.len)
        return s;
    uint64_t most = s.len / from.len * (to.len > from.len ? to.len - from.len : 0) + s.len;
    if (most > EXPR_STRING_LIMIT)
        return too_long(k, i);
    char *out = scratch_bytes(k, most), *p = out;
    const char *at = s.ptr, *end = s.ptr + s.len, *hit;
    while ((hit = memmem(at, (size_t)(end - at), from.ptr, from.len))) {
        p = mempcpy(p, at, (size_t)(hit - at));
        p = mempcpy(p, to.ptr ? to.ptr : "", to.len);
        at = hit + from.len;
    }
    p = mempcpy(p, at, (size_t)(end - at));
    return slice_make(out, (size_t)(p - out));
}

static struct slice reverse(struct kernel *k, struct slice s)
{
    char *out = scratch_bytes(k, s.len), *p = out + s.len;
    for (size_t at = 0; at < s.len;) {
        size_t step = offset_of(slice_make(s.ptr + at, s.len - at), 1);
        p -= step;
        memcpy(p, s.ptr + at, step);
        at += step;
    }
    return slice_make(out, s.len);
}

// LPAD and RPAD: NULL for a negative length or nothing to pad with, as Flink.
static struct slice pad(struct kernel *k, uint32_t i, bool left)
{
    struct slice s = STR(0), with = STR(2);
    int64_t wanted = INT(1), have = length_of(s), unit = length_of(with);
    if (wanted < 0 || (unit == 0 && wanted > have)) {
        k->out->state[i] = VALUE_NULL;
        return slice_make("", 0);
    }
    if (wanted <= have)
        return part(s, 0, wanted);
    if (wanted > EXPR_STRING_LIMIT / 4)
        return too_long(k, i);
    int64_t missing = wanted - have;
    size_t last = offset_of(with, missing % unit);
    size_t padding = with.len * (size_t)(missing / unit) + last;
    char *out = scratch_bytes(k, s.len + padding), *p = out;
    if (!left)
        p = mempcpy(p, s.ptr, s.len);
    for (int64_t n = 0; n < missing / unit; n++)
        p = mempcpy(p, with.ptr, with.len);
    p = mempcpy(p, with.ptr, last);
    if (left)
        memcpy(p, s.ptr, s.len);
    return slice_make(out, s.len + padding);
}

static struct slice split_index(struct kernel *k, uint32_t i)
{
    struct slice s = STR(0), by = STR(1);
    int64_t index = INT(2);
    const char *at = s.ptr, *end = s.ptr + s.len;
    while (index >= 0 && by.len) {
        const char *hit = memmem(at, (size_t)(end - at), by.ptr, by.len);
        if (index-- == 0)
            return slice_make(at, (size_t)((hit ? hit : end) - at));
        if (!hit)
            break;
        at = hit + by.len;
    }
    k->out->state[i] = VALUE_NULL;
    return slice_make("", 0);
}

#define BLANK slice_make(" ", 1)

STRING_RESULT(upper, change_case(k, STR(0), toupper))
STRING_RESULT(lower, change_case(k, STR(0), tolower))
NUMBER_RESULT(char_length, length_of(STR(0)))
STRING_RESULT(substring_from, substring(STR(0), INT(1), INT32_MAX))
STRING_RESULT(substring_for, substring_checked(k, i))
STRING_RESULT(left, part(STR(0), 0, INT(1)))
STRING_RESULT(right, right_part(STR(0), INT(1)))
STRING_RESULT(trim_both, trim(STR(0), BLANK, true, true))
STRING_RESULT(trim_left, trim(STR(0), BLANK, true, false))
STRING_RESULT(trim_right, trim(STR(0), BLANK, false, true))
STRING_RESULT(trim_both_set, trim(STR(0), STR(1), true, true))
STRING_RESULT(trim_left_set, trim(STR(0), STR(1), true, false))
STRING_RESULT(trim_right_set, trim(STR(0), STR(1), false, true))
STRING_RESULT(trim_by_mode, trim_mode(STR(0), STR(1), STR(2)))
STRING_RESULT(concat, join(k, i, 0, slice_make("", 0)))
STRING_RESULT(replace_all, replace(k, i))
STRING_RESULT(repeated, repeat(k, i))
STRING_RESULT(reversed, reverse(k, STR(0)))
STRING_RESULT(pad_left, pad(k, i, true))
STRING_RESULT(pad_right, pad(k, i, false))
STRING_RESULT(split_part, split_index(k, i))
NUMBER_RESULT(position, locate(STR(0), STR(1), 1))
NUMBER_RESULT(locate_from, locate(STR(0), STR(1), INT(2)))
NUMBER_RESULT(instr, locate(STR(1), STR(0), 1))
NUMBER_RESULT(ascii, STR(0).len ? (signed char)STR(0).ptr[0] : 0)

// CONCAT_WS skips NULLs; only its separator decides whether the result is one.
static void concat_ws(struct kernel *k)
{
    for (uint32_t i = 0; i < k->count; i++) {
        uint8_t state = k->args[0]->state[i];
        for (int a = 1; a < k->arg_count && state < VALUE_ERROR; a++)
            state = k->args[a]->state[i] >= VALUE_ERROR ? k->args[a]->state[i] : state;
        k->out->state[i] = state;
        k->out->str[i] = slice_make("", 0);
        if (state != VALUE_PRESENT)
            continue;
        k->out->str[i] = join(k, i, 1, STR(0));
    }
}

static void derive_same(struct expr *call)
{
    call->type.length = call->args[0]->type.length;
    call->type.fixed_length = call->args[0]->type.fixed_length;
}

static void derive_part(struct expr *call)
{
    call->type.length = call->args[0]->type.length; // a VARCHAR as long at most
}

static void derive_concat(struct expr *call)
{
    uint32_t length = 0;
    bool fixed = true;
    for (int i = 0; i < call->arg_count; i++) {
        const struct type *type = &call->args[i]->type;
        if (type->length == 0 && !type->fixed_length)
            return; // STRING
        length += type->length;
        fixed &= type->fixed_length;
    }
    call->type.length = length;
    call->type.fixed_length = fixed;
}

#define PLAIN(name, args, result, kernel)                                                          \
    {                                                                                              \
        name, args, result, 0, kernel, NULL, NULL, NULL, NULL                                      \
    }
#define TYPED(name, args, flags, kernel, derive)                                                   \
    {                                                                                              \
        name, args, 's', flags, kernel, derive, NULL, NULL, NULL                                   \
    }
#define MAYBE_NULL (FUNCTION_PARTIAL | FUNCTION_NULLABLE)

const struct expr_function expr_string_functions[] = {
    TYPED("UPPER", "s", 0, upper, derive_same),
    TYPED("LOWER", "s", 0, lower, derive_same),
    PLAIN("CHAR_LENGTH", "s", 'i', char_length),
    PLAIN("CHARACTER_LENGTH", "s", 'i', char_length),
    PLAIN("LENGTH", "s", 'i', char_length),
    TYPED("SUBSTRING", "si", MAYBE_NULL, substring_from, derive_part),
    TYPED("SUBSTRING", "sii", MAYBE_NULL, substring_for, derive_part),
    TYPED("SUBSTR", "si", MAYBE_NULL, substring_from, derive_part),
    TYPED("SUBSTR", "sii", MAYBE_NULL, substring_for, derive_part),
    TYPED("LEFT", "si", 0, left, derive_part),
    TYPED("RIGHT", "si", 0, right, derive_part),
    PLAIN("TRIM", "s", 's', trim_both),
    PLAIN("TRIM", "sss", 's', trim_by_mode),
    PLAIN("BTRIM", "s", 's', trim_both),
    PLAIN("BTRIM", "ss", 's', trim_both_set),
    PLAIN("LTRIM", "s", 's', trim_left),
    PLAIN("LTRIM", "ss", 's', trim_left_set),
    PLAIN("RTRIM", "s", 's', trim_right),
    PLAIN("RTRIM", "ss", 's', trim_right_set),
    TYPED("||", "ss", FUNCTION_INFIX | FUNCTION_PARTIAL, concat, derive_concat),
    TYPED("CONCAT", "s*", FUNCTION_PARTIAL, concat, NULL),
    TYPED("CONCAT_WS", "ss*", FUNCTION_LENIENT, concat_ws, NULL),
    TYPED("REPLACE", "sss", FUNCTION_PARTIAL, replace_all, NULL),
    TYPED("REPEAT", "si", FUNCTION_PARTIAL, repeated, NULL),
    PLAIN("REVERSE", "s", 's', reversed),
    TYPED("LPAD", "sis", MAYBE_NULL, pad_left, NULL),
    TYPED("RPAD", "sis", MAYBE_NULL, pad_right, NULL),
    TYPED("SPLIT_INDEX", "ssi", MAYBE_NULL, split_part, NULL),
    PLAIN("POSITION", "ss", 'i', position),
    PLAIN("LOCATE", "ss", 'i', position),
    PLAIN("LOCATE", "ssi", 'i', locate_from),
    PLAIN("INSTR", "ss", 'i', instr),
    PLAIN("ASCII", "s", 'i', ascii),
    {0},
};
