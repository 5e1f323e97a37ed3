// test_place_solver.c: placements against an enumeration of all of them, and against each other.
//
// Machines and traffic are random; the seed is printed, and PLACE_SEED repeats a run. The score is
// added up here once more, from the tables of cost.h alone.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include <cmocka.h>

#include "stages/placement/place.h"

enum { UNITS = 16, TASKS = 12, NODES = 8 };

static uint64_t random_state;

static int dice(int sides)
{
    random_state ^= random_state << 13;
    random_state ^= random_state >> 7;
    random_state ^= random_state << 17;
    return (int)(random_state % (uint64_t)sides);
}

struct scene {
    struct machine machine;
    struct machine_pu pus[1024];
    struct machine_node nodes[NODES];
    int distances[NODES * NODES];
    struct traffic traffic;
    struct traffic_task tasks[PLACE_TASKS_MAX];
    struct traffic_channel *channels;
    bool usable[1024];
    int device_node[PLACE_TASKS_MAX];
    int cores_of_l3;
    struct place_problem problem;
};

struct shape {
    int packages, nodes, l3s, cores, threads; // nodes a package, L3s a node, ...
};

static void make_machine(struct scene *s, struct shape shape)
{
    struct machine *m = &s->machine;
    *m = (struct machine){.pus = s->pus, .nodes = s->nodes, .distances = s->distances};
    s->cores_of_l3 = shape.cores;
    snprintf(m->name, sizeof m->name, "a test's machine");
    m->node_count = shape.packages * shape.nodes;
    m->package_count = shape.packages;
    int per_node = shape.l3s * shape.cores * shape.threads;
    m->pu_count = m->node_count * per_node;
    for (int i = 0; i < m->pu_count; i++) {
        int core = i / shape.threads, l3 = core / shape.cores, node = l3 / shape.l3s;
        s->pus[i] = (struct machine_pu){.os = i,
                                        .core = core,
                                        .l2 = core,
                                        .l3 = l3,
                                        .node = node,
                                        .package = node / shape.nodes,
                                        .is_allowed = true};
        s->usable[i] = true;
    }
    for (int a = 0; a < m->node_count; a++) {
        s->nodes[a] = (struct machine_node){.os = a, .bytes = 1 << 30, .memory = a};
        for (int b = 0; b < m->node_count; b++)
            s->distances[a * m->node_count + b] = a == b                               ? 10
                                                  : a / shape.nodes == b / shape.nodes ? 12
                                                                                       : 21;
    }
    s->problem = (struct place_problem){m, &s->traffic, s->usable, NULL};
}

static void add_channel(struct scene *s, int from, int to, int64_t bytes_s)
{
    s->channels[s->traffic.channel_count++] = (struct traffic_channel){
        .from = from, .to = to, .bytes_s = bytes_s, .frames_s = bytes_s / 9000};
}

// Sources that each send to all windows, and these to one merge: the shape of most plans.
static void make_plan(struct scene *s, int sources, int windows, bool even)
{
    s->traffic.task_count = sources + windows + 1;
    s->traffic.channel_count = 0;
    free(s->channels);
    s->channels = calloc((size_t)(sources * windows + windows + 1), sizeof *s->channels);
    assert_non_null(s->channels);
    s->traffic.tasks = s->tasks;
    s->traffic.channels = s->channels;
    for (int t = 0; t < s->traffic.task_count; t++)
        s->tasks[t] = (struct traffic_task){.share = even ? 500000 : 1 + dice(1000000),
                                            .is_light = t == sources + windows};
    for (int i = 0; i < sources; i++)
        for (int k = 0; k < windows; k++)
            add_channel(s, i, sources + k, even ? 20000000 : 1 + dice(50000000));
    for (int k = 0; k < windows; k++)
        add_channel(s, sources + k, sources + windows, even ? 100000 : 1 + dice(1000000));
    for (int t = 0; t < s->traffic.task_count; t++)
        s->device_node[t] = -1;
}

// Oddities: cores that are slow, isolated, interrupted, forbidden, or without memory.
static void make_odd(struct scene *s)
{
    struct machine *m = &s->machine;
    bool has_slow = dice(4) == 0, has_isolated = dice(4) == 0, has_pairs = dice(4) == 0;
    for (int i = 0; i < m->pu_count; i++) {
        s->pus[i].is_efficient = has_slow && s->pus[i].core % 3 == 2;
        s->pus[i].is_isolated = has_isolated && i % 4 >= 2;
        s->pus[i].irqs_per_s = dice(3) ? 0 : dice(20000);
        s->usable[i] = i == 0 || dice(6) != 0;
        if (has_pairs)
            s->pus[i].l2 = s->pus[i].l3 * 64 + s->pus[i].core % s->cores_of_l3 / 2;
    }
    if (m->node_count > 1 && dice(4) == 0) {
        s->nodes[1].bytes = 0;
        s->nodes[1].memory = 0;
    }
    if (dice(3) == 0)
        for (int a = 0; a < m->node_count; a++)
            for (int b = 0; b < m->node_count; b++)
                s->distances[a * m->node_count + b] = a == b ? 10 : 11 + dice(30);
    if (dice(3) == 0) {
        s->device_node[0] = dice(m->node_count);
        s->tasks[0].source_bytes_s = 1000000000;
        s->problem.device_node = s->device_node;
    }
}

