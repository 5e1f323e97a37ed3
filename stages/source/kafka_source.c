// kafka_source.c: the kafka connector as a source: topics read by offset, one split a partition.
//
// In the arena: the partitions of this subtask and, for each, the next offset, how many rows of
// that message are consumed, its watermark. Private: the consumer with what it has read ahead, and
// the window of messages that are given and not committed. Where to begin is found out once, and is
// in the arena before the first message is asked for, so a successor never finds it out anew.
//
// What the brokers have to say comes in between two transactions (kafka_outside.c); nothing here
// waits for them.
#include "stages/source/kafka_source.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "stages/kafka/topics.h"

// --- splits ---

void kafka_split_load(struct kafka_source *k, uint32_t split)
{
    const struct kafka_entry *entry = &k->positions.entries[split];
    struct source_split *shown = &k->base.splits[split];
    shown->watermark_ms = entry->place.watermark_ms;
    shown->is_idle = entry->place.is_idle != 0;
    shown->is_done = kafka_entry_is_done(entry);
}

void kafka_splits_grow(struct kafka_source *k)
{
    const uint32_t count = (uint32_t)k->positions.count, before = k->base.split_count;
    if (count > k->split_capacity || !k->splits) {
        k->split_capacity = count > 8 ? count * 2 : 16;
        k->splits = realloc(k->splits, k->split_capacity * sizeof *k->splits);
        k->base.splits = realloc(k->base.splits, k->split_capacity * sizeof *k->base.splits);
        CHECK(k->splits && k->base.splits);
    }
    for (uint32_t i = before; i < count; i++) {
        const struct kafka_entry *entry = &k->positions.entries[i];
        char name[300];
        snprintf(name, sizeof name, "%s-%d", entry->topic, entry->partition);
        k->splits[i] = (struct kafka_split){
            .name = strdup(name), .fetched = entry->place.offset, .asked_offset = -1};
        CHECK(k->splits[i].name);
        k->base.splits[i] = (struct source_split){.rows_ms = 0};
        kafka_split_load(k, i);
    }
    k->base.split_count = count;
    kafka_window_set_splits(&k->window, count);
}

// After an abort partitions may be gone again; none of them was assigned.
static void shrink_splits(struct kafka_source *k)
{
    for (uint32_t i = (uint32_t)k->positions.count; i < k->base.split_count; i++) {
        CHECK(!k->splits[i].is_assigned);
        free(k->splits[i].name);
    }
    if ((uint32_t)k->positions.count < k->base.split_count)
        k->base.split_count = (uint32_t)k->positions.count;
}

static bool is_message_of(const struct kafka_source *k, uint32_t split,
                          const rd_kafka_message_t *message)
{
    return k->splits[split].rkt == message->rkt &&
           k->positions.entries[split].partition == message->partition;
}

// The split of a message, or -1. Most come behind one of the same.
static int find_split(struct kafka_source *k, const rd_kafka_message_t *message)
{
    if (!message->rkt)
        return -1;
    if (k->last_split < k->base.split_count && is_message_of(k, k->last_split, message))
        return (int)k->last_split;
    for (uint32_t i = 0; i < k->base.split_count; i++)
        if (is_message_of(k, i, message))
            return (int)(k->last_split = i);
    int split =
        kafka_positions_find(&k->positions, rd_kafka_topic_name(message->rkt), message->partition);
    if (split >= 0) {
        k->splits[split].rkt = message->rkt;
        k->last_split = (uint32_t)split;
    }
    return split;
}

static rd_kafka_topic_partition_list_t *new_list(void)
{
    rd_kafka_topic_partition_list_t *list = rd_kafka_topic_partition_list_new(8);
    CHECK(list);
    return list;
}

static rd_kafka_topic_partition_t *add_to(rd_kafka_topic_partition_list_t *list,
                                          const struct kafka_source *k, uint32_t split)
{
    const struct kafka_entry *entry = &k->positions.entries[split];
    return rd_kafka_topic_partition_list_add(list, entry->topic, entry->partition);
}

