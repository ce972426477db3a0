/* tests/bench/bench_table.c -- the one table at the end of `make bench BENCH=all`: every figure of the run beside its peers' of the same run, what matrix
 * products alone allow, and, labelled so, what was measured elsewhere and what is aimed at. Reads the JSON lines of the benches (run.sh collects them), writes
 * bench.json and bench.md beside them.
 */
#include <cblas.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "base/atomic.h"
#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "eval/table.h"
#include "io/blascore.h"
#include "io/build_info.h"
#include "io/stream.h"

static const char *dir;

static const CliOption OPTIONS[] = {{"dir", CLI_STR, &dir, "results/bench", 0, 0, "DIR", "holds bench.jsonl; bench.json and bench.md are written here", NULL}, CLI_END};

enum { PRECISIONS = 2, MAX_LINES = 4096 };
static const char *const PRECISION[PRECISIONS] = {"fp32", "bf16"};

/* One row. `where`: "key=value,..." that its lines have; a figure that does not depend on the precision has no such key. Elsewhere (2 cores with AVX-512 and
 * AMX, PyTorch 1.13) and targets hold for the sizes in `standard`; 0: not given. */
typedef struct Figure {
    const char *name, *unit, *bench, *where, *standard, *value, *torch[PRECISIONS];
    double elsewhere[PRECISIONS], floor, aim;
    bool has_precision, less_is_better;
} Figure;

#define TRAIN(size, fp32, bf16, floor, aim) \
    {"training, model " size, "tokens/s", "train", "size=" size, "seq=80,tokens=8000", "tokens_per_s", {"torch_tokens_per_s", "torch_tokens_per_s"}, \
     {fp32, bf16}, floor, aim, true, false}
#define BEAM(size, width, score, words, fp32, bf16, aim) \
    {"beam search, model " size ", beam " width ", softmax over " words, "users/s", "beam", "size=" size ",beam=" width ",score=" score, "prompt=80,items=12000,batch=32", \
     "users_per_s", {"torch_fp32_users_per_s", "torch_bf16_users_per_s"}, {fp32, bf16}, 0, aim, true, false}
#define BEAMS(size, width, fp32, bf16, aim) \
    BEAM(size, width, "mask", "the vocabulary, as PyTorch", fp32, bf16, aim), BEAM(size, width, "renorm", "allowed tokens", fp32, bf16, aim)
#define ROLLOUT(size, way, words) \
    {"rollouts, model " size ", 8 a prompt, " words, "prompts/s", "rollout", "size=" size ",way=" way, "group=8,prompt=80", "prompts_per_s", {NULL, NULL}, {0, 0}, 0, 0, true, false}

static const Figure FIGURES[] = {
    TRAIN("S", 15300, 30200, 60000, 80000), TRAIN("M", 4100, 8900, 18000, 26000), TRAIN("L", 1260, 3430, 6000, 7800),
    BEAMS("S", "20", 357, 680, 2000), BEAMS("S", "50", 222, 422, 1200), BEAMS("M", "20", 94, 217, 600), BEAMS("M", "50", 56, 133, 350),
    {"RQ-VAE, batches of 1,024", "steps/s", "rqvae", "batch=1024", "batch=1024", "steps_per_s", {"torch_steps_per_s", "torch_steps_per_s"}, {29, 62}, 0, 160, true, false},
    {"full scoring, 20,000 users x 12,000 items, best 20", "seconds", "eval", "way=scan", "users=20000,items=12000,width=64,top=20", "seconds",
     {"torch_fp32_seconds", "torch_bf16_seconds"}, {0.35, 0.275}, 0, 0.1, false, true},
    ROLLOUT("S", "sample", "sampled"), ROLLOUT("S", "score", "scored"), ROLLOUT("M", "sample", "sampled"), ROLLOUT("M", "score", "scored"),
    {"recorded answers opened", "answers/s", "replay", "", "", "records_per_s", {NULL, NULL}, {0, 0}, 0, 0, false, false}};

static cJSON *line[MAX_LINES];
static int n_lines;

static void read_lines(const char *path)
{
    LineReader *r;
    const char *text;
    size_t n;
    MUST(line_open(path, &r));
    while (n_lines < MAX_LINES && line_next(r, &text, &n)) MUST(json_parse_line(path, line_number(r), text, n, &line[n_lines++]));
    MUST(line_close(r));
}

/* Does the line have all of "key=value,..."? Numbers are compared as %g prints them. */
static bool matches(const cJSON *l, const char *bench, const char *where)
{
    char copy[256], number[32], *rest = copy;
    if (strcmp(json_opt_string(l, "bench", ""), bench) != 0) return false;
    (void)snprintf(copy, sizeof copy, "%s", where);
    for (char *pair; (pair = strsep(&rest, ",")) != NULL;) {
        char *value = strchr(pair, '=');
        if (value == NULL) continue;
        *value++ = '\0';
        (void)snprintf(number, sizeof number, "%g", json_opt_number(l, pair, NAN));
        if (strcmp(json_opt_string(l, pair, number), value) != 0) return false;
    }
    return true;
}

