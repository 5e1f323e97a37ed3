// pin_propose.c: from a job and a machine to a placement.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/placement/topology.h"
#include "stages/runtime/job.h"
#include "tools/cores.h"
#include "tools/pin.h"

enum {
    HOUSEKEEPING_FROM = 4, // with fewer cores the tasks take all
    TASKS_A_HOUSEKEEPER = 16,
    AVERAGE_UNITS_MAX = 256,
};

// --- the machine, as the tasks may use it ---

// Cores that are no E-cores (and isolated, where some are), and all of them.
static int count_cores(const struct machine *machine, bool only_good)
{
    bool has_isolated = false;
    for (int i = 0; i < machine->pu_count; i++)
        has_isolated |= machine->pus[i].is_allowed && machine->pus[i].is_isolated;
    int count = 0, last = -1;
    for (int i = 0; i < machine->pu_count; i++) {
        const struct machine_pu *pu = &machine->pus[i];
        bool is_good = !pu->is_efficient && (!has_isolated || pu->is_isolated);
        if (!pu->is_allowed || pu->core == last || (only_good && !is_good))
            continue;
        count++;
        last = pu->core;
    }
    return count;
}

static int limit_to_list(struct pin *pin, struct err *err)
{
    const struct config_cores *cores = &pin->load.config->placement.cores;
    int found = 0;
    if (!cores->list)
        return COMMAND_OK;
    for (int i = 0; i < pin->machine->pu_count; i++)
        pin->usable[i] = false;
    for (int i = 0; i < cores->count; i++) {
        int core = cores_at(cores->list, i), unit = machine_find(pin->machine, core);
        if (unit < 0 || !pin->machine->pus[unit].is_allowed) {
            err_set(err, -EINVAL,
                    "placement.cores is \"%s\", but core %d of %s %s; write auto, or how many",
                    cores->list, core, pin->machine->name,
                    unit < 0 ? "does not exist" : "is not one that may be used");
            return COMMAND_CONFIG;
        }
        found += !pin->usable[unit];
        pin->usable[unit] = true;
    }
    return found ? COMMAND_OK : COMMAND_CONFIG;
}

// --- the plan ---

int pin_plan_for(const struct pin *pin, int cores, struct plan **out, struct err *err)
{
    const struct plan_settings settings = {
        .file_name = pin->load.config->sql, .sql = buf_slice(&pin->load.sql), .cores = cores};
    return plan_make(&settings, out, err) ? COMMAND_CONFIG : COMMAND_OK;
}

static int heavy_tasks(const struct plan *plan)
{
    struct traffic traffic;
    int count = 0;
    traffic_init(plan, &traffic);
    for (int t = 0; t < traffic.task_count; t++)
        count += !traffic.tasks[t].is_light;
    traffic_fini(&traffic);
    return count;
}

// `auto`: the largest plan whose tasks have a core each, with cores left for housekeeping.
static int plan_for_machine(struct pin *pin, struct err *err)
{
    int good = count_cores(pin->machine, true), all = count_cores(pin->machine, false);
    if (good == 0)
        good = all;
    int spared = 0; // one for each sixteen tasks, where no E-core and no core beside is at hand
    if (good == all && all >= HOUSEKEEPING_FROM)
        spared = (all + TASKS_A_HOUSEKEEPER) / (TASKS_A_HOUSEKEEPER + 1);
    for (int cores = good - spared; cores >= 1; cores--) {
        struct plan *plan;
        int status = pin_plan_for(pin, cores, &plan, err);
        if (status)
            return status;
        bool fits = heavy_tasks(plan) <= good - spared && plan->task_count <= all - spared;
        bool is_small = all < HOUSEKEEPING_FROM || cores == 1;
        if (plan->task_count <= PLACE_TASKS_MAX && (fits || is_small)) {
            pin->plan = plan;
            pin->cores = cores;
            return COMMAND_OK;
        }
        plan_free(plan);
    }
    err_set(err, -EINVAL, "%s has no core for the job", pin->machine->name);
    return COMMAND_CONFIG;
}

static int choose_plan(struct pin *pin, struct err *err)
{
    int wanted = pin->load.config->placement.cores.count;
    if (wanted == CONFIG_AUTO)
        return plan_for_machine(pin, err);
    pin->plan = pin->load.plan;
    pin->cores = wanted;
    return COMMAND_OK;
}

// --- housekeeping ---

