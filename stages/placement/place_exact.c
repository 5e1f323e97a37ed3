// place_exact.c: the best placement, by branch and bound.
//
// Tasks are placed one after the other, those with the most traffic first. A placement begun is
// given up when what it costs so far, the least that each task left must add to it, and the least
// that those must cost each other are no better than the best known.
//
// Of placements that differ only by the names of equal units or equal tasks one is looked at: the
// first in the order of units. A unit inside an untouched package, node, L3, L2 or core is tried
// only if that is the first untouched one of its kind beside its siblings, and a task is never put
// before the one of its twins that was placed last. Both follow from the same order (the smallest
// of the whole orbit has both properties), so together they leave one of each orbit.
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/hash.h"
#include "stages/placement/place_internal.h"

enum { LEVEL_PACKAGE, LEVEL_NODE, LEVEL_GROUP, LEVEL_L2, LEVEL_CORE, LEVEL_UNIT, LEVEL_COUNT };
enum { STEPS_MAX = 60000000 }; // of one unit for one task: about a quarter of a second

struct exact {
    const struct place_model *model;
    int *order;       // tasks, as they are placed
    int *twin_before; // of each place in the order: the twin's place before it; -1
    int *units;       // of each task; -1
    int *best;
    struct place_score best_score;
    struct place_score *at;    // depth x task x unit: what it would add there
    int64_t *rest_pairs;       // of each depth: the least that the tasks left cost each other
    int *part[LEVEL_COUNT];    // of each unit: the package, node, ... it is in
    int *touched[LEVEL_COUNT]; // tasks in each of these
    int *brother[LEVEL_COUNT]; // the one before it under the same parent that is like it; -1
    int part_count[LEVEL_COUNT];
    bool is_patient, has_given_up;
    int64_t steps;
};

// --- equal parts of the machine ---

static const struct machine_pu *pu_of(const struct exact *x, int unit)
{
    return &x->model->problem->machine->pus[x->model->units[unit]];
}

static int64_t name_at(const struct exact *x, int unit, int level)
{
    const struct machine_pu *pu = pu_of(x, unit);
    const int names[] = {pu->package, pu->node, pu->l3, pu->l2, pu->core, unit};
    return names[level];
}

static void find_parts(struct exact *x)
{
    for (int unit = 0; unit < x->model->unit_count; unit++) {
        bool is_new = unit == 0;
        for (int level = 0; level < LEVEL_COUNT; level++) {
            is_new |= unit && name_at(x, unit, level) != name_at(x, unit - 1, level);
            x->part_count[level] += is_new;
            x->part[level][unit] = x->part_count[level] - 1;
        }
    }
}

// Are all nodes as far from each other as any two of the same relation? Then they may be equal.
static bool is_uniform(const struct machine *machine)
{
    int same[2] = {-1, -1};
    for (int a = 0; a < machine->pu_count; a++) {
        const struct machine_pu *x = &machine->pus[a];
        for (int b = 0; b < machine->pu_count; b++) {
            const struct machine_pu *y = &machine->pus[b];
            int *seen = &same[x->package == y->package];
            int distance = machine_distance(machine, x->node, y->node);
            if (x->node == y->node)
                continue;
            if (*seen >= 0 && *seen != distance)
                return false;
            *seen = distance;
            while (b + 1 < machine->pu_count && machine->pus[b + 1].node == y->node)
                b++;
        }
        while (a + 1 < machine->pu_count && machine->pus[a + 1].node == x->node)
            a++;
    }
    return true;
}

static uint64_t mix(uint64_t a, uint64_t b)
{
    const uint64_t pair[] = {a, b};
    return hash_bytes(pair, sizeof pair);
}

static bool has_device(const struct exact *x, int node)
{
    const int *devices = x->model->problem->device_node;
    for (int t = 0; devices && t < x->model->task_count; t++)
        if (devices[t] == node)
            return true;
    return false;
}

static uint64_t unit_look(const struct exact *x, int unit)
{
    const struct machine_pu *pu = pu_of(x, unit);
    const struct machine *machine = x->model->problem->machine;
    uint64_t look = (uint64_t)pu->is_efficient | (uint64_t)pu->is_isolated << 1;
    look = mix(look, (uint64_t)pu->irqs_per_s);
    return mix(look, (uint64_t)cost_memory_percent(machine, x->model->units[unit]));
}

