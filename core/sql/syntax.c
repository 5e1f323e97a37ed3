// syntax.c: a syntax error in words: what was found, what could have stood there, and what was
// probably meant.
#include <stdio.h>
#include <strings.h>

#include "core/base/check.h"
#include "core/sql/parser.h"
#include "core/sql/sql.tab.h"

enum { EXPECTED_SHOWN_MAX = 5, PHRASE_BYTES = 256, KEYWORDS_MAX = 200 };

struct word_hint {
    const char *word, *hint;
};

// `word` may be followed by a space and more words that only the message has.

// Statements of Flink that weir does not have, and what to do instead.
static const struct word_hint other_statements[] = {
    {"ADD", "weir has no jars"},
    {"ALTER", "change the CREATE TABLE statement"},
    {"ANALYZE", NULL},
    {"CALL", NULL},
    {"CLEAR", "it belongs to an interactive client"},
    {"COMPILE", "weir explain prints the plan"},
    {"DELETE", NULL},
    {"DESC", "weir explain prints schemas"},
    {"DESCRIBE", "weir explain prints schemas"},
    {"EXIT", "a script ends where its text does"},
    {"HELP", "see docs/sql-reference.md"},
    {"LOAD", "weir has no modules"},
    {"MERGE", NULL},
    {"QUIT", "a script ends where its text does"},
    {"REMOVE", "weir has no jars"},
    {"REPLACE", "declare the table, then INSERT INTO it"},
    {"SHOW", "weir explain prints tables and plan"},
    {"STOP", "weir stop JOB.yaml ends a job, weir top lists them"},
    {"TRUNCATE", NULL},
    {"UNLOAD", "weir has no modules"},
    {"UPDATE", NULL},
    {"USE", "weir has one catalog and one database"},
};

// What Flink has behind CREATE and DROP.
static const struct word_hint other_objects[] = {
    {"CATALOG", "weir has one catalog"},
    {"CONNECTION", NULL},
    {"DATABASE", "weir has one database"},
    {"FUNCTION", "functions are built in"},
    {"MATERIALIZED TABLE", "INSERT INTO a table"},
    {"MODEL", NULL},
    {"OR REPLACE", "drop it first, or give it another name"},
    {"SYSTEM FUNCTION", "functions are built in"},
};

// Clauses that may begin anywhere in a query.
static const struct word_hint other_clauses[] = {
    {"DISTRIBUTED", NULL},
    {"IGNORE", NULL},
    {"MATCH_RECOGNIZE", NULL},
    {"MINUS", "EXCEPT is its name in the standard, and not supported yet either"},
    {"PIVOT", "aggregate with FILTER: SUM(x) FILTER (WHERE k = 'a')"},
    {"QUALIFY", "put the window function into a derived table and filter it in WHERE"},
    {"RESPECT", NULL},
    {"TABLESAMPLE", NULL},
    {"UNPIVOT", NULL},
};

// What may be asked of a value behind IS.
static const struct word_hint is_tests[] = {{"A SET", NULL}, {"EMPTY", NULL}, {"JSON", NULL}};

// Words that are read as a name until what follows them cannot be.
static const struct word_hint misread_names[] = {
    {"AT TIME ZONE", "FROM_UNIXTIME, DATE_FORMAT and CAST use the setting table.local-time-zone"},
    {"OVERLAPS", "compare begins and ends: a < d AND c < b"},
    {"RECURSIVE", NULL},
    {"RLIKE", "REGEXP(text, pattern)"},
    {"UESCAPE", "the escape is \\: U&'\\00e9'"},
};

static const char *const statement_words[] = {"CREATE", "DROP",  "EXECUTE", "EXPLAIN",
                                              "INSERT", "RESET", "SELECT",  "SET",
                                              "VALUES", "WITH",  "BEGIN"};

static const char *const clause_words[] = {"FROM",  "WHERE",  "GROUP",  "HAVING", "ORDER",
                                           "LIMIT", "JOIN",   "LEFT",   "INNER",  "CROSS",
                                           "UNION", "OFFSET", "WINDOW", "VALUES", "SELECT"};

static const struct word_hint *find_word(const struct word_hint *table, size_t count,
                                         struct slice word)
{
    for (size_t i = 0; i < count; i++)
        if (strcspn(table[i].word, " ") == word.len &&
            strncasecmp(table[i].word, word.ptr, word.len) == 0)
            return &table[i];
    return NULL;
}

static bool is_word(const struct sql_token *token)
{
    return !token->quoted && (token->kind == TOK_IDENT || token->keyword);
}

static bool refuse_word(struct sql_parser *parser, const struct sql_token *token,
                        const struct word_hint *entry, const char *before)
{
    if (!entry)
        return false;
    const char *what = pool_printf(parser->pool, "%s%s", before, entry->word);
    sql_refuse(parser, token->pos, what, entry->hint);
    return true;
}

