// savepoint.c: see savepoint.h. Little-endian, no padding.
//
//   frame   magic u64, version u32, payload bytes u32, index u64, savepoint id u64, records u32,
//           CRC32C u32 (of the header with 0 here, then of the payload), payload
//   record  bytes of its values u32, operator u16, kind u8, 0 u8, values u32, values
//   value   tag u8; NULL: nothing; INT, DOUBLE: 8 bytes; TEXT: length u32 and the bytes
//
// The last frame has no records and its payload is the number of all records, u64.
#include "core/snapshot/savepoint.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <string.h>

#include "core/base/check.h"
#include "core/snapshot/format.h"

// "weirsav1" read as a little-endian word.
#define FRAME_MAGIC UINT64_C(0x3176617372696577)

enum { RECORD_HEAD = 12, FRAME_BYTES_MAX = 1 << 30 };

struct frame_head {
    uint64_t magic;
    uint32_t version, bytes;
    uint64_t index, id;
    uint32_t records, crc;
};

static_assert(sizeof(struct frame_head) == 40, "layout");

static uint32_t frame_crc(const struct frame_head *head, struct slice payload)
{
    struct frame_head copy = *head;
    copy.crc = 0;
    return snapshot_crc(snapshot_crc(0, &copy, sizeof copy), payload.ptr, payload.len);
}

// --- writing ---

static void put_bytes(struct savepoint_writer *w, const void *bytes, size_t len)
{
    if (!w->failed)
        w->failed = env_pwrite_all(w->env, w->fd, slice_make(bytes, len), w->offset);
    w->offset += len;
}

static void write_frame(struct savepoint_writer *w)
{
    struct frame_head head = {.magic = FRAME_MAGIC,
                              .version = SAVEPOINT_VERSION,
                              .bytes = (uint32_t)w->frame.len,
                              .index = w->frames++,
                              .id = w->id,
                              .records = w->frame_records};
    if (w->frame.len > FRAME_BYTES_MAX) {
        w->failed = w->failed ? w->failed : -EFBIG;
        return;
    }
    head.crc = frame_crc(&head, buf_slice(&w->frame));
    put_bytes(w, &head, sizeof head);
    put_bytes(w, w->frame.data, w->frame.len);
    buf_clear(&w->frame);
    w->frame_records = 0;
}

