/* tests/test_stream.c -- the line reader on plain, gzip and zstd files: whole, torn and damaged ones; the gzip writer. */
#include "data_util.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "base/arena.h"
#include "base/log.h"
#include "base/rng.h"
#include "io/stream.h"
#include "suite.h"

/* Read all lines into `joined` (each followed by '|'); the status of the close. */
static Status read_all(const char *path, char *joined, size_t room, int64_t *n_lines)
{
    LineReader *reader;
    Status status = line_open(path, &reader);
    if (status != OK) return status;
    const char *line;
    size_t n, used = 0;
    *n_lines = 0;
    while (line_next(reader, &line, &n)) {
        ck_assert_int_eq(line[n], '\0');
        ck_assert_int_eq(line_number(reader), ++*n_lines);
        ck_assert_uint_lt(used + n + 1, room);
        memcpy(joined + used, line, n);
        joined[used + n] = '|';
        used += n + 1;
    }
    joined[used] = '\0';
    return line_close(reader);
}

static char joined[1 << 22];
static int64_t n_lines;

static size_t make_zstd(const char *text, size_t n, char *out, size_t room)
{
    ZSTD_CCtx *context = ZSTD_createCCtx();
    ck_assert(!ZSTD_isError(ZSTD_CCtx_setParameter(context, ZSTD_c_checksumFlag, 1)));
    size_t bytes = ZSTD_compress2(context, out, room, text, n);
    ck_assert(!ZSTD_isError(bytes));
    ZSTD_freeCCtx(context);
    return bytes;
}

START_TEST(plain_lines_in_all_their_endings)
{
    static const struct { const char *text, *expected; int64_t lines; } cases[] = {
        {"", "", 0}, {"\n", "|", 1}, {"a", "a|", 1}, {"a\n", "a|", 1}, {"a\n\nb", "a||b|", 3}, {"a\r\nb\r\n", "a\r|b\r|", 2}};
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        write_text(in_scratch("plain"), cases[i].text);
        ck_assert_int_eq(read_all(in_scratch("plain"), joined, sizeof joined, &n_lines), OK);
        ck_assert_str_eq(joined, cases[i].expected);
        ck_assert_int_eq(n_lines, cases[i].lines);
    }
    write_bytes(in_scratch("nul"), "a\0b\nc", 5);
    LineReader *reader;
    const char *line;
    size_t n;
    ck_assert_int_eq(line_open(in_scratch("nul"), &reader), OK);
    ck_assert(line_next(reader, &line, &n));
    ck_assert_uint_eq(n, 3);
    ck_assert_mem_eq(line, "a\0b", 4);
    ck_assert_int_eq(line_close(reader), OK);
}
END_TEST

/* Lines of many lengths around the block size of the reader (128 KiB), in all three forms under a name that says nothing. */
START_TEST(the_form_is_known_by_content_and_blocks_do_not_show)
{
    static char text[3 << 20], packed[1 << 22];
    size_t n = 0;
    static const size_t lengths[] = {0, 1, 7, 131071, 131072, 131073, 33, 262144, 5, 700001, 0, 13};
    for (size_t i = 0; i < sizeof lengths / sizeof *lengths; i++) {
        for (size_t k = 0; k < lengths[i]; k++) text[n++] = (char)('a' + (k * 7 + i) % 26);
        text[n++] = '\n';
    }
    text[n] = '\0';
    static char expected[3 << 20];
    for (size_t i = 0; i < n; i++) expected[i] = text[i] == '\n' ? '|' : text[i];
    expected[n] = '\0';
    for (int form = 0; form < 3; form++) {
        const char *path = in_scratch("reviews.txt");
        if (form == 0) write_bytes(path, text, n);
        if (form == 1) write_gzip(path, text);
        if (form == 2) write_bytes(path, packed, make_zstd(text, n, packed, sizeof packed));
        ck_assert_int_eq(read_all(path, joined, sizeof joined, &n_lines), OK);
        ck_assert_int_eq(n_lines, (int64_t)(sizeof lengths / sizeof *lengths));
        ck_assert(strcmp(joined, expected) == 0);
    }
}
END_TEST

