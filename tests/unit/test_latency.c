// test_latency.c: the segment of a job's latencies: one writer, readers at any time, also of what a
// dead or damaged one has left.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/latency.h"
#include "shm/latency_layout.h"
#include "shm/segment.h"

enum { TASKS = 3, JOB = 77 };

static const struct latency_names names[TASKS] = {
    {{"source: person", NULL}},
    {{"source: person", "source: person"}},
    {{"source: person",
      "a name that is longer than the sixty-three bytes that a name may have, at least"}},
};

static char folder[64];
static int dir_fd;
static struct err err;
static struct latency_view view;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof(folder), "/dev/shm/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    dir_fd = open(folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    latency_view_init(&view);
    return dir_fd < 0 || latency_create(dir_fd, JOB, names, TASKS, &err);
}

static int tear_down(void **state)
{
    (void)state;
    latency_view_fini(&view);
    unlinkat(dir_fd, "latency", 0);
    close(dir_fd);
    return rmdir(folder);
}

static struct latency *attach(int task)
{
    struct latency *latency = NULL;
    if (latency_attach(dir_fd, JOB, task, &latency, &err) < 0)
        fail_msg("%s", err.text);
    if (task >= 0)
        latency_begin(latency);
    return latency;
}

static void test_latency_is_read_without_the_task(void **state)
{
    (void)state;
    struct latency *task = attach(1), *reader = attach(-1);
    assert_int_equal(latency_task_count(reader), TASKS);
    for (int i = 1; i <= 1000; i++)
        latency_record(task, LATENCY_FROM_SOURCE, i * 1000, 5);
    latency_record(task, LATENCY_LAST_HOP, -1, 5); // no latency is negative
    latency_add_made(task, 3);
    latency_add_lost(task, 2);
    assert_true(latency_read(reader, 1, LATENCY_FROM_SOURCE, 5, &view));
    assert_string_equal(view.from, "source: person");
    assert_int_equal(histogram_total(view.total), 1000);
    assert_int_equal(view.sum_ns, 500500000);
    assert_in_range(histogram_percentile(view.total, 50), 500000, 505000);
    assert_int_equal(histogram_max(view.total), 1000000);
    assert_int_equal(histogram_total(view.recent), 1000);
    assert_true(latency_read(reader, 1, LATENCY_LAST_HOP, 5, &view));
    assert_int_equal(histogram_total(view.total), 1);
    assert_int_equal(histogram_max(view.total), 0);
    assert_true(latency_read(reader, 2, LATENCY_LAST_HOP, 5, &view));
    assert_int_equal(strlen(view.from), LATENCY_NAME_BYTES - 1);
    assert_int_equal(histogram_total(view.total), 0);
    assert_false(latency_read(reader, 0, LATENCY_LAST_HOP, 5, &view)); // a source has none
    assert_false(latency_read(reader, TASKS, LATENCY_LAST_HOP, 5, &view));
    assert_int_equal(latency_made(reader, 1), 3);
    assert_int_equal(latency_lost(reader, 1), 2);
    assert_int_equal(latency_lost(reader, 2), 0);
    latency_detach(task);
    latency_detach(reader);
}

static uint64_t recent_at(const struct latency *reader, int64_t now_ns)
{
    assert_true(latency_read(reader, 1, LATENCY_FROM_SOURCE, now_ns, &view));
    return histogram_total(view.recent);
}

