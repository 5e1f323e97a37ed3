// recover_job.c: see recover_job.h.
#include "tools/bench/recover_job.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "tools/bench/recover_samples.h"

enum {
    ID_BYTES = 52, // of state for an id: its text, its slot in the dictionary, its bit
    PATIENCE_S = 900,
    CLEAN_S = 30, // a supervisor that we leave behind ends within that
    EXIT_UNAVAILABLE = 69,
    ROWS_PER_POINT_MAX = 1000, // each row has a millisecond of event time of its own, at least
    ROWS_PER_POINT_MIN = 125,
};

// 2019-12-20, where a CUMULATE window of 3650 days begins.
#define FIRST_DAY "2019-12-20"
#define FIRST_S   INT64_C(1576800000)

// --- making it ---

static FILE *create(const struct job *job, const char *name)
{
    char path[128];
    snprintf(path, sizeof path, "%s/%s", job->folder, name);
    FILE *file = fopen(path, "w");
    if (!file)
        recover_fail("cannot write into the folder for temporary files");
    return file;
}

// A point for as many rows as come in a millisecond; event time in steps that doubles hold exactly.
static uint64_t rows_per_point(long rate)
{
    uint64_t rows = ROWS_PER_POINT_MAX;
    while (rate && rows > ROWS_PER_POINT_MIN && rows > (uint64_t)rate / 1000)
        rows /= 2;
    return rows;
}

static const char *memory_dir(const struct job *job)
{
    return job->settings.memory_dir ? job->settings.memory_dir : "/dev/shm";
}

static void write_job(const struct job *job)
{
    const struct job_settings *s = &job->settings;
    FILE *yaml = create(job, "job.yaml"), *sql = create(job, "job.sql");
    fprintf(yaml,
            "job: %s\nsql: job.sql\nmemory: {dir: %s, state: %ldMiB, reserve: 5%%}\n"
            "placement: {cores: 2}\ncheckpoint: {interval: none}\nrecovery: {spares: %ld}\n",
            job->name, memory_dir(job), s->state_mib + s->state_mib / 4 + 64, s->spares);
    fprintf(sql,
            "SET 'pipeline.auto-watermark-interval' = '0';\n"
            "CREATE TABLE src (n BIGINT, at TIMESTAMP(3),\n"
            "  id AS CONCAT('device-000000000000000-', CAST(MOD(n, %" PRIu64 ") AS STRING)),\n"
            "  WATERMARK FOR at AS at\n"
            ") WITH ('connector' = 'datagen', 'rows-per-second' = '%ld',\n"
            "  'fields.n.kind' = 'sequence', 'fields.n.start' = '0', 'fields.n.end' = "
            "'4000000000',\n"
            "  'fields.at.start' = '" FIRST_DAY "', 'fields.at.rows-per-second' = '%" PRIu64
            "');\n",
            job->ids, s->rate, job->rows_per_point);
    // Two DISTINCT arguments, so that no shards are made: one task has all of the state.
    fprintf(sql,
            "CREATE TABLE points (t TIMESTAMP(3), c BIGINT, s BIGINT, ids BIGINT, sevens BIGINT)\n"
            "WITH ('connector' = 'filesystem', 'path' = '%s/out', 'format' = 'csv',\n"
            "  'sink.rolling-policy.file-size' = '1TB');\n"
            "INSERT INTO points SELECT window_end, COUNT(*), SUM(n), COUNT(DISTINCT id),\n"
            "  COUNT(DISTINCT MOD(n, 7))\n"
            "FROM TABLE(CUMULATE(TABLE src, DESCRIPTOR(at), INTERVAL '1' SECOND,\n"
            "  INTERVAL '3650' DAY(4)))\n"
            "GROUP BY window_start, window_end;\n",
            job->folder);
    fclose(yaml);
    fclose(sql);
}

void job_run(struct job *job)
{
    char path[128];
    const char *weir = getenv("WEIR");
    snprintf(path, sizeof path, "%s/job.yaml", job->folder);
    fflush(NULL);
    job->weir = fork();
    if (job->weir == 0) {
        sigset_t none;
        sigemptyset(&none);
        sigprocmask(SIG_SETMASK, &none, NULL);
        prctl(PR_SET_PDEATHSIG, SIGTERM);
        execl(weir ? weir : "build/release/weir", "weir", "run", "--quiet", path, (char *)NULL);
        _exit(127);
    }
    if (job->weir < 0)
        recover_fail("cannot start a process");
    if (job->settings.trace)
        job->settings.trace->weir = job->weir;
}

static bool attach(struct job *job)
{
    char path[512];
    struct err err;
    int status;
    snprintf(path, sizeof path, "%s/weir-%u/%s", memory_dir(job), (unsigned)getuid(), job->name);
    for (int64_t until = recover_now_ns() + PATIENCE_S * 1000 * MS_NS; recover_now_ns() < until;
         recover_nap(10 * MS_NS)) {
        int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
        status = fd < 0 ? -ENOENT : control_attach_reader(fd, 0, &job->control, &err);
        if (fd >= 0)
            close(fd);
        if (status == 0)
            break;
        if (waitpid(job->weir, &status, WNOHANG) == job->weir) {
            job->is_refused = WIFEXITED(status) && WEXITSTATUS(status) == EXIT_UNAVAILABLE;
            return false;
        }
    }
    return job->control != NULL;
}

static void remove_folder(const struct job *job)
{
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", job->folder);
    if (system(command) != 0)
        recover_fail("cannot remove the job's folder");
    if (job->settings.trace)
        *job->settings.trace = (struct job_trace){.weir = 0};
}

