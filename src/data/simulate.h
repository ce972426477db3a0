/* data/simulate.h -- simulated users over the embedded catalogue (never presented as real: every manifest says `simulated`).
 *
 * A user has 1-3 active interests, drawn by uneven prevalence; their weights are a softmax of logits that walk slowly in time; events are
 * distinct seconds of three years; each item is drawn by data/choice.h and taken once. Everything is a function of (seed, category, user). */
#ifndef DIGR_DATA_SIMULATE_H
#define DIGR_DATA_SIMULATE_H

#include <stdint.h>

#include "base/arena.h"
#include "data/choice.h"
#include "data/sample.h"

enum { SIM_MAX_ACTIVE = 3, SIM_MIN_EVENTS = 5, SIM_MAX_EVENTS = 40 };

typedef struct SimSettings {
    double zipf;       /* popularity of the item at rank r (random order): 1/r^zipf */
    double prevalence; /* the same for interests */
    double noise, chain;
    double drift;      /* standard deviation of a logit's walk over one year */
    double more_events; /* mean of the exponential number of events above SIM_MIN_EVENTS, cut at SIM_MAX_EVENTS */
} SimSettings;

typedef struct SimUser {
    const char *id;
    int64_t n_active, n_events;
    int32_t active[SIM_MAX_ACTIVE];
    int32_t *item;   /* (n_events), in time order, no repeats */
    int64_t *time_s; /* (n_events) Unix seconds, strictly increasing */
    double *weight;  /* (n_events,SIM_MAX_ACTIVE) of active[0..n_active) at each event, sum 1 */
} SimUser;

/* simulate_model -- the choice model of a catalogue: draws popularity. Points into c. */
ChoiceModel *simulate_model(const SampleCatalogue *c, const SimSettings *s, uint64_t seed, Arena *arena);
/* simulate_users -- n users into arena. */
SimUser *simulate_users(const SampleCatalogue *c, const ChoiceModel *m, const SimSettings *s, uint64_t seed, int64_t n, Arena *arena);

#endif
