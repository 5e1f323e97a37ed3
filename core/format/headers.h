// headers.h: the headers of a message as a JSON object in a STRING column, and back.
//
//   {"trace":"a1","retry":["1","2"],"id":{"base64":"AP8="},"empty":"","none":null}
//
// A value that is valid UTF-8 is a string; other bytes are {"base64": ...}; a null value is null. A
// name that comes again has its values in one array, in their order. Order among names is that of
// their first values. Nothing is lost but how values of different names were interleaved.
#ifndef WEIR_CORE_FORMAT_HEADERS_H
#define WEIR_CORE_FORMAT_HEADERS_H

#include <stdbool.h>

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/pool.h"

struct header {
    struct slice name;
    struct slice value;
    bool is_null; // then value is empty
};

// Append the object; "{}" for none. A name that is no UTF-8 has U+FFFD in place of its bad bytes.
void headers_format(const struct header *headers, int count, struct buf *out);

// The other way: numbers, true and false become their text. The list and its texts are the pool's
// or point into `text`. 0, or -EINVAL with a text (no place in it) when `text` is no such object.
int headers_parse(struct slice text, struct pool *pool, struct header **out, int *count,
                  struct err *err);

#endif
