// ring_look.c: the two words of a ring, read through its file: no mapping, no right to write.
#include "shm/ring_look.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "shm/ring.h"
#include "shm/ring_layout.h"

int ring_look(int fd, uint64_t fingerprint, uint64_t *tail, uint64_t *head, struct err *err)
{
    int rc = ring_check(fd, fingerprint, err);
    if (rc < 0)
        return rc;
    if (pread(fd, head, sizeof *head, 2 * RING_PAGE_BYTES) != sizeof *head ||
        pread(fd, tail, sizeof *tail, RING_PAGE_BYTES) != sizeof *tail)
        return err_set(err, -EPROTO, "cannot read a ring's positions: %s", strerror(errno));
    if (*tail < *head)
        return err_set(err, -EPROTO, "ring positions do not fit: head %llu, tail %llu",
                       (unsigned long long)*head, (unsigned long long)*tail);
    return 0;
}
