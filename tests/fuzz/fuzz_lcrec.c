/* tests/fuzz/fuzz_lcrec.c -- LC-Rec and LETTER files: T.inter.json, T.item.json, T.index.json, T.user2id, T.item2id. */
#include "intake.h"

void fuzz_lcrec(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"T.inter.json", "T.item.json", "T.index.json", "T.user2id", "T.item2id", NULL};
    fuzz_adapter(SOURCE_LCREC, names, data, n);
}
