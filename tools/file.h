// file.h: reading a small file whole, with an error that a person can act on.
#ifndef WEIR_TOOLS_FILE_H
#define WEIR_TOOLS_FILE_H

#include "core/base/buf.h"
#include "core/base/err.h"

// Append the file's bytes to `out`, refusing more than max_bytes. -errno with a text that names the
// file and says what to do.
int file_read_all(const char *path, size_t max_bytes, struct buf *out, struct err *err);

#endif
