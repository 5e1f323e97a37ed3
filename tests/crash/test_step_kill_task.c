// test_step_kill_task.c: whole tasks of small jobs, broken off after any of their instructions,
// from the moment that they may own their arena to their end: attach, batches of each kind, commit,
// publish, barrier, parts and dead letters, the end of input.
//
// The task is single-stepped (ptrace); where it stands, the world is copied as a kill would leave
// it (task_world.h), and in the copy every task of the job starts as a replacement and runs to the
// end: the output must be that of an undisturbed run, row for row. With checkpoints, every other
// time the copy first makes a checkpoint, loses its memory and goes back to it.
//
// A sample is a number of visits: the task, a cold start or a spare that takes over, runs to a
// place of the protocol, some of the times that it comes there, and is stepped from there on; at
// some points the world is judged, above all where the protocol moves (a commit, a ring's word, a
// call that changes a file), and the last point is killed in earnest. STEP_ALL=1 walks every task
// from its begin to its end and judges each point whose memory differs from that of the one before
// it (hours; make soak).
//
// usage: test_step_kill_task [SCENE [VISITS]]    scenes whose names begin so
#include "tests/crash/task_world.h"

#include <sys/ptrace.h>
#include <sys/syscall.h>
#include <sys/user.h>

#include "core/state/arena_layout.h"
#include "shm/ring_layout.h"
#include "shm/segment_layout.h"
#include "stages/runtime/task_internal.h"

#if !defined(__x86_64__)
#error "breakpoints and system calls are told by x86-64's instructions"
#endif

enum { SKIP = 77, WORDS_MAX = 64, BREAKPOINT = 0xcc };

struct scene {
    struct world_job job;
    int victim;
    int visits; // of a sample
};

static uint64_t rng;
static bool all;
static const char *wanted_scene;
static int wanted_visits;       // 0: as the scene has it
static struct control *control; // of the live world, as its supervisor

// --- what is told at each step, cheaply ---

// Words of the live world by which the protocol moves.
struct watch {
    const uint64_t *words[WORDS_MAX];
    uint64_t values[WORDS_MAX];
    int count;
    void *maps[WORDS_MAX];
    uint64_t bytes[WORDS_MAX];
    int map_count;
    const struct arena_header *arena; // of the victim
    uint64_t log_word;
};

static void *watch_file(struct watch *watch, const struct world *w, const char *name)
{
    struct stat st;
    int fd = openat(w->live.dir.fd, name, O_RDONLY | O_CLOEXEC);
    assert_true(fd >= 0 && fstat(fd, &st) == 0 && watch->map_count < WORDS_MAX);
    void *map = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_SHARED, fd, 0);
    assert_true(map != MAP_FAILED);
    close(fd);
    watch->maps[watch->map_count] = map;
    watch->bytes[watch->map_count++] = (uint64_t)st.st_size;
    return map;
}

static void watch_word(struct watch *watch, const void *word)
{
    assert_true(watch->count < WORDS_MAX);
    watch->words[watch->count] = word;
    watch->values[watch->count++] = *(const uint64_t *)word;
}

static void watch_open(struct watch *watch, const struct world *w, int victim)
{
    char name[64];
    *watch = (struct watch){.count = 0};
    job_arena_name(victim, name);
    char *arena = watch_file(watch, w, name);
    watch->arena = (const struct arena_header *)(arena + SEGMENT_PAGE_BYTES);
    watch->log_word = watch->arena->log_word;
    for (int e = 0; e < w->plan->exchange_count; e++) {
        const struct exchange *exchange = &w->plan->exchanges[e];
        for (int from = 0; from < w->plan->stages[exchange->from_stage].parallelism; from++)
            for (int to = 0; to < w->plan->stages[exchange->to_stage].parallelism; to++) {
                if (!job_has_channel(w->plan, e, from, to))
                    continue;
                job_ring_name(e, from, to, name);
                char *ring = watch_file(watch, w, name);
                watch_word(watch, ring + RING_PAGE_BYTES);     // tail
                watch_word(watch, ring + 2 * RING_PAGE_BYTES); // head
            }
    }
}

