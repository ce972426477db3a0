/* tests/fuzz/fuzz.h -- fuzz targets: functions that take any bytes, and must not crash, leak, hang or misread them.
 *
 * fuzz_<name>.c holds `void fuzz_<name>(const uint8_t *data, size_t n)`: it hands the bytes to a reader and compares what came out with another way of reading
 * them where there is one. `make fuzz` links each with clang's libFuzzer, ASan, UBSan and the leak checker; `make test` runs each on its committed seeds
 * (tests/fuzz/corpus/<name>/), among them every input that once found a bug. A broken invariant (REQUIRE) is a bug like any other.
 *
 * To add one: the file, a line in FUZZ_TARGETS, a few small seeds. */
#ifndef DIGR_TESTS_FUZZ_H
#define DIGR_TESTS_FUZZ_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/arena.h"

#define FUZZ_TARGETS(X) \
    X(amazon) X(answer) X(content) X(csv) X(fieldscan) X(jsonl) X(lcrec) X(minionerec) X(npy) X(providers) X(pyliteral) X(recbole) X(reply) X(responses) \
    X(safetensors) X(sasrec) X(sequences) X(stream) X(text)

#define FUZZ_DECLARE(name) void fuzz_##name(const uint8_t *data, size_t n);
FUZZ_TARGETS(FUZZ_DECLARE)
#undef FUZZ_DECLARE

/* fuzz_check -- what must hold for any input. */
#define FUZZ_CHECK(cond, ...)                                                                        \
    do {                                                                                             \
        if (!(cond)) {                                                                               \
            (void)printf("fuzz: %s:%d: %s: ", __FILE__, __LINE__, #cond);                            \
            (void)printf(__VA_ARGS__);                                                               \
            (void)printf("\n");                                                                      \
            (void)fflush(stdout);                                                                    \
            abort();                                                                                 \
        }                                                                                            \
    } while (0)

/* fuzz_file -- path of a file in memory with these bytes; valid until the next call with the same slot (0 to 3). */
const char *fuzz_file(int slot, const void *data, size_t n);

/* fuzz_folder -- an empty folder in memory where there is one (/dev/shm), made once and emptied at each call. */
const char *fuzz_folder(void);
/* fuzz_put -- writes a file into it; sub-folders are made. */
void fuzz_put(const char *name, const void *data, size_t n);

/* fuzz_line -- n bytes and a NUL in a block of exactly that length, so that reading on is an error. */
char *fuzz_line(Arena *arena, const void *data, size_t n);

/* fuzz_section -- inputs of several files: the bytes up to the next 0x1e or the end. False when there is no further section. */
bool fuzz_section(const uint8_t **data, size_t *n, const uint8_t **section, size_t *n_section);

#endif
