// client.c: see client.h.
//
// librdkafka's threads call log_cb at any moment; who polls the client gets error_cb. Both leave
// what they have to say under a mutex, in a few places of fixed size, and the task takes it from
// there when it comes by: a cluster that flaps fills these places and no more.
#include "stages/kafka/client.h"

#include <errno.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/env.h"
#include "shm/atomic.h"
#include "shm/process.h"
#include "stages/kafka/property.h"
#include "stages/kafka/secret.h"

enum { NOTE_COUNT = 16, NOTE_BYTES = 448, LOG_WARNING = 4, LOG_DEBUG = 7 };

// A refused log-in under way when the password changes is told a moment later.
#define SETTLE_NS     (INT64_C(3) * 1000 * 1000 * 1000)
#define READ_AGAIN_NS (INT64_C(1) * 1000 * 1000 * 1000)

struct kafka_client {
    rd_kafka_t *rk;
    const struct kafka_table *table;
    void *context;
    int log_level;                              // what is told, as in syslog
    cpu_set_t cpus;                             // of librdkafka's threads
    uint32_t has_news, has_trouble, has_remade; // hints, without the mutex
    enum kafka_role role;
    pthread_mutex_t reading;     // one at a time looks for a new password; before the other mutex
    int64_t read_ns, changed_ns; // when that was, and when there was one; 0: never
    pthread_mutex_t mutex;
    // Under the mutex:
    char notes[NOTE_COUNT][NOTE_BYTES];
    int note_count;
    uint64_t left_out;          // notes that found no place
    char transport[NOTE_BYTES]; // why a broker was last not reached
    char certificate[64];       // what was last wrong with one
    char remade[250];           // a topic that is another one than before; empty: none
    struct kafka_trouble trouble;
};

static void lock(struct kafka_client *c)
{
    CHECK(pthread_mutex_lock(&c->mutex) == 0);
}

static void unlock(struct kafka_client *c)
{
    CHECK(pthread_mutex_unlock(&c->mutex) == 0);
}

// --- what there is to say ---

// The same trouble must be the same text: without the thread in front, times and counts behind.
static void shape(const char *text, char out[NOTE_BYTES])
{
    const char *begin = text;
    if (strncmp(text, "[thrd:", 6) == 0) {
        const char *end = strstr(text, "]: ");
        begin = end ? end + 3 : text;
    }
    snprintf(out, NOTE_BYTES, "%s", begin);
    char *after = strstr(out, " (after ");
    if (after)
        *after = '\0';
}

// With the mutex. Once, while nobody has listened.
static void add_note(struct kafka_client *c, const char *text)
{
    for (int i = 0; i < c->note_count; i++)
        if (strncmp(c->notes[i], text, NOTE_BYTES - 1) == 0)
            return;
    if (c->note_count < NOTE_COUNT)
        snprintf(c->notes[c->note_count++], NOTE_BYTES, "%s", text);
    else
        c->left_out++;
    atomic_write_u32(&c->has_news, 1); // relaxed: a hint, what there is to say is under the mutex
}

// One broker that is not reached is no trouble yet, only the reason when none is left.
static bool is_trouble(rd_kafka_resp_err_t code, enum kafka_fault fault)
{
    return fault == KAFKA_FAULT_DENIED || code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN;
}

// With the mutex.
static void set_trouble(struct kafka_client *c, rd_kafka_resp_err_t code, const char *reason)
{
    enum kafka_fault fault = kafka_fault_of(code);
    struct kafka_trouble *t = &c->trouble;
    bool is_known = t->fault != KAFKA_FAULT_NONE;
    if (is_known && (t->fault == fault || t->fault == KAFKA_FAULT_DENIED))
        return;
    t->since_ns = is_known ? t->since_ns : env_system_ns();
    t->fault = fault;
    t->code = code;
    snprintf(t->reason, sizeof t->reason, "%s", reason);
    atomic_write_u32(&c->has_trouble, 1); // relaxed: a hint, the trouble is under the mutex
}

