// Reading JSON lines: what each text becomes, which rows are bad and why, and that the fast way,
// the full way, the scalar and the SIMD scans all say the same, however the bytes are cut into
// pieces.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/format_expect.h"

static struct dump_settings json_settings(void)
{
    struct dump_settings settings = {0};
    format_options_default(FORMAT_JSON, &settings.options);
    return settings;
}

static void expect(const char *columns, const char *text, const char *expected)
{
    struct dump_settings settings = json_settings();
    expect_with(&settings, columns, slice_of(text), expected);
}

static void test_json_reads_fields_in_any_order(void **state)
{
    (void)state;
    expect("n INT, s STRING",
           "{\"n\":1,\"s\":\"a\"}\n"
           "{\"s\":\"b\",\"n\":2}\n"
           " { \"x\" : [ 1 , {\"n\":9} ] ,\t\"s\" : \"c\" , \"n\" : 3 } \r\n"
           "{}\n"
           "\n   \n\r\n"
           "{\"n\":4,\"s\":\"d\"}",
           "+I[1, a]\n+I[2, b]\n+I[3, c]\n+I[null, null]\n+I[4, d]\n");
}

static void test_json_reads_only_needed_columns(void **state)
{
    (void)state;
    expect("-a INT, b INT, -c STRING, d STRING",
           "{\"a\":\"no number\",\"b\":1,\"c\":{\"d\":\"inner\"},\"d\":\"x\"}\n"
           "{\"a\":null,\"b\":2,\"c\":[],\"d\":\"y\"}\n",
           "+I[1, x]\n+I[2, y]\n");
    // No column at all, as COUNT(*) needs: rows are counted all the same.
    expect("-a INT", "{\"a\":1}\n{\"a\":2}\nx\n",
           "+I[]\n+I[]\n! the row is no JSON object: it does not begin with '{'\n");
}

static void test_json_last_of_duplicate_keys_wins(void **state)
{
    (void)state;
    expect("n INT", "{\"n\":1,\"n\":2}\n{\"n\":3,\"n\":4}\n{\"n\":5,\"n\":null}\n",
           "+I[2]\n+I[4]\n+I[null]\n");
}

static void test_json_decodes_strings(void **state)
{
    (void)state;
    expect("s STRING",
           "{\"s\":\"a\\\"b\\\\c\\/d\\be\\ff\\ng\\rh\\ti\"}\n"
           "{\"s\":\"\\u0041\\u00e9\\u20AC\\ud83d\\ude00\"}\n"
           "{\"s\":\"z\xC3\xBCri \xF0\x9F\x98\x80 and more than sixteen bytes of text, \\u263a\"}\n"
           "{\"\\u0073\":\"escaped key\"}\n"
           "{\"s\":\"raw\ttab\"}\n"
           "{\"s\":\"\"}\n",
           "+I[a\"b\\c/d\be\ff\ng\rh\ti]\n"
           "+I[A\xC3\xA9\xE2\x82\xAC\xF0\x9F\x98\x80]\n"
           "+I[z\xC3\xBCri \xF0\x9F\x98\x80 and more than sixteen bytes of text, \xE2\x98\xBA]\n"
           "+I[escaped key]\n+I[raw\ttab]\n+I[]\n");
}

