// place.h: the solver: which task runs on which unit of a machine.
//
// A placement has a score of two numbers, the first of which decides. `rules` counts, weighted so
// that one of a kind outweighs all of the kinds below it, for at most PLACE_TASKS_MAX tasks:
//
//   two tasks on one unit; two tasks on the SMT siblings of a core; a task on an E-core that is
//   more than a merge; a task beside the isolated cores while there are some; a merge on a P-core
//   while there are E-cores
//
// `cost_ps` is time, in picoseconds of a core for each second: of the channels by cost.h, of
// sharing a unit or core, of interrupts, slow cores, far memory and far devices. Both are sums over
// tasks and pairs of tasks in whole numbers, so a placement has one score, whoever adds it up.
//
// The solver is deterministic: same machine, same traffic, same placement, on every host.
#ifndef WEIR_STAGES_PLACEMENT_PLACE_H
#define WEIR_STAGES_PLACEMENT_PLACE_H

#include "stages/placement/cost.h"
#include "stages/placement/traffic.h"

enum { PLACE_TASKS_MAX = 1024 };

// Weights of the rules.
#define PLACE_RULE_SAME_UNIT     (INT64_C(1) << 32)
#define PLACE_RULE_SMT           (INT64_C(1) << 19)
#define PLACE_RULE_EFFICIENT     INT64_C(128) // more than a merge, on an E-core
#define PLACE_RULE_NOT_ISOLATED  INT64_C(32)
#define PLACE_RULE_MERGE_OUTSIDE INT64_C(4) // a merge, beside the isolated cores
#define PLACE_RULE_MERGE_ON_P    INT64_C(1)

struct place_score {
    int64_t rules, cost_ps;
};

static inline bool place_is_better(struct place_score a, struct place_score b)
{
    return a.rules < b.rules || (a.rules == b.rules && a.cost_ps < b.cost_ps);
}

struct place_problem {
    const struct machine *machine;
    const struct traffic *traffic;
    const bool *usable;     // one a unit: may a task be there? At least one may.
    const int *device_node; // one a task: node of what its source reads, -1: no matter; NULL: none
};

enum place_method { PLACE_AUTO, PLACE_EXACT, PLACE_SEARCH };

struct place_result {
    int *units; // one a task: index into machine->pus; freed by the caller with free()
    struct place_score score;
    bool is_exact; // proved to be the best
};

// AUTO: the search, then branch and bound from there where the problem is small; EXACT: also where
// it takes long; SEARCH: no proof is tried. 0, or -EINVAL with a text when no unit is usable or
// there are too many tasks.
int place_solve(const struct place_problem *problem, enum place_method method,
                struct place_result *out, struct err *err);

// The score of any placement.
struct place_score place_score(const struct place_problem *problem, const int *units);

// The parts of it: what a task costs where it is, by itself, and what a channel costs.
struct place_score place_task_score(const struct place_problem *problem, int task, int unit);
int64_t place_channel_ps(const struct traffic_channel *channel, const struct machine *machine,
                         int from_unit, int to_unit);

// Two tasks that share a unit or a core, without what they send each other.
struct place_score place_sharing(const struct place_problem *problem, const int tasks[2],
                                 const int units[2]);

#endif
