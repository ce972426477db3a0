/* data/exchange_minionerec.c -- the writer of MiniOneRec's files: CSV as pandas writes it, lists as Python prints them. */
#include <string.h>

#include "data/csv.h"
#include "data/exchange_parts.h"

/* ---- Python's way to print a text ---- */

/* Length of the UTF-8 character at p, and its code. */
static size_t utf8_at(const char *p, uint32_t *code) {
    unsigned char c = (unsigned char)*p;
    size_t n = c < 0x80 ? 1 : c < 0xE0 ? 2 : c < 0xF0 ? 3 : 4;
    *code = n == 1 ? c : c & (0xFFu >> (n + 1));
    for (size_t i = 1; i < n; i++) *code = *code << 6 | ((unsigned char)p[i] & 0x3F);
    return n;
}

static char *put(char *out, const char *text) {
    size_t n = strlen(text);
    memcpy(out, text, n);
    return out + n;
}

/* repr(text): single quotes, unless it holds one and no double quote; control characters, the no-break space and line separators escaped. Returns the end;
 * writes at most 6 bytes for each byte of text, and 2. */
static char *python_repr(char *out, const char *text) {
    char quote = strchr(text, '\'') && !strchr(text, '"') ? '"' : '\'', escape[8];
    *out++ = quote;
    for (const char *p = text; *p;) {
        uint32_t code;
        size_t n = utf8_at(p, &code);
        if (code == (unsigned char)quote || code == '\\') *out++ = '\\', *out++ = (char)code;
        else if (code == '\n') out = put(out, "\\n");
        else if (code == '\r') out = put(out, "\\r");
        else if (code == '\t') out = put(out, "\\t");
        else if (code < 0x20 || (code >= 0x7F && code <= 0xA0) || code == 0xAD) {
            snprintf(escape, sizeof escape, "\\x%02x", (unsigned)code);
            out = put(out, escape);
        } else if (code == 0x2028 || code == 0x2029) {
            snprintf(escape, sizeof escape, "\\u%04x", (unsigned)code);
            out = put(out, escape);
        } else {
            memcpy(out, p, n);
            out += n;
        }
        p += n;
    }
    *out++ = quote;
    return out;
}

/* [a, b] of the events [first, end): what 0 item numbers, 1 titles, 2 SIDs, 3 times. */
static void write_list(Exchange *x, FILE *f, int64_t first, int64_t end, int what) {
    ArenaMark mark = arena_mark(x->arena);
    size_t size = 3;
    for (int64_t e = first; e < end; e++) size += 32 + (what == 1 ? 6 * strlen(x->d->text[x->e->item[e]].title) : what == 2 ? 6 * strlen(x->sid[x->e->item[e]]) : 0);
    char *text = arena_alloc_raw(x->arena, size, 1), *p = put(text, "[");
    for (int64_t e = first; e < end; e++) {
        char number[32];
        if (e > first) p = put(p, ", ");
        if (what == 1) p = python_repr(p, x->d->text[x->e->item[e]].title);
        else if (what == 2) p = python_repr(p, x->sid[x->e->item[e]]);
        else {
            snprintf(number, sizeof number, "%lld", what == 0 ? (long long)x->e->item[e] : (long long)x->e->time_s[e]);
            p = put(p, number);
        }
    }
    memcpy(p, "]", 2);
    csv_write(f, text, ',');
    arena_release(x->arena, mark);
}

static void write_rows(Exchange *x, FILE *f, int part) {
    fprintf(f, "user_id,history_item_title,item_title,history_item_id,item_id%s%s\n", x->sid ? ",history_item_sid,item_sid" : "", x->n_timed ? ",history_timestamp,timestamp" : "");
    for (int64_t r = 0; r < x->n_rows[part]; r++) {
        const ExchangeRow *row = &x->row[part][r];
        int64_t first = exchange_window(x, row), target = x->e->offset[row->user] + row->position;
        fprintf(f, "A%d,", row->user);
        write_list(x, f, first, target, 1);
        fputc(',', f);
        csv_write(f, x->d->text[x->e->item[target]].title, ',');
        fputc(',', f);
        write_list(x, f, first, target, 0);
        fprintf(f, ",%d", x->e->item[target]);
        if (x->sid) {
            fputc(',', f);
            write_list(x, f, first, target, 2);
            fputc(',', f);
            csv_write(f, x->sid[x->e->item[target]], ',');
        }
        if (x->n_timed) {
            fputc(',', f);
            write_list(x, f, first, target, 3);
            fprintf(f, ",%lld", (long long)x->e->time_s[target]);
        }
        fputc('\n', f);
    }
}

static void write_info(Exchange *x, FILE *f, int which) {
    (void)which;
    for (int64_t i = 0; i < x->d->N; i++) fprintf(f, "%s\t%s\t%lld\n", x->sid[i], exchange_flat(x, x->d->text[i].title), (long long)i);
}

Status exchange_minionerec(Exchange *x, const char *out) {
    static const char *const parts[3] = {"train", "valid", "test"};
    for (int p = 0; p < 3; p++) TRY(exchange_file(x, out, arena_printf(x->arena, "%s/%s.csv", parts[p], x->stem), write_rows, p));
    TRY(exchange_item_json(x, out));
    TRY(exchange_index(x, out));
    if (x->sid) TRY(exchange_file(x, out, arena_printf(x->arena, "info/%s.txt", x->stem), write_info, 0));
    return exchange_ids(x, out, "A", 0);
}
