// scan.c: what the scanner's actions do: positions, contents of names and strings, stray
// characters.
#include <stdio.h>

#include "core/base/check.h"
#include "core/base/utf8.h"
#include "core/sql/parser.h"
#include "core/sql/sql.tab.h"

static bool is_continuation(char c)
{
    return ((unsigned char)c & 0xc0) == 0x80;
}

void sql_scan_take(struct sql_parser *parser, const char *text, size_t len, struct sql_token *token)
{
    struct source_pos *at = &parser->at;
    CHECK(len <= parser->source.text.len - at->offset);
    struct source_pos begin = *at;
    for (size_t i = 0; i < len; i++) {
        if (text[i] == '\n') {
            at->line++;
            at->column = 1;
        } else if (!is_continuation(text[i])) {
            at->column++;
        }
    }
    at->offset += (uint32_t)len;
    if (!token)
        return;
    begin.length = (uint32_t)len;
    token->pos = begin;
    // The flex buffer goes away; the text that was given to sql_parse stays.
    token->text = source_slice(&parser->source, begin);
    parser->after = *at;
    parser->statement_starts = false;
}

int sql_scan_error(struct sql_parser *parser, struct sql_token *token, const char *message,
                   const char *hint)
{
    if (!parser->failed) {
        sql_fail(parser, token->pos, "%s", message);
        if (hint)
            sql_hint(parser, hint);
    }
    return TOK_SQL_YYerror;
}

// The first character of a word that is no letter in any script: typographic quotes, spaces that do
// not look like spaces, broken UTF-8. Its bytes in *bytes; the word's length when there is none.
static size_t find_stray(struct slice word, size_t *bytes)
{
    for (size_t i = 0; i < word.len; i += *bytes) {
        const unsigned char *p = (const unsigned char *)word.ptr + i;
        *bytes = 1;
        if (*p < 0x80)
            continue;
        *bytes = utf8_sequence_bytes(word.ptr + i, word.len - i);
        if (*bytes == 0) {
            *bytes = 1;
            return i;
        }
        bool latin_sign = p[0] == 0xc2;                                   // U+0080 .. U+00BF
        bool punctuation = p[0] == 0xe2 && p[1] <= 0x81;                  // U+2000 .. U+207F
        bool wide_sign = p[0] == 0xe3 && p[1] == 0x80;                    // U+3000 .. U+303F
        bool full_width = p[0] == 0xef && (p[1] == 0xbc || p[1] == 0xbb); // U+FEC0 .. U+FF3F
        if (latin_sign || punctuation || wide_sign || full_width)
            return i;
    }
    return word.len;
}

// `token->text` is, from `offset` on, a character that does not belong there.
static int fail_stray(struct sql_parser *parser, struct sql_token *token, size_t offset,
                      size_t bytes)
{
    struct slice text = slice_make(token->text.ptr + offset, bytes);
    struct source_pos pos = token->pos;
    pos.column += (uint32_t)utf8_length(token->text.ptr, offset);
    pos.offset += (uint32_t)offset;
    pos.length = (uint32_t)bytes;
    token->pos = pos;
    unsigned char c = (unsigned char)text.ptr[0];
    if (bytes == 1 && (c < 0x20 || c >= 0x7f)) {
        sql_fail(parser, pos, "stray byte 0x%02x", c);
        if (c >= 0x80)
            sql_hint(parser, "the script has to be UTF-8");
        return TOK_SQL_YYerror;
    }
    sql_fail(parser, pos, "stray character '%.*s'", (int)bytes, text.ptr);
    if (bytes == 3 && c == 0xe2)
        sql_hint(parser, "did you paste typographic quotes or spaces? strings take '...'");
    return TOK_SQL_YYerror;
}

int sql_scan_word(struct sql_parser *parser, struct sql_token *token)
{
    size_t bytes = 0;
    size_t stray = find_stray(token->text, &bytes);
    if (stray < token->text.len)
        return fail_stray(parser, token, stray, bytes);
    token->keyword = sql_keyword_find(token->text);
    return token->keyword ? token->keyword->token : TOK_IDENT;
}

// Contents of a quoted run: without the quotes, doubled quotes made single.
static struct slice unquote(struct sql_parser *parser, struct slice inner, char quote)
{
    if (inner.len == 0 || !memchr(inner.ptr, quote, inner.len))
        return inner;
    char *out = pool_alloc(parser->pool, inner.len);
    size_t len = 0;
    for (size_t i = 0; i < inner.len; i++) {
        out[len++] = inner.ptr[i];
        i += inner.ptr[i] == quote;
    }
    return slice_make(out, len);
}

