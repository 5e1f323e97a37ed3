// raw.h: what reading and writing raw values share. Private to core/format.
#ifndef WEIR_CORE_FORMAT_RAW_H
#define WEIR_CORE_FORMAT_RAW_H

#include "core/format/options.h"
#include "core/row/type.h"

// Can the format hold a row of this schema? 0, or -EINVAL with a text.
int raw_check(const struct schema *schema, struct err *err);

// Of a value that is no string.
uint32_t raw_bytes(enum type_kind kind);

// The low `bytes` bytes of the value, in the order that the table asks for, as this machine would
// load or store them (little-endian); its own inverse.
uint64_t raw_swap(const struct format_options *options, uint64_t value, uint32_t bytes);

#endif
