// file_identity.h: is the file behind a path still the one that was read?
//
// A followed file may be renamed, replaced, cut, or removed and made again, with the same inode
// even. What tells them apart is the inode together with the first bytes: a file that only grows
// keeps both.
#ifndef WEIR_STAGES_SOURCE_FILE_IDENTITY_H
#define WEIR_STAGES_SOURCE_FILE_IDENTITY_H

#include <stdbool.h>
#include <stdint.h>

#include "core/base/env.h"

struct file_identity {
    uint64_t inode;        // with device and time of birth, hashed; 0: not known
    uint64_t prefix_bytes; // how many of the first bytes are known
    uint64_t prefix_hash;
};

// What a look at a path tells without opening it.
struct file_look {
    uint64_t inode;
    int64_t size;
    int64_t changed_ns; // last modification
};

// 0 or -errno; -EISDIR: there is something, but no file.
int file_look_at(const char *path, struct file_look *out);
int file_look_at_fd(int fd, struct file_look *out);

// The identity of an open file of which `read_bytes` bytes are read. 0 or -errno.
int file_identity_make(struct env *env, int fd, uint64_t read_bytes, struct file_identity *out);

// Do the first bytes of the open file agree with what is known? With nothing known they do.
bool file_identity_holds(struct env *env, int fd, const struct file_identity *known);

#endif
