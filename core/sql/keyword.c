// keyword.c: the table of keywords.
#include "core/sql/keyword.h"

#include <stdlib.h>

#include "core/base/check.h"
#include "core/sql/ast.h"
#include "core/sql/sql.tab.h"

enum { KEYWORD_MAX_BYTES = 24 };

#define ALWAYS(word)                                                                               \
    {                                                                                              \
#word, TOK_##word, SQL_KEYWORD_ALWAYS, NULL                                                \
    }
#define WHEN(word, condition)                                                                      \
    {                                                                                              \
#word, TOK_##word, SQL_KEYWORD_##condition, NULL                                           \
    }
#define BEFORE(word, words)                                                                        \
    {                                                                                              \
#word, TOK_##word, SQL_KEYWORD_BEFORE_WORD, words                                          \
    }

// Sorted; the test of keywords checks that it is.
static const struct sql_keyword keywords[] = {
    ALWAYS(ALL),
    ALWAYS(AND),
    WHEN(ANY, BEFORE_PAREN),
    ALWAYS(ARRAY),
    ALWAYS(AS),
    ALWAYS(ASC),
    ALWAYS(ASYMMETRIC),
    ALWAYS(BEGIN),
    ALWAYS(BETWEEN),
    {"BINARY", TOK_TYPE_BEGIN, SQL_KEYWORD_BEFORE_WORD, "VARYING"},
    ALWAYS(BOTH),
    ALWAYS(BY),
    ALWAYS(CASE),
    ALWAYS(CAST),
    WHEN(CEIL, BEFORE_PAREN),
    {"CEILING", TOK_CEIL, SQL_KEYWORD_BEFORE_PAREN, NULL},
    {"CHAR", TOK_TYPE_BEGIN, SQL_KEYWORD_BEFORE_WORD, "VARYING"},
    {"CHARACTER", TOK_TYPE_BEGIN, SQL_KEYWORD_BEFORE_WORD, "VARYING"},
    WHEN(COMMENT, BEFORE_STRING),
    ALWAYS(CONSTRAINT),
    ALWAYS(CREATE),
    ALWAYS(CROSS),
    WHEN(CUBE, BEFORE_PAREN),
    ALWAYS(CURRENT),
    {"CURRENT_DATE", TOK_NILADIC, SQL_KEYWORD_NOT_BEFORE_PAREN, NULL},
    {"CURRENT_TIME", TOK_NILADIC, SQL_KEYWORD_NOT_BEFORE_PAREN, NULL},
    {"CURRENT_TIMESTAMP", TOK_NILADIC, SQL_KEYWORD_NOT_BEFORE_PAREN, NULL},
    WHEN(DATE, BEFORE_STRING),
    ALWAYS(DESC),
    WHEN(DESCRIPTOR, BEFORE_PAREN),
    ALWAYS(DISTINCT),
    {"DOUBLE", TOK_TYPE_BEGIN, SQL_KEYWORD_BEFORE_WORD, "PRECISION"},
    ALWAYS(DROP),
    ALWAYS(ELSE),
    ALWAYS(END),
    ALWAYS(ENFORCED),
    ALWAYS(ESCAPE),
    ALWAYS(EXCEPT),
    ALWAYS(EXECUTE),
    ALWAYS(EXISTS),
    ALWAYS(EXPLAIN),
    WHEN(EXTRACT, BEFORE_PAREN),
    ALWAYS(FALSE),
    ALWAYS(FETCH),
    WHEN(FILTER, BEFORE_PAREN),
    ALWAYS(FIRST),
    WHEN(FLOOR, BEFORE_PAREN),
    ALWAYS(FOLLOWING),
    ALWAYS(FOR),
    ALWAYS(FROM),
    ALWAYS(FULL),
    ALWAYS(GROUP),
    BEFORE(GROUPING, "SETS"),
    ALWAYS(HAVING),
    BEFORE(IF, "NOT EXISTS"),
    ALWAYS(IN),
    ALWAYS(INNER),
    ALWAYS(INSERT),
    ALWAYS(INTERSECT),
    ALWAYS(INTERVAL),
    ALWAYS(INTO),
    ALWAYS(IS),
    ALWAYS(JOIN),
    {"JSON_ARRAY", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    {"JSON_ARRAYAGG", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    {"JSON_EXISTS", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    {"JSON_OBJECT", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    {"JSON_OBJECTAGG", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    {"JSON_QUERY", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    {"JSON_VALUE", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    ALWAYS(KEY),
    ALWAYS(LAST),
    ALWAYS(LATERAL),
    ALWAYS(LEADING),
    WHEN(LEFT, NOT_BEFORE_PAREN),
    ALWAYS(LIKE),
    ALWAYS(LIMIT),
    BEFORE(LOCAL, "TIME"),
    {"LOCALTIME", TOK_NILADIC, SQL_KEYWORD_NOT_BEFORE_PAREN, NULL},
    {"LOCALTIMESTAMP", TOK_NILADIC, SQL_KEYWORD_NOT_BEFORE_PAREN, NULL},
    WHEN(MAP, BEFORE_BRACKET),
    {"MATCH_RECOGNIZE", TOK_UNSUPPORTED, SQL_KEYWORD_ALWAYS, NULL},
    ALWAYS(METADATA),
    {"MINUS", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_WORD, "SELECT ALL VALUES"},
    {"ML_EVALUATE", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    {"ML_PREDICT", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    ALWAYS(MULTISET),
    ALWAYS(NATURAL),
    ALWAYS(NEXT),
    ALWAYS(NOT),
    ALWAYS(NULL),
    BEFORE(NULLS, "FIRST LAST"),
    ALWAYS(OF),
    ALWAYS(OFFSET),
    ALWAYS(ON),
    ALWAYS(ONLY),
    ALWAYS(OR),
    ALWAYS(ORDER),
    ALWAYS(ORDINALITY),
    ALWAYS(OUTER),
    ALWAYS(OVER),
    WHEN(OVERLAY, BEFORE_PAREN),
    ALWAYS(OVERWRITE),
    ALWAYS(PARTITION),
    BEFORE(PARTITIONED, "BY"),
    {"PIVOT", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    ALWAYS(PLACING),
    ALWAYS(PLAN),
    WHEN(POSITION, BEFORE_PAREN),
    ALWAYS(PRECEDING),
    ALWAYS(PRECISION),
    ALWAYS(PRIMARY),
    {"QUALIFY", TOK_UNSUPPORTED, SQL_KEYWORD_ALWAYS, NULL},
    ALWAYS(RANGE),
    ALWAYS(RESET),
    WHEN(RIGHT, NOT_BEFORE_PAREN),
    WHEN(ROLLUP, BEFORE_PAREN),
    ALWAYS(ROW),
    ALWAYS(ROWS),
    ALWAYS(SELECT),
    ALWAYS(SET),
    ALWAYS(SETS),
    ALWAYS(SIMILAR),
    {"SOME", TOK_ANY, SQL_KEYWORD_BEFORE_PAREN, NULL},
    ALWAYS(STATEMENT),
    WHEN(SUBSTRING, BEFORE_PAREN),
    ALWAYS(SYMMETRIC),
    ALWAYS(SYSTEM_TIME),
    ALWAYS(TABLE),
    {"TABLESAMPLE", TOK_UNSUPPORTED, SQL_KEYWORD_ALWAYS, NULL},
    ALWAYS(TEMPORARY),
    ALWAYS(THEN),
    {"TIME", TOK_TIME, SQL_KEYWORD_BEFORE_STRING, "ZONE"},
    WHEN(TIMESTAMP, BEFORE_STRING),
    ALWAYS(TO),
    ALWAYS(TRAILING),
    WHEN(TRIM, BEFORE_PAREN),
    ALWAYS(TRUE),
    WHEN(TRY_CAST, BEFORE_PAREN),
    BEFORE(UNBOUNDED, "PRECEDING FOLLOWING"),
    ALWAYS(UNION),
    ALWAYS(UNIQUE),
    ALWAYS(UNKNOWN),
    WHEN(UNNEST, BEFORE_PAREN),
    {"UNPIVOT", TOK_UNSUPPORTED, SQL_KEYWORD_BEFORE_PAREN, NULL},
    ALWAYS(USING),
    ALWAYS(VALUES),
    ALWAYS(VARYING),
    ALWAYS(VIEW),
    ALWAYS(VIRTUAL),
    BEFORE(WATERMARK, "FOR"),
    ALWAYS(WHEN),
    ALWAYS(WHERE),
    ALWAYS(WINDOW),
    ALWAYS(WITH),
    BEFORE(WITHIN, "GROUP"),
    BEFORE(WITHOUT, "TIME"),
    ALWAYS(ZONE),
};

static int compare(const void *key, const void *element)
{
    return strcmp(key, ((const struct sql_keyword *)element)->text);
}

const struct sql_keyword *sql_keyword_find(struct slice word)
{
    char upper[KEYWORD_MAX_BYTES + 1];
    if (word.len > KEYWORD_MAX_BYTES)
        return NULL;
    for (size_t i = 0; i < word.len; i++) {
        char c = word.ptr[i];
        upper[i] = c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
    }
    upper[word.len] = 0;
    return bsearch(upper, keywords, ARRAY_SIZE(keywords), sizeof(keywords[0]), compare);
}

bool sql_keyword_awaits(const struct sql_keyword *keyword, const char *word)
{
    size_t len = strlen(word);
    for (const char *at = keyword->next; at; at = strchr(at, ' ')) {
        at += *at == ' ';
        if (strncmp(at, word, len) == 0 && (at[len] == ' ' || at[len] == 0))
            return true;
    }
    return false;
}

int sql_keyword_table(const struct sql_keyword **out)
{
    *out = keywords;
    return (int)ARRAY_SIZE(keywords);
}
