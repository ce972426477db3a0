/* tests/bench/bench_scale.c -- how time and memory grow with users, items, width and sequence length, on one thread and on two.
 *
 * What grows is what people wait for:
 *   users     02_preprocess (9 events a user), scoring every item, beam search (model S, beam 20)
 *   items     an RQ-VAE epoch with the codes of all items, scoring every item, beam search over that catalogue
 *   width     a training step of 4 layers (feed-forward 4 times the width, heads of 32)
 *   sequence  a training step of as many tokens in sequences of this length (model S)
 * Every measurement is a process of its own, so its peak memory is its own; rounds go over all of them in turn, and medians count. Behind each curve stands
 * its exponent: the slope of a line through the logarithms (1: twice as large takes twice as long). Writes scale.jsonl, scale.md and, with gnuplot, one
 * scale-<quantity>.svg each into --out, and prints the lines and the tables.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#include "base/log.h"
#include "bench/bench_options.h"
#include "bench/bench_scale_tasks.h"
#include "eval/plot.h"

static const char *precision, *only, *out, *bin;
static int64_t rounds, threads, shrink;
static double seconds, budget;

static const CliOption OPTIONS[] = {
    BENCH_PRECISION(&precision),
    BENCH_ROUNDS(&rounds, "3"),
    BENCH_SECONDS(&seconds, "0.3"),
    {"budget", CLI_REAL, &budget, "300", 1, 1e6, "s", "start no round that would end later", NULL},
    {"threads", CLI_INT, &threads, "2", 1, 1024, "", "the larger number; the other is 1", NULL},
    {"shrink", CLI_INT, &shrink, "1", 1, 1000, "", "divide users, items and tokens by this", NULL},
    {"only", CLI_ENUM, &only, "all", 0, 0, "", "one quantity", "all|users|items|width|sequence"},
    {"bin", CLI_STR, &bin, "cache/build/bin", 0, 0, "DIR", "the stage programs", NULL},
    {"out", CLI_STR, &out, "results/scale", 0, 0, "DIR", "where tables and plots go", NULL},
    CLI_END};

enum { MAX_X = 5, MAX_ROUNDS = 1000, WAYS = 2 };
enum { USERS = 20000, ITEMS = 12000, BEAM_USERS = 64, STEP_TOKENS = 4000, STEP_SEQ = 80, SEQ_TOKENS = 8000, SEQ_WIDTH = 128 };

typedef enum Work { PREPARE, SCAN, BEAM, RQVAE, TRAIN } Work;

typedef struct Task {
    const char *axis, *name;
    Work work;
    bool shrinks; /* x is divided by --shrink */
    int64_t x[MAX_X];
    /* measured: [x][1 or all threads] */
    double *s[MAX_X][WAYS], mb[MAX_X][WAYS], time_slope[WAYS], memory_slope[WAYS];
    int64_t n[MAX_X][WAYS];
} Task;

static Task tasks[] = {
    {.axis = "users", .name = "02_preprocess", .work = PREPARE, .shrinks = true, .x = {12500, 25000, 50000, 100000, 200000}},
    {.axis = "users", .name = "full scoring", .work = SCAN, .shrinks = true, .x = {5000, 10000, 20000, 40000, 80000}},
    {.axis = "users", .name = "beam search", .work = BEAM, .shrinks = true, .x = {32, 64, 128, 256, 512}},
    {.axis = "items", .name = "RQ-VAE epoch and codes", .work = RQVAE, .shrinks = true, .x = {3000, 6000, 12000, 24000, 48000}},
    {.axis = "items", .name = "full scoring", .work = SCAN, .shrinks = true, .x = {3000, 6000, 12000, 24000, 48000}},
    {.axis = "items", .name = "beam search", .work = BEAM, .shrinks = true, .x = {3000, 12000, 48000, 192000, 768000}},
    {.axis = "width", .name = "training step", .work = TRAIN, .x = {64, 128, 256, 384, 512}},
    {.axis = "sequence", .name = "training step", .work = TRAIN, .x = {20, 50, 100, 200, 400}},
};
enum { TASKS = sizeof tasks / sizeof *tasks };
static const struct { const char *axis, *title, *unit; } AXES[] = {{"users", "Users", "users"}, {"items", "Items", "items"}, {"width", "Width of the model", "width"},
                                                                   {"sequence", "Sequence length", "tokens of a sequence"}};
