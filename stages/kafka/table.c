// table.c: see table.h. Options are read in the order of the struct; every refusal names the option
// first, in quotes, so that who reports it can say where it stands.
#include "stages/kafka/table.h"

#include <assert.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/number.h"
#include "core/expr/regex.h"

#define DEFAULT_BUFFER (UINT64_C(32) << 20)
enum { DEFAULT_DISCOVERY_MS = 300000, TOPIC_BYTES = 249 };

struct reading {
    const struct plan_table *table;
    const char *job_name;
    struct kafka_table *out;
    struct err *err;
};

static const char *option(const struct reading *r, const char *key)
{
    for (int i = 0; i < r->table->option_count; i++)
        if (strcmp(r->table->options[i].key, key) == 0)
            return r->table->options[i].value;
    return NULL;
}

// Index of the option's value in `names`; the first is the default.
static int choice(const struct reading *r, const char *key, const char *const *names, int count)
{
    const char *value = option(r, key);
    int found = 0;
    for (int i = 0; value && i < count; i++)
        found = strcmp(names[i], value) == 0 ? i : found;
    CHECK(!value || strcmp(names[found], value) == 0); // the binder knows the names too
    return found;
}

// The parts of "a;b;c", trimmed. Returns how many.
static int split(const struct reading *r, const char *text, const char ***out)
{
    struct pool *pool = &r->out->pool;
    const char **items = pool_alloc(pool, (strlen(text) + 2) * sizeof(*items));
    int count = 0;
    for (const char *p = text;;) {
        const char *end = p + strcspn(p, ";"), *last = end;
        p += strspn(p, " \t");
        while (last > p && (last[-1] == ' ' || last[-1] == '\t'))
            last--;
        items[count++] = pool_strndup(pool, p, last > p ? (size_t)(last - p) : 0);
        if (!*end)
            break;
        p = end + 1;
        if (!p[strspn(p, " \t")]) // one ';' at the end is nothing
            break;
    }
    *out = items;
    return count;
}

// --- topics and properties ---

