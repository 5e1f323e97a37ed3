// kafka_rows.c: see kafka_rows.h.
//
// The columns of value and key are views of the batch's: a reader adds rows at the end of its view,
// and both views have the same count between two messages. Where a payload is bad, both are set
// back to where its message began; what the reader wrote behind that is written over.
#include "stages/source/kafka_rows.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/format/headers.h"

// --- life ---

static int create_reader(const struct kafka_part *part, struct reader **out, struct err *err)
{
    int rc = reader_create(&part->format, &part->schema, part->needed, out, err);
    if (rc == 0 && reader_takes_lines(*out))
        reader_set_payload_lines(*out, true);
    return rc;
}

static void init_view(struct batch *view, int columns)
{
    *view = (struct batch){.column_count = columns};
    view->columns = calloc((size_t)columns + 1, sizeof *view->columns);
    CHECK(view->columns);
}

int kafka_rows_init(struct kafka_rows *rows, const struct kafka_table *table, struct err *err)
{
    const struct kafka_part *value = &table->value, *key = &table->key;
    memset(rows, 0, sizeof *rows);
    rows->table = table;
    init_view(&rows->value_rows, value->needed_count);
    init_view(&rows->key_rows, key->needed_count);
    // A payload of which no column is wanted has to be a sound one all the same; any bytes are raw.
    const bool is_any = value->needed_count == 0 && value->format.kind == FORMAT_RAW;
    int rc = is_any ? 0 : create_reader(value, &rows->value, err);
    if (rc == 0 && key->is_present && key->needed_count)
        rc = create_reader(key, &rows->key, err);
    return rc;
}

void kafka_rows_fini(struct kafka_rows *rows)
{
    reader_free(rows->value);
    reader_free(rows->key);
    free(rows->value_rows.columns);
    free(rows->key_rows.columns);
    pool_fini(&rows->scratch);
    buf_fini(&rows->text);
    memset(rows, 0, sizeof *rows);
}

// --- views ---

static void begin_view(struct reader *reader, const struct kafka_part *part,
                       const struct batch *batch, struct batch *view)
{
    for (int i = 0; i < view->column_count; i++)
        view->columns[i] = batch->columns[part->source_columns[i]];
    view->kinds = batch->kinds;
    view->has_kinds = false;
    view->count = 0;
    if (reader)
        reader_begin(reader, view);
}

static void end_view(const struct kafka_part *part, const struct batch *view, struct batch *batch)
{
    for (int i = 0; i < view->column_count; i++)
        batch->columns[part->source_columns[i]].all_present = view->columns[i].all_present;
}

static void set_back(struct kafka_rows *rows, uint32_t count)
{
    rows->value_rows.count = count;
    rows->key_rows.count = count;
}

// --- one payload at a time ---

static struct slice payload_of(const rd_kafka_message_t *message)
{
    return slice_make(message->payload, message->len);
}

static void add_bad(struct kafka_rows *rows, uint32_t item, const char *reason)
{
    CHECK(rows->bad_count < READER_BAD_ROWS);
    struct kafka_bad_item *bad = &rows->bad[rows->bad_count++];
    bad->item = item;
    snprintf(bad->reason, sizeof bad->reason, "%s", reason);
}

static void add_null_key(struct batch *view)
{
    for (int i = 0; i < view->column_count; i++) {
        struct column *column = &view->columns[i];
        column->state[view->count] = VALUE_NULL;
        column->all_present = false;
        if (column->kind == TYPE_STRING)
            column->str[view->count] = (struct slice){0};
        else
            column->i64[view->count] = 0;
    }
    view->count++;
}

// The key of a row, as often as the value has rows. 0 or -EBADMSG.
static int read_key(struct kafka_rows *rows, const rd_kafka_message_t *message, int count,
                    char *reason)
{
    char why[READER_REASON_BYTES];
    for (int i = 0; i < count; i++) {
        const struct slice key = slice_make(message->key, message->key_len);
        int rc = message->key ? reader_parse_one(rows->key, key, &rows->key_rows, why) : 0;
        if (rc < 0) {
            snprintf(reason, READER_REASON_BYTES, "key: %.*s", READER_REASON_BYTES - 8, why);
            return rc;
        }
        if (rc == 0)
            add_null_key(&rows->key_rows);
    }
    return 0;
}