// What a part looks like: its own parts in order, and what makes it stand out.
static void find_looks(const struct exact *x, int level, const uint64_t *inner, uint64_t *looks)
{
    bool uniform = is_uniform(x->model->problem->machine);
    for (int unit = 0; unit < x->model->unit_count; unit++) {
        int part = x->part[level][unit];
        if (level == LEVEL_UNIT) {
            looks[part] = unit_look(x, unit);
            continue;
        }
        int own = x->part[level + 1][unit];
        if (unit && x->part[level + 1][unit - 1] == own)
            continue;
        looks[part] = mix(looks[part], inner[own]);
        if (level == LEVEL_NODE && (!uniform || has_device(x, pu_of(x, unit)->node)))
            looks[part] = mix(looks[part], (uint64_t)pu_of(x, unit)->node + 1);
    }
}

static void find_brothers(const struct exact *x, int level, const uint64_t *looks)
{
    int last_part = -1;
    for (int unit = 0; unit < x->model->unit_count; unit++) {
        int part = x->part[level][unit];
        if (part == last_part)
            continue;
        last_part = part;
        x->brother[level][part] = -1;
        int parent = level ? x->part[level - 1][unit] : 0;
        for (int before = unit - 1; before >= 0; before--) {
            if (level && x->part[level - 1][before] != parent)
                break;
            int candidate = x->part[level][before];
            if (candidate != part && looks[candidate] == looks[part]) {
                x->brother[level][part] = candidate;
                break;
            }
        }
    }
}

static void find_symmetry(struct exact *x)
{
    size_t units = (size_t)x->model->unit_count + 1;
    uint64_t *looks = calloc(2 * units, sizeof *looks), *inner = looks + units;
    CHECK(looks);
    for (int level = LEVEL_UNIT; level >= 0; level--) {
        memset(looks, 0, units * sizeof *looks);
        find_looks(x, level, inner, looks);
        find_brothers(x, level, looks);
        memcpy(inner, looks, units * sizeof *looks);
    }
    free(looks);
}

// --- order of the tasks ---

static void find_order(struct exact *x)
{
    const struct place_model *m = x->model;
    int n = m->task_count;
    int64_t *pull = calloc((size_t)n * 2 + 1, sizeof *pull), *total = pull + n;
    bool *taken = calloc((size_t)n + 1, sizeof *taken);
    CHECK(pull && taken);
    for (int a = 0; a < n; a++)
        for (int b = 0; b < n; b++)
            total[a] += place_pay(place_weight(m, a, b), cost_base(PLACE_NODE));
    for (int i = 0; i < n; i++) {
        int best = -1;
        for (int t = 0; t < n; t++)
            if (!taken[t] && (best < 0 || pull[t] > pull[best] ||
                              (pull[t] == pull[best] && total[t] > total[best])))
                best = t;
        taken[best] = true;
        x->order[i] = best;
        x->twin_before[i] = -1;
        for (int j = i - 1; j >= 0 && x->twin_before[i] < 0; j--)
            if (place_is_twin(m, x->order[j], best))
                x->twin_before[i] = j;
        for (int t = 0; t < n; t++)
            pull[t] += place_pay(place_weight(m, best, t), cost_base(PLACE_NODE));
    }
    free(taken);
    free(pull);
}

static struct place_price least_of(struct place_price a, struct place_price b)
{
    return (struct place_price){a.byte_ps < b.byte_ps ? a.byte_ps : b.byte_ps,
                                a.frame_ps < b.frame_ps ? a.frame_ps : b.frame_ps};
}

// The least that a channel can cost on this machine with these units.
static struct place_price cheapest(const struct place_model *m)
{
    struct place_price least = {INT64_MAX, INT64_MAX};
    if (m->task_count > m->core_count)
        least = least_of(cost_base(PLACE_SAME_UNIT), cost_base(PLACE_SMT));
    for (int u = 1; u < m->unit_count; u++) {
        if (m->core_begin[u] != m->core_begin[u - 1] && m->l2_begin[u] == m->l2_begin[u - 1])
            least = least_of(least, cost_base(PLACE_L2));
        if (m->group_of[u] == m->group_of[u - 1])
            least = least_of(least, cost_base(PLACE_L3));
    }
    for (int a = 0; a < m->group_count; a++)
        for (int b = 0; b < a; b++)
            least = least_of(least, place_price(m, a, b));
    return least.byte_ps == INT64_MAX ? (struct place_price){0, 0} : least;
}