enum { N_AXES = sizeof AXES / sizeof *AXES };

static bool wanted(const Task *t) { return strcmp(only, "all") == 0 || strcmp(only, t->axis) == 0; }
static int64_t size_of(const Task *t, int i) { return t->shrinks && t->x[i] / shrink > 0 ? t->x[i] / shrink : t->shrinks ? 1 : t->x[i]; }
static int threads_of(int way) { return way == 0 ? 1 : (int)threads; }
static int64_t less(int64_t n) { return n / shrink > 64 ? n / shrink : 64; }

static double run_task(const Task *t, int64_t x, int n_threads, const ScaleSettings *s)
{
    const bool by_items = strcmp(t->axis, "items") == 0;
    switch (t->work) {
    case PREPARE: return scale_prepare_s(s, x);
    case SCAN: return by_items ? scale_scan_s(s, s->users, x, n_threads) : scale_scan_s(s, x, s->items, n_threads);
    case BEAM: return by_items ? scale_beam_s(s, BEAM_USERS, x, n_threads) : scale_beam_s(s, x, s->items, n_threads);
    case RQVAE: return scale_rqvae_s(s, x, n_threads);
    case TRAIN: break;
    }
    return strcmp(t->axis, "width") == 0 ? scale_train_s(s, x, less(STEP_TOKENS), STEP_SEQ, n_threads) : scale_train_s(s, SEQ_WIDTH, less(SEQ_TOKENS), x, n_threads);
}

/* In a process of its own; *mb is its peak memory, that of a program it starts included. */
static double measure(const Task *t, int64_t x, int n_threads, const ScaleSettings *s, double *mb)
{
    int back[2], state;
    double took = -1;
    char number[16];
    struct rusage use;
    REQUIRE(pipe(back) == 0, "no pipe");
    (void)fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0, "no process");
    if (child == 0) {
        (void)snprintf(number, sizeof number, "%d", n_threads);
        (void)setenv("OMP_NUM_THREADS", number, 1);
        took = run_task(t, x, n_threads, s);
        _exit(took >= 0 && write(back[1], &took, sizeof took) == (ssize_t)sizeof took ? 0 : 1);
    }
    (void)close(back[1]);
    const bool told = read(back[0], &took, sizeof took) == (ssize_t)sizeof took;
    (void)close(back[0]);
    if (wait4(child, &state, 0, &use) != child || !told || state != 0)
        status_exit(FAIL(E_RESOURCE, "run it with --shrink 4 when memory is short", "%s at %s %lld: did not finish", t->name, t->axis, (long long)x));
    *mb = (double)use.ru_maxrss / 1024;
    return took;
}

/* Slope of the least-squares line through (ln x, ln y). */
static double slope(const double *x, const double *y, int n)
{
    double mx = 0, my = 0, xy = 0, xx = 0;
    for (int i = 0; i < n; i++) {
        mx += log(x[i]) / n;
        my += log(y[i]) / n;
    }
    for (int i = 0; i < n; i++) {
        xy += (log(x[i]) - mx) * (log(y[i]) - my);
        xx += (log(x[i]) - mx) * (log(x[i]) - mx);
    }
    return xy / xx;
}

static double seconds_at(const Task *t, int i, int way) { return bench_median(t->s[i][way], t->n[i][way]); }

static void fit(Task *t)
{
    double x[MAX_X], s[MAX_X], mb[MAX_X];
    for (int way = 0; way < WAYS; way++) {
        for (int i = 0; i < MAX_X; i++) {
            x[i] = (double)size_of(t, i);
            s[i] = seconds_at(t, i, way);
            mb[i] = t->mb[i][way];
        }
        t->time_slope[way] = slope(x, s, MAX_X);
        t->memory_slope[way] = slope(x, mb, MAX_X);
    }
}

