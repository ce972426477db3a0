/* table.c -- the five forms of a table; see table.h. */
#include "eval/table.h"

#include <math.h>
#include <stdarg.h>
#include <string.h>

#include "eval/markup.h"
#include "base/atomic.h"

/* ------------------------------------------------------------------ filling */

Table *table_create(Arena *arena, const char *id, const char *title)
{
    Table *t = ARENA_NEW(arena, Table, 1);
    t->arena = arena;
    t->id = arena_strdup(arena, id);
    t->title = arena_strdup(arena, title);
    return t;
}

void table_column(Table *t, ColumnKind kind, const char *header, int decimals)
{
    REQUIRE(t->n_columns < TABLE_COLUMNS && t->n_rows == 0, "table %s: column \"%s\"", t->id, header);
    t->column[t->n_columns++] = (Column){kind, arena_strdup(t->arena, header), decimals, false};
}

static Row *add_row(Table *t)
{
    REQUIRE(t->n_rows == 0 || t->row[t->n_rows - 1].group != NULL || t->filled == t->n_columns, "table %s: row %lld has %d of %d cells", t->id,
            (long long)t->n_rows - 1, t->filled, t->n_columns);
    ARENA_GROW(t->arena, t->row, t->cap_rows, t->n_rows + 1);
    Row *row = &t->row[t->n_rows++];
    *row = (Row){.cell = ARENA_NEW(t->arena, Cell, t->n_columns)};
    t->filled = 0;
    return row;
}

void table_group(Table *t, const char *label) { add_row(t)->group = arena_strdup(t->arena, label); }
void table_row(Table *t) { (void)add_row(t); }
void table_strong(Table *t) { t->row[t->n_rows - 1].strong = true; }

static bool has_bounds(ColumnKind kind) { return kind == COLUMN_INTERVAL || kind == COLUMN_ESTIMATE; }

static Cell *next_cell(Table *t, const char *what)
{
    REQUIRE(t->n_rows > 0 && t->row[t->n_rows - 1].group == NULL && t->filled < t->n_columns, "table %s: a %s too many", t->id, what);
    const ColumnKind kind = t->column[t->filled].kind;
    const char *fits = kind == COLUMN_TEXT ? "text" : kind == COLUMN_SPREAD ? "spread" : has_bounds(kind) ? "interval" : "number";
    REQUIRE(strcmp(what, fits) == 0 || strcmp(what, "blank") == 0, "table %s: a %s in column \"%s\"", t->id, what, t->column[t->filled].header);
    return &t->row[t->n_rows - 1].cell[t->filled++];
}

void table_text(Table *t, const char *text) { *next_cell(t, "text") = (Cell){.present = true, .text = arena_strdup(t->arena, text)}; }
void table_number(Table *t, double value) { *next_cell(t, "number") = (Cell){.present = true, .value = value}; }
void table_none(Table *t) { *next_cell(t, "blank") = (Cell){.present = false}; }

void table_spread(Table *t, Spread s)
{
    *next_cell(t, "spread") = (Cell){.present = s.n > 0, .value = s.mean, .low = s.sd, .high = (double)s.n};
}

void table_interval(Table *t, double difference, double low, double high)
{
    *next_cell(t, "interval") = (Cell){.present = true, .bounded = true, .value = difference, .low = low, .high = high};
}

void table_unbounded(Table *t, double value) { *next_cell(t, "interval") = (Cell){.present = true, .value = value}; }

void table_best(Table *t, int column, const bool *skip, int64_t n_skip)
{
    int64_t first = t->n_rows;
    while (first > 0 && t->row[first - 1].group == NULL) first--;
    double best = -INFINITY;
    for (int pass = 0; pass < 2; pass++) {
        for (int64_t r = first; r < t->n_rows; r++) {
            Cell *c = &t->row[r].cell[column];
            if (!c->present || (r - first < n_skip && skip[r - first])) continue;
            if (pass == 0) best = fmax(best, c->value);
            else if (c->value >= best) c->best = t->column[column].has_best = true;
        }
    }
}

void table_note(Table *t, const char *format, ...)
{
    char text[2048];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(text, sizeof text, format, args);
    va_end(args);
    REQUIRE(t->n_notes < TABLE_NOTES, "table %s: too many notes", t->id);
    t->note[t->n_notes++] = arena_strdup(t->arena, text);
}

