// client.h: what the programs of bench/kafka share: a client of librdkafka, settings as KEY=VALUE,
// clocks.
//
// These programs are measuring sticks: an error ends them, with a text and status 1.
#ifndef WEIR_BENCH_KAFKA_CLIENT_H
#define WEIR_BENCH_KAFKA_CLIENT_H

#include <inttypes.h>
#include <librdkafka/rdkafka.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>

static inline _Noreturn void die(const char *format, ...) __attribute__((format(printf, 1, 2)));

static inline _Noreturn void die(const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vfprintf(stderr, format, args);
    va_end(args);
    fputc('\n', stderr);
    exit(1);
}

// A whole number from 1 to `limit`, or the end.
static inline uint64_t number(const char *text, const char *what, uint64_t limit)
{
    char *end;
    uint64_t value = strtoull(text, &end, 10);
    if (*text < '1' || *text > '9' || *end || value > limit)
        die("%s: '%s' is no number from 1 to %" PRIu64, what, text, limit);
    return value;
}

static inline int64_t now_ns(void)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
}

// Of this process, all its threads, in seconds.
static inline double cpu_seconds(void)
{
    struct rusage use;
    getrusage(RUSAGE_SELF, &use);
    return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) +
           (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec) / 1e6;
}

// "key=value"; the conf becomes the caller's problem no sooner than rd_kafka_new.
static inline void conf_setting(rd_kafka_conf_t *conf, const char *setting)
{
    char why[256], key[128];
    const char *equals = strchr(setting, '=');
    size_t length = equals ? (size_t)(equals - setting) : 0;
    if (!length || length >= sizeof(key))
        die("'%s' is no KEY=VALUE", setting);
    memcpy(key, setting, length);
    key[length] = 0;
    if (rd_kafka_conf_set(conf, key, equals + 1, why, sizeof(why)) != RD_KAFKA_CONF_OK)
        die("%s: %s", setting, why);
}

// A topic of so many partitions on one broker, whose rows stay whatever their timestamps say.
static inline void topic_new(rd_kafka_t *client, const char *name, int partitions)
{
    char why[256];
    rd_kafka_NewTopic_t *topic = rd_kafka_NewTopic_new(name, partitions, 1, why, sizeof(why));
    if (!topic)
        die("topic %s: %s", name, why);
    rd_kafka_NewTopic_set_config(topic, "retention.ms", "-1");
    rd_kafka_queue_t *queue = rd_kafka_queue_new(client);
    rd_kafka_CreateTopics(client, &topic, 1, NULL, queue);
    rd_kafka_event_t *event = rd_kafka_queue_poll(queue, 30000);
    if (!event)
        die("topic %s: no answer from the broker in 30 s", name);
    if (rd_kafka_event_error(event))
        die("topic %s: %s", name, rd_kafka_event_error_string(event));
    size_t count;
    const rd_kafka_topic_result_t **results =
        rd_kafka_CreateTopics_result_topics(rd_kafka_event_CreateTopics_result(event), &count);
    rd_kafka_resp_err_t code = rd_kafka_topic_result_error(results[0]);
    if (code && code != RD_KAFKA_RESP_ERR_TOPIC_ALREADY_EXISTS)
        die("topic %s: %s", name, rd_kafka_topic_result_error_string(results[0]));
    rd_kafka_event_destroy(event);
    rd_kafka_queue_destroy(queue);
    rd_kafka_NewTopic_destroy(topic);
}

// A client of its own with these settings (up to a NULL), then with the user's `extra`.
static inline rd_kafka_t *client_new(rd_kafka_type_t type, rd_kafka_conf_t *conf,
                                     const char *brokers, const char *const *settings, char **extra)
{
    char why[256], servers[512];
    snprintf(servers, sizeof(servers), "bootstrap.servers=%s", brokers);
    conf_setting(conf, servers);
    for (; settings && *settings; settings++)
        conf_setting(conf, *settings);
    for (; extra && *extra; extra++)
        conf_setting(conf, *extra);
    rd_kafka_t *client = rd_kafka_new(type, conf, why, sizeof(why));
    if (!client)
        die("no client: %s", why);
    return client;
}

// How many partitions it has. One that was made just now is not known to a broker at once.
static inline int partitions_of(rd_kafka_t *client, const char *topic)
{
    int64_t deadline = now_ns() + 10 * INT64_C(1000000000);
    rd_kafka_topic_t *handle = rd_kafka_topic_new(client, topic, NULL);
    int count = 0;
    do {
        const struct rd_kafka_metadata *metadata;
        rd_kafka_resp_err_t code = rd_kafka_metadata(client, 0, handle, &metadata, 30000);
        if (code)
            die("%s: %s", topic, rd_kafka_err2str(code));
        count = metadata->topic_cnt == 1 ? metadata->topics[0].partition_cnt : 0;
        rd_kafka_metadata_destroy(metadata);
        if (!count)
            nanosleep(&(struct timespec){.tv_nsec = 20000000}, NULL);
    } while (!count && now_ns() < deadline);
    rd_kafka_topic_destroy(handle);
    if (!count)
        die("there is no topic %s", topic);
    return count;
}

// All partitions of the topic from `offset` (RD_KAFKA_OFFSET_...) on; how many.
static inline int assign_all(rd_kafka_t *client, const char *topic, int64_t offset)
{
    int count = partitions_of(client, topic);
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(count);
    for (int i = 0; i < count; i++)
        rd_kafka_topic_partition_list_add(list, topic, i)->offset = offset;
    rd_kafka_resp_err_t code = rd_kafka_assign(client, list);
    if (code)
        die("%s: %s", topic, rd_kafka_err2str(code));
    rd_kafka_topic_partition_list_destroy(list);
    return count;
}

#endif
