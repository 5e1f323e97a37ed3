// test_metrics.c: metrics as text: every name, label and number as the format wants it, and the
// same names in docs/metrics.md.
#include <ctype.h>
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "tools/file.h"
#include "tools/metrics_text.h"

static struct watch_task task;
static struct watch_sample sample;

static int set_up(void **state)
{
    (void)state;
    task = (struct watch_task){.input_fill = 0.5, .output_fill = -1, .lag_ms = 2500};
    snprintf(task.view.name, sizeof task.view.name, "sink: \"a\\b\" [2/4]");
    task.view.state = CONTROL_WAITING_OUTPUT;
    task.process.is_alive = true;
    task.view.counters[CONTROL_ROWS_IN] = 123456789012345;
    task.view.counters[CONTROL_BLOCKED_NS] = 1500000000;
    task.view.counters[CONTROL_WATERMARK_MS] = INT64_MIN;
    for (int c = CONTROL_BEHIND_ROWS; c <= CONTROL_COMMITTED; c++)
        task.view.counters[c] = INT64_MIN;
    for (int p = 0; p < LATENCY_PATH_COUNT; p++)
        latency_view_init(&task.paths[p].view);
    sample = (struct watch_sample){.job = "uv",
                                   .is_supervised = true,
                                   .newest_ms = INT64_MIN,
                                   .task_count = 1,
                                   .tasks = &task};
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    for (int p = 0; p < LATENCY_PATH_COUNT; p++)
        latency_view_fini(&task.paths[p].view);
    return 0;
}

static void has(struct buf *text, const char *line)
{
    if (!strstr(buf_str(text), line))
        fail_msg("no '%s' in:\n%.3000s", line, buf_str(text));
}

static void test_metrics_values_and_labels(void **state)
{
    (void)state;
    struct buf out = {0};
    metrics_append("uv", &sample, &out);
    has(&out, "# TYPE weir_task_rows_in_total counter\n");
    has(&out, "weir_up{job=\"uv\"} 1\n");
    has(&out, "weir_task_rows_in_total{job=\"uv\",task=\"0\",stage=\"sink: \\\"a\\\\b\\\"\"} "
              "123456789012345\n");
    has(&out, "weir_task_blocked_seconds_total{job=\"uv\",task=\"0\",stage=\"sink: "
              "\\\"a\\\\b\\\"\"} 1.5\n");
    has(&out, "state=\"waiting-output\"} 1\n");
    has(&out, "state=\"running\"} 0\n");
    has(&out, "weir_task_watermark_lag_seconds{job=\"uv\",task=\"0\",stage=\"sink: "
              "\\\"a\\\\b\\\"\"} 2.5\n");
    assert_null(strstr(buf_str(&out), "weir_task_watermark_seconds{")); // none yet
    assert_null(strstr(buf_str(&out), "weir_task_output_ring_ratio{"));
    assert_null(strstr(buf_str(&out), "_bucket{"));
    assert_null(strstr(buf_str(&out), "nan"));
    buf_fini(&out);
}

// What a broker knows: no line where there is none.
static void test_metrics_outside(void **state)
{
    (void)state;
    static const char *const names[] = {
        "weir_task_source_behind_rows{", "weir_task_sink_kept_bytes{",
        "weir_task_sink_open_since_seconds{", "weir_task_sink_committed_checkpoint{"};
    struct buf out = {0};
    metrics_append("uv", &sample, &out);
    for (size_t i = 0; i < ARRAY_SIZE(names); i++)
        assert_null(strstr(buf_str(&out), names[i]));
    buf_clear(&out);
    task.view.counters[CONTROL_BEHIND_ROWS] = 0;
    task.view.counters[CONTROL_KEPT_BYTES] = 4096;
    task.view.counters[CONTROL_OPEN_SINCE_MS] = 1704067200250;
    task.view.counters[CONTROL_COMMITTED] = 41;
    metrics_append("uv", &sample, &out);
    has(&out,
        "weir_task_source_behind_rows{job=\"uv\",task=\"0\",stage=\"sink: \\\"a\\\\b\\\"\"} 0\n");
    has(&out, "b\\\"\"} 4096\n");
    has(&out, "b\\\"\"} 1704067200.25\n");
    has(&out, "b\\\"\"} 41\n");
    buf_fini(&out);
}

static void test_metrics_of_a_job_that_is_gone(void **state)
{
    (void)state;
    struct buf out = {0};
    metrics_append("uv", NULL, &out);
    assert_string_equal(buf_str(&out),
                        "# HELP weir_up 1 when the job's memory is there and can be read\n"
                        "# TYPE weir_up gauge\nweir_up{job=\"uv\"} 0\n");
    buf_fini(&out);
}

