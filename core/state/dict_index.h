// dict_index.h: the hash index of dictionaries: short keys and their numbers in one cache line.
// Private to dict.c and dict_index.c.
//
// A directory of 2^depth entries, picked by the top bits of a hash, leads to segments (extendible
// hashing, as in index.h). A segment is 4 to 64 lines in one block, then 1, 2, 4 or 6 blocks of 128
// lines; 24 more bits of the hash say which line is a key's home. A line of 64 bytes holds five
// keys of up to 8 bytes, or three of up to 16, with their numbers, so that a look-up mostly fetches
// one line. What is longer is a record elsewhere, with 24 bits of its hash in the line.
//
// A segment that is full (DICT_FULL) is made anew in fresh memory, a block larger; one of six
// blocks becomes two of four. So a large dictionary is filled to three quarters of that or more at
// any time, at most 3,100 keys are moved at once, and moving them logs next to nothing. Blocks are
// all of one size, so that what is freed fits what is wanted.
//
//   line of short keys: u64 keys[5], u32 numbers[5], u32 kinds
//   line of wide keys:  u64 keys[3][2], u32 numbers[3], u32 kinds
//   kinds: six bits a slot: 0: empty; 1 + length; KIND_MID, KIND_LONG: the key is a record, of up
//   to 16 bytes or more, and the slot's first word record << 24 | 24 bits of the hash. Slots of a
//   line are filled from the first on; a key is in its home line or, when all lines from there on
//   are full, in the next one (cyclically). No key is ever taken out.
#ifndef WEIR_CORE_STATE_DICT_INDEX_H
#define WEIR_CORE_STATE_DICT_INDEX_H

#include "core/base/hash.h"
#include "core/state/dict.h"

enum {
    DICT_LINE_BYTES = 64,
    DICT_LINES_MIN = 4,
    DICT_BLOCK_LINES = 128,
    DICT_BLOCK_BYTES = DICT_BLOCK_LINES * DICT_LINE_BYTES,
    DICT_BLOCKS_MAX = 6,
    DICT_DEPTH_MAX = 20,
    DICT_SHORT_SLOTS = 5,
    DICT_WIDE_SLOTS = 3,
    DICT_KIND_LONG = 63,
    DICT_KIND_MID = 62,
    DICT_KIND_BITS = 6,
    DICT_UNIT_SHIFT = 8, // what the offsets of blocks are counted in
};

struct dict_entry {
    uint32_t blocks[DICT_BLOCKS_MAX]; // offsets >> DICT_UNIT_SHIFT
    uint16_t lines;                   // 0: there is no segment
    uint16_t used;                    // slots; of several entries for one segment the first knows
    uint16_t local_depth;
    uint16_t wide;
};

static_assert(sizeof(struct dict_entry) == 32, "layout");
static_assert(ARENA_BYTES_MAX >> DICT_UNIT_SHIFT <= UINT64_C(1) << 32, "a block's offset fits");

// A key as lines have it.
struct dict_key {
    uint64_t words[2]; // the first 16 bytes, zeroes behind the end
    uint64_t hash;     // see dict_hash
    struct slice bytes;
};

// The first len (< 8) bytes from `p` on as a word, zeroes above.
static inline uint64_t dict_part(const char *p, size_t len)
{
    uint32_t low, high;
    uint16_t first, last;
    if (len >= 4) {
        memcpy(&low, p, 4);
        memcpy(&high, p + len - 4, 4);
        return low | (uint64_t)high << (len * 8 - 32);
    }
    if (len < 2)
        return len ? (uint8_t)*p : 0;
    memcpy(&first, p, 2);
    memcpy(&last, p + len - 2, 2);
    return first | (uint64_t)last << (len * 8 - 16);
}

// The index's own hash of a key of up to 16 bytes: of the words that a line has of it, so that a
// segment can be made anew at the cost of a few multiplications a key. (Multiplications and
// finaliser as in MurmurHash3; the upper 44 bits count.)
static inline uint64_t dict_hash(uint64_t word, uint64_t more, size_t len)
{
    uint64_t x = (word ^ len) * UINT64_C(0x9e3779b97f4a7c15);
    x = ((x ^ x >> 32) + more) * UINT64_C(0xff51afd7ed558ccd);
    return (x ^ x >> 33) * UINT64_C(0xc4ceb9fe1a85ec53);
}

static inline struct dict_key dict_key_make(struct slice bytes)
{
    struct dict_key key = {{0, 0}, 0, bytes};
    if (LIKELY(bytes.len == 8)) {
        memcpy(&key.words[0], bytes.ptr, 8);
    } else if (bytes.len < 8) {
        key.words[0] = dict_part(bytes.ptr, bytes.len);
    } else if (bytes.len <= 16) {
        memcpy(&key.words[0], bytes.ptr, 8);
        memcpy(&key.words[1], (const char *)bytes.ptr + bytes.len - 8, 8);
        key.words[1] >>= (16 - bytes.len) * 8;
    } else {
        key.hash = dict_hash(hash_slice(bytes), 0, 0);
        return key;
    }
    key.hash = dict_hash(key.words[0], key.words[1], bytes.len);
    return key;
}

