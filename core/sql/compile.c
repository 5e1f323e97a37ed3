// compile.c: plan_make: text to plan. It lives here because SQL knows plans, and plans know no SQL.
#include "core/plan/plan.h"

#include <errno.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "core/plan/logical.h"
#include "core/sql/bind.h"
#include "core/sql/parse.h"

static const char *pipelines_text(struct plan *plan, const struct logical *logical)
{
    struct buf text = {0};
    for (int p = 0; p < logical->pipeline_count; p++)
        rel_format(logical->pipelines[p], &text);
    const char *copy = pool_strdup(&plan->pool, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static const char *script_text(struct plan *plan, const struct sql_script *script)
{
    struct buf text = {0};
    sql_ast_print(script, &text);
    const char *copy = pool_strdup(&plan->pool, buf_str(&text));
    buf_fini(&text);
    return copy;
}

static int compile(const struct plan_settings *settings, struct plan *plan, struct err *err)
{
    struct sql_script *script = NULL;
    struct logical logical = {0};
    int rc = sql_parse(&plan->pool, settings->file_name, settings->sql, &script, err);
    if (rc)
        return rc;
    plan->ast_text = script_text(plan, script);
    rc = sql_bind(&plan->pool, script, &logical, err);
    if (rc)
        return rc;
    plan->logical_text = pipelines_text(plan, &logical);
    for (int p = 0; p < logical.pipeline_count; p++)
        rel_optimize(&plan->pool, logical.pipelines[p]);
    plan->optimized_text = pipelines_text(plan, &logical);
    plan->settings = logical.settings;
    plan->setting_count = logical.setting_count;
    plan->letters = logical.letters;
    plan->explain_only = logical.explain_only;
    rc = plan_cut(plan, &logical, settings->cores, err);
    if (rc)
        return err_prefix(err, rc, "%s", settings->file_name);
    plan->fingerprint = plan_fingerprint(plan);
    return 0;
}

int plan_make(const struct plan_settings *settings, struct plan **out, struct err *err)
{
    struct plan *plan = calloc(1, sizeof(*plan));
    CHECK(plan); // out of memory aborts, as in the pool
    int rc = compile(settings, plan, err);
    if (rc) {
        plan_free(plan);
        return rc;
    }
    *out = plan;
    return 0;
}

void plan_free(struct plan *plan)
{
    if (!plan)
        return;
    pool_fini(&plan->pool);
    free(plan);
}

const char *plan_setting(const struct plan *plan, const char *key, const char *fallback)
{
    for (int i = 0; i < plan->setting_count; i++)
        if (strcmp(plan->settings[i].key, key) == 0)
            return plan->settings[i].value;
    return fallback;
}
