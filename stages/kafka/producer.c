// producer.c: the thread that waits for the cluster, and how the task talks to it.
//
// One ask at a time lies under the mutex until it is answered. While it is PRODUCER_OPEN the
// instance belongs to the thread; else both use it, which librdkafka allows.
#include "stages/kafka/producer.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "shm/process.h"
#include "shm/thread.h"
#include "stages/kafka/producer_internal.h"

enum {
    STACK_BYTES = 256 << 10,
    BACKOFF_MS = 100,
    BACKOFF_MAX_MS = 5000,
    END_WAIT_MS = 3000,
    TROUBLE_AFTER_MS = 3000, // a cluster that has just started may take that long
};

static void lock(struct producer *p)
{
    CHECK(pthread_mutex_lock(&p->mutex) == 0);
}

static void unlock(struct producer *p)
{
    CHECK(pthread_mutex_unlock(&p->mutex) == 0);
}

static struct timespec in_ms(int ms)
{
    struct timespec at;
    clock_gettime(CLOCK_MONOTONIC, &at);
    at.tv_sec += ms / 1000;
    at.tv_nsec += ms % 1000 * 1000000L;
    if (at.tv_nsec >= 1000000000L) {
        at.tv_sec++;
        at.tv_nsec -= 1000000000L;
    }
    return at;
}

static int64_t now_ms(void)
{
    return env_system_ns() / 1000000;
}

// --- the thread ---

bool producer_must_end(struct producer *p)
{
    lock(p);
    bool must_end = p->must_end;
    unlock(p);
    return must_end;
}

void producer_pause(struct producer *p, int ms)
{
    const struct timespec until = in_ms(ms);
    lock(p);
    while (!p->must_end && pthread_cond_timedwait(&p->has_work, &p->mutex, &until) != ETIMEDOUT)
        ;
    unlock(p);
}

// Under the mutex: after producer_destroy nobody may be woken.
void producer_wake(struct producer *p)
{
    lock(p);
    if (p->spec.wake)
        p->spec.wake(p->spec.wake_context);
    unlock(p);
}

void producer_set_trouble(struct producer *p, const char *text)
{
    lock(p);
    bool is_long = now_ms() - p->asked_ms >= TROUBLE_AFTER_MS;
    bool is_new = is_long && strncmp(p->trouble, text, sizeof p->trouble - 1) != 0;
    if (is_new)
        snprintf(p->trouble, sizeof p->trouble, "%s", text);
    p->has_trouble |= is_new;
    unlock(p);
    if (is_new)
        producer_wake(p);
}

// A new instance, or the warm one, and the first thing that is to be done with it.
static void renew_instance(struct producer *p, enum producer_ask ask,
                           const struct producer_mark *mark, struct producer_answer *answer)
{
    struct err err = {.text = ""};
    bool is_warm = p->is_warm;
    p->is_warm = false;
    if (!is_warm)
        instance_destroy(p);
    if (!is_warm && instance_create(p, &err) < 0) {
        answer->outcome = PRODUCER_HOPELESS;
        snprintf(answer->text, sizeof answer->text, "%s", err.text);
    } else if (ask == PRODUCER_OPEN) {
        instance_begin(p, answer);
    } else {
        instance_look(p, mark, answer);
    }
}

// Again and again, until it is done or hopeless.
static void open_instance(struct producer *p, enum producer_ask ask,
                          const struct producer_mark *mark, struct producer_answer *answer)
{
    int backoff_ms = BACKOFF_MS;
    for (;;) {
        renew_instance(p, ask, mark, answer);
        if (answer->outcome != PRODUCER_LOST && answer->outcome != PRODUCER_FENCED)
            return;
        producer_set_trouble(p, answer->text);
        producer_pause(p, backoff_ms);
        backoff_ms = backoff_ms * 2 < BACKOFF_MAX_MS ? backoff_ms * 2 : BACKOFF_MAX_MS;
        if (producer_must_end(p))
            return;
    }
}

static void do_ask(struct producer *p, enum producer_ask ask, const struct producer_mark *mark,
                   struct producer_answer *answer)
{
    *answer = (struct producer_answer){.ask = ask};
    if (ask == PRODUCER_OPEN || ask == PRODUCER_LOOK)
        open_instance(p, ask, mark, answer);
    else if (ask == PRODUCER_MARK)
        instance_mark(p, mark, answer);
    else
        instance_commit(p, mark, answer);
}

static void warm_up(struct producer *p)
{
    struct err err;
    p->is_warm = instance_create(p, &err) == 0; // else the next one says why
}

// In the thread: what is done when there is nothing else.
static void end_strays(struct producer *p)
{
    if (!strays_step(p))
        return;
    strays_free(p);
    lock(p);
    p->has_strays = false;
    p->strays_are_over = true;
    unlock(p);
    producer_wake(p);
}

