/* rec/grpo_tree.c -- see grpo_tree.h.
 *
 * Deviations from the paper: none.
 */
#include "rec/grpo_tree.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "nn/decoder_fused.h"

/* What a lane adds up for itself. */
typedef struct LaneSums { GrpoSums sums; Status status; real *lp, *dlp; float *lse; } LaneSums;

struct GrpoTree {
    Arena *arena;
    Backend *be;
    Decoder *d;
    const Trie *trie;
    const TrieIndex *x;
    GrpoOptions o;
    double temperature, total;
    int64_t V, max_tokens;
    /* the micro-batch: sequences (prompts), their tokens, completions and predictions; arrays in `step`, which is released after each */
    Arena *step;
    int64_t S, T, n_completions, n_entries, room; /* room: prompts */
    int64_t *offset, *entry, *completion;         /* (room+1) */
    int32_t *token, *start, *stem, *row, *node;   /* (max_tokens) twice, (room), (entries) twice: node the prediction leads to */
    int64_t *slot;                                /* (completions) */
    int64_t *at;                                  /* (entries) index into (completions,SID_MAX) */
    double *copies, *advantage;
    int32_t *mask;
    real *old, *ref, *lp;                         /* (completions,SID_MAX) */
    PromptPack pack;
    LaneSums *lane;
};

GrpoTree *grpo_tree_create(Decoder *d, const Trie *trie, const TrieIndex *x, int64_t max_tokens, double temperature, const GrpoOptions *options)
{
    if (!decoder_fused_fits(d)) return NULL;
    Arena *a = arena_create("grpo tree");
    GrpoTree *t = ARENA_NEW(a, GrpoTree, 1);
    Backend *be = decoder_params(d)->be;
    *t = (GrpoTree){.arena = a, .be = be, .d = d, .trie = trie, .x = x, .o = *options, .temperature = temperature, .V = decoder_config(d)->V,
                    .max_tokens = max_tokens};
    t->pack = prompt_pack_create(a, be, max_tokens, max_tokens);
    t->lane = ARENA_NEW(a, LaneSums, be->lanes);
    t->step = arena_create("grpo batch");
    return t;
}

void grpo_tree_destroy(GrpoTree *t)
{
    if (t == NULL) return;
    prompt_pack_destroy(&t->pack);
    arena_destroy(t->step);
    arena_destroy(t->arena);
}

/* Arrays for up to `prompts` prompts with G completions each, max_tokens tokens in all. */
static void begin(GrpoTree *t, int64_t prompts, int64_t G)
{
    Arena *a = t->step;
    t->room = prompts < t->max_tokens ? prompts : t->max_tokens; /* each has a token at least */
    const int64_t most = t->room * G;
    t->S = t->T = t->n_completions = t->n_entries = 0;
    t->offset = ARENA_NEW(a, int64_t, t->room + 1);
    t->entry = ARENA_NEW(a, int64_t, t->room + 1);
    t->completion = ARENA_NEW(a, int64_t, t->room + 1);
    t->stem = ARENA_NEW(a, int32_t, t->room);
    t->token = ARENA_NEW(a, int32_t, t->max_tokens);
    t->start = ARENA_NEW(a, int32_t, t->max_tokens);
    t->row = ARENA_NEW(a, int32_t, most * SID_MAX);
    t->node = ARENA_NEW(a, int32_t, most * SID_MAX);
    t->at = ARENA_NEW(a, int64_t, most * SID_MAX);
    t->slot = ARENA_NEW(a, int64_t, most);
    t->copies = ARENA_NEW(a, double, most);
    t->advantage = ARENA_NEW(a, double, most);
    t->mask = ARENA_NEW(a, int32_t, most * SID_MAX);
    real **per_code[] = {&t->old, &t->ref, &t->lp};
    for (size_t i = 0; i < sizeof per_code / sizeof *per_code; i++) *per_code[i] = ARENA_NEW(a, real, most * SID_MAX);
}

/* How often completion g of its prompt was drawn; 0 when an earlier one is equal. */
static double copies_of(const GrpoBatch *b, int64_t first, int64_t g)
{
    double n = 0;
    for (int64_t k = 0; k < b->G; k++) {
        if (b->item[first + k] != b->item[first + g]) continue;
        if (k < g) return 0;
        n++;
    }
    return n;
}

