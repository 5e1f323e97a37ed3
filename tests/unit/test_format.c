// Format options as Flink names them, what of them is refused and in which words; what the readers
// do at the edges of their buffers; the scans against each other.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "core/format/scan.h"
#include "tests/unit/format_dump.h"

// Parse "key=value;key=value".
static int parse(const char *text, struct format_options *out, struct err *err)
{
    char copy[512], *rest = copy, *part;
    const char *keys[8], *values[8];
    int count = 0;
    snprintf(copy, sizeof(copy), "%s", text);
    while ((part = strsep(&rest, ";")) != NULL) {
        char *value = strchr(part, '=');
        assert_non_null(value);
        *value++ = 0;
        keys[count] = part;
        values[count++] = value;
    }
    return format_options_parse(keys, values, count, out, err);
}

static void expect_refused(const char *text, const char *words)
{
    struct format_options options;
    struct err err = {.text = ""};
    assert_int_equal(parse(text, &options, &err), -EINVAL);
    if (!strstr(err.text, words))
        fail_msg("%s: \"%s\" does not say \"%s\"", text, err.text, words);
}

static void test_format_options_have_flinks_defaults(void **state)
{
    (void)state;
    struct format_options options;
    assert_int_equal(parse("connector=filesystem;path=/x;format=csv", &options, NULL), 0);
    assert_int_equal(options.kind, FORMAT_CSV);
    assert_int_equal(options.csv_delimiter, ',');
    assert_int_equal(options.csv_quote, '"');
    assert_int_equal(options.csv_escape, -1);
    assert_false(options.csv_allow_comments || options.csv_has_null_literal);
    assert_false(options.ignore_parse_errors);
    assert_int_equal(parse("format=json", &options, NULL), 0);
    assert_int_equal(options.kind, FORMAT_JSON);
    assert_int_equal(options.json_timestamp, FORMAT_TIMESTAMP_SQL);
    assert_false(options.json_fail_on_missing_field || options.json_ignore_null_fields);
}

static void test_format_options_are_read(void **state)
{
    (void)state;
    struct format_options options;
    assert_int_equal(parse("json.ignore-parse-errors=TRUE;format=json;"
                           "json.timestamp-format.standard=ISO-8601;"
                           "json.encode.ignore-null-fields=true;json.map-null-key.mode=DROP",
                           &options, NULL),
                     0);
    assert_true(options.ignore_parse_errors && options.json_ignore_null_fields);
    assert_int_equal(options.json_timestamp, FORMAT_TIMESTAMP_ISO);
    assert_int_equal(parse("format=json;json.fail-on-missing-field=true", &options, NULL), 0);
    assert_true(options.json_fail_on_missing_field);
    assert_int_equal(parse("format=debezium-json;debezium-json.timestamp-format.standard=SQL;"
                           "debezium-json.encode.ignore-null-fields=true",
                           &options, NULL),
                     0);
    assert_true(options.json_ignore_null_fields);
    assert_int_equal(parse("format=csv;csv.field-delimiter=\\t;csv.quote-character=';"
                           "csv.escape-character=\\\\;csv.null-literal=n/a;csv.allow-comments=true;"
                           "csv.ignore-parse-errors=true;csv.trim-spaces=false",
                           &options, NULL),
                     0);
    assert_int_equal(options.csv_delimiter, '\t');
    assert_int_equal(options.csv_quote, '\'');
    assert_int_equal(options.csv_escape, '\\');
    assert_string_equal(options.csv_null_literal, "n/a");
    assert_true(options.csv_has_null_literal && options.csv_allow_comments);
    assert_true(options.ignore_parse_errors);
}

static void test_format_options_characters(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        char byte;
    } good[] = {{"|", '|'}, {"\\u0001", 1}, {"\\u007c", '|'}, {"\\\\", '\\'}, {"\\t", '\t'}};
    static const char *const bad[] = {"",    "ab",       "\\u00e9", "\\u12",
                                      "\\q", "\xC3\xBC", "\n",      "\\u000a"};
    struct format_options options;
    char text[64];
    for (size_t i = 0; i < ARRAY_SIZE(good); i++) {
        snprintf(text, sizeof(text), "format=csv;csv.field-delimiter=%s", good[i].text);
        assert_int_equal(parse(text, &options, NULL), 0);
        assert_int_equal(options.csv_delimiter, good[i].byte);
    }
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        snprintf(text, sizeof(text), "format=csv;csv.field-delimiter=%s", bad[i]);
        expect_refused(text, "expected one ASCII character");
    }
}

