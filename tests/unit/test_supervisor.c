// test_supervisor.c: every cell of the table, and whole runs over fake tasks. The fake task is this
// very program: the supervisor starts it as `weir task <job-dir> <index>`.
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
#include "stages/supervisor/restart.h"
#include "stages/supervisor/slot.h"
#include "tests/unit/test_supervisor_support.h"

// --- the table, cell by cell ---

struct trace {
    char calls[64]; // s start, a ask_stop, k kill, and the first letter of what is reported
    int start_status;
    bool progressed;
    int64_t delay_ns;
};

static void trace_add(struct trace *trace, char c)
{
    size_t len = strlen(trace->calls);
    assert_true(len + 1 < sizeof(trace->calls));
    trace->calls[len] = c;
}

static int trace_start(struct slot *slot, void *context)
{
    struct trace *trace = context;
    (void)slot;
    trace_add(trace, 's');
    return trace->start_status;
}

static bool trace_progressed(const struct slot *slot, void *context)
{
    struct trace *trace = context;
    (void)slot;
    return trace->progressed;
}

static int64_t trace_delay(const struct slot *slot, bool progressed, int64_t now_ns, void *context)
{
    struct trace *trace = context;
    (void)slot;
    (void)now_ns;
    assert_int_equal(progressed, trace->progressed && !trace->start_status);
    return trace->delay_ns;
}

static void trace_ask_stop(struct slot *slot, void *context)
{
    (void)slot;
    trace_add(context, 'a');
}

static void trace_kill(struct slot *slot, void *context)
{
    (void)slot;
    trace_add(context, 'k');
}

static void trace_report(const struct slot *slot, enum supervisor_event_kind kind, void *context)
{
    static const char letters[] = "SDRFXPK...A.....r...."; // in the order of supervisor_event_kind
    (void)slot;
    trace_add(context, letters[kind]);
}

static struct slot_ops trace_ops(struct trace *trace)
{
    return (struct slot_ops){.context = trace,
                             .start = trace_start,
                             .progressed = trace_progressed,
                             .delay_ns = trace_delay,
                             .ask_stop = trace_ask_stop,
                             .kill = trace_kill,
                             .report = trace_report};
}

struct cell {
    enum slot_state from;
    enum slot_event event;
    enum slot_state to;
    const char *calls;
};