static bool is_better_housekeeper(const struct machine_pu *a, const struct machine_pu *b)
{
    if (a->is_isolated != b->is_isolated)
        return !a->is_isolated;
    if (a->is_efficient != b->is_efficient)
        return a->is_efficient;
    if (a->irqs_per_s != b->irqs_per_s)
        return a->irqs_per_s > b->irqs_per_s;
    if (a->irqs != b->irqs)
        return a->irqs > b->irqs;
    return a->os < b->os;
}

static void take_housekeeper(struct pin *pin, int unit)
{
    pin->housekeeping[pin->housekeeping_count++] = unit;
    for (int i = 0; i < pin->machine->pu_count; i++)
        if (pin->machine->pus[i].core == pin->machine->pus[unit].core)
            pin->usable[i] = false; // its sibling would not be quiet either
}

static int count_usable(const struct pin *pin)
{
    int count = 0, last = -1;
    for (int i = 0; i < pin->machine->pu_count; i++) {
        count += pin->usable[i] && pin->machine->pus[i].core != last;
        last = pin->usable[i] ? pin->machine->pus[i].core : last;
    }
    return count;
}

// Cores that the config names are the config's to give; some must be left.
static int take_given(struct pin *pin, struct err *err)
{
    const struct config_cores *given = &pin->load.config->placement.housekeeping;
    pin->housekeeping_is_given = true;
    for (int i = 0; i < given->count; i++) {
        int core = cores_at(given->list, i), unit = machine_find(pin->machine, core);
        if (unit < 0 || !pin->machine->pus[unit].is_allowed) {
            err_set(err, -EINVAL, "placement.housekeeping is \"%s\", but core %d of %s %s",
                    given->list, core, pin->machine->name,
                    unit < 0 ? "does not exist" : "is not one that may be used");
            return COMMAND_CONFIG;
        }
        pin->housekeeping[pin->housekeeping_count++] = unit;
        pin->usable[unit] = false;
    }
    if (count_usable(pin) > 0)
        return COMMAND_OK;
    err_set(err, -EINVAL, "placement.housekeeping is \"%s\": no core is left for the tasks",
            given->list);
    return COMMAND_CONFIG;
}

// Before the tasks are placed: the core that suits them least, where there are more than tasks.
static int reserve_housekeeper(struct pin *pin, struct err *err)
{
    int best = -1;
    if (pin->load.config->placement.housekeeping.list)
        return take_given(pin, err);
    if (count_usable(pin) <= pin->plan->task_count)
        return COMMAND_OK;
    for (int i = 0; i < pin->machine->pu_count; i++)
        if (pin->usable[i] &&
            (best < 0 || is_better_housekeeper(&pin->machine->pus[i], &pin->machine->pus[best])))
            best = i;
    take_housekeeper(pin, best);
    return COMMAND_OK;
}

static bool core_has_task(const struct pin *pin, int unit)
{
    for (int t = 0; t < pin->plan->task_count; t++)
        if (pin->machine->pus[pin->result.units[t]].core == pin->machine->pus[unit].core)
            return true;
    return false;
}

// Tasks of the unit's package that have no housekeeper in it yet.
static int package_needs(const struct pin *pin, int unit)
{
    int package = pin->machine->pus[unit].package, tasks = 0;
    for (int t = 0; t < pin->plan->task_count; t++)
        tasks += pin->machine->pus[pin->result.units[t]].package == package;
    for (int i = 0; i < pin->housekeeping_count; i++)
        if (pin->machine->pus[pin->housekeeping[i]].package == package)
            tasks -= TASKS_A_HOUSEKEEPER;
    return tasks;
}

// Behind the placement: more of what is left, one for each sixteen tasks, near them.
static void add_housekeepers(struct pin *pin)
{
    int wanted = (pin->plan->task_count + TASKS_A_HOUSEKEEPER - 1) / TASKS_A_HOUSEKEEPER;
    if (pin->housekeeping_is_given || pin->housekeeping_count == 0)
        return;
    while (pin->housekeeping_count < wanted) {
        int best = -1;
        for (int i = 0; i < pin->machine->pu_count; i++) {
            if (!pin->usable[i] || core_has_task(pin, i))
                continue;
            int need = package_needs(pin, i), most = best < 0 ? 0 : package_needs(pin, best);
            if (best < 0 || need > most ||
                (need == most &&
                 is_better_housekeeper(&pin->machine->pus[i], &pin->machine->pus[best])))
                best = i;
        }
        if (best < 0)
            return;
        take_housekeeper(pin, best);
    }
}