void job_clean(struct job_trace *trace)
{
    char command[128];
    for (int i = 0; trace->weir > 0 && i < CLEAN_S * 100 && kill(trace->weir, 0) == 0; i++)
        recover_nap(10 * MS_NS);
    snprintf(command, sizeof command, "rm -rf %s", trace->folder);
    if (*trace->folder && system(command) != 0)
        fprintf(stderr, "recovery: %s cannot be removed\n", trace->folder);
}

bool job_start(struct job *job, const struct job_settings *settings)
{
    static int number;
    *job = (struct job){.settings = *settings};
    job->ids = (uint64_t)settings->state_mib * (1 << 20) / ID_BYTES;
    job->rows_per_point = rows_per_point(settings->rate);
    snprintf(job->name, sizeof job->name, "recovery-%d-%d", (int)getpid(), number++);
    snprintf(job->folder, sizeof job->folder, "/tmp/weir-recovery-XXXXXX");
    if (!mkdtemp(job->folder))
        recover_fail("cannot make a folder in /tmp");
    if (settings->trace)
        memcpy(settings->trace->folder, job->folder, sizeof job->folder);
    write_job(job);
    job_run(job);
    if (attach(job)) {
        if (control_task_count(job->control) != JOB_TASKS)
            recover_fail("the job has another plan than the benchmark counts on");
        return true;
    }
    if (!job->is_refused)
        recover_fail("the job did not start");
    remove_folder(job);
    return false;
}

void job_fill(const struct job *job)
{
    int64_t until = recover_now_ns() + PATIENCE_S * 1000 * MS_NS;
    while (job_rows(job) < job->ids + job->ids / 16) {
        if (recover_now_ns() > until || waitpid(job->weir, NULL, WNOHANG) != 0)
            recover_fail("the job does not go on");
        recover_nap(20 * MS_NS);
    }
}

// --- looking at it ---

void job_view(const struct job *job, int task, struct control_view *out)
{
    control_view(job->control, task, out);
}

uint64_t job_rows(const struct job *job)
{
    struct control_view view;
    job_view(job, JOB_VICTIM, &view);
    return (uint64_t)view.counters[CONTROL_ROWS_IN];
}

pid_t job_spare(const struct job *job, int task)
{
    struct control_spare spare;
    for (int k = 0; k < CONTROL_SPARES_MAX; k++) {
        control_view_spare(job->control, task, k, &spare);
        if (spare.state == CONTROL_SPARE_READY && process_alive(spare.process))
            return spare.process.pid;
    }
    return 0;
}

int job_output(const struct job *job)
{
    char path[128];
    snprintf(path, sizeof path, "%s/out/.part-%d-0.inprogress", job->folder, JOB_VICTIM);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        recover_fail("the sink's file is not there");
    return fd;
}

// --- its end ---

static int64_t differs(uint64_t is, uint64_t should, int64_t *less)
{
    if (is < should && (int64_t)(should - is) > *less)
        *less = (int64_t)(should - is);
    return is > should ? (int64_t)(is - should) : 0;
}

// One point: its number by its time; are its counts those of all rows before that time?
static uint64_t check_point(const struct job *job, const char *line, struct job_account *out)
{
    struct tm t = {0};
    uint64_t c, s, ids, sevens;
    const char *counts = strchr(line, ','); // behind "2019-12-20 00:00:01"
    if (!counts ||
        sscanf(line, "\"%d-%d-%d %d:%d:%d\"", &t.tm_year, &t.tm_mon, &t.tm_mday, &t.tm_hour,
               &t.tm_min, &t.tm_sec) != 6 ||
        sscanf(counts, ",%" SCNu64 ",%" SCNu64 ",%" SCNu64 ",%" SCNu64, &c, &s, &ids, &sevens) != 4)
        recover_fail("a row of the output cannot be read");
    t.tm_year -= 1900;
    t.tm_mon -= 1;
    uint64_t number = (uint64_t)(timegm(&t) - FIRST_S), rows = number * job->rows_per_point;
    int64_t more = differs(c, rows, &out->rows_lost);
    out->rows_twice = more > out->rows_twice ? more : out->rows_twice;
    if (c == rows && (s != rows * (rows - 1) / 2 || ids != (rows < job->ids ? rows : job->ids) ||
                      sevens != (rows < 7 ? rows : 7)))
        recover_fail("a point has counted each row once, but not the right ones");
    return number;
}

// Every point from the first one to the last that is due, once, in order.
static void check_output(const struct job *job, uint64_t rows, struct job_account *out)
{
    char command[128], line[256];
    uint64_t last = 0;
    *out = (struct job_account){0};
    snprintf(command, sizeof command, "cat %s/out/part-%d-0", job->folder, JOB_VICTIM);
    FILE *file = popen(command, "r");
    while (file && fgets(line, sizeof line, file)) {
        uint64_t number = check_point(job, line, out);
        out->points++;
        if (number <= last)
            out->points_twice++;
        else
            out->points_lost += (int64_t)(number - last - 1);
        last = number > last ? number : last;
    }
    if (file)
        pclose(file);
    uint64_t due = rows ? (rows - 1) / job->rows_per_point : 0;
    if (last + 1 < due) // the newest may be in the batch that the stop came before
        out->points_lost += (int64_t)(due - last - 1);
}

void job_stop(struct job *job, struct job_account *out)
{
    int status;
    kill(job->weir, SIGTERM);
    if (waitpid(job->weir, &status, 0) != job->weir || !WIFEXITED(status) ||
        WEXITSTATUS(status) != 0)
        recover_fail("the job failed");
    check_output(job, job_rows(job), out);
    control_detach(job->control);
    job->control = NULL;
    remove_folder(job);
}
