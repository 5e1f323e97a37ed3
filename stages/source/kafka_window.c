// kafka_window.c: see kafka_window.h.
#include "stages/source/kafka_window.h"

#include <stdlib.h>
#include <string.h>

#include "core/base/check.h"

void kafka_window_init(struct kafka_window *w)
{
    memset(w, 0, sizeof *w);
}

static void drop_aside(struct kafka_window *w, uint32_t split)
{
    struct kafka_aside *aside = &w->asides[split];
    for (uint32_t i = aside->first; i < aside->count; i++)
        rd_kafka_message_destroy(aside->items[i].message);
    w->aside_count -= aside->count > aside->first;
    aside->first = aside->count = 0;
}

void kafka_window_fini(struct kafka_window *w)
{
    for (uint32_t i = 0; i < w->count; i++)
        rd_kafka_message_destroy(w->items[i].message);
    for (uint32_t i = 0; i < w->split_count; i++) {
        drop_aside(w, i);
        free(w->asides[i].items);
    }
    free(w->asides);
    memset(w, 0, sizeof *w);
}

void kafka_window_set_splits(struct kafka_window *w, uint32_t count)
{
    if (count <= w->split_count)
        return;
    w->asides = realloc(w->asides, count * sizeof *w->asides);
    CHECK(w->asides);
    memset(w->asides + w->split_count, 0, (count - w->split_count) * sizeof *w->asides);
    w->split_count = count;
}

void kafka_window_clear(struct kafka_window *w)
{
    CHECK(kafka_window_is_empty(w));
    for (uint32_t i = 0; i < w->count; i++)
        rd_kafka_message_destroy(w->items[i].message);
    w->at = w->count = 0;
}

static void add_aside(struct kafka_window *w, const struct kafka_item *item)
{
    struct kafka_aside *aside = &w->asides[item->split];
    w->aside_count += aside->count == aside->first;
    if (aside->count == aside->capacity) {
        aside->capacity = aside->capacity ? aside->capacity * 2 : 64;
        aside->items = realloc(aside->items, aside->capacity * sizeof *aside->items);
        CHECK(aside->items);
    }
    aside->items[aside->count++] = *item;
}

void kafka_window_add(struct kafka_window *w, const struct kafka_item *item, bool aside)
{
    CHECK(item->split < w->split_count);
    if (aside) {
        add_aside(w, item);
        return;
    }
    CHECK(w->count < KAFKA_ITEMS);
    w->items[w->count++] = *item;
}

void kafka_window_put_aside(struct kafka_window *w, uint32_t split)
{
    struct kafka_aside *aside = &w->asides[split], behind = *aside;
    uint32_t kept = w->at;
    // What is aside already is behind what the window has of it.
    *aside = (struct kafka_aside){0};
    w->aside_count -= behind.count > behind.first;
    for (uint32_t i = w->at; i < w->count; i++) {
        if (w->items[i].split == split)
            add_aside(w, &w->items[i]);
        else
            w->items[kept++] = w->items[i];
    }
    w->count = kept;
    for (uint32_t i = behind.first; i < behind.count; i++)
        add_aside(w, &behind.items[i]);
    free(behind.items);
}

bool kafka_window_take_back(struct kafka_window *w, uint32_t split)
{
    struct kafka_aside *aside = &w->asides[split];
    CHECK(w->count == 0);
    if (aside->first == aside->count)
        return false;
    while (aside->first < aside->count && w->count < KAFKA_ITEMS)
        w->items[w->count++] = aside->items[aside->first++];
    w->aside_count -= aside->first == aside->count;
    if (aside->first == aside->count)
        aside->first = aside->count = 0;
    return true;
}

void kafka_window_drop(struct kafka_window *w, uint32_t split)
{
    uint32_t kept = w->at;
    for (uint32_t i = w->at; i < w->count; i++) {
        if (w->items[i].split == split)
            rd_kafka_message_destroy(w->items[i].message);
        else
            w->items[kept++] = w->items[i];
    }
    w->count = kept;
    drop_aside(w, split);
}
