// producer_instance.c: what the thread does with librdkafka: make an instance, fence, read the
// mark, put one in, commit.
//
// Every error of these calls is one of:
//
//   retriable                    the same call again: it goes on where it was
//   fenced                       FENCED: another producer has the id, or the cluster has aborted
//   the
//                                transaction at its timeout and raised the epoch; the outbox knows
//                                which of the two can be
//   denied, not supported, a     HOPELESS: the same tomorrow
//   wrong timeout, ...
//   all others: fatal, abortable LOST: whatever has happened, a new instance fences this one and
//   or unheard of                reads the mark
//
// So no branch depends on what the cluster is believed to have done.
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/kafka/producer_internal.h"

enum {
    SLICE_MS = 1000, // after that a call is made again, or given up at the end
    LOOK_MS = 3000,
    RETRY_MS = 200,         // between two calls that do not wait by themselves
    DENIED_PATIENCE_S = 30, // a cluster that restarts may refuse a log-in
};

static const char mark_format[] = "weir1 %016" SCNx64 " %" SCNu64;

enum producer_outcome instance_outcome(const struct producer *p, rd_kafka_resp_err_t code)
{
    (void)p;
    switch (code) {
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_FOR_MESSAGE_FORMAT:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR__UNSUPPORTED_FEATURE:
    case RD_KAFKA_RESP_ERR__NOT_CONFIGURED:
        return PRODUCER_HOPELESS;
    case RD_KAFKA_RESP_ERR__AUTHENTICATION:
        return PRODUCER_LOST; // the next one has the password of now, and does not try for ever
    default:
        break;
    }
    switch (kafka_fault_of(code)) {
    case KAFKA_FAULT_DENIED:
        return PRODUCER_HOPELESS;
    case KAFKA_FAULT_FENCED:
        return PRODUCER_FENCED;
    default:
        return PRODUCER_LOST;
    }
}

static void answer_with(struct producer *p, rd_kafka_resp_err_t code, const char *reason,
                        struct producer_answer *answer)
{
    struct err err = {.text = ""};
    answer->outcome = instance_outcome(p, code);
    if (code == RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT)
        err_set(&err, -EINVAL,
                "'properties.transaction.timeout.ms' is %" PRId64
                ", more than the brokers' transaction.max.timeout.ms allows: set one lower or the "
                "other higher",
                p->spec.transaction_timeout_ms);
    else
        kafka_error_text(p->spec.table, code, reason, p->first_topic, &err);
    snprintf(answer->text, sizeof answer->text, "%s", err.text);
}

// What a call has returned; frees it. true: make the same call again.
static bool take_error(struct producer *p, rd_kafka_error_t *error, struct producer_answer *answer)
{
    char fatal[512] = "";
    answer->outcome = PRODUCER_DONE;
    if (!error)
        return false;
    rd_kafka_resp_err_t code = rd_kafka_error_code(error);
    const char *reason = rd_kafka_error_string(error);
    bool again = rd_kafka_error_is_retriable(error) && kafka_fault_of(code) != KAFKA_FAULT_DENIED;
    if (code == RD_KAFKA_RESP_ERR__FATAL || rd_kafka_error_is_fatal(error)) {
        rd_kafka_resp_err_t first = rd_kafka_fatal_error(p->now.rk, fatal, sizeof fatal);
        code = first ? first : code;
        reason = first ? fatal : reason;
    }
    answer_with(p, code, reason, answer);
    rd_kafka_error_destroy(error);
    return again;
}

// --- making and ending ---

static void on_reports(rd_kafka_t *rk, void *context)
{
    (void)rk;
    producer_wake(context);
}

static void configure(rd_kafka_conf_t *conf, void *context)
{
    (void)context;
    rd_kafka_conf_set_events(conf, RD_KAFKA_EVENT_DR);
}

static int32_t choose_fixed(const rd_kafka_topic_t *topic, const void *key, size_t key_bytes,
                            int32_t partitions, void *topic_opaque, void *opaque)
{
    const struct producer *p = topic_opaque;
    (void)topic, (void)key, (void)key_bytes, (void)opaque;
    return (int32_t)(p->spec.subtask % partitions);
}

// By the row's number, so that a row that is sent again goes where it went.
static int32_t choose_in_turn(const rd_kafka_topic_t *topic, const void *key, size_t key_bytes,
                              int32_t partitions, void *topic_opaque, void *opaque)
{
    (void)topic, (void)key, (void)key_bytes, (void)topic_opaque;
    return (int32_t)((uintptr_t)opaque % (uintptr_t)partitions);
}

