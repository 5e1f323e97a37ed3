// keyword.h: the words that mean something to the grammar, and when they do.
//
// A word is a keyword only where it must be: most are keywords only in front of certain tokens
// (DATE before a string, FLOOR before a parenthesis), and plain names elsewhere, so that columns
// may be called `date` or `first`.
#ifndef WEIR_CORE_SQL_KEYWORD_H
#define WEIR_CORE_SQL_KEYWORD_H

#include "core/base/slice.h"

enum sql_keyword_when {
    SQL_KEYWORD_ALWAYS,
    SQL_KEYWORD_BEFORE_PAREN,     // in front of (
    SQL_KEYWORD_NOT_BEFORE_PAREN, // LEFT JOIN, but LEFT(s, 2)
    SQL_KEYWORD_BEFORE_STRING,    // in front of a string, or of one of the words in `next`
    SQL_KEYWORD_BEFORE_BRACKET,   // in front of ( [ <
    SQL_KEYWORD_BEFORE_WORD,      // in front of one of the words in `next`
};

struct sql_keyword {
    const char *text; // upper case
    int token;        // of sql.tab.h
    enum sql_keyword_when when;
    const char *next; // "FIRST LAST": words, separated by one space
};

// The keyword that `word` is, case ignored, or NULL.
const struct sql_keyword *sql_keyword_find(struct slice word);

// Is `word` (a keyword's text) one of those that `keyword` waits for?
bool sql_keyword_awaits(const struct sql_keyword *keyword, const char *word);

// All of them, sorted. Returns how many.
int sql_keyword_table(const struct sql_keyword **out);

#endif
