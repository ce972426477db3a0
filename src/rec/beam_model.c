/* rec/beam_model.c -- see beam_model.h. */
#include "rec/beam_model.h"

#include "base/json.h"

static Status read_settings(BeamModel *m, const char *path)
{
    cJSON *tree;
    TRY(json_read_file(path, &tree));
    Status status = json_get_int(path, tree, "max_history", &m->builder.max_history);
    if (status == OK) status = json_get_bool(path, tree, "level_softmax", &m->level_softmax);
    if (status == OK && m->builder.max_history < 1)
        status = FAIL(E_INPUT, "train the model again", "%s: max_history %lld", path, (long long)m->builder.max_history);
    cJSON_Delete(tree);
    return status;
}

Status beam_model_open(Backend *be, const char *dir, const char *sids_dir, int64_t N, int64_t max_tokens, bool with_gradients, Arena *arena,
                       BeamModel **model)
{
    BeamModel *m = ARENA_NEW(arena, BeamModel, 1);
    m->dir = arena_strdup(arena, dir);
    m->sids = arena_printf(arena, "%s/sids.index.json", sids_dir);
    TRY(catalogue_read(m->sids, arena, N, &m->catalogue));
    TRY(vocab_load(dir, arena, m->catalogue, &m->vocab));
    TRY(trie_from_catalogue(arena, m->catalogue, m->vocab->sid_base, &m->trie));
    m->builder = (SequenceBuilder){.vocab = m->vocab, .catalogue = m->catalogue};
    TRY(read_settings(m, arena_printf(arena, "%s/sft.json", dir)));
    m->max_prompt = sequence_prompt_capacity(&m->builder);
    TRY(decoder_load(be, dir, max_tokens > 0 ? max_tokens : m->max_prompt, with_gradients, &m->decoder));
    int64_t V = decoder_config(m->decoder)->V;
    if (V != m->vocab->V) {
        decoder_destroy(m->decoder);
        return FAIL(E_INPUT, "model and tokenizer files come from different runs; train the model again",
                    "%s: the model has %lld tokens, vocab.json %lld", dir, (long long)V, (long long)m->vocab->V);
    }
    *model = m;
    return OK;
}

void beam_model_close(BeamModel *m)
{
    if (m) decoder_destroy(m->decoder);
}

BeamScore beam_model_score(const BeamModel *m) { return m->level_softmax ? BEAM_RENORM : BEAM_MASK; }

void beam_model_inputs(const BeamModel *m, Arena *arena, Manifest *manifest)
{
    static const char *const files[] = {"config.json", "model.safetensors", "vocab.json", "merges.txt", "sft.json"};
    manifest_input(manifest, m->sids);
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) manifest_input(manifest, arena_printf(arena, "%s/%s", m->dir, files[i]));
}

Status beam_model_copy_extras(const BeamModel *m, Arena *arena, const char *dir)
{
    cJSON *tree;
    TRY(vocab_save(m->vocab, dir));
    TRY(json_read_file(arena_printf(arena, "%s/sft.json", m->dir), &tree));
    Status status = json_write_file(arena_printf(arena, "%s/sft.json", dir), tree);
    cJSON_Delete(tree);
    return status;
}