// "... certificate verify failed: broker certificate could not be verified, ..." with what is wrong
// with it instead. With the mutex.
static void with_certificate(const struct kafka_client *c, const char *text, char out[NOTE_BYTES])
{
    const char *verify = "certificate verify failed", *at = strstr(text, verify);
    if (at && c->certificate[0])
        snprintf(out, NOTE_BYTES, "%.*s%s: %s", (int)(at - text), text, verify, c->certificate);
    else
        snprintf(out, NOTE_BYTES, "%s", text);
}

// Why a broker was not reached is logged at once, and told to on_error too, but only when somebody
// polls. What says which setting is wrong is kept over what does not. With the mutex.
static void learn_failure(struct kafka_client *c, const char *text)
{
    char whole[NOTE_BYTES];
    const char *detail = "security.protocol";
    if (strstr(text, "SASL authentication error")) {
        set_trouble(c, RD_KAFKA_RESP_ERR__AUTHENTICATION, text);
    } else if (strstr(text, "SSL handshake failed") || strstr(text, "SSL transport error")) {
        with_certificate(c, text, whole);
        set_trouble(c, RD_KAFKA_RESP_ERR__SSL, whole);
    } else if (!strstr(c->transport, detail) || strstr(text, detail)) {
        snprintf(c->transport, sizeof c->transport, "%s", text);
    }
}

// librdkafka goes on at the old offsets in a topic that was deleted and made anew, and only its
// debug log knows (the id of a topic that it has just met is zero). It says so before it asks for a
// message of the new one.
static void learn_topic(struct kafka_client *c, const char *text)
{
    const char *begin = strstr(text, "Topic "), *end = strstr(text, " changed id from ");
    if (!begin || !end || strstr(end, " from AAAAAAAAAAAAAAAAAAAAAA"))
        return;
    begin += strlen("Topic ");
    lock(c);
    if (!c->remade[0])
        snprintf(c->remade, sizeof c->remade, "%.*s", (int)(end - begin), begin);
    atomic_write_u32(&c->has_remade, 1); // relaxed: the queue that messages come by orders it
    unlock(c);
}

static void on_log(const rd_kafka_t *rk, int level, const char *facility, const char *text)
{
    struct kafka_client *c = rk ? rd_kafka_opaque(rk) : NULL;
    char shaped[NOTE_BYTES], line[NOTE_BYTES];
    bool is_failure = strcmp(facility, "FAIL") == 0 && level < LOG_DEBUG;
    if (c && level == LOG_DEBUG && strcmp(facility, "METADATA") == 0)
        learn_topic(c, text);
    if (!c || (level > c->log_level && !is_failure))
        return;
    shape(text, shaped);
    snprintf(line, sizeof line, "table %s: Kafka: %s: %.300s", c->table->name, facility, shaped);
    lock(c);
    if (is_failure)
        learn_failure(c, shaped);
    else
        add_note(c, line);
    unlock(c);
}

// What librdkafka says, as far as it is known better here. With the mutex.
static void explain(const struct kafka_client *c, rd_kafka_resp_err_t what, const char *reason,
                    char out[NOTE_BYTES])
{
    char shaped[NOTE_BYTES];
    shape(reason ? reason : "", shaped);
    if (what == RD_KAFKA_RESP_ERR__SSL)
        with_certificate(c, shaped, out);
    else if (what == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN && c->transport[0])
        memcpy(out, c->transport, NOTE_BYTES); // more than "1/1 brokers are down"
    else
        memcpy(out, shaped, NOTE_BYTES);
}

static void on_error(rd_kafka_t *rk, int code, const char *reason, void *opaque)
{
    struct kafka_client *c = opaque;
    rd_kafka_resp_err_t what = (rd_kafka_resp_err_t)code;
    char fatal[NOTE_BYTES], explained[NOTE_BYTES];
    struct err err;
    if (what == RD_KAFKA_RESP_ERR__FATAL) {
        what = rd_kafka_fatal_error(rk, fatal, sizeof fatal);
        reason = fatal;
    }
    lock(c);
    explain(c, what, reason, explained);
    if (is_trouble(what, kafka_fault_of(what)))
        set_trouble(c, what, explained);
    kafka_error_text(c->table, what, explained, NULL, &err);
    char *hint = strchr(err.text, '\n'); // who fails says how to mend it; a note is short
    if (hint)
        *hint = '\0';
    err_prefix(&err, 0, "table %s", c->table->name);
    add_note(c, err.text);
    unlock(c);
}

