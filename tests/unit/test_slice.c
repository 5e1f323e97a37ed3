// test_slice.c: equality and order of borrowed bytes.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "core/base/slice.h"

static int sign(int x)
{
    return (x > 0) - (x < 0);
}

static void test_slice_equal_looks_at_every_byte(void **state)
{
    (void)state;
    assert_true(slice_equal(slice_make(NULL, 0), slice_of("")));
    assert_true(slice_equal(slice_make("a\0b", 3), slice_make("a\0b", 3)));
    assert_false(slice_equal(slice_make("a\0b", 3), slice_make("a\0c", 3)));
    assert_false(slice_equal(slice_of("a"), slice_of("ab")));
}

// Each of these is smaller than the ones behind it: bytes are unsigned, a prefix comes first.
static void test_slice_compare_is_a_total_order(void **state)
{
    (void)state;
    const struct slice sorted[] = {slice_make(NULL, 0), slice_make("\0", 1), slice_make("\0a", 2),
                                   slice_of("a"),       slice_of("aa"),      slice_of("b"),
                                   slice_of("\x7f"),    slice_of("\x80"),    slice_of("\xff")};
    int count = (int)(sizeof(sorted) / sizeof(sorted[0]));
    for (int i = 0; i < count; i++) {
        for (int j = 0; j < count; j++) {
            assert_int_equal(sign(slice_compare(sorted[i], sorted[j])), sign(i - j));
            assert_int_equal(slice_equal(sorted[i], sorted[j]), i == j);
        }
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slice_equal_looks_at_every_byte),
        cmocka_unit_test(test_slice_compare_is_a_total_order),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
