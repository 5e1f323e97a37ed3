// headers.c: see headers.h. Headers are few: names are found by looking at all of them.
#include "core/format/headers.h"

#include <errno.h>
#include <jansson.h>

#include "core/base/check.h"
#include "core/base/utf8.h"

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

// --- to JSON ---

static void append_base64(struct slice bytes, struct buf *out)
{
    const unsigned char *p = (const unsigned char *)bytes.ptr;
    for (uint64_t i = 0; i < bytes.len; i += 3) {
        uint64_t left = bytes.len - i;
        uint32_t word = (uint32_t)p[i] << 16;
        word |= left > 1 ? (uint32_t)p[i + 1] << 8 : 0;
        word |= left > 2 ? p[i + 2] : 0;
        char text[4] = {digits[word >> 18], digits[word >> 12 & 63],
                        left > 1 ? digits[word >> 6 & 63] : '=',
                        left > 2 ? digits[word & 63] : '='};
        buf_append(out, text, sizeof(text));
    }
}

static void append_value(const struct header *header, struct buf *out)
{
    if (header->is_null) {
        buf_append_str(out, "null");
    } else if (utf8_valid(header->value.ptr, header->value.len)) {
        buf_append_json_string(out, header->value);
    } else {
        buf_append_str(out, "{\"base64\":\"");
        append_base64(header->value, out);
        buf_append_str(out, "\"}");
    }
}

// The index of the first header of this name.
static int first_of(const struct header *headers, struct slice name)
{
    int i = 0;
    while (!slice_equal(headers[i].name, name))
        i++;
    return i;
}

// All values of headers[at]'s name, which comes there first.
static void append_values(const struct header *headers, int count, int at, struct buf *out)
{
    int same = 0;
    for (int i = at; i < count; i++)
        same += slice_equal(headers[i].name, headers[at].name);
    if (same == 1) {
        append_value(&headers[at], out);
        return;
    }
    char separator = '[';
    for (int i = at; i < count; i++) {
        if (!slice_equal(headers[i].name, headers[at].name))
            continue;
        buf_append_char(out, separator);
        separator = ',';
        append_value(&headers[i], out);
    }
    buf_append_char(out, ']');
}

void headers_format(const struct header *headers, int count, struct buf *out)
{
    const char *separator = "";
    buf_append_char(out, '{');
    for (int i = 0; i < count; i++) {
        if (first_of(headers, headers[i].name) != i)
            continue;
        buf_append_str(out, separator);
        separator = ",";
        buf_append_json_string(out, headers[i].name);
        buf_append_char(out, ':');
        append_values(headers, count, i, out);
    }
    buf_append_char(out, '}');
}

// --- from JSON ---

struct parsing {
    struct pool *pool;
    struct header *headers;
    int count, capacity;
    struct err *err;
};

static void add(struct parsing *p, struct slice name, struct slice value, bool is_null)
{
    if (p->count == p->capacity) {
        int capacity = p->capacity ? 2 * p->capacity : 8;
        struct header *grown = pool_alloc(p->pool, sizeof(*grown) * (size_t)capacity);
        if (p->count)
            memcpy(grown, p->headers, sizeof(*grown) * (size_t)p->count);
        p->headers = grown;
        p->capacity = capacity;
    }
    p->headers[p->count++] = (struct header){name, value, is_null};
}

// False: it is no base64 with its padding.
static bool decode_base64(struct pool *pool, struct slice text, struct slice *out)
{
    uint64_t padding = 0, len = 0;
    char *bytes = pool_alloc(pool, text.len + 3);
    while (padding < 2 && padding < text.len && text.ptr[text.len - 1 - padding] == '=')
        padding++;
    for (uint64_t i = 0; i + padding < text.len; i += 4) {
        uint32_t word = 0;
        for (uint64_t k = i; k < i + 4; k++) {
            const char *at = k + padding < text.len ? memchr(digits, text.ptr[k], 64) : digits;
            if (!at)
                return false;
            word = word << 6 | (uint32_t)(at - digits);
        }
        for (int shift = 16; shift >= 0; shift -= 8)
            bytes[len++] = (char)(word >> shift & 255);
    }
    *out = slice_make(bytes, len - (text.len ? padding : 0));
    return text.len % 4 == 0;
}

static int refuse(struct parsing *p, struct slice name, const char *says)
{
    return err_set(p->err, -EINVAL, "headers: \"%.*s\" %s", (int)(name.len < 60 ? name.len : 60),
                   name.ptr, says);
}

static int add_bytes(struct parsing *p, struct slice name, const json_t *value)
{
    const json_t *text = json_object_get(value, "base64");
    struct slice bytes = {0};
    if (json_object_size(value) != 1 || !json_is_string(text))
        return refuse(p, name, "is an object: only {\"base64\": \"...\"} is a value");
    if (!decode_base64(p->pool, slice_make(json_string_value(text), json_string_length(text)),
                       &bytes))
        return refuse(p, name, "has a \"base64\" that is none");
    add(p, name, bytes, false);
    return 0;
}

static int add_value(struct parsing *p, struct slice name, const json_t *value)
{
    struct slice text;
    switch (json_typeof(value)) {
    case JSON_STRING:
        text = slice_make(json_string_value(value), json_string_length(value));
        add(p, name, pool_copy(p->pool, text), false);
        return 0;
    case JSON_NULL:
        add(p, name, (struct slice){0}, true);
        return 0;
    case JSON_TRUE:
    case JSON_FALSE:
        add(p, name, slice_of(json_is_true(value) ? "true" : "false"), false);
        return 0;
    case JSON_INTEGER:
        text = slice_of(pool_printf(p->pool, "%lld", (long long)json_integer_value(value)));
        add(p, name, text, false);
        return 0;
    case JSON_OBJECT:
        return add_bytes(p, name, value);
    default:
        return refuse(p, name,
                      "is neither a string, a whole number, true, false, null, "
                      "{\"base64\": ...} nor an array of them");
    }
}

static int add_member(struct parsing *p, struct slice name, const json_t *value)
{
    if (!json_is_array(value))
        return add_value(p, name, value);
    int rc = 0;
    for (size_t i = 0; i < json_array_size(value) && rc == 0; i++)
        rc = add_value(p, name, json_array_get(value, i));
    return rc;
}

int headers_parse(struct slice text, struct pool *pool, struct header **out, int *count,
                  struct err *err)
{
    struct parsing p = {.pool = pool, .err = err};
    json_error_t error;
    json_t *root = json_loadb(text.ptr ? text.ptr : "", text.len,
                              JSON_ALLOW_NUL | JSON_REJECT_DUPLICATES, &error);
    const char *key;
    size_t key_len;
    json_t *value;
    int rc = 0;
    if (!json_is_object(root))
        rc = err_set(err, -EINVAL, "headers: no JSON object: %s",
                     root ? "it begins otherwise" : error.text);
    else
        json_object_keylen_foreach(root, key, key_len, value)
        {
            rc = rc ? rc : add_member(&p, pool_copy(pool, slice_make(key, key_len)), value);
        }
    json_decref(root);
    *out = p.headers;
    *count = p.count;
    return rc;
}
