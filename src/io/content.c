/* io/content.c -- see content.h. */
#include "io/content.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "base/arena.h"
#include "io/decode.h"

enum { BLOCK = 1 << 17, FIRST = 64 };

static size_t leading_space(const char *p, size_t n) {
    size_t i = n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0 ? 3 : 0;
    while (i < n && (p[i] == ' ' || p[i] == '\t' || p[i] == '\r' || p[i] == '\n')) i++;
    return i;
}

ContentForm content_form(const void *data, size_t n) {
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    const char *p = data;
    if (n >= sizeof gzip && memcmp(p, gzip, sizeof gzip) == 0) return FORM_GZIP;
    if (n >= sizeof zstd && memcmp(p, zstd, sizeof zstd) == 0) return FORM_ZSTD;
    size_t i = leading_space(p, n);
    return i == n ? FORM_EMPTY : p[i] == '<' ? FORM_MARKUP : FORM_TEXT;
}

const char *content_objection(ContentKind kind, const void *data, size_t n) {
    ContentForm form = content_form(data, n);
    if (kind == CONTENT_ANY || form == FORM_GZIP || form == FORM_ZSTD) return NULL;
    if (form == FORM_EMPTY) return n > 0 && (kind & CONTENT_PACKED) ? "neither gzip nor zstd" : NULL; /* neither begins with white space */
    if (form == FORM_MARKUP) return "an HTML or XML page";
    if (kind & CONTENT_PACKED) return "neither gzip nor zstd";
    const char *p = data;
    char c = p[leading_space(p, n)];
    if (kind == CONTENT_JSON && c != '{' && c != '[') return "neither JSON nor gzip nor zstd";
    return NULL;
}

/* What the text inside the file looks like, as it streams by. */
typedef struct Text {
    ContentKind kind;
    char first[FIRST];
    size_t n_first;
    char last; /* last byte that is no white space; NUL: none yet */
} Text;

static void text_add(Text *t, const char *p, size_t n) {
    size_t skip = t->n_first == 0 ? leading_space(p, n) : 0;
    size_t take = n - skip < FIRST - t->n_first ? n - skip : FIRST - t->n_first;
    memcpy(t->first + t->n_first, p + skip, take);
    t->n_first += take;
    for (size_t i = n; i > 0; i--) {
        if (strchr(" \t\r\n", p[i - 1]) && p[i - 1]) continue;
        t->last = p[i - 1];
        break;
    }
}

static ContentVerdict read_all(ContentKind kind, Decoder *decoder, char *block, const char **reason) {
    Text text = {.kind = kind & CONTENT_JSON};
    for (size_t n; (n = decoder_read(decoder, block, BLOCK)) > 0;) text_add(&text, block, n);
    const DecodeFault *fault = decoder_fault(decoder);
    ContentForm inside = content_form(text.first, text.n_first);
    *reason = content_objection(text.kind, text.first, text.n_first);
    if (!*reason && (inside == FORM_GZIP || inside == FORM_ZSTD)) *reason = "compressed twice"; /* the reader has taken one layer off */
    if (*reason) return CONTENT_WRONG;
    if (fault->kind == DECODE_TRUNCATED) return *reason = strcmp(fault->codec, "gzip") == 0 ? "the gzip data ends too early" : "the zstd data ends too early", CONTENT_CUT;
    if (fault->kind != DECODE_FINE) return *reason = strcmp(fault->codec, "gzip") == 0 ? "damaged gzip data" : "damaged zstd data", CONTENT_WRONG;
    if (text.kind != CONTENT_ANY && text.n_first == 0) return *reason = "empty", CONTENT_CUT;
    if (text.kind == CONTENT_JSON && text.last != '}' && text.last != ']') return *reason = "the last line ends too early", CONTENT_CUT;
    return *reason = "", CONTENT_WHOLE;
}

Status content_check(ContentKind kind, const char *path, ContentVerdict *verdict, const char **reason) {
    char head[FIRST];
    FILE *file = fopen(path, "rb");
    if (!file) return FAIL(E_INPUT, "check its permissions", "%s: cannot open: %s", path, strerror(errno));
    size_t n = fread(head, 1, sizeof head, file);
    fclose(file);
    *verdict = CONTENT_WRONG;
    *reason = content_objection(kind, head, n);
    if (*reason) return OK;
    Arena *arena = arena_create("content check");
    Decoder *decoder;
    Status status = decoder_open(path, arena, &decoder);
    if (status == OK) {
        *verdict = read_all(kind, decoder, arena_alloc_raw(arena, BLOCK, 1), reason);
        DecodeFaultKind fault = decoder_fault(decoder)->kind;
        if (fault == DECODE_READ_ERROR || fault == DECODE_NO_MEMORY) status = FAIL(E_RESOURCE, "check the disk it is on", "%s: %s", path, decoder_fault(decoder)->reason);
        decoder_close(decoder);
    }
    arena_destroy(arena);
    return status;
}
