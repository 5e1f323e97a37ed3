// folder.c: see folder.h. Between the check and the use the world may change: the use says so then.
#include "stages/runtime/folder.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/env.h"

// Room is left for the names of the files in it.
static int check_length(const char *folder, struct err *err)
{
    enum { NAME_ROOM = 64 };
    if (strlen(folder) + NAME_ROOM > FOLDER_PATH_BYTES)
        return err_set(err, -ENAMETOOLONG, "the folder's path is longer than %d bytes",
                       FOLDER_PATH_BYTES - NAME_ROOM);
    return 0;
}

// Cut the last name off; what is above everything is "/" or ".".
static void parent_of(char *path)
{
    size_t len = strlen(path);
    while (len > 1 && path[len - 1] == '/')
        path[--len] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash)
        memcpy(path, ".", 2);
    else if (slash == path)
        path[1] = '\0';
    else
        *slash = '\0';
}

int folder_check(const char *folder, struct err *err)
{
    char path[FOLDER_PATH_BYTES];
    struct stat st;
    int rc = check_length(folder, err);
    if (rc)
        return rc;
    memcpy(path, folder, strlen(folder) + 1);
    while (lstat(path, &st) < 0 && errno == ENOENT && strcmp(path, ".") != 0)
        parent_of(path);
    // A link that leads nowhere is there for lstat and not for stat: mkdir would say "exists".
    if (stat(path, &st) < 0)
        return errno == ENOENT
                   ? err_set(err, -ENOENT, "%s is a link to something that is not there", path)
                   : err_set(err, -errno, "cannot look at %s: %s", path, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return err_set(err, -ENOTDIR, "%s is a file where a folder is needed", path);
    if (faccessat(AT_FDCWD, path, W_OK | X_OK, AT_EACCESS) < 0)
        return err_set(err, -errno, "folder %s cannot be written to by uid %u: %s", path,
                       (unsigned)geteuid(), strerror(errno));
    return 0;
}

// The name of a new folder, in the one above it. One that may be written to and not be read, or a
// file system that does not know how, is left alone.
static int sync_name(const char *path)
{
    char parent[FOLDER_PATH_BYTES];
    memcpy(parent, path, strlen(path) + 1);
    parent_of(parent);
    int rc = env_system()->sync_dir(env_system(), parent);
    return rc == -EACCES || rc == -EINVAL ? 0 : rc;
}

int folder_make(const char *folder, struct err *err)
{
    char path[FOLDER_PATH_BYTES];
    int rc = check_length(folder, err);
    if (rc == 0 && access(folder, F_OK) == 0)
        return 0; // as nearly always; whoever takes over from a dead process is in a hurry
    for (size_t i = 1, len = strlen(folder); rc == 0 && i <= len; i++) {
        if (folder[i] != '/' && folder[i] != '\0')
            continue;
        memcpy(path, folder, i);
        path[i] = '\0';
        bool is_new = mkdir(path, 0755) == 0;
        if (!is_new && errno != EEXIST)
            return err_set(err, -errno, "cannot make folder %s: %s", path, strerror(errno));
        rc = is_new ? sync_name(path) : 0;
        if (rc < 0)
            return err_set(err, rc, "cannot make folder %s durable: %s", path, strerror(-rc));
    }
    return rc;
}
