/* data/choice.c -- see the formula in choice.h. */
#include "data/choice.h"

#include "base/status.h"

/* explained (n_interests) = r(k); returns whether chaining applies. */
static bool explain_previous(const ChoiceModel *m, const double *w, int64_t previous, double *explained) {
    double sum = 0;
    for (int64_t k = 0; k < m->n_interests; k++) {
        explained[k] = previous < 0 ? 0 : w[k] * m->latent[previous * m->n_interests + k];
        sum += explained[k];
    }
    for (int64_t k = 0; k < m->n_interests && sum > 0; k++) explained[k] /= sum;
    return sum > 0;
}

void choice_probability(const ChoiceModel *m, const double *w, int64_t previous, const bool *taken, Arena *tmp, double *p) {
    ArenaMark mark = arena_mark(tmp);
    int64_t I = m->n_interests;
    double *explained = ARENA_NEW(tmp, double, I), *mass = ARENA_NEW(tmp, double, I), *mass_other = ARENA_NEW(tmp, double, I);
    double chain = explain_previous(m, w, previous, explained) ? m->chain : 0, popularity = 0, total = 0;
    for (int64_t i = 0; i < m->n_items; i++) {
        if (taken[i]) continue;
        bool other = previous >= 0 && m->leaf[i] != m->leaf[previous];
        popularity += m->popularity[i];
        for (int64_t k = 0; k < I; k++) {
            double mine = m->latent[i * I + k] * m->popularity[i];
            mass[k] += mine;
            if (other) mass_other[k] += mine;
        }
    }
    REQUIRE(popularity > 0, "every item is taken");
    for (int64_t i = 0; i < m->n_items; i++) {
        p[i] = 0;
        if (taken[i]) continue;
        bool other = previous >= 0 && m->leaf[i] != m->leaf[previous];
        double wanted = 0;
        for (int64_t k = 0; k < I; k++) {
            double mine = m->latent[i * I + k] * m->popularity[i];
            if (mine <= 0) continue;
            wanted += (1 - chain) * w[k] * mine / mass[k];
            if (other) wanted += chain * explained[k] * mine / mass_other[k];
        }
        p[i] = m->noise * m->popularity[i] / popularity + (1 - m->noise) * wanted;
        total += p[i];
    }
    REQUIRE(total > 0, "no item has a positive probability");
    for (int64_t i = 0; i < m->n_items; i++) p[i] /= total;
    arena_release(tmp, mark);
}