static void test_format_options_refusals_help(void **state)
{
    (void)state;
    expect_refused("connector=filesystem", "'format' is missing");
    expect_refused("format=jsn", "did you mean 'json'?");
    expect_refused("format=avro", "'format' = 'avro' is not supported");
    expect_refused("format=json;json.ignore-parse-error=true",
                   "did you mean 'json.ignore-parse-errors'?");
    expect_refused("format=csv;csv.charset=latin1", "unknown option 'csv.charset'");
    expect_refused("format=json;csv.field-delimiter=,", "this table's 'format' is 'json'");
    expect_refused("format=json;json.ignore-parse-errors=yes", "expected 'true' or 'false'");
    expect_refused("format=json;json.timestamp-format.standard=iso", "'ISO-8601'");
    expect_refused("format=csv;csv.trim-spaces=true", "leave it at 'false'");
    expect_refused("format=debezium-json;debezium-json.schema-include=1", "'true' or 'false'");
    expect_refused("format=raw;raw.charset=UTF-16", "leave it at 'UTF-8'");
    expect_refused("format=raw;raw.endianness=big", "expected 'big-endian' or 'little-endian'");
    expect_refused("format=json;json.ignore-parse-errors=true;json.fail-on-missing-field=true",
                   "cannot both be");
    expect_refused("format=csv;csv.field-delimiter=\"", "are both '\"'");
    expect_refused("format=csv;csv.escape-character=,", "are both ','");
    expect_refused("format=csv;csv.disable-quote-character=true;csv.quote-character='",
                   "has no meaning");
}

