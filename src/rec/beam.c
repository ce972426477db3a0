/* rec/beam.c -- beam search over the trie of real SIDs. Contract in beam.h.
 *
 * Prompts are shared out in batches over lanes, one a thread, which meet again when all prompts are done. One batch goes through at most `depth` levels.
 * The work of a level is one decoder step over the rows (prefixes that still grow) of its prompts, then a selection per prompt on the host. The selection
 * reads only the logits of the tokens that the trie allows and keeps the best W in a heap whose worst member rejects most candidates with one comparison.
 *
 * BEAM_RENORM asks the model for no more than it needs: logits of the columns that the level has, and nothing for a prefix that leads to one item only,
 * whose remaining tokens have probability 1 (the sum does not change).
 */
#include "rec/beam.h"

#include <math.h>
#include <string.h>

#include "base/arena.h"
#include "rec/beam_common.h"
#include "rec/beam_heap.h"

enum { LIST_ALL = 0, LIST_UNSEEN = 1, N_LISTS = 2 };

/* A batch on its way, and all that one thread needs for it. */
typedef struct Lane {
    const struct BeamSearch *s;
    Backend *be;
    KvCache *cache;
    PromptPack prompts;
    HostView logits;
    /* rows of a level */
    int32_t *row_token, *row_owner, *row_parent, *row_of_node;
    real *h_lse, *d_lse, *d_logp;
    int32_t *d_target;
    /* kept prefixes: list l of prompt p is kept[(p*2+l)*W ..], n_kept[p*2+l] of them, best first */
    Beam *kept, *heap;
    int64_t *n_kept;
    int32_t *excluded; /* (n_nodes) excluded items below a node; all zero between prompts */
    /* prompts built from rows */
    int64_t *offset, *ex_offset; /* (P+1) */
    int32_t *token, *ex;
    int64_t fault; /* first prompt with a fault */
    Status code;   /* its kind */
    BeamWork work;
} Lane;

struct BeamSearch {
    Arena *arena;
    Decoder *d;
    const Trie *trie;
    BeamOptions o;
    KvLanes *lanes;
    TrieIndex x;
    int64_t V, W, P, max_rows, n_lists, ex_capacity; /* P: prompts of a lane's batch */
    Lane *lane;
    int n_lanes;
};

/* Where prompts come from: arrays, or evaluated rows. */
typedef struct Source {
    int64_t n;
    const int64_t *offset, *ex_offset;
    const int32_t *token, *ex_item;
    const SequenceBuilder *builder; /* with rows */
    const Rows *rows;
    const int64_t *select;
} Source;

/* ---- creation ------------------------------------------------------------------------------------------------------- */

static void create_lane(BeamSearch *s, Lane *w, KvCache *cache)
{
    Arena *a = s->arena;
    Backend *be = kvcache_backend(cache);
    size_t R = (size_t)s->max_rows, P = (size_t)s->P, T = P * (size_t)s->o.max_prompt;
    *w = (Lane){.s = s, .be = be, .cache = cache};
    w->prompts = prompt_pack_create(a, be, s->P, (int64_t)T);
    w->logits = host_view_create(a, be, s->max_rows * s->V);
    w->offset = ARENA_NEW(a, int64_t, P + 1);
    w->ex_offset = ARENA_NEW(a, int64_t, P + 1);
    w->token = ARENA_NEW(a, int32_t, T);
    w->row_token = ARENA_NEW(a, int32_t, R);
    w->row_owner = ARENA_NEW(a, int32_t, R);
    w->row_parent = ARENA_NEW(a, int32_t, R);
    w->row_of_node = ARENA_NEW(a, int32_t, s->trie->n_nodes);
    for (int64_t v = 0; v < s->trie->n_nodes; v++) w->row_of_node[v] = -1;
    w->h_lse = ARENA_NEW(a, real, R);
    w->d_lse = be->alloc(be, R * sizeof(real));
    w->d_logp = be->alloc(be, R * sizeof(real));
    w->d_target = be->alloc(be, R * sizeof(int32_t)); /* zeros: any target will do, only the normaliser is used */
    w->kept = ARENA_NEW(a, Beam, P * N_LISTS * (size_t)s->W);
    w->n_kept = ARENA_NEW(a, int64_t, P * N_LISTS);
    w->excluded = ARENA_NEW(a, int32_t, s->trie->n_nodes);
    w->heap = ARENA_NEW(a, Beam, s->W);
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
    s->n_lanes = kvlanes_count(d);
    s->P = s->o.max_prompts > 0 ? (s->o.max_prompts + s->n_lanes - 1) / s->n_lanes : (kvlanes_rows(d) + s->W - 1) / s->W;
    s->o.max_prompts = s->P * s->n_lanes;
    int64_t rows = s->n_lists * s->W;
    s->max_rows = s->P * (rows < s->x.most_inner ? rows : s->x.most_inner);
    s->lanes = kvlanes_create(d, s->P, options->max_prompt, s->max_rows, trie->depth > 1 ? trie->depth - 1 : 1);
    s->lane = ARENA_NEW(arena, Lane, s->n_lanes);
    for (int i = 0; i < s->n_lanes; i++) create_lane(s, &s->lane[i], kvlanes_cache(s->lanes, i));
    return s;
}

