// outbox_savepoint.c: rows on their way, into a savepoint and out of it, at any number of tasks.
//
// The checkpoint that a savepoint is made from has rows that the cluster may have committed since,
// or not: the mark of the old transactional id tells. So a restore finds that out before any task
// begins, id by id, by running an outbox on a copy of the old journal to its end: it fences the id,
// reads the mark, drops or sends, and commits. Rows of a key thereby stay in order, whichever task
// has the key next. All of it may be repeated: the mark is that of the old state until then, and a
// task whose id goes on begins with that state, of which all is done. So a run that dies before its
// first checkpoint can begin from the savepoint again.
//
// A record OUTBOX: prefix of the ids (NULL: rows went without transactions), first topic, subtask,
// incarnation, rows done, next row, limit, is marked, allowed, count of starts, these. Behind it
// its rows, OUTBOX_ROW: topic, key (NULL: none), value (NULL: none), headers, timestamp, is dead.
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>

#include "core/base/check.h"
#include "core/snapshot/savepoint.h"
#include "stages/kafka/outbox_internal.h"

enum { ARENA_LEAST_BYTES = 16 << 20, PAGE_BYTES = 4096, SUBTASK_MAX = 1 << 20 };

// --- into ---

static void put_row(const struct kafka_table *table, const struct journal_row *row,
                    struct savepoint_writer *out, int id)
{
    savepoint_begin(out, id, SAVEPOINT_OUTBOX_ROW);
    savepoint_put_text(out, slice_of(table->topics[row->topic]));
    if (row->has_key)
        savepoint_put_text(out, row->key);
    else
        savepoint_put_null(out);
    if (row->is_tombstone)
        savepoint_put_null(out);
    else
        savepoint_put_text(out, row->value);
    savepoint_put_text(out, row->headers);
    savepoint_put_int(out, row->timestamp_ms);
    savepoint_put_int(out, row->is_dead);
    savepoint_end(out);
}

void outbox_put(const struct outbox_spec *spec, struct savepoint_writer *out, int id)
{
    const struct arena *arena = spec->context->arena;
    const struct kafka_table *table = spec->table;
    if (!outbox_kept_rows(arena, spec->root))
        return;
    const uint64_t at = arena->meta->roots[spec->root].offset;
    const struct outbox_state *state = arena_at(arena, at);
    struct journal_cursor cursor;
    struct journal_row row;
    savepoint_begin(out, id, SAVEPOINT_OUTBOX);
    if (table->guarantee == KAFKA_EXACTLY_ONCE)
        savepoint_put_text(out, slice_of(table->transactional_id_prefix));
    else
        savepoint_put_null(out);
    savepoint_put_text(out, slice_of(table->topics[0]));
    savepoint_put_int(out, spec->context->subtask);
    savepoint_put_int(out, (int64_t)state->incarnation);
    savepoint_put_int(out, (int64_t)state->done);
    savepoint_put_int(out, (int64_t)state->journal.next);
    savepoint_put_int(out, (int64_t)state->limit);
    savepoint_put_int(out, (int64_t)state->is_marked);
    savepoint_put_int(out, (int64_t)state->allowed.row);
    savepoint_put_int(out, (int64_t)state->start_count);
    for (uint64_t i = 0; i < state->start_count; i++)
        savepoint_put_int(out, (int64_t)state->starts[i]);
    savepoint_end(out);
    journal_seek(arena, at, state->done, &cursor);
    while (journal_read(arena, at, &cursor, &row))
        put_row(table, &row, out, id);
}

// --- out of ---

// What one task of the savepoint had on its way.
struct left {
    char *prefix; // NULL: without transactions
    int subtask;
    struct outbox_state state; // its journal's numbers are those behind the rows
    struct buf rows;           // as journal_append takes them
    uint64_t count;
    uint64_t *dead; // numbers of rows
    uint64_t dead_count;
};

struct outbox_restore {
    const struct op_context *contexts; // one a task; without an arena: nobody goes on
    int context_count;
    struct kafka_table table;
    struct left *lefts;
    int count;
    char failure[1024]; // of the outbox that runs
    char trouble[512];  // what it has noted last
};

