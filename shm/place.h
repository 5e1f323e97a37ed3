// place.h: the memory of a file on tmpfs, on the node where it is wanted.
//
// What is preferred is kept by the kernel with the file, not with who has mapped it: it counts for
// every process that comes to use a page first, and as long as the file is there.
#ifndef WEIR_SHM_PLACE_H
#define WEIR_SHM_PLACE_H

#include <stdint.h>
#include <sys/types.h>

#include "core/base/err.h"
#include "shm/nodes.h"

// What is moved at once: some hundred microseconds. A huge page is moved whole.
enum { PLACE_PIECE_BYTES = 256 << 10, PLACE_PIECE_MAX_BYTES = 2 << 20 };

// Where the memory of something is wanted.
struct place {
    const struct nodes *nodes; // NULL, or one node: nothing is done
    int node;                  // NODES_NONE: anywhere
};

// Where it is: bytes of each node, of those that are had at all.
struct place_found {
    uint64_t bytes[NODES_MAX];
};

// A file of a job's folder, and the task on whose node its memory is wanted: an arena with its
// task, a ring with who reads it.
struct place_segment {
    int task;
    char name[64];
};

// Of the whole file, before it is used: from which node it is had. 0 or -errno with a text; nothing
// is harmed, the memory comes from anywhere.
int place_prefer(const struct place *place, int fd, uint64_t bytes, struct err *err);

// Bytes of the file that are claimed, from its begin on (segment_claim goes from low to high).
uint64_t place_claimed_bytes(int fd);

// Of a file: PLACE_PIECE_BYTES, or those of its huge pages. Pieces begin at multiples of it.
uint64_t place_piece_bytes(int fd);

// Add up where the claimed memory of the file is. A page that was claimed and never used is made
// zeros. 0 or -errno.
int place_look(const struct nodes *nodes, int fd, struct place_found *found);

// A piece of what is to be moved.
struct place_piece {
    int fd;
    uint64_t offset, bytes; // whole pages, at most PLACE_PIECE_MAX_BYTES, claimed
    pid_t owner;            // the process that has it mapped, besides others maybe; 0: none
};

// Move what is on another node. *moved and *left grow by bytes that went there, and by those that
// did not. Who uses a page meanwhile waits until it has arrived. 0 or -errno.
int place_move(const struct place *place, const struct place_piece *piece, uint64_t *moved,
               uint64_t *left);

#endif
