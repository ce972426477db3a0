/* tests/test_beam.c -- beam search: full width equals scoring every item; a narrow beam equals a slow reference; masks, ties, refusals. */
#include <check.h>
#include <stdlib.h>

#include "rl_world.h"
#include "suite.h"

static Arena *arena;
static Backend *be;

static void setup(void)
{
    arena = arena_create("test");
    be = backend_ref();
}
static void teardown(void)
{
    be->destroy(be);
    arena_destroy(arena);
}

typedef struct Lists {
    int32_t *item, *unseen;
    real *score, *unseen_score;
} Lists;

static Lists search_with(World *w, BeamOptions o)
{
    o.max_prompt = w->m.max_prompt;
    BeamSearch *s = beam_create(w->m.decoder, w->m.trie, &o);
    int64_t n = w->P * o.top_k;
    Lists l = {ARENA_NEW(arena, int32_t, n), ARENA_NEW(arena, int32_t, n), ARENA_NEW(arena, real, n), ARENA_NEW(arena, real, n)};
    BeamResult r = {l.item, l.score, l.unseen, l.unseen_score};
    ck_assert_int_eq(beam_search(s, w->P, w->offset, w->prompt, o.unseen ? w->ex_offset : NULL, o.unseen ? w->history : NULL, &r), OK);
    beam_destroy(s);
    return l;
}

static bool seen(const World *w, int64_t p, int32_t item)
{
    for (int64_t i = w->ex_offset[p]; i < w->ex_offset[p + 1]; i++)
        if (w->history[i] == item) return true;
    return false;
}

/* Every item once, in order, with the score of plain forward passes; without history items in the second list. */
static void check_full_list(World *w, int64_t p, const int32_t *item, const real *score, bool renorm, bool unseen)
{
    bool *listed = ARENA_NEW(arena, bool, w->N);
    double total = 0;
    int64_t n = 0;
    for (; n < w->N && item[n] >= 0; n++) {
        ck_assert_msg(!listed[item[n]], "item %d twice", item[n]);
        listed[item[n]] = true;
        ck_assert(!unseen || !seen(w, p, item[n]));
        double want = world_item_logp(w, p, item[n], renorm);
        ck_assert_msg(fabs((double)score[n] - want) <= 2e-5, "item %d: %.8g, by forward passes %.8g", item[n], (double)score[n], want);
        ck_assert(n == 0 || score[n] < score[n - 1] || (!(score[n] > score[n - 1]) && item[n] > item[n - 1]));
        total += exp((double)score[n]);
    }
    for (int64_t k = n; k < w->N; k++) ck_assert(item[k] == -1 && isinf(score[k]) && score[k] < 0);
    for (int32_t i = 0; i < w->N; i++) ck_assert(listed[i] || (unseen && seen(w, p, i)));
    if (renorm && !unseen) ck_assert_msg(fabs(total - 1) <= 1e-5, "probabilities sum to %.8g", total);
}

START_TEST(full_width_is_brute_force)
{
    static const struct { int64_t N, K, P, width, batch; } shapes[] = {{1, 2, 3, 1, 0}, {7, 3, 7, 7, 2}, {33, 4, 5, 33, 5}, {40, 3, 3, 100, 1}};
    for (int renorm = 0; renorm < 2; renorm++) {
        World w = world_create(arena, be, (uint64_t)_i + 11, shapes[_i].N, shapes[_i].K, 0, false);
        world_prompts(&w, (uint64_t)_i, shapes[_i].P);
        bool unseen = shapes[_i].N > 7; /* more items than a history can hold */
        Lists l = search_with(&w, (BeamOptions){.width = shapes[_i].width, .top_k = w.N, .score = renorm ? BEAM_RENORM : BEAM_MASK, .unseen = unseen,
                                                .max_prompts = shapes[_i].batch});
        for (int64_t p = 0; p < w.P; p++) {
            check_full_list(&w, p, l.item + p * w.N, l.score + p * w.N, renorm, false);
            if (unseen) check_full_list(&w, p, l.unseen + p * w.N, l.unseen_score + p * w.N, renorm, true);
        }
        world_destroy(&w);
    }
}
END_TEST

/* ---- narrow beams, against a slow search over prefixes as token strings ------------------------------------------------- */

typedef struct Prefix {
    int32_t token[SID_MAX], low;
    int64_t n;
    bool whole;
    double score;
} Prefix;

static int best_first(const void *a, const void *b)
{
    const Prefix *x = a, *y = b;
    if (x->score < y->score || x->score > y->score) return x->score > y->score ? -1 : 1;
    return x->low < y->low ? -1 : x->low > y->low;
}

