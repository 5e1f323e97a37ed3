// test_buf.c: growth keeps every byte; JSON strings that any parser reads back.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "core/base/buf.h"

static void test_buf_grows_and_keeps_every_byte(void **state)
{
    (void)state;
    struct buf buf = {0};
    char piece[16];
    for (int i = 0; i < 5000; i++) {
        int n = snprintf(piece, sizeof(piece), "%04d;", i);
        if (i % 3 == 0)
            buf_append(&buf, piece, (size_t)n);
        else if (i % 3 == 1)
            buf_append_str(&buf, piece);
        else
            buf_printf(&buf, "%04d%c", i, ';');
    }
    assert_int_equal(buf.len, 5000 * 5);
    assert_true(buf.capacity >= buf.len);
    for (int i = 0; i < 5000; i++) {
        snprintf(piece, sizeof(piece), "%04d;", i);
        assert_memory_equal(buf.data + i * 5, piece, 5);
    }
    buf_fini(&buf);
    assert_null(buf.data);
    assert_int_equal(buf.capacity, 0);
}

static void test_buf_reserve_leaves_len_to_the_caller(void **state)
{
    (void)state;
    struct buf buf = {0};
    buf_append_str(&buf, "ab");
    char *room = buf_reserve(&buf, 100000);
    assert_ptr_equal(room, buf.data + 2);
    assert_int_equal(buf.len, 2);
    memset(room, 'c', 100000); // all of it is ours: AddressSanitizer looks on
    buf.len += 3;
    assert_string_equal(buf_str(&buf), "abccc");
    buf_fini(&buf);
}

static void test_buf_str_ends_an_empty_and_a_cleared_buffer(void **state)
{
    (void)state;
    struct buf buf = {0};
    assert_string_equal(buf_str(&buf), "");
    buf_append(&buf, NULL, 0);
    assert_int_equal(buf.len, 0);
    buf_append_str(&buf, "text");
    size_t capacity = buf.capacity;
    buf_clear(&buf);
    assert_string_equal(buf_str(&buf), "");
    assert_int_equal(buf_slice(&buf).len, 0);
    assert_int_equal(buf.capacity, capacity);
    buf_fini(&buf);
}

static void test_buf_str_has_room_for_the_end_at_every_length(void **state)
{
    (void)state;
    struct buf buf = {0};
    for (size_t len = 0; len < 1100; len++) {
        assert_int_equal(strlen(buf_str(&buf)), len);
        buf_append_char(&buf, 'x');
    }
    buf_fini(&buf);
}

static void json_string_is(const char *bytes, size_t len, const char *want)
{
    struct buf buf = {0};
    buf_append_json_string(&buf, slice_make(bytes, len));
    assert_string_equal(buf_str(&buf), want);
    buf_fini(&buf);
}

static void test_buf_writes_json_strings(void **state)
{
    (void)state;
    json_string_is("", 0, "\"\"");
    json_string_is("\"\\\n\r\t\b\f/", 8, "\"\\\"\\\\\\n\\r\\t\\b\\f/\"");
    json_string_is("a\0b\x01\x1f\x7f", 6, "\"a\\u0000b\\u0001\\u001f\x7f\"");
    json_string_is("\xc3\xa9\xf0\x9f\x98\x80", 6, "\"\xc3\xa9\xf0\x9f\x98\x80\"");
}

static void test_buf_replaces_what_is_not_utf8_in_json(void **state)
{
    (void)state;
    json_string_is("\xff", 1, "\"\xEF\xBF\xBD\"");
    json_string_is("a\xe2\x82", 3, "\"a\xEF\xBF\xBD\xEF\xBF\xBD\""); // cut off by the end
    json_string_is("\xe2\x82z", 3, "\"\xEF\xBF\xBD\xEF\xBF\xBDz\""); // cut off by a letter
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_buf_grows_and_keeps_every_byte),
        cmocka_unit_test(test_buf_reserve_leaves_len_to_the_caller),
        cmocka_unit_test(test_buf_str_ends_an_empty_and_a_cleared_buffer),
        cmocka_unit_test(test_buf_str_has_room_for_the_end_at_every_length),
        cmocka_unit_test(test_buf_writes_json_strings),
        cmocka_unit_test(test_buf_replaces_what_is_not_utf8_in_json),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
