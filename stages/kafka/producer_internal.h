// producer_internal.h: the private struct of a producer, shared by producer*.c.
#ifndef WEIR_STAGES_KAFKA_PRODUCER_INTERNAL_H
#define WEIR_STAGES_KAFKA_PRODUCER_INTERNAL_H

#include <pthread.h>
#include <sched.h>

#include "stages/kafka/client.h"
#include "stages/kafka/producer.h"

// What librdkafka is given. Made, ended and waited with by the thread; the task sends rows with it
// and takes their reports, but not while a PRODUCER_OPEN is asked.
struct producer_instance {
    struct kafka_client *client; // NULL: none
    rd_kafka_t *rk;              // its handle
    rd_kafka_queue_t *queue;     // of reports
    rd_kafka_topic_t **topics;   // one a topic of the table
    uint64_t row_bytes_max;      // message.max.bytes
    struct kafka_client *reader; // of the mark, until it is read
    bool has_delivered;          // a row; the task's
    bool has_mark;               // in the open transaction
    struct producer_mark mark;
};

// Ids of a larger parallelism; the thread's until it is over.
struct producer_strays {
    bool is_listed;
    char **ids; // NULL: none
    int count, next;
    char text[1024]; // what has gone wrong; empty: nothing
};

struct producer {
    struct producer_spec spec;
    struct kafka_table table;   // what it points to is the one's of whom it was copied
    char transactional_id[256]; // empty: none
    char *first_topic;          // where the mark is
    pthread_t thread;
    cpu_set_t cpus; // of the thread
    pthread_mutex_t mutex;
    pthread_cond_t has_work;

    // Under the mutex.
    bool is_asked, is_warming, must_end, has_ended;
    bool has_strays, strays_are_over; // to be ended; and that is to be told
    enum producer_ask ask;
    int64_t asked_ms;          // monotonic
    struct producer_mark mark; // asked for
    bool is_answered;
    struct producer_answer answer;
    bool has_trouble;
    char trouble[1024];
    struct producer_batches batches;

    struct producer_instance now;
    bool is_warm; // the instance has not been opened yet
    struct producer_strays strays;

    // The task's alone.
    bool is_opening; // PRODUCER_OPEN or _LOOK is asked: the instance is the thread's
    enum producer_outcome lost;
    char lost_text[1024];
};

// producer_instance.c: the steps of the thread. Each may take long, but looks every second whether
// it shall end (-ECANCELED).
int instance_create(struct producer *p, struct err *err);
void instance_destroy(struct producer *p);
// Only read the mark, until it is foreign or the time is over.
void instance_look(struct producer *p, const struct producer_mark *own,
                   struct producer_answer *answer);
// Fence, read the mark, begin a transaction. *answer has the outcome: LOST: with a new instance.
void instance_begin(struct producer *p, struct producer_answer *answer);
void instance_mark(struct producer *p, const struct producer_mark *mark,
                   struct producer_answer *answer);
void instance_commit(struct producer *p, const struct producer_mark *mark,
                     struct producer_answer *answer);
// What an error means for the instance.
enum producer_outcome instance_outcome(const struct producer *p, rd_kafka_resp_err_t code);

// producer_strays.c: the thread's. One step, which takes seconds at most; true: that was all.
bool strays_step(struct producer *p);
void strays_free(struct producer *p);

// producer.c
bool producer_must_end(struct producer *p);
void producer_wake(struct producer *p); // any thread
void producer_set_trouble(struct producer *p, const char *text);
// Sleep, unless it shall end.
void producer_pause(struct producer *p, int ms);

#endif
