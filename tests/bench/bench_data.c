/* tests/bench/bench_data.c -- speed and memory of reading raw files, format by format, and what others do on the same file.
 *
 * Writes made-up files (rawgen.h) to a scratch folder, then reads each as 02_preprocess does: decompress, check and read every line, number users and items,
 * keep the events or the texts. Every reading is a process of its own, so its peak memory is its own; rounds are interleaved and the median counts.
 * Beside it, where installed: cJSON behind zlib's gzread or behind zstd in one thread (how it is usually done in C), `python3` with its json (2014 metadata:
 * ast.literal_eval) and `jq`, on the head of the same file. One JSON line a measurement, then a table. MB are 10^6 bytes of text after decompression.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/atomic.h"
#include "base/cli.h"
#include "base/json.h"
#include "base/log.h"
#include "bench/rawgen.h"
#include "data/import.h"
#include "data/pyliteral.h"
#include "data/textclean.h"
#include "io/decode.h"
#include "io/stream.h"

static int64_t mib, rounds, users, items, head_mib;
static bool peers, keep;
static const char *dir, *only;

static const CliOption OPTIONS[] = {
    {"mib", CLI_INT, &mib, "128", 1, 65536, "MiB", "text of each file", NULL},
    {"rounds", CLI_INT, &rounds, "3", 0, 99, "", "readings of each file; the median counts; 0 only writes them (with --keep 1)", NULL},
    {"users", CLI_INT, &users, "1000000", 1, 1 << 30, "", "users of the made-up files", NULL},
    {"items", CLI_INT, &items, "200000", 1, 1 << 30, "", "items of the made-up files", NULL},
    {"peers", CLI_FLAG, &peers, "1", 0, 1, "", "measure cJSON, python3 and jq too", NULL},
    {"head", CLI_INT, &head_mib, "12", 1, 65536, "MiB", "how much of a file python3 and jq read", NULL},
    {"only", CLI_STR, &only, "", 0, 0, "NAME", "only the files whose name holds this", NULL},
    {"dir", CLI_STR, &dir, "", 0, 0, "DIR", "where to write the files; default: a new folder under /tmp", NULL},
    {"keep", CLI_FLAG, &keep, "0", 0, 1, "", "keep the files", NULL},
    CLI_END};

typedef enum Packing { PACK_PLAIN, PACK_GZIP, PACK_ZSTD } Packing;
typedef enum Reader { READ_OURS, READ_BYTES, READ_CJSON, READ_PYTHON, READ_JQ, READERS } Reader;
static const char *const reader_names[READERS] = {"digr", "bytes only", "cJSON", "python3", "jq"};

typedef struct Measured { double s, peak_mb; int64_t text_bytes, lines, fallbacks; bool done; } Measured;
typedef struct File {
    const char *name;
    RawFormat format;
    Packing packing;
    MetaSyntax syntax;
    char path[512];
    int64_t text_bytes, lines, packed_bytes;
    double speed[READERS][99], peak_mb;
    int n[READERS];
    int64_t fallbacks;
} File;

static File files[] = {
    {.name = "reviews-2014.json.gz", .format = RAW_REVIEWS_2014, .packing = PACK_GZIP, .syntax = META_PYTHON},
    {.name = "reviews-2018.json.gz", .format = RAW_REVIEWS_2018, .packing = PACK_GZIP, .syntax = META_JSON},
    {.name = "reviews-2023.jsonl.gz", .format = RAW_REVIEWS_2023, .packing = PACK_GZIP, .syntax = META_JSON_2023},
    {.name = "reviews-2023.jsonl.zst", .format = RAW_REVIEWS_2023, .packing = PACK_ZSTD, .syntax = META_JSON_2023},
    {.name = "reviews-2023.jsonl", .format = RAW_REVIEWS_2023, .packing = PACK_PLAIN, .syntax = META_JSON_2023},
    {.name = "ratings-2023.csv.gz", .format = RAW_RATINGS_2023, .packing = PACK_GZIP, .syntax = META_JSON_2023},
    {.name = "meta-2014.json.gz", .format = RAW_META_2014, .packing = PACK_GZIP, .syntax = META_PYTHON},
    {.name = "meta-2018.json.gz", .format = RAW_META_2018, .packing = PACK_GZIP, .syntax = META_JSON},
    {.name = "meta-2023.jsonl.gz", .format = RAW_META_2023, .packing = PACK_GZIP, .syntax = META_JSON_2023}};
enum { FILES = sizeof files / sizeof *files };

static bool is_meta(const File *f) { return f->format == RAW_META_2014 || f->format == RAW_META_2018 || f->format == RAW_META_2023; }

/* ---- writing ---- */

