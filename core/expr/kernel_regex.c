// kernel_regex.c: REGEXP and its family, SIMILAR TO. A literal pattern is compiled once, and
// refused while the query is bound when it is none; another is kept until it changes, and gives
// FALSE or NULL when it is none, as in Flink. What would match for very long is an error.
#include <errno.h>
#include <stdlib.h>

#include "core/base/utf8.h"
#include "core/expr/regex.h"
#include "core/expr/text_kernel.h"

// The compiled pattern, and for one that is no literal the text that it was made from.
struct pattern_slot {
    struct regex *regex; // NULL: `text` is no pattern
    struct buf text;
    bool made, fixed;
};

static struct regex *compile_similar(struct slice pattern, const struct slice *escape,
                                     struct err *err)
{
    struct buf out = {0};
    struct regex *regex = NULL;
    if (similar_translate(pattern, escape, &out, err) == 0)
        regex = regex_compile(buf_slice(&out), true, err);
    buf_fini(&out);
    return regex;
}

static bool is_similar(const struct expr *call)
{
    return strcmp(call->function->name, "SIMILAR TO") == 0;
}

static bool has_literals(const struct expr *call)
{
    bool escape = !is_similar(call) || call->arg_count < 3 || expr_is_string_literal(call->args[2]);
    return expr_is_string_literal(call->args[1]) && escape;
}

static struct regex *compile_literals(const struct expr *call, struct err *err)
{
    const struct slice *escape =
        is_similar(call) && call->arg_count == 3 ? &call->args[2]->str : NULL;
    return is_similar(call) ? compile_similar(call->args[1]->str, escape, err)
                            : regex_compile(call->args[1]->str, false, err);
}

static int check_pattern(const struct expr *call, struct err *err)
{
    if (!has_literals(call))
        return 0;
    struct regex *regex = compile_literals(call, err);
    regex_free(regex);
    return regex ? 0 : -EINVAL;
}

static void *prepare_slot(const struct expr *call)
{
    struct pattern_slot *slot = calloc(1, sizeof(*slot));
    CHECK(slot);
    slot->fixed = has_literals(call);
    if (slot->fixed)
        slot->regex = compile_literals(call, NULL);
    return slot;
}

static void release_slot(void *prepared)
{
    struct pattern_slot *slot = prepared;
    if (!slot)
        return;
    regex_free(slot->regex);
    buf_fini(&slot->text);
    free(slot);
}

// The row's pattern; NULL when its text is none.
static struct regex *pattern_of(struct kernel *k, uint32_t i)
{
    struct pattern_slot *slot = *(struct pattern_slot *const *)&k->prepared;
    if (slot->fixed)
        return slot->regex;
    bool with_escape = is_similar(k->call) && k->arg_count == 3;
    if (slot->made && !with_escape && slice_equal(buf_slice(&slot->text), STR(1)))
        return slot->regex;
    regex_free(slot->regex);
    slot->regex = is_similar(k->call)
                      ? compile_similar(STR(1), with_escape ? &k->args[2]->str[i] : NULL, NULL)
                      : regex_compile(STR(1), false, NULL);
    buf_clear(&slot->text);
    buf_append(&slot->text, STR(1).ptr, STR(1).len);
    slot->made = true;
    return slot->regex;
}

// Match the row's text from `start` on. False: there is no match, or the row's state says more.
static bool match_row(struct kernel *k, uint32_t i, struct regex *regex, size_t start)
{
    int rc = regex_match(regex, STR(0), start);
    if (rc < 0)
        k->out->state[i] = error_state(EXPR_ERROR_ARGUMENT);
    return rc == 1;
}

static int64_t matches(struct kernel *k, uint32_t i)
{
    struct regex *regex = pattern_of(k, i);
    if (is_similar(k->call) && !regex)
        k->out->state[i] = error_state(EXPR_ERROR_ARGUMENT);
    if (!is_similar(k->call) && STR(1).len == 0)
        return 0; // as Flink: REGEXP('abc', '') is FALSE
    return regex && match_row(k, i, regex, 0);
}