// Give what is new to the consumer. It is committed: a successor begins at the same offsets.
static int assign_new(struct kafka_source *k, struct err *err)
{
    rd_kafka_topic_partition_list_t *list = new_list();
    for (uint32_t i = 0; i < k->base.split_count; i++) {
        struct kafka_split *split = &k->splits[i];
        if (split->is_assigned || split->is_lost || kafka_entry_is_done(&k->positions.entries[i]))
            continue;
        split->is_assigned = true;
        split->is_paused = false;
        add_to(list, k, i)->offset = split->fetched;
    }
    int rc = list->cnt ? kafka_consumer_assign(k->consumer, list, err) : 0;
    rd_kafka_topic_partition_list_destroy(list);
    return rc;
}

// --- pauses ---

static void pause_split(struct kafka_source *k, uint32_t split, bool pause)
{
    rd_kafka_topic_partition_list_t *list = new_list();
    add_to(list, k, split);
    if (pause)
        rd_kafka_pause_partitions(k->consumer->rk, list);
    else
        rd_kafka_resume_partitions(k->consumer->rk, list);
    rd_kafka_topic_partition_list_destroy(list);
    k->splits[split].is_paused = pause;
}

// No more of it is wanted: what comes all the same is dropped.
static bool is_read_up(const struct kafka_source *k, uint32_t split)
{
    const int64_t end = k->positions.entries[split].end;
    return end != KAFKA_NO_END && k->splits[split].fetched >= end;
}

// Splits that the head has found to be ahead, or not to be any more. What is in the window of one
// that waits is kept aside.
static void follow_alignment(struct kafka_source *k)
{
    for (uint32_t i = 0; i < k->base.split_count; i++) {
        const bool waits = k->base.splits[i].is_ahead;
        if (!k->splits[i].is_assigned || is_read_up(k, i) || waits == k->splits[i].is_paused)
            continue;
        pause_split(k, i, waits);
        if (waits)
            kafka_window_put_aside(&k->window, i);
    }
}

// --- the window ---

// The end of a partition is news only where nothing of it was known: behind the last message there
// may be marks of transactions, which nobody else tells of.
static bool take_end(struct kafka_source *k, struct kafka_item *item)
{
    const int64_t end = k->positions.entries[item->split].end;
    if (item->message->offset <= k->splits[item->split].fetched)
        return false;
    item->is_mark = true;
    item->next = item->message->offset;
    if (end != KAFKA_NO_END && item->next > end)
        item->next = end;
    return true;
}

static bool take_message(struct kafka_source *k, struct kafka_item *item)
{
    const int64_t end = k->positions.entries[item->split].end;
    if (item->message->offset < k->splits[item->split].fetched)
        return false; // it was read before
    item->next = item->message->offset + 1;
    item->is_mark = end != KAFKA_NO_END && item->message->offset >= end;
    if (item->is_mark)
        item->next = end;
    return true;
}

// One that the consumer gives, which is ours from now on. 0 or -errno.
static int take(struct kafka_source *k, rd_kafka_message_t *message, struct err *err)
{
    struct kafka_item item = {.message = message};
    const int split = find_split(k, message);
    const bool is_end = message->err == RD_KAFKA_RESP_ERR__PARTITION_EOF;
    int rc = 0;
    bool is_wanted = false;
    item.split = split < 0 ? 0 : (uint32_t)split;
    if (message->err && !is_end)
        rc = kafka_outside_error(k, message, split, err);
    else if (split >= 0 && k->splits[split].is_assigned && !is_read_up(k, item.split))
        is_wanted = is_end ? take_end(k, &item) : take_message(k, &item);
    if (!is_wanted) {
        rd_kafka_message_destroy(message);
        return rc;
    }
    k->splits[split].fetched = item.next;
    k->item_bytes += ((double)message->len - k->item_bytes) / 64;
    kafka_window_add(&k->window, &item, k->base.splits[split].is_ahead);
    if (is_read_up(k, item.split))
        pause_split(k, item.split, true);
    return 0;
}

static bool take_back(struct kafka_source *k)
{
    for (uint32_t i = 0; k->window.aside_count && i < k->base.split_count; i++)
        if (!k->base.splits[i].is_ahead && kafka_window_take_back(&k->window, i))
            return true;
    return false;
}

