/* rec/tasks.c -- see tasks.h. */
#include "rec/tasks.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <cjson/cJSON.h>

#include "base/json.h"
#include "base/rng.h"
#include "io/stream.h"

#define TASK_NAME(name, option, passes, unit) option,
static const char *const task_name[N_TASKS] = {TASK_LIST(TASK_NAME)};
#undef TASK_NAME

/* id = task (8 bits), index (39), window (16) */
enum { WINDOW_BITS = 16, INDEX_BITS = 39 };

typedef struct Texts { int64_t *offset; int32_t *token; } Texts; /* tokens of item i: [offset[i], offset[i+1]) */

struct TaskSet {
    TaskOptions o;
    SequenceBuilder b;
    const Sequences *train;
    Texts title, interests;
    int64_t *list[N_TASKS]; /* indices of the task's samples */
    int64_t n[N_TASKS];
    int64_t window_items;   /* longest piece of a training sequence */
};

const char *tasks_name(Task task) { return task_name[task]; }
Task tasks_task_of(int64_t id) { return (Task)(id >> (WINDOW_BITS + INDEX_BITS)); }
int64_t tasks_index_of(int64_t id) { return id >> WINDOW_BITS & (((int64_t)1 << INDEX_BITS) - 1); }
static int64_t window_of(int64_t id) { return id & (((int64_t)1 << WINDOW_BITS) - 1); }

static int64_t make_id(Task task, int64_t index, int64_t window)
{
    return (int64_t)task << (WINDOW_BITS + INDEX_BITS) | index << WINDOW_BITS | window;
}

/* --- text ----------------------------------------------------------------------------------------------------------------------------- */

const char **tasks_titles(Arena *arena, const Dataset *d)
{
    const char **title = ARENA_NEW(arena, const char *, d->N);
    for (int64_t i = 0; i < d->N; ++i) {
        const ItemText *t = &d->text[i];
        title[i] = t->title;
        if (*t->title != 0) continue;
        const char *part[3] = {t->brand, t->keywords, t->categories};
        const char *joined = "";
        for (int k = 0; k < 3; ++k)
            if (*part[k] != 0) joined = *joined == 0 ? part[k] : arena_printf(arena, "%s, %s", joined, part[k]);
        title[i] = joined;
    }
    return title;
}

static Status read_labels_line(const char *path, int64_t number, const cJSON *line, int64_t N, Arena *arena, const char **text)
{
    int64_t item;
    const cJSON *list, *entry;
    TRY(json_get_int(path, line, "item", &item));
    TRY(json_get_array(path, line, "interests", &list));
    if (item < 0 || item >= N)
        return FAIL(E_INPUT, "labels and data set must belong together", "%s:%lld: item %lld is outside [0,%lld)", path, (long long)number, (long long)item, (long long)N);
    const char *joined = "";
    cJSON_ArrayForEach(entry, list) {
        const char *one;
        int64_t label;
        TRY(json_get_string(path, entry, "text", &one));
        TRY(json_get_int(path, entry, "label", &label));
        if (label == 1) joined = *joined == 0 ? arena_strdup(arena, one) : arena_printf(arena, "%s; %s", joined, one);
    }
    text[item] = joined;
    return OK;
}

Status tasks_interests(Arena *arena, const Dataset *d, const char *labels_dir, const char ***out)
{
    const char **text = ARENA_NEW(arena, const char *, d->N), *path = arena_printf(arena, "%s/labels.jsonl", labels_dir), *line;
    for (int64_t i = 0; i < d->N; ++i) text[i] = "";
    LineReader *reader;
    TRY(line_open(path, &reader));
    size_t n;
    Status status = OK;
    while (status == OK && line_next(reader, &line, &n)) {
        cJSON *tree = NULL;
        status = json_parse_line(path, line_number(reader), line, n, &tree);
        if (status == OK) status = read_labels_line(path, line_number(reader), tree, d->N, arena, text);
        cJSON_Delete(tree);
    }
    Status closed = line_close(reader);
    if (status != OK) return status;
    *out = text;
    return closed;
}

