// doctor_measure.c: the figures of the host that no file tells: what a look at the clock costs, how
// late a short sleep ends, how long a wake-up takes; and over the time that this takes, what the
// hypervisor has taken away and how often devices interrupt.
#include <errno.h>
#include <limits.h>
#include <linux/futex.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/timex.h>
#include <time.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "shm/atomic.h"
#include "stages/checkpoint/engine.h"
#include "tools/doctor_host.h"

enum { SLEEPS = 400, SLEEP_NS = 50000, WAKES = 400, CORES_MAX = 1024, LOOKS = 1000, ROUNDS = 15 };

static int64_t now_ns(void)
{
    return env_system()->monotonic_ns(env_system());
}

static int compare(const void *left, const void *right)
{
    const double *a = left, *b = right;
    return *a < *b ? -1 : *a > *b;
}

static double median(double *values, size_t count)
{
    qsort(values, count, sizeof *values, compare);
    return values[count / 2];
}

// --- clock, sleep ---

static void measure_clock(struct measured *m)
{
    double each[ROUNDS];
    for (int i = 0; i < ROUNDS; i++) {
        int64_t began = now_ns();
        for (int k = 0; k < LOOKS; k++)
            now_ns();
        each[i] = (double)(now_ns() - began) / (LOOKS + 1);
    }
    m->clock_ns = median(each, ROUNDS);
}

static void measure_sleep(struct measured *m)
{
    double late[SLEEPS];
    const struct timespec pause = {.tv_nsec = SLEEP_NS};
    int slack = prctl(PR_GET_TIMERSLACK);
    prctl(PR_SET_TIMERSLACK, 1); // as tasks do
    for (int i = 0; i < SLEEPS; i++) {
        int64_t began = now_ns();
        nanosleep(&pause, NULL);
        late[i] = (double)(now_ns() - began - SLEEP_NS);
    }
    prctl(PR_SET_TIMERSLACK, slack > 0 ? slack : SLEEP_NS);
    m->oversleep_ns = median(late, SLEEPS);
    m->oversleep_max = late[SLEEPS - 1]; // sorted by now
}

// --- waking ---

struct bed {
    uint32_t turn; // how often it was woken
    double took[WAKES];
    uint64_t woken_ns;
};

static void *sleep_and_wake(void *context)
{
    struct bed *bed = context;
    const struct timespec patience = {.tv_nsec = 50000000};
    for (uint32_t i = 0; i < WAKES; i++) {
        while (atomic_acquire_u32(&bed->turn) == i) // A70: pairs with R70 in measure_wake; woken_ns
            syscall(SYS_futex, &bed->turn, FUTEX_WAIT_PRIVATE, i, &patience, NULL, 0);
        // Relaxed: behind the acquire above.
        bed->took[i] = (double)(now_ns() - (int64_t)atomic_read_u64(&bed->woken_ns));
    }
    return NULL;
}

static void measure_wake(struct measured *m)
{
    const struct timespec pause = {.tv_nsec = 200000}; // until it sleeps, and its core with it
    struct bed *bed = calloc(1, sizeof *bed);
    pthread_t sleeper;
    CHECK(bed);
    if (pthread_create(&sleeper, NULL, sleep_and_wake, bed) == 0) {
        for (uint32_t i = 0; i < WAKES; i++) {
            nanosleep(&pause, NULL);
            atomic_write_u64(&bed->woken_ns, (uint64_t)now_ns()); // relaxed: released below
            // R70: pairs with A70 in sleep_and_wake; publishes woken_ns
            atomic_release_u32(&bed->turn, i + 1);
            syscall(SYS_futex, &bed->turn, FUTEX_WAKE_PRIVATE, 1, NULL, NULL, 0);
        }
        pthread_join(sleeper, NULL);
        m->wake_ns = median(bed->took, WAKES);
        m->wake_max = bed->took[WAKES - 1];
    }
    free(bed);
}

// --- what others take meanwhile ---

struct shares {
    int64_t at_ns;
    double all, stolen;       // ticks of /proc/stat
    int cores;                // columns of /proc/interrupts
    uint64_t irqs[CORES_MAX]; // of devices, a core
};