void beam_destroy(BeamSearch *s)
{
    if (!s) return;
    for (int i = 0; i < s->n_lanes; i++) {
        Lane *w = &s->lane[i];
        prompt_pack_destroy(&w->prompts);
        void *blocks[] = {w->d_lse, w->d_logp, w->d_target};
        for (size_t k = 0; k < sizeof blocks / sizeof *blocks; k++) w->be->release(w->be, blocks[k]);
    }
    kvlanes_destroy(s->lanes);
    arena_destroy(s->arena);
}

const BeamOptions *beam_options(const BeamSearch *s) { return &s->o; }

BeamWork beam_work(const BeamSearch *s)
{
    BeamWork sum = {0};
    for (int i = 0; i < s->n_lanes; i++) {
        const BeamWork *w = &s->lane[i].work;
        sum = (BeamWork){sum.prompts + w->prompts, sum.prompt_tokens + w->prompt_tokens, sum.rows + w->rows, sum.logits + w->logits};
    }
    return sum;
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

static void count_excluded(Lane *w, const int32_t *item, int64_t n, bool set)
{
    const TrieIndex *x = &w->s->x;
    for (int64_t i = 0; i < n; i++) {
        REQUIRE(item[i] >= 0, "excluded item %d", item[i]);
        int32_t leaf = item[i] < x->N ? x->leaf_of[item[i]] : -1;
        if (leaf < 0 || (w->excluded[leaf] == 0) != set) continue; /* not in the trie; a repeat */
        for (int32_t v = leaf;; v = x->parent[v]) {
            w->excluded[v] = set ? w->excluded[v] + 1 : 0;
            if (v == 0) break;
        }
    }
}

/* select_list -- replace one kept list by the W best of: its finished prefixes, and every allowed continuation of the others. */
static Status select_list(Lane *w, const real *logits, Beam *kept, int64_t *n_kept, bool unseen)
{
    const BeamSearch *s = w->s;
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
        double lse = s->o.score == BEAM_MASK ? (double)w->h_lse[b.row] : renormaliser(s, logit, b.node);
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

static void select_prompt(Lane *w, int64_t p, const real *logits, const int64_t *ex_offset, const int32_t *ex_item)
{
    const BeamSearch *s = w->s;
    Beam *kept = w->kept + p * N_LISTS * s->W;
    int64_t *n_kept = w->n_kept + p * N_LISTS;
    Status code = select_list(w, logits, kept, n_kept, false);
    if (code == OK && s->n_lists > 1) {
        const int32_t *ex = ex_item + ex_offset[p];
        int64_t n_ex = ex_offset[p + 1] - ex_offset[p];
        count_excluded(w, ex, n_ex, true);
        code = select_list(w, logits, kept + s->W, n_kept + 1, true);
        count_excluded(w, ex, n_ex, false);
    }
    if (code != OK && w->code == OK) {
        w->fault = p;
        w->code = code;
    }
}

/* finished -- a whole SID; or, with scores over what the trie allows, a prefix that leads to one item only: its other tokens have probability 1. */
static bool finished(const BeamSearch *s, Beam *b)
{
    if (b->row >= 0 && s->trie->item[b->node] < 0) {
        if (s->o.score == BEAM_MASK || s->x.leaves[b->node] > 1) return false;
        b->node = s->x.leaf_of[b->low];
    }
    b->row = -1;
    return true;
}

/* plan_rows -- give every kept prefix that still grows a decoder row; a prefix that is in both lists gets one. Returns the number of rows. */
static int64_t plan_rows(Lane *w, int64_t B)
{
    const BeamSearch *s = w->s;
    int64_t R = 0;
    for (int64_t p = 0; p < B; p++) {
        int64_t first = R;
        for (int64_t l = 0; l < s->n_lists; l++) {
            Beam *kept = w->kept + (p * N_LISTS + l) * s->W;
            for (int64_t i = 0; i < w->n_kept[p * N_LISTS + l]; i++) {
                Beam *b = &kept[i];
                if (finished(s, b)) continue;
                if (w->row_of_node[b->node] < 0) {
                    REQUIRE(R < s->max_rows, "row %lld of %lld", (long long)R, (long long)s->max_rows);
                    w->row_token[R] = s->trie->child_token[b->node - 1];
                    w->row_owner[R] = (int32_t)p;
                    w->row_parent[R] = b->row;
                    w->row_of_node[b->node] = (int32_t)R++;
                }
                b->row = w->row_of_node[b->node];
            }
        }
        for (int64_t l = 0; l < s->n_lists && R > first; l++) {
            const Beam *kept = w->kept + (p * N_LISTS + l) * s->W;
            for (int64_t i = 0; i < w->n_kept[p * N_LISTS + l]; i++) w->row_of_node[kept[i].node] = -1;
        }
    }
    return R;
}

/* ---- one batch -------------------------------------------------------------------------------------------------------- */

/* want_columns -- of R rows at a level: those that the level has, or the vocabulary. */
static void want_columns(Lane *w, int64_t R, int64_t level)
{
    const BeamSearch *s = w->s;
    const int32_t *column = s->x.column + 2 * level;
    if (s->o.score == BEAM_RENORM) kvcache_columns(w->cache, column[0], column[1]);
    w->work.logits += R * (s->o.score == BEAM_RENORM ? column[1] - column[0] : s->V);
}

/* normalise -- log-sum-exp over the vocabulary of R rows (BEAM_MASK), and the logits where the host can read them. */
static Status normalise(Lane *w, int64_t R, const real *logits, const real **host)
{
    Backend *be = w->be;
    const int64_t V = w->s->V;
    if (w->s->o.score == BEAM_MASK) {
        be->xent(be, R, V, logits, V, w->d_target, NULL, NULL, w->d_logp, w->d_lse);
        TRY(be->download(be, w->h_lse, w->d_lse, (size_t)R * sizeof(real)));
    }
    return host_view_get(&w->logits, logits, R * V, host);
}

static void write_result(const Lane *w, int64_t B, int64_t at, const BeamResult *r)
{
    const BeamSearch *s = w->s;
    for (int64_t l = 0; l < s->n_lists; l++) {
        int32_t *items = l == LIST_ALL ? r->item : r->unseen_item;
        real *scores = l == LIST_ALL ? r->score : r->unseen_score;
        for (int64_t p = 0; p < B; p++) {
            const Beam *kept = w->kept + (p * N_LISTS + l) * s->W;
            int64_t n = w->n_kept[p * N_LISTS + l];
            for (int64_t k = 0; k < s->o.top_k; k++) {
                int64_t to = (at + p) * s->o.top_k + k;
                items[to] = k < n ? s->trie->item[kept[k].node] : -1;
                if (scores) scores[to] = k < n ? (real)kept[k].score : -(real)INFINITY;
            }
        }
    }
}

/* search_batch -- prompts [at, at+B) of the results; the arrays begin with the first of them. */
static Status search_batch(Lane *w, int64_t B, const int64_t *offset, const int32_t *token, const int64_t *ex_offset, const int32_t *ex_item, int64_t at,
                           const BeamResult *result)
{
    const BeamSearch *s = w->s;
    TRY(prompt_pack_set(&w->prompts, B, offset, token, s->o.max_prompt));
    want_columns(w, B, 0);
    w->work.prompts += B;
    w->work.prompt_tokens += offset[B] - offset[0];
    const real *logits = kvcache_prefill(w->cache, &w->prompts.packed, w->prompts.token);
    for (int64_t i = 0; i < B * N_LISTS; i++) {
        w->kept[i * s->W] = (Beam){0, 0, s->x.low[0], (int32_t)(i / N_LISTS)};
        w->n_kept[i] = 1;
    }
    int64_t R = B;
    for (int64_t level = 0; R > 0; level++) {
        const real *host;
        TRY(normalise(w, R, logits, &host));
        for (int64_t p = 0; p < B; p++) select_prompt(w, p, host, ex_offset, ex_item);
        if (w->code != OK) return OK; /* reported with its number by the caller */
        R = plan_rows(w, B);
        if (R == 0) break;
        want_columns(w, R, level + 1);
        w->work.rows += R;
        logits = kvcache_step(w->cache, R, w->row_token, w->row_owner, w->row_parent);
    }
    write_result(w, B, at, result);
    return OK;
}

/* build_prompts -- rows [at, at+B) of the source as prompts in the lane's arrays. */
static void build_prompts(Lane *w, const Source *from, int64_t at, int64_t B)
{
    int64_t T = 0, n_ex = 0;
    for (int64_t p = 0; p < B; p++) {
        const int64_t row = from->select ? from->select[at + p] : at + p;
        const int32_t *history = from->rows->history + from->rows->offset[row];
        const int64_t length = from->rows->offset[row + 1] - from->rows->offset[row];
        w->offset[p] = T;
        T += sequence_prompt(from->builder, history, length, w->token + T);
        w->ex_offset[p] = n_ex;
        if (w->s->o.unseen) memcpy(w->ex + n_ex, history, (size_t)length * sizeof *history);
        n_ex += length;
    }
    w->offset[B] = T;
    w->ex_offset[B] = n_ex;
}

static Status search_part(Lane *w, const Source *from, int64_t at, int64_t B, const BeamResult *result)
{
    w->code = OK;
    if (from->rows == NULL) {
        TRY(search_batch(w, B, from->offset + at, from->token, from->ex_offset ? from->ex_offset + at : NULL, from->ex_item, at, result));
    } else {
        build_prompts(w, from, at, B);
        TRY(search_batch(w, B, w->offset, w->token, w->ex_offset, w->ex, at, result));
    }
    if (w->code == E_NUMERIC)
        return FAIL(E_NUMERIC, "the model's weights are not finite; train it again", "beam search: a log-probability is not a number");
    if (w->code != OK)
        return FAIL(E_INPUT, "check the catalogue of SIDs and the excluded items", "beam search: no item is allowed (prompt %lld)", (long long)(at + w->fault));
    return OK;
}

/* A search over all prompts: parts are taken by whichever lane is free, and each is independent of the others. */
typedef struct Job {
    BeamSearch *s;
    const Source *from;
    const BeamResult *result;
    Progress *progress;
    int64_t part, next, done, failed; /* prompts of a part; first prompt not taken; finished ones; first part that failed */
} Job;

static void run_lane(Backend *lane, int i, void *arg)
{
    (void)lane;
    Job *j = arg;
    for (;;) {
        int64_t at;
#pragma omp atomic capture
        { at = j->next; j->next += j->part; }
        if (at >= j->from->n) return;
        const int64_t B = j->from->n - at < j->part ? j->from->n - at : j->part;
        const Status status = search_part(&j->s->lane[i], j->from, at, B, j->result);
#pragma omp critical(beam_search_done)
        {
            j->done += B;
            if (status == OK && j->progress) progress_update(j->progress, j->done, NULL);
            if (status != OK && at < j->failed) j->failed = at;
        }
        if (status != OK) return;
    }
}

static Status search_all(BeamSearch *s, const Source *from, const BeamResult *result, Progress *progress)
{
    Job j = {.s = s, .from = from, .result = result, .progress = progress, .part = (from->n + s->n_lanes - 1) / s->n_lanes, .failed = INT64_MAX};
    if (from->n == 0) return OK;
    if (j.part > s->P) j.part = s->P;
    kvlanes_begin(s->lanes);
    kvlanes_each(s->lanes, run_lane, &j);
    if (j.failed == INT64_MAX) return OK;
    return search_part(&s->lane[0], from, j.failed, from->n - j.failed < j.part ? from->n - j.failed : j.part, result); /* again, to report on this thread */
}

Status beam_search(BeamSearch *s, int64_t n, const int64_t *offset, const int32_t *token, const int64_t *ex_offset,
                   const int32_t *ex_item, const BeamResult *result)
{
    REQUIRE(!s->o.unseen || (ex_offset && ex_item && result->unseen_item), "a search without excluded items needs them");
    const Source from = {.n = n, .offset = offset, .ex_offset = ex_offset, .token = token, .ex_item = ex_item};
    return search_all(s, &from, result, NULL);
}

/* reserve_excluded -- room for the histories of any part of the rows. */
static void reserve_excluded(BeamSearch *s, const Rows *rows, const int64_t *select, int64_t n)
{
    int64_t longest = 0;
    for (int64_t i = 0; i < n; i++) {
        const int64_t row = select ? select[i] : i;
        REQUIRE(row >= 0 && row < rows->n, "row %lld of %lld", (long long)row, (long long)rows->n);
        if (rows->offset[row + 1] - rows->offset[row] > longest) longest = rows->offset[row + 1] - rows->offset[row];
    }
    if (!s->o.unseen || s->P * longest <= s->ex_capacity) return;
    s->ex_capacity = 2 * s->P * longest;
    for (int i = 0; i < s->n_lanes; i++) s->lane[i].ex = ARENA_NEW(s->arena, int32_t, s->ex_capacity);
}

Status beam_rank_rows(BeamSearch *s, const SequenceBuilder *builder, const Rows *rows, const int64_t *select, int64_t n,
                      const BeamResult *result, Progress *progress)
{
    REQUIRE(sequence_prompt_capacity(builder) <= s->o.max_prompt, "prompts of up to %lld tokens, max_prompt %lld",
            (long long)sequence_prompt_capacity(builder), (long long)s->o.max_prompt);
    REQUIRE(!s->o.unseen || result->unseen_item, "a search without excluded items has a second list");
    reserve_excluded(s, rows, select, n);
    const Source from = {.n = n, .builder = builder, .rows = rows, .select = select};
    return search_all(s, &from, result, progress);
}
