/* llm/record.h -- record mode: what is not in the cache yet is asked, and every answer is on disk as soon as it has come.
 *
 * Order of events (record_all): journal_open (what an earlier, killed run left is folded in), record_plan (what is already answered is left out), record_estimate,
 * record_run. Nothing but record_run opens a socket.
 *
 * Money. Every attempt is given a worst case before it starts: as many prompt tokens as the request's text has bytes (no tokenizer makes more) and 64 for the
 * frame around them, the model's image_tokens, and max_output_tokens. It starts only if that, what others under way may cost, and what was spent stay within
 * max_usd together. Spent is what the provider's token counts come to at the model's prices; an attempt whose count never arrived (time-out, cut or unreadable
 * reply) counts with its worst case. Error replies (HTTP 4xx, 5xx) count as free, as providers bill them.
 *
 * What becomes of a question:
 *   answered    a record. A malformed answer (answer.h) is asked for again, max_malformed times; the last one is then kept as it is, with its "fault"
 *   failed      refused by the model or its filter, cut off at max_output_tokens, rejected (HTTP 4xx; a request for several vectors is halved until one text is left), or no luck in max_attempts: a line of <responses>.errors.jsonl,
 *               which no reader of answers opens. Later runs leave out what was refused, truncated or rejected, and what is malformed, unless retry_errors; the rest is asked again
 *   left        the budget, an interrupt (Ctrl-C: what is under way is waited for) or a fault of the whole run came first
 */
#ifndef DIGR_LLM_RECORD_H
#define DIGR_LLM_RECORD_H

#include <stdbool.h>
#include <stdint.h>

#include "base/hash.h"
#include "llm/http.h"
#include "llm/journal.h"
#include "llm/prompts.h"
#include "llm/providers.h"
#include "llm/responses.h"

typedef struct Question {
    const char *item;               /* ItemText.id */
    const char *interest, *origin;  /* judges; NULL */
    const char *text;               /* prompt_render; the text to embed */
    const char *parts;              /* drift_parts of it, kept with the answer; NULL */
    const char *photo, *image;      /* where the photo is, and its reference (chat.h); NULL */
    char key[SHA256_HEX];           /* set by record_plan */
} Question;

typedef struct RecordSettings {
    const Provider *provider;
    const Model *model;
    const Template *prompt;         /* NULL: vectors */
    const char *template_id, *set, *date;
    const char *responses;          /* one .jsonl.zst file */
    const char *known;              /* others that answer already, for responses_open_list; NULL or "": none. They are only read */
    const char *ledger;             /* ledger.json, appended to; NULL: none */
    HttpSettings http;              /* key and limits are filled in by record_run */
    int max_malformed;
    int64_t max_output_tokens;
    int64_t batch;                  /* texts in a request, vectors only; 1 otherwise */
    bool with_schema, keep_thinking, stop_on_error, retry_errors;
    double max_usd;                 /* < 0: no cap */
} RecordSettings;

typedef struct RecordPlan {
    Question *at;                   /* (n) to be asked, in the given order */
    int64_t n, n_given;
    int64_t n_known, n_known_elsewhere, n_shared, n_failed_before; /* in the cache, and of these in other files than s->responses; the same prompt as an earlier question's; see errors.jsonl */
} RecordPlan;

typedef struct RecordEstimate {
    int64_t requests, tokens_in;    /* tokens_in: bytes of the requests' text / 4 (images: image_tokens) */
    int64_t usual_out;              /* tokens of a usual answer: RECORD_USUAL_OUT */
    double usd_usual, usd_longest;  /* with usual answers; with every answer at max_output_tokens. 0 without prices */
    double usd_worst;               /* what a cap would have to allow: see above */
} RecordEstimate;

enum { RECORD_USUAL_MINING = 160, RECORD_USUAL_LABEL = 2, RECORD_USUAL_CAPTION = 80, RECORD_USUAL_THOUGHTS = 800 };

typedef enum RecordFailure { FAIL_REFUSED, FAIL_TRUNCATED, FAIL_REJECTED, FAIL_UNREADABLE, FAIL_NETWORK, N_RECORD_FAILURES } RecordFailure;

const char *record_failure_name(RecordFailure f); /* "refused", "truncated", "rejected", "unreadable", "network" */

typedef struct RecordCount {
    HttpCount http;
    int64_t answered, malformed, failed[N_RECORD_FAILURES], left;
    int64_t asked_again_malformed, asked_again_unreadable;
    int64_t halved;                 /* requests for vectors that were refused (HTTP 4xx) as a whole: each half was asked again, until the text at fault stood alone */
    int64_t tokens_in, tokens_out;  /* as the provider counted */
    int64_t uncounted;              /* attempts that may have been billed and whose count never came */
    double usd, usd_uncounted;      /* usd_uncounted: worst case of those */
    bool budget_reached, interrupted;
    double seconds;
} RecordCount;

/* record_check -- are the settings complete? E_USAGE: a price or image_tokens that is needed and not known, no cap on a model that is not free, a photo for
 * a model that takes none. */
Status record_check(const RecordSettings *s);

/* record_plan -- keys the questions and leaves out what need not be asked. `cache`: everything that replay would read. */
Status record_plan(const RecordSettings *s, Question *questions, int64_t n, const Responses *cache, Arena *arena, RecordPlan *plan);

RecordEstimate record_estimate(const RecordSettings *s, const RecordPlan *plan);
/* record_print_estimate -- the same, for people. */
void record_print_estimate(const RecordSettings *s, const RecordPlan *plan, const RecordEstimate *e);

/* record_run -- asks. The journal stays open; journal_close follows whatever this returns. *count is filled in every case, and the ledger is written, before the
 * run, every ten seconds, and after it. E_USAGE: no key. E_RESOURCE: denied (401, 403), no valid certificate, requests that fail one after another (8 before any answer,
 * 64 later), the cap reached, an interrupt, a full disk, or, with stop_on_error, a question that failed. */
Status record_run(const RecordSettings *s, const RecordPlan *plan, Journal *journal, RecordCount *count);

/* record_all -- all of it, in that order, with messages for people: estimate before, counts after. Known is what s->known and s->responses hold. dry_run: nothing is asked, created or
 * changed, and no key is needed. */
Status record_all(const RecordSettings *s, Question *questions, int64_t n, bool dry_run, RecordCount *count);

/* record_errors_path -- <responses without .jsonl.zst>.errors.jsonl */
const char *record_errors_path(const char *responses, Arena *arena);

#endif
