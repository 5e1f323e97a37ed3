// Payloads of messages: one row, or one change, each: JSON over several lines, CSV, raw values and
// Debezium's changes; and payloads as lines, many together.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "tests/unit/payload_dump.h"

// What the payloads become, each for itself in a batch of its own, and all together in one.
static void expect(const struct format_options *options, const char *columns,
                   const struct slice *payloads, size_t count, const char *expected)
{
    struct dump_schema schema;
    struct payload_reader p;
    struct buf alone = {0}, together = {0}, complaints = {0};
    dump_schema_init(&schema, columns);
    payload_open(&p, options, &schema);
    for (size_t i = 0; i < count; i++) {
        payload_add(&p, payloads[i], &alone);
        payload_flush(&p, &alone);
    }
    for (size_t i = 0; i < count; i++)
        payload_add(&p, payloads[i], &complaints);
    payload_flush(&p, &together);
    assert_string_equal(buf_str(&alone), expected);
    assert_int_equal(alone.len, together.len + complaints.len);
    for (const char *line = buf_str(&together); *line;) { // the rows, in their order
        const char *end = strchr(line, '\n') + 1;
        char text[512];
        snprintf(text, sizeof text, "%.*s", (int)(end - line), line);
        assert_non_null(strstr(expected, text));
        line = end;
    }
    payload_close(&p);
    buf_fini(&alone);
    buf_fini(&together);
    buf_fini(&complaints);
}

static struct format_options options_of(enum format_kind kind)
{
    struct format_options options;
    format_options_default(kind, &options);
    return options;
}

#define EXPECT(options, columns, expected, ...)                                                    \
    do {                                                                                           \
        const struct slice payloads[] = {__VA_ARGS__};                                             \
        expect(options, columns, payloads, ARRAY_SIZE(payloads), expected);                        \
    } while (0)
#define NO_PAYLOAD  ((struct slice){0})
#define BYTES(text) slice_make(text, sizeof(text) - 1)

static void test_payload_json(void **state)
{
    (void)state;
    struct format_options options = options_of(FORMAT_JSON);
    EXPECT(&options, "s STRING, n INT",
           "+I[a, 1]\n"
           "+I[b\\\"c, 2]\n"
           "+I[{\"x\":[1,2]}, null]\n"
           "nothing\n"
           "! the payload is empty\n"
           "! the payload is empty\n"
           "! a string is not closed\n"
           "! text follows the row's object on its line\n"
           "+I[z, 9]\n",
           BYTES("{\"s\":\"a\",\"n\":1}"),
           BYTES("{\n  \"s\" : \"b\\\\\\\"c\",\r\n  \"n\" : 2\n}\n"),
           BYTES("{\"s\": {\n \"x\": [1,\n2]\n}}"), NO_PAYLOAD, BYTES(""), BYTES(" \n "),
           BYTES("{\"s\":\"a\nb\"}"), BYTES("{\"s\":\"a\"}\n{\"s\":\"b\"}"),
           BYTES("\xEF\xBB\xBF{\"n\":9,\"s\":\"z\"}"));
}

static void test_payload_csv(void **state)
{
    (void)state;
    struct format_options options = options_of(FORMAT_CSV);
    options.csv_allow_comments = true;
    EXPECT(&options, "s STRING, n INT",
           "+I[a, 1]\n"
           "+I[b\nc, 2]\n"
           "+I[d, 3]\n"
           "! a second row follows in the payload\n"
           "! field 1: its quote is not closed\n"
           "! the payload is empty\n"
           "nothing\n"
           "nothing\n",
           BYTES("a,1"), BYTES("\"b\nc\",2\r\n"), BYTES("#x\nd,3\n\n"), BYTES("a,1\nb,2"),
           BYTES("\"a,1"), BYTES("\r\n"), BYTES("# only\n"), NO_PAYLOAD);
}