START_TEST(members_and_frames_in_a_row_are_one_stream)
{
    write_gzip(in_scratch("a"), "one\ntw");
    write_gzip(in_scratch("b"), "o\nthree\n");
    size_t n, m;
    char *a = read_bytes(in_scratch("a"), &n), *b = read_bytes(in_scratch("b"), &m), both[4096];
    memcpy(both, a, n);
    memcpy(both + n, b, m);
    write_bytes(in_scratch("ab.gz"), both, n + m);
    ck_assert_int_eq(read_all(in_scratch("ab.gz"), joined, sizeof joined, &n_lines), OK);
    ck_assert_str_eq(joined, "one|two|three|");

    n = make_zstd("one\ntw", 6, both, sizeof both);
    n += make_zstd("o\nthree\n", 8, both + n, sizeof both - n);
    write_bytes(in_scratch("ab.zst"), both, n);
    ck_assert_int_eq(read_all(in_scratch("ab.zst"), joined, sizeof joined, &n_lines), OK);
    ck_assert_str_eq(joined, "one|two|three|");
}
END_TEST

/* Whatever the byte at which a compressed file is cut, the cut is told; whole lines before it may be read. */
static void cut_everywhere(const char *data, size_t n, const char *form)
{
    for (size_t cut = 4; cut < n; cut++) {
        write_bytes(in_scratch("cut"), data, cut);
        ck_assert_msg(read_all(in_scratch("cut"), joined, sizeof joined, &n_lines) == E_INPUT, "%s cut at %zu of %zu is not noticed", form, cut, n);
        ck_assert_msg(strstr(status_message(), "truncated") && strstr(status_message(), form) && strstr(status_message(), in_scratch("cut")),
                      "cut at %zu: %s", cut, status_message());
        ck_assert(strstr(status_fix(), "fetch the file again"));
        ck_assert_int_lt(n_lines, 4);
    }
}

START_TEST(every_truncation_is_told)
{
    write_gzip(in_scratch("whole"), "first line\nsecond line\nthird line\n");
    size_t n;
    const char *data = read_bytes(in_scratch("whole"), &n);
    cut_everywhere(data, n, "gzip");
    char packed[4096];
    n = make_zstd("first line\nsecond line\nthird line\n", 34, packed, sizeof packed);
    cut_everywhere(packed, n, "zstd");
}
END_TEST

START_TEST(damage_is_told)
{
    write_gzip(in_scratch("whole"), "first line\nsecond line\n");
    size_t n;
    char *data = read_bytes(in_scratch("whole"), &n), more[4096];
    data[n - 6] ^= 1; /* the CRC */
    write_bytes(in_scratch("crc"), data, n);
    ck_assert_int_eq(read_all(in_scratch("crc"), joined, sizeof joined, &n_lines), E_INPUT);
    ck_assert(strstr(status_message(), "corrupt gzip"));
    data[n - 6] ^= 1;
    memcpy(more, data, n);
    memcpy(more + n, "garbage", 7);
    write_bytes(in_scratch("behind"), more, n + 7);
    ck_assert_int_eq(read_all(in_scratch("behind"), joined, sizeof joined, &n_lines), E_INPUT);
    ck_assert_str_eq(joined, "first line|second line|");
    ck_assert(strstr(status_message(), "after line 2"));

    n = make_zstd("first line\nsecond line\n", 23, more, sizeof more);
    more[n - 1] ^= 1;
    write_bytes(in_scratch("zcrc"), more, n);
    ck_assert_int_eq(read_all(in_scratch("zcrc"), joined, sizeof joined, &n_lines), E_INPUT);
    ck_assert(strstr(status_message(), "corrupt zstd"));
}
END_TEST

/* The same text, or the same fault at the same line, whatever the blocks and whoever decodes. */
static void same_however_read(const char *path)
{
    static const LineTuning tunings[] = {{1, false}, {7, false}, {64, true}, {1000, true}, {1 << 16, false}, {1 << 16, true}};
    char message[1024] = "";
    static char first[1 << 16];
    Status status = OK;
    int64_t lines = 0;
    for (size_t i = 0; i < sizeof tunings / sizeof *tunings; i++) {
        LineReader *reader;
        const char *line;
        size_t n, used = 0;
        ck_assert_int_eq(line_open_tuned(path, tunings[i], &reader), OK);
        while (line_next(reader, &line, &n)) {
            memcpy(joined + used, line, n + 1); /* its NUL as well */
            used += n + 1;
        }
        const int64_t number = line_number(reader);
        status_clear();
        const Status closed = line_close(reader);
        if (i == 0) {
            status = closed;
            lines = number;
            (void)snprintf(message, sizeof message, "%s", status_message());
            memcpy(first, joined, used);
        }
        ck_assert_int_eq(closed, status);
        ck_assert_int_eq(number, lines);
        ck_assert_mem_eq(joined, first, used);
        ck_assert_str_eq(status_message(), message);
    }
}

