// pin_draw.c: a placement as a picture in the terminal: packages and nodes are boxes, an L3 is a
// row of cores.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/budget.h"
#include "tools/pin.h"

enum { WIDTH = 80, CELL_BYTES = 64, COLOURS = 6 };

struct drawing {
    const struct pin *pin;
    struct buf *out;
    int *task_on; // of each unit: the first task; -1: none, -2: housekeeping
    bool has_colour, is_utf8;
    int cell; // columns of one
};

// --- the terminal ---

static bool says_utf8(void)
{
    static const char *const names[] = {"LC_ALL", "LC_CTYPE", "LANG"};
    for (size_t i = 0; i < ARRAY_SIZE(names); i++) {
        const char *value = getenv(names[i]);
        if (value && *value)
            return strcasestr(value, "utf-8") || strcasestr(value, "utf8");
    }
    return false;
}

static bool may_colour(void)
{
    const char *refused = getenv("NO_COLOR"), *terminal = getenv("TERM");
    return isatty(STDOUT_FILENO) && !(refused && *refused) &&
           !(terminal && strcmp(terminal, "dumb") == 0);
}

// --- boxes ---

static void edge(const struct drawing *d, int depth, bool is_top, const char *title)
{
    static const char *const left[2][2] = {{"`", "."}, {"└", "┌"}};
    static const char *const right[2][2] = {{"'", "."}, {"┘", "┐"}};
    const char *wall = d->is_utf8 ? "│ " : "| ", *line = d->is_utf8 ? "─" : "-";
    for (int i = 0; i < depth; i++)
        buf_append_str(d->out, wall);
    buf_append_str(d->out, left[d->is_utf8][is_top]);
    int used = 2 * depth + 2 + 2 * depth;
    if (*title) {
        buf_printf(d->out, "%s %s ", line, title);
        used += (int)strlen(title) + 3;
    }
    for (int i = used; i < WIDTH; i++)
        buf_append_str(d->out, line);
    buf_append_str(d->out, right[d->is_utf8][is_top]);
    for (int i = 0; i < depth; i++)
        buf_append_str(d->out, d->is_utf8 ? " │" : " |");
    buf_append_char(d->out, '\n');
}

// A line inside `depth` boxes; `columns` is how wide the text is to the eye.
static void line(const struct drawing *d, int depth, const char *text, int columns)
{
    for (int i = 0; i < depth; i++)
        buf_append_str(d->out, d->is_utf8 ? "│ " : "| ");
    buf_append_str(d->out, text);
    for (int i = columns; depth && i < WIDTH - 4 * depth; i++)
        buf_append_char(d->out, ' ');
    for (int i = 0; i < depth; i++)
        buf_append_str(d->out, d->is_utf8 ? " │" : " |");
    buf_append_char(d->out, '\n');
}

// --- cores ---

static const struct machine_pu *pu_at(const struct drawing *d, int unit)
{
    return &d->pin->machine->pus[unit];
}

// The units of the core that begins at `unit`.
static int core_end(const struct drawing *d, int unit)
{
    int end = unit;
    while (end < d->pin->machine->pu_count && pu_at(d, end)->core == pu_at(d, unit)->core)
        end++;
    return end;
}

// "3", "3+7" for two siblings at work, "3.." for several tasks on one unit, "h", "." or "x".
static void cell_text(const struct drawing *d, int unit, char out[CELL_BYTES])
{
    int used = 0, allowed = 0;
    bool is_house = false;
    out[0] = '\0';
    for (int u = unit; u < core_end(d, unit); u++) {
        int tasks = 0;
        allowed += pu_at(d, u)->is_allowed;
        is_house |= d->task_on[u] == -2;
        for (int t = 0; t < d->pin->plan->task_count; t++)
            tasks += d->pin->result.units[t] == u;
        if (tasks && used < CELL_BYTES - 24)
            used += snprintf(out + used, (size_t)(CELL_BYTES - used), "%s%d%s", used ? "+" : "",
                             d->task_on[u], tasks > 1 ? ".." : "");
    }
    if (is_house)
        snprintf(out + used, (size_t)(CELL_BYTES - used), "%sh", used ? "+" : "");
    else if (used == 0)
        snprintf(out, CELL_BYTES, "%s", allowed ? "." : "x");
}

static bool is_idle(const struct drawing *d, int from, int to)
{
    for (int u = from; u < to; u++)
        if (d->task_on[u] != -1)
            return false;
    return true;
}

static void put_cell(const struct drawing *d, int unit, struct buf *row)
{
    const struct machine_pu *pu = pu_at(d, unit);
    const char *brackets = pu->is_isolated ? "{}" : pu->is_efficient ? "()" : "[]";
    char text[CELL_BYTES];
    cell_text(d, unit, text);
    int task = -1;
    for (int u = unit; u < core_end(d, unit) && task < 0; u++)
        task = d->task_on[u];
    bool is_coloured = d->has_colour && task >= 0;
    int stage = task >= 0 ? d->pin->traffic.tasks[task].stage : 0;
    if (is_coloured)
        buf_printf(row, "\033[%dm", 31 + stage % COLOURS);
    buf_printf(row, "%c%*s%c", brackets[0], d->cell, text, brackets[1]);
    if (is_coloured)
        buf_append_str(row, "\033[0m");
}

