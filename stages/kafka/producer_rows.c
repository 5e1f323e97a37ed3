// producer_rows.c: rows to librdkafka and their reports back; the task's side, which never waits.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/kafka/producer_internal.h"

// Why rows are of no fault: the row itself is what the cluster does not take.
static bool is_rows_fault(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE:
    case RD_KAFKA_RESP_ERR_INVALID_MSG:
    case RD_KAFKA_RESP_ERR_INVALID_MSG_SIZE:
    case RD_KAFKA_RESP_ERR_INVALID_TIMESTAMP:
    case RD_KAFKA_RESP_ERR_INVALID_RECORD:
    case RD_KAFKA_RESP_ERR_POLICY_VIOLATION:
    case RD_KAFKA_RESP_ERR_RECORD_LIST_TOO_LARGE:
        return true;
    default:
        return false;
    }
}

// A topic that is not there for an instance that has never written to it: librdkafka has waited for
// it since the instance began (topic.metadata.propagation.max.ms). One that was there a moment ago
// is looked for by a new instance first: brokers that have just started may not know it yet.
static bool is_topic_gone(const struct producer *p, rd_kafka_resp_err_t code)
{
    return !p->now.has_delivered && (code == RD_KAFKA_RESP_ERR__UNKNOWN_TOPIC ||
                                     code == RD_KAFKA_RESP_ERR__UNKNOWN_PARTITION ||
                                     code == RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART);
}

static void lose(struct producer *p, rd_kafka_resp_err_t code, const char *reason)
{
    struct err err;
    char fatal[512];
    if (p->lost != PRODUCER_DONE)
        return; // what came first is what matters
    rd_kafka_resp_err_t first = rd_kafka_fatal_error(p->now.rk, fatal, sizeof fatal);
    if (first) {
        code = first;
        reason = fatal;
    }
    p->lost = is_topic_gone(p, code) ? PRODUCER_HOPELESS : instance_outcome(p, code);
    kafka_error_text(p->spec.table, code, reason, p->first_topic, &err);
    snprintf(p->lost_text, sizeof p->lost_text, "%.1000s", err.text);
}

// The journal's headers: for each the bytes of its name (u32) and of its value (u32, all ones: it
// is null), the name, the value.
static rd_kafka_headers_t *make_headers(struct slice packed)
{
    rd_kafka_headers_t *headers = rd_kafka_headers_new(8);
    for (uint64_t at = 0; at < packed.len;) {
        uint32_t sizes[2];
        memcpy(sizes, packed.ptr + at, sizeof sizes);
        const char *name = packed.ptr + at + sizeof sizes;
        bool is_null = sizes[1] == UINT32_MAX;
        rd_kafka_header_add(headers, name, (ssize_t)sizes[0], is_null ? NULL : name + sizes[0],
                            is_null ? 0 : (ssize_t)sizes[1]);
        at += sizeof sizes + sizes[0] + (is_null ? 0 : sizes[1]);
    }
    return headers;
}

static rd_kafka_resp_err_t send_with_more(struct producer *p, rd_kafka_topic_t *topic,
                                          const struct journal_row *row, const void *value,
                                          uint64_t number)
{
    rd_kafka_headers_t *headers = row->headers.len ? make_headers(row->headers) : NULL;
    const void *key = row->has_key ? row->key.ptr : NULL;
    rd_kafka_vu_t more[9] = {
        {.vtype = RD_KAFKA_VTYPE_RKT, .u.rkt = topic},
        {.vtype = RD_KAFKA_VTYPE_PARTITION, .u.i32 = row->partition},
        {.vtype = RD_KAFKA_VTYPE_MSGFLAGS, .u.i = RD_KAFKA_MSG_F_COPY},
        {.vtype = RD_KAFKA_VTYPE_VALUE, .u.mem = {(void *)(uintptr_t)value, row->value.len}},
        {.vtype = RD_KAFKA_VTYPE_KEY, .u.mem = {(void *)(uintptr_t)key, row->key.len}},
        {.vtype = RD_KAFKA_VTYPE_OPAQUE, .u.ptr = (void *)(uintptr_t)number},
        {.vtype = RD_KAFKA_VTYPE_TIMESTAMP, .u.i64 = row->timestamp_ms},
    };
    size_t count = 7;
    if (headers)
        more[count++] = (rd_kafka_vu_t){.vtype = RD_KAFKA_VTYPE_HEADERS, .u.headers = headers};
    rd_kafka_error_t *error = rd_kafka_produceva(p->now.rk, more, count);
    rd_kafka_resp_err_t code = error ? rd_kafka_error_code(error) : RD_KAFKA_RESP_ERR_NO_ERROR;
    if (error && headers)
        rd_kafka_headers_destroy(headers);
    rd_kafka_error_destroy(error);
    return code;
}

