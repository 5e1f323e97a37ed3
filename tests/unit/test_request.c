// test_request.c: a request and its answers through the file in the job's folder, from both sides.
#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "stages/supervisor/request.h"

static char folder[64];
static int dir_fd;
static struct err err;
static struct request_box box;

static int set_up(void **state)
{
    (void)state;
    snprintf(folder, sizeof folder, "/dev/shm/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    dir_fd = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    box = (struct request_box){.dir_fd = dir_fd, .fd = -1};
    return dir_fd < 0 ? -1 : 0;
}

static int tear_down(void **state)
{
    (void)state;
    request_box_close(&box);
    unlinkat(dir_fd, "request", 0);
    close(dir_fd);
    return rmdir(folder);
}

static int post(const struct request *request, bool instead)
{
    int fd;
    int rc = request_post(dir_fd, request, instead, &fd, &err);
    assert_true((rc == 0) == (fd >= 0));
    return rc < 0 ? rc : fd;
}

static const char *next(int fd, uint64_t *at)
{
    static struct buf line;
    return request_next_answer(fd, at, &line) ? buf_str(&line) : "";
}

static void test_request_says_what_was_asked(void **state)
{
    (void)state;
    const struct request asked[] = {
        {.kind = REQUEST_STOP},
        {.kind = REQUEST_STOP, .drains = true, .timeout_ms = 1500},
        {.kind = REQUEST_STOP, .path = "/var/a folder/sp"},
        {.kind = REQUEST_REPLACE, .path = "/usr/bin/weir"},
        {.kind = REQUEST_MOVE, .cpus = {3, -1, 0, 32767}, .cpu_count = 4},
        {.kind = REQUEST_MOVE, .cpu_count = CONTROL_TASKS_MAX},
    };
    for (size_t i = 0; i < ARRAY_SIZE(asked); i++) {
        int fd = post(&asked[i], false);
        assert_true(fd >= 0);
        assert_true(request_take(&box));
        assert_int_equal(box.request.kind, asked[i].kind);
        assert_int_equal(box.request.drains, asked[i].drains);
        assert_int_equal(box.request.timeout_ms, asked[i].timeout_ms);
        assert_string_equal(box.request.path, asked[i].path);
        assert_int_equal(box.request.cpu_count, asked[i].cpu_count);
        assert_memory_equal(box.request.cpus, asked[i].cpus, sizeof asked[i].cpus);
        assert_false(request_take(&box)); // the same one is no news
        request_answer(&box, REQUEST_DONE, NULL, NULL);
        assert_int_equal(box.fd, -1);
        assert_int_equal(faccessat(dir_fd, "request", F_OK, 0), -1);
        close(fd);
    }
}

// The asker reads them although the file has lost its name.
static void test_request_answers_arrive_in_order(void **state)
{
    (void)state;
    const struct request stop = {.kind = REQUEST_STOP};
    uint64_t at = 0;
    int fd = post(&stop, false);
    assert_string_equal(next(fd, &at), "");
    assert_true(request_take(&box));
    request_answer(&box, REQUEST_TAKEN, NULL, NULL);
    assert_string_equal(next(fd, &at), "{\"answer\":\"taken\"}");
    assert_string_equal(next(fd, &at), "");
    request_answer(&box, REQUEST_NEWS, NULL, "two\nlines");
    request_answer(&box, REQUEST_DONE, ",\"checkpoint\":12", "done");
    request_answer(&box, REQUEST_FAILED, NULL, "nobody hears this");
    assert_string_equal(next(fd, &at), "{\"answer\":\"news\",\"text\":\"two\\nlines\"}");
    assert_string_equal(next(fd, &at), "{\"answer\":\"done\",\"checkpoint\":12,\"text\":\"done\"}");
    assert_string_equal(next(fd, &at), "");
    close(fd);
}

static void test_request_is_one_at_a_time(void **state)
{
    (void)state;
    const struct request replace = {.kind = REQUEST_REPLACE, .path = "/x"},
                         stop = {.kind = REQUEST_STOP};
    struct request theirs;
    uint64_t at = 0;
    int first = post(&replace, false), other;
    assert_int_equal(post(&stop, false), -EEXIST);
    assert_int_equal(request_open(dir_fd, &other, &theirs, &err), 0);
    assert_int_equal(theirs.kind, REQUEST_REPLACE);
    close(other);
    assert_true(request_take(&box));
    int second = post(&stop, true); // pushes it aside
    assert_true(second >= 0);
    request_withdraw(dir_fd, first); // which is there no longer
    assert_true(request_take(&box));
    assert_int_equal(box.request.kind, REQUEST_STOP);
    assert_non_null(strstr(next(first, &at), "\"failed\""));
    close(first);
    close(second);
}

static void test_request_knows_whether_somebody_waits(void **state)
{
    (void)state;
    const struct request stop = {.kind = REQUEST_STOP};
    struct request theirs;
    assert_false(request_is_awaited(&box));
    int first = post(&stop, false), second;
    assert_true(request_take(&box));
    assert_true(request_is_awaited(&box));
    assert_int_equal(request_open(dir_fd, &second, &theirs, &err), 0);
    close(first);
    assert_true(request_is_awaited(&box)); // the second one does
    close(second);
    assert_false(request_is_awaited(&box));
}

static void put_file(const char *text)
{
    int fd = openat(dir_fd, "request", O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, text, strlen(text)), strlen(text));
    close(fd);
}

// The file is input: what is not understood whole is not done at all.
static void test_request_refuses_what_it_does_not_understand(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "weir request 2\nask stop\nend\n",
        "weir request 1\nend\n",
        "weir request 1\nask stop\n",
        "weir request 1\nask stop\nend",
        "weir request 1\nask everything\nend\n",
        "weir request 1\nask stop\nfurther 1\nend\n",
        "weir request 1\nask stop\npath relative\nend\n",
        "weir request 1\nask stop\ntimeout_ms -1\nend\n",
        "weir request 1\nask stop\ntimeout_ms 9223372036854775807\nend\n",
    };
    struct request theirs;
    int fd;
    for (size_t i = 0; i < ARRAY_SIZE(bad); i++) {
        put_file(bad[i]);
        assert_int_equal(request_open(dir_fd, &fd, &theirs, &err), -EBADMSG);
        assert_false(request_take(&box)); // and removes it
        assert_int_equal(faccessat(dir_fd, "request", F_OK, 0), -1);
    }
    put_file("weir request 1\nask stop\nend\n");
    assert_true(request_take(&box));
}

static void test_request_refuses_a_path_of_two_lines(void **state)
{
    (void)state;
    const struct request request = {.kind = REQUEST_STOP, .path = "/a\nend"};
    assert_int_equal(post(&request, false), -EINVAL);
    assert_non_null(strstr(err.text, "line break"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_request_says_what_was_asked, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_answers_arrive_in_order, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_is_one_at_a_time, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_request_knows_whether_somebody_waits, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_request_refuses_what_it_does_not_understand, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_request_refuses_a_path_of_two_lines, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
