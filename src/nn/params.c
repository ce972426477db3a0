/* nn/params.c -- the parameter block and its checkpoint. Inputs and outputs: params.h.
 *
 * Deviations from the paper: none.
 */
#include "nn/params.h"

#include <string.h>

#include "base/rng.h"
#include "io/safetensors.h"

Params *params_create(Backend *be)
{
    Arena *arena = arena_create("parameters");
    Params *p = ARENA_NEW(arena, Params, 1);
    *p = (Params){.be = be, .arena = arena};
    return p;
}

int64_t params_add(Params *p, const char *name, int n_dims, const int64_t *shape, bool decay)
{
    REQUIRE(p->value == NULL, "parameter %s added after params_finish", name);
    REQUIRE(n_dims >= 1 && n_dims <= 4, "parameter %s has %d dimensions", name, n_dims);
    REQUIRE(params_find(p, name) < 0, "parameter %s is added twice", name);
    size_t capacity = (size_t)p->capacity;
    ARENA_GROW(p->arena, p->list, capacity, p->n + 1);
    p->capacity = (int64_t)capacity;
    Param *q = &p->list[p->n];
    *q = (Param){.name = arena_strdup(p->arena, name), .n_dims = n_dims, .count = 1, .at = p->count, .decay = decay};
    for (int i = 0; i < n_dims; i++) {
        REQUIRE(shape[i] > 0, "parameter %s: dimension %d is %lld", name, i, (long long)shape[i]);
        q->shape[i] = shape[i];
        q->count *= shape[i];
    }
    p->count += q->count;
    return p->n++;
}

void params_finish(Params *p, bool with_gradients)
{
    REQUIRE(p->value == NULL, "params_finish called twice");
    size_t bytes = (size_t)p->count * sizeof(real);
    p->value = p->be->alloc(p->be, bytes);
    if (!with_gradients) return;
    p->grad = p->be->alloc(p->be, bytes);
    p->m = p->be->alloc(p->be, bytes);
    p->v = p->be->alloc(p->be, bytes);
}

void params_freeze(Params *p)
{
    for (int64_t i = 0; i < p->n; i++) p->list[i].frozen = true;
    p->be->release(p->be, p->grad);
    p->be->release(p->be, p->m);
    p->be->release(p->be, p->v);
    p->grad = p->m = p->v = NULL;
}

void params_destroy(Params *p)
{
    if (p == NULL) return;
    p->be->release(p->be, p->value);
    p->be->release(p->be, p->grad);
    p->be->release(p->be, p->m);
    p->be->release(p->be, p->v);
    arena_destroy(p->arena);
}

int64_t params_find(const Params *p, const char *name)
{
    for (int64_t i = 0; i < p->n; i++) {
        if (strcmp(p->list[i].name, name) == 0) return i;
    }
    return -1;
}

real *params_value(Params *p, int64_t i)
{
    REQUIRE(i >= 0 && i < p->n && p->value != NULL, "parameter %lld of %lld", (long long)i, (long long)p->n);
    return p->value + p->list[i].at;
}

real *params_grad(Params *p, int64_t i)
{
    REQUIRE(i >= 0 && i < p->n && p->grad != NULL, "gradient %lld of %lld", (long long)i, (long long)p->n);
    return p->grad + p->list[i].at;
}

void params_zero_grad(Params *p)
{
    REQUIRE(p->grad != NULL, "parameters without gradients");
    p->be->zero(p->be, p->grad, (size_t)p->count * sizeof(real));
}

void params_init_normal(Params *p, int64_t i, double sd, uint64_t seed)
{
    ArenaMark mark = arena_mark(p->arena);
    int64_t n = p->list[i].count;
    real *x = ARENA_NEW(p->arena, real, n);
    Rng r = rng_make(seed, RNG_STAGE_SFT, RNG_INIT, 0, (uint64_t)i);
    for (int64_t j = 0; j < n; j++) x[j] = (real)(sd * rng_normal(&r));
    p->be->upload(p->be, params_value(p, i), x, (size_t)n * sizeof(real));
    arena_release(p->arena, mark);
}

