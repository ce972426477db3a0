/* sid/itemdoc.c -- an item as a document. */
#include "sid/itemdoc.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

const char *const ITEMDOC_FIELDS[N_FIELDS] = {"title", "brand", "categories", "description", "keywords", "caption", "interests"};

InterestUse itemdoc_use(const char *name)
{
    return strcmp(name, "none") == 0 ? INTERESTS_NONE : strcmp(name, "positive") == 0 ? INTERESTS_POSITIVE : INTERESTS_ALL;
}

static const char *interests_text(const ItemInterests *in, InterestUse use, Arena *arena)
{
    if (!in || use == INTERESTS_NONE) return "";
    const char *text = "";
    for (int i = 0; i < in->n; i++) {
        if (use == INTERESTS_POSITIVE && in->at[i].label != 1) continue;
        text = *text ? arena_printf(arena, "%s; %s", text, in->at[i].text) : in->at[i].text;
    }
    return text;
}

const char *itemdoc_text(const ItemText *item, const ItemInterests *interests, InterestUse use, int field, Arena *arena)
{
    switch (field) {
    case FIELD_TITLE: return item->title;
    case FIELD_BRAND: return strcasecmp(item->brand, "unknown") == 0 ? "" : item->brand;
    case FIELD_CATEGORIES: return item->categories;
    case FIELD_DESCRIPTION: return item->description;
    case FIELD_KEYWORDS: return item->keywords;
    case FIELD_CAPTION: return item->caption;
    case FIELD_INTERESTS: return interests_text(interests, use, arena);
    default: REQUIRE(false, "field %d", field); return "";
    }
}

void itemdoc_add(Corpus *c, const ItemText *item, const ItemInterests *interests, InterestUse use, Arena *scratch)
{
    corpus_row(c);
    for (int f = 0; f < N_FIELDS; f++) {
        const char *text = itemdoc_text(item, interests, use, f, scratch);
        if (f == FIELD_CATEGORIES) {
            corpus_path(c, f, '#', text);
            continue;
        }
        if (f == FIELD_BRAND) corpus_phrase(c, f, '@', text, strlen(text));
        corpus_words(c, f, text);
    }
}

const char *itemdoc_whole(const ItemText *item, const ItemInterests *interests, InterestUse use, Arena *arena)
{
    const char *whole = "";
    for (int f = 0; f < N_FIELDS; f++) {
        const char *text = itemdoc_text(item, interests, use, f, arena);
        if (*text) whole = *whole ? arena_printf(arena, "%s. %s", whole, text) : text;
    }
    return whole;
}

Companions itemdoc_companions(const Sequences *train, int64_t N, int64_t window, Arena *arena)
{
    Companions with = {ARENA_NEW(arena, int64_t, N + 1), NULL};
    int64_t *at = ARENA_NEW(arena, int64_t, N);
    for (int pass = 0; pass < 2; pass++) { /* count, then fill */
        for (int64_t s = 0; s < train->n; s++)
            for (int64_t e = train->offset[s]; e < train->offset[s + 1]; e++)
                for (int64_t f = e - window > train->offset[s] ? e - window : train->offset[s]; f <= e + window && f < train->offset[s + 1]; f++) {
                    if (train->items[f] == train->items[e]) continue;
                    if (pass == 0) with.offset[train->items[e] + 1]++;
                    else with.item[at[train->items[e]]++] = train->items[f];
                }
        for (int64_t i = 0; i < N && pass == 0; i++) {
            with.offset[i + 1] += with.offset[i];
            at[i] = with.offset[i];
        }
        if (pass == 0) with.item = ARENA_NEW(arena, int32_t, with.offset[N]);
    }
    return with;
}

void itemdoc_add_companions(Corpus *c, const Companions *with, int64_t item)
{
    for (int64_t e = with->offset[item]; e < with->offset[item + 1]; e++) {
        char term[24];
        int n = snprintf(term, sizeof term, "i%d", with->item[e]);
        corpus_phrase(c, FIELD_COMPANIONS, '$', term, (size_t)n);
    }
}
