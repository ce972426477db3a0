/* doc.c -- see doc.h. The style sheet is in doc_style.c. */
#include "eval/doc.h"

#include <stdarg.h>
#include <string.h>

#include "eval/doc_style.h"
#include "eval/markup.h"
#include "base/atomic.h"

/* ------------------------------------------------------------------ building */

Doc *doc_create(Arena *arena, const char *title, const char *subtitle)
{
    Doc *d = ARENA_NEW(arena, Doc, 1);
    *d = (Doc){.arena = arena, .title = arena_strdup(arena, title), .subtitle = arena_strdup(arena, subtitle)};
    return d;
}

static const char *vprint(Doc *d, const char *format, va_list args)
{
    char text[8192];
    (void)vsnprintf(text, sizeof text, format, args);
    return arena_strdup(d->arena, text);
}

static Block *add(Doc *d, BlockKind kind)
{
    ARENA_GROW(d->arena, d->block, d->cap_blocks, d->n_blocks + 1);
    Block *b = &d->block[d->n_blocks++];
    *b = (Block){.kind = kind};
    return b;
}

void doc_fact(Doc *d, const char *name, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    REQUIRE(d->n_facts < DOC_FACTS, "too many facts");
    d->fact[d->n_facts++] = (Fact){arena_strdup(d->arena, name), vprint(d, format, args)};
    va_end(args);
}

void doc_heading(Doc *d, int level, const char *anchor, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Block *b = add(d, BLOCK_HEADING);
    b->level = level;
    b->anchor = arena_strdup(d->arena, anchor);
    b->text = vprint(d, format, args);
    va_end(args);
}

void doc_text(Doc *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(d, BLOCK_TEXT)->text = vprint(d, format, args);
    va_end(args);
}

void doc_say(Doc *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    Block *b = add(d, BLOCK_TEXT);
    b->text = vprint(d, format, args);
    b->printed = true;
    va_end(args);
}

void doc_notice(Doc *d, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    add(d, BLOCK_NOTICE)->text = vprint(d, format, args);
    va_end(args);
}

void doc_table(Doc *d, const Table *table, bool printed)
{
    if (table_n_data_rows(table) == 0) return;
    Block *b = add(d, BLOCK_TABLE);
    b->table = table;
    b->printed = printed;
}

Status doc_plot(Doc *d, const Plot *plot, const char *dir)
{
    if (plot_is_empty(plot)) return OK;
    bool rendered;
    TRY(plot_render(plot, dir, d->arena, &rendered));
    Block *b = add(d, BLOCK_PLOT);
    b->plot = plot;
    b->rendered = rendered;
    d->n_plots_missing += !rendered;
    return OK;
}

/* ------------------------------------------------------------------ Markdown */

static void markdown_block(const Block *b, FILE *out)
{
    switch (b->kind) {
    case BLOCK_HEADING: fprintf(out, "%s %s\n\n", b->level == 2 ? "##" : "###", b->text); break;
    case BLOCK_TEXT: fprintf(out, "%s\n\n", b->text); break;
    case BLOCK_NOTICE: fprintf(out, "> %s\n\n", b->text); break;
    case BLOCK_TABLE:
        fprintf(out, "**%s** ([CSV](%s.csv), [LaTeX](%s.tex))\n\n", b->table->title, b->table->id, b->table->id);
        table_markdown(b->table, out);
        break;
    case BLOCK_PLOT:
        if (b->rendered) fprintf(out, "![%s](%s.svg)\n\n", b->plot->title, b->plot->id);
        else fprintf(out, "_%s: no plot, gnuplot was not found; `gnuplot %s.gp > %s.svg` draws it._\n\n", b->plot->title, b->plot->id, b->plot->id);
    }
}

Status doc_write_markdown(const Doc *d, const char *path)
{
    AtomicFile *file;
    TRY(atomic_open(path, &file));
    FILE *out = atomic_stream(file);
    fprintf(out, "# %s\n\n%s\n\n", d->title, d->subtitle);
    for (int i = 0; i < d->n_facts; i++) fprintf(out, "- **%s:** %s\n", d->fact[i].name, d->fact[i].value);
    fputs("\n", out);
    for (int64_t i = 0; i < d->n_blocks; i++) markdown_block(&d->block[i], out);
    return atomic_commit(file);
}

/* ------------------------------------------------------------------ HTML */

