// bind_refuse.c: functions and operators that Flink has and weir has not yet: refused by what they
// are, so that nobody looks for a typing error in a name that was right.
#include <errno.h>

#include "core/base/check.h"
#include "core/sql/bind_internal.h"

struct known {
    const char *name, *hint;
};

static const struct known operators[] = {
    {"ARRAY", "an array"},      {"ITEM", "the element of an array or map"}, {"MAP", "a map"},
    {"MULTISET", "a multiset"}, {"ROW", "a value that is a row"},
};

static const char event_time[] =
    "windows read event time: WATERMARK FOR in CREATE TABLE; the wall clock is CURRENT_TIMESTAMP";
static const char no_sessions[] = "there are TUMBLE, HOP and CUMULATE";
static const char no_arrays[] = "there are no arrays, maps and rows yet";

// Sorted by what they are about. Aggregates are in bind_group.c.
static const struct known functions[] = {
    {"PROCTIME", event_time},
    {"TUMBLE_PROCTIME", event_time},
    {"HOP_PROCTIME", event_time},
    {"SESSION_PROCTIME", event_time},
    {"SESSION_START", no_sessions},
    {"SESSION_END", no_sessions},
    {"SESSION_ROWTIME", no_sessions},
    {"SOURCE_WATERMARK", "write the watermark out: ts - INTERVAL '5' SECOND"},
    {"RAND", "results must be the same when a batch is done again"},
    {"RAND_INTEGER", "results must be the same when a batch is done again"},
    {"UUID", "results must be the same when a batch is done again; MD5 of a key is stable"},
    {"GROUPING", "there are no GROUPING SETS yet"},
    {"GROUPING_ID", "there are no GROUPING SETS yet"},
    {"GROUP_ID", "there are no GROUPING SETS yet"},
    {"CARDINALITY", no_arrays},
    {"ELEMENT", no_arrays},
    {"SPLIT", "SPLIT_INDEX(text, separator, index) takes one part"},
    {"STR_TO_MAP", no_arrays},
    {"REGEXP_EXTRACT_ALL", no_arrays},
    {"UNHEX", "there are no bytes yet"},
    {"ENCODE", "there are no bytes yet"},
    {"DECODE", "there are no bytes yet"},
    {"COMPRESS", "there are no bytes yet"},
    {"ELT", "CASE k WHEN 1 THEN ... END"},
    {"PARSE_URL", "REGEXP_EXTRACT(url, pattern, group)"},
    {"URL_ENCODE", NULL},
    {"URL_DECODE", NULL},
    {"URL_DECODE_RECURSIVE", NULL},
    {"PRINTF", "join with || and CAST"},
    {"TYPEOF", "weir explain prints types"},
    {"CURRENT_DATABASE", "weir has one database"},
    {"CURRENT_ROW_TIMESTAMP", "CURRENT_TIMESTAMP"},
    {"DATEADD", "TIMESTAMPADD(unit, n, time)"},
    {"DATEDIFF", "TIMESTAMPDIFF(DAY, a, b)"},
    {"DATE_ADD", "time + INTERVAL '1' DAY"},
    {"DATE_SUB", "time - INTERVAL '1' DAY"},
};

static const char *const families[] = {"ARRAY_", "MAP_", "JSON_", "IS_JSON", "TO_VARIANT", "AI_"};

static const struct known *find(const struct known *table, size_t count, const char *name)
{
    for (size_t i = 0; i < count; i++)
        if (strcmp(table[i].name, name) == 0)
            return &table[i];
    return NULL;
}

static bool in_family(const char *name)
{
    for (size_t i = 0; i < ARRAY_SIZE(families); i++)
        if (strncmp(families[i], name, strlen(families[i])) == 0)
            return true;
    return false;
}

static bool is_quantified(const struct sql_call *call)
{
    const char *space = strrchr(call->name, ' ');
    return call->is_operator && space && (strcmp(space, " ANY") == 0 || strcmp(space, " ALL") == 0);
}

int bind_refuse_call(struct binder *b, const struct sql_expr *e)
{
    const struct sql_call *call = e->call;
    struct source_pos pos = call->name_pos.line ? call->name_pos : e->pos;
    if (call->qualified) {
        diag_error(b->err, b->source, pos, "functions of a catalog are not supported yet");
        return diag_hint(b->err, "functions are built in");
    }
    if (is_quantified(call) && call->args.items[1]->kind != SQL_EXPR_SUBQUERY) {
        diag_error(b->err, b->source, pos, "%s over a list is not supported yet", call->name);
        return diag_hint(b->err, "= ANY is IN, <> ALL is NOT IN, others are joined by OR and AND");
    }
    if (call->is_operator) {
        const struct known *known = find(operators, ARRAY_SIZE(operators), call->name);
        return known ? diag_error(b->err, b->source, e->pos, "%s is not supported yet", known->hint)
                     : 0;
    }
    const struct known *known = find(functions, ARRAY_SIZE(functions), call->name);
    if (!known && !in_family(call->name))
        return 0;
    diag_error(b->err, b->source, pos, "the function %s is not supported yet", call->name);
    return known && known->hint ? diag_hint(b->err, "%s", known->hint) : -EINVAL;
}
