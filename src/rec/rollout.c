/* rec/rollout.c -- constrained completions. Contract in rollout.h.
 *
 * All completions of a prompt walk down the trie together. Before each level the distinct nodes they stand on become decoder rows; afterwards each
 * completion moves to a child: the one it draws, or the one on the way to its given item. A node that leads to one item only needs no row: its other
 * tokens have probability 1. Prompts are shared out in batches over lanes, one a thread.
 */
#include "rec/rollout.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "base/rng.h"
#include "rec/beam.h"
#include "rec/beam_common.h"

/* A batch on its way, and all that one thread needs for it. */
typedef struct Lane {
    const struct Rollout *r;
    KvCache *cache;
    PromptPack prompts;
    HostView logits;
    int32_t *node, *row, *next_row;         /* (P*G) where each completion stands, and its decoder row */
    int32_t *row_token, *row_owner, *row_parent;
    int32_t *row_of_node;                   /* (n_nodes) -1 outside plan_rows */
    Rng *rng;                               /* (P*G) */
    double *weight;                         /* (most children of a node) */
} Lane;

struct Rollout {
    Arena *arena;
    Decoder *d;
    const Trie *trie;
    RolloutOptions o;
    BeamSearch *beam;
    TrieIndex x;
    int64_t V, P; /* P: prompts of a lane's batch */
    KvLanes *lanes;
    Lane *lane;
    int n_lanes;
};

static void create_lane(Rollout *r, Lane *w, KvCache *cache)
{
    Arena *a = r->arena;
    const size_t rows = (size_t)(r->P * r->o.G);
    Backend *be = kvcache_backend(cache);
    *w = (Lane){.r = r, .cache = cache};
    w->row_of_node = ARENA_NEW(a, int32_t, r->trie->n_nodes);
    for (int64_t v = 0; v < r->trie->n_nodes; v++) w->row_of_node[v] = -1;
    w->weight = ARENA_NEW(a, double, r->x.most_children);
    w->prompts = prompt_pack_create(a, be, r->P, r->P * r->o.max_prompt);
    w->logits = host_view_create(a, be, (int64_t)rows * r->V);
    int32_t **columns[] = {&w->node, &w->row, &w->next_row, &w->row_token, &w->row_owner, &w->row_parent};
    for (size_t i = 0; i < sizeof columns / sizeof *columns; i++) *columns[i] = ARENA_NEW(a, int32_t, rows);
    w->rng = ARENA_NEW(a, Rng, rows);
}

Rollout *rollout_create(Decoder *d, const Trie *trie, const RolloutOptions *options)
{
    REQUIRE(options->G >= 1 && options->temperature > 0 && options->max_prompt >= 1, "G %lld, temperature %g", (long long)options->G,
            options->temperature);
    REQUIRE(options->method == ROLLOUT_SAMPLE || !(options->temperature < 1 || options->temperature > 1),
            "beam rollouts are defined at temperature 1");
    Arena *a = arena_create("rollouts");
    Rollout *r = ARENA_NEW(a, Rollout, 1);
    *r = (Rollout){.arena = a, .d = d, .trie = trie, .o = *options, .V = decoder_config(d)->V, .x = trie_index(a, trie), .n_lanes = kvlanes_count(d)};
    r->P = options->max_prompts > 0 ? (options->max_prompts + r->n_lanes - 1) / r->n_lanes : (kvlanes_rows(d) + options->G - 1) / options->G;
    r->lanes = kvlanes_create(d, r->P, options->max_prompt, r->P * options->G, trie->depth > 1 ? trie->depth - 1 : 1);
    r->lane = ARENA_NEW(a, Lane, r->n_lanes);
    for (int i = 0; i < r->n_lanes; i++) create_lane(r, &r->lane[i], kvlanes_cache(r->lanes, i));
    if (options->method == ROLLOUT_BEAM)
        r->beam = beam_create(d, trie, &(BeamOptions){.width = options->G, .top_k = options->G, .score = BEAM_RENORM, .max_prompt = options->max_prompt});
    return r;
}

