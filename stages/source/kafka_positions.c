// kafka_positions.c: the list of partitions and offsets of one Kafka source.
#include "stages/source/kafka_positions.h"

#include <stdlib.h>
#include <string.h>

struct root_block {
    uint64_t first, last; // blocks; 0: none
    uint64_t count;
    uint64_t has_started;
    uint64_t skipped;
};

struct entry_block {
    uint64_t next;
    int64_t partition;
    uint64_t topic_bytes;
    int64_t end;
    struct kafka_topic_id id;
    int64_t lost;
    struct kafka_place place;
    char topic[]; // topic_bytes of it
};

static const struct entry_block *block_of(const struct kafka_positions *p, int index)
{
    CHECK(index >= 0 && index < p->count);
    return arena_at(p->arena, p->entries[index].block);
}

static const char *topic_of(struct kafka_positions *p, const char *name, size_t len)
{
    for (int i = p->topic_count - 1; i >= 0; i--)
        if (strlen(p->topics[i]) == len && memcmp(p->topics[i], name, len) == 0)
            return p->topics[i];
    p->topics = realloc(p->topics, (size_t)(p->topic_count + 1) * sizeof *p->topics);
    CHECK(p->topics);
    char *topic = strndup(name, len);
    CHECK(topic);
    return p->topics[p->topic_count++] = topic;
}

static void view_add(struct kafka_positions *p, uint64_t block)
{
    const struct entry_block *entry = arena_at(p->arena, block);
    if (p->count == p->capacity) {
        p->capacity = p->capacity ? p->capacity * 2 : 16;
        p->entries = realloc(p->entries, (size_t)p->capacity * sizeof *p->entries);
        CHECK(p->entries);
    }
    p->entries[p->count++] = (struct kafka_entry){
        .topic = topic_of(p, entry->topic, entry->topic_bytes),
        .partition = (int32_t)entry->partition,
        .end = entry->end,
        .id = entry->id,
        .block = block,
        .place = entry->place,
    };
}

void kafka_positions_reload(struct kafka_positions *p)
{
    const struct root_block *root = arena_at(p->arena, p->root);
    p->has_started = root->has_started != 0;
    p->count = 0;
    for (uint64_t block = root->first; block;
         block = ((const struct entry_block *)arena_at(p->arena, block))->next)
        view_add(p, block);
    CHECK(root->count == (uint64_t)p->count);
}

int kafka_positions_open(struct kafka_positions *p, struct arena *arena, uint32_t root_index)
{
    *p = (struct kafka_positions){.arena = arena};
    int rc = arena_root(arena, root_index, sizeof(struct root_block), &p->root);
    if (rc == 0)
        kafka_positions_reload(p);
    return rc;
}

void kafka_positions_close(struct kafka_positions *p)
{
    for (int i = 0; i < p->topic_count; i++)
        free(p->topics[i]);
    free(p->topics);
    free(p->entries);
    *p = (struct kafka_positions){0};
}

int kafka_positions_find(const struct kafka_positions *p, const char *topic, int32_t partition)
{
    for (int i = 0; i < p->count; i++)
        if (p->entries[i].partition == partition && strcmp(p->entries[i].topic, topic) == 0)
            return i;
    return -1;
}

int kafka_positions_add(struct kafka_positions *p, const struct kafka_start *start)
{
    const size_t len = strlen(start->topic);
    uint64_t block;
    int rc = arena_alloc(p->arena, sizeof(struct entry_block) + len, &block);
    if (rc < 0)
        return rc;
    struct entry_block *entry = arena_fresh(p->arena, block);
    *entry = (struct entry_block){.partition = start->partition,
                                  .topic_bytes = len,
                                  .end = start->end,
                                  .id = start->id,
                                  .place = start->place};
    memcpy(entry->topic, start->topic, len);
    struct root_block *root = arena_touch(p->arena, p->root, sizeof *root);
    if (root->last)
        arena_store8(p->arena, root->last + offsetof(struct entry_block, next), block);
    else
        root->first = block;
    root->last = block;
    root->count++;
    view_add(p, block);
    return 0;
}

void kafka_positions_mark_started(struct kafka_positions *p)
{
    arena_store8(p->arena, p->root + offsetof(struct root_block, has_started), 1);
    p->has_started = true;
}

void kafka_positions_identify(struct kafka_positions *p, int index, struct kafka_topic_id id)
{
    struct kafka_entry *entry = &p->entries[index];
    CHECK(index >= 0 && index < p->count);
    memcpy(arena_touch(p->arena, entry->block + offsetof(struct entry_block, id), sizeof id), &id,
           sizeof id);
    entry->id = id;
}

void kafka_positions_set(struct kafka_positions *p, int index, const struct kafka_place *place)
{
    struct kafka_entry *entry = &p->entries[index];
    if (memcmp(&entry->place, place, sizeof *place) == 0)
        return;
    const uint64_t at = entry->block + offsetof(struct entry_block, place);
    memcpy(arena_touch(p->arena, at, sizeof *place), place, sizeof *place);
    entry->place = *place;
}

void kafka_positions_lose(struct kafka_positions *p, int index, int64_t count)
{
    const int64_t lost = block_of(p, index)->lost + count;
    arena_store8(p->arena, p->entries[index].block + offsetof(struct entry_block, lost),
                 (uint64_t)lost);
}

int64_t kafka_positions_lost(const struct kafka_positions *p, int index)
{
    return block_of(p, index)->lost;
}

void kafka_positions_skip(struct kafka_positions *p, uint32_t count)
{
    arena_store8(p->arena, p->root + offsetof(struct root_block, skipped),
                 kafka_positions_skipped(p) + count);
}

uint64_t kafka_positions_skipped(const struct kafka_positions *p)
{
    return ((const struct root_block *)arena_at(p->arena, p->root))->skipped;
}
