/* eval/plot.h -- plots drawn by gnuplot as SVG. A plot is a grid of panels, each with lines over x or with horizontal bars.
 *
 * plot_render leaves out empty panels, writes DIR/id.gp (script and data in one file: `gnuplot id.gp > id.svg` draws it again) and, when gnuplot is there, DIR/id.svg. Without
 * gnuplot the script is still written and *rendered is false: plots are then left out, nothing fails. A plot without any filled panel must not be rendered.
 */
#ifndef DIGR_EVAL_PLOT_H
#define DIGR_EVAL_PLOT_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "base/arena.h"
#include "base/status.h"

typedef enum PanelKind { PANEL_LINES, PANEL_BARS } PanelKind;

typedef struct Series {
    const char *label;      /* "" = not in the key */
    uint32_t color;         /* 0xRRGGBB */
    bool dashed;
    int64_t n;
    const double *x, *y;    /* (n); points that are not finite are left out */
    const double *low, *high; /* (n) whiskers; NULL: none */
} Series;

typedef struct Bar {
    const char *label;
    uint32_t color;
    double value, low, high; /* whisker; low == high draws none */
} Bar;

enum { PANEL_SERIES = 32, PANEL_MAX_BARS = 48, PLOT_PANELS = 8 };

typedef struct Panel {
    PanelKind kind;
    const char *title, *x_label, *y_label;
    bool log_x, log_y;      /* lines: logarithmic axes; values must be positive */
    int n_series, n_bars;
    Series series[PANEL_SERIES];
    Bar bar[PANEL_MAX_BARS];
} Panel;

typedef struct Plot {
    const char *id, *title;
    int columns;            /* panels side by side */
    int n_panels;
    Panel *panel[PLOT_PANELS];
} Plot;

/* Colours that stay apart for colour-blind readers (after Okabe and Ito) and in print. */
enum { PLOT_GREEN = 0x00735C, PLOT_BLUE = 0x3B6FA0, PLOT_ORANGE = 0xD55E00, PLOT_GREY = 0x9AA3AB, PLOT_PURPLE = 0x8E5A9E, PLOT_GOLD = 0xC99700 };
/* plot_color -- the i-th colour of the cycle. */
uint32_t plot_color(int i);

Plot *plot_create(Arena *arena, const char *id, const char *title, int columns);
Panel *plot_panel(Plot *plot, Arena *arena, PanelKind kind, const char *title, const char *x_label, const char *y_label);
/* Beyond the capacity of a panel, series and bars are refused: returns false. Arrays are kept by reference. */
bool panel_line(Panel *panel, Series series);
bool panel_bar(Panel *panel, Bar bar);
bool plot_is_empty(const Plot *plot); /* no panel has anything to show */

Status plot_render(const Plot *plot, const char *dir, Arena *arena, bool *rendered);
/* plot_inline -- copy DIR/id.svg into an HTML stream, without its XML prologue. E_INPUT when it is not an SVG. */
Status plot_inline(const Plot *plot, const char *dir, FILE *out);

#endif
