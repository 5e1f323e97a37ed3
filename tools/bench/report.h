// report.h: what a benchmark has found: figures, latency series, the machine, and what to doubt.
//
// A figure has a value for each run and is told as min, median, max. A series is a histogram of
// nanoseconds over all runs; its percentiles of each run are figures too. The same report becomes
// text, JSON, a page of HTML, and the files of HdrHistogram.
#ifndef WEIR_TOOLS_BENCH_REPORT_H
#define WEIR_TOOLS_BENCH_REPORT_H

#include <stdbool.h>
#include <stdio.h>

#include "core/base/buf.h"
#include "core/base/histogram.h"
#include "core/base/pool.h"

enum { REPORT_RUNS_MAX = 100, REPORT_NAME_BYTES = 96 };

struct figure {
    char name[REPORT_NAME_BYTES];
    const char *unit;
    bool more_is_better, is_of_series;
    double values[REPORT_RUNS_MAX]; // of each run
    int count;
};

// One stretch of recording, as an .hlog has it: when it began, in seconds since the report's start.
struct stretch {
    double start_s, seconds;
    struct histogram *histogram; // owned
};

struct series {
    char name[REPORT_NAME_BYTES];
    struct histogram *all; // owned
    struct stretch *stretches;
    int stretch_count;
};

struct fact {
    const char *name, *value;
};

// What two cores bounce between them (probe.h); 0 runs: not probed.
struct probe_result {
    double median_ns, p99_ns, worst_us;
    char regime[64];
};

struct report {
    struct pool pool; // owns names and texts
    const char *bench, *command;
    int64_t started_ms; // wall clock
    int64_t began_ns;   // monotonic
    int runs;
    struct fact facts[24];
    int fact_count;
    struct probe_result before, after;
    bool is_probed, has_regime_changed;
    struct figure *figures;
    int figure_count;
    struct series *series;
    int series_count;
    const char *notes[32];
    int note_count;
    struct report_old *old; // what it is compared with; NULL: nothing (against.h)
};

void report_init(struct report *report, const char *bench, int argc, char **argv);
void report_fini(struct report *report);

void report_fact(struct report *report, const char *name, const char *value);
// Something that a reader must know. The same text is told once.
void report_note(struct report *report, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

// The figure's value in the next of its runs. `unit` and `name` are copied.
void report_figure(struct report *report, const char *name, const char *unit, double value);
// The same of one where more is better (a rate).
void report_rate(struct report *report, const char *name, const char *unit, double value);

// What one run has recorded under this name (nothing recorded: nothing reported), from
// `began_ns` (monotonic) for `seconds`. The histogram stays the caller's; it has 3 digits.
void report_series(struct report *report, const char *name, const struct histogram *histogram,
                   int64_t began_ns, double seconds);

// Of a figure with at least one value.
double figure_min(const struct figure *figure);
double figure_max(const struct figure *figure);
double figure_median(const struct figure *figure);
const struct figure *report_find(const struct report *report, const char *name);

// The percentiles that every form of the report has.
enum { REPORT_PERCENTS = 6 };
extern const double report_percents[REPORT_PERCENTS];
extern const char *const report_percent_names[REPORT_PERCENTS]; // "p50"

// --- forms ---

void report_print(const struct report *report, FILE *out);                      // report_text.c
int report_write_json(const struct report *report, FILE *out, struct err *err); // report_json.c
int report_save_json(const struct report *report, const char *path, struct err *err);
int report_save_html(const struct report *report, const char *path, struct err *err); // _html.c

// hdr_file.c: one .hgrm a series (values in microseconds) in the folder, and the tagged .hlog.
void hgrm_append(const struct histogram *histogram, struct buf *out);
void hlog_encode(const struct histogram *histogram, struct buf *out); // V2, compressed, base64
int report_save_hgrm(const struct report *report, const char *folder, struct err *err);
int report_save_hlog(const struct report *report, const char *path, struct err *err);

// against.c: read a report that was saved, to be compared with.
int report_read_old(struct report *report, const char *path, struct err *err);

enum against { AGAINST_NONE, AGAINST_SAME, AGAINST_BETTER, AGAINST_WORSE, AGAINST_UNKNOWN };
// The ratio of the medians, new to old. BETTER, WORSE: all runs lie outside of the other's;
// UNKNOWN: one of both has a single run, so its spread is not known. NONE: there is no such figure.
enum against report_against(const struct report *report, const struct figure *figure,
                            double *ratio);
const char *against_name(enum against against); // "within the spread"
const char *report_old_title(const struct report *report);
void report_free_old(struct report *report);

#endif