static Texts encode_texts(Arena *arena, const TaskOptions *o, const Vocab *v, const char *const *text, int64_t N)
{
    Texts t = {ARENA_NEW(arena, int64_t, N + 1), NULL};
    size_t capacity = 0;
    for (int64_t i = 0; i < N; ++i) {
        ARENA_GROW(arena, t.token, capacity, t.offset[i] + o->max_text);
        int64_t n = text == NULL || v->n_text == 0 ? 0 : bpe_encode(v->bpe, text[i], strlen(text[i]), t.token + t.offset[i], o->max_text);
        t.offset[i + 1] = t.offset[i] + (n < o->max_text ? n : o->max_text);
    }
    return t;
}

/* --- the samples of an epoch ---------------------------------------------------------------------------------------------------------- */

static int64_t text_length(const Texts *t, int64_t item) { return t->offset[item + 1] - t->offset[item]; }
static int64_t train_length(const TaskSet *t, int64_t s) { return t->train->offset[s + 1] - t->train->offset[s]; }

static bool has_sample(const TaskSet *t, Task task, int64_t i)
{
    switch (task) {
    case TASK_NEXT: return train_length(t, i) >= 1;
    case TASK_TITLE_TO_SID: case TASK_SID_TO_TITLE: return text_length(&t->title, i) > 0;
    case TASK_INTERESTS_TO_SID: case TASK_SID_TO_INTERESTS: return text_length(&t->interests, i) > 0;
    case TASK_TITLES_TO_SID: case TASK_SIDS_TO_TITLE:
        if (train_length(t, i) < 2) return false;
        for (int64_t k = t->train->offset[i]; k < t->train->offset[i + 1]; ++k)
            if (text_length(&t->title, t->train->items[k]) == 0) return false;
        return true;
    default: return false;
    }
}

TaskSet *tasks_create(Arena *arena, const TaskOptions *o, const SequenceBuilder *b, const Dataset *d, const char *const *title,
                      const char *const *interests)
{
    TaskSet *t = ARENA_NEW(arena, TaskSet, 1);
    t->o = *o;
    t->b = *b;
    t->train = &d->train;
    int64_t longest_sid = b->catalogue->Q + (b->catalogue->n_suffix > 0), fits = (o->max_tokens - 1) / longest_sid;
    REQUIRE(fits >= 2 && o->max_tokens >= 2 * o->max_text + 16, "%lld tokens a sample are too few", (long long)o->max_tokens);
    t->window_items = o->window == WINDOW_FULL || b->max_history + 1 > fits ? fits : b->max_history + 1;
    t->title = encode_texts(arena, o, b->vocab, title, d->N);
    t->interests = encode_texts(arena, o, b->vocab, interests, d->N);
    for (int task = 0; task < N_TASKS; ++task) {
        if (!(o->ratio[task] > 0)) continue;
        bool by_item = task >= TASK_TITLE_TO_SID && task <= TASK_SID_TO_INTERESTS;
        int64_t n = by_item ? d->N : d->train.n;
        t->list[task] = ARENA_NEW(arena, int64_t, n);
        for (int64_t i = 0; i < n; ++i)
            if (has_sample(t, (Task)task, i)) t->list[task][t->n[task]++] = i;
    }
    return t;
}

int64_t tasks_available(const TaskSet *t, Task task) { return t->n[task]; }

/* Offset of the first window boundary of a long sequence in WINDOW_CHUNK, start of the window in WINDOW_RANDOM. */
static int64_t draw_window(const TaskSet *t, int64_t epoch, int64_t s, int64_t n)
{
    Rng r = rng_make(t->o.seed, RNG_STAGE_SFT, RNG_SAMPLE, (uint32_t)epoch, (uint64_t)s);
    int64_t choices = t->o.window == WINDOW_CHUNK ? t->window_items : n - t->window_items + 1;
    return (int64_t)rng_below(&r, (uint64_t)choices);
}

