// similar.c: the patterns of SIMILAR TO as regular expressions, by the rules of Flink
// (SqlLikeUtils.sqlToRegexSimilar): % and _ as in LIKE, [] with classes, everything else but \ and
// $ as in a regular expression, among it . and ^, which the standard has as plain characters.
#include <errno.h>

#include "core/base/buf.h"
#include "core/expr/internal.h"
#include "core/expr/regex.h"

static const char similar_specials[] = "[]()|^-+*_%?{}";
static const char regex_specials[] = "[]()|^-+*?{}$\\.";

static const struct {
    const char *name, *regex;
} classes[] = {
    {"[:ALPHA:]", "[:alpha:]"}, {"[:alpha:]", "[:alpha:]"}, {"[:UPPER:]", "[:upper:]"},
    {"[:upper:]", "[:upper:]"}, {"[:LOWER:]", "[:lower:]"}, {"[:lower:]", "[:lower:]"},
    {"[:DIGIT:]", "\\d"},       {"[:digit:]", "\\d"},       {"[:SPACE:]", " "},
    {"[:space:]", " "},         {"[:WHITESPACE:]", "\\s"},  {"[:whitespace:]", "\\s"},
    {"[:ALNUM:]", "[:alnum:]"}, {"[:alnum:]", "[:alnum:]"},
};

static bool is_one_of(const char *set, char c)
{
    return c && strchr(set, c);
}

static int refuse(struct slice pattern, const char *why, struct err *err)
{
    return err_set(err, -EINVAL, "'%.*s' is no pattern of SIMILAR TO: %s",
                   (int)(pattern.len < 200 ? pattern.len : 200), pattern.ptr, why);
}

// The character behind an escape.
static int put_escaped(struct slice pattern, size_t at, char escape, struct buf *out,
                       struct err *err)
{
    char c = at < pattern.len ? pattern.ptr[at] : 0;
    if (is_one_of(similar_specials, c)) {
        if (is_one_of(regex_specials, c))
            buf_append_char(out, '\\');
        buf_append_char(out, c);
        return 0;
    }
    if (!c || c != escape)
        return refuse(pattern, "the escape stands before nothing that needs it", err);
    if (is_one_of(regex_specials, c))
        buf_append_char(out, '\\');
    buf_append_char(out, c);
    return 0;
}

// A class name at `at` inside []: its bytes, 0 for none.
static size_t put_class(struct slice pattern, size_t at, struct buf *out)
{
    for (size_t i = 0; i < ARRAY_SIZE(classes); i++) {
        size_t len = strlen(classes[i].name);
        if (pattern.len - at < len || memcmp(pattern.ptr + at, classes[i].name, len) != 0)
            continue;
        buf_append_str(out, classes[i].regex);
        return len;
    }
    return 0;
}

// From the byte behind [ to its ]; *at ends on the ].
static int put_enumeration(struct slice pattern, size_t *at, const char *escape, struct buf *out,
                           struct err *err)
{
    buf_append_char(out, '[');
    for (; *at < pattern.len; (*at)++) {
        char c = pattern.ptr[*at];
        size_t taken;
        if (c == ']') {
            buf_append_char(out, ']');
            return 0;
        }
        if (escape && c == *escape) {
            int rc = put_escaped(pattern, ++*at, *escape, out, err);
            if (rc)
                return rc;
        } else if (c == '[' && (taken = put_class(pattern, *at, out)) > 0) {
            *at += taken - 1;
        } else if (c != '-' && c != '^' && is_one_of(similar_specials, c)) {
            return refuse(pattern, "a special character inside [ ] needs an escape", err);
        } else {
            if (c == '\\')
                buf_append_char(out, '\\');
            buf_append_char(out, c);
        }
    }
    return refuse(pattern, "a [ has no ]", err);
}

static void put_plain(char c, struct buf *out)
{
    if (c == '%')
        buf_append_str(out, "(?s:.*)");
    else if (c == '_')
        buf_append_char(out, '.');
    else if (c == '\\' || c == '$')
        buf_printf(out, "\\%c", c);
    else
        buf_append_char(out, c);
}

int similar_translate(struct slice pattern, const struct slice *escape, struct buf *out,
                      struct err *err)
{
    if (escape && escape->len != 1)
        return refuse(pattern, "the escape is one character", err);
    const char *escape_char = escape ? escape->ptr : NULL;
    for (size_t at = 0; at < pattern.len; at++) {
        char c = pattern.ptr[at];
        int rc = 0;
        if (escape_char && c == *escape_char)
            rc = put_escaped(pattern, ++at, *escape_char, out, err);
        else if (c == '[' && ++at)
            rc = put_enumeration(pattern, &at, escape_char, out, err);
        else if (c == ']')
            rc = refuse(pattern, "a ] has no [", err);
        else
            put_plain(c, out);
        if (rc)
            return rc;
    }
    return 0;
}