static void find_rest(struct exact *x)
{
    const struct place_model *m = x->model;
    struct place_price price = cheapest(m);
    x->rest_pairs[m->task_count] = 0;
    for (int depth = m->task_count - 1; depth >= 0; depth--) {
        x->rest_pairs[depth] = x->rest_pairs[depth + 1];
        for (int later = depth + 1; later < m->task_count; later++)
            x->rest_pairs[depth] +=
                place_pay(place_weight(m, x->order[depth], x->order[later]), price);
    }
}

// --- the search ---

static struct place_score *at(const struct exact *x, int depth, int place)
{
    const struct place_model *m = x->model;
    return &x->at[((size_t)depth * (size_t)m->task_count + (size_t)place) * (size_t)m->unit_count];
}

// May this unit be tried for the task at this place of the order?
static bool may_try(const struct exact *x, int place, int unit)
{
    const struct place_model *m = x->model;
    if (m->task_count <= m->core_count && x->touched[LEVEL_CORE][x->part[LEVEL_CORE][unit]])
        return false;
    if (m->task_count <= m->unit_count && x->touched[LEVEL_UNIT][unit])
        return false;
    int twin = x->twin_before[place];
    return twin < 0 || unit >= x->units[x->order[twin]];
}

// Is there an untouched part like one of the unit's, before it?
static bool is_repetition(const struct exact *x, int unit)
{
    for (int level = 0; level < LEVEL_COUNT; level++) {
        int part = x->part[level][unit], brother = x->brother[level][part];
        if (x->touched[level][part] == 0 && brother >= 0 && x->touched[level][brother] == 0)
            return true;
    }
    return false;
}

// The least rules that sharing must break for the tasks left: each to where it breaks the least.
static int64_t sharing_left(struct exact *x, int left)
{
    const struct place_model *m = x->model;
    int64_t sum = 0;
    int *on = malloc((size_t)m->unit_count * sizeof(int));
    CHECK(on);
    memcpy(on, x->touched[LEVEL_UNIT], (size_t)m->unit_count * sizeof(int));
    for (int i = 0; i < left; i++) {
        int64_t least = INT64_MAX;
        int best = 0;
        for (int u = 0; u < m->unit_count; u++) {
            int64_t price = on[u] * PLACE_RULE_SAME_UNIT;
            for (int v = m->core_begin[u]; v < m->core_end[u]; v++)
                price += v == u ? 0 : on[v] * PLACE_RULE_SMT;
            if (price < least) {
                least = price;
                best = u;
            }
        }
        sum += least;
        on[best]++;
    }
    free(on);
    return sum;
}

// What cannot be undercut from here.
static struct place_score bound(struct exact *x, int depth, struct place_score sum)
{
    const struct place_model *m = x->model;
    for (int place = depth; place < m->task_count; place++) {
        const struct place_score *row = at(x, depth, place);
        struct place_score least = {INT64_MAX, INT64_MAX};
        for (int u = 0; u < m->unit_count; u++) {
            if (!may_try(x, place, u))
                continue;
            least.rules = row[u].rules < least.rules ? row[u].rules : least.rules;
            least.cost_ps = row[u].cost_ps < least.cost_ps ? row[u].cost_ps : least.cost_ps;
        }
        x->steps += m->unit_count;
        if (least.rules == INT64_MAX)
            return least; // there is no place left for it
        place_add(&sum, least);
    }
    sum.cost_ps += x->rest_pairs[depth];
    return sum;
}

static void touch(struct exact *x, int unit, int sign)
{
    for (int level = 0; level < LEVEL_COUNT; level++)
        x->touched[level][x->part[level][unit]] += sign;
}

// What the tasks left would add, now that one more is placed. Rules of sharing are not in it: they
// are counted by sharing_left.
static void spread(struct exact *x, int depth, int unit)
{
    const struct place_model *m = x->model;
    int task = x->order[depth];
    for (int place = depth + 1; place < m->task_count; place++) {
        const struct place_score *from = at(x, depth, place);
        struct place_score *to = at(x, depth + 1, place);
        for (int u = 0; u < m->unit_count; u++) {
            struct place_score pair =
                place_pair(m, (int[]){x->order[place], task}, (int[]){u, unit});
            to[u].rules = from[u].rules;
            to[u].cost_ps = from[u].cost_ps + pair.cost_ps;
        }
        x->steps += 2 * m->unit_count;
    }
}

