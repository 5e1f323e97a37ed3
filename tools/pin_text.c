// pin_text.c: a proposal as text: picture, reasons, prices, the line for the config.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/runtime/job.h"
#include "tools/pin.h"

enum { CHANNELS_SHOWN = 12, WIDTH = 96, INDENT = 4 };

// "3 packages", "1 core".
static void put_count(struct buf *out, int count, const char *what)
{
    buf_printf(out, "%d %s%s", count, what, count == 1 ? "" : "s");
}

static void put_machine(const struct pin *pin, struct buf *out)
{
    const struct machine *m = pin->machine;
    int cores, units = machine_usable(m, &cores);
    buf_printf(out, "%s: ", m->name);
    put_count(out, m->package_count, "package");
    buf_append_str(out, ", ");
    put_count(out, m->node_count, "node");
    buf_append_str(out, ", ");
    put_count(out, m->l3_count, "L3 group");
    buf_append_str(out, ", ");
    put_count(out, m->core_count, "core");
    if (m->pu_count > m->core_count)
        buf_printf(out, ", %d threads", m->pu_count);
    if (units < m->pu_count)
        buf_printf(out, "; %d core%s may be used", cores, cores == 1 ? "" : "s");
    buf_append_str(out, "\n");
}

static void put_head(const struct pin *pin, struct buf *out)
{
    char rate[32];
    buf_printf(out, "%s: ", pin->options->path);
    put_count(out, pin->plan->task_count, "task");
    buf_printf(out, ", a plan for %d core%s\n", pin->cores, pin->cores == 1 ? "" : "s");
    put_machine(pin, out);
    if (pin->traffic.is_observed)
        buf_printf(out, "traffic: observed for %.1f s, %lld rows/s in\n", pin->traffic.seconds,
                   (long long)pin->traffic.rows_in_s);
    else
        buf_printf(out,
                   "traffic: a model of the plan, %lld rows/s in; `weir pin --observe` looks "
                   "at the running job\n",
                   (long long)pin->traffic.rows_in_s);
    int64_t all = 0;
    for (int c = 0; c < pin->traffic.channel_count; c++)
        all += pin->traffic.channels[c].bytes_s;
    if (pin->traffic.channel_count)
        buf_printf(out, "channels: %d, %s in all\n", pin->traffic.channel_count,
                   pin_rate(all, rate));
}

// --- reasons ---

// Up to the next space, or behind the next comma of a list.
static int word_length(const char *text)
{
    int length = (int)strcspn(text, " ,");
    return length + (text[length] == ',');
}

// A paragraph from column `indent` on, in lines of WIDTH.
static void put_wrapped(struct buf *out, const char *text, int indent)
{
    int at = indent;
    while (*text) {
        int word = word_length(text);
        if (at > indent && at + word > WIDTH) {
            buf_printf(out, "\n%*s", indent, "");
            at = indent;
        }
        buf_printf(out, "%.*s", word, text);
        at += word;
        text += word;
        if (*text == ' ') {
            text++;
            if (*text && at + 1 + word_length(text) <= WIDTH)
                buf_append_char(out, ' ');
            at++;
        }
    }
    buf_append_char(out, '\n');
}

// The tasks that `group` marks as `wanted`, or their cores: "0,4-7".
static void put_list(const struct pin *pin, const int *group, int wanted, bool cores,
                     struct buf *out)
{
    int last = -2, run = 0;
    bool is_first = true;
    for (int t = 0; t <= pin->plan->task_count; t++) {
        bool is_in = t < pin->plan->task_count && group[t] == wanted;
        int number = !is_in ? -2 : cores ? pin_core(pin, t) : t;
        if (t < pin->plan->task_count && !is_in)
            continue;
        if (is_in && number == last + 1) {
            last = number;
            run++;
            continue;
        }
        if (run > 0)
            buf_printf(out, "%s%d", run > 1 ? "-" : ",", last);
        if (is_in)
            buf_printf(out, "%s%d", is_first ? "" : ",", number);
        is_first = false;
        last = number;
        run = 0;
    }
}