int outbox_restore_begin(const struct op_context *contexts, int count, struct outbox_restore **out,
                         struct err *err)
{
    struct outbox_restore *r = calloc(1, sizeof *r);
    CHECK(r && count > 0);
    r->contexts = contexts;
    r->context_count = count;
    *out = r;
    int rc = kafka_table_parse(contexts[0].op->table, contexts[0].job_name, &r->table, err);
    return rc < 0 ? err_prefix(err, rc, "table %s", contexts[0].op->table->name) : 0;
}

void outbox_restore_free(struct outbox_restore *r)
{
    for (int i = 0; i < r->count; i++) {
        free(r->lefts[i].prefix);
        free(r->lefts[i].dead);
        buf_fini(&r->lefts[i].rows);
    }
    free(r->lefts);
    kafka_table_fini(&r->table);
    free(r);
}

static int find_topic(const struct outbox_restore *r, struct slice name)
{
    for (int i = 0; i < r->table.topic_count; i++)
        if (slice_equal(name, slice_of(r->table.topics[i])))
            return i;
    return -1;
}

static int other_topic(const struct outbox_restore *r, struct slice name, struct err *err)
{
    return err_set(err, -ESTALE,
                   "table %s: the savepoint has rows on their way to topic '%.*s', and the table "
                   "does not write there, or not first, any more: begin from it with the topics as "
                   "they were, once",
                   r->contexts[0].op->table->name, name.len > 249 ? 249 : (int)name.len, name.ptr);
}

static bool is_possible(const struct outbox_state *state)
{
    return state->incarnation && state->start_count <= OUTBOX_STARTS &&
           state->done <= state->journal.next;
}

static int take_head(struct outbox_restore *r, struct savepoint_record *record, struct err *err)
{
    struct savepoint_value prefix = savepoint_take(record);
    struct slice topic = savepoint_take_text(record);
    uint64_t subtask = savepoint_take_count(record);
    struct outbox_state state = {.incarnation = 0};
    r->lefts = realloc(r->lefts, (size_t)(r->count + 1) * sizeof *r->lefts);
    CHECK(r->lefts);
    state.incarnation = (uint64_t)savepoint_take(record).number;
    state.done = savepoint_take_count(record);
    state.journal.next = savepoint_take_count(record);
    state.limit = savepoint_take_count(record);
    state.is_marked = savepoint_take_count(record);
    state.allowed.row = savepoint_take_count(record);
    state.start_count = savepoint_take_count(record);
    for (uint64_t i = 0; i < state.start_count && i < OUTBOX_STARTS; i++)
        state.starts[i] = savepoint_take_count(record);
    bool is_exact = prefix.tag == SAVEPOINT_TEXT;
    if (record->is_bad || record->left || !is_possible(&state) || subtask > SUBTASK_MAX ||
        (!is_exact && prefix.tag != SAVEPOINT_NULL) || prefix.text.len > 200)
        return -EBADMSG;
    if (is_exact && find_topic(r, topic) != 0) // where the mark is
        return other_topic(r, topic, err);
    struct left *l = &r->lefts[r->count++];
    *l = (struct left){.subtask = (int)subtask, .state = state};
    l->prefix = is_exact ? strndup(prefix.text.ptr, prefix.text.len) : NULL;
    CHECK(l->prefix || !is_exact);
    return 0;
}

static void note_dead(struct left *l, uint64_t row)
{
    l->dead = realloc(l->dead, (size_t)(l->dead_count + 1) * sizeof *l->dead);
    CHECK(l->dead);
    l->dead[l->dead_count++] = row;
}

