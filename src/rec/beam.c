/* rec/beam.c -- beam search over the trie of real SIDs. Contract in beam.h.
 *
 * One batch of prompts goes through at most `depth` levels. The work of a level is one decoder step over the rows (prefixes that still grow) of all
 * prompts, then a selection per prompt on the host, prompts shared out over threads. The selection reads only the logits of the tokens that the trie
 * allows and keeps the best W in a heap whose worst member rejects most candidates with one comparison.
 */
#include "rec/beam.h"

#include <math.h>
#include <omp.h>
#include <string.h>

#include "base/arena.h"
#include "rec/beam_common.h"

enum { LIST_ALL = 0, LIST_UNSEEN = 1, N_LISTS = 2 };

/* A prefix: a node of the trie and the sum of its log-probabilities. row: the decoder row that holds it, -1 for finished ones.
 * The score is always a value of `real`, so that lists are in order for whoever reads the scores as printed. */
typedef struct Beam {
    double score;
    int32_t node, low, row; /* low: lowest item id below node, breaks ties */
} Beam;

/* What one thread needs while it selects for one prompt. */
typedef struct Worker {
    int32_t *excluded; /* (n_nodes) excluded items below a node; all zero between prompts */
    Beam *heap;        /* (W) */
    int64_t fault;     /* first prompt of the batch with a fault, -1 */
    Status code;
} Worker;

struct BeamSearch {
    Arena *arena;
    Backend *be;
    Decoder *d;
    const Trie *trie;
    BeamOptions o;
    KvCache *cache;
    TrieIndex x;
    PromptPack prompts;
    HostView logits;
    int64_t V, W, P, max_rows, n_lists;
    int64_t *rank_offset, *rank_ex_offset; /* (P+1) for beam_rank_rows */
    int32_t *rank_token, *rank_ex;
    int64_t rank_ex_capacity;
    /* rows of a level */
    int32_t *row_token, *row_owner, *row_parent, *row_of_node;
    real *h_lse, *d_lse, *d_logp;
    int32_t *d_target;
    /* kept prefixes: list l of prompt p is kept[(p*2+l)*W ..], n_kept[p*2+l] of them, best first */
    Beam *kept;
    int64_t *n_kept;
    Worker *worker;
    int n_workers;
};

/* ---- creation ------------------------------------------------------------------------------------------------------- */

static void alloc_rows(BeamSearch *s)
{
    Arena *a = s->arena;
    Backend *be = s->be;
    size_t R = (size_t)s->max_rows, P = (size_t)s->P, T = P * (size_t)s->o.max_prompt;
    s->prompts = prompt_pack_create(a, be, s->P, (int64_t)T);
    s->logits = host_view_create(a, be, s->max_rows * s->V);
    s->rank_offset = ARENA_NEW(a, int64_t, P + 1);
    s->rank_ex_offset = ARENA_NEW(a, int64_t, P + 1);
    s->rank_token = ARENA_NEW(a, int32_t, T);
    s->rank_ex_capacity = s->P * 64;
    s->rank_ex = ARENA_NEW(a, int32_t, s->rank_ex_capacity);
    s->row_token = ARENA_NEW(a, int32_t, R);
    s->row_owner = ARENA_NEW(a, int32_t, R);
    s->row_parent = ARENA_NEW(a, int32_t, R);
    s->row_of_node = ARENA_NEW(a, int32_t, s->trie->n_nodes);
    for (int64_t v = 0; v < s->trie->n_nodes; v++) s->row_of_node[v] = -1;
    s->h_lse = ARENA_NEW(a, real, R);
    s->d_lse = be->alloc(be, R * sizeof(real));
    s->d_logp = be->alloc(be, R * sizeof(real));
    s->d_target = be->alloc(be, R * sizeof(int32_t)); /* zeros: any target will do, only the normaliser is used */
    s->kept = ARENA_NEW(a, Beam, P * N_LISTS * (size_t)s->W);
    s->n_kept = ARENA_NEW(a, int64_t, P * N_LISTS);
    s->n_workers = be->threads > 0 ? be->threads : 1;
    s->worker = ARENA_NEW(a, Worker, s->n_workers);
    for (int w = 0; w < s->n_workers; w++) {
        s->worker[w].excluded = ARENA_NEW(a, int32_t, s->trie->n_nodes);
        s->worker[w].heap = ARENA_NEW(a, Beam, s->W);
    }
}