// Tasks of one stage with one reason are told together: of each task, the first of its group.
static int *group_tasks(const struct pin *pin, struct buf *reasons)
{
    int *group = calloc((size_t)pin->plan->task_count + 1, sizeof(int));
    CHECK(group);
    for (int t = 0; t < pin->plan->task_count; t++) {
        pin_why(pin, t, &reasons[t]);
        group[t] = t;
        for (int u = pin->plan->stages[pin->traffic.tasks[t].stage].first_task; u < t; u++) {
            if (group[u] != u || strcmp(buf_str(&reasons[u]), buf_str(&reasons[t])) != 0)
                continue;
            group[t] = u;
            break;
        }
    }
    return group;
}

static void put_group(const struct pin *pin, const int *group, int first, const char *why,
                      struct buf *out)
{
    struct buf head = {.data = NULL};
    put_list(pin, group, first, false, &head);
    buf_append_str(&head, " on ");
    put_list(pin, group, first, true, &head);
    buf_printf(&head, ": %s", pin->plan->stages[pin->traffic.tasks[first].stage].name);
    put_wrapped(out, buf_str(&head), 0);
    buf_printf(out, "%*s", INDENT, "");
    put_wrapped(out, why, INDENT);
    buf_fini(&head);
}

static void put_reasons(const struct pin *pin, struct buf *out)
{
    size_t count = (size_t)pin->plan->task_count + 1;
    struct buf *reasons = calloc(count, sizeof *reasons), text = {.data = NULL};
    CHECK(reasons);
    int *group = group_tasks(pin, reasons);
    buf_append_str(out, "\ntasks on cores\n");
    for (int t = 0; t < pin->plan->task_count; t++)
        if (group[t] == t)
            put_group(pin, group, t, buf_str(&reasons[t]), out);
    buf_append_str(out, "housekeeping on ");
    pin_housekeeping_value(pin, out);
    buf_printf(out, "\n%*s", INDENT, "");
    pin_why_housekeeping(pin, &text);
    put_wrapped(out, buf_str(&text), INDENT);
    buf_fini(&text);
    for (size_t t = 0; t < count; t++)
        buf_fini(&reasons[t]);
    free(reasons);
    free(group);
}

// --- prices ---

// Picoseconds a second as a share of a core.
static const char *percent(int64_t ps, char out[32])
{
    snprintf(out, 32, "%.2f %%", (double)ps / 1e10);
    return out;
}

static int busiest_first(const void *a, const void *b, void *traffic)
{
    const struct traffic_channel *channels = ((const struct traffic *)traffic)->channels;
    int x = *(const int *)a, y = *(const int *)b;
    int64_t bx = channels[x].bytes_s, by = channels[y].bytes_s;
    return bx != by ? (bx < by ? 1 : -1) : (x > y) - (x < y);
}

static void put_channel(const struct pin *pin, int c, struct buf *out)
{
    const struct traffic_channel *channel = &pin->traffic.channels[c];
    char way[32], rate[32], before[32], after[32];
    snprintf(way, sizeof way, "%d -> %d", channel->from, channel->to);
    buf_printf(out, "%-13s %10s   %-13s %9s   %-13s %9s\n", way, pin_rate(channel->bytes_s, rate),
               pin_before_class(pin, c), percent(pin_before_ps(pin, c), before),
               pin_after_class(pin, c), percent(pin_after_ps(pin, c), after));
}

static void put_total(const struct pin *pin, struct buf *out)
{
    int64_t before = 0, after = 0, bytes = 0;
    char rate[32], a[32], b[32];
    for (int c = 0; c < pin->traffic.channel_count; c++) {
        before += pin_before_ps(pin, c);
        after += pin_after_ps(pin, c);
        bytes += pin->traffic.channels[c].bytes_s;
    }
    buf_printf(out, "%-13s %10s   %-13s %9s   %-13s %9s\n", "all", pin_rate(bytes, rate), "",
               percent(before, a), "", percent(after, b));
    if (after > 0 && before > 0)
        buf_printf(out, "\nthe channels cost %.2f times %s\n", (double)after / (double)before,
                   pin->before == PIN_BEFORE_KERNEL
                       ? "what they cost on average where the kernel decides"
                   : pin->before == PIN_BEFORE_CONFIG ? "what they cost as the config has it"
                                                      : "what they cost where the tasks ran");
}