static rd_kafka_topic_t *topic_new(struct producer *p, const char *name)
{
    rd_kafka_topic_conf_t *conf = rd_kafka_default_topic_conf_dup(p->now.rk);
    rd_kafka_topic_conf_set_opaque(conf, p);
    if (p->spec.table->partitioner == KAFKA_FIXED)
        rd_kafka_topic_conf_set_partitioner_cb(conf, choose_fixed);
    if (p->spec.table->partitioner == KAFKA_ROUND_ROBIN)
        rd_kafka_topic_conf_set_partitioner_cb(conf, choose_in_turn);
    rd_kafka_topic_t *topic = rd_kafka_topic_new(p->now.rk, name, conf);
    CHECK(topic);
    return topic;
}

static int make_client(struct producer *p, struct err *err)
{
    const struct kafka_table *table = p->spec.table;
    char timeout[32], batch[32], patience[32];
    struct kafka_setting own[8];
    int count = 0;
    // What a topic takes at most is the brokers' business.
    const struct kafka_setting defaults[] = {{"message.max.bytes", "1000000000"},
                                             {"partitioner", "murmur2_random"},
                                             {"compression.codec", "none"},
                                             {"socket.timeout.ms", patience}};
    // librdkafka wants a request to be over before its transaction is.
    snprintf(patience, sizeof patience, "%" PRId64,
             p->spec.transactional_id && p->spec.transaction_timeout_ms < KAFKA_PATIENCE_MS
                 ? p->spec.transaction_timeout_ms
                 : KAFKA_PATIENCE_MS);
    snprintf(timeout, sizeof timeout, "%" PRId64, p->spec.transaction_timeout_ms);
    if (table->guarantee != KAFKA_NONE)
        own[count++] = (struct kafka_setting){"enable.idempotence", "true"};
    if (p->spec.transactional_id) {
        own[count++] = (struct kafka_setting){"transactional.id", p->spec.transactional_id};
        own[count++] = (struct kafka_setting){"transaction.timeout.ms", timeout};
    }
    // Else librdkafka asks the partitioner of rows without a key once in 10 ms only.
    if (table->partitioner != KAFKA_BY_KEY)
        own[count++] = (struct kafka_setting){"sticky.partitioning.linger.ms", "0"};
    if (p->batches.one_by_one)
        own[count++] = (struct kafka_setting){"batch.num.messages", "1"};
    if (p->batches.bytes_max) {
        snprintf(batch, sizeof batch, "%d", p->batches.bytes_max);
        own[count++] = (struct kafka_setting){"batch.size", batch};
    }
    const struct kafka_client_spec spec = {.table = table,
                                           .role = KAFKA_PRODUCER,
                                           .job_name = p->spec.job_name,
                                           .subtask = p->spec.subtask,
                                           .defaults = defaults,
                                           .default_count = (int)ARRAY_SIZE(defaults),
                                           .own = own,
                                           .own_count = count,
                                           .configure = configure,
                                           .context = p};
    return kafka_client_create(&spec, &p->now.client, err);
}

// A consumer of no topic, of the group that the mark is an offset of. (A producer could ask too, by
// ListConsumerGroupOffsets, but in librdkafka 2.12.1 it dies of the answer NOT_COORDINATOR.)
static int make_reader(struct producer *p, struct err *err)
{
    const struct kafka_setting own[] = {
        {"group.id", p->transactional_id},
        {"isolation.level", "read_committed"}, // never what a transaction has left pending
        {"topic.metadata.refresh.interval.ms", "-1"},
    };
    const struct kafka_client_spec spec = {.table = p->spec.table,
                                           .role = KAFKA_CONSUMER,
                                           .job_name = p->spec.job_name,
                                           .subtask = p->spec.subtask,
                                           .own = own,
                                           .own_count = (int)ARRAY_SIZE(own)};
    return kafka_client_create(&spec, &p->now.reader, err);
}

static void end_reader(struct producer *p)
{
    kafka_client_destroy(p->now.reader);
    p->now.reader = NULL;
}

static uint64_t row_bytes_max(rd_kafka_t *rk)
{
    char text[32];
    size_t size = sizeof text;
    CHECK(rd_kafka_conf_get(rd_kafka_conf(rk), "message.max.bytes", text, &size) ==
          RD_KAFKA_CONF_OK);
    return strtoull(text, NULL, 10);
}

