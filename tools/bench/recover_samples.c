// recover_samples.c: see recover_samples.h.
#include "tools/bench/recover_samples.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>
#include <unistd.h>

int64_t recover_now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

void recover_nap(int64_t ns)
{
    const struct timespec time = {ns / 1000000000, ns % 1000000000};
    nanosleep(&time, NULL);
}

void recover_fail(const char *why)
{
    fprintf(stderr, "recovery: %s\n", why);
    exit(1);
}

int64_t recover_waited_ns(pid_t pid)
{
    char path[64], text[96];
    snprintf(path, sizeof path, "/proc/%d/schedstat", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    ssize_t len = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        close(fd);
    if (len <= 0)
        return -1;
    text[len] = '\0';
    char *end;
    strtoll(text, &end, 10); // time on a core
    return strtoll(end, NULL, 10);
}

void samples_add(struct samples *s, double ms)
{
    if (s->count == s->room) {
        s->room = s->room ? 2 * s->room : 256;
        s->values = realloc(s->values, (size_t)s->room * sizeof *s->values);
        if (!s->values)
            recover_fail("no memory");
    }
    s->values[s->count++] = ms;
}

static int compare(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double samples_at(struct samples *s, double share)
{
    if (!s->count)
        return 0;
    qsort(s->values, (size_t)s->count, sizeof *s->values, compare);
    return s->values[(long)((double)(s->count - 1) * share)];
}

void silence_sign(struct silence *s, int64_t sign_ns)
{
    if (s->last_ns && sign_ns - s->last_ns > s->longest_ns)
        s->longest_ns = sign_ns - s->last_ns;
    s->last_ns = sign_ns;
}

void silence_lap(struct silence *s)
{
    int64_t open_ns = s->last_ns ? recover_now_ns() - s->last_ns : 0;
    samples_add(&s->laps, (double)(open_ns > s->longest_ns ? open_ns : s->longest_ns) / MS_NS);
    s->longest_ns = 0;
}

void silence_restart(struct silence *s)
{
    s->laps.count = 0;
    s->longest_ns = 0;
}
