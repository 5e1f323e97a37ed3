// place_model.c: the problem as matrices; see place_internal.h.
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/placement/place_internal.h"

static void *zeros(size_t count, size_t bytes)
{
    void *memory = calloc(count + 1, bytes);
    CHECK(memory);
    return memory;
}

static const struct machine_pu *unit_of(const struct place_model *model, int unit)
{
    return &model->problem->machine->pus[model->units[unit]];
}

// The run of units around `unit` that share its core (or its L2).
static void find_run(const struct place_model *model, int unit, bool of_core, int *begin, int *end)
{
    int own = of_core ? unit_of(model, unit)->core : unit_of(model, unit)->l2;
    *begin = unit;
    *end = unit + 1;
    while (*begin > 0 &&
           (of_core ? unit_of(model, *begin - 1)->core : unit_of(model, *begin - 1)->l2) == own)
        --*begin;
    while (*end < model->unit_count &&
           (of_core ? unit_of(model, *end)->core : unit_of(model, *end)->l2) == own)
        ++*end;
}

static void find_groups(struct place_model *model)
{
    for (int i = 0; i < model->unit_count; i++) {
        const struct machine_pu *pu = unit_of(model, i), *last = i ? unit_of(model, i - 1) : NULL;
        model->group_count += !last || last->l3 != pu->l3 || last->node != pu->node;
        model->core_count += !last || last->core != pu->core;
        model->group_of[i] = model->group_count - 1;
        find_run(model, i, true, &model->core_begin[i], &model->core_end[i]);
        find_run(model, i, false, &model->l2_begin[i], &model->l2_end[i]);
    }
}

static void find_prices(struct place_model *model)
{
    int *first = zeros((size_t)model->group_count, sizeof(int));
    for (int i = model->unit_count - 1; i >= 0; i--)
        first[model->group_of[i]] = i;
    model->prices =
        zeros((size_t)model->group_count * (size_t)model->group_count, sizeof *model->prices);
    for (int a = 0; a < model->group_count; a++)
        for (int b = 0; b < model->group_count; b++)
            model->prices[a * model->group_count + b] =
                a == b ? cost_base(PLACE_L3)
                       : cost_price(model->problem->machine, model->units[first[a]],
                                    model->units[first[b]]);
    free(first);
}

static void find_weights(struct place_model *model)
{
    const struct traffic *traffic = model->problem->traffic;
    size_t n = (size_t)model->task_count;
    model->weights = zeros(n * n, sizeof *model->weights);
    for (int c = 0; c < traffic->channel_count; c++) {
        const struct traffic_channel *channel = &traffic->channels[c];
        const size_t ways[] = {(size_t)channel->from * n + (size_t)channel->to,
                               (size_t)channel->to * n + (size_t)channel->from};
        for (int i = 0; i < 2; i++) {
            model->weights[ways[i]].bytes_s += channel->bytes_s;
            model->weights[ways[i]].frames_s += channel->frames_s;
        }
    }
}

void place_model_init(struct place_model *model, const struct place_problem *problem)
{
    size_t units = (size_t)problem->machine->pu_count;
    *model = (struct place_model){.problem = problem,
                                  .kinds = place_kinds(problem),
                                  .task_count = problem->traffic->task_count,
                                  .units = zeros(units, sizeof(int)),
                                  .group_of = zeros(units, sizeof(int)),
                                  .core_begin = zeros(units, sizeof(int)),
                                  .core_end = zeros(units, sizeof(int)),
                                  .l2_begin = zeros(units, sizeof(int)),
                                  .l2_end = zeros(units, sizeof(int))};
    for (int i = 0; i < problem->machine->pu_count; i++)
        if (problem->usable[i])
            model->units[model->unit_count++] = i;
    find_groups(model);
    find_prices(model);
    find_weights(model);
}

void place_model_fini(struct place_model *model)
{
    free(model->units);
    free(model->group_of);
    free(model->core_begin);
    free(model->core_end);
    free(model->l2_begin);
    free(model->l2_end);
    free(model->prices);
    free(model->weights);
}

struct place_score place_pair(const struct place_model *model, const int tasks[2],
                              const int units[2])
{
    const struct machine *machine = model->problem->machine;
    int a = model->units[units[0]], b = model->units[units[1]];
    struct place_price price =
        model->group_of[units[0]] != model->group_of[units[1]]
            ? place_price(model, model->group_of[units[0]], model->group_of[units[1]])
            : cost_base(cost_class(machine, a, b));
    struct place_score score = place_sharing(model->problem, tasks, (int[]){a, b});
    score.cost_ps += place_pay(place_weight(model, tasks[0], tasks[1]), price);
    return score;
}
