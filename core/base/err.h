// err.h: an error as a sentence for a person.
//
// The control path passes a caller's struct err down; who fails fills it: what, where
// (file:line:column for what a person wrote), what to do. Functions return 0 or -errno beside it.
#ifndef WEIR_CORE_BASE_ERR_H
#define WEIR_CORE_BASE_ERR_H

enum { ERR_TEXT_BYTES = 4096 };

struct err {
    char text[ERR_TEXT_BYTES]; // NUL-terminated UTF-8, may hold several lines; no final newline
};

// Replace the text. Returns `code` (a negative errno), so that a failure is one statement:
// `return err_set(err, -EINVAL, "...")`. `err` may be NULL: then only the code is returned. An
// argument may be err->text itself.
int err_set(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Put "context: " in front of the text that is already there. Returns `code`.
int err_prefix(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// Append a line (a hint, a caret, a suggestion) to the text. Returns `code`.
int err_append(struct err *err, int code, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// The candidate closest to `word` by edit distance, when it is close enough to be what was meant
// (distance at most a third of the longer word, and at most 3); otherwise NULL. Case is ignored.
const char *err_suggest(const char *word, const char *const *candidates, int candidate_count);

#endif
