// options.c: the table of Flink's format options that weir knows, and their checks.
//
// An option that Flink has and weir does not is named here too: a user then reads "not supported",
// not "unknown", and its default value is accepted.
#include "core/format/options.h"

#include <assert.h>
#include <errno.h>
#include <string.h>
#include <strings.h>

#include "core/base/check.h"

enum {
    FOR_JSON = 1 << FORMAT_JSON,
    FOR_CSV = 1 << FORMAT_CSV,
    FOR_DEBEZIUM = 1 << FORMAT_DEBEZIUM_JSON,
    FOR_RAW = 1 << FORMAT_RAW,
};

enum { JSON_LIKE = FOR_JSON | FOR_DEBEZIUM };

struct rule {
    const char *name; // behind the format's prefix
    unsigned formats; // FOR_*
    const char *only; // not supported but for this value; NULL: supported
    int (*set)(struct format_options *out, const char *key, const char *value, struct err *err);
};

static const char *const kind_names[] = {"json", "csv", "debezium-json", "raw"};

static_assert(ARRAY_SIZE(kind_names) == FORMAT_RAW + 1, "every kind has its name");

const char *format_kind_name(enum format_kind kind)
{
    CHECK((size_t)kind < ARRAY_SIZE(kind_names));
    return kind_names[kind];
}

bool format_is_changelog(enum format_kind kind)
{
    return kind == FORMAT_DEBEZIUM_JSON;
}

void format_options_default(enum format_kind kind, struct format_options *out)
{
    *out = (struct format_options){
        .kind = kind, .csv_delimiter = ',', .csv_quote = '"', .csv_escape = -1};
}

static int parse_bool(const char *key, const char *value, bool *out, struct err *err)
{
    if (strcasecmp(value, "true") && strcasecmp(value, "false"))
        return err_set(err, -EINVAL, "'%s' = '%s': expected 'true' or 'false'", key, value);
    *out = strcasecmp(value, "true") == 0;
    return 0;
}

static int set_ignore(struct format_options *out, const char *key, const char *value,
                      struct err *err)
{
    return parse_bool(key, value, &out->ignore_parse_errors, err);
}

static int set_missing(struct format_options *out, const char *key, const char *value,
                       struct err *err)
{
    return parse_bool(key, value, &out->json_fail_on_missing_field, err);
}

static int set_ignore_null(struct format_options *out, const char *key, const char *value,
                           struct err *err)
{
    return parse_bool(key, value, &out->json_ignore_null_fields, err);
}

static int set_timestamp(struct format_options *out, const char *key, const char *value,
                         struct err *err)
{
    if (strcmp(value, "SQL") && strcmp(value, "ISO-8601"))
        return err_set(err, -EINVAL, "'%s' = '%s': expected 'SQL' or 'ISO-8601'", key, value);
    out->json_timestamp = strcmp(value, "SQL") ? FORMAT_TIMESTAMP_ISO : FORMAT_TIMESTAMP_SQL;
    return 0;
}

static int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    c = (char)(c | 0x20);
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

// "uXXXX" as a byte below 0x80; -1 when it is none.
static int unicode_byte(const char *text)
{
    int byte = 0;
    if (strlen(text) != 5)
        return -1;
    for (int i = 1; i < 5; i++) {
        int digit = hex_value(text[i]);
        if (digit < 0)
            return -1;
        byte = byte * 16 + digit;
    }
    return byte < 0x80 ? byte : -1;
}

// One character, or one written with a backslash as in Java ("\t", "\\", "\u0001"); -1: neither.
static int one_byte(const char *value)
{
    if (value[0] && !value[1])
        return (unsigned char)value[0] < 0x80 ? value[0] : -1;
    if (value[0] != '\\' || !value[1])
        return -1;
    if (value[1] == 'u')
        return unicode_byte(value + 1);
    if (value[2])
        return -1;
    static const char names[] = "tbf\\'\"";
    static const char bytes[] = "\t\b\f\\'\"";
    const char *at = strchr(names, value[1]);
    return at ? bytes[at - names] : -1;
}

static int parse_byte(const char *key, const char *value, int *out, struct err *err)
{
    int byte = one_byte(value);
    if (byte <= 0 || byte == '\n' || byte == '\r')
        return err_set(err, -EINVAL,
                       "'%s' = '%s': expected one ASCII character that is no line end, such as "
                       "',' or '|' or '\\t'",
                       key, value);
    *out = byte;
    return 0;
}

static int set_delimiter(struct format_options *out, const char *key, const char *value,
                         struct err *err)
{
    int byte = 0, rc = parse_byte(key, value, &byte, err);
    if (rc == 0)
        out->csv_delimiter = (char)byte;
    return rc;
}

static int set_quote(struct format_options *out, const char *key, const char *value,
                     struct err *err)
{
    return parse_byte(key, value, &out->csv_quote, err);
}