static void watch_close(struct watch *watch)
{
    for (int i = 0; i < watch->map_count; i++)
        munmap(watch->maps[i], watch->bytes[i]);
}

// Has the last instruction moved the protocol?
static bool watch_moved(struct watch *watch)
{
    uint64_t log_word = watch->arena->log_word;
    bool moved = log_word == 0 && watch->log_word != 0;
    watch->log_word = log_word;
    for (int i = 0; i < watch->count; i++) {
        moved |= watch->values[i] != *watch->words[i];
        watch->values[i] = *watch->words[i];
    }
    return moved;
}

// --- stepping ---

static void be_traced(void)
{
    if (ptrace(PTRACE_TRACEME, 0, NULL, NULL))
        _exit(SKIP);
    raise(SIGSTOP);
}

static pid_t start_traced(const struct world *w, int victim, int spare)
{
    int status;
    pid_t pid = world_spawn(&(struct world_process){&w->live, victim, spare, be_traced});
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (WIFEXITED(status) && WEXITSTATUS(status) == SKIP) {
        printf("ptrace is not allowed here\n");
        exit(SKIP);
    }
    assert_true(WIFSTOPPED(status));
    assert_int_equal(ptrace(PTRACE_SETOPTIONS, pid, NULL, PTRACE_O_EXITKILL), 0);
    return pid;
}

// With checkpoints a task lingers at its end, until all have come so far: there it is killed.
static bool has_come_to_rest(const struct world *w, int victim)
{
    return w->job->checkpoints && control_has_ended(control, victim);
}

static void kill_it(pid_t pid)
{
    kill(pid, SIGKILL);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
}

// Continue until a signal, its end or its rest. Returns whether it has come to a breakpoint.
static bool run_on(const struct world *w, int victim, pid_t pid)
{
    int status;
    assert_int_equal(ptrace(PTRACE_CONT, pid, NULL, NULL), 0);
    while (waitpid(pid, &status, w->job->checkpoints ? WNOHANG : 0) != pid) {
        if (has_come_to_rest(w, victim)) {
            kill_it(pid);
            return false;
        }
        world_pause();
    }
    if (!WIFSTOPPED(status)) {
        world_must_end_well(w, &w->live, victim, status);
        return false;
    }
    assert_int_equal(WSTOPSIG(status), SIGTRAP);
    return true;
}

// Let it run to the begin of a function of this program, of which it is a fork. false: it never
// comes there.
static bool run_to(const struct world *w, int victim, pid_t pid, const void *function)
{
    struct user_regs_struct regs;
    errno = 0;
    long text = ptrace(PTRACE_PEEKTEXT, pid, function, NULL);
    assert_int_equal(errno, 0);
    long changed = (text & ~0xffL) | BREAKPOINT;
    assert_int_equal(ptrace(PTRACE_POKETEXT, pid, function, changed), 0);
    if (!run_on(w, victim, pid))
        return false;
    assert_int_equal(ptrace(PTRACE_POKETEXT, pid, function, text), 0);
    assert_int_equal(ptrace(PTRACE_GETREGS, pid, NULL, &regs), 0);
    assert_true(regs.rip == (uintptr_t)function + 1);
    regs.rip--;
    assert_int_equal(ptrace(PTRACE_SETREGS, pid, NULL, &regs), 0);
    return true;
}

// Does the next instruction change a file?
static bool changes_file(pid_t pid)
{
    enum { SYSCALL_INSTRUCTION = 0x050f };
    struct user_regs_struct regs;
    if (ptrace(PTRACE_GETREGS, pid, NULL, &regs))
        return false;
    long text = ptrace(PTRACE_PEEKTEXT, pid, (void *)(uintptr_t)regs.rip, NULL);
    if ((text & 0xffff) != SYSCALL_INSTRUCTION)
        return false;
    switch (regs.rax) {
    case SYS_openat:
        return (regs.rdx & O_CREAT) != 0;
    case SYS_write:
    case SYS_pwrite64:
    case SYS_ftruncate:
    case SYS_rename:
    case SYS_unlink:
    case SYS_mkdir:
    case SYS_fallocate:
        return true;
    default:
        return false;
    }
}