static int32_t leaf_of(const GrpoTree *t, int32_t item)
{
    const int32_t leaf = t->x->leaf_of[item];
    REQUIRE(leaf > 0, "item %d is not in the trie", item);
    return leaf;
}

/* One branch: codes of the completion but the last are tokens; each of its codes is predicted by the row before it. */
static void add_branch(GrpoTree *t, const GrpoBatch *b, int64_t slot, double copies, int64_t begin_row)
{
    const int32_t leaf = leaf_of(t, b->item[slot]);
    const int64_t c = t->n_completions++, length = t->x->level[leaf], stem = t->stem[t->S], first = t->T;
    for (int64_t k = 0; k < SID_MAX; k++) t->mask[c * SID_MAX + k] = k < length;
    memcpy(t->old + c * SID_MAX, b->old + slot * SID_MAX, SID_MAX * sizeof(real));
    memcpy(t->ref + c * SID_MAX, b->ref + slot * SID_MAX, SID_MAX * sizeof(real));
    t->slot[c] = slot;
    t->copies[c] = copies;
    t->advantage[c] = b->advantage[slot];
    for (int32_t v = leaf; v > 0; v = t->x->parent[v]) {
        const int64_t k = t->x->level[v] - 1, e = t->n_entries++;
        t->row[e] = (int32_t)(k == 0 ? begin_row + stem - 1 : first + k - 1);
        t->node[e] = v;
        t->at[e] = c * SID_MAX + k;
        if (k + 1 < length) {
            t->token[first + k] = t->trie->child_token[v - 1];
            t->start[first + k] = (int32_t)(first - begin_row);
        }
    }
    t->T += length - 1;
}

/* Prompt p with its completions; false when it does not fit any more. */
static bool add_prompt(GrpoTree *t, const GrpoBatch *b, int64_t p)
{
    const int64_t n = b->offset[p + 1] - b->offset[p], first = p * b->G;
    int64_t need = n;
    for (int64_t g = 0; g < b->G; g++)
        if (copies_of(b, first, g) > 0) need += t->x->level[leaf_of(t, b->item[first + g])] - 1;
    if (t->T + need > t->max_tokens || t->S == t->room) return false;
    const int64_t begin_row = t->T;
    t->offset[t->S] = t->T;
    t->entry[t->S] = t->n_entries;
    t->completion[t->S] = t->n_completions;
    t->stem[t->S] = (int32_t)n;
    memcpy(t->token + t->T, b->token + b->offset[p], (size_t)n * sizeof *t->token);
    memset(t->start + t->T, 0, (size_t)n * sizeof *t->start);
    t->T += n;
    for (int64_t g = 0; g < b->G; g++) {
        const double copies = copies_of(b, first, g);
        if (copies > 0) add_branch(t, b, first + g, copies, begin_row);
    }
    t->S++;
    return true;
}

/* The softmax over the children of a node's parent: log-sum-exp of their logits at the temperature. */
static float children_lse(const GrpoTree *t, int32_t up, const float *logits)
{
    const Trie *trie = t->trie;
    const float scale = (float)(1 / t->temperature);
    float max = -INFINITY, sum = 0;
    for (int32_t c = trie->first_child[up]; c < trie->first_child[up + 1]; c++) max = fmaxf(max, logits[trie->child_token[c]] * scale);
    for (int32_t c = trie->first_child[up]; c < trie->first_child[up + 1]; c++) sum += expf(logits[trie->child_token[c]] * scale - max);
    return max + logf(sum);
}

/* logits := weight * (softmax over the children - [target]) / temperature, 0 elsewhere */
static void children_gradient(const GrpoTree *t, int32_t node, float lse, float weight, float *logits, int64_t ld, float *copy)
{
    const Trie *trie = t->trie;
    const int32_t up = t->x->parent[node], first = trie->first_child[up], end = trie->first_child[up + 1];
    const float scale = (float)(1 / t->temperature);
    for (int32_t c = first; c < end; c++) copy[c - first] = expf(logits[trie->child_token[c]] * scale - lse);
    memset(logits, 0, (size_t)ld * sizeof *logits);
    for (int32_t c = first; c < end; c++) logits[trie->child_token[c]] = weight * scale * (copy[c - first] - (c == node - 1 ? 1.0f : 0.0f));
}