static void test_json_refuses_broken_strings(void **state)
{
    (void)state;
    const char *surrogate = "! \\u in a string is followed by no character: it needs four hex "
                            "digits, and a surrogate its other half\n";
    static const char *const bad[] = {"\\ud800",        "\\udc00x", "\\ud800\\u0041",
                                      "\\ud83d\\ud83d", "\\u12",    "\\u12g4"};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct buf text = {0}, expected = {0};
        // A column that nobody needs makes its row as bad as a needed one.
        buf_printf(&text, "{\"s\":\"%s\"}\n{\"s\":\"ok\"}\n{\"t\":\"%s\"}\n", bad[i], bad[i]);
        buf_printf(&expected, "%s+I[ok]\n%s", surrogate, surrogate);
        expect("s STRING, -t STRING", buf_str(&text), buf_str(&expected));
        buf_fini(&text);
        buf_fini(&expected);
    }
    expect("s STRING", "{\"s\":\"\\x\"}\n{\"s\":\"open}\n{\"s\":\"\\",
           "! a backslash in a string is followed by no known escape\n"
           "! a string is not closed\n! a string is not closed\n");
    expect("s STRING",
           "{\"s\":\"\xff\"}\n{\"x\":\"\xC3\"}\n{\"\xED\xA0\x80\":1}\n{\"s\":\"\xC3\xA9\"}\n",
           "! a string is not valid UTF-8\n! a string is not valid UTF-8\n"
           "! a string is not valid UTF-8\n+I[\xC3\xA9]\n");
}

static void test_json_refuses_bad_bytes_beside_escapes(void **state)
{
    (void)state;
    expect("s STRING, -x INT", "{\"s\":\"\\n\xff\"}\n{\"x\":\"\xff\\n\"}\n{\"s\":\"\\\xC3\xBC\"}\n",
           "! a string is not valid UTF-8\n! a string is not valid UTF-8\n"
           "! a backslash in a string is followed by no known escape\n");
}

// One reader reads many files: what the end of one taught it must not be taken for a row's end.
static void test_json_shape_of_a_last_row_is_not_reused(void **state)
{
    (void)state;
    struct dump_settings settings = json_settings();
    struct dump_schema schema;
    struct reader *reader;
    struct batch batch;
    static struct reader_result result;
    dump_schema_init(&schema, "n INT");
    assert_int_equal(reader_create(&settings.options, &schema.schema, NULL, &reader, NULL), 0);
    batch_init(&batch, &schema.schema);
    reader_parse(reader, slice_of("{\"n\":1}\n{\"n\":2}"), true, &result, &batch);
    assert_int_equal(batch.count, 2);
    reader_parse(reader, slice_of("{\"n\":3} x\n{\"n\":4}\n"), true, &result, &batch);
    assert_int_equal(batch.count, 1);
    assert_int_equal(batch.columns[0].i64[0], 4);
    assert_int_equal(result.bad_row_count, 1);
    batch_fini(&batch);
    reader_free(reader);
}

static void test_json_reads_numbers_at_the_limits(void **state)
{
    (void)state;
    expect("i INT, b BIGINT",
           "{\"i\":2147483647,\"b\":9223372036854775807}\n"
           "{\"i\":-2147483648,\"b\":-9223372036854775808}\n"
           "{\"i\":0,\"b\":-0}\n{\"i\":1234567,\"b\":12345678}\n{\"i\":-9999999,\"b\":-99999999}\n",
           "+I[2147483647, 9223372036854775807]\n+I[-2147483648, -9223372036854775808]\n"
           "+I[0, 0]\n+I[1234567, 12345678]\n+I[-9999999, -99999999]\n");
    expect("i INT", "{\"i\":2147483648}\n{\"i\":-2147483649}\n{\"i\":3.99e9}\n{\"i\":1e400}\n",
           "! column \"i\": \"2147483648\" is no INT\n! column \"i\": \"-2147483649\" is no INT\n"
           "! column \"i\": \"3.99e9\" is no INT\n! column \"i\": \"1e400\" is no INT\n");
    expect("b BIGINT", "{\"b\":9223372036854775808}\n{\"b\":9.3e18}\n{\"b\":9.2e18}\n",
           "! column \"b\": \"9223372036854775808\" is no BIGINT\n"
           "! column \"b\": \"9.3e18\" is no BIGINT\n+I[9200000000000000000]\n");
    expect("d DOUBLE", "{\"d\":1e400}\n{\"d\":-1.5E-5}\n{\"d\":17}\n{\"d\":0.1}\n{\"d\":-0}\n",
           "+I[Infinity]\n+I[-1.5E-5]\n+I[17.0]\n+I[0.1]\n+I[-0.0]\n");
}

