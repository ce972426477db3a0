/* tests/fuzz/entry.c -- between libFuzzer and one target (-DFUZZ_NAME=fuzz_csv). */
#include "base/status.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t n)
{
    FUZZ_NAME(data, n);
    status_clear();
    return 0;
}
