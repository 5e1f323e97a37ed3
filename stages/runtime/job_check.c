// job_check.c: what can be refused before anything starts: sources, sinks, the dead-letter folder.
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>

#include "core/base/check.h"
#include "stages/runtime/chain.h"
#include "stages/runtime/folder.h"
#include "stages/runtime/job.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/schema.h"

// "uv.sql:3:1" in front: the option that the text names first, else the table's options.
static int put_place(const struct plan_table *table, int rc, struct err *err)
{
    const char *first = NULL, *place = table->place;
    for (int i = 0; table->option_places && i < table->option_count; i++) {
        char quoted[128];
        snprintf(quoted, sizeof quoted, "'%s'", table->options[i].key);
        const char *at = strstr(err->text, quoted);
        if (at && table->option_places[i] && (!first || at < first)) {
            first = at;
            place = table->option_places[i];
        }
    }
    return place ? err_prefix(err, rc, "%s", place) : rc;
}

static int check_source(const struct plan_table *table, struct err *err)
{
    const struct source_class *class = chain_source_class(table);
    if (!class)
        return err_set(err, -EINVAL, "table %s: connector '%s' cannot be read from", table->name,
                       table->connector);
    int rc = class->check ? class->check(table, err) : 0;
    return rc < 0 ? put_place(table, rc, err) : 0;
}

static int check_sink(const struct op *op, bool checkpoints, struct err *err)
{
    const struct operator_class *class = chain_sink_class(op->table);
    if (!class)
        return err_set(err, -EINVAL, "table %s: connector '%s' cannot be written to",
                       op->table->name, op->table->connector);
    int rc = 0;
    if (!checkpoints && class->check_without_checkpoints)
        rc = class->check_without_checkpoints(op, err);
    if (rc == 0 && class->check)
        rc = class->check(op, err);
    return rc < 0 ? put_place(op->table, rc, err) : 0;
}

static bool ignores_parse_errors(const struct plan_table *table)
{
    static const char *const keys[] = {
        "json.ignore-parse-errors",          "csv.ignore-parse-errors",
        "debezium-json.ignore-parse-errors", "value.json.ignore-parse-errors",
        "value.csv.ignore-parse-errors",     "value.debezium-json.ignore-parse-errors"};
    for (size_t i = 0; i < ARRAY_SIZE(keys); i++)
        if (strcasecmp(table_option(table, keys[i], ""), "true") == 0)
            return true;
    return false;
}

const char *job_bad_rows(const struct plan *plan, const struct stage *stage,
                         const struct job_options *options)
{
    const char *policy = options->bad_rows ? options->bad_rows : "dead-letter";
    policy = plan_setting(plan, "bad-rows", policy);
    if (stage->ops[0]->kind != OP_SOURCE)
        return policy;
    const struct plan_table *table = stage->ops[0]->table;
    if (ignores_parse_errors(table))
        policy = "skip"; // what Flink does then; here they are counted
    return table_option(table, "bad-rows", policy);
}

bool job_uses_dead_letters(const struct plan *plan, const struct job_options *options)
{
    for (int s = 0; s < plan->stage_count; s++)
        if (strcmp(job_bad_rows(plan, &plan->stages[s], options), "dead-letter") == 0)
            return true;
    return false;
}

static int check_letters(const struct plan_table *table, struct err *err)
{
    const struct op op = {
        .kind = OP_SINK, .output = table->physical, .table = (struct plan_table *)(uintptr_t)table};
    int rc = chain_letters_class(table)->check(&op, err);
    return rc < 0 ? put_place(table, err_prefix(err, rc, "dead letters"), err) : 0;
}

int job_check(const struct plan *plan, const struct job_options *options, struct err *err)
{
    int rc = 0;
    for (int s = 0; s < plan->stage_count && rc == 0; s++) {
        const struct stage *stage = &plan->stages[s];
        const struct op *first = stage->ops[0], *last = stage->ops[stage->op_count - 1];
        if (first->kind == OP_SOURCE)
            rc = check_source(first->table, err);
        if (rc == 0 && last->kind == OP_SINK)
            rc = check_sink(last, options->checkpoint_interval_ms > 0, err);
    }
    if (rc == 0 && plan->letters)
        return check_letters(plan->letters, err);
    if (rc < 0 || !options->dead_letter_dir || !job_uses_dead_letters(plan, options))
        return rc;
    rc = folder_check(options->dead_letter_dir, err);
    if (rc < 0) {
        err_prefix(err, rc, "bad rows could not go to the dead-letter folder %s",
                   options->dead_letter_dir);
        err_append(err, rc,
                   "set recovery.dead_letter to another folder, or recovery.bad_rows to "
                   "skip or fail");
    }
    return rc;
}
