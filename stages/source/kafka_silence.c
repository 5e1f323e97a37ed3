// kafka_silence.c: see kafka_silence.h. One ListOffsets at a time, which librdkafka sends to all
// leaders; the answer is there when all have answered or are given up.
#include "stages/source/kafka_silence.h"

#include "core/base/check.h"
#include "stages/source/kafka_ask.h"
#include "stages/source/kafka_source.h"

enum {
    QUESTIONS = 4, // within the timeout
    PAUSE_MS_MIN = 50,
    PAUSE_MS_MAX = 5000,
    GIVE_UP_MS = 1000, // at the earliest
};

int64_t kafka_silence_timeout_ms(const struct op_context *context)
{
    for (int i = 0; i < context->stage->op_count; i++)
        if (context->stage->ops[i]->kind == OP_WATERMARK)
            return context->stage->ops[i]->watermark.idle_timeout_ms;
    return 0;
}

static int64_t pause_ms(const struct kafka_silence *s)
{
    const int64_t pause = s->timeout_ms / QUESTIONS;
    return pause < PAUSE_MS_MIN ? PAUSE_MS_MIN : pause > PAUSE_MS_MAX ? PAUSE_MS_MAX : pause;
}

static void on_answer(rd_kafka_t *rk, void *opaque)
{
    (void)rk;
    op_wake(opaque);
}

void kafka_silence_open(struct kafka_source *k)
{
    struct kafka_silence *s = &k->silence;
    s->timeout_ms = kafka_silence_timeout_ms(&k->base.context);
    if (s->timeout_ms <= 0)
        return;
    s->queue = rd_kafka_queue_new(k->consumer->rk);
    CHECK(s->queue);
    if (k->base.context.wake)
        rd_kafka_queue_cb_event_enable(s->queue, on_answer, &k->base.context);
}

void kafka_silence_close(struct kafka_source *k)
{
    if (!k->silence.queue)
        return;
    rd_kafka_queue_cb_event_enable(k->silence.queue, NULL, NULL);
    rd_kafka_queue_destroy(k->silence.queue);
    k->silence.queue = NULL;
}

// --- answers ---

// What was read, and is committed, reaches to where the partition ended when that was asked.
static void hear(struct kafka_source *k, const rd_kafka_topic_partition_t *end)
{
    const int split = kafka_positions_find(&k->positions, end->topic, end->partition);
    if (end->err == RD_KAFKA_RESP_ERR_NO_ERROR && split >= 0 && end->offset >= 0 &&
        k->positions.entries[split].place.offset >= end->offset)
        k->splits[split].heard_ms = k->silence.asked_ms;
}

static void take_answer(struct kafka_source *k)
{
    rd_kafka_event_t *event = rd_kafka_queue_poll(k->silence.queue, 0);
    if (!event)
        return;
    const rd_kafka_ListOffsets_result_t *result = rd_kafka_event_ListOffsets_result(event);
    size_t count = 0;
    const rd_kafka_ListOffsetsResultInfo_t **infos =
        result ? rd_kafka_ListOffsets_result_infos(result, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        hear(k, rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]));
    k->silence.is_asked = false;
    rd_kafka_event_destroy(event);
}

// --- questions ---

static bool may_fall_silent(const struct kafka_source *k, uint32_t i)
{
    const struct source_split *split = &k->base.splits[i];
    return !split->is_idle && !split->is_done && !split->is_ahead;
}

static rd_kafka_topic_partition_list_t *list_quiet(struct kafka_source *k, int64_t now_ms)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    CHECK(list);
    for (uint32_t i = 0; i < k->base.split_count; i++) {
        const struct kafka_entry *entry = &k->positions.entries[i];
        struct kafka_split *split = &k->splits[i];
        if (!may_fall_silent(k, i) || !split->is_assigned)
            continue;
        if (split->asked_offset >= 0 && split->asked_offset != entry->place.offset)
            split->heard_ms = now_ms; // messages are as good as an answer
        else
            rd_kafka_topic_partition_list_add(list, entry->topic, entry->partition)->offset =
                RD_KAFKA_OFFSET_SPEC_LATEST;
        split->asked_offset = entry->place.offset;
    }
    return list;
}

static void ask(struct kafka_source *k, int64_t now_ms)
{
    struct kafka_silence *s = &k->silence;
    rd_kafka_topic_partition_list_t *list = list_quiet(k, now_ms);
    const int64_t give_up_ms = 2 * pause_ms(s) > GIVE_UP_MS ? 2 * pause_ms(s) : GIVE_UP_MS;
    s->next_ms = now_ms + pause_ms(s);
    s->asked_ms = now_ms;
    s->is_asked = list->cnt > 0;
    if (s->is_asked)
        kafka_request_offsets(k->consumer->rk, &k->consumer->table, list, (int)give_up_ms,
                              s->queue);
    rd_kafka_topic_partition_list_destroy(list);
}

// --- what the head is told ---

// While nobody has answered for a split lately it is a moment short of idle at most. Time in which
// this task was not there to ask is no reason for more.
static void hold_back(struct kafka_source *k, uint32_t i, int64_t passed_ms, int64_t now_ms)
{
    const struct kafka_silence *s = &k->silence;
    struct kafka_split *split = &k->splits[i];
    int64_t *rows_ms = &k->base.splits[i].rows_ms;
    const bool is_heard =
        now_ms >= split->heard_ms && now_ms - split->heard_ms <= s->timeout_ms / 2;
    split->unheard_ms = is_heard || !may_fall_silent(k, i) ? 0 : split->unheard_ms + passed_ms;
    if (split->unheard_ms == 0 || *rows_ms == 0) // 0: the head has not looked, and begins now
        return;
    const int64_t least_ms = split->unheard_ms > pause_ms(s) ? now_ms : now_ms - s->timeout_ms + 1;
    if (*rows_ms < least_ms)
        *rows_ms = least_ms;
}

void kafka_silence_poll(struct kafka_source *k, int64_t now_ms)
{
    struct kafka_silence *s = &k->silence;
    if (!s->queue)
        return;
    int64_t passed_ms = now_ms - s->polled_ms;
    if (s->is_asked)
        take_answer(k);
    if (!s->is_asked && (now_ms >= s->next_ms || now_ms < s->asked_ms))
        ask(k, now_ms);
    if (passed_ms == 0)
        return;
    if (passed_ms < 0 || passed_ms > pause_ms(s))
        passed_ms = pause_ms(s);
    s->polled_ms = now_ms;
    for (uint32_t i = 0; i < k->base.split_count; i++)
        hold_back(k, i, passed_ms, now_ms);
}

int64_t kafka_silence_next_ms(const struct kafka_source *k)
{
    const struct kafka_silence *s = &k->silence;
    if (!s->queue)
        return KAFKA_NEVER_MS;
    for (uint32_t i = 0; i < k->base.split_count; i++)
        if (may_fall_silent(k, i))
            return s->is_asked ? s->polled_ms + pause_ms(s) : s->next_ms;
    return KAFKA_NEVER_MS;
}