static void *work(void *context)
{
    struct producer *p = context;
    struct producer_answer *answer = calloc(1, sizeof *answer);
    CHECK(answer);
    sched_setaffinity(0, sizeof p->cpus, &p->cpus); // no such core: beside the task
    lock(p);
    while (!p->must_end) {
        const struct producer_mark mark = p->mark;
        const enum producer_ask ask = p->ask;
        bool warms = p->is_warming, asked = p->is_asked;
        bool has_strays = p->has_strays && p->now.client;
        p->is_warming = false;
        if (!warms && !asked && !has_strays) {
            CHECK(pthread_cond_wait(&p->has_work, &p->mutex) == 0);
            continue;
        }
        unlock(p);
        if (warms)
            warm_up(p);
        else if (asked)
            do_ask(p, ask, &mark, answer);
        else
            end_strays(p);
        lock(p);
        if (warms || !asked)
            continue;
        p->is_asked = false;
        p->is_answered = true;
        p->answer = *answer;
        unlock(p);
        producer_wake(p);
        lock(p);
    }
    unlock(p);
    free(answer);
    strays_free(p);
    instance_destroy(p);
    lock(p);
    p->has_ended = true;
    pthread_cond_broadcast(&p->has_work);
    unlock(p);
    return NULL;
}

// --- life ---

static void free_producer(struct producer *p)
{
    pthread_cond_destroy(&p->has_work);
    pthread_mutex_destroy(&p->mutex);
    free(p->first_topic);
    free(p);
}

int producer_create(const struct producer_spec *spec, struct producer **out, struct err *err)
{
    struct producer *p = calloc(1, sizeof *p);
    pthread_condattr_t attributes;
    CHECK(p && spec->table->topic_count > 0);
    p->spec = *spec;
    p->table = *spec->table;
    p->spec.table = &p->table;
    p->first_topic = strdup(spec->table->topics[0]);
    CHECK(p->first_topic);
    if (spec->transactional_id)
        snprintf(p->transactional_id, sizeof p->transactional_id, "%s", spec->transactional_id);
    p->spec.transactional_id = spec->transactional_id ? p->transactional_id : NULL;
    p->lost = PRODUCER_LOST; // until it is opened
    process_cores_beside(0, &p->cpus);
    CHECK(pthread_mutex_init(&p->mutex, NULL) == 0 && pthread_condattr_init(&attributes) == 0);
    CHECK(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_cond_init(&p->has_work, &attributes) == 0);
    pthread_condattr_destroy(&attributes);
    int rc = thread_start(&p->thread, STACK_BYTES, work, p);
    if (rc < 0) {
        free_producer(p);
        return err_set(err, rc, "no thread for the connection to Kafka: %s", strerror(-rc));
    }
    *out = p;
    return 0;
}

bool producer_destroy(struct producer *p)
{
    if (!p)
        return true;
    const struct timespec until = in_ms(END_WAIT_MS);
    lock(p);
    p->must_end = true;
    p->spec.wake = NULL;
    pthread_cond_broadcast(&p->has_work);
    while (!p->has_ended && pthread_cond_timedwait(&p->has_work, &p->mutex, &until) != ETIMEDOUT)
        ;
    bool has_ended = p->has_ended;
    unlock(p);
    if (!has_ended) { // it waits for the network, and ends with the process: all it reads stays
        pthread_detach(p->thread);
        return false;
    }
    pthread_join(p->thread, NULL);
    free_producer(p);
    return true;
}

void producer_warm(struct producer *p)
{
    lock(p);
    p->is_warming = true;
    pthread_cond_broadcast(&p->has_work);
    unlock(p);
}

// --- the task's side ---

void producer_ask(struct producer *p, enum producer_ask ask, const struct producer_mark *mark)
{
    lock(p);
    CHECK(!p->is_asked && !p->is_answered);
    p->is_asked = true;
    p->ask = ask;
    p->asked_ms = now_ms();
    if (mark)
        p->mark = *mark;
    pthread_cond_broadcast(&p->has_work);
    unlock(p);
    p->is_opening |= ask == PRODUCER_OPEN || ask == PRODUCER_LOOK;
}

bool producer_take_answer(struct producer *p, struct producer_answer *out)
{
    lock(p);
    bool is_answered = p->is_answered;
    if (is_answered)
        *out = p->answer;
    p->is_answered = false;
    unlock(p);
    if (!is_answered)
        return false;
    p->is_opening = false;
    if (out->ask == PRODUCER_OPEN || out->outcome != PRODUCER_DONE)
        p->lost = out->outcome;
    if (out->ask == PRODUCER_LOOK)
        p->lost = PRODUCER_LOST;
    if (p->lost != PRODUCER_DONE)
        snprintf(p->lost_text, sizeof p->lost_text, "%.1000s", out->text);
    return true;
}

void producer_set_batches(struct producer *p, struct producer_batches batches)
{
    lock(p);
    p->batches = batches;
    unlock(p);
}

void producer_end_strays(struct producer *p)
{
    lock(p);
    p->has_strays = true;
    pthread_cond_broadcast(&p->has_work);
    unlock(p);
}

bool producer_take_strays(struct producer *p, char *text, size_t bytes)
{
    lock(p);
    bool are_over = p->strays_are_over;
    if (are_over)
        snprintf(text, bytes, "%s", p->strays.text);
    p->strays_are_over = false;
    unlock(p);
    return are_over;
}

bool producer_take_trouble(struct producer *p, char *text, size_t bytes)
{
    lock(p);
    bool has_trouble = p->has_trouble;
    if (has_trouble)
        snprintf(text, bytes, "%s", p->trouble);
    p->has_trouble = false;
    unlock(p);
    return has_trouble;
}

void producer_tell(struct producer *p, void (*note)(void *context, const char *text), void *context)
{
    if (!p->is_opening && p->now.client)
        kafka_client_tell(p->now.client, note, context);
}

enum producer_outcome producer_lost(const struct producer *p, const char **why)
{
    *why = p->lost_text;
    return p->is_opening ? PRODUCER_DONE : p->lost;
}
