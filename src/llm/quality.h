/* llm/quality.h -- item quality q, the weight that the interest-aware reward gives an item (paper Eq. for q_i):
 *
 *   q = sum_j c_j y_j / sum_j c_j        c confidence, y in {0,1} the label of interest j
 *
 * When no interest of the item has a confidence every weight is 1. Nothing is made up for the rest: an empty list, confidences for
 * some interests only, and confidences that sum to 0 have no quality.
 */
#ifndef DIGR_LLM_QUALITY_H
#define DIGR_LLM_QUALITY_H

#include <stdbool.h>
#include <stdint.h>

#include "base/status.h"

/* item_quality -- q of one item.
 * n               number of interests
 * confidence      in (n)  finite and >= 0 where has_confidence
 * has_confidence  in (n)  false: this interest came without one
 * label           in (n)  0 or 1
 * q               out     in [0,1]; untouched on error
 * E_INPUT in the cases named above, for a label other than 0/1, and for a negative or non-finite confidence. */
Status item_quality(int64_t n, const double *confidence, const bool *has_confidence, const int *label, double *q);

#endif
