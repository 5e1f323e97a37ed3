// refusals.h: scripts that the binder refuses, and what each message must say and point at.
#ifndef WEIR_TESTS_UNIT_REFUSALS_H
#define WEIR_TESTS_UNIT_REFUSALS_H

// clang-format off
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <setjmp.h>
#include <cmocka.h>
// clang-format on

#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "core/plan/plan.h"

struct refusal {
    const char *sql;
    const char *caret; // the text that the caret stands under
    const char *says;  // part of the message
    const char *hint;  // part of the whole text, or NULL
};

static inline int try_plan(const char *sql, struct err *err)
{
    struct plan *plan = NULL;
    struct plan_settings settings = {"job.sql", slice_of(sql), 2};
    int rc = plan_make(&settings, &plan, err);
    if (rc == 0)
        plan_free(plan);
    return rc;
}

// Does the message point at `what`, which stands last in the script?
static inline bool points_at(const char *sql, const char *text, const char *what)
{
    unsigned line = 0, column = 0;
    if (sscanf(text, "job.sql:%u:%u: error:", &line, &column) != 2)
        return false;
    const char *at = sql;
    while (line-- > 1) {
        at = strchr(at, '\n');
        if (!at++)
            return false;
    }
    at += column - 1;
    return strncmp(at, what, strlen(what)) == 0;
}

static inline void check_refusals(const struct refusal *cases, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct err err = {0};
        const struct refusal *c = &cases[i];
        if (try_plan(c->sql, &err) == 0)
            fail_msg("was not refused: %s", c->sql);
        if (!points_at(c->sql, err.text, c->caret))
            fail_msg("does not point at '%s':\n%s", c->caret, err.text);
        if (!strstr(err.text, c->says))
            fail_msg("does not say '%s':\n%s", c->says, err.text);
        if (c->hint && !strstr(err.text, c->hint))
            fail_msg("does not hint at '%s':\n%s", c->hint, err.text);
    }
}

#endif
