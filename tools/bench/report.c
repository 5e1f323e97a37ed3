// report.c: see report.h.
#include "tools/bench/report.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/env.h"

const double report_percents[REPORT_PERCENTS] = {50, 90, 99, 99.9, 99.99, 100};
const char *const report_percent_names[REPORT_PERCENTS] = {"p50",   "p90",    "p99",
                                                           "p99.9", "p99.99", "max"};

// The command as one would type it again.
static const char *join(struct pool *pool, int argc, char **argv)
{
    struct buf text = {0};
    buf_append_str(&text, "weir");
    for (int i = 0; i < argc; i++) {
        bool is_plain = *argv[i] && !strpbrk(argv[i], " '\"$\\;&|<>*?()");
        buf_printf(&text, is_plain ? " %s" : " '%s'", argv[i]);
    }
    const char *joined = pool_strdup(pool, buf_str(&text));
    buf_fini(&text);
    return joined;
}

void report_init(struct report *report, const char *bench, int argc, char **argv)
{
    struct env *env = env_system();
    *report = (struct report){.bench = bench};
    report->command = join(&report->pool, argc, argv);
    report->started_ms = env->realtime_ms(env);
    report->began_ns = env->monotonic_ns(env);
}

void report_fini(struct report *report)
{
    for (int i = 0; i < report->series_count; i++) {
        struct series *series = &report->series[i];
        for (int k = 0; k < series->stretch_count; k++)
            free(series->stretches[k].histogram);
        free(series->stretches);
        free(series->all);
    }
    free(report->series);
    free(report->figures);
    report_free_old(report);
    pool_fini(&report->pool);
}

void report_fact(struct report *report, const char *name, const char *value)
{
    CHECK(report->fact_count < (int)ARRAY_SIZE(report->facts));
    report->facts[report->fact_count++] =
        (struct fact){pool_strdup(&report->pool, name), pool_strdup(&report->pool, value)};
}

void report_note(struct report *report, const char *format, ...)
{
    char text[1024];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof text, format, arguments);
    va_end(arguments);
    for (int i = 0; i < report->note_count; i++)
        if (strcmp(report->notes[i], text) == 0)
            return;
    if (report->note_count < (int)ARRAY_SIZE(report->notes))
        report->notes[report->note_count++] = pool_strdup(&report->pool, text);
}

const struct figure *report_find(const struct report *report, const char *name)
{
    for (int i = 0; i < report->figure_count; i++)
        if (strcmp(report->figures[i].name, name) == 0)
            return &report->figures[i];
    return NULL;
}

static struct figure *add_value(struct report *report, const char *name, const char *unit,
                                double value)
{
    struct figure *figure = (struct figure *)report_find(report, name);
    if (!figure) {
        size_t bytes = (size_t)(report->figure_count + 1) * sizeof *report->figures;
        report->figures = realloc(report->figures, bytes);
        CHECK(report->figures);
        figure = &report->figures[report->figure_count++];
        *figure = (struct figure){.unit = pool_strdup(&report->pool, unit)};
        snprintf(figure->name, sizeof figure->name, "%s", name);
    }
    if (figure->count < REPORT_RUNS_MAX)
        figure->values[figure->count++] = value;
    return figure;
}

void report_figure(struct report *report, const char *name, const char *unit, double value)
{
    add_value(report, name, unit, value);
}

void report_rate(struct report *report, const char *name, const char *unit, double value)
{
    add_value(report, name, unit, value)->more_is_better = true;
}

static struct series *find_series(struct report *report, const char *name)
{
    for (int i = 0; i < report->series_count; i++)
        if (strcmp(report->series[i].name, name) == 0)
            return &report->series[i];
    size_t bytes = (size_t)(report->series_count + 1) * sizeof *report->series;
    report->series = realloc(report->series, bytes);
    CHECK(report->series);
    struct series *series = &report->series[report->series_count++];
    *series = (struct series){.all = histogram_new(3)};
    snprintf(series->name, sizeof series->name, "%s", name);
    return series;
}

void report_series(struct report *report, const char *name, const struct histogram *histogram,
                   int64_t began_ns, double seconds)
{
    if (histogram_total(histogram) == 0)
        return;
    struct series *series = find_series(report, name);
    size_t bytes = (size_t)(series->stretch_count + 1) * sizeof *series->stretches;
    series->stretches = realloc(series->stretches, bytes);
    CHECK(series->stretches);
    struct stretch *stretch = &series->stretches[series->stretch_count++];
    *stretch = (struct stretch){.start_s = (double)(began_ns - report->began_ns) / 1e9,
                                .seconds = seconds,
                                .histogram = histogram_new(3)};
    histogram_add(stretch->histogram, histogram);
    histogram_add(series->all, histogram);
    int64_t values[REPORT_PERCENTS];
    histogram_percentiles(histogram, report_percents, REPORT_PERCENTS, values);
    for (int i = 0; i < REPORT_PERCENTS; i++) {
        char full[REPORT_NAME_BYTES + 16];
        snprintf(full, sizeof full, "%s %s", name, report_percent_names[i]);
        add_value(report, full, "ns", (double)values[i])->is_of_series = true;
    }
}

static int ascending(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return x < y ? -1 : x > y;
}

double figure_median(const struct figure *figure)
{
    double sorted[REPORT_RUNS_MAX];
    int n = figure->count;
    memcpy(sorted, figure->values, (size_t)n * sizeof *sorted);
    qsort(sorted, (size_t)n, sizeof *sorted, ascending);
    return n ? (sorted[(n - 1) / 2] + sorted[n / 2]) / 2 : 0;
}

double figure_min(const struct figure *figure)
{
    double least = figure->values[0];
    for (int i = 1; i < figure->count; i++)
        least = figure->values[i] < least ? figure->values[i] : least;
    return least;
}

double figure_max(const struct figure *figure)
{
    double most = figure->values[0];
    for (int i = 1; i < figure->count; i++)
        most = figure->values[i] > most ? figure->values[i] : most;
    return most;
}
