// token.c: raw tokens to the grammar's tokens.
//
// Two things need one token of look-ahead that an LALR(1) grammar cannot spend: whether a word is a
// keyword here (see keyword.h), and NOT in front of IN, LIKE, BETWEEN, SIMILAR, which binds tighter
// than the prefix NOT. Nesting is bounded here as well, where it costs one counter.
#include <stdio.h>

#include "core/base/check.h"
#include "core/sql/parse.h"
#include "core/sql/parser.h"
#include "core/sql/sql.tab.h"

// The scanner is generated with this name.
int sql_flex_lex(struct sql_token *token, void *scanner);

static void scan(struct sql_parser *parser, struct sql_token *token)
{
    *token = (struct sql_token){0};
    token->kind = parser->failed ? TOK_SQL_YYerror : sql_flex_lex(token, parser->scanner);
}

static const struct sql_token *look_ahead(struct sql_parser *parser)
{
    if (!parser->has_next) {
        scan(parser, &parser->next);
        parser->has_next = true;
    }
    return &parser->next;
}

static bool keyword_holds(const struct sql_keyword *keyword, const struct sql_token *next)
{
    switch (keyword->when) {
    case SQL_KEYWORD_ALWAYS:
        return true;
    case SQL_KEYWORD_BEFORE_PAREN:
        return next->kind == '(';
    case SQL_KEYWORD_NOT_BEFORE_PAREN:
        return next->kind != '(';
    case SQL_KEYWORD_BEFORE_STRING:
        return next->kind == TOK_STRING ||
               (next->keyword && sql_keyword_awaits(keyword, next->keyword->text));
    case SQL_KEYWORD_BEFORE_BRACKET:
        return next->kind == '(' || next->kind == '[' || next->kind == '<';
    case SQL_KEYWORD_BEFORE_WORD:
        return next->keyword && sql_keyword_awaits(keyword, next->keyword->text);
    }
    return true;
}

static bool is_infix_after_not(int kind)
{
    return kind == TOK_IN || kind == TOK_LIKE || kind == TOK_BETWEEN || kind == TOK_SIMILAR;
}

// Decide what a word is, now that its successor is known.
static void settle(struct sql_parser *parser, struct sql_token *token)
{
    const struct sql_keyword *keyword = token->keyword;
    if (!keyword)
        return;
    if (keyword->when != SQL_KEYWORD_ALWAYS && !keyword_holds(keyword, look_ahead(parser))) {
        token->kind = TOK_IDENT;
        token->keyword = NULL;
    } else if (token->kind == TOK_NOT && is_infix_after_not(look_ahead(parser)->kind)) {
        token->kind = TOK_NOT_LA;
    }
}

static void count_nesting(struct sql_parser *parser, const struct sql_token *token)
{
    switch (token->kind) {
    case '(':
    case '[':
    case TOK_CASE:
    case TOK_BEGIN:
        if (++parser->nesting > SQL_NESTING_MAX)
            sql_fail(parser, token->pos, "nested more than %d levels deep", SQL_NESTING_MAX);
        break;
    case ')':
    case ']':
    case TOK_END:
        parser->nesting -= parser->nesting > 0;
        break;
    default:
        break;
    }
}

static void remember(struct sql_parser *parser, const struct sql_token *token)
{
    parser->previous = parser->last;
    parser->last = *token;
    if (parser->previous.kind == ';' && parser->nesting == 0)
        parser->statement_tokens = 0;
    if (parser->statement_tokens++ == 0)
        parser->first = *token;
}

int sql_yylex(SQL_YYSTYPE *value, struct source_pos *pos, struct sql_parser *parser)
{
    struct sql_token token;
    if (parser->has_next)
        token = parser->next;
    else
        scan(parser, &token);
    parser->has_next = false;
    settle(parser, &token);
    count_nesting(parser, &token);
    remember(parser, &token);
    *pos = token.pos;
    value->token = token.text;
    if (token.kind == TOK_IDENT || token.keyword)
        value->ident = (struct sql_ident){.text = sql_cstr(parser, token.text, token.pos),
                                          .quoted = token.quoted,
                                          .pos = token.pos};
    return parser->failed ? TOK_SQL_YYerror : token.kind;
}

const char *sql_token_text(struct sql_parser *parser, const struct sql_token *token)
{
    if (token->kind == 0)
        return "the end of the script";
    if (token->kind == TOK_STRING)
        return token->text.len <= 24 ? pool_printf(parser->pool, "the string '%.*s'",
                                                   (int)token->text.len, token->text.ptr)
                                     : "a string";
    struct slice written = source_slice(&parser->source, token->pos);
    int shown = written.len < 60 ? (int)written.len : 60;
    return pool_printf(parser->pool, "'%.*s'%s", shown, written.ptr,
                       (size_t)shown < written.len ? "..." : "");
}
