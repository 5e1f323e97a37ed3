// test_supervisor_support.h: whole runs of the supervisor over fake tasks. A fake task is the test
// program itself: the supervisor starts it as `weir task <job-dir> <index>`.
#ifndef WEIR_TESTS_UNIT_TEST_SUPERVISOR_SUPPORT_H
#define WEIR_TESTS_UNIT_TEST_SUPERVISOR_SUPPORT_H

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "stages/supervisor/supervisor.h"

enum { FINGERPRINT = 99, TASKS = 3 };

static char folder[64];
static struct jobdir dir;
static struct err err;

static int finish(struct control *control)
{
    control_set_state(control, CONTROL_RUNNING);
    for (int i = 0; i < 10; i++) {
        usleep(500);
        control_progress(control, i);
    }
    control_set_state(control, CONTROL_FINISHED);
    return 0;
}

static bool any_requested(void *context)
{
    return control_requested(context, CONTROL_STOP) || control_requested(context, CONTROL_DRAIN);
}

static int wait_for(struct control *control, int index, enum control_request request)
{
    control_set_state(control, CONTROL_WAITING_INPUT);
    struct waiter_owner owner = {.waiter = control_waiter(control, index), .policy = WAITER_BLOCK};
    while (!control_requested(control, request))
        waiter_wait(&owner, any_requested, control, 10000000000);
    control_set_state(control, CONTROL_FINISHED);
    return 0;
}

static int wait_for_stop(struct control *control, int index)
{
    return wait_for(control, index, CONTROL_STOP);
}

// k: is killed once. a: is killed four times before it does anything. i: has nothing to do and is
// killed meanwhile, twenty times.
static void be_killed(char letter, struct control *control, uint64_t attempt)
{
    uint64_t times = letter == 'k' ? 1 : letter == 'a' ? 4 : letter == 'i' ? 20 : 0;
    if (letter == 'i')
        control_set_state(control, CONTROL_WAITING_INPUT);
    if (attempt <= times)
        kill(getpid(), SIGKILL);
}

// Cannot use its memory, then runs until it is asked to stop. m: once, M: twice; n: until it is
// made anew, but cannot even say it; N: never can.
static int lose_memory(char letter, struct control *control, int index, uint64_t attempt)
{
    bool is_named = letter == 'm' || letter == 'M';
    if (is_named ? attempt > (letter == 'm' ? 1 : 2)
                 : letter == 'n' && control_is_restored(control))
        return wait_for_stop(control, index);
    if (is_named)
        control_fail(control, "the arena is damaged");
    return SUPERVISOR_EXIT_MEMORY;
}

static void *live_on(void *unused)
{
    (void)unused;
    for (;;)
        pause();
    return NULL;
}

// A thread of some library keeps the process; the task's own is gone.
static void leave_a_thread(void)
{
    pthread_t thread;
    if (pthread_create(&thread, NULL, live_on, NULL) == 0)
        pthread_exit(NULL);
}

// Who comes next is to check what the crash left.
static int crash_once(struct control *control, uint64_t attempt)
{
    bool must_check = control_must_check(control);
    control_progress(control, 1);
    if (attempt == 1)
        abort();
    return must_check ? finish(control) : 3;
}

// Its thread ends once, its process does not.
static int end_thread_once(struct control *control, uint64_t attempt)
{
    if (attempt == 1)
        leave_a_thread();
    return finish(control);
}

// Letters of a test of its own; NULL: there are none.
static int (*act_more)(char letter, struct control *control, int index, uint64_t attempt);

static int act(char letter, struct control *control, int index, uint64_t attempt)
{
    be_killed(letter, control, attempt);
    if (strchr("mMnN", letter))
        return lose_memory(letter, control, index, attempt);
    switch (letter) {
    case 'p': // commits something and crashes, four times
        control_progress(control, 1);
        if (attempt <= 4)
            abort();
        return finish(control);
    case 'c': // crashes once
        return crash_once(control, attempt);
    case 's': // is killed once when asked to stop; then stops well
        wait_for_stop(control, index);
        return attempt == 1 ? kill(getpid(), SIGKILL) : 0;
    case 't':
        return end_thread_once(control, attempt);
    case '0': // ends as if all were well, without having said so
        return attempt == 1 ? 0 : finish(control);
    case 'd': // runs until it is asked to drain
        return wait_for(control, index, CONTROL_DRAIN);
    case 'w': // runs until it is asked to stop
        return wait_for_stop(control, index);
    case 'x':
        control_fail(control, "person.csv:3: no such column");
        return SUPERVISOR_EXIT_CONFIG;
    case 'z': // never stops
        control_set_state(control, CONTROL_RUNNING);
        while (1)
            pause();
    default:
        return finish(control);
    }
}

