// test_walk.c: the ways of reading that need AVX2: the index of bytes against its scalar twin, the
// quick timestamps against the calendar, and long calm inputs, whose rows are read many at a time,
// against every other way.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <time.h>

#include <cmocka.h>

#include "core/base/number.h"
#include "core/format/quick_integer.h"
#include "core/format/quick_time.h"
#include "tests/unit/format_expect.h"

static unsigned pick(uint64_t *random, unsigned below)
{
    *random = *random * 6364136223846793005u + 1442695040888963407u;
    return (unsigned)(*random >> 33) % below;
}

static uint64_t seed_of_today(void)
{
    uint64_t seed = (uint64_t)time(NULL);
    print_message("seed %llu\n", (unsigned long long)seed);
    return seed;
}

static bool has_avx2(void)
{
    return scan_mode_choose(SCAN_AVX2) == SCAN_AVX2;
}

static void fill(uint64_t *random, char *out, size_t len)
{
    static const char bytes[] = "\"\"\"\"\n\n\\,;a\xC3\x80\x7f\xff {}";
    bool busy = pick(random, 2);
    for (size_t i = 0; i < len; i++)
        out[i] = busy || pick(random, 40) == 0 ? bytes[pick(random, sizeof(bytes) - 1)] : 'x';
}

static void test_walk_index_is_as_its_twin(void **state)
{
    (void)state;
    static const struct index_set sets[] = {{'"', false, '\\', '\\'},
                                            {',', true, '"', '\\'},
                                            {';', true, '\x80', '\x80'},
                                            {'\\', false, 'x', ','}};
    if (!has_avx2())
        skip();
    uint64_t random = seed_of_today();
    struct scan_index *a = malloc(sizeof *a), *b = malloc(sizeof *b);
    char *text = malloc(INDEX_BYTES);
    assert_true(a && b && text);
    for (int round = 0; round < 400; round++) {
        uint32_t bytes = 64 * (1 + pick(&random, round % 4 ? 8 : INDEX_WORDS));
        struct index_set set = sets[pick(&random, ARRAY_SIZE(sets))];
        char *end = text + INDEX_BYTES - bytes; // a read behind it is one behind the memory
        fill(&random, end, bytes);
        index_build_avx2(a, end, bytes, set);
        index_build_scalar(b, end, bytes, set);
        assert_int_equal(a->line_count, b->line_count);
        assert_int_equal(a->has_odd, b->has_odd);
        assert_memory_equal(a->lines, b->lines, a->line_count * sizeof a->lines[0]);
        assert_memory_equal(a->stops, b->stops, bytes / 8 + 16);
        assert_memory_equal(a->odd, b->odd, bytes / 8 + 16);
        for (int i = 0; i < 20; i++) {
            uint32_t from = pick(&random, bytes), to = from + pick(&random, bytes - from + 1);
            uint32_t stop = from;
            bool odd = false;
            while (stop < bytes && !(b->stops[stop / 64] >> (stop % 64) & 1))
                stop++;
            for (uint32_t at = from; at < to; at++)
                odd |= b->odd[at / 64] >> (at % 64) & 1;
            assert_int_equal(index_stop(a, from), stop < bytes ? stop : INDEX_NONE);
            assert_int_equal(index_is_odd(a, from, to), odd);
        }
    }
    free(text);
    free(a);
    free(b);
}

#if defined(__x86_64__)
// A text near the shape: any byte of it may be another.
static struct slice random_time(uint64_t *random, char out[64])
{
    static const char bytes[] = "0123456789 -:.TZ\x80";
    int len = snprintf(out, 64, "%04u-%02u-%02u %02u:%02u:%02u.%03u", 2023 + pick(random, 2),
                       1 + pick(random, 2), 1 + pick(random, 2), pick(random, 30), pick(random, 70),
                       pick(random, 70), pick(random, 1000));
    for (unsigned i = pick(random, 4) ? 0 : pick(random, 4); i > 0; i--)
        out[pick(random, (unsigned)len)] = bytes[pick(random, sizeof(bytes) - 1)];
    return slice_make(out, pick(random, 3) ? 23 : pick(random, 2) ? 19 : pick(random, 24));
}

