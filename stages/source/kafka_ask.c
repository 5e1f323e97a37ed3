// kafka_ask.c: see kafka_ask.h. Requests go through librdkafka's admin calls where there are any,
// whose answers come to a queue: whoever waits there can be called away.
#include "stages/source/kafka_ask.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "shm/atomic.h"
#include "stages/kafka/topics.h"

void kafka_ask_init(struct kafka_ask *ask, struct kafka_client *client,
                    const struct kafka_table *table)
{
    *ask = (struct kafka_ask){client, table, rd_kafka_queue_new(kafka_client_handle(client)), 0};
    CHECK(ask->queue);
}

void kafka_ask_fini(struct kafka_ask *ask)
{
    rd_kafka_queue_destroy(ask->queue);
}

void kafka_ask_cancel(struct kafka_ask *ask)
{
    atomic_write_u32(&ask->is_cancelled, 1); // relaxed: the queue's lock orders it
    rd_kafka_queue_yield(ask->queue);
}

int kafka_ask_refused(struct kafka_ask *ask, rd_kafka_resp_err_t code, const char *reason,
                      const char *topic, struct kafka_answer *answer)
{
    const enum kafka_fault fault = kafka_fault_of(code);
    answer->passes = fault == KAFKA_FAULT_PASSES || fault == KAFKA_FAULT_MISSING;
    answer->rc = kafka_error_text(ask->table, code, reason, topic, &answer->err);
    return answer->rc;
}

rd_kafka_event_t *kafka_ask_wait(struct kafka_ask *ask, struct kafka_answer *answer)
{
    enum { SLICE_MS = 1000 };
    rd_kafka_event_t *event = NULL;
    for (int waited = 0; !event && waited < 2 * KAFKA_ASK_MS; waited += SLICE_MS) {
        event = rd_kafka_queue_poll(ask->queue, SLICE_MS);
        if (atomic_read_u32(&ask->is_cancelled)) // relaxed: see kafka_ask_cancel
            break;
    }
    rd_kafka_resp_err_t code = event ? rd_kafka_event_error(event) : RD_KAFKA_RESP_ERR__TIMED_OUT;
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return event;
    kafka_ask_refused(ask, code, event ? rd_kafka_event_error_string(event) : NULL, NULL, answer);
    if (event)
        rd_kafka_event_destroy(event);
    return NULL;
}

// --- topics ---

static struct kafka_found_topic *find_topic(struct kafka_answer *answer, const char *name)
{
    for (int i = 0; i < answer->topic_count; i++)
        if (strcmp(answer->topics[i].name, name) == 0)
            return &answer->topics[i];
    return NULL;
}

static void take_ids(const rd_kafka_event_t *event, struct kafka_answer *answer)
{
    const rd_kafka_DescribeTopics_result_t *result =
        rd_kafka_event_DescribeTopics_result((rd_kafka_event_t *)(uintptr_t)event);
    size_t count = 0;
    const rd_kafka_TopicDescription_t **all =
        result ? rd_kafka_DescribeTopics_result_topics(result, &count) : NULL;
    for (size_t i = 0; i < count; i++) {
        const rd_kafka_Uuid_t *id = rd_kafka_TopicDescription_topic_id(all[i]);
        struct kafka_found_topic *topic =
            find_topic(answer, rd_kafka_TopicDescription_name(all[i]));
        if (topic && id &&
            rd_kafka_error_code(rd_kafka_TopicDescription_error(all[i])) ==
                RD_KAFKA_RESP_ERR_NO_ERROR)
            topic->id = (struct kafka_topic_id){(uint64_t)rd_kafka_Uuid_most_significant_bits(id),
                                                (uint64_t)rd_kafka_Uuid_least_significant_bits(id)};
    }
}

// A broker that answers, for a request that any can answer: librdkafka would wait for the
// controller, which may be away when the others are not. -1: none.
static int32_t any_broker(struct kafka_ask *ask)
{
    const struct rd_kafka_metadata *metadata;
    if (rd_kafka_metadata(kafka_client_handle(ask->client), 0, NULL, &metadata, KAFKA_ASK_MS / 2))
        return -1;
    const int32_t broker = metadata->orig_broker_id;
    rd_kafka_metadata_destroy(metadata);
    return broker;
}

static void request_ids(struct kafka_ask *ask, const char **names, size_t count, int32_t broker)
{
    rd_kafka_t *rk = kafka_client_handle(ask->client);
    rd_kafka_AdminOptions_t *options =
        rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_DESCRIBETOPICS);
    rd_kafka_TopicCollection_t *topics = rd_kafka_TopicCollection_of_topic_names(names, count);
    CHECK(options && topics);
    rd_kafka_AdminOptions_set_request_timeout(options, KAFKA_ASK_MS, NULL, 0);
    if (broker >= 0)
        rd_kafka_AdminOptions_set_broker(options, broker, NULL, 0);
    rd_kafka_DescribeTopics(rk, topics, options, ask->queue);
    rd_kafka_TopicCollection_destroy(topics);
    rd_kafka_AdminOptions_destroy(options);
}