static struct slice extract(struct kernel *k, uint32_t i, int64_t group)
{
    struct regex *regex = pattern_of(k, i);
    size_t begin, end;
    if (!regex || !match_row(k, i, regex, 0) || !regex_group(regex, group, &begin, &end))
        return k->out->state[i] >= VALUE_ERROR ? slice_make("", 0) : text_null(k, i);
    return slice_make(STR(0).ptr + begin, end - begin);
}

// Where to look on behind a match: an empty one is passed by a character.
static size_t next_start(struct slice text, size_t begin, size_t end)
{
    if (end > begin || end >= text.len)
        return end + (end == begin);
    size_t step = utf8_sequence_bytes(text.ptr + end, text.len - end);
    return end + (step ? step : 1);
}

static struct slice replace(struct kernel *k, uint32_t i)
{
    struct slice text = STR(0), to = STR(2);
    struct regex *regex = pattern_of(k, i);
    struct buf out = {0};
    size_t begin, end, start = 0, copied = 0;
    if (!regex)
        return text_null(k, i);
    while (start <= text.len && out.len <= EXPR_STRING_LIMIT && match_row(k, i, regex, start) &&
           regex_group(regex, 0, &begin, &end)) {
        buf_append(&out, text.ptr + copied, begin - copied);
        buf_append(&out, to.ptr, to.len);
        copied = end;
        start = next_start(text, begin, end);
    }
    buf_append(&out, text.ptr + copied, text.len - copied);
    bool too_long = out.len > EXPR_STRING_LIMIT;
    struct slice result =
        too_long ? text_error(k, i, EXPR_ERROR_ARGUMENT) : scratch_copy(k, buf_str(&out), out.len);
    buf_fini(&out);
    return result;
}

static int64_t count_matches(struct kernel *k, uint32_t i)
{
    struct regex *regex = pattern_of(k, i);
    size_t begin, end, start = 0;
    int64_t count = 0;
    if (!regex)
        k->out->state[i] = VALUE_NULL;
    while (regex && start <= STR(0).len && match_row(k, i, regex, start) &&
           regex_group(regex, 0, &begin, &end)) {
        count++;
        start = next_start(STR(0), begin, end);
    }
    return count;
}

// The first match's place in characters, from 1; 0: none.
static int64_t place_of(struct kernel *k, uint32_t i)
{
    struct regex *regex = pattern_of(k, i);
    size_t begin, end;
    if (!regex)
        k->out->state[i] = VALUE_NULL;
    if (!regex || !match_row(k, i, regex, 0) || !regex_group(regex, 0, &begin, &end))
        return 0;
    return (int64_t)utf8_length(STR(0).ptr, begin) + 1;
}

NUMBER_RESULT(regexp, matches(k, i))
STRING_RESULT(regexp_extract, extract(k, i, 0))
STRING_RESULT(regexp_extract_group, extract(k, i, INT(2)))
STRING_RESULT(regexp_replace, replace(k, i))
NUMBER_RESULT(regexp_count, count_matches(k, i))
NUMBER_RESULT(regexp_instr, place_of(k, i))

#define PATTERN(name, args, result, flags, kernel)                                                 \
    {                                                                                              \
        name, args, result, FUNCTION_PARTIAL | (flags), kernel, NULL, check_pattern, prepare_slot, \
            release_slot                                                                           \
    }

const struct expr_function expr_regex_functions[] = {
    PATTERN("REGEXP", "ss", 'b', 0, regexp),
    PATTERN("SIMILAR TO", "ss", 'b', FUNCTION_INFIX, regexp),
    PATTERN("SIMILAR TO", "sss", 'b', 0, regexp),
    PATTERN("REGEXP_EXTRACT", "ss", 's', FUNCTION_NULLABLE, regexp_extract),
    PATTERN("REGEXP_EXTRACT", "ssi", 's', FUNCTION_NULLABLE, regexp_extract_group),
    PATTERN("REGEXP_SUBSTR", "ss", 's', FUNCTION_NULLABLE, regexp_extract),
    PATTERN("REGEXP_REPLACE", "sss", 's', FUNCTION_NULLABLE, regexp_replace),
    PATTERN("REGEXP_COUNT", "ss", 'i', FUNCTION_NULLABLE, regexp_count),
    PATTERN("REGEXP_INSTR", "ss", 'i', FUNCTION_NULLABLE, regexp_instr),
    {0},
};
