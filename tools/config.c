// config.c: the config file's YAML, walked against the table of keys.
//
// libfyaml parses; what it refuses is told in its words with our file:line:column. Aliases, tags
// and several documents have no use here and are refused rather than half understood. Nothing is
// kept of the YAML document once the values are read.
#include "tools/config.h"

#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/buf.h"
#include "core/base/check.h"
#include "core/base/utf8.h"
#include "tools/config_keys.h"
#include "tools/file.h"
#include "tools/memory_dir.h"

enum { CONFIG_FILE_BYTES_MAX = 1024 * 1024, NESTING_MAX = 32 };

// What the walk carries: where it reads, what it fills, which keys it has met.
struct walk {
    struct config *config;
    struct slice text;
    struct err *err;
    bool *given; // one a key of the table
};

struct place {
    int line, column; // from 1; 0: nowhere in particular
};

static struct place place_of(struct fy_node *node)
{
    struct fy_token *token = fy_node_is_scalar(node) ? fy_node_get_scalar_token(node) : NULL;
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
    return mark ? (struct place){mark->line + 1, mark->column + 1} : (struct place){0, 0};
}

// The line number `line` of the text, without its end.
static struct slice line_of(struct slice text, int line)
{
    const char *p = text.ptr, *end = text.ptr + text.len;
    for (int i = 1; i < line && p < end; i++) {
        const char *newline = memchr(p, '\n', (size_t)(end - p));
        p = newline ? newline + 1 : end;
    }
    const char *stop = p < end ? memchr(p, '\n', (size_t)(end - p)) : NULL;
    struct slice found = slice_make(p, (size_t)((stop ? stop : end) - p));
    if (found.len && found.ptr[found.len - 1] == '\r')
        found.len--;
    return found;
}

// The line as it may be shown: a byte that a terminal would obey becomes a question mark.
static void append_line(struct err *err, const char *line, int bytes)
{
    char text[256];
    CHECK(bytes < (int)sizeof(text));
    for (int i = 0; i < bytes; i++)
        text[i] = (char)((unsigned char)line[i] < ' ' && line[i] != '\t' ? '?' : line[i]);
    if (bytes)
        err_append(err, -EINVAL, "  %.*s", bytes, text);
}

// "file:line:column: problem", the line itself, a caret under the place, the hint.
static int refuse(struct walk *walk, struct place place, const struct config_complaint *complaint)
{
    const char *file = walk->config->file_name;
    if (place.line < 1) {
        err_set(walk->err, -EINVAL, "%s: %s", file, complaint->problem);
    } else {
        struct slice line = line_of(walk->text, place.line);
        int shown = line.len > 200 ? 200 : (int)line.len;
        err_set(walk->err, -EINVAL, "%s:%d:%d: %s", file, place.line, place.column,
                complaint->problem);
        append_line(walk->err, line.ptr, shown);
        if (shown && place.column - 1 <= shown)
            err_append(walk->err, -EINVAL, "  %*s^", place.column - 1, "");
    }
    if (complaint->hint[0])
        err_append(walk->err, -EINVAL, "%s", complaint->hint);
    return -EINVAL;
}

static bool same_section(const char *a, const char *b)
{
    return a && b ? strcmp(a, b) == 0 : a == b;
}

static int find_key(const char *section, const char *name)
{
    for (int i = 0; i < config_key_count(); i++) {
        if (same_section(config_keys[i].section, section) && strcmp(config_keys[i].name, name) == 0)
            return i;
    }
    return -1;
}

static bool is_section(const char *name)
{
    for (int i = 0; i < config_key_count(); i++) {
        if (config_keys[i].section && strcmp(config_keys[i].section, name) == 0)
            return true;
    }
    return false;
}

// The names that may stand in `section` (NULL: at the top); returns how many.
static int names_in(const char *section, const char **names, int capacity)
{
    int count = 0;
    for (int i = 0; i < config_key_count(); i++) {
        const struct config_key *key = &config_keys[i];
        const char *name = same_section(key->section, section) ? key->name
                           : !section                          ? key->section
                                                               : NULL;
        bool new = name && (count == 0 || strcmp(names[count - 1], name) != 0);
        if (new &&count < capacity)
            names[count++] = name;
    }
    return count;
}