static int set_no_quote(struct format_options *out, const char *key, const char *value,
                        struct err *err)
{
    (void)out; // check_together takes the quote away, whatever the order of the options
    bool disabled;
    return parse_bool(key, value, &disabled, err);
}

static int set_escape(struct format_options *out, const char *key, const char *value,
                      struct err *err)
{
    return parse_byte(key, value, &out->csv_escape, err);
}

static int set_comments(struct format_options *out, const char *key, const char *value,
                        struct err *err)
{
    return parse_bool(key, value, &out->csv_allow_comments, err);
}

static int set_null_literal(struct format_options *out, const char *key, const char *value,
                            struct err *err)
{
    size_t len = strlen(value);
    if (len >= FORMAT_NULL_LITERAL_BYTES)
        return err_set(err, -EINVAL, "'%s' is %zu bytes long: at most %d are supported", key, len,
                       FORMAT_NULL_LITERAL_BYTES - 1);
    memcpy(out->csv_null_literal, value, len + 1);
    out->csv_has_null_literal = true;
    return 0;
}

static int set_schema(struct format_options *out, const char *key, const char *value,
                      struct err *err)
{
    return parse_bool(key, value, &out->debezium_schema_include, err);
}

static int set_endianness(struct format_options *out, const char *key, const char *value,
                          struct err *err)
{
    if (strcmp(value, "big-endian") && strcmp(value, "little-endian"))
        return err_set(err, -EINVAL, "'%s' = '%s': expected 'big-endian' or 'little-endian'", key,
                       value);
    out->raw_little_endian = strcmp(value, "little-endian") == 0;
    return 0;
}

static const struct rule rules[] = {
    {"ignore-parse-errors", JSON_LIKE | FOR_CSV, NULL, set_ignore},
    {"fail-on-missing-field", FOR_JSON, NULL, set_missing},
    {"timestamp-format.standard", JSON_LIKE, NULL, set_timestamp},
    {"encode.ignore-null-fields", JSON_LIKE, NULL, set_ignore_null},
    // These speak of MAP and DECIMAL columns, which weir has not, or choose between two parsers of
    // Flink that answer alike: accepted, without effect.
    {"map-null-key.mode", JSON_LIKE, NULL, NULL},
    {"map-null-key.literal", JSON_LIKE, NULL, NULL},
    {"encode.decimal-as-plain-number", JSON_LIKE, NULL, NULL},
    {"decode.json-parser.enabled", FOR_JSON, NULL, NULL},
    {"schema-include", FOR_DEBEZIUM, NULL, set_schema},
    {"charset", FOR_RAW, "UTF-8", NULL},
    {"endianness", FOR_RAW, NULL, set_endianness},
    {"field-delimiter", FOR_CSV, NULL, set_delimiter},
    {"quote-character", FOR_CSV, NULL, set_quote},
    {"disable-quote-character", FOR_CSV, NULL, set_no_quote},
    {"escape-character", FOR_CSV, NULL, set_escape},
    {"allow-comments", FOR_CSV, NULL, set_comments},
    {"null-literal", FOR_CSV, NULL, set_null_literal},
    {"array-element-delimiter", FOR_CSV, NULL, NULL},                 // ARRAY columns only
    {"write-bigdecimal-in-scientific-notation", FOR_CSV, NULL, NULL}, // DECIMAL columns only
    {"trim-spaces", FOR_CSV, "false", NULL},
    {"ignore-trailing-unmappable", FOR_CSV, "false", NULL},
    {"allow-trailing-comma", FOR_CSV, "true", NULL},
    {"fail-on-missing-columns", FOR_CSV, "false", NULL},
    {"empty-string-as-null", FOR_CSV, "false", NULL},
};

// `rest`: what follows the format's name and point in `key`.
static int unknown_option(const char *key, const char *rest, enum format_kind kind, struct err *err)
{
    const char *candidates[ARRAY_SIZE(rules)];
    int count = 0;
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++)
        if (rules[i].formats & 1u << kind)
            candidates[count++] = rules[i].name;
    const char *close = err_suggest(rest, candidates, count);
    err_set(err, -EINVAL, "unknown option '%s' of format '%s'", key, kind_names[kind]);
    if (close)
        return err_append(err, -EINVAL, "did you mean '%.*s%s'?", (int)(rest - key), key, close);
    return -EINVAL;
}

static int apply_option(struct format_options *out, const char *key, const char *rest,
                        const char *value, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(rules); i++) {
        const struct rule *rule = &rules[i];
        if (!(rule->formats & 1u << out->kind) || strcmp(rule->name, rest))
            continue;
        if (rule->only && strcasecmp(rule->only, value))
            return err_set(err, -EINVAL, "'%s' = '%s' is not supported: leave it at '%s'", key,
                           value, rule->only);
        return rule->set ? rule->set(out, key, value, err) : 0;
    }
    return unknown_option(key, rest, out->kind, err);
}

