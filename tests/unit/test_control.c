// test_control.c: the control block and the error log.
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
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "shm/control.h"
#include "shm/errlog.h"

enum { FINGERPRINT = 77, TASKS = 3 };

static char folder[64];
static int dir_fd;
static struct err err;

static int set_up(void **state)
{
    (void)state;
    static const char *const names[TASKS] = {"source [1/2]", "source [2/2]", "merge"};
    snprintf(folder, sizeof(folder), "/dev/shm/weir-test-XXXXXX");
    if (!mkdtemp(folder))
        return -1;
    dir_fd = open(folder, O_DIRECTORY | O_RDONLY | O_CLOEXEC);
    return control_create(dir_fd, FINGERPRINT, names, TASKS, &err) ||
           errlog_create(dir_fd, FINGERPRINT, TASKS, &err);
}

static int tear_down(void **state)
{
    (void)state;
    unlinkat(dir_fd, "control", 0);
    unlinkat(dir_fd, "errlog", 0);
    close(dir_fd);
    return rmdir(folder);
}

static void test_control_begins_empty_and_named(void **state)
{
    (void)state;
    struct control *control;
    struct control_view view;
    assert_int_equal(control_attach_reader(dir_fd, 0, &control, &err), 0);
    assert_int_equal(control_task_count(control), TASKS);
    assert_int_equal(control_fingerprint(control), FINGERPRINT);
    control_view(control, 2, &view);
    assert_string_equal(view.name, "merge");
    assert_int_equal(view.state, CONTROL_EMPTY);
    assert_int_equal(view.process.pid, 0);
    assert_int_equal(view.cpu, -1);
    assert_int_equal(view.counters[CONTROL_WATERMARK_MS], INT64_MIN);
    assert_int_equal(view.counters[CONTROL_ROWS_IN], 0);
    assert_string_equal(control_state_name(CONTROL_WAITING_OUTPUT), "waiting-output");
    assert_string_equal(control_state_name((enum control_state)99), "unknown");
    control_detach(control);
    control_detach(NULL);
}

// What a task wrote is there after it was killed.
static void test_control_outlives_its_task(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct control *own;
        if (control_attach_task(dir_fd, FINGERPRINT, 1, &own, &err))
            _exit(1);
        control_begin(own, 1);
        control_set_counter(own, CONTROL_ROWS_IN, 12345);
        control_set_counter(own, CONTROL_WATERMARK_MS, -5);
        control_progress(own, 1000);
        control_progress(own, 2000);
        control_fail(own, "the table is full");
        kill(getpid(), SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct control *control;
    struct control_view view;
    assert_int_equal(control_attach_reader(dir_fd, FINGERPRINT, &control, &err), 0);
    control_view(control, 1, &view);
    assert_int_equal(view.process.pid, pid);
    assert_false(process_alive(view.process));
    assert_int_equal(view.attempt, 1);
    assert_int_equal(view.progress, 2);
    assert_int_equal(view.heartbeat_ns, 2000);
    assert_int_equal(view.counters[CONTROL_ROWS_IN], 12345);
    assert_int_equal(view.counters[CONTROL_WATERMARK_MS], -5);
    assert_int_equal(view.state, CONTROL_FAILED);
    assert_string_equal(view.error, "the table is full");
    struct control *next; // the replacement starts without the error
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, 1, &next, &err), 0);
    control_begin(next, 2);
    control_view(control, 1, &view);
    assert_int_equal(view.attempt, 2);
    assert_int_equal(view.progress, 2);
    assert_int_equal(view.state, CONTROL_STARTING);
    assert_string_equal(view.error, "");
    assert_true(process_alive(view.process));
    control_detach(next);
    control_detach(control);
}

