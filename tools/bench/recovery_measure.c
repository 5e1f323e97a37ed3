// recovery_measure.c: see recovery_measure.h.
#include <errno.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "tools/bench/recovery_measure.h"

enum { PATIENCE_S = 120, CHANCE_MS = 20, FILL_S = 2 };

#define LOOK_NS  INT64_C(500000)
#define CLOSE_NS INT64_C(100000) // while a task is gone
#define SOON_NS  INT64_C(20000)  // while a kill waits for its moment

// --- looking ---

static void look(struct recovery_measure *b)
{
    struct control_view neighbour;
    struct stat st;
    job_view(&b->job, JOB_SOURCE, &neighbour);
    if (neighbour.progress != b->neighbour_progress)
        silence_sign(&b->seen.neighbour, (int64_t)neighbour.heartbeat_ns);
    b->neighbour_progress = neighbour.progress;
    if (fstat(b->output_fd, &st) == 0 && st.st_size > b->output_bytes) {
        b->output_bytes = st.st_size;
        silence_sign(&b->seen.reader, recover_now_ns());
    }
}

static void look_for(struct recovery_measure *b, int64_t ns)
{
    for (int64_t until = recover_now_ns() + ns; recover_now_ns() < until; recover_nap(LOOK_NS))
        look(b);
}

static void end_lap(struct recovery_measure *b)
{
    silence_lap(&b->seen.neighbour);
    silence_lap(&b->seen.reader);
}

static void begin_stretch(struct recovery_measure *b)
{
    look(b);
    silence_restart(&b->seen.neighbour);
    silence_restart(&b->seen.reader);
}

// The same job, left alone; its laps are as long as those between kills often are.
static void stay_calm(struct recovery_measure *b)
{
    begin_stretch(b);
    for (long lap = 0; lap < 10 * b->settings.calm_s; lap++) {
        look_for(b, 100 * MS_NS);
        end_lap(b);
    }
    b->calm = b->seen;
    b->seen.neighbour.laps = b->seen.reader.laps = (struct samples){0};
    begin_stretch(b);
}

// --- one task is killed ---

static bool is_at_work(const struct recovery_measure *b, struct control_view *task)
{
    job_view(&b->job, JOB_VICTIM, task);
    return task->first_ns && process_alive(task->process) &&
           (b->settings.job.spares == 0 || job_spare(&b->job, JOB_VICTIM));
}

// Until a replacement could be replaced; a little longer, by chance; until it has rows in hand.
static void wait_ready(struct recovery_measure *b, struct control_view *task)
{
    int64_t until = recover_now_ns() + PATIENCE_S * 1000 * MS_NS;
    while (!is_at_work(b, task)) {
        if (recover_now_ns() > until)
            recover_fail("the task does not come back");
        look(b);
        recover_nap(2 * LOOK_NS);
    }
    look_for(b, (2 + rand_r(&b->seed) % CHANCE_MS) * MS_NS);
    for (int64_t soon = recover_now_ns() + 5 * MS_NS; recover_now_ns() < soon;
         recover_nap(SOON_NS)) {
        job_view(&b->job, JOB_VICTIM, task);
        if (task->state == CONTROL_RUNNING)
            return;
    }
}

static void kill_once(struct recovery_measure *b)
{
    struct control_view task;
    wait_ready(b, &task);
    pid_t old = task.process.pid, spare = job_spare(&b->job, JOB_VICTIM);
    int64_t waited = spare ? recover_waited_ns(spare) : 0, began = recover_now_ns();
    kill(old, SIGKILL);
    do {
        recover_nap(CLOSE_NS);
        look(b);
        job_view(&b->job, JOB_VICTIM, &task);
        if (recover_now_ns() - began > PATIENCE_S * 1000 * MS_NS)
            recover_fail("nobody took over");
    } while (task.process.pid == old || !task.first_ns);
    int64_t since = recover_waited_ns(task.process.pid), taken = (int64_t)task.taken_ns,
            ready = (int64_t)task.ready_ns, first = (int64_t)task.first_ns;
    samples_add(&b->gap, (double)(first - began) / MS_NS);
    samples_add(&b->taken, (double)(taken - began) / MS_NS);
    samples_add(&b->attach, (double)(ready - taken) / MS_NS);
    samples_add(&b->first, (double)(first - ready) / MS_NS);
    if (waited >= 0 && since >= waited && (!spare || spare == task.process.pid))
        samples_add(&b->waited, (double)(since - waited) / MS_NS);
}

