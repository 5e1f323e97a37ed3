// test_top_view.c: what `weir top` shows of a job whose samples are known to the last word.
#include <math.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <jansson.h>

#include "core/base/check.h"
#include "tools/file.h"
#include "tools/human.h"
#include "tools/top_view.h"

enum { TASKS = 3 };

// The pictures: tests/unit/top_view_NAME.txt. TOP_VIEW_WRITE=1 writes them anew, to be looked at.

static struct watch_sample *before, *now;

static struct watch_sample *sample_new(void)
{
    struct watch_sample *s = calloc(1, sizeof *s);
    s->tasks = calloc(TASKS, sizeof *s->tasks);
    s->task_count = TASKS;
    snprintf(s->job, sizeof s->job, "uv");
    for (int i = 0; i < TASKS; i++)
        for (int p = 0; p < LATENCY_PATH_COUNT; p++)
            latency_view_init(&s->tasks[i].paths[p].view);
    return s;
}

static void fill_task(struct watch_sample *s, int index, const char *name, int64_t rows)
{
    struct watch_task *task = &s->tasks[index];
    snprintf(task->view.name, sizeof task->view.name, "%s", name);
    task->view.state = CONTROL_RUNNING;
    task->view.process = (struct process_id){100 + index, 7};
    task->view.cpu = index == 0 ? -1 : index;
    task->view.attempt = 1;
    task->process = (struct watch_process){.is_alive = true, .core = 3, .cpu_ns = rows * 1000};
    task->spares = task->spares_ready = 1;
    task->input_fill = task->output_fill = -1;
    task->lag_ms = 1500 * index;
    int64_t *counters = task->view.counters;
    counters[CONTROL_ROWS_IN] = rows;
    counters[CONTROL_ROWS_OUT] = rows / 2;
    counters[CONTROL_BYTES_IN] = rows * 40;
    counters[CONTROL_BYTES_OUT] = rows * 20;
    counters[CONTROL_WATERMARK_MS] = INT64_C(1704067200000);
    counters[CONTROL_MAX_EVENT_MS] = INT64_MIN;
    for (int c = CONTROL_BEHIND_ROWS; c <= CONTROL_COMMITTED; c++)
        counters[c] = INT64_MIN;
    counters[CONTROL_BLOCKED_NS] = rows * 100;
}

static void fill_latency(struct watch_task *task, enum latency_path path, int64_t unit_ns)
{
    struct watch_path *p = &task->paths[path];
    p->is_there = true;
    snprintf(p->view.from, sizeof p->view.from, "source: person");
    for (int i = 1; i <= 1000; i++) {
        histogram_record(p->view.recent, i * unit_ns);
        histogram_record(p->view.total, i * unit_ns);
        p->view.sum_ns += (uint64_t)(i * unit_ns);
    }
}

static struct watch_sample *sample_make(int64_t seconds)
{
    struct watch_sample *s = sample_new();
    s->taken_ns = seconds * 1000000000;
    s->taken_ms = 1704067200000 + seconds * 1000;
    s->supervisor = (struct process_id){42, 7};
    s->is_supervised = true;
    s->held_bytes = 84 << 20;
    s->promised_bytes = 200 << 20;
    s->newest_ms = 1704067203000;
    fill_task(s, 0, "source: person [1/2]", seconds * 100000);
    fill_task(s, 1, "source: person [2/2]", seconds * 250000);
    fill_task(s, 2, "final window -> sink: result", seconds * 350000);
    s->tasks[0].is_source = s->tasks[1].is_source = s->tasks[2].is_sink = true;
    s->tasks[2].input_fill = 0.42;
    for (int i = 0; i < TASKS; i++)
        fill_latency(&s->tasks[i], LATENCY_FROM_SOURCE, (i + 1) * 100);
    fill_latency(&s->tasks[2], LATENCY_LAST_HOP, 200);
    return s;
}

static int set_up(void **state)
{
    (void)state;
    before = sample_make(1);
    now = sample_make(3);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    watch_sample_free(before);
    watch_sample_free(now);
    return 0;
}

static void is_picture(struct buf *got, const char *name)
{
    char path[128];
    struct buf wanted = {0};
    struct err err;
    snprintf(path, sizeof path, "tests/unit/top_view_%s.txt", name);
    if (getenv("TOP_VIEW_WRITE")) {
        FILE *file = fopen(path, "w");
        assert_non_null(file);
        fwrite(got->data, 1, got->len, file);
        fclose(file);
    }
    if (file_read_all(path, 1 << 20, &wanted, &err) < 0)
        fail_msg("%s", err.text);
    if (strcmp(buf_str(got), buf_str(&wanted)) != 0) {
        fprintf(stderr, "got:\n%s\nwanted:\n%s", buf_str(got), buf_str(&wanted));
        fail_msg("it is not the picture in %s", path);
    }
    buf_fini(&wanted);
}