static void put_prices(const struct pin *pin, struct buf *out)
{
    int count = pin->traffic.channel_count;
    if (count == 0) {
        buf_append_str(out, "\nno channel: nothing to pay for\n");
        return;
    }
    int *order = calloc((size_t)count, sizeof(int));
    CHECK(order);
    for (int c = 0; c < count; c++)
        order[c] = c;
    struct traffic traffic = pin->traffic;
    qsort_r(order, (size_t)count, sizeof(int), busiest_first, &traffic);
    buf_printf(out, "\n%-13s %10s   %-23s   %s\n", "channel", "", "now, of a core",
               "proposed, of a core");
    for (int i = 0; i < count && i < CHANNELS_SHOWN; i++)
        put_channel(pin, order[i], out);
    if (count > CHANNELS_SHOWN)
        buf_printf(out, "%d more\n", count - CHANNELS_SHOWN);
    put_total(pin, out);
    free(order);
}

// --- notes ---

static void put_memory(const struct pin *pin, struct buf *out)
{
    if (pin->machine->node_count < 2)
        return;
    buf_append_str(out, "\nmemory of arenas, and of rings (where they are read):");
    for (int n = 0; n < pin->machine->node_count; n++) {
        int tasks = 0, os = pin->machine->nodes[n].os;
        for (int t = 0; t < pin->plan->task_count; t++)
            tasks += pin_memory_node(pin, t) == os;
        if (tasks)
            buf_printf(out, " node %d: %d task%s;", os, tasks, tasks == 1 ? "" : "s");
    }
    out->data[out->len - 1] = '\n';
}

static void put_notes(const struct pin *pin, struct buf *out)
{
    int slow = 0, busy = 0;
    for (int t = 0; t < pin->plan->task_count; t++) {
        const struct machine_pu *pu = &pin->machine->pus[pin->result.units[t]];
        slow += pu->has_governor && !pu->is_performance;
        busy += pu->irqs_per_s >= 1000;
    }
    if (slow)
        buf_printf(out,
                   "\nnote: the frequency governor of %d of these cores is not `performance`\n",
                   slow);
    if (busy)
        buf_printf(out,
                   "\nnote: %d of these cores get more than 1,000 interrupts a second; their "
                   "affinity is in /proc/irq\n",
                   busy);
    int cores, units = machine_usable(pin->machine, &cores);
    if (pin->plan->task_count > units)
        buf_printf(
            out,
            "\nnote: %d tasks on %d core%s: the kernel shares each core out among its tasks, and "
            "moves none to an idle one;\nwhere other programs run too, `placement.tasks: "
            "auto` may be the better choice (--apply measures)\n",
            pin->plan->task_count, units, units == 1 ? "" : "s");
    buf_printf(out, "\n%s\n",
               pin->result.is_exact ? "no placement is better, by these rules and prices (proved)"
                                    : "found by search; too large to prove that none is better");
}

void pin_print(const struct pin *pin, struct buf *out)
{
    struct buf tasks = {.data = NULL}, house = {.data = NULL};
    put_head(pin, out);
    buf_append_char(out, '\n');
    pin_draw(pin, out);
    put_reasons(pin, out);
    put_prices(pin, out);
    put_memory(pin, out);
    put_notes(pin, out);
    pin_tasks_value(pin, &tasks);
    pin_housekeeping_value(pin, &house);
    const char *list = pin->load.config->placement.cores.list;
    buf_append_str(out, "\nplacement: {cores: ");
    if (list)
        buf_printf(out, "\"%s\"", list);
    else
        buf_printf(out, "%d", pin->cores);
    const char *quote = pin->housekeeping_count ? "\"" : "";
    buf_printf(out, ", tasks: \"%s\", housekeeping: %s%s%s}\n", buf_str(&tasks), quote,
               buf_str(&house), quote);
    buf_fini(&tasks);
    buf_fini(&house);
}
