/* datacard_split.c -- the part of a data card that is about the protocol: rows, cold items, repeats, ties, leakage, shipped rows. */
#include <string.h>

#include "eval/datacard_parts.h"

static bool leave_last_out(const cJSON *card) { return strcmp(card_text(card, "", "protocol"), "leave-last-out") == 0; }

void datacard_splits(Doc *d, const cJSON *card)
{
    static const char *const parts[] = {"valid", "test"};
    Arena *a = d->arena;
    doc_heading(d, 2, "splits", "What is trained on and what is evaluated");
    doc_text(d, "%s training sequences with %s targets, %s validation rows, %s test rows. %s of %s items occur in no training sequence: a model that learns from behaviour alone has "
             "nothing to know them by.", card_count(card, "meta.counts.train_sequences", a), card_count(card, "meta.counts.train_rows", a), card_count(card, "meta.counts.valid_rows", a),
             card_count(card, "meta.counts.test_rows", a), card_share(card_number(card, "cold.items"), card_number(card, "meta.counts.items"), a), card_count(card, "meta.counts.items", a));
    Table *t = table_create(a, "card_rows", "Evaluated rows");
    table_column(t, COLUMN_TEXT, "", 0);
    table_column(t, COLUMN_TEXT, "valid", 0);
    table_column(t, COLUMN_TEXT, "test", 0);
    static const struct { const char *label, *path; } rows[] = {{"target is no training item (cold)", "cold.%s_targets"}, {"target is in the row's own history", "repeats.%s.in_history"},
                                                                {"target is the very item before", "repeats.%s.previous_item"}};
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        table_row(t);
        table_text(t, rows[i].label);
        for (int k = 0; k < 2; k++) {
            const char *path = i == 0 ? arena_printf(a, "cold.%s_targets", parts[k]) : arena_printf(a, "repeats.%s.%s", parts[k], i == 1 ? "in_history" : "previous_item");
            table_text(t, card_share(card_number(card, path), card_number(card, arena_printf(a, "repeats.%s.rows", parts[k])), a));
        }
    }
    doc_table(d, t, true);
    const double again = card_number(card, "repeats.events"), here = card_number(card, "repeats.test.in_history");
    if (again <= 0) doc_text(d, "No user has an item twice: masking the history in a ranking can only help a model on this set, and unmasked figures are the stricter ones.");
    else
        doc_text(d, "%s interactions are with an item the user had before. %s of the test targets are repeats, so masking the history would make them impossible to hit; a model that "
                 "proposes the last item again hits %s of the rows.", card_share(again, card_number(card, "meta.counts.interactions"), a),
                 card_percent(here / card_number(card, "repeats.test.rows"), a), card_percent(card_number(card, "repeats.test.previous_item") / card_number(card, "repeats.test.rows"), a));
}

void datacard_ties(Doc *d, const cJSON *card)
{
    Arena *a = d->arena;
    const double pairs = card_number(card, "ties.timed_pairs"), equal = card_number(card, "ties.equal_time_pairs");
    doc_heading(d, 2, "ties", "Ties: events whose order is not known");
    if (pairs <= 0) {
        doc_text(d, "No two adjacent events of a user have known times: nothing can be said about ties.");
        return;
    }
    doc_text(d, "Of %s pairs of adjacent events of one user with known times, %s are at the same second and %s on the same day (UTC). The order among events at the same second is that of "
             "the source%s.", card_count(card, "ties.timed_pairs", a), card_share(equal, pairs, a), card_share(card_number(card, "ties.same_day_pairs"), pairs, a),
             strcmp(card_text(card, "ties", "rule"), "shuffle") == 0 ? ", shuffled at random for this set (`--ties shuffle`)" : "");
    double ascending;
    if (!results_number(card, "ties.ascending_id_pairs", &ascending)) doc_text(d, "Whether they come sorted by ASIN cannot be told: not every item has one here.");
    else if (equal > 0) {
        const double part = ascending / equal;
        if (part > 0.9)
            doc_notice(d, "**%s of the tied pairs come in ascending order of ASIN** (half would by chance): the source sorted them, so their order is no behaviour. Item ids given out in "
                       "order of ASIN, or of first appearance, would tell a model the next item's id; here ids are hashed. `--ties shuffle` takes the order away; its effect on results: "
                       "`make reproduce DATA=ties`.", card_share(ascending, equal, a));
        else doc_text(d, "%s of the tied pairs come in ascending order of ASIN; half would by chance.", card_share(ascending, equal, a));
    }
    Table *t = table_create(a, "card_ties", "Rows that depend on the order of tied events");
    table_column(t, COLUMN_TEXT, "", 0);
    table_column(t, COLUMN_TEXT, "valid", 0);
    table_column(t, COLUMN_TEXT, "test", 0);
    static const struct { const char *label, *key; } rows[] = {{"the target is tied with the event before it", "target_tied"}, {"some events a model sees, or the target, are tied", "window_tied"}};
    static const char *const parts[] = {"valid", "test"};
    for (int i = 0; i < 2; i++) {
        table_row(t);
        table_text(t, rows[i].label);
        for (int k = 0; k < 2; k++)
            table_text(t, card_share(card_number(card, arena_printf(a, "ties.%s.%s", parts[k], rows[i].key)), card_number(card, arena_printf(a, "ties.%s.rows", parts[k])), a));
    }
    table_note(t, "In the first line another, equally true order of the source would have made another target. Rows without known times count as untied (test rows with both times known: %s "
               "of %s).", card_count(card, "ties.test.timed", a), card_count(card, "ties.test.rows", a));
    doc_table(d, t, true);
}