static void must_write(bool good, const char *path)
{
    if (!good) status_exit(FAIL(E_RESOURCE, "free some space, or give another --dir", "%s: cannot write", path));
}

/* The file through a pipe of the packing's own kind: zlib at its default level, zstd at level 3. */
typedef struct Packer { FILE *plain; gzFile gzip; ZSTD_CCtx *zstd; char *room; size_t room_bytes; } Packer;

static void pack(Packer *p, const File *f, const char *text, size_t n, bool last)
{
    if (p->gzip) must_write(n == 0 || gzwrite(p->gzip, text, (unsigned)n) == (int)n, f->path);
    if (f->packing == PACK_PLAIN) must_write(fwrite(text, 1, n, p->plain) == n, f->path);
    if (f->packing != PACK_ZSTD) return;
    ZSTD_inBuffer in = {text, n, 0};
    size_t left;
    do {
        ZSTD_outBuffer out = {p->room, p->room_bytes, 0};
        left = ZSTD_compressStream2(p->zstd, &out, &in, last ? ZSTD_e_end : ZSTD_e_continue);
        must_write(!ZSTD_isError(left) && fwrite(p->room, 1, out.pos, p->plain) == out.pos, f->path);
    } while (last ? left > 0 : in.pos < in.size);
}

static void write_file(File *f, RawGen *g, Arena *arena)
{
    (void)snprintf(f->path, sizeof f->path, "%s/%s", dir, f->name);
    Packer p = {0};
    if (f->packing == PACK_GZIP) must_write((p.gzip = gzopen(f->path, "wb6")) != NULL, f->path);
    else must_write((p.plain = fopen(f->path, "wb")) != NULL, f->path);
    p.zstd = ZSTD_createCCtx();
    p.room_bytes = ZSTD_CStreamOutSize();
    p.room = arena_alloc_raw(arena, p.room_bytes, 1);
    char *line = arena_alloc_raw(arena, RAWGEN_LINE_BYTES, 1);
    while (f->text_bytes < mib << 20) {
        const size_t n = rawgen_line(g, f->format, f->lines++, line);
        pack(&p, f, line, n, false);
        f->text_bytes += (int64_t)n;
    }
    pack(&p, f, NULL, 0, true);
    ZSTD_freeCCtx(p.zstd);
    if (p.gzip) must_write(gzclose(p.gzip) == Z_OK, f->path);
    else must_write(fclose(p.plain) == 0, f->path);
    FILE *back = fopen(f->path, "rb");
    must_write(back && fseek(back, 0, SEEK_END) == 0, f->path);
    f->packed_bytes = ftell(back);
    (void)fclose(back);
}

/* ---- reading ---- */

static int64_t rule_count(const Ledger *ledger, const char *name)
{
    cJSON *json = ledger_json(ledger);
    const double n = json_opt_number(cJSON_GetObjectItemCaseSensitive(json, "rules"), name, 0);
    cJSON_Delete(json);
    return (int64_t)n;
}

/* As 02_preprocess reads; for metadata a tenth of the items is asked for. */
static void read_ours(const File *f, Measured *m)
{
    Arena *arena = arena_create("bench");
    Ledger *ledger = ledger_create(arena);
    Intake *c = intake_create(arena, ledger);
    log_open("bench_data", true);
    if (is_meta(f)) {
        RawGen g;
        char id[64];
        for (int64_t i = 0; i < f->lines; i += 10) {
            g.out = id;
            if (f->format == RAW_META_2023) rawgen_id(&g, "B0", i * 3, 8);
            else rawgen_id(&g, "B00", i, 7);
            (void)strtable_add_bytes(c->items, id, (size_t)(g.out - id));
        }
        MUST(import_amazon(c, "/dev/null", f->path, f->syntax, NULL, NULL));
        m->fallbacks = rule_count(ledger, "metadata_lines_read_by_cjson") + rule_count(ledger, "metadata_lines_read_by_tree");
    } else {
        MUST(import_amazon(c, f->path, NULL, f->syntax, NULL, NULL));
        m->fallbacks = rule_count(ledger, "review_lines_read_by_cjson");
        REQUIRE(c->n_events == f->lines - (f->format == RAW_RATINGS_2023), "%lld events of %lld lines", (long long)c->n_events, (long long)f->lines);
    }
    m->text_bytes = f->text_bytes;
    m->lines = f->lines;
}