static void shows(const struct top_look *look, const char *name)
{
    struct buf out = {0};
    top_view_job(before, now, look, &out);
    is_picture(&out, name);
    buf_fini(&out);
}

static void test_top_view_wide(void **state)
{
    (void)state;
    now->checkpoint = (struct watch_checkpoint){8, 7, true, 34000000, 50000};
    now->tasks[2].snapshot.status = CONTROL_SNAPSHOT_DONE;
    now->tasks[2].snapshot.duration_ns = 12000000;
    now->tasks[1].snapshot.status = CONTROL_SNAPSHOT_RUNNING;
    shows(&(struct top_look){.columns = 0}, "wide");
}

// Columns go, the important ones stay; no line is longer than the terminal.
static void test_top_view_narrow(void **state)
{
    (void)state;
    for (int columns = 20; columns < 200; columns++) {
        struct buf out = {0};
        const struct top_look look = {.columns = columns, .lines = 11};
        top_view_job(before, now, &look, &out);
        int lines = 0;
        for (const char *at = buf_str(&out); *at; lines++) {
            const size_t bytes = strcspn(at, "\n");
            assert_true(bytes <= (size_t)columns);
            at += bytes + 1;
        }
        assert_in_range(lines, 9, 11);
        if (columns > 70)
            assert_non_null(strstr(buf_str(&out), "BLOCK%"));
        buf_fini(&out);
    }
    shows(&(struct top_look){.columns = 80, .lines = 24}, "narrow");
}

// What sources and sinks say of brokers: of all tasks, the oldest and the least.
static void test_top_view_outside(void **state)
{
    (void)state;
    const struct top_look look = {.columns = 0};
    struct buf out = {0};
    top_view_job(before, now, &look, &out);
    assert_null(strstr(buf_str(&out), "messages to read"));
    now->tasks[0].view.counters[CONTROL_BEHIND_ROWS] = 1000;
    now->tasks[1].view.counters[CONTROL_BEHIND_ROWS] = 500;
    now->tasks[1].view.counters[CONTROL_KEPT_BYTES] = 1 << 20;
    now->tasks[2].view.counters[CONTROL_KEPT_BYTES] = 1 << 20;
    now->tasks[1].view.counters[CONTROL_OPEN_SINCE_MS] = now->taken_ms - 20;
    now->tasks[2].view.counters[CONTROL_OPEN_SINCE_MS] = now->taken_ms - 120;
    now->tasks[1].view.counters[CONTROL_COMMITTED] = 7;
    now->tasks[2].view.counters[CONTROL_COMMITTED] = 6;
    buf_clear(&out);
    top_view_job(before, now, &look, &out);
    assert_non_null(strstr(buf_str(&out), "\n1.5k messages to read; 2.0 MiB kept for the broker; "
                                          "transaction open for 120ms; committed up to "
                                          "checkpoint 6\n"));
    buf_fini(&out);
}

static const char *first_task(const struct top_look *look)
{
    static char line[512];
    struct buf out = {0};
    top_view_job(before, now, look, &out);
    const char *at = strstr(buf_str(&out), "TASK ");
    snprintf(line, sizeof line, "%.400s", strchr(at, '\n') + 1);
    line[strcspn(line, "\n")] = '\0';
    buf_fini(&out);
    return line;
}

static void test_top_view_sorts(void **state)
{
    (void)state;
    static const struct {
        enum top_sort sort;
        bool reverse;
        int first;
    } cases[] = {
        {TOP_SORT_TASK, false, 0},    {TOP_SORT_TASK, true, 2}, {TOP_SORT_ROWS_IN, false, 2},
        {TOP_SORT_ROWS_IN, true, 0},  {TOP_SORT_LAG, false, 2}, {TOP_SORT_LATENCY, false, 2},
        {TOP_SORT_LATENCY, true, 0},  {TOP_SORT_CPU, false, 2}, {TOP_SORT_BLOCKED, false, 2},
        {TOP_SORT_ROWS_OUT, true, 0},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        const struct top_look look = {.sort = cases[i].sort, .reverse = cases[i].reverse};
        assert_int_equal(strtol(first_task(&look), NULL, 10), cases[i].first);
    }
    const struct top_look scrolled = {.lines = 10, .first = 1};
    assert_int_equal(strtol(first_task(&scrolled), NULL, 10), 1);
    for (int i = 0; i < TOP_SORT_COUNT; i++) // each sort has a key of its own, and none is 'q'
        for (int j = 0; j <= i; j++)
            assert_true((top_sort_key((enum top_sort)i) == top_sort_key((enum top_sort)j)) ==
                            (i == j) &&
                        !strchr("qhrpjk", top_sort_key((enum top_sort)i)));
}

