// test_supervisor_ending.c: the end of a job whose rows are committed outside: a last checkpoint,
// then everybody settles what it covers, and only then the job is finished. The fake tasks see that
// nothing comes too early: who does ends with a status that fails the test.
#include <sys/stat.h>

#include "shm/bell.h"
#include "stages/checkpoint/store.h"
#include "tests/unit/test_supervisor_support.h"

enum { BY_THEN_MS = 200, TOO_EARLY = 9 };

// Who does what, in order: a file, for the fake tasks are processes of their own.
static char story_path[] = "/tmp/weir-test-story-XXXXXX";

static void tell(const char *what, int index, uint64_t checkpoint)
{
    char line[64];
    const char *path = getenv("WEIR_TEST_STORY");
    int fd = path ? open(path, O_WRONLY | O_APPEND | O_CLOEXEC) : -1;
    int len = snprintf(line, sizeof line, "%s %d %d\n", what, index, (int)checkpoint);
    CHECK(fd >= 0 && write(fd, line, (size_t)len) == len);
    close(fd);
}

static void read_story(char *out, size_t bytes)
{
    int fd = open(getenv("WEIR_TEST_STORY"), O_RDONLY | O_CLOEXEC);
    ssize_t len = read(fd, out, bytes - 1);
    CHECK(len >= 0);
    out[len] = '\0';
    close(fd);
}

static int times_told(const char *what)
{
    char text[8192];
    int times = 0;
    read_story(text, sizeof text);
    for (const char *at = text; (at = strstr(at, what)); at++)
        times += at == text || at[-1] == '\n';
    return times;
}

// Everybody has settled before anybody is told to finish. (Whose memory is then lost goes back to
// the very checkpoint that it has settled.)
static bool is_in_order(void)
{
    char text[8192], settled[32];
    bool is = true;
    read_story(text, sizeof text);
    const char *finish = strstr(text, "finish");
    for (int i = 0; finish && i < TASKS; i++) {
        snprintf(settled, sizeof settled, "settled %d ", i);
        const char *at = strstr(text, settled);
        is &= at && at < finish;
    }
    return is;
}

// What a fake task that has ended has in its hands.
struct ended {
    struct control *control;
    struct store store;
    char letter;
    int index;
    uint64_t attempt, passed, settled;
    int64_t complete_ns; // when it first saw passed complete
};

static void open_store(struct store *store)
{
    char path[JOBDIR_PATH_BYTES + 32];
    snprintf(path, sizeof path, "%s", dir.path);
    char *parent = strstr(path, "/weir-"); // /dev/shm/weir-test-XXXXXX/weir-UID/fake
    parent = strchr(parent + 1, '/');
    CHECK(parent);
    memcpy(parent, "/checkpoints", sizeof "/checkpoints");
    CHECK(store_open(env_system(), path, "fake", store, &err) == 0);
}

// Where there is no folder, the checkpoint is none (coordinator_went_back).
static bool write_snapshot(const struct ended *e, uint64_t checkpoint)
{
    char name[STORE_PATH_BYTES], path[STORE_PATH_BYTES];
    store_snapshot_name(checkpoint, e->index, (uint32_t)e->attempt, name);
    store_path(&e->store, name, path);
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    bool is_written = fd >= 0 && write(fd, "x", 1) == 1;
    if (fd >= 0)
        close(fd);
    return is_written;
}

// A barrier: write a snapshot and report it. b: the disk fails twice; B: always. q: is killed at
// it, once.
static void pass(struct ended *e, uint64_t checkpoint)
{
    struct control_snapshot report = {
        .checkpoint = checkpoint, .status = CONTROL_SNAPSHOT_DONE, .file_bytes = 1, .text = "{}"};
    e->passed = checkpoint;
    tell("pass", e->index, checkpoint);
    if (e->letter == 'q' && e->attempt == 1)
        kill(getpid(), SIGKILL);
    bool is_full = e->letter == 'B' || (e->letter == 'b' && times_told("failed") < 2);
    if (is_full || !write_snapshot(e, checkpoint)) {
        tell("failed", e->index, checkpoint);
        report.status = CONTROL_SNAPSHOT_FAILED;
        snprintf(report.text, sizeof report.text, "the disk is full");
    }
    control_report_snapshot(e->control, &report);
    bell_ring(dir.fd);
}

