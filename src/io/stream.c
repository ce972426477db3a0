/* io/stream.c -- blocks of text from a decoder, split into lines.
 *
 * A line that lies in one block is given out where it is; one that crosses blocks is put together in a buffer. Beside the caller, a thread fills a ring of
 * blocks in order: a block is the thread's while `full` is below N_BLOCKS, the caller's from then until it asks for the next one. What ended the stream
 * (truncation, a wrong checksum, garbage after the last member, a read error) follows the last block and is reported by line_close with the number of the
 * line it came after: whoever reads a file to its end cannot miss it. */
#include "io/stream.h"

#include <pthread.h>
#include <signal.h>
#include <string.h>

#include "base/arena.h"
#include "io/decode.h"

enum { N_BLOCKS = 4, SMALL_BLOCK_BYTES = 1 << 16, BLOCK_BYTES = 1 << 19, SMALL_FILE_BYTES = 1 << 20, FIRST_LINE_BYTES = 1 << 12, LINE_LIMIT_BYTES = 1 << 26 };

typedef struct Block {
    char *text;
    size_t n;
    int64_t bytes_read; /* of the source, when the block was full */
} Block;

struct LineReader {
    Arena *arena;
    const char *path;
    Decoder *decoder;
    size_t block_bytes;
    Block block[N_BLOCKS];
    const Block *now;         /* the block being split; NULL before the first and after the last */
    size_t at;                /* in now->text */
    char *line;               /* a line that crosses blocks; holds line_capacity bytes */
    size_t line_capacity;
    int64_t number, bytes_read, text_bytes;
    bool line_too_long, ended;
    bool beside;              /* below: only then */
    pthread_t thread;
    pthread_mutex_t lock;
    pthread_cond_t changed;
    int64_t filled, taken;    /* blocks, ever; under the lock */
    bool decoded_all, stop;   /* under the lock */
};

/* ---- blocks ---- */

static void fill_block(LineReader *r, Block *b) {
    b->n = decoder_read(r->decoder, b->text, r->block_bytes);
    b->bytes_read = decoder_bytes_read(r->decoder);
}

/* The thread: fill free blocks until the source ends or nobody wants more. */
static void *decode_beside(void *argument) {
    LineReader *r = argument;
    bool go_on = true;
    for (int64_t turn = 0; go_on; turn++) {
        (void)pthread_mutex_lock(&r->lock);
        while (r->filled - r->taken == N_BLOCKS && !r->stop) (void)pthread_cond_wait(&r->changed, &r->lock);
        go_on = !r->stop;
        (void)pthread_mutex_unlock(&r->lock);
        if (!go_on) break;
        Block *b = &r->block[turn % N_BLOCKS];
        fill_block(r, b);
        (void)pthread_mutex_lock(&r->lock);
        if (b->n) r->filled++;
        else r->decoded_all = true;
        go_on = b->n > 0;
        (void)pthread_cond_signal(&r->changed);
        (void)pthread_mutex_unlock(&r->lock);
    }
    return NULL;
}

/* The next block to split, or NULL. Gives the last one back. */
static const Block *next_block(LineReader *r) {
    if (r->ended) return NULL;
    if (!r->beside) {
        fill_block(r, &r->block[0]);
        r->bytes_read = r->block[0].bytes_read;
        return r->block[0].n ? &r->block[0] : NULL;
    }
    (void)pthread_mutex_lock(&r->lock);
    if (r->now) r->taken++;
    (void)pthread_cond_signal(&r->changed);
    while (r->filled == r->taken && !r->decoded_all) (void)pthread_cond_wait(&r->changed, &r->lock);
    const Block *b = r->filled > r->taken ? &r->block[r->taken % N_BLOCKS] : NULL;
    (void)pthread_mutex_unlock(&r->lock);
    if (b) r->bytes_read = b->bytes_read;
    return b;
}

static bool advance(LineReader *r) {
    r->now = next_block(r);
    r->at = 0;
    if (r->now) return true;
    r->ended = true;
    return false;
}

/* ---- opening ---- */

static LineReader *reader_create(const char *path) {
    Arena *arena = arena_create("line reader");
    LineReader *r = ARENA_NEW(arena, LineReader, 1);
    r->arena = arena;
    r->path = arena_strdup(arena, path);
    ARENA_GROW(arena, r->line, r->line_capacity, FIRST_LINE_BYTES);
    return r;
}

/* Give it its blocks and, where wanted and possible, its thread, which takes no signals: they are for the program's own. */
static void reader_begin(LineReader *r, LineTuning tuning) {
    r->block_bytes = tuning.block_bytes;
    for (int b = 0; b < (tuning.beside ? N_BLOCKS : 1); b++) r->block[b].text = arena_alloc_raw(r->arena, tuning.block_bytes + 1, 1);
    if (!tuning.beside) return;
    (void)pthread_mutex_init(&r->lock, NULL);
    (void)pthread_cond_init(&r->changed, NULL);
    sigset_t all, before;
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before);
    r->beside = pthread_create(&r->thread, NULL, decode_beside, r) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
}

static Status open_file(const char *path, const LineTuning *tuning, LineReader **reader) {
    *reader = NULL;
    LineReader *r = reader_create(path);
    Status status = decoder_open(path, r->arena, &r->decoder);
    if (status != OK) {
        arena_destroy(r->arena);
        return status;
    }
    const int64_t bytes = decoder_source_bytes(r->decoder);
    const bool small = bytes > 0 && bytes <= SMALL_FILE_BYTES;
    reader_begin(r, tuning ? *tuning : small ? (LineTuning){SMALL_BLOCK_BYTES, false} : (LineTuning){BLOCK_BYTES, true});
    *reader = r;
    return OK;
}

