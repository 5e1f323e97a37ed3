// cost.c: see cost.h.
#include "stages/placement/cost.h"

#include "core/base/check.h"

static const struct {
    const char *name;
    struct place_price price;
} classes[] = {
    [PLACE_SAME_UNIT] = {"same core", {20, 3000000}},
    [PLACE_SMT] = {"SMT siblings", {30, 24000}},
    [PLACE_L2] = {"same L2", {60, 45000}},
    [PLACE_L3] = {"same L3", {100, 75000}},
    [PLACE_NODE] = {"other L3", {390, 300000}},
    [PLACE_PACKAGE] = {"other node", {470, 360000}},
    [PLACE_REMOTE] = {"other package", {780, 600000}},
};
_Static_assert(ARRAY_SIZE(classes) == PLACE_CLASS_COUNT, "one a class");

enum { DISTANCE_PACKAGE = 12, DISTANCE_REMOTE = 21, SCALE_MAX = 3 };

enum place_class cost_class(const struct machine *machine, int a, int b)
{
    const struct machine_pu *x = &machine->pus[a], *y = &machine->pus[b];
    if (a == b)
        return PLACE_SAME_UNIT;
    if (x->core == y->core)
        return PLACE_SMT;
    if (x->l2 == y->l2)
        return PLACE_L2;
    if (x->l3 == y->l3)
        return PLACE_L3;
    if (x->node == y->node)
        return PLACE_NODE;
    return x->package == y->package ? PLACE_PACKAGE : PLACE_REMOTE;
}

const char *cost_class_name(enum place_class class)
{
    return classes[class].name;
}

struct place_price cost_base(enum place_class class)
{
    return classes[class].price;
}

struct place_price cost_price(const struct machine *machine, int a, int b)
{
    enum place_class class = cost_class(machine, a, b);
    struct place_price price = classes[class].price;
    if (class < PLACE_PACKAGE)
        return price;
    int base = class == PLACE_PACKAGE ? DISTANCE_PACKAGE : DISTANCE_REMOTE;
    int na = machine->pus[a].node, nb = machine->pus[b].node;
    // A matrix need not be symmetric; what is fetched goes one way and the words both.
    int distance = (machine_distance(machine, na, nb) + machine_distance(machine, nb, na)) / 2;
    if (distance <= MACHINE_DISTANCE_LOCAL)
        return price; // there is none, or it says nothing
    distance = distance > SCALE_MAX * base ? SCALE_MAX * base : distance;
    price.byte_ps = price.byte_ps * distance / base;
    price.frame_ps = price.frame_ps * distance / base;
    return price;
}

int64_t cost_memory_percent(const struct machine *machine, int unit)
{
    int node = machine->pus[unit].node, memory = machine->nodes[node].memory;
    if (node == memory)
        return 0;
    int distance = machine_distance(machine, node, memory);
    distance = distance > MACHINE_DISTANCE_LOCAL ? distance : DISTANCE_REMOTE;
    distance = distance > SCALE_MAX * DISTANCE_REMOTE ? SCALE_MAX * DISTANCE_REMOTE : distance;
    return (int64_t)PLACE_MEMORY_PERCENT * (distance - MACHINE_DISTANCE_LOCAL) /
           MACHINE_DISTANCE_LOCAL;
}
