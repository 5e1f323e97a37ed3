// report_html.c: a report as one page that needs nothing else: tables, and percentile curves as
// SVG. It is XHTML, so that a program can read it too.
#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <string.h>

#include "tools/bench/report.h"

enum { WIDTH = 860, HEIGHT = 380, LEFT = 70, RIGHT = 20, TOP = 20, BOTTOM = 50, COLOURS = 8 };

static const char *const colours[COLOURS] = {"#0b6e99", "#d9730d", "#448361", "#9065b0",
                                             "#c14c8a", "#d44c47", "#787774", "#cb912f"};

static void put_text(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<')
            buf_append_str(out, "&lt;");
        else if (*text == '>')
            buf_append_str(out, "&gt;");
        else if (*text == '&')
            buf_append_str(out, "&amp;");
        else if (*text == '"')
            buf_append_str(out, "&quot;");
        else if ((unsigned char)*text >= ' ')
            buf_append_char(out, *text);
    }
}

// --- the curve: x runs by nines, 1 / (1 - p), y by powers of ten of nanoseconds ---

struct axes {
    double low, high; // powers of ten of ns
    double nines;     // of x, at its right end
};

static double x_of(const struct axes *axes, double percent)
{
    double nines = percent >= 100 ? axes->nines : -log10(1 - percent / 100);
    nines = nines > axes->nines ? axes->nines : nines;
    return LEFT + nines / axes->nines * (WIDTH - LEFT - RIGHT);
}

static double y_of(const struct axes *axes, double ns)
{
    double at = log10(ns < 1 ? 1 : ns);
    at = at < axes->low ? axes->low : at;
    return HEIGHT - BOTTOM - (at - axes->low) / (axes->high - axes->low) * (HEIGHT - TOP - BOTTOM);
}

static struct axes axes_of(const struct report *report)
{
    double least = 1e12, most = 1, count = 10;
    for (int i = 0; i < report->series_count; i++) {
        const struct histogram *h = report->series[i].all;
        double low = (double)histogram_min(h), high = (double)histogram_max(h);
        double total = (double)histogram_total(h);
        least = low < least ? low : least;
        most = high > most ? high : most;
        count = total > count ? total : count;
    }
    struct axes axes = {floor(log10(least < 1 ? 1 : least)), ceil(log10(most + 1)),
                        ceil(log10(count))};
    if (axes.high <= axes.low)
        axes.high = axes.low + 1;
    axes.nines = axes.nines < 2 ? 2 : axes.nines > 7 ? 7 : axes.nines;
    return axes;
}

static const char *unit_text(double ns, char out[32])
{
    if (ns < 1e3)
        snprintf(out, 32, "%.0f ns", ns);
    else if (ns < 1e6)
        snprintf(out, 32, "%.0f us", ns / 1e3);
    else if (ns < 1e9)
        snprintf(out, 32, "%.0f ms", ns / 1e6);
    else
        snprintf(out, 32, "%.0f s", ns / 1e9);
    return out;
}

static void put_grid(struct buf *out, const struct axes *axes)
{
    char text[32];
    for (double power = axes->low; power <= axes->high; power++) {
        double y = y_of(axes, pow(10, power));
        buf_printf(out,
                   "<line class=\"grid\" x1=\"%d\" y1=\"%.1f\" x2=\"%d\" y2=\"%.1f\"/>"
                   "<text x=\"%d\" y=\"%.1f\" text-anchor=\"end\">%s</text>\n",
                   LEFT, y, WIDTH - RIGHT, y, LEFT - 6, y + 4, unit_text(pow(10, power), text));
    }
    for (int nines = 0; nines <= (int)axes->nines; nines++) {
        double percent = 100 - 100 / pow(10, nines), x = x_of(axes, percent);
        buf_printf(out,
                   "<line class=\"grid\" x1=\"%.1f\" y1=\"%d\" x2=\"%.1f\" y2=\"%d\"/>"
                   "<text x=\"%.1f\" y=\"%d\" text-anchor=\"middle\">%.*f %%</text>\n",
                   x, TOP, x, HEIGHT - BOTTOM, x, HEIGHT - BOTTOM + 18, nines > 2 ? nines - 2 : 0,
                   percent);
    }
}

