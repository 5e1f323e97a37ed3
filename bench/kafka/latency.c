// latency.c: rows through a job from topic to topic at a fixed rate: how long each took, none lost,
// none twice.
//
// usage: latency BROKERS IN OUT RATE WARM_SECONDS SECONDS TRACE [KEY=VALUE...]
// The plan is open loop: row n is due at start + n / RATE whether anybody is ready for it or not,
// and its time runs from then until this program, a reader with isolation.level=read_committed, has
// it. A job that passes rows from IN to OUT unchanged runs meanwhile. A row is {"n":N,"pad":"..."}
// of 76 bytes. The first WARM_SECONDS are not counted.
//
// stdout: `sent N lost N twice N p50 .. p99 .. p99.9 .. max ..`, milliseconds; the status is 1 when
// a row is lost. TRACE becomes a file of lines `ARRIVAL DUE`, monotonic ns, at most one each 100
// us: the latest due of all rows that had arrived. From it a driver that kills something knows when
// the first row that was due after the kill came through. KEY=VALUE are settings of both clients.
#include "bench/kafka/client.h"
#include "core/base/histogram.h"

#include <pthread.h>

enum { ROW_BYTES = 76, QUIET_S = 30 }; // give up when nothing has come for so long

struct plan {
    rd_kafka_t *producer;
    const char *in;
    double step_ns;
    int64_t start_ns;
    uint64_t rows, warm_rows;
    uint64_t failed;
};

struct seen {
    uint8_t *times; // of each row
    uint64_t distinct, twice;
    int64_t newest_due, traced_ns;
    struct histogram *histogram;
    FILE *trace;
};

static int64_t due_ns(const struct plan *plan, uint64_t n)
{
    return plan->start_ns + (int64_t)((double)n * plan->step_ns);
}

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
    (void)client;
    struct plan *plan = context;
    plan->failed += message->err != 0;
}

static void send_row(struct plan *plan, uint64_t n)
{
    char row[ROW_BYTES + 1];
    int head = snprintf(row, sizeof(row), "{\"n\":%" PRIu64 ",\"pad\":\"", n);
    memset(row + head, 'x', (size_t)(ROW_BYTES - head));
    memcpy(row + ROW_BYTES - 2, "\"}", 2);
    while (rd_kafka_producev(plan->producer, RD_KAFKA_V_TOPIC(plan->in),
                             RD_KAFKA_V_VALUE(row, (size_t)ROW_BYTES),
                             RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY),
                             RD_KAFKA_V_END) == RD_KAFKA_RESP_ERR__QUEUE_FULL)
        rd_kafka_poll(plan->producer, 1);
}

static void *send_rows(void *context)
{
    struct plan *plan = context;
    for (uint64_t n = 0; n < plan->rows;) {
        int64_t now = now_ns();
        for (; n < plan->rows && due_ns(plan, n) <= now; n++)
            send_row(plan, n);
        rd_kafka_poll(plan->producer, 0);
        int64_t wait = n < plan->rows ? due_ns(plan, n) - now_ns() : 0;
        if (wait < 100000)
            wait = 100000; // rows a call, not a call a row
        nanosleep(&(struct timespec){.tv_sec = wait / 1000000000, .tv_nsec = wait % 1000000000},
                  NULL);
    }
    if (rd_kafka_flush(plan->producer, 60000) || plan->failed)
        die("latency: %" PRIu64 " rows did not reach the broker", plan->failed);
    return NULL;
}

static void take(const struct plan *plan, struct seen *seen, const rd_kafka_message_t *message)
{
    char text[32] = {0};
    size_t size = message->len < 5 ? 0 : message->len - 5;
    memcpy(text, (const char *)message->payload + 5, size < 31 ? size : 31);
    char *end;
    uint64_t n = strtoull(text, &end, 10);
    if (end == text || n >= plan->rows)
        die("latency: a row that nobody sent: %.*s", (int)message->len,
            (const char *)message->payload);
    int64_t now = now_ns(), due = due_ns(plan, n);
    if (due > seen->newest_due)
        seen->newest_due = due;
    if (now - seen->traced_ns >= 100000) {
        seen->traced_ns = now;
        fprintf(seen->trace, "%" PRId64 " %" PRId64 "\n", now, seen->newest_due);
    }
    if (seen->times[n]) {
        seen->twice++;
        return;
    }
    seen->times[n] = 1;
    seen->distinct++;
    if (n >= plan->warm_rows)
        histogram_record(seen->histogram, now - due);
}

