/* tests/fuzz/fuzz_recbole.c -- RecBole atomic files: T.inter, T.item, and the benchmark parts. */
#include "intake.h"

void fuzz_recbole(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"T.inter", "T.item", "T.train.inter", "T.valid.inter", "T.test.inter", NULL};
    fuzz_adapter(SOURCE_RECBOLE, names, data, n);
}
