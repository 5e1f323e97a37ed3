// schema.c: look-ups in a plan that every part of the runtime needs.
#include "stages/runtime/schema.h"

#include <string.h>

#include "core/base/check.h"

const struct schema *schema_of_input(const struct plan *plan, const struct stage *stage,
                                     const struct op *op)
{
    int at = 0;
    while (at < stage->op_count && stage->ops[at] != op)
        at++;
    CHECK(at < stage->op_count);
    if (at > 0)
        return &stage->ops[at - 1]->output;
    if (stage->input_exchange < 0)
        return NULL;
    const struct stage *from = &plan->stages[plan->exchanges[stage->input_exchange].from_stage];
    return &from->ops[from->op_count - 1]->output;
}

const char *table_option(const struct plan_table *table, const char *key, const char *fallback)
{
    for (int i = 0; i < table->option_count; i++)
        if (strcmp(table->options[i].key, key) == 0)
            return table->options[i].value;
    return fallback;
}
