/* sid/rqtrain.c -- training loop of the RQ-VAE (steps in rqtrain.h). */
#include "sid/rqtrain.h"

#include <math.h>
#include <stdio.h>
#include <string.h>

#include "base/log.h"
#include "base/rng.h"
#include "nn/adamw.h"

Status rq_refit_codebooks(Backend *be, int64_t N, int64_t Z, int64_t Q, int64_t K, const real *v, int64_t iterations, uint64_t seed, real *book,
                          int32_t *code, double *mse)
{
    Arena *scratch = arena_create("rq_refit");
    real *rest = ARENA_NEW(scratch, real, N * Z);
    int32_t *picked = ARENA_NEW(scratch, int32_t, N);
    memcpy(rest, v, (size_t)(N * Z) * sizeof *rest);
    Status status = OK;
    for (int64_t l = 0; l < Q && status == OK; l++) {
        Rng rng = rng_make(seed, RNG_STAGE_TOKENIZE, RNG_SAMPLE, 0, (uint64_t)l);
        KmeansResult result;
        real *level = book + l * K * Z;
        status = kmeans_fit(be, N, Z, K, rest, iterations, &rng, level, picked, &result);
        if (status != OK) break;
        for (int64_t i = 0; i < N; i++) {
            code[i * Q + l] = picked[i];
            for (int64_t j = 0; j < Z; j++) rest[i * Z + j] -= level[picked[i] * Z + j];
        }
        mse[l] = result.inertia / (double)Z;
    }
    arena_destroy(scratch);
    return status;
}

typedef struct Trainer {
    RqModel *m;
    const RqTraining *t;
    Arena *arena;
    int64_t N;
    const real *x;
    real *batch;          /* (batch,E) backend memory */
    int32_t *row_device;  /* (batch) */
    int32_t *order;       /* (N) */
    int64_t *used;        /* (Q,K) items per code in this epoch */
    FILE *log;
    AdamW adam;
    RqReport *report;
} Trainer;

/* Latent vectors of all items -> codebooks of all levels. */
static Status codebooks_set(Trainer *tr)
{
    RqModel *m = tr->m;
    int64_t Z = m->cfg.dims[m->cfg.n_layers], Q = m->cfg.Q, K = m->cfg.K;
    ArenaMark mark = arena_mark(tr->arena);
    real *z = ARENA_NEW(tr->arena, real, tr->N * Z), *book = ARENA_NEW(tr->arena, real, Q * K * Z);
    int32_t *code = ARENA_NEW(tr->arena, int32_t, tr->N * Q);
    double mse[RQ_MAX_LEVELS];
    bool bypass = m->bypass;
    m->bypass = true; /* the codebooks are not needed to get z */
    TRY(rqvae_encode(m, tr->N, tr->x, NULL, z, NULL));
    m->bypass = bypass;
    TRY(rq_refit_codebooks(m->be, tr->N, Z, Q, K, z, tr->t->kmeans_iterations, tr->t->seed, book, code, mse));
    for (int64_t l = 0; l < Q; l++)
        m->be->upload(m->be, params_value(m->params, m->codebook[l]), book + l * K * Z, (size_t)(K * Z) * sizeof *book);
    arena_release(tr->arena, mark);
    return OK;
}

/* Moves codes that no item used in the epoch onto residuals of badly reconstructed items of the last batch's kind: rows are drawn from one
 * fresh pass over (at most) max_batch items in this epoch's order. Returns how many moved. */
static Status dead_codes_move(Trainer *tr, int64_t epoch, int64_t *moved)
{
    RqModel *m = tr->m;
    Backend *be = m->be;
    int64_t E = m->cfg.dims[0], Z = m->cfg.dims[m->cfg.n_layers], Q = m->cfg.Q, K = m->cfg.K, B = tr->N < m->max_batch ? tr->N : m->max_batch, dead = 0;
    *moved = 0;
    for (int64_t i = 0; i < Q * K; i++) dead += tr->used[i] == 0;
    if (dead == 0) return OK;
    ArenaMark mark = arena_mark(tr->arena);
    real *before = ARENA_NEW(tr->arena, real, B * Z), *after = ARENA_NEW(tr->arena, real, B * Z);
    double *error = ARENA_NEW(tr->arena, double, B);
    be->upload(be, tr->row_device, tr->order, (size_t)B * sizeof *tr->order);
    be->gather_rows(be, B, E, tr->row_device, tr->x, tr->batch);
    TRY(rqvae_forward(m, B, tr->batch, NULL));
    for (int64_t l = 0; l < Q; l++) {
        TRY(be->download(be, before, m->resid[l], (size_t)(B * Z) * sizeof *before));
        TRY(be->download(be, after, m->resid[l + 1], (size_t)(B * Z) * sizeof *after));
        double total = 0;
        for (int64_t b = 0; b < B; b++) {
            error[b] = 0;
            for (int64_t j = 0; j < Z; j++) error[b] += (double)after[b * Z + j] * (double)after[b * Z + j];
            total += error[b];
        }
        Rng rng = rng_make(tr->t->seed, RNG_STAGE_TOKENIZE, RNG_TIES, (uint32_t)epoch, (uint64_t)l);
        for (int64_t k = 0; k < K && total > 0; k++) {
            if (tr->used[l * K + k]) continue;
            int64_t row = rng_categorical(&rng, error, B), at = m->params->list[m->codebook[l]].at + k * Z;
            be->upload(be, m->params->value + at, before + row * Z, (size_t)Z * sizeof *before);
            be->zero(be, m->params->m + at, (size_t)Z * sizeof *before);
            be->zero(be, m->params->v + at, (size_t)Z * sizeof *before);
            total -= error[row]; /* each item serves one code */
            error[row] = 0;
            ++*moved;
        }
    }
    arena_release(tr->arena, mark);
    return OK;
}