START_TEST(blocks_and_threads_do_not_show)
{
    static char text[40000], packed[1 << 16];
    size_t n = 0;
    for (int i = 0; n < sizeof text - 400; i++) n += (size_t)sprintf(text + n, "%0*d\n", 1 + i * 37 % 300, i);
    write_text(in_scratch("t"), text);
    same_however_read(in_scratch("t"));
    write_gzip(in_scratch("t.gz"), text);
    same_however_read(in_scratch("t.gz"));
    size_t m = make_zstd(text, n, packed, sizeof packed);
    write_bytes(in_scratch("t.zst"), packed, m);
    same_however_read(in_scratch("t.zst"));
    for (size_t cut = 5; cut < m; cut += m / 5) {
        write_bytes(in_scratch("cut.zst"), packed, cut);
        same_however_read(in_scratch("cut.zst"));
    }
    const char *gz = read_bytes(in_scratch("t.gz"), &m);
    for (size_t cut = 5; cut < m; cut += m / 5) {
        write_bytes(in_scratch("cut.gz"), gz, cut);
        same_however_read(in_scratch("cut.gz"));
    }
}
END_TEST

static int count_threads(void)
{
    FILE *threads = popen("ls /proc/$PPID/task | wc -l", "r");
    int count = 0;
    ck_assert_int_eq(fscanf(threads, "%d", &count), 1);
    ck_assert_int_eq(pclose(threads), 0);
    return count;
}

/* Closing early, from any place, ends the thread. */
START_TEST(an_early_close_leaves_nothing_behind)
{
    static char text[40000];
    for (size_t i = 0; i + 1 < sizeof text; i++) text[i] = i % 50 == 49 ? '\n' : 'x';
    write_gzip(in_scratch("t.gz"), text);
    const int before = count_threads();
    for (int i = 0; i < 300; i++) {
        LineReader *reader;
        const char *line;
        size_t n;
        ck_assert_int_eq(line_open_tuned(in_scratch("t.gz"), (LineTuning){1 + (size_t)(i % 7) * 111, true}, &reader), OK);
        for (int k = 0; k < i % 11; k++) ck_assert(line_next(reader, &line, &n));
        ck_assert_int_eq(line_close(reader), OK);
    }
    ck_assert_int_eq(count_threads(), before);
}
END_TEST

/* A pipe whose writer stays silent does not hold up the close. */
START_TEST(a_silent_pipe_can_be_closed)
{
    ck_assert_int_eq(mkfifo(in_scratch("pipe"), 0600), 0);
    const int fd = open(in_scratch("pipe"), O_RDWR);
    ck_assert_int_ge(fd, 0);
    ck_assert_int_eq(write(fd, "one\ntwo\n", 8), 8);
    LineReader *reader;
    const char *line;
    size_t n;
    ck_assert_int_eq(line_open_tuned(in_scratch("pipe"), (LineTuning){4, true}, &reader), OK);
    ck_assert(line_next(reader, &line, &n));
    ck_assert_str_eq(line, "one");
    ck_assert_int_eq(line_close(reader), OK);
    close(fd);
}
END_TEST

/* A gzip member with every optional part of a header, then one without; each part damaged or cut is told. */
START_TEST(gzip_headers_are_checked_as_zlib_checks_them)
{
    static char packed[4096];
    gz_header header = {.text = 1, .time = 7, .extra = (Bytef *)(uintptr_t)"extra", .extra_len = 5, .name = (Bytef *)(uintptr_t)"a name", .comment = (Bytef *)(uintptr_t)"a comment", .hcrc = 1};
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    ck_assert_int_eq(deflateSetHeader(&z, &header), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)"one\ntwo\n";
    z.avail_in = 8;
    z.next_out = (Bytef *)packed;
    z.avail_out = sizeof packed;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    const size_t first = sizeof packed - z.avail_out;
    deflateEnd(&z);
    write_gzip(in_scratch("plain.gz"), "three\n");
    size_t second;
    const char *plain = read_bytes(in_scratch("plain.gz"), &second);
    memcpy(packed + first, plain, second);
    const size_t n = first + second;
    write_bytes(in_scratch("both.gz"), packed, n);
    ck_assert_int_eq(read_all(in_scratch("both.gz"), joined, sizeof joined, &n_lines), OK);
    ck_assert_str_eq(joined, "one|two|three|");
    same_however_read(in_scratch("both.gz"));
    for (size_t at = 4; at < n; at++) { /* zlib is the judge of every flipped bit behind the magic */
        for (int bit = 0; bit < 8; bit++) {
            packed[at] ^= (char)(1 << bit);
            write_bytes(in_scratch("bad.gz"), packed, n);
            packed[at] ^= (char)(1 << bit);
            static char text[4096];
            z_stream in = {0};
            ck_assert_int_eq(inflateInit2(&in, 15 + 16), Z_OK);
            size_t m;
            in.next_in = (Bytef *)read_bytes(in_scratch("bad.gz"), &m);
            in.avail_in = (uInt)m;
            in.next_out = (Bytef *)text;
            in.avail_out = sizeof text;
            int rc = inflate(&in, Z_NO_FLUSH);
            if (rc == Z_STREAM_END && in.avail_in && inflateReset(&in) == Z_OK) rc = inflate(&in, Z_NO_FLUSH);
            inflateEnd(&in);
            const Status status = read_all(in_scratch("bad.gz"), joined, sizeof joined, &n_lines);
            ck_assert_msg((rc == Z_STREAM_END) == (status == OK), "bit %d of byte %zu: zlib says %d, we %d (%s)", bit, at, rc, (int)status, status_message());
        }
    }
}
END_TEST

