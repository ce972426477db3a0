/* tests/fuzz/fuzz_stream.c -- compressed sources: our decoder takes what zlib and zstd themselves take, and gives the same text.
 *
 * First byte: how the rest is used. 0: as it is. 1, 2: as text that is packed (gzip, zstd), in as many members as the second byte says. 3, 4: packed, then cut at
 * a place that the third byte says; what comes out is the beginning. 5, 6: packed, and one byte changed; it is found out, or the text is the same. */
#include <string.h>
#include <zlib.h>
#include <zstd.h>

#include "base/status.h"
#include "fuzz.h"
#include "io/content.h"
#include "io/decode.h"
#include "io/stream.h"

enum { ROOM = 1 << 18 }; /* a small input can unpack to a lot: what lies behind is not compared */

typedef struct Text { char *at; size_t n; DecodeFaultKind kind; } Text;

/* ---- the judges ---- */

static Text judge_gzip(Arena *arena, const uint8_t *data, size_t n)
{
    Text t = {.at = arena_alloc_raw(arena, ROOM, 1)};
    size_t at = 0;
    while (at < n && t.n < ROOM) {
        z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)(data + at), .avail_in = (uInt)(n - at), .next_out = (Bytef *)t.at + t.n, .avail_out = (uInt)(ROOM - t.n)};
        FUZZ_CHECK(inflateInit2(&z, 15 + 16) == Z_OK, "zlib");
        int rc = inflate(&z, Z_FINISH);
        at = n - z.avail_in;
        t.n = ROOM - z.avail_out;
        bool cut = (rc == Z_BUF_ERROR || rc == Z_OK) && z.avail_in == 0;
        (void)inflateEnd(&z);
        if (rc == Z_STREAM_END) continue;
        t.kind = cut ? DECODE_TRUNCATED : DECODE_CORRUPT;
        break;
    }
    return t;
}

static Text judge_zstd(Arena *arena, const uint8_t *data, size_t n)
{
    Text t = {.at = arena_alloc_raw(arena, ROOM, 1)};
    ZSTD_DStream *z = ZSTD_createDStream();
    ZSTD_inBuffer in = {data, n, 0};
    ZSTD_outBuffer out = {t.at, ROOM, 0};
    size_t left = 0;
    for (;;) {
        size_t in_before = in.pos, out_before = out.pos;
        left = ZSTD_decompressStream(z, &out, &in);
        if (ZSTD_isError(left) || out.pos == ROOM || (in.pos == in_before && out.pos == out_before) || (in.pos == in.size && left == 0)) break;
    }
    t.n = out.pos;
    t.kind = ZSTD_isError(left) ? DECODE_CORRUPT : left != 0 ? DECODE_TRUNCATED : DECODE_FINE;
    (void)ZSTD_freeDStream(z);
    return t;
}

static Text ours(Arena *arena, const uint8_t *data, size_t n, size_t step)
{
    Text t = {.at = arena_alloc_raw(arena, ROOM, 1)};
    Decoder *d = decoder_open_memory(data, n, arena);
    while (t.n < ROOM) {
        size_t room = step < ROOM - t.n ? step : ROOM - t.n, got = decoder_read(d, t.at + t.n, room);
        if (got == 0) break;
        t.n += got;
    }
    t.kind = decoder_fault(d)->kind;
    decoder_close(d);
    return t;
}

/* The lines of the reader, put together, are the text. Before a fault one may give out more of it than the other: how much depends on the sizes of the buffers. */
static void check_lines(const uint8_t *data, size_t n, const Text *text)
{
    LineReader *reader = line_open_memory("f", data, n);
    const char *line;
    size_t length, at = 0;
    while (line_next(reader, &line, &length)) {
        size_t known = at >= text->n ? 0 : length < text->n - at ? length : text->n - at;
        FUZZ_CHECK(known == length || text->kind != DECODE_FINE, "line %lld: more than the text", (long long)line_number(reader));
        FUZZ_CHECK(known == 0 || memcmp(line, text->at + at, known) == 0, "line %lld differs", (long long)line_number(reader));
        at += length + 1;
    }
    Status status = line_close(reader);
    FUZZ_CHECK((status == OK) == (text->kind == DECODE_FINE), "lines: %s", status_message());
}

