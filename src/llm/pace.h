/* llm/pace.h -- when to send: rate limits, and pauses before another attempt. No clock in here: callers say what time it is. */
#ifndef DIGR_LLM_PACE_H
#define DIGR_LLM_PACE_H

#include <stdint.h>

/* A token bucket. It holds one second's worth (at least 1) and starts full, so that within any t seconds at most capacity + t * rate passes. What costs more than
 * the capacity passes when the bucket is full, and leaves it in debt. */
typedef struct Bucket { double per_s, capacity, level, last_s; } Bucket;

/* per_minute 0: no limit. */
Bucket bucket_make(double per_minute, double now_s);
/* bucket_wait -- seconds until `amount` may pass; 0: now. */
double bucket_wait(Bucket *b, double now_s, double amount);
/* bucket_take -- takes it; call when bucket_wait gave 0. */
void bucket_take(Bucket *b, double now_s, double amount);
/* bucket_give_back -- what was taken in excess. */
void bucket_give_back(Bucket *b, double amount);

/* retry_pause -- seconds before attempt `attempt` + 1 of request `index`: uniform in (0, first_s * 2^(attempt - 1)], at most max_s (exponential backoff with full jitter). The draw
 * depends on (seed, index, attempt) only. */
double retry_pause(uint64_t seed, int64_t index, int attempt, double first_s, double max_s);

/* retry_after -- seconds that a Retry-After header asks for: a number, or an HTTP date (now_unix: the time it is). -1: neither; never below 0 otherwise. */
double retry_after(const char *value, int64_t now_unix);

#endif
