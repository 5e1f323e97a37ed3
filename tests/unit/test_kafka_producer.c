// test_kafka_producer.c: every error of every request of a transaction, from librdkafka's mock
// cluster: a producer comes through, by itself or with a new instance, or says that it is hopeless.
// It never hangs. A mark that is there is never taken for none; what it calls committed had its
// mark put in first. (The mock keeps no mark of a transaction: see tests/kafka for that.)
#include <librdkafka/rdkafka.h>
#include <librdkafka/rdkafka_mock.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#include "core/base/check.h"
#include "stages/kafka/producer.h"

enum {
    AT_ONCE = 52, // cases that run beside each other
    PATIENCE_S = 20,
    OPENS_MAX = 6,
    OFFSET_FETCH = 9,
    FIND_COORDINATOR = 10,
    INIT_PRODUCER_ID = 22,
    END_TXN = 26,
    TXN_OFFSET_COMMIT = 28,
    ROW = 7,
};

struct request {
    int16_t key; // of Kafka's protocol
    const char *name;
};

static const struct request requests[] = {
    {0, "Produce"},
    {OFFSET_FETCH, "OffsetFetch"},
    {FIND_COORDINATOR, "FindCoordinator"},
    {INIT_PRODUCER_ID, "InitProducerId"},
    {24, "AddPartitionsToTxn"},
    {25, "AddOffsetsToTxn"},
    {END_TXN, "EndTxn"},
    {TXN_OFFSET_COMMIT, "TxnOffsetCommit"},
};

static const rd_kafka_resp_err_t codes[] = {
    RD_KAFKA_RESP_ERR_UNKNOWN,
    RD_KAFKA_RESP_ERR__TRANSPORT, // the connection breaks
    RD_KAFKA_RESP_ERR_INVALID_MSG,
    RD_KAFKA_RESP_ERR_NOT_LEADER_FOR_PARTITION,
    RD_KAFKA_RESP_ERR_REQUEST_TIMED_OUT,
    RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
    RD_KAFKA_RESP_ERR_NETWORK_EXCEPTION,
    RD_KAFKA_RESP_ERR_COORDINATOR_LOAD_IN_PROGRESS,
    RD_KAFKA_RESP_ERR_COORDINATOR_NOT_AVAILABLE,
    RD_KAFKA_RESP_ERR_NOT_COORDINATOR,
    RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
    RD_KAFKA_RESP_ERR_ILLEGAL_GENERATION,
    RD_KAFKA_RESP_ERR_UNKNOWN_MEMBER_ID,
    RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED,
    RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION,
    RD_KAFKA_RESP_ERR_OUT_OF_ORDER_SEQUENCE_NUMBER,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
    RD_KAFKA_RESP_ERR_INVALID_TXN_STATE,
    RD_KAFKA_RESP_ERR_INVALID_PRODUCER_ID_MAPPING,
    RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT,
    RD_KAFKA_RESP_ERR_CONCURRENT_TRANSACTIONS,
    RD_KAFKA_RESP_ERR_KAFKA_STORAGE_ERROR,
    RD_KAFKA_RESP_ERR_UNKNOWN_PRODUCER_ID,
    RD_KAFKA_RESP_ERR_PRODUCER_FENCED,
};

static bool may_be_hopeless(rd_kafka_resp_err_t code)
{
    switch (code) {
    case RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_TRANSACTIONAL_ID_AUTHORIZATION_FAILED:
    case RD_KAFKA_RESP_ERR_UNSUPPORTED_VERSION:
    case RD_KAFKA_RESP_ERR_INVALID_TRANSACTION_TIMEOUT:
        return true;
    default:
        return false;
    }
}

struct trial {
    const struct request *request;
    rd_kafka_resp_err_t code;
    rd_kafka_t *rk; // the mock's
    rd_kafka_mock_cluster_t *mock;
    const char *topics[1];
    struct kafka_table table;
    struct producer *producer;
    bool has_mark, is_failing, is_committed, is_over, is_hopeless;
    int opens;
};

static const struct producer_mark mark = {.incarnation = 5, .row = ROW, .checkpoint = 3};

static void fail_next(struct trial *t)
{
    if (!t->is_failing)
        rd_kafka_mock_push_request_errors(t->mock, t->request->key, 1, t->code);
    t->is_failing = true;
}

// As an earlier process has left it.
static void put_mark(struct trial *t)
{
    char text[256];
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set(conf, "bootstrap.servers", t->table.servers, text, sizeof text);
    rd_kafka_conf_set(conf, "group.id", "p-0", text, sizeof text);
    rd_kafka_t *rk = rd_kafka_new(RD_KAFKA_CONSUMER, conf, text, sizeof text);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(1);
    assert_non_null(rk);
    rd_kafka_topic_partition_list_add(list, "out", 0)->offset = 4711;
    assert_int_equal(rd_kafka_commit(rk, list, 0), 0);
    rd_kafka_topic_partition_list_destroy(list);
    rd_kafka_destroy(rk);
    t->has_mark = true;
}