static void read_bytes(const File *f, Measured *m)
{
    LineReader *r;
    const char *line;
    size_t n;
    MUST(line_open(f->path, &r));
    while (line_next(r, &line, &n)) m->lines++;
    m->text_bytes = line_text_bytes(r);
    MUST(line_close(r));
}

/* A line as cJSON sees it: UTF-8 checked, a tree, three members looked up. */
static void cjson_line(const File *f, char *line, size_t n, Measured *m)
{
    cJSON *tree = NULL;
    m->lines++;
    m->text_bytes += (int64_t)n + 1;
    if (utf8_invalid_at(line, n) == n) {
        if (f->format == RAW_META_2014) MUST(pyliteral_parse_line(f->path, m->lines, line, n, &tree));
        else MUST(json_parse_line(f->path, m->lines, line, n, &tree));
    }
    (void)cJSON_GetObjectItemCaseSensitive(tree, "reviewerID");
    (void)cJSON_GetObjectItemCaseSensitive(tree, "asin");
    (void)cJSON_GetObjectItemCaseSensitive(tree, "unixReviewTime");
    cJSON_Delete(tree);
}

/* One thread; gzip through zlib, zstd through the decoder (which is zstd's own). */
static void read_cjson(const File *f, Measured *m)
{
    static char block[(1 << 17) + 1], line[RAWGEN_LINE_BYTES + 1];
    const int64_t limit = 8 * head_mib << 20;
    size_t length = 0, got;
    gzFile gzip = f->packing == PACK_GZIP ? gzopen(f->path, "rb") : NULL;
    Decoder *d = NULL;
    if (!gzip) MUST(decoder_open(f->path, arena_create("bench"), &d));
    if (gzip) (void)gzbuffer(gzip, 1 << 17);
    while (m->text_bytes < limit && (got = gzip ? (size_t)gzread(gzip, block, 1 << 17) : decoder_read(d, block, 1 << 17)) > 0)
        for (char *p = block, *end = block + got, *stop; p < end; p = stop + 1) {
            stop = memchr(p, '\n', (size_t)(end - p));
            const size_t n = (size_t)((stop ? stop : end) - p);
            memcpy(line + length, p, n);
            length += n;
            if (!stop) break;
            line[length] = '\0';
            cjson_line(f, line, length, m);
            length = 0;
        }
}

/* The head of the file through its usual tool into a program; the head's bytes and lines are known from the generator. */
static bool read_by_tool(const File *f, RawGen *g, Reader reader, Measured *m)
{
    static char line[RAWGEN_LINE_BYTES];
    static const char *const unpack[] = {"cat", "gzip -dc", "zstd -dc"}, *const probe[] = {"true", "command -v gzip", "command -v zstd"};
    const char *program = NULL;
    if (reader == READ_JQ && f->format != RAW_META_2014) program = "jq -c '[.reviewerID,.asin,.unixReviewTime]'";
    if (reader == READ_PYTHON)
        program = f->format == RAW_META_2014 ? "python3 -c 'import sys,ast\nfor l in sys.stdin.buffer: ast.literal_eval(l.decode())'"
                                             : "python3 -c 'import sys,json\nfor l in sys.stdin.buffer: json.loads(l)'";
    if (!program || f->format == RAW_RATINGS_2023) return false;
    const int64_t limit = (f->format == RAW_META_2014 ? 1 : head_mib) << 20;
    while (m->text_bytes < limit && m->lines < f->lines) m->text_bytes += (int64_t)rawgen_line(g, f->format, m->lines++, line);
    char command[2048];
    (void)snprintf(command, sizeof command, "{ command -v %s && %s; } >/dev/null", reader == READ_JQ ? "jq" : "python3", probe[f->packing]);
    if (system(command) != 0) return false;
    (void)snprintf(command, sizeof command, "%s '%s' 2>/dev/null | head -n %lld | %s >/dev/null", unpack[f->packing], f->path, (long long)m->lines, program);
    return system(command) == 0;
}

