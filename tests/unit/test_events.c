// test_events.c: the event log, and names of functions.
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "stages/supervisor/events.h"
#include "stages/supervisor/symbols.h"
#include "tools/file.h"

static char folder[64], path[80], old[96];
static struct err err;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/tmp/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/events", folder);
    snprintf(old, sizeof old, "%s.1", path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    unlink(path);
    unlink(old);
    return rmdir(folder);
}

static struct buf content(const char *of)
{
    struct buf text = {0};
    assert_int_equal(file_read_all(of, 1 << 20, &text, &err), 0);
    return text;
}

static struct buf record(const char *name, int n)
{
    struct buf record = events_begin(name);
    buf_printf(&record, ",\"n\":%d", n);
    return record;
}

static void test_events_are_lines_that_outlive_the_run(void **state)
{
    (void)state;
    struct events *events;
    for (int run = 0; run < 2; run++) {
        assert_int_equal(events_open(path, 1 << 20, &events, &err), 0);
        struct buf one = record("start", run);
        events_append(events, &one);
        events_close(events);
    }
    struct buf text = content(path);
    assert_non_null(strstr(buf_str(&text), "\"event\":\"start\",\"n\":0}\n{\"time_ms\":"));
    assert_non_null(strstr(buf_str(&text), "\"event\":\"start\",\"n\":1}\n"));
    buf_fini(&text);
}

static void test_events_settle_fills_the_end_in_place(void **state)
{
    (void)state;
    struct events *events;
    assert_int_equal(events_open(path, 1 << 20, &events, &err), 0);
    struct buf first = record("death", 1), second = record("death", 2);
    uint64_t one = events_append_open(events, &first);
    uint64_t two = events_append_open(events, &second);
    assert_true(one && two && one != two);
    struct stat before, after;
    assert_int_equal(stat(path, &before), 0);
    events_settle(events, one, 3.25, "task");
    events_settle(events, two, -1, "again");
    events_settle(events, 0, 1, "nothing");
    assert_int_equal(stat(path, &after), 0);
    assert_int_equal(before.st_size, after.st_size);
    struct buf text = content(path);
    assert_non_null(strstr(buf_str(&text), "\"n\":1,\"gap_ms\":3.250,\"rung\":\"task\" "));
    assert_non_null(strstr(buf_str(&text), "\"n\":2,\"gap_ms\":null,\"rung\":\"again\" "));
    assert_string_equal(buf_str(&text) + text.len - 3, " }\n");
    buf_fini(&text);
    events_close(events);
}

static void test_events_are_bounded(void **state)
{
    (void)state;
    struct events *events;
    assert_int_equal(events_open(path, 2000, &events, &err), 0);
    uint64_t first = 0;
    for (int i = 0; i < 100; i++) {
        struct buf one = record("death", i);
        uint64_t ticket = events_append_open(events, &one);
        first = first ? first : ticket;
    }
    events_settle(events, first, 1, "gone"); // of a file that is another now
    struct buf now = content(path), before = content(old);
    assert_in_range(now.len, 1, 2000);
    assert_in_range(before.len, 1, 2000);
    assert_null(strstr(buf_str(&now), "gone"));
    assert_non_null(strstr(buf_str(&now), "\"n\":99,"));
    buf_fini(&now);
    buf_fini(&before);
    events_close(events);
}

static void test_events_have_one_writer(void **state)
{
    (void)state;
    struct events *events, *other;
    assert_int_equal(events_open(path, 2000, &events, &err), 0);
    assert_int_equal(events_open(path, 2000, &other, &err), -EBUSY);
    assert_non_null(strstr(err.text, "set recovery.events"));
    events_close(events);
    assert_int_equal(events_open(folder, 2000, &other, &err), -EISDIR);
    struct buf lost = record("start", 0); // without a log nothing is kept, and nothing breaks
    events_append(NULL, &lost);
    lost = record("start", 0);
    assert_int_equal(events_append_open(NULL, &lost), 0);
    events_settle(NULL, 5, 1, "x");
    events_close(NULL);
}

// What a crash of the writer cut off does not spoil the next line.
static void test_events_go_on_behind_half_a_line(void **state)
{
    (void)state;
    struct events *events;
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs("{\"time_ms\":1,\"eve", file);
    fclose(file);
    assert_int_equal(events_open(path, 2000, &events, &err), 0);
    struct buf one = record("start", 7);
    events_append(events, &one);
    events_close(events);
    struct buf text = content(path);
    assert_non_null(strstr(buf_str(&text), "\"eve\n{\"time_ms\":"));
    buf_fini(&text);
}

static void test_symbols_name_our_own_functions(void **state)
{
    (void)state;
    struct errlog_crash crash = {.module_count = 1};
    struct buf text = {0};
    crash.modules[0] = (struct errlog_module){.begin = 0x1000, .end = 0x2000, .bias = 0x1000};
    snprintf(crash.modules[0].path, sizeof crash.modules[0].path, "/no/such/file");
    symbols_append(&crash, 0x1234, &text);
    assert_string_equal(buf_str(&text), "file+0x234");
    buf_clear(&text);
    symbols_append(&crash, 0x2000, &text);
    assert_string_equal(buf_str(&text), "0x2000");
    buf_clear(&text);
    assert_false(symbols_find("/no/such/file", 1, &text));
    assert_false(symbols_find("Makefile", 1, &text)); // no ELF
    buf_fini(&text);
}

// The program's file with each byte of its head changed in turn: an answer or none, and no crash.
static void test_symbols_survive_a_damaged_file(void **state)
{
    (void)state;
    struct buf image = {0}, out = {0};
    enum { HEAD = 64 };
    assert_int_equal(file_read_all("/proc/self/exe", 64 << 20, &image, &err), 0);
    for (size_t i = 0; i < HEAD; i++) {
        for (int pass = 0; pass < 2; pass++) {
            char was = image.data[i];
            image.data[i] = (char)(pass ? 0xff : was ^ 0x11);
            FILE *file = fopen(path, "w");
            assert_non_null(file);
            assert_int_equal(fwrite(image.data, 1, image.len, file), image.len);
            fclose(file);
            symbols_find(path, 0x5000, &out);
            image.data[i] = was;
        }
        i += i >= 16 && i < 40 ? 1 : 0;
    }
    assert_int_equal(truncate(path, 100), 0);
    assert_false(symbols_find(path, 0x5000, &out));
    buf_fini(&out);
    buf_fini(&image);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_events_are_lines_that_outlive_the_run),
        TEST(test_events_settle_fills_the_end_in_place),
        TEST(test_events_are_bounded),
        TEST(test_events_have_one_writer),
        TEST(test_events_go_on_behind_half_a_line),
        TEST(test_symbols_name_our_own_functions),
        TEST(test_symbols_survive_a_damaged_file),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
