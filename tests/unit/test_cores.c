// test_cores.c: a list of cores dealt to tasks, and a core for each task.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "tools/cores.h"
#include "tools/placement.h"
#include "tools/realtime.h"

// A config with this placement; ends the test where it is refused.
static struct config *config_with(const char *placement)
{
    char text[256];
    struct config *config = NULL;
    struct err err = {.text = ""};
    snprintf(text, sizeof text, "job: a\nsql: b\nplacement: {%s}\n", placement);
    if (config_parse("x.yaml", slice_of(text), &config, &err))
        fail_msg("%s", err.text);
    return config;
}

static void test_cores_are_dealt_in_turn(void **state)
{
    (void)state;
    const int expected[] = {0, 1, 2, 8, 10, 11, 0};
    struct config *config = config_with("cores: \"0-2,8,10-11\"");
    assert_int_equal(config->placement.cores.count, 6);
    int *cpus = cores_assign(config, 7);
    assert_non_null(cpus);
    assert_memory_equal(cpus, expected, sizeof(expected));
    free(cpus);
    config_free(config);
}

static void test_cores_without_a_list_pin_nothing(void **state)
{
    (void)state;
    struct config *any = config_with("cores: auto"), *four = config_with("cores: 4");
    assert_null(cores_assign(any, 3));
    assert_null(cores_assign(four, 3));
    config_free(any);
    config_free(four);
}

static void test_cores_of_tasks_win_over_the_list(void **state)
{
    (void)state;
    const int expected[] = {3, 1, 2, 2, 0};
    struct config *config = config_with("cores: \"0-3\", tasks: \"3,1-2,2,0\"");
    assert_int_equal(config->placement.tasks.count, 5);
    assert_int_equal(config->placement.tasks.line, 3);
    assert_int_equal(config->placement.tasks.column, 35);
    int *cpus = cores_assign(config, 5);
    assert_memory_equal(cpus, expected, sizeof(expected));
    free(cpus);
    config_free(config);
}

static void refused(const char *placement, int tasks, const char *text)
{
    struct err err = {.text = ""};
    struct config *config = config_with(placement);
    assert_int_equal(placement_is_right(config, tasks, &err), -EINVAL);
    if (!strstr(err.text, text))
        fail_msg("%s: no '%s' in: %s", placement, text, err.text);
    config_free(config);
}

static void test_cores_that_are_not_there_are_refused(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    struct config_cores any = {.count = CONFIG_AUTO}, far = {.count = 1, .list = "4095"};
    assert_int_equal(cores_check("placement.cores", &any, &err), 0);
    assert_int_equal(cores_check("placement.cores", &far, &err), -EINVAL);
    assert_non_null(strstr(err.text, "core 4095 is not one that this process may use"));
    refused("cores: \"4095\"", 1, "core 4095 is not one that this process may use");
    refused(
        "cores: 2, tasks: \"0,4095\"", 2,
        "x.yaml:3:31: placement.tasks puts task 1 on core 4095, which this process may not use");
    refused("tasks: \"0,0,0\"", 4,
            "placement.tasks names a core for each of 3 tasks, but the plan has 4");
    refused("cores: \"0\", tasks: \"1\"", 1, "which is not in placement.cores, \"0\"");
}

static void test_cores_of_tasks_are_read_strictly(void **state)
{
    (void)state;
    static const char *const bad[] = {"\"\"",     "\"1,\"", "\"1,,2\"", "\"2-1\"",     "\"1;2\"",
                                      "\"4096\"", "-1",     "some",     "\"0-4095,0\""};
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[128];
        struct config *config = NULL;
        struct err err = {.text = ""};
        snprintf(text, sizeof text, "job: a\nsql: b\nplacement: {tasks: %s}\n", bad[i]);
        assert_int_equal(config_parse("x.yaml", slice_of(text), &config, &err), -EINVAL);
        assert_non_null(strstr(err.text, *bad[i] == '"' ? "x.yaml:3:21: " : "x.yaml:3:20: "));
    }
}

// The cores that this process may use, the first `count` of them; how many there are.
static int own_cores(int *out, int count)
{
    cpu_set_t set;
    int found = 0;
    assert_int_equal(sched_getaffinity(0, sizeof set, &set), 0);
    for (int core = 0; core < CPU_SETSIZE && found < count; core++)
        if (CPU_ISSET((unsigned)core, &set))
            out[found++] = core;
    return CPU_COUNT(&set);
}

