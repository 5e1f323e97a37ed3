// report_text.c: a report for a terminal.
#include <inttypes.h>
#include <stdlib.h>
#include <string.h>

#include "tools/bench/report.h"

// Three digits that matter.
static const char *three(double value, char out[32])
{
    double size = value < 0 ? -value : value;
    int behind = size >= 100 || size == 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3;
    snprintf(out, 32, "%.*f", behind, value);
    return out;
}

static int name_width(const struct report *report)
{
    size_t width = 12;
    for (int i = 0; i < report->figure_count; i++)
        if (!report->figures[i].is_of_series && strlen(report->figures[i].name) > width)
            width = strlen(report->figures[i].name);
    for (int i = 0; i < report->series_count; i++)
        width = strlen(report->series[i].name) > width ? strlen(report->series[i].name) : width;
    return (int)width;
}

static void print_against(const struct report *report, const struct figure *figure, FILE *out)
{
    double ratio;
    enum against against = report_against(report, figure, &ratio);
    if (against != AGAINST_NONE)
        fprintf(out, "  %5.2f of saved, %s", ratio, against_name(against));
}

static void print_figures(const struct report *report, int width, FILE *out)
{
    char least[32], middle[32], most[32];
    bool has_title = false;
    for (int i = 0; i < report->figure_count; i++) {
        const struct figure *f = &report->figures[i];
        if (f->is_of_series)
            continue;
        if (!has_title)
            fprintf(out, "\n%-*s %9s %9s %9s\n", width, "", "min", "median", "max");
        has_title = true;
        fprintf(out, "%-*s %9s %9s %9s %s", width, f->name, three(figure_min(f), least),
                three(figure_median(f), middle), three(figure_max(f), most), f->unit);
        print_against(report, f, out);
        fputc('\n', out);
    }
}

static void print_series(const struct report *report, int width, FILE *out)
{
    if (!report->series_count)
        return;
    fprintf(out, "\n%-*s %10s", width, "latency, us", "count");
    for (int p = 0; p < REPORT_PERCENTS; p++)
        fprintf(out, " %9s", report_percent_names[p]);
    fputc('\n', out);
    for (int i = 0; i < report->series_count; i++) {
        const struct series *series = &report->series[i];
        int64_t values[REPORT_PERCENTS];
        char text[32];
        histogram_percentiles(series->all, report_percents, REPORT_PERCENTS, values);
        fprintf(out, "%-*s %10" PRIu64, width, series->name, histogram_total(series->all));
        for (int p = 0; p < REPORT_PERCENTS; p++)
            fprintf(out, " %9s", three((double)values[p] / 1e3, text));
        fputc('\n', out);
    }
}

// The percentiles of each run: how far they are apart, and what a saved run had.
static void print_spread(const struct report *report, int width, FILE *out)
{
    char least[32], middle[32], most[32];
    if (!report->series_count || (report->runs < 2 && !report->old))
        return;
    fprintf(out, "\n%-*s %9s %9s %9s\n", width + 7, "of the runs, us", "min", "median", "max");
    for (int i = 0; i < report->figure_count; i++) {
        const struct figure *f = &report->figures[i];
        size_t len = strlen(f->name);
        if (!f->is_of_series || strcmp(f->name + len - 4, " p90") == 0)
            continue;
        fprintf(out, "%-*s %9s %9s %9s", width + 7, f->name, three(figure_min(f) / 1e3, least),
                three(figure_median(f) / 1e3, middle), three(figure_max(f) / 1e3, most));
        print_against(report, f, out);
        fputc('\n', out);
    }
}

static void print_probe(const char *when, const struct probe_result *probe, FILE *out)
{
    fprintf(out, "%s %.0f ns (p99 %.0f, worst %.0f us): %s", when, probe->median_ns, probe->p99_ns,
            probe->worst_us, probe->regime);
}

void report_print(const struct report *report, FILE *out)
{
    int width = name_width(report);
    fprintf(out, "weir bench %s\n", report->bench);
    for (int i = 0; i < report->fact_count; i++)
        fprintf(out, "  %-12s %s\n", report->facts[i].name, report->facts[i].value);
    if (report->is_probed) {
        print_probe("  ping-pong    before", &report->before, out);
        print_probe("\n               after ", &report->after, out);
        fputc('\n', out);
    }
    fprintf(out, "  %-12s %s\n", "command", report->command);
    if (report->old)
        fprintf(out, "  %-12s %s\n", "against", report_old_title(report));
    print_figures(report, width, out);
    print_series(report, width, out);
    print_spread(report, width, out);
    for (int i = 0; i < report->note_count; i++)
        fprintf(out, "%snote: %s\n", i ? "" : "\n", report->notes[i]);
    if (report->has_regime_changed)
        fputs("\nMARKED: the machine changed while this ran; do not compare these figures\n", out);
}
