// against.c: a report that was saved as JSON, to be compared with. The file is input: what it says
// is taken only where it is what a report says.
#include <errno.h>
#include <jansson.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "tools/bench/report.h"

struct report_old {
    struct figure *figures;
    int count;
    char title[512];
};

void report_free_old(struct report *report)
{
    if (report->old)
        free(report->old->figures);
    free(report->old);
    report->old = NULL;
}

// false: it is no figure.
static bool read_figure(const json_t *json, struct figure *out)
{
    const char *name = json_string_value(json_object_get(json, "name"));
    const json_t *values = json_object_get(json, "values");
    size_t count = json_array_size(values);
    *out = (struct figure){.unit = ""};
    if (!name || count == 0 || count > REPORT_RUNS_MAX || strlen(name) >= sizeof out->name)
        return false;
    snprintf(out->name, sizeof out->name, "%s", name);
    for (size_t i = 0; i < count; i++) {
        const json_t *value = json_array_get(values, i);
        if (!json_is_number(value))
            return false;
        out->values[out->count++] = json_number_value(value);
    }
    return true;
}

static const char *text_of(const json_t *json, const char *name)
{
    const char *text = json_string_value(json_object_get(json, name));
    return text ? text : "unknown";
}

static int take(struct report *report, const json_t *json, const char *path, struct err *err)
{
    const json_t *figures = json_object_get(json, "figures");
    const char *bench = text_of(json, "bench");
    if (!json_is_array(figures))
        return err_set(err, -EINVAL, "%s is no report: it was not made by `weir bench ... --save`",
                       path);
    if (strcmp(bench, report->bench) != 0)
        return err_set(err, -EINVAL, "%s is a report of `weir bench %s`, not of %s", path, bench,
                       report->bench);
    struct report_old *old = calloc(1, sizeof *old);
    CHECK(old);
    report->old = old;
    old->figures = calloc(json_array_size(figures) + 1, sizeof *old->figures);
    CHECK(old->figures);
    for (size_t i = 0; i < json_array_size(figures); i++)
        if (!read_figure(json_array_get(figures, i), &old->figures[old->count++]))
            return err_set(err, -EINVAL, "%s: its figure %zu cannot be read", path, i + 1);
    snprintf(old->title, sizeof old->title, "%s of %s: %s", path, text_of(json, "started"),
             text_of(json, "command"));
    const json_t *machine = json_object_get(json, "machine");
    for (int i = 0; i < report->fact_count; i++) {
        const char *name = report->facts[i].name, *now = report->facts[i].value;
        if (strcmp(name, "cpu") != 0 && strcmp(name, "cores") != 0 && strcmp(name, "kernel") != 0)
            continue;
        if (strcmp(text_of(machine, name), now) != 0)
            report_note(report, "the saved run was on another machine: %s was %s, is %s", name,
                        text_of(machine, name), now);
    }
    return 0;
}

int report_read_old(struct report *report, const char *path, struct err *err)
{
    json_error_t problem;
    json_t *json = json_load_file(path, 0, &problem);
    if (!json)
        return err_set(err, -EINVAL, "%s cannot be read as a saved report: line %d: %s", path,
                       problem.line, problem.text);
    int rc = take(report, json, path, err);
    json_decref(json);
    return rc;
}

enum against report_against(const struct report *report, const struct figure *figure, double *ratio)
{
    const struct figure *old = NULL;
    *ratio = 0;
    for (int i = 0; report->old && i < report->old->count && !old; i++)
        if (strcmp(report->old->figures[i].name, figure->name) == 0)
            old = &report->old->figures[i];
    if (!old || !figure->count || figure_median(old) <= 0)
        return AGAINST_NONE;
    *ratio = figure_median(figure) / figure_median(old);
    if (old->count < 2 || figure->count < 2)
        return AGAINST_UNKNOWN;
    if (figure_min(figure) > figure_max(old))
        return figure->more_is_better ? AGAINST_BETTER : AGAINST_WORSE;
    if (figure_max(figure) < figure_min(old))
        return figure->more_is_better ? AGAINST_WORSE : AGAINST_BETTER;
    return AGAINST_SAME;
}

const char *against_name(enum against against)
{
    static const char *const names[] = {"", "within the spread", "better", "worse",
                                        "one run: no spread"};
    return names[against];
}

const char *report_old_title(const struct report *report)
{
    return report->old ? report->old->title : "";
}
