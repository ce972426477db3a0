/* tests/bench/bench_peer.h -- PyTorch run beside, at its best: OpenBLAS's kernels fit the processor (blascore_settle in each bench; children inherit it), and
 * of several ways to place and to wait with threads the fastest counts; which one that is depends on the machine and on what else it does. glibc keeps
 * the memory it has (the page faults of fresh memory in every step cost PyTorch a fifth). */
#ifndef DIGR_TESTS_BENCH_PEER_H
#define DIGR_TESTS_BENCH_PEER_H

#include <stdio.h>
#include <string.h>

typedef struct Peer {
    const char *program; /* prints a rate; "" leaves it out */
    const char *way;     /* the fastest so far; NULL: none was tried */
} Peer;

/* Debian's pthread OpenBLAS has threads of its own beside OpenMP's. Where its OpenMP build is installed too (libopenblas0-openmp), that is tried first:
 * then all threads are OpenMP's and can be pinned. */
static const char *const PEER_WAYS[] = {"env -u GOMP_SPINCOUNT LD_PRELOAD=$omp OMP_PROC_BIND=true OMP_PLACES=cores", "env OMP_WAIT_POLICY=passive LD_PRELOAD=$omp",
                                        "env -u GOMP_SPINCOUNT", "env OMP_WAIT_POLICY=passive"};
enum { N_PEER_WAYS = sizeof PEER_WAYS / sizeof *PEER_WAYS };

static inline double peer_once(const char *program, const char *way, const char *arguments, int threads, double seconds)
{
    char command[1600];
    snprintf(command, sizeof command,
             "export OMP_NUM_THREADS=%d OPENBLAS_NUM_THREADS=%d MALLOC_MMAP_MAX_=0 MALLOC_TRIM_THRESHOLD_=4294967296 MALLOC_TOP_PAD_=268435456; omp=$(ls /usr/lib/*/openblas-openmp/libblas.so.3 2>/dev/null | head -n 1); "
             "%s for p in python3 /usr/bin/python3; do $p -c 'import torch' 2>/dev/null && exec %s $p -B '%s' %s --threads %d --seconds %g; done", threads, threads,
             strstr(way, "$omp") != NULL ? "[ -n \"$omp\" ] &&" : "", way, program, arguments, threads, seconds);
    FILE *f = popen(command, "r");
    double rate = 0;
    if (f != NULL && fscanf(f, "%lf", &rate) != 1) rate = 0;
    if (f != NULL) pclose(f);
    return rate;
}

/* The rate that the program prints for these arguments; 0 when it is left out or PyTorch is not installed. The first call tries every way, each for a second
 * at most, and gives the fastest rate; later calls use that way. */
static inline double peer_rate(Peer *p, const char *arguments, int threads, double seconds)
{
    if (p->program[0] == '\0') return 0;
    if (p->way != NULL) return peer_once(p->program, p->way, arguments, threads, seconds);
    double best = 0;
    for (int i = 0; i < N_PEER_WAYS; i++) {
        const double rate = peer_once(p->program, PEER_WAYS[i], arguments, threads, seconds < 1 ? seconds : 1);
        if (rate <= best) continue;
        best = rate;
        p->way = PEER_WAYS[i];
    }
    return best;
}

#endif