// Large messages are taken a few at a time: what is taken is memory beside what is read ahead.
static size_t wanted_messages(const struct kafka_source *k)
{
    const double fit = KAFKA_ROWS_BYTES / (k->item_bytes + 1);
    return fit < 1 ? 1 : fit > KAFKA_ITEMS ? KAFKA_ITEMS : (size_t)fit;
}

static int refill(struct kafka_source *k, struct err *err)
{
    rd_kafka_message_t *messages[KAFKA_ITEMS];
    kafka_window_clear(&k->window);
    k->polled_from = 0;
    if (take_back(k))
        return 0;
    ssize_t count =
        rd_kafka_consume_batch_queue(k->consumer->queue, 0, messages, wanted_messages(k));
    int rc = kafka_outside_look_for_remade(k, err); // they may be of another topic
    if (count > 0)
        kafka_client_is_well(k->consumer->client);
    for (ssize_t i = 0; i < count; i++) {
        if (rc == 0)
            rc = take(k, messages[i], err);
        else
            rd_kafka_message_destroy(messages[i]);
    }
    return rc;
}

// --- rows ---

static struct slice shown_payload(const rd_kafka_message_t *message)
{
    return slice_make(message->payload,
                      message->len < KAFKA_SHOWN_BYTES ? message->len : KAFKA_SHOWN_BYTES);
}

static void take_bad_rows(struct kafka_source *k)
{
    const struct row_trial *trial = k->base.context.input_trial;
    const bool is_blind = k->given_up && trial->is_blind;
    for (uint32_t i = 0; i < k->rows.bad_count; i++) {
        const struct kafka_bad_item *bad = &k->rows.bad[i];
        const struct kafka_item *item = &k->window.items[k->polled_from + bad->item];
        k->bad_rows[i] = (struct bad_row){
            .rows_before = k->rows.first_row[bad->item],
            .position = (uint64_t)item->message->offset,
            .source = k->splits[item->split].name,
            .reason = bad->reason,
            .row = is_blind ? slice_of("") : shown_payload(item->message),
            .message = item->message,
        };
    }
    k->base.bad_rows = k->bad_rows;
    k->base.bad_row_count = (int)k->rows.bad_count;
}

// Which rows are of which split, and how many bytes lie before each item.
static void take_runs(struct kafka_source *k)
{
    const struct kafka_item *items = &k->window.items[k->polled_from];
    uint32_t runs = 0;
    k->bytes_before[0] = 0;
    for (uint32_t i = 0; i < k->rows.item_count; i++) {
        const uint32_t rows = (uint32_t)k->rows.first_row[i + 1] - k->rows.first_row[i];
        const rd_kafka_message_t *message = items[i].message;
        k->bytes_before[i + 1] =
            k->bytes_before[i] + (items[i].is_mark ? 0 : message->len + message->key_len);
        if (!rows)
            continue;
        if (runs && k->runs[runs - 1].split == items[i].split)
            k->runs[runs - 1].rows += rows;
        else
            k->runs[runs++] = (struct source_run){rows, items[i].split};
    }
    k->base.runs = k->runs;
    k->base.run_count = runs;
}

// Has this message killed the task too often?
static bool must_give_up(const struct kafka_source *k, const struct kafka_item *item)
{
    const struct row_trial *trial = k->base.context.input_trial;
    return trial && trial->is_on && !item->is_mark &&
           trial->begin(trial->context, k->splits[item->split].name,
                        (uint64_t)item->message->offset, slice_of(""));
}

static void read_window(struct kafka_source *k, struct batch *batch, uint32_t max_rows)
{
    const struct row_trial *trial = k->base.context.input_trial;
    const bool is_careful = trial && trial->is_on;
    struct kafka_window *w = &k->window;
    const struct kafka_item *first = &w->items[w->at];
    const struct kafka_place *place = &k->positions.entries[first->split].place;
    k->polled_from = w->at;
    k->skipped_rows = !first->is_mark && place->offset == first->message->offset && place->rows > 0
                          ? (uint32_t)place->rows
                          : 0;
    const struct kafka_rows_input input = {
        .items = first,
        .item_count = is_careful ? 1 : w->count - w->at,
        .max_rows = max_rows < BATCH_ROWS ? max_rows : BATCH_ROWS,
        .skip_rows = k->skipped_rows,
    };
    k->given_up = must_give_up(k, first) ? trial->reason : NULL;
    if (k->given_up)
        kafka_rows_refuse(&k->rows, k->given_up, batch);
    else
        kafka_rows_read(&k->rows, &input, batch);
    k->polled_rows = batch->count;
    take_bad_rows(k);
    take_runs(k);
}

