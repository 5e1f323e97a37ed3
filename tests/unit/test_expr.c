// test_expr.c: functions against a table of answers that Flink 2.3 gave (asked with its own
// planner), three-valued logic against its truth tables, columns against single rows.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

#include "core/base/calendar.h"
#include "core/base/number.h"
#include "core/expr/expr.h"

static struct pool pool;
static struct err err;

static struct expr *i_(int64_t v)
{
    return expr_int(&pool, v);
}

static struct expr *d_(double v)
{
    return expr_double(&pool, v);
}

static struct expr *s_(const char *v)
{
    return expr_string(&pool, slice_of(v));
}

static struct expr *n_(enum type_kind kind)
{
    struct expr *out;
    assert_int_equal(expr_cast(&pool, expr_null(&pool), type_of(kind), &out, &err), 0);
    return out;
}

static struct expr *cast(struct expr *e, enum type_kind kind)
{
    struct expr *out;
    if (expr_cast(&pool, e, type_of(kind), &out, &err))
        fail_msg("%s", err.text);
    return out;
}

static struct expr *ts_(const char *v)
{
    return cast(s_(v), TYPE_TIMESTAMP);
}

static struct expr *dt_(const char *v)
{
    return cast(s_(v), TYPE_DATE);
}

static struct expr *day_(int64_t days)
{
    return expr_typed(&pool, type_of(TYPE_INTERVAL_DAY), days * CALENDAR_DAY_MS);
}

static struct expr *month_(int64_t months)
{
    return expr_typed(&pool, type_of(TYPE_INTERVAL_MONTH), months);
}

#define F(name, ...)                                                                               \
    f_(name, (struct expr *[]){__VA_ARGS__},                                                       \
       (int)(sizeof((struct expr *[]){__VA_ARGS__}) / sizeof(struct expr *)))

static struct expr *f_(const char *name, struct expr **args, int count)
{
    struct expr *out;
    if (expr_call(&pool, name, (struct expr_args){args, count}, &out, &err))
        fail_msg("%s: %s", name, err.text);
    return out;
}

// The value as text: what CAST AS STRING shows, NULL, or ERROR and its number.
static const char *value_in(struct expr *e, const char *zone)
{
    struct batch batch = {.count = 1};
    struct expr_context context = {
        .now_ms = 1357035630123, .watermark_ms = INT64_MIN, .time_zone = zone, .scratch = &pool};
    const struct column *column;
    struct expr_program *program =
        expr_compile(e->type.kind == TYPE_STRING ? e : cast(e, TYPE_STRING), NULL);
    expr_eval(program, &batch, &context, &column);
    const char *text = column->state[0] == VALUE_NULL ? "NULL"
                       : column->state[0] >= VALUE_ERROR
                           ? pool_printf(&pool, "ERROR %d", column->state[0] - VALUE_ERROR)
                           : pool_strndup(&pool, column->str[0].ptr, column->str[0].len);
    expr_program_free(program);
    return text;
}

#define IS(e, text) assert_string_equal(value_in(e, "UTC"), text)

static void test_expr_integers_wrap_and_divide_as_java(void **state)
{
    (void)state;
    IS(F("+", i_(7), i_(2147483647)), "-2147483642");
    IS(F("+", cast(i_(7), TYPE_BIGINT), i_(INT64_MAX)), "-9223372036854775802");
    IS(F("*", i_(65536), i_(65536)), "0");
    IS(F("/", i_(-7), i_(2)), "-3");
    IS(F("%", i_(-7), i_(3)), "-1");
    IS(F("/", i_(7), i_(0)), "ERROR 0");
    IS(F("MOD", i_(7), i_(0)), "ERROR 0");
    IS(F("/", n_(TYPE_INT), i_(0)), "NULL");
    IS(F("/", i_(INT32_MIN), i_(-1)), "-2147483648");
    IS(F("/", cast(i_(INT64_MIN), TYPE_BIGINT), i_(-1)), "-9223372036854775808");
    IS(F("/", d_(7), i_(0)), "Infinity");
    IS(F("-", d_(1.5), i_(1)), "0.5");
    IS(F("-", i_(7)), "-7");
    assert_int_equal(F("+", i_(1), i_(2))->type.kind, TYPE_INT);
    assert_int_equal(F("%", cast(i_(1), TYPE_BIGINT), i_(2))->type.kind, TYPE_INT);
    assert_true(F("+", i_(1), i_(2))->type.not_null);
}

