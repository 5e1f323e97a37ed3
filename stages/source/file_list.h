// file_list.h: which files a 'path' names: one file, a folder (with its sub-folders), or a glob.
#ifndef WEIR_STAGES_SOURCE_FILE_LIST_H
#define WEIR_STAGES_SOURCE_FILE_LIST_H

#include "core/base/err.h"

struct file_list {
    char **paths; // owned, sorted bytewise, no duplicates
    int count;
};

// Regular files that `path` names ("file://" in front is allowed). In folders, names that begin
// with
// '.' or '_' are left out, as Flink does. -ENOENT, -EACCES ... with a text; an empty folder or a
// glob without a match is no error.
int file_list_make(const char *path, struct file_list *out, struct err *err);
void file_list_fini(struct file_list *list);

#endif
