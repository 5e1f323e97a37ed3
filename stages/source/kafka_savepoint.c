// kafka_savepoint.c: positions of partitions into a savepoint and out of it, dealt to any number of
// tasks by the rule that assigns partitions.
//
// A record: topic, partition, next offset, rows of that message which are consumed, watermark
// (NULL: none), is it idle, end (NULL: none), topic id high, low, lost messages. Whether the job
// has started is what the records say: a task whose savepoint has a source of Kafka has.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/snapshot/savepoint.h"
#include "stages/kafka/topics.h"
#include "stages/source/kafka_source.h"

static void put_entry(const struct kafka_positions *positions, int index,
                      struct savepoint_writer *out, int id)
{
    const struct kafka_entry *entry = &positions->entries[index];
    savepoint_begin(out, id, SAVEPOINT_PARTITION);
    savepoint_put_text(out, slice_of(entry->topic));
    savepoint_put_int(out, entry->partition);
    savepoint_put_int(out, entry->place.offset);
    savepoint_put_int(out, entry->place.rows);
    if (entry->place.watermark_ms == INT64_MIN)
        savepoint_put_null(out);
    else
        savepoint_put_int(out, entry->place.watermark_ms);
    savepoint_put_int(out, entry->place.is_idle);
    savepoint_put_int(out, entry->end);
    savepoint_put_int(out, (int64_t)entry->id.high);
    savepoint_put_int(out, (int64_t)entry->id.low);
    savepoint_put_int(out, kafka_positions_lost(positions, index));
    savepoint_end(out);
}

static int kafka_put(const struct op_context *context, struct savepoint_writer *out, int id,
                     bool clocks, struct err *err)
{
    struct kafka_positions positions;
    if (clocks)
        return 0;
    int rc = kafka_positions_open(&positions, context->arena, (uint32_t)context->op->id);
    if (rc < 0)
        return err_set(err, rc, "table %s: its positions are damaged", context->op->table->name);
    for (int i = 0; i < positions.count; i++)
        put_entry(&positions, i, out, id);
    kafka_positions_close(&positions);
    return 0;
}

struct restoring {
    const struct op_context *contexts;
    int count;
    struct kafka_positions *positions; // one a task
};

static void restoring_free(void *restoring)
{
    struct restoring *r = restoring;
    for (int i = 0; i < r->count; i++)
        kafka_positions_close(&r->positions[i]);
    free(r->positions);
    free(r);
}

static int restoring_begin(const struct op_context *contexts, int count, void **out,
                           struct err *err)
{
    struct restoring *r = calloc(1, sizeof *r);
    int rc = 0;
    CHECK(r);
    *r = (struct restoring){contexts, count, calloc((size_t)count, sizeof *r->positions)};
    CHECK(r->positions);
    for (int i = 0; i < count && rc == 0; i++)
        rc =
            kafka_positions_open(&r->positions[i], contexts[i].arena, (uint32_t)contexts[i].op->id);
    if (rc < 0) {
        restoring_free(r);
        return err_set(err, rc, "no room in the task's memory; set memory.state higher");
    }
    *out = r;
    return 0;
}

static bool take_entry(struct savepoint_record *record, struct kafka_start *start, int64_t *lost)
{
    start->partition = (int32_t)savepoint_take_int(record);
    start->place.offset = savepoint_take_int(record);
    start->place.rows = savepoint_take_int(record);
    const struct savepoint_value watermark = savepoint_take(record);
    start->place.watermark_ms = watermark.tag == SAVEPOINT_INT ? watermark.number : INT64_MIN;
    start->place.is_idle = savepoint_take_int(record);
    start->end = savepoint_take_int(record);
    start->id.high = (uint64_t)savepoint_take_int(record);
    start->id.low = (uint64_t)savepoint_take_int(record);
    *lost = savepoint_take_int(record);
    return record->kind == SAVEPOINT_PARTITION && !record->is_bad && !record->left &&
           start->partition >= 0 && start->place.offset >= 0 && start->place.rows >= 0 &&
           start->place.rows <= 1 && start->end >= KAFKA_NO_END && *lost >= 0;
}

static int restoring_take(void *restoring, struct savepoint_record *record, struct err *err)
{
    struct restoring *r = restoring;
    struct kafka_start start = {0};
    int64_t lost;
    const struct slice text = savepoint_take_text(record);
    char topic[256]; // Kafka's names have 249 characters at most
    const bool is_name = text.len && text.len < sizeof topic && !memchr(text.ptr, '\0', text.len);
    if (!take_entry(record, &start, &lost) || !is_name)
        return err_set(err, -EBADMSG, "the savepoint's position of table %s is none of a partition",
                       r->contexts[0].op->table->name);
    memcpy(topic, text.ptr, text.len);
    topic[text.len] = '\0';
    start.topic = topic;
    const int subtask = kafka_subtask_of(topic, start.partition, r->count);
    struct kafka_positions *positions = &r->positions[subtask];
    int rc = kafka_positions_add(positions, &start);
    if (rc < 0)
        return err_set(err, rc, "no room in the task's memory; set memory.state higher");
    if (lost)
        kafka_positions_lose(positions, positions->count - 1, lost);
    arena_commit(r->contexts[subtask].arena);
    return 0;
}

// Partitions that are not in the savepoint have come later: they are read from their begin.
static int restoring_end(void *restoring, struct err *err)
{
    struct restoring *r = restoring;
    (void)err;
    for (int i = 0; i < r->count; i++) {
        kafka_positions_mark_started(&r->positions[i]);
        arena_commit(r->contexts[i].arena);
    }
    return 0;
}

const struct savepoint_class kafka_savepoint = {
    .put = kafka_put,
    .begin = restoring_begin,
    .take = restoring_take,
    .end = restoring_end,
    .free = restoring_free,
};