// One instruction. false: the process is gone; it must have ended well.
static bool step(const struct world *w, int victim, pid_t pid)
{
    int status;
    assert_int_equal(ptrace(PTRACE_SINGLESTEP, pid, NULL, NULL), 0);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    if (!WIFSTOPPED(status)) {
        world_must_end_well(w, &w->live, victim, status);
        return false;
    }
    assert_int_equal(WSTOPSIG(status), SIGTRAP);
    return true;
}

// --- judging ---

struct walk {
    uint64_t k, judged, kills;
    uint8_t *last; // all segments as they were judged last; all points only
};

static void judge_copy(struct world *w, uint64_t k, bool goes_back)
{
    char what[64];
    snprintf(what, sizeof what, "broken off after instruction %llu%s", (unsigned long long)k,
             goes_back ? ", back to a checkpoint" : "");
    if (goes_back)
        world_go_back(w, &w->copy);
    world_finish(w, &w->copy);
    world_check(w, &w->copy, what);
    jobdir_close(&w->copy.dir);
}

static void judge(struct world *w, const struct scene *s, pid_t pid, struct walk *walk)
{
    world_fork(w);
    world_bury(w, &w->copy, s->victim, pid);
    judge_copy(w, walk->k, w->job->checkpoints && walk->judged % 2);
    walk->judged++;
}

// All of the segments, compared with what they were.
static bool differs(struct walk *walk, const struct watch *watch)
{
    bool is_other = false;
    uint8_t *last = walk->last;
    for (int i = 0; i < watch->map_count; i++) {
        if (memcmp(last, watch->maps[i], watch->bytes[i]) != 0) {
            memcpy(last, watch->maps[i], watch->bytes[i]);
            is_other = true;
        }
        last += watch->bytes[i];
    }
    return is_other;
}

// --- a scene ---

// What the others have done before the victim begins: those above it have read all their input.
static void run_above(const struct world *w, int victim)
{
    int subtask;
    const struct stage *stage = plan_stage_of(w->plan, victim, &subtask);
    for (int task = 0; task < stage->first_task; task++) {
        int status = 0;
        pid_t pid = world_spawn(&(struct world_process){&w->live, task, -1, NULL});
        while (w->job->checkpoints && !control_has_ended(control, task))
            world_pause();
        if (w->job->checkpoints)
            kill(pid, SIGKILL);
        assert_int_equal(waitpid(pid, &status, 0), pid);
        if (!w->job->checkpoints)
            world_must_end_well(w, &w->live, task, status);
    }
}

// A barrier for the victim to pass: asked for before it begins, so a source passes it first of all.
static void ask_barrier(const struct world *w)
{
    char path[2 * WORLD_PATH_BYTES];
    struct store store;
    if (!w->job->checkpoints)
        return;
    snprintf(path, sizeof path, "%s/chk", w->live.folder);
    WORLD_OK(w, store_open(env_system(), path, "step", &store, &err));
    WORLD_OK(w, store_begin(&store, 1, &err));
    control_want_checkpoint(control, 1, true);
}

static void set_up(struct world *w, const struct scene *s)
{
    world_begin(w);
    WORLD_OK(w, control_attach_supervisor(w->live.dir.fd, w->plan->fingerprint, &control, &err));
    ask_barrier(w);
    run_above(w, s->victim);
}

static void tear_down(struct world *w)
{
    control_detach(control);
    world_end(w);
}

// --- all points ---

