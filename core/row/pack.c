// pack.c: see pack.h for the bytes.
#include "core/row/pack.h"

#include <errno.h>

#include "core/base/check.h"

enum { HAS_KINDS = 1 };
static const uint64_t HAS_STATES = UINT64_C(1) << 32;

static uint64_t padded(uint64_t bytes)
{
    return (bytes + 7) & ~UINT64_C(7);
}

void pack_row_bounds(const struct batch *batch, uint32_t *bounds)
{
    uint32_t fixed = 1;
    for (int c = 0; c < batch->column_count; c++)
        fixed += batch->columns[c].kind == TYPE_STRING ? 5 : 9;
    for (uint32_t i = 0; i < batch->count; i++)
        bounds[i] = fixed;
    for (int c = 0; c < batch->column_count; c++) {
        const struct column *column = &batch->columns[c];
        for (uint32_t i = 0; column->kind == TYPE_STRING && i < batch->count; i++) {
            uint64_t len = column->state[i] == VALUE_PRESENT ? column->str[i].len : 0;
            uint64_t total = bounds[i] + len;
            bounds[i] = total > UINT32_MAX - 8 ? UINT32_MAX : (uint32_t)total;
        }
    }
}

// Most strings are short: two loads that overlap instead of a call.
static inline void copy_short(char *to, const char *from, uint64_t len)
{
    uint64_t a, b;
    uint32_t c, d;
    if (len > 16) {
        memcpy(to, from, len);
    } else if (len >= 8) {
        memcpy(&a, from, 8);
        memcpy(&b, from + len - 8, 8);
        memcpy(to, &a, 8);
        memcpy(to + len - 8, &b, 8);
    } else if (len >= 4) {
        memcpy(&c, from, 4);
        memcpy(&d, from + len - 4, 4);
        memcpy(to, &c, 4);
        memcpy(to + len - 4, &d, 4);
    } else if (len) {
        char last = from[len - 1], middle = from[len / 2];
        to[0] = from[0];
        to[len / 2] = middle;
        to[len - 1] = last;
    }
}

// Returns the bytes of the strings.
static uint64_t put_strings(const struct column *column, const uint16_t *rows, uint32_t count,
                            char *out)
{
    char *bytes = out + padded((uint64_t)count * 4);
    uint64_t used = 0;
    for (uint32_t i = 0; i < count; i++) {
        struct slice text = column->str[rows[i]];
        uint32_t len = column->state[rows[i]] == VALUE_PRESENT ? (uint32_t)text.len : 0;
        memcpy(out + (uint64_t)i * 4, &len, 4);
        copy_short(bytes + used, text.ptr, len);
        used += len;
    }
    return used;
}

static char *put_column(const struct column *column, const uint16_t *rows, uint32_t count,
                        char *out)
{
    uint64_t head = 0;
    char *at = out + 8;
    for (uint32_t i = 0; i < count && !column->all_present; i++)
        if (column->state[rows[i]] != VALUE_PRESENT)
            head = HAS_STATES;
    if (head) {
        for (uint32_t i = 0; i < count; i++)
            at[i] = column->state[rows[i]] != VALUE_PRESENT;
        at += padded(count);
    }
    if (column->kind == TYPE_STRING) {
        uint64_t bytes = put_strings(column, rows, count, at);
        CHECK(bytes <= UINT32_MAX);
        head |= bytes;
        at += padded((uint64_t)count * 4) + padded(bytes);
    } else {
        for (uint32_t i = 0; i < count; i++)
            memcpy(at + (uint64_t)i * 8, &column->i64[rows[i]], 8);
        at += (uint64_t)count * 8;
    }
    memcpy(out, &head, 8);
    return at;
}

uint64_t pack_rows(const struct batch *batch, const uint16_t *rows, uint32_t count, void *out)
{
    uint64_t flags = batch->has_kinds ? HAS_KINDS : 0;
    char *at = out;
    memcpy(at, &flags, 8);
    at += 8;
    if (batch->has_kinds) {
        for (uint32_t i = 0; i < count; i++)
            at[i] = (char)batch->kinds[rows[i]];
        at += padded(count);
    }
    for (int c = 0; c < batch->column_count; c++)
        at = put_column(&batch->columns[c], rows, count, at);
    return (uint64_t)(at - (char *)out);
}

// --- back ---

struct reader {
    const char *at;
    uint64_t left;
};

// The next `bytes`, padded; NULL when they are not there.
static const char *take(struct reader *r, uint64_t bytes)
{
    const char *at = r->at;
    bytes = padded(bytes);
    if (bytes > r->left)
        return NULL;
    r->at += bytes;
    r->left -= bytes;
    return at;
}

static int read_kinds(struct reader *r, const struct pack_part *part, struct batch *batch)
{
    const uint8_t *kinds = (const uint8_t *)take(r, part->rows);
    if (!kinds)
        return -EBADMSG;
    for (uint32_t i = 0; i < part->count; i++) {
        uint8_t kind = kinds[part->from + i];
        if (kind > ROW_DELETE)
            return -EBADMSG;
        batch->kinds[batch->count + i] = kind;
    }
    return 0;
}

static int read_strings(struct reader *r, const struct pack_part *part, uint64_t bytes,
                        struct slice *out)
{
    const char *lengths = take(r, (uint64_t)part->rows * 4);
    const char *text = lengths ? take(r, bytes) : NULL;
    if (!text)
        return -EBADMSG;
    uint64_t used = 0;
    for (uint32_t i = 0; i < part->from + part->count; i++) {
        uint32_t len;
        memcpy(&len, lengths + (uint64_t)i * 4, 4);
        if (len > bytes - used)
            return -EBADMSG;
        if (i >= part->from)
            out[i - part->from] = slice_make(text + used, len);
        used += len;
    }
    return 0;
}

static int read_column(struct reader *r, const struct pack_part *part, uint32_t first,
                       struct column *column)
{
    uint64_t head;
    const char *word = take(r, 8);
    if (!word)
        return -EBADMSG;
    memcpy(&head, word, 8);
    if (head & HAS_STATES) {
        const char *states = take(r, part->rows);
        if (!states)
            return -EBADMSG;
        for (uint32_t i = 0; i < part->count; i++)
            column->state[first + i] = states[part->from + i] ? VALUE_NULL : VALUE_PRESENT;
    } else {
        memset(column->state + first, VALUE_PRESENT, part->count);
    }
    if (column->kind == TYPE_STRING)
        return read_strings(r, part, (uint32_t)head, column->str + first);
    const char *values = take(r, (uint64_t)part->rows * 8);
    if (!values)
        return -EBADMSG;
    memcpy(column->i64 + first, values + (uint64_t)part->from * 8, (uint64_t)part->count * 8);
    return 0;
}

int pack_read(const void *bytes, uint64_t available, const struct pack_part *part,
              struct batch *batch)
{
    struct reader r = {bytes, available};
    uint64_t flags;
    CHECK(part->count <= BATCH_ROWS - batch->count && part->from + part->count <= part->rows);
    const char *word = take(&r, 8);
    if (!word)
        return -EBADMSG;
    memcpy(&flags, word, 8);
    int rc = 0;
    if (flags & HAS_KINDS)
        rc = read_kinds(&r, part, batch);
    else
        memset(batch->kinds + batch->count, ROW_INSERT, part->count);
    for (int c = 0; c < batch->column_count && rc == 0; c++)
        rc = read_column(&r, part, batch->count, &batch->columns[c]);
    if (rc < 0)
        return rc;
    batch->has_kinds |= (flags & HAS_KINDS) != 0;
    batch->count += part->count;
    return 0;
}
