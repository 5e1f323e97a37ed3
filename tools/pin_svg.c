// pin_svg.c: a placement as a drawing of its own: no script, no font and no other file is needed.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "stages/runtime/job.h"
#include "tools/pin.h"

enum {
    CORE_WIDTH = 46,
    CORE_HEIGHT = 34,
    GAP = 6,
    TITLE = 18,
    CORES_A_ROW = 16,
    CHANNELS_DRAWN = 400,
    COLOURS = 8,
};

struct svg {
    const struct pin *pin;
    struct buf body;
    int *x, *y; // middle of each unit
    int width, height;
};

static const char *const colours[COLOURS] = {"#4e79a7", "#f28e2b", "#59a14f", "#b07aa1",
                                             "#76b7b2", "#edc948", "#e15759", "#9c755f"};

static const struct machine_pu *pu_at(const struct svg *s, int unit)
{
    return &s->pin->machine->pus[unit];
}

static void put_escaped(struct buf *out, const char *text)
{
    for (; *text; text++) {
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"')
            buf_printf(out, "&#%d;", *text);
        else if ((unsigned char)*text >= ' ')
            buf_append_char(out, *text);
    }
}

static void put_box(struct svg *s, const int box[4], const char *fill, const char *title)
{
    buf_printf(&s->body,
               "<rect x=\"%d\" y=\"%d\" width=\"%d\" height=\"%d\" rx=\"4\" fill=\"%s\" "
               "stroke=\"#999\"/>\n",
               box[0], box[1], box[2], box[3], fill);
    if (!title)
        return;
    buf_printf(&s->body, "<text x=\"%d\" y=\"%d\" class=\"t\">", box[0] + GAP, box[1] + 13);
    put_escaped(&s->body, title);
    buf_append_str(&s->body, "</text>\n");
}

static bool is_house(const struct svg *s, int unit)
{
    for (int i = 0; i < s->pin->housekeeping_count; i++)
        if (s->pin->housekeeping[i] == unit)
            return true;
    return false;
}

// The tasks on one unit, and the first of them.
static int tasks_on(const struct svg *s, int unit, int *first)
{
    int count = 0;
    *first = -1;
    for (int t = s->pin->plan->task_count - 1; t >= 0; t--)
        if (s->pin->result.units[t] == unit) {
            *first = t;
            count++;
        }
    return count;
}

static void put_unit(struct svg *s, int unit, const int box[4])
{
    const struct machine_pu *pu = pu_at(s, unit);
    int task, count = tasks_on(s, unit, &task);
    const char *fill = task >= 0           ? colours[s->pin->traffic.tasks[task].stage % COLOURS]
                       : is_house(s, unit) ? "#bbb"
                       : pu->is_allowed    ? "#fff"
                                           : "#444";
    s->x[unit] = box[0] + box[2] / 2;
    s->y[unit] = box[1] + box[3] / 2;
    buf_append_str(&s->body, "<g>");
    put_box(s, box, fill, NULL);
    buf_printf(&s->body, "<text x=\"%d\" y=\"%d\" class=\"%s\">", s->x[unit], s->y[unit] + 4,
               task >= 0 ? "w" : "c");
    if (task >= 0)
        buf_printf(&s->body, "%d%s", task, count > 1 ? ".." : "");
    else if (is_house(s, unit))
        buf_append_char(&s->body, 'h');
    buf_printf(&s->body, "</text><title>core %d%s%s", pu->os, pu->is_efficient ? ", E-core" : "",
               pu->is_isolated ? ", isolated" : "");
    if (task >= 0) {
        char name[JOB_NAME_BYTES];
        struct buf why = {.data = NULL};
        job_task_name(s->pin->plan, task, name);
        pin_why(s->pin, task, &why);
        buf_printf(&s->body, ": task %d, ", task);
        put_escaped(&s->body, name);
        buf_append_str(&s->body, ": ");
        put_escaped(&s->body, buf_str(&why));
        buf_fini(&why);
    }
    buf_append_str(&s->body, "</title></g>\n");
}

static int core_end(const struct svg *s, int unit)
{
    int end = unit;
    while (end < s->pin->machine->pu_count && pu_at(s, end)->core == pu_at(s, unit)->core)
        end++;
    return end;
}

// The cores of an L3; returns the height.
static int put_l3(struct svg *s, int x, int y, int from, int to)
{
    int column = 0, top = y;
    for (int core = from; core < to; core = core_end(s, core)) {
        int threads = core_end(s, core) - core;
        CHECK(threads > 0);
        int width = CORE_WIDTH / threads;
        if (column == CORES_A_ROW) {
            column = 0;
            y += CORE_HEIGHT + GAP;
        }
        for (int i = 0; i < threads; i++) {
            const int box[] = {x + column * (CORE_WIDTH + GAP) + i * width, y, width, CORE_HEIGHT};
            put_unit(s, core + i, box);
        }
        column++;
        int right = x + column * (CORE_WIDTH + GAP) + 3 * GAP;
        s->width = right > s->width ? right : s->width;
    }
    return y + CORE_HEIGHT + GAP - top;
}

static int part_of(const struct machine_pu *pu, int level)
{
    return level == 0 ? pu->package : level == 1 ? pu->node : pu->l3;
}