SCAN_AVX2_CODE static bool quickly(const struct quick_date *date, struct slice text, int64_t *ms)
{
    return quick_time_parse(date, text.ptr, text.len, ms);
}
#endif

// What the quick way takes, the calendar takes for the same time; and the plain shape is taken.
static void test_walk_quick_times_are_the_calendars(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (!has_avx2())
        skip();
    uint64_t random = seed_of_today();
    struct quick_date date = QUICK_DATE_NONE;
    char text[64], zeros[23] = {0};
    int64_t quick, slow;
    int taken = 0;
    memcpy(zeros + 11, "00:00:00.000", 12);
    assert_false(quickly(&date, slice_make(zeros, 23), &quick)); // no date is known yet
    for (int round = 0; round < 200000; round++) {
        struct slice s = random_time(&random, text);
        bool is_time = calendar_parse_timestamp(s, CALENDAR_SQL, false, &slow);
        bool is_taken = quickly(&date, s, &quick);
        taken += is_taken;
        if (is_taken && (!is_time || quick != slow))
            fail_msg("\"%.*s\" is %lld, not %lld", (int)s.len, s.ptr, (long long)slow,
                     (long long)quick);
        if (!is_time)
            continue;
        quick_date_learn(&date, s.ptr, slow);
        if (s.len == 19 || s.len == 23)
            assert_true(quickly(&date, s, &quick) && quick == slow);
    }
    assert_true(taken > 1000);
#else
    skip();
#endif
}

// What is taken is what the careful way reads; and all that is short enough and plain is taken.
static void check_integer(struct slice s, unsigned most)
{
    int64_t quick, slow;
    bool is_plain =
        number_parse_int64(s, &slow) == 0 && s.ptr[0] != '+' && s.len - (s.ptr[0] == '-') <= most;
    assert_int_equal(quick_integer_parse(s, most, &quick), is_plain);
    if (is_plain)
        assert_int_equal(quick, slow);
}

// A JSON integer: digits up to what is none, not 0 before others, no fraction and no exponent.
static void check_integer_bytes(const char *text)
{
#if defined(__SSE2__)
    unsigned sign = text[0] == '-', digits = (unsigned)strspn(text + sign, "0123456789");
    char behind = text[sign + digits];
    bool fits = digits > 0 && digits < QUICK_INTEGER_DIGITS && (digits == 1 || text[sign] != '0') &&
                behind != '.' && behind != 'e' && behind != 'E';
    assert_int_equal(quick_integer_bytes(text), fits ? sign + digits : 0);
#else
    (void)text;
#endif
}

static void test_walk_quick_integers_are_right(void **state)
{
    (void)state;
    static const char bytes[] = "0123456789-+.eE x";
    uint64_t random = seed_of_today();
    for (int round = 0; round < 200000; round++) {
        char text[40] = "";
        for (unsigned i = 0; i < sizeof(text) - 1; i++)
            text[i] = bytes[pick(&random, pick(&random, 8) ? 10 : sizeof(bytes) - 1)];
        check_integer(slice_make(text, pick(&random, 20)), pick(&random, 2) ? 9 : 16);
        check_integer_bytes(text);
    }
}

