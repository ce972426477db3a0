/* rec/baseline_score.c -- full-catalogue scores of a trained sequence model (baseline_scorer of baseline.h).
 *
 * Histories of consecutive rows are packed into one forward pass; only the output at each last position is kept, and all rows' outputs meet
 * the item embedding in one matrix product.
 */
#include "rec/baseline.h"

#include <string.h>

typedef struct ModelScorer {
    Scorer scorer;
    SeqModel *model;
    int64_t history, out_rows, score_rows; /* rows of the buffers below */
    SeqBatch *batch;
    int32_t *h_last, *last;    /* rows of the batch to keep: host, backend */
    real *out, *scores;        /* (out_rows,C), (score_rows,N) backend */
} ModelScorer;

/* Run the batch and put the outputs at its last positions into rows [at, at + B) of out. */
static void run_batch(ModelScorer *s, int64_t at)
{
    SeqModel *m = s->model;
    Backend *be = m->be;
    SeqBatch *b = s->batch;
    if (b->B == 0) return;
    const real *hidden = m->forward(m->self, seqbatch_packed(b), b->item, (Dropout){0});
    for (int64_t i = 0; i < b->B; i++) s->h_last[i] = b->offset[i + 1] - 1;
    be->upload(be, s->last, s->h_last, (size_t)b->B * sizeof *s->last);
    be->gather_rows(be, b->B, m->C, s->last, hidden, s->out + at * m->C);
    seqbatch_clear(b);
}

static void reserve(Backend *be, real **buffer, int64_t *rows, int64_t n, int64_t width)
{
    if (n <= *rows) return;
    be->release(be, *buffer);
    *buffer = be->alloc(be, (size_t)(n * width) * sizeof(real));
    *rows = n;
}

/* Outputs at the last positions of rows [first, first+n), to the first n rows of out. */
static void outputs(ModelScorer *s, const Rows *rows, int64_t first, int64_t n)
{
    reserve(s->model->be, &s->out, &s->out_rows, n, s->model->C);
    seqbatch_clear(s->batch);
    for (int64_t r = first; r < first + n; r++) {
        const int64_t end = rows->offset[r + 1], length = end - rows->offset[r];
        const int64_t keep = length < s->history ? length : s->history;
        if (s->batch->T + keep > s->batch->capacity) run_batch(s, r - first - s->batch->B);
        seqbatch_add(s->batch, keep, rows->history + end - keep, NULL);
    }
    run_batch(s, n - s->batch->B);
}

static Status score(void *self, const Rows *rows, int64_t first, int64_t n, real *out)
{
    ModelScorer *s = self;
    SeqModel *m = s->model;
    Backend *be = m->be;
    outputs(s, rows, first, n);
    reserve(be, &s->scores, &s->score_rows, n, m->N);
    be->gemm(be, false, true, n, m->N, m->C, 1, s->out, m->C, params_value(m->params, m->item_emb), m->C, 0, s->scores, m->N);
    return be->download(be, out, s->scores, (size_t)(n * m->N) * sizeof(real));
}

static Status vectors(void *self, const Rows *rows, int64_t first, int64_t n, const real **vector)
{
    ModelScorer *s = self;
    outputs(s, rows, first, n);
    *vector = s->out;
    return OK;
}

Scorer *baseline_scorer(SeqModel *m, const Dataset *d, int64_t history, Arena *arena)
{
    REQUIRE(history >= 1 && history <= m->max_len && history <= m->max_tokens && m->N == d->N, "history %lld, model of %lld",
            (long long)history, (long long)m->max_len);
    ModelScorer *s = ARENA_NEW(arena, ModelScorer, 1);
    *s = (ModelScorer){.model = m, .history = history, .batch = seqbatch_create(m->be, arena, m->max_tokens)};
    s->h_last = ARENA_NEW(arena, int32_t, m->max_tokens);
    s->last = m->be->alloc(m->be, (size_t)m->max_tokens * sizeof *s->last);
    s->scorer = (Scorer){.name = m->kind, .self = s, .score = score};
    if (strcmp(m->be->name, "cpu") == 0) { /* its memory is the host's */
        s->scorer.vectors = vectors;
        s->scorer.table = params_value(m->params, m->item_emb);
        s->scorer.C = m->C;
    }
    return &s->scorer;
}

void baseline_scorer_destroy(Scorer *scorer)
{
    if (scorer == NULL) return;
    ModelScorer *s = scorer->self;
    Backend *be = s->model->be;
    be->release(be, s->last);
    be->release(be, s->out);
    be->release(be, s->scores);
    seqbatch_destroy(s->batch);
}