static bool is_topic_name(const char *name)
{
    static const char allowed[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-";
    size_t len = strlen(name);
    return len >= 1 && len <= TOPIC_BYTES && strspn(name, allowed) == len && strcmp(name, ".") &&
           strcmp(name, "..");
}

static int read_topic_names(const struct reading *r, const char *text)
{
    r->out->topic_count = split(r, text, &r->out->topics);
    for (int i = 0; i < r->out->topic_count; i++) {
        const char *name = r->out->topics[i];
        if (!is_topic_name(name))
            return err_set(r->err, -EINVAL,
                           "'topic': '%s' is no name of a topic: 1 to %d letters, digits, '.', "
                           "'_' and '-'; several names are separated by ';'",
                           name, TOPIC_BYTES);
        for (int before = 0; before < i; before++)
            if (strcmp(r->out->topics[before], name) == 0)
                return err_set(r->err, -EINVAL, "'topic' names '%s' twice", name);
    }
    return 0;
}

static int read_topics(const struct reading *r)
{
    const char *topic = option(r, "topic"), *pattern = option(r, "topic-pattern");
    if (topic && pattern)
        return err_set(r->err, -EINVAL, "'topic-pattern' and 'topic' cannot both be given");
    if (!topic && !pattern)
        return err_set(r->err, -EINVAL,
                       "the option 'topic' is missing: 'topic' = 'name', several separated by "
                       "';'%s",
                       r->out->is_upsert ? "" : ", or 'topic-pattern'");
    if (topic)
        return read_topic_names(r, topic);
    struct err cause = {0};
    r->out->topic_pattern = pattern;
    struct regex *regex = regex_compile(slice_of(pattern), true, &cause);
    if (!regex)
        return err_set(r->err, -EINVAL, "'topic-pattern' = '%s': %s", pattern, cause.text);
    regex_free(regex);
    return 0;
}

static int read_properties(const struct reading *r)
{
    static const char prefix[] = "properties.";
    size_t prefix_len = sizeof(prefix) - 1;
    struct kafka_table *out = r->out;
    out->properties =
        pool_alloc(&out->pool, sizeof(*out->properties) * (size_t)(r->table->option_count + 1));
    out->group_id = pool_printf(&out->pool, "weir-%s-%s", r->job_name, out->name);
    for (int i = 0; i < r->table->option_count; i++) {
        const struct plan_option *given = &r->table->options[i];
        if (strncmp(given->key, prefix, prefix_len) != 0)
            continue;
        struct kafka_property property = {given->key + prefix_len, given->value, given->key};
        if (!property.key[0])
            return err_set(r->err, -EINVAL, "'%s' has no name behind the point", given->key);
        if (strcmp(property.key, "bootstrap.servers") == 0)
            out->servers = property.value;
        if (strcmp(property.key, "group.id") == 0)
            out->group_id = property.value;
        out->properties[out->property_count++] = property;
    }
    if (!out->servers || !*out->servers)
        return err_set(r->err, -EINVAL,
                       "the option 'properties.bootstrap.servers' is missing: the addresses of "
                       "brokers, 'host:9092,host2:9092'");
    if (!*out->group_id)
        return err_set(r->err, -EINVAL, "'properties.group.id' is empty: leave it out");
    return 0;
}

// --- positions ---

static int by_partition(const void *a, const void *b)
{
    const struct kafka_offset *x = a, *y = b;
    return (x->partition > y->partition) - (x->partition < y->partition);
}

// "name:NUMBER" into *out, and what follows it.
static const char *labelled(const char *p, const char *name, int64_t *out)
{
    size_t len = strlen(name);
    if (strncmp(p, name, len) != 0 || p[len] != ':')
        return NULL;
    const char *digits = p + len + 1;
    size_t count = strspn(digits, "0123456789");
    return number_parse_int64(slice_make(digits, count), out) ? NULL : digits + count;
}

// "partition:0,offset:42"
static bool read_offset(const char *text, struct kafka_offset *out)
{
    int64_t partition = 0, offset = 0;
    const char *p = labelled(text, "partition", &partition);
    if (!p || *p != ',' || partition > INT32_MAX)
        return false;
    p += 1 + strspn(p + 1, " ");
    p = labelled(p, "offset", &offset);
    *out = (struct kafka_offset){(int32_t)partition, offset};
    return p && !*p;
}

static int read_offsets(const struct reading *r, const char *key, struct kafka_position *out)
{
    const char *text = option(r, key), **items = NULL;
    int count = text ? split(r, text, &items) : 0;
    if (!text)
        return err_set(r->err, -EINVAL,
                       "'%.*smode' = 'specific-offsets' needs '%s' = "
                       "'partition:0,offset:42;partition:1,offset:300'",
                       (int)(strlen(key) - strlen("specific-offsets")), key, key);
    if (r->out->topic_count != 1)
        return err_set(r->err, -EINVAL, "'%s' names partitions of one topic: give a single 'topic'",
                       key);
    out->offsets = pool_alloc(&r->out->pool, sizeof(*out->offsets) * (size_t)count);
    for (; out->offset_count < count; out->offset_count++)
        if (!read_offset(items[out->offset_count], &out->offsets[out->offset_count]))
            return err_set(r->err, -EINVAL,
                           "'%s': '%s' is not 'partition:NUMBER,offset:NUMBER'; several are "
                           "separated by ';'",
                           key, items[out->offset_count]);
    qsort(out->offsets, (size_t)count, sizeof(*out->offsets), by_partition);
    for (int i = 1; i < count; i++)
        if (out->offsets[i].partition == out->offsets[i - 1].partition)
            return err_set(r->err, -EINVAL, "'%s' names partition %d twice", key,
                           (int)out->offsets[i].partition);
    return 0;
}

static int read_timestamp(const struct reading *r, const char *key, struct kafka_position *out)
{
    const char *text = option(r, key);
    if (!text)
        return err_set(r->err, -EINVAL,
                       "'%.*smode' = 'timestamp' needs '%s': milliseconds since 1970",
                       (int)(strlen(key) - strlen("timestamp-millis")), key, key);
    int rc = number_parse_int64(slice_of(text), &out->timestamp_ms);
    CHECK(rc == 0); // the binder has read it
    return 0;
}

static int read_start(const struct reading *r)
{
    static const char *const names[] = {"group-offsets", "earliest-offset", "latest-offset",
                                        "timestamp", "specific-offsets"};
    struct kafka_position *out = &r->out->start;
    static_assert(KAFKA_OFFSETS + 1 == ARRAY_SIZE(names), "names go with the enum");
    out->point = (enum kafka_point)choice(r, "scan.startup.mode", names, ARRAY_SIZE(names));
    if (out->point == KAFKA_TIMESTAMP)
        return read_timestamp(r, "scan.startup.timestamp-millis", out);
    return out->point == KAFKA_OFFSETS ? read_offsets(r, "scan.startup.specific-offsets", out) : 0;
}

static int read_bound(const struct reading *r)
{
    static const char *const names[] = {"unbounded", "latest-offset", "group-offsets", "timestamp",
                                        "specific-offsets"};
    static const enum kafka_point points[] = {KAFKA_UNBOUNDED, KAFKA_LATEST, KAFKA_GROUP,
                                              KAFKA_TIMESTAMP, KAFKA_OFFSETS};
    struct kafka_position *out = &r->out->bound;
    out->point = points[choice(r, "scan.bounded.mode", names, ARRAY_SIZE(names))];
    if (out->point == KAFKA_TIMESTAMP)
        return read_timestamp(r, "scan.bounded.timestamp-millis", out);
    return out->point == KAFKA_OFFSETS ? read_offsets(r, "scan.bounded.specific-offsets", out) : 0;
}

static int read_reset(const struct reading *r)
{
    const char *value = option(r, "properties.auto.offset.reset");
    r->out->reset = KAFKA_RESET_FAIL;
    if (!value || strcmp(value, "none") == 0)
        return 0;
    bool earliest = strcmp(value, "earliest") == 0;
    if (!earliest && strcmp(value, "latest") != 0)
        return err_set(r->err, -EINVAL,
                       "'properties.auto.offset.reset' = '%s': expected 'earliest', 'latest' or "
                       "'none' (what to do where the group has no offset)",
                       value);
    r->out->reset = earliest ? KAFKA_RESET_EARLIEST : KAFKA_RESET_LATEST;
    return 0;
}

static int read_source(const struct reading *r)
{
    static const char *const resets[] = {"fail", "earliest", "latest"};
    struct kafka_table *out = r->out;
    const char *discovery = option(r, "scan.topic-partition-discovery.interval");
    int rc = read_start(r);
    if (rc == 0)
        rc = read_bound(r);
    if (rc == 0)
        rc = read_reset(r);
    if (rc)
        return rc;
    out->lost = (enum kafka_reset)choice(r, "scan.lost-offsets", resets, ARRAY_SIZE(resets));
    out->bad_rows = option(r, "bad-rows");
    out->discovery_ms = DEFAULT_DISCOVERY_MS;
    if (discovery)
        rc = plan_duration_ms(discovery, &out->discovery_ms, NULL);
    CHECK(rc == 0); // the binder has read it
    if (out->bound.point != KAFKA_UNBOUNDED)
        out->discovery_ms = 0; // what comes later is behind the bound
    return 0;
}

// --- what is in the key, what in the value ---

static int part_format(const struct reading *r, const char *prefix, struct kafka_part *out)
{
    size_t bytes = sizeof(char *) * (size_t)(r->table->option_count + 1);
    const char **keys = pool_alloc(&r->out->pool, bytes);
    const char **values = pool_alloc(&r->out->pool, bytes);
    for (int i = 0; i < r->table->option_count; i++) {
        keys[i] = r->table->options[i].key;
        values[i] = r->table->options[i].value;
    }
    struct format_with with = {prefix, keys, values, r->table->option_count};
    out->is_present = true;
    return format_options_parse_prefixed(&with, &out->format, r->err);
}

static void begin_part(const struct reading *r, struct kafka_part *out)
{
    size_t room = (size_t)r->table->physical.field_count + 1;
    struct pool *pool = &r->out->pool;
    out->schema.fields = pool_alloc(pool, room * sizeof(*out->schema.fields));
    out->needed = pool_zalloc(pool, room * sizeof(*out->needed));
    out->columns = pool_alloc(pool, room * sizeof(*out->columns));
    out->source_columns = pool_alloc(pool, room * sizeof(*out->source_columns));
    out->sink_columns = pool_alloc(pool, room * sizeof(*out->sink_columns));
}

// How many of the columns before `column` are needed, or written.
static int place_of(const struct plan_table *table, int column, bool written)
{
    int place = 0;
    for (int i = 0; i < column; i++)
        place += written ? plan_is_written(table, i) : !table->needed || table->needed[i];
    return place;
}

static bool is_needed(const struct plan_table *table, int column)
{
    return !table->needed || table->needed[column];
}

// `is_read`: a source takes the column from this part.
static void add_column(const struct reading *r, struct kafka_part *out, int column,
                       const char *name, bool is_read)
{
    int at = out->schema.field_count++;
    out->schema.fields[at] = r->table->physical.fields[column];
    out->schema.fields[at].name = name;
    out->columns[at] = column;
    out->sink_columns[at] = place_of(r->table, column, true);
    out->needed[at] = is_read && is_needed(r->table, column);
    if (out->needed[at])
        out->source_columns[out->needed_count++] = place_of(r->table, column, false);
}

static int key_field(const struct reading *r, const char *name, const char *prefix, bool *is_key)
{
    int column = schema_find(&r->table->physical, name);
    struct kafka_table *out = r->out;
    if (column < 0 || plan_metadata_key(r->table, column))
        return err_set(r->err, -EINVAL, "'key.fields': '%s' is no physical column of the table%s",
                       name, column < 0 ? "" : ", it is metadata");
    if (is_key[column])
        return err_set(r->err, -EINVAL, "'key.fields' names '%s' twice", name);
    is_key[column] = true;
    if (strncmp(name, prefix, strlen(prefix)) != 0)
        return err_set(r->err, -EINVAL,
                       "'key.fields-prefix' = '%s': all columns of the key must begin with it, "
                       "but '%s' does not",
                       prefix, name);
    // In a table with both, the value's column counts, as in Flink: the key's is not read.
    add_column(r, &out->key, column, name + strlen(prefix), out->is_value_without_key);
    return 0;
}

// The names of the key's columns: of the primary key, or as the table says.
static int key_names(const struct reading *r, const char ***out)
{
    const struct plan_table *table = r->table;
    const char *fields = option(r, "key.fields");
    if (!r->out->is_upsert)
        return fields ? split(r, fields, out) : 0;
    *out = pool_alloc(&r->out->pool, sizeof(**out) * (size_t)(table->primary_key_count + 1));
    for (int i = 0; i < table->primary_key_count; i++)
        (*out)[i] = table->physical.fields[table->primary_key[i]].name;
    return table->primary_key_count;
}

static int read_key(const struct reading *r, bool *is_key)
{
    const char *prefix = option(r, "key.fields-prefix"), **names = NULL;
    const char *format = option(r, "key.format");
    int count = key_names(r, &names);
    if (format && count == 0)
        return err_set(r->err, -EINVAL,
                       "'key.format' = '%s' needs 'key.fields' = 'column;column': what the key "
                       "is made of",
                       format);
    if (!format && count > 0)
        return err_set(r->err, -EINVAL, "'key.fields' needs 'key.format' = 'json', 'csv' or 'raw'");
    if (prefix && *prefix && !r->out->is_value_without_key)
        return err_set(r->err, -EINVAL,
                       "'key.fields-prefix' is for tables whose value lacks the key's columns: "
                       "set 'value.fields-include' = 'EXCEPT_KEY'");
    int rc = format ? part_format(r, "key.", &r->out->key) : 0;
    for (int i = 0; i < count && rc == 0; i++)
        rc = key_field(r, names[i], prefix ? prefix : "", is_key);
    return rc;
}

static int read_value(const struct reading *r, const bool *is_key)
{
    struct kafka_table *out = r->out;
    const struct plan_table *table = r->table;
    int rc = part_format(r, option(r, "value.format") ? "value." : "", &out->value);
    for (int i = 0; i < table->physical.field_count; i++)
        if (!plan_metadata_key(table, i) && !(out->is_value_without_key && is_key[i]))
            add_column(r, &out->value, i, table->physical.fields[i].name, true);
    out->is_changelog = format_is_changelog(out->value.format.kind);
    return rc;
}

// A raw part is one column of a type whose bytes are its value.
static int check_raw(const struct reading *r, const struct kafka_part *part, const char *key)
{
    if (!part->is_present || part->format.kind != FORMAT_RAW)
        return 0;
    const struct schema *schema = &part->schema;
    if (schema->field_count != 1)
        return err_set(r->err, -EINVAL,
                       "'%s' = 'raw' is a single physical column, and here it has %d: take 'json', "
                       "or leave columns to the key ('key.fields', 'value.fields-include' = "
                       "'EXCEPT_KEY')",
                       key, schema->field_count);
    enum type_kind kind = schema->fields[0].type.kind;
    if (kind == TYPE_BOOLEAN || kind == TYPE_INT || kind == TYPE_BIGINT || kind == TYPE_DOUBLE ||
        kind == TYPE_STRING)
        return 0;
    return err_set(r->err, -EINVAL,
                   "'%s' = 'raw': column '%s' is %s, and raw holds STRING, BOOLEAN, INT, BIGINT or "
                   "DOUBLE",
                   key, schema->fields[0].name, type_kind_name(kind));
}

static void place_metadata(const struct reading *r)
{
    static const char *const keys[KAFKA_META_COUNT] = {
        "topic", "partition", "headers", "leader-epoch", "offset", "timestamp", "timestamp-type"};
    const struct plan_table *table = r->table;
    for (int m = 0; m < KAFKA_META_COUNT; m++)
        r->out->source_metadata[m] = r->out->sink_metadata[m] = -1;
    for (int i = 0; i < table->physical.field_count; i++) {
        const char *key = plan_metadata_key(table, i);
        for (int m = 0; key && m < KAFKA_META_COUNT; m++) {
            if (strcmp(keys[m], key) != 0)
                continue;
            if (is_needed(table, i))
                r->out->source_metadata[m] = place_of(table, i, false);
            if (plan_is_written(table, i))
                r->out->sink_metadata[m] = place_of(table, i, true);
        }
    }
}

static int read_columns(const struct reading *r)
{
    struct kafka_table *out = r->out;
    const char *include = option(r, "value.fields-include");
    bool *is_key =
        pool_zalloc(&out->pool, sizeof(bool) * (size_t)(r->table->physical.field_count + 1));
    out->is_value_without_key = include && strcmp(include, "EXCEPT_KEY") == 0;
    begin_part(r, &out->key);
    begin_part(r, &out->value);
    int rc = read_key(r, is_key);
    if (rc == 0)
        rc = read_value(r, is_key);
    if (rc == 0)
        rc = check_raw(r, &out->key, "key.format");
    if (rc == 0)
        rc = check_raw(r, &out->value, option(r, "value.format") ? "value.format" : "format");
    place_metadata(r);
    return rc;
}

// --- sinks ---

static int read_sink(const struct reading *r)
{
    static const char *const guarantees[] = {"at-least-once", "exactly-once", "none"};
    static const enum kafka_guarantee levels[] = {KAFKA_AT_LEAST_ONCE, KAFKA_EXACTLY_ONCE,
                                                  KAFKA_NONE};
    static const char *const partitioners[] = {"default", "fixed", "round-robin"};
    static const char *const rollbacks[] = {"fail", "repeat"};
    struct kafka_table *out = r->out;
    const char *prefix = option(r, "sink.transactional-id-prefix");
    const char *buffer = option(r, "sink.buffer.max-bytes");
    int64_t bytes = DEFAULT_BUFFER;
    out->guarantee =
        levels[choice(r, "sink.delivery-guarantee", guarantees, ARRAY_SIZE(guarantees))];
    out->partitioner = (enum kafka_partitioner)choice(r, "sink.partitioner", partitioners,
                                                      ARRAY_SIZE(partitioners));
    out->repeats_on_rollback = choice(r, "sink.on-rollback", rollbacks, 2) == 1;
    if (prefix && !*prefix)
        return err_set(r->err, -EINVAL, "'sink.transactional-id-prefix' is empty: leave it out");
    out->transactional_id_prefix =
        prefix ? prefix : pool_printf(&out->pool, "weir-%s-%s", r->job_name, out->name);
    int rc = buffer ? plan_size_bytes(buffer, &bytes) : 0;
    CHECK(rc == 0); // the binder has read it
    out->buffer_max_bytes = (uint64_t)bytes;
    if (out->partitioner == KAFKA_ROUND_ROBIN && out->key.is_present)
        return err_set(r->err, -EINVAL,
                       "'sink.partitioner' = 'round-robin' spreads messages whatever their key: it "
                       "goes without 'key.fields' only");
    return 0;
}

int kafka_table_check_sink(const struct kafka_table *table, struct err *err)
{
    if (table->topic_count != 1 && table->sink_metadata[KAFKA_META_TOPIC] < 0)
        return err_set(err, -EINVAL,
                       "'%s' names no single topic to write to: add a column `topic` STRING "
                       "METADATA, which says it for each row",
                       table->topics ? "topic" : "topic-pattern");
    if (table->value.format.debezium_schema_include)
        return err_set(err, -EINVAL,
                       "'debezium-json.schema-include' = 'true' is for tables that are read: "
                       "changes are written without a schema");
    return 0;
}

// --- all of it ---

int kafka_table_parse(const struct plan_table *table, const char *job_name, struct kafka_table *out,
                      struct err *err)
{
    *out = (struct kafka_table){.name = table->name,
                                .is_upsert = strcmp(table->connector, "upsert-kafka") == 0};
    struct reading r = {table, job_name ? job_name : "job", out, err};
    int rc = read_topics(&r);
    if (rc == 0)
        rc = read_properties(&r);
    if (rc == 0)
        rc = read_columns(&r);
    if (rc == 0)
        rc = read_source(&r);
    return rc ? rc : read_sink(&r);
}

void kafka_table_fini(struct kafka_table *table)
{
    pool_fini(&table->pool);
    *table = (struct kafka_table){0};
}

void kafka_table_leave(struct kafka_table *table)
{
    *table = (struct kafka_table){0};
}