int instance_create(struct producer *p, struct err *err)
{
    const struct kafka_table *table = p->spec.table;
    int rc = make_client(p, err);
    if (rc < 0)
        return rc;
    p->now.rk = kafka_client_handle(p->now.client);
    p->now.queue = rd_kafka_queue_get_main(p->now.rk);
    p->now.topics = calloc((size_t)table->topic_count, sizeof(rd_kafka_topic_t *));
    CHECK(p->now.queue && p->now.topics);
    p->now.row_bytes_max = row_bytes_max(p->now.rk);
    for (int i = 0; i < table->topic_count; i++)
        p->now.topics[i] = topic_new(p, table->topics[i]);
    rd_kafka_queue_cb_event_enable(p->now.queue, on_reports, p);
    rc = p->spec.transactional_id ? make_reader(p, err) : 0;
    if (rc < 0)
        instance_destroy(p);
    return rc;
}

void instance_destroy(struct producer *p)
{
    if (!p->now.client)
        return;
    end_reader(p);
    rd_kafka_queue_cb_event_enable(p->now.queue, NULL, NULL);
    rd_kafka_purge(p->now.rk, RD_KAFKA_PURGE_F_QUEUE | RD_KAFKA_PURGE_F_INFLIGHT |
                                  RD_KAFKA_PURGE_F_NON_BLOCKING);
    for (int i = 0; i < p->spec.table->topic_count; i++)
        rd_kafka_topic_destroy(p->now.topics[i]);
    free(p->now.topics);
    rd_kafka_queue_destroy(p->now.queue);
    kafka_client_destroy(p->now.client);
    p->now = (struct producer_instance){.client = NULL};
}

// --- waiting for an answer ---

// That the user may not use the group of the mark is told to who consumes, and to nobody else.
static bool is_reader_denied(struct producer *p, struct producer_answer *answer)
{
    rd_kafka_message_t *message =
        p->now.reader ? rd_kafka_consumer_poll(kafka_client_handle(p->now.reader), 0) : NULL;
    const bool is_denied = message && kafka_fault_of(message->err) == KAFKA_FAULT_DENIED;
    if (is_denied)
        answer_with(p, message->err, rd_kafka_message_errstr(message), answer);
    if (message)
        rd_kafka_message_destroy(message);
    return is_denied;
}

// Is it the end, or a log-in that is refused for long? Says what is in the way.
static bool must_give_up(struct producer *p, struct producer_answer *answer)
{
    struct kafka_trouble trouble;
    struct timespec now;
    if (producer_must_end(p)) {
        answer->outcome = PRODUCER_LOST;
        return true;
    }
    if (is_reader_denied(p, answer))
        return true;
    rd_kafka_poll(p->now.rk, 0); // errors; reports there are none before a transaction has begun
    if (!kafka_client_trouble(p->now.client, &trouble))
        return false;
    clock_gettime(CLOCK_MONOTONIC, &now);
    bool is_long = now.tv_sec - trouble.since_ns / 1000000000 > DENIED_PATIENCE_S;
    answer_with(p, trouble.code, trouble.reason, answer);
    producer_set_trouble(p, answer->text);
    return trouble.fault == KAFKA_FAULT_DENIED && is_long;
}

static bool init_transactions(struct producer *p, struct producer_answer *answer)
{
    while (take_error(p, rd_kafka_init_transactions(p->now.rk, SLICE_MS), answer)) {
        producer_set_trouble(p, answer->text);
        if (must_give_up(p, answer))
            return false;
    }
    return answer->outcome == PRODUCER_DONE;
}

// --- the mark ---

static void parse_mark(const rd_kafka_topic_partition_t *at, struct producer_answer *answer)
{
    char text[128];
    size_t bytes = at->metadata_size < sizeof text - 1 ? at->metadata_size : sizeof text - 1;
    answer->has_mark = at->offset >= 0;
    if (!answer->has_mark)
        return;
    memcpy(text, at->metadata ? at->metadata : "", bytes);
    text[bytes] = '\0';
    answer->mark.row = (uint64_t)at->offset;
    if (sscanf(text, mark_format, &answer->mark.incarnation, &answer->mark.checkpoint) != 2)
        answer->mark.incarnation = 0;
}

