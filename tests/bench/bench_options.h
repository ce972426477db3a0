/* tests/bench/bench_options.h -- rows of option tables that several benches have: the same name, range and words everywhere. */
#ifndef DIGR_TESTS_BENCH_OPTIONS_H
#define DIGR_TESTS_BENCH_OPTIONS_H

#include "base/cli.h"

#define BENCH_SIZE(dst, choices) \
    {"size", CLI_ENUM, dst, "all", 0, 0, "", "layers/width/ffn/heads/vocabulary: S 4/128/512/4/1100, M 6/256/1024/8/1100, L 8/512/1408/8/2000", choices}
#define BENCH_PRECISION(dst) {"precision", CLI_ENUM, dst, "fp32", 0, 0, "", "of matrix products", "fp32|bf16"}
#define BENCH_THREADS(dst) {"threads", CLI_INT, dst, "0", 0, 1024, "", "0: all cores", NULL}
#define BENCH_SECONDS(dst, initial) {"seconds", CLI_REAL, dst, initial, 0.01, 3600, "s", "how long to measure in a round", NULL}
#define BENCH_ROUNDS(dst, initial) {"rounds", CLI_INT, dst, initial, 1, 1000, "", "of everything that is measured, in turns; the median counts", NULL}
#define BENCH_PEER(dst, file) {"peer", CLI_STR, dst, "tests/bench/" file, 0, 0, "FILE", "the PyTorch program; empty: leave it out", NULL}
/* training */
#define BENCH_SEQ(dst) {"seq", CLI_INT, dst, "80", 0, 4096, "tokens", "sequence length; 0: mixed, 20 to 80", NULL}
#define BENCH_TOKENS(dst) {"tokens", CLI_INT, dst, "8000", 64, 1 << 20, "tokens", "packed tokens of a step", NULL}
#define BENCH_DROPOUT(dst) {"dropout", CLI_REAL, dst, "0", 0, 0.9, "", "dropout probability", NULL}
/* decoding */
#define BENCH_ITEMS(dst) {"items", CLI_INT, dst, "12000", 1, 10000000, "", "catalogue", NULL}
#define BENCH_HISTORY(dst) {"history", CLI_INT, dst, "20", 1, 1000, "items", "of a prompt, 4 tokens each", NULL}

#endif