static const struct cell cells[] = {
    {SLOT_IDLE, SLOT_START, SLOT_UP, "sS"},
    {SLOT_IDLE, SLOT_STOP, SLOT_DONE, ""},
    {SLOT_IDLE, SLOT_KILL, SLOT_DONE, ""},
    {SLOT_IDLE, SLOT_ADOPT, SLOT_DOWN, ""},
    {SLOT_UP, SLOT_START, SLOT_UP, ""},
    {SLOT_UP, SLOT_READY, SLOT_UP, ""},
    {SLOT_UP, SLOT_ENDED_WELL, SLOT_DONE, "F"},
    {SLOT_UP, SLOT_GAVE_UP, SLOT_DONE, "X"},
    {SLOT_UP, SLOT_CRASHED, SLOT_DOWN, "D"},
    {SLOT_UP, SLOT_STOP, SLOT_STOPPING, "a"},
    {SLOT_UP, SLOT_KILL, SLOT_KILLED, "kK"},
    {SLOT_UP, SLOT_REPLACED, SLOT_HURT, "s"},
    {SLOT_HURT, SLOT_REPLACED, SLOT_HURT, "s"},
    {SLOT_HURT, SLOT_START, SLOT_HURT, ""},
    {SLOT_HURT, SLOT_READY, SLOT_UP, "R"},
    {SLOT_HURT, SLOT_ENDED_WELL, SLOT_DONE, "RF"},
    {SLOT_HURT, SLOT_GAVE_UP, SLOT_DONE, "X"},
    {SLOT_HURT, SLOT_CRASHED, SLOT_DOWN, "D"},
    {SLOT_HURT, SLOT_STOP, SLOT_STOPPING, "a"},
    {SLOT_HURT, SLOT_KILL, SLOT_KILLED, "kK"},
    {SLOT_DOWN, SLOT_START, SLOT_HURT, "s"},
    {SLOT_DOWN, SLOT_STOP, SLOT_STOPPING, "as"},
    {SLOT_DOWN, SLOT_KILL, SLOT_DONE, ""},
    {SLOT_STOPPING, SLOT_START, SLOT_STOPPING, ""},
    {SLOT_STOPPING, SLOT_READY, SLOT_STOPPING, ""},
    {SLOT_STOPPING, SLOT_ENDED_WELL, SLOT_DONE, "F"},
    {SLOT_STOPPING, SLOT_GAVE_UP, SLOT_DONE, "X"},
    {SLOT_STOPPING, SLOT_CRASHED, SLOT_STOPPING, "s"},
    {SLOT_STOPPING, SLOT_STOP, SLOT_STOPPING, ""},
    {SLOT_STOPPING, SLOT_KILL, SLOT_KILLED, "kK"},
    {SLOT_KILLED, SLOT_START, SLOT_KILLED, ""},
    {SLOT_KILLED, SLOT_READY, SLOT_KILLED, ""},
    {SLOT_KILLED, SLOT_ENDED_WELL, SLOT_DONE, "F"},
    {SLOT_KILLED, SLOT_GAVE_UP, SLOT_DONE, "X"},
    {SLOT_KILLED, SLOT_CRASHED, SLOT_DONE, ""},
    {SLOT_KILLED, SLOT_STOP, SLOT_KILLED, ""},
    {SLOT_KILLED, SLOT_KILL, SLOT_KILLED, ""},
    {SLOT_UP, SLOT_LOSE, SLOT_LOST, ""},
    {SLOT_HURT, SLOT_LOSE, SLOT_LOST, ""},
    {SLOT_DOWN, SLOT_LOSE, SLOT_LOST, ""},
    {SLOT_LOST, SLOT_START, SLOT_LOST, ""},
    {SLOT_LOST, SLOT_ENDED_WELL, SLOT_LOST, ""},
    {SLOT_LOST, SLOT_GAVE_UP, SLOT_LOST, ""},
    {SLOT_LOST, SLOT_CRASHED, SLOT_LOST, ""},
    {SLOT_LOST, SLOT_STOP, SLOT_LOST, ""},
    {SLOT_LOST, SLOT_KILL, SLOT_DONE, ""},
    {SLOT_LOST, SLOT_REMADE, SLOT_DOWN, ""},
    {SLOT_DONE, SLOT_START, SLOT_DONE, ""},
    {SLOT_DONE, SLOT_STOP, SLOT_DONE, ""},
    {SLOT_DONE, SLOT_KILL, SLOT_DONE, ""},
};

static bool cell_listed(int state, int event)
{
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++)
        if ((int)cells[i].from == state && (int)cells[i].event == event)
            return true;
    return false;
}

static void test_slot_does_what_each_cell_says(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(cells); i++) {
        struct trace trace = {.progressed = true};
        struct slot_ops ops = trace_ops(&trace);
        struct slot slot = {.state = cells[i].from, .pidfd = -1};
        assert_int_equal(slot_handle(&slot, cells[i].event, 1000, &ops), 0);
        if (slot.state != cells[i].to || strcmp(trace.calls, cells[i].calls) != 0)
            fail_msg("state %d, event %d: went to %d with '%s', not to %d with '%s'", cells[i].from,
                     cells[i].event, slot.state, trace.calls, cells[i].to, cells[i].calls);
    }
}

