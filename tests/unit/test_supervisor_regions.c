// test_supervisor_regions.c: a region of fake tasks loses its memory.
#include "tests/unit/test_supervisor_support.h"

static const int two_regions[TASKS] = {0, 0, 1};

static struct events run_losing(const char *letters, int mode, struct events events,
                                struct supervisor_result *result)
{
    remaking->mode = mode;
    remaking->calls = 0;
    regions = two_regions;
    run_fakes(letters, &events, result);
    regions = NULL;
    return events;
}

static int set_up_remaking(void **state)
{
    (void)state;
    stop_timeout_ms = 30000; // nothing is killed for being slow
    remaking =
        mmap(NULL, sizeof(*remaking), PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
    return remaking == MAP_FAILED;
}

static int tear_down_remaking(void **state)
{
    (void)state;
    munmap(remaking, sizeof(*remaking));
    remaking = NULL;
    strategy = SUPERVISOR_RESTART_EXPONENTIAL_DELAY;
    return 0;
}

// One task's memory is lost: its neighbour is ended and started again with it, the other region's
// task is the same process all the time.
static void test_supervisor_takes_a_region_back(void **state)
{
    (void)state;
    struct supervisor_result result;
    struct events events =
        run_losing("mww", REMAKE_WELL, (struct events){.raise_after = 2}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(remaking->calls, 1);
    assert_true(remaking->tasks[0] && remaking->tasks[1] && !remaking->tasks[2]);
    assert_memory_equal(events.lost, remaking->tasks, sizeof(events.lost));
    assert_memory_equal(events.remade, remaking->tasks, sizeof(events.lost));
    assert_string_equal(events.text, "task 0: the arena is damaged");
    assert_int_equal(events.count[SUPERVISOR_MEMORY_LOST], 1);
    assert_int_equal(events.count[SUPERVISOR_REMADE], 1);
    assert_int_equal(events.count[SUPERVISOR_DIED], 0);
    assert_int_equal(events.count[SUPERVISOR_RESTARTED], 2);
    assert_int_equal(events.count[SUPERVISOR_FINISHED], TASKS);
    assert_int_equal(result.restarts, 2);
    assert_int_equal(events.restarted[0], 1);
    assert_int_equal(events.restarted[1], 1);
    assert_int_equal(events.restarted[2], 0);
}

// Both tasks of the region find it out; one of them could not say what it is.
static void test_supervisor_takes_a_region_back_once(void **state)
{
    (void)state;
    struct supervisor_result result;
    struct events events =
        run_losing("nnw", REMAKE_TAKES_LONG, (struct events){.raise_after = 2}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(remaking->calls, 1);
    assert_int_equal(events.count[SUPERVISOR_MEMORY_LOST], 1);
    assert_non_null(strstr(events.text, " is gone"));
    assert_int_equal(events.restarted[2], 0);
}

// Two regions at once: one after the other is made anew.
static void test_supervisor_takes_two_regions_back(void **state)
{
    (void)state;
    struct supervisor_result result;
    struct events events =
        run_losing("mwm", REMAKE_TAKES_LONG, (struct events){.raise_after = 3}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(remaking->calls, 2);
    assert_int_equal(events.count[SUPERVISOR_REMADE], 2);
    assert_int_equal(events.count[SUPERVISOR_FINISHED], TASKS);
}

// It cannot be made anew: the caller is told to take the whole job back.
static void test_supervisor_hands_the_job_back_when_a_region_cannot(void **state)
{
    (void)state;
    struct supervisor_result result;
    struct events events = run_losing("mww", REMAKE_FAILS, (struct events){.ticks = 0}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_FAILED);
    assert_int_equal(result.exit_status, SUPERVISOR_EXIT_MEMORY);
    assert_string_equal(err.text, "every checkpoint is damaged");
    assert_int_equal(events.count[SUPERVISOR_REMADE], 0);
    assert_int_equal(events.count[SUPERVISOR_FAILED], 1);
    run_losing("mww", REMAKE_DIES, (struct events){.ticks = 0}, &result);
    assert_int_equal(result.exit_status, SUPERVISOR_EXIT_MEMORY);
    assert_non_null(strstr(err.text, "has ended with signal 9"));
}

// It is lost again and again: the restart strategy of the region ends that, and for good.
static void test_supervisor_counts_a_region_that_goes_back(void **state)
{
    (void)state;
    struct supervisor_result result;
    strategy = SUPERVISOR_RESTART_FIXED_DELAY;
    run_losing("mww", REMAKE_WELL, (struct events){.raise_after = 2}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    struct events events = run_losing("Mww", REMAKE_WELL, (struct events){.ticks = 0}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_FAILED);
    assert_int_equal(result.exit_status, SUPERVISOR_EXIT_FAILURE);
    assert_int_equal(events.count[SUPERVISOR_REMADE], 1);
    assert_non_null(strstr(err.text, "task 0 cannot use its memory"));
    assert_non_null(strstr(err.text, "fixed-delay allows 1 restart of its region"));
}

// It is not the memory of the region that a task cannot use: the whole job has to go back.
static void test_supervisor_does_not_take_a_region_back_for_ever(void **state)
{
    (void)state;
    struct supervisor_result result;
    struct events events = run_losing("Nww", REMAKE_WELL, (struct events){.ticks = 0}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_FAILED);
    assert_int_equal(result.exit_status, SUPERVISOR_EXIT_MEMORY);
    assert_int_equal(events.count[SUPERVISOR_REMADE], 3);
}

// A stop that comes meanwhile waits for the memory, and then stops the region as any other.
static void test_supervisor_stops_while_a_region_goes_back(void **state)
{
    (void)state;
    struct supervisor_result result;
    struct events events =
        run_losing("mww", REMAKE_TAKES_LONG, (struct events){.raise_at_loss = true}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(events.count[SUPERVISOR_REMADE], 1);
    assert_int_equal(events.count[SUPERVISOR_FINISHED], TASKS);
    assert_int_equal(events.count[SUPERVISOR_KILLED], 0);
}

// But not for ever; and nobody is left behind.
static void test_supervisor_does_not_wait_for_ever(void **state)
{
    (void)state;
    struct supervisor_result result;
    stop_timeout_ms = 300;
    struct events events =
        run_losing("mww", REMAKE_NEVER_ENDS, (struct events){.raise_at_loss = true}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(events.count[SUPERVISOR_REMADE], 0);
    assert_true(remaking->pid > 0 && kill(remaking->pid, 0) < 0 && errno == ESRCH);
}

// The job ends for another reason: so does what was being made.
static void test_supervisor_fails_while_a_region_goes_back(void **state)
{
    (void)state;
    struct supervisor_result result;
    run_losing("mwx", REMAKE_NEVER_ENDS, (struct events){.ticks = 0}, &result);
    assert_int_equal(result.end, SUPERVISOR_END_FAILED);
    assert_int_equal(result.exit_status, 78);
    assert_string_equal(err.text, "person.csv:3: no such column");
}

#define TEST_REGION(name) cmocka_unit_test_setup_teardown(name, set_up_remaking, tear_down_remaking)

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "task") == 0)
        return fake_task(argv[2], argv[3][0] - '0');
    const struct CMUnitTest tests[] = {
        TEST_REGION(test_supervisor_takes_a_region_back),
        TEST_REGION(test_supervisor_takes_a_region_back_once),
        TEST_REGION(test_supervisor_takes_two_regions_back),
        TEST_REGION(test_supervisor_hands_the_job_back_when_a_region_cannot),
        TEST_REGION(test_supervisor_counts_a_region_that_goes_back),
        TEST_REGION(test_supervisor_does_not_take_a_region_back_for_ever),
        TEST_REGION(test_supervisor_stops_while_a_region_goes_back),
        TEST_REGION(test_supervisor_does_not_wait_for_ever),
        TEST_REGION(test_supervisor_fails_while_a_region_goes_back),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