int sql_scan_quoted_word(struct sql_parser *parser, struct sql_token *token)
{
    struct slice inner = slice_make(token->text.ptr + 1, token->text.len - 2);
    token->quoted = true;
    if (inner.len == 0)
        return sql_scan_error(parser, token, "a name is empty", NULL);
    if (!utf8_valid(inner.ptr, inner.len))
        return sql_scan_error(parser, token, "this name is not UTF-8", NULL);
    token->text = unquote(parser, inner, '`');
    return TOK_IDENT;
}

int sql_scan_string(struct sql_parser *parser, struct sql_token *token)
{
    size_t prefix = token->text.ptr[0] == '\'' ? 1 : 2;
    struct slice inner = slice_make(token->text.ptr + prefix, token->text.len - prefix - 1);
    if (!utf8_valid(inner.ptr, inner.len))
        return sql_scan_error(parser, token, "this string is not UTF-8", NULL);
    token->text = unquote(parser, inner, '\'');
    return TOK_STRING;
}

static int hex_digit(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// `count` hex digits at the front of text, or -1.
static int64_t hex_value(struct slice text, size_t count)
{
    int64_t value = 0;
    if (text.len < count)
        return -1;
    for (size_t i = 0; i < count; i++) {
        int digit = hex_digit(text.ptr[i]);
        if (digit < 0)
            return -1;
        value = value * 16 + digit;
    }
    return value;
}

// One escape of a U&'...' string (text begins after the backslash): bytes written, *used read.
// 0: it is no escape.
static size_t unicode_escape(struct slice text, char *out, size_t *used)
{
    if (text.len && text.ptr[0] == '\\') {
        *used = 1;
        *out = '\\';
        return 1;
    }
    bool plus = text.len && text.ptr[0] == '+';
    size_t digits = plus ? 6 : 4;
    int64_t code = hex_value(slice_make(text.ptr + plus, text.len - plus), digits);
    if (code < 0 || code > 0x10ffff || (code >= 0xd800 && code < 0xe000))
        return 0;
    *used = digits + plus;
    return utf8_encode((uint32_t)code, out);
}

int sql_scan_unicode_string(struct sql_parser *parser, struct sql_token *token)
{
    token->text = slice_make(token->text.ptr + 1, token->text.len - 1); // &'...'
    int kind = sql_scan_string(parser, token);
    if (kind != TOK_STRING)
        return kind;
    struct slice in = token->text;
    char *out = pool_alloc(parser->pool, in.len + 4);
    size_t len = 0;
    for (size_t i = 0; i < in.len;) {
        if (in.ptr[i] != '\\') {
            out[len++] = in.ptr[i++];
            continue;
        }
        size_t used = 0;
        size_t bytes = unicode_escape(slice_make(in.ptr + i + 1, in.len - i - 1), out + len, &used);
        if (bytes == 0)
            return sql_scan_error(parser, token, "a \\ here starts a character's number",
                                  "write \\00e9, \\+01f600 or \\\\");
        len += bytes;
        i += 1 + used;
    }
    token->text = slice_make(out, len);
    return TOK_STRING;
}

int sql_scan_binary(struct sql_parser *parser, struct sql_token *token)
{
    struct slice hex = slice_make(token->text.ptr + 2, token->text.len - 3);
    char *out = pool_alloc(parser->pool, hex.len / 2 + 1);
    for (size_t i = 0; i < hex.len; i += 2) {
        int64_t byte = hex_value(slice_make(hex.ptr + i, hex.len - i), 2);
        if (byte < 0)
            return sql_scan_error(parser, token, "a binary literal is pairs of hex digits",
                                  "for example x'00ff'");
        out[i / 2] = (char)byte;
    }
    token->text = slice_make(out, hex.len / 2);
    return TOK_BINARY;
}

int sql_scan_end(struct sql_parser *parser, struct sql_token *token)
{
    token->pos = parser->after;
    token->text = slice_make(NULL, 0);
    return 0;
}

int sql_scan_stray(struct sql_parser *parser, struct sql_token *token)
{
    return fail_stray(parser, token, 0, token->text.len);
}
