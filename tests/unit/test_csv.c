// Reading CSV: RFC 4180 and Flink's options, and that every way of reading says the same, however
// the bytes are cut into pieces.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/format_expect.h"

static struct dump_settings csv_settings(void)
{
    struct dump_settings settings = {0};
    format_options_default(FORMAT_CSV, &settings.options);
    return settings;
}

static void expect(const char *columns, const char *text, const char *expected)
{
    struct dump_settings settings = csv_settings();
    expect_with(&settings, columns, slice_of(text), expected);
}

static void test_csv_reads_plain_rows(void **state)
{
    (void)state;
    expect("n INT, s STRING, d DOUBLE", "1,a,1.5\r\n2,b c,-2\n\n\r\n3, d ,1e3",
           "+I[1, a, 1.5]\n+I[2, b c, -2.0]\n+I[3,  d , 1000.0]\n");
    expect("-n INT, s STRING, -x INT", "x,a,\ny,b,z\n", "+I[a]\n+I[b]\n");
    expect("-n INT", "1\n2\n", "+I[]\n+I[]\n");
}

static void test_csv_reads_quoted_fields(void **state)
{
    (void)state;
    expect(
        "n INT, s STRING",
        "1,\"a,b\"\n2,\"say \"\"hi\"\"\"\n3,\"two\nlines\"\r\n\"4\",\"\"\n5,\"x\" \t\n6,\"\"\"\"\n"
        "7,\"a quoted text of more than thirty-two bytes, with a comma\"",
        "+I[1, a,b]\n+I[2, say \"hi\"]\n+I[3, two\nlines]\n+I[4, ]\n+I[5, x]\n+I[6, \"]\n"
        "+I[7, a quoted text of more than thirty-two bytes, with a comma]\n");
    // A quote counts at the start of a field only.
    expect("n INT, s STRING", "1,ab\"c\n2, \"x\"\n", "+I[1, ab\"c]\n+I[2,  \"x\"]\n");
}

static void test_csv_broken_quotes_cost_their_line_only(void **state)
{
    (void)state;
    expect("n INT, s STRING", "1,\"tail\"x\n2,b\n3,\"two\nlines\"y,\n4,d\n",
           "! field 2: the closing quote is followed by \"x\"\n+I[2, b]\n"
           "! field 2: the closing quote is followed by \"y\"\n+I[4, d]\n");
    expect("n INT, s STRING", "1,a\n2,\"never closed\n3,c\n4,d\n",
           "+I[1, a]\n! field 2: its quote is not closed\n+I[3, c]\n+I[4, d]\n");
}

static void test_csv_endless_quote_ends_with_its_line(void **state)
{
    (void)state;
    struct dump_settings settings = csv_settings();
    settings.row_max = 24;
    expect_with(&settings, "n INT, s STRING",
                slice_of("1,\"open\n2,b\n3,c\n4,d\n5,e\n6,f\n7,g\n8,h\n"),
                "! a quote is not closed within 24 bytes\n+I[2, b]\n+I[3, c]\n+I[4, d]\n+I[5, e]\n"
                "+I[6, f]\n+I[7, g]\n+I[8, h]\n");
}

static void test_csv_overlong_rows_are_bad_and_skipped(void **state)
{
    (void)state;
    struct dump_settings settings = csv_settings();
    settings.row_max = 10;
    settings.options.csv_allow_comments = true;
    expect_with(&settings, "n INT, s STRING",
                slice_of("1,12345678\n2,123456789\n3,c\n4,\"and a quoted one that is long\"\n5,e\n"
                         "6,\"x\"and text behind it\n7,g\n8,h and no line's end"),
                "+I[1, 12345678]\n! the row is longer than 10 bytes\n+I[3, c]\n"
                "! the row is longer than 10 bytes\n+I[5, e]\n"
                "! the row is longer than 10 bytes\n+I[7, g]\n! the row is longer than 10 bytes\n");
}

static void test_csv_counts_fields(void **state)
{
    (void)state;
    // One delimiter more at the end is taken, as by Flink.
    expect("n INT, s STRING", "1\n2,b,c\n3,c,\n4,d,\"\"\n5,e\n",
           "! the row has 1 fields, the table has 2\n! the row has more than 2 fields\n+I[3, c]\n"
           "! the row has more than 2 fields\n+I[5, e]\n");
    struct dump_settings settings = csv_settings();
    settings.options.ignore_parse_errors = true;
    expect_with(&settings, "n INT, s STRING", slice_of("1\n2,b,c\nx,d\n"),
                "+I[1, null]\n! the row has more than 2 fields\n+I[null, d]\n");
}