BeamSearch *beam_create(Decoder *d, const Trie *trie, const BeamOptions *options)
{
    REQUIRE(options->width >= 1 && options->top_k >= 1 && options->top_k <= options->width && options->max_prompt >= 1,
            "width %lld, top_k %lld, max_prompt %lld", (long long)options->width, (long long)options->top_k,
            (long long)options->max_prompt);
    Arena *arena = arena_create("beam search");
    BeamSearch *s = ARENA_NEW(arena, BeamSearch, 1);
    s->arena = arena;
    s->d = d;
    s->be = decoder_params(d)->be;
    s->trie = trie;
    s->o = *options;
    s->V = decoder_config(d)->V;
    s->n_lists = options->unseen ? N_LISTS : 1;
    s->x = trie_index(arena, trie);
    for (int64_t i = 0; i + 1 < trie->n_nodes; i++)
        REQUIRE(trie->child_token[i] >= 0 && trie->child_token[i] < s->V, "trie token %d, vocabulary %lld",
                trie->child_token[i], (long long)s->V);
    s->W = options->width < s->x.N ? options->width : s->x.N;
    if (s->W < 1) s->W = 1;
    s->P = options->max_prompts;
    if (s->P == 0) s->P = 1280 / s->W < 1 ? 1 : 1280 / s->W; /* about a thousand rows keep a GEMM busy and stay in cache */
    s->o.max_prompts = s->P;
    int64_t rows = s->n_lists * s->W;
    s->max_rows = s->P * (rows < s->x.most_inner ? rows : s->x.most_inner);
    alloc_rows(s);
    s->cache = kvcache_create(d, s->P * options->max_prompt, s->max_rows, trie->depth > 1 ? trie->depth - 1 : 1);
    return s;
}

void beam_destroy(BeamSearch *s)
{
    if (!s) return;
    kvcache_destroy(s->cache);
    prompt_pack_destroy(&s->prompts);
    void *blocks[] = {s->d_lse, s->d_logp, s->d_target};
    for (size_t i = 0; i < sizeof blocks / sizeof *blocks; i++) s->be->release(s->be, blocks[i]);
    arena_destroy(s->arena);
}

const BeamOptions *beam_options(const BeamSearch *s) { return &s->o; }

/* ---- heap of the W best, worst on top --------------------------------------------------------------------------------- */

static bool worse(const Beam *a, const Beam *b)
{
    return a->score < b->score || (a->score == b->score && a->low > b->low);
}

static void sift_down(Beam *h, int64_t n, int64_t i)
{
    Beam x = h[i];
    for (;;) {
        int64_t c = 2 * i + 1;
        if (c >= n) break;
        if (c + 1 < n && worse(&h[c + 1], &h[c])) c++;
        if (!worse(&h[c], &x)) break;
        h[i] = h[c];
        i = c;
    }
    h[i] = x;
}

static void sift_up(Beam *h, int64_t i)
{
    Beam x = h[i];
    while (i > 0) {
        int64_t up = (i - 1) / 2;
        if (!worse(&x, &h[up])) break;
        h[i] = h[up];
        i = up;
    }
    h[i] = x;
}

static void heap_offer(Beam *h, int64_t *n, int64_t capacity, Beam x)
{
    if (*n < capacity)
{
        h[*n] = x;
        sift_up(h, (*n)++);
    } else if (worse(&h[0], &x)) {
        h[0] = x;
        sift_down(h, capacity, 0);
    }
}