// The blank in front of a date is no part of the date that is remembered.
static void test_walk_remembers_dates_without_blanks(void **state)
{
    (void)state;
    struct dump_settings settings = {0};
    struct buf text = {0}, expected = {0};
    format_options_default(FORMAT_CSV, &settings.options);
    buf_append_str(&text, "a, 2024-01-01 00:00:01.5 \nb, 2024-01-0102:22:33.444\n");
    buf_append_str(&expected, "+I[a, 2024-01-01T00:00:01.500]\n"
                              "! column \"t\": \" 2024-01-0102:22:33.444\" is no TIMESTAMP\n");
    for (int i = 0; i < 20; i++) { // what stands too near the end is not walked
        buf_append_str(&text, "c,2024-01-01 00:00:01\n");
        buf_append_str(&expected, "+I[c, 2024-01-01T00:00:01]\n");
    }
    expect_with(&settings, "s STRING, t TIMESTAMP", buf_slice(&text), buf_str(&expected));
    buf_fini(&text);
    buf_fini(&expected);
}

// A string with a line's end in it looks whole when only marks are looked at.
static void test_walk_ends_strings_with_their_lines(void **state)
{
    (void)state;
    struct dump_settings settings = {0};
    struct buf text = {0}, expected = {0};
    format_options_default(FORMAT_JSON, &settings.options);
    for (int i = 0; i < 40; i++) {
        buf_append_str(&text, i == 9 ? "{\"a\":\"two\nlines\",\"b\":\"b\"}\n"
                                     : "{\"a\":\"one line\",\"b\":\"b\"}\n");
        buf_append_str(&expected, i == 9
                                      ? "! a string is not closed\n"
                                        "! the row is no JSON object: it does not begin with '{'\n"
                                      : "+I[one line, b]\n");
    }
    expect_with(&settings, "a STRING, b STRING", buf_slice(&text), buf_str(&expected));
    buf_fini(&text);
    buf_fini(&expected);
}

// --- long calm inputs ---

// Mostly rows of one shape, or of `shapes`, whose values have any length; about each `calm`th value
// is another.
static void json_rows(uint64_t *random, unsigned calm, unsigned shapes, unsigned rows,
                      struct buf *out)
{
    static const char *const others[] = {
        "null",
        "-17",
        "-0",
        "12345678901234567",
        "-1.5e3",
        "\"\"",
        "\"a\\\"b\"",
        "\"z\xC3\xBCrich\"",
        "\"\xff\"",
        "{\"a\":[1]}",
        "\"a string of more bytes than a window of marks shows, sixty and some of them\"",
        "\"open",
        "true",
        "\"2024-01-01 00:00:01.5\"",
        "\"two\\u0020words\"",
        "\"two\nlines\""};
    for (unsigned i = 0; i < rows; i++) {
        const char *other[4] = {0};
        for (int field = 0; field < 4; field++)
            if (pick(random, calm) == 0)
                other[field] = others[pick(random, ARRAY_SIZE(others))];
        buf_append_str(out, pick(random, calm) ? "{" : "{ ");
        unsigned shape = pick(random, 3) ? 0 : pick(random, shapes);
        if (shape)
            buf_printf(out, "\"shape %u\":%u,", shape, i);
        buf_append_str(out, "\"s\":");
        if (other[0])
            buf_append_str(out, other[0]);
        else
            buf_printf(out, "\"%.*s\"", (int)pick(random, 20), "twenty bytes of text");
        buf_append_str(out, ",\"an unneeded key of more than thirty bytes\":");
        buf_append_str(out, other[1] ? other[1] : "\"x\"");
        buf_append_str(out, ",\"t\":");
        if (other[2])
            buf_append_str(out, other[2]);
        else
            buf_printf(out, "\"2024-02-%02u %02u:00:%02u.%03u\"", 1 + i / 50 % 28, pick(random, 24),
                       pick(random, 60), pick(random, 1000));
        buf_append_str(out, ",\"n\":");
        if (other[3])
            buf_append_str(out, other[3]);
        else
            buf_printf(out, pick(random, 9) ? "%u" : "17%011u", pick(random, 100000));
        buf_append_str(out, pick(random, calm) ? "}\n" : pick(random, 2) ? "}\r\n" : "}\n\n");
    }
}