void rollout_destroy(Rollout *r)
{
    if (!r) return;
    beam_destroy(r->beam);
    for (int i = 0; i < r->n_lanes; i++) prompt_pack_destroy(&r->lane[i].prompts);
    kvlanes_destroy(r->lanes);
    arena_destroy(r->arena);
}

/* allowed_weights -- exp((logit - top)/temperature) of each child of `node`; returns their sum and log(sum) + top/temperature. */
static double allowed_weights(Lane *w, const real *logit, int32_t node, double *log_sum)
{
    const Trie *t = w->r->trie;
    const double temperature = w->r->o.temperature;
    int32_t begin = t->first_child[node], n = t->first_child[node + 1] - begin;
    double top = -INFINITY, sum = 0;
    for (int32_t c = 0; c < n; c++) {
        double x = (double)logit[t->child_token[begin + c]];
        if (!(x <= top)) top = x;
    }
    for (int32_t c = 0; c < n; c++) sum += w->weight[c] = exp(((double)logit[t->child_token[begin + c]] - top) / temperature);
    *log_sum = log(sum) + top / temperature;
    return sum;
}

static int32_t step_towards(const Rollout *r, int32_t node, int32_t item)
{
    int32_t v = r->x.leaf_of[item];
    while (r->x.parent[v] != node) v = r->x.parent[v];
    return v;
}

/* move_all -- one level: every completion that has a row goes to a child, and logp[level] is noted. given NULL: draw. */
static Status move_all(Lane *w, int64_t n, const real *logits, int64_t level, const int32_t *given, real *logp)
{
    const Rollout *r = w->r;
    const Trie *t = r->trie;
    for (int64_t s = 0; s < n; s++) {
        int32_t node = w->node[s];
        if (t->item[node] >= 0) continue;
        int32_t begin = t->first_child[node], count = t->first_child[node + 1] - begin;
        if (count < 1) return FAIL(E_INPUT, "check the catalogue of SIDs", "rollout: no token is allowed after a prefix");
        const real *logit = logits + (int64_t)w->row[s] * r->V;
        double log_sum, sum = allowed_weights(w, logit, node, &log_sum);
        if (!isfinite(log_sum) || !isfinite(sum))
            return FAIL(E_NUMERIC, "the model's weights are not finite; train it again", "rollout: a log-probability is not a number");
        int32_t next = given ? step_towards(r, node, given[s]) : begin + 1 + (int32_t)rng_categorical(&w->rng[s], w->weight, count);
        logp[s * SID_MAX + level] = (real)((double)logit[t->child_token[next - 1]] / r->o.temperature - log_sum);
        w->node[s] = r->x.leaves[next] > 1 ? next : r->x.leaf_of[r->x.low[next]]; /* one item: the other tokens have log p = 0 */
    }
    return OK;
}

/* plan_rows -- the distinct inner nodes of each prompt's completions become the rows of the next step. */
static int64_t plan_rows(Lane *w, int64_t B)
{
    const Trie *t = w->r->trie;
    int64_t R = 0, G = w->r->o.G;
    for (int64_t p = 0; p < B; p++) {
        for (int64_t s = p * G; s < (p + 1) * G; s++) {
            int32_t node = w->node[s];
            if (t->item[node] >= 0) continue;
            if (w->row_of_node[node] < 0) {
                w->row_token[R] = t->child_token[node - 1];
                w->row_owner[R] = (int32_t)p;
                w->row_parent[R] = w->row[s];
                w->row_of_node[node] = (int32_t)R++;
            }
            w->next_row[s] = w->row_of_node[node];
        }
        for (int64_t s = p * G; s < (p + 1) * G; s++) w->row_of_node[w->node[s]] = -1;
    }
    memcpy(w->row, w->next_row, (size_t)(B * G) * sizeof *w->row);
    return R;
}