/* The best value of the key among the lines that match (several runs of a bench see the same peer); 0: none. */
static double find(const char *bench, const char *where, const char *more, const char *key, bool less_is_better)
{
    double best = 0;
    for (int i = 0; i < n_lines && key != NULL; i++) {
        if (!matches(line[i], bench, where) || !matches(line[i], bench, more)) continue;
        const double v = json_opt_number(line[i], key, 0);
        if (v > 0 && (best <= 0 || (less_is_better ? v < best : v > best))) best = v;
    }
    return best;
}

typedef struct Peers { const char *name[4]; double value[4]; int n; } Peers;

typedef struct Measured { double digr[PRECISIONS], ceiling; Peers peers; bool standard; } Measured;

static double best_of(const double *v, int n, bool less_is_better)
{
    double best = 0;
    for (int i = 0; i < n; i++)
        if (v[i] > 0 && (best <= 0 || (less_is_better ? v[i] < best : v[i] > best))) best = v[i];
    return best;
}

static Measured look_up(const Figure *f)
{
    static const char *const with[PRECISIONS] = {"precision=fp32", "precision=bf16"}, *const names[PRECISIONS] = {"PyTorch fp32", "PyTorch bf16"};
    Measured m = {.ceiling = find(f->bench, f->where, "", "gemm_ceiling_tokens_per_s", false), .standard = find(f->bench, f->where, f->standard, f->value, false) > 0};
    for (int p = 0; p < PRECISIONS; p++) {
        if (f->has_precision || p == 0) m.digr[p] = find(f->bench, f->where, f->has_precision ? with[p] : "", f->value, f->less_is_better);
        const bool own = f->torch[0] != NULL && strcmp(f->torch[0], f->torch[1]) == 0; /* the peer ran in the precision of its line */
        const double torch = find(f->bench, f->where, own ? with[p] : "", f->torch[p], f->less_is_better);
        if (torch > 0) {
            m.peers.name[m.peers.n] = names[p];
            m.peers.value[m.peers.n++] = torch;
        }
    }
    return m;
}

static const char *number(Arena *a, double v) { return v <= 0 ? "" : v >= 1000 ? table_count(llround(v), a) : arena_printf(a, "%.3g", v); }

static void add_row(Table *t, cJSON *rows, const Figure *f, const Measured *m)
{
    Arena *a = t->arena;
    const double ours = best_of(m->digr, PRECISIONS, f->less_is_better), theirs = best_of(m->peers.value, m->peers.n, f->less_is_better);
    const double times = ours > 0 && theirs > 0 ? (f->less_is_better ? theirs / ours : ours / theirs) : 0;
    const char *peers = "", *name = m->standard ? f->name : arena_printf(a, "%s [other sizes: see its line]", f->name);
    cJSON *row = cJSON_CreateObject(), *digr, *peer, *elsewhere;
    if (ours <= 0) return;
    cJSON_AddItemToArray(rows, row);
    (void)cJSON_AddStringToObject(row, "figure", name);
    (void)cJSON_AddStringToObject(row, "unit", f->unit);
    (void)cJSON_AddBoolToObject(row, "less_is_better", f->less_is_better);
    digr = cJSON_AddObjectToObject(row, "digr");
    peer = cJSON_AddObjectToObject(row, "peers_in_this_run");
    elsewhere = cJSON_AddObjectToObject(row, "measured_elsewhere");
    for (int p = 0; p < PRECISIONS; p++) {
        if (m->digr[p] > 0) (void)cJSON_AddNumberToObject(digr, f->has_precision ? PRECISION[p] : "value", m->digr[p]);
        if (m->standard && f->elsewhere[p] > 0) (void)cJSON_AddNumberToObject(elsewhere, p == 0 ? "PyTorch 1.13 fp32" : "PyTorch 1.13 bf16", f->elsewhere[p]);
    }
    for (int i = 0; i < m->peers.n; i++) {
        (void)cJSON_AddNumberToObject(peer, m->peers.name[i], m->peers.value[i]);
        peers = arena_printf(a, "%s%s%s %s", peers, i > 0 ? ", " : "", m->peers.name[i], number(a, m->peers.value[i]));
    }
    if (times > 0) (void)cJSON_AddNumberToObject(row, "times_the_best_peer", times);
    if (m->ceiling > 0) (void)cJSON_AddNumberToObject(row, "openblas_products_alone", m->ceiling);
    if (m->standard && f->floor > 0) (void)cJSON_AddNumberToObject(row, "floor", f->floor);
    if (m->standard && f->aim > 0) (void)cJSON_AddNumberToObject(row, "aim", f->aim);
    table_row(t);
    table_text(t, name);
    table_text(t, f->unit);
    table_text(t, number(a, m->digr[0]));
    table_text(t, number(a, m->digr[1]));
    table_text(t, peers);
    table_text(t, times > 0 ? arena_printf(a, "%.2f", times) : "");
    table_text(t, number(a, m->ceiling));
    const bool both = m->standard && f->elsewhere[0] > 0;
    table_text(t, both ? arena_printf(a, "%s / %s", number(a, f->elsewhere[0]), number(a, f->elsewhere[1])) : "");
    table_text(t, m->standard && f->aim > 0 ? arena_printf(a, "%s%s%s", number(a, f->floor), f->floor > 0 ? " / " : "", number(a, f->aim)) : "");
}

