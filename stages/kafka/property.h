// property.h: what becomes of each properties.* of a table. Private to stages/kafka.
//
// One path for the check before the start and for the client: the check goes it without looking at
// what stands behind references to secrets.
#ifndef WEIR_STAGES_KAFKA_PROPERTY_H
#define WEIR_STAGES_KAFKA_PROPERTY_H

#include "stages/kafka/client.h"

struct property_target {
    rd_kafka_conf_t *conf;
    const struct kafka_table *table;
    enum kafka_role role;
    bool resolves;        // else values that hold references are only looked at
    struct buf *warnings; // sentences for a person, a line each
    bool *has_secrets;    // set when something was resolved; NULL: nobody asks
};

// Every properties.* of the table goes to the conf: as it is, under librdkafka's name for what
// Java's client calls otherwise, or not at all where it means nothing here or is for the other
// role. -EINVAL, or what secret_expand says, with a text that begins with the option.
int property_apply_all(const struct property_target *target, struct err *err);

// The table's value for properties.<key>, as written; NULL: none.
const char *property_value(const struct kafka_table *table, const char *key);

// The rules, for tests and docs: properties that weir has an opinion about. NULL behind the last.
const char *property_rule_name(int index);

#endif