static void write_lines(FILE *f)
{
    for (int k = 0; k < TASKS; k++)
        for (int i = 0; i < MAX_X && wanted(&tasks[k]); i++)
            for (int way = 0; way < WAYS; way++) {
                const Task *t = &tasks[k];
                const double s = seconds_at(t, i, way);
                fprintf(f, "{\"bench\":\"scale\",\"quantity\":\"%s\",\"task\":\"%s\",\"x\":%lld,\"threads\":%d,\"precision\":\"%s\",\"rounds\":%lld,\"seconds\":%.5f,"
                           "\"least_s\":%.5f,\"most_s\":%.5f", t->axis, t->name, (long long)size_of(t, i), threads_of(way), precision, (long long)t->n[i][way], s,
                        t->s[i][way][0], t->s[i][way][t->n[i][way] - 1]); /* sorted by the median */
                if (t->work == TRAIN) fprintf(f, ",\"tokens_per_s\":%.0f", (double)less(strcmp(t->axis, "width") == 0 ? STEP_TOKENS : SEQ_TOKENS) / s);
                fprintf(f, ",\"peak_mb\":%.1f,\"time_exponent\":%.3f,\"memory_exponent\":%.3f}\n", t->mb[i][way], t->time_slope[way], t->memory_slope[way]);
            }
}

static void write_tables(FILE *f)
{
    fprintf(f, "Growth of time and memory: %s, median of %lld round%s. An exponent of 1 means: twice as large takes twice as long.\n"
               "What does not grow: %lld items; %lld users (beam search by items: %d); steps of %lld tokens in sequences of %d (by width) and of %lld tokens at width %d.\n",
            precision, (long long)rounds, rounds == 1 ? "" : "s", (long long)less(ITEMS), (long long)less(USERS), BEAM_USERS, (long long)less(STEP_TOKENS), STEP_SEQ,
            (long long)less(SEQ_TOKENS), SEQ_WIDTH);
    for (int k = 0; k < TASKS; k++) {
        const Task *t = &tasks[k];
        if (!wanted(t)) continue;
        char title[80];
        (void)snprintf(title, sizeof title, "%s, by %s", t->name, t->axis);
        fprintf(f, "\n| %-32s |", title);
        for (int i = 0; i < MAX_X; i++) fprintf(f, " %10lld |", (long long)size_of(t, i));
        fprintf(f, " exponent |\n|---|---|---|---|---|---|---|\n");
        for (int what = 0; what < 2; what++)
            for (int way = 0; way < WAYS; way++) {
                (void)snprintf(title, sizeof title, "%s, %d thread%s", what == 0 ? "seconds" : "peak MB", threads_of(way), way == 0 ? "" : "s");
                fprintf(f, "| %-32s |", title);
                for (int i = 0; i < MAX_X; i++) fprintf(f, what == 0 ? " %10.4f |" : " %10.1f |", what == 0 ? seconds_at(t, i, way) : t->mb[i][way]);
                fprintf(f, " %8.2f |\n", what == 0 ? t->time_slope[way] : t->memory_slope[way]);
            }
    }
}

