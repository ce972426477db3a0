/* nn/decoder_io.c -- checkpoints that `transformers` opens: config.json and model.safetensors in one folder.
 *
 * Written as qwen2 (QKV biases), qwen3 (QK-norm) or llama (neither): the same computation under three names. Read back likewise.
 *
 * Deviations from the paper: none.
 */
#include <string.h>

#include "base/json.h"
#include "base/atomic.h"
#include "nn/decoder_internal.h"

typedef struct Architecture { const char *model_type, *class_name; bool attention_bias, qk_norm; } Architecture;

static const Architecture ARCHITECTURES[] = {
    {"qwen2", "Qwen2ForCausalLM", true, false},
    {"qwen3", "Qwen3ForCausalLM", false, true},
    {"llama", "LlamaForCausalLM", false, false},
};

enum { N_ARCHITECTURES = sizeof ARCHITECTURES / sizeof *ARCHITECTURES, MAX_POSITIONS = 32768 };

static Status write_config(const DecoderConfig *c, const Architecture *a, const char *path)
{
    cJSON *j = cJSON_CreateObject();
    cJSON *classes = cJSON_AddArrayToObject(j, "architectures");
    cJSON_AddItemToArray(classes, cJSON_CreateString(a->class_name));
    cJSON_AddStringToObject(j, "model_type", a->model_type);
    cJSON_AddNumberToObject(j, "vocab_size", (double)c->V);
    cJSON_AddNumberToObject(j, "hidden_size", (double)c->C);
    cJSON_AddNumberToObject(j, "intermediate_size", (double)c->F);
    cJSON_AddNumberToObject(j, "num_hidden_layers", (double)c->L);
    cJSON_AddNumberToObject(j, "num_attention_heads", (double)c->H);
    cJSON_AddNumberToObject(j, "num_key_value_heads", (double)c->Hkv);
    cJSON_AddNumberToObject(j, "head_dim", (double)c->D);
    cJSON_AddStringToObject(j, "hidden_act", "silu");
    cJSON_AddNumberToObject(j, "max_position_embeddings", MAX_POSITIONS);
    cJSON_AddNumberToObject(j, "rope_theta", c->rope_theta);
    cJSON_AddNumberToObject(j, "rms_norm_eps", c->rms_eps);
    cJSON_AddBoolToObject(j, "tie_word_embeddings", c->tied);
    cJSON_AddBoolToObject(j, "attention_bias", c->attention_bias);
    cJSON_AddNumberToObject(j, "attention_dropout", 0);
    cJSON_AddBoolToObject(j, "use_sliding_window", 0);
    cJSON_AddNumberToObject(j, "initializer_range", 0.02);
    cJSON_AddBoolToObject(j, "use_cache", 1);
    cJSON_AddNullToObject(j, "bos_token_id");
    cJSON_AddNullToObject(j, "eos_token_id");
    cJSON_AddStringToObject(j, "torch_dtype", sizeof(real) == sizeof(float) ? "float32" : "float64");
    Status s = json_write_file(path, j);
    cJSON_Delete(j);
    return s;
}

static const Architecture *architecture_of(const DecoderConfig *c)
{
    for (int i = 0; i < N_ARCHITECTURES; i++) {
        const Architecture *a = &ARCHITECTURES[i];
        if (a->attention_bias == c->attention_bias && a->qk_norm == c->qk_norm) return a;
    }
    return NULL;
}

Status decoder_save(Decoder *d, const char *dir)
{
    const Architecture *a = architecture_of(&d->config);
    if (a == NULL) {
        return FAIL(E_USAGE, "choose QKV biases (qwen2) or QK-norm (qwen3)",
                    "%s: a decoder with QKV biases and QK-norm has no name in `transformers`", dir);
    }
    TRY(dir_make(dir));
    Arena *arena = arena_create("checkpoint path");
    Status s = params_save(d->params, arena_printf(arena, "%s/model.safetensors", dir));
    if (s == OK) s = write_config(&d->config, a, arena_printf(arena, "%s/config.json", dir));
    arena_destroy(arena);
    return s;
}

static Status positive(const char *path, const cJSON *j, const char *key, int64_t *value)
{
    TRY(json_get_int(path, j, key, value));
    if (*value <= 0) return FAIL(E_INPUT, NULL, "%s: %s is %lld", path, key, (long long)*value);
    return OK;
}

static Status parse_config(const char *path, const cJSON *j, DecoderConfig *c)
{
    const char *type;
    TRY(json_get_string(path, j, "model_type", &type));
    const Architecture *a = NULL;
    for (int i = 0; i < N_ARCHITECTURES; i++) {
        if (strcmp(type, ARCHITECTURES[i].model_type) == 0) a = &ARCHITECTURES[i];
    }
    if (a == NULL) return FAIL(E_INPUT, "qwen2, qwen3 and llama can be read", "%s: model_type is %s", path, type);
    *c = (DecoderConfig){.attention_bias = a->attention_bias, .qk_norm = a->qk_norm};
    TRY(positive(path, j, "vocab_size", &c->V));
    TRY(positive(path, j, "hidden_size", &c->C));
    TRY(positive(path, j, "intermediate_size", &c->F));
    TRY(positive(path, j, "num_hidden_layers", &c->L));
    TRY(positive(path, j, "num_attention_heads", &c->H));
    c->Hkv = (int64_t)json_opt_number(j, "num_key_value_heads", (double)c->H);
    c->D = (int64_t)json_opt_number(j, "head_dim", (double)(c->C / c->H));
    c->rope_theta = json_opt_number(j, "rope_theta", 10000.0);
    c->rms_eps = json_opt_number(j, "rms_norm_eps", 1e-6);
    c->tied = json_opt_bool(j, "tie_word_embeddings", false);
    if (c->Hkv < 1 || c->H % c->Hkv != 0 || c->D < 2 || c->D % 2 != 0 || !(c->rope_theta > 0) || !(c->rms_eps > 0)) {
        return FAIL(E_INPUT, NULL, "%s: num_key_value_heads %lld, head_dim %lld, rope_theta %g or rms_norm_eps %g cannot be", path,
                    (long long)c->Hkv, (long long)c->D, c->rope_theta, c->rms_eps);
    }
    if (json_opt_bool(j, "attention_bias", c->attention_bias) != c->attention_bias) {
        return FAIL(E_INPUT, NULL, "%s: attention_bias is not what a %s model has here", path, type);
    }
    return OK;
}

Status decoder_load(Backend *be, const char *dir, int64_t max_tokens, bool with_gradients, Decoder **decoder)
{
    *decoder = NULL;
    Arena *arena = arena_create("checkpoint path");
    const char *path = arena_printf(arena, "%s/config.json", dir);
    cJSON *j;
    DecoderConfig c;
    Status s = json_read_file(path, &j);
    if (s == OK) {
        s = parse_config(path, j, &c);
        cJSON_Delete(j);
    }
    if (s == OK) {
        *decoder = decoder_create(be, &c, max_tokens, with_gradients);
        s = params_load_ignoring((*decoder)->params, arena_printf(arena, "%s/model.safetensors", dir),
                                 c.tied ? "lm_head.weight" : NULL); /* some published tied models repeat it */
    }
    if (s != OK) {
        decoder_destroy(*decoder);
        *decoder = NULL;
    }
    arena_destroy(arena);
    return s;
}
