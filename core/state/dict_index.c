// dict_index.c: look-ups, growth and the end of a dictionary's index; see dict_index.h.
#include "core/state/dict_index.h"

#include <errno.h>

enum {
    HALF_LINES = 4 * DICT_BLOCK_LINES, // what the halves of a split segment begin with
    LINES_MAX = DICT_BLOCKS_MAX * DICT_BLOCK_LINES,
    SLOTS_MAX = LINES_MAX * DICT_SHORT_SLOTS,
    DIRECTORY_LOG_MAX = 4096, // a longer change copies the directory instead of logging it
};

// The part of its slots that a segment may use before it must grow. Fuller ones have more keys that
// are not in their home line.
#define DICT_FULL(slots) ((slots)*13 / 16)

static const struct dict_head *head_of(const struct arena *a, uint64_t head)
{
    return arena_at(a, head);
}

static uint32_t slots_of(const struct dict_entry *e)
{
    return e->lines * dict_slots(e->wide);
}

// --- look-ups ---

static bool is_record(uint32_t kind)
{
    return kind >= DICT_KIND_MID;
}

// The slot in this line; -1: not there.
static int match(const struct arena *a, const uint64_t *line, bool wide, const struct dict_key *key)
{
    uint32_t kind = (uint32_t)key->bytes.len + 1;
    if (dict_inline(key, wide))
        return wide ? dict_match_wide(line, key->words, kind)
                    : dict_match_short(line, key->words[0], kind);
    for (uint32_t s = 0; s < dict_slots(wide); s++) {
        uint64_t word = line[wide ? 2 * s : s];
        if (is_record(dict_kind(line, s)) && (word & 0xffffff) == dict_tag(key->hash) &&
            slice_equal(dict_record_key(a, word >> 24), key->bytes))
            return (int)s;
    }
    return -1;
}

// Slots in use in a line.
static uint32_t line_used(const uint64_t *line)
{
    uint32_t kinds = dict_kinds(line);
    return kinds ? (31 - (uint32_t)__builtin_clz(kinds)) / DICT_KIND_BITS + 1 : 0;
}

void dict_index_find(const struct arena *a, uint64_t head, const struct dict_key *key,
                     struct dict_place *place)
{
    const struct dict_head *h = head_of(a, head);
    const struct dict_entry *e = h->directory ? dict_entry_of(a, h, key->hash) : NULL;
    *place = (struct dict_place){0};
    if (!e || !e->lines)
        return;
    bool wide = place->wide = e->wide;
    uint32_t lines = e->lines, at = dict_home(e, dict_tag(key->hash));
    for (uint32_t n = 0; n < lines; n++) {
        uint64_t offset = dict_line(e, at);
        const uint64_t *line = arena_at(a, offset);
        int slot = match(a, line, wide, key);
        if (slot >= 0) {
            *place = (struct dict_place){offset, (uint32_t)slot, wide, true,
                                         dict_number(line, wide, (uint32_t)slot)};
            return;
        }
        if (!dict_line_full(line, wide)) {
            place->line = offset;
            place->slot = line_used(line);
            return;
        }
        at = at + 1 == lines ? 0 : at + 1;
    }
}

void dict_index_prefetch_record(const struct arena *a, const uint64_t *line, bool wide,
                                const struct dict_key *key)
{
    for (uint32_t s = 0; s < dict_slots(wide); s++) {
        uint64_t word = line[wide ? 2 * s : s];
        if (is_record(dict_kind(line, s)) && (word & 0xffffff) == dict_tag(key->hash))
            arena_prefetch(a, word >> 24);
    }
}

// --- the directory ---

// A copy with 2^more entries for each entry, in fresh memory.
static int directory_copy(struct arena *a, uint64_t head, uint32_t more)
{
    struct dict_head old = *head_of(a, head);
    uint64_t count = UINT64_C(1) << (old.depth + more), bytes = sizeof(struct dict_entry);
    uint64_t directory;
    int r = arena_alloc(a, count * bytes, &directory);
    if (r)
        return r;
    struct dict_entry *to = arena_fresh(a, directory);
    const struct dict_entry *from = arena_at(a, old.directory);
    for (uint64_t i = 0; i < count && old.directory; i++)
        to[i] = from[i >> more];
    if (old.directory)
        arena_free(a, old.directory, bytes << old.depth);
    arena_store8(a, head + offsetof(struct dict_head, directory), directory);
    arena_store8(a, head + offsetof(struct dict_head, depth), old.depth + more);
    return 0;
}

