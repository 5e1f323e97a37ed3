// place_search.c: good placements of problems of any size: greedy from several starts, local search
// by moves and swaps, and for small ones some kicks.
//
// What a task would cost in each group is kept in a table that follows every move, so a move or
// swap is priced without looking at the channels: only what shares an L2 is looked at one by one.
// All work is counted, not timed: the answer does not depend on the host.
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/placement/place_internal.h"

enum {
    SMALL_TASKS = 64,  // these get more starts, and kicks
    STARTS_SMALL = 16, // groups to begin with
    STARTS_LARGE = 2,
    KICKS = 60, // for small problems
    KICK_SWAPS = 3,
    PASSES_MAX = 30,
    PRICINGS_MAX = 4000000 // of one local search: about a quarter of a second
};

struct search {
    const struct place_model *model;
    int *units;        // of each task; -1: not placed yet
    int *first, *next; // tasks on each unit; the next on the same unit; -1: no more
    int64_t *in_group; // task x group: what its channels to the placed tasks cost from there
    int *twin;         // of each task: the first that is like it in all respects
    bool is_crowded;   // more tasks than units
    bool has_near;     // units share cores or L2s
    int64_t pricings;
    uint64_t random;
};

// --- what is where ---

static int64_t *in_group(const struct search *s, int task)
{
    return &s->in_group[(size_t)task * (size_t)s->model->group_count];
}

// The task's being in a group counts for all others, or no longer.
static void count(struct search *s, int task, int unit, int sign)
{
    const struct place_model *m = s->model;
    int from = m->group_of[unit];
    for (int other = 0; other < m->task_count; other++) {
        const struct place_weight *weight = place_weight(m, task, other);
        if (weight->bytes_s == 0 && weight->frames_s == 0)
            continue;
        int64_t *costs = in_group(s, other);
        for (int g = 0; g < m->group_count; g++)
            costs[g] += sign * place_pay(weight, place_price(m, g, from));
    }
}

static void link_task(struct search *s, int task, int unit)
{
    s->units[task] = unit;
    s->next[task] = s->first[unit];
    s->first[unit] = task;
}

static void unlink_task(struct search *s, int task)
{
    int *at = &s->first[s->units[task]];
    while (*at != task)
        at = &s->next[*at];
    *at = s->next[task];
    s->units[task] = -1;
}

static void put(struct search *s, int task, int unit)
{
    if (s->units[task] >= 0) {
        count(s, task, s->units[task], -1);
        unlink_task(s, task);
    }
    link_task(s, task, unit);
    count(s, task, unit, 1);
}

// --- prices ---

// Of sharing a unit, a core or an L2 with others, beyond what sharing the L3 would cost.
static struct place_score near_by(struct search *s, int task, int unit)
{
    const struct place_model *m = s->model;
    struct place_score sum = {0, 0};
    for (int at = m->l2_begin[unit]; at < m->l2_end[unit]; at++) {
        for (int other = s->first[at]; other >= 0; other = s->next[other]) {
            if (other == task)
                continue;
            place_add(&sum, place_pair(m, (int[]){task, other}, (int[]){unit, at}));
            sum.cost_ps -= place_pay(place_weight(m, task, other), cost_base(PLACE_L3));
            s->pricings++;
        }
    }
    return sum;
}

// What the task costs at a unit, with all others where they are.
static struct place_score price(struct search *s, int task, int unit)
{
    const struct place_model *m = s->model;
    struct place_score sum = place_alone(m, task, unit);
    s->pricings++;
    sum.cost_ps += in_group(s, task)[m->group_of[unit]];
    place_add(&sum, near_by(s, task, unit));
    return sum;
}

static struct place_score less(struct place_score a, struct place_score b)
{
    return (struct place_score){a.rules - b.rules, a.cost_ps - b.cost_ps};
}

static bool is_gain(struct place_score delta)
{
    return delta.rules < 0 || (delta.rules == 0 && delta.cost_ps < 0);
}

// Of the channels alone, when two tasks change places.
static int64_t swap_channels(const struct search *s, int a, int b)
{
    const struct place_model *m = s->model;
    int ga = m->group_of[s->units[a]], gb = m->group_of[s->units[b]];
    if (ga == gb)
        return 0;
    const struct place_weight *mutual = place_weight(m, a, b);
    return in_group(s, a)[gb] - in_group(s, a)[ga] + in_group(s, b)[ga] - in_group(s, b)[gb] -
           place_pay(mutual, place_price(m, ga, ga)) - place_pay(mutual, place_price(m, gb, gb)) +
           2 * place_pay(mutual, place_price(m, ga, gb));
}