static Text check(Arena *arena, const uint8_t *data, size_t n, size_t step)
{
    ContentForm form = content_form(data, n);
    bool packed = form == FORM_GZIP || form == FORM_ZSTD;
    Text got = ours(arena, data, n, step), expected = {.at = (char *)(uintptr_t)data, .n = n};
    if (packed) expected = form == FORM_GZIP ? judge_gzip(arena, data, n) : judge_zstd(arena, data, n);
    if (expected.n == ROOM || got.n == ROOM) return got;
    if (expected.kind == DECODE_FINE) FUZZ_CHECK(got.n == expected.n && memcmp(got.at, expected.at, got.n) == 0, "%zu bytes, expected %zu", got.n, expected.n);
    else FUZZ_CHECK(memcmp(got.at, expected.at, got.n < expected.n ? got.n : expected.n) == 0, "the text before the fault differs");
    /* cut or damaged is told by whoever finds it first: igzip refuses an empty code at once, zlib wants to see what uses it */
    FUZZ_CHECK((got.kind == DECODE_FINE) == (expected.kind == DECODE_FINE), "kind %d, expected %d", (int)got.kind, (int)expected.kind);
    check_lines(data, n, &got);
    return got;
}

/* ---- packing ---- */

static size_t pack_gzip(const uint8_t *data, size_t n, uint8_t *out, size_t room)
{
    z_stream z = {.next_in = (z_const Bytef *)(uintptr_t)data, .avail_in = (uInt)n, .next_out = out, .avail_out = (uInt)room};
    FUZZ_CHECK(deflateInit2(&z, n % 10 == 0 ? 0 : 6, Z_DEFLATED, 15 + 16, 8, n % 3 == 0 ? Z_FIXED : Z_DEFAULT_STRATEGY) == Z_OK && deflate(&z, Z_FINISH) == Z_STREAM_END, "deflate");
    (void)deflateEnd(&z);
    return room - z.avail_out;
}

static size_t pack_zstd(const uint8_t *data, size_t n, uint8_t *out, size_t room)
{
    ZSTD_CCtx *z = ZSTD_createCCtx();
    (void)ZSTD_CCtx_setParameter(z, ZSTD_c_checksumFlag, 1);
    size_t packed = ZSTD_compress2(z, out, room, data, n);
    (void)ZSTD_freeCCtx(z);
    FUZZ_CHECK(!ZSTD_isError(packed), "zstd");
    return packed;
}

static void check_packed(Arena *arena, int mode, const uint8_t *data, size_t n)
{
    if (n < 5) return;
    size_t members = 1 + data[0] % 5u, place = data[1] | (size_t)data[2] << 8, change = data[3], total = 0;
    data += 4, n -= 4;
    size_t room = 2 * n + 4096;
    uint8_t *packed = arena_alloc_raw(arena, room, 1);
    for (size_t m = 0; m < members; m++) {
        size_t from = n * m / members, to = n * (m + 1) / members;
        total += (mode % 2 == 1 ? pack_gzip : pack_zstd)(data + from, to - from, packed + total, room - total);
    }
    if (mode == 3 || mode == 4) total = place % (total + 1);
    if (mode >= 5 && total > 0) packed[place % total] ^= (uint8_t)(change != 0 ? change : 1);
    Text got = check(arena, packed, total, 1 + change * 37);
    if (mode <= 2) FUZZ_CHECK(got.kind == DECODE_FINE && got.n == n && memcmp(got.at, data, n) == 0, "packed text came back as %zu of %zu bytes", got.n, n);
    if (mode == 3 || mode == 4) FUZZ_CHECK(got.kind != DECODE_CORRUPT, "what is only cut is called damaged");
    if (mode >= 3 && content_form(packed, total) != FORM_TEXT && content_form(packed, total) != FORM_EMPTY && content_form(packed, total) != FORM_MARKUP)
        FUZZ_CHECK(got.kind != DECODE_FINE || (got.n <= n && memcmp(got.at, data, got.n) == 0), "a fault went by unnoticed");
}

void fuzz_stream(const uint8_t *data, size_t n)
{
    if (n == 0) return;
    Arena *arena = arena_create("fuzz");
    int mode = data[0] % 7;
    if (mode == 0) (void)check(arena, data + 1, n - 1, n > 1 ? 1 + data[n - 1] * 37u : 1);
    else check_packed(arena, mode, data + 1, n - 1);
    arena_destroy(arena);
}