// Is the token in front of the unexpected one a word of Flink's that was taken for a name?
static bool refuse_misread(struct sql_parser *parser)
{
    const struct sql_token *last = &parser->last, *previous = &parser->previous;
    if (previous->quoted || parser->statement_tokens == 1)
        return false;
    if (previous->kind == TOK_IDENT && last->kind == TOK_STRING && previous->text.ptr[0] == '_') {
        sql_refuse(parser, source_span(previous->pos, last->pos), "a string with a character set",
                   "scripts are UTF-8: write the string alone");
        return true;
    }
    if (previous->kind == TOK_IDENT && last->kind == TOK_WITH && previous->text.len == 9 &&
        strncasecmp(previous->text.ptr, "TIMESTAMP", 9) == 0) {
        sql_refuse(parser, source_span(previous->pos, last->pos),
                   "a literal of TIMESTAMP WITH LOCAL TIME ZONE",
                   "CAST(TIMESTAMP '2024-12-31 23:59:59' AS TIMESTAMP_LTZ(3))");
        return true;
    }
    return is_word(previous) &&
           refuse_word(parser, previous,
                       find_word(misread_names, ARRAY_SIZE(misread_names), previous->text), "");
}

// Is the unexpected word one that begins something else of Flink's?
static bool refuse_beginning(struct sql_parser *parser, struct slice word)
{
    struct sql_token *last = &parser->last;
    if (parser->first.kind == TOK_EXECUTE && last->kind == TOK_PLAN) {
        sql_refuse(parser, last->pos, "EXECUTE PLAN", "run the script that it was made from");
        return true;
    }
    bool creates = parser->first.kind == TOK_CREATE;
    if ((!creates && parser->first.kind != TOK_DROP) || parser->statement_tokens > 3)
        return false;
    return refuse_word(parser, last, find_word(other_objects, ARRAY_SIZE(other_objects), word),
                       creates ? "CREATE " : "DROP ");
}

// Is the unexpected word something that Flink has and weir has not?
static bool refuse_known(struct sql_parser *parser)
{
    struct sql_token *last = &parser->last;
    struct slice word = last->text;
    if (last->quoted || !(is_word(last) || last->kind == TOK_UNSUPPORTED))
        return false;
    if (parser->statement_tokens == 1)
        return refuse_word(parser, last,
                           find_word(other_statements, ARRAY_SIZE(other_statements), word), "");
    if (refuse_beginning(parser, word))
        return true;
    if (parser->previous.kind == TOK_IS &&
        refuse_word(parser, last, find_word(is_tests, ARRAY_SIZE(is_tests), word), "IS "))
        return true;
    if (refuse_word(parser, last, find_word(other_clauses, ARRAY_SIZE(other_clauses), word), ""))
        return true;
    if (last->kind != TOK_UNSUPPORTED)
        return false;
    sql_refuse(parser, last->pos, last->keyword->text, NULL); // a function with a syntax of its own
    return true;
}

// --- what was expected ---

static bool contains(const char *const *names, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (strcmp(names[i], name) == 0)
            return true;
    return false;
}

// What begins an expression: left out when an expression is expected as such.
static const char *const expression_starts[] = {
    "'('",    "NULL", "TRUE",     "FALSE",    "UNKNOWN",   "CASE",     "CAST",
    "DATE",   "TIME", "INTERVAL", "TRY_CAST", "TIMESTAMP", "EXTRACT",  "CURRENT_TIMESTAMP",
    "FLOOR",  "CEIL", "TRIM",     "ROW",      "SUBSTRING", "POSITION", "OVERLAY",
    "ARRAY",  "MAP",  "MULTISET", "EXISTS",   "NOT",       "a string", "a number",
    "a name",
};

// Operators, which may nearly always follow, and what would only confuse.
static const char *const never_shown[] = {
    "'*'",
    "'+'",
    "'-'",
    "'/'",
    "'%'",
    "'<'",
    "'>'",
    "'<>'",
    "'<='",
    "'>='",
    "'||'",
    "OR",
    "IS",
    "IN",
    "LIKE",
    "BETWEEN",
    "SIMILAR",
    "NOT ",
    "'.'",
    "'['",
    "a hint",
    "OVER",
    "a value",
    "FILTER",
    "WITHIN",
    "unsupported",
    "a decimal number",
    "a floating-point number",
    "a binary string",
};

// Keywords that are names as well: left out when a name is expected.
static const char *const soft_words[] = {
    "ASC",       "DESC",      "ENFORCED", "FIRST",     "FOLLOWING",  "KEY",
    "LAST",      "METADATA",  "NEXT",     "PLACING",   "PLAN",       "OVERWRITE",
    "PRECEDING", "PRECISION", "SETS",     "STATEMENT", "ORDINALITY", "TEMPORARY",
    "VARYING",   "VIEW",      "VIRTUAL",  "ZONE",
};

static bool is_shown(const char *name, bool expression, bool a_name)
{
    if (contains(never_shown, ARRAY_SIZE(never_shown), name))
        return false;
    if (expression && contains(expression_starts, ARRAY_SIZE(expression_starts), name))
        return false;
    return !a_name || !contains(soft_words, ARRAY_SIZE(soft_words), name);
}