static void test_expr_math(void **state)
{
    (void)state;
    IS(F("ABS", i_(INT32_MIN)), "-2147483648");
    IS(F("CEIL", d_(2.1)), "3.0");
    IS(F("FLOOR", d_(-2.5)), "-3.0");
    IS(F("ROUND", d_(2.5)), "3.0");
    IS(F("ROUND", d_(-2.5)), "-3.0");
    IS(F("ROUND", d_(2.345), i_(2)), "2.35");
    IS(F("ROUND", i_(12345), i_(-2)), "12300");
    IS(F("ROUND", i_(7), i_(-1)), "10");
    IS(F("POWER", i_(2), i_(10)), "1024.0");
    IS(F("SQRT", i_(-1)), "NaN");
    IS(F("LOG", i_(2), i_(8)), "3.0");
    IS(F("GREATEST", i_(1), d_(2.5), i_(2)), "2.5");
    IS(F("LEAST", s_("b"), s_("a")), "a");
    IS(F("GREATEST", i_(1), n_(TYPE_INT)), "NULL");
}

static void test_expr_casts_as_flink(void **state)
{
    (void)state;
    IS(cast(s_("12.7"), TYPE_INT), "12");
    IS(cast(s_(" 12 "), TYPE_INT), "12");
    IS(cast(s_("99999999999"), TYPE_INT), "ERROR 2");
    IS(cast(s_(""), TYPE_INT), "ERROR 2");
    IS(cast(s_("1.5d"), TYPE_DOUBLE), "1.5");
    IS(cast(d_(1e20), TYPE_INT), "2147483647");
    IS(cast(d_(1e20), TYPE_BIGINT), "9223372036854775807");
    IS(cast(i_(INT64_MAX), TYPE_INT), "-1");
    IS(cast(s_("yes"), TYPE_BOOLEAN), "TRUE");
    IS(cast(s_(" TRUE "), TYPE_BOOLEAN), "ERROR 2");
    IS(ts_("2013-1-2 3:4:5"), "2013-01-02 03:04:05.000");
    IS(ts_(" 2013-02-03 10:00:00 "), "ERROR 2");
    IS(dt_("2013-02-30"), "ERROR 2");
    IS(dt_("2013"), "2013-01-01");
    IS(cast(ts_("2013-05-16 13:14:15.678"), TYPE_DATE), "2013-05-16");
    IS(day_(1), "+1 00:00:00.000");
    IS(month_(14), "+1-02");
    struct expr *out;
    assert_int_equal(expr_try_cast(&pool, s_("x"), type_of(TYPE_INT), &out, &err), 0);
    IS(out, "NULL");
    struct type char5 = {.kind = TYPE_STRING, .fixed_length = true, .length = 5};
    struct type varchar3 = {.kind = TYPE_STRING, .length = 3};
    assert_int_equal(expr_cast(&pool, s_("é"), char5, &out, &err), 0);
    IS(out, "é    ");
    assert_int_equal(expr_cast(&pool, s_("héllo"), varchar3, &out, &err), 0);
    IS(out, "hél");
    assert_int_equal(expr_cast(&pool, i_(1), type_of(TYPE_DATE), &out, &err), -EINVAL);
}

static struct expr *b_(int v)
{
    return v == 2   ? n_(TYPE_BOOLEAN)
           : v == 3 ? F("=", F("/", i_(1), i_(0)), i_(1))
                    : expr_bool(&pool, v == 1);
}