// This entry for all hashes that share its depth's bits with `hash`.
static int directory_set(struct arena *a, uint64_t head, uint64_t hash,
                         const struct dict_entry *entry)
{
    uint32_t depth = (uint32_t)head_of(a, head)->depth;
    CHECK(entry->local_depth <= depth);
    uint64_t count = UINT64_C(1) << (depth - entry->local_depth);
    uint64_t first = (hash >> 1 >> (63 - depth)) & ~(count - 1);
    uint64_t bytes = count * sizeof *entry;
    bool logged = bytes <= DIRECTORY_LOG_MAX;
    int r = logged ? 0 : directory_copy(a, head, 0);
    if (r)
        return r;
    uint64_t at = head_of(a, head)->directory + first * sizeof *entry;
    struct dict_entry *to = logged ? arena_touch(a, at, bytes) : arena_fresh(a, at);
    for (uint64_t i = 0; i < count; i++)
        to[i] = *entry;
    return 0;
}

// --- segments ---

static uint64_t block_bytes(const struct dict_entry *e)
{
    uint64_t lines = e->lines < DICT_BLOCK_LINES ? e->lines : DICT_BLOCK_LINES;
    return lines * DICT_LINE_BYTES;
}

static int segment_alloc(struct arena *a, struct dict_entry *e)
{
    uint64_t offset;
    int r = 0;
    for (uint32_t i = 0; i * DICT_BLOCK_LINES < e->lines && !r; i++) {
        r = arena_alloc(a, block_bytes(e), &offset);
        if (r)
            return r;
        CHECK(offset % (1 << DICT_UNIT_SHIFT) == 0);
        e->blocks[i] = (uint32_t)(offset >> DICT_UNIT_SHIFT);
    }
    return r;
}

static void segment_free(struct arena *a, const struct dict_entry *e)
{
    for (uint32_t i = 0; i * DICT_BLOCK_LINES < e->lines; i++)
        arena_free(a, (uint64_t)e->blocks[i] << DICT_UNIT_SHIFT, block_bytes(e));
}

static struct slice slot_key(const struct arena *a, const uint64_t *line, bool wide, uint32_t slot)
{
    const uint64_t *words = line + (wide ? 2 * slot : slot);
    uint32_t kind = dict_kind(line, slot);
    return is_record(kind) ? dict_record_key(a, words[0] >> 24) : slice_make(words, kind - 1);
}

// What a segment that is made anew holds: for each slot its tag, and the half that it goes to.
struct contents {
    struct dict_entry from;
    uint32_t counts[2], mids[2]; // of each half: keys, and keys of 9 to 16 bytes
    uint32_t places[SLOTS_MAX];  // tag | half << 24; in the order of lines and slots
};

// The tag of a record's key is in its slot; to know its half, the record must be read.
static uint64_t slot_hash(const struct arena *a, const uint64_t *line, bool wide, uint32_t slot,
                          bool halves)
{
    const uint64_t *words = line + (wide ? 2 * slot : slot);
    uint32_t kind = dict_kind(line, slot);
    if (!is_record(kind))
        return dict_hash(words[0], wide ? words[1] : 0, kind - 1);
    return halves ? dict_key_make(slot_key(a, line, wide, slot)).hash : (words[0] & 0xffffff) << 20;
}

static void prefetch_records(const struct arena *a, const uint64_t *line, bool wide)
{
    for (uint32_t s = 0; s < dict_slots(wide); s++)
        if (is_record(dict_kind(line, s)))
            arena_prefetch(a, line[wide ? 2 * s : s] >> 24);
}

// Look at all keys; `halves`: they go to two segments.
static void contents_read(const struct arena *a, struct contents *c, bool halves)
{
    enum { AHEAD = 4 };
    bool wide = c->from.wide;
    uint32_t lines = c->from.lines, n = 0, shift = 63 - c->from.local_depth;
    memset(c->counts, 0, sizeof c->counts);
    memset(c->mids, 0, sizeof c->mids);
    for (uint32_t l = 0; l < lines; l++) {
        const uint64_t *line = arena_at(a, dict_line(&c->from, l));
        if (halves && l + AHEAD < lines)
            prefetch_records(a, arena_at(a, dict_line(&c->from, l + AHEAD)), wide);
        for (uint32_t s = 0, used = line_used(line); s < used; s++) {
            uint64_t hash = slot_hash(a, line, wide, s, halves);
            uint32_t half = halves ? (uint32_t)(hash >> shift & 1) : 0, kind = dict_kind(line, s);
            c->places[n++] = dict_tag(hash) | half << 24;
            c->counts[half]++;
            c->mids[half] += kind == DICT_KIND_MID || (kind > 9 && kind <= 17);
        }
    }
    CHECK(n == c->from.used);
}