// How many rows the message has given, which are behind those before it.
static uint32_t read_one(struct kafka_rows *rows, const struct kafka_item *item, uint32_t index)
{
    const uint32_t before = rows->value_rows.count;
    const rd_kafka_message_t *message = item->message;
    char reason[READER_REASON_BYTES];
    int count = 1, rc = 0;
    if (item->is_mark)
        return 0;
    if (rows->value)
        count = reader_parse_one(rows->value, payload_of(message), &rows->value_rows, reason);
    else
        rows->value_rows.count++;
    rows->tombstones += count == 0 && !message->payload;
    if (count > 0 && rows->key)
        rc = read_key(rows, message, count, reason);
    if (count > 0 && rc == 0) {
        rows->key_rows.count = rows->value_rows.count;
        return (uint32_t)count;
    }
    set_back(rows, before);
    if (count < 0 || rc < 0)
        add_bad(rows, index, reason);
    return 0;
}

// --- many lines at a time ---

static bool is_line(const void *bytes, size_t len)
{
    return bytes && len && !memchr(bytes, '\n', len);
}

static bool is_plain(const struct kafka_rows *rows, const struct kafka_item *item)
{
    const rd_kafka_message_t *message = item->message;
    return !item->is_mark && is_line(message->payload, message->len) &&
           (!rows->key || is_line(message->key, message->key_len));
}

static struct slice join_lines(struct kafka_rows *rows, const struct kafka_item *items,
                               uint32_t count, bool keys)
{
    size_t bytes = 0;
    for (uint32_t i = 0; i < count; i++)
        bytes += (keys ? items[i].message->key_len : items[i].message->len) + 1;
    char *lines = pool_alloc(&rows->scratch, bytes), *at = lines;
    for (uint32_t i = 0; i < count; i++) {
        const rd_kafka_message_t *message = items[i].message;
        size_t len = keys ? message->key_len : message->len;
        memcpy(at, keys ? message->key : message->payload, len);
        at += len;
        *at++ = '\n';
    }
    return slice_make(lines, bytes);
}

// Of `count` items that were joined: which has which rows, as far as the reader came. Returns how
// many items that are.
static uint32_t match_lines(struct kafka_rows *rows, const struct kafka_item *items, uint32_t count,
                            uint32_t first, uint32_t before)
{
    const struct reader_result *result = &rows->result;
    uint64_t at = 0;
    uint32_t row = before, bad = 0, i = 0;
    for (; i < count && at < result->consumed; i++) {
        const uint64_t end = at + items[i].message->len + 1;
        rows->first_row[first + i] = (uint16_t)row;
        if (bad < result->bad_row_count && result->bad_rows[bad].offset < end)
            add_bad(rows, first + i, result->bad_rows[bad++].reason);
        else if (row < rows->value_rows.count && result->row_end[row] == end)
            row++;
        at = end;
    }
    CHECK(row == rows->value_rows.count && bad == result->bad_row_count);
    return i;
}

// Read `count` plain items from items[first] on. Returns how many were used, 0: none of them can be
// read together.
static uint32_t read_lines(struct kafka_rows *rows, const struct kafka_item *items, uint32_t first,
                           uint32_t count)
{
    const uint32_t before = rows->value_rows.count;
    struct reader_result *result = &rows->result;
    reader_parse_more(rows->value, join_lines(rows, items + first, count, false), true, result,
                      &rows->value_rows);
    bool is_whole = rows->value_rows.count - before == count;
    if (!is_whole && !rows->key) {
        rows->key_rows.count = rows->value_rows.count;
        return match_lines(rows, items + first, count, first, before);
    }
    if (is_whole && rows->key) {
        reader_parse_more(rows->key, join_lines(rows, items + first, count, true), true, result,
                          &rows->key_rows);
        is_whole = rows->key_rows.count == rows->value_rows.count;
    }
    set_back(rows, is_whole ? before + count : before);
    for (uint32_t i = 0; i < count; i++)
        rows->first_row[first + i] = (uint16_t)(before + i);
    return is_whole ? count : 0;
}

