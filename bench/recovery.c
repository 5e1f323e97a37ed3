// recovery.c: how long is nothing done when a task is killed? Runs a job (two sources with the
// state of a window each, one task behind them) at a fixed rate, kills task 0 over and over, and
// reads the control block from outside, so that nothing in the job knows of it.
//
// gap: from the SIGKILL to the first batch that the replacement has committed and published.
//   --state MIB     state of the killed task (16)
//   --kills N       (1000)
//   --spares N      0: cold (1)
//   --rate ROWS     a second, both sources together; 0: as fast as it goes (1000000)
//   --every MS      kill so often, ready or not, and print the throughput; 0: when a spare is ready
//   (0)
//
// Rows carry 0, 1, 2, ...; the job counts and sums them by key. The sum over all keys says whether
// a row was lost or came twice.
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "shm/control.h"

enum { VICTIM = 0, NEIGHBOUR = 1, TASKS = 3, KEY_BYTES = 70, PATIENCE_S = 120 };

#define MS_NS INT64_C(1000000)

struct bench {
    long state_mib, kills, spares, rate, every_ms;
    uint64_t rows, keys;
    char folder[64], job[64];
    pid_t weir;
    struct control *control;
    double *gaps_ms; // of each kill
    long done;
    int64_t neighbour_ns, silence_ns; // last sign, longest time without one
    uint64_t rows_before, rows_after; // while it is killed
    int64_t killing_ns;
};

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static void fail(const char *why)
{
    fprintf(stderr, "recovery: %s\n", why);
    exit(1);
}

static void nap(int64_t ns)
{
    const struct timespec time = {ns / 1000000000, ns % 1000000000};
    nanosleep(&time, NULL);
}

// --- the job ---

static FILE *create(const struct bench *b, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", b->folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        fail("cannot write into /tmp");
    return file;
}

static void write_job(const struct bench *b)
{
    FILE *yaml = create(b, "job.yaml"), *sql = create(b, "job.sql");
    fprintf(yaml,
            "job: %s\nsql: job.sql\nmemory: {state: %ldMiB, reserve: 5%%}\n"
            "placement: {cores: 2}\ncheckpoint: {interval: none}\nrecovery: {spares: %ld}\n",
            b->job, b->state_mib * 2 + 64, b->spares);
    fprintf(sql,
            "CREATE TABLE src (n BIGINT, k BIGINT, at TIMESTAMP(3), WATERMARK FOR at AS at) WITH ("
            "'connector'='datagen','rows-per-second'='%ld','number-of-rows'='%" PRIu64 "',"
            "'fields.n.kind'='sequence','fields.n.start'='0','fields.n.end'='%" PRIu64 "',"
            "'fields.k.min'='0','fields.k.max'='%" PRIu64 "','fields.at.start'='2024-01-01',"
            "'fields.at.rows-per-second'='100000000');\n"
            "CREATE TABLE result (k BIGINT, c BIGINT, s BIGINT) WITH ('connector'='filesystem',"
            "'path'='%s/out','format'='csv');\n"
            "INSERT INTO result SELECT k, COUNT(*), SUM(n) FROM TABLE(TUMBLE(TABLE src, "
            "DESCRIPTOR(at), INTERVAL '1' DAY)) GROUP BY k, window_start, window_end;\n",
            b->rate, b->rows, b->rows - 1, b->keys - 1, b->folder);
    fclose(yaml);
    fclose(sql);
}

static void start_job(struct bench *b)
{
    char path[128];
    const char *weir = getenv("WEIR");
    struct err err;
    snprintf(path, sizeof path, "%s/job.yaml", b->folder);
    b->weir = fork();
    if (b->weir == 0) {
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execl(weir ? weir : "build/release/weir", "weir", "run", "--quiet", path, (char *)NULL);
        _exit(127);
    }
    snprintf(path, sizeof path, "/dev/shm/weir-%u/%s", (unsigned)getuid(), b->job);
    for (int64_t until = now_ns() + PATIENCE_S * 1000 * MS_NS; now_ns() < until; nap(10 * MS_NS)) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        int status = fd < 0 ? -ENOENT : control_attach_reader(fd, 0, &b->control, &err);
        if (fd >= 0)
            close(fd);
        if (status == 0)
            return;
        if (waitpid(b->weir, NULL, WNOHANG) == b->weir)
            break;
    }
    fail("the job did not start");
}

