/* nn/lora.c -- adapters: their parameters, their part of every product, merging and `peft` checkpoints. Formulas: lora.h.
 *
 * The A matrices of projections that share an input are neighbours, so x A^T is one product for all of them.
 *
 * Deviations from the paper: none.
 */
#include "nn/lora.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "base/rng.h"
#include "base/atomic.h"
#include "nn/decoder_internal.h"

typedef struct LoraSite { int64_t A[3], B[3]; } LoraSite; /* parameter indices */

struct Lora {
    Decoder *d;
    Arena *arena;
    Params *params;
    int64_t r;
    double alpha;
    LoraSite (*site)[N_SITES]; /* (L) */
};

static const char *const SITE_NAMES[N_SITES][3] = {
    {"self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"},
    {"self_attn.o_proj", NULL, NULL},
    {"mlp.gate_proj", "mlp.up_proj", NULL},
    {"mlp.down_proj", NULL, NULL}};

/* --- creation -------------------------------------------------------------------------------------------------- */

static void list_parameters(Lora *a)
{
    for (int64_t l = 0; l < a->d->config.L; l++) {
        for (int s = 0; s < N_SITES; s++) {
            const SiteShape shape = decoder_site(&a->d->config, (Site)s);
            char name[128];
            for (int i = 0; i < shape.n_parts; i++) {
                snprintf(name, sizeof name, "model.layers.%lld.%s.lora_A.weight", (long long)l, SITE_NAMES[s][i]);
                a->site[l][s].A[i] = params_add(a->params, name, 2, (int64_t[]){a->r, shape.in}, true);
            }
            for (int i = 0; i < shape.n_parts; i++) {
                snprintf(name, sizeof name, "model.layers.%lld.%s.lora_B.weight", (long long)l, SITE_NAMES[s][i]);
                a->site[l][s].B[i] = params_add(a->params, name, 2, (int64_t[]){shape.part_out[i], a->r}, true);
            }
        }
    }
}

void decoder_work_add_lora(Decoder *d, DecoderWork *w, int64_t rows)
{
    for (int s = 0; s < N_SITES; s++) {
        const int64_t count = rows * d->lora->r * decoder_site(&d->config, (Site)s).n_parts;
        w->u[s] = d->be->alloc(d->be, (size_t)count * sizeof(real));
    }
}

Lora *lora_attach(Decoder *d, int64_t r, double alpha)
{
    REQUIRE(d->lora == NULL, "adapters are already attached");
    REQUIRE(r >= 1 && alpha > 0, "LoRA rank %lld, alpha %g", (long long)r, alpha);
    Arena *arena = arena_create("lora");
    Lora *a = ARENA_NEW(arena, Lora, 1);
    *a = (Lora){.d = d, .arena = arena, .params = params_create(d->be), .r = r, .alpha = alpha};
    a->site = arena_alloc(arena, (size_t)d->config.L, sizeof *a->site);
    list_parameters(a);
    params_finish(a->params, d->with_gradients);
    params_freeze(d->params);
    d->lora = a;
    decoder_need_buffers(d);
    for (int64_t l = 0; l < d->config.L; l++) {
        if (l == 0 || d->with_gradients) {
            decoder_work_add_lora(d, &d->work[l], d->max_tokens);
        } else {
            d->work[l] = d->work[0];
        }
    }
    if (d->with_gradients) d->du = d->be->alloc(d->be, (size_t)(d->max_tokens * 3 * r) * sizeof(real));
    return a;
}

void lora_detach(Lora *a)
{
    if (a == NULL) return;
    Decoder *d = a->d;
    for (int64_t l = 0; l < d->config.L; l++) {
        for (int s = 0; s < N_SITES; s++) {
            if (l == 0 || d->with_gradients) d->be->release(d->be, d->work[l].u[s]);
            d->work[l].u[s] = NULL;
        }
    }
    d->be->release(d->be, d->du);
    d->du = NULL;
    d->lora = NULL;
    params_destroy(a->params);
    arena_destroy(a->arena);
}

Params *lora_params(Lora *a)
{
    return a->params;
}

