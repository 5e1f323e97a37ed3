// fuzz_savepoint.c: no STATE file of a savepoint may crash what reads it: the frames, and each
// operator, source and sink that takes records of them, whatever the records say. The first byte
// says how the rest is read: bit 0 clear, as the file; set, as the payload of its first frame,
// whose header is made right, with as many records as there are. Bit 1 says which of two jobs it is
// for. What a task is given must leave a sound arena.
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/plan/plan.h"
#include "core/snapshot/format.h"
#include "core/snapshot/savepoint.h"
#include "stages/runtime/operator.h"
#include "stages/runtime/savepoint_internal.h"
#include "tests/fuzz/memory_env.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

enum { ARENA_BYTES = 1 << 20, LOG_BYTES = 64 << 10, TARGETS = 32, TASKS = 16, ID = 9, HEAD = 40 };

// The sound files of the corpus were made by a job of this script, but for the paths.
#define EARLY                                                                                      \
    "SET 'table.exec.emit.early-fire.enabled' = 'true'; "                                          \
    "SET 'table.exec.emit.early-fire.delay' = '1 s';\n"
#define TABLES                                                                                     \
    "SET 'parallelism.default' = '2';\n"                                                           \
    "CREATE TABLE a (n BIGINT, x DOUBLE, id STRING, t TIMESTAMP(3), WATERMARK FOR t AS t) "        \
    "WITH ('connector' = 'filesystem', 'path' = '/nowhere/a.csv', 'format' = 'csv', "              \
    "'csv.disable-quote-character' = 'true');\n"                                                   \
    "CREATE TABLE b (n BIGINT, id STRING, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ("            \
    "'connector' = 'filesystem', 'path' = '/nowhere/b', 'format' = 'csv', "                        \
    "'source.monitor-interval' = '1 s');\n"                                                        \
    "CREATE TABLE c (n BIGINT, t TIMESTAMP(3), WATERMARK FOR t AS t) WITH ('connector' = "         \
    "'datagen', 'number-of-rows' = '20000', 'rows-per-second' = '4000', 'fields.n.min' = '0', "    \
    "'fields.n.max' = '9', 'fields.t.start' = '2024-01-01 00:00:00', "                             \
    "'fields.t.rows-per-second' = '100');\n"                                                       \
    "CREATE TABLE ra (e TIMESTAMP(3), id STRING, uv BIGINT, m DOUBLE, s BIGINT, l STRING) WITH ("  \
    "'connector' = 'filesystem', 'path' = '/nowhere/ra', 'format' = 'debezium-json');\n"           \
    "CREATE TABLE rc (n BIGINT) WITH ('connector' = 'filesystem', 'path' = '/nowhere/rc', "        \
    "'format' = 'csv');\n"                                                                         \
    "EXECUTE STATEMENT SET BEGIN\n"

static const char *const scripts[] = {
    TABLES "INSERT INTO ra SELECT window_end, id, COUNT(DISTINCT n), AVG(x), SUM(n), MAX(id) FROM "
           "TABLE(CUMULATE(TABLE a, DESCRIPTOR(t), INTERVAL '1' MINUTE, INTERVAL '10' MINUTE)) "
           "GROUP BY window_start, window_end, id;\n"
           "INSERT INTO rc SELECT n FROM c WHERE CURRENT_WATERMARK(t) IS NOT NULL;\nEND;\n",
    EARLY TABLES
    "INSERT INTO ra SELECT TUMBLE_START(t, INTERVAL '1' MINUTE), id, COUNT(DISTINCT n), "
    "AVG(CAST(n AS DOUBLE)), SUM(n), MIN(id) FROM b GROUP BY TUMBLE(t, INTERVAL '1' "
    "MINUTE), id;\nINSERT INTO rc SELECT n FROM c;\nEND;\n",
};

static const struct arena_options options = {.fingerprint = 7, .log_bytes = LOG_BYTES};
static struct buf *const file = memory_files; // the first
static struct plan *plans[2], *plan;
static void *memory[TASKS];
static struct arena *arenas[TASKS];

// --- the file, in memory ---

static void put_word(uint32_t word)
{
    buf_append(file, &word, sizeof word);
}

static void put_frame(uint64_t index, uint32_t records, struct slice payload)
{
    const uint64_t magic = UINT64_C(0x3176617372696577), id = ID;
    size_t at = file->len;
    buf_append(file, &magic, sizeof magic);
    put_word(SAVEPOINT_VERSION);
    put_word((uint32_t)payload.len);
    buf_append(file, &index, sizeof index);
    buf_append(file, &id, sizeof id);
    put_word(records);
    put_word(0);
    uint32_t crc = snapshot_crc(0, file->data + at, HEAD);
    crc = snapshot_crc(crc, payload.ptr, payload.len);
    memcpy(file->data + at + HEAD - 4, &crc, sizeof crc);
    buf_append(file, payload.ptr, payload.len);
}