// As Flink 2.3: fractions are cut off, but not those of numbers in quotes.
static void test_json_converts_numbers_as_flink(void **state)
{
    (void)state;
    expect("i INT, b BIGINT",
           "{\"i\":12.7,\"b\":-0.9}\n{\"i\":-12.7,\"b\":1e3}\n{\"i\":3e0,\"b\":1.0}\n"
           "{\"i\":\"12\",\"b\":\" 13 \"}\n{\"i\":\"+5\",\"b\":\"-7\"}\n",
           "+I[12, 0]\n+I[-12, 1000]\n+I[3, 1]\n+I[12, 13]\n+I[5, -7]\n");
    expect("i INT",
           "{\"i\":\"12.7\"}\n{\"i\":\"\"}\n{\"i\":true}\n{\"i\":{\"a\":1}}\n{\"i\":[1]}\n",
           "! column \"i\": \"12.7\" is no INT\n! column \"i\": \"\" is no INT\n"
           "! column \"i\": \"true\" is no INT\n! column \"i\": \"{\"a\":1}\" is no INT\n"
           "! column \"i\": \"[1]\" is no INT\n");
    expect("d DOUBLE", "{\"d\":\"1.5\"}\n{\"d\":\"NaN\"}\n{\"d\":\"-Infinity\"}\n{\"d\":\"x\"}\n",
           "+I[1.5]\n+I[NaN]\n+I[-Infinity]\n! column \"d\": \"x\" is no DOUBLE\n");
}

static void test_json_refuses_malformed_numbers(void **state)
{
    (void)state;
    expect("n INT, -x INT",
           "{\"n\":007}\n{\"n\":-}\n{\"n\":1.}\n{\"n\":1e}\n{\"n\":+1}\n{\"n\":NaN}\n{\"n\":.5}\n"
           "{\"x\":01}\n{\"x\":1.e5}\n{\"n\":1x}\n{\"n\":0}\n",
           "! a number has a leading zero\n! a minus is followed by no digit\n"
           "! a decimal point is followed by no digit\n! an exponent has no digits\n"
           "! a value is no string, number, object, array, true, false or null\n"
           "! a value is no string, number, object, array, true, false or null\n"
           "! a value is no string, number, object, array, true, false or null\n"
           "! a number has a leading zero\n! a decimal point is followed by no digit\n"
           "! a value is followed by neither ',' nor '}'\n+I[0]\n");
}

static void test_json_converts_booleans_as_flink(void **state)
{
    (void)state;
    expect("o BOOLEAN",
           "{\"o\":true}\n{\"o\":false}\n{\"o\":null}\n{\"o\":\"TRUE\"}\n{\"o\":\" true \"}\n"
           "{\"o\":\"yes\"}\n{\"o\":1}\n{\"o\":{}}\n{\"o\":tru}\n",
           "+I[true]\n+I[false]\n+I[null]\n+I[true]\n+I[true]\n+I[false]\n+I[false]\n"
           "! column \"o\": \"{}\" is no BOOLEAN\n"
           "! a value is no string, number, object, array, true, false or null\n");
}

static void test_json_puts_any_value_into_a_string(void **state)
{
    (void)state;
    expect("s STRING",
           "{\"s\":12.70}\n{\"s\":true}\n{\"s\":null}\n{\"s\":{\"a\":[1,2]}}\n"
           "{\"s\": { \"a b\" : [ 1 , \"x \\\" y\" ] } }\n{\"s\":[ ]}\n",
           "+I[12.70]\n+I[true]\n+I[null]\n+I[{\"a\":[1,2]}]\n"
           "+I[{\"a b\":[1,\"x \\\" y\"]}]\n+I[[]]\n");
}

