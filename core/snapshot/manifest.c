// manifest.c: the manifest as JSON, through jansson.
#include "core/snapshot/manifest.h"

#include <errno.h>
#include <inttypes.h>
#include <jansson.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"
#include "core/base/utf8.h"
#include "core/snapshot/format.h"

#define CRC_MEMBER ",\n  \"crc32c\": \""
enum { CRC_DIGITS = 8, HEX_DIGITS = 16, PATH_MAX_BYTES = 200 };
static const char crc_end[] = "\"\n}\n";

// --- writing ---

// Numbers of 64 bits are texts: a JSON number keeps 53 bits in most readers.
static json_t *hex(uint64_t value)
{
    return json_sprintf("%016" PRIx64, value);
}

static json_t *number(uint64_t value)
{
    return json_integer((json_int_t)value);
}

static json_t *positions_of(const struct manifest_task *task)
{
    json_t *value = task->positions ? json_loads(task->positions, 0, NULL) : NULL;
    if (json_is_object(value))
        return value;
    json_decref(value);
    return json_object();
}

static void set(json_t *object, const char *key, json_t *value)
{
    CHECK(value && json_object_set_new(object, key, value) == 0);
}

// Any bytes as a text: those that are not UTF-8 become '?', for JSON has no way to say them.
static json_t *text(const char *value)
{
    size_t left = value ? strlen(value) : 0;
    char *copy = malloc(left + 1), *to = copy;
    CHECK(copy);
    while (left) {
        size_t bytes = utf8_sequence_bytes(value, left);
        memcpy(to, bytes ? value : "?", bytes ? bytes : 1);
        bytes = bytes ? bytes : 1;
        to += bytes;
        value += bytes;
        left -= bytes;
    }
    json_t *string = json_stringn(copy, (size_t)(to - copy));
    free(copy);
    return string;
}

static json_t *write_task(const struct manifest_task *task)
{
    json_t *files = json_array(), *object = json_object();
    CHECK(files && object);
    for (int i = 0; i < task->file_count; i++) {
        json_t *file = json_object();
        CHECK(file);
        set(file, "checkpoint", number(task->files[i].checkpoint));
        set(file, "attempt", number(task->files[i].attempt));
        set(file, "path", text(task->files[i].path));
        CHECK(json_array_append_new(files, file) == 0);
    }
    set(object, "name", text(task->name));
    set(object, "files", files);
    set(object, "file_bytes", number(task->file_bytes));
    set(object, "blocks", number(task->blocks));
    set(object, "undo_bytes", number(task->undo_bytes));
    set(object, "align_ms", json_integer(task->align_ms));
    set(object, "duration_ms", json_integer(task->duration_ms));
    set(object, "rows_in", number(task->rows_in));
    set(object, "rows_out", number(task->rows_out));
    set(object, "watermark_ms",
        task->watermark_ms == INT64_MIN ? json_null() : json_integer(task->watermark_ms));
    set(object, "positions", positions_of(task));
    return object;
}

void manifest_write(const struct manifest *manifest, struct buf *out)
{
    json_t *object = json_object(), *tasks = json_array();
    CHECK(object && tasks);
    for (int i = 0; i < manifest->task_count; i++)
        CHECK(json_array_append_new(tasks, write_task(&manifest->tasks[i])) == 0);
    set(object, "weir_checkpoint", number(MANIFEST_VERSION));
    set(object, "job", text(manifest->job));
    set(object, "fingerprint", hex(manifest->fingerprint));
    set(object, "checkpoint", number(manifest->checkpoint));
    set(object, "started_ms", json_integer(manifest->started_ms));
    set(object, "duration_ms", json_integer(manifest->duration_ms));
    set(object, "state_bytes", number(manifest->state_bytes));
    set(object, "cores", json_integer(manifest->cores));
    set(object, "version", text(manifest->version));
    set(object, "command", text(manifest->command));
    set(object, "sql", text(manifest->sql));
    set(object, "tasks", tasks);
    char *json = json_dumps(object, JSON_INDENT(2));
    CHECK(json);
    size_t len = strlen(json) - strlen("\n}");
    uint32_t crc = snapshot_crc(0, json, len);
    buf_append(out, json, len);
    buf_printf(out, "%s%08" PRIx32 "%s", CRC_MEMBER, crc, crc_end);
    free(json);
    json_decref(object);
}

