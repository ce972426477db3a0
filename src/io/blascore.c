/* io/blascore.c -- see blascore.h. */
#include <cblas.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <unistd.h>

#include "io/blascore.h"

typedef enum Level { LEVEL_SSE, LEVEL_AVX, LEVEL_AVX2, LEVEL_AVX512 } Level;

/* OpenBLAS's x86 kernels below AVX-512, by the widest instructions they use. Other names are left alone: newer ones, other architectures. */
static const struct { const char *name; Level level; } KERNELS[] = {
    {"Katmai", LEVEL_SSE}, {"Coppermine", LEVEL_SSE}, {"Northwood", LEVEL_SSE}, {"Prescott", LEVEL_SSE}, {"Banias", LEVEL_SSE}, {"Core2", LEVEL_SSE},
    {"Penryn", LEVEL_SSE}, {"Dunnington", LEVEL_SSE}, {"Nehalem", LEVEL_SSE}, {"Athlon", LEVEL_SSE}, {"Opteron", LEVEL_SSE}, {"Opteron_SSE3", LEVEL_SSE},
    {"Barcelona", LEVEL_SSE}, {"Bobcat", LEVEL_SSE}, {"Atom", LEVEL_SSE}, {"Nano", LEVEL_SSE}, {"Sandybridge", LEVEL_AVX}, {"Bulldozer", LEVEL_AVX},
    {"Piledriver", LEVEL_AVX}, {"Steamroller", LEVEL_AVX}, {"Excavator", LEVEL_AVX2}, {"Haswell", LEVEL_AVX2}, {"Zen", LEVEL_AVX2}};

static bool has_word(const char *words, const char *word)
{
    const size_t n = strlen(word);
    for (const char *p = words; (p = strstr(p, word)) != NULL; p += n)
        if ((p == words || p[-1] == ' ') && (p[n] == ' ' || p[n] == '\n' || p[n] == '\0')) return true;
    return false;
}

static bool has_words(const char *flags, const char *const *words)
{
    for (; *words != NULL; words++)
        if (!has_word(flags, *words)) return false;
    return true;
}

const char *blascore_for(const char *reported, const char *flags)
{
    static const char *const avx2[] = {"avx2", "fma", NULL}, *const avx512[] = {"avx2", "fma", "avx512f", "avx512cd", "avx512bw", "avx512dq", "avx512vl", NULL};
    for (size_t i = 0; i < sizeof KERNELS / sizeof *KERNELS; i++) {
        if (strcasecmp(reported, KERNELS[i].name) != 0) continue;
        if (has_words(flags, avx512)) return "SkylakeX";
        return KERNELS[i].level < LEVEL_AVX2 && has_words(flags, avx2) ? "Haswell" : NULL;
    }
    return NULL;
}

void blascore_settle(char **argv)
{
    char line[16384];
    const char *better = NULL;
    FILE *f = getenv("OPENBLAS_CORETYPE") == NULL ? fopen("/proc/cpuinfo", "r") : NULL;
    if (f == NULL) return;
    while (fgets(line, sizeof line, f) != NULL)
        if (strncmp(line, "flags", 5) == 0 && strchr(line, ':') != NULL) {
            better = blascore_for(openblas_get_corename(), strchr(line, ':') + 1);
            break;
        }
    (void)fclose(f);
    if (better == NULL || setenv("OPENBLAS_CORETYPE", better, 0) != 0) return;
    (void)execv("/proc/self/exe", argv);
    (void)unsetenv("OPENBLAS_CORETYPE"); /* it did not start: what OpenBLAS chose is slower, not wrong */
}