static void test_payload_raw(void **state)
{
    (void)state;
    struct format_options options = options_of(FORMAT_RAW);
    EXPECT(&options, "s STRING", "+I[a\nb]\n+I[]\n+I[null]\n! column \"s\": not valid UTF-8\n",
           BYTES("a\nb"), BYTES(""), NO_PAYLOAD, BYTES("\xff"));
    EXPECT(&options, "n INT",
           "+I[258]\n+I[-2]\n! column \"n\": INT has 4 bytes, the payload 3\n+I[null]\n",
           BYTES("\0\0\1\2"), BYTES("\xff\xff\xff\xfe"), BYTES("abc"), NO_PAYLOAD);
    EXPECT(&options, "n BIGINT", "+I[-9223372036854775808]\n", BYTES("\x80\0\0\0\0\0\0\0"));
    EXPECT(&options, "d DOUBLE", "+I[1.5]\n", BYTES("\x3f\xf8\0\0\0\0\0\0"));
    EXPECT(&options, "b BOOLEAN",
           "+I[true]\n+I[false]\n! column \"b\": BOOLEAN has 1 byte, the payload 0\n",
           BYTES("\x07"), BYTES("\0"), BYTES(""));
    EXPECT(&options, "-n INT", "+I[]\n", BYTES("whatever"));
    options.raw_little_endian = true;
    EXPECT(&options, "n INT", "+I[513]\n", BYTES("\1\2\0\0"));
}

static void test_payload_raw_is_one_simple_column(void **state)
{
    (void)state;
    static const char *const bad[] = {"a STRING, b STRING", "t TIMESTAMP", "d DATE"};
    struct format_options options = options_of(FORMAT_RAW);
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        struct dump_schema schema;
        struct reader *reader = NULL;
        struct err err = {0};
        dump_schema_init(&schema, bad[i]);
        assert_int_equal(reader_create(&options, &schema.schema, NULL, &reader, &err), -EINVAL);
        assert_non_null(strstr(err.text, "'raw'"));
    }
}

static void test_payload_debezium(void **state)
{
    (void)state;
    struct format_options options = options_of(FORMAT_DEBEZIUM_JSON);
    EXPECT(&options, "id INT, s STRING",
           "+I[1, a]\n"
           "+I[2, b]\n"
           "-U[1, a]\n"
           "+U[1, c]\n"
           "-D[1, c]\n"
           "nothing\n",
           BYTES("{\"before\":null,\"after\":{\"id\":1,\"s\":\"a\"},\"op\":\"c\"}"),
           BYTES("{\"after\":{\"s\":\"b\",\"id\":2},\"op\":\"\\u0072\",\"source\":{\"x\":[1]}}"),
           BYTES("{\"op\":\"u\",\n\"ts_ms\":1,\"before\":{\"id\":1,\"s\":\"a\"},\n\"after\":{"
                 "\"id\":1,\"s\":\"c\"}}\n"),
           BYTES("{\"before\":{\"id\":1,\"s\":\"c\"},\"after\":null,\"op\":\"d\"}"), NO_PAYLOAD);
}

static void test_payload_debezium_refuses(void **state)
{
    (void)state;
    struct format_options options = options_of(FORMAT_DEBEZIUM_JSON);
    EXPECT(&options, "id INT",
           "! the change has no \"op\" that is a string\n"
           "! the change has no \"op\" that is a string\n"
           "! unknown \"op\" \"t\": c, r, u and d are known\n"
           "! the change has no \"after\"\n"
           "! \"after\" of the change is no object\n"
           "! the change has no \"before\": the table's database must log whole rows (PostgreSQL: "
           "REPLICA IDENTITY FULL)\n"
           "! the change has no \"after\"\n"
           "! column \"id\": \"x\" is no INT\n"
           "! the change is no JSON object: it does not begin with '{'\n"
           "! the change is no JSON object: it does not begin with '{'\n"
           "! text follows the change in its payload\n"
           "! a member of the change is followed by neither ',' nor '}'\n"
           "! a member of the change is followed by neither ',' nor '}'\n"
           "! a string is not valid UTF-8\n"
           "+I[5]\n",
           BYTES("{}"), BYTES("{\"op\":1}"), BYTES("{\"op\":\"t\"}"), BYTES("{\"op\":\"c\"}"),
           BYTES("{\"op\":\"c\",\"after\":[1]}"), BYTES("{\"op\":\"d\",\"after\":{\"id\":1}}"),
           BYTES("{\"op\":\"u\",\"before\":{\"id\":1},\"after\":null}"),
           BYTES("{\"op\":\"u\",\"before\":{\"id\":1},\"after\":{\"id\":\"x\"}}"), BYTES(""),
           BYTES("[]"), BYTES("{\"op\":\"c\",\"after\":{}} x"), BYTES("{\"op\":\"c\",}"),
           BYTES("{\"op\":\"c\" \"after\":{}}"), BYTES("{\"op\":\"c\",\"x\":\"\xff\"}"),
           BYTES("{\"op\":\"c\",\"after\":{\"id\":5}}"));
}

