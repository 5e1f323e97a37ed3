// test_type.c: types as Flink writes them; fields by their exact name.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/row/type.h"

static void formats_as(struct type type, const char *want)
{
    struct buf buf = {0};
    type_format(&type, &buf);
    assert_string_equal(buf_str(&buf), want);
    buf_fini(&buf);
}

static void test_type_format_of_each_kind(void **state)
{
    (void)state;
    static const char *const names[TYPE_KIND_COUNT] = {"NULL",
                                                       "BOOLEAN",
                                                       "INT",
                                                       "BIGINT",
                                                       "DOUBLE",
                                                       "STRING",
                                                       "DATE",
                                                       "TIME(0)",
                                                       "TIMESTAMP(3)",
                                                       "TIMESTAMP_LTZ(3)",
                                                       "INTERVAL DAY TO SECOND",
                                                       "INTERVAL YEAR TO MONTH"};
    for (int kind = 0; kind < TYPE_KIND_COUNT; kind++)
        formats_as(type_of((enum type_kind)kind), names[kind]);
}

static void test_type_format_of_what_a_kind_carries(void **state)
{
    (void)state;
    formats_as((struct type){.kind = TYPE_STRING, .length = 10}, "VARCHAR(10)");
    formats_as((struct type){.kind = TYPE_STRING, .length = 3, .fixed_length = true}, "CHAR(3)");
    formats_as((struct type){.kind = TYPE_TIMESTAMP, .precision = 0}, "TIMESTAMP(0)");
    formats_as((struct type){.kind = TYPE_BIGINT, .not_null = true}, "BIGINT NOT NULL");
    formats_as(
        (struct type){
            .kind = TYPE_TIMESTAMP_LTZ, .precision = 3, .rowtime = true, .not_null = true},
        "TIMESTAMP_LTZ(3) *ROWTIME* NOT NULL");
}

static void test_type_kind_name_is_bare(void **state)
{
    (void)state;
    assert_string_equal(type_kind_name(TYPE_TIME), "TIME");
    assert_string_equal(type_kind_name(TYPE_TIMESTAMP), "TIMESTAMP");
    for (int kind = 0; kind < TYPE_KIND_COUNT; kind++)
        assert_non_null(type_kind_name((enum type_kind)kind));
}

static void test_type_families(void **state)
{
    (void)state;
    for (int i = 0; i < TYPE_KIND_COUNT; i++) {
        enum type_kind kind = (enum type_kind)i;
        assert_int_equal(type_is_numeric(kind),
                         kind == TYPE_INT || kind == TYPE_BIGINT || kind == TYPE_DOUBLE);
        assert_int_equal(type_is_string(kind), kind == TYPE_STRING);
        assert_int_equal(type_is_timestamp(kind), type_of(kind).precision == 3);
    }
}

static void test_type_schema_find_is_exact(void **state)
{
    (void)state;
    struct field fields[] = {{.name = "id"}, {.name = "eventTime"}, {.name = "id"}};
    const struct schema schema = {.fields = fields, .field_count = 3};
    assert_int_equal(schema_find(&schema, "eventTime"), 1);
    assert_int_equal(schema_find(&schema, "id"), 0); // the first
    assert_int_equal(schema_find(&schema, "eventtime"), -1);
    assert_int_equal(schema_find(&schema, ""), -1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_type_format_of_each_kind),
        cmocka_unit_test(test_type_format_of_what_a_kind_carries),
        cmocka_unit_test(test_type_kind_name_is_bare),
        cmocka_unit_test(test_type_families),
        cmocka_unit_test(test_type_schema_find_is_exact),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