static void test_expr_logic_has_four_values(void **state)
{
    (void)state;
    // Rows and columns: FALSE, TRUE, NULL, an error.
    static const char *const both[4][4] = {{"FALSE", "FALSE", "FALSE", "FALSE"},
                                           {"FALSE", "TRUE", "NULL", "ERROR 0"},
                                           {"FALSE", "NULL", "NULL", "ERROR 0"},
                                           {"FALSE", "ERROR 0", "ERROR 0", "ERROR 0"}};
    static const char *const either[4][4] = {{"FALSE", "TRUE", "NULL", "ERROR 0"},
                                             {"TRUE", "TRUE", "TRUE", "TRUE"},
                                             {"NULL", "TRUE", "NULL", "ERROR 0"},
                                             {"ERROR 0", "TRUE", "ERROR 0", "ERROR 0"}};
    for (int a = 0; a < 4; a++) {
        for (int b = 0; b < 4; b++) {
            IS(F("AND", b_(a), b_(b)), both[a][b]);
            IS(F("OR", b_(a), b_(b)), either[a][b]);
        }
    }
    IS(F("NOT", b_(2)), "NULL");
    IS(F("IS NULL", b_(2)), "TRUE");
    IS(F("IS NULL", b_(3)), "ERROR 0");
    IS(F("IS NOT TRUE", b_(2)), "TRUE");
    IS(F("IS FALSE", b_(0)), "TRUE");
}

static void test_expr_choices(void **state)
{
    (void)state;
    struct expr *bad = F("/", i_(1), i_(0));
    IS(F("CASE", b_(1), s_("x"), s_("yyy")), "x");
    IS(F("CASE", b_(0), bad, i_(3)), "3");
    IS(F("CASE", b_(2), bad, b_(1), i_(2), i_(3)), "2");
    IS(F("CASE", b_(3), i_(1), i_(2)), "ERROR 0");
    IS(F("CASE", b_(1), i_(1), d_(2.5)), "1.0");
    IS(F("COALESCE", n_(TYPE_INT), i_(5), bad), "5");
    IS(F("NULLIF", i_(7), i_(7)), "NULL");
    IS(F("NULLIF", i_(7), i_(8)), "7");
    IS(F("IN", i_(7), i_(1), i_(7), expr_null(&pool)), "TRUE");
    IS(F("NOT IN", i_(7), i_(1), i_(2), expr_null(&pool)), "NULL");
    IS(F("IN", s_("b"), s_("c"), s_("a"), s_("b")), "TRUE");
    IS(F("IN", i_(7), s_("7"), s_("8")), "TRUE");
    IS(F("BETWEEN", i_(5), i_(1), i_(5)), "TRUE");
    IS(F("NOT BETWEEN", i_(5), i_(1), n_(TYPE_INT)), "NULL");
    IS(F("IS DISTINCT FROM", i_(7), expr_null(&pool)), "TRUE");
    IS(F("IS NOT DISTINCT FROM", n_(TYPE_INT), n_(TYPE_INT)), "TRUE");
    IS(F(">", i_(7), s_("10")), "FALSE");
    IS(F(">", ts_("2013-05-16 13:14:15"), s_("2013-01-01")), "TRUE");
    IS(F("<", s_("é"), s_("z")), "FALSE");
    IS(F("LIKE", s_("héllo12"), s_("h_l%2")), "TRUE");
    IS(F("LIKE", s_("a%b"), s_("a!%b"), s_("!")), "TRUE");
    IS(F("NOT LIKE", s_("abc"), s_("%d%")), "TRUE");
}

