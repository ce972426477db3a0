/* llm/prompts.c -- see prompts.h. */
#include "llm/prompts.h"

#include <stdio.h>
#include <string.h>

#include "base/json.h"
#include "io/stream.h"

enum { N_FIELDS = PROMPT_FIELDS, DESCRIPTION = 3, MAX_SETS = 64, MAX_MODELS = 64 };
static const char *const field_names[N_FIELDS] = {"title", "brand", "categories", "description", "caption"};

typedef struct Evidence { const char *set; bool shows[N_FIELDS]; } Evidence;

struct Ensemble {
    const char *path;
    int description_words;
    int n_models, n_sets;
    const char *model[MAX_MODELS], *provider[MAX_MODELS];
    bool shows[N_FIELDS]; /* sets without an entry of their own */
    Evidence sets[MAX_SETS];
};

/* ---- templates */

static const char *trimmed_part(Arena *arena, const char *begin, const char *end) {
    while (begin < end && (*begin == '\n' || *begin == ' ')) begin++;
    while (end > begin && (end[-1] == '\n' || end[-1] == ' ')) end--;
    return arena_strndup(arena, begin, (size_t)(end - begin));
}

static Status read_text(const char *path, Arena *arena, char **text) {
    LineReader *reader;
    TRY(line_open(path, &reader));
    size_t used = 0, capacity = 0, n;
    const char *line;
    *text = NULL;
    while (line_next(reader, &line, &n)) {
        ARENA_GROW(arena, *text, capacity, used + n + 2);
        memcpy(*text + used, line, n);
        used += n;
        (*text)[used++] = '\n';
    }
    ARENA_GROW(arena, *text, capacity, used + 1);
    (*text)[used] = 0;
    return line_close(reader);
}

static Status header_line(Template *t, Arena *arena, const char *line) {
    char value[64];
    if (sscanf(line, "id: %63s", value) == 1) t->id = arena_strdup(arena, value);
    else if (sscanf(line, "answer: %d to %d interests", &t->min_interests, &t->max_interests) == 2) t->is_judge = false;
    else if (strcmp(line, "answer: label") == 0) t->is_judge = true;
    else if (strcmp(line, "answer: caption") == 0) t->is_caption = true;
    else if (strcmp(line, "image: yes") == 0) t->wants_image = true;
    else if (strcmp(line, "reasoning: yes") == 0) t->wants_reasoning = true;
    else if (strcmp(line, "reasoning: no") != 0 && strcmp(line, "image: no") != 0 && *line)
        return FAIL(E_INPUT, "lines before `## system` are id, answer, reasoning and image", "%s: \"%s\"", t->path, line);
    return OK;
}

static Status parse_header(Template *t, Arena *arena, const char *begin, const char *end) {
    for (const char *p = begin; p < end;) {
        const char *stop = memchr(p, '\n', (size_t)(end - p));
        if (!stop) stop = end;
        TRY(header_line(t, arena, arena_strndup(arena, p, (size_t)(stop - p))));
        p = stop + 1;
    }
    return OK;
}

Status template_load(const char *dir, const char *id, Arena *arena, Template **out) {
    Template *t = ARENA_NEW(arena, Template, 1);
    char *name = arena_strdup(arena, id);
    for (char *p = name; *p; p++)
        if (*p == '/') *p = '-';
    t->path = arena_printf(arena, "%s/%s.md", dir, name);
    char *text;
    TRY(read_text(t->path, arena, &text));
    const char *system = strstr(text, "## system\n"), *user = strstr(text, "\n## user\n");
    if (!system || !user || user < system)
        return FAIL(E_INPUT, "a template has the parts `## system` and `## user`, in this order", "%s: no such parts", t->path);
    TRY(parse_header(t, arena, text, system));
    t->system = trimmed_part(arena, system + strlen("## system\n"), user);
    t->user = trimmed_part(arena, user + strlen("\n## user\n"), text + strlen(text));
    if (!t->id || strcmp(t->id, id) != 0)
        return FAIL(E_INPUT, "the file name is the id with '/' as '-'", "%s: its id is \"%s\", expected \"%s\"", t->path, t->id ? t->id : "", id);
    if (!t->is_judge && !t->is_caption && !(t->min_interests >= 1 && t->max_interests >= t->min_interests))
        return FAIL(E_INPUT, "write `answer: 3 to 5 interests`, `answer: label` or `answer: caption`", "%s: no usable `answer:` line", t->path);
    *out = t;
    return OK;
}