static void test_latency_recent_is_this_interval_and_the_last(void **state)
{
    (void)state;
    struct latency *task = attach(1), *reader = attach(-1);
    latency_record(task, LATENCY_FROM_SOURCE, 1000, 0);
    latency_record(task, LATENCY_FROM_SOURCE, 2000, LATENCY_RECENT_NS - 1);
    assert_int_equal(recent_at(reader, LATENCY_RECENT_NS - 1), 2);
    latency_record(task, LATENCY_FROM_SOURCE, 3000, LATENCY_RECENT_NS);
    assert_int_equal(recent_at(reader, LATENCY_RECENT_NS), 3);
    assert_int_equal(histogram_max(view.recent), 3000);
    latency_record(task, LATENCY_FROM_SOURCE, 500, 2 * LATENCY_RECENT_NS); // the first is forgotten
    assert_int_equal(recent_at(reader, 2 * LATENCY_RECENT_NS), 2);
    assert_int_equal(recent_at(reader, 3 * LATENCY_RECENT_NS), 1);
    assert_int_equal(recent_at(reader, 4 * LATENCY_RECENT_NS), 0); // the task has stopped
    assert_int_equal(histogram_total(view.total), 4);
    latency_detach(task);
    latency_detach(reader);
}

static void test_latency_a_successor_goes_on(void **state)
{
    (void)state;
    struct latency *reader = attach(-1);
    for (int life = 0; life < 5; life++) {
        pid_t child = fork();
        if (child == 0) {
            struct latency *task = attach(1);
            for (int i = 0; i < 100; i++)
                latency_record(task, LATENCY_FROM_SOURCE, 1 << i % 20, i);
            raise(SIGKILL);
        }
        assert_int_equal(waitpid(child, NULL, 0), child);
    }
    assert_int_equal(recent_at(reader, 0), 500);
    assert_int_equal(histogram_total(view.total), 500);
    latency_detach(reader);
}

// One byte of a section after the other is damaged: a reader answers, a task begins and records.
static void test_latency_damage_is_borne(void **state)
{
    (void)state;
    int fd = openat(dir_fd, "latency", O_RDWR | O_CLOEXEC), refused = 0;
    const off_t section = SEGMENT_PAGE_BYTES + LATENCY_SECTION_BYTES;
    const off_t words = section + (off_t)offsetof(struct latency_section, paths);
    static const off_t parts[] = {0, 128, 128 + 64, 128 + sizeof(struct latency_recent),
                                  offsetof(struct latency_words, total)};
    for (size_t part = 0; part < sizeof parts / sizeof *parts; part++)
        for (off_t at = words + parts[part]; at < words + parts[part] + 80; at++) {
            uint8_t byte;
            assert_int_equal(pread(fd, &byte, 1, at), 1);
            const uint8_t wrong = (uint8_t)(byte ^ 0xa5);
            assert_int_equal(pwrite(fd, &wrong, 1, at), 1);
            struct latency *reader = attach(-1);
            refused += !latency_read(reader, 1, LATENCY_FROM_SOURCE, 0, &view);
            struct latency *task = attach(1);
            latency_record(task, LATENCY_FROM_SOURCE, 1000, 0);
            assert_true(latency_read(reader, 1, LATENCY_FROM_SOURCE, 0, &view));
            latency_detach(task);
            latency_detach(reader);
        }
    assert_true(refused > 10);
    close(fd);
}

static void test_latency_another_segment_is_refused(void **state)
{
    (void)state;
    struct latency *latency = NULL;
    assert_int_equal(latency_attach(dir_fd, JOB + 1, 1, &latency, &err), -EILSEQ);
    assert_int_equal(latency_attach(dir_fd, JOB, TASKS, &latency, &err), -EILSEQ);
    int fd = openat(dir_fd, "latency", O_RDWR | O_CLOEXEC);
    assert_int_equal(ftruncate(fd, (off_t)latency_segment_bytes(TASKS) - SEGMENT_PAGE_BYTES), 0);
    close(fd);
    assert_true(latency_attach(dir_fd, JOB, -1, &latency, &err) < 0);
    unlinkat(dir_fd, "latency", 0);
    assert_int_equal(latency_attach(dir_fd, JOB, -1, &latency, &err), -ENOENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_latency_is_read_without_the_task, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_latency_recent_is_this_interval_and_the_last, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_latency_a_successor_goes_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_latency_damage_is_borne, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_latency_another_segment_is_refused, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