// Who made the topic anew has given it another id. Brokers before 2.8 have none; then nobody can
// tell.
static int identify_topics(struct kafka_ask *ask, struct kafka_answer *answer)
{
    const char **names =
        pool_alloc(&answer->pool, ((size_t)answer->topic_count + 1) * sizeof *names);
    size_t count = 0;
    for (int i = 0; i < answer->topic_count; i++)
        if (answer->topics[i].error == RD_KAFKA_RESP_ERR_NO_ERROR)
            names[count++] = answer->topics[i].name;
    if (count == 0)
        return 0;
    request_ids(ask, names, count, any_broker(ask));
    rd_kafka_event_t *event = kafka_ask_wait(ask, answer);
    if (!event)
        return answer->rc;
    take_ids(event, answer);
    rd_kafka_event_destroy(event);
    return 0;
}

static int find_topics(struct kafka_ask *ask, struct kafka_answer *answer)
{
    struct kafka_topics topics;
    int rc = kafka_topics_find(ask->client, KAFKA_ASK_MS / 2, &answer->pool, &topics, &answer->err);
    if (rc < 0) {
        answer->passes = rc == -EHOSTUNREACH;
        return answer->rc = rc;
    }
    answer->topic_count = topics.count;
    answer->topics =
        pool_zalloc(&answer->pool, ((size_t)topics.count + 1) * sizeof *answer->topics);
    for (int i = 0; i < topics.count; i++)
        answer->topics[i] =
            (struct kafka_found_topic){.name = topics.topics[i].name,
                                       .partition_count = topics.topics[i].partition_count,
                                       .error = topics.topics[i].error};
    return identify_topics(ask, answer);
}

// --- partitions ---

static rd_kafka_topic_partition_list_t *list_fresh(const struct kafka_question *question,
                                                   const struct kafka_answer *answer)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(16);
    CHECK(list);
    for (int i = 0; i < answer->topic_count; i++) {
        const struct kafka_found_topic *topic = &answer->topics[i];
        for (int p = 0; p < topic->partition_count; p++)
            if (kafka_subtask_of(topic->name, p, question->subtask_count) == question->subtask &&
                (!question->known ||
                 !rd_kafka_topic_partition_list_find(question->known, topic->name, p)))
                rd_kafka_topic_partition_list_add(list, topic->name, p);
    }
    return list;
}

// Partitions that are not known: where they begin and end.
static int find_starts(struct kafka_ask *ask, const struct kafka_question *question,
                       struct kafka_answer *answer)
{
    static const struct kafka_position earliest = {.point = KAFKA_EARLIEST};
    rd_kafka_topic_partition_list_t *starts = list_fresh(question, answer);
    rd_kafka_topic_partition_list_t *ends = rd_kafka_topic_partition_list_copy(starts);
    const struct kafka_position *begin = question->is_first ? &ask->table->start : &earliest;
    int rc = kafka_ask_offsets(ask, begin, false, starts, answer);
    if (rc == 0)
        rc = kafka_ask_offsets(ask, &ask->table->bound, true, ends, answer);
    answer->start_count = rc == 0 ? starts->cnt : 0;
    answer->starts = pool_zalloc(&answer->pool, ((size_t)starts->cnt + 1) * sizeof *answer->starts);
    for (int i = 0; i < answer->start_count; i++) {
        const rd_kafka_topic_partition_t *start = &starts->elems[i];
        const struct kafka_found_topic *topic = find_topic(answer, start->topic);
        answer->starts[i] = (struct kafka_start){.topic = topic->name,
                                                 .partition = start->partition,
                                                 .end = ends->elems[i].offset,
                                                 .id = topic->id,
                                                 .place = {start->offset, 0, INT64_MIN, 0}};
    }
    rd_kafka_topic_partition_list_destroy(starts);
    rd_kafka_topic_partition_list_destroy(ends);
    return rc;
}

static int find_ranges(struct kafka_ask *ask, const struct kafka_question *question,
                       struct kafka_answer *answer)
{
    static const struct kafka_position earliest = {.point = KAFKA_EARLIEST},
                                       latest = {.point = KAFKA_LATEST};
    rd_kafka_topic_partition_list_t *first = rd_kafka_topic_partition_list_copy(question->lost);
    rd_kafka_topic_partition_list_t *end = rd_kafka_topic_partition_list_copy(question->lost);
    int rc = kafka_ask_offsets(ask, &earliest, false, first, answer);
    if (rc == 0)
        rc = kafka_ask_offsets(ask, &latest, false, end, answer);
    answer->range_count = rc == 0 ? first->cnt : 0;
    answer->ranges = pool_zalloc(&answer->pool, ((size_t)first->cnt + 1) * sizeof *answer->ranges);
    for (int i = 0; i < answer->range_count; i++)
        answer->ranges[i] = (struct kafka_range){
            .topic = pool_strdup(&answer->pool, first->elems[i].topic),
            .partition = first->elems[i].partition,
            .first = first->elems[i].offset,
            .end = end->elems[i].offset,
        };
    rd_kafka_topic_partition_list_destroy(first);
    rd_kafka_topic_partition_list_destroy(end);
    return rc;
}

void kafka_ask_brokers(struct kafka_ask *ask, const struct kafka_question *question,
                       struct kafka_answer *answer)
{
    int rc = find_topics(ask, answer);
    if (rc == 0)
        rc = find_starts(ask, question, answer);
    if (rc == 0 && question->lost)
        rc = find_ranges(ask, question, answer);
    answer->rc = rc;
}
