// uv_compare.c: weir against the hand-fused loop, whole processes, in one run.
//
// usage: uv_compare WEIR UV_FUSED FOLDER ROUNDS JSON_FILE CSV_FILE
// For each format, once on one core and once on all: ROUNDS times the fused loop, then `weir run`
// (A B A B ..), each with a fresh output in FOLDER. Both write every point to a file; the points
// must be equal in number and by a checksum over all of them, else this fails. It never fails on a
// time. The best round of each counts: what disturbs a run on a shared host only makes it slower.
// weir makes a checkpoint each second, or each BENCH_CHECKPOINT (none: never).
#include <errno.h>
#include <dirent.h>
#include <fcntl.h>
#include <inttypes.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/hash.h"

enum { PATH_BYTES = 4096, TEXT_BYTES = 512 };

struct settings {
    const char *weir, *fused, *folder;
    const char *interval; // of weir's checkpoints
    int rounds;
    int one_core;  // what both are pinned to for "one core"
    int all_cores; // how many there are
};

struct points {
    uint64_t rows; // in; of the fused loop only
    uint64_t devices;
    uint64_t count, checksum;
};

// One process and what it waited for.
struct cost {
    int status;
    double seconds, cpu_seconds;
    long peak_kib; // resident, of the largest process; shared memory counted
};

struct side {
    struct cost best;
    struct points points;
    double slowest;
    int status; // of the last round
};