void datacard_leakage(Doc *d, const cJSON *card)
{
    static const char *const parts[] = {"valid", "test"};
    Arena *a = d->arena;
    doc_heading(d, 2, "leakage", "Leakage of the protocol");
    if (leave_last_out(card))
        doc_text(d, "leave-last-out cuts each user by himself. A model is therefore trained on what other users did **after** the moment it is tested at: it may know that an item becomes popular, or "
                 "which items will be bought together. Comparisons between models under the same protocol are fair; the figures are not those of a system that predicts the future. The "
                 "validation target is part of the test row's history.");
    else
        doc_text(d, "%s cuts all rows at two moments: no training target is later than a test target, up to rows at the very moment of the cut. Rows of one user may lie on both sides of a cut, so "
                 "most test users are known from training, and the history of a test row holds events that were themselves evaluated.", card_text(card, "", "protocol"));
    Table *t = table_create(a, "card_leakage", "Leakage, counted");
    table_column(t, COLUMN_TEXT, "", 0);
    table_column(t, COLUMN_TEXT, "valid", 0);
    table_column(t, COLUMN_TEXT, "test", 0);
    static const char *const labels[] = {"targets earlier than the latest training event", "training events later than a target, mean over the rows", "rows whose last history event is itself evaluated",
                                         "users of these rows who are trained on"};
    for (int i = 0; i < 4; i++) {
        table_row(t);
        table_text(t, labels[i]);
        for (int k = 0; k < 2; k++) {
            const cJSON *part = cJSON_GetObjectItemCaseSensitive(cJSON_GetObjectItemCaseSensitive(card, "leakage"), parts[k]);
            const double timed = card_number(part, "timed");
            if (i == 0) table_text(t, timed > 0 ? card_share(card_number(part, "before_latest_train"), timed, a) : "unknown");
            else if (i == 1) table_text(t, timed > 0 ? card_percent(card_number(part, "train_events_after_target"), a) : "unknown");
            else if (i == 2) table_text(t, card_share(card_number(part, "history_holds_evaluated"), card_number(part, "rows"), a));
            else table_text(t, card_share(card_number(part, "users_trained"), card_number(part, "users"), a));
        }
    }
    table_note(t, "%s of %s training events and %s of %s test targets have a known time; the first two lines are over these. %s users have rows in both valid and test.",
               card_count(card, "leakage.train_events_timed", a), card_count(card, "time.train.events", a), card_count(card, "leakage.test.timed", a), card_count(card, "leakage.test.rows", a),
               card_count(card, "leakage.users_in_valid_and_test", a));
    doc_table(d, t, true);
}

void datacard_rows_check(Doc *d, const cJSON *card)
{
    static const char *const parts[] = {"train", "valid", "test"};
    double same;
    if (!results_number(card, "meta.rows_check.same", &same)) return;
    Arena *a = d->arena;
    doc_heading(d, 2, "exactness", "Rows made here against the rows that others ship");
    doc_text(d, "Our rule (history of at most 10, all rows in order of time, equal times in order of user and position, cut at 80 %% and 90 %%) was run on the sequences and their times as if no rows had been "
             "shipped; then both lists were compared row by row: user, history, target. %s", same > 0 ? "**They are equal.**" : "**They are not equal:** see the counts.");
    Table *t = table_create(a, "card_rows_check", "Shipped rows found among our own");
    table_column(t, COLUMN_TEXT, "Part", 0);
    static const struct { const char *header, *key; } columns[] = {{"shipped", "shipped"}, {"made here", "made"}, {"equal", "equal"}, {"with a known time", "timed"}, {"of these in the same place", "in_place"}};
    for (int i = 0; i < 5; i++) table_column(t, COLUMN_COUNT, columns[i].header, 0);
    for (int k = 0; k < 3; k++) {
        table_row(t);
        table_text(t, parts[k]);
        for (int i = 0; i < 5; i++) table_number(t, card_number(card, arena_printf(a, "meta.rows_check.%s.%s", parts[k], columns[i].key)));
    }
    table_note(t, "Rows without a known time cannot be placed within their part; that they belong to train is what the shipped list says of every one of them where the counts are equal.");
    doc_table(d, t, true);
}
