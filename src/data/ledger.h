/* data/ledger.h -- what was wrong with the input, line by line: nothing is repaired or dropped silently.
 *
 * A record (an interaction or an item) that cannot be used is *rejected*: counted by kind, its file, line and reason kept for rejected.tsv, the
 * first ones shown at once. When more than --max-loss of the records of one sort were rejected, ledger_check stops the run (exit 3).
 * What a documented rule removes or treats (duplicates, ties) is no loss: it is counted by name with ledger_note. */
#ifndef DIGR_DATA_LEDGER_H
#define DIGR_DATA_LEDGER_H

#include <stdint.h>
#include <cjson/cJSON.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum LedgerSort { LEDGER_INTERACTIONS, LEDGER_ITEMS, LEDGER_CAPTIONS /* of --captions */, LEDGER_SORTS } LedgerSort;

typedef enum Fault {
    FAULT_SYNTAX,   /* not JSON, not a Python literal, not a sequence line */
    FAULT_UTF8,     /* bytes that are no UTF-8 */
    FAULT_FIELD,    /* a field is missing or has the wrong type */
    FAULT_TIME,     /* a time before 1995 or after 2100 */
    FAULT_UNKNOWN,  /* an item that the catalogue does not know */
    FAULT_REPEATED, /* a user or item that already had its line */
    FAULTS
} Fault;

typedef struct Ledger Ledger;

Ledger *ledger_create(Arena *arena);
/* ledger_seen -- n records read, good or bad. */
void ledger_seen(Ledger *l, LedgerSort sort, int64_t n);
/* ledger_reject -- n records lost at path:line. */
void ledger_reject(Ledger *l, LedgerSort sort, Fault fault, int64_t n, const char *path, int64_t line, const char *format, ...)
    __attribute__((format(printf, 7, 8)));
/* ledger_reject_status -- the same with the recorded error of this thread as reason; clears it. */
void ledger_reject_status(Ledger *l, LedgerSort sort, Fault fault, int64_t n, const char *path, int64_t line);
/* ledger_note -- add n to a named count of a documented rule; name is a literal. */
void ledger_note(Ledger *l, const char *name, int64_t n);
int64_t ledger_lost(const Ledger *l, LedgerSort sort);

/* ledger_write -- rejected.tsv (file, line, kind, reason; header always), into dir. */
Status ledger_write(const Ledger *l, const char *dir);
/* ledger_check -- E_INPUT when rejected / seen > max_loss for one sort. dir: where rejected.tsv is. */
Status ledger_check(const Ledger *l, double max_loss, const char *dir);
/* ledger_json -- {"interactions_read", "interactions_rejected", ... (captions: where some were read), "kinds": {...}, "rules": {...}}; caller deletes. */
cJSON *ledger_json(const Ledger *l);

#endif
