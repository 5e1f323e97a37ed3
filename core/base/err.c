// err.c: building the sentence, and guessing what was meant.
#include "core/base/err.h"

#include <ctype.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

int err_set(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    char text[ERR_TEXT_BYTES]; // for an argument may be the text that is replaced
    va_list args;
    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    memcpy(err->text, text, strlen(text) + 1);
    return code;
}

int err_prefix(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    char context[ERR_TEXT_BYTES / 4];
    va_list args;
    va_start(args, format);
    vsnprintf(context, sizeof(context), format, args);
    va_end(args);
    size_t context_bytes = strlen(context) + 2;
    size_t kept = strnlen(err->text, sizeof(err->text) - 1);
    if (kept > sizeof(err->text) - 1 - context_bytes)
        kept = sizeof(err->text) - 1 - context_bytes; // the end of a very long text is lost
    memmove(err->text + context_bytes, err->text, kept);
    err->text[context_bytes + kept] = 0;
    memcpy(err->text, context, context_bytes - 2);
    memcpy(err->text + context_bytes - 2, ": ", 2);
    return code;
}

int err_append(struct err *err, int code, const char *format, ...)
{
    if (!err)
        return code;
    size_t used = strlen(err->text);
    if (used + 2 >= sizeof(err->text))
        return code;
    err->text[used++] = '\n';
    va_list args;
    va_start(args, format);
    vsnprintf(err->text + used, sizeof(err->text) - used, format, args);
    va_end(args);
    return code;
}

enum { SUGGEST_MAX_BYTES = 64, SUGGEST_MAX_DISTANCE = 3 };

static int min3(int a, int b, int c)
{
    int low = a < b ? a : b;
    return low < c ? low : c;
}

static bool same_letter(char a, char b)
{
    return tolower((unsigned char)a) == tolower((unsigned char)b);
}

// Edit distance over three rows of the matrix, where two letters swapped are one mistake (FORM for
// FROM); words longer than the bound never match.
static int edit_distance(const char *a, size_t a_bytes, const char *b, size_t b_bytes)
{
    int before[SUGGEST_MAX_BYTES + 1] = {0};
    int previous[SUGGEST_MAX_BYTES + 1];
    int current[SUGGEST_MAX_BYTES + 1];
    if (a_bytes > SUGGEST_MAX_BYTES || b_bytes > SUGGEST_MAX_BYTES)
        return SUGGEST_MAX_BYTES;
    for (size_t j = 0; j <= b_bytes; j++)
        previous[j] = (int)j;
    for (size_t i = 1; i <= a_bytes; i++) {
        current[0] = (int)i;
        for (size_t j = 1; j <= b_bytes; j++) {
            int differs = !same_letter(a[i - 1], b[j - 1]);
            current[j] = min3(previous[j] + 1, current[j - 1] + 1, previous[j - 1] + differs);
            bool swapped = i > 1 && j > 1 && same_letter(a[i - 1], b[j - 2]) &&
                           same_letter(a[i - 2], b[j - 1]);
            if (swapped && before[j - 2] + 1 < current[j])
                current[j] = before[j - 2] + 1;
        }
        memcpy(before, previous, (b_bytes + 1) * sizeof(previous[0]));
        memcpy(previous, current, (b_bytes + 1) * sizeof(previous[0]));
    }
    return previous[b_bytes];
}

const char *err_suggest(const char *word, const char *const *candidates, int candidate_count)
{
    const char *best = NULL;
    int best_distance = SUGGEST_MAX_DISTANCE + 1;
    size_t word_bytes = strlen(word);
    for (int i = 0; i < candidate_count; i++) {
        size_t bytes = strlen(candidates[i]);
        size_t longer = bytes > word_bytes ? bytes : word_bytes;
        int distance = edit_distance(word, word_bytes, candidates[i], bytes);
        if (distance < best_distance && (size_t)distance * 3 <= longer) {
            best = candidates[i];
            best_distance = distance;
        }
    }
    return best;
}