/* Windows of a sequence of n items: one, or in WINDOW_CHUNK the pieces between boundaries. */
static int64_t n_windows(const TaskSet *t, int64_t epoch, int64_t s)
{
    int64_t n = train_length(t, s), W = t->window_items;
    if (t->o.window != WINDOW_CHUNK || n <= W) return 1;
    int64_t first = draw_window(t, epoch, s, n);
    return (first > 0) + (n - first + W - 1) / W;
}

static void window_bounds(const TaskSet *t, int64_t epoch, int64_t s, int64_t window, int64_t *from, int64_t *to)
{
    int64_t n = train_length(t, s), W = t->window_items;
    *from = 0;
    *to = n;
    if (n <= W) return;
    if (t->o.window == WINDOW_FULL) { /* only the limit of max_tokens cuts: keep the newest */
        *from = n - W;
        return;
    }
    int64_t draw = draw_window(t, epoch, s, n);
    if (t->o.window == WINDOW_RANDOM) {
        *from = draw;
        *to = draw + W;
        return;
    }
    int64_t begin = draw + (window - (draw > 0)) * W;
    *from = begin < 0 ? 0 : begin;
    *to = begin + W < n ? begin + W : n;
}

int64_t tasks_epoch(const TaskSet *t, int64_t epoch, Arena *arena, int64_t **id)
{
    size_t capacity = 0;
    int64_t n = 0, *out = NULL;
    for (int task = 0; task < N_TASKS; ++task) {
        if (t->n[task] == 0) continue;
        int64_t left = (int64_t)floor(t->o.ratio[task] * (double)t->n[task] + 0.5);
        Rng r = rng_make(t->o.seed, RNG_STAGE_SFT, RNG_PERMUTE, (uint32_t)epoch, (uint64_t)task);
        int64_t *order = ARENA_NEW(arena, int64_t, t->n[task]);
        while (left > 0) {
            memcpy(order, t->list[task], (size_t)t->n[task] * sizeof *order);
            rng_shuffle_i64(&r, order, t->n[task]);
            int64_t take = left < t->n[task] ? left : t->n[task];
            left -= take;
            for (int64_t i = 0; i < take; ++i) {
                int64_t windows = task == TASK_NEXT ? n_windows(t, epoch, order[i]) : 1;
                ARENA_GROW(arena, out, capacity, n + windows);
                for (int64_t w = 0; w < windows; ++w) out[n++] = make_id((Task)task, order[i], w);
            }
        }
    }
    Rng r = rng_make(t->o.seed, RNG_STAGE_SFT, RNG_SHUFFLE, (uint32_t)epoch, 0);
    rng_shuffle_i64(&r, out, n);
    *id = out;
    return n;
}

/* --- writing a sample ----------------------------------------------------------------------------------------------------------------- */

static int64_t put_text(const Texts *t, int64_t item, int32_t *token)
{
    int64_t n = text_length(t, item);
    memcpy(token, t->token + t->offset[item], (size_t)n * sizeof *token);
    return n;
}

static int64_t write_next(const TaskSet *t, int64_t epoch, int64_t id, int32_t *token, int32_t *target)
{
    int64_t s = tasks_index_of(id), from, to, n = 1;
    window_bounds(t, epoch, s, window_of(id), &from, &to);
    const int32_t *item = t->train->items + t->train->offset[s];
    Rng r = rng_make(t->o.seed, RNG_STAGE_SFT, RNG_AUGMENT, (uint32_t)epoch, (uint64_t)id);
    token[0] = TOKEN_BOS;
    int64_t kept = to - from;
    for (int64_t i = from; i < to; ++i) {
        if (t->o.item_drop > 0 && kept > 2 && rng_uniform(&r) < t->o.item_drop) --kept;
        else n += sequence_append_items(&t->b, item + i, 1, token + n);
    }
    sequence_shift(token, n, 1, target);
    if (t->o.token_drop > 0)
        for (int64_t i = 1; i < n; ++i)
            if (rng_uniform(&r) < t->o.token_drop) token[i] = TOKEN_MASK;
    return n;
}

