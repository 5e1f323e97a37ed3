// kafka_sink.c: the connectors kafka and upsert-kafka as sinks: rows become keys, values and
// headers, and go into an outbox (stages/kafka/outbox.h), which brings them to the cluster as the
// table's guarantee says.
//
// upsert-kafka: the key is the primary key; a row takes the place of the one before it, -D is a
// tombstone, -U says nothing that the +U behind it does not.
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/pool.h"
#include "core/format/headers.h"
#include "core/format/writer.h"
#include "stages/kafka/outbox.h"
#include "stages/kafka/topics.h"
#include "stages/runtime/operator.h"

enum { CHECK_TIMEOUT_MS = 10000 };

// The key or the value of the rows.
struct part {
    const struct kafka_part *spec;
    struct writer *writer;  // NULL: there is no such part
    struct column *columns; // of the view, spec->schema.field_count of them
};

// What a spare has made. The table is the connection's, and lives as long.
struct warm {
    struct op_context context;
    struct kafka_table table;
    void *connection; // NULL: the outbox's by now
};

struct kafka_sink {
    struct operator base; // must be first
    struct warm *warm;    // NULL: this process was no spare
    struct kafka_table table;
    struct part key, value;
    struct outbox *outbox;
    struct pool scratch;
};

// --- rows ---

static void open_view(struct part *part, const struct batch *batch, struct batch *view)
{
    *view = *batch;
    view->columns = part->columns;
    view->column_count = part->spec->schema.field_count;
    for (int i = 0; i < view->column_count; i++)
        part->columns[i] = batch->columns[part->spec->sink_columns[i]];
}

// A metadata column of the row; NULL: none, or it is NULL.
static const struct column *metadata_of(const struct kafka_sink *sink, const struct batch *batch,
                                        uint32_t row, enum kafka_metadata key)
{
    int at = sink->table.sink_metadata[key];
    const struct column *column = at < 0 ? NULL : &batch->columns[at];
    return column && column->state[row] == VALUE_PRESENT ? column : NULL;
}

static int put_headers(struct kafka_sink *sink, struct slice text, struct buf *out, struct err *err)
{
    struct header *headers;
    int count = 0;
    pool_reset(&sink->scratch);
    int rc = headers_parse(text, &sink->scratch, &headers, &count, err);
    for (int i = 0; i < count && rc == 0; i++) {
        const struct header *h = &headers[i];
        const uint32_t sizes[2] = {(uint32_t)h->name.len,
                                   h->is_null ? UINT32_MAX : (uint32_t)h->value.len};
        buf_append(out, sizes, sizeof sizes);
        buf_append(out, h->name.ptr, h->name.len);
        buf_append(out, h->value.ptr, h->value.len);
    }
    return rc;
}

// Index of the topic that the row names.
static int find_topic(const struct kafka_sink *sink, const struct batch *batch, uint32_t row,
                      uint32_t *out, struct err *err)
{
    const struct column *column = metadata_of(sink, batch, row, KAFKA_META_TOPIC);
    *out = 0;
    if (!column)
        return sink->table.sink_metadata[KAFKA_META_TOPIC] < 0
                   ? 0
                   : err_set(err, -EINVAL, "the topic is NULL");
    for (int i = 0; i < sink->table.topic_count; i++)
        if (slice_equal(column->str[row], slice_of(sink->table.topics[i]))) {
            *out = (uint32_t)i;
            return 0;
        }
    return err_set(err, -EINVAL, "topic '%.*s' is none of the table's",
                   column->str[row].len > 249 ? 249 : (int)column->str[row].len,
                   column->str[row].ptr);
}

// What is said of the row besides key and value. -EINVAL with a text: it is a bad row.
static int describe_row(struct kafka_sink *sink, const struct batch *batch, uint32_t row,
                        struct journal_row *out, struct err *err)
{
    const struct column *time = metadata_of(sink, batch, row, KAFKA_META_TIMESTAMP);
    *out = (struct journal_row){.partition = -1,
                                .has_key = sink->key.writer != NULL,
                                .timestamp_ms = time ? time->i64[row] : 0,
                                .is_tombstone =
                                    sink->table.is_upsert && batch_kind(batch, row) == ROW_DELETE};
    return find_topic(sink, batch, row, &out->topic, err);
}

