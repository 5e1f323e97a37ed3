// test_spare.c: what the supervisor makes of spares that take over and die in an unlucky order. The
// fake processes are this very program, each with its part in the play, on a job of one task.
#include <errno.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "shm/control.h"
#include "shm/jobdir.h"
#include "stages/supervisor/supervisor.h"

enum { FINGERPRINT = 98, NAP_US = 1000, LOOK_MS = 100, TICKS_MAX = 1000 };

static struct jobdir dir;
static struct err err;

// --- the fakes ---

static uint64_t attempt_of(const struct control *control)
{
    struct control_view view;
    control_view(control, 0, &view);
    return view.attempt;
}

static bool is_ready(const struct control *control, int number)
{
    struct control_spare spare;
    control_view_spare(control, 0, number, &spare);
    return spare.state == CONTROL_SPARE_READY;
}

static void await_attempt(const struct control *control, uint64_t attempt)
{
    while (attempt_of(control) < attempt)
        usleep(NAP_US);
}

// The supervisor shall have seen by then what has happened.
static void let_it_look(void)
{
    usleep(LOOK_MS * 1000);
}

static int die(void)
{
    return kill(getpid(), SIGKILL);
}

// It owns its memory late: no spare may be there before.
static int play_late_task(struct control *control)
{
    struct control_spare spare;
    let_it_look();
    control_view_spare(control, 0, 0, &spare);
    if (spare.process.pid)
        return 3;
    control_begin(control, 1);
    control_set_ready(control, 1);
    control_set_state(control, CONTROL_WAITING_INPUT);
    while (!is_ready(control, 0))
        usleep(NAP_US);
    control_set_state(control, CONTROL_FINISHED);
    return 0;
}

static int play_idle_spare(struct control *control)
{
    const struct control_spare news = {.state = CONTROL_SPARE_READY};
    control_spare_begin(control, 0);
    control_spare_note(control, 0, &news);
    while (pause() < 0)
        ;
    return 0;
}

// Attempt 1 takes its time to die: the spares have come and gone. A later one does what there is to
// do.
static int play_task(struct control *control)
{
    control_begin(control, 1);
    control_set_ready(control, 1);
    control_set_state(control, CONTROL_WAITING_INPUT);
    if (attempt_of(control) == 1) {
        await_attempt(control, 3);
        return die();
    }
    control_progress(control, 1);
    control_set_state(control, CONTROL_FINISHED);
    return 0;
}

// Spare 0 is attempt 2 and dies of it at once. Spare 1 takes over from it, and dies when the
// supervisor knows it as the task. Whoever comes later is of no use.
static int play_spare(struct control *control, int number)
{
    const struct control_spare news = {.state = CONTROL_SPARE_READY};
    if (attempt_of(control) > 1)
        return 3;
    control_spare_begin(control, number);
    control_spare_note(control, number, &news);
    if (number == 0) {
        while (!is_ready(control, 1))
            usleep(NAP_US);
        control_begin(control, 2);
        return die();
    }
    await_attempt(control, 2);
    let_it_look();
    control_begin(control, 3);
    control_set_ready(control, 3);
    control_set_state(control, CONTROL_WAITING_INPUT);
    let_it_look();
    return die();
}

static int fake(const char *path, const char *spare)
{
    struct control *control;
    if (jobdir_attach(path, &dir, &err) ||
        control_attach_task(dir.fd, FINGERPRINT, 0, &control, &err))
        return 3;
    int status = 0;
    if (getenv("LATE"))
        status = spare ? play_idle_spare(control) : play_late_task(control);
    else
        status = spare ? play_spare(control, spare[0] - '0') : play_task(control);
    control_detach(control);
    return status;
}

// --- the supervisor ---

struct seen {
    int died, restarted, ticks;
};

static void on_event(const struct supervisor_event *event, void *context)
{
    struct seen *seen = context;
    seen->died += event->kind == SUPERVISOR_DIED;
    seen->restarted += event->kind == SUPERVISOR_RESTARTED;
}

// A job that waits for ever is stopped, which fails the test.
static void on_tick(const struct control *control, void *context)
{
    struct seen *seen = context;
    (void)control;
    if (++seen->ticks == TICKS_MAX)
        kill(getpid(), SIGTERM);
}

static void make_job(char *folder)
{
    static const char *const names[] = {"a"};
    assert_non_null(mkdtemp(folder));
    assert_int_equal(jobdir_open(folder, "fake", &dir, &err), 0);
    assert_int_equal(control_create(dir.fd, FINGERPRINT, names, 1, &err), 0);
}

static void remove_job(const char *folder)
{
    char parent[128];
    jobdir_remove(&dir, &err);
    snprintf(parent, sizeof(parent), "%s/weir-%u", folder, (unsigned)getuid());
    rmdir(parent);
    assert_int_equal(rmdir(folder), 0);
}

