/* data/ahead.h -- counting ahead: which events of a large file can be in the k-core at all, known before any of them is kept.
 *
 * A file is read twice. The first time only counts are made: events of each user and each item, by 64-bit fingerprints of their ids (10 bytes and some air
 * an id). The second time an event is kept when its user and its item both have enough. Nothing that a later filter could keep is lost: filters only take
 * events away, so what has too few events now will have too few then. Two ids with the same fingerprint are counted as one and may be kept for nothing.
 *
 * The number of distinct ids is the number of distinct fingerprints: too low by one with probability below n*n / 2^65 (20 million users: 1 in 90,000). */
#ifndef DIGR_DATA_AHEAD_H
#define DIGR_DATA_AHEAD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

typedef struct Ahead Ahead;

/* ahead_create -- least_user, least_item: with fewer events than these an id is of no use; 0 or 1: every id is. */
Ahead *ahead_create(int64_t least_user, int64_t least_item);
void ahead_destroy(Ahead *a); /* NULL is allowed */

/* ahead_count -- one event, the first time. */
void ahead_count(Ahead *a, const char *user, size_t user_length, const char *item, size_t item_length);
/* ahead_keeps_* -- the second time, when all events are counted: whether the id has enough. */
bool ahead_keeps_user(Ahead *a, const char *user, size_t n);
bool ahead_keeps_item(Ahead *a, const char *item, size_t n);

int64_t ahead_events(const Ahead *a);
int64_t ahead_users(Ahead *a);
int64_t ahead_items(Ahead *a);
/* ahead_most_kept -- no more events than this will be kept. */
int64_t ahead_most_kept(Ahead *a);

#endif