static void test_expr_strings(void **state)
{
    (void)state;
    struct expr *s = s_("héllo12");
    IS(F("UPPER", s), "HÉLLO12");
    IS(F("LOWER", s_("ÀB")), "àb");
    IS(F("CHAR_LENGTH", s), "7");
    IS(F("SUBSTRING", s, i_(2), i_(3)), "éll");
    IS(F("SUBSTRING", s, i_(0), i_(2)), "hé");
    IS(F("SUBSTRING", s, i_(-3), i_(2)), "o1");
    IS(F("SUBSTRING", s, i_(2), i_(-1)), "NULL");
    IS(F("SUBSTR", s, i_(-2)), "12");
    IS(F("TRIM", s_("BOTH"), s_("x"), s_("xxaxx")), "a");
    IS(F("LTRIM", s_("  a ")), "a ");
    IS(F("REPLACE", s, s_("l"), s_("LL")), "héLLLLo12");
    IS(F("POSITION", s_("l"), s), "3");
    IS(F("LOCATE", s_("l"), s, i_(4)), "4");
    IS(F("LEFT", s, i_(-1)), "");
    IS(F("RIGHT", s, i_(2)), "12");
    IS(F("LPAD", s_("hi"), i_(5), s_("ab")), "abahi");
    IS(F("RPAD", s_("hi"), i_(5), s_("ab")), "hiaba");
    IS(F("LPAD", s_("hi"), i_(-1), s_("ab")), "NULL");
    IS(F("REPEAT", s_("ab"), i_(3)), "ababab");
    IS(F("REPEAT", s_("ab"), i_(1 << 30)), "ERROR 1");
    IS(F("REVERSE", s), "21olléh");
    IS(F("SPLIT_INDEX", s_("a,b,,c"), s_(","), i_(1)), "b");
    IS(F("SPLIT_INDEX", s_("a,b,,c"), s_(","), i_(9)), "NULL");
    IS(F("CONCAT", s, s_("-"), s), "héllo12-héllo12");
    IS(F("CONCAT", s, n_(TYPE_STRING)), "NULL");
    IS(F("CONCAT_WS", s_("-"), s, n_(TYPE_STRING), s_("a")), "héllo12-a");
    assert_int_equal(F("||", s, s_("|"))->type.length, 8);
}

static void test_expr_times(void **state)
{
    (void)state;
    struct expr *ts = ts_("2013-05-16 13:14:15.678");
    IS(F("+", dt_("2013-01-31"), month_(1)), "2013-02-28");
    IS(F("+", ts, month_(1)), "2013-06-16 13:14:15.678");
    IS(F("-", ts, day_(1)), "2013-05-15 13:14:15.678");
    IS(F("EXTRACT", s_("WEEK"), ts), "20");
    IS(F("DAYOFWEEK", ts), "5");
    IS(F("FLOOR", ts, s_("WEEK")), "2013-05-12 00:00:00.000");
    IS(F("CEIL", ts, s_("YEAR")), "2014-01-01 00:00:00.000");
    IS(F("TIMESTAMPADD", s_("HOUR"), i_(1), dt_("2013-05-16")), "2013-05-16 01:00:00.000");
    IS(F("TIMESTAMPDIFF", s_("MONTH"), dt_("2013-01-31"), dt_("2013-02-28")), "1");
    IS(F("TIMESTAMPDIFF", s_("MONTH"), ts_("2013-03-31 09:00:00"), ts_("2013-01-31 10:00:00")),
       "-2");
    IS(F("TO_TIMESTAMP", s_("x")), "NULL");
    IS(F("FROM_UNIXTIME", i_(1357035630)), "2013-01-01 10:20:30");
    IS(F("UNIX_TIMESTAMP", s_("2013-01-01 10:20:30")), "1357035630");
    struct expr *ltz = F("TO_TIMESTAMP_LTZ", i_(1364691600), i_(0)); // 2013-03-31 01:00 UTC
    assert_string_equal(value_in(ltz, "Europe/Berlin"), "2013-03-31 03:00:00.000");
    assert_string_equal(value_in(ltz, "UTC-03:30"), "2013-03-30 21:30:00.000");
    // In the gap of the clock change the text moves on by the gap.
    struct expr *gap = cast(ts_("2013-03-31 02:30:00"), TYPE_TIMESTAMP_LTZ);
    assert_string_equal(value_in(gap, "Europe/Berlin"), "2013-03-31 03:30:00.000");
    // Of an hour that comes twice, FLOOR stays in its own.
    struct expr *second = F("TO_TIMESTAMP_LTZ", i_(1382835694), i_(0)); // 2013-10-27 01:01:34 UTC
    struct expr *hour = F("EXTRACT", s_("EPOCH"), F("FLOOR", second, s_("HOUR")));
    assert_string_equal(value_in(hour, "Europe/Berlin"), "1382835600");
    IS(f_("CURRENT_TIMESTAMP", NULL, 0), "2013-01-01 10:20:30.123");
}