static void test_control_mailbox_reaches_its_task_only(void **state)
{
    (void)state;
    struct control *supervisor, *first, *second;
    struct control_view view;
    assert_int_equal(control_attach_supervisor(dir_fd, FINGERPRINT, &supervisor, &err), 0);
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, 0, &first, &err), 0);
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, 1, &second, &err), 0);
    control_begin_supervisor(supervisor);
    assert_int_equal(control_supervisor(first).pid, getpid());
    assert_true(process_alive(control_supervisor(first)));
    assert_false(control_requested(first, CONTROL_STOP));
    control_post(supervisor, 0, CONTROL_STOP);
    assert_true(control_requested(first, CONTROL_STOP));
    assert_false(control_requested(first, CONTROL_DRAIN));
    assert_false(control_requested(second, CONTROL_STOP));
    control_note_restart(supervisor, 1);
    control_note_restart(supervisor, 1);
    control_note_cpu(supervisor, 1, 5);
    assert_int_equal(control_epoch(first), 2);
    control_view(first, 1, &view);
    assert_int_equal(view.restarts, 2);
    assert_int_equal(view.cpu, 5);
    assert_ptr_not_equal(control_waiter(first, 0), control_waiter(first, 1));
    control_detach(supervisor);
    control_detach(first);
    control_detach(second);
}

// A spare says what it is; another process of the same task takes the number later.
// Memory made anew: who had ended before it has not, until a process on it says so.
static void test_control_forgets_an_end_that_is_taken_back(void **state)
{
    (void)state;
    struct control *task, *supervisor;
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, 1, &task, &err), 0);
    assert_int_equal(control_attach_supervisor(dir_fd, FINGERPRINT, &supervisor, &err), 0);
    control_begin(task, 1);
    control_set_ended(task, true);
    assert_true(control_has_ended(supervisor, 1));
    assert_false(control_is_restored(task));
    control_set_restored(supervisor, 1);
    assert_false(control_has_ended(supervisor, 1));
    assert_true(control_is_restored(task));
    control_begin(task, 2); // its word is still the old one's
    assert_false(control_has_ended(supervisor, 1));
    control_set_ended(task, true);
    assert_true(control_has_ended(supervisor, 1));
    control_begin(task, 3);
    assert_true(control_is_restored(task)); // who follows is on that memory, too
    control_detach(task);
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, 2, &task, &err), 0);
    assert_false(control_is_restored(task));
    control_detach(task);
    control_detach(supervisor);
}

static void test_control_shows_spares(void **state)
{
    (void)state;
    struct control *supervisor, *spare;
    struct control_spare seen,
        news = {.state = CONTROL_SPARE_READY, .mapped_bytes = 5 << 20, .page_table_bytes = 8192};
    assert_int_equal(control_attach_supervisor(dir_fd, FINGERPRINT, &supervisor, &err), 0);
    control_view_spare(supervisor, 1, 2, &seen);
    assert_int_equal(seen.state, CONTROL_SPARE_NONE);
    assert_int_equal(seen.process.pid, 0);
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, 1, &spare, &err), 0);
    control_spare_begin(spare, 2);
    control_view_spare(supervisor, 1, 2, &seen);
    assert_int_equal(seen.state, CONTROL_SPARE_STARTING);
    assert_true(process_alive(seen.process));
    control_spare_note(spare, 2, &news);
    control_view_spare(supervisor, 1, 2, &seen);
    assert_int_equal(seen.state, CONTROL_SPARE_READY);
    assert_int_equal(seen.mapped_bytes, 5 << 20);
    assert_int_equal(seen.page_table_bytes, 8192);
    control_view_spare(supervisor, 0, 2, &seen);
    assert_int_equal(seen.state, CONTROL_SPARE_NONE);
    struct control_view view;
    control_view(supervisor, 1, &view);
    assert_int_equal(view.process.pid, 0); // a spare is not the task
    assert_int_equal(control_pass(spare), CONTROL_PASS_CLOSED);
    control_set_pass(supervisor, 1, 7);
    assert_int_equal(control_pass(spare), 7);
    control_begin(spare, 44);
    control_set_ready(spare, 55);
    control_set_first(spare, 66);
    control_view(supervisor, 1, &view);
    assert_int_equal(view.taken_ns, 44);
    assert_int_equal(view.ready_ns, 55);
    assert_int_equal(view.first_ns, 66);
    control_begin(spare, 77); // the next process has done nothing yet
    control_view(supervisor, 1, &view);
    assert_int_equal(view.taken_ns, 77);
    assert_int_equal(view.ready_ns, 0);
    assert_int_equal(view.first_ns, 0);
    control_detach(supervisor);
    control_detach(spare);
}