/* heap_drain -- heap to `out`, best first. */
static void heap_drain(Beam *h, int64_t n, Beam *out)
{
    for (int64_t left = n; left > 0; left--) {
        out[left - 1] = h[0];
        h[0] = h[left - 1];
        sift_down(h, left - 1, 0);
    }
}

/* ---- selection for one prompt ----------------------------------------------------------------------------------------- */

static double renormaliser(const BeamSearch *s, const real *logit, int32_t node)
{
    const Trie *t = s->trie;
    int32_t begin = t->first_child[node], end = t->first_child[node + 1];
    real top = -INFINITY;
    for (int32_t c = begin; c < end; c++) {
        real x = logit[t->child_token[c]];
        if (!(x <= top)) top = x;
    }
    double sum = 0;
    for (int32_t c = begin; c < end; c++) sum += (double)exp((double)(logit[t->child_token[c]] - top));
    return (double)top + log(sum);
}

static void count_excluded(const BeamSearch *s, Worker *w, const int32_t *item, int64_t n, bool set)
{
    for (int64_t i = 0; i < n; i++) {
        REQUIRE(item[i] >= 0, "excluded item %d", item[i]);
        int32_t leaf = item[i] < s->x.N ? s->x.leaf_of[item[i]] : -1;
        if (leaf < 0 || (w->excluded[leaf] == 0) != set) continue; /* not in the trie; a repeat */
        for (int32_t v = leaf;; v = s->x.parent[v]) {
            w->excluded[v] = set ? w->excluded[v] + 1 : 0;
            if (v == 0) break;
        }
    }
}

/* select_list -- replace one kept list by the W best of: its finished prefixes, and every allowed continuation of the others. */
static Status select_list(const BeamSearch *s, Worker *w, const real *logits, Beam *kept, int64_t *n_kept, bool unseen)
{
    const Trie *t = s->trie;
    int64_t n = 0;
    Beam *h = w->heap;
    for (int64_t i = 0; i < *n_kept; i++) {
        Beam b = kept[i];
        if (b.row < 0) {
            heap_offer(h, &n, s->W, b);
            continue;
        }
        const real *logit = logits + b.row * s->V;
        double lse = s->o.score == BEAM_MASK ? (double)s->h_lse[b.row] : renormaliser(s, logit, b.node);
        if (!isfinite(lse)) return E_NUMERIC;
        double base = b.score - lse;
        for (int32_t c = t->first_child[b.node]; c < t->first_child[b.node + 1]; c++) {
            double score = (double)(real)(base + (double)logit[t->child_token[c]]);
            if (n == s->W && score < h[0].score) continue;
            int32_t node = c + 1;
            if (unseen && w->excluded[node] == s->x.leaves[node]) continue;
            heap_offer(h, &n, s->W, (Beam){score, node, s->x.low[node], b.row});
        }
    }
    heap_drain(h, n, kept);
    *n_kept = n;
    return n > 0 ? OK : E_INPUT;
}

static void select_prompt(BeamSearch *s, Worker *w, int64_t p, const real *logits, const int64_t *ex_offset, const int32_t *ex_item)
{
    Beam *kept = s->kept + p * N_LISTS * s->W;
    int64_t *n_kept = s->n_kept + p * N_LISTS;
    Status code = select_list(s, w, logits, kept, n_kept, false);
    if (code == OK && s->n_lists > 1) {
        const int32_t *ex = ex_item + ex_offset[p];
        int64_t n_ex = ex_offset[p + 1] - ex_offset[p];
        count_excluded(s, w, ex, n_ex, true);
        code = select_list(s, w, logits, kept + s->W, n_kept + 1, true);
        count_excluded(s, w, ex, n_ex, false);
    }
    if (code != OK && w->fault < 0) {
        w->fault = p;
        w->code = code;
    }
}