static Status walk(Lane *w, int64_t B, const int64_t *offset, const int32_t *token, const int32_t *given, int32_t *item, real *logp)
{
    const Rollout *r = w->r;
    int64_t n = B * r->o.G;
    TRY(prompt_pack_set(&w->prompts, B, offset, token, r->o.max_prompt));
    kvcache_columns(w->cache, r->x.column[0], r->x.column[1]);
    const real *logits = kvcache_prefill(w->cache, &w->prompts.packed, w->prompts.token);
    for (int64_t s = 0; s < n; s++) {
        w->node[s] = 0;
        w->row[s] = (int32_t)(s / r->o.G);
    }
    memset(logp, 0, (size_t)(n * SID_MAX) * sizeof *logp);
    int64_t R = B;
    for (int64_t level = 0; R > 0; level++) {
        const real *host;
        TRY(host_view_get(&w->logits, logits, R * r->V, &host));
        TRY(move_all(w, n, host, level, given, logp));
        R = plan_rows(w, B);
        if (R == 0) break;
        kvcache_columns(w->cache, r->x.column[2 * level + 2], r->x.column[2 * level + 3]);
        logits = kvcache_step(w->cache, R, w->row_token, w->row_owner, w->row_parent);
    }
    for (int64_t s = 0; s < n && !given; s++) item[s] = r->trie->item[w->node[s]];
    return OK;
}

/* All prompts, a part at a time, by whichever lane is free. */
typedef struct Job {
    Rollout *r;
    int64_t n, part, next, failed; /* failed: first part that did */
    const int64_t *offset, *index; /* index NULL: score the items that are there */
    const int32_t *token;
    uint32_t epoch;
    const Rollouts *out;
} Job;

static Status do_part(const Job *j, Lane *w, int64_t at)
{
    const int64_t G = j->r->o.G, B = j->n - at < j->part ? j->n - at : j->part;
    int32_t *item = j->out->item + at * G;
    for (int64_t s = 0; j->index && s < B * G; s++)
        w->rng[s] = rng_make(j->r->o.seed, RNG_STAGE_GRPO, RNG_SAMPLE, j->epoch, (uint64_t)(j->index[at + s / G] * G + s % G));
    return walk(w, B, j->offset + at, j->token, j->index ? NULL : item, item, j->out->logp + at * G * SID_MAX);
}

static void run_lane(Backend *lane, int i, void *arg)
{
    (void)lane;
    Job *j = arg;
    for (;;) {
        int64_t at;
#pragma omp atomic capture
        { at = j->next; j->next += j->part; }
        if (at >= j->n) return;
        if (do_part(j, &j->r->lane[i], at) == OK) continue;
#pragma omp critical(rollout_failed)
        if (at < j->failed) j->failed = at;
        return;
    }
}

static Status run_all(Job *j)
{
    Rollout *r = j->r;
    if (j->n == 0) return OK;
    j->part = (j->n + r->n_lanes - 1) / r->n_lanes;
    if (j->part > r->P) j->part = r->P;
    j->failed = INT64_MAX;
    kvlanes_begin(r->lanes);
    kvlanes_each(r->lanes, run_lane, j);
    return j->failed == INT64_MAX ? OK : do_part(j, &r->lane[0], j->failed); /* again, to report on this thread */
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
    Job j = {.r = r, .n = n, .offset = offset, .index = index, .token = token, .epoch = epoch, .out = out};
    return run_all(&j);
}

Status rollout_score(Rollout *r, int64_t n, const int64_t *offset, const int32_t *token, const Rollouts *out)
{
    int64_t G = r->o.G;
    for (int64_t i = 0; i < n * G; i++) REQUIRE(out->item[i] >= 0 && out->item[i] < r->x.N, "item %d", out->item[i]);
    Job j = {.r = r, .n = n, .offset = offset, .token = token, .out = out};
    return run_all(&j);
}
