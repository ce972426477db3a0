/* nn/adamw.c -- the optimiser step over runs of parameters, the learning rate, and its resumable state. Formulas: adamw.h.
 *
 * Deviations from the paper: none.
 */
#include "nn/adamw.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "io/safetensors.h"

double adamw_lr(const AdamW *o, int64_t step)
{
    if (step < o->warmup_steps) return o->lr * (double)(step + 1) / (double)o->warmup_steps;
    int64_t span = o->total_steps - o->warmup_steps;
    double x = span > 0 ? (double)(step - o->warmup_steps) / (double)span : 1.0;
    if (x > 1.0) x = 1.0; /* past the end: stay at the floor */
    return o->lr * (o->min_lr_ratio + (1.0 - o->min_lr_ratio) * 0.5 * (1.0 + cos(3.14159265358979323846 * x)));
}

/* The longest run of parameters from *i on that are updated alike and lie side by side; false when none is left. */
static bool next_run(const Params *p, int64_t *i, int64_t *at, int64_t *count, bool *decay)
{
    while (*i < p->n && p->list[*i].frozen) ++*i;
    if (*i == p->n) return false;
    *at = p->list[*i].at;
    *decay = p->list[*i].decay;
    *count = 0;
    for (; *i < p->n && !p->list[*i].frozen && p->list[*i].decay == *decay; ++*i) *count += p->list[*i].count;
    return true;
}

Status adamw_step(AdamW *o, Params *p, double *grad_norm)
{
    REQUIRE(p->grad != NULL, "adamw_step on parameters without gradients");
    Backend *be = p->be;
    double sum = 0;
    int64_t at, count;
    bool decay;
    for (int64_t i = 0; next_run(p, &i, &at, &count, &decay);) sum += be->sum_squares(be, count, p->grad + at);
    double norm = sqrt(sum);
    if (grad_norm != NULL) *grad_norm = norm;
    if (!isfinite(norm)) {
        return FAIL(E_NUMERIC, "lower the learning rate, or look at the batch that the log names",
                    "optimiser step %lld: the gradient norm is not finite", (long long)o->step);
    }
    double scale = 1.0;
    if (o->max_norm > 0 && o->max_norm / (norm + 1e-6) < 1.0) scale = o->max_norm / (norm + 1e-6);
    double lr = adamw_lr(o, o->step), t = (double)(o->step + 1);
    double bc1 = 1.0 - pow(o->beta1, t), bc2 = 1.0 - pow(o->beta2, t);
    for (int64_t i = 0; next_run(p, &i, &at, &count, &decay);) {
        be->adamw(be, count, p->value + at, p->grad + at, p->m + at, p->v + at, scale, lr, o->beta1, o->beta2, o->eps,
                  decay ? o->weight_decay : 0.0, bc1, bc2);
    }
    o->step++;
    return OK;
}

/* --- resumable state ------------------------------------------------------------------------------------------- */

static Status save_body(const AdamW *o, Params *p, Arena *arena, const char *path)
{
    const real *block[3] = {p->value, p->m, p->v};
    const char *const prefix[3] = {"", "adam.m.", "adam.v."};
    Tensor *list = ARENA_NEW(arena, Tensor, 3 * p->n);
    for (int b = 0; b < 3; b++) {
        real *host = ARENA_NEW(arena, real, p->count);
        TRY(p->be->download(p->be, host, block[b], (size_t)p->count * sizeof(real)));
        params_describe(p, host, prefix[b], arena, list + b * p->n);
    }
    const char *const meta[] = {"step", arena_printf(arena, "%lld", (long long)o->step)};
    return safetensors_write(path, list, 3 * p->n, meta, 1);
}

Status adamw_save(const AdamW *o, Params *p, const char *path)
{
    REQUIRE(p->grad != NULL, "adamw_save on parameters without gradients");
    Arena *arena = arena_create("optimiser state");
    Status s = save_body(o, p, arena, path);
    arena_destroy(arena);
    return s;
}

static Status load_body(AdamW *o, Params *p, Arena *arena, const Safetensors *file, const char *path)
{
    const char *step = safetensors_metadata(file, "step");
    char *end = NULL;
    long long n = step != NULL ? strtoll(step, &end, 10) : -1;
    if (n < 0 || end == step || *end != '\0') {
        return FAIL(E_INPUT, "delete the file to start over", "%s: no optimiser step is recorded", path);
    }
    real *host[3], *block[3] = {p->value, p->m, p->v};
    const char *const prefix[3] = {"", "adam.m.", "adam.v."};
    for (int b = 0; b < 3; b++) {
        host[b] = ARENA_NEW(arena, real, p->count);
        TRY(params_read(p, file, path, prefix[b], arena, host[b]));
    }
    for (int b = 0; b < 3; b++) p->be->upload(p->be, block[b], host[b], (size_t)p->count * sizeof(real));
    o->step = n;
    return OK;
}

Status adamw_load(AdamW *o, Params *p, const char *path)
{
    REQUIRE(p->grad != NULL, "adamw_load on parameters without gradients");
    Safetensors *file;
    TRY(safetensors_open(path, &file));
    Arena *arena = arena_create("optimiser state");
    Status s = load_body(o, p, arena, file, path);
    arena_destroy(arena);
    safetensors_close(file);
    return s;
}