// The cells that are not listed cannot come about: they abort, each in a process of its own.
static void test_slot_aborts_on_impossible_events(void **state)
{
    (void)state;
    int impossible = 0;
    for (int from = 0; from < SLOT_STATE_COUNT; from++) {
        for (int event = 0; event < SLOT_EVENT_COUNT; event++) {
            if (cell_listed(from, event))
                continue;
            impossible++;
            pid_t pid = fork();
            if (pid == 0) {
                struct trace trace = {0};
                struct slot_ops ops = trace_ops(&trace);
                struct slot slot = {.state = (enum slot_state)from, .pidfd = -1};
                signal(SIGABRT, SIG_DFL);
                if (!freopen("/dev/null", "w", stderr))
                    _exit(1);
                slot_handle(&slot, (enum slot_event)event, 1000, &ops);
                _exit(0);
            }
            int status;
            assert_int_equal(waitpid(pid, &status, 0), pid);
            assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
        }
    }
    assert_int_equal(impossible, SLOT_STATE_COUNT * SLOT_EVENT_COUNT - (int)ARRAY_SIZE(cells));
}

static void test_slot_counts_deaths_without_progress(void **state)
{
    (void)state;
    struct trace trace = {.delay_ns = 70};
    struct slot_ops ops = trace_ops(&trace);
    struct slot slot = {.state = SLOT_UP, .pidfd = -1};
    for (int i = 1; i <= 3; i++) {
        slot_handle(&slot, SLOT_CRASHED, 5000, &ops);
        assert_int_equal(slot.quick_deaths, i);
        assert_int_equal(slot.start_at_ns, 5070);
        slot_handle(&slot, SLOT_START, 5070, &ops);
        assert_int_equal(slot.restarts, i);
    }
    assert_int_equal(slot.died_ns, 5000);
    trace.progressed = true; // this one did something: forgiven
    slot_handle(&slot, SLOT_CRASHED, 5100, &ops);
    assert_int_equal(slot.quick_deaths, 0);
}

static void test_slot_fails_when_the_strategy_gives_up(void **state)
{
    (void)state;
    struct trace trace = {.delay_ns = RESTART_NEVER};
    struct slot_ops ops = trace_ops(&trace);
    struct slot slot = {.state = SLOT_UP, .pidfd = -1};
    slot_handle(&slot, SLOT_CRASHED, 5000, &ops);
    assert_int_equal(slot.state, SLOT_DONE);
    assert_string_equal(trace.calls, "X");
}

// Asked to stop, a task that dies is replaced, or its file would stay unfinished; but not for ever.
static void test_slot_replaces_what_dies_while_it_stops(void **state)
{
    (void)state;
    struct trace trace = {0};
    struct slot_ops ops = trace_ops(&trace);
    struct slot slot = {.state = SLOT_STOPPING, .pidfd = -1};
    for (int i = 0; i < RESTART_QUICK_FREE; i++) {
        slot_handle(&slot, SLOT_CRASHED, 5000, &ops);
        assert_int_equal(slot.state, SLOT_STOPPING);
    }
    slot_handle(&slot, SLOT_CRASHED, 5000, &ops);
    assert_int_equal(slot.state, SLOT_DONE);
}

static void test_slot_survives_starts_that_fail(void **state)
{
    (void)state;
    struct trace trace = {.start_status = -EAGAIN};
    struct slot_ops ops = trace_ops(&trace);
    struct slot slot = {.state = SLOT_IDLE, .pidfd = -1};
    assert_int_equal(slot_handle(&slot, SLOT_START, 0, &ops), -EAGAIN);
    assert_int_equal(slot.state, SLOT_IDLE);
    slot.state = SLOT_DOWN; // a restart is tried again later
    assert_int_equal(slot_handle(&slot, SLOT_START, 1000, &ops), 0);
    assert_int_equal(slot.state, SLOT_DOWN);
    assert_true(slot.start_at_ns > 1000);
    assert_int_equal(slot.restarts, 0);
}

