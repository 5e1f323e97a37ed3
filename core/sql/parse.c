// parse.c: the door: a text in, an AST or a message out.
#include "core/sql/parse.h"

#include <stdarg.h>
#include <errno.h>
#include <stdio.h>

#include "core/base/check.h"
#include "core/sql/parser.h"
#include "core/sql/sql.tab.h"
#include "core/sql/sql.lex.h"

static const char bom[] = "\xef\xbb\xbf";

void sql_fail(struct sql_parser *parser, struct source_pos pos, const char *format, ...)
{
    char message[1024];
    va_list args;
    if (parser->failed) {
        parser->hinted = true; // a hint that follows belongs to this error, not to the first
        return;
    }
    parser->failed = true;
    va_start(args, format);
    vsnprintf(message, sizeof(message), format, args);
    va_end(args);
    diag_error(parser->err, &parser->source, pos, "%s", message);
}

void sql_hint(struct sql_parser *parser, const char *hint)
{
    CHECK(parser->failed);
    if (!parser->hinted)
        diag_hint(parser->err, "%s", hint);
    parser->hinted = true;
}

void sql_refuse(struct sql_parser *parser, struct source_pos pos, const char *what,
                const char *hint)
{
    if (parser->failed)
        return;
    sql_fail(parser, pos, "%s is not supported yet", what);
    if (hint)
        sql_hint(parser, hint);
}

const char *sql_cstr(struct sql_parser *parser, struct slice text, struct source_pos pos)
{
    if (text.len && memchr(text.ptr, 0, text.len))
        sql_fail(parser, pos, "a NUL byte has no place here");
    return pool_strndup(parser->pool, text.ptr, text.len);
}

static void skip_bom(struct sql_parser *parser, struct slice *text)
{
    if (text->len < 3 || memcmp(text->ptr, bom, 3) != 0)
        return;
    text->ptr += 3;
    text->len -= 3;
    parser->at.offset = 3;
    parser->after.offset = 3;
}

int sql_parse(struct pool *pool, const char *file_name, struct slice text, struct sql_script **out,
              struct err *err)
{
    if (text.len > SQL_TEXT_MAX_BYTES)
        return err_set(err, -EFBIG, "%s: error: a script has at most %d bytes", file_name,
                       SQL_TEXT_MAX_BYTES);
    struct sql_parser parser = {.pool = pool,
                                .source = {.file_name = file_name, .text = text},
                                .err = err,
                                .at = {.line = 1, .column = 1},
                                .after = {.line = 1, .column = 1},
                                .statement_starts = true};
    parser.script = pool_zalloc(pool, sizeof(*parser.script));
    parser.script->source = parser.source;
    skip_bom(&parser, &text);
    CHECK(sql_flex_lex_init_extra(&parser, &parser.scanner) == 0);
    CHECK(sql_flex__scan_bytes(text.ptr ? text.ptr : "", (int)text.len, parser.scanner));
    int failed = sql_yyparse(&parser);
    sql_flex_lex_destroy(parser.scanner);
    CHECK(!failed || parser.failed);
    if (parser.failed)
        return -EINVAL;
    *out = parser.script;
    return 0;
}
