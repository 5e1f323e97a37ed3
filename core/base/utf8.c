// utf8.c: the table of well-formed sequences is Unicode's, table 3-7.
#include "core/base/utf8.h"

#include <string.h>

static bool is_continuation(unsigned char c)
{
    return (c & 0xC0) == 0x80;
}

static size_t three_bytes(const unsigned char *s)
{
    if (!is_continuation(s[1]) || !is_continuation(s[2]))
        return 0;
    if (s[0] == 0xE0 && s[1] < 0xA0)
        return 0; // overlong
    if (s[0] == 0xED && s[1] >= 0xA0)
        return 0; // surrogate
    return 3;
}

static size_t four_bytes(const unsigned char *s)
{
    if (!is_continuation(s[1]) || !is_continuation(s[2]) || !is_continuation(s[3]))
        return 0;
    if (s[0] == 0xF0 && s[1] < 0x90)
        return 0; // overlong
    if (s[0] == 0xF4 && s[1] >= 0x90)
        return 0; // above U+10FFFF
    return 4;
}

size_t utf8_sequence_bytes(const char *p, size_t len)
{
    const unsigned char *s = (const unsigned char *)p;
    if (len == 0)
        return 0;
    if (s[0] < 0x80)
        return 1;
    if (s[0] >= 0xC2 && s[0] <= 0xDF)
        return len >= 2 && is_continuation(s[1]) ? 2 : 0;
    if ((s[0] & 0xF0) == 0xE0)
        return len >= 3 ? three_bytes(s) : 0;
    if (s[0] >= 0xF0 && s[0] <= 0xF4)
        return len >= 4 ? four_bytes(s) : 0;
    return 0;
}

bool utf8_valid(const char *p, size_t len)
{
    size_t i = 0;
    while (i < len) {
        uint64_t word;
        if (i + 8 <= len) {
            memcpy(&word, p + i, 8);
            if (!(word & 0x8080808080808080u)) {
                i += 8;
                continue;
            }
        }
        size_t n = utf8_sequence_bytes(p + i, len - i);
        if (n == 0)
            return false;
        i += n;
    }
    return true;
}

size_t utf8_length(const char *p, size_t len)
{
    size_t count = 0;
    for (size_t i = 0; i < len; i++)
        count += !is_continuation((unsigned char)p[i]);
    return count;
}

size_t utf8_encode(uint32_t code_point, char *out)
{
    if (code_point < 0x80) {
        out[0] = (char)code_point;
        return 1;
    }
    if (code_point < 0x800) {
        out[0] = (char)(0xC0 | (code_point >> 6));
        out[1] = (char)(0x80 | (code_point & 0x3F));
        return 2;
    }
    if (code_point < 0x10000) {
        out[0] = (char)(0xE0 | (code_point >> 12));
        out[1] = (char)(0x80 | ((code_point >> 6) & 0x3F));
        out[2] = (char)(0x80 | (code_point & 0x3F));
        return 3;
    }
    out[0] = (char)(0xF0 | (code_point >> 18));
    out[1] = (char)(0x80 | ((code_point >> 12) & 0x3F));
    out[2] = (char)(0x80 | ((code_point >> 6) & 0x3F));
    out[3] = (char)(0x80 | (code_point & 0x3F));
    return 4;
}
