// bind_options.c: the options of a connector, each once: its name, whose it is, what it may be.
//
// Names and values are checked here, where the text is at hand for a caret; what lies behind a path
// is looked at before the start by the source or sink itself. datagen checks its own options,
// because their names hold the names of columns.
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#include "core/base/check.h"
#include "core/base/number.h"
#include "core/expr/zone.h"
#include "core/sql/bind_internal.h"

enum option_kind {
    OPTION_TEXT,
    OPTION_BOOL,
    OPTION_DURATION,
    OPTION_COUNT,  // a whole number from 0 on
    OPTION_SIZE,   // "128MB"; the sink reads it
    OPTION_CHOICE, // one of `choices`
    OPTION_LATER,  // Flink has it, weir not yet: `choices[0]` says what to do without
};

enum { CHOICES_MAX = 6 };

struct option_rule {
    const char *connector; // "*kafka": kafka and upsert-kafka
    const char *key;
    enum option_kind kind;
    const char *choices[CHOICES_MAX];
};

static const struct option_rule rules[] = {
    {"filesystem", "path", OPTION_TEXT, {0}},
    {"filesystem", "format", OPTION_TEXT, {0}},
    {"filesystem", "source.monitor-interval", OPTION_DURATION, {0}},
    {"filesystem", "source.line-is-row", OPTION_BOOL, {0}},
    {"filesystem", "bad-rows", OPTION_CHOICE, {"dead-letter", "skip", "fail"}},
    {"filesystem", "sink.rolling-policy.file-size", OPTION_SIZE, {0}},
    {"filesystem",
     "sink.rolling-policy.rollover-interval",
     OPTION_LATER,
     {"a part is finished by its size and at the end of input"}},
    {"filesystem",
     "sink.rolling-policy.check-interval",
     OPTION_LATER,
     {"a part is finished by its size and at the end of input"}},
    {"filesystem", "auto-compaction", OPTION_LATER, {"set sink.rolling-policy.file-size higher"}},
    {"filesystem", "source.path.regex-pattern", OPTION_LATER, {"'path' may be a glob"}},
    {"filesystem", "sink.parallelism", OPTION_LATER, {"SET 'parallelism.default' = '...'"}},
    {"blackhole", "latency.column", OPTION_TEXT, {0}},
    {"blackhole", "latency.file", OPTION_TEXT, {0}},
    {"print", "print-identifier", OPTION_TEXT, {0}},
    {"print", "standard-error", OPTION_BOOL, {0}},
    {"print", "sink.parallelism", OPTION_LATER, {"SET 'parallelism.default' = '...'"}},
    {"*kafka", "topic", OPTION_TEXT, {0}},
    {"*kafka", "key.format", OPTION_TEXT, {0}},
    {"*kafka", "key.fields-prefix", OPTION_TEXT, {0}},
    {"*kafka", "value.format", OPTION_TEXT, {0}},
    {"*kafka", "value.fields-include", OPTION_CHOICE, {"ALL", "EXCEPT_KEY"}},
    {"*kafka", "sink.delivery-guarantee", OPTION_CHOICE, {"none", "at-least-once", "exactly-once"}},
    {"*kafka", "sink.transactional-id-prefix", OPTION_TEXT, {0}},
    // Flink's two ways to name transactions; the sink has one name a task, whichever is said.
    {"*kafka", "sink.transaction-naming-strategy", OPTION_CHOICE, {"incrementing", "pooling"}},
    {"*kafka", "sink.buffer.max-bytes", OPTION_SIZE, {0}},
    {"*kafka", "sink.on-rollback", OPTION_CHOICE, {"fail", "repeat"}},
    {"*kafka", "sink.parallelism", OPTION_LATER, {"SET 'parallelism.default' = '...'"}},
    {"*kafka", "scan.parallelism", OPTION_LATER, {"SET 'parallelism.default' = '...'"}},
    {"kafka", "topic-pattern", OPTION_TEXT, {0}},
    {"kafka", "format", OPTION_TEXT, {0}},
    {"kafka", "key.fields", OPTION_TEXT, {0}},
    {"kafka",
     "scan.startup.mode",
     OPTION_CHOICE,
     {"earliest-offset", "latest-offset", "group-offsets", "timestamp", "specific-offsets"}},
    {"kafka", "scan.startup.specific-offsets", OPTION_TEXT, {0}},
    {"kafka", "scan.startup.timestamp-millis", OPTION_COUNT, {0}},
    {"kafka",
     "scan.bounded.mode",
     OPTION_CHOICE,
     {"unbounded", "latest-offset", "group-offsets", "timestamp", "specific-offsets"}},
    {"kafka", "scan.bounded.specific-offsets", OPTION_TEXT, {0}},
    {"kafka", "scan.bounded.timestamp-millis", OPTION_COUNT, {0}},
    {"kafka", "scan.topic-partition-discovery.interval", OPTION_DURATION, {0}},
    {"kafka", "scan.watermark.idle-timeout", OPTION_DURATION, {0}},
    {"kafka", "scan.watermark.emit.strategy", OPTION_CHOICE, {"on-periodic", "on-event"}},
    {"kafka", "scan.watermark.emit.on-event.gap", OPTION_COUNT, {0}},
    {"kafka", "scan.watermark.alignment.group", OPTION_TEXT, {0}},
    {"kafka", "scan.watermark.alignment.max-drift", OPTION_DURATION, {0}},
    {"kafka", "scan.watermark.alignment.update-interval", OPTION_DURATION, {0}},
    {"kafka", "scan.lost-offsets", OPTION_CHOICE, {"fail", "earliest", "latest"}},
    {"kafka", "bad-rows", OPTION_CHOICE, {"dead-letter", "skip", "fail"}},
    {"kafka", "sink.partitioner", OPTION_CHOICE, {"default", "fixed", "round-robin"}},
    {"kafka", "sink.semantic", OPTION_LATER, {"its name is 'sink.delivery-guarantee' now"}},
    {"upsert-kafka",
     "sink.buffer-flush.max-rows",
     OPTION_LATER,
     {"every change of a key is written, and the last one counts"}},
    {"upsert-kafka",
     "sink.buffer-flush.interval",
     OPTION_LATER,
     {"every change of a key is written, and the last one counts"}},
};

