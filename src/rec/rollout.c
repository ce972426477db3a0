/* rec/rollout.c -- constrained completions. Contract in rollout.h.
 *
 * All completions of a prompt walk down the trie together. Before each level the distinct nodes they stand on become decoder rows; afterwards each
 * completion moves to a child: the one it draws, or the one on the way to its given item.
 */
#include "rec/rollout.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "rec/beam.h"
#include "rec/beam_common.h"

struct Rollout {
    Arena *arena;
    Backend *be;
    Decoder *d;
    const Trie *trie;
    RolloutOptions o;
    KvCache *cache;
    BeamSearch *beam;
    TrieIndex x;
    PromptPack prompts;
    HostView logits;
    int64_t V, P;
    int32_t *node, *row, *next_row;         /* (P*G) where each completion stands, and its decoder row */
    int32_t *row_token, *row_owner, *row_parent;
    int32_t *row_of_node;                   /* (n_nodes) -1 outside plan_rows */
    Rng *rng;                               /* (P*G) */
    double *weight;                         /* (most children of a node) */
};

Rollout *rollout_create(Decoder *d, const Trie *trie, const RolloutOptions *options)
{
    REQUIRE(options->G >= 1 && options->temperature > 0 && options->max_prompt >= 1, "G %lld, temperature %g", (long long)options->G,
            options->temperature);
    REQUIRE(options->method == ROLLOUT_SAMPLE || !(options->temperature < 1 || options->temperature > 1),
            "beam rollouts are defined at temperature 1");
    Arena *a = arena_create("rollouts");
    Rollout *r = ARENA_NEW(a, Rollout, 1);
    r->arena = a;
    r->d = d;
    r->be = decoder_params(d)->be;
    r->trie = trie;
    r->o = *options;
    r->V = decoder_config(d)->V;
    r->P = options->max_prompts ? options->max_prompts : 64;
    size_t rows = (size_t)(r->P * options->G);
    r->x = trie_index(a, trie);
    r->row_of_node = ARENA_NEW(a, int32_t, trie->n_nodes);
    for (int64_t v = 0; v < trie->n_nodes; v++) r->row_of_node[v] = -1;
    r->weight = ARENA_NEW(a, double, r->x.most_children);
    r->prompts = prompt_pack_create(a, r->be, r->P, r->P * options->max_prompt);
    r->logits = host_view_create(a, r->be, (int64_t)rows * r->V);
    int32_t **columns[] = {&r->node, &r->row, &r->next_row, &r->row_token, &r->row_owner, &r->row_parent};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) *columns[i] = ARENA_NEW(a, int32_t, rows);
    r->rng = ARENA_NEW(a, Rng, rows);
    r->cache = kvcache_create(d, r->P * options->max_prompt, (int64_t)rows, trie->depth > 1 ? trie->depth - 1 : 1);
    if (options->method == ROLLOUT_BEAM)
        r->beam = beam_create(d, trie, &(BeamOptions){.width = options->G, .top_k = options->G, .score = BEAM_RENORM,
                                                      .max_prompt = options->max_prompt, .max_prompts = r->P});
    return r;
}

void rollout_destroy(Rollout *r)
{
    if (!r) return;
    beam_destroy(r->beam);
    kvcache_destroy(r->cache);
    prompt_pack_destroy(&r->prompts);
    arena_destroy(r->arena);
}

/* allowed_weights -- exp((logit - top)/temperature) of each child of `node`; returns their sum and log(sum) + top/temperature. */
static double allowed_weights(Rollout *r, const real *logit, int32_t node, double *log_sum)
{
    const Trie *t = r->trie;
    int32_t begin = t->first_child[node], n = t->first_child[node + 1] - begin;
    double top = -INFINITY, sum = 0;
    for (int32_t c = 0; c < n; c++) {
        double x = (double)logit[t->child_token[begin + c]];
        if (!(x <= top)) top = x;
    }
    for (int32_t c = 0; c < n; c++) sum += r->weight[c] = exp(((double)logit[t->child_token[begin + c]] - top) / r->o.temperature);
    *log_sum = log(sum) + top / r->o.temperature;
    return sum;
}

static int32_t step_towards(const Rollout *r, int32_t node, int32_t item)
{
    int32_t v = r->x.leaf_of[item];
    while (r->x.parent[v] != node) v = r->x.parent[v];
    return v;
}