static void test_json_reads_times(void **state)
{
    (void)state;
    expect("t TIMESTAMP, l LTZ, d DATE, c TIME",
           "{\"t\":\"2024-01-01 00:00:01.234\",\"l\":\"2024-01-01 00:00:01Z\",\"d\":\"2024-02-29\","
           "\"c\":\"10:11:12.5\"}\n"
           "{\"t\":\"1902-01-01 00:00:00\",\"l\":\"2999-12-31 23:59:59.999Z\",\"d\":\"1902-01-01\","
           "\"c\":\"00:00:00\"}\n"
           "{\"t\":\"2024-01-01 00:00:01.123456789\"}\n",
           "+I[2024-01-01T00:00:01.234, 2024-01-01T00:00:01Z, 2024-02-29, 10:11:12.500]\n"
           "+I[1902-01-01T00:00, 2999-12-31T23:59:59.999Z, 1902-01-01, 00:00]\n"
           "+I[2024-01-01T00:00:01.123, null, null, null]\n");
    static const char *const bad[] = {"2024-01-01T00:00:01", "2023-02-29 00:00:00",
                                      "2024-01-01 24:00:00", " 2024-01-01 00:00:00",
                                      "2024-01-01",          ""};
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct buf text = {0}, expected = {0};
        buf_printf(&text, "{\"t\":\"%s\"}\n", bad[i]);
        buf_printf(&expected, "! column \"t\": \"%s\" is no TIMESTAMP\n", bad[i]);
        expect("t TIMESTAMP", buf_str(&text), buf_str(&expected));
        buf_fini(&text);
        buf_fini(&expected);
    }
    expect("t TIMESTAMP, l LTZ", "{\"t\":1700000000000}\n{\"l\":\"2024-01-01 00:00:00\"}\n",
           "! column \"t\": \"1700000000000\" is no TIMESTAMP\n"
           "! column \"l\": \"2024-01-01 00:00:00\" is no TIMESTAMP_LTZ\n");
}

static void test_json_reads_iso_timestamps_when_told(void **state)
{
    (void)state;
    struct dump_settings settings = json_settings();
    settings.options.json_timestamp = FORMAT_TIMESTAMP_ISO;
    expect_with(&settings, "t TIMESTAMP, l LTZ",
                slice_of("{\"t\":\"2024-01-01T00:00:01.5\",\"l\":\"2024-01-01T00:00Z\"}\n"
                         "{\"t\":\"2024-01-01 00:00:01\"}\n"),
                "+I[2024-01-01T00:00:01.500, 2024-01-01T00:00:00Z]\n"
                "! column \"t\": \"2024-01-01 00:00:01\" is no TIMESTAMP\n");
}

static void test_json_refuses_what_is_no_object_a_line(void **state)
{
    (void)state;
    expect("n INT",
           "{\"n\":1} x\n{\"n\":2}{\"n\":3}\nnull\n[1]\n\"s\"\n{\"n\":4,}\n{\"n\":5\n{\"n\" 6}\n"
           "{,}\n{\"n\"\n{n:1}\n{\"n\":}\n{\"n\":[1}\n{\"n\":{\"a\"}}\n{\"n\":{\"a\":1,}}\n{\"n\":"
           "7}\n",
           "! text follows the row's object on its line\n"
           "! text follows the row's object on its line\n"
           "! the row is no JSON object: it does not begin with '{'\n"
           "! the row is no JSON object: it does not begin with '{'\n"
           "! the row is no JSON object: it does not begin with '{'\n"
           "! a key in quotes is missing\n"
           "! the row is cut off: its object is not closed\n"
           "! the key \"n\" is not followed by ':'\n"
           "! a key in quotes is missing\n"
           "! the key \"n\" is not followed by ':'\n"
           "! a key in quotes is missing\n"
           "! a value is no string, number, object, array, true, false or null\n"
           "! a nested object or array lacks ',' or its end\n"
           "! a key in a nested object is not followed by ':'\n"
           "! a key in a nested object is missing\n"
           "+I[7]\n");
    // Binary rubbish, with NULs and without a line's end.
    struct dump_settings settings = json_settings();
    expect_with(&settings, "n INT", slice_make("\0\1{\0\n{\"n\":1}\n{\"n\":\0}", 20),
                "! the row is no JSON object: it does not begin with '{'\n+I[1]\n"
                "! a value is no string, number, object, array, true, false or null\n");
}