static void test_cores_of_housekeeping(void **state)
{
    (void)state;
    struct err err = {.text = ""};
    cpu_set_t set;
    int own[1024], count = own_cores(own, 1024);
    char list[16];
    const struct config_cores any = {.count = CONFIG_AUTO}, one = {.count = 1};
    const struct config_cores many = {.count = count + 1}, far = {.count = 1, .list = "4095"};
    snprintf(list, sizeof list, "%d", own[0]);
    const struct config_cores shared = {.count = 1, .list = list};
    assert_int_equal(cores_housekeeping(&any, NULL, 1, &set, &err), 0);
    assert_int_equal(CPU_COUNT(&set), 0);
    assert_int_equal(cores_housekeeping(&one, NULL, 1, &set, &err), 0);
    assert_true(CPU_COUNT(&set) == 1 && CPU_ISSET((unsigned)own[count - 1], &set));
    // A list may name a core that a task has.
    assert_int_equal(cores_housekeeping(&shared, own, 1, &set, &err), 0);
    assert_true(CPU_COUNT(&set) == 1 && CPU_ISSET((unsigned)own[0], &set));
    // A number may not: every core has a task.
    assert_int_equal(cores_housekeeping(&one, own, count, &set, &err), -EINVAL);
    assert_non_null(strstr(err.text, "placement.housekeeping is 1, but of the"));
    if (count > 1) { // the last one is free, and the only one
        assert_int_equal(cores_housekeeping(&one, own, count - 1, &set, &err), 0);
        assert_true(CPU_ISSET((unsigned)own[count - 1], &set));
    }
    assert_int_equal(cores_housekeeping(&many, NULL, 1, &set, &err), -EINVAL);
    assert_int_equal(cores_housekeeping(&far, NULL, 1, &set, &err), -EINVAL);
    assert_non_null(strstr(err.text, "placement.housekeeping is \"4095\", but core 4095"));
}

static void expect_refused(struct config *config, const int *cpus, int tasks, const char *text)
{
    struct err err = {.text = ""};
    cpu_set_t any;
    CPU_ZERO(&any);
    assert_int_equal(realtime_check_cores(config, cpus, tasks, &any, &err), -EINVAL);
    if (!strstr(err.text, text))
        fail_msg("no '%s' in: %s", text, err.text);
}

static void test_cores_of_real_time_tasks(void **state)
{
    (void)state;
    struct config config = {.placement.priority = CONFIG_PRIORITY_NORMAL,
                            .placement.waiting = CONFIG_WAITING_SPIN};
    struct err err = {.text = ""};
    int own[1024], count = own_cores(own, 1024);
    const int same[] = {own[0], own[0]};
    cpu_set_t first, any;
    CPU_ZERO(&any);
    assert_int_equal(realtime_check_cores(&config, NULL, 2, &any, &err), 0);
    config.placement.priority = CONFIG_PRIORITY_FIFO;
    expect_refused(&config, own, 1, "waiting is spin");
    config.placement.waiting = CONFIG_WAITING_ADAPTIVE;
    expect_refused(&config, NULL, 1, "placement.cores names no cores");
    expect_refused(&config, same, 2, "tasks 0 and 1 are both on core");
    expect_refused(&config, own, count, "every core has a task");
    if (count < 2)
        return;
    assert_int_equal(realtime_check_cores(&config, own, 1, &any, &err), 0);
    CPU_ZERO(&first);
    CPU_SET((unsigned)own[0], &first);
    assert_int_equal(realtime_check_cores(&config, own, 1, &first, &err), -EINVAL);
    assert_non_null(strstr(err.text, "is both of task 0 and in placement.housekeeping"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_cores_are_dealt_in_turn),
        cmocka_unit_test(test_cores_without_a_list_pin_nothing),
        cmocka_unit_test(test_cores_of_tasks_win_over_the_list),
        cmocka_unit_test(test_cores_that_are_not_there_are_refused),
        cmocka_unit_test(test_cores_of_housekeeping),
        cmocka_unit_test(test_cores_of_real_time_tasks),
        cmocka_unit_test(test_cores_of_tasks_are_read_strictly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
