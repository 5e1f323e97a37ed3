// pin_yaml.c: setting keys of the section placement in the text of a config.
//
// The text is edited where the keys stand, never printed anew: comments, order, quotes and blank
// lines of a person stay. libfyaml says where things are. The result is read again: it must say
// what was asked, and everything else as before, or the edit is refused.
#include <errno.h>
#include <libfyaml.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "tools/config.h"
#include "tools/pin.h"

enum { KEYS_MAX = 32 };

struct span {
    size_t begin, end; // bytes of the text
};

struct entry {
    char key[64];
    struct span value; // with its quotes
};

// Where things stand.
struct map {
    struct slice text;
    size_t root_column, last_end; // of the root's first key; behind the document's last scalar
    bool root_is_flow, has_root;
    size_t root_close; // of the root's }
    bool has_section, section_is_flow;
    size_t section_column; // of its first key
    size_t section_close;  // of its }
    size_t section_end;    // behind its last value
    struct entry entries[KEYS_MAX];
    int count;
};

// Where a walk through the events is.
struct cursor {
    int depth;        // of mappings
    bool wants_value; // a key has been read
    char key[64];     // of the root, or of the section
    size_t key_begin;
};

static struct span span_of(struct slice text, struct fy_token *token)
{
    const struct fy_mark *start = fy_token_start_mark(token), *end = fy_token_end_mark(token);
    struct span span = {start ? start->input_pos : 0, end ? end->input_pos : 0};
    // The marks of a quoted scalar are inside of its quotes.
    if (span.begin > 0 && span.end < text.len &&
        (text.ptr[span.begin - 1] == '"' || text.ptr[span.begin - 1] == '\'') &&
        text.ptr[span.end] == text.ptr[span.begin - 1]) {
        span.begin--;
        span.end++;
    }
    return span;
}

static size_t column_of(struct slice text, size_t at)
{
    size_t begin = at;
    while (begin > 0 && text.ptr[begin - 1] != '\n')
        begin--;
    return at - begin;
}

static void see_key(struct map *map, struct cursor *c, const char *key, size_t begin)
{
    snprintf(c->key, sizeof c->key, "%s", key);
    c->key_begin = begin;
    c->wants_value = true;
    if (c->depth == 1 && !map->has_root) {
        map->has_root = true;
        map->root_column = column_of(map->text, begin);
    }
    if (c->depth == 2 && map->count == 0)
        map->section_column = column_of(map->text, begin);
}

static void see_value(struct map *map, struct cursor *c, struct span span, bool in_section)
{
    c->wants_value = false;
    if (!in_section || map->count == KEYS_MAX)
        return;
    struct entry *entry = &map->entries[map->count++];
    memcpy(entry->key, c->key, sizeof entry->key);
    entry->value = span;
    map->section_end = span.end;
}

static void see_scalar(struct map *map, struct cursor *c, struct fy_token *token, bool in_section)
{
    struct span span = span_of(map->text, token);
    size_t bytes = 0;
    const char *text = fy_token_get_text(token, &bytes);
    char word[64];
    snprintf(word, sizeof word, "%.*s", (int)bytes, text ? text : "");
    map->last_end = span.end > map->last_end ? span.end : map->last_end;
    if (c->wants_value)
        see_value(map, c, span, in_section);
    else
        see_key(map, c, word, span.begin);
}

static size_t mark_of(struct fy_token *token)
{
    const struct fy_mark *mark = token ? fy_token_start_mark(token) : NULL;
    return mark ? mark->input_pos : 0;
}

// The config has been accepted, so below the root there are scalars and mappings of scalars only.
static void see_event(struct map *map, struct cursor *c, struct fy_event *event, bool *in_section)
{
    if (event->type == FYET_MAPPING_START) {
        size_t at = mark_of(event->mapping_start.mapping_start);
        bool is_flow =
            at < map->text.len && map->text.ptr[at] == '{' && event->mapping_start.mapping_start;
        c->depth++;
        c->wants_value = false;
        if (c->depth == 1)
            map->root_is_flow = is_flow;
        *in_section = c->depth == 2 && strcmp(c->key, "placement") == 0;
        if (*in_section) {
            map->has_section = true;
            map->section_is_flow = is_flow;
        }
    } else if (event->type == FYET_MAPPING_END) {
        size_t at = mark_of(event->mapping_end.mapping_end);
        if (*in_section)
            map->section_close = at;
        if (c->depth == 1)
            map->root_close = at;
        *in_section = false;
        c->depth--;
        c->wants_value = false;
    } else if (event->type == FYET_SCALAR) {
        see_scalar(map, c, event->scalar.value, *in_section);
    }
}