static void tell_left_out(const struct kafka_client *c, uint64_t count,
                          void (*note)(void *context, const char *text), void *context)
{
    char text[128];
    if (!count)
        return;
    snprintf(text, sizeof text, "table %.60s: Kafka: more was logged than is kept", c->table->name);
    note(context, text);
}

void kafka_client_tell(struct kafka_client *c, void (*note)(void *context, const char *text),
                       void *context)
{
    char notes[NOTE_COUNT][NOTE_BYTES];
    if (!note || !atomic_read_u32(&c->has_news)) // relaxed: what is not seen now is seen next time
        return;
    lock(c);
    int count = c->note_count;
    uint64_t left_out = c->left_out;
    memcpy(notes, c->notes, sizeof notes[0] * (size_t)count);
    c->note_count = 0;
    c->left_out = 0;
    atomic_write_u32(&c->has_news, 0); // relaxed: under the mutex, as all that sets it
    unlock(c);
    for (int i = 0; i < count; i++)
        note(context, notes[i]);
    tell_left_out(c, left_out, note, context);
}

// --- a password that has changed ---

// What a conf has; false: nothing.
static bool get(const rd_kafka_conf_t *conf, const char *name, struct buf *out)
{
    size_t size = SECRET_FILE_BYTES + 1;
    bool is_there =
        rd_kafka_conf_get(conf, name, buf_reserve(out, size), &size) == RD_KAFKA_CONF_OK;
    out->len = is_there && size ? size - 1 : 0;
    return is_there;
}

// User and password as they are now go to the client where they are others. true: they are.
static bool take_credentials(struct kafka_client *c, const rd_kafka_conf_t *now)
{
    const rd_kafka_conf_t *before = rd_kafka_conf(c->rk);
    struct buf user = {0}, password = {0}, old_user = {0}, old_password = {0};
    bool is_whole = get(now, "sasl.username", &user) && get(now, "sasl.password", &password) &&
                    get(before, "sasl.username", &old_user) &&
                    get(before, "sasl.password", &old_password);
    bool is_new = is_whole && !(slice_equal(buf_slice(&user), buf_slice(&old_user)) &&
                                slice_equal(buf_slice(&password), buf_slice(&old_password)));
    if (is_new) // an error there is none with both texts
        rd_kafka_sasl_set_credentials(c->rk, buf_str(&user), buf_str(&password));
    secret_wipe(&user);
    secret_wipe(&password);
    secret_wipe(&old_user);
    secret_wipe(&old_password);
    return is_new;
}

// Look behind the references again, at most each second: the file may have a new password by now.
// true: it has, or had a moment ago, and what was refused was the old one.
static bool has_new_password(struct kafka_client *c)
{
    struct buf warnings = {0};
    struct err err;
    int64_t now = env_system_ns();
    CHECK(pthread_mutex_lock(&c->reading) == 0);
    bool is_new = c->changed_ns && now - c->changed_ns < SETTLE_NS;
    if (!is_new && now - c->read_ns > READ_AGAIN_NS) {
        rd_kafka_conf_t *conf = rd_kafka_conf_new();
        const struct property_target target = {.conf = conf,
                                               .table = c->table,
                                               .role = c->role,
                                               .resolves = true,
                                               .warnings = &warnings};
        CHECK(conf);
        is_new = property_apply_all(&target, &err) == 0 && take_credentials(c, conf);
        c->read_ns = now;
        c->changed_ns = is_new ? now : c->changed_ns;
        rd_kafka_conf_destroy(conf);
        buf_fini(&warnings);
    }
    CHECK(pthread_mutex_unlock(&c->reading) == 0);
    return is_new;
}