static void walk_task(struct world *w, const struct scene *s)
{
    struct watch watch;
    struct walk walk = {.k = 0};
    uint64_t bytes = 0;
    set_up(w, s);
    watch_open(&watch, w, s->victim);
    for (int i = 0; i < watch.map_count; i++)
        bytes += watch.bytes[i];
    walk.last = calloc(1, bytes);
    pid_t pid = start_traced(w, s->victim, -1);
    assert_true(run_to(w, s->victim, pid, task_wait_turn));
    for (bool writes = changes_file(pid); step(w, s->victim, pid); writes = changes_file(pid)) {
        walk.k++;
        bool moved = watch_moved(&watch) || writes;
        if (differs(&walk, &watch) || moved)
            judge(w, s, pid, &walk);
        if (has_come_to_rest(w, s->victim)) {
            kill_it(pid);
            break;
        }
    }
    printf("%s: %llu instructions, %llu different points judged\n", s->job.name,
           (unsigned long long)walk.k, (unsigned long long)walk.judged);
    free(walk.last);
    watch_close(&watch);
    tear_down(w);
}

// --- a sample ---

// A process that holds the arena's mutex as the task, until it is killed.
static void hold_arena(const struct world *w, int task, int ready_fd)
{
    struct job_arena arena;
    struct control *own;
    struct err err;
    if (job_arena_map(&w->live.dir, w->plan, task, &arena, &err) < 0 ||
        control_attach_task(w->live.dir.fd, w->plan->fingerprint, task, &own, &err) < 0 ||
        owner_acquire(arena_owner(arena.base), -1) < 0)
        _exit(1);
    control_begin(own, 1);
    if (write(ready_fd, "!", 1) != 1)
        _exit(1);
    for (;;)
        pause();
}

static pid_t start_holder(const struct world *w, int task)
{
    int fds[2];
    char byte;
    assert_int_equal(pipe(fds), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0)
        hold_arena(w, task, fds[1]);
    close(fds[1]);
    assert_int_equal(read(fds[0], &byte, 1), 1);
    close(fds[0]);
    return pid;
}

// Where the protocol moves.
static const void *random_place(void)
{
    static const void *const places[] = {
        task_wait_turn,       arena_open,       control_begin,      control_set_ready,
        task_commit,          task_publish_all, arena_commit,       ring_look_for_room,
        ring_look_for_frames, waiter_fence,     head_step,          exchange_reader_take,
        chain_work,           task_watermark,   checkpoint_pass,    exchange_writer_control,
        txfile_open,          task_bad_row,     chain_after_commit, txfile_before_commit,
        chain_prepare_finish};
    return places[test_random(&rng, ARRAY_SIZE(places))];
}

// From where it stands on: some hundred instructions, some of them judged. false: it has ended.
static bool step_on(struct world *w, const struct scene *s, pid_t pid, struct walk *walk)
{
    enum { STEPS = 1500, POINTS = 6 };
    struct watch watch;
    uint64_t steps = 1 + test_random(&rng, STEPS), points = 0;
    bool lives = true;
    watch_open(&watch, w, s->victim);
    for (uint64_t i = 0; i < steps && lives && !has_come_to_rest(w, s->victim); i++) {
        bool writes = changes_file(pid);
        lives = step(w, s->victim, pid);
        walk->k += lives;
        bool moved = watch_moved(&watch) || writes;
        if (lives && points < POINTS && (moved || test_random(&rng, STEPS / POINTS) == 0)) {
            judge(w, s, pid, walk);
            points++;
        }
    }
    watch_close(&watch);
    return lives;
}

// A cold start, or a spare that waits for who holds the arena to be killed, stands where it may own
// the arena.
static pid_t start_victim(const struct world *w, const struct scene *s, bool is_spare)
{
    pid_t holder = is_spare ? start_holder(w, s->victim) : 0;
    for (int i = 0; i < w->plan->task_count; i++) // every death is answered at once
        control_set_pass(control, i, CONTROL_PASS_FREE);
    pid_t pid = start_traced(w, s->victim, is_spare ? 0 : -1);
    assert_true(run_to(w, s->victim, pid, task_wait_turn));
    if (holder) {
        kill(holder, SIGKILL);
        assert_int_equal(waitpid(holder, NULL, 0), holder);
    }
    return pid;
}