// Of all else: tried out.
static struct place_score swap_rest(struct search *s, int a, int b)
{
    const struct place_model *m = s->model;
    int ua = s->units[a], ub = s->units[b];
    struct place_score before = place_alone(m, a, ua), after = place_alone(m, a, ub);
    place_add(&before, place_alone(m, b, ub));
    place_add(&after, place_alone(m, b, ua));
    s->pricings++;
    if (!s->has_near && !s->is_crowded)
        return less(after, before);
    // What the two cost each other stays as it is, and is in both sums twice.
    place_add(&before, near_by(s, a, ua));
    place_add(&before, near_by(s, b, ub));
    unlink_task(s, a);
    unlink_task(s, b);
    link_task(s, a, ub);
    link_task(s, b, ua);
    place_add(&after, near_by(s, a, ub));
    place_add(&after, near_by(s, b, ua));
    unlink_task(s, a);
    unlink_task(s, b);
    link_task(s, a, ua);
    link_task(s, b, ub);
    return less(after, before);
}

// --- local search ---

static bool improve_by_move(struct search *s, int task)
{
    const struct place_model *m = s->model;
    int best = s->units[task];
    struct place_score best_price = price(s, task, best);
    for (int unit = 0; unit < m->unit_count; unit++) {
        if (unit == s->units[task] || (!s->is_crowded && s->first[unit] >= 0))
            continue;
        struct place_score other = price(s, task, unit);
        if (!place_is_better(other, best_price))
            continue;
        best = unit;
        best_price = other;
    }
    if (best == s->units[task])
        return false;
    put(s, task, best);
    return true;
}

static bool improve_by_swap(struct search *s, int task)
{
    int best = -1;
    struct place_score best_delta = {0, 0};
    for (int other = 0; other < s->model->task_count; other++) {
        if (s->twin[other] == s->twin[task] || s->units[other] == s->units[task])
            continue;
        struct place_score delta = swap_rest(s, task, other);
        delta.cost_ps += swap_channels(s, task, other);
        if (!is_gain(delta) || !place_is_better(delta, best_delta))
            continue;
        best = other;
        best_delta = delta;
    }
    if (best < 0)
        return false;
    int mine = s->units[task], theirs = s->units[best];
    put(s, task, theirs);
    put(s, best, mine);
    return true;
}

static void descend(struct search *s)
{
    bool again = true;
    s->pricings = 0;
    for (int pass = 0; pass < PASSES_MAX && again; pass++) {
        again = false;
        for (int task = 0; task < s->model->task_count; task++) {
            if (s->pricings > PRICINGS_MAX)
                return;
            again |= improve_by_move(s, task);
            again |= improve_by_swap(s, task);
        }
    }
}

// --- greedy ---

static void clear(struct search *s)
{
    const struct place_model *m = s->model;
    for (int t = 0; t < m->task_count; t++)
        s->units[t] = s->next[t] = -1;
    for (int u = 0; u < m->unit_count; u++)
        s->first[u] = -1;
    memset(s->in_group, 0, (size_t)m->task_count * (size_t)m->group_count * sizeof *s->in_group);
}

// The task that the placed ones pull hardest, then the one with the most traffic, then the first.
static int next_task(const struct search *s, const int64_t *pull, const int64_t *total)
{
    int best = -1;
    for (int t = 0; t < s->model->task_count; t++) {
        if (s->units[t] >= 0)
            continue;
        if (best < 0 || pull[t] > pull[best] || (pull[t] == pull[best] && total[t] > total[best]))
            best = t;
    }
    return best;
}

static int cheapest_unit(struct search *s, int task, int group)
{
    const struct place_model *m = s->model;
    int best = -1;
    struct place_score best_price = {0, 0};
    for (int unit = 0; unit < m->unit_count; unit++) {
        if (group >= 0 && m->group_of[unit] != group)
            continue;
        struct place_score score = price(s, task, unit);
        if (best >= 0 && !place_is_better(score, best_price))
            continue;
        best = unit;
        best_price = score;
    }
    return best;
}

static void build(struct search *s, int start_group)
{
    const struct place_model *m = s->model;
    size_t n = (size_t)m->task_count;
    int64_t *pull = calloc(2 * n + 1, sizeof *pull), *total = pull + n;
    CHECK(pull);
    clear(s);
    for (int a = 0; a < m->task_count; a++)
        for (int b = 0; b < m->task_count; b++)
            total[a] += place_pay(place_weight(m, a, b), cost_base(PLACE_NODE));
    for (int placed = 0; placed < m->task_count; placed++) {
        int task = next_task(s, pull, total);
        put(s, task, cheapest_unit(s, task, placed == 0 ? start_group : -1));
        for (int t = 0; t < m->task_count; t++)
            pull[t] += place_pay(place_weight(m, task, t), cost_base(PLACE_NODE));
    }
    free(pull);
}

