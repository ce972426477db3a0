/* io/decode.c -- see decode.h. One buffer of compressed bytes; each codec turns it into text where the caller wants it. */
#include "io/decode.h"

#include <errno.h>
#include <fcntl.h>
#include <isa-l/igzip_lib.h>
#include <poll.h>
#include <stdio.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

enum { INPUT_BYTES = 1 << 17 };

typedef enum Codec { CODEC_PLAIN, CODEC_GZIP, CODEC_ZSTD } Codec;
typedef enum GzipPhase { GZIP_BETWEEN, GZIP_BODY } GzipPhase; /* between members; inside the deflate data of one */

struct Decoder {
    int fd, wake;                 /* -1: none. wake: an eventfd, only for sources that can block */
    Codec codec;
    const unsigned char *in;
    unsigned char *buffer;        /* INPUT_BYTES; NULL: `in` is the whole source */
    size_t begin, end;            /* what is left of `in` */
    bool source_ended;
    int64_t taken_bytes, source_bytes;
    struct inflate_state *inflate;
    GzipPhase phase;
    ZSTD_DStream *zstd;
    bool in_frame;                /* inside a zstd frame */
    DecodeFault fault;
};

static const char *const codec_names[] = {"plain", "gzip", "zstd"};

static void set_fault(Decoder *d, DecodeFaultKind kind, const char *reason) {
    if (d->fault.kind != DECODE_FINE) return;
    d->fault.kind = kind;
    d->fault.codec = codec_names[d->codec];
    d->fault.at_byte = kind == DECODE_TRUNCATED ? d->taken_bytes : d->taken_bytes - (int64_t)(d->end - d->begin);
    (void)snprintf(d->fault.reason, sizeof d->fault.reason, "%s", reason);
}

/* ---- the source ---- */

/* Wait until a pipe has something to say; false when decoder_interrupt was called. */
static bool wait_readable(const Decoder *d) {
    if (d->wake < 0) return true;
    struct pollfd both[2] = {{d->fd, POLLIN, 0}, {d->wake, POLLIN, 0}};
    int rc;
    do rc = poll(both, 2, -1);
    while (rc < 0 && errno == EINTR);
    return rc > 0 && !both[1].revents;
}

/* Make d->in[begin..end) non-empty; false at the end of the source or on a read error. */
static bool fill(Decoder *d) {
    if (d->begin < d->end) return true;
    if (d->source_ended || !d->buffer) return false;
    ssize_t got = 0;
    if (wait_readable(d)) {
        do got = read(d->fd, d->buffer, INPUT_BYTES);
        while (got < 0 && errno == EINTR);
    }
    d->begin = 0;
    d->end = got > 0 ? (size_t)got : 0;
    if (got <= 0) d->source_ended = true;
    if (got < 0) set_fault(d, DECODE_READ_ERROR, strerror(errno));
    else d->taken_bytes += got;
    return got > 0;
}

/* The next byte, or -1. */
static int next_byte(Decoder *d) { return fill(d) ? d->in[d->begin++] : -1; }

static bool truncated(Decoder *d) {
    set_fault(d, DECODE_TRUNCATED, "ends inside a compressed block"); /* a read error that came first stays */
    return false;
}

/* ---- gzip (RFC 1952) ---- */

/* A byte of a member's header, counted into its CRC; false at the end of the source. */
static bool header_byte(Decoder *d, uLong *crc, unsigned char *byte) {
    int c = next_byte(d);
    if (c < 0) return truncated(d);
    *byte = (unsigned char)c;
    *crc = crc32(*crc, byte, 1);
    return true;
}

static bool header_skip(Decoder *d, uLong *crc, size_t n) {
    unsigned char byte;
    for (size_t i = 0; i < n; i++)
        if (!header_byte(d, crc, &byte)) return false;
    return true;
}

static bool header_skip_text(Decoder *d, uLong *crc) {
    unsigned char byte = 1;
    while (byte)
        if (!header_byte(d, crc, &byte)) return false;
    return true;
}

