// property.c: see property.h. The rules are a table: a name that Java's client or Flink knows, and
// what becomes of it. A name that is not in it is librdkafka's, or unknown.
#include "stages/kafka/property.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/base/check.h"
#include "stages/kafka/jaas.h"
#include "stages/kafka/secret.h"

enum property_action {
    PROPERTY_PASSES,  // to librdkafka, under the name of `text` where there is one
    PROPERTY_SECRET,  // the same, but not as a literal
    PROPERTY_TABLE,   // kafka_table_parse or client.c has taken it
    PROPERTY_NOTHING, // means nothing here: left out
    PROPERTY_REFUSED, // `text` says why, and what to write
    PROPERTY_OURS,    // weir decides: `value` (any of them, with |) is what it is; else as refused
    PROPERTY_JAAS,
    PROPERTY_TRUSTSTORE,
    PROPERTY_KEYSTORE,
    PROPERTY_ENDPOINT,
};

struct property_rule {
    const char *name;
    enum property_action action;
    const char *text;
    const char *value;
};

#define NO_CALLBACK "it is a pointer of librdkafka's programs, not a setting"
#define ASSIGNED    "weir assigns partitions to its tasks itself and joins no group; leave it out"
#define NO_KERBEROS                                                                                \
    "this librdkafka is built without Kerberos; use SCRAM-SHA-512, SCRAM-SHA-256, PLAIN or TLS "   \
    "client certificates"
#define NO_OAUTH                                                                                   \
    "this librdkafka has no way to fetch tokens; use SCRAM-SHA-512 or client certificates"
#define NO_JAVA "it names a class of Java; leave it out"

