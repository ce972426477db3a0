/* datacard.c -- see datacard.h: head, how the set was made, size, time, text. The splits: datacard_split.c. */
#include "eval/datacard.h"

#include <string.h>

#include "base/json.h"
#include "eval/datacard_parts.h"

/* ------------------------------------------------------------------ head */

static bool simulated(const cJSON *card) { return card_number(card, "meta.simulated") > 0; }

static const char *source_words(const cJSON *card, Arena *arena)
{
    const bool raw = strcmp(card_text(card, "source", "form"), "raw") == 0;
    return arena_printf(arena, "%s, read from %s", card_text(card, "source", "release"), raw ? "the raw review and metadata files" : "sequences prepared by others (sequences.txt, items.jsonl)");
}

static void head(Doc *d, const cJSON *card)
{
    Arena *a = d->arena;
    doc_fact(d, "Behaviour", "%s", simulated(card) ? "**SIMULATED users**" : "real users");
    doc_fact(d, "Source", "%s", source_words(card, a));
    doc_fact(d, "Protocol", "%s; a model may see the last %.0f events of a history", card_text(card, "", "protocol"), card_number(card, "meta.max_history"));
    doc_fact(d, "Item ids", "%s; users and items are numbered by a keyed hash of their ids (seed %.0f), never in the order of the source",
             strcmp(card_text(card, "source", "item_ids"), "asin") == 0 ? "ASIN" : "numbers of the source, because some items have no ASIN", card_number(card, "meta.seed"));
    double met;
    if (results_number(card, "meta.expected.met", &met))
        doc_fact(d, "Counts", "%s: %s users, %s items, %s interactions (%s)", met > 0 ? "as published, to the unit" : "**not as published**", card_count(card, "meta.expected.users", a),
                 card_count(card, "meta.expected.items", a), card_count(card, "meta.expected.interactions", a), card_text(card, "expected", "source"));
    else if (!simulated(card)) doc_fact(d, "Counts", "no published counts are known to us");
    doc_fact(d, "Licence", "%s", card_text(card, "", "licence")[0] != '\0' ? card_text(card, "", "licence") : "not stated");
    if (card_text(card, "", "homepage")[0] != '\0') doc_fact(d, "Homepage", "%s", card_text(card, "", "homepage"));
    if (card_text(card, "", "note")[0] != '\0') doc_fact(d, "Note", "%s", card_text(card, "", "note"));
    if (simulated(card))
        doc_notice(d, "**SIMULATED.** No person bought, rated or reviewed anything here: users are drawn by a program from planted interests. Figures on this set test the "
                   "machinery; they say nothing about people and must not be printed beside figures on real data.");
}

/* ------------------------------------------------------------------ how it was made */

static void filter_sentence(Doc *d, const cJSON *card)
{
    const double users = card_number(card, "meta.filter_settings.core_users"), items = card_number(card, "meta.filter_settings.core_items");
    const double rounds = card_number(card, "meta.filter_settings.core_rounds"), words = card_number(card, "meta.filter_settings.title_words");
    const char *from = card_text(card, "filter_settings", "from"), *to = card_text(card, "filter_settings", "to");
    Arena *a = d->arena;
    doc_text(d, "Rules: %stime window %s; events with the same user, item and second: %s; further events of a user with one item: %s; items: %s%s; users with at least %.0f and "
             "items with at least %.0f events, %s (definitions: `src/data/filter.h`).",
             card_number(card, "meta.filter_settings.min_rating") > 0 ? arena_printf(a, "ratings of at least %g stars; ", card_number(card, "meta.filter_settings.min_rating")) : "",
             from[0] != '\0' || to[0] != '\0' ? arena_printf(a, "from %s to before %s", from[0] != '\0' ? from : "the beginning", to[0] != '\0' ? to : "the end") : "none",
             card_text(card, "filter_settings", "duplicates"), card_text(card, "filter_settings", "repeats"), card_text(card, "filter_settings", "items"),
             words > 0 ? arena_printf(a, ", titles of at most %.0f words", words) : "", users, items,
             rounds > 0 ? arena_printf(a, "%.0f rounds of dropping", rounds) : "dropped until nothing changes");
}

