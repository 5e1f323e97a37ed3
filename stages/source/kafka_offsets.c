// kafka_offsets.c: where partitions begin and end, asked of the brokers (kafka_ask.h).
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/source/kafka_ask.h"

// Uncommitted messages are there only for who reads them.
static rd_kafka_IsolationLevel_t isolation_of(const struct kafka_table *table)
{
    for (int i = 0; i < table->property_count; i++)
        if (strcmp(table->properties[i].key, "isolation.level") == 0)
            return strcmp(table->properties[i].value, "read_uncommitted") == 0
                       ? RD_KAFKA_ISOLATION_LEVEL_READ_UNCOMMITTED
                       : RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
    return RD_KAFKA_ISOLATION_LEVEL_READ_COMMITTED;
}

void kafka_request_offsets(rd_kafka_t *rk, const struct kafka_table *table,
                           rd_kafka_topic_partition_list_t *list, int timeout_ms,
                           rd_kafka_queue_t *queue)
{
    rd_kafka_AdminOptions_t *options = rd_kafka_AdminOptions_new(rk, RD_KAFKA_ADMIN_OP_LISTOFFSETS);
    CHECK(options);
    rd_kafka_AdminOptions_set_request_timeout(options, timeout_ms, NULL, 0);
    rd_kafka_error_t *error =
        rd_kafka_AdminOptions_set_isolation_level(options, isolation_of(table));
    if (error) // an argument of ours that it does not know
        rd_kafka_error_destroy(error);
    rd_kafka_ListOffsets(rk, list, options, queue);
    rd_kafka_AdminOptions_destroy(options);
}

// The list's offsets are times or enum rd_kafka_OffsetSpec_t, and become offsets; -1: there is no
// message of such a time.
static int list_offsets(struct kafka_ask *ask, rd_kafka_topic_partition_list_t *list,
                        struct kafka_answer *answer)
{
    if (list->cnt == 0)
        return 0;
    kafka_request_offsets(kafka_client_handle(ask->client), ask->table, list, KAFKA_ASK_MS,
                          ask->queue);
    rd_kafka_event_t *event = kafka_ask_wait(ask, answer);
    if (!event)
        return answer->rc;
    const rd_kafka_ListOffsets_result_t *result = rd_kafka_event_ListOffsets_result(event);
    size_t count = 0;
    const rd_kafka_ListOffsetsResultInfo_t **infos =
        result ? rd_kafka_ListOffsets_result_infos(result, &count) : NULL;
    int rc = count == (size_t)list->cnt
                 ? 0
                 : kafka_ask_refused(ask, RD_KAFKA_RESP_ERR__TIMED_OUT, NULL, NULL, answer);
    for (size_t i = 0; i < count && rc == 0; i++) {
        const rd_kafka_topic_partition_t *found =
            rd_kafka_ListOffsetsResultInfo_topic_partition(infos[i]);
        rd_kafka_topic_partition_t *asked =
            rd_kafka_topic_partition_list_find(list, found->topic, found->partition);
        CHECK(asked);
        rd_kafka_resp_err_t code = found->err;
        if (!code && found->offset == RD_KAFKA_OFFSET_INVALID) // its broker did not answer
            code = RD_KAFKA_RESP_ERR__TRANSPORT;
        if (code)
            rc = kafka_ask_refused(ask, code, NULL, found->topic, answer);
        asked->offset = found->offset;
    }
    rd_kafka_event_destroy(event);
    return rc;
}

static int list_points(struct kafka_ask *ask, rd_kafka_topic_partition_list_t *list, int64_t point,
                       struct kafka_answer *answer)
{
    for (int i = 0; i < list->cnt; i++)
        list->elems[i].offset = point;
    return list_offsets(ask, list, answer);
}

// Where nothing is as new, at the end.
static int list_times(struct kafka_ask *ask, rd_kafka_topic_partition_list_t *list, int64_t time_ms,
                      struct kafka_answer *answer)
{
    int rc = list_points(ask, list, time_ms, answer);
    rd_kafka_topic_partition_list_t *rest = rd_kafka_topic_partition_list_new(4);
    CHECK(rest);
    for (int i = 0; i < list->cnt && rc == 0; i++)
        if (list->elems[i].offset < 0)
            rd_kafka_topic_partition_list_add(rest, list->elems[i].topic, list->elems[i].partition);
    if (rc == 0)
        rc = list_points(ask, rest, RD_KAFKA_OFFSET_SPEC_LATEST, answer);
    for (int i = 0; i < rest->cnt && rc == 0; i++)
        rd_kafka_topic_partition_list_find(list, rest->elems[i].topic, rest->elems[i].partition)
            ->offset = rest->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(rest);
    return rc;
}

// --- the group's offsets ---

