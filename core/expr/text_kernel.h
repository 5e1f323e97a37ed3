// text_kernel.h: the loops that kernels of text are made of. Private to core/expr/kernel_*.c.
#ifndef WEIR_CORE_EXPR_TEXT_KERNEL_H
#define WEIR_CORE_EXPR_TEXT_KERNEL_H

#include "core/expr/internal.h"

// Inside a kernel: `statement` for each row that is present.
#define EACH_PRESENT(statement)                                                                    \
    for (uint32_t i = 0; i < k->count; i++) {                                                      \
        if (k->out->state[i] == VALUE_PRESENT) {                                                   \
            statement;                                                                             \
        }                                                                                          \
    }

// Slots of absent rows still get a valid (empty) slice or number.
#define STRING_RESULT(name, expression)                                                            \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        for (uint32_t i = 0; i < k->count; i++)                                                    \
            k->out->str[i] = slice_make("", 0);                                                    \
        EACH_PRESENT(k->out->str[i] = expression)                                                  \
    }

#define NUMBER_RESULT(name, expression)                                                            \
    static void name(struct kernel *k)                                                             \
    {                                                                                              \
        memset(k->out->i64, 0, k->count * sizeof(int64_t));                                        \
        EACH_PRESENT(k->out->i64[i] = expression)                                                  \
    }

#define STR(n) (k->args[n]->str[i])
#define INT(n) (k->args[n]->i64[i])

// The row's result is NULL, or an error: what a STRING_RESULT of a FUNCTION_PARTIAL returns.
static inline struct slice text_null(struct kernel *k, uint32_t i)
{
    k->out->state[i] = VALUE_NULL;
    return slice_make("", 0);
}

static inline struct slice text_error(struct kernel *k, uint32_t i, enum expr_error error)
{
    k->out->state[i] = error_state(error);
    return slice_make("", 0);
}

#endif