static void *page_of_task(struct control *control, int task_index)
{
    // Waiter pages come after two pages a task; the task pages are two runs before them.
    return (char *)control_waiter(control, task_index) - (size_t)2 * TASKS * 4096;
}

// A wild write into a page of someone else is a fault, not corruption.
static void test_control_pages_of_others_are_read_only(void **state)
{
    (void)state;
    for (int victim = 0; victim < 2; victim++) {
        pid_t pid = fork();
        if (pid == 0) {
            struct control *own;
            signal(SIGSEGV, SIG_DFL);
            if (control_attach_task(dir_fd, FINGERPRINT, 0, &own, &err))
                _exit(1);
            *(char *)page_of_task(own, victim) = 1;
            _exit(0);
        }
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (victim == 0)
            assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
        else // a sanitizer turns the signal into an exit
            assert_true(WIFSIGNALED(status) || WEXITSTATUS(status) > 1);
    }
}

static void test_control_refuses_damage_and_wrong_tasks(void **state)
{
    (void)state;
    struct control *control;
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, TASKS, &control, &err), -EILSEQ);
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, -1, &control, &err), -EINVAL);
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT + 1, 0, &control, &err), -EILSEQ);
    int fd = openat(dir_fd, "control", O_RDWR | O_CLOEXEC);
    static const uint32_t counts[] = {0, 2, 4, 1025, UINT32_MAX};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        assert_int_equal(pwrite(fd, &counts[i], 4, 4096), 4);
        assert_int_equal(control_attach_reader(dir_fd, 0, &control, &err), -EILSEQ);
        assert_int_equal(control_sweep(dir_fd, NULL, &err), -EILSEQ);
        assert_true(strstr(err.text, "earlier run") != NULL);
    }
    // A task that went wild in its own page cannot hurt who looks.
    uint32_t good = TASKS, wild = 1000;
    char text[4000];
    memset(text, 'x', sizeof(text));
    assert_int_equal(pwrite(fd, &good, 4, 4096), 4);
    assert_int_equal(pwrite(fd, text, sizeof(text), 2 * 4096), sizeof(text));
    assert_int_equal(pwrite(fd, &wild, 4, 2 * 4096 + 4), 4);
    struct control_view view;
    assert_int_equal(control_attach_reader(dir_fd, 0, &control, &err), 0);
    control_view(control, 0, &view);
    assert_int_equal(view.state, CONTROL_EMPTY);
    wild = CONTROL_FAILED;
    assert_int_equal(pwrite(fd, &wild, 4, 2 * 4096 + 4), 4);
    control_view(control, 0, &view);
    assert_int_equal(strlen(view.error), CONTROL_ERROR_BYTES - 1);
    control_detach(control);
    close(fd);
}

static void test_control_sweep_ends_orphans(void **state)
{
    (void)state;
    int ready[2], ended;
    char byte = 0;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        struct control *own;
        pid_t spare = fork(); // of the same task
        if (control_attach_task(dir_fd, FINGERPRINT, 1, &own, &err))
            _exit(1);
        if (spare == 0)
            control_spare_begin(own, 0);
        else
            control_begin(own, 1);
        if (write(ready[1], &byte, 1) != 1)
            _exit(1);
        pause();
    }
    assert_int_equal(read(ready[0], &byte, 1), 1);
    assert_int_equal(read(ready[0], &byte, 1), 1);
    struct control *reader;
    struct control_spare spare;
    assert_int_equal(control_attach_reader(dir_fd, 0, &reader, &err), 0);
    control_view_spare(reader, 1, 0, &spare);
    assert_true(process_alive(spare.process));
    assert_int_equal(control_sweep(dir_fd, &ended, &err), 0);
    assert_int_equal(ended, 1);
    assert_false(process_alive(spare.process));
    control_detach(reader);
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_int_equal(control_sweep(dir_fd, &ended, &err), 0);
    assert_int_equal(ended, 0);
    unlinkat(dir_fd, "control", 0);
    assert_int_equal(control_sweep(dir_fd, &ended, &err), 0); // none was ever started
    close(ready[0]);
    close(ready[1]);
}

