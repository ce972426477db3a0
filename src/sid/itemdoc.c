/* sid/itemdoc.c -- an item as a document. */
#include "sid/itemdoc.h"

#include <string.h>
#include <strings.h>

const char *const ITEMDOC_FIELDS[N_FIELDS] = {"title", "brand", "categories", "description", "keywords", "caption", "interests"};

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