// l: takes its time. u: never. s: is killed before it says so, once. m: its memory is lost then,
// once.
static int settle(struct ended *e, uint64_t checkpoint)
{
    int64_t now = env_system()->monotonic_ns(env_system());
    if (e->complete_ns == 0)
        e->complete_ns = now;
    if (e->letter == 'u' || (e->letter == 'l' && now - e->complete_ns < BY_THEN_MS * 1000000LL))
        return 0;
    if (e->letter == 's' && e->attempt == 1)
        kill(getpid(), SIGKILL);
    if (e->letter == 'm' && e->attempt == 1) {
        control_fail(e->control, "the arena is damaged");
        return SUPERVISOR_EXIT_MEMORY;
    }
    tell("settled", e->index, checkpoint);
    e->settled = checkpoint;
    control_set_settled(e->control, checkpoint);
    bell_ring(dir.fd);
    return 0;
}

// c: wants to be asked to stop first. Then as a task that lingers (stages/runtime/task_checkpoint).
static int act_ended(char letter, struct control *control, int index, uint64_t attempt)
{
    struct ended e = {.control = control, .letter = letter, .index = index, .attempt = attempt};
    int status = 0;
    open_store(&e.store);
    control_set_state(control, CONTROL_WAITING_INPUT);
    while (letter == 'c' && !control_requested(control, CONTROL_STOP))
        usleep(1000);
    CHECK(store_write_finish(&e.store, index, slice_of(""), &err) == 0);
    control_set_ended(control, true);
    bell_ring(dir.fd);
    control_progress(control, 1);
    while (!control_requested(control, CONTROL_FINISH) && !status) {
        uint64_t wanted = control_wanted_checkpoint(control);
        uint64_t complete = control_complete_checkpoint(control);
        if (control_requested(control, CONTROL_CANCEL)) {
            tell("cancelled", index, 0);
            control_set_state(control, CONTROL_FINISHED);
            return 0;
        }
        if (wanted > e.passed && wanted > complete)
            pass(&e, wanted);
        if (complete > e.settled)
            status = settle(&e, complete);
        if (getenv("WEIR_TEST_SETTLES") && !e.settled && store_is_finished(&e.store))
            status = TOO_EARLY; // nobody may say FINISHED while this one is not settled
        control_heartbeat(control, env_system()->monotonic_ns(env_system()));
        usleep(1000);
    }
    if (status)
        return status;
    tell("finish", index, 0);
    control_set_state(control, CONTROL_FINISHED);
    return 0;
}

// --- the runs ---

static int set_up(void **state)
{
    (void)state;
    int prot = PROT_READ | PROT_WRITE, flags = MAP_SHARED | MAP_ANONYMOUS;
    remaking = mmap(NULL, sizeof *remaking, prot, flags, -1, 0);
    return remaking == MAP_FAILED;
}

static int tear_down(void **state)
{
    (void)state;
    munmap(remaking, sizeof *remaking);
    remaking = NULL;
    return 0;
}

static int run_ending(const char *letters, struct events *events, struct supervisor_result *result)
{
    memcpy(story_path + sizeof story_path - 7, "XXXXXX", 7);
    int fd = mkstemp(story_path);
    assert_true(fd >= 0);
    close(fd);
    setenv("WEIR_TEST_STORY", story_path, 1);
    if (settles)
        setenv("WEIR_TEST_SETTLES", "1", 1);
    else
        unsetenv("WEIR_TEST_SETTLES");
    static const int one_region[TASKS] = {0, 0, 0};
    regions = one_region;
    stop_timeout_ms = 1000;
    remaking->calls = 0;
    return run_fakes(letters, events, result);
}

static void end_story(void)
{
    unlink(story_path);
}

static void expect_finished(const char *letters, int passes)
{
    struct events events = {0};
    struct supervisor_result result;
    settles = true;
    if (run_ending(letters, &events, &result) < 0)
        fail_msg("%s: %s", letters, err.text);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(events.count[SUPERVISOR_CHECKPOINT_FAILED], passes - 1);
    assert_true(times_told("finish") >= TASKS);
    assert_true(times_told("settled") >= TASKS);
    assert_true(is_in_order());
    assert_int_equal(times_told("cancelled"), 0);
    end_story();
}

