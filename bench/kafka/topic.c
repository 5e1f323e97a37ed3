// topic.c: makes topics.
//
// usage: topic BROKERS PARTITIONS NAME...
// One that is there stays as it is.
#include "bench/kafka/client.h"

int main(int argc, char **argv)
{
    if (argc < 4) {
        fprintf(stderr, "usage: topic BROKERS PARTITIONS NAME...\n");
        return 64;
    }
    rd_kafka_t *client = client_new(RD_KAFKA_PRODUCER, rd_kafka_conf_new(), argv[1], NULL, NULL);
    for (int i = 3; i < argc; i++)
        topic_new(client, argv[i], (int)number(argv[2], "PARTITIONS", 10000));
    rd_kafka_destroy(client);
    return 0;
}
