// place.c: see place.h. A page can be asked about, or moved, only where it is mapped. So a piece is
// mapped here for a moment, its pages are faulted in, and it is unmapped.
//
// Without CAP_SYS_NICE the kernel moves a page only for the one process that maps it. Then it is
// moved in the address space of its owner, while it is not mapped here; what no process maps is
// moved here. A ring, which two processes map, stays.
//
// What a crash leaves: pages on either node. The file's preference is set before any is moved.
#include "shm/place.h"

#include <errno.h>
#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include "shm/huge.h"

enum {
    PAGE_BYTES = 4096,
    PIECE_PAGES = PLACE_PIECE_MAX_BYTES / PAGE_BYTES,
    STAT_BLOCK_BYTES = 512,
};

static bool is_idle(const struct nodes *nodes)
{
    return !nodes || nodes->count <= 1;
}

int place_prefer(const struct place *place, int fd, uint64_t bytes, struct err *err)
{
    if (is_idle(place->nodes))
        return 0;
    void *at = mmap(NULL, bytes, PROT_NONE, MAP_SHARED, fd, 0);
    int rc = at == MAP_FAILED ? -errno : 0;
    if (rc == 0) {
        rc = place->nodes->prefer(at, bytes, place->node, place->nodes->context);
        munmap(at, bytes);
    }
    return rc < 0 ? err_set(err, rc, "memory cannot be asked for on node %d: %s%s", place->node,
                            strerror(-rc),
                            rc == -EPERM ? " (a container may forbid mbind; give it CAP_SYS_NICE)"
                                         : "")
                  : 0;
}

uint64_t place_claimed_bytes(int fd)
{
    struct stat st;
    if (fstat(fd, &st) < 0)
        return 0;
    uint64_t claimed = (uint64_t)st.st_blocks * STAT_BLOCK_BYTES, length = (uint64_t)st.st_size;
    return (claimed < length ? claimed : length) / PAGE_BYTES * PAGE_BYTES;
}

uint64_t place_piece_bytes(int fd)
{
    struct stat st;
    uint64_t huge = fstat(fd, &st) == 0 ? huge_page_bytes(&st) : 0;
    return huge > PLACE_PIECE_BYTES && huge <= PLACE_PIECE_MAX_BYTES ? huge : PLACE_PIECE_BYTES;
}

// --- one piece ---

// The pages of a piece in some address space.
struct view {
    pid_t pid; // 0: here
    uint64_t count;
    void *addresses[PIECE_PAGES];
    int found[PIECE_PAGES];
};

static void view_at(struct view *view, pid_t pid, char *base, uint64_t bytes)
{
    view->pid = pid;
    view->count = bytes / PAGE_BYTES;
    for (uint64_t i = 0; i < view->count; i++)
        view->addresses[i] = base + i * PAGE_BYTES;
}

static int view_ask(const struct nodes *nodes, struct view *view, const int *wanted)
{
    const struct nodes_pages pages = {view->pid, view->count, view->addresses, wanted, view->found};
    return nodes->pages(&pages, nodes->context);
}

// Map the piece here. Its pages are claimed, so that a fault finds memory.
static int map_here(const struct place_piece *piece, struct view *view, char **base)
{
    *base = mmap(NULL, piece->bytes, PROT_READ, MAP_SHARED, piece->fd, (off_t)piece->offset);
    if (*base == MAP_FAILED)
        return -errno;
    if (madvise(*base, piece->bytes, MADV_POPULATE_READ) == 0) {
        view_at(view, 0, *base, piece->bytes);
        return 0;
    }
    int rc = -errno;
    munmap(*base, piece->bytes);
    return rc;
}

static int look(const struct nodes *nodes, const struct place_piece *piece, struct view *view)
{
    char *base;
    int rc = map_here(piece, view, &base);
    if (rc < 0)
        return rc;
    rc = view_ask(nodes, view, NULL);
    munmap(base, piece->bytes);
    return rc;
}

