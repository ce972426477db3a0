/* eval/markup.h -- escaping of text for the report's formats. All functions write to `out`. Text is UTF-8. */
#ifndef DIGR_EVAL_MARKUP_H
#define DIGR_EVAL_MARKUP_H

#include <stdint.h>
#include <stdio.h>

void markup_html(FILE *out, const char *text);       /* & < > " ' */
void markup_html_rich(FILE *out, const char *text);  /* the same, with `code` and **strong** turned into elements */
void markup_latex(FILE *out, const char *text);      /* specials escaped; ± × − – Δ α ≤ ≥ → as commands */
void markup_csv(FILE *out, const char *text);        /* quoted when needed */
void markup_markdown_cell(FILE *out, const char *text); /* | and line breaks */
/* markup_plain -- without ** and ` marks, broken at blanks into lines of at most `width` columns; `first` and `rest` begin the first and the other lines. */
void markup_plain(FILE *out, const char *text, const char *first, const char *rest, int64_t width);
/* markup_width -- columns a text takes on a terminal: code points that are not combining. */
int64_t markup_width(const char *text);

#endif
