/* io/stream.c -- plain, gzip and zstd input behind one line reader.
 *
 * A source keeps one block of compressed bytes; a decoder turns it into one block of text; lines are assembled from that.
 * Concatenated gzip members and zstd frames read as one stream, as their own tools do. What ends a stream early (truncation,
 * a wrong checksum, garbage after the last member, a read error) is kept and reported by line_close: whoever reads a file to
 * its end cannot miss it. */
#include "io/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "base/arena.h"

enum { BLOCK_BYTES = 1 << 17, FIRST_LINE_BYTES = 1 << 12, LINE_LIMIT_BYTES = 1 << 26 };

typedef enum Codec { CODEC_PLAIN, CODEC_GZIP, CODEC_ZSTD } Codec;

struct LineReader {
    Arena *arena;
    const char *path;
    int fd;
    Codec codec;
    z_stream zlib;
    ZSTD_DStream *zstd;
    bool in_frame;            /* inside a gzip member or zstd frame: the end of the file here is a truncation */
    bool no_more_input;
    unsigned char *in;        /* BLOCK_BYTES of the file */
    size_t in_begin, in_end;
    char *out;                /* BLOCK_BYTES of text; plain files use `in` */
    size_t out_begin, out_end;
    char *line;               /* a line that crosses blocks; holds line_capacity bytes */
    size_t line_capacity;
    int64_t number, consumed_bytes, file_bytes;
    Status status;            /* what ended the stream; the message is kept because others may fail before close */
    const char *message, *fix;
};

static void reader_fail(LineReader *r, Status status, const char *message, const char *fix) {
    if (r->status != OK) return;
    r->status = status;
    r->message = message;
    r->fix = fix;
}

static void reader_fail_truncated(LineReader *r) {
    reader_fail(r, E_INPUT,
                arena_printf(r->arena, "%s: truncated %s stream: the file ends at byte %lld inside a compressed block, after line %lld",
                             r->path, r->codec == CODEC_GZIP ? "gzip" : "zstd", (long long)r->file_bytes, (long long)r->number),
                "the download or copy was cut short; fetch the file again");
}

static void reader_fail_corrupt(LineReader *r, const char *reason) {
    int64_t at = r->consumed_bytes - (int64_t)(r->in_end - r->in_begin);
    reader_fail(r, E_INPUT,
                arena_printf(r->arena, "%s: corrupt %s stream near byte %lld, after line %lld: %s", r->path,
                             r->codec == CODEC_GZIP ? "gzip" : "zstd", (long long)at, (long long)r->number, reason),
                "fetch the file again and compare its checksum");
}

/* Refill `in` when it is empty; false at the end of the file or on a read error. */
static bool reader_fill(LineReader *r) {
    if (r->in_begin < r->in_end) return true;
    if (r->no_more_input) return false;
    ssize_t got;
    do got = read(r->fd, r->in, BLOCK_BYTES);
    while (got < 0 && errno == EINTR);
    if (got < 0) {
        reader_fail(r, E_INPUT, arena_printf(r->arena, "%s: read error at byte %lld: %s", r->path,
                                             (long long)r->consumed_bytes, strerror(errno)), NULL);
        got = 0;
    }
    r->in_begin = 0;
    r->in_end = (size_t)got;
    r->consumed_bytes += got;
    if (got == 0) r->no_more_input = true;
    return got > 0;
}

/* Each decode function puts at least one byte into out[0..out_end) or returns false (end or error). */
static bool decode_gzip(LineReader *r) {
    while (r->out_end == 0) {
        if (!reader_fill(r)) {
            if (r->in_frame && r->status == OK) reader_fail_truncated(r);
            return false;
        }
        if (!r->in_frame && inflateReset2(&r->zlib, 15 + 16) != Z_OK) {
            reader_fail_corrupt(r, "zlib cannot start a member");
            return false;
        }
        r->in_frame = true;
        r->zlib.next_in = r->in + r->in_begin;
        r->zlib.avail_in = (uInt)(r->in_end - r->in_begin);
        r->zlib.next_out = (unsigned char *)r->out;
        r->zlib.avail_out = BLOCK_BYTES;
        int rc = inflate(&r->zlib, Z_NO_FLUSH);
        r->in_begin = r->in_end - r->zlib.avail_in;
        r->out_end = BLOCK_BYTES - r->zlib.avail_out;
        if (rc == Z_STREAM_END) r->in_frame = false;
        else if (rc != Z_OK && rc != Z_BUF_ERROR) {
            reader_fail_corrupt(r, r->zlib.msg ? r->zlib.msg : "not a gzip member");
            return r->out_end > 0;
        }
    }
    return true;
}

static bool decode_zstd(LineReader *r) {
    while (r->out_end == 0) {
        bool have_input = reader_fill(r);
        if (!have_input && !r->in_frame) return false;
        ZSTD_inBuffer in = {r->in + r->in_begin, r->in_end - r->in_begin, 0};
        ZSTD_outBuffer out = {r->out, BLOCK_BYTES, 0};
        size_t rc = ZSTD_decompressStream(r->zstd, &out, &in);
        if (ZSTD_isError(rc)) {
            reader_fail_corrupt(r, ZSTD_getErrorName(rc));
            return false;
        }
        r->in_begin += in.pos;
        r->out_end = out.pos;
        r->in_frame = rc != 0;
        if (!have_input && out.pos == 0) { /* nothing left to flush, and the frame is open */
            if (r->in_frame && r->status == OK) reader_fail_truncated(r);
            return false;
        }
    }
    return true;
}