/* One reading in a process of its own. */
static Measured measure(const File *f, RawGen *g, Reader reader)
{
    int back[2];
    Measured m = {0};
    REQUIRE(pipe(back) == 0, "no pipe");
    (void)fflush(NULL);
    const pid_t child = fork();
    REQUIRE(child >= 0, "no process");
    if (child == 0) {
        const double begin = time_now_s();
        m.done = true;
        if (reader == READ_OURS) read_ours(f, &m);
        else if (reader == READ_BYTES) read_bytes(f, &m);
        else if (reader == READ_CJSON && f->format != RAW_RATINGS_2023) read_cjson(f, &m);
        else if (reader == READ_CJSON) m.done = false;
        else m.done = read_by_tool(f, g, reader, &m);
        m.s = time_now_s() - begin;
        m.peak_mb = (double)peak_memory_bytes() / 1e6;
        _exit(write(back[1], &m, sizeof m) == (ssize_t)sizeof m ? 0 : 1);
    }
    (void)close(back[1]);
    if (read(back[0], &m, sizeof m) != (ssize_t)sizeof m) m.done = false;
    (void)close(back[0]);
    int state;
    (void)waitpid(child, &state, 0);
    if (reader == READ_OURS && !m.done) status_exit(FAIL(E_INPUT, NULL, "%s: cannot be read", f->path));
    return m;
}

/* ---- results ---- */

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double median(File *f, Reader reader)
{
    qsort(f->speed[reader], (size_t)f->n[reader], sizeof(double), ascending);
    return f->n[reader] ? f->speed[reader][f->n[reader] / 2] : 0;
}

static void print_lines(File *f)
{
    for (int r = 0; r < READERS; r++) {
        if (!f->n[r]) continue;
        printf("{\"bench\":\"data\",\"file\":\"%s\",\"reader\":\"%s\",\"text_mb\":%.1f,\"packed_mb\":%.1f,\"rounds\":%d,\"unit\":\"MB/s\",\"value\":%.1f", f->name,
               reader_names[r], (double)f->text_bytes / 1e6, (double)f->packed_bytes / 1e6, f->n[r], median(f, (Reader)r));
        if (r == READ_OURS)
            printf(",\"lines_per_s\":%.0f,\"peak_mb\":%.1f,\"fallback_lines\":%lld", median(f, (Reader)r) * 1e6 * (double)f->lines / (double)f->text_bytes, f->peak_mb,
                   (long long)f->fallbacks);
        printf("}\n");
    }
}

static void print_table(void)
{
    printf("\nText read, MB/s (%lld MiB of made-up text a file, median of %lld; python3 and jq on the first %lld MiB, cJSON on eight times that)\n%-24s", (long long)mib,
           (long long)rounds, (long long)head_mib, "file");
    for (int r = 0; r < READERS; r++) printf("%12s", reader_names[r]);
    printf("%12s%9s%9s%10s\n", "lines/s", "packed", "peak MB", "fallbacks");
    for (int i = 0; i < FILES; i++) {
        File *f = &files[i];
        if (!f->n[READ_OURS]) continue;
        printf("%-24s", f->name);
        for (int r = 0; r < READERS; r++) {
            if (f->n[r]) printf("%12.0f", median(f, (Reader)r));
            else printf("%12s", "-");
        }
        printf("%12.0f%8.0f%%%9.0f%10lld\n", median(f, READ_OURS) * 1e6 * (double)f->lines / (double)f->text_bytes,
               100 * (double)f->packed_bytes / (double)f->text_bytes, f->peak_mb, (long long)f->fallbacks);
    }
}

int main(int argc, char **argv)
{
    cli_parse("bench_data", "speed and memory of reading raw files", OPTIONS, argc, argv);
    Arena *arena = arena_create("bench files");
    static RawGen g;
    rawgen_init(&g, 1, users, items);
    const bool own = *dir == '\0';
    char fresh[] = "/tmp/digr-bench-XXXXXX";
    if (own) dir = mkdtemp(fresh);
    else MUST(dir_make(dir));
    must_write(dir != NULL, fresh);
    for (int i = 0; i < FILES; i++)
        if (strstr(files[i].name, only)) write_file(&files[i], &g, arena);
    for (int64_t round = 0; round < rounds; round++)
        for (int i = 0; i < FILES; i++) {
            File *f = &files[i];
            for (int r = 0; r < READERS && f->lines; r++) {
                if (r > READ_BYTES && !peers) continue;
                const Measured m = measure(f, &g, (Reader)r);
                if (!m.done) continue;
                f->speed[r][f->n[r]++] = (double)m.text_bytes / 1e6 / m.s;
                if (r == READ_OURS) {
                    f->peak_mb = m.peak_mb > f->peak_mb ? m.peak_mb : f->peak_mb;
                    f->fallbacks = m.fallbacks;
                }
            }
        }
    for (int i = 0; i < FILES; i++) print_lines(&files[i]);
    print_table();
    for (int i = 0; i < FILES && !keep; i++)
        if (files[i].lines) (void)unlink(files[i].path);
    if (own && !keep) (void)rmdir(dir);
    else printf("the files are in %s\n", dir);
    arena_destroy(arena);
    return 0;
}
