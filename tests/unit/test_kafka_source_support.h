// test_kafka_source_support.h: a Kafka source on its own before librdkafka's mock cluster: what is
// put in, and a reader that consumes it in pieces, with aborts and deaths at random places.
#ifndef WEIR_TESTS_UNIT_TEST_KAFKA_SOURCE_SUPPORT_H
#define WEIR_TESTS_UNIT_TEST_KAFKA_SOURCE_SUPPORT_H

#include <time.h>

#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>

#include "core/row/batch.h"
#include "tests/unit/test_task_support.h"

// --- the cluster ---

struct cluster {
    rd_kafka_t *rk; // a producer
    rd_kafka_mock_cluster_t *mock;
};

static inline void cluster_open(struct cluster *c, int brokers)
{
    char reason[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_t *host = rd_kafka_new(RD_KAFKA_PRODUCER, conf, reason, sizeof reason);
    assert_non_null(host);
    c->rk = host;
    c->mock = rd_kafka_mock_cluster_new(host, brokers);
    assert_non_null(c->mock);
    assert_true(rd_kafka_brokers_add(host, rd_kafka_mock_cluster_bootstraps(c->mock)) > 0);
}

static inline void cluster_close(struct cluster *c)
{
    rd_kafka_mock_cluster_destroy(c->mock);
    rd_kafka_destroy(c->rk);
}

static inline void cluster_topic(struct cluster *c, const char *name, int partitions)
{
    assert_int_equal(rd_kafka_mock_topic_create(c->mock, name, partitions, 1), 0);
}

struct put {
    const char *topic;
    int partition;
    const char *key;   // NULL: null
    const char *value; // NULL: null
    int64_t timestamp_ms;
};

static inline void cluster_put(struct cluster *c, const struct put *put)
{
    const char *value = put->value, *key = put->key;
    rd_kafka_resp_err_t rc =
        rd_kafka_producev(c->rk, RD_KAFKA_V_TOPIC(put->topic), RD_KAFKA_V_PARTITION(put->partition),
                          RD_KAFKA_V_KEY((void *)(uintptr_t)key, key ? strlen(key) : 0),
                          RD_KAFKA_V_VALUE((void *)(uintptr_t)value, value ? strlen(value) : 0),
                          RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                          RD_KAFKA_V_TIMESTAMP(put->timestamp_ms), RD_KAFKA_V_END);
    assert_int_equal(rc, 0);
}

static inline void cluster_flush(struct cluster *c)
{
    assert_int_equal(rd_kafka_flush(c->rk, 20000), 0);
}

// --- the reader ---

enum { TAKEN_MAX = 100000 };

struct taken { // a row that is committed
    int64_t id;
    char source[32];
    int64_t offset;
    char text[40]; // of the column behind, if there is one
    bool is_null;
};

struct reading {
    struct bench bench;
    struct batch batch;
    struct source *source;
    struct taken *taken; // committed and, behind them, those of the open transaction
    uint32_t taken_count, committed;
    uint32_t bad_count, bad_committed;
    struct taken *bad; // source and offset
    uint64_t random;
    int abort_in, die_in; // one in so many pieces; 0: never
    uint32_t aborts;
    bool has_failed, has_ended;
    char failure[1024];
    char notes[4096];
    int idles;
};

static inline uint32_t any(struct reading *r, uint32_t below)
{
    r->random = r->random * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(r->random >> 33) % below;
}

static inline void reading_bad(void *context, const char *source, uint64_t position,
                               const char *reason, struct slice row)
{
    (void)context, (void)source, (void)position, (void)reason, (void)row;
}

static inline void reading_fail(void *context, const char *reason)
{
    struct reading *r = context;
    if (!r->has_failed)
        snprintf(r->failure, sizeof r->failure, "%s", reason);
    r->has_failed = true;
}

static inline void reading_note(void *context, const char *text)
{
    struct reading *r = context;
    size_t len = strlen(r->notes);
    if (!strstr(r->notes, text))
        snprintf(r->notes + len, sizeof r->notes - len, "%s\n", text);
}

static inline void reading_init(struct reading *r, struct cluster *c, struct field *fields,
                                int field_count)
{
    memset(r, 0, sizeof *r);
    bench_init(&r->bench, OP_SOURCE, fields, field_count);
    r->bench.table.connector = "kafka";
    bench_option(&r->bench, "connector", "kafka");
    bench_option(&r->bench, "properties.bootstrap.servers",
                 rd_kafka_mock_cluster_bootstraps(c->mock));
    r->bench.context.bad_row_context = r;
    r->bench.context.bad_row = reading_bad;
    r->bench.context.fail_job = reading_fail;
    r->bench.context.note = reading_note;
    batch_init(&r->batch, &r->bench.op.output);
    r->taken = calloc(TAKEN_MAX, sizeof *r->taken);
    r->bad = calloc(TAKEN_MAX, sizeof *r->bad);
    assert_true(r->taken && r->bad);
    r->random = 1;
}

static inline void reading_open(struct reading *r)
{
    if (kafka_source_class.open(&r->bench.context, &r->source, &r->bench.err) < 0)
        fail_msg("%s", r->bench.err.text);
    arena_commit(r->bench.arena);
}

static inline void reading_close(struct reading *r)
{
    kafka_source_class.close(r->source);
    r->source = NULL;
}

static inline void reading_fini(struct reading *r)
{
    if (r->source)
        reading_close(r);
    batch_fini(&r->batch);
    bench_fini(&r->bench);
    free(r->taken);
    free(r->bad);
}

static inline void reading_commit(struct reading *r)
{
    arena_commit(r->bench.arena);
    r->committed = r->taken_count;
    r->bad_committed = r->bad_count;
}

static inline void reading_abort(struct reading *r)
{
    r->aborts++;
    arena_abort(r->bench.arena);
    r->taken_count = r->committed;
    r->bad_count = r->bad_committed;
    kafka_source_class.reset(r->source);
}

// The process dies in the middle of a transaction, and another one goes on.
static inline void reading_die(struct reading *r)
{
    r->taken_count = r->committed;
    r->bad_count = r->bad_committed;
    reading_close(r);
    bench_reopen(&r->bench);
    reading_open(r);
}

static inline void take_row(struct reading *r, uint32_t row)
{
    struct row_place place;
    struct taken *t = &r->taken[r->taken_count++];
    assert_true(r->taken_count < TAKEN_MAX);
    kafka_source_class.place(r->source, row, &place);
    *t = (struct taken){.offset = (int64_t)place.position};
    snprintf(t->source, sizeof t->source, "%s", place.source);
    for (int c = 0; c < r->batch.column_count; c++) {
        const struct column *column = &r->batch.columns[c];
        if (column->state[row] != VALUE_PRESENT)
            t->is_null = true;
        else if (column->kind == TYPE_STRING)
            snprintf(t->text, sizeof t->text, "%.*s", (int)column->str[row].len,
                     column->str[row].ptr);
        else if (c == 0)
            t->id = column->i64[row];
    }
}

// As the head of a task does it.
static inline void take_bad(struct reading *r, uint32_t from, uint32_t to)
{
    const bool is_last = to == r->batch.count;
    for (int i = 0; i < r->source->bad_row_count; i++) {
        const struct bad_row *bad = &r->source->bad_rows[i];
        if (bad->rows_before < from || (bad->rows_before >= to && !is_last))
            continue;
        struct taken *t = &r->bad[r->bad_count++];
        *t = (struct taken){.offset = (int64_t)bad->position};
        snprintf(t->source, sizeof t->source, "%s", bad->source);
        snprintf(t->text, sizeof t->text, "%s", bad->reason);
    }
}

// The rows of a poll, in pieces. False: the transaction was undone, or the process died.
static inline bool reading_take(struct reading *r)
{
    uint32_t from = 0, runs = 0;
    for (uint32_t i = 0; i < r->source->run_count; i++)
        runs += r->source->runs[i].rows;
    assert_int_equal(runs, r->batch.count);
    if (runs && any(r, 3) == 0)
        assert_int_equal(kafka_source_class.advance(r->source, 0), 0);
    do {
        uint32_t to = r->batch.count;
        if (to > from && any(r, 3) == 0)
            to = from + 1 + any(r, to - from);
        for (uint32_t row = from; row < to; row++)
            take_row(r, row);
        take_bad(r, from, to);
        assert_int_equal(kafka_source_class.advance(r->source, to), 0);
        if (r->abort_in && any(r, (uint32_t)r->abort_in) == 0) {
            reading_abort(r);
            return false;
        }
        if (r->die_in && any(r, (uint32_t)r->die_in) == 0) {
            reading_die(r);
            return false;
        }
        reading_commit(r);
        from = to;
    } while (from < r->batch.count);
    return true;
}

// One poll. False: the end, or a failure.
static inline bool reading_step(struct reading *r)
{
    struct source_poll found = {.status = SOURCE_IDLE};
    const uint32_t max_rows = any(r, 4) == 0 ? 1 + any(r, 50) : BATCH_ROWS;
    int rc = kafka_source_class.poll(r->source, &r->batch, max_rows, &found, &r->bench.err);
    if (rc < 0) {
        r->has_failed = true;
        if (!r->failure[0])
            snprintf(r->failure, sizeof r->failure, "%.1000s", r->bench.err.text);
        return false;
    }
    assert_true(r->batch.count <= max_rows);
    if (found.status == SOURCE_ROWS) {
        reading_take(r);
        return true;
    }
    if (any(r, 3) == 0) // splits may have changed
        assert_int_equal(kafka_source_class.advance(r->source, 0), 0);
    reading_commit(r);
    r->has_ended = found.status == SOURCE_END;
    r->idles++;
    if (!found.retry_ns) {
        const struct timespec wait = {.tv_nsec = 1000000};
        nanosleep(&wait, NULL);
    }
    return !r->has_ended;
}

static inline int64_t now_ms(void)
{
    return env_system()->realtime_ms(env_system());
}

// Until the end, a failure, `rows` rows (0: never mind), or a timeout, which fails the test.
static inline void reading_run(struct reading *r, uint32_t rows, int64_t timeout_ms)
{
    const int64_t until_ms = now_ms() + timeout_ms;
    while (reading_step(r)) {
        if (rows && r->committed >= rows)
            return;
        if (now_ms() > until_ms)
            fail_msg("no end after %lld ms: %u rows, %u bad; %s", (long long)timeout_ms,
                     r->committed, r->bad_committed, r->notes);
    }
}

#endif
