// error.c: what an error of librdkafka or of a broker means to a person; see client.h.
#include <errno.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/kafka/client.h"
#include "stages/kafka/property.h"

struct meaning {
    rd_kafka_resp_err_t code;
    enum kafka_fault fault;
};

#define ERR(name) RD_KAFKA_RESP_ERR_##name

static const struct meaning meanings[] = {
    {ERR(NO_ERROR), KAFKA_FAULT_NONE},
    {ERR(_TRANSPORT), KAFKA_FAULT_PASSES},
    {ERR(_ALL_BROKERS_DOWN), KAFKA_FAULT_PASSES},
    {ERR(_RESOLVE), KAFKA_FAULT_PASSES},
    {ERR(_TIMED_OUT), KAFKA_FAULT_PASSES},
    {ERR(_TIMED_OUT_QUEUE), KAFKA_FAULT_PASSES},
    {ERR(_MSG_TIMED_OUT), KAFKA_FAULT_PASSES},
    {ERR(_WAIT_COORD), KAFKA_FAULT_PASSES},
    {ERR(_WAIT_CACHE), KAFKA_FAULT_PASSES},
    {ERR(_RETRY), KAFKA_FAULT_PASSES},
    {ERR(_NODE_UPDATE), KAFKA_FAULT_PASSES},
    {ERR(_DESTROY_BROKER), KAFKA_FAULT_PASSES},
    {ERR(_ISR_INSUFF), KAFKA_FAULT_PASSES},
    {ERR(_IN_PROGRESS), KAFKA_FAULT_PASSES},
    {ERR(LEADER_NOT_AVAILABLE), KAFKA_FAULT_PASSES},
    {ERR(NOT_LEADER_FOR_PARTITION), KAFKA_FAULT_PASSES},
    {ERR(REQUEST_TIMED_OUT), KAFKA_FAULT_PASSES},
    {ERR(BROKER_NOT_AVAILABLE), KAFKA_FAULT_PASSES},
    {ERR(REPLICA_NOT_AVAILABLE), KAFKA_FAULT_PASSES},
    {ERR(NETWORK_EXCEPTION), KAFKA_FAULT_PASSES},
    {ERR(COORDINATOR_LOAD_IN_PROGRESS), KAFKA_FAULT_PASSES},
    {ERR(COORDINATOR_NOT_AVAILABLE), KAFKA_FAULT_PASSES},
    {ERR(NOT_COORDINATOR), KAFKA_FAULT_PASSES},
    {ERR(NOT_ENOUGH_REPLICAS), KAFKA_FAULT_PASSES},
    {ERR(NOT_ENOUGH_REPLICAS_AFTER_APPEND), KAFKA_FAULT_PASSES},
    {ERR(NOT_CONTROLLER), KAFKA_FAULT_PASSES},
    {ERR(CONCURRENT_TRANSACTIONS), KAFKA_FAULT_PASSES},
    {ERR(KAFKA_STORAGE_ERROR), KAFKA_FAULT_PASSES},
    {ERR(LISTENER_NOT_FOUND), KAFKA_FAULT_PASSES},
    {ERR(FENCED_LEADER_EPOCH), KAFKA_FAULT_PASSES},
    {ERR(UNKNOWN_LEADER_EPOCH), KAFKA_FAULT_PASSES},
    {ERR(OFFSET_NOT_AVAILABLE), KAFKA_FAULT_PASSES},
    {ERR(PREFERRED_LEADER_NOT_AVAILABLE), KAFKA_FAULT_PASSES},
    {ERR(ELIGIBLE_LEADERS_NOT_AVAILABLE), KAFKA_FAULT_PASSES},
    {ERR(UNSTABLE_OFFSET_COMMIT), KAFKA_FAULT_PASSES},
    {ERR(THROTTLING_QUOTA_EXCEEDED), KAFKA_FAULT_PASSES},
    {ERR(REBOOTSTRAP_REQUIRED), KAFKA_FAULT_PASSES},
    {ERR(_AUTHENTICATION), KAFKA_FAULT_DENIED},
    {ERR(_SSL), KAFKA_FAULT_DENIED},
    {ERR(SASL_AUTHENTICATION_FAILED), KAFKA_FAULT_DENIED},
    {ERR(UNSUPPORTED_SASL_MECHANISM), KAFKA_FAULT_DENIED},
    {ERR(ILLEGAL_SASL_STATE), KAFKA_FAULT_DENIED},
    {ERR(SECURITY_DISABLED), KAFKA_FAULT_DENIED},
    {ERR(TOPIC_AUTHORIZATION_FAILED), KAFKA_FAULT_DENIED},
    {ERR(GROUP_AUTHORIZATION_FAILED), KAFKA_FAULT_DENIED},
    {ERR(CLUSTER_AUTHORIZATION_FAILED), KAFKA_FAULT_DENIED},
    {ERR(TRANSACTIONAL_ID_AUTHORIZATION_FAILED), KAFKA_FAULT_DENIED},
    {ERR(UNKNOWN_TOPIC_OR_PART), KAFKA_FAULT_MISSING},
    {ERR(UNKNOWN_TOPIC_ID), KAFKA_FAULT_MISSING},
    {ERR(_UNKNOWN_TOPIC), KAFKA_FAULT_MISSING},
    {ERR(_UNKNOWN_PARTITION), KAFKA_FAULT_MISSING},
    {ERR(_FENCED), KAFKA_FAULT_FENCED},
    {ERR(PRODUCER_FENCED), KAFKA_FAULT_FENCED},
    {ERR(INVALID_PRODUCER_EPOCH), KAFKA_FAULT_FENCED},
    {ERR(INVALID_TXN_STATE), KAFKA_FAULT_ABORT},
    {ERR(INVALID_PRODUCER_ID_MAPPING), KAFKA_FAULT_ABORT},
    {ERR(UNKNOWN_PRODUCER_ID), KAFKA_FAULT_ABORT},
    {ERR(OUT_OF_ORDER_SEQUENCE_NUMBER), KAFKA_FAULT_ABORT},
};

