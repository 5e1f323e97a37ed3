// Writing: the lines of Flink's json, csv, debezium-json and print sinks, as Flink 2.3 wrote them.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "tests/unit/format_dump.h"

#define ALL_TYPES                                                                                  \
    "a STRING, i INT, b BIGINT, d DOUBLE, o BOOLEAN, t TIMESTAMP, l LTZ, day DATE, c TIME"

// The rows that the JSON texts describe, as a writer's input.
struct rows {
    struct dump_schema schema;
    struct reader *reader;
    struct batch batch;
    struct buf text;
};

static void rows_init(struct rows *rows, const char *columns, const char *json)
{
    struct format_options options;
    static struct reader_result result;
    format_options_default(FORMAT_JSON, &options);
    *rows = (struct rows){0};
    dump_schema_init(&rows->schema, columns);
    buf_append_str(&rows->text, json);
    batch_init(&rows->batch, &rows->schema.schema);
    assert_int_equal(reader_create(&options, &rows->schema.schema, NULL, &rows->reader, NULL), 0);
    reader_parse(rows->reader, buf_slice(&rows->text), true, &result, &rows->batch);
    assert_int_equal(result.bad_row_count, 0);
}

static void rows_fini(struct rows *rows)
{
    reader_free(rows->reader);
    batch_fini(&rows->batch);
    buf_fini(&rows->text);
}

static struct format_options options_of(enum format_kind kind)
{
    struct format_options options;
    format_options_default(kind, &options);
    return options;
}

static void expect(const struct format_options *options, struct rows *rows, const char *expected)
{
    struct writer *writer;
    struct buf out = {0};
    assert_int_equal(writer_create(options, &rows->schema.schema, &writer, NULL), 0);
    writer_append(writer, &rows->batch, &out);
    assert_string_equal(buf_str(&out), expected);
    writer_free(writer);
    buf_fini(&out);
}

static void expect_text(const struct format_options *options, const char *text,
                        const char *expected)
{
    struct rows rows;
    rows_init(&rows, "s STRING", "{}");
    rows.batch.columns[0].str[0] = slice_of(text);
    rows.batch.columns[0].state[0] = VALUE_PRESENT;
    expect(options, &rows, expected);
    rows_fini(&rows);
}

static const char all_types[] =
    "{\"a\":\"plain\",\"i\":1,\"b\":-2,\"d\":1.5,\"o\":true,\"t\":\"2024-01-01 00:00:01.230\","
    "\"l\":\"2024-01-01 00:00:00Z\",\"day\":\"1902-01-01\",\"c\":\"10:11:12\"}\n"
    "{\"a\":\"\",\"i\":0,\"b\":0,\"d\":1e10,\"o\":false,\"t\":\"1969-12-31 23:59:59.999\","
    "\"l\":\"2024-01-01 00:00:01.5Z\",\"day\":\"2024-01-01\",\"c\":\"10:00:00.5\"}\n"
    "{}\n";

static void test_writer_json(void **state)
{
    (void)state;
    struct rows rows;
    struct format_options options = options_of(FORMAT_JSON);
    rows_init(&rows, ALL_TYPES, all_types);
    expect(
        &options, &rows,
        "{\"a\":\"plain\",\"i\":1,\"b\":-2,\"d\":1.5,\"o\":true,\"t\":\"2024-01-01 00:00:01.23\","
        "\"l\":\"2024-01-01 00:00:00Z\",\"day\":\"1902-01-01\",\"c\":\"10:11:12\"}\n"
        "{\"a\":\"\",\"i\":0,\"b\":0,\"d\":1.0E10,\"o\":false,\"t\":\"1969-12-31 23:59:59.999\","
        "\"l\":\"2024-01-01 00:00:01.5Z\",\"day\":\"2024-01-01\",\"c\":\"10:00:00.5\"}\n"
        "{\"a\":null,\"i\":null,\"b\":null,\"d\":null,\"o\":null,\"t\":null,\"l\":null,"
        "\"day\":null,\"c\":null}\n");
    rows_fini(&rows);
}