// The rules of sharing that a task on the unit breaks with those that are there.
static int64_t sharing_rules(const struct exact *x, int unit)
{
    const struct place_model *m = x->model;
    const int *on = x->touched[LEVEL_UNIT];
    int64_t rules = on[unit] * PLACE_RULE_SAME_UNIT;
    for (int v = m->core_begin[unit]; v < m->core_end[unit]; v++)
        rules += v == unit ? 0 : on[v] * PLACE_RULE_SMT;
    return rules;
}

static void visit(struct exact *x, int depth, struct place_score sum);

static void try_unit(struct exact *x, int depth, int unit, struct place_score sum)
{
    const struct place_model *m = x->model;
    place_add(&sum, at(x, depth, depth)[unit]);
    sum.rules += sharing_rules(x, unit);
    x->units[x->order[depth]] = unit;
    touch(x, unit, 1);
    if (depth + 1 < m->task_count)
        spread(x, depth, unit);
    struct place_score least = depth + 1 < m->task_count ? bound(x, depth + 1, sum) : sum;
    if (least.rules != INT64_MAX)
        least.rules += sharing_left(x, m->task_count - depth - 1);
    if (place_is_better(least, x->best_score))
        visit(x, depth + 1, sum);
    touch(x, unit, -1);
    x->units[x->order[depth]] = -1;
}

static void visit(struct exact *x, int depth, struct place_score sum)
{
    const struct place_model *m = x->model;
    if (depth == m->task_count) {
        x->best_score = sum;
        memcpy(x->best, x->units, (size_t)m->task_count * sizeof(int));
        return;
    }
    for (int unit = 0; unit < m->unit_count && !x->has_given_up; unit++) {
        if (!may_try(x, depth, unit) || is_repetition(x, unit))
            continue;
        try_unit(x, depth, unit, sum);
        x->has_given_up = !x->is_patient && x->steps > STEPS_MAX;
    }
}

// --- memory ---

static void *zeros(size_t count, size_t bytes)
{
    void *memory = calloc(count + 1, bytes);
    CHECK(memory);
    return memory;
}

static void open_exact(struct exact *x)
{
    const struct place_model *m = x->model;
    size_t tasks = (size_t)m->task_count, units = (size_t)m->unit_count;
    x->order = zeros(tasks, sizeof(int));
    x->twin_before = zeros(tasks, sizeof(int));
    x->units = zeros(tasks, sizeof(int));
    x->at = zeros((tasks + 1) * tasks * units, sizeof *x->at);
    x->rest_pairs = zeros(tasks + 1, sizeof(int64_t));
    for (int level = 0; level < LEVEL_COUNT; level++) {
        x->part[level] = zeros(units, sizeof(int));
        x->touched[level] = zeros(units, sizeof(int));
        x->brother[level] = zeros(units, sizeof(int));
    }
    find_parts(x);
    find_symmetry(x);
    find_order(x);
    find_rest(x);
    for (size_t i = 0; i < tasks; i++)
        x->units[i] = -1;
    for (int place = 0; place < m->task_count; place++)
        for (int u = 0; u < m->unit_count; u++)
            at(x, 0, place)[u] = place_alone(m, x->order[place], u);
}

static void close_exact(struct exact *x)
{
    free(x->order);
    free(x->twin_before);
    free(x->units);
    free(x->at);
    free(x->rest_pairs);
    for (int level = 0; level < LEVEL_COUNT; level++) {
        free(x->part[level]);
        free(x->touched[level]);
        free(x->brother[level]);
    }
}

bool place_exact(const struct place_model *model, bool patient, int *units)
{
    struct exact x = {.model = model, .best = units, .is_patient = patient};
    open_exact(&x);
    for (int a = 0; a < model->task_count; a++) { // what the search has found
        place_add(&x.best_score, place_alone(model, a, units[a]));
        for (int b = 0; b < a; b++)
            place_add(&x.best_score, place_pair(model, (int[]){a, b}, (int[]){units[a], units[b]}));
    }
    visit(&x, 0, (struct place_score){0, 0});
    close_exact(&x);
    return !x.has_given_up;
}