static void made(Doc *d, const cJSON *card)
{
    static const char *const counts[] = {"users", "items", "interactions"};
    Arena *a = d->arena;
    doc_heading(d, 2, "made", "How the set was made");
    Table *t = table_create(a, "card_filter", "Counts after each step");
    table_column(t, COLUMN_TEXT, "Step", 0);
    for (int i = 0; i < 3; i++) table_column(t, COLUMN_COUNT, counts[i], 0);
    table_column(t, COLUMN_PERCENT, "of those read", 1);
    const cJSON *steps = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(card, "meta"), "filter");
    const double read = card_number(card, "meta.filter.0.interactions");
    for (const cJSON *s = steps != NULL ? steps->child : NULL; s != NULL; s = s->next) {
        const cJSON *name = cJSON_GetObjectItemCaseSensitive(s, "step");
        table_row(t);
        table_text(t, cJSON_IsString(name) ? name->valuestring : "?");
        for (int i = 0; i < 3; i++) table_number(t, card_number(s, counts[i]));
        table_number(t, read > 0 ? card_number(s, "interactions") / read : 0);
    }
    doc_table(d, t, true);
    filter_sentence(d, card);
    const double lost = card_number(card, "meta.input.interactions_rejected"), lost_items = card_number(card, "meta.input.items_rejected");
    doc_text(d, "Read: %s interactions and %s item records; rejected as unusable: %s and %s (`rejected.tsv` lists file, line and reason).",
             card_count(card, "meta.input.interactions_read", a), card_count(card, "meta.input.items_read", a), table_count((int64_t)lost, a), table_count((int64_t)lost_items, a));
    const cJSON *rules = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(card, "meta"), "input"), "rules");
    const char *said = "";
    for (const cJSON *r = rules != NULL ? rules->child : NULL; r != NULL; r = r->next)
        if (cJSON_IsNumber(r) && r->valuedouble > 0) said = arena_printf(a, "%s%s`%s` %s", said, said[0] != '\0' ? ", " : "", r->string, table_count((int64_t)r->valuedouble, a));
    if (said[0] != '\0') doc_text(d, "Treated by a rule: %s.", said);
}

/* ------------------------------------------------------------------ size */

static void summary_row(Table *t, const cJSON *card, const char *label, const char *path)
{
    static const char *const at[] = {"min", "q25", "median", "q75", "q90", "q99", "max"};
    double mean;
    if (!results_number(card, arena_printf(t->arena, "%s.mean", path), &mean)) return;
    table_row(t);
    table_text(t, label);
    for (int i = 0; i < 7; i++) table_number(t, card_number(card, arena_printf(t->arena, "%s.%s", path, at[i])));
    table_number(t, mean);
}

/* Points [x, y] of a curve as a series; only points with positive x and y where the axes are logarithmic. */
static void curve_series(Panel *p, const cJSON *curve, const char *label, int color, double x_scale, Arena *arena)
{
    const int64_t n = cJSON_GetArraySize(curve);
    double *x = ARENA_NEW(arena, double, n), *y = ARENA_NEW(arena, double, n);
    int64_t k = 0;
    for (const cJSON *c = curve != NULL ? curve->child : NULL; c != NULL; c = c->next) {
        const cJSON *px = cJSON_GetArrayItem(c, 0), *py = cJSON_GetArrayItem(c, 1);
        if (!cJSON_IsNumber(px) || !cJSON_IsNumber(py)) continue;
        if ((p->log_x && !(px->valuedouble > 0)) || (p->log_y && !(py->valuedouble > 0))) continue;
        x[k] = px->valuedouble * x_scale;
        y[k++] = py->valuedouble * (x_scale > 1 ? x_scale : 1);
    }
    (void)panel_line(p, (Series){.label = label, .color = plot_color(color), .n = k, .x = x, .y = y});
}

static Status size_plot(Doc *d, const cJSON *card, const char *out)
{
    const cJSON *curves = cJSON_GetObjectItemCaseSensitive(card, "curves");
    const char *label = card_text(card, "", "label");
    Plot *plot = plot_create(d->arena, "card_size", arena_printf(d->arena, "%s: popularity and history lengths", label), 3);
    Panel *p = plot_panel(plot, d->arena, PANEL_LINES, "Popularity", "rank of the item", "interactions");
    p->log_x = p->log_y = true;
    curve_series(p, cJSON_GetObjectItemCaseSensitive(curves, "popularity"), "", 0, 1, d->arena);
    p = plot_panel(plot, d->arena, PANEL_LINES, "Concentration", "% of the items, most popular first", "% of the interactions");
    curve_series(p, cJSON_GetObjectItemCaseSensitive(curves, "lorenz"), "", 2, 100, d->arena);
    p = plot_panel(plot, d->arena, PANEL_LINES, "History lengths", "events of a user", "users");
    p->log_x = p->log_y = true;
    curve_series(p, cJSON_GetObjectItemCaseSensitive(curves, "per_user"), "", 1, 1, d->arena);
    return doc_plot(d, plot, out);
}