static void test_json_missing_field_is_null_or_an_error(void **state)
{
    (void)state;
    struct dump_settings settings = json_settings();
    const char *text = "{\"a\":1,\"b\":2}\n{\"a\":3}\n{\"a\":null,\"b\":null}\n{\"b\":4,\"a\":5}\n";
    expect_with(&settings, "a INT, b INT, -c INT", slice_of(text),
                "+I[1, 2]\n+I[3, null]\n+I[null, null]\n+I[5, 4]\n");
    settings.options.json_fail_on_missing_field = true;
    expect_with(&settings, "a INT, b INT, -c INT", slice_of(text),
                "+I[1, 2]\n! the field \"b\" is missing\n+I[null, null]\n+I[5, 4]\n");
}

static void test_json_ignored_errors_make_null_fields(void **state)
{
    (void)state;
    struct dump_settings settings = json_settings();
    settings.options.ignore_parse_errors = true;
    expect_with(&settings, "i INT, t TIMESTAMP, d DOUBLE, o BOOLEAN",
                slice_of("{\"i\":\"x\",\"t\":\"y\",\"d\":{},\"o\":[]}\n{\"i\":1,\"i\":\"x\"}\nx\n"
                         "{\"i\":2,\"t\":\"2024-01-01 00:00:00\"}\n"),
                "+I[null, null, null, null]\n+I[null, null, null, null]\n"
                "! the row is no JSON object: it does not begin with '{'\n"
                "+I[2, 2024-01-01T00:00, null, null]\n");
}

static void test_json_nesting_has_a_limit(void **state)
{
    (void)state;
    for (int depth = 998; depth <= 1000; depth++) {
        struct buf text = {0};
        buf_append_str(&text, "{\"x\":");
        for (int i = 0; i < depth; i++)
            buf_append_str(&text, i % 2 ? "[" : "{\"k\":");
        buf_append_char(&text, '1');
        for (int i = depth - 1; i >= 0; i--)
            buf_append_char(&text, i % 2 ? ']' : '}');
        buf_append_str(&text, ",\"n\":1}\n{\"n\":2}\n");
        expect("n INT", buf_str(&text),
               depth <= 999 ? "+I[1]\n+I[2]\n"
                            : "! objects and arrays are nested more than 1000 deep\n+I[2]\n");
        buf_fini(&text);
    }
}

static void test_json_overlong_rows_are_bad_and_skipped(void **state)
{
    (void)state;
    struct dump_settings settings = json_settings();
    settings.row_max = 20;
    expect_with(&settings, "s STRING",
                slice_of("{\"s\":\"0123456789AB\"}\n"  // 20 bytes
                         "{\"s\":\"0123456789ABC\"}\n" // 21 bytes
                         "{\"s\":\"ok\"}\n"
                         "{\"s\":\"0123456789 and a lot more of it, and a lot more\"}\n"
                         "{\"s\":\"ok too\"}\n"
                         "{\"s\":\"a last row without a line's end"),
                "+I[0123456789AB]\n! the row is longer than 20 bytes\n+I[ok]\n"
                "! the row is longer than 20 bytes\n+I[ok too]\n"
                "! the row is longer than 20 bytes\n");
}

