// Headers of a message as a JSON object, and back.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/format/headers.h"

#define BYTES(text) slice_make(text, sizeof(text) - 1)

static void test_headers_become_an_object(void **state)
{
    (void)state;
    const struct header headers[] = {
        {BYTES("trace"), BYTES("a1"), false},  {BYTES("retry"), BYTES("1"), false},
        {BYTES("id"), BYTES("\0\xff"), false}, {BYTES("retry"), BYTES("2"), false},
        {BYTES("empty"), BYTES(""), false},    {BYTES("none"), {0}, true},
        {BYTES("retry"), {0}, true},           {BYTES("q\"\n"), BYTES("\"\xC3\xA9"), false}};
    struct buf out = {0};
    headers_format(headers, 0, &out);
    assert_string_equal(buf_str(&out), "{}");
    buf_clear(&out);
    headers_format(headers, ARRAY_SIZE(headers), &out);
    assert_string_equal(
        buf_str(&out), "{\"trace\":\"a1\",\"retry\":[\"1\",\"2\",null],\"id\":{\"base64\":\"AP8=\"}"
                       ",\"empty\":\"\",\"none\":null,\"q\\\"\\n\":\"\\\"\xC3\xA9\"}");
    buf_fini(&out);
}

static void test_headers_come_back(void **state)
{
    (void)state;
    static const char text[] = "{\"a\":[\"1\",\"2\",null],\"b\":{\"base64\":\"AP8=\"},\"c\":\"\","
                               "\"d\":null,\"e\":\"x\\u0000y\",\"f\":{\"base64\":\"\xC3\"}}";
    static const char good[] = "{\"a\":[\"1\",\"2\",null],\"b\":{\"base64\":\"AP8=\"},\"c\":\"\","
                               "\"d\":null,\"e\":\"x\\u0000y\"}";
    struct pool pool = {0};
    struct header *headers = NULL;
    struct buf out = {0};
    int count = 0;
    assert_int_equal(headers_parse(BYTES(text), &pool, &headers, &count, NULL), -EINVAL);
    assert_int_equal(headers_parse(BYTES(good), &pool, &headers, &count, NULL), 0);
    assert_int_equal(count, 7);
    assert_true(slice_equal(headers[3].value, BYTES("\0\xff")));
    assert_true(headers[2].is_null && headers[5].is_null && !headers[4].is_null);
    assert_int_equal(headers[6].value.len, 3);
    headers_format(headers, count, &out);
    assert_string_equal(buf_str(&out), good);
    assert_int_equal(
        headers_parse(BYTES("{\"n\":-5,\"t\":true,\"f\":false}"), &pool, &headers, &count, NULL),
        0);
    assert_true(slice_equal(headers[0].value, BYTES("-5")));
    assert_true(slice_equal(headers[1].value, BYTES("true")));
    assert_true(slice_equal(headers[2].value, BYTES("false")));
    buf_fini(&out);
    pool_fini(&pool);
}

static void test_headers_of_any_bytes(void **state)
{
    (void)state;
    struct pool pool = {0};
    for (unsigned seed = 1; seed < 300; seed++) {
        unsigned char bytes[32];
        size_t len = seed % sizeof(bytes);
        srand(seed);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (unsigned char)(rand() >> 7);
        struct header in = {BYTES("h"), slice_make(bytes, len), false}, *out = NULL;
        struct buf text = {0};
        int count = 0;
        headers_format(&in, 1, &text);
        assert_int_equal(headers_parse(buf_slice(&text), &pool, &out, &count, NULL), 0);
        assert_int_equal(count, 1);
        assert_true(slice_equal(out[0].value, in.value));
        buf_fini(&text);
    }
    pool_fini(&pool);
}

static void test_headers_refuse_what_is_none(void **state)
{
    (void)state;
    static const struct {
        const char *text, *says;
    } cases[] = {{"", "no JSON object"},
                 {"[]", "no JSON object"},
                 {"{\"a\":1,\"a\":2}", "duplicate"},
                 {"{\"a\":1.5}", "\"a\" is neither a string"},
                 {"{\"a\":[[1]]}", "\"a\" is neither a string"},
                 {"{\"a\":{}}", "only {\"base64\""},
                 {"{\"a\":{\"base64\":\"A\"}}", "a \"base64\" that is none"},
                 {"{\"a\":{\"base64\":\"A===\"}}", "a \"base64\" that is none"},
                 {"{\"a\":{\"base64\":\"AA=A\"}}", "a \"base64\" that is none"},
                 {"{\"a\":{\"base64\":\"AAAA\",\"x\":1}}", "only {\"base64\""}};
    struct pool pool = {0};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct err err = {0};
        struct header *headers;
        int count;
        assert_int_equal(headers_parse(slice_of(cases[i].text), &pool, &headers, &count, &err),
                         -EINVAL);
        if (!strstr(err.text, cases[i].says))
            fail_msg("%s: %s", cases[i].text, err.text);
    }
    pool_fini(&pool);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_headers_become_an_object),
        cmocka_unit_test(test_headers_come_back),
        cmocka_unit_test(test_headers_of_any_bytes),
        cmocka_unit_test(test_headers_refuse_what_is_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
