// batch.c: allocation, views and compaction of column batches.
#include "core/row/batch.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

static void *alloc_zeroed(size_t count, size_t bytes)
{
    void *p = calloc(count, bytes);
    CHECK(p);
    return p;
}

void column_init(struct column *column, enum type_kind kind)
{
    column->kind = kind;
    column->all_present = true;
    column->i64 = alloc_zeroed(BATCH_ROWS, column_slot_bytes(kind));
    column->state = alloc_zeroed(BATCH_ROWS, 1);
}

void column_fini(struct column *column)
{
    free(column->i64);
    free(column->state);
    *column = (struct column){0};
}

void batch_init(struct batch *batch, const struct schema *schema)
{
    *batch = (struct batch){.column_count = schema->field_count};
    batch->columns = alloc_zeroed((size_t)schema->field_count + 1, sizeof(struct column));
    batch->kinds = alloc_zeroed(BATCH_ROWS, 1);
    for (int i = 0; i < schema->field_count; i++)
        column_init(&batch->columns[i], schema->fields[i].type.kind);
}

void batch_fini(struct batch *batch)
{
    for (int i = 0; i < batch->column_count; i++)
        column_fini(&batch->columns[i]);
    free(batch->columns);
    free(batch->kinds);
    *batch = (struct batch){0};
}

void column_summarize(struct column *column, uint32_t count)
{
    uint64_t any = 0, word;
    uint32_t i = 0;
    for (; i + 8 <= count; i += 8) {
        memcpy(&word, column->state + i, 8);
        any |= word;
    }
    for (; i < count; i++)
        any |= column->state[i];
    column->all_present = any == VALUE_PRESENT;
}

static void column_compact(struct column *column, const uint16_t *rows, uint32_t count)
{
    if (column->kind == TYPE_STRING) {
        for (uint32_t i = 0; i < count; i++)
            column->str[i] = column->str[rows[i]];
    } else {
        for (uint32_t i = 0; i < count; i++)
            column->i64[i] = column->i64[rows[i]];
    }
    if (column->all_present)
        return;
    for (uint32_t i = 0; i < count; i++)
        column->state[i] = column->state[rows[i]];
    uint8_t any = 0;
    for (uint32_t i = 0; i < count; i++)
        any |= column->state[i];
    column->all_present = any == VALUE_PRESENT;
}

void batch_compact(struct batch *batch, const uint16_t *rows, uint32_t count)
{
    CHECK(count <= batch->count);
    for (int c = 0; c < batch->column_count; c++)
        column_compact(&batch->columns[c], rows, count);
    if (batch->has_kinds)
        for (uint32_t i = 0; i < count; i++)
            batch->kinds[i] = batch->kinds[rows[i]];
    if (batch->origin)
        for (uint32_t i = 0; i < count; i++)
            batch->origin[i] = batch->origin[rows[i]];
    batch->count = count;
}

struct batch batch_view(const struct batch *batch, uint32_t from, uint32_t to,
                        struct column *columns)
{
    CHECK(from <= to && to <= batch->count);
    struct batch view = *batch;
    view.count = to - from;
    view.columns = columns;
    view.kinds = batch->kinds + from;
    view.origin = batch->origin ? batch->origin + from : NULL;
    for (int c = 0; c < batch->column_count; c++) {
        columns[c] = batch->columns[c];
        columns[c].state += from;
        if (columns[c].kind == TYPE_STRING)
            columns[c].str += from;
        else
            columns[c].i64 += from;
    }
    return view;
}

const char *row_kind_name(enum row_kind kind)
{
    static const char *const names[] = {"+I", "-U", "+U", "-D"};
    return names[kind & 3];
}