// The cores of [from, to) in rows behind a label.
static void put_cores(const struct drawing *d, int depth, int from, int to, const char *label)
{
    struct buf row = {.data = NULL};
    int room = WIDTH - 4 * depth, start = (int)strlen(label) + 1, columns = 0;
    for (int u = from; u < to; u = core_end(d, u)) {
        if (columns && columns + d->cell + 2 > room) {
            line(d, depth, buf_str(&row), columns);
            buf_clear(&row);
            columns = 0;
        }
        if (columns == 0) {
            buf_printf(&row, "%-*s", start, u == from ? label : "");
            columns = start;
        }
        put_cell(d, u, &row);
        columns += d->cell + 2;
    }
    line(d, depth, buf_str(&row), columns);
    buf_fini(&row);
}

// --- parts of the machine ---

static int part_of(const struct machine_pu *pu, int level)
{
    return level == 0 ? pu->package : level == 1 ? pu->node : pu->l3;
}

static int part_end(const struct drawing *d, int from, int to, int level)
{
    int end = from;
    while (end < to && part_of(pu_at(d, end), level) == part_of(pu_at(d, from), level))
        end++;
    return end;
}

static int count_cores(const struct drawing *d, int from, int to)
{
    int count = 0;
    for (int u = from; u < to; u = core_end(d, u))
        count++;
    return count;
}

// Parts from `from` on that nothing is placed on: one line for all of them.
static int skip_idle(const struct drawing *d, int from, int to, int level, int depth)
{
    static const char *const names[] = {"package", "node", "L3"};
    int end = from, last = from;
    while (end < to && is_idle(d, end, part_end(d, end, to, level))) {
        last = end;
        end = part_end(d, end, to, level);
    }
    // A machine on which nothing is placed does not exist; one idle L3 of few cores is drawn.
    if (end == from || (level == 2 && last == from && count_cores(d, from, end) <= 8))
        return from;
    char text[96];
    int first = part_of(pu_at(d, from), level), final = part_of(pu_at(d, last), level);
    if (first == final)
        snprintf(text, sizeof text, "%s %d: %d cores, none is used", names[level], first,
                 count_cores(d, from, end));
    else
        snprintf(text, sizeof text, "%s %d-%d: %d cores, none is used", names[level], first, final,
                 count_cores(d, from, end));
    line(d, depth, text, (int)strlen(text));
    return end;
}

static void draw_l3s(const struct drawing *d, int depth, int from, int to)
{
    while (from < to) {
        int end = skip_idle(d, from, to, 2, depth);
        if (end == from) {
            char label[32];
            end = part_end(d, from, to, 2);
            snprintf(label, sizeof label, "L3 %-3d", pu_at(d, from)->l3);
            put_cores(d, depth, from, end, label);
        }
        from = end;
    }
}

static void draw_nodes(const struct drawing *d, int depth, int from, int to)
{
    while (from < to) {
        int end = skip_idle(d, from, to, 1, depth);
        if (end == from) {
            const struct machine_node *node = &d->pin->machine->nodes[pu_at(d, from)->node];
            char title[96], bytes[32];
            end = part_end(d, from, to, 1);
            snprintf(title, sizeof title, "node %d, %s", node->os,
                     node->bytes ? budget_format_bytes((uint64_t)node->bytes, bytes)
                                 : "without memory");
            edge(d, depth, true, title);
            draw_l3s(d, depth + 1, from, end);
            edge(d, depth, false, "");
        }
        from = end;
    }
}

static void draw_machine(const struct drawing *d)
{
    const int all = d->pin->machine->pu_count;
    for (int from = 0; from < all;) {
        int end = skip_idle(d, from, all, 0, 0);
        if (end == from) {
            char title[32];
            end = part_end(d, from, all, 0);
            snprintf(title, sizeof title, "package %d", pu_at(d, from)->package);
            edge(d, 0, true, title);
            draw_nodes(d, 1, from, end);
            edge(d, 0, false, "");
        }
        from = end;
    }
}

static void find_tasks(struct drawing *d)
{
    const struct pin *pin = d->pin;
    for (int u = 0; u < pin->machine->pu_count; u++)
        d->task_on[u] = -1;
    for (int t = pin->plan->task_count - 1; t >= 0; t--)
        d->task_on[pin->result.units[t]] = t;
    for (int i = 0; i < pin->housekeeping_count; i++)
        d->task_on[pin->housekeeping[i]] = -2;
    for (int u = 0; u < pin->machine->pu_count; u = core_end(d, u)) {
        char text[CELL_BYTES];
        cell_text(d, u, text);
        int columns = (int)strlen(text);
        d->cell = columns > d->cell ? columns : d->cell;
    }
}

static void put_legend(const struct drawing *d)
{
    bool has_house = d->pin->housekeeping_count > 0, has_slow = false, has_isolated = false,
         has_forbidden = false;
    for (int u = 0; u < d->pin->machine->pu_count; u++) {
        has_slow |= pu_at(d, u)->is_efficient;
        has_isolated |= pu_at(d, u)->is_isolated;
        has_forbidden |= !pu_at(d, u)->is_allowed;
    }
    buf_printf(d->out, "[n] task n on a core%s%s%s%s, . free\n", has_slow ? ", ( ) an E-core" : "",
               has_isolated ? ", { } an isolated core" : "", has_house ? ", h housekeeping" : "",
               has_forbidden ? ", x not ours" : "");
}

void pin_draw(const struct pin *pin, struct buf *out)
{
    struct drawing d = {.pin = pin,
                        .out = out,
                        .task_on = calloc((size_t)pin->machine->pu_count + 1, sizeof(int)),
                        .has_colour = may_colour(),
                        .is_utf8 = says_utf8(),
                        .cell = 1};
    CHECK(d.task_on);
    find_tasks(&d);
    draw_machine(&d);
    put_legend(&d);
    free(d.task_on);
}