static void view(const struct bench *b, int task, struct control_view *out)
{
    control_view(b->control, task, out);
}

static uint64_t rows_in(const struct bench *b)
{
    struct control_view first, second;
    view(b, VICTIM, &first);
    view(b, NEIGHBOUR, &second);
    return (uint64_t)(first.counters[CONTROL_ROWS_IN] + second.counters[CONTROL_ROWS_IN]);
}

// --- killing ---

static void watch_neighbour(struct bench *b)
{
    struct control_view neighbour;
    view(b, NEIGHBOUR, &neighbour);
    int64_t sign = (int64_t)neighbour.heartbeat_ns;
    if (b->neighbour_ns && sign - b->neighbour_ns > b->silence_ns)
        b->silence_ns = sign - b->neighbour_ns;
    b->neighbour_ns = sign;
}

static bool spare_is_ready(const struct bench *b)
{
    struct control_spare spare;
    for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
        control_view_spare(b->control, VICTIM, k, &spare);
        if (spare.state == CONTROL_SPARE_READY && process_alive(spare.process))
            return true;
    }
    return false;
}

// Wait until the task runs and, if there is to be one, a spare waits; a little longer, by chance.
static bool wait_ready(struct bench *b, unsigned *seed)
{
    struct control_view task;
    int64_t until = now_ns() + PATIENCE_S * 1000 * MS_NS;
    for (;;) {
        view(b, VICTIM, &task);
        bool runs = task.state == CONTROL_RUNNING || task.state == CONTROL_WAITING_INPUT;
        if (runs && process_alive(task.process) && (b->spares == 0 || spare_is_ready(b)))
            break;
        if (now_ns() > until || task.state >= CONTROL_FINISHED)
            return false;
        watch_neighbour(b);
        nap(MS_NS);
    }
    nap((2 + rand_r(seed) % 20) * MS_NS);
    return true;
}

// Has this process committed rows? Its first commit is of what it found, the second of a batch.
static bool has_output(const struct control_view *task)
{
    return task->state >= CONTROL_FINISHED ||
           (task->ready_ns && task->heartbeat_ns > task->ready_ns &&
            task->counters[CONTROL_COMMITS] >= 2);
}

// One kill; -1: the task has ended meanwhile.
static double kill_once(struct bench *b)
{
    struct control_view task;
    view(b, VICTIM, &task);
    pid_t old = task.process.pid;
    int64_t began = now_ns();
    if (kill(old, SIGKILL) < 0)
        return -1;
    do {
        nap(5000);
        watch_neighbour(b);
        view(b, VICTIM, &task);
        if (now_ns() - began > PATIENCE_S * 1000 * MS_NS)
            fail("nobody took over");
    } while (task.process.pid == old || !has_output(&task));
    return (double)((int64_t)task.heartbeat_ns - began) / MS_NS;
}

static void kill_when_ready(struct bench *b)
{
    unsigned seed = (unsigned)getpid();
    printf("seed %u\n", seed);
    while (b->done < b->kills && wait_ready(b, &seed)) {
        double gap = kill_once(b);
        if (gap < 0)
            break;
        b->gaps_ms[b->done++] = gap;
    }
}

static void kill_by_time(struct bench *b)
{
    int64_t began = now_ns(), next = began;
    b->rows_before = rows_in(b);
    while (b->done < b->kills) {
        struct control_view task;
        next += b->every_ms * MS_NS;
        int64_t left = next - now_ns();
        nap(left > 0 ? left : 1);
        view(b, VICTIM, &task);
        if (task.state >= CONTROL_FINISHED)
            break;
        if (task.state > CONTROL_STARTING && kill(task.process.pid, SIGKILL) == 0)
            b->done++;
        watch_neighbour(b);
    }
    b->killing_ns = now_ns() - began;
    b->rows_after = rows_in(b);
}

// --- the account ---

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

static double at(const struct bench *b, double share)
{
    return b->done ? b->gaps_ms[(long)((double)(b->done - 1) * share)] : 0;
}

