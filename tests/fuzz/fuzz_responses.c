/* tests/fuzz/fuzz_responses.c -- files of recorded answers. First byte: 0: the rest is the file. 1: the rest is text, packed into frames (0x1e between them). 2: the same,
 * then cut: what is read is the beginning, and an append mends the end. */
#include <string.h>
#include <zstd.h>

#include "base/status.h"
#include "fuzz.h"
#include "llm/frames.h"
#include "llm/responses.h"

static size_t pack(Arena *arena, const uint8_t *data, size_t n, uint8_t **file)
{
    size_t room = 0, total = 0, n_section;
    for (size_t i = 0; i < n; i++) room += data[i] == 0x1e;
    room = (room + 1) * 512 + 2 * n;
    *file = arena_alloc_raw(arena, room, 1);
    ZSTD_CCtx *z = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    for (const uint8_t *section; fuzz_section(&data, &n, &section, &n_section);) {
        size_t packed = ZSTD_compress2(z, *file + total, room - total, section, n_section);
        FUZZ_CHECK(!ZSTD_isError(packed), "zstd: %s", ZSTD_getErrorName(packed));
        total += packed;
    }
    (void)ZSTD_freeCCtx(z);
    return total;
}

static int64_t check_open(Arena *arena, const char *path)
{
    Responses *cache;
    if (responses_open(path, arena, &cache) != OK) return -1;
    int64_t n = responses_count(cache), superseded = 0;
    for (int64_t i = 0; i < n; i++) {
        const Response *r = responses_at(cache, i);
        const Response *found = responses_find(cache, r->key, r->set, r->item), *latest = responses_find_identity(cache, r->set, r->item, r->model, r->template_id, r->interest);
        FUZZ_CHECK(found != NULL && strcmp(found->key, r->key) == 0 && (r->superseded || found == r), "record %lld is not found", (long long)i);
        FUZZ_CHECK(latest != NULL && strcmp(latest->item, r->item) == 0, "record %lld is not found by identity", (long long)i);
        superseded += r->superseded;
    }
    FUZZ_CHECK(superseded == responses_report(cache)->n_superseded, "superseded: %lld", (long long)superseded);
    return n;
}

void fuzz_responses(const uint8_t *data, size_t n)
{
    if (n < 2) return;
    Arena *arena = arena_create("fuzz");
    int mode = data[0] % 3;
    uint8_t *file = (uint8_t *)(uintptr_t)(data + 1);
    size_t total = n - 1;
    if (mode > 0) total = pack(arena, data + 2, n - 2, &file);
    if (mode == 2) total = total * data[1] / 256;
    int64_t before = check_open(arena, fuzz_file(0, file, total));
    if (mode == 2 && before >= 0 && data[1] % 8 == 0) { /* an append cuts off what is torn (and is slow: it packs at level 19, and flushes) */
        const char *path = arena_printf(arena, "%s/a.jsonl.zst", fuzz_folder());
        fuzz_put("a.jsonl.zst", file, total);
        Response r = {.key = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef", .provider = "p", .model = "m", .template_id = "mine/v1", .set = "s", .item = "i",
                      .response = "r", .date = "2026-11"};
        FUZZ_CHECK(responses_append(path, &r, 1) == OK, "%s", status_message());
        int64_t after = check_open(arena, path);
        FUZZ_CHECK(after == before + 1, "%lld records, and %lld after one more", (long long)before, (long long)after);
    }
    arena_destroy(arena);
}
