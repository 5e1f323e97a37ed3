// dead_letters.c: see dead_letters.h. The note is one line a task, "TASK LENGTH"; it lives as long
// as the store, so --fresh and the end of the job forget it.
#include "tools/dead_letters.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/buf.h"

static void file_path(const char *folder, int task, char *out)
{
    snprintf(out, STORE_PATH_BYTES, "%s/dead-%d.jsonl", folder, task);
}

static int note_lengths(const struct store *store, const char *folder, int task_count,
                        struct err *err)
{
    char path[STORE_PATH_BYTES];
    struct buf text = {0};
    for (int task = 0; task < task_count; task++) {
        struct stat st = {.st_size = 0};
        file_path(folder, task, path);
        if (stat(path, &st) < 0)
            st.st_size = 0;
        buf_printf(&text, "%d %" PRIu64 "\n", task, (uint64_t)st.st_size);
    }
    int rc = store_write_dead(store, buf_slice(&text), err);
    buf_fini(&text);
    return rc;
}

// Only ever shorter: what a person did to the file meanwhile stays done.
static int cut(const char *folder, int task, uint64_t length, struct err *err)
{
    char path[STORE_PATH_BYTES];
    struct stat st;
    file_path(folder, task, path);
    if (stat(path, &st) < 0 || (uint64_t)st.st_size <= length)
        return 0;
    return truncate(path, (off_t)length) < 0
               ? err_set(err, -errno, "cannot cut %s: %s", path, strerror(errno))
               : 0;
}

// `tasks` NULL: of all that the note names.
static int cut_to_note(const char *at, const char *folder, const bool *tasks, int task_count,
                       struct err *err)
{
    int task, used, rc = 0;
    uint64_t length;
    while (rc == 0 && sscanf(at, "%d %" SCNu64 "\n%n", &task, &length, &used) == 2) {
        if (!tasks || (task >= 0 && task < task_count && tasks[task]))
            rc = cut(folder, task, length, err);
        at += used;
    }
    return rc;
}

int dead_letters_cut(const struct store *store, const char *folder, const bool *tasks,
                     int task_count, struct err *err)
{
    struct buf text = {0};
    int rc = store_read_dead(store, &text);
    if (rc == 0)
        rc = cut_to_note(text.len ? buf_str(&text) : "", folder, tasks, task_count, err);
    buf_fini(&text);
    return rc == -ENOENT ? 0 : rc;
}

int dead_letters_begin(const struct store *store, const char *folder, int task_count,
                       struct err *err)
{
    struct buf text = {0};
    int rc = store_read_dead(store, &text);
    if (rc < 0) {
        buf_fini(&text);
        return note_lengths(store, folder, task_count, err);
    }
    rc = cut_to_note(text.len ? buf_str(&text) : "", folder, NULL, 0, err);
    buf_fini(&text);
    return rc;
}

int dead_letters_begin_from(const struct store *store, const char *folder, bool again,
                            struct err *err)
{
    struct buf text = {0};
    // Another run from there may have more tasks, or fewer.
    int rc = again ? store_read_dead(store, &text) : -ENOENT;
    if (rc < 0)
        rc = again ? 0 : note_lengths(store, folder, MANIFEST_TASKS_MAX, err);
    else
        rc = cut_to_note(text.len ? buf_str(&text) : "", folder, NULL, 0, err);
    buf_fini(&text);
    return rc;
}