// --- the score, once more ---

static void add_alone(const struct scene *s, int t, int unit, struct place_score *sum)
{
    const struct machine *m = &s->machine;
    const struct machine_pu *pu = &s->pus[unit];
    const struct traffic_task *task = &s->tasks[t];
    sum->cost_ps += pu->irqs_per_s * PLACE_IRQ_PS;
    sum->cost_ps += pu->is_efficient ? task->share * PLACE_EFFICIENT_PERCENT * 10000 : 0;
    sum->cost_ps += task->share * cost_memory_percent(m, unit) * 10000;
    int device = s->problem.device_node ? s->device_node[t] : -1;
    if (device < 0 || device == pu->node)
        return;
    int distance = s->distances[device * m->node_count + pu->node];
    sum->cost_ps +=
        task->source_bytes_s * PLACE_DEVICE_BYTE_PS * (distance > 10 ? distance - 10 : 11) / 11;
}

static void add_rules(const struct scene *s, int t, int unit, struct place_score *sum)
{
    bool light = s->tasks[t].is_light, has_isolated = false, has_slow = false;
    for (int i = 0; i < s->machine.pu_count; i++) {
        has_isolated |= s->usable[i] && s->pus[i].is_isolated;
        has_slow |= s->usable[i] && s->pus[i].is_efficient;
    }
    if (has_isolated && !s->pus[unit].is_isolated)
        sum->rules += light ? PLACE_RULE_MERGE_OUTSIDE : PLACE_RULE_NOT_ISOLATED;
    if (s->pus[unit].is_efficient && !light)
        sum->rules += PLACE_RULE_EFFICIENT;
    if (has_slow && !s->pus[unit].is_efficient && light)
        sum->rules += PLACE_RULE_MERGE_ON_P;
}

static void add_pair(const struct scene *s, int t, int u, const int *units, struct place_score *sum)
{
    int64_t a = s->tasks[t].share, b = s->tasks[u].share, less = a < b ? a : b;
    if (units[t] == units[u]) {
        sum->rules += PLACE_RULE_SAME_UNIT;
        sum->cost_ps += less * 1000000;
    } else if (s->pus[units[t]].core == s->pus[units[u]].core) {
        sum->rules += PLACE_RULE_SMT;
        sum->cost_ps += less * PLACE_SMT_PERCENT * 10000;
    }
}

static struct place_score naive_score(const struct scene *s, const int *units)
{
    struct place_score sum = {0, 0};
    for (int t = 0; t < s->traffic.task_count; t++) {
        add_alone(s, t, units[t], &sum);
        add_rules(s, t, units[t], &sum);
        for (int u = t + 1; u < s->traffic.task_count; u++)
            add_pair(s, t, u, units, &sum);
    }
    for (int c = 0; c < s->traffic.channel_count; c++) {
        const struct traffic_channel *channel = &s->channels[c];
        struct place_price price =
            cost_price(&s->machine, units[channel->from], units[channel->to]);
        sum.cost_ps += channel->bytes_s * price.byte_ps + channel->frames_s * price.frame_ps;
    }
    return sum;
}

static struct place_score brute_force(const struct scene *s)
{
    int units[TASKS] = {0}, choices[UNITS], choice_count = 0, n = s->traffic.task_count;
    int digits[TASKS] = {0};
    struct place_score best = {INT64_MAX, INT64_MAX};
    for (int i = 0; i < s->machine.pu_count; i++)
        if (s->usable[i])
            choices[choice_count++] = i;
    for (;;) {
        for (int t = 0; t < n; t++)
            units[t] = choices[digits[t]];
        struct place_score score = naive_score(s, units);
        if (place_is_better(score, best))
            best = score;
        int t = 0;
        while (t < n && ++digits[t] == choice_count)
            digits[t++] = 0;
        if (t == n)
            return best;
    }
}

static void assert_same(struct place_score found, struct place_score best, uint64_t seed)
{
    if (found.rules != best.rules || found.cost_ps != best.cost_ps)
        fail_msg("PLACE_SEED=%llu: rules %lld and cost %lld ps, the best is %lld and %lld",
                 (unsigned long long)seed, (long long)found.rules, (long long)found.cost_ps,
                 (long long)best.rules, (long long)best.cost_ps);
}

static uint64_t seed_of_run(void)
{
    const char *given = getenv("PLACE_SEED");
    uint64_t seed = given ? strtoull(given, NULL, 10) : (uint64_t)time(NULL);
    print_message("PLACE_SEED=%llu\n", (unsigned long long)seed);
    return seed;
}

static struct shape random_shape(int units_max)
{
    struct shape shape;
    do {
        shape = (struct shape){1 + dice(2), 1 + dice(2), 1 + dice(3), 1 + dice(4), 1 + dice(2)};
    } while (shape.packages * shape.nodes * shape.l3s * shape.cores * shape.threads > units_max);
    return shape;
}