// One row of the batch into the outbox. -EINVAL, -EMSGSIZE with a text: it is a bad row.
static int compose(struct kafka_sink *sink, const struct batch *batch, const struct batch views[2],
                   uint32_t row, struct err *err)
{
    struct buf *rows = outbox_rows(sink->outbox);
    const struct column *headers = metadata_of(sink, batch, row, KAFKA_META_HEADERS);
    struct journal_draft draft;
    struct journal_row about;
    int rc = describe_row(sink, batch, row, &about, err);
    if (rc < 0)
        return rc;
    journal_row_begin(rows, &draft);
    if (sink->key.writer)
        about.has_key = writer_append_payload(sink->key.writer, &views[0], row, rows);
    journal_row_key_done(rows, &draft);
    if (!about.is_tombstone)
        about.is_tombstone = !writer_append_payload(sink->value.writer, &views[1], row, rows);
    journal_row_value_done(rows, &draft);
    if (headers)
        rc = put_headers(sink, headers->str[row], rows, err);
    if (rc < 0) {
        rows->len = draft.start;
        return err_prefix(err, rc, "headers");
    }
    rc = journal_row_end(rows, &draft, &about);
    return rc < 0 ? err_set(err, rc, "a key, a value or headers of 512 MiB and more") : 0;
}

static void put_aside(const struct kafka_sink *sink, const struct batch *batch, uint32_t row,
                      const char *reason)
{
    const struct op_context *context = &sink->base.context;
    uint64_t position = batch->origin ? batch->origin[row] : BAD_ROW_NOWHERE;
    struct buf text = {0};
    writer_print_row(batch, row, &context->op->output, &text);
    if (text.len && text.data[text.len - 1] == '\n')
        text.len--;
    context->bad_row(context->bad_row_context, NULL, position, reason, buf_slice(&text));
    buf_fini(&text);
}

static int kafka_sink_push(struct operator* op, struct batch *batch)
{
    struct kafka_sink *sink = (struct kafka_sink *)op;
    struct batch views[2];
    size_t before = outbox_rows(sink->outbox)->len;
    uint64_t count = 0;
    if (sink->key.writer)
        open_view(&sink->key, batch, &views[0]);
    open_view(&sink->value, batch, &views[1]);
    for (uint32_t row = 0; row < batch->count; row++) {
        struct err err;
        if (sink->table.is_upsert && batch_kind(batch, row) == ROW_UPDATE_BEFORE)
            continue;
        if (compose(sink, batch, views, row, &err) < 0)
            put_aside(sink, batch, row, err.text);
        else
            count++;
    }
    outbox_composed(sink->outbox, count);
    *op->context.rows_out += count;
    op_count_bytes(op->context.bytes_out, outbox_rows(sink->outbox)->len - before);
    return 0;
}

static int kafka_sink_watermark(struct operator* op, int64_t watermark_ms)
{
    (void)op;
    (void)watermark_ms;
    return 0;
}

// --- life ---

static int open_part(struct part *part, const struct kafka_part *spec, struct err *err)
{
    part->spec = spec;
    if (!spec->is_present)
        return 0;
    part->columns = calloc((size_t)spec->schema.field_count + 1, sizeof *part->columns);
    CHECK(part->columns);
    return writer_create(&spec->format, &spec->schema, &part->writer, err);
}

static void close_part(struct part *part)
{
    if (part->writer)
        writer_free(part->writer);
    free(part->columns);
}

static struct outbox_spec spec_of(const struct op_context *context, const struct kafka_table *table)
{
    return (struct outbox_spec){
        .context = context,
        .table = table,
        .root = (uint32_t)context->op->id,
        .ends_strays = true,
    };
}