static Status epoch_run(Trainer *tr, int64_t epoch, RqLoss *mean)
{
    RqModel *m = tr->m;
    Backend *be = m->be;
    int64_t E = m->cfg.dims[0];
    Rng rng = rng_make(tr->t->seed, RNG_STAGE_TOKENIZE, RNG_SHUFFLE, (uint32_t)epoch, 0);
    for (int32_t i = 0; i < tr->N; i++) tr->order[i] = i;
    rng_shuffle_i32(&rng, tr->order, tr->N);
    memset(tr->used, 0, (size_t)(m->cfg.Q * m->cfg.K) * sizeof *tr->used);
    *mean = (RqLoss){0};
    for (int64_t i = 0, B; i < tr->N; i += B) {
        RqLoss loss;
        B = tr->N - i < tr->t->batch ? tr->N - i : tr->t->batch;
        be->upload(be, tr->row_device, tr->order + i, (size_t)B * sizeof *tr->order);
        be->gather_rows(be, B, E, tr->row_device, tr->x, tr->batch);
        params_zero_grad(m->params);
        TRY(rqvae_forward(m, B, tr->batch, &loss));
        rqvae_backward(m);
        TRY(adamw_step(&tr->adam, m->params, NULL));
        tr->report->steps++;
        for (int64_t l = 0; l < m->cfg.Q && !m->bypass; l++)
            for (int64_t b = 0; b < B; b++) tr->used[l * m->cfg.K + m->code[l][b]]++;
        double share = (double)B / (double)tr->N;
        mean->total += share * loss.total;
        mean->recon += share * loss.recon;
        mean->rq += share * loss.rq;
    }
    return OK;
}

static Status trainer_run(Trainer *tr)
{
    const RqTraining *t = tr->t;
    RqModel *m = tr->m;
    Progress bar;
    int64_t total = t->warmup_epochs + t->epochs;
    progress_begin(&bar, "epochs", total, 0);
    if (tr->log) fputs("epoch\tphase\tloss\trecon\trq\tdead\n", tr->log);
    rqvae_init(m, t->seed);
    m->bypass = true;
    for (int64_t epoch = 0; epoch < total; epoch++) {
        RqLoss loss;
        int64_t moved = 0, trained = epoch - t->warmup_epochs;
        if (trained == 0) {
            m->bypass = false;
            TRY(codebooks_set(tr));
        }
        TRY(epoch_run(tr, epoch, &loss));
        if (trained >= 0 && 4 * trained < 3 * t->epochs) TRY(dead_codes_move(tr, epoch, &moved));
        tr->report->dead_moved += moved;
        if (tr->log)
            fprintf(tr->log, "%lld\t%s\t%.6f\t%.6f\t%.6f\t%lld\n", (long long)epoch, m->bypass ? "warmup" : "train", loss.total, loss.recon, loss.rq,
                    (long long)moved);
        progress_update(&bar, epoch + 1, "loss %.4f recon %.4f", loss.total, loss.recon);
    }
    progress_end(&bar);
    m->bypass = false;
    if (t->refit || t->epochs == 0) TRY(codebooks_set(tr));
    return rqvae_encode(m, tr->N, tr->x, NULL, NULL, &tr->report->loss);
}

Status rqvae_train(RqModel *m, int64_t N, const real *x, const RqTraining *t, FILE *log, RqReport *report)
{
    REQUIRE(t->batch >= 1 && t->batch <= m->max_batch && N >= 1 && N <= INT32_MAX && m->params->grad, "batch %lld of %lld", (long long)t->batch,
            (long long)m->max_batch);
    double start = time_now_s();
    Arena *arena = arena_create("rqvae_train");
    *report = (RqReport){0};
    int64_t steps = (t->warmup_epochs + t->epochs) * ((N + t->batch - 1) / t->batch);
    Trainer tr = {.m = m, .t = t, .arena = arena, .N = N, .x = x, .log = log, .report = report};
    tr.adam = (AdamW){.lr = t->lr, .beta1 = 0.9, .beta2 = 0.999, .eps = 1e-8, .weight_decay = t->weight_decay, .max_norm = 1.0, .min_lr_ratio = 0.02,
                      .warmup_steps = steps / 50, .total_steps = steps};
    tr.batch = m->be->alloc(m->be, (size_t)(m->max_batch * m->cfg.dims[0]) * sizeof(real));
    tr.row_device = m->be->alloc(m->be, (size_t)m->max_batch * sizeof(int32_t));
    tr.order = ARENA_NEW(arena, int32_t, N);
    tr.used = ARENA_NEW(arena, int64_t, m->cfg.Q * m->cfg.K);
    Status status = trainer_run(&tr);
    m->be->release(m->be, tr.batch);
    m->be->release(m->be, tr.row_device);
    arena_destroy(arena);
    report->seconds = time_now_s() - start;
    return status;
}