static void read_steal(const struct host *host, struct shares *s)
{
    char text[512];
    double value = 0;
    doctor_read(host, "/proc/stat", text, sizeof text);
    char *at = strncmp(text, "cpu ", 4) == 0 ? text + 4 : text;
    for (int i = 0; i < 8; i++) { // user .. steal; guests' time is in user's
        value = strtod(at, &at);
        s->all += value;
    }
    s->stolen = value;
}

// " 24:  123  0  PCI-MSI .. nvme0q1": lines that begin with a number are of devices.
static void read_irqs(struct shares *s)
{
    char *line = NULL;
    size_t room = 0;
    FILE *file = fopen("/proc/interrupts", "re");
    if (file && getline(&line, &room, file) > 0)
        for (const char *at = line; (at = strstr(at, "CPU")) && s->cores < CORES_MAX; at += 3)
            s->cores++;
    while (file && getline(&line, &room, file) > 0) {
        char *at;
        strtol(line, &at, 10);
        if (at == line || *at != ':')
            continue;
        at++;
        for (int core = 0; core < s->cores; core++)
            s->irqs[core] += strtoull(at, &at, 10);
    }
    free(line);
    if (file)
        fclose(file);
}

static struct shares *read_shares(const struct host *host)
{
    struct shares *s = calloc(1, sizeof *s);
    CHECK(s);
    s->at_ns = now_ns();
    read_steal(host, s);
    read_irqs(s);
    return s;
}

static void compare_shares(const struct shares *a, const struct shares *b, struct measured *m)
{
    double took_s = (double)(b->at_ns - a->at_ns) / 1e9;
    if (b->all > a->all)
        m->steal_percent = 100 * (b->stolen - a->stolen) / (b->all - a->all);
    for (int core = 0; core < a->cores && core < b->cores; core++) {
        double rate = (double)(b->irqs[core] - a->irqs[core]) / took_s;
        if (rate <= m->irq_rate)
            continue;
        m->irq_rate = rate;
        m->irq_core = core;
    }
}

// --- a recorded host ---

static int read_measured(struct host *host, struct err *err)
{
    struct measured *m = &host->measured;
    const struct {
        const char *name;
        double *value;
    } figures[] = {{"clock_ns", &m->clock_ns},
                   {"oversleep_ns", &m->oversleep_ns},
                   {"oversleep_max", &m->oversleep_max},
                   {"wake_ns", &m->wake_ns},
                   {"wake_max", &m->wake_max},
                   {"steal_percent", &m->steal_percent},
                   {"irq_rate", &m->irq_rate},
                   {"irq_core", &m->irq_core},
                   {"is_synchronised", &m->is_synchronised},
                   {"has_io_uring", &m->has_io_uring}};
    char text[DOCTOR_TEXT_BYTES], *rest = NULL;
    if (!doctor_read(host, "/measured", text, sizeof text))
        return err_set(err, -ENOENT,
                       "%s is no recorded host: it has no file `measured` (see docs/command.md)",
                       host->root);
    for (char *line = strtok_r(text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest)) {
        char *space = strchr(line, ' '), *end = space;
        double *value = NULL;
        for (size_t i = 0; space && i < ARRAY_SIZE(figures); i++)
            if (strncmp(figures[i].name, line, (size_t)(space - line)) == 0 &&
                figures[i].name[space - line] == '\0')
                value = figures[i].value;
        if (value)
            *value = strtod(space + 1, &end);
        if (!value || end == space + 1 || *end)
            return err_set(err, -EINVAL, "%s/measured: cannot use the line '%s'", host->root, line);
    }
    return 0;
}

int doctor_measure(struct host *host, struct err *err)
{
    struct measured *m = &host->measured;
    struct timex clock = {.modes = 0};
    *m = (struct measured){-1, -1, -1, -1, -1, -1, -1, -1, -1, -1};
    if (*host->root)
        return read_measured(host, err);
    struct shares *before = read_shares(host);
    measure_clock(m);
    measure_sleep(m);
    measure_wake(m);
    struct shares *after = read_shares(host);
    m->irq_rate = 0;
    compare_shares(before, after, m);
    free(before);
    free(after);
    m->is_synchronised = adjtimex(&clock) >= 0 ? (clock.status & STA_UNSYNC) == 0 : -1;
    m->has_io_uring = engine_probe_io_uring(NULL) == 0;
    return 0;
}
