/* rec/grpo_update.c -- see grpo_update.h. */
#include "rec/grpo_update.h"

#include <string.h>

#include "base/arena.h"
#include "rec/beam_common.h"
#include "rec/grpo_tree.h"

struct GrpoUpdate {
    Arena *arena;
    Backend *be;
    Decoder *d;
    const Trie *trie;
    TrieIndex x;
    GrpoOptions o;
    double temperature;
    int64_t V, max_tokens, max_sequences, max_rows;
    PromptPack pack;
    GrpoTree *tree; /* NULL: every completion is a sequence of its own */
    /* sequences of the micro-batch */
    int64_t S, T, n_rows;
    int64_t *offset;            /* (max_sequences+1) */
    int32_t *token;             /* (max_tokens) */
    int64_t *slot;              /* (max_sequences) completion of the batch each stands for (the first of its equals) */
    double *copies, *advantage; /* (max_sequences) */
    int32_t *mask;              /* (max_sequences,SID_MAX) */
    real *lp, *old, *ref, *dlp; /* (max_sequences,SID_MAX) */
    int32_t *row, *target, *at; /* (max_rows) position in the micro-batch, target token, index into lp */
    real *flat;                 /* (max_rows) */
    uint8_t *allowed;           /* (max_rows,V) */
    real *d_logits, *d_lp, *d_lse, *d_weight;
    int32_t *d_target;
    uint8_t *d_allowed;
};

GrpoUpdate *grpo_update_create(Decoder *d, const Trie *trie, int64_t max_tokens, double temperature, const GrpoOptions *options)
{
    REQUIRE(temperature > 0 && options->epsilon > 0 && options->beta >= 0, "temperature %g, epsilon %g, beta %g", temperature, options->epsilon,
            options->beta);
    Arena *a = arena_create("grpo update");
    GrpoUpdate *u = ARENA_NEW(a, GrpoUpdate, 1);
    Backend *be = decoder_params(d)->be;
    *u = (GrpoUpdate){.arena = a, .be = be, .d = d, .trie = trie, .o = *options, .temperature = temperature, .V = decoder_config(d)->V,
                      .max_tokens = max_tokens};
    u->x = trie_index(a, trie);
    u->tree = grpo_tree_create(d, trie, &u->x, max_tokens, temperature, options);
    u->max_sequences = max_tokens / 16 + 1; /* more and shorter sequences only end a micro-batch early */
    u->max_rows = u->max_sequences * trie->depth;
    size_t S = (size_t)u->max_sequences, R = (size_t)u->max_rows, V = (size_t)u->V;
    u->pack = prompt_pack_create(a, be, u->max_sequences, max_tokens);
    u->offset = ARENA_NEW(a, int64_t, S + 1);
    u->token = ARENA_NEW(a, int32_t, max_tokens);
    u->slot = ARENA_NEW(a, int64_t, S);
    u->copies = ARENA_NEW(a, double, S);
    u->advantage = ARENA_NEW(a, double, S);
    u->mask = ARENA_NEW(a, int32_t, S * SID_MAX);
    real **per_token[] = {&u->lp, &u->old, &u->ref, &u->dlp};
    for (size_t i = 0; i < sizeof per_token / sizeof *per_token; i++) *per_token[i] = ARENA_NEW(a, real, S * SID_MAX);
    int32_t **per_row[] = {&u->row, &u->target, &u->at};
    for (size_t i = 0; i < sizeof per_row / sizeof *per_row; i++) *per_row[i] = ARENA_NEW(a, int32_t, R);
    u->flat = ARENA_NEW(a, real, R);
    u->allowed = ARENA_NEW(a, uint8_t, R * V);
    u->d_logits = be->alloc(be, R * V * sizeof(real));
    real **device[] = {&u->d_lp, &u->d_lse, &u->d_weight};
    for (size_t i = 0; i < sizeof device / sizeof *device; i++) *device[i] = be->alloc(be, R * sizeof(real));
    u->d_target = be->alloc(be, R * sizeof(int32_t));
    u->d_allowed = be->alloc(be, R * V);
    return u;
}

void grpo_update_destroy(GrpoUpdate *u)
{
    if (!u) return;
    grpo_tree_destroy(u->tree);
    prompt_pack_destroy(&u->pack);
    void *blocks[] = {u->d_logits, u->d_lp, u->d_lse, u->d_weight, u->d_target, u->d_allowed};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) u->be->release(u->be, blocks[i]);
    arena_destroy(u->arena);
}

/* add_row -- the position `row` of the micro-batch predicts the token that leads from the parent of `node` to it. */
static void add_row(GrpoUpdate *u, int64_t row, int32_t node, int64_t at)
{
    const Trie *t = u->trie;
    int32_t up = u->x.parent[node];
    u->row[u->n_rows] = (int32_t)row;
    u->target[u->n_rows] = t->child_token[node - 1];
    u->at[u->n_rows] = (int32_t)at;
    uint8_t *allowed = u->allowed + u->n_rows * u->V;
    memset(allowed, 0, (size_t)u->V);
    for (int32_t c = t->first_child[up]; c < t->first_child[up + 1]; c++) allowed[t->child_token[c]] = 1;
    u->n_rows++;
}