// --- the class ---

static bool is_bounded(const struct kafka_source *k)
{
    return k->consumer->table.bound.point != KAFKA_UNBOUNDED;
}

// Nothing ever again.
static bool has_ended(const struct kafka_source *k)
{
    if (!is_bounded(k) || !k->is_verified || !k->positions.has_started)
        return false;
    for (int i = 0; i < k->positions.count; i++)
        if (!kafka_entry_is_done(&k->positions.entries[i]))
            return false;
    return true;
}

// What was polled before is committed, or undone.
static void forget_poll(struct kafka_source *k)
{
    k->polled_from = k->window.at;
    k->polled_rows = 0;
    k->rows.item_count = 0;
    k->rows.is_cut = false;
    k->rows.tombstones = 0;
    k->bytes_before[0] = 0;
    k->base.bad_row_count = 0;
    k->base.run_count = 0;
}

static int kafka_poll(struct source *source, struct batch *batch, uint32_t max_rows,
                      struct source_poll *out, struct err *err)
{
    struct kafka_source *k = (struct kafka_source *)source;
    const int64_t now_ms = source->context.env->realtime_ms(source->context.env);
    batch->count = 0;
    batch->has_kinds = false;
    out->status = SOURCE_IDLE;
    forget_poll(k);
    kafka_silence_poll(k, now_ms); // the head looks at the splits whatever comes of the rest
    int rc = kafka_outside_poll(k, now_ms, err);
    if (rc > 0)
        out->retry_ns = 1; // what has changed is committed before it is acted upon
    if (rc != 0)
        return rc < 0 ? rc : 0;
    kafka_outside_tell(k, now_ms);
    rc = assign_new(k, err);
    follow_alignment(k);
    if (rc == 0 && k->is_verified && kafka_window_is_empty(&k->window))
        rc = refill(k, err);
    if (rc < 0)
        return rc;
    if (!kafka_window_is_empty(&k->window)) {
        read_window(k, batch, max_rows);
        out->status = SOURCE_ROWS;
        return 0;
    }
    out->retry_ms = kafka_outside_next_ms(k);
    out->status = has_ended(k) ? SOURCE_END : SOURCE_IDLE;
    source->has_caught_up = k->positions.has_started;
    return 0;
}

// How many items of the poll are done with when `rows` rows are consumed, and how many rows of the
// next one are. Behind the last row wanted, an item without rows is not: what is bad about it is
// reported with the row behind it.
static uint32_t items_done(const struct kafka_source *k, uint32_t rows, uint32_t *extra)
{
    const struct kafka_rows *r = &k->rows;
    uint32_t low = 0, high = r->item_count; // the first item with first_row >= rows
    *extra = 0;
    if (rows == k->polled_rows && r->item_count) {
        const uint32_t whole = r->item_count - r->is_cut;
        *extra = r->is_cut ? rows - r->first_row[whole] : 0;
        return whole;
    }
    while (low < high) {
        const uint32_t middle = low + (high - low) / 2;
        if (r->first_row[middle] < rows)
            low = middle + 1;
        else
            high = middle;
    }
    if (low > 0 && r->first_row[low] > rows) {
        low--;
        *extra = rows - r->first_row[low];
    }
    return low;
}

static void set_place(struct kafka_source *k, uint32_t split, int64_t offset, int64_t rows)
{
    struct source_split *shown = &k->base.splits[split];
    const struct kafka_place place = {offset, rows, shown->watermark_ms, shown->is_idle};
    kafka_positions_set(&k->positions, (int)split, &place);
    shown->is_done = kafka_entry_is_done(&k->positions.entries[split]);
}

