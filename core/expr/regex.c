// regex.c: PCRE2 behind four functions.
#include "core/expr/regex.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <errno.h>
#include <pcre2.h>
#include <stdlib.h>

#include "core/base/check.h"

enum { STEPS_MAX = 10000000, HEAP_KIB_MAX = 65536, MESSAGE_BYTES = 160 };

struct regex {
    pcre2_code *code;
    pcre2_match_data *match;
    pcre2_match_context *context;
};

static void refuse(struct slice pattern, int code, size_t at, struct err *err)
{
    PCRE2_UCHAR8 message[MESSAGE_BYTES];
    pcre2_get_error_message_8(code, message, sizeof(message));
    err_set(err, -EINVAL, "'%.*s' is no regular expression: %s (at character %zu)",
            (int)(pattern.len < 200 ? pattern.len : 200), pattern.ptr, (const char *)message,
            at + 1);
}

struct regex *regex_compile(struct slice pattern, bool whole, struct err *err)
{
    uint32_t options = PCRE2_UTF | (whole ? PCRE2_ANCHORED | PCRE2_ENDANCHORED : 0);
    int code = 0;
    size_t at = 0;
    struct regex *regex = calloc(1, sizeof(*regex));
    pcre2_compile_context *compile = pcre2_compile_context_create_8(NULL);
    CHECK(regex && compile);
    pcre2_set_newline_8(compile, PCRE2_NEWLINE_ANY); // what . does not match, as in Java
    regex->code = pcre2_compile_8((PCRE2_SPTR8)(pattern.ptr ? pattern.ptr : ""), pattern.len,
                                  options, &code, &at, compile);
    pcre2_compile_context_free_8(compile);
    if (!regex->code) {
        refuse(pattern, code, at, err);
        free(regex);
        return NULL;
    }
    pcre2_jit_compile_8(regex->code,
                        PCRE2_JIT_COMPLETE); // where it cannot, matches are interpreted
    regex->match = pcre2_match_data_create_from_pattern_8(regex->code, NULL);
    regex->context = pcre2_match_context_create_8(NULL);
    CHECK(regex->match && regex->context);
    pcre2_set_match_limit_8(regex->context, STEPS_MAX);
    pcre2_set_heap_limit_8(regex->context, HEAP_KIB_MAX);
    return regex;
}

void regex_free(struct regex *regex)
{
    if (!regex)
        return;
    pcre2_match_context_free_8(regex->context);
    pcre2_match_data_free_8(regex->match);
    pcre2_code_free_8(regex->code);
    free(regex);
}

int regex_match(struct regex *regex, struct slice text, size_t start)
{
    PCRE2_SPTR8 subject = (PCRE2_SPTR8)(text.ptr ? text.ptr : "");
    int rc = pcre2_match_8(regex->code, subject, text.len, start, 0, regex->match, regex->context);
    if (rc == PCRE2_ERROR_JIT_STACKLIMIT)
        rc = pcre2_match_8(regex->code, subject, text.len, start, PCRE2_NO_JIT, regex->match,
                           regex->context);
    CHECK(rc != 0); // the match data have room for every group
    return rc > 0 ? 1 : rc == PCRE2_ERROR_NOMATCH ? 0 : -EINVAL;
}

bool regex_group(const struct regex *regex, int64_t index, size_t *begin, size_t *end)
{
    if (index < 0 || index >= (int64_t)pcre2_get_ovector_count_8(regex->match))
        return false;
    const size_t *spans = pcre2_get_ovector_pointer_8(regex->match);
    if (spans[2 * index] == PCRE2_UNSET)
        return false;
    *begin = spans[2 * index];
    *end = spans[2 * index + 1];
    return *begin <= *end; // \K may put the begin behind the end
}