static void test_writer_json_options(void **state)
{
    (void)state;
    struct rows rows;
    struct format_options options = options_of(FORMAT_JSON);
    options.json_timestamp = FORMAT_TIMESTAMP_ISO;
    options.json_ignore_null_fields = true;
    rows_init(&rows, "x INT, t TIMESTAMP, l LTZ",
              "{\"t\":\"2024-01-01 00:00:00\",\"l\":\"2024-01-01 00:00:01.5Z\"}\n{}\n{\"x\":1}\n");
    expect(&options, &rows,
           "{\"t\":\"2024-01-01T00:00:00\",\"l\":\"2024-01-01T00:00:01.5Z\"}\n{}\n{\"x\":1}\n");
    rows_fini(&rows);
}

static void test_writer_json_strings_and_odd_doubles(void **state)
{
    (void)state;
    struct rows rows;
    struct format_options options = options_of(FORMAT_JSON);
    expect_text(&options, "q\"b\\/\n\t\x01\x7f", "{\"s\":\"q\\\"b\\\\/\\n\\t\\u0001\x7f\"}\n");
    expect_text(&options, "z\xC3\xBCri \xF0\x9F\x98\x80",
                "{\"s\":\"z\xC3\xBCri \xF0\x9F\x98\x80\"}\n");
    rows_init(&rows, "d\"q DOUBLE", "{\"d\\\"q\":\"NaN\"}\n{\"d\\\"q\":\"-Infinity\"}\n");
    expect(&options, &rows, "{\"d\\\"q\":\"NaN\"}\n{\"d\\\"q\":\"-Infinity\"}\n");
    rows_fini(&rows);
}

static void test_writer_debezium(void **state)
{
    (void)state;
    struct rows rows;
    struct format_options options = options_of(FORMAT_DEBEZIUM_JSON);
    rows_init(
        &rows, "k STRING, n INT",
        "{\"k\":\"a\",\"n\":1}\n{\"k\":\"a\",\"n\":1}\n{\"k\":\"a\",\"n\":2}\n{\"k\":null}\n");
    for (uint8_t i = 0; i < 4; i++)
        rows.batch.kinds[i] = i;
    rows.batch.has_kinds = true;
    expect(&options, &rows,
           "{\"before\":null,\"after\":{\"k\":\"a\",\"n\":1},\"op\":\"c\"}\n"
           "{\"before\":{\"k\":\"a\",\"n\":1},\"after\":null,\"op\":\"d\"}\n"
           "{\"before\":null,\"after\":{\"k\":\"a\",\"n\":2},\"op\":\"c\"}\n"
           "{\"before\":{\"k\":null,\"n\":null},\"after\":null,\"op\":\"d\"}\n");
    rows_fini(&rows);
}

static void test_writer_csv(void **state)
{
    (void)state;
    struct rows rows;
    struct format_options options = options_of(FORMAT_CSV);
    rows_init(&rows, ALL_TYPES, all_types);
    expect(&options, &rows,
           "plain,1,-2,1.5,true,\"2024-01-01 00:00:01.23\",\"2024-01-01 00:00:00Z\",1902-01-01,"
           "10:11:12\n"
           ",0,0,1.0E10,false,\"1969-12-31 23:59:59.999\",\"2024-01-01 00:00:01.5Z\",2024-01-01,"
           "10:00:00.5\n"
           ",,,,,,,,\n");
    options.csv_has_null_literal = true;
    memcpy(options.csv_null_literal, "NULL", 5);
    options.csv_quote = -1;
    options.csv_delimiter = '|';
    expect(
        &options, &rows,
        "plain|1|-2|1.5|true|2024-01-01 00:00:01.23|2024-01-01 00:00:00Z|1902-01-01|10:11:12\n"
        "|0|0|1.0E10|false|1969-12-31 23:59:59.999|2024-01-01 00:00:01.5Z|2024-01-01|10:00:00.5\n"
        "NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL|NULL\n");
    rows_fini(&rows);
}