static void test_slot_measures_the_whole_gap(void **state)
{
    (void)state;
    struct trace trace = {0};
    struct slot_ops ops = trace_ops(&trace);
    struct slot slot = {.state = SLOT_UP, .pidfd = -1};
    slot_handle(&slot, SLOT_CRASHED, 100, &ops);
    slot_handle(&slot, SLOT_START, 200, &ops);
    slot_handle(&slot, SLOT_CRASHED, 300, &ops); // the replacement died too
    slot_handle(&slot, SLOT_START, 400, &ops);
    slot_handle(&slot, SLOT_READY, 1100, &ops);
    assert_int_equal(slot.gap_ns, 1000);
}

static enum slot_event classify(const struct control_view *view, pid_t pid, int signal, int status)
{
    struct slot slot = {.pid = pid, .signal = signal, .exit_status = status};
    return slot_classify(view, &slot);
}

static void test_slot_classify_trusts_only_the_page_of_this_process(void **state)
{
    (void)state;
    struct control_view view = {.process = {.pid = 5}, .state = CONTROL_FINISHED};
    assert_int_equal(classify(&view, 5, 0, 0), SLOT_ENDED_WELL);
    assert_int_equal(classify(&view, 6, 0, 0), SLOT_CRASHED);
    assert_int_equal(classify(&view, 5, SIGKILL, 0), SLOT_CRASHED);
    assert_int_equal(classify(&view, 5, 0, 1), SLOT_CRASHED);
    view.state = CONTROL_FAILED;
    assert_int_equal(classify(&view, 5, 0, 0), SLOT_CRASHED);
    assert_int_equal(classify(&view, 5, 0, 1), SLOT_GAVE_UP);
    assert_int_equal(classify(&view, 5, 0, 78), SLOT_GAVE_UP);
    assert_int_equal(classify(&view, 5, 0, 2), SLOT_CRASHED);
    assert_int_equal(classify(&view, 6, 0, 78), SLOT_CRASHED);
    assert_int_equal(classify(&view, 6, 0, SUPERVISOR_EXIT_MEMORY), SLOT_GAVE_UP);
    assert_int_equal(classify(&view, 6, SIGSEGV, SUPERVISOR_EXIT_MEMORY), SLOT_CRASHED);
    view.state = CONTROL_RUNNING;
    assert_int_equal(classify(&view, 5, 0, 0), SLOT_CRASHED);
}

// How an adopted task ended nobody learns: its page is all there is, if it is its page.
static void test_slot_classify_believes_the_page_of_an_adopted_one(void **state)
{
    (void)state;
    struct control_view view = {.process = {.pid = 5}, .state = CONTROL_FINISHED};
    struct slot slot = {.pid = 5, .is_cause_unknown = true};
    assert_int_equal(slot_classify(&view, &slot), SLOT_ENDED_WELL);
    view.state =
        CONTROL_FAILED; // at attach: its memory? the next one is ours, and its status tells
    assert_int_equal(slot_classify(&view, &slot), SLOT_CRASHED);
    view.ready_ns = 1;
    assert_int_equal(slot_classify(&view, &slot), SLOT_GAVE_UP);
    view.state = CONTROL_RUNNING;
    assert_int_equal(slot_classify(&view, &slot), SLOT_CRASHED);
    view.state = CONTROL_ORPHANED; // it had given its supervisor up in the last moment
    assert_int_equal(slot_classify(&view, &slot), SLOT_CRASHED);
    view.state = CONTROL_FINISHED;
    slot.pid = 6;
    assert_int_equal(slot_classify(&view, &slot), SLOT_CRASHED);
}