static Status select_batch(BeamSearch *s, int64_t B, const real *logits, const int64_t *ex_offset, const int32_t *ex_item)
{
    for (int w = 0; w < s->n_workers; w++) s->worker[w].fault = -1;
#pragma omp parallel for schedule(static) num_threads(s->n_workers)
    for (int64_t p = 0; p < B; p++) select_prompt(s, &s->worker[omp_get_thread_num()], p, logits, ex_offset, ex_item);
    for (int w = 0; w < s->n_workers; w++) {
        if (s->worker[w].fault < 0) continue;
        if (s->worker[w].code == E_NUMERIC)
            return FAIL(E_NUMERIC, "the model's weights are not finite; train it again", "beam search: a log-probability is not a number");
        return FAIL(E_INPUT, "check the catalogue of SIDs and the excluded items",
                    "beam search: no item is allowed (prompt %lld of the batch)", (long long)s->worker[w].fault);
    }
    return OK;
}

/* plan_rows -- give every kept prefix that still grows a decoder row; a prefix that is in both lists gets one. Returns the number of rows. */
static int64_t plan_rows(BeamSearch *s, int64_t B)
{
    const Trie *t = s->trie;
    int64_t R = 0;
    for (int64_t p = 0; p < B; p++) {
        int64_t first = R;
        for (int64_t l = 0; l < s->n_lists; l++) {
            Beam *kept = s->kept + (p * N_LISTS + l) * s->W;
            for (int64_t i = 0; i < s->n_kept[p * N_LISTS + l]; i++) {
                Beam *b = &kept[i];
                if (b->row < 0 || t->item[b->node] >= 0) {
                    b->row = -1;
                    continue;
                }
                if (s->row_of_node[b->node] < 0) {
                    REQUIRE(R < s->max_rows, "row %lld of %lld", (long long)R, (long long)s->max_rows);
                    s->row_token[R] = t->child_token[b->node - 1];
                    s->row_owner[R] = (int32_t)p;
                    s->row_parent[R] = b->row;
                    s->row_of_node[b->node] = (int32_t)R++;
                }
                b->row = s->row_of_node[b->node];
            }
        }
        for (int64_t l = 0; l < s->n_lists && R > first; l++) {
            const Beam *kept = s->kept + (p * N_LISTS + l) * s->W;
            for (int64_t i = 0; i < s->n_kept[p * N_LISTS + l]; i++) s->row_of_node[kept[i].node] = -1;
        }
    }
    return R;
}

/* ---- one batch -------------------------------------------------------------------------------------------------------- */

/* normalise -- log-sum-exp over the vocabulary of R rows (BEAM_MASK), and the logits where the host can read them. */
static Status normalise(BeamSearch *s, int64_t R, const real *logits, const real **host)
{
    Backend *be = s->be;
    if (s->o.score == BEAM_MASK) {
        be->xent(be, R, s->V, logits, s->V, s->d_target, NULL, NULL, s->d_logp, s->d_lse);
        TRY(be->download(be, s->h_lse, s->d_lse, (size_t)R * sizeof(real)));
    }
    return host_view_get(&s->logits, logits, R * s->V, host);
}

static void write_result(const BeamSearch *s, int64_t B, int64_t at, const BeamResult *r)
{
    for (int64_t l = 0; l < s->n_lists; l++) {
        int32_t *items = l == LIST_ALL ? r->item : r->unseen_item;
        real *scores = l == LIST_ALL ? r->score : r->unseen_score;
        for (int64_t p = 0; p < B; p++) {
            const Beam *kept = s->kept + (p * N_LISTS + l) * s->W;
            int64_t n = s->n_kept[p * N_LISTS + l];
            for (int64_t k = 0; k < s->o.top_k; k++) {
                int64_t to = (at + p) * s->o.top_k + k;
                items[to] = k < n ? s->trie->item[kept[k].node] : -1;
                if (scores) scores[to] = k < n ? (real)kept[k].score : -(real)INFINITY;
            }
        }
    }
}

