// test_bell.c: a ring is heard, once and for all of them; nobody waits; what is no bell is refused.
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "shm/bell.h"

static char folder[] = "/tmp/weir-bell-XXXXXX";

static int set_up(void **state)
{
    int *fd = malloc(sizeof *fd);
    *fd = mkdtemp(folder) ? open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    *state = fd;
    return *fd < 0;
}

static int tear_down(void **state)
{
    int *fd = *state;
    unlinkat(*fd, "bell", 0);
    close(*fd);
    free(fd);
    rmdir(folder);
    snprintf(folder, sizeof folder, "/tmp/weir-bell-XXXXXX");
    return 0;
}

static bool rings(int fd)
{
    struct pollfd pollfd = {.fd = fd, .events = POLLIN};
    return poll(&pollfd, 1, 0) == 1;
}

static void test_bell_is_heard(void **state)
{
    int dir = *(int *)*state, fd = bell_open(dir);
    assert_true(fd >= 0);
    assert_false(rings(fd));
    for (int i = 0; i < 1000; i++)
        bell_ring(dir);
    assert_true(rings(fd));
    bell_hear(fd);
    assert_false(rings(fd));
    bell_ring(dir);
    assert_true(rings(fd));
    close(fd);
}

static void test_bell_without_a_supervisor_is_no_trouble(void **state)
{
    int dir = *(int *)*state;
    bell_ring(dir); // none was ever made
    int fd = bell_open(dir);
    close(fd);
    bell_ring(dir);      // nobody listens
    fd = bell_open(dir); // a successor: the rings of before are gone
    assert_false(rings(fd));
    bell_ring(dir);
    assert_true(rings(fd));
    close(fd);
}

// A full FIFO neither blocks who rings, nor goes unheard.
static void test_bell_may_be_full(void **state)
{
    int dir = *(int *)*state, fd = bell_open(dir);
    static char bytes[1 << 16];
    assert_true(write(fd, bytes, sizeof bytes) > 0);
    bell_ring(dir);
    assert_true(rings(fd));
    bell_hear(fd);
    assert_false(rings(fd));
    close(fd);
}

static void test_bell_refuses_what_is_none(void **state)
{
    int dir = *(int *)*state;
    close(openat(dir, "bell", O_CREAT | O_WRONLY, 0600));
    assert_int_equal(bell_open(dir), -EEXIST);
    bell_ring(dir); // writes nothing there
    int fd = openat(dir, "bell", O_RDONLY);
    char byte;
    assert_int_equal(read(fd, &byte, 1), 0);
    close(fd);
    unlinkat(dir, "bell", 0);
    assert_int_equal(symlinkat("/dev/null", dir, "bell"), 0);
    assert_true(bell_open(dir) < 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_bell_is_heard, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bell_without_a_supervisor_is_no_trouble, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_bell_may_be_full, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_bell_refuses_what_is_none, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
