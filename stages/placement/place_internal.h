// place_internal.h: what the two solvers share: the problem as matrices.
#ifndef WEIR_STAGES_PLACEMENT_PLACE_INTERNAL_H
#define WEIR_STAGES_PLACEMENT_PLACE_INTERNAL_H

#include "stages/placement/place.h"

struct place_kinds {
    bool has_isolated, has_efficient; // among the usable units
};

struct place_weight {
    int64_t bytes_s, frames_s; // between two tasks, both ways
};

// Units are numbered by their place among the usable ones, in the order of the machine's tree. A
// group is the units that share node and L3: seen from another group they are all the same.
struct place_model {
    const struct place_problem *problem;
    struct place_kinds kinds;
    int task_count, unit_count, core_count, group_count;
    int *units;                   // of each usable unit: its index in the machine
    int *group_of;                // of each usable unit
    int *core_begin, *core_end;   // of each: the units of its core
    int *l2_begin, *l2_end;       // and of its L2
    struct place_price *prices;   // group x group; within a group: of the same L3
    struct place_weight *weights; // task x task
};

void place_model_init(struct place_model *model, const struct place_problem *problem);
void place_model_fini(struct place_model *model);

struct place_kinds place_kinds(const struct place_problem *problem);
struct place_score place_task_at(const struct place_problem *problem,
                                 const struct place_kinds *kinds, int task, int unit);

// Greedy, then local search. units: one a task, as the model numbers them.
void place_search(const struct place_model *model, int *units);

// Branch and bound. `units` holds the best known placement and is replaced by a better one. true:
// it is proved that there is none. `patient`: take as long as it takes.
bool place_exact(const struct place_model *model, bool patient, int *units);

static inline void place_add(struct place_score *sum, struct place_score part)
{
    sum->rules += part.rules;
    sum->cost_ps += part.cost_ps;
}

static inline const struct place_weight *place_weight(const struct place_model *model, int a, int b)
{
    return &model->weights[(size_t)a * (size_t)model->task_count + (size_t)b];
}

static inline struct place_price place_price(const struct place_model *model, int a, int b)
{
    return model->prices[a * model->group_count + b];
}

static inline int64_t place_pay(const struct place_weight *weight, struct place_price price)
{
    return weight->bytes_s * price.byte_ps + weight->frames_s * price.frame_ps;
}

// What a task costs at one of the model's units, by itself.
static inline struct place_score place_alone(const struct place_model *model, int task, int unit)
{
    return place_task_at(model->problem, &model->kinds, task, model->units[unit]);
}

// Do two tasks differ in nothing but their number?
bool place_is_twin(const struct place_model *model, int a, int b);

// What two tasks cost each other at two of the model's units.
struct place_score place_pair(const struct place_model *model, const int tasks[2],
                              const int units[2]);

#endif
