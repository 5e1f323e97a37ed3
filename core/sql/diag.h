// diag.h: messages about what a person wrote: file:line:column, the line, a caret under the text.
//
// Lexer, parser, binder and planner all complain through these two functions, so that every message
// about a script looks the same.
#ifndef WEIR_CORE_SQL_DIAG_H
#define WEIR_CORE_SQL_DIAG_H

#include "core/base/err.h"
#include "core/base/slice.h"

// A text and what to call it. Borrowed: both outlive every message that may be made about them.
struct source_text {
    const char *file_name;
    struct slice text;
};

// A run of the text. Zeroed means "no place": then a message names the file only.
struct source_pos {
    uint32_t line;   // from 1
    uint32_t column; // from 1, in characters (a tab is one)
    uint32_t offset; // bytes before it
    uint32_t length; // bytes
};

// The run from the begin of `first` to the end of `last`. A zeroed one is ignored.
struct source_pos source_span(struct source_pos first, struct source_pos last);

// The bytes of a run.
struct slice source_slice(const struct source_text *source, struct source_pos pos);

// Replace err's text with "file:line:column: error: <message>", the source line, and a line with
// `^~~~` under the run (its part on the first line). Returns -EINVAL. `err` may be NULL.
int diag_error(struct err *err, const struct source_text *source, struct source_pos pos,
               const char *format, ...) __attribute__((format(printf, 4, 5)));

// Append a line "hint: <message>". Returns -EINVAL.
int diag_hint(struct err *err, const char *format, ...) __attribute__((format(printf, 2, 3)));

// Append "hint: did you mean 'x'?" when a candidate is close enough to `word`; else nothing.
// Returns -EINVAL.
int diag_suggest(struct err *err, const char *word, const char *const *candidates, int count);

#endif