// Items [at, done) of the poll are done with: nulls among them that stand for no row are counted.
static void count_tombstones(struct kafka_source *k, uint32_t at, uint32_t done)
{
    const struct kafka_item *items = &k->window.items[k->polled_from];
    uint32_t count = 0;
    for (; k->rows.tombstones && at < done; at++)
        count += !items[at].is_mark && !items[at].message->payload &&
                 k->rows.first_row[at] == k->rows.first_row[at + 1];
    if (count)
        kafka_positions_skip(&k->positions, count);
}

static int kafka_advance(struct source *source, uint32_t rows)
{
    struct kafka_source *k = (struct kafka_source *)source;
    const struct kafka_item *items = &k->window.items[k->polled_from];
    uint32_t extra, done = items_done(k, rows, &extra), at = k->window.at - k->polled_from;
    op_count_bytes(source->context.bytes_in, k->bytes_before[done] - k->bytes_before[at]);
    count_tombstones(k, at, done);
    while (at < done) {
        const uint32_t split = items[at].split;
        while (at < done && items[at].split == split)
            at++;
        set_place(k, split, items[at - 1].next, 0);
    }
    if (extra)
        set_place(k, items[done].split, items[done].message->offset,
                  (int64_t)extra + (done == 0 ? k->skipped_rows : 0));
    for (uint32_t i = 0; i < source->split_count; i++) { // watermarks that have moved elsewhere
        const struct kafka_place *place = &k->positions.entries[i].place;
        if (source->splits[i].watermark_ms != place->watermark_ms ||
            source->splits[i].is_idle != (place->is_idle != 0))
            set_place(k, i, place->offset, place->rows);
    }
    k->window.at = k->polled_from + done;
    k->has_uncommitted = true;
    return 0;
}

static void kafka_place_of(const struct source *source, uint32_t row, struct row_place *out)
{
    const struct kafka_source *k = (const struct kafka_source *)source;
    CHECK(row < k->polled_rows);
    const struct kafka_item *item =
        &k->window.items[k->polled_from + kafka_rows_item(&k->rows, row)];
    *out = (struct row_place){.source = k->splits[item->split].name,
                              .position = (uint64_t)item->message->offset,
                              .text = shown_payload(item->message),
                              .message = item->message};
}

static void kafka_reset(struct source *source)
{
    struct kafka_source *k = (struct kafka_source *)source;
    struct kafka_window *w = &k->window;
    const int before = k->positions.count;
    kafka_positions_reload(&k->positions);
    shrink_splits(k);
    if (k->positions.count < before || !k->positions.has_started)
        k->next_look_ms = 0; // what was found is found again
    for (uint32_t i = 0; i < source->split_count; i++)
        kafka_split_load(k, i);
    for (w->at = 0; w->at < w->count; w->at++) {
        const struct kafka_item *item = &w->items[w->at];
        if (item->next > k->positions.entries[item->split].place.offset)
            break;
    }
    forget_poll(k);
}

static void kafka_barrier(struct source *source, uint64_t checkpoint)
{
    struct kafka_source *k = (struct kafka_source *)source;
    for (uint32_t i = 0; i < source->split_count; i++)
        k->splits[i].barrier_offset = k->positions.entries[i].place.offset;
    k->barrier = checkpoint;
}

static void kafka_complete(struct source *source, uint64_t checkpoint)
{
    struct kafka_source *k = (struct kafka_source *)source;
    if (checkpoint == k->barrier)
        kafka_outside_commit(k, true);
}

static void kafka_close(struct source *source)
{
    struct kafka_source *k = (struct kafka_source *)source;
    kafka_silence_close(k);
    if (k->consumer)
        kafka_consumer_set_wake(k->consumer, NULL);
    kafka_window_fini(&k->window);
    kafka_rows_fini(&k->rows);
    kafka_consumer_destroy(k->consumer);
    for (uint32_t i = 0; i < source->split_count; i++)
        free(k->splits[i].name);
    free(k->splits);
    free(source->splits);
    kafka_positions_close(&k->positions);
    free(k);
}