static void test_writer_csv_quotes_as_jackson(void **state)
{
    (void)state;
    static const char *const quoted[] = {"a,b",
                                         " lead",
                                         "it's",
                                         "+1",
                                         "tab\tx",
                                         "new\nline",
                                         "#c",
                                         "back\\slash",
                                         "CR\r",
                                         "\x01",
                                         "25charsABCDEFGHIJKLMNOPQR"};
    static const char *const bare[] = {
        "plain",           "a|b", "a:b", "a;b", "NULL", "", "24charsABCDEFGHIJKLMNOPQ", "a-b",
        "\xC3\xBC\xC3\xBC"};
    struct format_options options = options_of(FORMAT_CSV);
    char line[128];
    for (size_t i = 0; i < ARRAY_SIZE(quoted); i++) {
        snprintf(line, sizeof(line), "\"%s\"\n", quoted[i]);
        expect_text(&options, quoted[i], line);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bare); i++) {
        snprintf(line, sizeof(line), "%s\n", bare[i]);
        expect_text(&options, bare[i], line);
    }
    expect_text(&options, "q\"q", "\"q\"\"q\"\n");
    // Twelve characters beyond U+FFFF are 24 UTF-16 units, thirteen are too many.
    struct buf smileys = {0};
    for (int i = 0; i < 12; i++)
        buf_append_str(&smileys, "\xF0\x9F\x98\x80");
    snprintf(line, sizeof(line), "%s\n", buf_str(&smileys));
    expect_text(&options, buf_str(&smileys), line);
    buf_append_str(&smileys, "\xF0\x9F\x98\x80");
    snprintf(line, sizeof(line), "\"%s\"\n", buf_str(&smileys));
    expect_text(&options, buf_str(&smileys), line);
    buf_fini(&smileys);
    options.csv_escape = '\\';
    expect_text(&options, "back\\slash", "\"back\\\\slash\"\n");
    options.csv_delimiter = ';';
    expect_text(&options, "1902", "\"1902\"\n");
}

static void test_writer_prints_as_java(void **state)
{
    (void)state;
    struct rows rows;
    struct buf out = {0};
    rows_init(&rows, ALL_TYPES, all_types);
    rows.batch.kinds[1] = ROW_UPDATE_BEFORE;
    rows.batch.kinds[2] = ROW_DELETE;
    rows.batch.has_kinds = true;
    writer_print(&rows.batch, &rows.schema.schema, NULL, &out);
    assert_string_equal(
        buf_str(&out),
        "+I[plain, 1, -2, 1.5, true, 2024-01-01T00:00:01.230, 2024-01-01T00:00:00Z, 1902-01-01, "
        "10:11:12]\n"
        "-U[, 0, 0, 1.0E10, false, 1969-12-31T23:59:59.999, 2024-01-01T00:00:01.500Z, 2024-01-01, "
        "10:00:00.500]\n"
        "-D[null, null, null, null, null, null, null, null, null]\n");
    buf_clear(&out);
    rows.batch.kinds[2] = ROW_UPDATE_AFTER;
    writer_print_row(&rows.batch, 2, &rows.schema.schema, &out);
    assert_string_equal(buf_str(&out),
                        "+U[null, null, null, null, null, null, null, null, null]\n");
    buf_clear(&out);
    rows.batch.count = 1;
    writer_print(&rows.batch, &rows.schema.schema, "PP", &out);
    assert_memory_equal(buf_str(&out), "PP> +I[plain, 1,", 16);
    buf_fini(&out);
    rows_fini(&rows);
}

static void test_writer_prints_times_and_intervals(void **state)
{
    (void)state;
    int64_t values[] = {0, 36000000, 36001000, 36000500, 93784005, -93784005, 35, -35};
    static const enum type_kind kinds[] = {
        TYPE_TIME,         TYPE_TIME,         TYPE_TIME,           TYPE_TIME,
        TYPE_INTERVAL_DAY, TYPE_INTERVAL_DAY, TYPE_INTERVAL_MONTH, TYPE_INTERVAL_MONTH};
    static const char *const expected[] = {
        "00:00",           "10:00",           "10:00:01", "10:00:00.500",
        "+1 02:03:04.005", "-1 02:03:04.005", "+2-11",    "-2-11"};
    uint8_t states[ARRAY_SIZE(values)] = {0};
    struct buf out = {0};
    for (uint32_t i = 0; i < ARRAY_SIZE(values); i++) {
        struct column column = {.kind = kinds[i], .i64 = values, .state = states};
        struct type type = type_of(kinds[i]);
        buf_clear(&out);
        writer_print_value(&column, i, &type, &out);
        assert_string_equal(buf_str(&out), expected[i]);
    }
    buf_fini(&out);
}