// --- metadata ---

static const char *timestamp_type_name(rd_kafka_timestamp_type_t type)
{
    switch (type) {
    case RD_KAFKA_TIMESTAMP_CREATE_TIME:
        return "CreateTime";
    case RD_KAFKA_TIMESTAMP_LOG_APPEND_TIME:
        return "LogAppendTime";
    default:
        return "NoTimestampType";
    }
}

static struct slice headers_of(struct kafka_rows *rows, const rd_kafka_message_t *message)
{
    rd_kafka_headers_t *list = NULL;
    int count = 0;
    if (rd_kafka_message_headers(message, &list) == RD_KAFKA_RESP_ERR_NO_ERROR)
        count = (int)rd_kafka_header_cnt(list);
    struct header *headers = pool_zalloc(&rows->scratch, ((size_t)count + 1) * sizeof *headers);
    for (int i = 0; i < count; i++) {
        const char *name;
        const void *value;
        size_t size;
        CHECK(rd_kafka_header_get_all(list, (size_t)i, &name, &value, &size) == 0);
        headers[i] = (struct header){slice_of(name), slice_make(value, size), !value};
    }
    buf_clear(&rows->text);
    headers_format(headers, count, &rows->text);
    return pool_copy(&rows->scratch, buf_slice(&rows->text));
}

struct cell { // one value of a metadata column
    struct slice text;
    int64_t number;
    bool is_null;
};

static struct cell metadata_of(struct kafka_rows *rows, const rd_kafka_message_t *message,
                               enum kafka_metadata key)
{
    rd_kafka_timestamp_type_t type = RD_KAFKA_TIMESTAMP_NOT_AVAILABLE;
    int64_t number;
    switch (key) {
    case KAFKA_META_TOPIC:
        return (struct cell){.text = slice_of(rd_kafka_topic_name(message->rkt))};
    case KAFKA_META_PARTITION:
        return (struct cell){.number = message->partition};
    case KAFKA_META_HEADERS:
        return (struct cell){.text = headers_of(rows, message)};
    case KAFKA_META_LEADER_EPOCH:
        number = rd_kafka_message_leader_epoch(message);
        return (struct cell){.number = number < 0 ? 0 : number, .is_null = number < 0};
    case KAFKA_META_OFFSET:
        return (struct cell){.number = message->offset};
    case KAFKA_META_TIMESTAMP:
        return (struct cell){.number = rd_kafka_message_timestamp(message, &type)};
    default:
        rd_kafka_message_timestamp(message, &type);
        return (struct cell){.text = slice_of(timestamp_type_name(type))};
    }
}

static void fill_metadata(struct kafka_rows *rows, const struct kafka_item *items,
                          enum kafka_metadata key, struct column *column)
{
    column->all_present = true;
    for (uint32_t i = 0; i < rows->item_count; i++) {
        const uint32_t until = rows->first_row[i + 1];
        if (until == rows->first_row[i])
            continue;
        const struct cell cell = metadata_of(rows, items[i].message, key);
        column->all_present &= !cell.is_null;
        for (uint32_t row = rows->first_row[i]; row < until; row++) {
            column->state[row] = cell.is_null ? VALUE_NULL : VALUE_PRESENT;
            if (column->kind == TYPE_STRING)
                column->str[row] = cell.text;
            else
                column->i64[row] = cell.number;
        }
    }
}

// --- a batch ---

// How many of the items from `from` on are read together; 0: the first is read by itself.
static uint32_t plain_items(const struct kafka_rows *rows, const struct kafka_rows_input *input,
                            uint32_t from, uint64_t *bytes)
{
    uint32_t room = input->max_rows - rows->value_rows.count, count = 0;
    if (!rows->value || !reader_takes_lines(rows->value) ||
        (rows->key && !reader_takes_lines(rows->key)) || (from == 0 && input->skip_rows))
        return 0;
    while (from + count < input->item_count && count < room && *bytes < KAFKA_ROWS_BYTES) {
        const struct kafka_item *item = &input->items[from + count];
        if (!is_plain(rows, item))
            break;
        *bytes += item->message->len;
        count++;
    }
    return count;
}