// --- reading ---

struct reader {
    struct pool *pool;
    const char *wrong; // first member that is missing or is not what it should be
};

static json_t *get(struct reader *r, const json_t *object, const char *key, json_type type)
{
    json_t *value = json_object_get(object, key);
    if (value && json_typeof(value) == type)
        return value;
    if (!r->wrong)
        r->wrong = key;
    return NULL;
}

static int64_t get_int(struct reader *r, const json_t *object, const char *key)
{
    return json_integer_value(get(r, object, key, JSON_INTEGER));
}

static uint64_t get_count(struct reader *r, const json_t *object, const char *key)
{
    int64_t value = get_int(r, object, key);
    if (value < 0 && !r->wrong)
        r->wrong = key;
    return value < 0 ? 0 : (uint64_t)value;
}

// A count in [least, most].
static uint64_t get_within(struct reader *r, const json_t *object, const char *key, uint64_t least,
                           uint64_t most)
{
    uint64_t value = get_count(r, object, key);
    bool is_within = value >= least && value <= most;
    if (!is_within && !r->wrong)
        r->wrong = key;
    return is_within ? value : least;
}

static const char *get_text(struct reader *r, const json_t *object, const char *key)
{
    const char *value = json_string_value(get(r, object, key, JSON_STRING));
    return pool_strdup(r->pool, value ? value : "");
}

static uint64_t get_hex(struct reader *r, const json_t *object, const char *key)
{
    const char *value = get_text(r, object, key);
    if ((strlen(value) != HEX_DIGITS || strspn(value, "0123456789abcdef") != HEX_DIGITS) &&
        !r->wrong)
        r->wrong = key;
    return strtoull(value, NULL, 16);
}

// The length of the plain name that `path` begins with; 0: none. Hidden ones, "." and ".." are not.
static size_t name_bytes(const char *path)
{
    static const char plain[] = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.";
    return *path == '.' ? 0 : strspn(path, plain);
}

// A path is followed: it must name a file in a folder of the store, FOLDER/FILE.
static const char *get_path(struct reader *r, const json_t *object)
{
    const char *path = get_text(r, object, "path");
    size_t folder = name_bytes(path);
    size_t file = folder && path[folder] == '/' ? name_bytes(path + folder + 1) : 0;
    bool is_good = file && !path[folder + 1 + file] && strlen(path) <= PATH_MAX_BYTES;
    if (!is_good && !r->wrong)
        r->wrong = "path";
    return is_good ? path : "";
}

static json_t *get_array(struct reader *r, const json_t *object, const char *key, size_t max)
{
    json_t *array = get(r, object, key, JSON_ARRAY);
    size_t count = json_array_size(array);
    if ((count == 0 || count > max) && !r->wrong)
        r->wrong = key;
    return count > max ? NULL : array;
}

static void read_files(struct reader *r, const json_t *object, struct manifest_task *task)
{
    json_t *files = get_array(r, object, "files", MANIFEST_CHAIN_MAX);
    task->file_count = (int)json_array_size(files);
    task->files = pool_zalloc(r->pool, (size_t)task->file_count * sizeof *task->files);
    for (int i = 0; i < task->file_count; i++) {
        const json_t *file = json_array_get(files, (size_t)i);
        struct manifest_file *to = &task->files[i];
        to->checkpoint = get_within(r, file, "checkpoint", 1, INT64_MAX);
        to->attempt = (uint32_t)get_within(r, file, "attempt", 0, UINT32_MAX);
        to->path = get_path(r, file);
        if (i && to->checkpoint <= task->files[i - 1].checkpoint && !r->wrong)
            r->wrong = "files";
    }
}