// "an expression, ')' or FROM"; empty when nothing worth saying was expected.
static void expected_phrase(const char *const *expected, int count, char *out)
{
    const char *shown[EXPECTED_SHOWN_MAX];
    int used = 0;
    bool a_name = contains(expected, count, "a name");
    bool expression = a_name && contains(expected, count, "a number");
    if (expression)
        shown[used++] = "an expression";
    for (int i = 0; i < count && used < EXPECTED_SHOWN_MAX; i++)
        if (is_shown(expected[i], expression, a_name))
            shown[used++] = expected[i];
    size_t len = 0;
    out[0] = 0;
    for (int i = 0; i < used; i++) {
        const char *joint = i == 0 ? "" : i == used - 1 ? " or " : ", ";
        len += (size_t)snprintf(out + len, PHRASE_BYTES - len, "%s%s", joint, shown[i]);
        CHECK(len < PHRASE_BYTES);
    }
}

// --- hints ---

// Is only white space between the begin of the line and the token?
static bool begins_line(const struct sql_parser *parser, const struct sql_token *token)
{
    const char *text = parser->source.text.ptr;
    for (uint32_t i = token->pos.offset; i > 0 && text[i - 1] != '\n'; i--)
        if (text[i - 1] != ' ' && text[i - 1] != '\t')
            return false;
    return true;
}

static bool hint_missing_semicolon(struct sql_parser *parser, const char *const *expected,
                                   int count)
{
    const struct sql_keyword *keyword = parser->last.keyword;
    if (!keyword || !contains(expected, count, "';'") || !begins_line(parser, &parser->last) ||
        !contains(statement_words, ARRAY_SIZE(statement_words), keyword->text))
        return false;
    sql_hint(parser, "is a ';' missing at the end of the statement before?");
    return true;
}

// Did the writer mean a keyword with the word at `token`?
static bool hint_misspelled(struct sql_parser *parser, const struct sql_token *token,
                            const char *const *words, int count)
{
    if (token->kind != TOK_IDENT || token->quoted || token->text.len < 2)
        return false;
    const char *word = pool_strndup(parser->pool, token->text.ptr, token->text.len);
    const char *meant = err_suggest(word, words, count);
    if (!meant || strcasecmp(meant, word) == 0)
        return false;
    sql_hint(parser, pool_printf(parser->pool, "did you mean '%s' instead of '%s'?", meant, word));
    return true;
}

static bool hint_expected_word(struct sql_parser *parser, const char *const *expected, int count)
{
    const char *words[KEYWORDS_MAX];
    int used = 0;
    for (int i = 0; i < count && used < KEYWORDS_MAX; i++)
        if (expected[i][0] >= 'A' && expected[i][0] <= 'Z')
            words[used++] = expected[i];
    return hint_misspelled(parser, &parser->last, words, used) ||
           hint_misspelled(parser, &parser->previous, clause_words, ARRAY_SIZE(clause_words));
}

static bool hint_reserved_word(struct sql_parser *parser, const char *const *expected, int count)
{
    const struct sql_token *last = &parser->last;
    bool a_name = contains(expected, count, "a name");
    if (!a_name || !last->keyword ||
        contains(clause_words, ARRAY_SIZE(clause_words), last->keyword->text))
        return false;
    sql_hint(parser, pool_printf(parser->pool,
                                 "%s is a reserved word; as a name it goes into backquotes: `%.*s`",
                                 last->keyword->text, (int)last->text.len, last->text.ptr));
    return true;
}

static bool is_number(const struct sql_token *token)
{
    return token->kind == TOK_INTEGER || token->kind == TOK_DECIMAL;
}

static void add_hint(struct sql_parser *parser, const char *const *expected, int count)
{
    if (parser->previous.kind == TOK_INTERVAL && is_number(&parser->last))
        sql_hint(parser, "the number of an interval goes into quotes: INTERVAL '5' DAY");
    else if (parser->previous.kind == ',' &&
             (parser->last.kind == TOK_FROM || parser->last.kind == ')'))
        sql_hint(parser, "remove the ',' in front of it");
    else if (parser->statement_tokens == 1)
        hint_misspelled(parser, &parser->last, statement_words, ARRAY_SIZE(statement_words));
    else if (!hint_missing_semicolon(parser, expected, count) &&
             !hint_expected_word(parser, expected, count))
        hint_reserved_word(parser, expected, count);
}

void sql_syntax_error(struct sql_parser *parser, const char *const *expected, int count)
{
    char phrase[PHRASE_BYTES];
    if (parser->failed || refuse_known(parser) || refuse_misread(parser))
        return;
    const char *found = sql_token_text(parser, &parser->last);
    if (parser->statement_tokens == 1)
        snprintf(phrase, sizeof(phrase), "a statement");
    else
        expected_phrase(expected, count, phrase);
    sql_fail(parser, parser->last.pos, "unexpected %s%s%s", found, phrase[0] ? "; expected " : "",
             phrase);
    add_hint(parser, expected, count);
}
