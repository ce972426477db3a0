/* llm/responses.h -- recorded answers of language models: cache/responses/<name>.jsonl.zst.
 *
 * A file is a row of independent zstd frames, each with a checksum, each holding whole lines of JSON; it only ever grows at its end. A record:
 *   {"key","provider","model","template","set","item","response","usage","date"}   and, of a judge, "interest","origin"
 * key = prompt_key of what was asked; item = ItemText.id; date = "2026-11", or a day, "2026-11-20".
 * `origin` ("mined", "swapped", "generic") says where a judged interest came from; the judge never saw it. usage = {"in","out"} tokens as the provider counted
 * them, null when unknown. Where they apply: "image" (what was shown beside the text), "thinking" (what a model wrote before its answer, kept apart), "fault" (why
 * the answer was malformed, still, when the model had been asked again: replay counts it, and takes nothing from it), "parts" (digests of what the prompt was made of).
 *
 * A crash while appending leaves a torn last frame: readers drop it with a warning, the next append cuts it off. Damage anywhere else (whole frames
 * after the fault) is an error. Two items may have the same text, hence the same key, and an answer each: an item gets its own. Of two records with the same
 * key, set and item the later one counts.
 */
#ifndef DIGR_LLM_RESPONSES_H
#define DIGR_LLM_RESPONSES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"

typedef struct Response {
    const char *key, *provider, *model, *template_id, *set, *item, *response, *date;
    const char *interest, *origin; /* NULL for mined answers */
    const char *image;             /* "sha256:<64 digits>" of a file, or a URL; NULL: text only */
    const char *thinking, *fault;  /* NULL: none */
    const char *parts;             /* digests of what the prompt showed (drift.h); NULL: recorded without */
    bool has_usage;
    int64_t tokens_in, tokens_out; /* 0 unless has_usage */
    bool superseded;               /* a later record has the same key, set and item */
    int64_t file;                  /* responses_file of it; set by responses_open */
} Response;

typedef struct ResponsesReport {
    int64_t n_files, n_frames, n_records, n_superseded;
    int64_t n_torn_files, torn_bytes;
    int64_t text_bytes; /* of the unpacked records */
} ResponsesReport;

typedef struct Responses Responses;

/* responses_open -- read `path`: one file, or every *.jsonl.zst of a folder in name order. Everything lives in `arena`.
 * E_INPUT: nothing there, damage, malformed records; file, frame and line are named. */
Status responses_open(const char *path, Arena *arena, Responses **cache);
/* responses_open_list -- the same for several, separated by commas, and then `last` (NULL or "": none), whose records are the later ones. A file that is reached twice is read
 * once, where it comes first. */
Status responses_open_list(const char *list, const char *last, Arena *arena, Responses **cache);
/* responses_empty -- a cache without records (import into a new file). */
Responses *responses_empty(Arena *arena);

const ResponsesReport *responses_report(const Responses *cache);
int64_t responses_count(const Responses *cache);
const Response *responses_at(const Responses *cache, int64_t i); /* file order */
int64_t responses_n_files(const Responses *cache);
const char *responses_file(const Responses *cache, int64_t i);   /* paths read, for the manifest */

/* responses_find_file -- which of them `path` is, under whatever name; -1: none. */
int64_t responses_find_file(const Responses *cache, const char *path);

/* responses_warn_journals -- a warning about each file, `except` one (-1: all), that a recording has not finished (journal.h): its newest answers are not in it. */
void responses_warn_journals(const Responses *cache, int64_t except);

/* responses_find -- the answer to exactly this prompt; NULL when there is none. When it was asked more than once: the latest one for this item of this set, else
 * the one recorded first. */
const Response *responses_find(const Responses *cache, const char *key, const char *set, const char *item);
/* responses_find_identity -- the latest answer to this template for this item of this set, whatever the text was then; interest NULL for mining. */
const Response *responses_find_identity(const Responses *cache, const char *set, const char *item, const char *model, const char *template_id,
                                        const char *interest);

/* response_line -- the record as one line of JSON with its '\n', in `arena`. */
const char *response_line(const Response *r, Arena *arena);
/* response_parse -- a record from such a line (n bytes, without '\n', changed by the parsing), strings in `text` and `arena`. E_INPUT names path, frame, line. */
Status response_parse(const char *path, int64_t frame, int64_t line, char *text, size_t n, Arena *arena, Response *r);

/* responses_append -- add records to the end of `path` (created when absent) as one frame per 512 records, under a lock, flushed to disk before returning.
 * A torn end is cut off first, with a warning. E_RESOURCE: cannot write; then the file ends after the last whole frame. */
Status responses_append(const char *path, const Response *records, int64_t n);

#endif