static Status size(Doc *d, const cJSON *card, const char *out)
{
    static const char *const at[] = {"min", "25 %", "median", "75 %", "90 %", "99 %", "max"};
    Arena *a = d->arena;
    doc_heading(d, 2, "size", "Size, history lengths and popularity");
    doc_text(d, "%s users, %s items, %s interactions: density %.4f %%. Gini of the items' popularity %.3f, of the users' activity %.3f (0: all equal, 1: one has all). The most popular "
             "1 %% of the items hold %s of the interactions, the most popular 10 %% hold %s.", card_count(card, "meta.counts.users", a), card_count(card, "meta.counts.items", a),
             card_count(card, "meta.counts.interactions", a), 100 * card_number(card, "size.density"), card_number(card, "size.gini_items"), card_number(card, "size.gini_users"),
             card_percent(card_number(card, "size.top_1_percent"), a), card_percent(card_number(card, "size.top_10_percent"), a));
    Table *t = table_create(a, "card_lengths", "Events per user and item, and history lengths of the evaluated rows");
    table_column(t, COLUMN_TEXT, "", 0);
    for (int i = 0; i < 7; i++) table_column(t, COLUMN_COUNT, at[i], 0);
    table_column(t, COLUMN_NUMBER, "mean", 2);
    summary_row(t, card, "events of a user", "size.per_user");
    summary_row(t, card, "events of an item", "size.per_item");
    summary_row(t, card, "history of a valid row", "history.valid");
    summary_row(t, card, "history of a test row", "history.test");
    table_note(t, "Histories are whole in the files; models see the last %.0f events, which cuts %s of the test rows' histories.", card_number(card, "meta.max_history"),
               card_share(card_number(card, "history.test.longer_than_seen"), card_number(card, "history.test.n"), a));
    doc_table(d, t, true);
    return size_plot(d, card, out);
}

/* ------------------------------------------------------------------ time */

static Status time_section(Doc *d, const cJSON *card, const char *out)
{
    static const struct { const char *label, *key; } parts[] = {{"all", "all"}, {"train", "train"}, {"valid targets", "valid"}, {"test targets", "test"}};
    Arena *a = d->arena;
    doc_heading(d, 2, "time", "Time");
    Table *t = table_create(a, "card_time", "Time span");
    table_column(t, COLUMN_TEXT, "Events", 0);
    table_column(t, COLUMN_COUNT, "number", 0);
    table_column(t, COLUMN_COUNT, "with a time", 0);
    table_column(t, COLUMN_TEXT, "first", 0);
    table_column(t, COLUMN_TEXT, "last", 0);
    table_column(t, COLUMN_COUNT, "days", 0);
    const cJSON *time = cJSON_GetObjectItemCaseSensitive(card, "time");
    for (int i = 0; i < 4; i++) {
        const cJSON *part = cJSON_GetObjectItemCaseSensitive(time, parts[i].key);
        table_row(t);
        table_text(t, parts[i].label);
        table_number(t, card_number(part, "events"));
        table_number(t, card_number(part, "known"));
        if (card_number(part, "known") > 0) {
            table_text(t, json_opt_string(part, "first", ""));
            table_text(t, json_opt_string(part, "last", ""));
            table_number(t, card_number(part, "days"));
        } else {
            for (int k = 0; k < 3; k++) table_none(t);
        }
    }
    doc_table(d, t, true);
    const double unknown = card_number(card, "time.all.events") - card_number(card, "time.all.known");
    if (unknown > 0)
        doc_notice(d, "%s events have **no known time**: their order within a user is the source's, and they take no part in the figures below that need a time.",
                   card_share(unknown, card_number(card, "time.all.events"), a));
    const cJSON *months = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(card, "curves"), "months");
    Plot *plot = plot_create(a, "card_time", arena_printf(a, "%s: interactions a month", card_text(card, "", "label")), 1);
    Panel *p = plot_panel(plot, a, PANEL_LINES, "", "", "interactions a month");
    static const char *const series[] = {"train", "valid", "test"};
    for (int i = 0; i < 3; i++) curve_series(p, cJSON_GetObjectItemCaseSensitive(months, series[i]), series[i], i, 1, a);
    return doc_plot(d, plot, out);
}

