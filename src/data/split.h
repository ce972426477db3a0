/* data/split.h -- the two protocols: which events are trained on, and which are evaluated.
 *
 * leave-last-out  train: all but a user's last two events; valid: the last but one; test: the last. Users with fewer than 3 events only train.
 * chrono-8-1-1    one row for every event but a user's first, (history, target); rows in order of the target's time, equal times in order of the source
 *                 (users by first appearance, then position); the first floor(0.8 n) rows train, those up to floor(0.9 n) are valid, the rest is test.
 *                 Another ratio A:B:C cuts at floor(A n / (A+B+C)) and floor((A+B) n / (A+B+C)) and is named chrono-A-B-C.
 *                 Train rows of a user come before the others, so they are the sequence up to its last train target.
 *                 Where times are unknown, the exact rows shipped with the source are taken instead. */
#ifndef DIGR_DATA_SPLIT_H
#define DIGR_DATA_SPLIT_H

#include "data/intake.h"
#include "data/import.h"

typedef struct Split {
    const char *protocol;
    int64_t max_history;              /* how much of a history models may look at */
    const char *rows_from;            /* "order" | "time" | "shipped rows" */
    int64_t n_train, n_valid, n_test; /* rows (targets) */
    ExactRow *valid, *test;
    int64_t *begin;                   /* (user keys + 1) first event of each user in c->event */
    int64_t *train_end;               /* (user keys) events [begin, begin + train_end) are the training sequence */
} Split;

typedef struct SplitRatio { int64_t part[3]; } SplitRatio; /* train : valid : test */

/* split_parse_ratio -- "A:B:C", whole numbers of 1 to 1000; NULL or "": 8:1:1. */
Status split_parse_ratio(const char *text, SplitRatio *ratio);

/* split_begin -- first event of each user key, (users+1) in arena; events must be sorted by user. */
int64_t *split_begin(const Intake *c);
void split_leave_last_out(const Intake *c, Split *s);
/* split_rows_by_time -- one row for every event but a user's first, in the order above, cut by `ratio`; times must be known (E_INPUT names the user),
 * or with unknown_first rows without a time come first, in order of the source. */
Status split_rows_by_time(const Intake *c, const int64_t *begin, const SplitRatio *ratio, bool unknown_first, ExactRows **rows);
/* split_chrono -- rows: exact rows to use, or NULL to build them from times. E_INPUT when a time is unknown. */
Status split_chrono(const Intake *c, const ExactRows *rows, const SplitRatio *ratio, Split *s);

#endif