static int refuse_unknown(struct walk *walk, const char *section, const char *name,
                          struct place place)
{
    struct config_complaint complaint = {.hint = ""};
    const char *names[32];
    int count = names_in(section, names, (int)ARRAY_SIZE(names));
    const char *meant = err_suggest(name, names, count);
    snprintf(complaint.problem, sizeof(complaint.problem), "unknown key '%.80s'%s%s", name,
             section ? " in " : "", section ? section : "");
    if (meant) {
        snprintf(complaint.hint, sizeof(complaint.hint), "did you mean '%s'?", meant);
        return refuse(walk, place, &complaint);
    }
    for (int i = 0; i < config_key_count(); i++) {
        if (config_keys[i].section && strcmp(config_keys[i].name, name) == 0) {
            snprintf(complaint.hint, sizeof(complaint.hint), "'%s' belongs in '%s'", name,
                     config_keys[i].section);
            return refuse(walk, place, &complaint);
        }
    }
    size_t used = (size_t)snprintf(complaint.hint, sizeof(complaint.hint), "known here:");
    for (int i = 0; i < count && used < sizeof(complaint.hint); i++)
        used +=
            (size_t)snprintf(complaint.hint + used, sizeof(complaint.hint) - used, " %s", names[i]);
    return refuse(walk, place, &complaint);
}

static int refuse_with(struct walk *walk, struct place place, const char *hint, const char *problem)
{
    struct config_complaint complaint;
    snprintf(complaint.problem, sizeof(complaint.problem), "%s", problem);
    snprintf(complaint.hint, sizeof(complaint.hint), "%s", hint);
    return refuse(walk, place, &complaint);
}

static bool is_empty_value(struct fy_node *node, struct config_scalar scalar)
{
    return fy_node_get_style(node) == FYNS_PLAIN &&
           (scalar.text[0] == '\0' || strcmp(scalar.text, "~") == 0 ||
            strcmp(scalar.text, "null") == 0);
}

static int read_value(struct walk *walk, int index, struct fy_node *value, struct place key_place)
{
    const struct config_key *key = &config_keys[index];
    struct config_complaint complaint = {.problem = "", .hint = ""};
    char problem[128];
    if (!value || !fy_node_is_scalar(value) || fy_node_get_style(value) == FYNS_ALIAS) {
        snprintf(problem, sizeof(problem), "%s takes one value", key->name);
        return refuse_with(walk, key_place, value ? "not a list, a mapping or an alias" : "",
                           problem);
    }
    size_t bytes;
    const char *raw = fy_node_get_scalar(value, &bytes);
    struct place place = place_of(value);
    struct config_scalar scalar = {
        .text = pool_strndup(&walk->config->pool, raw ? raw : "", raw ? bytes : 0),
        .quoted = fy_node_get_style(value) != FYNS_PLAIN,
        .line = place.line,
        .column = place.column,
    };
    if (is_empty_value(value, scalar)) {
        snprintf(problem, sizeof(problem), "%s has no value", key->name);
        return refuse_with(walk, key_place, "", problem);
    }
    if (config_value_set(walk->config, key, scalar, &complaint))
        return refuse(walk, place.line ? place : key_place, &complaint);
    walk->given[index] = true;
    return 0;
}

static int read_mapping(struct walk *walk, const char *section, struct fy_node *mapping);

static bool is_tagged(struct fy_node *node)
{
    size_t bytes = 0;
    return node && fy_node_get_tag(node, &bytes) && bytes > 0;
}

