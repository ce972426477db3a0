/* llm/record_parts.h -- what record.c shares with its own parts (record_run.c, record_ledger.c, record_errors.c); nobody else includes it. */
#ifndef DIGR_LLM_RECORD_PARTS_H
#define DIGR_LLM_RECORD_PARTS_H

#include <stdio.h>

#include "data/strtable.h"
#include "llm/record.h"

/* ---- record_errors.c: <responses>.errors.jsonl */

/* Keys (and items) that later runs leave out, as "key item". No file: none. */
Status record_errors_load(const char *path, Arena *arena, StringTable **left_out);
Status record_errors_add(const char *path, const RecordSettings *s, const Question *q, RecordFailure failure, int status, int attempts, const char *message);

/* ---- record_ledger.c: ledger.json */

typedef struct Ledger Ledger;

/* Adds a run to the file (s->ledger; NULL gives a ledger that is nowhere written). E_INPUT: there is a file, and it is no ledger. */
Status record_ledger_begin(const RecordSettings *s, const RecordPlan *plan, Arena *arena, Ledger **ledger);
Status record_ledger_write(Ledger *l, const RecordCount *count, bool ended);
void record_ledger_end(Ledger *l); /* frees the JSON */

/* Worst case of one attempt, in USD. */
double record_worst_usd(const RecordSettings *s, int64_t n_text, bool photo);
double record_usd(const Model *m, int64_t in, int64_t out);

#endif