static void test_top_view_what_is_dead(void **state)
{
    (void)state;
    struct buf out = {0};
    now->is_supervised = false;
    now->tasks[1].process.is_alive = false;
    top_view_job(NULL, now, &(struct top_look){.columns = 120}, &out);
    assert_non_null(strstr(buf_str(&out), "uv: its supervisor, pid 42, is gone"));
    assert_non_null(strstr(buf_str(&out), "2 of 3 tasks live"));
    assert_non_null(strstr(buf_str(&out), "   1 dead"));
    assert_null(strstr(buf_str(&out), "nan"));
    assert_null(strchr(buf_str(&out), '\033'));
    for (int i = 0; i < TASKS; i++)
        now->tasks[i].process.is_alive = false;
    buf_clear(&out);
    top_view_job(NULL, now, &(struct top_look){.colour = true}, &out);
    assert_non_null(strstr(buf_str(&out), "nothing of it lives"));
    assert_non_null(strchr(buf_str(&out), '\033'));
    assert_string_equal(watch_state(now), "left");
    buf_fini(&out);
}

static void test_top_view_jobs(void **state)
{
    (void)state;
    struct buf out = {0};
    const struct top_pair pair = {before, now};
    top_view_jobs(&pair, 1, &(struct top_look){.columns = 0}, &out);
    is_picture(&out, "jobs");
    buf_fini(&out);
}

static void test_top_json_is_json(void **state)
{
    (void)state;
    struct buf out = {0};
    json_error_t error;
    top_json_job(before, now, &out);
    json_t *job = json_loads(buf_str(&out), 0, &error);
    if (!job)
        fail_msg("%s in %s", error.text, buf_str(&out));
    const json_t *task = json_array_get(json_object_get(job, "tasks"), 2);
    assert_string_equal(json_string_value(json_object_get(task, "state")), "running");
    assert_true(json_real_value(json_object_get(task, "rows_in_per_second")) == 350000);
    assert_true(fabs(json_real_value(json_object_get(task, "blocked_share")) - 0.035) < 1e-6);
    const json_t *latency = json_object_get(task, "latency_from_source");
    const json_t *recent = json_object_get(latency, "recent");
    assert_int_equal(json_integer_value(json_object_get(recent, "markers")), 1000);
    assert_int_equal(json_integer_value(json_object_get(recent, "max_ns")), 300000);
    json_decref(job);
    buf_clear(&out);
    top_json_job(NULL, now, &out);
    job = json_loads(buf_str(&out), 0, &error);
    task = json_array_get(json_object_get(job, "tasks"), 0);
    assert_true(json_is_null(json_object_get(task, "rows_in_per_second")));
    assert_true(json_is_null(json_object_get(task, "latency_last_hop")));
    json_decref(job);
    buf_fini(&out);
}

static void test_top_paths_put_a_stage_together(void **state)
{
    (void)state;
    struct top_path *paths;
    const int count = top_paths(now, LATENCY_FROM_SOURCE, &paths);
    assert_int_equal(count, 2);
    assert_string_equal(paths[0].to, "source: person");
    assert_int_equal(histogram_total(paths[0].recent), 2000);
    assert_int_equal(histogram_max(paths[0].total), 200000);
    assert_true(paths[1].is_sink && !paths[0].is_sink);
    top_paths_free(paths, count);
}

static void test_human_numbers(void **state)
{
    (void)state;
    char text[HUMAN_BYTES];
    static const struct {
        double value;
        const char *count, *ns;
    } cases[] = {
        {0, "0", "0"},
        {999, "999", "999ns"},
        {1000, "1.0k", "1.0us"},
        {99949, "99.9k", "99.9us"},
        {123456, "123k", "123us"},
        {2.5e6, "2.5M", "2.5ms"},
        {3.2e9, "3.2G", "3.2s"},
        {900e9, "900G", "15min"},
        {7.2e12, "7.2T", "2.0h"},
        {NAN, "-", "-"},
    };
    for (size_t i = 0; i < ARRAY_SIZE(cases); i++) {
        assert_string_equal(human_count(cases[i].value, text), cases[i].count);
        assert_string_equal(human_ns(cases[i].value, text), cases[i].ns);
    }
    assert_string_equal(human_ns(-1, text), "-");
    assert_string_equal(human_percent(0.42, text), "42");
    assert_string_equal(human_percent(0.042, text), "4.2");
    assert_string_equal(human_percent(0, text), "0");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_top_view_wide, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_top_view_narrow, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_top_view_outside, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_top_view_sorts, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_top_view_what_is_dead, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_top_view_jobs, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_top_json_is_json, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_top_paths_put_a_stage_together, set_up, tear_down),
        cmocka_unit_test(test_human_numbers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