struct seen {
    int entries;
    struct errlog_entry last;
};

static void see(const struct errlog_entry *entry, void *context)
{
    struct seen *seen = context;
    seen->entries++;
    seen->last = *entry;
}

static void test_errlog_counts_the_same_text_once(void **state)
{
    (void)state;
    struct errlog *log, *reader;
    struct seen seen = {0};
    assert_int_equal(errlog_attach(dir_fd, FINGERPRINT, 2, &log, &err), 0);
    errlog_note(log, 10, "bad row");
    errlog_printf(log, 20, "bad %s", "row");
    errlog_note(log, 15, "bad rows");
    errlog_note(log, 30, "bad row");
    errlog_detach(log);
    assert_int_equal(errlog_attach(dir_fd, 0, -1, &reader, &err), 0);
    assert_int_equal(errlog_read(reader, see, &seen), 0);
    assert_int_equal(seen.entries, 2);
    assert_string_equal(seen.last.text, "bad rows");
    // A successor goes on in the same slots.
    assert_int_equal(errlog_attach(dir_fd, FINGERPRINT, 2, &log, &err), 0);
    errlog_note(log, 40, "bad rows");
    errlog_detach(log);
    seen.entries = 0;
    errlog_read(reader, see, &seen);
    assert_int_equal(seen.entries, 2);
    assert_int_equal(seen.last.count, 2);
    assert_int_equal(seen.last.first_ms, 15);
    assert_int_equal(seen.last.last_ms, 40);
    assert_int_equal(seen.last.task_index, 2);
    errlog_detach(reader);
}

static void test_errlog_counts_what_finds_no_slot(void **state)
{
    (void)state;
    struct errlog *log;
    struct seen seen = {0};
    char text[1000];
    assert_int_equal(errlog_attach(dir_fd, FINGERPRINT, 0, &log, &err), 0);
    for (int i = 0; i < ERRLOG_SLOT_COUNT + 5; i++)
        errlog_printf(log, i, "error %d", i);
    assert_int_equal(errlog_read(log, see, &seen), 5);
    assert_int_equal(seen.entries, ERRLOG_SLOT_COUNT);
    errlog_detach(log);
    assert_int_equal(errlog_attach(dir_fd, FINGERPRINT, 1, &log, &err), 0);
    memset(text, 'y', sizeof(text) - 1);
    text[sizeof(text) - 1] = 0;
    errlog_note(log, 1, text);
    errlog_note(log, 2, text); // the same after it was cut
    seen.entries = 0;
    assert_int_equal(errlog_read(log, see, &seen), 0);
    assert_int_equal(seen.entries, 1);
    assert_int_equal(seen.last.count, 2);
    assert_int_equal(strlen(seen.last.text), ERRLOG_TEXT_BYTES - 1);
    errlog_detach(log);
    assert_int_equal(errlog_attach(dir_fd, FINGERPRINT, TASKS, &log, &err), -EILSEQ);
    assert_int_equal(errlog_attach(dir_fd, FINGERPRINT, -2, &log, &err), -EILSEQ);
}

