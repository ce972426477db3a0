/* eval/doc.h -- a document of headings, paragraphs, call-outs, tables and plots, written as Markdown and as one self-contained HTML file.
 * Text may carry `code` and **strong**. */
#ifndef DIGR_EVAL_DOC_H
#define DIGR_EVAL_DOC_H

#include <stdbool.h>
#include <stdint.h>

#include "base/arena.h"
#include "base/status.h"
#include "eval/plot.h"
#include "eval/table.h"

typedef enum BlockKind { BLOCK_HEADING, BLOCK_TEXT, BLOCK_NOTICE, BLOCK_TABLE, BLOCK_PLOT } BlockKind;

typedef struct Block {
    BlockKind kind;
    int level;            /* heading: 2 or 3 */
    const char *text, *anchor;
    const Table *table;
    bool printed;         /* table, text: also goes to standard output */
    const Plot *plot;
    bool rendered;        /* plot: the SVG is there */
} Block;

typedef struct Fact { const char *name, *value; } Fact; /* one line of the head */
enum { DOC_FACTS = 24 };

typedef struct Doc {
    Arena *arena;
    const char *title, *subtitle;
    int n_facts;
    Fact fact[DOC_FACTS];
    int64_t n_blocks;
    size_t cap_blocks;
    Block *block;
    int64_t n_plots_missing;
} Doc;

Doc *doc_create(Arena *arena, const char *title, const char *subtitle);
void doc_fact(Doc *doc, const char *name, const char *format, ...) __attribute__((format(printf, 3, 4)));
void doc_heading(Doc *doc, int level, const char *anchor, const char *format, ...) __attribute__((format(printf, 4, 5)));
void doc_text(Doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* doc_say -- a paragraph that is printed on standard output, too: a finding. */
void doc_say(Doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* doc_notice -- a paragraph that must not be overlooked: what the numbers are not. */
void doc_notice(Doc *doc, const char *format, ...) __attribute__((format(printf, 2, 3)));
void doc_table(Doc *doc, const Table *table, bool printed); /* a table without data rows is left out */
/* doc_plot -- draw it into `dir`; an empty plot is left out, a missing gnuplot leaves a line that says so. */
Status doc_plot(Doc *doc, const Plot *plot, const char *dir);

Status doc_write_markdown(const Doc *doc, const char *path);
Status doc_write_html(const Doc *doc, const char *path, const char *plot_dir);
/* doc_write_tables -- CSV and LaTeX of every table. doc_print -- head and printed tables, on standard output. */
Status doc_write_tables(const Doc *doc, const char *dir);
void doc_print(const Doc *doc);

#endif