static const struct property_rule rules[] = {
    // the table's
    {"bootstrap.servers", PROPERTY_TABLE, NULL, NULL},
    {"metadata.broker.list", PROPERTY_REFUSED, "write 'properties.bootstrap.servers'", NULL},
    {"group.id", PROPERTY_TABLE, NULL, NULL},
    {"auto.offset.reset", PROPERTY_TABLE, NULL, NULL},
    {"client.id.prefix", PROPERTY_TABLE, NULL, NULL},
    {"partition.discovery.interval.ms", PROPERTY_REFUSED,
     "write 'scan.topic-partition-discovery.interval'", NULL},
    // what weir decides
    {"enable.auto.commit", PROPERTY_OURS,
     "offsets are in the job's state; the group's are written when a checkpoint is complete",
     "false"},
    {"auto.commit.enable", PROPERTY_OURS,
     "offsets are in the job's state; the group's are written when a checkpoint is complete",
     "false"},
    {"commit.offsets.on.checkpoint", PROPERTY_OURS,
     "the group's offsets are written when a checkpoint is complete", "true"},
    {"enable.auto.offset.store", PROPERTY_OURS, "offsets are in the job's state", "false"},
    {"offset.store.method", PROPERTY_OURS, "offsets are in the job's state", "broker"},
    {"offset.store.path", PROPERTY_REFUSED, "offsets are in the job's state", NULL},
    {"offset.store.sync.interval.ms", PROPERTY_REFUSED, "offsets are in the job's state", NULL},
    {"auto.commit.interval.ms", PROPERTY_NOTHING, NULL, NULL},
    {"enable.idempotence", PROPERTY_OURS,
     "it follows from 'sink.delivery-guarantee'; with 'none' there is none", "true"},
    {"enable.gapless.guarantee", PROPERTY_REFUSED, "it follows from 'sink.delivery-guarantee'",
     NULL},
    {"transactional.id", PROPERTY_REFUSED, "write 'sink.transactional-id-prefix'", NULL},
    {"partitioner", PROPERTY_REFUSED, "write 'sink.partitioner'", NULL},
    {"partitioner.class", PROPERTY_REFUSED, "write 'sink.partitioner'", NULL},
    {"enable.partition.eof", PROPERTY_REFUSED, "weir sets it as it needs it", NULL},
    {"enabled_events", PROPERTY_REFUSED, "weir sets it as it needs it", NULL},
    {"log.queue", PROPERTY_REFUSED, "weir sets it as it needs it", NULL},
    {"queuing.strategy", PROPERTY_OURS, "rows keep their order", "fifo"},
    {"delivery.report.only.error", PROPERTY_OURS, "weir counts acknowledgements", "false"},
    {"internal.termination.signal", PROPERTY_REFUSED, "signals are weir's", NULL},
    {"group.protocol", PROPERTY_REFUSED, ASSIGNED, NULL},
    {"group.protocol.type", PROPERTY_REFUSED, ASSIGNED, NULL},
    {"group.remote.assignor", PROPERTY_REFUSED, ASSIGNED, NULL},
    {"group.instance.id", PROPERTY_REFUSED, ASSIGNED, NULL},
    {"partition.assignment.strategy", PROPERTY_NOTHING, NULL, NULL},
    {"session.timeout.ms", PROPERTY_NOTHING, NULL, NULL},
    {"heartbeat.interval.ms", PROPERTY_NOTHING, NULL, NULL},
    {"max.poll.interval.ms", PROPERTY_NOTHING, NULL, NULL},
    {"max.poll.records", PROPERTY_NOTHING, NULL, NULL},
    {"plugin.library.paths", PROPERTY_REFUSED, "weir loads no foreign code", NULL},
    {"topic.blacklist", PROPERTY_REFUSED, "exclude topics in 'topic-pattern'", NULL},
    // Java's names for what librdkafka calls otherwise
    {"fetch.max.wait.ms", PROPERTY_PASSES, "fetch.wait.max.ms", NULL},
    {"receive.buffer.bytes", PROPERTY_PASSES, "socket.receive.buffer.bytes", NULL},
    {"send.buffer.bytes", PROPERTY_PASSES, "socket.send.buffer.bytes", NULL},
    {"socket.connection.setup.timeout.max.ms", PROPERTY_NOTHING, NULL, NULL},
    {"max.request.size", PROPERTY_PASSES, "message.max.bytes", NULL},
    {"buffer.memory", PROPERTY_REFUSED, "write 'sink.buffer.max-bytes'", NULL},
    {"ssl.keystore.certificate.chain", PROPERTY_PASSES, "ssl.certificate.pem", NULL},
    {"ssl.keystore.key", PROPERTY_SECRET, "ssl.key.pem", NULL},
    {"ssl.truststore.certificates", PROPERTY_PASSES, "ssl.ca.pem", NULL},
    {"ssl.truststore.location", PROPERTY_TRUSTSTORE, NULL, NULL},
    {"ssl.keystore.location", PROPERTY_KEYSTORE, NULL, NULL},
    {"ssl.endpoint.identification.algorithm", PROPERTY_ENDPOINT, NULL, NULL},
    {"sasl.jaas.config", PROPERTY_JAAS, NULL, NULL},
    // what means nothing here
    {"key.deserializer", PROPERTY_NOTHING, NULL, NULL},
    {"value.deserializer", PROPERTY_NOTHING, NULL, NULL},
    {"key.serializer", PROPERTY_NOTHING, NULL, NULL},
    {"value.serializer", PROPERTY_NOTHING, NULL, NULL},
    {"max.block.ms", PROPERTY_NOTHING, NULL, NULL},
    {"default.api.timeout.ms", PROPERTY_NOTHING, NULL, NULL},
    {"exclude.internal.topics", PROPERTY_NOTHING, NULL, NULL},
    {"auto.include.jmx.reporter", PROPERTY_NOTHING, NULL, NULL},
    {"metric.reporters", PROPERTY_NOTHING, NULL, NULL},
    {"metrics.num.samples", PROPERTY_NOTHING, NULL, NULL},
    {"metrics.recording.level", PROPERTY_NOTHING, NULL, NULL},
    {"metrics.sample.window.ms", PROPERTY_NOTHING, NULL, NULL},
    {"register.consumer.metrics", PROPERTY_NOTHING, NULL, NULL},
    {"register.producer.metrics", PROPERTY_NOTHING, NULL, NULL},
    {"ssl.truststore.type", PROPERTY_NOTHING, NULL, NULL}, // PROPERTY_TRUSTSTORE reads it
    {"ssl.keystore.type", PROPERTY_NOTHING, NULL, NULL},   // PROPERTY_KEYSTORE reads it
    // security that cannot be had: never left out in silence
    {"ssl.truststore.password", PROPERTY_REFUSED,
     "certificates of authorities are no secret; name a PEM file with 'properties.ssl.ca.location'",
     NULL},
    {"ssl.protocol", PROPERTY_REFUSED,
     "versions of TLS are the system's: MinProtocol and MaxProtocol in openssl.cnf; leave it out",
     NULL},
    {"ssl.enabled.protocols", PROPERTY_REFUSED,
     "versions of TLS are the system's: MinProtocol and MaxProtocol in openssl.cnf; leave it out",
     NULL},
    {"ssl.engine.factory.class", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"ssl.trustmanager.algorithm", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"ssl.keymanager.algorithm", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"ssl.provider", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"security.providers", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"interceptor.classes", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"sasl.login.class", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"sasl.login.callback.handler.class", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"sasl.client.callback.handler.class", PROPERTY_REFUSED, NO_JAVA, NULL},
    {"sasl.kerberos.service.name", PROPERTY_REFUSED, NO_KERBEROS, NULL},
    {"sasl.kerberos.principal", PROPERTY_REFUSED, NO_KERBEROS, NULL},
    {"sasl.kerberos.kinit.cmd", PROPERTY_REFUSED, NO_KERBEROS, NULL},
    {"sasl.kerberos.keytab", PROPERTY_REFUSED, NO_KERBEROS, NULL},
    {"sasl.kerberos.min.time.before.relogin", PROPERTY_REFUSED, NO_KERBEROS, NULL},
    {"sasl.oauthbearer.method", PROPERTY_REFUSED, NO_OAUTH, NULL},
    {"sasl.oauthbearer.client.secret", PROPERTY_REFUSED, NO_OAUTH, NULL},
    {"sasl.oauthbearer.client.credentials.client.secret", PROPERTY_REFUSED, NO_OAUTH, NULL},
    {"sasl.oauthbearer.assertion.private.key.passphrase", PROPERTY_REFUSED, NO_OAUTH, NULL},
    {"sasl.oauthbearer.assertion.private.key.pem", PROPERTY_REFUSED, NO_OAUTH, NULL},
    {"sasl.oauthbearer.token.endpoint.url", PROPERTY_REFUSED, NO_OAUTH, NULL},
    // secrets
    {"sasl.password", PROPERTY_SECRET, NULL, NULL},
    {"ssl.key.password", PROPERTY_SECRET, NULL, NULL},
    {"ssl.key.pem", PROPERTY_SECRET, NULL, NULL},
    {"ssl.keystore.password", PROPERTY_SECRET, NULL, NULL},
    // pointers
    {"error_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"throttle_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"stats_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"log_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"background_event_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"socket_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"connect_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"closesocket_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"open_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"resolve_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"opaque", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"default_topic_conf", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"consume_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"rebalance_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"offset_commit_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"dr_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"dr_msg_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"partitioner_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"msg_order_cmp", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"oauthbearer_token_refresh_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"ssl.certificate.verify_cb", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"ssl_engine_callback_data", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"interceptors", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"ssl_key", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"ssl_certificate", PROPERTY_REFUSED, NO_CALLBACK, NULL},
    {"ssl_ca", PROPERTY_REFUSED, NO_CALLBACK, NULL},
};

const char *property_rule_name(int index)
{
    return index >= 0 && index < (int)ARRAY_SIZE(rules) ? rules[index].name : NULL;
}

static const struct property_rule *find_rule(const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (strcmp(rules[i].name, key) == 0)
            return &rules[i];
    return NULL;
}

const char *property_value(const struct kafka_table *table, const char *key)
{
    for (int i = 0; i < table->property_count; i++)
        if (strcmp(table->properties[i].key, key) == 0)
            return table->properties[i].value;
    return NULL;
}

// --- what librdkafka knows ---

enum { KNOWN_MAX = 256 };

struct known { // its own list, as it prints it
    char *text;
    const char *names[KNOWN_MAX];
    char scopes[KNOWN_MAX]; // 'C', 'P', '*'
    int count;
};

static void read_line(struct known *known, char *line)
{
    char *space = strchr(line, ' '), *bar = strchr(line, '|');
    if (!space || !bar || space > bar || known->count == KNOWN_MAX || line[0] < 'a' ||
        line[0] > 'z')
        return;
    *space = '\0';
    known->names[known->count] = line;
    known->scopes[known->count++] = bar[1] == ' ' && bar[2] ? bar[2 + (bar[2] == ' ')] : '*';
}

// Lines such as "acks    |  P  | -1 .. 1000 | ...".
static void read_known(struct known *out)
{
    size_t len = 0;
    *out = (struct known){0};
    FILE *list = open_memstream(&out->text, &len);
    CHECK(list); // out of memory aborts
    rd_kafka_conf_properties_show(list);
    CHECK(fclose(list) == 0 && out->text);
    char *rest = NULL;
    for (char *line = strtok_r(out->text, "\n", &rest); line; line = strtok_r(NULL, "\n", &rest))
        read_line(out, line);
}

// ' ': not known.
static char scope_of(const struct known *known, const char *name)
{
    for (int i = 0; i < known->count; i++)
        if (strcmp(known->names[i], name) == 0)
            return known->scopes[i];
    return ' ';
}

static int refuse_unknown(const struct kafka_property *p, const struct known *known,
                          struct err *err)
{
    const char *names[KNOWN_MAX + ARRAY_SIZE(rules)];
    int count = 0;
    for (int i = 0; i < known->count; i++)
        names[count++] = known->names[i];
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].action != PROPERTY_REFUSED)
            names[count++] = rules[i].name;
    err_set(err, -EINVAL, "'%s': Kafka's client has no property '%s'", p->option, p->key);
    const char *near = err_suggest(p->key, names, count);
    return near ? err_append(err, -EINVAL, "did you mean 'properties.%s'?", near) : -EINVAL;
}

