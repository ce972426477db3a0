/* tests/fuzz/fuzz_minionerec.c -- MiniOneRec files: three CSV parts, info/T.txt, T.item.json, T.index.json. */
#include "intake.h"

void fuzz_minionerec(const uint8_t *data, size_t n)
{
    static const char *const names[] = {"train/T.csv", "valid/T.csv", "test/T.csv", "info/T.txt", "T.item.json", "T.index.json", NULL};
    fuzz_adapter(SOURCE_MINIONEREC, names, data, n);
}