static double now_seconds(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void pin(int core)
{
    cpu_set_t set;
    CPU_ZERO(&set);
    if (core >= 0)
        CPU_SET((size_t)core, &set);
    if (core >= 0 && sched_setaffinity(0, sizeof(set), &set) < 0)
        perror("uv_compare: cannot pin");
}

// The last core that we may use, so that interrupts, which go to the first, disturb less.
static int last_core(int *count)
{
    cpu_set_t set;
    int last = 0;
    CPU_ZERO(&set);
    CHECK(sched_getaffinity(0, sizeof(set), &set) == 0);
    *count = CPU_COUNT(&set);
    for (size_t i = 0; i < CPU_SETSIZE; i++)
        last = CPU_ISSET(i, &set) ? (int)i : last;
    return last;
}

// Run argv with stdout and stderr in the file `log`, on `core` only unless it is -1.
static struct cost run_process(char *const *argv, const char *log, int core)
{
    double start = now_seconds();
    pid_t pid = fork();
    CHECK(pid >= 0);
    if (pid == 0) {
        int fd = open(log, O_WRONLY | O_CREAT | O_TRUNC, 0644);
        if (fd < 0 || dup2(fd, STDOUT_FILENO) < 0 || dup2(fd, STDERR_FILENO) < 0)
            _exit(127);
        pin(core);
        execv(argv[0], argv);
        perror(argv[0]);
        _exit(127);
    }
    struct rusage usage;
    struct cost cost = {0};
    while (wait4(pid, &cost.status, 0, &usage) < 0)
        CHECK(errno == EINTR);
    cost.seconds = now_seconds() - start;
    cost.cpu_seconds = (double)(usage.ru_utime.tv_sec + usage.ru_stime.tv_sec) +
                       (double)(usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
    cost.peak_kib = usage.ru_maxrss;
    return cost;
}

// The last line of a file, without its end.
static void last_line(const char *path, char *text)
{
    char line[TEXT_BYTES];
    text[0] = '\0';
    FILE *in = fopen(path, "re");
    while (in && fgets(line, sizeof(line), in)) {
        line[strcspn(line, "\n")] = '\0';
        if (line[0])
            snprintf(text, TEXT_BYTES, "%s", line);
    }
    if (in)
        fclose(in);
}

// --- answers ---

// "2024-01-01 00:01:00",dim-73,22 or, without quotes, the same.
static bool read_point(const char *line, struct points *points)
{
    struct tm tm = {0};
    unsigned year, month, day, hour, minute, second;
    char name[64];
    uint64_t uv;
    line += *line == '"';
    int used = 0;
    if (sscanf(line, "%4u-%2u-%2u %2u:%2u:%2u%n", &year, &month, &day, &hour, &minute, &second,
               &used) != 6)
        return false;
    line += used;
    line += strcspn(line, ",");
    if (sscanf(line, ",%63[^,\n],%" SCNu64, name, &uv) != 2)
        return false;
    tm.tm_year = (int)year - 1900;
    tm.tm_mon = (int)month - 1;
    tm.tm_mday = (int)day;
    tm.tm_hour = (int)hour;
    tm.tm_min = (int)minute;
    tm.tm_sec = (int)second;
    uint64_t end_ms = (uint64_t)timegm(&tm) * 1000;
    points->count++;
    points->checksum += hash_u64(end_ms ^ hash_slice(slice_of(name))) * uv; // as uv_fused has it
    return true;
}

static bool read_part(const char *path, struct points *points)
{
    char line[TEXT_BYTES];
    FILE *in = fopen(path, "re");
    bool good = in != NULL;
    while (good && fgets(line, sizeof(line), in)) {
        good = read_point(line, points);
        if (!good)
            fprintf(stderr, "uv_compare: %s: not a point: %s\n", path, line);
    }
    if (in)
        fclose(in);
    return good;
}

// Visit the files of weir's output folder: read them, or remove them.
static bool each_part(const char *folder, struct points *points)
{
    char path[PATH_BYTES];
    DIR *dir = opendir(folder);
    bool good = true;
    for (const struct dirent *entry; dir && good && (entry = readdir(dir));) {
        if (entry->d_name[0] == '.')
            continue;
        snprintf(path, sizeof(path), "%s/%s", folder, entry->d_name);
        good = points ? read_part(path, points) : unlink(path) == 0;
    }
    if (dir)
        closedir(dir);
    return good;
}

static bool read_fused(const char *log, struct points *points)
{
    char line[TEXT_BYTES];
    last_line(log, line);
    return sscanf(line,
                  "fused %*s rows %" SCNu64 " devices %" SCNu64 " dimensions %*u points %" SCNu64
                  " late %*u checksum %" SCNx64,
                  &points->rows, &points->devices, &points->count, &points->checksum) == 4;
}

// --- the two sides ---

static void write_file(const char *path, const char *text)
{
    FILE *out = fopen(path, "we");
    CHECK(out && fputs(text, out) >= 0 && fclose(out) == 0);
}

static void write_job(const struct settings *s, const char *format, const char *input, bool one)
{
    char path[PATH_BYTES], text[4 * PATH_BYTES];
    snprintf(text, sizeof(text),
             "%s"
             "CREATE TABLE person (id STRING, dimension STRING, eventTime TIMESTAMP(3),\n"
             "  WATERMARK FOR eventTime AS eventTime - INTERVAL '4' SECOND\n"
             ") WITH ('connector' = 'filesystem', 'path' = '%s', 'format' = '%s');\n"
             "CREATE TABLE points (window_end TIMESTAMP(3), dimension STRING, uv BIGINT\n"
             ") WITH ('connector' = 'filesystem', 'path' = '%s/points', 'format' = 'csv');\n"
             "INSERT INTO points SELECT window_end, dimension, COUNT(DISTINCT id) AS uv\n"
             "FROM TABLE(CUMULATE(TABLE person, DESCRIPTOR(eventTime), INTERVAL '1' MINUTE,\n"
             "  INTERVAL '1' DAY)) GROUP BY window_start, window_end, dimension;\n",
             one ? "SET 'parallelism.default' = '1';\n" : "", input, format, s->folder);
    snprintf(path, sizeof(path), "%s/uv.sql", s->folder);
    write_file(path, text);
    snprintf(path, sizeof(path), "%s/uv.yaml", s->folder);
    snprintf(text, sizeof(text),
             "job: bench-uv-%d\nsql: uv.sql\ncheckpoint: {interval: %s, dir: %s/checkpoints}\n",
             (int)getpid(), s->interval, s->folder);
    write_file(path, text);
}

static void keep_best(struct side *side, const struct cost *cost, int round)
{
    if (round == 0 || cost->seconds < side->best.seconds)
        side->best = *cost;
    side->status = cost->status;
    if (cost->seconds > side->slowest)
        side->slowest = cost->seconds;
}

static bool run_fused(const struct settings *s, const char *format, const char *input, int round,
                      struct side *side)
{
    char log[PATH_BYTES], points[PATH_BYTES];
    snprintf(log, sizeof(log), "%s/fused.log", s->folder);
    snprintf(points, sizeof(points), "%s/fused.points", s->folder);
    char *const argv[] = {(char *)s->fused, (char *)format, (char *)input, points, NULL};
    struct cost cost = run_process(argv, log, s->one_core);
    keep_best(side, &cost, round);
    return cost.status == 0 && read_fused(log, &side->points);
}

static bool run_weir(const struct settings *s, bool one, int round, struct side *side)
{
    char log[PATH_BYTES], config[PATH_BYTES], folder[PATH_BYTES];
    snprintf(log, sizeof(log), "%s/weir.log", s->folder);
    snprintf(config, sizeof(config), "%s/uv.yaml", s->folder);
    snprintf(folder, sizeof(folder), "%s/checkpoints", s->folder);
    char *const remove[] = {"/bin/rm", "-rf", folder, NULL}; // a run goes on from what it finds
    CHECK(run_process(remove, log, -1).status == 0);
    snprintf(folder, sizeof(folder), "%s/points", s->folder);
    CHECK(each_part(folder, NULL));
    char *const argv[] = {(char *)s->weir, "run", config, NULL};
    struct cost cost = run_process(argv, log, one ? s->one_core : -1);
    keep_best(side, &cost, round);
    side->points.count = side->points.checksum = 0;
    return cost.status == 0 && each_part(folder, &side->points);
}

static void print_row(const struct settings *s, const char *format, bool one,
                      const struct side sides[2])
{
    int cores = one ? 1 : s->all_cores;
    double rows = (double)sides[0].points.rows / 1e6;
    double fused = rows / sides[0].best.seconds, weir = rows / sides[1].best.seconds;
    printf("%-6s %5d %8.2f %8.2f %9.2f %7.2f %7.2f %6.0f%% %6.0f%% %8ld %8ld\n", format, cores,
           fused, weir, weir / cores, weir / cores / fused,
           sides[0].best.cpu_seconds / sides[1].best.cpu_seconds,
           (sides[0].slowest / sides[0].best.seconds - 1) * 100,
           (sides[1].slowest / sides[1].best.seconds - 1) * 100, sides[0].best.peak_kib >> 10,
           sides[1].best.peak_kib >> 10);
    fflush(stdout);
}

// weir gave no answer. A plan that it says it cannot run is a refusal, though not on one core,
// where it must run; everything else is a failure.
static bool explain(const char *format, int cores, int status, const char *text)
{
    enum { UNAVAILABLE = 69, CONFIG = 78 };
    int code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
    if ((code == UNAVAILABLE || code == CONFIG) && *text) {
        printf("%-6s %5d refused: %s\n", format, cores, text);
        return cores > 1;
    }
    if (code == 0)
        fprintf(stderr, "uv_compare: %s: the points of weir cannot be read\n", format);
    else if (code > 0)
        fprintf(stderr, "uv_compare: %s: weir failed with status %d: %s\n", format, code, text);
    else
        fprintf(stderr, "uv_compare: %s: weir was ended by signal %d: %s\n", format,
                WTERMSIG(status), text);
    return false;
}

static bool compare(const struct settings *s, const char *format, const char *input, bool one)
{
    struct side sides[2] = {0};
    write_job(s, format, input, one);
    for (int round = 0; round < s->rounds; round++) {
        char text[TEXT_BYTES], log[PATH_BYTES];
        if (!run_fused(s, format, input, round, &sides[0])) {
            fprintf(stderr, "uv_compare: the fused loop failed; see %s/fused.log\n", s->folder);
            return false;
        }
        if (!run_weir(s, one, round, &sides[1])) {
            snprintf(log, sizeof(log), "%s/weir.log", s->folder);
            last_line(log, text);
            return explain(format, one ? 1 : s->all_cores, sides[1].status, text);
        }
        if (sides[0].points.count != sides[1].points.count ||
            sides[0].points.checksum != sides[1].points.checksum) {
            fprintf(stderr,
                    "uv_compare: %s: the answers differ: fused %" PRIu64 " points, checksum "
                    "%016" PRIx64 "; weir %" PRIu64 ", %016" PRIx64 "\n",
                    format, sides[0].points.count, sides[0].points.checksum, sides[1].points.count,
                    sides[1].points.checksum);
            return false;
        }
    }
    print_row(s, format, one, sides);
    return true;
}

int main(int argc, char **argv)
{
    if (argc != 7) {
        fprintf(stderr, "usage: uv_compare WEIR UV_FUSED FOLDER ROUNDS JSON_FILE CSV_FILE\n");
        return 64;
    }
    struct settings s = {.weir = argv[1], .fused = argv[2], .folder = argv[3]};
    s.interval = getenv("BENCH_CHECKPOINT") ? getenv("BENCH_CHECKPOINT") : "1s";
    s.rounds = (int)strtol(argv[4], NULL, 10);
    s.one_core = last_core(&s.all_cores);
    if (s.rounds < 1 || s.rounds > 100)
        return 64;
    printf("%-6s %5s %17s %9s %7s %7s %15s %17s\n", "format", "cores", "M rows/s", "a core",
           "ratio", "of CPU", "spread", "peak MiB");
    printf("%-6s %5s %8s %8s %9s %7s %7s %7s %7s %8s %8s\n", "", "", "fused", "weir", "weir", "",
           "time", "fused", "weir", "fused", "weir");
    bool good = true;
    for (int one = 1; one >= 0 && good; one--)
        for (int csv = 0; csv <= 1 && good; csv++)
            good =
                (!one && s.all_cores == 1) || compare(&s, csv ? "csv" : "json", argv[5 + csv], one);
    if (good)
        puts("every answer was the fused loop's: same points, same checksum");
    return good ? 0 : 1;
}