static bool is_kafka(const char *connector)
{
    return strcmp(connector, "kafka") == 0 || strcmp(connector, "upsert-kafka") == 0;
}

static bool is_of(const struct option_rule *rule, const char *connector)
{
    return strcmp(rule->connector, connector) == 0 ||
           (strcmp(rule->connector, "*kafka") == 0 && is_kafka(connector));
}

static const struct option_rule *find_rule(const char *connector, const char *key)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (is_of(&rules[i], connector) && strcmp(rules[i].key, key) == 0)
            return &rules[i];
    return NULL;
}

static bool starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

// Options that all connectors share, and those that the format's own reader checks.
static bool is_checked_elsewhere(const char *connector, const char *key)
{
    if (strcmp(key, "connector") == 0)
        return true;
    if (is_kafka(connector) && starts_with(key, "properties."))
        return true;
    if (is_kafka(connector) && starts_with(key, "key."))
        key += strlen("key.");
    else if (is_kafka(connector) && starts_with(key, "value."))
        key += strlen("value.");
    return (is_kafka(connector) || strcmp(connector, "filesystem") == 0) &&
           (starts_with(key, "json.") || starts_with(key, "csv.") ||
            starts_with(key, "debezium-json.") || starts_with(key, "raw."));
}

static int refuse_unknown(struct binder *b, const struct sql_option *option, const char *connector)
{
    const char *keys[ARRAY_SIZE(rules) + 1] = {"connector"};
    int count = 1;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (is_of(&rules[i], connector) && rules[i].kind != OPTION_LATER)
            keys[count++] = rules[i].key;
    diag_error(b->err, b->source, option->key_pos, "connector '%s' has no option '%s'", connector,
               option->key);
    if (err_suggest(option->key, keys, count))
        return diag_suggest(b->err, option->key, keys, count);
    char list[2048] = "";
    size_t used = 0;
    for (int i = 1; i < count && used < sizeof(list); i++)
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s'%s'", i > 1 ? ", " : "",
                                 keys[i]);
    return count > 1 ? diag_hint(b->err, "it has %s", list)
                     : diag_hint(b->err, "it has none besides 'connector'");
}

static int refuse_value(struct binder *b, const struct sql_option *option, const char *expected)
{
    return diag_error(b->err, b->source, option->value_pos, "'%s' = '%s': expected %s", option->key,
                      option->value, expected);
}

static int check_choice(struct binder *b, const struct sql_option *option,
                        const struct option_rule *rule)
{
    char list[128] = "";
    int count = 0;
    size_t used = 0;
    for (; count < (int)ARRAY_SIZE(rule->choices) && rule->choices[count]; count++) {
        if (strcmp(option->value, rule->choices[count]) == 0)
            return 0;
        used += (size_t)snprintf(list + used, sizeof(list) - used, "%s'%s'", count ? ", " : "",
                                 rule->choices[count]);
        CHECK(used < sizeof(list));
    }
    refuse_value(b, option, list);
    return diag_suggest(b->err, option->value, rule->choices, count);
}