static void test_format_options_behind_a_prefix(void **state)
{
    (void)state;
    static const char *const keys[] = {"key.format", "key.raw.endianness", "json.charset",
                                       "value.format", "value.json.ignore-parse-errors"};
    static const char *const values[] = {"raw", "little-endian", "?", "json", "yes"};
    struct format_options options;
    struct err err = {0};
    struct format_with of_key = {"key.", keys, values, 5}, of_value = {"value.", keys, values, 5};
    assert_int_equal(format_options_parse_prefixed(&of_key, &options, &err), 0);
    assert_int_equal(options.kind, FORMAT_RAW);
    assert_true(options.raw_little_endian);
    assert_int_equal(format_options_parse_prefixed(&of_value, &options, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'value.json.ignore-parse-errors' = 'yes': expected"));
    assert_int_equal(format_options_parse(keys, values, 5, &options, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'format' is missing"));
}

static void test_format_options_quote_can_be_none(void **state)
{
    (void)state;
    struct format_options options;
    assert_int_equal(parse("csv.disable-quote-character=true;format=csv", &options, NULL), 0);
    assert_int_equal(options.csv_quote, -1);
    assert_int_equal(parse("format=csv;csv.disable-quote-character=false", &options, NULL), 0);
    assert_int_equal(options.csv_quote, '"');
    // The quote as its own escape is what doubling does.
    assert_int_equal(parse("format=csv;csv.escape-character=\"", &options, NULL), 0);
    assert_int_equal(options.csv_escape, -1);
}

static void test_format_reader_refuses_what_it_cannot_read(void **state)
{
    (void)state;
    struct format_options options;
    struct dump_schema schema;
    struct reader *reader;
    struct err err;
    dump_schema_init(&schema, "a INT, x NULL");
    format_options_default(FORMAT_JSON, &options);
    assert_int_equal(reader_create(&options, &schema.schema, NULL, &reader, &err), -EINVAL);
    assert_non_null(strstr(err.text, "column \"x\""));
    format_options_default(FORMAT_DEBEZIUM_JSON, &options);
    assert_int_equal(reader_create(&options, &schema.schema, NULL, &reader, &err), -EINVAL);
    assert_non_null(strstr(err.text, "column \"x\""));
    format_options_default(FORMAT_RAW, &options);
    assert_int_equal(reader_create(&options, &schema.schema, NULL, &reader, &err), -EINVAL);
    assert_non_null(strstr(err.text, "'raw' is one column"));
}

// A source that keeps a position between batches reads the same rows from each row_end on.
static void test_format_reader_begins_again_at_any_row_end(void **state)
{
    (void)state;
    static const char text[] = "{\"n\":1}\n\nx\n{\"n\":2}\r\n{\"n\":3}\n  \n{\"n\":4}\n{\"n\":5";
    struct format_options options;
    struct dump_schema schema;
    struct reader *reader;
    struct batch batch;
    struct reader_result result;
    dump_schema_init(&schema, "n INT");
    format_options_default(FORMAT_JSON, &options);
    assert_int_equal(reader_create(&options, &schema.schema, NULL, &reader, NULL), 0);
    batch_init(&batch, &schema.schema);
    reader_set_max_rows(reader, 1);
    uint64_t at = 0;
    for (int64_t n = 1; n <= 4; n++) {
        reader_parse(reader, slice_make(text + at, sizeof(text) - 1 - at), false, &result, &batch);
        assert_int_equal(batch.count, 1);
        assert_int_equal(batch.columns[0].i64[0], n);
        assert_int_equal(result.bad_row_count, n == 2);
        at += result.row_end[0];
    }
    // The last row is cut off: nothing is consumed until the input ends.
    reader_parse(reader, slice_make(text + at, sizeof(text) - 1 - at), false, &result, &batch);
    assert_int_equal(batch.count + result.bad_row_count + result.consumed, 0);
    reader_parse(reader, slice_make(text + at, sizeof(text) - 1 - at), true, &result, &batch);
    assert_int_equal(result.bad_row_count, 1);
    assert_int_equal(result.bad_rows[0].length, 6);
    batch_fini(&batch);
    reader_free(reader);
}

static void test_format_reader_reset_forgets_the_overlong_row(void **state)
{
    (void)state;
    struct format_options options;
    struct dump_schema schema;
    struct reader *reader;
    struct batch batch;
    struct reader_result result;
    dump_schema_init(&schema, "n INT");
    format_options_default(FORMAT_CSV, &options);
    assert_int_equal(reader_create(&options, &schema.schema, NULL, &reader, NULL), 0);
    batch_init(&batch, &schema.schema);
    reader_set_max_row_bytes(reader, 4);
    reader_parse(reader, slice_of("123456"), false, &result, &batch);
    assert_int_equal(result.bad_row_count, 1);
    assert_int_equal(result.consumed, 6);
    assert_true(reader_is_skipping(reader));
    reader_parse(reader, slice_of("789"), false, &result, &batch);
    assert_int_equal(result.consumed, 3);
    assert_int_equal(result.bad_row_count + batch.count, 0);
    reader_reset(reader);
    assert_false(reader_is_skipping(reader));
    reader_parse(reader, slice_of("7\n"), false, &result, &batch);
    assert_int_equal(batch.count, 1);
    assert_int_equal(batch.columns[0].i64[0], 7);
    batch_fini(&batch);
    reader_free(reader);
}

static void test_format_scans_agree(void **state)
{
    (void)state;
    uint64_t seed = (uint64_t)time(NULL), random = seed;
    struct scan_set set = {'"', '\\', '\n'};
    enum scan_mode best = scan_mode_choose(SCAN_AVX2);
    printf("seed %llu\n", (unsigned long long)seed);
    assert_int_equal(scan_mode_choose(SCAN_SCALAR), SCAN_SCALAR);
    for (int round = 0; round < 20000; round++) {
        random = random * 6364136223846793005u + 1442695040888963407u;
        size_t len = (random >> 40) % 150;
        char *bytes = malloc(len + 1);
        assert_non_null(bytes);
        memset(bytes, 'a', len + 1);
        for (int i = 0; i < 2 && len; i++) {
            bytes[(random >> (8 * i)) % len] = "\"\\\n\x80"[(random >> (30 + 2 * i)) % 4];
        }
        unsigned high[3] = {0};
        const char *stop = scan_until(bytes, bytes + len, set, SCAN_SCALAR, &high[0]);
        const char *slow = bytes;
        while (slow < bytes + len && !strchr("\"\\\n", *slow))
            slow++;
        assert_ptr_equal(stop, slow);
        for (enum scan_mode mode = SCAN_SSE2; mode <= best; mode++) {
            assert_ptr_equal(scan_until(bytes, bytes + len, set, mode, &high[mode]), stop);
            assert_int_equal(high[mode] != 0, high[0] != 0);
        }
        assert_int_equal(high[0] != 0, memchr(bytes, 0x80, (size_t)(stop - bytes)) != NULL);
        free(bytes);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_format_options_have_flinks_defaults),
        cmocka_unit_test(test_format_options_are_read),
        cmocka_unit_test(test_format_options_characters),
        cmocka_unit_test(test_format_options_refusals_help),
        cmocka_unit_test(test_format_options_behind_a_prefix),
        cmocka_unit_test(test_format_options_quote_can_be_none),
        cmocka_unit_test(test_format_reader_refuses_what_it_cannot_read),
        cmocka_unit_test(test_format_reader_begins_again_at_any_row_end),
        cmocka_unit_test(test_format_reader_reset_forgets_the_overlong_row),
        cmocka_unit_test(test_format_scans_agree),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