static void csv_rows(uint64_t *random, unsigned calm, unsigned rows, struct buf *out)
{
    static const char *const others[] = {
        "",
        "\"quoted, text\"",
        "\"two\nlines\"",
        "\"say \"\"hi\"\"\"",
        "a\"b",
        "z\xC3\xBCrich",
        "\xff",
        "a,field,too,many",
        "a field of more bytes than a window of marks shows, sixty and some",
        "back\\nslash",
        "-17",
        "12345678901234567",
        "\xEF\xBB\xBF",
        "#",
        "\"open",
        " 2024-02-01 00:00:01.5 ",
        "\r"};
    for (unsigned i = 0; i < rows; i++) {
        for (int field = 0; field < 4; field++) {
            if (pick(random, calm) == 0)
                buf_append_str(out, others[pick(random, ARRAY_SIZE(others))]);
            else if (field == 2)
                buf_printf(out, "2024-02-%02u %02u:00:%02u", 1 + i / 50 % 28, pick(random, 24),
                           pick(random, 60));
            else if (field == 3)
                buf_printf(out, "%u", pick(random, 100000));
            else
                buf_printf(out, "%.*s", (int)pick(random, 20), "twenty bytes of text");
            if (field < 3)
                buf_append_char(out, ',');
        }
        buf_append_str(out, pick(random, calm) ? "\n" : pick(random, 2) ? "\r\n" : "\n\n");
    }
}

static void compare_all_ways(enum format_kind kind)
{
    uint64_t seed = seed_of_today(), random = seed;
    struct dump_schema schema;
    struct buf text = {0}, out = {0};
    static const char *const columns[][2] = {
        [FORMAT_JSON] = {"t TIMESTAMP, s STRING, n BIGINT, gone DOUBLE", "t STRING, s LTZ, n INT"},
        [FORMAT_CSV] = {"s STRING, -x STRING, t TIMESTAMP, n BIGINT",
                        "-s INT, x INT, t LTZ, n STRING"},
    };
    for (int round = 0; round < 60; round++) {
        dump_schema_init(&schema, columns[kind][round % 2]);
        struct dump_settings settings = {0};
        format_options_default(kind, &settings.options);
        settings.piece = pick(&random, 2) ? 1 + pick(&random, 30000) : 0;
        settings.rows = pick(&random, 2) ? 1 + pick(&random, 400) : 0;
        settings.row_max = pick(&random, 4) ? 0 : 60 + pick(&random, 100);
        settings.options.ignore_parse_errors = pick(&random, 2);
        settings.options.csv_escape = pick(&random, 2) ? '\\' : -1;
        settings.options.csv_allow_comments = pick(&random, 2);
        settings.options.csv_has_null_literal = pick(&random, 8) == 0;
        buf_clear(&text);
        unsigned calm = pick(&random, 2) ? 20 : 400;
        if (kind == FORMAT_JSON)
            json_rows(&random, calm, round % 3 ? 1 : 7, pick(&random, 700), &text);
        else
            csv_rows(&random, calm, pick(&random, 1400), &text);
        buf_clear(&out);
        if (!dump_all_ways(&settings, &schema, buf_slice(&text), &out))
            fail_msg("seed %llu round %d:\n%s", (unsigned long long)seed, round, buf_str(&out));
    }
    buf_fini(&text);
    buf_fini(&out);
}

static void test_walk_json_says_the_same(void **state)
{
    (void)state;
    compare_all_ways(FORMAT_JSON);
}

static void test_walk_csv_says_the_same(void **state)
{
    (void)state;
    compare_all_ways(FORMAT_CSV);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_walk_index_is_as_its_twin),
        cmocka_unit_test(test_walk_quick_times_are_the_calendars),
        cmocka_unit_test(test_walk_quick_integers_are_right),
        cmocka_unit_test(test_walk_remembers_dates_without_blanks),
        cmocka_unit_test(test_walk_ends_strings_with_their_lines),
        cmocka_unit_test(test_walk_json_says_the_same),
        cmocka_unit_test(test_walk_csv_says_the_same),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