bool kafka_client_remade(struct kafka_client *c, char topic[250])
{
    if (!atomic_read_u32(&c->has_remade)) // relaxed: see learn_topic
        return false;
    lock(c);
    memcpy(topic, c->remade, sizeof c->remade);
    c->remade[0] = '\0';
    atomic_write_u32(&c->has_remade, 0); // relaxed: under the mutex
    unlock(c);
    return true;
}

bool kafka_client_trouble(struct kafka_client *c, struct kafka_trouble *out)
{
    if (!atomic_read_u32(&c->has_trouble)) // relaxed: what is not seen now is seen next time
        return false;
    lock(c);
    *out = c->trouble;
    unlock(c);
    if (out->code == RD_KAFKA_RESP_ERR__AUTHENTICATION && has_new_password(c)) {
        kafka_client_is_well(c);
        return false;
    }
    return out->fault != KAFKA_FAULT_NONE;
}

void kafka_client_is_well(struct kafka_client *c)
{
    if (!atomic_read_u32(&c->has_trouble)) // relaxed: what is not seen now is seen next time
        return;
    lock(c);
    c->trouble = (struct kafka_trouble){0};
    c->transport[0] = '\0';
    atomic_write_u32(&c->has_trouble, 0); // relaxed: under the mutex, as all that sets it
    unlock(c);
}

int kafka_client_error(struct kafka_client *c, rd_kafka_resp_err_t code, const char *reason,
                       const char *topic, struct err *err)
{
    char known[sizeof c->trouble.reason] = "";
    bool is_vague = code == RD_KAFKA_RESP_ERR__TIMED_OUT ||
                    code == RD_KAFKA_RESP_ERR__ALL_BROKERS_DOWN ||
                    code == RD_KAFKA_RESP_ERR__TRANSPORT || code == RD_KAFKA_RESP_ERR__WAIT_COORD;
    lock(c);
    if (is_vague && c->trouble.fault == KAFKA_FAULT_DENIED) {
        code = c->trouble.code;
        snprintf(known, sizeof known, "%s", c->trouble.reason);
    } else if (is_vague) {
        snprintf(known, sizeof known, "%s", c->transport);
    }
    unlock(c);
    return kafka_error_text(c->table, code, known[0] ? known : reason, topic, err);
}

// --- certificates ---

// librdkafka only says that a certificate is not right; OpenSSL knows what is wrong with it. In a
// thread of librdkafka. 1: it is right.
static int on_certificate(rd_kafka_t *rk, const char *broker_name, int32_t broker_id, int *error,
                          int depth, const char *bytes, size_t size, char *text, size_t text_size,
                          void *opaque)
{
    struct kafka_client *c = opaque;
    (void)rk, (void)broker_name, (void)broker_id, (void)depth, (void)bytes, (void)size;
    if (*error == X509_V_OK)
        return 1;
    const char *reason = X509_verify_cert_error_string(*error);
    snprintf(text, text_size, "%s", reason);
    lock(c);
    snprintf(c->certificate, sizeof c->certificate, "%s", reason);
    unlock(c);
    return 0;
}

// --- its threads ---

// Threads have the affinity of the one that makes them, and librdkafka's make each other: so its
// maker goes for a moment where they belong. (Its interceptors, which are called in each new
// thread, are freed twice when rd_kafka_new fails.)
static rd_kafka_t *new_beside(rd_kafka_type_t type, rd_kafka_conf_t *conf, char *reason,
                              size_t size)
{
    cpu_set_t own, beside;
    process_cores_beside(0, &beside);
    bool is_moved = sched_getaffinity(0, sizeof own, &own) == 0 && !CPU_EQUAL(&own, &beside) &&
                    sched_setaffinity(0, sizeof beside, &beside) == 0;
    rd_kafka_t *rk = rd_kafka_new(type, conf, reason, size);
    if (is_moved)
        sched_setaffinity(0, sizeof own, &own); // the core is gone: the supervisor finds another
    return rk;
}

// --- making it ---