static void test_ending_settles_before_it_is_finished(void **state)
{
    (void)state;
    expect_finished("eee", 1);
    expect_finished("lee", 1);
    expect_finished("lll", 1);
}

static void test_ending_without_such_sinks_makes_no_last_checkpoint(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    settles = false;
    assert_int_equal(run_ending("eee", &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_FINISHED);
    assert_int_equal(times_told("pass"), 0);
    assert_int_equal(times_told("finish"), TASKS);
    end_story();
}

static void test_ending_tries_a_last_checkpoint_again(void **state)
{
    (void)state;
    expect_finished("bee", 3);
    expect_finished("eqe", 2);
}

static void test_ending_goes_on_when_a_task_dies_before_it_has_settled(void **state)
{
    (void)state;
    expect_finished("ese", 1);
    expect_finished("sss", 1);
}

// Behind the last checkpoint: what is lost is there again as it has it, or, where it is damaged,
// another one is made.
static void test_ending_survives_that_memory_is_lost(void **state)
{
    (void)state;
    remaking->mode = REMAKE_WELL;
    remaking->checkpoint = 1;
    expect_finished("eme", 1);
    assert_int_equal(remaking->calls, 1);
    remaking->checkpoint = 0;
    expect_finished("mel", 1);
    assert_int_equal(remaking->calls, 1);
}

static void test_ending_gives_up_a_last_checkpoint_that_cannot_be(void **state)
{
    (void)state;
    struct events events = {0};
    struct supervisor_result result;
    settles = true;
    assert_int_equal(run_ending("eBe", &events, &result), -ECANCELED);
    assert_int_equal(result.end, SUPERVISOR_END_FAILED);
    assert_non_null(strstr(err.text, "10 times in a row"));
    assert_non_null(strstr(err.text, "/checkpoints"));
    assert_int_equal(events.count[SUPERVISOR_CHECKPOINT_FAILED], 10);
    assert_int_equal(times_told("finish"), 0);
    end_story();
}

static void expect_stopped(const char *letters, int tick, int unsettled, bool is_cut)
{
    struct events events = {.raise_at_tick = tick};
    struct supervisor_result result;
    settles = true;
    assert_int_equal(run_ending(letters, &events, &result), 0);
    assert_int_equal(result.end, SUPERVISOR_END_STOPPED);
    assert_int_equal(result.is_cut, is_cut);
    assert_int_equal(result.unsettled, unsettled);
    assert_int_equal(events.count[SUPERVISOR_KILLED], 0);
    assert_int_equal(times_told(is_cut ? "finish" : "cancelled"), TASKS);
    assert_true(!is_cut || result.last_checkpoint > 0);
    end_story();
}

static void test_ending_by_a_stop_settles_too(void **state)
{
    (void)state;
    expect_stopped("ccc", 5, 0, true);
    expect_stopped("ccl", 5, 0, true);
}

// The broker is away: the stop has its patience, and then the rows are in the last checkpoint.
static void test_ending_by_a_stop_does_not_wait_for_ever(void **state)
{
    (void)state;
    expect_stopped("ccu", 5, 1, true);
    expect_stopped("uue", 30, 2, true); // all input was handled before
}

static void test_ending_by_a_stop_does_without_a_last_checkpoint(void **state)
{
    (void)state;
    expect_stopped("ccB", 5, 0, false);
}

int main(int argc, char **argv)
{
    act_more = act_ended;
    if (argc == 4 && strcmp(argv[1], "task") == 0)
        return fake_task(argv[2], argv[3][0] - '0');
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ending_settles_before_it_is_finished),
        cmocka_unit_test(test_ending_without_such_sinks_makes_no_last_checkpoint),
        cmocka_unit_test(test_ending_tries_a_last_checkpoint_again),
        cmocka_unit_test(test_ending_goes_on_when_a_task_dies_before_it_has_settled),
        cmocka_unit_test(test_ending_survives_that_memory_is_lost),
        cmocka_unit_test(test_ending_gives_up_a_last_checkpoint_that_cannot_be),
        cmocka_unit_test(test_ending_by_a_stop_settles_too),
        cmocka_unit_test(test_ending_by_a_stop_does_not_wait_for_ever),
        cmocka_unit_test(test_ending_by_a_stop_does_without_a_last_checkpoint),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}