/* Item text <-> SID. */
static int64_t write_item(const TaskSet *t, Task task, int64_t item, int32_t *token, int32_t *target)
{
    const Texts *text = task == TASK_TITLE_TO_SID || task == TASK_SID_TO_TITLE ? &t->title : &t->interests;
    bool from_text = task == TASK_TITLE_TO_SID || task == TASK_INTERESTS_TO_SID;
    static const SpecialToken mark[N_TASKS] = {[TASK_TITLE_TO_SID] = TOKEN_TITLE_TO_SID, [TASK_SID_TO_TITLE] = TOKEN_SID_TO_TITLE,
        [TASK_INTERESTS_TO_SID] = TOKEN_INTERESTS_TO_SID, [TASK_SID_TO_INTERESTS] = TOKEN_SID_TO_INTERESTS};
    int64_t n = 0;
    token[n++] = TOKEN_BOS;
    n += from_text ? put_text(text, item, token + n) : sequence_answer(&t->b, (int32_t)item, token + n);
    token[n++] = (int32_t)mark[task];
    int64_t first = n;
    n += from_text ? sequence_answer(&t->b, (int32_t)item, token + n) : put_text(text, item, token + n);
    if (!from_text) token[n++] = TOKEN_END;
    sequence_shift(token, n, first, target);
    return n;
}

/* History of one kind, next item of the other: the split point is drawn anew each epoch. */
static int64_t write_history(const TaskSet *t, int64_t epoch, int64_t id, int32_t *token, int32_t *target)
{
    bool titles = tasks_task_of(id) == TASK_TITLES_TO_SID;
    int64_t s = tasks_index_of(id), n = 0;
    const int32_t *item = t->train->items + t->train->offset[s];
    Rng r = rng_make(t->o.seed, RNG_STAGE_SFT, RNG_AUGMENT, (uint32_t)epoch, (uint64_t)id);
    int64_t next = 1 + (int64_t)rng_below(&r, (uint64_t)(train_length(t, s) - 1));
    if (titles) {
        int64_t room = t->o.max_tokens - 2 - SID_MAX, begin = next;
        for (int64_t used = 0; begin > 0 && next - begin < t->o.text_history; --begin) {
            used += text_length(&t->title, item[begin - 1]) + 1;
            if (used > room) break;
        }
        token[n++] = TOKEN_BOS;
        for (int64_t i = begin; i < next; ++i) {
            if (i > begin) token[n++] = TOKEN_SEP;
            n += put_text(&t->title, item[i], token + n);
        }
        token[n++] = TOKEN_TITLES_TO_SID;
    } else {
        int64_t longest_sid = t->b.catalogue->Q + (t->b.catalogue->n_suffix > 0), fits = (t->o.max_tokens - t->o.max_text - 3) / longest_sid;
        int64_t keep = next < fits ? next : fits;
        n = sequence_prompt(&t->b, item + next - keep, keep, token);
        token[n++] = TOKEN_SIDS_TO_TITLE;
    }
    int64_t first = n;
    n += titles ? sequence_answer(&t->b, item[next], token + n) : put_text(&t->title, item[next], token + n);
    if (!titles) token[n++] = TOKEN_END;
    sequence_shift(token, n, first, target);
    return n;
}

int64_t tasks_write(const TaskSet *t, int64_t epoch, int64_t id, int32_t *token, int32_t *target, real *weight)
{
    Task task = tasks_task_of(id);
    *weight = task == TASK_NEXT ? 1 : (real)t->o.align_weight;
    int64_t n = task == TASK_NEXT ? write_next(t, epoch, id, token, target)
              : task == TASK_TITLES_TO_SID || task == TASK_SIDS_TO_TITLE ? write_history(t, epoch, id, token, target)
                                                                         : write_item(t, task, tasks_index_of(id), token, target);
    REQUIRE(n >= 2 && n <= t->o.max_tokens, "a sample of %lld tokens", (long long)n);
    return n;
}
