/* tests/bench/bench_replay.c -- how long recorded answers take to open: a file of made-up answers of the usual size, read, unpacked, checked, parsed and indexed.
 *
 *   bench_replay [--records 100000 --repeats 5 --file PATH]
 *
 * Without --file the answers are written to a temporary file first (not timed). One JSON line: the median and the best of the repeats, each in a fresh arena.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/cli.h"
#include "base/log.h"
#include "llm/prompts.h"
#include "llm/responses.h"

enum { MAX_REPEATS = 100 };

static int64_t records, repeats;
static const char *file;

static const CliOption options[] = {
    {"records", CLI_INT, &records, "100000", 1, 10000000, "", "answers in the made-up file", NULL},
    {"repeats", CLI_INT, &repeats, "5", 1, MAX_REPEATS, "", "the median and the best are printed", NULL},
    {"file", CLI_STR, &file, "", 0, 0, "PATH", "open this file or folder instead", NULL},
    CLI_END};

static void write_answers(const char *path)
{
    static const char response[] =
        "{\"reasoning\":\"Hard start kit gives a struggling single-phase compressor extra torque so an aging AC starts.\",\"interests\":[{\"text\":\"reviving an ac compressor that "
        "struggles to start\",\"facet\":\"situation\",\"confidence\":0.85},{\"text\":\"diy home air conditioner repair\",\"facet\":\"project\",\"confidence\":0.75},{\"text\":\"running ac "
        "on generator or weak power\",\"facet\":\"constraint\",\"confidence\":0.35}]}";
    enum { BLOCK = 8192 };
    Arena *arena = arena_create("answers");
    for (int64_t i = 0; i < records;) {
        ArenaMark mark = arena_mark(arena);
        Response *r = ARENA_NEW(arena, Response, BLOCK);
        int n = 0;
        for (; n < BLOCK && i < records; n++, i++) {
            char *key = arena_alloc(arena, SHA256_HEX, 1);
            r[n] = (Response){.provider = "anthropic", .model = "claude", .template_id = "mine/v1", .set = "bench", .date = "2026-11", .response = response};
            r[n].item = arena_printf(arena, "B%09lld", (long long)i);
            prompt_key("anthropic", "claude", "mine/v1", r[n].item, key);
            r[n].key = key;
        }
        MUST(responses_append(path, r, n));
        arena_release(arena, mark);
    }
    arena_destroy(arena);
}

static int by_value(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

int main(int argc, char **argv)
{
    cli_parse("bench_replay", "answers/s when recorded answers are opened", options, argc, argv);
    char made[] = "/tmp/digr-replay-XXXXXX.jsonl.zst";
    const char *path = file;
    if (!*file) {
        int fd = mkstemps(made, (int)strlen(".jsonl.zst"));
        if (fd < 0) MUST(FAIL(E_RESOURCE, NULL, "cannot create a file in /tmp"));
        (void)close(fd);
        path = made;
        write_answers(made);
    }
    double seconds[MAX_REPEATS], text_bytes = 0;
    int64_t n = 0;
    struct stat st;
    if (stat(path, &st) != 0) MUST(FAIL(E_INPUT, NULL, "%s: not found", path));
    for (int64_t k = 0; k < repeats; k++) {
        Arena *arena = arena_create("replay");
        Responses *cache;
        double start = time_now_s();
        MUST(responses_open(path, arena, &cache));
        seconds[k] = time_now_s() - start;
        n = responses_count(cache);
        text_bytes = (double)responses_report(cache)->text_bytes;
        arena_destroy(arena);
    }
    if (!*file) (void)unlink(made);
    qsort(seconds, (size_t)repeats, sizeof *seconds, by_value);
    double median = seconds[repeats / 2];
    printf("{\"bench\":\"replay\",\"records\":%lld,\"text_mb\":%.1f,\"file_mb\":%.1f,\"median_s\":%.3f,\"best_s\":%.3f,\"records_per_s\":%.0f,\"mb_per_s\":%.0f,\"peak_mb\":%.0f}\n", (long long)n,
           text_bytes / 1e6, S_ISDIR(st.st_mode) ? 0.0 : (double)st.st_size / 1e6, median, seconds[0], (double)n / median, text_bytes / 1e6 / median, (double)peak_memory_bytes() / 1e6);
    return 0;
}