/* ---- ensemble.json */

static Status read_fields(const char *path, const char *set, const cJSON *list, bool shows[N_FIELDS]) {
    if (!cJSON_IsArray(list)) return FAIL(E_INPUT, NULL, "%s: evidence of \"%s\" is not a list", path, set);
    for (const cJSON *f = list->child; f; f = f->next) {
        int k = 0;
        while (k < N_FIELDS && !(cJSON_IsString(f) && strcmp(f->valuestring, field_names[k]) == 0)) k++;
        if (k == N_FIELDS)
            return FAIL(E_INPUT, "fields are title, brand, categories, description and caption", "%s: evidence of \"%s\" names an unknown field", path, set);
        shows[k] = true;
    }
    return OK;
}

static Status read_ensemble(const cJSON *tree, Arena *arena, Ensemble *e) {
    int64_t words;
    const cJSON *models, *evidence;
    TRY(json_get_int(e->path, tree, "description_words", &words));
    if (words < 1 || words > 10000) return FAIL(E_INPUT, NULL, "%s: description_words is %lld", e->path, (long long)words);
    e->description_words = (int)words;
    TRY(json_get_object(e->path, tree, "models", &models));
    for (const cJSON *m = models->child; m; m = m->next) {
        if (e->n_models == MAX_MODELS || !cJSON_IsString(m)) return FAIL(E_INPUT, NULL, "%s: \"models\" maps at most %d names to providers", e->path, MAX_MODELS);
        e->model[e->n_models] = arena_strdup(arena, m->string);
        e->provider[e->n_models++] = arena_strdup(arena, m->valuestring);
    }
    TRY(json_get_object(e->path, tree, "evidence", &evidence));
    bool has_default = false;
    for (const cJSON *s = evidence->child; s; s = s->next) {
        bool is_default = strcmp(s->string, "default") == 0;
        has_default = has_default || is_default;
        if (!is_default && e->n_sets == MAX_SETS) return FAIL(E_INPUT, NULL, "%s: more than %d sets", e->path, MAX_SETS);
        Evidence *own = &e->sets[e->n_sets];
        TRY(read_fields(e->path, s->string, s, is_default ? e->shows : own->shows));
        if (!is_default) own->set = arena_strdup(arena, s->string), e->n_sets++;
    }
    if (!has_default) return FAIL(E_INPUT, NULL, "%s: \"evidence\" has no \"default\"", e->path);
    return OK;
}

Status ensemble_load(const char *dir, Arena *arena, Ensemble **out) {
    Ensemble *e = ARENA_NEW(arena, Ensemble, 1);
    e->path = arena_printf(arena, "%s/ensemble.json", dir);
    cJSON *tree;
    TRY(json_read_file(e->path, &tree));
    Status status = read_ensemble(tree, arena, e);
    cJSON_Delete(tree);
    *out = e;
    return status;
}

Status ensemble_provider(const Ensemble *e, const char *model, const char **provider) {
    for (int i = 0; i < e->n_models; i++)
        if (strcmp(e->model[i], model) == 0) {
            *provider = e->provider[i];
            return OK;
        }
    return FAIL(E_INPUT, "members are written model:template, e.g. claude:mine/v1", "%s: no provider for model \"%s\"", e->path, model);
}

/* ---- rendering */

typedef struct Text { Arena *arena; char *at; size_t n, capacity; } Text;

