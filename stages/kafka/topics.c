// topics.c: see topics.h.
//
// A list is asked for topic by topic, a pattern needs the names of all. Both wait in short steps,
// so that a refused password ends the wait and not its timeout.
#include "stages/kafka/topics.h"

#include <errno.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "core/base/env.h"
#include "core/expr/regex.h"
#include "shm/atomic.h"
#include "shm/process.h"
#include "shm/thread.h"

enum { STEP_MS = 250, STACK_BYTES = 256 << 10 };

// Java's String.hashCode of a topic's name, which is ASCII.
static int32_t java_hash(const char *text)
{
    uint32_t hash = 0;
    for (; *text; text++)
        hash = hash * 31 + (unsigned char)*text;
    return (int32_t)hash;
}

int kafka_subtask_of(const char *topic, int32_t partition, int subtask_count)
{
    CHECK(subtask_count > 0 && partition >= 0);
    uint32_t start = ((uint32_t)java_hash(topic) * 31) & 0x7FFFFFFF;
    return (int)((start % (uint32_t)subtask_count + (uint32_t)partition) % (uint32_t)subtask_count);
}

// --- waiting ---

struct wait {
    struct kafka_client *client;
    const struct kafka_table *table;
    int64_t end_ns;
    const uint32_t *is_called_off; // NULL: never
};

static struct wait wait_of(struct kafka_client *client, int timeout_ms)
{
    return (struct wait){.client = client,
                         .table = kafka_client_table(client),
                         .end_ns = env_system_ns() + (int64_t)timeout_ms * 1000000};
}

// The next step in ms; 0: it is over.
static int step_of(const struct wait *w)
{
    struct kafka_trouble trouble;
    int64_t left_ms = (w->end_ns - env_system_ns()) / 1000000;
    if (w->is_called_off && atomic_read_u32(w->is_called_off)) // relaxed: seen at the next step
        return 0;
    if (kafka_client_trouble(w->client, &trouble) && trouble.fault == KAFKA_FAULT_DENIED)
        return 0;
    return left_ms <= 0 ? 0 : left_ms < STEP_MS ? (int)left_ms : STEP_MS;
}

// --- a list of topics ---

static int by_name(const void *a, const void *b)
{
    return strcmp(((const struct kafka_topic *)a)->name, ((const struct kafka_topic *)b)->name);
}

// Metadata of all topics, or of one. Owned by the caller: rd_kafka_metadata_destroy.
static int ask(const struct wait *w, rd_kafka_topic_t *topic, const struct rd_kafka_metadata **out,
               struct err *err)
{
    rd_kafka_resp_err_t code = RD_KAFKA_RESP_ERR__TIMED_OUT;
    for (int ms = step_of(w); ms && code; ms = step_of(w)) {
        code = rd_kafka_metadata(kafka_client_handle(w->client), topic == NULL, topic, out, ms);
        if (code && kafka_fault_of(code) != KAFKA_FAULT_PASSES)
            break;
        if (code == RD_KAFKA_RESP_ERR__TRANSPORT) // said at once: not every moment
            usleep((useconds_t)ms * 100);
    }
    if (code)
        return kafka_client_error(w->client, code, NULL, NULL, err);
    kafka_client_is_well(w->client);
    return 0;
}

static struct kafka_topic take_topic(const struct rd_kafka_metadata_topic *from, struct pool *pool)
{
    return (struct kafka_topic){.name = pool_strdup(pool, from->topic),
                                .error = from->err,
                                .partition_count = from->err ? 0 : from->partition_cnt};
}

// A topic that was just made has no leader for a moment: asked again.
static bool is_passing(const struct rd_kafka_metadata *answer)
{
    return answer->topic_cnt == 1 && kafka_fault_of(answer->topics[0].err) == KAFKA_FAULT_PASSES;
}

