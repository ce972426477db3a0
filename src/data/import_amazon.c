/* data/import_amazon.c -- raw Amazon reviews: who, what, when of every line; the texts are passed over. One line in memory at a time.
 *
 * Lines are read by the field scanner (fieldscan.h), those that it does not recognise by cJSON. The metadata are in import_meta.c. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "base/log.h"
#include "data/ahead.h"
#include "data/fieldscan.h"
#include "data/filter.h"
#include "data/import.h"
#include "data/import_lines.h"
#include "data/textclean.h"
#include "io/stream.h"

/* How a release names what is wanted, and in how many parts of a second it counts. */
typedef struct ReviewForm { const char *name[4]; int64_t parts; } ReviewForm;
enum { USER, ITEM, TIME, RATING, FIELDS }; /* the rating is looked at only where one is asked for */
enum { LARGE_FILE_BYTES = 256 << 20 };
static const ReviewForm review_forms[] = {[META_PYTHON] = {{"reviewerID", "asin", "unixReviewTime", "overall"}, 1},
                                          [META_JSON] = {{"reviewerID", "asin", "unixReviewTime", "overall"}, 1},
                                          [META_JSON_2023] = {{"user_id", "parent_asin", "timestamp", "rating"}, 1000}};
static const char csv_header[] = "user_id,parent_asin,rating,timestamp";

/* ---- what readers of lines share (import_lines.h) ---- */

Status lines_begin(LineFeed *feed, const char *path, Ledger *ledger, LedgerSort sort) {
    *feed = (LineFeed){.path = path, .ledger = ledger, .sort = sort};
    TRY(line_open(path, &feed->reader));
    feed->long_read = line_file_bytes(feed->reader) > 8 << 20; /* else it is over before a bar could be seen */
    if (feed->long_read) progress_begin(&feed->progress, "MiB", line_file_bytes(feed->reader) >> 20, 0);
    return OK;
}

bool lines_next(LineFeed *feed) {
    if (!line_next(feed->reader, &feed->text, &feed->n)) return false;
    feed->number++;
    if (feed->ledger) ledger_seen(feed->ledger, feed->sort, 1);
    if (feed->long_read && feed->number % 4096 == 0) progress_update(&feed->progress, line_bytes_read(feed->reader) >> 20, "%s", feed->path);
    return true;
}

bool lines_utf8(LineFeed *feed) {
    const size_t bad = utf8_invalid_at(feed->text, feed->n);
    if (bad == feed->n) return true;
    if (feed->ledger) ledger_reject(feed->ledger, feed->sort, FAULT_UTF8, 1, feed->path, feed->number, "byte 0x%02x at column %zu is not UTF-8",
                  (unsigned)(unsigned char)feed->text[bad], bad + 1);
    return false;
}

void lines_reject(LineFeed *feed, Fault fault) {
    if (feed->ledger) ledger_reject_status(feed->ledger, feed->sort, fault, 1, feed->path, feed->number);
    else status_clear();
}

bool lines_scan(LineFeed *feed, FieldScan *scan, Field *field) {
    size_t bad_utf8;
    if (fieldscan_read(scan, feed->path, feed->number, feed->text, feed->n, field, &bad_utf8) == OK) return true;
    lines_reject(feed, bad_utf8 < feed->n ? FAULT_UTF8 : FAULT_SYNTAX);
    return false;
}

Status lines_end(LineFeed *feed) {
    if (feed->long_read) progress_end(&feed->progress);
    return line_close(feed->reader);
}

Status field_key(const LineFeed *feed, const char *name, const Field *field) {
    const char *fault = NULL;
    if (field->kind == FIELD_ABSENT) return FAIL(E_INPUT, NULL, "%s:%lld: missing \"%s\" (a string)", feed->path, (long long)feed->number, name);
    if (field->kind != FIELD_STRING) fault = "must be a string";
    else if (field->n == 0) fault = "is empty";
    for (size_t i = 0; !fault && i < field->n; i++)
        if ((unsigned char)field->text[i] <= ' ') fault = "holds white space";
    return fault ? FAIL(E_INPUT, NULL, "%s:%lld: \"%s\" %s", feed->path, (long long)feed->number, name, fault) : OK;
}

/* ---- reviews ---- */

/* One pass over a review file: events are counted, or kept, or kept when `ahead` says so. */
typedef struct ReviewPass {
    Intake *c;
    const ReviewForm *form;
    MetaSyntax syntax;
    Ahead *ahead;  /* NULL: everything is kept */
    bool counting;
} ReviewPass;

