// fill.c: the UV job's rows into a topic, and the answers that they must give.
//
// usage: fill BROKERS TOPIC PARTITIONS ROWS DEVICES DIMENSIONS DISORDER_MS SEED ANSWER
// [KEY=VALUE...] Each row is a message: value the row as JSON (76 bytes), key its dimension,
// timestamp its event time. All rows of a dimension are in one partition; dimensions are dealt out
// so that partitions are equally full, and time runs in each as in the whole. KEY=VALUE are
// settings of the producer (compression.codec=lz4).
//
// ANSWER becomes a file of lines, from arrays over the rows and nothing of weir's:
//   rows N                      all
//   minute M N                  rows with event time in minute M of the day
//   dimension D N U             rows of dimension D, and its distinct devices
//   point M D U                 its distinct devices until the end of minute M (CUMULATE), from its
//   first minute on
#include "bench/kafka/client.h"
#include "bench/uv_rows.h"

enum { MINUTES = UV_DAY_MS / 60000, PARTITIONS_MAX = 256 };

struct answer {
    uint64_t devices, dimensions;
    uint64_t minutes[MINUTES];
    uint64_t *rows;  // of each dimension
    uint16_t *first; // [dimension * devices + device]: the first minute that it was seen in, + 1
};

struct fill {
    rd_kafka_t *client;
    const char *topic;
    int partitions;
    int *partition_of; // of each dimension
    uint64_t failed;   // messages that the broker did not take
    struct answer answer;
};

static void delivered(rd_kafka_t *client, const rd_kafka_message_t *message, void *context)
{
    (void)client;
    struct fill *fill = context;
    fill->failed += message->err != 0;
}

// The largest dimension first, each to the partition that has the least so far.
static void deal_out(struct fill *fill)
{
    double load[PARTITIONS_MAX] = {0};
    uint64_t dimensions = fill->answer.dimensions;
    fill->partition_of = calloc(dimensions, sizeof(*fill->partition_of));
    for (uint64_t d = 0; d < dimensions; d++) { // by the cube: the lower, the larger
        int least = 0;
        for (int p = 1; p < fill->partitions; p++)
            if (load[p] < load[least])
                least = p;
        double n = (double)dimensions;
        double share = __builtin_cbrt((double)(d + 1) / n) - __builtin_cbrt((double)d / n);
        load[least] += share;
        fill->partition_of[d] = least;
    }
}

static void count(struct answer *answer, const struct uv_row *row)
{
    uint16_t minute = (uint16_t)(row->ms / 60000);
    uint16_t *first = &answer->first[row->dimension * answer->devices + row->device];
    answer->minutes[minute]++;
    answer->rows[row->dimension]++;
    if (!*first || minute + 1 < *first)
        *first = (uint16_t)(minute + 1);
}

static void send_row(struct fill *fill, const struct uv_row *row)
{
    char key[32], value[128];
    uint32_t ms = row->ms;
    int key_size = snprintf(key, sizeof(key), "dim-%02" PRIu64, row->dimension);
    int size = snprintf(value, sizeof(value),
                        "{\"id\":\"d%07" PRIu64 "\",\"dimension\":\"%s\","
                        "\"eventTime\":\"2024-01-01 %02u:%02u:%02u.%03u\"}",
                        row->device, key, ms / 3600000, ms / 60000 % 60, ms / 1000 % 60, ms % 1000);
    rd_kafka_resp_err_t code;
    do {
        code = rd_kafka_producev(fill->client, RD_KAFKA_V_TOPIC(fill->topic),
                                 RD_KAFKA_V_PARTITION(fill->partition_of[row->dimension]),
                                 RD_KAFKA_V_KEY(key, (size_t)key_size),
                                 RD_KAFKA_V_VALUE(value, (size_t)size),
                                 RD_KAFKA_V_TIMESTAMP(UV_DAY_START_MS + ms),
                                 RD_KAFKA_V_MSGFLAGS(RD_KAFKA_MSG_F_COPY), RD_KAFKA_V_END);
        if (code == RD_KAFKA_RESP_ERR__QUEUE_FULL)
            rd_kafka_poll(fill->client, 10);
    } while (code == RD_KAFKA_RESP_ERR__QUEUE_FULL);
    if (code)
        die("fill: %s", rd_kafka_err2str(code));
}