// What all keys have counted, from the files.
static void check_output(const struct bench *b)
{
    char command[128], line[128];
    uint64_t count = 0;
    __uint128_t sum = 0, want = (__uint128_t)b->rows * (b->rows - 1) / 2;
    snprintf(command, sizeof command, "cat %s/out/part-*", b->folder);
    FILE *rows = popen(command, "r");
    while (rows && fgets(line, sizeof line, rows)) {
        uint64_t k, c, s;
        if (sscanf(line, "%" SCNu64 ",%" SCNu64 ",%" SCNu64, &k, &c, &s) != 3)
            fail("a row of the output cannot be read");
        count += c;
        sum += s;
    }
    if (rows)
        pclose(rows);
    bool is_right = count == b->rows && sum == want;
    printf("rows lost %" PRId64 ", duplicated %" PRId64 "%s\n",
           count < b->rows ? (int64_t)(b->rows - count) : 0,
           count > b->rows ? (int64_t)(count - b->rows) : 0,
           is_right ? " (and their sum is right)" : "  WRONG");
    if (!is_right)
        exit(1);
}

static void report(struct bench *b, uint64_t state_bytes, double rate)
{
    qsort(b->gaps_ms, (size_t)b->done, sizeof *b->gaps_ms, compare);
    printf("state %.0f MiB, %s, %.0f rows/s undisturbed\n", (double)state_bytes / (1 << 20),
           b->spares ? "with a spare" : "cold", rate);
    if (b->every_ms)
        printf("%ld kills, %.0f a second: %.0f rows/s\n", b->done,
               (double)b->done * 1e9 / (double)b->killing_ns,
               (double)(b->rows_after - b->rows_before) * 1e9 / (double)b->killing_ns);
    else
        printf("%ld kills: gap ms p50 %.3f, p90 %.3f, p99 %.3f, max %.3f\n", b->done, at(b, 0.5),
               at(b, 0.9), at(b, 0.99), at(b, 1));
    if (!b->every_ms)
        printf("longest silence of a neighbour %.1f ms\n", (double)b->silence_ns / MS_NS);
}

static void parse(struct bench *b, int argc, char **argv)
{
    struct {
        const char *name;
        long *value;
    } options[] = {{"--state", &b->state_mib},
                   {"--kills", &b->kills},
                   {"--spares", &b->spares},
                   {"--rate", &b->rate},
                   {"--every", &b->every_ms}};
    for (int i = 1; i < argc; i += 2) {
        size_t k = 0;
        while (k < 5 && strcmp(argv[i], options[k].name) != 0)
            k++;
        if (k == 5 || i + 1 == argc)
            fail("usage: recovery [--state MIB] [--kills N] [--spares N] [--rate ROWS] [--every "
                 "MS]");
        *options[k].value = strtol(argv[i + 1], NULL, 10);
    }
}

// How many rows make the job last until all kills are made.
static void size_job(struct bench *b)
{
    long rate = b->rate ? b->rate : 6000000;
    double per_kill = b->every_ms ? (double)b->every_ms / 1e3
                                  : 0.06 + (double)b->state_mib / 1024 * (b->spares ? 1.2 : 0.4);
    b->keys = (uint64_t)b->state_mib * (1 << 20) / KEY_BYTES;
    double fill = 3.0 * (double)b->keys;
    b->rows = (uint64_t)(fill + (double)rate * (3 + per_kill * (double)b->kills));
}

int main(int argc, char **argv)
{
    struct bench b = {.state_mib = 16, .kills = 1000, .spares = 1, .rate = 1000000};
    struct control_view task;
    parse(&b, argc, argv);
    size_job(&b);
    prctl(PR_SET_TIMERSLACK, 1);
    setvbuf(stdout, NULL, _IOLBF, 0);
    b.gaps_ms = calloc((size_t)b.kills + 1, sizeof *b.gaps_ms);
    snprintf(b.folder, sizeof b.folder, "/tmp/weir-recovery-XXXXXX");
    if (!b.gaps_ms || !mkdtemp(b.folder))
        fail("cannot make a folder in /tmp");
    snprintf(b.job, sizeof b.job, "recovery-%d", (int)getpid());
    write_job(&b);
    start_job(&b);
    while (rows_in(&b) < 3 * b.keys) // most keys have been seen by both
        nap(20 * MS_NS);
    uint64_t before = rows_in(&b);
    nap(1000 * MS_NS);
    double rate = (double)(rows_in(&b) - before);
    if (b.every_ms)
        kill_by_time(&b);
    else
        kill_when_ready(&b);
    view(&b, VICTIM, &task);
    report(&b, (uint64_t)task.counters[CONTROL_STATE_BYTES], rate);
    int status;
    if (waitpid(b.weir, &status, 0) != b.weir || status != 0)
        fail("the job failed");
    check_output(&b);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", b.folder);
    return system(command) != 0;
}
