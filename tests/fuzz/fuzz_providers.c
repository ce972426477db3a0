/* tests/fuzz/fuzz_providers.c -- a providers file of the user's own making. */
#include <math.h>
#include <string.h>

#include "fuzz.h"
#include "llm/providers.h"

void fuzz_providers(const uint8_t *data, size_t n)
{
    Arena *arena = arena_create("fuzz");
    Provider *p;
    Model *m;
    if (providers_find(fuzz_file(0, data, n), "", "m", arena, &p, &m) == OK) {
        FUZZ_CHECK(strcmp(m->name, "m") == 0 && *p->base_url == 'h', "%s", m->name);
        FUZZ_CHECK(isfinite(m->usd_in) && m->usd_in >= 0 && isfinite(m->usd_out) && m->usd_out >= 0, "prices");
        FUZZ_CHECK(!m->has_prices || m->price_source != NULL || m->usd_in + m->usd_out <= 0, "a price without its source");
        FUZZ_CHECK(m->context_tokens >= 0 && m->max_output_tokens >= 0 && m->requests_per_minute >= 0, "limits");
        for (int h = 0; h < p->n_headers; h++) FUZZ_CHECK(strpbrk(p->header[h], "\r\n") == NULL, "a header of two lines");
    }
    arena_destroy(arena);
}
