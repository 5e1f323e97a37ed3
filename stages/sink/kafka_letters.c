// kafka_letters.c: dead letters of one task into a topic, through an outbox of its own, so as often
// as the table's guarantee says.
//
// A letter is the message as it came: its value, key and headers, and headers `weir.*` that say why
// and from where. What is no message (a row of a file, a row behind an exchange) is its text.
//
// Each task has a transactional id of its own: <prefix>-<task>. Nothing connects before the first
// letter.
#include <errno.h>
#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdio.h>
#include <stdlib.h>

#include "core/base/check.h"
#include "stages/kafka/outbox.h"
#include "stages/kafka/topics.h"
#include "stages/runtime/operator.h"

enum { CHECK_TIMEOUT_MS = 10000, LETTERS_ROOT = 253 };

struct letters {
    struct operator base; // must be first
    struct kafka_table table;
    struct stage stage; // what the outbox counts subtasks by: all tasks of the job
    struct outbox *outbox;
};

static void put_header(struct buf *out, const char *name, const void *value, size_t bytes)
{
    const uint32_t sizes[2] = {(uint32_t)strlen(name), value ? (uint32_t)bytes : UINT32_MAX};
    buf_append(out, sizes, sizeof sizes);
    buf_append(out, name, sizes[0]);
    if (value)
        buf_append(out, value, bytes);
}

static void put_text(struct buf *out, const char *name, const char *value)
{
    put_header(out, name, value, strlen(value));
}

static void put_number(struct buf *out, const char *name, int64_t value)
{
    char text[32];
    snprintf(text, sizeof text, "%" PRId64, value);
    put_text(out, name, text);
}

// Those that the message came with.
static void put_its_headers(struct buf *out, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *headers;
    const char *name;
    const void *value;
    size_t bytes;
    if (rd_kafka_message_headers(message, &headers) != RD_KAFKA_RESP_ERR_NO_ERROR)
        return;
    for (size_t i = 0;
         rd_kafka_header_get_all(headers, i, &name, &value, &bytes) == RD_KAFKA_RESP_ERR_NO_ERROR;
         i++)
        put_header(out, name, value, bytes);
}

static void put_headers(const struct letters *l, const struct dead_letter *letter, struct buf *out)
{
    const rd_kafka_message_t *message = letter->message;
    if (message)
        put_its_headers(out, message);
    put_text(out, "weir.reason", letter->reason);
    if (message) {
        rd_kafka_timestamp_type_t type;
        int64_t timestamp = rd_kafka_message_timestamp(message, &type);
        put_text(out, "weir.topic", rd_kafka_topic_name(message->rkt));
        put_number(out, "weir.partition", message->partition);
        put_number(out, "weir.offset", message->offset);
        if (timestamp >= 0)
            put_number(out, "weir.timestamp", timestamp);
    } else {
        put_text(out, "weir.source", letter->source);
        if (letter->position != BAD_ROW_NOWHERE)
            put_number(out, "weir.offset", (int64_t)letter->position);
    }
    put_text(out, "weir.job", l->base.context.job_name);
    put_number(out, "weir.task", letter->task);
}

static int letters_put(struct operator* op, const struct dead_letter *letter)
{
    struct letters *l = (struct letters *)op;
    const rd_kafka_message_t *message = letter->message;
    struct buf *rows = outbox_rows(l->outbox);
    struct journal_draft draft;
    const struct journal_row about = {
        .partition = -1,
        .has_key = message && message->key,
        .is_tombstone = message && !message->payload,
    };
    journal_row_begin(rows, &draft);
    if (about.has_key)
        buf_append(rows, message->key, message->key_len);
    journal_row_key_done(rows, &draft);
    if (message && message->payload)
        buf_append(rows, message->payload, message->len);
    else if (!message)
        buf_append(rows, letter->text.ptr, letter->text.len);
    journal_row_value_done(rows, &draft);
    put_headers(l, letter, rows);
    int rc = journal_row_end(rows, &draft, &about);
    if (rc == 0)
        outbox_composed(l->outbox, 1);
    return rc;
}