// What the fake task does is a letter at its index in the file "behave"; see act.
static int fake_task(const char *path, int index)
{
    struct control *control;
    struct control_view view;
    char letters[TASKS];
    int fd;
    if (jobdir_attach(path, &dir, &err) ||
        control_attach_task(dir.fd, FINGERPRINT, index, &control, &err) ||
        (fd = openat(dir.fd, "behave", O_RDONLY | O_CLOEXEC)) < 0 ||
        read(fd, letters, TASKS) != TASKS)
        return 3;
    control_begin(control, 1);
    control_view(control, index, &view);
    int status = (act_more ? act_more : act)(letters[index], control, index, view.attempt);
    control_detach(control); // a leak would turn the exit status into a sanitizer's
    return status;
}

// A store of checkpoints, and what makes the memory of a region.
enum { REMAKE_WELL, REMAKE_FAILS, REMAKE_DIES, REMAKE_TAKES_LONG, REMAKE_NEVER_ENDS };

struct remaking { // shared with the process that does it
    int mode, calls;
    uint64_t checkpoint; // that the region goes back to
    bool tasks[TASKS];
    pid_t pid;
};
static struct remaking *remaking; // NULL: the job makes no checkpoints

static int fake_remake(const bool *tasks, uint64_t *checkpoint, void *context, struct err *out)
{
    struct remaking *r = context;
    r->calls++;
    r->pid = getpid();
    memcpy(r->tasks, tasks, sizeof(r->tasks));
    if (r->mode == REMAKE_TAKES_LONG)
        usleep(100 * 1000);
    while (r->mode == REMAKE_NEVER_ENDS)
        pause();
    if (r->mode == REMAKE_DIES)
        raise(SIGKILL);
    *checkpoint = r->checkpoint;
    return r->mode == REMAKE_FAILS ? err_set(out, -EBADMSG, "every checkpoint is damaged") : 0;
}

static int fake_examine(int task, void *context, struct err *out)
{
    (void)context;
    return err_set(out, -ENOENT, "segment %d is gone", task);
}

struct events {
    int count[SUPERVISOR_EVENT_COUNT];
    int ticks;
    int raise_at_tick; // SIGTERM to ourselves then; 0: never
    int ask_at_tick;   // the request below; 0: never
    struct request request;
    uint64_t answers; // of which so many bytes were read
    char answer[512]; // the last one
    int request_fd;
    int raise_after; // so many replacements that run; 0: never
    bool raise_at_loss;
    int restarted[TASKS];
    bool lost[TASKS], remade[TASKS];
    char text[512];
    int died_signal, finished[16], finished_count;
    bool is_check_asked; // still, of a task whose replacement runs
    double gap_ms;
};

static bool is_check_asked(int task)
{
    struct control *control;
    assert_int_equal(control_attach_task(dir.fd, FINGERPRINT, task, &control, &err), 0);
    bool is = control_must_check(control);
    control_detach(control);
    return is;
}

static void on_event(const struct supervisor_event *event, void *context)
{
    struct events *events = context;
    events->count[event->kind]++;
    if (event->kind == SUPERVISOR_DIED)
        events->died_signal = event->signal;
    if (event->kind == SUPERVISOR_RESTARTED) {
        events->restarted[event->task_index]++;
        events->is_check_asked |= is_check_asked(event->task_index);
        events->gap_ms = event->gap_ms;
    }
    if (event->kind == SUPERVISOR_FINISHED)
        events->finished[events->finished_count++] = event->task_index;
    if (event->kind == SUPERVISOR_FAILED || event->kind == SUPERVISOR_MEMORY_LOST)
        snprintf(events->text, sizeof(events->text), "%s", event->text);
    if (event->region)
        memcpy(event->kind == SUPERVISOR_REMADE ? events->remade : events->lost,
               event->region->tasks, sizeof(events->lost));
    if (event->kind == SUPERVISOR_MEMORY_LOST && events->raise_at_loss)
        kill(getpid(), SIGTERM);
    if (event->kind == SUPERVISOR_RESTARTED &&
        events->count[SUPERVISOR_RESTARTED] == events->raise_after)
        kill(getpid(), SIGTERM);
}

