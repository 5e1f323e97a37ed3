// regex.h: regular expressions over UTF-8, by PCRE2: of core/expr, and for names of topics.
//
// Java's (Flink's) and PCRE2's syntax agree in what jobs use; classes like \d and \w are ASCII in
// both. A match is bounded: one that would go on for very long is an error, not a hang.
#ifndef WEIR_CORE_EXPR_REGEX_H
#define WEIR_CORE_EXPR_REGEX_H

#include "core/base/buf.h"
#include "core/base/err.h"
#include "core/base/slice.h"

struct regex;

// NULL with a sentence in err (may be NULL). `whole`: it matches whole texts only.
struct regex *regex_compile(struct slice pattern, bool whole, struct err *err);
void regex_free(struct regex *regex);

// Match from byte `start` on: 1, 0 for none, -EINVAL when the text is no UTF-8 or the work is
// beyond the bound. spans: begin and end byte of the whole match.
int regex_match(struct regex *regex, struct slice text, size_t start);

// After a match: begin and end of group `index` (0: all). false: there is no such group, or it took
// no part.
bool regex_group(const struct regex *regex, int64_t index, size_t *begin, size_t *end);

// The pattern of SIMILAR TO as a regular expression, in `out`. -EINVAL with a sentence.
int similar_translate(struct slice pattern, const struct slice *escape, struct buf *out,
                      struct err *err);

#endif