/* add_completion -- append prompt and completion; false when it does not fit. */
static bool add_completion(GrpoUpdate *u, const GrpoBatch *b, int64_t slot, double copies)
{
    int64_t p = slot / b->G, n = b->offset[p + 1] - b->offset[p];
    int32_t leaf = u->x.leaf_of[b->item[slot]];
    REQUIRE(leaf > 0, "item %d is not in the trie", b->item[slot]);
    int64_t length = u->x.level[leaf], total = n + length - 1;
    if (u->S == u->max_sequences || u->T + total > u->max_tokens) return false;
    int64_t s = u->S++;
    memcpy(u->token + u->T, b->token + b->offset[p], (size_t)n * sizeof *u->token);
    for (int64_t k = 0; k < SID_MAX; k++) u->mask[s * SID_MAX + k] = k < length;
    memcpy(u->old + s * SID_MAX, b->old + slot * SID_MAX, SID_MAX * sizeof(real));
    memcpy(u->ref + s * SID_MAX, b->ref + slot * SID_MAX, SID_MAX * sizeof(real));
    for (int32_t v = leaf; v > 0; v = u->x.parent[v]) {
        int64_t k = u->x.level[v] - 1; /* v's token is the k-th of the completion, predicted at position n-1+k */
        add_row(u, u->T + n - 1 + k, v, s * SID_MAX + k);
        if (k + 1 < length) u->token[u->T + n + k] = u->trie->child_token[v - 1];
    }
    u->slot[s] = slot;
    u->copies[s] = copies;
    u->advantage[s] = b->advantage[slot];
    u->offset[s] = u->T;
    u->T += total;
    return true;
}

/* run_micro_batch -- forward, loss, backward of what was added; empties it. */
static Status run_micro_batch(GrpoUpdate *u, double total, GrpoSums *sums)
{
    Backend *be = u->be;
    int64_t n = u->n_rows;
    size_t bytes = (size_t)n * sizeof(real);
    u->offset[u->S] = u->T;
    TRY(prompt_pack_set(&u->pack, u->S, u->offset, u->token, u->max_tokens));
    decoder_forward(u->d, &u->pack.packed, u->pack.token, (Dropout){0});
    decoder_logits(u->d, n, u->row, u->d_logits);
    be->scale(be, n * u->V, (real)(1 / u->temperature), u->d_logits);
    be->upload(be, u->d_target, u->target, (size_t)n * sizeof *u->target);
    be->upload(be, u->d_allowed, u->allowed, (size_t)(n * u->V));
    be->xent(be, n, u->V, u->d_logits, u->V, u->d_target, NULL, u->d_allowed, u->d_lp, u->d_lse);
    TRY(be->download(be, u->flat, u->d_lp, bytes));
    for (int64_t i = 0; i < n; i++) u->lp[u->at[i]] = u->flat[i];
    TRY(grpo_accumulate(&u->o, u->S, SID_MAX, u->lp, u->old, u->ref, u->mask, u->advantage, u->copies, total, sums, u->dlp));
    for (int64_t i = 0; i < n; i++) u->flat[i] = -u->dlp[u->at[i]]; /* the backend's weight is dLoss/d(-lp) */
    be->upload(be, u->d_weight, u->flat, bytes);
    be->xent_bwd(be, n, u->V, u->d_logits, u->V, u->d_target, NULL, u->d_allowed, u->d_lse, u->d_weight);
    be->scale(be, n * u->V, (real)(1 / u->temperature), u->d_logits);
    decoder_backward_rows(u->d, n, u->row, u->d_logits);
    return OK;
}

/* flush -- run the micro-batch and hand out its log-probabilities. */
static Status flush(GrpoUpdate *u, const GrpoBatch *b, GrpoSums *sums, real *lp)
{
    if (u->S > 0) TRY(run_micro_batch(u, (double)(b->n * b->G), sums));
    for (int64_t s = 0; s < u->S && lp; s++) {
        int64_t first = u->slot[s] / b->G * b->G;
        for (int64_t g = first; g < first + b->G; g++)
            for (int64_t k = 0; k < SID_MAX && b->item[g] == b->item[u->slot[s]]; k++)
                lp[g * SID_MAX + k] = u->mask[s * SID_MAX + k] ? u->lp[s * SID_MAX + k] : 0;
    }
    u->S = u->T = u->n_rows = 0;
    return OK;
}

Status grpo_update_run(GrpoUpdate *u, const GrpoBatch *b, GrpoLoss *loss, real *lp)
{
    GrpoSums sums = {0};
    if (u->tree != NULL && grpo_tree_fits(u->tree, b)) {
        TRY(grpo_tree_run(u->tree, b, &sums, lp));
        if (loss) *loss = grpo_summary(&u->o, &sums);
        return OK;
    }
    u->S = u->T = u->n_rows = 0;
    for (int64_t slot = 0; slot < b->n * b->G; slot++) {
        int64_t first = slot / b->G * b->G;
        double copies = 0;
        bool seen = false;
        for (int64_t g = first; g < first + b->G; g++) {
            bool same = b->item[g] == b->item[slot];
            copies += same ? 1 : 0;
            seen = seen || (same && g < slot);
        }
        if (seen || add_completion(u, b, slot, copies)) continue;
        TRY(flush(u, b, &sums, lp));
        REQUIRE(add_completion(u, b, slot, copies), "micro-batches of %lld tokens are too small for one sequence", (long long)u->max_tokens);
    }
    TRY(flush(u, b, &sums, lp));
    if (loss) *loss = grpo_summary(&u->o, &sums);
    return OK;
}
