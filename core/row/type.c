// type.c: how types are written, and look-up by name.
#include "core/row/type.h"

static const char *const kind_names[TYPE_KIND_COUNT] = {
    [TYPE_NULL] = "NULL",
    [TYPE_BOOLEAN] = "BOOLEAN",
    [TYPE_INT] = "INT",
    [TYPE_BIGINT] = "BIGINT",
    [TYPE_DOUBLE] = "DOUBLE",
    [TYPE_STRING] = "STRING",
    [TYPE_DATE] = "DATE",
    [TYPE_TIME] = "TIME",
    [TYPE_TIMESTAMP] = "TIMESTAMP",
    [TYPE_TIMESTAMP_LTZ] = "TIMESTAMP_LTZ",
    [TYPE_INTERVAL_DAY] = "INTERVAL DAY TO SECOND",
    [TYPE_INTERVAL_MONTH] = "INTERVAL YEAR TO MONTH",
};

const char *type_kind_name(enum type_kind kind)
{
    return kind_names[kind];
}

void type_format(const struct type *type, struct buf *out)
{
    if (type->kind == TYPE_STRING && type->length)
        buf_printf(out, "%s(%u)", type->fixed_length ? "CHAR" : "VARCHAR", type->length);
    else
        buf_append_str(out, kind_names[type->kind]);
    if (type_is_timestamp(type->kind))
        buf_printf(out, "(%u)", type->precision);
    if (type->kind == TYPE_TIME)
        buf_append_str(out, "(0)");
    if (type->rowtime)
        buf_append_str(out, " *ROWTIME*");
    if (type->not_null)
        buf_append_str(out, " NOT NULL");
}

int schema_find(const struct schema *schema, const char *name)
{
    for (int i = 0; i < schema->field_count; i++)
        if (strcmp(schema->fields[i].name, name) == 0)
            return i;
    return -1;
}
