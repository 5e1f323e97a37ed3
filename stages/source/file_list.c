// file_list.c: a path, folder or glob to a sorted list of files.
#include "stages/source/file_list.h"

#include <dirent.h>
#include <errno.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/base/check.h"

enum { FOLDER_DEPTH_MAX = 16, FILES_MAX = 1000000 };

static int add_file(struct file_list *list, const char *path, struct err *err)
{
    if (list->count == FILES_MAX)
        return err_set(err, -E2BIG, "the path names more than %d files", FILES_MAX);
    if ((list->count & (list->count - 1)) == 0) {
        size_t capacity = list->count ? (size_t)list->count * 2 : 1;
        list->paths = realloc(list->paths, capacity * sizeof *list->paths);
        CHECK(list->paths);
    }
    list->paths[list->count] = strdup(path);
    CHECK(list->paths[list->count]);
    list->count++;
    return 0;
}

static int add_folder(struct file_list *list, const char *path, int depth, struct err *err);

static int add_path(struct file_list *list, const char *path, int depth, struct err *err)
{
    struct stat st;
    if (stat(path, &st) < 0)
        return err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
    if (S_ISDIR(st.st_mode))
        return add_folder(list, path, depth + 1, err);
    if (!S_ISREG(st.st_mode))
        return depth ? 0 : err_set(err, -EINVAL, "%s is neither a file nor a folder", path);
    if (access(path, R_OK) < 0)
        return err_set(err, -errno, "cannot read %s: %s", path, strerror(errno));
    return add_file(list, path, err);
}

static int add_folder(struct file_list *list, const char *path, int depth, struct err *err)
{
    DIR *dir = depth <= FOLDER_DEPTH_MAX ? opendir(path) : NULL;
    if (!dir)
        return err_set(err, depth > FOLDER_DEPTH_MAX ? -ELOOP : -errno, "cannot read folder %s: %s",
                       path, depth > FOLDER_DEPTH_MAX ? "too deep" : strerror(errno));
    int rc = 0;
    for (struct dirent *entry = readdir(dir); entry && rc == 0; entry = readdir(dir)) {
        if (entry->d_name[0] == '.' || entry->d_name[0] == '_')
            continue;
        char *child = NULL;
        CHECK(asprintf(&child, "%s/%s", path, entry->d_name) > 0);
        rc = add_path(list, child, depth, err);
        free(child);
        // A file that was there a moment ago may be gone: it is no part of the folder then.
        rc = rc == -ENOENT ? 0 : rc;
    }
    closedir(dir);
    return rc;
}

static int compare_paths(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

int file_list_make(const char *path, struct file_list *out, struct err *err)
{
    *out = (struct file_list){0};
    if (strncmp(path, "file://", strlen("file://")) == 0)
        path += strlen("file://");
    struct stat st;
    int rc = 0;
    if (stat(path, &st) < 0 && errno == ENOENT && strpbrk(path, "*?[")) {
        glob_t found;
        int failure = glob(path, GLOB_ERR, NULL, &found);
        if (failure && failure != GLOB_NOMATCH)
            return err_set(err, -EACCES, "cannot read the folders of %s", path);
        for (size_t i = 0; !failure && i < found.gl_pathc && rc == 0; i++)
            rc = add_path(out, found.gl_pathv[i], 0, err);
        globfree(&found);
    } else {
        rc = add_path(out, path, 0, err);
    }
    if (rc < 0) {
        file_list_fini(out);
        return rc;
    }
    if (out->count)
        qsort(out->paths, (size_t)out->count, sizeof *out->paths, compare_paths);
    return 0;
}

void file_list_fini(struct file_list *list)
{
    for (int i = 0; i < list->count; i++)
        free(list->paths[i]);
    free(list->paths);
    *list = (struct file_list){0};
}
