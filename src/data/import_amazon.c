/* data/import_amazon.c -- raw Amazon reviews: who, what, when of every line; the texts are passed over. One line in memory at a time.
 *
 * Lines are read by the field scanner (fieldscan.h), those that it does not recognise by cJSON. The metadata are in import_meta.c. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/log.h"
#include "data/fieldscan.h"
#include "data/import.h"
#include "data/import_lines.h"
#include "data/textclean.h"
#include "io/stream.h"

/* How a release names what is wanted, and in how many parts of a second it counts. */
typedef struct ReviewForm { const char *name[3]; int64_t parts; } ReviewForm;
enum { USER, ITEM, TIME };
static const ReviewForm review_forms[] = {[META_PYTHON] = {{"reviewerID", "asin", "unixReviewTime"}, 1},
                                          [META_JSON] = {{"reviewerID", "asin", "unixReviewTime"}, 1},
                                          [META_JSON_2023] = {{"user_id", "parent_asin", "timestamp"}, 1000}};
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
    ledger_seen(feed->ledger, feed->sort, 1);
    if (feed->long_read && feed->number % 4096 == 0) progress_update(&feed->progress, line_bytes_read(feed->reader) >> 20, "%s", feed->path);
    return true;
}

bool lines_utf8(LineFeed *feed) {
    const size_t bad = utf8_invalid_at(feed->text, feed->n);
    if (bad == feed->n) return true;
    ledger_reject(feed->ledger, feed->sort, FAULT_UTF8, 1, feed->path, feed->number, "byte 0x%02x at column %zu is not UTF-8",
                  (unsigned)(unsigned char)feed->text[bad], bad + 1);
    return false;
}

void lines_reject(LineFeed *feed, Fault fault) { ledger_reject_status(feed->ledger, feed->sort, fault, 1, feed->path, feed->number); }

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

/* An event at `time`, in parts of a second. Sub-seconds decide the order of events of one second, before their place in the file. */
static Status add_event(Intake *c, const ReviewForm *form, const Field *field, double time) {
    const double second = (double)form->parts;
    if (!(time >= TIME_MIN_S * second && time < (double)TIME_MAX_S * second) || floor(time) < time)
        return FAIL(E_INPUT, NULL, "%s %.17g is no %ssecond between 1995 and 2100", form->name[TIME], time, form->parts > 1 ? "milli" : "");
    const int64_t parts = (int64_t)time;
    intake_add_event(c, strtable_add_bytes(c->users, field[USER].text, field[USER].n), strtable_add_bytes(c->items, field[ITEM].text, field[ITEM].n),
                     parts / form->parts);
    c->event[c->n_events - 1].order |= (parts % form->parts) << INTAKE_ORDER_BITS;
    return OK;
}

static Status take_review(const LineFeed *feed, Intake *c, const ReviewForm *form, const Field *field, Fault *fault) {
    *fault = FAULT_FIELD;
    TRY(field_key(feed, form->name[USER], &field[USER]));
    TRY(field_key(feed, form->name[ITEM], &field[ITEM]));
    if (field[TIME].kind != FIELD_NUMBER)
        return FAIL(E_INPUT, NULL, "%s:%lld: %s\"%s\"%s", feed->path, (long long)feed->number, field[TIME].kind == FIELD_ABSENT ? "missing " : "",
                    form->name[TIME], field[TIME].kind == FIELD_ABSENT ? " (a number)" : " must be a number");
    *fault = FAULT_TIME;
    return add_event(c, form, field, field[TIME].number);
}

static Status read_json(LineFeed *feed, Intake *c, const ReviewForm *form, FieldScan *scan) {
    Field field[3];
    Fault fault;
    do {
        if (lines_scan(feed, scan, field) && take_review(feed, c, form, field, &fault) != OK) lines_reject(feed, fault);
    } while (lines_next(feed));
    return OK;
}

/* ---- ratings without texts: user_id,parent_asin,rating,timestamp[,history] ---- */

/* The columns of a line as fields of a review (its rating and history are passed over). */
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
    if (length[3] == 0 || length[3] > 15) return FAIL(E_INPUT, NULL, "%s:%lld: malformed timestamp", feed->path, (long long)feed->number);
    for (size_t i = 0; i < length[3]; i++) {
        const char c = column[3][i];
        if (c < '0' || c > '9') return FAIL(E_INPUT, NULL, "%s:%lld: malformed timestamp", feed->path, (long long)feed->number);
        field[TIME].number = field[TIME].number * 10 + (c - '0');
    }
    return OK;
}

static Status read_csv(LineFeed *feed, Intake *c, const ReviewForm *form) {
    Field field[3];
    while (lines_next(feed)) {
        Fault fault = FAULT_SYNTAX;
        if (!lines_utf8(feed)) continue;
        Status status = split_columns(feed, field);
        if (status == OK) status = take_review(feed, c, form, field, &fault);
        if (status != OK) lines_reject(feed, fault);
    }
    return OK;
}

static bool is_csv_header(const LineFeed *feed) {
    static const char history[] = ",history";
    size_t n = feed->n, m = sizeof csv_header - 1;
    if (n && feed->text[n - 1] == '\r') n--;
    if (n < m || memcmp(feed->text, csv_header, m) != 0) return false;
    return n == m || (n == m + sizeof history - 1 && memcmp(feed->text + m, history, sizeof history - 1) == 0);
}

static Status read_reviews(Intake *c, const char *path, MetaSyntax syntax) {
    const ReviewForm *form = &review_forms[syntax];
    FieldScan *scan = fieldscan_create(c->arena, 3, form->name);
    LineFeed feed;
    TRY(lines_begin(&feed, path, c->ledger, LEDGER_INTERACTIONS));
    if (lines_next(&feed)) {
        if (syntax == META_JSON_2023 && is_csv_header(&feed)) {
            ledger_seen(c->ledger, LEDGER_INTERACTIONS, -1);
            (void)read_csv(&feed, c, form);
        } else {
            (void)read_json(&feed, c, form, scan);
        }
    }
    if (fieldscan_fallbacks(scan)) ledger_note(c->ledger, "review_lines_read_by_cjson", fieldscan_fallbacks(scan));
    fieldscan_destroy(scan);
    return lines_end(&feed);
}

Status import_amazon(Intake *c, const char *reviews, const char *meta, MetaSyntax syntax, const char *captions) {
    TRY(read_reviews(c, reviews, syntax));
    if (meta) TRY(import_meta(c, meta, syntax));
    return captions ? import_captions(c, captions) : OK;
}