// The memory of its region is lost: it is ended, and started again when there is new memory; the
// gap is counted from when it was last up.
static void test_slot_goes_back_with_its_region(void **state)
{
    (void)state;
    struct trace trace = {.progressed = true};
    struct slot_ops ops = trace_ops(&trace);
    struct slot up = {.state = SLOT_UP, .pidfd = 3}, down = {.state = SLOT_UP, .pidfd = -1};
    slot_handle(&down, SLOT_CRASHED, 400, &ops);
    slot_handle(&down, SLOT_LOSE, 500, &ops);
    slot_handle(&up, SLOT_LOSE, 500, &ops);
    assert_string_equal(trace.calls, "Dk"); // only what lives is killed
    assert_true(up.goes_back && down.goes_back);
    assert_int_equal(up.died_ns, 500);
    assert_int_equal(down.died_ns, 400);
    slot_handle(&up, SLOT_CRASHED, 510, &ops); // killed: no death of its own
    up.pidfd = -1;
    slot_handle(&up, SLOT_REMADE, 600, &ops);
    slot_handle(&up, SLOT_START, 600, &ops);
    assert_int_equal(up.state, SLOT_HURT);
    assert_true(up.goes_back); // until it runs: the report says so
    slot_handle(&up, SLOT_READY, 700, &ops);
    assert_false(up.goes_back);
    assert_int_equal(up.gap_ns, 200);
    assert_string_equal(trace.calls, "DksR");
}

// No time is left: what has not ended yet is waited for.
static void test_slot_is_forsaken_with_its_region(void **state)
{
    (void)state;
    struct trace trace = {.progressed = true};
    struct slot_ops ops = trace_ops(&trace);
    struct slot slot = {.state = SLOT_LOST, .pidfd = 3};
    slot_handle(&slot, SLOT_KILL, 500, &ops);
    assert_int_equal(slot.state, SLOT_KILLED);
    slot_handle(&slot, SLOT_CRASHED, 510, &ops);
    assert_int_equal(slot.state, SLOT_DONE);
    assert_string_equal(trace.calls, "");
}

// Of an earlier supervisor: what lives runs on, what does not is replaced at once.
static void test_slot_adopts_what_lives(void **state)
{
    (void)state;
    struct trace trace = {0};
    struct slot_ops ops = trace_ops(&trace);
    struct slot living = {.state = SLOT_IDLE, .pidfd = 3}, dead = {.state = SLOT_IDLE, .pidfd = -1};
    assert_int_equal(slot_handle(&living, SLOT_ADOPT, 700, &ops), 0);
    assert_int_equal(living.state, SLOT_UP);
    assert_string_equal(trace.calls, "A");
    assert_int_equal(slot_handle(&dead, SLOT_ADOPT, 700, &ops), 0);
    assert_int_equal(dead.state, SLOT_DOWN);
    assert_int_equal(dead.start_at_ns, 700);
    slot_handle(&dead, SLOT_START, 700, &ops);
    slot_handle(&dead, SLOT_READY, 900, &ops);
    assert_string_equal(trace.calls, "AsR");
    assert_int_equal(dead.gap_ns, 200);
}

