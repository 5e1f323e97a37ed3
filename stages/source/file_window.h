// file_window.h: a private buffer over a piece of a file, filled with pread; never a mapping, so a
// file that is cut while it is read is an answer and not a SIGBUS.
#ifndef WEIR_STAGES_SOURCE_FILE_WINDOW_H
#define WEIR_STAGES_SOURCE_FILE_WINDOW_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/base/env.h"

struct file_window {
    struct env *env;
    int fd;     // borrowed; -1: none
    char *data; // owned
    size_t capacity;
    size_t len;      // bytes in data
    uint64_t offset; // of data[0] in the file
    uint64_t until;  // file position up to which bytes are wanted; 0: all. A hint: more may come
    bool at_end;     // the last read met the end of the file
};

void file_window_init(struct file_window *window, struct env *env, size_t capacity);
void file_window_fini(struct file_window *window);

// Another file: forget the content.
void file_window_set(struct file_window *window, int fd);

// The bytes from file position `at` that are in the window; *len may be 0.
const char *file_window_at(const struct file_window *window, uint64_t at, size_t *len);

// Drop what lies before `at`, read more behind what is kept; grow when the window is full of it.
// Returns how many bytes came (0: end of the file for now) or -errno. Earlier pointers are invalid.
int64_t file_window_fill(struct file_window *window, uint64_t at);

// Look for the first line's end at or behind `from`, reading on as needed. *found is the offset
// after it. 1 found, 0 end of the file, or -errno. Moves the window.
int file_window_find_line_end(struct file_window *window, uint64_t from, uint64_t *found);

#endif
