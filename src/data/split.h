/* data/split.h -- the two protocols: which events are trained on, and which are evaluated.
 *
 * leave-last-out  train: all but a user's last two events; valid: the last but one; test: the last. Users with fewer than 3 events only train.
 * chrono-8-1-1    one row for every event but a user's first, (history, target); rows in order of the target's time, equal times in order of the source
 *                 (users by first appearance, then position); the first floor(0.8 n) rows train, the next floor(0.1 n) are valid, the rest is test.
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

/* split_begin -- first event of each user key, (users+1) in arena; events must be sorted by user. */
int64_t *split_begin(const Intake *c);
void split_leave_last_out(const Intake *c, Split *s);
/* split_chrono -- rows: exact rows to use, or NULL to build them from times. E_INPUT when a time is unknown. */
Status split_chrono(const Intake *c, const ExactRows *rows, Split *s);

#endif