static int find_one(const struct wait *w, const char *name, struct pool *pool,
                    struct kafka_topic *out, struct err *err)
{
    const struct rd_kafka_metadata *answer = NULL;
    rd_kafka_topic_t *topic = rd_kafka_topic_new(kafka_client_handle(w->client), name, NULL);
    if (!topic)
        return kafka_client_error(w->client, rd_kafka_last_error(), NULL, name, err);
    int rc = ask(w, topic, &answer, err);
    while (rc == 0 && is_passing(answer) && step_of(w)) {
        rd_kafka_metadata_destroy(answer);
        usleep(STEP_MS * 200);
        rc = ask(w, topic, &answer, err);
    }
    if (rc == 0 && answer->topic_cnt == 1)
        *out = take_topic(&answer->topics[0], pool);
    else if (rc == 0)
        *out = (struct kafka_topic){.name = pool_strdup(pool, name),
                                    .error = RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART};
    if (rc == 0)
        rd_kafka_metadata_destroy(answer);
    rd_kafka_topic_destroy(topic);
    return rc;
}

static int find_listed(const struct wait *w, struct pool *pool, struct kafka_topics *out,
                       struct err *err)
{
    int rc = 0;
    out->topics = pool_zalloc(pool, sizeof *out->topics * (size_t)(w->table->topic_count + 1));
    for (; out->count < w->table->topic_count && rc == 0; out->count += rc == 0)
        rc = find_one(w, w->table->topics[out->count], pool, &out->topics[out->count], err);
    return rc;
}

// --- a pattern ---

static void match_all(const struct rd_kafka_metadata *all, struct regex *regex, struct pool *pool,
                      struct kafka_topics *out)
{
    out->topics = pool_zalloc(pool, sizeof *out->topics * (size_t)(all->topic_cnt + 1));
    for (int i = 0; i < all->topic_cnt; i++) {
        const struct rd_kafka_metadata_topic *t = &all->topics[i];
        bool is_internal = strncmp(t->topic, "__", 2) == 0;
        if (!is_internal && regex_match(regex, slice_of(t->topic), 0) == 1)
            out->topics[out->count++] = take_topic(t, pool);
    }
}

static int find_matching(const struct wait *w, struct pool *pool, struct kafka_topics *out,
                         struct err *err)
{
    const struct rd_kafka_metadata *all = NULL;
    struct regex *regex = regex_compile(slice_of(w->table->topic_pattern), true, err);
    if (!regex)
        return err_prefix(err, -EINVAL, "'topic-pattern'");
    int rc = ask(w, NULL, &all, err);
    if (rc == 0) {
        match_all(all, regex, pool, out);
        rd_kafka_metadata_destroy(all);
    }
    regex_free(regex);
    return rc;
}

static int find(const struct wait *w, struct pool *pool, struct kafka_topics *out, struct err *err)
{
    *out = (struct kafka_topics){0};
    int rc =
        w->table->topic_pattern ? find_matching(w, pool, out, err) : find_listed(w, pool, out, err);
    if (rc == 0 && out->count)
        qsort(out->topics, (size_t)out->count, sizeof *out->topics, by_name);
    return rc;
}

int kafka_topics_find(struct kafka_client *client, int timeout_ms, struct pool *pool,
                      struct kafka_topics *out, struct err *err)
{
    const struct wait w = wait_of(client, timeout_ms);
    return find(&w, pool, out, err);
}

// --- for `weir check` ---

struct cluster_check {
    struct kafka_client *client;
    const struct kafka_table *table;
    enum kafka_role role;
    void (*note)(void *context, const char *text);
    void *note_context;
};

static void say(const struct cluster_check *c, const char *text)
{
    if (c->note)
        c->note(c->note_context, text);
}

static int check_topic(const struct cluster_check *c, const struct kafka_topic *topic,
                       struct err *err)
{
    if (!topic->error)
        return 0;
    int rc = kafka_client_error(c->client, topic->error, NULL, topic->name, err);
    bool may_be_made =
        c->role == KAFKA_PRODUCER && kafka_fault_of(topic->error) == KAFKA_FAULT_MISSING;
    if (!may_be_made)
        return rc;
    say(c, err->text);
    return 0;
}

