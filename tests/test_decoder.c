/* tests/test_decoder.c -- properties of the decoder: cached decoding, column ranges, checkpoints, adapters, resuming, determinism.
 * Numbers are checked by the golden cases and grad_decoder.c. */
#include <check.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/arena.h"
#include "base/json.h"
#include "base/rng.h"
#include "io/safetensors.h"
#include "nn/adamw.h"
#include "nn/decoder.h"
#include "nn/lora.h"
#include "suite.h"

enum { V = 150, MAX_T = 200 };

static Arena *arena;
static char dir[] = "/tmp/digr-decoder-XXXXXX", path[300];
static const char *in_dir(const char *name)
{
    snprintf(path, sizeof path, "%s/%s", dir, name);
    return path;
}

static void setup(void) { arena = arena_create("test"); }
static void teardown(void) { arena_destroy(arena); }

static const DecoderConfig QWEN2 = {V, 24, 3, 4, 2, 6, 33, 1e4, 1e-6, true, false, true};
static const DecoderConfig QWEN3 = {V, 24, 2, 4, 1, 8, 33, 1e6, 1e-6, false, true, false};

typedef struct Batch { Packed pk; int32_t *token, *target; } Batch;

static Batch batch(int64_t B, const int64_t *len, uint64_t seed)
{
    Rng g = rng_make(seed, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    int32_t *offset = ARENA_NEW(arena, int32_t, B + 1);
    Batch b = {.pk = {.B = B, .offset = offset, .h_offset = offset}};
    for (int64_t i = 0; i < B; i++) {
        offset[i + 1] = offset[i] + (int32_t)len[i];
        if (len[i] > b.pk.max_len) b.pk.max_len = len[i];
    }
    b.pk.T = offset[B];
    int32_t *pos = ARENA_NEW(arena, int32_t, b.pk.T);
    b.token = ARENA_NEW(arena, int32_t, b.pk.T);
    b.target = ARENA_NEW(arena, int32_t, b.pk.T);
    for (int64_t i = 0; i < B; i++) {
        for (int32_t t = offset[i]; t < offset[i + 1]; t++) pos[t] = t - offset[i];
    }
    for (int64_t t = 0; t < b.pk.T; t++) {
        b.token[t] = (int32_t)rng_below(&g, V);
        b.target[t] = rng_below(&g, 3) == 0 ? TARGET_IGNORED : (int32_t)rng_below(&g, V);
    }
    b.pk.pos = pos;
    return b;
}

static Batch usual(void) { return batch(4, (int64_t[]){9, 1, 40, 17}, 3); }

static void fill(Params *p, uint64_t seed, double sd)
{
    Rng g = rng_make(seed, RNG_STAGE_TEST, RNG_INIT, 0, 0);
    for (int64_t i = 0; i < p->count; i++) p->value[i] = (real)(sd * rng_normal(&g));
}

static Decoder *model(Backend *be, const DecoderConfig *c, bool gradients)
{
    Decoder *d = decoder_create(be, c, MAX_T, gradients);
    fill(decoder_params(d), 1, 0.3);
    return d;
}

static void near_arrays(const real *a, const real *b, int64_t n, double tolerance, const char *what)
{
    double largest = 0, worst = 0;
    for (int64_t i = 0; i < n; i++) {
        const double e = fabs((double)a[i] - (double)b[i]);
        largest = fmax(largest, fabs((double)a[i]));
        if (!(e <= worst) && !isnan(worst)) worst = e;
    }
    ck_assert_msg(worst <= tolerance * largest, "%s differ by %g of %g", what, worst, largest);
}

/* --- cached decoding ------------------------------------------------------------------------------------------- */

enum { N_NEW = 3, ROWS = 8 };

/* Logits at the last position of prompt `owner` followed by `n` tokens, by a full forward pass. */
static void full_logits(Decoder *d, const Batch *b, int64_t owner, int64_t n, const int32_t *more, real *logits)
{
    const int64_t first = b->pk.h_offset[owner], len = b->pk.h_offset[owner + 1] - first;
    Batch one = batch(1, (int64_t[]){len + n}, 1);
    memcpy(one.token, b->token + first, (size_t)len * sizeof(int32_t));
    if (n > 0) memcpy(one.token + len, more, (size_t)n * sizeof(int32_t));
    decoder_forward(d, &one.pk, one.token, (Dropout){0});
    decoder_logits(d, 1, (int32_t[]){(int32_t)(len + n - 1)}, logits);
}

/* In bf16 a sum in another order may round to the next number (a part in 256) on its way into a product. */
static double cache_tolerance(Decoder *d)
{
    return decoder_params(d)->be->bf16 ? 2e-2 : 2e-5;
}

static void cached_equals_full(Decoder *d, KvCache *c)
{
    Batch b = usual();
    static const int32_t owner[N_NEW][ROWS] = {{0, 0, 0, 1, 2, 2, 3, 3}, {0, 0, 1, 1, 1, 2, 3, 3}, {0, 1, 2, 2, 3, 3, 3, 3}};
    static const int32_t parent[N_NEW][ROWS] = {{0}, {2, 0, 3, 3, 3, 4, 7, 6}, {1, 4, 5, 5, 6, 7, 7, 6}};
    int32_t history[ROWS][N_NEW] = {{0}}, before[ROWS][N_NEW];
    Rng g = rng_make(9, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    real *expected = ARENA_NEW(arena, real, V);
    for (int round = 0; round < 2; round++) { /* the second prefill starts afresh */
        const real *logits = kvcache_prefill(c, &b.pk, b.token);
        for (int64_t i = 0; i < b.pk.B; i++) {
            full_logits(d, &b, i, 0, NULL, expected);
            near_arrays(expected, logits + i * V, V, cache_tolerance(d), "logits after the prompts");
        }
        for (int s = 0; s < N_NEW; s++) {
            int32_t token[ROWS];
            memcpy(before, history, sizeof history);
            for (int r = 0; r < ROWS; r++) {
                token[r] = (int32_t)rng_below(&g, V);
                if (s > 0) memcpy(history[r], before[parent[s][r]], sizeof history[r]);
                history[r][s] = token[r];
            }
            logits = kvcache_step(c, ROWS, token, owner[s], parent[s]);
            for (int r = 0; r < ROWS; r++) {
                full_logits(d, &b, owner[s][r], s + 1, history[r], expected);
                near_arrays(expected, logits + r * V, V, cache_tolerance(d), "logits of a beam");
            }
        }
    }
}

/* An ordinary cache, then the last of the lanes that threads use side by side. */
static void caches_equal_full(Decoder *d)
{
    KvCache *c = kvcache_create(d, MAX_T, ROWS, N_NEW);
    cached_equals_full(d, c);
    kvcache_destroy(c);
    KvLanes *lanes = kvlanes_create(d, 4, MAX_T / 4, ROWS, N_NEW);
    kvlanes_begin(lanes);
    cached_equals_full(d, kvlanes_cache(lanes, kvlanes_count(d) - 1));
    kvlanes_destroy(lanes);
}

START_TEST(cached_decoding_is_full_forward)
{
    static const DecoderConfig *const configs[] = {&QWEN2, &QWEN3};
    static const char *const backends[] = {"ref", "cpu", "cpu"};
    for (int i = 0; i < 6; i++) {
        Backend *be;
        MUST(backend_open(backends[i / 2], 2, &be));
        if (i / 2 == 2 && backend_set_precision(be, "bf16") != OK) { /* this processor has none */
            be->destroy(be);
            return;
        }
        Decoder *d = model(be, configs[i % 2], false);
        caches_equal_full(d);
        Lora *a = lora_attach(d, 3, 8);
        fill(lora_params(a), 4, 0.2);
        caches_equal_full(d);
        decoder_destroy(d);
        be->destroy(be);
    }
}
END_TEST

/* --- loss ------------------------------------------------------------------------------------------------------ */

/* logp and gradients with column ranges against a naive computation from all logits. */
static void ranges_agree(Backend *be, int n_ranges)
{
    Decoder *d = model(be, &QWEN3, true);
    Batch b = usual();
    const int64_t T = b.pk.T;
    int32_t *range = ARENA_NEW(arena, int32_t, 2 * T), *row = ARENA_NEW(arena, int32_t, T);
    real *weight = ARENA_NEW(arena, real, T), *logp = ARENA_NEW(arena, real, T), *logits = ARENA_NEW(arena, real, T * V);
    real *expected = ARENA_NEW(arena, real, T), *lse = ARENA_NEW(arena, real, T);
    for (int64_t t = 0; t < T; t++) {
        const int32_t lo = (int32_t)(t % n_ranges), hi = lo + 60; /* n_ranges different ones */
        range[2 * t] = lo;
        range[2 * t + 1] = hi;
        if (b.target[t] != TARGET_IGNORED) b.target[t] = lo + b.target[t] % 60;
        row[t] = (int32_t)t;
        weight[t] = (real)(0.1 * (double)(t % 7) - 0.2);
    }
    decoder_forward(d, &b.pk, b.token, (Dropout){0});
    decoder_logits(d, T, row, logits);
    be->xent(be, T, V, logits, V, b.target, range, NULL, expected, lse);
    ck_assert_int_eq(decoder_loss(d, b.target, range, weight, logp), OK);
    near_arrays(expected, logp, T, 1e-5, "log-probabilities");
    Params *p = decoder_params(d);
    real *grad = ARENA_NEW(arena, real, p->count);
    memcpy(grad, p->grad, (size_t)p->count * sizeof(real));
    params_zero_grad(p);
    be->xent_bwd(be, T, V, logits, V, b.target, range, NULL, lse, weight);
    decoder_backward_rows(d, T, row, logits);
    near_arrays(p->grad, grad, p->count, 2e-5, "gradients");
    decoder_destroy(d);
}

START_TEST(ranges)
{
    Backend *be = backend_cpu(2);
    ranges_agree(be, 1);
    ranges_agree(be, 3);
    ranges_agree(be, 67); /* too many to group */
    be->destroy(be);
}
END_TEST

START_TEST(nothing_to_learn)
{
    Backend *be = backend_cpu(2);
    Decoder *d = model(be, &QWEN2, true);
    Batch b = usual();
    real *logp = ARENA_NEW(arena, real, b.pk.T), *weight = ARENA_NEW(arena, real, b.pk.T);
    for (int64_t t = 0; t < b.pk.T; t++) b.target[t] = TARGET_IGNORED;
    decoder_forward(d, &b.pk, b.token, (Dropout){0});
    ck_assert_int_eq(decoder_loss(d, b.target, NULL, weight, logp), OK);
    Params *p = decoder_params(d);
    for (int64_t i = 0; i < p->count; i++) ck_assert(p->grad[i] == 0);
    decoder_destroy(d);
    be->destroy(be);
}
END_TEST

/* One sequence's hidden states do not depend on what else is in the batch, nor on gradients being wanted. */
START_TEST(packing_is_invisible)
{
    Backend *be = backend_cpu(2);
    Decoder *d = model(be, &QWEN2, true), *plain = model(be, &QWEN2, false);
    Batch b = usual();
    const int64_t C = QWEN2.C, first = b.pk.h_offset[2], n = b.pk.h_offset[3] - first;
    real *together = ARENA_NEW(arena, real, n * C);
    memcpy(together, decoder_forward(d, &b.pk, b.token, (Dropout){0}) + first * C, (size_t)(n * C) * sizeof(real));
    Batch one = batch(1, &n, 1);
    near_arrays(together, decoder_forward(plain, &one.pk, b.token + first, (Dropout){0}), n * C, 1e-5, "hidden states");
    decoder_destroy(d);
    decoder_destroy(plain);
    be->destroy(be);
}
END_TEST

/* --- training, resuming ---------------------------------------------------------------------------------------- */

static double train(Decoder *d, AdamW *o, int64_t steps)
{
    double last = 0;
    for (int64_t i = 0; i < steps; i++) {
        Batch b = batch(4, (int64_t[]){9, 1, 40, 17}, (uint64_t)(o->step % 3));
        real *weight = ARENA_NEW(arena, real, b.pk.T), *logp = ARENA_NEW(arena, real, b.pk.T);
        for (int64_t t = 0; t < b.pk.T; t++) weight[t] = (real)(1.0 / (double)b.pk.T);
        params_zero_grad(decoder_params(d));
        decoder_forward(d, &b.pk, b.token, (Dropout){.p = 0.1, .key = 5, .call = (uint64_t)o->step});
        MUST(decoder_loss(d, b.target, NULL, weight, logp));
        last = 0;
        for (int64_t t = 0; t < b.pk.T; t++) last -= (double)(weight[t] * logp[t]);
        MUST(adamw_step(o, decoder_params(d), NULL));
    }
    return last;
}

static const AdamW ADAMW = {.lr = 1e-2, .beta1 = 0.9, .beta2 = 0.99, .eps = 1e-8, .weight_decay = 0.01, .max_norm = 1, .warmup_steps = 2,
                            .total_steps = 60};

static Decoder *fresh(Backend *be, uint64_t seed)
{
    Decoder *d = decoder_create(be, &QWEN2, MAX_T, true);
    decoder_init(d, seed);
    return d;
}

START_TEST(training_learns_and_repeats)
{
    Backend *be = backend_cpu(2);
    Decoder *a = fresh(be, 1), *b = fresh(be, 1), *c = fresh(be, 2);
    AdamW oa = ADAMW, ob = ADAMW, oc = ADAMW;
    const double first = train(a, &oa, 1), last = train(a, &oa, 59);
    ck_assert_msg(last < 0.5 * first, "loss %g to %g", first, last);
    train(b, &ob, 60);
    train(c, &oc, 60);
    const size_t bytes = (size_t)decoder_params(a)->count * sizeof(real);
    ck_assert_int_eq(memcmp(decoder_params(a)->value, decoder_params(b)->value, bytes), 0); /* same seed, same bytes */
    ck_assert_int_ne(memcmp(decoder_params(a)->value, decoder_params(c)->value, bytes), 0);
    decoder_destroy(a);
    decoder_destroy(b);
    decoder_destroy(c);
    be->destroy(be);
}
END_TEST

START_TEST(resumed_is_uninterrupted)
{
    Backend *be = backend_cpu(2);
    Decoder *a = fresh(be, 1), *b = fresh(be, 1), *c = fresh(be, 7);
    AdamW oa = ADAMW, ob = ADAMW, oc = ADAMW;
    train(a, &oa, 12);
    train(b, &ob, 5);
    ck_assert_int_eq(adamw_save(&ob, decoder_params(b), in_dir("state.safetensors")), OK);
    ck_assert_int_eq(adamw_load(&oc, decoder_params(c), in_dir("state.safetensors")), OK);
    ck_assert_int_eq(oc.step, 5);
    train(c, &oc, 7);
    const size_t bytes = (size_t)decoder_params(a)->count * sizeof(real);
    ck_assert_int_eq(memcmp(decoder_params(a)->value, decoder_params(c)->value, bytes), 0);
    ck_assert_int_eq(memcmp(decoder_params(a)->v, decoder_params(c)->v, bytes), 0);
    decoder_destroy(a);
    decoder_destroy(b);
    decoder_destroy(c);
    be->destroy(be);
}
END_TEST

START_TEST(bad_gradient_changes_nothing)
{
    Backend *be = backend_cpu(1);
    Decoder *d = fresh(be, 1);
    Params *p = decoder_params(d);
    AdamW o = ADAMW;
    real *before = ARENA_NEW(arena, real, p->count);
    memcpy(before, p->value, (size_t)p->count * sizeof(real));
    p->grad[17] = NAN;
    ck_assert_int_eq(adamw_step(&o, p, NULL), E_NUMERIC);
    ck_assert_int_eq(o.step, 0);
    ck_assert_int_eq(memcmp(before, p->value, (size_t)p->count * sizeof(real)), 0);
    decoder_destroy(d);
    be->destroy(be);
}
END_TEST

/* --- checkpoints ----------------------------------------------------------------------------------------------- */

START_TEST(checkpoint_comes_back)
{
    static const DecoderConfig llama = {V, 24, 2, 4, 2, 6, 33, 5e5, 1e-5, false, false, true};
    static const DecoderConfig *const configs[] = {&QWEN2, &QWEN3, &llama};
    static const char *const types[] = {"qwen2", "qwen3", "llama"};
    Backend *be = backend_cpu(1);
    for (int i = 0; i < 3; i++) {
        Decoder *d = model(be, configs[i], false), *back;
        ck_assert_int_eq(decoder_save(d, in_dir("model")), OK);
        ck_assert_int_eq(decoder_load(be, in_dir("model"), 10, true, &back), OK);
        const DecoderConfig *x = configs[i], *y = decoder_config(back);
        ck_assert(x->V == y->V && x->C == y->C && x->L == y->L && x->H == y->H && x->Hkv == y->Hkv && x->D == y->D && x->F == y->F);
        ck_assert(x->rope_theta == y->rope_theta && x->rms_eps == y->rms_eps && x->attention_bias == y->attention_bias);
        ck_assert(x->qk_norm == y->qk_norm && x->tied == y->tied);
        ck_assert_int_eq(decoder_params(back)->count, decoder_params(d)->count);
        ck_assert_int_eq(memcmp(decoder_params(back)->value, decoder_params(d)->value, (size_t)decoder_params(d)->count * sizeof(real)), 0);
        cJSON *j;
        const char *type;
        ck_assert_int_eq(json_read_file(in_dir("model/config.json"), &j), OK);
        ck_assert_int_eq(json_get_string(path, j, "model_type", &type), OK);
        ck_assert_str_eq(type, types[i]);
        cJSON_Delete(j);
        decoder_destroy(d);
        decoder_destroy(back);
    }
    be->destroy(be);
}
END_TEST

static void edit_config(const char *key, cJSON *value)
{
    cJSON *j;
    MUST(json_read_file(in_dir("model/config.json"), &j));
    cJSON_ReplaceItemInObjectCaseSensitive(j, key, value);
    MUST(json_write_file(in_dir("model/config.json"), j));
    cJSON_Delete(j);
}

START_TEST(wrong_checkpoints_are_refused)
{
    Backend *be = backend_cpu(1);
    Decoder *d = model(be, &QWEN3, false), *back;
    static const struct { const char *key, *text; double number; } EDITS[] = {{"model_type", "gpt2", 0},
        {"hidden_size", NULL, 32}, {"num_hidden_layers", NULL, 3}, {"num_hidden_layers", NULL, 1}, {"vocab_size", NULL, -4}, {"head_dim", NULL, 7}};
    for (size_t i = 0; i < sizeof EDITS / sizeof *EDITS; i++) {
        MUST(decoder_save(d, in_dir("model")));
        edit_config(EDITS[i].key, EDITS[i].text != NULL ? cJSON_CreateString(EDITS[i].text) : cJSON_CreateNumber(EDITS[i].number));
        ck_assert_msg(decoder_load(be, in_dir("model"), 10, false, &back) == E_INPUT, "%s", EDITS[i].key);
        ck_assert_ptr_null(back);
    }
    ck_assert_int_eq(decoder_load(be, in_dir("nowhere"), 10, false, &back), E_INPUT);
    decoder_destroy(d);
    be->destroy(be);
}
END_TEST

/* --- adapters -------------------------------------------------------------------------------------------------- */

START_TEST(adapters)
{
    Backend *be = backend_cpu(2);
    Decoder *d = model(be, &QWEN2, true);
    Batch b = usual();
    const int64_t n = b.pk.T * QWEN2.C;
    real *base = ARENA_NEW(arena, real, n), *adapted = ARENA_NEW(arena, real, n);
    memcpy(base, decoder_forward(d, &b.pk, b.token, (Dropout){0}), (size_t)n * sizeof(real));
    Lora *a = lora_attach(d, 4, 8);
    lora_init(a, 1);
    near_arrays(base, decoder_forward(d, &b.pk, b.token, (Dropout){0}), n, 1e-6, "hidden states with fresh adapters");
    ck_assert_ptr_null(decoder_params(d)->grad);
    fill(lora_params(a), 2, 0.2);
    memcpy(adapted, decoder_forward(d, &b.pk, b.token, (Dropout){0}), (size_t)n * sizeof(real));
    ck_assert_int_eq(lora_save(a, in_dir("adapter")), OK);
    fill(lora_params(a), 3, 0.2);
    ck_assert_int_eq(lora_load(a, in_dir("adapter")), OK);
    near_arrays(adapted, decoder_forward(d, &b.pk, b.token, (Dropout){0}), n, 0, "hidden states with loaded adapters");
    lora_merge(a);
    near_arrays(adapted, decoder_forward(d, &b.pk, b.token, (Dropout){0}), n, 2e-5, "hidden states merged");
    lora_detach(a);
    near_arrays(adapted, decoder_forward(d, &b.pk, b.token, (Dropout){0}), n, 2e-5, "hidden states merged and detached");
    Lora *other = lora_attach(d, 2, 8);
    ck_assert_int_eq(lora_load(other, in_dir("adapter")), E_INPUT); /* another rank */
    decoder_destroy(d);
    be->destroy(be);
}
END_TEST

int main(void)
{
    REQUIRE(mkdtemp(dir) != NULL, "cannot make %s", dir);
    Suite *s = suite_create("decoder");
    TCase *t = tcase_create("properties");
    tcase_add_checked_fixture(t, setup, teardown);
    tcase_set_timeout(t, 120);
    const TTest *tests[] = {cached_decoding_is_full_forward, ranges, nothing_to_learn, packing_is_invisible, training_learns_and_repeats,
        resumed_is_uninterrupted, bad_gradient_changes_nothing, checkpoint_comes_back, wrong_checkpoints_are_refused, adapters};
    for (size_t i = 0; i < sizeof tests / sizeof *tests; i++) tcase_add_test(t, tests[i]);
    suite_add_tcase(s, t);
    const int failed = suite_run(s);
    static const char *const leftovers[] = {"state.safetensors", "model/config.json", "model/model.safetensors", "model",
                                            "adapter/adapter_config.json", "adapter/adapter_model.safetensors", "adapter", ""};
    for (size_t i = 0; i < sizeof leftovers / sizeof *leftovers; i++) {
        if (remove(in_dir(leftovers[i])) != 0 && failed == 0) perror(path);
    }
    return failed == 0 ? 0 : 1;
}