static bool gzip_header(Decoder *d) {
    enum { HAS_CRC = 2, HAS_EXTRA = 4, HAS_NAME = 8, HAS_COMMENT = 16, RESERVED = 0xe0 };
    static const char *const faults[] = {"what follows is not a gzip member", "what follows is not a gzip member", "unknown compression method",
                                         "reserved flags are set"};
    uLong crc = crc32(0, NULL, 0);
    unsigned char head[4], length[2];
    for (int i = 0; i < 4; i++) {
        if (!header_byte(d, &crc, &head[i])) return false;
        static const unsigned char wanted[] = {0x1f, 0x8b, 8};
        bool good = i < 3 ? head[i] == wanted[i] : (head[3] & RESERVED) == 0;
        if (!good) return set_fault(d, DECODE_CORRUPT, faults[i]), false;
    }
    if (!header_skip(d, &crc, 6)) return false; /* time, extra flags, system */
    if (head[3] & HAS_EXTRA) {
        if (!header_byte(d, &crc, &length[0]) || !header_byte(d, &crc, &length[1])) return false;
        if (!header_skip(d, &crc, (size_t)length[0] | (size_t)length[1] << 8)) return false;
    }
    if ((head[3] & HAS_NAME) && !header_skip_text(d, &crc)) return false;
    if ((head[3] & HAS_COMMENT) && !header_skip_text(d, &crc)) return false;
    if (head[3] & HAS_CRC) {
        const uLong wanted = crc & 0xffff;
        if (!header_byte(d, &crc, &length[0]) || !header_byte(d, &crc, &length[1])) return false;
        if (((uLong)length[0] | (uLong)length[1] << 8) != wanted) return set_fault(d, DECODE_CORRUPT, "header checksum does not match"), false;
    }
    isal_inflate_reset(d->inflate);
    d->inflate->crc_flag = ISAL_GZIP_NO_HDR;
    d->inflate->avail_in = 0;
    d->phase = GZIP_BODY;
    return true;
}

/* CRC and length behind the deflate data. igzip may hold the first of these bytes in its bit buffer already. */
static bool gzip_trailer(Decoder *d) {
    struct inflate_state *s = d->inflate;
    uint64_t bits = s->read_in >> (s->read_in_length & 7), trailer = 0;
    int held = s->read_in_length >> 3;
    for (int i = 0; i < 8; i++) {
        int byte = i < held ? (int)(bits >> (8 * i) & 0xff) : next_byte(d);
        if (byte < 0) return truncated(d);
        trailer |= (uint64_t)byte << (8 * i);
        if (i == 3 && (uint32_t)trailer != s->crc) return set_fault(d, DECODE_CORRUPT, "checksum of the text does not match"), false;
    }
    if ((uint32_t)(trailer >> 32) != s->total_out) return set_fault(d, DECODE_CORRUPT, "length of the text does not match"), false;
    d->phase = GZIP_BETWEEN;
    return true;
}

static const char *inflate_reason(int rc) {
    switch (rc) {
    case ISAL_INVALID_BLOCK: return "invalid deflate block";
    case ISAL_INVALID_SYMBOL: return "invalid deflate symbol";
    case ISAL_INVALID_LOOKBACK: return "invalid distance, too far back";
    default: return "invalid deflate data";
    }
}

static size_t read_gzip(Decoder *d, char *out, size_t room) {
    struct inflate_state *s = d->inflate;
    size_t n = 0;
    while (n < room && d->fault.kind == DECODE_FINE) {
        bool more = fill(d);
        if (d->phase == GZIP_BETWEEN) {
            if (!more || !gzip_header(d)) break;
            continue;
        }
        const uint32_t given_in = (uint32_t)(d->end - d->begin), given_out = room - n > UINT32_MAX ? UINT32_MAX : (uint32_t)(room - n);
        s->next_in = (uint8_t *)(uintptr_t)(d->in + d->begin); /* igzip only reads it; its interface lacks the const */
        s->avail_in = given_in;
        s->next_out = (uint8_t *)out + n;
        s->avail_out = given_out;
        int rc = isal_inflate(s);
        n += given_out - s->avail_out;
        d->begin += given_in - s->avail_in;
        if (rc != ISAL_DECOMP_OK) set_fault(d, DECODE_CORRUPT, inflate_reason(rc));
        else if (s->block_state == ISAL_BLOCK_FINISH) (void)gzip_trailer(d);
        else if (!more && s->avail_out == given_out) (void)truncated(d);
    }
    return n;
}

/* ---- zstd and plain ---- */

static size_t read_zstd(Decoder *d, char *out, size_t room) {
    ZSTD_outBuffer text = {out, room, 0};
    while (text.pos < room && d->fault.kind == DECODE_FINE) {
        bool more = fill(d);
        if (!more && !d->in_frame) break;
        ZSTD_inBuffer in = {d->in + d->begin, d->end - d->begin, 0};
        const size_t before = text.pos, rc = ZSTD_decompressStream(d->zstd, &text, &in);
        if (ZSTD_isError(rc)) {
            set_fault(d, DECODE_CORRUPT, ZSTD_getErrorName(rc));
            break;
        }
        d->begin += in.pos;
        d->in_frame = rc != 0;
        if (!more && text.pos == before && d->in_frame) (void)truncated(d); /* nothing left to flush, and the frame is open */
    }
    return text.pos;
}

