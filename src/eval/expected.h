/* eval/expected.h -- committed reference results and the check of this machine's results against them, row by row.
 *
 * File: {"format": "digr-expected-1", "title", "commit", "tolerance_rule", "rows": [ROW, ...]}, ROW one of
 *   {"kind": "D0", "dataset", "name", "value"}                             an integer that is the same everywhere (users, rows, answered items)
 *   {"kind": "D0", "dataset", "method", "seed", "split", "sha256"}         ranks that follow from integers alone (popularity)
 *   {"kind": "D2", "dataset", "method", "label", "seeds": [1,2,3], "split", "metric", "mean", "sd", "tolerance", "ranks": [sha256, ...]}
 *
 * Pass rule. D0: equal. D2: the same seeds, and |mean here - mean expected| <= tolerance, where the tolerance was written with the row as
 *   k >= 2 seeds   max(5 % of the mean, 4 sd sqrt(2/k), 3 rows)      k = 1   max(10 % of the mean, 3 rows)
 * because another BLAS kernel or thread count changes the rounding, training amplifies that to about the spread of another seed, and the difference of two
 * means of k seeds has standard deviation sd sqrt(2/k). A row is marked identical when every rank of every seed is the same.
 */
#ifndef DIGR_EVAL_EXPECTED_H
#define DIGR_EVAL_EXPECTED_H

#include <stdint.h>

#include "base/status.h"
#include "eval/results.h"

/* expected_write -- reference file of these results, atomically. */
Status expected_write(Results *r, const char *path);

typedef struct Verdict { int64_t n_pass, n_fail, n_identical, n_new; } Verdict; /* n_new: methods here that the file does not know */

/* expected_verify -- prints one line per row (PASS, FAIL, or MISSING, which counts as failed) on standard output. E_INPUT: the file is malformed. */
Status expected_verify(Results *r, const char *path, Verdict *verdict);

#endif
