/* rec/vocab.c -- see vocab.h. */
#include "rec/vocab.h"

#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <cjson/cJSON.h>

#include "base/json.h"

#define SPECIAL_TEXT(name, text) text,
static const char *const special_text[N_SPECIAL] = {SPECIAL_TOKENS(SPECIAL_TEXT)};
#undef SPECIAL_TEXT

/* Spelling of SID token number i (0-based within the SID tokens), as in the catalogue's file. */
static const char *sid_spelling(Arena *arena, const Catalogue *c, int64_t i)
{
    int64_t level = i < c->Q * c->K ? i / c->K : c->Q;
    return arena_printf(arena, "<%c_%lld>", (int)('a' + level), (long long)(i - level * c->K));
}

Vocab *vocab_create(Arena *arena, const Catalogue *c, int64_t n_merges, const char *const *corpus, int64_t n_texts)
{
    Vocab *v = ARENA_NEW(arena, Vocab, 1);
    v->text_base = N_SPECIAL;
    v->bpe = bpe_train(arena, v->text_base, n_merges, corpus, n_texts);
    for (int i = 0; i < N_SPECIAL; ++i) bpe_add(v->bpe, i, special_text[i]);
    int64_t sid_base = bpe_count(v->bpe);
    v->n_text = sid_base - v->text_base;
    v->sid_base = (int32_t)sid_base;
    v->n_sid = catalogue_n_tokens(c);
    v->Q = c->Q;
    v->K = c->K;
    v->n_suffix = c->n_suffix;
    v->V = sid_base + v->n_sid;
    for (int64_t i = 0; i < v->n_sid; ++i) bpe_add(v->bpe, sid_base + i, sid_spelling(arena, c, i));
    return v;
}

/* tokenizer_config.json: what transformers' Qwen2Tokenizer needs to treat special and SID tokens as units. */
static Status save_config(const Vocab *v, const char *path)
{
    cJSON *tree = cJSON_CreateObject();
    cJSON_AddStringToObject(tree, "tokenizer_class", "Qwen2Tokenizer");
    cJSON_AddBoolToObject(tree, "add_prefix_space", false);
    cJSON_AddStringToObject(tree, "bos_token", special_text[TOKEN_BOS]);
    cJSON_AddStringToObject(tree, "eos_token", special_text[TOKEN_END]);
    cJSON_AddStringToObject(tree, "pad_token", special_text[TOKEN_END]);
    cJSON_AddNullToObject(tree, "unk_token");
    cJSON *added = cJSON_AddObjectToObject(tree, "added_tokens_decoder");
    for (int64_t id = 0; id < v->V; ++id) {
        if (id == v->text_base) id = v->sid_base;
        char key[24];
        snprintf(key, sizeof key, "%lld", (long long)id);
        cJSON *token = cJSON_AddObjectToObject(added, key);
        cJSON_AddStringToObject(token, "content", vocab_spelling(v, (int32_t)id));
        cJSON_AddBoolToObject(token, "lstrip", false);
        cJSON_AddBoolToObject(token, "normalized", false);
        cJSON_AddBoolToObject(token, "rstrip", false);
        cJSON_AddBoolToObject(token, "single_word", false);
        cJSON_AddBoolToObject(token, "special", id < N_SPECIAL);
    }
    Status status = json_write_file(path, tree);
    cJSON_Delete(tree);
    return status;
}

Status vocab_save(const Vocab *v, const char *dir)
{
    Arena *tmp = arena_create("vocab_save");
    Status status = save_config(v, arena_printf(tmp, "%s/tokenizer_config.json", dir));
    if (status == OK) status = bpe_save(v->bpe, arena_printf(tmp, "%s/vocab.json", dir), arena_printf(tmp, "%s/merges.txt", dir));
    arena_destroy(tmp);
    return status;
}

/* Special tokens first, SID tokens last and in catalogue order. */
static Status check_layout(const char *path, Arena *tmp, const Vocab *v, const Catalogue *c)
{
    for (int i = 0; i < N_SPECIAL; ++i) {
        const char *text = bpe_token(v->bpe, i, NULL);
        if (text == NULL || strcmp(text, special_text[i]) != 0)
            return FAIL(E_INPUT, "the model folder must come from this program's 08_sft or 09_grpo", "%s: token %d is not %s", path, i, special_text[i]);
    }
    if (v->n_text < 0) return FAIL(E_INPUT, "use the semantic ids (--sids) the model was trained with", "%s: %lld tokens are too few for these semantic ids", path, (long long)v->V);
    for (int64_t i = 0; i < v->n_sid; ++i) {
        const char *want = sid_spelling(tmp, c, i), *text = bpe_token(v->bpe, v->sid_base + i, NULL);
        if (text == NULL || strcmp(text, want) != 0)
            return FAIL(E_INPUT, "use the semantic ids (--sids) the model was trained with", "%s: token %lld is %s where these semantic ids need %s", path,
                        (long long)(v->sid_base + i), text == NULL ? "absent" : text, want);
    }
    for (int64_t id = v->text_base; id < v->sid_base; ++id) {
        const char *text = bpe_token(v->bpe, id, NULL);
        bool sid_like = text != NULL && text[0] == '<' && text[1] >= 'a' && text[1] <= 'z' && text[2] == '_';
        if (text == NULL || sid_like)
            return FAIL(E_INPUT, "use the semantic ids (--sids) the model was trained with", "%s: token %lld is %s where text is expected", path, (long long)id,
                        text == NULL ? "absent" : text);
    }
    return OK;
}

Status vocab_load(const char *dir, Arena *arena, const Catalogue *c, Vocab **vocab)
{
    const char *path = arena_printf(arena, "%s/vocab.json", dir);
    Vocab *v = ARENA_NEW(arena, Vocab, 1);
    TRY(bpe_load(path, arena_printf(arena, "%s/merges.txt", dir), arena, &v->bpe));
    v->V = bpe_count(v->bpe);
    v->n_sid = catalogue_n_tokens(c);
    v->text_base = N_SPECIAL;
    v->sid_base = (int32_t)(v->V - v->n_sid);
    v->n_text = v->sid_base - v->text_base;
    v->Q = c->Q;
    v->K = c->K;
    v->n_suffix = c->n_suffix;
    Arena *tmp = arena_create("vocab_load");
    Status status = check_layout(path, tmp, v, c);
    arena_destroy(tmp);
    *vocab = v;
    return status;
}

int64_t vocab_level(const Vocab *v, int32_t token)
{
    if (token < v->sid_base || token >= v->V) return -1;
    int64_t level = (token - v->sid_base) / v->K;
    return level < v->Q ? level : v->Q;
}

void vocab_range(const Vocab *v, int32_t token, int32_t range[2])
{
    int64_t level = vocab_level(v, token);
    range[0] = level < 0 ? 0 : (int32_t)(v->sid_base + level * v->K);
    range[1] = level < 0 ? v->sid_base : level < v->Q ? (int32_t)(range[0] + v->K) : (int32_t)v->V;
}

const char *vocab_spelling(const Vocab *v, int32_t token)
{
    const char *text = bpe_token(v->bpe, token, NULL);
    REQUIRE(text != NULL, "token %d is not in the vocabulary", token);
    return text;
}