static void print_dimension(const struct answer *answer, uint64_t d, FILE *out)
{
    uint64_t fresh[MINUTES + 1] = {0}, seen = 0;
    for (uint64_t i = 0; i < answer->devices; i++)
        fresh[answer->first[d * answer->devices + i]]++;
    for (int m = 0; m < MINUTES; m++) {
        seen += fresh[m + 1];
        if (seen)
            fprintf(out, "point %d dim-%02" PRIu64 " %" PRIu64 "\n", m, d, seen);
    }
    fprintf(out, "dimension dim-%02" PRIu64 " %" PRIu64 " %" PRIu64 "\n", d, answer->rows[d], seen);
}

static void print_answer(const struct answer *answer, uint64_t rows, const char *path)
{
    FILE *out = fopen(path, "w");
    if (!out)
        die("fill: %s cannot be written", path);
    fprintf(out, "rows %" PRIu64 "\n", rows);
    for (int m = 0; m < MINUTES; m++)
        fprintf(out, "minute %d %" PRIu64 "\n", m, answer->minutes[m]);
    for (uint64_t d = 0; d < answer->dimensions; d++)
        if (answer->rows[d])
            print_dimension(answer, d, out);
    if (ferror(out) || fclose(out))
        die("fill: %s cannot be written", path);
}

static void run(struct fill *fill, struct uv_rows *rows)
{
    for (uint64_t i = 0; i < rows->rows; i++) {
        struct uv_row row = uv_rows_next(rows);
        count(&fill->answer, &row);
        send_row(fill, &row);
        if (i % 4096 == 0)
            rd_kafka_poll(fill->client, 0);
    }
    if (rd_kafka_flush(fill->client, 120000) || fill->failed)
        die("fill: %" PRIu64 " messages did not reach the broker", fill->failed);
}

int main(int argc, char **argv)
{
    if (argc < 10) {
        fprintf(
            stderr,
            "usage: fill BROKERS TOPIC PARTITIONS ROWS DEVICES DIMENSIONS DISORDER_MS SEED ANSWER "
            "[KEY=VALUE...]\n");
        return 64;
    }
    static struct fill fill;
    // Idempotent, for order: a request that is tried again must not come behind later ones.
    static const char *const settings[] = {"enable.idempotence=true", "linger.ms=50",
                                           "batch.size=1000000",
                                           "queue.buffering.max.messages=500000", NULL};
    struct uv_rows rows = {.rows = number(argv[4], "ROWS", UINT32_MAX),
                           .devices = number(argv[5], "DEVICES", UINT32_MAX),
                           .dimensions = number(argv[6], "DIMENSIONS", 10000),
                           .disorder_ms = strtoull(argv[7], NULL, 10),
                           .seed = strtoull(argv[8], NULL, 10)};
    fill.topic = argv[2];
    fill.partitions = (int)number(argv[3], "PARTITIONS", PARTITIONS_MAX);
    fill.answer = (struct answer){.devices = rows.devices, .dimensions = rows.dimensions};
    fill.answer.rows = calloc(rows.dimensions, sizeof(uint64_t));
    fill.answer.first = calloc(rows.dimensions * rows.devices, sizeof(uint16_t));
    deal_out(&fill);

    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    rd_kafka_conf_set_dr_msg_cb(conf, delivered);
    rd_kafka_conf_set_opaque(conf, &fill);
    int64_t start = now_ns();
    fill.client = client_new(RD_KAFKA_PRODUCER, conf, argv[1], settings, argv + 10);
    topic_new(fill.client, fill.topic, fill.partitions);
    run(&fill, &rows);
    rd_kafka_destroy(fill.client);
    print_answer(&fill.answer, rows.rows, argv[9]);
    printf("filled %s: %" PRIu64 " rows, %.1f s\n", fill.topic, rows.rows,
           (double)(now_ns() - start) / 1e9);
    return 0;
}