void params_fill(Params *p, int64_t i, real value)
{
    ArenaMark mark = arena_mark(p->arena);
    int64_t n = p->list[i].count;
    real *x = ARENA_NEW(p->arena, real, n);
    for (int64_t j = 0; j < n; j++) x[j] = value;
    p->be->upload(p->be, params_value(p, i), x, (size_t)n * sizeof(real));
    arena_release(p->arena, mark);
}

/* --- checkpoints ----------------------------------------------------------------------------------------------- */

int64_t params_describe(const Params *p, const real *host, const char *prefix, Arena *arena, Tensor *out)
{
    for (int64_t i = 0; i < p->n; i++) {
        const Param *q = &p->list[i];
        out[i] = (Tensor){.name = arena_printf(arena, "%s%s", prefix, q->name), .n_dims = q->n_dims, .count = q->count,
                          .type = sizeof(real) == sizeof(float) ? TENSOR_F32 : TENSOR_F64, .data = host + q->at};
        for (int d = 0; d < q->n_dims; d++) out[i].shape[d] = q->shape[d];
    }
    return p->n;
}

Status params_read(const Params *p, const Safetensors *file, const char *path, const char *prefix, Arena *arena, real *host)
{
    for (int64_t i = 0; i < p->n; i++) {
        const Param *q = &p->list[i];
        const char *name = arena_printf(arena, "%s%s", prefix, q->name);
        const Tensor *t = safetensors_find(file, name);
        if (t == NULL) return FAIL(E_INPUT, "the file belongs to another model configuration", "%s: tensor %s is missing", path, name);
        bool same = t->n_dims == q->n_dims;
        for (int d = 0; same && d < q->n_dims; d++) same = t->shape[d] == q->shape[d];
        if (!same) {
            return FAIL(E_INPUT, "the file belongs to another model configuration",
                        "%s: tensor %s has %lld elements in %d dimensions; %lld in %d, first %lld, are expected", path, name,
                        (long long)t->count, t->n_dims, (long long)q->count, q->n_dims, (long long)q->shape[0]);
        }
        TRY(tensor_to_real(t, host + q->at));
    }
    return OK;
}

static Status save_body(Params *p, Arena *arena, const char *path)
{
    real *host = ARENA_NEW(arena, real, p->count);
    TRY(p->be->download(p->be, host, p->value, (size_t)p->count * sizeof(real)));
    Tensor *list = ARENA_NEW(arena, Tensor, p->n);
    params_describe(p, host, "", arena, list);
    const char *const meta[] = {"format", "pt"}; /* what `transformers` looks for */
    return safetensors_write(path, list, p->n, meta, 1);
}

Status params_save(Params *p, const char *path)
{
    Arena *arena = arena_create("checkpoint");
    Status s = save_body(p, arena, path);
    arena_destroy(arena);
    return s;
}

static Status load_body(Params *p, Arena *arena, const Safetensors *file, const char *path, const char *ignored)
{
    real *host = ARENA_NEW(arena, real, p->count);
    TRY(params_read(p, file, path, "", arena, host));
    for (int64_t i = 0; i < safetensors_count(file); i++) {
        const char *name = safetensors_at(file, i)->name;
        if (params_find(p, name) >= 0 || (ignored != NULL && strcmp(name, ignored) == 0)) continue;
        return FAIL(E_INPUT, "the file belongs to another model configuration", "%s: unexpected tensor %s", path, name);
    }
    p->be->upload(p->be, p->value, host, (size_t)p->count * sizeof(real));
    return OK;
}

Status params_load_ignoring(Params *p, const char *path, const char *ignored)
{
    Safetensors *file;
    TRY(safetensors_open(path, &file));
    Arena *arena = arena_create("checkpoint");
    Status s = load_body(p, arena, file, path, ignored);
    arena_destroy(arena);
    safetensors_close(file);
    return s;
}

Status params_load(Params *p, const char *path)
{
    return params_load_ignoring(p, path, NULL);
}