static void put(Text *t, const char *from, size_t n) {
    ARENA_GROW(t->arena, t->at, t->capacity, t->n + n + 1);
    memcpy(t->at + t->n, from, n);
    t->n += n;
    t->at[t->n] = 0;
}

/* Appends `field` with white space made single, at most max_words words (0: all). */
static void put_field(Text *t, const char *field, int max_words) {
    static const char space[] = " \t\r\n\v\f";
    int words = 0;
    for (const char *p = field + strspn(field, space); *p && (!max_words || words < max_words); words++) {
        size_t word = strcspn(p, space);
        if (words) put(t, " ", 1);
        put(t, p, word);
        p += word + strspn(p + word, space);
    }
}

static const char *field_value(const ItemText *item, int field) {
    const char *const value[N_FIELDS] = {item->title, item->brand, item->categories, item->description, item->caption};
    return value[field];
}

static const bool *shown_fields(const Ensemble *e, const char *set) {
    for (int s = 0; s < e->n_sets; s++)
        if (strcmp(e->sets[s].set, set) == 0) return e->sets[s].shows;
    return e->shows;
}

/* Index of the placeholder that starts at p (N_FIELDS: {interest}), -1 when there is none. */
static int placeholder_at(const char *p, size_t *length) {
    for (int f = 0; *p == '{' && f <= N_FIELDS; f++) {
        const char *name = f < N_FIELDS ? field_names[f] : "interest";
        *length = strlen(name) + 2;
        if (strncmp(p + 1, name, *length - 2) == 0 && p[*length - 1] == '}') return f;
    }
    return -1;
}

const char *prompt_render_as(const Ensemble *e, const Template *t, const bool *shows, const ItemText *item, const char *interest, Arena *arena) {
    Text out = {arena, NULL, 0, 0};
    put(&out, "[system]\n", 9);
    put(&out, t->system, strlen(t->system));
    put(&out, "\n[user]\n", 8);
    for (const char *p = t->user; *p;) {
        size_t length = 1;
        int f = placeholder_at(p, &length);
        if (f < 0) put(&out, p, length = 1);
        else if (f == N_FIELDS) {
            REQUIRE(interest != NULL, "template %s needs an interest", t->id);
            put_field(&out, interest, 0);
        } else if (shows[f]) put_field(&out, field_value(item, f), f == DESCRIPTION ? e->description_words : 0);
        p += length;
    }
    return out.at;
}

const char *prompt_render(const Ensemble *e, const Template *t, const char *set, const ItemText *item, const char *interest, Arena *arena) {
    return prompt_render_as(e, t, shown_fields(e, set), item, interest, arena);
}

const char *prompt_field_name(int field) {
    REQUIRE(field >= 0 && field < N_FIELDS, "field %d", field);
    return field_names[field];
}

bool prompt_shows(const Ensemble *e, const Template *t, const char *set, int field) {
    char place[32];
    (void)snprintf(place, sizeof place, "{%s}", prompt_field_name(field));
    return shown_fields(e, set)[field] && strstr(t->user, place) != NULL;
}

const char *prompt_field(const Ensemble *e, int field, const ItemText *item, Arena *arena) {
    Text out = {arena, NULL, 0, 0};
    put(&out, "", 0);
    put_field(&out, field_value(item, field), field == DESCRIPTION ? e->description_words : 0);
    return out.at;
}

const char *prompt_show(const char *rendered, const char *image, Arena *arena) {
    return image ? arena_printf(arena, "%s\n[image]\n%s", rendered, image) : rendered;
}

void prompt_key(const char *provider, const char *model, const char *template_id, const char *rendered, char key[SHA256_HEX]) {
    Sha256 *h = sha256_begin();
    sha256_add_field(h, provider);
    sha256_add_field(h, model);
    sha256_add_field(h, template_id);
    sha256_add_field(h, rendered);
    sha256_finish(h, key);
}
