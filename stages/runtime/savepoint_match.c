// savepoint_match.c: which state of one script goes on in another one.
//
// State goes on where it means the same: see plan_logical_match. A source's clock is its
// watermark's as well, so it goes on only where that is the same.
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/runtime/savepoint.h"
#include "stages/runtime/savepoint_internal.h"

static const char *window_name(const struct op_window *window)
{
    static const char *const names[] = {"TUMBLE", "HOP", "CUMULATE"};
    return names[window->kind];
}

// What people call the state of the operator.
static void append_state(const struct op *op, struct buf *out)
{
    switch (op->kind) {
    case OP_SOURCE:
        buf_printf(out, "how far table %s is read", op->table->name);
        return;
    case OP_SINK:
        buf_printf(out, "what was written to table %s", op->table->name);
        return;
    case OP_WINDOW:
        buf_printf(out, "the %s window (%lld ms", window_name(&op->window),
                   (long long)op->window.size_ms);
        for (int k = 0; k < op->window.key_count; k++)
            buf_printf(out, "%s%s", k ? ", " : " by ", op->output.fields[k].name);
        buf_append_str(out, ")");
        return;
    default:
        buf_append_str(out, "CURRENT_WATERMARK");
    }
}

static bool is_target(const int *to, int count, int number)
{
    for (int i = 0; i < count; i++)
        if (to[i] == number)
            return true;
    return false;
}

static void report(const struct savepoint_match *match, const struct plan *plan, struct buf *out)
{
    for (int i = 0; i < match->count; i++) {
        const struct op *op = plan_logical_at(match->from, i);
        if (!savepoint_class_of(op))
            continue;
        buf_append_str(out, match->to[i] >= 0 ? "  goes on: " : "  IS DROPPED: ");
        append_state(op, out);
        buf_append_str(out, match->to[i] < 0 && op->kind == OP_SINK
                                ? "; it is finished as it was then\n"
                                : "\n");
    }
    for (int n = 0; n < plan_logical_count(plan); n++) {
        const struct op *op = plan_logical_at(plan, n);
        if (!savepoint_class_of(op) || is_target(match->to, match->count, n))
            continue;
        buf_append_str(out, "  BEGINS EMPTY: ");
        append_state(op, out);
        buf_append_str(out, op->kind == OP_SOURCE   ? "; it is read from its begin\n"
                            : op->kind == OP_WINDOW ? "; its first results lack what came before\n"
                                                    : "\n");
    }
}

void savepoint_match_make(const struct plan *from, const struct plan *to,
                          struct savepoint_match *out, struct buf *text)
{
    *out = (struct savepoint_match){.from = from, .count = plan_logical_count(from)};
    out->to = calloc((size_t)out->count + 1, sizeof *out->to);
    CHECK(out->to);
    plan_logical_match(from, to, out->to);
    report(out, to, text);
}

void savepoint_match_free(struct savepoint_match *match)
{
    free(match->to);
    *match = (struct savepoint_match){0};
}

int savepoint_match_op(const struct savepoint_match *match, int op)
{
    return !match ? op : op < match->count ? match->to[op] : -1;
}

bool savepoint_match_clock(const struct savepoint_match *match, int op)
{
    bool goes_on = savepoint_match_op(match, op) >= 0;
    for (int i = op + 1; match && goes_on && i < match->count; i++) {
        const struct op *next = plan_logical_at(match->from, i);
        if (next->kind == OP_WATERMARK)
            return match->to[i] >= 0;
        if (next->kind != OP_CALC)
            break;
    }
    return goes_on;
}

bool savepoint_match_feeds(const struct savepoint_match *match, int number)
{
    return !match || is_target(match->to, match->count, number);
}