// No core is left: the idle sibling of the least busy task, where there are siblings.
static void take_sibling(struct pin *pin)
{
    int best = -1;
    for (int t = 0; t < pin->plan->task_count && pin->housekeeping_count == 0; t++) {
        int unit = pin->result.units[t];
        for (int i = 0; i < pin->machine->pu_count; i++) {
            bool is_sibling =
                i != unit && pin->machine->pus[i].core == pin->machine->pus[unit].core;
            bool is_taken = !pin->usable[i];
            for (int u = 0; u < pin->plan->task_count; u++)
                is_taken |= pin->result.units[u] == i;
            if (is_sibling && !is_taken &&
                (best < 0 || pin->traffic.tasks[t].share < pin->traffic.tasks[best].share)) {
                best = t;
                pin->housekeeping[0] = i;
            }
        }
    }
    pin->housekeeping_on_sibling = best >= 0;
    pin->housekeeping_count += best >= 0;
}

// --- sources ---

static const char *option_of(const struct plan_table *table, const char *key)
{
    for (int i = 0; i < table->option_count; i++)
        if (strcmp(table->options[i].key, key) == 0)
            return table->options[i].value;
    return NULL;
}

static int given_device(const struct pin *pin, struct err *err)
{
    const struct machine *machine = pin->machine;
    for (int i = 0; i < machine->device_count; i++)
        if (strcmp(machine->devices[i].name, pin->options->device) == 0)
            return machine->devices[i].node;
    err_set(err, -ENODEV, "%s has no device %s that is near one node", machine->name,
            pin->options->device);
    for (int i = 0; i < machine->device_count && i < 16; i++)
        err_append(err, -ENODEV, "%s: node %d", machine->devices[i].name,
                   machine->nodes[machine->devices[i].node].os);
    return -1;
}

static int find_devices(struct pin *pin, struct err *err)
{
    int node = pin->options->device ? given_device(pin, err) : -1;
    if (pin->options->device && node < 0)
        return COMMAND_USAGE;
    for (int t = 0; t < pin->plan->task_count; t++) {
        int subtask;
        const struct op *op = plan_stage_of(pin->plan, t, &subtask)->ops[0];
        pin->device_node[t] = -1;
        if (op->kind != OP_SOURCE)
            continue;
        const char *path = option_of(op->table, "path");
        if (pin->options->device) {
            pin->device_node[t] = node;
            snprintf(pin->device[t], PIN_DEVICE_BYTES, "%s", pin->options->device);
        } else if (path && pin->machine->node_count > 1) {
            pin->device_node[t] = topology_device_of(pin->machine, path, pin->device[t]);
        }
    }
    return COMMAND_OK;
}

// --- before ---

// What a channel costs when its ends may be anywhere: the mean over pairs of units.
static struct place_price average_price(const struct pin *pin)
{
    const struct machine *machine = pin->machine;
    int step = machine->pu_count / AVERAGE_UNITS_MAX + 1;
    int64_t byte = 0, frame = 0, pairs = 0;
    for (int a = 0; a < machine->pu_count; a += step)
        for (int b = 0; b < machine->pu_count; b += step) {
            if (a == b || !machine->pus[a].is_allowed || !machine->pus[b].is_allowed)
                continue;
            struct place_price price = cost_price(machine, a, b);
            byte += price.byte_ps;
            frame += price.frame_ps;
            pairs++;
        }
    return pairs ? (struct place_price){byte / pairs, frame / pairs} : cost_base(PLACE_SAME_UNIT);
}

// Where each task is by the config, or was when it was looked at; false: not all are known.
static bool find_before(struct pin *pin)
{
    const struct config *config = pin->load.config;
    const struct config_tasks *tasks = &config->placement.tasks;
    bool is_pinned =
        tasks->list ? tasks->count == pin->plan->task_count : config->placement.cores.list != NULL;
    int *cpus = is_pinned ? cores_assign(config, pin->plan->task_count) : NULL;
    bool is_known = true;
    for (int t = 0; t < pin->plan->task_count; t++) {
        int core = pin->traffic.is_observed ? pin->traffic.tasks[t].cpu : cpus ? cpus[t] : -1;
        pin->before_units[t] = core < 0 ? -1 : machine_find(pin->machine, core);
        is_known &= pin->before_units[t] >= 0;
    }
    pin->before = !is_known                  ? PIN_BEFORE_KERNEL
                  : pin->traffic.is_observed ? PIN_BEFORE_OBSERVED
                                             : PIN_BEFORE_CONFIG;
    free(cpus);
    return is_known;
}