enum kafka_fault kafka_fault_of(rd_kafka_resp_err_t code)
{
    for (size_t i = 0; i < ARRAY_SIZE(meanings); i++)
        if (meanings[i].code == code)
            return meanings[i].fault;
    return KAFKA_FAULT_OTHER;
}

static int errno_of(enum kafka_fault fault)
{
    switch (fault) {
    case KAFKA_FAULT_PASSES:
        return -EHOSTUNREACH;
    case KAFKA_FAULT_DENIED:
        return -EACCES;
    case KAFKA_FAULT_MISSING:
        return -ENOENT;
    case KAFKA_FAULT_FENCED:
        return -EEXIST;
    case KAFKA_FAULT_ABORT:
        return -ECANCELED;
    case KAFKA_FAULT_NONE:
    case KAFKA_FAULT_OTHER:
        break;
    }
    return -EIO;
}

static bool mentions(const char *reason, const char *words)
{
    return strcasestr(reason, words) != NULL;
}

// --- hints: how to mend it ---

static const char *hint_of_tls(const char *reason)
{
    if (mentions(reason, "expired"))
        return "a certificate has expired: the broker's, or the one of the authority that signed "
               "it; renew it, and look at this machine's clock";
    if (mentions(reason, "not yet valid"))
        return "a certificate is not valid yet; look at this machine's clock";
    if (mentions(reason, "hostname mismatch") || mentions(reason, "IP address mismatch"))
        return "the broker's certificate is for other names than those it is reached by; use a "
               "name that it holds in 'properties.bootstrap.servers' and in the broker's "
               "advertised.listeners, or have the certificate made for these";
    if (mentions(reason, "certificate required") || mentions(reason, "bad certificate"))
        return "the broker wants a certificate of the client; name it with "
               "'properties.ssl.certificate.location' and 'properties.ssl.key.location'";
    if (mentions(reason, "verif") || mentions(reason, "self-signed") ||
        mentions(reason, "self signed") || mentions(reason, "issuer") ||
        mentions(reason, "unknown ca"))
        return "the authority that signed the broker's certificate is not known here; name its PEM "
               "file with 'properties.ssl.ca.location'";
    if (mentions(reason, "connecting to a PLAINTEXT") || mentions(reason, "wrong version number"))
        return "the broker's listener does not speak TLS; look at 'properties.security.protocol' "
               "and the port";
    return "look at 'properties.security.protocol', the port and the 'properties.ssl.*'";
}