// --- setting one ---

struct applying {
    const struct property_target *target;
    const struct known *known;
    const struct kafka_property *property; // of the table
    struct err *err;
};

static int refuse(const struct applying *a, const char *why)
{
    return err_set(a->err, -EINVAL, "'%s': %s", a->property->option, why);
}

// A value without references: librdkafka may name it in its complaint.
static int set_plain(const struct applying *a, const char *name, const char *value)
{
    char reason[512] = "";
    if (rd_kafka_conf_set(a->target->conf, name, value, reason, sizeof reason) == RD_KAFKA_CONF_OK)
        return 0;
    return err_set(a->err, -EINVAL, "'%s' = '%s': %s", a->property->option, a->property->value,
                   reason);
}

// secret_expand, and the word that it has happened.
static int resolve(const struct applying *a, const char *value, struct buf *out)
{
    if (a->target->has_secrets)
        *a->target->has_secrets = true;
    return secret_expand(value, out, a->target->warnings, a->err);
}

static int set_secret(const struct applying *a, const char *name, const char *value)
{
    struct buf resolved = {0};
    char reason[512];
    int rc = resolve(a, value, &resolved);
    if (rc < 0)
        err_prefix(a->err, rc, "'%s'", a->property->option);
    else if (rd_kafka_conf_set(a->target->conf, name, buf_str(&resolved), reason, sizeof reason) !=
             RD_KAFKA_CONF_OK)
        rc = refuse(a, "librdkafka does not take what stands behind the reference");
    explicit_bzero(reason, sizeof reason); // it may hold the value
    secret_wipe(&resolved);
    return rc;
}