// Is `key` an option of some format, and of which? *rest: what follows "name.".
static bool format_of_key(const char *key, enum format_kind *kind, const char **rest)
{
    for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++) {
        size_t len = strlen(kind_names[i]);
        if (strncmp(key, kind_names[i], len) == 0 && key[len] == '.') {
            *kind = (enum format_kind)i;
            *rest = key + len + 1;
            return true;
        }
    }
    return false;
}

static int parse_kind(const char *key, const char *value, enum format_kind *out, struct err *err)
{
    for (size_t i = 0; i < ARRAY_SIZE(kind_names); i++) {
        if (strcmp(value, kind_names[i]) == 0) {
            *out = (enum format_kind)i;
            return 0;
        }
    }
    err_set(err, -EINVAL,
            "'%s' = '%s' is not supported: expected 'json', 'csv', 'raw' (messages) or "
            "'debezium-json' (changes)",
            key, value);
    const char *close = err_suggest(value, kind_names, ARRAY_SIZE(kind_names));
    return close ? err_append(err, -EINVAL, "did you mean '%s'?", close) : -EINVAL;
}

// The bytes with a meaning must differ, or no reader could tell them apart.
static int check_csv_bytes(struct format_options *out, struct err *err)
{
    // An escape character that is the quote is what doubling the quote does anyway.
    if (out->csv_escape == out->csv_quote)
        out->csv_escape = -1;
    if (out->csv_delimiter == out->csv_quote)
        return err_set(err, -EINVAL,
                       "'csv.field-delimiter' and 'csv.quote-character' are both '%c': change one, "
                       "or set 'csv.disable-quote-character' = 'true'",
                       out->csv_delimiter);
    if (out->csv_delimiter == out->csv_escape)
        return err_set(err, -EINVAL,
                       "'csv.field-delimiter' and 'csv.escape-character' are both '%c': change one",
                       out->csv_delimiter);
    return 0;
}

// The option's name without the prefix; NULL: it has another.
static const char *without_prefix(const struct format_with *options, const char *key)
{
    size_t len = strlen(options->prefix);
    return strncmp(key, options->prefix, len) == 0 ? key + len : NULL;
}

// The index of the option that is called so behind the prefix; -1: it is not given.
static int find_option(const struct format_with *options, const char *wanted)
{
    for (int i = 0; i < options->count; i++) {
        const char *name = without_prefix(options, options->keys[i]);
        if (name && strcmp(name, wanted) == 0)
            return i;
    }
    return -1;
}

// Options that contradict each other.
static int check_together(const struct format_with *options, struct format_options *out,
                          struct err *err)
{
    const char *prefix = options->prefix;
    if (out->json_fail_on_missing_field && out->ignore_parse_errors)
        return err_set(err, -EINVAL,
                       "'%sjson.fail-on-missing-field' and '%sjson.ignore-parse-errors' cannot "
                       "both be 'true': set one to 'false'",
                       prefix, prefix);
    int disabled = find_option(options, "csv.disable-quote-character");
    if (disabled >= 0 && strcasecmp(options->values[disabled], "true") == 0) {
        if (find_option(options, "csv.quote-character") >= 0)
            return err_set(err, -EINVAL,
                           "'%scsv.quote-character' has no meaning with "
                           "'%scsv.disable-quote-character' = 'true': remove one",
                           prefix, prefix);
        out->csv_quote = -1;
    }
    return out->kind == FORMAT_CSV ? check_csv_bytes(out, err) : 0;
}

static int apply_all(const struct format_with *options, struct format_options *out, struct err *err)
{
    for (int i = 0; i < options->count; i++) {
        enum format_kind owner;
        const char *key = options->keys[i], *name = without_prefix(options, key), *rest;
        if (!name || !format_of_key(name, &owner, &rest))
            continue;
        if (owner != out->kind)
            return err_set(err, -EINVAL,
                           "'%s' is an option of format '%s', but this table's '%sformat' is '%s'",
                           key, kind_names[owner], options->prefix, kind_names[out->kind]);
        int rc = apply_option(out, key, rest, options->values[i], err);
        if (rc)
            return rc;
    }
    return 0;
}

int format_options_parse_prefixed(const struct format_with *with, struct format_options *out,
                                  struct err *err)
{
    enum format_kind kind = FORMAT_JSON;
    const char *prefix = with->prefix;
    int format = find_option(with, "format");
    if (format < 0)
        return err_set(err, -EINVAL,
                       "the option '%sformat' is missing: add '%sformat' = 'json' or "
                       "'%sformat' = 'csv'",
                       prefix, prefix, prefix);
    int rc = parse_kind(with->keys[format], with->values[format], &kind, err);
    if (rc)
        return rc;
    format_options_default(kind, out);
    rc = apply_all(with, out, err);
    return rc ? rc : check_together(with, out, err);
}

int format_options_parse(const char *const *keys, const char *const *values, int count,
                         struct format_options *out, struct err *err)
{
    struct format_with with = {"", keys, values, count};
    return format_options_parse_prefixed(&with, out, err);
}
