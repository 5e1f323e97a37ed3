// blob.h: a run of bytes stored once in a segment: the job's text, from which tasks make their
// plan.
#ifndef WEIR_SHM_BLOB_H
#define WEIR_SHM_BLOB_H

#include <stdint.h>

#include "core/base/buf.h"
#include "core/base/err.h"

// Make segment `name` with these bytes.
int blob_create(int dir_fd, const char *name, uint64_t job_fingerprint, struct slice bytes,
                struct err *err);

// Append the bytes to *out. job_fingerprint 0: any. -EILSEQ when damaged.
int blob_read(int dir_fd, const char *name, uint64_t job_fingerprint, struct buf *out,
              struct err *err);

#endif