// What a slot of either width holds.
struct slot {
    uint64_t words[2];
    uint32_t number, kind;
};

static struct slot slot_read(const uint64_t *line, bool wide, uint32_t at)
{
    return (struct slot){{line[wide ? 2 * at : at], wide ? line[2 * at + 1] : 0},
                         dict_number(line, wide, at),
                         dict_kind(line, at)};
}

// Into fresh memory.
static void slot_write(uint64_t *line, bool wide, uint32_t at, const struct slot *slot)
{
    line[wide ? 2 * at : at] = slot->words[0];
    if (wide)
        line[2 * at + 1] = slot->words[1];
    memcpy((char *)line + dict_number_at(wide, at), &slot->number, 4);
    line[7] |= (uint64_t)slot->kind << (32 + at * DICT_KIND_BITS);
}

// The first line from the tag's home on that has room; there is one.
static uint64_t *line_with_room(struct arena *a, const struct dict_entry *e, uint32_t tag)
{
    uint32_t at = dict_home(e, tag);
    for (uint32_t n = 0; n < e->lines; n++) {
        uint64_t *line = arena_fresh(a, dict_line(e, at));
        if (LIKELY(!dict_line_full(line, e->wide)))
            return line;
        at = at + 1 == e->lines ? 0 : at + 1;
    }
    CHECK(false);
}

// A slot in the form that lines of the other width have: a key that fits is taken from its record,
// a key that does not becomes one.
static int slot_convert(struct arena *a, uint64_t head, bool wide, uint32_t tag, struct slot *slot)
{
    uint64_t record;
    if (wide && slot->kind == DICT_KIND_MID) {
        struct dict_key key = dict_key_make(dict_record_key(a, slot->words[0] >> 24));
        memcpy(slot->words, key.words, sizeof key.words);
        slot->kind = (uint32_t)key.bytes.len + 1;
    } else if (!wide && slot->kind > 9 && !is_record(slot->kind)) {
        int r = dict_record_add(a, head, slice_make(slot->words, slot->kind - 1), &record);
        if (r)
            return r;
        slot->words[0] = record << 24 | tag;
        slot->kind = DICT_KIND_MID;
    }
    return 0;
}

// The new segment of one half (0: of all).
static int segment_make(struct arena *a, uint64_t head, const struct contents *c, uint32_t half,
                        struct dict_entry *to)
{
    const bool was_wide = c->from.wide, wide = to->wide;
    CHECK(slots_of(to) >= to->used);
    int r = segment_alloc(a, to);
    for (uint32_t l = 0, n = 0; l < c->from.lines && !r; l++) {
        const uint64_t *line = arena_at(a, dict_line(&c->from, l));
        for (uint32_t s = 0, used = line_used(line); s < used && !r; s++, n++) {
            uint32_t tag = c->places[n] & 0xffffff;
            struct slot slot = slot_read(line, was_wide, s);
            if (c->places[n] >> 24 != half)
                continue;
            if (UNLIKELY(wide != was_wide))
                r = slot_convert(a, head, wide, tag, &slot);
            uint64_t *fresh = line_with_room(a, to, tag);
            slot_write(fresh, wide, line_used(fresh), &slot);
        }
    }
    return r;
}

static uint32_t next_lines(uint32_t lines)
{
    return lines < HALF_LINES ? lines * 2 : lines + 2 * DICT_BLOCK_LINES;
}

// The shape of a segment for these keys: of `lines` or, where that is too small, more. No lines:
// they do not fit. Lines are wide where most keys want it, and remain so while a few do.
static struct dict_entry shape_for(const struct contents *c, uint32_t half, uint32_t lines,
                                   uint32_t local_depth)
{
    uint32_t count = c->counts[half];
    struct dict_entry e = {.used = (uint16_t)count, .local_depth = (uint16_t)local_depth};
    e.wide = c->mids[half] > count / (c->from.wide ? 16 : 2);
    for (; lines <= LINES_MAX; lines = next_lines(lines)) {
        e.lines = (uint16_t)lines;
        if (count < DICT_FULL(slots_of(&e)))
            return e;
    }
    e.lines = 0;
    return e;
}