/* move_all -- one level: every completion that is not at a leaf goes to a child, and logp[level] is noted. given NULL: draw. */
static Status move_all(Rollout *r, int64_t n, const real *logits, int64_t level, const int32_t *given, real *logp)
{
    const Trie *t = r->trie;
    for (int64_t s = 0; s < n; s++) {
        int32_t node = r->node[s];
        if (t->item[node] >= 0) continue;
        int32_t begin = t->first_child[node], count = t->first_child[node + 1] - begin;
        if (count < 1) return FAIL(E_INPUT, "check the catalogue of SIDs", "rollout: no token is allowed after a prefix");
        const real *logit = logits + (int64_t)r->row[s] * r->V;
        double log_sum, sum = allowed_weights(r, logit, node, &log_sum);
        if (!isfinite(log_sum) || !isfinite(sum))
            return FAIL(E_NUMERIC, "the model's weights are not finite; train it again", "rollout: a log-probability is not a number");
        if (given) {
            r->node[s] = step_towards(r, node, given[s]);
        } else {
            r->node[s] = begin + 1 + (int32_t)rng_categorical(&r->rng[s], r->weight, count);
        }
        logp[s * SID_MAX + level] = (real)((double)logit[t->child_token[r->node[s] - 1]] / r->o.temperature - log_sum);
    }
    return OK;
}

/* plan_rows -- the distinct inner nodes of each prompt's completions become the rows of the next step. */
static int64_t plan_rows(Rollout *r, int64_t B)
{
    int64_t R = 0, G = r->o.G;
    for (int64_t p = 0; p < B; p++) {
        for (int64_t s = p * G; s < (p + 1) * G; s++) {
            int32_t node = r->node[s];
            if (r->trie->item[node] >= 0) continue;
            if (r->row_of_node[node] < 0) {
                r->row_token[R] = r->trie->child_token[node - 1];
                r->row_owner[R] = (int32_t)p;
                r->row_parent[R] = r->row[s];
                r->row_of_node[node] = (int32_t)R++;
            }
            r->next_row[s] = r->row_of_node[node];
        }
        for (int64_t s = p * G; s < (p + 1) * G; s++) r->row_of_node[r->node[s]] = -1;
    }
    memcpy(r->row, r->next_row, (size_t)(B * G) * sizeof *r->row);
    return R;
}

static Status walk(Rollout *r, int64_t B, const int64_t *offset, const int32_t *token, const int32_t *given, int32_t *item, real *logp)
{
    int64_t n = B * r->o.G;
    TRY(prompt_pack_set(&r->prompts, B, offset, token, r->o.max_prompt));
    const real *logits = kvcache_prefill(r->cache, &r->prompts.packed, r->prompts.token);
    for (int64_t s = 0; s < n; s++) {
        r->node[s] = 0;
        r->row[s] = (int32_t)(s / r->o.G);
    }
    memset(logp, 0, (size_t)(n * SID_MAX) * sizeof *logp);
    int64_t R = B;
    for (int64_t level = 0; R > 0; level++) {
        const real *host;
        TRY(host_view_get(&r->logits, logits, R * r->V, &host));
        TRY(move_all(r, n, host, level, given, logp));
        R = plan_rows(r, B);
        if (R > 0) logits = kvcache_step(r->cache, R, r->row_token, r->row_owner, r->row_parent);
    }
    for (int64_t s = 0; s < n && !given; s++) item[s] = r->trie->item[r->node[s]];
    return OK;
}

Status rollout_generate(Rollout *r, int64_t n, const int64_t *offset, const int32_t *token, const int64_t *index, uint32_t epoch,
                        const Rollouts *out)
{
    int64_t G = r->o.G;
    if (r->o.method == ROLLOUT_BEAM) {
        if (G > r->x.N) return FAIL(E_INPUT, "use a smaller --group", "beam rollouts: %lld wanted, %lld items exist", (long long)G, (long long)r->x.N);
        TRY(beam_search(r->beam, n, offset, token, NULL, NULL, &(BeamResult){.item = out->item}));
        return rollout_score(r, n, offset, token, out);
    }
    for (int64_t at = 0; at < n; at += r->P) {
        int64_t B = n - at < r->P ? n - at : r->P;
        for (int64_t s = 0; s < B * G; s++)
            r->rng[s] = rng_make(r->o.seed, RNG_STAGE_GRPO, RNG_SAMPLE, epoch, (uint64_t)(index[at + s / G] * G + s % G));
        TRY(walk(r, B, offset + at, token, NULL, out->item + at * G, out->logp + at * G * SID_MAX));
    }
    return OK;
}

Status rollout_score(Rollout *r, int64_t n, const int64_t *offset, const int32_t *token, const Rollouts *out)
{
    int64_t G = r->o.G;
    for (int64_t i = 0; i < n * G; i++) REQUIRE(out->item[i] >= 0 && out->item[i] < r->x.N, "item %d", out->item[i]);
    for (int64_t at = 0; at < n; at += r->P) {
        int64_t B = n - at < r->P ? n - at : r->P;
        TRY(walk(r, B, offset + at, token, out->item + at * G, NULL, out->logp + at * G * SID_MAX));
    }
    return OK;
}
