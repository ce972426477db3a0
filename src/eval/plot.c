/* plot.c -- gnuplot scripts and their execution; see plot.h. */
#include "eval/plot.h"

#include <ctype.h>
#include <fcntl.h>
#include <math.h>
#include <spawn.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/atomic.h"

extern char **environ;

enum { PANEL_WIDTH = 480, PANEL_HEIGHT = 300, BAR_HEIGHT = 26, BAR_FRAME = 95, BAR_WIDTH = 860, TITLE_HEIGHT = 30 };

uint32_t plot_color(int i)
{
    static const uint32_t cycle[] = {PLOT_GREEN, PLOT_ORANGE, PLOT_BLUE, PLOT_PURPLE, PLOT_GOLD, PLOT_GREY};
    return cycle[(size_t)i % (sizeof cycle / sizeof *cycle)];
}

Plot *plot_create(Arena *arena, const char *id, const char *title, int columns)
{
    Plot *p = ARENA_NEW(arena, Plot, 1);
    *p = (Plot){.id = arena_strdup(arena, id), .title = arena_strdup(arena, title), .columns = columns};
    return p;
}

Panel *plot_panel(Plot *plot, Arena *arena, PanelKind kind, const char *title, const char *x_label, const char *y_label)
{
    REQUIRE(plot->n_panels < PLOT_PANELS, "plot %s: too many panels", plot->id);
    Panel *p = ARENA_NEW(arena, Panel, 1);
    p->kind = kind;
    p->title = arena_strdup(arena, title);
    p->x_label = arena_strdup(arena, x_label);
    p->y_label = arena_strdup(arena, y_label);
    return plot->panel[plot->n_panels++] = p;
}

bool panel_line(Panel *panel, Series series)
{
    if (panel->n_series == PANEL_SERIES) return false;
    panel->series[panel->n_series++] = series;
    return true;
}

bool panel_bar(Panel *panel, Bar bar)
{
    if (panel->n_bars == PANEL_MAX_BARS) return false;
    panel->bar[panel->n_bars++] = bar;
    return true;
}

static bool panel_is_empty(const Panel *p)
{
    if (p->n_bars > 0) return false;
    for (int s = 0; s < p->n_series; s++)
        for (int64_t i = 0; i < p->series[s].n; i++)
            if (isfinite(p->series[s].x[i]) && isfinite(p->series[s].y[i])) return false;
    return true;
}

bool plot_is_empty(const Plot *plot)
{
    for (int i = 0; i < plot->n_panels; i++)
        if (!panel_is_empty(plot->panel[i])) return false;
    return true;
}

/* ------------------------------------------------------------------ script */

static void quoted(FILE *out, const char *text)
{
    fputc('"', out);
    for (; *text != '\0'; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', out);
        fputc(*text == '\n' ? ' ' : *text, out);
    }
    fputc('"', out);
}

static void label(FILE *out, const char *what, const char *text)
{
    if (text[0] == '\0') {
        fprintf(out, "unset %s\n", what);
        return;
    }
    fprintf(out, "set %s ", what);
    quoted(out, text);
    fputc('\n', out);
}

static void lines_panel(const Panel *p, int index, FILE *out)
{
    for (int s = 0; s < p->n_series; s++) {
        const Series *line = &p->series[s];
        fprintf(out, "$d%d_%d << EOD\n", index, s);
        for (int64_t i = 0; i < line->n; i++) {
            if (!isfinite(line->x[i]) || !isfinite(line->y[i])) continue;
            fprintf(out, "%.10g %.10g", line->x[i], line->y[i]);
            if (line->low != NULL) fprintf(out, " %.10g %.10g", line->low[i], line->high[i]);
            fputc('\n', out);
        }
        fputs("EOD\n", out);
    }
    fputs("set xtics auto nomirror tc rgb \"#444444\"\nset ytics auto nomirror tc rgb \"#444444\"\nset autoscale\nset yrange [*:*]\n"
          "set key tmargin center horizontal samplen 1.5 tc rgb \"#333333\" font \",11\"\nunset lmargin\n", out);
    fprintf(out, "%s%s", p->log_x ? "set logscale x\n" : "", p->log_y ? "set logscale y\n" : "");
    fputs("plot ", out);
    bool any = false;
    for (int s = 0; s < p->n_series; s++) {
        const Series *line = &p->series[s];
        if (line->n == 0) continue;
        fprintf(out, "%s$d%d_%d using 1:2 with %s lw 1.8 pt 7 ps 0.35 lc rgb \"#%06x\"%s ", any ? ", " : "", index, s, line->n <= 40 ? "linespoints" : "lines",
                line->color, line->dashed ? " dt 2" : "");
        if (line->label[0] == '\0') {
            fputs("notitle", out);
        } else {
            fputs("title ", out);
            quoted(out, line->label);
        }
        if (line->low != NULL) fprintf(out, ", $d%d_%d using 1:2:3:4 with yerrorbars lw 1 pt 7 ps 0.15 lc rgb \"#%06x\" notitle", index, s, line->color);
        any = true;
    }
    fputs("\n", out);
}