static void test_csv_empty_fields(void **state)
{
    (void)state;
    // Empty is NULL, but an empty string in a STRING column.
    expect("i INT, d DOUBLE, o BOOLEAN, t TIMESTAMP, s STRING", ",,,,\n\"\", , ,  ,\"\"\n",
           "+I[null, null, null, null, ]\n+I[null, null, null, null, ]\n");
}

static void test_csv_converts_as_flink(void **state)
{
    (void)state;
    expect("i INT, o BOOLEAN, d DOUBLE", " 12 , TRUE ,NaN\n+1,yes,-1.5e3\n\"13\",1,0\n",
           "+I[12, true, NaN]\n+I[1, false, -1500.0]\n+I[13, false, 0.0]\n");
    expect("i INT", "12.7\n1e3\n2147483648\nx\n",
           "! column \"i\": \"12.7\" is no INT\n! column \"i\": \"1e3\" is no INT\n"
           "! column \"i\": \"2147483648\" is no INT\n! column \"i\": \"x\" is no INT\n");
    expect("t TIMESTAMP, l LTZ", " 2024-01-01 00:00:01.5 , 2024-01-01 00:00:01Z \n",
           "+I[2024-01-01T00:00:01.500, 2024-01-01T00:00:01Z]\n");
    expect("d DATE, c TIME", "2024-01-01,10:11:12\n2024-2-9,10:11\n2024-12-9,10:11:12.5\n",
           "+I[2024-01-01, 10:11:12]\n+I[2024-02-09, 10:11]\n+I[2024-12-09, 10:11:12.500]\n");
    expect("d DATE", "2023-02-29\n2024-1\n2024-1-\n2024-123-1\n2024-1-1x\n 2024-01-01\n24-1-1\n",
           "! column \"d\": \"2023-02-29\" is no DATE\n! column \"d\": \"2024-1\" is no DATE\n"
           "! column \"d\": \"2024-1-\" is no DATE\n! column \"d\": \"2024-123-1\" is no DATE\n"
           "! column \"d\": \"2024-1-1x\" is no DATE\n! column \"d\": \" 2024-01-01\" is no DATE\n"
           "! column \"d\": \"24-1-1\" is no DATE\n");
}

static void test_csv_refuses_invalid_utf8(void **state)
{
    (void)state;
    expect("n INT, s STRING, -x STRING",
           "1,z\xC3\xBCri,\n2,\xff,\n3,\"\xC3\",\n4,d,\xED\xA0\x80\n5,\"q\xC3\xBC\"\"\",\n",
           "+I[1, z\xC3\xBCri]\n! field 2: not valid UTF-8\n! field 2: not valid UTF-8\n"
           "! field 3: not valid UTF-8\n+I[5, q\xC3\xBC\"]\n");
    expect("n INT",
           "\xEF\xBB\xBF"
           "1\n2\n",
           "+I[1]\n+I[2]\n");
}

static void test_csv_null_literal(void **state)
{
    (void)state;
    struct dump_settings settings = csv_settings();
    settings.options.csv_has_null_literal = true;
    memcpy(settings.options.csv_null_literal, "\\N", 3);
    expect_with(&settings, "i INT, s STRING", slice_of("\\N,\\N\n1,\"\\N\"\n2,\\Nx\n,\n"),
                "+I[null, null]\n+I[1, null]\n+I[2, \\Nx]\n+I[null, ]\n");
    settings.options.csv_null_literal[0] = 0;
    expect_with(&settings, "i INT, s STRING", slice_of("1,\n2,\"\"\n"),
                "+I[1, null]\n+I[2, null]\n");
}

static void test_csv_escape_character(void **state)
{
    (void)state;
    struct dump_settings settings = csv_settings();
    settings.options.csv_escape = '\\';
    expect_with(
        &settings, "n INT, s STRING",
        slice_of("1,a\\,b\n2,\"say \\\"hi\\\"\"\n3,a\\nb\\tc\\\\d\n4,line\\\nend\n5,\"a\"\"b\"\n"
                 "6,x\\\r\n7,y\r\n8,\\\xC3\xBC\n9,\"\\\xC3\xBC\"\n\\1\\0,a\n"),
        "+I[1, a,b]\n+I[2, say \"hi\"]\n+I[3, a\nb\tc\\d]\n+I[4, line\nend]\n+I[5, a\"b]\n"
        "+I[6, x\r]\n+I[7, y]\n+I[8, \xC3\xBC]\n+I[9, \xC3\xBC]\n"
        "+I[1, a]\n");
    expect_with(&settings, "s STRING", slice_of("a\\"), "+I[a\\]\n");
}

