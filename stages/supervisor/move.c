// move.c: see move.h.
//
// What a crash of the supervisor leaves: tasks on old and on new cores, memory on old and on new
// nodes, all of which work; and the request. The next supervisor does all of it again, which
// changes nothing where it was done.
#include "stages/supervisor/move.h"

#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/base/check.h"
#include "shm/place.h"
#include "stages/supervisor/internal.h"

enum {
    SLICE_US = 2000, // of moving memory, in one turn of the loop
    PAUSE_MS = 1,    // between two such turns
    ROUNDS_MAX = 3,  // a page that is just being used stays; it is tried again
    TEXT_BYTES = 512,
    HEADER_BYTES = 4096, // of a segment
};

struct moving { // a task
    int cpu_before, node_before, node;
    pid_t put; // its process that was put there; 0: none
    uint64_t moved_bytes, left_bytes;
};

struct move {
    struct moving *tasks;
    int segment; // at its turn
    int round;
    uint64_t offset; // in it
    uint64_t left;   // of this segment, in this round
    int64_t began_ns;
    char why[TEXT_BYTES]; // memory stays behind; "": nothing is known
    bool is_over;
};

static bool is_under_way(const struct supervisor *s)
{
    return s->move && !s->move->is_over;
}

bool move_bars_spares(const struct supervisor *s, const struct slot *slot)
{
    const struct nodes *nodes = s->options->nodes;
    return is_under_way(s) && nodes && nodes->count > 1 && !nodes->moves_shared &&
           s->move->tasks[slot->index].node != NODES_NONE;
}

// --- cores ---

static void put_task(struct supervisor *s, int task)
{
    struct slot *slot = &s->slots[task];
    struct moving *moving = &s->move->tasks[task];
    if (slot->pidfd < 0 || slot->pid == moving->put)
        return;
    pinning_put(s, slot);
    moving->put = slot->pid;
}

static void put_all(struct supervisor *s)
{
    for (int i = 0; i < s->options->task_count; i++)
        put_task(s, i);
}

static void change_cores(struct supervisor *s)
{
    const struct request *request = &s->options->requests->request;
    for (int i = 0; i < s->options->task_count; i++) {
        struct moving *moving = &s->move->tasks[i];
        moving->cpu_before = s->pinning.cpus[i];
        moving->node_before = nodes_of_cpu(s->options->nodes, moving->cpu_before);
        moving->node = nodes_of_cpu(s->options->nodes, request->cpus[i]);
        s->pinning.cpus[i] = request->cpus[i];
        control_note_move(s->control, i, request->cpus[i]);
    }
    s->pinning.is_kept = true;
    pinning_settle(s);
    spares_put(s);
    put_all(s);
    for (int i = 0; i < s->options->task_count; i++)
        if (move_bars_spares(s, &s->slots[i]))
            spares_retire(s, &s->slots[i]);
}

// --- memory ---

static int open_segment(const struct supervisor *s, const struct place_segment *segment)
{
    int fd = openat(s->options->dir->fd, segment->name, O_RDWR | O_CLOEXEC | O_NOFOLLOW);
    return fd < 0 ? -errno : fd;
}

static void next_segment(struct move *move)
{
    move->segment++;
    move->offset = move->left = 0;
    move->round = 0;
}

// The preference first: what is claimed from here on is where it should be.
static int prefer(struct supervisor *s, const struct place *place, int fd)
{
    struct err err = {.text = ""};
    off_t length = lseek(fd, 0, SEEK_END);
    int rc = length <= 0 ? -ENODATA : place_prefer(place, fd, (uint64_t)length, &err);
    if (rc < 0 && err.text[0])
        snprintf(s->move->why, sizeof s->move->why, "%.500s", err.text);
    return rc;
}

// One round through the segment is done. Again, where something stayed that may move next time?
static void end_round(struct move *move, struct moving *moving)
{
    if (move->left > 0 && move->round + 1 < ROUNDS_MAX) {
        move->round++;
        move->offset = move->left = 0;
        return;
    }
    moving->left_bytes += move->left;
    next_segment(move);
}

