/* tests/fuzz/fuzz_sasrec.c -- S3-Rec and SASRec files: T.txt, T_item2attributes.json, T.user2id, T.item2id. */
#include "intake.h"

void fuzz_sasrec(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"T.txt", "T_item2attributes.json", "T.user2id", "T.item2id", NULL};
    fuzz_adapter(SOURCE_SASREC, names, data, n);
}