/* Reading raw files: a row for every file that was measured. */
static void add_data(Table *t, cJSON *rows)
{
    static const char *const readers[] = {"cJSON", "python3", "jq"};
    for (int i = 0; i < n_lines; i++) {
        if (!matches(line[i], "data", "reader=digr")) continue;
        const char *file = json_opt_string(line[i], "file", ""), *where = arena_printf(t->arena, "file=%s", file);
        const Figure f = {.name = arena_printf(t->arena, "reading %s", file), .unit = "MB/s"};
        Measured m = {.digr = {json_opt_number(line[i], "value", 0)}, .standard = true};
        for (int k = 0; k < 3; k++) {
            const double v = find("data", where, arena_printf(t->arena, "reader=%s", readers[k]), "value", false);
            if (v <= 0) continue;
            m.peers.name[m.peers.n] = readers[k];
            m.peers.value[m.peers.n++] = v;
        }
        add_row(t, rows, &f, &m);
    }
}

/* Processor, threads, kernels: into the JSON and the table's notes. */
static void add_machine(Table *t, cJSON *root)
{
    char text[512] = "", *name = NULL;
    FILE *f = fopen("/proc/cpuinfo", "r");
    while (f != NULL && name == NULL && fgets(text, sizeof text, f) != NULL)
        if (strncmp(text, "model name", 10) == 0 && (name = strchr(text, ':')) != NULL) name += strspn(name, ": ");
    if (f != NULL) (void)fclose(f);
    if (name != NULL) name[strcspn(name, "\n")] = '\0';
    const char *commit = getenv("DIGR_COMMIT");
    cJSON *e = cJSON_AddObjectToObject(root, "environment");
    (void)cJSON_AddStringToObject(e, "processor", name != NULL ? name : "unknown");
    (void)cJSON_AddNumberToObject(e, "processors", (double)sysconf(_SC_NPROCESSORS_ONLN));
    (void)cJSON_AddStringToObject(e, "blas_core", openblas_get_corename());
    (void)cJSON_AddStringToObject(e, "compiler", BUILD_COMPILER);
    (void)cJSON_AddStringToObject(e, "flags", BUILD_FLAGS);
    (void)cJSON_AddStringToObject(e, "commit", commit != NULL && commit[0] != '\0' ? commit : "unknown");
    table_note(t, "%s, %ld cores; OpenBLAS kernels, ours and PyTorch's: %s", name != NULL ? name : "unknown processor", sysconf(_SC_NPROCESSORS_ONLN),
               openblas_get_corename());
    table_note(t, "peers: measured in the same run, in turns, each in the fastest of several ways to run its threads; times: the best of digr over the best peer");
    table_note(t, "elsewhere and targets: not of this run; another machine with 2 cores, AVX-512 and AMX, PyTorch 1.13 fp32 / bf16; floor / aim");
}

int main(int argc, char **argv)
{
    blascore_settle(argv);
    cli_parse("bench_table", "every figure of a run of benches beside its peers", OPTIONS, argc, argv);
    Arena *a = arena_create("bench");
    read_lines(arena_printf(a, "%s/bench.jsonl", dir));
    Table *t = table_create(a, "bench", "Speed");
    static const char *const headers[] = {"Figure", "Unit", "digr fp32", "digr bf16", "Peers in this run", "Times", "OpenBLAS products alone", "Elsewhere", "Targets"};
    for (size_t i = 0; i < sizeof headers / sizeof *headers; i++) table_column(t, COLUMN_TEXT, headers[i], 0);
    cJSON *root = cJSON_CreateObject(), *rows = cJSON_AddArrayToObject(root, "rows");
    for (size_t i = 0; i < sizeof FIGURES / sizeof *FIGURES; i++) {
        const Measured m = look_up(&FIGURES[i]);
        add_row(t, rows, &FIGURES[i], &m);
    }
    add_data(t, rows);
    add_machine(t, root);
    AtomicFile *f;
    MUST(atomic_open(arena_printf(a, "%s/bench.md", dir), &f));
    table_markdown(t, atomic_stream(f));
    MUST(atomic_commit(f));
    MUST(json_write_file(arena_printf(a, "%s/bench.json", dir), root));
    table_plain(t, stdout);
    printf("%s/: bench.jsonl, bench.json, bench.md\n", dir);
    cJSON_Delete(root);
    arena_destroy(a);
    return 0;
}
