// kafka_scout.c: the thread, and how a question is handed to it. What it asks the brokers is in
// kafka_ask.c.
#include "stages/source/kafka_scout.h"

#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "shm/process.h"
#include "shm/thread.h"
#include "stages/source/kafka_ask.h"

enum { STACK_BYTES = 512 << 10 };

struct kafka_scout {
    pthread_t thread;
    cpu_set_t cpus;       // beside the task's
    struct kafka_ask ask; // the thread's
    bool is_busy;         // the task's
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    // Under the mutex:
    bool must_end, has_question, is_warm;
    int64_t warm_ns; // is_warm: when to ask again, CLOCK_MONOTONIC
    struct kafka_question warm_question;
    struct kafka_question question;
    struct kafka_answer *answer;
    void (*wake)(void *context);
    void *wake_context;
};

static void lock(struct kafka_scout *s)
{
    CHECK(pthread_mutex_lock(&s->mutex) == 0);
}

static void unlock(struct kafka_scout *s)
{
    CHECK(pthread_mutex_unlock(&s->mutex) == 0);
}

static void question_fini(struct kafka_question *question)
{
    if (question->known)
        rd_kafka_topic_partition_list_destroy(question->known);
    if (question->lost)
        rd_kafka_topic_partition_list_destroy(question->lost);
    *question = (struct kafka_question){0};
}

void kafka_answer_free(struct kafka_answer *answer)
{
    if (!answer)
        return;
    pool_fini(&answer->pool);
    free(answer);
}

// With the mutex. Until something has changed, or it is time to keep the connections warm.
static void wait_for_change(struct kafka_scout *s)
{
    const struct timespec until = {s->warm_ns / 1000000000, s->warm_ns % 1000000000};
    if (s->is_warm)
        pthread_cond_timedwait(&s->changed, &s->mutex, &until);
    else
        CHECK(pthread_cond_wait(&s->changed, &s->mutex) == 0);
}

// The next question, which is the thread's from now on. False: the end.
static bool next_question(struct kafka_scout *s, struct kafka_question *question, bool *is_asked)
{
    lock(s);
    while (!s->must_end && !s->has_question && !(s->is_warm && env_system_ns() >= s->warm_ns))
        wait_for_change(s);
    *is_asked = s->has_question;
    *question = s->has_question ? s->question : s->warm_question;
    s->question = (struct kafka_question){0};
    s->has_question = false;
    s->warm_ns = env_system_ns() + KAFKA_WARM_MS * INT64_C(1000000);
    bool goes_on = !s->must_end;
    unlock(s);
    return goes_on;
}

// With the mutex, so that nobody is woken whom kafka_scout_set_wake has let go.
static void give_answer(struct kafka_scout *s, struct kafka_answer *answer)
{
    lock(s);
    s->answer = answer;
    if (s->wake)
        s->wake(s->wake_context);
    unlock(s);
}

static void *work(void *context)
{
    struct kafka_scout *s = context;
    struct kafka_question question;
    bool is_asked;
    sched_setaffinity(0, sizeof s->cpus, &s->cpus); // no such core: beside the task
    while (next_question(s, &question, &is_asked)) {
        struct kafka_answer *answer = calloc(1, sizeof *answer);
        CHECK(answer);
        kafka_ask_brokers(&s->ask, &question, answer);
        question_fini(&question);
        if (is_asked)
            give_answer(s, answer);
        else
            kafka_answer_free(answer);
    }
    question_fini(&question);
    return NULL;
}

int kafka_scout_create(struct kafka_client *client, const struct kafka_table *table,
                       struct kafka_scout **out, struct err *err)
{
    struct kafka_scout *s = calloc(1, sizeof *s);
    CHECK(s);
    pthread_condattr_t clock;
    CHECK(pthread_condattr_init(&clock) == 0 &&
          pthread_condattr_setclock(&clock, CLOCK_MONOTONIC) == 0);
    CHECK(pthread_mutex_init(&s->mutex, NULL) == 0 && pthread_cond_init(&s->changed, &clock) == 0);
    pthread_condattr_destroy(&clock);
    kafka_ask_init(&s->ask, client, table);
    process_cores_beside(0, &s->cpus);
    int rc = thread_start(&s->thread, STACK_BYTES, work, s);
    if (rc < 0) {
        kafka_ask_fini(&s->ask);
        pthread_cond_destroy(&s->changed);
        pthread_mutex_destroy(&s->mutex);
        free(s);
        return err_set(err, rc, "cannot start a thread: %s", strerror(-rc));
    }
    *out = s;
    return 0;
}

void kafka_scout_destroy(struct kafka_scout *s)
{
    if (!s)
        return;
    lock(s);
    s->must_end = true;
    CHECK(pthread_cond_signal(&s->changed) == 0);
    unlock(s);
    kafka_ask_cancel(&s->ask);
    pthread_join(s->thread, NULL);
    kafka_ask_fini(&s->ask);
    question_fini(&s->question);
    kafka_answer_free(s->answer);
    pthread_cond_destroy(&s->changed);
    pthread_mutex_destroy(&s->mutex);
    free(s);
}

void kafka_scout_set_wake(struct kafka_scout *s, void (*wake)(void *context), void *context)
{
    lock(s);
    s->wake = wake;
    s->wake_context = context;
    s->is_warm = s->is_warm && !wake;
    unlock(s);
}

void kafka_scout_keep_warm(struct kafka_scout *s, const struct kafka_question *question)
{
    lock(s);
    s->is_warm = true;
    s->warm_question = *question;
    s->warm_ns = 0;
    CHECK(pthread_cond_signal(&s->changed) == 0);
    unlock(s);
}

void kafka_scout_ask(struct kafka_scout *s, const struct kafka_question *question)
{
    CHECK(!s->is_busy);
    s->is_busy = true;
    lock(s);
    s->question = *question;
    s->has_question = true;
    CHECK(pthread_cond_signal(&s->changed) == 0);
    unlock(s);
}

struct kafka_answer *kafka_scout_take(struct kafka_scout *s)
{
    if (!s->is_busy)
        return NULL;
    lock(s);
    struct kafka_answer *answer = s->answer;
    s->answer = NULL;
    unlock(s);
    if (answer)
        s->is_busy = false;
    return answer;
}

bool kafka_scout_is_busy(const struct kafka_scout *s)
{
    return s->is_busy;
}