static void test_csv_delimiter_quote_and_comments(void **state)
{
    (void)state;
    struct dump_settings settings = csv_settings();
    settings.options.csv_delimiter = ';';
    settings.options.csv_quote = '\'';
    settings.options.csv_allow_comments = true;
    expect_with(&settings, "n INT, s STRING",
                slice_of("# a comment, \"with anything;\n1;'a;''b'\n#\n2;\"x\"\n3;#c\n#last"),
                "+I[1, a;'b]\n+I[2, \"x\"]\n+I[3, #c]\n");
    settings.options.csv_quote = -1;
    settings.options.csv_delimiter = '\t';
    settings.options.csv_allow_comments = false;
    expect_with(&settings, "s STRING, r STRING", slice_of("\"a\t\"b\"\n#x\t\n\xff\t\n"),
                "+I[\"a, \"b\"]\n+I[#x, ]\n! field 1: not valid UTF-8\n");
}

static void test_csv_many_bad_rows_take_many_calls(void **state)
{
    (void)state;
    struct buf text = {0}, expected = {0};
    for (int i = 0; i < 3 * READER_BAD_ROWS; i++) {
        buf_printf(&text, "%d\nx\n", i);
        buf_printf(&expected, "+I[%d]\n! column \"n\": \"x\" is no INT\n", i);
    }
    expect("n INT", buf_str(&text), buf_str(&expected));
    buf_fini(&text);
    buf_fini(&expected);
}

// --- random rows ---

static unsigned pick(uint64_t *random, unsigned below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*random >> 33) % below;
}

static void random_rows(uint64_t *random, struct buf *out)
{
    static const char *const fields[] = {
        "1",
        "-17",
        "12345678901234567890",
        "x",
        "",
        " ",
        "\"a\"",
        "\"a,b\"",
        "\"a\"\"b\"",
        "\"a\nb\"",
        "\"open",
        "\"a\"x",
        "z\xC3\xBCrich",
        "\xff",
        "a\\,b",
        "a\\",
        "\"a\\\"b\"",
        "\\N",
        "#",
        "a\rb",
        "2024-01-01 00:00:01.234",
        "1.5e3",
        "a text that is longer than thirty-two bytes in all",
        "\"a quoted text that is longer than thirty-two bytes in all\""};
    for (unsigned rows = pick(random, 30); rows > 0; rows--) {
        unsigned count = pick(random, 8) ? 4 : pick(random, 7);
        for (unsigned i = 0; i < count; i++) {
            const char *usual = i == 1 ? "text" : i == 2 ? "2024-01-01 00:00:00" : "42";
            const char *field = pick(random, 5) ? usual : fields[pick(random, ARRAY_SIZE(fields))];
            buf_printf(out, "%s%s", i ? "," : "", field);
        }
        buf_append_str(out, pick(random, 10) ? "\n" : "\r\n");
        if (pick(random, 12) == 0)
            out->data[pick(random, (unsigned)out->len)] = (char)pick(random, 256);
    }
}

static void test_csv_every_way_says_the_same(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL), random = seed;
    struct dump_schema schema;
    struct buf text = {0}, out = {0};
    printf("seed %llu\n", (unsigned long long)seed);
    dump_schema_init(&schema, "n INT, s STRING, t TIMESTAMP, -x STRING");
    for (int round = 0; round < 300; round++) {
        struct dump_settings settings = csv_settings();
        settings.piece = pick(&random, 3) ? 1 + pick(&random, 200) : 0;
        settings.rows = pick(&random, 2) ? 1 + pick(&random, 9) : 0;
        settings.row_max = pick(&random, 3) ? 0 : 10 + pick(&random, 90);
        settings.options.ignore_parse_errors = pick(&random, 2);
        settings.options.csv_escape = pick(&random, 2) ? '\\' : -1;
        settings.options.csv_quote = pick(&random, 4) ? '"' : -1;
        settings.options.csv_allow_comments = pick(&random, 2);
        settings.options.csv_has_null_literal = pick(&random, 2);
        memcpy(settings.options.csv_null_literal, "\\N", 3);
        buf_clear(&text);
        random_rows(&random, &text);
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
        cmocka_unit_test(test_csv_reads_plain_rows),
        cmocka_unit_test(test_csv_reads_quoted_fields),
        cmocka_unit_test(test_csv_broken_quotes_cost_their_line_only),
        cmocka_unit_test(test_csv_endless_quote_ends_with_its_line),
        cmocka_unit_test(test_csv_overlong_rows_are_bad_and_skipped),
        cmocka_unit_test(test_csv_counts_fields),
        cmocka_unit_test(test_csv_empty_fields),
        cmocka_unit_test(test_csv_converts_as_flink),
        cmocka_unit_test(test_csv_refuses_invalid_utf8),
        cmocka_unit_test(test_csv_null_literal),
        cmocka_unit_test(test_csv_escape_character),
        cmocka_unit_test(test_csv_delimiter_quote_and_comments),
        cmocka_unit_test(test_csv_many_bad_rows_take_many_calls),
        cmocka_unit_test(test_csv_every_way_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
