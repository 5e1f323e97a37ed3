// stream.c: see stream.h.
#include "core/snapshot/stream.h"

#include <string.h>
#include <sys/mman.h>

#include "core/base/check.h"
#include "core/snapshot/format.h"

// Mapped by itself, so that giving it back costs what it is, and never what a heap has collected.
struct stream_piece {
    struct stream_piece *next;
    size_t len;
    uint8_t bytes[SNAPSHOT_PAYLOAD_MAX];
};

static struct stream_piece *add_piece(struct stream *s)
{
    struct stream_piece *piece = s->spare;
    if (piece)
        s->spare = piece->next;
    else
        piece =
            mmap(NULL, sizeof *piece, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    CHECK(piece != MAP_FAILED);
    piece->next = NULL;
    piece->len = 0;
    if (s->last)
        s->last->next = piece;
    else
        s->first = piece;
    s->last = piece;
    return piece;
}

void stream_append(struct stream *s, const void *bytes, size_t len)
{
    const uint8_t *from = bytes;
    s->bytes += len;
    while (len) {
        struct stream_piece *piece = s->last;
        if (!piece || piece->len == SNAPSHOT_PAYLOAD_MAX)
            piece = add_piece(s);
        size_t room = SNAPSHOT_PAYLOAD_MAX - piece->len;
        size_t part = len < room ? len : room;
        memcpy(piece->bytes + piece->len, from, part);
        piece->len += part;
        from += part;
        len -= part;
    }
}

struct slice stream_first(const struct stream *s)
{
    return s->first ? slice_make(s->first->bytes, s->first->len) : slice_make(NULL, 0);
}

void stream_drop_first(struct stream *s)
{
    struct stream_piece *piece = s->first;
    CHECK(piece && s->bytes >= piece->len);
    s->bytes -= piece->len;
    s->first = piece->next;
    if (!s->first)
        s->last = NULL;
    piece->next = s->spare;
    s->spare = piece;
}

void stream_trim(struct stream *s)
{
    struct stream_piece *piece = s->spare;
    if (!piece)
        return;
    s->spare = piece->next;
    munmap(piece, sizeof *piece);
}

void stream_fini(struct stream *s)
{
    while (s->first)
        stream_drop_first(s);
    while (s->spare)
        stream_trim(s);
    *s = (struct stream){0};
}