static void put_curve(struct buf *out, const struct axes *axes, const struct series *series,
                      const char *colour)
{
    enum { STEPS = 200 };
    double percents[STEPS + 1];
    int64_t values[STEPS + 1];
    for (int i = 0; i <= STEPS; i++)
        percents[i] = 100 - 100 * pow(10, -axes->nines * i / STEPS);
    percents[STEPS] = 100;
    histogram_percentiles(series->all, percents, STEPS + 1, values);
    buf_printf(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"2\" points=\"", colour);
    for (int i = 0; i <= STEPS; i++)
        buf_printf(out, "%.1f,%.1f ", x_of(axes, percents[i]), y_of(axes, (double)values[i]));
    buf_append_str(out, "\"><title>");
    put_text(out, series->name);
    buf_append_str(out, "</title></polyline>\n");
}

static void put_chart(struct buf *out, const struct report *report)
{
    if (!report->series_count)
        return;
    const struct axes axes = axes_of(report);
    int height = HEIGHT + 18 * report->series_count;
    buf_printf(out,
               "<h2>Latency by percentile</h2>\n<svg xmlns=\"http://www.w3.org/2000/svg\" "
               "viewBox=\"0 0 %d %d\" role=\"img\">\n",
               WIDTH, height);
    put_grid(out, &axes);
    for (int i = 0; i < report->series_count; i++) {
        const char *colour = colours[i % COLOURS];
        int y = HEIGHT + 18 * i;
        put_curve(out, &axes, &report->series[i], colour);
        buf_printf(out,
                   "<rect x=\"%d\" y=\"%d\" width=\"14\" height=\"4\" fill=\"%s\"/>"
                   "<text x=\"%d\" y=\"%d\">",
                   LEFT, y - 4, colour, LEFT + 22, y + 2);
        put_text(out, report->series[i].name);
        buf_append_str(out, "</text>\n");
    }
    buf_append_str(out, "</svg>\n");
}

// --- tables ---

static void put_row(struct buf *out, const char *name, const char *value)
{
    buf_append_str(out, "<tr><th>");
    put_text(out, name);
    buf_append_str(out, "</th><td class=\"text\">");
    put_text(out, value);
    buf_append_str(out, "</td></tr>\n");
}

static void put_facts(struct buf *out, const struct report *report)
{
    buf_append_str(out, "<table>\n");
    for (int i = 0; i < report->fact_count; i++)
        put_row(out, report->facts[i].name, report->facts[i].value);
    if (report->is_probed) {
        char text[160];
        snprintf(text, sizeof text, "%.0f ns before (%s), %.0f ns after (%s)",
                 report->before.median_ns, report->before.regime, report->after.median_ns,
                 report->after.regime);
        put_row(out, "ping-pong", text);
    }
    put_row(out, "command", report->command);
    if (report->old)
        put_row(out, "against", report_old_title(report));
    buf_append_str(out, "</table>\n");
}

static void put_series(struct buf *out, const struct report *report)
{
    if (!report->series_count)
        return;
    buf_append_str(out, "<h2>Percentiles, us</h2>\n<table><tr><th>series</th><th>count</th>");
    for (int p = 0; p < REPORT_PERCENTS; p++)
        buf_printf(out, "<th>%s</th>", report_percent_names[p]);
    buf_append_str(out, "</tr>\n");
    for (int i = 0; i < report->series_count; i++) {
        int64_t values[REPORT_PERCENTS];
        histogram_percentiles(report->series[i].all, report_percents, REPORT_PERCENTS, values);
        buf_append_str(out, "<tr><th>");
        put_text(out, report->series[i].name);
        buf_printf(out, "</th><td>%" PRIu64 "</td>", histogram_total(report->series[i].all));
        for (int p = 0; p < REPORT_PERCENTS; p++)
            buf_printf(out, "<td>%.3f</td>", (double)values[p] / 1e3);
        buf_append_str(out, "</tr>\n");
    }
    buf_append_str(out, "</table>\n");
}