static void test_writer_refuses_types_without_text(void **state)
{
    (void)state;
    struct field fields[] = {{"gap", type_of(TYPE_INTERVAL_DAY)}};
    struct schema schema = {fields, 1};
    struct format_options options = options_of(FORMAT_CSV);
    struct writer *writer;
    struct err err;
    assert_int_equal(writer_create(&options, &schema, &writer, &err), -EINVAL);
    assert_non_null(strstr(err.text, "column \"gap\""));
    assert_non_null(strstr(err.text, "CAST"));
}

static void test_writer_says_who_takes_a_changelog(void **state)
{
    (void)state;
    for (enum format_kind kind = FORMAT_JSON; kind <= FORMAT_DEBEZIUM_JSON; kind++) {
        struct format_options options = options_of(kind);
        struct schema schema = {0};
        struct writer *writer;
        assert_int_equal(writer_create(&options, &schema, &writer, NULL), 0);
        assert_int_equal(writer_takes_changelog(writer), kind == FORMAT_DEBEZIUM_JSON);
        writer_free(writer);
    }
}

// What is written is read back as it was, whatever the strings hold.
static void test_writer_and_reader_agree(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL), random = seed;
    struct buf text = {0}, out = {0}, back = {0};
    printf("seed %llu\n", (unsigned long long)seed);
    for (int round = 0; round < 500; round++) {
        struct dump_settings settings = {.options =
                                             options_of(round % 2 ? FORMAT_CSV : FORMAT_JSON)};
        struct rows rows;
        struct writer *writer;
        char string[24];
        for (size_t i = 0; i < sizeof(string); i++) {
            random = random * 6364136223846793005u + 1442695040888963407u;
            static const char letters[] = "ab\"\\,\n\r\t #{}[]:'\x01\x7f+-;|01";
            string[i] = letters[(random >> 33) % (sizeof(letters) - 1)];
        }
        rows_init(&rows, "s STRING, n BIGINT, d DOUBLE", "{\"n\":-123456789012,\"d\":0.1}");
        rows.batch.columns[0].str[0] = slice_make(string, random >> 60);
        rows.batch.columns[0].state[0] = VALUE_PRESENT;
        if (round % 4 == 1)
            settings.options.csv_escape = '\\';
        assert_int_equal(writer_create(&settings.options, &rows.schema.schema, &writer, NULL), 0);
        buf_clear(&text);
        buf_clear(&out);
        buf_clear(&back);
        writer_append(writer, &rows.batch, &text);
        writer_print_row(&rows.batch, 0, &rows.schema.schema, &out);
        dump_text(&settings, &rows.schema, buf_slice(&text), &back);
        if (!slice_equal(buf_slice(&out), buf_slice(&back)))
            fail_msg("seed %llu round %d: wrote %s, read %s", (unsigned long long)seed, round,
                     buf_str(&text), buf_str(&back));
        writer_free(writer);
        rows_fini(&rows);
    }
    buf_fini(&text);
    buf_fini(&out);
    buf_fini(&back);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_writer_json),
        cmocka_unit_test(test_writer_json_options),
        cmocka_unit_test(test_writer_json_strings_and_odd_doubles),
        cmocka_unit_test(test_writer_debezium),
        cmocka_unit_test(test_writer_csv),
        cmocka_unit_test(test_writer_csv_quotes_as_jackson),
        cmocka_unit_test(test_writer_prints_as_java),
        cmocka_unit_test(test_writer_prints_times_and_intervals),
        cmocka_unit_test(test_writer_refuses_types_without_text),
        cmocka_unit_test(test_writer_says_who_takes_a_changelog),
        cmocka_unit_test(test_writer_and_reader_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