// A package, its nodes, their L3s: one below the other. Returns the height.
static int put_part(struct svg *s, int level, int y, int from, int to)
{
    static const char *const names[] = {"package", "node", "L3"};
    int x = GAP + level * GAP, at = y + TITLE;
    char title[64];
    snprintf(title, sizeof title, "%s %d", names[level], part_of(pu_at(s, from), level));
    if (level == 2) {
        at += put_l3(s, x + GAP, at, from, to);
    } else {
        for (int begin = from, end; begin < to; begin = end) {
            end = begin;
            while (end < to &&
                   part_of(pu_at(s, end), level + 1) == part_of(pu_at(s, begin), level + 1))
                end++;
            at += put_part(s, level + 1, at, begin, end) + GAP;
        }
    }
    buf_printf(&s->body, "<text x=\"%d\" y=\"%d\" class=\"t\">%s</text>\n", x, y + 13, title);
    return at - y;
}

static void put_channels(struct svg *s)
{
    const struct traffic *traffic = &s->pin->traffic;
    int64_t most = 1;
    for (int c = 0; c < traffic->channel_count; c++)
        most = traffic->channels[c].bytes_s > most ? traffic->channels[c].bytes_s : most;
    for (int c = 0, drawn = 0; c < traffic->channel_count && drawn < CHANNELS_DRAWN; c++) {
        const struct traffic_channel *channel = &traffic->channels[c];
        int a = s->pin->result.units[channel->from], b = s->pin->result.units[channel->to];
        enum place_class class = cost_class(s->pin->machine, a, b);
        char rate[32];
        drawn++;
        int bend = (s->x[a] + s->x[b]) / 2 + (s->y[b] - s->y[a]) / 4;
        int lift = (s->y[a] + s->y[b]) / 2 - 24;
        buf_printf(&s->body,
                   "<path d=\"M%d %d Q%d %d %d %d\" fill=\"none\" stroke=\"%s\" "
                   "stroke-width=\"%.1f\" opacity=\".55\"><title>%d to %d: %s, %s</title></path>\n",
                   s->x[a], s->y[a], bend, lift, s->x[b], s->y[b],
                   class <= PLACE_L3       ? "#2a7"
                   : class == PLACE_REMOTE ? "#d33"
                                           : "#d90",
                   1 + 5 * (double)channel->bytes_s / (double)most, channel->from, channel->to,
                   pin_rate(channel->bytes_s, rate), cost_class_name(class));
    }
}

static void put_legend(struct svg *s, int y)
{
    for (int i = 0; i < s->pin->plan->stage_count; i++, y += 18) {
        buf_printf(&s->body, "<rect x=\"%d\" y=\"%d\" width=\"12\" height=\"12\" fill=\"%s\"/>\n",
                   GAP, y, colours[i % COLOURS]);
        buf_printf(&s->body, "<text x=\"%d\" y=\"%d\" class=\"t\">", GAP + 18, y + 11);
        put_escaped(&s->body, s->pin->plan->stages[i].name);
        buf_append_str(&s->body, "</text>\n");
    }
    buf_printf(&s->body,
               "<text x=\"%d\" y=\"%d\" class=\"t\">h housekeeping; channels: green within an L3, "
               "orange within a package, red between packages</text>\n",
               GAP, y + 11);
    s->height = y + 24;
}

static void draw(struct svg *s)
{
    int y = 30;
    for (int from = 0, end; from < s->pin->machine->pu_count; from = end) {
        end = from;
        while (end < s->pin->machine->pu_count && pu_at(s, end)->package == pu_at(s, from)->package)
            end++;
        y += put_part(s, 0, y, from, end) + GAP;
    }
    put_channels(s);
    put_legend(s, y + GAP);
    s->width = s->width < 640 ? 640 : s->width;
}

static int write_file(const char *path, struct svg *s, struct err *err)
{
    FILE *file = fopen(path, "we");
    if (!file)
        return err_set(err, -errno, "%s: cannot be written: %s", path, strerror(errno));
    fprintf(file,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"%d\" height=\"%d\">\n"
            "<style>text{font:12px sans-serif}.t{fill:#333}.c{text-anchor:middle}"
            ".w{text-anchor:middle;fill:#fff;font-weight:bold}</style>\n"
            "<rect width=\"100%%\" height=\"100%%\" fill=\"#fafafa\"/>\n"
            "<text x=\"6\" y=\"18\" class=\"t\">",
            s->width, s->height);
    struct buf title = {.data = NULL};
    put_escaped(&title, s->pin->load.config->job);
    buf_append_str(&title, " on ");
    put_escaped(&title, s->pin->machine->name);
    fprintf(file, "%s</text>\n%s</svg>\n", buf_str(&title), buf_str(&s->body));
    buf_fini(&title);
    int failed = ferror(file) | fclose(file);
    return failed ? err_set(err, -EIO, "%s: cannot be written", path) : 0;
}

int pin_write_svg(const struct pin *pin, const char *path, struct err *err)
{
    size_t units = (size_t)pin->machine->pu_count + 1;
    struct svg s = {.pin = pin, .x = calloc(units, sizeof(int)), .y = calloc(units, sizeof(int))};
    CHECK(s.x && s.y);
    draw(&s);
    int rc = write_file(path, &s, err);
    buf_fini(&s.body);
    free(s.x);
    free(s.y);
    return rc;
}