static void test_expr_time_patterns(void **state)
{
    (void)state;
    struct expr *ts = ts_("2013-05-16 13:14:15.678"), *out;
    IS(F("DATE_FORMAT", ts, s_("yyyy-MM-dd HH:mm:ss.SSS")), "2013-05-16 13:14:15.678");
    IS(F("DATE_FORMAT", ts, s_("yy/M/d H:m:s.S")), "13/5/16 13:14:15.6");
    IS(F("DATE_FORMAT", ts, s_("EEE EEEE MMM MMMM a h hh")), "Thu Thursday May May PM 1 01");
    IS(F("DATE_FORMAT", ts, s_("yyyyMMdd'T'HHmmss''D")), "20130516T131415'136");
    IS(F("DATE_FORMAT", s_("2013-05-16 13:14:15"), s_("yyyy")), "2013");
    IS(F("DATE_FORMAT", ts, s_("")), "");
    IS(F("TO_DATE", s_("16.05.2013"), s_("dd.MM.yyyy")), "2013-05-16");
    IS(F("TO_TIMESTAMP", s_("16.05.2013 10"), s_("dd.MM.yyyy HH")), "2013-05-16 10:00:00.000");
    IS(F("TO_TIMESTAMP", s_("20130516101112"), s_("yyyyMMddHHmmss")), "2013-05-16 10:11:12.000");
    IS(F("TO_TIMESTAMP", s_("2013-05-16 10:11:12.5"), s_("yyyy-MM-dd HH:mm:ss.SSS")),
       "2013-05-16 10:11:12.500");
    IS(F("TO_TIMESTAMP", s_("x"), s_("yyyy")), "NULL");
    IS(F("UNIX_TIMESTAMP", s_("2013-01-01"), s_("yyyy-MM-dd")), "1356998400");
    IS(F("UNIX_TIMESTAMP", s_("x"), s_("yyyy")), "-9223372036854775808");
    IS(F("FROM_UNIXTIME", i_(1357035630), s_("yyyy")), "2013");
    struct expr *bad[2] = {ts, s_("foo")}, *open[2] = {ts, s_("yyyy'x")};
    assert_int_equal(expr_call(&pool, "DATE_FORMAT", (struct expr_args){bad, 2}, &out, &err),
                     -EINVAL);
    assert_int_equal(expr_call(&pool, "DATE_FORMAT", (struct expr_args){open, 2}, &out, &err),
                     -EINVAL);
}

static void test_expr_refuses_with_a_hint(void **state)
{
    (void)state;
    struct expr *out, *arg = i_(1);
    assert_int_equal(expr_call(&pool, "UPPPER", (struct expr_args){&arg, 1}, &out, &err), -ENOENT);
    assert_non_null(strstr(err.text, "UPPER?"));
    assert_int_equal(expr_call(&pool, "UPPER", (struct expr_args){&arg, 1}, &out, &err), -EINVAL);
    assert_non_null(strstr(err.text, "(STRING)"));
    struct expr *sides[2] = {s_("x"), ts_("2013-01-01")};
    assert_int_equal(expr_call(&pool, "-", (struct expr_args){sides, 2}, &out, &err), -EINVAL);
    struct expr *unit[2] = {s_("FORTNIGHT"), ts_("2013-01-01")};
    assert_int_equal(expr_call(&pool, "EXTRACT", (struct expr_args){unit, 2}, &out, &err), -EINVAL);
}