void lora_init(Lora *a, uint64_t seed)
{
    Params *p = a->params;
    Arena *tmp = arena_create("lora init");
    for (int64_t i = 0; i < p->n; i++) {
        const Param *q = &p->list[i];
        real *x = ARENA_NEW(tmp, real, q->count);
        if (strstr(q->name, ".lora_A.") != NULL) {
            Rng rng = rng_make(seed, RNG_STAGE_SFT, RNG_INIT, 1, (uint64_t)i);
            const double bound = 1.0 / sqrt((double)q->shape[1]);
            for (int64_t j = 0; j < q->count; j++) x[j] = (real)(bound * (2.0 * rng_uniform(&rng) - 1.0));
        }
        p->be->upload(p->be, params_value(p, i), x, (size_t)q->count * sizeof(real));
    }
    arena_destroy(tmp);
}

/* --- products -------------------------------------------------------------------------------------------------- */

static real scaling(const Lora *a)
{
    return (real)(a->alpha / (double)a->r);
}

/* u = x A^T (all parts at once); y's columns of part i += scaling * u_i B_i^T */
void lora_forward(Lora *a, int64_t l, Site site, int64_t T, const real *x, real *y, real *u)
{
    Backend *be = a->d->be;
    const SiteShape s = decoder_site(&a->d->config, site);
    const LoraSite *q = &a->site[l][site];
    const int64_t r = a->r, width = s.n_parts * r;
    REQUIRE(u != NULL, "adapters were attached after these buffers were made");
    be->gemm(be, false, true, T, width, s.in, 1, x, s.in, params_value(a->params, q->A[0]), s.in, 0, u, width);
    for (int64_t i = 0, at = 0; i < s.n_parts; at += s.part_out[i++]) {
        be->gemm(be, false, true, T, s.part_out[i], r, scaling(a), u + i * r, width, params_value(a->params, q->B[i]), r, 1,
                 y + at, s.out);
    }
}

/* dB_i += scaling dy_i^T u_i; du_i = scaling dy_i B_i; dA += du^T x; dx += du A */
void lora_backward(Lora *a, int64_t l, Site site, int64_t T, const real *x, const real *dy, real *dx, const real *u, real *du)
{
    Backend *be = a->d->be;
    const SiteShape s = decoder_site(&a->d->config, site);
    const LoraSite *q = &a->site[l][site];
    const int64_t r = a->r, width = s.n_parts * r;
    for (int64_t i = 0, at = 0; i < s.n_parts; at += s.part_out[i++]) {
        be->gemm(be, true, false, s.part_out[i], r, T, scaling(a), dy + at, s.out, u + i * r, width, 1,
                 params_grad(a->params, q->B[i]), r);
        be->gemm(be, false, false, T, r, s.part_out[i], scaling(a), dy + at, s.out, params_value(a->params, q->B[i]), r, 0,
                 du + i * r, width);
    }
    be->gemm(be, true, false, width, s.in, T, 1, du, width, x, s.in, 1, params_grad(a->params, q->A[0]), s.in);
    if (dx != NULL) be->gemm(be, false, false, T, s.in, width, 1, du, width, params_value(a->params, q->A[0]), s.in, 1, dx, s.in);
}

void lora_add(Lora *a, int64_t l, Site site, real *W)
{
    Backend *be = a->d->be;
    const SiteShape s = decoder_site(&a->d->config, site);
    for (int64_t i = 0, at = 0; i < s.n_parts; at += s.part_out[i++]) {
        be->gemm(be, false, false, s.part_out[i], s.in, a->r, scaling(a), params_value(a->params, a->site[l][site].B[i]), a->r,
                 params_value(a->params, a->site[l][site].A[i]), s.in, 1, W + at * s.in, s.in);
    }
}

void lora_merge(Lora *a)
{
    Decoder *d = a->d;
    for (int64_t l = 0; l < d->config.L; l++) {
        for (int k = 0; k < N_SITES; k++) {
            lora_add(a, l, (Site)k, params_value(d->params, decoder_site_weight(decoder_layer(d, l), (Site)k)));
            for (int i = 0; i < decoder_site(&d->config, (Site)k).n_parts; i++) {
                const int64_t B = a->site[l][k].B[i];
                d->be->zero(d->be, params_value(a->params, B), (size_t)a->params->list[B].count * sizeof(real));
            }
        }
    }
}

