// report_json.c: a report as one JSON object; what its members mean is in docs/bench.md.
#include <errno.h>
#include <jansson.h>
#include <string.h>
#include <time.h>

#include "tools/bench/report.h"
#include "tools/command.h"

static json_t *json_of_probe(const struct probe_result *probe)
{
    return json_pack("{s:f,s:f,s:f,s:s}", "round_trip_ns", probe->median_ns, "p99_ns",
                     probe->p99_ns, "worst_us", probe->worst_us, "regime", probe->regime);
}

static json_t *json_of_figure(const struct report *report, const struct figure *figure)
{
    json_t *values = json_array();
    for (int i = 0; i < figure->count; i++)
        json_array_append_new(values, json_real(figure->values[i]));
    json_t *out =
        json_pack("{s:s,s:s,s:s,s:f,s:f,s:f,s:o}", "name", figure->name, "unit", figure->unit,
                  "better", figure->more_is_better ? "more" : "less", "min", figure_min(figure),
                  "median", figure_median(figure), "max", figure_max(figure), "values", values);
    double ratio;
    enum against against = report_against(report, figure, &ratio);
    if (against != AGAINST_NONE) {
        json_object_set_new(out, "ratio", json_real(ratio));
        json_object_set_new(out, "against", json_string(against_name(against)));
    }
    return out;
}

static json_t *json_of_series(const struct series *series)
{
    const struct histogram *h = series->all;
    int64_t values[REPORT_PERCENTS];
    histogram_percentiles(h, report_percents, REPORT_PERCENTS, values);
    json_t *out =
        json_pack("{s:s,s:s,s:I,s:I,s:f,s:f}", "name", series->name, "unit", "ns", "count",
                  (json_int_t)histogram_total(h), "min", (json_int_t)histogram_min(h), "mean",
                  histogram_mean(h), "deviation", histogram_deviation(h));
    for (int i = 0; i < REPORT_PERCENTS; i++)
        json_object_set_new(out, report_percent_names[i], json_integer(values[i]));
    return out;
}

static json_t *json_of_report(const struct report *report)
{
    char started[32];
    time_t seconds = (time_t)(report->started_ms / 1000);
    struct tm tm;
    strftime(started, sizeof started, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&seconds, &tm));
    json_t *machine = json_object(), *figures = json_array(), *series = json_array();
    json_t *notes = json_array();
    for (int i = 0; i < report->fact_count; i++)
        json_object_set_new(machine, report->facts[i].name, json_string(report->facts[i].value));
    for (int i = 0; i < report->figure_count; i++)
        json_array_append_new(figures, json_of_figure(report, &report->figures[i]));
    for (int i = 0; i < report->series_count; i++)
        json_array_append_new(series, json_of_series(&report->series[i]));
    for (int i = 0; i < report->note_count; i++)
        json_array_append_new(notes, json_string(report->notes[i]));
    json_t *out = json_pack("{s:s,s:s,s:s,s:s,s:i,s:o,s:o,s:o,s:o}", "bench", report->bench,
                            "version", WEIR_VERSION, "command", report->command, "started", started,
                            "runs", report->runs, "machine", machine, "figures", figures, "series",
                            series, "notes", notes);
    if (report->is_probed)
        json_object_set_new(out, "probe",
                            json_pack("{s:o,s:o,s:b}", "before", json_of_probe(&report->before),
                                      "after", json_of_probe(&report->after), "changed",
                                      (int)report->has_regime_changed));
    if (report->old)
        json_object_set_new(out, "against", json_string(report_old_title(report)));
    return out;
}

int report_write_json(const struct report *report, FILE *out, struct err *err)
{
    json_t *json = json_of_report(report);
    int rc = json ? json_dumpf(json, out, JSON_INDENT(1) | JSON_REAL_PRECISION(9)) : -1;
    json_decref(json);
    fputc('\n', out);
    return rc < 0 || ferror(out) ? err_set(err, -EIO, "the report cannot be written") : 0;
}

int report_save_json(const struct report *report, const char *path, struct err *err)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return err_set(err, -errno, "%s cannot be written: %s", path, strerror(errno));
    int rc = report_write_json(report, file, err);
    if (fclose(file) != 0 && rc == 0)
        rc = err_set(err, -errno, "%s cannot be written: %s", path, strerror(errno));
    return rc;
}