// Every value is in the bucket of the first bound that it is not over, or, by the histogram's
// rounding, in the next; the buckets add up.
static void test_metrics_buckets(void **state)
{
    (void)state;
    static const char prefix[] = "weir_latency_from_source_seconds_bucket{";
    struct watch_path *path = &task.paths[LATENCY_FROM_SOURCE];
    struct buf out = {0};
    uint64_t before = 0, got[64];
    int count = 0;
    path->is_there = true;
    snprintf(path->view.from, sizeof path->view.from, "source: s");
    for (int b = 0; b < metric_bucket_count(); b++)
        for (int i = 0; i < 3; i++) // a tenth below the bound, so no rounding reaches it
            histogram_record(path->view.total, (int64_t)(metric_bucket_at(b) * 0.9e9));
    histogram_record(path->view.total, INT64_C(200000000000));
    path->view.sum_ns = 3500000000;
    metrics_append("uv", &sample, &out);
    for (const char *at = buf_str(&out); (at = strstr(at, prefix)); at++)
        got[count++] = strtoull(strstr(at, "} ") + 2, NULL, 10);
    assert_int_equal(count, metric_bucket_count() + 1);
    for (int b = 0; b < metric_bucket_count(); b++) {
        assert_int_equal(got[b] - before, 3);
        before = got[b];
    }
    assert_int_equal(got[count - 1], before + 1);
    has(&out, "le=\"1e-06\"} 3\n");
    has(&out, "le=\"+Inf\"} 76\n");
    has(&out, "weir_latency_from_source_seconds_sum{job=\"uv\",task=\"0\",stage=\"sink: "
              "\\\"a\\\\b\\\"\",from=\"source: s\"} 3.5\n");
    has(&out, "weir_latency_from_source_seconds_count{");
    buf_fini(&out);
}

static void test_metrics_names_follow_the_rules(void **state)
{
    (void)state;
    for (int i = 0; i < metric_count(); i++) {
        const struct metric_info info = metric_info_at(i);
        const size_t bytes = strlen(info.name);
        assert_true(strncmp(info.name, "weir_", 5) == 0);
        for (const char *c = info.name; *c; c++)
            assert_true(islower((unsigned char)*c) || *c == '_');
        assert_int_equal(info.type == METRIC_COUNTER,
                         bytes > 6 && strcmp(info.name + bytes - 6, "_total") == 0);
        assert_null(strpbrk(info.help, "\\\n"));
        for (int j = 0; j < i; j++)
            assert_string_not_equal(info.name, metric_info_at(j).name);
    }
    for (int b = 1; b < metric_bucket_count(); b++)
        assert_true(metric_bucket_at(b) > metric_bucket_at(b - 1));
}

// Each row of the table is a row of the page, and the page has no other.
static void test_metrics_page_has_every_metric(void **state)
{
    (void)state;
    struct buf page = {0};
    struct err err;
    int rows = 0;
    if (file_read_all("docs/metrics.md", 1 << 20, &page, &err) < 0)
        fail_msg("%s", err.text);
    for (int i = 0; i < metric_count(); i++) {
        const struct metric_info info = metric_info_at(i);
        char row[512];
        snprintf(row, sizeof row, "\n| `%s` | %s | %s | %s |\n", info.name,
                 metric_type_name(info.type), *info.labels ? info.labels : "-", info.help);
        if (!strstr(buf_str(&page), row))
            fail_msg("docs/metrics.md lacks:%s", row);
    }
    for (const char *at = buf_str(&page); (at = strstr(at, "\n| `weir_")); at++)
        rows++;
    assert_int_equal(rows, metric_count());
    buf_fini(&page);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_metrics_values_and_labels, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics_outside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics_of_a_job_that_is_gone, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_metrics_buckets, set_up, tear_down),
        cmocka_unit_test(test_metrics_names_follow_the_rules),
        cmocka_unit_test(test_metrics_page_has_every_metric),
    };
    for (int i = 0; argc > 1 && strcmp(argv[1], "table") == 0 && i < metric_count(); i++) {
        const struct metric_info info = metric_info_at(i);
        printf("| `%s` | %s | %s | %s |\n", info.name, metric_type_name(info.type),
               *info.labels ? info.labels : "-", info.help);
    }
    return cmocka_run_group_tests(tests, NULL, NULL);
}
