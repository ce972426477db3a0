/* base/log.h -- messages and progress for people, on stderr. stdout is for requested data only.
 *
 * log_* lines carry the program name. Progress redraws one line at most six times a second on a terminal and
 * prints one plain line per 30 s elsewhere (and always the last one):
 *   08_sft [######......] 1,200/4,000 steps | loss 2.31 | 31.2k tok/s | 1m12s left
 */
#ifndef DIGR_BASE_LOG_H
#define DIGR_BASE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

void log_open(const char *program, bool quiet); /* program: a literal such as "08_sft" */
double log_opened_s(void); /* time_now_s() of log_open, 0 before it: when the program began */
void log_info(const char *format, ...) __attribute__((format(printf, 1, 2)));
void log_warn(const char *format, ...) __attribute__((format(printf, 1, 2)));

typedef struct Progress {
    const char *unit;
    int64_t total, done, done_at_start;
    double start_s, last_s;
    bool terminal;
} Progress;

/* total 0: unknown. unit: "steps", "items"... `done` > 0 when resuming (the rate counts from there). */
void progress_begin(Progress *p, const char *unit, int64_t total, int64_t done);
/* format/...: extra text such as "loss 2.31"; NULL for none. */
void progress_update(Progress *p, int64_t done, const char *format, ...) __attribute__((format(printf, 3, 4)));
void progress_end(Progress *p);

/* format_duration -- seconds for people: 42s, 3m07s, 2h05m; out of n bytes (16 are enough). */
void format_duration(char *out, size_t n, double s);

double time_now_s(void);     /* monotonic seconds */
int64_t peak_memory_bytes(void); /* peak resident set of this process */

#endif