// A piece of the segment at its turn.
static void move_piece(struct supervisor *s)
{
    struct move *move = s->move;
    const struct place_segment *segment = &s->options->segments[move->segment];
    struct moving *moving = &move->tasks[segment->task];
    const struct slot *slot = &s->slots[segment->task];
    const struct place place = {s->options->nodes, moving->node};
    int fd = moving->node == NODES_NONE ? -1 : open_segment(s, segment);
    if (fd < 0) { // nobody's wish, or being made anew just now: then it will be in its place
        next_segment(move);
        return;
    }
    if (move->offset == 0 && prefer(s, &place, fd) < 0) {
        moving->left_bytes += place_claimed_bytes(fd);
        close(fd);
        next_segment(move);
        return;
    }
    uint64_t claimed = place_claimed_bytes(fd);
    uint64_t rest = claimed > move->offset ? claimed - move->offset : 0;
    uint64_t size = place_piece_bytes(fd), most = size - move->offset % size;
    if (move->offset == 0 && !place.nodes->moves_shared)
        most = HEADER_BYTES; // which a task has not mapped with the rest
    const struct place_piece piece = {fd, move->offset, rest < most ? rest : most,
                                      slot->pidfd >= 0 ? slot->pid : 0};
    int rc = rest ? place_move(&place, &piece, &moving->moved_bytes, &move->left) : 0;
    close(fd);
    move->offset += piece.bytes;
    if (rc < 0)
        snprintf(move->why, sizeof move->why, "%s: %s", segment->name, strerror(-rc));
    if (rc < 0 || rest == piece.bytes)
        end_round(move, moving);
}

// What the process has for itself: heap, stack, columns of a batch.
static void move_private(const struct supervisor *s)
{
    const struct nodes *nodes = s->options->nodes;
    for (int i = 0; i < s->options->task_count; i++) {
        const struct moving *moving = &s->move->tasks[i];
        if (moving->node != NODES_NONE && moving->node_before != NODES_NONE &&
            moving->node != moving->node_before && s->slots[i].pidfd >= 0)
            nodes->follow(s->slots[i].pid, moving->node_before, moving->node, nodes->context);
    }
}

static bool has_memory_to_move(const struct supervisor *s)
{
    const struct nodes *nodes = s->options->nodes;
    return nodes && nodes->count > 1 && s->move->segment < s->options->segment_count;
}

// --- answers ---

static void append_place(struct buf *out, int cpu, int node)
{
    if (cpu < 0)
        buf_append_str(out, "any core");
    else
        buf_printf(out, "core %d", cpu);
    if (node != NODES_NONE)
        buf_printf(out, " (node %d)", node);
}

static void answer_task(const struct supervisor *s, int task)
{
    const struct moving *m = &s->move->tasks[task];
    struct buf text = {0}, members = {0};
    int cpu = s->pinning.cpus[task];
    buf_printf(&text, "task %d: ", task);
    append_place(&text, m->cpu_before, m->node_before);
    buf_append_str(&text, " -> ");
    append_place(&text, cpu, m->node);
    if (m->moved_bytes || m->left_bytes)
        buf_printf(&text, ", %" PRIu64 " KiB of memory moved", m->moved_bytes >> 10);
    if (m->left_bytes)
        buf_printf(&text, ", %" PRIu64 " KiB left where they were", m->left_bytes >> 10);
    buf_printf(&members,
               ",\"task\":%d,\"cpu_before\":%d,\"cpu\":%d,\"node_before\":%d,\"node\":%d,"
               "\"bytes_moved\":%" PRIu64 ",\"bytes_left\":%" PRIu64,
               task, m->cpu_before, cpu, m->node_before, m->node, m->moved_bytes, m->left_bytes);
    request_answer(s->options->requests, REQUEST_NEWS, buf_str(&members), buf_str(&text));
    buf_fini(&members);
    buf_fini(&text);
}

// Why is memory where it was? "": nothing is.
static const char *why_left(const struct supervisor *s, uint64_t left)
{
    const struct nodes *nodes = s->options->nodes;
    if (s->move->why[0])
        return s->move->why;
    if (left == 0)
        return "";
    return nodes->moves_shared
               ? "the new node is full, or the pages were in use all the time"
               : "several processes map it, and moving it needs CAP_SYS_NICE "
                 "(AmbientCapabilities=CAP_SYS_NICE in the unit); the next run has it in its place";
}

