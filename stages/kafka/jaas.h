// jaas.h: user and password out of Java's sasl.jaas.config. Private to stages/kafka.
#ifndef WEIR_STAGES_KAFKA_JAAS_H
#define WEIR_STAGES_KAFKA_JAAS_H

#include "core/base/err.h"

enum { JAAS_BYTES = 4096 };

struct jaas {
    char username[JAAS_BYTES];
    char password[JAAS_BYTES];
};

// "...PlainLoginModule required username="u" password="p";", or of ScramLoginModule, in any package
// (Flink shades them). -EINVAL with a text that holds nothing of the values.
int jaas_parse(const char *text, struct jaas *out, struct err *err);

#endif
