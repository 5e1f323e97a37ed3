// spread.c: see spread.h.
//
// Measured on the UV job, a row costs the source one part of work and the shards two, so `auto`
// gives a third of the cores to reading. Where partial results are made beside the source, what is
// behind the exchange has next to nothing to do: every core reads. Stages that only add up partial
// rows are not counted against the cores.
#include "core/plan/spread.h"

#include <string.h>

// The argument that all COUNT(DISTINCT) calls share; -1: there is none, -2: there are several.
static int distinct_column(const struct op_window *window)
{
    int column = -1;
    for (int a = 0; a < window->agg_count; a++) {
        const struct agg_call *call = &window->aggs[a];
        if (call->kind != AGG_COUNT_DISTINCT || call->arg == column)
            continue;
        if (column >= 0)
            return -2;
        column = call->arg;
    }
    return column;
}

struct spread_decision spread_by_keys(const struct op_window *window, const char *why_keys)
{
    if (window->key_count == 0)
        return (struct spread_decision){
            .spread = SPREAD_ALL_TO_ONE,
            .reason = "the window has no group key, so one task sees all rows"};
    return (struct spread_decision){.spread = SPREAD_KEYS, .reason = why_keys};
}

static const char *option(const struct plan_table *table, const char *key)
{
    for (int i = 0; i < table->option_count; i++)
        if (strcmp(table->options[i].key, key) == 0)
            return table->options[i].value;
    return "";
}

static bool is_quoted_csv(const struct plan_table *source)
{
    return strcmp(source->connector, "filesystem") == 0 &&
           strcmp(option(source, "format"), "csv") == 0 &&
           strcmp(option(source, "csv.disable-quote-character"), "true") != 0 &&
           strcmp(option(source, "source.line-is-row"), "true") != 0;
}

// By the look of its path: NAME.EXTENSION, no glob.
static bool is_one_file(const struct plan_table *source)
{
    const char *path = option(source, "path"), *name = strrchr(path, '/');
    name = name ? name + 1 : path;
    return strchr(name, '.') && !strpbrk(path, "*?[");
}

bool spread_source_follows(const struct plan_table *source)
{
    return option(source, "source.monitor-interval")[0];
}

const char *spread_of_source(const struct plan_table *source)
{
    if (strcmp(source->connector, "kafka") == 0)
        return "a topic's partitions are dealt out in turn; tasks beyond their number have nothing "
               "to read";
    if (strcmp(source->connector, "filesystem") != 0)
        return NULL;
    if (is_quoted_csv(source))
        return "files are dealt out by their paths; one file alone is read by one task, for a "
               "quoted field may hold a line's end ('source.line-is-row' = 'true' says that none "
               "does)";
    return "files are dealt out by their paths; one file alone is read by all tasks, in chunks of "
           "lines";
}

static struct spread_decision choose(struct pool *pool, const struct spread_input *input,
                                     const struct op_window *window)
{
    int column = distinct_column(window);
    if (window->early_delay_ms == 0 || window->late_delay_ms == 0)
        return spread_by_keys(window, "the window fires for every row, so rows, not sums of rows, "
                                      "must reach the task that fires");
    if (column == -2)
        return spread_by_keys(window, "several different DISTINCT arguments: no single one can "
                                      "shard the rows, so the group key does");
    if (column < 0 && input->may_be_idle)
        return spread_by_keys(window, "a source that may be idle must not keep partial results "
                                      "back, so rows cross");
    if (column < 0)
        return (struct spread_decision){
            .spread = SPREAD_TWO_PHASE,
            .reason = "two-phase aggregation: partial results, not rows, cross"};
    const char *reason = pool_printf(pool,
                                     "COUNT(DISTINCT %s) shards by the distinct key: shards are "
                                     "disjoint, so a merge stage adds their counts",
                                     input->schema->fields[column].name);
    return (struct spread_decision){.spread = SPREAD_DISTINCT, .column = column, .reason = reason};
}

static struct spread_decision forward(const char *reason)
{
    return (struct spread_decision){SPREAD_FORWARD, -1, 1, 1, reason};
}

// `auto`: tasks from the pipeline's share of the cores, 2 or more.
static void share_out(struct spread_decision *decision, int cores, bool one_reader)
{
    decision->sources = cores >= 3 && !one_reader ? cores / 3 : 1;
    decision->aggregators = cores - decision->sources;
    switch (decision->spread) {
    case SPREAD_TWO_PHASE:
        decision->sources = cores;
        decision->aggregators = (cores + 7) / 8;
        return;
    case SPREAD_DISTINCT: // one shard would be as good as none
        decision->aggregators += decision->aggregators == 1;
        return;
    case SPREAD_ALL_TO_ONE:
        decision->sources = one_reader ? 1 : cores - 1;
        return;
    default:
        if (cores == 2)
            *decision = forward("two cores: one task reads and parses, the other aggregates");
    }
}

struct spread_decision spread_window(struct pool *pool, const struct spread_budget *budget,
                                     const struct spread_input *input,
                                     const struct op_window *window)
{
    if (budget->tasks == 1)
        return (struct spread_decision){SPREAD_ONE_TASK, -1, 1, 1, NULL};
    struct spread_decision decision = choose(pool, input, window);
    bool one_reader = is_quoted_csv(input->source) && is_one_file(input->source);
    if (!budget->forced && decision.spread == SPREAD_TWO_PHASE && one_reader)
        decision = budget->tasks == 2
                       ? forward("one task reads and parses the one file, the other aggregates")
                       : spread_by_keys(window, "one task reads the one file, so the others "
                                                "aggregate its rows by the group key");
    if (decision.spread == SPREAD_FORWARD)
        return decision;
    decision.sources = decision.aggregators = budget->tasks;
    if (!budget->forced)
        share_out(&decision, budget->tasks, one_reader);
    return decision;
}