static void kill_when_ready(struct recovery_measure *b)
{
    for (long i = 0; i < b->settings.kills; i++) {
        kill_once(b);
        if (i) // what lies before the first kill is no kill's
            end_lap(b);
        else
            begin_stretch(b);
    }
}

// Rows a second in the second that begins now.
static double rate_of_second(struct recovery_measure *b)
{
    uint64_t before = job_rows(&b->job);
    int64_t began = recover_now_ns();
    look_for(b, 1000 * MS_NS);
    return (double)(job_rows(&b->job) - before) * 1e9 / (double)(recover_now_ns() - began);
}

static void compare_seconds(struct recovery_measure *b)
{
    double before = 0, after = 0;
    struct control_view task;
    for (long i = 0; i < b->settings.after; i++) {
        look_for(b, 1000 * MS_NS);
        wait_ready(b, &task);
        before += rate_of_second(b);
        kill(task.process.pid, SIGKILL);
        after += rate_of_second(b);
    }
    b->after_to_before = before > 0 ? after / before : 0;
}

// --- the rest ---

static void wait_supervised(struct recovery_measure *b)
{
    int64_t until = recover_now_ns() + PATIENCE_S * 1000 * MS_NS;
    while (control_supervisor(b->job.control).pid != b->job.weir) {
        if (recover_now_ns() > until)
            recover_fail("no supervisor took over");
        look(b);
        recover_nap(LOOK_NS);
    }
}

static void end_supervisor(struct recovery_measure *b)
{
    kill(b->job.weir, SIGKILL);
    waitpid(b->job.weir, NULL, 0);
}

static void kill_supervisors(struct recovery_measure *b)
{
    struct control_view before[JOB_TASKS], after;
    for (int t = 0; t < JOB_TASKS; t++)
        job_view(&b->job, t, &before[t]);
    begin_stretch(b);
    for (long i = 0; i < b->settings.supervisor; i++) {
        int64_t began = recover_now_ns();
        end_supervisor(b);
        job_run(&b->job);
        wait_supervised(b);
        samples_add(&b->without, (double)(recover_now_ns() - began) / MS_NS);
        look_for(b, 300 * MS_NS);
        end_lap(b);
    }
    for (int t = 0; t < JOB_TASKS; t++) {
        job_view(&b->job, t, &after);
        if (after.process.pid != before[t].process.pid)
            recover_fail("a task did not outlive its supervisor");
    }
    printf("supervisor killed %ld times, without one for ms p50 %.1f, max %.1f; no task was "
           "replaced\n",
           b->settings.supervisor, samples_at(&b->without, 0.5), samples_at(&b->without, 1));
}

static void kill_all(const struct recovery_measure *b)
{
    struct control_spare spare;
    struct control_view task;
    kill(b->job.weir, SIGKILL);
    for (int t = 0; t < JOB_TASKS; t++) {
        for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
            control_view_spare(b->job.control, t, k, &spare);
            if (spare.state != CONTROL_SPARE_NONE && process_alive(spare.process))
                kill(spare.process.pid, SIGKILL);
        }
        job_view(&b->job, t, &task);
        if (process_alive(task.process))
            kill(task.process.pid, SIGKILL);
    }
    waitpid(b->job.weir, NULL, 0);
}

// When the last of the tasks has committed rows again.
static int64_t wait_all(const struct recovery_measure *b, int64_t since_ns)
{
    int64_t last = 0, until = recover_now_ns() + PATIENCE_S * 1000 * MS_NS;
    for (int t = 0; t < JOB_TASKS;) {
        struct control_view task;
        job_view(&b->job, t, &task);
        if ((int64_t)task.first_ns > since_ns) {
            last = (int64_t)task.first_ns > last ? (int64_t)task.first_ns : last;
            t++;
            continue;
        }
        if (recover_now_ns() > until || waitpid(b->job.weir, NULL, WNOHANG) != 0)
            recover_fail("the job does not go on after everything was killed");
        recover_nap(2 * LOOK_NS);
    }
    return last;
}

static void kill_everything(struct recovery_measure *b)
{
    for (long i = 0; i < b->settings.everything; i++) {
        int64_t killed = recover_now_ns();
        kill_all(b);
        int64_t began = recover_now_ns();
        job_run(&b->job);
        int64_t last = wait_all(b, began);
        samples_add(&b->from_start, (double)(last - began) / MS_NS);
        samples_add(&b->from_kill, (double)(last - killed) / MS_NS);
        recover_nap(1500 * MS_NS);
    }
    printf("everything killed %ld times: until every task had committed rows, ms from the start of "
           "weir run p50 %.1f, max %.1f; from the kill p50 %.1f, max %.1f\n",
           b->settings.everything, samples_at(&b->from_start, 0.5), samples_at(&b->from_start, 1),
           samples_at(&b->from_kill, 0.5), samples_at(&b->from_kill, 1));
}

