/* llm/quality.c -- see quality.h. */
#include "llm/quality.h"

#include <math.h>
#include <stddef.h>

Status item_quality(int64_t n, const double *confidence, const bool *has_confidence, const int *label, double *q) {
    if (n <= 0) return FAIL(E_INPUT, NULL, "item quality: no interests");
    int64_t n_given = 0;
    for (int64_t j = 0; j < n; j++) n_given += has_confidence[j];
    if (n_given != 0 && n_given != n)
        return FAIL(E_INPUT, "give every interest of an item a confidence, or none",
                    "item quality: %lld of %lld interests have a confidence", (long long)n_given, (long long)n);
    double weight = 0, positive = 0;
    for (int64_t j = 0; j < n; j++) {
        double c = n_given ? confidence[j] : 1.0;
        if (!(isfinite(c) && c >= 0)) return FAIL(E_INPUT, NULL, "item quality: confidence %g", c);
        if (label[j] != 0 && label[j] != 1) return FAIL(E_INPUT, NULL, "item quality: label %d is not 0 or 1", label[j]);
        weight += c;
        positive += c * label[j];
    }
    if (!(weight > 0)) return FAIL(E_INPUT, NULL, "item quality: confidences sum to 0");
    *q = positive / weight;
    return OK;
}