static void test_json_reads_a_row_of_ten_megabytes(void **state)
{
    (void)state;
    struct dump_settings settings = json_settings();
    struct dump_schema schema;
    struct buf text = {0}, out = {0};
    size_t length = 10u << 20;
    buf_append_str(&text, "{\"n\":1,\"s\":\"");
    memset(buf_reserve(&text, length), 'x', length);
    text.len += length;
    buf_append_str(&text, "\"}\n{\"n\":2,\"s\":\"y\"}\n");
    dump_schema_init(&schema, "n INT, s STRING");
    settings.piece = 1 << 20;
    dump_text(&settings, &schema, buf_slice(&text), &out);
    assert_int_equal(out.len, strlen("+I[1, ]\n+I[2, y]\n") + length);
    assert_string_equal(buf_str(&out) + out.len - 10, "\n+I[2, y]\n");
    buf_fini(&text);
    buf_fini(&out);
}

static void test_json_many_bad_rows_take_many_calls(void **state)
{
    (void)state;
    struct dump_settings settings = json_settings();
    struct buf text = {0}, expected = {0};
    for (int i = 0; i < 3 * READER_BAD_ROWS; i++) {
        buf_printf(&text, "{\"n\":%d}\nx\n", i);
        buf_printf(&expected, "+I[%d]\n! the row is no JSON object: it does not begin with '{'\n",
                   i);
    }
    expect_with(&settings, "n INT", buf_slice(&text), buf_str(&expected));
    buf_fini(&text);
    buf_fini(&expected);
}

static void test_json_wide_rows_and_long_keys(void **state)
{
    (void)state;
    struct buf text = {0};
    for (int row = 0; row < 3; row++) {
        for (int i = 0; i < 400; i++) // more fields than a shape holds
            buf_printf(&text, "%c\"key_number_%d\":%d", i ? ',' : '{', i, row);
        buf_printf(&text, ",\"n\":%d}\n", row);
        buf_append_str(&text, "{\"");
        for (int i = 0; i < 700; i++)
            buf_append_str(&text, "longer");
        buf_printf(&text, "\":\"n\",\"n\":%d}\n", -row);
    }
    expect("n INT", buf_str(&text), "+I[0]\n+I[0]\n+I[1]\n+I[-1]\n+I[2]\n+I[-2]\n");
    buf_fini(&text);
}

// --- random rows: every way of reading says the same ---

static unsigned pick(uint64_t *random, unsigned below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*random >> 33) % below;
}

static const char *pick_value(uint64_t *random)
{
    static const char *const values[] = {"1",
                                         "-17",
                                         "1234567",
                                         "12345678",
                                         "123456789012345678901234567890",
                                         "1.5",
                                         "1e3",
                                         "007",
                                         "\"a\"",
                                         "\"\"",
                                         "\"exactly 16 bytes\"",
                                         "\"a string that is longer than 32 bytes in all\"",
                                         "\"a\\nb\"",
                                         "\"\\ud83d\\ude00\"",
                                         "\"\\ud83d\"",
                                         "\"z\xC3\xBCrich\"",
                                         "\"bad \xff byte\"",
                                         "\"2024-01-01 00:00:01.234\"",
                                         "\"2024-01-01 00:00:01\"",
                                         "\"1902-05-31 23:59:59\"",
                                         "true",
                                         "false",
                                         "null",
                                         "nul",
                                         "{}",
                                         "[]",
                                         "{\"a\":[1,{\"b\":\"c\"}],\"d\":null}",
                                         "[ 1 , 2 ]",
                                         "[1,]",
                                         "",
                                         "\"open"};
    return values[pick(random, ARRAY_SIZE(values))];
}