/* ------------------------------------------------------------------ text */

static void text(Doc *d, const cJSON *card)
{
    static const char *const fields[] = {"title", "brand", "categories", "description", "keywords", "caption"};
    Arena *a = d->arena;
    const double N = card_number(card, "meta.counts.items");
    const char *absent = "";
    doc_heading(d, 2, "text", "Text of the items");
    Table *t = table_create(a, "card_text", "Text at hand");
    table_column(t, COLUMN_TEXT, "Field", 0);
    table_column(t, COLUMN_COUNT, "items with it", 0);
    table_column(t, COLUMN_COUNT, "empty", 0);
    table_column(t, COLUMN_PERCENT, "empty share", 1);
    for (int f = 0; f < 6; f++) {
        const double empty = card_number(card, arena_printf(a, "text.empty.%s", fields[f]));
        table_row(t);
        table_text(t, fields[f]);
        table_number(t, N - empty);
        table_number(t, empty);
        table_number(t, N > 0 ? empty / N : 0);
        if (empty >= N) absent = arena_printf(a, "%s%s%s", absent, absent[0] != '\0' ? ", " : "", fields[f]);
    }
    doc_table(d, t, true);
    if (absent[0] != '\0') doc_notice(d, "**Missing text:** no item has any %s in this source. A result on this set says nothing about methods that need it.", absent);
    doc_text(d, "%s items have no text at all. %s items share their exact title with another one (%s such titles): text cannot tell them apart.",
             card_share(card_number(card, "text.items_without_any_text"), N, a), card_share(card_number(card, "text.items_with_duplicate_title"), N, a), card_count(card, "text.duplicate_titles", a));
}

/* ------------------------------------------------------------------ all together */

Status datacard_build(const cJSON *card, const char *out, Arena *arena, Doc **doc)
{
    const char *counts = arena_printf(arena, "%s users, %s items, %s interactions, %s%s", card_count(card, "meta.counts.users", arena), card_count(card, "meta.counts.items", arena),
                                      card_count(card, "meta.counts.interactions", arena), card_text(card, "", "protocol"), simulated(card) ? " — SIMULATED" : "");
    Doc *d = doc_create(arena, arena_printf(arena, "Data card: %s", card_text(card, "", "label")), counts);
    head(d, card);
    made(d, card);
    TRY(size(d, card, out));
    TRY(time_section(d, card, out));
    text(d, card);
    datacard_splits(d, card);
    datacard_ties(d, card);
    datacard_leakage(d, card);
    datacard_rows_check(d, card);
    *doc = d;
    return OK;
}

const char *datacard_line(const cJSON *card, Arena *arena, bool *good)
{
    double met, same;
    const bool has_counts = results_number(card, "meta.expected.met", &met), has_rows = results_number(card, "meta.rows_check.same", &same);
    const char *rows = "", *counts = !has_counts ? "no published counts known" : met > 0 ? "as published" : "NOT AS PUBLISHED";
    if (has_rows) {
        static const char *const parts[] = {"train", "valid", "test"};
        for (int i = 0; i < 3; i++)
            rows = arena_printf(arena, "%s%s %s of %s%s", rows, parts[i], card_count(card, arena_printf(arena, "meta.rows_check.%s.equal", parts[i]), arena),
                                card_count(card, arena_printf(arena, "meta.rows_check.%s.shipped", parts[i]), arena), i < 2 ? ", " : "");
        rows = arena_printf(arena, "; rows made here equal to the shipped ones (user, history, target): %s%s", rows, same > 0 ? "" : "; THEY DIFFER");
    }
    *good = (!has_counts || met > 0) && (!has_rows || same > 0);
    return arena_printf(arena, "%s: %s users, %s items, %s interactions, %s%s", card_text(card, "", "name"), card_count(card, "meta.counts.users", arena),
                        card_count(card, "meta.counts.items", arena), card_count(card, "meta.counts.interactions", arena), counts, rows);
}
