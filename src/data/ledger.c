/* data/ledger.c -- see ledger.h. At most MAX_LINES lines are kept for rejected.tsv; the counts are always whole. */
#include "data/ledger.h"

#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/atomic.h"

enum { MAX_LINES = 100000, MAX_SHOWN = 10, MAX_RULES = 32 };

static const char *const sort_names[LEDGER_SORTS] = {"interactions", "items", "captions"};
static const char *const fault_names[FAULTS] = {"syntax", "utf8", "field", "time", "unknown", "repeated"};

typedef struct LedgerLine { const char *path, *reason; int64_t line; LedgerSort sort; Fault fault; } LedgerLine;
typedef struct LedgerRule { const char *name; int64_t count; } LedgerRule;

struct Ledger {
    Arena *arena;
    int64_t seen[LEDGER_SORTS], lost[LEDGER_SORTS], by_fault[FAULTS];
    LedgerLine *lines;
    size_t capacity;
    int64_t n_lines, n_rules;
    LedgerRule rule[MAX_RULES];
};

Ledger *ledger_create(Arena *arena) {
    Ledger *l = ARENA_NEW(arena, Ledger, 1);
    l->arena = arena;
    return l;
}

void ledger_seen(Ledger *l, LedgerSort sort, int64_t n) { l->seen[sort] += n; }
int64_t ledger_lost(const Ledger *l, LedgerSort sort) { return l->lost[sort]; }

static void ledger_add(Ledger *l, LedgerSort sort, Fault fault, int64_t n, const char *path, int64_t line, const char *reason) {
    l->lost[sort] += n;
    l->by_fault[fault] += n;
    if (l->n_lines < MAX_SHOWN) log_warn("%s:%lld: rejected (%s): %s", path, (long long)line, fault_names[fault], reason);
    if (l->n_lines == MAX_SHOWN) log_warn("further rejected lines are listed in rejected.tsv only");
    if (l->n_lines < MAX_LINES) {
        ARENA_GROW(l->arena, l->lines, l->capacity, l->n_lines + 1);
        l->lines[l->n_lines] = (LedgerLine){arena_strdup(l->arena, path), arena_strdup(l->arena, reason), line, sort, fault};
    }
    l->n_lines++;
}

void ledger_reject(Ledger *l, LedgerSort sort, Fault fault, int64_t n, const char *path, int64_t line, const char *format, ...) {
    char reason[512];
    va_list args;
    va_start(args, format);
    vsnprintf(reason, sizeof reason, format, args);
    va_end(args);
    ledger_add(l, sort, fault, n, path, line, reason);
}

void ledger_reject_status(Ledger *l, LedgerSort sort, Fault fault, int64_t n, const char *path, int64_t line) {
    char place[512];
    const char *reason = status_message();
    int length = snprintf(place, sizeof place, "%s:%lld: ", path, (long long)line);
    if (length > 0 && strncmp(reason, place, (size_t)length) == 0) reason += length; /* the place is kept apart */
    ledger_add(l, sort, fault, n, path, line, reason);
    status_clear();
}

void ledger_note(Ledger *l, const char *name, int64_t n) {
    int64_t r = 0;
    while (r < l->n_rules && strcmp(l->rule[r].name, name) != 0) r++;
    REQUIRE(r < MAX_RULES, "more than %d rules", MAX_RULES);
    if (r == l->n_rules) l->rule[l->n_rules++] = (LedgerRule){name, 0};
    l->rule[r].count += n;
}

static void write_clean(FILE *f, const char *text) { /* one line, one field, and UTF-8 even when the input is not */
    for (const char *p = text; *p; p++) fputc((unsigned char)*p < 0x20 || (unsigned char)*p > 0x7e ? '?' : *p, f);
}

Status ledger_write(const Ledger *l, const char *dir) {
    char path[4096];
    snprintf(path, sizeof path, "%s/rejected.tsv", dir);
    AtomicFile *file;
    TRY(atomic_open(path, &file));
    FILE *f = atomic_stream(file);
    fprintf(f, "file\tline\tkind\treason\n");
    for (int64_t i = 0; i < l->n_lines && i < MAX_LINES; i++) {
        fprintf(f, "%s\t%lld\t%s\t", l->lines[i].path, (long long)l->lines[i].line, fault_names[l->lines[i].fault]);
        write_clean(f, l->lines[i].reason);
        fputc('\n', f);
    }
    return atomic_commit(file);
}

Status ledger_check(const Ledger *l, double max_loss, const char *dir) {
    for (int sort = LEDGER_SORTS - 1; sort >= 0; sort--) { /* items first: their loss causes the other */
        if (l->lost[sort] == 0 || (double)l->lost[sort] <= max_loss * (double)l->seen[sort]) continue;
        int64_t at = 0;
        while (at + 1 < l->n_lines && at + 1 < MAX_LINES && l->lines[at].sort != (LedgerSort)sort) at++;
        const LedgerLine *first = &l->lines[at];
        return FAIL(E_INPUT, "fetch or repair the files, or allow the loss with --max-loss",
                    "%s:%lld: %s; %lld of %lld %s would be lost (%.3g %%, at most %.3g %% is allowed; all are listed in %s/rejected.tsv)", first->path,
                    (long long)first->line, first->reason, (long long)l->lost[sort], (long long)l->seen[sort], sort_names[sort],
                    100.0 * (double)l->lost[sort] / (double)l->seen[sort], 100 * max_loss, dir);
    }
    return OK;
}

cJSON *ledger_json(const Ledger *l) {
    cJSON *root = cJSON_CreateObject();
    char name[64];
    for (int sort = 0; sort < LEDGER_SORTS; sort++) {
        if (sort == LEDGER_CAPTIONS && l->seen[sort] == 0) continue;
        snprintf(name, sizeof name, "%s_read", sort_names[sort]);
        cJSON_AddNumberToObject(root, name, (double)l->seen[sort]);
        snprintf(name, sizeof name, "%s_rejected", sort_names[sort]);
        cJSON_AddNumberToObject(root, name, (double)l->lost[sort]);
    }
    cJSON *kinds = cJSON_AddObjectToObject(root, "kinds"), *rules = cJSON_AddObjectToObject(root, "rules");
    for (int fault = 0; fault < FAULTS; fault++)
        if (l->by_fault[fault]) cJSON_AddNumberToObject(kinds, fault_names[fault], (double)l->by_fault[fault]);
    for (int64_t r = 0; r < l->n_rules; r++) cJSON_AddNumberToObject(rules, l->rule[r].name, (double)l->rule[r].count);
    return root;
}
