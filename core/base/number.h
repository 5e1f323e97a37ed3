// number.h: numbers as text, without the locale and without NUL-terminated strings.
#ifndef WEIR_CORE_BASE_NUMBER_H
#define WEIR_CORE_BASE_NUMBER_H

#include <stdint.h>

#include "core/base/slice.h"

enum { NUMBER_TEXT_BYTES = 32 }; // room for any number that is formatted here

// The whole text as [+-]digits. 0; -EINVAL: not an integer; -ERANGE: does not fit (out unchanged).
int number_parse_int64(struct slice text, int64_t *out);

// The whole text as [+-]digits[.digits][e[+-]digits], NaN, [+-]Infinity; a part before or after the
// point may be empty, not both. Correctly rounded; too large becomes infinite, too small zero, as
// in Java. 0 or -EINVAL.
int number_parse_double(struct slice text, double *out);

// Decimal digits at `out`, no NUL; the length is returned (at most 20).
size_t number_format_int64(int64_t value, char *out);

// As Java's Double.toString: "1.0", "1.0E10", "-1.5E-5", "NaN", "Infinity"; the fewest digits that
// read back as the same double. No NUL; the length is returned (at most 24).
size_t number_format_double(double value, char *out);

#endif
