// utf8.h: is it UTF-8, and how many characters.
#ifndef WEIR_CORE_BASE_UTF8_H
#define WEIR_CORE_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

// Length in bytes of the well-formed sequence at p (1..4), or 0 when it is not one (overlong,
// surrogate, above U+10FFFF, cut off by `len`).
size_t utf8_sequence_bytes(const char *p, size_t len);

// Is the whole run well-formed? Fast over ASCII.
bool utf8_valid(const char *p, size_t len);

// Number of code points in a well-formed run.
size_t utf8_length(const char *p, size_t len);

// Encode one code point (not a surrogate, at most 0x10FFFF) at out (4 bytes of room); bytes
// written.
size_t utf8_encode(uint32_t code_point, char *out);

#endif