static void visit(struct world *w, const struct scene *s, struct walk *walk)
{
    enum { TIMES = 4 };
    const void *place = random_place();
    bool lives = true;
    set_up(w, s);
    pid_t pid = start_victim(w, s, test_random(&rng, 3) == 0);
    for (uint64_t times = test_random(&rng, TIMES); lives && times > 0; times--)
        lives = place == (const void *)task_wait_turn ||
                (step(w, s->victim, pid) && run_to(w, s->victim, pid, place));
    lives = lives && step_on(w, s, pid, walk);
    if (lives)
        kill_it(pid);
    walk->kills += lives;
    world_fork(w);
    tear_down(w);
    judge_copy(w, walk->k, lives && w->job->checkpoints && walk->kills % 2);
}

static void undisturbed(struct world *w)
{
    world_begin(w);
    world_finish(w, &w->live);
    world_result(w, &w->live, &w->want);
    world_end(w);
    assert_true(w->want.len > 100);
}

static void run_scene(const struct scene *s)
{
    struct world w;
    struct walk walk = {.k = 0};
    if (wanted_scene && strncmp(wanted_scene, s->job.name, strlen(wanted_scene)) != 0)
        return;
    world_init(&w, &s->job);
    undisturbed(&w);
    if (all)
        walk_task(&w, s);
    const int visits = wanted_visits ? wanted_visits : s->visits;
    for (int i = 0; i < visits; i++)
        visit(&w, s, &walk);
    int subtask;
    printf("%s (%s): %d visits, %llu instructions, %llu points judged, %llu kills in earnest\n",
           s->job.name, plan_stage_of(w.plan, s->victim, &subtask)->name, visits,
           (unsigned long long)walk.k, (unsigned long long)walk.judged,
           (unsigned long long)walk.kills);
    world_fini(&w);
}

// --- the scenes ---

#define PERSON(connector)                                                                          \
    "CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3), WATERMARK FOR "     \
    "eventTime AS eventTime - INTERVAL '4' SECOND) WITH (" connector ");\n"
#define ROWS "'connector' = 'filesystem', 'path' = 'rows.json', 'format' = 'json'"
#define OUT                                                                                        \
    " WITH ('connector' = 'filesystem', 'path' = 'out', 'format' = 'csv', "                        \
    "'sink.rolling-policy.file-size' = '100b');\n"
#define POINTS "CREATE TABLE points (e TIMESTAMP(3), dimension STRING, uv BIGINT)" OUT
#define CUMULATE                                                                                   \
    "INSERT INTO points SELECT window_end, dimension, COUNT(DISTINCT id) FROM TABLE(CUMULATE("     \
    "TABLE person, DESCRIPTOR(eventTime), INTERVAL '10' SECOND, INTERVAL '30' SECOND)) GROUP BY "  \
    "window_start, window_end, dimension;\n"
#define ROW(id, dimension, time)                                                                   \
    "{\"id\":\"" id "\",\"dimension\":\"" dimension "\",\"eventTime\":\"2024-01-01 00:" time "\"}" \
    "\n"

// Out of order, but never late: what is late depends on when watermarks are sent.
static const char rows[] = ROW("a", "home", "00:03")
    ROW("b", "shop", "00:01") "{\"id\":\"broken\n" ROW("a", "shop", "00:08")
        ROW("c", "home", "00:12") ROW("a", "home", "00:11") ROW("b", "home", "00:14")
            ROW("d", "home", "00:29") ROW("b", "home", "00:33")
                ROW("e", "shop", "00:52") "not json\n" ROW("e", "shop", "00:50");

// A source that is read, a window and its points, a sink whose parts roll, dead letters.
static const struct scene one_task = {
    {.name = "one task", .sql = PERSON(ROWS) POINTS CUMULATE, .rows = rows, .cores = 1},
    .visits = 24};