static int kafka_open(const struct op_context *context, struct source **out, struct err *err)
{
    const struct plan_table *table = context->op->table;
    struct kafka_source *k = calloc(1, sizeof *k);
    CHECK(k && context->op->kind == OP_SOURCE);
    k->base = (struct source){.class = &kafka_source_class, .context = *context};
    kafka_window_init(&k->window);
    k->consumer = op_take_warm(context);
    int rc = k->consumer ? 0 : kafka_consumer_create(context, &k->consumer, err);
    if (rc == 0)
        rc = kafka_rows_init(&k->rows, &k->consumer->table, err);
    if (rc == 0 &&
        kafka_positions_open(&k->positions, context->arena, (uint32_t)context->op->id) < 0)
        rc = err_set(err, -ENOSPC, "no room in the task's memory for the positions of partitions");
    if (rc < 0) {
        err_prefix(err, rc, "table %s", table->name);
        kafka_close(&k->base);
        return rc;
    }
    kafka_splits_grow(k);
    k->opened_ms = context->env->realtime_ms(context->env);
    k->item_bytes = 1 << 10;
    kafka_consumer_set_wake(k->consumer, &k->base.context);
    kafka_silence_open(k);
    *out = &k->base;
    return 0;
}

// How far it is, and how far that is from the end as the brokers last said.
static void describe_split(const struct kafka_source *k, uint32_t split, struct buf *out)
{
    const struct kafka_entry *entry = &k->positions.entries[split];
    int64_t low = RD_KAFKA_OFFSET_INVALID, high = RD_KAFKA_OFFSET_INVALID;
    buf_append_str(out, "{\"topic\":");
    buf_append_json_string(out, slice_of(entry->topic));
    buf_printf(out, ",\"partition\":%d,\"offset\":%lld", entry->partition,
               (long long)entry->place.offset);
    rd_kafka_get_watermark_offsets(k->consumer->rk, entry->topic, entry->partition, &low, &high);
    if (high >= entry->place.offset)
        buf_printf(out, ",\"lag\":%lld", (long long)(high - entry->place.offset));
    const int64_t lost = kafka_positions_lost(&k->positions, (int)split);
    if (lost)
        buf_printf(out, ",\"lost\":%lld", (long long)lost);
    buf_append_str(out, "}");
}

static void kafka_describe(const struct source *source, struct buf *out)
{
    enum { SHOWN = 256 }; // partitions
    const struct kafka_source *k = (const struct kafka_source *)source;
    buf_append_str(out, "\"source\":{\"table\":");
    buf_append_json_string(out, slice_of(source->context.op->table->name));
    buf_printf(out, ",\"connector\":\"kafka\",\"partitions\":%d", k->positions.count);
    const uint64_t tombstones = kafka_positions_skipped(&k->positions);
    if (tombstones)
        buf_printf(out, ",\"tombstones\":%llu", (unsigned long long)tombstones);
    buf_append_str(out, ",\"positions\":[");
    for (uint32_t i = 0; i < source->split_count && i < SHOWN; i++) {
        if (i)
            buf_append_char(out, ',');
        describe_split(k, i, out);
    }
    buf_append_str(out, "]}");
}

static int kafka_check(const struct plan_table *table, struct err *err)
{
    struct kafka_table parsed;
    struct kafka_rows rows = {0};
    enum { CHECK_MS = 15000 };
    const struct kafka_client_spec spec = {
        .table = &parsed, .role = KAFKA_CONSUMER, .job_name = "check", .subtask = -1};
    int rc = kafka_table_parse(table, "check", &parsed, err);
    if (rc == 0)
        rc = kafka_properties_check(&parsed, KAFKA_CONSUMER, err);
    if (rc == 0) {
        rc = kafka_rows_init(&rows, &parsed, err);
        kafka_rows_fini(&rows);
    }
    if (rc == 0)
        rc = kafka_check_cluster(&spec, CHECK_MS, NULL, NULL, err);
    kafka_table_fini(&parsed);
    return rc < 0 ? err_prefix(err, rc, "table %s", table->name) : 0;
}

const struct source_class kafka_source_class = {
    .name = "kafka",
    .check = kafka_check,
    .open = kafka_open,
    .poll = kafka_poll,
    .advance = kafka_advance,
    .place = kafka_place_of,
    .reset = kafka_reset,
    .describe = kafka_describe,
    .barrier = kafka_barrier,
    .complete = kafka_complete,
    .close = kafka_close,
    .warm = kafka_consumer_warm,
    .cool = kafka_consumer_cool,
    .savepoint = &kafka_savepoint,
};