static void test_payload_debezium_in_its_schema(void **state)
{
    (void)state;
    struct format_options options = options_of(FORMAT_DEBEZIUM_JSON);
    options.debezium_schema_include = true;
    options.json_timestamp = FORMAT_TIMESTAMP_ISO;
    EXPECT(&options, "t TIMESTAMP",
           "+I[2024-01-01T01:02:03]\n"
           "! there is no \"payload\" beside a \"schema\": is 'debezium-json.schema-include' "
           "wanted?\n"
           "! the change is no JSON object: it does not begin with '{'\n",
           BYTES("{\"schema\":{\"type\":\"struct\"},\"payload\":{\"op\":\"c\",\"after\":{\"t\":"
                 "\"2024-01-01T01:02:03\"}}}"),
           BYTES("{\"op\":\"c\",\"after\":{}}"), BYTES("{\"payload\":7}"));
}

static void test_payload_lines(void **state)
{
    (void)state;
    static const char json[] = "{\"s\":\"a\"}\n\n{\"s\":\"b\"}\n \r\n{\"s\":\"c\"}\n";
    static const char csv[] = "a,1\n\"b,2\nc\",3\n\nd\\\n,4\n";
    static const struct {
        enum format_kind kind;
        const char *columns, *text, *expected;
    } cases[] = {{FORMAT_JSON, "s STRING", json,
                  "+I[a]\n! the payload is empty\n+I[b]\n! the payload is empty\n+I[c]\n"},
                 {FORMAT_CSV, "s STRING, n INT", csv,
                  "+I[a, 1]\n! field 1: its quote is not closed\n+I[c\", 3]\n"
                  "! the payload is empty\n! the row has 1 fields, the table has 2\n+I[, 4]\n"}};
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct dump_settings settings = {.options = options_of(cases[i].kind),
                                         .payload_lines = true};
        struct dump_schema schema;
        struct buf out = {0};
        settings.options.csv_escape = '\\';
        dump_schema_init(&schema, cases[i].columns);
        dump_text(&settings, &schema, slice_of(cases[i].text), &out);
        assert_string_equal(buf_str(&out), cases[i].expected);
        buf_clear(&out);
        for (uint64_t piece = 1; piece < 12; piece++) {
            settings.piece = piece;
            if (!dump_all_ways(&settings, &schema, slice_of(cases[i].text), &out))
                fail_msg("%s", buf_str(&out));
        }
        buf_fini(&out);
    }
}

// Lines, a payload that is none, lines: one batch, its strings valid to its end.
static void test_payload_lines_and_others_in_one_batch(void **state)
{
    (void)state;
    struct format_options options = options_of(FORMAT_JSON);
    struct reader_result *result = malloc(sizeof *result);
    char reason[READER_REASON_BYTES];
    struct dump_schema schema;
    struct reader *reader;
    struct batch batch;
    struct buf out = {0};
    dump_schema_init(&schema, "s STRING, n INT");
    assert_int_equal(reader_create(&options, &schema.schema, NULL, &reader, NULL), 0);
    assert_true(reader_takes_lines(reader));
    batch_init(&batch, &schema.taken);
    reader_begin(reader, &batch);
    struct slice first = slice_of("{\"s\":\"\\u0061\",\"n\":1}\nx\n{\"s\":\"\\u0062\",\"n\":2}\n");
    reader_parse_more(reader, first, true, result, &batch);
    assert_int_equal(batch.count, 2);
    assert_int_equal(result->bad_rows[0].rows_before, 1);
    assert_int_equal(reader_parse_one(reader, slice_of("{\n\"s\":\n\"\\u0063\"}"), &batch, reason),
                     1);
    assert_true(batch.columns[0].all_present && !batch.columns[1].all_present);
    reader_set_max_rows(reader, 4);
    struct slice last = slice_of("{\"s\":\"\\u0064\",\"n\":4}\n{\"s\":\"e\",\"n\":5}\n");
    reader_parse_more(reader, last, true, result, &batch);
    assert_int_equal(batch.count, 4);
    assert_int_equal(result->consumed, 21);
    assert_int_equal(result->row_end[3], 21);
    for (uint32_t row = 0; row < batch.count; row++)
        writer_print_row(&batch, row, &schema.taken, &out);
    assert_string_equal(buf_str(&out), "+I[a, 1]\n+I[b, 2]\n+I[c, null]\n+I[d, 4]\n");
    buf_fini(&out);
    batch_fini(&batch);
    reader_free(reader);
    free(result);
}

