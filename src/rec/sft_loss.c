/* rec/sft_loss.c -- the next-token loss under the chosen softmax.
 *
 *   full   over the vocabulary: the model must also learn which codes exist
 *   level  over the codes of the target's level
 *   trie   over the tokens that the trie of real SIDs allows after the SID's earlier tokens: exp(-loss of an item) is then a distribution over the
 *          catalogue, the very one that renormalised beam scores and GRPO use. A token without an alternative has loss 0 and is skipped.
 * Text targets: full uses the vocabulary, the others everything that is not a SID token.
 */
#include <string.h>

#include "rec/sft_internal.h"

struct SftLoss {
    int64_t max_rows, V;
    int32_t *row, *target;             /* (max_rows) rows of the batch with a choice */
    uint8_t *allowed;                  /* (max_rows,V) */
    real *lp, *weight;                 /* (max_rows) */
    int32_t *d_target;                 /* the same in backend memory */
    uint8_t *d_allowed;
    real *d_logits, *d_lp, *d_lse, *d_weight;
};

void sft_loss_create(SftTrainer *t)
{
    if (t->o->softmax != SOFTMAX_TRIE) return;
    Backend *be = t->in->be;
    SftLoss *l = t->loss = ARENA_NEW(t->arena, SftLoss, 1);
    size_t n = (size_t)t->o->batch_tokens, V = (size_t)t->in->config.V;
    l->max_rows = (int64_t)n;
    l->V = (int64_t)V;
    l->row = ARENA_NEW(t->arena, int32_t, n);
    l->target = ARENA_NEW(t->arena, int32_t, n);
    l->allowed = ARENA_NEW(t->arena, uint8_t, n * V);
    l->lp = ARENA_NEW(t->arena, real, n);
    l->weight = ARENA_NEW(t->arena, real, n);
    l->d_target = be->alloc(be, n * sizeof(int32_t));
    l->d_allowed = be->alloc(be, n * V);
    l->d_logits = be->alloc(be, n * V * sizeof(real));
    l->d_lp = be->alloc(be, n * sizeof(real));
    l->d_lse = be->alloc(be, n * sizeof(real));
    l->d_weight = be->alloc(be, n * sizeof(real));
}

void sft_loss_destroy(SftTrainer *t)
{
    if (t->loss == NULL) return;
    void *blocks[] = {t->loss->d_target, t->loss->d_allowed, t->loss->d_logits, t->loss->d_lp, t->loss->d_lse, t->loss->d_weight};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; ++i) t->in->be->release(t->in->be, blocks[i]);
}

/* Rows that have a choice, with the columns they choose from. A SID starts at the root with its first code; its later tokens follow on. */
static int64_t mark_choices(const SftTrainer *t, const Batch *b, const real *weight)
{
    SftLoss *l = t->loss;
    const Trie *trie = t->in->trie;
    const Vocab *v = t->in->builder->vocab;
    int64_t n = 0;
    int32_t node = 0;
    for (int64_t i = 0; i < b->T; ++i) {
        int32_t target = b->target[i];
        if (target == TARGET_IGNORED) continue;
        int64_t level = vocab_level(v, target);
        uint8_t *allowed = l->allowed + n * l->V;
        if (level < 0) {
            memset(allowed, 1, (size_t)v->sid_base);
            memset(allowed + v->sid_base, 0, (size_t)(v->V - v->sid_base));
        } else {
            if (level == 0) node = 0;
            int32_t first = trie->first_child[node], end = trie->first_child[node + 1];
            node = trie_child(trie, node, target);
            REQUIRE(node > 0, "target %d at row %lld continues no SID", target, (long long)i);
            if (end - first == 1) continue;
            memset(allowed, 0, (size_t)l->V);
            for (int32_t c = first; c < end; ++c) allowed[trie->child_token[c]] = 1;
        }
        l->row[n] = (int32_t)i;
        l->target[n] = target;
        l->weight[n++] = weight != NULL ? weight[i] : 0;
    }
    return n;
}

static Status trie_loss(SftTrainer *t, const Batch *b, const real *weight, real *logp)
{
    SftLoss *l = t->loss;
    Backend *be = t->in->be;
    int64_t n = mark_choices(t, b, weight);
    memset(logp, 0, (size_t)b->T * sizeof *logp);
    if (n == 0) return OK;
    decoder_logits(t->decoder, n, l->row, l->d_logits);
    be->upload(be, l->d_target, l->target, (size_t)n * sizeof *l->target);
    be->upload(be, l->d_allowed, l->allowed, (size_t)(n * l->V));
    be->xent(be, n, l->V, l->d_logits, l->V, l->d_target, NULL, l->d_allowed, l->d_lp, l->d_lse);
    TRY(be->download(be, l->lp, l->d_lp, (size_t)n * sizeof *l->lp));
    for (int64_t i = 0; i < n; ++i) logp[l->row[i]] = l->lp[i];
    if (weight == NULL) return OK;
    be->upload(be, l->d_weight, l->weight, (size_t)n * sizeof *l->weight);
    be->xent_bwd(be, n, l->V, l->d_logits, l->V, l->d_target, NULL, l->d_allowed, l->d_lse, l->d_weight);
    decoder_backward_rows(t->decoder, n, l->row, l->d_logits);
    return OK;
}

Status sft_loss(SftTrainer *t, const Batch *b, const real *weight, real *logp)
{
    if (t->o->softmax == SOFTMAX_TRIE) return trie_loss(t, b, weight, logp);
    return decoder_loss(t->decoder, b->target, t->o->softmax == SOFTMAX_LEVEL ? b->range : NULL, weight, logp);
}

Status sft_loss_step(SftTrainer *t, Batch *b, Dropout drop)
{
    const Packed *pk = batch_finish(b);
    if (t->o->softmax != SOFTMAX_TRIE) {
        return decoder_step(t->decoder, pk, b->token, drop, b->target, t->o->softmax == SOFTMAX_LEVEL ? b->range : NULL, b->weight, t->logp);
    }
    decoder_forward(t->decoder, pk, b->token, drop);
    return trie_loss(t, b, b->weight, t->logp);
}