/* expand -- every continuation of `from` by one token that leads to an allowed item. */
static int64_t expand(World *w, int64_t p, const Prefix *from, bool renorm, bool unseen, Prefix *out)
{
    int64_t made = 0;
    for (int32_t i = 0; i < w->N; i++) {
        int32_t sid[SID_MAX];
        int64_t n = sequence_answer(&w->m.builder, i, sid), k = 0;
        if (n <= from->n || memcmp(sid, from->token, (size_t)from->n * sizeof *sid) != 0 || (unseen && seen(w, p, i))) continue;
        while (k < made && out[k].token[from->n] != sid[from->n]) k++;
        if (k < made) continue;
        out[made] = *from;
        out[made].token[out[made].n++] = sid[from->n];
        out[made].whole = n == from->n + 1;
        out[made].low = i;
        out[made++].score += world_token_logp(w, p, sid, from->n, renorm, 1);
    }
    return made;
}

static int64_t slow_beam(World *w, int64_t p, int64_t width, bool renorm, bool unseen, Prefix *beam)
{
    Prefix *next = ARENA_NEW(arena, Prefix, width * w->N + width);
    int64_t n = 1;
    beam[0] = (Prefix){.low = 0};
    for (bool growing = true; growing;) {
        int64_t made = 0;
        growing = false;
        for (int64_t b = 0; b < n; b++) {
            if (beam[b].whole) {
                next[made++] = beam[b];
            } else {
                made += expand(w, p, &beam[b], renorm, unseen, next + made);
            }
        }
        qsort(next, (size_t)made, sizeof *next, best_first);
        n = made < width ? made : width;
        memcpy(beam, next, (size_t)n * sizeof *beam);
        for (int64_t b = 0; b < n; b++) growing = growing || !beam[b].whole;
    }
    return n;
}

static void check_narrow(World *w, int64_t p, int64_t width, int64_t top_k, bool renorm, bool unseen, const int32_t *item, const real *score)
{
    Prefix *beam = ARENA_NEW(arena, Prefix, width);
    int64_t n = slow_beam(w, p, width, renorm, unseen, beam);
    for (int64_t k = 0; k < top_k; k++) {
        ck_assert_msg(item[k] == (k < n ? beam[k].low : -1), "prompt %d, place %d: item %d, slow search %d (%.9g, %.9g)", (int)p, (int)k, item[k],
                      k < n ? beam[k].low : -1, (double)score[k], beam[k].score);
        if (k < n) ck_assert(fabs((double)score[k] - beam[k].score) <= 2e-5);
    }
}

START_TEST(narrow_beam_is_level_by_level)
{
    static const struct { int64_t width, top_k; } sizes[] = {{1, 1}, {3, 2}, {5, 5}, {9, 7}};
    for (int renorm = 0; renorm < 2; renorm++) {
        World w = world_create(arena, be, 77, 45, 4, 0, false);
        world_prompts(&w, 5, 9);
        Lists l = search_with(&w, (BeamOptions){.width = sizes[_i].width, .top_k = sizes[_i].top_k, .score = renorm ? BEAM_RENORM : BEAM_MASK,
                                                .unseen = true, .max_prompts = 4});
        for (int64_t p = 0; p < w.P; p++) {
            int64_t k = sizes[_i].top_k;
            check_narrow(&w, p, sizes[_i].width, k, renorm, false, l.item + p * k, l.score + p * k);
            check_narrow(&w, p, sizes[_i].width, k, renorm, true, l.unseen + p * k, l.unseen_score + p * k);
        }
        world_destroy(&w);
    }
}
END_TEST

/* With all weights 0 every token is equally likely: SIDs of equal length tie, and the lowest ids must win. */
START_TEST(ties_go_to_the_lowest_item)
{
    enum { N = 30, W = 6 };
    World w = world_create(arena, be, 3, N, 50, 0, false); /* K = 50: no collisions */
    Params *params = decoder_params(w.m.decoder);
    be->zero(be, params->value, (size_t)params->count * sizeof(real));
    world_prompts(&w, 1, 2);
    Lists l = search_with(&w, (BeamOptions){.width = W, .top_k = W, .score = BEAM_MASK});
    for (int k = 0; k < 2 * W; k++) {
        ck_assert_int_eq(l.item[k], k % W);
        ck_assert(fabs((double)l.score[k] + 3 * log((double)w.V)) <= 1e-5);
    }
    world_destroy(&w);
}
END_TEST

/* The ref backend computes row by row, so batches of any size must give the same bytes. */
START_TEST(batches_do_not_matter)
{
    World w = world_create(arena, be, 9, 60, 5, 0, false);
    world_prompts(&w, 2, 33);
    BeamOptions o = {.width = 7, .top_k = 7, .score = BEAM_MASK, .unseen = true, .max_prompts = 33};
    Lists all = search_with(&w, o);
    for (int64_t batch = 1; batch < 33; batch += 6) {
        o.max_prompts = batch;
        Lists part = search_with(&w, o);
        ck_assert_mem_eq(part.item, all.item, 33 * 7 * sizeof(int32_t));
        ck_assert_mem_eq(part.score, all.score, 33 * 7 * sizeof(real));
        ck_assert_mem_eq(part.unseen, all.unseen, 33 * 7 * sizeof(int32_t));
    }
    world_destroy(&w);
}
END_TEST