// One try. true: again.
static bool read_mark_once(struct producer *p, struct producer_answer *answer)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_list_add(list, p->first_topic, 0);
    rd_kafka_t *rk = kafka_client_handle(p->now.reader);
    rd_kafka_resp_err_t code = rd_kafka_committed(rk, list, SLICE_MS);
    code = code ? code : list->elems[0].err;
    if (code)
        answer_with(p, code, rd_kafka_err2str(code), answer);
    else
        parse_mark(&list->elems[0], answer);
    rd_kafka_topic_partition_list_destroy(list);
    return code && answer->outcome != PRODUCER_HOPELESS;
}

static bool read_mark(struct producer *p, struct producer_answer *answer)
{
    answer->outcome = PRODUCER_DONE;
    while (read_mark_once(p, answer)) {
        producer_set_trouble(p, answer->text);
        if (must_give_up(p, answer))
            return false;
        producer_pause(p, RETRY_MS);
        answer->outcome = PRODUCER_DONE;
    }
    return answer->outcome == PRODUCER_DONE;
}

// --- the three asks ---

static bool begin_transaction(struct producer *p, struct producer_answer *answer)
{
    rd_kafka_error_t *error = rd_kafka_begin_transaction(p->now.rk);
    p->now.has_mark = false;
    bool again = take_error(p, error, answer); // it waits for nobody: once is enough
    if (again)
        answer->outcome = PRODUCER_LOST;
    return !error;
}

void instance_begin(struct producer *p, struct producer_answer *answer)
{
    answer->outcome = PRODUCER_DONE;
    if (p->spec.transactional_id &&
        (!init_transactions(p, answer) || !read_mark(p, answer) || !begin_transaction(p, answer)))
        return;
    answer->text[0] = '\0';
    end_reader(p);
    kafka_client_is_well(p->now.client);
}

void instance_look(struct producer *p, const struct producer_mark *own,
                   struct producer_answer *answer)
{
    for (int left_ms = LOOK_MS; left_ms > 0; left_ms -= RETRY_MS) {
        answer->outcome = PRODUCER_DONE;
        if (!read_mark(p, answer))
            return;
        if (answer->has_mark && answer->mark.incarnation != own->incarnation)
            return;
        producer_pause(p, RETRY_MS);
    }
}

// Into the open transaction; false: answer->outcome says why not.
static bool put_mark(struct producer *p, const struct producer_mark *mark,
                     struct producer_answer *answer)
{
    char text[128];
    if (p->now.has_mark && memcmp(&p->now.mark, mark, sizeof *mark) == 0)
        return true;
    snprintf(text, sizeof text, "weir1 %016" PRIx64 " %" PRIu64, mark->incarnation,
             mark->checkpoint);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    rd_kafka_topic_partition_t *at = rd_kafka_topic_partition_list_add(list, p->first_topic, 0);
    at->offset = (int64_t)mark->row;
    at->metadata_size = strlen(text);
    at->metadata = strdup(text); // freed with the list
    rd_kafka_consumer_group_metadata_t *group =
        rd_kafka_consumer_group_metadata_new(p->transactional_id);
    CHECK(at->metadata && group);
    while (take_error(p, rd_kafka_send_offsets_to_transaction(p->now.rk, list, group, -1), answer))
        if (producer_must_end(p))
            break;
    rd_kafka_consumer_group_metadata_destroy(group);
    rd_kafka_topic_partition_list_destroy(list);
    p->now.has_mark = answer->outcome == PRODUCER_DONE;
    p->now.mark = *mark;
    return p->now.has_mark;
}

void instance_mark(struct producer *p, const struct producer_mark *mark,
                   struct producer_answer *answer)
{
    answer->outcome = PRODUCER_DONE;
    put_mark(p, mark, answer);
}

void instance_commit(struct producer *p, const struct producer_mark *mark,
                     struct producer_answer *answer)
{
    answer->outcome = PRODUCER_DONE;
    if (!put_mark(p, mark, answer))
        return;
    while (take_error(p, rd_kafka_commit_transaction(p->now.rk, SLICE_MS), answer))
        if (producer_must_end(p))
            break;
    if (answer->outcome != PRODUCER_DONE)
        return;
    struct producer_answer begun;
    if (!begin_transaction(p, &begun)) // the rows are committed all the same
        snprintf(answer->text, sizeof answer->text, "%s", begun.text);
}
