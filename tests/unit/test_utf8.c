// test_utf8.c: every code point there and back; every short run against arithmetic.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#include "core/base/utf8.h"

enum { CODE_POINTS = 0x110000, SURROGATE_FIRST = 0xD800, SURROGATE_LAST = 0xDFFF };

static bool is_surrogate(uint32_t code_point)
{
    return code_point >= SURROGATE_FIRST && code_point <= SURROGATE_LAST;
}

// The code point that the bit pattern of a sequence of `len` bytes stands for, or -1: what RFC 3629
// says in numbers, not as a table of bytes.
static int64_t decode(const unsigned char *s, size_t len)
{
    static const uint32_t least[] = {0, 0, 0x80, 0x800, 0x10000};
    static const unsigned char lead_mask[] = {0, 0x80, 0xE0, 0xF0, 0xF8};
    static const unsigned char lead[] = {0, 0, 0xC0, 0xE0, 0xF0};
    if ((s[0] & lead_mask[len]) != lead[len])
        return -1;
    uint32_t code_point = s[0] & (unsigned char)~lead_mask[len];
    for (size_t i = 1; i < len; i++) {
        if ((s[i] & 0xC0) != 0x80)
            return -1;
        code_point = code_point << 6 | (s[i] & 0x3F);
    }
    bool wrong = code_point < least[len] || code_point >= CODE_POINTS || is_surrogate(code_point);
    return wrong ? -1 : (int64_t)code_point;
}

static void test_utf8_every_code_point_survives(void **state)
{
    (void)state;
    for (uint32_t code_point = 0; code_point < CODE_POINTS; code_point++) {
        char bytes[5] = "....";
        if (is_surrogate(code_point))
            continue;
        size_t n = utf8_encode(code_point, bytes);
        if (utf8_sequence_bytes(bytes, n) != n || utf8_sequence_bytes(bytes, n - 1) == n ||
            decode((unsigned char *)bytes, n) != code_point || bytes[n] != (n == 4 ? 0 : '.'))
            fail_msg("U+%04X as %zu bytes", code_point, n);
    }
}

// Every run of one to three bytes, and four bytes whose last two are at the edges.
static void test_utf8_accepts_exactly_what_arithmetic_accepts(void **state)
{
    (void)state;
    static const unsigned char edges[] = {0, 0x7F, 0x80, 0x8F, 0x90, 0xBF, 0xC0, 0xFF};
    for (uint32_t run = 0; run < 1 << 24; run++) {
        unsigned char s[4] = {(unsigned char)(run >> 16), (unsigned char)(run >> 8),
                              (unsigned char)run, edges[run % sizeof(edges)]};
        size_t want = 0;
        for (size_t len = 1; len <= 4 && !want; len++)
            want = decode(s, len) >= 0 ? len : 0;
        if (utf8_sequence_bytes((char *)s, 4) != want)
            fail_msg("%02x %02x %02x %02x: not %zu bytes", s[0], s[1], s[2], s[3], want);
    }
}

static void test_utf8_a_sequence_ends_with_the_run(void **state)
{
    (void)state;
    const char *faces = "\xf0\x9f\x98\x80";
    for (size_t len = 0; len < 4; len++)
        assert_int_equal(utf8_sequence_bytes(faces, len), 0);
    assert_int_equal(utf8_sequence_bytes(faces, 4), 4);
}

// One wrong byte is found wherever it stands: the fast way over ASCII looks at eight bytes at once.
static void test_utf8_valid_finds_a_wrong_byte_anywhere(void **state)
{
    (void)state;
    char text[41];
    for (size_t len = 1; len <= 40; len++) {
        for (size_t at = 0; at < len; at++) {
            memset(text, 'a', sizeof(text));
            assert_true(utf8_valid(text, len));
            text[at] = '\xff';
            assert_false(utf8_valid(text, len));
            text[at] = '\xc3'; // right only when its second byte is there
            text[at + 1] = '\xa9';
            assert_int_equal(utf8_valid(text, len), at + 1 < len);
        }
    }
    assert_true(utf8_valid("", 0));
}

static void test_utf8_length_counts_characters(void **state)
{
    (void)state;
    assert_int_equal(utf8_length("", 0), 0);
    assert_int_equal(utf8_length("\xe2\x82\xac!", 4), 2);
    assert_int_equal(utf8_length("a\xc3\xa9\xe2\x82\xac\xf0\x9f\x98\x80z", 11), 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_utf8_every_code_point_survives),
        cmocka_unit_test(test_utf8_accepts_exactly_what_arithmetic_accepts),
        cmocka_unit_test(test_utf8_a_sequence_ends_with_the_run),
        cmocka_unit_test(test_utf8_valid_finds_a_wrong_byte_anywhere),
        cmocka_unit_test(test_utf8_length_counts_characters),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
