// file_identity.c: see file_identity.h. The prefix is short: it is hashed again at each look.
#include "stages/source/file_identity.h"

#include <errno.h>
#include <fcntl.h>
#include <sys/stat.h>

#include "core/base/check.h"
#include "core/base/hash.h"

enum { PREFIX_BYTES = 256 };

// The time of birth, where the file system keeps it, tells a file from one that got its inode
// later.
static int look(int dir, const char *path, int flags, struct file_look *out)
{
    struct statx st;
    if (statx(dir, path, flags, STATX_BASIC_STATS | STATX_BTIME, &st) < 0)
        return -errno;
    if (!S_ISREG(st.stx_mode))
        return -EISDIR;
    bool has_birth = st.stx_mask & STATX_BTIME;
    const uint64_t words[] = {
        (uint64_t)st.stx_dev_major << 32 | st.stx_dev_minor, st.stx_ino,
        has_birth ? (uint64_t)st.stx_btime.tv_sec * 1000000000 + st.stx_btime.tv_nsec : 0};
    *out = (struct file_look){
        .inode = hash_bytes(words, sizeof words) | 1, // never 0
        .size = (int64_t)st.stx_size,
        .changed_ns = st.stx_mtime.tv_sec * 1000000000 + st.stx_mtime.tv_nsec,
    };
    return 0;
}

int file_look_at(const char *path, struct file_look *out)
{
    return look(AT_FDCWD, path, 0, out);
}

int file_look_at_fd(int fd, struct file_look *out)
{
    return look(fd, "", AT_EMPTY_PATH, out);
}

// The hash of the first `bytes` bytes. False: the file has not so many, or cannot be read.
static bool hash_prefix(struct env *env, int fd, uint64_t bytes, uint64_t *out)
{
    char data[PREFIX_BYTES];
    uint64_t have = 0;
    CHECK(bytes <= sizeof data);
    while (have < bytes) {
        ssize_t n = env->pread(env, fd, data + have, bytes - have, (off_t)have);
        if (n == -EINTR)
            continue;
        if (n <= 0)
            return false;
        have += (uint64_t)n;
    }
    *out = hash_bytes(data, bytes);
    return true;
}

int file_identity_make(struct env *env, int fd, uint64_t read_bytes, struct file_identity *out)
{
    struct file_look now;
    int rc = file_look_at_fd(fd, &now);
    if (rc < 0)
        return rc;
    *out = (struct file_identity){.inode = now.inode};
    uint64_t bytes = read_bytes < PREFIX_BYTES ? read_bytes : PREFIX_BYTES;
    if (hash_prefix(env, fd, bytes, &out->prefix_hash))
        out->prefix_bytes = bytes;
    return 0;
}

bool file_identity_holds(struct env *env, int fd, const struct file_identity *known)
{
    uint64_t hash;
    if (known->prefix_bytes == 0)
        return true;
    return known->prefix_bytes <= PREFIX_BYTES &&
           hash_prefix(env, fd, known->prefix_bytes, &hash) && hash == known->prefix_hash;
}