/* Bars run downwards in the order given: bar i is centred at y = n - i. */
static void bars_panel(const Panel *p, int index, FILE *out)
{
    const int n = p->n_bars;
    int64_t longest = 0;
    bool signed_axis = false;
    fprintf(out, "$d%d << EOD\n", index);
    for (int i = 0; i < n; i++) {
        const Bar *b = &p->bar[i];
        fprintf(out, "%.10g %d %u\n", b->value, n - i, b->color);
        signed_axis = signed_axis || b->value < 0 || b->low < 0;
    }
    fprintf(out, "EOD\n$w%d << EOD\n", index);
    bool whiskers = false;
    for (int i = 0; i < n; i++) {
        const Bar *b = &p->bar[i];
        if (!(b->high > b->low)) continue;
        fprintf(out, "%.10g %d %.10g %.10g\n", b->value, n - i, b->low, b->high);
        whiskers = true;
    }
    fputs("EOD\nset ytics nomirror scale 0 tc rgb \"#222222\" (", out);
    for (int i = 0; i < n; i++) {
        if (i > 0) fputs(", ", out);
        quoted(out, p->bar[i].label);
        fprintf(out, " %d", n - i);
        const int64_t length = (int64_t)strlen(p->bar[i].label);
        longest = length > longest ? length : longest;
    }
    fprintf(out, ")\nset xtics auto nomirror tc rgb \"#444444\"\nset lmargin %lld\nset yrange [0.3:%d.7]\nunset key\n", (long long)(longest + 2), n);
    fputs(signed_axis ? "set xrange [*:*]\nset arrow 1 from 0, graph 0 to 0, graph 1 nohead lc rgb \"#666666\"\n" : "set xrange [0:*]\nunset arrow\n", out);
    fprintf(out, "plot $d%d using 1:2:(0):1:($2-0.34):($2+0.34):3 with boxxyerror lc rgb variable fs solid 0.88 noborder notitle", index);
    if (whiskers) fprintf(out, ", $w%d using 1:2:3:4 with xerrorbars lc rgb \"#222222\" lw 1.2 pt 7 ps 0.15 notitle", index);
    fputc('\n', out);
}