static int read_pair(struct walk *walk, const char *section, struct fy_node_pair *pair)
{
    struct fy_node *key_node = fy_node_pair_key(pair);
    struct fy_node *value = fy_node_pair_value(pair);
    struct place place = key_node ? place_of(key_node) : (struct place){0, 0};
    size_t bytes = 0;
    const char *raw =
        key_node && fy_node_is_scalar(key_node) ? fy_node_get_scalar(key_node, &bytes) : NULL;
    if (!raw)
        return refuse_with(walk, place, "", "a key must be a word");
    if (is_tagged(key_node) || is_tagged(value))
        return refuse_with(walk, place, "leave out the word that begins with !",
                           "a YAML tag has no use here");
    const char *name = pool_strndup(&walk->config->pool, raw, bytes);
    if (!section && is_section(name)) {
        if (!value || !fy_node_is_mapping(value))
            return refuse_with(walk, place, "as in  memory: {dir: /dev/shm, reserve: 10%}",
                               "this key takes a mapping of keys to values");
        return read_mapping(walk, name, value);
    }
    int index = find_key(section, name);
    if (index < 0)
        return refuse_unknown(walk, section, name, place);
    return read_value(walk, index, value, place);
}

// Recursion is one level deep: a section cannot hold a section.
static int read_mapping(struct walk *walk, const char *section, struct fy_node *mapping)
{
    void *position = NULL;
    struct fy_node_pair *pair;
    while ((pair = fy_node_mapping_iterate(mapping, &position))) {
        int code = read_pair(walk, section, pair);
        if (code)
            return code;
    }
    return 0;
}

// "./{job}.dead" -> "./uv.dead".
static const char *fill_in_job(struct config *config, const char *text)
{
    const char *mark = strstr(text, "{job}");
    if (!mark)
        return text;
    return pool_printf(&config->pool, "%.*s%s%s", (int)(mark - text), text, config->job,
                       mark + strlen("{job}"));
}

static int fill_defaults(struct walk *walk)
{
    for (int i = 0; i < config_key_count(); i++) {
        const struct config_key *key = &config_keys[i];
        if (walk->given[i])
            continue;
        if (!key->default_text) {
            char problem[128];
            snprintf(problem, sizeof(problem), "the key '%s' is missing", key->name);
            return refuse_with(walk, (struct place){0, 0},
                               "the smallest config is two lines:  job: NAME  and  sql: FILE.sql",
                               problem);
        }
        struct config_complaint complaint;
        struct config_scalar scalar = {.text = fill_in_job(walk->config, key->default_text)};
        int code = config_value_set(walk->config, key, scalar, &complaint);
        CHECK(code == 0);
    }
    return 0;
}

static int refuse_shape(struct walk *walk, int line, const char *problem)
{
    return refuse_with(walk, (struct place){line, line > 0}, "write  job: NAME  and  sql: FILE.sql",
                       problem);
}

// What the YAML parser itself refused, in its words and at its place.
static int refuse_yaml(struct walk *walk, struct fy_diag *diag)
{
    void *position = NULL;
    struct fy_diag_error *error = diag ? fy_diag_errors_iterate(diag, &position) : NULL;
    if (!error || !error->msg)
        return refuse_shape(walk, 0, "the config is empty");
    char problem[256];
    snprintf(problem, sizeof(problem), "this is not YAML: %s", error->msg);
    const char *hint = strstr(error->msg, "duplicate") ? "say each key once"
                       : strstr(error->msg, "tab ")
                           ? "indent with spaces"
                           : "keys of one level begin in the same column:  key: value";
    return refuse_with(walk, (struct place){error->line, error->column}, hint, problem);
}

static struct fy_diag *make_diag(void)
{
    struct fy_diag_cfg settings;
    fy_diag_cfg_default(&settings);
    settings.fp = NULL;
    settings.colorize = false;
    struct fy_diag *diag = fy_diag_create(&settings);
    if (diag)
        fy_diag_set_collect_errors(diag, true);
    return diag;
}

static int read_root(struct walk *walk, struct fy_document *document)
{
    struct fy_node *root = fy_document_root(document);
    if (!root || is_tagged(root) || !fy_node_is_mapping(root))
        return refuse_shape(walk, 1, "the config must be a mapping of keys to values");
    return read_mapping(walk, NULL, root);
}

