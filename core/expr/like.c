// like.c: LIKE. A pattern is compiled to a run of items (a byte, any character, any run) and
// matched with one point to go back to, the last '%': no recursion.
#include <errno.h>
#include <stdlib.h>

#include "core/base/utf8.h"
#include "core/expr/internal.h"

enum { ITEM_ANY = 256, ITEM_RUN = 257 };

struct like_pattern {
    size_t count;
    uint16_t items[];
};

struct like_pattern *like_compile(struct slice pattern, const struct slice *escape)
{
    if (escape && escape->len != 1)
        return NULL;
    struct like_pattern *p = malloc(sizeof(*p) + (pattern.len + 1) * sizeof(uint16_t));
    CHECK(p);
    p->count = 0;
    for (uint64_t i = 0; i < pattern.len; i++) {
        uint8_t byte = (uint8_t)pattern.ptr[i];
        uint16_t item = byte == '%' ? ITEM_RUN : byte == '_' ? ITEM_ANY : byte;
        if (escape && pattern.ptr[i] == escape->ptr[0]) {
            // What is escaped must need it: another escape, % or _.
            if (++i == pattern.len || (pattern.ptr[i] != '%' && pattern.ptr[i] != '_' &&
                                       pattern.ptr[i] != escape->ptr[0])) {
                free(p);
                return NULL;
            }
            item = (uint8_t)pattern.ptr[i];
        }
        p->items[p->count++] = item;
    }
    return p;
}

void like_free(struct like_pattern *pattern)
{
    free(pattern);
}

bool like_match(const struct like_pattern *pattern, struct slice text)
{
    size_t at = 0, item = 0;           // where we are
    size_t back_at = 0, back_item = 0; // after the last '%', when there was one
    while (at < text.len) {
        uint16_t wanted = item < pattern->count ? pattern->items[item] : UINT16_MAX;
        if (wanted == ITEM_RUN) {
            back_item = ++item;
            back_at = at;
        } else if (wanted == ITEM_ANY) {
            size_t step = utf8_sequence_bytes(text.ptr + at, text.len - at);
            at += step ? step : 1;
            item++;
        } else if (wanted == (uint8_t)text.ptr[at]) {
            at++;
            item++;
        } else if (back_item) {
            at = ++back_at;
            item = back_item;
        } else {
            return false;
        }
    }
    while (item < pattern->count && pattern->items[item] == ITEM_RUN)
        item++;
    return item == pattern->count;
}

static struct like_pattern *compile_literals(const struct expr *call)
{
    bool escaped = call->arg_count == 3;
    if (call->args[1]->kind != EXPR_LITERAL || (escaped && call->args[2]->kind != EXPR_LITERAL))
        return NULL;
    return like_compile(call->args[1]->str, escaped ? &call->args[2]->str : NULL);
}

static void *prepare_like(const struct expr *call)
{
    return compile_literals(call);
}

static void release_like(void *prepared)
{
    like_free(prepared);
}

static int check_like(const struct expr *call, struct err *err)
{
    if (call->arg_count < 3 || call->args[1]->kind != EXPR_LITERAL ||
        call->args[2]->kind != EXPR_LITERAL || call->args[1]->is_null || call->args[2]->is_null)
        return 0;
    struct like_pattern *p = compile_literals(call);
    if (!p)
        return err_set(err, -EINVAL,
                       "the escape of LIKE is one character, and stands before %%, _ or itself");
    like_free(p);
    return 0;
}

static void like_kernel(struct kernel *k)
{
    const struct like_pattern *ready = k->prepared;
    for (uint32_t i = 0; i < k->count; i++) {
        k->out->i64[i] = 0;
        if (k->out->state[i] != VALUE_PRESENT)
            continue;
        struct slice escape = k->arg_count == 3 ? k->args[2]->str[i] : slice_make("", 0);
        struct like_pattern *own =
            ready ? NULL : like_compile(k->args[1]->str[i], k->arg_count == 3 ? &escape : NULL);
        if (ready || own)
            k->out->i64[i] = like_match(ready ? ready : own, k->args[0]->str[i]);
        else
            k->out->state[i] = error_state(EXPR_ERROR_ARGUMENT);
        like_free(own);
    }
}

const struct expr_function expr_like_functions[] = {
    {"LIKE", "ss", 'b', FUNCTION_INFIX | FUNCTION_PARTIAL, like_kernel, NULL, check_like,
     prepare_like, release_like},
    {"LIKE", "sss", 'b', FUNCTION_PARTIAL, like_kernel, NULL, check_like, prepare_like,
     release_like},
    {0},
};