/* An event at `time`, in parts of a second. Sub-seconds decide the order of events of one second, before their place in the file. */
static Status take_event(const ReviewPass *pass, const Field *field, double time) {
    const ReviewForm *form = pass->form;
    const Field *user = &field[USER], *item = &field[ITEM];
    const double second = (double)form->parts;
    if (!(time >= TIME_MIN_S * second && time < (double)TIME_MAX_S * second) || floor(time) < time)
        return FAIL(E_INPUT, NULL, "%s %.17g is no %ssecond between 1995 and 2100", form->name[TIME], time, form->parts > 1 ? "milli" : "");
    const int64_t parts = (int64_t)time;
    Intake *c = pass->c;
    if (pass->counting) return ahead_count(pass->ahead, user->text, user->n, item->text, item->n), OK;
    /* ids that have enough are numbered even where the event goes: in order of their first appearance in the file, as in one pass */
    const int64_t u = !pass->ahead || ahead_keeps_user(pass->ahead, user->text, user->n) ? strtable_add_bytes(c->users, user->text, user->n) : -1;
    const int64_t i = !pass->ahead || ahead_keeps_item(pass->ahead, item->text, item->n) ? strtable_add_bytes(c->items, item->text, item->n) : -1;
    if (u < 0 || i < 0) return OK;
    intake_add_event(c, u, i, parts / form->parts);
    c->event[c->n_events - 1].order |= (parts % form->parts) << INTAKE_ORDER_BITS;
    return OK;
}

static Status take_review(const LineFeed *feed, const ReviewPass *pass, const Field *field, Fault *fault) {
    const char *const *name = pass->form->name;
    *fault = FAULT_FIELD;
    TRY(field_key(feed, name[USER], &field[USER]));
    TRY(field_key(feed, name[ITEM], &field[ITEM]));
    if (field[TIME].kind == FIELD_ABSENT) return FAIL(E_INPUT, NULL, "%s:%lld: missing \"%s\" (a number)", feed->path, (long long)feed->number, name[TIME]);
    if (field[TIME].kind != FIELD_NUMBER) return FAIL(E_INPUT, NULL, "%s:%lld: \"%s\" must be a number", feed->path, (long long)feed->number, name[TIME]);
    if (pass->c->min_rating > 0) {
        if (field[RATING].kind != FIELD_NUMBER)
            return FAIL(E_INPUT, NULL, "%s:%lld: no number as \"%s\", which --min-rating needs", feed->path, (long long)feed->number, name[RATING]);
        if (field[RATING].number < pass->c->min_rating) {
            if (!pass->counting) ledger_note(pass->c->ledger, "ratings_below_the_minimum", 1);
            return OK;
        }
    }
    *fault = FAULT_TIME;
    return take_event(pass, field, field[TIME].number);
}

static void read_json(LineFeed *feed, const ReviewPass *pass, FieldScan *scan) {
    Field field[FIELDS];
    Fault fault;
    do {
        if (lines_scan(feed, scan, field) && take_review(feed, pass, field, &fault) != OK) lines_reject(feed, fault);
    } while (lines_next(feed));
}

/* ---- ratings without texts: user_id,parent_asin,rating,timestamp[,history] ---- */

/* "4.0" as a number; anything else is a text. */
static Field read_rating(const char *text, size_t n) {
    char copy[16], *end;
    if (n == 0 || n >= sizeof copy || strspn(text, "0123456789.") < n) return (Field){FIELD_STRING, text, n, 0};
    memcpy(copy, text, n);
    copy[n] = '\0';
    const double value = strtod(copy, &end);
    return *end ? (Field){FIELD_STRING, text, n, 0} : (Field){FIELD_NUMBER, NULL, 0, value};
}

/* The columns of a line as fields of a review (its history is passed over). */
static Status split_columns(const LineFeed *feed, Field *field) {
    const char *column[5], *p = feed->text, *end = feed->text + feed->n;
    size_t length[5];
    int n = 0;
    if (end > p && end[-1] == '\r') end--;
    for (;; p++) {
        const char *comma = memchr(p, ',', (size_t)(end - p));
        if (n == 5) return FAIL(E_INPUT, NULL, "%s:%lld: more than 5 columns", feed->path, (long long)feed->number);
        column[n] = p;
        length[n++] = (size_t)((comma ? comma : end) - p);
        if (!comma) break;
        p = comma;
    }
    if (n < 4) return FAIL(E_INPUT, NULL, "%s:%lld: %d columns, expected %s", feed->path, (long long)feed->number, n, csv_header);
    field[USER] = (Field){FIELD_STRING, column[0], length[0], 0};
    field[ITEM] = (Field){FIELD_STRING, column[1], length[1], 0};
    field[TIME] = (Field){FIELD_NUMBER, NULL, 0, 0};
    field[RATING] = read_rating(column[2], length[2]);
    if (length[3] == 0 || length[3] > 15) return FAIL(E_INPUT, NULL, "%s:%lld: malformed timestamp", feed->path, (long long)feed->number);
    for (size_t i = 0; i < length[3]; i++) {
        const char c = column[3][i];
        if (c < '0' || c > '9') return FAIL(E_INPUT, NULL, "%s:%lld: malformed timestamp", feed->path, (long long)feed->number);
        field[TIME].number = field[TIME].number * 10 + (c - '0');
    }
    return OK;
}