static void write_script(const Plot *plot, FILE *out)
{
    int width = 0, height = TITLE_HEIGHT, rows = (plot->n_panels + plot->columns - 1) / plot->columns;
    bool bars = false;
    for (int i = 0; i < plot->n_panels; i++) bars = bars || plot->panel[i]->kind == PANEL_BARS;
    width = bars ? BAR_WIDTH : PANEL_WIDTH * plot->columns;
    for (int r = 0; r < rows; r++) {
        int tallest = 0;
        for (int i = r * plot->columns; i < plot->n_panels && i < (r + 1) * plot->columns; i++) {
            const Panel *p = plot->panel[i];
            const int h = p->kind == PANEL_BARS ? BAR_FRAME + BAR_HEIGHT * p->n_bars : PANEL_HEIGHT;
            tallest = h > tallest ? h : tallest;
        }
        height += tallest;
    }
    fprintf(out, "# %s: draw with `gnuplot %s.gp > %s.svg`\n", plot->id, plot->id, plot->id);
    fprintf(out, "set terminal svg noenhanced size %d,%d dynamic background rgb \"#ffffff\" font \"Helvetica,13\" name \"", width, height);
    for (const char *c = plot->id; *c != '\0'; c++) fputc(isalnum((unsigned char)*c) ? *c : '_', out); /* prefix of the ids inside the SVG */
    fputs("\"\n", out);
    fputs("set encoding utf8\nset border 3 lc rgb \"#888888\"\nset grid xtics ytics lc rgb \"#e4e7ea\" lw 1\nset tics font \",12\"\n", out);
    fprintf(out, "set multiplot layout %d,%d title ", rows, plot->columns);
    quoted(out, plot->title);
    fputs(" font \",14\"\n", out);
    for (int i = 0; i < plot->n_panels; i++) {
        const Panel *p = plot->panel[i];
        label(out, "title", p->title);
        label(out, "xlabel", p->x_label);
        label(out, "ylabel", p->y_label);
        if (p->kind == PANEL_BARS) bars_panel(p, i, out);
        else lines_panel(p, i, out);
        if (p->kind == PANEL_LINES && (p->log_x || p->log_y)) fputs("unset logscale\n", out);
    }
    fputs("unset multiplot\n", out);
}

/* ------------------------------------------------------------------ execution */

/* Runs `gnuplot script` with standard output to `svg`. Returns its exit code; -1 when it could not be started. */
static int run_gnuplot(const char *script, const char *svg)
{
    posix_spawn_file_actions_t files;
    pid_t pid;
    int status = -1;
    char *const argv[] = {(char[]){"gnuplot"}, (char[]){"-d"}, (char *)(uintptr_t)script, NULL};
    if (posix_spawn_file_actions_init(&files) != 0) return -1;
    (void)posix_spawn_file_actions_addopen(&files, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
    (void)posix_spawn_file_actions_addopen(&files, STDOUT_FILENO, svg, O_WRONLY | O_CREAT | O_TRUNC, 0644);
    (void)posix_spawn_file_actions_addopen(&files, STDERR_FILENO, "/dev/null", O_WRONLY, 0);
    const int failed = posix_spawnp(&pid, "gnuplot", &files, NULL, argv, environ);
    (void)posix_spawn_file_actions_destroy(&files);
    if (failed != 0) return -1;
    while (waitpid(pid, &status, 0) < 0) {}
    return WIFEXITED(status) ? WEXITSTATUS(status) : 1;
}

Status plot_render(const Plot *whole, const char *dir, Arena *arena, bool *rendered)
{
    Plot filled = *whole; /* without the panels that have nothing to show */
    const Plot *plot = &filled;
    filled.n_panels = 0;
    for (int i = 0; i < whole->n_panels; i++)
        if (!panel_is_empty(whole->panel[i])) filled.panel[filled.n_panels++] = whole->panel[i];
    if (filled.columns > filled.n_panels) filled.columns = filled.n_panels;
    const char *script = arena_printf(arena, "%s/%s.gp", dir, plot->id), *svg = arena_printf(arena, "%s/%s.svg", dir, plot->id);
    const char *temporary = arena_printf(arena, "%s.tmp", svg);
    AtomicFile *file;
    *rendered = false;
    TRY(atomic_open(script, &file));
    write_script(plot, atomic_stream(file));
    TRY(atomic_commit(file));
    const int code = run_gnuplot(script, temporary);
    if (code == 0 && rename(temporary, svg) == 0) {
        *rendered = true;
        return OK;
    }
    (void)unlink(temporary);
    return OK;
}

Status plot_inline(const Plot *plot, const char *dir, FILE *out)
{
    char path[4096], line[8192];
    bool started = false;
    snprintf(path, sizeof path, "%s/%s.svg", dir, plot->id);
    FILE *in = fopen(path, "r");
    if (in == NULL) return FAIL(E_INPUT, NULL, "%s: cannot read", path);
    while (fgets(line, sizeof line, in) != NULL) {
        const char *from = line;
        if (!started && (from = strstr(line, "<svg")) == NULL) continue;
        started = true;
        fputs(from, out);
    }
    fclose(in);
    if (!started) return FAIL(E_INPUT, NULL, "%s: not an SVG file", path);
    return OK;
}