// Is it for this role? One for the other may stand there, for a table can be read and written.
static bool is_for_role(const struct applying *a, const char *name)
{
    char scope = scope_of(a->known, name);
    return scope == '*' || scope == (a->target->role == KAFKA_CONSUMER ? 'C' : 'P');
}

// `name` is librdkafka's.
static int set_value(const struct applying *a, const char *name, const char *value, bool is_secret)
{
    bool has_reference = false;
    int rc = secret_check(value, &has_reference, a->err);
    if (rc < 0)
        return err_prefix(a->err, rc, "'%s'", a->property->option);
    if (is_secret && !has_reference)
        return refuse(a, "a secret does not belong into the text of a job; write "
                         "'${file:/path/of/a/file}' or '${env:NAME}'");
    if (!is_for_role(a, name))
        return 0;
    if (strchr(value, '$')) // $${ too
        return a->target->resolves ? set_secret(a, name, value) : 0;
    return set_plain(a, name, value);
}

// --- those that need more than a name ---

static bool ends_with(const char *text, const char *end)
{
    size_t len = strlen(text), end_len = strlen(end);
    return len >= end_len && strcasecmp(text + len - end_len, end) == 0;
}

// "PEM", "JKS", "PKCS12": as the table says, else by the file's name.
static const char *store_type(const struct kafka_table *table, const char *key, const char *path)
{
    const char *type = property_value(table, key);
    if (type)
        return type;
    if (ends_with(path, ".pem") || ends_with(path, ".crt") || ends_with(path, ".cer"))
        return "PEM";
    return ends_with(path, ".p12") || ends_with(path, ".pfx") ? "PKCS12" : "JKS";
}

