// secret.h: `${file:/path}` and `${env:NAME}` within the values of properties. Private to
// stages/kafka.
//
// What stands behind a reference is looked up when a client is made, never before: a plan, a text
// of the job, a message and a manifest hold the reference alone. It is given to librdkafka and
// wiped.
#ifndef WEIR_STAGES_KAFKA_SECRET_H
#define WEIR_STAGES_KAFKA_SECRET_H

#include "core/base/buf.h"
#include "core/base/err.h"

enum { SECRET_FILE_BYTES = 64 << 10 }; // the longest file

// Is every reference in it well formed? *has_any: there is one. `$${` stands for `${`. -EINVAL with
// a text that continues "'properties.x': ".
int secret_check(const char *value, bool *has_any, struct err *err);

// Does the value consist of one reference and nothing else?
bool secret_is_whole(const char *value);

// The value with every reference replaced, into the empty `out`, which secret_wipe frees. A final
// newline of a file is not part of it. `warnings`: sentences about files that others may read, a
// line each. -EINVAL, -ENOENT, -EACCES, ... with a text that names file or variable, not content.
int secret_expand(const char *value, struct buf *out, struct buf *warnings, struct err *err);

void secret_wipe(struct buf *secret);

#endif