static int send_one(struct producer *p, const struct journal_row *row, uint64_t number)
{
    rd_kafka_topic_t *topic = p->now.topics[row->topic];
    const void *value = row->is_tombstone ? NULL : row->value.ptr;
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR_NO_ERROR;
    if (row->headers.len || row->timestamp_ms)
        code = send_with_more(p, topic, row, value, number);
    else if (rd_kafka_produce(topic, row->partition, RD_KAFKA_MSG_F_COPY, (void *)(uintptr_t)value,
                              row->value.len, row->has_key ? row->key.ptr : NULL, row->key.len,
                              (void *)(uintptr_t)number) < 0)
        code = rd_kafka_last_error();
    if (code == RD_KAFKA_RESP_ERR_NO_ERROR)
        return 0;
    if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        return -EAGAIN;
    if (is_rows_fault(code))
        return -EMSGSIZE;
    lose(p, code, rd_kafka_err2str(code));
    return -EIO;
}

// Can the row go in one call with others? Not if it may fail and those behind it go all the same.
static bool is_plain(const struct producer *p, const struct journal_row *row)
{
    return !row->headers.len && !row->timestamp_ms && row->partition < 0 &&
           row->key.len + row->value.len <= p->now.row_bytes_max && row->key.len <= INT32_MAX;
}

// Rows of one topic that are plain, in one call: the clock is read and the topic is locked once.
static uint32_t send_plain(struct producer *p, const struct journal_row *rows, uint32_t count,
                           uint64_t number, int *rc)
{
    rd_kafka_message_t messages[PRODUCER_SEND_ROWS];
    for (uint32_t i = 0; i < count; i++)
        messages[i] = (rd_kafka_message_t){
            .payload = rows[i].is_tombstone ? NULL : (void *)(uintptr_t)rows[i].value.ptr,
            .len = rows[i].value.len,
            .key = rows[i].has_key ? (void *)(uintptr_t)rows[i].key.ptr : NULL,
            .key_len = rows[i].key.len,
            ._private = (void *)(uintptr_t)(number + i),
        };
    uint32_t sent =
        (uint32_t)rd_kafka_produce_batch(p->now.topics[rows->topic], RD_KAFKA_PARTITION_UA,
                                         RD_KAFKA_MSG_F_COPY, messages, (int)count);
    if (sent == count)
        return count;
    for (sent = 0; !messages[sent].err; sent++)
        ;
    *rc = -EAGAIN; // behind the one without room none has gone
    if (messages[sent].err != RD_KAFKA_RESP_ERR__QUEUE_FULL) {
        lose(p, messages[sent].err, rd_kafka_err2str(messages[sent].err));
        *rc = -EIO;
    }
    return sent;
}

uint32_t producer_send(struct producer *p, const struct journal_row *rows, uint32_t count,
                       uint64_t number, int *rc)
{
    uint32_t sent = 0, plain;
    CHECK(!p->is_opening && count <= PRODUCER_SEND_ROWS);
    *rc = p->lost == PRODUCER_DONE ? 0 : -EIO;
    while (sent < count && *rc == 0) {
        const struct journal_row *row = &rows[sent];
        CHECK((int)row->topic < p->spec.table->topic_count);
        for (plain = 0;
             sent + plain < count && row[plain].topic == row->topic && is_plain(p, &row[plain]);)
            plain++;
        if (plain > 1) {
            sent += send_plain(p, row, plain, number + sent, rc);
        } else {
            *rc = send_one(p, row, number + sent);
            sent += *rc == 0;
        }
    }
    return sent;
}

static void take_reports(struct producer *p, rd_kafka_event_t *event,
                         const struct producer_reader *reader)
{
    const rd_kafka_message_t *message;
    while ((message = rd_kafka_event_message_next(event))) {
        uint64_t row = (uint64_t)(uintptr_t)message->_private;
        p->now.has_delivered |= !message->err;
        if (!message->err)
            reader->delivered(reader->context, row, message->len + message->key_len);
        else if (is_rows_fault(message->err))
            reader->refused(reader->context, row, rd_kafka_err2str(message->err));
        else
            lose(p, message->err, rd_kafka_err2str(message->err));
    }
}

void producer_poll(struct producer *p, const struct producer_reader *reader)
{
    if (p->is_opening || !p->now.client)
        return;
    rd_kafka_event_t *event;
    while ((event = rd_kafka_queue_poll(p->now.queue, 0))) {
        if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_DR)
            take_reports(p, event, reader);
        else if (rd_kafka_event_type(event) == RD_KAFKA_EVENT_ERROR &&
                 rd_kafka_event_error_is_fatal(event))
            lose(p, rd_kafka_event_error(event), rd_kafka_event_error_string(event));
        rd_kafka_event_destroy(event);
    }
}
