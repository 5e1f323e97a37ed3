// file_positions.h: which files a file source knows and how far it came in each, in the arena.
//
// A list in order of discovery that only grows. An entry is a block of its own: {next, path bytes,
// offset, chunk, end, identity, path}. Path and end are written once; offset and chunk change with
// every batch.
#ifndef WEIR_STAGES_SOURCE_FILE_POSITIONS_H
#define WEIR_STAGES_SOURCE_FILE_POSITIONS_H

#include <stdint.h>

#include "core/state/arena.h"
#include "stages/source/file_identity.h"

struct file_entry {
    char *path;     // owned copy
    uint64_t hash;  // of the path
    uint64_t block; // in the arena
    // Private: the file when nothing was left to read of it; size -1: there may be something.
    struct file_look done;
};

// How far a file is read.
struct file_position {
    uint64_t offset; // of the next row to read
    uint64_t chunk;  // (chunk << 1 | is the offset in the middle of a row that is being skipped)
};

// Of an entry that is not read in chunks: the first line at or behind the offset is to be found.
enum { FILE_FIND_LINE = 1 };

struct file_positions {
    struct arena *arena;
    uint64_t root;
    struct file_entry *entries; // private view
    int count, capacity;
};

// Find what the arena knows. In a transaction: a first call makes the root. 0 or -errno.
int file_positions_open(struct file_positions *positions, struct arena *arena, uint32_t root_index);
void file_positions_close(struct file_positions *positions);

// Drop the private view and read it again from the arena: after an abort.
void file_positions_reload(struct file_positions *positions);

// Add a file unless it is known. In a transaction. 1 added, 0 known, or -errno.
int file_positions_add(struct file_positions *positions, const char *path);

// Add a piece of a file, whatever is known of its path: the lines that begin before `end` (0: all).
int file_positions_add_piece(struct file_positions *positions, const char *path,
                             struct file_position at, uint64_t end);

// Where the entry's piece ends; 0: with the file.
uint64_t file_positions_end(const struct file_positions *positions, int index);

// The index of a path, or -1.
int file_positions_find(const struct file_positions *positions, const char *path);

// What is known of the file that the entry stands for. Set in a transaction.
struct file_identity file_positions_identity(const struct file_positions *positions, int index);
void file_positions_identify(struct file_positions *positions, int index,
                             const struct file_identity *identity);

struct file_position file_positions_get(const struct file_positions *positions, int index);
void file_positions_set(struct file_positions *positions, int index, struct file_position at);

#endif
