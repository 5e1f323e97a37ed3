// place.c: the score of a placement, and the choice between the two ways to find a good one.
#include "stages/placement/place.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/placement/place_internal.h"

enum { EXACT_TASKS_MAX = 14 };

// --- the score ---

// Picoseconds a second of `percent` of a share.
static int64_t share_ps(int64_t share, int64_t percent)
{
    return share * percent * 10000; // 1e12 ps / 1e6 / 100
}

static bool has_kind(const struct place_problem *problem, bool isolated)
{
    for (int i = 0; i < problem->machine->pu_count; i++) {
        const struct machine_pu *pu = &problem->machine->pus[i];
        if (problem->usable[i] && (isolated ? pu->is_isolated : pu->is_efficient))
            return true;
    }
    return false;
}

static int64_t rules_of(const struct traffic_task *task, const struct machine_pu *pu,
                        const struct place_kinds *kinds)
{
    int64_t rules = 0;
    if (kinds->has_isolated && !pu->is_isolated)
        rules += task->is_light ? PLACE_RULE_MERGE_OUTSIDE : PLACE_RULE_NOT_ISOLATED;
    if (pu->is_efficient && !task->is_light)
        rules += PLACE_RULE_EFFICIENT;
    if (kinds->has_efficient && !pu->is_efficient && task->is_light)
        rules += PLACE_RULE_MERGE_ON_P;
    return rules;
}

struct place_kinds place_kinds(const struct place_problem *problem)
{
    return (struct place_kinds){has_kind(problem, true), has_kind(problem, false)};
}

static int64_t device_ps(const struct place_problem *problem, int task, int unit)
{
    const struct machine *machine = problem->machine;
    int from = problem->device_node ? problem->device_node[task] : -1;
    int to = machine->pus[unit].node;
    if (from < 0 || from == to)
        return 0;
    int distance = machine_distance(machine, from, to);
    int64_t over = distance > MACHINE_DISTANCE_LOCAL ? distance - MACHINE_DISTANCE_LOCAL : 11;
    return problem->traffic->tasks[task].source_bytes_s * PLACE_DEVICE_BYTE_PS * over / 11;
}

struct place_score place_task_at(const struct place_problem *problem,
                                 const struct place_kinds *kinds, int task, int unit)
{
    const struct traffic_task *t = &problem->traffic->tasks[task];
    const struct machine_pu *pu = &problem->machine->pus[unit];
    int64_t cost = pu->irqs_per_s * PLACE_IRQ_PS;
    if (pu->is_efficient)
        cost += share_ps(t->share, PLACE_EFFICIENT_PERCENT);
    cost += share_ps(t->share, cost_memory_percent(problem->machine, unit));
    cost += device_ps(problem, task, unit);
    return (struct place_score){rules_of(t, pu, kinds), cost};
}

struct place_score place_task_score(const struct place_problem *problem, int task, int unit)
{
    struct place_kinds kinds = place_kinds(problem);
    return place_task_at(problem, &kinds, task, unit);
}

struct place_score place_sharing(const struct place_problem *problem, const int tasks[2],
                                 const int units[2])
{
    const struct traffic_task *all = problem->traffic->tasks;
    int64_t a = all[tasks[0]].share, b = all[tasks[1]].share;
    int64_t less = a < b ? a : b;
    if (units[0] == units[1])
        return (struct place_score){PLACE_RULE_SAME_UNIT, share_ps(less, 100)};
    if (problem->machine->pus[units[0]].core == problem->machine->pus[units[1]].core)
        return (struct place_score){PLACE_RULE_SMT, share_ps(less, PLACE_SMT_PERCENT)};
    return (struct place_score){0, 0};
}

int64_t place_channel_ps(const struct traffic_channel *channel, const struct machine *machine,
                         int from_unit, int to_unit)
{
    const struct place_price price = cost_price(machine, from_unit, to_unit);
    return channel->bytes_s * price.byte_ps + channel->frames_s * price.frame_ps;
}

struct place_score place_score(const struct place_problem *problem, const int *units)
{
    const struct traffic *traffic = problem->traffic;
    struct place_kinds kinds = place_kinds(problem);
    struct place_score sum = {0, 0};
    for (int t = 0; t < traffic->task_count; t++) {
        place_add(&sum, place_task_at(problem, &kinds, t, units[t]));
        for (int u = 0; u < t; u++)
            place_add(&sum, place_sharing(problem, (int[]){t, u}, (int[]){units[t], units[u]}));
    }
    for (int c = 0; c < traffic->channel_count; c++) {
        const struct traffic_channel *channel = &traffic->channels[c];
        sum.cost_ps +=
            place_channel_ps(channel, problem->machine, units[channel->from], units[channel->to]);
    }
    return sum;
}

// --- solving ---

static int check_problem(const struct place_problem *problem, struct err *err)
{
    int usable = 0;
    for (int i = 0; i < problem->machine->pu_count; i++)
        usable += problem->usable[i];
    if (usable == 0)
        return err_set(err, -EINVAL, "no core of %s may be used", problem->machine->name);
    if (problem->traffic->task_count > PLACE_TASKS_MAX)
        return err_set(err, -EINVAL, "the plan has %d tasks, at most %d can be placed",
                       problem->traffic->task_count, PLACE_TASKS_MAX);
    return 0;
}

// Tasks that differ in nothing but their number stand in the order of the units: nothing is gained
// or lost by it, and a person finds them.
static void sort_twins(const struct place_model *model, int *units)
{
    const int n = model->task_count;
    int *first = calloc((size_t)n + 1, sizeof(int)); // of each task: the first of its twins
    CHECK(first);
    for (int t = 0; t < n; t++) {
        first[t] = t;
        for (int u = 0; u < t && first[t] == t; u++)
            if (first[u] == u && place_is_twin(model, u, t))
                first[t] = u;
        for (int u = t, before = t - 1; before >= 0; before--) {
            if (first[before] != first[t] || units[before] <= units[u])
                continue;
            int moved = units[before];
            units[before] = units[u];
            units[u] = moved;
            u = before;
        }
    }
    free(first);
}

int place_solve(const struct place_problem *problem, enum place_method method,
                struct place_result *out, struct err *err)
{
    int rc = check_problem(problem, err);
    if (rc < 0)
        return rc;
    const int tasks = problem->traffic->task_count;
    struct place_model model;
    *out = (struct place_result){.units = calloc((size_t)tasks + 1, sizeof(int))};
    CHECK(out->units);
    place_model_init(&model, problem);
    int *units = calloc((size_t)tasks + 1, sizeof(int)); // indices into the model's units
    CHECK(units);
    place_search(&model, units);
    if (method == PLACE_EXACT || (method == PLACE_AUTO && tasks <= EXACT_TASKS_MAX))
        out->is_exact = place_exact(&model, method == PLACE_EXACT, units);
    sort_twins(&model, units);
    for (int t = 0; t < tasks; t++)
        out->units[t] = model.units[units[t]];
    free(units);
    place_model_fini(&model);
    out->score = place_score(problem, out->units);
    return 0;
}