static int segment_enlarge(struct arena *a, uint64_t head, uint64_t hash, struct contents *c)
{
    contents_read(a, c, false);
    struct dict_entry to = shape_for(c, 0, next_lines(c->from.lines), c->from.local_depth);
    if (!to.lines)
        return 1;
    int r = segment_make(a, head, c, 0, &to);
    if (r)
        return r;
    segment_free(a, &c->from);
    return directory_set(a, head, hash, &to);
}

// The shape of one half. Keys with equal hashes may all go to one half, and fill it at once.
static struct dict_entry half_shape(const struct contents *c, uint32_t half)
{
    uint32_t local_depth = c->from.local_depth + 1u;
    struct dict_entry e = {.local_depth = (uint16_t)local_depth};
    if (!c->counts[half])
        return e;
    e = shape_for(c, half, HALF_LINES, local_depth);
    if (!e.lines) {
        e.wide = c->from.wide;
        e.lines = LINES_MAX;
    }
    return e;
}

static int segment_split(struct arena *a, uint64_t head, uint64_t hash, struct contents *c)
{
    uint32_t local_depth = c->from.local_depth;
    int r = local_depth == head_of(a, head)->depth ? directory_copy(a, head, 1) : 0;
    if (r)
        return r;
    contents_read(a, c, true);
    uint64_t bit = UINT64_C(1) << (63 - local_depth);
    for (uint32_t half = 0; half < 2; half++) {
        struct dict_entry to = half_shape(c, half);
        r = to.lines ? segment_make(a, head, c, half, &to) : 0;
        if (!r)
            r = directory_set(a, head, half ? hash | bit : hash & ~bit, &to);
        if (r)
            return r;
    }
    segment_free(a, &c->from);
    return 0;
}

// The first segment of a dictionary (`e` is NULL), or of a half that was empty.
static int segment_first(struct arena *a, uint64_t head, const struct dict_key *key,
                         const struct dict_entry *e)
{
    struct dict_entry to = {.lines = DICT_LINES_MIN, .local_depth = e ? e->local_depth : 0};
    to.wide = key->bytes.len > 8 && key->bytes.len <= 16;
    int r = e ? 0 : directory_copy(a, head, 0);
    if (!r)
        r = segment_alloc(a, &to);
    return r ? r : directory_set(a, head, key->hash, &to);
}

// Make room in a segment that is full. 1: there is none to be had but what is left in it.
static int segment_grow(struct arena *a, uint64_t head, uint64_t hash, const struct dict_entry *e)
{
    struct contents c;
    // What it logs is more than a row's share, and others come after it in this transaction.
    if (arena_log_room(a) < a->log_bytes / 4)
        return -EAGAIN;
    c.from = *e;
    if (e->lines < LINES_MAX) {
        int r = segment_enlarge(a, head, hash, &c);
        if (r != 1)
            return r;
    }
    if (c.from.local_depth == DICT_DEPTH_MAX)
        return 1;
    return segment_split(a, head, hash, &c);
}

// --- adding ---

static void slot_store(struct arena *a, const struct dict_place *place, const struct slot *slot)
{
    bool wide = place->wide;
    uint64_t line = place->line, at = line + (wide ? 2 * place->slot : place->slot) * 8ul;
    uint32_t number_at = dict_number_at(wide, place->slot);
    arena_store8(a, at, slot->words[0]);
    if (wide)
        arena_store8(a, at + 8, slot->words[1]);
    if (number_at < 56)
        arena_touch8(a, line + (number_at & ~7u));
#ifdef WEIR_MUTANT_6
    uint64_t *last = arena_fresh(a, line + 56);
#else
    uint64_t *last = arena_touch8(a, line + 56);
#endif
    memcpy(a->base + line + number_at, &slot->number, 4);
    *last |= (uint64_t)slot->kind << (32 + place->slot * DICT_KIND_BITS);
}

static int slot_add(struct arena *a, uint64_t head, const struct dict_key *key,
                    const struct dict_place *place, uint32_t number)
{
    struct slot slot = {{key->words[0], key->words[1]}, number, (uint32_t)key->bytes.len + 1};
    if (!dict_inline(key, place->wide)) {
        uint64_t record;
        int r = dict_record_add(a, head, key->bytes, &record);
        if (r)
            return r;
        slot.words[0] = record << 24 | dict_tag(key->hash);
        slot.words[1] = 0;
        slot.kind = key->bytes.len <= 16 ? DICT_KIND_MID : DICT_KIND_LONG;
    }
    slot_store(a, place, &slot);
    return 0;
}