// --- the whole ---

static struct place_score total_of(const struct place_model *m, const int *units)
{
    struct place_score sum = {0, 0};
    for (int a = 0; a < m->task_count; a++) {
        place_add(&sum, place_alone(m, a, units[a]));
        for (int b = 0; b < a; b++)
            place_add(&sum, place_pair(m, (int[]){a, b}, (int[]){units[a], units[b]}));
    }
    return sum;
}

static bool same_weight(const struct place_weight *a, const struct place_weight *b)
{
    return a->bytes_s == b->bytes_s && a->frames_s == b->frames_s;
}

bool place_is_twin(const struct place_model *m, int a, int b)
{
    const struct traffic_task *x = &m->problem->traffic->tasks[a];
    const struct traffic_task *y = &m->problem->traffic->tasks[b];
    const int *device = m->problem->device_node;
    if (x->share != y->share || x->is_light != y->is_light ||
        x->source_bytes_s != y->source_bytes_s || (device && device[a] != device[b]))
        return false;
    for (int v = 0; v < m->task_count; v++)
        if (v != a && v != b && !same_weight(place_weight(m, a, v), place_weight(m, b, v)))
            return false;
    return true;
}

static void find_twins(struct search *s)
{
    const struct place_model *m = s->model;
    for (int t = 0; t < m->task_count; t++) {
        s->twin[t] = t;
        for (int u = 0; u < t && s->twin[t] == t; u++)
            if (s->twin[u] == u && place_is_twin(m, u, t))
                s->twin[t] = u;
    }
}

static void keep_better(struct search *s, int *best, struct place_score *score, bool first)
{
    struct place_score found = total_of(s->model, s->units);
    if (!first && !place_is_better(found, *score))
        return;
    *score = found;
    memcpy(best, s->units, (size_t)s->model->task_count * sizeof(int));
}

static int dice(struct search *s, int sides) // splitmix64
{
    uint64_t z = (s->random += UINT64_C(0x9e3779b97f4a7c15));
    z = (z ^ (z >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94d049bb133111eb);
    return (int)((z ^ (z >> 31)) % (uint64_t)sides);
}

// From the best so far, with some tasks thrown about.
static void kick(struct search *s, const int *best)
{
    const struct place_model *m = s->model;
    for (int t = 0; t < m->task_count; t++)
        if (s->units[t] != best[t])
            put(s, t, best[t]);
    for (int i = 0; i < KICK_SWAPS; i++) {
        int a = dice(s, m->task_count), unit = dice(s, m->unit_count), b = s->first[unit];
        int from = s->units[a];
        put(s, a, unit);
        if (b >= 0 && b != a)
            put(s, b, from);
    }
    descend(s);
}

static void look_around(struct search *s, int *best)
{
    const struct place_model *m = s->model;
    struct place_score score = {0, 0};
    bool is_small = m->task_count <= SMALL_TASKS;
    int starts = is_small ? STARTS_SMALL : STARTS_LARGE;
    starts = starts < m->group_count ? starts : m->group_count;
    for (int i = 0; i < starts; i++) {
        build(s, i * m->group_count / starts);
        descend(s);
        keep_better(s, best, &score, i == 0);
    }
    for (int i = 0; i < KICKS && is_small && m->task_count > 1; i++) {
        kick(s, best);
        keep_better(s, best, &score, false);
    }
}

void place_search(const struct place_model *model, int *units)
{
    size_t tasks = (size_t)model->task_count + 1, all = (size_t)model->unit_count + 1;
    int *memory = calloc(3 * tasks + all, sizeof(int));
    struct search s = {.model = model,
                       .units = memory,
                       .next = memory + tasks,
                       .twin = memory + 2 * tasks,
                       .first = memory + 3 * tasks,
                       .in_group = calloc(tasks * (size_t)model->group_count + 1, sizeof(int64_t)),
                       .is_crowded = model->task_count > model->unit_count};
    CHECK(memory && s.in_group);
    for (int u = 0; u < model->unit_count; u++)
        s.has_near |= model->l2_end[u] - model->l2_begin[u] > 1;
    find_twins(&s);
    look_around(&s, units);
    free(s.in_group);
    free(memory);
}
