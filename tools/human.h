// human.h: numbers as a person reads them in a narrow column.
#ifndef WEIR_TOOLS_HUMAN_H
#define WEIR_TOOLS_HUMAN_H

#include <stdint.h>

enum { HUMAN_BYTES = 24 };

// "0", "999", "1.2k", "12.3M"; "-" of a NAN.
const char *human_count(double count, char out[HUMAN_BYTES]);
// "0", "351ns", "15.4us", "1.1ms", "2.3s", "12min"; "-" below 0.
const char *human_ns(double ns, char out[HUMAN_BYTES]);
// 0.123 is "12"; below a tenth "1.2"; "-" of a NAN.
const char *human_percent(double share, char out[HUMAN_BYTES]);

#endif
