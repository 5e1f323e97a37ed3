// client.h: a connection to a Kafka cluster as a table describes it: a configured rd_kafka_t, what
// it has to say, and what its errors mean to a person.
//
// properties.* go to librdkafka by name; names of Java's client that people bring along are
// translated, and what cannot be is refused with what to write instead (property.h). Secrets are
// resolved when the client is made and stay in librdkafka (secret.h). Threads of librdkafka run
// beside the task, never on its core, and never touch anything of weir's but the client.
#ifndef WEIR_STAGES_KAFKA_CLIENT_H
#define WEIR_STAGES_KAFKA_CLIENT_H

#include <librdkafka/rdkafka.h>

#include "core/base/err.h"
#include "stages/kafka/table.h"

// A broker that hangs is given up after so long, and another one's leadership is heard of; without
// an answer nobody asks. librdkafka's own 60 s are long for rows that wait.
enum { KAFKA_PATIENCE_MS = 15000 };

enum kafka_role { KAFKA_CONSUMER, KAFKA_PRODUCER };

struct kafka_setting { // a property of librdkafka
    const char *name;
    const char *value;
};

// Everything is borrowed; the table and `context` must outlive the client, the rest is copied.
struct kafka_client_spec {
    const struct kafka_table *table;
    enum kafka_role role;
    const char *job_name; // client.id is weir-<job>-<table>-<subtask>
    int subtask;          // -1: no task's (a check): client.id is weir-<job>-<table>
    const struct kafka_setting *defaults; // the table's properties go over these
    int default_count;
    const struct kafka_setting *own; // these go over the table's properties: what weir decides
    int own_count;
    // Last: callbacks (rd_kafka_conf_set_dr_msg_cb, ...). NULL: none. log_cb, error_cb and the
    // opaque are the client's: a callback's opaque is the struct kafka_client.
    void (*configure)(rd_kafka_conf_t *conf, void *context);
    void *context; // for `configure` and kafka_client_context
};

struct kafka_client; // private; its functions are for any thread

// Are the table's properties right, for this role? Resolves no secret, opens nothing. -EINVAL with
// a text that begins with the option in quotes.
int kafka_properties_check(const struct kafka_table *table, enum kafka_role role, struct err *err);

// Make it; librdkafka connects by itself, later. Sets by itself: client.id, bootstrap.servers,
// group.id, isolation.level (read_committed where the table says nothing), and for consumers that
// offsets are neither stored nor committed by librdkafka. -EINVAL, -ENOENT, -EACCES (a secret) with
// a text in which nothing is resolved, and not the table's name. Owned by the caller.
int kafka_client_create(const struct kafka_client_spec *spec, struct kafka_client **out,
                        struct err *err);

// Ends its threads. A transaction that is open stays so until the next init_transactions or its
// timeout; messages that are not acknowledged may or may not have been written. NULL is fine.
void kafka_client_destroy(struct kafka_client *client);

// Lives as long as the client.
rd_kafka_t *kafka_client_handle(const struct kafka_client *client);
const struct kafka_table *kafka_client_table(const struct kafka_client *client);
void *kafka_client_context(const struct kafka_client *client);

// What librdkafka has logged since the last call and what happened to its connections, a sentence
// each, the same once. For op_context: kafka_client_tell(client, c->note, c->bad_row_context).
void kafka_client_tell(struct kafka_client *client, void (*note)(void *context, const char *text),
                       void *context);

// --- errors ---

// What an error asks for.
enum kafka_fault {
    KAFKA_FAULT_NONE,
    KAFKA_FAULT_PASSES,  // a broker is away or busy; librdkafka goes on trying
    KAFKA_FAULT_DENIED,  // TLS, authentication or authorisation: a person must mend it
    KAFKA_FAULT_MISSING, // topic or partition does not exist (any more)
    KAFKA_FAULT_FENCED,  // another producer with the same transactional id has taken over
    KAFKA_FAULT_ABORT,   // the transaction cannot be committed; abort it and begin again
    KAFKA_FAULT_OTHER,   // the request itself was wrong (too large, ...), or something is broken
};

enum kafka_fault kafka_fault_of(rd_kafka_resp_err_t code);

// The sentence for a person: what, with which cluster (bootstrap.servers), and how to mend it.
// `reason` is librdkafka's text (rd_kafka_err2str, rd_kafka_error_string, rd_kafka_message_errstr),
// NULL: none; `topic` NULL: about none. Returns -errno: -EHOSTUNREACH, -EACCES, -ENOENT, -EEXIST
// (fenced), -ECANCELED (abort), -EIO.
int kafka_error_text(const struct kafka_table *table, rd_kafka_resp_err_t code, const char *reason,
                     const char *topic, struct err *err);

// The same for this client, which knows what is in the way when an answer did not come in time.
int kafka_client_error(struct kafka_client *client, rd_kafka_resp_err_t code, const char *reason,
                       const char *topic, struct err *err);

// What is wrong with the connections, as librdkafka's error_cb and log last said. It is told while
// somebody polls the client (rd_kafka_poll, rd_kafka_consume_*).
struct kafka_trouble {
    enum kafka_fault fault; // PASSES: all brokers are down; DENIED
    rd_kafka_resp_err_t code;
    int64_t since_ns; // CLOCK_MONOTONIC
    char reason[512]; // librdkafka's
};

// Of a consumer: was a topic that it reads deleted and made anew, as far as nobody has been told?
// Then its name (at most 249 bytes). Known before the first message of the new topic is given.
bool kafka_client_remade(struct kafka_client *client, char topic[250]);

// Is something wrong? Until kafka_client_is_well. The oldest that is not well yet, DENIED before
// PASSES. A log-in that is refused makes it look behind the references again: with a new password
// it goes on, and there is no trouble.
bool kafka_client_trouble(struct kafka_client *client, struct kafka_trouble *out);

// A broker has answered (a message, an acknowledgement, metadata): forget the trouble. Cheap.
void kafka_client_is_well(struct kafka_client *client);

#endif
