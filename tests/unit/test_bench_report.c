// test_bench_report.c: figures over runs, the .hgrm text, and what a comparison calls better or
// worse.
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "tools/bench/report.h"

static char *words[] = {"ring", "--html", "a b.html"};

static void add_runs(struct report *report, const char *name, double first, double step)
{
    for (int i = 0; i < 3; i++)
        report_figure(report, name, "ns", first + step * i);
}

static void test_report_figures_of_all_runs(void **state)
{
    (void)state;
    struct report report;
    report_init(&report, "ring", 3, words);
    assert_string_equal(report.command, "weir ring --html 'a b.html'");
    report_figure(&report, "trip", "ns", 30);
    report_figure(&report, "trip", "ns", 10);
    const struct figure *f = report_find(&report, "trip");
    assert_true(figure_min(f) == 10 && figure_max(f) == 30 && figure_median(f) == 20);
    report_figure(&report, "trip", "ns", 90);
    f = report_find(&report, "trip");
    assert_true(figure_median(f) == 30 && figure_max(f) == 90);
    assert_null(report_find(&report, "tri"));
    report_note(&report, "once");
    report_note(&report, "once");
    assert_int_equal(report.note_count, 1);
    report_fini(&report);
}

static void test_report_series_of_all_runs(void **state)
{
    (void)state;
    struct report report;
    struct histogram *h = histogram_new(3);
    report_init(&report, "ring", 1, words);
    report_series(&report, "trip", h, report.began_ns, 1); // nothing recorded
    assert_int_equal(report.series_count, 0);
    histogram_record_times(h, 100, 99);
    histogram_record(h, 1000);
    report_series(&report, "trip", h, report.began_ns, 1);
    histogram_clear(h);
    histogram_record_times(h, 200, 100);
    report_series(&report, "trip", h, report.began_ns + 1000000000, 1);
    assert_int_equal(histogram_total(report.series[0].all), 200);
    assert_true(report.series[0].stretches[1].start_s == 1);
    const struct figure *p50 = report_find(&report, "trip p50");
    assert_true(p50->count == 2 && p50->values[0] == 100 && p50->values[1] == 200);
    assert_true(report_find(&report, "trip max")->values[0] == 1000);
    free(h);
    report_fini(&report);
}

// HdrHistogram's steps: five to each halving of what is left.
static void test_report_hgrm(void **state)
{
    (void)state;
    static const char wanted[] = "       Value     Percentile TotalCount 1/(1-Percentile)\n\n"
                                 "       1.000 0.000000000000          1           1.00\n"
                                 "       1.000 0.100000000000          1           1.11\n"
                                 "       1.000 0.200000000000          1           1.25\n"
                                 "       2.000 0.300000000000          2           1.43\n"
                                 "       2.000 0.400000000000          2           1.67\n"
                                 "       2.000 0.500000000000          2           2.00\n";
    struct histogram *h = histogram_new(3);
    struct buf text = {0};
    histogram_record(h, 1000);
    histogram_record(h, 2000);
    histogram_record_times(h, 4000, 2);
    hgrm_append(h, &text);
    const char *got = buf_str(&text);
    assert_memory_equal(got, wanted, strlen(wanted));
    // The largest value itself, not the end of its step.
    assert_non_null(strstr(got, "       4.000 1.000000000000          4\n"));
    assert_non_null(strstr(got, "Total count    =            4]"));
    assert_non_null(strstr(got, "#[Buckets =           32, SubBuckets     =         2048]"));
    buf_fini(&text);
    free(h);
}

static void test_report_compares(void **state)
{
    (void)state;
    struct report old, new;
    struct err err = {.text = ""};
    char path[] = "/tmp/weir-report-XXXXXX";
    double ratio;
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    close(fd);
    report_init(&old, "ring", 1, words);
    add_runs(&old, "slower", 100, 5); // 100, 105, 110
    add_runs(&old, "same", 100, 5);
    add_runs(&old, "gone", 1, 1);
    for (int i = 0; i < 3; i++)
        report_rate(&old, "rate", "M/s", 10 + i);
    report_figure(&old, "one run", "ns", 1);
    assert_int_equal(report_save_json(&old, path, &err), 0);
    report_init(&new, "ring", 1, words);
    add_runs(&new, "slower", 111, 5);
    add_runs(&new, "same", 110, 5);
    add_runs(&new, "new", 1, 1);
    for (int i = 0; i < 3; i++)
        report_rate(&new, "rate", "M/s", 20 + i);
    add_runs(&new, "one run", 5, 1);
    assert_int_equal(report_read_old(&new, path, &err), 0);
    assert_int_equal(report_against(&new, report_find(&new, "slower"), &ratio), AGAINST_WORSE);
    assert_true(ratio > 116.0 / 105 - 1e-9 && ratio < 116.0 / 105 + 1e-9);
    assert_int_equal(report_against(&new, report_find(&new, "same"), &ratio), AGAINST_SAME);
    assert_int_equal(report_against(&new, report_find(&new, "new"), &ratio), AGAINST_NONE);
    assert_int_equal(report_against(&new, report_find(&new, "rate"), &ratio), AGAINST_BETTER);
    assert_int_equal(report_against(&new, report_find(&new, "one run"), &ratio), AGAINST_UNKNOWN);
    unlink(path);
    report_fini(&old);
    report_fini(&new);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_report_figures_of_all_runs),
        cmocka_unit_test(test_report_series_of_all_runs),
        cmocka_unit_test(test_report_hgrm),
        cmocka_unit_test(test_report_compares),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