int64_t pin_before_ps(const struct pin *pin, int channel)
{
    const struct traffic_channel *c = &pin->traffic.channels[channel];
    if (pin->before_units)
        return place_channel_ps(c, pin->machine, pin->before_units[c->from],
                                pin->before_units[c->to]);
    return c->bytes_s * pin->before_price.byte_ps + c->frames_s * pin->before_price.frame_ps;
}

int64_t pin_after_ps(const struct pin *pin, int channel)
{
    const struct traffic_channel *c = &pin->traffic.channels[channel];
    return place_channel_ps(c, pin->machine, pin->result.units[c->from], pin->result.units[c->to]);
}

const char *pin_before_class(const struct pin *pin, int channel)
{
    const struct traffic_channel *c = &pin->traffic.channels[channel];
    if (!pin->before_units)
        return "anywhere";
    return cost_class_name(
        cost_class(pin->machine, pin->before_units[c->from], pin->before_units[c->to]));
}

const char *pin_after_class(const struct pin *pin, int channel)
{
    const struct traffic_channel *c = &pin->traffic.channels[channel];
    return cost_class_name(
        cost_class(pin->machine, pin->result.units[c->from], pin->result.units[c->to]));
}

int pin_memory_node(const struct pin *pin, int task)
{
    const struct machine *machine = pin->machine;
    return machine->nodes[machine->nodes[machine->pus[pin->result.units[task]].node].memory].os;
}

// --- the whole ---

static void make_room(struct pin *pin)
{
    size_t units = (size_t)pin->machine->pu_count, tasks = (size_t)pin->plan->task_count;
    pin->housekeeping = calloc(units + 1, sizeof(int));
    pin->device_node = calloc(tasks + 1, sizeof(int));
    pin->device = calloc(tasks + 1, sizeof *pin->device);
    pin->before_units = calloc(tasks + 1, sizeof(int));
    CHECK(pin->housekeeping && pin->device_node && pin->device && pin->before_units);
}

static int find_usable(struct pin *pin, struct err *err)
{
    pin->usable = calloc((size_t)pin->machine->pu_count + 1, sizeof(bool));
    CHECK(pin->usable);
    for (int i = 0; i < pin->machine->pu_count; i++)
        pin->usable[i] = pin->machine->pus[i].is_allowed;
    return limit_to_list(pin, err);
}

static int solve(struct pin *pin, struct err *err)
{
    pin->problem =
        (struct place_problem){pin->machine, &pin->traffic, pin->usable, pin->device_node};
    if (place_solve(&pin->problem, PLACE_AUTO, &pin->result, err))
        return COMMAND_CONFIG;
    add_housekeepers(pin);
    take_sibling(pin);
    pin_find_near(pin);
    if (!find_before(pin)) {
        free(pin->before_units);
        pin->before_units = NULL;
        pin->before_price = average_price(pin);
    }
    return COMMAND_OK;
}

int pin_propose(struct pin *pin, struct err *err)
{
    if (topology_read(pin->options->topology, &pin->machine, err))
        return COMMAND_CONFIG;
    int status = find_usable(pin, err);
    if (!status)
        status = pin->options->observe_ms ? pin_observe(pin, err) : choose_plan(pin, err);
    if (status)
        return status;
    if (!pin->options->observe_ms)
        traffic_model(pin->plan, &pin->traffic);
    make_room(pin);
    status = find_devices(pin, err);
    if (!status)
        status = reserve_housekeeper(pin, err);
    return status ? status : solve(pin, err);
}

void pin_fini(struct pin *pin)
{
    if (pin->plan && pin->plan != pin->load.plan)
        plan_free(pin->plan);
    traffic_fini(&pin->traffic);
    traffic_fini(&pin->after);
    machine_free(pin->machine);
    free(pin->usable);
    free(pin->device_node);
    free(pin->device);
    free(pin->housekeeping);
    free(pin->before_units);
    free(pin->near);
    free(pin->applied);
    free(pin->result.units);
    job_load_fini(&pin->load);
}