static int set_truststore(const struct applying *a)
{
    const char *path = a->property->value;
    if (strcasecmp(store_type(a->target->table, "ssl.truststore.type", path), "PEM") == 0)
        return set_value(a, "ssl.ca.location", path, false);
    return refuse(a, "weir reads PEM, not Java's keystores: write the certificates to a file with "
                     "'keytool -list -rfc -keystore FILE >ca.pem' and name it with "
                     "'properties.ssl.ca.location'");
}

static int set_keystore(const struct applying *a)
{
    const char *path = a->property->value;
    const char *type = store_type(a->target->table, "ssl.keystore.type", path);
    if (strcasecmp(type, "PKCS12") == 0)
        return set_value(a, "ssl.keystore.location", path, false);
    if (strcasecmp(type, "PEM"))
        return refuse(a, "weir reads PKCS#12 and PEM, not Java's keystores: 'keytool "
                         "-importkeystore -srckeystore FILE -destkeystore key.p12 -deststoretype "
                         "PKCS12' makes one");
    int rc = set_value(a, "ssl.certificate.location", path, false);
    return rc < 0 ? rc : set_value(a, "ssl.key.location", path, false);
}

// Java switches the check of the host's name off with an empty text.
static int set_endpoint(const struct applying *a)
{
    const char *value = a->property->value;
    return set_value(a, "ssl.endpoint.identification.algorithm", *value ? value : "none", false);
}

static int set_jaas_pair(const struct applying *a, const struct jaas *jaas, bool was_secret)
{
    if (was_secret) { // all of it came out of a reference: what is in it is no reference any more
        int rc = set_plain(a, "sasl.username", jaas->username);
        return rc < 0 ? rc : set_plain(a, "sasl.password", jaas->password);
    }
    int rc = set_value(a, "sasl.username", jaas->username, false);
    return rc < 0 ? rc : set_value(a, "sasl.password", jaas->password, true);
}

// User and password of the login modules that everybody has.
static int set_jaas(const struct applying *a)
{
    struct jaas jaas = {0};
    struct buf resolved = {0};
    const char *text = a->property->value;
    bool is_whole = secret_is_whole(text);
    int rc = 0;
    if (is_whole && !a->target->resolves)
        return 0;
    if (is_whole) {
        rc = resolve(a, text, &resolved);
        text = rc == 0 ? buf_str(&resolved) : "";
    }
    if (rc == 0)
        rc = jaas_parse(text, &jaas, a->err);
    if (rc < 0)
        err_prefix(a->err, rc, "'%s'", a->property->option);
    else
        rc = set_jaas_pair(a, &jaas, is_whole);
    explicit_bzero(&jaas, sizeof jaas);
    secret_wipe(&resolved);
    return rc;
}

// Is `value` one of the words of "a|b"?
static bool is_one_of(const char *value, const char *words)
{
    size_t len = strlen(value);
    for (const char *at = words; len && at; at = strchr(at, '|')) {
        at += *at == '|';
        if (strncasecmp(at, value, len) == 0 && (at[len] == '|' || at[len] == '\0'))
            return true;
    }
    return false;
}

static int apply_rule(const struct applying *a, const struct property_rule *rule)
{
    const struct kafka_property *p = a->property;
    const char *name = rule->text ? rule->text : p->key;
    switch (rule->action) {
    case PROPERTY_PASSES:
    case PROPERTY_SECRET:
        return set_value(a, name, p->value, rule->action == PROPERTY_SECRET);
    case PROPERTY_OURS:
        return is_one_of(p->value, rule->value) ? 0 : refuse(a, rule->text);
    case PROPERTY_REFUSED:
        return refuse(a, rule->text);
    case PROPERTY_JAAS:
        return set_jaas(a);
    case PROPERTY_TRUSTSTORE:
        return set_truststore(a);
    case PROPERTY_KEYSTORE:
        return set_keystore(a);
    case PROPERTY_ENDPOINT:
        return set_endpoint(a);
    case PROPERTY_TABLE:
    case PROPERTY_NOTHING:
        return 0;
    }
    CHECK(!"a property of no kind");
    return 0;
}

