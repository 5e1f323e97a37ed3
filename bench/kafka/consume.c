// consume.c: reads a topic from its begin to its end and does nothing else with it: what reading
// costs.
//
// usage: consume BROKERS TOPIC [--print|--print-keys] [KEY=VALUE...]
// The end is where the topic ends when it is reached (read_committed: behind the last finished
// transaction). One line on stdout: `rows N bytes N sum N seconds S cpu S`; seconds and CPU from
// the first message on are `flow_seconds`, `flow_cpu`. --print: every value, a line each, on
// stdout, the figures on stderr. KEY=VALUE are settings of the consumer
// (isolation.level=read_uncommitted).
#include "bench/kafka/client.h"

enum { BATCH = 10000 };

struct tally {
    uint64_t rows, bytes, sum; // sum: of all lengths and first bytes, so that messages are touched
    int partitions_open;
    int64_t first_ns;
    double first_cpu;
};

static void print_message(const rd_kafka_message_t *message, bool key)
{
    if (key) {
        fwrite(message->key, 1, message->key_len, stdout);
        fputc('\t', stdout);
    }
    fwrite(message->payload, 1, message->len, stdout);
    fputc('\n', stdout);
}

static void take(struct tally *tally, const rd_kafka_message_t *message)
{
    if (message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF) {
        tally->partitions_open--;
        return;
    }
    if (message->err)
        die("consume: %s", rd_kafka_message_errstr(message));
    if (!tally->rows++) {
        tally->first_ns = now_ns();
        tally->first_cpu = cpu_seconds();
    }
    tally->bytes += message->len;
    tally->sum += message->len + (message->len ? *(const unsigned char *)message->payload : 0);
}

// Until the end of every partition.
static void consume(rd_kafka_queue_t *queue, struct tally *tally, bool print, bool key)
{
    static rd_kafka_message_t *messages[BATCH];
    int64_t last = now_ns();
    while (tally->partitions_open > 0) {
        // It waits for a full batch so long: the end is not seen later than that.
        ssize_t count = rd_kafka_consume_batch_queue(queue, 5, messages, BATCH);
        if (count < 0)
            die("consume: %s", rd_kafka_err2str(rd_kafka_last_error()));
        if (count)
            last = now_ns();
        else if (now_ns() - last > 60 * INT64_C(1000000000))
            die("consume: nothing came for 60 s, %" PRIu64 " rows so far", tally->rows);
        for (ssize_t i = 0; i < count; i++) {
            take(tally, messages[i]);
            if (print && !messages[i]->err)
                print_message(messages[i], key);
            rd_kafka_message_destroy(messages[i]);
        }
    }
}

int main(int argc, char **argv)
{
    if (argc < 3) {
        fprintf(stderr, "usage: consume BROKERS TOPIC [--print|--print-keys] [KEY=VALUE...]\n");
        return 64;
    }
    static const char *const settings[] = {
        "group.id=bench-consume",
        "enable.auto.commit=false",
        "enable.partition.eof=true",
        "check.crcs=false",
        "queued.min.messages=200000",
        "fetch.wait.max.ms=5", // an end is known by an empty answer
        "isolation.level=read_committed",
        NULL};
    bool key = argc > 3 && !strcmp(argv[3], "--print-keys");
    bool print = key || (argc > 3 && !strcmp(argv[3], "--print"));
    int64_t start = now_ns();
    rd_kafka_t *client =
        client_new(RD_KAFKA_CONSUMER, rd_kafka_conf_new(), argv[1], settings, argv + 3 + print);
    rd_kafka_poll_set_consumer(client);
    struct tally tally = {.partitions_open =
                              assign_all(client, argv[2], RD_KAFKA_OFFSET_BEGINNING)};
    rd_kafka_queue_t *queue = rd_kafka_queue_get_consumer(client);
    consume(queue, &tally, print, key);
    int64_t end = now_ns();
    double cpu = cpu_seconds();
    fprintf(print ? stderr : stdout,
            "rows %" PRIu64 " bytes %" PRIu64 " sum %" PRIu64 " seconds %.3f cpu %.3f "
            "flow_seconds %.3f flow_cpu %.3f\n",
            tally.rows, tally.bytes, tally.sum, (double)(end - start) / 1e9, cpu,
            tally.rows ? (double)(end - tally.first_ns) / 1e9 : 0,
            tally.rows ? cpu - tally.first_cpu : 0);
    rd_kafka_queue_destroy(queue);
    rd_kafka_consumer_close(client);
    rd_kafka_destroy(client);
    return ferror(stdout) || fflush(stdout) ? 1 : 0;
}