// One document; what follows it would be ignored.
static int read_documents(struct walk *walk, struct fy_parser *parser, struct fy_diag *diag)
{
    struct fy_document *document = fy_parse_load_document(parser);
    if (!document)
        return refuse_yaml(walk, diag);
    int code = read_root(walk, document);
    fy_parse_document_destroy(parser, document);
    if (code)
        return code;
    document = fy_parse_load_document(parser);
    if (document) {
        fy_parse_document_destroy(parser, document);
        return refuse_shape(walk, 0, "the file holds several YAML documents (---); one is a job");
    }
    void *position = NULL;
    return diag && fy_diag_errors_iterate(diag, &position) ? refuse_yaml(walk, diag) : 0;
}

static int read_text(struct walk *walk)
{
    struct fy_diag *diag = make_diag();
    struct fy_parse_cfg settings = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE, .diag = diag};
    struct fy_parser *parser = fy_parser_create(&settings);
    CHECK(parser);
    int code = fy_parser_set_string(parser, walk->text.ptr, (size_t)walk->text.len)
                   ? refuse_shape(walk, 0, "the config is empty")
                   : read_documents(walk, parser, diag);
    fy_parser_destroy(parser);
    if (diag)
        fy_diag_destroy(diag);
    return code;
}

// What no config needs is refused before the parser sees it: bytes that YAML forbids, depth, and
// directives, on which libfyaml 0.7.12 can loop for ever (found by the fuzzer).
static int check_text(struct walk *walk)
{
    int line = 1, column = 1, depth = 0;
    if (!utf8_valid(walk->text.ptr, walk->text.len))
        return refuse_with(walk, (struct place){0, 0}, "is this a binary file?", "is not UTF-8");
    if (walk->text.len > CONFIG_FILE_BYTES_MAX)
        return refuse_with(walk, (struct place){0, 0}, "",
                           "a config of more than 1MiB is a mistake");
    for (uint64_t i = 0; i < walk->text.len; i++, column++) {
        unsigned char c = (unsigned char)walk->text.ptr[i];
        if (c == '\n') {
            line++;
            column = 0;
        } else if (c < ' ' && c != '\t' && c != '\r') {
            return refuse_with(walk, (struct place){line, column}, "is this a binary file?",
                               "a control character cannot stand here");
        }
        if (c == '%' && column == 1)
            return refuse_with(walk, (struct place){line, column}, "",
                               "a YAML directive has no use here");
        depth += (c == '[' || c == '{') - (depth > 0 && (c == ']' || c == '}'));
        if (depth > NESTING_MAX)
            return refuse_with(walk, (struct place){line, column}, "", "nested too deep");
    }
    return 0;
}

int config_parse(const char *file_name, struct slice text, struct config **out, struct err *err)
{
    struct config *config = calloc(1, sizeof(*config));
    CHECK(config);
    config->file_name = pool_strdup(&config->pool, file_name);
    struct walk walk = {.config = config, .text = text, .err = err};
    walk.given = pool_zalloc(&config->pool, (size_t)config_key_count() * sizeof(bool));
    int code = check_text(&walk);
    if (!code)
        code = read_text(&walk);
    if (!code)
        code = fill_defaults(&walk);
    if (code)
        config_free(config);
    else
        *out = config;
    return code;
}

static void find_memory(struct config *config)
{
    char dir[PATH_MAX];
    memory_dir_find(config->job, dir);
    config->memory.dir = pool_strdup(&config->pool, dir);
    config->memory.is_auto = true;
}

int config_load(const char *path, struct config **out, struct err *err)
{
    struct buf text = {0};
    int code = file_read_all(path, CONFIG_FILE_BYTES_MAX + 1, &text, err);
    if (!code)
        code = config_parse(path, buf_slice(&text), out, err);
    if (!code && !(*out)->memory.dir)
        find_memory(*out);
    buf_fini(&text);
    return code;
}

void config_free(struct config *config)
{
    if (!config)
        return;
    pool_fini(&config->pool);
    free(config);
}