static int take_row(struct outbox_restore *r, struct savepoint_record *record, struct err *err)
{
    struct slice topic = savepoint_take_text(record);
    struct savepoint_value key = savepoint_take(record), value = savepoint_take(record);
    struct slice headers = savepoint_take_text(record);
    const int64_t timestamp_ms = savepoint_take(record).number;
    const bool is_dead = savepoint_take_count(record) != 0;
    const int index = find_topic(r, topic);
    struct journal_draft draft;
    struct left *l = r->count ? &r->lefts[r->count - 1] : NULL;
    if (record->is_bad || record->left || !l || l->count == l->state.journal.next - l->state.done ||
        (key.tag != SAVEPOINT_TEXT && key.tag != SAVEPOINT_NULL) ||
        (value.tag != SAVEPOINT_TEXT && value.tag != SAVEPOINT_NULL))
        return -EBADMSG;
    if (index < 0)
        return other_topic(r, topic, err);
    const struct journal_row about = {.partition = -1,
                                      .topic = (uint32_t)index,
                                      .has_key = key.tag == SAVEPOINT_TEXT,
                                      .is_tombstone = value.tag == SAVEPOINT_NULL,
                                      .timestamp_ms = timestamp_ms};
    journal_row_begin(&l->rows, &draft);
    if (about.has_key)
        buf_append(&l->rows, key.text.ptr, key.text.len);
    journal_row_key_done(&l->rows, &draft);
    if (!about.is_tombstone)
        buf_append(&l->rows, value.text.ptr, value.text.len);
    journal_row_value_done(&l->rows, &draft);
    buf_append(&l->rows, headers.ptr, headers.len);
    if (journal_row_end(&l->rows, &draft, &about) < 0)
        return -EBADMSG;
    if (is_dead)
        note_dead(l, l->state.done + l->count);
    l->count++;
    return 0;
}

int outbox_restore_take(struct outbox_restore *r, struct savepoint_record *record, struct err *err)
{
    int rc = record->kind == SAVEPOINT_OUTBOX       ? take_head(r, record, err)
             : record->kind == SAVEPOINT_OUTBOX_ROW ? take_row(r, record, err)
                                                    : -EBADMSG;
    return rc == -EBADMSG ? err_set(err, rc, "table %s: the savepoint has a bad row of its sink",
                                    r->contexts[0].op->table->name)
                          : rc;
}

// --- its end: what was on its way arrives ---

static void on_fail(void *context, const char *reason)
{
    struct outbox_restore *r = context;
    snprintf(r->failure, sizeof r->failure, "%s", reason);
}

static void on_note(void *context, const char *text)
{
    struct outbox_restore *r = context;
    snprintf(r->trouble, sizeof r->trouble, "%s", text);
}

static void on_bad_row(void *context, const char *source, uint64_t position, const char *reason,
                       struct slice row)
{
    struct outbox_restore *r = context;
    (void)position, (void)row;
    snprintf(
        r->failure, sizeof r->failure,
        "table %s: topic %s: a row of the savepoint: %s; it cannot go to the dead letters before "
        "the job runs: let the topic take it (max.message.bytes), and begin again",
        r->contexts[0].op->table->name, source ? source : "?", reason);
}

// An outbox's memory as the old task had it.
static int fill_arena(const struct left *l, struct arena *arena, struct err *err)
{
    uint64_t at;
    struct journal_cursor cursor;
    int rc = arena_root(arena, 0, sizeof(struct outbox_state), &at);
    if (rc < 0)
        return err_set(err, rc, "no memory for rows of the savepoint");
    struct outbox_state *state = arena_touch(arena, at, sizeof *state);
    *state = l->state;
    state->journal = (struct journal_head){.next = l->state.done};
    state->barrier.row = l->state.journal.next; // where the checkpoint was
    arena_commit(arena);
    rc = journal_append(arena, at, &l->rows, l->count);
    for (uint64_t i = 0; i < l->dead_count && rc == 0; i++) {
        journal_seek(arena, at, l->dead[i], &cursor);
        journal_bury(arena, at, &cursor);
        if (i % 256 == 255)
            arena_commit(arena);
    }
    if (rc < 0)
        return err_set(err, rc, "no memory for rows of the savepoint");
    arena_commit(arena);
    return 0;
}