// One program over random columns with NULLs gives what plain C gives row by row.
static void test_expr_columns_agree_with_rows(void **state)
{
    (void)state;
    unsigned seed = 42;
    print_message("seed %u\n", seed);
    struct field fields[2] = {{"a", type_of(TYPE_INT)}, {"b", type_of(TYPE_INT)}};
    struct schema schema = {fields, 2};
    struct batch batch;
    batch_init(&batch, &schema);
    batch.count = 1000;
    for (uint32_t r = 0; r < batch.count; r++)
        for (int c = 0; c < 2; c++) {
            batch.columns[c].i64[r] = rand_r(&seed) % 9 - 4;
            batch.columns[c].state[r] = rand_r(&seed) % 5 ? VALUE_PRESENT : VALUE_NULL;
        }
    for (int c = 0; c < 2; c++)
        column_summarize(&batch.columns[c], batch.count);
    struct expr *a = expr_column(&pool, 0, fields[0].type),
                *b = expr_column(&pool, 1, fields[1].type);
    struct expr *e = F("CASE", F("<", a, i_(0)), F("/", a, b), F("-", F("*", a, b), i_(1)));
    struct expr_program *program = expr_compile(e, &schema);
    struct expr_context context = {.time_zone = "UTC", .scratch = &pool};
    const struct column *out;
    expr_eval(program, &batch, &context, &out);
    for (uint32_t r = 0; r < batch.count; r++) {
        bool null_a = batch.columns[0].state[r], null_b = batch.columns[1].state[r];
        int64_t x = batch.columns[0].i64[r], y = batch.columns[1].i64[r];
        int wanted = null_a || null_b ? VALUE_NULL : x < 0 && y == 0 ? VALUE_ERROR : VALUE_PRESENT;
        assert_int_equal(out->state[r], wanted);
        if (wanted == VALUE_PRESENT)
            assert_int_equal(out->i64[r], x < 0 ? x / y : x * y - 1);
    }
    struct buf text = {0};
    expr_format(F("AND", F(">", a, i_(1)), F("IS NULL", b)), &schema, &text);
    assert_string_equal(buf_str(&text), "((a > 1) AND b IS NULL)");
    buf_fini(&text);
    bool used[2] = {false, false};
    expr_columns(a, used);
    assert_true(used[0] && !used[1]);
    expr_program_free(program);
    batch_fini(&batch);
}

static void test_expr_folds_constants(void **state)
{
    (void)state;
    struct expr *e = expr_fold(&pool, F("+", i_(1), F("*", i_(2), i_(3))));
    assert_int_equal(e->kind, EXPR_LITERAL);
    assert_int_equal(e->i64, 7);
    assert_int_equal(expr_fold(&pool, F("/", i_(1), i_(0)))->kind, EXPR_CALL);
    assert_int_equal(expr_fold(&pool, f_("NOW", NULL, 0))->kind, EXPR_CALL);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_expr_integers_wrap_and_divide_as_java),
        cmocka_unit_test(test_expr_math),
        cmocka_unit_test(test_expr_casts_as_flink),
        cmocka_unit_test(test_expr_logic_has_four_values),
        cmocka_unit_test(test_expr_choices),
        cmocka_unit_test(test_expr_strings),
        cmocka_unit_test(test_expr_times),
        cmocka_unit_test(test_expr_time_patterns),
        cmocka_unit_test(test_expr_refuses_with_a_hint),
        cmocka_unit_test(test_expr_columns_agree_with_rows),
        cmocka_unit_test(test_expr_folds_constants),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    pool_fini(&pool);
    return failed;
}