static void test_place_exact_is_the_best_of_all(void **state)
{
    struct scene *s = *state;
    uint64_t seed = seed_of_run();
    int worse = 0, cases = 300;
    for (int i = 0; i < cases; i++) {
        random_state = (seed + (uint64_t)i) * UINT64_C(0x9e3779b97f4a7c15) + 1;
        make_machine(s, random_shape(8));
        make_plan(s, 1 + dice(2), 1 + dice(2), dice(2));
        make_odd(s);
        struct place_result exact, search;
        assert_int_equal(place_solve(&s->problem, PLACE_EXACT, &exact, NULL), 0);
        assert_int_equal(place_solve(&s->problem, PLACE_SEARCH, &search, NULL), 0);
        struct place_score best = brute_force(s);
        assert_true(exact.is_exact);
        assert_same(naive_score(s, exact.units), exact.score, seed + (uint64_t)i);
        assert_same(exact.score, best, seed + (uint64_t)i);
        worse += place_is_better(best, search.score);
        free(exact.units);
        free(search.units);
    }
    print_message("%d machines: branch and bound is the best of all placements of each; the search "
                  "alone found it in %d\n",
                  cases, cases - worse);
    assert_in_range(worse, 0, cases / 20);
}

// Where brute force is out of reach: the search against branch and bound.
static void test_place_search_is_near_the_exact_one(void **state)
{
    struct scene *s = *state;
    uint64_t seed = seed_of_run();
    int equal = 0, cases = 60;
    double worst = 1, sum = 0;
    for (int i = 0; i < cases; i++) {
        random_state = (seed + (uint64_t)i) * UINT64_C(0xd1342543de82ef95) + 7;
        make_machine(s, random_shape(UNITS));
        make_plan(s, 2 + dice(2), 3 + dice(3), dice(3) == 0);
        if (dice(2))
            make_odd(s);
        struct place_result exact, search;
        assert_int_equal(place_solve(&s->problem, PLACE_AUTO, &exact, NULL), 0);
        assert_int_equal(place_solve(&s->problem, PLACE_SEARCH, &search, NULL), 0);
        assert_false(place_is_better(search.score, exact.score));
        assert_same(naive_score(s, search.units), search.score, seed + (uint64_t)i);
        assert_int_equal(search.score.rules, exact.score.rules);
        double ratio = (double)search.score.cost_ps / ((double)exact.score.cost_ps + 1);
        equal += ratio <= 1.000001;
        worst = ratio > worst ? ratio : worst;
        sum += ratio;
        free(exact.units);
        free(search.units);
    }
    print_message(
        "%d machines of up to %d units: the search is as good in %d, %.4f times the exact "
        "cost on average, %.4f at worst\n",
        cases, UNITS, equal, sum / cases, worst);
    assert_true(worst < 1.05);
}

// What can be said of a machine with 8 sockets without solving it: each rule is kept, and no single
// move or swap is better.
static void test_place_many_tasks(void **state)
{
    struct scene *s = *state;
    make_machine(s, (struct shape){8, 1, 1, 64, 2});
    make_plan(s, 341, 682, true);
    struct place_result found, again;
    struct timespec from, to;
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    assert_int_equal(place_solve(&s->problem, PLACE_AUTO, &found, NULL), 0);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    print_message("1,024 tasks on 8 sockets of 64 cores: %.2f s of CPU\n",
                  (double)(to.tv_sec - from.tv_sec) + (double)(to.tv_nsec - from.tv_nsec) / 1e9);
    assert_int_equal(place_solve(&s->problem, PLACE_AUTO, &again, NULL), 0);
    assert_memory_equal(found.units, again.units, 1024 * sizeof(int)); // the same each time
    int on[1024] = {0};
    for (int t = 0; t < 1024; t++)
        on[found.units[t]]++;
    for (int u = 0; u < 1024; u++)
        assert_int_equal(on[u], 1); // as many units as tasks
    assert_int_equal(found.score.rules, 512 * PLACE_RULE_SMT);
    free(found.units);
    free(again.units);
}

static void test_place_refuses_what_cannot_be(void **state)
{
    struct scene *s = *state;
    struct place_result found;
    struct err err = {.text = ""};
    make_machine(s, (struct shape){1, 1, 1, 2, 1});
    make_plan(s, 1, 1, true);
    s->usable[0] = s->usable[1] = false;
    assert_int_equal(place_solve(&s->problem, PLACE_AUTO, &found, &err), -22);
    assert_string_equal(err.text, "no core of a test's machine may be used");
}

static int setup(void **state)
{
    *state = calloc(1, sizeof(struct scene));
    return *state ? 0 : -1;
}

static int teardown(void **state)
{
    struct scene *s = *state;
    free(s->channels);
    free(s);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_place_exact_is_the_best_of_all),
        cmocka_unit_test(test_place_search_is_near_the_exact_one),
        cmocka_unit_test(test_place_many_tasks),
        cmocka_unit_test(test_place_refuses_what_cannot_be),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