// *why, when it is not "", says why bytes_left is not 0, or why the memory was not asked for.
static void end_well(struct supervisor *s, int64_t now)
{
    const struct move *move = s->move;
    struct buf text = {0}, members = {0};
    uint64_t moved = 0, left = 0;
    int changed = 0;
    for (int i = 0; i < s->options->task_count; i++) {
        moved += move->tasks[i].moved_bytes;
        left += move->tasks[i].left_bytes;
        changed += move->tasks[i].cpu_before != s->pinning.cpus[i];
        if (s->options->requests->request.kind == REQUEST_MOVE)
            answer_task(s, i);
    }
    const char *why = why_left(s, left);
    buf_printf(&text, "%d of %d tasks have another core", changed, s->options->task_count);
    if (moved || left)
        buf_printf(&text, "; %" PRIu64 " KiB of memory moved", moved >> 10);
    if (*why)
        buf_printf(&text, "; %" PRIu64 " KiB stayed: %s", left >> 10, why);
    buf_printf(&members,
               ",\"tasks\":%d,\"changed\":%d,\"duration_ms\":%.3f,\"why\":", s->options->task_count,
               changed, (double)(now - move->began_ns) / MS_NS);
    buf_append_json_string(&members, slice_of(why));
    const struct supervisor_event event = {
        .kind = SUPERVISOR_MOVED, .task_index = -1, .pid = getpid(), .text = buf_str(&text)};
    supervisor_report(s, &event);
    if (s->options->requests->request.kind == REQUEST_MOVE)
        request_answer(s->options->requests, REQUEST_DONE, buf_str(&members), buf_str(&text));
    buf_fini(&members);
    buf_fini(&text);
}

// --- begin and end ---

static int check(const struct supervisor *s, struct err *err)
{
    const struct request *request = &s->options->requests->request;
    if (request->cpu_count != s->options->task_count)
        return err_set(err, -EINVAL, "the job has %d tasks, and %d cores are named",
                       s->options->task_count, request->cpu_count);
    for (int i = 0; i < request->cpu_count; i++)
        if (!pinning_may_use(s, request->cpus[i]))
            return err_set(err, -EINVAL,
                           "task %d cannot be put on core %d: it is not one that the supervisor "
                           "(pid %d) may use; its cpuset or affinity has %d",
                           i, request->cpus[i], (int)getpid(), CPU_COUNT(&s->pinning.allowed));
    return 0;
}

static void free_move(struct move *move)
{
    if (move)
        free(move->tasks);
    free(move);
}

void move_begin(struct supervisor *s)
{
    struct err err = {.text = ""};
    if (check(s, &err) < 0) {
        request_answer(s->options->requests, REQUEST_REFUSED, NULL, err.text);
        return;
    }
    free_move(s->move); // an earlier one, which was over, or pushed aside
    s->move = calloc(1, sizeof *s->move);
    CHECK(s->move);
    s->move->tasks = calloc((size_t)s->options->task_count, sizeof *s->move->tasks);
    CHECK(s->move->tasks);
    s->move->began_ns = supervisor_now_ns();
    change_cores(s);
}

void move_on_time(struct supervisor *s, int64_t now)
{
    const int64_t until = now + SLICE_US * 1000;
    if (!is_under_way(s))
        return;
    put_all(s); // who has come meanwhile
    bool is_pushed_aside = s->options->requests->request.kind != REQUEST_MOVE;
    if (s->ending || is_pushed_aside) {
        request_answer(is_pushed_aside ? NULL : s->options->requests, REQUEST_FAILED, NULL,
                       "the job is being stopped; its tasks have their new cores, the memory was "
                       "not moved to the end");
        s->move->is_over = true;
        return;
    }
    while (has_memory_to_move(s) && supervisor_now_ns() < until)
        move_piece(s);
    if (has_memory_to_move(s))
        return;
    if (s->options->nodes && s->options->nodes->count > 1)
        move_private(s);
    end_well(s, supervisor_now_ns());
    s->move->is_over = true;
}

int64_t move_next_deadline(const struct supervisor *s, int64_t now)
{
    return is_under_way(s) ? now + PAUSE_MS * MS_NS : INT64_MAX;
}

void move_free(struct supervisor *s)
{
    free_move(s->move);
    s->move = NULL;
}