// One row: mostly of one shape, sometimes of another, sometimes damaged.
static void random_row(uint64_t *random, struct buf *out)
{
    static const char *const keys[] = {"n",      "s", "t", "d", "x", "long_key_of_many_bytes",
                                       "\\u006e"};
    unsigned first = pick(random, 8) ? 0 : pick(random, 4);
    unsigned count = pick(random, 8) ? 5 : pick(random, 7);
    const char *space = pick(random, 16) ? "" : " \t";
    size_t start = out->len;
    for (unsigned i = 0; i < count; i++) {
        const char *key = keys[(first + i) % ARRAY_SIZE(keys)];
        const char *plain = i == 2 ? "\"2024-01-01 00:00:01.234\"" : i == 1 ? "\"text\"" : "42";
        buf_printf(out, "%s%s\"%s\":%s%s", i ? "," : "{", space, key, space,
                   pick(random, 6) ? plain : pick_value(random));
    }
    buf_append_str(out, count ? "}" : "{}");
    if (pick(random, 12) == 0)
        out->data[start + pick(random, (unsigned)(out->len - start))] = (char)pick(random, 256);
    buf_append_str(out, pick(random, 20) ? "\n" : "\r\n");
}

static void test_json_every_way_says_the_same(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL), random = seed;
    struct dump_schema schema;
    struct buf text = {0}, out = {0};
    printf("seed %llu\n", (unsigned long long)seed);
    dump_schema_init(&schema, "n INT, s STRING, t TIMESTAMP, d DOUBLE, -unneeded INT");
    for (int round = 0; round < 300; round++) {
        struct dump_settings settings = json_settings();
        settings.piece = pick(&random, 3) ? 1 + pick(&random, 300) : 0;
        settings.rows = pick(&random, 2) ? 1 + pick(&random, 9) : 0;
        settings.row_max = pick(&random, 4) ? 0 : 40 + pick(&random, 100);
        settings.options.ignore_parse_errors = pick(&random, 2);
        settings.options.json_fail_on_missing_field = pick(&random, 2);
        buf_clear(&text);
        for (unsigned rows = pick(&random, 30); rows > 0; rows--)
            random_row(&random, &text);
        if (text.len && pick(&random, 4) == 0)
            text.len -= pick(&random, (unsigned)text.len); // cut off anywhere
        buf_clear(&out);
        if (!dump_all_ways(&settings, &schema, buf_slice(&text), &out))
            print_error("%s%s", buf_str(&text), buf_str(&out));
        if (out.len)
            fail_msg("seed %llu round %d", (unsigned long long)seed, round);
    }
    buf_fini(&text);
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_json_reads_fields_in_any_order),
        cmocka_unit_test(test_json_reads_only_needed_columns),
        cmocka_unit_test(test_json_last_of_duplicate_keys_wins),
        cmocka_unit_test(test_json_decodes_strings),
        cmocka_unit_test(test_json_refuses_broken_strings),
        cmocka_unit_test(test_json_refuses_bad_bytes_beside_escapes),
        cmocka_unit_test(test_json_shape_of_a_last_row_is_not_reused),
        cmocka_unit_test(test_json_reads_numbers_at_the_limits),
        cmocka_unit_test(test_json_converts_numbers_as_flink),
        cmocka_unit_test(test_json_refuses_malformed_numbers),
        cmocka_unit_test(test_json_converts_booleans_as_flink),
        cmocka_unit_test(test_json_puts_any_value_into_a_string),
        cmocka_unit_test(test_json_reads_times),
        cmocka_unit_test(test_json_reads_iso_timestamps_when_told),
        cmocka_unit_test(test_json_refuses_what_is_no_object_a_line),
        cmocka_unit_test(test_json_missing_field_is_null_or_an_error),
        cmocka_unit_test(test_json_ignored_errors_make_null_fields),
        cmocka_unit_test(test_json_nesting_has_a_limit),
        cmocka_unit_test(test_json_overlong_rows_are_bad_and_skipped),
        cmocka_unit_test(test_json_reads_a_row_of_ten_megabytes),
        cmocka_unit_test(test_json_many_bad_rows_take_many_calls),
        cmocka_unit_test(test_json_wide_rows_and_long_keys),
        cmocka_unit_test(test_json_every_way_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
