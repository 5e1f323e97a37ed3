// test_cores.c: a list of cores dealt to tasks.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/cores.h"

static void test_cores_are_dealt_in_turn(void **state)
{
    (void)state;
    const int expected[] = {0, 1, 2, 8, 10, 11, 0};
    struct config_cores cores = {.count = 6, .list = "0-2,8,10-11"};
    int *cpus = cores_assign(&cores, 7);
    assert_non_null(cpus);
    assert_memory_equal(cpus, expected, sizeof(expected));
    free(cpus);
}

static void test_cores_without_a_list_pin_nothing(void **state)
{
    (void)state;
    struct config_cores any = {.count = CONFIG_AUTO}, four = {.count = 4};
    assert_null(cores_assign(&any, 3));
    assert_null(cores_assign(&four, 3));
}

static void test_cores_counts_its_list(void **state)
{
    (void)state;
    struct config *config = NULL;
    struct err err = {.text = ""};
    const char *text = "job: a\nsql: b\nplacement: {cores: \"2-4,7\"}\n";
    assert_int_equal(config_parse("x", slice_of(text), &config, &err), 0);
    assert_int_equal(config->placement.cores.count, 4);
    int *cpus = cores_assign(&config->placement.cores, 4);
    const int expected[] = {2, 3, 4, 7};
    assert_memory_equal(cpus, expected, sizeof(expected));
    free(cpus);
    config_free(config);
}

static void test_cores_that_are_not_there_are_refused(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    struct config_cores any = {.count = CONFIG_AUTO}, far = {.count = 1, .list = "4095"};
    assert_int_equal(cores_check(&any, &err), 0);
    assert_int_equal(cores_check(&far, &err), -EINVAL);
    assert_non_null(strstr(err.text, "core 4095 is not one that this process may use"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cores_are_dealt_in_turn),
        cmocka_unit_test(test_cores_without_a_list_pin_nothing),
        cmocka_unit_test(test_cores_counts_its_list),
        cmocka_unit_test(test_cores_that_are_not_there_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