static uint32_t count_records(struct slice payload)
{
    uint32_t count = 0, bytes;
    for (size_t at = 0; at + 12 <= payload.len; at += 12 + (size_t)bytes, count++)
        memcpy(&bytes, (const char *)payload.ptr + at, sizeof bytes);
    return count;
}

static void lay_file(const uint8_t *data, size_t size)
{
    const struct slice rest = slice_make((const char *)data + 1, size - 1);
    buf_clear(file);
    if (data[0] % 2 == 0) {
        buf_append(file, rest.ptr, rest.len);
        return;
    }
    const uint64_t records = count_records(rest);
    if (records)
        put_frame(0, (uint32_t)records, rest);
    put_frame(records > 0, 0, slice_make((const char *)&records, sizeof records));
}

// --- who takes records ---

struct target {
    const struct op *op;
    const struct savepoint_class *class;
    struct op_context contexts[TASKS];
    void *restoring;
};

static struct target targets[TARGETS];
static int target_count;

static void make_plans(void)
{
    struct err err = {.text = ""};
    for (int i = 0; i < 2; i++) {
        const struct plan_settings settings = {"fuzz.sql", slice_of(scripts[i]), 2};
        if (plan_make(&settings, &plans[i], &err) < 0)
            fprintf(stderr, "%s\n", err.text);
        CHECK(plans[i] && plans[i]->task_count <= TASKS);
    }
    for (int t = 0; t < TASKS; t++) {
        memory[t] = aligned_alloc(4096, ARENA_BYTES);
        CHECK(memory[t]);
    }
}

static void begin_target(const struct stage *stage, const struct op *op)
{
    struct target *target = &targets[target_count];
    struct err err;
    *target = (struct target){.op = op, .class = savepoint_class_of(op)};
    if (!target->class)
        return;
    for (int s = 0; s < stage->parallelism; s++)
        target->contexts[s] = (struct op_context){.env = env_system(),
                                                  .arena = arenas[stage->first_task + s],
                                                  .plan = plan,
                                                  .op = op,
                                                  .stage = stage,
                                                  .subtask = s,
                                                  .job_name = "fuzz"};
    CHECK(target->class->begin(target->contexts, stage->parallelism, &target->restoring, &err) ==
          0);
    CHECK(++target_count < TARGETS);
}

static void begin(void)
{
    struct err err;
    for (int t = 0; t < plan->task_count; t++) {
        memset(memory[t], 0, ARENA_BYTES);
        CHECK(arena_format(memory[t], ARENA_BYTES, &options, &err) == 0);
        CHECK(arena_open(memory[t], ARENA_BYTES, &options, &arenas[t], &err) == 0);
    }
    target_count = 0;
    for (int s = 0; s < plan->stage_count; s++)
        for (int i = 0; i < plan->stages[s].op_count; i++)
            begin_target(&plan->stages[s], plan->stages[s].ops[i]);
}

// 0, or -errno with a text: then nothing more is given, as in a restore.
static int give(const struct savepoint_record *record)
{
    int rc = 0;
    for (int i = 0; i < target_count && rc == 0; i++) {
        struct savepoint_record copy = *record;
        struct err err = {.text = ""};
        if (plan_logical_op(plan, targets[i].op) != record->op)
            continue;
        rc = targets[i].class->take(targets[i].restoring, &copy, &err);
        CHECK(rc == 0 || err.text[0]);
    }
    return rc;
}

static void end(bool is_whole)
{
    struct err err = {.text = ""};
    // A sink would change files.
    for (int i = 0; i < target_count && is_whole; i++)
        if (targets[i].op->kind != OP_SINK && targets[i].class->end(targets[i].restoring, &err) < 0)
            is_whole = false;
    for (int i = 0; i < target_count; i++)
        targets[i].class->free(targets[i].restoring);
    for (int t = 0; t < plan->task_count; t++) {
        if (is_whole) {
            arena_commit(arenas[t]);
            CHECK(arena_check(arenas[t], &err) == 0);
        }
        arena_close(arenas[t]);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct savepoint_reader reader;
    struct savepoint_record record;
    struct err err = {.text = ""};
    if (size == 0)
        return 0;
    if (!plan)
        make_plans();
    plan = plans[data[0] >> 1 & 1];
    lay_file(data, size);
    begin();
    CHECK(savepoint_open(&memory_env, "0", ID, &reader, &err) == 0);
    int rc;
    while ((rc = savepoint_next(&reader, &record, &err)) == 1)
        if (give(&record) < 0)
            break;
    CHECK(rc >= 0 || err.text[0]);
    savepoint_close(&reader);
    end(rc == 0);
    return 0;
}
