// test_number.c: numbers read and written; doubles against the C library, digits against round
// trips.
#include <errno.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/number.h"

static void test_number_parses_int64(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int code;
        int64_t value;
    } cases[] = {
        {"0", 0, 0},
        {"-0", 0, 0},
        {"+7", 0, 7},
        {"000000000000000000000000042", 0, 42},
        {"9223372036854775807", 0, INT64_MAX},
        {"-9223372036854775808", 0, INT64_MIN},
        {"9223372036854775808", -ERANGE, 0},
        {"-9223372036854775809", -ERANGE, 0},
        {"18446744073709551616", -ERANGE, 0},
        {"99999999999999999999999999", -ERANGE, 0},
        {"", -EINVAL, 0},
        {"-", -EINVAL, 0},
        {"+-1", -EINVAL, 0},
        {"1.0", -EINVAL, 0},
        {" 1", -EINVAL, 0},
        {"99999999999999999999999999x", -EINVAL, 0},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t value = -77;
        int code = number_parse_int64(slice_of(cases[i].text), &value);
        if (code != cases[i].code || value != (code ? -77 : cases[i].value))
            fail_msg("%s: %d, %ld", cases[i].text, code, (long)value);
    }
}

static void expect_double(const char *text)
{
    double value;
    char *end;
    double wanted = strtod(text, &end);
    assert_int_equal(number_parse_double(slice_of(text), &value), 0);
    if (memcmp(&value, &wanted, 8) != 0)
        fail_msg("%s: %a instead of %a", text, value, wanted);
}

static void test_number_parses_double_correctly_rounded(void **state)
{
    (void)state;
    static const char *const texts[] = {
        "0",
        "-0",
        "0.0",
        "-0.0e5",
        "1",
        "1.5",
        ".5",
        "5.",
        "0.1",
        "123456789012345678901234567890",
        "9007199254740993",
        "9007199254740993.00000000000000000000000000000000000000001",
        "1e22",
        "1e23",
        "1e308",
        "1.7976931348623159e308",
        "1e400",
        "-1e400",
        "4.9e-324",
        "1e-400",
        "2.2250738585072011e-308",
        "0.000000000000000000000000000000000000001",
        "1e99999999999999999",
        "1e-99999999999999999",
        "0e99999999999999999999",
        "1E+5",
        "12345678901234567.8e-3",
        "000000000000000000000000000000000000000000000000000000000000000000000000000000000000000000"
        "00"
        "0000000000000000000000000000000000000000001.25",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++)
        expect_double(texts[i]);
    unsigned seed = 99;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        char text[64];
        snprintf(text, sizeof(text), "%d%d.%d%de%d", rand_r(&seed) % 1000, rand_r(&seed),
                 rand_r(&seed), rand_r(&seed), rand_r(&seed) % 60 - 30);
        expect_double(text + rand_r(&seed) % 8);
    }
}

static void test_number_refuses_what_is_no_double(void **state)
{
    (void)state;
    static const char *const bad[] = {"",   ".",   "-",   "e5", "1e",  "1e+", "1.2.3", "0x1", "1 ",
                                      " 1", "nan", "inf", "1d", "--1", "1,5", "1e5.",  "+.e1"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        double value;
        if (number_parse_double(slice_of(bad[i]), &value) != -EINVAL)
            fail_msg("accepted %s", bad[i]);
    }
    double value;
    assert_int_equal(number_parse_double(slice_of("NaN"), &value), 0);
    assert_true(isnan(value));
    assert_int_equal(number_parse_double(slice_of("-Infinity"), &value), 0);
    assert_true(isinf(value) && value < 0);
}

static void test_number_formats_int64(void **state)
{
    (void)state;
    unsigned seed = 5;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        int64_t value = (int64_t)((uint64_t)rand_r(&seed) << 33 ^ (uint64_t)rand_r(&seed) << 11 ^
                                  (uint64_t)rand_r(&seed));
        value = (i % 2 ? -value : value) >> rand_r(&seed) % 63;
        if (i == 0)
            value = INT64_MIN;
        char out[NUMBER_TEXT_BYTES], wanted[32];
        int len = snprintf(wanted, sizeof(wanted), "%ld", (long)value);
        assert_int_equal(number_format_int64(value, out), len);
        assert_memory_equal(out, wanted, (size_t)len);
    }
}

static void test_number_formats_double_as_java(void **state)
{
    (void)state;
    static const struct {
        double value;
        const char *text;
    } cases[] = {
        {0, "0.0"},
        {-0.0, "-0.0"},
        {1, "1.0"},
        {-1.5, "-1.5"},
        {100, "100.0"},
        {0.001, "0.001"},
        {0.00099, "9.9E-4"},
        {9999999, "9999999.0"},
        {1e7, "1.0E7"},
        {1e10, "1.0E10"},
        {1e-5, "1.0E-5"},
        {12345678.9, "1.23456789E7"},
        {0.1 + 0.2, "0.30000000000000004"},
        {1.0 / 3, "0.3333333333333333"},
        {4.9e-324, "4.9E-324"},
        {1.7976931348623157e308, "1.7976931348623157E308"},
        {9007199254740993.0, "9.007199254740992E15"},
        {123456.789, "123456.789"},
        {0.012, "0.012"},
        {NAN, "NaN"},
        {INFINITY, "Infinity"},
        {-INFINITY, "-Infinity"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char out[NUMBER_TEXT_BYTES];
        size_t len = number_format_double(cases[i].value, out);
        if (len != strlen(cases[i].text) || memcmp(out, cases[i].text, len) != 0)
            fail_msg("%.*s instead of %s", (int)len, out, cases[i].text);
    }
}

static void test_number_formatted_double_reads_back(void **state)
{
    (void)state;
    unsigned seed = 123;
    print_message("seed %u\n", seed);
    for (int i = 0; i < 20000; i++) {
        uint64_t bits =
            (uint64_t)rand_r(&seed) << 33 ^ (uint64_t)rand_r(&seed) << 11 ^ (uint64_t)rand_r(&seed);
        double value, back;
        memcpy(&value, &bits, 8);
        if (i % 2)
            value = (double)(rand_r(&seed) % 10000000) / (i % 4 == 1 ? 100 : 1024);
        if (isnan(value))
            continue;
        char out[NUMBER_TEXT_BYTES];
        size_t len = number_format_double(value, out);
        assert_true(len <= 24);
        assert_int_equal(number_parse_double(slice_make(out, len), &back), 0);
        assert_memory_equal(&value, &back, 8);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_number_parses_int64),
        cmocka_unit_test(test_number_parses_double_correctly_rounded),
        cmocka_unit_test(test_number_refuses_what_is_no_double),
        cmocka_unit_test(test_number_formats_int64),
        cmocka_unit_test(test_number_formats_double_as_java),
        cmocka_unit_test(test_number_formatted_double_reads_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
