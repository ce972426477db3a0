/* data/events.h -- the whole sequences of a prepared data set again: every event of every user with its item, its time and its part.
 *
 * train.tsv, valid.tsv and test.tsv say what is trained on and what is evaluated; times.tsv has the times. Here they are joined: user u has events
 * offset[u] .. offset[u+1), in order. Rows of a user are told apart by the length of their (whole) history. */
#ifndef DIGR_DATA_EVENTS_H
#define DIGR_DATA_EVENTS_H

#include "data/dataset.h"

typedef enum EventPart {
    EVENT_TRAIN,   /* in a training sequence */
    EVENT_VALID,   /* target of a valid row */
    EVENT_TEST,    /* target of a test row */
    EVENT_CONTEXT, /* only ever history: the first event of a user who has no train rows */
    EVENT_PARTS
} EventPart;

typedef struct Events {
    int64_t n_users, n;
    int64_t *offset; /* (n_users+1) */
    int32_t *item;   /* (n) */
    int64_t *time_s; /* (n) 0: unknown */
    uint8_t *part;   /* (n) EventPart */
} Events;

/* events_load -- into arena. E_INPUT when times.tsv is missing or does not fit the other files (file and line named). */
Status events_load(const Dataset *d, Arena *arena, Events **events);

#endif
