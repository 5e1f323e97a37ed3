// types.c: the names of types, what may stand in their parentheses, and what people call them
// elsewhere.
#include <limits.h>
#include <strings.h>

#include "core/base/check.h"
#include "core/sql/build.h"
#include "core/sql/parse.h"

struct type_name {
    const char *name;
    enum sql_type_kind kind;
    int min, max; // of the precision or length; max 0: takes none
    bool scale;   // takes a second number
};

static const struct type_name type_names[] = {
    {"BOOLEAN", SQL_TYPE_BOOLEAN, 0, 0, false},
    {"TINYINT", SQL_TYPE_TINYINT, 0, 0, false},
    {"SMALLINT", SQL_TYPE_SMALLINT, 0, 0, false},
    {"INT", SQL_TYPE_INT, 0, 0, false},
    {"INTEGER", SQL_TYPE_INT, 0, 0, false},
    {"BIGINT", SQL_TYPE_BIGINT, 0, 0, false},
    {"FLOAT", SQL_TYPE_FLOAT, 0, 0, false},
    {"REAL", SQL_TYPE_FLOAT, 0, 0, false},
    {"DOUBLE", SQL_TYPE_DOUBLE, 0, 0, false},
    {"DECIMAL", SQL_TYPE_DECIMAL, 1, 38, true},
    {"DEC", SQL_TYPE_DECIMAL, 1, 38, true},
    {"NUMERIC", SQL_TYPE_DECIMAL, 1, 38, true},
    {"CHAR", SQL_TYPE_CHAR, 1, INT_MAX, false},
    {"CHARACTER", SQL_TYPE_CHAR, 1, INT_MAX, false},
    {"VARCHAR", SQL_TYPE_VARCHAR, 1, INT_MAX, false},
    {"STRING", SQL_TYPE_STRING, 0, 0, false},
    {"BINARY", SQL_TYPE_BINARY, 1, INT_MAX, false},
    {"VARBINARY", SQL_TYPE_VARBINARY, 1, INT_MAX, false},
    {"BYTES", SQL_TYPE_BYTES, 0, 0, false},
    {"DATE", SQL_TYPE_DATE, 0, 0, false},
    {"TIME", SQL_TYPE_TIME, 0, 9, false},
    {"TIMESTAMP", SQL_TYPE_TIMESTAMP, 0, 9, false},
    {"TIMESTAMP_LTZ", SQL_TYPE_TIMESTAMP_LTZ, 0, 9, false},
    {"RAW", SQL_TYPE_RAW, 0, 0, false},
    {"NULL", SQL_TYPE_NULL, 0, 0, false},
};

// What others call them: {theirs, ours}.
static const char *const foreign_names[][2] = {
    {"TEXT", "STRING"},           {"LONG", "BIGINT"},
    {"INT8", "BIGINT"},           {"INT4", "INT"},
    {"INT2", "SMALLINT"},         {"BOOL", "BOOLEAN"},
    {"DATETIME", "TIMESTAMP(3)"}, {"TIMESTAMPTZ", "TIMESTAMP_LTZ(3)"},
    {"NUMBER", "DECIMAL"},        {"VARCHAR2", "VARCHAR"},
    {"NVARCHAR", "VARCHAR"},      {"BLOB", "BYTES"},
    {"JSON", "STRING"},           {"UUID", "STRING"},
    {"FLOAT8", "DOUBLE"},         {"FLOAT4", "FLOAT"},
    {"SHORT", "SMALLINT"},        {"BYTE", "TINYINT"},
};

struct sql_ident sql_word(struct sql_parser *parser, const char *text, struct source_pos pos)
{
    return (struct sql_ident){.text = pool_strdup(parser->pool, text), .pos = pos};
}

static void fail_unknown(struct sql_parser *parser, struct sql_ident name)
{
    const char *names[ARRAY_SIZE(type_names)];
    if (parser->failed)
        return;
    if (strcasecmp(name.text, "VARIANT") == 0 || strcasecmp(name.text, "BITMAP") == 0) {
        sql_refuse(parser, name.pos, pool_printf(parser->pool, "type %s", name.text), NULL);
        return;
    }
    sql_fail(parser, name.pos, "there is no type '%s'", name.text);
    for (size_t i = 0; i < ARRAY_SIZE(foreign_names); i++) {
        if (strcasecmp(name.text, foreign_names[i][0]) == 0) {
            diag_hint(parser->err, "it is called %s here", foreign_names[i][1]);
            return;
        }
    }
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++)
        names[i] = type_names[i].name;
    diag_suggest(parser->err, name.text, names, (int)ARRAY_SIZE(names));
}

static void check_length(struct sql_parser *parser, const struct type_name *known,
                         struct sql_type_words words, struct source_pos pos)
{
    if (words.precision < 0)
        return;
    if (known->max == 0)
        sql_fail(parser, pos, "%s takes no number in parentheses", known->name);
    else if (words.precision < known->min || words.precision > known->max)
        sql_fail(parser, pos, "%s takes a number from %d to %d", known->name, known->min,
                 known->max);
    else if (words.scale >= 0 && !known->scale)
        sql_fail(parser, pos, "%s takes one number in parentheses", known->name);
    else if (words.scale > words.precision)
        sql_fail(parser, pos, "the scale of %s is at most its precision", known->name);
}

static enum sql_type_kind zoned_kind(struct sql_parser *parser, enum sql_type_kind kind, int zone,
                                     struct source_pos pos)
{
    if (zone == SQL_ZONE_NONE)
        return kind;
    if (zone == SQL_ZONE_WITHOUT && (kind == SQL_TYPE_TIME || kind == SQL_TYPE_TIMESTAMP))
        return kind;
    if (kind != SQL_TYPE_TIMESTAMP)
        sql_fail(parser, pos, "only a TIMESTAMP has a time zone");
    return zone == SQL_ZONE_LOCAL ? SQL_TYPE_TIMESTAMP_LTZ : SQL_TYPE_TIMESTAMP_TZ;
}

static struct sql_type *new_type(struct sql_parser *parser, enum sql_type_kind kind,
                                 struct source_pos pos)
{
    struct sql_type *type = pool_zalloc(parser->pool, sizeof(*type));
    *type = (struct sql_type){.kind = kind, .precision = -1, .scale = -1, .pos = pos, .height = 1};
    return type;
}

struct sql_type *sql_named_type(struct sql_parser *parser, struct sql_ident name,
                                struct sql_type_words words, int zone, struct source_pos pos)
{
    struct sql_type *type = new_type(parser, SQL_TYPE_STRING, pos);
    for (size_t i = 0; i < ARRAY_SIZE(type_names); i++) {
        if (strcasecmp(name.text, type_names[i].name) != 0)
            continue;
        check_length(parser, &type_names[i], words, pos);
        type->kind = zoned_kind(parser, type_names[i].kind, zone, pos);
        type->precision = words.precision;
        type->scale = words.scale;
        return type;
    }
    fail_unknown(parser, name);
    return type;
}

struct sql_type *sql_nested_type(struct sql_parser *parser, enum sql_type_kind kind,
                                 struct sql_types children, struct source_pos pos)
{
    struct sql_type *type = new_type(parser, kind, pos);
    type->children = children;
    for (int i = 0; i < children.count; i++)
        sql_raise(parser, &type->height, children.items[i]->height, pos);
    return type;
}