static void kill_by_time(struct recovery_measure *b)
{
    int64_t began = recover_now_ns(), next, calm_ns = b->settings.calm_s * 1000 * MS_NS;
    uint64_t before = job_rows(&b->job);
    look_for(b, calm_ns);
    double calm = (double)(job_rows(&b->job) - before) * 1e9 / (double)(recover_now_ns() - began);
    long done = 0;
    began = next = recover_now_ns();
    before = job_rows(&b->job);
    while (done < b->settings.kills) {
        struct control_view task;
        next += b->settings.every_ms * MS_NS;
        int64_t left = next - recover_now_ns();
        recover_nap(left > 0 ? left : 1);
        job_view(&b->job, JOB_VICTIM, &task);
        if (task.state > CONTROL_STARTING && kill(task.process.pid, SIGKILL) == 0)
            done++;
    }
    double seconds = (double)(recover_now_ns() - began) / 1e9;
    double rate = (double)(job_rows(&b->job) - before) / seconds;
    printf("%.0f kills a second: %.2f M rows/s, undisturbed %.2f: %.2f\n", (double)done / seconds,
           rate / 1e6, calm / 1e6, rate / calm);
}

// --- the account ---

static void print_times(const char *title, struct samples *s)
{
    printf("  %-26s p50 %8.3f, p90 %8.3f, p99 %8.3f, max %8.3f\n", title, samples_at(s, 0.5),
           samples_at(s, 0.9), samples_at(s, 0.99), samples_at(s, 1));
}

static void print_silence(const char *title, struct silence *killed, struct silence *calm)
{
    printf("  %-26s p50 %8.3f, max %8.3f; undisturbed p50 %8.3f, max %8.3f\n", title,
           samples_at(&killed->laps, 0.5), samples_at(&killed->laps, 1),
           samples_at(&calm->laps, 0.5), samples_at(&calm->laps, 1));
}

static void print_gaps(struct recovery_measure *b)
{
    printf("%ld kills of the task, ms\n", b->gap.count);
    print_times("gap: kill to first rows", &b->gap);
    print_times(" kill to memory owned", &b->taken);
    print_times(" owned to attached", &b->attach);
    print_times(" attached to first rows", &b->first);
    if (b->waited.count)
        print_times(" in it, waiting for a core", &b->waited);
    else
        printf("  how long it waited for a core is not known here\n");
}

static void append_row(struct recovery_measure *b, double state_mib,
                       const struct job_account *account)
{
    FILE *file = b->settings.row_file ? fopen(b->settings.row_file, "a") : NULL;
    char after[16] = "-"; // not measured
    if (!file)
        return;
    if (b->settings.after)
        snprintf(after, sizeof after, "%.2f", b->after_to_before);
    fprintf(file,
            "| %.0f MiB | %s | %ld | %.2f | %.2f | %.2f | %.2f, %.2f, %.2f | %.2f | %.1f / %.1f | "
            "%.1f / %.1f | %s | %" PRId64 ", %" PRId64 " |\n",
            state_mib, b->settings.job.spares ? "spare" : "cold", b->gap.count,
            samples_at(&b->gap, 0.5), samples_at(&b->gap, 0.99), samples_at(&b->gap, 1),
            samples_at(&b->taken, 0.5), samples_at(&b->attach, 0.5), samples_at(&b->first, 0.5),
            samples_at(&b->waited, 0.99), samples_at(&b->seen.neighbour.laps, 1),
            samples_at(&b->calm.neighbour.laps, 1), samples_at(&b->seen.reader.laps, 1),
            samples_at(&b->calm.reader.laps, 1), after, account->rows_lost, account->rows_twice);
    fclose(file);
}

static void finish(struct recovery_measure *b, double state_mib)
{
    struct job_account account;
    job_stop(&b->job, &account);
    b->account = account;
    printf("rows lost %" PRId64 ", twice %" PRId64 "; points lost %" PRId64 ", twice %" PRId64
           ", of %" PRIu64 "\n",
           account.rows_lost, account.rows_twice, account.points_lost, account.points_twice,
           account.points);
    if (b->gap.count)
        append_row(b, state_mib, &account);
    if (account.rows_lost || account.rows_twice || account.points_lost || account.points_twice)
        recover_fail("the answer is WRONG");
}