/* One member made by zlib in the given way. */
static size_t make_gzip(const char *text, size_t n, int level, int strategy, char *out, size_t room)
{
    z_stream z = {0};
    ck_assert_int_eq(deflateInit2(&z, level, Z_DEFLATED, 15 + 16, 8, strategy), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)text;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    ck_assert_int_eq(deflate(&z, Z_FINISH), Z_STREAM_END);
    deflateEnd(&z);
    return room - z.avail_out;
}

/* zlib's verdict on a whole gzip file, and its text. */
static bool zlib_reads(const char *packed, size_t n, char *out, size_t room, size_t *length)
{
    z_stream z = {0};
    ck_assert_int_eq(inflateInit2(&z, 15 + 16), Z_OK);
    z.next_in = (Bytef *)(uintptr_t)packed;
    z.avail_in = (uInt)n;
    z.next_out = (Bytef *)out;
    z.avail_out = (uInt)room;
    const int rc = inflate(&z, Z_FINISH);
    *length = room - z.avail_out;
    const bool all = z.avail_in == 0;
    inflateEnd(&z);
    return rc == Z_STREAM_END && all;
}

/* Stored, fixed and dynamic blocks, runs, distances up to the whole window; then random damage: the verdict is zlib's, and so is the text. */
START_TEST(deflate_data_are_read_as_zlib_reads_them)
{
    static char text[300000], packed[400000], judged[1 << 20];
    static const struct { int level, strategy; } ways[] = {{0, Z_DEFAULT_STRATEGY}, {1, Z_DEFAULT_STRATEGY}, {9, Z_DEFAULT_STRATEGY}, {6, Z_FIXED}, {6, Z_HUFFMAN_ONLY}, {6, Z_RLE}};
    Rng rng = rng_make(4, RNG_STAGE_TEST, RNG_SAMPLE, 0, 0);
    for (size_t i = 0; i < sizeof text; i++) {
        const bool far = i > 32768 && rng_below(&rng, 3) == 0;
        text[i] = far ? text[i - 32768] : rng_below(&rng, 30) == 0 ? '\n' : (char)('a' + rng_below(&rng, 6) * rng_below(&rng, 5));
    }
    for (size_t w = 0; w < sizeof ways / sizeof *ways; w++) {
        const size_t n = make_gzip(text, sizeof text, ways[w].level, ways[w].strategy, packed, sizeof packed);
        for (int round = 0; round < 60; round++) {
            const size_t at = rng_below(&rng, n);
            const char mask = (char)(round == 0 ? 0 : 1 << rng_below(&rng, 8));
            packed[at] ^= mask;
            size_t length;
            const bool good = zlib_reads(packed, n, judged, sizeof judged, &length);
            LineReader *r = line_open_memory("memory", packed, n);
            const char *line;
            size_t k, used = 0;
            bool same = true; /* one assertion for all: Check writes down each */
            while (line_next(r, &line, &k)) {
                same = same && used + k <= length && memcmp(judged + used, line, k) == 0;
                used += k + 1;
            }
            const Status status = line_close(r);
            ck_assert_msg((status == OK) == good, "way %zu, byte %zu: zlib %d, we %s", w, at, good, status_message());
            ck_assert(!good || (same && used >= length));
            packed[at] ^= mask;
        }
    }
}
END_TEST