static void kafka_sink_cool(void *made)
{
    struct warm *warm = made;
    if (!warm)
        return;
    if (warm->connection && !outbox_cool(warm->connection))
        kafka_table_leave(&warm->table);
    kafka_table_fini(&warm->table);
    free(warm);
}

static void *kafka_sink_warm(const struct op_context *context)
{
    struct warm *warm = calloc(1, sizeof *warm);
    struct err err;
    CHECK(warm);
    warm->context = *context;
    if (kafka_table_parse(context->op->table, context->job_name, &warm->table, &err) == 0) {
        const struct outbox_spec spec = spec_of(&warm->context, &warm->table);
        warm->connection = outbox_warm(&spec);
    }
    if (warm->connection)
        return warm;
    kafka_sink_cool(warm); // the task will say why
    return NULL;
}

static void kafka_sink_close(struct operator* op)
{
    struct kafka_sink *sink = (struct kafka_sink *)op;
    const bool is_closed = !sink->outbox || outbox_close(sink->outbox);
    if (!is_closed) { // one that was warm has the other table
        kafka_table_leave(&sink->table);
        if (sink->warm)
            kafka_table_leave(&sink->warm->table);
    }
    kafka_sink_cool(sink->warm);
    close_part(&sink->key);
    close_part(&sink->value);
    kafka_table_fini(&sink->table);
    pool_fini(&sink->scratch);
    free(sink);
}

static int refuse_without_checkpoints(const struct kafka_table *table, struct err *err)
{
    if (table->guarantee != KAFKA_EXACTLY_ONCE)
        return 0;
    return err_set(err, -EINVAL,
                   "'sink.delivery-guarantee' = 'exactly-once' needs checkpoints, which commit its "
                   "transactions: set checkpoint.interval and checkpoint.dir, or choose "
                   "'at-least-once'");
}

static int kafka_sink_open(const struct op_context *context, struct operator** out, struct err *err)
{
    struct kafka_sink *sink = calloc(1, sizeof *sink);
    CHECK(sink && !context->next);
    sink->base = (struct operator){.class = &kafka_sink_class, .context = *context};
    int rc = kafka_table_parse(context->op->table, context->job_name, &sink->table, err);
    if (rc == 0 && !context->checkpoints)
        rc = refuse_without_checkpoints(&sink->table, err);
    if (rc == 0)
        rc = open_part(&sink->key, &sink->table.key, err);
    if (rc == 0)
        rc = open_part(&sink->value, &sink->table.value, err);
    sink->warm = op_take_warm(context);
    if (rc == 0) {
        struct outbox_spec spec = spec_of(&sink->base.context, &sink->table);
        spec.warm = sink->warm ? sink->warm->connection : NULL;
        if (sink->warm)
            sink->warm->connection = NULL;
        rc = outbox_open(&spec, &sink->outbox, err);
    }
    if (rc < 0) {
        err_prefix(err, rc, "table %s", context->op->table->name);
        kafka_sink_close(&sink->base);
        return rc;
    }
    *out = &sink->base;
    return 0;
}

static int kafka_sink_check_without_checkpoints(const struct op *op, struct err *err)
{
    struct kafka_table table;
    int rc = kafka_table_parse(op->table, "check", &table, err);
    if (rc == 0)
        rc = refuse_without_checkpoints(&table, err);
    kafka_table_fini(&table);
    return rc < 0 ? err_prefix(err, rc, "table %s", op->table->name) : 0;
}

static int kafka_sink_check(const struct op *op, struct err *err)
{
    struct kafka_table table;
    const struct kafka_client_spec spec = {
        .table = &table, .role = KAFKA_PRODUCER, .job_name = "check", .subtask = -1};
    int rc = kafka_table_parse(op->table, spec.job_name, &table, err);
    if (rc == 0)
        rc = kafka_check_cluster(&spec, CHECK_TIMEOUT_MS, NULL, NULL, err);
    kafka_table_fini(&table);
    return rc < 0 ? err_prefix(err, rc, "table %s", op->table->name) : 0;
}

// --- the outbox's hooks ---

