// test_task_support.h: a source or sink on its own: an arena in plain memory, a plan of one stage.
#ifndef WEIR_TESTS_UNIT_TEST_TASK_SUPPORT_H
#define WEIR_TESTS_UNIT_TEST_TASK_SUPPORT_H

#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "stages/runtime/operator.h"

struct bench {
    void *memory;
    uint64_t bytes;
    struct arena *arena;
    struct plan plan;
    struct stage stage;
    struct op op;
    struct op *ops[1];
    struct plan_table table;
    struct plan_option options[32];
    struct op_context context;
    uint64_t late_rows, rows_out, bad_rows;
    struct err err;
    char folder[64];
};

static inline void bench_bad_row(void *context, const char *source, uint64_t position,
                                 const char *reason, struct slice row)
{
    (void)source;
    (void)position;
    (void)reason;
    (void)row;
    ((struct bench *)context)->bad_rows++;
}

static inline void bench_option(struct bench *b, const char *key, const char *value)
{
    b->options[b->table.option_count++] = (struct plan_option){key, value};
}

static inline void bench_open_arena(struct bench *b)
{
    const struct arena_options options = {.fingerprint = 7};
    assert_int_equal(arena_open(b->memory, b->bytes, &options, &b->arena, &b->err), 0);
    b->context.arena = b->arena;
}

// A process dies and another one takes over.
static inline void bench_reopen(struct bench *b)
{
    arena_close(b->arena);
    bench_open_arena(b);
}

static inline void bench_init(struct bench *b, enum op_kind kind, struct field *fields, int count)
{
    const struct arena_options options = {.fingerprint = 7};
    *b = (struct bench){.bytes = 16 << 20};
    b->memory = aligned_alloc(4096, b->bytes);
    assert_non_null(b->memory);
    assert_int_equal(arena_format(b->memory, b->bytes, &options, &b->err), 0);
    b->table = (struct plan_table){.name = "t", .connector = "c", .options = b->options};
    b->table.physical = (struct schema){fields, count};
    b->op = (struct op){.kind = kind, .output = b->table.physical, .table = &b->table};
    b->ops[0] = &b->op;
    b->stage = (struct stage){.ops = b->ops,
                              .op_count = 1,
                              .parallelism = 1,
                              .input_exchange = -1,
                              .output_exchange = -1,
                              .name = "stage"};
    b->context = (struct op_context){.env = env_system(),
                                     .plan = &b->plan,
                                     .op = &b->op,
                                     .stage = &b->stage,
                                     .job_name = "test",
                                     .bad_row_context = b,
                                     .bad_row = bench_bad_row,
                                     .late_rows = &b->late_rows,
                                     .rows_out = &b->rows_out};
    bench_open_arena(b);
    snprintf(b->folder, sizeof b->folder, "/tmp/weir-test-XXXXXX");
    assert_non_null(mkdtemp(b->folder));
}

static inline void bench_fini(struct bench *b)
{
    char command[128];
    arena_close(b->arena);
    free(b->memory);
    snprintf(command, sizeof command, "rm -rf %s", b->folder);
    assert_int_equal(system(command), 0);
}

#endif
