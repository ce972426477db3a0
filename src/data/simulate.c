/* data/simulate.c -- see simulate.h. */
#include "data/simulate.h"

#include <ctype.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/hash.h"
#include "base/rng.h"
#include "base/status.h"

enum { DAY_S = 86400, YEAR_S = 365 * DAY_S, SPAN_S = 3 * YEAR_S };
static const int64_t begin_s = 1309478400; /* 2011-07-01 00:00 UTC */

/* RNG epoch of a category, so that categories are independent. */
static uint32_t category_epoch(const SampleCatalogue *c) { return (uint32_t)fnv1a64(c->category, strlen(c->category)); }

enum { INDEX_POPULARITY, INDEX_PREVALENCE }; /* RNG indices of the two rankings of a category */

/* weight (n) of a random ranking: 1/rank^exponent. */
static void zipf_weights(const SampleCatalogue *c, uint64_t seed, uint64_t index, int64_t n, double exponent, Arena *arena, double *weight) {
    ArenaMark mark = arena_mark(arena);
    int32_t *order = ARENA_NEW(arena, int32_t, n);
    for (int64_t i = 0; i < n; i++) order[i] = (int32_t)i;
    Rng rng = rng_make(seed, RNG_STAGE_SAMPLE, RNG_PERMUTE, category_epoch(c), index);
    rng_shuffle_i32(&rng, order, n);
    for (int64_t r = 0; r < n; r++) weight[order[r]] = pow((double)(r + 1), -exponent);
    arena_release(arena, mark);
}

ChoiceModel *simulate_model(const SampleCatalogue *c, const SimSettings *s, uint64_t seed, Arena *arena) {
    ChoiceModel *m = ARENA_NEW(arena, ChoiceModel, 1);
    double *popularity = ARENA_NEW(arena, double, c->n_items);
    zipf_weights(c, seed, INDEX_POPULARITY, c->n_items, s->zipf, arena, popularity);
    *m = (ChoiceModel){c->n_items, c->n_interests, c->latent, popularity, c->leaf, s->noise, s->chain};
    return m;
}

static int compare_i64(const void *a, const void *b) {
    int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

/* n distinct seconds in increasing order: sorted draws, then each at least one second after the one before. */
static void draw_times(Rng *rng, int64_t n, int64_t *time_s) {
    for (int64_t e = 0; e < n; e++) time_s[e] = begin_s + (int64_t)rng_below(rng, SPAN_S - SIM_MAX_EVENTS);
    qsort(time_s, (size_t)n, sizeof *time_s, compare_i64);
    for (int64_t e = 1; e < n; e++)
        if (time_s[e] <= time_s[e - 1]) time_s[e] = time_s[e - 1] + 1;
}

/* Active interests without repetition, by prevalence; returns how many. */
static int64_t draw_active(Rng *rng, const double *prevalence, int64_t n_interests, Arena *tmp, int32_t *active) {
    ArenaMark mark = arena_mark(tmp);
    static const double share[SIM_MAX_ACTIVE] = {0.40, 0.38, 0.22}; /* users with 1, 2, 3 interests */
    int64_t n = 1 + rng_categorical(rng, share, SIM_MAX_ACTIVE);
    if (n > n_interests) n = n_interests;
    double *left = ARENA_NEW(tmp, double, n_interests);
    memcpy(left, prevalence, (size_t)n_interests * sizeof *left);
    for (int64_t a = 0; a < n; a++) {
        active[a] = (int32_t)rng_categorical(rng, left, n_interests);
        left[active[a]] = 0;
    }
    arena_release(tmp, mark);
    return n;
}

static void softmax_active(const double *logit, int64_t n, double *weight) {
    double sum = 0;
    for (int64_t a = 0; a < n; a++) sum += weight[a] = exp(logit[a]);
    for (int64_t a = 0; a < n; a++) weight[a] /= sum;
}

static void simulate_user(const ChoiceModel *m, const SimSettings *s, const double *prevalence, Rng *rng, Arena *arena, Arena *tmp, SimUser *u) {
    ArenaMark mark = arena_mark(tmp);
    u->n_active = draw_active(rng, prevalence, m->n_interests, tmp, u->active);
    int64_t most = m->n_items - 1 < SIM_MAX_EVENTS ? m->n_items - 1 : SIM_MAX_EVENTS; /* one item always stays free */
    double more = -log(1 - rng_uniform(rng)) * s->more_events;
    u->n_events = SIM_MIN_EVENTS + (more < SIM_MAX_EVENTS ? (int64_t)more : SIM_MAX_EVENTS);
    if (u->n_events > most) u->n_events = most;
    u->item = ARENA_NEW(arena, int32_t, u->n_events);
    u->time_s = ARENA_NEW(arena, int64_t, u->n_events);
    u->weight = ARENA_NEW(arena, double, u->n_events * SIM_MAX_ACTIVE);
    draw_times(rng, u->n_events, u->time_s);
    double logit[SIM_MAX_ACTIVE] = {0};
    for (int64_t a = 0; a < u->n_active; a++) logit[a] = 0.7 * rng_normal(rng);
    bool *taken = ARENA_NEW(tmp, bool, m->n_items);
    double *w = ARENA_NEW(tmp, double, m->n_interests), *p = ARENA_NEW(tmp, double, m->n_items);
    for (int64_t e = 0; e < u->n_events; e++) {
        double years = e ? (double)(u->time_s[e] - u->time_s[e - 1]) / YEAR_S : 0;
        double *weight = u->weight + e * SIM_MAX_ACTIVE;
        for (int64_t a = 0; a < u->n_active; a++) logit[a] += s->drift * sqrt(years) * rng_normal(rng);
        softmax_active(logit, u->n_active, weight);
        for (int64_t a = 0; a < u->n_active; a++) w[u->active[a]] = weight[a];
        choice_probability(m, w, e ? u->item[e - 1] : -1, taken, tmp, p);
        u->item[e] = (int32_t)rng_categorical(rng, p, m->n_items);
        taken[u->item[e]] = true;
    }
    arena_release(tmp, mark);
}

SimUser *simulate_users(const SampleCatalogue *c, const ChoiceModel *m, const SimSettings *s, uint64_t seed, int64_t n, Arena *arena) {
    Arena *tmp = arena_create("simulation scratch");
    SimUser *users = ARENA_NEW(arena, SimUser, n);
    double *prevalence = ARENA_NEW(tmp, double, c->n_interests);
    zipf_weights(c, seed, INDEX_PREVALENCE, c->n_interests, s->prevalence, tmp, prevalence);
    for (int64_t u = 0; u < n; u++) {
        Rng rng = rng_make(seed, RNG_STAGE_SAMPLE, RNG_SAMPLE, category_epoch(c), (uint64_t)u);
        users[u].id = arena_printf(arena, "SIM%c%06lld", toupper((unsigned char)c->category[0]), (long long)u);
        simulate_user(m, s, prevalence, &rng, arena, tmp, &users[u]);
    }
    arena_destroy(tmp);
    return users;
}