static const char *hint_of_reach(const char *reason)
{
    if (mentions(reason, "security.protocol") || mentions(reason, "closed by peer") ||
        mentions(reason, "reset by peer") || mentions(reason, "Broken pipe"))
        return "the broker is there but hangs up; look at 'properties.security.protocol': the "
               "listener may want TLS or a user";
    if (mentions(reason, "resolve"))
        return "the name is not known here; look at 'properties.bootstrap.servers', and at the "
               "broker's advertised.listeners: after the first answer those names are used";
    return "is it up, and is 'properties.bootstrap.servers' right? After the first answer the "
           "broker's advertised.listeners are used, which must be reachable from here";
}

static const char *hint_of_denied(rd_kafka_resp_err_t code, const char *reason)
{
    switch (code) {
    case ERR(_SSL):
        return hint_of_tls(reason);
    case ERR(UNSUPPORTED_SASL_MECHANISM):
        return "the broker does not have this mechanism; look at 'properties.sasl.mechanism'";
    case ERR(TOPIC_AUTHORIZATION_FAILED):
        return "grant it: kafka-acls.sh --add --allow-principal User:... --operation Read (a sink: "
               "Write and Describe, for exactly-once Read as well) --topic ...";
    case ERR(GROUP_AUTHORIZATION_FAILED):
        return "grant it: kafka-acls.sh --add --allow-principal User:... --operation Read --group "
               "...; the group is 'properties.group.id', of an exactly-once sink the transactional "
               "id";
    case ERR(CLUSTER_AUTHORIZATION_FAILED):
        return "grant it: kafka-acls.sh --add --allow-principal User:... --operation "
               "IdempotentWrite --cluster";
    case ERR(TRANSACTIONAL_ID_AUTHORIZATION_FAILED):
        return "grant it: kafka-acls.sh --add --allow-principal User:... --operation Write "
               "--operation Describe --transactional-id ... --resource-pattern-type prefixed";
    default:
        return "look at 'properties.sasl.mechanism', 'properties.sasl.username' and "
               "'properties.sasl.password'; the broker's log says more";
    }
}

static const char *hint_of_other(rd_kafka_resp_err_t code)
{
    switch (code) {
    case ERR(MSG_SIZE_TOO_LARGE):
    case ERR(RECORD_LIST_TOO_LARGE):
        return "raise max.message.bytes of the topic and 'properties.message.max.bytes', or make "
               "rows smaller";
    case ERR(OFFSET_OUT_OF_RANGE):
    case ERR(_AUTO_OFFSET_RESET):
        return "the topic's retention has deleted it, or the topic was made anew";
    case ERR(INVALID_TRANSACTION_TIMEOUT):
        return "'properties.transaction.timeout.ms' is more than the broker's "
               "transaction.max.timeout.ms";
    case ERR(UNSUPPORTED_COMPRESSION_TYPE):
    case ERR(UNSUPPORTED_VERSION):
    case ERR(_UNSUPPORTED_FEATURE):
        return "the broker is too old for this";
    case ERR(INVALID_RECORD):
        return "the broker refuses the row: a compacted topic takes none without a key";
    case ERR(POLICY_VIOLATION):
        return "a policy of the cluster refuses it";
    case ERR(_INVALID_ARG):
    case ERR(INVALID_CONFIG):
        return "look at the 'properties.*' of the table";
    default:
        return NULL;
    }
}

