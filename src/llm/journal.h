/* llm/journal.h -- answers on disk as soon as they come: <responses>.journal, plain lines, folded into <responses> (zstd frames) by the hundred.
 *
 * A line is written before journal_add returns, so that a kill loses nothing of what was added; a power cut loses at most the last seconds (journal_sync). What a
 * killed run left behind is folded in when the journal is opened next, without duplicates; a torn last line is dropped with a warning. The file is there only while
 * somebody records; it is locked meanwhile.
 */
#ifndef DIGR_LLM_JOURNAL_H
#define DIGR_LLM_JOURNAL_H

#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "llm/responses.h"

typedef struct Journal Journal;

/* journal_open -- `responses` is one .jsonl.zst file, created with its folder when absent. *recovered: answers that an earlier run had left in the journal.
 * E_RESOURCE: somebody else records into it, or it cannot be written; E_INPUT: damage. */
Status journal_open(const char *responses, Journal **journal, int64_t *recovered);
Status journal_add(Journal *j, const Response *r);  /* E_RESOURCE: the disk is full; the line is not there */
Status journal_sync(Journal *j);                    /* what was added, onto the disk */
Status journal_close(Journal *j);                   /* folds everything in, removes the file, frees; NULL is allowed */

#endif