int64_t table_n_data_rows(const Table *t)
{
    int64_t n = 0;
    for (int64_t r = 0; r < t->n_rows; r++) n += t->row[r].group == NULL;
    return n;
}

/* ------------------------------------------------------------------ cells */

static const char *count_text(double value, Arena *arena)
{
    char digits[32], out[48];
    const int n = snprintf(digits, sizeof digits, "%.0f", fabs(value));
    int k = 0;
    if (value < 0) out[k++] = '-';
    for (int i = 0; i < n; i++) {
        if (i > 0 && (n - i) % 3 == 0) out[k++] = ',';
        out[k++] = digits[i];
    }
    return arena_strndup(arena, out, (size_t)k);
}

const char *table_count(int64_t value, Arena *arena) { return count_text((double)value, arena); }

const char *table_cell(const Table *t, const Cell *c, int column, Arena *arena)
{
    const int d = t->column[column].decimals;
    if (!c->present) return "";
    switch (t->column[column].kind) {
    case COLUMN_TEXT: return c->text;
    case COLUMN_COUNT: return count_text(c->value, arena);
    case COLUMN_NUMBER: return arena_printf(arena, "%.*f", d, c->value);
    case COLUMN_PERCENT: return arena_printf(arena, "%.*f %%", d, 100.0 * c->value);
    case COLUMN_CHANGE: return arena_printf(arena, "%+.*f %%", d, 100.0 * c->value);
    case COLUMN_SPREAD:
        if (c->high > 1.0) return arena_printf(arena, "%.*f ± %.*f", d, c->value, d, c->low);
        return arena_printf(arena, "%.*f", d, c->value);
    case COLUMN_INTERVAL:
        if (!c->bounded) return arena_printf(arena, "%+.*f", d, c->value);
        return arena_printf(arena, "%+.*f [%+.*f, %+.*f]", d, c->value, d, c->low, d, c->high);
    case COLUMN_ESTIMATE:
        if (!c->bounded) return arena_printf(arena, "%.*f", d, c->value);
        return arena_printf(arena, "%.*f [%.*f, %.*f]", d, c->value, d, c->low, d, c->high);
    }
    return "";
}

static bool is_numeric(const Table *t, int column) { return t->column[column].kind != COLUMN_TEXT; }

/* ------------------------------------------------------------------ Markdown */

void table_markdown(const Table *t, FILE *out)
{
    Arena *tmp = arena_create("table");
    fputs("|", out);
    for (int k = 0; k < t->n_columns; k++) {
        fputs(" ", out);
        markup_markdown_cell(out, t->column[k].header);
        fputs(" |", out);
    }
    fputs("\n|", out);
    for (int k = 0; k < t->n_columns; k++) fputs(is_numeric(t, k) ? "---:|" : "---|", out);
    fputs("\n", out);
    for (int64_t r = 0; r < t->n_rows; r++) {
        const Row *row = &t->row[r];
        fputs("|", out);
        for (int k = 0; k < t->n_columns; k++) {
            const char *text = row->group != NULL ? (k == 0 ? row->group : "") : table_cell(t, &row->cell[k], k, tmp);
            const bool strong = text[0] != '\0' && (row->group != NULL || row->cell[k].best || (row->strong && k == 0));
            fputs(strong ? " **" : " ", out);
            markup_markdown_cell(out, text);
            fputs(strong ? "** |" : " |", out);
        }
        fputs("\n", out);
    }
    fputs("\n", out);
    for (int i = 0; i < t->n_notes; i++) fprintf(out, "%s%s\n", t->note[i], i + 1 < t->n_notes ? "  " : "\n");
    arena_destroy(tmp);
}

/* ------------------------------------------------------------------ CSV */

static void csv_number(FILE *out, const Cell *c, double value)
{
    if (c->present) fprintf(out, "%.10g", value);
}