static void receive_rows(const struct plan *plan, struct seen *seen, rd_kafka_t *consumer)
{
    int64_t last = now_ns();
    while (seen->distinct < plan->rows && now_ns() - last < QUIET_S * INT64_C(1000000000)) {
        rd_kafka_message_t *message = rd_kafka_consumer_poll(consumer, 100);
        if (!message)
            continue;
        if (!message->err) {
            take(plan, seen, message);
            last = now_ns();
        } else if (rd_kafka_fatal_error(consumer, NULL, 0)) {
            die("latency: %s", rd_kafka_message_errstr(message));
        } // anything else is a broker that is away for a moment
        rd_kafka_message_destroy(message);
    }
}

static int report(const struct plan *plan, const struct seen *seen)
{
    static const double percents[] = {50, 99, 99.9};
    int64_t at[3];
    histogram_percentiles(seen->histogram, percents, 3, at);
    printf("sent %" PRIu64 " lost %" PRIu64 " twice %" PRIu64
           " p50 %.1f p99 %.1f p99.9 %.1f max %.1f\n",
           plan->rows, plan->rows - seen->distinct, seen->twice, (double)at[0] / 1e6,
           (double)at[1] / 1e6, (double)at[2] / 1e6, (double)histogram_max(seen->histogram) / 1e6);
    return plan->rows == seen->distinct ? 0 : 1;
}

int main(int argc, char **argv)
{
    if (argc < 8) {
        fprintf(stderr,
                "usage: latency BROKERS IN OUT RATE WARM_SECONDS SECONDS TRACE [KEY=VALUE...]\n");
        return 64;
    }
    static const char *const producing[] = {"linger.ms=1", "queue.buffering.max.messages=1000000",
                                            "enable.idempotence=true", NULL};
    static const char *const consuming[] = {"group.id=bench-latency", "enable.auto.commit=false",
                                            "fetch.wait.max.ms=100",
                                            "isolation.level=read_committed", NULL};
    double rate = strtod(argv[4], NULL), warm = strtod(argv[5], NULL);
    if (rate < 1)
        die("latency: RATE is rows a second");
    struct plan plan = {.in = argv[2], .step_ns = 1e9 / rate, .warm_rows = (uint64_t)(rate * warm)};
    plan.rows = plan.warm_rows + (uint64_t)(rate * strtod(argv[6], NULL));
    struct seen seen = {.times = calloc(plan.rows, 1), .histogram = histogram_new(3)};
    seen.trace = fopen(argv[7], "w");
    if (!seen.times || !seen.trace)
        die("latency: no memory for %" PRIu64 " rows, or %s cannot be written", plan.rows, argv[7]);
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, &plan);
    plan.producer = client_new(RD_KAFKA_PRODUCER, conf, argv[1], producing, argv + 8);
    rd_kafka_t *consumer =
        client_new(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), argv[1], consuming, argv + 8);
    rd_kafka_poll_set_consumer(consumer);
    assign_all(consumer, argv[3], RD_KAFKA_OFFSET_END);
    rd_kafka_consumer_poll(consumer, 2000); // the end is looked up before anything is sent

    plan.start_ns = now_ns();
    pthread_t sender;
    if (pthread_create(&sender, NULL, send_rows, &plan))
        die("latency: no thread");
    receive_rows(&plan, &seen, consumer);
    pthread_join(sender, NULL);
    int status = report(&plan, &seen);
    rd_kafka_consumer_close(consumer);
    rd_kafka_destroy(consumer);
    rd_kafka_destroy(plan.producer);
    if (fclose(seen.trace))
        die("latency: %s cannot be written", argv[7]);
    return fflush(stdout) ? 1 : status;
}