static int check_topics(const struct cluster_check *c, const struct kafka_topics *topics,
                        struct err *err)
{
    int rc = 0;
    for (int i = 0; i < topics->count && rc == 0; i++)
        rc = check_topic(c, &topics->topics[i], err);
    if (rc == 0 && topics->count == 0 && c->table->topic_pattern)
        say(c, "no topic matches 'topic-pattern' now; the job waits for one");
    return rc;
}

int kafka_check_cluster(const struct kafka_client_spec *spec, int timeout_ms,
                        void (*note)(void *context, const char *text), void *note_context,
                        struct err *err)
{
    struct cluster_check c = {
        .table = spec->table, .role = spec->role, .note = note, .note_context = note_context};
    static const struct kafka_setting own[] = {{"allow.auto.create.topics", "false"}};
    struct kafka_client_spec looker = *spec;
    struct pool pool = {0};
    struct kafka_topics topics;
    looker.own = own;
    looker.own_count = ARRAY_SIZE(own);
    int rc = kafka_client_create(&looker, &c.client, err);
    if (rc < 0)
        return rc;
    rc = kafka_topics_find(c.client, timeout_ms, &pool, &topics, err);
    if (rc == 0)
        rc = check_topics(&c, &topics, err);
    kafka_client_tell(c.client, note, note_context);
    kafka_client_destroy(c.client);
    pool_fini(&pool);
    return rc;
}

// --- beside the task ---

struct kafka_lookup {
    struct wait wait;
    cpu_set_t cpus;
    pthread_t thread;
    void (*wake)(void *context);
    void *wake_context;
    uint32_t is_called_off, is_done;
    // Of the thread until is_done.
    struct pool pool;
    struct kafka_topics topics;
    struct err err;
    int rc;
};

static void *look(void *context)
{
    struct kafka_lookup *l = context;
    sched_setaffinity(0, sizeof l->cpus, &l->cpus); // no such core: beside the task
    l->rc = find(&l->wait, &l->pool, &l->topics, &l->err);
    // K1: pairs with K2 in kafka_lookup_is_done; publishes what was found
    atomic_release_u32(&l->is_done, 1);
    if (l->wake)
        l->wake(l->wake_context);
    return NULL;
}

int kafka_lookup_start(struct kafka_client *client, int timeout_ms, void (*wake)(void *context),
                       void *wake_context, struct kafka_lookup **out)
{
    struct kafka_lookup *l = calloc(1, sizeof *l);
    CHECK(l);
    l->wait = wait_of(client, timeout_ms);
    l->wait.is_called_off = &l->is_called_off;
    l->wake = wake;
    l->wake_context = wake_context;
    process_cores_beside(0, &l->cpus);
    int rc = thread_start(&l->thread, STACK_BYTES, look, l);
    if (rc < 0)
        free(l);
    else
        *out = l;
    return rc;
}

bool kafka_lookup_is_done(const struct kafka_lookup *l)
{
    return atomic_acquire_u32(
        &l->is_done); // K2: pairs with K1 in look; then what was found is whole
}

static void copy_topics(const struct kafka_topics *from, struct pool *pool,
                        struct kafka_topics *out)
{
    out->count = from->count;
    out->topics = pool_zalloc(pool, sizeof *out->topics * (size_t)(from->count + 1));
    for (int i = 0; i < from->count; i++) {
        out->topics[i] = from->topics[i];
        out->topics[i].name = pool_strdup(pool, from->topics[i].name);
    }
}

int kafka_lookup_end(struct kafka_lookup *l, struct pool *pool, struct kafka_topics *out,
                     struct err *err)
{
    if (!out)
        atomic_write_u32(&l->is_called_off, 1); // relaxed: the thread sees it at its next step
    CHECK(pthread_join(l->thread, NULL) == 0);
    int rc = l->rc;
    if (out)
        *out = (struct kafka_topics){0};
    if (out && rc == 0)
        copy_topics(&l->topics, pool, out);
    else if (out)
        err_set(err, rc, "%s", l->err.text);
    pool_fini(&l->pool);
    free(l);
    return rc;
}
