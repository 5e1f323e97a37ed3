// kafka_consumer.c: see kafka_consumer.h.
#include "stages/source/kafka_consumer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/source/kafka_silence.h"

// Read ahead enough to never wait for a broker while there is work, no more: it is private memory.
// A fetch that finds nothing is answered as soon as there is a message; what else the broker is
// asked on that connection waits for that.
static const struct kafka_setting defaults[] = {
    {"queued.max.messages.kbytes", "32768"},
    {"fetch.queue.backoff.ms", "2"},
    {"fetch.error.backoff.ms", "100"},
    {"fetch.min.bytes", "1"},
    {"check.crcs", "true"},
    {"reconnect.backoff.max.ms", "2000"},
};

static void on_commit(rd_kafka_t *rk, rd_kafka_resp_err_t error,
                      rd_kafka_topic_partition_list_t *offsets, void *opaque)
{
    struct kafka_consumer *consumer = kafka_client_context(opaque);
    (void)rk, (void)offsets;
    consumer->commits--;
    if (error != RD_KAFKA_RESP_ERR__NO_OFFSET)
        consumer->commit_error = error;
}

static void configure(rd_kafka_conf_t *conf, void *context)
{
    (void)context;
    rd_kafka_conf_set_offset_commit_cb(conf, on_commit);
}

enum { FETCH_WAIT_MS = 500, FETCHES_IN_TIMEOUT = 8 };

// Questions about silence (kafka_silence.c) must be answered several times within the timeout.
static int64_t fetch_wait_ms(int64_t silence_ms)
{
    const int64_t wait_ms = silence_ms / FETCHES_IN_TIMEOUT + 1;
    return silence_ms > 0 && wait_ms < FETCH_WAIT_MS ? wait_ms : FETCH_WAIT_MS;
}

static int create_client(struct kafka_consumer *c, const struct op_context *context,
                         struct err *err)
{
    const int64_t silence_ms = kafka_silence_timeout_ms(context);
    // Behind the last message there may be marks of transactions: for who must come to the end.
    const bool wants_end = c->table.bound.point != KAFKA_UNBOUNDED || silence_ms > 0;
    struct kafka_setting given[ARRAY_SIZE(defaults) + 1];
    char wait[24];
    memcpy(given, defaults, sizeof defaults);
    snprintf(wait, sizeof wait, "%lld", (long long)fetch_wait_ms(silence_ms));
    given[ARRAY_SIZE(defaults)] = (struct kafka_setting){"fetch.wait.max.ms", wait};
    const struct kafka_setting own[] = {
        {"auto.offset.reset", "error"}, // what to do then is scan.lost-offsets
        {"enable.partition.eof", wants_end ? "true" : "false"},
    };
    const struct kafka_client_spec spec = {
        .table = &c->table,
        .role = KAFKA_CONSUMER,
        .job_name = context->job_name,
        .subtask = context->subtask,
        .defaults = given,
        .default_count = ARRAY_SIZE(given),
        .own = own,
        .own_count = ARRAY_SIZE(own),
        .configure = configure,
        .context = c,
    };
    return kafka_client_create(&spec, &c->client, err);
}

int kafka_consumer_create(const struct op_context *context, struct kafka_consumer **out,
                          struct err *err)
{
    struct kafka_consumer *c = calloc(1, sizeof *c);
    CHECK(c);
    int rc = kafka_table_parse(context->op->table, context->job_name, &c->table, err);
    if (rc == 0)
        rc = create_client(c, context, err);
    if (rc == 0) {
        c->rk = kafka_client_handle(c->client);
        c->queue = rd_kafka_queue_get_consumer(c->rk);
        c->events = rd_kafka_queue_get_main(c->rk);
        CHECK(c->queue && c->events);
        rc = kafka_scout_create(c->client, &c->table, &c->scout, err);
    }
    if (rc < 0) {
        kafka_consumer_destroy(c);
        return rc;
    }
    *out = c;
    return 0;
}

// People look at the group when a job has ended: its last offsets should be there. Not at any
// price.
static void wait_for_commits(const struct kafka_consumer *c)
{
    enum { LOOK_MS = 20, LOOKS = 50 };
    for (int i = 0; c->rk && c->commits > 0 && i < LOOKS; i++)
        rd_kafka_poll(c->rk, LOOK_MS);
}

void kafka_consumer_destroy(struct kafka_consumer *c)
{
    if (!c)
        return;
    wait_for_commits(c);
    kafka_scout_destroy(c->scout);
    if (c->queue)
        rd_kafka_queue_destroy(c->queue);
    if (c->events)
        rd_kafka_queue_destroy(c->events);
    kafka_client_destroy(c->client);
    kafka_table_fini(&c->table);
    free(c);
}

static void on_event(rd_kafka_t *rk, void *opaque)
{
    (void)rk;
    op_wake(opaque);
}

void kafka_consumer_set_wake(struct kafka_consumer *c, const struct op_context *context)
{
    if (context && !context->wake)
        context = NULL;
    void (*on)(rd_kafka_t * rk, void *opaque) = context ? on_event : NULL;
    rd_kafka_queue_cb_event_enable(c->queue, on, (void *)(uintptr_t)context);
    rd_kafka_queue_cb_event_enable(c->events, on, (void *)(uintptr_t)context);
    kafka_scout_set_wake(c->scout, context ? context->wake : NULL,
                         context ? context->wake_context : NULL);
}

// What librdkafka says to an assignment. It takes no time: the fetching begins by itself.
static int assigned(struct kafka_consumer *c, rd_kafka_error_t *error, struct err *err)
{
    if (!error)
        return 0;
    int rc = kafka_error_text(&c->table, rd_kafka_error_code(error), rd_kafka_error_string(error),
                              NULL, err);
    rd_kafka_error_destroy(error);
    return rc;
}

int kafka_consumer_assign(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list,
                          struct err *err)
{
    return assigned(c, rd_kafka_incremental_assign(c->rk, list), err);
}

int kafka_consumer_unassign(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list,
                            struct err *err)
{
    return assigned(c, rd_kafka_incremental_unassign(c->rk, list), err);
}

void kafka_consumer_commit(struct kafka_consumer *c, const rd_kafka_topic_partition_list_t *list)
{
    rd_kafka_resp_err_t error = rd_kafka_commit(c->rk, list, 1);
    if (error)
        c->commit_error = error;
    else
        c->commits++;
}

bool kafka_consumer_has_group(const struct kafka_consumer *c)
{
    for (int i = 0; i < c->table.property_count; i++)
        if (strcmp(c->table.properties[i].key, "group.id") == 0)
            return true;
    return false;
}

// --- in a spare ---

// The scout's question makes the connections that the task will want: to a broker for the topics,
// and to the leaders of its partitions for their ends. Nothing is fetched and nothing is told.
void *kafka_consumer_warm(const struct op_context *context)
{
    struct kafka_consumer *c;
    struct err err;
    if (kafka_consumer_create(context, &c, &err) < 0)
        return NULL; // the task will say it
    const struct kafka_question question = {.subtask = context->subtask,
                                            .subtask_count = context->stage->parallelism};
    kafka_scout_keep_warm(c->scout, &question);
    return c;
}

void kafka_consumer_cool(void *warm)
{
    kafka_consumer_destroy(warm);
}