static void put_figures(struct buf *out, const struct report *report)
{
    if (!report->figure_count)
        return;
    buf_printf(out,
               "<h2>Figures of %d runs</h2>\n<table><tr><th>figure</th><th>min</th><th>median</th>"
               "<th>max</th><th>unit</th><th>to the saved run</th></tr>\n",
               report->runs);
    for (int i = 0; i < report->figure_count; i++) {
        const struct figure *f = &report->figures[i];
        double ratio;
        enum against against = report_against(report, f, &ratio);
        buf_append_str(out, "<tr><th>");
        put_text(out, f->name);
        buf_printf(out, "</th><td>%.4g</td><td>%.4g</td><td>%.4g</td><td>%s</td>", figure_min(f),
                   figure_median(f), figure_max(f), f->unit);
        if (against == AGAINST_NONE)
            buf_append_str(out, "<td></td></tr>\n");
        else
            buf_printf(out, "<td class=\"%s\">%.2f, %s</td></tr>\n",
                       against == AGAINST_WORSE    ? "worse"
                       : against == AGAINST_BETTER ? "better"
                                                   : "same",
                       ratio, against_name(against));
    }
    buf_append_str(out, "</table>\n");
}

static const char head[] =
    "<!DOCTYPE html>\n<html xmlns=\"http://www.w3.org/1999/xhtml\" lang=\"en\">\n<head>\n"
    "<meta charset=\"utf-8\"/>\n"
    "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\"/>\n"
    "<style>\nbody{font:15px/1.45 system-ui,sans-serif;max-width:60em;margin:2em auto;"
    "padding:0 1em;color:#222;background:#fff}\n"
    "table{border-collapse:collapse;margin:.6em 0}\n"
    "th,td{padding:.15em .8em .15em 0;text-align:right;border-bottom:1px solid #eee}\n"
    "th:first-child,td.text{text-align:left}th{font-weight:600}\n"
    "svg{width:100%;height:auto}svg text{font:12px system-ui,sans-serif;fill:#555}\n"
    ".grid{stroke:#e4e4e4}.worse{color:#b3261e}.better{color:#1b7f3b}.mark{color:#b3261e}\n"
    "</style>\n<title>weir bench ";

int report_save_html(const struct report *report, const char *path, struct err *err)
{
    struct buf out = {0};
    buf_append_str(&out, head);
    put_text(&out, report->bench);
    buf_append_str(&out, "</title>\n</head>\n<body>\n<h1>weir bench ");
    put_text(&out, report->bench);
    buf_append_str(&out, "</h1>\n");
    if (report->has_regime_changed)
        buf_append_str(&out, "<p class=\"mark\">The machine changed while this ran; do not compare "
                             "these figures.</p>\n");
    put_facts(&out, report);
    put_chart(&out, report);
    put_series(&out, report);
    put_figures(&out, report);
    for (int i = 0; i < report->note_count; i++) {
        buf_append_str(&out, "<p>Note: ");
        put_text(&out, report->notes[i]);
        buf_append_str(&out, "</p>\n");
    }
    buf_append_str(&out, "</body>\n</html>\n");
    FILE *file = fopen(path, "we");
    bool is_good = file && fwrite(out.data, 1, out.len, file) == out.len;
    int code = is_good ? 0 : -errno;
    if (file && fclose(file) != 0 && is_good)
        code = -errno;
    buf_fini(&out);
    return code < 0 ? err_set(err, code, "%s cannot be written: %s", path, strerror(-code)) : 0;
}
