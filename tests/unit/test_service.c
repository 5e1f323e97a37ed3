// test_service.c: what a service manager is told: the address, the environment, the words. That
// READY waits for tasks and signs of life for the loop is tests/process/service.sh.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "tools/service.h"

static char folder[32], path[64];
static int manager;

static int set_up(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(folder, sizeof folder, "/tmp/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    snprintf(path, sizeof path, "%s/notify", folder);
    snprintf(address.sun_path, sizeof address.sun_path, "%s", path);
    manager = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    setenv("NOTIFY_SOCKET", path, 1);
    unsetenv("WATCHDOG_USEC");
    unsetenv("WATCHDOG_PID");
    return bind(manager, (struct sockaddr *)&address, sizeof address);
}

static int tear_down(void **state)
{
    (void)state;
    close(manager);
    unlink(path);
    return rmdir(folder);
}

static struct service open_service(void)
{
    struct service service;
    struct err err = {.text = ""};
    int status = service_open(&service, &err);
    if (status)
        fail_msg("refused: %s", err.text);
    return service;
}

static void assert_told(const char *wanted)
{
    char text[4096];
    ssize_t len = recv(manager, text, sizeof text - 1, 0);
    text[len > 0 ? len : 0] = '\0';
    assert_string_equal(text, wanted);
}

// A program that this process becomes finds what this one was given.
static void test_service_is_handed_on(void **state)
{
    (void)state;
    char pid[32];
    snprintf(pid, sizeof pid, "%d", (int)getpid());
    setenv("WATCHDOG_USEC", "4000000", 1);
    setenv("WATCHDOG_PID", pid, 1);
    struct service service = open_service();
    assert_null(getenv("NOTIFY_SOCKET"));
    service_hand_on(&service);
    assert_string_equal(getenv("NOTIFY_SOCKET"), path);
    assert_string_equal(getenv("WATCHDOG_USEC"), "4000000");
    assert_string_equal(getenv("WATCHDOG_PID"), pid);
    service_close(&service);
    setenv("NOTIFY_SOCKET", "@abstract", 1);
    unsetenv("WATCHDOG_USEC");
    service = open_service();
    service_hand_on(&service);
    assert_string_equal(getenv("NOTIFY_SOCKET"), "@abstract");
    service_keep();
    assert_null(getenv("NOTIFY_SOCKET"));
    service_close(&service);
}

static void assert_refused(const char *address)
{
    struct service service;
    struct err err = {.text = ""};
    setenv("NOTIFY_SOCKET", address, 1);
    assert_int_equal(service_open(&service, &err), -EINVAL);
    assert_non_null(strstr(err.text, "NOTIFY_SOCKET"));
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_int_equal(service.fd, -1);
    service_ending(&service, NULL); // tells nobody
    service_close(&service);
}

static void test_service_takes_its_words_out_of_the_environment(void **state)
{
    (void)state;
    setenv("WATCHDOG_USEC", "4000000", 1);
    setenv("WATCHDOG_PID", "1", 1);
    struct service service = open_service();
    assert_null(getenv("NOTIFY_SOCKET"));
    assert_null(getenv("WATCHDOG_USEC"));
    assert_null(getenv("WATCHDOG_PID"));
    assert_int_equal(service.watchdog_ns, 0); // it is of another process
    service_close(&service);
}

static void test_service_without_a_manager_is_silent(void **state)
{
    (void)state;
    unsetenv("NOTIFY_SOCKET");
    setenv("WATCHDOG_USEC", "4000000", 1);
    struct service service = open_service();
    assert_int_equal(service.fd, -1);
    assert_int_equal(service.watchdog_ns, 0);
    service_starting(&service, "x", 1);
    service_ending(&service, NULL);
    service_close(&service);
}

static void test_service_refuses_what_is_no_address(void **state)
{
    (void)state;
    char name[512];
    assert_refused("nonsense");
    assert_refused("");
    assert_refused("/");
    assert_refused("@");
    assert_refused("vsock:2:1234");
    memset(name, 'x', sizeof name);
    name[0] = '/';
    name[sizeof((struct sockaddr_un){0}).sun_path] = '\0';
    assert_refused(name);
}

static void test_service_ticks_four_times_in_the_period(void **state)
{
    (void)state;
    static const struct {
        const char *period_us;
        int tick_ms;
    } cases[] = {{"30000000", 250}, {"1000000", 250}, {"400000", 100},
                 {"1", 10},         {"0", 250},       {"-4", 250},
                 {"", 250},         {"4x", 250},      {"99999999999999999999", 250}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        setenv("NOTIFY_SOCKET", path, 1);
        setenv("WATCHDOG_USEC", cases[i].period_us, 1);
        struct service service = open_service();
        assert_int_equal(service_tick_ms(&service, 250), cases[i].tick_ms);
        service_close(&service);
    }
}

static void test_service_tells_the_end(void **state)
{
    (void)state;
    struct service service = open_service();
    service_starting(&service, "reading", 60);
    assert_told("EXTEND_TIMEOUT_USEC=60000000\nSTATUS=reading\n");
    service_ending(&service, NULL); // done before anybody looked
    assert_told("READY=1\nSTOPPING=1\n");
    service_ending(&service, NULL);
    assert_told("");
    service_close(&service);
}

static void test_service_that_fails_was_never_ready(void **state)
{
    (void)state;
    struct service service = open_service();
    service_ending(&service, "job.sql:3:1: no\nREADY=1"); // a text cannot say what is not so
    assert_told("STOPPING=1\nSTATUS=job.sql:3:1: no READY=1\n");
    service_close(&service);
}

static void test_service_tells_a_stop_and_its_checkpoint(void **state)
{
    (void)state;
    struct service service = open_service();
    const struct coordinator_event checkpoint = {.checkpoint = 12};
    const struct supervisor_event complete = {.kind = SUPERVISOR_CHECKPOINT,
                                              .checkpoint = &checkpoint};
    const struct supervisor_event stop = {.kind = SUPERVISOR_STOPPING, .signal = SIGTERM};
    const struct supervisor_event died = {.kind = SUPERVISOR_DIED};
    service.is_ready = true;
    service_event(&service, &died);
    service_event(&service, &complete);
    assert_told(""); // the next status has it
    service_event(&service, &stop);
    assert_told("STOPPING=1\nEXTEND_TIMEOUT_USEC=15000000\n"
                "STATUS=stopping on signal 15 (Terminated)\n");
    service_event(&service, &complete);
    assert_told("STATUS=stopping; its last checkpoint, 12, is complete\n");
    service_ending(&service, NULL);
    assert_told("");
    service_close(&service);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_service_is_handed_on, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_service_takes_its_words_out_of_the_environment, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_service_without_a_manager_is_silent, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_service_refuses_what_is_no_address, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_service_ticks_four_times_in_the_period, set_up,
                                        tear_down),
        cmocka_unit_test_setup_teardown(test_service_tells_the_end, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_service_that_fails_was_never_ready, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_service_tells_a_stop_and_its_checkpoint, set_up,
                                        tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