// Computed columns, NOT NULL columns, windows that only mark rows; generated rows, lines on stdout;
// a group window.
static const struct scene marked = {
    {.name = "marked rows",
     .sql = PERSON(ROWS) "CREATE TABLE marked (id STRING NOT NULL, dimension STRING, s "
                         "TIMESTAMP(3), n BIGINT)" OUT
                         "INSERT INTO marked SELECT UPPER(id), dimension || '!', window_start, "
                         "CHAR_LENGTH(id) FROM TABLE(HOP(TABLE person, DESCRIPTOR(eventTime), "
                         "INTERVAL '10' SECOND, INTERVAL '20' SECOND)) WHERE dimension <> 'x';\n",
     .rows = rows,
     .cores = 1},
    .visits = 24};
static const struct scene printed = {
    {.name = "printed rows",
     .sql = "CREATE TABLE t (n BIGINT, k STRING) WITH ('connector' = 'datagen', "
            "'rows-per-second' = '0', 'number-of-rows' = '12', 'fields.n.kind' = 'sequence', "
            "'fields.n.start' = '1', 'fields.n.end' = '12', 'fields.k.length' = '6');\n"
            "CREATE TABLE o (n BIGINT, k STRING) WITH ('connector' = 'print');\n"
            "INSERT INTO o SELECT n * 2, k FROM t WHERE n <> 7;\n",
     .cores = 1,
     .prints = true},
    .visits = 24};
static const struct scene grouped = {
    {.name = "group window",
     .sql = PERSON(ROWS) "CREATE TABLE g (s TIMESTAMP(3), dimension STRING, n BIGINT, m STRING, a "
                         "DOUBLE)" OUT
                         "INSERT INTO g SELECT TUMBLE_START(eventTime, INTERVAL '10' SECOND), "
                         "dimension, COUNT(*), MAX(id), AVG(CHAR_LENGTH(id) * 1.5) FROM person "
                         "GROUP BY TUMBLE(eventTime, INTERVAL '10' SECOND), dimension;\n",
     .rows = rows,
     .cores = 1},
    .visits = 24};

// An exchange: the source's end, the windows' (partial and final), the sink's.
#define TWO "SET 'parallelism.default' = '2';\n"
#define SEVERAL(task)                                                                              \
    {                                                                                              \
        {.name = "several tasks, task " #task,                                                     \
         .sql = TWO PERSON(ROWS) POINTS CUMULATE,                                                  \
         .rows = rows,                                                                             \
         .cores = 2},                                                                              \
            .victim = task, .visits = 16                                                           \
    }
static const struct scene several[] = {SEVERAL(0), SEVERAL(2), SEVERAL(4)};

// A barrier: the source's, that of a reader with its sink; parts wait for their checkpoint.
#define BARRIER(task)                                                                              \
    {                                                                                              \
        {.name = "barrier, task " #task,                                                           \
         .sql = TWO PERSON(ROWS) POINTS CUMULATE,                                                  \
         .rows = rows,                                                                             \
         .cores = 2,                                                                               \
         .checkpoints = true},                                                                     \
            .victim = task, .visits = 16                                                           \
    }
static const struct scene barriers[] = {BARRIER(0), BARRIER(2), BARRIER(4)};

static void test_step_kill_task_alone(void **state)
{
    (void)state;
    run_scene(&one_task);
    run_scene(&marked);
    run_scene(&printed);
    run_scene(&grouped);
}

static void test_step_kill_task_exchange(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(several); i++)
        run_scene(&several[i]);
}

static void test_step_kill_task_barrier(void **state)
{
    (void)state;
    for (size_t i = 0; i < ARRAY_SIZE(barriers); i++)
        run_scene(&barriers[i]);
}

int main(int argc, char **argv)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_step_kill_task_alone),
        cmocka_unit_test(test_step_kill_task_exchange),
        cmocka_unit_test(test_step_kill_task_barrier),
    };
    all = getenv("STEP_ALL") != NULL;
    wanted_scene = argc > 1 ? argv[1] : NULL;
    wanted_visits = argc > 2 ? (int)strtol(argv[2], NULL, 10) : 0;
    rng = test_seed("test_step_kill_task");
    return cmocka_run_group_tests(tests, NULL, NULL);
}
