// pin_why.c: the reason of each choice, in a sentence, and the values that say it in a config.
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/runtime/job.h"
#include "tools/pin.h"

const char *pin_rate(int64_t bytes_s, char out[32])
{
    static const char *const units[] = {"B/s", "kB/s", "MB/s", "GB/s", "TB/s"};
    double value = (double)bytes_s;
    int unit = 0;
    while (value >= 999.5 && unit < 4) {
        value /= 1000;
        unit++;
    }
    snprintf(out, 32, value < 9.95 && unit ? "%.1f %s" : "%.0f %s", value, units[unit]);
    return out;
}

// --- values ---

// "8-11,3": runs of ascending numbers are short, in the order that they stand in.
static void put_list(const int *numbers, int count, struct buf *out)
{
    for (int i = 0; i < count;) {
        int end = i;
        while (end + 1 < count && numbers[end + 1] == numbers[end] + 1)
            end++;
        buf_printf(out, "%s%d", i ? "," : "", numbers[i]);
        if (end > i + 1)
            buf_printf(out, "-%d", numbers[end]);
        else if (end > i)
            buf_printf(out, ",%d", numbers[end]);
        i = end + 1;
    }
}

void pin_tasks_value(const struct pin *pin, struct buf *out)
{
    int *cores = calloc((size_t)pin->plan->task_count + 1, sizeof(int));
    CHECK(cores);
    for (int t = 0; t < pin->plan->task_count; t++)
        cores[t] = pin_core(pin, t);
    put_list(cores, pin->plan->task_count, out);
    free(cores);
}

static int ascending(const void *a, const void *b)
{
    const int *x = a, *y = b;
    return (*x > *y) - (*x < *y);
}

void pin_housekeeping_value(const struct pin *pin, struct buf *out)
{
    int *cores = calloc((size_t)pin->housekeeping_count + 1, sizeof(int));
    CHECK(cores);
    for (int i = 0; i < pin->housekeeping_count; i++)
        cores[i] = pin->machine->pus[pin->housekeeping[i]].os;
    qsort(cores, (size_t)pin->housekeeping_count, sizeof(int), ascending);
    put_list(cores, pin->housekeeping_count, out);
    if (pin->housekeeping_count == 0)
        buf_append_str(out, "auto");
    free(cores);
}

// --- sentences ---

static void add_near(struct pin_near *near, enum place_class class, int64_t bytes_s)
{
    near->tasks[class]++;
    near->task_count++;
    near->bytes_s += bytes_s;
}

void pin_find_near(struct pin *pin)
{
    pin->near = calloc((size_t)pin->plan->task_count + 1, sizeof *pin->near);
    CHECK(pin->near);
    for (int c = 0; c < pin->traffic.channel_count; c++) {
        const struct traffic_channel *channel = &pin->traffic.channels[c];
        enum place_class class = cost_class(pin->machine, pin->result.units[channel->from],
                                            pin->result.units[channel->to]);
        add_near(&pin->near[channel->from], class, channel->bytes_s);
        add_near(&pin->near[channel->to], class, channel->bytes_s);
    }
}

static void put_traffic(const struct pin *pin, int task, struct buf *out)
{
    static const enum place_class order[] = {PLACE_SAME_UNIT, PLACE_SMT,     PLACE_L2,    PLACE_L3,
                                             PLACE_NODE,      PLACE_PACKAGE, PLACE_REMOTE};
    static const char *const where[] = {
        [PLACE_SAME_UNIT] = "on its own core",
        [PLACE_SMT] = "on its SMT sibling",
        [PLACE_L2] = "on its L2",
        [PLACE_L3] = "on its L3",
        [PLACE_NODE] = "on other L3s",
        [PLACE_PACKAGE] = "on other nodes",
        [PLACE_REMOTE] = "on other packages",
    };
    const struct pin_near *n = &pin->near[task];
    char rate[32];
    if (n->task_count == 0) {
        buf_append_str(out, "it has no channel, so any quiet core will do");
        return;
    }
    buf_printf(out, "%s with %d task%s", pin_rate(n->bytes_s, rate), n->task_count,
               n->task_count == 1 ? "" : "s");
    int kinds = 0;
    for (size_t i = 0; i < ARRAY_SIZE(order); i++)
        kinds += n->tasks[order[i]] > 0;
    const char *separator = kinds > 1 ? ": " : " ";
    for (size_t i = 0; i < ARRAY_SIZE(order); i++) {
        enum place_class class = order[i];
        if (n->tasks[class] == 0)
            continue;
        buf_append_str(out, separator);
        if (kinds > 1)
            buf_printf(out, "%d ", n->tasks[class]);
        buf_append_str(out, where[class]);
        separator = ", ";
    }
}

// Who else is on the unit, or on its core.
static void put_sharing(const struct pin *pin, int task, struct buf *out)
{
    int unit = pin->result.units[task], on_unit = 0, on_core = 0;
    for (int t = 0; t < pin->plan->task_count; t++) {
        if (t == task)
            continue;
        on_unit += pin->result.units[t] == unit;
        on_core += pin->machine->pus[pin->result.units[t]].core == pin->machine->pus[unit].core;
    }
    if (on_unit)
        buf_printf(out, "; shares the core with %d other%s: there are more tasks than cores",
                   on_unit, on_unit == 1 ? "" : "s");
    else if (on_core)
        buf_append_str(out, "; its SMT sibling works too: there are more tasks than cores");
}

static void put_kind(const struct pin *pin, int task, struct buf *out)
{
    const struct machine_pu *pu = &pin->machine->pus[pin->result.units[task]];
    bool is_light = pin->traffic.tasks[task].is_light;
    if (pu->is_efficient)
        buf_append_str(out, is_light ? "; an E-core will do, it only adds up results"
                                     : "; an E-core, as no P-core is left");
    if (pu->is_isolated)
        buf_append_str(out, "; isolated from all else");
    int node = pu->node, memory = pin->machine->nodes[node].memory;
    if (node != memory)
        buf_printf(out, "; its node %d has no memory, node %d gives it",
                   pin->machine->nodes[node].os, pin->machine->nodes[memory].os);
    int device = pin->device_node[task];
    if (device == node && device >= 0)
        buf_printf(out, "; %s is on this node", pin->device[task]);
    else if (device >= 0)
        buf_printf(out, "; %s is on node %d, but so near its channels cost less", pin->device[task],
                   pin->machine->nodes[device].os);
}

void pin_why(const struct pin *pin, int task, struct buf *out)
{
    put_traffic(pin, task, out);
    put_sharing(pin, task, out);
    put_kind(pin, task, out);
}

void pin_why_housekeeping(const struct pin *pin, struct buf *out)
{
    if (pin->housekeeping_count == 0) {
        buf_append_str(out, "no core is left: supervisor, copiers and spares run where the kernel "
                            "finds time");
        return;
    }
    const struct machine_pu *first = &pin->machine->pus[pin->housekeeping[0]];
    buf_append_str(out, "supervisor, copiers and spares: ");
    if (pin->housekeeping_is_given)
        buf_append_str(out, "as the config says");
    else if (pin->housekeeping_on_sibling)
        buf_append_str(out, "no core is left, so the idle sibling of the least busy task");
    else if (first->is_efficient)
        buf_append_str(out, "an E-core will do");
    else if (first->irqs_per_s > 0)
        buf_append_str(out, "away from the tasks, on the core with the most interrupts");
    else
        buf_append_str(out,
                       "away from the tasks, beginning with the core that the kernel uses most");
}