static struct outbox *outbox_of(const struct operator* op)
{
    return ((const struct kafka_sink *)op)->outbox;
}

static int kafka_sink_poll(struct operator* op)
{
    return outbox_poll(outbox_of(op));
}

static bool kafka_sink_has_room(const struct operator* op)
{
    return outbox_has_room(outbox_of(op));
}

static int kafka_sink_before_commit(struct operator* op)
{
    return outbox_before_commit(outbox_of(op));
}

static void kafka_sink_after_commit(struct operator* op)
{
    outbox_after_commit(outbox_of(op));
    if (op->context.outside)
        outbox_tell(outbox_of(op), op->context.outside);
}

static int kafka_sink_barrier(struct operator* op, uint64_t checkpoint)
{
    return outbox_barrier(outbox_of(op), checkpoint);
}

static int kafka_sink_complete(struct operator* op, uint64_t checkpoint)
{
    return outbox_complete(outbox_of(op), checkpoint);
}

static bool kafka_sink_is_settled(const struct operator* op)
{
    return outbox_is_settled(outbox_of(op));
}

static int kafka_sink_finish(struct operator* op, struct err *err)
{
    return outbox_finish(outbox_of(op), err);
}

static void kafka_sink_reset(struct operator* op)
{
    outbox_reset(outbox_of(op));
}

static void kafka_sink_describe(const struct operator* op, struct buf *out)
{
    buf_append_str(out, "\"sink\":{\"table\":");
    buf_append_json_string(out, slice_of(op->context.op->table->name));
    buf_append_str(out, ",\"connector\":");
    buf_append_json_string(out, slice_of(op->context.op->table->connector));
    buf_append_char(out, ',');
    outbox_describe(outbox_of(op), out);
    buf_append_char(out, '}');
}

// --- savepoints ---

static int kafka_sink_put(const struct op_context *context, struct savepoint_writer *out, int id,
                          bool clocks, struct err *err)
{
    struct kafka_table table;
    if (clocks)
        return 0;
    int rc = kafka_table_parse(context->op->table, context->job_name, &table, err);
    const struct outbox_spec spec = spec_of(context, &table);
    if (rc == 0)
        outbox_put(&spec, out, id);
    kafka_table_fini(&table);
    return rc < 0 ? err_prefix(err, rc, "table %s", context->op->table->name) : 0;
}

static int restore_begin(const struct op_context *contexts, int count, void **out, struct err *err)
{
    struct outbox_restore *restore;
    int rc = outbox_restore_begin(contexts, count, &restore, err);
    *out = restore;
    return rc;
}

static int restore_take(void *restoring, struct savepoint_record *record, struct err *err)
{
    return outbox_restore_take(restoring, record, err);
}

static int restore_end(void *restoring, struct err *err)
{
    return outbox_restore_end(restoring, err);
}

static void restore_free(void *restoring)
{
    outbox_restore_free(restoring);
}

static const struct savepoint_class kafka_sink_savepoint = {
    .put = kafka_sink_put,
    .begin = restore_begin,
    .take = restore_take,
    .end = restore_end,
    .free = restore_free,
};

const struct operator_class kafka_sink_class = {
    .name = "kafka",
    .check = kafka_sink_check,
    .check_without_checkpoints = kafka_sink_check_without_checkpoints,
    .open = kafka_sink_open,
    .push = kafka_sink_push,
    .watermark = kafka_sink_watermark,
    .poll = kafka_sink_poll,
    .has_room = kafka_sink_has_room,
    .before_commit = kafka_sink_before_commit,
    .after_commit = kafka_sink_after_commit,
    .barrier = kafka_sink_barrier,
    .complete = kafka_sink_complete,
    .is_settled = kafka_sink_is_settled,
    .describe = kafka_sink_describe,
    .finish = kafka_sink_finish,
    .reset = kafka_sink_reset,
    .close = kafka_sink_close,
    .warm = kafka_sink_warm,
    .cool = kafka_sink_cool,
    .savepoint = &kafka_sink_savepoint,
};