static int run_outbox(struct outbox_restore *r, struct left *l, struct arena *arena,
                      struct err *err)
{
    struct kafka_table table = r->table;
    struct stage stage = {.parallelism = l->subtask + 1};
    struct op_context context = r->contexts[0];
    struct outbox *o;
    table.guarantee = l->prefix ? KAFKA_EXACTLY_ONCE : KAFKA_AT_LEAST_ONCE;
    if (l->prefix)
        table.transactional_id_prefix = l->prefix;
    context.arena = arena;
    context.stage = &stage;
    context.subtask = l->subtask;
    context.bad_row_context = r;
    context.bad_row = on_bad_row;
    context.fail_job = on_fail;
    context.note = on_note;
    const struct outbox_spec spec = {.context = &context, .table = &table};
    int rc = outbox_open(&spec, &o, err);
    if (rc < 0)
        return rc;
    arena_commit(arena);
    rc = outbox_finish(o, err);
    if (rc == 0 && r->failure[0])
        rc = err_set(err, -EINVAL, "%s", r->failure);
    if (rc == 0 && !outbox_is_settled(o))
        rc = err_set(err, -EHOSTUNREACH,
                     "table %s: the savepoint has rows on their way to Kafka, and the cluster does "
                     "not answer (%s): begin from it again when it does",
                     table.name, r->trouble[0] ? r->trouble : "no answer");
    l->state = *outbox_state_of(o);
    outbox_close(o);
    return rc;
}

static int deliver(struct outbox_restore *r, struct left *l, struct err *err)
{
    const struct arena_options options = {.fingerprint = 1};
    struct arena *arena;
    uint64_t bytes = ARENA_LEAST_BYTES + 3 * l->rows.len;
    if (l->count != l->state.journal.next - l->state.done)
        return err_set(err, -EBADMSG, "table %s: the savepoint misses rows of its sink",
                       r->contexts[0].op->table->name);
    bytes -= bytes % PAGE_BYTES;
    void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
                        MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
    if (memory == MAP_FAILED)
        return err_set(err, -errno, "no memory for rows of the savepoint: %s", strerror(errno));
    int rc = arena_format(memory, bytes, &options, err);
    if (rc == 0)
        rc = arena_open(memory, bytes, &options, &arena, err);
    if (rc == 0) {
        rc = fill_arena(l, arena, err);
        if (rc == 0)
            rc = run_outbox(r, l, arena, err);
        arena_close(arena);
    }
    munmap(memory, bytes);
    return rc;
}

// The id goes on, and so does the state of which all is done: a second restore finds the mark of
// it.
static int carry(const struct outbox_restore *r, const struct left *l, struct err *err)
{
    uint64_t at;
    const uint64_t next = l->state.journal.next;
    if (!l->prefix || r->table.guarantee != KAFKA_EXACTLY_ONCE || l->subtask >= r->context_count ||
        strcmp(l->prefix, r->table.transactional_id_prefix) != 0)
        return 0;
    const struct op_context *context = &r->contexts[l->subtask];
    if (!context->arena)
        return 0;
    int rc =
        arena_root(context->arena, (uint32_t)context->op->id, sizeof(struct outbox_state), &at);
    if (rc < 0)
        return err_set(err, rc, "no room in the task's memory; set memory.state higher");
    struct outbox_state *state = arena_touch(context->arena, at, sizeof *state);
    *state = (struct outbox_state){.journal = {.next = next},
                                   .incarnation = l->state.incarnation,
                                   .barrier = {.row = next},
                                   .allowed = {.row = next},
                                   .done = next,
                                   .limit = next,
                                   .is_marked = 1};
    arena_commit(context->arena);
    return 0;
}

int outbox_restore_end(struct outbox_restore *r, struct err *err)
{
    int rc = 0;
    for (int i = 0; i < r->count && rc == 0; i++)
        rc = deliver(r, &r->lefts[i], err);
    for (int i = 0; i < r->count && rc == 0; i++)
        rc = carry(r, &r->lefts[i], err);
    return rc;
}