static void sequence_loss(void *arg, int lane_number, int64_t s, float *logits, int64_t ld)
{
    GrpoTree *t = arg;
    LaneSums *lane = &t->lane[lane_number];
    const int64_t e0 = t->entry[s], n = t->entry[s + 1] - e0, c0 = t->completion[s], S = t->completion[s + 1] - c0;
    float *copy = lane->lse + n;
    for (int64_t i = 0; i < n; i++) {
        const int32_t v = t->node[e0 + i];
        lane->lse[i] = children_lse(t, t->x->parent[v], logits + i * ld);
        t->lp[t->at[e0 + i]] = (real)(logits[i * ld + t->trie->child_token[v - 1]] * (float)(1 / t->temperature) - lane->lse[i]);
    }
    const Status status = grpo_accumulate(&t->o, S, SID_MAX, t->lp + c0 * SID_MAX, t->old + c0 * SID_MAX, t->ref + c0 * SID_MAX, t->mask + c0 * SID_MAX,
                                          t->advantage + c0, t->copies + c0, t->total, &lane->sums, lane->dlp);
    if (status != OK) lane->status = status;
    for (int64_t i = 0; i < n; i++) {
        const float weight = status == OK ? (float)-lane->dlp[t->at[e0 + i] - c0 * SID_MAX] : 0;
        children_gradient(t, t->node[e0 + i], lane->lse[i], weight, logits + i * ld, ld, copy);
    }
}

static Status run(GrpoTree *t, const GrpoBatch *b, GrpoSums *sums, real *lp)
{
    t->offset[t->S] = t->T;
    t->entry[t->S] = t->n_entries;
    t->completion[t->S] = t->n_completions;
    TRY(prompt_pack_set(&t->pack, t->S, t->offset, t->token, t->max_tokens));
    for (int64_t s = 0; s < t->S; s++) /* branches continue the stem's positions */
        for (int64_t r = t->offset[s] + t->stem[s]; r < t->offset[s + 1]; r++) t->pack.pos[r] = (int32_t)(t->stem[s] + r - t->offset[s] - t->start[r]);
    t->be->upload(t->be, t->pack.d_pos, t->pack.pos, (size_t)t->T * sizeof *t->pack.pos);
    for (int i = 0; i < t->be->lanes; i++) {
        LaneSums *lane = &t->lane[i];
        *lane = (LaneSums){.status = OK, .dlp = ARENA_NEW(t->step, real, b->G * SID_MAX), .lse = ARENA_NEW(t->step, float, b->G * SID_MAX + t->x->most_children + 1)};
    }
    const DecoderTree tree = {.stem = t->stem, .start = t->start, .entry = t->entry, .row = t->row, .loss = sequence_loss, .arg = t};
    decoder_tree_step(t->d, &t->pack.packed, t->pack.token, &tree);
    for (int i = 0; i < t->be->lanes; i++) {
        const GrpoSums *own = &t->lane[i].sums;
        TRY(t->lane[i].status);
        sums->policy += own->policy;
        sums->kl += own->kl;
        sums->clipped += own->clipped;
        sums->units += own->units;
        sums->completions += own->completions;
    }
    for (int64_t c = 0; c < t->n_completions && lp != NULL; c++) {
        const int64_t first = t->slot[c] / b->G * b->G;
        for (int64_t g = first; g < first + b->G; g++)
            for (int64_t k = 0; k < SID_MAX && b->item[g] == b->item[t->slot[c]]; k++)
                lp[g * SID_MAX + k] = t->mask[c * SID_MAX + k] ? t->lp[c * SID_MAX + k] : 0;
    }
    return OK;
}

bool grpo_tree_fits(const GrpoTree *t, const GrpoBatch *b)
{
    int64_t longest = 0;
    for (int64_t p = 0; p < b->n; p++) {
        const int64_t n = b->offset[p + 1] - b->offset[p];
        if (n > longest) longest = n;
    }
    return longest + b->G * (t->trie->depth - 1) <= t->max_tokens;
}

Status grpo_tree_run(GrpoTree *t, const GrpoBatch *b, GrpoSums *sums, real *lp)
{
    Status status = OK;
    t->total = (double)(b->n * b->G);
    for (int64_t p = 0; p < b->n && status == OK;) {
        const ArenaMark mark = arena_mark(t->step);
        begin(t, b->n - p, b->G);
        const int64_t from = p;
        while (p < b->n && add_prompt(t, b, p)) p++;
        REQUIRE(p > from, "micro-batches of %lld tokens are too small for one prompt and its completions", (long long)t->max_tokens);
        status = run(t, b, sums, lp);
        arena_release(t->step, mark);
    }
    return status;
}