int savepoint_create(struct env *env, const char *path, uint64_t id, struct savepoint_writer *out,
                     struct err *err)
{
    *out = (struct savepoint_writer){.env = env, .id = id};
    out->fd = env->open(env, path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    return out->fd < 0
               ? err_set(err, out->fd, "cannot make the file %s: %s", path, strerror(-out->fd))
               : 0;
}

void savepoint_begin(struct savepoint_writer *w, int op, enum savepoint_kind kind)
{
    CHECK(op >= 0 && op <= UINT16_MAX);
    const uint16_t number = (uint16_t)op;
    const uint8_t tail[2] = {(uint8_t)kind, 0};
    const uint32_t none = 0;
    w->record_at = w->frame.len;
    buf_append(&w->frame, &none, 4);
    buf_append(&w->frame, &number, 2);
    buf_append(&w->frame, tail, 2);
    buf_append(&w->frame, &none, 4);
}

static void put_value(struct savepoint_writer *w, enum savepoint_tag tag, const void *bytes,
                      size_t len)
{
    uint32_t count;
    memcpy(&count, w->frame.data + w->record_at + 8, 4);
    count++;
    memcpy(w->frame.data + w->record_at + 8, &count, 4);
    buf_append_char(&w->frame, (char)tag);
    buf_append(&w->frame, bytes, len);
}

void savepoint_put_null(struct savepoint_writer *w)
{
    put_value(w, SAVEPOINT_NULL, "", 0);
}

void savepoint_put_int(struct savepoint_writer *w, int64_t value)
{
    put_value(w, SAVEPOINT_INT, &value, 8);
}

void savepoint_put_double(struct savepoint_writer *w, double value)
{
    put_value(w, SAVEPOINT_DOUBLE, &value, 8);
}

void savepoint_put_text(struct savepoint_writer *w, struct slice value)
{
    const uint32_t len = (uint32_t)value.len;
    if (value.len > FRAME_BYTES_MAX) {
        w->failed = w->failed ? w->failed : -EFBIG;
        return;
    }
    put_value(w, SAVEPOINT_TEXT, &len, 4);
    if (len)
        buf_append(&w->frame, value.ptr, len);
}

void savepoint_end(struct savepoint_writer *w)
{
    const uint32_t bytes = (uint32_t)(w->frame.len - w->record_at - RECORD_HEAD);
    memcpy(w->frame.data + w->record_at, &bytes, 4);
    w->frame_records++;
    w->records++;
    if (w->frame.len >= SAVEPOINT_FRAME_BYTES)
        write_frame(w);
}

int savepoint_finish(struct savepoint_writer *w, struct err *err)
{
    if (w->frame_records)
        write_frame(w);
    buf_append(&w->frame, &w->records, 8);
    write_frame(w);
    int rc = w->failed ? w->failed : w->env->fdatasync(w->env, w->fd);
    int closed = w->env->close(w->env, w->fd);
    buf_fini(&w->frame);
    w->fd = -1;
    rc = rc < 0 ? rc : closed;
    return rc < 0 ? err_set(err, rc, "the savepoint cannot be written: %s", strerror(-rc)) : 0;
}

// --- reading ---

int savepoint_open(struct env *env, const char *path, uint64_t id, struct savepoint_reader *out,
                   struct err *err)
{
    *out = (struct savepoint_reader){.env = env, .path = path, .id = id};
    out->fd = env->open(env, path, O_RDONLY | O_CLOEXEC, 0);
    return out->fd < 0 ? err_set(err, out->fd, "cannot open %s: %s", path, strerror(-out->fd)) : 0;
}

void savepoint_close(struct savepoint_reader *r)
{
    if (r->fd >= 0)
        r->env->close(r->env, r->fd);
    buf_fini(&r->bytes);
    r->fd = -1;
}

static int damaged(const struct savepoint_reader *r, const char *what, struct err *err)
{
    return err_set(err, -EBADMSG, "%s is damaged: frame %" PRIu64 ", at byte %" PRIu64 ": %s",
                   r->path, r->frame, r->offset, what);
}

static int get_bytes(struct savepoint_reader *r, void *to, size_t len, struct err *err)
{
    char *at = to;
    uint64_t offset = r->offset;
    while (len) {
        ssize_t n = r->env->pread(r->env, r->fd, at, len, (off_t)offset);
        if (n == -EINTR)
            continue;
        if (n < 0)
            return err_set(err, (int)n, "cannot read %s: %s", r->path, strerror((int)-n));
        if (n == 0)
            return damaged(r, "it ends there", err);
        at += n;
        len -= (size_t)n;
        offset += (uint64_t)n;
    }
    r->offset = offset;
    return 0;
}

static int read_head(struct savepoint_reader *r, struct frame_head *head, struct err *err)
{
    int rc = get_bytes(r, head, sizeof *head, err);
    if (rc < 0)
        return rc;
    if (head->magic != FRAME_MAGIC)
        return damaged(r, "no frame begins there", err);
    if (head->version != SAVEPOINT_VERSION)
        return err_set(err, -EPROTO,
                       "%s has format version %" PRIu32
                       ", this program reads version %d: use the program that wrote it",
                       r->path, head->version, SAVEPOINT_VERSION);
    if (head->id != r->id || head->index != r->frame)
        return damaged(r, "the frame is of another savepoint, or not in its place", err);
    return head->bytes > FRAME_BYTES_MAX ? damaged(r, "its length", err) : 0;
}

static int read_frame(struct savepoint_reader *r, struct err *err)
{
    struct frame_head head;
    int rc = read_head(r, &head, err);
    if (rc < 0)
        return rc;
    buf_clear(&r->bytes);
    // A damaged length must not ask for a gigabyte: the file says how much there can be.
    for (uint32_t left = head.bytes; left && rc == 0;) {
        uint32_t piece = left < (1 << 20) ? left : 1 << 20;
        char *to = buf_reserve(&r->bytes, piece);
        rc = get_bytes(r, to, piece, err);
        r->bytes.len += piece;
        left -= piece;
    }
    if (rc < 0)
        return rc;
    if (head.crc != frame_crc(&head, buf_slice(&r->bytes)))
        return damaged(r, "its checksum", err);
    r->frame++;
    r->at = 0;
    r->left = head.records;
    if (r->left)
        return 0;
    uint64_t records = 0;
    if (r->bytes.len == 8)
        memcpy(&records, r->bytes.data, 8);
    r->at_end = true;
    return r->bytes.len != 8 || records != r->records ? damaged(r, "records are missing", err) : 0;
}

int savepoint_next(struct savepoint_reader *r, struct savepoint_record *out, struct err *err)
{
    uint32_t bytes, values;
    uint16_t op;
    int rc = r->left || r->at_end ? 0 : read_frame(r, err);
    if (rc < 0 || r->at_end)
        return rc;
    if (r->bytes.len - r->at < RECORD_HEAD)
        return damaged(r, "a record is cut off", err);
    const char *head = r->bytes.data + r->at;
    memcpy(&bytes, head, 4);
    memcpy(&op, head + 4, 2);
    memcpy(&values, head + 8, 4);
    if (bytes > r->bytes.len - r->at - RECORD_HEAD || values > bytes)
        return damaged(r, "a record is cut off", err);
    *out = (struct savepoint_record){.op = op,
                                     .kind = (enum savepoint_kind)(uint8_t)head[6],
                                     .left = (int)values,
                                     .body = slice_make(head + RECORD_HEAD, bytes)};
    r->at += RECORD_HEAD + bytes;
    r->left--;
    r->records++;
    return 1;
}

static bool take_bytes(struct savepoint_record *record, void *to, size_t len)
{
    if (record->body.len < len) {
        record->is_bad = true;
        return false;
    }
    memcpy(to, record->body.ptr, len);
    record->body = slice_make(record->body.ptr + len, record->body.len - len);
    return true;
}

struct savepoint_value savepoint_take(struct savepoint_record *record)
{
    struct savepoint_value value = {.tag = SAVEPOINT_NULL};
    uint8_t tag;
    uint32_t len;
    if (record->left == 0 || !take_bytes(record, &tag, 1) || tag > SAVEPOINT_TEXT) {
        record->is_bad = true;
        return value;
    }
    record->left--;
    value.tag = (enum savepoint_tag)tag;
    if (tag == SAVEPOINT_INT || tag == SAVEPOINT_DOUBLE) {
        take_bytes(record, &value.number, 8);
    } else if (tag == SAVEPOINT_TEXT && take_bytes(record, &len, 4)) {
        record->is_bad |= record->body.len < len;
        value.text = slice_make(record->body.ptr, record->is_bad ? 0 : len);
        record->body =
            slice_make(record->body.ptr + value.text.len, record->body.len - value.text.len);
    }
    return value;
}

int64_t savepoint_take_int(struct savepoint_record *record)
{
    struct savepoint_value value = savepoint_take(record);
    record->is_bad |= value.tag != SAVEPOINT_INT;
    return value.tag == SAVEPOINT_INT ? value.number : 0;
}

uint64_t savepoint_take_count(struct savepoint_record *record)
{
    int64_t value = savepoint_take_int(record);
    record->is_bad |= value < 0;
    return value < 0 ? 0 : (uint64_t)value;
}

struct slice savepoint_take_text(struct savepoint_record *record)
{
    struct savepoint_value value = savepoint_take(record);
    record->is_bad |= value.tag != SAVEPOINT_TEXT;
    return value.tag == SAVEPOINT_TEXT ? value.text : slice_make("", 0);
}