// A process dies of what it has noted; the supervisor tells the next one what it makes of it.
static void test_control_trial_and_verdict_outlive_a_task(void **state)
{
    (void)state;
    pid_t pid = fork();
    if (pid == 0) {
        struct control *own;
        struct control_trial trial = {CONTROL_SITE_ROWS, true, 10, 20, 1024, 99, 7, "rows.json"};
        if (control_attach_task(dir_fd, FINGERPRINT, 1, &own, &err))
            _exit(1);
        control_note_trial(own, &trial);
        raise(SIGKILL);
    }
    int status;
    assert_int_equal(waitpid(pid, &status, 0), pid);
    assert_true(WIFSIGNALED(status));
    struct control *supervisor, *next;
    struct control_trial trial;
    struct control_verdict verdict = {.deaths = 3, .give_up_row = 99, .reason = "why"}, seen;
    assert_int_equal(control_attach_supervisor(dir_fd, FINGERPRINT, &supervisor, &err), 0);
    control_read_trial(supervisor, 1, &trial);
    assert_int_equal(trial.site, CONTROL_SITE_ROWS);
    assert_true(trial.is_single);
    assert_int_equal(trial.rows_in, 10);
    assert_int_equal(trial.rows_out, 20);
    assert_int_equal(trial.span, 1024);
    assert_int_equal(trial.row, 99);
    assert_int_equal(trial.offset, 7);
    assert_string_equal(trial.source, "rows.json");
    control_set_verdict(supervisor, 1, &verdict);
    control_note_loss(supervisor, 1, CONTROL_LOSS_CRASHED);
    control_note_loss(supervisor, 1, CONTROL_LOSS_CRASHED);
    assert_int_equal(control_attach_task(dir_fd, FINGERPRINT, 1, &next, &err), 0);
    control_read_verdict(next, 1, &seen);
    assert_memory_equal(&seen, &verdict, sizeof seen);
    control_read_verdict(next, 0, &seen);
    assert_int_equal(seen.deaths, 0);
    trial = (struct control_trial){.site = CONTROL_SITE_WORK, .row = 5};
    control_note_trial(next, &trial);
    control_read_trial(supervisor, 1, &trial);
    assert_false(trial.is_single);
    assert_int_equal(trial.row, 0); // what was noted of a row before does not count
    struct control_view view;
    control_view(supervisor, 1, &view);
    assert_int_equal(view.losses[CONTROL_LOSS_CRASHED], 2);
    assert_int_equal(view.losses[CONTROL_LOSS_DEATHS], 0);
    control_detach(next);
    control_detach(supervisor);
}

static void test_errlog_crash_record_is_its_process_own(void **state)
{
    (void)state;
    struct errlog *log, *reader;
    struct errlog_crash *slot, seen;
    assert_int_equal(errlog_attach(dir_fd, FINGERPRINT, 2, &log, &err), 0);
    assert_int_equal(errlog_attach(dir_fd, FINGERPRINT, -1, &reader, &err), 0);
    assert_false(errlog_read_crash(reader, 2, 4711, &seen));
    slot = errlog_crash_slot(log);
    slot->signal = SIGSEGV;
    slot->frame_count = 100000; // as a wild write might leave it
    slot->module_count = 100000;
    memset(slot->modules[0].path, 'x', sizeof slot->modules[0].path);
    errlog_crash_publish(slot, 4711);
    assert_true(errlog_read_crash(reader, 2, 4711, &seen));
    assert_int_equal(seen.signal, SIGSEGV);
    assert_int_equal(seen.frame_count, ERRLOG_FRAMES);
    assert_int_equal(seen.module_count, ERRLOG_MODULES);
    assert_int_equal(strlen(seen.modules[0].path), ERRLOG_PATH_BYTES - 1);
    assert_false(errlog_read_crash(reader, 2, 4712, &seen)); // of another process
    assert_false(errlog_read_crash(reader, 1, 4711, &seen));
    assert_false(errlog_read_crash(reader, TASKS, 4711, &seen));
    errlog_detach(reader);
    errlog_detach(log);
}

#define TEST(name) cmocka_unit_test_setup_teardown(name, set_up, tear_down)

int main(void)
{
    const struct CMUnitTest tests[] = {
        TEST(test_control_begins_empty_and_named),
        TEST(test_control_outlives_its_task),
        TEST(test_control_mailbox_reaches_its_task_only),
        TEST(test_control_pages_of_others_are_read_only),
        TEST(test_control_refuses_damage_and_wrong_tasks),
        TEST(test_control_forgets_an_end_that_is_taken_back),
        TEST(test_control_shows_spares),
        TEST(test_control_sweep_ends_orphans),
        TEST(test_errlog_counts_the_same_text_once),
        TEST(test_errlog_counts_what_finds_no_slot),
        TEST(test_control_trial_and_verdict_outlive_a_task),
        TEST(test_errlog_crash_record_is_its_process_own),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
