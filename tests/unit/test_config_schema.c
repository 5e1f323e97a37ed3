// test_config_schema.c: reader, docs/config.schema.json and docs/config.md say the same.
//
// The schema is read as YAML (JSON is a part of it). Each key that it names must be one the reader
// knows, with the same default and the same meaning; each key the reader knows must be in it.
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <libfyaml.h>

#include "tools/config.h"
#include "tools/file.h"

static struct fy_document *schema;

static int setup(void **state)
{
    (void)state;
    schema = fy_document_build_from_file(NULL, "docs/config.schema.json");
    return schema ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    fy_document_destroy(schema);
    return 0;
}

// The node of a key in the schema, or NULL.
static struct fy_node *schema_of(struct config_key_info key)
{
    char path[256];
    snprintf(path, sizeof(path), "/properties/%s%s%s", key.section ? key.section : "",
             key.section ? "/properties/" : "", key.name);
    return fy_node_by_path(fy_document_root(schema), path, FY_NT, FYNWF_DONT_FOLLOW);
}

static const char *text_of(struct fy_node *node, const char *name)
{
    struct fy_node *found = fy_node_mapping_lookup_by_string(node, name, FY_NT);
    return found ? fy_node_get_scalar0(found) : NULL;
}

// "./{job}.dead" as the schema and the page write it: "./JOB.dead".
static void written_default(const char *text, char *out, size_t out_bytes)
{
    const char *mark = strstr(text, "{job}");
    if (mark)
        snprintf(out, out_bytes, "%.*sJOB%s", (int)(mark - text), text, mark + strlen("{job}"));
    else
        snprintf(out, out_bytes, "%s", text);
}

static void test_config_schema_has_every_key(void **state)
{
    (void)state;
    for (int i = 0; i < config_key_count(); i++) {
        struct config_key_info key = config_key_info_at(i);
        struct fy_node *node = schema_of(key);
        if (!node)
            fail_msg("the schema lacks %s", key.name);
        assert_string_equal(text_of(node, "description"), key.meaning);
        if (!key.default_text) {
            assert_null(text_of(node, "default"));
            continue;
        }
        char expected[128];
        written_default(key.default_text, expected, sizeof(expected));
        assert_string_equal(text_of(node, "default"), expected);
    }
}

// Read a config that sets `section.name` to the default that the schema gives; 0 when accepted.
static int accepts(const char *section, const char *name, const char *value, struct err *err)
{
    char text[512];
    struct config *config;
    const char *job = strcmp(name, "job") == 0 ? value : "uv";
    const char *sql = strcmp(name, "sql") == 0 ? value : "u.sql";
    snprintf(text, sizeof(text), "job: %s\nsql: %s\n", job, sql);
    if (section) {
        size_t used = strlen(text);
        snprintf(text + used, sizeof(text) - used, "%s: {%s: %s}\n", section, name, value);
    }
    int code = config_parse("x.yaml", slice_of(text), &config, err);
    if (!code)
        config_free(config);
    return code;
}

// Every key under a "properties" node is accepted by the reader, with the schema's own default.
static int check_properties(const char *section, struct fy_node *properties)
{
    void *position = NULL;
    struct fy_node_pair *pair;
    int count = 0;
    while ((pair = fy_node_mapping_iterate(properties, &position))) {
        const char *name = fy_node_get_scalar0(fy_node_pair_key(pair));
        struct fy_node *node = fy_node_pair_value(pair);
        struct fy_node *inner = fy_node_mapping_lookup_by_string(node, "properties", FY_NT);
        if (inner) {
            count += check_properties(name, inner);
            continue;
        }
        const char *value = text_of(node, "default");
        struct err err = {0};
        if (accepts(section, name, value ? value : "uv", &err))
            fail_msg("the reader refuses a key of the schema: %s", err.text);
        count++;
    }
    return count;
}

static void test_config_schema_names_only_known_keys(void **state)
{
    (void)state;
    struct fy_node *root = fy_document_root(schema);
    struct fy_node *top = fy_node_mapping_lookup_by_string(root, "properties", FY_NT);
    assert_int_equal(check_properties(NULL, top), config_key_count());
}

static void test_config_page_has_every_key(void **state)
{
    (void)state;
    struct buf page = {0};
    struct err err = {0};
    assert_int_equal(file_read_all("docs/config.md", 1 << 20, &page, &err), 0);
    for (int i = 0; i < config_key_count(); i++) {
        struct config_key_info key = config_key_info_at(i);
        char row[128];
        snprintf(row, sizeof(row), "| `%s%s%s` |", key.section ? key.section : "",
                 key.section ? "." : "", key.name);
        const char *found = strstr(buf_str(&page), row);
        if (!found)
            fail_msg("docs/config.md lacks %s", row);
        assert_non_null(strstr(found, key.meaning));
    }
    buf_fini(&page);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_config_schema_has_every_key),
        cmocka_unit_test(test_config_schema_names_only_known_keys),
        cmocka_unit_test(test_config_page_has_every_key),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