static void run_phases(struct recovery_measure *b)
{
    const struct recovery_settings *s = &b->settings;
    if (s->every_ms) {
        kill_by_time(b);
        return;
    }
    stay_calm(b);
    if (s->supervisor)
        kill_supervisors(b);
    else if (s->everything)
        kill_everything(b);
    else
        kill_when_ready(b);
    if (!s->everything) {
        if (!s->supervisor)
            print_gaps(b);
        printf("longest time without, ms, between two kills\n");
        print_silence("a batch of the neighbour", &b->seen.neighbour, &b->calm.neighbour);
        print_silence("new output for its reader", &b->seen.reader, &b->calm.reader);
    }
    struct recovery_seen seen = b->seen; // of the kills, not of what follows
    if (s->after && !s->supervisor && !s->everything) {
        b->seen.neighbour.laps = b->seen.reader.laps = (struct samples){0};
        compare_seconds(b);
        printf("rows in the second after a kill / in the second before: %.3f (%ld kills)\n",
               b->after_to_before, s->after);
    }
    b->seen = seen;
}

// --- the job ---

static void skip(void)
{
    printf("skipped: weir refuses the job here, see above\n");
    exit(0);
}

// Rows a second as fast as it goes, with the state at its size.
static double measure_full(const struct recovery_settings *s)
{
    struct job job;
    struct job_account account;
    struct job_settings fast = s->job;
    fast.rate = 0;
    if (!job_start(&job, &fast))
        skip();
    job_fill(&job);
    uint64_t before = job_rows(&job);
    int64_t began = recover_now_ns();
    recover_nap(FILL_S * 1000 * MS_NS);
    double rate = (double)(job_rows(&job) - before) * 1e9 / (double)(recover_now_ns() - began);
    job_stop(&job, &account);
    return rate;
}

static void run(struct recovery_measure *b)
{
    struct recovery_settings *s = &b->settings;
    struct control_view task;
    if (s->every_ms) {
        s->job.rate = 0;
    } else if (s->job.rate == 0) {
        b->full_rate = measure_full(s);
        s->job.rate = (long)(b->full_rate / 2);
    }
    if (!job_start(&b->job, &s->job))
        skip();
    job_fill(&b->job);
    b->output_fd = job_output(&b->job);
    job_view(&b->job, JOB_VICTIM, &task);
    b->state_mib = (double)task.counters[CONTROL_STATE_BYTES] / (1 << 20);
    printf("state %.0f MiB, %s, ", b->state_mib, s->job.spares ? "with a spare" : "cold");
    if (b->full_rate > 0)
        printf("%ld rows/s, half of %.0f; seed %u\n", s->job.rate, b->full_rate, b->seed);
    else if (s->job.rate)
        printf("%ld rows/s; seed %u\n", s->job.rate, b->seed);
    else
        printf("at full speed\n");
    run_phases(b);
    finish(b, b->state_mib);
}

static void parse(struct recovery_settings *s, int argc, char **argv)
{
    struct {
        const char *name;
        long *value;
    } options[] = {{"--state", &s->job.state_mib},  {"--kills", &s->kills},
                   {"--spares", &s->job.spares},    {"--rate", &s->job.rate},
                   {"--after", &s->after},          {"--calm", &s->calm_s},
                   {"--every", &s->every_ms},       {"--supervisor", &s->supervisor},
                   {"--everything", &s->everything}};
    const size_t count = sizeof options / sizeof options[0];
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        if (i + 1 < argc && strcmp(argv[i], "--memory-dir") == 0) {
            s->job.memory_dir = argv[i + 1];
            continue;
        }
        if (i + 1 < argc && strcmp(argv[i], "--row") == 0) {
            s->row_file = argv[i + 1];
            continue;
        }
        while (k < count && strcmp(argv[i], options[k].name) != 0)
            k++;
        if (k == count || i + 1 == argc)
            recover_fail("its options are in tools/bench/recovery_measure.h");
        *options[k].value = strtol(argv[i + 1], NULL, 10);
    }
}

void recovery_measure(struct recovery_measure *b)
{
    prctl(PR_SET_TIMERSLACK, 1);
    b->seed = (unsigned)getpid();
    run(b);
}

int recovery_main(int argc, char **argv)
{
    struct recovery_measure b = {
        .settings = {
            .job = {.state_mib = 16, .spares = 1}, .kills = 1000, .after = 10, .calm_s = 10}};
    parse(&b.settings, argc, argv);
    setvbuf(stdout, NULL, _IOLBF, 0);
    recovery_measure(&b);
    return 0;
}