// --- life ---

static void letters_close(struct operator* op)
{
    struct letters *l = (struct letters *)op;
    if (l->outbox && !outbox_close(l->outbox))
        kafka_table_leave(&l->table);
    kafka_table_fini(&l->table);
    free(l);
}

static int letters_open(const struct op_context *context, struct operator** out, struct err *err)
{
    struct letters *l = calloc(1, sizeof *l);
    CHECK(l);
    l->base = (struct operator){.class = &kafka_letters_class, .context = *context};
    l->stage = *context->stage;
    l->stage.parallelism = context->plan->task_count;
    struct op_context own = *context;
    own.stage = &l->stage;
    own.subtask = context->stage->first_task + context->subtask;
    own.warm = NULL;
    const struct outbox_spec spec = {.context = &own, .table = &l->table, .root = LETTERS_ROOT};
    int rc = kafka_table_parse(context->op->table, context->job_name, &l->table, err);
    if (rc == 0)
        rc = outbox_open(&spec, &l->outbox, err);
    if (rc < 0) {
        err_prefix(err, rc, "table %s", context->op->table->name);
        letters_close(&l->base);
        return rc;
    }
    *out = &l->base;
    return 0;
}

static int letters_check(const struct op *op, struct err *err)
{
    struct kafka_table table;
    const struct kafka_client_spec spec = {
        .table = &table, .role = KAFKA_PRODUCER, .job_name = "check", .subtask = -1};
    int rc = kafka_table_parse(op->table, spec.job_name, &table, err);
    if (rc == 0)
        rc = kafka_table_check_sink(&table, err);
    if (rc == 0)
        rc = kafka_check_cluster(&spec, CHECK_TIMEOUT_MS, NULL, NULL, err);
    kafka_table_fini(&table);
    return rc < 0 ? err_prefix(err, rc, "table %s", op->table->name) : 0;
}

// --- the outbox's hooks ---

static struct outbox *outbox_of(const struct operator* op)
{
    return ((const struct letters *)op)->outbox;
}

static int letters_poll(struct operator* op)
{
    return outbox_poll(outbox_of(op));
}

static bool letters_have_room(const struct operator* op)
{
    return outbox_has_room(outbox_of(op));
}

static int letters_before_commit(struct operator* op)
{
    return outbox_before_commit(outbox_of(op));
}

static void letters_after_commit(struct operator* op)
{
    outbox_after_commit(outbox_of(op));
}

static int letters_barrier(struct operator* op, uint64_t checkpoint)
{
    return outbox_barrier(outbox_of(op), checkpoint);
}

static int letters_complete(struct operator* op, uint64_t checkpoint)
{
    return outbox_complete(outbox_of(op), checkpoint);
}

static bool letters_are_settled(const struct operator* op)
{
    return outbox_is_settled(outbox_of(op));
}

static int letters_finish(struct operator* op, struct err *err)
{
    return outbox_finish(outbox_of(op), err);
}

static void letters_reset(struct operator* op)
{
    outbox_reset(outbox_of(op));
}

static void letters_describe(const struct operator* op, struct buf *out)
{
    buf_append_str(out, "\"dead_letters\":{");
    outbox_describe(outbox_of(op), out);
    buf_append_char(out, '}');
}

const struct operator_class kafka_letters_class = {
    .name = "dead letters",
    .check = letters_check,
    .open = letters_open,
    .put_letter = letters_put,
    .poll = letters_poll,
    .has_room = letters_have_room,
    .before_commit = letters_before_commit,
    .after_commit = letters_after_commit,
    .barrier = letters_barrier,
    .complete = letters_complete,
    .is_settled = letters_are_settled,
    .describe = letters_describe,
    .finish = letters_finish,
    .reset = letters_reset,
    .close = letters_close,
};