static int apply(const struct applying *a)
{
    const struct property_rule *rule = find_rule(a->property->key);
    if (rule)
        return apply_rule(a, rule);
    if (scope_of(a->known, a->property->key) == ' ')
        return refuse_unknown(a->property, a->known, a->err);
    return set_value(a, a->property->key, a->property->value, false);
}

// --- what only hangs together ---

static bool has_prefix(const struct kafka_table *table, const char *prefix, const char **option)
{
    for (int i = 0; i < table->property_count; i++) {
        if (strncmp(table->properties[i].key, prefix, strlen(prefix)))
            continue;
        *option = table->properties[i].option;
        return true;
    }
    return false;
}

static int check_mechanism(const struct kafka_table *table, struct err *err)
{
    static const char *const known[] = {"PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"};
    const char *mechanism = property_value(table, "sasl.mechanism");
    if (!mechanism)
        mechanism = property_value(table, "sasl.mechanisms");
    if (!mechanism)
        return err_set(err, -EINVAL,
                       "'properties.sasl.mechanism' is missing; it is 'PLAIN', 'SCRAM-SHA-256' or "
                       "'SCRAM-SHA-512'");
    for (size_t i = 0; i < ARRAY_SIZE(known); i++)
        if (strcmp(known[i], mechanism) == 0)
            return 0;
    bool is_kerberos = strcasecmp(mechanism, "GSSAPI") == 0;
    return err_set(err, -EINVAL, "'properties.sasl.mechanism' = '%s': %s", mechanism,
                   is_kerberos ? NO_KERBEROS
                   : strcasecmp(mechanism, "OAUTHBEARER") == 0
                       ? NO_OAUTH
                       : "it is 'PLAIN', 'SCRAM-SHA-256' or 'SCRAM-SHA-512'");
}

static int check_user(const struct kafka_table *table, struct err *err)
{
    if (property_value(table, "sasl.jaas.config"))
        return 0;
    if (!property_value(table, "sasl.username"))
        return err_set(err, -EINVAL, "'properties.sasl.username' is missing");
    if (!property_value(table, "sasl.password"))
        return err_set(err, -EINVAL,
                       "'properties.sasl.password' is missing; it is '${file:/path}' or "
                       "'${env:NAME}'");
    return 0;
}

// Security that is asked for and would not be used is worse than none.
static int check_security(const struct kafka_table *table, struct err *err)
{
    const char *protocol = property_value(table, "security.protocol"), *option = NULL;
    protocol = protocol ? protocol : "PLAINTEXT";
    bool sasl = strncasecmp(protocol, "SASL_", 5) == 0, tls = ends_with(protocol, "SSL");
    if (!tls && has_prefix(table, "ssl.", &option))
        return err_set(err, -EINVAL,
                       "'%s' has no effect: 'properties.security.protocol' is '%s'; for TLS it is "
                       "'SSL' or 'SASL_SSL'",
                       option, protocol);
    if (!sasl && has_prefix(table, "sasl.", &option))
        return err_set(err, -EINVAL,
                       "'%s' has no effect: 'properties.security.protocol' is '%s'; with a user it "
                       "is 'SASL_SSL' or, without TLS, 'SASL_PLAINTEXT'",
                       option, protocol);
    int rc = sasl ? check_mechanism(table, err) : 0;
    return rc == 0 && sasl ? check_user(table, err) : rc;
}

int property_apply_all(const struct property_target *target, struct err *err)
{
    struct known known;
    read_known(&known);
    struct applying a = {.target = target, .known = &known, .err = err};
    int rc = 0;
    for (int i = 0; i < target->table->property_count && rc == 0; i++) {
        a.property = &target->table->properties[i];
        rc = apply(&a);
    }
    free(known.text);
    return rc < 0 ? rc : check_security(target->table, err);
}
