// kafka_outside.c: what the brokers have to say to a Kafka source, and what it tells them.
//
// What passes by itself (a broker is away, a leader changes) is noted once and waited for. What a
// person must mend stops the job: no permission; a topic that is gone, or was made anew, so that
// its offsets mean other messages; offsets that are gone, where the table does not say otherwise;
// messages that are damaged. Nothing is skipped without a word.
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/source/kafka_source.h"

#define LONG(x) ((long long)(x))

int kafka_fail(struct kafka_source *k, struct err *err, const char *format, ...)
{
    va_list args;
    char text[2048]; // `err` may be where the task puts it
    int len = snprintf(text, sizeof text, "table %.100s: ", k->base.context.op->table->name);
    va_start(args, format);
    vsnprintf(text + len, sizeof text - (size_t)len, format, args);
    va_end(args);
    op_fail(&k->base.context, text);
    return err_set(err, -EBADMSG, "%s", text);
}

static void note(struct kafka_source *k, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

static void note(struct kafka_source *k, const char *format, ...)
{
    va_list args;
    char text[512], whole[640];
    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    snprintf(whole, sizeof whole, "table %.100s: %s", k->base.context.op->table->name, text);
    op_note(&k->base.context, whole);
}

static void look_again(struct kafka_source *k, int64_t at_ms)
{
    if (at_ms < k->next_look_ms)
        k->next_look_ms = at_ms;
}

// --- questions ---

static void ask(struct kafka_source *k)
{
    const struct op_context *context = &k->base.context;
    struct kafka_question question = {.subtask = context->subtask,
                                      .subtask_count = context->stage->parallelism,
                                      .is_first = !k->positions.has_started,
                                      .known = rd_kafka_topic_partition_list_new(8)};
    CHECK(question.known);
    for (uint32_t i = 0; i < k->base.split_count; i++) {
        const struct kafka_entry *entry = &k->positions.entries[i];
        rd_kafka_topic_partition_list_add(question.known, entry->topic, entry->partition);
        if (!k->splits[i].is_lost)
            continue;
        if (!question.lost)
            question.lost = rd_kafka_topic_partition_list_new(8);
        rd_kafka_topic_partition_list_add(question.lost, entry->topic, entry->partition);
    }
    kafka_scout_ask(k->consumer->scout, &question);
    k->next_look_ms = KAFKA_NEVER_MS;
}

// When to look for new topics and partitions; a bounded source reads what is there at the start.
static int64_t next_discovery_ms(const struct kafka_source *k, int64_t now_ms)
{
    const struct kafka_table *table = &k->consumer->table;
    if (table->bound.point != KAFKA_UNBOUNDED || table->discovery_ms <= 0)
        return KAFKA_NEVER_MS;
    return now_ms + table->discovery_ms;
}

// --- topics ---

static const struct kafka_found_topic *found(const struct kafka_answer *answer, const char *name)
{
    for (int i = 0; i < answer->topic_count; i++)
        if (strcmp(answer->topics[i].name, name) == 0)
            return &answer->topics[i];
    return NULL;
}

static bool has_id(struct kafka_topic_id id)
{
    return id.high || id.low;
}

static bool is_other_topic(const struct kafka_entry *entry, const struct kafka_found_topic *topic)
{
    return has_id(topic->id) && has_id(entry->id) &&
           memcmp(&topic->id, &entry->id, sizeof entry->id) != 0;
}

// The partition of split `i` is not there; it may come back. 0 or -errno.
static int wait_for_partition(struct kafka_source *k, uint32_t i, int64_t now_ms, struct err *err)
{
    const struct kafka_entry *entry = &k->positions.entries[i];
    struct kafka_split *split = &k->splits[i];
    if (!split->gone_since_ms) {
        split->gone_since_ms = now_ms;
        note(k, "topic %s, partition %d is not there any more; waiting for it for %d s",
             entry->topic, entry->partition, KAFKA_GRACE_MS / 1000);
    }
    look_again(k, now_ms + KAFKA_RETRY_MS);
    if (now_ms - split->gone_since_ms < KAFKA_GRACE_MS)
        return 0;
    return kafka_fail(k, err,
                      "topic %s, partition %d is not there any more: was the topic deleted?\nthis "
                      "job has read it up to offset %lld; start a new job without it",
                      entry->topic, entry->partition, LONG(entry->place.offset));
}

static int fail_remade(struct kafka_source *k, const char *topic, struct err *err)
{
    return kafka_fail(k, err,
                      "topic %s was deleted and made anew since this job has begun to read it: "
                      "its offsets mean other messages now\nstart a new job for the new topic",
                      topic);
}

int kafka_outside_look_for_remade(struct kafka_source *k, struct err *err)
{
    char topic[250];
    if (!kafka_client_remade(k->consumer->client, topic))
        return 0;
    for (uint32_t i = 0; i < k->base.split_count; i++)
        if (strcmp(k->positions.entries[i].topic, topic) == 0)
            return fail_remade(k, topic, err);
    return 0;
}

// Is the partition that split `i` reads still the one that it was? 0 or -errno.
static int verify_split(struct kafka_source *k, uint32_t i, const struct kafka_answer *answer,
                        int64_t now_ms, struct err *err)
{
    const struct kafka_entry *entry = &k->positions.entries[i];
    const struct kafka_found_topic *topic = found(answer, entry->topic);
    const bool is_answer = topic && topic->error == RD_KAFKA_RESP_ERR_NO_ERROR;
    if (kafka_entry_is_done(entry)) // nothing is read of it any more
        return 0;
    if (is_answer && is_other_topic(entry, topic))
        return fail_remade(k, entry->topic, err);
    if (!topic || (is_answer && topic->partition_count <= entry->partition) ||
        kafka_fault_of(topic->error) == KAFKA_FAULT_MISSING)
        return wait_for_partition(k, i, now_ms, err);
    if (!is_answer) // a broker is away
        return 0;
    k->splits[i].gone_since_ms = 0;
    if (!has_id(entry->id) && has_id(topic->id))
        kafka_positions_identify(&k->positions, (int)i, topic->id);
    return 0;
}

// Topics that the table names and nobody has read: 1: all are there, 0: not yet, or -errno.
static int verify_topics(struct kafka_source *k, const struct kafka_answer *answer, int64_t now_ms,
                         struct err *err)
{
    for (int i = 0; i < answer->topic_count; i++) {
        const struct kafka_found_topic *topic = &answer->topics[i];
        const enum kafka_fault fault = kafka_fault_of(topic->error);
        if (topic->error == RD_KAFKA_RESP_ERR_NO_ERROR)
            continue;
        if (!k->missing_since_ms)
            k->missing_since_ms = now_ms;
        look_again(k, now_ms + KAFKA_RETRY_MS);
        if (fault == KAFKA_FAULT_PASSES ||
            (fault == KAFKA_FAULT_MISSING && now_ms - k->missing_since_ms < KAFKA_GRACE_MS))
            return 0;
        struct err why;
        kafka_error_text(&k->consumer->table, topic->error, NULL, topic->name, &why);
        return kafka_fail(k, err, "%s", why.text);
    }
    k->missing_since_ms = 0;
    return 1;
}

// --- lost offsets ---

static int lost_for_good(struct kafka_source *k, const struct kafka_entry *entry,
                         const struct kafka_range *range, struct err *err)
{
    return kafka_fail(
        k, err,
        "topic %s, partition %d: offset %lld is not there any more, the brokers have %lld to %lld: "
        "%s\n'scan.lost-offsets' = 'earliest' or 'latest' goes on without what is gone; the "
        "script is another one then: weir run --allow-new-state",
        entry->topic, entry->partition, LONG(entry->place.offset), LONG(range->first),
        LONG(range->end),
        entry->place.offset < range->first ? "messages were deleted before they were read"
                                           : "the brokers have lost messages that were read");
}

// Where to go on instead. Behind the end, messages that were read are gone: reading from the begin
// would give the others twice.
static int64_t offset_instead(const struct kafka_source *k, const struct kafka_entry *entry,
                              const struct kafka_range *range)
{
    if (entry->place.offset >= range->first && entry->place.offset <= range->end)
        return entry->place.offset; // the brokers have found it again
    if (entry->place.offset > range->end || k->consumer->table.lost == KAFKA_RESET_LATEST)
        return range->end;
    return range->first;
}

// 1: the position has moved; 0; or -errno.
static int mend_lost(struct kafka_source *k, const struct kafka_range *range, struct err *err)
{
    const int index = kafka_positions_find(&k->positions, range->topic, range->partition);
    if (index < 0 || !k->splits[index].is_lost)
        return 0;
    const struct kafka_entry *entry = &k->positions.entries[index];
    const int64_t before = entry->place.offset, offset = offset_instead(k, entry, range);
    k->splits[index].is_lost = false; // assigned anew by the next poll
    k->splits[index].fetched = offset;
    if (offset == before)
        return 0;
    if (k->consumer->table.lost == KAFKA_RESET_FAIL)
        return lost_for_good(k, entry, range, err);
    const struct kafka_place place = {offset, 0, entry->place.watermark_ms, entry->place.is_idle};
    const int64_t lost = offset > before ? offset - before : 0;
    note(k,
         "topic %s, partition %d: offset %lld is not there any more; %lld offsets are lost, "
         "reading goes on at %lld",
         entry->topic, entry->partition, LONG(before), LONG(lost), LONG(offset));
    if (lost)
        kafka_positions_lose(&k->positions, index, lost);
    kafka_positions_set(&k->positions, index, &place);
    kafka_split_load(k, (uint32_t)index);
    return 1;
}

// --- answers ---

static int add_starts(struct kafka_source *k, const struct kafka_answer *answer, struct err *err)
{
    const bool is_later = k->positions.has_started;
    for (int i = 0; i < answer->start_count; i++) {
        const struct kafka_start *start = &answer->starts[i];
        if (kafka_positions_find(&k->positions, start->topic, start->partition) >= 0)
            continue;
        if (kafka_positions_add(&k->positions, start) < 0)
            return err_set(err, -ENOSPC,
                           "table %s: no room in the task's memory for the positions of "
                           "partitions; set memory.state higher",
                           k->base.context.op->table->name);
        if (is_later)
            note(k, "topic %s, partition %d is new; it is read from its begin", start->topic,
                 start->partition);
    }
    kafka_splits_grow(k);
    return 0;
}

static int take_answer(struct kafka_source *k, const struct kafka_answer *answer, int64_t now_ms,
                       struct err *err)
{
    k->next_look_ms = next_discovery_ms(k, now_ms);
    if (answer->rc < 0) {
        if (!answer->passes)
            return kafka_fail(k, err, "%s", answer->err.text);
        note(k, "%s", answer->err.text);
        look_again(k, now_ms + KAFKA_RETRY_MS);
        return 0;
    }
    int rc = 0, all = 0;
    // What was read knows more to say of a topic that is gone.
    for (uint32_t i = 0; i < k->base.split_count && rc == 0; i++)
        rc = verify_split(k, i, answer, now_ms, err);
    if (rc == 0) {
        all = verify_topics(k, answer, now_ms, err);
        rc = all < 0 ? all : 0;
    }
    for (int i = 0; i < answer->range_count && rc >= 0; i++)
        rc = mend_lost(k, &answer->ranges[i], err);
    if (rc >= 0 && (all || k->positions.has_started))
        rc = add_starts(k, answer, err);
    if (rc < 0)
        return rc;
    if (all && !k->positions.has_started)
        kafka_positions_mark_started(&k->positions);
    k->is_verified |= k->positions.has_started;
    return 0;
}

// --- what the group is told ---

void kafka_outside_commit(struct kafka_source *k, bool at_barrier)
{
    if (!k->base.split_count || !kafka_consumer_has_group(k->consumer))
        return;
    rd_kafka_topic_partition_list_t *list =
        rd_kafka_topic_partition_list_new((int)k->base.split_count);
    CHECK(list);
    for (uint32_t i = 0; i < k->base.split_count; i++) {
        const struct kafka_entry *entry = &k->positions.entries[i];
        rd_kafka_topic_partition_list_add(list, entry->topic, entry->partition)->offset =
            at_barrier ? k->splits[i].barrier_offset : entry->place.offset;
    }
    kafka_consumer_commit(k->consumer, list);
    rd_kafka_topic_partition_list_destroy(list);
}

static void commit_now_and_then(struct kafka_source *k, int64_t now_ms)
{
    if (k->base.context.checkpoints || !k->has_uncommitted || now_ms < k->next_commit_ms)
        return;
    k->next_commit_ms = now_ms + KAFKA_COMMIT_MS;
    k->has_uncommitted = false;
    kafka_outside_commit(k, false);
}

// --- what the consumer says ---

static const char *text_of(const rd_kafka_message_t *message)
{
    return message->payload ? (const char *)message->payload : rd_kafka_err2str(message->err);
}

// The offset that was asked for is not there: the scout finds out what is.
static int note_lost(struct kafka_source *k, int split, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    const struct kafka_entry *entry = &k->positions.entries[split];
    CHECK(list);
    rd_kafka_topic_partition_list_add(list, entry->topic, entry->partition);
    int rc = k->splits[split].is_assigned ? kafka_consumer_unassign(k->consumer, list, err) : 0;
    rd_kafka_topic_partition_list_destroy(list);
    k->splits[split].is_assigned = false;
    k->splits[split].is_lost = true;
    look_again(k, 0);
    return rc;
}

static int damaged(struct kafka_source *k, const rd_kafka_message_t *message, int split,
                   struct err *err)
{
    return kafka_fail(
        k, err,
        "topic %s, partition %d, at offset %lld: what the broker gave cannot be read: "
        "%s\nwhere a disk has damaged it, another replica may be whole; "
        "a new job can begin behind it ('scan.startup.mode' = 'specific-offsets')",
        k->positions.entries[split].topic, k->positions.entries[split].partition,
        LONG(message->offset), text_of(message));
}

int kafka_outside_error(struct kafka_source *k, const rd_kafka_message_t *message, int split,
                        struct err *err)
{
    const rd_kafka_resp_err_t code = message->err;
    const int64_t now_ms = k->base.context.env->realtime_ms(k->base.context.env);
    const char *topic = split >= 0 ? k->positions.entries[split].topic : NULL;
    struct err why;
    if (split >= 0 && (code == RD_KAFKA_RESP_ERR__AUTO_OFFSET_RESET ||
                       code == RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE))
        return note_lost(k, split, err);
    if (split >= 0 &&
        (code == RD_KAFKA_RESP_ERR__BAD_MSG || code == RD_KAFKA_RESP_ERR__BAD_COMPRESSION ||
         code == RD_KAFKA_RESP_ERR__NOT_IMPLEMENTED || code == RD_KAFKA_RESP_ERR_INVALID_MSG))
        return damaged(k, message, split, err);
    switch (kafka_fault_of(code)) {
    case KAFKA_FAULT_DENIED:
        kafka_error_text(&k->consumer->table, code, text_of(message), topic, &why);
        return kafka_fail(k, err, "%s", why.text);
    case KAFKA_FAULT_MISSING:
        look_again(k, now_ms + KAFKA_RETRY_MS); // the scout finds out
        return 0;
    case KAFKA_FAULT_PASSES:
        return 0;
    default:
        note(k, "%s", text_of(message));
        return 0;
    }
}

static int hear_client(struct kafka_source *k, struct err *err)
{
    const struct op_context *context = &k->base.context;
    struct kafka_trouble trouble;
    struct err why;
    rd_kafka_poll(k->consumer->rk, 0); // the callbacks
    kafka_client_tell(k->consumer->client, context->note, context->bad_row_context);
    if (k->consumer->commit_error) {
        note(k, "the offsets of group %s could not be committed: %s", k->consumer->table.group_id,
             rd_kafka_err2str(k->consumer->commit_error));
        k->consumer->commit_error = RD_KAFKA_RESP_ERR_NO_ERROR;
    }
    if (!kafka_client_trouble(k->consumer->client, &trouble) || trouble.fault != KAFKA_FAULT_DENIED)
        return 0;
    kafka_error_text(&k->consumer->table, trouble.code, trouble.reason, NULL, &why);
    return kafka_fail(k, err, "%s", why.text);
}

// --- a poll ---

int kafka_outside_poll(struct kafka_source *k, int64_t now_ms, struct err *err)
{
    struct kafka_answer *answer = kafka_scout_take(k->consumer->scout);
    const uint64_t logged = arena_log_used(k->base.context.arena);
    int rc = 0;
    if (answer)
        rc = take_answer(k, answer, now_ms, err);
    kafka_answer_free(answer);
    if (rc == 0)
        rc = hear_client(k, err);
    if (rc < 0)
        return rc;
    if (now_ms >= k->next_look_ms && !kafka_scout_is_busy(k->consumer->scout))
        ask(k);
    commit_now_and_then(k, now_ms);
    return arena_log_used(k->base.context.arena) != logged;
}

// What librdkafka has heard with the messages: no question is asked for it. A partition that nobody
// has heard of counts nothing.
void kafka_outside_tell(struct kafka_source *k, int64_t now_ms)
{
    struct op_outside *outside = k->base.context.outside;
    int64_t behind = 0;
    bool is_known = false;
    if (!outside || (now_ms < k->told_ms + KAFKA_TELL_MS && now_ms >= k->told_ms))
        return;
    k->told_ms = now_ms;
    for (uint32_t i = 0; i < k->base.split_count; i++) {
        const struct kafka_entry *entry = &k->positions.entries[i];
        int64_t low, high = RD_KAFKA_OFFSET_INVALID;
        if (kafka_entry_is_done(entry) ||
            rd_kafka_get_watermark_offsets(k->consumer->rk, entry->topic, entry->partition, &low,
                                           &high) ||
            high < 0)
            continue;
        is_known = true;
        behind += high > entry->place.offset ? high - entry->place.offset : 0;
    }
    outside->behind_rows = is_known ? behind : INT64_MIN;
}

int64_t kafka_outside_next_ms(const struct kafka_source *k)
{
    int64_t next_ms = k->next_look_ms;
    const int64_t silence_ms = kafka_silence_next_ms(k);
    if (silence_ms < next_ms)
        next_ms = silence_ms;
    if (!k->base.context.checkpoints && k->has_uncommitted && k->next_commit_ms < next_ms)
        next_ms = k->next_commit_ms;
    return next_ms == KAFKA_NEVER_MS ? 0 : next_ms;
}