// What a payload writer writes is read as the same row.
static void test_payload_written_is_read(void **state)
{
    (void)state;
    static const struct {
        enum format_kind kind;
        bool little;
        const char *columns, *text; // as JSON
    } cases[] = {
        {FORMAT_JSON, false, "s STRING, n INT, t TIMESTAMP",
         "{\"s\":\"a\\nb\",\"n\":3,\"t\":\"2024-01-01 00:00:00.5\"}"},
        {FORMAT_CSV, false, "s STRING, n INT, d DOUBLE", "{\"s\":\"a\\n\\\"b\\\"\",\"n\":3}"},
        {FORMAT_DEBEZIUM_JSON, false, "s STRING, n INT", "{\"s\":\"\\u00e9\",\"n\":-1}"},
        {FORMAT_RAW, false, "s STRING", "{\"s\":\"a\\nb\"}"},
        {FORMAT_RAW, false, "n INT", "{\"n\":-7}"},
        {FORMAT_RAW, true, "n BIGINT", "{\"n\":1234567890123}"},
        {FORMAT_RAW, false, "d DOUBLE", "{\"d\":-1.25}"},
        {FORMAT_RAW, false, "b BOOLEAN", "{\"b\":true}"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        struct format_options json = options_of(FORMAT_JSON), options = options_of(cases[i].kind);
        struct payload_reader from, to;
        struct dump_schema schema;
        struct writer *writer;
        struct buf bytes = {0}, before = {0}, after = {0};
        options.raw_little_endian = cases[i].little;
        dump_schema_init(&schema, cases[i].columns);
        payload_open(&from, &json, &schema);
        payload_open(&to, &options, &schema);
        assert_int_equal(writer_create(&options, &schema.schema, &writer, NULL), 0);
        assert_int_equal(payload_add(&from, slice_of(cases[i].text), &before), 1);
        assert_true(writer_append_payload(writer, &from.batch, 0, &bytes));
        assert_int_equal(payload_add(&to, buf_slice(&bytes), &after), 1);
        payload_flush(&from, &before);
        payload_flush(&to, &after);
        assert_string_equal(buf_str(&after), buf_str(&before));
        writer_free(writer);
        payload_close(&from);
        payload_close(&to);
        buf_fini(&bytes);
        buf_fini(&before);
        buf_fini(&after);
    }
}

static void test_payload_of_a_null_value_is_null(void **state)
{
    (void)state;
    struct format_options options = options_of(FORMAT_RAW);
    struct payload_reader p;
    struct dump_schema schema;
    struct writer *writer;
    struct buf out = {0};
    dump_schema_init(&schema, "s STRING");
    payload_open(&p, &options, &schema);
    payload_add(&p, NO_PAYLOAD, &out);
    assert_int_equal(writer_create(&options, &schema.schema, &writer, NULL), 0);
    assert_false(writer_append_payload(writer, &p.batch, 0, &out));
    assert_int_equal(out.len, 0);
    writer_free(writer);
    payload_close(&p);
    buf_fini(&out);
    struct err err = {0};
    options = options_of(FORMAT_DEBEZIUM_JSON);
    options.debezium_schema_include = true;
    assert_int_equal(writer_create(&options, &schema.schema, &writer, &err), -EINVAL);
    assert_int_equal(strncmp(err.text, "'debezium-json.schema-include'", 30), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_payload_json),
        cmocka_unit_test(test_payload_csv),
        cmocka_unit_test(test_payload_raw),
        cmocka_unit_test(test_payload_raw_is_one_simple_column),
        cmocka_unit_test(test_payload_debezium),
        cmocka_unit_test(test_payload_debezium_refuses),
        cmocka_unit_test(test_payload_debezium_in_its_schema),
        cmocka_unit_test(test_payload_lines),
        cmocka_unit_test(test_payload_lines_and_others_in_one_batch),
        cmocka_unit_test(test_payload_written_is_read),
        cmocka_unit_test(test_payload_of_a_null_value_is_null),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
