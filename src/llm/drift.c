/* llm/drift.c -- see drift.h. */
#include "llm/drift.h"

#include <stdio.h>
#include <string.h>

enum { DIGEST = 4, SHOWN = 60 }; /* 16 bits tell a changed text from the same one all but once in 65,536 times, and cost the cache little */

const char *drift_digest(Arena *arena, const char *text) {
    return arena_printf(arena, "%04llx", (unsigned long long)(fnv1a64(text, strlen(text)) >> 48));
}

static const char *template_digest(const Template *t, Arena *arena) { return drift_digest(arena, arena_printf(arena, "%s\n%s", t->system, t->user)); }

const char *drift_parts(const Ensemble *e, const Template *t, const char *set, const ItemText *item, Arena *arena) {
    const char *parts = arena_printf(arena, "template=%s", template_digest(t, arena));
    for (int f = 0; f < PROMPT_FIELDS; f++)
        if (prompt_shows(e, t, set, f)) parts = arena_printf(arena, "%s %s=%s", parts, prompt_field_name(f), drift_digest(arena, prompt_field(e, f, item, arena)));
    return parts;
}

/* The digest of a part; NULL when it was not shown. */
static const char *part(const char *parts, const char *name, Arena *arena) {
    size_t n = strlen(name);
    for (const char *p = parts; p && *p; p = strchr(p, ' ') ? strchr(p, ' ') + 1 : NULL)
        if (strncmp(p, name, n) == 0 && p[n] == '=') return arena_strndup(arena, p + n + 1, DIGEST);
    return NULL;
}

static const char *also(Arena *arena, const char *so_far, const char *next) { return *so_far ? arena_printf(arena, "%s; %s", so_far, next) : next; }

/* Names of `these` parts whose digest is another in `those`, or that are not there; behind `found`. */
static const char *other_names(const char *these, const char *those, bool missing_only, const char *found, Arena *arena) {
    for (const char *p = these; *p;) {
        size_t n = strcspn(p, "="), all = strcspn(p, " ");
        if (n >= all) break;
        const char *name = arena_strndup(arena, p, n), *value = arena_strndup(arena, p + n + 1, all - n - 1), *other = part(those, name, arena);
        if (!other || (!missing_only && strcmp(other, value) != 0)) found = *found ? arena_printf(arena, "%s, %s", found, name) : name;
        p += all + (p[all] == ' ');
    }
    return found;
}

const char *drift_names(const char *was, const char *now, Arena *arena) { return other_names(was, now, true, other_names(now, was, false, "", arena), arena); }

static const char *quoted(Arena *arena, const char *text) {
    size_t n = strlen(text), m = n;
    if (m > SHOWN)
        for (m = SHOWN; m > 0 && ((unsigned char)text[m] & 0xc0) == 0x80; m--) continue; /* not inside a character */
    return arena_printf(arena, "\"%.*s%s\"", (int)m, text, m < n ? "..." : "");
}

static const char *by_parts(const Response *r, const Ensemble *e, const Template *t, const char *set, const ItemText *item, Arena *arena) {
    const char *was = part(r->parts, "template", arena), *found = "";
    if (!was || strcmp(was, template_digest(t, arena)) != 0) found = "the template is worded differently";
    for (int f = 0; f < PROMPT_FIELDS; f++) {
        const char *name = prompt_field_name(f), *value = prompt_field(e, f, item, arena);
        bool shown = prompt_shows(e, t, set, f);
        was = part(r->parts, name, arena);
        if (!was && shown) found = also(arena, found, arena_printf(arena, "the %s was not shown then, now %s", name, quoted(arena, value)));
        else if (was && !shown) found = also(arena, found, arena_printf(arena, "the %s was shown then, and is not now", name));
        else if (was && strcmp(was, drift_digest(arena, value)) != 0) found = also(arena, found, arena_printf(arena, "the %s reads differently, now %s", name, quoted(arena, value)));
    }
    return *found ? found : "provider, photo or judged interest differ";
}

/* Shown fields of a mask, "title, brand". */
static const char *names_of(unsigned mask, Arena *arena) {
    const char *names = "";
    for (int f = 0; f < PROMPT_FIELDS; f++)
        if (mask & (1u << f)) names = *names ? arena_printf(arena, "%s, %s", names, prompt_field_name(f)) : prompt_field_name(f);
    return *names ? names : "no field at all";
}

/* Was the key made from today's text with other fields shown? */
static const char *by_hypothesis(const Response *r, const Ensemble *e, const Template *t, const ItemText *item, Arena *arena) {
    for (unsigned mask = 0; mask < 1u << PROMPT_FIELDS; mask++) {
        bool shows[PROMPT_FIELDS];
        char key[SHA256_HEX];
        for (int f = 0; f < PROMPT_FIELDS; f++) shows[f] = (mask & (1u << f)) != 0;
        prompt_key(r->provider, r->model, r->template_id, prompt_show(prompt_render_as(e, t, shows, item, r->interest, arena), r->image, arena), key);
        if (strcmp(key, r->key) == 0) return arena_printf(arena, "recorded when it showed %s, and no other field", names_of(mask, arena));
    }
    return NULL;
}

const char *drift_describe(const Response *r, const Ensemble *e, const Template *t, const char *set, const ItemText *item, Arena *arena) {
    if (r->parts) return by_parts(r, e, t, set, item, arena);
    const char *known = by_hypothesis(r, e, t, item, arena);
    return known ? known : arena_printf(arena, "what changed is not known (recorded in %s without digests); the title now reads %s", r->date, quoted(arena, item->title));
}
