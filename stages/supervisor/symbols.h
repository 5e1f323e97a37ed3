// symbols.h: from an address in a dead process to the name of a function. Private to
// stages/supervisor.
#ifndef WEIR_STAGES_SUPERVISOR_SYMBOLS_H
#define WEIR_STAGES_SUPERVISOR_SYMBOLS_H

#include <stdint.h>

#include "core/base/buf.h"
#include "shm/errlog.h"

// Append "window_put+0x1c (weir+0x4f2ac)"; without a symbol "weir+0x4f2ac", without a file the
// address. What stands in brackets is what addr2line takes.
void symbols_append(const struct errlog_crash *crash, uint64_t address, struct buf *out);

// The function of the ELF file at `path` that holds `at` (an address as the file counts them).
// Appends "name+0x1c"; false: the file cannot be read, is none, or knows no name for it.
bool symbols_find(const char *path, uint64_t at, struct buf *out);

#endif