static void read_csv(LineFeed *feed, const ReviewPass *pass) {
    Field field[FIELDS];
    while (lines_next(feed)) {
        Fault fault = FAULT_SYNTAX;
        if (!lines_utf8(feed)) continue;
        Status status = split_columns(feed, field);
        if (status == OK) status = take_review(feed, pass, field, &fault);
        if (status != OK) lines_reject(feed, fault);
    }
}

static bool is_csv_header(const LineFeed *feed) {
    static const char history[] = ",history";
    size_t n = feed->n, m = sizeof csv_header - 1;
    if (n && feed->text[n - 1] == '\r') n--;
    if (n < m || memcmp(feed->text, csv_header, m) != 0) return false;
    return n == m || (n == m + sizeof history - 1 && memcmp(feed->text + m, history, sizeof history - 1) == 0);
}

static Status read_reviews(const ReviewPass *pass, const char *path) {
    Intake *c = pass->c;
    Ledger *ledger = pass->counting ? NULL : c->ledger;
    Arena *arena = arena_create("reviews");
    FieldScan *scan = fieldscan_create(arena, c->min_rating > 0 ? FIELDS : RATING, pass->form->name);
    LineFeed feed;
    Status status = lines_begin(&feed, path, ledger, LEDGER_INTERACTIONS);
    if (status == OK && lines_next(&feed)) {
        if (pass->syntax == META_JSON_2023 && is_csv_header(&feed)) {
            if (ledger) ledger_seen(ledger, LEDGER_INTERACTIONS, -1);
            read_csv(&feed, pass);
        } else {
            read_json(&feed, pass, scan);
        }
    }
    if (ledger && fieldscan_fallbacks(scan)) ledger_note(ledger, "review_lines_read_by_cjson", fieldscan_fallbacks(scan));
    fieldscan_destroy(scan);
    arena_destroy(arena);
    return status == OK ? lines_end(&feed) : status;
}

/* Count, then keep what can be in the core. */
static Status read_twice(ReviewPass *pass, const char *path, const ReadSettings *settings) {
    Intake *c = pass->c;
    pass->counting = true;
    log_info("%s is read twice: first to count the events of users and items", path);
    TRY(read_reviews(pass, path));
    pass->counting = false;
    intake_reserve(c, ahead_most_kept(pass->ahead));
    intake_step_counts(c, "read", ahead_users(pass->ahead), ahead_items(pass->ahead), ahead_events(pass->ahead));
    TRY(read_reviews(pass, path));
    c->counted_ahead = true;
    filter_core_ahead(c, settings->least_user, settings->least_item);
    intake_trim(c);
    bool *wanted = ARENA_NEW(c->arena, bool, strtable_count(c->items));
    for (int64_t e = 0; e < c->n_events; e++) wanted[c->event[e].item] = true;
    c->wanted = wanted;
    return OK;
}

static bool large_file(const char *path) {
    struct stat info;
    return stat(path, &info) == 0 && S_ISREG(info.st_mode) && info.st_size > LARGE_FILE_BYTES;
}

Status import_amazon(Intake *c, const char *reviews, const char *meta, MetaSyntax syntax, const char *captions, const ReadSettings *settings) {
    ReviewPass pass = {.c = c, .form = &review_forms[syntax], .syntax = syntax};
    const bool twice = settings && (settings->least_user > 1 || settings->least_item > 1) && (settings->passes == 2 || (settings->passes == 0 && large_file(reviews)));
    if (twice) pass.ahead = ahead_create(settings->least_user, settings->least_item);
    Status status = twice ? read_twice(&pass, reviews, settings) : read_reviews(&pass, reviews);
    ahead_destroy(pass.ahead);
    TRY(status);
    if (meta) TRY(import_meta(c, meta, syntax));
    return captions ? import_captions(c, captions) : OK;
}