static void test_supervisor_ends_when_all_tasks_finish(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    assert_int_equal(run_fakes("fff", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(result.restarts, 0);
    assert_int_equal(events.count[SUPERVISOR_STARTED], TASKS);
    assert_int_equal(events.count[SUPERVISOR_FINISHED], TASKS);
    assert_int_equal(events.count[SUPERVISOR_DIED], 0);
}

static void test_supervisor_restarts_only_what_died(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    assert_int_equal(run_fakes("fk0", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(result.restarts, 2);
    assert_int_equal(events.count[SUPERVISOR_STARTED], TASKS);
    assert_int_equal(events.count[SUPERVISOR_DIED], 2);
    assert_int_equal(events.count[SUPERVISOR_RESTARTED], 2);
    assert_int_equal(events.count[SUPERVISOR_FINISHED], TASKS);
    assert_true(result.worst_gap_ms > 0 && result.worst_gap_ms < 5000);
    assert_true(events.gap_ms > 0 && events.gap_ms <= result.worst_gap_ms);
}

static void test_supervisor_replaces_a_task_whose_process_lives_on(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    assert_int_equal(run_fakes("tff", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(result.restarts, 1);
    assert_int_equal(events.count[SUPERVISOR_STUCK], 0); // it could be ended
    assert_int_equal(result.left_behind, 0);
}

// After a crash the memory is checked by who comes next, and by nobody after that: a spare that
// takes over from a killed task has no time for it.
static void test_supervisor_has_memory_checked_once(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    assert_int_equal(run_fakes("fcf", &events, &result), 0);
    assert_int_equal(result.restarts, 1);
    assert_int_equal(events.died_signal, SIGABRT);
    assert_int_equal(events.count[SUPERVISOR_RESTARTED], 1);
    assert_false(events.is_check_asked);
}

static void test_supervisor_restarts_first_quick_deaths_at_once(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    assert_int_equal(run_fakes("faf", &events, &result), 0);
    assert_int_equal(result.restarts, 4);
    assert_int_equal(events.died_signal, SIGKILL);
    assert_int_equal(events.count[SUPERVISOR_RESTARTED], 1);
    assert_true(result.worst_gap_ms < 900); // no delay of a second was in it
}

static void test_supervisor_takes_an_idle_task_for_no_crash_loop(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    assert_int_equal(run_fakes("fif", &events, &result), 0);
    assert_int_equal(result.restarts, 20);
    assert_true(result.worst_gap_ms < 900);
}

static void test_supervisor_ends_the_job_with_the_text_of_a_task(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    assert_int_equal(run_fakes("wxw", &events, &result), -ECANCELED);
    assert_int_equal(result.end, SUPERVISOR_END_FAILED);
    assert_int_equal(result.exit_status, 78);
    assert_string_equal(events.text, "person.csv:3: no such column");
    assert_int_equal(events.count[SUPERVISOR_FAILED], 1);
    assert_int_equal(events.count[SUPERVISOR_KILLED], 0); // the others stopped when asked
    assert_int_equal(result.restarts, 0);
}

static void test_supervisor_stops_on_a_signal(void **state)
{
    (void)state;
    struct events events = {.raise_at_tick = 3};
    struct supervisor_result result;
    assert_int_equal(run_fakes("www", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(result.stop_signal, SIGTERM);
    assert_int_equal(events.count[SUPERVISOR_STOPPING], 1);
    assert_int_equal(events.count[SUPERVISOR_FINISHED], TASKS);
    assert_int_equal(events.count[SUPERVISOR_KILLED], 0);
    assert_true(events.ticks >= 3);
}

static void test_supervisor_stops_when_it_is_asked(void **state)
{
    (void)state;
    struct events events = {.ask_at_tick = 3, .request = {.kind = REQUEST_STOP}};
    struct supervisor_result result;
    assert_int_equal(run_fakes("wwf", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(result.stop_signal, 0);
    assert_int_equal(events.count[SUPERVISOR_STOPPING], 1);
    assert_string_equal(events.answer, "{\"answer\":\"taken\"}"); // the rest is the caller's
}

static void test_supervisor_drains_when_it_is_asked(void **state)
{
    (void)state;
    struct events events = {.ask_at_tick = 3, .request = {.kind = REQUEST_STOP, .drains = true}};
    struct supervisor_result result;
    assert_int_equal(run_fakes("ddf", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(events.count[SUPERVISOR_DRAINING], 1);
    assert_int_equal(events.count[SUPERVISOR_STOPPING], 0);
}

// What is not drained in the time that was given is stopped.
static void test_supervisor_stops_what_drains_for_too_long(void **state)
{
    (void)state;
    struct events events = {.ask_at_tick = 3,
                            .request = {.kind = REQUEST_STOP, .drains = true, .timeout_ms = 50}};
    struct supervisor_result result;
    assert_int_equal(run_fakes("wdf", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(events.count[SUPERVISOR_DRAINING], 1);
    assert_int_equal(events.count[SUPERVISOR_STOPPING], 1);
}

// A program that is none is refused before a task is touched.
static void test_supervisor_refuses_a_program_that_is_none(void **state)
{
    (void)state;
    struct events events = {.ask_at_tick = 3,
                            .raise_at_tick = 6,
                            .request = {.kind = REQUEST_REPLACE, .path = "/bin/true"}};
    struct supervisor_result result;
    assert_int_equal(run_fakes("www", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_non_null(strstr(events.answer, "\"refused\""));
    assert_int_equal(events.count[SUPERVISOR_REPLACING], 0);
    assert_int_equal(events.count[SUPERVISOR_DIED], 0);
}

static void test_supervisor_kills_what_does_not_stop(void **state)
{
    (void)state;
    struct events events = {.raise_at_tick = 2};
    struct supervisor_result result;
    assert_int_equal(run_fakes("wzw", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(events.count[SUPERVISOR_KILLED], 1);
    assert_int_equal(events.count[SUPERVISOR_FINISHED], 2);
    assert_int_equal(result.restarts, 0);
}

static void test_supervisor_stops_level_by_level(void **state)
{
    (void)state;
    static const int upside_down[TASKS] = {2, 1, 0};
    struct events events = {.raise_at_tick = 2};
    struct supervisor_result result;
    levels = upside_down;
    assert_int_equal(run_fakes("www", &events, &result), 0);
    levels = NULL;
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(events.finished_count, TASKS);
    for (int i = 0; i < TASKS; i++)
        assert_int_equal(events.finished[i], TASKS - 1 - i);
}

static void test_supervisor_replaces_what_dies_while_it_stops(void **state)
{
    (void)state;
    struct events events = {.raise_at_tick = 2};
    struct supervisor_result result;
    assert_int_equal(run_fakes("wsw", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(events.count[SUPERVISOR_FINISHED], TASKS);
    assert_int_equal(events.count[SUPERVISOR_KILLED], 0);
}

// Each region has the restarts that the strategy allows; what one has used up ends the job.
static void test_supervisor_counts_restarts_by_region(void **state)
{
    (void)state;
    static const int apart[TASKS] = {0, 1, 1};
    struct events events = {0};
    struct supervisor_result result;
    strategy = SUPERVISOR_RESTART_FIXED_DELAY;
    regions = apart;
    assert_int_equal(run_fakes("00f", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(result.restarts, 2);
    assert_int_equal(run_fakes("f00", &events, &result), -ECANCELED);
    assert_non_null(strstr(err.text, "fixed-delay allows 1 restart of its region"));
    regions = NULL;
    assert_int_equal(run_fakes("00f", &events, &result), -ECANCELED);
    strategy = SUPERVISOR_RESTART_EXPONENTIAL_DELAY;
}

static void test_supervisor_ends_a_crash_loop(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    strategy = SUPERVISOR_RESTART_FIXED_DELAY;
    assert_int_equal(run_fakes("wpw", &events, &result), -ECANCELED);
    assert_int_equal(result.end, SUPERVISOR_END_FAILED);
    assert_int_equal(events.count[SUPERVISOR_DIED], 1);
    assert_non_null(strstr(events.text, "task 1 (b) was killed by signal 6 (Aborted) and"));
    assert_non_null(strstr(events.text, "fixed-delay allows 1 restart"));
    assert_string_equal(events.text, err.text);
    strategy = SUPERVISOR_RESTART_NONE;
    events = (struct events){0};
    assert_int_equal(run_fakes("kww", &events, &result), -ECANCELED);
    assert_non_null(strstr(err.text, "task 0 (a) was killed by signal 9 (Killed) and"));
    assert_non_null(strstr(err.text, "recovery.restart is none"));
    strategy = SUPERVISOR_RESTART_EXPONENTIAL_DELAY;
}

// It makes progress and crashes each time: three times it is replaced at once, then put off.
static void test_supervisor_puts_off_what_keeps_crashing(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    assert_int_equal(run_fakes("fpf", &events, &result), 0);
    assert_int_equal(result.restarts, 4);
    assert_true(result.worst_gap_ms >= 1000);
}

static void test_supervisor_says_when_the_program_is_not_there(void **state)
{
    (void)state;
    static const char *const names[TASKS] = {"a", "b", "c"};
    struct supervisor_result result;
    char job_folder[] = "/dev/shm/weir-test-XXXXXX";
    assert_non_null(mkdtemp(job_folder));
    assert_int_equal(jobdir_open(job_folder, "fake", &dir, &err), 0);
    assert_int_equal(control_create(dir.fd, FINGERPRINT, names, TASKS, &err), 0);
    struct supervisor_options options = {.dir = &dir,
                                         .job_fingerprint = FINGERPRINT,
                                         .task_count = TASKS,
                                         .names = names,
                                         .program = "/nowhere/weir"};
    assert_int_equal(supervisor_run(&options, &result, &err), -ENOENT);
    assert_true(strstr(err.text, "cannot start a task") != NULL);
    options.task_count = TASKS - 1;
    assert_int_equal(supervisor_run(&options, &result, &err), -EINVAL);
    jobdir_remove(&dir, &err);
    char parent[128];
    snprintf(parent, sizeof(parent), "%s/weir-%u", job_folder, (unsigned)getuid());
    rmdir(parent);
    assert_int_equal(rmdir(job_folder), 0);
}

int main(int argc, char **argv)
{
    if (argc == 4 && strcmp(argv[1], "task") == 0)
        return fake_task(argv[2], argv[3][0] - '0');
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_slot_does_what_each_cell_says),
        cmocka_unit_test(test_slot_aborts_on_impossible_events),
        cmocka_unit_test(test_slot_counts_deaths_without_progress),
        cmocka_unit_test(test_slot_fails_when_the_strategy_gives_up),
        cmocka_unit_test(test_slot_replaces_what_dies_while_it_stops),
        cmocka_unit_test(test_slot_survives_starts_that_fail),
        cmocka_unit_test(test_slot_measures_the_whole_gap),
        cmocka_unit_test(test_slot_classify_trusts_only_the_page_of_this_process),
        cmocka_unit_test(test_slot_classify_believes_the_page_of_an_adopted_one),
        cmocka_unit_test(test_slot_goes_back_with_its_region),
        cmocka_unit_test(test_slot_is_forsaken_with_its_region),
        cmocka_unit_test(test_slot_adopts_what_lives),
        cmocka_unit_test(test_supervisor_ends_when_all_tasks_finish),
        cmocka_unit_test(test_supervisor_restarts_only_what_died),
        cmocka_unit_test(test_supervisor_replaces_a_task_whose_process_lives_on),
        cmocka_unit_test(test_supervisor_has_memory_checked_once),
        cmocka_unit_test(test_supervisor_restarts_first_quick_deaths_at_once),
        cmocka_unit_test(test_supervisor_takes_an_idle_task_for_no_crash_loop),
        cmocka_unit_test(test_supervisor_ends_the_job_with_the_text_of_a_task),
        cmocka_unit_test(test_supervisor_stops_on_a_signal),
        cmocka_unit_test(test_supervisor_stops_when_it_is_asked),
        cmocka_unit_test(test_supervisor_drains_when_it_is_asked),
        cmocka_unit_test(test_supervisor_stops_what_drains_for_too_long),
        cmocka_unit_test(test_supervisor_refuses_a_program_that_is_none),
        cmocka_unit_test(test_supervisor_kills_what_does_not_stop),
        cmocka_unit_test(test_supervisor_stops_level_by_level),
        cmocka_unit_test(test_supervisor_replaces_what_dies_while_it_stops),
        cmocka_unit_test(test_supervisor_counts_restarts_by_region),
        cmocka_unit_test(test_supervisor_ends_a_crash_loop),
        cmocka_unit_test(test_supervisor_puts_off_what_keeps_crashing),
        cmocka_unit_test(test_supervisor_says_when_the_program_is_not_there),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