static void csv_cell(const Table *t, const Cell *c, int k, FILE *out)
{
    switch (t->column[k].kind) {
    case COLUMN_TEXT: markup_csv(out, c->present ? c->text : ""); break;
    case COLUMN_SPREAD:
        csv_number(out, c, c->value);
        fputc(',', out);
        if (c->high > 1.0) csv_number(out, c, c->low);
        fputc(',', out);
        csv_number(out, c, c->high);
        break;
    case COLUMN_INTERVAL:
    case COLUMN_ESTIMATE:
        csv_number(out, c, c->value);
        fputc(',', out);
        if (c->bounded) csv_number(out, c, c->low);
        fputc(',', out);
        if (c->bounded) csv_number(out, c, c->high);
        break;
    default: csv_number(out, c, c->value);
    }
}

void table_csv(const Table *t, FILE *out)
{
    bool grouped = false;
    for (int64_t r = 0; r < t->n_rows; r++) grouped = grouped || t->row[r].group != NULL;
    if (grouped) fputs("group,", out);
    for (int k = 0; k < t->n_columns; k++) {
        static const char *const suffix[2][3] = {{" mean", " sd", " seeds"}, {"", " low", " high"}};
        const ColumnKind kind = t->column[k].kind;
        const int parts = kind == COLUMN_SPREAD || has_bounds(kind) ? 3 : 1;
        for (int p = 0; p < parts; p++) {
            if (k + p > 0) fputc(',', out);
            markup_csv(out, arena_printf(t->arena, "%s%s", t->column[k].header, parts == 1 ? "" : suffix[has_bounds(kind)][p]));
        }
    }
    fputc('\n', out);
    const char *group = "";
    for (int64_t r = 0; r < t->n_rows; r++) {
        if (t->row[r].group != NULL) {
            group = t->row[r].group;
            continue;
        }
        if (grouped) {
            markup_csv(out, group);
            fputc(',', out);
        }
        for (int k = 0; k < t->n_columns; k++) {
            if (k > 0) fputc(',', out);
            csv_cell(t, &t->row[r].cell[k], k, out);
        }
        fputc('\n', out);
    }
}

/* ------------------------------------------------------------------ LaTeX */

void table_latex(const Table *t, FILE *out)
{
    Arena *tmp = arena_create("table");
    fprintf(out, "%% needs \\usepackage{booktabs}; UTF-8\n\\begin{table}[t]\n\\centering\\small\n\\caption{");
    markup_latex(out, t->title);
    fprintf(out, "}\n\\label{tab:%s}\n\\begin{tabular}{", t->id);
    for (int k = 0; k < t->n_columns; k++) fputc(is_numeric(t, k) ? 'r' : 'l', out);
    fputs("}\n\\toprule\n", out);
    for (int k = 0; k < t->n_columns; k++) {
        if (k > 0) fputs(" & ", out);
        markup_latex(out, t->column[k].header);
    }
    fputs(" \\\\\n\\midrule\n", out);
    for (int64_t r = 0; r < t->n_rows; r++) {
        const Row *row = &t->row[r];
        if (row->group != NULL) {
            fprintf(out, "%s\\multicolumn{%d}{l}{\\textit{", r > 0 ? "\\midrule\n" : "", t->n_columns);
            markup_latex(out, row->group);
            fputs("}} \\\\\n", out);
            continue;
        }
        for (int k = 0; k < t->n_columns; k++) {
            const char *text = table_cell(t, &row->cell[k], k, tmp);
            if (k > 0) fputs(" & ", out);
            if (row->cell[k].best) fputs("\\textbf{", out);
            markup_latex(out, text[0] != '\0' ? text : "–");
            if (row->cell[k].best) fputs("}", out);
        }
        fputs(" \\\\\n", out);
    }
    fputs("\\bottomrule\n\\end{tabular}\n", out);
    for (int i = 0; i < t->n_notes; i++) {
        fputs("\\par\\smallskip\\footnotesize ", out);
        markup_latex(out, t->note[i]);
        fputs("\n", out);
    }
    fputs("\\end{table}\n", out);
    arena_destroy(tmp);
}

/* ------------------------------------------------------------------ HTML */