/* Seconds left and MB right, a curve for each task and number of threads. */
static void draw(Arena *a, int axis)
{
    Plot *p = plot_create(a, arena_printf(a, "scale-%s", AXES[axis].axis), arena_printf(a, "%s: how time and memory grow (%s)", AXES[axis].title, precision), 2);
    Panel *panel[2] = {plot_panel(p, a, PANEL_LINES, "Time, with its exponent", AXES[axis].unit, "seconds"),
                       plot_panel(p, a, PANEL_LINES, "Memory, with its exponent", AXES[axis].unit, "peak MB")};
    int color = 0;
    for (int k = 0; k < TASKS; k++) {
        Task *t = &tasks[k];
        if (strcmp(t->axis, AXES[axis].axis) != 0 || !wanted(t)) continue;
        for (int way = 0; way < WAYS; way++) {
            double *x = ARENA_NEW(a, double, MAX_X), *s = ARENA_NEW(a, double, MAX_X), *mb = ARENA_NEW(a, double, MAX_X);
            for (int i = 0; i < MAX_X; i++) {
                x[i] = (double)size_of(t, i);
                s[i] = seconds_at(t, i, way);
                mb[i] = t->mb[i][way];
            }
            for (int what = 0; what < 2; what++)
                (void)panel_line(panel[what], (Series){.label = arena_printf(a, "%s, %d thread%s: %.2f", t->name, threads_of(way), way == 0 ? "" : "s",
                                                                             what == 0 ? t->time_slope[way] : t->memory_slope[way]),
                                                       .color = plot_color(color), .dashed = way == 0, .n = MAX_X, .x = x, .y = what == 0 ? s : mb});
        }
        color++;
    }
    for (int what = 0; what < 2; what++) panel[what]->log_x = panel[what]->log_y = true;
    bool rendered = false;
    if (!plot_is_empty(p)) MUST(plot_render(p, out, a, &rendered));
    if (!plot_is_empty(p) && !rendered) log_warn("gnuplot is not installed: %s/scale-%s.gp is the plot's script", out, AXES[axis].axis);
}

static void write_file(Arena *a, const char *name, void (*write)(FILE *))
{
    AtomicFile *f;
    MUST(atomic_open(arena_printf(a, "%s/%s", out, name), &f));
    write(atomic_stream(f));
    MUST(atomic_commit(f));
    write(stdout);
}

/* Everything once; false when there is no time for it. */
static bool one_round(const ScaleSettings *s, int64_t round, double begin)
{
    const double from = time_now_s();
    if (round > 0 && from - begin + (from - begin) / (double)round > budget) return false;
    for (int k = 0; k < TASKS; k++)
        for (int i = 0; i < MAX_X && wanted(&tasks[k]); i++)
            for (int way = 0; way < WAYS; way++) {
                Task *t = &tasks[k];
                double mb;
                t->s[i][way][t->n[i][way]++] = measure(t, size_of(t, i), threads_of(way), s, &mb);
                if (mb > t->mb[i][way]) t->mb[i][way] = mb;
            }
    log_info("round %lld: %.0f s", (long long)(round + 1), time_now_s() - from);
    return true;
}

int main(int argc, char **argv)
{
    cli_parse("bench_scale", "growth of time and memory with users, items, width and sequence length", OPTIONS, argc, argv);
    Arena *a = arena_create("bench");
    char dir[] = "/tmp/digr-scale-XXXXXX";
    REQUIRE(mkdtemp(dir) != NULL, "no folder in /tmp");
    const ScaleSettings s = {.precision = precision, .bin = bin, .dir = dir, .seconds = seconds, .users = less(USERS), .items = less(ITEMS)};
    for (int k = 0; k < TASKS; k++)
        for (int i = 0; i < MAX_X && wanted(&tasks[k]); i++) {
            if (tasks[k].work == PREPARE) scale_prepare_write(&s, size_of(&tasks[k], i));
            for (int way = 0; way < WAYS; way++) tasks[k].s[i][way] = ARENA_NEW(a, double, rounds);
        }
    const double begin = time_now_s();
    int64_t done = 0;
    while (done < rounds && one_round(&s, done, begin)) done++;
    rounds = done;
    if (system(arena_printf(a, "rm -rf '%s'", dir)) != 0) log_warn("%s is left behind", dir);
    for (int k = 0; k < TASKS; k++)
        if (wanted(&tasks[k])) fit(&tasks[k]);
    MUST(dir_make(out));
    write_file(a, "scale.jsonl", write_lines);
    printf("\n");
    write_file(a, "scale.md", write_tables);
    for (int i = 0; i < N_AXES; i++) draw(a, i);
    printf("\n%s/: scale.jsonl, scale.md, scale-*.svg\n", out);
    arena_destroy(a);
    return 0;
}