Status line_open(const char *path, LineReader **reader) { return open_file(path, NULL, reader); }
Status line_open_tuned(const char *path, LineTuning tuning, LineReader **reader) { return open_file(path, &tuning, reader); }

LineReader *line_open_memory(const char *name, const void *data, size_t n) {
    LineReader *r = reader_create(name);
    r->decoder = decoder_open_memory(data, n, r->arena);
    reader_begin(r, (LineTuning){SMALL_BLOCK_BYTES, false});
    return r;
}

/* ---- lines ---- */

/* Append text[0..n) to the line buffer, leaving room for a NUL; false when the line grows absurd. */
static bool line_append(LineReader *r, size_t *length, const char *text, size_t n) {
    if (*length + n > LINE_LIMIT_BYTES) {
        r->line_too_long = r->ended = true;
        return false;
    }
    if (*length + n + 1 > r->line_capacity) ARENA_GROW(r->arena, r->line, r->line_capacity, *length + n + 1);
    if (n) memcpy(r->line + *length, text, n);
    *length += n;
    return true;
}

/* The line that begins at r->at and does not end in its block; or the last one, without an end; or none. */
static bool line_across(LineReader *r, const char **line, size_t *n) {
    size_t length = 0;
    bool any = false;
    for (;;) {
        if ((!r->now || r->at == r->now->n) && !advance(r)) break;
        any = true;
        const char *begin = r->now->text + r->at;
        const size_t left = r->now->n - r->at;
        const char *end = memchr(begin, '\n', left);
        const size_t take = end ? (size_t)(end - begin) : left;
        if (!line_append(r, &length, begin, take)) return false;
        r->at += take + (end ? 1 : 0);
        r->text_bytes += (int64_t)take + (end ? 1 : 0);
        if (end) break;
    }
    if (r->ended && decoder_fault(r->decoder)->kind != DECODE_FINE) return false; /* a torn last line is no line */
    if (!any) return false;
    r->line[length] = '\0';
    r->number++;
    *line = r->line;
    *n = length;
    return true;
}

bool line_next(LineReader *r, const char **line, size_t *n) {
    if (r->now && r->at < r->now->n) {
        char *begin = r->now->text + r->at, *end = memchr(begin, '\n', r->now->n - r->at);
        if (end) { /* the whole line lies in this block: no copy */
            *end = '\0';
            *line = begin;
            *n = (size_t)(end - begin);
            r->at += *n + 1;
            r->text_bytes += (int64_t)*n + 1;
            r->number++;
            return true;
        }
    }
    return !r->line_too_long && line_across(r, line, n);
}

int64_t line_number(const LineReader *r) { return r->number; }
int64_t line_bytes_read(const LineReader *r) { return r->bytes_read; }
int64_t line_file_bytes(const LineReader *r) { return decoder_source_bytes(r->decoder); }
int64_t line_text_bytes(const LineReader *r) { return r->text_bytes; }

/* ---- the end ---- */

/* Record what ended the stream before it was whole. The thread is gone by now. */
static Status reader_status(const LineReader *r) {
    const DecodeFault *f = decoder_fault(r->decoder);
    if (r->line_too_long)
        return FAIL(E_INPUT, "this is not a line-based file, or its line ends are missing", "%s:%lld: line longer than %d MiB", r->path,
                    (long long)r->number + 1, LINE_LIMIT_BYTES >> 20);
    if (!r->ended && f->kind != DECODE_NO_MEMORY) return OK; /* closed before the fault was reached: the caller has what it wanted */
    switch (f->kind) {
    case DECODE_FINE: return OK;
    case DECODE_TRUNCATED:
        return FAIL(E_INPUT, "the download or copy was cut short; fetch the file again",
                    "%s: truncated %s stream: the file ends at byte %lld inside a compressed block, after line %lld", r->path, f->codec,
                    (long long)f->at_byte, (long long)r->number);
    case DECODE_CORRUPT:
        return FAIL(E_INPUT, "fetch the file again and compare its checksum", "%s: corrupt %s stream near byte %lld, after line %lld: %s", r->path, f->codec,
                    (long long)f->at_byte, (long long)r->number, f->reason);
    case DECODE_READ_ERROR:
        return FAIL(E_INPUT, NULL, "%s: read error at byte %lld: %s", r->path, (long long)f->at_byte, f->reason);
    case DECODE_NO_MEMORY: return FAIL(E_RESOURCE, "close other programs", "%s: %s", r->path, f->reason);
    }
    return OK;
}

Status line_close(LineReader *r) {
    if (r->beside) {
        (void)pthread_mutex_lock(&r->lock);
        r->stop = true;
        (void)pthread_cond_signal(&r->changed);
        (void)pthread_mutex_unlock(&r->lock);
        decoder_interrupt(r->decoder);
        (void)pthread_join(r->thread, NULL);
        (void)pthread_cond_destroy(&r->changed);
        (void)pthread_mutex_destroy(&r->lock);
    }
    Status status = reader_status(r);
    decoder_close(r->decoder);
    arena_destroy(r->arena);
    return status;
}