static Status search_batch(BeamSearch *s, int64_t B, const int64_t *offset, const int32_t *token, const int64_t *ex_offset,
                           const int32_t *ex_item, int64_t at, const BeamResult *result)
{
    TRY(prompt_pack_set(&s->prompts, B, offset, token, s->o.max_prompt));
    const real *logits = kvcache_prefill(s->cache, &s->prompts.packed, s->prompts.token);
    for (int64_t i = 0; i < B * N_LISTS; i++) {
        s->kept[i * s->W] = (Beam){0, 0, s->x.low[0], (int32_t)(i / N_LISTS)};
        s->n_kept[i] = 1;
    }
    for (int64_t R = B; R > 0;) {
        const real *host;
        TRY(normalise(s, R, logits, &host));
        TRY(select_batch(s, B, host, ex_offset, ex_item));
        R = plan_rows(s, B);
        if (R > 0) logits = kvcache_step(s->cache, R, s->row_token, s->row_owner, s->row_parent);
    }
    write_result(s, B, at, result);
    return OK;
}

Status beam_search(BeamSearch *s, int64_t n, const int64_t *offset, const int32_t *token, const int64_t *ex_offset,
                   const int32_t *ex_item, const BeamResult *result)
{
    REQUIRE(!s->o.unseen || (ex_offset && ex_item && result->unseen_item), "a search without excluded items needs them");
    for (int64_t at = 0; at < n; at += s->P) {
        int64_t B = n - at < s->P ? n - at : s->P;
        TRY(search_batch(s, B, offset + at, token, ex_offset ? ex_offset + at : NULL, ex_item, at, result));
    }
    return OK;
}

/* ---- evaluated rows --------------------------------------------------------------------------------------------------- */

static BeamResult result_from(const BeamResult *r, int64_t skip)
{
    return (BeamResult){.item = r->item + skip, .score = r->score ? r->score + skip : NULL,
                        .unseen_item = r->unseen_item ? r->unseen_item + skip : NULL,
                        .unseen_score = r->unseen_score ? r->unseen_score + skip : NULL};
}

Status beam_rank_rows(BeamSearch *s, const SequenceBuilder *builder, const Rows *rows, const int64_t *select, int64_t n,
                      const BeamResult *result, Progress *progress)
{
    REQUIRE(sequence_prompt_capacity(builder) <= s->o.max_prompt, "prompts of up to %lld tokens, max_prompt %lld",
            (long long)sequence_prompt_capacity(builder), (long long)s->o.max_prompt);
    for (int64_t at = 0; at < n; at += s->P) {
        int64_t B = n - at < s->P ? n - at : s->P, T = 0, n_ex = 0;
        for (int64_t p = 0; p < B; p++) {
            int64_t row = select ? select[at + p] : at + p;
            REQUIRE(row >= 0 && row < rows->n, "row %lld of %lld", (long long)row, (long long)rows->n);
            const int32_t *history = rows->history + rows->offset[row];
            int64_t length = rows->offset[row + 1] - rows->offset[row];
            s->rank_offset[p] = T;
            T += sequence_prompt(builder, history, length, s->rank_token + T);
            s->rank_ex_offset[p] = n_ex;
            if (s->o.unseen) {
                if (s->rank_ex_capacity < n_ex + length) {
                    size_t capacity = (size_t)s->rank_ex_capacity;
                    ARENA_GROW(s->arena, s->rank_ex, capacity, n_ex + length);
                    s->rank_ex_capacity = (int64_t)capacity;
                }
                memcpy(s->rank_ex + n_ex, history, (size_t)length * sizeof *history);
                n_ex += length;
            }
        }
        s->rank_offset[B] = T;
        s->rank_ex_offset[B] = n_ex;
        BeamResult part = result_from(result, at * s->o.top_k);
        TRY(beam_search(s, B, s->rank_offset, s->rank_token, s->o.unseen ? s->rank_ex_offset : NULL,
                        s->o.unseen ? s->rank_ex : NULL, &part));
        if (progress) progress_update(progress, at + B, NULL);
    }
    return OK;
}