static void begin(struct trial *t)
{
    struct err err;
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    char text[256];
    rd_kafka_conf_set(conf, "log_level", "0", text, sizeof text);
    t->rk = rd_kafka_new(RD_KAFKA_PRODUCER, conf, text, sizeof text);
    assert_non_null(t->rk);
    t->mock = rd_kafka_mock_cluster_new(t->rk, 1);
    rd_kafka_mock_topic_create(t->mock, "out", 1, 1);
    t->topics[0] = "out";
    t->table = (struct kafka_table){.name = "t",
                                    .servers = rd_kafka_mock_cluster_bootstraps(t->mock),
                                    .group_id = "g",
                                    .topics = t->topics,
                                    .topic_count = 1,
                                    .guarantee = KAFKA_EXACTLY_ONCE,
                                    .transactional_id_prefix = "p"};
    const struct producer_spec spec = {.table = &t->table,
                                       .job_name = "j",
                                       .subtasks = 1,
                                       .transactional_id = "p-0",
                                       .transaction_timeout_ms = 60000};
    assert_int_equal(producer_create(&spec, &t->producer, &err), 0);
    if (t->request->key == OFFSET_FETCH)
        put_mark(t);
    rd_kafka_mock_start_request_tracking(t->mock);
    if (t->request->key == OFFSET_FETCH || t->request->key == FIND_COORDINATOR ||
        t->request->key == INIT_PRODUCER_ID)
        fail_next(t);
    producer_ask(t->producer, PRODUCER_OPEN, NULL);
}

static void on_delivered(void *context, uint64_t row, uint64_t bytes)
{
    (void)context, (void)bytes;
    assert_int_equal(row, ROW);
}

static void on_refused(void *context, uint64_t row, const char *why)
{
    (void)context;
    assert_int_equal(row, ROW);
    assert_true(why[0]);
}

static void open_again(struct trial *t)
{
    if (++t->opens > OPENS_MAX)
        fail_msg("%s %s: new instances do not help", t->request->name, rd_kafka_err2name(t->code));
    producer_ask(t->producer, PRODUCER_OPEN, NULL);
}

static void send_and_commit(struct trial *t)
{
    const struct journal_row row = {.partition = -1, .value = slice_of("value")};
    int rc;
    fail_next(t);
    producer_send(t->producer, &row, 1, ROW, &rc);
    producer_ask(t->producer, PRODUCER_COMMIT, &mark);
}

// One that was there before.
static void expect_mark(const struct trial *t, const struct producer_answer *a)
{
    if (t->has_mark != a->has_mark || (a->has_mark && a->mark.row != 4711))
        fail_msg("%s %s: the mark is taken for none", t->request->name, rd_kafka_err2name(t->code));
}

static void expect_mark_first(const struct trial *t)
{
    size_t count = 0, marked = 0, ended = 0;
    rd_kafka_mock_request_t **all = rd_kafka_mock_get_requests(t->mock, &count);
    for (size_t i = 0; i < count; i++) {
        int16_t key = rd_kafka_mock_request_api_key(all[i]);
        marked = key == TXN_OFFSET_COMMIT ? i + 1 : marked;
        ended = key == END_TXN ? i + 1 : ended;
    }
    rd_kafka_mock_request_destroy_array(all, count);
    if (!marked || ended < marked)
        fail_msg("%s %s: committed without a mark", t->request->name, rd_kafka_err2name(t->code));
}

static void take_answer(struct trial *t, const struct producer_answer *a)
{
    if (a->outcome == PRODUCER_HOPELESS) {
        if (!may_be_hopeless(t->code) || strlen(a->text) < 20)
            fail_msg("%s %s: hopeless: %s", t->request->name, rd_kafka_err2name(t->code), a->text);
        t->is_over = t->is_hopeless = true;
    } else if (a->outcome != PRODUCER_DONE) {
        assert_true(a->text[0]);
        open_again(t);
    } else if (a->ask == PRODUCER_COMMIT) {
        expect_mark_first(t);
        t->is_committed = true;
        open_again(t);
    } else if (t->is_committed) {
        expect_mark(t, a);
        t->is_over = true;
    } else {
        expect_mark(t, a);
        send_and_commit(t);
    }
}

static void end(struct trial *t)
{
    producer_destroy(t->producer);
    rd_kafka_mock_cluster_destroy(t->mock);
    rd_kafka_destroy(t->rk);
}

static int poll_all(struct trial *trials, int count)
{
    const struct producer_reader reader = {NULL, on_delivered, on_refused};
    int left = 0;
    for (int i = 0; i < count; i++) {
        struct producer_answer answer;
        if (trials[i].is_over)
            continue;
        producer_poll(trials[i].producer, &reader);
        if (producer_take_answer(trials[i].producer, &answer))
            take_answer(&trials[i], &answer);
        left += !trials[i].is_over;
    }
    return left;
}

static int run(struct trial *trials, int count)
{
    time_t until = time(NULL) + PATIENCE_S;
    int hopeless = 0;
    for (int i = 0; i < count; i++)
        begin(&trials[i]);
    while (poll_all(trials, count)) {
        usleep(2000);
        for (int i = 0; i < count && time(NULL) > until; i++)
            if (!trials[i].is_over)
                fail_msg("%s %s: no end, after %d instances", trials[i].request->name,
                         rd_kafka_err2name(trials[i].code), trials[i].opens + 1);
    }
    for (int i = 0; i < count; i++) {
        hopeless += trials[i].is_hopeless;
        end(&trials[i]);
    }
    return hopeless;
}

static void test_producer_comes_through_every_error(void **state)
{
    static struct trial trials[AT_ONCE];
    const int all = (int)(ARRAY_SIZE(requests) * ARRAY_SIZE(codes));
    int hopeless = 0;
    (void)state;
    for (int first = 0; first < all; first += AT_ONCE) {
        int count = all - first < AT_ONCE ? all - first : AT_ONCE;
        for (int i = 0; i < count; i++)
            trials[i] =
                (struct trial){.request = &requests[(first + i) % (int)ARRAY_SIZE(requests)],
                               .code = codes[(first + i) / (int)ARRAY_SIZE(requests)]};
        hopeless += run(trials, count);
    }
    printf("  %d errors, %d of them hopeless\n", all, hopeless);
    assert_true(hopeless > 5 && hopeless < all / 4);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_producer_comes_through_every_error)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