static bool is_count(const char *text)
{
    int64_t ignored;
    return text[0] != '-' && number_parse_int64(slice_of(text), &ignored) == 0;
}

static int check_value(struct binder *b, const struct sql_option *option,
                       const struct option_rule *rule)
{
    struct err cause = {0};
    int64_t ignored;
    switch (rule->kind) {
    case OPTION_BOOL:
        if (strcmp(option->value, "true") != 0 && strcmp(option->value, "false") != 0)
            return refuse_value(b, option, "'true' or 'false'");
        return 0;
    case OPTION_DURATION:
        if (plan_duration_ms(option->value, &ignored, &cause))
            return diag_error(b->err, b->source, option->value_pos, "'%s': %s", option->key,
                              cause.text);
        return 0;
    case OPTION_COUNT:
        if (!is_count(option->value))
            return refuse_value(b, option, "a whole number from 0 on");
        return 0;
    case OPTION_SIZE:
        if (plan_size_bytes(option->value, &ignored))
            return refuse_value(b, option, "a size of at least one byte, such as '128MB'");
        return 0;
    case OPTION_CHOICE:
        return check_choice(b, option, rule);
    case OPTION_LATER:
        diag_error(b->err, b->source, option->key_pos, "'%s' is not supported yet", option->key);
        return diag_hint(b->err, "leave it out; %s", rule->choices[0]);
    case OPTION_TEXT:
        return 0;
    }
    CHECK(!"an option of no kind");
    return 0;
}

int bind_check_options(struct binder *b, const char *connector, const struct sql_options *options)
{
    if (strcmp(connector, "datagen") == 0)
        return 0;
    for (int i = 0; options && i < options->count; i++) {
        const struct sql_option *option = &options->items[i];
        if (is_checked_elsewhere(connector, option->key))
            continue;
        const struct option_rule *rule = find_rule(connector, option->key);
        int rc = rule ? check_value(b, option, rule) : refuse_unknown(b, option, connector);
        if (rc)
            return rc;
    }
    return 0;
}

// --- settings ---

struct setting_rule {
    const char *key;
    enum option_kind kind;
    const char *choices[CHOICES_MAX];
};

static const struct setting_rule setting_rules[] = {
    {"bad-rows", OPTION_CHOICE, {"dead-letter", "skip", "fail"}},
    {"table.exec.emit.early-fire.enabled", OPTION_BOOL, {0}},
    {"table.exec.emit.late-fire.enabled", OPTION_BOOL, {0}},
    {"table.exec.mini-batch.enabled", OPTION_BOOL, {0}},
    {"table.optimizer.distinct-agg.split.enabled", OPTION_BOOL, {0}},
    {"table.exec.mini-batch.allow-latency", OPTION_DURATION, {0}},
    {"table.exec.source.idle-timeout", OPTION_DURATION, {0}},
    {"table.exec.state.ttl", OPTION_DURATION, {0}},
    {"metrics.latency.interval", OPTION_DURATION, {0}},
    {"pipeline.auto-watermark-interval", OPTION_DURATION, {0}},
    {"table.exec.sink.not-null-enforcer", OPTION_CHOICE, {"error", "drop", "ERROR", "DROP"}},
};

static int check_zone(struct binder *b, const struct sql_option *option)
{
    struct err cause = {0};
    struct zone *zone = NULL;
    if (strcasecmp(option->value, "default") == 0)
        return 0;
    if (zone_open(option->value, &zone, &cause))
        return bind_expr_error(b, option->value_pos, &cause);
    zone_close(zone);
    return 0;
}

static int check_parallelism(struct binder *b, const struct sql_option *option)
{
    char *end = NULL;
    long value = strtol(option->value, &end, 10);
    bool is_number = end != option->value && *end == '\0' && value >= 1 && value <= 1024;
    if (is_number || strcmp(option->value, "auto") == 0 || strcmp(option->value, "-1") == 0)
        return 0;
    return refuse_value(b, option, "a whole number from 1 to 1024, or 'auto'");
}

int bind_check_setting(struct binder *b, const struct sql_option *option)
{
    if (strcmp(option->key, "table.local-time-zone") == 0)
        return check_zone(b, option);
    if (strcmp(option->key, "parallelism.default") == 0)
        return check_parallelism(b, option);
    for (size_t i = 0; i < ARRAY_SIZE(setting_rules); i++) {
        struct option_rule rule = {.key = setting_rules[i].key, .kind = setting_rules[i].kind};
        if (strcmp(option->key, rule.key) != 0)
            continue;
        memcpy(rule.choices, setting_rules[i].choices, sizeof(rule.choices));
        return check_value(b, option, &rule);
    }
    return 0;
}