static const char *hint_of(enum kafka_fault fault, rd_kafka_resp_err_t code, const char *reason)
{
    switch (fault) {
    case KAFKA_FAULT_PASSES:
        if (code == ERR(_TRANSPORT) || code == ERR(_ALL_BROKERS_DOWN) || code == ERR(_RESOLVE) ||
            code == ERR(_TIMED_OUT))
            return hint_of_reach(reason);
        return NULL;
    case KAFKA_FAULT_DENIED:
        return hint_of_denied(code, reason);
    case KAFKA_FAULT_MISSING:
        return "make it with kafka-topics.sh --create --topic ..., or mend 'topic'";
    case KAFKA_FAULT_FENCED:
        return "is the same job running twice, or another one with the same "
               "'sink.transactional-id-prefix'? End one of them, or give each a prefix of its own";
    case KAFKA_FAULT_ABORT:
    case KAFKA_FAULT_NONE:
        return NULL;
    case KAFKA_FAULT_OTHER:
        return hint_of_other(code);
    }
    return NULL;
}

// --- sentences ---

static void say_denied(const struct kafka_table *table, rd_kafka_resp_err_t code, const char *topic,
                       struct err *err)
{
    switch (code) {
    case ERR(_SSL):
        err_set(err, -EACCES, "no TLS connection to Kafka at %s", table->servers);
        return;
    case ERR(TOPIC_AUTHORIZATION_FAILED):
        err_set(err, -EACCES, "the user may not use topic '%s' of Kafka at %s", topic ? topic : "?",
                table->servers);
        return;
    case ERR(GROUP_AUTHORIZATION_FAILED):
        err_set(err, -EACCES, "the user may not use this group at Kafka at %s", table->servers);
        return;
    case ERR(CLUSTER_AUTHORIZATION_FAILED):
        err_set(err, -EACCES, "the user may not do this at Kafka at %s", table->servers);
        return;
    case ERR(TRANSACTIONAL_ID_AUTHORIZATION_FAILED):
        err_set(err, -EACCES, "the user may not use this transactional id at Kafka at %s",
                table->servers);
        return;
    default:
        err_set(err, -EACCES, "Kafka at %s refuses the user", table->servers);
    }
}

static void say_passes(const struct kafka_table *table, rd_kafka_resp_err_t code, const char *topic,
                       struct err *err)
{
    bool is_reach = hint_of(KAFKA_FAULT_PASSES, code, "") != NULL;
    if (is_reach)
        err_set(err, -EHOSTUNREACH, "no answer from Kafka at %s", table->servers);
    else if (topic)
        err_set(err, -EHOSTUNREACH, "topic '%s' of Kafka at %s is not available now", topic,
                table->servers);
    else
        err_set(err, -EHOSTUNREACH, "Kafka at %s is not ready", table->servers);
}

static void say(const struct kafka_table *table, enum kafka_fault fault, rd_kafka_resp_err_t code,
                const char *topic, struct err *err)
{
    switch (fault) {
    case KAFKA_FAULT_PASSES:
        say_passes(table, code, topic, err);
        return;
    case KAFKA_FAULT_DENIED:
        say_denied(table, code, topic, err);
        return;
    case KAFKA_FAULT_MISSING:
        err_set(err, -ENOENT, "topic '%s' does not exist in Kafka at %s", topic ? topic : "?",
                table->servers);
        return;
    case KAFKA_FAULT_FENCED:
        err_set(err, -EEXIST,
                "another producer with the same transactional id has taken over at Kafka at %s",
                table->servers);
        return;
    case KAFKA_FAULT_ABORT:
        err_set(err, -ECANCELED, "Kafka at %s cannot commit the transaction", table->servers);
        return;
    case KAFKA_FAULT_NONE:
    case KAFKA_FAULT_OTHER:
        if (topic)
            err_set(err, -EIO, "topic '%s' of Kafka at %s", topic, table->servers);
        else
            err_set(err, -EIO, "Kafka at %s", table->servers);
    }
}

int kafka_error_text(const struct kafka_table *table, rd_kafka_resp_err_t code, const char *reason,
                     const char *topic, struct err *err)
{
    enum kafka_fault fault = kafka_fault_of(code);
    int rc = errno_of(fault);
    reason = reason && *reason ? reason : rd_kafka_err2str(code);
    say(table, fault, code, topic, err);
    err_set(err, rc, "%s: %s", err ? err->text : "", reason);
    const char *hint = hint_of(fault, code, reason);
    return hint ? err_append(err, rc, "%s", hint) : rc;
}