static int find_places(struct slice text, struct map *map)
{
    struct fy_parse_cfg settings = {.flags = FYPCF_QUIET | FYPCF_JSON_NONE};
    struct fy_parser *parser = fy_parser_create(&settings);
    CHECK(parser);
    struct cursor cursor = {.depth = 0};
    bool in_section = false;
    *map = (struct map){.text = text};
    int rc = fy_parser_set_string(parser, text.ptr, (size_t)text.len) ? -EINVAL : 0;
    struct fy_event *event;
    while (rc == 0 && (event = fy_parser_parse(parser))) {
        see_event(map, &cursor, event, &in_section);
        fy_parser_event_free(parser, event);
    }
    fy_parser_destroy(parser);
    return rc == 0 && map->has_root ? 0 : -EINVAL;
}

// --- edits ---

struct edit {
    struct span span; // that is replaced; empty: put in there
    struct buf text;
};

static const struct entry *find_entry(const struct map *map, const char *key)
{
    for (int i = 0; i < map->count; i++)
        if (strcmp(map->entries[i].key, key) == 0)
            return &map->entries[i];
    return NULL;
}

static size_t line_end(struct slice text, size_t at)
{
    while (at < text.len && text.ptr[at] != '\n')
        at++;
    return at;
}

static bool ends_with_comma(struct slice text, size_t at)
{
    while (at > 0 && strchr(" \t\r\n", text.ptr[at - 1]))
        at--;
    return at > 0 && text.ptr[at - 1] == ',';
}

static const char *newline_of(struct slice text)
{
    const char *newline = memchr(text.ptr, '\n', text.len);
    return newline && newline > text.ptr && newline[-1] == '\r' ? "\r\n" : "\n";
}

// The settings that are not there yet, each in front of `separator`, or behind it.
static void put_new(const struct map *map, const struct pin_settings *settings, const char *before,
                    struct buf *out)
{
    bool is_first = true;
    for (int i = 0; i < settings->count; i++) {
        if (map->has_section && find_entry(map, settings->at[i].key))
            continue;
        if (!is_first || *before != ',')
            buf_append_str(out, before);
        buf_printf(out, "%s: %s", settings->at[i].key, settings->at[i].value);
        is_first = false;
    }
}

// Behind the line of the section's last value, in its column.
static void extend_block(const struct map *map, const struct pin_settings *settings,
                         struct edit *edit)
{
    char before[128];
    size_t at = line_end(map->text, map->section_end);
    if (at > 0 && at <= map->text.len && map->text.ptr[at - 1] == '\r')
        at--;
    snprintf(before, sizeof before, "%s%*s", newline_of(map->text), (int)map->section_column % 100,
             "");
    edit->span = (struct span){at, at};
    put_new(map, settings, before, &edit->text);
}

static void extend_flow(const struct map *map, const struct pin_settings *settings,
                        struct edit *edit)
{
    edit->span = (struct span){map->section_close, map->section_close};
    struct buf inner = {.data = NULL};
    put_new(map, settings, ", ", &inner);
    if (inner.len && map->count > 0 && !ends_with_comma(map->text, map->section_close))
        buf_append_str(&edit->text, ", ");
    buf_append(&edit->text, inner.data, inner.len);
    buf_fini(&inner);
}

static void add_section(const struct map *map, const struct pin_settings *settings,
                        struct edit *edit)
{
    struct buf inner = {.data = NULL};
    put_new(map, settings, ", ", &inner);
    if (map->root_is_flow) {
        edit->span = (struct span){map->root_close, map->root_close};
        buf_printf(&edit->text, "%splacement: {%s}",
                   ends_with_comma(map->text, map->root_close) ? "" : ", ", buf_str(&inner));
    } else {
        size_t at = line_end(map->text, map->last_end);
        if (at > 0 && map->text.ptr[at - 1] == '\r')
            at--;
        edit->span = (struct span){at, at};
        buf_printf(&edit->text, "%s%*splacement: {%s}", newline_of(map->text),
                   (int)map->root_column % 100, "", buf_str(&inner));
        if (at == map->text.len)
            buf_append_str(&edit->text, newline_of(map->text));
    }
    buf_fini(&inner);
}

static int by_place(const void *a, const void *b)
{
    const struct edit *x = a, *y = b;
    return (x->span.begin > y->span.begin) - (x->span.begin < y->span.begin);
}

static void apply(struct slice text, struct edit *edits, int count, struct buf *out)
{
    size_t at = 0;
    qsort(edits, (size_t)count, sizeof *edits, by_place);
    for (int i = 0; i < count; i++) {
        buf_append(out, text.ptr + at, edits[i].span.begin - at);
        buf_append(out, edits[i].text.data, edits[i].text.len);
        at = edits[i].span.end;
        buf_fini(&edits[i].text);
    }
    buf_append(out, text.ptr + at, text.len - at);
}