// Three in a row, of which the one in the middle ended before the first: the fourth is started.
static void test_spare_that_was_passed_over_is_forgotten(void **state)
{
    (void)state;
    static const char *const names[] = {"a"};
    char folder[] = "/dev/shm/weir-test-XXXXXX";
    struct seen seen = {0};
    struct supervisor_result result;
    make_job(folder);
    struct supervisor_options options = {
        .dir = &dir,
        .job_fingerprint = FINGERPRINT,
        .task_count = 1,
        .names = names,
        .spares = 2,
        .tick_ms = 20,
        .stop_timeout_ms = 300,
        .restart = supervisor_restart_defaults(SUPERVISOR_RESTART_EXPONENTIAL_DELAY),
        .on_tick = on_tick,
        .on_event = on_event,
        .context = &seen};
    assert_int_equal(supervisor_run(&options, &result, &err), 0);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(seen.died, 2); // attempts 1 and 3
    assert_int_equal(seen.restarted, 2);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    remove_job(folder);
}

// A task that is dead by now, or the spare that follows it: no spare any more, not the task yet.
static void play_in_between(bool is_spare, int ready_fd)
{
    const struct control_spare none = {.state = CONTROL_SPARE_NONE};
    struct control *control;
    if (control_attach_task(dir.fd, FINGERPRINT, 0, &control, &err))
        _exit(3);
    if (is_spare) {
        control_spare_begin(control, 0);
        control_spare_note(control, 0, &none);
    } else {
        control_begin(control, 1);
    }
    if (write(ready_fd, "!", 1) != 1)
        _exit(3);
    if (!is_spare)
        for (;;)
            pause();
    let_it_look();
    control_begin(control, 2);
    control_set_ready(control, 2);
    control_set_state(control, CONTROL_WAITING_INPUT);
    let_it_look();
    control_progress(control, 1);
    control_set_state(control, CONTROL_FINISHED);
    _exit(0);
}

static pid_t start_in_between(bool is_spare)
{
    int fds[2];
    char byte;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        play_in_between(is_spare, fds[1]);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    return pid;
}

// The next supervisor looks while a spare becomes the task: it must know that process afterwards,
// and start no other one.
static void test_spare_that_becomes_the_task_is_adopted(void **state)
{
    (void)state;
    static const char *const names[] = {"a"};
    char folder[] = "/dev/shm/weir-test-XXXXXX";
    struct seen seen = {0};
    struct supervisor_result result;
    struct control *control;
    struct control_view view;
    make_job(folder);
    pid_t before = start_in_between(false);
    assert_int_equal(kill(before, SIGKILL), 0);
    assert_int_equal(waitpid(before, NULL, 0), before);
    pid_t spare = start_in_between(true);
    struct supervisor_options options = {
        .dir = &dir,
        .job_fingerprint = FINGERPRINT,
        .task_count = 1,
        .names = names,
        .adopts = true,
        .tick_ms = 20,
        .stop_timeout_ms = 300,
        .restart = supervisor_restart_defaults(SUPERVISOR_RESTART_EXPONENTIAL_DELAY),
        .on_tick = on_tick,
        .on_event = on_event,
        .context = &seen};
    assert_int_equal(supervisor_run(&options, &result, &err), 0);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(control_attach_reader(dir.fd, FINGERPRINT, &control, &err), 0);
    control_view(control, 0, &view);
    control_detach(control);
    assert_int_equal(view.process.pid, spare);
    assert_int_equal(view.attempt, 2);
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    remove_job(folder);
}

// A number of spares is made at once, but not before the task owns its memory.
static void test_spare_comes_after_its_task(void **state)
{
    (void)state;
    static const char *const names[] = {"a"};
    char folder[] = "/dev/shm/weir-test-XXXXXX";
    struct seen seen = {0};
    struct supervisor_result result;
    make_job(folder);
    struct supervisor_options options = {.dir = &dir,
                                         .job_fingerprint = FINGERPRINT,
                                         .task_count = 1,
                                         .names = names,
                                         .spares = 1,
                                         .tick_ms = 20,
                                         .stop_timeout_ms = 300,
                                         .on_tick = on_tick,
                                         .on_event = on_event,
                                         .context = &seen};
    options.restart = supervisor_restart_defaults(SUPERVISOR_RESTART_NONE);
    setenv("LATE", "1", 1);
    assert_int_equal(supervisor_run(&options, &result, &err), 0);
    unsetenv("LATE");
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(result.restarts, 0);
    remove_job(folder);
}

int main(int argc, char **argv)
{
    if (argc >= 4 && strcmp(argv[1], "task") == 0)
        return fake(argv[2], argc == 6 ? argv[5] : NULL);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_spare_that_was_passed_over_is_forgotten),
        cmocka_unit_test(test_spare_that_becomes_the_task_is_adopted),
        cmocka_unit_test(test_spare_comes_after_its_task),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