/* --- checkpoints ----------------------------------------------------------------------------------------------- */

static const char PEFT_PREFIX[] = "base_model.model.";

static Status save_weights(Lora *a, Arena *arena, const char *path)
{
    Params *p = a->params;
    real *host = ARENA_NEW(arena, real, p->count);
    TRY(p->be->download(p->be, host, p->value, (size_t)p->count * sizeof(real)));
    Tensor *list = ARENA_NEW(arena, Tensor, p->n);
    params_describe(p, host, PEFT_PREFIX, arena, list);
    const char *const meta[] = {"format", "pt"};
    return safetensors_write(path, list, p->n, meta, 1);
}

static Status save_config(const Lora *a, const char *path)
{
    cJSON *j = cJSON_CreateObject();
    cJSON_AddStringToObject(j, "peft_type", "LORA");
    cJSON_AddStringToObject(j, "task_type", "CAUSAL_LM");
    cJSON_AddNullToObject(j, "base_model_name_or_path");
    cJSON_AddNumberToObject(j, "r", (double)a->r);
    cJSON_AddNumberToObject(j, "lora_alpha", a->alpha);
    cJSON_AddNumberToObject(j, "lora_dropout", 0);
    cJSON_AddStringToObject(j, "bias", "none");
    cJSON_AddBoolToObject(j, "fan_in_fan_out", 0);
    cJSON *modules = cJSON_AddArrayToObject(j, "target_modules");
    for (int s = 0; s < N_SITES; s++) {
        for (int i = 0; i < 3 && SITE_NAMES[s][i] != NULL; i++) {
            cJSON_AddItemToArray(modules, cJSON_CreateString(strchr(SITE_NAMES[s][i], '.') + 1));
        }
    }
    Status status = json_write_file(path, j);
    cJSON_Delete(j);
    return status;
}

Status lora_save(Lora *a, const char *dir)
{
    TRY(dir_make(dir));
    Arena *arena = arena_create("lora checkpoint");
    Status s = save_weights(a, arena, arena_printf(arena, "%s/adapter_model.safetensors", dir));
    if (s == OK) s = save_config(a, arena_printf(arena, "%s/adapter_config.json", dir));
    arena_destroy(arena);
    return s;
}

static Status check_adapter_config(const Lora *a, const char *path)
{
    cJSON *j;
    TRY(json_read_file(path, &j));
    int64_t r = 0;
    double alpha = 0;
    Status s = json_get_int(path, j, "r", &r);
    if (s == OK) s = json_get_number(path, j, "lora_alpha", &alpha);
    cJSON_Delete(j);
    if (s == OK && (r != a->r || alpha != a->alpha)) {
        s = FAIL(E_INPUT, "attach adapters of that size", "%s: rank %lld and alpha %g, but %lld and %g are expected", path,
                 (long long)r, alpha, (long long)a->r, a->alpha);
    }
    return s;
}

static Status load_weights(Lora *a, Arena *arena, const char *path)
{
    Params *p = a->params;
    Safetensors *file;
    TRY(safetensors_open(path, &file));
    real *host = ARENA_NEW(arena, real, p->count);
    Status s = params_read(p, file, path, PEFT_PREFIX, arena, host);
    if (s == OK && safetensors_count(file) != p->n) {
        s = FAIL(E_INPUT, "the file belongs to another model configuration", "%s: %lld tensors, %lld are expected", path,
                 (long long)safetensors_count(file), (long long)p->n);
    }
    if (s == OK) p->be->upload(p->be, p->value, host, (size_t)p->count * sizeof(real));
    safetensors_close(file);
    return s;
}

Status lora_load(Lora *a, const char *dir)
{
    Arena *arena = arena_create("lora checkpoint");
    Status s = check_adapter_config(a, arena_printf(arena, "%s/adapter_config.json", dir));
    if (s == OK) s = load_weights(a, arena, arena_printf(arena, "%s/adapter_model.safetensors", dir));
    arena_destroy(arena);
    return s;
}
