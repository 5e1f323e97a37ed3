// parser.h: what lexer, grammar and constructors share while a script is read. Private to core/sql.
//
// Errors: the first one wins. Who finds one calls sql_fail, which fills `err` and sets `failed`,
// and goes on with any well-formed value; the token layer then stops the parser at the next token.
// So no constructor returns NULL and no action of the grammar needs an error path.
#ifndef WEIR_CORE_SQL_PARSER_H
#define WEIR_CORE_SQL_PARSER_H

#include "core/sql/ast.h"
#include "core/sql/keyword.h"

struct sql_token {
    int kind; // of sql.tab.h; 0: end of the text
    bool quoted;
    const struct sql_keyword *keyword; // of an unquoted word that is one; else NULL
    struct source_pos pos;
    struct slice text; // contents: a name without quotes, a string without escapes, a number
};

struct sql_parser {
    struct pool *pool;
    struct source_text source;
    struct err *err;
    bool failed;
    bool hinted;
    struct sql_script *script;

    // The scanner: where it is.
    void *scanner;
    struct source_pos at;    // the next byte; length 0
    struct source_pos after; // right after the last token; length 0
    struct source_pos open;  // of a comment that is open
    bool statement_starts;   // no token of this statement has been scanned

    // The token layer: one token ahead of the grammar.
    struct sql_token next;
    bool has_next;
    struct sql_token last;     // given to the grammar last: the one a syntax error is about
    struct sql_token previous; // before it
    struct sql_token first;    // of the statement
    int statement_tokens;      // of the statement, `last` included
    int nesting;               // parentheses, brackets, CASEs that are open

    struct sql_create_table *table; // whose elements are being read
};

// Report an error unless one was reported before; the parse ends at the next token.
void sql_fail(struct sql_parser *parser, struct source_pos pos, const char *format, ...)
    __attribute__((format(printf, 3, 4)));

// A hint for the error that has just been reported.
void sql_hint(struct sql_parser *parser, const char *hint);

// Report that something of Flink's is not supported yet; `hint` may be NULL.
void sql_refuse(struct sql_parser *parser, struct source_pos pos, const char *what,
                const char *hint);

// A NUL-terminated copy in the pool. Fails (at pos) on an embedded NUL.
const char *sql_cstr(struct sql_parser *parser, struct slice text, struct source_pos pos);

// --- scan.c: called by the scanner's actions ---

// Take `len` bytes: sets the token's run and moves on. With token NULL: white space, comments.
void sql_scan_take(struct sql_parser *parser, const char *text, size_t len,
                   struct sql_token *token);

// Each returns the kind of the token they fill, or that of an error.
int sql_scan_word(struct sql_parser *parser, struct sql_token *token);
int sql_scan_quoted_word(struct sql_parser *parser, struct sql_token *token);
int sql_scan_string(struct sql_parser *parser, struct sql_token *token);
int sql_scan_unicode_string(struct sql_parser *parser, struct sql_token *token);
int sql_scan_binary(struct sql_parser *parser, struct sql_token *token);
int sql_scan_end(struct sql_parser *parser, struct sql_token *token);
int sql_scan_stray(struct sql_parser *parser, struct sql_token *token);
int sql_scan_error(struct sql_parser *parser, struct sql_token *token, const char *message,
                   const char *hint);

// --- token.c ---

// Name of a token's contents for a message: 'FROM', a string, the end of the file.
const char *sql_token_text(struct sql_parser *parser, const struct sql_token *token);

// --- syntax.c ---

// Report that `parser->last` cannot stand where it does. `expected`: names of what could.
void sql_syntax_error(struct sql_parser *parser, const char *const *expected, int count);

#endif