void table_html(const Table *t, FILE *out)
{
    Arena *tmp = arena_create("table");
    fprintf(out, "<figure class=\"table\" id=\"table-%s\">\n<figcaption>", t->id);
    markup_html(out, t->title);
    fprintf(out, " <span class=\"files\">%s.csv · %s.tex</span></figcaption>\n<div class=\"scroll\"><table>\n<thead><tr>", t->id, t->id);
    for (int k = 0; k < t->n_columns; k++) {
        fputs(is_numeric(t, k) ? "<th class=\"n\">" : "<th>", out);
        markup_html(out, t->column[k].header);
        fputs("</th>", out);
    }
    fputs("</tr></thead>\n<tbody>\n", out);
    for (int64_t r = 0; r < t->n_rows; r++) {
        const Row *row = &t->row[r];
        if (row->group != NULL) {
            fprintf(out, "<tr class=\"group\"><th colspan=\"%d\">", t->n_columns);
            markup_html(out, row->group);
            fputs("</th></tr>\n", out);
            continue;
        }
        fputs(row->strong ? "<tr class=\"strong\">" : "<tr>", out);
        for (int k = 0; k < t->n_columns; k++) {
            fputs(is_numeric(t, k) ? (row->cell[k].best ? "<td class=\"n best\">" : "<td class=\"n\">") : "<td>", out);
            markup_html(out, table_cell(t, &row->cell[k], k, tmp));
            fputs("</td>", out);
        }
        fputs("</tr>\n", out);
    }
    fputs("</tbody></table></div>\n", out);
    for (int i = 0; i < t->n_notes; i++) {
        fputs("<p class=\"note\">", out);
        markup_html_rich(out, t->note[i]);
        fputs("</p>\n", out);
    }
    fputs("</figure>\n", out);
    arena_destroy(tmp);
}

/* ------------------------------------------------------------------ aligned text */

static void pad(FILE *out, int64_t n)
{
    for (int64_t i = 0; i < n; i++) fputc(' ', out);
}

static void plain_cell(const Table *t, int k, int64_t width, const char *text, bool best, FILE *out)
{
    const int64_t space = width - markup_width(text) - (t->column[k].has_best ? 1 : 0);
    if (k > 0) fputs("  ", out);
    if (is_numeric(t, k)) pad(out, space);
    fputs(text, out);
    if (t->column[k].has_best) fputc(best ? '*' : ' ', out);
    if (!is_numeric(t, k) && k + 1 < t->n_columns) pad(out, space);
}

void table_plain(const Table *t, FILE *out)
{
    Arena *tmp = arena_create("table");
    int64_t width[TABLE_COLUMNS], total = -2;
    for (int k = 0; k < t->n_columns; k++) {
        width[k] = markup_width(t->column[k].header);
        for (int64_t r = 0; r < t->n_rows; r++) {
            const int64_t w = t->row[r].group != NULL ? 0 : markup_width(table_cell(t, &t->row[r].cell[k], k, tmp));
            width[k] = w > width[k] ? w : width[k];
        }
        width[k] += t->column[k].has_best;
        total += width[k] + 2;
    }
    fprintf(out, "\n%s\n", t->title);
    for (int k = 0; k < t->n_columns; k++) plain_cell(t, k, width[k], t->column[k].header, false, out);
    fputc('\n', out);
    for (int64_t i = 0; i < total; i++) fputc('-', out);
    fputc('\n', out);
    for (int64_t r = 0; r < t->n_rows; r++) {
        if (t->row[r].group != NULL) fprintf(out, "[%s]", t->row[r].group);
        for (int k = 0; k < t->n_columns && t->row[r].group == NULL; k++)
            plain_cell(t, k, width[k], table_cell(t, &t->row[r].cell[k], k, tmp), t->row[r].cell[k].best, out);
        fputc('\n', out);
    }
    for (int i = 0; i < t->n_notes; i++) markup_plain(out, t->note[i], "  ", "  ", total > 118 ? total : 118);
    arena_destroy(tmp);
}

/* ------------------------------------------------------------------ files */

Status table_write_files(const Table *t, const char *dir)
{
    static const struct { const char *suffix; void (*write)(const Table *, FILE *); } form[] = {{"csv", table_csv}, {"tex", table_latex}};
    for (size_t i = 0; i < sizeof form / sizeof *form; i++) {
        AtomicFile *file;
        TRY(atomic_open(arena_printf(t->arena, "%s/%s.%s", dir, t->id, form[i].suffix), &file));
        form[i].write(t, atomic_stream(file));
        TRY(atomic_commit(file));
    }
    return OK;
}