// The first of the entries that name the hash's segment: the one that knows the slots in use. NULL:
// there is no directory.
static const struct dict_entry *first_entry(const struct arena *a, uint64_t head, uint64_t hash)
{
    const struct dict_head *h = head_of(a, head);
    if (!h->directory)
        return NULL;
    const struct dict_entry *entries = arena_at(a, h->directory);
    const struct dict_entry *e = dict_entry_of(a, h, hash);
    uint64_t more = (uint32_t)h->depth - e->local_depth;
    return entries + ((uint64_t)(e - entries) >> more << more);
}

static void count_slot(struct arena *a, const struct dict_entry *e)
{
    uint64_t at = (uint64_t)((const uint8_t *)e - a->base) + offsetof(struct dict_entry, lines);
    struct dict_entry *to =
        (struct dict_entry *)(a->base + (at - offsetof(struct dict_entry, lines)));
    arena_touch8_once(a, at);
    to->used++;
}

int dict_index_insert(struct arena *a, uint64_t head, const struct dict_key *key,
                      const struct dict_place *found, uint32_t number)
{
    struct dict_place place = *found;
    bool anywhere = false;
    for (;;) {
        const struct dict_entry *e = first_entry(a, head, key->hash);
        int r;
        if (e && e->used < (anywhere ? slots_of(e) : DICT_FULL(slots_of(e)))) {
            r = slot_add(a, head, key, &place, number);
            if (!r)
                count_slot(a, e);
            return r;
        }
        if (anywhere)
            return -EOVERFLOW;
        if (!e || !e->lines)
            r = segment_first(a, head, key, e);
        else
            r = segment_grow(a, head, key->hash, e);
        if (r < 0)
            return r;
        anywhere = r == 1;
        dict_index_find(a, head, key, &place);
    }
}

// --- the end ---

int dict_index_drop_step(struct arena *a, uint64_t head, uint32_t *budget)
{
    // While it is being dropped, the upper half of the depth word is the place in the directory.
    const uint64_t depth_at = head + offsetof(struct dict_head, depth);
    uint64_t depth = (uint32_t)head_of(a, head)->depth;
    uint64_t place_now = head_of(a, head)->depth >> 32;
    uint64_t directory = head_of(a, head)->directory;
    const struct dict_entry *entries = arena_at(a, directory);
    while (*budget && place_now < UINT64_C(1) << depth && directory) {
        segment_free(a, &entries[place_now]);
        place_now += UINT64_C(1) << (depth - entries[place_now].local_depth);
        --*budget;
    }
    if (directory && place_now < UINT64_C(1) << depth) {
        arena_store8(a, depth_at, depth | place_now << 32);
        return 0;
    }
    if (directory)
        arena_free(a, directory, sizeof(struct dict_entry) << depth);
    arena_store8(a, head + offsetof(struct dict_head, directory), 0);
    arena_store8(a, depth_at, 0);
    return 1;
}

void dict_index_visit(const struct arena *a, uint64_t head,
                      void (*visit)(void *context, struct slice key, uint32_t number),
                      void *context)
{
    const struct dict_head *h = head_of(a, head);
    const struct dict_entry *entries = arena_at(a, h->directory);
    for (uint64_t i = 0; h->directory && i < UINT64_C(1) << h->depth;) {
        const struct dict_entry *e = &entries[i];
        for (uint32_t l = 0; l < e->lines; l++) {
            const uint64_t *line = arena_at(a, dict_line(e, l));
            for (uint32_t s = 0, used = line_used(line); s < used; s++)
                visit(context, slot_key(a, line, e->wide, s), dict_number(line, e->wide, s));
        }
        i += UINT64_C(1) << (h->depth - e->local_depth);
    }
}

struct check {
    const struct arena *arena;
    uint64_t head, keys;
};

static void check_key(void *context, struct slice bytes, uint32_t number)
{
    struct check *check = context;
    struct dict_key key = dict_key_make(bytes);
    struct dict_place place;
    dict_index_find(check->arena, check->head, &key, &place);
    CHECK(place.found && place.number == number);
    check->keys++;
}

uint64_t dict_index_check(const struct arena *a, uint64_t head)
{
    struct check check = {a, head, 0};
    const struct dict_head *h = head_of(a, head);
    const struct dict_entry *entries = arena_at(a, h->directory);
    uint64_t used = 0;
    dict_index_visit(a, head, check_key, &check);
    for (uint64_t i = 0; h->directory && i < UINT64_C(1) << h->depth;) {
        used += entries[i].used;
        i += UINT64_C(1) << (h->depth - entries[i].local_depth);
    }
    CHECK(used == check.keys);
    return check.keys;
}