// librdkafka keeps secrets in its memory as long as the client lives, so a process that has some
// leaves no core dump. A limit of 1 byte, not of 0: that keeps a handler (a pipe in core_pattern)
// away too. What killed a task is in weir's own post mortem.
static void leave_no_core(void)
{
    struct rlimit limit;
    if (getrlimit(RLIMIT_CORE, &limit) < 0)
        return;
    limit.rlim_cur = 1;
    if (limit.rlim_max < 1)
        limit.rlim_max = 1; // root may; for others a limit of 0 stays
    setrlimit(RLIMIT_CORE, &limit);
}

static int set(rd_kafka_conf_t *conf, const char *name, const char *value, struct err *err)
{
    char reason[256];
    if (rd_kafka_conf_set(conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return 0;
    return err_set(err, -EINVAL, "cannot set %s of Kafka's client: %s", name, reason);
}

static int set_all(rd_kafka_conf_t *conf, const struct kafka_setting *settings, int count,
                   struct err *err)
{
    int rc = 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = set(conf, settings[i].name, settings[i].value, err);
    return rc;
}

// What librdkafka's own defaults are not.
static int set_defaults(rd_kafka_conf_t *conf, enum kafka_role role, struct err *err)
{
    char patience[32];
    snprintf(patience, sizeof patience, "%d", KAFKA_PATIENCE_MS);
    const struct kafka_setting both[] = {
        {"socket.timeout.ms", patience},
        {"enable.metrics.push", "false"}, // nothing is told to brokers that nobody asked for
    };
    static const struct kafka_setting consumer[] = {
        {"isolation.level", "read_committed"},
        {"allow.auto.create.topics", "false"},
    };
    int rc = set_all(conf, both, ARRAY_SIZE(both), err);
    if (rc == 0 && role == KAFKA_CONSUMER)
        rc = set_all(conf, consumer, ARRAY_SIZE(consumer), err);
    return rc;
}

static int set_own(rd_kafka_conf_t *conf, const struct kafka_client_spec *spec, struct err *err)
{
    static const struct kafka_setting consumer[] = {
        {"enable.auto.commit", "false"},
        {"enable.auto.offset.store", "false"},
    };
    int rc = set(conf, "bootstrap.servers", spec->table->servers, err);
    if (rc == 0 && spec->role == KAFKA_CONSUMER)
        rc = set(conf, "group.id", spec->table->group_id, err);
    if (rc == 0 && spec->role == KAFKA_CONSUMER)
        rc = set_all(conf, consumer, ARRAY_SIZE(consumer), err);
    return rc == 0 ? set_all(conf, spec->own, spec->own_count, err) : rc;
}

// weir-<job>-<table>-<subtask>: what brokers log, and count quotas by.
static int set_client_id(rd_kafka_conf_t *conf, const struct kafka_client_spec *spec,
                         struct err *err)
{
    char id[256];
    const char *prefix = property_value(spec->table, "client.id.prefix");
    if (property_value(spec->table, "client.id"))
        return 0; // it is the table's
    if (prefix)
        snprintf(id, sizeof id, "%.200s", prefix);
    else
        snprintf(id, sizeof id, "weir-%.100s-%.100s", spec->job_name, spec->table->name);
    size_t len = strlen(id);
    if (spec->subtask >= 0)
        snprintf(id + len, sizeof id - len, "-%d", spec->subtask);
    for (char *at = id; *at; at++)
        if (!strchr("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-", *at))
            *at = '_';
    return set(conf, "client.id", id, err);
}

// For learn_topic; what else comes is dropped, unless the table wants it.
static int set_debug(rd_kafka_conf_t *conf, const struct kafka_client_spec *spec, struct err *err)
{
    const char *wanted = property_value(spec->table, "debug");
    char contexts[512];
    snprintf(contexts, sizeof contexts, "metadata%s%s", wanted ? "," : "", wanted ? wanted : "");
    return spec->role == KAFKA_CONSUMER ? set(conf, "debug", contexts, err) : 0;
}

static int fill(rd_kafka_conf_t *conf, const struct kafka_client_spec *spec, struct buf *warnings,
                struct err *err)
{
    bool has_secrets = false;
    const struct property_target target = {.conf = conf,
                                           .table = spec->table,
                                           .role = spec->role,
                                           .resolves = true,
                                           .warnings = warnings,
                                           .has_secrets = &has_secrets};
    int rc = set_defaults(conf, spec->role, err);
    if (rc == 0)
        rc = set_all(conf, spec->defaults, spec->default_count, err);
    if (rc == 0)
        rc = set_client_id(conf, spec, err);
    if (rc == 0)
        rc = property_apply_all(&target, err);
    if (rc == 0)
        rc = set_debug(conf, spec, err);
    if (has_secrets)
        leave_no_core();
    return rc == 0 ? set_own(conf, spec, err) : rc;
}

// The client's own callbacks, and the caller's.
static void add_callbacks(struct kafka_client *c, rd_kafka_conf_t *conf,
                          const struct kafka_client_spec *spec)
{
    rd_kafka_conf_set_opaque(conf, c);
    rd_kafka_conf_set_log_cb(conf, on_log);
    rd_kafka_conf_set_error_cb(conf, on_error);
    rd_kafka_conf_set_ssl_cert_verify_cb(conf, on_certificate);
    if (spec->configure)
        spec->configure(conf, spec->context);
}

static void warn(struct kafka_client *c, struct buf *warnings)
{
    char *rest = NULL;
    buf_str(warnings); // ends with a NUL
    for (char *line = strtok_r(warnings->data, "\n", &rest); line;
         line = strtok_r(NULL, "\n", &rest))
        add_note(c, line);
}

// rd_kafka_new takes the conf when it works.
static int start(struct kafka_client *c, rd_kafka_conf_t *conf,
                 const struct kafka_client_spec *spec, struct err *err)
{
    char reason[512];
    add_callbacks(c, conf, spec);
    c->rk = new_beside(spec->role == KAFKA_CONSUMER ? RD_KAFKA_CONSUMER : RD_KAFKA_PRODUCER, conf,
                       reason, sizeof reason);
    if (c->rk)
        return 0;
    rd_kafka_conf_destroy(conf);
    return err_set(err, -EINVAL, "no client for Kafka at %s: %s", c->table->servers, reason);
}

int kafka_client_create(const struct kafka_client_spec *spec, struct kafka_client **out,
                        struct err *err)
{
    struct kafka_client *c = calloc(1, sizeof *c);
    struct buf warnings = {0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    CHECK(c && conf && pthread_mutex_init(&c->mutex, NULL) == 0 &&
          pthread_mutex_init(&c->reading, NULL) == 0);
    c->table = spec->table;
    c->role = spec->role;
    c->context = spec->context;
    c->log_level = property_value(spec->table, "debug") ? LOG_DEBUG : LOG_WARNING;
    int rc = fill(conf, spec, &warnings, err);
    if (rc < 0)
        rd_kafka_conf_destroy(conf);
    else
        rc = start(c, conf, spec, err);
    if (rc == 0) {
        lock(c);
        warn(c, &warnings);
        unlock(c);
        *out = c;
    } else {
        kafka_client_destroy(c);
    }
    buf_fini(&warnings);
    return rc;
}

void kafka_client_destroy(struct kafka_client *c)
{
    if (!c)
        return;
    if (c->rk)
        rd_kafka_destroy_flags(c->rk, RD_KAFKA_DESTROY_F_NO_CONSUMER_CLOSE);
    CHECK(pthread_mutex_destroy(&c->mutex) == 0 && pthread_mutex_destroy(&c->reading) == 0);
    free(c);
}

rd_kafka_t *kafka_client_handle(const struct kafka_client *c)
{
    return c->rk;
}

const struct kafka_table *kafka_client_table(const struct kafka_client *c)
{
    return c->table;
}

void *kafka_client_context(const struct kafka_client *c)
{
    return c->context;
}

int kafka_properties_check(const struct kafka_table *table, enum kafka_role role, struct err *err)
{
    struct buf warnings = {0};
    rd_kafka_conf_t *conf = rd_kafka_conf_new();
    CHECK(conf);
    const struct property_target target = {
        .conf = conf, .table = table, .role = role, .warnings = &warnings};
    int rc = property_apply_all(&target, err);
    rd_kafka_conf_destroy(conf);
    buf_fini(&warnings);
    return rc;
}