// The rows of the first item that are consumed already go, and those for which there is no room.
static void cut_rows(struct kafka_rows *rows, const struct kafka_rows_input *input, uint32_t index)
{
    const uint32_t first = rows->first_row[index], count = rows->value_rows.count;
    const uint32_t skip = index == 0 && input->skip_rows < count ? input->skip_rows : 0;
    uint16_t kept[READER_PAYLOAD_ROWS];
    if (skip) { // the only rows of the batch
        for (uint32_t i = skip; i < count; i++)
            kept[i - skip] = (uint16_t)i;
        batch_compact(&rows->value_rows, kept, count - skip);
        batch_compact(&rows->key_rows, kept, count - skip);
    }
    rows->is_cut = rows->value_rows.count > input->max_rows;
    if (rows->is_cut) {
        CHECK(first < input->max_rows);
        set_back(rows, input->max_rows);
    }
}

// May another item be read into the batch, whatever it is?
static bool has_room(const struct kafka_rows *rows, const struct kafka_rows_input *input)
{
    const uint32_t count = rows->value_rows.count;
    return count < input->max_rows && count <= BATCH_ROWS - READER_PAYLOAD_ROWS &&
           rows->bad_count == 0;
}

// Items from `index` on into rows. Returns the index behind those that were used.
static uint32_t read_some(struct kafka_rows *rows, const struct kafka_rows_input *input,
                          uint32_t index, uint64_t *bytes)
{
    uint32_t plain = plain_items(rows, input, index, bytes);
    const uint32_t used = plain ? read_lines(rows, input->items, index, plain) : 0;
    if (used)
        return index + used;
    if (!plain) {
        *bytes += input->items[index].message->len;
        plain = 1;
    }
    for (uint32_t i = 0; i < plain && (i == 0 || has_room(rows, input)); i++, index++) {
        rows->first_row[index] = (uint16_t)rows->value_rows.count;
        read_one(rows, &input->items[index], index);
        cut_rows(rows, input, index);
    }
    return index;
}

void kafka_rows_read(struct kafka_rows *rows, const struct kafka_rows_input *input,
                     struct batch *batch)
{
    const struct kafka_table *table = rows->table;
    uint64_t bytes = 0;
    uint32_t at = 0;
    CHECK(input->item_count && input->max_rows && input->max_rows <= BATCH_ROWS);
    pool_reset(&rows->scratch);
    begin_view(rows->value, &table->value, batch, &rows->value_rows);
    begin_view(rows->key, &table->key, batch, &rows->key_rows);
    rows->bad_count = 0;
    rows->tombstones = 0;
    rows->is_cut = false;
    while (at < input->item_count && has_room(rows, input) && (bytes < KAFKA_ROWS_BYTES || at == 0))
        at = read_some(rows, input, at, &bytes);
    rows->item_count = at;
    rows->first_row[at] = (uint16_t)rows->value_rows.count;
    end_view(&table->value, &rows->value_rows, batch);
    end_view(&table->key, &rows->key_rows, batch);
    batch->count = rows->value_rows.count;
    batch->has_kinds = rows->value_rows.has_kinds && batch->count;
    for (int key = 0; key < KAFKA_META_COUNT; key++)
        if (table->source_metadata[key] >= 0)
            fill_metadata(rows, input->items, (enum kafka_metadata)key,
                          &batch->columns[table->source_metadata[key]]);
}

void kafka_rows_refuse(struct kafka_rows *rows, const char *reason, struct batch *batch)
{
    rows->item_count = 1;
    rows->first_row[0] = rows->first_row[1] = 0;
    rows->bad_count = 0;
    rows->tombstones = 0;
    rows->is_cut = false;
    add_bad(rows, 0, reason);
    batch->count = 0;
    batch->has_kinds = false;
}

uint32_t kafka_rows_item(const struct kafka_rows *rows, uint32_t row)
{
    uint32_t low = 0, high = rows->item_count; // first_row[low] <= row < first_row[high]
    while (high - low > 1) {
        const uint32_t middle = low + (high - low) / 2;
        if (rows->first_row[middle] <= row)
            low = middle;
        else
            high = middle;
    }
    return low;
}
