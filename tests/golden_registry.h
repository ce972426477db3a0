/* tests/golden_registry.h -- the checkers the runner was linked with; the table is generated from the file names. */
#ifndef DIGR_TESTS_GOLDEN_REGISTRY_H
#define DIGR_TESTS_GOLDEN_REGISTRY_H

#include "golden.h"

typedef struct GoldenKind {
    const char *name;
    Status (*check)(GoldenCase *c);
} GoldenKind;

extern const GoldenKind GOLDEN_KINDS[]; /* ends with {NULL, NULL} */

#endif
