// huge.c: see huge.h. The kernel says it as the "preferred block size" of a file on tmpfs: that of
// a huge page, when the file, as long as it is now, may have them.
#include "shm/huge.h"

#include <fcntl.h>
#include <unistd.h>

#include "core/base/check.h"

enum { SMALL_BYTES = 4096, HUGE_LEAST_BYTES = 1 << 20 };

// Longer than a huge page of any machine.
#define LONG_BYTES (INT64_C(1) << 34)

uint64_t huge_page_bytes(const struct stat *st)
{
    uint64_t bytes = (uint64_t)st->st_blksize;
    // Other file systems may prefer large blocks, too, but none that is a power of two so large.
    return bytes >= HUGE_LEAST_BYTES && (bytes & (bytes - 1)) == 0 ? bytes : 0;
}

static uint64_t page_bytes_at(int fd, off_t length)
{
    struct stat st;
    return ftruncate(fd, length) == 0 && fstat(fd, &st) == 0 ? huge_page_bytes(&st) : 0;
}

struct huge huge_look(const char *dir)
{
    struct huge huge = {0};
    int fd = open(dir, O_TMPFILE | O_RDWR | O_CLOEXEC, 0600);
    if (fd < 0)
        return huge;
    huge.page_bytes = page_bytes_at(fd, LONG_BYTES);
    if (huge.page_bytes && page_bytes_at(fd, SMALL_BYTES) == 0)
        huge.from_bytes = huge.page_bytes;
    close(fd);
    return huge;
}

uint64_t huge_file_bytes(const struct huge *huge, uint64_t file_bytes)
{
    if (!huge || huge->page_bytes == 0 || file_bytes < huge->from_bytes)
        return file_bytes;
    return (file_bytes + huge->page_bytes - 1) / huge->page_bytes * huge->page_bytes;
}