static bool decode_plain(LineReader *r) {
    if (!reader_fill(r)) return false;
    r->out = (char *)r->in;
    r->out_end = r->in_end;
    r->in_begin = r->in_end;
    return true;
}

static bool reader_refill(LineReader *r) {
    r->out_begin = r->out_end = 0;
    if (r->status != OK) return false;
    switch (r->codec) {
    case CODEC_PLAIN: return decode_plain(r);
    case CODEC_GZIP: return decode_gzip(r);
    case CODEC_ZSTD: return decode_zstd(r);
    }
    return false;
}

static Codec reader_codec(const LineReader *r) {
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    size_t n = r->in_end;
    if (n >= sizeof gzip && memcmp(r->in, gzip, sizeof gzip) == 0) return CODEC_GZIP;
    if (n >= sizeof zstd && memcmp(r->in, zstd, sizeof zstd) == 0) return CODEC_ZSTD;
    return CODEC_PLAIN;
}

Status line_open(const char *path, LineReader **reader) {
    *reader = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FAIL(E_INPUT, "check the path and its permissions", "%s: cannot open: %s", path, strerror(errno));
    struct stat info;
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
        close(fd);
        return FAIL(E_INPUT, "give a file in it", "%s: is a folder, expected a file", path);
    }
    Arena *arena = arena_create("line reader");
    LineReader *r = ARENA_NEW(arena, LineReader, 1);
    r->arena = arena;
    r->path = arena_strdup(arena, path);
    r->fd = fd;
    r->file_bytes = info.st_size;
    r->in = arena_alloc_raw(arena, BLOCK_BYTES, 1);
    ARENA_GROW(arena, r->line, r->line_capacity, FIRST_LINE_BYTES);
    reader_fill(r); /* an error here is reported by line_close */
    r->codec = reader_codec(r);
    if (r->codec != CODEC_PLAIN) r->out = arena_alloc_raw(arena, BLOCK_BYTES, 1);
    if (r->codec == CODEC_GZIP && inflateInit2(&r->zlib, 15 + 16) != Z_OK) {
        r->codec = CODEC_PLAIN;
        reader_fail(r, E_RESOURCE, "zlib: out of memory", NULL);
    }
    if (r->codec == CODEC_ZSTD && !(r->zstd = ZSTD_createDStream())) reader_fail(r, E_RESOURCE, "zstd: out of memory", NULL);
    *reader = r;
    return OK;
}

/* Append text[0..n) to the line buffer, leaving room for a NUL; false when the line grows absurd. */
static bool line_append(LineReader *r, size_t *length, const char *text, size_t n) {
    if (*length + n > LINE_LIMIT_BYTES) {
        reader_fail(r, E_INPUT, arena_printf(r->arena, "%s:%lld: line longer than %d MiB", r->path,
                                             (long long)r->number + 1, LINE_LIMIT_BYTES >> 20),
                    "this is not a line-based file, or its line ends are missing");
        return false;
    }
    if (*length + n + 1 > r->line_capacity) ARENA_GROW(r->arena, r->line, r->line_capacity, *length + n + 1);
    if (n) memcpy(r->line + *length, text, n);
    *length += n;
    return true;
}

bool line_next(LineReader *r, const char **line, size_t *n) {
    size_t length = 0;
    bool any = false;
    for (;;) {
        if (r->out_begin == r->out_end && !reader_refill(r)) break;
        any = true;
        char *begin = r->out + r->out_begin;
        size_t left = r->out_end - r->out_begin;
        char *end = memchr(begin, '\n', left);
        if (end && length == 0) { /* the whole line lies in this block: no copy */
            *end = '\0';
            r->out_begin += (size_t)(end - begin) + 1;
            r->number++;
            *line = begin;
            *n = (size_t)(end - begin);
            return true;
        }
        size_t take = end ? (size_t)(end - begin) : left;
        if (!line_append(r, &length, begin, take)) {
            r->out_begin = r->out_end;
            return false;
        }
        r->out_begin += take + (end ? 1 : 0);
        if (end) break;
    }
    if (r->status != OK) return false; /* a torn last line is no line */
    if (!any) return false;
    r->line[length] = '\0';
    r->number++;
    *line = r->line;
    *n = length;
    return true;
}

int64_t line_number(const LineReader *r) { return r->number; }
int64_t line_bytes_read(const LineReader *r) { return r->consumed_bytes; }
int64_t line_file_bytes(const LineReader *r) { return r->file_bytes; }

Status line_close(LineReader *r) {
    Status status = r->status;
    if (status != OK) FAIL(status, r->fix, "%s", r->message);
    if (r->codec == CODEC_GZIP) inflateEnd(&r->zlib);
    if (r->zstd) ZSTD_freeDStream(r->zstd);
    close(r->fd);
    arena_destroy(r->arena);
    return status;
}