// The last file of its chain must be the checkpoint's own.
static void read_task(struct reader *r, const json_t *object, uint64_t checkpoint,
                      struct manifest_task *task)
{
    const json_t *watermark = json_object_get(object, "watermark_ms");
    char *positions = json_dumps(get(r, object, "positions", JSON_OBJECT), JSON_COMPACT);
    read_files(r, object, task);
    if (task->file_count && task->files[task->file_count - 1].checkpoint != checkpoint && !r->wrong)
        r->wrong = "files";
    task->name = get_text(r, object, "name");
    task->file_bytes = get_count(r, object, "file_bytes");
    task->blocks = get_count(r, object, "blocks");
    task->undo_bytes = get_count(r, object, "undo_bytes");
    task->align_ms = get_int(r, object, "align_ms");
    task->duration_ms = get_int(r, object, "duration_ms");
    task->rows_in = get_count(r, object, "rows_in");
    task->rows_out = get_count(r, object, "rows_out");
    task->watermark_ms = json_is_null(watermark) ? INT64_MIN : get_int(r, object, "watermark_ms");
    task->positions = pool_strdup(r->pool, positions ? positions : "{}");
    free(positions);
}

// The checksum member must be the last, and right.
static int check_crc(struct slice text, struct err *err)
{
    const size_t tail = strlen(CRC_MEMBER) + CRC_DIGITS + strlen(crc_end);
    char want[sizeof CRC_MEMBER + CRC_DIGITS + sizeof crc_end];
    if (text.len <= tail)
        return err_set(err, -EBADMSG, "the manifest is cut off");
    snprintf(want, sizeof want, "%s%08" PRIx32 "%s", CRC_MEMBER,
             snapshot_crc(0, text.ptr, text.len - tail), crc_end);
    if (memcmp(want, text.ptr + text.len - tail, tail) != 0)
        return err_set(err, -EBADMSG, "the manifest is damaged (its checksum)");
    return 0;
}

static int read_document(struct reader *r, const json_t *object, struct manifest *out,
                         struct err *err)
{
    uint64_t version = get_count(r, object, "weir_checkpoint");
    if (!r->wrong && version != MANIFEST_VERSION)
        return err_set(err, -EPROTO,
                       "the checkpoint has format version %" PRIu64
                       ", this program reads version %d: use the program that wrote it",
                       version, MANIFEST_VERSION);
    json_t *tasks = get_array(r, object, "tasks", MANIFEST_TASKS_MAX);
    *out = (struct manifest){
        .job = get_text(r, object, "job"),
        .fingerprint = get_hex(r, object, "fingerprint"),
        .checkpoint = get_within(r, object, "checkpoint", 1, INT64_MAX),
        .started_ms = get_int(r, object, "started_ms"),
        .duration_ms = get_int(r, object, "duration_ms"),
        .state_bytes = get_count(r, object, "state_bytes"),
        .cores = (int)get_within(r, object, "cores", 0, INT_MAX),
        .version = get_text(r, object, "version"),
        .command = get_text(r, object, "command"),
        .sql = get_text(r, object, "sql"),
        .task_count = (int)json_array_size(tasks),
    };
    out->tasks = pool_zalloc(r->pool, (size_t)out->task_count * sizeof *out->tasks);
    for (int i = 0; i < out->task_count; i++)
        read_task(r, json_array_get(tasks, (size_t)i), out->checkpoint, &out->tasks[i]);
    return r->wrong ? err_set(err, -EBADMSG, "the manifest is not one: member '%s'", r->wrong) : 0;
}

int manifest_read(struct slice text, struct pool *pool, struct manifest *out, struct err *err)
{
    json_error_t wrong;
    struct reader reader = {.pool = pool};
    int rc = check_crc(text, err);
    if (rc < 0)
        return rc;
    json_t *object = json_loadb(text.ptr, text.len, JSON_REJECT_DUPLICATES, &wrong);
    if (!object)
        return err_set(err, -EBADMSG, "the manifest is no JSON: line %d: %s", wrong.line,
                       wrong.text);
    rc = read_document(&reader, object, out, err);
    json_decref(object);
    return rc;
}