static int nothing_committed(struct kafka_ask *ask, const rd_kafka_topic_partition_t *partition,
                             bool is_end, struct kafka_answer *answer)
{
    answer->passes = false;
    return answer->rc = err_set(
               &answer->err, -ENOENT,
               "'%s' = 'group-offsets': group %s has no offset of topic %s, partition %d; %s",
               is_end ? "scan.bounded.mode" : "scan.startup.mode", ask->table->group_id,
               partition->topic, partition->partition,
               is_end ? "the end cannot be there"
                      : "set 'properties.auto.offset.reset' to 'earliest' or 'latest', or another "
                        "'scan.startup.mode'");
}

// Those of the list that the group has no offset of: by the table's reset.
static int reset_rest(struct kafka_ask *ask, rd_kafka_topic_partition_list_t *list, bool is_end,
                      struct kafka_answer *answer)
{
    const enum kafka_reset reset = ask->table->reset;
    rd_kafka_topic_partition_list_t *rest = rd_kafka_topic_partition_list_new(4);
    int rc = 0;
    CHECK(rest);
    for (int i = 0; i < list->cnt && rc == 0; i++) {
        if (list->elems[i].offset >= 0)
            continue;
        if (is_end || reset == KAFKA_RESET_FAIL)
            rc = nothing_committed(ask, &list->elems[i], is_end, answer);
        rd_kafka_topic_partition_list_add(rest, list->elems[i].topic, list->elems[i].partition);
    }
    if (rc == 0)
        rc = list_points(ask, rest,
                         reset == KAFKA_RESET_EARLIEST ? RD_KAFKA_OFFSET_SPEC_EARLIEST
                                                       : RD_KAFKA_OFFSET_SPEC_LATEST,
                         answer);
    for (int i = 0; i < rest->cnt && rc == 0; i++)
        rd_kafka_topic_partition_list_find(list, rest->elems[i].topic, rest->elems[i].partition)
            ->offset = rest->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(rest);
    return rc;
}

static int list_committed(struct kafka_ask *ask, rd_kafka_topic_partition_list_t *list, bool is_end,
                          struct kafka_answer *answer)
{
    if (list->cnt == 0)
        return 0;
    rd_kafka_resp_err_t code =
        rd_kafka_committed(kafka_client_handle(ask->client), list, KAFKA_ASK_MS / 2);
    if (code)
        return kafka_ask_refused(ask, code, NULL, NULL, answer);
    for (int i = 0; i < list->cnt; i++)
        if (list->elems[i].err)
            return kafka_ask_refused(ask, list->elems[i].err, NULL, list->elems[i].topic, answer);
    return reset_rest(ask, list, is_end, answer);
}

// Offsets that the table names; the others as the group's.
static int list_named(struct kafka_ask *ask, const struct kafka_position *position, bool is_end,
                      rd_kafka_topic_partition_list_t *list, struct kafka_answer *answer)
{
    rd_kafka_topic_partition_list_t *rest = rd_kafka_topic_partition_list_new(4);
    CHECK(rest);
    for (int i = 0; i < list->cnt; i++) {
        rd_kafka_topic_partition_t *one = &list->elems[i];
        one->offset = KAFKA_NO_END;
        for (int o = 0; o < position->offset_count; o++)
            if (position->offsets[o].partition == one->partition)
                one->offset = position->offsets[o].offset;
        if (one->offset < 0 && !is_end)
            rd_kafka_topic_partition_list_add(rest, one->topic, one->partition);
    }
    int rc = list_committed(ask, rest, false, answer);
    for (int i = 0; i < rest->cnt && rc == 0; i++)
        rd_kafka_topic_partition_list_find(list, rest->elems[i].topic, rest->elems[i].partition)
            ->offset = rest->elems[i].offset;
    rd_kafka_topic_partition_list_destroy(rest);
    return rc;
}

int kafka_ask_offsets(struct kafka_ask *ask, const struct kafka_position *position, bool is_end,
                      rd_kafka_topic_partition_list_t *list, struct kafka_answer *answer)
{
    switch (position->point) {
    case KAFKA_EARLIEST:
        return list_points(ask, list, RD_KAFKA_OFFSET_SPEC_EARLIEST, answer);
    case KAFKA_LATEST:
        return list_points(ask, list, RD_KAFKA_OFFSET_SPEC_LATEST, answer);
    case KAFKA_TIMESTAMP:
        return list_times(ask, list, position->timestamp_ms, answer);
    case KAFKA_GROUP:
        return list_committed(ask, list, is_end, answer);
    case KAFKA_OFFSETS:
        return list_named(ask, position, is_end, list, answer);
    default:
        for (int i = 0; i < list->cnt; i++)
            list->elems[i].offset = KAFKA_NO_END;
        return 0;
    }
}