static void on_tick(const struct control *control, void *context)
{
    struct events *events = context;
    assert_int_equal(control_task_count(control), TASKS);
    if (++events->ticks == events->raise_at_tick)
        kill(getpid(), SIGTERM);
    if (events->ticks != events->ask_at_tick)
        return;
    assert_int_equal(request_post(dir.fd, &events->request, false, &events->request_fd, &err), 0);
    kill(getpid(), SIGUSR1);
}

// The last answer so far.
static void read_answers(struct events *events)
{
    struct buf line = {0};
    while (request_next_answer(events->request_fd, &events->answers, &line))
        snprintf(events->answer, sizeof(events->answer), "%s", buf_str(&line));
    buf_fini(&line);
    close(events->request_fd);
}

static enum supervisor_restart strategy; // of run_fakes
static int stop_timeout_ms = 300;
static bool settles; // see struct supervisor_options
static const int *levels, *regions;

static int run_fakes(const char *letters, struct events *events, struct supervisor_result *result)
{
    static const char *const names[TASKS] = {"a", "b", "c"};
    snprintf(folder, sizeof(folder), "/dev/shm/weir-test-XXXXXX");
    assert_non_null(mkdtemp(folder));
    assert_int_equal(jobdir_open(folder, "fake", &dir, &err), 0);
    assert_int_equal(control_create(dir.fd, FINGERPRINT, names, TASKS, &err), 0);
    int fd = openat(dir.fd, "behave", O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, letters, TASKS), TASKS);
    close(fd);
    struct supervisor_options options = {.dir = &dir,
                                         .job_fingerprint = FINGERPRINT,
                                         .task_count = TASKS,
                                         .names = names,
                                         .tick_ms = 20,
                                         .stop_timeout_ms = stop_timeout_ms,
                                         .restart = supervisor_restart_defaults(strategy),
                                         .levels = levels,
                                         .regions = regions,
                                         .config = "fake.yaml",
                                         .on_tick = on_tick,
                                         .on_event = on_event,
                                         .context = events};
    struct store store;
    char checkpoints[128];
    snprintf(checkpoints, sizeof(checkpoints), "%s/checkpoints", folder);
    const struct coordinator_options coordinator = {.store = &store,
                                                    .interval_ms = 3600 * 1000,
                                                    .timeout_ms = 3600 * 1000,
                                                    .retain = 1,
                                                    .tolerable_failures = -1,
                                                    .job = {.job = "fake"}};
    if (remaking) {
        assert_int_equal(store_create(env_system(), checkpoints, "fake", &store, &err), 0);
        options.checkpoints = &coordinator;
        options.settles = settles;
        options.remake = fake_remake;
        options.examine = fake_examine;
        options.remake_context = remaking;
    }
    struct request_box box = {.dir_fd = dir.fd, .fd = -1};
    options.requests = &box;
    options.restart.jitter = 0;
    if (strategy == SUPERVISOR_RESTART_FIXED_DELAY)
        options.restart.delay_ms = 10;
    err.text[0] = 0;
    int status = supervisor_run(&options, result, &err);
    if (events->ask_at_tick)
        read_answers(events);
    request_box_close(&box);
    // No task may be left: it would be our child.
    assert_int_equal(waitpid(-1, NULL, WNOHANG), -1);
    assert_int_equal(errno, ECHILD);
    struct err ignored;
    if (remaking)
        store_remove_all(&store, &ignored);
    jobdir_remove(&dir, &ignored);
    char parent[128];
    snprintf(parent, sizeof(parent), "%s/weir-%u", folder, (unsigned)getuid());
    rmdir(parent);
    assert_int_equal(rmdir(folder), 0);
    return status;
}

#endif