START_TEST(cpu_agrees_with_ref)
{
    Backend *cpu = backend_cpu(2);
    BeamOptions o = {.width = 8, .top_k = 8, .score = BEAM_MASK, .unseen = true};
    World a = world_create(arena, be, 21, 80, 6, 0, false), b = world_create(arena, cpu, 21, 80, 6, 0, false);
    world_prompts(&a, 3, 40);
    world_prompts(&b, 3, 40);
    Lists x = search_with(&a, o), y = search_with(&b, o), z = search_with(&b, o);
    for (int i = 0; i < 40 * 8; i++) {
        ck_assert(fabs((double)x.score[i] - (double)y.score[i]) <= 1e-4);
        ck_assert(fabs((double)x.unseen_score[i] - (double)y.unseen_score[i]) <= 1e-4);
    }
    ck_assert_mem_eq(y.item, z.item, 40 * 8 * sizeof(int32_t)); /* the same search twice: the same bytes */
    ck_assert_mem_eq(y.score, z.score, 40 * 8 * sizeof(real));
    world_destroy(&a);
    world_destroy(&b);
    cpu->destroy(cpu);
}
END_TEST

START_TEST(rows_are_prompts)
{
    World w = world_create(arena, be, 4, 50, 4, 0, false);
    world_prompts(&w, 6, 11);
    int32_t user[11] = {0}, target[11] = {0};
    Rows rows = {.n = 11, .user = user, .offset = w.ex_offset, .history = w.history, .target = target};
    BeamOptions o = {.width = 5, .top_k = 5, .score = BEAM_RENORM, .unseen = true, .max_prompt = w.m.max_prompt, .max_prompts = 4};
    Lists l = search_with(&w, o);
    BeamSearch *s = beam_create(w.m.decoder, w.m.trie, &o);
    const int64_t select[] = {10, 3, 3, 0, 7, 9};
    int32_t item[6 * 5], unseen[6 * 5];
    ck_assert_int_eq(beam_rank_rows(s, &w.m.builder, &rows, select, 6, &(BeamResult){.item = item, .unseen_item = unseen}, NULL), OK);
    for (int i = 0; i < 6; i++) {
        ck_assert_mem_eq(item + 5 * i, l.item + 5 * select[i], 5 * sizeof(int32_t));
        ck_assert_mem_eq(unseen + 5 * i, l.unseen + 5 * select[i], 5 * sizeof(int32_t));
    }
    beam_destroy(s);
    world_destroy(&w);
}
END_TEST

START_TEST(refusals)
{
    World w = world_create(arena, be, 5, 6, 3, 0, false);
    world_prompts(&w, 1, 2);
    BeamOptions o = {.width = 4, .top_k = 4, .score = _i ? BEAM_RENORM : BEAM_MASK, .unseen = true, .max_prompt = w.m.max_prompt};
    BeamSearch *s = beam_create(w.m.decoder, w.m.trie, &o);
    int32_t item[8], unseen[8], everything[6] = {5, 4, 3, 2, 1, 0};
    const int64_t none[] = {0, 0, 0}, all[] = {0, 0, 6}, empty[] = {0, 0, 3}, too_long[] = {0, 1, w.m.max_prompt + 2};
    BeamResult r = {.item = item, .unseen_item = unseen};
    ck_assert_int_eq(beam_search(s, 2, w.offset, w.prompt, none, everything, &r), OK);
    ck_assert_int_eq(beam_search(s, 2, w.offset, w.prompt, all, everything, &r), E_INPUT);
    ck_assert_msg(strstr(status_message(), "no item is allowed (prompt 1)") != NULL, "%s", status_message());
    ck_assert_int_eq(beam_search(s, 2, empty, w.prompt, none, everything, &r), E_INPUT);
    ck_assert_int_eq(beam_search(s, 2, too_long, w.prompt, none, everything, &r), E_INPUT);
    ck_assert_int_eq(beam_search(s, 2, w.offset, w.prompt, none, everything, &r), OK); /* still usable */
    Params *p = decoder_params(w.m.decoder);
    p->value[0] = NAN;
    for (int64_t i = 0; i < p->n; i++) params_fill(p, i, (real)NAN);
    ck_assert_int_eq(beam_search(s, 2, w.offset, w.prompt, none, everything, &r), E_NUMERIC);
    beam_destroy(s);
    world_destroy(&w);
}
END_TEST

int main(void)
{
    TCase *t = tcase_create("beam");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_add_loop_test(t, full_width_is_brute_force, 0, 4);
    tcase_add_loop_test(t, narrow_beam_is_level_by_level, 0, 4);
    tcase_add_test(t, ties_go_to_the_lowest_item);
    tcase_add_test(t, batches_do_not_matter);
    tcase_add_test(t, cpu_agrees_with_ref);
    tcase_add_test(t, rows_are_prompts);
    tcase_add_loop_test(t, refusals, 0, 2);
    Suite *s = suite_create("beam");
    suite_add_tcase(s, t);
    return suite_run(s);
}
