// txfile.c: see txfile.h. What a crash leaves: before the commit, bytes past the committed length;
// after it, a file that is exactly as long as the arena says, or longer by the next transaction.
#include "stages/runtime/txfile.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "core/base/check.h"

enum { TXFILE_GATHER_BYTES = 1 << 20 };

int txfile_open(struct txfile *file, const struct txfile_place *place, struct err *err)
{
    struct env *env = place->env;
    const char *path = place->path;
    *file =
        (struct txfile){.env = env, .arena = place->arena, .length_at = place->length_at, .fd = -1};
    int fd = env->open(env, path, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return err_set(err, fd, "cannot open %s for writing: %s", path, strerror(-fd));
    uint64_t length = arena_word(place->arena, place->length_at);
    struct stat st;
    int rc = fstat(fd, &st) < 0 ? -errno : 0;
    if (rc == 0 && (uint64_t)st.st_size < length)
        rc = err_set(err, -EBADMSG,
                     "%s is %lld bytes long, but %llu bytes of it were committed: somebody cut it",
                     path, (long long)st.st_size, (unsigned long long)length);
    else if (rc == 0 && (uint64_t)st.st_size > length)
        rc = env->ftruncate(env, fd, (off_t)length);
    if (rc < 0) {
        env->close(env, fd);
        return rc == -EBADMSG ? rc
                              : err_set(err, rc, "cannot cut %s to its committed length: %s", path,
                                        strerror(-rc));
    }
    file->fd = fd;
    return 0;
}

void txfile_close(struct txfile *file)
{
    if (file->fd >= 0 && file->env)
        file->env->close(file->env, file->fd);
    file->fd = -1;
    buf_fini(&file->buffer);
}

struct buf *txfile_buffer(struct txfile *file)
{
    return &file->buffer;
}

static int write_out(struct txfile *file)
{
    file->has_tail = true;
    uint64_t at = arena_word(file->arena, file->length_at) + file->written;
    int rc = env_pwrite_all(file->env, file->fd, buf_slice(&file->buffer), at);
    if (rc < 0)
        return rc;
    file->written += file->buffer.len;
    buf_clear(&file->buffer);
    return 0;
}

int txfile_appended(struct txfile *file)
{
    return file->buffer.len >= TXFILE_GATHER_BYTES ? write_out(file) : 0;
}

int txfile_before_commit(struct txfile *file)
{
    CHECK(file->fd >= 0);
    int rc = file->failed;
    if (rc == 0 && file->buffer.len)
        rc = write_out(file);
    if (rc < 0 || file->written == 0)
        return rc;
    uint64_t length = arena_word(file->arena, file->length_at) + file->written;
    arena_store8(file->arena, file->length_at, length);
    file->written = 0;
    return 0;
}

void txfile_reset(struct txfile *file)
{
    buf_clear(&file->buffer);
    file->written = 0;
    if (!file->has_tail)
        return;
    uint64_t length = arena_word(file->arena, file->length_at);
    file->failed = file->env->ftruncate(file->env, file->fd, (off_t)length);
    file->has_tail = file->failed < 0;
}