START_TEST(what_is_not_a_file_is_told)
{
    LineReader *reader;
    ck_assert_int_eq(line_open(in_scratch("absent"), &reader), E_INPUT);
    ck_assert(strstr(status_message(), "absent"));
    ck_assert_int_eq(line_open(scratch, &reader), E_INPUT);
    ck_assert(strstr(status_message(), "folder"));
}
END_TEST

/* 128 MiB of text pass through in less than 32 (the sanitizers' own included); one line of 65 MiB does not. */
START_TEST(memory_stays_constant_and_absurd_lines_are_told)
{
    GzipFile *f;
    char line[1024];
    memset(line, 'x', sizeof line);
    ck_assert_int_eq(gzip_open(in_scratch("long.gz"), &f), OK);
    line[sizeof line - 1] = '\n';
    for (int i = 0; i < 128 * 1024; i++) gzip_write(f, line, sizeof line);
    ck_assert_int_eq(gzip_commit(f), OK);
    int64_t before = peak_memory_bytes();
    LineReader *reader;
    const char *text;
    size_t n;
    ck_assert_int_eq(line_open(in_scratch("long.gz"), &reader), OK);
    while (line_next(reader, &text, &n)) ck_assert_uint_eq(n, sizeof line - 1);
    ck_assert_int_eq(line_number(reader), 128 * 1024);
    ck_assert_int_eq(line_bytes_read(reader), line_file_bytes(reader));
    ck_assert_int_eq(line_close(reader), OK);
    ck_assert_msg(peak_memory_bytes() - before < 32 << 20, "grew by %lld bytes", (long long)(peak_memory_bytes() - before));

    ck_assert_int_eq(gzip_open(in_scratch("one.gz"), &f), OK);
    gzip_puts(f, "short\n");
    line[sizeof line - 1] = 'x';
    for (int i = 0; i < 65 * 1024; i++) gzip_write(f, line, sizeof line);
    ck_assert_int_eq(gzip_commit(f), OK);
    ck_assert_int_eq(line_open(in_scratch("one.gz"), &reader), OK);
    ck_assert(line_next(reader, &text, &n));
    ck_assert(!line_next(reader, &text, &n));
    ck_assert(!line_next(reader, &text, &n));
    ck_assert_int_eq(line_close(reader), E_INPUT);
    ck_assert(strstr(status_message(), "one.gz:2: line longer"));
}
END_TEST

START_TEST(the_gzip_writer_gives_the_same_bytes_and_nothing_half)
{
    write_gzip(in_scratch("a.gz"), "some text\n");
    write_gzip(in_scratch("b.gz"), "some text\n");
    ck_assert(same_bytes(in_scratch("a.gz"), in_scratch("b.gz")));
    gzFile reader = gzopen(in_scratch("a.gz"), "rb"); /* and zlib's own reader agrees */
    char text[32];
    ck_assert_int_eq(gzread(reader, text, sizeof text), 10);
    ck_assert_mem_eq(text, "some text\n", 10);
    gzclose(reader);
    GzipFile *f;
    ck_assert_int_eq(gzip_open(in_scratch("c.gz"), &f), OK);
    gzip_printf(f, "%d\n", 7);
    gzip_abandon(f);
    ck_assert(!path_exists(in_scratch("c.gz")));
    ck_assert_int_eq(gzip_open(in_scratch("no/such/folder.gz"), &f), E_RESOURCE);
}
END_TEST

int main(void)
{
    Suite *s = suite_create("stream");
    TCase *t = tcase_create("stream");
    tcase_set_timeout(t, 60);
    tcase_add_checked_fixture(t, scratch_make, scratch_remove);
    tcase_add_test(t, plain_lines_in_all_their_endings);
    tcase_add_test(t, the_form_is_known_by_content_and_blocks_do_not_show);
    tcase_add_test(t, members_and_frames_in_a_row_are_one_stream);
    tcase_add_test(t, every_truncation_is_told);
    tcase_add_test(t, damage_is_told);
    tcase_add_test(t, blocks_and_threads_do_not_show);
    tcase_add_test(t, an_early_close_leaves_nothing_behind);
    tcase_add_test(t, a_silent_pipe_can_be_closed);
    tcase_add_test(t, deflate_data_are_read_as_zlib_reads_them);
    tcase_add_test(t, gzip_headers_are_checked_as_zlib_checks_them);
    tcase_add_test(t, what_is_not_a_file_is_told);
    tcase_add_test(t, memory_stays_constant_and_absurd_lines_are_told);
    tcase_add_test(t, the_gzip_writer_gives_the_same_bytes_and_nothing_half);
    suite_add_tcase(s, t);
    return suite_run(s);
}
