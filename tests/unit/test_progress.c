// test_progress.c: the words of the live line and of the summary.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "tools/progress.h"

static void test_progress_live_line(void **state)
{
    (void)state;
    struct buf out = {.data = NULL};
    struct progress progress = {.job = "uv", .rows_per_second = 1234567.8};
    struct progress_totals totals = {
        .rows_in = 1000, .watermark_ms = 1000, .newest_ms = 5500, .tasks = 3, .tasks_running = 2};
    progress_format_live(&progress, &totals, &out);
    assert_string_equal(buf_str(&out), "uv: 1,000 rows in, 1,234,567 rows/s, watermark "
                                       "1970-01-01 00:00:01, lag 4.5s, 2/3 tasks");
    buf_clear(&out);
    totals.watermark_ms = INT64_MIN;
    totals.rows_in = 999;
    progress_format_live(&progress, &totals, &out);
    assert_string_equal(buf_str(&out), "uv: 999 rows in, 1,234,567 rows/s, watermark none yet, "
                                       "2/3 tasks");
    buf_fini(&out);
}

static void test_progress_summary(void **state)
{
    (void)state;
    struct buf out = {.data = NULL};
    struct progress progress = {.job = "uv", .dead_letter = "./uv.dead"};
    struct progress_totals totals = {
        .rows_in = 10000000, .rows_out = 144000, .bad_rows = 2, .late_rows = 17};
    struct supervisor_result result = {.end = SUPERVISOR_END_FINISHED, .restarts = 1};
    progress_format_summary(&progress, &totals, &result, 4, &out);
    assert_string_equal(buf_str(&out),
                        "weir: uv finished: 10,000,000 rows in, 144,000 rows out, 2 bad (see "
                        "./uv.dead), 17 late, 1 restart, 4.00 s, 2,500,000 rows/s");
    buf_clear(&out);
    totals.bad_rows = 0;
    result = (struct supervisor_result){.end = SUPERVISOR_END_STOPPED};
    progress_format_summary(&progress, &totals, &result, 0, &out);
    assert_string_equal(buf_str(&out), "weir: uv stopped: 10,000,000 rows in, 144,000 rows out, 0 "
                                       "bad, 17 late, 0 restarts, 0.00 s, 0 rows/s");
    buf_fini(&out);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_progress_live_line),
        cmocka_unit_test(test_progress_summary),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