static inline uint32_t dict_tag(uint64_t hash)
{
    return hash >> 20 & 0xffffff;
}

// The entry that a hash leads to. There is a directory.
static inline const struct dict_entry *dict_entry_of(const struct arena *a,
                                                     const struct dict_head *h, uint64_t hash)
{
    uint64_t i = hash >> 1 >> (63 - (uint32_t)h->depth); // two shifts: the depth may be 0
    return (const struct dict_entry *)arena_at(a, h->directory) + i;
}

static inline uint64_t dict_line(const struct dict_entry *e, uint32_t line)
{
    return ((uint64_t)e->blocks[line / DICT_BLOCK_LINES] << DICT_UNIT_SHIFT) +
           line % DICT_BLOCK_LINES * (uint64_t)DICT_LINE_BYTES;
}

static inline uint32_t dict_home(const struct dict_entry *e, uint32_t tag)
{
    return (uint32_t)((uint64_t)tag * e->lines >> 24);
}

static inline uint32_t dict_slots(bool wide)
{
    return wide ? DICT_WIDE_SLOTS : DICT_SHORT_SLOTS;
}

static inline uint32_t dict_kinds(const uint64_t *line)
{
    return (uint32_t)(line[7] >> 32);
}

static inline uint32_t dict_kind(const uint64_t *line, uint32_t slot)
{
    return dict_kinds(line) >> slot * DICT_KIND_BITS & 63;
}

static inline bool dict_line_full(const uint64_t *line, bool wide)
{
    return dict_kind(line, dict_slots(wide) - 1) != 0;
}

// Where a slot's number is in its line, in bytes.
static inline uint32_t dict_number_at(bool wide, uint32_t slot)
{
    return (wide ? 48 : 40) + slot * 4;
}

static inline uint32_t dict_number(const uint64_t *line, bool wide, uint32_t slot)
{
    uint32_t number;
    memcpy(&number, (const char *)line + dict_number_at(wide, slot), 4);
    return number;
}

// Of the slots whose bits are set, the one of this kind; -1: none. Keys that differ only in zeroes
// at their end have the same words.
static inline int dict_of_kind(const uint64_t *line, uint32_t slots, uint32_t kind)
{
    for (; slots; slots &= slots - 1)
        if (LIKELY(dict_kind(line, (uint32_t)__builtin_ctz(slots)) == kind))
            return __builtin_ctz(slots);
    return -1;
}

// The slot of a key of up to 8 bytes in a line of short keys; -1: it is not there. No branch
// depends on where the key is.
static inline int dict_match_short(const uint64_t *line, uint64_t word, uint32_t kind)
{
    uint32_t same = 0;
#pragma GCC unroll 5
    for (uint32_t s = 0; s < DICT_SHORT_SLOTS; s++)
        same |= (uint32_t)(line[s] == word) << s;
    return dict_of_kind(line, same, kind);
}

static inline int dict_match_wide(const uint64_t *line, const uint64_t *words, uint32_t kind)
{
    uint32_t same = 0;
#pragma GCC unroll 3
    for (uint32_t s = 0; s < DICT_WIDE_SLOTS; s++)
        same |= (uint32_t)(((line[2 * s] ^ words[0]) | (line[2 * s + 1] ^ words[1])) == 0) << s;
    return dict_of_kind(line, same, kind);
}

// Is the key in lines of this kind, and not in a record?
static inline bool dict_inline(const struct dict_key *key, bool wide)
{
    return key->bytes.len <= (wide ? 16 : 8);
}

// Where a key is, or could be put.
struct dict_place {
    uint64_t line; // offset; 0: there is no room, or no segment
    uint32_t slot;
    bool wide, found;
    uint32_t number;
};

// Look for the key from its home on; not found: the first free slot from there on.
void dict_index_find(const struct arena *a, uint64_t head, const struct dict_key *key,
                     struct dict_place *place);

// Fetch the records that the line names for this key.
void dict_index_prefetch_record(const struct arena *a, const uint64_t *line, bool wide,
                                const struct dict_key *key);

// Add a key that is not there, where dict_index_find just found room for it, with this number.
// -ENOSPC; -EOVERFLOW: thousands of keys with one
// hash; -EAGAIN: the log has too little room for a segment that must grow.
int dict_index_insert(struct arena *a, uint64_t head, const struct dict_key *key,
                      const struct dict_place *place, uint32_t number);

// Free segments, at most *budget (counted down). 1: done, the index is empty; 0: call again.
int dict_index_drop_step(struct arena *a, uint64_t head, uint32_t *budget);

// Every key, in no order.
void dict_index_visit(const struct arena *a, uint64_t head,
                      void (*visit)(void *context, struct slice key, uint32_t number),
                      void *context);

// Structure check for tests: every key is found, and the segments' counts are right. Returns the
// number of keys.
uint64_t dict_index_check(const struct arena *a, uint64_t head);

// --- records of long keys: dict.c ---

// u16 length, or 0xffff and u32 length; the bytes; 2-aligned.
struct slice dict_record_key(const struct arena *a, uint64_t record);
int dict_record_add(struct arena *a, uint64_t head, struct slice key, uint64_t *record);

#endif
