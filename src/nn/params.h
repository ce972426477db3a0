/* nn/params.h -- a model's parameters as one contiguous block with a named directory.
 *
 * Values, gradients and both AdamW moments are four blocks of the same layout in backend memory, so that the optimiser, the norm and
 * checkpoints are one pass. A model lists its weights once (an X-macro or a loop of params_add) before params_finish.
 */
#ifndef DIGR_NN_PARAMS_H
#define DIGR_NN_PARAMS_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/dims.h"
#include "base/status.h"
#include "io/safetensors.h"
#include "tensor/backend.h"

typedef struct Param {
    const char *name;
    int n_dims;
    int64_t shape[4], count, at; /* at: offset in the block, in elements */
    bool decay;                  /* weight decay applies (matrices, not norms or biases) */
    bool frozen;                 /* no gradient, no update */
} Param;

typedef struct Params {
    Backend *be;
    Arena *arena;
    Param *list;
    int64_t n, count, capacity; /* count: elements of the block */
    real *value, *grad, *m, *v; /* backend memory; grad, m, v are NULL without gradients */
} Params;

Params *params_create(Backend *be);
/* params_add -- append; consecutive matrices are adjacent in memory (q,k,v projections form one matrix). Returns the index. */
int64_t params_add(Params *p, const char *name, int n_dims, const int64_t *shape, bool decay);
void params_finish(Params *p, bool with_gradients); /* allocates, zero */
void params_destroy(Params *p);
int64_t params_find(const Params *p, const char *name); /* -1 when absent */
real *params_value(Params *p, int64_t i);
real *params_grad(Params *p, int64_t i);
void params_zero_grad(Params *p);
/* params_init_normal -- value ~ N(0, sd) by Philox (seed, RNG_INIT, index = parameter, position). */
void params_init_normal(Params *p, int64_t i, double sd, uint64_t seed);
void params_fill(Params *p, int64_t i, real value);
/* params_freeze -- no gradient and no update from now on, for all of them; gradient and moment blocks are given back. */
void params_freeze(Params *p);

/* Every listed tensor, in order, as F32 (F64 in a double build). Missing, extra or wrongly shaped tensors are E_INPUT, naming file and tensor. */
Status params_save(Params *p, const char *path);
Status params_load(Params *p, const char *path);
/* The same, but an extra tensor of this name is no error (NULL: none). */
Status params_load_ignoring(Params *p, const char *path, const char *ignored);

/* For files that hold more than one block of this layout (adamw.c). `host` is such a block in host memory, names get `prefix`.
 * params_describe fills out[p->n], names in `arena`; params_read fills host. */
int64_t params_describe(const Params *p, const real *host, const char *prefix, Arena *arena, Tensor *out);
Status params_read(const Params *p, const Safetensors *file, const char *path, const char *prefix, Arena *arena, real *host);

#endif