int place_look(const struct nodes *nodes, int fd, struct place_found *found)
{
    uint64_t bytes = place_claimed_bytes(fd);
    struct view view;
    int rc = 0;
    if (is_idle(nodes))
        return 0;
    for (uint64_t at = 0; at < bytes && rc == 0; at += PLACE_PIECE_BYTES) {
        uint64_t rest = bytes - at;
        const struct place_piece piece = {fd, at,
                                          rest < PLACE_PIECE_BYTES ? rest : PLACE_PIECE_BYTES, 0};
        rc = look(nodes, &piece, &view);
        for (uint64_t i = 0; i < view.count && rc == 0; i++)
            if (view.found[i] >= 0 && view.found[i] < NODES_MAX)
                found->bytes[view.found[i]] += PAGE_BYTES;
    }
    return rc;
}

// --- moving ---

// Where a process has this offset of the file mapped; NULL: nowhere.
static char *find_mapping(const struct place_piece *piece)
{
    char path[64], line[512];
    struct stat st;
    char *found = NULL;
    snprintf(path, sizeof path, "/proc/%d/maps", (int)piece->owner);
    FILE *maps = fopen(path, "re");
    if (!maps || fstat(piece->fd, &st) < 0) {
        if (maps)
            fclose(maps);
        return NULL;
    }
    while (!found && fgets(line, sizeof line, maps)) {
        uint64_t begin, end, offset, inode;
        unsigned major_number, minor_number;
        if (sscanf(line, "%" SCNx64 "-%" SCNx64 " %*4s %" SCNx64 " %x:%x %" SCNu64, &begin, &end,
                   &offset, &major_number, &minor_number, &inode) != 6)
            continue; // the rest of a long line
        if (inode == st.st_ino && makedev(major_number, minor_number) == st.st_dev &&
            piece->offset >= offset && piece->offset + piece->bytes <= offset + (end - begin))
            found = (char *)(uintptr_t)(begin + (piece->offset - offset));
    }
    fclose(maps);
    return found;
}

static int move_here(const struct place *place, const struct place_piece *piece, const int *wanted)
{
    struct view view;
    char *base;
    int rc = map_here(piece, &view, &base);
    if (rc < 0)
        return rc;
    rc = view_ask(place->nodes, &view, wanted);
    munmap(base, piece->bytes);
    return rc;
}

// A process that is gone, or maps it no more, has nothing to be moved.
static void move_there(const struct place *place, const struct place_piece *piece,
                       const int *wanted)
{
    struct view view;
    char *base = piece->owner > 0 ? find_mapping(piece) : NULL;
    if (!base)
        return;
    view_at(&view, piece->owner, base, piece->bytes);
    view_ask(place->nodes, &view, wanted);
}

static uint64_t count_elsewhere(const struct view *view, int node)
{
    uint64_t count = 0;
    for (uint64_t i = 0; i < view->count; i++)
        count += view->found[i] >= 0 && view->found[i] != node;
    return count;
}

int place_move(const struct place *place, const struct place_piece *piece, uint64_t *moved,
               uint64_t *left)
{
    struct view view;
    int wanted[PIECE_PAGES];
    if (is_idle(place->nodes) || place->node == NODES_NONE)
        return 0;
    int rc = look(place->nodes, piece, &view);
    uint64_t before = rc < 0 ? 0 : count_elsewhere(&view, place->node);
    if (before == 0)
        return rc;
    for (int i = 0; i < PIECE_PAGES; i++)
        wanted[i] = place->node;
    if (!place->nodes->moves_shared)
        move_there(place, piece, wanted);
    rc = move_here(place, piece, wanted);
    if (rc == 0)
        rc = look(place->nodes, piece, &view);
    uint64_t after = rc < 0 ? before : count_elsewhere(&view, place->node);
    *left += after * PAGE_BYTES;
    *moved += (before > after ? before - after : 0) * PAGE_BYTES;
    return rc;
}