static void paragraph(const char *class, const char *text, FILE *out)
{
    fprintf(out, "<p%s%s%s>", class[0] != '\0' ? " class=\"" : "", class, class[0] != '\0' ? "\"" : "");
    markup_html_rich(out, text);
    fputs("</p>\n", out);
}

static Status html_block(const Block *b, const char *plot_dir, FILE *out)
{
    switch (b->kind) {
    case BLOCK_HEADING:
        fprintf(out, "<h%d id=\"%s\">", b->level, b->anchor);
        markup_html(out, b->text);
        fprintf(out, "</h%d>\n", b->level);
        return OK;
    case BLOCK_TEXT: paragraph("", b->text, out); return OK;
    case BLOCK_NOTICE: paragraph("notice", b->text, out); return OK;
    case BLOCK_TABLE: table_html(b->table, out); return OK;
    case BLOCK_PLOT: break;
    }
    if (!b->rendered) {
        fprintf(out, "<p class=\"missing\">%s: no plot, gnuplot was not found. <code>gnuplot %s.gp &gt; %s.svg</code> draws it.</p>\n", b->plot->title, b->plot->id,
                b->plot->id);
        return OK;
    }
    fprintf(out, "<figure class=\"plot\" id=\"plot-%s\" role=\"img\" aria-label=\"", b->plot->id);
    markup_html(out, b->plot->title);
    fputs("\">\n", out);
    TRY(plot_inline(b->plot, plot_dir, out));
    fputs("</figure>\n", out);
    return OK;
}

Status doc_write_html(const Doc *d, const char *path, const char *plot_dir)
{
    AtomicFile *file;
    TRY(atomic_open(path, &file));
    FILE *out = atomic_stream(file);
    fputs("<!doctype html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>", out);
    markup_html(out, d->title);
    fprintf(out, "</title>\n<style>\n%s</style>\n</head>\n<body>\n<header>\n<h1>", DOC_STYLE);
    markup_html(out, d->title);
    fputs("</h1>\n", out);
    paragraph("subtitle", d->subtitle, out);
    fputs("<dl>\n", out);
    for (int i = 0; i < d->n_facts; i++) {
        fputs("<div><dt>", out);
        markup_html(out, d->fact[i].name);
        fputs("</dt><dd>", out);
        markup_html_rich(out, d->fact[i].value);
        fputs("</dd></div>\n", out);
    }
    fputs("</dl>\n</header>\n<nav>", out);
    for (int64_t i = 0; i < d->n_blocks; i++) {
        if (d->block[i].kind != BLOCK_HEADING || d->block[i].level != 2) continue;
        fprintf(out, "<a href=\"#%s\">", d->block[i].anchor);
        markup_html(out, d->block[i].text);
        fputs("</a>", out);
    }
    fputs("</nav>\n<main>\n", out);
    for (int64_t i = 0; i < d->n_blocks; i++) {
        const Status status = html_block(&d->block[i], plot_dir, out);
        if (status == OK) continue;
        atomic_abandon(file);
        return status;
    }
    fputs("</main>\n</body>\n</html>\n", out);
    return atomic_commit(file);
}

/* ------------------------------------------------------------------ files and standard output */

Status doc_write_tables(const Doc *d, const char *dir)
{
    for (int64_t i = 0; i < d->n_blocks; i++)
        if (d->block[i].kind == BLOCK_TABLE) TRY(table_write_files(d->block[i].table, dir));
    return OK;
}

enum { PRINT_WIDTH = 118 };

void doc_print(const Doc *d)
{
    printf("%s\n%s\n", d->title, d->subtitle);
    for (int i = 0; i < d->n_facts; i++) {
        char name[32];
        snprintf(name, sizeof name, "  %-12s ", d->fact[i].name);
        markup_plain(stdout, d->fact[i].value, name, "               ", PRINT_WIDTH);
    }
    for (int64_t i = 0; i < d->n_blocks; i++) {
        if (d->block[i].kind == BLOCK_TABLE && d->block[i].printed) table_plain(d->block[i].table, stdout);
        if (d->block[i].kind == BLOCK_TEXT && d->block[i].printed) markup_plain(stdout, d->block[i].text, "\n- ", "  ", PRINT_WIDTH);
        if (d->block[i].kind == BLOCK_NOTICE) markup_plain(stdout, d->block[i].text, "\n! ", "  ", PRINT_WIDTH);
    }
    fflush(stdout);
}
