/* llm/pace.c -- see pace.h. */
#include "llm/pace.h"

#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"

Bucket bucket_make(double per_minute, double now_s) {
    double per_s = per_minute / 60, capacity = per_s > 1 ? per_s : 1;
    return (Bucket){per_s, capacity, capacity, now_s};
}

static void fill(Bucket *b, double now_s) {
    if (now_s > b->last_s) b->level = fmin(b->capacity, b->level + (now_s - b->last_s) * b->per_s);
    if (now_s > b->last_s) b->last_s = now_s;
}

double bucket_wait(Bucket *b, double now_s, double amount) {
    if (b->per_s <= 0) return 0;
    fill(b, now_s);
    double missing = fmin(amount, b->capacity) - b->level;
    return missing > 1e-9 ? missing / b->per_s : 0; /* 1e-9: what rounding leaves after waiting exactly so long */
}

void bucket_take(Bucket *b, double now_s, double amount) {
    if (b->per_s <= 0) return;
    fill(b, now_s);
    b->level -= amount;
}

void bucket_give_back(Bucket *b, double amount) {
    if (b->per_s > 0 && amount > 0) b->level = fmin(b->capacity, b->level + amount);
}

double retry_pause(uint64_t seed, int64_t index, int attempt, double first_s, double max_s) {
    Rng r = rng_make(seed, RNG_STAGE_MINE, RNG_NOISE, (uint32_t)attempt, (uint64_t)index);
    double longest = fmin(max_s, first_s * ldexp(1, attempt < 31 ? attempt - 1 : 30));
    return (1 - rng_uniform(&r)) * longest;
}

double retry_after(const char *value, int64_t now_unix) {
    value += strspn(value, " \t");
    char *end;
    double s = strtod(value, &end);
    end += strspn(end, " \t\r\n");
    if (end != value && !*end && strspn(value, "0123456789.") > 0) return isfinite(s) && s >= 0 ? s : -1;
    time_t at = curl_getdate(value, NULL);
    if (at < 0) return -1;
    return at > now_unix ? (double)(at - now_unix) : 0;
}
