/* io/content.h -- is this file what it is taken for? Looks at the bytes, never at the name.
 *
 * Servers answer with sign-in pages, error pages and half a file, all under "200 OK"; this tells them from data before anybody relies on them. */
#ifndef DIGR_IO_CONTENT_H
#define DIGR_IO_CONTENT_H

#include <stddef.h>

#include "base/status.h"

typedef enum ContentKind {
    CONTENT_ANY = 0,   /* whatever it is */
    CONTENT_TEXT = 1,  /* lines, plain or in gzip or zstd; no HTML or XML */
    CONTENT_JSON = 3,  /* the same, and the text begins with { or [ and ends with } or ] (Amazon's Python literals do, too) */
    CONTENT_PACKED = 4 /* with either of them: gzip or zstd, nothing plain */
} ContentKind;

typedef enum ContentForm { FORM_EMPTY, FORM_TEXT, FORM_MARKUP, FORM_GZIP, FORM_ZSTD } ContentForm;

/* content_form -- from the first bytes; markup is text whose first visible character is `<`. */
ContentForm content_form(const void *data, size_t n);

/* content_objection -- what is wrong with a file that begins with these bytes, as a phrase ("an HTML or XML page"); NULL when nothing is to be seen yet. */
const char *content_objection(ContentKind kind, const void *data, size_t n);

typedef enum ContentVerdict {
    CONTENT_WHOLE,
    CONTENT_CUT,  /* good as far as it goes, and it ends too early */
    CONTENT_WRONG /* damaged, or something else */
} ContentVerdict;

/* content_check -- reads the file to its end, decompressing: every gzip member and zstd frame must be complete with the right checksum.
 * *verdict: as above; *reason: a phrase, "" for CONTENT_WHOLE. E_INPUT: cannot be read. */
Status content_check(ContentKind kind, const char *path, ContentVerdict *verdict, const char **reason);

#endif