// --- proof ---

static bool is_setting(const struct pin_settings *settings, const char *key)
{
    for (int i = 0; i < settings->count; i++)
        if (strcmp(settings->at[i].key, key) == 0)
            return true;
    return false;
}

// Has `b` every key of `a` but those that may differ, with the same value? *count grows by them.
static bool has_all(struct fy_node *a, struct fy_node *b, const struct pin_settings *settings,
                    int *count)
{
    void *position = NULL;
    struct fy_node_pair *pair;
    while (a && (pair = fy_node_mapping_iterate(a, &position))) {
        const char *key = fy_node_get_scalar0(fy_node_pair_key(pair));
        if (!key || (settings ? is_setting(settings, key) : strcmp(key, "placement") == 0))
            continue;
        struct fy_node *other = b ? fy_node_mapping_lookup_by_string(b, key, FY_NT) : NULL;
        if (!other || !fy_node_compare(fy_node_pair_value(pair), other))
            return false;
        ++*count;
    }
    return true;
}

static bool is_same_rest(struct fy_node *a, struct fy_node *b, const struct pin_settings *settings)
{
    int there = 0, back = 0;
    return has_all(a, b, settings, &there) && has_all(b, a, settings, &back) && there == back;
}

// Is all but the settings as it was?
static bool rest_is_same(struct slice before, struct slice after,
                         const struct pin_settings *settings)
{
    struct fy_document *a = fy_document_build_from_string(NULL, before.ptr, (size_t)before.len);
    struct fy_document *b = fy_document_build_from_string(NULL, after.ptr, (size_t)after.len);
    struct fy_node *x = a ? fy_document_root(a) : NULL, *y = b ? fy_document_root(b) : NULL;
    bool same = x && y && is_same_rest(x, y, NULL) &&
                is_same_rest(fy_node_mapping_lookup_by_string(x, "placement", FY_NT),
                             fy_node_mapping_lookup_by_string(y, "placement", FY_NT), settings);
    fy_document_destroy(a);
    fy_document_destroy(b);
    return same;
}

// Does the text say what was asked?
static bool says_settings(struct slice text, const struct pin_settings *settings)
{
    struct fy_document *document = fy_document_build_from_string(NULL, text.ptr, (size_t)text.len);
    bool all = document != NULL;
    for (int i = 0; all && i < settings->count; i++) {
        char path[96];
        size_t bytes = strlen(settings->at[i].value), quotes = settings->at[i].value[0] == '"';
        snprintf(path, sizeof path, "/placement/%s", settings->at[i].key);
        struct fy_node *node =
            fy_node_by_path(fy_document_root(document), path, FY_NT, FYNWF_DONT_FOLLOW);
        size_t len = 0;
        const char *found = node ? fy_node_get_scalar(node, &len) : NULL;
        all = found && len == bytes - 2 * quotes &&
              memcmp(found, settings->at[i].value + quotes, len) == 0;
    }
    fy_document_destroy(document);
    return all;
}

static bool is_proved(const char *name, struct slice before, struct slice after,
                      const struct pin_settings *settings)
{
    struct config *config = NULL;
    if (config_parse(name, after, &config, NULL))
        return false;
    config_free(config);
    return rest_is_same(before, after, settings) && says_settings(after, settings);
}

int pin_yaml_edit(const char *name, struct slice text, const struct pin_settings *settings,
                  struct buf *out, struct err *err)
{
    struct map map;
    struct edit edits[KEYS_MAX + 1] = {{.span = {0, 0}}};
    int edit_count = 0;
    CHECK(settings->count <= KEYS_MAX);
    if (find_places(text, &map))
        return err_set(err, -EINVAL, "%s: the places of its keys cannot be found", name);
    for (int i = 0; i < settings->count && map.has_section; i++) {
        const struct entry *entry = find_entry(&map, settings->at[i].key);
        if (!entry)
            continue;
        edits[edit_count].span = entry->value;
        buf_append_str(&edits[edit_count++].text, settings->at[i].value);
    }
    struct edit *added = &edits[edit_count++];
    if (!map.has_section)
        add_section(&map, settings, added);
    else if (map.section_is_flow)
        extend_flow(&map, settings, added);
    else
        extend_block(&map, settings, added);
    size_t start = out->len;
    apply(text, edits, edit_count, out);
    struct slice made = slice_make(out->data + start, out->len - start);
    if (is_proved(name, text, made, settings))
        return 0;
    return err_set(err, -EINVAL,
                   "%s: it is written in a way that cannot be edited safely; put the line "
                   "`placement:` in it yourself",
                   name);
}