static size_t read_plain(Decoder *d, char *out, size_t room) {
    size_t n = 0;
    while (n < room && d->begin < d->end) { /* what was read to recognise the form */
        size_t take = d->end - d->begin < room - n ? d->end - d->begin : room - n;
        memcpy(out + n, d->in + d->begin, take);
        d->begin += take;
        n += take;
    }
    while (n < room && !d->source_ended && d->buffer) { /* then straight to where it is wanted */
        if (!wait_readable(d)) {
            d->source_ended = true;
            break;
        }
        ssize_t got = read(d->fd, out + n, room - n);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) d->source_ended = true;
        if (got < 0) set_fault(d, DECODE_READ_ERROR, strerror(errno));
        if (got <= 0) break;
        n += (size_t)got;
        d->taken_bytes += got;
    }
    return n;
}

size_t decoder_read(Decoder *d, char *out, size_t room) {
    REQUIRE(room > 0, "no room to decode into");
    if (d->fault.kind != DECODE_FINE) return 0;
    switch (d->codec) {
    case CODEC_PLAIN: return read_plain(d, out, room);
    case CODEC_GZIP: return read_gzip(d, out, room);
    case CODEC_ZSTD: return read_zstd(d, out, room);
    }
    return 0;
}

/* ---- opening and closing ---- */

static Codec recognise(const unsigned char *in, size_t n) {
    static const unsigned char gzip[] = {0x1f, 0x8b}, zstd[] = {0x28, 0xb5, 0x2f, 0xfd};
    if (n >= sizeof gzip && memcmp(in, gzip, sizeof gzip) == 0) return CODEC_GZIP;
    if (n >= sizeof zstd && memcmp(in, zstd, sizeof zstd) == 0) return CODEC_ZSTD;
    return CODEC_PLAIN;
}

static void begin_codec(Decoder *d, Arena *arena) {
    d->codec = recognise(d->in, d->end);
    d->fault.codec = codec_names[d->codec];
    if (d->codec == CODEC_GZIP) {
        d->inflate = ARENA_NEW(arena, struct inflate_state, 1);
        isal_inflate_init(d->inflate);
    }
    if (d->codec == CODEC_ZSTD && !(d->zstd = ZSTD_createDStream())) set_fault(d, DECODE_NO_MEMORY, "zstd: out of memory");
}

/* Read until the form can be told: a pipe may give its first bytes one by one. */
static void read_first(Decoder *d) {
    while (d->end < 4 && !d->source_ended) {
        ssize_t got = read(d->fd, d->buffer + d->end, INPUT_BYTES - d->end);
        if (got < 0 && errno == EINTR) continue;
        if (got <= 0) d->source_ended = true;
        if (got < 0) set_fault(d, DECODE_READ_ERROR, strerror(errno));
        if (got <= 0) break;
        d->end += (size_t)got;
        d->taken_bytes += got;
    }
}

Status decoder_open(const char *path, Arena *arena, Decoder **decoder) {
    *decoder = NULL;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0) return FAIL(E_INPUT, "check the path and its permissions", "%s: cannot open: %s", path, strerror(errno));
    struct stat info;
    if (fstat(fd, &info) != 0 || S_ISDIR(info.st_mode)) {
        close(fd);
        return FAIL(E_INPUT, "give a file in it", "%s: is a folder, expected a file", path);
    }
    Decoder *d = ARENA_NEW(arena, Decoder, 1);
    d->fd = fd;
    d->wake = S_ISREG(info.st_mode) ? -1 : eventfd(0, EFD_CLOEXEC);
    d->source_bytes = S_ISREG(info.st_mode) ? info.st_size : 0;
    d->buffer = arena_alloc_raw(arena, INPUT_BYTES, 1);
    d->in = d->buffer;
    read_first(d);
    begin_codec(d, arena);
    *decoder = d;
    return OK;
}

Decoder *decoder_open_memory(const void *data, size_t n, Arena *arena) {
    Decoder *d = ARENA_NEW(arena, Decoder, 1);
    d->fd = d->wake = -1;
    d->in = data;
    d->end = n;
    d->taken_bytes = d->source_bytes = (int64_t)n;
    d->source_ended = true;
    begin_codec(d, arena);
    return d;
}

const DecodeFault *decoder_fault(const Decoder *d) { return &d->fault; }
int64_t decoder_bytes_read(const Decoder *d) { return d->taken_bytes; }
int64_t decoder_source_bytes(const Decoder *d) { return d->source_bytes; }

void decoder_interrupt(Decoder *d) {
    const uint64_t one = 1;
    if (d->wake >= 0 && write(d->wake, &one, sizeof one) < 0) return; /* it is set already */
}

void decoder_close(Decoder *d) {
    if (d->zstd) ZSTD_freeDStream(d->zstd);
    if (d->fd >= 0) close(d->fd);
    if (d->wake >= 0) close(d->wake);
}
